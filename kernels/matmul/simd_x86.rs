//! Register tiles for x86-64: AVX2, AVX-512F and AVX512_BF16.
#![expect(unsafe_code, reason = "SIMD intrinsics")]

use std::arch::x86_64::*;
use std::mem::transmute;

use super::simd::*;

/// AVX2 with FMA.
pub(crate) struct Avx2;
/// AVX-512F.
pub(crate) struct Avx512;
/// AVX512_BF16: words are pairs of bf16 along k.
struct Avx512Bf16;

macro_rules! lanes {
    ($lanes:ty, $n:literal, $v:ty, $half:ty, $zero:ident, $load:ident, $load_half:ident,
     $widen:ident, $shift:ident, $cast:ident, $splat:ident, $add:ident, $store:ident,
     |$a:ident, $b:ident, $c:ident| $fma:expr) => {
        // SAFETY (of all blocks): the tables of a type are used only on CPUs with its
        // instructions, and callers vouch for the addresses.
        impl Lanes for $lanes {
            const LANES: usize = $n;
            type V = $v;
            #[inline(always)]
            unsafe fn zero() -> $v {
                // SAFETY: see above.
                unsafe { $zero() }
            }
            #[inline(always)]
            unsafe fn load(p: *const f32) -> $v {
                // SAFETY: see above.
                unsafe { $load(p) }
            }
            #[inline(always)]
            unsafe fn load_bf16(p: *const half::bf16) -> $v {
                // SAFETY: see above; a bf16 is the upper half of an f32.
                unsafe { $cast($shift::<16>($widen($load_half(p.cast::<$half>())))) }
            }
            #[inline(always)]
            unsafe fn splat(p: *const f32) -> $v {
                // SAFETY: see above.
                unsafe { $splat(*p) }
            }
            #[inline(always)]
            unsafe fn fma($a: $v, $b: $v, $c: $v) -> $v {
                // SAFETY: see above.
                unsafe { $fma }
            }
            #[inline(always)]
            unsafe fn add(a: $v, b: $v) -> $v {
                // SAFETY: see above.
                unsafe { $add(a, b) }
            }
            #[inline(always)]
            unsafe fn store(p: *mut f32, v: $v) {
                // SAFETY: see above.
                unsafe { $store(p, v) }
            }
        }
    };
}

lanes!(
    Avx2,
    8,
    __m256,
    __m128i,
    _mm256_setzero_ps,
    _mm256_loadu_ps,
    _mm_loadu_si128,
    _mm256_cvtepu16_epi32,
    _mm256_slli_epi32,
    _mm256_castsi256_ps,
    _mm256_set1_ps,
    _mm256_add_ps,
    _mm256_storeu_ps,
    |a, b, c| _mm256_fmadd_ps(a, b, c)
);
lanes!(
    Avx512,
    16,
    __m512,
    __m256i,
    _mm512_setzero_ps,
    _mm512_loadu_ps,
    _mm256_loadu_si256,
    _mm512_cvtepu16_epi32,
    _mm512_slli_epi32,
    _mm512_castsi512_ps,
    _mm512_set1_ps,
    _mm512_add_ps,
    _mm512_storeu_ps,
    |a, b, c| _mm512_fmadd_ps(a, b, c)
);
lanes!(
    Avx512Bf16,
    16,
    __m512,
    __m256i,
    _mm512_setzero_ps,
    _mm512_loadu_ps,
    _mm256_loadu_si256,
    _mm512_cvtepu16_epi32,
    _mm512_slli_epi32,
    _mm512_castsi512_ps,
    _mm512_set1_ps,
    _mm512_add_ps,
    _mm512_storeu_ps,
    |a, b, c| _mm512_dpbf16_ps(
        c,
        transmute::<__m512, __m512bh>(a),
        transmute::<__m512, __m512bh>(b)
    )
);

tiles!(avx2, Avx2, "avx2,fma");
streams!(avx2_streams, Avx2, "avx2,fma");
tiles!(avx512, Avx512, "avx512f");
streams!(avx512_streams, Avx512, "avx512f");
tiles!(avx512_bf16, Avx512Bf16, "avx512f,avx512bf16");

/// The sets that this CPU has, the best first.
pub(super) fn available() -> Vec<Kernels> {
    let mut all = Vec::new();
    if is_x86_feature_detected!("avx512f") {
        let bf16 = is_x86_feature_detected!("avx512bf16");
        all.push(Kernels {
            nr: NV * Avx512::LANES,
            lanes: Avx512::LANES,
            rows: MR,
            tiles: avx512::table::<false, false>(),
            fetching_tiles: avx512::table::<false, true>(),
            copying_tiles: avx512::table::<true, true>(),
            pair_tiles: bf16.then_some(avx512_bf16::table::<false, false>()),
            streams: avx512_streams::table::<false>(),
            streams_bf16: avx512_streams::table::<true>(),
        });
    }
    if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
        all.push(Kernels {
            // 16 registers hold the sums of 6 × 2 vectors, two of B and one of A. Of 4 × 3, which would
            // fit just so, the compiler keeps one in memory.
            nr: 2 * Avx2::LANES,
            lanes: Avx2::LANES,
            rows: 6,
            tiles: avx2::table::<false, false>(),
            fetching_tiles: avx2::table::<false, true>(),
            copying_tiles: avx2::table::<true, true>(),
            pair_tiles: None,
            streams: avx2_streams::table::<false>(),
            streams_bf16: avx2_streams::table::<true>(),
        });
    }
    all
}
