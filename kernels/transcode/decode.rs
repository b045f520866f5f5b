//! Fast decoding of frames to samples, restart intervals in parallel where each is a row of MCUs.
#![expect(unsafe_code, reason = "calls code for newer processors after a run-time check")]

use std::ops::Range;

use rayon::prelude::*;

use super::codec::{Spot, band, spots};
use super::container::{Damaged, Movie};
use super::jpeg::{Frame, Layout};
use super::lanes;
use super::scan::{CHUNK, Chunk, Damage, Order, Scan, ScanTables};
use super::tables::{HuffmanSpec, ZIGZAG};
#[cfg(target_arch = "x86_64")]
use super::{avx2, avx512};

/// Decoded samples of a frame, rows `padded_size` apart; empty where a component is not there.
pub type Planes = [Vec<u8>; 3];

/// Decodes one frame after another; frames of a film mostly have the same tables.
#[derive(Default)]
pub struct Decoder {
    planes: Planes,
    tables: Option<Tables>,
}

/// What decoding a frame needs beside its bytes, and what it was made of.
struct Tables {
    source: ([HuffmanSpec; 3], [HuffmanSpec; 3], Layout),
    codes: ScanTables,
    /// The blocks of an MCU, and the order of blocks in as many MCUs as a chunk holds.
    spots: Vec<Spot>,
    order: Order,
}

impl Tables {
    fn new(frame: &Frame) -> Self {
        let codes = ScanTables::new(&frame.dc, &frame.ac);
        let spots = spots(&frame.layout);
        let components = spots.iter().map(|spot| spot.component).cycle();
        let order = Order::new(&codes, components);
        let source = (frame.dc.clone(), frame.ac.clone(), frame.layout);
        Self { source, codes, spots, order }
    }

    fn are_of(&self, frame: &Frame) -> bool {
        let (dc, ac, layout) = &self.source;
        (dc, ac, layout) == (&frame.dc, &frame.ac, &frame.layout)
    }
}

impl Decoder {
    /// The samples of one frame, whose ranges index `data`.
    ///
    /// # Errors
    /// Damaged picture data.
    pub fn frame(&mut self, data: &[u8], frame: &Frame) -> Result<&Planes, Damage> {
        let layout = &frame.layout;
        for (c, plane) in self.planes.iter_mut().enumerate() {
            let (width, height) = layout.padded_size(c);
            plane.resize(width * height, 0);
        }
        let known = self.tables.take().filter(|tables| tables.are_of(frame));
        let tables = &*self.tables.insert(known.unwrap_or_else(|| Tables::new(frame)));
        let quant = frame.quant.each_ref().map(natural);
        let frame_of = |interval: &Range<usize>| Interval {
            scan: Scan::new(data, interval.clone()),
            layout,
            tables,
            quant: &quant,
        };
        if frame.restart_mcus != layout.mcus_x() {
            for (i, interval) in frame.intervals.iter().enumerate() {
                let target = self.planes.each_mut().map(Vec::as_mut_slice);
                frame_of(interval).decode(frame.mcus_of(i), target)?;
            }
            return Ok(&self.planes);
        }
        let mut component = 0..3;
        let mut rest = self.planes.each_mut().map(|plane| {
            // Planes that are not there have no bands.
            plane.chunks_mut(component.next().map_or(1, |c| band(layout, c).max(1)))
        });
        let row = |_| rest.each_mut().map(|plane| plane.next().unwrap_or_default());
        let rows: Vec<[&mut [u8]; 3]> = (0..layout.mcus_y()).map(row).collect();
        rows.into_par_iter()
            .zip(&frame.intervals)
            .try_for_each(|(row, interval)| frame_of(interval).decode(0..layout.mcus_x(), row))?;
        Ok(&self.planes)
    }
}

/// A quantiser in natural order.
fn natural(zigzag: &[u16; 64]) -> [i16; 64] {
    let mut out = [0; 64];
    for (k, &q) in zigzag.iter().enumerate() {
        out[usize::from(ZIGZAG[k])] = q as i16;
    }
    out
}

