//! The vocabulary every room shares: families, cases, implementations, work, devices.
//!
//! Nothing here knows a device API, a clock, a path or a price.

use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize};

use crate::encoder::EncoderSpec;
use crate::params::{BadParam, Params};
use crate::process::CommandSpec;
use crate::recording::{GemmType, Recording};

/// One kind of computation.
pub trait Family: Sync {
    /// The name used in suites and keys, lower case.
    fn name(&self) -> &'static str;
    /// One line for `list families`.
    fn summary(&self) -> &'static str;
    /// Every implementation, in the order shown; the first of each device kind is the plain one.
    fn implementations(&self) -> &'static [Implementation];
    /// Checks the parameters, reads named input files through `files`, and builds the case.
    ///
    /// # Errors
    /// A parameter that is unknown, missing or out of range; an input file that cannot be read.
    fn case(&self, params: &Params, files: &dyn Files) -> Result<Box<dyn Case>, CaseError>;
    /// Whether the case of `params` is computed by programs of their own and by nothing else.
    fn runs_programs(&self, _params: &Params) -> bool {
        self.implementations().iter().all(|i| i.language == Language::Process)
    }
}

/// Gives a family the bytes of files that a case names; kernels know no paths.
pub trait Files {
    /// Opens the file that the suite or workload calls `name`.
    ///
    /// # Errors
    /// Whatever the system says.
    fn open(&self, name: &str) -> io::Result<Box<dyn Read + Send>>;

    /// Where the file or folder `name` is, in full, for programs that open it themselves; `.` is
    /// the folder of the suite or workload.
    ///
    /// # Errors
    /// Whatever the system says; by default that there are no places to tell.
    fn locate(&self, name: &str) -> io::Result<String> {
        Err(io::Error::new(io::ErrorKind::Unsupported, format!("{name} has no place here")))
    }
}

/// Where `--keep` puts inputs and outputs.
pub trait Keep {
    /// A new file called `name` (no folders in it), for example `a.npy`.
    ///
    /// # Errors
    /// Whatever the system says.
    fn create(&mut self, name: &str) -> io::Result<Box<dyn Write + '_>>;
}

/// Why a case could not be built or its input not made.
#[derive(Debug, thiserror::Error)]
pub enum CaseError {
    /// A parameter is wrong.
    #[error(transparent)]
    Param(#[from] BadParam),
    /// An input file could not be opened or read.
    #[error("{family}: input file {name}: {source}")]
    Io {
        /// The family that asked for the file.
        family: &'static str,
        /// The name in the suite or workload.
        name: String,
        /// What the system said.
        source: io::Error,
    },
    /// An input file holds something that cannot be used; says where (line or frame number).
    #[error("{family}: input file {name}: {problem}")]
    BadInput {
        /// The family that read the file.
        family: &'static str,
        /// The name in the suite or workload.
        name: String,
        /// What is wrong, where, and what would do.
        problem: String,
    },
}

/// A family at one exact set of parameters.
pub trait Case: Send + Sync {
    /// The canonical print: family, then every parameter that changes the result or its cost.
    fn key(&self) -> String;
    /// What the case must do at least (an estimate where data decide).
    fn work(&self) -> Work;
    /// Host memory needed for inputs, outputs and reference together, in bytes.
    fn host_bytes(&self) -> u64;
    /// Device memory needed by a plain implementation, in bytes.
    fn device_bytes(&self) -> u64;
    /// Whether `implementation` can compute this case on `device`; the reason where not.
    ///
    /// # Errors
    /// [`Unsupported`] with the reason shown as a skip.
    fn supports(
        &self,
        implementation: &Implementation,
        device: &DeviceInfo,
    ) -> Result<(), Unsupported>;
    /// Makes or reads the input: random from `seed`, or the user's own data.
    ///
    /// # Errors
    /// Input data that cannot be used.
    fn input(&self, seed: u64) -> Result<Box<dyn Input>, CaseError>;
}

/// A case together with concrete input data.
///
/// Every implementation of one case yields the same list of outputs in the same byte format
/// (little endian), so `check` and `keep` need not know who computed them.
pub trait Input: Send + Sync {
    /// The work actually contained in this input.
    fn work(&self) -> Work;
    /// What may be tried for speed; the first is the default. Never empty.
    fn tunings(&self, _implementation: &Implementation, _device: &DeviceInfo) -> Vec<Tuning> {
        vec![Tuning::default()]
    }
    /// The program that computes this input on `device`.
    ///
    /// # Errors
    /// [`Unsupported`] where it cannot (also what `Case::supports` would have said).
    fn program(
        &self,
        implementation: &Implementation,
        device: &DeviceInfo,
        tuning: &Tuning,
    ) -> Result<Program, Unsupported>;
    /// Compares outputs with the reference (computed once and kept).
    ///
    /// # Errors
    /// The first difference or the bound that was exceeded.
    fn check(&self, outputs: &[Vec<u8>]) -> Result<Check, Mismatch>;
    /// Writes inputs and outputs in a form other programs read.
    ///
    /// # Errors
    /// Whatever the system says.
    fn keep(&self, outputs: &[Vec<u8>], keep: &mut dyn Keep) -> io::Result<()>;
}

/// One way to compute the cases of a family on one kind of device.
#[derive(Debug, Clone, PartialEq)]
pub struct Implementation {
    /// `backend/variant`, for example `cpu/simd`, `cuda/tiled`, `vulkan/tiled`, `cpu/openblas`.
    pub name: &'static str,
    /// What it is written in: where kernels and backends meet.
    pub language: Language,
    /// One line for `list implementations`.
    pub summary: &'static str,
}

/// The meeting point of kernels and backends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Language {
    /// A Rust function, run by the `cpu` backend.
    Native,
    /// A `.cu` source with committed PTX, run by the `cuda` backend (or the host shim in tests).
    Cuda,
    /// A WGSL shader, run by the `vulkan` backend.
    Wgsl,
    /// A call into a vendor library that the device's backend found at run time.
    Library(LibraryName),
    /// A program of its own, started by the `process` backend.
    Process,
}

