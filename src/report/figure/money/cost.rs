//! What a job costs on each size: bars of its parts, intervals, spot prices.
//!
//! The axis is linear and starts at 0: lengths of stacked bars add up only there, and on a log axis the
//! part next to 0 would look the largest. The interval is a whisker, not a part. A bar too long for
//! the axis is cut, marked with an arrow, and has its number as every bar has.

use super::units::PerJobs;
use super::{SHOWN, dates, kind_name, origin_word, price_kind, priced, short_size};
use crate::classify::{Side, SkuCost, Verdict};
use crate::cost::Origin;
use crate::cost::parts::CostParts;
use crate::report::figure::Figure;
use crate::report::figure::paint::Paint;
use crate::report::figure::plot::flow;
use crate::report::figure::scale::Scale;
use crate::report::figure::sheet::{Anchor, Area, Marker, Place, Sheet, TEXT, WIDTH};
use crate::report::figure::text::{fitted, width};
use crate::report::numbers::{UNKNOWN, percent};
use crate::report::{Align, Column, Table};
use crate::units::{jobs, usd};

const LEFT: f64 = 8.0;
const RIGHT: f64 = WIDTH - 10.0;
/// Height of a heading, and of a row: its words, and the bar below them.
const HEADING: f64 = 32.0;
const ROW: f64 = 42.0;
const BAR: f64 = 14.0;
/// A part narrower than this is not drawn.
const SEEN: f64 = 0.3;
/// The axis ends at so many times the cost of the dearer kind's best size.
const LONGEST: f64 = 3.0;

/// Paints of the parts, in the order of [`CostParts::named`].
const PAINTS: [Paint; 7] = [
    Paint::Series(0),
    Paint::Series(4),
    Paint::Series(3),
    Paint::Series(2),
    Paint::Series(5),
    Paint::Muted,
    Paint::Grid,
];

/// A size with its cost in the axis' unit.
struct Bar<'a> {
    cost: &'a SkuCost,
    median: f64,
    lo90: f64,
    hi90: f64,
    parts: Option<CostParts>,
    spot_usd: Option<f64>,
}

/// The axis: USD for so many jobs.
struct Axis {
    per: PerJobs,
    scale: Scale,
    end: f64,
}

impl Axis {
    fn x(&self, usd_per_job: f64) -> f64 {
        self.place(self.per.of(usd_per_job))
    }

    fn place(&self, usd: f64) -> f64 {
        LEFT + (RIGHT - LEFT) * self.scale.share(usd)
    }

    fn beyond(&self, usd_per_job: f64) -> bool {
        self.per.of(usd_per_job) > self.end
    }
}

/// The picture; `None` where no size has a cost.
pub fn figure(id: String, verdict: &Verdict, spot: Option<&Verdict>) -> Option<Figure> {
    let sides = [Side::Gpu, Side::Cpu].map(|side| (side, bars(verdict, spot, side)));
    let all: Vec<&Bar> = sides.iter().flat_map(|(_, bars)| bars).collect();
    let dearest_best =
        sides.iter().filter_map(|(_, bars)| Some(bars.first()?.median)).fold(0.0, f64::max);
    if all.is_empty() {
        return None;
    }
    let limit = LONGEST * dearest_best;
    let reaches = |bar: &&Bar| bar.hi90.max(bar.spot_usd.unwrap_or(0.0)).min(limit);
    let longest = all.iter().map(reaches).fold(0.0, f64::max);
    let per = PerJobs::fit_for(dearest_best);
    let end = per.of(longest) * 1.02;
    let axis = Axis { per, scale: Scale::exactly(0.0, end), end };
    let title = "What does a job cost on each VM size?".to_owned();
    let finding = finding(verdict, &sides);
    let svg = draw(&axis, &sides, verdict).finish(&id, &title, &finding);
    Some(Figure { id, title, finding, svg, table: table(&all) })
}

fn bars<'a>(verdict: &'a Verdict, spot: Option<&Verdict>, side: Side) -> Vec<Bar<'a>> {
    let spot_of = |cost: &SkuCost| {
        let same = |s: &&SkuCost| {
            s.sku == cost.sku && s.provider == cost.provider && s.shared_with == cost.shared_with
        };
        let row = spot?.ranking.iter().find(|s| same(s) && s.eligible)?;
        Some(row.usd_per_job?.median)
    };
    let bar = |(cost, median): (&'a SkuCost, f64)| {
        let interval = cost.usd_per_job?;
        Some(Bar {
            cost,
            median,
            lo90: interval.lo90,
            hi90: interval.hi90,
            parts: cost.usd_per_job_parts,
            spot_usd: spot_of(cost),
        })
    };
    priced(verdict, side).into_iter().take(SHOWN).filter_map(bar).collect()
}

