//! Peaks of devices from the catalog, for measured devices and for VM sizes alike. A measured
//! peak only describes the machine it comes from, so predictions use catalog peaks on both sides.

use breakeven_kernels::work::{DeviceInfo, DeviceKind, OpKind, Work};

use crate::catalog::{Catalog, Cpu, Gpu, Sku};
use crate::record::Environment;

/// Operations per cycle of a core with AMX on bf16 tiles (16 × 16 × 32 products a 16 cycles, × 2).
const AMX_BF16_OPS_PER_CYCLE: f64 = 1024.0;
/// Memory bandwidth that few threads reach: bytes per second of one core, both threads together.
const CORE_BYTES_PER_S: f64 = 14e9;
/// Share of a socket's nominal bandwidth that a VM of a whole socket reaches.
const SOCKET_SHARE: f64 = 0.7;
/// Bandwidth cap where neither a measurement nor a data sheet gives one.
const UNKNOWN_SOCKET_BYTES_PER_S: f64 = 150e9;

/// What a device could do at most.
#[derive(Debug, Clone, PartialEq)]
pub struct Peaks {
    /// Model, and threads or share.
    pub label: String,
    /// Maker, lower case.
    pub vendor: String,
    /// Architecture without spaces and brackets, lower case; empty when unknown.
    pub architecture: String,
    /// CPU or GPU.
    pub gpu: bool,
    /// Hardware threads (CPU only, else 0).
    pub threads: f64,
    /// Operations per second; `None` where unknown.
    pub f32_ops_per_s: Option<f64>,
    /// TF32 operations per second, of a device without it those of f32; `None` where unknown.
    pub tf32_ops_per_s: Option<f64>,
    /// bfloat16 operations per second, on a CPU in its vector units; `None` where unknown.
    pub bf16_ops_per_s: Option<f64>,
    /// The same in a CPU's tile units (AMX), where it has them: nothing measured uses them.
    pub bf16_tile_ops_per_s: Option<f64>,
    /// The chip is known to have no bfloat16 (never set for a CPU, which computes it in f32).
    pub bf16_absent: bool,
    /// 8-bit integer operations per second.
    pub int8_ops_per_s: Option<f64>,
    /// 16-bit integer operations per second.
    pub int16_ops_per_s: Option<f64>,
    /// 32-bit integer operations per second.
    pub int32_ops_per_s: Option<f64>,
    /// Memory bandwidth in bytes per second.
    pub bytes_per_s: Option<f64>,
    /// Where the figures come from.
    pub source: String,
}

/// Which roof is the lower one for some work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// Arithmetic.
    Compute,
    /// Memory traffic.
    Memory,
}

/// Least time of some work, and what sets it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Roof {
    /// max(F/P, Q/B) in seconds.
    pub time_s: f64,
    /// Which of the two.
    pub bound: Bound,
}

impl Peaks {
    /// Peak for one kind of arithmetic, in operations per second.
    pub fn ops_per_s(&self, kind: OpKind) -> Option<f64> {
        match kind {
            OpKind::F32 => self.f32_ops_per_s,
            OpKind::Bf16 => self.bf16_ops_per_s,
            OpKind::Tf32 => self.tf32_ops_per_s,
            OpKind::Int8 => self.int8_ops_per_s,
            OpKind::Int16 => self.int16_ops_per_s,
            OpKind::Int32 => self.int32_ops_per_s,
            OpKind::Opaque => None,
        }
    }

    /// How many times the vector units' roofline time of `work` is the tile units'; 1 without.
    pub fn tile_gain(&self, work: &Work) -> f64 {
        let tiles = self.bf16_tile_ops_per_s.filter(|_| work.op_kind == OpKind::Bf16);
        match (self.roof(work), tiles.and_then(|ops| self.roof_at(work, ops))) {
            (Some(vectors), Some(tiles)) => (vectors.time_s / tiles.time_s).max(1.0),
            _ => 1.0,
        }
    }

    /// The roofline time of `work`; `None` where a peak is unknown.
    pub fn roof(&self, work: &Work) -> Option<Roof> {
        self.roof_at(work, self.ops_per_s(work.op_kind)?)
    }

