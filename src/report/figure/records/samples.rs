//! Every sample of the least certain times, in the order in which they were taken.

use super::select::{Timed, fastest, interval, labels};
use super::words::name;
use crate::record::{Record, Row, Time};
use crate::report::Table;
use crate::report::figure::Figure;
use crate::report::figure::paint::{Look, Paint};
use crate::report::figure::plot::{Axis, Plot};
use crate::report::figure::scale::{Scale, Tick};
use crate::report::figure::sheet::{Anchor, Area, Place, Sheet, TEXT, WIDTH};
use crate::report::figure::text::{fitted, width};
use crate::report::numbers::{UNKNOWN, count, percent, ratio};
use crate::report::records::throughput_time;
use crate::units::{seconds, si};

/// Strips of one picture.
const MOST_STRIPS: usize = 12;
/// Dots of one strip.
const MOST_DOTS: usize = 96;
/// Height of a strip with its name.
const STRIP: f64 = 64.0;
/// Height of the dots alone.
const DOTS: f64 = 34.0;
/// A clock that changes by less, as a share, is steady.
const STEADY: f64 = 0.01;
/// Samples beyond this many medians are drawn at the edge.
const FARTHEST: f64 = 3.0;

/// The picture of one record; `None` where no time has two samples.
pub fn figure(id: String, record: &Record) -> Option<Figure> {
    let sampled = |row: &Row| -> bool {
        row.family != "peak" && throughput_time(row).is_some_and(|t| t.samples_s.len() > 1)
    };
    let mut timed = fastest(record, |row, _| sampled(row), throughput_time);
    // Widest interval first; of equals, in file order.
    timed.sort_by(|a, b| half(b.time).total_cmp(&half(a.time)));
    let (all, widest) = (timed.len(), timed.first()?);
    let sure = timed.last().map_or(0.0, |t| half(t.time));
    let noisiest = &labels(&timed)[0];
    let mut finding = format!(
        "The noisiest is {noisiest} with {} on {}: half of its 95 % interval is {} of the median",
        name(&widest.row.implementation),
        name(&widest.row.device),
        percent(half(widest.time))
    );
    finding += &match all {
        1 => ".".to_owned(),
        n => format!("; of {n} times the surest is known to {}.", percent(sure)),
    };
    finding += &clocks(&timed);
    timed.truncate(MOST_STRIPS);
    let names = labels(&timed);
    if all > timed.len() {
        finding += &format!(
            " Drawn are the {} with the widest intervals; {} left out.",
            timed.len(),
            count(all - timed.len(), "surer time")
        );
    }
    if timed.iter().any(|t| t.time.samples_s.len() > MOST_DOTS) {
        finding += " Of long strips the fastest and the slowest of each few samples are drawn.";
    }
    finding += &warmest(&timed);
    let title = "How sure are the times, and did they drift?".to_owned();
    let svg = draw(&timed, &names).finish(&id, &title, &finding);
    Some(Figure { id, title, finding, svg, table: table(&timed) })
}

/// Half of the 95 % interval as a share of the median.
fn half(time: &Time) -> f64 {
    let [median, lo, hi] = interval(time);
    (hi - lo) / 2.0 / median
}

/// By how much the clock changed from before to after, where both are known.
fn drift(row: &Row) -> Option<f64> {
    let [before, after] = row.clock_hz;
    let (before, after) = (before.filter(|hz| *hz > 0.0)?, after?);
    Some(after / before - 1.0).filter(|drift| drift.is_finite())
}

fn clocks(timed: &[Timed]) -> String {
    let drifts: Vec<f64> = timed.iter().filter_map(|t| drift(t.row)).collect();
    let worst = drifts.iter().copied().max_by(|a, b| a.abs().total_cmp(&b.abs()));
    match worst {
        None => " The clocks are not known.".into(),
        Some(worst) if worst.abs() < STEADY => {
            format!(
                " Where it is known ({} of {}), the clock was the same before and after within 1 %.",
                drifts.len(),
                timed.len()
            )
        }
        Some(worst) => format!(
            " Where it is known ({} of {}), the clock changed by up to {}{} from before to after.",
            drifts.len(),
            timed.len(),
            if worst < 0.0 { "−" } else { "+" },
            percent(worst.abs())
        ),
    }
}

/// (place in time from 0 to 1, share of the median) of the samples that are drawn.
fn dots(time: &Time) -> Vec<(f64, f64)> {
    let samples = &time.samples_s;
    let last = (samples.len() - 1).max(1) as f64;
    let value = |n: usize| (n as f64 / last, samples[n] / time.median_s);
    if samples.len() <= MOST_DOTS {
        return (0..samples.len()).map(value).filter(|(_, v)| v.is_finite()).collect();
    }
    // The least and the greatest of each stretch: no outlier is lost.
    let each = samples.len().div_ceil(MOST_DOTS / 2);
    let numbered: Vec<usize> = (0..samples.len()).collect();
    let stretches = numbered.chunks(each);
    let ends = stretches.flat_map(|stretch| {
        let by = |a: &&usize, b: &&usize| samples[**a].total_cmp(&samples[**b]);
        let (low, high) = (stretch.iter().min_by(by), stretch.iter().max_by(by));
        [low, high].into_iter().flatten().map(|n| value(*n))
    });
    ends.filter(|(_, v)| v.is_finite()).collect()
}

