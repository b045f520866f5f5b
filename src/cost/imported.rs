//! What others measured as a job on a node: rows of one size put together, their interval, and the
//! job that they describe.

use std::cmp::Ordering;

use super::node::JobOn;
use super::stage::StageOn;
use super::{Estimate, Origin};
use crate::catalog::Sku;
use crate::import::{Device, Row};
use crate::stats;

/// Interval factor of a throughput that comes without percentiles.
pub const NO_PERCENTILES: f64 = 1.3;
/// Least interval factor of one with percentiles: they tell of one VM of the size on one day.
pub const ONE_VM: f64 = 1.1;
/// From the 10th and 90th percentile of a log-normal distribution to its 5th and 95th:
/// 1.644854 ÷ 1.281552 standard deviations.
const P10_TO_P5: f64 = 1.283_486;

/// A workload that others measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Imported {
    /// Its name in the file.
    pub workload: String,
    /// What is counted.
    pub unit: String,
    /// Units that make a job; `None` where the file does not say.
    pub units_per_job: Option<f64>,
    /// What was measured, by provider, size and device.
    pub sizes: Vec<SizeRate>,
}

/// How fast a VM size does a workload on one kind of device, from all rows that say so.
#[derive(Debug, Clone, PartialEq)]
pub struct SizeRate {
    /// `azure`, `aws`, `gcp`.
    pub provider: String,
    /// VM size.
    pub sku: String,
    /// What did the computing.
    pub device: Device,
    /// Units per second of the whole VM.
    pub units_per_s: Estimate,
    /// Seconds from start to end of one job; `None` where no row tells.
    pub latency_s: Option<Estimate>,
    /// Distinct measurements behind it.
    pub measurements: usize,
    /// Whether all of them had percentiles; else the interval is partly assumed.
    pub percentiles: bool,
    /// Who measured and when, `source (date)`; of a predicted rate, the sizes it is predicted from.
    pub sources: Vec<String>,
    /// Whether it was not measured but predicted from other sizes of its series.
    pub predicted: bool,
}

/// Puts the rows of each workload, size and device together; the order of `rows` and repeated ones
/// do not matter.
///
/// The median of the distinct measurements counts (of two, their geometric mean). The interval
/// reaches from the lowest lower end of one to the highest upper end, so that more rows never make
/// a number surer than one of them.
pub fn workloads(rows: &[Row]) -> Vec<Imported> {
    let mut distinct: Vec<&Row> = rows.iter().collect();
    distinct.sort_by(|a, b| key(a).cmp(&key(b)).then_with(|| measurement(a, b)));
    distinct.dedup_by(|a, b| key(a) == key(b) && measurement(a, b).is_eq());
    let mut found: Vec<Imported> = Vec::new();
    for group in distinct.chunk_by(|a, b| key(a) == key(b)) {
        let [first, ..] = group else { continue };
        let size = together(group);
        match found.last_mut().filter(|last| last.workload == first.workload) {
            Some(last) => last.sizes.extend(size),
            None => found.push(Imported {
                workload: first.workload.clone(),
                unit: first.unit.clone(),
                units_per_job: first.units_per_job,
                sizes: size.into_iter().collect(),
            }),
        }
    }
    found
}

/// What rows are put together by.
fn key(row: &Row) -> (&str, &str, &str, Device) {
    (&row.workload, &row.provider, &row.sku, row.device)
}

/// The order of measurements of one size; equal where one only repeats the other, whatever their
/// notes.
fn measurement(a: &Row, b: &Row) -> Ordering {
    let numbers = |row: &Row| {
        let known = |value: Option<f64>| value.unwrap_or(0.0);
        [
            row.throughput_per_s,
            known(row.p10_per_s),
            known(row.p90_per_s),
            known(row.latency_s),
            known(row.concurrency),
        ]
    };
    let by_number = || {
        let mut pairs = numbers(a).into_iter().zip(numbers(b)).map(|(x, y)| x.total_cmp(&y));
        pairs.find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
    };
    (&a.source, &a.measured_at).cmp(&(&b.source, &b.measured_at)).then_with(by_number)
}

fn together(rows: &[&Row]) -> Option<SizeRate> {
    let first = rows.first()?;
    let rates: Vec<Estimate> = rows.iter().map(|row| rate(row)).collect();
    let latencies: Vec<Estimate> = rows.iter().filter_map(|row| latency(row)).collect();
    let mut sources: Vec<String> =
        rows.iter().map(|row| format!("{} ({})", row.source, row.measured_at)).collect();
    sources.sort();
    sources.dedup();
    Some(SizeRate {
        provider: first.provider.clone(),
        sku: first.sku.clone(),
        device: first.device,
        units_per_s: union(&rates)?,
        latency_s: union(&latencies),
        measurements: rows.len(),
        percentiles: rows.iter().all(|row| row.p10_per_s.is_some()),
        sources,
        predicted: false,
    })
}

/// Median in logarithms, and the interval that holds all of theirs.
fn union(estimates: &[Estimate]) -> Option<Estimate> {
    let logs: Vec<f64> = estimates.iter().map(|e| e.median.ln()).collect();
    Some(Estimate {
        median: stats::median(&logs)?.exp(),
        lo90: estimates.iter().map(|e| e.lo90).min_by(f64::total_cmp)?,
        hi90: estimates.iter().map(|e| e.hi90).max_by(f64::total_cmp)?,
    })
}

