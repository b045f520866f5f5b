//! What people deploy: H.264, HEVC and AV1 through ffmpeg, where it is installed.
//!
//! Nobody's output is bit-equal here, so the contract is a quality: every encoder is timed at the
//! setting at which its output has the SSIM that the case asks for. A case is built without
//! starting anything; `encoders` says what is started, `judge` how outputs are compared.

use std::io;
use std::sync::{Arc, OnceLock};

use super::FAMILY;
use super::case::{self, MAX_SIDE};
use super::synth::{self, Synthetic};
use crate::encoder::{Encoded, EncoderSpec, Goal, Maker, Source};
use crate::params::{BadParam, ParamReader, Params, Value};
use crate::work::{
    Case, CaseError, Check, DeviceInfo, DeviceKind, Files, Implementation, Input, Keep, Mismatch,
    OpKind, Program, Tuning, Unsupported, Work,
};
use encoders::{CODECS, Encoder, PRESETS, Shape};

mod encoders;
mod judge;
#[cfg(test)]
mod tests;

/// By how much SSIM may miss its target where the setting is looked for.
const NEAR: f64 = 0.001;
/// By how much it may miss it in a run: threads and engines do not decide the same way each time.
const TOLERANCE: f64 = 0.002;
/// SSIM to meet where nothing is said: good delivery quality.
const SSIM: f64 = 0.97;
/// Quality of the synthetic video before it is made into the H.264 that is encoded.
const MASTER_QUALITY: u32 = 95;
/// Seconds that one run may take.
const TIME_LIMIT_S: f64 = 3600.0;
/// Bytes of a luma pixel of that video, for estimates.
const BYTES_PER_PIXEL: f64 = 0.12;

/// Whether `params` ask for a codec of this module; all others are the chain's.
pub(super) fn is_deployed(params: &Params) -> bool {
    matches!(params.get("codec"), Some(Value::Text(codec)) if CODECS.contains(&codec.as_str()))
}

/// What is encoded.
#[derive(Clone)]
enum Clip {
    Synthetic(Synthetic),
    /// The digest of its bytes, and where it is.
    File {
        name: String,
        hash: u64,
        place: Result<String, (io::ErrorKind, String)>,
    },
}

/// One video, one codec, one output size, one quality, so many streams at once.
#[derive(Clone)]
pub(super) struct DeployedCase {
    clip: Clip,
    codec: usize,
    preset: usize,
    frames: usize,
    shape: Shape,
    ssim: f64,
    streams: usize,
}

/// Builds the case that `params` describe.
///
/// # Errors
/// A wrong parameter, or a file that cannot be read.
pub(super) fn parse(params: &Params, files: &dyn Files) -> Result<DeployedCase, CaseError> {
    let known = ["codec", "preset", "input", "out_width", "out_height", "ssim", "streams"];
    let reader = ParamReader::new(FAMILY, params, &known)?;
    let codec = reader.choice("codec", &CODECS, None)?;
    let preset = reader.choice("preset", &PRESETS, Some(0))?;
    let ssim = reader.float("ssim", 0.5..=0.9999, Some(SSIM))?;
    let streams = reader.int("streams", 1..=512, Some(1))? as usize;
    let keys = ["frames", "width", "height", "seed", "video"];
    let empty = Params::default();
    let input = match reader.table("input", &keys)? {
        Some(input) => input,
        None => ParamReader::new(FAMILY, &empty, &keys)?,
    };
    let clip = match input.text("video")? {
        Some(name) => file(name, &input, files)?,
        None => Clip::Synthetic(Synthetic {
            frames: input.int("frames", 1..=100_000, Some(60))? as usize,
            width: even(&input, "width", Some(1920))?,
            height: even(&input, "height", Some(1080))?,
            seed: input.int("seed", 0..=i64::MAX, Some(1))? as u64,
            quality: MASTER_QUALITY,
        }),
    };
    // Encoders of 4:2:0 take even sizes only.
    let (frames, half) = match &clip {
        Clip::Synthetic(s) => {
            let half = |n: usize| Some((n / 2).next_multiple_of(2) as i64);
            (s.frames, [half(s.width), half(s.height)])
        }
        // Its size is known to nobody who does not decode it.
        Clip::File { .. } => (input.int("frames", 1..=10_000_000, None)? as usize, [None; 2]),
    };
    let shape = Shape {
        width: even(&reader, "out_width", half[0])?,
        height: even(&reader, "out_height", half[1])?,
        frames,
        streams,
    };
    Ok(DeployedCase { clip, codec, preset, frames, shape, ssim, streams })
}

