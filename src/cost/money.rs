//! Nodes and dollars of a steady demand.

/// Share of a node's throughput that a steady demand may use.
pub const TARGET_UTILISATION: f64 = 0.7;
/// Nodes kept even without a job.
pub const MIN_NODES: f64 = 1.0;
/// Days of a month.
pub const DAYS_PER_MONTH: f64 = 30.4;

/// Nodes for `jobs_per_h` where one node does `node_jobs_per_h` at full load:
/// max(1, ⌈λ / (X·ρ)⌉).
pub fn nodes(jobs_per_h: f64, node_jobs_per_h: f64) -> f64 {
    let exact = jobs_per_h / (node_jobs_per_h * TARGET_UTILISATION);
    // A quotient that is whole but for rounding needs no further node.
    (exact * (1.0 - 1e-12)).ceil().max(MIN_NODES)
}

/// USD a month (30.4 days) of `nodes` at `price_usd_per_h`, all day.
pub fn usd_per_month(nodes: f64, price_usd_per_h: f64) -> f64 {
    DAYS_PER_MONTH * 24.0 * nodes * price_usd_per_h
}

/// USD a job at that demand; `None` with no jobs.
pub fn usd_per_job(nodes: f64, price_usd_per_h: f64, jobs_per_day: f64) -> Option<f64> {
    (jobs_per_day > 0.0).then(|| 24.0 * nodes * price_usd_per_h / jobs_per_day)
}

/// USD a job on a node that is never idle: p / X.
pub fn usd_per_job_full_load(price_usd_per_h: f64, node_jobs_per_h: f64) -> f64 {
    price_usd_per_h / node_jobs_per_h
}
