//! Where everything comes from, what is missing, and how to do it again.

use std::collections::{BTreeMap, BTreeSet};

use super::escape::{command, name, prose};
use super::{html, measured};
use crate::cost::Origin;
use crate::record::{Record, Row, Status};
use crate::report::dossier::Dossier;
use crate::report::numbers::{UNKNOWN, count, percent};
use crate::report::{Table, csv::word, records};
use crate::units::bytes;

/// Commands that are written out; more of them would hide the last.
const COMMANDS: usize = 20;
/// Machines whose facts the page shows; their records have them all.
const MACHINES: usize = 12;
/// Lines of what failed or was skipped.
const GAPS: usize = 100;

/// The section at the end.
pub fn section(dossier: &Dossier) -> String {
    let mut out = String::from(
        "<section id=provenance aria-labelledby=provenance-heading>\
         <h2 id=provenance-heading>Provenance</h2>\n",
    );
    out += "<h3>What was measured, and what was not</h3>\n";
    out += &html::list(&totals(dossier));
    out += &html::table(
        "VM sizes that may be chosen, by how their times are known",
        &origins(dossier),
    );
    out += &gaps(dossier);
    out += &prices(dossier);
    out += &machines(dossier);
    out += &again(dossier);
    out + "</section>\n"
}

/// What became of the rows.
pub fn totals(dossier: &Dossier) -> Vec<String> {
    let told = [
        (Status::Ok, "verified against the reference and timed"),
        (Status::Untimed, "verified, but not timed"),
        (Status::WrongOutput, "wrong: the output differed from the reference"),
        (Status::Failed, "failed"),
        (Status::Skipped, "skipped"),
    ];
    told.iter()
        .map(|(status, words)| (dossier.count(*status), words))
        .filter(|(number, _)| *number > 0)
        .map(|(number, words)| format!("{}: {words}", count(number, "row")))
        .collect()
}

/// One line a workload.
pub fn origins(dossier: &Dossier) -> Table {
    let mut table = Table::new(&[
        "workload",
        ">measured",
        ">interpolated",
        ">imported",
        ">predicted",
        ">prior",
        ">declared",
    ]);
    for judged in dossier.judged {
        let eligible = || judged.verdict.ranking.iter().filter(|cost| cost.eligible);
        let of = |origin| eligible().filter(|c| c.origin == Some(origin)).count().to_string();
        table.row([
            judged.verdict.workload.clone(),
            of(Origin::Measured),
            of(Origin::Interpolated),
            of(Origin::Imported),
            of(Origin::Predicted),
            of(Origin::Prior),
            of(Origin::Declared),
        ]);
    }
    table
}

/// What a row that did not come to a time has in common with others.
type Gap<'a> = (&'static str, &'a str, &'a str, &'a str);

/// Where a gap is.
#[derive(Default)]
struct Places<'a> {
    /// The first case.
    example: Option<&'a str>,
    cases: BTreeSet<&'a str>,
    records: BTreeSet<&'a str>,
}

/// What failed or was skipped, one line a reason over all records, the gravest first.
pub fn gap_lines(dossier: &Dossier) -> Vec<String> {
    let mut groups: BTreeMap<(u8, Gap), Places> = BTreeMap::new();
    let labelled = dossier.records.iter();
    for (label, row) in labelled.flat_map(|(l, r)| r.rows.iter().map(move |row| (l, row))) {
        let Some((rank, what)) = gap(row) else { continue };
        let reason = row.reason.as_deref().unwrap_or("no reason given");
        let key = (rank, (what, row.implementation.as_str(), row.device.as_str(), reason));
        let places = groups.entry(key).or_default();
        places.example.get_or_insert(&row.case_key);
        places.cases.insert(&row.case_key);
        places.records.insert(label);
    }
    let line = |((_, (what, implementation, device, reason)), places): (&(u8, Gap), &Places)| {
        let example = places.example.unwrap_or(UNKNOWN);
        let cases = match places.cases.len() {
            1 => example.to_owned(),
            number => format!("{}, such as {example}", count(number, "case")),
        };
        let records = match places.records.len() {
            1 => String::new(),
            number => format!(" in {}", count(number, "record")),
        };
        format!("{what}: {implementation} on {device}, {cases}{records}: {reason}")
    };
    groups.iter().map(line).collect()
}

fn gap(row: &Row) -> Option<(u8, &'static str)> {
    match row.status {
        Status::Ok => None,
        Status::WrongOutput => Some((0, "wrong output")),
        Status::Failed => Some((1, "failed")),
        Status::Untimed => Some((2, "not timed")),
        Status::Skipped => Some((3, "skipped")),
    }
}

fn gaps(dossier: &Dossier) -> String {
    let mut lines = gap_lines(dossier);
    if lines.is_empty() {
        return "<p>Nothing failed and nothing was skipped.</p>\n".into();
    }
    let more = lines.len().saturating_sub(GAPS);
    lines.truncate(GAPS);
    if more > 0 {
        lines.push(format!("{} more: see the CSV", count(more, "reason")));
    }
    format!("<h3>What failed or was skipped, and why</h3>\n{}", html::list(&lines))
}

/// The sources and dates of the prices that the rankings use, and over what they were laid.
fn prices(dossier: &Dossier) -> String {
    if dossier.judged.is_empty() {
        return String::new();
    }
    let mut out = format!("<h3>Prices</h3>\n{}", html::list(dossier.prices));
    let mut sources: BTreeMap<(String, &str, &str), usize> = BTreeMap::new();
    let costs = dossier.judged.iter().flat_map(|j| &j.verdict.ranking).filter(|cost| cost.eligible);
    for price in costs.filter_map(|cost| cost.price.as_ref()) {
        *sources.entry((word(&price.kind), &price.as_of, &price.source)).or_insert(0) += 1;
    }
    let mut table = Table::new(&["kind", "of", "source", ">used"]);
    for ((kind, as_of, source), number) in sources {
        table.row([kind, as_of.to_owned(), source.to_owned(), number.to_string()]);
    }
    out += &html::table("Where the prices used were read", &table);
    out
}

