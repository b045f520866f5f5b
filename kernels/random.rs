//! Seeded random inputs: the same seed gives the same bytes on every machine and version.

use rand_core::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

/// A named, stable generator (xoshiro256++ seeded through SplitMix64).
pub struct Random(Xoshiro256PlusPlus);

impl Random {
    /// A generator for `seed`; `stream` separates the arrays of one input.
    pub fn new(seed: u64, stream: u64) -> Self {
        Self(Xoshiro256PlusPlus::seed_from_u64(seed ^ stream.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A whole number below `n` (n > 0), by multiplication (bias below n / 2^64).
    pub fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(n)) >> 64) as u64
    }

    /// Uniform in [0, 1) with 53 random bits.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// Uniform in (−1, 1), zero mean, all 24 bits of the mantissa in use.
    pub fn signed(&mut self) -> f32 {
        let magnitude = ((self.bits() >> 40) as f32 + 0.5) * (1.0 / (1u32 << 24) as f32);
        if self.bits() & 1 == 0 { magnitude } else { -magnitude }
    }
}
