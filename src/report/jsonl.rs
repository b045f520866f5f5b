//! The form for programs that read as it comes: one JSON value a line.

use std::io::{self, Write};

use serde_json::Value;

use super::Content;
use super::Look;
use crate::classify::Verdict;

/// Writes a line a row, a verdict, a case or, of a listing, the whole.
pub fn write(content: &Content, _look: Look, out: &mut dyn Write) -> io::Result<()> {
    match content {
        Content::Records(records) => {
            for row in records.iter().flat_map(|(_, record)| &record.rows) {
                line(row, out)?;
            }
        }
        Content::Verdicts(verdicts) => {
            for verdict in verdicts.verdicts {
                verdict_line(verdict, out)?;
            }
        }
        Content::Comparison(comparison) => {
            for case in &comparison.cases {
                line(case, out)?;
            }
        }
        Content::Dossier(dossier) => {
            for judged in dossier.judged {
                verdict_line(&judged.verdict, out)?;
            }
            for (_, row) in dossier.rows() {
                line(row, out)?;
            }
        }
        Content::Listing(listing) => line(&listing.data, out)?,
    }
    Ok(())
}

/// Writes one verdict without its ranking, which is a hundred times as long; the best size of each
/// kind stays.
pub fn verdict_line(verdict: &Verdict, out: &mut dyn Write) -> io::Result<()> {
    let mut value = serde_json::to_value(verdict)?;
    if let Value::Object(fields) = &mut value {
        fields.remove("ranking");
    }
    line(&value, out)
}

fn line(value: &impl serde::Serialize, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    writeln!(out)
}
