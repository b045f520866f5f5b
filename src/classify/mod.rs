//! The verdict: which kind of node a workload should target, with reasons, probability and money.
//! Closed form; no disk, clock or printing.

mod verdict;

pub use verdict::*;

use crate::catalog::Catalog;
use crate::record::Record;
use crate::workload::ResolvedWorkload;

/// Judges `workload` from what `records` measured, on the sizes and prices of `catalog`.
///
/// Never fails: what cannot be known makes the verdict `measure-first`, with the reason.
pub fn classify(
    workload: &ResolvedWorkload,
    _records: &[Record],
    _catalog: &Catalog,
    options: &Options,
) -> Verdict {
    Verdict {
        workload: workload.workload.name.clone(),
        summary: workload.workload.summary.clone(),
        verdict: Kind::MeasureFirst,
        headline: "measure first: nothing is known about the time on either kind of node".into(),
        sentences: Vec::new(),
        lean: None,
        probability_gpu: None,
        probability_cpu: None,
        gpu_saves_usd_per_month: None,
        jobs_per_day: workload.workload.demand.jobs_per_day,
        best_gpu: None,
        best_cpu: None,
        ranking: Vec::new(),
        reasons: Vec::new(),
        break_even: BreakEven::default(),
        measure_next: Vec::new(),
        explain: Vec::new(),
        options: options.clone(),
    }
}
