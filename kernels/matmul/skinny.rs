//! Products with few rows (token generation, small batches): B is streamed once, unpacked.
#![expect(unsafe_code, reason = "calls SIMD kernels with raw addresses")]

use rayon::prelude::*;

use super::input::Operand;
use super::simd::{Kernels, MR, STREAM_ROWS, Stream};

/// Columns of a task at most: their sums stay in the first cache level.
const WIDTH: usize = 512;
/// Tasks a thread gets, so that threads end together.
const TASKS_PER_THREAD: usize = 4;

/// Rows up to which streaming beats packing.
pub(super) const MAX_ROWS: usize = MR;

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
    assert!((1..=MAX_ROWS).contains(&m) && a.len() == m * k && c.len() == m * n);
    let lanes = Kernels::get().lanes;
    let tasks = TASKS_PER_THREAD * rayon::current_num_threads();
    let width = n.div_ceil(tasks).next_multiple_of(4 * lanes).min(WIDTH);
    // Column blocks are gathered by task and put in place afterwards: C is small.
    let blocks: Vec<Vec<f32>> = (0..n.div_ceil(width))
        .into_par_iter()
        .map(|block| {
            let first = block * width;
            column_block(m, n, k, a, b, first..n.min(first + width))
        })
        .collect();
    for (block, sums) in blocks.iter().enumerate() {
        let first = block * width;
        let columns = sums.len() / m;
        for (row, sums) in sums.chunks(columns).enumerate() {
            c[row * n + first..][..columns].copy_from_slice(sums);
        }
    }
}

/// Columns `columns` of all rows, `m × columns.len()`.
fn column_block(
    m: usize,
    n: usize,
    k: usize,
    a: &[f32],
    b: (&Operand, usize),
    columns: std::ops::Range<usize>,
) -> Vec<f32> {
    let kernels = Kernels::get();
    let width = columns.len() / kernels.lanes * kernels.lanes;
    let mut sums = vec![0f32; m * width];
    let first = b.1 + columns.start;
    let (base, size, bf16): (*const u8, usize, bool) = match b.0 {
        Operand::F32(v) => (v[first..].as_ptr().cast(), 4, false),
        Operand::Bf16(v) => (v[first..].as_ptr().cast(), 2, true),
    };
    assert!(b.1 + k * n <= b.0.len());
    let whole = k / STREAM_ROWS * STREAM_ROWS;
    if width > 0 {
        for p in (0..whole).step_by(STREAM_ROWS) {
            // SAFETY: rows p .. p + 4 of B exist, `width` columns from `columns.start` on lie in
            // each; `sums` has m rows of `width`; rows of `a` have k ≥ p + 4 coefficients.
            unsafe {
                let step = Stream {
                    a: a.as_ptr().add(p),
                    lda: k,
                    b: base.add(p * n * size),
                    ldb: n,
                    acc: sums.as_mut_ptr(),
                    width,
                };
                kernels.stream(m, bf16, &step);
            }
        }
    }
    let mut out = vec![0.0; m * columns.len()];
    let mut b_row = vec![0.0; columns.len()];
    for (out, sums) in out.chunks_mut(columns.len()).zip(sums.chunks(width.max(1))) {
        out[..width].copy_from_slice(sums);
    }
    // The columns beyond the last whole register, and the last rows of B.
    let first_row = if width == columns.len() { whole } else { 0 };
    for p in first_row..k {
        let from = if p < whole { width } else { 0 };
        b.0.read(first + p * n + from, &mut b_row[from..]);
        for (out, a) in out.chunks_mut(columns.len()).zip(a.chunks(k)) {
            for (out, b) in out[from..].iter_mut().zip(&b_row[from..]) {
                *out += a[p] * b;
            }
        }
    }
    out
}
