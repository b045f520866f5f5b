//! The slow and obvious convolution in f64, and how large layers are checked without all of it.
//!
//! The same way as matmul: for random signs s over the filters of a group, Σ s·y is the
//! convolution with the one filter Σ s·w, which costs a group's share of the work and measures
//! the Frobenius norm of the error; sampled planes and tile corners are compared besides.

use std::sync::Arc;

use rayon::prelude::*;

use super::Layer;
use super::geometry::{inside, under};
use crate::matmul::judge::{Judge, Tolerance, exceeds, ratio};
use crate::matmul::reference::{edges, sign};
use crate::random::Random;
use crate::recording::{GemmType, Layout};
use crate::work::{Check, Mismatch};

/// Up to so many multiply–adds the whole output is compared.
const FULL_MACS: f64 = (1u64 << 29) as f64;
/// Random sign vectors of a Freivalds check.
const SIGN_VECTORS: usize = 4;
/// Whole planes (one image, one filter) compared besides.
const SAMPLED_PLANES: usize = 8;

/// Whether a layer is compared in full.
pub(super) fn is_full(layer: &Layer) -> bool {
    layer.macs() <= FULL_MACS || layer.group_out() <= SIGN_VECTORS
}

/// What the outputs of one input are compared with.
pub(super) struct Reference {
    layer: Layer,
    /// ‖filter‖, per filter.
    filter_norms: Vec<f64>,
    /// ‖patch under an output position‖, `batch × groups × positions`.
    patch_norms: Vec<f64>,
    expected: Expected,
}

enum Expected {
    /// All of y.
    Full(Vec<f64>),
    /// Parts of y for large layers.
    Sampled {
        /// Signs of each filter, `SIGN_VECTORS × c_out`.
        signs: Vec<Vec<f64>>,
        /// Signed sums over the filters of a group, `SIGN_VECTORS × batch × groups × positions`.
        sums: Vec<Vec<f64>>,
        /// Index into `batch × c_out` and the plane's values.
        planes: Vec<(usize, Vec<f64>)>,
        /// Index into y and value.
        corners: Vec<(usize, f64)>,
    },
}

/// Images NHWC as NCHW.
fn planar(values: &[f32], images: u32, channels: u32) -> Vec<f32> {
    let channels = channels as usize;
    let image = values.len() / images as usize;
    let plane = |image: &[f32], c: usize| -> Vec<f32> {
        image.iter().skip(c).step_by(channels).copied().collect()
    };
    let planes = |image| (0..channels).flat_map(move |c| plane(image, c));
    values.chunks(image.max(1)).flat_map(planes).collect()
}

/// The data of a layer; images NCHW.
struct Operands {
    layer: Layer,
    x: Arc<[f32]>,
    w: Arc<[f32]>,
}

impl Reference {
    /// Computes what is needed to check convolutions of `x` with `w`.
    pub fn new(layer: Layer, x: &Arc<[f32]>, w: Arc<[f32]>, seed: u64) -> Self {
        let x = match layer.0.layout {
            Layout::Nchw => Arc::clone(x),
            Layout::Nhwc => planar(x, layer.0.batch, layer.0.c_in).into(),
        };
        let data = Operands { layer, x, w };
        let (batch, filters) = (layer.0.batch as usize, layer.0.c_out as usize);
        let groups = layer.0.groups as usize;
        let ones = vec![1.0; layer.depth()];
        let square = |v: f32| f64::from(v).powi(2);
        let patch_norms = (0..batch * groups)
            .into_par_iter()
            .flat_map_iter(|i| data.plane(i / groups, i % groups, &ones, square))
            .map(f64::sqrt)
            .collect();
        let filter_norms = data
            .w
            .chunks(layer.depth())
            .map(|w| w.iter().copied().map(square).sum::<f64>().sqrt())
            .collect();
        let plane = |i: usize| data.filter_plane(i / filters, i % filters);
        let expected = if is_full(&layer) {
            Expected::Full((0..batch * filters).into_par_iter().flat_map_iter(plane).collect())
        } else {
            let mut random = Random::new(seed, 3);
            let signs: Vec<Vec<f64>> = (0..SIGN_VECTORS)
                .map(|_| (0..filters).map(|_| sign(&mut random)).collect())
                .collect();
            let sums = signs.iter().map(|signs| data.signed_sums(signs)).collect();
            let mut picks: Vec<usize> = (0..SAMPLED_PLANES)
                .map(|_| random.below((batch * filters) as u64) as usize)
                .collect();
            picks.sort_unstable();
            picks.dedup();
            let planes = picks.into_par_iter().map(|i| (i, plane(i))).collect();
            Expected::Sampled { signs, sums, planes, corners: data.corners() }
        };
        Self { layer, filter_norms, patch_norms, expected }
    }

