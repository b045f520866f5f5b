//! The environment stamp: what this machine is, and a key per device over what affects results.

use breakeven_kernels::work::DeviceInfo;

use super::{CpuEnv, Environment, HostState};

/// Where to learn the VM size.
#[derive(Debug, Clone, Default)]
pub struct SkuSource {
    /// `--sku`, believed without a look.
    pub flag: Option<String>,
    /// Whether cloud instance metadata may be asked (300 ms).
    pub metadata: bool,
}

/// Looks at the machine. Never fails: what cannot be found out is named in `unknown`.
pub fn stamp(_devices: &[DeviceInfo], sku: &SkuSource) -> Environment {
    Environment {
        os: None,
        kernel: None,
        arch: std::env::consts::ARCH.to_owned(),
        virtualization: None,
        provider: None,
        sku: sku.flag.clone(),
        sku_source: sku.flag.as_ref().map(|_| "flag".to_owned()),
        region: None,
        cpu: CpuEnv::default(),
        memory_bytes: None,
        state: state(),
        devices: Vec::new(),
        unknown: Vec::new(),
    }
}

/// The changing state of the machine now.
pub fn state() -> HostState {
    HostState::default()
}
