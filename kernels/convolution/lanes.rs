//! What the CPU's algorithms are made of, for the widest SIMD there is: sums of products whose left
//! operand lies anywhere, and transposed blocks.
#![expect(unsafe_code, reason = "SIMD intrinsics and raw tile addresses")]

use std::sync::OnceLock;

use super::masked::{Sample, SampleFn};
use super::{masked, stencil, transform};
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

/// # Safety
/// The CPU has the instruction set, and what [`Tile`] spans is valid.
pub(super) type TileFn = unsafe fn(&Tile);
/// # Safety
/// The CPU has the instruction set, and what [`Block`] spans is valid.
pub(super) type TransposeFn = unsafe fn(&Block);
/// The functions of one instruction set.
pub(super) struct Set {
    /// f32 lanes of a register.
    pub lanes: usize,
    /// Rows of a tile whose sums fit the registers.
    pub rows: usize,
    /// `[rows − 1][vectors − 1]`.
    pub(super) tiles: [[TileFn; VECTORS]; ROWS],
    pub(super) transpose: TransposeFn,
    /// Values of a row 1 and 2 columns apart.
    pub(super) samples: [SampleFn; 2],
    /// Filters over a single channel.
    pub stencils: stencil::Set,
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

    /// Writes the values of `row` that are `stride` columns apart, from column `start` on: `count` of them,
    /// zeros where the row has none. What follows them in `to` may be overwritten too. (Most rows are too
    /// short for calls of memmove.)
    pub fn sample(&self, row: &[f32], start: i64, stride: usize, count: usize, to: &mut [f32]) {
        assert!(count <= to.len(), "a row is longer than its copy");
        let Some(sample) = self.samples.get(stride - 1) else {
            for (i, to) in to[..count].iter_mut().enumerate() {
                // A negative column wraps to one beyond any row.
                *to = row.get((start + (i * stride) as i64) as usize).copied().unwrap_or(0.0);
            }
            return;
        };
        let sampled = Sample {
            row: row.as_ptr(),
            width: row.len(),
            start: start as isize,
            spare: to.len() - count,
            to: to.as_mut_ptr(),
            count,
        };
        // SAFETY: both slices are as long as it says; the set was chosen for this CPU.
        unsafe { sample(&sampled) }
    }
}

/// A body for each number below `bound`: a loop this long the compiler leaves a loop, its sums in memory.
macro_rules! unrolled {
    ($($n:literal)*; $bound:expr; |$i:ident| $body:block) => {
        $({
            const $i: usize = $n;
            if $i < $bound $body
        })*
    };
}
pub(super) use unrolled;

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
            unrolled!(0 1 2 3 4 5 6 7 8 9 10 11; R; |ROW| {
                let value = L::splat(x[ROW / 3].add(ROW % 3 * t.x_stride));
                for (sum, filter) in sums[ROW].iter_mut().zip(filters) {
                    *sum = L::fma(value, filter, *sum);
                }
            });
            w = w.add(V * L::LANES);
        }
        unrolled!(0 1 2 3 4 5 6 7 8 9 10 11; R; |ROW| {
            for (v, sum) in sums[ROW].iter().enumerate() {
                L::store(t.y.add(ROW * t.y_stride + v * L::LANES), *sum);
            }
        });
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

/// Tiles of one instruction set: the generic loop, compiled with its features.
macro_rules! set {
    ($module:ident, $lanes:ty, $rows:expr, $transpose:expr $(, $feature:literal)?) => {
        pub(super) mod $module {
            use super::*;
            use crate::convolution::lanes;

            $(#[target_feature(enable = $feature)])?
            unsafe fn run<const R: usize, const V: usize>(t: &Tile) {
                // SAFETY: as the type of the table demands of its caller.
                unsafe { lanes::tile::<$lanes, R, V>(t) }
            }
            $(#[target_feature(enable = $feature)])?
            unsafe fn sample<const S: usize>(s: &Sample) {
                // SAFETY: as above.
                unsafe { masked::sample::<$lanes, S>(s) }
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
                samples: [sample::<1>, sample::<2>],
                stencils: stencil::$module::SET,
                transforms: transform::$module::SET,
            };
        }
    };
}

#[cfg(target_arch = "x86_64")]
pub(super) use set;

// Sixteen registers hold the sums of six rows, two vectors of filters and a value.
set!(portable, Portable, 6, transpose_portable);

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
    fn every_instruction_set_samples_rows() {
        let row: Vec<f32> = (1..40).map(|i| i as f32).collect();
        for set in available() {
            for stride in 1..4 {
                for (start, count) in
                    [(0, 39), (-1, 16), (-20, 33), (39, 5), (-50, 5), (3, 9), (30, 20)]
                {
                    let at = |i: usize| start + (i * stride) as i64;
                    let on = |i: usize| (0..39).contains(&at(i));
                    let value = |i: usize| if on(i) { row[at(i) as usize] } else { 0.0 };
                    let expected: Vec<f32> = (0..count).map(value).collect();
                    for spare in [0, 7, 40] {
                        let mut to = vec![-1.0; count + spare + 1];
                        set.sample(&row, start, stride, count, &mut to[..count + spare]);
                        assert_eq!(to[..count], expected, "{start}, {stride}, {count}, {spare}");
                        assert_eq!(to[count + spare], -1.0, "{start}, {stride}, {count}, {spare}");
                    }
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
