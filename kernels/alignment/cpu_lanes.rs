//! The recurrences over SIMD lanes, one pair of sequences in each lane.
//!
//! A table is computed in strips of [`ROWS`] query residues. A strip's state stays in registers
//! while it moves along the target; between strips one row of H and F is kept in memory. Written
//! once, over the [`Vector`] trait, for all instruction sets and lane widths. Everything here is
//! `inline(always)`, so that it is compiled for the instruction set of the function it ends up in.

use super::cpu_profile::Substitution;

/// Query residues of a strip.
pub(super) const ROWS: usize = 8;

/// The number in one lane.
pub(super) trait Element: Copy + Default + 'static {
    const MIN: Self;
    const MAX: i64;
    const BITS: u32;
    /// The nearest representable number.
    fn clamped(value: i64) -> Self;
    fn wide(self) -> i64;
    fn from_byte(byte: u8) -> Self;
}

/// Memory for the lanes of one vector of any width, or for a strip's scores of all lanes.
///
/// Its alignment makes the compiler align the stack frame: registers that it saves there would
/// otherwise straddle cache lines, which halves the speed.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub(super) struct Aligned<T>(pub [T; 64]);

/// A register of lanes with saturating arithmetic.
pub(super) trait Vector: Copy {
    type Element: Element;
    type Mask: Copy;
    const LANES: usize;
    /// The order in which [`Vector::transpose`] takes the lanes.
    const ORDER: [u8; 64] = in_order();

    fn splat(value: Self::Element) -> Self;
    /// Loads the first `LANES` elements (panics if there are fewer).
    fn load(from: &[Self::Element]) -> Self;
    /// Stores to the first `LANES` elements (panics if there are fewer).
    fn store(self, to: &mut [Self::Element]);
    fn add(self, other: Self) -> Self;
    fn sub(self, other: Self) -> Self;
    fn max(self, other: Self) -> Self;
    fn equals(self, other: Self) -> Self::Mask;
    fn exceeds(self, other: Self) -> Self::Mask;
    /// `yes` where the mask is set, else `no`.
    fn select(mask: Self::Mask, yes: Self, no: Self) -> Self;
    /// Adds `other` in the lanes of the mask.
    fn add_where(self, mask: Self::Mask, other: Self) -> Self;
    /// From `ROWS` numbers for each lane to a vector for each row.
    #[inline(always)]
    fn transpose(lanes: &Aligned<[Self::Element; ROWS]>) -> [Self; ROWS] {
        let mut rows = [[Self::Element::default(); 64]; ROWS];
        for (lane, numbers) in lanes.0[..Self::LANES].iter().enumerate() {
            for (row, &number) in rows.iter_mut().zip(numbers) {
                row[lane] = number;
            }
        }
        let mut vectors = [Self::splat(Self::Element::MIN); ROWS];
        for (vector, row) in vectors.iter_mut().zip(&rows) {
            *vector = Self::load(row);
        }
        vectors
    }
}

/// The order that needs no thought.
const fn in_order() -> [u8; 64] {
    let mut order = [0; 64];
    let mut lane = 0;
    while lane < 64 {
        order[lane] = lane as u8;
        lane += 1;
    }
    order
}

/// An 8 × 8 table of bytes, rows for columns (byte 0 is the lowest of each word).
#[inline(always)]
pub(super) fn transpose_bytes(mut rows: [u64; 8]) -> [u64; 8] {
    let halves = [(1, 0x00ff_00ff_00ff_00ff), (2, 0x0000_ffff_0000_ffff), (4, 0xffff_ffff)];
    for (step, low) in halves {
        for i in 0..8 {
            if i & step == 0 {
                let swapped = ((rows[i] >> (8 * step)) ^ rows[i + step]) & low;
                rows[i + step] ^= swapped;
                rows[i] ^= swapped << (8 * step);
            }
        }
    }
    rows
}

/// Encoded sequences of one batch, interleaved: `[position][lane]`, padded to the longest.
pub(super) struct Batch<E> {
    /// Rows, a multiple of [`ROWS`].
    pub query: Vec<E>,
    pub target: Vec<E>,
    /// Lengths by lane; lanes without a pair have length 0.
    pub lengths: Vec<(usize, usize)>,
}

/// Best score of a lane and where it ends.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Best {
    pub score: i64,
    pub row: usize,
    pub column: usize,
}

/// Gap costs in every lane.
#[derive(Clone, Copy)]
struct Gaps<V> {
    open: V,
    extend: V,
}

/// H and F (already extended or opened towards the next row) between two strips.
type Boundary<V> = (V, V);

