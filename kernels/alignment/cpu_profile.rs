//! Substitution scores over lanes: DNA by comparison, matrices by a table for each strip.

use super::cpu_lanes::{Aligned, Element, MAX_LANES, ROWS, Vector, splat, transpose_bytes};
use super::cpu_range::{COLUMNS, least_that_counts};
use super::scoring::{Alphabet, CODES, Scoring};

/// Adds substitution scores to a diagonal. Scores that never decide are raised to the least one that
/// does, so that none leads out of the lanes' range.
pub(super) trait Substitution<V: Vector> {
    /// What a strip needs to know of one column.
    type Column;
    /// Prepares for a strip of query codes, `[ROWS][LANES]`.
    fn start_strip(&mut self, query: &[V::Element]);
    /// Prepares for `columns` columns; the target codes of each begin `stride` further on.
    fn start_block(&mut self, letters: &[V::Element], stride: usize, columns: usize);
    /// Column `index` of the block, whose target codes are `letters`.
    fn column(&self, index: usize, letters: &[V::Element]) -> Self::Column;
    /// `diagonal` plus the score of row `row` against the column.
    fn pair(&self, diagonal: V, row: usize, column: &Self::Column) -> V;
}

/// Something to do with whatever adds substitution scores best.
pub(super) trait With<V: Vector> {
    type Result;
    fn with<S: Substitution<V>>(self, substitution: &mut S) -> Self::Result;
}

/// Does `work` with the substitution for pairs that each have their own query.
#[inline(always)]
pub(super) fn for_pairs<V: Vector, W: With<V>>(scoring: &Scoring, work: W) -> W::Result {
    match scoring.alphabet {
        Alphabet::Dna => work.with(&mut Dna::new(scoring)),
        Alphabet::Protein if V::WIDE => work.with(&mut Grouped::new(scoring)),
        Alphabet::Protein => work.with(&mut Matrix::new(scoring)),
    }
}

/// One score for equal codes, another for unequal ones.
///
/// N and padding must have codes that differ between query and target.
pub(super) struct Dna<V> {
    query: [V; ROWS],
    matched: V,
    mismatch: V,
}

impl<V: Vector> Dna<V> {
    #[inline(always)]
    pub fn new(scoring: &Scoring) -> Self {
        Self {
            query: [splat::<V>(0); ROWS],
            matched: splat::<V>(scoring.matched),
            mismatch: splat::<V>(least_that_counts(scoring)),
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
    fn start_block(&mut self, _: &[V::Element], _: usize, _: usize) {}

    #[inline(always)]
    fn column(&self, _: usize, letters: &[V::Element]) -> V {
        V::load(letters)
    }

    #[inline(always)]
    fn pair(&self, diagonal: V, row: usize, column: &V) -> V {
        diagonal.add(V::select(self.query[row].equals(*column), self.matched, self.mismatch))
    }
}

/// Scores by query code, then target code, those that never decide raised to the least that does.
fn raised(scoring: &Scoring) -> impl Iterator<Item = [i32; CODES]> {
    let least = least_that_counts(scoring);
    let (scores, _) = scoring.table().as_chunks::<CODES>();
    scores.iter().map(move |row| row.map(|score| i32::from(score).max(least)))
}

/// Any scores, looked up in a table of the strip: for every lane and target code, the scores of
/// the strip's rows side by side, so that one look-up serves a whole column.
pub(super) struct Matrix<V: Vector> {
    /// Scores by query code, then target code, each an i8.
    scores: Vec<[u8; CODES]>,
    /// `[lane, in the order of V::transpose][target code][row]`; target codes from 24 on, which
    /// are padding, keep the lowest score.
    table: Vec<[[V::Element; ROWS]; CODES]>,
    /// Scores by row for each column of the block, lanes in the order of `V::transpose`.
    fetched: Vec<Aligned<[V::Element; ROWS]>>,
}

impl<V: Vector> Matrix<V> {
    #[inline(always)]
    pub fn new(scoring: &Scoring) -> Self {
        let least = least_that_counts(scoring);
        let padding = V::Element::wrapped(least);
        Self {
            scores: raised(scoring).map(|row| row.map(|score| score as u8)).collect(),
            table: vec![[[padding; ROWS]; CODES]; V::LANES],
            fetched: vec![Aligned([[padding; ROWS]; MAX_LANES]); *COLUMNS.end()],
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
                    *entry = V::Element::spread(bytes.to_le_bytes());
                }
            }
        }
    }

    /// Fetches all lanes' scores for the whole block: registers that were read right after their parts
    /// were written would have to wait for them.
    #[inline(always)]
    fn start_block(&mut self, letters: &[V::Element], stride: usize, columns: usize) {
        for (index, fetched) in self.fetched[..columns].iter_mut().enumerate() {
            let letters = &letters[index * stride..][..V::LANES];
            for ((to, table), &lane) in fetched.0.iter_mut().zip(&self.table).zip(&V::ORDER) {
                *to = table[letters[usize::from(lane)].wide() as usize % CODES];
            }
        }
    }

