//! Windows of images as `[row][column][lanes]`, one register of channels: what Winograd's transforms
//! read and write, whatever the layout.
#![expect(unsafe_code, reason = "threads write disjoint parts of one output")]

use super::geometry::{Overlap, overlap};
use super::lanes::{Block, Set};
use crate::recording::{ConvShape, Layout};

/// Some rows and columns of a register of channels of one image.
pub(super) struct Window {
    pub image: usize,
    /// The first channel.
    pub channel: usize,
    pub rows: usize,
    pub columns: usize,
    /// The first row and column; may lie outside of the image.
    pub row: i64,
    pub column: i64,
}

/// Reads a window of x; zeros outside of the image and beyond the last channel.
pub(super) fn read(shape: &ConvShape, x: &[f32], window: &Window, strip: &mut [f32]) {
    let set = Set::get();
    let [height, width, all] = [shape.height, shape.width, shape.c_in].map(|size| size as usize);
    let channels = set.lanes.min(all - window.channel);
    let image = &x[window.image * all * height * width..][..all * height * width];
    let Overlap { before, from, count } = overlap(window.column, window.columns, 1, shape.width);
    let strip = &mut strip[..window.rows * window.columns * set.lanes];
    for (row, strip) in strip.chunks_exact_mut(window.columns * set.lanes).enumerate() {
        let at = window.row + row as i64;
        if count == 0 || !(0..height as i64).contains(&at) {
            strip.fill(0.0);
            continue;
        }
        strip[..before * set.lanes].fill(0.0);
        strip[(before + count) * set.lanes..].fill(0.0);
        let strip = &mut strip[before * set.lanes..][..count * set.lanes];
        match shape.layout {
            Layout::Nchw => {
                let plane = height * width;
                let first = window.channel * plane + at as usize * width + from;
                assert!(first + (channels - 1) * plane + count <= image.len());
                for column in (0..count).step_by(set.lanes) {
                    let columns = set.lanes.min(count - column);
                    // SAFETY: the last value of the last channel was just checked; the strip has
                    // `count` registers.
                    unsafe {
                        set.transpose(&Block {
                            from: image[first + column..].as_ptr(),
                            from_stride: plane,
                            rows: channels,
                            columns,
                            to: strip[column * set.lanes..].as_mut_ptr(),
                            to_stride: set.lanes,
                            width: set.lanes,
                        });
                    }
                }
            }
            Layout::Nhwc => {
                let first = (at as usize * width + from) * all + window.channel;
                for (column, strip) in strip.chunks_exact_mut(set.lanes).enumerate() {
                    strip[..channels].copy_from_slice(&image[first + column * all..][..channels]);
                    strip[channels..].fill(0.0);
                }
            }
        }
    }
}

/// Writes a window of y, as far as it lies in the image.
///
/// # Safety
/// `y` has the outputs of `shape`, and no other thread touches those of the window meanwhile.
pub(super) unsafe fn write(shape: &ConvShape, strip: &[f32], window: &Window, y: *mut f32) {
    let set = Set::get();
    let [height, width, all] = [shape.out_h(), shape.out_w(), shape.c_out].map(|s| s as usize);
    let channels = set.lanes.min(all - window.channel);
    let (first_row, first_column) = (window.row as usize, window.column as usize);
    let columns = window.columns.min(width - first_column);
    let strip = &strip[..window.rows * window.columns * set.lanes];
    for row in 0..window.rows.min(height - first_row) {
        let strip = &strip[row * window.columns * set.lanes..][..columns * set.lanes];
        let position = (first_row + row) * width + first_column;
        // SAFETY: rows and columns were cut to those of y, which the caller vouches for.
        unsafe {
            let y = y.add(window.image * all * height * width);
            match shape.layout {
                Layout::Nchw => {
                    for column in (0..columns).step_by(set.lanes) {
                        let count = set.lanes.min(columns - column);
                        set.transpose(&Block {
                            from: strip[column * set.lanes..].as_ptr(),
                            from_stride: set.lanes,
                            rows: count,
                            columns: channels,
                            to: y.add(window.channel * height * width + position + column),
                            to_stride: height * width,
                            width: count,
                        });
                    }
                }
                Layout::Nhwc => {
                    for (column, strip) in strip.chunks_exact(set.lanes).enumerate() {
                        let y = y.add((position + column) * all + window.channel);
                        strip.as_ptr().copy_to_nonoverlapping(y, channels);
                    }
                }
            }
        }
    }
}
