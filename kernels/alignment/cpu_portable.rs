//! Lanes as plain arrays, for every architecture; the compiler makes SIMD of them.
#![expect(clippy::needless_range_loop, reason = "all loops over lanes read alike")]

use super::cpu_lanes::{Element, Vector};

/// `N` lanes of `E`.
#[derive(Clone, Copy)]
pub(super) struct Lanes<E, const N: usize>([E; N]);

/// What arrays of lanes need of their elements.
pub(super) trait Saturating: Element + Ord {
    fn plus(self, other: Self) -> Self;
    fn minus(self, other: Self) -> Self;
}

macro_rules! element {
    ($($t:ty),*) => {$(
        impl Element for $t {
            const MIN: Self = <$t>::MIN;
            const MAX: i64 = <$t>::MAX as i64;
            const BITS: u32 = <$t>::BITS;
            #[inline(always)]
            fn clamped(value: i64) -> Self {
                value.clamp(<$t>::MIN as i64, <$t>::MAX as i64) as $t
            }
            #[inline(always)]
            fn wide(self) -> i64 {
                self as i64
            }
            #[inline(always)]
            fn from_byte(byte: u8) -> Self {
                byte as $t
            }
        }
        impl Saturating for $t {
            #[inline(always)]
            fn plus(self, other: Self) -> Self {
                self.saturating_add(other)
            }
            #[inline(always)]
            fn minus(self, other: Self) -> Self {
                self.saturating_sub(other)
            }
        }
    )*};
}
element!(u8, u16, u32, i16, i32);

impl<E: Saturating, const N: usize> Vector for Lanes<E, N> {
    type Element = E;
    type Mask = [bool; N];
    const LANES: usize = N;

    #[inline(always)]
    fn splat(value: E) -> Self {
        Self([value; N])
    }

    #[inline(always)]
    fn load(from: &[E]) -> Self {
        let mut lanes = [E::default(); N];
        lanes.copy_from_slice(&from[..N]);
        Self(lanes)
    }

    #[inline(always)]
    fn store(self, to: &mut [E]) {
        to[..N].copy_from_slice(&self.0);
    }

    #[inline(always)]
    fn add(mut self, other: Self) -> Self {
        for i in 0..N {
            self.0[i] = self.0[i].plus(other.0[i]);
        }
        self
    }

    #[inline(always)]
    fn sub(mut self, other: Self) -> Self {
        for i in 0..N {
            self.0[i] = self.0[i].minus(other.0[i]);
        }
        self
    }

    #[inline(always)]
    fn max(mut self, other: Self) -> Self {
        for i in 0..N {
            self.0[i] = self.0[i].max(other.0[i]);
        }
        self
    }

    #[inline(always)]
    fn equals(self, other: Self) -> [bool; N] {
        let mut mask = [false; N];
        for i in 0..N {
            mask[i] = self.0[i] == other.0[i];
        }
        mask
    }

    #[inline(always)]
    fn exceeds(self, other: Self) -> [bool; N] {
        let mut mask = [false; N];
        for i in 0..N {
            mask[i] = self.0[i] > other.0[i];
        }
        mask
    }

    #[inline(always)]
    fn select(mask: [bool; N], yes: Self, mut no: Self) -> Self {
        for i in 0..N {
            no.0[i] = if mask[i] { yes.0[i] } else { no.0[i] };
        }
        no
    }

    #[inline(always)]
    fn add_where(mut self, mask: [bool; N], other: Self) -> Self {
        for i in 0..N {
            let more = if mask[i] { other.0[i] } else { E::default() };
            self.0[i] = self.0[i].plus(more);
        }
        self
    }
}
