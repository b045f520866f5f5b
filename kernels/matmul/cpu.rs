//! The product on the CPU: streaming for very few rows, our packed panels for few rows, batches
//! and bf16, the `gemm` crate for one large f32 product.
#![expect(unsafe_code, reason = "the gemm crate takes raw addresses")]

use rayon::prelude::*;

use super::input::Operand;
use super::panel::{self, Left, Lying, Sizes};
use super::simd::Kernels;
use super::{Shape, skinny};
use crate::work::Native;

/// Rows up to which our own panels are used for one f32 product.
const MAX_PANEL_ROWS: usize = 64;

/// A product ready to run; allocates nothing large while it runs.
pub(super) struct CpuProduct {
    shape: Shape,
    a: Operand,
    b: Operand,
    c: Vec<f32>,
    path: Path,
}

enum Path {
    /// Few rows: A widened to f32, rows [`skinny::row_of_a`] apart.
    Skinny(Vec<f32>),
    /// One f32 product with many rows: the `gemm` crate was 5 to 20 % faster than our panels there
    /// (and is much slower with few rows on some CPUs).
    Gemm,
    /// Panels of B; of pairs of bf16 where the CPU multiplies those.
    Panels {
        /// A as words, where it cannot be read as it lies.
        left: Vec<f32>,
        pairs: bool,
    },
}

impl CpuProduct {
    /// A product of `a` and `b`.
    pub fn new(shape: Shape, a: Operand, b: Operand) -> Self {
        let Shape { m, k, batch, .. } = shape;
        let pairs = matches!(a, Operand::Bf16(_)) && Kernels::get().has_bf16_pairs();
        let path = if m <= skinny::MAX_ROWS {
            Path::Skinny(vec![0.0; batch * m * skinny::row_of_a(k)])
        } else if matches!(a, Operand::F32(_)) && batch == 1 && m > MAX_PANEL_ROWS {
            Path::Gemm
        } else {
            let left = match a.words(k, pairs) {
                Some(_) => Vec::new(),
                None => vec![0.0; batch * m * depth(k, pairs)],
            };
            Path::Panels { left, pairs }
        };
        Self { shape, a, b, c: vec![0.0; shape.c_len()], path }
    }
}

/// Words of a row of A.
fn depth(k: usize, pairs: bool) -> usize {
    if pairs { k.div_ceil(2) } else { k }
}

impl Native for CpuProduct {
    fn run(&mut self) -> Result<(), String> {
        let Self { shape, a, b, c, path } = self;
        let Shape { m, n, k, batch, .. } = *shape;
        match path {
            Path::Skinny(widened) => {
                let row = skinny::row_of_a(k);
                for (index, words) in widened.chunks_mut(row).enumerate() {
                    a.read(index * k, &mut words[..k]);
                }
                let products = c.par_chunks_mut(m * n).zip(widened.par_chunks(m * row));
                products.enumerate().for_each(|(p, (c, a))| {
                    skinny::product(m, n, k, a, (b, p * k * n), c);
                });
            }
            Path::Gemm => {
                if let (Operand::F32(a), Operand::F32(b)) = (&*a, &*b) {
                    large(shape, a, b, c);
                }
            }
            Path::Panels { left, pairs } => {
                let depth = depth(k, *pairs);
                left.par_chunks_mut(depth).enumerate().for_each(|(row, words)| {
                    if *pairs { a.pairs_along(row * k, k, words) } else { a.read(row * k, words) }
                });
                let words = a.words(k, *pairs).unwrap_or(left);
                let left = Left { words, rows: m, depth, pitch: depth };
                let sizes = Sizes { products: batch, left_operands: batch, n, pairs: *pairs };
                if *pairs {
                    let read = |p: usize, row: usize, first: usize, words: &mut [f32]| {
                        let at = (p * k + 2 * row) * n + first;
                        b.pairs_across(at, n, 2 * row + 1 < k, words);
                    };
                    panel::product(sizes, left, c, read, |p, row, columns| {
                        for row in [2 * row, 2 * row + 1] {
                            b.fetch((p * k + row) * n + columns.start, columns.len());
                        }
                    });
                } else if let Operand::F32(words) = b {
                    panel::product_lying(sizes, left, c, Lying { words, depth: k, n });
                } else {
                    let read = |p: usize, row: usize, first: usize, words: &mut [f32]| {
                        b.read((p * k + row) * n + first, words);
                    };
                    panel::product(sizes, left, c, read, |p, row, columns| {
                        b.fetch((p * k + row) * n + columns.start, columns.len());
                    });
                }
            }
        }
        Ok(())
    }

    fn poison(&mut self) {
        self.c.fill(f32::NAN);
    }

    fn outputs(&self) -> Vec<Vec<u8>> {
        vec![bytemuck::cast_slice(&self.c).to_vec()]
    }
}

/// One f32 product in the current rayon pool.
fn large(shape: &Shape, a: &[f32], b: &[f32], c: &mut [f32]) {
    let Shape { m, n, k, .. } = *shape;
    assert!(a.len() == m * k && b.len() == k * n && c.len() == m * n);
    let [n_stride, k_stride] = [n, k].map(|size| size as isize);
    // SAFETY: three row-major matrices without gaps, of the lengths checked above; C is not read.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            c.as_mut_ptr(),
            1,
            n_stride,
            false,
            a.as_ptr(),
            1,
            k_stride,
            b.as_ptr(),
            1,
            n_stride,
            0.0f32,
            1.0f32,
            false,
            false,
            false,
            gemm::Parallelism::Rayon(0),
        );
    }
}
