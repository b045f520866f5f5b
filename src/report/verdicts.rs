//! Verdicts as a document: one table over all workloads, then each with its evidence.

use super::numbers::{UNKNOWN, count, percent, ratio};
use super::{Document, Table, Tone, Verdicts, csv::word, records};
use crate::classify::{Kind, Side, SkuCost, Suggestion, Verdict};
use crate::cost::{Estimate, Origin};
use crate::units::{jobs, seconds, thousands, usd};

/// All verdicts; rankings are cut to `rows` of each side. Where they are cut, what a reader can do
/// without is left to the other forms and to `--explain`.
pub fn document(all: &Verdicts, rows: usize) -> Document {
    let mut document = Document::default();
    document.heading(1, "Verdicts");
    all.remarks.iter().for_each(|remark| document.text(remark.clone()));
    // On a screen the same stands at the end.
    if all.verdicts.len() > 1 && rows == usize::MAX {
        summary(&mut document, all.verdicts);
    }
    for verdict in all.verdicts {
        one(&mut document, verdict, rows);
    }
    evidence(&mut document, all);
    document
}

/// The name of a verdict, as in JSON and on the command line.
pub fn name(kind: Kind) -> String {
    word(&kind)
}

/// One line a workload.
fn summary(document: &mut Document, verdicts: &[Verdict]) {
    let mut table = Table::new(&[
        "workload",
        "verdict",
        "best CPU size",
        ">USD/job",
        "best GPU size",
        ">USD/job",
        ">GPU saves/month",
        ">P(gpu)",
    ]);
    for verdict in verdicts {
        let sku = |best: &Option<SkuCost>| {
            best.as_ref().map_or_else(|| UNKNOWN.into(), |b| format!("{}, {}", b.size(), origin(b)))
        };
        let job = |best: &Option<SkuCost>| median(best.as_ref().and_then(|b| b.usd_per_job), usd);
        table.row([
            verdict.workload.clone(),
            name(verdict.verdict),
            sku(&verdict.best_cpu),
            job(&verdict.best_cpu),
            sku(&verdict.best_gpu),
            job(&verdict.best_gpu),
            median(verdict.gpu_saves_usd_per_month, usd),
            verdict.probability_gpu.map_or_else(|| UNKNOWN.into(), probability),
        ]);
    }
    document.table(table);
}

fn one(document: &mut Document, verdict: &Verdict, rows: usize) {
    let full = rows == usize::MAX || !verdict.explain.is_empty();
    document.heading(2, format!("{}: {}", verdict.workload, name(verdict.verdict)));
    document.stressed(Tone::Strong, verdict.headline.clone());
    if !verdict.summary.is_empty() {
        document.text(verdict.summary.clone());
    }
    if !verdict.sentences.is_empty() {
        document.text(verdict.sentences.join(" "));
    }
    ranking(document, verdict, rows, full);
    let why = reasons(verdict, full);
    if !why.is_empty() {
        document.text("Why:");
    }
    document.list(why);
    let turns = break_even(verdict);
    if !turns.is_empty() {
        document.text("Where it would turn:");
        document.list(turns);
    }
    if !verdict.measure_next.is_empty() {
        document.text("What to measure to settle it, best first:");
        document.list(verdict.measure_next.iter().map(suggestion).collect());
    }
    explain(document, verdict);
}

/// The reasons; on a screen without what binds each size, which the sentences told, unless
/// nothing else is left.
fn reasons(verdict: &Verdict, full: bool) -> Vec<String> {
    let told = |code: &str| !full && code.ends_with("-bound");
    let others = verdict.reasons.iter().any(|reason| !told(&reason.code));
    let shown = verdict.reasons.iter().filter(|reason| !others || !told(&reason.code));
    shown.map(|reason| format!("{}: {}", reason.code, reason.text)).collect()
}

