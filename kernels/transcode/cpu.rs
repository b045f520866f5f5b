//! The chain on the CPU: frames in parallel, and rows of MCUs in parallel inside a frame.
#![expect(unsafe_code, reason = "calls AVX2 code after a run-time check")]

use std::sync::Mutex;

use bytes::Bytes;
use rayon::prelude::*;

use super::codec::Encoder;
use super::container::{self, Damaged};
use super::decode::Decoder;
use super::jpeg::{Frame, Layout};
use super::muxer::{Container, Film};
use super::scale::Filter;
use super::scan::Damage;
use crate::work::Native;

/// The two filters of one component, ready for vectors.
struct Scaler {
    down: Filter,
    /// Where the inputs of each output start in the middle row, which is padded on both sides.
    first: Vec<usize>,
    /// Weights of each output in chunks of 8, zeros at the end.
    weights: Vec<[i16; 8]>,
    taps: usize,
    /// The weights of every output, where each is made of samples two further on: half the size.
    half: Option<Vec<i16>>,
    /// Samples of a middle row, and how many of them stand before the picture.
    middle: usize,
    before: usize,
    inputs: usize,
    identity: bool,
}

impl Scaler {
    fn new(from: (usize, usize), to: (usize, usize)) -> Self {
        let (across, down) = (Filter::new(from.0, to.0), Filter::new(from.1, to.1));
        let before = across.first.iter().map(|&f| -f).max().unwrap_or(0).max(0) as usize;
        let first: Vec<_> = across.first.iter().map(|&f| (f + before as i32) as usize).collect();
        let taps = across.taps.next_multiple_of(8);
        let last = first.iter().max().map_or(0, |f| f + taps);
        let weights = across.weights.chunks(across.taps).flat_map(|weights| {
            weights.chunks(8).map(|part| {
                let mut chunk = [0; 8];
                chunk[..part.len()].copy_from_slice(part);
                chunk
            })
        });
        let alike = across.weights.chunks(across.taps).all(|w| *w == across.weights[..across.taps]);
        let by_two = first.windows(2).all(|pair| pair[1] == pair[0] + 2);
        let half = (alike && by_two && across.taps.is_multiple_of(2))
            .then(|| across.weights[..across.taps].to_vec());
        Self {
            down,
            half,
            weights: weights.collect(),
            taps,
            middle: last.max(before + from.0),
            before,
            first,
            inputs: from.0,
            identity: from == to,
        }
    }

    /// Output row `y` of `plane` into `out`, whose end repeats the last sample; `middle` is scratch.
    fn row(&self, plane: &[u8], stride: usize, y: usize, middle: &mut Vec<i16>, out: &mut [u8]) {
        let outputs = self.first.len();
        let (row, rest) = out.split_at_mut(outputs);
        if self.identity {
            row.copy_from_slice(&plane[y * stride..][..outputs]);
        } else {
            middle.resize(self.middle, 0);
            let terms = self.down.terms(y);
            let rows = terms.map(|(r, w)| (&plane[r * stride..][..self.inputs], w as i16));
            self.filter(&mut rows.collect(), middle, row);
        }
        rest.fill(row[outputs - 1]);
    }

    fn filter(&self, rows: &mut Vec<(&[u8], i16)>, middle: &mut [i16], out: &mut [u8]) {
        let end = self.before + self.inputs;
        let inner = &mut middle[self.before..end];
        #[cfg(target_arch = "x86_64")]
        if super::has_avx2() {
            if rows.len() % 2 == 1 {
                rows.push((rows[0].0, 0));
            }
            let half = rows.len() / 2;
            let mirrored = half.is_multiple_of(2)
                && (0..half).all(|i| rows[i].1 == rows[rows.len() - 1 - i].1);
            let done = match super::has_avx512() {
                // SAFETY: the processor has AVX-512.
                true => unsafe { super::avx512::down(rows, inner) },
                // SAFETY: the processor has AVX2.
                false if mirrored => unsafe { super::avx2::down_mirrored(rows, inner) },
                false => 0,
            };
            for (row, _) in rows.iter_mut() {
                *row = &row[done..];
            }
            // SAFETY: the processor has AVX2.
            unsafe { super::avx2::down(rows, &mut inner[done..]) };
            self.pad(middle);
            match &self.half {
                Some(taps) => self.across_half(middle, taps, out),
                // SAFETY: the processor has AVX2.
                None => unsafe {
                    super::avx2::across(middle, &self.first, &self.weights, self.taps, out);
                },
            }
            return;
        }
        for (x, to) in inner.iter_mut().enumerate() {
            let sum: i32 = rows.iter().map(|(r, w)| i32::from(*w) * i32::from(r[x])).sum();
            *to = ((sum + 128) >> 8) as i16;
        }
        self.pad(middle);
        let weights = self.weights.as_flattened().chunks_exact(self.taps);
        for ((to, &first), weights) in out.iter_mut().zip(&self.first).zip(weights) {
            let terms = middle[first..].iter().zip(weights);
            let sum: i32 = terms.map(|(&v, &w)| i32::from(v) * i32::from(w)).sum();
            *to = ((sum + (1 << 19)) >> 20).clamp(0, 255) as u8;
        }
    }

