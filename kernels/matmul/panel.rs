//! Matrix products over packed panels: of B as it lies in memory, or of what is made of it or of images.
#![expect(unsafe_code, reason = "threads write disjoint tiles of one row-major matrix")]

use std::cell::RefCell;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;

use super::simd::{Kernels, Soon, Tile, fetch};
use crate::cache::{COLLIDING_WORDS, LINE_WORDS, second_level_words};

/// Words along k packed at a time: a panel of B then stays in the first two cache levels.
pub(super) const DEPTH: usize = 256;
/// Tasks a thread gets, so that threads end together.
const TASKS_PER_THREAD: usize = 4;
/// Fewest rows of a task where rows are split: packing its panel of B must pay.
const MIN_TASK_ROWS: usize = 64;

/// Rows of B that are brought nearer before they are packed.
const AHEAD: usize = 8;

/// Words of the second-level cache for the columns of a task: as many as possible, for long runs along the rows
/// of B, beside what comes next; fewer where that comes at the same time, `by_the_way`.
fn cached_words(by_the_way: bool) -> usize {
    second_level_words() / 8 * if by_the_way { 2 } else { 3 }
}

/// Words aligned to a cache line.
#[derive(Debug, Clone, Copy, Default, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C, align(64))]
pub(crate) struct Line([f32; LINE_WORDS]);

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

/// Packed panels of B: those at hand, and those that come next.
struct Panels {
    /// As many words each.
    buffers: [Vec<Line>; 2],
    /// What the second one holds.
    holds: Option<Block>,
}

/// Some words along k of a task's columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Block {
    /// Of which list of products: two of them may have the same sizes.
    call: u64,
    product: usize,
    k: usize,
    column: usize,
}

thread_local! {
    /// Kept, because a product may be shorter than fresh pages take to come. A task that has them waits for
    /// no other, which might want them on the same thread.
    static PANELS: RefCell<Panels> =
        const { RefCell::new(Panels { buffers: [Vec::new(), Vec::new()], holds: None }) };
}

/// Lists of products computed so far.
static CALLS: AtomicU64 = AtomicU64::new(0);

/// Address of a result, shared by threads that write disjoint tiles.
pub(crate) struct Target(pub *mut f32);
// SAFETY: every tile is written by exactly one task.
unsafe impl Sync for Target {}

/// Right operands as they lie in memory, product after product.
#[derive(Clone, Copy)]
pub(crate) struct Lying<'a> {
    /// All words.
    pub words: &'a [f32],
    /// Rows of each operand, one after the other.
    pub depth: usize,
    /// Words of each row.
    pub n: usize,
}

impl<'a> Lying<'a> {
    /// The words of row `k` from column `first` on, and all that follows.
    fn from(&self, product: usize, k: usize, first: usize) -> &'a [f32] {
        &self.words[(product * self.depth + k) * self.n + first..]
    }

    /// The rows `depths` from column `first` on, if `words` words of each are there: those of the last one may
    /// end beyond the operand.
    fn rows(
        &self,
        product: usize,
        depths: &Range<usize>,
        first: usize,
        words: usize,
    ) -> Option<&'a [f32]> {
        let last = self.from(product, depths.end - 1, first);
        (last.len() >= words).then(|| self.from(product, depths.start, first))
    }
}

/// Computes all products in the current rayon pool, of right operands that lie in memory.
pub(crate) fn product_lying(sizes: Sizes, a: Left<'_>, c: &mut [f32], b: Lying<'_>) {
    assert_eq!((b.n, b.depth), (sizes.n, a.depth), "the operands fit each other");
    assert!(!sizes.pairs, "pairs are made by packing");
    assert_eq!(b.words.len(), sizes.products * b.depth * b.n, "B has the size of all products");
    let read = |product: usize, k: usize, first: usize, words: &mut [f32]| {
        words.copy_from_slice(&b.from(product, k, first)[..words.len()]);
    };
    let soon = |product: usize, k: usize, columns: Range<usize>| {
        fetch(b.from(product, k, columns.start).as_ptr().cast(), size_of::<f32>() * columns.len());
    };
    // Too few of such rows would stay near to be multiplied as they lie.
    let collides = b.depth >= DEPTH && b.n.is_multiple_of(COLLIDING_WORDS);
    products(sizes, a, c, &Right { lying: (!collides).then_some(b), early: collides, read, soon });
}