    /// Compares a computed y, in the layer's layout, with the reference.
    ///
    /// # Errors
    /// The first value or norm out of bounds; NaN always is.
    pub fn check(&self, mut y: Vec<f32>) -> Result<Check, Mismatch> {
        if self.layer.0.layout == Layout::Nhwc {
            y = planar(&y, self.layer.0.batch, self.layer.0.c_out);
        }
        let positions = self.layer.positions();
        let (filters, per_group) = (self.layer.0.c_out as usize, self.layer.group_out());
        let tolerance = match self.layer.0.dtype {
            GemmType::Bf16 => Tolerance::bf16_rounded(self.layer.depth()),
            GemmType::Tf32 => Tolerance::tf32(self.layer.depth()),
            GemmType::F32 => Tolerance::f32(self.layer.depth()),
        };
        let mut judge = Judge::new(tolerance);
        let mut value = |index: usize, expected: f64| {
            let (plane, position) = (index / positions, index % positions);
            let filter = plane % filters;
            // (image · filters + filter) / per_group is image · groups + group.
            let patch = self.patch_norms[plane / per_group * positions + position];
            judge.value(y[index], expected, self.filter_norms[filter] * patch, || {
                let width = self.layer.0.out_w() as usize;
                let (row, column) = (position / width, position % width);
                format!("y[{}, {filter}, {row}, {column}]", plane / filters)
            })
        };
        match &self.expected {
            Expected::Full(expected) => {
                for (index, expected) in expected.iter().enumerate() {
                    value(index, *expected)?;
                }
                judge.finish("full")
            }
            Expected::Sampled { signs, sums, planes, corners } => {
                for (plane, expected) in planes {
                    for (position, expected) in expected.iter().enumerate() {
                        value(plane * positions + position, *expected)?;
                    }
                }
                for (index, expected) in corners {
                    value(*index, *expected)?;
                }
                let mut check = judge.finish("freivalds+samples")?;
                let estimate = self.freivalds(&y, signs, sums, tolerance)?;
                check.max_rel_err = check.max_rel_err.max(estimate);
                Ok(check)
            }
        }
    }

    /// The relative error of y by sign vectors: position by position against the element bound
    /// summed in quadrature, and in total against the norm bound.
    fn freivalds(
        &self,
        y: &[f32],
        signs: &[Vec<f64>],
        sums: &[Vec<f64>],
        tolerance: Tolerance,
    ) -> Result<f64, Mismatch> {
        let (positions, per_group) = (self.layer.positions(), self.layer.group_out());
        let groups = self.layer.0.groups as usize;
        let per_block = |(block, y): (usize, &[f32])| {
            let filters = block % groups * per_group..(block % groups + 1) * per_group;
            let norm: f64 = self.filter_norms[filters.clone()].iter().map(|n| n * n).sum();
            let mut squared_err = 0.0;
            let mut squares = vec![0.0; positions];
            for plane in y.chunks(positions) {
                for (square, y) in squares.iter_mut().zip(plane) {
                    *square += f64::from(*y).powi(2);
                }
            }
            for (signs, expected) in signs.iter().zip(sums) {
                let mut errors = expected[block * positions..][..positions].to_vec();
                for (plane, sign) in y.chunks(positions).zip(&signs[filters.clone()]) {
                    for (err, y) in errors.iter_mut().zip(plane) {
                        *err -= sign * f64::from(*y);
                    }
                }
                for (position, err) in errors.iter().enumerate() {
                    let patch = self.patch_norms[block * positions + position];
                    // Roundings add up as random signs do; four times their sum is never reached.
                    let rounding = 4.0 * tolerance.rounding * squares[position].sqrt();
                    let allowed = tolerance.element * norm.sqrt() * patch + rounding;
                    if exceeds(err.abs(), allowed) {
                        return Err(Mismatch(format!(
                            "position {position} of image {}: the signed sum of its channels is \
                             off by {:.3e}, allowed {allowed:.3e}",
                            block / groups,
                            err.abs()
                        )));
                    }
                    squared_err += err * err / SIGN_VECTORS as f64;
                }
            }
            Ok((squared_err, squares.iter().sum::<f64>()))
        };
        let (squared_err, squared) = y
            .par_chunks(per_group * positions)
            .enumerate()
            .map(per_block)
            .try_reduce(|| (0.0, 0.0), |a, b| Ok((a.0 + b.0, a.1 + b.1)))?;
        let estimate = ratio(squared_err.sqrt(), squared.sqrt());
        if exceeds(estimate, tolerance.norm) {
            return Err(Mismatch(format!(
                "relative error {estimate:.3e} by sign vectors, allowed {:.3e}",
                tolerance.norm
            )));
        }
        Ok(estimate)
    }
}

