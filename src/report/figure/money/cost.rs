//! What a job costs on each size: bars of its parts, intervals, spot prices.
//!
//! The axis is linear and starts at 0: lengths of stacked bars add up only there, and on a log axis the
//! part next to 0 would look the largest. The interval is a whisker, not a part. A bar too long for
//! the axis is cut, marked with an arrow, and has its number as every bar has.

use super::axis::{self, PerJobs};
use super::svg::{
    Anchor, Area, GRID, INK, MUTED, SMALL, Sheet, TEXT, WIDTH, at, fitted, text_width,
};
use super::{SHOWN, dates, kind_name, origin_word, price_kind, priced};
use crate::classify::{Side, SkuCost, Verdict};
use crate::cost::Origin;
use crate::cost::parts::CostParts;
use crate::report::figure::Figure;
use crate::report::numbers::{UNKNOWN, percent};
use crate::report::{Align, Column, Table};
use crate::units::{thousands, usd};

const LEFT: f64 = 12.0;
const RIGHT: f64 = WIDTH - 12.0;
/// Height of a row: its words, and the bar below them.
const ROW: f64 = 40.0;
const BAR: f64 = 13.0;
/// The axis ends at so many times the cost of the dearer kind's best size.
const LONGEST: f64 = 3.0;

/// Colours of the parts, in the order of [`CostParts::named`]: Okabe and Ito's, and greys.
const COLOURS: [&str; 7] = [
    "var(--part-compute,#0072b2)",
    "var(--part-transfer,#e69f00)",
    "var(--part-launch,#cc79a7)",
    "var(--part-host,#009e73)",
    "var(--part-io,#56b4e9)",
    "var(--part-undivided,#7b8794)",
    "var(--part-idle,#d5dae0)",
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

/// How the sheet is laid out.
struct Layout {
    per: PerJobs,
    /// USD for so many jobs at the end of the axis.
    end: f64,
}

impl Layout {
    fn x(&self, usd_per_job: f64) -> f64 {
        LEFT + (RIGHT - LEFT) * (self.per.of(usd_per_job) / self.end).min(1.0)
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
    let layout = Layout { per, end: per.of(longest) * 1.02 };
    let title = "What does a job cost on each VM size?".to_owned();
    let finding = finding(verdict, &sides);
    let svg = draw(&id, &layout, &sides, verdict).finish_with(&title, &finding);
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

/// A sheet and how far down it reaches.
struct Drawn {
    sheet: Sheet,
    height: f64,
}

impl Drawn {
    fn finish_with(self, title: &str, finding: &str) -> String {
        self.sheet.finish(self.height, title, finding)
    }
}

fn draw(id: &str, layout: &Layout, sides: &[(Side, Vec<Bar>); 2], verdict: &Verdict) -> Drawn {
    let mut sheet = Sheet::new(id);
    hatches(&mut sheet);
    let shown: Vec<&Bar> = sides.iter().flat_map(|(_, bars)| bars).collect();
    let mut legend = Legend { sheet: &mut sheet, x: LEFT, y: 10.0 };
    legend.fills(&shown);
    legend.marks(layout, &shown, verdict);
    let top = legend.y + 20.0;
    let mut y = top;
    let count = shown.len() as f64;
    let groups = sides.iter().filter(|(_, bars)| !bars.is_empty()).count() as f64;
    let bottom = top + groups * 30.0 + count * ROW + 4.0;
    axis(&mut sheet, layout, bottom, verdict);
    for (side, bars) in sides.iter().filter(|(_, bars)| !bars.is_empty()) {
        let heading = format!("{} sizes", kind_name(*side));
        sheet.bold((LEFT, y + 20.0), Anchor::Start, TEXT + 1.0, INK, &heading);
        y += 30.0;
        for bar in bars {
            row(&mut sheet, layout, bar, y);
            y += ROW;
        }
    }
    Drawn { sheet, height: bottom + 44.0 }
}

/// Where the round sums of money are.
fn ticks(layout: &Layout) -> impl Iterator<Item = (f64, f64)> {
    let place = |tick: f64| (tick, LEFT + (RIGHT - LEFT) * tick / layout.end);
    axis::linear(layout.end, 5).into_iter().map(place)
}

/// The axis with its money and what it is for.
fn axis(sheet: &mut Sheet, layout: &Layout, bottom: f64, verdict: &Verdict) {
    sheet.line((LEFT, bottom), (RIGHT, bottom), MUTED, "");
    for (tick, x) in ticks(layout) {
        sheet.line((x, bottom), (x, bottom + 4.0), MUTED, "");
        let anchor = if tick == 0.0 { Anchor::Start } else { Anchor::Middle };
        let told = format!("${}", axis::short(tick));
        if x + text_width(&told, SMALL) / 2.0 <= WIDTH {
            sheet.text((x, bottom + 17.0), anchor, SMALL, MUTED, &told);
        }
    }
    let jobs = thousands(verdict.jobs_per_day);
    let what = format!("USD {} at {jobs} jobs a day", layout.per.words);
    sheet.text(((LEFT + RIGHT) / 2.0, bottom + 36.0), Anchor::Middle, SMALL, MUTED, &what);
}

/// Size, device and origin in words; the money; the bar with its whisker and its spot price.
fn row(sheet: &mut Sheet, layout: &Layout, bar: &Bar, y: f64) {
    let money = |usd_per_job: f64| usd(layout.per.of(usd_per_job));
    let told = match (money(bar.lo90), money(bar.hi90)) {
        (lo, hi) if lo == hi => money(bar.median),
        (lo, hi) => format!("{} ({lo} to {hi})", money(bar.median)),
    };
    let words = y + 13.0;
    sheet.text((RIGHT, words), Anchor::End, TEXT, INK, &told);
    let room = RIGHT - LEFT - text_width(&told, TEXT) - 12.0;
    let name = fitted(&bar.cost.size(), room, TEXT);
    sheet.text((LEFT, words), Anchor::Start, TEXT, INK, &name);
    let used = text_width(&name, TEXT) + 8.0;
    let more = format!("{}, {}", bar.cost.device, origin_word(bar.cost));
    let more = if text_width(&more, SMALL) > room - used { origin_word(bar.cost) } else { &more };
    if text_width(more, SMALL) <= room - used {
        sheet.text((LEFT + used, words), Anchor::Start, SMALL, MUTED, more);
    }
    let top = y + 18.0;
    // Lines behind the bars only: they would cross the words.
    for (tick, x) in ticks(layout) {
        let stroke = if tick == 0.0 { MUTED } else { GRID };
        sheet.line((x, top - 3.0), (x, top + BAR + 3.0), stroke, "");
    }
    stack(sheet, layout, bar, top);
    whisker(sheet, layout, bar, top + BAR / 2.0);
    if let Some(spot) = bar.spot_usd.filter(|usd| !layout.beyond(*usd)) {
        diamond(sheet, layout.x(spot), top + BAR / 2.0);
    }
}

fn stack(sheet: &mut Sheet, layout: &Layout, bar: &Bar, top: f64) {
    let whole = [("cost", bar.median)];
    let parts = bar.parts.map(|parts| parts.named());
    let parts: &[(&str, f64)] = parts.as_ref().map_or(&whole, |parts| &parts[..]);
    let mut from = 0.0;
    for (index, (_, usd)) in parts.iter().enumerate() {
        let (left, right) = (layout.x(from), layout.x(from + usd));
        from += usd;
        if right - left >= 0.3 {
            let colour = if bar.parts.is_some() { COLOURS[index] } else { COLOURS[5] };
            sheet.rect(Area { x: left, y: top, width: right - left, height: BAR }, colour, "");
        }
    }
    let width = layout.x(bar.median) - LEFT;
    let area = Area { x: LEFT, y: top, width, height: BAR };
    if let Some(hatch) = hatch(bar.cost.origin) {
        let fill = format!("url(#{})", sheet.id(hatch));
        sheet.rect(area, &fill, "");
    }
    if layout.beyond(bar.median) {
        arrow(sheet, RIGHT, top + BAR / 2.0);
    }
}

/// The end of a bar that goes on beyond the axis.
fn arrow(sheet: &mut Sheet, x: f64, middle: f64) {
    let d = format!("M{} {}l8 9l-8 9z", at(x - 8.0), at(middle - 9.0));
    sheet.path(&d, &format!(r#" fill="{INK}""#));
}

/// The 90 % interval, from end to end; an end beyond the axis has no cap.
fn whisker(sheet: &mut Sheet, layout: &Layout, bar: &Bar, middle: f64) {
    let (left, right) = (layout.x(bar.lo90), layout.x(bar.hi90));
    if right - left < 1.0 {
        return;
    }
    let halo = r#" stroke-width="3.5" stroke-opacity="0.75""#;
    let thin = r#" stroke-width="1.5""#;
    for (stroke, more) in [(super::svg::PAPER, halo), (INK, thin)] {
        sheet.line((left, middle), (right, middle), stroke, more);
        for (x, usd) in [(left, bar.lo90), (right, bar.hi90)] {
            if !layout.beyond(usd) {
                sheet.line((x, middle - 4.0), (x, middle + 4.0), stroke, more);
            }
        }
    }
}

fn diamond(sheet: &mut Sheet, x: f64, middle: f64) {
    let d = format!("M{} {}l6 6l-6 6l-6 -6z", at(x), at(middle - 6.0));
    let paper = super::svg::PAPER;
    sheet.path(
        &d,
        &format!(r#" fill="var(--figure-spot,#d55e00)" stroke="{paper}" stroke-width="1.5""#),
    );
}

/// The hatch over a bar whose time was not measured there.
fn hatch(origin: Option<Origin>) -> Option<&'static str> {
    match origin? {
        Origin::Predicted => Some("predicted"),
        Origin::Prior => Some("prior"),
        Origin::Imported => Some("imported"),
        Origin::Declared | Origin::Measured | Origin::Interpolated => None,
    }
}

fn hatches(sheet: &mut Sheet) {
    let ink = r#"stroke="var(--figure-hatch,#ffffff)" stroke-width="1.6" stroke-opacity="0.75""#;
    let kinds = [
        ("predicted", 6, format!(r#"<path d="M-1 1l2 -2M0 6l6 -6M5 7l2 -2" {ink}/>"#)),
        ("prior", 5, format!(r#"<path d="M0 5l5 -5M0 0l5 5" {ink}/>"#)),
        ("imported", 4, format!(r#"<path d="M2 0v4" {ink}/>"#)),
    ];
    for (name, size, shape) in kinds {
        let id = sheet.id(name);
        sheet.raw(&format!(
            r#"<pattern id="{id}" width="{size}" height="{size}" patternUnits="userSpaceOnUse">{shape}</pattern>"#
        ));
    }
}

/// What the colours, hatches and marks mean, line by line.
struct Legend<'s> {
    sheet: &'s mut Sheet,
    x: f64,
    y: f64,
}

impl Legend<'_> {
    /// Adds words after a mark that is drawn into the area given to it.
    fn add(&mut self, words: &str, mark: impl Fn(&mut Sheet, Area)) {
        let width = 22.0 + text_width(words, SMALL) + 14.0;
        if self.x + width > WIDTH && self.x > LEFT {
            (self.x, self.y) = (LEFT, self.y + 20.0);
        }
        let (x, y) = (self.x, self.y);
        mark(self.sheet, Area { x, y, width: 16.0, height: 11.0 });
        self.sheet.text((x + 22.0, y + 10.0), Anchor::Start, SMALL, INK, words);
        self.x += width;
    }

    /// The parts that are anywhere more than a trifle, and how the times are known.
    fn fills(&mut self, bars: &[&Bar]) {
        for (index, (name, _)) in CostParts::default().named().iter().enumerate() {
            let share = |bar: &&Bar| bar.parts.map_or(0.0, |p| p.named()[index].1 / bar.median);
            if bars.iter().map(share).fold(0.0, f64::max) >= 0.005 {
                self.add(name, |sheet, area| sheet.rect(area, COLOURS[index], ""));
            }
        }
        for (origin, words) in [
            (Origin::Measured, "solid: measured"),
            (Origin::Imported, "upright lines: imported"),
            (Origin::Predicted, "striped: predicted"),
            (Origin::Prior, "crossed: prior"),
        ] {
            if bars.iter().any(|bar| bar.cost.origin == Some(origin)) {
                self.add(words, |sheet, area| {
                    sheet.rect(area, COLOURS[0], "");
                    if let Some(hatch) = hatch(Some(origin)) {
                        let fill = format!("url(#{})", sheet.id(hatch));
                        sheet.rect(area, &fill, "");
                    }
                });
            }
        }
    }

    /// Whiskers, diamonds and arrows.
    fn marks(&mut self, layout: &Layout, bars: &[&Bar], verdict: &Verdict) {
        if bars.iter().any(|bar| bar.lo90 < bar.hi90) {
            self.add("90 % interval", |sheet, area| {
                let (left, right) = (area.x, area.x + area.width);
                let (middle, look) = (area.y + area.height / 2.0, r#" stroke-width="1.5""#);
                sheet.line((left, middle), (right, middle), INK, look);
                for x in [left, right] {
                    sheet.line((x, middle - 4.0), (x, middle + 4.0), INK, look);
                }
            });
        }
        if bars.iter().any(|bar| bar.spot_usd.is_some()) {
            let words = format!("at the spot price (bars: {})", price_kind(&verdict.options));
            self.add(&words, |sheet, area| {
                diamond(sheet, area.x + 8.0, area.y + area.height / 2.0);
            });
        }
        if bars.iter().any(|bar| layout.beyond(bar.median)) {
            self.add("longer than the axis", |sheet, area| {
                arrow(sheet, area.x + 12.0, area.y + area.height / 2.0);
            });
        }
    }
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
        thousands(verdict.jobs_per_day),
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
    let parts: Vec<usize> = (0..COLOURS.len()).filter(|index| shown(*index)).collect();
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
