//! A job on a node: seconds of each resource, latency, jobs at once, jobs per hour.

use super::evidence::MeasuredDevice;
use super::peaks::Bound;
use super::stage::{self, Asked, NoTime, StageOn};
use super::{Estimate, Level, Origin, Resource};
use crate::catalog::{Catalog, Sku};
use crate::workload::{ResolvedWorkload, Stage};

const GIB: f64 = (1u64 << 30) as f64;
/// Kubernetes on AKS reserves 20 MiB for each of 110 pods and 50 MiB, at most a quarter, and
/// evicts below 100 MiB (AKS documentation on node resource reservations, from 1.29).
const RESERVED_GIB: f64 = (20.0 * 110.0 + 50.0) / 1024.0;
const EVICTION_GIB: f64 = 100.0 / 1024.0;
/// Share of a GPU's nominal memory that a program can use (ECC, driver, context).
const GPU_MEMORY_SHARE: f64 = 0.93;
/// Network or disk bytes per second for each vCPU, where the workload gives no rate: 0.8 Gbit/s,
/// as Azure's general-purpose sizes have it, up to 36 Gbit/s.
const IO_BYTES_PER_S_PER_VCPU: f64 = 0.1e9;
const IO_BYTES_PER_S_MAX: f64 = 4.5e9;
/// Interval factor of that guess; the same error on every size.
const IO_GUESS: f64 = 2.0;

/// A workload on one VM size.
#[derive(Debug, Clone, PartialEq)]
pub struct JobOn {
    /// Compute stages in order.
    pub stages: Vec<StageOn>,
    /// Seconds on one thread that no GPU helps.
    pub serial_s: f64,
    /// Seconds of network or disk.
    pub io_s: Estimate,
    /// Hardware threads of the node.
    pub threads: f64,
    /// GPUs that can work at once; 0 on a CPU size.
    pub gpus: f64,
    /// GPUs that one job holds in its widest stage; those that are left over but too few for
    /// another job stay idle.
    pub gpus_per_job: f64,
    /// Stages run beside each other instead of one after the other.
    pub overlap: bool,
    /// Jobs that fit into memory at once; `None` where nothing limits them.
    pub at_once: Option<f64>,
    /// Least sure origin of the stages.
    pub origin: Origin,
}

/// Why a size cannot run the workload, or cannot be judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obstacle {
    /// Reason code.
    pub code: &'static str,
    /// In plain words.
    pub text: String,
    /// A violated hard constraint; else something is merely unknown.
    pub infeasible: bool,
}

/// What one job takes of a node, in seconds of the whole node's resource.
#[derive(Debug, Clone, PartialEq)]
pub struct Usage {
    /// Seconds by resource.
    pub seconds: Vec<(Resource, f64)>,
    /// Start to end of one job.
    pub latency_s: f64,
}

