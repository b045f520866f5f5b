//! Times that a job must keep: latency objective, deadline, batch window.

use super::candidate::reason;
use super::words::seconds;
use super::{Reason, Verdict};
use crate::cost::Estimate;
use crate::workload::{Demand, Pattern};

/// Codes of a job that takes too long.
const MISSES: [&str; 2] = ["misses-latency", "misses-deadline"];

/// Whether a reason of this code is that a job takes too long.
pub(super) fn is_miss(code: &str) -> bool {
    MISSES.contains(&code)
}

/// What each kind of size reaches at best, where sizes are kept out by taking too long and none by
/// a price that is not known; `None` otherwise, and where a size can be chosen.
pub fn all_too_slow(verdict: &Verdict) -> Option<String> {
    let chosen = verdict.best_gpu.is_some() || verdict.best_cpu.is_some();
    if chosen || verdict.reasons.iter().any(|r| r.code == "price-unknown") {
        return None;
    }
    let misses = verdict.reasons.iter().filter(|r| is_miss(&r.code)).map(|r| r.text.as_str());
    let told: Vec<&str> = misses.collect();
    (!told.is_empty()).then(|| format!("{}: {}", verdict.workload, told.join("; ")))
}

/// A limit on the time from start to end of one job.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Limit {
    /// The limit in seconds.
    pub seconds: f64,
    code: &'static str,
    what: &'static str,
}

impl Limit {
    /// The tightest limit of a demand, if it has one. What a job waits before it starts is the
    /// fleet's matter: it adds nodes until an objective is met.
    pub fn of(demand: &Demand) -> Option<Self> {
        let limit = |seconds, code, what| Self { seconds, code, what };
        let window = match demand.pattern {
            Pattern::Batch { window_h } => {
                Some(limit(3600.0 * window_h, "misses-deadline", "the batch window is"))
            }
            _ => None,
        };
        let deadline =
            demand.deadline_s.map(|s| limit(s, "misses-deadline", "the deadline is after"));
        let objective =
            demand.latency_slo_s.map(|s| limit(s, "misses-latency", "the latency objective is"));
        [objective, deadline, window]
            .into_iter()
            .flatten()
            .min_by(|a, b| a.seconds.total_cmp(&b.seconds))
    }

    /// Why a job of this latency does not keep it, and whether that is sure: surely too slow is a
    /// violated constraint, perhaps too slow is an unknown.
    pub fn missed(&self, latency: Estimate) -> Option<(Reason, bool)> {
        if latency.median <= self.seconds {
            return None;
        }
        let text = format!(
            "one job takes {} where {} {}",
            seconds(latency.median),
            self.what,
            seconds(self.seconds)
        );
        Some((reason(self.code, text), latency.lo90 > self.seconds))
    }
}
