//! `mma.cu`: bf16 and TF32 layers on tensor cores; what it is given, and which of its tiles are worth a trial.

use std::sync::Arc;

use super::Layer;
use super::device::{Operands, rounded};
use super::geometry::Strides;
use crate::matmul::cuda::SUMS;
use crate::matmul::device::{kernel, sum_parts};
use crate::recording::{
    Arg, BufferId, Command, CudaModule, GemmType, Layout, Module, Recording, Role, shared,
};
use crate::tiles::{Extent, MAX_GRID, Plan, Tile, plans};
use crate::work::{DeviceInfo, Tuning};

static MODULE: CudaModule = CudaModule {
    name: "convolution/mma",
    source: include_str!("mma.cu"),
    ptx: &[(80, include_str!("../ptx/convolution_mma.sm_80.ptx"))],
};

/// Bytes that move together: channels of a pixel.
const PIECE_BYTES: usize = 16;

/// Three slabs of 64 bytes along the depth, each row filled up to 80.
const fn tile(entry: &'static str, rows: usize, columns: usize, tflop_per_s: f64) -> Tile {
    let shared_bytes = (3 * 80 * (rows + columns)) as u32;
    Tile { entry, rows, columns, slab: 32, shared_bytes, flop_per_s: tflop_per_s * 1e12 }
}

const fn tf32(entry: &'static str, rows: usize, columns: usize, tflop_per_s: f64) -> Tile {
    Tile { slab: 16, ..tile(entry, rows, columns, tflop_per_s) }
}

/// Filters × positions.
const PLANES: [Tile; 3] = [
    tile("convolution_bf16_128x128", 128, 128, 2.2),
    tile("convolution_bf16_64x128", 64, 128, 1.7),
    tile("convolution_bf16_128x256", 128, 256, 2.5),
];
const TF32_PLANES: [Tile; 2] = [
    tf32("convolution_tf32_128x128", 128, 128, 1.1),
    tf32("convolution_tf32_64x128", 64, 128, 0.9),
];
/// Positions × filters.
const PIXELS: [Tile; 3] = [
    tile("convolution_bf16_pixels_128x128", 128, 128, 2.2),
    tile("convolution_bf16_pixels_128x64", 128, 64, 1.7),
    tile("convolution_bf16_pixels_256x128", 256, 128, 2.5),
];
const TF32_PIXELS: [Tile; 2] = [
    tf32("convolution_tf32_pixels_128x128", 128, 128, 1.1),
    tf32("convolution_tf32_pixels_128x64", 128, 64, 0.9),
];

/// Values that move together.
fn piece(layer: &Layer) -> usize {
    PIECE_BYTES / layer.value_bytes()
}

/// Channels of a group, filled up to whole pieces.
fn padded(layer: &Layer) -> usize {
    layer.group_in().next_multiple_of(piece(layer))
}

/// Products of an output value, those with what fills up its channels included.
fn depth(layer: &Layer) -> usize {
    padded(layer) * taps_of(layer)
}

fn taps_of(layer: &Layer) -> usize {
    layer.0.kernel_h as usize * layer.0.kernel_w as usize
}

/// Pixels of all images.
fn pixels(layer: &Layer) -> usize {
    layer.0.batch as usize * layer.0.height as usize * layer.0.width as usize
}

/// Bytes of the images in the order of the kernels.
pub(super) fn turned_bytes(layer: &Layer) -> usize {
    pixels(layer) * layer.0.groups as usize * padded(layer) * layer.value_bytes()
}

/// Whether the images lie as the kernels read them.
fn in_place(layer: &Layer) -> bool {
    layer.0.layout == Layout::Nhwc && padded(layer) == layer.group_in()
}

/// Whether `device` runs the kernels and `layer` is one for them: no f32, filters over several channels.
pub(super) fn fits(layer: &Layer, device: &DeviceInfo) -> bool {
    let s = &layer.0;
    let channels = s.groups as usize * padded(layer);
    // Elements are indexed by u32.
    let indexed = |elements: usize| elements < 1 << 31;
    s.dtype != GemmType::F32
        && device.compute_capability.is_some_and(|capability| capability >= (8, 0))
        && layer.group_in() > 1
        // Rows and columns of pixels share a register.
        && s.height.max(s.width) + 2 * s.padding < 1 << 15
        && indexed(pixels(layer) * channels)
        && indexed(s.c_out as usize * depth(layer))
        && layer.group_out().div_ceil(64) <= MAX_GRID
        && channels.div_ceil(4 * piece(layer)) <= MAX_GRID
}

