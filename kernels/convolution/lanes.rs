//! What the CPU's algorithms are made of, for the widest SIMD there is: sums of products whose left
//! operand lies anywhere, and transposed blocks.
#![expect(unsafe_code, reason = "SIMD intrinsics and raw tile addresses")]

use std::sync::OnceLock;

use super::transform;
use crate::matmul::simd::{Lanes, Portable};

/// Most rows of a tile: with [`VECTORS`] sums a row, the registers of AVX-512. (Of 14 rows, which would
/// fit, the compiler keeps some in memory.)
pub(super) const ROWS: usize = 12;
/// Vectors of filters across a tile.
pub(super) const VECTORS: usize = 2;
/// Most lanes of a register.
pub(super) const MOST_LANES: usize = 16;

/// A tile of sums: `y[row][filter] = Σ_k x[offsets[k] + row · x_stride] · w[k][filter]`.
#[derive(Clone, Copy)]
pub(super) struct Tile {
    /// Products of a sum.
    pub depth: usize,
    /// Value of the first row at offset 0.
    pub x: *const f32,
    /// Elements between rows of x.
    pub x_stride: usize,
    /// Where the k-th value of a row lies; `depth` of them.
    pub offsets: *const u32,
    /// Filters, `[k][vectors · lanes]`.
    pub w: *const f32,
    /// First sum; every row gets whole vectors.
    pub y: *mut f32,
    /// Elements between rows of y.
    pub y_stride: usize,
}

/// A block of a matrix to be transposed.
#[derive(Clone, Copy)]
pub(super) struct Block {
    /// First element.
    pub from: *const f32,
    /// Elements between its rows.
    pub from_stride: usize,
    /// Rows to read, at most `lanes`; further ones are zero.
    pub rows: usize,
    /// Columns to read and rows to write, at most `lanes`.
    pub columns: usize,
    /// Where the first column goes.
    pub to: *mut f32,
    /// Elements between written rows.
    pub to_stride: usize,
    /// Elements to write of each, at most `lanes`.
    pub width: usize,
}

/// A row to be copied: `columns` values, those from `before` on out of memory, `count` of them; zeros
/// around them.
#[derive(Clone, Copy)]
pub(super) struct Padded {
    pub from: *const f32,
    pub count: usize,
    pub before: usize,
    pub to: *mut f32,
    pub columns: usize,
    /// So many more places may be written, with anything: whole registers are faster, and can be
    /// read again at once.
    pub spare: usize,
}

/// A row of sums over one plane, some registers long:
/// `y[j] = Σ_tap w[tap] · x[offsets[tap] + j]`.
pub(super) struct Row<'a> {
    /// Value of the first position at offset 0.
    pub x: *const f32,
    /// Where the value under each tap lies.
    pub offsets: &'a [u32],
    /// A weight for each.
    pub w: &'a [f32],
    /// Registers; those of the last [`Row::TOGETHER`] are all computed.
    pub registers: usize,
    /// First sum.
    pub y: *mut f32,
}

/// Sums of some registers of channels at some neighbouring pixels.
pub(super) struct Pixels<'a> {
    /// Values of the first pixel under offset 0.
    pub x: *const f32,
    /// Weights of the first tap.
    pub w: *const f32,
    /// Of each tap the offset of its values, and that of its weights.
    pub taps: &'a [[usize; 2]],
    /// Registers of channels.
    pub registers: usize,
    /// Elements between the values of neighbours.
    pub x_stride: usize,
    /// Sums of the first pixel.
    pub y: *mut f32,
    /// Elements between those of neighbours.
    pub y_stride: usize,
}

impl Row<'_> {
    /// Registers whose sums are computed together.
    pub const TOGETHER: usize = 4;
}

impl Pixels<'_> {
    /// Most pixels at once.
    pub const MOST: usize = 8;
}

