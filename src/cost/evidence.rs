//! What was measured, indexed by device: exact cases, series to interpolate on, and efficiencies.

use breakeven_kernels::work::{DeviceInfo, DeviceKind};

use super::Estimate;
use super::peaks::Peaks;
use crate::catalog::Catalog;
use crate::record::{Environment, Record, Row, Series, Status, Time};
use crate::workload::StageCase;

/// Interval factor of a time interpolated between measured sizes.
const INTERPOLATED: f64 = 1.1;
/// Interval factor of a time extrapolated along item batches.
const EXTRAPOLATED: f64 = 1.3;

/// Which time of a row is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Throughput time: what cost is computed from.
    Pipelined,
    /// One call from host memory to host memory: latency.
    EndToEnd,
    /// Device work only.
    Kernel,
}

/// A device that a record has rows of.
#[derive(Debug, Clone)]
pub struct MeasuredDevice<'a> {
    /// What the backend said.
    pub info: &'a DeviceInfo,
    /// Machine it was in.
    pub env: &'a Environment,
    /// Catalog peaks; `None` for a GPU that the catalog does not know.
    pub peaks: Option<Peaks>,
    /// Verified and timed rows.
    pub rows: Vec<&'a Row>,
}

/// Times of one call of a case on a measured device, by its fastest verified implementation.
#[derive(Debug, Clone, PartialEq)]
pub struct Timed {
    /// Throughput time in seconds.
    pub pipelined_s: Estimate,
    /// Latency in seconds.
    pub end_to_end_s: Estimate,
    /// Device work in seconds.
    pub kernel_s: Estimate,
    /// Who computed it.
    pub implementation: String,
    /// Host CPU-seconds while the device works, where recorded.
    pub host_cpu_s: Option<f64>,
    /// Launches of one call.
    pub launches: f64,
    /// `measured`, or how it was interpolated.
    pub how: String,
}

/// Devices of all records; software Vulkan adapters are left out.
pub fn devices<'a>(records: &'a [Record], catalog: &Catalog) -> Vec<MeasuredDevice<'a>> {
    let mut found = Vec::new();
    for record in records {
        let env = &record.header.env;
        for device in &env.devices {
            let info = &device.info;
            let peaks = match info.kind {
                DeviceKind::Cpu => Some(Peaks::of_measured_cpu(info, env, catalog)),
                DeviceKind::Gpu => Peaks::of_measured_gpu(info, env, catalog),
                DeviceKind::SoftwareGpu => continue,
            };
            let rows: Vec<&Row> = record
                .rows
                .iter()
                .filter(|r| r.device == info.id && r.status == Status::Ok)
                .collect();
            if !rows.is_empty() {
                found.push(MeasuredDevice { info, env, peaks, rows });
            }
        }
    }
    found
}

/// The time of `row` in `mode`, else in a mode that holds more: never one that leaves a part out,
/// or a GPU that ran out of time before its transfers were timed would have none.
pub fn time_of(row: &Row, mode: Mode) -> Option<&Time> {
    let t = &row.times;
    let order: &[&Option<Time>] = match mode {
        Mode::Pipelined => &[&t.pipelined, &t.end_to_end],
        Mode::EndToEnd => &[&t.end_to_end],
        Mode::Kernel => &[&t.kernel_warm, &t.pipelined, &t.end_to_end],
    };
    order.iter().find_map(|time| time.as_ref()).filter(|t| t.median_s > 0.0)
}

impl MeasuredDevice<'_> {
    /// The case's time on this device: measured, else interpolated along a series.
    pub fn time(&self, family: &str, case: &StageCase) -> Option<Timed> {
        let exact = self
            .rows
            .iter()
            .filter(|r| r.family == family && r.case_key == case.case_key)
            .filter_map(|r| exact(r));
        let fastest = |a: &Timed, b: &Timed| a.pipelined_s.median.total_cmp(&b.pipelined_s.median);
        exact.min_by(fastest).or_else(|| {
            case.series
                .iter()
                .flat_map(|(key, axis, value)| self.along(family, key, axis, *value))
                .min_by(fastest)
        })
    }

    /// One interpolated time per implementation that has the series.
    fn along(&self, family: &str, key: &str, axis: &str, value: f64) -> Vec<Timed> {
        let mut by_implementation: Vec<(&str, Vec<&Row>)> = Vec::new();
        for row in self.rows.iter().filter(|r| r.family == family) {
            if row.series.as_ref().is_none_or(|s| !is_series(s, key, axis)) {
                continue;
            }
            match by_implementation.iter_mut().find(|(n, _)| *n == row.implementation) {
                Some((_, rows)) => rows.push(row),
                None => by_implementation.push((&row.implementation, vec![row])),
            }
        }
        by_implementation.iter().filter_map(|(_, rows)| interpolated(rows, axis, value)).collect()
    }
}

