//! Spot nodes are taken back: what that costs in throughput.

use super::fleet::Pace;

/// Hours of a node's work that one eviction costs: the jobs under way are half done on average and
/// lost, and another node has to start.
pub fn lost_h(latency_s: f64, start_up_h: f64) -> f64 {
    latency_s / 2.0 / 3600.0 + start_up_h
}

/// A node's pace with `evictions_per_h`: X / (1 + evictions · lost hours), as every hour of work
/// brings that many further hours. Good while a job is short against the time between evictions.
pub fn evicted(pace: Pace, evictions_per_h: f64, start_up_h: f64) -> Pace {
    let overhead = evictions_per_h * lost_h(pace.latency_s, start_up_h);
    Pace { jobs_per_h: pace.jobs_per_h / (1.0 + overhead), ..pace }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_eviction_costs_half_a_job_and_a_start() {
        // A job of 2 h and a start of 6 min: 1 + 0.1 = 1.1 h lost; at 0.5 an hour, 1 / 1.55.
        let pace = Pace { jobs_per_h: 10.0, latency_s: 7200.0, scatter: 0.0 };
        assert!((lost_h(7200.0, 0.1) - 1.1).abs() < 1e-12);
        assert!((evicted(pace, 0.5, 0.1).jobs_per_h - 10.0 / 1.55).abs() < 1e-12);
        assert_eq!(evicted(pace, 0.0, 0.1), pace);
    }
}
