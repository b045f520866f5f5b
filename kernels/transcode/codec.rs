//! Fast encoding of samples to frames, rows of MCUs in parallel.
#![expect(unsafe_code, reason = "calls AVX2 code after a run-time check")]

use rayon::prelude::*;

use super::huffman::{BitWriter, EncodeTable, encode_table};
use super::jpeg::{self, Layout};
use super::lanes::{self, Divisors};
use super::tables::{ZIGZAG, quantisers, standard_huffman};
#[cfg(target_arch = "x86_64")]
use super::{avx2, avx512};

/// What one output geometry needs, whatever the frame.
pub struct Encoder {
    layout: Layout,
    header: Vec<u8>,
    divisors: [Divisors; 2],
    dc: [EncodeTable; 2],
    ac: [EncodeTable; 2],
}

impl Encoder {
    /// An encoder of frames in `layout`, which is a standard one.
    pub fn new(layout: Layout, quality: u32) -> Self {
        let quant = quantisers(quality);
        let codes = standard_huffman();
        Self {
            layout,
            header: jpeg::header(&layout, &quant),
            divisors: [Divisors::new(&quant[0]), Divisors::new(&quant[1])],
            dc: codes.dc.each_ref().map(encode_table),
            ac: codes.ac.each_ref().map(encode_table),
        }
    }

    /// The layout it encodes.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// One image, whose rows of MCUs `fill` provides: it is given the row's number and the
    /// three planes' samples of that row to fill in (rows `padded_size` apart).
    pub fn frame(&self, fill: impl Fn(usize, &mut [Vec<u8>; 3]) + Sync) -> Vec<u8> {
        let buffers = || -> ([Vec<u8>; 3], Vec<u8>) {
            (std::array::from_fn(|c| vec![0; band(&self.layout, c)]), Vec::new())
        };
        let rows: Vec<Vec<u8>> = (0..self.layout.mcus_y())
            .into_par_iter()
            .map_init(buffers, |(samples, bits), my| {
                fill(my, samples);
                self.row(samples, bits)
            })
            .collect();
        jpeg::assemble(&self.header, rows.iter().map(Vec::as_slice))
    }

    /// The entropy-coded bytes of one row of MCUs; `bits` is scratch.
    fn row(&self, samples: &[Vec<u8>; 3], bits: &mut Vec<u8>) -> Vec<u8> {
        #[cfg(target_arch = "x86_64")]
        if super::has_avx2() {
            return match super::has_avx512() {
                // SAFETY: the processor has these.
                true => unsafe { self.row_avx512(samples, bits) },
                // SAFETY: as above.
                false => unsafe { self.row_avx2(samples, bits) },
            };
        }
        let transform = |two: [&[u8]; 2], stride, kind: usize| {
            two.map(|samples| lanes::forward(samples, stride, &self.divisors[kind]))
        };
        self.row_with((samples, bits), transform, natural)
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt")]
    fn row_avx2(&self, samples: &[Vec<u8>; 3], bits: &mut Vec<u8>) -> Vec<u8> {
        let one = |samples: &[u8], stride, kind: usize| {
            avx2::forward(samples, stride, &self.divisors[kind])
        };
        let transform =
            |[a, b]: [&[u8]; 2], stride, kind| [one(a, stride, kind), one(b, stride, kind)];
        self.row_with((samples, bits), transform, natural)
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,avx512f,avx512bw,avx512vl")]
    fn row_avx512(&self, samples: &[Vec<u8>; 3], bits: &mut Vec<u8>) -> Vec<u8> {
        let transform = |two: [&[u8]; 2], stride, kind: usize| {
            avx512::forward(two, stride, &self.divisors[kind])
        };
        self.row_with((samples, bits), transform, |k| k)
    }

    /// `transform` turns the two blocks at the starts of slices of rows so far apart, luma (0) or
    /// chroma (1), into coefficients, where `place` says, and a mask, in zigzag order, of those that
    /// are not zero.
    #[inline(always)]
    fn row_with(
        &self,
        (samples, bits): (&[Vec<u8>; 3], &mut Vec<u8>),
        transform: impl Fn([&[u8]; 2], usize, usize) -> [([i16; 64], u64); 2],
        place: impl Fn(usize) -> usize + Copy,
    ) -> Vec<u8> {
        let layout = &self.layout;
        let mut writer = BitWriter::new(bits);
        let mut last_dc = [0; 3];
        let strides: [usize; 3] = std::array::from_fn(|c| layout.padded_size(c).0);
        let mut write = |c: usize, (block, nonzero): &([i16; 64], u64)| {
            let (dc, ac) = (&self.dc[c.min(1)], &self.ac[c.min(1)]);
            writer.block(block, place, *nonzero, &mut last_dc[c], dc, ac);
        };
        if layout.blocks_per_mcu() % 2 == 1 {
            // One block of each component: those of two MCUs side by side go together.
            for mx in (0..layout.mcus_x()).step_by(2) {
                let both = [mx, (mx + 1).min(layout.mcus_x() - 1)];
                let mut blocks = [[([0; 64], 0); 3]; 2];
                for c in 0..layout.components {
                    let starts = both.map(|mx| &samples[c][mx * 8..]);
                    [blocks[0][c], blocks[1][c]] = transform(starts, strides[c], c.min(1));
                }
                for mcu in blocks.iter().take(both[1] - mx + 1) {
                    let there = mcu.iter().take(layout.components);
                    there.enumerate().for_each(|(c, block)| write(c, block));
                }
            }
            return writer.finish();
        }
        let spots = spots(layout);
        for mx in 0..layout.mcus_x() {
            for two in spots.as_chunks::<2>().0 {
                let [c, d] = two.each_ref().map(|spot| spot.component);
                let starts =
                    two.each_ref().map(|spot| &samples[spot.component][spot.in_mcu(mx, 0)..]);
                let blocks = transform(starts, strides[c], c.min(1));
                write(c, &blocks[0]);
                write(d, &blocks[1]);
            }
        }
        writer.finish()
    }
}

/// Samples of a component, padding included, in a row of MCUs.
pub fn band(layout: &Layout, component: usize) -> usize {
    layout.padded_size(component).0 * 8 * layout.factors(component).1
}

/// Where a block of an MCU stands in its component's plane.
pub struct Spot {
    /// The component.
    pub component: usize,
    /// Samples from one row of its plane to the next.
    pub stride: usize,
    /// In the first MCU.
    first: usize,
    /// From one MCU to the next across, and down.
    step: (usize, usize),
}

impl Spot {
    /// Where its first sample is in the MCU at (`mx`, `my`).
    #[inline(always)]
    pub fn in_mcu(&self, mx: usize, my: usize) -> usize {
        self.first + mx * self.step.0 + my * self.step.1
    }
}

/// The blocks of an MCU in order. Where their number is even they come in twos that are transformed
/// together: side by side or one below the other in one plane, or one of each chroma plane.
pub fn spots(layout: &Layout) -> Vec<Spot> {
    let spot = |j| {
        let (component, x, y) = layout.block_at(0, 0, j);
        let stride = layout.padded_size(component).0;
        let first = y * stride + x;
        let step = (8 * layout.factors(component).0, band(layout, component));
        Spot { component, stride, first, step }
    };
    (0..layout.blocks_per_mcu()).map(spot).collect()
}

/// Where a coefficient stands in natural order.
#[inline(always)]
fn natural(k: usize) -> usize {
    usize::from(ZIGZAG[k & 63])
}
