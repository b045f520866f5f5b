//! What one pod of a workload takes of a node.

use crate::catalog::{Catalog, Sku};
use crate::cost::Level;
use crate::cost::evidence::MeasuredDevice;
use crate::cost::node::{self, JobOn};
use crate::cost::reserved::{SYSTEM_PODS_GIB, node_share_milli};
use crate::workload::ResolvedWorkload;

/// What a request lies above what was measured: the default of the Vertical Pod Autoscaler.
const SAFETY: f64 = 1.15;
/// What one pod takes.
#[derive(Debug, Clone, PartialEq)]
pub struct Needs {
    /// Pods of this kind that a node holds.
    pub pods_per_node: u64,
    /// GPUs of a pod; 0 on a CPU size.
    pub gpus: u64,
    /// Thousandths of a vCPU.
    pub cpu_milli: u64,
    /// Where that figure comes from.
    pub cpu_from: String,
    /// Memory in MiB; `None` where the workload says nothing and its cases neither.
    pub memory_mib: Option<u64>,
    /// What pods can have of a whole node, in thousandths of a vCPU.
    pub node_cpu_milli: u64,
    /// The same of its memory in MiB; `None` where that is not known.
    pub node_memory_mib: Option<u64>,
    /// GPU memory in GiB; 0 where nothing is known.
    pub gpu_memory_gib: f64,
}

impl Needs {
    /// Of `resolved` on `sku`; `None` where its time there is not known.
    pub fn of(
        resolved: &ResolvedWorkload,
        sku: &Sku,
        catalog: &Catalog,
        devices: &[MeasuredDevice],
    ) -> Option<Self> {
        let job = node::job_on(resolved, sku, catalog, devices).ok()?;
        let [host, device] = node::memory(resolved, sku.has_gpu());
        let memory_gib = (host.constant_gib + host.job_gib) * SAFETY;
        let gpus = if job.gpus > 0.0 { job.gpus_per_job.max(1.0) } else { 0.0 };
        let slots = if job.gpus > 0.0 { node::slots(job.gpus, gpus) } else { 1.0 };
        let room_gib = node::rooms_gib(sku)[0].map(|gib| (gib - SYSTEM_PODS_GIB).max(0.0));
        let fit = match room_gib {
            Some(room) if memory_gib > 0.0 => (room / memory_gib).floor().max(1.0),
            _ => slots,
        };
        let pods = slots.min(fit);
        let share_milli = node_share_milli(sku.vcpus, pods);
        let threads_busy = threads_busy(&job);
        let (cpu_milli, cpu_from) = if job.gpus > 0.0 {
            let asked = (threads_busy * SAFETY * 10.0).ceil() * 100.0;
            let from = format!(
                "the host's threads are busy {threads_busy:.2} on average beside the GPU, and \
                 {:.0} % more",
                100.0 * (SAFETY - 1.0)
            );
            (asked.clamp(100.0, share_milli.max(100.0)), from)
        } else {
            let from = format!(
                "the work uses all {} threads: what AKS and its DaemonSets leave of them",
                sku.vcpus
            );
            (share_milli, from)
        };
        // Never more than the node has: a pod that asks for that waits for ever.
        let memory_gib = room_gib.map_or(memory_gib, |room| memory_gib.min(room / pods));
        Some(Self {
            pods_per_node: pods as u64,
            gpus: gpus as u64,
            cpu_milli: cpu_milli as u64,
            cpu_from,
            memory_mib: (memory_gib > 0.0).then(|| (memory_gib * 1024.0).ceil() as u64),
            node_cpu_milli: node_share_milli(sku.vcpus, 1.0) as u64,
            node_memory_mib: room_gib.map(|gib| (gib * 1024.0).floor() as u64),
            gpu_memory_gib: device.constant_gib + device.job_gib,
        })
    }
}

/// Host threads that a job keeps busy on average: Σ calls · host thread-seconds, and its serial
/// work, ÷ latency.
fn threads_busy(job: &JobOn) -> f64 {
    let host: f64 = job.stages.iter().map(|s| s.calls * s.host_cpu_s).sum();
    let latency_s = job.usage(Level::Mid, Level::Mid).latency_s;
    if latency_s > 0.0 { (host + job.serial_s) / latency_s } else { 0.0 }
}