/// Works out the job on `sku`.
///
/// # Errors
/// [`Obstacle`] where a stage has no time, memory does not suffice or a GPU is missing.
pub fn job_on(
    resolved: &ResolvedWorkload,
    sku: &Sku,
    catalog: &Catalog,
    devices: &[MeasuredDevice],
) -> Result<JobOn, Obstacle> {
    let mut job = JobOn {
        stages: Vec::new(),
        serial_s: 0.0,
        io_s: Estimate::exact(0.0),
        threads: f64::from(sku.vcpus.max(1)),
        gpus: if sku.has_gpu() { sku.gpu_count.unwrap_or(0.0).max(1.0) } else { 0.0 },
        gpus_per_job: 1.0,
        overlap: resolved.workload.job.overlap,
        at_once: None,
        origin: Origin::Declared,
    };
    for (index, stage) in resolved.workload.stages.iter().enumerate() {
        match stage {
            Stage::Serial { serial_cpu_s } => job.serial_s += serial_cpu_s,
            Stage::Io { io_bytes, io_bytes_per_s } => {
                let time = match io_bytes_per_s {
                    Some(rate) => Estimate::exact(io_bytes / rate),
                    None => Estimate::within(io_bytes / io_rate(sku), IO_GUESS),
                };
                job.io_s = Estimate {
                    median: job.io_s.median + time.median,
                    lo90: job.io_s.lo90 + time.lo90,
                    hi90: job.io_s.hi90 + time.hi90,
                };
            }
            Stage::Compute(stage) => {
                let Some(Some(case)) = resolved.cases.get(index) else {
                    return Err(unknown(format!("stage {} has no case", index + 1)));
                };
                let asked = Asked { number: index + 1, stage, case };
                let on = if sku.has_gpu() {
                    if stage.gpus_per_job > job.gpus {
                        return Err(Obstacle {
                            code: "too-few-gpus",
                            text: format!(
                                "a job takes {} GPUs and the size has {}",
                                stage.gpus_per_job, job.gpus
                            ),
                            infeasible: true,
                        });
                    }
                    if let Some(why) = &case.gpu_refusal {
                        return Err(Obstacle {
                            code: "input-unsupported",
                            text: format!("no GPU implementation takes this input: {why}"),
                            infeasible: false,
                        });
                    }
                    stage::on_gpu(asked, sku, catalog, devices)
                } else {
                    stage::on_cpu(asked, sku, catalog, devices)
                }
                .map_err(obstacle)?;
                job.origin = job.origin.max(on.origin);
                job.gpus_per_job = job.gpus_per_job.max(on.gpus_per_job);
                job.stages.push(on);
            }
        }
    }
    job.at_once = at_once(resolved, sku, slots(job.gpus, job.gpus_per_job))?;
    Ok(job)
}

/// Jobs that `gpus` GPUs take at once by number, where each holds `gpus_per_job` whole ones.
pub fn slots(gpus: f64, gpus_per_job: f64) -> f64 {
    if gpus > 0.0 { (gpus / gpus_per_job.max(1.0)).floor().max(1.0) } else { 0.0 }
}

/// Default rate of network or disk of a size in bytes per second.
pub fn io_rate(sku: &Sku) -> f64 {
    (f64::from(sku.vcpus) * IO_BYTES_PER_S_PER_VCPU).min(IO_BYTES_PER_S_MAX)
}

/// Memory that jobs can have on a node of `memory_gib`.
pub fn allocatable_gib(memory_gib: f64) -> f64 {
    memory_gib - RESERVED_GIB.min(0.25 * memory_gib) - EVICTION_GIB
}

fn unknown(text: String) -> Obstacle {
    Obstacle { code: "time-unknown", text, infeasible: false }
}

fn obstacle(reason: NoTime) -> Obstacle {
    match reason {
        NoTime::Unknown(text) => unknown(text),
        NoTime::DtypeUnsupported(text) => {
            Obstacle { code: "dtype-unsupported", text, infeasible: true }
        }
    }
}

/// Memory that a workload takes of one place.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Memory {
    /// GiB that stay there while the workload does (weights).
    pub constant_gib: f64,
    /// GiB of one running job.
    pub job_gib: f64,
}

/// Memory that a workload takes of the host and, with `gpu`, of each GPU that it uses. What it does
/// not declare is taken from its largest case.
pub fn memory(resolved: &ResolvedWorkload, gpu: bool) -> [Memory; 2] {
    let needs = &resolved.workload.job;
    let largest = |bytes: fn(&crate::workload::StageCase) -> u64| {
        resolved.cases.iter().flatten().map(bytes).max().unwrap_or(0) as f64 / GIB
    };
    let declared = |given: f64, derived: f64| if given > 0.0 { given } else { derived };
    let host = Memory {
        constant_gib: if gpu { 0.0 } else { needs.constant_gib },
        job_gib: declared(needs.memory_gib, largest(|c| c.host_bytes)),
    };
    let device = Memory {
        constant_gib: needs.constant_gib,
        job_gib: declared(needs.gpu_memory_gib, largest(|c| c.device_bytes)),
    };
    [host, if gpu { device } else { Memory::default() }]
}

