//! Why 8 bits hold any score: lanes keep scores relative to a level that follows them.
//!
//! Let o and e be the costs of a gap's first and each further residue, gap(n) = o + (n − 1)·e, and
//! M the best score of two letters. In every mode, for neighbouring cells of a table:
//!
//! - H falls by at most gap(n) over n cells along a row or a column: one gap does it;
//! - H rises by at most M over one step along the diagonal (take the last residues off both
//!   sequences), hence by at most n·M + gap(n) over n cells along a row or a column;
//! - E and F are at least the H that they leave, less o;
//! - a mismatch worse than −2·o never decides: a gap on either side costs less.
//!
//! So all that a strip of [`ROWS`] rows needs during K columns lies within a window about its lowest
//! H at the start, and the window's width depends on the scores alone, not on the sequences' lengths.

use super::cpu_lanes::{Element, ROWS};
use super::scoring::Scoring;

/// What scores are held to: their window and how long it lasts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Range {
    /// How far under the lowest H of a strip's column its lanes' zero lies.
    pub drop: i32,
    /// After so many columns the level must follow.
    pub columns: usize,
}

/// Levels follow no more often than this, and need to no less often.
pub(super) const COLUMNS: std::ops::RangeInclusive<usize> = ROWS..=32;

impl Range {
    /// The range for lanes of `E`; `None` where they are too narrow.
    pub fn of<E: Element>(scoring: &Scoring) -> Option<Self> {
        let (open, extend) = (scoring.gap_open, scoring.gap_extend);
        let gap = |length: usize| open + (length as i32 - 1) * extend;
        let best = scoring.matched;
        let worst = least_that_counts(scoring);
        COLUMNS.rev().find_map(|columns| {
            // Under the lowest H: K columns on, in the row above, less what is taken off in between.
            let drop = gap(columns) + open + best + (open + extend).max(-worst);
            // Over it: up to the row above the strip, then K columns on. Rows below it stay under that,
            // as K is no less than the strip's rows.
            let rise = gap(ROWS) + gap(columns) + columns as i32 * best;
            (drop + rise <= E::MAX).then_some(Self { drop, columns })
        })
    }
}

/// Lower scores never decide, as two gaps cost less; nor does this, where it stands for such.
pub(super) fn least_that_counts(scoring: &Scoring) -> i32 {
    scoring.mismatch.max(-2 * scoring.gap_open - 1)
}
