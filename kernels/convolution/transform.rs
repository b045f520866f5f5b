//! Winograd's transforms of images and sums for 3 × 3 filters, a register of channels at a time.
//!
//! F(m × m, 3 × 3) computes m × m outputs from n × n inputs, n = m + 2, by n² instead of 9·m²
//! products: Y = Aᵀ[(G·g·Gᵀ) ⊙ (Bᵀ·d·B)]A (Lavin and Gray 2016, with the points 0, ±1, ∞ for m = 2
//! and 0, ±1, ±2, ∞ for m = 4).
#![expect(unsafe_code, reason = "SIMD intrinsics and raw addresses")]

use crate::matmul::simd::{Lanes, Portable};

/// Inputs along a side for m = 4: the most.
const MOST: usize = 6;

/// One transform, over `lanes` channels or filters: elements of the register are next to each other.
#[derive(Clone, Copy)]
pub(super) struct Transform {
    /// First element.
    pub from: *const f32,
    /// Elements between columns and rows that are read.
    pub from_strides: [usize; 2],
    /// First element written.
    pub to: *mut f32,
    /// Elements between columns and rows that are written.
    pub to_strides: [usize; 2],
}

/// # Safety
/// The CPU has the instruction set; n × n (or m × m) registers at each end of [`Transform`] are valid.
pub(super) type TransformFn = unsafe fn(&Transform);
/// # Safety
/// As [`TransformFn`]; the register at the second argument too: it is NaN afterwards, if it was
/// before or a result is not finite, else 0.
pub(super) type OutputFn = unsafe fn(&Transform, *mut f32);

/// The transforms of one instruction set, for m = 2 and m = 4.
#[derive(Clone, Copy)]
pub(super) struct Set {
    /// n × n inputs to n × n factors.
    pub input: [TransformFn; 2],
    /// n × n sums to m × m outputs.
    pub output: [OutputFn; 2],
}

/// `a + c·b`.
///
/// # Safety
/// The CPU has the instructions of `L`.
#[inline(always)]
unsafe fn plus<L: Lanes>(a: L::V, c: f32, b: L::V) -> L::V {
    // SAFETY: as the caller says.
    unsafe { L::fma(L::splat(&c), b, a) }
}

/// Bᵀ·d for one column d of n values.
///
/// # Safety
/// As [`plus`].
#[inline(always)]
unsafe fn input_column<L: Lanes, const N: usize>(d: [L::V; N]) -> [L::V; N] {
    let mut out = d;
    // SAFETY: as the caller says.
    unsafe {
        if N == 4 {
            out[0] = plus::<L>(d[0], -1.0, d[2]);
            out[1] = L::add(d[1], d[2]);
            out[2] = plus::<L>(d[2], -1.0, d[1]);
            out[3] = plus::<L>(d[1], -1.0, d[3]);
        } else {
            let (even, odd) = (plus::<L>(d[4], -4.0, d[2]), plus::<L>(d[3], -4.0, d[1]));
            let (inner, outer) = (plus::<L>(d[4], -1.0, d[2]), plus::<L>(d[3], -1.0, d[1]));
            out[0] = plus::<L>(plus::<L>(d[4], -5.0, d[2]), 4.0, d[0]);
            out[1] = L::add(even, odd);
            out[2] = plus::<L>(even, -1.0, odd);
            out[3] = plus::<L>(inner, 2.0, outer);
            out[4] = plus::<L>(inner, -2.0, outer);
            out[5] = plus::<L>(plus::<L>(d[5], -5.0, d[3]), 4.0, d[1]);
        }
    }
    out
}

/// Aᵀ·s for one column s of n values; m of the result count.
///
/// # Safety
/// As [`plus`].
#[inline(always)]
unsafe fn output_column<L: Lanes, const N: usize>(s: [L::V; N]) -> [L::V; N] {
    let mut out = s;
    // SAFETY: as the caller says.
    unsafe {
        let (sum, difference) = (L::add(s[1], s[2]), plus::<L>(s[1], -1.0, s[2]));
        if N == 4 {
            out[0] = L::add(s[0], sum);
            out[1] = plus::<L>(difference, -1.0, s[3]);
        } else {
            let (sum_2, difference_2) = (L::add(s[3], s[4]), plus::<L>(s[3], -1.0, s[4]));
            out[0] = L::add(L::add(s[0], sum), sum_2);
            out[1] = plus::<L>(difference, 2.0, difference_2);
            out[2] = plus::<L>(sum, 4.0, sum_2);
            out[3] = L::add(plus::<L>(difference, 8.0, difference_2), s[5]);
        }
    }
    out
}

