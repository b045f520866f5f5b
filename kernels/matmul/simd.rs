//! Register tiles: the innermost loops of matrix products, for the widest SIMD there is.
//!
//! Packed operands are 4-byte words: an f32, or two bf16 along k (`vdpbf16ps`).
#![expect(unsafe_code, reason = "SIMD intrinsics and raw tile addresses")]

use std::sync::OnceLock;

use half::bf16;

use crate::cache::LINE_WORDS;

/// One tile of C += A·B with A row-major as it lies in memory and B `[k][ldb]`, packed or as it lies.
#[derive(Clone, Copy)]
pub(crate) struct Tile {
    /// Words along k.
    pub depth: usize,
    /// First word of the first row of A.
    pub a: *const f32,
    /// Words between rows of A.
    pub lda: usize,
    /// First word of B.
    pub b: *const f32,
    /// Words between its rows.
    pub ldb: usize,
    /// Where the rows of B are copied to while they are multiplied, if not null: whole vectors.
    pub copy: *mut f32,
    /// Words between the copies.
    pub ldcopy: usize,
    /// What is wanted next.
    pub soon: Soon,
    /// Top left element of the tile in C.
    pub c: *mut f32,
    /// Elements between rows of C.
    pub ldc: usize,
    /// Columns to store, at most `nr`; whatever the B panel has beyond them is not stored.
    pub columns: usize,
    /// Whether C is overwritten (first block of k) or added to.
    pub overwrite: bool,
}

/// Rows of memory that a tile has brought to the second cache level by the way, a line every few steps: in one go
/// they would be more than a core can wait for at a time.
#[derive(Clone, Copy)]
pub(crate) struct Soon {
    /// First byte; any address will do.
    pub first: *const u8,
    /// Bytes between rows.
    pub pitch: usize,
    /// Lines of each row.
    pub lines: usize,
    /// Rows; 0 fetches nothing.
    pub rows: usize,
}

impl Default for Soon {
    fn default() -> Self {
        Self { first: std::ptr::null(), pitch: 0, lines: 0, rows: 0 }
    }
}

/// Bytes of a cache line.
const LINE_BYTES: usize = LINE_WORDS * size_of::<f32>();

/// Most rows of a tile, and rows of a streaming step.
pub(crate) const MR: usize = 8;
/// Most vectors across a B panel.
pub(super) const NV: usize = 3;
/// Rows of B that a streaming step takes together.
pub(crate) const STREAM_ROWS: usize = 4;

/// # Safety
/// The CPU has the instruction set, and all addresses of the tile are valid: `depth` words of
/// each row of A, `depth` rows of whole vectors of B (and of its copy), `rows × columns` elements of C.
pub(super) type TileFn = unsafe fn(&Tile);
/// # Safety
/// As [`Stream`] says.
pub(super) type StreamFn = unsafe fn(&Stream);

/// One step of a product with few rows: `acc[row][..width] += Σ_r a[row][r] · b_r[..width]`.
#[derive(Clone, Copy)]
pub(crate) struct Stream {
    /// Coefficients, row-major with stride `lda`; `STREAM_ROWS` of each row are used.
    pub a: *const f32,
    /// Elements between rows of `a`.
    pub lda: usize,
    /// First element of the first row of B (f32 or bf16 as the function says).
    pub b: *const u8,
    /// Elements between rows of B.
    pub ldb: usize,
    /// Accumulators.
    pub acc: *mut f32,
    /// Elements between rows of `acc`.
    pub ldacc: usize,
    /// Columns, a multiple of [`Kernels::lanes`].
    pub width: usize,
    /// So many rows of B further on, the same columns are fetched from memory; 0 fetches nothing.
    pub ahead: usize,
}

