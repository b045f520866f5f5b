//! Random operands of one product, and what is done with them: run, check, keep.

use std::io::{self, Write};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use half::bf16;
use ndarray::ArrayView;
use ndarray_npy::WriteNpyExt;

use super::cpu::{CpuProduct, Way};
use super::reference::Reference;
use super::{Shape, device, simd};
use crate::random::Random;
use crate::recording::{GemmType, shared};
use crate::work::{
    Case, Check, DeviceInfo, Implementation, Input, Keep, Language, Mismatch, Program, Tuning,
    Unsupported, Work,
};

/// Operands in the type of the case, row major, products one after the other.
#[derive(Clone)]
pub(super) enum Operand {
    /// IEEE single precision; of TF32 the values that it has.
    F32(Arc<[f32]>),
    /// bfloat16.
    Bf16(Arc<[bf16]>),
}

impl Operand {
    fn random(dtype: GemmType, len: usize, random: &mut Random) -> Self {
        match dtype {
            GemmType::F32 => Self::F32((0..len).map(|_| random.signed()).collect()),
            GemmType::Tf32 => Self::F32((0..len).map(|_| to_tf32(random.signed())).collect()),
            GemmType::Bf16 => {
                Self::Bf16((0..len).map(|_| bf16::from_f32(random.signed())).collect())
            }
        }
    }

    /// Elements.
    pub fn len(&self) -> usize {
        match self {
            Self::F32(v) => v.len(),
            Self::Bf16(v) => v.len(),
        }
    }

    /// The bytes, shared.
    pub fn bytes(&self) -> Bytes {
        match self {
            Self::F32(v) => shared(v.clone()),
            Self::Bf16(v) => shared(v.clone()),
        }
    }

    /// Fills `words` with the values from `first` on, widened (exactly) to f32.
    pub fn read(&self, first: usize, words: &mut [f32]) {
        match self {
            Self::F32(v) => words.copy_from_slice(&v[first..][..words.len()]),
            Self::Bf16(v) => {
                for (word, value) in words.iter_mut().zip(&v[first..]) {
                    *word = value.to_f32();
                }
            }
        }
    }

    /// Has `count` elements from `first` on brought nearer.
    pub fn fetch(&self, first: usize, count: usize) {
        let (base, size): (*const u8, usize) = match self {
            Self::F32(v) => (v.as_ptr().cast(), 4),
            Self::Bf16(v) => (v.as_ptr().cast(), 2),
        };
        simd::fetch(base.wrapping_add(first * size), count * size);
    }

    /// The operand as words of the CPU's tiles (f32, or `pairs` of bf16 along rows of `k`), where
    /// it lies in memory as those.
    pub fn words(&self, k: usize, pairs: bool) -> Option<&[f32]> {
        match self {
            Self::F32(v) => Some(v),
            Self::Bf16(v) if pairs && k.is_multiple_of(2) => bytemuck::try_cast_slice(v).ok(),
            Self::Bf16(_) => None,
        }
    }

    /// Packs bf16 elements 2i and 2i + 1 of the row of `k` at `row` into word i; a missing last
    /// element is zero. Leaves `words` alone for f32.
    pub fn pairs_along(&self, row: usize, k: usize, words: &mut [f32]) {
        if let Self::Bf16(v) = self {
            for (word, two) in words.iter_mut().zip(v[row..row + k].chunks(2)) {
                *word = pair(two[0], two.get(1).copied().unwrap_or(bf16::ZERO));
            }
        }
    }

    /// Packs bf16 elements from `first` on with those one row (`stride`) below into words; zeros
    /// where there is no row below. Leaves `words` alone for f32.
    pub fn pairs_across(&self, first: usize, stride: usize, below: bool, words: &mut [f32]) {
        if let Self::Bf16(v) = self {
            let upper = &v[first..][..words.len()];
            if below {
                let lower = &v[first + stride..][..words.len()];
                for ((word, x), y) in words.iter_mut().zip(upper).zip(lower) {
                    *word = pair(*x, *y);
                }
            } else {
                for (word, x) in words.iter_mut().zip(upper) {
                    *word = pair(*x, bf16::ZERO);
                }
            }
        }
    }

