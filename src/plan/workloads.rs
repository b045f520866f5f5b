//! What workloads need: their cases, as a suite to measure and as keys to look up.

use breakeven_kernels::FAMILIES;
use breakeven_kernels::work::{
    Case, DeviceInfo, DeviceKind, Family, Files, Implementation, Language, Unsupported,
};

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
        let place = place(workload, index);
        let (family, case) = join::build(FAMILIES, &place, &stage.family, &stage.params, files)?;
        let case_key = case.key();
        cases.push(Some(StageCase {
            series: series::candidates(&case_key),
            case_key,
            work: case.work(),
            device_bytes: case.device_bytes(),
            host_bytes: case.host_bytes(),
            gpu_refusal: match family.runs_programs(&stage.params) {
                // No kernel of ours is asked to take it.
                true => None,
                false => gpu_refusal(family, case.as_ref()),
            },
        }));
    }
    Ok(ResolvedWorkload { workload: workload.clone(), cases })
}

/// What messages call the stage at `index`.
fn place(workload: &Workload, index: usize) -> String {
    format!("workload {}, stage {}", workload.name, index + 1)
}

/// Why none of the family's CUDA implementations takes the case, even on a GPU that can do
/// everything; `None` where one does, or where there are none to ask.
fn gpu_refusal(family: &dyn Family, case: &dyn Case) -> Option<String> {
    let able = able(DeviceKind::Gpu);
    let mut refusal = None;
    let on_cuda = |i: &&Implementation| i.name.starts_with("cuda/");
    for implementation in family.implementations().iter().filter(on_cuda) {
        // What a library takes is known only where it is installed.
        if implementation.language != Language::Cuda {
            return None;
        }
        match case.supports(implementation, &able) {
            Ok(()) => return None,
            Err(Unsupported(why)) => refusal = Some(why),
        }
    }
    refusal
}

/// A device of `kind` that can do everything, to ask what a case itself refuses.
pub(super) fn able(kind: DeviceKind) -> DeviceInfo {
    DeviceInfo {
        id: "any".to_owned(),
        backend: "cuda".to_owned(),
        kind,
        name: "a device without limits".to_owned(),
        vendor: None,
        architecture: None,
        driver: None,
        memory_bytes: None,
        threads: None,
        cores: None,
        compute_units: None,
        compute_capability: Some((9, 0)),
        cache_bytes: None,
        languages: vec![Language::Cuda],
        libraries: Vec::new(),
        features: Vec::new(),
        max_workgroup_invocations: None,
        max_shared_bytes: None,
        max_buffer_bytes: None,
    }
}

/// The suite that holds every case the workloads need, each once.
pub fn suite_of(workloads: &[Workload]) -> Suite {
    let mut cases: Vec<SuiteCase> = Vec::new();
    for workload in workloads {
        for (index, stage) in workload.stages.iter().enumerate() {
            let Stage::Compute(stage) = stage else { continue };
            let known = |c: &SuiteCase| c.family == stage.family && c.params == stage.params;
            if !cases.iter().any(known) {
                cases.push(SuiteCase {
                    place: place(workload, index),
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
