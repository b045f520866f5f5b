//! The form for spreadsheets: a row a line, units beside the values.

use std::io::{self, Write};

use super::{Look, words};
use crate::gate::{JudgedRow, Report};

const COLUMNS: [&str; 18] = [
    "verdict",
    "case_key",
    "implementation",
    "device",
    "metric",
    "class",
    "time_ratio",
    "time_ratio_lo",
    "time_ratio_hi",
    "margin_ratio",
    "detectable_ratio",
    "base",
    "candidate",
    "unit",
    "screen_rounds",
    "confirm_rounds",
    "overall",
    "reason",
];

/// Writes a header line and the rows, the worst first.
pub fn write(report: &Report, _look: Look, out: &mut dyn Write) -> io::Result<()> {
    let overall = serde_json::to_value(report.overall)?;
    let overall = overall.as_str().unwrap_or_default();
    let mut table = csv::Writer::from_writer(out);
    table.write_record(COLUMNS)?;
    for row in &report.rows {
        table.write_record(cells(row, overall))?;
    }
    table.flush()
}

fn cells(row: &JudgedRow, overall: &str) -> [String; 18] {
    let number = |value: Option<f64>| {
        value.filter(|v| v.is_finite()).map(|v| v.to_string()).unwrap_or_default()
    };
    [
        words::verdict(row.verdict).to_owned(),
        safe(&row.id.case_key),
        safe(&row.id.implementation),
        safe(&row.id.device),
        safe(&row.id.metric),
        words::class(row.class).to_owned(),
        number(row.ratio),
        number(row.ratio_lo),
        number(row.ratio_hi),
        number(Some(row.margin)),
        number(row.detectable),
        number(row.base_s),
        number(row.cand_s),
        words::unit(row.class).to_owned(),
        row.rounds[0].to_string(),
        row.rounds[1].to_string(),
        overall.to_owned(),
        safe(&row.reason),
    ]
}

/// Text that a spreadsheet takes for text: one that begins like a formula gets an apostrophe.
fn safe(text: &str) -> String {
    let text = words::inert(text);
    if text.starts_with(['=', '+', '-', '@']) { format!("'{text}") } else { text }
}
