//! Filters over a single channel: too little reuse for a matrix product.
#![expect(unsafe_code, reason = "raw addresses for SIMD; threads write disjoint rows")]

use std::ops::Range;

use rayon::prelude::*;

use super::Layer;
use super::geometry::{Overlap, inside, overlap, under};
use super::lanes::Set;
use super::stencil::{Filter, Stencil, TOGETHER};
use crate::cache::LINE_WORDS;
use crate::matmul::panel::Target;
use crate::matmul::simd::fetch;
use crate::recording::{ConvShape, Layout};

/// Fewest outputs of a task.
const TASK: usize = 4096;

/// Tasks a thread gets at least, so that threads end together.
const TASKS_PER_THREAD: usize = 4;

/// A layer with its filters as they are read.
pub(super) struct Depthwise {
    layer: Layer,
    /// Filter by filter (NCHW), or all filters of a tap together as the channels of a pixel are.
    w: Vec<f32>,
    /// As many as a row of a plane, or the channels of a pixel: what lies beside the image.
    zeros: Vec<f32>,
}

impl Depthwise {
    /// Packs the filters `w`, which have one channel each.
    pub fn new(layer: Layer, w: &[f32]) -> Self {
        let (shape, taps) = (&layer.0, layer.depth());
        let filters = shape.c_out as usize;
        let (w, zeros) = match shape.layout {
            Layout::Nchw => (w.to_vec(), shape.width),
            Layout::Nhwc => {
                let value = |i: usize| w[i % filters * taps + i / filters];
                ((0..taps * filters).map(value).collect(), shape.c_in)
            }
        };
        Self { layer, w, zeros: vec![0.0; zeros as usize] }
    }

    /// Computes y in the current rayon pool; x and y are images in the layer's layout.
    pub fn run(&self, x: &[f32], y: &mut [f32]) {
        assert_eq!((x.len(), y.len()), (self.layer.x_len(), self.layer.y_len()));
        match self.layer.0.layout {
            Layout::Nchw => self.planes(x, y),
            Layout::Nhwc => self.pixels(x, y),
        }
    }

    /// Plane by plane; where there are few, some rows of one by some rows.
    fn planes(&self, x: &[f32], y: &mut [f32]) {
        let (layer, shape) = (&self.layer, &self.layer.0);
        let (filters, taps) = (shape.c_out as usize, layer.depth());
        let [out_h, out_w] = [shape.out_h() as usize, shape.out_w() as usize];
        let plane = (shape.height * shape.width) as usize;
        let planes = shape.batch as usize * filters;
        let wanted = TASKS_PER_THREAD * rayon::current_num_threads();
        let rows = out_h.div_ceil(wanted.div_ceil(planes)).next_multiple_of(TOGETHER).min(out_h);
        let parts = out_h.div_ceil(rows);
        let fewest = TASK.div_ceil(rows * out_w);
        let target = Target(y.as_mut_ptr());
        let target = &target;
        let tasks = (0..planes * parts).into_par_iter().with_min_len(fewest);
        tasks.for_each_init(Vec::new, |inputs, task| {
            let (index, first) = (task / parts, task % parts * rows);
            let rows = first..out_h.min(first + rows);
            let (image, filter) = (index / filters, index % filters);
            let channel = image * shape.c_in as usize + filter / layer.group_out();
            let x = &x[channel * plane..][..plane];
            let w = &self.w[filter * taps..][..taps];
            // SAFETY: these rows of this plane lie in y, whose length was checked, and are this task's.
            let y = unsafe {
                let first = target.0.add((index * out_h + rows.start) * out_w);
                std::slice::from_raw_parts_mut(first, rows.len() * out_w)
            };
            match Filter::of(shape) {
                Some(filter) => {
                    self.plane_by_stencils(filter, rows, inputs, x, w, y);
                }
                None => plane_by_rows(shape, rows, x, w, y),
            }
        });
    }

