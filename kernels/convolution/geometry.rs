//! Where the taps of a filter fall.

use std::ops::Range;

use crate::recording::ConvShape;

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::Layout;

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
