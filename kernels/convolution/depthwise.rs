//! Filters over a single channel: sums of shifted rows, vectorised by the compiler.
#![expect(unsafe_code, reason = "calls code compiled for the instruction set that was detected")]

use rayon::prelude::*;

use super::Layer;
use super::geometry::{inside, under};
use crate::recording::ConvShape;

/// All planes of all images in the current rayon pool; `w` has one channel per filter.
pub(super) fn run(layer: &Layer, x: &[f32], w: &[f32], y: &mut [f32]) {
    let shape = &layer.0;
    let filters = shape.c_out as usize;
    let plane = (shape.height * shape.width) as usize;
    let plane_of = best();
    y.par_chunks_mut(layer.positions()).enumerate().for_each(|(index, y)| {
        let (image, filter) = (index / filters, index % filters);
        let channel = image * shape.c_in as usize + filter / layer.group_out();
        let w = &w[filter * layer.depth()..][..layer.depth()];
        // SAFETY: `best` chose the function for this CPU.
        unsafe { plane_of(shape, &x[channel * plane..][..plane], w, y) }
    });
}

type PlaneFn = unsafe fn(&ConvShape, &[f32], &[f32], &mut [f32]);

/// The plane function of the widest instruction set there is.
fn best() -> PlaneFn {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") {
            return plane_avx512;
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            return plane_avx2;
        }
    }
    plane
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn plane_avx512(shape: &ConvShape, x: &[f32], w: &[f32], y: &mut [f32]) {
    plane(shape, x, w, y);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn plane_avx2(shape: &ConvShape, x: &[f32], w: &[f32], y: &mut [f32]) {
    plane(shape, x, w, y);
}

/// One filter over one channel.
#[inline(always)]
fn plane(shape: &ConvShape, x: &[f32], w: &[f32], y: &mut [f32]) {
    let (width, out_w) = (shape.width as usize, shape.out_w() as usize);
    y.fill(0.0);
    for (tap, w) in w.iter().enumerate() {
        let (ky, kx) = (tap as u32 / shape.kernel_w, tap as u32 % shape.kernel_w);
        let columns = inside(shape, kx, shape.width, shape.out_w());
        if columns.is_empty() {
            continue;
        }
        let first = under(shape, columns.start as u32, kx) as usize;
        for oy in inside(shape, ky, shape.height, shape.out_h()) {
            let row = &x[under(shape, oy as u32, ky) as usize * width..][..width];
            let y = &mut y[oy * out_w..][..out_w][columns.clone()];
            if shape.stride == 1 {
                for (y, x) in y.iter_mut().zip(&row[first..]) {
                    *y += w * x;
                }
            } else {
                for (y, x) in y.iter_mut().zip(row[first..].iter().step_by(shape.stride as usize)) {
                    *y += w * x;
                }
            }
        }
    }
}