    fn roof_at(&self, work: &Work, ops_per_s: f64) -> Option<Roof> {
        let compute_s = work.ops / ops_per_s;
        let memory_s = work.bytes_touched / self.bytes_per_s?;
        Some(if compute_s >= memory_s {
            Roof { time_s: compute_s, bound: Bound::Compute }
        } else {
            Roof { time_s: memory_s, bound: Bound::Memory }
        })
    }

    /// Whether both are of one vendor and architecture.
    pub fn same_architecture(&self, other: &Self) -> bool {
        !self.architecture.is_empty()
            && self.architecture == other.architecture
            && self.vendor == other.vendor
    }

    /// Peaks of `share` of a GPU (1 for a whole one).
    pub fn of_gpu(gpu: &Gpu, share: f64) -> Self {
        let scaled = |v: Option<f64>| v.map(|v| v * share);
        let label = if share < 1.0 {
            format!("{} (1/{:.0})", gpu.model, 1.0 / share)
        } else {
            gpu.model.clone()
        };
        Self {
            label,
            vendor: gpu.vendor.to_lowercase(),
            architecture: architecture_key(&gpu.architecture),
            gpu: true,
            threads: 0.0,
            f32_ops_per_s: scaled(gpu.f32_ops_per_s),
            tf32_ops_per_s: scaled(gpu.tf32_ops_per_s),
            bf16_ops_per_s: scaled(gpu.bf16_ops_per_s),
            bf16_tile_ops_per_s: None,
            bf16_absent: gpu.bf16_absent,
            // General cores have no 8-bit lanes; such work runs in 16-bit ones.
            int8_ops_per_s: scaled(gpu.int16_ops_per_s),
            int16_ops_per_s: scaled(gpu.int16_ops_per_s),
            int32_ops_per_s: scaled(gpu.int32_ops_per_s),
            bytes_per_s: scaled(gpu.memory_bytes_per_s),
            source: gpu.source.clone(),
        }
    }

    /// Peaks of the CPU behind a VM size; `None` where its model is not in the catalog.
    pub fn of_sku_cpu(sku: &Sku, catalog: &Catalog) -> Option<Self> {
        let cpu = catalog.cpu(sku.cpu_model.as_deref()?)?;
        let threads = f64::from(sku.vcpus);
        let cores = threads / f64::from(threads_per_core(sku, cpu));
        let bytes = sku.memory_bytes_per_s.unwrap_or_else(|| few_core_bytes(cores, cpu, catalog));
        Some(of_cpu(cpu, threads, cores, bytes))
    }

    /// Peaks of a measured CPU, found by its observed model, else by its microarchitecture.
    pub fn of_measured_cpu(info: &DeviceInfo, env: &Environment, catalog: &Catalog) -> Self {
        let model = env.cpu.model.as_deref().unwrap_or(&info.name);
        let micro = env.cpu.microarchitecture.as_deref().or(info.architecture.as_deref());
        let cpu = cpu_by_name(model, catalog)
            .or_else(|| cpu_by_architecture(micro?, catalog))
            .unwrap_or_else(|| unknown_cpu(info));
        let threads = f64::from(info.threads.or(env.cpu.threads).unwrap_or(1).max(1));
        let cores = info.cores.map_or(threads, f64::from).min(threads).max(1.0);
        let sku = env.sku.as_deref().and_then(|s| catalog.sku(env.provider.as_deref(), s));
        let bytes = sku
            .filter(|s| f64::from(s.vcpus) == threads)
            .and_then(|s| s.memory_bytes_per_s)
            .unwrap_or_else(|| few_core_bytes(cores, &cpu, catalog));
        let mut peaks = of_cpu(&cpu, threads, cores, bytes);
        peaks.label = format!("{model}, {threads:.0} threads");
        peaks
    }

