//! The product as data for devices: vendor calls and our own kernels.

use super::Shape;
use super::input::Product;
use crate::recording::{Command, GemmType, LibraryCall, Recording, Role};
use crate::work::{DeviceInfo, Implementation, Language, LibraryName, Unsupported};

/// Whether `implementation` can compute `shape` on `device`.
pub(super) fn supports(
    shape: &Shape,
    implementation: &Implementation,
    device: &DeviceInfo,
) -> Result<(), Unsupported> {
    let no = |reason: String| Err(Unsupported(reason));
    let bf16 = shape.dtype == GemmType::Bf16;
    let on_gpu = device.backend != "cpu";
    if implementation.language != Language::Native {
        for (name, size) in [("m", shape.m), ("n", shape.n), ("k", shape.k)] {
            if size > i32::MAX as usize {
                return no(format!("{name} = {size} exceeds the 32-bit sizes of the call"));
            }
        }
    }
    match implementation.language {
        Language::Library(LibraryName::OpenBlas) if bf16 => {
            no("OpenBLAS as distributed has no bf16 product".into())
        }
        Language::Library(LibraryName::CublasLt)
            if bf16 && device.compute_capability.is_some_and(|c| c < (8, 0)) =>
        {
            no("bf16 in cuBLASLt needs compute capability 8.0".into())
        }
        _ if on_gpu => fits(shape, device),
        _ => Ok(()),
    }
}

/// Whether every operand is a buffer that the device can bind.
fn fits(shape: &Shape, device: &DeviceInfo) -> Result<(), Unsupported> {
    let operand = shape.operand_bytes();
    let largest = (shape.a_len() * operand).max(shape.b_len() * operand).max(shape.c_len() * 4);
    match device.max_buffer_bytes {
        Some(limit) if largest as u64 > limit => Err(Unsupported(format!(
            "an operand of {largest} bytes exceeds the largest buffer of {} ({limit} bytes)",
            device.id
        ))),
        _ => Ok(()),
    }
}

/// The vendor's product.
pub(super) fn library(product: &Product) -> Recording {
    let Shape { dtype, m, n, k, batch } = product.shape;
    let mut recording = Recording::default();
    let a = recording.upload("a", Role::Input, product.a.bytes());
    let b = recording.upload("b", Role::Constant, product.b.bytes());
    let c = recording.buffer("c", Role::Output, product.shape.c_len() as u64 * 4);
    let [m, n, k, batch] = [m, n, k, batch].map(|size| size as u32);
    recording.commands =
        vec![Command::Library(LibraryCall::Gemm { m, n, k, batch, dtype, a, b, c })];
    recording
}
