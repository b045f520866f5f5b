//! The side of an arm: one fresh process measures what the order says and answers in lines.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use super::wire::{Done, DoneTime, Hello, HelloDevice, JobName, Line, Order, PROTOCOL, WantedJob};
use crate::backend::Mode;
use crate::cli::args::{OutputArgs, RunArgs};
use crate::cli::exit::{DONE, Failure, Outcome};
use crate::cli::measuring::{self, Prepared};
use crate::measure::{Event, Options, Sampling};
use crate::plan::{Job, Plan};
use crate::record::{Row, Status};
use crate::suite::{self, FolderFiles};

/// Modes that an order may name.
const MODES: [Mode; 4] = [Mode::KernelCold, Mode::KernelWarm, Mode::EndToEnd, Mode::Pipelined];

/// `run SUITE --round FILE`.
pub fn run(path: &Path, args: &RunArgs, output: &OutputArgs) -> Outcome {
    let order = read(path)?;
    let mut measure = args.measure.clone();
    measure.device.clone_from(&order.devices);
    (measure.seed, measure.no_metadata) = (order.seed, true);
    let suite = suite::load(&args.suite).map_err(|error| Failure::usage(error.to_string()))?;
    let files = FolderFiles::new(suite.folder.clone());
    let prepared = measuring::prepare(&suite, &files, &measure, &order.implementations, output)?;
    say(&Line::Hello(hello(&prepared)))?;
    match &order.jobs {
        None => prepared.plan.jobs.iter().try_for_each(|job| say(&Line::Job(name(job))))?,
        Some(jobs) => measured(&prepared, jobs, order.seed)?,
    }
    say(&Line::End)?;
    Ok(DONE)
}

fn read(path: &Path) -> Result<Order, Failure> {
    let bad = |problem: String| Failure::usage(format!("--round {}: {problem}", path.display()));
    let text = fs::read_to_string(path).map_err(|error| bad(error.to_string()))?;
    let value: serde_json::Value =
        serde_json::from_str(&text).map_err(|error| bad(error.to_string()))?;
    // Before the fields: those of another protocol may be others.
    if value["protocol"] != PROTOCOL {
        return Err(bad(format!(
            "gate protocol {} is not known here; this breakeven speaks {PROTOCOL}",
            value["protocol"]
        )));
    }
    serde_json::from_value(value).map_err(|error| bad(error.to_string()))
}

/// Each line is out before the next job begins, so that a crash shows where it was.
fn say(line: &Line) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    serde_json::to_writer(&mut out, line)
        .map_err(io::Error::from)
        .and_then(|()| out.write_all(b"\n"))
        .and_then(|()| out.flush())
        .map_err(|error| Failure::stdout(&error))
}

fn hello(prepared: &Prepared) -> Hello {
    let device = |device: &crate::record::DeviceEnv| HelloDevice {
        id: device.info.id.clone(),
        name: device.info.name.clone(),
        gpu: device.info.kind != breakeven_kernels::work::DeviceKind::Cpu,
        env_key: device.env_key.clone(),
    };
    Hello {
        protocol: PROTOCOL,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        commit: option_env!("BREAKEVEN_COMMIT").map(str::to_owned),
        devices: prepared.env.devices.iter().map(device).collect(),
    }
}

fn name(job: &Job) -> JobName {
    JobName {
        case_key: job.case_key.clone(),
        implementation: job.implementation.name.to_owned(),
        device: job.device.clone(),
    }
}

/// Measures `wanted` in their order; jobs that are not here are answered at once.
fn measured(prepared: &Prepared, wanted: &[WantedJob], seed: u64) -> Result<(), Failure> {
    let mut jobs = Vec::new();
    for want in wanted {
        match prepared.plan.jobs.iter().find(|job| name(job) == want.job) {
            Some(job) => jobs.push(job.clone()),
            None => say(&Line::Done(Box::new(absent(prepared, want))))?,
        }
    }
    let plan = Plan { jobs, skips: Vec::new(), budget_s: None };
    let sampling = |job: &Job| {
        let wanted = wanted.iter().find(|want| want.job == name(job))?;
        let mode = |name: &str| MODES.into_iter().find(|mode| mode.name() == name);
        let modes = wanted.modes.iter().filter_map(|m| Some((mode(&m.mode)?, m.counts)));
        Some(Sampling {
            tuning: wanted.tuning.clone(),
            modes: modes.collect(),
            verified: wanted.verified.clone(),
        })
    };
    let mut options = Options { seed, sampling: Some(&sampling), ..Options::default() };
    let mut sha256 = None;
    let mut observe = |event: Event| -> Result<(), Failure> {
        match event {
            Event::CaseStarted { index, .. } => {
                sha256 = None;
                say(&Line::Started(name(&plan.jobs[index])))
            }
            Event::Verified(digest) => {
                sha256 = Some(digest);
                Ok(())
            }
            Event::RowDone(row) => say(&Line::Done(Box::new(done(*row, sha256.take())))),
            _ => Ok(()),
        }
    };
    prepared.measure(&plan, &mut options, &mut observe)?;
    Ok(())
}

fn absent(prepared: &Prepared, want: &WantedJob) -> Done {
    let same = |skip: &&crate::plan::Skip| {
        skip.case_key == want.job.case_key && skip.implementation == want.job.implementation
    };
    let skip = prepared.plan.skips.iter().find(same);
    Done {
        job: want.job.clone(),
        status: Status::Skipped,
        reason: Some(skip.map_or("not in its suite".into(), |skip| skip.reason.clone())),
        sha256: None,
        method: None,
        tuning: None,
        clock_hz: [None, None],
        times: Vec::new(),
    }
}

fn done(row: Row, sha256: Option<String>) -> Done {
    let named = [
        ("kernel_cold", row.times.kernel_cold),
        ("kernel_warm", row.times.kernel_warm),
        ("end_to_end", row.times.end_to_end),
        ("pipelined", row.times.pipelined),
    ];
    let time = |(mode, time): (&str, Option<crate::record::Time>)| {
        let time = time?;
        Some(DoneTime { mode: mode.to_owned(), median_s: time.median_s, samples_s: time.samples_s })
    };
    Done {
        job: JobName {
            case_key: row.case_key,
            implementation: row.implementation,
            device: row.device,
        },
        status: row.status,
        reason: row.reason,
        sha256,
        method: row.check.map(|check| check.method),
        tuning: row.tuning.map(|tuning| tuning.name),
        clock_hz: row.clock_hz,
        times: named.into_iter().filter_map(time).collect(),
    }
}