    #[cfg(target_arch = "x86_64")]
    fn across_half(&self, middle: &[i16], taps: &[i16], out: &mut [u8]) {
        let done = match taps.try_into() {
            // SAFETY: the processor has AVX-512.
            Ok(taps) if super::has_avx512() => unsafe {
                super::avx512::across_half(middle, self.first[0], taps, out)
            },
            _ => 0,
        };
        let (start, rest) = (self.first[0] + 2 * done, &mut out[done..]);
        // SAFETY: the caller looked for AVX2.
        unsafe { super::avx2::across_half(middle, start, taps, rest) };
    }

    /// Repeats the first and last sample of the picture on both sides.
    fn pad(&self, middle: &mut [i16]) {
        let end = self.before + self.inputs;
        let (first, last) = (middle[self.before], middle[end - 1]);
        middle[..self.before].fill(first);
        middle[end..].fill(last);
    }
}

/// Everything that one geometry needs, whatever the frame.
pub struct FrameChain {
    encoder: Encoder,
    scalers: Vec<Scaler>,
    /// Those that are not at work.
    decoders: Mutex<Vec<Decoder>>,
}

impl FrameChain {
    /// A chain from frames in the layout `from` to images in the layout `to`, which is a standard one.
    pub fn new(from: Layout, to: Layout, quality: u32) -> Self {
        let scaler = |c| Scaler::new(from.plane_size(c), to.plane_size(c));
        let scalers = (0..to.components).map(scaler).collect();
        Self { encoder: Encoder::new(to, quality), scalers, decoders: Mutex::default() }
    }

    /// The layout of what comes out.
    pub fn to(&self) -> &Layout {
        self.encoder.layout()
    }

    /// The image made of `frame`, whose ranges index `data`.
    ///
    /// # Errors
    /// Damaged picture data.
    pub fn frame(&self, data: &[u8], frame: &Frame) -> Result<Vec<u8>, Damage> {
        let spare = self.decoders.lock().ok().and_then(|mut pool| pool.pop());
        let mut decoder = spare.unwrap_or_default();
        let planes = decoder.frame(data, frame)?;
        let (from, to) = (&frame.layout, self.encoder.layout());
        let image = self.encoder.frame(|my, samples| {
            let mut middle = Vec::new();
            for (c, (samples, scaler)) in samples.iter_mut().zip(&self.scalers).enumerate() {
                let width = to.padded_size(c).0;
                let rows = samples.len() / width;
                for i in 0..rows {
                    let y = (my * rows + i).min(to.plane_size(c).1 - 1);
                    let out = &mut samples[i * width..(i + 1) * width];
                    scaler.row(&planes[c], from.padded_size(c).0, y, &mut middle, out);
                }
            }
        });
        if let Ok(mut pool) = self.decoders.lock() {
            pool.push(decoder);
        }
        Ok(image)
    }
}

/// The whole chain as a program of the CPU.
pub struct Chain {
    data: Bytes,
    chain: FrameChain,
    container: Container,
    damaged: Damaged,
    output: Vec<u8>,
}

impl Chain {
    /// A chain from the file `data` to a file of the kind `container`.
    pub fn new(data: Bytes, chain: FrameChain, container: Container, damaged: Damaged) -> Self {
        Self { data, chain, container, damaged, output: Vec::new() }
    }

    fn convert(&self) -> Result<Vec<u8>, String> {
        let mut movie = container::parse(&self.data, self.damaged)?;
        let numbers: Vec<usize> = movie.numbers().collect();
        let images = movie.frames.par_iter().map(|frame| self.chain.frame(&self.data, frame));
        let images: Vec<_> = images.collect();
        if self.damaged == Damaged::Fail
            && let Some((number, damage)) =
                numbers.iter().zip(&images).find_map(|(n, image)| Some((n, image.as_ref().err()?)))
        {
            return Err(format!("frame {number}: {}", damage.describe()));
        }
        let good: Vec<bool> = images.iter().map(Result::is_ok).collect();
        movie.keep(&good);
        let images: Vec<Vec<u8>> = images.into_iter().flatten().collect();
        let to = self.chain.to();
        let film = Film {
            container: self.container,
            width: to.width,
            height: to.height,
            rate: movie.rate,
        };
        film.file(&movie.present, &images)
    }
}

impl Native for Chain {
    fn run(&mut self) -> Result<(), String> {
        self.output = self.convert()?;
        Ok(())
    }

    fn poison(&mut self) {
        self.output = b"poisoned".to_vec();
    }

    fn outputs(&self) -> Vec<Vec<u8>> {
        vec![self.output.clone()]
    }
}
