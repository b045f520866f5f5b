//! The form for people at a terminal: the verdict first, what moved open, the rest counted.

use std::io::{self, Write};

use super::{Look, words};
use crate::gate::{JudgedRow, Overall, Report, RowVerdict};

/// Inconclusive rows shown; the other forms have all.
const INCONCLUSIVE_SHOWN: usize = 10;

/// Characters of a name shown; the other forms have more.
const LONGEST_NAME: usize = 160;

/// Writes headline, rows, remarks and what the run could see.
pub fn write(report: &Report, look: Look, out: &mut dyn Write) -> io::Result<()> {
    let headline = format!("{}: {}", overall(report.overall), words::inert(&report.headline));
    writeln!(out, "{}", painted(&wrapped(&headline, "", look), overall_code(report), look))?;
    writeln!(out, "{}", words::tally(report))?;
    rows(report, look, out)?;
    for remark in &report.remarks {
        let text = format!("! {}", words::inert(remark));
        writeln!(out, "{}", painted(&wrapped(&text, "  ", look), "33", look))?;
    }
    writeln!(out)?;
    let [base, cand] = words::arms(report);
    for line in [words::floor(report), base, cand, words::circumstances(report)] {
        writeln!(out, "{}", wrapped(&words::inert(&line), "", look))?;
    }
    Ok(())
}

/// Rows that moved with their reasons, then the inconclusive ones, then a count of the others.
fn rows(report: &Report, look: Look, out: &mut dyn Write) -> io::Result<()> {
    let moved: Vec<&JudgedRow> = report.rows.iter().filter(|r| words::moved(r.verdict)).collect();
    let unsure: Vec<&JudgedRow> =
        report.rows.iter().filter(|r| r.verdict == RowVerdict::Inconclusive).collect();
    let shown: Vec<&JudgedRow> =
        moved.iter().chain(unsure.iter().take(INCONCLUSIVE_SHOWN)).copied().collect();
    if shown.is_empty() {
        return Ok(());
    }
    writeln!(out)?;
    let cells: Vec<[String; 4]> = shown.iter().map(|row| cells(row)).collect();
    let widths = [0, 1, 2, 3]
        .map(|column| cells.iter().map(|row| row[column].chars().count()).max().unwrap_or(0));
    for (row, cells) in shown.iter().zip(&cells) {
        let [verdict, change, interval, times] = cells;
        let verdict = format!("{verdict:<w$}", w = widths[0]);
        // The name comes last: letters that run from right to left disturb nothing behind it.
        writeln!(
            out,
            "{}  {change:>c$}  {interval:<i$}  {times:<t$}  {}",
            painted(&verdict, code(row.verdict), look),
            words::inert(&words::cut(&words::name(&row.id), LONGEST_NAME)),
            c = widths[1],
            i = widths[2],
            t = widths[3],
        )?;
        // Without numbers only the reason says anything.
        if words::moved(row.verdict) || row.ratio.is_none() {
            let reason = words::inert(&words::cut(&row.reason, 4 * LONGEST_NAME));
            writeln!(out, "    {}", wrapped(&reason, "    ", look))?;
        }
    }
    if unsure.len() > INCONCLUSIVE_SHOWN {
        let more = unsure.len() - INCONCLUSIVE_SHOWN;
        writeln!(out, "… and {more} more INCONCLUSIVE; --format csv shows all")?;
    }
    Ok(())
}

/// Verdict, change, interval, times.
fn cells(row: &JudgedRow) -> [String; 4] {
    let times = format!(
        "{} → {}",
        words::value(row.base_s, row.class),
        words::value(row.cand_s, row.class)
    );
    let unsure = row.verdict == RowVerdict::Inconclusive;
    let times = match row.detectable.filter(|_| unsure) {
        Some(share) => format!("{times}, would show ≥ {}", words::percent(share)),
        None => times,
    };
    [words::verdict(row.verdict).to_owned(), words::change(row.ratio), words::interval(row), times]
}

fn overall(overall: Overall) -> &'static str {
    match overall {
        Overall::Passed => "passed",
        Overall::Regressed => "regressed",
        Overall::Uninterpretable => "uninterpretable",
        Overall::Inconclusive => "inconclusive",
    }
}

fn overall_code(report: &Report) -> &'static str {
    match report.overall {
        Overall::Passed => "1;32",
        Overall::Regressed => "1;31",
        Overall::Uninterpretable | Overall::Inconclusive => "1;33",
    }
}

/// ANSI style of a verdict. The word is always there, so colour never carries it alone.
fn code(verdict: RowVerdict) -> &'static str {
    match verdict {
        RowVerdict::Broken | RowVerdict::Regressed => "31",
        RowVerdict::Waived | RowVerdict::ClockLimited | RowVerdict::Contaminated => "33",
        RowVerdict::Improved => "32",
        RowVerdict::Inconclusive | RowVerdict::Same => "",
    }
}

/// `text` in an ANSI style, where colours are wanted.
fn painted(text: &str, code: &str, look: Look) -> String {
    if look.color && !code.is_empty() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.into() }
}

/// `text` broken at spaces to the terminal's width, later lines after `indent`.
fn wrapped(text: &str, indent: &str, look: Look) -> String {
    let Some(width) = look.width.map(usize::from) else { return text.to_owned() };
    let mut out = String::new();
    let mut column = indent.chars().count();
    for word in text.split(' ') {
        let length = word.chars().count();
        if !out.is_empty() {
            if column + 1 + length > width {
                out.push('\n');
                out.push_str(indent);
                column = indent.chars().count();
            } else {
                out.push(' ');
                column += 1;
            }
        }
        out.push_str(word);
        column += length;
    }
    out
}
