//! What is special about programs of their own, the user's and encoders: they are judged only on the sizes where they
//! ran, so a verdict says which these are, and what to run where before there is one.

use breakeven_kernels::params::Value;
use breakeven_kernels::work::OpKind;

use super::candidate::{Candidate, Standing};
use super::judge::Outcome;
use super::{Options, Side, Suggestion, measure_next};
use crate::cost::opaque;
use crate::workload::{ResolvedWorkload, Stage};

/// Sizes of a side that are named where none was measured.
const NAMED: usize = 3;

/// Whether a stage of the workload is such a program.
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
    let what = what(resolved).replacen('a', "A", 1);
    Some(format!(
        "{what} is judged only where it was measured ({}): another size may be cheaper still.",
        judged.join(", ")
    ))
}

/// What the first such stage is called.
fn what(resolved: &ResolvedWorkload) -> &'static str {
    let stages = resolved.workload.stages.iter().zip(&resolved.cases);
    let family = stages.filter_map(|(stage, case)| match (stage, case) {
        (Stage::Compute(stage), Some(case)) if case.work.op_kind == OpKind::Opaque => {
            Some(stage.family.as_str())
        }
        _ => None,
    });
    opaque::what(family.into_iter().next().unwrap_or_default())
}

/// The cheapest sizes of each side that has no measured one, at their price: where to run it first.
pub(super) fn suggestions(
    outcome: &Outcome,
    candidates: &[Candidate],
    resolved: &ResolvedWorkload,
    options: &Options,
) -> Vec<Suggestion> {
    let workload = &resolved.workload.given_as;
    let once_s = once_s(resolved, candidates);
    let quoted = workload.contains(char::is_whitespace);
    let workload = if quoted { format!("'{workload}'") } else { workload.clone() };
    let mut list = Vec::new();
    for (side, best) in [(Side::Gpu, outcome.gpu), (Side::Cpu, outcome.cpu)] {
        let minutes = measure_next::minutes(side == Side::Gpu, once_s, options);
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
                why: format!(
                    "{} is judged only where it ran; this is a cheap size of its kind",
                    what(resolved)
                ),
                removes: None,
                settles: None,
            });
        }
    }
    list
}

/// Seconds of one run of every stage: the longest that was measured on any size, else the time limits
/// that the stages state, at which a run is stopped; 0 where neither is known.
fn once_s(resolved: &ResolvedWorkload, candidates: &[Candidate]) -> f64 {
    let measured = candidates.iter().filter_map(|c| c.job.as_ref()).map(measure_next::once_s);
    measured.max_by(f64::total_cmp).unwrap_or_else(|| {
        let limits = resolved.workload.stages.iter().filter_map(|stage| match stage {
            Stage::Compute(stage) => match stage.params.get("time_limit_s")? {
                Value::Int(limit_s) => Some(*limit_s as f64),
                Value::Float(limit_s) => Some(*limit_s),
                _ => None,
            },
            _ => None,
        });
        limits.sum()
    })
}

/// Whether nothing but the missing time keeps the size out.
fn only_unmeasured(candidate: &Candidate) -> bool {
    candidate.standing == Standing::Unknown
        && candidate
            .decisive()
            .is_some_and(|r| r.code == "time-unknown" && !r.text.contains("gives no"))
        && candidate.price.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classify::classify;
    use crate::cost::fixture::*;
    use crate::workload::Transfer;

    #[test]
    fn a_long_program_takes_three_runs_not_the_usual_minutes() {
        let minutes = |limit_s: Option<i64>| -> Vec<f64> {
            let mut resolved = workload(1.0, 1000.0, Transfer::PerCall);
            if let (Stage::Compute(stage), Some(case)) =
                (&mut resolved.workload.stages[0], &mut resolved.cases[0])
            {
                case.work.op_kind = OpKind::Opaque;
                for key in ["gpu", "cpu"] {
                    stage.params.set(key, Value::Text("./mine".into()));
                }
                if let Some(limit_s) = limit_s {
                    stage.params.set("time_limit_s", Value::Int(limit_s));
                }
            }
            let v = classify(&resolved, &[], &catalog(1.0, 4.0), &Options::default());
            v.measure_next.iter().map(|s| s.minutes).collect()
        };
        // Start-up 8 and 3 minutes, then 7 and 5, or three runs of at most an hour.
        assert_eq!(minutes(None), [15.0, 8.0]);
        assert_eq!(minutes(Some(60)), [15.0, 8.0]);
        assert_eq!(minutes(Some(3600)), [188.0, 183.0]);
    }
}
