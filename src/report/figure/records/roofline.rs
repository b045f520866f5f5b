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
use crate::report::figure::plot::{Axis, LINE, Labels, MARKS, Mark, Plot, apart, legend, room_for};
use crate::report::figure::scale::Scale;
use crate::report::figure::sheet::{Anchor, Area, SMALL, Sheet, WIDTH};
use crate::report::figure::text::{fitted, width};
use crate::report::numbers::{count, percent};
use crate::units::{bytes, si};

const HEIGHT: f64 = 330.0;
/// Cases of one picture.
const MOST_POINTS: usize = 60;
/// Above the roof by more than this is no rounding and no noise.
const SUSPICIOUS: f64 = 1.02;

/// What a device was measured to do at most.
struct Roofs {
    /// Operations a second by kind of arithmetic.
    ops_per_s: BTreeMap<OpKind, f64>,
    bytes_per_s: f64,
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
    let all: Vec<Point> =
        timed.iter().zip(names).filter_map(|(t, label)| point(&roofs, t, label)).collect();
    let without = timed.len() - all.len();
    let points = &all[..all.len().min(MOST_POINTS)];
    let (least, most) = extremes(points)?;
    let title =
        format!("How close does {} ({}) come to its roofs?", name(&info.name), name(device));
    let kinds: Vec<String> = roofs
        .ops_per_s
        .iter()
        .map(|(k, v)| format!("{} {}", op_name(*k), si(*v, "op/s")))
        .collect();
    let mut finding =
        format!("Measured roofs: {}, memory {}. ", kinds.join(", "), si(roofs.bytes_per_s, "B/s"));
    finding += &match points.len() {
        1 => format!("The one case, {}, reaches {} of its roof.", most.label, percent(most.share)),
        n => format!(
            "Of {n} cases {} comes closest, with {} of its roof, and {} least close, with {}.",
            most.label,
            percent(most.share),
            least.label,
            percent(least.share)
        ),
    };
    let above: Vec<&Point> = points.iter().filter(|p| p.share > SUSPICIOUS).collect();
    if let Some(first) = above.first() {
        finding += &format!(
            " Suspicious: {} above the roof ({}{}); data that stays in a cache, a wrong count of work, \
             or a roof measured too low.",
            if above.len() == 1 { "1 is".into() } else { format!("{} are", above.len()) },
            first.label,
            if above.len() > 1 { " among them" } else { "" }
        );
    }
    if without > 0 {
        finding += &format!(" {} without a measured roof left out.", count(without, "case"));
    }
    if all.len() > points.len() {
        finding += &format!(" {} more are not drawn.", all.len() - points.len());
    }
    let svg = draw(&roofs, points).finish(&id, &title, &finding);
    Some(Figure { id, title, finding, svg, table: table(points) })
}

fn point<'r>(roofs: &Roofs, timed: &'r Timed<'r>, label: String) -> Option<Point<'r>> {
    let work = &timed.row.work;
    let roof = roofs.ops_per_s.get(&work.op_kind)?;
    let (intensity, ops_per_s) = (work.ops / work.bytes_touched, work.ops / timed.time.median_s);
    let share = ops_per_s / roof.min(intensity * roofs.bytes_per_s);
    let drawable = |v: f64| v.is_finite() && v > 0.0;
    let fine = drawable(intensity) && drawable(ops_per_s) && drawable(share);
    fine.then_some(Point { timed, label, intensity, ops_per_s, share })
}

fn extremes<'p, 'r>(points: &'p [Point<'r>]) -> Option<(&'p Point<'r>, &'p Point<'r>)> {
    let by = |a: &&Point, b: &&Point| a.share.total_cmp(&b.share);
    Some((points.iter().min_by(by)?, points.iter().max_by(by)?))
}

