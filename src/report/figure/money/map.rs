//! Where the cheaper kind changes: jobs a day against the price of GPUs.

use super::axis;
use super::svg::{Anchor, Area, INK, MUTED, SMALL, Sheet, WIDTH, at, text_width};
use super::{dates, price_kind, priced};
use crate::classify::{HeatMap, Side, Verdict};
use crate::report::Table;
use crate::report::figure::Figure;
use crate::report::numbers::ratio;
use crate::units::thousands;

const HEIGHT: f64 = 430.0;
const PLOT: Area = Area { x: 56.0, y: 34.0, width: WIDTH - 56.0 - 16.0, height: 290.0 };
/// Above so many powers of two of CPU ÷ GPU a region has its colour, from the dearest GPU up.
const LEVELS: [f64; 7] = [-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0];
/// Colours from "CPU cheaper by far" to "GPU cheaper by far": orange to blue, which all eyes tell apart.
const COLOURS: [&str; 8] = [
    "var(--diverging-cpu-4,#a63603)",
    "var(--diverging-cpu-3,#e6750d)",
    "var(--diverging-cpu-2,#fdae6b)",
    "var(--diverging-cpu-1,#fee6ce)",
    "var(--diverging-gpu-1,#dbe9f6)",
    "var(--diverging-gpu-2,#9ecae1)",
    "var(--diverging-gpu-3,#4292c6)",
    "var(--diverging-gpu-4,#08519c)",
];
/// Lines on these colours, which are the same on light and on dark pages.
const DARK: &str = "#14181d";
const LIGHT: &str = "#ffffff";
/// What the borders between the colours mean, in times.
const BORDERS: [&str; 7] = ["4×", "2×", "1.4×", "same", "1.4×", "2×", "4×"];

/// The map as a picture.
pub fn figure(id: String, verdict: &Verdict, heat: &HeatMap) -> Figure {
    let title = "At which demand and GPU price does the cheaper kind change?".to_owned();
    let finding = finding(verdict, heat);
    let svg = draw(&id, heat).finish(HEIGHT, &title, &finding);
    Figure { id, title, finding, svg, table: table(heat) }
}

/// The column of the demand that the workload states.
fn asked(heat: &HeatMap) -> Option<f64> {
    let found = heat.jobs_per_day.iter().position(|jobs| *jobs == heat.asked_jobs_per_day)?;
    heat.log2_at_factor_1.get(found).copied()
}

