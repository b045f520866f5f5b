//! The form for pull requests, chats and job summaries: the verdict, a table of what moved, the
//! rest folded. Never above [`MOST_BYTES`], because GitHub cuts a comment at 64 KiB.

use std::io::{self, Write};

use super::{Look, words};
use crate::gate::{JudgedRow, Overall, Report};

/// Bytes of a page at most.
pub const MOST_BYTES: usize = 60_000;

/// Bytes kept free for what stands around the tables.
const AROUND: usize = 16_000;

/// Characters of a name or a sentence shown in a table.
const LONGEST: usize = 300;

/// Characters of the sentences around the tables.
const LONGEST_SENTENCE: usize = 500;

/// Remarks shown.
const REMARKS: usize = 10;

/// Writes the page.
pub fn write(report: &Report, _look: Look, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}", page(report))
}

fn page(report: &Report) -> String {
    let (word, tally) = (overall(report.overall), words::tally(report).replace('_', "\\_"));
    let mut page = format!("### {word}: {tally}\n\n{}\n", sentence(&report.headline));
    let moved: Vec<&JudgedRow> = report.rows.iter().filter(|r| words::moved(r.verdict)).collect();
    let rest: Vec<&JudgedRow> = report.rows.iter().filter(|r| !words::moved(r.verdict)).collect();
    let mut left = MOST_BYTES - AROUND;
    if !moved.is_empty() {
        page.push('\n');
        page.push_str(&table(&moved, &mut left));
    }
    for remark in report.remarks.iter().take(REMARKS) {
        page.push_str(&format!("\n> {}\n", sentence(remark)));
    }
    if report.remarks.len() > REMARKS {
        page.push_str(&format!("\n> … and {} more remarks\n", report.remarks.len() - REMARKS));
    }
    page.push_str(&format!("\n{}\n", sentence(&words::floor(report))));
    if !rest.is_empty() {
        let summary = words::count(rest.len(), "row");
        page.push_str(&format!("\n<details><summary>{summary} without a move</summary>\n\n"));
        page.push_str(&table(&rest, &mut left));
        page.push_str("\n</details>\n");
    }
    page.push_str("\n<details><summary>What was compared</summary>\n\n");
    for line in words::arms(report).into_iter().chain([words::circumstances(report)]) {
        page.push_str(&format!("- {}\n", sentence(&line)));
    }
    page.push_str("\n</details>");
    page
}

fn overall(overall: Overall) -> &'static str {
    match overall {
        Overall::Passed => "✅ passed",
        Overall::Regressed => "❌ regressed",
        Overall::Uninterpretable => "⚠️ uninterpretable",
        Overall::Inconclusive => "❔ inconclusive",
    }
}

/// Rows as a table, as many as fit into `left` bytes, which are used up.
fn table(rows: &[&JudgedRow], left: &mut usize) -> String {
    let mut table = String::from(
        "| verdict | change | base | candidate | margin | would show | case | implementation | \
         device | metric | why |\n\
         |---|---:|---:|---:|---:|---:|---|---|---|---|---|\n",
    );
    for (index, row) in rows.iter().enumerate() {
        let line = line(row);
        if line.len() > *left {
            let more = words::count(rows.len() - index, "row");
            table.push_str(&format!("\n… and {more} more; gate.json and gate.csv have all\n"));
            break;
        }
        *left -= line.len();
        table.push_str(&line);
    }
    table
}

fn line(row: &JudgedRow) -> String {
    let detectable = row
        .detectable
        .map_or_else(|| words::UNKNOWN.to_owned(), |d| format!("≥ {}", words::percent(d)));
    let change = format!("{} {}", words::change(row.ratio), words::interval(row));
    let cells = [
        words::verdict(row.verdict).replace('_', "\\_"),
        change.trim_end().to_owned(),
        words::value(row.base_s, row.class),
        words::value(row.cand_s, row.class),
        words::percent(row.margin),
        detectable,
        code(&row.id.case_key),
        code(&row.id.implementation),
        code(&row.id.device),
        code(&row.id.metric),
        escaped(&words::cut(&row.reason, LONGEST)),
    ];
    format!("| {} |\n", cells.join(" | "))
}

/// A name as code: no markup, mention or link in it acts.
fn code(name: &str) -> String {
    let text = words::inert(&words::cut(name, LONGEST));
    let text = text.replace('`', "'").replace('\\', "\\\\").replace('|', "\\|");
    // An empty code span is no code span.
    if text.trim().is_empty() { words::UNKNOWN.to_owned() } else { format!("`{text}`") }
}

fn sentence(text: &str) -> String {
    escaped(&words::cut(text, LONGEST_SENTENCE))
}

/// A sentence that Markdown shows as it is: no markup, HTML, mention or reference of an issue.
fn escaped(text: &str) -> String {
    let text = words::inert(text);
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '|' | '*' | '_' | '`' | '\\' | '[' | ']' | '~' | '$' => out.extend(['\\', c]),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            // A zero-width space: GitHub finds mentions after it has read escapes.
            '@' | '#' => out.extend([c, '\u{200b}']),
            c => out.push(c),
        }
    }
    out
}
