//! The family against other programs: ffmpeg and libjpeg-turbo.

use std::collections::HashMap;
use std::io::{self, Cursor, Read, Write};
use std::process::{Command, Stdio};

use proptest::prelude::*;

use super::*;
use crate::params::{Params, Value};
use crate::work::{DeviceInfo, Input, Keep, Native, Program, Tuning};

/// Files by name, in memory.
struct Folder(HashMap<&'static str, Vec<u8>>);

impl Files for Folder {
    fn open(&self, name: &str) -> io::Result<Box<dyn Read + Send>> {
        let found = self.0.get(name).cloned().ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(Cursor::new(found)))
    }
}

/// Kept files by name.
#[derive(Default)]
struct Kept(HashMap<String, Vec<u8>>);

impl Keep for Kept {
    fn create(&mut self, name: &str) -> io::Result<Box<dyn Write + '_>> {
        Ok(Box::new(self.0.entry(name.to_owned()).or_default()))
    }
}

fn params(entries: &[(&str, Value)]) -> Params {
    let mut params = Params::default();
    for (key, value) in entries {
        params.set(key, value.clone());
    }
    params
}

fn synthetic(frames: i64, width: i64, height: i64) -> Params {
    let input = [("frames", frames), ("width", width), ("height", height)];
    let input = input.map(|(key, value)| (key, Value::Int(value)));
    params(&[("input", Value::Table(params(&input)))])
}

fn native(input: &dyn Input) -> Box<dyn Native> {
    match input.program(&IMPLEMENTATIONS[0], &DeviceInfo::bare_cpu(), &Tuning::default()).unwrap() {
        Program::Native(native) => native,
        _ => panic!("cpu/simd is native"),
    }
}

fn case_of(params: &Params) -> Box<dyn Case> {
    Transcode.case(params, &Folder(HashMap::new())).unwrap()
}

/// What `program` prints when given `input`; fails where it is missing or complains.
pub(super) fn pipe(program: &str, arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("{program}: {e}; ./test.sh installs it"));
    let mut stdin = child.stdin.take().unwrap();
    let output = std::thread::scope(|scope| {
        // A program that stops reading early closes the pipe; its exit code then says why.
        scope.spawn(move || stdin.write_all(input));
        child.wait_with_output().unwrap()
    });
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && complaint.is_empty(), "{program}: {complaint}");
    output.stdout
}

/// A clip as users make it, 6 frames of moving test pattern with noise.
pub(super) fn clip(size: &str, pixels: &str, format: &str, threads: &str) -> Vec<u8> {
    let source = format!("testsrc2=s={size}:r=25:d=0.24,noise=alls=20:allf=t");
    let head = ["-v", "error", "-f", "lavfi", "-i", &source, "-pix_fmt", pixels];
    let tail = ["-c:v", "mjpeg", "-q:v", "3", "-threads", threads, "-thread_type", "slice"];
    let end = ["-f", format, "pipe:1"];
    pipe("ffmpeg", &[&head[..], &tail, &end].concat(), &[])
}

pub(super) fn video(file: Vec<u8>, extra: &[(&str, Value)]) -> Result<Box<dyn Case>, String> {
    let input = params(&[("video", Value::Text("clip".into()))]);
    let mut params = params(extra);
    params.set("input", Value::Table(input));
    let files = Folder(HashMap::from([("clip", file)]));
    Transcode.case(&params, &files).map_err(|e| e.to_string())
}

/// Runs the CPU implementation, checks it, and returns input and output as kept.
pub(super) fn kept(case: &dyn Case) -> HashMap<String, Vec<u8>> {
    let input = case.input(0).unwrap();
    let mut native = native(&*input);
    native.run().unwrap();
    assert_eq!(input.check(&native.outputs()).unwrap().method, "bit-equal");
    let mut kept = Kept::default();
    input.keep(&native.outputs(), &mut kept).unwrap();
    kept.0
}

/// Frames of an AVI file as ffmpeg decodes them, held to be free of any error.
pub(super) fn ffmpeg_frames(avi: &[u8], pixels: &str) -> Vec<u8> {
    let strict = ["-v", "error", "-xerror", "-err_detect", "explode", "-i", "pipe:0"];
    let raw = ["-f", "rawvideo", "-pix_fmt", pixels, "pipe:1"];
    pipe("ffmpeg", &[&strict[..], &raw].concat(), avi)
}