fn draw(axis: &Axis, sides: &[(Side, Vec<Bar>); 2], verdict: &Verdict) -> Sheet {
    let shown: Vec<&Bar> = sides.iter().flat_map(|(_, bars)| bars).collect();
    let there = || sides.iter().filter(|(_, bars)| !bars.is_empty());
    let mut entries = fills(axis, &shown);
    entries.extend(marks(axis, &shown, verdict));
    let words: Vec<String> = entries.iter().map(|(words, _)| words.clone()).collect();
    let legend = flow(&words, 23.0, 2.0, |_, _, _| {});
    let rows = there().count() as f64 * HEADING + shown.len() as f64 * ROW;
    let mut sheet = Sheet::new(legend + rows + 52.0);
    flow(&words, 23.0, 2.0, |n, x, y| {
        (entries[n].1)(&mut sheet, (x, y));
        sheet.text((x + 23.0, y), Anchor::Start, TEXT, Paint::Ink, &words[n]);
    });
    let mut y = 2.0 + legend;
    for (side, bars) in there() {
        let heading = format!("{} sizes", kind_name(*side));
        sheet.text((LEFT, y + 18.0), Anchor::Start, TEXT + 2.0, Paint::Ink, &heading);
        y += HEADING;
        for bar in bars {
            row(&mut sheet, axis, bar, y);
            y += ROW;
        }
    }
    foot(&mut sheet, axis, y, verdict);
    sheet
}

/// The axis with its money and what it is for.
fn foot(sheet: &mut Sheet, axis: &Axis, bottom: f64, verdict: &Verdict) {
    sheet.line((LEFT, bottom), (RIGHT, bottom), Paint::Muted, 1.0);
    for tick in axis.scale.ticks(5) {
        let (x, told) = (axis.place(tick.value), format!("${}", tick.label));
        sheet.line((x, bottom), (x, bottom + 5.0), Paint::Muted, 1.0);
        let anchor = if tick.value == 0.0 { Anchor::Start } else { Anchor::Middle };
        if x + width(&told, TEXT) / 2.0 <= WIDTH {
            sheet.text((x, bottom + 15.0), anchor, TEXT, Paint::Muted, &told);
        }
    }
    let at = jobs(verdict.jobs_per_day);
    let what = format!("USD {} at {at} jobs a day", axis.per.words);
    let place = ((LEFT + RIGHT) / 2.0, bottom + 36.0);
    sheet.text(place, Anchor::Middle, TEXT, Paint::Muted, &what);
}

/// Size, device and origin in words; the money; the bar with its whisker and its spot price.
fn row(sheet: &mut Sheet, axis: &Axis, bar: &Bar, y: f64) {
    let money = |usd_per_job: f64| usd(axis.per.of(usd_per_job));
    let told = match (money(bar.lo90), money(bar.hi90)) {
        (lo, hi) if lo == hi => money(bar.median),
        (lo, hi) => format!("{} ({lo} to {hi})", money(bar.median)),
    };
    let words = y + 8.0;
    sheet.text((RIGHT, words), Anchor::End, TEXT, Paint::Ink, &told);
    let room = RIGHT - LEFT - width(&told, TEXT) - 12.0;
    let name = fitted(&short_size(bar.cost), room, TEXT);
    sheet.text((LEFT, words), Anchor::Start, TEXT, Paint::Ink, &name);
    let used = width(&name, TEXT) + 8.0;
    let whole = format!("{}, {}", bar.cost.device, origin_word(bar.cost));
    let fits = |text: &str| width(text, TEXT) <= room - used;
    let more = if fits(&whole) { whole.as_str() } else { origin_word(bar.cost) };
    if fits(more) {
        sheet.text((LEFT + used, words), Anchor::Start, TEXT, Paint::Muted, more);
    }
    let top = y + 19.0;
    stack(sheet, axis, bar, top);
    whisker(sheet, axis, bar, top + BAR / 2.0);
    if let Some(spot) = bar.spot_usd.filter(|usd| !axis.beyond(*usd)) {
        diamond(sheet, (axis.x(spot), top + BAR / 2.0));
    }
}

fn stack(sheet: &mut Sheet, axis: &Axis, bar: &Bar, top: f64) {
    let undivided = CostParts { undivided: bar.median, ..CostParts::default() };
    let mut from = 0.0;
    for ((_, usd), paint) in bar.parts.unwrap_or(undivided).named().iter().zip(PAINTS) {
        let (left, right) = (axis.x(from), axis.x(from + usd));
        from += usd;
        if right - left >= SEEN {
            sheet.rect(Area { x: left, y: top, width: right - left, height: BAR }, paint, 1.0);
        }
    }
    let area = Area { x: LEFT, y: top, width: axis.x(bar.median) - LEFT, height: BAR };
    texture(sheet, bar.cost.origin, area);
    if axis.beyond(bar.median) {
        arrow(sheet, (RIGHT, top + BAR / 2.0));
    }
}

