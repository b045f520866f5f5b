//! The layer as data for devices: vendor calls and our own kernels.

use std::sync::Arc;

use super::cpu::Way;
use super::geometry::Strides;
use super::input::Images;
use super::winograd::{SIDES, Winograd};
use super::{Layer, WINOGRAD, direct, mma, staged};
use crate::matmul::device::kernel;
use crate::recording::{
    Arg, BufferId, Command, CudaModule, Kernel, Layout, LibraryCall, Module, Recording, Role,
    WgslModule,
};
use crate::tiles::MAX_GRID;
use crate::work::{DeviceInfo, Implementation, Language, LibraryName, Tuning, Unsupported};

static CUDA: CudaModule = CudaModule {
    name: "convolution/implicit_gemm",
    source: include_str!("implicit_gemm.cu"),
    ptx: &[
        (70, include_str!("../ptx/convolution_implicit_gemm.sm_70.ptx")),
        (75, include_str!("../ptx/convolution_implicit_gemm.sm_75.ptx")),
        (80, include_str!("../ptx/convolution_implicit_gemm.sm_80.ptx")),
        (90, include_str!("../ptx/convolution_implicit_gemm.sm_90.ptx")),
    ],
};
static ROUND: WgslModule =
    WgslModule { name: "convolution/round", source: include_str!("round.wgsl"), features: &[] };
static WGSL: WgslModule = WgslModule {
    name: "convolution/implicit_gemm",
    source: include_str!("implicit_gemm.wgsl"),
    features: &[],
};

/// Blocks a compute unit should get, so that the large 128×128 tiles are worth it.
const BLOCKS_PER_UNIT: usize = 2;

/// Whether `implementation` can compute `layer` on `device`.
pub(super) fn supports(
    layer: &Layer,
    implementation: &Implementation,
    device: &DeviceInfo,
) -> Result<(), Unsupported> {
    let no = |reason: String| Err(Unsupported(reason));
    if implementation.name == WINOGRAD
        && let Err(reason) = Winograd::suits(layer)
    {
        return no(reason.into());
    }
    let copied = direct::most_copied(layer);
    if implementation.language == Language::Native && copied >= 1 << 31 {
        return no(format!(
            "a row of outputs reads {copied} values with its padding, more than 2^31; \
             give less padding or fewer channels"
        ));
    }
    let own = matches!(implementation.language, Language::Cuda | Language::Wgsl);
    if own && layer.group_in() > 1 {
        if layer.0.groups as usize > MAX_GRID {
            return no("groups exceed 65535 with more than one channel each".into());
        }
        let columns = layer.0.batch as usize * layer.positions();
        if implementation.language == Language::Wgsl && columns.div_ceil(64) > MAX_GRID {
            return no(format!("{columns} output positions exceed 65535 tiles of 64"));
        }
    }
    // Sums may be kept in f32.
    let largest = (layer.x_len().max(layer.w_len()) * layer.value_bytes()).max(layer.y_len() * 4);
    match device.max_buffer_bytes {
        Some(limit) if largest as u64 > limit => no(format!(
            "a buffer of {largest} bytes exceeds the largest buffer of {} ({limit} bytes)",
            device.id
        )),
        _ => Ok(()),
    }
}

/// What may be tried for `layer` on `device`.
pub(super) fn tunings(
    layer: &Layer,
    implementation: &Implementation,
    device: &DeviceInfo,
) -> Vec<Tuning> {
    match implementation.language {
        _ if implementation.name == WINOGRAD => {
            let tuning = |(index, side)| Tuning { name: format!("{side}x{side}"), index };
            SIDES.iter().enumerate().map(tuning).collect()
        }
        Language::Native => {
            let named = |(index, way): (usize, &Way)| Tuning { name: way.name().into(), index };
            Way::all(layer).iter().enumerate().map(named).collect()
        }
        Language::Cuda if staged::fits(layer, device) => staged::tunings(layer, device),
        Language::Cuda if mma::fits(layer, device) => mma::tunings(layer, device),
        _ => vec![Tuning::default()],
    }
}

/// The program for `language` on `device`.
pub(super) fn recording(
    images: &Images,
    language: Language,
    device: &DeviceInfo,
    tuning: &Tuning,
) -> Recording {
    let mut recording = Recording::default();
    let x = recording.upload("x", Role::Input, images.bytes(images.x.clone()));
    let layer = &images.layer;
    let (is_staged, is_mma) = (staged::fits(layer, device), mma::fits(layer, device));
    let w = match language {
        Language::Cuda if is_staged => staged::filters(layer, images.w.clone()),
        Language::Cuda if is_mma => mma::filters(layer, &images.w),
        Language::Library(LibraryName::OneDnn) => images.w.clone(),
        _ => as_the_images(layer, images.w.clone()),
    };
    let w = recording.upload("w", Role::Constant, images.bytes(w));
    let y_bytes = layer.y_len() * layer.value_bytes();
    let y = recording.buffer("y", Role::Output, y_bytes as u64);
    let operands = Operands { x, w, y };
    recording.commands = match language {
        Language::Library(name) => {
            recording.library = Some(name);
            vec![Command::Library(LibraryCall::Conv2d { shape: layer.0, x, w, y })]
        }
        Language::Cuda if is_staged => {
            staged::commands(layer, &operands, &mut recording, device, tuning)
        }
        Language::Cuda if is_mma => mma::commands(layer, &operands, &mut recording, device, tuning),
        Language::Wgsl if layer.is_bf16() => {
            let (sums, round) = rounded(&mut recording, Module::Wgsl(&ROUND), y, layer.y_len(), 1);
            vec![gathered(layer, &Operands { y: sums, ..operands }, language, device), round]
        }
        _ => vec![gathered(layer, &operands, language, device)],
    };
    recording
}

