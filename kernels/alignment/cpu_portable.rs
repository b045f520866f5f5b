//! Lanes as plain arrays, for every architecture; the compiler makes SIMD of them.
#![expect(clippy::needless_range_loop, reason = "all loops over lanes read alike")]

use super::cpu_lanes::{Element, ROWS, Vector};
use super::scoring::CODES;

/// `N` lanes of `E`.
#[derive(Clone, Copy)]
pub(super) struct Lanes<E, const N: usize>([E; N]);

/// What arrays of lanes need of their elements.
pub(super) trait Wrapping: Element + Ord {
    fn plus(self, other: Self) -> Self;
    fn minus(self, other: Self) -> Self;
}

macro_rules! element {
    ($($t:ty),*) => {$(
        impl Element for $t {
            const MAX: i32 = <$t>::MAX as i32;
            #[inline(always)]
            fn wrapped(value: i32) -> Self {
                value as $t
            }
            #[inline(always)]
            fn wide(self) -> i32 {
                self.into()
            }
            #[inline(always)]
            fn from_byte(byte: u8) -> Self {
                byte.into()
            }
            #[inline(always)]
            fn spread(bytes: [u8; ROWS]) -> [Self; ROWS] {
                bytes.map(|byte| byte as i8 as $t)
            }
        }
        impl Wrapping for $t {
            #[inline(always)]
            fn plus(self, other: Self) -> Self {
                self.wrapping_add(other)
            }
            #[inline(always)]
            fn minus(self, other: Self) -> Self {
                self.wrapping_sub(other)
            }
        }
    )*};
}
element!(u8, u16);

impl<E: Wrapping, const N: usize> Vector for Lanes<E, N> {
    type Element = E;
    type Mask = [bool; N];
    type Table = [E; CODES];
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
    fn min(mut self, other: Self) -> Self {
        for i in 0..N {
            self.0[i] = self.0[i].min(other.0[i]);
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
    fn any(mask: [bool; N]) -> bool {
        mask.contains(&true)
    }

    #[inline(always)]
    fn shift_in(mut self, next: E) -> Self {
        self.0.copy_within(1.., 0);
        self.0[N - 1] = next;
        self
    }

    #[inline(always)]
    fn table(numbers: &[E; CODES]) -> [E; CODES] {
        *numbers
    }

    #[inline(always)]
    fn lookup(table: &[E; CODES], codes: Self) -> Self {
        Self(codes.0.map(|code| table[code.wide() as usize % CODES]))
    }
}
