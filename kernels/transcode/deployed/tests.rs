//! Cases as written, what is started for them, and how what came out is read and held to them.

use std::io::{self, Read};

use super::super::Transcode;
use super::{TOLERANCE, judge};
use crate::encoder::{Encoded, EncoderSpec, Judged, Source};
use crate::params::{Params, Value};
use crate::work::{Case, DeviceInfo, DeviceKind, Family, Files, Implementation, Program, Tuning};

/// A folder with one film.
struct Shelf;

impl Files for Shelf {
    fn open(&self, name: &str) -> io::Result<Box<dyn Read + Send>> {
        match name {
            "film.mp4" => Ok(Box::new(&b"a"[..])),
            _ => Err(io::Error::new(io::ErrorKind::NotFound, "no such file")),
        }
    }

    fn locate(&self, name: &str) -> io::Result<String> {
        Ok(format!("/shelf/{name}"))
    }
}

fn params(pairs: &[(&str, Value)]) -> Params {
    let mut params = Params::default();
    pairs.iter().for_each(|(key, value)| params.set(key, value.clone()));
    params
}

fn text(value: &str) -> Value {
    Value::Text(value.into())
}

fn film(frames: i64) -> Value {
    Value::Table(params(&[("video", text("film.mp4")), ("frames", Value::Int(frames))]))
}

fn small() -> Value {
    let sizes = [("frames", Value::Int(6)), ("width", Value::Int(64)), ("height", Value::Int(36))];
    Value::Table(params(&sizes))
}

fn case(codec: &str, pairs: &[(&str, Value)]) -> Box<dyn Case> {
    let all = [&[("codec", text(codec))], pairs].concat();
    Transcode.case(&params(&all), &Shelf).unwrap_or_else(|e| panic!("{e}"))
}

fn refusal(codec: &str, pairs: &[(&str, Value)]) -> String {
    let all = [&[("codec", text(codec))], pairs].concat();
    match Transcode.case(&params(&all), &Shelf) {
        Ok(case) => panic!("{} was accepted", case.key()),
        Err(error) => error.to_string(),
    }
}

fn implementation(name: &str) -> &'static Implementation {
    Transcode.implementations().iter().find(|i| i.name == name).expect("it is published")
}

fn spec(case: &dyn Case, name: &str) -> EncoderSpec {
    let input = case.input(1).unwrap_or_else(|e| panic!("{e}"));
    let device = DeviceInfo::bare_cpu();
    match input.program(implementation(name), &device, &Tuning::default()) {
        Ok(Program::Encoder(spec)) => *spec,
        _ => panic!("{name} is an encoder"),
    }
}

#[test]
fn keys_hold_what_changes_result_or_cost() {
    let key = case("h264", &[]).key();
    assert_eq!(
        key,
        "transcode codec=h264 preset=live out_width=960 out_height=540 ssim=0.97 frames=60 \
         streams=1 width=1920 height=1080 seed=1"
    );
    let sizes = [("out_width", Value::Int(320)), ("out_height", Value::Int(180))];
    let of_file = case("av1", &[&[("input", film(240))], &sizes[..]].concat()).key();
    // FNV-1a of the byte "a" is af63dc4c8601ec8c.
    assert!(of_file.ends_with("frames=240 streams=1 video=film.mp4@af63dc4c8601ec8c"), "{of_file}");
    for other in [("preset", text("vod")), ("ssim", Value::Float(0.98)), ("streams", Value::Int(4))]
    {
        assert_ne!(case("h264", std::slice::from_ref(&other)).key(), key, "{other:?}");
    }
    let four = case("h264", &[("streams", Value::Int(4))]).work();
    assert_eq!((four.items, four.item_unit.as_str()), (240.0, "frame"));
    assert!(Transcode.runs_programs(&params(&[("codec", text("av1"))])));
    assert!(!Transcode.runs_programs(&params(&[("codec", text("mjpeg"))])));
    assert!(!Transcode.runs_programs(&Params::default()));
}

