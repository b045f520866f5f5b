//! Matrix products through cuBLASLt, planned once and enqueued many times.

use std::ffi::c_void;
use std::rc::Rc;

use breakeven_kernels::recording::GemmType;
use cudarc::cublaslt::{result, sys};

use super::driver::{Buffer, Context, Result, Stream};
use crate::backend::BackendError;

/// Workspace that a plan may ask for, as NVIDIA advises for Hopper.
const WORKSPACE_BYTES: u64 = 32 << 20;

fn failed(context: &Context, what: &str) -> impl Fn(result::CublasError) -> BackendError + use<> {
    let (device, what) = (context.id.clone(), what.to_owned());
    move |e| {
        let (device, message) = (device.clone(), format!("cuBLASLt could not {what}: {:?}", e.0));
        if e.0 == sys::cublasStatus_t::CUBLAS_STATUS_NOT_SUPPORTED {
            BackendError::Unsupported { device, message }
        } else {
            BackendError::Program { device, message }
        }
    }
}

/// The library's handle on a device.
pub(super) struct Handle {
    raw: sys::cublasLtHandle_t,
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
            let message = "cuBLASLt was not found; `breakeven devices` says how to get it".into();
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

/// A matrix's type and shape, column major.
struct Layout(sys::cublasLtMatrixLayout_t);

impl Layout {
    /// `batch` matrices one after another, without gaps.
    fn new(
        kind: sys::cudaDataType,
        rows: u32,
        columns: u32,
        batch: u32,
    ) -> std::result::Result<Self, result::CublasError> {
        use sys::cublasLtMatrixLayoutAttribute_t as A;
        let raw = result::create_matrix_layout(kind, rows.into(), columns.into(), rows.into())?;
        let layout = Self(raw);
        let count = batch as i32;
        let stride = i64::from(rows) * i64::from(columns);
        // SAFETY: the attributes have these types (int32_t and int64_t) in cublasLt.h.
        unsafe {
            result::set_matrix_layout_attribute(
                raw,
                A::CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT,
                std::ptr::from_ref(&count).cast(),
                size_of_val(&count),
            )?;
            result::set_matrix_layout_attribute(
                raw,
                A::CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET,
                std::ptr::from_ref(&stride).cast(),
                size_of_val(&stride),
            )?;
        }
        Ok(layout)
    }
}

impl Drop for Layout {
    fn drop(&mut self) {
        // SAFETY: created in `new`, destroyed once.
        let _ = unsafe { result::destroy_matrix_layout(self.0) };
    }
}

struct Description(sys::cublasLtMatmulDesc_t);

impl Drop for Description {
    fn drop(&mut self) {
        // SAFETY: created in `Gemm::plan`, destroyed once.
        let _ = unsafe { result::destroy_matmul_desc(self.0) };
    }
}

struct Preference(sys::cublasLtMatmulPreference_t);

impl Drop for Preference {
    fn drop(&mut self) {
        // SAFETY: created in `choose`, destroyed once.
        let _ = unsafe { result::destroy_matmul_pref(self.0) };
    }
}

/// Shape of `batch` products c[m×n] = a[m×k]·b[k×n], row major.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    pub(super) m: u32,
    pub(super) n: u32,
    pub(super) k: u32,
    pub(super) batch: u32,
    pub(super) dtype: GemmType,
}

/// How the library may compute a product of `dtype` on a chip of `capability`: f32 stays IEEE f32, and
/// so does TF32 where there are no tensor cores for it.
fn compute_type(dtype: GemmType, capability: (u32, u32)) -> sys::cublasComputeType_t {
    match dtype {
        GemmType::Tf32 if capability >= (8, 0) => {
            sys::cublasComputeType_t::CUBLAS_COMPUTE_32F_FAST_TF32
        }
        GemmType::F32 | GemmType::Bf16 | GemmType::Tf32 => {
            sys::cublasComputeType_t::CUBLAS_COMPUTE_32F
        }
    }
}

/// A product with the algorithm the library's heuristic chose.
pub(super) struct Gemm {
    handle: Rc<Handle>,
    description: Description,
    left: Layout,
    right: Layout,
    out: Layout,
    algorithm: sys::cublasLtMatmulAlgo_t,
    /// Device memory an execution needs besides its operands.
    pub(super) workspace_bytes: u64,
}

