//! Filters packed once, as the tiles read them.

use super::lanes::{Set, VECTORS};
use crate::matmul::panel::Line;

/// Matrices of `depth × filters` in panels of one or two registers of filters, zeros beyond the last.
pub(super) struct Filters {
    lines: Vec<Line>,
    /// The panels of a group, left to right.
    panels: Vec<Panel>,
    /// Words of a group.
    group: usize,
    depth: usize,
}

/// Filters that a tile computes together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Panel {
    /// The first of them, within its group.
    pub first: usize,
    /// How many there are.
    pub filters: usize,
    /// Registers that hold them.
    pub vectors: usize,
    /// First word within a group.
    start: usize,
}

/// How many matrices there are, and their sizes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    pub groups: usize,
    /// Filters of a group.
    pub filters: usize,
    /// Matrices of a group: one, or one for each point of a transform.
    pub matrices: usize,
    /// Rows of each.
    pub depth: usize,
}

impl Filters {
    /// Packs the values `value(filter, matrix, k)`; filters are counted over all groups.
    pub fn pack(sizes: Sizes, value: impl Fn(usize, usize, usize) -> f32) -> Self {
        let lanes = Set::get().lanes;
        let (mut panels, mut group) = (Vec::new(), 0);
        for first in (0..sizes.filters).step_by(VECTORS * lanes) {
            let filters = (sizes.filters - first).min(VECTORS * lanes);
            let vectors = filters.div_ceil(lanes);
            panels.push(Panel { first, filters, vectors, start: group });
            group += sizes.matrices * sizes.depth * vectors * lanes;
        }
        let mut lines = vec![Line::default(); (sizes.groups * group).div_ceil(16)];
        let words: &mut [f32] = bytemuck::cast_slice_mut(&mut lines);
        for g in 0..sizes.groups {
            for panel in &panels {
                let width = panel.vectors * lanes;
                for row in 0..sizes.matrices * sizes.depth {
                    let start = g * group + panel.start + row * width;
                    let first = g * sizes.filters + panel.first;
                    let (matrix, k) = (row / sizes.depth, row % sizes.depth);
                    for (i, word) in words[start..][..panel.filters].iter_mut().enumerate() {
                        *word = value(first + i, matrix, k);
                    }
                }
            }
        }
        Self { lines, panels, group, depth: sizes.depth }
    }

    /// The panels of every group.
    pub fn panels(&self) -> &[Panel] {
        &self.panels
    }

    /// One matrix of a panel, `[k][vectors · lanes]`.
    pub fn words(&self, group: usize, panel: &Panel, matrix: usize) -> &[f32] {
        let length = self.depth * panel.vectors * Set::get().lanes;
        let words: &[f32] = bytemuck::cast_slice(&self.lines);
        &words[group * self.group + panel.start + matrix * length..][..length]
    }
}
