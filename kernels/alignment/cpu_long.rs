//! One long pair at a time: each lane has a strip of its own and runs one column behind the strip
//! above it, so that a column's lower edge reaches it one step later.
//!
//! The first strip stands in the last lane. Lane l of step t is at column t − (LANES − 1 − l); so the
//! lower edge of the last strip, in lane 0, is written out by storing whole registers one element
//! further in each step.

use super::cpu_batch::padding;
use super::cpu_lanes::{Aligned, Element, MAX_LANES, ROWS, Vector};
use super::cpu_profile::{Dna, Grouped, Matrix, Substitution};
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
    match job.scoring.alphabet {
        Alphabet::Dna => by_mode::<V, _>(job, &mut Dna::new(job.scoring)),
        Alphabet::Protein if V::WIDE => by_mode::<V, _>(job, &mut Grouped::new(job.scoring)),
        Alphabet::Protein => by_mode::<V, _>(job, &mut Matrix::new(job.scoring)),
    }
}

/// By how many columns a lane is behind the first strip.
fn behind<V: Vector>(lane: usize) -> usize {
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

/// Moves `LANES` strips at a time over the target; bests are in steps and in rows of a lane.
#[inline(always)]
fn align<V: Vector, S: Substitution<V>, W: Watch<V>>(
    job: &PairJob<'_>,
    substitution: &mut S,
    mut watch: W,
) -> Vec<Best> {
    let rules = Rules::<V>::new(job.mode, job.scoring, job.range);
    let (query_pad, target_pad) = padding(job.scoring.alphabet);
    let dna = job.scoring.alphabet == Alphabet::Dna;
    let code = |&code: &u8| V::Element::from_byte(if dna && code == N { TARGET_N } else { code });
    let steps = job.target.len() + V::LANES - 1;
    // The codes that the lanes see in one step stand side by side.
    let pad = V::Element::from_byte(target_pad);
    let mut letters = vec![pad; V::LANES - 1];
    letters.extend(job.target.iter().map(code));
    letters.resize(steps + V::LANES, pad);
    // H and F under the strips before, by column; registers are stored beyond the last.
    let (mut h, mut f): (Vec<_>, Vec<_>) =
        (0..steps + V::LANES).map(|column| rules.above_first_row(column)).unzip();
    let mut lanes = Aligned([V::Element::default(); MAX_LANES]);
    for (lane, number) in lanes.0.iter_mut().enumerate() {
        *number = V::Element::wrapped(lane as i32);
    }
    let lanes = V::load(&lanes.0);
    let (block, drop) = (rules.range.columns, rules.range.drop);
    for (round, query) in job.query.chunks(ROWS * V::LANES).enumerate() {
        substitution.start_strip(&by_lane::<V>(query, query_pad));
        watch.start_strip(round * ROWS);
        let (mut state, mut levels) =
            Strip::start(&rules, |lane| (round * V::LANES + behind::<V>(lane)) * ROWS);
        let start = state;
        let mut edge = (V::splat(pad), V::splat(pad));
        for first in (0..steps).step_by(block) {
            let columns = block.min(steps - first);
            state.follow(&mut levels, drop);
            substitution.start_block(&letters[first..], 1, columns);
            watch.start_block(first, columns, &levels);
            for index in 0..columns {
                let step = first + index;
                let above = (edge.0.shift_in(h[step]), edge.1.shift_in(f[step]));
                let column = substitution.column(index, &letters[step..]);
                edge = state.advance((&*substitution, &column), above, &rules, &watch);
                watch.column(&state.h, index);
                if let Some(column) = (step + 1).checked_sub(V::LANES) {
                    edge.0.store(&mut h[column..]);
                    edge.1.store(&mut f[column..]);
                } else {
                    // The other lanes have not reached their first column.
                    let waiting = V::Element::wrapped((V::LANES - 1 - step) as i32);
                    state.hold(V::splat(waiting).exceeds(lanes), &start);
                }
            }
            watch.end_block(&levels);
        }
    }
    let mut found = Vec::new();
    watch.found(&mut found);
    found
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
