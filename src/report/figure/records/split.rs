//! Where the time of a GPU goes end to end: upload, launches, kernel, download, rest.

use std::collections::HashMap;

use breakeven_kernels::work::{DeviceInfo, DeviceKind};

use super::select::{Timed, fastest, labels};
use super::words::name;
use crate::record::{Record, Row, Time};
use crate::report::Table;
use crate::report::figure::Figure;
use crate::report::figure::paint::{Look, Paint};
use crate::report::figure::plot::{Axis, Plot, area_legend};
use crate::report::figure::scale::{Scale, Tick};
use crate::report::figure::sheet::{Anchor, Area, Sheet, TEXT, WIDTH};
use crate::report::figure::text::{fitted, width};
use crate::report::numbers::{UNKNOWN, count, percent};
use crate::units::seconds;

/// Bars of one picture.
const MOST_BARS: usize = 12;
/// Height of a bar with its name.
const BAR: f64 = 46.0;

/// The parts in drawing order.
const PARTS: [(&str, Paint); 5] = [
    ("pack and upload", Paint::Series(4)),
    ("launches (estimate)", Paint::Series(3)),
    ("kernel", Paint::Series(0)),
    ("download and unpack", Paint::Series(5)),
    ("rest", Paint::Grid),
];

struct Bar<'r> {
    timed: Timed<'r>,
    label: String,
    /// Seconds of each of [`PARTS`].
    parts_s: [f64; 5],
}

impl Bar<'_> {
    fn total_s(&self) -> f64 {
        self.parts_s.iter().sum()
    }

    /// Whether the parts run at the same time, so that they add up to more than the whole.
    fn overlaps(&self) -> bool {
        self.total_s() > 1.02 * self.timed.time.median_s
    }

    /// Upload and download as a share of all parts.
    fn transfer(&self) -> f64 {
        (self.parts_s[0] + self.parts_s[3]) / self.total_s()
    }
}

/// Whether the record has the split of any time on a GPU.
pub fn recorded(record: &Record) -> bool {
    record.rows.iter().any(|row| split_time(row).is_some())
}

fn split_time(row: &Row) -> Option<&Time> {
    let time = row.times.end_to_end.as_ref()?;
    [time.upload_s, time.kernel_s, time.download_s].iter().all(Option::is_some).then_some(time)
}

fn gpu(_: &Row, device: &DeviceInfo) -> bool {
    device.kind == DeviceKind::Gpu
}

/// Seconds of one launch by device, as the `peak` family measured it.
fn launches(record: &Record) -> HashMap<&str, f64> {
    let probe =
        |row: &Row, device: &DeviceInfo| row.case_key == "peak kind=launch" && gpu(row, device);
    let measured = fastest(record, probe, |row| row.times.kernel_warm.as_ref());
    measured.iter().map(|t| (t.row.device.as_str(), t.time.median_s)).collect()
}

/// The picture of one record; `None` where no time on a GPU was split.
pub fn figure(id: String, record: &Record) -> Option<Figure> {
    let launches = launches(record);
    let split = |row: &Row, device: &DeviceInfo| row.family != "peak" && gpu(row, device);
    let timed = fastest(record, split, split_time);
    let names = labels(&timed);
    let bars: Vec<Bar> =
        timed.into_iter().zip(names).filter_map(|(t, label)| bar(t, label, &launches)).collect();
    let title = "Where does the time go on the GPU?".to_owned();
    let finding = finding(&bars, launches.is_empty())?;
    let drawn = &bars[..bars.len().min(MOST_BARS)];
    let svg = draw(drawn).finish(&id, &title, &finding);
    Some(Figure { id, title, finding, svg, table: table(&bars) })
}

fn bar<'r>(timed: Timed<'r>, label: String, launches: &HashMap<&str, f64>) -> Option<Bar<'r>> {
    let time = timed.time;
    let part = |value: Option<f64>| value.filter(|v| v.is_finite()).map(|v| v.max(0.0));
    let (upload_s, device_s, download_s) =
        (part(time.upload_s)?, part(time.kernel_s)?, part(time.download_s)?);
    // The timer of the device runs over launches too, so they are taken from its part.
    let launch_s = launches.get(timed.row.device.as_str()).copied().unwrap_or(0.0);
    let launch_s = (f64::from(timed.row.launches) * launch_s).min(device_s);
    let rest_s = (time.median_s - upload_s - device_s - download_s).max(0.0);
    let parts_s = [upload_s, launch_s, device_s - launch_s, download_s, rest_s];
    (parts_s.iter().sum::<f64>() > 0.0).then_some(Bar { timed, label, parts_s })
}

