//! The layer by direct sums: a tile of neighbouring positions by a panel of filters, read from the
//! image where it lies, or from a copy of a few rows with their padding. Nothing is gathered.
#![expect(unsafe_code, reason = "threads write disjoint parts of one output; raw tile addresses")]

use std::cell::RefCell;
use std::mem::MaybeUninit;
use std::ops::Range;

use rayon::prelude::*;

use super::Layer;
use super::filters::{Filters, Panel, Sizes};
use super::geometry::{Overlap, is_pointwise, overlap, under};
use super::lanes::{Block, MOST_LANES, ROWS, Set, Tile, VECTORS};
use crate::cache::second_level_words;
use crate::matmul::panel::{Line, Target};
use crate::recording::{ConvShape, Layout};

/// Tasks a thread gets at least, so that threads end together.
const TASKS_PER_THREAD: usize = 4;

thread_local! {
    /// Rows of the image with their padding.
    static ROWS_COPIED: RefCell<Vec<Line>> = const { RefCell::new(Vec::new()) };
}

/// A layer with its filters packed.
pub(super) struct Direct {
    layer: Layer,
    filters: Filters,
    /// Where tasks read: the image, or copied rows.
    view: View,
    /// Position of the k-th tap's value from the first one's, in elements of the view.
    offsets: Vec<u32>,
}

/// How values of one group of channels lie.
#[derive(Debug, Clone, Copy)]
struct View {
    copied: bool,
    /// Rows of the image from one copied row to the next: only those under taps are copied.
    step: usize,
    /// Elements from one channel, row, column to the next.
    channel: usize,
    row: usize,
    column: usize,
    /// Output rows and columns of a task.
    block: [usize; 2],
}

/// Part of the layer that a task computes.
struct Part {
    image: usize,
    group: usize,
    rows: Range<usize>,
    columns: Range<usize>,
    panels: Range<usize>,
}

impl Direct {
    /// Whether `layer` suits: filters fill a register, and rows a few of them.
    pub fn suits(layer: &Layer) -> bool {
        let shape = seen(&layer.0);
        layer.group_in() > 1 && layer.group_out() >= Set::get().lanes && shape.out_w() > 3
    }

    /// Packs the filters `w` (KCRS).
    pub fn new(layer: Layer, w: &[f32]) -> Self {
        let layer = Layer(seen(&layer.0));
        let shape = &layer.0;
        let (taps, channels) = ((shape.kernel_h * shape.kernel_w) as usize, layer.group_in());
        let sizes = Sizes {
            groups: shape.groups as usize,
            filters: layer.group_out(),
            matrices: 1,
            depth: layer.depth(),
        };
        // Neighbours in memory one after the other: taps of a plane, or channels of a pixel.
        let tap_of = |k: usize| match shape.layout {
            Layout::Nchw => (k / taps, k % taps),
            Layout::Nhwc => (k % channels, k / channels),
        };
        let filters = Filters::pack(sizes, |filter, _, k| {
            let (channel, tap) = tap_of(k);
            w[(filter * channels + channel) * taps + tap]
        });
        let view = View::of(&layer);
        let offset = |k: usize| {
            let (channel, tap) = tap_of(k);
            let [ky, kx] = [tap / shape.kernel_w as usize, tap % shape.kernel_w as usize]
                .map(|tap| tap * shape.dilation as usize);
            let offset = channel * view.channel + ky / view.step * view.row + kx * view.column;
            u32::try_from(offset).expect("`supports` refuses larger copies")
        };
        let offsets = (0..layer.depth()).map(offset).collect();
        Self { layer, filters, view, offsets }
    }

