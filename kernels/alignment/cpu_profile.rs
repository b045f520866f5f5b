//! Substitution scores over lanes: DNA by comparison, matrices by a table for each strip.

use super::cpu_lanes::{Aligned, Element, ROWS, Vector, transpose_bytes};
use super::scoring::{CODES, Scoring};

/// Adds substitution scores to a diagonal.
///
/// Scores are added as `score + penalty` and `penalty` is taken off again: unsigned lanes then
/// stop at 0, and at the top nothing is lost while H ≤ MAX − (best score + penalty).
pub(super) trait Substitution<V: Vector> {
    /// What a strip needs to know of one column.
    type Column;
    /// Prepares for a strip of query codes, `[ROWS][LANES]`.
    fn start_strip(&mut self, query: &[V::Element]);
    /// Prepares for a column of target codes, `[LANES]`.
    fn column(&mut self, target: &[V::Element]) -> Self::Column;
    /// `diagonal` plus the score of row `row` against the column.
    fn pair(&self, diagonal: V, row: usize, column: &Self::Column) -> V;
}

/// One score for equal codes, another for unequal ones.
///
/// N and padding must have codes that differ between query and target.
pub(super) struct Dna<V> {
    query: [V; ROWS],
    bonus: V,
    penalty: V,
}

impl<V: Vector> Dna<V> {
    #[inline(always)]
    pub fn new(scoring: &Scoring) -> Self {
        let splat = |value: i32| V::splat(V::Element::clamped(value.into()));
        Self {
            query: [splat(0); ROWS],
            bonus: splat(scoring.matched - scoring.mismatch),
            penalty: splat(-scoring.mismatch),
        }
    }
}

impl<V: Vector> Substitution<V> for Dna<V> {
    type Column = V;

    #[inline(always)]
    fn start_strip(&mut self, query: &[V::Element]) {
        for (row, codes) in query.chunks_exact(V::LANES).enumerate() {
            self.query[row] = V::load(codes);
        }
    }

    #[inline(always)]
    fn column(&mut self, target: &[V::Element]) -> V {
        V::load(target)
    }

    #[inline(always)]
    fn pair(&self, diagonal: V, row: usize, column: &V) -> V {
        diagonal.add_where(self.query[row].equals(*column), self.bonus).sub(self.penalty)
    }
}

/// Any scores, looked up in a table of the strip: for every lane and target code, the scores of
/// the strip's rows side by side, so that one look-up serves a whole column.
pub(super) struct Matrix<V: Vector> {
    /// Each score plus the penalty, by query code, then target code.
    scores: Vec<[u8; CODES]>,
    /// `[lane, in the order of V::transpose][target code][row]`; target codes from 24 on, which
    /// are padding, keep the lowest score.
    table: Vec<[[V::Element; ROWS]; CODES]>,
    penalty: V,
}

impl<V: Vector> Matrix<V> {
    #[inline(always)]
    pub fn new(scoring: &Scoring) -> Self {
        let (scores, _) = scoring.table().as_chunks::<CODES>();
        let shifted = |row: &[i8; CODES]| row.map(|s| (i32::from(s) - scoring.mismatch) as u8);
        Self {
            scores: scores.iter().map(shifted).collect(),
            table: vec![[[V::Element::from_byte(0); ROWS]; CODES]; V::LANES],
            penalty: V::splat(V::Element::clamped((-scoring.mismatch).into())),
        }
    }
}

impl<V: Vector> Substitution<V> for Matrix<V> {
    /// Scores by row.
    type Column = [V; ROWS];

    #[inline(always)]
    fn start_strip(&mut self, query: &[V::Element]) {
        for (table, &lane) in self.table.iter_mut().zip(&V::ORDER) {
            let mut scores = [&self.scores[0]; ROWS];
            for (row, scores) in scores.iter_mut().enumerate() {
                let code = query[row * V::LANES + usize::from(lane)].wide();
                *scores = &self.scores[code as usize % CODES];
            }
            for first in [0, 8, 16] {
                let mut rows = [0; ROWS];
                for (row, scores) in rows.iter_mut().zip(scores) {
                    *row =
                        scores[first..].first_chunk().map_or(0, |&bytes| u64::from_le_bytes(bytes));
                }
                for (entry, bytes) in table[first..].iter_mut().zip(transpose_bytes(rows)) {
                    for (score, byte) in entry.iter_mut().zip(bytes.to_le_bytes()) {
                        *score = V::Element::from_byte(byte);
                    }
                }
            }
        }
    }

    #[inline(always)]
    fn column(&mut self, target: &[V::Element]) -> [V; ROWS] {
        let mut lanes = Aligned([[V::Element::default(); ROWS]; 64]);
        let target = &target[..V::LANES];
        for ((scores, table), &lane) in lanes.0.iter_mut().zip(&self.table).zip(&V::ORDER) {
            *scores = table[target[usize::from(lane)].wide() as usize % CODES];
        }
        V::transpose(&lanes)
    }

    #[inline(always)]
    fn pair(&self, diagonal: V, row: usize, column: &[V; ROWS]) -> V {
        diagonal.add(column[row]).sub(self.penalty)
    }
}
