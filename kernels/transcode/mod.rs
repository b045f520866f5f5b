//! Motion-JPEG in, scaled, Motion-JPEG out: a whole chain on compressed bytes.
//!
//! Parse, Huffman decode, inverse DCT, scale, forward DCT, Huffman encode, file. All integers, so
//! every implementation yields the same file, byte for byte. What each step computes is stated in
//! `README.md` beside this file.

use crate::params::Params;
use crate::work::{Case, CaseError, Family, Files, Implementation, Language};

mod avi;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod case;
mod codec;
pub mod container;
mod cpu;
mod dct;
mod decode;
mod deployed;
mod device_tables;
mod gpu;
mod huffman;
pub mod jpeg;
mod lanes;
pub mod muxer;
mod reference;
mod scale;
mod scan;
pub mod stream;
mod synth;
mod tables;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_files;
#[cfg(test)]
mod tests_quality;

/// The family's name.
const FAMILY: &str = "transcode";

/// The family.
pub struct Transcode;

/// Every implementation, in the order shown.
static IMPLEMENTATIONS: [Implementation; 10] = [
    Implementation {
        name: "cpu/simd",
        language: Language::Native,
        summary: "table-driven Huffman, SIMD transforms, parallel over frames and rows",
    },
    Implementation {
        name: "cuda/chain",
        language: Language::Cuda,
        summary: "a dozen kernels on batches of frames; only compressed bytes cross",
    },
    Implementation {
        name: "vulkan/chain",
        language: Language::Wgsl,
        summary: "the same kernels in WGSL",
    },
    program("process/x264", "ffmpeg's libx264 on the CPU, for codec h264"),
    program("process/x265", "ffmpeg's libx265 on the CPU, for codec hevc"),
    program("process/svt-av1", "ffmpeg's libsvtav1 on the CPU, for codec av1"),
    program("process/nvenc", "decoded, scaled and encoded by the GPU's engines, through ffmpeg"),
    program("process/nvdec-x264", "decoded and scaled by the GPU, encoded by libx264 beside it"),
    program("process/nvdec-x265", "decoded and scaled by the GPU, encoded by libx265 beside it"),
    program("process/nvdec-svt-av1", "decoded and scaled by the GPU, libsvtav1 beside it"),
];

/// An implementation that ffmpeg drives.
const fn program(name: &'static str, summary: &'static str) -> Implementation {
    Implementation { name, language: Language::Process, summary }
}

impl Family for Transcode {
    fn name(&self) -> &'static str {
        FAMILY
    }

    fn summary(&self) -> &'static str {
        "Motion-JPEG in, scaled, Motion-JPEG out, all in integers; and H.264, HEVC, AV1 by ffmpeg"
    }

    fn implementations(&self) -> &'static [Implementation] {
        &IMPLEMENTATIONS
    }

    fn case(&self, params: &Params, files: &dyn Files) -> Result<Box<dyn Case>, CaseError> {
        if deployed::is_deployed(params) {
            return Ok(Box::new(deployed::parse(params, files)?));
        }
        Ok(Box::new(case::parse(params, files)?))
    }

    fn runs_programs(&self, params: &Params) -> bool {
        deployed::is_deployed(params)
    }
}

/// Whether the AVX2 code may run (AVX2 itself, BMI1, BMI2, LZCNT).
#[cfg(target_arch = "x86_64")]
fn has_avx2() -> bool {
    let bits = is_x86_feature_detected!("bmi1") && is_x86_feature_detected!("bmi2");
    is_x86_feature_detected!("avx2") && bits && is_x86_feature_detected!("lzcnt")
}

/// Whether the AVX-512 code may run.
#[cfg(target_arch = "x86_64")]
fn has_avx512() -> bool {
    let wide = is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw");
    wide && is_x86_feature_detected!("avx512vl")
}