#[test]
fn each_codec_has_its_encoders_each_on_its_kind_of_device() {
    let takes = |codec: &str, kind: DeviceKind| -> Vec<&str> {
        let case = case(codec, &[]);
        let device = DeviceInfo { kind, ..DeviceInfo::bare_cpu() };
        let all = Transcode.implementations().iter();
        all.filter(|i| case.supports(i, &device).is_ok()).map(|i| i.name).collect()
    };
    assert_eq!(takes("h264", DeviceKind::Cpu), ["process/x264"]);
    assert_eq!(takes("hevc", DeviceKind::Cpu), ["process/x265"]);
    assert_eq!(takes("av1", DeviceKind::Cpu), ["process/svt-av1"]);
    assert_eq!(takes("h264", DeviceKind::Gpu), ["process/nvenc", "process/nvdec-x264"]);
    assert_eq!(takes("av1", DeviceKind::Gpu), ["process/nvenc", "process/nvdec-svt-av1"]);
    assert!(takes("hevc", DeviceKind::SoftwareGpu).is_empty());
}

#[test]
fn mistakes_are_named_with_a_next_step() {
    let input = |pairs: &[(&str, Value)]| ("input", Value::Table(params(pairs)));
    let video = ("video", text("film.mp4"));
    for (message, parts) in [
        (refusal("h265", &[]), ["codec = h265", "mjpeg, h264, hevc, av1"]),
        (refusal("h264", &[("preset", text("vid"))]), ["preset = vid", "did you mean `vod`?"]),
        (refusal("h264", &[("quality", Value::Int(85))]), ["unknown key `quality`", "ssim"]),
        (refusal("h264", &[("ssim", Value::Int(1))]), ["ssim = 1", "0.9999"]),
        (refusal("h264", &[("out_width", Value::Int(321))]), ["out_width = 321", "even"]),
        (refusal("h264", &[("streams", Value::Int(0))]), ["streams = 0", "from 1"]),
        (
            refusal("h264", &[input(std::slice::from_ref(&video))]),
            ["`frames` is missing", "how many"],
        ),
        (refusal("h264", &[("input", film(9))]), ["`out_width` is missing", "whole number"]),
        (
            refusal("h264", &[input(&[video, ("seed", Value::Int(1))])]),
            ["seed = 1", "leave it out beside `video`"],
        ),
        (
            refusal("h264", &[input(&[("video", text("gone.mp4")), ("frames", Value::Int(1))])]),
            ["gone.mp4", "no such file"],
        ),
    ] {
        parts.iter().for_each(|part| assert!(message.contains(part), "`{part}` not in: {message}"));
    }
}

