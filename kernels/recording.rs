//! Device work as data: buffers with roles and the commands over them.
//!
//! A family writes a [`Recording`]; the backend of the device is its only interpreter.

use std::marker::PhantomData;
use std::sync::Arc;

use bytes::Bytes;

use crate::work::LibraryName;

/// Index into [`Recording::buffers`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BufferId(pub usize);

/// What a buffer is for: decides when it crosses the link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Uploaded for every execution.
    Input,
    /// Uploaded once (weights, tables); its upload is a one-off cost.
    Constant,
    /// Downloaded after every execution.
    Output,
    /// Lives on the device only.
    Scratch,
}

/// One device buffer. Sizes are rounded up to 4 bytes by the interpreter.
#[derive(Debug, Clone)]
pub struct Buffer {
    /// Name for messages.
    pub name: &'static str,
    /// What it is for.
    pub role: Role,
    /// Size in bytes.
    pub bytes: u64,
    /// Contents of an `Input` or `Constant`, at most `bytes` long; empty for other roles.
    pub data: Bytes,
    /// Output of variable length: the used byte count is the u32 at this index of that buffer.
    /// A count above `bytes` makes the interpreter double the buffer and run again, inside the
    /// timing; kernels must count on, but never write, past the end (capacity is passed by
    /// [`Arg::Capacity`]).
    pub used: Option<Used>,
}

/// Where the used length of a variable output stands after a run.
#[derive(Debug, Clone, Copy)]
pub struct Used {
    /// The buffer that holds the count.
    pub buffer: BufferId,
    /// Index in units of u32.
    pub index: u32,
}

/// An argument of a kernel, in the order of its declaration.
///
/// CUDA: a pointer or a scalar parameter. WGSL: buffers are bindings 0, 1, 2 … of group 0 in
/// order; all scalars together are one uniform struct of 4-byte fields, in order, bound at the
/// next free binding (omitted when there are none).
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Arg {
    /// A buffer the kernel only reads (`var<storage, read>`).
    Read(BufferId),
    /// A buffer the kernel writes (`var<storage, read_write>`).
    Write(BufferId),
    /// An unsigned scalar.
    U32(u32),
    /// A signed scalar.
    I32(i32),
    /// A float scalar.
    F32(f32),
    /// The present size in bytes of a buffer (it may have grown), as u32.
    Capacity(BufferId),
}

/// One device function and the source it stands in.
#[derive(Debug, Clone)]
pub struct Kernel {
    /// Source module.
    pub module: Module,
    /// Entry point.
    pub entry: &'static str,
    /// Threads of a block / invocations of a workgroup.
    pub block: [u32; 3],
    /// CUDA: dynamic shared memory in bytes.
    pub shared_bytes: u32,
    /// WGSL: values of `override` declarations.
    pub overrides: Vec<(&'static str, f64)>,
}

/// A compiled or compilable source.
#[derive(Debug, Clone)]
pub enum Module {
    /// CUDA C with committed PTX.
    Cuda(&'static CudaModule),
    /// WGSL text.
    Wgsl(&'static WgslModule),
}

/// A `.cu` file and the PTX that the pinned NVRTC made of it.
#[derive(Debug)]
pub struct CudaModule {
    /// `family/variant`, for example `matmul/tiled`: the stem of its files.
    pub name: &'static str,
    /// The CUDA C source (includes nothing but `device.h` and `tiles.h`).
    pub source: &'static str,
    /// (compute capability × 10, PTX text), ascending.
    pub ptx: &'static [(u32, &'static str)],
}

/// A `.wgsl` file.
#[derive(Debug)]
pub struct WgslModule {
    /// `family/variant`.
    pub name: &'static str,
    /// The shader text.
    pub source: &'static str,
    /// Device features it needs (names as in `DeviceInfo::features`), e.g. `shader-f16`.
    pub features: &'static [&'static str],
}

/// One step.
#[derive(Debug, Clone)]
pub enum Command {
    /// Launch `grid` blocks of a kernel.
    Dispatch {
        /// What runs.
        kernel: Kernel,
        /// Blocks in x, y, z; y and z at most 65,535 (WGSL: each at most 65,535).
        grid: [u32; 3],
        /// Its arguments.
        args: Vec<Arg>,
    },
    /// Fill a buffer with zero bytes.
    Clear(BufferId),
    /// Copy the first `bytes` of one buffer to the start of another.
    Copy {
        /// Source.
        from: BufferId,
        /// Destination.
        to: BufferId,
        /// Bytes to copy (a multiple of 4).
        bytes: u64,
    },
    /// A vendor call; the backend owns its workspace and handle.
    Library(LibraryCall),
}

/// Vendor calls that a backend may know.
#[derive(Debug, Clone)]
pub enum LibraryCall {
    /// `c[m×n] = a[m×k] · b[k×n]`, row major, `batch` products with contiguous strides.
    Gemm {
        /// Rows of a and c.
        m: u32,
        /// Columns of b and c.
        n: u32,
        /// Inner size.
        k: u32,
        /// Products.
        batch: u32,
        /// Type of a and b; c and the accumulator are f32.
        dtype: GemmType,
        /// Left operand.
        a: BufferId,
        /// Right operand.
        b: BufferId,
        /// Result.
        c: BufferId,
    },
    /// 2-D forward convolution (cross-correlation), images in and out and weights in the shape's type, images
    /// in its layout. Weights are KCRS, for cuDNN in the order of the images (KRSC for NHWC).
    Conv2d {
        /// The geometry.
        shape: ConvShape,
        /// Input images.
        x: BufferId,
        /// Weights.
        w: BufferId,
        /// Output images.
        y: BufferId,
    },
}

