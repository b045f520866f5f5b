//! The driver API behind owning types: context, stream, event, device and pinned memory, module.
//!
//! Every function makes the context current first: another device may have been used on this
//! thread since. Nothing here is `Send`, so a value stays on the thread that made it.

use std::cell::Cell;
use std::ffi::{CStr, CString, c_void};
use std::rc::Rc;

use cudarc::driver::{result, sys};

use crate::backend::BackendError;

pub(super) type Result<T> = std::result::Result<T, BackendError>;

/// A device's primary context, released on drop.
pub(super) struct Context {
    raw: sys::CUcontext,
    device: sys::CUdevice,
    /// The device's id, for messages.
    pub(super) id: String,
    /// Set once the driver reported an error that ends the context.
    lost: Cell<bool>,
}

impl Context {
    /// Retains the primary context of the device of this ordinal.
    ///
    /// # Errors
    /// What the driver said.
    pub(super) fn open(id: &str, ordinal: i32) -> Result<Rc<Self>> {
        let refuse = |e: result::DriverError| BackendError::NoDevice {
            id: id.to_owned(),
            reason: format!("the CUDA driver refuses it: {}", describe(e)),
        };
        let device = result::device::get(ordinal).map_err(refuse)?;
        // SAFETY: `device` comes from the driver; the context is released once, in drop.
        let raw = unsafe { result::primary_ctx::retain(device) }.map_err(refuse)?;
        let context = Self { raw, device, id: id.to_owned(), lost: Cell::new(false) };
        context.bind()?;
        Ok(Rc::new(context))
    }

    /// Makes this context current on the calling thread.
    ///
    /// # Errors
    /// A lost device.
    pub(super) fn bind(&self) -> Result<()> {
        if self.lost.get() {
            let message = "an earlier error ended its context".into();
            return Err(BackendError::DeviceLost { device: self.id.clone(), message });
        }
        // SAFETY: the context is retained until drop.
        let bound = unsafe { result::ctx::set_current(self.raw) };
        self.check("select the device", bound)
    }

    /// Turns a driver's error into ours, naming what was tried.
    ///
    /// # Errors
    /// The error that `result` holds.
    pub(super) fn check<T>(
        &self,
        what: &str,
        result: std::result::Result<T, result::DriverError>,
    ) -> Result<T> {
        result.map_err(|e| {
            let message = format!("could not {what}: {}", describe(e));
            if ends_context(e.0 as u32) {
                self.lost.set(true);
                return BackendError::DeviceLost { device: self.id.clone(), message };
            }
            BackendError::Program { device: self.id.clone(), message }
        })
    }

    /// Free and total device memory in bytes.
    ///
    /// # Errors
    /// A lost device.
    pub(super) fn memory(&self) -> Result<(u64, u64)> {
        self.bind()?;
        let (free, total) = self.check("read free memory", result::mem_get_info())?;
        Ok((free as u64, total as u64))
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: retained once in `open`. An error here has no one to go to.
        let _ = unsafe { result::primary_ctx::release(self.device) };
    }
}

/// Whether an error leaves the context unusable (cuda.h calls these "the process must be
/// terminated and relaunched"): faults of kernels, uncorrectable memory, links, lost contexts.
fn ends_context(code: u32) -> bool {
    matches!(code, 4 | 46 | 201 | 214 | 220 | 226 | 700 | 702 | 709 | 710 | 714..=719 | 999)
}

/// Name and explanation of a driver error.
pub(super) fn describe(e: result::DriverError) -> String {
    let name = e.error_name().map(CStr::to_string_lossy).unwrap_or_default();
    let text = e.error_string().map(CStr::to_string_lossy).unwrap_or_default();
    format!("{name} ({text})")
}

/// An ordered queue of device work.
pub(super) struct Stream {
    pub(super) raw: sys::CUstream,
    context: Rc<Context>,
}

impl Stream {
    /// A stream that does not wait for the default one.
    ///
    /// # Errors
    /// What the driver said.
    pub(super) fn new(context: &Rc<Context>) -> Result<Self> {
        context.bind()?;
        let raw = result::stream::create(result::stream::StreamKind::NonBlocking);
        let raw = context.check("create a stream", raw)?;
        Ok(Self { raw, context: Rc::clone(context) })
    }

