//! The transforms of two blocks at once, and the scaler's first pass of 32 samples at once, in
//! AVX-512: the same integers as `avx2`, twice as wide.
#![expect(unsafe_code, reason = "vector loads and stores go through pointers")]

use std::arch::x86_64::*;

use super::lanes::Divisors;
use super::tables::{PLACE, ZIGZAG};

/// Samples of a step.
const STEP: usize = 32;

/// Weighted rows with 6 fraction bits, as `avx2::down` has them; returns how many of the first
/// outputs are done.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
pub fn down(rows: &[(&[u8], i16)], out: &mut [i16]) -> usize {
    let mirrored = (0..rows.len() / 2).all(|i| rows[i].1 == rows[rows.len() - 1 - i].1);
    if rows.len().is_multiple_of(4) && mirrored {
        down_mirrored(rows, out)
    } else {
        down_any(rows, out)
    }
}

/// Products of interleaved rows, low and high halves, to 16 bits in the order of the samples.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn store_row(sums: [__m512i; 2], to: &mut [i16; STEP]) {
    let [low, high] = sums.map(|sum| _mm512_srai_epi32::<8>(sum));
    // SAFETY: 64 bytes can be written there.
    unsafe { _mm512_storeu_si512(to.as_mut_ptr().cast(), _mm512_packs_epi32(low, high)) };
}

/// 32 samples of a row from `at` on, in 16 bits; zeros where there are not so many.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn wide(row: &[u8], at: usize) -> __m512i {
    match row.get(at..).and_then(|row| row.first_chunk::<STEP>()) {
        // SAFETY: 32 bytes can be read there.
        Some(row) => _mm512_cvtepu8_epi16(unsafe { _mm256_loadu_si256(row.as_ptr().cast()) }),
        None => _mm512_setzero_si512(),
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn down_any(rows: &[(&[u8], i16)], out: &mut [i16]) -> usize {
    let mut done = 0;
    for to in out.as_chunks_mut::<STEP>().0 {
        let mut sums = [_mm512_set1_epi32(128); 2];
        for [(a, wa), (b, wb)] in rows.as_chunks::<2>().0 {
            let (a, b, weights) = (wide(a, done), wide(b, done), weights(*wa, *wb));
            let (low, high) = (_mm512_unpacklo_epi16(a, b), _mm512_unpackhi_epi16(a, b));
            sums[0] = _mm512_add_epi32(sums[0], _mm512_madd_epi16(low, weights));
            sums[1] = _mm512_add_epi32(sums[1], _mm512_madd_epi16(high, weights));
        }
        store_row(sums, to);
        done += STEP;
    }
    done
}

/// The same where the first half of the rows, a multiple of two, has the weights of the second in
/// reverse: those that share a weight are added first.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn down_mirrored(rows: &[(&[u8], i16)], out: &mut [i16]) -> usize {
    let (upper, lower) = rows.split_at(rows.len() / 2);
    let mut done = 0;
    for to in out.as_chunks_mut::<STEP>().0 {
        let mut sums = [_mm512_set1_epi32(128); 2];
        let lower = lower.as_rchunks::<2>().1.iter().rev();
        for ([(a, wa), (b, wb)], [(c, _), (d, _)]) in upper.as_chunks::<2>().0.iter().zip(lower) {
            let a = _mm512_add_epi16(wide(a, done), wide(d, done));
            let b = _mm512_add_epi16(wide(b, done), wide(c, done));
            let weights = weights(*wa, *wb);
            let (low, high) = (_mm512_unpacklo_epi16(a, b), _mm512_unpackhi_epi16(a, b));
            sums[0] = _mm512_add_epi32(sums[0], _mm512_madd_epi16(low, weights));
            sums[1] = _mm512_add_epi32(sums[1], _mm512_madd_epi16(high, weights));
        }
        store_row(sums, to);
        done += STEP;
    }
    done
}

/// Outputs of a step of [`across_half`], and middle samples that they are made of.
const OUTPUTS: usize = 16;
const WINDOW: usize = 2 * OUTPUTS + 6;