/// The functions of one instruction set.
pub(crate) struct Kernels {
    /// Columns of a B panel.
    pub nr: usize,
    /// f32 lanes of a register.
    pub lanes: usize,
    /// Rows whose sums fit the registers, `nr` wide; at most [`MR`].
    pub rows: usize,
    /// `[rows − 1][vectors of columns − 1]`, f32.
    pub(super) tiles: [[TileFn; NV]; MR],
    /// The same, which fetch what is wanted next besides.
    pub(super) fetching_tiles: [[TileFn; NV]; MR],
    /// The same, which copy B as well.
    pub(super) copying_tiles: [[TileFn; NV]; MR],
    /// The same for pairs of bf16, where the CPU has the instruction.
    pub(super) pair_tiles: Option<[[TileFn; NV]; MR]>,
    /// `[rows − 1]`, B in f32.
    pub(super) streams: [StreamFn; MR],
    /// `[rows − 1]`, B in bf16.
    pub(super) streams_bf16: [StreamFn; MR],
}

impl Kernels {
    /// Columns of each of the panels that `n` columns are cut into: of like width, because a narrow last one would
    /// starve the registers; a multiple of [`Kernels::lanes`].
    pub fn panel_width(&self, n: usize) -> usize {
        n.div_ceil(self.lanes).div_ceil(n.div_ceil(self.nr)) * self.lanes
    }

    /// The best for this CPU.
    pub fn get() -> &'static Self {
        static KERNELS: OnceLock<Kernels> = OnceLock::new();
        KERNELS.get_or_init(|| available().swap_remove(0))
    }

    /// Whether two bf16 can be multiplied and summed by one instruction.
    pub fn has_bf16_pairs(&self) -> bool {
        self.pair_tiles.is_some()
    }

    /// Computes `rows` (1 to [`Kernels::rows`]) rows of a tile.
    ///
    /// # Safety
    /// All addresses are valid: `depth` words of `rows` rows of A, `depth` rows of whole vectors of B and of
    /// its copy, and in C `columns` elements of `rows` rows; no other thread touches the copy or these
    /// elements meanwhile. `pairs` needs [`Kernels::has_bf16_pairs`] and neither copies nor fetches.
    pub unsafe fn tile(&self, rows: usize, pairs: bool, tile: &Tile) {
        let table = match &self.pair_tiles {
            Some(table) if pairs => table,
            _ if !tile.copy.is_null() => &self.copying_tiles,
            _ if tile.soon.rows > 0 => &self.fetching_tiles,
            _ => &self.tiles,
        };
        // SAFETY: the table was chosen for this CPU; the caller vouches for the addresses.
        unsafe { table[rows - 1][tile.columns.div_ceil(self.lanes) - 1](tile) }
    }

    /// One streaming step over `rows` (1 to [`MR`]) rows.
    ///
    /// # Safety
    /// All addresses are valid: [`STREAM_ROWS`] coefficients of each row, as many rows of B with
    /// `width` elements, and as many accumulators of each row; `width` is a multiple of `lanes`.
    pub unsafe fn stream(&self, rows: usize, bf16: bool, step: &Stream) {
        let table = if bf16 { &self.streams_bf16 } else { &self.streams };
        // SAFETY: the table was chosen for this CPU; the caller vouches for the addresses.
        unsafe { table[rows - 1](step) }
    }
}

/// A vector register of f32 (or packed pairs of bf16) and what the tiles need of it.
pub(crate) trait Lanes {
    /// f32 lanes.
    const LANES: usize;
    /// The register.
    type V: Copy;
    /// All zero.
    unsafe fn zero() -> Self::V;
    /// Loads, unaligned.
    unsafe fn load(p: *const f32) -> Self::V;
    /// Loads bf16 and widens them.
    unsafe fn load_bf16(p: *const bf16) -> Self::V;
    /// One word in all lanes.
    unsafe fn splat(p: *const f32) -> Self::V;
    /// `a·b + c`.
    unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// Lane-wise sum of f32.
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V;
    /// Stores, unaligned.
    unsafe fn store(p: *mut f32, v: Self::V);
}