/// Moves a strip by one column; returns F below its last row.
#[inline(always)]
fn advance<V: Vector, S: Substitution<V>>(
    h: &mut [V; ROWS],
    e: &mut [V; ROWS],
    mut diagonal: V,
    mut f: V,
    (substitution, letters): (&S, &S::Column),
    gaps: Gaps<V>,
) -> V {
    for row in 0..ROWS {
        let paired = substitution.pair(diagonal, row, letters);
        let score = paired.max(e[row]).max(f);
        diagonal = h[row];
        h[row] = score;
        let opened = score.sub(gaps.open);
        e[row] = e[row].sub(gaps.extend).max(opened);
        f = f.sub(gaps.extend).max(opened);
    }
    f
}

/// Local alignment in unsigned lanes: the floor of 0 is the lanes' own.
///
/// Scores are right up to the saturation that `substitution` leaves room for.
#[inline(always)]
pub(super) fn local<V: Vector, S: Substitution<V>>(
    batch: &Batch<V::Element>,
    (open, extend): (i32, i32),
    substitution: &mut S,
) -> Vec<Best> {
    let zero = splat::<V>(0);
    let gaps = Gaps { open: splat::<V>(open.into()), extend: splat::<V>(extend.into()) };
    let mut boundary: Vec<Boundary<V>> = vec![(zero, zero); batch.target.len() / V::LANES];
    let mut results = vec![Best::default(); V::LANES];
    for (strip, query) in batch.query.chunks_exact(ROWS * V::LANES).enumerate() {
        substitution.start_strip(query);
        let found = local_strip(batch, &mut boundary, substitution, gaps);
        found.merge(strip * ROWS, &mut results);
    }
    results
}

/// The first best column of a strip, by lane.
struct StripBest<V> {
    score: V,
    /// Column number in two digits of a lane's width each.
    column: [V; 2],
    /// H of the strip's rows in that column.
    rows: [V; ROWS],
}

#[inline(always)]
fn local_strip<V: Vector, S: Substitution<V>>(
    batch: &Batch<V::Element>,
    boundary: &mut [Boundary<V>],
    substitution: &mut S,
    gaps: Gaps<V>,
) -> StripBest<V> {
    let zero = splat::<V>(0);
    let (mut h, mut e, mut diagonal) = ([zero; ROWS], [zero; ROWS], zero);
    let mut best = StripBest { score: zero, column: [zero; 2], rows: [zero; ROWS] };
    let digit = (1i64 << V::Element::BITS) - 1;
    let columns = batch.target.chunks_exact(V::LANES).zip(boundary.iter_mut());
    for (j, (letters, above)) in columns.enumerate() {
        let letters = substitution.column(letters);
        let next_diagonal = above.0;
        let f = advance(&mut h, &mut e, diagonal, above.1, (&*substitution, &letters), gaps);
        *above = (h[ROWS - 1], f);
        diagonal = next_diagonal;
        let pairs = [h[0].max(h[1]), h[2].max(h[3]), h[4].max(h[5]), h[6].max(h[7])];
        let top = pairs[0].max(pairs[1]).max(pairs[2].max(pairs[3]));
        let better = top.exceeds(best.score);
        best.score = best.score.max(top);
        let j = j as i64;
        best.column[0] = V::select(better, splat::<V>(j & digit), best.column[0]);
        best.column[1] = V::select(better, splat::<V>(j >> V::Element::BITS), best.column[1]);
        for (kept, h) in best.rows.iter_mut().zip(h) {
            *kept = V::select(better, h, *kept);
        }
    }
    best
}

impl<V: Vector> StripBest<V> {
    /// Takes over what is better than `results`, or as good and in an earlier column.
    #[inline(always)]
    fn merge(&self, first_row: usize, results: &mut [Best]) {
        let mut lanes = [Aligned([V::Element::default(); 64]); 3 + ROWS];
        self.score.store(&mut lanes[0].0);
        self.column[0].store(&mut lanes[1].0);
        self.column[1].store(&mut lanes[2].0);
        for row in 0..ROWS {
            self.rows[row].store(&mut lanes[3 + row].0);
        }
        for (lane, result) in results.iter_mut().enumerate() {
            let score = lanes[0].0[lane].wide();
            let column =
                (lanes[1].0[lane].wide() | lanes[2].0[lane].wide() << V::Element::BITS) as usize;
            if score > result.score
                || (score == result.score && score > 0 && column < result.column)
            {
                let mut row = 0;
                while row + 1 < ROWS && lanes[3 + row].0[lane].wide() != score {
                    row += 1;
                }
                *result = Best { score, row: first_row + row, column };
            }
        }
    }
}

/// Which column of the last query row counts.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Goal {
    /// The last one (global).
    LastColumn,
    /// The best, and the first of several (semi-global).
    BestColumn,
}

