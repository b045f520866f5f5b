//! oneDNN's C functions, versions 2 and 3, as types that own what they point to.
//!
//! The two differ in how a layout and an operation are described: version 2 fills structures of the
//! caller, version 3 makes objects. Everything else, constants included, is the same.
#![expect(unsafe_code, reason = "calls oneDNN through its C interface")]

use std::ffi::{c_int, c_uint, c_void};
use std::rc::Rc;

use libloading::Library;

use crate::backend::cpu::blas::function;

/// An object of oneDNN.
pub(super) type Raw = *mut c_void;
/// The same where it is only read.
pub(super) type Read = *const c_void;
pub(super) type Status = c_int;
pub(super) type Destroy = unsafe extern "C" fn(Raw) -> Status;

// Values of dnnl_types.h, the same in both versions.
const ENGINE_CPU: c_int = 1;
const STREAM_DEFAULT: c_uint = 1;
pub(super) const INVALID: Status = 2;
pub(super) const UNIMPLEMENTED: Status = 3;

/// Functions by number: all that is used of the library.
pub(super) struct Api {
    pub(super) engine_create: unsafe extern "C" fn(*mut Raw, c_int, usize) -> Status,
    pub(super) engine_destroy: Destroy,
    pub(super) stream_create: unsafe extern "C" fn(*mut Raw, Raw, c_uint) -> Status,
    pub(super) stream_wait: unsafe extern "C" fn(Raw) -> Status,
    pub(super) stream_destroy: Destroy,
    pub(super) plan_destroy: Destroy,
    pub(super) query: unsafe extern "C" fn(Read, c_int, c_int, *mut c_void) -> Status,
    pub(super) query_layout: unsafe extern "C" fn(Read, c_int, c_int) -> Read,
    pub(super) layout_bytes: unsafe extern "C" fn(Read) -> usize,
    pub(super) layouts_equal: unsafe extern "C" fn(Read, Read) -> c_int,
    pub(super) reorder: unsafe extern "C" fn(*mut Raw, Read, Raw, Read, Raw, Read) -> Status,
    pub(super) primitive_create: unsafe extern "C" fn(*mut Raw, Read) -> Status,
    pub(super) primitive_execute: unsafe extern "C" fn(Read, Raw, c_int, *const Argument) -> Status,
    pub(super) primitive_destroy: Destroy,
    pub(super) memory_create: unsafe extern "C" fn(*mut Raw, Read, Raw, Raw) -> Status,
    pub(super) memory_set: unsafe extern "C" fn(Raw, Raw) -> Status,
    pub(super) memory_get: unsafe extern "C" fn(Read, *mut Raw) -> Status,
    pub(super) memory_destroy: Destroy,
    pub(super) described: Described,
}

/// How layouts and operations are described.
pub(super) enum Described {
    /// In structures of the caller.
    V2 {
        by_strides: unsafe extern "C" fn(Raw, c_int, *const i64, c_int, *const i64) -> Status,
        by_tag: unsafe extern "C" fn(Raw, c_int, *const i64, c_int, c_int) -> Status,
        convolution: unsafe extern "C" fn(
            Raw,
            c_int,
            c_int,
            Read,
            Read,
            Read,
            Read,
            *const i64,
            *const i64,
            *const i64,
            *const i64,
        ) -> Status,
        matmul: unsafe extern "C" fn(Raw, Read, Read, Read, Read) -> Status,
        plan: unsafe extern "C" fn(*mut Raw, Read, Read, Raw, Read) -> Status,
    },
    /// In objects of the library.
    V3 {
        by_strides: unsafe extern "C" fn(*mut Raw, c_int, *const i64, c_int, *const i64) -> Status,
        by_tag: unsafe extern "C" fn(*mut Raw, c_int, *const i64, c_int, c_int) -> Status,
        layout_destroy: Destroy,
        convolution: unsafe extern "C" fn(
            *mut Raw,
            Raw,
            c_int,
            c_int,
            Read,
            Read,
            Read,
            Read,
            *const i64,
            *const i64,
            *const i64,
            *const i64,
            Read,
        ) -> Status,
        matmul: unsafe extern "C" fn(*mut Raw, Raw, Read, Read, Read, Read, Read) -> Status,
    },
}

/// `dnnl_exec_arg_t`.
#[repr(C)]
pub(super) struct Argument {
    pub(super) index: c_int,
    pub(super) memory: Raw,
}

