//! `staged.cu`, f32 layers: what it is given, and which of its tiles are worth a trial.

use std::sync::Arc;

use super::Layer;
use super::device::Operands;
use super::geometry::Strides;
use crate::matmul::cuda::SUMS;
use crate::matmul::device::{kernel, sum_parts};
use crate::recording::{
    Arg, Command, CudaModule, GemmType, Layout, Module, Recording, Role, shared,
};
use crate::tiles::{Extent, MAX_GRID, Plan, Tile, plans};
use crate::work::{DeviceInfo, Tuning};

static MODULE: CudaModule = CudaModule {
    name: "convolution/staged",
    source: include_str!("staged.cu"),
    ptx: &[
        (80, include_str!("../ptx/convolution_staged.sm_80.ptx")),
        (90, include_str!("../ptx/convolution_staged.sm_90.ptx")),
    ],
};

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

/// The same for NHWC: rows are positions, columns filters; where a group's channels and filters are
/// multiples of 4.
const PIXELS: [Tile; 3] = [
    Tile::staged("convolution_pixels_128x128", 128, 128, 0.28),
    Tile::staged("convolution_pixels_128x64", 128, 64, 0.25),
    Tile::staged("convolution_pixels_256x64", 256, 64, 0.27),
];
const PIXELS_UNALIGNED: [Tile; 1] =
    [Tile::staged("convolution_pixels_128x64_unaligned", 128, 64, 0.2)];

/// Whether `device` runs the kernels and `layer` is one for them: filters over several channels.
pub(super) fn fits(layer: &Layer, device: &DeviceInfo) -> bool {
    let s = &layer.0;
    // Rows and columns of pixels share a register.
    let small = s.layout == Layout::Nchw || s.height.max(s.width) + 2 * s.padding < 1 << 15;
    device.compute_capability.is_some_and(|capability| capability >= (8, 0))
        && layer.0.dtype == GemmType::F32
        && layer.group_in() > 1
        && small
        && layer.group_out().div_ceil(64) <= MAX_GRID
}

fn candidates(layer: &Layer, device: &DeviceInfo) -> Vec<Plan> {
    let positions = layer.0.batch as usize * layer.positions();
    let filters = layer.group_out();
    let multiples = |sizes: &[usize]| sizes.iter().all(|size| size.is_multiple_of(4));
    let (tiles, [rows, columns]): (&[Tile], _) = match layer.0.layout {
        Layout::Nchw if multiples(&[layer.depth()]) => (&ALIGNED, [filters, positions]),
        Layout::Nchw => (&UNALIGNED, [filters, positions]),
        Layout::Nhwc if multiples(&[layer.group_in(), filters]) => (&PIXELS, [positions, filters]),
        Layout::Nhwc => (&PIXELS_UNALIGNED, [positions, filters]),
    };
    let of = Extent { rows, columns, depth: layer.depth(), batch: layer.0.groups as usize };
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
    let (out, sums) = sum_parts(recording, SUMS, operands.y, layer.y_len(), parts);
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
    let positions = s.batch as usize * layer.positions();
    // There may be more positions than blocks along y.
    let along = match s.layout {
        Layout::Nchw => [tile.columns, tile.rows],
        Layout::Nhwc => [tile.rows, tile.columns],
    };
    let grid = [
        positions.div_ceil(along[0]),
        layer.group_out().div_ceil(along[1]),
        parts * s.groups as usize,
    ];
    let dispatch = Command::Dispatch {
        kernel: kernel(Module::Cuda(&MODULE), tile.entry, 256, tile.shared_bytes),
        grid: grid.map(|blocks| blocks as u32),
        args: buffers.into_iter().chain(sizes.map(Arg::U32)).collect(),
    };
    [dispatch].into_iter().chain(sums).collect()
}

/// For each product of an output value, in the order that the kernel sums them: where its x is from the
/// position's first tap on (elements, rows, columns, unused).
fn taps(layer: &Layer) -> Arc<[u32]> {
    let (s, strides) = (&layer.0, Strides::of(&layer.0));
    let products = (0..layer.depth()).map(|k| {
        let (channel, tap) = product(layer, k);
        let [y, x] = [tap / s.kernel_w, tap % s.kernel_w].map(|tap| tap * s.dilation);
        // Beside the image it may wrap, as the kernel's own sum then does.
        let steps = [channel, y, x].into_iter().zip(strides.x);
        let offset = steps.fold(0u32, |at, (n, stride)| at.wrapping_add(n.wrapping_mul(stride)));
        [offset, y, x, 0]
    });
    products.flatten().collect()
}

/// Channel and tap of the k-th product: as the filters lie (KCRS), or pixel by pixel.
fn product(layer: &Layer, k: usize) -> (u32, u32) {
    let (k, taps) = (k as u32, layer.0.kernel_h * layer.0.kernel_w);
    match layer.0.layout {
        Layout::Nchw => (k / taps, k % taps),
        Layout::Nhwc => (k % layer.group_in() as u32, k / layer.group_in() as u32),
    }
}

/// The filters `w` (KCRS) as the kernels read them: for NHWC `[group][product][filter]`.
pub(super) fn filters(layer: &Layer, w: Arc<[f32]>) -> Arc<[f32]> {
    if layer.0.layout == Layout::Nchw {
        return w;
    }
    let (depth, filters) = (layer.depth(), layer.group_out());
    let taps = layer.0.kernel_h * layer.0.kernel_w;
    let value = |i: usize| {
        let (group, k, filter) = (i / (depth * filters), i / filters % depth, i % filters);
        let (channel, tap) = product(layer, k);
        w[(group * filters + filter) * depth + (channel * taps + tap) as usize]
    };
    (0..w.len()).map(value).collect()
}
