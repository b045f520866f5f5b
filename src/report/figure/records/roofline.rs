//! How close each case comes to what its device can do, by roofs measured in the same record.
//!
//! S. Williams, A. Waterman, D. Patterson: Roofline, CACM 52(4), 2009: attainable operations a second
//! are the lower of the arithmetic roof and the memory roof times the operations per byte.

use std::collections::BTreeMap;

use breakeven_kernels::work::{DeviceInfo, DeviceKind, OpKind};

use super::select::{Timed, devices, fastest, labels};
use super::words::{name, prefix};
use crate::record::{Record, Row, Time};
use crate::report::Table;
use crate::report::figure::Figure;
use crate::report::figure::paint::{Look, Paint};
use crate::report::figure::plot::{
    Axis, LINE, Labels, MARKS, Mark, Plot, legend, room_for, room_for_names,
};
use crate::report::figure::scale::Scale;
use crate::report::figure::sheet::{Area, Place, Sheet, TEXT, WIDTH};
use crate::report::figure::text::fitted;
use crate::report::numbers::{count, percent};
use crate::units::{bytes, si, three_digits};

const HEIGHT: f64 = 330.0;
/// Cases of one picture.
const MOST_POINTS: usize = 60;
/// Names of cases in it, where there is room.
const MOST_NAMES: usize = 8;
/// Above the roof by more than this is no rounding and no noise.
const SUSPICIOUS: f64 = 1.02;

/// What a device was measured to do at most.
struct Roofs {
    /// Operations a second by kind of arithmetic.
    ops_per_s: BTreeMap<OpKind, f64>,
    bytes_per_s: f64,
}

impl Roofs {
    /// The roof over `kind`, over TF32 that of f32 where `device` has no tensor cores for it.
    fn over(&self, kind: OpKind, device: &DeviceInfo) -> Option<f64> {
        let as_f32 = kind == OpKind::Tf32 && device.compute_capability.is_none_or(|c| c < (8, 0));
        self.ops_per_s.get(if as_f32 { &OpKind::F32 } else { &kind }).copied()
    }
}

struct Point<'r> {
    timed: &'r Timed<'r>,
    label: String,
    /// Operations per byte that must be touched.
    intensity: f64,
    ops_per_s: f64,
    /// Share of the roof above it.
    share: f64,
}

/// The devices that a picture can be made of: with a memory roof, and no software adapters.
pub fn drawable(record: &Record) -> Vec<&DeviceInfo> {
    let all = record.header.env.devices.iter().map(|d| &d.info);
    all.filter(|d| d.kind != DeviceKind::SoftwareGpu && roofs(record, &d.id).is_some()).collect()
}

fn warm(row: &Row) -> Option<&Time> {
    row.times.kernel_warm.as_ref()
}

/// From the rows of `peak`; `None` without memory bandwidth or without any arithmetic.
fn roofs(record: &Record, device: &str) -> Option<Roofs> {
    let here = |row: &Row, _: &DeviceInfo| row.family == "peak" && row.device == device;
    let (mut ops_per_s, mut bytes_per_s) = (BTreeMap::new(), 0.0);
    for Timed { row, time, .. } in fastest(record, here, warm) {
        let probe =
            |kind: &str| row.case_key.split(' ').any(|p| p.strip_prefix("kind=") == Some(kind));
        let (ops, bytes) = (row.work.ops / time.median_s, row.work.bytes_touched / time.median_s);
        if (probe("fma") || probe("int")) && ops.is_finite() && ops > 0.0 {
            let best: &mut f64 = ops_per_s.entry(row.work.op_kind).or_insert(0.0);
            *best = best.max(ops);
        } else if probe("memory") && bytes.is_finite() {
            bytes_per_s = f64::max(bytes_per_s, bytes);
        }
    }
    (bytes_per_s > 0.0 && !ops_per_s.is_empty()).then_some(Roofs { ops_per_s, bytes_per_s })
}

/// The picture of one device; `None` where no case has a roof.
pub fn figure(id: String, record: &Record, device: &str) -> Option<Figure> {
    let roofs = roofs(record, device)?;
    let info = *devices(record).get(device)?;
    let here = |row: &Row, _: &DeviceInfo| row.family != "peak" && row.device == device;
    let timed = fastest(record, here, warm);
    let names = labels(&timed);
    let all: Vec<Point> = timed
        .iter()
        .zip(names)
        .filter_map(|(t, label)| point(t, label, roofs.over(t.row.work.op_kind, info)?, &roofs))
        .collect();
    let points = &all[..all.len().min(MOST_POINTS)];
    if points.is_empty() {
        return None;
    }
    let title =
        format!("How close does {} ({}) come to its roofs?", name(&info.name), name(device));
    let finding = finding(&roofs, points, timed.len() - all.len(), all.len() - points.len());
    let svg = draw(&roofs, points).finish(&id, &title, &finding);
    Some(Figure { id, title, finding, svg, table: table(points) })
}

