//! The regression gate: is the candidate slower than the base? Pure arithmetic on paired rounds
//! and on records; knows no process, clock, disk or printing.
//!
//! The independent unit is the round (one fresh process an arm), not the sample. A suspect of the
//! screening rounds is judged by fresh rounds alone. See METHODOLOGY.md, "The gate".

pub mod decide;
mod detectable;
mod history;
mod judge;
pub mod random;
pub mod rules;
pub mod schedule;

pub use decide::suspects;
pub use detectable::{detectable, noise_shape};
pub use history::history;
pub use judge::{Judgement, is_compared, judge, overall};
pub use rules::{Machine, Rules};
pub use schedule::{Round, schedule};

#[cfg(test)]
mod tests;

use breakeven_kernels::work::DeviceKind;
use serde::{Deserialize, Serialize};

pub mod formats;
pub mod soft;
pub mod waiver;

/// One of the two programs that are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Arm {
    /// What is there.
    Base,
    /// What shall replace it.
    Cand,
}

/// What sort of number a row is: decides its practical margin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MetricClass {
    /// Counts that do not vary: bytes moved, launches, output bytes.
    Exact,
    /// Device work on a GPU, caches warm.
    GpuWarm,
    /// Device work on a GPU, caches flushed.
    GpuCold,
    /// Work on a CPU.
    Cpu,
    /// Host memory to host memory, I/O included.
    EndToEnd,
    /// A whole program as a process.
    Command,
}

impl MetricClass {
    /// The class of a mode of a record's rows: `kernel_warm`, `kernel_cold`, `end_to_end`,
    /// `pipelined`.
    pub fn of(implementation: &str, kind: DeviceKind, metric: &str) -> Self {
        match (kind, metric) {
            _ if implementation.starts_with("process/") => Self::Command,
            (_, "end_to_end") => Self::EndToEnd,
            (DeviceKind::Gpu, "kernel_cold") => Self::GpuCold,
            (DeviceKind::Gpu, _) => Self::GpuWarm,
            // A GPU in software computes on the CPU.
            _ => Self::Cpu,
        }
    }
}

/// What one row compares. Unique in a gate run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RowId {
    /// Canonical print of the case; of a plain command, its name.
    pub case_key: String,
    /// `cpu/simd`, `process/command`, …
    pub implementation: String,
    /// Device id.
    pub device: String,
    /// `kernel_warm`, `end_to_end`, `wall`, …
    pub metric: String,
}

/// One row in one round: both arms, each in a fresh process.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Pair {
    /// Round, from 1, through both stages.
    pub round: u32,
    /// Which arm ran first.
    pub first: Arm,
    /// Median of the base's samples, in seconds (of an exact metric, its value).
    pub base: f64,
    /// Median of the candidate's samples.
    pub cand: f64,
    /// The same two in device cycles, where the clock of each sample is known.
    pub cycles: Option<[f64; 2]>,
}

/// Why an arm has no usable number for a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind", content = "text")]
pub enum Fault {
    /// The output was wrong; such a row is never faster.
    WrongOutput(String),
    /// It crashed or ended with an error.
    Failed(String),
    /// It ran into its time limit.
    TimedOut(String),
    /// Its outputs differ from run to run on the same input.
    NonDeterministic(String),
    /// The row is there in one arm only, for example a case that the other does not know.
    Missing(String),
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        match self {
            Self::WrongOutput(text) => write!(f, "computes a wrong output: {text}"),
            Self::Failed(text) => write!(f, "failed: {text}"),
            Self::TimedOut(text) => write!(f, "ran into its time limit: {text}"),
            Self::NonDeterministic(text) => write!(f, "gives outputs that vary: {text}"),
            Self::Missing(text) => write!(f, "has no such row: {text}"),
        }
    }
}

/// A row with its rounds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RowData {
    /// What is compared.
    pub id: RowId,
    /// Sort of number.
    pub class: MetricClass,
    /// Screening rounds.
    pub screen: Vec<Pair>,
    /// Fresh rounds of a suspect.
    pub confirm: Vec<Pair>,
    /// What went wrong first, and in which arm.
    pub fault: Option<(Arm, Fault)>,
}