/// Has the `bytes` from `p` on brought into the second cache level; any address will do.
#[inline(always)]
pub(crate) fn fetch(p: *const u8, bytes: usize) {
    let before = p.addr() % LINE_BYTES;
    for at in (0..before + bytes).step_by(LINE_BYTES) {
        prefetch::<2>(p.wrapping_sub(before).wrapping_add(at));
    }
}

/// Has the line at `p` brought into cache level `LEVEL` (1 or 2); any address will do.
#[inline(always)]
fn prefetch<const LEVEL: i32>(p: *const u8) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _MM_HINT_T1, _mm_prefetch};
        // SAFETY: a hint that never faults; every x86-64 has it.
        unsafe {
            match LEVEL {
                1 => _mm_prefetch::<_MM_HINT_T0>(p.cast()),
                _ => _mm_prefetch::<_MM_HINT_T1>(p.cast()),
            }
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = p;
}

/// # Safety
/// As [`Kernels::tile`]; the CPU has the instructions of `L`.
#[inline(always)]
pub(super) unsafe fn tile<
    L: Lanes,
    const R: usize,
    const VECTORS: usize,
    const COPY: bool,
    const SOON: bool,
>(
    t: &Tile,
) {
    // SAFETY: the caller vouches for the addresses that `t` spans.
    unsafe {
        let mut acc = [[L::zero(); VECTORS]; R];
        // They are wanted last of all.
        for r in 0..R {
            prefetch::<1>(t.c.wrapping_add(r * t.ldc).cast());
            prefetch::<1>(t.c.wrapping_add(r * t.ldc + VECTORS * L::LANES - 1).cast());
        }
        let (mut a, mut b, mut copy) = (t.a, t.b, t.copy);
        let mut step = |a: *const f32, offset: usize| {
            let mut bv = [L::zero(); VECTORS];
            for (j, bv) in bv.iter_mut().enumerate() {
                *bv = L::load(b.add(j * L::LANES));
                if COPY {
                    L::store(copy.add(j * L::LANES), *bv);
                }
            }
            for (r, acc) in acc.iter_mut().enumerate() {
                let av = L::splat(a.add(r * t.lda + offset));
                for (acc, bv) in acc.iter_mut().zip(bv) {
                    *acc = L::fma(av, bv, *acc);
                }
            }
            // The last row may be the last of all.
            b = b.wrapping_add(t.ldb);
            if COPY {
                copy = copy.wrapping_add(t.ldcopy);
            }
        };
        // A copying tile waits for memory, and gains nothing.
        let unrolled = if COPY { 1 } else { 4 };
        let mut groups = t.depth / unrolled;
        if SOON && t.soon.rows > 0 {
            // So many steps, then so many lines: one of the two is 1.
            let lines = t.soon.rows * t.soon.lines;
            let (apart, at_once) = ((groups / lines).max(1), lines.div_ceil(groups.max(1)));
            let parts = (lines / at_once).min(groups / apart);
            groups -= parts * apart;
            let (mut row, mut line) = (t.soon.first, 0);
            for _ in 0..parts {
                for _ in 0..apart {
                    for offset in 0..unrolled {
                        step(a, offset);
                    }
                    a = a.add(unrolled);
                }
                for _ in 0..at_once {
                    prefetch::<2>(row.wrapping_add(line));
                    line += LINE_BYTES;
                    if line == t.soon.lines * LINE_BYTES {
                        (row, line) = (row.wrapping_add(t.soon.pitch), 0);
                    }
                }
            }
        }
        for _ in 0..groups {
            for offset in 0..unrolled {
                step(a, offset);
            }
            a = a.add(unrolled);
        }
        for offset in 0..t.depth % unrolled {
            step(a, offset);
        }
        for (r, acc) in acc.iter().enumerate() {
            let row = t.c.add(r * t.ldc);
            for (j, v) in acc.iter().enumerate() {
                store_some::<L>(row.add(j * L::LANES), *v, t.columns - j * L::LANES, t.overwrite);
            }
        }
    }
}