fn point<'r>(timed: &'r Timed<'r>, label: String, roof: f64, roofs: &Roofs) -> Option<Point<'r>> {
    let work = &timed.row.work;
    let (intensity, ops_per_s) = (work.ops / work.bytes_touched, work.ops / timed.time.median_s);
    let share = ops_per_s / roof.min(intensity * roofs.bytes_per_s);
    let drawable = |v: f64| v.is_finite() && v > 0.0;
    let fine = drawable(intensity) && drawable(ops_per_s) && drawable(share);
    fine.then_some(Point { timed, label, intensity, ops_per_s, share })
}

fn finding(roofs: &Roofs, points: &[Point], without: usize, left_out: usize) -> String {
    let (above, below): (Vec<&Point>, Vec<&Point>) =
        points.iter().partition(|p| p.share > SUSPICIOUS);
    let kinds = roofs.ops_per_s.iter();
    let kinds: Vec<String> =
        kinds.map(|(kind, roof)| format!("{} {}", op_name(*kind), si(*roof, "op/s"))).collect();
    let mut told = vec![format!(
        "Measured roofs: {}, memory {}.",
        kinds.join(", "),
        si(roofs.bytes_per_s, "B/s")
    )];
    told.extend(reached(&below));
    if let Some(first) = above.first() {
        told.push(format!(
            "Suspicious: {} above the roof ({}{}); data that stays in a cache, a wrong count of work, \
             or a roof measured too low.",
            if above.len() == 1 { "1 case is".into() } else { format!("{} cases are", above.len()) },
            first.label,
            if above.len() > 1 { " among them" } else { "" }
        ));
    }
    if without > 0 {
        told.push(format!(
            "Left out: {} without a roof for its arithmetic.",
            count(without, "case")
        ));
    }
    if left_out > 0 {
        told.push(format!("Not drawn: {}.", count(left_out, "more case")));
    }
    told.join(" ")
}

/// The closest to its roof and the farthest from it.
fn reached(points: &[&Point]) -> Option<String> {
    let by = |a: &&&Point, b: &&&Point| a.share.total_cmp(&b.share);
    let (least, most) = (points.iter().min_by(by)?, points.iter().max_by(by)?);
    Some(match points.len() {
        1 => format!(
            "One case is below them, {}, with {} of its roof.",
            most.label,
            percent(most.share)
        ),
        n => format!(
            "Of {n} cases below them {} comes closest, with {} of its roof, and {} least close, with {}.",
            most.label,
            percent(most.share),
            least.label,
            percent(least.share)
        ),
    })
}

fn op_name(kind: OpKind) -> &'static str {
    match kind {
        OpKind::F32 => "f32",
        OpKind::Bf16 => "bf16",
        OpKind::Tf32 => "tf32",
        OpKind::Int8 => "int8",
        OpKind::Int16 => "int16",
        OpKind::Int32 => "int32",
        OpKind::Opaque => "unknown",
    }
}

fn draw(roofs: &Roofs, points: &[Point]) -> Sheet {
    let mut families: Vec<&str> = Vec::new();
    for point in points {
        if !families.contains(&point.timed.row.family.as_str()) {
            families.push(&point.timed.row.family);
        }
    }
    let mark = |family: &str| {
        let at = families.iter().position(|f| *f == family).unwrap_or(0);
        Mark { look: Look::Plain, ..MARKS[at.min(MARKS.len() - 1)] }
    };
    // Beyond the marks, the last stands for the rest.
    let shown = families.iter().take(MARKS.len()).enumerate().map(|(n, family)| {
        let rest = families.len() > MARKS.len() && n + 1 == MARKS.len();
        (mark(family), if rest { "other families".to_owned() } else { name(family) })
    });
    let mut sheet = Sheet::new(0.0);
    let top = legend(&mut sheet, 4.0, &shown.collect::<Vec<_>>(), false) + 4.0 + 2.0 * LINE;
    let highest = roofs.ops_per_s.values().copied().fold(0.0, f64::max);
    let (unit, sign) = prefix(highest);
    let ridge = |roof: f64| roof / roofs.bytes_per_s;
    let ridges = roofs.ops_per_s.values().map(|roof| ridge(*roof));
    let x = Scale::log(
        points.iter().map(|p| p.intensity).chain(ridges.flat_map(|r| [r / 2.0, r * 2.0])),
    );
    let tops = roofs.ops_per_s.values().copied().chain([highest * 1.6]);
    let y = Scale::log(points.iter().map(|p| p.ops_per_s).chain(tops).map(|v| v / unit));
    let y_ticks = y.ticks(6);
    let left = room_for(&y_ticks);
    // Named beside the axes, in their unit: among the points there is no room.
    let ends: Vec<(f64, String)> = roofs
        .ops_per_s
        .iter()
        .map(|(kind, roof)| {
            (roof / unit, format!("{} {}", op_name(*kind), three_digits(roof / unit)))
        })
        .collect();
    let area =
        Area { x: left, y: top, width: WIDTH - left - room_for_names(&ends), height: HEIGHT };
    let plot = Plot { area, x, y };
    plot.frame(
        &mut sheet,
        0.0,
        &Axis { ticks: x.ticks(6), title: "operations per byte touched (log scale)" },
        &Axis { ticks: y_ticks, title: &format!("{sign}op/s, device work only (log scale)") },
    );
    draw_roofs(&mut sheet, &plot, roofs, unit);
    plot.end_labels(&mut sheet, &ends);
    draw_points(&mut sheet, &plot, roofs, points, (unit, mark));
    sheet.set_height(area.bottom() + 54.0);
    sheet
}

