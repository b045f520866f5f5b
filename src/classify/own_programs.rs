//! What is special about programs of the user's own: they are judged only on the sizes where they
//! ran, so a verdict says which these are, and what to run where before there is one.

use breakeven_kernels::work::OpKind;

use super::candidate::{Candidate, Standing};
use super::judge::Outcome;
use super::{Side, Suggestion};
use crate::workload::ResolvedWorkload;

/// Sizes of a side that are named where none was measured.
const NAMED: usize = 3;
/// Minutes on a new node: start-up (8 GPU, 3 CPU), image, the program's own runs.
const GPU_MINUTES: f64 = 15.0;
const CPU_MINUTES: f64 = 8.0;

/// Whether a stage of the workload is a program of the user's own.
pub(super) fn has_one(resolved: &ResolvedWorkload) -> bool {
    resolved.cases.iter().flatten().any(|case| case.work.op_kind == OpKind::Opaque)
}

/// Which sizes the verdict rests on, and that there are others.
pub(super) fn sentence(resolved: &ResolvedWorkload, candidates: &[Candidate]) -> Option<String> {
    if !has_one(resolved) {
        return None;
    }
    let judged: Vec<&str> =
        candidates.iter().filter(|c| c.job.is_some()).map(|c| c.sku.name.as_str()).collect();
    if judged.is_empty() {
        return None;
    }
    Some(format!(
        "A program of your own is judged only where it was measured ({}): another size may be \
         cheaper still.",
        judged.join(", ")
    ))
}

/// The cheapest sizes of each side that has no measured one, at their price: where to run it first.
pub(super) fn suggestions(
    outcome: &Outcome,
    candidates: &[Candidate],
    workload: &str,
) -> Vec<Suggestion> {
    let quoted = workload.contains(char::is_whitespace);
    let workload = if quoted { format!("'{workload}'") } else { workload.to_owned() };
    let mut list = Vec::new();
    for (side, best, minutes) in
        [(Side::Gpu, outcome.gpu, GPU_MINUTES), (Side::Cpu, outcome.cpu, CPU_MINUTES)]
    {
        if best.is_some() {
            continue;
        }
        let mut sizes: Vec<(f64, &Candidate)> = candidates
            .iter()
            // What was built for the one processor seldom runs on an Arm.
            .filter(|c| c.side == side && only_unmeasured(c) && !c.has("arm64"))
            .filter_map(|c| Some((c.usd_per_h?, c)))
            .collect();
        sizes.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.sku.name.cmp(&b.1.sku.name)));
        let mut devices: Vec<String> = Vec::new();
        for (usd_per_h, candidate) in sizes {
            // Of one chip the cheapest size will do to begin with.
            let chip = match &candidate.sku.gpu_model {
                Some(gpu) => gpu.clone(),
                None => candidate.sku.family.clone(),
            };
            if devices.contains(&chip) || devices.len() == NAMED {
                continue;
            }
            devices.push(chip);
            let sku = &candidate.sku.name;
            list.push(Suggestion {
                sku: sku.clone(),
                command: format!("breakeven advise {workload} --sku {sku}"),
                minutes,
                usd: Some(usd_per_h * minutes / 60.0),
                why: "a program of your own is judged only where it ran; this is a cheap size of \
                      its kind"
                    .into(),
                removes: None,
                settles: None,
            });
        }
    }
    list
}

/// Whether nothing but the missing time keeps the size out.
fn only_unmeasured(candidate: &Candidate) -> bool {
    candidate.standing == Standing::Unknown
        && candidate
            .decisive()
            .is_some_and(|r| r.code == "time-unknown" && !r.text.contains("gives no"))
        && candidate.price.is_some()
}
