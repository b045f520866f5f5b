//! The scaled picture against ffmpeg's scalers: at the same tables ours is as good.

use super::tests::{ffmpeg_frames, kept, pipe, video};
use super::*;
use crate::params::Value;

const FROM: (usize, usize) = (640, 360);
const FRAMES: usize = 3;

/// Frames of `avi` as ffmpeg scales them, luma then chroma, without any coding.
fn scaled(avi: &[u8], (width, height): (usize, usize), flags: &str) -> Vec<u8> {
    let filter = format!("scale={width}:{height}:flags={flags}");
    let arguments = ["-v", "error", "-i", "pipe:0", "-vf", &filter];
    let raw = ["-f", "rawvideo", "-pix_fmt", "yuvj420p", "pipe:1"];
    pipe("ffmpeg", &[&arguments[..], &raw].concat(), avi)
}

/// Samples of the luma of all frames.
fn luma(frames: &[u8], (width, height): (usize, usize)) -> Vec<u8> {
    let each = width * height + 2 * width.div_ceil(2) * height.div_ceil(2);
    frames.chunks_exact(each).flat_map(|frame| frame[..width * height].to_vec()).collect()
}

fn psnr_db(a: &[u8], b: &[u8]) -> f64 {
    assert_eq!(a.len(), b.len());
    let square = |(a, b): (&u8, &u8)| f64::from(a.abs_diff(*b)).powi(2);
    let mean = a.iter().zip(b).map(square).sum::<f64>() / a.len() as f64;
    20.0 * 255f64.log10() - 10.0 * mean.log10()
}

/// `frames` in our own coding, decoded by ffmpeg.
fn coded(frames: &[u8], size: (usize, usize), quality: u32) -> Vec<u8> {
    let layout = jpeg::Layout::standard(size.0, size.1, jpeg::Sampling::S420);
    let each: usize = (0..3).map(|c| layout.plane_size(c)).map(|(w, h)| w * h).sum();
    let images = frames.chunks_exact(each).flat_map(|frame| {
        let mut at = 0;
        let planes = std::array::from_fn(|c| {
            let ((w, h), (stride, rows)) = (layout.plane_size(c), layout.padded_size(c));
            let plane = &frame[at..at + w * h];
            at += w * h;
            let sample = |i: usize| plane[(i / stride).min(h - 1) * w + (i % stride).min(w - 1)];
            (0..stride * rows).map(sample).collect()
        });
        reference::encode(&reference::Planes(planes), &layout, quality)
    });
    ffmpeg_frames(&images.collect::<Vec<u8>>(), "yuvj420p")
}

#[test]
fn scaled_pictures_are_as_good_as_ffmpegs() {
    let (width, height) = FROM;
    let source = synth::Synthetic { frames: FRAMES, width, height, seed: 4, quality: 95 };
    let avi = synth::movie(&source).unwrap();
    for (size, quality) in [((320, 180), 85), ((320, 180), 95), ((426, 240), 85)] {
        let sizes = [("out_width", size.0), ("out_height", size.1), ("quality", quality as usize)];
        let sizes = sizes.map(|(key, value)| (key, Value::Int(value as i64)));
        let ours =
            ffmpeg_frames(&kept(&*video(avi.clone(), &sizes).unwrap())["output.avi"], "yuvj420p");
        // A longer filter than either, uncoded, stands for what the small picture should be.
        let ideal = luma(&scaled(&avi, size, "lanczos+accurate_rnd"), size);
        let ours = psnr_db(&luma(&ours, size), &ideal);
        for scaler in ["bilinear", "bicubic"] {
            let theirs =
                coded(&scaled(&avi, size, &format!("{scaler}+accurate_rnd")), size, quality);
            let theirs = psnr_db(&luma(&theirs, size), &ideal);
            println!("{size:?} {quality} {scaler}: {theirs:.3} dB, ours {ours:.3} dB");
            assert!(ours >= theirs - 0.1, "{size:?} {scaler}: {theirs} dB, ours {ours} dB");
        }
    }
}
