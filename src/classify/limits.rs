//! Times that a job must keep: latency objective, deadline, batch window.

use super::Reason;
use super::candidate::reason;
use super::words::seconds;
use crate::cost::Estimate;
use crate::workload::{Demand, Pattern};

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
