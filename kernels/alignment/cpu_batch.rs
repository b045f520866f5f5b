//! Many pairs at a time, one in each lane.

use super::cpu_lanes::{Aligned, Element, MAX_LANES, ROWS, Vector, splat};
use super::cpu_profile::{Dna, Grouped, Matrix, Search, Substitution, With, for_pairs};
use super::cpu_range::Range;
use super::cpu_strip::{Rules, Strip};
use super::cpu_watch::{Best, BestCell, Goal, LastRow, Spans, Watch};
use super::scoring::{Alphabet, Mode, N, Scoring, TARGET_N};
use super::sequences::{Pairs, Sequences};

/// Pairs of similar lengths, for one vector of lanes after the other.
pub(super) struct BatchJob<'a> {
    pub pairs: &'a Pairs,
    pub mode: Mode,
    pub scoring: &'a Scoring,
    pub range: Range,
    pub indices: &'a [u32],
}

/// Padding of proteins: the first code that no letter has.
const PAD: u8 = 24;

/// Codes of padding that no letter of the other side has (query, target).
pub(super) fn padding(alphabet: Alphabet) -> (u8, u8) {
    match alphabet {
        Alphabet::Dna => (6, 7),
        Alphabet::Protein => (PAD, PAD),
    }
}

/// Encoded sequences of one batch, interleaved: `[position][lane]`, padded to the longest.
struct Batch<E> {
    /// Rows, a multiple of [`ROWS`].
    query: Vec<E>,
    target: Vec<E>,
    /// Last row and column by lane, −1 in lanes without a pair.
    last_row: Aligned<i32>,
    last_column: Aligned<i32>,
}

impl<E: Element> Batch<E> {
    fn new() -> Self {
        let none = Aligned([-1; MAX_LANES]);
        Self { query: Vec::new(), target: Vec::new(), last_row: none, last_column: none }
    }

    #[inline(always)]
    fn fill<V: Vector<Element = E>>(&mut self, job: &BatchJob<'_>, indices: &[u32]) {
        let (queries, targets) = (&job.pairs.queries, &job.pairs.targets);
        for lane in 0..MAX_LANES {
            let last = |sequences: &Sequences| {
                indices.get(lane).map_or(-1, |&at| sequences.get(at as usize).len() as i32 - 1)
            };
            (self.last_row.0[lane], self.last_column.0[lane]) = (last(queries), last(targets));
        }
        let longest = |last: &Aligned<i32>| 1 + last.0.iter().max().map_or(0, |&at| at) as usize;
        let rows = longest(&self.last_row).next_multiple_of(ROWS);
        let columns = longest(&self.last_column);
        let (query_pad, target_pad) = padding(job.scoring.alphabet);
        interleave::<V>(queries, indices, rows, query_pad, &mut self.query);
        interleave::<V>(targets, indices, columns, target_pad, &mut self.target);
        if job.scoring.alphabet == Alphabet::Dna {
            let n = V::splat(E::from_byte(N));
            for codes in self.target.chunks_exact_mut(V::LANES) {
                let found = V::load(codes);
                V::select(found.equals(n), splat::<V>(TARGET_N.into()), found).store(codes);
            }
        }
    }
}

/// One side of a batch as `[position][lane]`, eight positions of all lanes at a time.
#[inline(always)]
fn interleave<V: Vector>(
    sequences: &Sequences,
    indices: &[u32],
    positions: usize,
    pad: u8,
    to: &mut Vec<V::Element>,
) {
    to.clear();
    to.resize(positions * V::LANES, V::Element::from_byte(pad));
    let mut codes: [&[u8]; MAX_LANES] = [&[]; MAX_LANES];
    for (codes, &lane) in codes[..V::LANES].iter_mut().zip(&V::ORDER) {
        if let Some(&index) = indices.get(usize::from(lane)) {
            *codes = sequences.get(index as usize);
        }
    }
    let mut part = Aligned([[V::Element::default(); ROWS]; MAX_LANES]);
    for (number, to) in to.chunks_mut(ROWS * V::LANES).enumerate() {
        for (part, codes) in part.0[..V::LANES].iter_mut().zip(&codes) {
            let rest = codes.get(number * ROWS..).unwrap_or(&[]);
            let mut word = [pad; ROWS];
            match rest.first_chunk() {
                Some(whole) => word = *whole,
                None => word[..rest.len()].copy_from_slice(rest),
            }
            *part = V::Element::spread(word);
        }
        for (row, to) in V::transpose(&part).into_iter().zip(to.chunks_exact_mut(V::LANES)) {
            row.store(to);
        }
    }
}

