//! Fast decoding of frames to samples and encoding of samples to frames, rows of MCUs in parallel.
#![expect(unsafe_code, reason = "calls AVX2 code after a run-time check")]

use std::ops::Range;

use rayon::prelude::*;

use super::container::{Damaged, Movie};
use super::huffman::{BitReader, BitWriter, Damage, DecodeTable, EncodeTable, encode_table};
use super::jpeg::{self, Frame, Layout};
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
        let buffers =
            || -> [Vec<u8>; 3] { std::array::from_fn(|c| vec![0; band(&self.layout, c)]) };
        let rows: Vec<Vec<u8>> = (0..self.layout.mcus_y())
            .into_par_iter()
            .map_init(buffers, |samples, my| {
                fill(my, samples);
                self.row(samples)
            })
            .collect();
        jpeg::assemble(&self.header, rows.iter().map(Vec::as_slice))
    }

    /// The entropy-coded bytes of one row of MCUs.
    fn row(&self, samples: &[Vec<u8>; 3]) -> Vec<u8> {
        #[cfg(target_arch = "x86_64")]
        if super::has_avx2() {
            return match super::has_avx512() {
                // SAFETY: the processor has these.
                true => unsafe { self.row_avx512(samples) },
                // SAFETY: as above.
                false => unsafe { self.row_avx2(samples) },
            };
        }
        let transform = |two: [&[u8]; 2], stride, kind: usize| {
            two.map(|samples| lanes::forward(samples, stride, &self.divisors[kind]))
        };
        self.row_with(samples, transform, natural)
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt")]
    fn row_avx2(&self, samples: &[Vec<u8>; 3]) -> Vec<u8> {
        let one = |samples: &[u8], stride, kind: usize| {
            avx2::forward(samples, stride, &self.divisors[kind])
        };
        let transform =
            |[a, b]: [&[u8]; 2], stride, kind| [one(a, stride, kind), one(b, stride, kind)];
        self.row_with(samples, transform, natural)
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,avx512f,avx512bw,avx512vl")]
    fn row_avx512(&self, samples: &[Vec<u8>; 3]) -> Vec<u8> {
        let transform = |two: [&[u8]; 2], stride, kind: usize| {
            avx512::forward(two, stride, &self.divisors[kind])
        };
        self.row_with(samples, transform, |k| k)
    }

    /// `transform` turns the two blocks at the starts of slices of rows so far apart, luma (0) or
    /// chroma (1), into coefficients, where `place` says, and a mask, in zigzag order, of those that
    /// are not zero.
    #[inline(always)]
    fn row_with(
        &self,
        samples: &[Vec<u8>; 3],
        transform: impl Fn([&[u8]; 2], usize, usize) -> [([i16; 64], u64); 2],
        place: impl Fn(usize) -> usize + Copy,
    ) -> Vec<u8> {
        let layout = &self.layout;
        let mut writer = BitWriter::new(Vec::with_capacity(layout.mcus_x() * 96));
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
fn band(layout: &Layout, component: usize) -> usize {
    layout.padded_size(component).0 * 8 * layout.factors(component).1
}

/// Where a block of an MCU stands in its component's plane.
struct Spot {
    component: usize,
    /// In the first MCU.
    first: usize,
    /// From one MCU to the next across, and down.
    step: (usize, usize),
}

impl Spot {
    #[inline(always)]
    fn in_mcu(&self, mx: usize, my: usize) -> usize {
        self.first + mx * self.step.0 + my * self.step.1
    }
}

/// The blocks of an MCU in order. Where their number is even they come in twos that are transformed
/// together: side by side or one below the other in one plane, or one of each chroma plane.
fn spots(layout: &Layout) -> Vec<Spot> {
    let spot = |j| {
        let (component, x, y) = layout.block_at(0, 0, j);
        let first = y * layout.padded_size(component).0 + x;
        let step = (8 * layout.factors(component).0, band(layout, component));
        Spot { component, first, step }
    };
    (0..layout.blocks_per_mcu()).map(spot).collect()
}

/// Where a coefficient stands in natural order.
#[inline(always)]
fn natural(k: usize) -> usize {
    usize::from(ZIGZAG[k & 63])
}

/// What decoding one frame needs beside its bytes.
struct FrameTables {
    quant: [[i16; 64]; 3],
    dc: [DecodeTable; 3],
    ac: [DecodeTable; 3],
}

impl FrameTables {
    fn new(frame: &Frame) -> Self {
        let natural = |zigzag: &[u16; 64]| {
            let mut out = [0; 64];
            for (k, &q) in zigzag.iter().enumerate() {
                out[usize::from(ZIGZAG[k])] = q as i16;
            }
            out
        };
        Self {
            quant: frame.quant.each_ref().map(natural),
            dc: frame.dc.each_ref().map(|spec| DecodeTable::new(spec, false)),
            ac: frame.ac.each_ref().map(|spec| DecodeTable::new(spec, true)),
        }
    }
}

/// Decoded samples of a frame, rows `padded_size` apart.
pub type Planes = [Vec<u8>; 3];

/// Decodes one frame into `planes`, which it resizes.
///
/// # Errors
/// Damaged picture data.
pub fn decode(data: &[u8], frame: &Frame, planes: &mut Planes) -> Result<(), Damage> {
    let layout = &frame.layout;
    let tables = FrameTables::new(frame);
    for (c, plane) in planes.iter_mut().enumerate() {
        let (width, height) = layout.padded_size(c);
        plane.resize(width * height, 0);
    }
    if frame.restart_mcus != layout.mcus_x() {
        for (i, interval) in frame.intervals.iter().enumerate() {
            let target = planes.each_mut().map(Vec::as_mut_slice);
            decode_mcus(data, interval, layout, &tables, frame.mcus_of(i), target)?;
        }
        return Ok(());
    }
    let mut component = 0..3;
    let mut rest = planes.each_mut().map(|plane| {
        // Planes that are not there have no bands.
        plane.chunks_mut(component.next().map_or(1, |c| band(layout, c).max(1)))
    });
    let row = |_| rest.each_mut().map(|plane| plane.next().unwrap_or_default());
    let rows: Vec<[&mut [u8]; 3]> = (0..layout.mcus_y()).map(row).collect();
    rows.into_par_iter().zip(&frame.intervals).try_for_each(|(row, interval)| {
        decode_mcus(data, interval, layout, &tables, 0..layout.mcus_x(), row)
    })
}

/// Decodes every frame and keeps nothing but whether it is good, in `movie` as well.
///
/// # Errors
/// The first damaged frame, by number, where `damaged` says so or none is good.
pub fn validate(data: &[u8], movie: &mut Movie, damaged: Damaged) -> Result<(), String> {
    let frames = movie.frames.par_iter();
    let found: Vec<_> =
        frames.map_init(Planes::default, |planes, frame| decode(data, frame, planes)).collect();
    let good: Vec<bool> = found.iter().map(Result::is_ok).collect();
    let mut wrong = movie.numbers().zip(&found).filter_map(|(n, found)| Some((n, found.err()?)));
    match wrong.next() {
        Some((number, damage)) if damaged == Damaged::Fail || !good.contains(&true) => {
            return Err(format!("frame {number}: {}", damage.describe()));
        }
        _ => {}
    }
    drop(wrong);
    movie.keep(&good);
    Ok(())
}

/// Decodes one interval whose MCUs are `mcus` of the `target` planes.
fn decode_mcus(
    data: &[u8],
    interval: &Range<usize>,
    layout: &Layout,
    tables: &FrameTables,
    mcus: Range<usize>,
    target: [&mut [u8]; 3],
) -> Result<(), Damage> {
    let reader = BitReader::new(data, interval.clone());
    #[cfg(target_arch = "x86_64")]
    if super::has_avx2() {
        return match super::has_avx512() {
            // SAFETY: the processor has these.
            true => unsafe { decode_avx512(reader, layout, tables, mcus, target) },
            // SAFETY: as above.
            false => unsafe { decode_avx2(reader, layout, tables, mcus, target) },
        };
    }
    decode_with(reader, layout, tables, mcus, target, one_by_one(lanes::inverse))
}

/// Two blocks, of one plane side by side or of two planes, as two single ones.
#[inline(always)]
fn one_by_one(
    one: impl Fn(&[i16; 64], &[i16; 64], &mut [u8], usize),
) -> impl Fn([&[i16; 64]; 2], [&[i16; 64]; 2], To<'_>, usize) {
    move |blocks, quant, to, stride| match to {
        To::Beside(to) => {
            one(blocks[0], quant[0], to, stride);
            one(blocks[1], quant[1], &mut to[8..], stride);
        }
        To::Both([first, second]) => {
            one(blocks[0], quant[0], first, stride);
            one(blocks[1], quant[1], second, stride);
        }
    }
}

/// Where two blocks' samples go: to the start of each slice.
enum To<'a> {
    /// Side by side into one plane.
    Beside(&'a mut [u8]),
    /// Into two planes.
    Both([&'a mut [u8]; 2]),
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,avx512f,avx512bw,avx512vl")]
fn decode_avx512(
    reader: BitReader<'_>,
    layout: &Layout,
    tables: &FrameTables,
    mcus: Range<usize>,
    target: [&mut [u8]; 3],
) -> Result<(), Damage> {
    decode_with(reader, layout, tables, mcus, target, |blocks, quant, to, stride| match to {
        To::Beside(to) => avx512::inverse_beside(blocks, quant[0], to, stride),
        To::Both(to) => avx512::inverse_both(blocks, quant, to, stride),
    })
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt")]
fn decode_avx2(
    reader: BitReader<'_>,
    layout: &Layout,
    tables: &FrameTables,
    mcus: Range<usize>,
    target: [&mut [u8]; 3],
) -> Result<(), Damage> {
    let one = |block: &[i16; 64], quant: &[i16; 64], to: &mut [u8], stride: usize| {
        avx2::inverse(block, quant, to, stride);
    };
    decode_with(reader, layout, tables, mcus, target, one_by_one(one))
}

/// `transform` writes the samples of two blocks of coefficients and their quantisers, rows so far
/// apart.
#[inline(always)]
fn decode_with(
    mut reader: BitReader<'_>,
    layout: &Layout,
    tables: &FrameTables,
    mcus: Range<usize>,
    mut target: [&mut [u8]; 3],
    transform: impl Fn([&[i16; 64]; 2], [&[i16; 64]; 2], To<'_>, usize),
) -> Result<(), Damage> {
    if layout.blocks_per_mcu() % 2 == 1 {
        return decode_singles(reader, layout, tables, mcus, target, transform);
    }
    let mut last_dc = [0; 3];
    let strides: [usize; 3] = std::array::from_fn(|c| layout.padded_size(c).0);
    let across = layout.mcus_x();
    let spots = spots(layout);
    for mcu in mcus {
        let (mx, my) = (mcu % across, mcu / across);
        for two in spots.as_chunks::<2>().0 {
            let places = two.each_ref().map(|spot| (spot.component, spot.in_mcu(mx, my)));
            let mut blocks = [[0; 64]; 2];
            let mut flat = true;
            for ((c, _), block) in places.into_iter().zip(&mut blocks) {
                let (dc, ac) = (&tables.dc[c], &tables.ac[c]);
                flat &= reader.block(dc, ac, &mut last_dc[c], block)? == 0;
            }
            let [(c, from), (d, second)] = places;
            let stride = strides[c];
            if flat {
                for ((c, from), block) in places.into_iter().zip(&blocks) {
                    fill(&mut target[c][from..], stride, block[0], tables.quant[c][0]);
                }
                continue;
            }
            let quant = [&tables.quant[c], &tables.quant[d]];
            let to = if c != d {
                let [_, u, v] = &mut target;
                To::Both([&mut u[from..], &mut v[from..]])
            } else if second == from + 8 {
                To::Beside(&mut target[c][from..])
            } else {
                To::Both(target[c][from..].split_at_mut(8 * stride).into())
            };
            transform([&blocks[0], &blocks[1]], quant, to, stride);
        }
    }
    reader.finish()
}

/// The same where an MCU has one block of each component: those of two MCUs side by side go together.
#[inline(always)]
fn decode_singles(
    mut reader: BitReader<'_>,
    layout: &Layout,
    tables: &FrameTables,
    mcus: Range<usize>,
    target: [&mut [u8]; 3],
    transform: impl Fn([&[i16; 64]; 2], [&[i16; 64]; 2], To<'_>, usize),
) -> Result<(), Damage> {
    let mut last_dc = [0; 3];
    let (across, stride) = (layout.mcus_x(), layout.padded_size(0).0);
    let mut mcu = mcus.start;
    while mcu < mcus.end {
        let (mx, my) = (mcu % across, mcu / across);
        let count = (across - mx).min(mcus.end - mcu).min(2);
        let mut blocks = [[[0; 64]; 3]; 2];
        let mut flat = [true; 3];
        for mcu in blocks.iter_mut().take(count) {
            for (c, block) in mcu.iter_mut().enumerate().take(layout.components) {
                let (dc, ac) = (&tables.dc[c], &tables.ac[c]);
                flat[c] &= reader.block(dc, ac, &mut last_dc[c], block)? == 0;
            }
        }
        for c in 0..layout.components {
            let (to, quant) = (&mut target[c][(my * stride + mx) * 8..], &tables.quant[c]);
            let both = [&blocks[0][c], &blocks[1][c]];
            if flat[c] {
                for (i, block) in both.into_iter().enumerate().take(count) {
                    fill(&mut to[8 * i..], stride, block[0], quant[0]);
                }
                continue;
            }
            if count == 2 {
                transform(both, [quant; 2], To::Beside(to), stride);
                continue;
            }
            // Alone at the end of a row or interval.
            let mut two = [0; 128];
            transform(both, [quant; 2], To::Beside(&mut two), 16);
            for (to, row) in to.chunks_mut(stride).zip(two.chunks_exact(16)) {
                to[..8].copy_from_slice(&row[..8]);
            }
        }
        mcu += count;
    }
    reader.finish()
}

/// The samples of a block that has a DC coefficient only.
#[inline(always)]
fn fill(to: &mut [u8], stride: usize, dc: i16, quant: i16) {
    let sample = lanes::inverse_flat(dc, quant);
    to.chunks_mut(stride).take(8).for_each(|row| row[..8].fill(sample));
}
