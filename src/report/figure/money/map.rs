//! Where the cheaper kind changes: jobs a day against the price of GPUs.

use super::{dates, price_kind, priced};
use crate::classify::{HeatMap, Side, Verdict};
use crate::report::Table;
use crate::report::figure::Figure;
use crate::report::figure::paint::{Look, Paint};
use crate::report::figure::plot::{Axis, Plot};
use crate::report::figure::scale::{Scale, Tick};
use crate::report::figure::sheet::{Anchor, Area, Place, Sheet, TEXT, WIDTH};
use crate::report::figure::text::width;
use crate::report::numbers::ratio;
use crate::units::{self, thousands};

const PLOT: Area = Area { x: 46.0, y: 34.0, width: WIDTH - 46.0 - 14.0, height: 280.0 };
const HEIGHT: f64 = 434.0;

/// A band of the map: from and to log₂(CPU ÷ GPU), who is cheaper there, and how strongly. Blue and
/// vermilion, which all eyes tell apart, grow paler towards where both cost the same.
const BANDS: [(f64, f64, Paint, f64); 8] = [
    (-99.0, -2.0, Paint::Series(1), 0.95),
    (-2.0, -1.0, Paint::Series(1), 0.62),
    (-1.0, -0.5, Paint::Series(1), 0.36),
    (-0.5, 0.0, Paint::Series(1), 0.14),
    (0.0, 0.5, Paint::Series(0), 0.14),
    (0.5, 1.0, Paint::Series(0), 0.36),
    (1.0, 2.0, Paint::Series(0), 0.62),
    (2.0, 99.0, Paint::Series(0), 0.95),
];
/// What the borders between the bands mean, in times; for those at 1.4× there is no room.
const BORDERS: [&str; 7] = ["4×", "2×", "", "1×", "", "2×", "4×"];
/// Marks of the factor on the GPUs' price.
const FACTORS: [(f64, &str); 7] =
    [(-3.0, "⅛×"), (-2.0, "¼×"), (-1.0, "½×"), (0.0, "1×"), (1.0, "2×"), (2.0, "4×"), (3.0, "8×")];

/// The map as a picture.
pub fn figure(id: String, verdict: &Verdict, heat: &HeatMap) -> Figure {
    let title = "At which demand and GPU price does the cheaper kind change?".to_owned();
    let finding = finding(verdict, heat);
    let svg = draw(heat).finish(&id, &title, &finding);
    Figure { id, title, finding, svg, table: table(heat) }
}

/// The column of the demand that the workload states.
fn asked(heat: &HeatMap) -> Option<f64> {
    let found = heat.jobs_per_day.iter().position(|jobs| *jobs == heat.asked_jobs_per_day)?;
    heat.log2_at_factor_1.get(found).copied()
}

fn finding(verdict: &Verdict, heat: &HeatMap) -> String {
    let jobs = units::jobs(heat.asked_jobs_per_day);
    let now = asked(heat).map_or_else(
        || format!("The workload states {jobs} jobs a day"),
        |value| {
            let factor = value.exp2();
            let (cheaper, dearer, by) = match value > 0.0 {
                true => ("GPU", "CPU", factor),
                false => ("CPU", "GPU", 1.0 / factor),
            };
            format!(
                "At {jobs} jobs a day on nodes of its own the cheapest {dearer} size costs {} what the \
                 cheapest {cheaper} size does, and both would cost the same if every GPU size had {} \
                 its price",
                ratio(by),
                ratio(factor)
            )
        },
    );
    let turns = verdict.break_even.last_crossing_jobs_per_day.map(|jobs| {
        let side = verdict.break_even.demand_bands.last().map(|band| band.cheaper);
        let side = super::kind_name(side.unwrap_or(Side::Gpu));
        format!(
            "; at these prices the {side} is the cheaper from {} jobs a day on",
            thousands(jobs.ceil())
        )
    });
    let sizes = [Side::Gpu, Side::Cpu].into_iter().flat_map(|side| priced(verdict, side));
    let dates = dates(sizes.map(|(cost, _)| cost));
    let kind = price_kind(&verdict.options);
    format!("{now}{}; by medians, {kind} prices {dates}.", turns.unwrap_or_default())
}

/// Both axes are linear in logarithms: to the base of 10 of the demand, of 2 of the factor.
fn plot(heat: &HeatMap) -> Plot {
    let end = |value: Option<&f64>, log: fn(f64) -> f64| value.map_or(0.0, |v| log(*v));
    let ends = |values: &[f64], log: fn(f64) -> f64| {
        Scale::exactly(end(values.first(), log), end(values.last(), log))
    };
    let (x, y) = (ends(&heat.jobs_per_day, f64::log10), ends(&heat.gpu_price_factors, f64::log2));
    Plot { area: PLOT, x, y }
}

