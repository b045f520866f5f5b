//! What speed costs: time of a job against its cost, and the sizes that no other beats in both.

use super::axis::{self, PerJobs};
use super::svg::{Anchor, Area, GRID, INK, MUTED, PAPER, SMALL, Sheet, WIDTH, at, text_width};
use super::{dates, kind_name, origin_word, price_kind, priced, short_size};
use crate::classify::{Side, SkuCost, Verdict};
use crate::cost::Estimate;
use crate::report::Table;
use crate::report::figure::Figure;
use crate::units::{seconds, usd};

const HEIGHT: f64 = 440.0;
const PLOT: Area =
    Area { x: 66.0, y: 44.0, width: WIDTH - 66.0 - 16.0, height: HEIGHT - 44.0 - 52.0 };
/// About so many sizes are named in the picture; the table names all.
const LABELLED: usize = 9;
/// Times within this factor are one.
const SAME_TIME: f64 = 1.000_001;
/// Colours of the kinds.
const GPU: &str = "var(--figure-gpu,#0072b2)";
const CPU: &str = "var(--figure-cpu,#d55e00)";

struct Point<'a> {
    cost: &'a SkuCost,
    usd: Estimate,
    latency_s: Estimate,
    on_front: bool,
}

/// The picture; `None` where no size has both a cost and a known time, or none is faster than another.
pub fn figure(id: String, verdict: &Verdict) -> Option<Figure> {
    let points = points(verdict);
    let times = points.iter().map(|p| p.latency_s.median);
    if times.clone().fold(0.0, f64::max) <= times.fold(f64::INFINITY, f64::min) * SAME_TIME {
        return None;
    }
    let front: Vec<&Point> = points.iter().filter(|p| p.on_front).collect();
    let (cheapest, fastest) = (front.first()?, front.last()?);
    let title = "What does speed cost?".to_owned();
    let end = |p: &Point| {
        let (size, word) = (p.cost.size(), origin_word(p.cost));
        format!(
            "{size} at {} a job and {} ({word})",
            usd(p.usd.median),
            seconds(p.latency_s.median)
        )
    };
    let of_all = format!(
        "{} prices {}, {} sizes compared",
        price_kind(&verdict.options),
        dates(points.iter().map(|p| p.cost)),
        points.len()
    );
    let finding = match front.len() {
        1 => format!("{} is the cheapest, and none is faster; {of_all}.", end(cheapest)),
        n => format!(
            "{n} sizes are beaten by no other in both time and cost, from the cheapest, {}, to the \
             fastest, {}; {of_all}.",
            end(cheapest),
            end(fastest)
        ),
    };
    let table = table(&front);
    let svg = draw(&id, &points, &front).finish(HEIGHT, &title, &finding);
    Some(Figure { id, title, finding, svg, table })
}

/// Every eligible size with a cost and a time, cheapest first; of equal costs the fastest first.
fn points(verdict: &Verdict) -> Vec<Point<'_>> {
    let sides = [Side::Gpu, Side::Cpu].into_iter().flat_map(|side| priced(verdict, side));
    let mut points: Vec<Point> = sides
        .filter_map(|(cost, _)| {
            let (usd, latency_s) = (cost.usd_per_job?, cost.latency_s?);
            let drawn = latency_s.median > 0.0 && latency_s.median.is_finite();
            drawn.then_some(Point { cost, usd, latency_s, on_front: false })
        })
        .collect();
    let by = |p: &Point| (p.usd.median, p.latency_s.median);
    points.sort_by(|a, b| {
        let (a, b) = (by(a), by(b));
        a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1))
    });
    let mut fastest_s = f64::INFINITY;
    for point in &mut points {
        point.on_front = point.latency_s.median * SAME_TIME < fastest_s;
        fastest_s = fastest_s.min(point.latency_s.median);
    }
    points
}

/// A log scale over a stretch of the sheet.
struct Scale {
    from: f64,
    to: f64,
    start: f64,
    end: f64,
}

impl Scale {
    /// Over all `values` (above 0), with some air.
    fn over(
        values: impl Iterator<Item = f64> + Clone,
        air: [f64; 2],
        start: f64,
        end: f64,
    ) -> Self {
        let low = values.clone().fold(f64::INFINITY, f64::min);
        let high = values.fold(0.0, f64::max);
        Self { from: low / air[0], to: high * air[1], start, end }
    }

    fn at(&self, value: f64) -> f64 {
        let share = (value / self.from).ln() / (self.to / self.from).ln();
        self.start + share.clamp(0.0, 1.0) * (self.end - self.start)
    }
}

struct Axes {
    x: Scale,
    y: Scale,
    per: PerJobs,
}

impl Axes {
    fn place(&self, point: &Point) -> (f64, f64) {
        (self.x.at(point.usd.median), self.y.at(point.latency_s.median))
    }
}

