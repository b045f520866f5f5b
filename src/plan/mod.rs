//! Plans: suite × families × devices → jobs, and skips with their reasons. Pure.

use std::sync::Arc;

use breakeven_kernels::work::{Case, CaseError, Implementation, Work};

use crate::record::Series;

mod commands;
mod join;
mod series;
mod workloads;

pub use commands::is_command;
pub use join::{glob_matches, plan};
pub use workloads::{resolve, suite_of};

/// What to leave out.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Implementations to keep (`*` and `?` allowed); empty keeps all.
    pub implementation_globs: Vec<String>,
    /// Whether software Vulkan adapters may be used.
    pub allow_software: bool,
    /// Host memory that one case may take, in bytes; `None` for no limit.
    pub memory_bytes: Option<u64>,
}

/// What to measure, in order: jobs of one case are adjacent, and of those the jobs of one device.
#[derive(Clone)]
pub struct Plan {
    /// What runs.
    pub jobs: Vec<Job>,
    /// What does not, and why.
    pub skips: Vec<Skip>,
    /// Seconds that the whole should take, from the suite.
    pub budget_s: Option<f64>,
}

/// One case × implementation × device to measure.
#[derive(Clone)]
pub struct Job {
    /// The case, shared by all its jobs.
    pub case: Arc<dyn Case>,
    /// Family name.
    pub family: &'static str,
    /// Canonical case key.
    pub case_key: String,
    /// The series the suite declared, if any.
    pub series: Option<Series>,
    /// What computes it.
    pub implementation: &'static Implementation,
    /// Id of the device.
    pub device: String,
}

/// A case × implementation × device that is not tried.
#[derive(Debug, Clone, PartialEq)]
pub struct Skip {
    /// Family name.
    pub family: &'static str,
    /// Canonical case key.
    pub case_key: String,
    /// The series the suite declared, if any.
    pub series: Option<Series>,
    /// Name of the implementation.
    pub implementation: &'static str,
    /// Id of the device.
    pub device: String,
    /// Why, in words a user can act on.
    pub reason: String,
    /// Work of the case (an estimate).
    pub work: Work,
}

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// A family that does not exist.
    #[error("{place}: no family `{family}`{}; families: {known}", nearest.as_ref().map(|n| format!(", did you mean `{n}`?")).unwrap_or_default())]
    UnknownFamily {
        /// `my/s.toml, case 3` or `workload x, stage 1`.
        place: String,
        /// As written.
        family: String,
        /// The most similar name.
        nearest: Option<String>,
        /// All families.
        known: String,
    },
    /// The family refused the case.
    #[error("{place}: {source}")]
    Case {
        /// `my/s.toml, case 3` or `workload x, stage 1`.
        place: String,
        /// What the family said.
        source: Box<CaseError>,
    },
    /// An implementation filter that matches nothing.
    #[error("--implementation {glob} matches no implementation; there are: {known}")]
    NothingMatches {
        /// The pattern.
        glob: String,
        /// All names.
        known: String,
    },
    /// Filters and devices that leave nothing to measure.
    #[error(
        "--implementation {globs} leaves nothing to run on {devices}; choose other devices or drop the filter"
    )]
    NothingLeft {
        /// The patterns.
        globs: String,
        /// The devices that were asked for.
        devices: String,
    },
}
