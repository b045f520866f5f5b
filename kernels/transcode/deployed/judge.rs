//! How outputs are compared with their source: by ffmpeg, the same way for every encoder.
//!
//! The reference is the source, decoded and scaled (bicubic) on the CPU. Frames are paired by their
//! order, for encoders and containers may shift time stamps. SSIM and PSNR are those of ffmpeg's
//! filters over all planes, written a line a frame.

use super::encoders::{Shape, ffmpeg};
use crate::encoder::{INPUT, Judged, Left, OUTPUT};

/// The filter that measures VMAF, in builds that have it.
pub(super) const VMAF: &str = "libvmaf";
const SSIM_LOG: &str = "ssim.log";
const PSNR_LOG: &str = "psnr.log";
const VMAF_LOG: &str = "vmaf.json";
const PACKETS: &str = "packets.txt";
/// Largest 8-bit sample.
const PEAK: f64 = 255.0;

/// Decodes [`OUTPUT`] and the source, and writes what differs; damage is an error.
pub(super) fn words(shape: &Shape, vmaf: bool) -> Vec<String> {
    let Shape { width, height, frames, .. } = shape;
    let measures: &[(&str, String)] = &[
        ("s", format!("ssim=stats_file={SSIM_LOG}:shortest=1")),
        ("p", format!("psnr=stats_file={PSNR_LOG}:shortest=1")),
        ("v", format!("{VMAF}=log_fmt=json:log_path={VMAF_LOG}:shortest=1")),
    ];
    let measures = &measures[..if vmaf { 3 } else { 2 }];
    let order = "settb=AVTB,setpts=N/30/TB";
    let split = |prefix: &str| {
        let names: String = measures.iter().map(|(m, _)| format!("[{prefix}{m}]")).collect();
        format!("format=yuv420p,split={}{names}", measures.len())
    };
    let scale = format!("trim=end_frame={frames},{order},scale={width}:{height}:flags=bicubic");
    let mut graph = format!("[0:v:0]{order},{};[1:v:0]{scale},{}", split("o"), split("r"));
    let mut outputs = Vec::new();
    for (name, filter) in measures {
        graph += &format!(";[o{name}][r{name}]{filter}[{name}]");
        outputs.extend(["-map".to_owned(), format!("[{name}]")]);
        outputs.extend(["-f", "null", "-"].map(str::to_owned));
    }
    let strict = ["-xerror", "-err_detect", "explode"];
    let inputs = ["-i", OUTPUT, "-i", INPUT, "-filter_complex", &graph];
    let mut words = ffmpeg(&[&strict[..], &inputs].concat());
    words.extend(outputs);
    let packets = ["-map", "0:v:0", "-c", "copy", "-f", "framecrc", "-y", PACKETS];
    words.extend(packets.map(str::to_owned));
    words
}

/// Reads what [`words`] left.
///
/// # Errors
/// What is missing or cannot be understood.
pub(super) fn read(left: &Left<'_>) -> Result<Judged, String> {
    let text = |name: &str| left(name).ok_or_else(|| format!("ffmpeg left no {name}"));
    let ssim = column(&text(SSIM_LOG)?, SSIM_LOG, "All:")?;
    let errors = column(&text(PSNR_LOG)?, PSNR_LOG, "mse_avg:")?;
    let (frames, seconds) = packets(&text(PACKETS)?)?;
    let mean = |all: &[f64]| all.iter().sum::<f64>() / all.len().max(1) as f64;
    Ok(Judged {
        frames,
        compared: ssim.len().min(errors.len()) as u64,
        seconds,
        ssim: mean(&ssim),
        psnr_db: 10.0 * (PEAK * PEAK / mean(&errors)).log10(),
        vmaf: left(VMAF_LOG).as_deref().map(vmaf_mean).transpose()?,
    })
}

/// The numbers behind `key` in every line.
fn column(text: &str, file: &str, key: &str) -> Result<Vec<f64>, String> {
    let number = |line: &str| line.split(' ').find_map(|word| word.strip_prefix(key)?.parse().ok());
    let lines = text.lines().enumerate();
    lines
        .map(|(i, line)| number(line).ok_or_else(|| format!("{file}: line {}: no {key}", i + 1)))
        .collect()
}

/// Frames and length of a stream, from `#tb 0: 1/15360` and a line a packet: stream, decoding time,
/// showing time, duration, bytes, check sum.
fn packets(text: &str) -> Result<(u64, f64), String> {
    let bad = |what: &str| format!("{PACKETS}: {what}");
    let base = text.lines().find_map(|line| line.strip_prefix("#tb 0: ")?.split_once('/'));
    let tick = base.and_then(|(n, d)| Some(n.trim().parse::<f64>().ok()? / d.parse::<f64>().ok()?));
    let tick = tick.ok_or_else(|| bad("no time base"))?;
    let (mut frames, mut ticks) = (0, 0.0);
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let duration = line.split(',').nth(3).and_then(|d| d.trim().parse::<f64>().ok());
        ticks += duration.ok_or_else(|| bad(line))?;
        frames += 1;
    }
    Ok((frames, ticks * tick))
}

/// The mean of a VMAF log: `"pooled_metrics": { … "vmaf": { … "mean": 95.1 …`.
fn vmaf_mean(log: &str) -> Result<f64, String> {
    let pooled = log.split_once("\"pooled_metrics\"").map(|(_, rest)| rest);
    let vmaf = pooled.and_then(|rest| rest.split_once("\"vmaf\":")).map(|(_, rest)| rest);
    let mean =
        vmaf.and_then(|rest| rest.split_once("\"mean\":")).map(|(_, rest)| rest.trim_start());
    let digits = |text: &str| text.split([',', '}', '\n']).next()?.trim().parse().ok();
    mean.and_then(digits).ok_or_else(|| format!("{VMAF_LOG}: no mean of vmaf"))
}
