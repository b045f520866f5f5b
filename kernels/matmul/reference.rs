//! The slow and obvious product in f64, and how large products are checked without all of it.
//!
//! A product of more than [`FULL_MACS`] multiply–adds is checked by Freivalds' method: for random
//! sign vectors x, the mean of ‖(C − A·B)·x‖² is ‖C − A·B‖² (Frobenius), so C·x against A·(B·x)
//! in f64 measures the same norm that the full comparison does, in O(n²). Whole sampled rows and
//! the corners of every tile are compared value by value besides.

use std::sync::Arc;

use rayon::prelude::*;

use super::Shape;
use super::judge::{Judge, Tolerance, exceeds, ratio};
use crate::random::Random;
use crate::recording::GemmType;
use crate::work::{Check, Mismatch};

/// Up to so many multiply–adds the whole product is compared.
const FULL_MACS: f64 = (1u64 << 29) as f64;
/// Random sign vectors of a Freivalds check.
const SIGN_VECTORS: usize = 4;
/// Whole rows compared besides.
const SAMPLED_ROWS: usize = 8;
/// Products of a batch whose tile corners are compared.
const CORNER_PRODUCTS: usize = 4;
/// Tile sizes in use are multiples or divisors of this.
const TILE: usize = 64;
/// Most row (or column) indices taken for corners.
const MAX_EDGES: usize = 128;

/// Whether a product of this shape is compared in full.
pub(super) fn is_full(shape: &Shape) -> bool {
    shape.macs() <= FULL_MACS
}

/// What the outputs of one input are compared with.
pub(super) struct Reference {
    shape: Shape,
    /// ‖row of A‖, `batch × m`.
    row_norms: Vec<f64>,
    /// ‖column of B‖, `batch × n`.
    column_norms: Vec<f64>,
    expected: Expected,
}

enum Expected {
    /// All of C.
    Full(Vec<f64>),
    /// Parts of C for large products.
    Sampled {
        /// Sign vectors, `SIGN_VECTORS × n`.
        signs: Vec<Vec<f64>>,
        /// A·(B·x) for each, `batch × m`.
        products: Vec<Vec<f64>>,
        /// Index into `batch × m` and the row's values.
        rows: Vec<(usize, Vec<f64>)>,
        /// Index into C and value.
        corners: Vec<(usize, f64)>,
    },
}

impl Reference {
    /// Computes what is needed to check products of `a` and `b`.
    pub fn new(shape: Shape, a: Arc<[f32]>, b: Arc<[f32]>, seed: u64) -> Self {
        let Shape { m, n, k, batch, .. } = shape;
        let row_norms = a.par_chunks(k).map(|row| norm(row.iter().copied())).collect();
        let column_norms = b.par_chunks(k * n).flat_map_iter(|b| column_norms(b, n)).collect();
        let row = |i: usize| product_row(&a[i * k..][..k], &b[i / m * k * n..][..k * n], n);
        let expected = if is_full(&shape) {
            Expected::Full((0..batch * m).into_par_iter().flat_map_iter(row).collect())
        } else {
            let mut random = Random::new(seed, 3);
            let signs: Vec<Vec<f64>> =
                (0..SIGN_VECTORS).map(|_| (0..n).map(|_| sign(&mut random)).collect()).collect();
            let products = signs.iter().map(|x| product_vector(&shape, &a, &b, x)).collect();
            let mut picks: Vec<usize> = (0..SAMPLED_ROWS.min(batch * m))
                .map(|_| random.below((batch * m) as u64) as usize)
                .collect();
            picks.sort_unstable();
            picks.dedup();
            let rows = picks.into_par_iter().map(|i| (i, row(i))).collect();
            Expected::Sampled { signs, products, rows, corners: corners(&shape, &a, &b) }
        };
        Self { shape, row_norms, column_norms, expected }
    }

    /// Compares a computed C (`batch × m × n`) with the reference.
    ///
    /// # Errors
    /// The first value or norm out of bounds; NaN always is.
    pub fn check(&self, c: &[f32]) -> Result<Check, Mismatch> {
        let Shape { m, n, .. } = self.shape;
        let tolerance = match self.shape.dtype {
            GemmType::F32 => Tolerance::f32(self.shape.k),
            GemmType::Bf16 => Tolerance::bf16(self.shape.k),
            GemmType::Tf32 => Tolerance::tf32(self.shape.k),
        };
        let mut judge = Judge::new(tolerance);
        let mut value = |index: usize, expected: f64| {
            let (row, column) = (index / n, index % n);
            let scale = self.row_norms[row] * self.column_norms[row / m * n + column];
            judge.value(c[index], expected, scale, || {
                format!("c[{}, {}] of product {}", row % m, column, row / m)
            })
        };
        match &self.expected {
            Expected::Full(expected) => {
                for (index, expected) in expected.iter().enumerate() {
                    value(index, *expected)?;
                }
                judge.finish("full")
            }
            Expected::Sampled { signs, products, rows, corners } => {
                for (row, expected) in rows {
                    for (column, expected) in expected.iter().enumerate() {
                        value(row * n + column, *expected)?;
                    }
                }
                for (index, expected) in corners {
                    value(*index, *expected)?;
                }
                let mut check = judge.finish("freivalds+samples")?;
                let estimate = self.freivalds(c, signs, products, tolerance)?;
                check.max_rel_err = check.max_rel_err.max(estimate);
                Ok(check)
            }
        }
    }

