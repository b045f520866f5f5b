//! Tolerances of floating-point results, shared by matmul and convolution.
//!
//! Both bounds grow from what IEEE f32 arithmetic does in any summation order, and are tight
//! enough that TF32 (10 mantissa bits) or bf16 (7) operands cannot pass for f32, nor bf16 for TF32.

use crate::work::{Check, Mismatch};

/// Bounds on the error of sums of `k` products.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Tolerance {
    /// Bound on ‖out − ref‖ / ‖ref‖.
    pub norm: f64,
    /// Bound on |out − ref| of one element over ‖a_row‖·‖b_column‖.
    pub element: f64,
    /// What is added to that, over |ref|: half a unit in the last place of a result's type.
    pub rounding: f64,
}

impl Tolerance {
    /// f32 operands, f32 sums of `k` products.
    pub fn f32(k: usize) -> Self {
        Self { norm: 5e-7 * (k as f64).sqrt(), element: 5e-6, rounding: 0.0 }
    }

    /// TF32 operands, sums of `k` products as tensor cores make them, against the exact product of the
    /// operands. What f32 cannot hold of a sum is cut off, not rounded, every few products: an error that
    /// grows with k itself, to 2e-4 of the norm at k = 65,536. Operands rounded to bf16 are 1.6e-3 off.
    pub fn tf32(k: usize) -> Self {
        let growth = (k as f64 / 65_536.0).max(1.0);
        Self { norm: 5e-4 * growth, element: 1e-4, rounding: 0.0 }
    }

    /// bf16 operands, f32 sums of `k` products, against the exact product of the rounded operands: as exact
    /// as TF32 (see there; 3e-3 at k = 2²⁰ if that goes on as it begins), so that the bound is set by what must
    /// not pass. Operands with a bit less, or of
    /// 8 bits alone, are 5.5e-3 off. The element bound catches single wrong values, which the norm of a
    /// large result would hide.
    pub fn bf16(k: usize) -> Self {
        let growth = (k as f64 / 1_048_576.0).max(1.0);
        Self { norm: 4e-3 * growth, element: 1e-3, rounding: 0.0 }
    }

    /// The same with a result rounded to bf16, which moves a value by up to 2⁻⁸ of itself and a norm by
    /// 1.7e-3.
    pub fn bf16_rounded(k: usize) -> Self {
        Self { rounding: 1.0 / 256.0, ..Self::bf16(k) }
    }
}

/// Collects compared values; NaN never passes.
pub(crate) struct Judge {
    tolerance: Tolerance,
    squared_err: f64,
    squared_ref: f64,
    compared: u64,
    max_abs_err: f64,
}

impl Judge {
    pub fn new(tolerance: Tolerance) -> Self {
        Self { tolerance, squared_err: 0.0, squared_ref: 0.0, compared: 0, max_abs_err: 0.0 }
    }

    /// Compares one output value with its reference; `scale` is ‖a_row‖·‖b_column‖ and `place`
    /// names the value in the message.
    pub fn value(
        &mut self,
        out: f32,
        reference: f64,
        scale: f64,
        place: impl FnOnce() -> String,
    ) -> Result<(), Mismatch> {
        let err = (f64::from(out) - reference).abs();
        let bound = self.tolerance.element * scale + self.tolerance.rounding * reference.abs();
        if exceeds(err, bound) {
            let place = place();
            return Err(Mismatch(format!(
                "{place} is {out}, expected {reference:.9}: off by {err:.3e}, allowed {bound:.3e}"
            )));
        }
        self.squared_err += err * err;
        self.squared_ref += reference * reference;
        self.compared += 1;
        self.max_abs_err = self.max_abs_err.max(err);
        Ok(())
    }

    /// The norm-wise verdict over all compared values.
    pub fn finish(self, method: &str) -> Result<Check, Mismatch> {
        let max_rel_err = ratio(self.squared_err.sqrt(), self.squared_ref.sqrt());
        let bound = self.tolerance.norm;
        if exceeds(max_rel_err, bound) {
            return Err(Mismatch(format!(
                "relative error {max_rel_err:.3e} over {} values, allowed {bound:.3e}",
                self.compared
            )));
        }
        Ok(Check {
            method: method.into(),
            compared: self.compared,
            max_abs_err: self.max_abs_err,
            max_rel_err,
            bound,
        })
    }
}

/// Whether an error is past its bound; NaN always is.
pub(crate) fn exceeds(err: f64, bound: f64) -> bool {
    err.is_nan() || err > bound
}

/// `err / norm`, 0 for two zeros.
pub(crate) fn ratio(err: f64, norm: f64) -> f64 {
    if err == 0.0 { 0.0 } else { err / norm }
}

/// The only output, of so many bytes.
pub(crate) fn single_output(outputs: &[Vec<u8>], length: usize) -> Result<&[u8], Mismatch> {
    match outputs {
        [bytes] if bytes.len() == length => Ok(bytes),
        _ => Err(Mismatch(format!(
            "expected one output of {length} bytes, found {:?}",
            outputs.iter().map(Vec::len).collect::<Vec<_>>()
        ))),
    }
}

/// The only output as `len` f32 values.
pub(crate) fn single_f32_output(outputs: &[Vec<u8>], len: usize) -> Result<Vec<f32>, Mismatch> {
    single_output(outputs, len * 4).map(floats)
}

/// Little-endian f32 values.
pub(crate) fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect()
}
