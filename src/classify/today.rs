//! What runs today, what it costs, and the difference that the verdict makes to it.

use super::candidate::{Candidate, Standing};
use super::judge::Outcome;
use super::words::{dollars, number};
use super::{Kind, Options, TodayCost};
use crate::catalog::{Catalog, Os};
use crate::cost::money;
use crate::workload::ResolvedWorkload;

/// The cost of what `[today]` names; `None` where the workload names nothing or the catalog does
/// not know the size (the command line refuses such a name before).
pub(super) fn today(
    resolved: &ResolvedWorkload,
    catalog: &Catalog,
    candidates: &[Candidate],
    outcome: &Outcome,
    options: &Options,
) -> Option<TodayCost> {
    let asked = resolved.workload.today.as_ref()?;
    let sku = catalog
        .sku(options.provider.as_deref(), &asked.sku)
        .or_else(|| catalog.sku(None, &asked.sku))?;
    let os = if resolved.workload.node.os == "windows" { Os::Windows } else { Os::Linux };
    let price = sku.price_with(os, options.price_kind, options.region.as_deref());
    let usd_per_month = price.map(|p| {
        let node_usd = money::usd_per_month(24.0, p.price_usd_per_h * (1.0 - options.discount));
        node_usd * f64::from(asked.nodes)
    });
    let month = |c: Option<&Candidate>| c.and_then(Candidate::median_usd_per_month);
    let saves = |c: Option<&Candidate>| Some(usd_per_month? - month(c)?);
    let judged =
        candidates.iter().find(|c| c.sku.name == sku.name && c.sku.provider == sku.provider);
    Some(TodayCost {
        sku: sku.name.clone(),
        nodes: asked.nodes,
        usd_per_month,
        nodes_needed: judged
            .filter(|c| c.standing == Standing::Eligible)
            .and_then(|c| c.nodes())
            .map(|(nodes, _)| nodes as u64),
        gpu_saves_usd_per_month: saves(outcome.gpu),
        cpu_saves_usd_per_month: saves(outcome.cpu),
        obstacle: judged
            .filter(|c| c.standing == Standing::Infeasible)
            .and_then(|c| c.decisive().cloned()),
    })
}

/// The end of the headline: what the verdict's size saves against today's.
pub(super) fn in_headline(today: &TodayCost, outcome: &Outcome) -> String {
    let name = format!("today's {} × {}", today.nodes, today.sku);
    if today.usd_per_month.is_none() {
        return format!("; what {name} cost is not known");
    }
    let both = (today.gpu_saves_usd_per_month, today.cpu_saves_usd_per_month);
    let one = |candidate: Option<&Candidate>, saves: Option<f64>| {
        let same = candidate.is_some_and(|c| {
            c.sku.name == today.sku && c.nodes().is_some_and(|(n, _)| n == f64::from(today.nodes))
        });
        match saves {
            Some(saves) if same && saves.abs() < 0.005 => "; that is what runs today".to_owned(),
            Some(saves) if same && saves > 0.0 => format!(
                "; {} against {name}, which run all day{}",
                difference(saves),
                hours(today, candidate).unwrap_or_default()
            ),
            Some(saves) if saves < 0.0 => format!("; {} than {name}", difference(saves)),
            Some(saves) => format!("; {} against {name}", difference(saves)),
            None => String::new(),
        }
    };
    match (outcome.verdict, both) {
        (Kind::Gpu | Kind::SharedGpu, (saves, _)) => one(outcome.gpu, saves),
        (Kind::Cpu, (_, saves)) => one(outcome.cpu, saves),
        (_, (Some(gpu), Some(cpu))) => format!(
            "; against {name} the GPU size {}, the CPU size {}",
            difference(gpu),
            difference(cpu)
        ),
        (_, (Some(gpu), None)) => one(outcome.gpu, Some(gpu)),
        (_, (None, saves)) => one(outcome.cpu, saves),
    }
}

/// Why fewer dollars buy as many nodes: the node-hours of a day on both sides.
fn hours(today: &TodayCost, candidate: Option<&Candidate>) -> Option<String> {
    let fleet = candidate.filter(|c| c.shared.is_none())?.fleet()?;
    let (now, then) = (24.0 * f64::from(today.nodes), fleet.node_hours);
    (then < now).then(|| format!(": {} node-hours a day instead of {}", number(then), number(now)))
}

fn difference(saves: f64) -> String {
    if saves.abs() < 0.005 {
        "costs the same".into()
    } else if saves > 0.0 {
        format!("saves {} a month", dollars(saves))
    } else {
        format!("costs {} a month more", dollars(-saves))
    }
}

