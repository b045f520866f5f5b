//! The integer transforms on eight lanes at a time, in a form that compilers turn into SIMD.
//!
//! Same integers as `dct`: the odd parts multiply by the multiplied-out constants, the even parts
//! use the butterfly.

use super::tables::ZIGZAG;

/// Eight 32-bit lanes: one row of a block.
type Lanes = [i32; 8];

#[inline(always)]
fn zip(a: Lanes, b: Lanes, f: impl Fn(i32, i32) -> i32) -> Lanes {
    std::array::from_fn(|i| f(a[i], b[i]))
}

#[inline(always)]
fn add(a: Lanes, b: Lanes) -> Lanes {
    zip(a, b, i32::wrapping_add)
}

#[inline(always)]
fn sub(a: Lanes, b: Lanes) -> Lanes {
    zip(a, b, i32::wrapping_sub)
}

/// `a·x + b·y`.
#[inline(always)]
fn mix(x: Lanes, a: i32, y: Lanes, b: i32) -> Lanes {
    zip(x, y, |x, y| x.wrapping_mul(a).wrapping_add(y.wrapping_mul(b)))
}

#[inline(always)]
fn descale<const BITS: u32>(x: Lanes) -> Lanes {
    x.map(|x| x.wrapping_add(1 << (BITS - 1)) >> BITS)
}

#[inline(always)]
fn transpose(x: [Lanes; 8]) -> [Lanes; 8] {
    std::array::from_fn(|i| std::array::from_fn(|j| x[j][i]))
}

/// The four odd sums of either direction.
#[inline(always)]
fn odd(x: [Lanes; 4]) -> [Lanes; 4] {
    let [a, b, c, d] = x;
    [
        add(mix(a, 11363, b, 9633), mix(c, 6437, d, 2260)),
        add(mix(a, 9633, b, -2259), mix(c, -11362, d, -6436)),
        add(mix(a, 6437, b, -11362), mix(c, 2261, d, 9633)),
        add(mix(a, 2260, b, -6436), mix(c, 9633, d, -11363)),
    ]
}

#[inline(always)]
fn inverse_pass<const BITS: u32>(x: [Lanes; 8]) -> [Lanes; 8] {
    let sum = add(x[0], x[4]).map(|v| v << 13);
    let difference = sub(x[0], x[4]).map(|v| v << 13);
    let high = mix(x[2], 10703, x[6], 4433);
    let low = mix(x[2], 4433, x[6], -10704);
    let even = [add(sum, high), add(difference, low), sub(difference, low), sub(sum, high)];
    let odd = odd([x[1], x[3], x[5], x[7]]);
    std::array::from_fn(|n| {
        let m = n.min(7 - n);
        descale::<BITS>(if n < 4 { add(even[m], odd[m]) } else { sub(even[m], odd[m]) })
    })
}

/// Samples of a block from its coefficients and quantiser (natural order), into the rows of `to`
/// that are `stride` apart.
pub fn inverse(coefficients: &[i16; 64], quant: &[i16; 64], to: &mut [u8], stride: usize) {
    let mut x = [[0; 8]; 8];
    for (i, (c, q)) in coefficients.iter().zip(quant).enumerate() {
        x[i / 8][i % 8] = i32::from(c.wrapping_mul(*q));
    }
    let columns = inverse_pass::<11>(x).map(|row| row.map(|v| v.clamp(-32768, 32767)));
    let rows = transpose(inverse_pass::<18>(transpose(columns)));
    for (row, to) in rows.iter().zip(to.chunks_mut(stride)) {
        for (v, to) in row.iter().zip(to) {
            *to = v.wrapping_add(128).clamp(0, 255) as u8;
        }
    }
}

/// The sample of a block that has a DC coefficient only.
#[inline(always)]
pub fn inverse_flat(dc: i16, quant: i16) -> u8 {
    let column = (i32::from(dc.wrapping_mul(quant)) << 2).clamp(-32768, 32767);
    (((column + 16) >> 5) + 128).clamp(0, 255) as u8
}

