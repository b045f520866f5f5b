//! What a terminal's reader sees first, because it stands last: a compact table and a small chart.

use super::chart::{bar, interval_chart};
use super::comparison::{label, range};
use super::csv::word;
use super::numbers::{UNKNOWN, count, ratio};
use super::text::{clean, drawn, painted};
use super::verdicts::name;
use super::{Content, Look, Table};
use crate::classify::{Kind, Side, SkuCost, Verdict};
use crate::compare::{Comparison, Mean, Ratio};
use crate::units::usd;

/// Columns where nobody says how many there are.
const USUAL_WIDTH: usize = 100;
/// Workloads whose bars are drawn, and rows of the chart of ratios.
const BARS: usize = 8;
const RATIOS: usize = 20;
/// Characters of the longest bar, which is that of the dearer kind.
const LONGEST_BAR: usize = 40;
/// Longest name of a workload or column in a table; longer ones are cut in the middle.
const LONGEST_NAME: usize = 28;

/// The lines after everything else; none for contents without such an end.
pub fn lines(content: &Content, look: Look) -> Vec<String> {
    let width = look.width.map_or(USUAL_WIDTH, usize::from);
    match content {
        Content::Verdicts(all) if !all.verdicts.is_empty() => {
            let mut lines = vec![String::new(), painted("Verdicts in short", "1", look)];
            lines.extend(verdict_lines(all.verdicts, width, look));
            lines.extend(bars(all.verdicts, width, look));
            lines
        }
        Content::Comparison(all) => {
            let mut lines = vec![String::new(), painted("In short", "1", look)];
            lines.extend(mean_lines(all, width, look));
            lines.extend(ratios(all, width, look));
            lines
        }
        _ => Vec::new(),
    }
}

/// A glyph and a word for a verdict, and the colour that goes with them.
fn mark(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::Gpu => ("▲", "32"),
        Kind::SharedGpu => ("△", "32"),
        Kind::Cpu => ("▼", "34"),
        Kind::Either => ("●", "36"),
        Kind::MeasureFirst => ("◌", "33"),
    }
}

/// The probability for people: cut, not rounded, as in the text.
fn certainty(verdict: &Verdict) -> String {
    let cut = |p: f64| format!("{:.2}", (p * 100.0).floor() / 100.0);
    probability(verdict).map_or_else(|| UNKNOWN.into(), cut)
}

/// How sure the verdict is; of `measure-first`, how sure its lean.
fn probability(verdict: &Verdict) -> Option<f64> {
    let (gpu, cpu) = (verdict.probability_gpu?, verdict.probability_cpu?);
    Some(match (verdict.verdict, verdict.lean) {
        (Kind::Gpu | Kind::SharedGpu, _) | (Kind::MeasureFirst, Some(Side::Gpu)) => gpu,
        (Kind::Cpu, _) | (Kind::MeasureFirst, _) => cpu,
        (Kind::Either, _) => (1.0 - gpu - cpu).max(0.0),
    })
}

/// What a side costs: money a month, size, origin of its times.
fn side(best: Option<&SkuCost>) -> [String; 3] {
    let Some(cost) = best else { return [UNKNOWN.into(), "no size".into(), UNKNOWN.into()] };
    let month = cost.usd_per_month.map_or_else(|| UNKNOWN.into(), |e| usd(e.median));
    let size = cost.size();
    let size = size.strip_prefix("Standard_").unwrap_or(&size).to_owned();
    [month, size, cost.origin.map_or_else(|| UNKNOWN.into(), |origin| word(&origin))]
}

/// One line a workload where they fit, else a few each.
fn verdict_lines(verdicts: &[Verdict], width: usize, look: Look) -> Vec<String> {
    let mut table = Table::new(&[
        "verdict",
        "workload",
        ">CPU/month",
        "on",
        ">GPU/month",
        "on",
        ">P",
        "times of CPU, GPU",
    ]);
    for verdict in verdicts {
        let [cpu, cpu_size, cpu_origin] = side(verdict.best_cpu.as_ref());
        let [gpu, gpu_size, gpu_origin] = side(verdict.best_gpu.as_ref());
        let origin = if cpu_origin == gpu_origin {
            cpu_origin
        } else {
            format!("{cpu_origin}, {gpu_origin}")
        };
        table.row([
            format!("{} {}", mark(verdict.verdict).0, name(verdict.verdict)),
            cut(&verdict.workload, LONGEST_NAME),
            cpu,
            cpu_size,
            gpu,
            gpu_size,
            certainty(verdict),
            origin,
        ]);
    }
    let colours: Vec<&str> = verdicts.iter().map(|v| mark(v.verdict).1).collect();
    if natural_width(&table) <= width {
        return marked(&table, &colours, look);
    }
    stacked_verdicts(verdicts, width, look)
}