/// What today's nodes cost, and whether the arithmetic agrees with their number.
pub(super) fn sentence(today: &TodayCost) -> Option<String> {
    let usd = dollars(today.usd_per_month?);
    let needed = match today.nodes_needed {
        Some(needed) if needed > u64::from(today.nodes) => format!(
            "; by this arithmetic the demand takes {needed} of them, so either it is smaller or \
             they are faster than assumed"
        ),
        Some(needed) if needed < u64::from(today.nodes) => {
            format!("; by this arithmetic {needed} would do")
        }
        _ => String::new(),
    };
    let obstacle =
        today.obstacle.as_ref().map(|r| format!("; it could not be chosen now: {}", r.text));
    let obstacle = obstacle.unwrap_or_default();
    Some(format!("Today's {} × {} cost {usd} a month{needed}{obstacle}.", today.nodes, today.sku))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classify::{Verdict, classify};
    use crate::cost::fixture::*;
    use crate::workload::{Pattern, Today, Transfer};

    /// CPU: 36 s a job on C8 at $1; GPU: 0.9 s on G8 at $4; 100,000 jobs a day take 60 and 2 nodes.
    fn run(sku: &str, nodes: u32) -> Verdict {
        let mut resolved = workload(100.0, 100_000.0, Transfer::ConstantsResident);
        resolved.workload.today = Some(Today { sku: sku.into(), nodes });
        let records = measured_pair(0.36, 0.009, 1.02);
        classify(&resolved, &records, &catalog(1.0, 4.0), &Options::default())
    }

    #[test]
    fn the_headline_has_the_difference_to_today() {
        // 12 × C8 at $1 are 12 · 729.6 = $8755.20 a month; 2 × G8 at $4 are $5836.80: $2918.40.
        let v = run("C8", 12);
        let today = v.today.expect("today");
        assert!((today.usd_per_month.expect("price") - 8755.2).abs() < 1e-9);
        assert!((today.gpu_saves_usd_per_month.expect("gpu") - 2918.4).abs() < 1e-9);
        assert!(
            v.headline.ends_with("; saves $2,918 a month against today's 12 × C8"),
            "{}",
            v.headline
        );
        let told = v.sentences.iter().find(|s| s.starts_with("Today's")).expect("sentence");
        assert!(told.contains("$8,755 a month") && told.contains("takes 60 of them"), "{told}");
    }

    #[test]
    fn a_dearer_or_equal_choice_is_called_so() {
        // One C8 at $729.60 is cheaper than the two G8 that the demand takes.
        let v = run("C8", 1);
        assert!(
            v.headline.contains("costs $5,107 a month more than today's 1 × C8"),
            "{}",
            v.headline
        );
        let v = run("G8", 2);
        assert!(v.headline.ends_with("; that is what runs today"), "{}", v.headline);
    }

    #[test]
    fn the_same_nodes_for_a_window_are_cheaper_than_all_day() {
        // 10,000 jobs in 2 h take 2 × G8 for 2 h and 18 minutes: 4.6 node-hours a day, not 48:
        // 30.4 · 43.4 · $4 = $5277.44.
        let mut resolved = workload(100.0, 10_000.0, Transfer::ConstantsResident);
        resolved.workload.demand.pattern = Pattern::Batch { window_h: 2.0 };
        resolved.workload.today = Some(Today { sku: "G8".into(), nodes: 2 });
        let records = measured_pair(0.36, 0.009, 1.02);
        let v = classify(&resolved, &records, &catalog(1.0, 4.0), &Options::default());
        let end = "; saves $5,277 a month against today's 2 × G8, which run all day: 4.60 \
                   node-hours a day instead of 48.0";
        assert!(v.headline.ends_with(end), "{}", v.headline);
    }

    #[test]
    fn a_size_without_a_price_is_unknown_never_free() {
        let mut resolved = workload(100.0, 100_000.0, Transfer::ConstantsResident);
        resolved.workload.today = Some(Today { sku: "C9".into(), nodes: 3 });
        let mut catalog = catalog(1.0, 4.0);
        let mut unpriced = cpu_sku("C9", 1.0);
        unpriced.prices.clear();
        catalog.skus.push(unpriced);
        let v =
            classify(&resolved, &measured_pair(0.36, 0.009, 1.02), &catalog, &Options::default());
        assert!(v.headline.ends_with("what today's 3 × C9 cost is not known"), "{}", v.headline);
        assert_eq!(v.today.and_then(|t| t.gpu_saves_usd_per_month), None);
    }
}