/// Vendor libraries that a backend may find at run time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LibraryName {
    /// OpenBLAS, on the CPU.
    OpenBlas,
    /// Intel MKL (`libmkl_rt`), on the CPU.
    Mkl,
    /// oneDNN (`libdnnl`), on the CPU.
    OneDnn,
    /// NVIDIA cuBLASLt.
    CublasLt,
    /// NVIDIA cuDNN.
    Cudnn,
}

impl std::fmt::Display for LibraryName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::OpenBlas => "OpenBLAS",
            Self::Mkl => "MKL",
            Self::OneDnn => "oneDNN",
            Self::CublasLt => "cuBLASLt",
            Self::Cudnn => "cuDNN",
        })
    }
}

/// What a case must do at least; figures are totals of one execution.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Work {
    /// The dominating kind of arithmetic.
    pub op_kind: OpKind,
    /// How many such operations (a fused multiply-add counts as two).
    pub ops: f64,
    /// Memory traffic that cannot be avoided, in bytes (each operand once).
    pub bytes_touched: f64,
    /// Bytes that must reach the device for each execution.
    pub bytes_in: f64,
    /// Of `bytes_in`, what can stay on the device between executions (weights).
    pub bytes_constant: f64,
    /// Bytes that must come back.
    pub bytes_out: f64,
    /// Useful work in the field's own unit, without padding: FLOP, cells, pixels.
    pub useful: f64,
    /// Name of that unit, singular: `FLOP`, `cell`, `pixel`, `byte`, `launch`.
    pub useful_unit: String,
    /// Items a job is made of: products, images, pairs, frames.
    pub items: f64,
    /// Name of one item, singular.
    pub item_unit: String,
}

/// Kinds of arithmetic a device has separate peaks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OpKind {
    /// IEEE single precision.
    F32,
    /// bfloat16 inputs, f32 accumulation.
    Bf16,
    /// f32 inputs that may be multiplied as TF32, f32 accumulation; f32 where a device has no TF32.
    Tf32,
    /// 8-bit integers (SIMD lanes on a CPU).
    Int8,
    /// 16-bit integers.
    Int16,
    /// 32-bit integers.
    Int32,
    /// Nobody knows: a program of its own, the user's or an encoder. No device has a peak for it,
    /// so its time on another device cannot be predicted.
    Opaque,
}

impl From<GemmType> for OpKind {
    fn from(dtype: GemmType) -> Self {
        match dtype {
            GemmType::F32 => Self::F32,
            GemmType::Bf16 => Self::Bf16,
            GemmType::Tf32 => Self::Tf32,
        }
    }
}

/// A choice among variants of one implementation (tile sizes, block shapes).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Tuning {
    /// Short name kept in the record, for example `128x128x8`; empty for the only choice.
    pub name: String,
    /// Index into the implementation's own table.
    pub index: usize,
}

/// What a backend runs.
pub enum Program {
    /// Rust code: runs on the calling thread inside the backend's rayon pool.
    Native(Box<dyn Native>),
    /// Device work as data; interpreted by the backend of the device.
    Recording(Recording),
    /// A program of the user's own, started by the `process` backend.
    Command(CommandSpec),
    /// An encoder at the setting that meets a quality, started by the `process` backend.
    Encoder(Box<EncoderSpec>),
}

