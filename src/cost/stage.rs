//! Time of one compute stage on a VM size: measured there, else predicted by roofline with taxes
//! from the nearest measured device, else from a prior, else unknown with the reason.

use super::evidence::{MeasuredDevice, Mode, Timed, time_of};
use super::peaks::{self, Bound, Peaks};
use super::{Estimate, Origin, prior};
use crate::catalog::{Catalog, Gpu, Sku};
use crate::workload::{ComputeStage, StageCase, Transfer};

/// One kernel launch in seconds (2–10 µs on current drivers; about 13 µs reported by GROMACS).
pub const LAUNCH_S: f64 = 5e-6;
/// One way of a link in bytes per second where neither the size nor its GPU tells: PCIe 3 × 16.
pub const UNKNOWN_LINK_BYTES_PER_S: f64 = 12.8e9;
/// Least interval factor of a prediction within one architecture.
pub(super) const WITHIN_ARCHITECTURE: f64 = 1.3;
/// Least interval factor of a prediction across architectures.
pub(super) const ACROSS_ARCHITECTURES: f64 = 2.0;
/// Added where only another case of the family was measured.
const OTHER_CASE: f64 = 2.0;
/// Added where source and target are under different roofs.
const OTHER_BOUND: f64 = 1.5;
/// Added for a share or MIG instance of a GPU: makers publish no fixed rate for one.
const SHARED: f64 = 1.5;
/// Added where the VM size of the measured CPU is unknown: threads may share cores unseen.
const UNKNOWN_SIZE: f64 = 1.2;

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
    pub link_in_s: f64,
    /// Seconds of the link from the device.
    pub link_out_s: f64,
    /// Thread-seconds of the host while the GPU works.
    pub host_cpu_s: f64,
    /// GPUs one job holds.
    pub gpus_per_job: f64,
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

struct Kernel {
    time_s: Estimate,
    latency_ratio: f64,
    launches: f64,
    bound: Option<Bound>,
    origin: Origin,
    implementation: String,
    how: String,
    predicted_from: Option<String>,
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
    let target = Peaks::of_sku_cpu(sku, catalog);
    let kernel = match (here, &target) {
        (Some(timed), target) => measured(timed, asked.case, target.as_ref(), Mode::Pipelined),
        (None, Some(target)) => modelled(asked, target, devices)?,
        (None, None) => {
            let model = sku.cpu_model.as_deref().unwrap_or("unknown CPU");
            return Err(NoTime::Unknown(format!("no peaks known for {model}")));
        }
    };
    Ok(StageOn {
        label: label(asked),
        calls: asked.stage.calls,
        device_s: kernel.time_s,
        latency_s: kernel.time_s.map(|t| t * kernel.latency_ratio),
        launch_s: 0.0,
        link_in_s: 0.0,
        link_out_s: 0.0,
        host_cpu_s: 0.0,
        gpus_per_job: 0.0,
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
    let here = fastest_here(asked, sku, devices, |d| peaks::is_gpu_model(d.info, model, catalog));
    let mut link = Link::new(asked, sku, gpu);
    let (kernel, latency_s, launch_s, host_cpu_s);
    if let Some(timed) = here {
        host_cpu_s = timed.host_cpu_s;
        let resident = asked.stage.transfer == Transfer::Resident;
        let latency = if resident { timed.kernel_s } else { timed.end_to_end_s };
        let mode = if resident { Mode::Kernel } else { Mode::Pipelined };
        kernel = measured(timed, asked.case, target.as_ref(), mode);
        link = link.beside_a_measurement(asked);
        latency_s = latency.map(|t| t + link.in_s);
        launch_s = 0.0;
    } else {
        let Some(target) = &target else {
            return Err(NoTime::Unknown(format!("no peaks known for {model}")));
        };
        let mut modelled = modelled(asked, target, devices)?;
        if count < 1.0 || gpu.is_some_and(|g| g.instance_of.is_some()) {
            modelled.time_s = modelled.time_s.widened(SHARED);
        }
        launch_s = modelled.launches * LAUNCH_S;
        modelled.time_s = modelled.time_s.map(|t| t + launch_s);
        latency_s = modelled.time_s.map(|t| t + link.in_s + link.out_s);
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
        // One thread waits for the GPU by spinning unless the measurement says otherwise.
        host_cpu_s: host_cpu_s.unwrap_or(latency_s.median),
        gpus_per_job: asked.stage.gpus_per_job,
        bound: kernel.bound,
        origin: kernel.origin,
        implementation: kernel.implementation,
        how: kernel.how,
        predicted_from: kernel.predicted_from,
    })
}

/// Seconds of the link for one call.
struct Link {
    in_s: f64,
    out_s: f64,
    in_bytes_per_s: f64,
}

impl Link {
    fn new(asked: Asked, sku: &Sku, gpu: Option<&Gpu>) -> Self {
        let bandwidth = |measured: Option<f64>| {
            measured.or(gpu.and_then(|g| g.link_bytes_per_s)).unwrap_or(UNKNOWN_LINK_BYTES_PER_S)
        };
        let (bytes_in, bytes_out) = link_bytes(asked);
        let in_bytes_per_s = bandwidth(sku.link_in_bytes_per_s);
        Self {
            in_s: bytes_in / in_bytes_per_s,
            out_s: bytes_out / bandwidth(sku.link_out_bytes_per_s),
            in_bytes_per_s,
        }
    }

