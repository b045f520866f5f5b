//! Records side by side as a document and as rows for spreadsheets.

use super::csv::word;
use super::numbers::{UNKNOWN, count, percent, ratio};
use super::{Document, Table, Tone};
use crate::compare::{Case, Cell, Column, Comparison, Crossover, Ratio, Refusal, SlowNode};
use crate::units::{seconds, si, thousands, usd};

/// Cases of a table on a screen; the other forms have all.
pub const CASES_ON_A_SCREEN: usize = 30;
/// Groups of refusals that are told.
const REFUSALS: usize = 20;

/// The comparison; its table of cases is cut to `cases`.
pub fn document(all: &Comparison, cases: usize) -> Document {
    let mut document = Document::default();
    let records: std::collections::BTreeSet<usize> =
        all.columns.iter().map(|c| c.record_index).collect();
    document.heading(1, format!("{} side by side", count(records.len(), "record")));
    headlines(all).into_iter().for_each(|line| document.stressed(Tone::Strong, line));
    all.remarks.iter().for_each(|remark| document.stressed(Tone::Warning, remark.clone()));
    columns(&mut document, all);
    section(&mut document, "Slower than their siblings", slow_nodes(all));
    section(&mut document, "From which size the GPU is faster, end to end", crossovers(all));
    document.heading(2, "Cases");
    document.table(table(all, cases));
    let cut = all.cases.len().saturating_sub(cases);
    if cut > 0 {
        document.text(format!("{} more: see --format csv or markdown.", count(cut, "case")));
    }
    trends(&mut document, all);
    section(&mut document, "Not compared", refusals(&all.refusals));
    let options = &all.options;
    document.text(format!(
        "Prices: {}, {}, discount {}. Speed is the base's time ÷ this time of one call, host memory to host memory, by the \
         fastest verified implementation of each; cost is that of an item on a node that is never \
         idle. Intervals are 90 %: the samples of both sides, and how much another run differs (usually up to 1.10×).",
        options.price_kind.name(),
        options.region.as_deref().unwrap_or("each size's cheapest known region"),
        percent(options.discount)
    ));
    document
}

fn section(document: &mut Document, title: &str, lines: Vec<String>) {
    if !lines.is_empty() {
        document.heading(2, title);
        document.list(lines);
    }
}

/// A column's label, marked where its record is incomplete.
pub fn label(column: &Column) -> String {
    format!("{}{}", column.label, if column.complete { "" } else { "*" })
}

/// One sentence a column that has a mean.
fn headlines(all: &Comparison) -> Vec<String> {
    const TOLD: usize = 3;
    let means = || all.means.iter().filter(|mean| mean.speed.is_some());
    let mut told: Vec<String> = means()
        .take(TOLD)
        .filter_map(|mean| {
            let speed = mean.speed?;
            let (this, base) = (&all.columns[mean.column], &all.columns[mean.base]);
            let cost = mean.cost.map_or_else(String::new, |cost| {
                let cases = if mean.cost_cases == mean.speed_cases {
                    String::new()
                } else {
                    format!(" over {}", count(mean.cost_cases, "case"))
                };
                format!(" An item costs {} as much{cases} ({}).", ratio(cost.value), range(cost))
            });
            Some(format!(
                "{} is {} as fast as {} by the geometric mean over {} ({}).{cost}",
                this.label,
                ratio(speed.value),
                base.label,
                count(mean.speed_cases, "case"),
                range(speed)
            ))
        })
        .collect();
    let more = means().count().saturating_sub(TOLD);
    if more > 0 {
        told.push(format!("{} more below.", count(more, "column")));
    }
    told
}

/// `8.7× to 11×`.
pub fn range(of: Ratio) -> String {
    format!("{} to {}", ratio(of.lo90), ratio(of.hi90))
}

fn columns(document: &mut Document, all: &Comparison) {
    let mut table = Table::new(&[
        "column", "device", "VM size", "measured", "commit", "against", ">USD/h", "priced",
    ]);
    for column in &all.columns {
        let base = column.base.map(|base| all.columns[base].label.clone());
        table.row([
            label(column),
            column.device_name.clone(),
            column.sku.clone().unwrap_or_else(|| UNKNOWN.into()),
            minute(&column.started_at),
            commit(column),
            base.unwrap_or_else(|| "base".into()),
            column.usd_per_h.map_or_else(|| UNKNOWN.into(), usd),
            priced(column),
        ]);
    }
    document.heading(2, "Columns");
    document.table(table);
    document.list(all.columns.iter().filter_map(notes).collect());
}

