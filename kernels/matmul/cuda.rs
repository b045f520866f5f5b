//! The product in our own CUDA kernels, and which of them are worth a trial.

use super::Shape;
use super::device::{FEW_ROWS, Operands, kernel, sum_parts};
use crate::recording::{Arg, Command, CudaModule, GemmType, Module, Recording};
use crate::tiles::{Extent, Plan, Tile, plans};
use crate::work::{DeviceInfo, Tuning};

static TILED: CudaModule = CudaModule {
    name: "matmul/tiled",
    source: include_str!("tiled.cu"),
    ptx: &[
        (70, include_str!("../ptx/matmul_tiled.sm_70.ptx")),
        (75, include_str!("../ptx/matmul_tiled.sm_75.ptx")),
        (80, include_str!("../ptx/matmul_tiled.sm_80.ptx")),
        (90, include_str!("../ptx/matmul_tiled.sm_90.ptx")),
    ],
};
static STAGED: CudaModule = CudaModule {
    name: "matmul/staged",
    source: include_str!("staged.cu"),
    ptx: &[
        (80, include_str!("../ptx/matmul_staged.sm_80.ptx")),
        (90, include_str!("../ptx/matmul_staged.sm_90.ptx")),
    ],
};
static TURNED: CudaModule = CudaModule {
    name: "matmul/turned",
    source: include_str!("turned.cu"),
    ptx: &[
        (80, include_str!("../ptx/matmul_turned.sm_80.ptx")),
        (90, include_str!("../ptx/matmul_turned.sm_90.ptx")),
    ],
};
static TF32: CudaModule = CudaModule {
    name: "matmul/tf32",
    source: include_str!("tf32.cu"),
    ptx: &[
        (80, include_str!("../ptx/matmul_tf32.sm_80.ptx")),
        (90, include_str!("../ptx/matmul_tf32.sm_90.ptx")),
    ],
};
/// Runs on compute capability 9.0 only, not on later ones.
static WGMMA: CudaModule = CudaModule {
    name: "matmul/wgmma",
    source: include_str!("wgmma.cu"),
    ptx: &[(90, include_str!("../ptx/matmul_wgmma.sm_90a.ptx"))],
};
static ROWS: CudaModule = CudaModule {
    name: "matmul/rows",
    source: include_str!("rows.cu"),
    ptx: &[
        (70, include_str!("../ptx/matmul_rows.sm_70.ptx")),
        (75, include_str!("../ptx/matmul_rows.sm_75.ptx")),
        (80, include_str!("../ptx/matmul_rows.sm_80.ptx")),
        (90, include_str!("../ptx/matmul_rows.sm_90.ptx")),
    ],
};

/// Adds the sums of parts along k.
pub(crate) const SUMS: Module = Module::Cuda(&ROWS);

/// Threads of a block of `rows.cu`, and bytes of a row of B that one reads.
const ROWS_THREADS: u32 = 512;
const ROWS_BYTES: usize = 64;

const F32_64: Tile = Tile {
    entry: "matmul_f32_64",
    rows: 64,
    columns: 64,
    slab: 0,
    shared_bytes: 0,
    flop_per_s: 0.15e12,
};
const F32_128: Tile =
    Tile { entry: "matmul_f32_128", rows: 128, columns: 128, flop_per_s: 0.23e12, ..F32_64 };
const STAGED_64X128: Tile = Tile::staged("matmul_f32_64x128", 64, 128, 0.28);
const STAGED_128: Tile = Tile::staged("matmul_f32_128x128", 128, 128, 0.3);
const STAGED_128X256: Tile = Tile::staged("matmul_f32_128x256", 128, 256, 0.32);
const TURNED_128X256: Tile = Tile {
    entry: "matmul_f32_turned",
    rows: 128,
    columns: 256,
    slab: 8,
    shared_bytes: 4 * 4 * 8 * (132 + 256),
    flop_per_s: 0.36e12,
};
const STAGED_UNALIGNED: Tile = Tile::staged("matmul_f32_128x128_unaligned", 128, 128, 0.24);

