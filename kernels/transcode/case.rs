//! Cases and inputs of the family.

use std::io;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use super::container::{self, Damaged, Movie};
use super::cpu::{Chain, FrameChain};
use super::decode;
use super::gpu::Goal;
use super::jpeg::{self, Layout, Sampling};
use super::muxer::Container;
use super::synth::{self, Synthetic};
use super::{FAMILY, gpu, reference};
use crate::params::{ParamReader, Params};
use crate::work::{
    Case, CaseError, Check, DeviceInfo, Files, Implementation, Input, Keep, Language, Mismatch,
    OpKind, Program, Tuning, Unsupported, Work,
};

/// Largest width and height.
pub(super) const MAX_SIDE: i64 = jpeg::MAX_SIDE as i64;
/// Compressed bytes of a luma pixel of synthetic video at quality 90, for estimates.
const BYTES_PER_PIXEL: f64 = 0.085;

/// Where the video comes from.
enum Source {
    Synthetic(Synthetic),
    File { name: String, hash: u64, data: Bytes },
}

/// One video, one output size, one quality.
pub struct TranscodeCase {
    source: Source,
    frames: usize,
    from: Layout,
    goal: Goal,
    damaged: Damaged,
    /// Pictures that are not among the frames: dropped by the camera, or damaged and skipped.
    missing: usize,
}

/// Builds the case that `params` describe.
///
/// # Errors
/// A wrong parameter, an unreadable or unusable video.
pub fn parse(params: &Params, files: &dyn Files) -> Result<TranscodeCase, CaseError> {
    let known = ["codec", "input", "out_width", "out_height", "quality", "container", "damaged"];
    let reader = ParamReader::new(FAMILY, params, &known)?;
    // The others are `deployed`.
    reader.choice("codec", &["mjpeg", "h264", "hevc", "av1"], Some(0))?;
    let quality = reader.int("quality", 1..=100, Some(85))? as u32;
    let container = match reader.choice("container", &["avi", "mjpeg"], Some(0))? {
        0 => Container::Avi,
        _ => Container::Mjpeg,
    };
    let damaged = match reader.choice("damaged", &["fail", "skip"], Some(0))? {
        0 => Damaged::Fail,
        _ => Damaged::Skip,
    };
    let keys = ["frames", "width", "height", "seed", "quality", "video"];
    let empty = Params::default();
    let input = match reader.table("input", &keys)? {
        Some(input) => input,
        None => ParamReader::new(FAMILY, &empty, &keys)?,
    };
    let (source, frames, missing, from) = match input.text("video")? {
        Some(name) => {
            if let Some(key) = keys[..5].iter().find(|key| input.has(key)) {
                let hint = "describes synthetic video; leave it out beside `video`";
                return Err(input.bad(key, hint).into());
            }
            let (source, movie) = open(name, damaged, files)?;
            let frames = movie.frames.len();
            (source, frames, movie.present.len() - frames, movie.frames[0].layout)
        }
        None => {
            let what = synthetic(&input)?;
            let layout = Layout::standard(what.width, what.height, Sampling::S420);
            (Source::Synthetic(what), what.frames, 0, layout)
        }
    };
    let half = |n: usize| Some(n.div_ceil(2) as i64);
    let width = reader.int("out_width", 1..=MAX_SIDE, half(from.width))? as usize;
    let height = reader.int("out_height", 1..=MAX_SIDE, half(from.height))? as usize;
    let mut to = Layout::standard(width, height, from.sampling());
    to.studio_range = from.studio_range;
    let goal = Goal { to, quality, container };
    Ok(TranscodeCase { source, frames, from, goal, damaged, missing })
}

fn synthetic(input: &ParamReader<'_>) -> Result<Synthetic, CaseError> {
    Ok(Synthetic {
        frames: input.int("frames", 1..=1_000_000, Some(30))? as usize,
        width: input.int("width", 1..=MAX_SIDE, Some(1920))? as usize,
        height: input.int("height", 1..=MAX_SIDE, Some(1080))? as usize,
        seed: input.int("seed", 0..=i64::MAX, Some(1))? as u64,
        quality: input.int("quality", 1..=100, Some(90))? as u32,
    })
}