/// An RFC 3339 time to the minute.
fn minute(time: &str) -> String {
    time.get(..16).unwrap_or(time).replace('T', " ")
}

/// What else a reader must know of a column.
fn notes(column: &Column) -> Option<String> {
    let runs = (column.between_runs.runs > 0).then(|| {
        let (runs, factor) = (column.between_runs.runs, ratio(column.between_runs.factor90));
        format!("{runs} runs of this environment: another differs by up to {factor}")
    });
    let alone = (column.alone > 0)
        .then(|| format!("{} that no other record has", count(column.alone, "case")));
    let parts: Vec<String> =
        column.price_note.clone().into_iter().chain(runs).chain(alone).collect();
    (!parts.is_empty()).then(|| format!("{}: {}", column.label, parts.join("; ")))
}

fn commit(column: &Column) -> String {
    let changed = if column.dirty == Some(true) { ", changed" } else { "" };
    column.commit.as_deref().map_or_else(
        || format!("v{}", column.tool_version),
        |commit| format!("{}{changed}", commit.get(..9).unwrap_or(commit)),
    )
}

/// Region and date of the price.
fn priced(column: &Column) -> String {
    let price = column.price.as_ref().filter(|_| column.usd_per_h.is_some());
    price.map_or_else(
        || UNKNOWN.into(),
        |price| {
            let stale = if column.price_stale { ", old" } else { "" };
            format!("{} {}{stale}", price.region, price.as_of)
        },
    )
}

fn slow_nodes(all: &Comparison) -> Vec<String> {
    let told = |slow: &SlowNode| {
        format!(
            "{} takes {} the time of its {}, in {} of {} beyond their noise of {}",
            all.columns[slow.column].named(),
            ratio(slow.factor),
            count(slow.siblings.len(), "sibling"),
            slow.slower_in,
            count(slow.cases, "case"),
            ratio(slow.noise)
        )
    };
    all.slow_nodes.iter().map(told).collect()
}

fn crossovers(all: &Comparison) -> Vec<String> {
    let told = |c: &Crossover| {
        let (gpu, cpu) = (&all.columns[c.gpu].label, &all.columns[c.cpu].label);
        let (axis, range) =
            (&c.axis, format!("{} to {}", thousands(c.tested_from), thousands(c.tested_to)));
        let what = c.from.map_or_else(
            || format!("none in the tested range, {axis} {range}"),
            |from| {
                let sure = match c.surely_from {
                    Some(sure) if sure == from => String::new(),
                    Some(sure) => format!(", beyond doubt from {}", thousands(sure)),
                    None => ", within the interval".to_owned(),
                };
                format!("from {axis} = {}{sure}, tested {range}", thousands(from))
            },
        );
        format!("{}: {gpu} against {cpu}: {what} ({})", c.series, count(c.points, "size"))
    };
    all.crossovers.iter().map(told).collect()
}

/// One line a case and column; on a screen, the case is named once.
fn table(all: &Comparison, cases: usize) -> Table {
    let mut table = Table::new(&[
        "case",
        "column",
        "fastest",
        ">one call",
        ">speed",
        ">90 % interval",
        ">throughput",
        ">USD/item",
        ">cost",
    ]);
    for case in all.cases.iter().take(cases) {
        for (index, cell) in case.cells.iter().enumerate() {
            let mut line = cells(all, case, cell);
            if index > 0 && cases != usize::MAX {
                line[0].clear();
            }
            table.rows.push(line);
            for other in &cell.others {
                let slower = ratio(cell.call.median_s / other.median_s);
                let mut line = vec![String::new(); table.columns.len()];
                line[2].clone_from(&other.implementation);
                line[3] = seconds(other.median_s);
                line[5] = format!("{slower} of the fastest");
                table.rows.push(line);
            }
        }
    }
    table
}

fn cells(all: &Comparison, case: &Case, cell: &Cell) -> Vec<String> {
    let column = &all.columns[cell.column];
    let known = |value: Option<Ratio>| value.map_or_else(|| UNKNOWN.into(), |r| ratio(r.value));
    let kernel = if cell.call.mode.kernel() { " (device work)" } else { "" };
    vec![
        case.case_key.clone(),
        label(column),
        format!("{}{kernel}", cell.call.implementation),
        seconds(cell.call.median_s),
        if column.base.is_none() { "base".into() } else { known(cell.speed) },
        cell.speed.map_or_else(|| UNKNOWN.into(), range),
        si(cell.useful_per_s, &format!("{}/s", case.useful_unit)),
        cell.usd_per_item.map_or_else(|| UNKNOWN.into(), usd),
        known(cell.cost),
    ]
}

