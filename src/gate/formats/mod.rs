//! What a gate run found, written for people, for CI systems and for other tools.
//!
//! A form of output is one file here and one line in [`FORMATS`]. All are pure: they write to what
//! they are given and know no file, variable or exit code.

use std::io::{self, Write};

use super::{Report, RowVerdict};

mod annotations;
mod bmf;
mod csv;
#[cfg(test)]
pub mod fixture;
mod github_action_benchmark;
mod json;
mod junit;
mod markdown;
mod text;
mod words;

pub use annotations::azure_summary;
pub use json::{ReadError, SCHEMA_MAJOR, SCHEMA_NAME, read};
pub use words::inert;

/// How the caller wants a form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look<'a> {
    /// Whether colours may be used.
    pub color: bool,
    /// Columns of the terminal; `None` where the output is not one.
    pub width: Option<u16>,
    /// Verdicts that fail the run: those of the gate, less what `--soft` lets pass, and with
    /// `--fail-on inconclusive` that one. Test reports and annotations follow them.
    pub failing: &'a [RowVerdict],
    /// Whether a run of which nothing can be said fails; false where `--soft` lets it pass.
    pub uninterpretable_fails: bool,
}

impl Default for Look<'_> {
    fn default() -> Self {
        let failing = &[RowVerdict::Broken, RowVerdict::Regressed];
        Self { color: false, width: None, failing, uninterpretable_fails: true }
    }
}

/// Writes a report to `out`; errors are those of `out`.
pub type Writer = fn(report: &Report, look: Look, out: &mut dyn Write) -> io::Result<()>;

/// A form of output.
pub struct Format {
    /// Its name.
    pub name: &'static str,
    /// Name of its file in the folder of `-o`; `None` where it is for a CI system's log only.
    pub file: Option<&'static str>,
    /// Writes a report in this form.
    pub write: Writer,
}

/// Every form of output.
pub static FORMATS: &[Format] = &[
    Format { name: "text", file: Some("gate.txt"), write: text::write },
    Format { name: "json", file: Some("gate.json"), write: json::write },
    Format { name: "markdown", file: Some("gate.md"), write: markdown::write },
    Format { name: "csv", file: Some("gate.csv"), write: csv::write },
    Format { name: "junit", file: Some("junit.xml"), write: junit::write },
    Format { name: "bmf", file: Some("bmf.json"), write: bmf::write },
    Format {
        name: "github-action-benchmark",
        file: Some("benchmark.json"),
        write: github_action_benchmark::write,
    },
    Format { name: "github", file: None, write: annotations::github },
    Format { name: "azure", file: None, write: annotations::azure },
];

/// The form called `name`.
pub fn format(name: &str) -> Option<&'static Format> {
    FORMATS.iter().find(|format| format.name == name)
}

#[cfg(test)]
mod tests;
