//! Where the taps of a filter fall.

use std::ops::Range;

use crate::recording::{ConvShape, Layout};

/// The input coordinate under tap `tap` of output coordinate `out`; may lie in the padding.
pub(super) fn under(shape: &ConvShape, out: u32, tap: u32) -> i64 {
    i64::from(out) * i64::from(shape.stride) + i64::from(tap) * i64::from(shape.dilation)
        - i64::from(shape.padding)
}

/// The output coordinates below `outputs` whose tap `tap` falls on one of `inputs` coordinates.
pub(super) fn inside(shape: &ConvShape, tap: u32, inputs: u32, outputs: u32) -> Range<usize> {
    let stride = i64::from(shape.stride);
    let offset = under(shape, 0, tap);
    let first = (-offset).max(0).div_euclid(stride) + i64::from((-offset).max(0) % stride != 0);
    let end = (i64::from(inputs) - 1 - offset).div_euclid(stride) + 1;
    let end = end.clamp(0, i64::from(outputs));
    first.min(end) as usize..end as usize
}

/// Part of a run of columns (or rows) that lies on an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Overlap {
    /// Columns of the run before the image.
    pub before: usize,
    /// The image's first column under the run.
    pub from: usize,
    /// Columns of the run on the image.
    pub count: usize,
}

/// Of `columns` columns `stride` apart from `first` on, those on an image of `width` columns.
pub(super) fn overlap(first: i64, columns: usize, stride: usize, width: u32) -> Overlap {
    let width = width as usize;
    let before = (-first).max(0).unsigned_abs() as usize;
    let before = before.div_ceil(stride).min(columns);
    let from = ((first + (before * stride) as i64).max(0) as usize).min(width);
    let count = (width - from).div_ceil(stride).min(columns - before);
    Overlap { before, from, count }
}

/// Whether filters have one tap and keep every pixel, so that rows do not matter.
pub(super) fn is_pointwise(shape: &ConvShape) -> bool {
    (shape.kernel_h, shape.kernel_w, shape.stride, shape.padding) == (1, 1, 1, 0)
}

/// Elements from one thing to the next, as `shape`'s layout has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Strides {
    /// Channels, rows and columns of x.
    pub x: [u32; 3],
    /// Filters and positions of y.
    pub y: [u32; 2],
}

impl Strides {
    pub fn of(shape: &ConvShape) -> Self {
        let plane = shape.height * shape.width;
        match shape.layout {
            Layout::Nchw => {
                Self { x: [plane, shape.width, 1], y: [shape.out_h() * shape.out_w(), 1] }
            }
            Layout::Nhwc => {
                let row = shape.width * shape.c_in;
                Self { x: [1, row, shape.c_in], y: [1, shape.c_out] }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::GemmType;

    #[test]
    fn overlap_is_what_counting_says() {
        for (first, columns, stride, width) in [
            (-3, 10, 1, 5),
            (-3, 10, 2, 5),
            (2, 4, 3, 20),
            (-4, 2, 1, 9),
            (9, 3, 1, 7),
            (0, 9, 2, 1),
        ] {
            let at = |column: usize| first + (column * stride) as i64;
            let on = (0..columns).filter(|c| (0..i64::from(width)).contains(&at(*c)));
            let on: Vec<usize> = on.collect();
            let found = overlap(first, columns, stride, width);
            assert_eq!(found.count, on.len(), "{first} {columns} {stride} {width}");
            if let Some(first_on) = on.first() {
                assert_eq!((found.before, found.from as i64), (*first_on, at(*first_on)));
            }
        }
    }

    #[test]
    fn inside_is_what_counting_says() {
        for (stride, padding, dilation) in [(1, 0, 1), (1, 1, 1), (2, 3, 1), (3, 2, 2), (2, 5, 4)] {
            let shape = ConvShape {
                batch: 1,
                c_in: 1,
                height: 9,
                width: 9,
                c_out: 1,
                kernel_h: 3,
                kernel_w: 3,
                stride,
                padding,
                dilation,
                groups: 1,
                layout: Layout::Nchw,
                dtype: GemmType::F32,
            };
            for tap in 0..3 {
                let counted: Vec<usize> = (0..shape.out_w())
                    .filter(|o| (0..9).contains(&under(&shape, *o, tap)))
                    .map(|o| o as usize)
                    .collect();
                let range: Vec<usize> = inside(&shape, tap, 9, shape.out_w()).collect();
                assert_eq!(range, counted, "{shape:?} tap {tap}");
            }
        }
    }
}
