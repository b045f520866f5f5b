//! Starting values of the probes, the answers they must end in, and the check.

use std::io;
use std::sync::OnceLock;

use half::bf16;

use super::{IntType, LANES, Probe, TILE, cpu, device};
use crate::random::Random;
use crate::work::{
    Check, DeviceInfo, Implementation, Input, Keep, Language, Mismatch, Program, Tuning,
    Unsupported, Work,
};

/// Largest relative difference of an f32 chain: room for devices whose fma rounds twice
/// (a random walk of half units in the last place), far below one step more or less.
const F32_BOUND: f64 = 1e-4;

/// Multiplier of the f32 chains: close enough to −1 that no chain settles.
pub(super) const MULTIPLIER: f32 = -(1.0 - 1.0 / 8192.0);
/// Addend of the integer chains.
pub(super) const ADDEND: i32 = 3;
/// Multiplier of the triad.
pub(super) const TRIAD: f32 = 3.0;

/// A probe with its starting values.
pub(super) struct PeakInput {
    pub(super) probe: Probe,
    pub(super) seed: u64,
    expected: OnceLock<Vec<u8>>,
}

/// Element `i` of the triad's operands b and c: integers below 1024, so that sums are exact.
pub(super) fn triad(seed: u64, i: usize) -> (f32, f32) {
    let mixed = (i as u64 ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (((mixed >> 32) & 1023) as f32, ((mixed >> 48) & 1023) as f32)
}

impl PeakInput {
    pub(super) fn new(probe: Probe, seed: u64) -> Self {
        Self { probe, seed, expected: OnceLock::new() }
    }

    /// Starting values in [1, 2) and addends in [0.5, 1) of the f32 chains.
    pub(super) fn f32_lanes(&self) -> ([f32; LANES], [f32; LANES]) {
        let mut random = Random::new(self.seed, 0);
        let mut unit = || (random.unit() as f32).min(1.0 - f32::EPSILON);
        (std::array::from_fn(|_| 1.0 + unit()), std::array::from_fn(|_| 0.5 + unit() / 2.0))
    }

    /// Starting values in [0, 100) and floors in [−100, −20) of the integer chains.
    pub(super) fn int_lanes(&self) -> ([i32; LANES], [i32; LANES]) {
        let mut random = Random::new(self.seed, 1);
        let mut below = |n| random.below(n) as i32;
        (std::array::from_fn(|_| below(100)), std::array::from_fn(|_| below(80) - 100))
    }

    /// A (16×16, row major) and B transposed (8×16): small integers, exact in bf16 (and TF32).
    pub(super) fn tiles(&self) -> (Vec<bf16>, Vec<bf16>) {
        let (rows, columns, depth) = TILE;
        let mut random = Random::new(self.seed, 2);
        let mut some = |n| {
            let value = || bf16::from_f32(random.below(5) as f32 - 2.0);
            std::iter::repeat_with(value).take(n).collect::<Vec<_>>()
        };
        (some(rows * depth), some(columns * depth))
    }

    /// Word `i` of what is transferred.
    pub(super) fn word(&self, i: usize) -> u32 {
        ((i as u64 ^ self.seed).wrapping_mul(0xd134_2543_de82_ef95) >> 32) as u32
    }

    /// The period with which the expected output repeats, computed once, one step at a time.
    fn expected(&self) -> &[u8] {
        self.expected.get_or_init(|| match self.probe {
            Probe::FmaF32 { steps, .. } => {
                let (mut x, b) = self.f32_lanes();
                for (x, b) in x.iter_mut().zip(b) {
                    (0..steps).for_each(|_| *x = x.mul_add(MULTIPLIER, b));
                }
                x.iter().flat_map(|x| x.to_le_bytes()).collect()
            }
            Probe::FmaBf16 { steps, .. } | Probe::FmaTf32 { steps, .. } => self.product(steps),
            Probe::Int { dtype, steps, .. } => self.orbit(dtype, steps),
            Probe::Memory { .. } | Probe::Transfer { .. } => Vec::new(),
            Probe::Launch => (self.seed as u32).to_le_bytes().to_vec(),
        })
    }

    /// steps · A·B as f32 bytes.
    fn product(&self, steps: u32) -> Vec<u8> {
        let (a, b) = self.tiles();
        let (rows, columns, depth) = TILE;
        let cell = |i: usize| {
            let (row, column) = (i / columns, i % columns);
            let dot: f32 = (0..depth)
                .map(|k| a[row * depth + k].to_f32() * b[column * depth + k].to_f32())
                .sum();
            dot * steps as f32
        };
        (0..rows * columns).flat_map(|i| cell(i).to_le_bytes()).collect()
    }

    /// The integer chains, one lane after the other.
    fn orbit(&self, dtype: IntType, steps: u32) -> Vec<u8> {
        let (x, floor) = self.int_lanes();
        let ends = x.iter().zip(floor).map(|(x, floor)| {
            // Wraps around at the type's own width.
            let narrow = |v: i32| match dtype {
                IntType::I8 => i32::from(v as i8),
                IntType::I16 => i32::from(v as i16),
                IntType::I32 => v,
            };
            (0..steps).fold(*x, |x, _| narrow(x.wrapping_add(ADDEND)).max(floor))
        });
        ends.flat_map(|x| x.to_le_bytes()[..dtype.facts().2].to_vec()).collect()
    }

    /// f32 chains: within the bound of the fused result.
    fn check_f32(&self, out: &[u8]) -> Result<Check, Mismatch> {
        let expected: Vec<f32> = bytemuck::pod_collect_to_vec(self.expected());
        let found: Vec<f32> = bytemuck::pod_collect_to_vec(out);
        let (mut abs, mut rel) = (0.0f64, 0.0f64);
        for (i, (f, e)) in found.iter().zip(expected.iter().cycle()).enumerate() {
            let (f, e) = (f64::from(*f), f64::from(*e));
            let error = (f - e).abs();
            if error.is_nan() || error > F32_BOUND * e.abs() {
                return Err(Mismatch(format!("chain {i} ended in {f}, expected {e}")));
            }
            abs = abs.max(error);
            rel = rel.max(error / e.abs());
        }
        let compared = found.len() as u64;
        let (max_abs_err, max_rel_err) = (abs, rel);
        Ok(Check { method: "full".into(), compared, max_abs_err, max_rel_err, bound: F32_BOUND })
    }

    /// Index in units of 4 bytes, and the two words, of the first difference.
    fn first_difference(&self, out: &[u8]) -> Option<(usize, u32, u32)> {
        let words = out.chunks_exact(4).map(|w| u32::from_le_bytes([w[0], w[1], w[2], w[3]]));
        let differs = |(i, (found, expected)): (usize, (u32, u32))| {
            (found != expected).then_some((i, found, expected))
        };
        match self.probe {
            Probe::Memory { .. } => {
                let expected = (0..).map(|i| {
                    let (b, c) = triad(self.seed, i);
                    (b + TRIAD * c).to_bits()
                });
                words.zip(expected).enumerate().find_map(differs)
            }
            Probe::Transfer { .. } => {
                words.zip((0..).map(|i| !self.word(i))).enumerate().find_map(differs)
            }
            _ => {
                let expected: Vec<u32> = bytemuck::pod_collect_to_vec(self.expected());
                words.zip(expected.into_iter().cycle()).enumerate().find_map(differs)
            }
        }
    }
}

impl Input for PeakInput {
    fn work(&self) -> Work {
        self.probe.work()
    }

    /// Whether stores past the cache pay depends on the CPU: both are tried.
    fn tunings(&self, implementation: &Implementation, _device: &DeviceInfo) -> Vec<Tuning> {
        match (self.probe, implementation.language) {
            (Probe::Memory { .. }, Language::Native) => vec![
                Tuning { name: "streaming-stores".into(), index: 0 },
                Tuning { name: "plain-stores".into(), index: 1 },
            ],
            _ => vec![Tuning::default()],
        }
    }

    fn program(
        &self,
        implementation: &Implementation,
        device: &DeviceInfo,
        tuning: &Tuning,
    ) -> Result<Program, Unsupported> {
        if let Some(why) = self.probe.refusal(implementation, device) {
            return Err(Unsupported(why));
        }
        match implementation.language {
            Language::Native => cpu::program(self, tuning.index == 0).map(Program::Native),
            Language::Cuda => Ok(Program::Recording(device::cuda(self))),
            Language::Wgsl => Ok(Program::Recording(device::wgsl(self))),
            Language::Library(_) | Language::Process => {
                Err(Unsupported("no library offers a probe".into()))
            }
        }
    }

    fn check(&self, outputs: &[Vec<u8>]) -> Result<Check, Mismatch> {
        let [out] = outputs else {
            return Err(Mismatch(format!("{} outputs instead of 1", outputs.len())));
        };
        let bytes = self.probe.out_bytes();
        if out.len() != bytes {
            return Err(Mismatch(format!("{} bytes instead of {bytes}", out.len())));
        }
        if matches!(self.probe, Probe::FmaF32 { .. }) {
            return self.check_f32(out);
        }
        if let Some((i, found, expected)) = self.first_difference(out) {
            let message = format!("word {i} is {found:#010x}, expected {expected:#010x}");
            return Err(Mismatch(message));
        }
        Ok(Check {
            method: "bit-equal".into(),
            compared: bytes as u64 / 4,
            max_abs_err: 0.0,
            max_rel_err: 0.0,
            bound: 0.0,
        })
    }

    /// One file, `output.npy`, with the values in one dimension.
    fn keep(&self, outputs: &[Vec<u8>], keep: &mut dyn Keep) -> io::Result<()> {
        use bytemuck::pod_collect_to_vec as typed;
        let out = outputs.first().map_or(&[][..], Vec::as_slice);
        let mut file = keep.create("output.npy")?;
        let file = &mut file;
        match self.probe {
            Probe::FmaF32 { .. }
            | Probe::FmaBf16 { .. }
            | Probe::FmaTf32 { .. }
            | Probe::Memory { .. } => write_npy(typed::<u8, f32>(out), file),
            Probe::Int { dtype: IntType::I8, .. } => write_npy(typed::<u8, i8>(out), file),
            Probe::Int { dtype: IntType::I16, .. } => write_npy(typed::<u8, i16>(out), file),
            Probe::Int { dtype: IntType::I32, .. } => write_npy(typed::<u8, i32>(out), file),
            Probe::Transfer { .. } | Probe::Launch => write_npy(typed::<u8, u32>(out), file),
        }
    }
}

fn write_npy<T: ndarray_npy::WritableElement>(
    values: Vec<T>,
    file: &mut dyn io::Write,
) -> io::Result<()> {
    use ndarray_npy::WriteNpyExt;
    ndarray::Array1::from(values).write_npy(file).map_err(|e| match e {
        ndarray_npy::WriteNpyError::Io(e) => e,
        other => io::Error::other(other),
    })
}