#[test]
fn the_cpu_equals_the_reference() {
    for (width, height) in [(320, 176), (333, 241), (16, 16), (1, 1), (1100, 8), (8, 700)] {
        let input = case_of(&synthetic(3, width, height)).input(7).unwrap();
        let mut native = native(&*input);
        native.run().unwrap();
        let check = input.check(&native.outputs()).unwrap();
        assert_eq!(check.method, "bit-equal");
        native.poison();
        assert!(input.check(&native.outputs()).is_err());
    }
}

#[test]
fn ffmpeg_plays_what_was_kept() {
    for (size, pixels, format, threads) in [
        ("320x176", "yuvj420p", "avi", "4"),
        ("334x242", "yuvj420p", "mjpeg", "4"),
        ("334x242", "yuvj422p", "avi", "4"),
        ("320x180", "yuvj420p", "avi", "1"),
    ] {
        let sizes = [("out_width", Value::Int(200)), ("out_height", Value::Int(120))];
        let case = video(clip(size, pixels, format, threads), &sizes).unwrap();
        let kept = kept(&*case);
        assert!(kept.contains_key(&format!("input.{format}")));
        let chroma = if pixels == "yuvj420p" { 2 * 100 * 60 } else { 2 * 100 * 120 };
        let frames = ffmpeg_frames(&kept["output.avi"], pixels);
        assert_eq!(frames.len(), 6 * (200 * 120 + chroma), "{size} {pixels}");
    }
}

#[test]
fn the_picture_is_ffmpegs_picture() {
    // Same size, quality 100: two decoders and one encoder apart, by half a grey level or so.
    for pixels in ["yuvj420p", "yuvj422p"] {
        let file = clip("334x242", pixels, "avi", "4");
        let sizes = [("out_width", 334), ("out_height", 242), ("quality", 100)];
        let case = video(file.clone(), &sizes.map(|(k, v)| (k, Value::Int(v)))).unwrap();
        let ours = ffmpeg_frames(&kept(&*case)["output.avi"], pixels);
        let theirs = ffmpeg_frames(&file, pixels);
        assert_eq!(ours.len(), theirs.len());
        let worst = ours.iter().zip(&theirs).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
        assert!(worst <= 4, "{pixels}: {worst}");
    }
}

/// A picture of noise and ramps, as PPM.
fn picture(width: usize, height: usize, colour: bool) -> Vec<u8> {
    let mut random = crate::random::Random::new(5, 0);
    let mut ppm = format!("P6\n{width} {height}\n255\n").into_bytes();
    for i in 0..width * height {
        let mut sample = || (40 + (i % width) + (i / width) + random.below(90) as usize) as u8;
        let red = sample();
        ppm.extend(if colour { [red, sample(), sample()] } else { [red; 3] });
    }
    ppm
}

/// A JPEG image whose components djpeg writes as they are, as if they were red, green and blue.
fn without_colour(jpeg: &[u8]) -> Vec<u8> {
    let mut out = b"\xff\xd8\xff\xee\0\x0eAdobe\0\x64\0\0\0\0\0".to_vec();
    let mut at = 2;
    while jpeg[at + 1] != 0xda {
        let length = 2 + usize::from(u16::from_be_bytes([jpeg[at + 2], jpeg[at + 3]]));
        if !matches!(jpeg[at + 1], 0xe0..=0xef) {
            out.extend(&jpeg[at..at + length]);
        }
        at += length;
    }
    [&out, &jpeg[at..]].concat()
}

#[test]
fn decoded_planes_are_libjpegs() {
    let mut files: Vec<Vec<u8>> = [
        ("yuvj420p", "4"),
        ("yuvj422p", "4"),
        ("yuvj444p", "4"),
        ("yuvj444p", "1"),
        ("yuvj420p", "1"),
    ]
    .map(|(pixels, threads)| clip("334x242", pixels, "mjpeg", threads))
    .into();
    let ppm = picture(101, 83, true);
    for options in [
        ["-sample", "1x1", "-restart", "5B"],
        ["-sample", "1x2", "-restart", "1"],
        ["-sample", "2x1,1x1,1x1", "-restart", "1"],
        ["-sample", "2x1,2x1,2x1", "-restart", "0"],
        ["-sample", "2x2,1x2,1x2", "-restart", "3B"],
        ["-sample", "2x2,2x1,2x1", "-restart", "0"],
        ["-grayscale", "-optimize", "-restart", "0"],
        ["-grayscale", "-optimize", "-restart", "5B"],
    ] {
        files.push(pipe("cjpeg", &options, &ppm));
    }
    for (number, file) in files.iter().enumerate() {
        let movie = container::parse(file, container::Damaged::Fail).unwrap();
        let mut start = 0;
        for frame in &movie.frames {
            let layout = &frame.layout;
            let image = without_colour(&file[start..frame.end]);
            let pnm = pipe("djpeg", &["-dct", "int", "-nosmooth"], &image);
            let count = layout.components;
            let pixels = &pnm[pnm.len() - layout.width * layout.height * count..];
            let planes = reference::decode(file, frame).unwrap();
            let mut fast = decode::Decoder::default();
            assert!(
                planes.0 == *fast.frame(file, frame).unwrap(),
                "file {number}: the two decoders differ"
            );
            for c in 0..count {
                let (h, v) = layout.factors(c);
                let stride = layout.padded_size(c).0;
                for (i, pixel) in pixels.chunks_exact(count).enumerate() {
                    let (x, y) = (i % layout.width, i / layout.width);
                    let at = y * v / layout.luma_v * stride + x * h / layout.luma_h;
                    assert_eq!(planes.0[c][at], pixel[c], "file {number}, plane {c}, {x} {y}");
                }
            }
            start = frame.end;
        }
    }
}