fn draw(timed: &[Timed], names: &[String]) -> Sheet {
    let all: Vec<Vec<(f64, f64)>> = timed.iter().map(|t| dots(t.time)).collect();
    let shares = all.iter().flatten().map(|(_, v)| v.clamp(1.0 / FARTHEST, FARTHEST));
    let x = Scale::log(shares.chain([0.98, 1.02]));
    let area =
        Area { x: 22.0, y: 8.0, width: WIDTH - 44.0, height: STRIP * timed.len() as f64 + 4.0 };
    let plot = Plot { area, x, y: Scale::exactly(0.0, 1.0) };
    let times = |tick: Tick| Tick { label: format!("{}×", tick.label), ..tick };
    let ticks: Vec<Tick> = x.ticks(6).into_iter().map(times).collect();
    let mut sheet = Sheet::new(area.bottom() + 54.0);
    for tick in &ticks {
        let at = plot.x_at(tick.value);
        sheet.line((at, area.y), (at, area.bottom()), Paint::Grid, 1.0);
    }
    let one = plot.x_at(1.0);
    sheet.line((one, area.y), (one, area.bottom()), Paint::Muted.with(Look::Dashed), 1.0);
    let title = "sample ÷ median (log scale); first sample on top";
    plot.frame(&mut sheet, 0.0, &Axis { ticks, title }, &Axis { ticks: Vec::new(), title: "" });
    for (n, (t, name)) in timed.iter().zip(names).enumerate() {
        strip(&mut sheet, &plot, area.y + STRIP * n as f64, t, name, &all[n]);
    }
    sheet
}

fn strip(sheet: &mut Sheet, plot: &Plot, y: f64, t: &Timed, case: &str, dots: &[(f64, f64)]) {
    let [median, lo, hi] = interval(t.time);
    let sure = format!("±{}{}", percent(half(t.time)), clock_words(t.row));
    let right = plot.area.right();
    let room = plot.area.width - width(&sure, TEXT) - 14.0;
    let case = fitted(&format!("{case}, {}", t.row.implementation), room, TEXT);
    let halo = Paint::Ink.with(Look::Halo);
    sheet.text((plot.area.x, y + 10.0), Anchor::Start, TEXT, halo, &case);
    sheet.text((right, y + 10.0), Anchor::End, TEXT, Paint::Muted.with(Look::Halo), &sure);
    let top = y + STRIP - DOTS - 6.0;
    let (from, to) = (plot.x_at(lo / median), plot.x_at(hi / median));
    let band = Area { x: from, y: top, width: (to - from).max(1.5), height: DOTS };
    sheet.rect(band, Paint::Series(0), 0.2);
    let places: Vec<Place> = dots
        .iter()
        .map(|(when, share)| (plot.x_at(*share), top + 2.0 + when * (DOTS - 4.0)))
        .collect();
    sheet.dots(places, Paint::Series(0), 3.5);
    let (x_lo, x_hi) = plot.x.ends();
    // Of all samples, not only of those that are drawn.
    let shares = t.time.samples_s.iter().map(|sample_s| sample_s / median);
    let beyond = shares.filter(|share| !(x_lo..=x_hi).contains(share)).count();
    if beyond > 0 {
        let words = format!("{beyond} beyond");
        sheet.text((right - 6.0, top + DOTS / 2.0), Anchor::End, TEXT, halo, &words);
    }
}

/// The highest temperature that a device told, where one did.
fn warmest(timed: &[Timed]) -> String {
    let told = timed.iter().flat_map(|t| t.row.temperature_c).flatten();
    match told.max_by(f64::total_cmp) {
        Some(celsius) => format!(" The warmest device that tells was at {celsius:.0} °C."),
        None => String::new(),
    }
}

/// ` · 2.60 → 2.10 GHz`, where the clock is known to have changed.
fn clock_words(row: &Row) -> String {
    match (row.clock_hz, drift(row)) {
        ([Some(before), Some(after)], Some(drift)) if drift.abs() >= STEADY => {
            format!(" · {:.2} → {:.2} GHz", before / 1e9, after / 1e9)
        }
        _ => String::new(),
    }
}

fn table(timed: &[Timed]) -> Table {
    let mut table = Table::new(&[
        "case",
        "implementation",
        "device",
        ">samples",
        ">median",
        ">95 % interval",
        ">outliers",
        ">slowest ÷ median",
        ">clock before",
        ">clock after",
        ">°C before",
        ">°C after",
    ]);
    for t in timed {
        let [median, lo, hi] = interval(t.time);
        let slowest = t.time.samples_s.iter().copied().fold(0.0, f64::max) / median;
        let warmth = |c: Option<f64>| c.map_or_else(|| UNKNOWN.into(), |c| format!("{c:.0}"));
        let clock = |hz: Option<f64>| hz.map_or_else(|| UNKNOWN.into(), |hz| si(hz, "Hz"));
        table.row([
            t.row.case_key.clone(),
            t.row.implementation.clone(),
            name(&t.row.device),
            t.time.samples_s.len().to_string(),
            seconds(median),
            format!("{} to {}", seconds(lo), seconds(hi)),
            t.time.outliers.to_string(),
            ratio(slowest),
            clock(t.row.clock_hz[0]),
            clock(t.row.clock_hz[1]),
            warmth(t.row.temperature_c[0]),
            warmth(t.row.temperature_c[1]),
        ]);
    }
    table
}
