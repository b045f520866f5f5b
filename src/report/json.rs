//! The form for programs: one JSON value. (The record itself is JSON Lines; see `record`.)

use std::io::{self, Write};

use serde::Serialize;
use serde_json::{Value, json};

use super::{Content, Dossier, Look};
use crate::classify::Verdict;
use crate::compare::Comparison;
use crate::record::{Footer, Header, Record, Row};

/// Writes one indented value; of a dossier, whose rankings are long, one without indentation.
pub fn write(content: &Content, _look: Look, out: &mut dyn Write) -> io::Result<()> {
    let value = match content {
        Content::Records(records) => json!({
            "schema": { "name": "breakeven-report", "major": 1, "minor": 0 },
            "records": records.iter().map(record_value).collect::<Vec<_>>(),
        }),
        Content::Verdicts(verdicts) => json!({
            "schema": { "name": "breakeven-verdicts", "major": 1, "minor": 0 },
            "verdicts": verdicts.verdicts,
            "records": verdicts.records.iter().map(record_id).collect::<Vec<_>>(),
            "prices": verdicts.prices,
        }),
        Content::Comparison(comparison) => json!({
            "schema": { "name": "breakeven-comparison", "major": 1, "minor": 0 },
            "comparison": comparison,
        }),
        Content::Dossier(dossier) => {
            serde_json::to_writer(&mut *out, &Whole::of(dossier)).map_err(io::Error::from)?;
            return writeln!(out);
        }
        Content::Listing(listing) => listing.data.clone(),
    };
    serde_json::to_writer_pretty(&mut *out, &value).map_err(io::Error::from)?;
    writeln!(out)
}

/// Records up to which a dossier's JSON repeats their rows; of more, the comparison has what was
/// joined, and the records themselves are the data.
const WITH_ROWS: usize = 8;

/// A dossier, written as it is read, for it may be long.
#[derive(Serialize)]
struct Whole<'a> {
    schema: Value,
    verdicts: Vec<&'a Verdict>,
    records: Vec<Recorded<'a>>,
    comparison: Option<&'a Comparison>,
    prices: &'a [String],
    command: &'a [String],
}

/// A record of a dossier; `rows` is null where they stand in the record called `name` alone.
#[derive(Serialize)]
struct Recorded<'a> {
    name: &'a str,
    header: &'a Header,
    rows: Option<&'a [Row]>,
    footer: Option<&'a Footer>,
}

impl<'a> Whole<'a> {
    fn of(dossier: &'a Dossier) -> Self {
        let rows = dossier.records.len() <= WITH_ROWS;
        let record = |(name, record): &'a (String, Record)| Recorded {
            name,
            header: &record.header,
            rows: rows.then_some(record.rows.as_slice()),
            footer: record.footer.as_ref(),
        };
        Self {
            schema: json!({ "name": "breakeven-report", "major": 1, "minor": 1 }),
            verdicts: dossier.judged.iter().map(|judged| &judged.verdict).collect(),
            records: dossier.records.iter().map(record).collect(),
            comparison: dossier.comparison.and_then(|compared| compared.as_ref().ok()),
            prices: dossier.prices,
            command: dossier.command,
        }
    }
}

fn record_value((name, record): &(String, Record)) -> Value {
    json!({
        "name": name,
        "header": record.header,
        "rows": record.rows,
        "footer": record.footer,
    })
}

/// What names a record a verdict rests on.
fn record_id((name, record): &(String, Record)) -> Value {
    json!({
        "name": name,
        "run_id": record.header.run.id,
        "started_at": record.header.run.started_at,
        "sku": record.header.env.sku,
        "cpu_model": record.header.env.cpu.model,
    })
}
