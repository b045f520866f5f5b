//! One product with many rows and columns, in blocks for every cache level: a strip of B is packed for the
//! last-level cache and shared by all threads, a block of A for the second level of one thread, and a panel of B
//! stays in its first level while it meets the block (Goto and van de Geijn, "Anatomy of high-performance
//! matrix multiplication", 2008).
#![expect(unsafe_code, reason = "threads write disjoint tiles of one row-major matrix")]

use std::cell::RefCell;
use std::ops::Range;

use rayon::prelude::*;

use super::panel::{DEPTH, Left, Line, Sizes, Target};
use super::simd::{Kernels, Soon, Tile, fetch};
use crate::cache::{COLLIDING_WORDS, LINE_WORDS, second_level_words};

/// Words of a packed strip of B: 2 MiB, a part of what a last-level cache has for a thread.
const STRIP_WORDS: usize = 512 << 10;
/// Tasks a thread gets where there are several, so that threads end together.
const TASKS_PER_THREAD: usize = 4;
/// Panels packed together: runs along the rows of B that memory likes.
const PACKED_TOGETHER: usize = 8;
/// Fewest rows of a task where threads are many: its panels of B must pay.
const MIN_TASK_ROWS: usize = 48;
/// Panels up to which a packed block of A would not pay.
const FEW_PANELS: usize = 4;
/// Words between packed rows of A: rows a power of two apart would push each other out of the first level.
const PITCH: usize = DEPTH + LINE_WORDS;

thread_local! {
    /// A block of A: kept, because fresh pages take long to come.
    static BLOCK: RefCell<Vec<Line>> = const { RefCell::new(Vec::new()) };
}

/// A strip of B, packed: kept from product to product.
#[derive(Default)]
pub(super) struct Strip(Vec<Line>);

/// How one product is cut.
struct Cut {
    /// Columns of a panel.
    width: usize,
    /// Words of a packed panel.
    panel_words: usize,
    /// Panels of a strip.
    strip: usize,
    /// Rows of a task.
    rows: usize,
    /// Panels of a task.
    panels: usize,
}

impl Cut {
    fn new(rows: usize, n: usize) -> Self {
        let kernels = Kernels::get();
        let width = kernels.panel_width(n);
        // An odd number of lines apart, panels that are packed together lie in different sets of a cache.
        let panel_words = ((DEPTH * width).div_ceil(LINE_WORDS) | 1) * LINE_WORDS;
        let panels = n.div_ceil(width);
        let strips = panels.div_ceil((STRIP_WORDS / panel_words).max(1));
        let strip = panels.div_ceil(strips);
        let most_rows = second_level_words() / 8 * 3 / DEPTH;
        let fewest = rows.div_ceil(most_rows);
        let wanted = match rayon::current_num_threads() {
            1 => 1,
            threads => TASKS_PER_THREAD * threads,
        };
        let parts = wanted.div_ceil(fewest).min(strip.div_ceil(PACKED_TOGETHER));
        let blocks = wanted.div_ceil(parts).min(rows.div_ceil(MIN_TASK_ROWS)).max(fewest);
        Self {
            width,
            panel_words,
            strip,
            rows: rows.div_ceil(blocks).next_multiple_of(kernels.rows),
            panels: strip.div_ceil(parts),
        }
    }
}

/// Computes one product C = A·B in the current rayon pool. `read(k, first, words)` fills `words` with the words of row k of
/// B from column `first` on.
pub(super) fn product(
    sizes: Sizes,
    a: Left<'_>,
    c: &mut [f32],
    strip: &mut Strip,
    read: impl Fn(usize, usize, &mut [f32]) + Sync,
) {
    let kernels = Kernels::get();
    let n = sizes.n;
    assert_eq!((sizes.products, sizes.left_operands), (1, 1), "one product");
    assert_eq!(c.len(), a.rows * n, "C has the size of the product");
    assert_eq!(a.words.len(), a.rows * a.pitch, "so has A");
    assert!(a.depth <= a.pitch, "rows of A do not overlap");
    assert!(!sizes.pairs || kernels.has_bf16_pairs(), "pairs need the instruction");
    let cut = Cut::new(a.rows, n);
    let lines = cut.strip * cut.panel_words / LINE_WORDS;
    if strip.0.len() < lines {
        strip.0.resize(lines, Line::default());
    }
    let packed: &mut [f32] = &mut bytemuck::cast_slice_mut(&mut strip.0)[..lines * LINE_WORDS];
    let target = Target(c.as_mut_ptr());
    for first in (0..n).step_by(cut.strip * cut.width) {
        let columns = first..n.min(first + cut.strip * cut.width);
        for k in (0..a.depth).step_by(DEPTH) {
            let depths = k..a.depth.min(k + DEPTH);
            pack(&cut, columns.clone(), depths.clone(), packed, &read);
            let (columns, packed) = (columns.clone(), &*packed);
            let step = Step { cut: &cut, sizes, a, columns, depths, packed, target: &target };
            let parts = step.columns.len().div_ceil(cut.panels * cut.width);
            let tasks = a.rows.div_ceil(cut.rows) * parts;
            (0..tasks).into_par_iter().for_each(|task| {
                let rows = |task: usize| {
                    let first = task / parts * cut.rows;
                    first..a.rows.min(first + cut.rows)
                };
                // Most often the thread's next one.
                let next = if (task + 1) % parts == 0 { rows(task + 1) } else { 0..0 };
                BLOCK.with_borrow_mut(|words| {
                    step.compute(rows(task), task % parts * cut.panels, next, words);
                });
            });
        }
    }
}

