//! Matrix products over packed panels: matmul packs B from memory, convolution from the image.
#![expect(unsafe_code, reason = "threads write disjoint tiles of one row-major matrix")]

use std::cell::RefCell;
use std::ops::Range;

use rayon::prelude::*;

use super::simd::{Kernels, Tile};

/// Words along k packed at a time: a panel of B then stays in the first two cache levels.
const DEPTH: usize = 256;
/// Tasks a thread gets, so that threads end together.
const TASKS_PER_THREAD: usize = 4;
/// Columns that a task packs together at most: long runs along the rows of B, in 200 KB.
const MAX_COLUMNS: usize = 192;
/// Fewest rows of a task where rows are split: packing its panel of B must pay.
const MIN_TASK_ROWS: usize = 64;

/// Words aligned to a cache line.
#[derive(Debug, Clone, Copy, Default, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C, align(64))]
pub(crate) struct Line([f32; 16]);

/// Left operands: matrices of `rows × depth` words, row-major (rows `pitch` apart), one after the other.
#[derive(Clone, Copy)]
pub(crate) struct Left<'a> {
    /// All words.
    pub words: &'a [f32],
    /// Rows of each matrix.
    pub rows: usize,
    /// Words of each row.
    pub depth: usize,
    /// Words from one row to the next.
    pub pitch: usize,
}

/// Sizes of a list of products C = A·B.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    /// Products; C lies product after product.
    pub products: usize,
    /// The left operand of product p is matrix `p % left_operands`.
    pub left_operands: usize,
    /// Columns of B and C.
    pub n: usize,
    /// Whether words are pairs of bf16.
    pub pairs: bool,
}

thread_local! {
    /// Packed panels of B: kept, because a product may be shorter than fresh pages take to come. A task
    /// that has them waits for no other, which might want them on the same thread.
    static PANELS: RefCell<Vec<Line>> = const { RefCell::new(Vec::new()) };
}

/// Address of a result, shared by threads that write disjoint tiles.
pub(crate) struct Target(pub *mut f32);
// SAFETY: every tile is written by exactly one task.
unsafe impl Sync for Target {}

/// Computes all products in the current rayon pool. `read_b(product, k, first, words)` fills `words`
/// with the words of row k of B from column `first` on; `soon(product, k, columns)` is told which are
/// read next, so that they can be on their way.
pub(crate) fn product(
    sizes: Sizes,
    a: Left<'_>,
    c: &mut [f32],
    read_b: impl Fn(usize, usize, usize, &mut [f32]) + Sync,
    soon: impl Fn(usize, usize, Range<usize>) + Sync,
) {
    let kernels = Kernels::get();
    let Sizes { products, n, .. } = sizes;
    assert_eq!(c.len(), products * a.rows * n, "C has the size of all products");
    assert_eq!(a.words.len(), sizes.left_operands * a.rows * a.pitch, "so has A");
    assert!(!sizes.pairs || kernels.has_bf16_pairs(), "pairs need the instruction");
    // Panels of like width: a narrow last one would starve the registers.
    let vectors = n.div_ceil(kernels.lanes);
    let width = vectors.div_ceil(n.div_ceil(kernels.nr)) * kernels.lanes;
    let column_panels = n.div_ceil(width);
    let wanted = TASKS_PER_THREAD * rayon::current_num_threads();
    let panels_per_task = (products * column_panels / wanted).clamp(1, MAX_COLUMNS / kernels.nr);
    let column_parts = column_panels.div_ceil(panels_per_task);
    let row_parts =
        wanted.div_ceil(products * column_parts).min(a.rows.div_ceil(MIN_TASK_ROWS)).max(1);
    let rows_per_task = a.rows.div_ceil(row_parts).next_multiple_of(kernels.rows);
    let row_parts = a.rows.div_ceil(rows_per_task);
    let target = Target(c.as_mut_ptr());
    let tasks = products * row_parts * column_parts;
    let lines = panels_per_task * kernels.nr * DEPTH / 16;
    let part_of = |task: usize| {
        let first_row = task / column_parts % row_parts * rows_per_task;
        let first_column = task % column_parts * panels_per_task * width;
        Part {
            product: task / column_parts / row_parts,
            rows: first_row..a.rows.min(first_row + rows_per_task),
            columns: first_column..n.min(first_column + panels_per_task * width),
            width,
        }
    };
    (0..tasks).into_par_iter().for_each(|task| {
        // Most often the thread's next one.
        let next = (task + 1 < tasks).then(|| part_of(task + 1));
        PANELS.with_borrow_mut(|panels| {
            if panels.len() < lines {
                panels.resize(lines, Line::default());
            }
            part_of(task).compute(&sizes, a, next, panels, (&read_b, &soon), &target);
        });
    });
}

/// What one task computes: some rows of a few panels of columns of one product.
struct Part {
    product: usize,
    rows: Range<usize>,
    columns: Range<usize>,
    /// Columns of a panel.
    width: usize,
}

impl Part {
    fn compute(
        &self,
        sizes: &Sizes,
        a: Left<'_>,
        next: Option<Self>,
        panels: &mut [Line],
        (read_b, soon): (
            &impl Fn(usize, usize, usize, &mut [f32]),
            &impl Fn(usize, usize, Range<usize>),
        ),
        target: &Target,
    ) {
        let kernels = Kernels::get();
        let words: &mut [f32] = bytemuck::cast_slice_mut(panels);
        let first_a = self.product % sizes.left_operands * a.rows;
        for k in (0..a.depth).step_by(DEPTH) {
            let depth = DEPTH.min(a.depth - k);
            // Along the rows of B, because that is how it lies in memory.
            for i in 0..depth {
                for (panel, first) in self.columns.clone().step_by(self.width).enumerate() {
                    let columns = self.width.min(self.columns.end - first);
                    let at = (panel * DEPTH + i) * kernels.nr;
                    read_b(self.product, k + i, first, &mut words[at..at + columns]);
                }
            }
            // While one block is computed the next one's rows come from memory, a few a tile.
            let tiles =
                self.columns.len().div_ceil(self.width) * self.rows.len().div_ceil(kernels.rows);
            let (later, mut rows) = match &next {
                Some(next) if k + depth == a.depth => (next, 0..DEPTH.min(a.depth)),
                _ => (self, k + depth..a.depth.min(k + depth + DEPTH)),
            };
            let share = rows.len().div_ceil(tiles);
            for (panel, first) in self.columns.clone().step_by(self.width).enumerate() {
                let b = &words[panel * DEPTH * kernels.nr..];
                for row in self.rows.clone().step_by(kernels.rows) {
                    let a_words = &a.words[(first_a + row) * a.pitch + k..];
                    let c_first = (self.product * a.rows + row) * sizes.n + first;
                    // SAFETY: `depth` words of each row of A and `depth` rows of the panel exist;
                    // the rows and columns from `c_first` on lie in C (its length was checked)
                    // and belong to this task alone.
                    unsafe {
                        let tile = Tile {
                            depth,
                            a: a_words.as_ptr(),
                            lda: a.pitch,
                            b: b.as_ptr(),
                            ldb: kernels.nr,
                            c: target.0.add(c_first),
                            ldc: sizes.n,
                            columns: self.width.min(self.columns.end - first),
                            overwrite: k == 0,
                        };
                        kernels.tile(kernels.rows.min(self.rows.end - row), sizes.pairs, &tile);
                    }
                    for row in rows.by_ref().take(share) {
                        soon(later.product, row, later.columns.clone());
                    }
                }
            }
        }
    }
}
