//! What is looked for in a table: the best cell (local), or the end of the last query row.

use super::cpu_lanes::{Aligned, Element, MAX_LANES, ROWS, Vector, splat};
use super::cpu_strip::{Cell, Levels, relative};

/// Best score of a lane and where it is. Rows and columns are those of the lane.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Best {
    pub score: i32,
    pub row: i32,
    pub column: i32,
}

/// Looks at every column of a block of a strip, and keeps what is best.
pub(super) trait Watch<V: Vector> {
    /// Before the first block of a strip, whose first row is `first_row` in every lane.
    fn start_strip(&mut self, first_row: usize);
    /// Before the block that begins at `column`.
    fn start_block(&mut self, column: usize, columns: usize, levels: &Levels);
    /// A cell's score, not under the floor.
    fn floored(&self, score: V) -> V;
    /// After a cell of the column that comes.
    #[inline(always)]
    fn cell(&mut self, _row: usize, _cell: &Cell<V>) {}
    /// After column `index` of the block.
    fn column(&mut self, h: &[V; ROWS], index: usize);
    /// After the block.
    fn end_block(&mut self, levels: &Levels);
    /// Adds what was best, by lane.
    fn found(&self, to: &mut Vec<Best>);
}

/// The best of each lane over all blocks.
struct Bests {
    score: Aligned<i32>,
    row: Aligned<i32>,
    column: Aligned<i32>,
}

impl Bests {
    fn new(score: i32) -> Self {
        let none = Aligned([-1; MAX_LANES]);
        Self { score: Aligned([score; MAX_LANES]), row: none, column: none }
    }

    fn found(&self, lanes: usize, to: &mut Vec<Best>) {
        let best = |lane: usize| Best {
            score: self.score.0[lane],
            row: self.row.0[lane],
            column: self.column.0[lane],
        };
        to.extend((0..lanes).map(best));
    }
}

/// First and last column of each lane's target; what else the lane meets is padding.
#[derive(Clone, Copy)]
pub(super) struct Spans {
    pub first: Aligned<i32>,
    pub last: Aligned<i32>,
}

/// Which columns of a block count.
struct Limits<V> {
    spans: Spans,
    /// Between these every column of every lane counts.
    inner: std::ops::RangeInclusive<i32>,
    /// Index of the first column that counts, and of the first that no longer does.
    from: V,
    to: V,
    /// Whether any lane has padding in this block.
    matters: bool,
}

impl<V: Vector> Limits<V> {
    fn new(spans: Spans) -> Self {
        let first = spans.first.0[..V::LANES].iter().max();
        let last = spans.last.0[..V::LANES].iter().min();
        let inner = first.map_or(0, |&at| at)..=last.map_or(0, |&at| at);
        Self { spans, inner, from: splat::<V>(0), to: splat::<V>(0), matters: true }
    }

    #[inline(always)]
    fn start_block(&mut self, column: usize, columns: usize) {
        let all = column as i32..=(column + columns) as i32 - 1;
        self.matters = !(self.inner.contains(all.start()) && self.inner.contains(all.end()));
        if !self.matters {
            return;
        }
        let mut ends = [Aligned([V::Element::default(); MAX_LANES]); 2];
        for lane in 0..V::LANES {
            let index = |at: i32| (at - column as i32).clamp(0, columns as i32);
            let (from, to) = (index(self.spans.first.0[lane]), index(self.spans.last.0[lane] + 1));
            ends[0].0[lane] = V::Element::wrapped(from);
            ends[1].0[lane] = V::Element::wrapped(to);
        }
        (self.from, self.to) = (V::load(&ends[0].0), V::load(&ends[1].0));
    }

    /// Zero, which is under every score, in the columns that do not count.
    #[inline(always)]
    fn apply(&self, score: V, index: usize) -> V {
        if !self.matters {
            return score;
        }
        let (index, zero) = (splat::<V>(index as i32), splat::<V>(0));
        V::select(self.from.exceeds(index), zero, V::select(self.to.exceeds(index), score, zero))
    }
}

