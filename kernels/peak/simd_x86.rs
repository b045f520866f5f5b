//! The probes' inner loops in AVX-512 and AVX2. Each entry returns whether this CPU has what it
//! takes; where not, nothing was written.
#![expect(unsafe_code, reason = "vector loads and stores, and calls into code for checked CPUs")]

use std::arch::x86_64::*;
use std::array::from_fn;
use std::hint::black_box;

use half::bf16;

use super::input::{ADDEND, TRIAD};
use super::{LANES, TILE};

/// Independent registers in flight: latency 4 × 2 units is 8; AVX-512 has room for twice that.
const WIDE: usize = 16;
/// The same for AVX2, where 16 registers hold values and operands.
const NARROW: usize = 8;

/// `x ← a·x + b` on every value of `out` (a multiple of 256 values).
pub(super) fn fma(out: &mut [f32], x: &[f32; LANES], b: &[f32; LANES], a: f32, steps: u32) -> bool {
    if is_x86_feature_detected!("avx512f") {
        // SAFETY: the CPU has AVX-512F.
        unsafe { fma_avx512(out, x, b, a, steps) };
    } else if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
        // SAFETY: the CPU has AVX2 and FMA.
        unsafe { fma_avx2(out, x, b, a, steps) };
    } else {
        return false;
    }
    true
}

#[target_feature(enable = "avx512f")]
fn fma_avx512(out: &mut [f32], x: &[f32; LANES], b: &[f32; LANES], a: f32, steps: u32) {
    // SAFETY: both arrays hold 16 values.
    let (x, b) = unsafe { (_mm512_loadu_ps(x.as_ptr()), _mm512_loadu_ps(b.as_ptr())) };
    let a = _mm512_set1_ps(a);
    for block in out.chunks_exact_mut(WIDE * LANES) {
        // Hidden, or equal chains would be computed once.
        let mut v: [__m512; WIDE] = from_fn(|_| black_box(x));
        for _ in 0..steps {
            for v in &mut v {
                *v = _mm512_fmadd_ps(*v, a, b);
            }
        }
        for (v, to) in v.iter().zip(block.chunks_exact_mut(LANES)) {
            // SAFETY: `to` holds 16 values.
            unsafe { _mm512_storeu_ps(to.as_mut_ptr(), *v) };
        }
    }
}

#[target_feature(enable = "avx2,fma")]
fn fma_avx2(out: &mut [f32], x: &[f32; LANES], b: &[f32; LANES], a: f32, steps: u32) {
    const HALF: usize = LANES / 2;
    // SAFETY: both halves of the arrays hold 8 values.
    let load =
        |from: &[f32; LANES], i: usize| unsafe { _mm256_loadu_ps(from[i * HALF..].as_ptr()) };
    let (x, b) = ([load(x, 0), load(x, 1)], [load(b, 0), load(b, 1)]);
    let a = _mm256_set1_ps(a);
    for block in out.chunks_exact_mut(NARROW * HALF) {
        let mut v: [__m256; NARROW] = from_fn(|i| black_box(x[i % 2]));
        for _ in 0..steps {
            for (i, v) in v.iter_mut().enumerate() {
                *v = _mm256_fmadd_ps(*v, a, b[i % 2]);
            }
        }
        for (v, to) in v.iter().zip(block.chunks_exact_mut(HALF)) {
            // SAFETY: `to` holds 8 values.
            unsafe { _mm256_storeu_ps(to.as_mut_ptr(), *v) };
        }
    }
}

/// `C ← C + A·B` from zero on every 16×8 tile of `out`, with the bf16 dot product.
pub(super) fn tiles(out: &mut [f32], a: &[bf16], b: &[bf16], steps: u32) -> bool {
    if !super::cpu::has_bf16() {
        return false;
    }
    // SAFETY: the CPU has AVX-512F and AVX512_BF16.
    unsafe { tiles_bf16(out, a, b, steps) };
    true
}