/// Aligns pairs; results in their order.
#[inline(always)]
pub(super) fn run_batch<V: Vector>(job: &BatchJob<'_>) -> Vec<Best> {
    let mut found = Vec::with_capacity(job.indices.len() + V::LANES);
    let (mut batch, mut boundary) = (Batch::new(), Vec::new());
    let (mut dna, mut search, mut wide, mut matrix) = (None, None, None, None);
    let scoring = job.scoring;
    for indices in job.indices.chunks(V::LANES) {
        batch.fill::<V>(job, indices);
        let work = (&batch, &mut boundary, &mut found);
        match scoring.alphabet {
            Alphabet::Dna => by_mode(job, dna.get_or_insert_with(|| Dna::<V>::new(scoring)), work),
            Alphabet::Protein if of_one_query(job.pairs, indices) => {
                by_mode(job, search.get_or_insert_with(|| Search::<V>::new(scoring)), work);
            }
            Alphabet::Protein if V::WIDE => {
                by_mode(job, wide.get_or_insert_with(|| Grouped::<V>::new(scoring)), work);
            }
            Alphabet::Protein => {
                by_mode(job, matrix.get_or_insert_with(|| Matrix::<V>::new(scoring)), work);
            }
        }
        found.truncate(found.len() - (V::LANES - indices.len()));
    }
    found
}

/// Whether all pairs have the same query.
fn of_one_query(pairs: &Pairs, indices: &[u32]) -> bool {
    let query = |&index: &u32| pairs.queries.get(index as usize);
    indices.iter().all(|index| query(index) == query(&indices[0]))
}

/// A batch, room for the rows between strips, and where the results go.
type BatchWork<'a, V> = (&'a Batch<<V as Vector>::Element>, &'a mut Vec<(V, V)>, &'a mut Vec<Best>);

#[inline(always)]
fn by_mode<V: Vector, S: Substitution<V>>(
    job: &BatchJob<'_>,
    substitution: &mut S,
    work: BatchWork<'_, V>,
) {
    let rules = Rules::new(job.mode, job.scoring, job.range);
    let mut spans = Spans { first: Aligned([0; MAX_LANES]), last: work.0.last_column };
    match job.mode {
        Mode::Local => {
            // Nothing in the padding is better than what stands before it.
            spans.last = Aligned([i32::MAX - 1; MAX_LANES]);
            let mut watch = BestCell::new(spans);
            align(work.0, work.1, &rules, substitution, &mut watch);
            watch.found(work.2);
        }
        Mode::Global | Mode::SemiGlobal => {
            let last = job.mode == Mode::Global;
            let goal = if last { Goal::LastColumn } else { Goal::BestColumn };
            let mut watch = LastRow::new(goal, work.0.last_row, spans);
            align(work.0, work.1, &rules, substitution, &mut watch);
            watch.found(work.2);
        }
    }
}

#[inline(always)]
fn align<V: Vector, S: Substitution<V>, W: Watch<V>>(
    batch: &Batch<V::Element>,
    boundary: &mut Vec<(V, V)>,
    rules: &Rules<V>,
    substitution: &mut S,
    watch: &mut W,
) {
    let all = |(h, f): (V::Element, V::Element)| (V::splat(h), V::splat(f));
    let columns = batch.target.len() / V::LANES;
    boundary.clear();
    boundary.extend((0..columns).map(|column| all(rules.above_first_row(column))));
    let (block, drop) = (rules.range.columns, rules.range.drop);
    for (strip, query) in batch.query.chunks_exact(ROWS * V::LANES).enumerate() {
        let first = strip * ROWS;
        substitution.start_strip(query);
        watch.start_strip(first);
        let (mut state, mut levels) = Strip::start(rules, |_| first);
        let blocks = batch.target.chunks(block * V::LANES).zip(boundary.chunks_mut(block));
        for (number, (letters, above)) in blocks.enumerate() {
            state.follow(&mut levels, drop);
            substitution.start_block(letters, V::LANES, above.len());
            watch.start_block(number * block, above.len(), &levels);
            let columns = letters.chunks_exact(V::LANES).zip(above);
            for (index, (letters, above)) in columns.enumerate() {
                let letters = substitution.column(index, letters);
                *above = state.advance((&*substitution, &letters), *above, rules, watch);
                watch.column(&state.h, index);
            }
            watch.end_block(&levels);
        }
    }
}

/// Moves `watch` over the tables of one vector of pairs; how many columns they have.
#[inline(always)]
pub(super) fn run_over<V: Vector, W: Watch<V>>(
    job: &BatchJob<'_>,
    indices: &[u32],
    watch: &mut W,
) -> usize {
    struct Over<'a, V: Vector, W>(&'a Batch<V::Element>, Rules<V>, &'a mut W);
    impl<V: Vector, W: Watch<V>> With<V> for Over<'_, V, W> {
        type Result = ();
        #[inline(always)]
        fn with<S: Substitution<V>>(self, substitution: &mut S) {
            align(self.0, &mut Vec::new(), &self.1, substitution, self.2);
        }
    }
    let mut batch = Batch::new();
    batch.fill::<V>(job, indices);
    let rules = Rules::new(job.mode, job.scoring, job.range);
    for_pairs::<V, _>(job.scoring, Over(&batch, rules, watch));
    batch.target.len() / V::LANES
}