/// A fact about a run or its machine.
type Fact = (&'static str, fn(&Record) -> String);

fn known(value: Option<&String>) -> String {
    value.cloned().unwrap_or_else(|| UNKNOWN.into())
}

fn number<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| UNKNOWN.into(), |v| v.to_string())
}

const FACTS: &[Fact] = &[
    ("VM size", |r| {
        let env = &r.header.env;
        let source = env.sku_source.as_deref().map(|s| format!(" (from {s})")).unwrap_or_default();
        format!("{}{source}", known(env.sku.as_ref()))
    }),
    ("Provider and region", |r| {
        let env = &r.header.env;
        format!("{}, {}", known(env.provider.as_ref()), known(env.region.as_ref()))
    }),
    ("CPU", |r| {
        let cpu = &r.header.env.cpu;
        let (threads, per) = (number(cpu.threads), number(cpu.threads_per_core));
        format!(
            "{} ({}); {threads} threads, {per} a core; governor {}",
            known(cpu.model.as_ref()),
            known(cpu.microarchitecture.as_ref()),
            known(cpu.governor.as_ref())
        )
    }),
    ("Memory", |r| r.header.env.memory_bytes.map_or_else(|| UNKNOWN.into(), |m| bytes(m as f64))),
    ("System", |r| {
        let env = &r.header.env;
        format!("{}, kernel {}, {}", known(env.os.as_ref()), known(env.kernel.as_ref()), env.arch)
    }),
    ("Virtualisation", |r| known(r.header.env.virtualization.as_ref())),
    ("Devices, drivers, libraries", |r| {
        let device = |info: &breakeven_kernels::work::DeviceInfo| {
            let driver = info.driver.as_deref().map(|d| format!(", {d}")).unwrap_or_default();
            let libraries = if info.libraries.is_empty() {
                String::new()
            } else {
                format!(", {}", info.libraries.join(", "))
            };
            format!("{}: {}{driver}{libraries}", info.id, info.name)
        };
        r.header.env.devices.iter().map(|d| device(&d.info)).collect::<Vec<_>>().join("; ")
    }),
    ("State at the start", |r| {
        let state = &r.header.env.state;
        let steal = state.steal_ratio.map_or_else(|| UNKNOWN.into(), percent);
        format!("load {}, steal {steal}", number(state.load_average))
    }),
    ("Run", |r| {
        let run = &r.header.run;
        format!(
            "{}, suite {}, seed {}, {}",
            run.started_at,
            run.suite,
            run.seed,
            measured::ended(r)
        )
    }),
    ("breakeven", |r| {
        let run = &r.header.run;
        let dirty = if run.tool_dirty == Some(true) { ", sources changed" } else { "" };
        let commit = run.tool_commit.as_deref().map_or(UNKNOWN, records::short);
        format!("{}, commit {commit}{dirty}", run.tool_version)
    }),
    ("Could not be found out", |r| match &r.header.env.unknown[..] {
        [] => "nothing".into(),
        unknown => unknown.join(", "),
    }),
];

fn machines(dossier: &Dossier) -> String {
    if dossier.records.is_empty() {
        return String::new();
    }
    let mut out = String::from("<h3>Machines and runs</h3>\n");
    for (label, record) in dossier.records.iter().take(MACHINES) {
        let facts: String = FACTS
            .iter()
            .map(|(what, fact)| format!("<dt>{what}<dd>{}", prose(&fact(record))))
            .collect();
        out += &format!(
            "<details{}><summary>{}</summary><dl class=turns>{facts}</dl></details>\n",
            if dossier.records.len() == 1 { " open" } else { "" },
            name(label)
        );
    }
    if dossier.records.len() > MACHINES {
        let more = count(dossier.records.len() - MACHINES, "more record");
        out += &format!("<p class=small>{more}: their facts are in report.json.</p>\n");
    }
    out
}

/// The commands that measured, then the one that wrote this, ready for a shell.
pub fn commands(dossier: &Dossier) -> (Vec<String>, usize) {
    let mut lines: Vec<String> = Vec::new();
    for (_, record) in dossier.records {
        let argv =
            std::iter::once("breakeven").chain(record.header.run.argv.iter().map(String::as_str));
        let line = shell(argv);
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    let more = lines.len().saturating_sub(COMMANDS);
    lines.truncate(COMMANDS);
    if !dossier.command.is_empty() {
        lines.push(shell(dossier.command.iter().map(String::as_str)));
    }
    (lines, more)
}

/// Words as a shell reads them; a word with a NUL, which no shell can be given, loses it.
fn shell<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let quoted = words.map(|word| {
        let word = word.replace('\0', "");
        shlex::try_quote(&word).map(std::borrow::Cow::into_owned).unwrap_or_default()
    });
    quoted.collect::<Vec<_>>().join(" ")
}

fn again(dossier: &Dossier) -> String {
    let (lines, more) = commands(dossier);
    if lines.is_empty() {
        return String::new();
    }
    let lines: String = lines.iter().map(|line| format!("{}\n", command(line))).collect();
    let more = if more > 0 {
        format!(
            "<p class=small>{} left out; every record has its own.</p>",
            count(more, "more command")
        )
    } else {
        String::new()
    };
    format!(
        "<h3>How to do it again</h3>\n<p>Each record on its own machine, then the report anywhere:</p>\
         <pre tabindex=0><code>{lines}</code></pre>{more}\n"
    )
}
