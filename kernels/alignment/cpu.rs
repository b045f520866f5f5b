//! `cpu/simd`: batches of pairs of similar length over SIMD lanes and threads.
//!
//! Local scores start in 8-bit lanes; a pair that comes near the top is computed again in 16,
//! then 32 bits. Global and semi-global scores have a known range, so lanes are wide enough from
//! the start: 16 bits, or 32.

use std::sync::Arc;

use rayon::prelude::*;

use super::cpu_lanes::{
    Batch, Best, Element, Goal, ROWS, Vector, anchored, local, transpose_bytes,
};
use super::cpu_portable::Lanes;
use super::cpu_profile::{Dna, Matrix};
#[cfg(target_arch = "x86_64")]
use super::cpu_x86;
use super::input::RESULT_BYTES;
use super::reference::{Alignment, without_table};
use super::scoring::{Alphabet, Mode, Scoring};
use super::sequences::{Pairs, Sequences};
use crate::work::Native;

/// Pairs that fill the lanes of one vector, at most.
pub(super) struct BatchJob<'a> {
    pairs: &'a Pairs,
    mode: Mode,
    scoring: &'a Scoring,
    indices: &'a [u32],
}

type RunBatch = fn(&BatchJob<'_>) -> Vec<Best>;

/// For each kind and width of lanes: their number, and the function over a batch.
pub(super) struct Widths {
    pub local8: (usize, RunBatch),
    pub local16: (usize, RunBatch),
    pub local32: (usize, RunBatch),
    pub anchored16: (usize, RunBatch),
    pub anchored32: (usize, RunBatch),
}

/// For every architecture (128-bit registers, as NEON has).
pub(super) static PORTABLE: Widths = Widths {
    local8: (16, run_local::<Lanes<u8, 16>>),
    local16: (8, run_local::<Lanes<u16, 8>>),
    local32: (4, run_local::<Lanes<u32, 4>>),
    anchored16: (8, run_anchored::<Lanes<i16, 8>>),
    anchored32: (4, run_anchored::<Lanes<i32, 4>>),
};

/// Every table that this machine can run, best first.
pub(super) fn instruction_sets() -> Vec<&'static Widths> {
    let mut sets = Vec::new();
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw") {
            sets.push(&cpu_x86::AVX512);
        }
        if is_x86_feature_detected!("avx2") {
            sets.push(&cpu_x86::AVX2);
        }
    }
    sets.push(&PORTABLE);
    sets
}

/// Interleaves a batch, with padding codes that no letter of the other side has.
///
/// DNA: N has different codes on the two sides, so that it never matches.
#[inline(always)]
fn interleave<V: Vector>(job: &BatchJob<'_>) -> Batch<V::Element> {
    let mut lengths = vec![(0, 0); V::LANES];
    for (lane, &index) in lengths.iter_mut().zip(job.indices) {
        let index = index as usize;
        *lane = (job.pairs.queries.get(index).len(), job.pairs.targets.get(index).len());
    }
    let rows = lengths.iter().map(|l| l.0).max().unwrap_or(0).next_multiple_of(ROWS);
    let columns = lengths.iter().map(|l| l.1).max().unwrap_or(0);
    // Code 4 becomes 5 where bit 2 is copied to bit 0.
    let (query_pad, target_pad, n_bit) = match job.scoring.alphabet {
        Alphabet::Dna => (6, 7, 0x0101_0101_0101_0101),
        Alphabet::Protein => (31, 31, 0),
    };
    let (queries, targets) = (&job.pairs.queries, &job.pairs.targets);
    Batch {
        query: interleave_side::<V>(queries, job.indices, rows, query_pad, 0),
        target: interleave_side::<V>(targets, job.indices, columns, target_pad, n_bit),
        lengths,
    }
}

/// One side of a batch as `[position][lane]`, in blocks of 8 × 8.
#[inline(always)]
fn interleave_side<V: Vector>(
    sequences: &Sequences,
    indices: &[u32],
    positions: usize,
    pad: u8,
    n_bit: u64,
) -> Vec<V::Element> {
    let mut to = vec![V::Element::from_byte(pad); positions * V::LANES];
    for (block, indices) in indices.chunks(8).enumerate() {
        let (first_lane, width) = (block * 8, V::LANES.min(8));
        for first in (0..positions).step_by(8) {
            let mut lanes = [u64::from_le_bytes([pad; 8]); 8];
            for (lane, &index) in lanes.iter_mut().zip(indices) {
                let codes = sequences.get(index as usize).get(first..).unwrap_or(&[]);
                let mut word = [pad; 8];
                match codes.first_chunk() {
                    Some(whole) => word = *whole,
                    None => word[..codes.len()].copy_from_slice(codes),
                }
                let word = u64::from_le_bytes(word);
                *lane = word | (word >> 2 & n_bit);
            }
            let rows = to[first * V::LANES..].chunks_exact_mut(V::LANES);
            for (row, codes) in rows.zip(transpose_bytes(lanes)) {
                for (to, code) in row[first_lane..][..width].iter_mut().zip(codes.to_le_bytes()) {
                    *to = V::Element::from_byte(code);
                }
            }
        }
    }
    to
}

/// Aligns a batch locally; a score that may have met the lanes' top is `i64::MAX`.
#[inline(always)]
pub(super) fn run_local<V: Vector>(job: &BatchJob<'_>) -> Vec<Best> {
    let batch = interleave::<V>(job);
    let gaps = (job.scoring.gap_open, job.scoring.gap_extend);
    let mut found = match job.scoring.alphabet {
        Alphabet::Dna => local::<V, _>(&batch, gaps, &mut Dna::new(job.scoring)),
        Alphabet::Protein => local::<V, _>(&batch, gaps, &mut Matrix::new(job.scoring)),
    };
    let room = i64::from(job.scoring.matched - job.scoring.mismatch);
    for best in &mut found {
        if best.score > V::Element::MAX - room {
            best.score = i64::MAX;
        }
    }
    found
}

