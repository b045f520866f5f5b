//! The product as data for devices: vendor calls and our own kernels.

use super::Shape;
use super::input::Product;
use crate::recording::{
    Arg, BufferId, Command, CudaModule, GemmType, Kernel, LibraryCall, Module, Recording, Role,
    WgslModule,
};
use crate::work::{DeviceInfo, Implementation, Language, LibraryName, Unsupported};

static CUDA: CudaModule = CudaModule {
    name: "matmul/tiled",
    source: include_str!("tiled.cu"),
    ptx: &[
        (70, include_str!("../ptx/matmul_tiled.sm_70.ptx")),
        (75, include_str!("../ptx/matmul_tiled.sm_75.ptx")),
        (80, include_str!("../ptx/matmul_tiled.sm_80.ptx")),
        (90, include_str!("../ptx/matmul_tiled.sm_90.ptx")),
    ],
};
static WGSL_TILED: WgslModule =
    WgslModule { name: "matmul/tiled", source: include_str!("tiled.wgsl"), features: &[] };
static WGSL_ROWS: WgslModule =
    WgslModule { name: "matmul/rows", source: include_str!("rows.wgsl"), features: &[] };
static WGSL_SUM_PARTS: WgslModule =
    WgslModule { name: "matmul/sum_parts", source: include_str!("sum_parts.wgsl"), features: &[] };

/// Rows up to which B is streamed instead of tiled.
const FEW_ROWS: usize = 8;
/// Compute units of a device that does not say.
const COMPUTE_UNITS: usize = 128;
/// Blocks a compute unit should get, so that the large 128×128 tiles are worth it.
const BLOCKS_PER_UNIT: usize = 2;
/// Most workgroups along one axis (WGSL everywhere; CUDA along y and z).
const MAX_GRID: usize = 65_535;

/// Whether `implementation` can compute `shape` on `device`.
pub(super) fn supports(
    shape: &Shape,
    implementation: &Implementation,
    device: &DeviceInfo,
) -> Result<(), Unsupported> {
    let no = |reason: &str| Err(Unsupported(reason.into()));
    let bf16 = shape.dtype == GemmType::Bf16;
    let tiles = |size: usize| size.div_ceil(64);
    match implementation.language {
        Language::Native => return Ok(()),
        Language::Library(LibraryName::OpenBlas) if bf16 => {
            return no("OpenBLAS as distributed has no bf16 product");
        }
        Language::Library(LibraryName::OneDnn) if bf16 => {
            return no("oneDNN is called through its f32 BLAS interface, which has no bf16");
        }
        Language::Library(LibraryName::CublasLt)
            if bf16 && device.compute_capability.is_some_and(|c| c < (8, 0)) =>
        {
            return no("bf16 in cuBLASLt needs compute capability 8.0");
        }
        Language::Cuda if tiles(shape.m) > MAX_GRID => {
            return no("m exceeds 65535 tiles of 64 rows");
        }
        Language::Wgsl if tiles(shape.m).max(tiles(shape.n)) > MAX_GRID => {
            return no("m or n exceeds 65535 tiles of 64");
        }
        Language::Wgsl if shape.a_len().max(shape.b_len()).max(shape.c_len()) > 1 << 31 => {
            return no("an operand has more than 2^31 elements, which the shader cannot index");
        }
        _ => {}
    }
    if device.backend == "cpu" { Ok(()) } else { fits(shape, device) }
}

/// Whether every operand is a buffer that the device can bind.
fn fits(shape: &Shape, device: &DeviceInfo) -> Result<(), Unsupported> {
    let operand = shape.operand_bytes();
    let largest = (shape.a_len() * operand).max(shape.b_len() * operand).max(shape.c_len() * 4);
    match device.max_buffer_bytes {
        Some(limit) if largest as u64 > limit => Err(Unsupported(format!(
            "an operand of {largest} bytes exceeds the largest buffer of {} ({limit} bytes)",
            device.id
        ))),
        _ => Ok(()),
    }
}

/// The program for `language` on `device`.
pub(super) fn recording(product: &Product, language: Language, device: &DeviceInfo) -> Recording {
    let mut recording = Recording::default();
    let a = recording.upload("a", Role::Input, product.a.bytes());
    let b = recording.upload("b", Role::Constant, product.b.bytes());
    let c = recording.buffer("c", Role::Output, product.shape.c_len() as u64 * 4);
    let operands = Operands { shape: product.shape, a, b, c };
    recording.commands = match language {
        Language::Library(name) => {
            recording.library = Some(name);
            vec![operands.library()]
        }
        _ if product.shape.m <= FEW_ROWS => operands.few_rows(&mut recording, language, device),
        Language::Wgsl => vec![operands.wgsl_tiled()],
        _ => vec![operands.cuda_tiled(device)],
    };
    recording
}

/// A shape and the buffers of its operands.
struct Operands {
    shape: Shape,
    a: BufferId,
    b: BufferId,
    c: BufferId,
}

