//! The verdict: which kind of node a workload should target, with reasons, probability and money.
//! Closed form; no disk, clock or printing.

mod bands;
mod bill;
mod breakeven;
mod candidate;
mod could_share;
#[cfg(test)]
mod evidence_tests;
mod explain;
mod headline;
mod heat;
mod imported;
mod judge;
mod limits;
pub mod live;
mod measure_next;
mod offer;
mod own_programs;
mod pack;
#[cfg(test)]
mod patterns_tests;
mod remarks;
mod share;
#[cfg(test)]
mod share_tests;
mod split;
mod steps;
#[cfg(test)]
mod tests;
mod today;
mod unshared;
mod verdict;
mod words;

pub use heat::{HeatMap, Place, heat_map};
pub use imported::classify_imported;
pub use limits::all_too_slow;
pub use pack::{Group, Packing, pack};
pub use verdict::*;

use crate::catalog::Catalog;
use crate::cost::Estimate;
use crate::cost::evidence::{self, MeasuredDevice};
use crate::record::Record;
use crate::workload::ResolvedWorkload;
use candidate::Candidate;

/// Judges `workload` from what `records` measured, on the sizes and prices of `catalog`.
///
/// Never fails: what cannot be known makes the verdict `measure-first`, with the reason.
pub fn classify(
    workload: &ResolvedWorkload,
    records: &[Record],
    catalog: &Catalog,
    options: &Options,
) -> Verdict {
    let devices = evidence::devices(records, catalog);
    classify_on(workload, &Basis { devices: &devices, catalog, options, ranked: true })
}

/// What verdicts rest on but the workload: made once for many of them.
#[derive(Debug, Clone, Copy)]
pub struct Basis<'a> {
    /// What was measured.
    pub devices: &'a [MeasuredDevice<'a>],
    /// Sizes and prices.
    pub catalog: &'a Catalog,
    /// What is asked under.
    pub options: &'a Options,
    /// Whether a verdict carries the ranking of all sizes; the best of each kind it always has.
    pub ranked: bool,
}

/// The same as [`classify`] on a basis that serves many workloads.
pub fn classify_on(workload: &ResolvedWorkload, basis: &Basis) -> Verdict {
    let Basis { devices, catalog, options, .. } = *basis;
    let rules = candidate::RulesOf::new(&workload.workload, options);
    let candidates = candidate::candidates(workload, catalog, devices, options, &rules);
    verdict(workload, &candidates, basis)
}

/// Judges `workload` likewise where `cotenants` may share its nodes: in turns, or each with MIG
/// instances of its own.
pub fn classify_beside(
    workload: &ResolvedWorkload,
    cotenants: &[ResolvedWorkload],
    basis: &Basis,
) -> Verdict {
    let Basis { devices, catalog, options, .. } = *basis;
    let slices = catalog.slices(options.provider.as_deref());
    let rules_of = |w: &ResolvedWorkload| candidate::RulesOf::new(&w.workload, options);
    let (rules, theirs) = (rules_of(workload), cotenants.iter().map(rules_of).collect::<Vec<_>>());
    let party = |w, rules| share::Party::new(w, &slices, catalog, devices, options, rules);
    let mine = party(workload, &rules);
    let others: Vec<share::Party> =
        cotenants.iter().zip(&theirs).map(|(w, rules)| party(w, rules)).collect();
    let shared = share::candidates(&mine, &others, &slices);
    let candidates = [&mine.whole[..], &shared].concat();
    let mut verdict = verdict(workload, &candidates, basis);
    verdict.reasons.extend(unshared::reasons(&mine, &others, &verdict));
    verdict
}

/// The verdict on `workload` among `candidates`.
fn verdict(workload: &ResolvedWorkload, candidates: &[Candidate], basis: &Basis) -> Verdict {
    let Basis { devices, catalog, options, ranked } = *basis;
    let demand = &workload.workload.demand;
    let limit_s = limits::Limit::of(demand).map(|limit| limit.seconds);
    let outcome = judge::judge(candidates, limit_s, options);
    let break_even = breakeven::break_even(workload, candidates, &outcome, devices, options);
    let terms = |c: Option<&Candidate>| c.map(|c| explain::terms(c, workload)).unwrap_or_default();
    let given_as = &workload.workload.given_as;
    let (mut measure_next, what_they_settle) =
        measure_next::suggestions(&outcome, candidates, given_as, options);
    if own_programs::has_one(workload) && outcome.contest.is_none() {
        measure_next = own_programs::suggestions(&outcome, candidates, workload, options);
    }
    let today = today::today(workload, catalog, candidates, &outcome, options);
    let against_today = today.as_ref().map(|t| today::in_headline(t, &outcome)).unwrap_or_default();
    let mut sentences = words::sentences(&outcome);
    let sharing = share::of_verdict(&outcome, candidates);
    sentences.extend(sharing.as_ref().and_then(share::sentence));
    sentences.extend(could_share::sentence(&outcome, candidates, options));
    sentences.extend(today.as_ref().and_then(today::sentence));
    sentences.extend(what_they_settle);
    sentences.extend(own_programs::sentence(workload, candidates));
    Verdict {
        workload: workload.workload.name.clone(),
        summary: workload.workload.summary.clone(),
        verdict: outcome.verdict,
        headline: headline::headline(&outcome, &break_even.demand_bands) + &against_today,
        sentences,
        lean: outcome.contest.map(|c| c.lean()),
        probability_gpu: outcome.contest.map(|c| c.probability_gpu()),
        probability_cpu: outcome.contest.map(|c| c.probability_cpu()),
        gpu_saves_usd_per_month: savings(outcome.gpu, outcome.cpu),
        today,
        sharing,
        jobs_per_day: demand.jobs_per_day,
        best_gpu: outcome.gpu.map(Candidate::row),
        best_cpu: outcome.cpu.map(Candidate::row),
        ranking: if ranked { ranking(candidates) } else { Vec::new() },
        reasons: words::reasons(&outcome, candidates),
        measure_next,
        explain: [terms(outcome.gpu), terms(outcome.cpu)].concat(),
        break_even,
        options: options.clone(),
    }
}

fn savings(gpu: Option<&Candidate>, cpu: Option<&Candidate>) -> Option<Estimate> {
    let (g, c) = (gpu?.usd_per_month()?, cpu?.usd_per_month()?);
    Some(Estimate { median: c.median - g.median, lo90: c.lo90 - g.hi90, hi90: c.hi90 - g.lo90 })
}

/// Sizes that may be chosen by cost, then the excluded ones with a cost, then the unknown.
fn ranking(candidates: &[Candidate]) -> Vec<SkuCost> {
    let mut sizes: Vec<(f64, &Candidate)> =
        candidates.iter().map(|c| (c.median_usd_per_month().unwrap_or(f64::INFINITY), c)).collect();
    let chosen = |c: &Candidate| c.standing == candidate::Standing::Eligible;
    sizes.sort_by(|a, b| chosen(b.1).cmp(&chosen(a.1)).then_with(|| bill::cheaper(*a, *b)));
    sizes.into_iter().map(|(_, c)| c.row()).collect()
}