fn draw(id: &str, points: &[Point], front: &[&Point]) -> Sheet {
    let mut sheet = Sheet::new(id);
    let (right, bottom) = (PLOT.x + PLOT.width, PLOT.y + PLOT.height);
    let usd = points.iter().map(|p| p.usd.median);
    let time = points.iter().map(|p| p.latency_s.median);
    // The labels stand to the left of their points, so there is more air there.
    let axes = Axes {
        x: Scale::over(usd.clone(), [3.0, 1.4], PLOT.x, right),
        y: Scale::over(time, [2.5, 1.5], bottom, PLOT.y),
        per: PerJobs::fit_for(usd.fold(f64::INFINITY, f64::min)),
    };
    grid(&mut sheet, &axes);
    for side in [Side::Gpu, Side::Cpu] {
        let beaten = points.iter().filter(|p| !p.on_front && p.cost.side == side);
        hollow(&mut sheet, beaten.map(|p| axes.place(p)), side);
    }
    stairs(&mut sheet, &axes, front);
    for point in front {
        whiskers(&mut sheet, &axes, point);
    }
    for point in front {
        mark(&mut sheet, axes.place(point), point.cost.side);
    }
    labels(&mut sheet, &axes, front);
    legend(&mut sheet, points);
    sheet
}

fn grid(sheet: &mut Sheet, axes: &Axes) {
    let (right, bottom) = (PLOT.x + PLOT.width, PLOT.y + PLOT.height);
    let money = |value: f64| axes.per.of(value);
    let scale = axes.per.of(1.0);
    for tick in axis::log(money(axes.x.from), money(axes.x.to), 7) {
        let x = axes.x.at(tick / scale);
        sheet.line((x, PLOT.y), (x, bottom), GRID, "");
        let told = format!("${}", axis::short(tick));
        sheet.text((x, bottom + 17.0), Anchor::Middle, SMALL, MUTED, &told);
    }
    for tick in axis::log_times(axes.y.from, axes.y.to, 7) {
        let y = axes.y.at(tick);
        sheet.line((PLOT.x, y), (right, y), GRID, "");
        let told = axis::short_time(tick);
        sheet.text((PLOT.x - 7.0, y + 4.0), Anchor::End, SMALL, MUTED, &told);
    }
    sheet.line((PLOT.x, bottom), (right, bottom), MUTED, "");
    sheet.line((PLOT.x, PLOT.y), (PLOT.x, bottom), MUTED, "");
    let what = format!("USD {} (log)", axes.per.words);
    sheet.text(((PLOT.x + right) / 2.0, bottom + 38.0), Anchor::Middle, SMALL, MUTED, &what);
    sheet.text((8.0, PLOT.y - 10.0), Anchor::Start, SMALL, MUTED, "a job takes (log)");
}

