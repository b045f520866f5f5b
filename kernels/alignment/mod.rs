//! Alignment: affine-gap dynamic programming over batches of pairs of sequences.
//!
//! Every implementation gives the same numbers bit for bit; `README.md` in this folder defines
//! them.

mod case;
mod cpu;
mod cpu_batch;
mod cpu_lanes;
mod cpu_long;
mod cpu_portable;
mod cpu_profile;
mod cpu_range;
mod cpu_strip;
mod cpu_trace;
mod cpu_watch;
#[cfg(target_arch = "x86_64")]
mod cpu_x86;
mod gpu;
mod gpu_pack;
mod input;
mod matrix;
mod path;
pub mod reference;
pub mod scoring;
pub mod sequences;
pub mod stream;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_case;

use crate::params::Params;
use crate::work::{Case, CaseError, Family, Files, Implementation, Language};

/// The family's name in suites, keys and messages.
const FAMILY: &str = "alignment";

/// The implementation that packs two pairs in a thread.
const PACKED: &str = "cuda/packed";

/// The family of pairwise alignments.
pub struct AlignmentFamily;

static IMPLEMENTATIONS: [Implementation; 4] = [
    Implementation {
        name: "cpu/simd",
        language: Language::Native,
        summary: "a pair, or a strip of a long one, per SIMD lane of 8 or 16 bits; AVX-512BW, AVX2 or portable",
    },
    Implementation {
        name: "cuda/inter",
        language: Language::Cuda,
        summary: "a pair per thread or per warp, strips of 16 query residues in registers, 32 bits",
    },
    Implementation {
        name: PACKED,
        language: Language::Cuda,
        summary: "two pairs per thread in 16 bits by DPX, longer ones in 32; compute capability 9.0",
    },
    Implementation {
        name: "vulkan/inter",
        language: Language::Wgsl,
        summary: "a pair per invocation in 32 bits, or two in 16, strips of 8 query residues in registers",
    },
];

impl Family for AlignmentFamily {
    fn name(&self) -> &'static str {
        FAMILY
    }

    fn summary(&self) -> &'static str {
        "affine-gap alignment of sequence pairs: local, global, semi-global; DNA and protein"
    }

    fn implementations(&self) -> &'static [Implementation] {
        &IMPLEMENTATIONS
    }

    fn case(&self, params: &Params, files: &dyn Files) -> Result<Box<dyn Case>, CaseError> {
        Ok(Box::new(case::AlignmentCase::read(params, files)?))
    }
}
