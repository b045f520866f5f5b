//! zune-jpeg and jpeg-encoder: pure Rust, with the frames over all threads. Between them stand pixels of
//! three samples each, which is what one gives and the other takes.

use std::time::Instant;

use anyhow::{Result, anyhow, bail};
use breakeven::backend::{BackendError, Mode, OneOff, Session, Timing};
use breakeven_kernels::transcode::jpeg::Sampling;
use breakeven_kernels::transcode::muxer::{Container, Film};
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use rayon::prelude::*;
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::Job;

/// The two crates over the frames of a job.
pub struct CratesSession {
    job: Job,
    pool: rayon::ThreadPool,
    frames: Vec<Vec<u8>>,
    one_off: OneOff,
}

impl CratesSession {
    pub fn new(job: Job) -> Result<Self> {
        if job.from != job.to && !job.is_half() {
            bail!("they have no scaler; the same size and half of it are compared");
        }
        let pool = rayon::ThreadPoolBuilder::new().num_threads(job.threads).build()?;
        Ok(Self { job, pool, frames: Vec::new(), one_off: OneOff::default() })
    }

    fn frame(&self, index: usize) -> Result<Vec<u8>> {
        let options = DecoderOptions::default().jpeg_set_out_colorspace(ColorSpace::YCbCr);
        let jpeg = ZCursor::new(self.job.frame(index));
        let mut pixels = JpegDecoder::new_with_options(jpeg, options)
            .decode()
            .map_err(|why| anyhow!("zune-jpeg: {why:?}"))?;
        let (width, height) = self.job.to;
        if self.job.is_half() {
            pixels = halved(&pixels, self.job.from.0, self.job.to);
        }
        let mut out = Vec::with_capacity(pixels.len() / 8);
        let mut encoder = Encoder::new(&mut out, self.job.quality as u8);
        encoder.set_sampling_factor(match self.job.sampling {
            Sampling::S420 => SamplingFactor::F_2_2,
            Sampling::S422 => SamplingFactor::F_2_1,
            Sampling::S440 => SamplingFactor::F_1_2,
            Sampling::S444 | Sampling::Grey => SamplingFactor::F_1_1,
        });
        encoder.encode(&pixels, width as u16, height as u16, ColorType::Ycbcr)?;
        Ok(out)
    }

    fn all(&self) -> Result<Vec<Vec<u8>>> {
        let frames = 0..self.job.movie.frames.len();
        self.pool.install(|| frames.into_par_iter().map(|index| self.frame(index)).collect())
    }
}

/// Half the size, each pixel the mean of four: the cheapest scaler there is.
fn halved(pixels: &[u8], stride: usize, (width, height): (usize, usize)) -> Vec<u8> {
    let mut out = Vec::with_capacity(width * height * 3);
    for rows in pixels.chunks_exact(stride * 6).take(height) {
        let (upper, lower) = rows.split_at(stride * 3);
        for (u, l) in upper.chunks_exact(6).zip(lower.chunks_exact(6)).take(width) {
            out.extend((0..3).map(|c| {
                let sum =
                    u16::from(u[c]) + u16::from(u[c + 3]) + u16::from(l[c]) + u16::from(l[c + 3]);
                ((sum + 2) / 4) as u8
            }));
        }
    }
    out
}

impl Session for CratesSession {
    fn reset(&mut self) -> Result<(), BackendError> {
        self.frames.clear();
        Ok(())
    }

    fn run(&mut self, _mode: Mode, iterations: u32) -> Result<Timing, BackendError> {
        let start = Instant::now();
        for _ in 0..iterations {
            self.frames = self.all().map_err(|why| BackendError::Run(format!("{why:#}")))?;
        }
        let wall_s = start.elapsed().as_secs_f64();
        Ok(Timing { total_s: wall_s, wall_s, depth: 1, ..Timing::default() })
    }

    fn outputs(&mut self) -> Result<Vec<Vec<u8>>, BackendError> {
        let (movie, (width, height)) = (&self.job.movie, self.job.to);
        let film = Film { container: Container::Avi, width, height, rate: movie.rate };
        Ok(vec![film.file(&movie.present, &self.frames).map_err(BackendError::Run)?])
    }

    fn modes(&self) -> &'static [Mode] {
        &[Mode::KernelWarm]
    }

    fn one_off(&self) -> &OneOff {
        &self.one_off
    }

    fn launches(&self) -> u32 {
        0
    }
}