/// The cases, those above a roof ringed, with the names for which there is room.
fn draw_points(
    sheet: &mut Sheet,
    plot: &Plot,
    roofs: &Roofs,
    points: &[Point],
    (unit, mark): (f64, impl Fn(&str) -> Mark),
) {
    let mut labels = Labels::new(plot.area);
    for point in points {
        labels.keep_point_clear(plot.at(point.intensity, point.ops_per_s / unit));
    }
    let named = |sheet: &mut Sheet, labels: &mut Labels, point: &Point| {
        let at = plot.at(point.intensity, point.ops_per_s / unit);
        labels.name(sheet, at, &fitted(&point.label, 240.0, TEXT));
    };
    // Roofs may be crossed by the names of those above them, but by no other.
    let (above, mut below): (Vec<&Point>, Vec<&Point>) =
        points.iter().partition(|p| p.share > SUSPICIOUS);
    above.into_iter().take(2).for_each(|point| named(sheet, &mut labels, point));
    name_roofs(sheet, plot, roofs, unit, &mut labels);
    for point in points {
        let at = plot.at(point.intensity, point.ops_per_s / unit);
        let mark = mark(&point.timed.row.family);
        sheet.marker(at, mark.marker, mark.paint);
        if point.share > SUSPICIOUS {
            sheet.circle(at, 9.0, Paint::Ink, false);
        }
    }
    // The farthest from its roof and the closest first.
    below.sort_by(|a, b| (b.share - 0.5).abs().total_cmp(&(a.share - 0.5).abs()));
    below.into_iter().take(MOST_NAMES).for_each(|point| named(sheet, &mut labels, point));
}

/// The ends of the memory roof: from the edge up to the highest arithmetic roof.
fn diagonal(plot: &Plot, roofs: &Roofs, unit: f64) -> (Place, Place) {
    let ((x_lo, _), (y_lo, _)) = (plot.x.ends(), plot.y.ends());
    let bandwidth = roofs.bytes_per_s / unit;
    let highest = roofs.ops_per_s.values().copied().fold(0.0, f64::max) / unit;
    let start = x_lo.max(y_lo / bandwidth);
    (plot.at(start, start * bandwidth), plot.at(highest / bandwidth, highest))
}

/// The ends of an arithmetic roof: from the diagonal to the right.
fn level(plot: &Plot, roofs: &Roofs, unit: f64, roof: f64) -> (Place, Place) {
    let (_, x_hi) = plot.x.ends();
    (plot.at(roof / roofs.bytes_per_s, roof / unit), plot.at(x_hi, roof / unit))
}

fn draw_roofs(sheet: &mut Sheet, plot: &Plot, roofs: &Roofs, unit: f64) {
    let (from, to) = diagonal(plot, roofs, unit);
    sheet.line(from, to, Paint::Ink, 2.0);
    for roof in roofs.ops_per_s.values() {
        let (from, to) = level(plot, roofs, unit, *roof);
        sheet.line(from, to, Paint::Ink.with(Look::Dashed), 1.5);
    }
}

/// Names the memory roof where there is room along it, and keeps other names off all roofs.
fn name_roofs(sheet: &mut Sheet, plot: &Plot, roofs: &Roofs, unit: f64, labels: &mut Labels) {
    let (from, to) = diagonal(plot, roofs, unit);
    let along = |share: f64| (from.0 + share * (to.0 - from.0), from.1 + share * (to.1 - from.1));
    for n in 0..32 {
        let (x, y) = along(f64::from(n) / 31.0);
        labels.keep_clear(Area { x: x - 3.0, y: y - 4.0, width: 6.0, height: 8.0 });
    }
    for roof in roofs.ops_per_s.values() {
        let (from, to) = level(plot, roofs, unit, *roof);
        labels.keep_clear(Area { x: from.0, y: from.1 - 2.0, width: to.0 - from.0, height: 4.0 });
    }
    let words = format!("memory {}", si(roofs.bytes_per_s, "B/s"));
    for share in [0.5, 0.7, 0.3, 0.9, 0.1] {
        if labels.name(sheet, along(share), &words) {
            break;
        }
    }
}

fn table(points: &[Point]) -> Table {
    let mut table = Table::new(&[
        "case",
        "implementation",
        "arithmetic",
        ">op per byte",
        ">op/s",
        ">bytes touched",
        ">share of the roof",
    ]);
    for point in points {
        let row = point.timed.row;
        table.row([
            row.case_key.clone(),
            row.implementation.clone(),
            op_name(row.work.op_kind).into(),
            format!("{:.2}", point.intensity),
            si(point.ops_per_s, "op/s"),
            bytes(row.work.bytes_touched),
            percent(point.share),
        ]);
    }
    table
}
