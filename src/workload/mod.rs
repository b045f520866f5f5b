//! Workloads: what a user wants to run, and how much of it.
//!
//! Parsed from TOML by this module; `plan` resolves the stages' cases so that `cost` and
//! `classify` need no family.

use std::path::PathBuf;

use breakeven_kernels::params::{Params, nearest};
use breakeven_kernels::work::Work;

mod demand;
mod parse;
pub mod questions;
mod reader;
pub mod template;
#[cfg(test)]
mod tests;

pub use demand::{Demand, Pattern, Segment, may_be_a_day};
pub use parse::parse;
pub use reader::Reader;

/// The built-in workloads: (name, TOML text), in the order shown.
pub const BUILT_IN: &[(&str, &str)] = &[
    ("image-classification", include_str!("../../suites/workloads/image-classification.toml")),
    ("image-training", include_str!("../../suites/workloads/image-training.toml")),
    ("object-detection", include_str!("../../suites/workloads/object-detection.toml")),
    ("nightly-embeddings", include_str!("../../suites/workloads/nightly-embeddings.toml")),
    ("bursty-inference", include_str!("../../suites/workloads/bursty-inference.toml")),
    ("llm-prefill", include_str!("../../suites/workloads/llm-prefill.toml")),
    ("llm-generation", include_str!("../../suites/workloads/llm-generation.toml")),
    ("llm-generation-batched", include_str!("../../suites/workloads/llm-generation-batched.toml")),
    ("mjpeg-cameras", include_str!("../../suites/workloads/mjpeg-cameras.toml")),
    ("mjpeg-mezzanine", include_str!("../../suites/workloads/mjpeg-mezzanine.toml")),
    ("live-streaming", include_str!("../../suites/workloads/live-streaming.toml")),
    ("on-demand-video", include_str!("../../suites/workloads/on-demand-video.toml")),
    ("video-delivery", include_str!("../../suites/workloads/video-delivery.toml")),
    ("short-read-alignment", include_str!("../../suites/workloads/short-read-alignment.toml")),
    ("long-read-alignment", include_str!("../../suites/workloads/long-read-alignment.toml")),
    ("etl-io-bound", include_str!("../../suites/workloads/etl-io-bound.toml")),
    ("serial-job", include_str!("../../suites/workloads/serial-job.toml")),
];

