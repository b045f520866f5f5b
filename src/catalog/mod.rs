//! VM sizes, their prices and the peaks of what is in them: embedded tables, dated and sourced
//! row by row. An absent fact is `None`; a missing price never becomes 0.

mod load;
mod mig;
mod overlay;
mod series;
#[cfg(test)]
mod tests;

pub use load::CatalogError;
pub use mig::{MigProfile, Slice};
pub use overlay::{Overlaid, PRICES_USD_PER_H, PriceLine, prices_as_csv, prices_of_csv};

use serde::{Deserialize, Serialize};

/// Everything known about VM sizes and devices.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Catalog {
    /// VM sizes; provider and name together occur once.
    pub skus: Vec<Sku>,
    /// GPU models, the MIG instances of those that can be cut among them.
    pub gpus: Vec<Gpu>,
    /// The ways in which GPUs can be cut.
    pub mig: Vec<MigProfile>,
    /// CPU models.
    pub cpus: Vec<Cpu>,
}

/// A VM size.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sku {
    /// `azure`, `aws`, `gcp`.
    pub provider: String,
    /// The provider's own name, e.g. `Standard_NC4as_T4_v3`.
    pub name: String,
    /// Series or family name.
    pub family: String,
    /// Hardware threads the VM sees.
    pub vcpus: u32,
    /// Threads per core: measured or documented; `None` where unknown.
    pub threads_per_core: Option<u32>,
    /// Memory in GiB.
    pub memory_gib: Option<f64>,
    /// The CPU model that was seen behind this name, else the documented one.
    pub cpu_model: Option<String>,
    /// Day (`YYYY-MM-DD`) on which `cpu_model` was seen there; `None` where it is only documented.
    pub cpu_seen_on: Option<String>,
    /// Further CPU models that serve this name, host by host.
    pub other_cpu_models: Vec<String>,
    /// GPU model; `None` for a CPU size.
    pub gpu_model: Option<String>,
    /// GPUs; below 1 for a share of one. `None` where a GPU is there and the share is unknown.
    pub gpu_count: Option<f64>,
    /// Memory of each GPU or share in GiB.
    pub gpu_memory_gib_each: Option<f64>,
    /// Measured memory read bandwidth of the whole VM in bytes per second.
    pub memory_bytes_per_s: Option<f64>,
    /// Measured host-to-device bandwidth of one GPU in bytes per second.
    pub link_in_bytes_per_s: Option<f64>,
    /// Measured device-to-host bandwidth of one GPU in bytes per second.
    pub link_out_bytes_per_s: Option<f64>,
    /// Whether it can be bought.
    pub status: Status,
    /// Day (`YYYY-MM-DD`) from which the provider withdraws or withdrew it, where announced.
    pub retires_on: Option<String>,
    /// What AKS does with it; not applicable outside Azure.
    pub aks: Aks,
    /// Whether AKS makes Windows nodes of it; `None` where that is not documented.
    pub windows: Option<WindowsNodes>,
    /// Why the size is listed but not judged (an accelerator that is neither CPU nor GPU).
    pub not_judged: Option<String>,
    /// What else a reader must know.
    pub notes: String,
    /// Dated prices, per region and kind.
    pub prices: Vec<Price>,
}

/// Whether a VM size can be bought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// On sale.
    Active,
    /// Offered for trial, without the provider's usual promises.
    Preview,
    /// Withdrawn, though a price may still be listed.
    Retired,
}

impl Status {
    /// As the tables spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Preview => "preview",
            Self::Retired => "retired",
        }
    }
}

/// Whether AKS makes Windows nodes of a VM size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WindowsNodes {
    /// Generally available.
    Yes,
    /// As a preview feature that must be registered.
    Preview,
    /// Never: the processor is an Arm one.
    No,
}

impl WindowsNodes {
    /// As the tables spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::Preview => "preview",
            Self::No => "no",
        }
    }
}

/// Operating system whose licence an hour includes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Os {
    /// No licence to pay.
    #[default]
    Linux,
    /// Windows Server, licence included.
    Windows,
}

impl Os {
    /// As workloads and the tables spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Linux => "linux",
            Self::Windows => "windows",
        }
    }
}

/// Support of a VM size by Azure Kubernetes Service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Aks {
    /// Documented as usable.
    Supported,
    /// Usable, but the GPU driver must be installed by the user.
    OwnDriver,
    /// Sources disagree.
    Unclear,
    /// Documented as unsupported.
    Unsupported,
    /// Not an Azure size.
    NotApplicable,
}

impl Aks {
    /// As the tables spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Supported => "supported",
            Self::OwnDriver => "own-driver",
            Self::Unclear => "unclear",
            Self::Unsupported => "unsupported",
            Self::NotApplicable => "not-applicable",
        }
    }
}

/// How an hour is paid for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PriceKind {
    /// Pay as you go.
    Ondemand,
    /// Interruptible.
    Spot,
    /// One-year reservation, per hour.
    #[serde(rename = "reserved-1y")]
    Reserved1y,
    /// Three-year reservation, per hour.
    #[serde(rename = "reserved-3y")]
    Reserved3y,
}

impl PriceKind {
    /// As the command line and the tables spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ondemand => "ondemand",
            Self::Spot => "spot",
            Self::Reserved1y => "reserved-1y",
            Self::Reserved3y => "reserved-3y",
        }
    }
}