/// Planes in `layout` of a PPM picture, by libjpeg's conversion; chroma of every `h`, `v`-th pixel.
fn planes_of(ppm: &[u8], layout: &jpeg::Layout) -> reference::Planes {
    let pixels = &ppm[ppm.len() - 3 * layout.width * layout.height..];
    reference::Planes(std::array::from_fn(|c| {
        let ((width, height), (h, v)) = (layout.padded_size(c), layout.factors(c));
        let sample = |i: usize| {
            let x = (i % width * layout.luma_h / h).min(layout.width - 1);
            let y = (i / width * layout.luma_v / v).min(layout.height - 1);
            let at = (y * layout.width + x) * 3;
            let [r, g, b] = [0, 1, 2].map(|k| i32::from(pixels[at + k]));
            let sum = match c {
                0 => 19595 * r + 38470 * g + 7471 * b + (1 << 15),
                1 => -11059 * r - 21709 * g + 32768 * b + (128 << 16) + 32767,
                _ => 32768 * r - 27439 * g - 5329 * b + (128 << 16) + 32767,
            };
            (sum >> 16) as u8
        };
        (0..width * height).map(sample).collect()
    }))
}

#[test]
fn the_encoder_writes_libjpegs_bytes() {
    use jpeg::Sampling;
    let (width, height) = (93, 61);
    for (sampling, option) in [
        (Sampling::S420, ["-sample", "2x2"]),
        (Sampling::S422, ["-sample", "2x1"]),
        (Sampling::S440, ["-sample", "1x2"]),
        (Sampling::S444, ["-sample", "1x1"]),
        (Sampling::Grey, ["-grayscale", "-baseline"]),
    ] {
        // Where chroma is subsampled, the filters before the encoder differ: grey pictures then.
        let colour = matches!(sampling, Sampling::S444 | Sampling::Grey);
        let ppm = picture(width, height, colour);
        let layout = jpeg::Layout::standard(width, height, sampling);
        let planes = planes_of(&ppm, &layout);
        for quality in [10, 50, 85, 100] {
            let text = quality.to_string();
            let options = ["-baseline", "-dct", "int", "-restart", "1", "-quality", &text];
            let theirs = pipe("cjpeg", &[&options[..], &option].concat(), &ppm);
            let ours = reference::encode(&planes, &layout, quality);
            let fast = codec::Encoder::new(layout, quality).frame(|my, samples| {
                for (from, to) in planes.0.iter().zip(samples) {
                    let length = to.len();
                    to.copy_from_slice(&from[my * length..][..length]);
                }
            });
            assert!(fast == ours, "{sampling:?}, quality {quality}: the two encoders differ");
            let (a, b) = (jpeg::parse(&ours).unwrap(), jpeg::parse(&theirs).unwrap());
            assert_eq!((a.quant, a.layout), (b.quant, b.layout));
            let from =
                |bytes: &[u8], frame: &jpeg::Frame| bytes[frame.intervals[0].start..].to_vec();
            assert!(from(&ours, &a) == from(&theirs, &b), "{sampling:?}, quality {quality}");
        }
    }
}

#[test]
fn grey_and_full_chroma_stay_as_they_are() {
    for (options, pixels, planes) in [
        (["-sample", "1x1", "-restart", "1"], "yuvj444p", 3),
        (["-grayscale", "-optimize", "-restart", "0"], "gray", 1),
    ] {
        let file = pipe("cjpeg", &options, &picture(77, 51, true));
        for (width, height, quality) in [(77, 51, 100), (39, 26, 85), (101, 9, 60)] {
            let extra = [("out_width", width), ("out_height", height), ("quality", quality)];
            let case = video(file.clone(), &extra.map(|(k, v)| (k, Value::Int(v)))).unwrap();
            let kept = kept(&*case);
            let ours = ffmpeg_frames(&kept["output.avi"], pixels);
            assert_eq!(ours.len() as i64, width * height * planes);
            if quality == 100 {
                let theirs = ffmpeg_frames(&file, pixels);
                let worst = ours.iter().zip(&theirs).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
                assert!(worst <= 4, "{pixels}: {worst}");
            }
        }
    }
}

