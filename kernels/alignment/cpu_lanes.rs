//! Registers of lanes, as the recurrences see them, and batches laid out for them.
//!
//! Everything here is `inline(always)`, so that it is compiled for the instruction set of the
//! function it ends up in.

use super::scoring::CODES;

/// Query residues of a strip: its state stays in registers while it moves along the target.
pub(super) const ROWS: usize = 8;

/// Lanes of the widest register.
pub(super) const MAX_LANES: usize = 64;

/// The number in one lane, unsigned. Scores are relative to a level by lane, see `cpu_range.rs`.
pub(super) trait Element: Copy + Default + PartialEq + 'static {
    const MAX: i32;
    /// The low bits.
    fn wrapped(value: i32) -> Self;
    fn wide(self) -> i32;
    fn from_byte(byte: u8) -> Self;
    /// Signed bytes as elements.
    fn spread(bytes: [u8; ROWS]) -> [Self; ROWS];
}

/// Memory for the lanes of one vector of any width, or for a strip's scores of all lanes.
///
/// Its alignment makes the compiler align the stack frame: registers that it saves there would
/// otherwise straddle cache lines, which halves the speed.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub(super) struct Aligned<T>(pub [T; MAX_LANES]);

/// A register of unsigned lanes. Sums and differences wrap.
pub(super) trait Vector: Copy {
    type Element: Element;
    type Mask: Copy;
    /// Numbers by code, see [`Vector::lookup`].
    type Table: Copy;
    const LANES: usize;
    /// The order in which [`Vector::transpose`] takes the lanes.
    const ORDER: [u8; MAX_LANES] = in_order();

    fn splat(value: Self::Element) -> Self;
    /// Loads the first `LANES` elements (panics if there are fewer).
    fn load(from: &[Self::Element]) -> Self;
    /// Stores to the first `LANES` elements (panics if there are fewer).
    fn store(self, to: &mut [Self::Element]);
    fn add(self, other: Self) -> Self;
    fn sub(self, other: Self) -> Self;
    fn max(self, other: Self) -> Self;
    fn min(self, other: Self) -> Self;
    fn equals(self, other: Self) -> Self::Mask;
    fn exceeds(self, other: Self) -> Self::Mask;
    /// `yes` where the mask is set, else `no`.
    fn select(mask: Self::Mask, yes: Self, no: Self) -> Self;
    /// Whether the mask is set in any lane.
    fn any(mask: Self::Mask) -> bool;
    /// Each lane takes what the next one had, the last one `next`.
    fn shift_in(self, next: Self::Element) -> Self;
    fn table(numbers: &[Self::Element; CODES]) -> Self::Table;
    /// For each lane's code its number in the table.
    fn lookup(table: &Self::Table, codes: Self) -> Self;
    /// Whether [`Vector::lookup_wide`] is fast.
    const WIDE: bool = false;
    /// For each lane the number at `index`, less than 128, of two registers of 64 each. Only where
    /// [`Vector::WIDE`] says so.
    #[inline(always)]
    fn lookup_wide(_table: (Self, Self), index: Self) -> Self {
        index
    }
    /// From `ROWS` numbers for each lane to a vector for each row.
    #[inline(always)]
    fn transpose(lanes: &Aligned<[Self::Element; ROWS]>) -> [Self; ROWS] {
        let mut rows = [[Self::Element::default(); MAX_LANES]; ROWS];
        for (lane, numbers) in lanes.0[..Self::LANES].iter().enumerate() {
            for (row, &number) in rows.iter_mut().zip(numbers) {
                row[lane] = number;
            }
        }
        let mut vectors = [Self::splat(Self::Element::default()); ROWS];
        for (vector, row) in vectors.iter_mut().zip(&rows) {
            *vector = Self::load(row);
        }
        vectors
    }
}

/// The order that needs no thought.
const fn in_order() -> [u8; MAX_LANES] {
    let mut order = [0; MAX_LANES];
    let mut lane = 0;
    while lane < MAX_LANES {
        order[lane] = lane as u8;
        lane += 1;
    }
    order
}

/// A small number in every lane, or the low bits of a large one.
#[inline(always)]
pub(super) fn splat<V: Vector>(value: i32) -> V {
    V::splat(V::Element::wrapped(value))
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
