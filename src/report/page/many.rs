//! Records side by side: joined by case, the same size over time, nodes slower than their siblings.

use std::cmp::Ordering;
use std::collections::HashMap;

use super::escape::prose;
use super::{html, words};
use crate::compare::{Cell, Comparison, Refusal};
use crate::report::Align::{Left, Right};
use crate::report::comparison::label;
use crate::report::dossier::Dossier;
use crate::report::numbers::{UNKNOWN, count, percent, ratio};
use crate::report::{Align, Table};
use crate::units::{seconds, si, thousands, usd};

/// Columns that are shown beside each other, case by case.
const COLUMNS: usize = 8;
/// Lines of what was not compared.
const REFUSALS: usize = 100;

/// The section about all records; empty for one alone.
pub fn section(dossier: &Dossier) -> String {
    let body = match dossier.comparison {
        None => return String::new(),
        Some(Err(why)) => format!("<p>The records are not compared: {}.</p>\n", prose(why)),
        Some(Ok(comparison)) => compared(comparison),
    };
    format!(
        "<section id=together aria-labelledby=together-heading>\
         <h2 id=together-heading>Records side by side</h2>\n{body}</section>\n"
    )
}

fn compared(all: &Comparison) -> String {
    let mut out: String =
        all.slow_nodes.iter().map(|slow| html::warning(&words::slow_node(all, slow))).collect();
    out += &all.remarks.iter().map(|r| html::warning(r)).collect::<String>();
    out += &format!("<p>{}</p>\n", prose(&summary(all)));
    out += &html::table("The devices of all records", &columns(all));
    out += &html::table("From which size on a GPU is faster, end to end", &crossovers(all));
    out += &html::table(
        "The fastest CPU and the fastest GPU of all records, case by case",
        &joined(all),
    );
    if all.columns.len() <= COLUMNS {
        let (titles, rows) = matrix(all);
        let titles: Vec<(&str, Align)> = titles.iter().map(|(t, a)| (t.as_str(), *a)).collect();
        out += &html::rows("Every case on every device, by one call", &titles, &rows);
    }
    out += &html::table("One size over time", &trends(all));
    let refusals: Vec<String> = refusals(all);
    out + &html::folded(
        &format!("What was not compared: {}", count(all.refusals.len(), "reason")),
        &html::list(&refusals),
    )
}

fn summary(all: &Comparison) -> String {
    let slow = match all.slow_nodes.len() {
        // It takes three of a kind.
        0 if all.sibling_groups() == 0 => {
            "no three are nodes of one kind, so none can be called slow among its siblings".into()
        }
        0 => "no node is slower than its siblings beyond their noise".to_owned(),
        1 => "1 node is slower than its siblings".to_owned(),
        n => format!("{n} nodes are slower than their siblings"),
    };
    format!(
        "{} of {} joined by {}; {slow}. Ratios carry 90 % intervals over runs.",
        count(all.columns.len(), "device"),
        count(runs(all), "record"),
        count(all.cases.len(), "case"),
    )
}

fn runs(all: &Comparison) -> usize {
    let mut runs: Vec<usize> = all.columns.iter().map(|c| c.record_index).collect();
    runs.sort_unstable();
    runs.dedup();
    runs.len()
}

fn columns(all: &Comparison) -> Table {
    let mut table = Table::new(&[
        "device",
        "size",
        "name",
        "measured",
        ">USD/h",
        "compared with",
        ">speed against it",
        ">cost against it",
        ">runs differ by",
    ]);
    for (index, column) in all.columns.iter().enumerate() {
        let mean = all.means.iter().find(|m| m.column == index);
        table.row([
            label(column),
            column.sku.clone().unwrap_or_else(|| UNKNOWN.into()),
            column.device_name.clone(),
            words::day(&column.started_at).to_owned(),
            column.usd_per_h.map_or_else(|| UNKNOWN.into(), usd),
            column.base.map_or_else(|| UNKNOWN.into(), |b| label(&all.columns[b])),
            words::with_interval(mean.and_then(|m| m.speed)),
            words::with_interval(mean.and_then(|m| m.cost)),
            format!("±{}", percent(column.between_runs.factor90 - 1.0)),
        ]);
    }
    table
}

fn crossovers(all: &Comparison) -> Table {
    let mut table = Table::new(&[
        "series",
        "CPU",
        "GPU",
        ">faster from",
        ">surely from",
        ">tested from",
        ">to",
    ]);
    let value = |v: Option<f64>| v.map_or_else(|| "nowhere".into(), thousands);
    for crossing in &all.crossovers {
        table.row([
            crossing.series.clone(),
            label(&all.columns[crossing.cpu]),
            label(&all.columns[crossing.gpu]),
            value(crossing.from),
            value(crossing.surely_from),
            thousands(crossing.tested_from),
            thousands(crossing.tested_to),
        ]);
    }
    table
}

