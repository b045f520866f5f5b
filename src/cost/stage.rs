//! Time of one compute stage on a VM size: measured there, else interpolated along a series that
//! was measured there, else predicted by roofline with taxes from the nearest measured device, else
//! from a prior, else unknown with the reason.

use super::evidence::{self, MeasuredDevice, Mode, Timed};
use super::peaks::{Bound, Peaks};
use super::predict::{self, Kernel};
use super::{Estimate, Origin, opaque};
use crate::catalog::{Catalog, Gpu, Sku};
use crate::workload::{ComputeStage, StageCase, Transfer};

/// One kernel launch in seconds (2–10 µs on current drivers; about 13 µs reported by GROMACS).
pub const LAUNCH_S: f64 = 5e-6;
/// One way of a link in bytes per second where neither the size nor its GPU tells: PCIe 3 × 16.
pub const UNKNOWN_LINK_BYTES_PER_S: f64 = 12.8e9;
/// Interval factor of a link that was measured on the size.
const LINK_MEASURED: f64 = 1.1;
/// Interval of a link known only by its PCIe generation: the catalog has 80 % of the nominal rate,
/// so ×1.25 faster at most; measured sizes with such GPUs were up to ×2 slower (6.27 GB/s on a T4
/// and 13.5 GB/s on an A10G, L4 and L40S, where 12.8 and 25.6 would be expected).
const LINK_ASSUMED_FASTER: f64 = 1.25;
const LINK_ASSUMED_SLOWER: f64 = 2.0;
/// Added for a share or MIG instance of a GPU: makers publish no fixed rate for one.
const SHARED: f64 = 1.5;

/// A compute stage on a VM size; times are per call.
#[derive(Debug, Clone, PartialEq)]
pub struct StageOn {
    /// `1 matmul dtype=f32 …`.
    pub label: String,
    /// Calls a job.
    pub calls: f64,
    /// Node-seconds of the device that one call takes while others overlap with its transfers.
    pub device_s: Estimate,
    /// From start to end of one call.
    pub latency_s: Estimate,
    /// Part of the above spent on launches.
    pub launch_s: f64,
    /// Seconds of the link to the device, where not already in `device_s`.
    pub link_in_s: Estimate,
    /// Seconds of the link from the device.
    pub link_out_s: Estimate,
    /// Part of `device_s` that a measurement on the size has beyond the kernels' own time: transfers
    /// and packing that overlapping does not hide.
    pub beyond_kernel_s: f64,
    /// Thread-seconds of the host while the GPU works.
    pub host_cpu_s: f64,
    /// Joules of one call; `None` where the case was not measured there with a counter of energy.
    pub energy_j: Option<f64>,
    /// GPUs one job holds.
    pub gpus_per_job: f64,
    /// Squared coefficient of variation of one call's time; 0 where no call was seen.
    pub scatter: f64,
    /// Which roof is lower; `None` where a peak is unknown.
    pub bound: Option<Bound>,
    /// Where the time comes from.
    pub origin: Origin,
    /// Implementation measured, or `published` for a prior.
    pub implementation: String,
    /// In words, with the source.
    pub how: String,
    /// The measured device that the time was predicted from.
    pub predicted_from: Option<String>,
}

/// Why a stage has no time on a size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoTime {
    /// The device lacks the data type.
    DtypeUnsupported(String),
    /// Nothing measured or published to judge it by.
    Unknown(String),
}

/// A stage as asked for.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Position in the workload, from 1.
    pub number: usize,
    /// As written.
    pub stage: &'a ComputeStage,
    /// Its case.
    pub case: &'a StageCase,
}

