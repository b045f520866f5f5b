//! Rows that hold no times, and the times of those that do.

use breakeven_kernels::work::Work;

use super::sample::Sampled;
use crate::backend::{OneOff, ProcessFacts, Timer};
use crate::host::Host;
use crate::plan::{Job, Skip};
use crate::record::{OneOffCosts, ProcessRun, Row, Status, Time, Times};
use crate::stats;

/// A row of `job` without results yet.
pub(super) fn empty(job: &Job, work: Work) -> Row {
    Row {
        family: job.family.to_owned(),
        case_key: job.case_key.clone(),
        series: job.series.clone(),
        implementation: job.implementation.name.to_owned(),
        device: job.device.clone(),
        status: Status::Untimed,
        reason: None,
        work,
        check: None,
        times: Times::default(),
        one_off: OneOffCosts::default(),
        tuning: None,
        launches: 0,
        host_cpu_s: None,
        energy_j: None,
        clock_hz: [None, None],
        temperature_c: [None, None],
        peak_memory_bytes: Host::default().peak_memory_bytes(),
        process: None,
        quality: None,
        unknown: Vec::new(),
    }
}

/// A job that ended before its input was made.
pub(super) fn failed(job: &Job, status: Status, reason: &str) -> Row {
    Row { status, reason: Some(reason.to_owned()), ..empty(job, job.case.work()) }
}

/// A job that was never tried.
pub(super) fn not_tried(job: &Job, reason: &str) -> Row {
    failed(job, Status::Skipped, reason)
}

/// What the plan left out.
pub(super) fn skip(skip: &Skip) -> Row {
    Row {
        family: skip.family.to_owned(),
        case_key: skip.case_key.clone(),
        series: skip.series.clone(),
        implementation: skip.implementation.to_owned(),
        device: skip.device.clone(),
        status: Status::Skipped,
        reason: Some(skip.reason.clone()),
        work: skip.work.clone(),
        check: None,
        times: Times::default(),
        one_off: OneOffCosts::default(),
        tuning: None,
        launches: 0,
        host_cpu_s: None,
        energy_j: None,
        clock_hz: [None, None],
        temperature_c: [None, None],
        peak_memory_bytes: None,
        process: None,
        quality: None,
        unknown: Vec::new(),
    }
}

/// One-off costs in the record's form; `trials_s` for trying tunings.
pub(super) fn one_off(costs: &OneOff, trials_s: Option<f64>) -> OneOffCosts {
    OneOffCosts {
        context_s: costs.context_s,
        compile_s: costs.compile_s,
        plan_s: costs.plan_s,
        allocate_s: costs.allocate_s,
        constants_s: costs.constants_s,
        trials_s,
    }
}

/// What is known of a command beside its times, and why it has no others.
pub(super) fn put_process(row: &mut Row, facts: ProcessFacts) {
    row.peak_memory_bytes = facts.peak_memory_bytes;
    for mode in ["kernel_cold", "kernel_warm"] {
        row.unknown.push(format!("{mode}: a process is timed as a whole, from outside"));
    }
    row.quality = facts.quality;
    row.process = Some(ProcessRun {
        startup_s: facts.startup_s,
        output_sha256: facts.output_sha256,
        output_bytes: facts.output_bytes,
    });
}

/// Samples as the record keeps them; `None` without a single one.
pub(super) fn time(sampled: &Sampled) -> Option<Time> {
    let s = stats::summarize(&sampled.samples_s)?;
    let width = s.relative_half_width();
    let note = (!sampled.settled).then(|| {
        format!("interval ±{:.1} %: wider than asked for in the time there was", width * 100.0)
    });
    Some(Time {
        timer: match sampled.timer {
            Timer::Wall => "wall",
            Timer::CudaEvent => "cuda-event",
            Timer::GpuTimestamp => "gpu-timestamp",
            Timer::Mock => "mock",
        }
        .to_owned(),
        iterations_per_sample: sampled.iterations,
        depth: sampled.depth,
        warmup_runs: sampled.warmup_runs,
        samples_s: sampled.samples_s.clone(),
        samples_left: 0,
        median_s: s.median,
        ci95_lo_s: s.ci95_lo,
        ci95_hi_s: s.ci95_hi,
        mean_s: s.mean,
        stdev_s: s.stdev,
        mad_s: s.mad,
        iqr_s: s.iqr,
        min_s: s.min,
        p95_s: s.p95,
        outliers: s.outliers as u32,
        upload_s: stats::median(&sampled.upload_s),
        kernel_s: stats::median(&sampled.kernel_s),
        download_s: stats::median(&sampled.download_s),
        note,
    })
}

/// The same samples under another mode's name, because the call is the same.
pub(super) fn same_call(time: &Time, as_mode: &str) -> Time {
    let mut same = time.clone();
    let note = format!("same call as {as_mode}");
    same.note = Some(match &time.note {
        Some(first) => format!("{note}; {first}"),
        None => note,
    });
    same
}