    /// The relative error of C by sign vectors: row by row against the element bound summed in
    /// quadrature, and in total against the norm bound.
    fn freivalds(
        &self,
        c: &[f32],
        signs: &[Vec<f64>],
        products: &[Vec<f64>],
        tolerance: Tolerance,
    ) -> Result<f64, Mismatch> {
        let Shape { m, n, .. } = self.shape;
        let norms: Vec<f64> = self.column_norms.chunks(n).map(norm64).collect();
        let per_row = |(row, values): (usize, &[f32])| {
            let allowed = tolerance.element * self.row_norms[row] * norms[row / m];
            let mut squared_err = 0.0;
            for (x, expected) in signs.iter().zip(products) {
                let sum: f64 = values.iter().zip(x).map(|(c, x)| f64::from(*c) * x).sum();
                let err = (sum - expected[row]).abs();
                if exceeds(err, allowed) {
                    let (row, product) = (row % m, row / m);
                    return Err(Mismatch(format!(
                        "row {row} of product {product}: its signed sum is off by {err:.3e}, \
                         allowed {allowed:.3e}"
                    )));
                }
                squared_err += err * err / signs.len() as f64;
            }
            let squared: f64 = values.iter().map(|c| f64::from(*c).powi(2)).sum();
            Ok((squared_err, squared))
        };
        let (squared_err, squared) = c
            .par_chunks(n)
            .enumerate()
            .map(per_row)
            .try_reduce(|| (0.0, 0.0), |x, y| Ok((x.0 + y.0, x.1 + y.1)))?;
        let estimate = ratio(squared_err.sqrt(), squared.sqrt());
        if estimate <= tolerance.norm {
            Ok(estimate)
        } else {
            Err(Mismatch(format!(
                "relative error {estimate:.3e} by sign vectors, allowed {:.3e}",
                tolerance.norm
            )))
        }
    }
}

/// +1 or −1.
pub(crate) fn sign(random: &mut Random) -> f64 {
    if random.bits() & 1 == 0 { 1.0 } else { -1.0 }
}

/// Euclidean norm.
fn norm(values: impl Iterator<Item = f32>) -> f64 {
    values.map(|v| f64::from(v).powi(2)).sum::<f64>().sqrt()
}

fn norm64(values: &[f64]) -> f64 {
    values.iter().map(|v| v * v).sum::<f64>().sqrt()
}

fn column_norms(b: &[f32], n: usize) -> Vec<f64> {
    let mut squares = vec![0.0; n];
    for row in b.chunks(n) {
        for (sum, value) in squares.iter_mut().zip(row) {
            *sum += f64::from(*value).powi(2);
        }
    }
    squares.iter().map(|s: &f64| s.sqrt()).collect()
}

/// One row of C.
fn product_row(a: &[f32], b: &[f32], n: usize) -> Vec<f64> {
    let mut row = vec![0.0; n];
    for (a, b) in a.iter().zip(b.chunks(n)) {
        let a = f64::from(*a);
        for (sum, b) in row.iter_mut().zip(b) {
            *sum += a * f64::from(*b);
        }
    }
    row
}

/// A·(B·x) for every product, `batch × m`.
fn product_vector(shape: &Shape, a: &[f32], b: &[f32], x: &[f64]) -> Vec<f64> {
    let Shape { m, n, k, .. } = *shape;
    let dot = |values: &[f32], x: &[f64]| -> f64 {
        values.iter().zip(x).map(|(v, x)| f64::from(*v) * x).sum()
    };
    let bx: Vec<f64> = b.par_chunks(n).map(|row| dot(row, x)).collect();
    a.par_chunks(k).enumerate().map(|(i, row)| dot(row, &bx[i / m * k..][..k])).collect()
}

/// First and last index and both sides of every tile boundary, thinned to [`MAX_EDGES`].
pub(crate) fn edges(len: usize) -> Vec<usize> {
    let tiles = len.div_ceil(TILE);
    let step = (2 * tiles).div_ceil(MAX_EDGES);
    let mut edges: Vec<usize> = (1..tiles)
        .step_by(step)
        .flat_map(|t| [t * TILE - 1, t * TILE])
        .chain([0, len - 1])
        .collect();
    edges.sort_unstable();
    edges.dedup();
    edges
}

/// Values of C where edge rows meet edge columns.
fn corners(shape: &Shape, a: &[f32], b: &[f32]) -> Vec<(usize, f64)> {
    let Shape { m, n, k, batch, .. } = *shape;
    let (rows, columns) = (edges(m), edges(n));
    let mut products = vec![0, batch / 3, 2 * batch / 3, batch - 1];
    products.truncate(CORNER_PRODUCTS);
    products.dedup();
    let of_product = |p: usize| -> Vec<(usize, f64)> {
        let b = &b[p * k * n..][..k * n];
        // Transposed, so that the sums below run along memory.
        let picked: Vec<Vec<f64>> =
            columns.par_iter().map(|j| b.chunks(n).map(|r| f64::from(r[*j])).collect()).collect();
        rows.par_iter()
            .flat_map_iter(|i| {
                let row = p * m + i;
                let a = &a[row * k..][..k];
                columns.iter().zip(&picked).map(move |(j, column)| {
                    let sum = a.iter().zip(column).map(|(a, b)| f64::from(*a) * b).sum();
                    (row * n + j, sum)
                })
            })
            .collect()
    };
    products.into_iter().flat_map(of_product).collect()
}
