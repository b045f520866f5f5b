//! oneDNN's tensors, operations and memory as owned types.
#![expect(unsafe_code, reason = "calls oneDNN through its C interface")]

use std::ffi::{CStr, c_char, c_int};
use std::marker::PhantomData;
use std::rc::Rc;

use super::abi::{
    Argument, Context, Described, DnnlError, Handle, INVALID, Raw, Read, Result, Status,
    UNIMPLEMENTED, done, made,
};

/// Most dimensions of a tensor (`DNNL_MAX_NDIMS`).
const MOST_DIMENSIONS: usize = 12;
type Dims = [i64; MOST_DIMENSIONS];

// Values of dnnl_types.h, the same in both versions.
const TAG_ANY: c_int = 1;
const FORWARD_INFERENCE: c_int = 96;
const QUERY_NAME: c_int = 8;
/// `DNNL_MEMORY_ALLOCATE`: the library makes the memory, as wide as the layout with its padding.
const ALLOCATE: usize = usize::MAX;

/// Room for version 2's `dnnl_memory_desc_t`: 696 bytes in 2.6.
type LayoutRoom = Room<4096>;
/// Room for its `dnnl_convolution_desc_t` (5976 bytes in 2.6) and `dnnl_matmul_desc_t` (2800).
type OperationRoom = Room<32768>;

/// Bytes that only the library looks into.
#[repr(C, align(64))]
pub(super) struct Room<const BYTES: usize>([u8; BYTES]);

impl<const BYTES: usize> Room<BYTES> {
    fn new() -> Box<Self> {
        Box::new(Self([0; BYTES]))
    }

    fn raw(&mut self) -> Raw {
        std::ptr::from_mut(self).cast()
    }
}

/// Types of elements, as in dnnl_types.h.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(i32)]
pub(super) enum Element {
    Bf16 = 2,
    F32 = 3,
}

/// Sizes, type and strides of a tensor; made by us.
pub(super) enum Tensor {
    V2(Box<LayoutRoom>),
    V3(TensorHandle),
}

/// A tensor described by an object of the library.
pub(super) struct TensorHandle(Handle);

impl Tensor {
    /// A tensor of `dims`; `strides` in elements, or `None` to let a primitive choose.
    ///
    /// # Errors
    /// What the library said.
    pub(super) fn new(
        context: &Rc<Context>,
        element: Element,
        dims: &[i64],
        strides: Option<&[i64]>,
    ) -> Result<Self> {
        let doing = "describe a tensor";
        let (length, element) = (dims.len() as c_int, element as c_int);
        let (dims, strides) = (padded(dims), strides.map(padded));
        match &context.api.described {
            Described::V2 { by_strides, by_tag, .. } => {
                let mut room = LayoutRoom::new();
                // SAFETY: the room is larger than the structure; arrays have the library's length.
                let status = unsafe {
                    match &strides {
                        Some(strides) => {
                            by_strides(room.raw(), length, dims.as_ptr(), element, strides.as_ptr())
                        }
                        None => by_tag(room.raw(), length, dims.as_ptr(), element, TAG_ANY),
                    }
                };
                done(status, doing)?;
                Ok(Self::V2(room))
            }
            Described::V3 { by_strides, by_tag, layout_destroy, .. } => {
                let context = Some(Rc::clone(context));
                // SAFETY: arrays have the library's length.
                let handle = made(doing, *layout_destroy, context, |out| unsafe {
                    match &strides {
                        Some(strides) => {
                            by_strides(out, length, dims.as_ptr(), element, strides.as_ptr())
                        }
                        None => by_tag(out, length, dims.as_ptr(), element, TAG_ANY),
                    }
                })?;
                Ok(Self::V3(TensorHandle(handle)))
            }
        }
    }

    /// What it says.
    pub(super) fn layout(&self) -> Layout<'_> {
        let raw = match self {
            Self::V2(room) => std::ptr::from_ref(&**room).cast(),
            Self::V3(handle) => handle.0.raw.cast_const(),
        };
        Layout { raw, owner: PhantomData }
    }
}

