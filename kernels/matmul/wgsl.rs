//! The product in WGSL.

use super::Shape;
use super::device::{FEW_ROWS, Operands, kernel, sum_parts};
use crate::recording::{Arg, Command, GemmType, Module, Recording, WgslModule};
use crate::tiles::MAX_GRID;
use crate::work::{DeviceInfo, Tuning};

static WGSL_TILED: WgslModule =
    WgslModule { name: "matmul/tiled", source: include_str!("tiled.wgsl"), features: &[] };
static WGSL_TILED_VEC4: WgslModule = WgslModule {
    name: "matmul/tiled_vec4",
    source: include_str!("tiled_vec4.wgsl"),
    features: &[],
};
static WGSL_ROWS: WgslModule =
    WgslModule { name: "matmul/rows", source: include_str!("rows.wgsl"), features: &[] };
static WGSL_SUM_PARTS: WgslModule =
    WgslModule { name: "matmul/sum_parts", source: include_str!("sum_parts.wgsl"), features: &[] };

/// Invocations and bytes of workgroup memory of a 128×128 tile.
const LARGE_TILE: [u32; 2] = [256, 16 << 10];

/// Whether 128×128 tiles that move 16 bytes at a time can make `shape` on `device`: adapters for small
/// devices may have half of the invocations.
fn has_large_tiles(shape: &Shape, device: &DeviceInfo) -> bool {
    let aligned = shape.n.is_multiple_of(4) && shape.k.is_multiple_of(4);
    let limits = [device.max_workgroup_invocations, device.max_shared_bytes];
    let fits =
        limits.iter().zip(LARGE_TILE).all(|(limit, needed)| limit.is_none_or(|l| l >= needed));
    shape.m > FEW_ROWS && shape.dtype != GemmType::Bf16 && aligned && fits
}

/// What may be tried.
pub(super) fn tunings(shape: &Shape, device: &DeviceInfo) -> Vec<Tuning> {
    if !has_large_tiles(shape, device) {
        return vec![Tuning::default()];
    }
    let named = |(index, name): (usize, &str)| Tuning { name: name.into(), index };
    ["64×64", "128×128"].into_iter().enumerate().map(named).collect()
}

/// The dispatches of one product.
pub(super) fn commands(
    operands: &Operands,
    recording: &mut Recording,
    device: &DeviceInfo,
    tuning: &Tuning,
) -> Vec<Command> {
    if operands.shape.m <= FEW_ROWS {
        return few_rows(operands, recording, device);
    }
    let Shape { m, n, batch, .. } = operands.shape;
    let (kernel, tile) = if tuning.index == 1 && has_large_tiles(&operands.shape, device) {
        (kernel(Module::Wgsl(&WGSL_TILED_VEC4), "matmul_tiled_vec4", 256, 0), 128)
    } else {
        let mut tiled = kernel(Module::Wgsl(&WGSL_TILED), "matmul_tiled", 64, 0);
        tiled.overrides = vec![("is_bf16", f64::from(u8::from(operands.bf16())))];
        (tiled, 64)
    };
    vec![Command::Dispatch {
        kernel,
        grid: [n.div_ceil(tile), m.div_ceil(tile), batch].map(|groups| groups as u32),
        args: operands.args(operands.c),
    }]
}

/// Streams B, in parts along k where there are fewer groups than the device could run.
fn few_rows(operands: &Operands, recording: &mut Recording, device: &DeviceInfo) -> Vec<Command> {
    let Shape { n, k, batch, .. } = operands.shape;
    let values = operands.shape.c_len();
    let units = device.units();
    let groups = n.div_ceil(64) * batch;
    // A part of fewer than 64 rows of B would not repay writing and adding its sums.
    let most = if values.div_ceil(256) > MAX_GRID { 1 } else { k.div_ceil(64) };
    let depth = k.div_ceil((4 * units).div_ceil(groups).min(most));
    let parts = k.div_ceil(depth);
    let adder = Module::Wgsl(&WGSL_SUM_PARTS);
    let (out, sums) = sum_parts(recording, adder, operands.c, values, parts);
    let mut rows = kernel(Module::Wgsl(&WGSL_ROWS), "matmul_rows", 256, 0);
    rows.overrides = vec![("is_bf16", f64::from(u8::from(operands.bf16())))];
    let mut args = operands.args(out);
    args.push(Arg::U32(depth as u32));
    let grid = [n.div_ceil(64), parts, batch].map(|groups| groups as u32);
    [Command::Dispatch { kernel: rows, grid, args }].into_iter().chain(sums).collect()
}