/// What covers a bar whose time was not measured on the size: stripes over a prediction, dots over a
/// prior, a line over what others measured.
fn texture(sheet: &mut Sheet, origin: Option<Origin>, area: Area) {
    let Area { x, y, width, height } = area;
    match origin {
        Some(Origin::Predicted) => sheet.path(stripes(area), Paint::Paper, 1.5),
        Some(Origin::Prior) => {
            // Two rows of dots, one between the other.
            let dot = |n: usize| {
                let row = (n % 2) as f64;
                (x + 3.0 + 3.5 * n as f64, y + height * (0.28 + 0.44 * row))
            };
            let dots = (0..(width / 3.5) as usize).map(dot);
            sheet.dots(dots.filter(|at| at.0 < x + width - 2.0).collect(), Paint::Paper, 2.4);
        }
        Some(Origin::Imported) => {
            let middle = y + height / 2.0;
            sheet.line((x, middle), (x + width, middle), Paint::Paper, 2.0);
        }
        Some(Origin::Declared | Origin::Measured | Origin::Interpolated) | None => {}
    }
}

/// Slanted lines over an area as one path: up, along the edge, down, along the edge.
fn stripes(area: Area) -> Vec<Place> {
    const STEP: f64 = 6.0;
    let (top, foot, slant) = (area.y, area.bottom(), area.height / 2.0);
    let mut points = Vec::new();
    let mut x = area.x;
    while x + slant + STEP <= area.right() {
        points.extend([(x, foot), (x + slant, top), (x + slant + STEP, top), (x + STEP, foot)]);
        x += 2.0 * STEP;
    }
    points
}

/// The end of a bar that goes on beyond the axis.
fn arrow(sheet: &mut Sheet, (x, y): Place) {
    sheet.filled(vec![(x - 8.0, y - 9.0), (x, y), (x - 8.0, y + 9.0)], Paint::Ink, 1.0);
}

fn diamond(sheet: &mut Sheet, (x, y): Place) {
    let paper = vec![(x, y - 8.0), (x + 8.0, y), (x, y + 8.0), (x - 8.0, y)];
    sheet.filled(paper, Paint::Paper, 1.0);
    sheet.marker((x, y), Marker::Diamond, Paint::Series(1));
}

/// The 90 % interval, from end to end; an end beyond the axis has no cap.
fn whisker(sheet: &mut Sheet, axis: &Axis, bar: &Bar, middle: f64) {
    let (left, right) = (axis.x(bar.lo90), axis.x(bar.hi90));
    if right - left < 1.0 {
        return;
    }
    let mut line = Vec::new();
    let cap = |x: f64| [(x, middle - 4.0), (x, middle + 4.0)];
    for (x, usd) in [(left, bar.lo90), (right, bar.hi90)] {
        line.push((x, middle));
        line.extend(Some(cap(x)).filter(|_| !axis.beyond(usd)).into_iter().flatten());
        line.push((x, middle));
    }
    sheet.path(line.clone(), Paint::Paper, 4.0);
    sheet.path(line, Paint::Ink, 1.5);
}

/// Words of the legend, and what draws their sign to the right of a place.
type Entry = (String, Box<dyn Fn(&mut Sheet, Place)>);

fn swatch((x, y): Place) -> Area {
    Area { x, y: y - 6.0, width: 16.0, height: 12.0 }
}

/// The parts that can be seen anywhere, and how the times are known.
fn fills(axis: &Axis, bars: &[&Bar]) -> Vec<Entry> {
    let seen = |index: &usize| {
        let usd = |bar: &Bar| bar.parts.map_or(0.0, |parts| parts.named()[*index].1);
        bars.iter().any(|bar| axis.x(usd(bar)) - LEFT >= SEEN)
    };
    let names = CostParts::default().named();
    let part = |index: usize| -> Entry {
        let paint = PAINTS[index];
        (names[index].0.to_owned(), Box::new(move |sheet, at| sheet.rect(swatch(at), paint, 1.0)))
    };
    let origin = |(origin, words): (Origin, &str)| -> Entry {
        let sign = move |sheet: &mut Sheet, at: Place| {
            sheet.rect(swatch(at), PAINTS[0], 1.0);
            texture(sheet, Some(origin), swatch(at));
        };
        (words.to_owned(), Box::new(sign))
    };
    let origins = [
        (Origin::Measured, "plain: measured"),
        (Origin::Imported, "lined: imported"),
        (Origin::Predicted, "striped: predicted"),
        (Origin::Prior, "dotted: prior"),
    ];
    let there = |one: &(Origin, &str)| bars.iter().any(|bar| bar.cost.origin == Some(one.0));
    let parts = (0..PAINTS.len()).filter(seen).map(part);
    parts.chain(origins.into_iter().filter(there).map(origin)).collect()
}