    /// Peaks of a measured GPU, of a share where it is a MIG instance or the VM size holds less
    /// than a whole one; `None` where its name is not in the catalog.
    pub fn of_measured_gpu(
        info: &DeviceInfo,
        env: &Environment,
        catalog: &Catalog,
    ) -> Option<Self> {
        let gpu = gpu_by_name(&info.name, info.memory_bytes, catalog)?;
        let sku = env.sku.as_deref().and_then(|s| catalog.sku(env.provider.as_deref(), s));
        let held = sku.and_then(|s| s.gpu_count).map_or(1.0, |count| count.min(1.0));
        let mut peaks = Self::of_gpu(gpu, if gpu.instance_of.is_some() { 1.0 } else { held });
        // Vulkan has no TF32: what it multiplied was f32.
        if info.compute_capability.is_none_or(|capability| capability < (8, 0)) {
            peaks.tf32_ops_per_s = peaks.f32_ops_per_s;
        }
        Some(peaks)
    }
}

/// The catalog's GPU whose name tokens all occur in the driver's `name`; among several the one
/// whose form (PCIe, SXM, NVL) and memory are nearest. A MIG instance is found as such or not at
/// all.
pub fn gpu_by_name<'c>(name: &str, memory: Option<u64>, catalog: &'c Catalog) -> Option<&'c Gpu> {
    let seen = tokens(name);
    let lower = name.to_lowercase();
    let profile = mig_profile(&lower);
    let form =
        |t: &str| t.starts_with("sxm") || ["pcie", "nvl", "bse"].contains(&t) || t.ends_with("gb");
    let gib = memory.map(|b| b as f64 / f64::from(1 << 30));
    catalog
        .gpus
        .iter()
        .filter(|g| match (&g.instance_of, profile) {
            (Some(_), Some(profile)) => g.model.to_lowercase().ends_with(&format!(" {profile}")),
            (instance, profile) => instance.is_none() && profile.is_none(),
        })
        .filter(|g| tokens(&g.model).iter().filter(|t| !form(t)).all(|t| seen.contains(t)))
        .min_by(|a, b| {
            let distance = |g: &Gpu| {
                let pcie = tokens(&g.model).contains(&"pcie".to_owned());
                let form = f64::from(u8::from(pcie != seen.contains(&"pcie".to_owned())));
                let memory = match (g.memory_gib, gib) {
                    (Some(a), Some(b)) => (a / b).ln().abs(),
                    _ => 0.0,
                };
                form + 10.0 * memory
            };
            distance(a).total_cmp(&distance(b))
        })
}

/// The catalog's name of a measured GPU or MIG instance; `None` for a CPU and an unknown chip.
pub fn gpu_model(info: &DeviceInfo, catalog: &Catalog) -> Option<String> {
    if info.kind != DeviceKind::Gpu {
        return None;
    }
    gpu_by_name(&info.name, info.memory_bytes, catalog).map(|g| g.model.clone())
}

/// Threads per core: from the size, else 1 on Arm (no such thing there) and 2 elsewhere.
pub fn threads_per_core(sku: &Sku, cpu: &Cpu) -> u32 {
    let arm = ["neon", "sve"].contains(&cpu.simd.as_str());
    sku.threads_per_core.unwrap_or(if arm { 1 } else { 2 }).max(1)
}

fn of_cpu(cpu: &Cpu, threads: f64, cores: f64, bytes_per_s: f64) -> Peaks {
    let f32_ops = cores * cpu.clock_hz * cpu.f32_ops_per_cycle;
    let tiles = cpu.simd == "amx";
    // Every CPU with tiles has AVX512_BF16 as well.
    let zen = ["Zen 4", "Zen 5"].iter().any(|z| cpu.architecture.starts_with(z));
    let bf16_ops = if tiles || zen { 2.0 * f32_ops } else { f32_ops };
    // One integer operation where a fused multiply-add counts two; lanes grow as bits shrink.
    let int32_ops = f32_ops / 2.0;
    Peaks {
        label: format!("{}, {threads:.0} threads", cpu.model),
        vendor: cpu.vendor.to_lowercase(),
        architecture: architecture_key(&cpu.architecture),
        gpu: false,
        threads,
        f32_ops_per_s: Some(f32_ops),
        tf32_ops_per_s: Some(f32_ops),
        bf16_ops_per_s: Some(bf16_ops),
        bf16_tile_ops_per_s: tiles.then_some(cores * cpu.clock_hz * AMX_BF16_OPS_PER_CYCLE),
        bf16_absent: false,
        int8_ops_per_s: Some(4.0 * int32_ops),
        int16_ops_per_s: Some(2.0 * int32_ops),
        int32_ops_per_s: Some(int32_ops),
        bytes_per_s: Some(bytes_per_s),
        source: cpu.source.clone(),
    }
}