fn draw(heat: &HeatMap) -> Sheet {
    let mut sheet = Sheet::new(HEIGHT);
    let plot = plot(heat);
    for (from, to, paint, opacity) in BANDS {
        // The value falls by 1 for each doubling of the price, so a border is the contour, moved.
        let mut corners = border(heat, &plot, from);
        corners.extend(border(heat, &plot, to).into_iter().rev());
        sheet.filled(corners, paint, opacity);
    }
    for line in contour(heat, &plot) {
        sheet.path(line.clone(), Paint::Paper, 5.0);
        sheet.path(line, Paint::Ink, 2.0);
    }
    frame(&mut sheet, heat, &plot);
    let taken = today(&mut sheet, heat, &plot);
    regions(&mut sheet, heat, &plot, &taken);
    legend(&mut sheet);
    sheet
}

/// The line where log₂(CPU ÷ GPU) is `level`, along the edge of the plot where it would leave it.
fn border(heat: &HeatMap, plot: &Plot, level: f64) -> Vec<Place> {
    let (low, high) = plot.y.ends();
    let points: Vec<Place> = heat
        .jobs_per_day
        .iter()
        .zip(&heat.log2_at_factor_1)
        .map(|(jobs, value)| (jobs.log10(), value - level))
        .collect();
    let mut line: Vec<Place> = points.first().copied().into_iter().collect();
    for pair in points.windows(2) {
        let ((x, y), (to_x, to_y)) = (pair[0], pair[1]);
        let mut crossings: Vec<f64> =
            [low, high].iter().map(|edge| (edge - y) / (to_y - y)).collect();
        crossings.retain(|share| *share > 0.0 && *share < 1.0);
        crossings.sort_by(f64::total_cmp);
        let at = |share: f64| (x + share * (to_x - x), y + share * (to_y - y));
        line.extend(crossings.into_iter().map(at));
        line.push((to_x, to_y));
    }
    line.into_iter().map(|(x, y)| plot.at(x, y.clamp(low, high))).collect()
}

/// Where both cost the same, as lines without a gap.
fn contour(heat: &HeatMap, plot: &Plot) -> Vec<Vec<Place>> {
    let mut lines: Vec<Vec<Place>> = Vec::new();
    for segment in heat.contour() {
        let [from, to] = segment.map(|(jobs, factor)| plot.at(jobs.log10(), factor.log2()));
        let goes_on = |line: &&mut Vec<Place>| {
            line.last().is_some_and(|end| (end.0 - from.0).abs() + (end.1 - from.1).abs() < 0.1)
        };
        match lines.last_mut().filter(goes_on) {
            Some(line) => line.push(to),
            None => lines.push(vec![from, to]),
        }
    }
    lines
}

fn frame(sheet: &mut Sheet, heat: &HeatMap, plot: &Plot) {
    let all = Scale::log(heat.jobs_per_day.iter().copied());
    let (from, to) = plot.x.ends();
    let log = |tick: Tick| Tick { value: tick.value.log10(), label: tick.label };
    let jobs = all.ticks(7).into_iter().map(log);
    let inside = |tick: &Tick| tick.value >= from - 1e-9 && tick.value <= to + 1e-9;
    let factor = |(log2, label): (f64, &str)| Tick { value: log2, label: label.to_owned() };
    let below = Axis { ticks: jobs.filter(inside).collect(), title: "Jobs a day" };
    // Lines of the grid would cross the map; the uppermost factor stands at its very top.
    plot.frame(sheet, 6.0, &below, &Axis { ticks: Vec::new(), title: "Price of every GPU size" });
    for tick in FACTORS.map(factor) {
        let (x, y) = (PLOT.x, plot.y_at(tick.value));
        sheet.line((x - 4.0, y), (x, y), Paint::Muted, 1.0);
        sheet.text((x - 7.0, y), Anchor::End, TEXT, Paint::Muted, &tick.label);
    }
    let one = plot.y_at(0.0);
    sheet.line((PLOT.x, one), (PLOT.right(), one), Paint::Ink.with(Look::Dotted), 1.0);
}