impl Operands {
    fn bf16(&self) -> bool {
        self.shape.dtype == GemmType::Bf16
    }

    /// Arguments of all kernels up to `k`.
    fn args(&self, out: BufferId) -> Vec<Arg> {
        let sizes = [self.shape.m, self.shape.n, self.shape.k].map(|size| Arg::U32(size as u32));
        [Arg::Read(self.a), Arg::Read(self.b), Arg::Write(out)].into_iter().chain(sizes).collect()
    }

    /// The vendor's product.
    fn library(&self) -> Command {
        let Shape { dtype, m, n, k, batch } = self.shape;
        let [m, n, k, batch] = [m, n, k, batch].map(|size| size as u32);
        let Self { a, b, c, .. } = *self;
        Command::Library(LibraryCall::Gemm { m, n, k, batch, dtype, a, b, c })
    }

    fn cuda_tiled(&self, device: &DeviceInfo) -> Command {
        let Shape { m, n, k, batch, .. } = self.shape;
        let blocks = |tile: usize| n.div_ceil(tile) * m.div_ceil(tile) * batch;
        let units = device.compute_units.map_or(COMPUTE_UNITS, |units| units as usize);
        let tensor_cores = device.compute_capability.is_some_and(|c| c >= (8, 0));
        let (entry, tile) = match (self.bf16(), tensor_cores) {
            (true, true) if n % 8 == 0 && k % 8 == 0 => ("matmul_bf16_mma", 128),
            (true, true) => ("matmul_bf16_mma_unaligned", 128),
            (true, false) => ("matmul_bf16_plain", 64),
            (false, _) if blocks(128) >= BLOCKS_PER_UNIT * units => ("matmul_f32_128", 128),
            (false, _) => ("matmul_f32_64", 64),
        };
        Command::Dispatch {
            kernel: kernel(Module::Cuda(&CUDA), entry, 256),
            grid: [n.div_ceil(tile), m.div_ceil(tile), batch].map(|blocks| blocks as u32),
            args: self.args(self.c),
        }
    }

    fn wgsl_tiled(&self) -> Command {
        let Shape { m, n, batch, .. } = self.shape;
        let mut kernel = kernel(Module::Wgsl(&WGSL_TILED), "matmul_tiled", 64);
        kernel.overrides = vec![("is_bf16", f64::from(u8::from(self.bf16())))];
        Command::Dispatch {
            kernel,
            grid: [n.div_ceil(64), m.div_ceil(64), batch].map(|groups| groups as u32),
            args: self.args(self.c),
        }
    }

    /// Streams B, in parts along k where there are fewer blocks than the device could run.
    fn few_rows(
        &self,
        recording: &mut Recording,
        language: Language,
        device: &DeviceInfo,
    ) -> Vec<Command> {
        let Shape { n, k, batch, .. } = self.shape;
        let values = self.shape.c_len();
        let units = device.compute_units.map_or(COMPUTE_UNITS, |units| units as usize);
        let blocks = n.div_ceil(64) * batch;
        // A part of fewer than 64 rows of B would not repay writing and adding its sums.
        let most = if values.div_ceil(256) > MAX_GRID { 1 } else { k.div_ceil(64) };
        let depth = k.div_ceil((4 * units).div_ceil(blocks).min(most));
        let parts = k.div_ceil(depth);
        let out = match parts {
            1 => self.c,
            _ => recording.buffer("partial", Role::Scratch, (parts * values) as u64 * 4),
        };
        let (rows, sum) = match language {
            Language::Wgsl => {
                let mut rows = kernel(Module::Wgsl(&WGSL_ROWS), "matmul_rows", 256);
                rows.overrides = vec![("is_bf16", f64::from(u8::from(self.bf16())))];
                (rows, kernel(Module::Wgsl(&WGSL_SUM_PARTS), "matmul_sum_parts", 256))
            }
            _ => {
                let entry = if self.bf16() { "matmul_bf16_rows" } else { "matmul_f32_rows" };
                let sum = kernel(Module::Cuda(&CUDA), "matmul_sum_parts", 256);
                (kernel(Module::Cuda(&CUDA), entry, 256), sum)
            }
        };
        let mut args = self.args(out);
        args.push(Arg::U32(depth as u32));
        let grid = [n.div_ceil(64), parts, batch].map(|blocks| blocks as u32);
        let mut commands = vec![Command::Dispatch { kernel: rows, grid, args }];
        if parts > 1 {
            let counts = [values, parts].map(|count| Arg::U32(count as u32));
            let buffers = [Arg::Read(out), Arg::Write(self.c)];
            commands.push(Command::Dispatch {
                kernel: sum,
                grid: [values.div_ceil(256) as u32, 1, 1],
                args: buffers.into_iter().chain(counts).collect(),
            });
        }
        commands
    }
}

fn kernel(module: Module, entry: &'static str, threads: u32) -> Kernel {
    Kernel { module, entry, block: [threads, 1, 1], shared_bytes: 0, overrides: Vec::new() }
}