const BF16_PLAIN: Tile = Tile { entry: "matmul_bf16_plain", ..F32_64 };
const BF16_MMA: Tile = Tile {
    entry: "matmul_bf16_mma",
    rows: 128,
    columns: 128,
    slab: 32,
    shared_bytes: 3 * 2 * (128 * 40 + 32 * 136),
    flop_per_s: 2.5e12,
};
const BF16_MMA_UNALIGNED: Tile =
    Tile { entry: "matmul_bf16_mma_unaligned", flop_per_s: 1e12, ..BF16_MMA };
const BF16_WGMMA: Tile = Tile {
    entry: "matmul_bf16_wgmma",
    rows: 128,
    columns: 256,
    slab: 64,
    // The ring begins at a multiple of 1024.
    shared_bytes: 4 * 2 * 64 * (128 + 256) + 1024,
    flop_per_s: 5e12,
};

const TF32_128: Tile = Tile {
    entry: "matmul_tf32_128x128",
    rows: 128,
    columns: 128,
    slab: 16,
    shared_bytes: 4 * 4 * (128 * 20 + 16 * 136),
    flop_per_s: 1.2e12,
};
const TF32_128X256: Tile = Tile {
    entry: "matmul_tf32_128x256",
    columns: 256,
    shared_bytes: 3 * 4 * (128 * 20 + 16 * 264),
    flop_per_s: 1.5e12,
    ..TF32_128
};
const TF32_UNALIGNED: Tile =
    Tile { entry: "matmul_tf32_128x128_unaligned", flop_per_s: 0.6e12, ..TF32_128 };

/// The tiles that can make `shape` on `device`.
fn tiles(shape: &Shape, device: &DeviceInfo) -> Vec<Tile> {
    let capability = device.compute_capability.unwrap_or((0, 0));
    let multiples = |of: usize| shape.n.is_multiple_of(of) && shape.k.is_multiple_of(of);
    match shape.dtype {
        // Chips without TF32 multiply it as f32.
        GemmType::F32 | GemmType::Tf32 if capability < (8, 0) => vec![F32_64, F32_128],
        GemmType::F32 if multiples(4) => {
            vec![F32_64, STAGED_64X128, STAGED_128, STAGED_128X256, TURNED_128X256]
        }
        GemmType::F32 => vec![F32_64, STAGED_UNALIGNED],
        GemmType::Bf16 if capability < (8, 0) => vec![BF16_PLAIN],
        GemmType::Bf16 if !multiples(8) => vec![BF16_MMA_UNALIGNED],
        GemmType::Bf16 if capability == (9, 0) => vec![BF16_MMA, BF16_WGMMA],
        GemmType::Bf16 => vec![BF16_MMA],
        GemmType::Tf32 if multiples(4) => vec![TF32_128, TF32_128X256],
        GemmType::Tf32 => vec![TF32_UNALIGNED],
    }
}

/// One way to compute a product.
enum Way {
    /// B is streamed by `rows.cu`, in parts of so many values along k.
    Rows { depth: usize },
    /// By tiles.
    Tiled(Plan),
}

fn ways(shape: &Shape, device: &DeviceInfo) -> Vec<Way> {
    let few = shape.m <= FEW_ROWS;
    let tensor_cores = shape.dtype != GemmType::F32
        && device.compute_capability.is_some_and(|capability| capability >= (8, 0));
    let mut ways = Vec::new();
    if few {
        ways.push(Way::Rows { depth: rows_depth(shape, device) });
    }
    // With tensor cores a tile that is mostly empty may still be faster than multiplying by hand.
    if !few || shape.m > 1 && tensor_cores {
        let of = Extent { rows: shape.m, columns: shape.n, depth: shape.k, batch: shape.batch };
        ways.extend(plans(&tiles(shape, device), &of, device).into_iter().map(Way::Tiled));
    }
    ways
}

