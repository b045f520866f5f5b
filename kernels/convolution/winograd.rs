//! The layer by Winograd's algorithm for 3 × 3 filters: a block of tiles is transformed, multiplied
//! with the transformed filters and transformed back while it is in the second-level cache.
#![expect(unsafe_code, reason = "threads write disjoint parts of one output; raw tile addresses")]

use std::cell::RefCell;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use rayon::prelude::*;

use super::direct::Direct;
use super::filters::{Filters, Panel, Sizes};
use super::lanes::{MOST_LANES, Set, Tile, VECTORS};
use super::transform::{self, Transform};
use super::{Layer, strip};
use crate::matmul::panel::{Line, Target};

/// Outputs along a side of a tile that can be chosen.
pub(super) const SIDES: [usize; 2] = [2, 4];
/// Words of transformed inputs that a task works on: they are read for every panel of filters.
const BLOCK: usize = 192 * 1024;

/// A layer with its filters transformed and packed.
pub(super) struct Winograd {
    layer: Layer,
    /// m: outputs along a side of a tile.
    side: usize,
    filters: Filters,
    /// `0, 1, …`: the transformed values of a tile lie together.
    offsets: Vec<u32>,
    w: Arc<[f32]>,
    /// For images with infinities or NaN, and sums that overflow on the way.
    direct: OnceLock<Direct>,
}

/// Memory of a task, kept by its thread.
#[derive(Default)]
struct Scratch {
    /// A few rows of the image, or of outputs: `[row][column][lanes]`.
    strip: Vec<Line>,
    /// Transformed inputs, `[point][tile][channel]`.
    inputs: Vec<Line>,
    /// Sums, `[point][tile][vectors · lanes]`.
    sums: Vec<Line>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// Tiles of one row of tiles.
#[derive(Debug, Clone)]
struct Run {
    image: usize,
    /// Row of tiles, and columns of tiles.
    row: usize,
    columns: Range<usize>,
    /// Tiles of the block before these.
    before: usize,
}

impl Winograd {
    /// Whether `layer` suits: dense 3 × 3 filters that move by one.
    pub fn suits(layer: &Layer) -> Result<(), &'static str> {
        let s = &layer.0;
        match () {
            () if (s.kernel_h, s.kernel_w, s.stride, s.dilation) != (3, 3, 1, 1) => {
                Err("computes 3 × 3 filters with stride and dilation 1 alone")
            }
            () if s.groups != 1 => Err("computes layers without groups alone"),
            () if s.c_in < 16 || s.c_out < 16 => {
                Err("transforms cost more than they save with fewer than 16 channels or filters")
            }
            () => Ok(()),
        }
    }

    /// Transforms the filters `w` (KCRS) for tiles of `side × side` outputs, one of [`SIDES`].
    pub fn new(layer: Layer, w: Arc<[f32]>, side: usize) -> Self {
        let (channels, points) = (layer.group_in(), (side + 2) * (side + 2));
        let transformed: Vec<f32> = w
            .par_chunks(9)
            .flat_map_iter(|filter| transform::filter(side, filter))
            .map(|value| value as f32)
            .collect();
        let sizes =
            Sizes { groups: 1, filters: layer.group_out(), matrices: points, depth: channels };
        let filters = Filters::pack(sizes, |filter, point, channel| {
            transformed[(filter * channels + channel) * points + point]
        });
        let offsets = (0..channels as u32).collect();
        Self { layer, side, filters, offsets, w, direct: OnceLock::new() }
    }

