//! Lanes in AVX2 and AVX-512BW registers, and the functions compiled for them.
#![expect(unsafe_code, reason = "SIMD intrinsics")]

use std::arch::x86_64::*;

use super::cpu::{Width, Widths};
use super::cpu_batch::{BatchJob, run_batch};
use super::cpu_lanes::{Aligned, MAX_LANES, ROWS, Vector};
use super::cpu_long::{PairJob, run_long};
use super::cpu_trace::{trace_batch, trace_long};
use super::cpu_watch::Best;
use super::path::Traced;
use super::scoring::CODES;

/// log2 of the bytes of the parts that unpack instructions work in.
const PART_BITS: u32 = 4;

/// The order of lanes for `transpose`: it works in each 128-bit part by itself, so part p of all
/// registers together must hold the lanes that part p of the result has.
const fn order(lanes: usize, element_bytes: usize) -> [u8; MAX_LANES] {
    let part = (1 << PART_BITS) / element_bytes;
    let parts = lanes / part;
    let side_by_side = part / ROWS;
    let mut order = [0; MAX_LANES];
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
     $load:ident, $store:ident, $add:ident, $sub:ident, $max:ident, $min:ident,
     equals($ea:ident, $eb:ident) $equals:expr, exceeds($xa:ident, $xb:ident) $exceeds:expr,
     select($sm:ident, $sy:ident, $sn:ident) $select:expr,
     any($am:ident) $any:expr, shift_in($ia:ident, $in:ident) $shift_in:expr,
     table($table:ty) ($tn:ident) $make:expr, lookup($lt:ident, $lc:ident) $lookup:expr,
     transpose($low:ident, $high:ident) $($wide:item)*) => {
        #[derive(Clone, Copy)]
        struct $name($register);

        impl Vector for $name {
            type Element = $element;
            type Mask = $mask;
            type Table = $table;
            const LANES: usize = $lanes;
            const ORDER: [u8; MAX_LANES] = order($lanes, size_of::<$element>());

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
            fn min(self, other: Self) -> Self {
                // SAFETY: see the macro.
                Self(unsafe { $min(self.0, other.0) })
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
            fn any($am: $mask) -> bool {
                // SAFETY: see the macro.
                unsafe { $any }
            }
            #[inline(always)]
            fn shift_in(self, next: $element) -> Self {
                let ($ia, $in) = (self.0, Self::splat(next).0);
                // SAFETY: see the macro.
                Self(unsafe { $shift_in })
            }
            #[inline(always)]
            fn table($tn: &[$element; CODES]) -> $table {
                // SAFETY: see the macro; loads stay within the numbers.
                unsafe { $make }
            }
            #[inline(always)]
            fn lookup($lt: &$table, codes: Self) -> Self {
                let $lc = codes.0;
                // SAFETY: see the macro.
                Self(unsafe { $lookup })
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
            $($wide)*
        }
    };
}

vector!(Avx512U8, __m512i, u8, 64, __mmask64, _mm512_set1_epi8 as i8,
    _mm512_loadu_si512, _mm512_storeu_si512, _mm512_add_epi8, _mm512_sub_epi8, _mm512_max_epu8,
    _mm512_min_epu8,
    equals(a, b) _mm512_cmpeq_epi8_mask(a, b), exceeds(a, b) _mm512_cmpgt_epu8_mask(a, b),
    select(m, yes, no) _mm512_mask_blend_epi8(m, no, yes),
    any(m) _kortestz_mask64_u8(m, m) == 0,
    shift_in(a, next) _mm512_alignr_epi8::<1>(_mm512_alignr_epi32::<4>(next, a), a),
    table((__m512i, __m512i)) (numbers) {
        let half = |at: usize| _mm512_broadcast_i32x4(_mm_loadu_si128(numbers[at..].as_ptr().cast()));
        (half(0), half(16))
    },
    lookup(table, codes) {
        let (low, high) = (_mm512_shuffle_epi8(table.0, codes), _mm512_shuffle_epi8(table.1, codes));
        _mm512_mask_blend_epi8(_mm512_cmpgt_epu8_mask(codes, _mm512_set1_epi8(15)), low, high)
    },
    transpose(_mm512_unpacklo_epi8, _mm512_unpackhi_epi8));

vector!(VbmiU8, __m512i, u8, 64, __mmask64, _mm512_set1_epi8 as i8,
_mm512_loadu_si512, _mm512_storeu_si512, _mm512_add_epi8, _mm512_sub_epi8, _mm512_max_epu8,
_mm512_min_epu8,
equals(a, b) _mm512_cmpeq_epi8_mask(a, b), exceeds(a, b) _mm512_cmpgt_epu8_mask(a, b),
select(m, yes, no) _mm512_mask_blend_epi8(m, no, yes),
any(m) _kortestz_mask64_u8(m, m) == 0,
shift_in(a, next) _mm512_alignr_epi8::<1>(_mm512_alignr_epi32::<4>(next, a), a),
table(__m512i) (numbers) _mm512_broadcast_i64x4(_mm256_loadu_si256(numbers.as_ptr().cast())),
lookup(table, codes) _mm512_permutexvar_epi8(codes, *table),
transpose(_mm512_unpacklo_epi8, _mm512_unpackhi_epi8)
const WIDE: bool = true;
#[inline(always)]
fn lookup_wide(table: (Self, Self), index: Self) -> Self {
    // SAFETY: see the macro.
    Self(unsafe { _mm512_permutex2var_epi8(table.0.0, index.0, table.1.0) })
});

vector!(Avx512U16, __m512i, u16, 32, __mmask32, _mm512_set1_epi16 as i16,
    _mm512_loadu_si512, _mm512_storeu_si512, _mm512_add_epi16, _mm512_sub_epi16,
    _mm512_max_epu16, _mm512_min_epu16,
    equals(a, b) _mm512_cmpeq_epi16_mask(a, b), exceeds(a, b) _mm512_cmpgt_epu16_mask(a, b),
    select(m, yes, no) _mm512_mask_blend_epi16(m, no, yes),
    any(m) _kortestz_mask32_u8(m, m) == 0,
    shift_in(a, next) _mm512_alignr_epi8::<2>(_mm512_alignr_epi32::<4>(next, a), a),
    table(__m512i) (numbers) _mm512_loadu_si512(numbers.as_ptr().cast()),
    lookup(table, codes) _mm512_permutexvar_epi16(codes, *table),
    transpose(_mm512_unpacklo_epi16, _mm512_unpackhi_epi16));

vector!(Avx2U8, __m256i, u8, 32, __m256i, _mm256_set1_epi8 as i8,
    _mm256_loadu_si256, _mm256_storeu_si256, _mm256_add_epi8, _mm256_sub_epi8, _mm256_max_epu8,
    _mm256_min_epu8,
    equals(a, b) _mm256_cmpeq_epi8(a, b),
    exceeds(a, b) {
        let not_above = _mm256_cmpeq_epi8(_mm256_max_epu8(a, b), b);
        _mm256_xor_si256(not_above, _mm256_set1_epi8(-1))
    },
    select(m, yes, no) _mm256_blendv_epi8(no, yes, m), any(m) _mm256_movemask_epi8(m) != 0,
    shift_in(a, next) {
        _mm256_alignr_epi8::<1>(_mm256_permute2x128_si256::<0x21>(a, next), a)
    },
    table((__m256i, __m256i)) (numbers) {
        let half = |at: usize| {
            _mm256_broadcastsi128_si256(_mm_loadu_si128(numbers[at..].as_ptr().cast()))
        };
        (half(0), half(16))
    },
    lookup(table, codes) {
        let (low, high) = (_mm256_shuffle_epi8(table.0, codes), _mm256_shuffle_epi8(table.1, codes));
        _mm256_blendv_epi8(low, high, _mm256_cmpgt_epi8(codes, _mm256_set1_epi8(15)))
    },
    transpose(_mm256_unpacklo_epi8, _mm256_unpackhi_epi8));

vector!(Avx2U16, __m256i, u16, 16, __m256i, _mm256_set1_epi16 as i16,
    _mm256_loadu_si256, _mm256_storeu_si256, _mm256_add_epi16, _mm256_sub_epi16,
    _mm256_max_epu16, _mm256_min_epu16,
    equals(a, b) _mm256_cmpeq_epi16(a, b),
    exceeds(a, b) {
        let not_above = _mm256_cmpeq_epi16(_mm256_max_epu16(a, b), b);
        _mm256_xor_si256(not_above, _mm256_set1_epi16(-1))
    },
    select(m, yes, no) _mm256_blendv_epi8(no, yes, m), any(m) _mm256_movemask_epi8(m) != 0,
    shift_in(a, next) {
        _mm256_alignr_epi8::<2>(_mm256_permute2x128_si256::<0x21>(a, next), a)
    },
    table((__m256i, __m256i)) (numbers) {
        (_mm256_loadu_si256(numbers.as_ptr().cast()),
         _mm256_loadu_si256(numbers[16..].as_ptr().cast()))
    },
    lookup(table, codes) {
        // Each half of a number in two bytes of a lane's code: 16-bit numbers have no shuffle.
        let number = |half: __m256i, code: __m256i| {
            let bytes = _mm256_add_epi16(
                _mm256_mullo_epi16(code, _mm256_set1_epi16(0x0202)), _mm256_set1_epi16(0x0100));
            let low = _mm256_shuffle_epi8(_mm256_permute2x128_si256::<0x00>(half, half), bytes);
            let high = _mm256_shuffle_epi8(_mm256_permute2x128_si256::<0x11>(half, half), bytes);
            _mm256_blendv_epi8(low, high, _mm256_cmpgt_epi16(code, _mm256_set1_epi16(7)))
        };
        let rest = _mm256_sub_epi16(codes, _mm256_set1_epi16(16));
        let (first, second) = (number(table.0, codes), number(table.1, rest));
        _mm256_blendv_epi8(first, second, _mm256_cmpgt_epi16(codes, _mm256_set1_epi16(15)))
    },
    transpose(_mm256_unpacklo_epi16, _mm256_unpackhi_epi16));

/// Functions compiled for one instruction set, as one table of [`Widths`].
macro_rules! compiled {
    ($feature:literal, $table:ident,
     $narrow:ident: $u8:ty, $wide:ident: $u16:ty) => {
        /// The functions of this instruction set. To be used only where it was detected.
        pub(super) static $table: Widths = Widths { narrow: $narrow::WIDTH, wide: $wide::WIDTH };
        compiled!(@width $feature, $narrow, $u8);
        compiled!(@width $feature, $wide, $u16);
    };
    (@width $feature:literal, $module:ident, $vector:ty) => {
        mod $module {
            use super::*;
            compiled!(@one $feature, batch, $vector, run_batch, BatchJob<'_> => Vec<Best>);
            compiled!(@one $feature, long, $vector, run_long, PairJob<'_> => Best);
            compiled!(@one $feature, batch_ways, $vector, trace_batch, BatchJob<'_> => Vec<Traced>);
            compiled!(@one $feature, long_way, $vector, trace_long, PairJob<'_> => Traced);
            pub(super) const WIDTH: Width =
                Width { lanes: <$vector>::LANES, batch, long, batch_ways, long_way };
        }
    };
    (@one $feature:literal, $name:ident, $vector:ty, $run:ident, $job:ty => $result:ty) => {
        fn $name(job: &$job) -> $result {
            #[target_feature(enable = $feature)]
            fn compiled(job: &$job) -> $result {
                $run::<$vector>(job)
            }
            // SAFETY: only the table names this function, and the table is used only where the
            // features were detected.
            unsafe { compiled(job) }
        }
    };
}

compiled!("avx512f,avx512bw", AVX512, avx512_8: Avx512U8, avx512_16: Avx512U16);
compiled!("avx512f,avx512bw,avx512vbmi", VBMI, vbmi_8: VbmiU8, vbmi_16: Avx512U16);
compiled!("avx2", AVX2, avx2_8: Avx2U8, avx2_16: Avx2U16);
