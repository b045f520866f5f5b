//! Measuring: verify → calibrate → warm up → sample → stop → verify. Emits events, prints nothing.

use std::io;

use breakeven_kernels::work::Keep;

use crate::backend::{BackendError, Device, Mode};
use crate::plan::Job;
use crate::record::Row;

mod fixed;
#[cfg(feature = "inject-slowdown")]
pub mod inject;
mod job;
mod row;
mod run;
mod sample;

pub use fixed::{Counts, Sampling};
pub use run::run;

/// Opens a device by id.
pub type Open<'a> = dyn FnMut(&str) -> Result<Box<dyn Device>, BackendError> + 'a;

/// Gives the place where inputs and outputs of a job are kept.
pub type KeepFor<'a> = dyn FnMut(&Job) -> io::Result<Box<dyn Keep>> + 'a;

/// Says how a job is to be sampled, where that was decided beforehand.
pub type SamplingFor<'a> = dyn Fn(&Job) -> Option<Sampling> + 'a;

/// How to measure.
#[derive(Default)]
pub struct Options<'a> {
    /// Seed of all random inputs.
    pub seed: u64,
    /// Hard limit: jobs that have not begun by then are skipped.
    pub max_seconds: Option<f64>,
    /// Where to keep inputs and outputs.
    pub keep: Option<&'a mut KeepFor<'a>>,
    /// Jobs whose sampling is not to be decided here.
    pub sampling: Option<&'a SamplingFor<'a>>,
}

/// What an observer is told.
#[derive(Debug, Clone)]
pub enum Event {
    /// A job begins.
    CaseStarted {
        /// Its number, from 0.
        index: usize,
        /// Jobs in all.
        total: usize,
        /// Canonical case key.
        case_key: String,
        /// Name of the implementation.
        implementation: &'static str,
        /// Device id.
        device: String,
    },
    /// The running job reached a stage.
    Stage(Stage),
    /// The running job's outputs are right; their SHA-256. Told only where the sampling was decided
    /// beforehand.
    Verified(String),
    /// A variant that was tried computed a wrong answer; it is not chosen.
    TrialWrong {
        /// Name of the variant.
        tuning: String,
        /// What was wrong.
        problem: String,
    },
    /// Inputs and outputs of the running job were kept.
    Kept,
    /// Inputs and outputs could not be kept.
    KeepFailed(String),
    /// A row is final: measured, failed or skipped.
    RowDone(Box<Row>),
}

/// Parts of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Making or reading the input.
    Input,
    /// Compiling, allocating, uploading constants.
    Load,
    /// Comparing with the reference.
    Verify,
    /// Trying variants.
    Tune,
    /// Sampling one mode.
    Sample(Mode),
}

/// How the run ended.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Outcome {
    /// Rows emitted.
    pub rows: u64,
    /// Of those, verified and timed.
    pub ok: u64,
    /// Of those, with a wrong output.
    pub wrong: u64,
    /// Of those, failed for another reason.
    pub failed: u64,
    /// Of those, skipped.
    pub skipped: u64,
    /// False when interrupted or out of time.
    pub complete: bool,
    /// Why not complete.
    pub reason: Option<String>,
}