/// Whether `series` is the one with this key; a suite may write the axis as `input.pairs`.
pub fn is_series(series: &Series, key: &str, axis: &str) -> bool {
    series.key == key && series.axis.rsplit('.').next() == Some(axis)
}

fn exact(row: &Row) -> Option<Timed> {
    let estimate = |mode| {
        time_of(row, mode).map(|t| Estimate {
            median: t.median_s,
            lo90: if t.ci95_lo_s > 0.0 { t.ci95_lo_s.min(t.median_s) } else { t.median_s },
            hi90: t.ci95_hi_s.max(t.median_s),
        })
    };
    Some(Timed {
        pipelined_s: estimate(Mode::Pipelined)?,
        end_to_end_s: estimate(Mode::EndToEnd)?,
        kernel_s: estimate(Mode::Kernel)?,
        implementation: row.implementation.clone(),
        host_cpu_s: row.host_cpu_s,
        launches: f64::from(row.launches),
        how: "measured".into(),
    })
}

fn interpolated(rows: &[&Row], axis: &str, value: f64) -> Option<Timed> {
    let mut rows: Vec<(f64, &Row)> =
        rows.iter().filter_map(|r| Some((r.series.as_ref()?.value, *r))).collect();
    rows.sort_by(|a, b| a.0.total_cmp(&b.0));
    let items = rows.iter().all(|(v, r)| (r.work.items / v - 1.0).abs() < 1e-9);
    let points = |mode| -> Option<Vec<(f64, f64)>> {
        rows.iter().map(|(v, r)| Some((*v, time_of(r, mode)?.median_s))).collect()
    };
    let inside = rows.first()?.0 <= value && value <= rows.last()?.0;
    let at = |mode| -> Option<Estimate> {
        let points = points(mode)?;
        Some(if inside {
            Estimate::within(log_log(&points, value)?, INTERPOLATED)
        } else if items {
            Estimate::within(batch_line(&points, value)?, EXTRAPOLATED)
        } else {
            return None;
        })
    };
    let nearest =
        rows.iter().min_by(|a, b| (a.0 / value).ln().abs().total_cmp(&(b.0 / value).ln().abs()))?;
    let word = if inside { "interpolated log–log" } else { "extrapolated as t0 + N/r" };
    Some(Timed {
        pipelined_s: at(Mode::Pipelined)?,
        end_to_end_s: at(Mode::EndToEnd)?,
        kernel_s: at(Mode::Kernel)?,
        implementation: nearest.1.implementation.clone(),
        host_cpu_s: nearest.1.host_cpu_s.map(|s| s * value / nearest.0),
        launches: f64::from(nearest.1.launches),
        how: format!("{word} along {axis} from {} measured sizes", rows.len()),
    })
}

/// Time at `x` on the log–log polyline through `points` (sorted by x); `None` outside them.
pub fn log_log(points: &[(f64, f64)], x: f64) -> Option<f64> {
    if let Some((_, t)) = points.iter().find(|(v, _)| *v == x) {
        return Some(*t);
    }
    let pair = points.windows(2).find(|w| w[0].0 < x && x < w[1].0)?;
    let share = (x / pair[0].0).ln() / (pair[1].0 / pair[0].0).ln();
    Some((pair[0].1.ln() + share * (pair[1].1 / pair[0].1).ln()).exp())
}

/// t0 + N/r through the two points nearest to `n` at the end of the range where it lies; t0 is
/// not let below 0, nor 1/r below the time per item of the end point over the whole way.
pub fn batch_line(points: &[(f64, f64)], n: f64) -> Option<f64> {
    let [.., before, last] = points else { return None };
    let (first, after) = (points.first()?, points.get(1)?);
    let (a, b) = if n > last.0 { (before, last) } else { (first, after) };
    let per_item = ((b.1 - a.1) / (b.0 - a.0)).max(0.0);
    let fixed = (b.1 - per_item * b.0).max(0.0);
    let per_item = if fixed == 0.0 { b.1 / b.0 } else { per_item };
    Some(fixed + per_item * n)
}