    /// Computes y in the current rayon pool; x and y are images in the layer's layout.
    pub fn run(&self, x: &[f32], y: &mut [f32]) {
        let shape = &self.layer.0;
        assert_eq!((x.len(), y.len()), (self.layer.x_len(), self.layer.y_len()));
        let [out_h, out_w] = [shape.out_h() as usize, shape.out_w() as usize];
        let wanted = TASKS_PER_THREAD * rayon::current_num_threads();
        let mut block = self.view.block;
        let images = shape.batch as usize * shape.groups as usize;
        let panels = self.filters.panels().len();
        let blocks = |block: [usize; 2]| out_h.div_ceil(block[0]) * out_w.div_ceil(block[1]);
        let parts = wanted.div_ceil(images * blocks(block)).min(panels);
        while images * blocks(block) * parts < wanted && block[0] > 1 {
            block[0] = block[0].div_ceil(2);
        }
        // Pointwise layers are a single row.
        let least = Set::get().rows;
        while images * blocks(block) * parts < wanted && block[1] > least {
            block[1] = block[1].div_ceil(2).next_multiple_of(least);
        }
        let (per_part, columns) = (panels.div_ceil(parts), out_w.div_ceil(block[1]));
        let parts = panels.div_ceil(per_part);
        let target = Target(y.as_mut_ptr());
        (0..images * blocks(block) * parts).into_par_iter().for_each(|task| {
            let (image, rest) = (task / parts / blocks(block), task / parts % blocks(block));
            let [row, column] = [rest / columns * block[0], rest % columns * block[1]];
            let first_panel = task % parts * per_part;
            let part = Part {
                image: image / shape.groups as usize,
                group: image % shape.groups as usize,
                rows: row..out_h.min(row + block[0]),
                columns: column..out_w.min(column + block[1]),
                panels: first_panel..panels.min(first_panel + per_part),
            };
            if self.view.copied {
                ROWS_COPIED.with_borrow_mut(|lines| {
                    let words = self.copy_rows(&part, x, lines);
                    self.compute(&part, words, 0, &target);
                });
            } else {
                self.compute(&part, x, self.first_value(&part), &target);
            }
        });
    }

    /// Where the value under the first tap of a part's first position lies in x.
    fn first_value(&self, part: &Part) -> usize {
        let (shape, view) = (&self.layer.0, &self.view);
        let channel = part.group * self.layer.group_in();
        let [row, column] =
            [part.rows.start, part.columns.start].map(|o| o * shape.stride as usize);
        part.image * self.layer.x_len() / shape.batch as usize
            + channel * view.channel
            + row * view.row
            + column * view.column
    }