    #[inline(always)]
    fn column(&self, index: usize, _: &[V::Element]) -> [V; ROWS] {
        V::transpose(&self.fetched[index])
    }

    #[inline(always)]
    fn pair(&self, diagonal: V, row: usize, column: &[V; ROWS]) -> V {
        diagonal.add(column[row])
    }
}

/// Any scores where all lanes have the same query: a table of the strip's rows.
pub(super) struct Search<V: Vector> {
    /// Scores by query code, then target code.
    scores: Vec<[V::Element; CODES]>,
    rows: [V::Table; ROWS],
}

impl<V: Vector> Search<V> {
    #[inline(always)]
    pub fn new(scoring: &Scoring) -> Self {
        let scores: Vec<_> = raised(scoring).map(|row| row.map(V::Element::wrapped)).collect();
        let rows = [V::table(&scores[0]); ROWS];
        Self { scores, rows }
    }
}

impl<V: Vector> Substitution<V> for Search<V> {
    type Column = V;

    #[inline(always)]
    fn start_strip(&mut self, query: &[V::Element]) {
        for (row, codes) in self.rows.iter_mut().zip(query.chunks_exact(V::LANES)) {
            *row = V::table(&self.scores[codes[0].wide() as usize % CODES]);
        }
    }

    #[inline(always)]
    fn start_block(&mut self, _: &[V::Element], _: usize, _: usize) {}

    #[inline(always)]
    fn column(&self, _: usize, letters: &[V::Element]) -> V {
        V::load(letters)
    }

    #[inline(always)]
    fn pair(&self, diagonal: V, row: usize, column: &V) -> V {
        diagonal.add(V::lookup(&self.rows[row], *column))
    }
}

/// Query codes whose scores stand in one pair of registers, and how far apart; code 24 is padding.
const GROUP: usize = 5;
const APART: usize = 25;
const GROUPS: usize = 5;

/// Any scores, for registers that look up 128 numbers at a time: those of five query codes, chosen
/// from five such tables.
pub(super) struct Grouped<V: Vector> {
    tables: [(V, V); GROUPS],
    /// By row, where a lane's query code begins in its table, and which table that is.
    rows: [(V, [V::Mask; GROUPS - 1]); ROWS],
    /// Scores by row for each column of the block.
    fetched: Vec<[V; ROWS]>,
}

impl<V: Vector> Grouped<V> {
    #[inline(always)]
    pub fn new(scoring: &Scoring) -> Self {
        let zero = splat::<V>(0);
        let mut tables = [(zero, zero); GROUPS];
        let scores: Vec<_> = raised(scoring).collect();
        for (table, scores) in tables.iter_mut().zip(scores.chunks_exact(GROUP)) {
            let mut numbers = [V::Element::default(); 2 * MAX_LANES];
            for (to, scores) in numbers.chunks_exact_mut(APART).zip(scores) {
                for (to, &score) in to.iter_mut().zip(scores) {
                    *to = V::Element::wrapped(score);
                }
            }
            *table = (V::load(&numbers), V::load(&numbers[V::LANES..]));
        }
        let rows = [(zero, [zero.exceeds(zero); GROUPS - 1]); ROWS];
        Self { tables, rows, fetched: vec![[zero; ROWS]; *COLUMNS.end()] }
    }
}

impl<V: Vector> Substitution<V> for Grouped<V> {
    /// Scores by row.
    type Column = [V; ROWS];

    #[inline(always)]
    fn start_strip(&mut self, query: &[V::Element]) {
        for (row, codes) in self.rows.iter_mut().zip(query.chunks_exact(V::LANES)) {
            let codes = V::load(codes);
            let mut begins = splat::<V>(0);
            for code in 0..GROUP * GROUPS {
                let here = codes.equals(splat::<V>(code as i32));
                begins = V::select(here, splat::<V>((code % GROUP * APART) as i32), begins);
            }
            row.0 = begins;
            for (group, mask) in row.1.iter_mut().enumerate() {
                *mask = codes.exceeds(splat::<V>(((group + 1) * GROUP - 1) as i32));
            }
        }
    }

    /// Looks up the whole block row by row, so that a row's masks stay in registers.
    #[inline(always)]
    fn start_block(&mut self, letters: &[V::Element], stride: usize, columns: usize) {
        for (row, &(begins, groups)) in self.rows.iter().enumerate() {
            for (index, fetched) in self.fetched[..columns].iter_mut().enumerate() {
                let at = begins.add(V::load(&letters[index * stride..]));
                let mut score = V::lookup_wide(self.tables[0], at);
                for (&table, mask) in self.tables[1..].iter().zip(groups) {
                    score = V::select(mask, V::lookup_wide(table, at), score);
                }
                fetched[row] = score;
            }
        }
    }

    #[inline(always)]
    fn column(&self, index: usize, _: &[V::Element]) -> [V; ROWS] {
        self.fetched[index]
    }

    #[inline(always)]
    fn pair(&self, diagonal: V, row: usize, column: &[V; ROWS]) -> V {
        diagonal.add(column[row])
    }
}
