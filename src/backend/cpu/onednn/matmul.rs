//! Matrix products by oneDNN's primitive, operands row major as they lie.

use std::rc::Rc;

use breakeven_kernels::recording::GemmType;

use super::NoPrimitive;
use super::abi::{Context, DnnlError};
use super::objects::{Element, Memory, Operand, Plan, Primitive, Tensor, Tensors};

/// A batch of products of fixed sizes.
pub(in crate::backend::cpu) struct Matmul {
    primitive: Primitive,
    a: Memory,
    b: Memory,
    c: Memory,
    /// The library's name for what it chose.
    pub(in crate::backend::cpu) name: String,
}

impl Matmul {
    /// Plans `batch` products of m, n, k, contiguous one after the other.
    ///
    /// # Errors
    /// That the library multiplies no such type on this processor.
    pub(in crate::backend::cpu) fn new(
        context: &Rc<Context>,
        [m, n, k, batch]: [usize; 4],
        dtype: GemmType,
    ) -> Result<Self, NoPrimitive> {
        let operand = match dtype {
            GemmType::F32 | GemmType::Tf32 => Element::F32,
            GemmType::Bf16 => Element::Bf16,
        };
        let matrices = |element, rows: usize, columns: usize| {
            let [rows, columns, batch] = [rows, columns, batch].map(|size| size as i64);
            // One product is told as such: a batch of one may take another path.
            let first = if batch == 1 { 1 } else { 0 };
            let (dims, strides) = ([batch, rows, columns], [rows * columns, columns, 1]);
            Tensor::new(context, element, &dims[first..], Some(&strides[first..]))
        };
        let a = matrices(operand, m, k)?;
        let b = matrices(operand, k, n)?;
        let c = matrices(Element::F32, m, n)?;
        let plan = Plan::matmul(context, [&a, &b, &c])?;
        Ok(Self {
            primitive: plan.primitive()?,
            a: Memory::given(context, &plan.layout(Tensors::Source))?,
            b: Memory::given(context, &plan.layout(Tensors::Weights))?,
            c: Memory::given(context, &plan.layout(Tensors::Destination))?,
            name: plan.name(),
        })
    }

    /// c = a · b.
    ///
    /// # Errors
    /// Buffers shorter than their matrices; what the library said.
    pub(in crate::backend::cpu) fn run(
        &self,
        a: &[u8],
        b: &[u8],
        c: &mut [u8],
    ) -> Result<(), DnnlError> {
        self.primitive.execute([
            (Tensors::Source, Operand::From(&self.a, a)),
            (Tensors::Weights, Operand::From(&self.b, b)),
            (Tensors::Destination, Operand::To(&self.c, c)),
        ])
    }
}