fn finding(verdict: &Verdict, heat: &HeatMap) -> String {
    let jobs = thousands(heat.asked_jobs_per_day);
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

/// Logarithmic scales of both axes.
struct Axes {
    x: [f64; 2],
    y: [f64; 2],
}

impl Axes {
    fn of(heat: &HeatMap) -> Self {
        let ends = |values: &[f64]| {
            let log = |v: Option<&f64>| v.map_or(0.0, |v| v.log2());
            [log(values.first()), log(values.last())]
        };
        Self { x: ends(&heat.jobs_per_day), y: ends(&heat.gpu_price_factors) }
    }

    fn x(&self, jobs: f64) -> f64 {
        PLOT.x + PLOT.width * (jobs.log2() - self.x[0]) / (self.x[1] - self.x[0])
    }

    /// Of log₂ of a factor; dear GPUs are above.
    fn y(&self, log2_factor: f64) -> f64 {
        PLOT.y + PLOT.height * (self.y[1] - log2_factor) / (self.y[1] - self.y[0])
    }
}

fn draw(id: &str, heat: &HeatMap) -> Sheet {
    let mut sheet = Sheet::new(id);
    let axes = Axes::of(heat);
    let clip = sheet.id("plot");
    let Area { x, y, width, height } = PLOT;
    sheet.raw(&format!(
        r#"<clipPath id="{clip}"><rect x="{x}" y="{y}" width="{width}" height="{height}"/></clipPath>"#
    ));
    sheet.rect(PLOT, COLOURS[0], "");
    sheet.raw(&format!(r#"<g clip-path="url(#{clip})">"#));
    for (level, colour) in LEVELS.into_iter().zip(&COLOURS[1..]) {
        let look = format!(r#" fill="{colour}""#);
        sheet.path(&below(heat, &axes, level), &look);
    }
    sheet.raw("</g>");
    contour(&mut sheet, heat, &axes);
    grid(&mut sheet, heat, &axes);
    let mut taken = Vec::new();
    today(&mut sheet, heat, &axes, &mut taken);
    regions(&mut sheet, heat, &axes, &taken);
    legend(&mut sheet);
    sheet
}

/// The region where log₂(CPU ÷ GPU) is above `level`. The value falls by 1 for each doubling of the
/// price, so its border is the contour, lower by `level`.
fn below(heat: &HeatMap, axes: &Axes, level: f64) -> String {
    let foot = at(PLOT.y + PLOT.height);
    let mut d = format!("M{} {foot}", at(PLOT.x));
    for (jobs, value) in heat.jobs_per_day.iter().zip(&heat.log2_at_factor_1) {
        // Far outside of the picture one place is as good as another.
        let height = (value - level).clamp(axes.y[0] - 1.0, axes.y[1] + 1.0);
        d += &format!("L{} {}", at(axes.x(*jobs)), at(axes.y(height)));
    }
    d + &format!("V{foot}z")
}

/// Where both cost the same.
fn contour(sheet: &mut Sheet, heat: &HeatMap, axes: &Axes) {
    let mut d = String::new();
    let mut pen = None;
    for [from, to] in heat.contour() {
        let place = |(jobs, factor): (f64, f64)| (axes.x(jobs), axes.y(factor.log2()));
        let (from, to) = (place(from), place(to));
        if pen.is_none_or(|(x, y): (f64, f64)| (x - from.0).abs() + (y - from.1).abs() > 0.1) {
            d += &format!("M{} {}", at(from.0), at(from.1));
        }
        d += &format!("L{} {}", at(to.0), at(to.1));
        pen = Some(to);
    }
    if !d.is_empty() {
        sheet.path(
            &d,
            &format!(r#" fill="none" stroke="{LIGHT}" stroke-width="5" stroke-opacity="0.7""#),
        );
        sheet.path(&d, &format!(r#" fill="none" stroke="{DARK}" stroke-width="2""#));
    }
}

fn grid(sheet: &mut Sheet, heat: &HeatMap, axes: &Axes) {
    let (right, bottom) = (PLOT.x + PLOT.width, PLOT.y + PLOT.height);
    let ends = [heat.jobs_per_day.first(), heat.jobs_per_day.last()];
    if let [Some(from), Some(to)] = ends {
        for tick in axis::log(*from, *to, 8) {
            let x = axes.x(tick);
            sheet.line((x, bottom), (x, bottom + 5.0), MUTED, "");
            let told = axis::short(tick);
            let half = text_width(&told, SMALL) / 2.0;
            let x = x.min(WIDTH - half - 2.0);
            sheet.text((x, bottom + 19.0), Anchor::Middle, SMALL, MUTED, &told);
        }
    }
    let factors = [
        (-3.0, "⅛×"),
        (-2.0, "¼×"),
        (-1.0, "½×"),
        (0.0, "1×"),
        (1.0, "2×"),
        (2.0, "4×"),
        (3.0, "8×"),
    ];
    for (log2, told) in factors {
        let y = axes.y(log2);
        sheet.line((PLOT.x - 5.0, y), (PLOT.x, y), MUTED, "");
        sheet.text((PLOT.x - 9.0, y + 4.0), Anchor::End, SMALL, MUTED, told);
    }
    let (one, dashed) = (axes.y(0.0), r#" stroke-dasharray="3 4" stroke-opacity="0.7""#);
    sheet.line((PLOT.x, one), (right, one), DARK, dashed);
    sheet.text(
        (8.0, 22.0),
        Anchor::Start,
        SMALL,
        MUTED,
        "price of every GPU size, in times of today's",
    );
    let middle = (PLOT.x + right) / 2.0;
    sheet.text((middle, bottom + 38.0), Anchor::Middle, SMALL, MUTED, "jobs a day (log)");
}

/// Where the workload stands: its demand at today's price.
fn today(sheet: &mut Sheet, heat: &HeatMap, axes: &Axes, taken: &mut Vec<Area>) {
    let (x, y) = (axes.x(heat.asked_jobs_per_day), axes.y(0.0));
    let words = format!("today: {} jobs a day", thousands(heat.asked_jobs_per_day));
    let (width, height) = (text_width(&words, SMALL) + 10.0, 19.0);
    let left = (x - width / 2.0).clamp(PLOT.x + 3.0, PLOT.x + PLOT.width - width - 3.0);
    let area = Area { x: left, y: y - 31.0, width, height };
    let (cx, cy) = (at(x), at(y));
    sheet.raw(&format!(
        r#"<circle cx="{cx}" cy="{cy}" r="6" fill="{DARK}" stroke="{LIGHT}" stroke-width="2.5"/>"#
    ));
    sheet.label(area, &words);
    taken.push(area);
    taken.push(Area { x: x - 8.0, y: y - 8.0, width: 16.0, height: 16.0 });
}

/// Says in words who is cheaper where, in the roomiest place of each region.
fn regions(sheet: &mut Sheet, heat: &HeatMap, axes: &Axes, taken: &[Area]) {
    for (words, gpu) in [("GPU cheaper", true), ("CPU cheaper", false)] {
        let (width, height) = (text_width(words, SMALL) + 12.0, 19.0);
        let mut best: Option<(f64, Area)> = None;
        for column in 1..40 {
            let x = PLOT.x + PLOT.width * f64::from(column) / 40.0 - width / 2.0;
            let (top, foot) = free(heat, axes, gpu, x, x + width);
            let room = foot - top - height;
            let area = Area { x, y: (top + foot - height) / 2.0, width, height };
            let hidden = taken.iter().any(|t| t.meets(&area));
            let roomier = best.is_none_or(|(most, _)| room > most + 1.0);
            if room >= 6.0 && PLOT.holds(&area) && !hidden && roomier {
                best = Some((room, area));
            }
        }
        if let Some((_, area)) = best {
            sheet.label(area, words);
        }
    }
}

/// Top and foot of a region between two places from left to right.
fn free(heat: &HeatMap, axes: &Axes, gpu: bool, left: f64, right: f64) -> (f64, f64) {
    let (mut top, mut foot) = (PLOT.y, PLOT.y + PLOT.height);
    let step = PLOT.width / 20.0;
    for (jobs, value) in heat.jobs_per_day.iter().zip(&heat.log2_at_factor_1) {
        let x = axes.x(*jobs);
        if x < left - step || x > right + step {
            continue;
        }
        let border = axes.y(value.clamp(axes.y[0], axes.y[1]));
        if gpu { top = f64::max(top, border) } else { foot = foot.min(border) }
    }
    (top, foot)
}

/// The colours with the ratios between them.
fn legend(sheet: &mut Sheet) {
    let (y, each) = (HEIGHT - 38.0, 42.0);
    let from = (WIDTH - each * COLOURS.len() as f64) / 2.0;
    for (index, colour) in COLOURS.iter().enumerate() {
        let x = from + each * index as f64;
        sheet.rect(Area { x, y, width: each, height: 12.0 }, colour, "");
    }
    for (index, told) in BORDERS.iter().enumerate() {
        let x = from + each * (index + 1) as f64;
        sheet.line((x, y), (x, y + 15.0), MUTED, "");
        sheet.text((x, y + 28.0), Anchor::Middle, SMALL, MUTED, told);
    }
    sheet.text((from - 8.0, y + 11.0), Anchor::End, SMALL, INK, "CPU cheaper");
    let right = from + each * COLOURS.len() as f64 + 8.0;
    sheet.text((right, y + 11.0), Anchor::Start, SMALL, INK, "GPU cheaper");
}

/// A line for each demand: who is cheaper now, by how much, and up to which price the GPU is.
fn table(heat: &HeatMap) -> Table {
    let mut table =
        Table::new(&[">jobs a day", "cheaper now", ">by", ">both cost the same at GPU prices ×"]);
    for (jobs, value) in heat.jobs_per_day.iter().zip(&heat.log2_at_factor_1) {
        let cheaper = if *value > 0.0 { "GPU" } else { "CPU" };
        table.row([
            if *jobs < 10.0 { axis::short(*jobs) } else { thousands(*jobs) },
            cheaper.to_owned(),
            ratio(value.abs().exp2()),
            axis::short(value.exp2()),
        ]);
    }
    table
}