/// A dated price of one VM size in US dollars.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Price {
    /// Region it holds for.
    pub region: String,
    /// Operating system that it includes.
    #[serde(default)]
    pub os: Os,
    /// How the hour is paid for.
    pub kind: PriceKind,
    /// US dollars per hour of the whole VM; always above 0.
    pub price_usd_per_h: f64,
    /// Date of the price, `YYYY-MM-DD` or `YYYY-MM`.
    pub as_of: String,
    /// Where it was read.
    pub source: String,
}

/// Peaks of one GPU model (whole GPU, dense).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Gpu {
    /// Model name as used by [`Sku::gpu_model`].
    pub model: String,
    /// Maker.
    pub vendor: String,
    /// Architecture, e.g. `Ampere`.
    pub architecture: String,
    /// Memory in GiB.
    pub memory_gib: Option<f64>,
    /// Memory bandwidth in bytes per second.
    pub memory_bytes_per_s: Option<f64>,
    /// IEEE single precision, operations per second (a fused multiply-add counts as two).
    pub f32_ops_per_s: Option<f64>,
    /// TF32 with f32 accumulation; of a chip without it the rate of f32.
    pub tf32_ops_per_s: Option<f64>,
    /// bfloat16 with f32 accumulation; `None` where the chip has none or it is unknown.
    pub bf16_ops_per_s: Option<f64>,
    /// The chip is known to have no bfloat16.
    pub bf16_absent: bool,
    /// 16-bit integer operations per second on its general cores.
    pub int16_ops_per_s: Option<f64>,
    /// 32-bit integer operations per second on its general cores.
    pub int32_ops_per_s: Option<f64>,
    /// Link to the host, one way, in bytes per second, by its PCIe generation.
    pub link_bytes_per_s: Option<f64>,
    /// Hardware video encoders; `None` where unknown.
    pub nvenc_engines: Option<u32>,
    /// Hardware video decoders; `None` where unknown.
    pub nvdec_engines: Option<u32>,
    /// The whole GPU that this is a MIG instance of; `None` for a whole one.
    pub instance_of: Option<String>,
    /// Where the figures come from.
    pub source: String,
}

/// Peaks of one CPU model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cpu {
    /// Model name as used by [`Sku::cpu_model`].
    pub model: String,
    /// Microarchitecture, e.g. `Zen 4 (Genoa)`.
    pub architecture: String,
    /// Maker.
    pub vendor: String,
    /// Clock with all cores busy in hertz; stated estimate where `clock_estimated`.
    pub clock_hz: f64,
    /// Whether `clock_hz` is an estimate for the architecture and not a published figure.
    pub clock_estimated: bool,
    /// Widest SIMD set: `avx2`, `avx512`, `amx`, `neon`, `sve`.
    pub simd: String,
    /// Single-precision operations per cycle and core.
    pub f32_ops_per_cycle: f64,
    /// Memory bandwidth of a socket in bytes per second.
    pub socket_bytes_per_s: Option<f64>,
    /// Cores of a socket.
    pub socket_cores: Option<u32>,
    /// Where the figures come from.
    pub source: String,
}

impl Catalog {
    /// The GPU model called `model`.
    pub fn gpu(&self, model: &str) -> Option<&Gpu> {
        self.gpus.iter().find(|g| g.model == model)
    }

    /// The CPU model called `model`.
    pub fn cpu(&self, model: &str) -> Option<&Cpu> {
        self.cpus.iter().find(|c| c.model == model)
    }

    /// The VM size called `name` (letter case ignored), of `provider` where one is given.
    pub fn sku(&self, provider: Option<&str>, name: &str) -> Option<&Sku> {
        self.skus
            .iter()
            .find(|s| s.name.eq_ignore_ascii_case(name) && provider.is_none_or(|p| s.provider == p))
    }
}

impl Sku {
    /// [`Self::price_with`] Linux.
    pub fn price(&self, kind: PriceKind, region: Option<&str>) -> Option<&Price> {
        self.price_with(Os::Linux, kind, region)
    }

    /// The lowest price of this kind with `os` in `region`, or in any region where none is asked
    /// for. A price that was scaled from another size's counts only where none was read.
    pub fn price_with(&self, os: Os, kind: PriceKind, region: Option<&str>) -> Option<&Price> {
        let asked = |p: &&Price| p.os == os && p.kind == kind;
        let here = |p: &&Price| region.is_none_or(|r| p.region == r);
        self.prices.iter().filter(asked).filter(here).min_by(|a, b| {
            let scaled = |p: &Price| p.scaled_from().is_some();
            scaled(a).cmp(&scaled(b)).then(a.price_usd_per_h.total_cmp(&b.price_usd_per_h))
        })
    }

    /// Whether the provider has withdrawn the size.
    pub fn retired(&self) -> bool {
        self.status == Status::Retired
    }

    /// Whether the size has a GPU or a share of one.
    pub fn has_gpu(&self) -> bool {
        self.gpu_model.is_some()
    }
}

/// Whole days since 1970-01-01 of `YYYY-MM-DD`, or of the first of the month for `YYYY-MM`.
fn days_of(date: &str) -> Option<i64> {
    let full = if date.len() == 7 { format!("{date}-01") } else { date.to_owned() };
    let day: jiff::civil::Date = full.parse().ok()?;
    let epoch = jiff::civil::date(1970, 1, 1);
    Some(i64::from(epoch.until(day).ok()?.get_days()))
}

impl Price {
    /// Whole days from the price to `today` (`YYYY-MM-DD`); `None` where a date cannot be read.
    pub fn age_days(&self, today: &str) -> Option<i64> {
        Some(days_of(today)? - days_of(&self.as_of)?)
    }
}