/// Two lines a workload where both sides fit beside each other, else four.
fn stacked_verdicts(verdicts: &[Verdict], width: usize, look: Look) -> Vec<String> {
    let sides: Vec<[[String; 3]; 2]> =
        verdicts.iter().map(|v| [side(v.best_cpu.as_ref()), side(v.best_gpu.as_ref())]).collect();
    let widest = |of: &dyn Fn(&[[String; 3]; 2]) -> usize| sides.iter().map(of).max().unwrap_or(0);
    let money = widest(&|sides| sides.iter().map(|s| s[0].chars().count()).max().unwrap_or(0));
    let told = |[usd, size, origin]: &[String; 3]| format!("{usd:>money$} {size}, {origin}");
    let cpu = widest(&|sides| told(&sides[0]).chars().count());
    let gpu = widest(&|sides| told(&sides[1]).chars().count());
    let beside = cpu + gpu + 12 <= width;
    let mut lines = vec![cut("A month on the best size of each kind:", width)];
    for (verdict, sides) in verdicts.iter().zip(&sides) {
        let (glyph, colour) = mark(verdict.verdict);
        let word = format!("{glyph} {}", name(verdict.verdict));
        let p = certainty(verdict);
        let room = width.saturating_sub(word.chars().count() + p.chars().count() + 6).max(8);
        let workload = cut(&verdict.workload, room);
        lines.push(format!("{}  {workload}  P {p}", painted(&word, colour, look)));
        let [on_cpu, on_gpu] = [told(&sides[0]), told(&sides[1])];
        if beside {
            lines.push(format!("  CPU {on_cpu:<cpu$}  GPU {on_gpu}"));
        } else {
            lines.extend([format!("  CPU {on_cpu}"), format!("  GPU {on_gpu}")]);
        }
    }
    lines
}

/// Bars of what both kinds cost a month.
fn bars(verdicts: &[Verdict], width: usize, look: Look) -> Vec<String> {
    let month = |best: &Option<SkuCost>| Some(best.as_ref()?.usd_per_month?.median);
    let mut drawn: Vec<(&Verdict, [Option<f64>; 2])> = verdicts
        .iter()
        .map(|v| (v, [month(&v.best_cpu), month(&v.best_gpu)]))
        .filter(|(_, costs)| costs.iter().any(Option::is_some))
        .collect();
    let all = drawn.len();
    if all > BARS {
        let apart = |[cpu, gpu]: [Option<f64>; 2]| cpu.zip(gpu).map_or(0.0, |(c, g)| (c - g).abs());
        drawn.sort_by(|a, b| apart(b.1).total_cmp(&apart(a.1)));
        drawn.truncate(BARS);
    }
    if drawn.is_empty() {
        return Vec::new();
    }
    let which =
        if all > BARS { format!(", the {BARS} of {all} furthest apart") } else { String::new() };
    let title = format!("USD a month on the best size of each kind{which}");
    let mut lines = vec![String::new()];
    lines.extend(super::text::wrapped(&title, "", look).lines().map(|l| painted(l, "1", look)));
    let told =
        |costs: &[Option<f64>; 2]| costs.map(|cost| cost.map_or_else(|| UNKNOWN.into(), usd));
    let money = |costs| told(costs).iter().map(|t: &String| t.chars().count()).max().unwrap_or(0);
    let money = drawn.iter().map(|(_, costs)| money(costs)).max().unwrap_or(0);
    let room = width.saturating_sub(money + 8).min(LONGEST_BAR);
    for (verdict, costs) in drawn {
        lines.push(cut(&verdict.workload, width));
        let most = costs.iter().flatten().fold(0.0, |a: f64, b| a.max(*b));
        let told = told(&costs);
        for (index, (kind, colour)) in [("CPU", "34"), ("GPU", "32")].into_iter().enumerate() {
            let share = costs[index].filter(|_| most > 0.0).map_or(0.0, |cost| cost / most);
            let drawing = painted(&bar(share, room, look.ascii), colour, look);
            lines.push(format!("  {kind} {:>money$} {drawing}", told[index]).trim_end().to_owned());
        }
    }
    lines
}

/// Whether a ratio is beyond doubt, in a glyph and a word.
fn judged(speed: Option<Ratio>) -> (&'static str, &'static str) {
    match speed {
        Some(r) if r.lo90 > 1.0 => ("▲ faster", "32"),
        Some(r) if r.hi90 < 1.0 => ("▼ slower", "31"),
        Some(_) => ("● unclear", "33"),
        None => ("  –", ""),
    }
}

/// The means of all columns: the widest table that fits, else a few lines each.
fn mean_lines(all: &Comparison, width: usize, look: Look) -> Vec<String> {
    let colours: Vec<&str> = all.means.iter().map(|mean| judged(mean.speed).1).collect();
    for columns in [MEANS, MEANS_NARROW] {
        let titles: Vec<&'static str> = columns.iter().map(|(title, _)| *title).collect();
        let mut table = Table::new(&titles);
        let row = |mean| columns.iter().map(|(_, cell)| cell(all, mean)).collect();
        table.rows = all.means.iter().map(row).collect();
        if natural_width(&table) <= width {
            return marked(&table, &colours, look);
        }
    }
    let mut lines = Vec::new();
    for (mean, colour) in all.means.iter().zip(colours) {
        let word = judged(mean.speed).0;
        let room = |taken: usize| width.saturating_sub(taken).max(8);
        let column = cut(&label(&all.columns[mean.column]), room(word.chars().count() + 2));
        lines.push(format!("{}  {column}", painted(word, colour, look)));
        lines.push(format!("  against {}", cut(&label(&all.columns[mean.base]), room(10))));
        let (cases, speed, cost) = (mean.speed_cases, known(mean.speed), known(mean.cost));
        lines.push(format!("  speed {speed:>6}  {}, {}", within(mean.speed), count(cases, "case")));
        lines.push(format!("  cost  {cost:>6}  {}", within(mean.cost)));
    }
    lines
}