#[test]
fn long_intervals_are_cut_and_short_ones_are_not() {
    let names = |file: &[u8]| {
        let movie = container::parse(file, container::Damaged::Fail).unwrap();
        let tunings = gpu::tunings(&movie).into_iter().map(|tuning| tuning.name);
        (movie.frames.len(), tunings.collect::<Vec<_>>())
    };
    let ppm = picture(300, 200, true);
    let whole = pipe("cjpeg", &["-quality", "98", "-restart", "0"], &ppm);
    assert_eq!(names(&whole), (1, vec!["largest, cut".to_owned()]));
    let rows = pipe("cjpeg", &["-quality", "50", "-restart", "1"], &ppm);
    assert_eq!(names(&rows), (1, vec!["largest".to_owned(), "largest, cut".to_owned()]));
    let blocks = pipe("cjpeg", &["-quality", "50", "-restart", "2B"], &ppm).repeat(9);
    assert_eq!(names(&blocks), (9, vec!["largest".to_owned(), "8 frames".to_owned()]));
}

#[test]
fn what_is_not_baseline_is_refused_by_name() {
    let ppm = [b"P6\n32 32\n255\n".as_slice(), &[90; 32 * 32 * 3]].concat();
    let message = |options: &[&str]| video(pipe("cjpeg", options, &ppm), &[]).err().unwrap();
    assert!(message(&["-progressive"]).contains("frame 0: progressive JPEG is not supported"));
    assert!(message(&["-arithmetic"]).contains("frame 0: arithmetic-coded JPEG"));
    assert!(message(&["-sample", "4x1"]).contains("sampling factors 4x1,1x1,1x1"));
    assert!(message(&["-sample", "1x1,2x1,1x1"]).contains("sampling factors 1x1,2x1,1x1"));
    assert!(message(&["-rgb"]).contains("frame 0: its colours are RGB; only YCbCr and grey"));
    let mut deep = pipe("cjpeg", &[], &ppm);
    let sof = deep.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
    deep[sof + 4] = 12;
    let message = video(deep, &[]).err().unwrap();
    assert_eq!(
        message,
        "transcode: input file clip: frame 0: 12-bit samples are not supported; only 8-bit; \
         damaged = \"skip\" leaves such frames out"
    );
}

#[test]
fn damaged_files_are_named_with_the_frame() {
    let file = clip("64x48", "yuvj420p", "avi", "4");
    let cut = video(file[..file.len() * 2 / 3].to_vec(), &[]).err().unwrap();
    assert!(cut.starts_with("transcode: input file clip: frame "), "{cut}");
    assert!(cut.contains("truncated"), "{cut}");
    let text = video(b"not a video".to_vec(), &[]).err().unwrap();
    assert!(text.contains("is neither AVI nor raw Motion-JPEG"), "{text}");
    assert!(video(vec![], &[]).err().unwrap().contains("is empty"));
    // A hole in the picture data of frame 2 is found when the input is read.
    let mut file = file;
    let movie = container::parse(&file, container::Damaged::Fail).unwrap();
    file[movie.frames[2].intervals[1].clone()].fill(0xfe);
    let error = video(file, &[]).unwrap().input(0).err().unwrap().to_string();
    assert!(error.starts_with("transcode: input file clip: frame 2: "), "{error}");
    assert!(error.ends_with("; damaged = \"skip\" leaves such frames out"), "{error}");
}

#[test]
fn unknown_and_contradictory_keys_are_refused() {
    let input = params(&[("video", Value::Text("v".into())), ("frames", Value::Int(3))]);
    let params = params(&[("input", Value::Table(input))]);
    let error = Transcode.case(&params, &Folder(HashMap::new())).err().unwrap().to_string();
    assert!(error.contains("frames = 3: describes synthetic video"), "{error}");
    let mut params = synthetic(1, 32, 32);
    params.set("outwidth", Value::Int(3));
    let error = Transcode.case(&params, &Folder(HashMap::new())).err().unwrap().to_string();
    assert!(error.contains("did you mean `out_width`?"), "{error}");
}