/// As `avx2::across_half` with eight taps; returns how many of the first outputs are done.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
pub fn across_half(middle: &[i16], start: usize, taps: &[i16; 8], out: &mut [u8]) -> usize {
    let pairs: [__m512i; 4] = std::array::from_fn(|j| weights(taps[2 * j], taps[2 * j + 1]));
    let half = _mm512_set1_epi32(1 << 19);
    let mut done = 0;
    for to in out.as_chunks_mut::<OUTPUTS>().0 {
        let window = middle.get(start + 2 * done..).and_then(|m| m.first_chunk::<WINDOW>());
        let Some(window) = window else { break };
        let term = |j: usize| {
            // SAFETY: 64 bytes can be read from each of the first seven samples.
            let part = unsafe { _mm512_loadu_si512(window.as_ptr().add(2 * j).cast()) };
            _mm512_madd_epi16(part, pairs[j])
        };
        let sum = _mm512_add_epi32(term(0), term(1));
        let sum = _mm512_add_epi32(_mm512_add_epi32(sum, half), _mm512_add_epi32(term(2), term(3)));
        let sum = _mm512_max_epi32(_mm512_srai_epi32::<20>(sum), _mm512_setzero_si512());
        // SAFETY: 16 bytes can be written there.
        unsafe { _mm_storeu_si128(to.as_mut_ptr().cast(), _mm512_cvtusepi32_epi8(sum)) };
        done += OUTPUTS;
    }
    done
}

/// Eight rows of eight 16-bit values of two blocks, one in each half.
type Blocks = [__m256i; 8];

/// `(a0, b0, a1, b1, …)` of both blocks: their first four pairs, then the others.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn pairs(a: __m256i, b: __m256i) -> __m512i {
    let low = _mm512_castsi256_si512(_mm256_unpacklo_epi16(a, b));
    _mm512_inserti64x4::<1>(low, _mm256_unpackhi_epi16(a, b))
}

/// The pair (a, b) in every lane.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn weights(a: i16, b: i16) -> __m512i {
    _mm512_set1_epi32(i32::from(b) << 16 | i32::from(a as u16))
}

/// 32-bit values in the order of [`pairs`] as 16-bit rows, saturated.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn narrow(x: __m512i) -> __m256i {
    _mm256_packs_epi32(_mm512_castsi512_si256(x), _mm512_extracti64x4_epi64::<1>(x))
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn transpose(x: Blocks) -> Blocks {
    let both = |a, b| [_mm256_unpacklo_epi16(a, b), _mm256_unpackhi_epi16(a, b)];
    let ([a0, a1], [b0, b1]) = (both(x[0], x[4]), both(x[1], x[5]));
    let ([c0, c1], [d0, d1]) = (both(x[2], x[6]), both(x[3], x[7]));
    let ([e0, e1], [e2, e3]) = (both(a0, c0), both(a1, c1));
    let ([f0, f1], [f2, f3]) = (both(b0, d0), both(b1, d1));
    let ([g0, g1], [g2, g3]) = (both(e0, f0), both(e1, f1));
    let ([g4, g5], [g6, g7]) = (both(e2, f2), both(e3, f3));
    [g0, g1, g2, g3, g4, g5, g6, g7]
}

/// One pass down the columns, rounded after `BITS`, saturated to 16 bits.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn inverse_pass<const BITS: u32>(x: Blocks) -> Blocks {
    let (x04, x26) = (pairs(x[0], x[4]), pairs(x[2], x[6]));
    let (x13, x57) = (pairs(x[1], x[3]), pairs(x[5], x[7]));
    let half = _mm512_set1_epi32(1 << (BITS - 1));
    let sum = _mm512_add_epi32(_mm512_madd_epi16(x04, weights(8192, 8192)), half);
    let difference = _mm512_add_epi32(_mm512_madd_epi16(x04, weights(8192, -8192)), half);
    let high = _mm512_madd_epi16(x26, weights(10703, 4433));
    let low = _mm512_madd_epi16(x26, weights(4433, -10704));
    let even = [
        _mm512_add_epi32(sum, high),
        _mm512_add_epi32(difference, low),
        _mm512_sub_epi32(difference, low),
        _mm512_sub_epi32(sum, high),
    ];
    let mix = |w: __m512i, v: __m512i| {
        _mm512_add_epi32(_mm512_madd_epi16(x13, w), _mm512_madd_epi16(x57, v))
    };
    let odd = [
        mix(weights(11363, 9633), weights(6437, 2260)),
        mix(weights(9633, -2259), weights(-11362, -6436)),
        mix(weights(6437, -11362), weights(2261, 9633)),
        mix(weights(2260, -6436), weights(9633, -11363)),
    ];
    let mut out = x;
    for n in 0..4 {
        out[n] = narrow(_mm512_srai_epi32::<BITS>(_mm512_add_epi32(even[n], odd[n])));
        out[7 - n] = narrow(_mm512_srai_epi32::<BITS>(_mm512_sub_epi32(even[n], odd[n])));
    }
    out
}

/// Where the halves of a block in natural order are in zigzag order, as permutations have it.
static PLACES: [[i16; 32]; 2] = halves(&PLACE);