/// Global or semi-global alignment in signed lanes; every score must fit.
#[inline(always)]
pub(super) fn anchored<V: Vector, S: Substitution<V>>(
    batch: &Batch<V::Element>,
    (open, extend): (i32, i32),
    substitution: &mut S,
    goal: Goal,
) -> Vec<Best> {
    let (open, extend) = (i64::from(open), i64::from(extend));
    let gaps = Gaps { open: splat::<V>(open), extend: splat::<V>(extend) };
    let gap = |length: usize| if length == 0 { 0 } else { open + (length as i64 - 1) * extend };
    let columns = batch.target.len() / V::LANES;
    let mut boundary: Vec<Boundary<V>> = Vec::with_capacity(columns);
    for j in 0..columns {
        let score = if goal == Goal::LastColumn { -gap(j + 1) } else { 0 };
        boundary.push((splat::<V>(score), splat::<V>(score - open)));
    }
    let mut ends = Ends::<V>::new(batch);
    for (strip, query) in batch.query.chunks_exact(ROWS * V::LANES).enumerate() {
        substitution.start_strip(query);
        let first = strip * ROWS;
        let mut h = [splat::<V>(0); ROWS];
        let mut e = h;
        for row in 0..ROWS {
            h[row] = splat::<V>(-gap(first + row + 1));
            e[row] = splat::<V>(-gap(first + row + 1) - open);
        }
        let here = ends.rows_in_strip(batch, first);
        let mut diagonal = splat::<V>(-gap(first));
        ends.column = splat::<V>(0);
        for (letters, above) in batch.target.chunks_exact(V::LANES).zip(boundary.iter_mut()) {
            let letters = substitution.column(letters);
            let next_diagonal = above.0;
            let f = advance(&mut h, &mut e, diagonal, above.1, (&*substitution, &letters), gaps);
            *above = (h[ROWS - 1], f);
            diagonal = next_diagonal;
            if let Some(rows) = here {
                ends.visit(&h, rows, goal);
            }
        }
    }
    ends.results(batch)
}

/// Watches the last query row of every lane.
struct Ends<V> {
    best: V,
    at: V,
    /// The present column.
    column: V,
    /// Number of the last column, by lane.
    last_column: V,
}

impl<V: Vector> Ends<V> {
    #[inline(always)]
    fn new(batch: &Batch<V::Element>) -> Self {
        let mut last = Aligned([V::Element::default(); 64]);
        for (last, (_, target)) in last.0.iter_mut().zip(&batch.lengths) {
            *last = V::Element::clamped(*target as i64 - 1);
        }
        let lowest = V::splat(V::Element::MIN);
        Self { best: lowest, at: lowest, column: lowest, last_column: V::load(&last.0) }
    }

    /// Row of the strip in which each lane's query ends (`ROWS` for lanes that end elsewhere);
    /// `None` where no lane ends here.
    #[inline(always)]
    fn rows_in_strip(&self, batch: &Batch<V::Element>, first: usize) -> Option<V> {
        let mut rows = [V::Element::clamped(ROWS as i64); 64];
        let mut any = false;
        for (row, (query, _)) in rows.iter_mut().zip(&batch.lengths) {
            if (first + 1..=first + ROWS).contains(query) {
                *row = V::Element::clamped((query - 1 - first) as i64);
                any = true;
            }
        }
        any.then(|| V::load(&rows))
    }

    #[inline(always)]
    fn visit(&mut self, h: &[V; ROWS], rows: V, goal: Goal) {
        let lowest = V::splat(V::Element::MIN);
        let mut score = lowest;
        for (row, h) in h.iter().enumerate() {
            score = V::select(rows.equals(splat::<V>(row as i64)), *h, score);
        }
        score = match goal {
            Goal::LastColumn => V::select(self.column.equals(self.last_column), score, lowest),
            Goal::BestColumn => V::select(self.column.exceeds(self.last_column), lowest, score),
        };
        let better = score.exceeds(self.best);
        self.best = self.best.max(score);
        self.at = V::select(better, self.column, self.at);
        self.column = self.column.add(splat::<V>(1));
    }

    #[inline(always)]
    fn results(&self, batch: &Batch<V::Element>) -> Vec<Best> {
        let mut lanes = [Aligned([V::Element::default(); 64]); 2];
        self.best.store(&mut lanes[0].0);
        self.at.store(&mut lanes[1].0);
        let mut results = Vec::with_capacity(V::LANES);
        for (lane, (query, _)) in batch.lengths.iter().enumerate() {
            results.push(Best {
                score: lanes[0].0[lane].wide(),
                row: query.saturating_sub(1),
                column: lanes[1].0[lane].wide().max(0) as usize,
            });
        }
        results
    }
}

#[inline(always)]
fn splat<V: Vector>(value: i64) -> V {
    V::splat(V::Element::clamped(value))
}