/// `values`, filled up to the length of the library's arrays.
fn padded(values: &[i64]) -> Dims {
    let mut all = [0; MOST_DIMENSIONS];
    all[..values.len()].copy_from_slice(values);
    all
}

/// A description of a tensor that lives as long as what it was asked of.
#[derive(Clone, Copy)]
pub(super) struct Layout<'a> {
    raw: Read,
    owner: PhantomData<&'a ()>,
}

impl Layout<'_> {
    /// Whether both put every element in the same place.
    pub(super) fn equals(&self, other: &Layout<'_>, context: &Context) -> bool {
        // SAFETY: both live.
        unsafe { (context.api.layouts_equal)(self.raw, other.raw) != 0 }
    }

    /// Bytes of a tensor in this layout; 0 of one that an operation does not have.
    fn bytes(&self, context: &Context) -> usize {
        if self.raw.is_null() {
            return 0;
        }
        // SAFETY: it lives.
        unsafe { (context.api.layout_bytes)(self.raw) }
    }
}

/// Geometry of a 2-D convolution, as oneDNN wants it: a dilation of 0 is none.
pub(super) struct Geometry {
    pub(super) strides: [i64; 2],
    pub(super) dilates: [i64; 2],
    pub(super) padding: [i64; 2],
}

/// Tensors of an operation.
#[derive(Debug, Clone, Copy)]
pub(super) enum Tensors {
    Source,
    Weights,
    Destination,
}

impl Tensors {
    /// Its number in queries of layouts.
    fn query(self) -> c_int {
        [129, 131, 133][self as usize]
    }

    /// Its number as an argument of execution.
    fn argument(self) -> c_int {
        [1, 33, 17][self as usize]
    }
}

/// An operation for which the library has an implementation here.
pub(super) struct Plan {
    handle: Handle,
    context: Rc<Context>,
}

impl Plan {
    /// A convolution by `algorithm` (1 direct, 2 Winograd).
    ///
    /// # Errors
    /// Most often that there is none for these layouts.
    pub(super) fn convolution(
        context: &Rc<Context>,
        algorithm: c_int,
        [x, w, y]: [&Tensor; 3],
        geometry: &Geometry,
    ) -> Result<Self> {
        let (api, doing) = (context.api, "plan a convolution");
        let [strides, dilates, padding] =
            [geometry.strides, geometry.dilates, geometry.padding].map(|pair| padded(&pair));
        let (s, d, p) = (strides.as_ptr(), dilates.as_ptr(), padding.as_ptr());
        let [x, w, y] = [x, w, y].map(|tensor| tensor.layout().raw);
        let (no_bias, kind) = (std::ptr::null(), FORWARD_INFERENCE);
        let engine = context.engine.raw;
        match &api.described {
            Described::V2 { convolution, .. } => Self::in_room(context, doing, |room| {
                // SAFETY: the room is larger than the structure; descriptions and arrays live.
                unsafe { convolution(room, kind, algorithm, x, w, no_bias, y, s, d, p, p) }
            }),
            Described::V3 { convolution, .. } => Self::made(context, doing, |out| {
                let none = std::ptr::null();
                // SAFETY: descriptions and arrays live; attributes may be null.
                unsafe {
                    convolution(out, engine, kind, algorithm, x, w, no_bias, y, s, d, p, p, none)
                }
            }),
        }
    }

    /// A matrix product, or a batch of them.
    ///
    /// # Errors
    /// Most often that there is none for this type on this processor.
    pub(super) fn matmul(context: &Rc<Context>, [a, b, c]: [&Tensor; 3]) -> Result<Self> {
        let (api, doing) = (context.api, "plan a matrix product");
        let [a, b, c] = [a, b, c].map(|tensor| tensor.layout().raw);
        let none = std::ptr::null();
        match &api.described {
            Described::V2 { matmul, .. } => Self::in_room(context, doing, |room| {
                // SAFETY: the room is larger than the structure; descriptions live.
                unsafe { matmul(room, a, b, none, c) }
            }),
            Described::V3 { matmul, .. } => Self::made(context, doing, |out| {
                // SAFETY: descriptions live; attributes may be null.
                unsafe { matmul(out, context.engine.raw, a, b, none, c, none) }
            }),
        }
    }

