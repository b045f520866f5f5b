//! Measurements made by others: the one CSV that `classify --imported` judges, and the files of
//! other tools that are converted into it. Reads files, knows no price and decides nothing.

use std::path::PathBuf;

mod check;
mod convert;
mod criterion;
mod google_benchmark;
mod hyperfine;
mod samples;
mod table;
#[cfg(test)]
mod tests;

pub use convert::{About, Converted, FORMATS, Foreign, convert, detect, is_table};
pub use table::{COLUMNS, Table};

/// What did the computing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Device {
    /// The VM's processors.
    Cpu,
    /// Its GPUs, all of them.
    Gpu,
}

impl Device {
    /// As the file spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Gpu => "gpu",
        }
    }
}

/// One measurement: a line of the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Where it stands, `file.csv:3`.
    pub place: String,
    /// `azure`, `aws` or `gcp`.
    pub provider: String,
    /// VM size.
    pub sku: String,
    /// What did the computing.
    pub device: Device,
    /// Name of the workload; a built-in one or a `.toml` file lends it its demand.
    pub workload: String,
    /// What is counted: image, frame, byte, run.
    pub unit: String,
    /// Units per second of the whole VM, median; above 0.
    pub throughput_per_s: f64,
    /// Units that make a job; 1 where not given.
    pub units_per_job: Option<f64>,
    /// Seconds from start to end of one job.
    pub latency_s: Option<f64>,
    /// Jobs that were in flight at once.
    pub concurrency: Option<f64>,
    /// 10th percentile of the throughput.
    pub p10_per_s: Option<f64>,
    /// 90th percentile of the throughput.
    pub p90_per_s: Option<f64>,
    /// Who measured, or where it was read.
    pub source: String,
    /// Date of the measurement, `YYYY-MM-DD` or `YYYY-MM`.
    pub measured_at: String,
    /// What else a reader must know.
    pub notes: String,
}

/// A line that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Where it stands, `file.csv:3`.
    pub place: String,
    /// Column, value, what is wrong and what would do.
    pub problem: String,
}

/// Why a file could not be used.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// It could not be read.
    #[error("{path}: {source}; give a readable file or folder")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It is not what was expected, or contradicts itself.
    #[error("{place}: {problem}")]
    Unusable {
        /// File, with the line where there is one.
        place: String,
        /// What is wrong and what would do.
        problem: String,
    },
    /// Lines that cannot be used.
    #[error(
        "{}: {}; mend it, or leave such rows out with --skip-invalid{}",
        first.place,
        first.problem,
        more(others)
    )]
    Refused {
        /// The first of them.
        first: Refused,
        /// Where the others stand.
        others: Vec<String>,
    },
}

/// How many more there are, and where the next few of them.
fn more(others: &[String]) -> String {
    const NAMED: usize = 4;
    if others.is_empty() {
        return String::new();
    }
    let end = if others.len() > NAMED { ", …" } else { "" };
    let named = others[..others.len().min(NAMED)].join(", ");
    format!(" ({} more cannot be used: {named}{end})", others.len())
}

impl ImportError {
    /// A complaint about `place`.
    fn unusable(place: impl ToString, problem: impl Into<String>) -> Self {
        Self::Unusable { place: place.to_string(), problem: problem.into() }
    }
}