#[test]
fn words_are_those_of_the_case() {
    let sizes = [("out_width", Value::Int(320)), ("out_height", Value::Int(180))];
    let one = case("h264", &[&[("input", film(240))], &sizes[..]].concat());
    let x264 = spec(&*one, "process/x264");
    assert!(matches!(&x264.source, Source::File(place) if place == "/shelf/film.mp4"));
    assert_eq!(
        x264.encode.join(" "),
        "ffmpeg -nostdin -hide_banner -v error -i {input} -map 0:v:0 -frames:v 240 -vf \
         scale=320:180:flags=bicubic,format=yuv420p -c:v libx264 -crf {setting} -g 60 -preset \
         veryfast -f mp4 -y {output}"
    );
    assert!(x264.probe.join(" ").contains("-frames:v 6 "));
    let four = case("h264", &[("streams", Value::Int(4)), ("preset", text("vod"))]);
    let words = spec(&*four, "process/x264").encode.join(" ");
    // The decoder's threads and the encoder's.
    assert_eq!(words.matches("-threads {share}").count(), 2, "{words}");
    assert!(words.contains("-preset medium"), "{words}");
    let nvenc = spec(&*four, "process/nvenc").encode.join(" ");
    assert!(nvenc.contains("-hwaccel cuda -hwaccel_output_format cuda -i {input}"), "{nvenc}");
    assert!(nvenc.contains("-vf scale_cuda=960:540 -c:v h264_nvenc -cq {setting}"), "{nvenc}");
    assert!(nvenc.contains("-preset p6 -tune hq -rc vbr -b:v 0"), "{nvenc}");
    let mixed = spec(&*four, "process/nvdec-x264").encode.join(" ");
    assert!(mixed.contains("scale_cuda=960:540,hwdownload,format=nv12,format=yuv420p"), "{mixed}");
    // Alone they choose for themselves.
    let svt = spec(&*case("av1", &[]), "process/svt-av1").encode.join(" ");
    assert!(svt.contains("-preset 10 -f mp4") && !svt.contains("share"), "{svt}");
    let two = [("streams", Value::Int(2))];
    let svt = spec(&*case("av1", &two), "process/svt-av1").encode.join(" ");
    assert!(svt.contains("-preset 10 -svtav1-params lp={share}"), "{svt}");
    let x265 = spec(&*case("hevc", &two), "process/x265");
    assert!(x265.encode.contains(&"log-level=error:pools={share}".to_owned()));
    // With VMAF there is one filter more, over one more copy of each side.
    let graph = |words: &[String]| words.iter().find(|w| w.contains("ssim=")).cloned();
    let (plain, vmaf) = (graph(&x265.judge).unwrap(), graph(&x265.judge_vmaf).unwrap());
    assert!(plain.contains("split=2[os][op]") && !plain.contains("vmaf"), "{plain}");
    assert!(vmaf.contains("[ov][rv]libvmaf=log_fmt=json"), "{vmaf}");
}

#[test]
fn synthetic_video_is_made_only_when_it_is_needed_and_by_the_seed() {
    let made = |seed: u64| {
        let input = case("h264", &[("input", small())]).input(seed).expect("nothing is read");
        let device = DeviceInfo::bare_cpu();
        let program = input.program(implementation("process/x264"), &device, &Tuning::default());
        let Ok(Program::Encoder(spec)) = program else { panic!("it is an encoder") };
        let Source::Made(maker, words) = spec.source else { panic!("it is made") };
        assert!(words.contains(&"libx264".to_owned()));
        maker().expect("a video")
    };
    assert!(made(1).starts_with(b"RIFF"));
    assert_eq!(made(1), made(1));
    assert_ne!(made(1), made(2));
}

/// What the comparison leaves, of two frames.
fn left(name: &str) -> Option<String> {
    let text = match name {
        "ssim.log" => "n:1 Y:0.98 U:0.97 V:0.98 All:0.980000 (17.1)\nn:2 Y:0.9 All:0.960000 (1)\n",
        "psnr.log" => "n:1 mse_avg:4.00 mse_y:4.35 psnr_avg:42.11 \nn:2 mse_avg:9.00 psnr_avg:38\n",
        "packets.txt" => {
            "#software: Lavf\n#tb 0: 1/15360\n#codec_id 0: h264\n\
             0,      -1024,          0,      512,     2464, 0x782269ca\n\
             0,       -512,       2048,      512,      605, 0xce412edc, F=0x0\n"
        }
        _ => return None,
    };
    Some(text.to_owned())
}