/// The same bits, seen as pairs of bf16.
#[target_feature(enable = "avx512f")]
fn bf16_pairs(bits: __m512i) -> __m512bh {
    // SAFETY: both are 512 plain bits.
    unsafe { std::mem::transmute::<__m512i, __m512bh>(bits) }
}

/// One register holds a column of C; a lane of `a[p]` holds the pair 2p, 2p + 1 of a row of A.
#[target_feature(enable = "avx512f,avx512bf16")]
fn tiles_bf16(out: &mut [f32], a: &[bf16], b: &[bf16], steps: u32) {
    const ROWS: usize = TILE.0;
    const COLUMNS: usize = TILE.1;
    const PAIRS: usize = TILE.2 / 2;
    let pair = |m: &[bf16], line: usize, p: usize| {
        let at = line * TILE.2 + 2 * p;
        (u32::from(m[at + 1].to_bits()) << 16 | u32::from(m[at].to_bits())) as i32
    };
    let rows: [__m512bh; PAIRS] = from_fn(|p| {
        let lanes: [i32; ROWS] = from_fn(|row| pair(a, row, p));
        // SAFETY: 16 values are loaded from 16.
        bf16_pairs(unsafe { _mm512_loadu_si512(lanes.as_ptr().cast()) })
    });
    let zero = _mm512_setzero_ps();
    let columns: [[i32; PAIRS]; COLUMNS] = from_fn(|n| from_fn(|p| pair(b, n, p)));
    for tiles in out.chunks_exact_mut(2 * ROWS * COLUMNS) {
        // Hidden, or the broadcasts would be kept as whole registers on the stack, and equal
        // tiles computed once. Two tiles share each broadcast.
        let columns = black_box(&columns);
        let mut c: [[__m512; 2]; COLUMNS] = from_fn(|_| from_fn(|_| black_box(zero)));
        for _ in 0..steps {
            for (p, row) in rows.iter().enumerate() {
                for (c, column) in c.iter_mut().zip(columns) {
                    let both = bf16_pairs(_mm512_set1_epi32(column[p]));
                    *c = c.map(|c| _mm512_dpbf16_ps(c, *row, both));
                }
            }
        }
        for (t, tile) in tiles.chunks_exact_mut(ROWS * COLUMNS).enumerate() {
            for (n, c) in c.iter().enumerate() {
                let mut lanes = [0.0f32; ROWS];
                // SAFETY: `lanes` holds 16 values.
                unsafe { _mm512_storeu_ps(lanes.as_mut_ptr(), c[t]) };
                for (row, value) in lanes.iter().enumerate() {
                    tile[row * COLUMNS + n] = *value;
                }
            }
        }
    }
}

/// `x ← max(x + 3, floor)` on integers of `width` bytes; `out` is a multiple of 1,024 bytes, and
/// `x` and `floor` hold 16 values each.
pub(super) fn int(out: &mut [u8], x: &[u8], floor: &[u8], width: usize, steps: u32) -> bool {
    let lanes = |from: &[u8]| -> [u8; 64] { from_fn(|i| from[i % from.len()]) };
    let (x, floor) = (lanes(x), lanes(floor));
    if is_x86_feature_detected!("avx512bw") {
        // SAFETY: the CPU has AVX-512BW.
        unsafe { int_avx512(out, &x, &floor, width, steps) };
    } else if is_x86_feature_detected!("avx2") {
        // SAFETY: the CPU has AVX2.
        unsafe { int_avx2(out, &x, &floor, width, steps) };
    } else {
        return false;
    }
    true
}

#[target_feature(enable = "avx512bw")]
fn int_avx512(out: &mut [u8], x: &[u8; 64], floor: &[u8; 64], width: usize, steps: u32) {
    // SAFETY: both arrays hold 64 bytes.
    let (x, b) = unsafe {
        (_mm512_loadu_si512(x.as_ptr().cast()), _mm512_loadu_si512(floor.as_ptr().cast()))
    };
    match width {
        1 => {
            let a = _mm512_set1_epi8(ADDEND as i8);
            chains_avx512(out, x, steps, |v| _mm512_max_epi8(_mm512_add_epi8(v, a), b));
        }
        2 => {
            let a = _mm512_set1_epi16(ADDEND as i16);
            chains_avx512(out, x, steps, |v| _mm512_max_epi16(_mm512_add_epi16(v, a), b));
        }
        _ => {
            let a = _mm512_set1_epi32(ADDEND);
            chains_avx512(out, x, steps, |v| _mm512_max_epi32(_mm512_add_epi32(v, a), b));
        }
    }
}

