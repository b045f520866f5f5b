//! Which tile kernels a device should try for a matrix product, and in how many parts along k.

use crate::work::{DeviceInfo, Tuning};

/// Most blocks along one axis (WGSL everywhere; CUDA along y and z).
pub(crate) const MAX_GRID: usize = 65_535;
// Estimates for an H100 or H200. They only order the trials: the fastest trial is chosen by its time.

/// Seconds that each wave of blocks takes beside its products: filling the ring, storing the tile.
const WAVE_S: f64 = 3e-6;
/// Seconds of a further launch, and bytes a second of the sums it reads: what parts cost.
const SUM_S: f64 = 4e-6;
const SUM_BYTES_PER_S: f64 = 1.5e12;
/// Memory for the sums of parts, at most.
const PARTIAL_BYTES: usize = 256 << 20;

/// A kernel of which a block makes one tile of a product.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Tile {
    /// Name of the kernel.
    pub entry: &'static str,
    /// Rows of the tile.
    pub rows: usize,
    /// Columns of the tile.
    pub columns: usize,
    /// Values along k that pass at a time; a part is a multiple of it. Zero: the kernel knows no parts.
    pub slab: usize,
    /// Bytes of dynamic shared memory.
    pub shared_bytes: u32,
    /// FLOP a second of one compute unit, estimated; only the order among kernels matters.
    pub flop_per_s: f64,
}

impl Tile {
    /// A tile of f32 whose operands pass through a ring of three slabs of 16 (`multiply_slab` of
    /// `tiles.h`), with the rate of a compute unit in TFLOP/s.
    pub const fn staged(
        entry: &'static str,
        rows: usize,
        columns: usize,
        tflop_per_s: f64,
    ) -> Self {
        let shared_bytes = (3 * 4 * (rows * (16 + 4) + 16 * columns)) as u32;
        Self { entry, rows, columns, slab: 16, shared_bytes, flop_per_s: tflop_per_s * 1e12 }
    }
}

/// `batch` products of `rows`×`depth` by `depth`×`columns`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Extent {
    pub rows: usize,
    pub columns: usize,
    pub depth: usize,
    pub batch: usize,
}

/// A kernel and how the product is dealt to its blocks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Plan {
    pub tile: Tile,
    /// Parts along k, each a launch's worth of sums of its own.
    pub parts: usize,
    /// Values along k of a part.
    pub depth: usize,
}

impl Plan {
    /// Its name in a record, `matmul_f32_128x128, 4 parts`.
    pub fn tuning(&self, index: usize) -> Tuning {
        let entry = self.tile.entry;
        let name = match self.parts {
            1 => entry.into(),
            parts => format!("{entry}, {parts} parts"),
        };
        Tuning { name, index }
    }

    /// Seconds that it should take on `units` compute units, about.
    fn expected_s(&self, of: &Extent, units: usize) -> f64 {
        let Tile { rows, columns, slab, flop_per_s, .. } = self.tile;
        let tiles = of.rows.div_ceil(rows) * of.columns.div_ceil(columns) * of.batch * self.parts;
        let waves = tiles.div_ceil(units) as f64;
        let depth = self.depth.next_multiple_of(slab.max(1));
        let product_s = (2 * rows * columns * depth) as f64 / flop_per_s + WAVE_S;
        let sums_bytes = (of.rows * of.columns * of.batch * (self.parts + 1) * 4) as f64;
        waves * product_s + if self.parts > 1 { SUM_S + sums_bytes / SUM_BYTES_PER_S } else { 0.0 }
    }
}

/// What is worth a trial: each tile at its best number of parts, and the best tile at its second best;
/// the most promising first.
pub(crate) fn plans(tiles: &[Tile], of: &Extent, device: &DeviceInfo) -> Vec<Plan> {
    let units = device.units();
    let values = of.rows * of.columns * of.batch;
    let ranked = |tile: &Tile| {
        let fits = |plan: &Plan| {
            plan.parts == 1
                || values * plan.parts * 4 <= PARTIAL_BYTES && of.batch * plan.parts <= MAX_GRID
        };
        let mut plans: Vec<Plan> =
            [1, 2, 3, 4, 6, 8, 12, 16, 24, 32].map(|parts| in_parts(*tile, of.depth, parts)).into();
        plans.dedup();
        plans.retain(fits);
        plans.sort_by(|x, y| x.expected_s(of, units).total_cmp(&y.expected_s(of, units)));
        plans
    };
    let mut all: Vec<Vec<Plan>> = tiles.iter().map(ranked).collect();
    all.sort_by(|x, y| x[0].expected_s(of, units).total_cmp(&y[0].expected_s(of, units)));
    let second = all.first().and_then(|best| best.get(1)).copied();
    let mut chosen: Vec<Plan> = all.iter().map(|ranked| ranked[0]).collect();
    chosen.splice(1..1, second);
    chosen
}

/// `tile` in at most `parts` parts of whole slabs.
fn in_parts(tile: Tile, depth: usize, parts: usize) -> Plan {
    if tile.slab == 0 {
        return Plan { tile, parts: 1, depth };
    }
    let part = depth.div_ceil(parts).next_multiple_of(tile.slab);
    match depth.div_ceil(part) {
        1 => Plan { tile, parts: 1, depth },
        parts => Plan { tile, parts, depth: part },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TILE: Tile =
        Tile { entry: "t", rows: 128, columns: 128, slab: 16, shared_bytes: 0, flop_per_s: 3e11 };

    fn device() -> DeviceInfo {
        DeviceInfo { compute_units: Some(132), ..DeviceInfo::bare_cpu() }
    }

    #[test]
    fn few_tiles_are_cut_along_k_and_many_are_not() {
        let few = Extent { rows: 64, columns: 4096, depth: 4096, batch: 1 };
        // 32 tiles for 132 units: four parts fill them, five would need a second wave.
        let best = plans(&[TILE], &few, &device())[0];
        assert_eq!((best.parts, best.depth), (4, 1024));
        let many = Extent { rows: 4096, columns: 4096, depth: 4096, batch: 1 };
        assert_eq!(plans(&[TILE], &many, &device())[0].parts, 1);
    }

    #[test]
    fn parts_are_whole_slabs_and_cover_k() {
        for depth in [1, 16, 17, 100, 4096] {
            for parts in 1..40 {
                let plan = in_parts(TILE, depth, parts);
                assert!(plan.parts <= parts && plan.parts * plan.depth >= depth);
                assert!((plan.parts - 1) * plan.depth < depth);
                assert!(plan.parts == 1 || plan.depth.is_multiple_of(16));
            }
        }
    }

    #[test]
    fn each_tile_is_tried_and_names_differ() {
        let small = Tile { entry: "s", rows: 64, ..TILE };
        let of = Extent { rows: 512, columns: 512, depth: 512, batch: 1 };
        let plans = plans(&[TILE, small], &of, &device());
        assert!(plans.iter().any(|p| p.tile == TILE) && plans.iter().any(|p| p.tile == small));
        let mut names: Vec<_> = plans.iter().map(|p| p.tuning(0).name).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), plans.len());
    }
}