/// CPU rows of one machine beside the GPU rows of another.
fn joined(all: &Comparison) -> Table {
    let mut table = Table::new(&[
        "case",
        ">in devices",
        "fastest CPU",
        ">one call",
        ">throughput",
        "fastest GPU",
        ">one call",
        ">throughput",
        ">GPU speed-up",
    ]);
    for case in &all.cases {
        let best = |gpu: bool| {
            let here = case.cells.iter().filter(|cell| all.columns[cell.column].gpu == gpu);
            // Device work alone only where no device has more.
            let rank = |cell: &&Cell| (cell.call.mode.kernel(), cell.call.median_s);
            here.min_by(|a, b| rank(a).partial_cmp(&rank(b)).unwrap_or(Ordering::Equal))
        };
        let (cpu, gpu) = (best(false), best(true));
        let unit = format!("{}/s", case.useful_unit);
        let where_ = |cell: Option<&Cell>| {
            cell.map_or_else(
                || UNKNOWN.into(),
                |c| format!("{}, {}", label(&all.columns[c.column]), c.call.implementation),
            )
        };
        let call = |cell: Option<&Cell>| cell.map_or_else(|| UNKNOWN.into(), one_call);
        let rate = |cell: Option<&Cell>| {
            cell.map_or_else(|| UNKNOWN.into(), |c| si(c.useful_per_s, &unit))
        };
        let pair = cpu.zip(gpu).filter(|(c, g)| all.same_computation(case, c, g));
        let speed_up = pair.map(|(c, g)| ratio(c.call.median_s / g.call.median_s));
        table.row([
            case.case_key.clone(),
            case.cells.len().to_string(),
            where_(cpu),
            call(cpu),
            rate(cpu),
            where_(gpu),
            call(gpu),
            rate(gpu),
            speed_up.unwrap_or_else(|| UNKNOWN.into()),
        ]);
    }
    table
}

/// The time of one call, marked where it leaves the transfers out.
fn one_call(cell: &Cell) -> String {
    let only = if cell.call.mode.kernel() { " (device work)" } else { "" };
    format!("{}{only}", seconds(cell.call.median_s))
}

/// Titles and rows of a table with a column for each device.
type Matrix = (Vec<(String, Align)>, Vec<Vec<String>>);

fn matrix(all: &Comparison) -> Matrix {
    let mut titles = vec![("case".to_owned(), Left)];
    titles.extend(all.columns.iter().map(|c| (label(c), Right)));
    let rows = all.cases.iter().map(|case| {
        let cells = (0..all.columns.len())
            .map(|column| case.cell(column).map_or_else(|| UNKNOWN.into(), one_call));
        std::iter::once(case.case_key.clone()).chain(cells).collect()
    });
    (titles, rows.collect())
}

fn trends(all: &Comparison) -> Table {
    let mut table = Table::new(&[
        "size",
        "device",
        "measured",
        "breakeven",
        "record",
        ">speed against the first",
        ">cases",
    ]);
    for trend in &all.trends {
        for point in &trend.points {
            let column = &all.columns[point.column];
            table.row([
                trend.of.clone(),
                trend.device.clone(),
                words::day(&column.started_at).to_owned(),
                column.tool_version.clone(),
                column.record.clone(),
                words::with_interval(point.speed),
                point.cases.to_string(),
            ]);
        }
    }
    table
}

/// Refusals of one reason are one line.
fn refusals(all: &Comparison) -> Vec<String> {
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut groups: Vec<(&str, Vec<&Refusal>)> = Vec::new();
    for refusal in &all.refusals {
        let place = *places.entry(&refusal.reason).or_insert_with(|| {
            groups.push((&refusal.reason, Vec::new()));
            groups.len() - 1
        });
        groups[place].1.push(refusal);
    }
    let line = |(reason, group): (&str, Vec<&Refusal>)| {
        let example = group[0];
        let case = example.case_key.as_deref().map(|c| format!(", {c}")).unwrap_or_default();
        match group.len() {
            1 => format!("{}{case}: {reason}", example.what),
            n => format!("{n} times, for example {}{case}: {reason}", example.what),
        }
    };
    let more = groups.len().saturating_sub(REFUSALS);
    groups.truncate(REFUSALS);
    let mut lines: Vec<String> = groups.into_iter().map(line).collect();
    if more > 0 {
        lines.push(format!("{} more: `compare --format json` has all", count(more, "reason")));
    }
    lines
}