impl Api {
    /// The functions of `library`, whose version begins with `major`; `None` where it is neither 2
    /// nor 3 or lacks one of them.
    pub(super) fn of(library: &'static Library, major: c_int) -> Option<Self> {
        // SAFETY: types as in dnnl.h of versions 2.6 and 3.2; what is asked for by version differs
        // between them. Descriptions of version 2 are passed by pointers in both.
        unsafe {
            let described = match major {
                2 => Described::V2 {
                    by_strides: function(library, "dnnl_memory_desc_init_by_strides")?,
                    by_tag: function(library, "dnnl_memory_desc_init_by_tag")?,
                    convolution: function(library, "dnnl_dilated_convolution_forward_desc_init")?,
                    matmul: function(library, "dnnl_matmul_desc_init")?,
                    plan: function(library, "dnnl_primitive_desc_create")?,
                },
                3 => Described::V3 {
                    by_strides: function(library, "dnnl_memory_desc_create_with_strides")?,
                    by_tag: function(library, "dnnl_memory_desc_create_with_tag")?,
                    layout_destroy: function(library, "dnnl_memory_desc_destroy")?,
                    convolution: function(
                        library,
                        "dnnl_convolution_forward_primitive_desc_create",
                    )?,
                    matmul: function(library, "dnnl_matmul_primitive_desc_create")?,
                },
                _ => return None,
            };
            Some(Self {
                engine_create: function(library, "dnnl_engine_create")?,
                engine_destroy: function(library, "dnnl_engine_destroy")?,
                stream_create: function(library, "dnnl_stream_create")?,
                stream_wait: function(library, "dnnl_stream_wait")?,
                stream_destroy: function(library, "dnnl_stream_destroy")?,
                plan_destroy: function(library, "dnnl_primitive_desc_destroy")?,
                query: function(library, "dnnl_primitive_desc_query")?,
                query_layout: function(library, "dnnl_primitive_desc_query_md")?,
                layout_bytes: function(library, "dnnl_memory_desc_get_size")?,
                layouts_equal: function(library, "dnnl_memory_desc_equal")?,
                reorder: function(library, "dnnl_reorder_primitive_desc_create")?,
                primitive_create: function(library, "dnnl_primitive_create")?,
                primitive_execute: function(library, "dnnl_primitive_execute")?,
                primitive_destroy: function(library, "dnnl_primitive_destroy")?,
                memory_create: function(library, "dnnl_memory_create")?,
                memory_set: function(library, "dnnl_memory_set_data_handle")?,
                memory_get: function(library, "dnnl_memory_get_data_handle")?,
                memory_destroy: function(library, "dnnl_memory_destroy")?,
                described,
            })
        }
    }
}

/// What the library refused or failed at.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("oneDNN could not {doing}: {}", word(*.status))]
pub(in crate::backend::cpu) struct DnnlError {
    pub(super) doing: &'static str,
    pub(super) status: Status,
}

impl DnnlError {
    /// Whether the library has no such operation here: nothing failed.
    pub(super) fn unimplemented(&self) -> bool {
        self.status == UNIMPLEMENTED
    }
}

/// The name that dnnl_types.h gives a status.
fn word(status: Status) -> String {
    match status {
        1 => "out of memory".into(),
        INVALID => "invalid arguments".into(),
        UNIMPLEMENTED => "not implemented for this processor".into(),
        5 => "runtime error".into(),
        other => format!("status {other}"),
    }
}

pub(super) type Result<T> = std::result::Result<T, DnnlError>;

pub(super) fn done(status: Status, doing: &'static str) -> Result<()> {
    if status == 0 { Ok(()) } else { Err(DnnlError { doing, status }) }
}

/// What `make` put into its argument, owned.
pub(super) fn made(
    doing: &'static str,
    destroy: Destroy,
    context: Option<Rc<Context>>,
    make: impl FnOnce(*mut Raw) -> Status,
) -> Result<Handle> {
    let mut raw = std::ptr::null_mut();
    done(make(&mut raw), doing)?;
    Ok(Handle { raw, destroy, _context: context })
}

/// An object of the library, destroyed with this; its engine lives as long.
pub(super) struct Handle {
    pub(super) raw: Raw,
    destroy: Destroy,
    _context: Option<Rc<Context>>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: made by the library for this handle alone, destroyed once.
        unsafe { (self.destroy)(self.raw) };
    }
}

/// The CPU as oneDNN's engine, and the stream that its primitives run in.
pub(in crate::backend::cpu) struct Context {
    pub(super) api: &'static Api,
    // Destroyed before the engine: fields drop in this order.
    pub(super) stream: Handle,
    pub(super) engine: Handle,
}

impl Context {
    /// # Errors
    /// What the library said.
    pub(super) fn new(api: &'static Api) -> Result<Rc<Self>> {
        // SAFETY: out-pointers are valid for the calls; the stream gets the engine just made.
        let engine = made("make an engine", api.engine_destroy, None, |out| unsafe {
            (api.engine_create)(out, ENGINE_CPU, 0)
        })?;
        let stream = made("make a stream", api.stream_destroy, None, |out| {
            // SAFETY: as above.
            unsafe { (api.stream_create)(out, engine.raw, STREAM_DEFAULT) }
        })?;
        Ok(Rc::new(Self { api, stream, engine }))
    }
}
