//! How many times faster the GPU is end to end, at each size.

use super::crossover::{Duel, Winner, duels, sentence};
use super::select::Curve;
use super::throughput::{MOST_POINTS, size_scale, sizes_of, thinned};
use super::words::name;
use crate::report::Table;
use crate::report::figure::Figure;
use crate::report::figure::paint::{Look, Paint};
use crate::report::figure::plot::{Axis, Dot, LINE, MARKS, Plot, room_for, ticks_at};
use crate::report::figure::scale::{Scale, Tick, number};
use crate::report::figure::sheet::{Anchor, Area, Sheet, TEXT, WIDTH};
use crate::report::numbers::ratio;
use crate::units::seconds;

const HEIGHT: f64 = 250.0;

/// The picture of one series; `None` where no size was measured on both kinds.
pub fn figure(id: String, curve: &Curve) -> Option<Figure> {
    let duels = duels(curve);
    let (first, last) = (duels.first()?, duels.last()?);
    let (what, axis) = (&curve.label, name(&curve.series.axis));
    let title = format!("How many times faster is the GPU at {what}?");
    let at = |duel: &Duel| {
        let [median, lo, hi] = duel.speed_up();
        format!(
            "{} at {axis} = {} ({} to {})",
            ratio(median),
            number(duel.size),
            ratio(lo),
            ratio(hi)
        )
    };
    let speeds = match duels.len() {
        1 => at(first),
        _ => format!("{}, {}", at(first), at(last)),
    };
    let mut finding = format!(
        "CPU time by GPU time, end to end: {speeds}. {}. The ranges are the widest that both 95 % \
         intervals allow.",
        sentence(&duels, &axis)
    );
    if duels.len() > MOST_POINTS {
        finding += &format!(" Of {} sizes {MOST_POINTS} are drawn.", duels.len());
    }
    let svg = draw(&axis, &duels).finish(&id, &title, &finding);
    Some(Figure { id, title, finding, svg, table: table(&duels) })
}

fn draw(axis: &str, duels: &[Duel]) -> Sheet {
    let dots: Vec<Dot> = thinned(duels)
        .map(|duel| {
            let [y, lo, hi] = duel.speed_up();
            Dot { x: duel.size, y, lo, hi }
        })
        .collect();
    let sizes = sizes_of(dots.iter());
    let ends = dots.iter().flat_map(|d| [d.lo, d.hi]);
    let (x, y) = (size_scale(&sizes), Scale::log(ends.chain([0.8, 1.25])));
    let times = |tick: Tick| Tick { label: format!("{}×", tick.label), ..tick };
    let y_ticks: Vec<Tick> = y.ticks(6).into_iter().map(times).collect();
    let left = room_for(&y_ticks);
    let area = Area { x: left, y: 2.0 * LINE, width: WIDTH - left - 18.0, height: HEIGHT };
    let plot = Plot { area, x, y };
    let mut sheet = Sheet::new(area.bottom() + 54.0);
    let title = x.titled(axis);
    plot.frame(
        &mut sheet,
        0.0,
        &Axis { ticks: ticks_at(&sizes, &x, 12), title: &title },
        &Axis { ticks: y_ticks, title: "CPU time ÷ GPU time, end to end (log scale)" },
    );
    let one = plot.y_at(1.0);
    sheet.line((area.x, one), (area.right(), one), Paint::Ink.with(Look::Dashed), 1.5);
    plot.series(&mut sheet, &dots, MARKS[0]);
    // The words stand on the side where the line leaves room for them.
    let near_left = dots.first().is_some_and(|d| (plot.y_at(d.y) - one).abs() < 40.0);
    let (x, anchor) = match near_left {
        true => (area.right() - 6.0, Anchor::End),
        false => (area.x + 8.0, Anchor::Start),
    };
    let words = Paint::Muted.with(Look::Halo);
    if one - area.y > 24.0 {
        sheet.text((x, one - 12.0), anchor, TEXT, words, "↑ GPU faster");
    }
    if area.bottom() - one > 24.0 {
        sheet.text((x, one + 13.0), anchor, TEXT, words, "↓ CPU faster");
    }
    sheet
}

fn table(duels: &[Duel]) -> Table {
    let mut table = Table::new(&[
        ">size",
        "CPU",
        ">CPU time",
        "GPU",
        ">GPU time",
        ">speed-up",
        ">range",
        "faster",
    ]);
    for duel in duels {
        let [median, lo, hi] = duel.speed_up().map(ratio);
        let who =
            |p: &super::select::Point| format!("{} on {}", p.row.implementation, p.row.device);
        let faster = match duel.winner() {
            Winner::Cpu => "CPU",
            Winner::Gpu => "GPU",
            Winner::Neither => "neither surely",
        };
        table.row([
            number(duel.size),
            who(&duel.cpu),
            seconds(duel.cpu.time.median_s),
            who(&duel.gpu),
            seconds(duel.gpu.time.median_s),
            median,
            format!("{lo} to {hi}"),
            faster.into(),
        ]);
    }
    table
}
