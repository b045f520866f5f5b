//! peak: what a device can do at most: arithmetic, memory, transfer and launch probes.
//!
//! Each probe is a case like any other, with an answer known by other means, so that a peak is
//! held to the same checks as what is compared with it. README.md says what each one means.

mod cpu;
mod device;
mod input;
mod portable;
#[cfg(target_arch = "x86_64")]
mod simd_x86;
#[cfg(test)]
mod tests;

use crate::params::{ParamReader, Params};
use crate::work::{
    Case, CaseError, DeviceInfo, Family, Files, Implementation, Input, Language, OpKind,
    Unsupported, Work,
};

/// The family, for [`crate::FAMILIES`].
pub static PEAK: Peak = Peak;

/// Probes of a device's limits.
pub struct Peak;

const KNOWN: &[&str] = &["kind", "dtype", "chains", "steps", "bytes", "direction"];
const KINDS: &[&str] = &["fma", "int", "memory", "transfer", "launch"];

static IMPLEMENTATIONS: &[Implementation] = &[
    Implementation {
        name: "cpu/simd",
        language: Language::Native,
        summary: "register-resident chains in AVX-512, AVX2 or NEON; streaming triad; all threads",
    },
    Implementation {
        name: "cuda/probe",
        language: Language::Cuda,
        summary: "register-resident chains (bf16, TF32 on tensor cores), triad, echo and a lone store",
    },
    Implementation {
        name: "vulkan/probe",
        language: Language::Wgsl,
        summary: "the same in WGSL (f32 and i32)",
    },
];

/// Independent starting values of the arithmetic chains; chain `i` takes those of `i` mod this.
const LANES: usize = 16;
/// Rows, columns and depth of the product that one chain of bf16 or TF32 accumulates.
const TILE: (usize, usize, usize) = (16, 8, 16);

/// What a probe measures, with its size.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Probe {
    /// `x ← a·x + b`, `steps` times on each of `chains` values.
    FmaF32 { chains: usize, steps: u32 },
    /// `C ← C + A·B` on `chains` tiles of 16×8 with an inner size of 16, `steps` times.
    FmaBf16 { chains: usize, steps: u32 },
    /// The same of f32 values that tensor cores read as TF32.
    FmaTf32 { chains: usize, steps: u32 },
    /// `x ← max(x + a, b)` with wrap-around, `steps` times on each of `chains` values.
    Int { dtype: IntType, chains: usize, steps: u32 },
    /// `out = b + 3·c` over three arrays of `n` f32.
    Memory { n: usize },
    /// `bytes` to the device, every bit flipped there, and back.
    Transfer { bytes: usize },
    /// A kernel of one thread that stores one word.
    Launch,
}

/// Integers the rate is asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
enum IntType {
    I8,
    I16,
    I32,
}

const INT_TYPES: [(&str, IntType, OpKind, usize); 3] = [
    ("int8", IntType::I8, OpKind::Int8, 1),
    ("int16", IntType::I16, OpKind::Int16, 2),
    ("int32", IntType::I32, OpKind::Int32, 4),
];

impl IntType {
    /// Name, kind of arithmetic, bytes of one value.
    fn facts(self) -> (&'static str, OpKind, usize) {
        let (name, _, kind, bytes) = INT_TYPES[self as usize];
        (name, kind, bytes)
    }
}

impl Family for Peak {
    fn name(&self) -> &'static str {
        "peak"
    }

    fn summary(&self) -> &'static str {
        "probes of a device's limits: fma and integer rate, memory and transfer bandwidth, launch"
    }

    fn implementations(&self) -> &'static [Implementation] {
        IMPLEMENTATIONS
    }

    fn case(&self, params: &Params, _files: &dyn Files) -> Result<Box<dyn Case>, CaseError> {
        let reader = ParamReader::new("peak", params, KNOWN)?;
        let probe = parse(&reader)?;
        Ok(Box::new(PeakCase { probe }))
    }
}