/// Aligns a batch globally or semi-globally; all lengths must be within [`anchored_limit`].
#[inline(always)]
pub(super) fn run_anchored<V: Vector>(job: &BatchJob<'_>) -> Vec<Best> {
    let batch = interleave::<V>(job);
    let gaps = (job.scoring.gap_open, job.scoring.gap_extend);
    let goal = if job.mode == Mode::Global { Goal::LastColumn } else { Goal::BestColumn };
    match job.scoring.alphabet {
        Alphabet::Dna => anchored::<V, _>(&batch, gaps, &mut Dna::new(job.scoring), goal),
        Alphabet::Protein => anchored::<V, _>(&batch, gaps, &mut Matrix::new(job.scoring), goal),
    }
}

/// Longest sequences whose scores all stay within 16 bits, whatever the letters.
///
/// No H is under the cost of one gap along each sequence, and no E or F under that less one
/// opening; a diagonal step takes at most `mismatch` off in between and adds `matched`.
fn anchored_limit(s: &Scoring) -> usize {
    let room = i32::from(i16::MAX) - 3 * s.gap_open - (s.matched - s.mismatch);
    // Rows are padded to whole strips.
    let limit = (room / (2 * s.gap_extend).max(s.matched)) as usize - ROWS;
    limit.min(i16::MAX as usize - ROWS)
}

/// Aligns all pairs with the functions of one instruction set; results in order of the pairs.
pub(super) fn align_with(
    widths: &Widths,
    pairs: &Pairs,
    mode: Mode,
    scoring: &Scoring,
) -> Vec<Alignment> {
    let lengths = |i: usize| (pairs.queries.get(i).len(), pairs.targets.get(i).len());
    let empty = Alignment { score: 0, query_end: -1, target_end: -1 };
    let mut results = vec![empty; pairs.len()];
    let mut order = Vec::with_capacity(pairs.len());
    for (i, result) in results.iter_mut().enumerate() {
        let (query, target) = lengths(i);
        match without_table(query, target, mode, scoring) {
            Some(answer) => *result = answer,
            None => order.push(i as u32),
        }
    }
    order.sort_by_key(|&i| lengths(i as usize));
    let mut run = |indices: &[u32], width: (usize, RunBatch)| {
        run_batches(indices, width, pairs, mode, scoring, &mut results)
    };
    if mode == Mode::Local {
        // Two digits of 8 bits hold the column.
        let (narrow, wide): (Vec<u32>, Vec<u32>) =
            order.iter().partition(|&&i| lengths(i as usize).1 <= 1 << 16);
        let mut again = run(&narrow, widths.local8);
        again.extend(wide);
        again.sort_by_key(|&i| lengths(i as usize));
        let again = run(&again, widths.local16);
        run(&again, widths.local32);
    } else {
        let limit = anchored_limit(scoring);
        let (narrow, wide): (Vec<u32>, Vec<u32>) = order.iter().partition(|&&i| {
            let (query, target) = lengths(i as usize);
            query.max(target) <= limit
        });
        run(&narrow, widths.anchored16);
        run(&wide, widths.anchored32);
    }
    results
}

/// Runs batches over all threads, stores what is right and returns the pairs that overflowed.
fn run_batches(
    indices: &[u32],
    (lanes, run): (usize, RunBatch),
    pairs: &Pairs,
    mode: Mode,
    scoring: &Scoring,
    results: &mut [Alignment],
) -> Vec<u32> {
    let found: Vec<Vec<Best>> = indices
        .par_chunks(lanes)
        .map(|indices| run(&BatchJob { pairs, mode, scoring, indices }))
        .collect();
    let mut overflowed = Vec::new();
    for (&index, best) in indices.iter().zip(found.iter().flatten()) {
        if best.score == i64::MAX {
            overflowed.push(index);
            continue;
        }
        let none = mode == Mode::Local && best.score == 0;
        let end = |at: usize| if none { -1 } else { at as i32 };
        results[index as usize] = Alignment {
            score: best.score as i32,
            query_end: end(best.row),
            target_end: end(best.column),
        };
    }
    overflowed
}

/// The native program: pairs in, results in the common format out.
pub(super) struct SimdProgram {
    pairs: Arc<Pairs>,
    mode: Mode,
    scoring: Arc<Scoring>,
    widths: &'static Widths,
    output: Vec<u8>,
}

impl SimdProgram {
    /// A program for the best instruction set of this machine.
    pub fn new(pairs: Arc<Pairs>, mode: Mode, scoring: Arc<Scoring>) -> Self {
        let output = vec![0; pairs.len() * RESULT_BYTES];
        Self { pairs, mode, scoring, widths: instruction_sets()[0], output }
    }
}

impl Native for SimdProgram {
    fn run(&mut self) -> Result<(), String> {
        let found = align_with(self.widths, &self.pairs, self.mode, &self.scoring);
        for (bytes, found) in self.output.chunks_exact_mut(RESULT_BYTES).zip(found) {
            bytes[..4].copy_from_slice(&found.score.to_le_bytes());
            bytes[4..8].copy_from_slice(&found.query_end.to_le_bytes());
            bytes[8..].copy_from_slice(&found.target_end.to_le_bytes());
        }
        Ok(())
    }

    fn poison(&mut self) {
        self.output.fill(0xa5);
    }

    fn outputs(&self) -> Vec<Vec<u8>> {
        vec![self.output.clone()]
    }
}