/// Bandwidth of a VM with `cores` cores that was not measured: a core's own reach, or its part of a
/// larger measured VM of that CPU where that is more, up to what the largest measured one got, or a
/// share of the socket's nominal figure.
fn few_core_bytes(cores: f64, cpu: &Cpu, catalog: &Catalog) -> f64 {
    let measured = || {
        let of_this = |s: &&Sku| s.cpu_model.as_deref() == Some(&cpu.model);
        catalog.skus.iter().filter(of_this).filter_map(|s| Some((s, s.memory_bytes_per_s?)))
    };
    let cap = measured()
        .map(|(_, bytes)| bytes)
        .max_by(f64::total_cmp)
        .or(cpu.socket_bytes_per_s.map(|b| b * SOCKET_SHARE))
        .unwrap_or(UNKNOWN_SOCKET_BYTES_PER_S);
    let parts = measured().filter_map(|(s, bytes)| {
        let of = f64::from(s.vcpus) / f64::from(threads_per_core(s, cpu));
        (of >= cores).then(|| bytes * cores / of)
    });
    parts.fold(cores * CORE_BYTES_PER_S, f64::max).min(cap)
}

fn cpu_by_name(name: &str, catalog: &Catalog) -> Option<Cpu> {
    let seen = tokens(name);
    catalog.cpus.iter().find(|c| tokens(&c.model).iter().all(|t| seen.contains(t))).cloned()
}

fn cpu_by_architecture(name: &str, catalog: &Catalog) -> Option<Cpu> {
    if architecture_key(name).is_empty() {
        return None;
    }
    catalog.cpus.iter().find(|c| same_architecture(name, c)).cloned()
}

/// Whether a processor that names its microarchitecture `name` is of the one of `cpu`.
pub fn same_architecture(name: &str, cpu: &Cpu) -> bool {
    architecture_key(name) == architecture_key(&cpu.architecture)
}

/// A CPU that the catalog does not know: a stated guess from its SIMD sets, of no architecture,
/// so that nothing predicted from it gets the narrow interval.
fn unknown_cpu(info: &DeviceInfo) -> Cpu {
    let (simd, ops) = if info.has("avx512f") {
        ("avx512", 32.0)
    } else if info.has("avx2") {
        ("avx2", 32.0)
    } else {
        ("neon", 16.0)
    };
    Cpu {
        model: info.name.clone(),
        architecture: String::new(),
        vendor: info.vendor.clone().unwrap_or_default(),
        clock_hz: 3.2e9,
        clock_estimated: true,
        simd: simd.into(),
        f32_ops_per_cycle: ops,
        socket_bytes_per_s: None,
        socket_cores: None,
        source: "not in the catalog: 3.2 GHz and the width of its SIMD set assumed".into(),
    }
}

/// The profile in a MIG instance's name in lower case: `1g.10gb` of `nvidia a100 mig 1g.10gb`.
fn mig_profile(name: &str) -> Option<&str> {
    name.split_whitespace()
        .find(|word| word.split_once("g.").is_some_and(|(slices, _)| slices.parse::<u32>().is_ok()))
}

/// `Zen 4 (Genoa)`, `zen4` and `Zen 4` alike give `zen4`.
fn architecture_key(name: &str) -> String {
    let head = name.split(['(', '+']).next().unwrap_or(name);
    let key: String = head.chars().filter(char::is_ascii_alphanumeric).collect();
    let key = key.to_lowercase();
    key.strip_suffix("sp").unwrap_or(&key).to_owned()
}

fn tokens(name: &str) -> Vec<String> {
    let cleaned = name.replace("(R)", " ").replace("(TM)", " ").to_lowercase();
    let cleaned = cleaned.replace("blackwell server edition", "bse");
    cleaned
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|t| !t.is_empty())
        .map(str::to_owned)
        .collect()
}
