//! Filters over a single channel with 3, 5 or 7 taps a side: outputs that are neighbours are summed
//! together, because they share most of what they read. Everything is read where it lies.
#![expect(unsafe_code, reason = "SIMD intrinsics and raw addresses")]

use super::lanes::unrolled;
use super::masked::Masked;
use crate::matmul::simd::Portable;
use crate::recording::ConvShape;

/// Sums of neighbouring outputs, a register each.
///
/// Of planes (NCHW) a register holds columns, and the neighbours are rows; of pixels (NHWC) it holds
/// channels, and the neighbours are columns. *Along* is the direction of the neighbours, *across* the
/// other one.
#[derive(Debug, Clone)]
pub(super) struct Stencil<'a> {
    /// Inputs along from the first output's first tap on: where they begin. Beside the image they are
    /// zeros. Those of the next tap across are `across` further on (0: the same, an element later).
    pub inputs: &'a [*const f32],
    /// See `inputs`.
    pub across: usize,
    /// Elements from an input's beginning to what lane 0 reads.
    pub first: isize,
    /// Planes whose register goes beyond a row: the column of lane 0 under the first tap, and the columns
    /// of the image.
    pub columns: Option<[isize; 2]>,
    /// Weight of the first tap: one for all lanes of planes, one for each of pixels.
    pub w: *const f32,
    /// Elements between weights along and across.
    pub w_strides: [usize; 2],
    /// First sum.
    pub y: *mut f32,
    /// Elements between outputs.
    pub y_along: usize,
    /// Lanes whose sums are written.
    pub lanes: usize,
}

/// # Safety
/// The CPU has the instruction set. There are inputs for all taps of all outputs. Of each is valid what lanes
/// and taps reach: of planes `stride · lanes of a register + taps − 1` elements from `first` on, or, with
/// `columns`, those of the image; of pixels `lanes` from `first` on. So are all weights and `lanes` elements
/// of each output, which no other thread touches meanwhile.
pub(super) type StencilFn = unsafe fn(&Stencil<'_>);

/// Outputs computed together; or one.
pub(super) const TOGETHER: usize = 7;

/// The functions of one instruction set.
#[derive(Clone, Copy)]
pub(super) struct Set {
    /// `[taps a side: 3, 5, 7][stride − 1][one output, or TOGETHER]`, registers within rows.
    planes: [[[StencilFn; 2]; 2]; 3],
    /// The same for registers that go beyond rows.
    edges: [[[StencilFn; 2]; 2]; 3],
    /// The same.
    pixels: [[[StencilFn; 2]; 2]; 3],
}

/// Where a filter is in the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Filter {
    side: usize,
    stride: usize,
    /// Taps a side.
    pub taps: usize,
}

impl Filter {
    /// The filter of a layer, if it is square, dense and of a size known here.
    pub fn of(shape: &ConvShape) -> Option<Self> {
        let regular = shape.kernel_h == shape.kernel_w && shape.dilation == 1 && shape.stride <= 2;
        let side = [3, 5, 7].iter().position(|known| *known == shape.kernel_w);
        let stride = shape.stride as usize - 1;
        side.filter(|_| regular).map(|side| Self { side, stride, taps: 2 * side + 3 })
    }

    /// Inputs along under `together` outputs.
    pub fn inputs(&self, together: usize) -> usize {
        (together - 1) * (self.stride + 1) + self.taps
    }
}

impl Set {
    /// Computes `together` (1 or [`TOGETHER`]) outputs of planes.
    ///
    /// # Safety
    /// As [`StencilFn`].
    pub unsafe fn plane(&self, filter: Filter, together: usize, stencil: &Stencil<'_>) {
        let table = if stencil.columns.is_some() { &self.edges } else { &self.planes };
        // SAFETY: the set was chosen for this CPU; the caller vouches for the addresses.
        unsafe { table[filter.side][filter.stride][usize::from(together > 1)](stencil) }
    }

    /// The same of pixels.
    ///
    /// # Safety
    /// As [`StencilFn`].
    pub unsafe fn pixel(&self, filter: Filter, together: usize, stencil: &Stencil<'_>) {
        // SAFETY: as above.
        unsafe { self.pixels[filter.side][filter.stride][usize::from(together > 1)](stencil) }
    }
}

