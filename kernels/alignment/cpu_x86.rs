//! Lanes in AVX2 and AVX-512BW registers, and the functions compiled for them.
#![expect(unsafe_code, reason = "SIMD intrinsics")]

use std::arch::x86_64::*;

use super::cpu::{BatchJob, Widths, run_anchored, run_local};
use super::cpu_lanes::{Aligned, Best, ROWS, Vector};
use super::cpu_portable::Lanes;

/// log2 of the bytes of the parts that unpack instructions work in.
const PART_BITS: u32 = 4;

/// The order of lanes for `transpose`: it works in each 128-bit part by itself, so part p of all
/// registers together must hold the lanes that part p of the result has.
const fn order(lanes: usize, element_bytes: usize) -> [u8; 64] {
    let part = (1 << PART_BITS) / element_bytes;
    let parts = lanes / part;
    let side_by_side = part / ROWS;
    let mut order = [0; 64];
    let mut at = 0;
    while at < lanes {
        let (register, p, next) =
            (at / (parts * side_by_side), at / side_by_side % parts, at % side_by_side);
        order[at] = (p * part + register * side_by_side + next) as u8;
        at += 1;
    }
    order
}

/// A vector type over intrinsics. Values of it exist only inside the `target_feature` functions
/// at the end of this file, which are called after the features were detected; that makes each
/// intrinsic's requirement true.
macro_rules! vector {
    ($name:ident, $register:ty, $element:ty, $lanes:literal, $mask:ty, $splat:ident as $scalar:ty,
     $load:ident, $store:ident, $add:ident, $sub:ident, $max:ident,
     equals($ea:ident, $eb:ident) $equals:expr, exceeds($xa:ident, $xb:ident) $exceeds:expr,
     select($sm:ident, $sy:ident, $sn:ident) $select:expr,
     add_where($wa:ident, $wm:ident, $wb:ident) $add_where:expr,
     transpose($low:ident, $high:ident)) => {
        #[derive(Clone, Copy)]
        struct $name($register);

        impl Vector for $name {
            type Element = $element;
            type Mask = $mask;
            const LANES: usize = $lanes;
            const ORDER: [u8; 64] = order($lanes, size_of::<$element>());

            #[inline(always)]
            fn splat(value: $element) -> Self {
                // SAFETY: see the macro.
                Self(unsafe { $splat(value as $scalar) })
            }
            #[inline(always)]
            fn load(from: &[$element]) -> Self {
                let from = &from[..$lanes];
                // SAFETY: see the macro; the slice is as long as the register.
                Self(unsafe { $load(from.as_ptr().cast()) })
            }
            #[inline(always)]
            fn store(self, to: &mut [$element]) {
                let to = &mut to[..$lanes];
                // SAFETY: see the macro; the slice is as long as the register.
                unsafe { $store(to.as_mut_ptr().cast(), self.0) }
            }
            #[inline(always)]
            fn add(self, other: Self) -> Self {
                // SAFETY: see the macro.
                Self(unsafe { $add(self.0, other.0) })
            }
            #[inline(always)]
            fn sub(self, other: Self) -> Self {
                // SAFETY: see the macro.
                Self(unsafe { $sub(self.0, other.0) })
            }
            #[inline(always)]
            fn max(self, other: Self) -> Self {
                // SAFETY: see the macro.
                Self(unsafe { $max(self.0, other.0) })
            }
            #[inline(always)]
            fn equals(self, other: Self) -> $mask {
                let ($ea, $eb) = (self.0, other.0);
                // SAFETY: see the macro.
                unsafe { $equals }
            }
            #[inline(always)]
            fn exceeds(self, other: Self) -> $mask {
                let ($xa, $xb) = (self.0, other.0);
                // SAFETY: see the macro.
                unsafe { $exceeds }
            }
            #[inline(always)]
            fn select($sm: $mask, yes: Self, no: Self) -> Self {
                let ($sy, $sn) = (yes.0, no.0);
                // SAFETY: see the macro.
                Self(unsafe { $select })
            }
            #[inline(always)]
            fn add_where(self, $wm: $mask, other: Self) -> Self {
                let ($wa, $wb) = (self.0, other.0);
                // SAFETY: see the macro.
                Self(unsafe { $add_where })
            }
            #[inline(always)]
            fn transpose(lanes: &Aligned<[$element; ROWS]>) -> [Self; ROWS] {
                let lanes = lanes.0.as_flattened();
                let mut rows = [Self::load(lanes); ROWS];
                for (row, lanes) in rows.iter_mut().zip(lanes.chunks_exact($lanes)) {
                    *row = Self::load(lanes);
                }
                // Each step rotates the bits of a number's place (register, element of a 128-bit
                // part) by one, until what was the row has become the register.
                for _ in 0..PART_BITS - size_of::<$element>().trailing_zeros() {
                    let old = rows;
                    for i in 0..ROWS / 2 {
                        let (a, b) = (old[i].0, old[i + ROWS / 2].0);
                        // SAFETY: see the macro.
                        rows[2 * i] = Self(unsafe { $low(a, b) });
                        // SAFETY: see the macro.
                        rows[2 * i + 1] = Self(unsafe { $high(a, b) });
                    }
                }
                rows
            }
        }
    };
}

