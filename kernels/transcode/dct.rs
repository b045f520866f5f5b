//! The integer transforms of libjpeg's accurate DCT ("islow"), as plain matrix products.
//!
//! The factored form there (Loeffler, Ligtenberg, Moschytz; 13-bit constants) only adds, subtracts
//! and multiplies between its two roundings, so multiplying it out gives the very same integers.
//! Samples that a well-formed stream yields are equal to libjpeg-turbo's. For streams that no
//! encoder makes, the 16-bit limits of its SIMD code are part of the definition here: products of
//! coefficient and quantiser wrap, the first pass saturates.

/// Weights of coefficients 0 to 7 in the first four outputs of a pass; the other four follow by
/// symmetry: coefficient k changes sign where k is odd.
const WEIGHTS: [[i32; 8]; 4] = [
    [8192, 11363, 10703, 9633, 8192, 6437, 4433, 2260],
    [8192, 9633, 4433, -2259, -8192, -11362, -10704, -6436],
    [8192, 6437, -4433, -11362, -8192, 2261, 10704, 9633],
    [8192, 2260, -10703, -6436, 8192, 9633, -4433, -11363],
];

/// Weight of coefficient `k` in sample `n`, both of 0 to 7.
fn weight(k: usize, n: usize) -> i32 {
    if n < 4 { WEIGHTS[n][k] } else { WEIGHTS[7 - n][k] * (1 - 2 * (k as i32 & 1)) }
}

/// `x / 2^bits`, rounded half up.
fn descale(x: i32, bits: u32) -> i32 {
    x.wrapping_add(1 << (bits - 1)) >> bits
}

/// Samples of a block from its coefficients in natural order times the quantiser.
pub fn inverse(coefficients: &[i16; 64], quant: &[u16; 64]) -> [u8; 64] {
    let x: [i32; 64] = std::array::from_fn(|i| {
        i32::from((i32::from(coefficients[i]) * i32::from(quant[i])) as i16)
    });
    let mut columns = [0i32; 64];
    for (n, u) in (0..64).map(|i| (i / 8, i % 8)) {
        let sum = (0..8).fold(0i32, |s, k| s.wrapping_add(x[k * 8 + u].wrapping_mul(weight(k, n))));
        columns[n * 8 + u] = descale(sum, 11).clamp(-32768, 32767);
    }
    std::array::from_fn(|i| {
        let (row, n) = (i / 8 * 8, i % 8);
        let sum =
            (0..8).fold(0i32, |s, k| s.wrapping_add(columns[row + k].wrapping_mul(weight(k, n))));
        (descale(sum, 18).wrapping_add(128)).clamp(0, 255) as u8
    })
}

/// Eight times the DCT coefficients of a block, in natural order.
pub fn forward(samples: &[u8; 64]) -> [i32; 64] {
    let mut rows = [0i32; 64];
    for (y, u) in (0..64).map(|i| (i / 8, i % 8)) {
        let sum: i32 = (0..8).map(|n| (i32::from(samples[y * 8 + n]) - 128) * weight(u, n)).sum();
        rows[y * 8 + u] = descale(sum, 11);
    }
    std::array::from_fn(|i| {
        let (v, u) = (i / 8, i % 8);
        let sum: i32 = (0..8).map(|n| rows[n * 8 + u] * weight(v, n)).sum();
        descale(sum, 15)
    })
}

/// A coefficient from eight times its value: divided by eight times the divisor, rounded to the
/// nearest, halves away from zero.
pub fn quantise(value: i32, divisor: u16) -> i16 {
    let divisor = i32::from(divisor) * 8;
    let magnitude = (value.abs() + divisor / 2) / divisor;
    (if value < 0 { -magnitude } else { magnitude }) as i16
}