/// What the lanes of a register are.
const WITHIN: u8 = 0;
const BEYOND: u8 = 1;
const CHANNELS: u8 = 2;

/// `N` outputs of filters of `K` taps a side, stride `S`.
///
/// # Safety
/// As [`StencilFn`]; the CPU has the instructions of `L`.
#[inline(always)]
unsafe fn stencil<L, const K: usize, const S: usize, const N: usize, const OF: u8>(s: &Stencil<'_>)
where
    L: Masked,
{
    debug_assert!(s.inputs.len() >= (K - 1) * s.across + (N - 1) * S + K);
    let [column, width] = s.columns.unwrap_or_default();
    // SAFETY: as the caller says; masks leave out what lies beside the image.
    unsafe {
        let lanes = L::mask(0..s.lanes as isize);
        let mut sums = [L::zero(); N];
        for tap in 0..K {
            let inputs = s.inputs.as_ptr().add(tap * s.across);
            let first = if OF == CHANNELS { s.first } else { s.first + tap as isize };
            let column = column + tap as isize;
            let size = L::LANES as isize;
            let row = -column..width - column;
            let masks = [L::mask(row.clone()), L::mask(row.start - size..row.end - size)];
            let read = |from: *const f32, part: usize| match OF {
                BEYOND => L::load_some(from.wrapping_add(part * L::LANES), masks[part]),
                CHANNELS => L::load_some(from, lanes),
                _ => L::load(from.wrapping_add(part * L::LANES)),
            };
            let mut weights = [L::zero(); K];
            for (k, weight) in weights.iter_mut().enumerate() {
                let at = s.w.add(tap * s.w_strides[1] + k * s.w_strides[0]);
                *weight = if OF == CHANNELS { L::load_some(at, lanes) } else { L::splat(at) };
            }
            unrolled!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18; (N - 1) * S + K; |INPUT| {
                let from = (*inputs.add(INPUT)).wrapping_offset(first);
                let mut value = read(from, 0);
                if OF != CHANNELS && S == 2 {
                    value = L::evens(value, read(from, 1));
                }
                for (output, sum) in sums.iter_mut().enumerate() {
                    if (output * S..output * S + K).contains(&INPUT) {
                        *sum = L::fma(weights[INPUT - output * S], value, *sum);
                    }
                }
            });
        }
        for (output, sum) in sums.into_iter().enumerate() {
            L::store_some(s.y.add(output * s.y_along), sum, lanes);
        }
    }
}

