//! convolution: 2-D forward convolution (cross-correlation, as in neural networks), f32, TF32 or
//! bf16, NCHW or NHWC.

mod cpu;
mod depthwise;
mod device;
mod direct;
mod filters;
mod geometry;
mod input;
mod lanes;
#[cfg(target_arch = "x86_64")]
mod lanes_x86;
mod masked;
mod mma;
mod narrow;
mod patches;
mod reference;
mod staged;
mod stencil;
mod strip;
#[cfg(test)]
mod tests;
mod transform;
mod winograd;

use crate::params::{ParamReader, Params};
use crate::recording::{ConvShape, GemmType, Layout};
use crate::work::{
    Case, CaseError, DeviceInfo, Family, Files, Implementation, Input, Language, LibraryName,
    Unsupported, Work,
};

/// The family, for [`crate::FAMILIES`].
pub static CONVOLUTION: Convolution = Convolution;

/// y = x ∗ w.
pub struct Convolution;

const KNOWN: &[&str] = &[
    "dtype", "layout", "batch", "c_in", "height", "width", "c_out", "kernel", "kernel_h",
    "kernel_w", "stride", "padding", "dilation", "groups",
];
/// Elements of one operand; a device kernel indexes them by u32.
const MAX_ELEMENTS: u64 = 1 << 31;

/// Name of the implementation by transformed tiles.
const WINOGRAD: &str = "cpu/winograd";

static IMPLEMENTATIONS: &[Implementation] = &[
    Implementation {
        name: "cpu/simd",
        language: Language::Native,
        summary: "direct sums over tiles of positions and filters, or products over packed patches",
    },
    Implementation {
        name: WINOGRAD,
        language: Language::Native,
        summary: "Winograd's algorithm for 3 × 3 filters, tiles of 4 × 4 or 2 × 2 outputs",
    },
    Implementation {
        name: "cpu/onednn",
        language: Language::Library(LibraryName::OneDnn),
        summary: "direct or Winograd primitive of an installed oneDNN, in the fastest of its layouts",
    },
    Implementation {
        name: "cuda/implicit-gemm",
        language: Language::Cuda,
        summary: "matrix product, one operand gathered into shared memory; tensor cores for bf16, TF32",
    },
    Implementation {
        name: "cuda/cudnn",
        language: Language::Library(LibraryName::Cudnn),
        summary: "cuDNN forward convolution, TF32 off for f32",
    },
    Implementation {
        name: "vulkan/implicit-gemm",
        language: Language::Wgsl,
        summary: "matrix product whose right operand is gathered into workgroup memory",
    },
];

impl Family for Convolution {
    fn name(&self) -> &'static str {
        "convolution"
    }

    fn summary(&self) -> &'static str {
        "2-D forward convolution, f32, TF32 or bf16, NCHW or NHWC (stride, padding, dilation, groups)"
    }

    fn implementations(&self) -> &'static [Implementation] {
        IMPLEMENTATIONS
    }

    fn case(&self, params: &Params, _files: &dyn Files) -> Result<Box<dyn Case>, CaseError> {
        let reader = ParamReader::new("convolution", params, KNOWN)?;
        let dtype = reader.choice("dtype", &GemmType::NAMES, Some(0))?;
        let layout = reader.choice("layout", &["nchw", "nhwc"], Some(0))?;
        let size = |key: &str, default: Option<u32>| {
            reader.int(key, 1..=1 << 20, default.map(i64::from)).map(|v| v as u32)
        };
        let square = if reader.has("kernel") { Some(size("kernel", None)?) } else { None };
        if square.is_some() && (reader.has("kernel_h") || reader.has("kernel_w")) {
            return Err(reader
                .bad("kernel", "give either kernel, or kernel_h and kernel_w")
                .into());
        }
        if square.is_none() && !reader.has("kernel_h") && !reader.has("kernel_w") {
            size("kernel", None)?;
        }
        let shape = ConvShape {
            batch: size("batch", Some(1))?,
            c_in: size("c_in", None)?,
            height: size("height", None)?,
            width: size("width", None)?,
            c_out: size("c_out", None)?,
            kernel_h: size("kernel_h", square)?,
            kernel_w: size("kernel_w", square)?,
            stride: size("stride", Some(1))?,
            padding: reader.int("padding", 0..=1 << 10, Some(0))? as u32,
            dilation: reader.int("dilation", 1..=1 << 10, Some(1))? as u32,
            groups: size("groups", Some(1))?,
            layout: [Layout::Nchw, Layout::Nhwc][layout],
            dtype: GemmType::ALL[dtype],
        };
        check_shape(&reader, &shape)?;
        Ok(Box::new(Layer(shape)))
    }
}

