//! One long pair at a time: each lane has a strip of its own and runs one column behind the strip
//! above it, so that a column's lower edge reaches it one step later.
//!
//! The first strip stands in the last lane. Lane l of step t is at column t − (LANES − 1 − l); so the
//! lower edge of the last strip, in lane 0, is written out by storing whole registers one element
//! further in each step.

use super::cpu_batch::padding;
use super::cpu_lanes::{Aligned, Element, MAX_LANES, ROWS, Vector, splat};
use super::cpu_profile::{Substitution, With, for_pairs};
use super::cpu_range::Range;
use super::cpu_strip::{Rules, Strip};
use super::cpu_watch::{Best, BestCell, Goal, LastRow, Spans, Watch};
use super::scoring::{Alphabet, Mode, N, Scoring, TARGET_N};

/// One pair.
pub(super) struct PairJob<'a> {
    pub query: &'a [u8],
    pub target: &'a [u8],
    pub mode: Mode,
    pub scoring: &'a Scoring,
    pub range: Range,
}

/// Aligns one pair.
#[inline(always)]
pub(super) fn run_long<V: Vector>(job: &PairJob<'_>) -> Best {
    struct Align<'a, 'b>(&'a PairJob<'b>);
    impl<V: Vector> With<V> for Align<'_, '_> {
        type Result = Best;
        #[inline(always)]
        fn with<S: Substitution<V>>(self, substitution: &mut S) -> Best {
            by_mode::<V, S>(self.0, substitution)
        }
    }
    for_pairs::<V, _>(job.scoring, Align(job))
}

/// By how many columns a lane is behind the first strip.
pub(super) fn behind<V: Vector>(lane: usize) -> usize {
    (V::LANES - 1).saturating_sub(lane)
}

#[inline(always)]
fn by_mode<V: Vector, S: Substitution<V>>(job: &PairJob<'_>, substitution: &mut S) -> Best {
    let mut spans = Spans { first: Aligned([0; MAX_LANES]), last: Aligned([0; MAX_LANES]) };
    for lane in 0..V::LANES {
        spans.first.0[lane] = behind::<V>(lane) as i32;
        spans.last.0[lane] = (behind::<V>(lane) + job.target.len() - 1) as i32;
    }
    let found = match job.mode {
        Mode::Local => align::<V, S, _>(job, substitution, BestCell::new(spans)),
        Mode::Global | Mode::SemiGlobal => {
            let last = job.query.len() - 1;
            let (strip, row) = (last / ROWS, last % ROWS);
            let mut last_row = Aligned([-1; MAX_LANES]);
            last_row.0[V::LANES - 1 - strip % V::LANES] = (strip / V::LANES * ROWS + row) as i32;
            let goal = match job.mode {
                Mode::Global => Goal::LastColumn,
                _ => Goal::BestColumn,
            };
            align::<V, S, _>(job, substitution, LastRow::new(goal, last_row, spans))
        }
    };
    // Where several are best, the first column counts, then the first row.
    let in_table =
        found.iter().enumerate().filter(|(_, best)| best.row >= 0).map(|(lane, best)| {
            let (round, row) = (best.row as usize / ROWS, best.row as usize % ROWS);
            let strip = round * V::LANES + behind::<V>(lane);
            let column = best.column - behind::<V>(lane) as i32;
            Best { score: best.score, row: (strip * ROWS + row) as i32, column }
        });
    let none = Best { score: 0, row: -1, column: -1 };
    in_table.max_by_key(|best| (best.score, -best.column, -best.row)).unwrap_or(none)
}

/// Moves all strips over the target, `LANES` at a time; bests are in steps and in rows of a lane.
#[inline(always)]
fn align<V: Vector, S: Substitution<V>, W: Watch<V>>(
    job: &PairJob<'_>,
    substitution: &mut S,
    mut watch: W,
) -> Vec<Best> {
    let mut table = Table::<V>::new(job);
    for (round, query) in job.query.chunks(ROWS * V::LANES).enumerate() {
        table.round(round, query, substitution, &mut watch);
    }
    let mut found = Vec::new();
    watch.found(&mut found);
    found
}

