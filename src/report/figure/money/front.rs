//! What speed costs: time of a job against its cost, and the sizes that no other beats in both.

use super::units::{PerJobs, times};
use super::{dates, kind_name, origin_word, price_kind, priced, short_size};
use crate::classify::{Side, SkuCost, Verdict};
use crate::cost::Estimate;
use crate::report::Table;
use crate::report::figure::Figure;
use crate::report::figure::paint::{Look, Paint};
use crate::report::figure::plot::{Axis, LINE, Labels, Mark, Plot, legend, room_for};
use crate::report::figure::scale::Scale;
use crate::report::figure::sheet::{Area, Marker, Place, Sheet, TEXT, WIDTH};
use crate::report::figure::text::width;
use crate::units::{seconds, usd};

/// Height of the plot.
const HEIGHT: f64 = 330.0;
/// About so many sizes are named in the picture; the table names all.
const NAMED: usize = 9;
/// Times within this factor are one.
const SAME_TIME: f64 = 1.000_001;
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
    let svg = draw(&points, &front).finish(&id, &title, &finding);
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

/// Circle and blue for a GPU size, square and vermilion for a CPU size.
fn mark_of(side: Side) -> Mark {
    let (paint, marker) = match side {
        Side::Gpu => (Paint::Series(0), Marker::Circle),
        Side::Cpu => (Paint::Series(1), Marker::Square),
    };
    Mark { paint, marker, look: Look::Plain }
}

fn draw(points: &[Point], front: &[&Point]) -> Sheet {
    let cheapest = points.iter().map(|p| p.usd.median).fold(f64::INFINITY, f64::min);
    let per = PerJobs::fit_for(cheapest);
    // All medians, and the intervals of the front.
    let reach = |of: fn(&Point) -> Estimate| {
        let ends = front.iter().flat_map(move |p| [of(p).lo90, of(p).hi90]);
        points.iter().map(move |p| of(p).median).chain(ends)
    };
    let x = Scale::log(reach(|p| p.usd).map(|usd| per.of(usd)));
    let y = Scale::log(reach(|p| p.latency_s));
    let time_ticks = times(y.ends(), 8);
    let left = room_for(&time_ticks);
    let entries = entries(points);
    let top = 2.0 + legend(&mut Sheet::new(0.0), 0.0, &entries, false) + LINE + 8.0;
    let area = Area { x: left, y: top, width: WIDTH - left - 14.0, height: HEIGHT };
    let plot = Plot { area, x, y };
    let mut sheet = Sheet::new(top + HEIGHT + 52.0);
    legend(&mut sheet, 2.0, &entries, false);
    let mut money_ticks = x.ticks(6);
    for tick in &mut money_ticks {
        tick.label.insert(0, '$');
    }
    let title = format!("USD {}", per.words);
    let below = Axis { ticks: money_ticks, title: &title };
    plot.frame(&mut sheet, 0.0, &below, &Axis { ticks: time_ticks, title: "A job takes" });
    let place = |p: &Point| plot.at(per.of(p.usd.median), p.latency_s.median);
    beaten(&mut sheet, points, place);
    sheet.path(stairs(front, place), Paint::Ink, 1.5);
    for point in front {
        whiskers(&mut sheet, &plot, &per, point);
    }
    for point in front {
        let mark = mark_of(point.cost.side);
        sheet.circle(place(point), 7.0, Paint::Paper, true);
        sheet.marker(place(point), mark.marker, mark.paint);
    }
    names(&mut sheet, area, front, place);
    sheet
}

fn entries(points: &[Point]) -> Vec<(Mark, String)> {
    let there = |side: &Side| points.iter().any(|p| p.cost.side == *side);
    let sides = [Side::Gpu, Side::Cpu].into_iter().filter(there);
    let mut entries: Vec<(Mark, String)> =
        sides.map(|side| (mark_of(side), format!("{} size", kind_name(side)))).collect();
    if points.iter().any(|p| !p.on_front) {
        let mark = Mark { paint: Paint::Muted, marker: Marker::Ring, look: Look::Plain };
        entries.push((mark, "hollow: another costs less and takes no longer".to_owned()));
    }
    entries
}

/// The sizes that another beats, hollow: rings of GPUs as two paths of dots, since they are many, and
/// squares of CPUs, of which those that would cover each other are drawn once.
fn beaten(sheet: &mut Sheet, points: &[Point], place: impl Fn(&Point) -> Place) {
    let of = |side: Side| points.iter().filter(move |p| !p.on_front && p.cost.side == side);
    let rings: Vec<Place> = of(Side::Gpu).map(&place).collect();
    if !rings.is_empty() {
        sheet.dots(rings.clone(), Paint::Series(0), 8.0);
        sheet.dots(rings, Paint::Paper, 5.0);
    }
    let mut drawn: Vec<Place> = Vec::new();
    for (x, y) in of(Side::Cpu).map(&place) {
        if !drawn.iter().any(|d| (d.0 - x).abs() < 3.0 && (d.1 - y).abs() < 3.0) {
            let area = Area { x: x - 3.0, y: y - 3.0, width: 6.0, height: 6.0 };
            sheet.border(area, Paint::Series(1));
            drawn.push((x, y));
        }
    }
}

/// The border of what can be had: for the money of a point and more, its time, until the next is
/// faster.
fn stairs(front: &[&Point], place: impl Fn(&Point) -> Place) -> Vec<Place> {
    let mut stairs: Vec<Place> = Vec::new();
    for (x, y) in front.iter().map(|p| place(p)) {
        stairs.extend(stairs.last().map(|before| (x, before.1)));
        stairs.push((x, y));
    }
    stairs
}

/// The 90 % intervals of both.
fn whiskers(sheet: &mut Sheet, plot: &Plot, per: &PerJobs, point: &Point) {
    let paint = mark_of(point.cost.side).paint;
    let (usd, seconds) = (point.usd, point.latency_s);
    let at = |usd: f64, seconds: f64| plot.at(per.of(usd), seconds);
    sheet.line(at(usd.lo90, seconds.median), at(usd.hi90, seconds.median), paint, 1.0);
    sheet.line(at(usd.median, seconds.lo90), at(usd.median, seconds.hi90), paint, 1.0);
}

/// Names of the sizes on the front where there is room for them; the table has all.
fn names(sheet: &mut Sheet, area: Area, front: &[&Point], place: impl Fn(&Point) -> Place) {
    let mut labels = Labels::new(area);
    for point in front {
        labels.keep_point_clear(place(point));
    }
    for pair in stairs(front, &place).windows(2) {
        let ((x, y), (to_x, to_y)) = (pair[0], pair[1]);
        let (width, height) = (to_x - x + 2.0, to_y - y + 2.0);
        labels.keep_clear(Area { x: x - 1.0, y: y - 1.0, width, height });
    }
    // The ends first: they are what the picture is about.
    let every = front.len().div_ceil(NAMED).max(1);
    let between = (1..front.len().saturating_sub(1)).filter(|index| index % every == 0);
    let order = [0, front.len() - 1].into_iter().take(front.len()).chain(between);
    for point in order.map(|index| front[index]) {
        let (name, (x, y)) = (short_size(point.cost), place(point));
        let (left, middle) = (x - width(&name, TEXT) - 8.0, x - width(&name, TEXT) / 2.0);
        // Below and to the left of the front there is nothing: no size is that good.
        let places = [
            (left, y + 3.0),
            (left, y - 8.0),
            (middle, y + 9.0),
            (x + 9.0, y - 21.0),
            (x + 9.0, y + 4.0),
            (middle, y - 25.0),
        ];
        labels.set(sheet, &places, &name);
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
