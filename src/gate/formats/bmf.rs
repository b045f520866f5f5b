//! Bencher Metric Format: `{benchmark: {measure: {value, lower_value, upper_value}}}`, as its
//! schema (<https://bencher.dev/bmf.json>) wants it. A measure is the candidate's time in seconds
//! with the interval of its rounds' median, and beside it the ratio to the base.

use std::io::{self, Write};

use serde_json::{Map, Value, json};

use super::{Look, json::shielded, words};
use crate::gate::{JudgedRow, MetricClass, Pair, Report};
use crate::stats;

/// Characters of a benchmark's name that Bencher takes.
const LONGEST_BENCHMARK: usize = 1024;

/// Characters of a measure's name that Bencher takes.
const LONGEST_MEASURE: usize = 64;

/// Writes one object. Rows without a number are not in it.
pub fn write(report: &Report, _look: Look, out: &mut dyn Write) -> io::Result<()> {
    let mut all: Map<String, Value> = Map::new();
    for row in &report.rows {
        let name = benchmark(row);
        for (measure, metric) in measures(report, row) {
            let measures = all.entry(name.clone()).or_insert_with(|| json!({}));
            if let Value::Object(measures) = measures {
                measures.insert(measure, metric);
            }
        }
    }
    let text = serde_json::to_string_pretty(&all).map_err(io::Error::from)?;
    writeln!(out, "{}", shielded(&text))
}

fn benchmark(row: &JudgedRow) -> String {
    let id = &row.id;
    let name = words::inert(&format!("{} {} {}", id.case_key, id.implementation, id.device));
    words::cut(&name, LONGEST_BENCHMARK)
}

/// Names and metrics of one row.
fn measures(report: &Report, row: &JudgedRow) -> Vec<(String, Value)> {
    let suffix = if row.class == MetricClass::Exact { "" } else { "_s" };
    let measure = |suffix: &str| {
        let metric = words::cut(&words::inert(&row.id.metric), LONGEST_MEASURE - suffix.len());
        format!("{metric}{suffix}")
    };
    let mut found = Vec::new();
    let interval = interval(report, row);
    if let Some(metric) = metric(row.cand_s, interval.map(|i| i.0), interval.map(|i| i.1)) {
        found.push((measure(suffix), metric));
    }
    if let Some(metric) = metric(row.ratio, row.ratio_lo, row.ratio_hi) {
        found.push((measure("_ratio"), metric));
    }
    found
}

fn metric(value: Option<f64>, lower: Option<f64>, upper: Option<f64>) -> Option<Value> {
    let value = value.filter(|v| v.is_finite())?;
    let mut metric = json!({ "value": value });
    for (key, bound) in [("lower_value", lower), ("upper_value", upper)] {
        if let Some(bound) = bound.filter(|b| b.is_finite()) {
            metric[key] = json!(bound);
        }
    }
    Some(metric)
}

/// The order-statistic 95 % interval of the median over the candidate's rounds that judged the row.
pub fn interval(report: &Report, row: &JudgedRow) -> Option<(f64, f64)> {
    let data = report.measured.rows.iter().find(|data| data.id == row.id)?;
    let rounds: &[Pair] = if data.confirm.is_empty() { &data.screen } else { &data.confirm };
    let mut times: Vec<f64> = rounds.iter().map(|pair| pair.cand).collect();
    if times.is_empty() || !times.iter().all(|t| t.is_finite()) {
        return None;
    }
    times.sort_by(f64::total_cmp);
    let (lo, hi) = stats::median_interval(times.len());
    Some((times[lo], times[hi]))
}
