//! What workloads need: their cases, as a suite to measure and as keys to look up.

use breakeven_kernels::FAMILIES;
use breakeven_kernels::work::Files;

use super::{PlanError, join, series};
use crate::suite::{Suite, SuiteCase};
use crate::workload::{ResolvedWorkload, Stage, StageCase, Workload};

/// Builds the cases behind a workload's compute stages.
///
/// # Errors
/// [`PlanError`] where a family refuses a stage.
pub fn resolve(workload: &Workload, files: &dyn Files) -> Result<ResolvedWorkload, PlanError> {
    let mut cases = Vec::new();
    for (index, stage) in workload.stages.iter().enumerate() {
        let Stage::Compute(stage) = stage else {
            cases.push(None);
            continue;
        };
        let place = format!("workload {}, stage {}", workload.name, index + 1);
        let (_, case) = join::build(FAMILIES, &place, &stage.family, &stage.params, files)?;
        let case_key = case.key();
        cases.push(Some(StageCase {
            series: series::candidates(&case_key),
            case_key,
            work: case.work(),
            device_bytes: case.device_bytes(),
            host_bytes: case.host_bytes(),
        }));
    }
    Ok(ResolvedWorkload { workload: workload.clone(), cases })
}

/// The suite that holds every case the workloads need, each once.
pub fn suite_of(workloads: &[Workload]) -> Suite {
    let mut cases: Vec<SuiteCase> = Vec::new();
    for stage in workloads.iter().flat_map(|w| &w.stages) {
        if let Stage::Compute(stage) = stage {
            let known = |c: &SuiteCase| c.family == stage.family && c.params == stage.params;
            if !cases.iter().any(known) {
                cases.push(SuiteCase {
                    family: stage.family.clone(),
                    params: stage.params.clone(),
                    axis: None,
                    tied: Vec::new(),
                });
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

#[cfg(test)]
mod tests {
    use crate::plan::{Filter, plan};
    use crate::suite::{self, FolderFiles};

    /// Quick, standard and full measure what the built-in workloads need.
    #[test]
    fn suites_hold_every_case_of_the_built_in_workloads() {
        let device = crate::backend::mock::MockBackend::parse("cpu").unwrap();
        let devices = crate::backend::Backend::probe(&device).devices;
        let files = FolderFiles::default();
        for name in ["quick", "standard", "full"] {
            let suite = suite::load(name).unwrap();
            let plan = plan(&suite, &devices, &files, &Filter::default()).unwrap();
            let mut keys: Vec<&str> = plan.jobs.iter().map(|j| j.case_key.as_str()).collect();
            keys.extend(plan.skips.iter().map(|s| s.case_key.as_str()));
            for (workload, _) in crate::workload::BUILT_IN {
                let workload = crate::workload::load(workload).unwrap();
                let resolved = super::resolve(&workload, &files).unwrap();
                for case in resolved.cases.iter().flatten() {
                    let key = &case.case_key;
                    assert!(keys.contains(&key.as_str()), "{name}, {}: {key}", workload.name);
                }
            }
        }
    }

    /// Every case of every built-in suite is one that its family takes.
    #[test]
    fn built_in_suites_make_plans() {
        let device = crate::backend::mock::MockBackend::parse("cpu").unwrap();
        let devices = crate::backend::Backend::probe(&device).devices;
        for (name, _) in suite::BUILT_IN {
            let suite = suite::load(name).unwrap();
            let plan = plan(&suite, &devices, &FolderFiles::default(), &Filter::default());
            let plan = plan.unwrap_or_else(|error| panic!("{name}: {error}"));
            let native = plan.jobs.iter().filter(|j| j.implementation.name == "cpu/simd");
            let series = native.clone().filter_map(|j| j.series.as_ref());
            for one in series.clone() {
                let members = series.clone().filter(|other| other.key == one.key).count();
                assert!(members > 1, "{name}: {} has one member", one.key);
            }
            assert!(native.count() >= 5, "{name}");
        }
    }
}