/// Coefficients of a block from zigzag to natural order, times their quantisers, which are in it.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn dequantised(coefficients: &[i16; 64], quant: &[i16; 64]) -> [__m512i; 2] {
    // SAFETY: each of these holds 64 bytes twice.
    unsafe {
        let of =
            |values: &[i16; 64], half| _mm512_loadu_si512(values.as_ptr().add(32 * half).cast());
        let (low, high) = (of(coefficients, 0), of(coefficients, 1));
        let half = |half: usize| {
            let places = _mm512_loadu_si512(PLACES[half].as_ptr().cast());
            let values = _mm512_permutex2var_epi16(low, places, high);
            _mm512_mullo_epi16(values, of(quant, half))
        };
        [half(0), half(1)]
    }
}

/// Samples of two blocks from their coefficients (zigzag order) and quantisers (natural order): two
/// rows of the first and two of the second in each.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn inverse(coefficients: [&[i16; 64]; 2], quant: [&[i16; 64]; 2]) -> [__m256i; 4] {
    let a = dequantised(coefficients[0], quant[0]);
    let b = dequantised(coefficients[1], quant[1]);
    // Rows i of both, then rows i + 1 of both.
    let even = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11);
    let odd = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);
    let mut x = [_mm256_setzero_si256(); 8];
    for (half, x) in x.as_chunks_mut::<4>().0.iter_mut().enumerate() {
        let first = _mm512_permutex2var_epi64(a[half], even, b[half]);
        let second = _mm512_permutex2var_epi64(a[half], odd, b[half]);
        let parts = |two| [_mm512_castsi512_si256(two), _mm512_extracti64x4_epi64::<1>(two)];
        [[x[0], x[1]], [x[2], x[3]]] = [parts(first), parts(second)];
    }
    let columns = transpose(inverse_pass::<11>(x));
    let rows = transpose(inverse_pass::<18>(columns));
    let level = _mm256_set1_epi16(128);
    let mut samples = [level; 4];
    for (i, to) in samples.iter_mut().enumerate() {
        let upper = _mm256_adds_epi16(rows[2 * i], level);
        *to = _mm256_packus_epi16(upper, _mm256_adds_epi16(rows[2 * i + 1], level));
    }
    samples
}

/// The samples of two blocks of one plane that stand side by side; coefficients are in zigzag order.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
pub fn inverse_beside(
    coefficients: [&[i16; 64]; 2],
    quant: &[i16; 64],
    to: &mut [u8],
    stride: usize,
) {
    for (i, rows) in inverse(coefficients, [quant; 2]).into_iter().enumerate() {
        let rows = _mm256_permute4x64_epi64::<0b11_01_10_00>(rows);
        let parts = [_mm256_castsi256_si128(rows), _mm256_extracti128_si256::<1>(rows)];
        for (row, part) in parts.into_iter().enumerate() {
            let at = (2 * i + row) * stride;
            let to = &mut to[at..at + 16];
            // SAFETY: 16 bytes can be written there.
            unsafe { _mm_storeu_si128(to.as_mut_ptr().cast(), part) };
        }
    }
}

/// The samples of two blocks of two planes; coefficients are in zigzag order.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
pub fn inverse_both(
    coefficients: [&[i16; 64]; 2],
    quant: [&[i16; 64]; 2],
    to: [&mut [u8]; 2],
    stride: usize,
) {
    let [first, second] = to;
    for (i, rows) in inverse(coefficients, quant).into_iter().enumerate() {
        let parts = [_mm256_castsi256_si128(rows), _mm256_extracti128_si256::<1>(rows)];
        for (to, part) in [&mut *first, &mut *second].into_iter().zip(parts) {
            let at = 2 * i * stride;
            to[at..at + 8].copy_from_slice(&_mm_cvtsi128_si64(part).to_le_bytes());
            let at = at + stride;
            to[at..at + 8].copy_from_slice(&_mm_extract_epi64::<1>(part).to_le_bytes());
        }
    }
}