/// What a pair's rounds of `LANES` strips need.
pub(super) struct Table<V: Vector> {
    rules: Rules<V>,
    query_pad: u8,
    /// Columns, and how far the last lane is behind.
    pub steps: usize,
    /// The target's codes; those that the lanes see in one step stand side by side.
    letters: Vec<V::Element>,
    /// H and F under the strips before, by column; registers are stored beyond the last.
    pub edges: (Vec<V::Element>, Vec<V::Element>),
    /// Each lane's number.
    lanes: V,
}

impl<V: Vector> Table<V> {
    #[inline(always)]
    pub fn new(job: &PairJob<'_>) -> Self {
        let rules = Rules::<V>::new(job.mode, job.scoring, job.range);
        let (query_pad, target_pad) = padding(job.scoring.alphabet);
        let dna = job.scoring.alphabet == Alphabet::Dna;
        let code =
            |&code: &u8| V::Element::from_byte(if dna && code == N { TARGET_N } else { code });
        let steps = job.target.len() + V::LANES - 1;
        let pad = V::Element::from_byte(target_pad);
        let mut letters = vec![pad; V::LANES - 1];
        letters.extend(job.target.iter().map(code));
        letters.resize(steps + V::LANES, pad);
        let edges = (0..steps + V::LANES).map(|column| rules.above_first_row(column)).unzip();
        let mut lanes = Aligned([V::Element::default(); MAX_LANES]);
        for (lane, number) in lanes.0.iter_mut().enumerate() {
            *number = V::Element::wrapped(lane as i32);
        }
        Self { rules, query_pad, steps, letters, edges, lanes: V::load(&lanes.0) }
    }

    /// Moves the strips of round `round`, which hold `query`, over the target.
    #[inline(always)]
    pub fn round<S: Substitution<V>, W: Watch<V>>(
        &mut self,
        round: usize,
        query: &[u8],
        substitution: &mut S,
        watch: &mut W,
    ) {
        let (rules, letters, (h, f)) = (&self.rules, &self.letters, &mut self.edges);
        substitution.start_strip(&by_lane::<V>(query, self.query_pad));
        watch.start_strip(round * ROWS);
        let (mut state, mut levels) =
            Strip::start(rules, |lane| (round * V::LANES + behind::<V>(lane)) * ROWS);
        let start = state;
        let mut edge = (splat::<V>(0), splat::<V>(0));
        for first in (0..self.steps).step_by(rules.range.columns) {
            let columns = rules.range.columns.min(self.steps - first);
            state.follow(&mut levels, rules.range.drop);
            substitution.start_block(&letters[first..], 1, columns);
            watch.start_block(first, columns, &levels);
            for index in 0..columns {
                let step = first + index;
                let above = (edge.0.shift_in(h[step]), edge.1.shift_in(f[step]));
                let column = substitution.column(index, &letters[step..]);
                edge = state.advance((&*substitution, &column), above, rules, watch);
                watch.column(&state.h, index);
                if let Some(column) = (step + 1).checked_sub(V::LANES) {
                    edge.0.store(&mut h[column..]);
                    edge.1.store(&mut f[column..]);
                } else {
                    // The other lanes have not reached their first column.
                    let waiting = splat::<V>((V::LANES - 1 - step) as i32);
                    state.hold(waiting.exceeds(self.lanes), &start);
                }
            }
            watch.end_block(&levels);
        }
    }
}

/// Query codes as `[row][lane]`, the first strip in the last lane.
#[inline(always)]
fn by_lane<V: Vector>(query: &[u8], pad: u8) -> Vec<V::Element> {
    let mut codes = vec![V::Element::from_byte(pad); ROWS * V::LANES];
    for (at, &code) in query.iter().enumerate() {
        codes[at % ROWS * V::LANES + V::LANES - 1 - at / ROWS] = V::Element::from_byte(code);
    }
    codes
}