#[target_feature(enable = "avx512bw")]
fn chains_avx512(out: &mut [u8], x: __m512i, steps: u32, step: impl Fn(__m512i) -> __m512i) {
    for block in out.chunks_exact_mut(WIDE * 64) {
        let mut v: [__m512i; WIDE] = from_fn(|_| black_box(x));
        for _ in 0..steps {
            for v in &mut v {
                *v = step(*v);
            }
        }
        for (v, to) in v.iter().zip(block.chunks_exact_mut(64)) {
            // SAFETY: `to` holds 64 bytes.
            unsafe { _mm512_storeu_si512(to.as_mut_ptr().cast(), *v) };
        }
    }
}

#[target_feature(enable = "avx2")]
fn int_avx2(out: &mut [u8], x: &[u8; 64], floor: &[u8; 64], width: usize, steps: u32) {
    // SAFETY: both halves of the arrays hold 32 bytes.
    let load =
        |from: &[u8; 64], i: usize| unsafe { _mm256_loadu_si256(from[i * 32..].as_ptr().cast()) };
    let (x, b) = ([load(x, 0), load(x, 1)], [load(floor, 0), load(floor, 1)]);
    match width {
        1 => {
            let a = _mm256_set1_epi8(ADDEND as i8);
            chains_avx2(out, x, steps, |v, i| _mm256_max_epi8(_mm256_add_epi8(v, a), b[i]));
        }
        2 => {
            let a = _mm256_set1_epi16(ADDEND as i16);
            chains_avx2(out, x, steps, |v, i| _mm256_max_epi16(_mm256_add_epi16(v, a), b[i]));
        }
        _ => {
            let a = _mm256_set1_epi32(ADDEND);
            chains_avx2(out, x, steps, |v, i| _mm256_max_epi32(_mm256_add_epi32(v, a), b[i]));
        }
    }
}

/// `step` takes a register and which half of the 16 lanes (32-bit ones) it holds.
#[target_feature(enable = "avx2")]
fn chains_avx2(
    out: &mut [u8],
    x: [__m256i; 2],
    steps: u32,
    step: impl Fn(__m256i, usize) -> __m256i,
) {
    for block in out.chunks_exact_mut(NARROW * 32) {
        let mut v: [__m256i; NARROW] = from_fn(|i| black_box(x[i % 2]));
        for _ in 0..steps {
            for (i, v) in v.iter_mut().enumerate() {
                *v = step(*v, i % 2);
            }
        }
        for (v, to) in v.iter().zip(block.chunks_exact_mut(32)) {
            // SAFETY: `to` holds 32 bytes.
            unsafe { _mm256_storeu_si256(to.as_mut_ptr().cast(), *v) };
        }
    }
}

/// `out = b + 3·c` with stores that pass the caches by, which saves reading what is overwritten.
pub(super) fn triad(out: &mut [f32], b: &[f32], c: &[f32]) -> bool {
    if is_x86_feature_detected!("avx512f") {
        // SAFETY: the CPU has AVX-512F.
        unsafe { triad_avx512(out, b, c) };
    } else if is_x86_feature_detected!("avx") {
        // SAFETY: the CPU has AVX.
        unsafe { triad_avx(out, b, c) };
    } else {
        return false;
    }
    true
}