vector!(Avx512U8, __m512i, u8, 64, __mmask64, _mm512_set1_epi8 as i8,
    _mm512_loadu_si512, _mm512_storeu_si512, _mm512_adds_epu8, _mm512_subs_epu8, _mm512_max_epu8,
    equals(a, b) _mm512_cmpeq_epi8_mask(a, b), exceeds(a, b) _mm512_cmpgt_epu8_mask(a, b),
    select(m, yes, no) _mm512_mask_blend_epi8(m, no, yes),
    add_where(a, m, b) _mm512_mask_adds_epu8(a, m, a, b),
    transpose(_mm512_unpacklo_epi8, _mm512_unpackhi_epi8));

vector!(Avx512U16, __m512i, u16, 32, __mmask32, _mm512_set1_epi16 as i16,
    _mm512_loadu_si512, _mm512_storeu_si512, _mm512_adds_epu16, _mm512_subs_epu16,
    _mm512_max_epu16,
    equals(a, b) _mm512_cmpeq_epi16_mask(a, b), exceeds(a, b) _mm512_cmpgt_epu16_mask(a, b),
    select(m, yes, no) _mm512_mask_blend_epi16(m, no, yes),
    add_where(a, m, b) _mm512_mask_adds_epu16(a, m, a, b),
    transpose(_mm512_unpacklo_epi16, _mm512_unpackhi_epi16));

vector!(Avx512I16, __m512i, i16, 32, __mmask32, _mm512_set1_epi16 as i16,
    _mm512_loadu_si512, _mm512_storeu_si512, _mm512_adds_epi16, _mm512_subs_epi16,
    _mm512_max_epi16,
    equals(a, b) _mm512_cmpeq_epi16_mask(a, b), exceeds(a, b) _mm512_cmpgt_epi16_mask(a, b),
    select(m, yes, no) _mm512_mask_blend_epi16(m, no, yes),
    add_where(a, m, b) _mm512_mask_adds_epi16(a, m, a, b),
    transpose(_mm512_unpacklo_epi16, _mm512_unpackhi_epi16));

vector!(Avx2U8, __m256i, u8, 32, __m256i, _mm256_set1_epi8 as i8,
    _mm256_loadu_si256, _mm256_storeu_si256, _mm256_adds_epu8, _mm256_subs_epu8, _mm256_max_epu8,
    equals(a, b) _mm256_cmpeq_epi8(a, b),
    exceeds(a, b) {
        let not_above = _mm256_cmpeq_epi8(_mm256_max_epu8(a, b), b);
        _mm256_xor_si256(not_above, _mm256_set1_epi8(-1))
    },
    select(m, yes, no) _mm256_blendv_epi8(no, yes, m),
    add_where(a, m, b) _mm256_adds_epu8(a, _mm256_and_si256(m, b)),
    transpose(_mm256_unpacklo_epi8, _mm256_unpackhi_epi8));