/// Looks for the best cell of all (local alignment).
pub(super) struct BestCell<V> {
    bests: Bests,
    limits: Limits<V>,
    first_row: i32,
    first_column: i32,
    /// Score 0 as lanes see it.
    floor: V,
    /// What is to be exceeded, and what it was at the block's start.
    best: V,
    before: V,
    /// Whether to expect better cells in most columns.
    eager: bool,
    /// Index of the best column in the block, and H of the rows in it.
    at: V,
    rows: [V; ROWS],
}

impl<V: Vector> BestCell<V> {
    pub fn new(spans: Spans) -> Self {
        let zero = splat::<V>(0);
        Self {
            bests: Bests::new(0),
            limits: Limits::new(spans),
            first_row: 0,
            first_column: 0,
            floor: zero,
            best: zero,
            before: zero,
            eager: false,
            at: zero,
            rows: [zero; ROWS],
        }
    }
}

impl<V: Vector> Watch<V> for BestCell<V> {
    #[inline(always)]
    fn start_strip(&mut self, first_row: usize) {
        self.first_row = first_row as i32;
    }

    #[inline(always)]
    fn start_block(&mut self, column: usize, columns: usize, levels: &Levels) {
        self.limits.start_block(column, columns);
        self.first_column = column as i32;
        // An equal score counts where it comes in an earlier column.
        let mut threshold = Aligned([0; MAX_LANES]);
        for lane in 0..V::LANES {
            let earlier = (self.first_column <= self.bests.column.0[lane]) as i32;
            threshold.0[lane] = self.bests.score.0[lane] - earlier;
        }
        self.before = relative::<V>(&threshold, levels);
        self.best = self.before;
        self.floor = relative::<V>(&Aligned([0; MAX_LANES]), levels);
    }

    #[inline(always)]
    fn floored(&self, score: V) -> V {
        score.max(self.floor)
    }

    #[inline(always)]
    fn column(&mut self, h: &[V; ROWS], index: usize) {
        let pairs = [h[0].max(h[1]), h[2].max(h[3]), h[4].max(h[5]), h[6].max(h[7])];
        let top = pairs[0].max(pairs[1]).max(pairs[2].max(pairs[3]));
        let better = self.limits.apply(top, index).exceeds(self.best);
        if self.eager || V::any(better) {
            self.best = V::select(better, top, self.best);
            self.at = V::select(better, splat::<V>(index as i32), self.at);
            for (kept, h) in self.rows.iter_mut().zip(h) {
                *kept = V::select(better, *h, *kept);
            }
        }
    }

    #[inline(always)]
    fn end_block(&mut self, levels: &Levels) {
        self.eager = V::any(self.best.exceeds(self.before));
        if !self.eager {
            return;
        }
        // The first row with that score.
        let mut row = splat::<V>(0);
        for at in (0..ROWS).rev() {
            row = V::select(self.rows[at].equals(self.best), splat::<V>(at as i32), row);
        }
        let mut lanes = [Aligned([V::Element::default(); MAX_LANES]); 4];
        for (lanes, register) in lanes.iter_mut().zip([self.before, self.best, self.at, row]) {
            register.store(&mut lanes.0);
        }
        let [before, best, at, row] = &lanes;
        for lane in 0..V::LANES {
            let score = best.0[lane].wide() + levels.0[lane];
            let column = self.first_column + at.0[lane].wide();
            let known = (self.bests.score.0[lane], self.bests.column.0[lane]);
            let better =
                (best.0[lane] != before.0[lane]) & ((score > known.0) | (column < known.1));
            let row = self.first_row + row.0[lane].wide();
            self.bests.score.0[lane] = if better { score } else { known.0 };
            self.bests.column.0[lane] = if better { column } else { known.1 };
            self.bests.row.0[lane] = if better { row } else { self.bests.row.0[lane] };
        }
    }