    /// Waits until everything enqueued is done.
    ///
    /// # Errors
    /// A failure of anything enqueued before.
    pub(super) fn wait(&self) -> Result<()> {
        // SAFETY: the stream lives until drop.
        let done = unsafe { result::stream::synchronize(self.raw) };
        self.context.check("finish the work", done)
    }

    /// Enqueues a fill with 32-bit words.
    ///
    /// # Errors
    /// A lost device.
    pub(super) fn fill(&self, buffer: &Buffer, word: u32) -> Result<()> {
        // SAFETY: a buffer's size is a multiple of 4 bytes, all of which it owns.
        let filled = unsafe {
            sys::cuMemsetD32Async(buffer.address, word, buffer.bytes as usize / 4, self.raw)
        };
        self.context.check("fill a buffer", filled.result())
    }

    /// Enqueues a copy of the first `bytes` of `from` to the start of `to`.
    ///
    /// # Errors
    /// A lost device.
    pub(super) fn copy(&self, to: &Buffer, from: &Buffer, bytes: u64) -> Result<()> {
        // SAFETY: load checked that `bytes` fits both (`plan::check`).
        let copied = unsafe {
            result::memcpy_dtod_async(to.address, from.address, bytes as usize, self.raw)
        };
        self.context.check("copy between buffers", copied)
    }

    /// Enqueues an upload to byte `offset` of `to`.
    ///
    /// # Errors
    /// Data that do not fit; a lost device.
    ///
    /// # Safety
    /// `data` stays valid and unchanged until the stream has been waited for.
    pub(super) unsafe fn upload(&self, to: &Buffer, offset: u64, data: &[u8]) -> Result<()> {
        if offset + data.len() as u64 > to.bytes {
            let message = format!("{} bytes at {offset} for a buffer of {}", data.len(), to.bytes);
            return Err(BackendError::Run(message));
        }
        if data.is_empty() {
            return Ok(());
        }
        // SAFETY: it fits (above); the caller keeps `data`.
        let copied = unsafe { result::memcpy_htod_async(to.address + offset, data, self.raw) };
        self.context.check("upload", copied)
    }

    /// Enqueues a download of `data.len()` bytes from byte `offset` of `from`.
    ///
    /// # Errors
    /// A range outside the buffer; a lost device.
    ///
    /// # Safety
    /// Nobody touches `data` until the stream has been waited for.
    pub(super) unsafe fn download(
        &self,
        data: &mut [u8],
        from: &Buffer,
        offset: u64,
    ) -> Result<()> {
        if offset + data.len() as u64 > from.bytes {
            let message =
                format!("{} bytes from {offset} of a buffer of {}", data.len(), from.bytes);
            return Err(BackendError::Run(message));
        }
        if data.is_empty() {
            return Ok(());
        }
        // SAFETY: the range is inside the buffer (above); the caller keeps `data`.
        let copied = unsafe { result::memcpy_dtoh_async(data, from.address + offset, self.raw) };
        self.context.check("download", copied)
    }

    /// Enqueues a kernel with arguments in 8-byte slots.
    ///
    /// # Errors
    /// What the driver said of the launch.
    pub(super) fn launch(&self, function: &Function, launch: &super::args::Launch) -> Result<()> {
        let mut pointers = [std::ptr::null_mut::<c_void>(); super::args::MAX_ARGS];
        for (pointer, slot) in pointers.iter_mut().zip(&launch.slots) {
            *pointer = std::ptr::from_ref(slot).cast_mut().cast();
        }
        let [gx, gy, gz] = launch.grid;
        let [bx, by, bz] = launch.block;
        // SAFETY: the slots hold what the Recording says; that this matches the kernel's
        // declaration is proved by the host shim for every recording of the conformance test.
        // The driver copies the slots before it returns.
        let launched = unsafe {
            result::launch_kernel(
                function.raw,
                (gx, gy, gz),
                (bx, by, bz),
                launch.shared_bytes,
                self.raw,
                &mut pointers[..launch.slots.len()],
            )
        };
        self.context.check(&format!("launch {}", function.name), launched)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if self.context.bind().is_ok() {
            // SAFETY: created in `new`, not used again; work under way finishes by itself, and
            // buffers are freed only after a wait (`Slot::drop`).
            let _ = unsafe { result::stream::destroy(self.raw) };
        }
    }
}

/// A point in a stream, with its time.
pub(super) struct Event {
    raw: sys::CUevent,
    context: Rc<Context>,
}