vector!(Avx2U16, __m256i, u16, 16, __m256i, _mm256_set1_epi16 as i16,
    _mm256_loadu_si256, _mm256_storeu_si256, _mm256_adds_epu16, _mm256_subs_epu16,
    _mm256_max_epu16,
    equals(a, b) _mm256_cmpeq_epi16(a, b),
    exceeds(a, b) {
        let not_above = _mm256_cmpeq_epi16(_mm256_max_epu16(a, b), b);
        _mm256_xor_si256(not_above, _mm256_set1_epi16(-1))
    },
    select(m, yes, no) _mm256_blendv_epi8(no, yes, m),
    add_where(a, m, b) _mm256_adds_epu16(a, _mm256_and_si256(m, b)),
    transpose(_mm256_unpacklo_epi16, _mm256_unpackhi_epi16));

vector!(Avx2I16, __m256i, i16, 16, __m256i, _mm256_set1_epi16 as i16,
    _mm256_loadu_si256, _mm256_storeu_si256, _mm256_adds_epi16, _mm256_subs_epi16,
    _mm256_max_epi16,
    equals(a, b) _mm256_cmpeq_epi16(a, b), exceeds(a, b) _mm256_cmpgt_epi16(a, b),
    select(m, yes, no) _mm256_blendv_epi8(no, yes, m),
    add_where(a, m, b) _mm256_adds_epi16(a, _mm256_and_si256(m, b)),
    transpose(_mm256_unpacklo_epi16, _mm256_unpackhi_epi16));

/// Functions compiled for one instruction set, as one table of [`Widths`].
macro_rules! compiled {
    ($feature:literal, $table:ident, $local8:ident: $u8:ty, $local16:ident: $u16:ty,
     $local32:ident: $u32:ty, $anchored16:ident: $i16:ty, $anchored32:ident: $i32:ty) => {
        compiled!(@one $feature, $local8, $u8, run_local);
        compiled!(@one $feature, $local16, $u16, run_local);
        compiled!(@one $feature, $local32, $u32, run_local);
        compiled!(@one $feature, $anchored16, $i16, run_anchored);
        compiled!(@one $feature, $anchored32, $i32, run_anchored);

        /// The functions of this instruction set. To be used only where it was detected.
        pub(super) static $table: Widths = Widths {
            local8: (<$u8>::LANES, $local8),
            local16: (<$u16>::LANES, $local16),
            local32: (<$u32>::LANES, $local32),
            anchored16: (<$i16>::LANES, $anchored16),
            anchored32: (<$i32>::LANES, $anchored32),
        };
    };
    (@one $feature:literal, $name:ident, $vector:ty, $run:ident) => {
        fn $name(job: &BatchJob<'_>) -> Vec<Best> {
            #[target_feature(enable = $feature)]
            fn compiled(job: &BatchJob<'_>) -> Vec<Best> {
                $run::<$vector>(job)
            }
            // SAFETY: only the table names this function, and the table is used only where the
            // features were detected.
            unsafe { compiled(job) }
        }
    };
}

compiled!("avx512f,avx512bw", AVX512,
    avx512_local8: Avx512U8, avx512_local16: Avx512U16, avx512_local32: Lanes<u32, 16>,
    avx512_anchored16: Avx512I16, avx512_anchored32: Lanes<i32, 16>);

compiled!("avx2", AVX2,
    avx2_local8: Avx2U8, avx2_local16: Avx2U16, avx2_local32: Lanes<u32, 8>,
    avx2_anchored16: Avx2I16, avx2_anchored32: Lanes<i32, 8>);