impl Operands {
    /// Σ over the taps of one filter over group `group` of image `image`, per position.
    fn plane(&self, image: usize, group: usize, w: &[f64], map: impl Fn(f32) -> f64) -> Vec<f64> {
        let s = &self.layer.0;
        let (height, width, out_w) = (s.height as usize, s.width as usize, s.out_w() as usize);
        let channels = self.layer.group_in();
        let first = image * s.c_in as usize + group * channels;
        let mut sums = vec![0.0; self.layer.positions()];
        for (tap, w) in w.iter().enumerate() {
            let tap = tap as u32;
            let (ky, kx) = (tap / s.kernel_w % s.kernel_h, tap % s.kernel_w);
            let channel = first + (tap / s.kernel_w / s.kernel_h) as usize;
            let x = &self.x[channel * height * width..][..height * width];
            let columns = inside(s, kx, s.width, s.out_w());
            for oy in inside(s, ky, s.height, s.out_h()) {
                let row = &x[under(s, oy as u32, ky) as usize * width..][..width];
                for ox in columns.clone() {
                    let x = row[under(s, ox as u32, kx) as usize];
                    sums[oy * out_w + ox] += w * map(x);
                }
            }
        }
        sums
    }

    /// The weights of filter `filter`.
    fn filter(&self, filter: usize) -> impl Iterator<Item = f64> {
        self.w[filter * self.layer.depth()..][..self.layer.depth()].iter().map(|w| f64::from(*w))
    }

    /// Filter `filter` over image `image`.
    fn filter_plane(&self, image: usize, filter: usize) -> Vec<f64> {
        let w: Vec<f64> = self.filter(filter).collect();
        self.plane(image, filter / self.layer.group_out(), &w, f64::from)
    }

    /// Σ sign·y over the filters of each group, `batch × groups × positions`.
    fn signed_sums(&self, signs: &[f64]) -> Vec<f64> {
        let (groups, per_group) = (self.layer.0.groups as usize, self.layer.group_out());
        let combined: Vec<Vec<f64>> = (0..groups)
            .map(|group| {
                let mut sum = vec![0.0; self.layer.depth()];
                let filters = signs.iter().enumerate().skip(group * per_group).take(per_group);
                for (filter, sign) in filters {
                    for (sum, w) in sum.iter_mut().zip(self.filter(filter)) {
                        *sum += sign * w;
                    }
                }
                sum
            })
            .collect();
        (0..self.layer.0.batch as usize * groups)
            .into_par_iter()
            .flat_map_iter(|i| self.plane(i / groups, i % groups, &combined[i % groups], f64::from))
            .collect()
    }

    /// Values where edge filters meet edge positions, in the first and the last image.
    fn corners(&self) -> Vec<(usize, f64)> {
        let (filters, positions) = (self.layer.0.c_out as usize, self.layer.positions());
        let mut images = vec![0, self.layer.0.batch as usize - 1];
        images.dedup();
        let at = edges(positions);
        let planes: Vec<(usize, usize)> = images
            .iter()
            .flat_map(|image| edges(filters).into_iter().map(move |filter| (*image, filter)))
            .collect();
        planes
            .into_par_iter()
            .flat_map_iter(|(image, filter)| {
                let first = (image * filters + filter) * positions;
                at.iter().map(move |p| (first + p, self.value(image, filter, *p as u32)))
            })
            .collect()
    }

    /// One output value.
    fn value(&self, image: usize, filter: usize, position: u32) -> f64 {
        let s = &self.layer.0;
        let (oy, ox) = (position / s.out_w(), position % s.out_w());
        let group = filter / self.layer.group_out();
        let first = image * s.c_in as usize + group * self.layer.group_in();
        let mut sum = 0.0;
        for (tap, w) in self.filter(filter).enumerate() {
            let tap = tap as u32;
            let y = under(s, oy, tap / s.kernel_w % s.kernel_h);
            let x = under(s, ox, tap % s.kernel_w);
            if (0..i64::from(s.height)).contains(&y) && (0..i64::from(s.width)).contains(&x) {
                let channel = first + (tap / s.kernel_w / s.kernel_h) as usize;
                let row = channel * s.height as usize + y as usize;
                sum += w * f64::from(self.x[row * s.width as usize + x as usize]);
            }
        }
        sum
    }
}