impl Event {
    /// An event with timing.
    ///
    /// # Errors
    /// What the driver said.
    pub(super) fn new(context: &Rc<Context>) -> Result<Self> {
        Self::with(context, sys::CUevent_flags::CU_EVENT_DEFAULT)
    }

    /// An event to wait for, which costs less.
    ///
    /// # Errors
    /// What the driver said.
    pub(super) fn untimed(context: &Rc<Context>) -> Result<Self> {
        Self::with(context, sys::CUevent_flags::CU_EVENT_DISABLE_TIMING)
    }

    fn with(context: &Rc<Context>, flags: sys::CUevent_flags) -> Result<Self> {
        context.bind()?;
        let raw = context.check("create an event", result::event::create(flags))?;
        Ok(Self { raw, context: Rc::clone(context) })
    }

    /// Waits until the place that was marked last has been reached.
    ///
    /// # Errors
    /// A failure of anything enqueued before it.
    pub(super) fn wait(&self) -> Result<()> {
        // SAFETY: the event lives until drop.
        let reached = unsafe { result::event::synchronize(self.raw) };
        self.context.check("finish the work", reached)
    }

    /// Marks the present end of `stream`.
    ///
    /// # Errors
    /// A lost device.
    pub(super) fn record(&self, stream: &Stream) -> Result<()> {
        // SAFETY: both live and belong to one context.
        let recorded = unsafe { result::event::record(self.raw, stream.raw) };
        self.context.check("record an event", recorded)
    }

    /// Seconds from `earlier` to this event; both must have been reached.
    ///
    /// # Errors
    /// A lost device.
    pub(super) fn seconds_since(&self, earlier: &Event) -> Result<f64> {
        // SAFETY: both live and were recorded.
        let elapsed_ms = unsafe { result::event::elapsed(earlier.raw, self.raw) };
        Ok(f64::from(self.context.check("read an event", elapsed_ms)?) * 1e-3)
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        if self.context.bind().is_ok() {
            // SAFETY: created in `new`, not used again.
            let _ = unsafe { result::event::destroy(self.raw) };
        }
    }
}

/// Device memory.
pub(super) struct Buffer {
    pub(super) address: sys::CUdeviceptr,
    /// A multiple of 4, at least 4.
    pub(super) bytes: u64,
    context: Rc<Context>,
}

impl Buffer {
    /// Allocates `bytes`, rounded up to 4.
    ///
    /// # Errors
    /// [`BackendError::OutOfMemory`] with what is free.
    pub(super) fn new(context: &Rc<Context>, bytes: u64) -> Result<Self> {
        context.bind()?;
        let bytes = super::args::rounded(bytes);
        // SAFETY: freed once, in drop.
        match unsafe { result::malloc_sync(bytes as usize) } {
            Ok(address) => Ok(Self { address, bytes, context: Rc::clone(context) }),
            Err(e) if e.0 == sys::CUresult::CUDA_ERROR_OUT_OF_MEMORY => {
                Err(BackendError::OutOfMemory {
                    device: context.id.clone(),
                    needed_bytes: bytes,
                    available_bytes: context.memory().map_or(0, |(free, _)| free),
                })
            }
            Err(e) => context.check("allocate memory", Err(e)),
        }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if self.context.bind().is_ok() {
            // SAFETY: allocated in `new`, not used again: whoever holds buffers waits for their
            // stream first (`Slot::drop`).
            let _ = unsafe { result::free_sync(self.address) };
        }
    }
}

/// Page-locked host memory, which copies can overlap with work.
pub(super) struct Pinned {
    start: *mut u8,
    bytes: usize,
    context: Rc<Context>,
}

impl Pinned {
    /// Allocates `bytes`, zeroed. Not write-combined: the host reads results from it, and reading
    /// such memory is slower by far.
    ///
    /// # Errors
    /// No page-locked memory left.
    pub(super) fn new(context: &Rc<Context>, bytes: u64) -> Result<Self> {
        context.bind()?;
        let bytes = super::args::rounded(bytes) as usize;
        // SAFETY: freed once, in drop.
        let start = unsafe { result::malloc_host(bytes, 0) };
        let start =
            context.check(&format!("lock {bytes} bytes of host memory"), start)?.cast::<u8>();
        // SAFETY: just allocated with this size.
        unsafe { std::ptr::write_bytes(start, 0, bytes) };
        Ok(Self { start, bytes, context: Rc::clone(context) })
    }

