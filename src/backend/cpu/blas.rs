//! Matrix products by vendor libraries, opened at run time with dlopen and never unloaded.
#![expect(unsafe_code, reason = "calls C libraries through dlopen")]

use std::ffi::{CStr, c_char, c_int};
use std::sync::OnceLock;

use breakeven_kernels::recording::GemmType;
use breakeven_kernels::work::LibraryName;
use libloading::Library;

use super::onednn::OneDnn;
use crate::backend::Note;

/// `CblasRowMajor` and `CblasNoTrans` of every cblas header.
const ROW_MAJOR: c_int = 101;
const NO_TRANS: c_int = 111;

/// A product of cblas: f32 result, operands of type `T`.
type Cblas<T> = unsafe extern "C" fn(
    c_int,
    c_int,
    c_int,
    c_int,
    c_int,
    c_int,
    f32,
    *const T,
    c_int,
    *const T,
    c_int,
    f32,
    *mut f32,
    c_int,
);
type Sgemm = Cblas<f32>;
type Bf16Gemm = Cblas<u16>;
/// Takes the number of threads that calls may use.
pub(super) type SetThreads = unsafe extern "C" fn(c_int);

/// The libraries of this machine.
pub(super) struct Libraries {
    openblas: Option<OpenBlas>,
    mkl: Option<Mkl>,
    onednn: Option<OneDnn>,
    /// What was not found, and how to get it.
    pub notes: Vec<Note>,
}

struct OpenBlas {
    version: String,
    sgemm: Sgemm,
    set_threads: SetThreads,
}

struct Mkl {
    version: String,
    sgemm: Sgemm,
    bf16: Option<Bf16Gemm>,
    set_threads: SetThreads,
}

/// One product `c[m×n] = a[m×k] · b[k×n]`, row major; slices hold exactly that many elements.
pub(super) struct Product<'a> {
    pub m: usize,
    pub n: usize,
    pub k: usize,
    pub operands: Operands<'a>,
    pub c: &'a mut [f32],
}

/// The operands of a [`Product`].
pub(super) enum Operands<'a> {
    F32(&'a [f32], &'a [f32]),
    Bf16(&'a [u16], &'a [u16]),
}