/// GiB that workloads can have of a size: of its host, and of each of its GPUs or shares; `None`
/// where that is not known or there is no GPU.
pub fn rooms_gib(sku: &Sku) -> [Option<f64>; 2] {
    let gpu = sku.gpu_memory_gib_each.filter(|_| sku.has_gpu());
    [sku.memory_gib.map(allocatable_gib), gpu.map(|gib| gib * GPU_MEMORY_SHARE)]
}

fn at_once(resolved: &ResolvedWorkload, sku: &Sku, slots: f64) -> Result<Option<f64>, Obstacle> {
    let gpu = slots > 0.0;
    let places = [("memory", 1.0), ("GPU memory", slots)];
    let mut limits = Vec::new();
    for (((what, times), have), needs) in
        places.into_iter().zip(rooms_gib(sku)).zip(memory(resolved, gpu))
    {
        let (constant, each) = (needs.constant_gib, needs.job_gib);
        if each + constant <= 0.0 {
            continue;
        }
        let Some(have) = have else {
            return Err(unknown(format!("{what} of the size is not known")));
        };
        let fit = if each > 0.0 { ((have - constant) / each).floor() } else { f64::INFINITY };
        if have < constant || fit < 1.0 {
            return Err(Obstacle {
                code: "does-not-fit-memory",
                text: format!(
                    "a job needs {:.1} GiB of {what} and {have:.1} GiB can be had",
                    each + constant
                ),
                infeasible: true,
            });
        }
        limits.push(fit * times);
    }
    Ok(limits.into_iter().filter(|l| l.is_finite()).min_by(f64::total_cmp))
}

impl JobOn {
    /// What a job takes with device times at `device` and network times at `io`.
    pub fn usage(&self, device: Level, io: Level) -> Usage {
        let (serial_s, io_s) = (self.serial_s, self.io_s.at(io));
        let (mut latency_s, mut longest_s) = (serial_s + io_s, f64::max(serial_s, io_s));
        let (mut device_s, mut link_in, mut link_out, mut host) = (0.0, 0.0, 0.0, 0.0);
        for s in &self.stages {
            let stage_s = s.calls * s.latency_s.at(device);
            latency_s += stage_s;
            longest_s = longest_s.max(stage_s);
            // Of a CPU stage the time is that of all threads; GPUs work side by side.
            let slots = slots(self.gpus, s.gpus_per_job).max(1.0);
            device_s += s.calls * s.device_s.at(device) / slots;
            link_in += s.calls * s.link_in_s.at(device) / slots;
            link_out += s.calls * s.link_out_s.at(device) / slots;
            host += s.calls * s.host_cpu_s;
        }
        let mut seconds = vec![(Resource::Io, self.io_s.at(io))];
        if self.gpus > 0.0 {
            let host_kind =
                if self.serial_s >= host { Resource::Serial } else { Resource::HostCpu };
            seconds.push((self.device_resource(), device_s));
            seconds.push((Resource::Link, f64::max(link_in, link_out)));
            seconds.push((host_kind, (host + self.serial_s) / self.threads));
        } else {
            // A CPU stage's time is that of all threads, so serial work adds to the same resource.
            let serial_s = self.serial_s / self.threads;
            let kind = if serial_s >= device_s { Resource::Serial } else { self.device_resource() };
            seconds.push((kind, device_s + serial_s));
        }
        if self.overlap {
            // No job is done before the resource that it needs longest has done its share.
            latency_s = seconds.iter().map(|(_, s)| *s).fold(longest_s, f64::max);
        }
        Usage { seconds, latency_s }
    }

    /// Joules of a job's compute stages: Σ calls · joules of a call. `None` without a stage, or where
    /// one of them has no reading on this size.
    pub fn energy_j(&self) -> Option<f64> {
        let of = |stage: &StageOn| Some(stage.calls * stage.energy_j?);
        let sum: Option<f64> = self.stages.iter().map(of).sum();
        sum.filter(|_| !self.stages.is_empty())
    }