/// Operand types of a product or a convolution, whose sums are f32.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GemmType {
    /// IEEE f32 throughout (no TF32).
    F32,
    /// bf16 operands, f32 accumulate; a product's result is f32, a convolution's bf16.
    Bf16,
    /// f32 in memory that may be multiplied as TF32 (10 bits of mantissa); f32 accumulate and result.
    /// A device without TF32 multiplies it as f32.
    Tf32,
}

impl GemmType {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::F32, Self::Bf16, Self::Tf32];
    /// Their names in the key of a case, in the same order.
    pub const NAMES: [&str; 3] = ["f32", "bf16", "tf32"];

    /// Its name in the key of a case.
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }

    /// Bytes of one element of an operand.
    pub fn bytes(self) -> usize {
        match self {
            Self::F32 | Self::Tf32 => 4,
            Self::Bf16 => 2,
        }
    }
}

/// Geometry of a 2-D convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConvShape {
    /// Images.
    pub batch: u32,
    /// Input channels.
    pub c_in: u32,
    /// Input height.
    pub height: u32,
    /// Input width.
    pub width: u32,
    /// Output channels.
    pub c_out: u32,
    /// Filter height.
    pub kernel_h: u32,
    /// Filter width.
    pub kernel_w: u32,
    /// Step, both axes.
    pub stride: u32,
    /// Zero padding, both sides of both axes.
    pub padding: u32,
    /// Spacing of filter taps.
    pub dilation: u32,
    /// Channel groups; `c_in` and `c_out` are multiples.
    pub groups: u32,
    /// Order of the images' values, in and out.
    pub layout: Layout,
    /// Type of images, in and out, and of weights.
    pub dtype: GemmType,
}

/// Order of the values of images: `n` images, `c` channels, `h` rows, `w` columns, the last fastest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Plane after plane.
    Nchw,
    /// Channels of a pixel together.
    Nhwc,
}

impl ConvShape {
    /// Output height: `(height + 2·padding − dilation·(kernel_h − 1) − 1) / stride + 1`.
    pub fn out_h(&self) -> u32 {
        (self.height + 2 * self.padding - self.dilation * (self.kernel_h - 1) - 1) / self.stride + 1
    }

    /// Output width, by the same formula.
    pub fn out_w(&self) -> u32 {
        (self.width + 2 * self.padding - self.dilation * (self.kernel_w - 1) - 1) / self.stride + 1
    }
}

/// Makes the contents of all `Input` buffers, in their order, from the host's data.
pub type Pack = Arc<dyn Fn() -> Result<Vec<Bytes>, String> + Send + Sync>;
/// Turns the downloaded `Output` buffers, in their order, into the family's common outputs.
pub type Unpack = Arc<dyn Fn(Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>, String> + Send + Sync>;

/// Buffers and commands of one execution of a case on a device.
#[derive(Clone, Default)]
pub struct Recording {
    /// The buffers; ids index into this.
    pub buffers: Vec<Buffer>,
    /// The commands, in order; each sees the writes of those before it.
    pub commands: Vec<Command>,
    /// Which library answers the `Library` commands, where a device has several that could;
    /// `None` lets the backend take the first that can.
    pub library: Option<LibraryName>,
    /// Host work before the upload (parsing, packing); timed as part of end-to-end.
    pub pack: Option<Pack>,
    /// Host work after the download (file assembly, reordering); timed likewise.
    pub unpack: Option<Unpack>,
}

impl Recording {
    /// Adds a buffer and returns its id.
    pub fn buffer(&mut self, name: &'static str, role: Role, bytes: u64) -> BufferId {
        self.buffers.push(Buffer { name, role, bytes, data: Bytes::new(), used: None });
        BufferId(self.buffers.len() - 1)
    }

    /// Adds an `Input` or `Constant` buffer with its contents.
    pub fn upload(&mut self, name: &'static str, role: Role, data: Bytes) -> BufferId {
        let bytes = data.len() as u64;
        self.buffers.push(Buffer { name, role, bytes, data, used: None });
        BufferId(self.buffers.len() - 1)
    }

    /// Number of kernel launches and library calls in one execution.
    pub fn launches(&self) -> u32 {
        let launch = |c: &&Command| matches!(c, Command::Dispatch { .. } | Command::Library(_));
        self.commands.iter().filter(launch).count() as u32
    }
}

/// Typed data as shared bytes without a copy (little endian hosts only, which all targets are).
pub fn shared<T: bytemuck::NoUninit + Send>(data: impl AsRef<[T]> + Send + 'static) -> Bytes {
    struct Owner<T, D>(D, PhantomData<T>);
    impl<T: bytemuck::NoUninit, D: AsRef<[T]>> AsRef<[u8]> for Owner<T, D> {
        fn as_ref(&self) -> &[u8] {
            bytemuck::cast_slice(self.0.as_ref())
        }
    }
    Bytes::from_owner(Owner(data, PhantomData))
}