impl Libraries {
    /// Opens them at the first call.
    pub(super) fn get() -> &'static Self {
        static LIBRARIES: OnceLock<Libraries> = OnceLock::new();
        LIBRARIES.get_or_init(|| {
            let (openblas, mkl, onednn) = (OpenBlas::open(), Mkl::open(), OneDnn::open());
            let missing = [
                (openblas.is_some(), "openblas", "install libopenblas0 (Debian, Ubuntu)"),
                (mkl.is_some(), "mkl", "install intel-oneapi-mkl and put libmkl_rt on the path"),
                (onednn.is_some(), "onednn", "install libdnnl3 or libdnnl2 (Debian, Ubuntu)"),
            ];
            let notes = missing.into_iter().filter(|(found, ..)| !found);
            let notes = notes.map(|(_, subject, next_step)| Note {
                subject: subject.to_owned(),
                message: "not found; the CPU is measured without it".to_owned(),
                next_step: Some(next_step.to_owned()),
            });
            let notes = notes.collect();
            Self { openblas, mkl, onednn, notes }
        })
    }

    /// Those found, in the order preferred.
    pub(super) fn found(&self) -> impl Iterator<Item = LibraryName> {
        let found = [
            (LibraryName::OpenBlas, self.openblas.is_some()),
            (LibraryName::Mkl, self.mkl.is_some()),
            (LibraryName::OneDnn, self.onednn.is_some()),
        ];
        found.into_iter().filter(|(_, found)| *found).map(|(name, _)| name)
    }

    /// `openblas 0.3.21`, …
    pub(super) fn versions(&self) -> Vec<String> {
        let openblas = self.openblas.as_ref().map(|l| format!("openblas {}", l.version));
        let mkl = self.mkl.as_ref().map(|l| format!("mkl {}", l.version));
        let onednn = self.onednn.as_ref().map(|l| format!("onednn {}", l.version));
        [openblas, mkl, onednn].into_iter().flatten().collect()
    }

    /// Whether `library` is here and multiplies `dtype`.
    pub(super) fn can(&self, library: LibraryName, dtype: GemmType) -> bool {
        match (library, dtype) {
            // A CPU has no TF32: its product of such operands is that of f32.
            (LibraryName::OpenBlas, GemmType::F32 | GemmType::Tf32) => self.openblas.is_some(),
            (LibraryName::Mkl, GemmType::F32 | GemmType::Tf32) => self.mkl.is_some(),
            (LibraryName::Mkl, GemmType::Bf16) => {
                self.mkl.as_ref().is_some_and(|l| l.bf16.is_some())
            }
            // Whether this processor has bf16 is known when a product is planned.
            (LibraryName::OneDnn, _) => self.onednn.is_some(),
            _ => false,
        }
    }

    /// Whether `library` is here and convolves f32.
    pub(super) fn convolves(&self, library: LibraryName) -> bool {
        library == LibraryName::OneDnn && self.onednn.is_some()
    }

    /// oneDNN, for what it does by its primitives.
    pub(super) fn onednn(&self) -> Option<&OneDnn> {
        self.onednn.as_ref()
    }

    /// Tells `library` how many threads the calls of this thread may use.
    pub(super) fn set_threads(&self, library: LibraryName, threads: u32) {
        let one = |set: Option<SetThreads>| set.into_iter().collect();
        let setters: Vec<SetThreads> = match library {
            LibraryName::OpenBlas => one(self.openblas.as_ref().map(|l| l.set_threads)),
            LibraryName::Mkl => one(self.mkl.as_ref().map(|l| l.set_threads)),
            LibraryName::OneDnn => {
                self.onednn.as_ref().map(|l| l.set_threads.clone()).unwrap_or_default()
            }
            LibraryName::CublasLt | LibraryName::Cudnn => Vec::new(),
        };
        for set in setters {
            // SAFETY: each takes one int by value and may be called at any time.
            unsafe { set(threads as c_int) }
        }
    }

    /// Computes `product` with `library`.
    ///
    /// # Errors
    /// A library or type that is not here ([`Libraries::can`]), or the library's own failure.
    pub(super) fn gemm(&self, library: LibraryName, product: Product<'_>) -> Result<(), String> {
        let Product { m, n, k, operands, c } = product;
        let (a_len, b_len) = match &operands {
            Operands::F32(a, b) => (a.len(), b.len()),
            Operands::Bf16(a, b) => (a.len(), b.len()),
        };
        if (a_len, b_len, c.len()) != (m * k, k * n, m * n) {
            return Err(format!("operands do not have the sizes of a {m}×{n}×{k} product"));
        }
        let int = |v: usize| c_int::try_from(v).map_err(|_| format!("{v} is beyond a C int"));
        let (mi, ni, ki) = (int(m)?, int(n)?, int(k)?);
        match (library, operands, &self.openblas, &self.mkl, &self.onednn) {
            (LibraryName::OpenBlas, Operands::F32(a, b), Some(OpenBlas { sgemm, .. }), ..)
            | (LibraryName::Mkl, Operands::F32(a, b), _, Some(Mkl { sgemm, .. }), _) => {
                // SAFETY: the lengths were checked above.
                unsafe { cblas(*sgemm, [mi, ni, ki], a, b, c) };
                Ok(())
            }
            (LibraryName::Mkl, Operands::Bf16(a, b), _, Some(Mkl { bf16: Some(gemm), .. }), _) => {
                // SAFETY: as above; bf16 operands are 16-bit patterns.
                unsafe { cblas(*gemm, [mi, ni, ki], a, b, c) };
                Ok(())
            }
            (LibraryName::OneDnn, Operands::F32(a, b), _, _, Some(onednn)) => {
                onednn.sgemm([m, n, k], a, b, c)
            }
            (library, ..) => Err(format!("{library:?} is not here or lacks this type")),
        }
    }
}

/// `c` = `a` · `b` by `gemm`.
///
/// # Safety
/// The slices must be as long as row-major matrices of these sizes (m, n, k) without gaps.
unsafe fn cblas<T>(gemm: Cblas<T>, [m, n, k]: [c_int; 3], a: &[T], b: &[T], c: &mut [f32]) {
    let (a, b, c) = (a.as_ptr(), b.as_ptr(), c.as_mut_ptr());
    let no = NO_TRANS;
    // SAFETY: the caller vouches for the lengths; cblas keeps no pointer.
    unsafe { gemm(ROW_MAJOR, no, no, m, n, k, 1.0, a, k, b, n, 0.0, c, n) }
}