    /// Copies the rows under `part`, zeros where padding lies.
    fn copy_rows<'l>(&self, part: &Part, x: &[f32], lines: &'l mut Vec<Line>) -> &'l [f32] {
        let (shape, view) = (&self.layer.0, &self.view);
        let channels = self.layer.group_in();
        let span = |outputs: usize, taps: u32| {
            (outputs - 1) * shape.stride as usize + ((taps - 1) * shape.dilation) as usize + 1
        };
        let rows = (span(part.rows.len(), shape.kernel_h) - 1) / view.step + 1;
        let columns = span(part.columns.len(), shape.kernel_w);
        let needed = self.copied_len();
        if lines.len() * 16 < needed {
            lines.resize(needed.div_ceil(16), Line::default());
        }
        let words: &mut [f32] = bytemuck::cast_slice_mut(lines);
        let image = &x[part.image * self.layer.x_len() / shape.batch as usize..];
        let (height, width) = (shape.height as usize, shape.width as usize);
        let first_row = under(shape, part.rows.start as u32, 0);
        let first_column = under(shape, part.columns.start as u32, 0);
        let Overlap { before, from, count } = overlap(first_column, columns, 1, shape.width);
        // Runs that are next to each other in x and in the copy: columns of a plane, or channels of
        // all columns.
        let (planes, run) = match shape.layout {
            Layout::Nchw => (channels, 1),
            Layout::Nhwc => (1, channels),
        };
        for plane in 0..planes {
            let channel = part.group * channels + plane;
            for row in 0..rows {
                // In increasing order: a row may leave anything where the next one will lie.
                let to = &mut words[plane * view.channel + row * view.row..];
                let at = first_row + (row * view.step) as i64;
                if count == 0 || !(0..height as i64).contains(&at) {
                    to[..columns * run].fill(0.0);
                    continue;
                }
                match shape.layout {
                    Layout::Nchw => {
                        let row = &image[(channel * height + at as usize) * width..][..width];
                        Set::get().sample(row, first_column, 1, columns, to);
                    }
                    Layout::Nhwc => {
                        to[..before * run].fill(0.0);
                        to[(before + count) * run..columns * run].fill(0.0);
                        let to = &mut to[before * run..(before + count) * run];
                        let all = shape.c_in as usize;
                        let start = (at as usize * width + from) * all + channel;
                        for (column, to) in to.chunks_exact_mut(run).enumerate() {
                            to.copy_from_slice(&image[start + column * all..][..run]);
                        }
                    }
                }
            }
        }
        words
    }

    /// Elements that copied rows take at most.
    fn copied_len(&self) -> usize {
        let channels = self.layer.group_in();
        match self.layer.0.layout {
            Layout::Nchw => channels * self.view.channel,
            Layout::Nhwc => {
                self.view.channel * self.view.rows_copied(&self.layer.0) * self.view.row
            }
        }
    }

    /// Computes a part from `words`, where the value under its first position's first tap is `first`.
    fn compute(&self, part: &Part, words: &[f32], first: usize, target: &Target) {
        let (set, shape, view) = (Set::get(), &self.layer.0, &self.view);
        let stride = shape.stride as usize;
        let (tiles, farthest) = (part.columns.len().div_ceil(set.rows), self.farthest());
        let rows_of = |tile: usize| tile * part.columns.len() / tiles;
        for panel in &self.filters.panels()[part.panels.clone()] {
            let filters = self.filters.words(part.group, panel, 0);
            for row in part.rows.clone() {
                for tile in 0..tiles {
                    let columns = rows_of(tile)..rows_of(tile + 1);
                    let at = first
                        + (row - part.rows.start) * stride * view.row
                        + columns.start * stride * view.column;
                    let last = at + (columns.len() - 1) * stride * view.column + farthest;
                    assert!(last < words.len(), "a tile reads beyond the image");
                    let position =
                        row * shape.out_w() as usize + part.columns.start + columns.start;
                    let tile = Tile {
                        depth: self.offsets.len(),
                        x: words[at..].as_ptr(),
                        x_stride: stride * view.column,
                        offsets: self.offsets.as_ptr(),
                        w: filters.as_ptr(),
                        y: std::ptr::null_mut(),
                        y_stride: 0,
                    };
                    // SAFETY: the farthest value read lies in `words` (just checked); the panel has
                    // as many rows as there are offsets; these positions and filters are this part's.
                    unsafe { self.store(part, panel, tile, position, columns.len(), target) };
                }
            }
        }
    }

    /// The largest offset of a tap.
    fn farthest(&self) -> usize {
        self.offsets.iter().copied().max().unwrap_or(0) as usize
    }

    /// Computes `rows` sums of positions from `position` on and writes them into y's layout.
    ///
    /// # Safety
    /// What `tile` reads is valid, and no other thread writes these positions of these filters.
    unsafe fn store(
        &self,
        part: &Part,
        panel: &Panel,
        tile: Tile,
        position: usize,
        rows: usize,
        target: &Target,
    ) {
        let set = Set::get();
        let (positions, all) = (self.layer.positions(), self.layer.0.c_out as usize);
        let first = part.group * self.layer.group_out() + panel.first;
        let width = panel.vectors * set.lanes;
        let image = part.image * all * positions;
        // A tile fills what is read of it.
        let mut sums = [const { MaybeUninit::<f32>::uninit() }; ROWS * VECTORS * MOST_LANES];
        let sums = sums.as_mut_ptr().cast::<f32>();
        // SAFETY: whole vectors go to y where the panel is full, else through memory of its own; the
        // indices are those of existing positions and filters.
        unsafe {
            let y = target.0.add(image);
            match self.layer.0.layout {
                Layout::Nhwc if width == panel.filters => {
                    let y = y.add(position * all + first);
                    set.tile(rows, panel.vectors, &Tile { y, y_stride: all, ..tile });
                }
                Layout::Nhwc => {
                    let own = Tile { y: sums, y_stride: width, ..tile };
                    set.tile(rows, panel.vectors, &own);
                    for row in 0..rows {
                        let y = y.add((position + row) * all + first);
                        sums.add(row * width).copy_to_nonoverlapping(y, panel.filters);
                    }
                }
                Layout::Nchw => {
                    let own = Tile { y: sums, y_stride: width, ..tile };
                    set.tile(rows, panel.vectors, &own);
                    for filter in (0..panel.filters).step_by(set.lanes) {
                        for row in (0..rows).step_by(set.lanes) {
                            let rows = set.lanes.min(rows - row);
                            set.transpose(&Block {
                                from: sums.add(row * width + filter),
                                from_stride: width,
                                rows,
                                columns: set.lanes.min(panel.filters - filter),
                                to: y.add((first + filter) * positions + position + row),
                                to_stride: positions,
                                width: rows,
                            });
                        }
                    }
                }
            }
        }
    }
}