    /// Rows of one filter's outputs over a plane, a register of columns at a time; `inputs` is memory.
    fn plane_by_stencils(
        &self,
        filter: Filter,
        rows: Range<usize>,
        inputs: &mut Vec<*const f32>,
        x: &[f32],
        w: &[f32],
        y: &mut [f32],
    ) {
        let (set, shape) = (Set::get(), &self.layer.0);
        let (width, stride, taps) = (shape.width as usize, shape.stride as usize, filter.taps);
        let out_w = shape.out_w() as usize;
        assert_eq!((x.len(), w.len()), (shape.height as usize * width, taps * taps));
        assert_eq!((self.zeros.len(), y.len()), (width, rows.len() * out_w));
        // Where rows begin, from the one under the first tap on.
        let first_row = under(shape, rows.start as u32, 0);
        inputs.clear();
        inputs.extend((first_row..).take(filter.inputs(rows.len())).map(|row| {
            let on_image = (0..i64::from(shape.height)).contains(&row);
            if on_image { x[row as usize * width..].as_ptr() } else { self.zeros.as_ptr() }
        }));
        for (row, together) in cover(rows.len()) {
            // What the rows below will need, on its way from memory; below the last lies the next plane.
            let below = first_row + (row * stride + filter.inputs(together)) as i64;
            let below = x.as_ptr().wrapping_offset(below as isize * width as isize);
            // A part with each register: all at once would wait for each other.
            let part = (together * stride * width).div_ceil(out_w.div_ceil(set.lanes));
            for (index, column) in (0..out_w).step_by(set.lanes).enumerate() {
                fetch(below.wrapping_add(index * part).cast(), part * size_of::<f32>());
                let first = under(shape, column as u32, 0) as isize;
                let whole = first >= 0 && first as usize + taps + set.lanes * stride <= width + 1;
                let stencil = Stencil {
                    inputs: &inputs[row * stride..][..filter.inputs(together)],
                    across: 0,
                    first,
                    columns: (!whole).then_some([first, width as isize]),
                    w: w.as_ptr(),
                    w_strides: [taps, 1],
                    y: y[row * out_w + column..].as_mut_ptr(),
                    y_along: out_w,
                    lanes: set.lanes.min(out_w - column),
                };
                // SAFETY: rows are those of the image, whose size was checked, or zeros of their length;
                // columns beyond are said; `together` rows of y exist from `row` on.
                unsafe { set.stencils.plane(filter, together, &stencil) };
            }
        }
    }

    /// Row of outputs by row, all channels of a pixel together.
    fn pixels(&self, x: &[f32], y: &mut [f32]) {
        let (layer, shape) = (&self.layer, &self.layer.0);
        let image = x.len() / shape.batch as usize;
        let (out_h, row_len) =
            (shape.out_h() as usize, shape.out_w() as usize * shape.c_out as usize);
        let rows = y.par_chunks_mut(row_len).with_min_len(TASK.div_ceil(row_len)).enumerate();
        rows.for_each(|(row, y)| {
            let x = &x[row / out_h * image..][..image];
            match Filter::of(shape).filter(|_| layer.group_out() == 1) {
                Some(filter) => self.pixels_by_stencils(filter, x, row % out_h, y),
                None => pixels_by_taps(layer, x, &self.w, row % out_h, y),
            }
        });
    }

    /// A row of outputs where each channel has one filter, a register of channels at a time.
    fn pixels_by_stencils(&self, filter: Filter, x: &[f32], row: usize, y: &mut [f32]) {
        let (set, shape) = (Set::get(), &self.layer.0);
        let (taps, stride) = (filter.taps, shape.stride as usize);
        let [channels, width] = [shape.c_in, shape.width].map(|size| size as usize);
        assert_eq!(x.len(), shape.height as usize * width * channels);
        assert_eq!((self.w.len(), self.zeros.len()), (taps * taps * channels, channels));
        assert_eq!(y.len(), shape.out_w() as usize * channels);
        let first = [under(shape, row as u32, 0), under(shape, 0, 0)];
        // Where pixels begin, from the first one under a tap on: a row for each tap.
        let across = filter.inputs(shape.out_w() as usize);
        let mut pixels = vec![self.zeros.as_ptr(); taps * across];
        let rows = (first[0]..).zip(pixels.chunks_exact_mut(across));
        for (row, pixels) in rows.filter(|(row, _)| (0..i64::from(shape.height)).contains(row)) {
            let Overlap { before, from, count } = overlap(first[1], across, 1, shape.width);
            let row = &x[(row as usize * width + from) * channels..][..count * channels];
            for (pixel, values) in pixels[before..].iter_mut().zip(row.chunks_exact(channels)) {
                *pixel = values.as_ptr();
            }
        }
        for (column, together) in cover(shape.out_w() as usize) {
            for channel in (0..channels).step_by(set.lanes) {
                let stencil = Stencil {
                    inputs: &pixels[column * stride..],
                    across,
                    first: channel as isize,
                    columns: None,
                    w: self.w[channel..].as_ptr(),
                    w_strides: [channels, taps * channels],
                    y: y[column * channels + channel..].as_mut_ptr(),
                    y_along: channels,
                    lanes: set.lanes.min(channels - channel),
                };
                if channel.is_multiple_of(LINE_WORDS) {
                    // What the row below will need, on its way from memory.
                    let last = pixels[(taps - 1) * across + column * stride..].iter();
                    for pixel in last.take(together * stride) {
                        for below in 1..=stride {
                            let pixel = pixel.wrapping_add(below * width * channels + channel);
                            fetch(pixel.cast(), 1);
                        }
                    }
                }
                // SAFETY: pixels are those of the image, whose size was checked, or zeros of their
                // length; `together` outputs exist from `column` on.
                unsafe { set.stencils.pixel(filter, together, &stencil) };
            }
        }
    }
}