/// The first of `names` that opens; kept until the process ends.
pub(super) fn open(names: &[&str]) -> Option<&'static Library> {
    names.iter().find_map(|name| {
        // SAFETY: the named libraries' initialisers have no requirements of their callers.
        let library = unsafe { Library::new(*name) }.ok()?;
        // Their threads may outlive any use, so unloading would be unsound.
        Some(&*Box::leak(Box::new(library)))
    })
}

/// The library `name` where this process has it already.
pub(super) fn loaded(name: &str) -> Option<&'static Library> {
    use libloading::os::unix;
    // SAFETY: with RTLD_NOLOAD nothing is loaded, so no initialiser runs.
    let library = unsafe { unix::Library::open(Some(name), unix::RTLD_LAZY | libc::RTLD_NOLOAD) };
    Some(&*Box::leak(Box::new(Library::from(library.ok()?))))
}

/// The function called `name`.
///
/// # Safety
/// `F` must be the function's type.
pub(super) unsafe fn function<F: Copy>(library: &'static Library, name: &str) -> Option<F> {
    // SAFETY: the caller vouches for the type; the library is never unloaded.
    unsafe { library.get::<F>(name.as_bytes()) }.ok().map(|symbol| *symbol)
}

impl OpenBlas {
    fn open() -> Option<Self> {
        let library = open(&["libopenblas.so.0", "libopenblas.so", "libopenblasp.so.0"])?;
        // SAFETY: types as in OpenBLAS's cblas.h with 32-bit integers.
        let (sgemm, set_threads, config) = unsafe {
            (
                function::<Sgemm>(library, "cblas_sgemm")?,
                function::<SetThreads>(library, "openblas_set_num_threads")?,
                function::<unsafe extern "C" fn() -> *const c_char>(
                    library,
                    "openblas_get_config",
                )?,
            )
        };
        // SAFETY: returns a constant C string.
        let config = unsafe { CStr::from_ptr(config()) }.to_string_lossy();
        if config.contains("USE64BITINT") {
            return None;
        }
        let mut words = config.split(' ');
        let version = words.by_ref().find(|w| w.starts_with(|c: char| c.is_ascii_digit()));
        let version = version.unwrap_or("of unknown version").to_owned();
        Some(Self { version, sgemm, set_threads })
    }
}

impl Mkl {
    fn open() -> Option<Self> {
        let library = open(&[
            "libmkl_rt.so.3",
            "libmkl_rt.so.2",
            "libmkl_rt.so.1",
            "libmkl_rt.so",
            "/opt/intel/oneapi/mkl/latest/lib/libmkl_rt.so",
            "/opt/intel/oneapi/mkl/latest/lib/intel64/libmkl_rt.so",
        ])?;
        // SAFETY: types as in mkl.h with 32-bit integers, the default interface.
        let (sgemm, bf16, set_threads, set_layer, print_version) = unsafe {
            (
                function::<Sgemm>(library, "cblas_sgemm")?,
                function::<Bf16Gemm>(library, "cblas_gemm_bf16bf16f32"),
                function::<SetThreads>(library, "MKL_Set_Num_Threads")?,
                function::<unsafe extern "C" fn(c_int) -> c_int>(
                    library,
                    "MKL_Set_Threading_Layer",
                )?,
                function::<unsafe extern "C" fn(*mut c_char, c_int)>(
                    library,
                    "MKL_Get_Version_String",
                )?,
            )
        };
        // MKL ends the process when its threading layer's runtime is missing: choose one that is
        // here, else no threads at all would be no fair baseline.
        const INTEL_LAYER: c_int = 0;
        const GNU_LAYER: c_int = 3;
        let layer = if open(&["libiomp5.so"]).is_some() {
            INTEL_LAYER
        } else if open(&["libgomp.so.1"]).is_some() {
            GNU_LAYER
        } else {
            return None;
        };
        let mut text = [0 as c_char; 200];
        // SAFETY: the layer is set before any computation; the buffer is as long as stated.
        unsafe {
            set_layer(layer);
            print_version(text.as_mut_ptr(), text.len() as c_int);
        }
        let text: Vec<u8> = text.iter().map(|c| *c as u8).take_while(|c| *c != 0).collect();
        let text = String::from_utf8_lossy(&text);
        let version = text.split(' ').find(|w| w.starts_with(|c: char| c.is_ascii_digit()));
        let version = version.unwrap_or("of unknown version").to_owned();
        Some(Self { version, sgemm, bf16, set_threads })
    }
}