/// Decodes every frame and keeps nothing but whether it is good, in `movie` as well.
///
/// # Errors
/// The first damaged frame, by number, where `damaged` says so or none is good.
pub fn validate(data: &[u8], movie: &mut Movie, damaged: Damaged) -> Result<(), String> {
    let frames = movie.frames.par_iter();
    let decode = |decoder: &mut Decoder, frame| decoder.frame(data, frame).map(drop);
    let found: Vec<_> = frames.map_init(Decoder::default, decode).collect();
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

/// Two blocks, of one plane side by side or anywhere, as two single ones.
#[inline(always)]
fn one_by_one(
    one: impl Fn(&[i16; 64], &[i16; 64], &mut [u8], usize) + Copy,
) -> impl Fn([&[i16; 64]; 2], [&[i16; 64]; 2], To<'_>, usize) + Copy {
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
    /// Into two places or planes.
    Both([&'a mut [u8]; 2]),
}

/// One restart interval.
struct Interval<'a> {
    scan: Scan,
    layout: &'a Layout,
    tables: &'a Tables,
    /// In natural order.
    quant: &'a [[i16; 64]; 3],
}

impl Interval<'_> {
    /// Decodes it; its MCUs are `mcus` of the `target` planes.
    fn decode(self, mcus: Range<usize>, target: [&mut [u8]; 3]) -> Result<(), Damage> {
        #[cfg(target_arch = "x86_64")]
        if super::has_avx2() {
            return match super::has_avx512() {
                // SAFETY: the processor has these.
                true => unsafe { self.decode_avx512(mcus, target) },
                // SAFETY: as above.
                false => unsafe { self.decode_avx2(mcus, target) },
            };
        }
        self.decode_with::<true>(mcus, target, one_by_one(lanes::inverse))
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,avx512f,avx512bw,avx512vl")]
    fn decode_avx512(self, mcus: Range<usize>, target: [&mut [u8]; 3]) -> Result<(), Damage> {
        self.decode_with::<false>(mcus, target, |blocks, quant, to, stride| match to {
            To::Beside(to) => avx512::inverse_beside(blocks, quant[0], to, stride),
            To::Both(to) => avx512::inverse_both(blocks, quant, to, stride),
        })
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt")]
    fn decode_avx2(self, mcus: Range<usize>, target: [&mut [u8]; 3]) -> Result<(), Damage> {
        let one = |block: &[i16; 64], quant: &[i16; 64], to: &mut [u8], stride: usize| {
            avx2::inverse(block, quant, to, stride);
        };
        self.decode_with::<true>(mcus, target, one_by_one(one))
    }

    /// `transform` writes the samples of two blocks of coefficients, in natural or in zigzag order, and
    /// their quantisers, rows so far apart.
    #[inline(always)]
    fn decode_with<const NATURAL: bool>(
        mut self,
        mcus: Range<usize>,
        mut target: [&mut [u8]; 3],
        transform: impl Fn([&[i16; 64]; 2], [&[i16; 64]; 2], To<'_>, usize) + Copy,
    ) -> Result<(), Damage> {
        let Tables { codes, spots, order, .. } = self.tables;
        let (across, per_mcu) = (self.layout.mcus_x(), spots.len());
        // Where an MCU has an odd number of blocks, those of two MCUs go together.
        let group = 1 + per_mcu % 2;
        let at_once = CHUNK / per_mcu / group * group;
        let mut last_dc = [0; 3];
        let mut chunk = Chunk::new();
        let mut here = (mcus.start % across, mcus.start / across);
        let mut left = mcus.len();
        while left > 0 {
            let count = at_once.min(left);
            self.scan.blocks::<NATURAL>(codes, order, count * per_mcu, &mut chunk)?;
            for (spot, block) in spots.iter().cycle().zip(chunk.first(count * per_mcu)) {
                last_dc[spot.component] += i32::from(block[0]);
                block[0] = last_dc[spot.component] as i16;
            }
            for first in (0..count * per_mcu).step_by(group * per_mcu) {
                let next =
                    if here.0 + 1 == across { (0, here.1 + 1) } else { (here.0 + 1, here.1) };
                if group == 1 {
                    for (i, two) in spots.chunks_exact(2).enumerate() {
                        let b = first + 2 * i;
                        let places = [(b, &two[0], here), (b + 1, &two[1], here)];
                        self.samples(&chunk, places, &mut target, transform);
                    }
                    here = next;
                    continue;
                }
                for (i, spot) in spots.iter().enumerate() {
                    let b = first + i;
                    if b + per_mcu < count * per_mcu {
                        let places = [(b, spot, here), (b + per_mcu, spot, next)];
                        self.samples(&chunk, places, &mut target, transform);
                    } else {
                        // Alone at the end of the interval.
                        let (mut two, quant) = ([0; 128], &self.quant[spot.component]);
                        transform([chunk.block(b); 2], [quant; 2], To::Beside(&mut two), 16);
                        let to = &mut target[spot.component][spot.in_mcu(here.0, here.1)..];
                        copy_left(&two, to, spot.stride);
                    }
                }
                here = if next.0 + 1 == across { (0, next.1 + 1) } else { (next.0 + 1, next.1) };
            }
            left -= count;
        }
        self.scan.finish()
    }

    /// The samples of two blocks of `chunk`: which, where in an MCU, and in which MCU. Of two in one
    /// plane the first comes first.
    #[inline(always)]
    fn samples(
        &self,
        chunk: &Chunk,
        places: [(usize, &Spot, (usize, usize)); 2],
        target: &mut [&mut [u8]; 3],
        transform: impl Fn([&[i16; 64]; 2], [&[i16; 64]; 2], To<'_>, usize),
    ) {
        let [(a, c, from), (b, d, second)] =
            places.map(|(b, spot, (mx, my))| (b, spot.component, spot.in_mcu(mx, my)));
        let (stride, blocks) = (places[0].1.stride, [chunk.block(a), chunk.block(b)]);
        if chunk.extents[a % CHUNK].max(chunk.extents[b % CHUNK]) <= 1 {
            for (block, c, from) in [(blocks[0], c, from), (blocks[1], d, second)] {
                fill(&mut target[c][from..], stride, block[0], self.quant[c][0]);
            }
            return;
        }
        let to = if c != d {
            let [_, u, v] = target;
            To::Both([&mut u[from..], &mut v[second..]])
        } else if second == from + 8 {
            To::Beside(&mut target[c][from..])
        } else {
            To::Both(target[c][from..].split_at_mut(second - from).into())
        };
        transform(blocks, [&self.quant[c], &self.quant[d]], to, stride);
    }
}

/// The left half of eight rows of 16 samples.
fn copy_left(two: &[u8; 128], to: &mut [u8], stride: usize) {
    for (to, row) in to.chunks_mut(stride).zip(two.chunks_exact(16)) {
        to[..8].copy_from_slice(&row[..8]);
    }
}

/// The samples of a block that has a DC coefficient only.
#[inline(always)]
fn fill(to: &mut [u8], stride: usize, dc: i16, quant: i16) {
    let sample = lanes::inverse_flat(dc, quant);
    to.chunks_mut(stride).take(8).for_each(|row| row[..8].fill(sample));
}

#[cfg(test)]
mod tests {
    use super::super::synth::{Synthetic, movie};
    use super::super::{container, reference};
    use super::*;

    /// Every way to decode, whatever this processor would choose.
    #[test]
    fn all_instruction_sets_decode_alike() {
        type Way = fn(Interval<'_>, Range<usize>, [&mut [u8]; 3]) -> Result<(), Damage>;
        let portable: Way =
            |i, mcus, to| i.decode_with::<true>(mcus, to, one_by_one(lanes::inverse));
        let mut ways = vec![portable];
        #[cfg(target_arch = "x86_64")]
        {
            // SAFETY: it is called only where the processor has AVX2.
            let avx2: Way = |i, mcus, to| unsafe { i.decode_avx2(mcus, to) };
            ways.extend(super::super::has_avx2().then_some(avx2));
            // SAFETY: it is called only where the processor has AVX-512.
            let avx512: Way = |i, mcus, to| unsafe { i.decode_avx512(mcus, to) };
            ways.extend(super::super::has_avx512().then_some(avx512));
        }
        for quality in [20, 90, 100] {
            let what = Synthetic { frames: 1, width: 200, height: 40, seed: 6, quality };
            let data = movie(&what).expect("small");
            let film = container::parse(&data, Damaged::Fail).expect("sound");
            let frame = &film.frames[0];
            let expected = reference::decode(&data, frame).expect("sound").0;
            let (tables, quant) = (Tables::new(frame), frame.quant.each_ref().map(natural));
            for way in &ways {
                let mut planes = expected.each_ref().map(|plane| vec![0; plane.len()]);
                for (i, interval) in frame.intervals.iter().enumerate() {
                    let scan = Scan::new(&data, interval.clone());
                    let (layout, tables) = (&frame.layout, &tables);
                    let interval = Interval { scan, layout, tables, quant: &quant };
                    let target = planes.each_mut().map(Vec::as_mut_slice);
                    way(interval, frame.mcus_of(i), target).expect("sound");
                }
                assert!(planes == expected, "quality {quality}");
            }
        }
    }
}