/// A size that 4:2:0 video can have.
fn even(reader: &ParamReader<'_>, key: &str, default: Option<i64>) -> Result<usize, BadParam> {
    let size = reader.int(key, 16..=MAX_SIDE, default)?;
    if size % 2 != 0 {
        return Err(reader.bad(key, "must be even, as 4:2:0 video is"));
    }
    Ok(size as usize)
}

/// A file of the user's: read once for the key, which tells its contents apart.
fn file(name: &str, input: &ParamReader<'_>, files: &dyn Files) -> Result<Clip, CaseError> {
    if let Some(key) = ["width", "height", "seed"].into_iter().find(|key| input.has(key)) {
        let hint = "describes synthetic video; leave it out beside `video`";
        return Err(input.bad(key, hint).into());
    }
    if !input.has("frames") {
        let (family, key) = (FAMILY.to_owned(), "frames".to_owned());
        let hint = "say beside `video` how many frames of it are encoded".to_owned();
        return Err(BadParam::Missing { family, key, hint }.into());
    }
    let unreadable = |source| CaseError::Io { family: FAMILY, name: name.to_owned(), source };
    let mut file = files.open(name).map_err(unreadable)?;
    // FNV-1a: tells contents apart in keys; not meant to withstand anybody.
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut buffer = vec![0; 1 << 16];
    loop {
        let length = match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(unreadable(error)),
        };
        let add = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        hash = buffer[..length].iter().fold(hash, add);
    }
    let place = files.locate(name).map_err(|error| (error.kind(), error.to_string()));
    Ok(Clip::File { name: name.to_owned(), hash, place })
}

impl DeployedCase {
    fn encoder(&self, implementation: &Implementation) -> Result<&'static Encoder, Unsupported> {
        encoders::find(implementation.name, self.codec).ok_or_else(|| {
            let codec = CODECS[self.codec];
            Unsupported(format!("{} does not encode {codec}", implementation.name))
        })
    }

    fn work_done(&self) -> Work {
        let frames = (self.frames * self.streams) as f64;
        Work {
            op_kind: OpKind::Opaque,
            ops: 0.0,
            bytes_touched: 0.0,
            bytes_in: 0.0,
            bytes_constant: 0.0,
            bytes_out: 0.0,
            useful: frames,
            useful_unit: "frame".into(),
            items: frames,
            item_unit: "frame".into(),
        }
    }
}

impl Case for DeployedCase {
    fn key(&self) -> String {
        let Self { shape, frames, ssim, streams, .. } = self;
        let source = match &self.clip {
            Clip::Synthetic(s) => format!("width={} height={} seed={}", s.width, s.height, s.seed),
            Clip::File { name, hash, .. } => case::film(name, *hash),
        };
        format!(
            "{FAMILY} codec={} preset={} out_width={} out_height={} ssim={ssim} frames={frames} \
             streams={streams} {source}",
            CODECS[self.codec], PRESETS[self.preset], shape.width, shape.height
        )
    }

    fn work(&self) -> Work {
        self.work_done()
    }

    fn host_bytes(&self) -> u64 {
        match &self.clip {
            Clip::Synthetic(s) => ((s.width * s.height * s.frames) as f64 * BYTES_PER_PIXEL) as u64,
            Clip::File { .. } => 0,
        }
    }

    fn device_bytes(&self) -> u64 {
        0
    }

    fn supports(
        &self,
        implementation: &Implementation,
        device: &DeviceInfo,
    ) -> Result<(), Unsupported> {
        let encoder = self.encoder(implementation)?;
        match (encoder.on_gpu(), device.kind) {
            (true, DeviceKind::Gpu) | (false, DeviceKind::Cpu) => Ok(()),
            (true, _) => Err(Unsupported(format!("{} is no GPU", device.id))),
            (false, _) => Err(Unsupported(format!("{} is no CPU", device.id))),
        }
    }

