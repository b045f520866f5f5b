//! Figures: each answers one question, is drawn as SVG, says its finding in a sentence, and carries
//! the numbers that it is drawn from.
//!
//! `sheet`, `scale`, `plot` and `paint` are what to draw with; `records` is what is
//! drawn of records, `money` of verdicts.

mod money;
mod paint;
mod plot;
mod records;
mod scale;
mod sheet;
mod standalone;
mod text;

pub use money::of_verdict;
pub use records::of_records;

use super::Table;

/// A picture with its finding and its numbers.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Figure {
    /// Stable and unique within a report, fit for a file name and an HTML id:
    /// `throughput-matmul-f32-m`.
    pub id: String,
    /// The question that it answers, as a heading.
    pub title: String,
    /// What it shows, in one sentence made from the data: caption and alternative text.
    pub finding: String,
    /// The SVG element, for use inside a page: colours are CSS variables of the page with fallbacks,
    /// ids begin with `id`.
    pub svg: String,
    /// The numbers, for those who cannot or do not want to see the picture.
    pub table: Table,
}

impl Figure {
    /// The picture as a file of its own: colours written out, which programs that know no CSS
    /// variables need, lightened on a painted dark ground where the reader prefers that.
    pub fn standalone(&self) -> String {
        standalone::file(&self.svg)
    }
}
