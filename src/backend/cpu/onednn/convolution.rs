//! Convolutions by oneDNN's primitives: every algorithm and layout that it offers is tried, and the
//! fastest kept.
//!
//! oneDNN is at its best where activations stay in layouts of its own from layer to layer. So the
//! primitive alone, in the layout it likes best, is what the kernel modes time; and the fastest way
//! from the images' own and back, changes of layout included, is what one call end to end is.

use std::ffi::c_int;
use std::rc::Rc;
use std::time::Instant;

use breakeven_kernels::recording::{ConvShape, GemmType, Layout};

use super::abi::{Context, DnnlError};
use super::objects::{Element, Geometry, Memory, Operand, Plan, Primitive, Tensor, Tensors};
use super::{NoPrimitive, on_trial};

/// Algorithms by their numbers in dnnl_types.h.
const DIRECT: c_int = 1;
const WINOGRAD: c_int = 2;

/// How activations lie.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Activations {
    Nchw,
    Nhwc,
    /// As the library likes.
    Any,
}

/// A layer, prepared.
pub(in crate::backend::cpu) struct Convolution {
    /// Fastest as a primitive alone.
    kernel: Rc<Candidate>,
    /// Fastest from the images' layout and back; may be the same.
    whole: Rc<Candidate>,
    /// Whether the result of the kernel's candidate has not been brought to the images' layout
    /// yet.
    pending: bool,
}

impl Convolution {
    /// Tries what there is for `shape` on images `x` with weights `w`, writing `y`.
    ///
    /// # Errors
    /// That the library offers nothing; its own failure.
    pub(in crate::backend::cpu) fn new(
        context: &Rc<Context>,
        shape: &ConvShape,
        [x, w]: [&[u8]; 2],
        y: &mut [u8],
    ) -> Result<Self, NoPrimitive> {
        let (mut best_kernel, mut best_whole) = (Best::none(), Best::none());
        let mut refused = None;
        for algorithm in [DIRECT, WINOGRAD] {
            for layout in [Activations::Nchw, Activations::Nhwc, Activations::Any] {
                let candidate = match Candidate::new(context, shape, algorithm, layout, w) {
                    Ok(candidate) => Rc::new(candidate),
                    Err(error) if error.unimplemented() => {
                        refused.get_or_insert(error);
                        continue;
                    }
                    Err(error) => return Err(error.into()),
                };
                // The whole first: it fills the images in the candidate's own layout.
                let whole_s = on_trial(best_whole.time_s, || candidate.whole(x, y))?;
                let kernel_s = on_trial(best_kernel.time_s, || candidate.kernel(x, y))?;
                best_whole.offer(whole_s, &candidate);
                best_kernel.offer(kernel_s, &candidate);
            }
        }
        match (best_kernel.candidate, best_whole.candidate, refused) {
            (Some(kernel), Some(whole), _) => Ok(Self { kernel, whole, pending: false }),
            (.., Some(error)) => Err(error.into()),
            _ => Err(NoPrimitive::Unsupported("oneDNN offers no convolution here".into())),
        }
    }

    /// From images `x` to `y`, both in the shape's layout.
    ///
    /// # Errors
    /// What the library said.
    pub(in crate::backend::cpu) fn whole(
        &mut self,
        x: &[u8],
        y: &mut [u8],
    ) -> Result<(), DnnlError> {
        self.pending = false;
        self.whole.whole(x, y)
    }

    /// The primitive alone; [`Convolution::finish`] brings the result to `y`.
    ///
    /// # Errors
    /// What the library said.
    pub(in crate::backend::cpu) fn kernel(
        &mut self,
        x: &[u8],
        y: &mut [u8],
    ) -> Result<(), DnnlError> {
        self.pending = true;
        self.kernel.kernel(x, y)
    }

    /// Puts the result of the last execution into `y`, if it lies elsewhere.
    ///
    /// # Errors
    /// What the library said.
    pub(in crate::backend::cpu) fn finish(&mut self, y: &mut [u8]) -> Result<(), DnnlError> {
        if std::mem::take(&mut self.pending) { self.kernel.unload(y) } else { Ok(()) }
    }

