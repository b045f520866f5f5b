//! What was measured, indexed by device: exact cases, series to go along, and several runs of one
//! machine made into one.

use std::collections::HashMap;

use breakeven_kernels::work::{DeviceInfo, DeviceKind};

use super::along;
use super::interval::{Circumstances, pooled};
use super::peaks::{self, Peaks};
use super::{Estimate, Origin};
use crate::catalog::Catalog;
use crate::record::{Environment, Header, Record, Row, Series, Status, Time};
use crate::workload::StageCase;

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

/// A device in one environment, with all that the records of that environment have of it.
#[derive(Debug, Clone)]
pub struct MeasuredDevice<'a> {
    /// What the backend said.
    pub info: &'a DeviceInfo,
    /// Machine it was in.
    pub env: &'a Environment,
    /// Catalog peaks; `None` for a GPU that the catalog does not know.
    pub peaks: Option<Peaks>,
    /// The catalog's name of a GPU or MIG instance; `None` for a CPU and an unknown chip.
    pub gpu_model: Option<String>,
    /// Verified and timed rows, as in the records.
    pub rows: Vec<&'a Row>,
    env_key: &'a str,
    /// The record behind each row.
    headers: Vec<&'a Header>,
    known: Vec<Known<'a>>,
    fastest: Vec<&'a Row>,
    by_case: HashMap<&'a str, Vec<usize>>,
    by_series: HashMap<&'a str, Vec<usize>>,
}

/// A case by one implementation, over all runs.
#[derive(Debug, Clone)]
struct Known<'a> {
    /// The newest row.
    row: &'a Row,
    runs: usize,
    pipelined_s: Estimate,
    end_to_end_s: Estimate,
    kernel_s: Estimate,
}

/// Times of one call of a case on a measured device, by one verified implementation.
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
    /// Joules of one call by the device's counter; `None` where none was read there.
    pub energy_j: Option<f64>,
    /// Launches of one call.
    pub launches: f64,
    /// How much the calls of one run differ: squared coefficient of variation of one call's time.
    pub scatter: f64,
    /// Measured, or interpolated (extrapolated batches of items among them; `how` tells).
    pub origin: Origin,
    /// In words.
    pub how: String,
}

