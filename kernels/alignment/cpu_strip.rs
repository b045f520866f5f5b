//! A strip of a table, moved along the target: the recurrences, in lanes that follow their scores.
//!
//! H and F between strips are kept as the low bits of their true numbers, which no level changes.

use super::cpu_lanes::{Aligned, Element, MAX_LANES, ROWS, Vector, splat};
use super::cpu_profile::Substitution;
use super::cpu_range::Range;
use super::cpu_watch::Watch;
use super::scoring::{Mode, Scoring};

/// What is the same for all strips of a batch.
pub(super) struct Rules<V> {
    pub open: V,
    pub extend: V,
    pub range: Range,
    /// The same as numbers.
    gaps: (i32, i32),
    mode: Mode,
}

impl<V: Vector> Rules<V> {
    #[inline(always)]
    pub fn new(mode: Mode, scoring: &Scoring, range: Range) -> Self {
        let gaps = (scoring.gap_open, scoring.gap_extend);
        Self { open: splat::<V>(gaps.0), extend: splat::<V>(gaps.1), range, gaps, mode }
    }

    fn gap(&self, length: i32) -> i32 {
        if length == 0 { 0 } else { self.gaps.0 + (length - 1) * self.gaps.1 }
    }

    /// H above the first row in column `column`, and F on its way into that row.
    pub fn above_first_row(&self, column: usize) -> (V::Element, V::Element) {
        let h = if self.mode == Mode::Global { -self.gap(column as i32 + 1) } else { 0 };
        (V::Element::wrapped(h), V::Element::wrapped(h - self.gaps.0))
    }
}

/// A strip's state between two columns. Lanes hold a score less its lane's level.
#[derive(Clone, Copy)]
pub(super) struct Strip<V> {
    /// H by row.
    pub h: [V; ROWS],
    /// E of the next column, by row.
    e: [V; ROWS],
    /// H of the row above, in this column.
    diagonal: V,
    /// The levels' low bits.
    low: V,
}

/// What a cell's score came of.
pub(super) struct Cell<V> {
    /// H of the cell before on the diagonal, with the score of the two residues.
    pub paired: V,
    pub e: V,
    pub score: V,
    /// The score with a gap opened after it.
    pub opened: V,
    /// E of the next column and F of the next row.
    pub next: (V, V),
}

/// The levels themselves, by lane.
pub(super) type Levels = Aligned<i32>;

impl<V: Vector> Strip<V> {
    /// Strips in front of the first column, with their levels; `first` is the first row of each lane.
    #[inline(always)]
    pub fn start(rules: &Rules<V>, first: impl Fn(usize) -> usize) -> (Self, Levels) {
        let (open, extend) = rules.gaps;
        let drop = rules.range.drop;
        let mut levels = Aligned([-drop; MAX_LANES]);
        let local = rules.mode == Mode::Local;
        let (mut h, mut diagonal) = ([splat::<V>(drop); ROWS], splat::<V>(drop));
        if !local {
            // Under one long gap the last row is the lowest; a first strip has 0 above it.
            let mut above = Aligned([V::Element::default(); MAX_LANES]);
            for (lane, (above, level)) in above.0.iter_mut().zip(&mut levels.0).enumerate() {
                let first = first(lane) as i32;
                *level = -rules.gap(first + ROWS as i32) - drop;
                *above = V::Element::wrapped(-rules.gap(first) - *level);
            }
            diagonal = V::load(&above.0);
            for (row, h) in h.iter_mut().enumerate() {
                *h = splat::<V>(drop + (ROWS - 1 - row) as i32 * extend);
            }
        }
        let mut low = Aligned([V::Element::default(); MAX_LANES]);
        for (low, &level) in low.0.iter_mut().zip(&levels.0) {
            *low = V::Element::wrapped(level);
        }
        let open = splat::<V>(open);
        (Self { h, e: h.map(|h| h.sub(open)), diagonal, low: V::load(&low.0) }, levels)
    }

    /// Makes the levels follow the lowest H of each lane.
    #[inline(always)]
    pub fn follow(&mut self, levels: &mut Levels, drop: i32) {
        let mut lowest = self.h[0];
        for h in &self.h[1..] {
            lowest = lowest.min(*h);
        }
        let step = lowest.sub(splat::<V>(drop));
        for row in 0..ROWS {
            self.h[row] = self.h[row].sub(step);
            self.e[row] = self.e[row].sub(step);
        }
        self.diagonal = self.diagonal.sub(step);
        self.low = self.low.add(step);
        let mut lanes = Aligned([V::Element::default(); MAX_LANES]);
        lowest.store(&mut lanes.0);
        for (level, lowest) in levels.0[..V::LANES].iter_mut().zip(&lanes.0) {
            *level += lowest.wide() - drop;
        }
    }

    /// Takes over the state of `other` where the mask is set.
    #[inline(always)]
    pub fn hold(&mut self, mask: V::Mask, other: &Self) {
        for row in 0..ROWS {
            self.h[row] = V::select(mask, other.h[row], self.h[row]);
            self.e[row] = V::select(mask, other.e[row], self.e[row]);
        }
        self.diagonal = V::select(mask, other.diagonal, self.diagonal);
    }

    /// One column on. `above` and what is returned are H and F between strips, as true numbers' low
    /// bits.
    #[inline(always)]
    pub fn advance<S: Substitution<V>, W: Watch<V>>(
        &mut self,
        (substitution, letters): (&S, &S::Column),
        above: (V, V),
        rules: &Rules<V>,
        watch: &mut W,
    ) -> (V, V) {
        let mut diagonal = self.diagonal;
        let mut f = above.1.sub(self.low);
        self.diagonal = above.0.sub(self.low);
        for row in 0..ROWS {
            let paired = substitution.pair(diagonal, row, letters);
            let score = watch.floored(paired.max(self.e[row])).max(f);
            diagonal = self.h[row];
            self.h[row] = score;
            let opened = score.sub(rules.open);
            let e = self.e[row].sub(rules.extend).max(opened);
            f = f.sub(rules.extend).max(opened);
            watch.cell(row, &Cell { paired, e: self.e[row], score, opened, next: (e, f) });
            self.e[row] = e;
        }
        (self.h[ROWS - 1].add(self.low), f.add(self.low))
    }
}

/// `absolute` numbers as lanes see them, cut off at both ends.
#[inline(always)]
pub(super) fn relative<V: Vector>(absolute: &Aligned<i32>, levels: &Levels) -> V {
    let mut lanes = Aligned([V::Element::default(); MAX_LANES]);
    for lane in 0..V::LANES {
        let number = absolute.0[lane] - levels.0[lane];
        lanes.0[lane] = V::Element::wrapped(number.clamp(0, V::Element::MAX));
    }
    V::load(&lanes.0)
}
