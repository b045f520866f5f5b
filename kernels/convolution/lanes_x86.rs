//! The CPU algorithms' pieces for x86-64: AVX2 and AVX-512F.
#![expect(unsafe_code, reason = "SIMD intrinsics")]

use std::arch::x86_64::*;

use super::lanes::*;
use super::transform;
use crate::matmul::simd_x86::{Avx2, Avx512};

set!(avx2, Avx2, 6, transpose_avx2, pad_portable, "avx2,fma");
set!(avx512, Avx512, ROWS, transpose_avx512, pad_avx512, "avx512f");

/// A register at a time, however many values of it are read and written.
///
/// # Safety
/// What [`Padded`] spans is valid.
#[target_feature(enable = "avx512f")]
unsafe fn pad_avx512(p: &Padded) {
    let below = |count: usize| ((1u32 << count.min(16)) - 1) as __mmask16;
    for column in (0..p.columns).step_by(16) {
        let first = below(p.before.saturating_sub(column));
        let read = below((p.before + p.count).saturating_sub(column)) & !first;
        let from = p.from.wrapping_add(column).wrapping_sub(p.before);
        // SAFETY: lanes before the first value and after the last are neither read nor written.
        unsafe {
            let values = _mm512_maskz_loadu_ps(read, from);
            if column + 16 <= p.columns + p.spare {
                _mm512_storeu_ps(p.to.add(column), values);
            } else {
                _mm512_mask_storeu_ps(p.to.add(column), below(p.columns - column), values);
            }
        }
    }
}

/// Columns of 8 × 8 blocks.
///
/// # Safety
/// As [`Set::transpose`].
#[target_feature(enable = "avx2,fma")]
unsafe fn transpose_avx2(b: &Block) {
    let mask = |count: usize| {
        let lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
        _mm256_cmpgt_epi32(_mm256_set1_epi32(count as i32), lanes)
    };
    let (read, write) = (mask(b.columns), mask(b.width));
    let mut r = [_mm256_setzero_ps(); 8];
    for (i, r) in r.iter_mut().enumerate().take(b.rows) {
        // SAFETY: the caller vouches for `columns` elements of each row.
        *r = unsafe { _mm256_maskload_ps(b.from.add(i * b.from_stride), read) };
    }
    let mut pairs = r;
    for i in (0..8).step_by(2) {
        pairs[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
        pairs[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
    }
    let pd = |v| _mm256_castps_pd(v);
    for i in [0, 4] {
        for half in 0..2 {
            let (a, b) = (pd(pairs[i + half]), pd(pairs[i + half + 2]));
            r[i + 2 * half] = _mm256_castpd_ps(_mm256_unpacklo_pd(a, b));
            r[i + 2 * half + 1] = _mm256_castpd_ps(_mm256_unpackhi_pd(a, b));
        }
    }
    let mut columns = r;
    for j in 0..4 {
        columns[j] = _mm256_permute2f128_ps::<0x20>(r[j], r[4 + j]);
        columns[4 + j] = _mm256_permute2f128_ps::<0x31>(r[j], r[4 + j]);
    }
    for (j, column) in columns.iter().enumerate().take(b.columns) {
        // SAFETY: the caller vouches for `width` elements of each written row.
        unsafe { _mm256_maskstore_ps(b.to.add(j * b.to_stride), write, *column) };
    }
}

/// Columns of 16 × 16 blocks.
///
/// # Safety
/// As [`Set::transpose`].
#[target_feature(enable = "avx512f")]
unsafe fn transpose_avx512(b: &Block) {
    let mask = |count: usize| ((1u32 << count) - 1) as __mmask16;
    let (read, write) = (mask(b.columns), mask(b.width));
    let mut r = [_mm512_setzero_ps(); 16];
    for (i, r) in r.iter_mut().enumerate().take(b.rows) {
        // SAFETY: the caller vouches for `columns` elements of each row.
        *r = unsafe { _mm512_maskz_loadu_ps(read, b.from.add(i * b.from_stride)) };
    }
    let mut pairs = r;
    for i in (0..16).step_by(2) {
        pairs[i] = _mm512_unpacklo_ps(r[i], r[i + 1]);
        pairs[i + 1] = _mm512_unpackhi_ps(r[i], r[i + 1]);
    }
    // Then, in each quarter q of r[4g + j]: column 4q + j of rows 4g to 4g + 3.
    let pd = |v| _mm512_castps_pd(v);
    for i in (0..16).step_by(4) {
        for half in 0..2 {
            let (a, b) = (pd(pairs[i + half]), pd(pairs[i + half + 2]));
            r[i + 2 * half] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, b));
            r[i + 2 * half + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, b));
        }
    }
    let mut columns = r;
    for j in 0..4 {
        let (a, b, c, d) = (r[j], r[4 + j], r[8 + j], r[12 + j]);
        let even = (_mm512_shuffle_f32x4::<0x88>(a, b), _mm512_shuffle_f32x4::<0x88>(c, d));
        let odd = (_mm512_shuffle_f32x4::<0xdd>(a, b), _mm512_shuffle_f32x4::<0xdd>(c, d));
        columns[j] = _mm512_shuffle_f32x4::<0x88>(even.0, even.1);
        columns[4 + j] = _mm512_shuffle_f32x4::<0x88>(odd.0, odd.1);
        columns[8 + j] = _mm512_shuffle_f32x4::<0xdd>(even.0, even.1);
        columns[12 + j] = _mm512_shuffle_f32x4::<0xdd>(odd.0, odd.1);
    }
    for (j, column) in columns.iter().enumerate().take(b.columns) {
        // SAFETY: the caller vouches for `width` elements of each written row.
        unsafe { _mm512_mask_storeu_ps(b.to.add(j * b.to_stride), write, *column) };
    }
}