    /// The bytes of `range`; the caller has waited for copies into it.
    pub(super) fn piece(&self, range: std::ops::Range<usize>) -> &[u8] {
        assert!(range.start <= range.end && range.end <= self.bytes, "{range:?}");
        // SAFETY: allocated and zeroed in `new`, owned until drop; the range is inside. Copies into
        // other ranges may be under way: the slice does not reach them.
        unsafe { std::slice::from_raw_parts(self.start.add(range.start), range.len()) }
    }

    /// Its contents; the caller has waited for copies into or out of it.
    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: allocated and zeroed in `new`, owned until drop.
        unsafe { std::slice::from_raw_parts_mut(self.start, self.bytes) }
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        if self.context.bind().is_ok() {
            // SAFETY: allocated in `new`, not used again (see `Buffer`).
            let _ = unsafe { result::free_host(self.start.cast()) };
        }
    }
}

/// PTX compiled by the driver for this chip.
pub(super) struct Module {
    raw: sys::CUmodule,
    context: Rc<Context>,
}

/// A kernel of a module; lives as long as its device keeps the module.
pub(super) struct Function {
    raw: sys::CUfunction,
    /// Entry name, for messages.
    pub(super) name: &'static str,
    _module: Rc<Module>,
}

impl Module {
    /// Compiles PTX.
    ///
    /// # Errors
    /// The driver's compiler messages.
    pub(super) fn new(context: &Rc<Context>, name: &str, ptx: &str) -> Result<Rc<Self>> {
        context.bind()?;
        let problem = |message: String| BackendError::Program {
            device: context.id.clone(),
            message: format!("{name}: {message}"),
        };
        let text = CString::new(ptx).map_err(|e| problem(e.to_string()))?;
        let mut log = vec![0u8; 8192];
        let mut options = [
            sys::CUjit_option::CU_JIT_ERROR_LOG_BUFFER,
            sys::CUjit_option::CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES,
        ];
        // The size is passed in the pointer itself.
        let mut values: [*mut c_void; 2] =
            [log.as_mut_ptr().cast(), std::ptr::without_provenance_mut(log.len())];
        let mut raw = std::ptr::null_mut();
        // SAFETY: the image ends with a zero byte; options and values are two each, and the log
        // buffer has the size given.
        let loaded = unsafe {
            sys::cuModuleLoadDataEx(
                &mut raw,
                text.as_ptr().cast(),
                options.len() as u32,
                options.as_mut_ptr(),
                values.as_mut_ptr(),
            )
        };
        match loaded.result() {
            Ok(()) => Ok(Rc::new(Self { raw, context: Rc::clone(context) })),
            Err(e) if ends_context(e.0 as u32) => context.check("load a module", Err(e)),
            Err(e) => {
                let log = CStr::from_bytes_until_nul(&log).unwrap_or_default().to_string_lossy();
                Err(problem(format!("{}; {}", describe(e), log.trim())))
            }
        }
    }

    /// Looks up a kernel and allows it `shared_bytes` of dynamic shared memory.
    ///
    /// # Errors
    /// A name that the module lacks, or more shared memory than a block may have.
    pub(super) fn function(
        self: &Rc<Self>,
        name: &'static str,
        shared_bytes: u32,
    ) -> Result<Function> {
        self.context.bind()?;
        let c_name = CString::new(name).map_err(|e| BackendError::Run(e.to_string()))?;
        // SAFETY: the module is loaded as long as `self` lives, which the function holds.
        let raw = unsafe { result::module::get_function(self.raw, c_name) };
        let raw = self.context.check(&format!("find kernel {name}"), raw)?;
        // 48 KiB need no permission.
        if shared_bytes > 48 << 10 {
            let attribute =
                sys::CUfunction_attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
            // SAFETY: `raw` is a function of a loaded module.
            let set = unsafe {
                result::function::set_function_attribute(raw, attribute, shared_bytes as i32)
            };
            self.context
                .check(&format!("give {name} {shared_bytes} bytes of shared memory"), set)?;
        }
        Ok(Function { raw, name, _module: Rc::clone(self) })
    }
}

impl Drop for Module {
    fn drop(&mut self) {
        if self.context.bind().is_ok() {
            // SAFETY: loaded in `new`; no function of it is left (they hold the module).
            let _ = unsafe { result::module::unload(self.raw) };
        }
    }
}
