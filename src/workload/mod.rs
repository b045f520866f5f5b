//! Workloads: what a user wants to run, and how much of it.
//!
//! Parsed from TOML by this module; `plan` resolves the stages' cases so that `cost` and
//! `classify` need no family.

use breakeven_kernels::params::Params;
use breakeven_kernels::work::Work;

/// A workload as written.
#[derive(Debug, Clone, PartialEq)]
pub struct Workload {
    /// Name.
    pub name: String,
    /// One or two sentences for people.
    pub summary: String,
    /// What a job does, in order.
    pub stages: Vec<Stage>,
    /// How much of it.
    pub demand: Demand,
    /// What one job occupies.
    pub job: JobNeeds,
    /// What the node must offer.
    pub node: NodeNeeds,
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

/// Steady demand (patterns other than steady belong to a later version and are refused).
#[derive(Debug, Clone, PartialEq)]
pub struct Demand {
    /// Jobs a day.
    pub jobs_per_day: f64,
    /// Latency limit of one job in seconds, if any.
    pub latency_slo_s: Option<f64>,
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
}

/// What the node must offer.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct NodeNeeds {
    /// `linux` (default) or `windows`.
    pub os: String,
    /// Engines that arithmetic cannot replace: `nvenc`, `nvdec`, `graphics`.
    pub needs: Vec<String>,
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
}