    /// Computes y in the current rayon pool; x and y are images in the layer's layout.
    pub fn run(&self, x: &[f32], y: &mut [f32]) {
        assert_eq!((x.len(), y.len()), (self.layer.x_len(), self.layer.y_len()));
        let set = Set::get();
        let (threads, tiles) = (rayon::current_num_threads(), self.tiles());
        let panels = self.filters.panels().len();
        // Whole register tiles; as many blocks as threads, or a multiple.
        let most = BLOCK / (self.points() * self.pitch());
        let most = (most / set.rows * set.rows).clamp(set.rows, 4 * set.rows);
        let blocks = tiles.div_ceil(most);
        let blocks = if blocks >= threads { blocks.next_multiple_of(threads) } else { blocks };
        let per_block = tiles.div_ceil(blocks);
        let blocks = tiles.div_ceil(per_block);
        let parts = threads.div_ceil(blocks).min(panels);
        let per_part = panels.div_ceil(parts);
        let parts = panels.div_ceil(per_part);
        let (target, faulty) = (Target(y.as_mut_ptr()), AtomicBool::new(false));
        (0..blocks * parts).into_par_iter().for_each(|task| {
            let first = task / parts * per_block;
            let runs = self.runs(first..tiles.min(first + per_block));
            let first_panel = task % parts * per_part;
            let panels = &self.filters.panels()[first_panel..panels.min(first_panel + per_part)];
            let right = SCRATCH.with_borrow_mut(|scratch| {
                scratch.grow(self, per_block);
                self.transform_inputs(&runs, x, scratch);
                panels.iter().all(|panel| {
                    self.multiply(&runs, panel, scratch);
                    self.write(&runs, panel, scratch, &target)
                })
            });
            if !right {
                faulty.store(true, Ordering::Relaxed);
            }
        });
        if faulty.into_inner() {
            self.direct.get_or_init(|| Direct::new(self.layer, &self.w)).run(x, y);
        }
    }

    /// n²: products of a tile for each channel and filter.
    fn points(&self) -> usize {
        (self.side + 2) * (self.side + 2)
    }

    /// Elements between the transformed inputs of two tiles: an odd number of registers, so that a
    /// column of tiles does not fall into one set of the cache.
    fn pitch(&self) -> usize {
        let lanes = Set::get().lanes;
        (self.layer.group_in().div_ceil(lanes) | 1) * lanes
    }

    /// Rows and columns of tiles of an image.
    fn grid(&self) -> [usize; 2] {
        [self.layer.0.out_h(), self.layer.0.out_w()].map(|size| (size as usize).div_ceil(self.side))
    }

    /// Tiles of all images.
    fn tiles(&self) -> usize {
        self.layer.0.batch as usize * self.grid().iter().product::<usize>()
    }

    /// The tiles of a block, row by row.
    fn runs(&self, tiles: Range<usize>) -> Vec<Run> {
        let [rows, columns] = self.grid();
        let (mut runs, mut at) = (Vec::new(), tiles.start);
        while at < tiles.end {
            let (row, column) = (at / columns, at % columns);
            let end = columns.min(column + tiles.end - at);
            runs.push(Run {
                image: row / rows,
                row: row % rows,
                columns: column..end,
                before: at - tiles.start,
            });
            at += end - column;
        }
        runs
    }

    /// Transforms the inputs of `runs`, a register of channels at a time.
    fn transform_inputs(&self, runs: &[Run], x: &[f32], scratch: &mut Scratch) {
        let (set, side, pitch) = (Set::get(), self.side, self.pitch());
        let transform = set.transforms.input[side / 2 - 1];
        let shape = &self.layer.0;
        let n = side + 2;
        let tiles = runs.iter().map(|run| run.columns.len()).sum::<usize>();
        let strip: &mut [f32] = bytemuck::cast_slice_mut(&mut scratch.strip);
        let inputs: &mut [f32] = bytemuck::cast_slice_mut(&mut scratch.inputs);
        for run in runs {
            let width = run.columns.len() * side + 2;
            for first in (0..self.layer.group_in()).step_by(set.lanes) {
                let from = strip::Window {
                    image: run.image,
                    channel: first,
                    rows: n,
                    columns: width,
                    row: (run.row * side) as i64 - i64::from(shape.padding),
                    column: (run.columns.start * side) as i64 - i64::from(shape.padding),
                };
                strip::read(shape, x, &from, strip);
                for tile in 0..run.columns.len() {
                    let to = (run.before + tile) * pitch + first;
                    assert!((n * n - 1) * tiles * pitch + to + set.lanes <= inputs.len());
                    assert!(((n - 1) * width + tile * side + n) * set.lanes <= strip.len());
                    let tile = Transform {
                        from: strip[tile * side * set.lanes..].as_ptr(),
                        from_strides: [set.lanes, width * set.lanes],
                        to: inputs[to..].as_mut_ptr(),
                        to_strides: [tiles * pitch, n * tiles * pitch],
                    };
                    // SAFETY: both ends were just checked to span n × n registers.
                    unsafe { transform(&tile) };
                }
            }
        }
    }