/// Why a workload could not be read.
#[derive(Debug, thiserror::Error)]
pub enum WorkloadError {
    /// Neither a built-in name nor a file.
    #[error("no workload `{name}`{}; built-in workloads: {known}; or give a .toml file", nearest.as_ref().map(|n| format!(", did you mean `{n}`?")).unwrap_or_default())]
    Unknown {
        /// As asked for.
        name: String,
        /// The most similar built-in name.
        nearest: Option<String>,
        /// All built-in names.
        known: String,
    },
    /// The file could not be read.
    #[error("{file}: {source}; give a built-in workload or a readable .toml file")]
    Io {
        /// Path as given.
        file: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The text is not TOML.
    #[error("{file}: {message}")]
    Syntax {
        /// Path or built-in name.
        file: String,
        /// What the parser said, with the line.
        message: String,
    },
    /// A field is unknown, missing or has a value that cannot be used.
    #[error("{file}: {place}: {problem}")]
    Field {
        /// Path or built-in name.
        file: String,
        /// Where: `stage 2`, `demand`.
        place: String,
        /// Field, value, what is wrong and what would do.
        problem: String,
    },
}

/// Reads a built-in workload or a TOML file.
///
/// # Errors
/// [`WorkloadError`], with the file, field, value and next step.
pub fn load(name_or_path: &str) -> Result<Workload, WorkloadError> {
    if let Some((name, text)) = BUILT_IN.iter().find(|(name, _)| *name == name_or_path) {
        return parse(text, name, name);
    }
    let path = PathBuf::from(name_or_path);
    if path.extension().is_none() && !path.exists() {
        let names = || BUILT_IN.iter().map(|(name, _)| *name);
        return Err(WorkloadError::Unknown {
            name: name_or_path.to_owned(),
            nearest: nearest(name_or_path, names()).map(str::to_owned),
            known: names().collect::<Vec<_>>().join(", "),
        });
    }
    let text = std::fs::read_to_string(&path)
        .map_err(|source| WorkloadError::Io { file: name_or_path.to_owned(), source })?;
    let stem = path.file_stem().map_or_else(|| name_or_path.into(), |s| s.to_string_lossy());
    parse(&text, &stem, name_or_path)
}

/// A workload as written.
#[derive(Debug, Clone, PartialEq)]
pub struct Workload {
    /// Name.
    pub name: String,
    /// What to call it on the command line: a built-in name or the path of its file.
    pub given_as: String,
    /// One or two sentences for people.
    pub summary: String,
    /// What its verdict hangs on, in a sentence; empty where the file does not say.
    pub hangs_on: String,
    /// What a job does, in order.
    pub stages: Vec<Stage>,
    /// How much of it.
    pub demand: Demand,
    /// What one job occupies.
    pub job: JobNeeds,
    /// What the node must offer.
    pub node: NodeNeeds,
    /// What it runs on now, where the user says so.
    pub today: Option<Today>,
}

/// One part of a job.
#[derive(Debug, Clone, PartialEq)]
pub enum Stage {
    /// Calls of a case.
    Compute(ComputeStage),
    /// Work on one thread of the reference CPU that no GPU helps.
    Serial {
        /// Seconds on one thread.
        serial_cpu_s: f64,
    },
    /// Bytes over network or disk.
    Io {
        /// Bytes a job.
        io_bytes: f64,
        /// Rate, if given; else the node's.
        io_bytes_per_s: Option<f64>,
    },
}

/// `calls` executions of one case.
#[derive(Debug, Clone, PartialEq)]
pub struct ComputeStage {
    /// Family name.
    pub family: String,
    /// Case parameters in the suites' grammar.
    pub params: Params,
    /// Executions a job.
    pub calls: f64,
    /// What crosses the link at each call.
    pub transfer: Transfer,
    /// GPUs one job uses.
    pub gpus_per_job: f64,
}

/// What crosses the link at each call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transfer {
    /// Everything in and out.
    PerCall,
    /// Weights stay; activations move.
    ConstantsResident,
    /// Data live on the device.
    Resident,
}

/// What one job occupies while it runs.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct JobNeeds {
    /// Host memory.
    pub memory_gib: f64,
    /// Device memory.
    pub gpu_memory_gib: f64,
    /// Device or host memory once per node (weights).
    pub constant_gib: f64,
    /// The stages of a job run beside each other: its latency is the longest of them, not their
    /// sum.
    pub overlap: bool,
}

/// What the node must offer.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct NodeNeeds {
    /// `linux` (default) or `windows`.
    pub os: String,
    /// Engines that arithmetic cannot replace: `nvenc`, `nvdec`, `graphics`.
    pub needs: Vec<String>,
    /// Other workloads that may share the node, by name or file.
    pub cotenants: Vec<String>,
    /// Nodes kept even without a job; `None` lets the pattern decide.
    pub min_nodes: Option<u32>,
}

/// What a workload runs on now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Today {
    /// VM size.
    pub sku: String,
    /// How many of it run all day.
    pub nodes: u32,
}

/// A workload whose compute stages were resolved by `plan`.
#[derive(Debug, Clone, PartialEq)]
pub struct ResolvedWorkload {
    /// As written.
    pub workload: Workload,
    /// One per stage; `None` for serial and I/O stages.
    pub cases: Vec<Option<StageCase>>,
}

/// The case behind a compute stage.
#[derive(Debug, Clone, PartialEq)]
pub struct StageCase {
    /// Canonical case key: joins with record rows.
    pub case_key: String,
    /// Key of the case with each numeric axis left out, to find series it may interpolate on:
    /// (series key, axis name, value).
    pub series: Vec<(String, String, f64)>,
    /// Its work.
    pub work: Work,
    /// Device memory that a plain implementation needs, in bytes.
    pub device_bytes: u64,
    /// Host memory in bytes.
    pub host_bytes: u64,
    /// Why no GPU implementation takes this input, whatever the GPU; `None` where one does.
    pub gpu_refusal: Option<String>,
}