    /// A copy from one layout to another.
    ///
    /// # Errors
    /// What the library said.
    pub(super) fn reorder(
        context: &Rc<Context>,
        from: &Layout<'_>,
        to: &Layout<'_>,
    ) -> Result<Self> {
        let engine = context.engine.raw;
        Self::made(context, "plan a change of layout", |out| {
            // SAFETY: descriptions live; attributes may be null.
            unsafe {
                (context.api.reorder)(out, from.raw, engine, to.raw, engine, std::ptr::null())
            }
        })
    }

    /// Version 2: describes an operation with `fill`, then plans it.
    fn in_room(
        context: &Rc<Context>,
        doing: &'static str,
        fill: impl FnOnce(Raw) -> Status,
    ) -> Result<Self> {
        let Described::V2 { plan, .. } = &context.api.described else {
            return Err(DnnlError { doing, status: UNIMPLEMENTED });
        };
        let mut room = OperationRoom::new();
        done(fill(room.raw()), doing)?;
        let none = std::ptr::null();
        Self::made(context, doing, |out| {
            // SAFETY: the room holds the description; attributes and the hint may be null.
            unsafe { plan(out, room.raw(), none, context.engine.raw, none) }
        })
    }

    fn made(
        context: &Rc<Context>,
        doing: &'static str,
        make: impl FnOnce(*mut Raw) -> Status,
    ) -> Result<Self> {
        let owner = Some(Rc::clone(context));
        let handle = made(doing, context.api.plan_destroy, owner, make)?;
        Ok(Self { handle, context: Rc::clone(context) })
    }

    /// The layout chosen for one of its tensors.
    pub(super) fn layout(&self, which: Tensors) -> Layout<'_> {
        // SAFETY: the plan lives, and owns what is returned.
        let raw = unsafe { (self.context.api.query_layout)(self.handle.raw, which.query(), 0) };
        Layout { raw, owner: PhantomData }
    }

    /// The library's name for its implementation: `jit:avx512_core`, `gemm:jit`, …
    pub(super) fn name(&self) -> String {
        let mut name: *const c_char = std::ptr::null();
        let out = std::ptr::from_mut(&mut name).cast();
        // SAFETY: the plan lives; this query writes one pointer to a string that the plan owns.
        unsafe {
            let status = (self.context.api.query)(self.handle.raw, QUERY_NAME, 0, out);
            if status != 0 || name.is_null() {
                return "unnamed".into();
            }
            CStr::from_ptr(name).to_string_lossy().into_owned()
        }
    }

    /// Generates its code.
    ///
    /// # Errors
    /// What the library said.
    pub(super) fn primitive(&self) -> Result<Primitive> {
        let (context, api) = (Rc::clone(&self.context), self.context.api);
        let owner = Some(Rc::clone(&context));
        let handle = made("make a primitive", api.primitive_destroy, owner, |out| {
            // SAFETY: the plan lives; the primitive keeps a copy.
            unsafe { (api.primitive_create)(out, self.handle.raw) }
        })?;
        let bytes = [Tensors::Source, Tensors::Weights, Tensors::Destination]
            .map(|which| self.layout(which).bytes(&context));
        Ok(Primitive { handle, bytes, context })
    }
}

/// Memory in some layout.
pub(super) struct Memory {
    handle: Handle,
    bytes: usize,
    /// Whether the library made it; else it is given with each execution.
    own: bool,
    context: Rc<Context>,
}

impl Memory {
    /// Memory of the library.
    ///
    /// # Errors
    /// Most often that there is not enough.
    pub(super) fn own(context: &Rc<Context>, layout: &Layout<'_>) -> Result<Self> {
        Self::new(context, layout, true)
    }

    /// A place for bytes that are given with each execution.
    ///
    /// # Errors
    /// What the library said.
    pub(super) fn given(context: &Rc<Context>, layout: &Layout<'_>) -> Result<Self> {
        Self::new(context, layout, false)
    }

