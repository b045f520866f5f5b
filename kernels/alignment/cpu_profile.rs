//! Substitution scores over lanes: DNA by comparison, matrices by a table for each strip.

use super::cpu_lanes::{Element, ROWS, Vector};
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
/// the strip's rows side by side.
pub(super) struct Matrix<'a, V: Vector> {
    scoring: &'a Scoring,
    /// `[lane][target code][row]`, each score plus the penalty.
    table: Vec<[V::Element; ROWS]>,
    penalty: V,
}

/// A column's scores, `[row][lane]`.
pub(super) type MatrixColumn<V> = [V; ROWS];

impl<'a, V: Vector> Matrix<'a, V> {
    #[inline(always)]
    pub fn new(scoring: &'a Scoring) -> Self {
        Self {
            scoring,
            table: vec![[V::Element::default(); ROWS]; V::LANES * CODES],
            penalty: V::splat(V::Element::clamped((-scoring.mismatch).into())),
        }
    }
}

impl<V: Vector> Substitution<V> for Matrix<'_, V> {
    type Column = MatrixColumn<V>;

    #[inline(always)]
    fn start_strip(&mut self, query: &[V::Element]) {
        let penalty = -self.scoring.mismatch;
        for (row, codes) in query.chunks_exact(V::LANES).enumerate() {
            for (lane, code) in codes.iter().enumerate() {
                let scores = &self.scoring.table()[code.wide() as usize * CODES..][..CODES];
                let table = &mut self.table[lane * CODES..][..CODES];
                for (entry, &score) in table.iter_mut().zip(scores) {
                    entry[row] = V::Element::clamped((i32::from(score) + penalty).into());
                }
            }
        }
    }

    #[inline(always)]
    fn column(&mut self, target: &[V::Element]) -> MatrixColumn<V> {
        let mut scores = [[V::Element::default(); 64]; ROWS];
        for (lane, code) in target.iter().enumerate() {
            let entry = &self.table[lane * CODES + code.wide() as usize];
            for row in 0..ROWS {
                scores[row][lane] = entry[row];
            }
        }
        let mut column = [self.penalty; ROWS];
        for row in 0..ROWS {
            column[row] = V::load(&scores[row]);
        }
        column
    }

    #[inline(always)]
    fn pair(&self, diagonal: V, row: usize, column: &MatrixColumn<V>) -> V {
        diagonal.add(column[row]).sub(self.penalty)
    }
}