/// Writes or adds the first `count` lanes of `v`.
///
/// # Safety
/// `count` (or `LANES`, if fewer) elements at `p` are valid.
#[inline(always)]
unsafe fn store_some<L: Lanes>(p: *mut f32, v: L::V, count: usize, overwrite: bool) {
    // SAFETY: as the caller says; a partial vector goes through memory of its own.
    unsafe {
        if count >= L::LANES {
            L::store(p, if overwrite { v } else { L::add(L::load(p), v) });
        } else {
            let mut lanes = [0f32; 16];
            L::store(lanes.as_mut_ptr(), v);
            for (i, lane) in lanes[..count].iter().enumerate() {
                *p.add(i) = if overwrite { *lane } else { *p.add(i) + lane };
            }
        }
    }
}

/// # Safety
/// As [`Kernels::stream`]; the CPU has the instructions of `L`.
#[inline(always)]
pub(super) unsafe fn stream<L: Lanes, const R: usize, const BF16: bool>(s: &Stream) {
    let (two, mut j) = (2 * L::LANES, 0);
    // SAFETY: the caller vouches for `width` columns.
    unsafe {
        while j + two <= s.width {
            stream_columns::<L, R, 2, BF16>(s, j);
            j += two;
        }
        if j < s.width {
            stream_columns::<L, R, 1, BF16>(s, j);
        }
    }
}

/// `VECTORS` registers of columns from `j` on, so that a coefficient that is brought meets as many: there are
/// more coefficients than registers.
///
/// # Safety
/// As [`Kernels::stream`], for these columns.
#[inline(always)]
unsafe fn stream_columns<L, const R: usize, const VECTORS: usize, const BF16: bool>(
    s: &Stream,
    j: usize,
) where
    L: Lanes,
{
    // SAFETY: the caller vouches for the addresses that `s` spans.
    unsafe {
        let size = if BF16 { 2 } else { 4 };
        let mut b = [[L::zero(); VECTORS]; STREAM_ROWS];
        for (q, b) in b.iter_mut().enumerate() {
            for (v, b) in b.iter_mut().enumerate() {
                let p = s.b.add((q * s.ldb + j + v * L::LANES) * size);
                *b = if BF16 { L::load_bf16(p.cast()) } else { L::load(p.cast()) };
            }
            if s.ahead > 0 {
                let p = s.b.wrapping_add(((q + s.ahead) * s.ldb + j) * size);
                fetch(p, VECTORS * L::LANES * size);
            }
        }
        for r in 0..R {
            let p = s.acc.add(r * s.ldacc + j);
            let mut acc = [L::zero(); VECTORS];
            for (v, acc) in acc.iter_mut().enumerate() {
                *acc = L::load(p.add(v * L::LANES));
            }
            for (q, b) in b.iter().enumerate() {
                let a = L::splat(s.a.add(r * s.lda + q));
                for (acc, b) in acc.iter_mut().zip(b) {
                    *acc = L::fma(a, *b, *acc);
                }
            }
            for (v, acc) in acc.iter().enumerate() {
                L::store(p.add(v * L::LANES), *acc);
            }
        }
    }
}

