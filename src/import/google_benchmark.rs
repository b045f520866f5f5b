//! google-benchmark's JSON: one entry a repetition, then aggregates. Rates are by CPU time unless
//! the benchmark uses real time; they are turned into rates by the wall clock.

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::ImportError;
use super::convert::{Found, day, json, typed};
use super::samples::RunTime;
use crate::stats;

#[derive(Deserialize)]
struct File {
    context: Context,
    benchmarks: Vec<Entry>,
}

#[derive(Deserialize)]
struct Context {
    date: Option<String>,
}

#[derive(Deserialize)]
struct Entry {
    name: String,
    run_name: Option<String>,
    aggregate_name: Option<String>,
    threads: Option<f64>,
    real_time: Option<f64>,
    cpu_time: Option<f64>,
    time_unit: Option<String>,
    items_per_second: Option<f64>,
    bytes_per_second: Option<f64>,
    #[serde(default)]
    error_occurred: bool,
    error_message: Option<String>,
    #[serde(default)]
    skipped: bool,
    skip_message: Option<String>,
}

/// A list of benchmarks with a context.
pub(super) fn recognise(value: &Value) -> bool {
    value["context"].is_object() && value["benchmarks"].is_array()
}

/// One benchmark a run name, from its repetitions; from its aggregates where only these were kept.
pub(super) fn read(path: &Path) -> Result<Vec<Found>, ImportError> {
    let file: File = typed(json(path, "JSON of google-benchmark")?, path, "google-benchmark")?;
    let date = file.context.date.as_deref().and_then(day);
    let mut names: Vec<&str> = Vec::new();
    for entry in &file.benchmarks {
        if !names.contains(&entry.run()) {
            names.push(entry.run());
        }
    }
    let found = |name: &&str| {
        let entries: Vec<&Entry> = file.benchmarks.iter().filter(|e| e.run() == *name).collect();
        let (runs, aggregates): (Vec<&Entry>, Vec<&Entry>) =
            entries.iter().partition(|e| e.aggregate_name.is_none());
        let kept = if runs.is_empty() { &aggregates } else { &runs };
        Found {
            name: (*name).to_owned(),
            file: path.to_path_buf(),
            time: if runs.is_empty() { of_aggregates(&aggregates) } else { of_runs(&runs) },
            units: units(kept),
            concurrency: kept.iter().find_map(|e| e.threads).unwrap_or(1.0).max(1.0),
            measured_at: date.clone(),
        }
    };
    Ok(names.iter().map(found).collect())
}

impl Entry {
    fn run(&self) -> &str {
        self.run_name.as_deref().unwrap_or(&self.name)
    }

    /// Wall-clock seconds of an iteration.
    fn real_s(&self) -> Result<f64, String> {
        let factor = match self.time_unit.as_deref() {
            Some("ns") => 1e-9,
            Some("us") => 1e-6,
            Some("ms") => 1e-3,
            Some("s") => 1.0,
            other => {
                let unit = other.unwrap_or("missing");
                return Err(format!("time_unit is {unit}: must be ns, us, ms or s"));
            }
        };
        self.real_time.map(|time| time * factor).ok_or_else(|| "has no real_time".into())
    }

    /// Units that an iteration does: the rate is units ÷ the time that it was taken by, which is
    /// the CPU's unless the name says otherwise.
    fn units(&self) -> Option<(&'static str, f64)> {
        let (unit, rate) = match (self.items_per_second, self.bytes_per_second) {
            (Some(rate), _) => ("item", rate),
            (None, rate) => ("byte", rate?),
        };
        let by_wall = ["/real_time", "/manual_time"].iter().any(|end| self.run().contains(end));
        let share = if by_wall { 1.0 } else { self.cpu_time? / self.real_time? };
        let per_run = rate * share * self.real_s().ok()?;
        // Units are counts: what the division by a time took off is put back.
        let whole = per_run.round();
        let near = (per_run - whole).abs() <= 1e-6 * whole;
        let per_run = if near { whole } else { per_run };
        (per_run > 0.0 && per_run.is_finite()).then_some((unit, per_run))
    }

    fn failure(&self) -> Option<String> {
        let why = |text: &Option<String>| text.as_deref().unwrap_or("no reason given").to_owned();
        if self.error_occurred {
            return Some(format!("failed: {}", why(&self.error_message)));
        }
        self.skipped.then(|| format!("was skipped: {}", why(&self.skip_message)))
    }
}

fn of_runs(runs: &[&Entry]) -> Result<RunTime, String> {
    if let Some(failure) = runs.iter().find_map(|run| run.failure()) {
        return Err(failure);
    }
    RunTime::of(&runs.iter().map(|run| run.real_s()).collect::<Result<Vec<f64>, _>>()?)
}

/// Median, else mean; percentiles of a log-normal distribution of the same deviation.
fn of_aggregates(aggregates: &[&Entry]) -> Result<RunTime, String> {
    if let Some(failure) = aggregates.iter().find_map(|entry| entry.failure()) {
        return Err(failure);
    }
    let named = |name: &str| {
        aggregates.iter().find(|e| e.aggregate_name.as_deref() == Some(name)).map(|e| e.real_s())
    };
    let middle = named("median").or_else(|| named("mean"));
    let Some(median_s) = middle.transpose()? else {
        return Err("has neither repetitions nor a median or mean of them".into());
    };
    let mut time = RunTime::of(&[median_s])?;
    if let Some(stddev_s) = named("stddev").transpose()? {
        let sigma = (1.0 + (stddev_s / median_s).powi(2)).ln().sqrt();
        let factor = (Z90 * sigma).exp();
        time.percentiles_s = Some((median_s / factor, median_s * factor));
    }
    Ok(time)
}

/// Standard deviations from the median to the 90th percentile.
const Z90: f64 = 1.281_551_565_544_600_4;

/// What an iteration does, by the median of the repetitions; of aggregates by the median or mean.
fn units(entries: &[&Entry]) -> Option<(String, f64)> {
    let whole = |e: &&&Entry| matches!(e.aggregate_name.as_deref(), None | Some("median" | "mean"));
    let each: Vec<(&str, f64)> = entries.iter().filter(whole).filter_map(|e| e.units()).collect();
    let (unit, _) = each.first()?;
    let values: Vec<f64> = each.iter().map(|(_, v)| *v).collect();
    Some(((*unit).to_owned(), stats::median(&values)?))
}