/// Values along k of a part of `rows.cu`: all of them where there are columns enough for half the
/// device, else so many that every part is worth its sums.
fn rows_depth(shape: &Shape, device: &DeviceInfo) -> usize {
    let units = device.units();
    let blocks = shape.n.div_ceil(ROWS_BYTES / shape.operand_bytes()) * shape.batch;
    let most = (shape.k / 1024).clamp(1, 16);
    let parts = if 2 * blocks >= units { 1 } else { (units / blocks).clamp(1, most) };
    shape.k.div_ceil(parts).next_multiple_of(4).min(shape.k)
}

/// What may be tried.
pub(super) fn tunings(shape: &Shape, device: &DeviceInfo) -> Vec<Tuning> {
    let named = |(index, way): (usize, &Way)| match way {
        Way::Rows { .. } => Tuning { name: "rows".into(), index },
        Way::Tiled(plan) => plan.tuning(index),
    };
    ways(shape, device).iter().enumerate().map(named).collect()
}

/// The launches of one product in the way that `tuning` names.
pub(super) fn commands(
    operands: &Operands,
    recording: &mut Recording,
    device: &DeviceInfo,
    tuning: &Tuning,
) -> Vec<Command> {
    let mut ways = ways(&operands.shape, device);
    let index = if tuning.index < ways.len() { tuning.index } else { 0 };
    match ways.swap_remove(index) {
        Way::Rows { depth } => rows(operands, recording, depth),
        Way::Tiled(plan) => tiled(operands, recording, &plan),
    }
}

fn rows(operands: &Operands, recording: &mut Recording, depth: usize) -> Vec<Command> {
    let Shape { m, n, k, batch, .. } = operands.shape;
    let wide = 16 / operands.shape.operand_bytes();
    let aligned = n.is_multiple_of(wide) && k.is_multiple_of(4);
    let entry = match (operands.bf16(), aligned, m) {
        (false, true, 1) => "matmul_f32_row",
        (false, true, _) => "matmul_f32_rows",
        (false, false, _) => "matmul_f32_rows_unaligned",
        (true, true, 1) => "matmul_bf16_row",
        (true, true, _) => "matmul_bf16_rows",
        (true, false, _) => "matmul_bf16_rows_unaligned",
    };
    let parts = k.div_ceil(depth);
    let (out, sums) = sum_parts(recording, SUMS, operands.c, operands.shape.c_len(), parts);
    let blocks = n.div_ceil(ROWS_BYTES / operands.shape.operand_bytes());
    let mut args = operands.args(out);
    args.push(Arg::U32(depth as u32));
    let dispatch = Command::Dispatch {
        kernel: kernel(Module::Cuda(&ROWS), entry, ROWS_THREADS, 0),
        grid: [blocks, parts, batch].map(|blocks| blocks as u32),
        args,
    };
    [dispatch].into_iter().chain(sums).collect()
}

fn tiled(operands: &Operands, recording: &mut Recording, plan: &Plan) -> Vec<Command> {
    let Shape { m, n, batch, .. } = operands.shape;
    let Plan { tile, parts, depth } = *plan;
    let (out, sums) = sum_parts(recording, SUMS, operands.c, operands.shape.c_len(), parts);
    let (across, down) = (n.div_ceil(tile.columns), m.div_ceil(tile.rows));
    let (module, grid) = match tile.entry {
        "matmul_bf16_wgmma" => (&WGMMA, [across * down, 1]),
        entry if entry.starts_with("matmul_tf32") => (&TF32, [across * down, 1]),
        "matmul_f32_turned" => (&TURNED, [across * down, 1]),
        entry if entry.starts_with("matmul_f32") && tile.slab > 0 => (&STAGED, [across * down, 1]),
        _ => (&TILED, [across, down]),
    };
    let mut args = operands.args(out);
    args.push(Arg::U32(depth as u32));
    let dispatch = Command::Dispatch {
        kernel: kernel(Module::Cuda(module), tile.entry, 256, tile.shared_bytes),
        grid: [grid[0], grid[1], batch * parts].map(|blocks| blocks as u32),
        args,
    };
    [dispatch].into_iter().chain(sums).collect()
}
