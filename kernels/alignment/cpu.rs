//! `cpu/simd`: batches of pairs of similar length, or single long pairs, over lanes and threads.
//!
//! Lanes of 8 bits hold any score of most scorings (`cpu_range.rs`), those of 16 bits of all.

use std::sync::Arc;

use rayon::prelude::*;

use super::cpu_batch::{BatchJob, run_batch};
use super::cpu_lanes::{ROWS, Vector};
use super::cpu_long::{PairJob, run_long};
use super::cpu_portable::Lanes;
use super::cpu_range::Range;
use super::cpu_trace::{trace_batch, trace_long};
use super::cpu_watch::Best;
#[cfg(target_arch = "x86_64")]
use super::cpu_x86;
use super::input::RESULT_BYTES;
use super::path::{Path, Traced, lines};
use super::reference::{Alignment, without_table};
use super::scoring::{Alphabet, Mode, Scoring};
use super::sequences::Pairs;
use crate::work::Native;

/// The functions for one width of lanes.
pub(super) struct Width {
    pub lanes: usize,
    /// A pair in each lane, one vector of lanes after the other.
    pub batch: fn(&BatchJob<'_>) -> Vec<Best>,
    /// A strip of one pair in each lane.
    pub long: fn(&PairJob<'_>) -> Best,
    /// The ways of alignments that end where their sequences do, a pair in each lane.
    pub batch_ways: fn(&BatchJob<'_>) -> Vec<Traced>,
    /// The same of one pair.
    pub long_way: fn(&PairJob<'_>) -> Traced,
}

impl Width {
    /// The functions over a vector that needs no feature of the processor.
    const fn of<V: Vector>() -> Self {
        Self {
            lanes: V::LANES,
            batch: run_batch::<V>,
            long: run_long::<V>,
            batch_ways: trace_batch::<V>,
            long_way: trace_long::<V>,
        }
    }
}

/// The functions of an instruction set, for lanes of 8 and of 16 bits.
pub(super) struct Widths {
    pub narrow: Width,
    pub wide: Width,
}

/// For every architecture (128-bit registers, as NEON has).
pub(super) static PORTABLE: Widths =
    Widths { narrow: Width::of::<Lanes<u8, 16>>(), wide: Width::of::<Lanes<u16, 8>>() };

/// Every table that this machine can run, best first.
pub(super) fn instruction_sets() -> Vec<&'static Widths> {
    let mut sets = Vec::new();
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw") {
            if is_x86_feature_detected!("avx512vbmi") {
                sets.push(&cpu_x86::VBMI);
            }
            sets.push(&cpu_x86::AVX512);
        }
        if is_x86_feature_detected!("avx2") {
            sets.push(&cpu_x86::AVX2);
        }
    }
    sets.push(&PORTABLE);
    sets
}

/// Batches done one after the other in the same memory, at most.
const BATCHES_OF_A_JOB: usize = 16;

/// Cells of a batch whose ways are traced: a byte each or two, for each thread.
pub(super) const TRACED_CELLS: usize = 32 << 20;

/// What is done at a time.
enum Job<'a> {
    /// Pairs of similar lengths.
    Batch(&'a [u32]),
    /// One pair.
    Pair(u32),
}

/// What aligns pairs: lanes of the least width that the scoring fits.
struct Aligner<'a> {
    width: &'a Width,
    range: Range,
    pairs: &'a Pairs,
    mode: Mode,
    scoring: &'a Scoring,
    /// Cells of all lanes that a batch may have.
    most_cells: usize,
}

impl<'a> Aligner<'a> {
    fn new(widths: &'a Widths, pairs: &'a Pairs, mode: Mode, scoring: &'a Scoring) -> Self {
        let (width, range) = match (Range::of::<u8>(scoring), Range::of::<u16>(scoring)) {
            (Some(range), _) => (&widths.narrow, range),
            (None, Some(range)) => (&widths.wide, range),
            (None, None) => unreachable!("scores of up to 127 fit 16 bits"),
        };
        Self { width, range, pairs, mode, scoring, most_cells: usize::MAX }
    }

    /// Rows and columns of pair `index`.
    fn lengths(&self, index: u32) -> (usize, usize) {
        let index = index as usize;
        (self.pairs.queries.get(index).len(), self.pairs.targets.get(index).len())
    }

    /// Sorts so that neighbours are alike: pairs of one query together, if they fill vectors, and else
    /// by rows, and within each of about √batches parts by columns.
    fn sort(&self, order: &mut [u32]) {
        let searches = match self.scoring.alphabet {
            Alphabet::Dna => 0,
            Alphabet::Protein => self.sort_searches(order),
        };
        let order = &mut order[searches..];
        order.sort_by_key(|&index| self.lengths(index));
        let batches = order.len().div_ceil(self.width.lanes);
        let parts = (batches as f64).sqrt().ceil() as usize;
        let part = batches.div_ceil(parts.max(1)).max(1) * self.width.lanes;
        for part in order.chunks_mut(part) {
            part.sort_by_key(|&index| {
                let (rows, columns) = self.lengths(index);
                (columns, rows)
            });
        }
    }

