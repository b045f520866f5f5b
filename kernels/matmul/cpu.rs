//! The product on the CPU: streaming for few rows, packed panels otherwise.

use rayon::prelude::*;

use super::input::Operand;
use super::panel::{self, PackedRows, Sizes};
use super::simd::Kernels;
use super::{Shape, skinny};
use crate::work::Native;

/// A product ready to run; allocates nothing large while it runs.
pub(super) struct CpuProduct {
    shape: Shape,
    a: Operand,
    b: Operand,
    c: Vec<f32>,
    path: Path,
}

enum Path {
    /// Few rows: A widened to f32.
    Skinny(Vec<f32>),
    /// Panels of A; of pairs of bf16 where the CPU multiplies those.
    Panels { packed: PackedRows, pairs: bool },
}

impl CpuProduct {
    /// A product of `a` and `b`.
    pub fn new(shape: Shape, a: Operand, b: Operand) -> Self {
        let Shape { m, k, batch, .. } = shape;
        let pairs = matches!(a, Operand::Bf16(_)) && Kernels::get().has_bf16_pairs();
        let path = if m <= skinny::MAX_ROWS {
            Path::Skinny(vec![0.0; shape.a_len()])
        } else {
            let depth = if pairs { k.div_ceil(2) } else { k };
            Path::Panels { packed: PackedRows::new(batch, m, depth), pairs }
        };
        Self { shape, a, b, c: vec![0.0; shape.c_len()], path }
    }
}

impl Native for CpuProduct {
    fn run(&mut self) -> Result<(), String> {
        let Self { shape, a, b, c, path } = self;
        let Shape { m, n, k, batch, .. } = *shape;
        match path {
            Path::Skinny(widened) => {
                a.read(0, widened);
                let products = c.par_chunks_mut(m * n).zip(widened.par_chunks(m * k));
                products.enumerate().for_each(|(p, (c, a))| {
                    skinny::product(m, n, k, a, (b, p * k * n), c);
                });
            }
            Path::Panels { packed, pairs } => {
                let sizes = Sizes { products: batch, left_operands: batch, n, pairs: *pairs };
                if *pairs {
                    packed.pack(|p, row, first, words| {
                        a.pairs_along((p * m + row) * k, k, first, words)
                    });
                    panel::product(sizes, packed, c, |p, row, first, words| {
                        b.pairs_across((p * k + 2 * row) * n + first, n, 2 * row + 1 < k, words);
                    });
                } else {
                    packed.pack(|p, row, first, words| a.read((p * m + row) * k + first, words));
                    panel::product(sizes, packed, c, |p, row, first, words| {
                        b.read((p * k + row) * n + first, words);
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
