//! The form for programs, and for judging again: the whole report with its rounds.

use std::io::{self, Write};

use serde::{Deserialize, Serialize};

use super::{Look, words};
use crate::gate::Report;

/// Name of the format.
pub const SCHEMA_NAME: &str = "breakeven-gate";
/// Readers accept any minor version of this major one.
pub const SCHEMA_MAJOR: u32 = 1;
/// Raised when a meaningful field is added.
const SCHEMA_MINOR: u32 = 0;

#[derive(Serialize, Deserialize)]
struct Schema {
    name: String,
    major: u32,
    minor: u32,
}

#[derive(Serialize)]
struct Written<'a> {
    schema: Schema,
    #[serde(flatten)]
    report: &'a Report,
}

/// Why a file is not a gate report that can be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Not JSON, or a field is wrong.
    #[error("not a gate report ({0}); give the gate.json that `breakeven gate -o DIR` wrote")]
    Syntax(#[from] serde_json::Error),
    /// Another format.
    #[error(
        "schema.name is not {SCHEMA_NAME}; give the gate.json that `breakeven gate -o DIR` wrote"
    )]
    Other,
    /// Another major version.
    #[error(
        "gate report v{0}, but this breakeven reads v{SCHEMA_MAJOR}; use the version that wrote it, or \
         run the gate again"
    )]
    Version(u32),
}

/// Writes one indented value.
pub fn write(report: &Report, _look: Look, out: &mut dyn Write) -> io::Result<()> {
    let schema = Schema { name: SCHEMA_NAME.to_owned(), major: SCHEMA_MAJOR, minor: SCHEMA_MINOR };
    let text =
        serde_json::to_string_pretty(&Written { schema, report }).map_err(io::Error::from)?;
    writeln!(out, "{}", shielded(&text))
}

/// Reads what [`write`] wrote.
///
/// # Errors
/// [`ReadError`].
pub fn read(text: &str) -> Result<Report, ReadError> {
    #[derive(Deserialize)]
    struct Head {
        schema: Option<Schema>,
    }
    let head: Head = serde_json::from_str(text)?;
    match head.schema {
        Some(schema) if schema.name == SCHEMA_NAME && schema.major == SCHEMA_MAJOR => {
            Ok(serde_json::from_str(text)?)
        }
        Some(schema) if schema.name == SCHEMA_NAME => Err(ReadError::Version(schema.major)),
        _ => Err(ReadError::Other),
    }
}

/// The same JSON without the openings of CI commands and without characters that act on a
/// terminal. They stand only inside strings, and there an escape means the same.
pub fn shielded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let opens = c == '#' && out.ends_with('#');
        if opens || (words::acts(c) && c != '\n') {
            out.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            out.push(c);
        }
    }
    out
}