/// The shape as the sums see it: one row of all pixels, where rows do not matter; of all images, where they
/// lie together.
fn seen(shape: &ConvShape) -> ConvShape {
    let pixels = shape.height * shape.width;
    match shape.layout {
        _ if !is_pointwise(shape) => *shape,
        Layout::Nhwc => ConvShape { batch: 1, height: 1, width: shape.batch * pixels, ..*shape },
        Layout::Nchw => ConvShape { height: 1, width: pixels, ..*shape },
    }
}

/// Elements of the largest copy of rows that a task may need: a row of outputs, and all rows under it.
pub(super) fn most_copied(layer: &Layer) -> u64 {
    let shape = &layer.0;
    let row = u64::from(shape.width) + 2 * u64::from(shape.padding);
    if shape.padding == 0 {
        return 0;
    }
    row.saturating_mul(layer.group_in() as u64).saturating_mul(u64::from(shape.kernel_h))
}

impl View {
    fn of(layer: &Layer) -> Self {
        let (shape, set) = (&layer.0, Set::get());
        // Copying 1 × 1 layers too was 6 to 25 % slower, but where 64 filters read 8 · 56² pixels (12 %
        // faster).
        let copied = shape.padding > 0;
        let channels = layer.group_in();
        let [out_h, out_w] = [shape.out_h() as usize, shape.out_w() as usize];
        let stride = shape.stride as usize;
        // Rows of the image are whole unless one alone is too much.
        let per_column = channels * stride;
        // What a task goes over again and again stays in half of the second-level cache.
        let block = second_level_words() / 2;
        let columns = (block / per_column / stride).max(set.rows).min(out_w);
        let columns = out_w.div_ceil(out_w.div_ceil(columns));
        let columns = columns.next_multiple_of(set.rows).min(out_w);
        // Rows between distant taps serve other rows of outputs alone.
        let step = if copied { shape.dilation as usize } else { 1 };
        let rows = if step == 1 { block / (per_column * columns * stride) } else { 1 };
        let rows = rows.clamp(1, out_h);
        let rows = out_h.div_ceil(out_h.div_ceil(rows));
        let mut view = Self { copied, step, channel: 0, row: 0, column: 0, block: [rows, columns] };
        let pitch = (columns - 1) * stride + ((shape.kernel_w - 1) * shape.dilation) as usize + 1;
        let (width, height) = (shape.width as usize, shape.height as usize);
        (view.channel, view.row, view.column) = match (shape.layout, copied) {
            (Layout::Nchw, false) => (height * width, width, 1),
            (Layout::Nchw, true) => (view.rows_copied(shape) * pitch, pitch, 1),
            (Layout::Nhwc, false) => (1, width * shape.c_in as usize, shape.c_in as usize),
            (Layout::Nhwc, true) => (1, pitch * channels, channels),
        };
        view
    }

    /// Copied rows under a task's positions.
    fn rows_copied(&self, shape: &ConvShape) -> usize {
        let taps = ((shape.kernel_h - 1) * shape.dilation) as usize;
        ((self.block[0] - 1) * shape.stride as usize + taps) / self.step + 1
    }
}