    /// Overwrites results in the library's own memory with a pattern that no right one has.
    ///
    /// # Errors
    /// What the library said.
    pub(in crate::backend::cpu) fn poison(&mut self) -> Result<(), DnnlError> {
        self.pending = false;
        for candidate in [&self.kernel, &self.whole] {
            if let Some((memory, _)) = &candidate.y.own {
                memory.fill(0xff)?;
            }
        }
        Ok(())
    }

    /// What was chosen, in the library's words: `jit:avx512_core any`, and end to end where that is
    /// another.
    pub(in crate::backend::cpu) fn name(&self) -> String {
        if Rc::ptr_eq(&self.kernel, &self.whole) {
            self.kernel.name.clone()
        } else {
            format!("{}; end to end: {}", self.kernel.name, self.whole.name)
        }
    }

    /// Seconds it took to bring the weights into the layout of the way end to end.
    pub(in crate::backend::cpu) fn weights_s(&self) -> f64 {
        self.whole.weights_s
    }
}

/// The fastest so far, in seconds.
struct Best {
    time_s: f64,
    candidate: Option<Rc<Candidate>>,
}

impl Best {
    fn none() -> Self {
        Self { time_s: f64::INFINITY, candidate: None }
    }

    fn offer(&mut self, time_s: f64, candidate: &Rc<Candidate>) {
        if time_s < self.time_s {
            *self = Self { time_s, candidate: Some(Rc::clone(candidate)) };
        }
    }
}

/// One algorithm in one layout.
struct Candidate {
    name: String,
    primitive: Primitive,
    x: Side,
    w: Memory,
    y: Side,
    weights_s: f64,
}

/// Activations on one side of a primitive.
struct Side {
    /// Where bytes in the shape's layout are given.
    plain: Memory,
    /// The memory in another layout and the way there (of images) or back (of results), where the
    /// primitive does not take that.
    own: Option<(Memory, Primitive)>,
}

impl Side {
    /// `inward` for images, else results.
    fn new(
        context: &Rc<Context>,
        plan: &Plan,
        plain: &Tensor,
        inward: bool,
    ) -> Result<Self, DnnlError> {
        let which = if inward { Tensors::Source } else { Tensors::Destination };
        let (chosen, given) = (plan.layout(which), plain.layout());
        let own = if chosen.equals(&given, context) {
            None
        } else {
            let [from, to] = if inward { [&given, &chosen] } else { [&chosen, &given] };
            let way = Plan::reorder(context, from, to)?.primitive()?;
            Some((Memory::own(context, &chosen)?, way))
        };
        Ok(Self { plain: Memory::given(context, &given)?, own })
    }
}

impl Candidate {
    fn new(
        context: &Rc<Context>,
        shape: &ConvShape,
        algorithm: c_int,
        layout: Activations,
        weights: &[u8],
    ) -> Result<Self, DnnlError> {
        let sizes = Sizes::of(shape);
        let value = match shape.dtype {
            GemmType::F32 | GemmType::Tf32 => Element::F32,
            GemmType::Bf16 => Element::Bf16,
        };
        let activations = |dims: [i64; 4], layout| {
            let [_, c, h, w] = dims;
            let strides = match layout {
                Activations::Nchw => Some([c * h * w, h * w, w, 1]),
                Activations::Nhwc => Some([c * h * w, 1, w * c, c]),
                Activations::Any => None,
            };
            Tensor::new(context, value, &dims, strides.as_ref().map(|s| &s[..]))
        };
        let (x, y) = (activations(sizes.x, layout)?, activations(sizes.y, layout)?);
        let w = Tensor::new(context, value, &sizes.w, None)?;
        let plan = Plan::convolution(context, algorithm, [&x, &w, &y], &sizes.geometry)?;
        let given = match shape.layout {
            Layout::Nchw => Activations::Nchw,
            Layout::Nhwc => Activations::Nhwc,
        };
        let x = Side::new(context, &plan, &activations(sizes.x, given)?, true)?;
        let y = Side::new(context, &plan, &activations(sizes.y, given)?, false)?;
        let start = Instant::now();
        let w = constant(context, &plan, (value, &sizes.w), weights)?;
        let weights_s = start.elapsed().as_secs_f64();
        let name = format!("{} {}", plan.name(), format!("{layout:?}").to_lowercase());
        Ok(Self { name, primitive: plan.primitive()?, x, w, y, weights_s })
    }