fn open(name: &str, damaged: Damaged, files: &dyn Files) -> Result<(Source, Movie), CaseError> {
    let unreadable = |source| CaseError::Io { family: FAMILY, name: name.into(), source };
    let mut data = Vec::new();
    files.open(name).and_then(|mut file| file.read_to_end(&mut data)).map_err(unreadable)?;
    let bad = |problem| bad_film(name, damaged, problem);
    let mut movie = container::parse(&data, damaged).map_err(bad)?;
    if damaged == Damaged::Skip {
        // How many frames there are is part of the case.
        decode::validate(&data, &mut movie, damaged).map_err(bad)?;
    }
    let Layout { width, height, .. } = movie.frames[0].layout;
    if width.max(height) > MAX_SIDE as usize {
        let problem = format!("is {width} x {height}; at most {MAX_SIDE} samples a side");
        return Err(bad_input(name, problem));
    }
    // FNV-1a: tells contents apart in keys; not meant to withstand anybody.
    let hash = data.iter().fold(0xcbf2_9ce4_8422_2325, |hash: u64, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    Ok((Source::File { name: name.into(), hash, data: data.into() }, movie))
}

/// What is wrong with a film, and with one of its frames what would do.
fn bad_film(name: &str, damaged: Damaged, problem: String) -> CaseError {
    let of_a_frame = damaged == Damaged::Fail && problem.starts_with("frame ");
    let hint = if of_a_frame { "; damaged = \"skip\" leaves such frames out" } else { "" };
    bad_input(name, problem + hint)
}

fn bad_input(name: &str, problem: String) -> CaseError {
    CaseError::BadInput { family: FAMILY, name: name.into(), problem }
}

/// How a key tells a film: by its name without folders, as one word, and its contents.
pub(super) fn film(name: &str, hash: u64) -> String {
    let base = name.rsplit(['/', '\\']).next().unwrap_or(name);
    let word = base.replace(|c: char| c.is_whitespace() || c == '=', "_");
    format!("video={word}@{hash:016x}")
}

impl TranscodeCase {
    /// Compressed size: known of a file, estimated of synthetic video.
    fn bytes_in(&self) -> f64 {
        match &self.source {
            Source::File { data, .. } => data.len() as f64,
            Source::Synthetic(what) => {
                let pixels = (what.width * what.height * what.frames) as f64;
                pixels * BYTES_PER_PIXEL * f64::from(what.quality) / 90.0
            }
        }
    }
}

impl Case for TranscodeCase {
    fn key(&self) -> String {
        let Self { from, goal: Goal { to, quality, container }, frames, .. } = self;
        let source = match &self.source {
            Source::Synthetic(what) => {
                format!("input_quality={} seed={}", what.quality, what.seed)
            }
            Source::File { name, hash, .. } => film(name, *hash),
        };
        let container = if *container == Container::Mjpeg { " container=mjpeg" } else { "" };
        let missing = match self.missing {
            0 => String::new(),
            missing => format!(" missing={missing}"),
        };
        let sampling = from.sampling().name();
        format!(
            "{FAMILY} codec=mjpeg width={} height={} out_width={} out_height={} \
             quality={quality} frames={frames} sampling={sampling} {source}{container}{missing}",
            from.width, from.height, to.width, to.height
        )
    }

    fn work(&self) -> Work {
        work(self.frames, &self.from, &self.goal.to, self.bytes_in())
    }

    fn host_bytes(&self) -> u64 {
        // The file, two outputs, and the planes of a few frames in flight.
        let planes = (self.from.blocks() + self.goal.to.blocks()) as u64 * 64;
        (self.bytes_in() * 4.0) as u64 + 16 * planes
    }

    fn device_bytes(&self) -> u64 {
        let file = (self.bytes_in() * 2.0) as u64;
        file + (self.from.blocks() as u64 * 256 + self.goal.to.blocks() as u64 * 512)
    }

    fn supports(
        &self,
        _implementation: &Implementation,
        _device: &DeviceInfo,
    ) -> Result<(), Unsupported> {
        Ok(())
    }

    fn input(&self, seed: u64) -> Result<Box<dyn Input>, CaseError> {
        let (data, name) = match &self.source {
            Source::Synthetic(what) => {
                let what = Synthetic { seed: what.seed.wrapping_add(seed), ..*what };
                let made = synth::movie(&what).map_err(|p| bad_input("synthetic", p))?;
                (Bytes::from(made), "synthetic")
            }
            Source::File { name, data, .. } => (data.clone(), name.as_str()),
        };
        let bad = |problem| bad_film(name, self.damaged, problem);
        let mut movie = container::parse(&data, self.damaged).map_err(bad)?;
        if matches!(self.source, Source::File { .. }) {
            decode::validate(&data, &mut movie, self.damaged).map_err(bad)?;
        }
        Ok(Box::new(Clip {
            data,
            movie: Arc::new(movie),
            goal: self.goal,
            damaged: self.damaged,
            expected: OnceLock::new(),
        }))
    }
}

/// What the chain must do at least.
///
/// Operations (adds, multiplies and shifts of 32-bit integers; derivation in the README):
/// 20 for each decoded sample (two transform passes, quantiser, clamp), 28 for each encoded one,
/// two for each filter tap, and 4 for each compressed bit read or written.
fn work(frames: usize, from: &Layout, to: &Layout, bytes_in: f64) -> Work {
    let pixels = |layout: &Layout| (layout.width * layout.height) as f64;
    let samples = |layout: &Layout| {
        let of = |c| layout.plane_size(c).0 * layout.plane_size(c).1;
        (0..3).map(of).sum::<usize>() as f64
    };
    let ratio = |a: usize, b: usize| (a as f64 / b as f64).max(1.0) * 4.0;
    let taps_down = ratio(from.height, to.height);
    let taps_across = ratio(from.width, to.width);
    let middle = samples(from) * to.height as f64 / from.height as f64;
    let frames = frames as f64;
    let bytes_out = bytes_in * pixels(to) / pixels(from);
    let scaling = 2.0 * (taps_down * middle + taps_across * samples(to));
    let transforms = 20.0 * samples(from) + 28.0 * samples(to);
    Work {
        op_kind: OpKind::Int32,
        ops: frames * (transforms + scaling) + 4.0 * 8.0 * (bytes_in + bytes_out),
        bytes_touched: bytes_in + bytes_out,
        bytes_in,
        bytes_constant: 0.0,
        bytes_out,
        useful: frames * pixels(from),
        useful_unit: "pixel".into(),
        items: frames,
        item_unit: "frame".into(),
    }
}

/// A case's compressed bytes.
struct Clip {
    data: Bytes,
    movie: Arc<Movie>,
    goal: Goal,
    damaged: Damaged,
    expected: OnceLock<Result<Vec<u8>, String>>,
}

impl Input for Clip {
    fn work(&self) -> Work {
        let from = &self.movie.frames[0].layout;
        work(self.movie.frames.len(), from, &self.goal.to, self.data.len() as f64)
    }

    fn tunings(&self, implementation: &Implementation, _device: &DeviceInfo) -> Vec<Tuning> {
        match implementation.language {
            Language::Native => vec![Tuning::default()],
            _ => gpu::tunings(&self.movie),
        }
    }

    fn program(
        &self,
        implementation: &Implementation,
        device: &DeviceInfo,
        tuning: &Tuning,
    ) -> Result<Program, Unsupported> {
        match implementation.language {
            Language::Native => {
                let Goal { to, quality, container } = self.goal;
                let chain = FrameChain::new(self.movie.frames[0].layout, to, quality);
                let chain = Chain::new(self.data.clone(), chain, container, self.damaged);
                Ok(Program::Native(Box::new(chain)))
            }
            Language::Cuda | Language::Wgsl => {
                let language = implementation.language;
                gpu::recording(&self.data, &self.movie, &self.goal, language, device, tuning)
                    .map(Program::Recording)
            }
            other => Err(Unsupported(format!("{FAMILY} has no implementation in {other:?}"))),
        }
    }

    fn check(&self, outputs: &[Vec<u8>]) -> Result<Check, Mismatch> {
        let Goal { to, quality, container } = self.goal;
        let expected = self
            .expected
            .get_or_init(|| reference::transcode(&self.data, &self.movie, to, quality, container));
        let expected = expected.as_ref().map_err(|problem| Mismatch(problem.clone()))?;
        let [found] = outputs else {
            return Err(Mismatch(format!("{} outputs where 1 belongs", outputs.len())));
        };
        if let Some(difference) = difference(expected, found) {
            return Err(Mismatch(difference));
        }
        Ok(Check {
            method: "bit-equal".into(),
            compared: expected.len() as u64,
            max_abs_err: 0.0,
            max_rel_err: 0.0,
            bound: 0.0,
        })
    }

    fn keep(&self, outputs: &[Vec<u8>], keep: &mut dyn Keep) -> io::Result<()> {
        let riff = self.data.starts_with(b"RIFF");
        let name = if riff { "input.avi" } else { "input.mjpeg" };
        let output = match self.goal.container {
            Container::Avi => "output.avi",
            Container::Mjpeg => "output.mjpeg",
        };
        let inputs = std::iter::once((name, &self.data[..]));
        for (name, data) in inputs.chain(outputs.iter().map(|o| (output, &o[..]))) {
            let mut file = keep.create(name)?;
            file.write_all(data)?;
            // Dropping a buffer hides a full disk.
            file.flush()?;
        }
        Ok(())
    }
}

/// Where two output files part, in words.
fn difference(expected: &[u8], found: &[u8]) -> Option<String> {
    if expected == found {
        return None;
    }
    let same = expected.iter().zip(found).take_while(|(a, b)| a == b).count();
    let show = |bytes: &[u8]| match bytes.get(same) {
        Some(byte) => format!("{byte:#04x}"),
        None => "the end".into(),
    };
    let movie = container::parse(expected, Damaged::Fail);
    let frames = movie.map(|movie| movie.frames).unwrap_or_default();
    let frame = frames.iter().take_while(|f| f.end <= same).count();
    Some(format!(
        "byte {same} (frame {frame}) is {} where {} belongs; {} bytes where {} belong",
        show(found),
        show(expected),
        found.len(),
        expected.len()
    ))
}