fn candidates(layer: &Layer, device: &DeviceInfo) -> Vec<Plan> {
    let positions = layer.0.batch as usize * layer.positions();
    let filters = layer.group_out();
    let (tiles, [rows, columns]): (&[Tile], _) = match (layer.0.layout, layer.is_bf16()) {
        (Layout::Nchw, true) => (&PLANES, [filters, positions]),
        (Layout::Nchw, false) => (&TF32_PLANES, [filters, positions]),
        (Layout::Nhwc, true) => (&PIXELS, [positions, filters]),
        (Layout::Nhwc, false) => (&TF32_PIXELS, [positions, filters]),
    };
    let batch = layer.0.groups as usize;
    plans(tiles, &Extent { rows, columns, depth: depth(layer), batch }, device)
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
    let Plan { tile, parts, depth: part } = *candidates.get(tuning.index).unwrap_or(&candidates[0]);
    let (x, turn) = turned(layer, operands.x, recording);
    let taps = recording.upload("taps", Role::Constant, shared(taps(layer)));
    let (out, sums) = match parts {
        1 => (operands.y, None),
        _ if !layer.is_bf16() => sum_parts(recording, SUMS, operands.y, layer.y_len(), parts),
        _ => {
            let module = Module::Cuda(&MODULE);
            let (out, sums) = rounded(recording, module, operands.y, layer.y_len(), parts);
            (out, Some(sums))
        }
    };
    let s = &layer.0;
    let sizes = [
        s.batch,
        s.groups * padded(layer) as u32,
        s.height,
        s.width,
        s.c_out,
        s.stride,
        s.padding,
        s.groups,
        s.out_h(),
        s.out_w(),
        depth(layer) as u32,
        part as u32,
    ];
    let buffers = [Arg::Read(x), Arg::Read(operands.w), Arg::Read(taps), Arg::Write(out)];
    // There may be more positions than blocks along y.
    let [places, filters] = match s.layout {
        Layout::Nchw => [tile.columns, tile.rows],
        Layout::Nhwc => [tile.rows, tile.columns],
    };
    let positions = s.batch as usize * layer.positions();
    let grid = [
        positions.div_ceil(places),
        layer.group_out().div_ceil(filters),
        parts * s.groups as usize,
    ];
    let dispatch = Command::Dispatch {
        kernel: kernel(Module::Cuda(&MODULE), tile.entry, 256, tile.shared_bytes),
        grid: grid.map(|blocks| blocks as u32),
        args: buffers.into_iter().chain(sizes.map(Arg::U32)).collect(),
    };
    turn.into_iter().chain([dispatch]).chain(sums).collect()
}

/// The images as the kernels read them, and the launch that brings them into that order.
fn turned(layer: &Layer, x: BufferId, recording: &mut Recording) -> (BufferId, Option<Command>) {
    if in_place(layer) {
        return (x, None);
    }
    let s = &layer.0;
    let (pixels, channels) = (pixels(layer), s.groups as usize * padded(layer));
    let turned = recording.buffer("pixels", Role::Scratch, turned_bytes(layer) as u64);
    let plane = s.height * s.width;
    let [x_channel, _, x_pixel] = Strides::of(s).x;
    let sizes = [pixels as u32, plane, s.c_in, s.groups, padded(layer) as u32, x_channel, x_pixel];
    let entry = if layer.is_bf16() { "convolution_bf16_pixels" } else { "convolution_tf32_pixels" };
    let turn = Command::Dispatch {
        kernel: kernel(Module::Cuda(&MODULE), entry, 256, 0),
        grid: [pixels.div_ceil(64), channels.div_ceil(4 * piece(layer)), 1]
            .map(|blocks| blocks as u32),
        args: [Arg::Read(x), Arg::Write(turned)].into_iter().chain(sizes.map(Arg::U32)).collect(),
    };
    (turned, Some(turn))
}

/// For each piece of the products of an output value, in the order that the kernel sums them: where its x
/// is from the position's first tap on (elements, rows, columns, unused).
fn taps(layer: &Layer) -> Arc<[u32]> {
    let (s, size) = (&layer.0, piece(layer));
    let pieces = padded(layer) / size;
    let channels = s.groups * padded(layer) as u32;
    let piece = |i: usize| {
        let (tap, piece) = ((i / pieces) as u32, (i % pieces * size) as u32);
        let [y, x] = [tap / s.kernel_w, tap % s.kernel_w].map(|tap| tap * s.dilation);
        // Beside the image it may wrap, as the kernel's own sum then does.
        let pixel = y.wrapping_mul(s.width).wrapping_add(x);
        [pixel.wrapping_mul(channels).wrapping_add(piece), y, x, 0]
    };
    (0..taps_of(layer) * pieces).flat_map(piece).collect()
}

/// The filters `w` (KCRS) as the kernels read them: `[filter][tap][channel]`, channels filled up with zeros.
pub(super) fn filters(layer: &Layer, w: &[f32]) -> Arc<[f32]> {
    let (taps, channels, padded) = (taps_of(layer), layer.group_in(), padded(layer));
    let value = |i: usize| {
        let (filter, tap, channel) = (i / (padded * taps), i / padded % taps, i % padded);
        if channel < channels { w[(filter * channels + channel) * taps + tap] } else { 0.0 }
    };
    (0..layer.0.c_out as usize * depth(layer)).map(value).collect()
}
