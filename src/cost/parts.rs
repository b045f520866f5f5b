//! What the cost of a job is made of: compute, transfer, launches, host, network, idle.

use serde::{Deserialize, Serialize};

use super::Level;
use super::node::{JobOn, slots};

/// Cost of a job at the demand by what it is spent on, in USD, by medians. The parts add up to the
/// cost.
///
/// `idle` is the cost at demand less the cost at full load: reserve, waiting, starts and cool-downs.
/// Of the cost at full load each other part has the share that its seconds are of all parts'
/// seconds, in seconds of the whole node as throughput counts them: a thread-second is 1 ÷ threads of
/// one, a GPU-second 1 ÷ the jobs that the GPUs take at once. So the shares add up to 1 where stages
/// overlap or other jobs use the other threads, too.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct CostParts {
    /// Work of the device that runs the compute stages.
    pub compute: f64,
    /// The link between host and GPU: the longer of both ways; of a time measured on the size, what
    /// the pipelined time has beyond that of the kernels, packing by the host included.
    pub transfer: f64,
    /// Kernel launches, where they were predicted; measured times hold theirs in `compute`.
    pub launch: f64,
    /// Work on host threads: serial work, and what the host does for GPU stages beyond the seconds
    /// of GPU and link, beside which it runs.
    pub host: f64,
    /// Network and disk.
    pub io: f64,
    /// Time of which is not known what it is made of: programs of the user's own, imported times.
    pub undivided: f64,
    /// Paid for and not used.
    pub idle: f64,
}

impl CostParts {
    /// The cost `usd_per_job` of `job` on a node, of which `full_load_usd` would be left at full load.
    pub fn of(job: &JobOn, usd_per_job: f64, full_load_usd: f64) -> Self {
        let busy_usd = full_load_usd.min(usd_per_job);
        let seconds = seconds(job);
        let all_s = seconds.sum();
        // A job that takes no time costs nothing but the nodes that are kept for it.
        let usd_per_s = if all_s > 0.0 { busy_usd / all_s } else { 0.0 };
        let busy = seconds.scaled(usd_per_s);
        Self { idle: (usd_per_job - busy.sum()).max(0.0), ..busy }
    }

    /// All parts together: the cost of a job at the demand.
    pub fn sum(&self) -> f64 {
        self.named().iter().map(|(_, usd)| usd).sum()
    }

    /// The parts with their names, in the order in which they are shown.
    pub fn named(&self) -> [(&'static str, f64); 7] {
        [
            ("compute", self.compute),
            ("transfer", self.transfer),
            ("launch", self.launch),
            ("host", self.host),
            ("network and disk", self.io),
            ("undivided", self.undivided),
            ("idle", self.idle),
        ]
    }

    fn scaled(&self, by: f64) -> Self {
        Self {
            compute: self.compute * by,
            transfer: self.transfer * by,
            launch: self.launch * by,
            host: self.host * by,
            io: self.io * by,
            undivided: self.undivided * by,
            idle: self.idle * by,
        }
    }
}

/// Seconds of the whole node that one job takes, by part and by medians.
fn seconds(job: &JobOn) -> CostParts {
    let mut parts = CostParts { io: job.io_s.at(Level::Mid), ..CostParts::default() };
    let (mut link_in_s, mut link_out_s, mut host_s) = (0.0, 0.0, job.serial_s / job.threads);
    let mut beside_s = 0.0;
    for stage in &job.stages {
        let each = stage.calls / slots(job.gpus, stage.gpus_per_job).max(1.0);
        let device_s = stage.device_s.median;
        let unhidden_s = stage.beyond_kernel_s.clamp(0.0, device_s);
        let launch_s = stage.launch_s.clamp(0.0, device_s - unhidden_s);
        let own_s = each * (device_s - unhidden_s - launch_s);
        match stage.bound {
            Some(_) => parts.compute += own_s,
            None => parts.undivided += own_s,
        }
        parts.launch += each * launch_s;
        parts.transfer += each * unhidden_s;
        link_in_s += each * stage.link_in_s.median;
        link_out_s += each * stage.link_out_s.median;
        beside_s += stage.calls * stage.host_cpu_s / job.threads;
    }
    parts.transfer += f64::max(link_in_s, link_out_s);
    let on_gpu_s = parts.compute + parts.undivided + parts.launch + parts.transfer;
    host_s += (beside_s - on_gpu_s).max(0.0);
    CostParts { host: host_s, ..parts }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::cost::peaks::Bound;
    use crate::cost::stage::StageOn;
    use crate::cost::{Estimate, Origin};

    /// A call of 0.9 s on the device, of these launches 0.1 s, in 0.3 s and out 0.2 s on the link,
    /// 0.4 thread-seconds of the host.
    fn stage() -> StageOn {
        StageOn {
            label: "1 matmul a".into(),
            calls: 2.0,
            device_s: Estimate::within(0.9, 2.0),
            latency_s: Estimate::exact(1.4),
            launch_s: 0.1,
            link_in_s: Estimate::exact(0.3),
            link_out_s: Estimate::exact(0.2),
            beyond_kernel_s: 0.0,
            host_cpu_s: 0.4,
            energy_j: None,
            gpus_per_job: 1.0,
            scatter: 0.0,
            bound: Some(Bound::Compute),
            origin: Origin::Predicted,
            implementation: "cuda/tiled".into(),
            how: String::new(),
            predicted_from: None,
        }
    }

    fn job(stages: Vec<StageOn>, gpus: f64) -> JobOn {
        JobOn {
            stages,
            serial_s: 0.8,
            io_s: Estimate::exact(0.2),
            threads: 4.0,
            gpus,
            gpus_per_job: 1.0,
            overlap: false,
            at_once: None,
            origin: Origin::Predicted,
        }
    }

    fn close(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-12, "{a} is not {b}");
    }

