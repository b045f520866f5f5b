//! Products with few rows (token generation, small batches): B is streamed once, unpacked.
#![expect(unsafe_code, reason = "calls SIMD kernels with raw addresses")]

use std::ops::Range;

use rayon::prelude::*;

use super::input::Operand;
use super::simd::{Kernels, MR, STREAM_ROWS, Stream};
use crate::cache::LINE_WORDS;

/// Sums of a task at most: they stay in the first cache level.
const MAX_SUMS: usize = 4096;
/// Tasks a thread gets at least, so that threads end together.
const TASKS_PER_THREAD: usize = 4;

/// Rows of B that are fetched ahead: runs of a few columns are too short for the hardware to see.
const AHEAD: usize = 2 * STREAM_ROWS;
/// Bytes of B from which that pays; a smaller one is in a cache, and asking for it again costs a fifth
/// of the time of a single row.
const FETCHED_BYTES: usize = 8 << 20;

/// Rows up to which streaming beats packing.
pub(super) const MAX_ROWS: usize = 2 * MR;
/// Elements from row to row of the copy of A: rows that lie a power of two apart would push each
/// other out of the first cache level.
pub(super) fn row_of_a(k: usize) -> usize {
    k + LINE_WORDS
}

/// Elements from row to row of the sums, likewise.
fn row_of_sums(width: usize) -> usize {
    width + LINE_WORDS
}

/// One product `c[m×n] = a[m×k] · b[k×n]` with m ≤ [`MAX_ROWS`], in the current rayon pool.
/// `b` starts at element `b_first` of the operand.
pub(super) fn product(
    m: usize,
    n: usize,
    k: usize,
    a: &[f32],
    b: (&Operand, usize),
    c: &mut [f32],
) {
    assert!((1..=MAX_ROWS).contains(&m) && a.len() == m * row_of_a(k) && c.len() == m * n);
    let lanes = Kernels::get().lanes;
    let width = n.next_multiple_of(lanes).min(MAX_SUMS / m / lanes * lanes);
    let blocks = n.div_ceil(width);
    // Wide blocks and parts of k, because long runs along the rows of B are what memory likes.
    let wanted = (TASKS_PER_THREAD * rayon::current_num_threads()).div_ceil(blocks);
    let depth = k.div_ceil(wanted).next_multiple_of(STREAM_ROWS);
    let sums: Vec<Vec<f32>> = (0..blocks * k.div_ceil(depth))
        .into_par_iter()
        .map(|task| {
            let (first, row) = (task % blocks * width, task / blocks * depth);
            block_sums((m, n, k), a, b, first..n.min(first + width), row..k.min(row + depth))
        })
        .collect();
    c.fill(0.0);
    for (task, sums) in sums.iter().enumerate() {
        let first = task % blocks * width;
        for (row, sums) in sums.chunks(sums.len() / m).enumerate() {
            for (c, sum) in c[row * n + first..].iter_mut().zip(sums) {
                *c += sum;
            }
        }
    }
}

/// Columns `columns` of all rows, summed over rows `rows` of B: `m × columns.len()`.
fn block_sums(
    (m, n, k): (usize, usize, usize),
    a: &[f32],
    b: (&Operand, usize),
    columns: Range<usize>,
    rows: Range<usize>,
) -> Vec<f32> {
    let kernels = Kernels::get();
    let width = columns.len() / kernels.lanes * kernels.lanes;
    let pitch = row_of_sums(width);
    let mut sums = vec![0f32; m * pitch];
    let first = b.1 + columns.start;
    let (base, size, bf16): (*const u8, usize, bool) = match b.0 {
        Operand::F32(v) => (v[first..].as_ptr().cast(), 4, false),
        Operand::Bf16(v) => (v[first..].as_ptr().cast(), 2, true),
    };
    assert!(b.1 + k * n <= b.0.len());
    let far = k * n * size > FETCHED_BYTES;
    let whole = rows.start + rows.len() / STREAM_ROWS * STREAM_ROWS;
    if width > 0 {
        for p in (rows.start..whole).step_by(STREAM_ROWS) {
            for row in (0..m).step_by(MR) {
                // SAFETY: rows p .. p + 4 of B exist, `width` columns from `columns.start` on lie
                // in each; `sums` has m rows of at least `width`; rows of `a` have k ≥ p + 4 coefficients.
                unsafe {
                    let step = Stream {
                        a: a.as_ptr().add(row * row_of_a(k) + p),
                        lda: row_of_a(k),
                        b: base.add(p * n * size),
                        ldb: n,
                        acc: sums.as_mut_ptr().add(row * pitch),
                        ldacc: pitch,
                        width,
                        // The second half of many rows finds B in the first cache level.
                        ahead: if row == 0 && far { AHEAD } else { 0 },
                    };
                    kernels.stream(MR.min(m - row), bf16, &step);
                }
            }
        }
    }
    let mut out = vec![0.0; m * columns.len()];
    let mut b_row = vec![0.0; columns.len()];
    for (out, sums) in out.chunks_mut(columns.len()).zip(sums.chunks(pitch)) {
        out[..width].copy_from_slice(&sums[..width]);
    }
    // The columns beyond the last whole register, and the last rows of B.
    let first_row = if width == columns.len() { whole } else { rows.start };
    for p in first_row..rows.end {
        let from = if p < whole { width } else { 0 };
        b.0.read(first + p * n + from, &mut b_row[from..]);
        for (out, a) in out.chunks_mut(columns.len()).zip(a.chunks(row_of_a(k))) {
            for (out, b) in out[from..].iter_mut().zip(&b_row[from..]) {
                *out += a[p] * b;
            }
        }
    }
    out
}