#[inline(always)]
fn forward_pass<const DC: u32, const AC: u32>(x: [Lanes; 8], even_up: u32) -> [Lanes; 8] {
    let sums: [Lanes; 4] = std::array::from_fn(|i| add(x[i], x[7 - i]));
    let differences: [Lanes; 4] = std::array::from_fn(|i| sub(x[i], x[7 - i]));
    let [outer, inner] = [add(sums[0], sums[3]), add(sums[1], sums[2])];
    let [a, b] = [sub(sums[0], sums[3]), sub(sums[1], sums[2])];
    let straight = |v: Lanes| {
        let up = v.map(|v| v << even_up);
        if DC == 0 { up } else { descale_dc::<DC>(up) }
    };
    let odd = odd(differences);
    [
        straight(add(outer, inner)),
        descale::<AC>(odd[0]),
        descale::<AC>(mix(a, 10703, b, 4433)),
        descale::<AC>(odd[1]),
        straight(sub(outer, inner)),
        descale::<AC>(odd[2]),
        descale::<AC>(mix(a, 4433, b, -10704)),
        descale::<AC>(odd[3]),
    ]
}

#[inline(always)]
fn descale_dc<const BITS: u32>(x: Lanes) -> Lanes {
    x.map(|x| (x + (1 << BITS >> 1)) >> BITS)
}

/// A quantiser for 16-bit lanes: `(n · factor >> 16) · step >> 16` is `n / d` for n below 2^14.
/// In natural order.
pub struct Divisors {
    /// Half of d.
    pub half: [i16; 64],
    /// Unsigned.
    pub factor: [i16; 64],
    /// Unsigned.
    pub step: [i16; 64],
}

impl Divisors {
    /// From divisors in zigzag order. For d of 8 to 2040 (eight times the divisor) the quotient
    /// is `n · ceil(2^s / d) >> s` with s = 14 + ceil(log2 d), 17 to 25.
    pub fn new(quant: &[u16; 64]) -> Self {
        let mut out = Self { half: [0; 64], factor: [0; 64], step: [0; 64] };
        for (&at, &q) in ZIGZAG.iter().zip(quant) {
            let (at, d) = (usize::from(at), u32::from(q) * 8);
            let s = 14 + (d - 1).ilog2() + 1;
            out.half[at] = (d / 2) as i16;
            out.factor[at] = (1u32 << s).div_ceil(d) as u16 as i16;
            out.step[at] = (1u32 << (32 - s)) as i16;
        }
        out
    }
}

/// Quantised coefficients in natural order of the block whose rows start `stride` apart in
/// `samples`, and which of them are not zero, in zigzag order.
pub fn forward(samples: &[u8], stride: usize, divisors: &Divisors) -> ([i16; 64], u64) {
    let mut x = [[0; 8]; 8];
    for (row, samples) in x.iter_mut().zip(samples.chunks(stride)) {
        for (x, &sample) in row.iter_mut().zip(samples) {
            *x = i32::from(sample) - 128;
        }
    }
    let rows = transpose(forward_pass::<0, 11>(transpose(x), 2));
    let spectrum = forward_pass::<2, 15>(rows, 0);
    let (mut out, mut nonzero) = ([0; 64], 0);
    for (k, &at) in ZIGZAG.iter().enumerate() {
        let i = usize::from(at);
        let value = spectrum[i / 8][i % 8];
        let n = value.unsigned_abs() + divisors.half[i] as u32;
        let high = (n * u32::from(divisors.factor[i] as u16)) >> 16;
        let magnitude = ((high * u32::from(divisors.step[i] as u16)) >> 16) as i32;
        out[i] = (if value < 0 { -magnitude } else { magnitude }) as i16;
        nonzero |= u64::from(magnitude != 0) << k;
    }
    (out, nonzero)
}