/// All that was measured in a paired gate run.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Measured {
    /// The rows, in the order of the suite.
    pub rows: Vec<RowData>,
    /// The control case, which holds no user code: one pair a round.
    pub control: Vec<Pair>,
    /// Why the rounds ended early (`--max-wall`, Ctrl-C), if they did.
    pub cut_short: Option<String>,
}

/// Verdict on a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RowVerdict {
    /// The candidate computes a wrong answer, crashes, hangs or varies.
    Broken,
    /// Slower by more than the margin, confirmed.
    Regressed,
    /// A regression within a valid waiver.
    Waived,
    /// On a GPU: slower or faster in time, not in cycles; the clock moved.
    ClockLimited,
    /// The control moved: nothing can be said of this run.
    Contaminated,
    /// Neither; the smallest effect that would have been seen is told.
    Inconclusive,
    /// Faster by more than the margin, confirmed.
    Improved,
    /// Within the margin either way, by two one-sided tests.
    Same,
}

/// A row, judged. Ratios are candidate ÷ base in time: above 1 is slower.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JudgedRow {
    /// What is compared.
    pub id: RowId,
    /// Sort of number.
    pub class: MetricClass,
    /// Verdict.
    pub verdict: RowVerdict,
    /// Practical margin as a share: 0.05 is 5 %.
    pub margin: f64,
    /// Hodges–Lehmann estimate of the time ratio; `None` without rounds.
    pub ratio: Option<f64>,
    /// Interval of the ratio at the confidence that the verdict used.
    pub ratio_lo: Option<f64>,
    /// Its upper end.
    pub ratio_hi: Option<f64>,
    /// Median of the base's rounds, in seconds.
    pub base_s: Option<f64>,
    /// Median of the candidate's rounds.
    pub cand_s: Option<f64>,
    /// Rounds of screening and of confirmation.
    pub rounds: [u32; 2],
    /// Smallest slow-down, as a share, that this row would have shown with 90 % power at the noise
    /// it saw; `None` where that is not known.
    pub detectable: Option<f64>,
    /// Whether it looked slower in screening and there were too few fresh rounds to confirm it or
    /// to clear it.
    #[serde(default)]
    pub unconfirmed: bool,
    /// In plain words, with the numbers.
    pub reason: String,
}

/// How a gate run ends. The order is that of severity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Overall {
    /// No row regressed.
    Passed,
    /// At least one row regressed or is broken.
    Regressed,
    /// No row could be compared, the run is contaminated, or a row that looked slower could be
    /// neither confirmed nor cleared.
    Uninterpretable,
    /// No row regressed and at least one is inconclusive.
    Inconclusive,
}

/// One side of the comparison, for people.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ArmInfo {
    /// What was asked for: a path, a command, a git revision, records.
    pub name: String,
    /// SHA-256 of the executable, where there is one.
    pub sha256: Option<String>,
    /// Git commit, where it is known.
    pub commit: Option<String>,
}

/// What a gate run found: all that the forms of output are made from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// `paired` or `history`.
    pub mode: String,
    /// The suite, or the commands.
    pub subject: String,
    /// Base.
    pub base: ArmInfo,
    /// Candidate.
    pub cand: ArmInfo,
    /// Result.
    pub overall: Overall,
    /// One sentence, with the numbers.
    pub headline: String,
    /// The rows, worst first.
    pub rows: Vec<JudgedRow>,
    /// Ratio of the control over the run, candidate ÷ base; `None` without one.
    pub control_ratio: Option<f64>,
    /// Bound on the chance of any false alarm in this run.
    pub false_alarm: f64,
    /// Sentences that must not be overlooked: unused waivers, rounds cut short, a changed machine.
    pub remarks: Vec<String>,
    /// Seed of orders and shuffles.
    pub seed: u64,
    /// Wall-clock seconds of the run.
    pub wall_s: f64,
    /// When it began, RFC 3339 in UTC.
    pub started_at: String,
    /// Machine in words, and the env keys of its devices.
    pub machine: String,
    /// The rounds themselves, so that anybody can judge again.
    pub measured: Measured,
}
