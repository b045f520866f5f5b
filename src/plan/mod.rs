//! Plans: suite × families × devices → jobs, and skips with their reasons. Pure.

use std::sync::Arc;

use breakeven_kernels::params::Params;
use breakeven_kernels::work::{Case, CaseError, DeviceInfo, Files, Implementation, Work};

use crate::record::Series;
use crate::suite::{Suite, SuiteCase};
use crate::workload::{ResolvedWorkload, Stage, Workload};

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
        /// `suite quick, case 3` or `workload x, stage 1`.
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
        /// `suite quick, case 3` or `workload x, stage 1`.
        place: String,
        /// What the family said.
        source: CaseError,
    },
    /// The declared axis is not a number of the case.
    #[error("{place}: axis = {axis}: {problem}")]
    Axis {
        /// `suite quick, case 3`.
        place: String,
        /// As written.
        axis: String,
        /// What is wrong and what would do.
        problem: String,
    },
    /// An implementation filter that matches nothing.
    #[error("--implementation {glob} matches no implementation; there are: {known}")]
    NothingMatches {
        /// The pattern.
        glob: String,
        /// All names.
        known: String,
    },
}

/// Joins cases and devices by language.
///
/// # Errors
/// [`PlanError`]; a pair that cannot run is a skip, not an error.
pub fn plan(
    suite: &Suite,
    _devices: &[DeviceInfo],
    _files: &dyn Files,
    _filter: &Filter,
) -> Result<Plan, PlanError> {
    Ok(Plan { jobs: Vec::new(), skips: Vec::new(), budget_s: suite.budget_s })
}

/// Builds the cases behind a workload's compute stages.
///
/// # Errors
/// [`PlanError`] where a family refuses a stage.
pub fn resolve(workload: &Workload, _files: &dyn Files) -> Result<ResolvedWorkload, PlanError> {
    Ok(ResolvedWorkload { workload: workload.clone(), cases: Vec::new() })
}

/// The suite that holds every case the workloads need, each once.
pub fn suite_of(workloads: &[Workload]) -> Suite {
    let mut cases: Vec<SuiteCase> = Vec::new();
    for stage in workloads.iter().flat_map(|w| &w.stages) {
        if let Stage::Compute(stage) = stage {
            let params: Params = stage.params.clone();
            if !cases.iter().any(|c| c.family == stage.family && c.params == params) {
                let family = stage.family.clone();
                cases.push(SuiteCase { family, params, axis: None, tied: Vec::new() });
            }
        }
    }
    Suite {
        name: workloads.iter().map(|w| w.name.as_str()).collect::<Vec<_>>().join("+"),
        summary: "cases that the workloads need".to_owned(),
        budget_s: Some(60.0),
        cases,
        folder: None,
    }
}
