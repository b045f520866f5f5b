//! Matrix products over packed panels: matmul packs B from memory, convolution from the image.
#![expect(unsafe_code, reason = "threads write disjoint tiles of one row-major matrix")]

use std::ops::Range;

use rayon::prelude::*;

use super::simd::{Kernels, MR, Tile};

/// Words along k packed at a time: a panel of B then stays in the first two cache levels.
const DEPTH: usize = 256;
/// Tasks a thread gets, so that threads end together.
const TASKS_PER_THREAD: usize = 4;
/// Fewest rows of a task where rows are split: packing its panel of B must pay.
const MIN_TASK_ROWS: usize = 8 * MR;

/// Words aligned to a cache line.
#[derive(Debug, Clone, Copy, Default)]
#[repr(align(64))]
struct Line(#[expect(dead_code, reason = "read as words")] [f32; 16]);

/// Left operands packed for [`product`]: panels of [`MR`] rows, `[panel][k][MR]` words.
pub(crate) struct PackedRows {
    words: Vec<f32>,
    rows: usize,
    depth: usize,
}

impl PackedRows {
    /// Space for `count` matrices of `rows` rows with `depth` words each.
    pub fn new(count: usize, rows: usize, depth: usize) -> Self {
        Self { words: vec![0.0; count * rows.div_ceil(MR) * MR * depth], rows, depth }
    }

    /// Packs all matrices: `read(matrix, row, first, words)` fills `words` with the words of a row
    /// from k = `first` on.
    pub fn pack(&mut self, read: impl Fn(usize, usize, usize, &mut [f32]) + Sync) {
        let panels = self.rows.div_ceil(MR);
        let (rows, depth) = (self.rows, self.depth);
        self.words.par_chunks_mut(MR * depth).enumerate().for_each(|(index, panel)| {
            let (matrix, first) = (index / panels, index % panels * MR);
            let mut strips = [[0f32; DEPTH]; MR];
            for (block, words) in panel.chunks_mut(MR * DEPTH).enumerate() {
                let width = words.len() / MR;
                for (r, strip) in strips.iter_mut().enumerate().take(rows - first) {
                    read(matrix, first + r, block * DEPTH, &mut strip[..width]);
                }
                for (k, words) in words.chunks_exact_mut(MR).enumerate() {
                    for (word, strip) in words.iter_mut().zip(&strips) {
                        *word = strip[k];
                    }
                }
            }
        });
    }

    /// Words of matrix `index` from panel `panel` on.
    fn panel(&self, index: usize, panel: usize) -> &[f32] {
        let size = MR * self.depth;
        &self.words[(index * self.rows.div_ceil(MR) + panel) * size..][..size]
    }
}

/// Sizes of a list of products C = A·B.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    /// Products; C lies product after product.
    pub products: usize,
    /// The left operand of product p is packed matrix `p % left_operands`.
    pub left_operands: usize,
    /// Columns of B and C.
    pub n: usize,
    /// Whether words are pairs of bf16.
    pub pairs: bool,
}

/// Address of C, shared by threads that write disjoint tiles.
struct Target(*mut f32);
// SAFETY: every tile is written by exactly one task.
unsafe impl Sync for Target {}

/// Computes all products in the current rayon pool. `read_b(product, k, first, words)` fills `words`
/// with the words of row k of B from column `first` on.
pub(crate) fn product(
    sizes: Sizes,
    a: &PackedRows,
    c: &mut [f32],
    read_b: impl Fn(usize, usize, usize, &mut [f32]) + Sync,
) {
    let kernels = Kernels::get();
    let Sizes { products, n, .. } = sizes;
    assert_eq!(c.len(), products * a.rows * n, "C has the size of all products");
    assert!(!sizes.pairs || kernels.has_bf16_pairs(), "pairs need the instruction");
    // Panels of like width: a narrow last one would starve the registers.
    let vectors = n.div_ceil(kernels.lanes);
    let width = vectors.div_ceil(n.div_ceil(kernels.nr)) * kernels.lanes;
    let column_panels = n.div_ceil(width);
    let wanted = TASKS_PER_THREAD * rayon::current_num_threads();
    let row_parts =
        wanted.div_ceil(products * column_panels).min(a.rows.div_ceil(MIN_TASK_ROWS)).max(1);
    let rows_per_task = a.rows.div_ceil(row_parts).next_multiple_of(MR);
    let row_parts = a.rows.div_ceil(rows_per_task);
    let columns = |panel: usize| panel * width..n.min((panel + 1) * width);
    let target = Target(c.as_mut_ptr());
    let tasks = products * row_parts * column_panels;
    let new_panel = || vec![Line::default(); kernels.nr * DEPTH / 16];
    (0..tasks).into_par_iter().for_each_init(new_panel, |panel, task| {
        let first_row = task / column_panels % row_parts * rows_per_task;
        let part = Part {
            product: task / column_panels / row_parts,
            rows: first_row..a.rows.min(first_row + rows_per_task),
            columns: columns(task % column_panels),
        };
        part.compute(&sizes, a, panel, &read_b, &target);
    });
}

/// What one task computes: some rows of one panel of columns of one product.
struct Part {
    product: usize,
    rows: Range<usize>,
    columns: Range<usize>,
}

impl Part {
    fn compute(
        &self,
        sizes: &Sizes,
        a: &PackedRows,
        panel: &mut [Line],
        read_b: &impl Fn(usize, usize, usize, &mut [f32]),
        target: &Target,
    ) {
        let kernels = Kernels::get();
        // A task before this one may have had more columns.
        panel.fill(Line::default());
        let words = words_of(panel);
        for k in (0..a.depth).step_by(DEPTH) {
            let depth = DEPTH.min(a.depth - k);
            for (i, words) in words.chunks_mut(kernels.nr).enumerate().take(depth) {
                read_b(self.product, k + i, self.columns.start, &mut words[..self.columns.len()]);
            }
            for row in self.rows.clone().step_by(MR) {
                let a_panel = &a.panel(self.product % sizes.left_operands, row / MR)[k * MR..];
                let first = (self.product * a.rows + row) * sizes.n + self.columns.start;
                // SAFETY: the panels hold `depth` packed words per row and column; `first` and
                // the rows and columns after it lie in C (its length was checked) and belong to
                // this task alone.
                unsafe {
                    let tile = Tile {
                        depth,
                        a: a_panel.as_ptr(),
                        b: words.as_ptr(),
                        c: target.0.add(first),
                        ldc: sizes.n,
                        columns: self.columns.len(),
                        overwrite: k == 0,
                    };
                    kernels.tile(MR.min(self.rows.end - row), sizes.pairs, &tile);
                }
            }
        }
    }
}

/// The words of cache lines.
fn words_of(lines: &mut [Line]) -> &mut [f32] {
    let words = lines.len() * 16;
    // SAFETY: a `Line` is sixteen f32 without padding.
    unsafe { std::slice::from_raw_parts_mut(lines.as_mut_ptr().cast(), words) }
}