/// Computes all products in the current rayon pool. `read(product, k, first, words)` fills `words`
/// with the words of row k of B from column `first` on; `soon(product, k, columns)` is told which are
/// read next, so that they can be on their way.
pub(crate) fn product(
    sizes: Sizes,
    a: Left<'_>,
    c: &mut [f32],
    read: impl Fn(usize, usize, usize, &mut [f32]) + Sync,
    soon: impl Fn(usize, usize, Range<usize>) + Sync,
) {
    products(sizes, a, c, &Right { lying: None, early: false, read, soon });
}

/// Where the right operands come from.
struct Right<'a, R, S> {
    /// Where whole vectors of them can be multiplied as they lie.
    lying: Option<Lying<'a>>,
    /// Whether a block is packed while the one before is multiplied, which pays where it waits for memory.
    early: bool,
    /// See [`product`].
    read: R,
    soon: S,
}

fn products<R, S>(sizes: Sizes, a: Left<'_>, c: &mut [f32], b: &Right<'_, R, S>)
where
    R: Fn(usize, usize, usize, &mut [f32]) + Sync,
    S: Fn(usize, usize, Range<usize>) + Sync,
{
    let kernels = Kernels::get();
    let Sizes { products, n, .. } = sizes;
    assert_eq!(c.len(), products * a.rows * n, "C has the size of all products");
    assert_eq!(a.words.len(), sizes.left_operands * a.rows * a.pitch, "so has A");
    assert!(a.depth <= a.pitch, "rows of A do not overlap");
    assert!(!sizes.pairs || kernels.has_bf16_pairs(), "pairs need the instruction");
    let width = kernels.panel_width(n);
    let column_panels = n.div_ceil(width);
    let wanted = TASKS_PER_THREAD * rayon::current_num_threads();
    let most_panels = (cached_words(b.early || b.lying.is_some()) / DEPTH / kernels.nr).max(1);
    let panels_per_task = (products * column_panels / wanted).clamp(1, most_panels);
    let column_parts = column_panels.div_ceil(panels_per_task);
    let row_parts =
        wanted.div_ceil(products * column_parts).min(a.rows.div_ceil(MIN_TASK_ROWS)).max(1);
    let rows_per_task = a.rows.div_ceil(row_parts).next_multiple_of(kernels.rows);
    let row_parts = a.rows.div_ceil(rows_per_task);
    let target = Target(c.as_mut_ptr());
    let tasks = products * row_parts * column_parts;
    let pitch = match b.lying {
        // Panel after panel in the same place, so that the memory it comes from stays in the cache.
        Some(_) => kernels.nr,
        // All panels of a task. An odd number of cache lines apart, rows spread over all sets of a cache.
        None => ((panels_per_task * width).div_ceil(LINE_WORDS) | 1) * LINE_WORDS,
    };
    let lines = (pitch * DEPTH).div_ceil(LINE_WORDS);
    let call = CALLS.fetch_add(1, Ordering::Relaxed);
    let part_of = |task: usize| {
        let first_row = task / column_parts % row_parts * rows_per_task;
        let first_column = task % column_parts * panels_per_task * width;
        Part {
            call,
            product: task / column_parts / row_parts,
            rows: first_row..a.rows.min(first_row + rows_per_task),
            columns: first_column..n.min(first_column + panels_per_task * width),
            width,
            pitch,
        }
    };
    (0..tasks).into_par_iter().for_each(|task| {
        // Most often the thread's next one.
        let next = (task + 1 < tasks).then(|| part_of(task + 1));
        PANELS.with_borrow_mut(|panels| {
            for buffer in &mut panels.buffers[..1 + usize::from(b.early)] {
                if buffer.len() < lines {
                    buffer.resize(lines, Line::default());
                }
            }
            part_of(task).compute(&sizes, a, b, next, panels, &target);
        });
    });
}