/// Whiskers, diamonds and arrows.
fn marks(axis: &Axis, bars: &[&Bar], verdict: &Verdict) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    if bars.iter().any(|bar| bar.lo90 < bar.hi90) {
        let sign = |sheet: &mut Sheet, (x, y): Place| {
            let cap = |x: f64| [(x, y), (x, y - 4.0), (x, y + 4.0), (x, y)];
            sheet.path([cap(x), cap(x + 16.0)].concat(), Paint::Ink, 1.5);
        };
        entries.push(("90 % interval".to_owned(), Box::new(sign)));
    }
    if bars.iter().any(|bar| bar.spot_usd.is_some()) {
        let words = format!("at the spot price (bars: {})", price_kind(&verdict.options));
        entries.push((words, Box::new(|sheet, (x, y)| diamond(sheet, (x + 8.0, y)))));
    }
    if bars.iter().any(|bar| axis.beyond(bar.median)) {
        let sign = |sheet: &mut Sheet, (x, y): Place| arrow(sheet, (x + 12.0, y));
        entries.push(("longer than the axis".to_owned(), Box::new(sign)));
    }
    entries
}

/// The best of each kind, what stands idle, whose prices.
fn finding(verdict: &Verdict, sides: &[(Side, Vec<Bar>); 2]) -> String {
    let of_side = |(side, bars): &(Side, Vec<Bar>)| {
        let Some(best) = bars.first() else {
            return format!("no {} size that may be chosen has a known cost", kind_name(*side));
        };
        let idle = best.parts.map(|p| p.idle / best.median).filter(|share| *share >= 0.005);
        let idle = idle.map(|share| format!(", {} of it idle", percent(share))).unwrap_or_default();
        format!(
            "the cheapest {} size, {}, costs {} a job{idle} ({})",
            kind_name(*side),
            best.cost.size(),
            usd(best.median),
            origin_word(best.cost)
        )
    };
    let costs = || sides.iter().flat_map(|(_, bars)| bars);
    let told: Vec<String> = sides.iter().map(of_side).collect();
    let spot =
        if costs().any(|bar| bar.spot_usd.is_some()) { ", spot prices as diamonds" } else { "" };
    let told = format!(
        "At {} jobs a day {}; {} prices {}{spot}.",
        jobs(verdict.jobs_per_day),
        told.join(", and "),
        price_kind(&verdict.options),
        dates(costs().map(|bar| bar.cost))
    );
    told
}

/// The numbers of all bars, in USD a job.
fn table(bars: &[&Bar]) -> Table {
    let mut titles = vec![
        ("VM size", Align::Left),
        ("kind", Align::Left),
        ("time is", Align::Left),
        ("USD/job", Align::Right),
        ("from (90 %)", Align::Right),
        ("to (90 %)", Align::Right),
    ];
    let shown = |index: usize| {
        bars.iter().any(|bar| bar.parts.is_some_and(|parts| parts.named()[index].1 > 0.0))
    };
    let parts: Vec<usize> = (0..PAINTS.len()).filter(|index| shown(*index)).collect();
    let names = CostParts::default().named();
    titles.extend(parts.iter().map(|index| (names[*index].0, Align::Right)));
    let spot = bars.iter().any(|bar| bar.spot_usd.is_some());
    titles.extend(spot.then_some(("at spot price", Align::Right)));
    titles.push(("price of", Align::Left));
    let columns = titles.into_iter().map(|(title, align)| Column { title, align }).collect();
    let row = |bar: &&Bar| {
        let mut cells = vec![
            bar.cost.size(),
            kind_name(bar.cost.side).to_owned(),
            origin_word(bar.cost).to_owned(),
            usd(bar.median),
            usd(bar.lo90),
            usd(bar.hi90),
        ];
        let part = |index: &usize| {
            bar.parts.map_or_else(|| UNKNOWN.into(), |parts| usd(parts.named()[*index].1))
        };
        cells.extend(parts.iter().map(part));
        cells.extend(spot.then(|| bar.spot_usd.map_or_else(|| UNKNOWN.into(), usd)));
        let date = bar.cost.price.as_ref().map(|price| price.as_of.clone());
        cells.push(date.unwrap_or_else(|| UNKNOWN.into()));
        cells
    };
    Table { columns, rows: bars.iter().map(row).collect() }
}
