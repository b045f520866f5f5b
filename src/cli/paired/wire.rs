//! What a gate and the executables that it compares say to each other: an order in a file, an
//! answer in lines on standard output. The two executables may be older or newer than the gate.

use serde::{Deserialize, Serialize};

use crate::measure::Counts;
use crate::record::Status;

/// Raised when an order means something that earlier executables would not do.
pub const PROTOCOL: u32 = 1;

/// The order, as `run --round` reads it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Order {
    /// [`PROTOCOL`] of the gate.
    pub protocol: u32,
    /// Seed of all random inputs.
    pub seed: u64,
    /// Devices in use; without any, all there are.
    pub devices: Vec<String>,
    /// Implementations to keep, as `--implementation` has them; without any, all.
    pub implementations: Vec<String>,
    /// Jobs in the order to measure them; without a list, the jobs are told and nothing is run.
    pub jobs: Option<Vec<WantedJob>>,
}

/// One case × implementation × device.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct JobName {
    /// Canonical case key.
    pub case_key: String,
    /// Name of the implementation.
    pub implementation: String,
    /// Device id.
    pub device: String,
}

/// A job and how to sample it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WantedJob {
    /// Which.
    pub job: JobName,
    /// Variant to use.
    pub tuning: Option<String>,
    /// SHA-256 of outputs that this executable's reference has confirmed before.
    pub verified: Option<String>,
    /// Modes; those without counts are calibrated.
    pub modes: Vec<WantedMode>,
}

/// A mode and how often it is executed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WantedMode {
    /// Name of the mode: `kernel_warm`, `end_to_end`, …
    pub mode: String,
    /// How often, where that was decided.
    pub counts: Option<Counts>,
}

/// One line of the answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Line {
    /// The first.
    Hello(Hello),
    /// A job that the suite has here.
    Job(JobName),
    /// A job begins. If no end of it follows, the process ended in it.
    Started(JobName),
    /// A job ended.
    Done(Box<Done>),
    /// The last; without it the process did not come to its end.
    End,
}

/// Who answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hello {
    /// Its [`PROTOCOL`].
    pub protocol: u32,
    /// Its version.
    pub version: String,
    /// Git commit it was built from, where known.
    pub commit: Option<String>,
    /// Devices in use.
    pub devices: Vec<HelloDevice>,
}

/// A device in use.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HelloDevice {
    /// Id.
    pub id: String,
    /// Product name.
    pub name: String,
    /// Whether it is a GPU, real or in software.
    pub gpu: bool,
    /// As in records.
    pub env_key: String,
}

/// What came of a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Done {
    /// Which.
    pub job: JobName,
    /// Result, as in records.
    pub status: Status,
    /// Why not `ok`.
    pub reason: Option<String>,
    /// SHA-256 of the outputs, which were right.
    pub sha256: Option<String>,
    /// How they were found right, where the reference was asked: `bit-equal`, …
    pub method: Option<String>,
    /// Variant that ran.
    pub tuning: Option<String>,
    /// Clock of the device before and after, in hertz.
    pub clock_hz: [Option<f64>; 2],
    /// Times by mode.
    pub times: Vec<DoneTime>,
}

/// Times of one mode.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DoneTime {
    /// Name of the mode.
    pub mode: String,
    /// Median, in seconds per execution.
    pub median_s: f64,
    /// All samples, in seconds per execution.
    pub samples_s: Vec<f64>,
}
