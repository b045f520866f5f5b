//! The comment at the head of every file: which verdict, which numbers, which record.

use super::Asked;
use super::pool::Pool;
use crate::cost::Origin;
use crate::units::usd;

/// What each such line begins with, so that a second placement finds the first one's.
pub(super) const MARK: &str = "# breakeven: ";

/// The lines, each with its line break.
pub(super) fn lines(asked: &Asked, pool: &Pool) -> String {
    let size = asked.size;
    let verdict = serde_json::to_value(asked.verdict.verdict).unwrap_or_default();
    let mut lines = vec![
        format!(
            "{} on {} ({}); verdict: {}",
            asked.verdict.workload,
            size.sku,
            size.device,
            verdict.as_str().unwrap_or_default()
        ),
        asked.verdict.headline.clone(),
    ];
    if let (Some(month), Some(job)) = (size.usd_per_month, size.usd_per_job) {
        lines.push(format!(
            "cost on this size: {} a month ({} to {}), {} a job at {} jobs a day",
            usd(month.median),
            usd(month.lo90),
            usd(month.hi90),
            usd(job.median),
            crate::units::jobs(asked.verdict.jobs_per_day),
        ));
    }
    if let (Some(price), Some(rate)) = (&size.price, size.price_usd_per_h) {
        lines.push(format!(
            "price: {} an hour after discount; {}, {}, of {}, {}",
            usd(rate),
            price.region,
            price.kind.name(),
            price.as_of,
            price.source
        ));
    }
    lines.push(format!("nodes: {} to {}; {}", pool.min, pool.max, pool.why_so_many));
    let origin = match size.origin {
        Some(Origin::Declared) => "declared by the workload",
        Some(Origin::Measured) => "measured on such a size",
        Some(Origin::Interpolated) => "between measured sizes of a series",
        Some(Origin::Imported) => "measured by others",
        Some(Origin::Predicted) => "predicted from a measured device",
        Some(Origin::Prior) => "estimated from published results",
        None => "unknown",
    };
    lines.push(format!("its time is {origin}; records: {}", asked.records.join(", ")));
    lines.iter().map(|line| format!("{MARK}{}\n", line.replace(['\n', '\r'], " "))).collect()
}

/// `text` without such lines at its head.
pub(super) fn strip(text: &str) -> &str {
    let mut rest = text;
    while rest.starts_with(MARK) {
        rest = rest.find('\n').map_or("", |end| &rest[end + 1..]);
    }
    rest
}
