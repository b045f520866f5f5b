//! The layer as a matrix product per image and group, NCHW: filters times patches, which exist only as
//! the panels that a thread is about to multiply.

use std::ops::Range;

use super::Layer;
use super::geometry::{is_pointwise, under};
use super::lanes::Set;
use crate::matmul::panel::{self, Left, Lying, Sizes};
use crate::matmul::simd::fetch;
use crate::recording::ConvShape;

/// Words between the filters of a packed `w`: multiples of several cache lines apart they would crowd into a
/// few sets of the first cache level.
fn pitch(layer: &Layer) -> usize {
    let depth = layer.depth();
    if depth.is_multiple_of(64) { depth + 16 } else { depth }
}

/// The filters `w` (KCRS) as [`run`] reads them.
pub(super) fn pack(layer: &Layer, w: &[f32]) -> Vec<f32> {
    let (depth, pitch) = (layer.depth(), pitch(layer));
    let mut words = vec![0.0; w.len() / depth * pitch];
    for (words, w) in words.chunks_exact_mut(pitch).zip(w.chunks_exact(depth)) {
        words[..depth].copy_from_slice(w);
    }
    words
}

/// All images in the current rayon pool; `w` comes from [`pack`].
pub(super) fn run(layer: &Layer, x: &[f32], w: &[f32], y: &mut [f32]) {
    let shape = &layer.0;
    let (groups, channels) = (shape.groups as usize, layer.group_in());
    let sizes = Sizes {
        products: shape.batch as usize * groups,
        left_operands: groups,
        n: layer.positions(),
        pairs: false,
    };
    let filters =
        Left { words: w, rows: layer.group_out(), depth: layer.depth(), pitch: pitch(layer) };
    let plane = (shape.height * shape.width) as usize;
    if is_pointwise(shape) {
        let images = Lying { words: x, depth: channels, n: plane };
        panel::product_lying(sizes, filters, y, images);
        return;
    }
    let taps = (shape.kernel_h * shape.kernel_w) as usize;
    let channel_of =
        |product: usize, k: usize| &x[(product * channels + k / taps) * plane..][..plane];
    let read = |product: usize, k: usize, first: usize, words: &mut [f32]| {
        read_taps(shape, channel_of(product, k), (k % taps) as u32, first as u32, words);
    };
    let soon = |product: usize, k: usize, columns: Range<usize>| {
        if k.is_multiple_of(taps) {
            let x = &channel_of(product, k)[rows_under(shape, columns)];
            fetch(x.as_ptr().cast(), size_of_val(x));
        }
    };
    panel::product(sizes, filters, y, read, soon);
}

/// Values of the rows of a plane that lie under output positions.
fn rows_under(shape: &ConvShape, positions: Range<usize>) -> Range<usize> {
    let out_w = shape.out_w() as usize;
    let last = (positions.end - 1) / out_w;
    let first = under(shape, (positions.start / out_w) as u32, 0);
    let end = under(shape, last as u32, shape.kernel_h - 1) + 1;
    let row = |at: i64| at.clamp(0, i64::from(shape.height)) as usize * shape.width as usize;
    row(first)..row(end)
}

/// What lies under tap `tap` (within one channel `x`) at output positions from `first` on.
fn read_taps(shape: &ConvShape, x: &[f32], tap: u32, first: u32, words: &mut [f32]) {
    let (set, stride) = (Set::get(), shape.stride as usize);
    let (ky, kx) = (tap / shape.kernel_w, tap % shape.kernel_w);
    let (out_w, width) = (shape.out_w(), shape.width as usize);
    let (mut oy, mut ox) = (first / out_w, first % out_w);
    let mut rest = words;
    while !rest.is_empty() {
        let count = rest.len().min((out_w - ox) as usize);
        let iy = under(shape, oy, ky);
        if (0..i64::from(shape.height)).contains(&iy) {
            let row = &x[iy as usize * width..][..width];
            // In increasing order: a row may leave anything where the next one will lie.
            set.sample(row, under(shape, ox, kx), stride, count, rest);
        } else {
            rest[..count].fill(0.0);
        }
        rest = &mut rest[count..];
        (oy, ox) = (oy + 1, 0);
    }
}