/// A column of the ranking: its title, where it is shown, its cells.
type RankingColumn = (&'static str, Shown, fn(&SkuCost) -> String);

/// Where a column of the ranking is shown.
#[derive(Clone, Copy, PartialEq)]
enum Shown {
    Always,
    /// Not where a screen has no room for it.
    Full,
    /// Only on a screen, in place of a longer one.
    Screen,
}

const RANKING: &[RankingColumn] = &[
    ("VM size", Shown::Always, SkuCost::size),
    ("provider", Shown::Full, |cost| cost.provider.clone()),
    ("computes on", Shown::Full, computes_on),
    ("computes on", Shown::Screen, |cost| cost.device.clone()),
    (">USD/h", Shown::Always, |cost| cost.price_usd_per_h.map_or_else(|| UNKNOWN.into(), usd)),
    ("priced", Shown::Full, priced),
    (">nodes", Shown::Always, nodes),
    (">USD/month", Shown::Always, |cost| median(cost.usd_per_month, usd)),
    (">90 % interval", Shown::Always, |cost| interval(cost.usd_per_month, usd)),
    (">USD/job", Shown::Always, |cost| median(cost.usd_per_job, usd)),
    (">90 % interval", Shown::Full, |cost| interval(cost.usd_per_job, usd)),
    (">at full load", Shown::Full, |cost| median(cost.usd_per_job_full_load, usd)),
    (">job takes", Shown::Always, |cost| median(cost.latency_s, seconds)),
    ("bound by", Shown::Full, |cost| cost.binding.map_or_else(|| UNKNOWN.into(), |b| word(&b))),
    ("time is", Shown::Always, origin),
];

/// Nodes, from the emptiest to the fullest hour where these differ.
pub fn nodes(cost: &SkuCost) -> String {
    let Some(most) = cost.nodes else { return UNKNOWN.into() };
    let most_told = thousands(most as f64);
    match cost.fewest_nodes.filter(|fewest| *fewest != most) {
        Some(fewest) => format!("{} to {most_told}", thousands(fewest as f64)),
        None => most_told,
    }
}

/// The best sizes of each side with what they cost.
fn ranking(document: &mut Document, verdict: &Verdict, rows: usize, full: bool) {
    let hidden = if rows == usize::MAX { Shown::Screen } else { Shown::Full };
    let (table, cut) = ranked(verdict, rows, hidden);
    document.table(table);
    let groups = excluded(verdict);
    let mut remarks: Vec<String> = Vec::new();
    if cut > 0 {
        remarks.push(format!("{} more can do it, for more money", count(cut, "VM size")));
    }
    if full {
        remarks.extend(groups.iter().map(exclusion));
    } else if !groups.is_empty() {
        let told: Vec<String> =
            groups.iter().map(|(code, costs)| format!("{} {code}", costs.len())).collect();
        remarks.push(format!("left out: {} (see --explain)", told.join(", ")));
    }
    document.list(remarks);
}

/// The best `rows` sizes of each side with what a screen has room for, and how many more there are.
pub fn best_sizes(verdict: &Verdict, rows: usize) -> (Table, usize) {
    ranked(verdict, rows, Shown::Full)
}

/// Why sizes cannot be chosen, one line a reason.
pub fn exclusions(verdict: &Verdict) -> Vec<String> {
    excluded(verdict).iter().map(exclusion).collect()
}

/// The best `rows` sizes of each side without the columns that are `hidden`, and how many more
/// there are.
fn ranked(verdict: &Verdict, rows: usize, hidden: Shown) -> (Table, usize) {
    let columns = RANKING.iter().filter(|(_, shown, _)| *shown != hidden);
    let columns: Vec<&RankingColumn> = columns.collect();
    let titles: Vec<&'static str> = columns.iter().map(|(title, _, _)| *title).collect();
    let mut table = Table::new(&titles);
    let (mut gpus, mut cpus, mut cut) = (0, 0, 0);
    for cost in verdict.ranking.iter().filter(|cost| cost.eligible) {
        let shown = match cost.side {
            Side::Gpu => &mut gpus,
            Side::Cpu => &mut cpus,
        };
        if *shown == rows {
            cut += 1;
            continue;
        }
        *shown += 1;
        table.rows.push(columns.iter().map(|(_, _, cell)| cell(cost)).collect());
    }
    (table, cut)
}

/// Device and the implementations whose times were used.
fn computes_on(cost: &SkuCost) -> String {
    if cost.implementations.is_empty() {
        return cost.device.clone();
    }
    let mut names: Vec<&str> = Vec::new();
    for name in &cost.implementations {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    format!("{} ({})", cost.device, names.join(", "))
}

/// Kind, region and date of the price.
fn priced(cost: &SkuCost) -> String {
    cost.price.as_ref().map_or_else(
        || UNKNOWN.into(),
        |price| {
            let stale = if cost.price_stale { ", old" } else { "" };
            format!("{} {} {}{stale}", word(&price.kind), price.region, price.as_of)
        },
    )
}

/// Whether the times were measured, predicted or guessed from priors.
pub fn origin(cost: &SkuCost) -> String {
    cost.origin.map_or_else(|| UNKNOWN.into(), |origin| word(&origin))
}

/// A reason code and the sizes that it keeps out.
type Exclusion<'a> = (&'a str, Vec<&'a SkuCost>);

/// Sizes left out for one reason are named up to this many.
const NAMED: usize = 10;

/// Sizes that cannot be chosen, by reason.
fn excluded(verdict: &Verdict) -> Vec<Exclusion<'_>> {
    let mut groups: Vec<Exclusion> = Vec::new();
    for cost in verdict.ranking.iter().filter(|cost| !cost.eligible) {
        let code = cost.reasons.first().map_or("no reason given", |r| r.code.as_str());
        match groups.iter_mut().find(|(c, _)| *c == code) {
            Some((_, costs)) => costs.push(cost),
            None => groups.push((code, vec![cost])),
        }
    }
    groups
}

/// A group of them by name where that is short, else with an example.
fn exclusion((code, costs): &Exclusion) -> String {
    let text = costs.iter().find_map(|cost| Some(&cost.reasons.first()?.text));
    let text = text.map_or("", String::as_str);
    let names: Vec<&str> = costs.iter().map(|cost| cost.sku.as_str()).collect();
    let told = match &names[..] {
        [first] => format!("{first}: {text}"),
        // The text may hold figures of the first alone.
        [first, others @ ..] if names.len() <= NAMED => {
            format!("{first}: {text}; likewise {}", others.join(", "))
        }
        names => format!("for example {}: {text}", names.first().unwrap_or(&"none")),
    };
    format!("left out: {}, {code} ({told})", count(names.len(), "VM size"))
}

/// What would turn the verdict, one line a figure, each after its name: `price: …`.
pub fn break_even(verdict: &Verdict) -> Vec<String> {
    let turn = &verdict.break_even;
    let mut lines = Vec::new();
    if let (Some(needed), Some(speedup)) = (turn.needed_speedup, turn.speedup) {
        let (needed, speedup) = (ratio(needed), ratio(speedup));
        lines.push(format!(
            "throughput: to win by the margin, a node of the GPU size must do {needed} the jobs of \
             one of the CPU size; it does {speedup}"
        ));
    }
    if let (Some(floor), Some(gpu)) = (turn.gpu_floor_usd_per_month, &verdict.best_gpu) {
        lines.push(format!(
            "throughput: no speed of {} would win by the margin: its nodes alone cost {} a month",
            gpu.sku,
            usd(floor)
        ));
    }
    lines.extend(demand(verdict));
    for size in &turn.sizes {
        let (from, to) = (thousands(size.tested_from), thousands(size.tested_to));
        let axis = &size.axis;
        let what = size.value.map_or_else(
            || format!("no size from which the GPU is faster, tested {axis} {from} to {to}"),
            |value| {
                let value = thousands(value);
                format!("from {axis} = {value} the GPU is faster, tested {from} to {to}")
            },
        );
        let [gpu, cpu] = &size.devices;
        lines.push(format!("size: {what} ({}; {gpu} against {cpu})", size.series));
    }
    lines.extend(price(verdict));
    lines.extend(verdict.break_even.rival_gpu.as_ref().map(|rival| {
        let (now, below) = (usd(rival.price_usd_per_h), usd(rival.chosen_below_usd_per_h));
        let (sku, device) = (&rival.sku, &rival.device);
        format!(
            "between GPUs: {sku} ({device}) would be chosen below {below} an hour; it costs {now}"
        )
    }));
    lines
}

/// The prices of the GPU size that make the verdict certain, beside the one it has.
fn price(verdict: &Verdict) -> Option<String> {
    let turn = &verdict.break_even;
    let told: Vec<String> = [
        turn.gpu_price_for_gpu_usd_per_h.map(|p| format!("a GPU node up to {} an hour", usd(p))),
        turn.gpu_price_for_cpu_usd_per_h.map(|p| format!("a CPU node from {} an hour on", usd(p))),
    ]
    .into_iter()
    .flatten()
    .collect();
    let has = verdict.best_gpu.as_ref()?.price_usd_per_h?;
    let told = (!told.is_empty()).then(|| told.join(", "))?;
    Some(format!("price of the GPU size, {} now: the verdict would be {told}", usd(has)))
}

/// Cut, not rounded, so that 0.949 is not shown as the 0.95 that a clear verdict needs.
pub fn probability(p: f64) -> String {
    format!("{:.2}", (p * 100.0).floor() / 100.0)
}

/// Who is cheaper in which band of demand, and in which the demand asked for lies.
fn demand(verdict: &Verdict) -> Option<String> {
    let bands = &verdict.break_even.demand_bands;
    if let [band] = &bands[..] {
        let side = side_name(band.cheaper);
        return Some(format!("demand: by medians the {side} is cheaper at every demand looked at"));
    }
    let asked = verdict.jobs_per_day;
    let here = bands.iter().rev().find(|band| band.from_jobs_per_day <= asked)?;
    let told: Vec<String> = bands
        .iter()
        .map(|band| {
            let (side, from) = (side_name(band.cheaper), thousands(band.from_jobs_per_day.ceil()));
            match band.to_jobs_per_day.map(|to| thousands(to.ceil())) {
                Some(to) if band.from_jobs_per_day == 0.0 => {
                    format!("{side} below {to} jobs a day")
                }
                Some(to) => format!("{side} from {from} to {to}"),
                None => format!("{side} from {from} on"),
            }
        })
        .collect();
    let shared = verdict.sharing.as_ref().is_some_and(|s| !s.cotenants.is_empty());
    let own = if shared { " on nodes of its own" } else { "" };
    Some(format!(
        "demand: cheaper by medians{own}: {}; asked: {}, {}",
        told.join(", "),
        jobs(asked),
        side_name(here.cheaper)
    ))
}

pub fn side_name(side: Side) -> &'static str {
    match side {
        Side::Gpu => "GPU",
        Side::Cpu => "CPU",
    }
}