#[test]
fn what_the_comparison_leaves_is_read() {
    let judged = judge::read(&left).expect("all is there");
    assert_eq!((judged.frames, judged.compared, judged.vmaf), (2, 2, None));
    // Two packets of 512 ticks of 1/15360 s: 1/15 s. (0.98 + 0.96) ÷ 2 = 0.97.
    assert!((judged.seconds - 1.0 / 15.0).abs() < 1e-12 && (judged.ssim - 0.97).abs() < 1e-12);
    // 10 · log10(255² ÷ ((4 + 9) ÷ 2)) = 10 · log10(10003.8) = 40.0017 dB.
    assert!((judged.psnr_db - 40.0017).abs() < 1e-3, "{}", judged.psnr_db);
    let vmaf = r#"{"frames":[{"metrics":{"vmaf":1}}],
        "pooled_metrics": { "vmaf": { "min": 90.1, "max": 99.9, "mean": 95.25, "harmonic_mean": 95 } } }"#;
    let with = |name: &str| match name {
        "vmaf.json" => Some(vmaf.to_owned()),
        name => left(name),
    };
    assert_eq!(judge::read(&with).expect("all is there").vmaf, Some(95.25));
    for (gone, said) in [("ssim.log", "no ssim.log"), ("packets.txt", "no packets.txt")] {
        let without = |name: &str| left(name).filter(|_| name != gone);
        assert!(judge::read(&without).expect_err("it is gone").contains(said));
    }
    let broken = |name: &str| left(name).map(|text| text.replace("All:", "Any:"));
    assert_eq!(judge::read(&broken).expect_err("no number"), "ssim.log: line 1: no All:");
}

#[test]
fn outputs_are_held_to_frames_and_quality() {
    let input = case("h264", &[("input", small())]).input(1).expect("nothing is read");
    let judged =
        Judged { frames: 6, compared: 6, seconds: 0.2, ssim: 0.9712, psnr_db: 40.0, vmaf: None };
    let check = |chosen_ssim: f64, outputs: Vec<Result<Judged, String>>| {
        input.check(&Encoded { chosen_ssim, outputs }.to_outputs()).map_err(|wrong| wrong.0)
    };
    let right = check(0.97, vec![Ok(judged)]).expect("it is near enough");
    assert_eq!((right.method.as_str(), right.compared), ("ssim", 6));
    assert!((right.max_abs_err - 0.0012).abs() < 1e-9 && right.max_rel_err <= right.bound);
    // A whole setting may lie above the target, where it was chosen there.
    let above = Judged { ssim: 0.975, ..judged };
    assert!(check(0.97, vec![Ok(above)]).is_err());
    assert!(check(0.9745, vec![Ok(above)]).is_ok());
    for (output, said) in [
        (Ok(Judged { frames: 5, compared: 5, ..judged }), "5 frames came out where 6 belong"),
        (Ok(Judged { compared: 4, ..judged }), "4 frames came out"),
        (Ok(Judged { ssim: 0.97 - TOLERANCE - 1e-4, ..judged }), "SSIM is 0.9679"),
        (Ok(Judged { ssim: f64::NAN, ..judged }), "SSIM is NaN"),
        (Err("ended with status 1".to_owned()), "cannot be decoded"),
    ] {
        // One wrong stream among right ones is enough.
        let wrong = check(0.97, vec![Ok(judged), output]).expect_err(said);
        assert!(wrong.contains(said), "{wrong}");
    }
    assert!(check(0.97, vec![]).is_err());
    assert!(input.check(&[]).is_err());
}

#[test]
fn reasons_are_sentences() {
    let absent = super::encoders::absent;
    for (name, words, said) in [
        ("libsvtav1", "Unknown encoder 'libsvtav1'", "this ffmpeg has no libsvtav1"),
        ("h264_nvenc", "[h264_nvenc] Cannot load libcuda.so.1", "no NVIDIA driver"),
        ("h264_nvenc", "OpenEncodeSessionEx failed: unsupported device (2)", "no encoder engine"),
        ("av1_nvenc", "No capable devices found", "A100, H100, H200 and B200 have none"),
        ("hevc_nvenc", "Cannot load libnvcuvid.so.1", "driver capability `video`"),
        ("libx265", "out of cheese", "ffmpeg says: out of cheese"),
    ] {
        let sentence = absent(name, words);
        assert!(sentence.contains(name) && sentence.contains(said), "{sentence}");
    }
}