#[target_feature(enable = "avx512f")]
fn triad_avx512(out: &mut [f32], b: &[f32], c: &[f32]) {
    let factor = _mm512_set1_ps(TRIAD);
    let head = out.as_ptr().align_offset(64).min(out.len());
    let tail = head + (out.len() - head) / 16 * 16;
    super::portable::triad(&mut out[..head], &b[..head], &c[..head]);
    for ((out, b), c) in out[head..tail]
        .chunks_exact_mut(16)
        .zip(b[head..tail].chunks_exact(16))
        .zip(c[head..tail].chunks_exact(16))
    {
        // SAFETY: each chunk holds 16 values, and `out` starts at a multiple of 64 bytes.
        unsafe {
            let sum =
                _mm512_fmadd_ps(_mm512_loadu_ps(c.as_ptr()), factor, _mm512_loadu_ps(b.as_ptr()));
            _mm512_stream_ps(out.as_mut_ptr(), sum);
        }
    }
    _mm_sfence();
    super::portable::triad(&mut out[tail..], &b[tail..], &c[tail..]);
}

#[target_feature(enable = "avx")]
fn triad_avx(out: &mut [f32], b: &[f32], c: &[f32]) {
    let factor = _mm256_set1_ps(TRIAD);
    let head = out.as_ptr().align_offset(32).min(out.len());
    let tail = head + (out.len() - head) / 8 * 8;
    super::portable::triad(&mut out[..head], &b[..head], &c[..head]);
    for ((out, b), c) in out[head..tail]
        .chunks_exact_mut(8)
        .zip(b[head..tail].chunks_exact(8))
        .zip(c[head..tail].chunks_exact(8))
    {
        // SAFETY: each chunk holds 8 values, and `out` starts at a multiple of 32 bytes.
        unsafe {
            let product = _mm256_mul_ps(_mm256_loadu_ps(c.as_ptr()), factor);
            let sum = _mm256_add_ps(product, _mm256_loadu_ps(b.as_ptr()));
            _mm256_stream_ps(out.as_mut_ptr(), sum);
        }
    }
    _mm_sfence();
    super::portable::triad(&mut out[tail..], &b[tail..], &c[tail..]);
}

#[cfg(test)]
mod tests {
    //! The AVX2 entries, which a CPU with AVX-512 never chooses, against plain Rust.

    use super::super::portable;
    use super::*;

    #[test]
    fn avx2_agrees_with_plain_rust() {
        if !(is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")) {
            return;
        }
        let x: [f32; LANES] = from_fn(|i| 1.0 + i as f32 / 16.0);
        let (mut found, mut expected) = ([0.0f32; 128], [0.0f32; 128]);
        // SAFETY: the CPU has AVX2 and FMA.
        unsafe { fma_avx2(&mut found, &x, &x, -0.5, 32) };
        portable::fma(&mut expected, &x, &x, -0.5, 32);
        for (f, e) in found.iter().zip(expected) {
            assert!((f - e).abs() < 1e-5, "{f} {e}");
        }

        let (x, floor): ([i16; LANES], [i16; LANES]) =
            (from_fn(|i| i as i16), from_fn(|i| 9 - i as i16));
        let bytes =
            |v: &[i16; LANES]| -> [u8; 64] { from_fn(|i| v[i % 32 / 2].to_le_bytes()[i % 2]) };
        let (mut found, mut expected) = ([0u8; 1024], [0i16; 512]);
        // SAFETY: the CPU has AVX2.
        unsafe { int_avx2(&mut found, &bytes(&x), &bytes(&floor), 2, 20) };
        portable::int(&mut expected, &x, &floor, 20, |x, floor| (x + 3).max(floor));
        assert_eq!(found, bytemuck::cast_slice::<i16, u8>(&expected));

        let b: Vec<f32> = (0..1003).map(|i| i as f32).collect();
        let c: Vec<f32> = (0..1003).map(|i| 2000.0 - i as f32).collect();
        let mut out = vec![0.0; 1003];
        // SAFETY: the CPU has AVX.
        unsafe { triad_avx(&mut out, &b, &c) };
        // 1002 + 3 · 998
        assert_eq!((out[0], out[1], out[1002]), (6000.0, 5998.0, 3996.0));
    }
}