/// Where the workload stands: its demand at today's price. What that takes of the map.
fn today(sheet: &mut Sheet, heat: &HeatMap, plot: &Plot) -> [Area; 2] {
    let (x, y) = plot.at(heat.asked_jobs_per_day.log10(), 0.0);
    let words = format!("today: {} jobs a day", units::jobs(heat.asked_jobs_per_day));
    let half = width(&words, TEXT) / 2.0 + 4.0;
    let middle = x.clamp(PLOT.x + half, PLOT.right() - half);
    sheet.circle((x, y), 8.0, Paint::Paper, true);
    sheet.circle((x, y), 5.5, Paint::Ink, true);
    let style = Paint::Ink.with(Look::Halo);
    sheet.text((middle, y - 20.0), Anchor::Middle, TEXT, style, &words);
    [
        Area { x: middle - half - 8.0, y: y - 42.0, width: 2.0 * half + 16.0, height: 40.0 },
        Area { x: x - 9.0, y: y - 9.0, width: 18.0, height: 18.0 },
    ]
}

/// Says in words who is cheaper where, in the roomiest place of each region.
fn regions(sheet: &mut Sheet, heat: &HeatMap, plot: &Plot, taken: &[Area]) {
    for (words, gpu) in [("GPU cheaper", true), ("CPU cheaper", false)] {
        let (wide, height) = (width(words, TEXT) + 12.0, 20.0);
        let mut best: Option<(f64, Area)> = None;
        for column in 1..40 {
            let x = PLOT.x + PLOT.width * f64::from(column) / 40.0 - wide / 2.0;
            let (top, foot) = free(heat, plot, gpu, x, x + wide);
            let room = foot - top - height;
            let area = Area { x, y: (top + foot - height) / 2.0, width: wide, height };
            let hidden = taken.iter().any(|t| t.meets(&area));
            let roomier = best.is_none_or(|(most, _)| room > most + 1.0);
            if room >= 6.0 && PLOT.holds(&area) && !hidden && roomier {
                best = Some((room, area));
            }
        }
        if let Some((_, area)) = best {
            let (place, style) =
                ((area.x + wide / 2.0, area.y + height / 2.0), Paint::Ink.with(Look::Halo));
            sheet.text(place, Anchor::Middle, TEXT, style, words);
        }
    }
}

/// Top and foot of a region between two places from left to right.
fn free(heat: &HeatMap, plot: &Plot, gpu: bool, left: f64, right: f64) -> (f64, f64) {
    let (mut top, mut foot) = (PLOT.y, PLOT.bottom());
    let step = PLOT.width / 20.0;
    for (jobs, value) in heat.jobs_per_day.iter().zip(&heat.log2_at_factor_1) {
        let (x, border) = plot.at(jobs.log10(), *value);
        if x < left - step || x > right + step {
            continue;
        }
        if gpu { top = f64::max(top, border) } else { foot = foot.min(border) }
    }
    (top, foot)
}

/// The bands with the ratios between them.
fn legend(sheet: &mut Sheet) {
    let (y, each) = (HEIGHT - 46.0, 34.0);
    let from = (WIDTH - each * BANDS.len() as f64) / 2.0;
    for (index, (_, _, paint, opacity)) in BANDS.into_iter().enumerate() {
        let x = from + each * index as f64;
        sheet.rect(Area { x, y, width: each, height: 14.0 }, paint, opacity);
    }
    for (index, told) in BORDERS.into_iter().enumerate() {
        let x = from + each * (index + 1) as f64;
        sheet.line((x, y), (x, y + 18.0), Paint::Muted, 1.0);
        sheet.text((x, y + 28.0), Anchor::Middle, TEXT, Paint::Muted, told);
    }
    let right = from + each * BANDS.len() as f64 + 8.0;
    sheet.text((from - 8.0, y + 7.0), Anchor::End, TEXT, Paint::Ink, "CPU cheaper");
    sheet.text((right, y + 7.0), Anchor::Start, TEXT, Paint::Ink, "GPU cheaper");
}

/// A line for each demand: who is cheaper now, by how much, and up to which price the GPU is.
fn table(heat: &HeatMap) -> Table {
    let mut table =
        Table::new(&[">jobs a day", "cheaper now", ">by", ">both cost the same at GPU prices of"]);
    for (jobs, value) in heat.jobs_per_day.iter().zip(&heat.log2_at_factor_1) {
        let cheaper = if *value > 0.0 { "GPU" } else { "CPU" };
        table.row([
            units::jobs(*jobs),
            cheaper.to_owned(),
            ratio(value.abs().exp2()),
            ratio(value.exp2()),
        ]);
    }
    table
}