/// Circles for GPU sizes and squares for CPU sizes that another size beats: one path, there are many.
fn hollow(sheet: &mut Sheet, places: impl Iterator<Item = (f64, f64)>, side: Side) {
    let shape = |(x, y): (f64, f64)| {
        let (left, y, top) = (at(x - 3.5), at(y), at(y - 3.5));
        match side {
            Side::Gpu => format!("M{left} {y}a3.5 3.5 0 1 0 7 0a3.5 3.5 0 1 0-7 0z"),
            Side::Cpu => format!("M{left} {top}h7v7h-7z"),
        }
    };
    let (d, colour): (String, &str) = (places.map(shape).collect(), colour(side));
    if !d.is_empty() {
        let fill = format!(r#" fill="{PAPER}" fill-opacity="0.6""#);
        sheet.path(&d, &format!(r#"{fill} stroke="{colour}" stroke-opacity="0.8""#));
    }
}

/// The same, filled: no other size beats it.
fn mark(sheet: &mut Sheet, (x, y): (f64, f64), side: Side) {
    let look = format!(r#" fill="{}" stroke="{PAPER}" stroke-width="1.5""#, colour(side));
    match side {
        Side::Gpu => {
            let (x, y) = (at(x), at(y));
            sheet.raw(&format!(r#"<circle cx="{x}" cy="{y}" r="5.5"{look}/>"#));
        }
        Side::Cpu => {
            let area = Area { x: x - 5.0, y: y - 5.0, width: 10.0, height: 10.0 };
            sheet.rect(area, colour(side), &format!(r#" stroke="{PAPER}" stroke-width="1.5""#));
        }
    }
}

fn colour(side: Side) -> &'static str {
    if side == Side::Gpu { GPU } else { CPU }
}

/// The border of what can be had: for the money of a point and more, its time, until the next is
/// faster.
fn stairs(sheet: &mut Sheet, axes: &Axes, front: &[&Point]) {
    let mut d = String::new();
    for (index, point) in front.iter().enumerate() {
        let (x, y) = axes.place(point);
        d += &match index {
            0 => format!("M{} {}", at(x), at(y)),
            _ => format!("H{}V{}", at(x), at(y)),
        };
    }
    if front.len() > 1 {
        let look = format!(r#" fill="none" stroke="{INK}" stroke-width="1.5""#);
        sheet.path(&d, &look);
    }
}

/// The 90 % intervals of both.
fn whiskers(sheet: &mut Sheet, axes: &Axes, point: &Point) {
    let (x, y) = axes.place(point);
    let colour = colour(point.cost.side);
    let look = r#" stroke-width="1.5" stroke-opacity="0.6""#;
    let (left, right) = (axes.x.at(point.usd.lo90), axes.x.at(point.usd.hi90));
    sheet.line((left, y), (right, y), colour, look);
    let (low, high) = (axes.y.at(point.latency_s.lo90), axes.y.at(point.latency_s.hi90));
    sheet.line((x, low), (x, high), colour, look);
}

/// Names of the sizes on the front, each where it meets no other and no point; where there is no such
/// place the table has it.
fn labels(sheet: &mut Sheet, axes: &Axes, front: &[&Point]) {
    let around = |p: &Point| {
        let (x, y) = axes.place(p);
        Area { x: x - 6.0, y: y - 6.0, width: 12.0, height: 12.0 }
    };
    let mut taken: Vec<Area> = front.iter().map(|p| around(p)).collect();
    for pair in front.windows(2) {
        let ((x, y), (next_x, next_y)) = (axes.place(pair[0]), axes.place(pair[1]));
        taken.push(Area { x, y: y - 1.0, width: next_x - x, height: 2.0 });
        taken.push(Area { x: next_x - 1.0, y, width: 2.0, height: next_y - y });
    }
    // The ends first: they are what the picture is about.
    let every = front.len().div_ceil(LABELLED).max(1);
    let between = (1..front.len().saturating_sub(1)).filter(|index| index % every == 0);
    let order = [0, front.len() - 1].into_iter().take(front.len()).chain(between);
    for point in order.map(|index| front[index]) {
        let name = short_size(point.cost);
        let (width, height) = (text_width(&name, SMALL) + 6.0, 16.0);
        let (x, y) = axes.place(point);
        // Below and to the left of the front there is nothing: no size is that good.
        let (left, middle) = (-width - 7.0, -width / 2.0);
        let areas = [
            (left, 3.0),
            (left, -8.0),
            (middle, 9.0),
            (8.0, -20.0),
            (left, -20.0),
            (9.0, 5.0),
            (middle, -24.0),
            (9.0, -8.0),
        ];
        let areas = areas.map(|(dx, dy)| Area { x: x + dx, y: y + dy, width, height });
        let free = |area: &Area| PLOT.holds(area) && !taken.iter().any(|t| t.meets(area));
        if let Some(area) = areas.into_iter().find(|area| free(area)) {
            sheet.haloed(area, &name);
            taken.push(area);
        }
    }
}

fn legend(sheet: &mut Sheet, points: &[Point]) {
    let mut x = 12.0;
    let there = |side| points.iter().any(|p| p.cost.side == side);
    for side in [Side::Gpu, Side::Cpu].into_iter().filter(|side| there(*side)) {
        let words = format!("{} size", kind_name(side));
        mark(sheet, (x + 6.0, 14.0), side);
        sheet.text((x + 18.0, 18.0), Anchor::Start, SMALL, INK, &words);
        x += 18.0 + text_width(&words, SMALL) + 16.0;
    }
    let beaten = |side| points.iter().any(|p| p.cost.side == side && !p.on_front);
    let hollows: Vec<Side> = [Side::Gpu, Side::Cpu].into_iter().filter(|s| beaten(*s)).collect();
    for side in &hollows {
        hollow(sheet, std::iter::once((x + 6.0, 14.0)), *side);
        x += 12.0;
    }
    if !hollows.is_empty() {
        let words = "hollow: another is cheaper and as fast";
        sheet.text((x + 6.0, 18.0), Anchor::Start, SMALL, INK, words);
    }
}

fn table(front: &[&Point]) -> Table {
    let mut table = Table::new(&[
        "VM size",
        "kind",
        "time is",
        ">USD/job",
        ">90 % interval",
        ">job takes",
        ">90 % interval of it",
    ]);
    for point in front {
        let range = |e: &Estimate, print: fn(f64) -> String| match (print(e.lo90), print(e.hi90)) {
            (lo, hi) if lo == hi => "same".to_owned(),
            (lo, hi) => format!("{lo} to {hi}"),
        };
        table.row([
            point.cost.size(),
            kind_name(point.cost.side).to_owned(),
            origin_word(point.cost).to_owned(),
            usd(point.usd.median),
            range(&point.usd, usd),
            seconds(point.latency_s.median),
            range(&point.latency_s, seconds),
        ]);
    }
    table
}