/// The functions of one instruction set, compiled with its features.
macro_rules! set {
    ($module:ident, $lanes:ty $(, $feature:literal)?) => {
        pub(super) mod $module {
            use super::*;

            $(#[target_feature(enable = $feature)])?
            unsafe fn run<const K: usize, const S: usize, const N: usize, const OF: u8>(
                s: &Stencil<'_>,
            ) {
                // SAFETY: as the type of the table demands of its caller.
                unsafe { stencil::<$lanes, K, S, N, OF>(s) }
            }
            const fn strides<const K: usize, const OF: u8>() -> [[StencilFn; 2]; 2] {
                [
                    [run::<K, 1, 1, OF>, run::<K, 1, TOGETHER, OF>],
                    [run::<K, 2, 1, OF>, run::<K, 2, TOGETHER, OF>],
                ]
            }
            const fn sides<const OF: u8>() -> [[[StencilFn; 2]; 2]; 3] {
                [strides::<3, OF>(), strides::<5, OF>(), strides::<7, OF>()]
            }
            /// The functions.
            pub const SET: Set =
                Set { planes: sides::<WITHIN>(), edges: sides::<BEYOND>(), pixels: sides::<CHANNELS>() };
        }
    };
}

set!(portable, Portable);
#[cfg(target_arch = "x86_64")]
set!(avx2, crate::matmul::simd_x86::Avx2, "avx2,fma");
#[cfg(target_arch = "x86_64")]
set!(avx512, crate::matmul::simd_x86::Avx512, "avx512f");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::convolution::lanes::available;

    /// Sums as [`stencil`] defines them; `at(tap, input)` is what lane 0 reads.
    fn expected(
        filter: Filter,
        output: usize,
        read: impl Fn(usize, usize) -> f32,
        w: impl Fn(usize, usize) -> f32,
    ) -> f32 {
        let taps = (0..filter.taps * filter.taps).map(|i| (i / filter.taps, i % filter.taps));
        taps.map(|(across, along)| {
            read(across, output * (filter.stride + 1) + along) * w(across, along)
        })
        .sum()
    }

    #[test]
    fn every_instruction_set_sums_rows_and_what_lies_beyond_them() {
        // 20 rows of 40 whole numbers, and weights likewise, so that every order is exact.
        let x: Vec<f32> = (0..20 * 40).map(|i| (i % 23) as f32 - 11.0).collect();
        let w: Vec<f32> = (0..49).map(|i| (i % 7) as f32 - 3.0).collect();
        for (set, side, stride, together) in cases() {
            let filter = Filter { side, stride, taps: 2 * side + 3 };
            let rows: Vec<*const f32> = x.chunks(40).map(<[f32]>::as_ptr).collect();
            for (first, lanes) in [(0, set.lanes), (-3, set.lanes), (35, 3), (-1, 2)] {
                let within =
                    first >= 0 && first as usize + filter.taps + set.lanes * (stride + 1) <= 41;
                let mut y = vec![-1.0; together * 20];
                let stencil = Stencil {
                    inputs: &rows,
                    across: 0,
                    first,
                    columns: (!within).then_some([first, 40]),
                    w: w.as_ptr(),
                    w_strides: [filter.taps, 1],
                    y: y.as_mut_ptr(),
                    y_along: 20,
                    lanes,
                };
                // SAFETY: the rows and y are as long as it says.
                unsafe { set.stencils.plane(filter, together, &stencil) };
                for (i, y) in y.into_iter().enumerate() {
                    let (output, lane) = (i / 20, i % 20);
                    let read = |tap: usize, input: usize| {
                        let column = first + (tap + lane * (stride + 1)) as isize;
                        if (0..40).contains(&column) {
                            x[input * 40 + column as usize]
                        } else {
                            0.0
                        }
                    };
                    let weight = |across: usize, along: usize| w[along * filter.taps + across];
                    let sum = expected(filter, output, read, weight);
                    assert_eq!(
                        y,
                        if lane < lanes { sum } else { -1.0 },
                        "{filter:?}, {first}, {i}"
                    );
                }
            }
        }
    }

    #[test]
    fn every_instruction_set_sums_channels() {
        // 7 rows of 19 pixels of 20 channels.
        let x: Vec<f32> = (0..7 * 19 * 20).map(|i| (i % 23) as f32 - 11.0).collect();
        let w: Vec<f32> = (0..49 * 20).map(|i| (i % 7) as f32 - 3.0).collect();
        for (set, side, stride, together) in cases() {
            let filter = Filter { side, stride, taps: 2 * side + 3 };
            let pixels: Vec<*const f32> = x.chunks(20).map(<[f32]>::as_ptr).collect();
            for lanes in [set.lanes, 3] {
                let mut y = vec![-1.0; together * 20];
                let stencil = Stencil {
                    inputs: &pixels,
                    across: 19,
                    first: 2,
                    columns: None,
                    w: w[2..].as_ptr(),
                    w_strides: [20, filter.taps * 20],
                    y: y.as_mut_ptr(),
                    y_along: 20,
                    lanes,
                };
                // SAFETY: pixels, weights and y are as long as it says.
                unsafe { set.stencils.pixel(filter, together, &stencil) };
                for (i, y) in y.into_iter().enumerate() {
                    let (output, lane) = (i / 20, i % 20);
                    let read = |tap: usize, input: usize| x[(tap * 19 + input) * 20 + 2 + lane];
                    let weight = |across: usize, along: usize| {
                        w[(across * filter.taps + along) * 20 + 2 + lane]
                    };
                    if lane < lanes {
                        assert_eq!(y, expected(filter, output, read, weight), "{filter:?}, {i}");
                    } else {
                        assert_eq!(y, -1.0, "{filter:?}: written beyond the lanes");
                    }
                }
            }
        }
    }

    /// Every set with every filter, one output and several.
    fn cases() -> Vec<(crate::convolution::lanes::Set, usize, usize, usize)> {
        let mut all = Vec::new();
        for index in 0..available().len() {
            for i in 0..12 {
                let together = if i % 2 == 0 { 1 } else { TOGETHER };
                all.push((available().swap_remove(index), i / 4, i / 2 % 2, together));
            }
        }
        all
    }
}
