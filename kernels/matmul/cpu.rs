//! The product on the CPU: streaming for very few rows, packed panels for few rows and batches; for one large
//! product a trial chooses between blocks of our own and the `gemm` crate, or for bf16 panels.
#![expect(unsafe_code, reason = "the gemm crate takes raw addresses")]

use rayon::prelude::*;

use super::blocks::{self, Strip};
use super::input::Operand;
use super::panel::{self, Left, Lying, Sizes};
use super::simd::Kernels;
use super::{Shape, skinny};
use crate::recording::GemmType;
use crate::work::Native;

/// Rows up to which panels are always used for one product.
const MAX_PANEL_ROWS: usize = 64;

/// How a product is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// B is streamed once past few rows.
    Stream,
    /// Packed panels of B, a few for each task.
    Panels,
    /// Blocks for every cache level; B packed once for all threads.
    Blocks,
    /// The `gemm` crate.
    Gemm,
}

impl Way {
    /// Those worth a trial.
    pub fn all(shape: &Shape) -> &'static [Self] {
        if shape.m <= skinny::MAX_ROWS {
            &[Self::Stream]
        } else if shape.m <= MAX_PANEL_ROWS || shape.batch > 1 {
            &[Self::Panels]
        } else if shape.dtype == GemmType::Bf16 {
            &[Self::Blocks, Self::Panels]
        } else {
            // By size and machine the one is 8 % faster, or the other 15.
            &[Self::Gemm, Self::Blocks]
        }
    }

    /// Its name in the record.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stream => "stream",
            Self::Panels => "panels",
            Self::Blocks => "blocks",
            Self::Gemm => "gemm",
        }
    }
}

/// A product ready to run; allocates nothing large while it runs.
pub(super) struct CpuProduct {
    shape: Shape,
    a: Operand,
    b: Operand,
    c: Vec<f32>,
    path: Path,
}

enum Path {
    /// A widened to f32, rows [`skinny::row_of_a`] apart.
    Stream(Vec<f32>),
    Gemm,
    Panels(Words),
    Blocks(Words, Strip),
}

/// The left operand as words of tiles: f32, or pairs of bf16 where the CPU multiplies those.
struct Words {
    /// A copy, where it cannot be read as it lies.
    copy: Vec<f32>,
    pairs: bool,
}

impl CpuProduct {
    /// A product of `a` and `b`, computed one of the ways of [`Way::all`].
    pub fn new(shape: Shape, a: Operand, b: Operand, way: Way) -> Self {
        let Shape { m, k, batch, .. } = shape;
        let path = match way {
            Way::Stream => Path::Stream(vec![0.0; batch * m * skinny::row_of_a(k)]),
            Way::Gemm => Path::Gemm,
            Way::Panels => Path::Panels(Words::new(&shape, &a)),
            Way::Blocks => Path::Blocks(Words::new(&shape, &a), Strip::default()),
        };
        Self { shape, a, b, c: vec![0.0; shape.c_len()], path }
    }
}

impl Words {
    fn new(shape: &Shape, a: &Operand) -> Self {
        let pairs = matches!(a, Operand::Bf16(_)) && Kernels::get().has_bf16_pairs();
        let copy = match a.words(shape.k, pairs) {
            Some(_) => Vec::new(),
            None => vec![0.0; shape.batch * shape.m * depth(shape.k, pairs)],
        };
        Self { copy, pairs }
    }

    /// Reads `a`.
    fn left<'w>(&'w mut self, shape: &Shape, a: &'w Operand) -> Left<'w> {
        let (k, pairs) = (shape.k, self.pairs);
        let depth = depth(k, pairs);
        self.copy.par_chunks_mut(depth).enumerate().for_each(|(row, words)| {
            if pairs { a.pairs_along(row * k, k, words) } else { a.read(row * k, words) }
        });
        let words = a.words(k, pairs).unwrap_or(&self.copy);
        Left { words, rows: shape.m, depth, pitch: depth }
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
            Path::Stream(widened) => {
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
            Path::Blocks(words, strip) => {
                let sizes = Sizes { products: 1, left_operands: 1, n, pairs: words.pairs };
                let left = words.left(shape, a);
                if sizes.pairs {
                    blocks::product(sizes, left, c, strip, |row, first, words| {
                        b.pairs_across(2 * row * n + first, n, 2 * row + 1 < k, words);
                    });
                } else {
                    blocks::product(sizes, left, c, strip, |row, first, words| {
                        b.read(row * n + first, words);
                    });
                }
            }
            Path::Panels(words) => {
                let sizes = Sizes { products: batch, left_operands: batch, n, pairs: words.pairs };
                panels(sizes, words.left(shape, a), b, k, c);
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

/// Products over packed panels.
fn panels(sizes: Sizes, left: Left<'_>, b: &Operand, k: usize, c: &mut [f32]) {
    let n = sizes.n;
    if sizes.pairs {
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
