//! Where a GPU loses only because it stands idle: what it would cost if others filled its node.

use super::candidate::{Candidate, Standing};
use super::judge::Outcome;
use super::words::{dollars, percent};
use super::{Kind, Options, Side};

/// A GPU busy for more of its paid hours than this does not lose by standing idle.
const IDLE: f64 = 0.5;

/// The advice to look for co-tenants, where the part of a full GPU node would be cheaper by the
/// margin than that of a full CPU node; `None` where it would not, or co-tenants were given.
///
/// The part of a node that is always full to its target ρ: jobs · p / (X · ρ).
pub(super) fn sentence(
    outcome: &Outcome,
    candidates: &[Candidate],
    options: &Options,
) -> Option<String> {
    let cpu_leads = match outcome.verdict {
        Kind::Cpu | Kind::Either => true,
        Kind::MeasureFirst => outcome.contest?.lean() == Side::Cpu,
        Kind::Gpu | Kind::SharedGpu => false,
    };
    let idle = outcome.gpu?.nodes().is_some_and(|(_, used)| used < IDLE);
    if !cpu_leads || !idle || candidates.iter().any(|c| c.shared.is_some()) {
        return None;
    }
    let (gpu_usd, gpu) = cheapest_part(candidates, Side::Gpu)?;
    let (cpu_usd, cpu) = cheapest_part(candidates, Side::Cpu)?;
    let alone = outcome.cpu?.median_usd_per_month()?;
    if gpu_usd > (1.0 - options.margin) * cpu_usd {
        return None;
    }
    Some(format!(
        "Alone it leaves a GPU idle. On a node that others keep full its part would cost {} a month \
         on {} and {} on {}: name them in cotenants, or give them to `classify --together`. The \
         GPU's part is cheaper than {} a month as soon as the node is more than {} full.",
        dollars(gpu_usd),
        gpu.sku.name,
        dollars(cpu_usd),
        cpu.sku.name,
        dollars(alone),
        percent((1000.0 * gpu_usd / alone).ceil() / 1000.0)
    ))
}

/// The cheapest part of an always full node of one kind in USD a month, by medians.
fn cheapest_part<'c, 'a>(
    candidates: &'c [Candidate<'a>],
    side: Side,
) -> Option<(f64, &'c Candidate<'a>)> {
    candidates
        .iter()
        .filter(|c| c.standing == Standing::Eligible && c.side == side && !c.fractional())
        .filter_map(|c| {
            let per_job = c.usd_per_job_full_load()?.median / c.rules.target_utilisation;
            Some((crate::cost::money::DAYS_PER_MONTH * c.jobs_per_day * per_job, c))
        })
        .min_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.1.sku.name.cmp(&b.1.sku.name)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classify::{Verdict, classify};
    use crate::cost::fixture::*;
    use crate::workload::Transfer;

    fn run(jobs: f64, gpu_usd: f64) -> Verdict {
        classify(
            &workload(100.0, jobs, Transfer::ConstantsResident),
            &measured_pair(0.36, 0.009, 1.02),
            &catalog(1.0, gpu_usd),
            &Options::default(),
        )
    }

    fn advice(verdict: &Verdict) -> Option<&String> {
        verdict.sentences.iter().find(|s| s.contains("others keep full"))
    }

    #[test]
    fn an_idle_gpu_is_told_what_a_full_node_would_cost() {
        // 1200 jobs a day are 50 an hour: one C8 (70 an hour), $729.60; G8 does 4000 an hour for $4.
        // Its part of a full node: 30.4 · 1200 · 4 / (4000 · 0.7) = $52.11 a month; of a C8:
        // 30.4 · 1200 / (100 · 0.7) = $521.14. 52.11 / 729.60 = 7.14 %.
        let v = run(1200.0, 4.0);
        assert_eq!(v.verdict, Kind::Cpu, "{}", v.headline);
        let told = advice(&v).expect("advice");
        for part in ["$52.11 a month on G8", "$521 on C8", "more than 7.2 % full"] {
            assert!(told.contains(part), "{told}");
        }
    }

    #[test]
    fn no_advice_where_a_full_gpu_node_is_no_cheaper_or_the_gpu_wins() {
        // At $40 an hour a full G8 costs as much a job as a full C8.
        assert_eq!(advice(&run(1200.0, 40.0)), None);
        let busy = run(100_000.0, 4.0);
        assert_eq!((busy.verdict, advice(&busy)), (Kind::Gpu, None));
    }
}