    #[test]
    fn a_gpu_job_by_its_node_seconds() {
        // Two calls: 2 · 0.8 = 1.6 s of arithmetic, 0.2 s of launches, 0.6 s in (0.4 s out go the
        // other way meanwhile), 0.8 ÷ 4 = 0.2 s of serial work, 0.2 s of network: 2.8 s. The host's
        // 2 · 0.4 ÷ 4 = 0.2 s run beside 2.4 s of the GPU. Of $10, $2.80 would be left at full load:
        // a dollar a second, and $7.20 idle.
        let parts = CostParts::of(&job(vec![stage()], 1.0), 10.0, 2.8);
        close(parts.compute, 1.6);
        close(parts.transfer, 0.6);
        close(parts.launch, 0.2);
        close(parts.host, 0.2);
        close(parts.io, 0.2);
        close(parts.undivided, 0.0);
        close(parts.idle, 7.2);
        close(parts.sum(), 10.0);
    }

    #[test]
    fn threads_and_gpus_that_other_jobs_use_are_not_charged() {
        // On a CPU size the call has all four threads: 1.8 s; serial work 0.8 ÷ 4; network 0.2.
        let cpu = StageOn {
            launch_s: 0.0,
            link_in_s: Estimate::exact(0.0),
            link_out_s: Estimate::exact(0.0),
            host_cpu_s: 0.0,
            gpus_per_job: 0.0,
            ..stage()
        };
        let parts = CostParts::of(&job(vec![cpu], 0.0), 2.2, 2.2);
        close(parts.compute, 1.8);
        close(parts.host, 0.2);
        close(parts.idle, 0.0);
        // Two GPUs halve the GPU's part: 0.8, 0.1, 0.3; serial 0.2, network 0.2: 1.6 s. The host
        // works 2 · 4 ÷ 4 = 2 s, which is 0.8 s longer than the GPUs' 1.2: 2.4 s in all.
        let busy_host = StageOn { host_cpu_s: 4.0, ..stage() };
        let parts = CostParts::of(&job(vec![busy_host], 2.0), 2.4, 2.4);
        close(parts.compute, 0.8);
        close(parts.host, 0.2 + 0.8);
    }

    #[test]
    fn measured_transfers_and_undivided_times_are_told_apart() {
        // Measured on the size: 0.9 s with calls in flight of which the kernels are 0.5 s.
        let measured = StageOn {
            launch_s: 0.0,
            link_in_s: Estimate::exact(0.0),
            link_out_s: Estimate::exact(0.0),
            beyond_kernel_s: 0.4,
            ..stage()
        };
        let own = StageOn { bound: None, beyond_kernel_s: 0.0, ..measured.clone() };
        let parts = CostParts::of(&job(vec![measured, own], 1.0), 4.0, 4.0);
        close(parts.compute, 1.0);
        close(parts.transfer, 0.8);
        close(parts.undivided, 1.8);
        close(parts.sum(), 4.0);
    }

    proptest! {
        #[test]
        fn parts_are_never_negative_and_add_up(
            device_s in 0.0..10.0f64, launch_s in 0.0..10.0f64, beyond_s in -1.0..10.0f64,
            host_s in 0.0..10.0f64, gpus in 0.0..4.0f64, usd in 0.0..10.0f64, full in 0.0..10.0f64,
        ) {
            let stage = StageOn {
                device_s: Estimate::exact(device_s), launch_s, beyond_kernel_s: beyond_s,
                host_cpu_s: host_s, ..stage()
            };
            let parts = CostParts::of(&job(vec![stage], gpus.floor()), usd, full);
            prop_assert!((parts.sum() - usd).abs() <= 1e-9 * usd.max(1.0));
            prop_assert!(parts.named().iter().all(|(_, part)| *part >= 0.0), "{:?}", parts);
        }
    }
}
