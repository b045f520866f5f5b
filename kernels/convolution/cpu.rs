//! The layer on the CPU: which algorithm, and its outputs.

use std::sync::Arc;

use super::direct::Direct;
use super::geometry::{is_pointwise, under};
use super::winograd::Winograd;
use super::{Layer, depthwise};
use crate::matmul::panel::{self, Left, Line, Sizes};
use crate::recording::{ConvShape, Layout};
use crate::work::Native;

/// A layer ready to run.
pub(super) struct CpuLayer {
    layer: Layer,
    /// Images, from a cache line on, as programs hold them.
    x: Vec<Line>,
    w: Arc<[f32]>,
    y: Vec<Line>,
    path: Path,
}

enum Path {
    /// One input channel per filter: too little reuse for a matrix product.
    Depthwise,
    /// Tiles of positions by filters that fill a register.
    Direct(Box<Direct>),
    /// Few filters a group, or rows of a few positions: a matrix product per image and group, whose
    /// right operand (the patches) exists only as the panel that a thread is about to multiply.
    Panels,
    /// Transformed tiles.
    Winograd(Box<Winograd>),
}

impl CpuLayer {
    /// A layer over `x` with filters `w`, by sums in the order of the filters.
    pub fn new(layer: Layer, x: &[f32], w: Arc<[f32]>) -> Self {
        let path = match layer.0.layout {
            _ if layer.group_in() == 1 => Path::Depthwise,
            Layout::Nchw if !Direct::suits(&layer) => Path::Panels,
            _ => Path::Direct(Box::new(Direct::new(layer, &w))),
        };
        Self::with(layer, x, w, path)
    }

    /// The same by Winograd's algorithm with tiles of `side × side` outputs.
    pub fn winograd(layer: Layer, x: &[f32], w: Arc<[f32]>, side: usize) -> Self {
        let path = Path::Winograd(Box::new(Winograd::new(layer, w.clone(), side)));
        Self::with(layer, x, w, path)
    }

    fn with(layer: Layer, x: &[f32], w: Arc<[f32]>, path: Path) -> Self {
        let lines = |len: usize| vec![Line::default(); len.div_ceil(16)];
        let (mut own, y) = (lines(x.len()), lines(layer.y_len()));
        bytemuck::cast_slice_mut(&mut own)[..x.len()].copy_from_slice(x);
        Self { layer, x: own, w, y, path }
    }
}

impl Native for CpuLayer {
    fn run(&mut self) -> Result<(), String> {
        let x: &[f32] = &bytemuck::cast_slice(&self.x)[..self.layer.x_len()];
        let y: &mut [f32] = &mut bytemuck::cast_slice_mut(&mut self.y)[..self.layer.y_len()];
        match &self.path {
            Path::Depthwise => depthwise::run(&self.layer, x, &self.w, y),
            Path::Direct(direct) => direct.run(x, y),
            Path::Panels => panels(&self.layer, x, &self.w, y),
            Path::Winograd(winograd) => winograd.run(x, y),
        }
        Ok(())
    }

    fn poison(&mut self) {
        bytemuck::cast_slice_mut::<_, f32>(&mut self.y).fill(f32::NAN);
    }

    fn outputs(&self) -> Vec<Vec<u8>> {
        vec![bytemuck::cast_slice(&self.y)[..self.layer.y_len() * 4].to_vec()]
    }
}

/// One matrix product per image and group, NCHW.
fn panels(layer: &Layer, x: &[f32], w: &[f32], y: &mut [f32]) {
    let shape = &layer.0;
    let (groups, channels) = (shape.groups as usize, layer.group_in());
    let sizes = Sizes {
        products: shape.batch as usize * groups,
        left_operands: groups,
        n: layer.positions(),
        pairs: false,
    };
    let filters = Left { words: w, rows: layer.group_out(), depth: layer.depth() };
    let plane = (shape.height * shape.width) as usize;
    let whole = is_pointwise(shape);
    let read = |product: usize, tap: usize, first: usize, words: &mut [f32]| {
        let first_channel = product * channels;
        if whole {
            let from = (first_channel + tap) * plane + first;
            words.copy_from_slice(&x[from..][..words.len()]);
        } else {
            let tap = tap as u32;
            let taps = shape.kernel_h * shape.kernel_w;
            let channel = first_channel + (tap / taps) as usize;
            let x = &x[channel * plane..][..plane];
            read_taps(shape, x, tap % taps, first as u32, words);
        }
    };
    // An image is near by: its channels were just read for the taps before.
    panel::product(sizes, filters, y, read, |_, _, _| {});
}

/// What lies under tap `tap` (within one channel `x`) at output positions from `first` on.
fn read_taps(shape: &ConvShape, x: &[f32], tap: u32, first: u32, words: &mut [f32]) {
    let (ky, kx) = (tap / shape.kernel_w, tap % shape.kernel_w);
    let (out_w, width) = (shape.out_w(), shape.width as usize);
    let (mut oy, mut ox) = (first / out_w, first % out_w);
    let mut rest = words;
    while !rest.is_empty() {
        let (words, after) = rest.split_at_mut(rest.len().min((out_w - ox) as usize));
        let iy = under(shape, oy, ky);
        if (0..i64::from(shape.height)).contains(&iy) {
            let row = &x[iy as usize * width..][..width];
            read_row(row, under(shape, ox, kx), shape.stride as usize, words);
        } else {
            words.fill(0.0);
        }
        rest = after;
        (oy, ox) = (oy + 1, 0);
    }
}

/// Every `stride`-th value of `row` from `start` on, zeros outside.
fn read_row(row: &[f32], start: i64, stride: usize, words: &mut [f32]) {
    if stride == 1 {
        let before = (-start).clamp(0, words.len() as i64) as usize;
        let from = start.clamp(0, row.len() as i64) as usize;
        let count = (row.len() - from).min(words.len() - before);
        words[..before].fill(0.0);
        words[before..before + count].copy_from_slice(&row[from..from + count]);
        words[before + count..].fill(0.0);
    } else {
        for (i, word) in words.iter_mut().enumerate() {
            let at = start + (i * stride) as i64;
            // A negative index wraps to one past any row.
            *word = row.get(at as usize).copied().unwrap_or(0.0);
        }
    }
}
