//! The CUDA host shim as devices that a plan can be made for.

use breakeven_kernels::work::{DeviceInfo, DeviceKind, Language, LibraryName};

#[path = "../shim/mod.rs"]
mod shim;

pub use shim::{Order, ShimError, run_recording};

/// The newest and the oldest chip that PTX is made for, with the thread orders to run as each.
pub fn devices() -> [(DeviceInfo, &'static [Order]); 2] {
    [
        (device(9, 0), &[Order::Forward, Order::Reverse, Order::Random(1)]),
        (device(7, 0), &[Order::Random(2)]),
    ]
}

fn device(major: u32, minor: u32) -> DeviceInfo {
    DeviceInfo {
        id: format!("cuda-shim:{major}.{minor}"),
        backend: "cuda".into(),
        kind: DeviceKind::Gpu,
        name: "CUDA host shim".into(),
        vendor: None,
        architecture: None,
        driver: None,
        memory_bytes: Some(1 << 30),
        threads: None,
        cores: None,
        compute_units: Some(4),
        compute_capability: Some((major, minor)),
        cache_bytes: Some(4 << 20),
        languages: vec![
            Language::Cuda,
            Language::Library(LibraryName::CublasLt),
            Language::Library(LibraryName::Cudnn),
        ],
        libraries: Vec::new(),
        features: Vec::new(),
        max_workgroup_invocations: Some(1024),
        max_shared_bytes: Some(if major >= 9 { 227 << 10 } else { 96 << 10 }),
        max_buffer_bytes: Some(1 << 30),
    }
}
