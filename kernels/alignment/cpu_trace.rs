//! The second pass: which way each alignment takes, over the part of its table up to its end.
//!
//! A cell's bits say what its H came of. A batch keeps those of its whole tables; a long pair those of
//! `LANES` strips at a time, the last first, for which the rows between them are kept.

use super::cpu_batch::{BatchJob, run_over};
use super::cpu_lanes::{Aligned, Element, MAX_LANES, ROWS, Vector, splat};
use super::cpu_long::{PairJob, Table, behind};
use super::cpu_profile::{Substitution, With};
use super::cpu_strip::{Cell, Levels, relative};
use super::cpu_watch::{Best, Watch};
use super::path::{FROM_E, OPENS_E, OPENS_F, PAIRED, Path, Traced, ZERO};
use super::scoring::Mode;

/// Writes down each cell's bits.
pub(super) struct Directions<V: Vector> {
    local: bool,
    floor: V,
    /// Whether to write; the first pass over a long pair only needs the rows between strips.
    writing: bool,
    column: [V; ROWS],
    /// `[strip][column][row][lane]`.
    pub bits: Vec<V::Element>,
}

impl<V: Vector> Directions<V> {
    pub fn new(mode: Mode, writing: bool) -> Self {
        let zero = splat::<V>(0);
        let local = mode == Mode::Local;
        Self { local, floor: zero, writing, column: [zero; ROWS], bits: Vec::new() }
    }
}

impl<V: Vector> Watch<V> for Directions<V> {
    fn start_strip(&mut self, _: usize) {}

    #[inline(always)]
    fn start_block(&mut self, _: usize, _: usize, levels: &Levels) {
        if self.local {
            self.floor = relative::<V>(&Aligned([0; MAX_LANES]), levels);
        }
    }

    /// Anchored scores are all above a floor of 0.
    #[inline(always)]
    fn floored(&self, score: V) -> V {
        score.max(self.floor)
    }

    #[inline(always)]
    fn cell(&mut self, row: usize, cell: &Cell<V>) {
        if !self.writing {
            return;
        }
        let zero = splat::<V>(0);
        let bit = |mask, bit: u8| V::select(mask, splat::<V>(bit.into()), zero);
        let from = bit(cell.score.equals(cell.paired), PAIRED);
        let from = from.add(bit(cell.score.equals(cell.e), FROM_E));
        let opens = bit(cell.next.0.equals(cell.opened), OPENS_E);
        let opens = opens.add(bit(cell.next.1.equals(cell.opened), OPENS_F));
        let nothing = bit(cell.score.equals(self.floor), ZERO);
        self.column[row] = from.add(opens).add(nothing);
    }

    #[inline(always)]
    fn column(&mut self, _: &[V; ROWS], _: usize) {
        if !self.writing {
            return;
        }
        let at = self.bits.len();
        self.bits.resize(at + ROWS * V::LANES, V::Element::default());
        for (row, to) in self.column.iter().zip(self.bits[at..].chunks_exact_mut(V::LANES)) {
            row.store(to);
        }
    }

    fn end_block(&mut self, _: &Levels) {}

    fn found(&self, _: &mut Vec<Best>) {}
}

/// The ways of pairs, in their order; each pair is aligned to its very ends.
#[inline(always)]
pub(super) fn trace_batch<V: Vector>(job: &BatchJob<'_>) -> Vec<Traced> {
    let mut traced = Vec::with_capacity(job.indices.len());
    for indices in job.indices.chunks(V::LANES) {
        let mut directions = Directions::<V>::new(job.mode, true);
        let columns = run_over::<V, _>(job, indices, &mut directions);
        for (lane, &index) in indices.iter().enumerate() {
            let query = job.pairs.queries.get(index as usize);
            let target = job.pairs.targets.get(index as usize);
            let mut path = Path::from(query.len() as i32 - 1, target.len() as i32 - 1);
            let bits = |row: i32, column: i32| {
                let (strip, row) = (row as usize / ROWS, row as usize % ROWS);
                let cell = (strip * columns + column as usize) * ROWS + row;
                directions.bits[cell * V::LANES + lane].wide() as u8
            };
            path.go(0, bits, |i, j| job.scoring.equal(query[i as usize], target[j as usize]));
            traced.push(path.finish(job.mode));
        }
    }
    traced
}

/// The way of one pair, which is aligned to its very ends.
#[inline(always)]
pub(super) fn trace_long<V: Vector>(job: &PairJob<'_>) -> Traced {
    struct Trace<'a, 'b>(&'a PairJob<'b>);
    impl<V: Vector> With<V> for Trace<'_, '_> {
        type Result = Traced;
        #[inline(always)]
        fn with<S: Substitution<V>>(self, substitution: &mut S) -> Traced {
            trace::<V, S>(self.0, substitution)
        }
    }
    super::cpu_profile::for_pairs::<V, _>(job.scoring, Trace(job))
}

#[inline(always)]
fn trace<V: Vector, S: Substitution<V>>(job: &PairJob<'_>, substitution: &mut S) -> Traced {
    let mut table = Table::<V>::new(job);
    let rounds: Vec<_> = job.query.chunks(ROWS * V::LANES).collect();
    let mut above = Vec::with_capacity(rounds.len());
    let mut blind = Directions::<V>::new(job.mode, false);
    for (round, query) in rounds.iter().enumerate() {
        above.push(table.edges.clone());
        if round + 1 < rounds.len() {
            table.round(round, query, substitution, &mut blind);
        }
    }
    let mut path = Path::from(job.query.len() as i32 - 1, job.target.len() as i32 - 1);
    let mut directions = Directions::<V>::new(job.mode, true);
    for (round, query) in rounds.iter().enumerate().rev() {
        if path.at_end() {
            break;
        }
        directions.bits.clear();
        directions.bits.reserve(table.steps * ROWS * V::LANES);
        if let Some(edges) = above.pop() {
            table.edges = edges;
        }
        table.round(round, query, substitution, &mut directions);
        let first = round * V::LANES * ROWS;
        let bits = |row: i32, column: i32| {
            let (strip, row) = ((row as usize - first) / ROWS, row as usize % ROWS);
            let lane = V::LANES - 1 - strip;
            let cell = (column as usize + behind::<V>(lane)) * ROWS + row;
            directions.bits[cell * V::LANES + lane].wide() as u8
        };
        let same =
            |i: i32, j: i32| job.scoring.equal(job.query[i as usize], job.target[j as usize]);
        path.go(first as i32, bits, same);
    }
    path.finish(job.mode)
}