/// The stage on the CPU of `sku`.
///
/// # Errors
/// [`NoTime::Unknown`] with what is missing.
pub fn on_cpu(
    asked: Asked,
    sku: &Sku,
    catalog: &Catalog,
    devices: &[MeasuredDevice],
) -> Result<StageOn, NoTime> {
    let here = fastest_here(asked, sku, devices, |d| {
        d.info.threads == Some(sku.vcpus) && d.peaks.as_ref().is_some_and(|p| !p.gpu)
    });
    if here.is_none() && opaque::is_opaque(&asked) {
        return Err(opaque::no_time(&asked, sku, devices));
    }
    let target = Peaks::of_sku_cpu(sku, catalog);
    let energy_j = here.as_ref().and_then(|timed| timed.energy_j);
    let cpu_s = here.as_ref().and_then(|timed| timed.host_cpu_s);
    let kernel = match (here, &target) {
        (Some(timed), target) => measured(timed, asked.case, target.as_ref(), Mode::Pipelined),
        (None, Some(target)) => predict::modelled(asked, target, devices)?,
        (None, None) => {
            let model = sku.cpu_model.as_deref().unwrap_or("unknown CPU");
            return Err(NoTime::Unknown(format!("no peaks known for {model}")));
        }
    };
    Ok(StageOn {
        label: label(asked),
        calls: asked.stage.calls,
        device_s: if opaque::is_opaque(&asked) {
            opaque::node_s(kernel.time_s, cpu_s, f64::from(sku.vcpus))
        } else {
            kernel.time_s
        },
        latency_s: kernel.time_s.map(|t| t * kernel.latency_ratio),
        launch_s: 0.0,
        link_in_s: Estimate::exact(0.0),
        link_out_s: Estimate::exact(0.0),
        beyond_kernel_s: 0.0,
        host_cpu_s: 0.0,
        energy_j,
        gpus_per_job: 0.0,
        scatter: kernel.scatter,
        bound: kernel.bound,
        origin: kernel.origin,
        implementation: kernel.implementation,
        how: kernel.how,
        predicted_from: kernel.predicted_from,
    })
}

/// The stage on the GPU of `sku`.
///
/// # Errors
/// [`NoTime`] where the chip lacks the data type or nothing is known about it.
pub fn on_gpu(
    asked: Asked,
    sku: &Sku,
    catalog: &Catalog,
    devices: &[MeasuredDevice],
) -> Result<StageOn, NoTime> {
    let model = sku.gpu_model.as_deref().unwrap_or("no GPU");
    let Some(count) = sku.gpu_count else {
        return Err(NoTime::Unknown(format!("the share of the {model} is not known")));
    };
    let gpu = catalog.gpu(model);
    let target = gpu.map(|g| Peaks::of_gpu(g, count.min(1.0)));
    let work = &asked.case.work;
    if target
        .as_ref()
        .is_some_and(|t| work.op_kind == breakeven_kernels::work::OpKind::Bf16 && t.bf16_absent)
    {
        return Err(NoTime::DtypeUnsupported(format!("{model} has no bf16")));
    }
    let here = fastest_here(asked, sku, devices, |d| d.gpu_model.as_deref() == Some(model));
    if here.is_none() && opaque::is_opaque(&asked) {
        return Err(opaque::no_time(&asked, sku, devices));
    }
    let mut link = Link::new(asked, sku, gpu, count.min(1.0) * instance_share(gpu, catalog));
    let (kernel, latency_s, launch_s, host_cpu_s);
    let mut beyond_kernel_s = 0.0;
    let energy_j = here.as_ref().and_then(|timed| timed.energy_j);
    if let Some(timed) = here {
        host_cpu_s = timed.host_cpu_s;
        let resident = asked.stage.transfer == Transfer::Resident;
        let latency = if resident { timed.kernel_s } else { timed.end_to_end_s };
        let mode = if resident { Mode::Kernel } else { Mode::Pipelined };
        let kernel_s = timed.kernel_s.median;
        kernel = measured(timed, asked.case, target.as_ref(), mode);
        beyond_kernel_s = (kernel.time_s.median - kernel_s).max(0.0);
        link = link.beside_a_measurement(asked);
        latency_s = latency.plus(&link.in_s);
        launch_s = 0.0;
    } else {
        let Some(target) = &target else {
            return Err(NoTime::Unknown(format!("no peaks known for {model}")));
        };
        let mut modelled = predict::modelled(asked, target, devices)?;
        if count < 1.0 || gpu.is_some_and(|g| g.instance_of.is_some()) {
            modelled.time_s = modelled.time_s.widened(SHARED);
        }
        launch_s = modelled.launches * LAUNCH_S;
        modelled.time_s = modelled.time_s.map(|t| t + launch_s);
        latency_s = modelled.time_s.plus(&link.in_s).plus(&link.out_s);
        host_cpu_s = None;
        kernel = modelled;
    }
    Ok(StageOn {
        label: label(asked),
        calls: asked.stage.calls,
        device_s: kernel.time_s,
        latency_s,
        launch_s,
        link_in_s: link.in_s,
        link_out_s: link.out_s,
        beyond_kernel_s,
        // One thread waits for the GPU by spinning unless the measurement says otherwise.
        host_cpu_s: host_cpu_s.unwrap_or(latency_s.median),
        energy_j,
        gpus_per_job: asked.stage.gpus_per_job,
        scatter: kernel.scatter,
        bound: kernel.bound,
        origin: kernel.origin,
        implementation: kernel.implementation,
        how: kernel.how,
        predicted_from: kernel.predicted_from,
    })
}