/// Reads the keys that `kind` takes and refuses those that it does not.
fn parse(reader: &ParamReader) -> Result<Probe, CaseError> {
    let kind = KINDS[reader.choice("kind", KINDS, None)?];
    let taken: &[&str] = match kind {
        "fma" | "int" => &["kind", "dtype", "chains", "steps"],
        "memory" => &["kind", "bytes"],
        "transfer" => &["kind", "bytes", "direction"],
        _ => &["kind"],
    };
    if let Some(other) = KNOWN.iter().find(|k| reader.has(k) && !taken.contains(k)) {
        let hint = format!("kind = \"{kind}\" does not take it; it takes {}", taken.join(", "));
        return Err(reader.bad(other, hint).into());
    }
    Ok(match kind {
        "fma" => fma(reader)?,
        "int" => {
            let names = INT_TYPES.map(|t| t.0);
            let dtype = INT_TYPES[reader.choice("dtype", &names, Some(2))?].1;
            let (chains, steps) = chains(reader, (1 << 20, 4096), 4096, 1 << 24)?;
            Probe::Int { dtype, chains, steps }
        }
        "memory" => {
            let bytes = reader.int("bytes", 4096..=1 << 40, Some(3 << 27))? as usize;
            Probe::Memory { n: bytes / 12 / 16 * 16 }
        }
        "transfer" => {
            reader.choice("direction", &["both"], Some(0))?;
            let bytes = reader.int("bytes", 16..=1 << 32, Some(1 << 26))? as usize;
            Probe::Transfer { bytes: bytes / 16 * 16 }
        }
        _ => Probe::Launch,
    })
}

fn fma(reader: &ParamReader) -> Result<Probe, CaseError> {
    let dtype = reader.choice("dtype", &["f32", "bf16", "tf32"], Some(0))?;
    if dtype == 0 {
        let (chains, steps) = chains(reader, (1 << 20, 4096), 4096, 1 << 24)?;
        return Ok(Probe::FmaF32 { chains, steps });
    }
    // Sums stay below 2^24, where f32 holds every integer: |A·B| ≤ 16·2·2 a step.
    let (chains, steps) = chains(reader, (1 << 14, 1024), 32, 1 << 18)?;
    Ok(match dtype {
        1 => Probe::FmaBf16 { chains, steps },
        _ => Probe::FmaTf32 { chains, steps },
    })
}

/// `chains` and `steps`, with their defaults and what they must be multiples of.
fn chains(
    reader: &ParamReader,
    default: (i64, i64),
    multiple: i64,
    most_steps: i64,
) -> Result<(usize, u32), CaseError> {
    let chains = reader.int("chains", multiple..=1 << 28, Some(default.0))?;
    if chains % multiple != 0 {
        return Err(reader.bad("chains", format!("must be a multiple of {multiple}")).into());
    }
    let steps = reader.int("steps", 16..=most_steps, Some(default.1))?;
    if steps % 16 != 0 {
        return Err(reader.bad("steps", "must be a multiple of 16").into());
    }
    Ok((chains as usize, steps as u32))
}

/// One probe at one size.
struct PeakCase {
    probe: Probe,
}

impl Probe {
    fn key(self) -> String {
        match self {
            Self::FmaF32 { chains, steps } => {
                format!("peak kind=fma dtype=f32 chains={chains} steps={steps}")
            }
            Self::FmaBf16 { chains, steps } => {
                format!("peak kind=fma dtype=bf16 chains={chains} steps={steps}")
            }
            Self::FmaTf32 { chains, steps } => {
                format!("peak kind=fma dtype=tf32 chains={chains} steps={steps}")
            }
            Self::Int { dtype, chains, steps } => {
                format!("peak kind=int dtype={} chains={chains} steps={steps}", dtype.facts().0)
            }
            Self::Memory { n } => format!("peak kind=memory bytes={}", 12 * n),
            Self::Transfer { bytes } => format!("peak kind=transfer direction=both bytes={bytes}"),
            Self::Launch => "peak kind=launch".into(),
        }
    }

    /// Bytes of the only output.
    fn out_bytes(self) -> usize {
        match self {
            Self::FmaF32 { chains, .. } => chains * 4,
            Self::FmaBf16 { chains, .. } | Self::FmaTf32 { chains, .. } => {
                chains * TILE.0 * TILE.1 * 4
            }
            Self::Int { dtype, chains, .. } => chains * dtype.facts().2,
            Self::Memory { n } => n * 4,
            Self::Transfer { bytes } => bytes,
            Self::Launch => 4,
        }
    }