fn trends(document: &mut Document, all: &Comparison) {
    let mut table = Table::new(&[
        "over time",
        "column",
        "measured",
        "commit",
        ">speed",
        ">90 % interval",
        ">cases",
    ]);
    for trend in &all.trends {
        for (index, point) in trend.points.iter().enumerate() {
            let column = &all.columns[point.column];
            let first = if index == 0 { "oldest".to_owned() } else { UNKNOWN.into() };
            table.row([
                format!("{} {}", trend.of, trend.device),
                label(column),
                minute(&column.started_at),
                commit(column),
                point.speed.map_or(first, |speed| ratio(speed.value)),
                point.speed.map_or_else(|| UNKNOWN.into(), range),
                point.cases.to_string(),
            ]);
        }
    }
    if !table.rows.is_empty() {
        document.heading(2, "The same size over time, against its oldest run");
        document.table(table);
    }
}

/// Refusals, those of one thing and reason together.
fn refusals(all: &[Refusal]) -> Vec<String> {
    let mut groups: Vec<(&Refusal, usize)> = Vec::new();
    for refusal in all {
        let same =
            |(r, _): &(&Refusal, usize)| r.what == refusal.what && r.reason == refusal.reason;
        match groups.iter().position(same) {
            Some(at) => groups[at].1 += 1,
            None if groups.len() == REFUSALS => {}
            None => groups.push((refusal, 1)),
        }
    }
    let told = groups.iter().map(|(r, number)| match &r.case_key {
        Some(key) if *number == 1 => format!("{}, {key}: {}", r.what, r.reason),
        Some(_) => format!("{}, {}: {}", r.what, count(*number, "case"), r.reason),
        None => format!("{}: {}", r.what, r.reason),
    });
    let mut lines: Vec<String> = told.collect();
    let number = groups.iter().map(|(_, number)| number).sum::<usize>();
    if number < all.len() {
        lines.push(format!("{} more: see --format json", all.len() - number));
    }
    lines
}

/// Columns of the table for spreadsheets.
pub const CSV_COLUMNS: [&str; 29] = [
    "case_key",
    "family",
    "column",
    "record",
    "complete",
    "device",
    "device_name",
    "device_kind",
    "provider",
    "sku",
    "started_at",
    "commit",
    "against",
    "implementation",
    "mode",
    "median_s",
    "ci95_lo_s",
    "ci95_hi_s",
    "speed",
    "speed_lo90",
    "speed_hi90",
    "useful_per_s",
    "useful_unit",
    "usd_per_h",
    "usd_per_item",
    "item_unit",
    "cost",
    "cost_lo90",
    "cost_hi90",
];

/// One line a case and column.
pub fn csv_rows(all: &Comparison) -> impl Iterator<Item = [String; 29]> {
    let cells = all.cases.iter().flat_map(|case| case.cells.iter().map(move |cell| (case, cell)));
    cells.map(|(case, cell)| {
        let column = &all.columns[cell.column];
        let number = |value: Option<f64>| value.map(|v| v.to_string()).unwrap_or_default();
        let ends = |r: Option<Ratio>| {
            [number(r.map(|r| r.value)), number(r.map(|r| r.lo90)), number(r.map(|r| r.hi90))]
        };
        let ([speed, speed_lo, speed_hi], [cost, cost_lo, cost_hi]) =
            (ends(cell.speed), ends(cell.cost));
        [
            case.case_key.clone(),
            case.family.clone(),
            column.label.clone(),
            column.record.clone(),
            column.complete.to_string(),
            column.device.clone(),
            column.device_name.clone(),
            if column.gpu { "gpu" } else { "cpu" }.into(),
            column.provider.clone().unwrap_or_default(),
            column.sku.clone().unwrap_or_default(),
            column.started_at.clone(),
            column.commit.clone().unwrap_or_default(),
            column.base.map(|base| all.columns[base].label.clone()).unwrap_or_default(),
            cell.call.implementation.clone(),
            word(&cell.call.mode),
            cell.call.median_s.to_string(),
            cell.call.ci95_lo_s.to_string(),
            cell.call.ci95_hi_s.to_string(),
            speed,
            speed_lo,
            speed_hi,
            cell.useful_per_s.to_string(),
            case.useful_unit.clone(),
            number(column.usd_per_h),
            number(cell.usd_per_item),
            case.item_unit.clone(),
            cost,
            cost_lo,
            cost_hi,
        ]
    })
}