fn op_name(kind: OpKind) -> &'static str {
    match kind {
        OpKind::F32 => "f32",
        OpKind::Bf16 => "bf16",
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
    let top = legend(&mut sheet, 4.0, &shown.collect::<Vec<_>>()) + 4.0 + 2.0 * LINE;
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
    let area = Area { x: left, y: top, width: WIDTH - left - 16.0, height: HEIGHT };
    let plot = Plot { area, x, y };
    plot.frame(
        &mut sheet,
        &Axis { ticks: x.ticks(6), title: "operations per byte touched (log scale)" },
        &Axis { ticks: y_ticks, title: &format!("{sign}op/s, device work only (log scale)") },
    );
    let mut labels = Labels::new(area);
    roof_lines(&mut sheet, &plot, roofs, unit, &mut labels);
    for point in points {
        let at = plot.at(point.intensity, point.ops_per_s / unit);
        labels.keep_point_clear(at);
        let mark = mark(&point.timed.row.family);
        sheet.marker(at, mark.marker, mark.paint);
        if point.share > SUSPICIOUS {
            sheet.circle(at, 9.0, Paint::Series(1), false);
        }
    }
    // Those above a roof first, then the farthest from it and the closest.
    let mut order: Vec<&Point> = points.iter().collect();
    order.sort_by(|a, b| {
        let rank = |p: &Point| if p.share > SUSPICIOUS { 2.0 } else { (p.share - 0.5).abs() };
        rank(b).total_cmp(&rank(a))
    });
    for point in order {
        let at = plot.at(point.intensity, point.ops_per_s / unit);
        labels.name(&mut sheet, at, &fitted(&point.label, 190.0, SMALL));
    }
    sheet.set_height(area.bottom() + 50.0);
    sheet
}

/// The memory roof up to the highest arithmetic roof, and each arithmetic roof from there to the
/// right, named above its right end.
fn roof_lines(sheet: &mut Sheet, plot: &Plot, roofs: &Roofs, unit: f64, labels: &mut Labels) {
    let (x_lo, x_hi) = plot.x.ends();
    let (y_lo, _) = plot.y.ends();
    let bandwidth = roofs.bytes_per_s / unit;
    let highest = roofs.ops_per_s.values().copied().fold(0.0, f64::max);
    let start = x_lo.max(y_lo / bandwidth);
    let (from, to) =
        (plot.at(start, start * bandwidth), plot.at(highest / roofs.bytes_per_s, highest / unit));
    sheet.line(from, to, Paint::Ink, 2.0);
    let mut roofs_down: Vec<(OpKind, f64)> =
        roofs.ops_per_s.iter().map(|(kind, roof)| (*kind, *roof)).collect();
    roofs_down.sort_by(|a, b| b.1.total_cmp(&a.1));
    let wished: Vec<f64> =
        roofs_down.iter().map(|(_, roof)| plot.y_at(roof / unit) - 10.0).collect();
    let places = apart(&wished, 17.0, plot.area.y + 8.0, plot.area.bottom());
    for ((kind, roof), y) in roofs_down.into_iter().zip(places) {
        let (from, to) =
            (plot.at(roof / roofs.bytes_per_s, roof / unit), plot.at(x_hi, roof / unit));
        sheet.line(from, to, Paint::Ink.with(Look::Dashed), 1.5);
        let words = format!("{} {}", op_name(kind), si(roof, "op/s"));
        sheet.text((to.0 - 4.0, y), Anchor::End, SMALL, Paint::Ink.with(Look::Halo), &words);
        let w = width(&words, SMALL);
        labels.keep_clear(Area { x: to.0 - 4.0 - w, y: y - 8.0, width: w, height: 16.0 });
        let line = Area { x: from.0, y: from.1 - 2.0, width: to.0 - from.0, height: 4.0 };
        labels.keep_clear(line);
    }
    // Points along the diagonal, so that no label lies on it.
    for n in 0..24 {
        let share = f64::from(n) / 23.0;
        let (x, y) = (from.0 + share * (to.0 - from.0), from.1 + share * (to.1 - from.1));
        labels.keep_clear(Area { x: x - 3.0, y: y - 3.0, width: 6.0, height: 6.0 });
    }
    let words = format!("memory {}", si(roofs.bytes_per_s, "B/s"));
    labels.name(sheet, ((from.0 + to.0) / 2.0, (from.1 + to.1) / 2.0), &words);
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
