//! Filters over a single channel: sums of shifted rows, or of shifted pixels.
#![expect(unsafe_code, reason = "raw addresses for SIMD; threads write disjoint rows")]

use std::cell::RefCell;
use std::ops::Range;

use rayon::prelude::*;

use super::Layer;
use super::geometry::{Overlap, inside, overlap, under};
use super::lanes::{Pixels, Row, Set};
use crate::recording::{ConvShape, Layout};

thread_local! {
    /// A plane with its padding, its columns dealt out by stride.
    static PLANE: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

/// All images in the current rayon pool; `w` has one channel per filter.
pub(super) fn run(layer: &Layer, x: &[f32], w: &[f32], y: &mut [f32]) {
    match layer.0.layout {
        Layout::Nchw => planes(layer, x, w, y),
        Layout::Nhwc => pixels(layer, x, w, y),
    }
}

/// Plane by plane.
fn planes(layer: &Layer, x: &[f32], w: &[f32], y: &mut [f32]) {
    let shape = &layer.0;
    let filters = shape.c_out as usize;
    let plane = (shape.height * shape.width) as usize;
    let view = Plane::of(shape);
    let offsets: Vec<u32> = (0..layer.depth()).map(|tap| view.offset(shape, tap)).collect();
    y.par_chunks_mut(layer.positions()).enumerate().for_each(|(index, y)| {
        let (image, filter) = (index / filters, index % filters);
        let channel = image * shape.c_in as usize + filter / layer.group_out();
        let w = &w[filter * layer.depth()..][..layer.depth()];
        PLANE.with_borrow_mut(|words| {
            view.copy(shape, &x[channel * plane..][..plane], words);
            view.sum(shape, words, &offsets, w, y);
        });
    });
}

/// How a copied plane lies: `[row][column mod stride][column / stride]`.
struct Plane {
    rows: usize,
    /// Columns of each remainder.
    columns: usize,
}

impl Plane {
    fn of(shape: &ConvShape) -> Self {
        let stride = shape.stride as usize;
        let span = |outputs: u32, taps: u32| {
            (outputs as usize - 1) * stride + ((taps - 1) * shape.dilation) as usize + 1
        };
        let columns = span(shape.out_w(), shape.kernel_w).div_ceil(stride);
        Self { rows: span(shape.out_h(), shape.kernel_h), columns }
    }

    /// Where the value under a tap of position (0, 0) lies.
    fn offset(&self, shape: &ConvShape, tap: usize) -> u32 {
        let (stride, kernel_w) = (shape.stride as usize, shape.kernel_w as usize);
        let [row, column] = [tap / kernel_w, tap % kernel_w].map(|t| t * shape.dilation as usize);
        let part = row * stride + column % stride;
        (part * self.columns + column / stride) as u32
    }

    fn copy(&self, shape: &ConvShape, x: &[f32], words: &mut Vec<f32>) {
        let (set, stride, width) = (Set::get(), shape.stride as usize, shape.width as usize);
        let length = self.rows * stride * self.columns;
        words.resize(length.max(words.len()), 0.0);
        let first = under(shape, 0, 0);
        let parts: Vec<Overlap> = (0..stride)
            .map(|remainder| overlap(first + remainder as i64, self.columns, stride, shape.width))
            .collect();
        let mut rest = &mut words[..];
        for row in 0..self.rows {
            let at = first + row as i64;
            let inside = (0..i64::from(shape.height)).contains(&at);
            for &Overlap { before, from, count } in &parts {
                if !inside {
                    rest[..self.columns].fill(0.0);
                } else if stride == 1 {
                    let row = &x[at as usize * width..][..width];
                    set.copy_row(&row[from..][..count], before, self.columns, rest);
                } else {
                    let row = &x[at as usize * width..][..width];
                    let (start, to) = rest[..self.columns].split_at_mut(before);
                    start.fill(0.0);
                    let (to, end) = to.split_at_mut(count);
                    deal(&row[from..], stride, to);
                    end.fill(0.0);
                }
                rest = &mut rest[self.columns..];
            }
        }
    }

    /// Sums of one filter over a copied plane: of all of it as one row, its padding and remainders too,
    /// because a register goes over the end of most rows anyway.
    fn sum(
        &self,
        shape: &ConvShape,
        words: &mut Vec<f32>,
        offsets: &[u32],
        w: &[f32],
        y: &mut [f32],
    ) {
        let (set, out_w) = (Set::get(), shape.out_w() as usize);
        let pitch = shape.stride as usize * shape.stride as usize * self.columns;
        let whole = Row::TOGETHER * set.lanes;
        // Where rows are far apart, each is one of its own.
        let together = if pitch < 2 * out_w { y.len() / out_w } else { 1 };
        let length = ((together - 1) * pitch + out_w).next_multiple_of(whole);
        let copied = self.rows * shape.stride as usize * self.columns;
        words.resize(copied + whole + length, 0.0);
        let (x, sums) = words.split_at_mut(copied + whole);
        for (row, y) in y.chunks_mut(together * out_w).enumerate() {
            let row = Row {
                x: x[row * pitch..].as_ptr(),
                offsets,
                w,
                registers: length / set.lanes,
                y: sums.as_mut_ptr(),
            };
            // SAFETY: the copy goes on for `whole` words after the last tap's last value, and the sums
            // are as long as the row.
            unsafe { set.row(&row) };
            for (row, sums) in sums.chunks(pitch).enumerate().take(together) {
                // The next row overwrites what this one leaves beyond its end.
                set.copy_row(&sums[..out_w], 0, out_w, &mut y[row * out_w..]);
            }
        }
    }
}

/// Every `stride`-th value of `row`, from the first on.
fn deal(row: &[f32], stride: usize, to: &mut [f32]) {
    match stride {
        2 => {
            let (pairs, _) = row.as_chunks::<2>();
            for (to, pair) in to.iter_mut().zip(pairs) {
                *to = pair[0];
            }
            // The last value may have no neighbour.
            if to.len() > pairs.len() {
                to[pairs.len()] = row[2 * pairs.len()];
            }
        }
        _ => {
            for (to, value) in to.iter_mut().zip(row.iter().step_by(stride)) {
                *to = *value;
            }
        }
    }
}

/// Row of outputs by row, all channels of a pixel together.
fn pixels(layer: &Layer, x: &[f32], w: &[f32], y: &mut [f32]) {
    let shape = &layer.0;
    let (filters, channels) = (shape.c_out as usize, shape.c_in as usize);
    let (out_h, width) = (shape.out_h() as usize, shape.width as usize);
    // Filters of a tap together, as the channels of a pixel are.
    let taps = layer.depth();
    let w: Vec<f32> = (0..taps * filters).map(|i| w[i % filters * taps + i / filters]).collect();
    let columns = inside_all(shape);
    let image_len = shape.height as usize * width * channels;
    y.par_chunks_mut(shape.out_w() as usize * filters).enumerate().for_each(|(row, y)| {
        let (image, row) = (&x[row / out_h * image_len..][..image_len], row % out_h);
        let edges = (0..columns.start).chain(columns.end..shape.out_w() as usize);
        for column in edges {
            let taps = taps_under(shape, row, column..column + 1);
            let y = &mut y[column * filters..][..filters];
            run_pixels(layer, image, &w, &taps, column..column + 1, y);
        }
        if !columns.is_empty() {
            let taps = taps_under(shape, row, columns.clone());
            let y = &mut y[columns.start * filters..columns.end * filters];
            run_pixels(layer, image, &w, &taps, columns.clone(), y);
        }
    });
}

/// The columns of outputs all of whose taps fall on the image.
fn inside_all(shape: &ConvShape) -> Range<usize> {
    (0..shape.kernel_w).fold(0..shape.out_w() as usize, |all, tap| {
        let columns = inside(shape, tap, shape.width, shape.out_w());
        let start = all.start.max(columns.start);
        start..all.end.min(columns.end).max(start)
    })
}

/// A tap that falls on the image, and the pixel under it.
struct Tap {
    tap: usize,
    pixel: usize,
}

/// The taps that fall on the image at all of `columns`, with the pixels of the first.
fn taps_under(shape: &ConvShape, row: usize, columns: Range<usize>) -> Vec<Tap> {
    let mut taps = Vec::new();
    for tap in 0..shape.kernel_h * shape.kernel_w {
        let y = under(shape, row as u32, tap / shape.kernel_w);
        let x = under(shape, columns.start as u32, tap % shape.kernel_w);
        if (0..i64::from(shape.height)).contains(&y) && (0..i64::from(shape.width)).contains(&x) {
            let pixel = y as usize * shape.width as usize + x as usize;
            taps.push(Tap { tap: tap as usize, pixel });
        }
    }
    taps
}

/// Outputs of neighbouring columns with the same taps; `w` is `[tap][filter]`.
fn run_pixels(
    layer: &Layer,
    image: &[f32],
    w: &[f32],
    taps: &[Tap],
    columns: Range<usize>,
    y: &mut [f32],
) {
    let (set, shape) = (Set::get(), &layer.0);
    let (filters, channels) = (shape.c_out as usize, shape.c_in as usize);
    let step = shape.stride as usize * channels;
    // One filter a channel: registers of channels.
    let whole = if layer.group_out() == 1 { filters / set.lanes * set.lanes } else { 0 };
    if whole > 0 {
        let offsets: Vec<[usize; 2]> =
            taps.iter().map(|t| [t.pixel * channels, t.tap * filters]).collect();
        for [x, w_at] in &offsets {
            assert!(x + (columns.len() - 1) * step + whole <= image.len());
            assert!(w_at + whole <= w.len());
        }
        assert!((columns.len() - 1) * filters + whole <= y.len());
        for column in (0..columns.len()).step_by(Pixels::MOST) {
            let part = Pixels {
                x: image.as_ptr().wrapping_add(column * step),
                w: w.as_ptr(),
                taps: &offsets,
                registers: whole / set.lanes,
                x_stride: step,
                y: y[column * filters..].as_mut_ptr(),
                y_stride: filters,
            };
            // SAFETY: what the last column reads and writes was just found inside of its slice.
            unsafe { set.pixels(Pixels::MOST.min(columns.len() - column), &part) };
        }
    }
    for (column, y) in y.chunks_exact_mut(filters).enumerate() {
        for (filter, y) in y.iter_mut().enumerate().skip(whole) {
            let channel = filter / layer.group_out();
            let value = |t: &Tap| image[t.pixel * channels + column * step + channel];
            *y = taps.iter().map(|t| w[t.tap * filters + filter] * value(t)).sum();
        }
    }
}