/// One pass down the columns of the forward transform; `UP` and `DOWN` shift the two rows that
/// need no multiplication.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn forward_pass<const UP: i32, const DOWN: i32, const BITS: u32>(x: Blocks) -> Blocks {
    let half = _mm512_set1_epi32(1 << (BITS - 1));
    let descale = |v: __m512i| narrow(_mm512_srai_epi32::<BITS>(_mm512_add_epi32(v, half)));
    let sum = |i: usize| _mm256_add_epi16(x[i], x[7 - i]);
    let difference = |i: usize| _mm256_sub_epi16(x[i], x[7 - i]);
    let (outer, inner) = (_mm256_add_epi16(sum(0), sum(3)), _mm256_add_epi16(sum(1), sum(2)));
    let (a, b) = (_mm256_sub_epi16(sum(0), sum(3)), _mm256_sub_epi16(sum(1), sum(2)));
    let small = _mm256_set1_epi16((1 << DOWN) >> 1);
    let straight =
        |v: __m256i| _mm256_srai_epi16::<DOWN>(_mm256_add_epi16(_mm256_slli_epi16::<UP>(v), small));
    let ab = pairs(a, b);
    let (d01, d23) = (pairs(difference(0), difference(1)), pairs(difference(2), difference(3)));
    let mix = |w: __m512i, v: __m512i| {
        descale(_mm512_add_epi32(_mm512_madd_epi16(d01, w), _mm512_madd_epi16(d23, v)))
    };
    [
        straight(_mm256_add_epi16(outer, inner)),
        mix(weights(11363, 9633), weights(6437, 2260)),
        descale(_mm512_madd_epi16(ab, weights(10703, 4433))),
        mix(weights(9633, -2259), weights(-11362, -6436)),
        straight(_mm256_sub_epi16(outer, inner)),
        mix(weights(6437, -11362), weights(2261, 9633)),
        descale(_mm512_madd_epi16(ab, weights(4433, -10704))),
        mix(weights(2260, -6436), weights(9633, -11363)),
    ]
}

/// Where the halves of a block in zigzag order are in natural order.
static ORDER: [[i16; 32]; 2] = halves(&ZIGZAG);

const fn halves(order: &[u8; 64]) -> [[i16; 32]; 2] {
    let mut halves = [[0; 32]; 2];
    let mut k = 0;
    while k < 64 {
        halves[k / 32][k % 32] = order[k] as i16;
        k += 1;
    }
    halves
}

/// Quantised coefficients in zigzag order, and which of them are not zero, of the two blocks whose
/// rows start `stride` apart in `samples`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
pub fn forward(samples: [&[u8]; 2], stride: usize, divisors: &Divisors) -> [([i16; 64], u64); 2] {
    let level = _mm256_set1_epi16(128);
    let mut x = [level; 8];
    for (i, x) in x.iter_mut().enumerate() {
        let [a, b] = samples.map(|samples| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&samples[i * stride..i * stride + 8]);
            _mm_cvtsi64_si128(i64::from_le_bytes(bytes))
        });
        *x = _mm256_sub_epi16(_mm256_cvtepu8_epi16(_mm_unpacklo_epi64(a, b)), level);
    }
    let rows = transpose(forward_pass::<2, 0, 11>(transpose(x)));
    let spectrum = forward_pass::<0, 2, 15>(rows);
    let of = |values: &[i16; 64], i: usize| {
        // SAFETY: there are eight rows of 16 bytes.
        _mm256_broadcastsi128_si256(unsafe { _mm_loadu_si128(values.as_ptr().add(8 * i).cast()) })
    };
    let mut q = spectrum;
    for (i, to) in q.iter_mut().enumerate() {
        let n = _mm256_add_epi16(_mm256_abs_epi16(*to), of(&divisors.half, i));
        let high = _mm256_mulhi_epu16(n, of(&divisors.factor, i));
        *to = _mm256_sign_epi16(_mm256_mulhi_epu16(high, of(&divisors.step, i)), *to);
    }
    // Two rows of both blocks each, then four rows of one.
    let two = |i: usize| _mm512_inserti64x4::<1>(_mm512_castsi256_si512(q[i]), q[i + 1]);
    let (r01, r23, r45, r67) = (two(0), two(2), two(4), two(6));
    let first = [
        _mm512_shuffle_i64x2::<0b10_00_10_00>(r01, r23),
        _mm512_shuffle_i64x2::<0b10_00_10_00>(r45, r67),
    ];
    let second = [
        _mm512_shuffle_i64x2::<0b11_01_11_01>(r01, r23),
        _mm512_shuffle_i64x2::<0b11_01_11_01>(r45, r67),
    ];
    [zigzag(first), zigzag(second)]
}

/// A block's eight rows in zigzag order, and which of them are not zero.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn zigzag([upper, lower]: [__m512i; 2]) -> ([i16; 64], u64) {
    let (mut out, mut nonzero) = ([0; 64], 0);
    for (half, order) in ORDER.iter().enumerate() {
        // SAFETY: 64 bytes can be read there, and written to each half of the block.
        unsafe {
            let order = _mm512_loadu_si512(order.as_ptr().cast());
            let values = _mm512_permutex2var_epi16(upper, order, lower);
            _mm512_storeu_si512(out.as_mut_ptr().add(32 * half).cast(), values);
            nonzero |= u64::from(_mm512_test_epi16_mask(values, values)) << (32 * half);
        }
    }
    (out, nonzero)
}
