//! Pictures of money: what a job costs on each size, what speed costs, and where the cheaper kind changes.

mod cost;
mod front;
mod map;
#[cfg(test)]
mod tests;
mod units;

use super::{Figure, text};
use crate::classify::{HeatMap, Options, Side, SkuCost, Verdict};
use crate::cost::Origin;

/// Sizes of each kind that are shown.
const SHOWN: usize = 8;
/// Longest part of a name in an id.
const SLUG: usize = 48;

/// The pictures of one verdict. `spot` is the same workload judged at spot prices, `heat` its break-even
/// map. Where nothing is known to draw there is no picture.
pub fn of_verdict(
    verdict: &Verdict,
    spot: Option<&Verdict>,
    heat: Option<&HeatMap>,
) -> Vec<Figure> {
    let id = |what: &str| format!("workload-{}-{what}", id_of(&verdict.workload));
    [
        cost::figure(id("cost"), verdict, spot),
        front::figure(id("time-cost"), verdict),
        heat.map(|heat| map::figure(id("break-even"), verdict, heat)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The sizes of a side that may be chosen and have a cost, cheapest first.
fn priced(verdict: &Verdict, side: Side) -> Vec<(&SkuCost, f64)> {
    let best = [&verdict.best_gpu, &verdict.best_cpu].into_iter().flatten();
    let ranked = verdict.ranking.iter();
    let all: Vec<&SkuCost> =
        if verdict.ranking.is_empty() { best.collect() } else { ranked.collect() };
    let mut found: Vec<(&SkuCost, f64)> = all
        .into_iter()
        .filter(|cost| cost.side == side && cost.eligible)
        .filter_map(|cost| Some((cost, cost.usd_per_job?.median)))
        .filter(|(_, usd)| usd.is_finite() && *usd > 0.0)
        .collect();
    found.sort_by(|a, b| a.1.total_cmp(&b.1));
    found
}

/// A name fit for an id; one that loses something on the way gets a number made of the whole name, so
/// that two names never share an id.
fn id_of(name: &str) -> String {
    let out = text::slug(name, SLUG);
    if out == name {
        return out;
    }
    // FNV-1a, 64 bits.
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    if out.is_empty() { format!("{hash:016x}") } else { format!("{out}-{hash:016x}") }
}

fn kind_name(side: Side) -> &'static str {
    match side {
        Side::Gpu => "GPU",
        Side::Cpu => "CPU",
    }
}

/// A size without what all sizes of Azure begin with.
fn short_size(cost: &SkuCost) -> String {
    let size = cost.size();
    size.strip_prefix("Standard_").map_or(size.clone(), str::to_owned)
}

fn origin_word(cost: &SkuCost) -> &'static str {
    match cost.origin {
        Some(Origin::Declared) => "declared",
        Some(Origin::Measured) => "measured",
        Some(Origin::Interpolated) => "interpolated",
        Some(Origin::Imported) => "imported",
        Some(Origin::Predicted) => "predicted",
        Some(Origin::Prior) => "prior",
        None => "unknown",
    }
}

/// `on-demand`, `spot`, `reserved-1y`, …
fn price_kind(options: &Options) -> String {
    options.price_kind.name().replace("ondemand", "on-demand")
}

/// The dates of the prices used, `of 2026-06-18` or `of 2026-06-18 to 2026-08-03`.
fn dates<'a>(costs: impl Iterator<Item = &'a SkuCost>) -> String {
    let mut dates: Vec<&str> =
        costs.filter_map(|c| c.price.as_ref()).map(|p| p.as_of.as_str()).collect();
    dates.sort_unstable();
    match (dates.first(), dates.last()) {
        (Some(first), Some(last)) if first == last => format!("of {first}"),
        (Some(first), Some(last)) => format!("of {first} to {last}"),
        _ => "of unknown date".into(),
    }
}