    fn found(&self, to: &mut Vec<Best>) {
        self.bests.found(V::LANES, to);
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

/// Looks at the last query row (global and semi-global alignment).
pub(super) struct LastRow<V: Vector> {
    bests: Bests,
    limits: Limits<V>,
    /// Last row by lane.
    last_row: Aligned<i32>,
    /// Lanes whose last row is this one of the strip.
    ends: [V::Mask; ROWS],
    here: bool,
    first_column: i32,
    best: V,
    before: V,
    at: V,
}

impl<V: Vector> LastRow<V> {
    /// `last_row` is the last row of each lane, −1 where it has none. With
    /// [`Goal::LastColumn`] only the last columns of `spans` count.
    pub fn new(goal: Goal, last_row: Aligned<i32>, mut spans: Spans) -> Self {
        if goal == Goal::LastColumn {
            spans.first = spans.last;
        }
        let zero = splat::<V>(0);
        Self {
            bests: Bests::new(i32::MIN / 2),
            limits: Limits::new(spans),
            last_row,
            ends: [zero.exceeds(zero); ROWS],
            here: false,
            first_column: 0,
            best: zero,
            before: zero,
            at: zero,
        }
    }
}

impl<V: Vector> Watch<V> for LastRow<V> {
    #[inline(always)]
    fn start_strip(&mut self, first_row: usize) {
        let rows = first_row as i32..(first_row + ROWS) as i32;
        self.here = self.last_row.0[..V::LANES].iter().any(|row| rows.contains(row));
        if !self.here {
            return;
        }
        for (row, ends) in self.ends.iter_mut().enumerate() {
            let mut lanes = Aligned([V::Element::default(); MAX_LANES]);
            for lane in 0..V::LANES {
                let here = self.last_row.0[lane] == (first_row + row) as i32;
                lanes.0[lane] = V::Element::wrapped(here.into());
            }
            *ends = V::load(&lanes.0).exceeds(splat::<V>(0));
        }
    }

    #[inline(always)]
    fn start_block(&mut self, column: usize, columns: usize, levels: &Levels) {
        if !self.here {
            return;
        }
        self.limits.start_block(column, columns);
        self.first_column = column as i32;
        self.before = relative::<V>(&self.bests.score, levels);
        self.best = self.before;
    }

    #[inline(always)]
    fn floored(&self, score: V) -> V {
        score
    }

    #[inline(always)]
    fn column(&mut self, h: &[V; ROWS], index: usize) {
        if !self.here {
            return;
        }
        let mut score = splat::<V>(0);
        for (ends, h) in self.ends.iter().zip(h) {
            score = V::select(*ends, *h, score);
        }
        let score = self.limits.apply(score, index);
        let better = score.exceeds(self.best);
        self.best = V::select(better, score, self.best);
        self.at = V::select(better, splat::<V>(index as i32), self.at);
    }

    #[inline(always)]
    fn end_block(&mut self, levels: &Levels) {
        if !self.here || !V::any(self.best.exceeds(self.before)) {
            return;
        }
        let mut lanes = [Aligned([V::Element::default(); MAX_LANES]); 3];
        for (lanes, register) in lanes.iter_mut().zip([self.before, self.best, self.at]) {
            register.store(&mut lanes.0);
        }
        for lane in 0..V::LANES {
            if lanes[0].0[lane] != lanes[1].0[lane] {
                self.bests.score.0[lane] = lanes[1].0[lane].wide() + levels.0[lane];
                self.bests.row.0[lane] = self.last_row.0[lane];
                self.bests.column.0[lane] = self.first_column + lanes[2].0[lane].wide();
            }
        }
    }

    fn found(&self, to: &mut Vec<Best>) {
        self.bests.found(V::LANES, to);
    }
}
