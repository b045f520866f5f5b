//! Lines by which a program tells a CI system what to show beside a change. At most ten, the worst
//! first: GitHub shows no more of a step.

use std::io::{self, Write};

use super::{Look, words};
use crate::gate::{JudgedRow, Overall, Report, RowVerdict};

/// Lines at most, the first of which tells of the whole run.
const MOST: usize = 10;

/// Characters of a line's text.
const LONGEST: usize = 1000;

/// How loud a line is.
#[derive(Clone, Copy, PartialEq)]
enum Level {
    Error,
    Warning,
    Notice,
}

/// Writes GitHub's workflow commands.
pub fn github(report: &Report, look: Look, out: &mut dyn Write) -> io::Result<()> {
    for (level, message) in lines(report, look) {
        let word = match level {
            Level::Error => "error",
            Level::Warning => "warning",
            Level::Notice => "notice",
        };
        writeln!(out, "::{word} title=breakeven gate::{}", github_data(&message))?;
    }
    Ok(())
}

/// Writes Azure Pipelines' logging commands. It knows errors and warnings only, so that a run in
/// which all is well writes none.
pub fn azure(report: &Report, look: Look, out: &mut dyn Write) -> io::Result<()> {
    for (level, message) in lines(report, look) {
        let word = match level {
            Level::Error => "error",
            Level::Warning => "warning",
            Level::Notice => continue,
        };
        writeln!(out, "##vso[task.logissue type={word}]{}", azure_data(&message))?;
    }
    Ok(())
}

/// The command that shows the Markdown file at `path`, which must be absolute, on the page of the
/// run.
pub fn azure_summary(path: &str) -> String {
    format!("##vso[task.uploadsummary]{}", azure_data(path))
}

/// What is said, and how loud: how the run ended, then the rows that must be looked at.
fn lines(report: &Report, look: Look) -> Vec<(Level, String)> {
    let level = |row: &JudgedRow| match row.verdict {
        verdict if look.failing.contains(&verdict) => Some(Level::Error),
        RowVerdict::Broken | RowVerdict::Regressed | RowVerdict::ClockLimited => {
            Some(Level::Warning)
        }
        RowVerdict::Waived => Some(Level::Notice),
        _ => None,
    };
    let told: Vec<(Level, &JudgedRow)> =
        report.rows.iter().filter_map(|row| level(row).map(|level| (level, row))).collect();
    let failed = told.iter().any(|(level, _)| *level == Level::Error);
    let first = match report.overall {
        Overall::Uninterpretable => Level::Warning,
        _ if failed => Level::Error,
        Overall::Regressed | Overall::Inconclusive => Level::Warning,
        Overall::Passed => Level::Notice,
    };
    let shown = told.len().min(MOST - 1);
    // The headline names the worst row, which has a line of its own.
    let mut headline = words::tally(report);
    if told.is_empty() || report.overall == Overall::Uninterpretable {
        headline = format!("{}: {headline}", report.headline);
    }
    if shown < told.len() {
        headline.push_str(&format!("; the worst {shown} of {} rows follow", told.len()));
    }
    let mut lines = vec![(first, words::cut(&headline, LONGEST))];
    for (level, row) in told.into_iter().take(shown) {
        let word = words::verdict(row.verdict);
        let change = words::change(row.ratio);
        let name = words::cut(&words::name(&row.id), LONGEST / 2);
        let reason = words::cut(&row.reason, LONGEST / 2);
        lines.push((level, format!("{word} {change} {name}: {reason}")));
    }
    lines
}

/// The text of a GitHub command: `%`, carriage return and newline are escaped, the rest is inert.
fn github_data(text: &str) -> String {
    words::inert(text).replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// The text of an Azure command. Its escape of `%` is `%AZP25`.
fn azure_data(text: &str) -> String {
    words::inert(text).replace('%', "%AZP25").replace('\r', "%0D").replace('\n', "%0A")
}