/// Devices of all records; software Vulkan adapters are left out. Records of one environment
/// (`env_key`) and device are one device.
pub fn devices<'a>(
    records: impl IntoIterator<Item = &'a Record>,
    catalog: &Catalog,
) -> Vec<MeasuredDevice<'a>> {
    let mut found: Vec<MeasuredDevice> = Vec::new();
    for record in records {
        for device in &record.header.env.devices {
            if device.info.kind != DeviceKind::SoftwareGpu {
                MeasuredDevice::add(&mut found, record, &device.info, &device.env_key, catalog);
            }
        }
    }
    for device in &mut found {
        device.index();
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

/// Whether `series` is the one with this key; a suite may write the axis as `input.pairs`.
pub fn is_series(series: &Series, key: &str, axis: &str) -> bool {
    series.key == key && series.axis.rsplit('.').next() == Some(axis)
}

impl<'a> MeasuredDevice<'a> {
    /// Puts the rows of `info` in `record` to the device of the same environment, or to a new one.
    fn add(
        found: &mut Vec<Self>,
        record: &'a Record,
        info: &'a DeviceInfo,
        env_key: &'a str,
        catalog: &Catalog,
    ) {
        let ok = |r: &&Row| r.device == info.id && r.status == Status::Ok;
        let rows: Vec<&Row> = record.rows.iter().filter(ok).collect();
        if rows.is_empty() {
            return;
        }
        let env = &record.header.env;
        let headers = vec![&record.header; rows.len()];
        let same =
            |d: &&mut Self| !env_key.is_empty() && d.env_key == env_key && d.info.id == info.id;
        if let Some(known) = found.iter_mut().find(same) {
            // The same run given twice is one run.
            if known.headers.iter().any(|h| h.run.id == record.header.run.id) {
                return;
            }
            known.rows.extend(rows);
            known.headers.extend(headers);
            return;
        }
        let gpu = info.kind == DeviceKind::Gpu;
        found.push(Self {
            info,
            env,
            peaks: if gpu {
                Peaks::of_measured_gpu(info, env, catalog)
            } else {
                Some(Peaks::of_measured_cpu(info, env, catalog))
            },
            gpu_model: peaks::gpu_model(info, catalog),
            rows,
            env_key,
            headers,
            known: Vec::new(),
            fastest: Vec::new(),
            by_case: HashMap::new(),
            by_series: HashMap::new(),
        });
    }

    /// How efficiency is timed on this device: of a GPU the kernel, of a CPU the whole call.
    pub fn efficiency_mode(&self) -> Mode {
        if self.info.kind == DeviceKind::Gpu { Mode::Kernel } else { Mode::Pipelined }
    }

    /// Of the rows of one case, implementation and amount of work, the one that is fastest in
    /// [`Self::efficiency_mode`].
    pub fn fastest_rows(&self) -> &[&'a Row] {
        &self.fastest
    }

    fn index_fastest(&mut self) {
        let mode = self.efficiency_mode();
        let mut at: HashMap<(&str, &str, u64), usize> = HashMap::new();
        let time_s = |row| time_of(row, mode).map(|time| time.median_s);
        for row in &self.rows {
            let Some(time) = time_s(row) else { continue };
            let key = (row.case_key.as_str(), row.implementation.as_str(), row.work.ops.to_bits());
            match at.get(&key).map(|at| &mut self.fastest[*at]) {
                Some(best) if time_s(best).is_some_and(|best| best <= time) => {}
                Some(best) => *best = row,
                None => {
                    at.insert(key, self.fastest.len());
                    self.fastest.push(row);
                }
            }
        }
    }

    /// Makes one of the rows that are of one case and implementation.
    fn index(&mut self) {
        self.index_fastest();
        let mut groups: Vec<Vec<usize>> = Vec::new();
        let mut at: HashMap<(&str, &str), usize> = HashMap::new();
        for (number, row) in self.rows.iter().enumerate() {
            let key = (row.case_key.as_str(), row.implementation.as_str());
            let group = *at.entry(key).or_insert_with(|| {
                groups.push(Vec::new());
                groups.len() - 1
            });
            groups[group].push(number);
        }
        for group in groups {
            let Some(known) = self.known_of(&group) else { continue };
            let number = self.known.len();
            self.by_case.entry(&known.row.case_key).or_default().push(number);
            if let Some(series) = &known.row.series {
                self.by_series.entry(&series.key).or_default().push(number);
            }
            self.known.push(known);
        }
    }

    /// The rows at `numbers` as one; `None` where none has all times. Runs of another version than
    /// the newest run's are left out, for its kernels may have been others.
    fn known_of(&self, numbers: &[usize]) -> Option<Known<'a>> {
        let run = |n: usize| &self.headers[n].run;
        let newest = numbers.iter().copied().max_by_key(|n| &run(*n).started_at)?;
        let counts = |n: &&usize| run(**n).tool_version == run(newest).tool_version;
        let runs = || numbers.iter().filter(counts);
        let of = |mode| pooled(runs().filter_map(|n| self.interval(*n, mode)));
        Some(Known {
            row: self.rows[newest],
            runs: runs().count(),
            pipelined_s: of(Mode::Pipelined)?,
            end_to_end_s: of(Mode::EndToEnd)?,
            kernel_s: of(Mode::Kernel)?,
        })
    }

    /// The interval of the row at `number`, under the circumstances of its own record.
    fn interval(&self, number: usize, mode: Mode) -> Option<Estimate> {
        let row = self.rows[number];
        let cpu = self.info.kind == DeviceKind::Cpu;
        let under = Circumstances::of(row, &self.headers[number].env, self.info.threads, cpu);
        // The host's load can slow all of a GPU's call but the kernel.
        let kernel_s = time_of(row, Mode::Kernel).filter(|_| !cpu).map_or(0.0, |t| t.median_s);
        Some(under.interval(time_of(row, mode)?, kernel_s))
    }

    /// The case's time on this device by its fastest implementation: measured, else interpolated
    /// along a series, else extrapolated where the series counts items.
    pub fn time(&self, family: &str, case: &StageCase) -> Option<Timed> {
        fastest(self.times(family, case))
    }

    /// One time per implementation, all of the surest kind that this device has.
    pub fn times(&self, family: &str, case: &StageCase) -> Vec<Timed> {
        let exact = self.by_case.get(case.case_key.as_str()).into_iter().flatten();
        let exact: Vec<Timed> = exact
            .map(|n| &self.known[*n])
            .filter(|k| k.row.family == family)
            .map(Known::measured)
            .collect();
        if !exact.is_empty() {
            return exact;
        }
        let mut found: Vec<(Timed, bool)> = Vec::new();
        for (key, axis, value) in &case.series {
            for (timed, inside) in self.along(family, key, axis, *value) {
                let same = |(t, _): &&mut (Timed, bool)| t.implementation == timed.implementation;
                match found.iter_mut().find(same) {
                    // Along several series at once: inside before outside, then the surer one.
                    Some(known) => {
                        let width = |t: &Timed| t.pipelined_s.hi90 / t.pipelined_s.lo90;
                        let better = (!inside, width(&timed)) < (!known.1, width(&known.0));
                        if better {
                            *known = (timed, inside);
                        }
                    }
                    None => found.push((timed, inside)),
                }
            }
        }
        let any_inside = found.iter().any(|(_, inside)| *inside);
        found.retain(|(_, inside)| *inside == any_inside);
        found.into_iter().map(|(timed, _)| timed).collect()
    }

    /// One time along the series per implementation that has it, and whether inside its range.
    fn along(&self, family: &str, key: &str, axis: &str, value: f64) -> Vec<(Timed, bool)> {
        let mut members: Vec<(f64, &Known)> = self
            .by_series
            .get(key)
            .into_iter()
            .flatten()
            .map(|n| &self.known[*n])
            .filter(|k| k.row.family == family)
            .filter_map(|k| {
                let series = k.row.series.as_ref().filter(|s| is_series(s, key, axis))?;
                Some((series.value, k))
            })
            .collect();
        members.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut names: Vec<&str> =
            members.iter().map(|(_, k)| k.row.implementation.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        let of = |name: &str| -> Vec<(f64, &Known)> {
            let own = members.iter().filter(|(_, k)| k.row.implementation == name);
            let mut own: Vec<(f64, &Known)> = own.copied().collect();
            own.dedup_by_key(|(value, _)| *value);
            own
        };
        names.into_iter().filter_map(|name| from_members(&of(name), axis, value)).collect()
    }
}

impl Known<'_> {
    fn measured(&self) -> Timed {
        Timed {
            pipelined_s: self.pipelined_s,
            end_to_end_s: self.end_to_end_s,
            kernel_s: self.kernel_s,
            implementation: self.row.implementation.clone(),
            host_cpu_s: self.row.host_cpu_s,
            energy_j: self.row.energy_j,
            launches: f64::from(self.row.launches),
            scatter: scatter(self.row),
            origin: Origin::Measured,
            how: match self.runs {
                1 => "measured".into(),
                n => format!("measured, {n} runs pooled"),
            },
        }
    }
}