/// Bᵀ·d·B.
///
/// # Safety
/// As [`TransformFn`].
#[inline(always)]
unsafe fn input<L: Lanes, const N: usize>(t: &Transform) {
    // SAFETY: as the caller says.
    unsafe {
        let mut rows = [[L::zero(); N]; N];
        for x in 0..N {
            let mut column = [L::zero(); N];
            for (y, value) in column.iter_mut().enumerate() {
                *value = L::load(t.from.add(x * t.from_strides[0] + y * t.from_strides[1]));
            }
            for (row, value) in rows.iter_mut().zip(input_column::<L, N>(column)) {
                row[x] = value;
            }
        }
        for (y, row) in rows.into_iter().enumerate() {
            for (x, value) in input_column::<L, N>(row).into_iter().enumerate() {
                L::store(t.to.add(x * t.to_strides[0] + y * t.to_strides[1]), value);
            }
        }
    }
}

/// Aᵀ·s·A.
///
/// # Safety
/// As [`OutputFn`].
#[inline(always)]
unsafe fn output<L: Lanes, const N: usize>(t: &Transform, faults: *mut f32) {
    // SAFETY: as the caller says.
    unsafe {
        let mut fault = L::load(faults);
        let mut rows = [[L::zero(); N]; MOST];
        for x in 0..N {
            let mut column = [L::zero(); N];
            for (y, value) in column.iter_mut().enumerate() {
                *value = L::load(t.from.add(x * t.from_strides[0] + y * t.from_strides[1]));
            }
            for (row, value) in rows.iter_mut().zip(output_column::<L, N>(column)).take(N - 2) {
                row[x] = value;
            }
        }
        for (y, row) in rows.into_iter().enumerate().take(N - 2) {
            for (x, value) in output_column::<L, N>(row).into_iter().enumerate().take(N - 2) {
                // Only of a finite value this product is 0.
                fault = plus::<L>(fault, 0.0, value);
                L::store(t.to.add(x * t.to_strides[0] + y * t.to_strides[1]), value);
            }
        }
        L::store(faults, fault);
    }
}

/// G·g·Gᵀ for one filter of 3 × 3, in f64: n × n values, row by row.
pub(super) fn filter(m: usize, g: &[f32]) -> Vec<f64> {
    const TWO: &[[f64; 3]] = &[[1.0, 0.0, 0.0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0.0, 0.0, 1.0]];
    const FOUR: &[[f64; 3]] = &[
        [1.0 / 4.0, 0.0, 0.0],
        [-1.0 / 6.0, -1.0 / 6.0, -1.0 / 6.0],
        [-1.0 / 6.0, 1.0 / 6.0, -1.0 / 6.0],
        [1.0 / 24.0, 1.0 / 12.0, 1.0 / 6.0],
        [1.0 / 24.0, -1.0 / 12.0, 1.0 / 6.0],
        [0.0, 0.0, 1.0],
    ];
    let points = if m == 2 { TWO } else { FOUR };
    let g = |row: usize, column: usize| f64::from(g[3 * row + column]);
    let value = |v: &[f64; 3], h: &[f64; 3]| -> f64 {
        (0..9).map(|i| v[i / 3] * h[i % 3] * g(i / 3, i % 3)).sum()
    };
    points.iter().flat_map(|v| points.iter().map(move |h| value(v, h))).collect()
}

/// The transforms of one instruction set, compiled with its features.
macro_rules! set {
    ($module:ident, $lanes:ty $(, $feature:literal)?) => {
        pub(super) mod $module {
            use super::*;

            $(#[target_feature(enable = $feature)])?
            unsafe fn input_of<const N: usize>(t: &Transform) {
                // SAFETY: as the type of the table demands of its caller.
                unsafe { input::<$lanes, N>(t) }
            }
            $(#[target_feature(enable = $feature)])?
            unsafe fn output_of<const N: usize>(t: &Transform, faults: *mut f32) {
                // SAFETY: as the type of the table demands of its caller.
                unsafe { output::<$lanes, N>(t, faults) }
            }
            /// The transforms.
            pub const SET: Set =
                Set { input: [input_of::<4>, input_of::<6>], output: [output_of::<4>, output_of::<6>] };
        }
    };
}

set!(portable, Portable);
#[cfg(target_arch = "x86_64")]
set!(avx2, crate::matmul::simd_x86::Avx2, "avx2,fma");
#[cfg(target_arch = "x86_64")]
set!(avx512, crate::matmul::simd_x86::Avx512, "avx512f");