    fn input(&self, seed: u64) -> Result<Box<dyn Input>, CaseError> {
        let source = match &self.clip {
            Clip::Synthetic(what) => {
                let what = Synthetic { seed: what.seed.wrapping_add(seed), ..*what };
                // Made once, when the first encoder needs it, and kept for the others.
                let made = OnceLock::new();
                let maker: Maker =
                    Arc::new(move || made.get_or_init(|| synth::movie(&what)).clone());
                Source::Made(maker, encoders::master_words())
            }
            Clip::File { place: Ok(place), .. } => Source::File(place.clone()),
            Clip::File { name, place: Err((kind, problem)), .. } => {
                let source = io::Error::new(*kind, problem.clone());
                return Err(CaseError::Io { family: FAMILY, name: name.clone(), source });
            }
        };
        Ok(Box::new(DeployedInput { case: self.clone(), source }))
    }
}

/// A case whose video is there, or is made when it is needed.
struct DeployedInput {
    case: DeployedCase,
    source: Source,
}

impl Input for DeployedInput {
    fn work(&self) -> Work {
        self.case.work_done()
    }

    fn program(
        &self,
        implementation: &Implementation,
        _device: &DeviceInfo,
        _tuning: &Tuning,
    ) -> Result<Program, Unsupported> {
        let Self { case, source } = self;
        let encoder = case.encoder(implementation)?;
        let shape = &case.shape;
        Ok(Program::Encoder(Box::new(EncoderSpec {
            name: encoder.ffmpeg,
            source: source.clone(),
            probe: encoder.words(case.preset, shape, encoders::PROBE_FRAMES.min(shape.frames)),
            read: encoders::read_words(),
            encode: encoder.words(case.preset, shape, shape.frames),
            judge: judge::words(shape, false),
            judge_vmaf: judge::words(shape, true),
            features: (encoders::ffmpeg(&["-filters"]), judge::VMAF),
            judged: judge::read,
            absent: encoders::absent,
            streams: shape.streams,
            frames: shape.frames as u64,
            goal: Goal {
                ssim: case.ssim,
                tolerance: NEAR,
                setting: encoder.setting,
                tries: encoder.tries,
                range: encoder.range,
                step: encoder.step,
            },
            time_limit_s: TIME_LIMIT_S,
        })))
    }

    /// Every stream has all frames, and the quality that its setting was chosen for.
    fn check(&self, outputs: &[Vec<u8>]) -> Result<Check, Mismatch> {
        let Some(Encoded { chosen_ssim, outputs }) = Encoded::from_outputs(outputs) else {
            return Err(Mismatch("the outputs are not those of an encoder".into()));
        };
        let target = self.case.ssim;
        // Where settings are whole numbers the one chosen may lie above the target.
        let most = (target + TOLERANCE).max(chosen_ssim + TOLERANCE);
        let mut off: f64 = 0.0;
        if outputs.is_empty() {
            return Err(Mismatch("no output was judged".into()));
        }
        for judged in outputs {
            let judged = judged.map_err(|problem| {
                Mismatch(format!("the output cannot be decoded and compared: {problem}"))
            })?;
            let frames = judged.frames.min(judged.compared);
            if judged.frames != self.case.frames as u64 || judged.compared != judged.frames {
                return Err(Mismatch(format!(
                    "{frames} frames came out where {} belong; `frames` must be no more than the \
                     video has",
                    self.case.frames
                )));
            }
            // No comparison with a NaN holds, so it is none of these.
            if !(target - TOLERANCE..=most).contains(&judged.ssim) {
                return Err(Mismatch(format!(
                    "SSIM is {:.4} where {target} ± {TOLERANCE} belongs",
                    judged.ssim
                )));
            }
            off = off.max((judged.ssim - target).abs());
        }
        Ok(Check {
            method: "ssim".into(),
            compared: self.case.frames as u64,
            max_abs_err: off,
            max_rel_err: off / target,
            bound: (most - target).max(TOLERANCE) / target,
        })
    }

    fn keep(&self, outputs: &[Vec<u8>], keep: &mut dyn Keep) -> io::Result<()> {
        let Some(encoded) = Encoded::from_outputs(outputs) else { return Ok(()) };
        let mut file = keep.create("quality.txt")?;
        for judged in encoded.outputs {
            match judged {
                Ok(j) => {
                    writeln!(file, "frames {} SSIM {} PSNR {} dB", j.frames, j.ssim, j.psnr_db)?
                }
                Err(problem) => writeln!(file, "{problem}")?,
            }
        }
        file.flush()
    }
}
