//! The product as data for devices: vendor calls and our own kernels.

use super::cpu::Way;
use super::input::Product;
use super::{Shape, cuda, wgsl};
use crate::recording::{
    Arg, BufferId, Command, GemmType, Kernel, LibraryCall, Module, Recording, Role,
};
use crate::tiles::MAX_GRID;
use crate::work::{DeviceInfo, Implementation, Language, LibraryName, Tuning, Unsupported};

/// Rows up to which B is streamed instead of tiled.
pub(super) const FEW_ROWS: usize = 8;

/// Whether `implementation` can compute `shape` on `device`.
pub(super) fn supports(
    shape: &Shape,
    implementation: &Implementation,
    device: &DeviceInfo,
) -> Result<(), Unsupported> {
    let no = |reason: &str| Err(Unsupported(reason.into()));
    let bf16 = shape.dtype == GemmType::Bf16;
    let tiles = |size: usize| size.div_ceil(64);
    match implementation.language {
        Language::Native => return Ok(()),
        Language::Library(LibraryName::OpenBlas) if bf16 => {
            return no("OpenBLAS as distributed has no bf16 product");
        }
        Language::Library(LibraryName::CublasLt)
            if bf16 && device.compute_capability.is_some_and(|c| c < (8, 0)) =>
        {
            return no("bf16 in cuBLASLt needs compute capability 8.0");
        }
        Language::Cuda if tiles(shape.m) > MAX_GRID => {
            return no("m exceeds 65535 tiles of 64 rows");
        }
        Language::Wgsl if tiles(shape.m).max(tiles(shape.n)) > MAX_GRID => {
            return no("m or n exceeds 65535 tiles of 64");
        }
        Language::Wgsl if shape.a_len().max(shape.b_len()).max(shape.c_len()) > 1 << 31 => {
            return no("an operand has more than 2^31 elements, which the shader cannot index");
        }
        _ => {}
    }
    if device.backend == "cpu" { Ok(()) } else { fits(shape, device) }
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

/// What may be tried for `shape` on `device`.
pub(super) fn tunings(shape: &Shape, language: Language, device: &DeviceInfo) -> Vec<Tuning> {
    match language {
        Language::Cuda => cuda::tunings(shape, device),
        Language::Wgsl => wgsl::tunings(shape, device),
        Language::Native => {
            let named = |(index, way): (usize, &Way)| Tuning { name: way.name().into(), index };
            Way::all(shape).iter().enumerate().map(named).collect()
        }
        Language::Library(_) | Language::Process => vec![Tuning::default()],
    }
}

/// The program for `language` on `device`.
pub(super) fn recording(
    product: &Product,
    language: Language,
    device: &DeviceInfo,
    tuning: &Tuning,
) -> Recording {
    let mut recording = Recording::default();
    let a = recording.upload("a", Role::Input, product.a.bytes());
    let b = recording.upload("b", Role::Constant, product.b.bytes());
    let c = recording.buffer("c", Role::Output, product.shape.c_len() as u64 * 4);
    let operands = Operands { shape: product.shape, a, b, c };
    recording.commands = match language {
        Language::Library(name) => {
            recording.library = Some(name);
            vec![operands.library()]
        }
        Language::Wgsl => wgsl::commands(&operands, &mut recording, device, tuning),
        _ => cuda::commands(&operands, &mut recording, device, tuning),
    };
    recording
}

/// A shape and the buffers of its operands.
pub(super) struct Operands {
    pub shape: Shape,
    a: BufferId,
    b: BufferId,
    pub c: BufferId,
}

impl Operands {
    pub fn bf16(&self) -> bool {
        self.shape.dtype == GemmType::Bf16
    }

    /// Arguments of all kernels up to `k`.
    pub fn args(&self, out: BufferId) -> Vec<Arg> {
        let sizes = [self.shape.m, self.shape.n, self.shape.k].map(|size| Arg::U32(size as u32));
        [Arg::Read(self.a), Arg::Read(self.b), Arg::Write(out)].into_iter().chain(sizes).collect()
    }

    /// The vendor's product.
    fn library(&self) -> Command {
        let Shape { dtype, m, n, k, batch } = self.shape;
        let [m, n, k, batch] = [m, n, k, batch].map(|size| size as u32);
        let Self { a, b, c, .. } = *self;
        Command::Library(LibraryCall::Gemm { m, n, k, batch, dtype, a, b, c })
    }
}

/// A kernel of `threads` in a row.
pub(crate) fn kernel(
    module: Module,
    entry: &'static str,
    threads: u32,
    shared_bytes: u32,
) -> Kernel {
    Kernel { module, entry, block: [threads, 1, 1], shared_bytes, overrides: Vec::new() }
}

/// Where `parts` sums of the `values` of `c` go, and the launch of `adder` that adds them; `c` itself
/// where there is one part.
pub(crate) fn sum_parts(
    recording: &mut Recording,
    adder: Module,
    c: BufferId,
    values: usize,
    parts: usize,
) -> (BufferId, Option<Command>) {
    if parts == 1 {
        return (c, None);
    }
    let partial = recording.buffer("partial", Role::Scratch, (parts * values) as u64 * 4);
    let counts = [values, parts].map(|count| Arg::U32(count as u32));
    let add = Command::Dispatch {
        kernel: kernel(adder, "matmul_sum_parts", 256, 0),
        grid: [values.div_ceil(256) as u32, 1, 1],
        args: [Arg::Read(partial), Arg::Write(c)].into_iter().chain(counts).collect(),
    };
    (partial, Some(add))
}
