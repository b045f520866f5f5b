//! Peers that are Rust crates, as sessions beside those of the `cpu` backend.
#![expect(unsafe_code, reason = "the crates take pointers")]

use std::time::Instant;

use anyhow::{Context, Result};
use breakeven::backend::{BackendError, Mode, OneOff, Session, Timing};
use breakeven_kernels::family;
use breakeven_kernels::recording::{Command, GemmType, LibraryCall, Role};
use breakeven_kernels::work::{DeviceInfo, Input, Language, LibraryName, Program, Tuning};

/// A crate that multiplies f32 matrices.
pub struct Peer {
    /// Its name in the table.
    pub name: &'static str,
    /// Most threads that it can be told to use.
    most_threads: usize,
    multiply: fn(&Product, usize, &mut [f32]),
}

/// The crates.
pub const PEERS: &[Peer] = &[
    Peer { name: "gemm crate", most_threads: usize::MAX, multiply: by_gemm },
    // Its threads are set by a variable of the environment, once for the whole process.
    Peer { name: "matrixmultiply crate", most_threads: 1, multiply: by_matrixmultiply },
];

/// Operands of a batch of products, row major.
struct Product {
    m: usize,
    n: usize,
    k: usize,
    batch: usize,
    a: Vec<f32>,
    b: Vec<f32>,
}

impl Product {
    /// Those of one product.
    fn operands(&self, index: usize) -> (&[f32], &[f32]) {
        let (a, b) = (self.m * self.k, self.k * self.n);
        (&self.a[index * a..(index + 1) * a], &self.b[index * b..(index + 1) * b])
    }
}

/// A session of `peer` on `input`; `None` where it does not compute such a case.
///
/// # Errors
/// An input that is not what its family says.
pub fn session<'p>(
    peer: &'p Peer,
    input: &dyn Input,
    family_name: &str,
    device: &DeviceInfo,
) -> Result<Option<CrateSession<'p>>> {
    let threads = device.threads.unwrap_or(1) as usize;
    if family_name != "matmul" || threads > peer.most_threads {
        return Ok(None);
    }
    let Some(product) = operands(input, device)? else { return Ok(None) };
    let c = vec![0.0; product.batch * product.m * product.n];
    Ok(Some(CrateSession { peer, product, threads, c, one_off: OneOff::default() }))
}

/// The operands as a library gets them, whether or not it is installed; `None` for bf16.
fn operands(input: &dyn Input, device: &DeviceInfo) -> Result<Option<Product>> {
    let matmul = family("matmul").context("a family matmul")?;
    let library = Language::Library(LibraryName::OpenBlas);
    let called = matmul.implementations().iter().find(|i| i.language == library);
    let called = called.context("an implementation that calls OpenBLAS")?;
    let mut device = device.clone();
    device.languages.push(library);
    let Ok(program) = input.program(called, &device, &Tuning::default()) else { return Ok(None) };
    let Program::Recording(recording) = program else { return Ok(None) };
    let Some(Command::Library(LibraryCall::Gemm {
        m,
        n,
        k,
        batch,
        dtype: GemmType::F32 | GemmType::Tf32,
        a,
        b,
        ..
    })) = recording.commands.first()
    else {
        return Ok(None);
    };
    let values = |id: usize| -> Result<Vec<f32>> {
        let buffer = &recording.buffers[id];
        anyhow::ensure!(buffer.role != Role::Output && !buffer.data.is_empty(), "no operand");
        Ok(bytemuck::pod_collect_to_vec(&buffer.data))
    };
    Ok(Some(Product {
        m: *m as usize,
        n: *n as usize,
        k: *k as usize,
        batch: *batch as usize,
        a: values(a.0)?,
        b: values(b.0)?,
    }))
}

fn by_gemm(product: &Product, threads: usize, c: &mut [f32]) {
    let Product { m, n, k, batch, .. } = *product;
    let parallelism = match threads {
        1 => gemm::Parallelism::None,
        more => gemm::Parallelism::Rayon(more),
    };
    for index in 0..batch {
        let (a, b) = product.operands(index);
        let c = &mut c[index * m * n..(index + 1) * m * n];
        // SAFETY: the slices hold whole row-major matrices of these sizes; c is not read.
        unsafe {
            gemm::gemm(
                m,
                n,
                k,
                c.as_mut_ptr(),
                1,
                n as isize,
                false,
                a.as_ptr(),
                1,
                k as isize,
                b.as_ptr(),
                1,
                n as isize,
                0.0,
                1.0,
                false,
                false,
                false,
                parallelism,
            );
        }
    }
}

fn by_matrixmultiply(product: &Product, _threads: usize, c: &mut [f32]) {
    let Product { m, n, k, batch, .. } = *product;
    for index in 0..batch {
        let (a, b) = product.operands(index);
        let c = &mut c[index * m * n..(index + 1) * m * n];
        let (rows_a, rows_b) = (k as isize, n as isize);
        // SAFETY: as above.
        unsafe {
            matrixmultiply::sgemm(
                m,
                k,
                n,
                1.0,
                a.as_ptr(),
                rows_a,
                1,
                b.as_ptr(),
                rows_b,
                1,
                0.0,
                c.as_mut_ptr(),
                rows_b,
                1,
            );
        }
    }
}

/// A crate on one input.
pub struct CrateSession<'p> {
    peer: &'p Peer,
    product: Product,
    threads: usize,
    c: Vec<f32>,
    one_off: OneOff,
}

impl Session for CrateSession<'_> {
    fn reset(&mut self) -> Result<(), BackendError> {
        self.c.fill(f32::NAN);
        Ok(())
    }

    fn run(&mut self, _mode: Mode, iterations: u32) -> Result<Timing, BackendError> {
        let start = Instant::now();
        for _ in 0..iterations {
            (self.peer.multiply)(&self.product, self.threads, &mut self.c);
        }
        let total_s = start.elapsed().as_secs_f64();
        Ok(Timing { total_s, wall_s: total_s, depth: 1, ..Timing::default() })
    }

    fn outputs(&mut self) -> Result<Vec<Vec<u8>>, BackendError> {
        Ok(vec![bytemuck::cast_slice(&self.c).to_vec()])
    }

    fn modes(&self) -> &'static [Mode] {
        &[Mode::KernelWarm]
    }

    fn one_off(&self) -> &OneOff {
        &self.one_off
    }

    fn launches(&self) -> u32 {
        0
    }
}