    /// The primitive on images that [`Candidate::load`] has brought into its layout.
    fn kernel(&self, x: &[u8], y: &mut [u8]) -> Result<(), DnnlError> {
        let source = match &self.x.own {
            Some((memory, _)) => Operand::Own(memory),
            None => Operand::From(&self.x.plain, x),
        };
        let destination = match &self.y.own {
            Some((memory, _)) => Operand::Own(memory),
            None => Operand::To(&self.y.plain, y),
        };
        self.primitive.execute([
            (Tensors::Source, source),
            (Tensors::Weights, Operand::Own(&self.w)),
            (Tensors::Destination, destination),
        ])
    }

    /// Images into the primitive's layout.
    fn load(&self, x: &[u8]) -> Result<(), DnnlError> {
        let Some((memory, way)) = &self.x.own else { return Ok(()) };
        way.execute([
            (Tensors::Source, Operand::From(&self.x.plain, x)),
            (Tensors::Destination, Operand::Own(memory)),
        ])
    }

    /// Results from the primitive's layout into the shape's.
    fn unload(&self, y: &mut [u8]) -> Result<(), DnnlError> {
        let Some((memory, way)) = &self.y.own else { return Ok(()) };
        way.execute([
            (Tensors::Source, Operand::Own(memory)),
            (Tensors::Destination, Operand::To(&self.y.plain, y)),
        ])
    }

    fn whole(&self, x: &[u8], y: &mut [u8]) -> Result<(), DnnlError> {
        self.load(x)?;
        self.kernel(x, y)?;
        self.unload(y)
    }
}

/// The weights in the layout that `plan` chose.
fn constant(
    context: &Rc<Context>,
    plan: &Plan,
    (value, dims): (Element, &[i64]),
    weights: &[u8],
) -> Result<Memory, DnnlError> {
    // Row major: each axis strides over all that follow it.
    let strides: Vec<i64> = (1..=dims.len()).map(|axis| dims[axis..].iter().product()).collect();
    let plain = Tensor::new(context, value, dims, Some(&strides))?;
    let (chosen, plain) = (plan.layout(Tensors::Weights), plain.layout());
    let memory = Memory::own(context, &chosen)?;
    let given = Memory::given(context, &plain)?;
    Plan::reorder(context, &plain, &chosen)?.primitive()?.execute([
        (Tensors::Source, Operand::From(&given, weights)),
        (Tensors::Destination, Operand::Own(&memory)),
    ])?;
    Ok(memory)
}

/// Sizes as oneDNN counts them.
struct Sizes {
    x: [i64; 4],
    /// With the groups first where there are several.
    w: Vec<i64>,
    y: [i64; 4],
    geometry: Geometry,
}

impl Sizes {
    fn of(s: &ConvShape) -> Self {
        let filters = [s.c_out / s.groups, s.c_in / s.groups, s.kernel_h, s.kernel_w];
        let groups = Some(s.groups).filter(|groups| *groups > 1);
        Self {
            x: [s.batch, s.c_in, s.height, s.width].map(i64::from),
            w: groups.into_iter().chain(filters).map(i64::from).collect(),
            y: [s.batch, s.c_out, s.out_h(), s.out_w()].map(i64::from),
            geometry: Geometry {
                strides: [i64::from(s.stride); 2],
                dilates: [i64::from(s.dilation) - 1; 2],
                padding: [i64::from(s.padding); 2],
            },
        }
    }
}
