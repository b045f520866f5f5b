//! `staged.cu`: what it is given, and which of its tiles are worth a trial.

use super::Layer;
use super::device::Operands;
use crate::matmul::cuda::sum_parts;
use crate::matmul::device::kernel;
use crate::recording::{Arg, Command, CudaModule, Module, Recording, Role, shared};
use crate::tiles::{Extent, Plan, Tile, plans};
use crate::work::{DeviceInfo, Tuning};

static MODULE: CudaModule = CudaModule {
    name: "convolution/staged",
    source: include_str!("staged.cu"),
    ptx: &[
        (80, include_str!("../ptx/convolution_staged.sm_80.ptx")),
        (90, include_str!("../ptx/convolution_staged.sm_90.ptx")),
    ],
};

/// Most blocks of a CUDA grid along y and z.
const MAX_GRID: usize = 65_535;

/// Where the products of an output value are a multiple of 4.
const ALIGNED: [Tile; 3] = [
    Tile::staged("convolution_128x128", 128, 128, 0.27),
    Tile::staged("convolution_64x128", 64, 128, 0.25),
    Tile::staged("convolution_64x256", 64, 256, 0.25),
];
const UNALIGNED: [Tile; 3] = [
    Tile::staged("convolution_128x128_unaligned", 128, 128, 0.24),
    Tile::staged("convolution_64x128_unaligned", 64, 128, 0.22),
    Tile::staged("convolution_64x256_unaligned", 64, 256, 0.22),
];

/// Whether `device` runs the kernels and `layer` is one for them: filters over several channels.
pub(super) fn fits(layer: &Layer, device: &DeviceInfo) -> bool {
    device.compute_capability.is_some_and(|capability| capability >= (8, 0))
        && layer.group_in() > 1
        && layer.group_out().div_ceil(64) <= MAX_GRID
}

fn candidates(layer: &Layer, device: &DeviceInfo) -> Vec<Plan> {
    let tiles = if layer.depth().is_multiple_of(4) { &ALIGNED } else { &UNALIGNED };
    let of = Extent {
        rows: layer.group_out(),
        columns: layer.0.batch as usize * layer.positions(),
        depth: layer.depth(),
        batch: layer.0.groups as usize,
    };
    plans(tiles, &of, device)
}

/// What may be tried.
pub(super) fn tunings(layer: &Layer, device: &DeviceInfo) -> Vec<Tuning> {
    candidates(layer, device).iter().enumerate().map(|(i, plan)| plan.tuning(i)).collect()
}

/// The launches of one layer with the tile that `tuning` names.
pub(super) fn commands(
    layer: &Layer,
    operands: &Operands,
    recording: &mut Recording,
    device: &DeviceInfo,
    tuning: &Tuning,
) -> Vec<Command> {
    let candidates = candidates(layer, device);
    let Plan { tile, parts, depth } = *candidates.get(tuning.index).unwrap_or(&candidates[0]);
    let taps = recording.upload("taps", Role::Constant, shared(taps(layer)));
    let (out, sums) = sum_parts(recording, operands.y, layer.y_len(), parts);
    let s = &layer.0;
    let sizes = [
        s.batch,
        s.c_in,
        s.height,
        s.width,
        s.c_out,
        s.stride,
        s.padding,
        s.groups,
        s.out_h(),
        s.out_w(),
        layer.depth() as u32,
        depth as u32,
    ];
    let buffers = [Arg::Read(operands.x), Arg::Read(operands.w), Arg::Read(taps), Arg::Write(out)];
    let columns = s.batch as usize * layer.positions();
    let grid = [
        columns.div_ceil(tile.columns),
        layer.group_out().div_ceil(tile.rows),
        parts * s.groups as usize,
    ];
    let dispatch = Command::Dispatch {
        kernel: kernel(Module::Cuda(&MODULE), tile.entry, 256, tile.shared_bytes),
        grid: grid.map(|blocks| blocks as u32),
        args: buffers.into_iter().chain(sizes.map(Arg::U32)).collect(),
    };
    [dispatch].into_iter().chain(sums).collect()
}

/// For each product of an output value, in the order of the weights: where its x is from the position's
/// first tap on (elements, rows, columns, unused).
fn taps(layer: &Layer) -> std::sync::Arc<[u32]> {
    let s = &layer.0;
    let mut taps = Vec::with_capacity(layer.depth() * 4);
    for channel in 0..layer.group_in() as u32 {
        for ky in 0..s.kernel_h {
            for kx in 0..s.kernel_w {
                let (y, x) = (ky * s.dilation, kx * s.dilation);
                taps.extend([(channel * s.height + y) * s.width + x, y, x, 0]);
            }
        }
    }
    taps.into()
}
