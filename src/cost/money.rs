//! Dollars of node-hours.

/// Days of a month.
pub const DAYS_PER_MONTH: f64 = 30.4;

/// USD a month (30.4 days) of `node_hours` a day at `price_usd_per_h`.
pub fn usd_per_month(node_hours: f64, price_usd_per_h: f64) -> f64 {
    DAYS_PER_MONTH * node_hours * price_usd_per_h
}

/// USD a job on a node that is never idle: p / X.
pub fn usd_per_job_full_load(price_usd_per_h: f64, node_jobs_per_h: f64) -> f64 {
    price_usd_per_h / node_jobs_per_h
}