    fn work(self) -> Work {
        let out = self.out_bytes() as f64;
        let tile = (2 * TILE.0 * TILE.1 * TILE.2) as f64;
        let (op_kind, ops, bytes_in, useful, unit) = match self {
            Self::FmaF32 { chains, steps } => {
                let flop = 2.0 * chains as f64 * f64::from(steps);
                (OpKind::F32, flop, 0.0, flop, "FLOP")
            }
            Self::FmaBf16 { chains, steps } => {
                let flop = tile * chains as f64 * f64::from(steps);
                (OpKind::Bf16, flop, 0.0, flop, "FLOP")
            }
            Self::FmaTf32 { chains, steps } => {
                let flop = tile * chains as f64 * f64::from(steps);
                (OpKind::Tf32, flop, 0.0, flop, "FLOP")
            }
            Self::Int { dtype, chains, steps } => {
                let ops = 2.0 * chains as f64 * f64::from(steps);
                (dtype.facts().1, ops, 0.0, ops, "operation")
            }
            Self::Memory { n } => (OpKind::F32, 2.0 * n as f64, 8.0 * n as f64, 3.0 * out, "byte"),
            Self::Transfer { bytes } => {
                (OpKind::Int32, bytes as f64 / 4.0, bytes as f64, 2.0 * out, "byte")
            }
            Self::Launch => (OpKind::Int32, 0.0, 0.0, 1.0, "launch"),
        };
        let constant = if matches!(self, Self::Memory { .. }) { bytes_in } else { 0.0 };
        Work {
            op_kind,
            ops,
            bytes_touched: bytes_in + out,
            bytes_in,
            bytes_constant: constant,
            bytes_out: out,
            useful,
            useful_unit: unit.into(),
            items: 1.0,
            item_unit: "probe".into(),
        }
    }

    /// Why `implementation` cannot run this probe on `device`, if it cannot.
    fn refusal(self, implementation: &Implementation, device: &DeviceInfo) -> Option<String> {
        let language = implementation.language;
        match (self, language) {
            (Self::Transfer { .. }, Language::Native) => {
                Some("a CPU works in host memory: nothing crosses a link".into())
            }
            (Self::Launch, Language::Native) => {
                Some("a CPU calls a function: there is no launch".into())
            }
            (Self::FmaBf16 { .. }, Language::Native) if !cpu::has_bf16() => Some(
                "this CPU has no bf16 dot product (AVX512_BF16); bf16 runs at its f32 rate there"
                    .into(),
            ),
            (Self::FmaTf32 { .. }, Language::Native) => {
                Some("a CPU has no TF32; such products run at its f32 rate".into())
            }
            (Self::FmaBf16 { .. } | Self::FmaTf32 { .. }, Language::Cuda)
                if device.compute_capability.is_none_or(|cc| cc < (8, 0)) =>
            {
                Some("tensor cores for bf16 and TF32 need compute capability 8.0".into())
            }
            (Self::FmaBf16 { .. }, Language::Wgsl) => Some("WGSL has no bf16".into()),
            (Self::FmaTf32 { .. }, Language::Wgsl) => Some("WGSL has no TF32".into()),
            (Self::Int { dtype: IntType::I8, .. }, Language::Cuda) => {
                Some("no GPU has an add or max of four int8 in a word".into())
            }
            (Self::Int { dtype: IntType::I8 | IntType::I16, .. }, Language::Wgsl) => {
                Some("WGSL's portable integers have 32 bits".into())
            }
            (_, Language::Cuda | Language::Wgsl) => {
                let most = device.max_buffer_bytes?;
                (self.out_bytes() as u64 > most)
                    .then(|| format!("one buffer holds at most {most} bytes on {}", device.id))
            }
            _ => None,
        }
    }
}

impl Case for PeakCase {
    fn key(&self) -> String {
        self.probe.key()
    }

    fn work(&self) -> Work {
        self.probe.work()
    }

    fn host_bytes(&self) -> u64 {
        let work = self.probe.work();
        (work.bytes_in + 3.0 * work.bytes_out) as u64
    }

    fn device_bytes(&self) -> u64 {
        let work = self.probe.work();
        (work.bytes_in + work.bytes_out) as u64 + 4096
    }

    fn supports(
        &self,
        implementation: &Implementation,
        device: &DeviceInfo,
    ) -> Result<(), Unsupported> {
        self.probe.refusal(implementation, device).map_or(Ok(()), |why| Err(Unsupported(why)))
    }

    fn input(&self, seed: u64) -> Result<Box<dyn Input>, CaseError> {
        Ok(Box::new(input::PeakInput::new(self.probe, seed)))
    }
}
