//! The chain on the CPU: frames in parallel, and rows of MCUs in parallel inside a frame.
#![expect(unsafe_code, reason = "calls the AVX2 build of safe code after a run-time check")]

use std::ops::Range;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use rayon::prelude::*;

use super::container::{self, Movie};
use super::huffman::{BitReader, BitWriter, Damage, DecodeTable, EncodeTable, encode_table};
use super::jpeg::{self, Frame, Layout};
use super::lanes::{self, Divisors};
use super::scale::Filter;
use super::tables::{ZIGZAG, quantisers, standard_huffman};
use crate::work::Native;

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

    /// One image, whose rows of MCUs `fill` provides: it is given the row's number and the
    /// three planes' samples of that row to fill in (rows `padded_size` apart).
    pub fn frame(&self, fill: impl Fn(usize, &mut [Vec<u8>; 3]) + Sync) -> Vec<u8> {
        let buffers = || -> [Vec<u8>; 3] {
            let rows = |c| 8 * if c == 0 { self.layout.luma_v } else { self.layout.chroma_v };
            std::array::from_fn(|c| vec![0; self.layout.padded_size(c).0 * rows(c)])
        };
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
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has AVX2.
            return unsafe { self.row_avx2(samples) };
        }
        self.row_plain(samples)
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt")]
    fn row_avx2(&self, samples: &[Vec<u8>; 3]) -> Vec<u8> {
        self.row_plain(samples)
    }

    #[inline(always)]
    fn row_plain(&self, samples: &[Vec<u8>; 3]) -> Vec<u8> {
        let layout = &self.layout;
        let mut writer = BitWriter::new(Vec::with_capacity(layout.mcus_x() * 96));
        let mut last_dc = [0; 3];
        for mx in 0..layout.mcus_x() {
            for j in 0..layout.blocks_per_mcu() {
                let (c, x, y) = layout.block_at(mx, 0, j);
                let stride = layout.padded_size(c).0;
                let block: [[u8; 8]; 8] = std::array::from_fn(|row| {
                    let at = (y + row) * stride + x;
                    std::array::from_fn(|i| samples[c][at + i])
                });
                let natural = lanes::forward(&block, &self.divisors[c.min(1)]);
                let zigzag: [i16; 64] = std::array::from_fn(|k| natural[usize::from(ZIGZAG[k])]);
                let bit = |k: usize| u64::from(zigzag[k] != 0) << k;
                let nonzero = (0..64).fold(0, |mask, k| mask | bit(k));
                let (dc, ac) = (&self.dc[c.min(1)], &self.ac[c.min(1)]);
                writer.block(&zigzag, nonzero, &mut last_dc[c], dc, ac);
            }
        }
        writer.finish()
    }
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
    let [y, u, v] = planes;
    if frame.restart_mcus != layout.mcus_x() {
        for (i, interval) in frame.intervals.iter().enumerate() {
            let target = [y.as_mut_slice(), u.as_mut_slice(), v.as_mut_slice()];
            decode_mcus(data, interval, layout, &tables, frame.mcus_of(i), target)?;
        }
        return Ok(());
    }
    let row =
        |c| layout.padded_size(c).0 * 8 * if c == 0 { layout.luma_v } else { layout.chroma_v };
    let bands =
        y.par_chunks_mut(row(0)).zip(u.par_chunks_mut(row(1))).zip(v.par_chunks_mut(row(2)));
    bands.zip(&frame.intervals).try_for_each(|(((y, u), v), interval)| {
        decode_mcus(data, interval, layout, &tables, 0..layout.mcus_x(), [y, u, v])
    })
}

