//! Registers of which some lanes are read and written: rows end where they end.
#![expect(unsafe_code, reason = "SIMD intrinsics and raw addresses")]

use std::ops::Range;

use crate::matmul::simd::{Lanes, Portable};

/// Registers of which some lanes are read or written.
pub(super) trait Masked: Lanes {
    /// Some lanes.
    type M: Copy;
    /// The lanes of `lanes`, whatever of them there are.
    unsafe fn mask(lanes: Range<isize>) -> Self::M;
    /// Those lanes of memory; the others are zero and not read.
    unsafe fn load_some(p: *const f32, lanes: Self::M) -> Self::V;
    /// Writes those lanes.
    unsafe fn store_some(p: *mut f32, v: Self::V, lanes: Self::M);
    /// Lanes 0, 2, 4, … of `a`, then of `b`.
    unsafe fn evens(a: Self::V, b: Self::V) -> Self::V;
}

// SAFETY (of all blocks): callers vouch for the addresses of the lanes.
impl Masked for Portable {
    type M = [bool; 4];
    #[inline(always)]
    unsafe fn mask(lanes: Range<isize>) -> Self::M {
        std::array::from_fn(|i| lanes.contains(&(i as isize)))
    }
    #[inline(always)]
    unsafe fn load_some(p: *const f32, lanes: Self::M) -> Self::V {
        // SAFETY: see above.
        std::array::from_fn(|i| if lanes[i] { unsafe { *p.wrapping_add(i) } } else { 0.0 })
    }
    #[inline(always)]
    unsafe fn store_some(p: *mut f32, v: Self::V, lanes: Self::M) {
        for (i, v) in v.into_iter().enumerate().filter(|(i, _)| lanes[*i]) {
            // SAFETY: see above.
            unsafe { *p.wrapping_add(i) = v }
        }
    }
    #[inline(always)]
    unsafe fn evens(a: Self::V, b: Self::V) -> Self::V {
        [a[0], a[2], b[0], b[2]]
    }
}

/// Values of a row some columns apart, zeros where the row has none.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample {
    pub row: *const f32,
    /// Values of the row.
    pub width: usize,
    /// Column of the first value; may lie beside the row.
    pub start: isize,
    pub to: *mut f32,
    pub count: usize,
    /// So many more places may be written, with anything: whole registers are faster, and can be
    /// read again at once.
    pub spare: usize,
}

/// # Safety
/// The CPU has the instruction set; `width` values of the row and `count + spare` places are valid.
pub(super) type SampleFn = unsafe fn(&Sample);

/// Values `S` columns apart, 1 or 2.
///
/// # Safety
/// As [`SampleFn`]; the CPU has the instructions of `L`.
#[inline(always)]
pub(super) unsafe fn sample<L: Masked, const S: usize>(s: &Sample) {
    let (width, size) = (s.width as isize, L::LANES as isize);
    for first in (0..s.count).step_by(L::LANES) {
        let column = s.start + (first * S) as isize;
        let on_row = -column..width - column;
        let from = s.row.wrapping_offset(column);
        let whole = on_row.start <= 0 && on_row.end >= size * S as isize;
        // SAFETY: masks leave out what lies beside the row and beyond the last place.
        unsafe {
            let part = |at: usize| {
                let (from, at) = (from.wrapping_add(at), at as isize);
                if whole {
                    L::load(from)
                } else {
                    L::load_some(from, L::mask(on_row.start - at..on_row.end - at))
                }
            };
            let mut value = part(0);
            if S == 2 {
                value = L::evens(value, part(L::LANES));
            }
            if first + L::LANES <= s.count + s.spare {
                L::store(s.to.add(first), value);
            } else {
                L::store_some(s.to.add(first), value, L::mask(0..(s.count - first) as isize));
            }
        }
    }
}