/// # Safety
/// The CPU has the instruction set, and what [`Tile`] spans is valid.
pub(super) type TileFn = unsafe fn(&Tile);
/// # Safety
/// The CPU has the instruction set, and what [`Block`] spans is valid.
pub(super) type TransposeFn = unsafe fn(&Block);
/// # Safety
/// The CPU has the instruction set, and what [`Padded`] spans is valid.
pub(super) type PadFn = unsafe fn(&Padded);
/// # Safety
/// The CPU has the instruction set, and what [`Row`] spans is valid.
pub(super) type RowFn = unsafe fn(&Row<'_>);
/// # Safety
/// The CPU has the instruction set, and what [`Pixels`] spans is valid.
pub(super) type PixelsFn = unsafe fn(&Pixels<'_>);

/// The functions of one instruction set.
pub(super) struct Set {
    /// f32 lanes of a register.
    pub lanes: usize,
    /// Rows of a tile whose sums fit the registers.
    pub rows: usize,
    /// `[rows − 1][vectors − 1]`.
    pub(super) tiles: [[TileFn; VECTORS]; ROWS],
    pub(super) transpose: TransposeFn,
    pub(super) pad: PadFn,
    pub(super) row: RowFn,
    /// `[pixels − 1]`.
    pub(super) pixels: [PixelsFn; Pixels::MOST],
    /// Transforms of Winograd's algorithm.
    pub transforms: transform::Set,
}

impl Set {
    /// The best for this CPU.
    pub fn get() -> &'static Self {
        static SET: OnceLock<Set> = OnceLock::new();
        SET.get_or_init(|| available().swap_remove(0))
    }

    /// Computes `rows` (at most [`Set::rows`]) rows by `vectors` (1 or 2) vectors of filters.
    ///
    /// # Safety
    /// All that [`Tile`] spans is valid, and no other thread touches its sums meanwhile.
    pub unsafe fn tile(&self, rows: usize, vectors: usize, tile: &Tile) {
        debug_assert!((1..=self.rows).contains(&rows));
        // SAFETY: the set was chosen for this CPU; the caller vouches for the addresses.
        unsafe { self.tiles[rows - 1][vectors - 1](tile) }
    }

    /// Writes the columns of `block` as rows.
    ///
    /// # Safety
    /// All that [`Block`] spans is valid, and no other thread touches what is written meanwhile.
    pub unsafe fn transpose(&self, block: &Block) {
        debug_assert!(block.rows.max(block.columns).max(block.width) <= self.lanes);
        // SAFETY: as above.
        unsafe { (self.transpose)(block) }
    }

    /// Writes `columns` values: `from` behind `before` zeros, and zeros to the end. What follows them in
    /// `to` may be overwritten too. (Most rows are too short for calls of memmove.)
    pub fn copy_row(&self, from: &[f32], before: usize, columns: usize, to: &mut [f32]) {
        let count = from.len();
        assert!(before + count <= columns && columns <= to.len(), "a row is longer than its copy");
        let spare = to.len() - columns;
        let row =
            Padded { from: from.as_ptr(), count, before, to: to.as_mut_ptr(), columns, spare };
        // SAFETY: both slices are as long as the row says; the set was chosen for this CPU.
        unsafe { (self.pad)(&row) }
    }

    /// Computes a row.
    ///
    /// # Safety
    /// The next multiple of [`Row::TOGETHER`] registers is valid at each tap and at `y`, which no other
    /// thread touches meanwhile.
    pub unsafe fn row(&self, row: &Row<'_>) {
        debug_assert_eq!(row.offsets.len(), row.w.len());
        // SAFETY: as above.
        unsafe { (self.row)(row) }
    }

    /// Computes `count` (at most [`Pixels::MOST`]) pixels.
    ///
    /// # Safety
    /// As many registers are valid at each tap of each pixel, at its weights and at its sums, which no
    /// other thread touches meanwhile.
    pub unsafe fn pixels(&self, count: usize, pixels: &Pixels<'_>) {
        // SAFETY: as above.
        unsafe { self.pixels[count - 1](pixels) }
    }
}

/// A body for each row below `R`: a loop this long the compiler leaves a loop, its sums in memory.
macro_rules! unrolled {
    ($($n:literal)*; |$row:ident| $body:block) => {
        $({
            const $row: usize = $n;
            if $row < R $body
        })*
    };
}

/// # Safety
/// As [`Set::tile`]; the CPU has the instructions of `L`.
#[inline(always)]
pub(super) unsafe fn tile<L: Lanes, const R: usize, const V: usize>(t: &Tile) {
    // SAFETY: the caller vouches for the addresses that `t` spans.
    unsafe {
        let mut sums = [[L::zero(); V]; R];
        let mut w = t.w;
        for k in 0..t.depth {
            let x = t.x.add(*t.offsets.add(k) as usize);
            let mut filters = [L::zero(); V];
            for (v, filter) in filters.iter_mut().enumerate() {
                *filter = L::load(w.add(v * L::LANES));
            }
            // Three rows to an address: those of all rows would leave no register for anything else.
            let at = |row: usize| x.wrapping_add(row * t.x_stride);
            let x = [at(0), at(3), at(6), at(9)];
            unrolled!(0 1 2 3 4 5 6 7 8 9 10 11; |ROW| {
                let value = L::splat(x[ROW / 3].add(ROW % 3 * t.x_stride));
                for (sum, filter) in sums[ROW].iter_mut().zip(filters) {
                    *sum = L::fma(value, filter, *sum);
                }
            });
            w = w.add(V * L::LANES);
        }
        unrolled!(0 1 2 3 4 5 6 7 8 9 10 11; |ROW| {
            for (v, sum) in sums[ROW].iter().enumerate() {
                L::store(t.y.add(ROW * t.y_stride + v * L::LANES), *sum);
            }
        });
    }
}

/// # Safety
/// As [`Set::row`]; the CPU has the instructions of `L`.
#[inline(always)]
pub(super) unsafe fn row<L: Lanes, const N: usize>(r: &Row<'_>) {
    // SAFETY: as the caller says.
    unsafe {
        for first in (0..r.registers).step_by(N) {
            let at = first * L::LANES;
            let mut sums = [L::zero(); N];
            for (offset, w) in r.offsets.iter().zip(r.w) {
                let (x, w) = (r.x.add(*offset as usize + at), L::splat(w));
                for (i, sum) in sums.iter_mut().enumerate() {
                    *sum = L::fma(w, L::load(x.add(i * L::LANES)), *sum);
                }
            }
            for (i, sum) in sums.into_iter().enumerate() {
                L::store(r.y.add(at + i * L::LANES), sum);
            }
        }
    }
}

/// # Safety
/// As [`Set::pixels`]; the CPU has the instructions of `L`.
#[inline(always)]
pub(super) unsafe fn pixels<L: Lanes, const N: usize>(p: &Pixels<'_>) {
    // SAFETY: as the caller says.
    unsafe {
        for channel in (0..p.registers * L::LANES).step_by(L::LANES) {
            let mut sums = [L::zero(); N];
            for [x, w] in p.taps {
                let w = L::load(p.w.add(w + channel));
                for (i, sum) in sums.iter_mut().enumerate() {
                    *sum = L::fma(w, L::load(p.x.add(x + channel + i * p.x_stride)), *sum);
                }
            }
            for (i, sum) in sums.into_iter().enumerate() {
                L::store(p.y.add(channel + i * p.y_stride), sum);
            }
        }
    }
}

/// Element by element, for sets without shuffles of their own.
///
/// # Safety
/// As [`Set::transpose`].
unsafe fn transpose_portable(b: &Block) {
    for column in 0..b.columns {
        for row in 0..b.width {
            // SAFETY: the caller vouches for the addresses that `b` spans.
            unsafe {
                let value =
                    if row < b.rows { *b.from.add(row * b.from_stride + column) } else { 0.0 };
                *b.to.add(column * b.to_stride + row) = value;
            }
        }
    }
}

/// Likewise.
///
/// # Safety
/// What [`Padded`] spans is valid.
pub(super) unsafe fn pad_portable(p: &Padded) {
    for column in 0..p.columns {
        let at = column.wrapping_sub(p.before);
        // SAFETY: the caller vouches for `count` values and `columns` places.
        unsafe { *p.to.add(column) = if at < p.count { *p.from.add(at) } else { 0.0 } }
    }
}

/// Tiles of one instruction set: the generic loop, compiled with its features.
macro_rules! set {
    ($module:ident, $lanes:ty, $rows:expr, $transpose:expr, $pad:expr $(, $feature:literal)?) => {
        pub(super) mod $module {
            use super::*;
            use crate::convolution::lanes;

            $(#[target_feature(enable = $feature)])?
            unsafe fn run<const R: usize, const V: usize>(t: &Tile) {
                // SAFETY: as the type of the table demands of its caller.
                unsafe { lanes::tile::<$lanes, R, V>(t) }
            }
            $(#[target_feature(enable = $feature)])?
            unsafe fn row<const N: usize>(r: &Row<'_>) {
                // SAFETY: as above.
                unsafe { lanes::row::<$lanes, N>(r) }
            }
            $(#[target_feature(enable = $feature)])?
            unsafe fn pixels<const N: usize>(p: &Pixels<'_>) {
                // SAFETY: as above.
                unsafe { lanes::pixels::<$lanes, N>(p) }
            }
            const fn rows<const R: usize>() -> [TileFn; VECTORS] {
                [run::<R, 1>, run::<R, 2>]
            }
            #[rustfmt::skip]
            pub const SET: Set = Set {
                lanes: <$lanes as crate::matmul::simd::Lanes>::LANES,
                rows: $rows,
                tiles: [
                    rows::<1>(), rows::<2>(), rows::<3>(), rows::<4>(), rows::<5>(), rows::<6>(), rows::<7>(),
                    rows::<8>(), rows::<9>(), rows::<10>(), rows::<11>(), rows::<12>(),
                ],
                transpose: $transpose,
                pad: $pad,
                row: row::<{ Row::TOGETHER }>,
                pixels: [
                    pixels::<1>, pixels::<2>, pixels::<3>, pixels::<4>,
                    pixels::<5>, pixels::<6>, pixels::<7>, pixels::<8>,
                ],
                transforms: transform::$module::SET,
            };
        }
    };
}

#[cfg(target_arch = "x86_64")]
pub(super) use set;

// Sixteen registers hold the sums of six rows, two vectors of filters and a value.
set!(portable, Portable, 6, transpose_portable, pad_portable);

/// The sets that this CPU has, the best first.
pub(super) fn available() -> Vec<Set> {
    let mut all = Vec::new();
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") {
            all.push(super::lanes_x86::avx512::SET);
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            all.push(super::lanes_x86::avx2::SET);
        }
    }
    all.push(portable::SET);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_instruction_set_sums_what_lies_at_the_offsets() {
        // Small whole numbers, so that every order of summation is exact.
        let x: Vec<f32> = (0..400).map(|i| (i % 7) as f32 - 3.0).collect();
        let offsets = [3, 0, 17, 40, 9];
        for set in available() {
            for rows in 1..=set.rows {
                for vectors in 1..=VECTORS {
                    let width = vectors * set.lanes;
                    let w: Vec<f32> = (0..5 * width).map(|i| (i % 5) as f32 - 2.0).collect();
                    let mut y = vec![f32::NAN; rows * (width + 3)];
                    let tile = Tile {
                        depth: 5,
                        x: x.as_ptr(),
                        x_stride: 11,
                        offsets: offsets.as_ptr(),
                        w: w.as_ptr(),
                        y: y.as_mut_ptr(),
                        y_stride: width + 3,
                    };
                    // SAFETY: the vectors above have the sizes that the tile spans.
                    unsafe { set.tile(rows, vectors, &tile) };
                    for (i, y) in y.iter().enumerate() {
                        let (r, j) = (i / (width + 3), i % (width + 3));
                        let of = |k: usize| x[offsets[k] as usize + r * 11] * w[k * width + j];
                        if j < width {
                            assert_eq!(*y, (0..5).map(of).sum::<f32>(), "{rows}x{width}: {r}, {j}");
                        } else {
                            assert!(y.is_nan(), "{rows}x{width}: written beyond a row");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn every_instruction_set_pads_rows() {
        let from: Vec<f32> = (1..40).map(|i| i as f32).collect();
        for set in available() {
            for (before, count, columns) in
                [(0, 39, 39), (1, 14, 16), (20, 3, 33), (0, 0, 5), (5, 0, 5)]
            {
                let mut expected = vec![0.0; before];
                expected.extend(&from[..count]);
                expected.resize(columns, 0.0);
                for spare in [0, 7, 40] {
                    let mut to = vec![-1.0; columns + spare];
                    set.copy_row(&from[..count], before, columns, &mut to);
                    assert_eq!(to[..columns], expected, "{before}, {count}, {columns}, {spare}");
                }
            }
        }
    }

    #[test]
    fn every_instruction_set_transposes_parts_of_blocks() {
        let from: Vec<f32> = (0..16 * 20).map(|i| i as f32).collect();
        for set in available() {
            let full = set.lanes;
            for (rows, columns, width) in
                [(full, full, full), (3, full, full), (full, 2, full), (3, full - 1, 3), (1, 1, 2)]
            {
                let mut to = vec![-1.0; 16 * 18];
                let block = Block {
                    from: from.as_ptr(),
                    from_stride: 20,
                    rows,
                    columns,
                    to: to.as_mut_ptr(),
                    to_stride: 18,
                    width,
                };
                // SAFETY: the vectors above have the sizes that the block spans.
                unsafe { set.transpose(&block) };
                for (i, to) in to.iter().enumerate() {
                    let (column, row) = (i / 18, i % 18);
                    let expected = match () {
                        () if column >= columns || row >= width => -1.0,
                        () if row >= rows => 0.0,
                        () => (row * 20 + column) as f32,
                    };
                    assert_eq!(*to, expected, "{rows}x{columns}, {width}: {column}, {row}");
                }
            }
        }
    }
}
