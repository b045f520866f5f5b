//! The input of github-action-benchmark's tool `customSmallerIsBetter`: a list of
//! `{name, unit, value, range, extra}`, where `range` and `extra` are text.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::{Look, bmf, json::shielded, words};
use crate::gate::Report;

/// Characters of a name; it becomes the title of a chart.
const LONGEST: usize = 1000;

/// Writes one list. Rows without a number are not in it.
pub fn write(report: &Report, _look: Look, out: &mut dyn Write) -> io::Result<()> {
    let mut entries: Vec<Value> = Vec::new();
    for row in &report.rows {
        let Some(value) = row.cand_s.filter(|v| v.is_finite()) else { continue };
        let mut entry = json!({
            "name": words::inert(&words::cut(&words::name(&row.id), LONGEST)),
            "unit": words::unit(row.class),
            "value": value,
            "extra": format!(
                "{} {} against the base",
                words::verdict(row.verdict),
                words::change(row.ratio)
            ),
        });
        if let Some((lo, hi)) = bmf::interval(report, row) {
            entry["range"] = json!(format!("± {}", (hi - lo) / 2.0));
        }
        entries.push(entry);
    }
    let text = serde_json::to_string_pretty(&entries).map_err(io::Error::from)?;
    writeln!(out, "{}", shielded(&text))
}