/// Seconds of the link for one call.
struct Link {
    in_s: Estimate,
    out_s: Estimate,
    /// Seconds a byte on the way in.
    in_s_per_byte: Estimate,
}

impl Link {
    /// The link of `sku`, which holds `share` of each GPU: measured on that size, else by the GPU's
    /// PCIe generation. A share of a GPU gets between its share of the link and, when its neighbours
    /// are idle, all of it.
    fn new(asked: Asked, sku: &Sku, gpu: Option<&Gpu>, share: f64) -> Self {
        let s_per_byte = |measured: Option<f64>| {
            if let Some(rate) = measured {
                return Estimate::within(1.0 / rate, LINK_MEASURED);
            }
            let rate = gpu.and_then(|g| g.link_bytes_per_s).unwrap_or(UNKNOWN_LINK_BYTES_PER_S);
            let whole_s = 1.0 / rate;
            Estimate::between(whole_s, whole_s / share)
                .stretched(LINK_ASSUMED_FASTER, LINK_ASSUMED_SLOWER)
        };
        let (bytes_in, bytes_out) = link_bytes(asked);
        let in_s_per_byte = s_per_byte(sku.link_in_bytes_per_s);
        Self {
            in_s: in_s_per_byte.map(|s| s * bytes_in),
            out_s: s_per_byte(sku.link_out_bytes_per_s).map(|s| s * bytes_out),
            in_s_per_byte,
        }
    }

    /// A measured time holds its transfers already, but constants were uploaded once: only
    /// `per-call` sends them each time.
    fn beside_a_measurement(self, asked: Asked) -> Self {
        let per_call = asked.stage.transfer == Transfer::PerCall;
        let bytes = if per_call { asked.case.work.bytes_constant } else { 0.0 };
        Self { in_s: self.in_s_per_byte.map(|s| s * bytes), out_s: Estimate::exact(0.0), ..self }
    }
}

/// The part of a GPU that a MIG instance is, by memory bandwidth; 1 for a whole GPU.
fn instance_share(gpu: Option<&Gpu>, catalog: &Catalog) -> f64 {
    let whole = gpu.and_then(|g| catalog.gpu(g.instance_of.as_deref()?));
    let share = gpu
        .zip(whole)
        .and_then(|(part, whole)| Some(part.memory_bytes_per_s? / whole.memory_bytes_per_s?));
    share.unwrap_or(1.0).min(1.0)
}

fn label(asked: Asked) -> String {
    format!("{} {}", asked.number, asked.case.case_key)
}

/// The case's time on `sku` by its fastest implementation, over every record of that size. One
/// chip may be two devices of a record (CUDA and Vulkan); both count, as two implementations do.
fn fastest_here(
    asked: Asked,
    sku: &Sku,
    devices: &[MeasuredDevice],
    wanted: impl Fn(&MeasuredDevice) -> bool,
) -> Option<Timed> {
    let here = devices.iter().filter(|d| is_sku(d, sku) && wanted(d));
    let times = here.map(|d| d.times(&asked.stage.family, asked.case));
    evidence::fastest(evidence::across(times))
}

fn is_sku(device: &MeasuredDevice, sku: &Sku) -> bool {
    device.env.sku.as_deref().is_some_and(|s| s.eq_ignore_ascii_case(&sku.name))
}

/// Bytes to and from the device at each call.
fn link_bytes(asked: Asked) -> (f64, f64) {
    let work = &asked.case.work;
    match asked.stage.transfer {
        Transfer::PerCall => (work.bytes_in, work.bytes_out),
        Transfer::ConstantsResident => {
            ((work.bytes_in - work.bytes_constant).max(0.0), work.bytes_out)
        }
        Transfer::Resident => (0.0, 0.0),
    }
}

fn measured(timed: Timed, case: &StageCase, target: Option<&Peaks>, mode: Mode) -> Kernel {
    let time_s = if mode == Mode::Kernel { timed.kernel_s } else { timed.pipelined_s };
    Kernel {
        time_s,
        latency_ratio: timed.end_to_end_s.median / timed.pipelined_s.median,
        launches: timed.launches,
        scatter: timed.scatter,
        bound: target.and_then(|t| t.roof(&case.work)).map(|r| r.bound),
        origin: timed.origin,
        implementation: timed.implementation,
        how: timed.how,
        predicted_from: None,
    }
}
