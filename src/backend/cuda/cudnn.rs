//! Forward convolutions through cuDNN, planned once and enqueued many times.

use std::ffi::c_void;
use std::rc::Rc;

use breakeven_kernels::recording::{ConvShape, GemmType, Layout};
use cudarc::cudnn::{result, sys};

use super::driver::{Buffer, Context, Result, Stream};
use crate::backend::BackendError;

/// Most workspace that an algorithm may ask for.
const WORKSPACE_BYTES: usize = 1 << 30;

fn failed(context: &Context, what: &str) -> impl Fn(result::CudnnError) -> BackendError + use<> {
    let (device, what) = (context.id.clone(), what.to_owned());
    move |e| {
        let (device, message) = (device.clone(), format!("cuDNN could not {what}: {:?}", e.0));
        if e.0 == sys::cudnnStatus_t::CUDNN_STATUS_NOT_SUPPORTED {
            BackendError::Unsupported { device, message }
        } else {
            BackendError::Program { device, message }
        }
    }
}

/// The library's handle on a device.
pub(super) struct Handle {
    raw: sys::cudnnHandle_t,
    context: Rc<Context>,
}

impl Handle {
    /// Starts the library on the device.
    ///
    /// # Errors
    /// A library that is missing or refuses.
    pub(super) fn new(context: &Rc<Context>) -> Result<Rc<Self>> {
        context.bind()?;
        // SAFETY: opens the library by its well-known names; without it the calls below panic.
        if !unsafe { sys::is_culib_present() } {
            let message = "cuDNN was not found; `breakeven devices` says how to get it".into();
            return Err(BackendError::Unsupported { device: context.id.clone(), message });
        }
        let raw = result::create_handle().map_err(failed(context, "start"))?;
        Ok(Rc::new(Self { raw, context: Rc::clone(context) }))
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if self.context.bind().is_ok() {
            // SAFETY: created in `new`; plans hold the handle, so none is left.
            let _ = unsafe { result::destroy_handle(self.raw) };
        }
    }
}

struct Tensor(sys::cudnnTensorDescriptor_t);

impl Drop for Tensor {
    fn drop(&mut self) {
        // SAFETY: created in `Descriptors::new`, destroyed once.
        let _ = unsafe { result::destroy_tensor_descriptor(self.0) };
    }
}

struct Filter(sys::cudnnFilterDescriptor_t);

impl Drop for Filter {
    fn drop(&mut self) {
        // SAFETY: created in `Descriptors::new`, destroyed once.
        let _ = unsafe { result::destroy_filter_descriptor(self.0) };
    }
}

struct Geometry(sys::cudnnConvolutionDescriptor_t);

impl Drop for Geometry {
    fn drop(&mut self) {
        // SAFETY: created in `Descriptors::new`, destroyed once.
        let _ = unsafe { result::destroy_convolution_descriptor(self.0) };
    }
}

/// What cuDNN wants to know of a convolution: type and layout of the images, f32 sums.
struct Descriptors {
    x: Tensor,
    w: Filter,
    y: Tensor,
    geometry: Geometry,
    math: sys::cudnnMathType_t,
}

impl Descriptors {
    fn new(s: &ConvShape) -> std::result::Result<Self, result::CudnnError> {
        use sys::cudnnDataType_t::{CUDNN_DATA_BFLOAT16, CUDNN_DATA_FLOAT as F32};
        let (value, math) = match s.dtype {
            // Otherwise cuDNN may use TF32 for f32.
            GemmType::F32 => (F32, sys::cudnnMathType_t::CUDNN_FMA_MATH),
            GemmType::Tf32 => (F32, sys::cudnnMathType_t::CUDNN_DEFAULT_MATH),
            GemmType::Bf16 => (CUDNN_DATA_BFLOAT16, sys::cudnnMathType_t::CUDNN_TENSOR_OP_MATH),
        };
        let format = match s.layout {
            Layout::Nchw => sys::cudnnTensorFormat_t::CUDNN_TENSOR_NCHW,
            Layout::Nhwc => sys::cudnnTensorFormat_t::CUDNN_TENSOR_NHWC,
        };
        let int = |values: [u32; 4]| values.map(|v| v as i32);
        let d = Self {
            x: Tensor(result::create_tensor_descriptor()?),
            w: Filter(result::create_filter_descriptor()?),
            y: Tensor(result::create_tensor_descriptor()?),
            geometry: Geometry(result::create_convolution_descriptor()?),
            math,
        };
        let (pad, step, spacing) = (s.padding as i32, s.stride as i32, s.dilation as i32);
        // SAFETY: all four descriptors were just created.
        unsafe {
            let x = int([s.batch, s.c_in, s.height, s.width]);
            result::set_tensor4d_descriptor(d.x.0, format, value, x)?;
            let w = int([s.c_out, s.c_in / s.groups, s.kernel_h, s.kernel_w]);
            result::set_filter4d_descriptor(d.w.0, value, format, w)?;
            let y = int([s.batch, s.c_out, s.out_h(), s.out_w()]);
            result::set_tensor4d_descriptor(d.y.0, format, value, y)?;
            let mode = sys::cudnnConvolutionMode_t::CUDNN_CROSS_CORRELATION;
            let g = d.geometry.0;
            result::set_convolution2d_descriptor(
                g, pad, pad, step, step, spacing, spacing, mode, F32,
            )?;
            result::set_convolution_group_count(g, s.groups as i32)?;
            result::set_convolution_math_type(g, d.math)?;
        }
        Ok(d)
    }
}