#[test]
fn keys_say_everything_that_matters() {
    assert_eq!(
        case_of(&synthetic(30, 1920, 1080)).key(),
        "transcode codec=mjpeg width=1920 height=1080 out_width=960 out_height=540 quality=85 \
         frames=30 sampling=420 input_quality=90 seed=1"
    );
}

#[test]
fn filters_halve_and_keep() {
    let half = scale::Filter::new(16, 8);
    // Catmull–Rom at 0.25, 0.75, 1.25 and 1.75, halved, in 1/16384.
    assert_eq!(half.weights[8..16], [-192, -576, 1856, 7104, 7104, 1856, -576, -192]);
    assert_eq!(half.first, [-3, -1, 1, 3, 5, 7, 9, 11]);
    let plane: Vec<u8> = (0..48u8).map(|i| i.wrapping_mul(37)).collect();
    let (down, across) = (scale::Filter::new(6, 6), scale::Filter::new(8, 8));
    assert_eq!(scale::scale(&plane, 8, &down, &across), plane);
}

#[test]
fn synthetic_video_weighs_what_footage_does() {
    let case = case_of(&synthetic(2, 1920, 1080));
    let bytes = case.input(0).unwrap().work().bytes_in / 2.0;
    assert!((150e3..200e3).contains(&bytes), "{bytes} bytes a frame");
}

/// The AVX2 transforms against the reference.
#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "calls AVX2 code after a run-time check")]
fn on_avx2(
    block: &[i16; 64],
    quant: &[u16; 64],
    samples: &[u8; 64],
    expected: ([i16; 64], u64),
) -> Result<(), TestCaseError> {
    let mut found = [0; 64];
    // SAFETY: the caller looked for AVX2.
    unsafe { avx2::inverse(block, &quant.map(|q| q as i16), &mut found, 8) };
    prop_assert_eq!(found, dct::inverse(block, quant));
    // SAFETY: the caller looked for AVX2.
    let found = unsafe { avx2::forward(samples, 8, &lanes::Divisors::new(quant)) };
    prop_assert_eq!(found, expected);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn transforms_on_lanes_are_the_reference(
        block in prop::array::uniform32(any::<[i16; 2]>()),
        quant in prop::array::uniform32(prop::array::uniform2(1u16..=255)),
        samples in prop::array::uniform32(any::<[u8; 2]>()),
    ) {
        let block: [i16; 64] = block.concat().try_into().unwrap();
        let quant: [u16; 64] = quant.concat().try_into().unwrap();
        let samples: [u8; 64] = samples.concat().try_into().unwrap();
        let signed = quant.map(|q| q as i16);
        let expected = dct::inverse(&block, &quant);
        let mut found = [0; 64];
        lanes::inverse(&block, &signed, &mut found, 8);
        prop_assert_eq!(found, expected);
        let mut flat = [0; 64];
        flat[0] = block[0];
        prop_assert_eq!([lanes::inverse_flat(block[0], signed[0]); 64], dct::inverse(&flat, &quant));
        let spectrum = dct::forward(&samples);
        let expected: [i16; 64] = std::array::from_fn(|i| {
            dct::quantise(spectrum[i], quant[usize::from(tables::PLACE[i])])
        });
        let bit = |k: usize| u64::from(expected[usize::from(tables::ZIGZAG[k])] != 0) << k;
        let mask = (0..64).fold(0, |mask, k| mask | bit(k));
        let found = lanes::forward(&samples, 8, &lanes::Divisors::new(&quant));
        prop_assert_eq!(found, (expected, mask));
        #[cfg(target_arch = "x86_64")]
        if has_avx2() {
            on_avx2(&block, &quant, &samples, (expected, mask))?;
        }
    }

    #[test]
    fn no_damage_panics(
        hits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..40),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let small = synth::Synthetic { frames: 3, width: 48, height: 40, seed: 3, quality: 60 };
        let mut file = synth::movie(&small).unwrap();
        for (at, value) in hits {
            let at = at.index(file.len());
            file[at] = value;
        }
        if let Some(cut) = cut {
            file.truncate(cut.index(file.len()));
        }
        if let Ok(movie) = container::parse(&file, container::Damaged::Fail) {
            // Whatever the two decoders make of damage, they agree on what they accept.
            for frame in movie.frames.iter().filter(|f| f.layout.blocks() < 1000) {
                let slow = reference::decode(&file, frame);
                let mut decoder = decode::Decoder::default();
                let fast = decoder.frame(&file, frame);
                prop_assert_eq!(slow.is_ok(), fast.is_ok());
                if let (Ok(slow), Ok(planes)) = (slow, fast) {
                    prop_assert_eq!(&slow.0, planes);
                }
            }
        }
    }
}
