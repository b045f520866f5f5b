//! The CPU algorithms' pieces for x86-64: AVX2 and AVX-512F.
#![expect(unsafe_code, reason = "SIMD intrinsics")]

use std::arch::x86_64::*;
use std::ops::Range;

use super::lanes::*;
use super::masked::{self, Masked, Sample};
use super::{stencil, transform};
use crate::matmul::simd_x86::{Avx2, Avx512};

set!(avx2, Avx2, 6, transpose_avx2, "avx2,fma");
set!(avx512, Avx512, ROWS, transpose_avx512, "avx512f");

/// Lanes of a register of AVX2.
#[derive(Clone, Copy)]
pub(super) struct Avx2Mask {
    lanes: __m256i,
    start: usize,
    end: usize,
}

// SAFETY (of all blocks): the tables of a type are used only on CPUs with its instructions, and callers
// vouch for the addresses of the lanes.
impl Masked for Avx2 {
    type M = Avx2Mask;
    #[inline(always)]
    unsafe fn mask(lanes: Range<isize>) -> Avx2Mask {
        /// From 8 − n on: all bits of n lanes, then none.
        static BELOW: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];
        let [start, end] = [lanes.start, lanes.end].map(|end| end.clamp(0, 8) as usize);
        // SAFETY: eight lanes from an index of at most 8 on.
        unsafe {
            let [before, below] = [start, end]
                .map(|end| _mm256_loadu_si256(BELOW.as_ptr().add(8 - end).cast::<__m256i>()));
            Avx2Mask { lanes: _mm256_andnot_si256(before, below), start, end }
        }
    }
    #[inline(always)]
    unsafe fn load_some(p: *const f32, lanes: Avx2Mask) -> __m256 {
        // SAFETY: see above.
        unsafe { _mm256_maskload_ps(p, lanes.lanes) }
    }
    #[inline(always)]
    unsafe fn store_some(p: *mut f32, v: __m256, lanes: Avx2Mask) {
        // SAFETY: see above.
        unsafe {
            match (lanes.start, lanes.end) {
                (0, 8) => _mm256_storeu_ps(p, v),
                // Instead of a store by mask, which AMD's processors take a dozen cycles for.
                (0, end) => {
                    let (mut p, mut v, mut rest) = (p, v, _mm256_castps256_ps128(v));
                    if end & 4 != 0 {
                        _mm_storeu_ps(p, rest);
                        v = _mm256_permute2f128_ps::<1>(v, v);
                        (p, rest) = (p.add(4), _mm256_castps256_ps128(v));
                    }
                    if end & 2 != 0 {
                        _mm_storel_pd(p.cast(), _mm_castps_pd(rest));
                        (p, rest) = (p.add(2), _mm_movehl_ps(rest, rest));
                    }
                    if end & 1 != 0 {
                        _mm_store_ss(p, rest);
                    }
                }
                _ => _mm256_maskstore_ps(p, lanes.lanes, v),
            }
        }
    }
    #[inline(always)]
    unsafe fn evens(a: __m256, b: __m256) -> __m256 {
        // SAFETY: see above.
        unsafe {
            // Within halves first: a0 a2 b0 b2 | a4 a6 b4 b6.
            let mixed = _mm256_castps_pd(_mm256_shuffle_ps::<0x88>(a, b));
            _mm256_castpd_ps(_mm256_permute4x64_pd::<0xd8>(mixed))
        }
    }
}

impl Masked for Avx512 {
    type M = __mmask16;
    #[inline(always)]
    unsafe fn mask(lanes: Range<isize>) -> __mmask16 {
        let below = |lane: isize| (1u32 << lane.clamp(0, 16)) - 1;
        (below(lanes.end) & !below(lanes.start)) as __mmask16
    }
    #[inline(always)]
    unsafe fn load_some(p: *const f32, lanes: __mmask16) -> __m512 {
        // SAFETY: see above.
        unsafe { _mm512_maskz_loadu_ps(lanes, p) }
    }
    #[inline(always)]
    unsafe fn store_some(p: *mut f32, v: __m512, lanes: __mmask16) {
        // SAFETY: see above.
        unsafe { _mm512_mask_storeu_ps(p, lanes, v) }
    }
    #[inline(always)]
    unsafe fn evens(a: __m512, b: __m512) -> __m512 {
        // SAFETY: see above.
        unsafe {
            let lanes =
                _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
            _mm512_permutex2var_ps(a, lanes, b)
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
    let read = mask(b.columns);
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
        unsafe {
            Avx2::store_some(b.to.add(j * b.to_stride), *column, Avx2::mask(0..b.width as isize))
        };
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