    /// The values as f32 (exact for bf16).
    pub fn widened(&self) -> Arc<[f32]> {
        match self {
            Self::F32(v) => v.clone(),
            Self::Bf16(v) => v.iter().map(|x| x.to_f32()).collect(),
        }
    }
}

/// The nearest value with 10 explicit bits of mantissa, ties to even.
pub(crate) fn to_tf32(x: f32) -> f32 {
    let bits = x.to_bits();
    f32::from_bits((bits + 0xfff + (bits >> 13 & 1)) & !0x1fff)
}

/// Two bf16 in one word, the first in the lower half.
fn pair(low: bf16, high: bf16) -> f32 {
    f32::from_bits(u32::from(low.to_bits()) | u32::from(high.to_bits()) << 16)
}

/// One case with its operands.
pub(super) struct Product {
    pub shape: Shape,
    pub a: Operand,
    pub b: Operand,
    seed: u64,
    reference: OnceLock<Reference>,
}

impl Product {
    /// Zero-mean operands from `seed`.
    pub fn random(shape: Shape, seed: u64) -> Self {
        let a = Operand::random(shape.dtype, shape.a_len(), &mut Random::new(seed, 1));
        let b = Operand::random(shape.dtype, shape.b_len(), &mut Random::new(seed, 2));
        Self { shape, a, b, seed, reference: OnceLock::new() }
    }
}

impl Input for Product {
    fn work(&self) -> Work {
        self.shape.work()
    }

    fn tunings(&self, implementation: &Implementation, device: &DeviceInfo) -> Vec<Tuning> {
        device::tunings(&self.shape, implementation.language, device)
    }

    fn program(
        &self,
        implementation: &Implementation,
        device: &DeviceInfo,
        tuning: &Tuning,
    ) -> Result<Program, Unsupported> {
        device::supports(&self.shape, implementation, device)?;
        Ok(match implementation.language {
            Language::Native => Program::Native(Box::new(CpuProduct::new(
                self.shape,
                self.a.clone(),
                self.b.clone(),
                Way::all(&self.shape)[tuning.index],
            ))),
            language => Program::Recording(device::recording(self, language, device, tuning)),
        })
    }

    fn check(&self, outputs: &[Vec<u8>]) -> Result<Check, Mismatch> {
        let reference = self.reference.get_or_init(|| {
            Reference::new(self.shape, self.a.widened(), self.b.widened(), self.seed)
        });
        let c = crate::matmul::judge::single_f32_output(outputs, self.shape.c_len())?;
        reference.check(&c)
    }

    fn keep(&self, outputs: &[Vec<u8>], keep: &mut dyn Keep) -> io::Result<()> {
        let Shape { m, n, k, batch, .. } = self.shape;
        let c = crate::matmul::judge::single_f32_output(outputs, self.shape.c_len())
            .map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))?;
        let dims = |rows, columns| match batch {
            1 => vec![rows, columns],
            _ => vec![batch, rows, columns],
        };
        write_npy(keep, "a.npy", &dims(m, k), &self.a.widened())?;
        write_npy(keep, "b.npy", &dims(k, n), &self.b.widened())?;
        write_npy(keep, "c.npy", &dims(m, n), &c)
    }
}

/// Writes `data` of shape `dims` as an f32 `.npy` file called `name`.
pub(crate) fn write_npy(
    keep: &mut dyn Keep,
    name: &str,
    dims: &[usize],
    data: &[f32],
) -> io::Result<()> {
    let other = |e| io::Error::other(format!("{name}: {e}"));
    let array = ArrayView::from_shape(dims, data).map_err(|e| other(e.to_string()))?;
    let mut file = io::BufWriter::new(keep.create(name)?);
    array.write_npy(&mut file).map_err(|e| match e {
        ndarray_npy::WriteNpyError::Io(e) => e,
        e => other(e.to_string()),
    })?;
    file.flush()
}
