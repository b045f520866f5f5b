//! matmul: C = A·B, row major, one product or a batch; f32, or bf16 or TF32 operands with f32
//! result.

mod blocks;
mod cpu;
pub(crate) mod cuda;
pub(crate) mod device;
mod input;
pub(crate) mod judge;
pub(crate) mod panel;
pub(crate) mod reference;
pub(crate) mod simd;
#[cfg(target_arch = "x86_64")]
pub(crate) mod simd_x86;
mod skinny;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_simd;
mod wgsl;

use crate::params::{ParamReader, Params};
use crate::recording::GemmType;
use crate::work::{
    Case, CaseError, DeviceInfo, Family, Files, Implementation, Input, Language, LibraryName,
    Unsupported, Work,
};

pub(crate) use input::{to_tf32, write_npy};

/// The family, for [`crate::FAMILIES`].
pub static MATMUL: Matmul = Matmul;

/// C = A·B.
pub struct Matmul;

const KNOWN: &[&str] = &["dtype", "m", "n", "k", "batch"];
/// Elements of one operand; more cannot be addressed by what reads them.
const MAX_ELEMENTS: u64 = 1 << 38;

static IMPLEMENTATIONS: &[Implementation] = &[
    Implementation {
        name: "cpu/simd",
        language: Language::Native,
        summary: "packed panels and register tiles for AVX-512 (vdpbf16ps for bf16), AVX2 or NEON",
    },
    Implementation {
        name: "cpu/openblas",
        language: Language::Library(LibraryName::OpenBlas),
        summary: "sgemm of an installed OpenBLAS",
    },
    Implementation {
        name: "cpu/mkl",
        language: Language::Library(LibraryName::Mkl),
        summary: "sgemm or bf16 gemm of an installed Intel MKL",
    },
    Implementation {
        name: "cpu/onednn",
        language: Language::Library(LibraryName::OneDnn),
        summary: "sgemm or matrix product primitive of an installed oneDNN, the faster",
    },
    Implementation {
        name: "cuda/tiled",
        language: Language::Cuda,
        summary: "register tiles from shared memory; tensor cores (wgmma, mma.sync) for bf16, TF32",
    },
    Implementation {
        name: "cuda/cublaslt",
        language: Language::Library(LibraryName::CublasLt),
        summary: "cuBLASLt, TF32 off for f32",
    },
    Implementation {
        name: "vulkan/tiled",
        language: Language::Wgsl,
        summary: "register tiles from workgroup memory; bf16 widened to f32 in the shader",
    },
];

impl Family for Matmul {
    fn name(&self) -> &'static str {
        "matmul"
    }

    fn summary(&self) -> &'static str {
        "matrix product C = A·B, row major (f32; bf16 or TF32 with f32 result)"
    }

    fn implementations(&self) -> &'static [Implementation] {
        IMPLEMENTATIONS
    }

    fn case(&self, params: &Params, _files: &dyn Files) -> Result<Box<dyn Case>, CaseError> {
        let reader = ParamReader::new("matmul", params, KNOWN)?;
        let shape = Shape {
            dtype: GemmType::ALL[reader.choice("dtype", &GemmType::NAMES, Some(0))?],
            m: reader.size("m", None)?,
            n: reader.size("n", None)?,
            k: reader.size("k", None)?,
            batch: reader.int("batch", 1..=65_535, Some(1))? as usize,
        };
        for (key, other, x, y) in [
            ("m", "k", shape.m, shape.k),
            ("k", "n", shape.k, shape.n),
            ("m", "n", shape.m, shape.n),
        ] {
            if x as u64 * y as u64 > MAX_ELEMENTS / shape.batch as u64 {
                return Err(reader
                    .bad(key, format!("times {other} and batch must stay under 2^38 elements"))
                    .into());
            }
        }
        Ok(Box::new(shape))
    }
}

/// Sizes and type of one case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Type of A and B; C is f32.
    pub dtype: GemmType,
    /// Rows of A and C.
    pub m: usize,
    /// Columns of B and C.
    pub n: usize,
    /// Columns of A, rows of B.
    pub k: usize,
    /// Independent products.
    pub batch: usize,
}

impl Shape {
    /// Elements of all A.
    pub fn a_len(&self) -> usize {
        self.batch * self.m * self.k
    }

    /// Elements of all B.
    pub fn b_len(&self) -> usize {
        self.batch * self.k * self.n
    }

    /// Elements of all C.
    pub fn c_len(&self) -> usize {
        self.batch * self.m * self.n
    }

    /// Multiply–adds of all products.
    pub fn macs(&self) -> f64 {
        self.batch as f64 * self.m as f64 * self.n as f64 * self.k as f64
    }

    /// Bytes of one element of A or B.
    fn operand_bytes(&self) -> usize {
        self.dtype.bytes()
    }
}

impl Case for Shape {
    fn key(&self) -> String {
        let dtype = self.dtype.name();
        let Self { m, n, k, .. } = self;
        let batch = if self.batch > 1 { format!(" batch={}", self.batch) } else { String::new() };
        format!("matmul dtype={dtype} m={m} n={n} k={k}{batch}")
    }

    fn work(&self) -> Work {
        let flop = 2.0 * self.macs();
        let (a, b) = (self.a_len() * self.operand_bytes(), self.b_len() * self.operand_bytes());
        let c = self.c_len() * 4;
        Work {
            op_kind: self.dtype.into(),
            ops: flop,
            bytes_touched: (a + b + c) as f64,
            bytes_in: (a + b) as f64,
            bytes_constant: b as f64,
            bytes_out: c as f64,
            useful: flop,
            useful_unit: "FLOP".into(),
            items: self.batch as f64,
            item_unit: "product".into(),
        }
    }

    fn host_bytes(&self) -> u64 {
        let operands = (self.a_len() + self.b_len()) * self.operand_bytes();
        // The reference is f64 beside the f32 result; packing needs one more copy of A.
        let reference = if reference::is_full(self) { self.c_len() * 8 } else { 0 };
        (operands + self.a_len() * 4 + self.c_len() * 8 + reference) as u64
    }

    fn device_bytes(&self) -> u64 {
        let operands = (self.a_len() + self.b_len()) * self.operand_bytes();
        (operands + self.c_len() * 4) as u64
    }

    fn supports(
        &self,
        implementation: &Implementation,
        device: &DeviceInfo,
    ) -> Result<(), Unsupported> {
        device::supports(self, implementation, device)
    }

    fn input(&self, seed: u64) -> Result<Box<dyn Input>, CaseError> {
        Ok(Box::new(input::Product::random(*self, seed)))
    }
}
