//! The report in short, for a terminal, an issue or a job summary: verdicts first, details after.

use super::comparison::label;
use super::dossier::{Dossier, Judged};
use super::numbers::{UNKNOWN, count};
use super::page::measured::{ONE_BY_ONE, overview};
use super::page::{provenance, words};
use super::{Block, Document, Table, Tone, records, verdicts};
use crate::classify::SkuCost;
use crate::compare::Comparison;
use crate::record::Record;
use crate::units::usd;

/// Sizes of each side in a brief's ranking.
const SIZES: usize = 5;
/// Lines of what failed or was skipped.
const GAPS: usize = 30;
/// Cases of a record's comparison.
const CASES: usize = 40;

/// A part of the brief; one with a title may be folded.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Part {
    /// What it unfolds from; `None` where it is always shown.
    pub fold: Option<String>,
    /// What it says.
    pub document: Document,
}

/// The parts, the most wanted first.
pub fn parts(dossier: &Dossier) -> Vec<Part> {
    let mut parts = vec![answer(dossier)];
    parts.extend(
        dossier
            .judged
            .iter()
            .map(|judged| folded(&judged.verdict.workload, |d| workload(d, judged))),
    );
    if dossier.records.len() <= ONE_BY_ONE {
        parts.extend(
            dossier.records.iter().map(|(label, record)| {
                folded(&format!("Measured: {label}"), |d| measured(d, record))
            }),
        );
    } else {
        parts.push(folded("The records", |d| d.table(overview(dossier))));
    }
    if let Some(Ok(comparison)) = dossier.comparison {
        parts.push(folded("Records side by side", |d| together(d, comparison)));
    }
    parts.push(folded("What failed or was skipped", |d| {
        let mut lines = provenance::gap_lines(dossier);
        lines.truncate(GAPS);
        d.list(lines);
    }));
    parts.push(again(dossier));
    parts.retain(|part| !part.document.blocks.is_empty());
    parts
}

/// All parts in one, for a terminal.
pub fn document(dossier: &Dossier) -> Document {
    let mut all = Document::default();
    for part in parts(dossier) {
        if let Some(title) = part.fold {
            all.heading(2, title);
        }
        all.blocks.extend(part.document.blocks);
    }
    all
}

fn folded(title: &str, fill: impl FnOnce(&mut Document)) -> Part {
    let mut document = Document::default();
    fill(&mut document);
    Part { fold: Some(title.to_owned()), document }
}

/// The title and a line for each workload.
fn answer(dossier: &Dossier) -> Part {
    let mut document = Document::default();
    document.heading(1, words::title(dossier));
    if let [one] = dossier.judged {
        document.stressed(Tone::Strong, one.verdict.headline.clone());
    }
    let mut table = Table::new(&[
        "workload",
        "run it on",
        "best CPU size",
        ">USD/month",
        "best GPU size",
        ">USD/month",
        ">P(GPU wins)",
    ]);
    for Judged { verdict, .. } in dossier.judged {
        let (glyph, word) = words::kind(verdict.verdict);
        let size = |best: &Option<SkuCost>| {
            best.as_ref().map_or_else(
                || UNKNOWN.into(),
                |b| format!("{}, {}", b.size(), verdicts::origin(b)),
            )
        };
        let month = |best: &Option<SkuCost>| {
            verdicts::median(best.as_ref().and_then(|b| b.usd_per_month), usd)
        };
        table.row([
            verdict.workload.clone(),
            format!("{glyph} {word}"),
            size(&verdict.best_cpu),
            month(&verdict.best_cpu),
            size(&verdict.best_gpu),
            month(&verdict.best_gpu),
            verdict.probability_gpu.map_or_else(|| UNKNOWN.into(), verdicts::probability),
        ]);
    }
    document.table(table);
    document.text(format!("{}.", words::stamps(dossier).join("; ")));
    document.list([dossier.remarks, &provenance::totals(dossier)[..]].concat());
    Part { fold: None, document }
}

fn measured(document: &mut Document, record: &Record) {
    let run = &record.header.run;
    document.text(format!(
        "{}, suite {}, measured {} by breakeven {}.",
        records::machine(record),
        run.suite,
        run.started_at,
        run.tool_version
    ));
    let mut devices = Table::new(&["device", "kind", "name", ">memory", "driver", "libraries"]);
    record.header.env.devices.iter().for_each(|d| devices.row(records::device_cells(&d.info)));
    document.table(devices);
    let mut table = records::cpu_against_gpu(record);
    if table.rows.is_empty() {
        table = records::fastest_table(record);
    }
    table.rows.truncate(CASES);
    document.table(table);
}

fn workload(document: &mut Document, judged: &Judged) {
    let verdict = &judged.verdict;
    document.stressed(Tone::Strong, verdict.headline.clone());
    if !verdict.sentences.is_empty() {
        document.text(verdict.sentences.join(" "));
    }
    document.list(verdict.reasons.iter().map(|r| format!("{}: {}", r.code, r.text)).collect());
    document.list(verdicts::break_even(verdict));
    document.list(verdict.measure_next.iter().map(verdicts::suggestion).collect());
    document.table(verdicts::best_sizes(verdict, SIZES).0);
}

fn together(document: &mut Document, all: &Comparison) {
    for slow in &all.slow_nodes {
        document.stressed(Tone::Warning, words::slow_node(all, slow));
    }
    document.list(all.remarks.clone());
    let mut table =
        Table::new(&["device", "compared with", ">speed against it", ">cost against it"]);
    for mean in &all.means {
        table.row([
            label(&all.columns[mean.column]),
            label(&all.columns[mean.base]),
            words::with_interval(mean.speed),
            words::with_interval(mean.cost),
        ]);
    }
    document.table(table);
}

/// How to do it again; commands stand as code, so that Markdown keeps them whole.
fn again(dossier: &Dossier) -> Part {
    let (lines, more) = provenance::commands(dossier);
    let mut document = Document::default();
    if !lines.is_empty() {
        document.heading(2, "How to do it again");
        document.list(lines);
        if more > 0 {
            document.blocks.push(Block::Text(
                Tone::Plain,
                format!("{} left out.", count(more, "more command")),
            ));
        }
    }
    Part { fold: None, document }
}
