//! The transforms and the scaler in AVX2: products of 16-bit pairs summed to 32 bits, which is
//! exact for all that `dct` and `scale` define.
#![expect(unsafe_code, reason = "vector loads and stores go through pointers")]

use std::arch::x86_64::*;

use super::lanes::Divisors;
use super::tables::PLACE;

/// Eight rows of eight 16-bit values.
type Block = [__m128i; 8];

#[inline]
#[target_feature(enable = "avx2")]
fn load(x: &[i16; 8]) -> __m128i {
    // SAFETY: 16 bytes can be read there.
    unsafe { _mm_loadu_si128(x.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn load_bytes(x: &[u8; 16]) -> __m128i {
    // SAFETY: 16 bytes can be read there.
    unsafe { _mm_loadu_si128(x.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn store(to: &mut [i16; 8], x: __m128i) {
    // SAFETY: 16 bytes can be written there.
    unsafe { _mm_storeu_si128(to.as_mut_ptr().cast(), x) }
}

/// Row `i` of a block in memory.
#[inline]
fn row(block: &[i16; 64], i: usize) -> &[i16; 8] {
    &block.as_chunks::<8>().0[i]
}

/// `(a0, b0, a1, b1, …)`.
#[inline]
#[target_feature(enable = "avx2")]
fn pairs(a: __m128i, b: __m128i) -> __m256i {
    _mm256_set_m128i(_mm_unpackhi_epi16(a, b), _mm_unpacklo_epi16(a, b))
}

/// The pair (a, b) in every lane.
#[inline]
#[target_feature(enable = "avx2")]
fn weights(a: i16, b: i16) -> __m256i {
    _mm256_set1_epi32(i32::from(b) << 16 | i32::from(a as u16))
}

/// Eight 32-bit values as 16-bit ones, saturated.
#[inline]
#[target_feature(enable = "avx2")]
fn narrow(x: __m256i) -> __m128i {
    _mm_packs_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256::<1>(x))
}

#[inline]
#[target_feature(enable = "avx2")]
fn transpose(x: Block) -> Block {
    let [a0, a1] = [_mm_unpacklo_epi16(x[0], x[4]), _mm_unpackhi_epi16(x[0], x[4])];
    let [b0, b1] = [_mm_unpacklo_epi16(x[1], x[5]), _mm_unpackhi_epi16(x[1], x[5])];
    let [c0, c1] = [_mm_unpacklo_epi16(x[2], x[6]), _mm_unpackhi_epi16(x[2], x[6])];
    let [d0, d1] = [_mm_unpacklo_epi16(x[3], x[7]), _mm_unpackhi_epi16(x[3], x[7])];
    let [e0, e1] = [_mm_unpacklo_epi16(a0, c0), _mm_unpackhi_epi16(a0, c0)];
    let [e2, e3] = [_mm_unpacklo_epi16(a1, c1), _mm_unpackhi_epi16(a1, c1)];
    let [f0, f1] = [_mm_unpacklo_epi16(b0, d0), _mm_unpackhi_epi16(b0, d0)];
    let [f2, f3] = [_mm_unpacklo_epi16(b1, d1), _mm_unpackhi_epi16(b1, d1)];
    [
        _mm_unpacklo_epi16(e0, f0),
        _mm_unpackhi_epi16(e0, f0),
        _mm_unpacklo_epi16(e1, f1),
        _mm_unpackhi_epi16(e1, f1),
        _mm_unpacklo_epi16(e2, f2),
        _mm_unpackhi_epi16(e2, f2),
        _mm_unpacklo_epi16(e3, f3),
        _mm_unpackhi_epi16(e3, f3),
    ]
}

/// The four odd sums of either direction.
#[inline]
#[target_feature(enable = "avx2")]
fn odd(a: __m128i, b: __m128i, c: __m128i, d: __m128i) -> [__m256i; 4] {
    let (ab, cd) = (pairs(a, b), pairs(c, d));
    let sum = |w: __m256i, v: __m256i| {
        _mm256_add_epi32(_mm256_madd_epi16(ab, w), _mm256_madd_epi16(cd, v))
    };
    [
        sum(weights(11363, 9633), weights(6437, 2260)),
        sum(weights(9633, -2259), weights(-11362, -6436)),
        sum(weights(6437, -11362), weights(2261, 9633)),
        sum(weights(2260, -6436), weights(9633, -11363)),
    ]
}

/// One pass down the columns, rounded after `BITS`, saturated to 16 bits.
#[inline]
#[target_feature(enable = "avx2")]
fn inverse_pass<const BITS: i32>(x: Block) -> Block {
    let (x04, x26) = (pairs(x[0], x[4]), pairs(x[2], x[6]));
    let half = _mm256_set1_epi32(1 << (BITS - 1));
    let sum = _mm256_add_epi32(_mm256_madd_epi16(x04, weights(8192, 8192)), half);
    let difference = _mm256_add_epi32(_mm256_madd_epi16(x04, weights(8192, -8192)), half);
    let high = _mm256_madd_epi16(x26, weights(10703, 4433));
    let low = _mm256_madd_epi16(x26, weights(4433, -10704));
    let even = [
        _mm256_add_epi32(sum, high),
        _mm256_add_epi32(difference, low),
        _mm256_sub_epi32(difference, low),
        _mm256_sub_epi32(sum, high),
    ];
    let odd = odd(x[1], x[3], x[5], x[7]);
    let mut out = x;
    for n in 0..4 {
        out[n] = narrow(_mm256_srai_epi32::<BITS>(_mm256_add_epi32(even[n], odd[n])));
        out[7 - n] = narrow(_mm256_srai_epi32::<BITS>(_mm256_sub_epi32(even[n], odd[n])));
    }
    out
}

/// Samples of a block from its coefficients and quantiser (natural order), into the rows of `to`
/// that are `stride` apart.
#[inline]
#[target_feature(enable = "avx2")]
pub fn inverse(coefficients: &[i16; 64], quant: &[i16; 64], to: &mut [u8], stride: usize) {
    let mut x = [_mm_setzero_si128(); 8];
    for (i, x) in x.iter_mut().enumerate() {
        *x = _mm_mullo_epi16(load(row(coefficients, i)), load(row(quant, i)));
    }
    let columns = transpose(inverse_pass::<11>(x));
    let rows = transpose(inverse_pass::<18>(columns));
    let level = _mm_set1_epi16(128);
    for i in 0..4 {
        let upper = _mm_adds_epi16(rows[2 * i], level);
        let lower = _mm_adds_epi16(rows[2 * i + 1], level);
        let bytes = _mm_packus_epi16(upper, lower);
        let at = 2 * i * stride;
        to[at..at + 8].copy_from_slice(&_mm_cvtsi128_si64(bytes).to_le_bytes());
        let at = at + stride;
        to[at..at + 8].copy_from_slice(&_mm_extract_epi64::<1>(bytes).to_le_bytes());
    }
}

/// One pass down the columns of the forward transform; `UP` and `DOWN` shift the two rows that
/// need no multiplication.
#[inline]
#[target_feature(enable = "avx2")]
fn forward_pass<const UP: i32, const DOWN: i32, const BITS: i32>(x: Block) -> Block {
    let half = _mm256_set1_epi32(1 << (BITS - 1));
    let descale = |v: __m256i| narrow(_mm256_srai_epi32::<BITS>(_mm256_add_epi32(v, half)));
    let sum = |i: usize| _mm_add_epi16(x[i], x[7 - i]);
    let difference = |i: usize| _mm_sub_epi16(x[i], x[7 - i]);
    let (outer, inner) = (_mm_add_epi16(sum(0), sum(3)), _mm_add_epi16(sum(1), sum(2)));
    let (a, b) = (_mm_sub_epi16(sum(0), sum(3)), _mm_sub_epi16(sum(1), sum(2)));
    let small = _mm_set1_epi16((1 << DOWN) >> 1);
    let straight =
        |v: __m128i| _mm_srai_epi16::<DOWN>(_mm_add_epi16(_mm_slli_epi16::<UP>(v), small));
    let ab = pairs(a, b);
    let odd = odd(difference(0), difference(1), difference(2), difference(3));
    [
        straight(_mm_add_epi16(outer, inner)),
        descale(odd[0]),
        descale(_mm256_madd_epi16(ab, weights(10703, 4433))),
        descale(odd[1]),
        straight(_mm_sub_epi16(outer, inner)),
        descale(odd[2]),
        descale(_mm256_madd_epi16(ab, weights(4433, -10704))),
        descale(odd[3]),
    ]
}

/// Quantised coefficients in natural order of the block whose rows start `stride` apart in
/// `samples`, and which of them are not zero, in zigzag order.
#[inline]
#[target_feature(enable = "avx2")]
pub fn forward(samples: &[u8], stride: usize, divisors: &Divisors) -> ([i16; 64], u64) {
    let level = _mm_set1_epi16(128);
    let mut x = [level; 8];
    for (i, x) in x.iter_mut().enumerate() {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&samples[i * stride..i * stride + 8]);
        let wide = _mm_cvtepu8_epi16(_mm_cvtsi64_si128(i64::from_le_bytes(bytes)));
        *x = _mm_sub_epi16(wide, level);
    }
    let rows = transpose(forward_pass::<2, 0, 11>(transpose(x)));
    let spectrum = forward_pass::<0, 2, 15>(rows);
    let (mut out, mut q) = ([0; 64], spectrum);
    for (i, to) in out.as_chunks_mut::<8>().0.iter_mut().enumerate() {
        let v = spectrum[i];
        let n = _mm_add_epi16(_mm_abs_epi16(v), load(row(&divisors.half, i)));
        let high = _mm_mulhi_epu16(n, load(row(&divisors.factor, i)));
        q[i] = _mm_sign_epi16(_mm_mulhi_epu16(high, load(row(&divisors.step, i))), v);
        store(to, q[i]);
    }
    let mut natural = 0u64;
    for i in 0..4 {
        let bytes = _mm_packs_epi16(q[2 * i], q[2 * i + 1]);
        let zero = _mm_cmpeq_epi8(bytes, _mm_setzero_si128());
        natural |= u64::from(!_mm_movemask_epi8(zero) as u16) << (16 * i);
    }
    let mut nonzero = 0;
    while natural != 0 {
        nonzero |= 1 << PLACE[natural.trailing_zeros() as usize & 63];
        natural &= natural - 1;
    }
    (out, nonzero)
}

/// Weighted rows with 6 fraction bits: `out[x]` from sample `x` of each row; all are as long as
/// `out`. An even number of rows.
#[inline]
#[target_feature(enable = "avx2")]
pub fn down(rows: &[(&[u8], i16)], out: &mut [i16]) {
    let mut x = 0;
    while x + 16 <= out.len() {
        let mut sums = [_mm256_set1_epi32(128); 2];
        for pair in rows.as_chunks::<2>().0 {
            let [(a, wa), (b, wb)] = *pair;
            let (Some(a), Some(b)) = (a[x..].first_chunk(), b[x..].first_chunk()) else { continue };
            let (a, b, w) = (load_bytes(a), load_bytes(b), weights(wa, wb));
            let low = _mm256_cvtepu8_epi16(_mm_unpacklo_epi8(a, b));
            let high = _mm256_cvtepu8_epi16(_mm_unpackhi_epi8(a, b));
            sums[0] = _mm256_add_epi32(sums[0], _mm256_madd_epi16(low, w));
            sums[1] = _mm256_add_epi32(sums[1], _mm256_madd_epi16(high, w));
        }
        for (to, sum) in out[x..x + 16].as_chunks_mut::<8>().0.iter_mut().zip(sums) {
            store(to, narrow(_mm256_srai_epi32::<8>(sum)));
        }
        x += 16;
    }
    for (i, out) in out.iter_mut().enumerate().skip(x) {
        let sum: i32 = rows.iter().map(|(r, w)| i32::from(*w) * i32::from(r[i])).sum();
        *out = ((sum + 128) >> 8) as i16;
    }
}

/// The same where the first row has the weight of the last, the second that of the last but one, and so on:
/// rows of one weight are added first. A multiple of four rows. Returns how many samples are done, all but a few
/// at the end.
#[inline]
#[target_feature(enable = "avx2")]
pub fn down_mirrored(rows: &[(&[u8], i16)], out: &mut [i16]) -> usize {
    let (first, last) = rows.split_at(rows.len() / 2);
    let mut x = 0;
    while x + 16 <= out.len() {
        let mut sums = [_mm256_set1_epi32(128); 2];
        let both = |a: &[u8], b: &[u8]| {
            let [a, b] = [a, b].map(|row| row[x..].first_chunk().unwrap_or(&[0; 16]));
            let (a, b) = (load_bytes(a), load_bytes(b));
            _mm256_add_epi16(_mm256_cvtepu8_epi16(a), _mm256_cvtepu8_epi16(b))
        };
        for (two, mirror) in first.chunks_exact(2).zip(last.rchunks_exact(2)) {
            let (outer, inner) = (both(two[0].0, mirror[1].0), both(two[1].0, mirror[0].0));
            let w = weights(two[0].1, two[1].1);
            let low = _mm256_madd_epi16(_mm256_unpacklo_epi16(outer, inner), w);
            let high = _mm256_madd_epi16(_mm256_unpackhi_epi16(outer, inner), w);
            sums = [_mm256_add_epi32(sums[0], low), _mm256_add_epi32(sums[1], high)];
        }
        // Unpacked and packed by halves of a register, samples end in their order.
        let [low, high] = sums.map(|sum| _mm256_srai_epi32::<8>(sum));
        let packed = _mm256_packs_epi32(low, high);
        // SAFETY: 16 values can be written there.
        unsafe { _mm256_storeu_si256(out[x..x + 16].as_mut_ptr().cast(), packed) };
        x += 16;
    }
    x
}

/// Samples from weighted middle samples: output `i` from `taps` of them (a multiple of 8, held in
/// chunks of 8 in `weights`) starting at `first[i]`.
#[inline]
#[target_feature(enable = "avx2")]
pub fn across(middle: &[i16], first: &[usize], weights: &[[i16; 8]], taps: usize, out: &mut [u8]) {
    let (fours, rest) = out.as_chunks_mut::<4>();
    let mut at = 0;
    for to in fours {
        let mut sums = [_mm_setzero_si128(); 4];
        for (i, sum) in sums.iter_mut().enumerate() {
            *sum = dot(middle, first, weights, taps, at + i);
        }
        *to = _mm_cvtsi128_si32(samples(sums)).to_le_bytes();
        at += 4;
    }
    for (i, to) in rest.iter_mut().enumerate() {
        let sum = dot(middle, first, weights, taps, at + i);
        *to = _mm_cvtsi128_si32(samples([sum; 4])) as u8;
    }
}

/// Samples from weighted middle samples where output `i` is made of those from `start + 2·i` on, all
/// with the same weights, an even number of them: eight outputs at a time, a pair of taps at a time.
#[inline]
#[target_feature(enable = "avx2")]
pub fn across_half(middle: &[i16], start: usize, taps: &[i16], out: &mut [u8]) {
    let pairs = taps.as_chunks::<2>().0;
    let sum_of_8 = |at: usize| {
        let mut sum = _mm256_set1_epi32(1 << 19);
        for (j, [a, b]) in pairs.iter().enumerate() {
            let Some(window) = middle.get(at + 2 * j..).and_then(|m| m.first_chunk::<16>()) else {
                continue;
            };
            // SAFETY: 32 bytes can be read there.
            let window = unsafe { _mm256_loadu_si256(window.as_ptr().cast()) };
            sum = _mm256_add_epi32(sum, _mm256_madd_epi16(window, weights(*a, *b)));
        }
        _mm256_srai_epi32::<20>(sum)
    };
    let (sixteens, rest) = out.as_chunks_mut::<16>();
    let mut at = start;
    for to in sixteens {
        // Packing goes by halves of a register: the quarters are put in order at the end.
        let words = _mm256_packs_epi32(sum_of_8(at), sum_of_8(at + 16));
        let bytes = _mm256_packus_epi16(words, words);
        let order = _mm256_setr_epi32(0, 4, 1, 5, 0, 4, 1, 5);
        let bytes = _mm256_permutevar8x32_epi32(bytes, order);
        // SAFETY: 16 bytes can be written there.
        unsafe { _mm_storeu_si128(to.as_mut_ptr().cast(), _mm256_castsi256_si128(bytes)) };
        at += 32;
    }
    for (i, to) in rest.iter_mut().enumerate() {
        let terms = middle[at + 2 * i..].iter().zip(taps);
        let sum: i32 = terms.map(|(&v, &w)| i32::from(v) * i32::from(w)).sum();
        *to = ((sum + (1 << 19)) >> 20).clamp(0, 255) as u8;
    }
}

/// Four partial sums of output `i`, see [`across`].
#[inline]
#[target_feature(enable = "avx2")]
fn dot(middle: &[i16], first: &[usize], weights: &[[i16; 8]], taps: usize, i: usize) -> __m128i {
    let window = &middle[first[i]..];
    if taps == 8 {
        return match window.first_chunk() {
            Some(window) => _mm_madd_epi16(load(window), load(&weights[i])),
            None => _mm_setzero_si128(),
        };
    }
    let chunks = taps / 8;
    let mut sum = _mm_setzero_si128();
    for (m, w) in window.as_chunks().0.iter().zip(&weights[i * chunks..(i + 1) * chunks]) {
        sum = _mm_add_epi32(sum, _mm_madd_epi16(load(m), load(w)));
    }
    sum
}

/// Four samples from the partial sums of four outputs.
#[inline]
#[target_feature(enable = "avx2")]
fn samples(sums: [__m128i; 4]) -> __m128i {
    let low = _mm_hadd_epi32(sums[0], sums[1]);
    let high = _mm_hadd_epi32(sums[2], sums[3]);
    let total = _mm_add_epi32(_mm_hadd_epi32(low, high), _mm_set1_epi32(1 << 19));
    let x = _mm_srai_epi32::<20>(total);
    let words = _mm_packs_epi32(x, x);
    _mm_packus_epi16(words, words)
}
