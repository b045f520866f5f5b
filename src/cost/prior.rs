//! Efficiencies from published results, for devices of a kind that nobody here has measured.
//! Wide on purpose, and never under ×2: they say which way a verdict leans, seldom more.

use breakeven_kernels::work::{OpKind, Work};

use super::Estimate;
use super::peaks::{Bound, Peaks};

/// Operands up to this many bytes may stay in a last-level cache (32 MB and more in a server's
/// processor, 40 MB and more in its GPU): then memory is no bound, and the fast end is further off.
const CACHE_BYTES: f64 = 16e6;
/// By how much: a product of 8 MB at 4.9 times what memory gives (reference record, Zen 4).
const CACHED: f64 = 5.0;
/// Added for a GPU of a maker whom the published results are not about.
const FOREIGN: f64 = 2.0;

/// What a published result says about a family on a kind of device.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prior {
    family: &'static str,
    gpu: bool,
    basis: Basis,
    /// 5th and 95th percentile of the basis.
    range: (f64, f64),
    /// Where it was published.
    pub source: &'static str,
}

/// What the range is a range of.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Basis {
    /// Share of the roofline that is reached under this bound.
    Efficiency(Bound),
    /// Peak operations of this kind spent per useful unit (cell, pixel).
    OpsPerUnit(OpKind),
}

/// The table; the first match counts.
pub static PRIORS: &[Prior] = &[
    Prior {
        family: "matmul",
        gpu: true,
        basis: Basis::Efficiency(Bound::Compute),
        range: (0.25, 1.0),
        source: "cuBLAS at 105–115 of 119.5 TFLOP/s on an L20 for large squares (LeetCUDA, \
                 hgemm notes); an HPC kernel at 0.55–0.70 of peak on a V100 (Yang, Kurth and \
                 Williams, hierarchical roofline); lower end for small shapes",
    },
    Prior {
        family: "matmul",
        gpu: true,
        basis: Basis::Efficiency(Bound::Memory),
        range: (0.35, 1.4),
        source: "423 of 448 GB/s on an RTX 2070 (mixbench, README); upper end for operands that \
                 stay in a cache, lower end for short ones",
    },
    Prior {
        family: "convolution",
        gpu: true,
        basis: Basis::Efficiency(Bound::Compute),
        range: (0.22, 0.9),
        source: "ResNet-50 in f32: 709 images/s at batch 8 and 1261 at 256 on a V100, 363 and 415 \
                 on a T4, that is 0.37–0.66 of peak at 8.2 GFLOP an image (NVIDIA \
                 DeepLearningExamples, ResNet-50 v1.5 for PyTorch)",
    },
    Prior {
        family: "convolution",
        gpu: true,
        basis: Basis::Efficiency(Bound::Memory),
        range: (0.3, 1.2),
        source: "423 of 448 GB/s on an RTX 2070 (mixbench, README); lower end for short layers",
    },
    Prior {
        family: "alignment",
        gpu: true,
        basis: Basis::OpsPerUnit(OpKind::Int16),
        range: (8.0, 60.0),
        source: "5.71 TCUPS on an H100, 1.94 on an A100, 5.01 on an L40S (CUDASW++4.0) are 6 to \
                 10 operations a cell; 0.50 TCUPS on an H100 (StringZilla) is 67",
    },
    Prior {
        family: "transcode",
        gpu: true,
        basis: Basis::OpsPerUnit(OpKind::Int32),
        range: (600.0, 6000.0),
        source: "14 Gpixel/s one way on an RTX 3080 without transfers (GPUJPEG, README) is 530 \
                 operations a pixel; scaling and encoding a quarter of the pixels come on top, and \
                 other decoders are several times slower",
    },
    Prior {
        family: "matmul",
        gpu: false,
        basis: Basis::Efficiency(Bound::Compute),
        range: (0.25, 1.0),
        source: "GPU-BLOB (PMBS 2024): CPU libraries near peak on squares, far below on skinny \
                 shapes",
    },
    Prior {
        family: "matmul",
        gpu: false,
        basis: Basis::Efficiency(Bound::Memory),
        range: (0.3, 1.2),
        source: "GPU-BLOB (PMBS 2024): matrix–vector products run at memory speed",
    },
    Prior {
        family: "convolution",
        gpu: false,
        basis: Basis::Efficiency(Bound::Compute),
        range: (0.2, 0.85),
        source: "oneDNN 2.6 direct at 190–334 GFLOP/s on 2 AVX-512 cores (this project)",
    },
    Prior {
        family: "convolution",
        gpu: false,
        basis: Basis::Efficiency(Bound::Memory),
        range: (0.3, 1.2),
        source: "as matrix–vector products: GPU-BLOB (PMBS 2024)",
    },
    Prior {
        family: "alignment",
        gpu: false,
        basis: Basis::OpsPerUnit(OpKind::Int8),
        range: (12.0, 100.0),
        source: "2.2–2.8 GCUPS (parasail) to 6.7 (StringZilla) a core with AVX-512 at 150 × 300 \
                 (this project)",
    },
    Prior {
        family: "transcode",
        gpu: false,
        basis: Basis::OpsPerUnit(OpKind::Int32),
        range: (120.0, 1200.0),
        source: "137 frames/s of 1080p decoded and encoded on 2 cores (libjpeg-turbo 2.1.5) are 510 \
                 operations a pixel, 62 through ffmpeg 1120, and 300 scaled to a quarter of the \
                 pixels 190 to 230 (this project)",
    },
];