/// Packs the rows `depths` of some columns of B, panel after panel.
fn pack(
    cut: &Cut,
    columns: Range<usize>,
    depths: Range<usize>,
    packed: &mut [f32],
    read: &(impl Fn(usize, usize, &mut [f32]) + Sync),
) {
    let width = cut.width;
    packed.par_chunks_mut(PACKED_TOGETHER * cut.panel_words).enumerate().for_each(|(group, to)| {
        let first = columns.start + group * PACKED_TOGETHER * width;
        let some = columns.end.saturating_sub(first).min(PACKED_TOGETHER * width);
        for (row, k) in depths.clone().enumerate() {
            for (panel, to) in to.chunks_mut(cut.panel_words).take(some.div_ceil(width)).enumerate()
            {
                let at = panel * width;
                let words = &mut to[row * width..][..width.min(some - at)];
                // Of a length that the compiler knows, a copy is a few instructions and no call.
                let (lines, rest) = words.as_chunks_mut::<LINE_WORDS>();
                for (index, line) in lines.iter_mut().enumerate() {
                    read(k, first + at + index * LINE_WORDS, line);
                }
                if !rest.is_empty() {
                    read(k, first + at + lines.len() * LINE_WORDS, rest);
                }
            }
        }
    });
}

/// What all tasks of a step share: some words along k of a strip of columns.
struct Step<'a> {
    cut: &'a Cut,
    sizes: Sizes,
    a: Left<'a>,
    columns: Range<usize>,
    depths: Range<usize>,
    /// These rows and columns of B.
    packed: &'a [f32],
    target: &'a Target,
}

impl Step<'_> {
    /// Computes `rows` of a task's panels from panel `first` of the strip on, and has the rows `next` of A brought
    /// nearer meanwhile. `words` are the thread's for a block of A.
    fn compute(
        &self,
        rows: Range<usize>,
        first: usize,
        mut next: Range<usize>,
        words: &mut Vec<Line>,
    ) {
        let kernels = Kernels::get();
        let Cut { width, panel_words, strip, panels, .. } = *self.cut;
        let (depth, row_tiles) = (self.depths.len(), rows.len().div_ceil(kernels.rows));
        let last = (first + panels).min(strip).min(self.columns.len().div_ceil(width));
        let (block, lda) = self.block(rows.clone(), last - first, words);
        assert!((rows.len() - 1) * lda + depth <= block.len());
        let soon = next.len().div_ceil(row_tiles * (last - first));
        for panel in first..last {
            let b = &self.packed[panel * panel_words..][..depth * width];
            // The next panel comes from the last cache level, a few lines a tile.
            let mut coming = b.as_ptr().wrapping_add(panel_words);
            let coming_words = (depth * width).div_ceil(row_tiles);
            let column = self.columns.start + panel * width;
            for (index, row) in rows.clone().enumerate().step_by(kernels.rows) {
                let tile = Tile {
                    depth,
                    a: block[index * lda..].as_ptr(),
                    lda,
                    b: b.as_ptr(),
                    ldb: width,
                    copy: std::ptr::null_mut(),
                    ldcopy: 0,
                    soon: Soon::default(),
                    c: self.target.0.wrapping_add(row * self.sizes.n + column),
                    ldc: self.sizes.n,
                    columns: width.min(self.columns.end - column),
                    overwrite: self.depths.start == 0,
                };
                let tile_rows = kernels.rows.min(rows.end - row);
                // SAFETY: the block has `rows` rows of `depth` words (just checked), `b` as many rows of `width`;
                // C was checked to have these rows and columns, which are this task's alone.
                unsafe { kernels.tile(tile_rows, self.sizes.pairs, &tile) };
                fetch(coming.cast(), size_of::<f32>() * coming_words);
                coming = coming.wrapping_add(coming_words);
                for row in next.by_ref().take(soon) {
                    let row = &self.a.words[row * self.a.pitch + self.depths.start..][..depth];
                    fetch(row.as_ptr().cast(), size_of_val(row));
                }
            }
        }
    }

    /// Rows of A from the first of `depths` on, and the words between them: as they lie, or packed to `words`.
    fn block<'w>(
        &'w self,
        rows: Range<usize>,
        panels: usize,
        words: &'w mut Vec<Line>,
    ) -> (&'w [f32], usize) {
        let (a, depth) = (self.a, self.depths.len());
        if !a.pitch.is_multiple_of(COLLIDING_WORDS) || panels <= FEW_PANELS {
            return (&a.words[rows.start * a.pitch + self.depths.start..], a.pitch);
        }
        let lines = rows.len() * PITCH / LINE_WORDS;
        if words.len() < lines {
            words.resize(lines, Line::default());
        }
        let to: &mut [f32] = bytemuck::cast_slice_mut(&mut words[..lines]);
        for (to, row) in to.chunks_mut(PITCH).zip(rows) {
            to[..depth].copy_from_slice(&a.words[row * a.pitch + self.depths.start..][..depth]);
        }
        (to, PITCH)
    }
}