/// First outputs and sizes of the stencils that cover `outputs` outputs; the last may overlap the one
/// before it.
fn cover(outputs: usize) -> impl Iterator<Item = (usize, usize)> {
    let whole = outputs / TOGETHER;
    let rest = outputs % TOGETHER;
    // One more stencil costs less than three outputs, each alone.
    let again = whole > 0 && rest > 2;
    let single = if again { outputs..outputs } else { outputs - rest..outputs };
    (0..whole)
        .map(|stencil| (stencil * TOGETHER, TOGETHER))
        .chain(again.then(|| (outputs - TOGETHER, TOGETHER)))
        .chain(single.map(|output| (output, 1)))
}

/// Rows of one filter's outputs over a plane, tap by tap.
fn plane_by_rows(shape: &ConvShape, rows: Range<usize>, x: &[f32], w: &[f32], y: &mut [f32]) {
    let (width, out_w) = (shape.width as usize, shape.out_w() as usize);
    for (row, y) in rows.zip(y.chunks_exact_mut(out_w)) {
        y.fill(0.0);
        for (tap, w) in w.iter().enumerate() {
            let [ky, kx] = [tap as u32 / shape.kernel_w, tap as u32 % shape.kernel_w];
            let from = under(shape, row as u32, ky);
            let columns = inside(shape, kx, shape.width, shape.out_w());
            if columns.is_empty() || !(0..i64::from(shape.height)).contains(&from) {
                continue;
            }
            let x = &x[from as usize * width..][..width];
            let x = &x[under(shape, columns.start as u32, kx) as usize..];
            for (y, x) in y[columns].iter_mut().zip(x.iter().step_by(shape.stride as usize)) {
                *y += w * x;
            }
        }
    }
}

/// A row of outputs, tap by tap.
fn pixels_by_taps(layer: &Layer, x: &[f32], w: &[f32], row: usize, y: &mut [f32]) {
    let (shape, multiplier) = (&layer.0, layer.group_out());
    let (filters, channels) = (shape.c_out as usize, shape.c_in as usize);
    for (column, y) in y.chunks_exact_mut(filters).enumerate() {
        y.fill(0.0);
        for (tap, w) in w.chunks_exact(filters).enumerate() {
            let [ky, kx] = [tap as u32 / shape.kernel_w, tap as u32 % shape.kernel_w];
            let at = [under(shape, row as u32, ky), under(shape, column as u32, kx)];
            let sizes = [shape.height, shape.width].map(i64::from);
            if (0..2).any(|i| !(0..sizes[i]).contains(&at[i])) {
                continue;
            }
            let pixel = (at[0] * sizes[1] + at[1]) as usize;
            let x = &x[pixel * channels..][..channels];
            if multiplier == 1 {
                for ((y, w), x) in y.iter_mut().zip(w).zip(x) {
                    *y += w * x;
                }
            } else {
                for ((y, w), x) in
                    y.chunks_exact_mut(multiplier).zip(w.chunks_exact(multiplier)).zip(x)
                {
                    for (y, w) in y.iter_mut().zip(w) {
                        *y += w * x;
                    }
                }
            }
        }
    }
}
