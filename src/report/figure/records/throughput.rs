//! How fast each device is at each size.

use breakeven_kernels::work::DeviceKind;

use super::crossover::{Crossover, Winner, crossover, duels, sentence};
use super::select::{Curve, Lane, Mode, Point, interval};
use super::words::{name, prefix};
use crate::report::Table;
use crate::report::figure::Figure;
use crate::report::figure::paint::Paint;
use crate::report::figure::plot::{
    Axis, Dot, LINE, MARKS, Mark, Plot, legend, room_for, room_for_names, ticks_at,
};
use crate::report::figure::scale::{Scale, number};
use crate::report::figure::sheet::{Anchor, Area, Sheet, TEXT, WIDTH};
use crate::report::figure::text::width;
use crate::units::{seconds, si};

/// Lines of one picture; more cannot be told apart.
const MOST_LANES: usize = MARKS.len();
/// Points of one line.
pub const MOST_POINTS: usize = 40;
/// Height of the axes.
const HEIGHT: f64 = 280.0;
/// Height of the strip above the axes that has the words on the crossover.
const STRIP: f64 = 22.0;

/// The picture of one series.
pub fn figure(id: String, curve: &Curve) -> Figure {
    let lanes = ordered(curve);
    let drawn = &lanes[..lanes.len().min(MOST_LANES)];
    let title = format!("How fast is {}, by {}?", curve.label, name(&curve.series.axis));
    let finding = finding(curve, drawn, lanes.len());
    let svg = draw(curve, drawn).finish(&id, &title, &finding);
    Figure { id, title, finding, svg, table: table(curve, &lanes) }
}

/// CPUs, then GPUs end to end, then their kernels.
fn ordered<'c, 'r>(curve: &'c Curve<'r>) -> Vec<&'c Lane<'r>> {
    let rank = |lane: &Lane| match (lane.device.kind, lane.mode) {
        (DeviceKind::Cpu, _) => 0,
        (_, Mode::EndToEnd) => 1,
        (_, Mode::Kernel) => 2,
    };
    let mut lanes: Vec<&Lane> = curve.lanes.iter().collect();
    lanes.sort_by_key(|lane| rank(lane));
    // The first of each rank before the second of any, so that a limit leaves no kind out.
    let mut seen = [0; 3];
    let mut turns: Vec<(usize, &Lane)> = Vec::new();
    for lane in lanes {
        turns.push((seen[rank(lane)], lane));
        seen[rank(lane)] += 1;
    }
    turns.sort_by_key(|(turn, _)| *turn);
    turns.into_iter().map(|(_, lane)| lane).collect()
}

/// `CPU`, `GPU kernel`; with the id where there are several of a kind.
fn short_name(lane: &Lane, lanes: &[&Lane]) -> String {
    let twins = lanes.iter().filter(|l| l.device.kind == lane.device.kind && l.mode == lane.mode);
    let who = match (twins.count(), lane.device.kind) {
        (1, DeviceKind::Cpu) => "CPU".to_owned(),
        (1, _) => "GPU".to_owned(),
        _ => name(&lane.device.id),
    };
    match (lane.mode, lane.device.kind) {
        (Mode::Kernel, _) => format!("{who} kernel"),
        (_, DeviceKind::Cpu) => who,
        _ => format!("{who} end to end"),
    }
}

fn long_name(lane: &Lane) -> String {
    let what = match lane.mode {
        Mode::EndToEnd => "end to end",
        Mode::Kernel => "kernel only",
    };
    format!("{} ({}), {what}", name(&lane.device.name), name(&lane.device.id))
}

fn dots(lane: &Lane, unit: f64) -> Vec<Dot> {
    thinned(&lane.points)
        .map(|p| {
            let [y, lo, hi] = p.rate().map(|rate| rate / unit);
            Dot { x: p.size, y, lo, hi }
        })
        .collect()
}

/// At most [`MOST_POINTS`] of them, the first and the last among them.
pub fn thinned<T>(points: &[T]) -> impl Iterator<Item = &T> {
    let (count, most) = (points.len(), points.len().min(MOST_POINTS));
    (0..most).map(move |n| &points[n * (count - 1) / (most - 1).max(1)])
}

/// An axis along the sizes: logarithmic where all are above 0.
pub fn size_scale(sizes: &[f64]) -> Scale {
    match sizes.iter().all(|size| *size > 0.0) {
        true => Scale::log(sizes.iter().copied()),
        false => Scale::linear(sizes.iter().copied()),
    }
}

/// The sizes of several lines, each once, smallest first.
pub fn sizes_of<'a>(points: impl Iterator<Item = &'a Dot>) -> Vec<f64> {
    let mut sizes: Vec<f64> = points.map(|dot| dot.x).collect();
    sizes.sort_by(f64::total_cmp);
    sizes.dedup();
    sizes
}

