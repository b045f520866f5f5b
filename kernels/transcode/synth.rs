//! Made-up video that compresses like camera footage: textures that pan, a gradient, a disc with
//! its own motion, grain.
//!
//! Whole numbers only, so the same seed gives the same bytes everywhere. At quality 90 a 1080p
//! frame takes 150 to 200 kB.

use rayon::prelude::*;

use super::codec::Encoder;
use super::container::FrameRate;
use super::jpeg::{Layout, Sampling};
use super::muxer::{Container, Film};
use crate::random::Random;

/// What to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Synthetic {
    /// Number of frames.
    pub frames: usize,
    /// Luma samples across.
    pub width: usize,
    /// Luma samples down.
    pub height: usize,
    /// Seed of the textures.
    pub seed: u64,
    /// JPEG quality, 1 to 100.
    pub quality: u32,
}

/// How far the camera pans, in samples.
const MARGIN: usize = 128;
/// Size of a lattice cell (a power of two, as its exponent) and weight in 1/256 of each octave.
const OCTAVES: [(u32, i32); 6] = [(8, 110), (6, 70), (5, 40), (4, 16), (3, 6), (2, 3)];

/// A 4:2:0 Motion-JPEG AVI file, 30 frames a second, restarting after every row of MCUs.
///
/// # Errors
/// More than an AVI file holds.
pub fn movie(what: &Synthetic) -> Result<Vec<u8>, String> {
    let layout = Layout::standard(what.width, what.height, Sampling::S420);
    let encoder = Encoder::new(layout, what.quality);
    let key = Random::new(what.seed, 0).bits();
    let texture = Texture::new(layout.padded_size(0), key);
    let frames: Vec<_> = (0..what.frames)
        .into_par_iter()
        .map(|t| {
            let scene = Scene::new(&texture, &layout, key, t);
            encoder.frame(|my, samples| scene.rows(&layout, my, samples))
        })
        .collect();
    let film = Film {
        container: Container::Avi,
        width: what.width,
        height: what.height,
        rate: FrameRate { rate: 30, scale: 1 },
    };
    film.file(&vec![true; frames.len()], &frames)
}

/// A well-mixed 32-bit number from a position.
fn hash(x: u32, y: u32, key: u64) -> u32 {
    let place = u64::from(x) << 32 | u64::from(y);
    let mixed = (place ^ key).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    ((mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 32) as u32
}

/// Smooth noise of several sizes, 0 to 255, larger than the picture by the margin.
struct Texture {
    width: usize,
    samples: Vec<u8>,
}

impl Texture {
    fn new((width, height): (usize, usize), key: u64) -> Self {
        let (width, height) = (width + MARGIN, height + MARGIN);
        let mut samples = vec![0; width * height];
        samples.par_chunks_mut(width).enumerate().for_each(|(y, row)| {
            for (x, sample) in row.iter_mut().enumerate() {
                let at =
                    |&(size, weight): &(u32, i32)| octave(x as u32, y as u32, size, key) * weight;
                let sum: i32 = OCTAVES.iter().map(at).sum();
                *sample = (128 + (sum >> 8)).clamp(0, 255) as u8;
            }
        });
        Self { width, samples }
    }

    fn at(&self, x: usize, y: usize) -> i32 {
        i32::from(self.samples[y * self.width + x])
    }
}

/// Noise of −128 to 127 on a lattice of 2^`size` samples, bilinear in between.
fn octave(x: u32, y: u32, size: u32, key: u64) -> i32 {
    let (column, row) = (x >> size, y >> size);
    let (fx, fy) = ((x & ((1 << size) - 1)) as i32, (y & ((1 << size) - 1)) as i32);
    let corner = |dx, dy| (hash(column + dx, row + dy, key ^ u64::from(size)) >> 24) as i32 - 128;
    let mix = |a: i32, b: i32, f: i32| (a << size) + (b - a) * f;
    let upper = mix(corner(0, 0), corner(1, 0), fx) >> size;
    let lower = mix(corner(0, 1), corner(1, 1), fx) >> size;
    mix(upper, lower, fy) >> size
}

/// One moment.
struct Scene<'a> {
    texture: &'a Texture,
    key: u64,
    time: usize,
    pan: (usize, usize),
    disc: (i64, i64, i64),
}

impl<'a> Scene<'a> {
    fn new(texture: &'a Texture, layout: &Layout, key: u64, time: usize) -> Self {
        let swing = |step: usize| {
            let phase = time * step % (2 * MARGIN - 2);
            phase.min(2 * MARGIN - 2 - phase)
        };
        let (width, height) = (layout.width as i64, layout.height as i64);
        let disc = (time as i64 * 7 % width, height / 3 + time as i64 * 3 % height / 3, height / 6);
        Self { texture, key, time, pan: (swing(3), swing(1)), disc }
    }

    fn luma(&self, x: usize, y: usize) -> u8 {
        let (dx, dy) = (x as i64 - self.disc.0, y as i64 - self.disc.1);
        let inside = dx * dx + dy * dy < self.disc.2 * self.disc.2;
        let picture = if inside {
            40 + self.texture.at(x / 2, y / 2) * 3 / 4
        } else {
            self.texture.at(x + self.pan.0, y + self.pan.1)
        };
        let ramp = (x + 2 * y + 4 * self.time) & 1023;
        let gradient = (ramp.min(1023 - ramp) >> 5) as i32;
        let grain = hash(x as u32, y as u32, self.key ^ (self.time as u64) << 20);
        let grain = (grain & 7).count_ones() as i32 - 1;
        (picture + gradient - 8 + grain).clamp(0, 255) as u8
    }

    fn chroma(&self, x: usize, y: usize, c: usize) -> u8 {
        let (x, y) = (x + self.pan.0 / 2, y + self.pan.1 / 2);
        let value =
            if c == 1 { self.texture.at(x, y) } else { 255 - self.texture.at(x / 3 + 40, y / 2) };
        (128 + (value - 128) / 3) as u8
    }

    /// The samples of one row of MCUs, padding included.
    fn rows(&self, layout: &Layout, my: usize, samples: &mut [Vec<u8>; 3]) {
        for (c, plane) in samples.iter_mut().enumerate() {
            let width = layout.padded_size(c).0;
            let first = my * plane.len() / width;
            for (i, sample) in plane.iter_mut().enumerate() {
                let (x, y) = (i % width, first + i / width);
                *sample = if c == 0 { self.luma(x, y) } else { self.chroma(x, y, c) };
            }
        }
    }
}
