//! Figures: each answers one question, is drawn as SVG, says its finding in a sentence, and carries
//! the numbers that it is drawn from.

pub mod money;

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