/// Throughput of one row with its 90 % interval: log-normal through its percentiles, at least
/// [`ONE_VM`] either way; without percentiles [`NO_PERCENTILES`].
pub fn rate(row: &Row) -> Estimate {
    let median = row.throughput_per_s;
    let (Some(p10), Some(p90)) = (row.p10_per_s, row.p90_per_s) else {
        return Estimate::within(median, NO_PERCENTILES);
    };
    Estimate {
        median,
        lo90: median / (median / p10).powf(P10_TO_P5).max(ONE_VM),
        hi90: median * (p90 / median).powf(P10_TO_P5).max(ONE_VM),
    }
}

/// Latency of one job: as given, else by Little's law from the jobs in flight,
/// R = concurrency · units per job ÷ throughput.
fn latency(row: &Row) -> Option<Estimate> {
    if let Some(latency_s) = row.latency_s {
        return Some(Estimate::within(latency_s, NO_PERCENTILES));
    }
    let units_in_flight = row.concurrency? * row.units_per_job.unwrap_or(1.0);
    let rate = rate(row);
    Some(Estimate {
        median: units_in_flight / rate.median,
        lo90: units_in_flight / rate.hi90,
        hi90: units_in_flight / rate.lo90,
    })
}

/// The job of `units_per_job` units on `sku` as measured there: the whole node takes
/// D = units per job ÷ throughput for it. Where the latency is not known, that of a node that does
/// one job at a time stands for it: it cannot be less.
pub fn job_on(workload: &str, rate: &SizeRate, units_per_job: f64, sku: &Sku) -> JobOn {
    let rates = rate.units_per_s;
    let unit_s =
        Estimate { median: 1.0 / rates.median, lo90: 1.0 / rates.hi90, hi90: 1.0 / rates.lo90 };
    let from = rate.sources.join("; ");
    let (origin, how, predicted_from) = match rate.predicted {
        false => (Origin::Imported, format!("1 ÷ throughput, imported: {from}"), None),
        true => {
            let how = format!("1 ÷ throughput, predicted by vCPUs or GPUs from {from}");
            (Origin::Predicted, how, Some(from))
        }
    };
    let gpus = if rate.device == Device::Gpu { 1.0 } else { 0.0 };
    let stage = StageOn {
        label: format!("1 {workload}"),
        calls: units_per_job,
        device_s: unit_s,
        latency_s: rate.latency_s.map_or(unit_s, |r| r.map(|s| s / units_per_job)),
        launch_s: 0.0,
        link_in_s: Estimate::exact(0.0),
        link_out_s: Estimate::exact(0.0),
        beyond_kernel_s: 0.0,
        host_cpu_s: 0.0,
        energy_j: None,
        // The measurement is of the whole VM, so its GPUs count as one.
        gpus_per_job: gpus,
        scatter: 0.0,
        bound: None,
        origin,
        implementation: "imported".into(),
        how,
        predicted_from,
    };
    JobOn {
        stages: vec![stage],
        serial_s: 0.0,
        io_s: Estimate::exact(0.0),
        threads: f64::from(sku.vcpus.max(1)),
        gpus,
        gpus_per_job: 1.0,
        overlap: false,
        at_once: None,
        origin,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(throughput: f64, p10: Option<f64>, p90: Option<f64>) -> Row {
        Row {
            place: "m.csv:2".into(),
            provider: "azure".into(),
            sku: "C8".into(),
            device: Device::Cpu,
            workload: "w".into(),
            unit: "image".into(),
            throughput_per_s: throughput,
            units_per_job: None,
            latency_s: None,
            concurrency: None,
            p10_per_s: p10,
            p90_per_s: p90,
            source: "somebody".into(),
            measured_at: "2026-08".into(),
            notes: String::new(),
        }
    }

    fn close(a: f64, b: f64) {
        assert!((a / b - 1.0).abs() < 1e-5, "{a} is not {b}");
    }

    #[test]
    fn percentiles_become_a_log_normal_interval() {
        // (100/80)^1.283486 = exp(0.223144 · 1.283486) = exp(0.286402) = 1.331628; 100/1.331628.
        let e = rate(&row(100.0, Some(80.0), Some(125.0)));
        close(e.lo90, 75.0961);
        close(e.hi90, 133.1628);
        // Narrow percentiles of one VM do not make it surer than ×1.1.
        let e = rate(&row(100.0, Some(99.0), Some(100.0)));
        close(e.lo90, 100.0 / 1.1);
        close(e.hi90, 110.0);
        let e = rate(&row(100.0, None, None));
        close(e.lo90, 100.0 / 1.3);
        close(e.hi90, 130.0);
    }

    #[test]
    fn several_rows_give_their_median_and_an_interval_that_holds_all() {
        let rows = [row(100.0, None, None), row(400.0, None, None), row(100.0, None, None)];
        let found = workloads(&rows);
        let size = &found[0].sizes[0];
        // The repeated row is one measurement: √(100 · 400) = 200; 100/1.3 to 400 · 1.3.
        assert_eq!(size.measurements, 2);
        close(size.units_per_s.median, 200.0);
        close(size.units_per_s.lo90, 76.923_08);
        close(size.units_per_s.hi90, 520.0);
        assert_eq!(size.latency_s, None);
    }

    #[test]
    fn latency_is_as_given_or_follows_from_the_jobs_in_flight() {
        let given = Row { latency_s: Some(2.0), ..row(100.0, None, None) };
        close(workloads(&[given])[0].sizes[0].latency_s.expect("given").median, 2.0);
        // 8 jobs of 50 images in flight at 100 images a second: 8 · 50 / 100 = 4 s.
        let flight =
            Row { concurrency: Some(8.0), units_per_job: Some(50.0), ..row(100.0, None, None) };
        close(workloads(&[flight])[0].sizes[0].latency_s.expect("derived").median, 4.0);
    }
}