/// What one task computes: some rows of a few panels of columns of one product.
struct Part {
    call: u64,
    product: usize,
    rows: Range<usize>,
    columns: Range<usize>,
    /// Columns of a panel.
    width: usize,
    /// Words between packed rows.
    pitch: usize,
}

impl Part {
    /// The columns of the panels.
    fn panels(&self) -> impl Iterator<Item = Range<usize>> {
        let end = self.columns.end;
        let firsts = self.columns.clone().step_by(self.width);
        let width = self.width;
        firsts.map(move |first| first..end.min(first + width))
    }

    fn compute<R, S>(
        &self,
        sizes: &Sizes,
        a: Left<'_>,
        b: &Right<'_, R, S>,
        next: Option<Self>,
        panels: &mut Panels,
        target: &Target,
    ) where
        R: Fn(usize, usize, usize, &mut [f32]) + Sync,
        S: Fn(usize, usize, Range<usize>) + Sync,
    {
        let kernels = Kernels::get();
        for k in (0..a.depth).step_by(DEPTH) {
            let depths = k..a.depth.min(k + DEPTH);
            if panels.holds.take() == Some(self.block(k)) {
                panels.buffers.reverse();
            } else if b.lying.is_none() {
                let words = bytemuck::cast_slice_mut(&mut panels.buffers[0]);
                self.pack(b, depths.clone(), self.columns.clone(), words);
            }
            let [words, room] = &mut panels.buffers;
            let words: &mut [f32] = bytemuck::cast_slice_mut(words);
            let room: &mut [f32] = bytemuck::cast_slice_mut(room);
            let tiles = self.panels().count() * self.rows.len().div_ceil(kernels.rows);
            let mut coming = self.coming(next.as_ref(), &depths, a.depth, tiles);
            for panel in self.panels() {
                let vectors = panel.len().next_multiple_of(kernels.lanes);
                let lies =
                    b.lying.and_then(|b| b.rows(self.product, &depths, panel.start, vectors));
                if b.lying.is_some() && lies.is_none() {
                    self.pack(b, depths.clone(), panel.clone(), words);
                }
                let at = if b.lying.is_some() { 0 } else { panel.start - self.columns.start };
                assert!(at + (depths.len() - 1) * self.pitch + vectors <= words.len());
                let packed = words[at..].as_mut_ptr();
                for row in self.rows.clone().step_by(kernels.rows) {
                    let first_a = self.product % sizes.left_operands * a.rows;
                    let c_first = (self.product * a.rows + row) * sizes.n + panel.start;
                    let some = coming.take();
                    let mut tile = Tile {
                        depth: depths.len(),
                        a: a.words[(first_a + row) * a.pitch + k..].as_ptr(),
                        lda: a.pitch,
                        b: packed,
                        ldb: self.pitch,
                        copy: std::ptr::null_mut(),
                        ldcopy: self.pitch,
                        soon: b.lying.map_or_else(Soon::default, |b| coming.soon(b, &some)),
                        c: target.0.wrapping_add(c_first),
                        ldc: sizes.n,
                        columns: panel.len(),
                        overwrite: k == 0,
                    };
                    if let Some(lies) = lies.filter(|_| row == self.rows.start) {
                        (tile.b, tile.ldb) = (lies.as_ptr(), sizes.n);
                        // For the tiles below, if any.
                        if row + kernels.rows < self.rows.end {
                            tile.copy = packed;
                        }
                    }
                    let rows = kernels.rows.min(self.rows.end - row);
                    // SAFETY: A's rows have `depths` words; B's whole vectors lie in memory or in `words`, packed
                    // (both just checked); these rows and columns of C, as long as was checked, are ours alone.
                    unsafe { kernels.tile(rows, sizes.pairs, &tile) };
                    coming.bring(b, some, a.depth, room);
                }
            }
            panels.holds = coming.held(b);
        }
    }