fn finding(bars: &[Bar], no_launch: bool) -> Option<String> {
    let most = bars.iter().max_by(|a, b| a.transfer().total_cmp(&b.transfer()))?;
    let moving = bars.iter().filter(|b| b.transfer() > 0.5).count();
    let mut told = match bars.len() {
        1 => format!(
            "Of the one split case, {}, moving data to and from the GPU takes {} of the time end to end.",
            most.label,
            percent(most.transfer())
        ),
        n => format!(
            "Moving data to and from the GPU takes more than half of the time end to end in {moving} of \
             {n} cases, and most in {}: {}.",
            most.label,
            percent(most.transfer())
        ),
    };
    told += match no_launch {
        true => " What launches take was not measured; they are inside the kernel's part.",
        false => {
            " Launches are an estimate, their number times one measured launch, and taken from the \
             kernel's part."
        }
    };
    if bars.iter().any(Bar::overlaps) {
        told += " Some parts overlap; shares are of their sum.";
    }
    if bars.len() > MOST_BARS {
        let others = count(bars.len() - MOST_BARS, "more case");
        told += &format!(" {others} in the table only.");
    }
    Some(told)
}

fn draw(bars: &[Bar]) -> Sheet {
    let mut sheet = Sheet::new(0.0);
    let used = |part: usize| bars.iter().any(|bar| bar.parts_s[part] > 0.0);
    let entries: Vec<(Paint, &str)> = PARTS
        .iter()
        .enumerate()
        .filter(|(part, _)| used(*part))
        .map(|(_, (words, paint))| (*paint, *words))
        .collect();
    let top = area_legend(&mut sheet, 4.0, &entries) + 14.0;
    let area = Area { x: 18.0, y: top, width: WIDTH - 44.0, height: BAR * bars.len() as f64 + 6.0 };
    let plot = Plot { area, x: Scale::exactly(0.0, 1.0), y: Scale::exactly(0.0, 1.0) };
    let percent = |n: i32| Tick { value: f64::from(n) / 100.0, label: format!("{n} %") };
    let ticks: Vec<Tick> = [0, 25, 50, 75, 100].map(percent).into();
    for tick in &ticks {
        let x = plot.x_at(tick.value);
        sheet.line((x, top), (x, area.bottom()), Paint::Grid, 1.0);
    }
    let title = "share of the time end to end";
    plot.frame(&mut sheet, 0.0, &Axis { ticks, title }, &Axis { ticks: Vec::new(), title: "" });
    for (n, bar) in bars.iter().enumerate() {
        draw_bar(&mut sheet, &plot, top + BAR * n as f64, bar);
    }
    sheet.set_height(area.bottom() + 54.0);
    sheet
}

fn draw_bar(sheet: &mut Sheet, plot: &Plot, y: f64, bar: &Bar) {
    let total = seconds(bar.timed.time.median_s);
    let room = plot.area.width - width(&total, TEXT) - 12.0;
    let text = Paint::Ink.with(Look::Halo);
    sheet.text((plot.area.x, y + 10.0), Anchor::Start, TEXT, text, &fitted(&bar.label, room, TEXT));
    sheet.text((plot.area.right(), y + 10.0), Anchor::End, TEXT, text, &total);
    let mut from = 0.0;
    for (seconds, (_, paint)) in bar.parts_s.iter().zip(PARTS) {
        let share = seconds / bar.total_s();
        let (x, right) = (plot.x_at(from), plot.x_at(from + share));
        from += share;
        let area = Area { x, y: y + 22.0, width: right - x, height: 16.0 };
        if area.width >= 0.5 {
            sheet.rect(area, paint, 1.0);
        }
        if area.width >= 2.0 {
            sheet.border(area, Paint::Muted);
        }
    }
}

fn table(bars: &[Bar]) -> Table {
    let mut table = Table::new(&[
        "case",
        "implementation",
        "device",
        ">end to end",
        ">pack and upload",
        ">launches",
        ">kernel",
        ">download and unpack",
        ">rest",
        ">host CPU time",
    ]);
    for bar in bars {
        let row = bar.timed.row;
        let [upload, launch, kernel, download, rest] = bar.parts_s.map(seconds);
        table.row([
            row.case_key.clone(),
            row.implementation.clone(),
            name(&row.device),
            seconds(bar.timed.time.median_s),
            upload,
            launch,
            kernel,
            download,
            rest,
            row.host_cpu_s.map_or_else(|| UNKNOWN.into(), seconds),
        ]);
    }
    table
}