/// A convolution with the algorithm the library's heuristic chose.
pub(super) struct Conv {
    handle: Rc<Handle>,
    descriptors: Descriptors,
    algorithm: sys::cudnnConvolutionFwdAlgo_t,
    /// Device memory an execution needs besides its operands.
    pub(super) workspace_bytes: u64,
}

impl Conv {
    /// Plans the convolution.
    ///
    /// # Errors
    /// A geometry that the library does not know.
    pub(super) fn plan(handle: &Rc<Handle>, shape: &ConvShape) -> Result<Self> {
        handle.context.bind()?;
        let error = failed(&handle.context, &format!("plan {shape:?}"));
        let descriptors = Descriptors::new(shape).map_err(&error)?;
        let (algorithm, bytes) = choose(handle, &descriptors).map_err(&error)?;
        let workspace_bytes = bytes as u64;
        Ok(Self { handle: Rc::clone(handle), descriptors, algorithm, workspace_bytes })
    }

    /// Enqueues the convolution of images `x` with weights `w`.
    ///
    /// # Errors
    /// What the library said.
    pub(super) fn enqueue(
        &self,
        stream: &Stream,
        [x, w, y]: [&Buffer; 3],
        workspace: Option<&Buffer>,
    ) -> Result<()> {
        let (one, zero) = (1f32, 0f32);
        let d = &self.descriptors;
        let pointer = |buffer: &Buffer| buffer.address as *mut c_void;
        // SAFETY: descriptors and algorithm belong together (`plan`); load checked the operands'
        // sizes; the scalars are read before the call returns.
        let enqueued = unsafe {
            result::set_stream(self.handle.raw, stream.raw.cast()).and_then(|()| {
                result::convolution_forward(
                    self.handle.raw,
                    std::ptr::from_ref(&one).cast(),
                    d.x.0,
                    pointer(x),
                    d.w.0,
                    pointer(w),
                    d.geometry.0,
                    self.algorithm,
                    workspace.map_or(std::ptr::null_mut(), pointer),
                    workspace.map_or(0, |w| w.bytes as usize),
                    std::ptr::from_ref(&zero).cast(),
                    d.y.0,
                    pointer(y),
                )
            })
        };
        enqueued.map_err(failed(&self.handle.context, "convolve"))
    }
}

/// The heuristic's best algorithm that keeps to f32 where that is asked for and fits the workspace.
/// Transforms with large constants (FFT, unfused Winograd) are left out: their error is not bounded by
/// the contract of a case.
fn choose(
    handle: &Handle,
    d: &Descriptors,
) -> std::result::Result<(sys::cudnnConvolutionFwdAlgo_t, usize), result::CudnnError> {
    use sys::cudnnConvolutionFwdAlgo_t as A;
    use sys::cudnnMathType_t::{
        CUDNN_FMA_MATH as FMA, CUDNN_TENSOR_OP_MATH_ALLOW_CONVERSION as CONVERTED,
    };
    const MOST: usize = A::CUDNN_CONVOLUTION_FWD_ALGO_COUNT as usize;
    let unset = sys::cudnnConvolutionFwdAlgoPerf_t {
        algo: A::CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_GEMM,
        status: sys::cudnnStatus_t::CUDNN_STATUS_NOT_SUPPORTED,
        time: 0.0,
        memory: 0,
        determinism: sys::cudnnDeterminism_t::CUDNN_NON_DETERMINISTIC,
        mathType: sys::cudnnMathType_t::CUDNN_DEFAULT_MATH,
        reserved: [0; 3],
    };
    let (mut found, mut results) = (0, [unset; MOST]);
    // SAFETY: all descriptors live; `results` has room for the number asked for.
    unsafe {
        result::get_convolution_forward_algorithm(
            handle.raw,
            d.x.0,
            d.w.0,
            d.geometry.0,
            d.y.0,
            MOST as i32,
            &mut found,
            results.as_mut_ptr(),
        )?;
    }
    let fits = |r: &&sys::cudnnConvolutionFwdAlgoPerf_t| {
        r.status == sys::cudnnStatus_t::CUDNN_STATUS_SUCCESS
            && (r.mathType == FMA || d.math != FMA && r.mathType != CONVERTED)
            && r.memory <= WORKSPACE_BYTES
            && !matches!(
                r.algo,
                A::CUDNN_CONVOLUTION_FWD_ALGO_FFT
                    | A::CUDNN_CONVOLUTION_FWD_ALGO_FFT_TILING
                    | A::CUDNN_CONVOLUTION_FWD_ALGO_WINOGRAD_NONFUSED
            )
    };
    let best = results[..(found.max(0) as usize).min(MOST)]
        .iter()
        .find(fits)
        .ok_or(result::CudnnError(sys::cudnnStatus_t::CUDNN_STATUS_NOT_SUPPORTED))?;
    // SAFETY: all descriptors live.
    let bytes = unsafe {
        // The heuristic's word is for an algorithm with the arithmetic that it names.
        result::set_convolution_math_type(d.geometry.0, best.mathType)?;
        result::get_convolution_forward_workspace_size(
            handle.raw,
            d.x.0,
            d.w.0,
            d.geometry.0,
            d.y.0,
            best.algo,
        )?
    };
    Ok((best.algo, bytes))
}