/// Refuses geometries that have no output, that groups do not divide, or that are too large.
fn check_shape(reader: &ParamReader, s: &ConvShape) -> Result<(), CaseError> {
    for (key, channels) in [("c_in", s.c_in), ("c_out", s.c_out)] {
        if channels % s.groups != 0 {
            return Err(reader
                .bad(key, format!("must be a multiple of groups = {}", s.groups))
                .into());
        }
    }
    for (key, size, taps) in [("height", s.height, s.kernel_h), ("width", s.width, s.kernel_w)] {
        let span = u64::from(s.dilation) * (u64::from(taps) - 1) + 1;
        if span > u64::from(size + 2 * s.padding) {
            let hint = format!("the filter spans {span}, more than {key} + 2·padding");
            return Err(reader.bad(key, hint).into());
        }
    }
    let product = |sizes: &[u32]| sizes.iter().fold(1u64, |p, s| p.saturating_mul(u64::from(*s)));
    let x = product(&[s.batch, s.c_in, s.height, s.width]);
    let y = product(&[s.batch, s.c_out, s.out_h(), s.out_w()]);
    let w = product(&[s.c_out, s.c_in / s.groups, s.kernel_h, s.kernel_w]);
    for (key, elements) in [("height", x), ("c_out", y), ("c_out", w)] {
        if elements >= MAX_ELEMENTS {
            let hint = format!("makes an operand of {elements} elements; stay under 2^31");
            return Err(reader.bad(key, hint).into());
        }
    }
    Ok(())
}

/// One convolution layer: a case of the family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Layer(ConvShape);

impl Layer {
    /// Whether images and filters are bf16.
    fn is_bf16(&self) -> bool {
        self.0.dtype == GemmType::Bf16
    }

    /// Bytes of a value of images and filters.
    fn value_bytes(&self) -> usize {
        self.0.dtype.bytes()
    }

    /// Input values.
    fn x_len(&self) -> usize {
        let s = &self.0;
        s.batch as usize * s.c_in as usize * s.height as usize * s.width as usize
    }

    /// Output positions of one channel.
    fn positions(&self) -> usize {
        self.0.out_h() as usize * self.0.out_w() as usize
    }

    /// Output values.
    fn y_len(&self) -> usize {
        self.0.batch as usize * self.0.c_out as usize * self.positions()
    }

    /// Input channels that one filter sees.
    fn group_in(&self) -> usize {
        (self.0.c_in / self.0.groups) as usize
    }

    /// Filters of one group.
    fn group_out(&self) -> usize {
        (self.0.c_out / self.0.groups) as usize
    }

    /// Products summed for one output value.
    fn depth(&self) -> usize {
        self.group_in() * self.0.kernel_h as usize * self.0.kernel_w as usize
    }

    /// Weights.
    fn w_len(&self) -> usize {
        self.0.c_out as usize * self.depth()
    }

    /// Multiply–adds, padding counted as the field does.
    fn macs(&self) -> f64 {
        self.y_len() as f64 * self.depth() as f64
    }
}

impl Case for Layer {
    fn key(&self) -> String {
        let s = &self.0;
        let mut key = format!(
            "convolution dtype={} batch={} c_in={} height={} width={} c_out={}",
            s.dtype.name(),
            s.batch,
            s.c_in,
            s.height,
            s.width,
            s.c_out
        );
        key += &match (s.kernel_h, s.kernel_w) {
            (h, w) if h == w => format!(" kernel={h}"),
            (h, w) => format!(" kernel_h={h} kernel_w={w}"),
        };
        key += &format!(" stride={} padding={}", s.stride, s.padding);
        for (name, value) in [("dilation", s.dilation), ("groups", s.groups)] {
            if value > 1 {
                key += &format!(" {name}={value}");
            }
        }
        if s.layout == Layout::Nhwc {
            key += " layout=nhwc";
        }
        key
    }

    fn work(&self) -> Work {
        let flop = 2.0 * self.macs();
        let [x, w, y] =
            [self.x_len(), self.w_len(), self.y_len()].map(|len| (len * self.value_bytes()) as f64);
        Work {
            op_kind: self.0.dtype.into(),
            ops: flop,
            bytes_touched: x + w + y,
            bytes_in: x + w,
            bytes_constant: w,
            bytes_out: y,
            useful: flop,
            useful_unit: "FLOP".into(),
            items: f64::from(self.0.batch),
            item_unit: "image".into(),
        }
    }

    fn host_bytes(&self) -> u64 {
        let reference = if reference::is_full(self) { self.y_len() * 8 } else { 0 };
        // Results are copied once for the check, images once to cache lines; packed filters, and
        // those of Winograd's algorithm twice at first, with 36 values for 9.
        let filters = if winograd::Winograd::suits(self).is_ok() { 10 } else { 2 };
        let values = 2 * self.x_len() + filters * self.w_len() + 2 * self.y_len();
        // bf16 images lie there besides, results also as bytes and widened.
        let narrow = if self.is_bf16() { 2 * self.x_len() + 8 * self.y_len() } else { 0 };
        (values * 4 + narrow + reference) as u64
    }

    fn device_bytes(&self) -> u64 {
        let operands = (self.x_len() + self.w_len() + self.y_len()) * self.value_bytes();
        // Images for tensor cores may be brought into another order, sums of bf16 be kept in f32.
        let scratch = if self.0.dtype != GemmType::F32 {
            mma::turned_bytes(self).max(self.y_len() * 4)
        } else {
            0
        };
        (operands + scratch) as u64
    }

    fn supports(
        &self,
        implementation: &Implementation,
        device: &DeviceInfo,
    ) -> Result<(), Unsupported> {
        device::supports(self, implementation, device)
    }

    fn input(&self, seed: u64) -> Result<Box<dyn Input>, CaseError> {
        Ok(Box::new(input::Images::random(*self, seed)))
    }
}