    /// The block from `k` on.
    fn block(&self, k: usize) -> Block {
        Block { call: self.call, product: self.product, k, column: self.columns.start }
    }

    /// Whose rows of B, and which, come from memory while `depths` of `all` are computed by so many tiles.
    fn coming<'s>(
        &'s self,
        next: Option<&'s Self>,
        depths: &Range<usize>,
        all: usize,
        tiles: usize,
    ) -> Coming<'s> {
        let (part, rows) = match next {
            Some(next) if depths.end == all => (next, 0..DEPTH.min(all)),
            _ => (self, depths.end..all.min(depths.end + DEPTH)),
        };
        let share = rows.len().div_ceil(tiles);
        Coming { part, first: rows.start, rows, share, long: depths.len() == DEPTH }
    }

    /// Packs the rows `depths` of some columns of B to the beginning of `words`.
    fn pack<R, S>(
        &self,
        b: &Right<'_, R, S>,
        depths: Range<usize>,
        columns: Range<usize>,
        words: &mut [f32],
    ) where
        R: Fn(usize, usize, usize, &mut [f32]),
    {
        for (row, k) in words.chunks_exact_mut(self.pitch).zip(depths) {
            (b.read)(self.product, k, columns.start, &mut row[..columns.len()]);
        }
    }
}

/// Rows of B that come from memory while others are multiplied, a few a tile.
struct Coming<'s> {
    /// Whose they are.
    part: &'s Part,
    /// The first of all, and those that are left.
    first: usize,
    rows: Range<usize>,
    /// Rows of a tile.
    share: usize,
    /// Whether tiles are long; short ones leave no time for more than a hint.
    long: bool,
}

impl Coming<'_> {
    /// The rows of the next tile.
    #[inline(always)]
    fn take(&mut self) -> Range<usize> {
        let some = self.rows.start..self.rows.end.min(self.rows.start + self.share);
        self.rows.start = some.end;
        some
    }

    /// What a tile over operands that lie fetches by the way.
    #[inline(always)]
    fn soon(&self, b: Lying<'_>, some: &Range<usize>) -> Soon {
        if !self.long || some.is_empty() {
            return Soon::default();
        }
        let first = b.from(self.part.product, some.start, self.part.columns.start);
        Soon {
            first: first.as_ptr().cast(),
            pitch: size_of::<f32>() * b.n,
            // A row that begins within a line ends in one more.
            lines: self.part.columns.len().div_ceil(LINE_WORDS) + 1,
            rows: some.len(),
        }
    }

    /// Brings a tile's rows nearer, or packs them to `room`, unless the tile did. `depth` are the rows of B.
    #[inline(always)]
    fn bring<R, S>(&self, b: &Right<'_, R, S>, some: Range<usize>, depth: usize, room: &mut [f32])
    where
        R: Fn(usize, usize, usize, &mut [f32]),
        S: Fn(usize, usize, Range<usize>),
    {
        let Part { product, columns, pitch, .. } = self.part;
        if !self.long || !(b.early || b.lying.is_some()) {
            some.for_each(|row| (b.soon)(*product, row, columns.clone()));
        } else if b.early {
            for row in some {
                if row + AHEAD < depth {
                    (b.soon)(*product, row + AHEAD, columns.clone());
                }
                let to = &mut room[(row - self.first) * pitch..][..*pitch];
                self.part.pack(b, row..row + 1, columns.clone(), to);
            }
        }
    }

    /// The block that was packed, if one was.
    fn held<R, S>(&self, b: &Right<'_, R, S>) -> Option<Block> {
        let packed = b.early && self.long && self.first < self.rows.end;
        packed.then(|| self.part.block(self.first))
    }
}