pub fn suggestion(suggestion: &Suggestion) -> String {
    let money = suggestion.usd.map_or_else(|| "price unknown".into(), usd);
    format!(
        "on {}: `{}` ({:.0} min, {money}): {}",
        suggestion.sku, suggestion.command, suggestion.minutes, suggestion.why
    )
}

/// Every term of the arithmetic, where it was asked for.
fn explain(document: &mut Document, verdict: &Verdict) {
    let mut table = Table::new(&["VM size", "part", "term", ">value", "unit", "from"]);
    for term in &verdict.explain {
        table.row([
            term.sku.clone(),
            term.part.clone(),
            term.name.clone(),
            term.value.map_or_else(|| UNKNOWN.into(), plain),
            term.unit.clone(),
            term.from.clone(),
        ]);
    }
    document.table(table);
}

/// Four significant digits, as a term of a sum that a reader may check.
fn plain(value: f64) -> String {
    match value.abs() {
        0.0 => "0".into(),
        v if (1e-3..1e6).contains(&v) => {
            let decimals = (3 - v.log10().floor() as i32).max(0) as usize;
            format!("{value:.decimals$}")
        }
        _ => format!("{value:.3e}"),
    }
}

/// What the verdicts rest on.
fn evidence(document: &mut Document, all: &Verdicts) {
    if all.verdicts.is_empty() {
        return;
    }
    document.heading(2, "Evidence");
    let origin = |v: &Verdict, origin| v.ranking.iter().any(|cost| cost.origin == Some(origin));
    if all.verdicts.iter().any(|verdict| origin(verdict, Origin::Imported)) {
        document.text(
            "Times are imported: measured by others and taken at their word. The reason `imported` \
             of each size names who measured it, when, and what its interval rests on.",
        );
    } else if all.records.is_empty() {
        document.stressed(
            Tone::Warning,
            "No measurement at all, neither given with --records nor built in: every time is a prior \
             from published results.",
        );
    }
    let lines = all.records.iter().map(|(name, record)| {
        let ok = records::verified(record);
        format!("{name}: {}, {} verified", records::machine(record), count(ok, "measurement"))
    });
    document.list(lines.collect());
    if let (true, Some((_, record))) = (all.measured_now, all.records.first()) {
        document.text("Measured here, each by its fastest verified implementation:");
        if let Some(noise) = records::noise(record) {
            document.stressed(Tone::Warning, noise);
        }
        document.table(records::fastest_table(record));
    }
    let options = &all.verdicts[0].options;
    document.text(format!(
        "Prices: {}, {}, {}, discount {}; one side must be {} cheaper to win, with P of 0.95 or \
         more. Intervals are 90 %; `same`: as many whole nodes at both ends; one that begins at the median: no fewer nodes would do.",
        options.provider.as_deref().unwrap_or("all providers"),
        options.region.as_deref().unwrap_or("each size's cheapest known region"),
        word(&options.price_kind),
        percent(options.discount),
        percent(options.margin)
    ));
    let used = all.prices.iter().map(|line| format!("prices: {line}"));
    document.list(used.collect());
}

pub fn median(estimate: Option<Estimate>, print: fn(f64) -> String) -> String {
    estimate.map_or_else(|| UNKNOWN.into(), |e| print(e.median))
}

/// The 90 % interval; `same` where whole nodes leave it no width.
pub fn interval(estimate: Option<Estimate>, print: fn(f64) -> String) -> String {
    match estimate.map(|e| (print(e.lo90), print(e.hi90))) {
        Some((lo, hi)) if lo != hi => format!("{lo} to {hi}"),
        Some(_) => "same".into(),
        None => UNKNOWN.into(),
    }
}