fn draw(curve: &Curve, lanes: &[&Lane]) -> Sheet {
    let rates = lanes.iter().flat_map(|lane| lane.points.iter().flat_map(Point::rate));
    let (unit, sign) = prefix(rates.fold(0.0, f64::max));
    let lines: Vec<(Mark, Vec<Dot>)> =
        MARKS.into_iter().zip(lanes.iter().map(|lane| dots(lane, unit))).collect();
    let all = || lines.iter().flat_map(|(_, dots)| dots);
    let sizes = sizes_of(all());
    let (x, y) = (size_scale(&sizes), Scale::log(all().flat_map(|d| [d.lo, d.hi])).at_least(4.0));
    let y_ticks = y.ticks(6);
    let ends: Vec<(f64, String)> = lines
        .iter()
        .zip(lanes)
        .filter_map(|((_, dots), lane)| Some((dots.last()?.y, short_name(lane, lanes))))
        .collect();
    // Names stand at the right end, where the lines end there.
    let ends = if lanes.len() > 1 { ends } else { Vec::new() };
    let mut sheet = Sheet::new(0.0);
    let words: Vec<(Mark, String)> =
        lines.iter().zip(lanes).map(|((mark, _), lane)| (*mark, long_name(lane))).collect();
    let both = curve.measured(DeviceKind::Cpu) && curve.measured(DeviceKind::Gpu);
    // Room for the words on the crossover.
    let strip = if both { STRIP } else { 0.0 };
    let top = legend(&mut sheet, 4.0, &words, true) + 4.0 + 2.0 * LINE + strip;
    let left = room_for(&y_ticks);
    let width = WIDTH - left - room_for_names(&ends);
    let plot = Plot { area: Area { x: left, y: top, width, height: HEIGHT }, x, y };
    let x_title = x.titled(&name(&curve.series.axis));
    let y_title = y.titled(&format!("{sign}{}", curve.unit));
    let x_ticks = ticks_at(&sizes, &x, 12);
    band(&mut sheet, &plot, curve);
    plot.frame(
        &mut sheet,
        strip,
        &Axis { ticks: x_ticks, title: &x_title },
        &Axis { ticks: y_ticks, title: &y_title },
    );
    for (mark, dots) in lines.iter().rev() {
        plot.series(&mut sheet, dots, *mark);
    }
    plot.end_labels(&mut sheet, &ends);
    sheet.set_height(plot.area.bottom() + 54.0);
    sheet
}

/// The stretch in which the crossover lies, or the words that there is none, above the axes where no
/// line crosses them.
fn band(sheet: &mut Sheet, plot: &Plot, curve: &Curve) {
    let sizes: Vec<(f64, Winner)> = duels(curve).iter().map(|d| (d.size, d.winner())).collect();
    let Some(found) = crossover(&sizes) else { return };
    let Area { x, y, width: across, height } = plot.area;
    let (words, middle) = match found {
        Crossover::Between { cpu, gpu } => {
            let (from, to) = (plot.x_at(cpu), plot.x_at(gpu));
            let area = Area { x: from, y: y - STRIP, width: to - from, height: height + STRIP };
            sheet.rect(area, Paint::Muted, 0.14);
            ("crossover", (from + to) / 2.0)
        }
        _ => ("no crossover in this range", x + across / 2.0),
    };
    let half = width(words, TEXT) / 2.0;
    let middle = middle.clamp(x + half, (x + across - half).max(x + half));
    sheet.text((middle, y - STRIP / 2.0), Anchor::Middle, TEXT, Paint::Ink, words);
}

fn finding(curve: &Curve, drawn: &[&Lane], lanes: usize) -> String {
    let axis = name(&curve.series.axis);
    let best = |lane: &&Lane| {
        let point = lane.points.iter().max_by(|a, b| a.rate()[0].total_cmp(&b.rate()[0]))?;
        let rate = si(point.rate()[0], &curve.unit);
        let what = if lane.mode == Mode::Kernel { ", kernel only" } else { "" };
        let (device, with) = (name(&lane.device.id), name(&point.row.implementation));
        Some(format!("{rate} on {device}{what} at {axis} = {} ({with})", number(point.size)))
    };
    let best: Vec<String> = drawn.iter().filter_map(best).collect();
    let mut told = match curve.measured(DeviceKind::Cpu) && curve.measured(DeviceKind::Gpu) {
        true => sentence(&duels(curve), &axis) + ". ",
        false => String::new(),
    };
    told.push_str(&format!("Highest: {}.", best.join("; ")));
    if lanes > drawn.len() {
        told.push_str(&format!(" {} more lines are in the table only.", lanes - drawn.len()));
    }
    let most = drawn.iter().map(|lane| lane.points.len()).max().unwrap_or(0);
    if most > MOST_POINTS {
        told.push_str(&format!(" Of {most} sizes {MOST_POINTS} are drawn; the table has all."));
    }
    told
}

fn table(curve: &Curve, lanes: &[&Lane]) -> Table {
    let mut table = Table::new(&[
        "device",
        "what",
        ">size",
        "fastest implementation",
        ">rate",
        ">95 % interval",
        ">time",
    ]);
    for lane in lanes {
        for point in &lane.points {
            let [rate, lo, hi] = point.rate().map(|rate| si(rate, &curve.unit));
            let what = match lane.mode {
                Mode::EndToEnd => "end to end",
                Mode::Kernel => "kernel",
            };
            table.row([
                lane.device.id.clone(),
                what.into(),
                number(point.size),
                point.row.implementation.clone(),
                rate,
                format!("{lo} to {hi}"),
                seconds(interval(point.time)[0]),
            ]);
        }
    }
    table
}