/// Squared coefficient of variation of one call, from samples that are means of several calls,
/// which are taken as independent: variance of a sample · calls in it ÷ mean².
fn scatter(row: &Row) -> f64 {
    let Some(time) = time_of(row, Mode::EndToEnd).filter(|t| t.mean_s > 0.0) else { return 0.0 };
    (time.stdev_s / time.mean_s).powi(2) * f64::from(time.iterations_per_sample.max(1))
}

/// The time at `value` from the members of one implementation's series, sorted by value, and
/// whether it lies inside their range.
fn from_members(members: &[(f64, &Known)], axis: &str, value: f64) -> Option<(Timed, bool)> {
    let items = members.iter().all(|(v, k)| (k.row.work.items / v - 1.0).abs() < 1e-9);
    let inside = members.first()?.0 <= value && value <= members.last()?.0;
    let at = |of: fn(&Known) -> Estimate| {
        let points: Vec<along::Point> = members.iter().map(|(v, k)| (*v, of(k))).collect();
        if inside {
            along::inside(&points, value, items)
        } else {
            items.then(|| along::beyond(&points, value)).flatten()
        }
    };
    let distance = |v: f64| (v / value).ln().abs();
    let nearest = members.iter().min_by(|a, b| distance(a.0).total_cmp(&distance(b.0)))?;
    let word = if inside { "interpolated log–log" } else { "extrapolated as t0 + N/r" };
    let timed = Timed {
        pipelined_s: at(|k| k.pipelined_s)?,
        end_to_end_s: at(|k| k.end_to_end_s)?,
        kernel_s: at(|k| k.kernel_s)?,
        implementation: nearest.1.row.implementation.clone(),
        host_cpu_s: nearest.1.row.host_cpu_s.map(|s| s * value / nearest.0),
        energy_j: None,
        launches: f64::from(nearest.1.row.launches),
        scatter: scatter(nearest.1.row),
        origin: Origin::Interpolated,
        how: format!("{word} along {axis} from {} measured sizes", members.len()),
    };
    Some((timed, inside))
}

