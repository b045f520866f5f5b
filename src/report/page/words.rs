//! Words of the page: titles and verdicts in plain speech, all made from the data.

use crate::classify::{Kind, SkuCost, Verdict};
use crate::compare::{Comparison, Ratio, SlowNode};
use crate::cost::Origin;
use crate::report::dossier::{Dossier, Judged};
use crate::report::numbers::{UNKNOWN, count, ratio};
use crate::report::{csv::word, records};
use crate::units::usd;

/// Every kind of verdict: glyph and word. The glyphs differ in shape, for eyes and printers
/// without colour.
const KINDS: [(Kind, &str, &str); 5] = [
    (Kind::Gpu, "▲", "GPU"),
    (Kind::SharedGpu, "△", "Shared GPU"),
    (Kind::Cpu, "▼", "CPU"),
    (Kind::Either, "●", "Either"),
    (Kind::MeasureFirst, "◌", "Measure first"),
];

/// Glyph and word of a verdict.
pub fn kind(kind: Kind) -> (&'static str, &'static str) {
    KINDS.iter().find(|(k, _, _)| *k == kind).map_or(("", ""), |(_, glyph, word)| (*glyph, *word))
}

/// The page's title: its answer in one line.
pub fn title(dossier: &Dossier) -> String {
    match dossier.judged {
        [] => measured(dossier),
        [one] => alone(&one.verdict),
        several => together(several),
    }
}

fn alone(verdict: &Verdict) -> String {
    let workload = &verdict.workload;
    match verdict.verdict {
        Kind::Gpu => format!("{workload} belongs on a GPU node"),
        Kind::SharedGpu => format!("{workload} belongs on a shared GPU"),
        Kind::Cpu => format!("{workload} belongs on a CPU node"),
        Kind::Either => format!("{workload} costs about the same on either kind of node"),
        Kind::MeasureFirst => format!("{workload}: measure before you choose"),
    }
}

/// `Of 5 workloads, 2 belong on a GPU node, 3 on a CPU node`.
fn together(judged: &[Judged]) -> String {
    let number = |kind| judged.iter().filter(|j| j.verdict.verdict == kind).count();
    let told: Vec<String> = [
        (Kind::Gpu, "on a GPU node"),
        (Kind::SharedGpu, "on a shared GPU"),
        (Kind::Cpu, "on a CPU node"),
        (Kind::Either, "on either"),
    ]
    .into_iter()
    .filter(|(kind, _)| number(*kind) > 0)
    .enumerate()
    .map(|(index, (kind, place))| match (index, number(kind)) {
        (0, 1) => format!("1 belongs {place}"),
        (0, n) => format!("{n} belong {place}"),
        (_, n) => format!("{n} {place}"),
    })
    .collect();
    let open = match number(Kind::MeasureFirst) {
        0 => None,
        1 => Some("1 must be measured first".to_owned()),
        n => Some(format!("{n} must be measured first")),
    };
    let told: Vec<String> = told.into_iter().chain(open).collect();
    format!("Of {}, {}", count(judged.len(), "workload"), told.join(", "))
}

fn measured(dossier: &Dossier) -> String {
    let mut keys: Vec<&str> = dossier.rows().map(|(_, row)| row.case_key.as_str()).collect();
    keys.sort_unstable();
    keys.dedup();
    let cases = count(keys.len(), "case");
    match dossier.records {
        [(_, record)] => format!("{cases} on {}", records::machine(record)),
        records => {
            let slow = match dossier.comparison {
                Some(Ok(all)) => all.slow_nodes.len(),
                _ => 0,
            };
            let told = match slow {
                0 => String::new(),
                1 => "; 1 node is slower than its siblings".into(),
                n => format!("; {n} nodes are slower than their siblings"),
            };
            format!("{cases} in {}{told}", count(records.len(), "record"))
        }
    }
}

/// What the page rests on, one stamp each, all from the data.
pub fn stamps(dossier: &Dossier) -> Vec<String> {
    let mut stamps = Vec::new();
    let mut days: Vec<&str> =
        dossier.records.iter().map(|(_, r)| day(&r.header.run.started_at)).collect();
    days.sort_unstable();
    if let (Some(first), Some(last)) = (days.first(), days.last()) {
        let records = count(dossier.records.len(), "record");
        stamps.push(if first == last {
            format!("{records}, measured {first}")
        } else {
            format!("{records}, measured {first} to {last}")
        });
    }
    if let Some(judged) = dossier.judged.first() {
        let options = &judged.verdict.options;
        stamps.push(format!(
            "{} prices, {}, {}",
            word(&options.price_kind).replace("ondemand", "on-demand"),
            options.provider.as_deref().unwrap_or("all providers"),
            options.region.as_deref().unwrap_or("each size's cheapest known region"),
        ));
    }
    stamps.push(format!("breakeven {}", env!("CARGO_PKG_VERSION")));
    stamps
}

/// The day of a time stamp.
pub fn day(started_at: &str) -> &str {
    started_at.get(..10).unwrap_or(started_at)
}

/// Where the times of a size come from.
pub fn origin(cost: &SkuCost) -> &'static str {
    match cost.origin {
        Some(Origin::Declared) => "declared by the workload",
        Some(Origin::Measured) => "measured",
        Some(Origin::Interpolated) => "interpolated between measured sizes",
        Some(Origin::Imported) => "imported",
        Some(Origin::Predicted) => "predicted from another device",
        Some(Origin::Prior) => "a prior from published results",
        None => "unknown",
    }
}

/// What the GPU saves or costs more a month.
pub fn savings(verdict: &Verdict) -> Option<String> {
    let saves = verdict.gpu_saves_usd_per_month?.median;
    Some(usd(saves))
}

/// That a node is slower than its siblings, and what to do about it.
pub fn slow_node(all: &Comparison, slow: &SlowNode) -> String {
    let column = &all.columns[slow.column];
    format!(
        "{} ({}) is slower than {} of its kind: it takes {} their median time, and is beyond their \
         noise of {} in {} of {}. Measure it again, and drain the node if that repeats.",
        column.named(),
        column.sku.as_deref().unwrap_or(&column.device_name),
        count(slow.siblings.len(), "sibling"),
        ratio(slow.factor),
        ratio(slow.noise),
        slow.slower_in,
        count(slow.cases, "case"),
    )
}

/// A ratio with its 90 % interval.
pub fn with_interval(told: Option<Ratio>) -> String {
    told.map_or_else(
        || UNKNOWN.into(),
        |r| format!("{} ({} to {})", ratio(r.value), ratio(r.lo90), ratio(r.hi90)),
    )
}
