//! oneDNN: products by its BLAS call and by its primitives, convolutions by its primitives.
//!
//! - `abi` is the C interface of versions 2 and 3, `objects` what is made through it as owned types,
//! - `convolution` and `matmul` try what the library offers for one case and keep the fastest.
#![expect(unsafe_code, reason = "calls C libraries through dlopen")]

use std::ffi::{c_char, c_int};
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::blas::{SetThreads, function, loaded, open};

mod abi;
mod convolution;
mod matmul;
mod objects;
#[cfg(test)]
mod tests;

use abi::Api;
pub(super) use abi::Context;
pub(super) use convolution::Convolution;
pub(super) use matmul::Matmul;

type DnnlSgemm = unsafe extern "C" fn(
    c_char,
    c_char,
    i64,
    i64,
    i64,
    f32,
    *const f32,
    i64,
    *const f32,
    i64,
    f32,
    *mut f32,
    i64,
) -> c_int;

/// An installed oneDNN.
pub(super) struct OneDnn {
    /// `2.6.0`
    pub(super) version: String,
    /// Of the OpenMP runtimes that may run its loops: the one it was built with, and Intel's, which
    /// takes that one's place in a process where MKL has loaded it. Empty where it cannot be told.
    pub(super) set_threads: Vec<SetThreads>,
    sgemm: DnnlSgemm,
    api: Api,
}

/// The head of oneDNN's `dnnl_version_t`, the same in versions 2 and 3.
#[repr(C)]
struct DnnlVersion {
    major: c_int,
    minor: c_int,
    patch: c_int,
}

impl OneDnn {
    /// The one that the system's linker finds, version 3 before 2.
    pub(super) fn open() -> Option<Self> {
        let library = open(&["libdnnl.so.3", "libdnnl.so.2", "libdnnl.so"])?;
        // SAFETY: types as in dnnl.h.
        let (sgemm, version) = unsafe {
            (
                function::<DnnlSgemm>(library, "dnnl_sgemm")?,
                function::<unsafe extern "C" fn() -> *const DnnlVersion>(library, "dnnl_version")?,
            )
        };
        // SAFETY: returns a pointer to a constant that begins with these fields.
        let DnnlVersion { major, minor, patch } = *unsafe { version().as_ref() }?;
        let api = Api::of(library, major)?;
        // Already loaded by oneDNN itself if that is its runtime; the second by MKL, if at all.
        let runtimes = [open(&["libgomp.so.1"]), loaded("libiomp5.so")];
        // SAFETY: type as in omp.h.
        let of = |runtime| unsafe { function::<SetThreads>(runtime, "omp_set_num_threads") };
        let set_threads = runtimes.into_iter().flatten().filter_map(of).collect();
        Some(Self { version: format!("{major}.{minor}.{patch}"), set_threads, sgemm, api })
    }

    /// `c[m×n] = a[m×k] · b[k×n]`, row major, by `dnnl_sgemm`.
    ///
    /// # Errors
    /// Slices of other lengths; the library's own failure.
    pub(super) fn sgemm(
        &self,
        [m, n, k]: [usize; 3],
        a: &[f32],
        b: &[f32],
        c: &mut [f32],
    ) -> Result<(), String> {
        if [a.len(), b.len(), c.len()] != [m * k, k * n, m * n] {
            return Err(format!("operands do not have the sizes of a {m}×{n}×{k} product"));
        }
        let (no, one, zero) = (b'N' as c_char, 1.0, 0.0);
        let [m, n, k] = [m, n, k].map(|size| size as i64);
        let (a, b, c) = (a.as_ptr(), b.as_ptr(), c.as_mut_ptr());
        // SAFETY: the lengths were checked above; oneDNN's sgemm is row major.
        let status = unsafe { (self.sgemm)(no, no, m, n, k, one, a, k, b, n, zero, c, n) };
        if status == 0 { Ok(()) } else { Err(format!("dnnl_sgemm returned {status}")) }
    }

    /// An engine and a stream for one session.
    ///
    /// # Errors
    /// What the library said.
    pub(super) fn context(&'static self) -> Result<Rc<Context>, String> {
        Context::new(&self.api).map_err(|e| e.to_string())
    }
}

/// Why there is no primitive for a case.
#[derive(Debug)]
pub(super) enum NoPrimitive {
    /// The library offers none on this processor.
    Unsupported(String),
    /// It failed.
    Failed(String),
}

impl From<abi::DnnlError> for NoPrimitive {
    fn from(error: abi::DnnlError) -> Self {
        if error.unimplemented() {
            Self::Unsupported(error.to_string())
        } else {
            Self::Failed(error.to_string())
        }
    }
}

/// Fewest and most executions of one candidate on trial, after a first one that warms up.
const TRIAL_RUNS: [u32; 2] = [2, 100];
/// Between them, a trial ends after so long: on a shared machine a few short executions tell little.
const TRIAL: Duration = Duration::from_millis(30);
/// Whose first execution takes longer than a trial and so many times the best so far is not tried
/// further: the library falls back to plain loops where it has no code for a geometry.
const HOPELESS: f64 = 8.0;

/// The least time of a few executions of `run`, in seconds; the first alone where that is hopeless
/// beside `best_s`.
///
/// # Errors
/// Those of `run`.
pub(super) fn on_trial<E>(best_s: f64, mut run: impl FnMut() -> Result<(), E>) -> Result<f64, E> {
    let mut once = || {
        let start = Instant::now();
        run().map(|()| start.elapsed().as_secs_f64())
    };
    let begin = Instant::now();
    let mut least_s = once()?;
    if least_s > TRIAL.as_secs_f64().max(HOPELESS * best_s) {
        return Ok(least_s);
    }
    for run in 0..TRIAL_RUNS[1] {
        least_s = least_s.min(once()?);
        if run + 1 >= TRIAL_RUNS[0] && begin.elapsed() > TRIAL {
            break;
        }
    }
    Ok(least_s)
}