/// Tiles of one instruction set: the generic loop, compiled with its features.
macro_rules! tiles {
    ($module:ident, $lanes:ty $(, $feature:literal)?) => {
        mod $module {
            use super::*;

            $(#[target_feature(enable = $feature)])?
            unsafe fn run<const R: usize, const V: usize, const COPY: bool, const SOON: bool>(
                t: &Tile,
            ) {
                // SAFETY: as the type of the table demands of its caller.
                unsafe { tile::<$lanes, R, V, COPY, SOON>(t) }
            }
            const fn row<const R: usize, const COPY: bool, const SOON: bool>() -> [TileFn; NV] {
                [run::<R, 1, COPY, SOON>, run::<R, 2, COPY, SOON>, run::<R, 3, COPY, SOON>]
            }
            #[rustfmt::skip]
            pub const fn table<const COPY: bool, const SOON: bool>() -> [[TileFn; NV]; MR] {
                [
                    row::<1, COPY, SOON>(), row::<2, COPY, SOON>(), row::<3, COPY, SOON>(),
                    row::<4, COPY, SOON>(), row::<5, COPY, SOON>(), row::<6, COPY, SOON>(),
                    row::<7, COPY, SOON>(), row::<8, COPY, SOON>(),
                ]
            }
        }
    };
}

/// Streaming steps of one instruction set, likewise.
macro_rules! streams {
    ($module:ident, $lanes:ty $(, $feature:literal)?) => {
        mod $module {
            use super::*;

            $(#[target_feature(enable = $feature)])?
            unsafe fn step<const R: usize, const BF16: bool>(s: &Stream) {
                // SAFETY: as the type of the table demands of its caller.
                unsafe { stream::<$lanes, R, BF16>(s) }
            }
            #[rustfmt::skip]
            pub const fn table<const BF16: bool>() -> [StreamFn; MR] {
                [
                    step::<1, BF16>, step::<2, BF16>, step::<3, BF16>, step::<4, BF16>,
                    step::<5, BF16>, step::<6, BF16>, step::<7, BF16>, step::<8, BF16>,
                ]
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
pub(super) use {streams, tiles};

/// Four lanes that any compiler target has (NEON registers on aarch64).
pub(crate) struct Portable;

impl Lanes for Portable {
    const LANES: usize = 4;
    type V = [f32; 4];
    #[inline(always)]
    unsafe fn zero() -> Self::V {
        [0.0; 4]
    }
    #[inline(always)]
    unsafe fn load(p: *const f32) -> Self::V {
        // SAFETY: the caller vouches for four elements.
        unsafe { p.cast::<[f32; 4]>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn load_bf16(p: *const bf16) -> Self::V {
        // SAFETY: the caller vouches for four elements.
        unsafe { p.cast::<[bf16; 4]>().read_unaligned() }.map(bf16::to_f32)
    }
    #[inline(always)]
    unsafe fn splat(p: *const f32) -> Self::V {
        // SAFETY: the caller vouches for the element.
        [unsafe { p.read_unaligned() }; 4]
    }
    #[inline(always)]
    unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        // Where the target has no such instruction, `mul_add` would be a library call.
        let fused = cfg!(target_arch = "aarch64");
        std::array::from_fn(|i| if fused { a[i].mul_add(b[i], c[i]) } else { a[i] * b[i] + c[i] })
    }
    #[inline(always)]
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V {
        std::array::from_fn(|i| a[i] + b[i])
    }
    #[inline(always)]
    unsafe fn store(p: *mut f32, v: Self::V) {
        // SAFETY: the caller vouches for four elements.
        unsafe { p.cast::<[f32; 4]>().write_unaligned(v) }
    }
}

tiles!(portable, Portable);
streams!(portable_streams, Portable);

/// What every CPU can run.
const PORTABLE: Kernels = Kernels {
    nr: NV * Portable::LANES,
    lanes: Portable::LANES,
    rows: MR,
    tiles: portable::table::<false, false>(),
    fetching_tiles: portable::table::<false, true>(),
    copying_tiles: portable::table::<true, true>(),
    pair_tiles: None,
    streams: portable_streams::table::<false>(),
    streams_bf16: portable_streams::table::<true>(),
};

/// The sets that this CPU has, the best first.
pub(super) fn available() -> Vec<Kernels> {
    #[cfg(target_arch = "x86_64")]
    let mut all = super::simd_x86::available();
    #[cfg(not(target_arch = "x86_64"))]
    let mut all = Vec::new();
    all.push(PORTABLE);
    all
}