    /// Brings whole vectors of pairs with the same query to the front; how many pairs they are.
    fn sort_searches(&self, order: &mut [u32]) -> usize {
        let query = |index: u32| self.pairs.queries.get(index as usize);
        order.sort_by(|&a, &b| {
            let columns = |index| self.lengths(index).1;
            query(a).cmp(query(b)).then_with(|| columns(a).cmp(&columns(b)))
        });
        let (mut searches, mut others) = (Vec::new(), Vec::new());
        for same in order.chunk_by(|&a, &b| query(a) == query(b)) {
            let whole = same.len() / self.width.lanes * self.width.lanes;
            searches.extend_from_slice(&same[..whole]);
            others.extend_from_slice(&same[whole..]);
        }
        order[..searches.len()].copy_from_slice(&searches);
        order[searches.len()..].copy_from_slice(&others);
        searches.len()
    }

    /// Cuts sorted pairs into batches and long pairs, whatever takes less time.
    fn jobs<'b>(&self, order: &'b [u32]) -> Vec<Job<'b>> {
        let lanes = self.width.lanes;
        let threads = rayon::current_num_threads();
        let batches = order.len().div_ceil(lanes);
        // Few batches leave threads without work; many may share their memory.
        let idle = (batches.div_ceil(threads) * threads) as f64 / batches.max(1) as f64;
        let shared = (batches / (8 * threads)).clamp(1, BATCHES_OF_A_JOB);
        let mut jobs = Vec::with_capacity(batches);
        for order in order.chunks(shared * lanes) {
            let (mut from, mut to) = (0, 0);
            for indices in order.chunks(lanes) {
                if self.cost_together(indices) * idle <= self.cost_alone(indices) {
                    to += indices.len();
                    continue;
                }
                jobs.extend((from < to).then(|| Job::Batch(&order[from..to])));
                jobs.extend(indices.iter().map(|&index| Job::Pair(index)));
                to += indices.len();
                from = to;
            }
            jobs.extend((from < to).then(|| Job::Batch(&order[from..to])));
        }
        jobs
    }

    /// Vector cells of a batch.
    fn cost_together(&self, indices: &[u32]) -> f64 {
        let longest = |length: fn((usize, usize)) -> usize| {
            indices.iter().map(|&index| length(self.lengths(index))).max().unwrap_or(0)
        };
        let cells = longest(|l| l.0).next_multiple_of(ROWS) * longest(|l| l.1);
        if cells.saturating_mul(self.width.lanes) > self.most_cells {
            return f64::INFINITY;
        }
        cells as f64
    }

    /// Vector cells of pairs by themselves, with what shifting registers takes on top.
    fn cost_alone(&self, indices: &[u32]) -> f64 {
        let lanes = self.width.lanes;
        let cost = |&index: &u32| {
            let (rows, columns) = self.lengths(index);
            1.2 * (rows.div_ceil(ROWS * lanes) * ROWS * (columns + 2 * lanes)) as f64
        };
        indices.iter().map(cost).sum()
    }

    /// Pair numbers with their answers.
    fn run_all(&self, jobs: &[Job<'_>]) -> Vec<(u32, Alignment)> {
        let found = self.each(jobs, self.width.batch, self.width.long);
        let answer = |(index, best): (u32, Best)| {
            let ends = (best.row, best.column);
            (index, Alignment { score: best.score, query_end: ends.0, target_end: ends.1 })
        };
        found.into_iter().map(answer).collect()
    }

    /// Does `batch` or `long` for each job, and gives the results with their pairs' numbers.
    fn each<T: Send>(
        &self,
        jobs: &[Job<'_>],
        batch: fn(&BatchJob<'_>) -> Vec<T>,
        long: fn(&PairJob<'_>) -> T,
    ) -> Vec<(u32, T)> {
        let Self { range, pairs, mode, scoring, .. } = *self;
        let run = |job: &Job<'_>| -> Vec<(u32, T)> {
            match *job {
                Job::Batch(indices) => {
                    let found = batch(&BatchJob { pairs, mode, scoring, range, indices });
                    indices.iter().copied().zip(found).collect()
                }
                Job::Pair(index) => {
                    let query = pairs.queries.get(index as usize);
                    let target = pairs.targets.get(index as usize);
                    vec![(index, long(&PairJob { query, target, mode, scoring, range }))]
                }
            }
        };
        let found: Vec<_> = jobs.par_iter().map(run).collect();
        found.into_iter().flatten().collect()
    }
}

/// Aligns all pairs with the functions of one instruction set; results in order of the pairs.
pub(super) fn align_with(
    widths: &Widths,
    pairs: &Pairs,
    mode: Mode,
    scoring: &Scoring,
) -> Vec<Alignment> {
    let aligner = Aligner::new(widths, pairs, mode, scoring);
    let empty = Alignment { score: 0, query_end: -1, target_end: -1 };
    let mut results = vec![empty; pairs.len()];
    let mut order = Vec::with_capacity(pairs.len());
    for (index, result) in results.iter_mut().enumerate() {
        let (query, target) = aligner.lengths(index as u32);
        match without_table(query, target, mode, scoring) {
            Some(answer) => *result = answer,
            None => order.push(index as u32),
        }
    }
    aligner.sort(&mut order);
    for (index, answer) in aligner.run_all(&aligner.jobs(&order)) {
        results[index as usize] = answer;
    }
    results
}

/// The ways of alignments whose ends are known, in order of the pairs; `most_cells` in a batch, see
/// [`TRACED_CELLS`].
pub(super) fn trace_with(
    widths: &Widths,
    pairs: &Pairs,
    found: &[Alignment],
    mode: Mode,
    scoring: &Scoring,
    most_cells: usize,
) -> Vec<Traced> {
    // Nothing after an alignment's end counts.
    let ends = |index: usize| -> (usize, usize) {
        let whole = (pairs.queries.get(index).len(), pairs.targets.get(index).len());
        let found = &found[index];
        match mode {
            Mode::Global => whole,
            Mode::SemiGlobal => (whole.0, (found.target_end + 1) as usize),
            Mode::Local => ((found.query_end + 1) as usize, (found.target_end + 1) as usize),
        }
    };
    let cut = Pairs {
        queries: pairs.queries.cut(|index| ends(index).0),
        targets: pairs.targets.cut(|index| ends(index).1),
    };
    let mut aligner = Aligner::new(widths, &cut, mode, scoring);
    aligner.most_cells = most_cells;
    let mut traced = Vec::with_capacity(cut.len());
    let mut order = Vec::with_capacity(cut.len());
    for index in 0..cut.len() {
        let (rows, columns) = aligner.lengths(index as u32);
        if rows > 0 && columns > 0 {
            order.push(index as u32);
        }
        // Where a side is empty there is one gap or nothing.
        let edge = Path::from(rows as i32 - 1, columns as i32 - 1);
        traced.push(edge.finish(mode));
    }
    aligner.sort(&mut order);
    let (batch, long) = (aligner.width.batch_ways, aligner.width.long_way);
    for (index, way) in aligner.each(&aligner.jobs(&order), batch, long) {
        traced[index as usize] = way;
    }
    traced
}

/// Aligns all pairs, none of them empty, one by one.
#[cfg(test)]
pub(super) fn align_alone(
    widths: &Widths,
    pairs: &Pairs,
    mode: Mode,
    scoring: &Scoring,
) -> Vec<Alignment> {
    let aligner = Aligner::new(widths, pairs, mode, scoring);
    let jobs: Vec<_> = (0..pairs.len() as u32).map(Job::Pair).collect();
    aligner.run_all(&jobs).into_iter().map(|(_, answer)| answer).collect()
}

/// The native program: pairs in, results in the common format out.
pub(super) struct SimdProgram {
    pairs: Arc<Pairs>,
    mode: Mode,
    scoring: Arc<Scoring>,
    widths: &'static Widths,
    output: Vec<u8>,
    /// Ways as lines, where they are asked for.
    ways: Option<Vec<u8>>,
}

impl SimdProgram {
    /// A program for the best instruction set of this machine.
    pub fn new(pairs: Arc<Pairs>, mode: Mode, scoring: Arc<Scoring>, cigar: bool) -> Self {
        let output = vec![0; pairs.len() * RESULT_BYTES];
        let ways = cigar.then(Vec::new);
        Self { pairs, mode, scoring, widths: instruction_sets()[0], output, ways }
    }
}

impl Native for SimdProgram {
    fn run(&mut self) -> Result<(), String> {
        let found = align_with(self.widths, &self.pairs, self.mode, &self.scoring);
        for (bytes, found) in self.output.chunks_exact_mut(RESULT_BYTES).zip(&found) {
            bytes[..4].copy_from_slice(&found.score.to_le_bytes());
            bytes[4..8].copy_from_slice(&found.query_end.to_le_bytes());
            bytes[8..].copy_from_slice(&found.target_end.to_le_bytes());
        }
        if let Some(ways) = &mut self.ways {
            let (pairs, scoring) = (&self.pairs, &self.scoring);
            let traced = trace_with(self.widths, pairs, &found, self.mode, scoring, TRACED_CELLS);
            lines(&traced, ways);
        }
        Ok(())
    }

    fn poison(&mut self) {
        self.output.fill(0xa5);
        if let Some(ways) = &mut self.ways {
            ways.clear();
        }
    }

    fn outputs(&self) -> Vec<Vec<u8>> {
        [&self.output].into_iter().chain(&self.ways).cloned().collect()
    }
}