/// Where `parts` sums of the `values` of a bf16 result go as f32, and the launch of `module`'s kernel that
/// adds and rounds them into `y`.
pub(super) fn rounded(
    recording: &mut Recording,
    module: Module,
    y: BufferId,
    values: usize,
    parts: usize,
) -> (BufferId, Command) {
    let sums = recording.buffer("partial", Role::Scratch, (parts * values) as u64 * 4);
    // A shader, which stores whole words, makes two values an invocation.
    let blocks = values.div_ceil(if matches!(module, Module::Wgsl(_)) { 512 } else { 256 });
    let counts = [values, parts].map(|count| Arg::U32(count as u32));
    let round = Command::Dispatch {
        kernel: kernel(module, "convolution_round", 256, 0),
        grid: in_rows(blocks),
        args: [Arg::Read(sums), Arg::Write(y)].into_iter().chain(counts).collect(),
    };
    (sums, round)
}

/// A grid of at least so many blocks, which may be more than fit along one axis.
fn in_rows(blocks: usize) -> [u32; 3] {
    [blocks.min(MAX_GRID) as u32, blocks.div_ceil(MAX_GRID) as u32, 1]
}

/// The filters `w` (KCRS) in the order of the images: KRSC for NHWC, which is what cuDNN takes, and which
/// lets neighbouring products read neighbouring values.
fn as_the_images(layer: &Layer, w: Arc<[f32]>) -> Arc<[f32]> {
    if layer.0.layout == Layout::Nchw {
        return w;
    }
    let (depth, channels) = (layer.depth(), layer.group_in());
    let taps = depth / channels;
    let value = |i: usize| {
        let (filter, tap, channel) = (i / depth, i / channels % taps, i % channels);
        w[(filter * channels + channel) * taps + tap]
    };
    (0..w.len()).map(value).collect()
}

/// The buffers of a layer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Operands {
    pub x: BufferId,
    pub w: BufferId,
    pub y: BufferId,
}

/// One dispatch of the kernels that every device runs.
fn gathered(
    layer: &Layer,
    operands: &Operands,
    language: Language,
    device: &DeviceInfo,
) -> Command {
    let (kernel, grid) = kernel_and_grid(layer, language, device);
    let s = &layer.0;
    let sizes = [
        s.batch,
        s.c_in,
        s.height,
        s.width,
        s.c_out,
        s.kernel_h,
        s.kernel_w,
        s.stride,
        s.padding,
        s.dilation,
        s.groups,
        s.out_h(),
        s.out_w(),
    ];
    let strides = Strides::of(s);
    let products = match s.layout {
        Layout::Nchw => [s.kernel_h * s.kernel_w, 1],
        Layout::Nhwc => [1, layer.group_in() as u32],
    };
    let strides = strides.x.into_iter().chain(strides.y).chain(products);
    let buffers = [Arg::Read(operands.x), Arg::Read(operands.w), Arg::Write(operands.y)];
    let args = buffers.into_iter().chain(sizes.into_iter().chain(strides).map(Arg::U32)).collect();
    Command::Dispatch { kernel, grid, args }
}

/// Which kernel computes `layer`, and over how many blocks.
fn kernel_and_grid(layer: &Layer, language: Language, device: &DeviceInfo) -> (Kernel, [u32; 3]) {
    let module = match language {
        Language::Wgsl => Module::Wgsl(&WGSL),
        _ => Module::Cuda(&CUDA),
    };
    // A shader is told the type, CUDA has a kernel for each.
    let is_wgsl = language == Language::Wgsl;
    let kernel = |entry, threads| {
        let mut kernel = kernel(module.clone(), entry, threads, 0);
        if is_wgsl {
            kernel.overrides = vec![("is_bf16", f64::from(u8::from(layer.is_bf16())))];
        }
        kernel
    };
    let narrow = layer.is_bf16() && !is_wgsl;
    if layer.group_in() == 1 {
        let entry = if narrow { "convolution_bf16_depthwise" } else { "convolution_depthwise" };
        return (kernel(entry, 256), in_rows(layer.y_len().div_ceil(256)));
    }
    let columns = layer.0.batch as usize * layer.positions();
    let tiles = |tile: usize| [columns.div_ceil(tile), layer.group_out().div_ceil(tile)];
    let units = device.units();
    let groups = layer.0.groups as usize;
    let large = tiles(128).iter().product::<usize>() * groups >= BLOCKS_PER_UNIT * units;
    let (kernel, tile) = match language {
        Language::Wgsl => (kernel("convolution", 64), 64),
        _ if narrow => (kernel("convolution_bf16_64", 256), 64),
        // A tile of 128 filters would be half empty.
        _ if large && layer.group_out() > 64 => (kernel("convolution_128", 256), 128),
        _ => (kernel("convolution_64", 256), 64),
    };
    let [x, y] = tiles(tile);
    (kernel, [x, y, groups].map(|blocks| blocks as u32))
}