/// A column of the means: its title and its cells.
type MeanColumn = (&'static str, fn(&Comparison, &Mean) -> String);

const MARK: MeanColumn = ("", |_, mean| judged(mean.speed).0.into());
const COLUMN: MeanColumn =
    ("column", |all, mean| cut(&label(&all.columns[mean.column]), LONGEST_NAME));
const SPEED: MeanColumn = (">speed", |_, mean| known(mean.speed));
const SPEED_WITHIN: MeanColumn = (">90 % interval", |_, mean| within(mean.speed));
const CASES: MeanColumn = (">cases", |_, mean| mean.speed_cases.to_string());
const COST: MeanColumn = (">cost", |_, mean| known(mean.cost));

const MEANS: &[MeanColumn] = &[
    MARK,
    COLUMN,
    ("against", |all, mean| cut(&label(&all.columns[mean.base]), LONGEST_NAME)),
    SPEED,
    SPEED_WITHIN,
    CASES,
    COST,
    (">90 % interval", |_, mean| within(mean.cost)),
];
const MEANS_NARROW: &[MeanColumn] = &[MARK, COLUMN, SPEED, SPEED_WITHIN, CASES, COST];

fn known(ratio_or_not: Option<Ratio>) -> String {
    ratio_or_not.map_or_else(|| UNKNOWN.into(), |r| ratio(r.value))
}

fn within(ratio_or_not: Option<Ratio>) -> String {
    ratio_or_not.map_or_else(|| UNKNOWN.into(), range)
}

/// Ratios with their intervals: the means, and single cases where these are few.
fn ratios(all: &Comparison, width: usize, look: Look) -> Vec<String> {
    let mean = |mean: &Mean| {
        let label = format!("{}, mean of {}", label(&all.columns[mean.column]), mean.speed_cases);
        Some((label, mean.speed?))
    };
    let mut rows: Vec<(String, Ratio)> = all.means.iter().filter_map(mean).collect();
    let cells = all.cases.iter().flat_map(|case| case.cells.iter().map(move |cell| (case, cell)));
    let single: Vec<(String, Ratio)> = cells
        .filter_map(|(case, cell)| {
            let column = label(&all.columns[cell.column]);
            Some((format!("{column}, {}", case.case_key), cell.speed?))
        })
        .collect();
    if rows.len() + single.len() <= RATIOS {
        rows.extend(single);
    }
    let hidden = rows.len().saturating_sub(RATIOS);
    rows.truncate(RATIOS);
    let mut lines = vec![String::new()];
    let title = "Speed against the base with 90 % intervals; right of 1× is faster";
    lines.extend(super::text::wrapped(title, "", look).lines().map(|l| painted(l, "1", look)));
    let labelled: Vec<(String, Ratio)> = rows.into_iter().map(|(l, r)| (clean(&l), r)).collect();
    lines.extend(interval_chart(&labelled, width, look.ascii));
    if hidden > 0 {
        lines.push(format!("{} more: see --format csv", count(hidden, "column")));
    }
    lines
}

/// Characters of the widest line of the table when nothing is broken.
fn natural_width(table: &Table) -> usize {
    let column = |index: usize| {
        let cells = table.rows.iter().map(|row| row[index].chars().count());
        cells.chain([table.columns[index].title.chars().count()]).max().unwrap_or(0)
    };
    (0..table.columns.len()).map(|index| column(index) + 2).sum::<usize>().saturating_sub(2)
}

/// The table, the first cell of each row in its colour; the words say the same without colour.
fn marked(table: &Table, colours: &[&str], look: Look) -> Vec<String> {
    let text = drawn(table, Look { width: None, ..look });
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for ((line, row), colour) in lines.iter_mut().skip(1).zip(&table.rows).zip(colours) {
        if let Some(rest) = line.strip_prefix(row[0].as_str()) {
            *line = format!("{}{rest}", painted(&row[0], colour, look));
        }
    }
    lines
}

/// `text` without control characters, in at most `most` characters, cut in the middle.
pub fn cut(text: &str, most: usize) -> String {
    let text: String = clean(text).replace('\n', " ");
    let length = text.chars().count();
    if length <= most {
        return text;
    }
    let head = most.saturating_sub(1).div_ceil(2);
    let tail = most.saturating_sub(1) - head;
    let start: String = text.chars().take(head).collect();
    let end: String = text.chars().skip(length - tail).collect();
    format!("{start}…{end}")
}