    /// The sums of a panel, point by point.
    fn multiply(&self, runs: &[Run], panel: &Panel, scratch: &mut Scratch) {
        let (set, pitch) = (Set::get(), self.pitch());
        let tiles = runs.iter().map(|run| run.columns.len()).sum::<usize>();
        let width = panel.vectors * set.lanes;
        let inputs: &[f32] = bytemuck::cast_slice(&scratch.inputs);
        let sums: &mut [f32] = bytemuck::cast_slice_mut(&mut scratch.sums);
        let groups = tiles.div_ceil(set.rows);
        for point in 0..self.points() {
            let filters = self.filters.words(0, panel, point);
            for group in 0..groups {
                let (first, end) = (group * tiles / groups, (group + 1) * tiles / groups);
                let x = &inputs[(point * tiles + first) * pitch..][..(end - first) * pitch];
                let y = &mut sums[(point * tiles + first) * width..][..(end - first) * width];
                // SAFETY: slices of as many rows as the tile has; a row of x holds `depth` values, the
                // panel as many rows.
                unsafe {
                    let tile = Tile {
                        depth: self.offsets.len(),
                        x: x.as_ptr(),
                        x_stride: pitch,
                        offsets: self.offsets.as_ptr(),
                        w: filters.as_ptr(),
                        y: y.as_mut_ptr(),
                        y_stride: width,
                    };
                    set.tile(end - first, panel.vectors, &tile);
                }
            }
        }
    }

    /// Transforms the sums of a panel back and writes the outputs; whether all are finite.
    fn write(&self, runs: &[Run], panel: &Panel, scratch: &mut Scratch, target: &Target) -> bool {
        let (set, side) = (Set::get(), self.side);
        let transform = set.transforms.output[side / 2 - 1];
        let shape = &self.layer.0;
        let tiles = runs.iter().map(|run| run.columns.len()).sum::<usize>();
        let panel_width = panel.vectors * set.lanes;
        let strip: &mut [f32] = bytemuck::cast_slice_mut(&mut scratch.strip);
        let sums: &[f32] = bytemuck::cast_slice(&scratch.sums);
        let mut faults = [0f32; MOST_LANES];
        for run in runs {
            let width = run.columns.len() * side;
            for first in (0..panel.filters).step_by(set.lanes) {
                for tile in 0..run.columns.len() {
                    let from = (run.before + tile) * panel_width + first;
                    let last = (self.points() - 1) * tiles * panel_width + from;
                    assert!(last + set.lanes <= sums.len());
                    assert!(((side - 1) * width + (tile + 1) * side) * set.lanes <= strip.len());
                    let step = tiles * panel_width;
                    let tile = Transform {
                        from: sums[from..].as_ptr(),
                        from_strides: [step, (side + 2) * step],
                        to: strip[tile * side * set.lanes..].as_mut_ptr(),
                        to_strides: [set.lanes, width * set.lanes],
                    };
                    // SAFETY: both ends were just checked to span their registers; `faults` is one.
                    unsafe { transform(&tile, faults.as_mut_ptr()) };
                }
                let to = strip::Window {
                    image: run.image,
                    channel: panel.first + first,
                    rows: side,
                    columns: width,
                    row: (run.row * side) as i64,
                    column: (run.columns.start * side) as i64,
                };
                // SAFETY: these outputs belong to this task alone.
                unsafe { strip::write(shape, strip, &to, target.0) };
            }
        }
        faults.iter().all(|fault| *fault == 0.0)
    }
}

impl Scratch {
    /// Makes room for `tiles` tiles of `layer`.
    fn grow(&mut self, layer: &Winograd, tiles: usize) {
        let lanes = Set::get().lanes;
        let n = layer.side + 2;
        let strip = n * (tiles.min(layer.grid()[1]) * layer.side + 2) * lanes;
        let points = n * n * tiles;
        let sizes = [
            (&mut self.strip, strip),
            (&mut self.inputs, points * layer.pitch()),
            (&mut self.sums, points * VECTORS * lanes),
        ];
        for (lines, words) in sizes {
            if lines.len() * 16 < words {
                lines.resize(words.div_ceil(16), Line::default());
            }
        }
    }
}