    /// A measured time holds its transfers already, but constants were uploaded once: only
    /// `per-call` sends them each time.
    fn beside_a_measurement(self, asked: Asked) -> Self {
        let per_call = asked.stage.transfer == Transfer::PerCall;
        let bytes = if per_call { asked.case.work.bytes_constant } else { 0.0 };
        Self { in_s: bytes / self.in_bytes_per_s, out_s: 0.0, ..self }
    }
}

fn label(asked: Asked) -> String {
    format!("{} {}", asked.number, asked.case.case_key)
}

/// The case's time on `sku`, from the first record that has it there. One chip may be two devices
/// of that record (CUDA and Vulkan); the faster counts, as the faster implementation does.
fn fastest_here(
    asked: Asked,
    sku: &Sku,
    devices: &[MeasuredDevice],
    wanted: impl Fn(&MeasuredDevice) -> bool,
) -> Option<Timed> {
    let mut timed = devices
        .iter()
        .filter(|d| is_sku(d, sku) && wanted(d))
        .filter_map(|d| Some((d.env, d.time(&asked.stage.family, asked.case)?)))
        .peekable();
    let record = timed.peek()?.0;
    timed
        .take_while(|(env, _)| std::ptr::eq(*env, record))
        .map(|(_, time)| time)
        .min_by(|a, b| a.pipelined_s.median.total_cmp(&b.pipelined_s.median))
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
        bound: target.and_then(|t| t.roof(&case.work)).map(|r| r.bound),
        origin: Origin::Measured,
        implementation: timed.implementation,
        how: timed.how,
        predicted_from: None,
    }
}

fn modelled(asked: Asked, target: &Peaks, devices: &[MeasuredDevice]) -> Result<Kernel, NoTime> {
    if let Some(kernel) = predicted(asked, target, devices) {
        return Ok(kernel);
    }
    let family = &asked.stage.family;
    let Some((time_s, bound, prior)) = prior::kernel_time(family, &asked.case.work, target) else {
        return Err(NoTime::Unknown(format!(
            "{family} was measured on no device like {} and nothing published is known",
            target.label
        )));
    };
    Ok(Kernel {
        time_s,
        latency_ratio: 1.0,
        launches: 1.0,
        bound: Some(bound),
        origin: Origin::Prior,
        implementation: "published".into(),
        how: format!("nothing of this kind was measured: {}", prior.source),
        predicted_from: None,
    })
}

/// A measured device as a source of efficiency for one target.
struct Source<'a> {
    device: &'a MeasuredDevice<'a>,
    implementation: String,
    efficiency: f64,
    bound: Bound,
    latency_ratio: f64,
    launches: f64,
    same_architecture: bool,
    exact_case: bool,
    distance: f64,
}

