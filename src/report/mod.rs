//! What was found, written for people and programs. A sink: reads records and verdicts, measures
//! and decides nothing, writes only to what it is given.
//!
//! A form of output is one file here and one line in [`FORMATS`].

use std::io::{self, Write};

use crate::classify::Verdict;
use crate::compare::Comparison;
use crate::record::Record;

mod brief;
mod bundle;
mod chart;
mod comparison;
mod csv;
mod document;
mod dossier;
mod ending;
pub mod figure;
mod held_out;
mod json;
mod jsonl;
mod leave_one_out;
pub mod live;
mod markdown;
mod numbers;
mod packing;
mod page;
mod records;
mod text;
mod verdicts;

pub use bundle::{File, Part, bundle, pictured};
pub use document::{Align, Block, Column, Document, Table, Tone};
pub use dossier::{Dossier, Judged};
pub use held_out::held_out;
pub use jsonl::verdict_line;
pub use leave_one_out::leave_one_out;
pub use packing::packing;
pub use records::{device_cells, machine};
pub use verdicts::name as verdict_name;

/// What can be reported.
pub enum Content<'a> {
    /// Records, each with the name it was read from.
    Records(&'a [(String, Record)]),
    /// Verdicts with the records they rest on.
    Verdicts(Verdicts<'a>),
    /// Records side by side.
    Comparison(&'a Comparison),
    /// Verdicts and records as one report.
    Dossier(&'a Dossier<'a>),
    /// A listing that the command line made itself: devices, families, suites, …
    Listing(&'a Listing),
}

/// Verdicts and what they rest on.
#[derive(Debug, Clone, Copy)]
pub struct Verdicts<'a> {
    /// One a workload.
    pub verdicts: &'a [Verdict],
    /// The records, each with the name it was read from.
    pub records: &'a [(String, Record)],
    /// Whether the first record was measured just now, and so is shown with its times.
    pub measured_now: bool,
    /// Sentences to read first, such as the devices that were found.
    pub remarks: &'a [String],
    /// Which prices were used, the later over the earlier.
    pub prices: &'a [String],
}

/// A listing for people and the same for programs.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Listing {
    /// Text, Markdown; its first table is the CSV.
    pub document: Document,
    /// JSON.
    pub data: serde_json::Value,
}

/// How the terminal wants its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Look {
    /// Whether colours may be used.
    pub color: bool,
    /// Columns of the terminal; `None` where the output is not one.
    pub width: Option<u16>,
    /// Whether it shows ASCII only.
    pub ascii: bool,
}

/// A form of output.
pub struct Format {
    /// Its name on the command line.
    pub name: &'static str,
    /// Extension of its files.
    pub extension: &'static str,
    /// Writes a content in this form.
    pub write: Writer,
}

/// Writes `content` to `out`; errors are those of `out`.
pub type Writer = fn(content: &Content, look: Look, out: &mut dyn Write) -> io::Result<()>;

/// Every form of output, in the order shown.
pub static FORMATS: &[Format] = &[
    Format { name: "text", extension: "txt", write: text::write },
    Format { name: "json", extension: "json", write: json::write },
    Format { name: "jsonl", extension: "jsonl", write: jsonl::write },
    Format { name: "markdown", extension: "md", write: markdown::write },
    Format { name: "csv", extension: "csv", write: csv::write },
    Format { name: "html", extension: "html", write: page::write },
];

/// The form called `name`.
pub fn format(name: &str) -> Option<&'static Format> {
    FORMATS.iter().find(|f| f.name == name)
}

/// The content as headings, paragraphs and tables, for the forms made for people; of the VM sizes
/// of each kind, the best `sizes` are shown.
fn document(content: &Content, sizes: usize) -> Document {
    match content {
        Content::Records(records) => records::document(records),
        Content::Verdicts(verdicts) => verdicts::document(verdicts, sizes),
        Content::Comparison(comparison) => {
            let cut = if sizes == usize::MAX { sizes } else { comparison::CASES_ON_A_SCREEN };
            comparison::document(comparison, cut)
        }
        Content::Dossier(dossier) => brief::document(dossier),
        Content::Listing(listing) => listing.document.clone(),
    }
}