    /// How much one job's time differs from the next one's: its squared coefficient of variation,
    /// Σ calls · t² · scatter of a call ÷ R², calls being independent. Serial work, network and
    /// disk are taken as constant.
    pub fn scatter(&self, device: Level, latency_s: f64) -> f64 {
        let variance = |s: &StageOn| s.calls * s.latency_s.at(device).powi(2) * s.scatter;
        let variance: f64 = self.stages.iter().map(variance).sum();
        if variance > 0.0 { variance / latency_s.powi(2) } else { 0.0 }
    }

    /// Whether a GPU stage (counted from 0 among the compute stages) keeps the node's threads longer
    /// than its GPUs.
    pub fn host_bound(&self, stage: usize) -> bool {
        let s = &self.stages[stage];
        let slots = slots(self.gpus, s.gpus_per_job).max(1.0);
        s.host_cpu_s / self.threads > s.device_s.median / slots
    }

    /// The job with those compute stages only, and with its serial work or without; network and
    /// disk stay with what has no serial work.
    pub fn part(&self, stages: impl Fn(usize) -> bool, serial: bool) -> Self {
        let kept = self.stages.iter().enumerate().filter(|(index, _)| stages(*index));
        Self {
            stages: kept.map(|(_, stage)| stage.clone()).collect(),
            serial_s: if serial { self.serial_s } else { 0.0 },
            io_s: if serial { Estimate::exact(0.0) } else { self.io_s },
            ..self.clone()
        }
    }

    /// What most of the device's time goes to.
    fn device_resource(&self) -> Resource {
        let (mut compute, mut memory, mut launch, mut unknown) = (0.0, 0.0, 0.0, 0.0);
        for s in &self.stages {
            launch += s.calls * s.launch_s;
            let rest = s.calls * (s.device_s.median - s.launch_s);
            match s.bound {
                Some(Bound::Memory) => memory += rest,
                Some(Bound::Compute) => compute += rest,
                None => unknown += rest,
            }
        }
        if unknown > compute.max(memory).max(launch) {
            Resource::Device
        } else if launch > compute && launch > memory {
            Resource::Launch
        } else if memory > compute {
            Resource::MemoryBandwidth
        } else {
            Resource::Compute
        }
    }

    /// Jobs per hour of a node and what limits them:
    /// X = 3600 · min(1 / max_r D_r, k / R). Infinite where a job takes nothing.
    pub fn jobs_per_h(&self, usage: &Usage) -> (f64, Resource) {
        let (resource, longest_s) = usage
            .seconds
            .iter()
            .copied()
            .max_by(|a, b| a.1.total_cmp(&b.1))
            .unwrap_or((Resource::Compute, 0.0));
        let by_memory = self.at_once.map(|k| k / usage.latency_s);
        match by_memory {
            Some(rate) if rate < 1.0 / longest_s => (3600.0 * rate, Resource::MemoryCapacity),
            _ => (3600.0 / longest_s, resource),
        }
    }

    /// Jobs per hour of a node as an interval: slow devices give the low end.
    pub fn throughput(&self) -> (Estimate, Resource) {
        let at = |device, io| self.jobs_per_h(&self.usage(device, io));
        let (median, resource) = at(Level::Mid, Level::Mid);
        let estimate =
            Estimate { median, lo90: at(Level::Hi, Level::Hi).0, hi90: at(Level::Lo, Level::Lo).0 };
        (estimate, resource)
    }

    /// Latency of one job as an interval.
    pub fn latency(&self) -> Estimate {
        Estimate {
            median: self.usage(Level::Mid, Level::Mid).latency_s,
            lo90: self.usage(Level::Lo, Level::Lo).latency_s,
            hi90: self.usage(Level::Hi, Level::Hi).latency_s,
        }
    }
}
