//! The form for programs: one JSON value. (The record itself is JSON Lines; see `record`.)

use std::io::{self, Write};

use serde_json::{Value, json};

use super::{Content, Look};
use crate::record::Record;

/// Writes one indented value.
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
        Content::Listing(listing) => listing.data.clone(),
    };
    serde_json::to_writer_pretty(&mut *out, &value).map_err(io::Error::from)?;
    writeln!(out)
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
