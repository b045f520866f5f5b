//! `report`: records as text, Markdown, JSON and CSV.

use super::args::{OutputArgs, ReportArgs};
use super::exit::{DONE, Failure, Outcome};
use super::{output, reference};
use crate::report::Content;

/// Reads the records and writes the report.
pub fn run(args: &ReportArgs, output: &OutputArgs) -> Outcome {
    let records = reference::load(&args.records)?;
    if records.iter().all(|(_, record)| record.rows.is_empty()) {
        return Err(Failure::incomparable(
            "the records hold no rows; measure with `breakeven run`",
        ));
    }
    output::emit(&Content::Records(&records), output, "report")?;
    Ok(DONE)
}