/// The fastest of several implementations by the median of throughput time.
///
/// Where the interval of another overlaps its own, the choice may be chance: then the interval
/// also holds the other's lower end (it may be the faster) and median (it may have to serve).
pub fn fastest(times: Vec<Timed>) -> Option<Timed> {
    let by_median = |a: &&Timed, b: &&Timed| {
        a.pipelined_s
            .median
            .total_cmp(&b.pipelined_s.median)
            .then(a.implementation.cmp(&b.implementation))
    };
    let best = times.iter().min_by(by_median)?.clone();
    let mut all = best.clone();
    let tied: Vec<&Timed> = times
        .iter()
        .filter(|t| t.implementation != best.implementation)
        .filter(|t| t.pipelined_s.lo90 <= best.pipelined_s.hi90)
        .collect();
    for other in &tied {
        let hold = |own: &mut Estimate, other: &Estimate| {
            own.lo90 = own.lo90.min(other.lo90);
            own.hi90 = own.hi90.max(other.median);
        };
        hold(&mut all.pipelined_s, &other.pipelined_s);
        hold(&mut all.end_to_end_s, &other.end_to_end_s);
        hold(&mut all.kernel_s, &other.kernel_s);
    }
    if !tied.is_empty() {
        let names: Vec<&str> = tied.iter().map(|t| t.implementation.as_str()).collect();
        all.how = format!("{}, tied with {}", all.how, names.join(" and "));
    }
    Some(all)
}

/// The times of one case on several devices of one kind, made one per implementation: medians
/// pooled, intervals joined. Used where records of one VM size came from different environments.
/// Only the surest kind counts: what one machine measured is not blurred by what was interpolated
/// for another.
pub fn across(devices: impl IntoIterator<Item = Vec<Timed>>) -> Vec<Timed> {
    let all: Vec<Timed> = devices.into_iter().flatten().collect();
    let surest = all.iter().map(|t| t.origin).min();
    let mut groups: Vec<Vec<Timed>> = Vec::new();
    for timed in all.into_iter().filter(|t| Some(t.origin) == surest) {
        match groups.iter_mut().find(|g| g[0].implementation == timed.implementation) {
            Some(group) => group.push(timed),
            None => groups.push(vec![timed]),
        }
    }
    groups.into_iter().filter_map(joined).collect()
}

fn joined(group: Vec<Timed>) -> Option<Timed> {
    let of = |mode: fn(&Timed) -> Estimate| pooled(group.iter().map(mode));
    let first = group.first()?;
    let machines = match group.len() {
        1 => String::new(),
        n => format!(", {n} machines pooled"),
    };
    Some(Timed {
        pipelined_s: of(|t| t.pipelined_s)?,
        end_to_end_s: of(|t| t.end_to_end_s)?,
        kernel_s: of(|t| t.kernel_s)?,
        how: format!("{}{machines}", first.how),
        ..first.clone()
    })
}