fn predicted(asked: Asked, target: &Peaks, devices: &[MeasuredDevice]) -> Option<Kernel> {
    let roof = target.roof(&asked.case.work)?;
    let sources: Vec<Source> = devices.iter().filter_map(|d| source(asked, target, d)).collect();
    let best = sources.iter().min_by(|a, b| {
        let rank = |s: &Source| (!s.same_architecture, !s.exact_case);
        let by_rank = rank(a).cmp(&rank(b)).then(a.distance.total_cmp(&b.distance));
        by_rank.then(b.efficiency.total_cmp(&a.efficiency))
    })?;
    let floor = if best.same_architecture { WITHIN_ARCHITECTURE } else { ACROSS_ARCHITECTURES };
    let spread = sources
        .iter()
        .filter(|s| {
            s.implementation == best.implementation && s.exact_case && s.bound == best.bound
        })
        .map(|s| (s.efficiency / best.efficiency).ln().abs().exp())
        .fold(1.0, f64::max);
    let mut time_s = Estimate::within(roof.time_s / best.efficiency, floor.max(spread));
    let unknown_size = !target.gpu && best.device.env.sku.is_none();
    for (applies, factor) in [
        (!best.exact_case, OTHER_CASE),
        (best.bound != roof.bound, OTHER_BOUND),
        (unknown_size, UNKNOWN_SIZE),
    ] {
        if applies {
            time_s = time_s.widened(factor);
        }
    }
    let label = best.device.peaks.as_ref().map_or("", |p| &p.label);
    Some(Kernel {
        time_s,
        latency_ratio: best.latency_ratio,
        launches: best.launches,
        bound: Some(roof.bound),
        origin: Origin::Predicted,
        implementation: best.implementation.clone(),
        how: format!(
            "roofline at {:.2} of its roof as measured on {label}{}{}",
            best.efficiency,
            if best.same_architecture { "" } else { ", another architecture" },
            if best.exact_case { "" } else { ", another case of the family" },
        ),
        predicted_from: Some(label.to_owned()),
    })
}

/// The efficiency of the fastest implementation on `device` that could run on `target`: for the
/// case itself, else for the measured case of most similar size.
fn source<'a>(asked: Asked, target: &Peaks, device: &'a MeasuredDevice<'a>) -> Option<Source<'a>> {
    let peaks = device.peaks.as_ref()?;
    if peaks.gpu != target.gpu || (target.gpu && peaks.vendor != target.vendor) {
        return None;
    }
    let family = &asked.stage.family;
    let same_architecture = peaks.same_architecture(target);
    let threads = if target.gpu { 0.0 } else { (peaks.threads / target.threads).ln().abs() };
    if let Some(timed) = device.time(family, asked.case) {
        let roof = peaks.roof(&asked.case.work)?;
        let time = if target.gpu { timed.kernel_s } else { timed.pipelined_s };
        return Some(Source {
            device,
            implementation: timed.implementation,
            efficiency: roof.time_s / time.median,
            bound: roof.bound,
            latency_ratio: timed.end_to_end_s.median / timed.pipelined_s.median,
            launches: timed.launches,
            same_architecture,
            exact_case: true,
            distance: threads,
        });
    }
    let work = &asked.case.work;
    let mode = if target.gpu { Mode::Kernel } else { Mode::Pipelined };
    let nearest = device
        .rows
        .iter()
        .filter(|r| &r.family == family && r.work.op_kind == work.op_kind)
        .filter_map(|r| {
            let roof = peaks.roof(&r.work)?;
            let time_s = time_of(r, mode)?.median_s;
            Some((*r, roof, (r.work.ops / work.ops).ln().abs(), roof.time_s / time_s))
        })
        // Of the most similar case, the fastest implementation.
        .min_by(|a, b| a.2.total_cmp(&b.2).then(b.3.total_cmp(&a.3)))?;
    Some(Source {
        device,
        implementation: nearest.0.implementation.clone(),
        efficiency: nearest.3,
        bound: nearest.1.bound,
        latency_ratio: 1.0,
        launches: f64::from(nearest.0.launches),
        same_architecture,
        exact_case: false,
        distance: threads + nearest.2,
    })
}
