//! Which rows a picture is about: one pass over a record, the fastest verified implementation of each.

use std::collections::HashMap;

use breakeven_kernels::work::{DeviceInfo, DeviceKind};

use super::words::{case_labels, rate_unit};
use crate::record::{Record, Row, Series, Status, Time};

/// What a line of a picture stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// One call, host memory to host memory.
    EndToEnd,
    /// Device work alone, back to back.
    Kernel,
}

/// A measured size.
#[derive(Debug, Clone, Copy)]
pub struct Point<'r> {
    pub size: f64,
    pub row: &'r Row,
    pub time: &'r Time,
}

impl Point<'_> {
    /// Useful work a second: by the median, and by the ends of its 95 % interval.
    pub fn rate(&self) -> [f64; 3] {
        let [median, lo, hi] = interval(self.time);
        [median, hi, lo].map(|t| self.row.work.useful / t)
    }
}

/// The sizes of one series on one device, smallest first.
pub struct Lane<'r> {
    pub device: &'r DeviceInfo,
    pub mode: Mode,
    pub points: Vec<Point<'r>>,
}

/// The lanes of one series.
pub struct Curve<'r> {
    pub series: &'r Series,
    /// What is fixed in it, as far as it tells it from the record's other series.
    pub label: String,
    /// Unit of the rate without prefix: `FLOP/s`.
    pub unit: String,
    pub lanes: Vec<Lane<'r>>,
}

impl<'r> Curve<'r> {
    pub fn measured(&self, kind: DeviceKind) -> bool {
        self.lanes.iter().any(|lane| lane.device.kind == kind)
    }

    /// Of the devices of a kind, the fastest end to end at each size, smallest size first.
    pub fn best(&self, kind: DeviceKind) -> Vec<Point<'r>> {
        let lanes = self.lanes.iter();
        let mut best: Vec<Point> = Vec::new();
        for lane in lanes.filter(|l| l.device.kind == kind && l.mode == Mode::EndToEnd) {
            lane.points.iter().for_each(|point| keep_faster(&mut best, *point));
        }
        best.sort_by(|a, b| a.size.total_cmp(&b.size));
        best
    }
}

/// A row and a time of it that a picture can use.
pub struct Timed<'r> {
    pub row: &'r Row,
    pub time: &'r Time,
}

/// Median and the ends of its interval; where these cannot be, the median alone.
pub fn interval(time: &Time) -> [f64; 3] {
    let median = time.median_s;
    let end = |v: f64, fine: bool| if v.is_finite() && v > 0.0 && fine { v } else { median };
    let (lo, hi) = (time.ci95_lo_s, time.ci95_hi_s);
    [median, end(lo, lo <= median), end(hi, hi >= median)]
}

fn usable(time: &Time) -> bool {
    time.median_s.is_finite() && time.median_s > 0.0
}

fn keep_faster<'r>(points: &mut Vec<Point<'r>>, new: Point<'r>) {
    match points.iter_mut().find(|p| p.size == new.size) {
        Some(old) if old.time.median_s <= new.time.median_s => {}
        Some(old) => *old = new,
        None => points.push(new),
    }
}

/// Devices by id.
pub fn devices(record: &Record) -> HashMap<&str, &DeviceInfo> {
    record.header.env.devices.iter().map(|d| (d.info.id.as_str(), &d.info)).collect()
}

/// Every series with at least two measured sizes on one device, in file order. Software adapters are
/// no GPUs and are left out.
pub fn curves(record: &Record) -> Vec<Curve<'_>> {
    let devices = devices(record);
    let mut index: HashMap<&str, usize> = HashMap::new();
    let mut curves: Vec<Curve> = Vec::new();
    for row in record.rows.iter().filter(|row| row.status == Status::Ok && row.family != "peak") {
        let device = devices.get(row.device.as_str());
        let (Some(series), Some(device)) = (&row.series, device) else { continue };
        let counted = row.work.useful.is_finite() && row.work.useful > 0.0;
        if device.kind == DeviceKind::SoftwareGpu || !counted || !series.value.is_finite() {
            continue;
        }
        let at = *index.entry(&series.key).or_insert_with(|| {
            let unit = rate_unit(&row.work.useful_unit);
            curves.push(Curve { series, label: String::new(), unit, lanes: Vec::new() });
            curves.len() - 1
        });
        let gpu = device.kind == DeviceKind::Gpu;
        let kernel = row.times.kernel_warm.as_ref().filter(|_| gpu);
        let times = [(Mode::EndToEnd, row.times.end_to_end.as_ref()), (Mode::Kernel, kernel)];
        for (mode, time) in times {
            let Some(time) = time.filter(|t| usable(t)) else { continue };
            let lanes = &mut curves[at].lanes;
            let here = |lane: &Lane| lane.device.id == device.id && lane.mode == mode;
            let lane = lanes.iter().position(here).unwrap_or_else(|| {
                lanes.push(Lane { device, mode, points: Vec::new() });
                lanes.len() - 1
            });
            keep_faster(&mut lanes[lane].points, Point { size: series.value, row, time });
        }
    }
    for lane in curves.iter_mut().flat_map(|curve| &mut curve.lanes) {
        lane.points.sort_by(|a, b| a.size.total_cmp(&b.size));
    }
    let keys: Vec<&str> = curves.iter().map(|curve| curve.series.key.as_str()).collect();
    for (curve, label) in curves.iter_mut().zip(case_labels(&keys)) {
        curve.label = label;
    }
    curves.retain(|curve| curve.lanes.iter().any(|lane| lane.points.len() > 1));
    curves
}

/// Of each case on each device that `wanted` takes, the fastest row by `time`, in file order.
pub fn fastest<'r>(
    record: &'r Record,
    wanted: impl Fn(&Row, &DeviceInfo) -> bool,
    time: impl Fn(&'r Row) -> Option<&'r Time>,
) -> Vec<Timed<'r>> {
    let devices = devices(record);
    let mut index: HashMap<(&str, &str), usize> = HashMap::new();
    let mut found: Vec<Timed> = Vec::new();
    for row in record.rows.iter().filter(|row| row.status == Status::Ok) {
        let Some(device) = devices.get(row.device.as_str()).copied() else { continue };
        let time = time(row).filter(|time| usable(time) && wanted(row, device));
        let Some(time) = time else { continue };
        let new = Timed { row, time };
        match index.get(&(row.case_key.as_str(), device.id.as_str())) {
            Some(at) if found[*at].time.median_s <= time.median_s => {}
            Some(at) => found[*at] = new,
            None => {
                index.insert((&row.case_key, &device.id), found.len());
                found.push(new);
            }
        }
    }
    found
}

/// Short names of the cases of these rows, told apart by what differs among them.
pub fn labels(rows: &[Timed]) -> Vec<String> {
    let keys: Vec<&str> = rows.iter().map(|t| t.row.case_key.as_str()).collect();
    case_labels(&keys)
}