impl Gemm {
    /// Plans the product for a chip of compute capability `capability`. The library is column major,
    /// where a row-major matrix is its own transpose: cᵀ[n×m] = bᵀ[n×k]·aᵀ[k×m], so b comes first.
    ///
    /// # Errors
    /// A shape or type that the library does not know.
    pub(super) fn plan(handle: &Rc<Handle>, shape: Shape, capability: (u32, u32)) -> Result<Self> {
        use sys::cudaDataType_t::{CUDA_R_16BF, CUDA_R_32F};
        let context = &handle.context;
        context.bind()?;
        let operand = match shape.dtype {
            GemmType::F32 | GemmType::Tf32 => CUDA_R_32F,
            GemmType::Bf16 => CUDA_R_16BF,
        };
        let Shape { m, n, k, batch, .. } = shape;
        let error = failed(context, "describe the product");
        let compute = compute_type(shape.dtype, capability);
        let description =
            Description(result::create_matmul_desc(compute, CUDA_R_32F).map_err(&error)?);
        let left = Layout::new(operand, n, k, batch).map_err(&error)?;
        let right = Layout::new(operand, k, m, batch).map_err(&error)?;
        let out = Layout::new(CUDA_R_32F, n, m, batch).map_err(&error)?;
        let chosen = choose(handle, &description, [&left, &right, &out])
            .map_err(failed(context, &format!("plan {shape:?}")))?;
        Ok(Self {
            handle: Rc::clone(handle),
            description,
            left,
            right,
            out,
            algorithm: chosen.algo,
            workspace_bytes: chosen.workspaceSize as u64,
        })
    }

    /// Enqueues the product on row-major operands.
    ///
    /// # Errors
    /// What the library said.
    pub(super) fn enqueue(
        &self,
        stream: &Stream,
        [a, b, c]: [&Buffer; 3],
        workspace: Option<&Buffer>,
    ) -> Result<()> {
        let (one, zero) = (1f32, 0f32);
        let pointer = |buffer: &Buffer| buffer.address as *mut c_void;
        // SAFETY: handle, description, layouts and algorithm belong together (`plan`); load
        // checked the operands' sizes; the scalars are read before the call returns.
        let enqueued = unsafe {
            result::matmul(
                self.handle.raw,
                self.description.0,
                std::ptr::from_ref(&one).cast(),
                std::ptr::from_ref(&zero).cast(),
                pointer(b),
                self.left.0,
                pointer(a),
                self.right.0,
                pointer(c),
                self.out.0,
                pointer(c),
                self.out.0,
                &self.algorithm,
                workspace.map_or(std::ptr::null_mut(), pointer),
                workspace.map_or(0, |w| w.bytes as usize),
                stream.raw.cast(),
            )
        };
        enqueued.map_err(failed(&self.handle.context, "multiply"))
    }
}

/// The heuristic's first choice.
fn choose(
    handle: &Handle,
    description: &Description,
    [left, right, out]: [&Layout; 3],
) -> std::result::Result<sys::cublasLtMatmulHeuristicResult_t, result::CublasError> {
    use sys::cublasLtMatmulPreferenceAttributes_t::CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES;
    let preference = Preference(result::create_matmul_pref()?);
    let limit = WORKSPACE_BYTES as usize;
    // SAFETY: the attribute is a size_t; all descriptors live through the call.
    unsafe {
        result::set_matmul_pref_attribute(
            preference.0,
            CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
            std::ptr::from_ref(&limit).cast(),
            size_of_val(&limit),
        )?;
        result::get_matmul_algo_heuristic(
            handle.raw,
            description.0,
            left.0,
            right.0,
            out.0,
            out.0,
            preference.0,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tf32_is_computed_in_tf32_and_only_where_chips_have_it() {
        use sys::cublasComputeType_t::{CUBLAS_COMPUTE_32F, CUBLAS_COMPUTE_32F_FAST_TF32};
        for (dtype, capability, expected) in [
            (GemmType::F32, (9, 0), CUBLAS_COMPUTE_32F),
            (GemmType::Bf16, (9, 0), CUBLAS_COMPUTE_32F),
            (GemmType::Tf32, (9, 0), CUBLAS_COMPUTE_32F_FAST_TF32),
            (GemmType::Tf32, (8, 0), CUBLAS_COMPUTE_32F_FAST_TF32),
            (GemmType::Tf32, (7, 5), CUBLAS_COMPUTE_32F),
        ] {
            assert_eq!(compute_type(dtype, capability), expected, "{dtype:?} on {capability:?}");
        }
    }
}
