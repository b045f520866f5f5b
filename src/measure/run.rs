//! The loop over a plan's jobs: devices held open, inputs shared, time divided.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use breakeven_kernels::work::{Case, Input};

use super::job::{self, End};
use super::{Event, Open, Options, Outcome, Stage, row};
use crate::backend::{BackendError, Device};
use crate::plan::Plan;
use crate::record::{Row, Status};

/// Seconds for a job where the suite states no budget: 30 samples or 1 s in each of four modes.
const DEFAULT_JOB_S: f64 = 6.0;

/// Measures every job of `plan` and reports each as a row, skips first.
///
/// Stops early when `interrupted` becomes true (the outcome is then incomplete).
///
/// # Errors
/// The observer's own error (a full disk, say) stops the run and is returned.
pub fn run<E>(
    plan: &Plan,
    open: &mut Open<'_>,
    options: &mut Options<'_>,
    observer: &mut dyn FnMut(Event) -> Result<(), E>,
    interrupted: &AtomicBool,
) -> Result<Outcome, E> {
    let clock = Clock { start: Instant::now(), plan, max_s: options.max_seconds };
    let mut tell = Teller { observer, outcome: Outcome { complete: true, ..Outcome::default() } };
    let mut devices = Devices { open, slots: HashMap::new() };
    let mut input: Option<Made> = None;
    for skip in &plan.skips {
        tell.row(row::skip(skip))?;
    }
    for (index, job) in plan.jobs.iter().enumerate() {
        if interrupted.load(Ordering::SeqCst) {
            tell.stopped("interrupted");
            break;
        }
        if clock.over() {
            tell.stopped("time limit");
            tell.row(row::not_tried(job, "time limit"))?;
            continue;
        }
        let device = match devices.get(&job.device) {
            Ok(device) => device,
            Err(reason) => {
                tell.row(row::not_tried(job, &reason))?;
                continue;
            }
        };
        (tell.observer)(Event::CaseStarted {
            index,
            total: plan.jobs.len(),
            case_key: job.case_key.clone(),
            implementation: job.implementation.name,
            device: job.device.clone(),
        })?;
        let deadline = || clock.deadline(index);
        if input.as_ref().is_none_or(|made| !Arc::ptr_eq(&made.case, &job.case)) {
            (tell.observer)(Event::Stage(Stage::Input))?;
            // Dropped first, so that two inputs are never in memory at once.
            drop(input.take());
            let made = job.case.input(options.seed).map_err(|e| e.to_string());
            input = Some(Made { case: Arc::clone(&job.case), input: made });
        }
        let made = match &input {
            Some(Made { input: Ok(made), .. }) => made,
            Some(Made { input: Err(reason), .. }) => {
                tell.row(row::failed(job, Status::Failed, reason))?;
                continue;
            }
            None => continue,
        };
        let sampling = options.sampling.and_then(|sampling| sampling(job));
        let context =
            job::Context { job, input: &**made, deadline: &deadline, interrupted, sampling };
        let end = job::measure(&context, device, options, tell.observer)?;
        match end {
            End::Row(row) => tell.row(row)?,
            End::Lost(row, reason) => {
                devices.lose(&job.device, reason);
                tell.row(row)?;
            }
            End::Interrupted => {
                tell.stopped("interrupted");
                break;
            }
        }
    }
    Ok(tell.outcome)
}

/// The input of the case at hand, or why it could not be made.
struct Made {
    case: Arc<dyn Case>,
    input: Result<Box<dyn Input>, String>,
}

/// Divides the time among the jobs.
struct Clock<'a> {
    start: Instant,
    plan: &'a Plan,
    max_s: Option<f64>,
}

impl Clock<'_> {
    /// Whether the hard limit has passed.
    fn over(&self) -> bool {
        self.max_s.is_some_and(|max| self.start.elapsed().as_secs_f64() >= max)
    }

    /// Seconds from now that job `index` should take: an equal share of what is left.
    fn deadline(&self, index: usize) -> job::Deadline {
        let elapsed_s = self.start.elapsed().as_secs_f64();
        let left = (self.plan.jobs.len() - index).max(1) as f64;
        let budget_s = match (self.plan.budget_s, self.max_s) {
            (Some(budget), Some(max)) => Some(budget.min(max)),
            (budget, max) => budget.or(max),
        };
        let share = budget_s.map_or(DEFAULT_JOB_S, |b| ((b - elapsed_s) / left).max(0.0));
        job::Deadline::new(share, self.max_s.map(|max| max - elapsed_s))
    }
}

/// Counts rows on their way to the observer.
struct Teller<'a, E> {
    observer: &'a mut dyn FnMut(Event) -> Result<(), E>,
    outcome: Outcome,
}

impl<E> Teller<'_, E> {
    fn row(&mut self, row: Row) -> Result<(), E> {
        self.outcome.rows += 1;
        let count = match row.status {
            Status::Ok => &mut self.outcome.ok,
            Status::WrongOutput => &mut self.outcome.wrong,
            Status::Failed => &mut self.outcome.failed,
            Status::Skipped | Status::Untimed => &mut self.outcome.skipped,
        };
        *count += 1;
        (self.observer)(Event::RowDone(Box::new(row)))
    }

    fn stopped(&mut self, reason: &str) {
        self.outcome.complete = false;
        self.outcome.reason.get_or_insert_with(|| reason.to_owned());
    }
}

/// Opened devices, and those that are gone.
struct Devices<'a, 'b> {
    open: &'a mut Open<'b>,
    slots: HashMap<String, Result<Box<dyn Device>, String>>,
}

impl Devices<'_, '_> {
    /// The device, opened at its first use; else why it cannot be used.
    fn get(&mut self, id: &str) -> Result<&mut dyn Device, String> {
        if !self.slots.contains_key(id) {
            let opened = (self.open)(id).map_err(|e: BackendError| e.to_string());
            self.slots.insert(id.to_owned(), opened);
        }
        match self.slots.get_mut(id) {
            Some(Ok(device)) => Ok(&mut **device),
            Some(Err(reason)) => Err(reason.clone()),
            None => Err(format!("{id} could not be opened")),
        }
    }

    /// Nothing more runs on it.
    fn lose(&mut self, id: &str, reason: String) {
        self.slots.insert(id.to_owned(), Err(reason));
    }
}

#[cfg(test)]
mod tests;