/// Kernel time of `work` on a device with `peaks` by the prior of its family, with what bounds
/// it and the prior used; `None` where no prior or no peak is known.
pub fn kernel_time(family: &str, work: &Work, peaks: &Peaks) -> Option<(Estimate, Bound, Prior)> {
    let roof = peaks.roof(work);
    PRIORS.iter().filter(|p| p.family == family && p.gpu == peaks.gpu).find_map(|prior| {
        let (fast, slow, bound) = match prior.basis {
            Basis::Efficiency(bound) => {
                let roof = roof.filter(|r| r.bound == bound)?;
                let cached = bound == Bound::Memory && work.bytes_touched <= CACHE_BYTES;
                let best = prior.range.1 * if cached { CACHED } else { 1.0 };
                // A cache lifts the memory's roof, not that of arithmetic.
                let compute_s = work.ops / peaks.ops_per_s(work.op_kind)?;
                let fast = (roof.time_s / best).max(compute_s.min(roof.time_s / prior.range.1));
                (fast, roof.time_s / prior.range.0, bound)
            }
            Basis::OpsPerUnit(kind) => {
                let per_unit_s = work.useful / peaks.ops_per_s(kind)?;
                (per_unit_s * prior.range.0, per_unit_s * prior.range.1, Bound::Compute)
            }
        };
        let time = Estimate::between(fast, slow);
        // All the sources are about NVIDIA's chips and libraries.
        let foreign = peaks.gpu && peaks.vendor != "nvidia";
        Some((if foreign { time.widened(FOREIGN) } else { time }, bound, *prior))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operands_that_fit_a_cache_may_be_faster_than_memory_but_not_than_arithmetic() {
        use crate::cost::fixture::{gpu, work};
        let peaks = Peaks::of_gpu(&gpu(), 1.0);
        let ends = |bytes: f64, ops: f64| {
            let work = Work { bytes_touched: bytes, ops, ..work() };
            let (time, bound, _) = kernel_time("matmul", &work, &peaks).expect("a prior");
            assert_eq!(bound, Bound::Memory);
            (time.lo90, time.hi90)
        };
        let near = |a: f64, b: f64| assert!((a / b - 1.0).abs() < 1e-9, "{a} is not {b}");
        // 10 MB at 100 GB/s are 100 µs: ÷ 1.4 · 5 = 7 at best, ÷ 0.35 at worst.
        let (fast, slow) = ends(10e6, 1e6);
        near(fast, 100e-6 / 7.0);
        near(slow, 100e-6 / 0.35);
        // 50 million operations at 1 Top/s are 50 µs, cache or not.
        near(ends(10e6, 50e6).0, 50e-6);
        // 100 MB fit no cache.
        near(ends(100e6, 1e6).0, 1000e-6 / 1.4);
    }

    #[test]
    fn no_prior_claims_to_know_better_than_a_factor_of_two() {
        for prior in PRIORS {
            // An interval of ×2 either way is a factor of 4 from end to end.
            assert!(prior.range.1 / prior.range.0 >= 4.0, "{prior:?}");
            assert!(!prior.source.is_empty());
        }
    }
}