/// A native program with its own state and output buffers.
pub trait Native: Send {
    /// Computes the outputs once from the inputs in memory.
    ///
    /// # Errors
    /// A failure that is not a wrong answer, in words.
    fn run(&mut self) -> Result<(), String>;
    /// Overwrites the outputs with a pattern that no right answer has.
    fn poison(&mut self);
    /// Copies of the outputs, in the family's common format.
    fn outputs(&self) -> Vec<Vec<u8>>;
}

/// A pair of case and implementation that cannot run, with the reason.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct Unsupported(pub String);

/// How a right answer was established.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// `bit-equal`, `full`, or `freivalds+samples`; of an encoder `ssim`; of a command `sha256`,
    /// `checker`, `same-output`, `first-output` (which the others are held to), or `exit-status`.
    pub method: String,
    /// Values compared with the reference.
    pub compared: u64,
    /// Largest absolute difference seen, in the output's own unit: never compared with `bound`.
    pub max_abs_err: f64,
    /// Largest relative error (norm-wise) seen.
    pub max_rel_err: f64,
    /// The relative bound that `max_rel_err` was held to (0 for bit-equal).
    pub bound: f64,
}

/// A wrong answer: what was compared, expected and found.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("wrong output: {0}")]
pub struct Mismatch(pub String);

/// What kind of machine computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeviceKind {
    /// Host processor.
    Cpu,
    /// A real GPU.
    Gpu,
    /// A graphics API in software; never part of a verdict.
    SoftwareGpu,
}

/// What a backend says of one device. Absent facts are `None`, never 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeviceInfo {
    /// `cpu`, `cpu:8`, `cuda:0`, `vulkan:0`.
    pub id: String,
    /// Name of the backend, the part of implementation names before the slash.
    pub backend: String,
    /// Kind of machine.
    pub kind: DeviceKind,
    /// Product name as the driver or the system prints it.
    pub name: String,
    /// Vendor, if known.
    pub vendor: Option<String>,
    /// Microarchitecture or GPU architecture, if known.
    pub architecture: Option<String>,
    /// Driver name and version.
    pub driver: Option<String>,
    /// Memory of the device in bytes.
    pub memory_bytes: Option<u64>,
    /// CPU: threads used.
    pub threads: Option<u32>,
    /// CPU: physical cores behind those threads, where known.
    pub cores: Option<u32>,
    /// GPU: streaming multiprocessors or compute units.
    pub compute_units: Option<u32>,
    /// CUDA compute capability as (major, minor).
    pub compute_capability: Option<(u32, u32)>,
    /// Size of the last-level cache in bytes (L3 of a CPU, L2 of a GPU).
    pub cache_bytes: Option<u64>,
    /// Languages that programs for it may be written in.
    pub languages: Vec<Language>,
    /// Found libraries with versions, e.g. `openblas 0.3.21`.
    pub libraries: Vec<String>,
    /// SIMD sets (`avx2`, `avx512bw`, …) or shader features (`shader-f16`, `subgroup`, …).
    pub features: Vec<String>,
    /// WGSL: invocations allowed in a workgroup.
    pub max_workgroup_invocations: Option<u32>,
    /// WGSL: bytes of workgroup memory; CUDA: shared memory of a block.
    pub max_shared_bytes: Option<u32>,
    /// Largest single buffer binding in bytes.
    pub max_buffer_bytes: Option<u64>,
}

impl DeviceInfo {
    /// Compute units; many, where the device does not say.
    pub(crate) fn units(&self) -> usize {
        self.compute_units.map_or(128, |units| units as usize)
    }

    /// A CPU of which nothing is known.
    #[cfg(test)]
    pub(crate) fn bare_cpu() -> Self {
        Self {
            id: "cpu".into(),
            backend: "cpu".into(),
            kind: DeviceKind::Cpu,
            name: String::new(),
            vendor: None,
            architecture: None,
            driver: None,
            memory_bytes: None,
            threads: None,
            cores: None,
            compute_units: None,
            compute_capability: None,
            cache_bytes: None,
            languages: vec![Language::Native],
            libraries: vec![],
            features: vec![],
            max_workgroup_invocations: None,
            max_shared_bytes: None,
            max_buffer_bytes: None,
        }
    }

    /// Whether `feature` is among [`DeviceInfo::features`].
    pub fn has(&self, feature: &str) -> bool {
        self.features.iter().any(|f| f == feature)
    }
}