/// Decodes every frame and keeps nothing.
///
/// # Errors
/// The first damaged frame, by number.
pub fn validate(data: &[u8], movie: &Movie) -> Result<(), String> {
    let frames = movie.frames.par_iter().enumerate();
    frames
        .map_init(Planes::default, |planes, (i, frame)| {
            decode(data, frame, planes).map_err(|d| format!("frame {i}: {}", d.describe()))
        })
        .collect()
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
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("bmi2") {
        // SAFETY: the processor has AVX2 and BMI2 (and with them BMI1 and LZCNT).
        return unsafe { decode_mcus_avx2(data, interval, layout, tables, mcus, target) };
    }
    decode_mcus_plain(data, interval, layout, tables, mcus, target)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt")]
fn decode_mcus_avx2(
    data: &[u8],
    interval: &Range<usize>,
    layout: &Layout,
    tables: &FrameTables,
    mcus: Range<usize>,
    target: [&mut [u8]; 3],
) -> Result<(), Damage> {
    decode_mcus_plain(data, interval, layout, tables, mcus, target)
}

#[inline(always)]
fn decode_mcus_plain(
    data: &[u8],
    interval: &Range<usize>,
    layout: &Layout,
    tables: &FrameTables,
    mcus: Range<usize>,
    target: [&mut [u8]; 3],
) -> Result<(), Damage> {
    let mut reader = BitReader::new(data, interval.clone());
    let mut last_dc = [0; 3];
    let strides: [usize; 3] = std::array::from_fn(|c| layout.padded_size(c).0);
    let across = layout.mcus_x();
    for mcu in mcus {
        for j in 0..layout.blocks_per_mcu() {
            let (c, x, y) = layout.block_at(mcu % across, mcu / across, j);
            let mut block = [0; 64];
            let (dc, ac) = (&tables.dc[c], &tables.ac[c]);
            let last = reader.block(dc, ac, &mut last_dc[c], &mut block)?;
            let quant = &tables.quant[c];
            let samples = if last == 0 {
                [[lanes::inverse_flat(block[0], quant[0]); 8]; 8]
            } else {
                lanes::inverse(&block, quant)
            };
            for (row, samples) in samples.iter().enumerate() {
                let at = (y + row) * strides[c] + x;
                target[c][at..at + 8].copy_from_slice(samples);
            }
        }
    }
    reader.finish()
}

/// The two filters of one component and how far the second reaches beyond the picture.
struct Scaler {
    down: Filter,
    across: Filter,
    before: usize,
    after: usize,
    identity: bool,
}

impl Scaler {
    fn new(from: (usize, usize), to: (usize, usize)) -> Self {
        let (across, down) = (Filter::new(from.0, to.0), Filter::new(from.1, to.1));
        let before = across.first.iter().map(|&f| -f).max().unwrap_or(0).max(0) as usize;
        let end = across.first.iter().map(|&f| f + across.taps as i32).max().unwrap_or(0);
        let after = (end - from.0 as i32).max(0) as usize;
        Self { down, across, before, after, identity: from == to }
    }

    /// Output row `y` of `plane` into the start of `out`; `middle` is scratch.
    fn row(&self, plane: &[u8], stride: usize, y: usize, middle: &mut Vec<i16>, out: &mut [u8]) {
        let outputs = self.across.outputs();
        let (row, rest) = out.split_at_mut(outputs);
        if self.identity {
            row.copy_from_slice(&plane[y * stride..][..outputs]);
        } else {
            middle.resize(self.before + self.across.inputs + self.after, 0);
            #[cfg(target_arch = "x86_64")]
            if is_x86_feature_detected!("avx2") {
                // SAFETY: the processor has AVX2.
                unsafe { self.filter_avx2(plane, stride, y, middle, row) };
                rest.fill(row[outputs - 1]);
                return;
            }
            self.filter(plane, stride, y, middle, row);
        }
        rest.fill(row[outputs - 1]);
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,bmi1,bmi2")]
    fn filter_avx2(&self, plane: &[u8], stride: usize, y: usize, mid: &mut [i16], out: &mut [u8]) {
        self.filter(plane, stride, y, mid, out);
    }

    #[inline(always)]
    fn filter(&self, plane: &[u8], stride: usize, y: usize, mid: &mut [i16], out: &mut [u8]) {
        let inner = &mut mid[self.before..self.before + self.across.inputs];
        self.vertical(plane, stride, y, inner);
        let (first, last) = (inner[0], inner[inner.len() - 1]);
        mid[..self.before].fill(first);
        let end = self.before + self.across.inputs;
        mid[end..].fill(last);
        match self.across.taps {
            4 => self.horizontal::<4>(mid, out),
            8 => self.horizontal::<8>(mid, out),
            12 => self.horizontal::<12>(mid, out),
            taps => {
                for (x, out) in out.iter_mut().enumerate() {
                    let from = (self.across.first[x] + self.before as i32) as usize;
                    let weights = &self.across.weights[x * taps..(x + 1) * taps];
                    *out = finish(dot(&mid[from..from + taps], weights));
                }
            }
        }
    }

    #[inline(always)]
    fn horizontal<const TAPS: usize>(&self, mid: &[i16], out: &mut [u8]) {
        let weights = self.across.weights.as_chunks::<TAPS>().0;
        for ((out, weights), &first) in out.iter_mut().zip(weights).zip(&self.across.first) {
            let from = (first + self.before as i32) as usize;
            let window: &[i16; TAPS] = mid[from..].first_chunk().unwrap_or(&[0; TAPS]);
            *out = finish(dot(window, weights));
        }
    }

    /// The rows around output row `y`, weighted, with 6 fraction bits.
    #[inline(always)]
    fn vertical(&self, plane: &[u8], stride: usize, y: usize, out: &mut [i16]) {
        const CHUNK: usize = 32;
        let mut x = 0;
        while x < out.len() {
            // Rows are padded to 8 samples, so the last chunk may have to overlap the one before.
            let n = CHUNK.min(out.len() - x);
            let mut sums = [128i32; CHUNK];
            for (row, weight) in self.down.terms(y) {
                let samples = &plane[row * stride + x..][..n];
                if let Some(samples) = samples.first_chunk::<CHUNK>() {
                    for i in 0..CHUNK {
                        sums[i] += weight * i32::from(samples[i]);
                    }
                } else {
                    for (sum, &sample) in sums.iter_mut().zip(samples) {
                        *sum += weight * i32::from(sample);
                    }
                }
            }
            for (out, sum) in out[x..x + n].iter_mut().zip(sums) {
                *out = (sum >> 8) as i16;
            }
            x += n;
        }
    }
}

#[inline(always)]
fn dot(window: &[i16], weights: &[i16]) -> i32 {
    window.iter().zip(weights).map(|(&v, &w)| i32::from(v) * i32::from(w)).sum()
}

#[inline(always)]
fn finish(sum: i32) -> u8 {
    ((sum + (1 << 19)) >> 20).clamp(0, 255) as u8
}

/// The whole chain as a program of the CPU.
pub struct Chain {
    data: Bytes,
    encoder: Arc<Encoder>,
    planes: Mutex<Vec<Planes>>,
    output: Vec<u8>,
}

impl Chain {
    /// A chain from the file `data` to frames in the layout `out`.
    pub fn new(data: Bytes, out: Layout, quality: u32) -> Self {
        let encoder = Arc::new(Encoder::new(out, quality));
        Self { data, encoder, planes: Mutex::default(), output: Vec::new() }
    }

    fn frame(&self, frame: &Frame, scalers: &[Scaler; 3]) -> Result<Vec<u8>, Damage> {
        let spare = self.planes.lock().ok().and_then(|mut pool| pool.pop());
        let mut planes = spare.unwrap_or_default();
        decode(&self.data, frame, &mut planes)?;
        let (from, to) = (&frame.layout, &self.encoder.layout);
        let image = self.encoder.frame(|my, samples| {
            let mut middle = Vec::new();
            for (c, samples) in samples.iter_mut().enumerate() {
                let width = to.padded_size(c).0;
                let rows = samples.len() / width;
                for i in 0..rows {
                    let y = (my * rows + i).min(to.plane_size(c).1 - 1);
                    let out = &mut samples[i * width..(i + 1) * width];
                    scalers[c].row(&planes[c], from.padded_size(c).0, y, &mut middle, out);
                }
            }
        });
        if let Ok(mut pool) = self.planes.lock() {
            pool.push(planes);
        }
        Ok(image)
    }

    fn convert(&self, movie: &Movie) -> Result<Vec<u8>, String> {
        let Some(first) = movie.frames.first() else { return Err("no frames".into()) };
        let to = self.encoder.layout;
        let scalers =
            std::array::from_fn(|c| Scaler::new(first.layout.plane_size(c), to.plane_size(c)));
        let frames = movie.frames.par_iter().enumerate().map(|(i, frame)| {
            self.frame(frame, &scalers).map_err(|d| format!("frame {i}: {}", d.describe()))
        });
        let frames: Vec<_> = frames.collect::<Result<_, _>>()?;
        container::mux(to.width, to.height, movie.rate, &frames)
    }
}

impl Native for Chain {
    fn run(&mut self) -> Result<(), String> {
        let movie = container::parse(&self.data)?;
        self.output = self.convert(&movie)?;
        Ok(())
    }

    fn poison(&mut self) {
        self.output = b"poisoned".to_vec();
    }

    fn outputs(&self) -> Vec<Vec<u8>> {
        vec![self.output.clone()]
    }
}