    fn new(context: &Rc<Context>, layout: &Layout<'_>, own: bool) -> Result<Self> {
        let api = context.api;
        let place = std::ptr::without_provenance_mut(if own { ALLOCATE } else { 0 });
        let owner = Some(Rc::clone(context));
        let handle = made("make memory for a tensor", api.memory_destroy, owner, |out| {
            // SAFETY: the layout lives; the place is one of the two that stand for no address.
            unsafe { (api.memory_create)(out, layout.raw, context.engine.raw, place) }
        })?;
        let bytes = layout.bytes(context);
        Ok(Self { handle, bytes, own, context: Rc::clone(context) })
    }

    /// Writes `byte` everywhere; the library's own memory only.
    ///
    /// # Errors
    /// What the library said.
    pub(super) fn fill(&self, byte: u8) -> Result<()> {
        let mut place: Raw = std::ptr::null_mut();
        // SAFETY: the memory lives; the out-pointer is valid.
        let status = unsafe { (self.context.api.memory_get)(self.handle.raw, &mut place) };
        done(status, "tell where a tensor is")?;
        if self.own && !place.is_null() {
            // SAFETY: the library allocated so many bytes there, and nothing runs on them now.
            unsafe { std::ptr::write_bytes(place.cast::<u8>(), byte, self.bytes) };
        }
        Ok(())
    }
}

/// One tensor of an execution.
pub(super) enum Operand<'a> {
    /// In the library's own memory.
    Own(&'a Memory),
    /// Read from bytes.
    From(&'a Memory, &'a [u8]),
    /// Written to bytes.
    To(&'a Memory, &'a mut [u8]),
}

impl Operand<'_> {
    fn memory(&self) -> &Memory {
        match self {
            Self::Own(memory) | Self::From(memory, _) | Self::To(memory, _) => memory,
        }
    }

    /// Ties bytes to their memory object until the next execution with it.
    fn tie(&mut self) -> Result<Raw> {
        let (memory, place, length) = match self {
            Self::Own(memory) => (*memory, None, memory.bytes),
            Self::From(memory, bytes) => (*memory, Some(bytes.as_ptr().cast_mut()), bytes.len()),
            Self::To(memory, bytes) => (*memory, Some(bytes.as_mut_ptr()), bytes.len()),
        };
        let doing = "use bytes as a tensor";
        if place.is_none() != memory.own || length < memory.bytes {
            return Err(DnnlError { doing, status: INVALID });
        }
        if let Some(place) = place {
            // SAFETY: the memory object lives; only `Primitive::execute` reads the place, while the
            // slice is borrowed, and every execution sets it anew.
            let status =
                unsafe { (memory.context.api.memory_set)(memory.handle.raw, place.cast()) };
            done(status, doing)?;
        }
        Ok(memory.handle.raw)
    }
}

/// Generated code that computes one operation.
pub(super) struct Primitive {
    handle: Handle,
    /// Of source, weights and destination.
    bytes: [usize; 3],
    context: Rc<Context>,
}

impl Primitive {
    /// Computes, and returns when it is done.
    ///
    /// # Errors
    /// A tensor that is missing or has not the bytes that were planned; what the library said.
    pub(super) fn execute<const N: usize>(
        &self,
        mut operands: [(Tensors, Operand<'_>); N],
    ) -> Result<()> {
        let doing = "compute";
        let mut missing = self.bytes;
        let mut arguments = Vec::with_capacity(N);
        for (which, operand) in &mut operands {
            let planned = &mut missing[*which as usize];
            if operand.memory().bytes != std::mem::take(planned) {
                return Err(DnnlError { doing, status: INVALID });
            }
            arguments.push(Argument { index: which.argument(), memory: operand.tie()? });
        }
        if missing != [0; 3] {
            return Err(DnnlError { doing, status: INVALID });
        }
        // SAFETY: primitive, stream and memories live; every tensor is there with the bytes that were
        // planned, and those written are borrowed mutably until the wait below is over.
        let status = unsafe {
            let stream = self.context.stream.raw;
            (self.context.api.primitive_execute)(
                self.handle.raw,
                stream,
                N as c_int,
                arguments.as_ptr(),
            )
        };
        done(status, doing)?;
        // SAFETY: the stream lives.
        done(unsafe { (self.context.api.stream_wait)(self.context.stream.raw) }, doing)
    }
}
