//! Recordings of library calls, run on host memory.

use std::time::Instant;

use breakeven_kernels::recording::{BufferId, Command, GemmType, LibraryCall, Recording, Role};
use breakeven_kernels::work::LibraryName;
use bytes::Bytes;

use super::blas::{Libraries, Operands, Product};
use super::onednn::{self, Convolution, Matmul, NoPrimitive};
use super::{CpuDevice, process_cpu_s};
use crate::backend::{BackendError, Mode, OneOff, Session, Timer, Timing};

/// Buffers in cache-line aligned host memory and the calls over them.
pub(super) struct LibrarySession<'d> {
    device: &'d mut CpuDevice,
    recording: Recording,
    library: LibraryName,
    buffers: Vec<Aligned>,
    calls: Vec<Call>,
    one_off: OneOff,
}

/// A command, prepared, and its operands: the last is the result.
struct Call {
    operation: Operation,
    operands: [BufferId; 3],
}

/// How a command is computed.
enum Operation {
    /// A batch of products, one call of a BLAS interface each: m, n, k and how many.
    Gemm([usize; 4], GemmType),
    /// The same by oneDNN's primitive.
    Matmul(Matmul),
    Convolution(Convolution),
}

/// Bytes that begin at a cache line, so that no library pays for a crooked buffer.
struct Aligned {
    lines: Vec<Line>,
    bytes: usize,
}

#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C, align(64))]
struct Line([u8; 64]);

impl Aligned {
    fn new(bytes: usize) -> Self {
        Self { lines: vec![Line([0; 64]); bytes.div_ceil(64)], bytes }
    }

    fn bytes(&self) -> &[u8] {
        &bytemuck::cast_slice(&self.lines)[..self.bytes]
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        &mut bytemuck::cast_slice_mut(&mut self.lines)[..self.bytes]
    }

    fn fill(&mut self, data: &[u8]) {
        let length = data.len().min(self.bytes);
        self.bytes_mut()[..length].copy_from_slice(&data[..length]);
    }
}

impl<'d> LibrarySession<'d> {
    /// Checks that every command can run here and copies the inputs.
    pub(super) fn new(
        device: &'d mut CpuDevice,
        recording: Recording,
    ) -> Result<Self, BackendError> {
        let library = choose(&recording).map_err(unsupported)?;
        let start = Instant::now();
        let mut buffers: Vec<Aligned> =
            recording.buffers.iter().map(|b| Aligned::new(b.bytes as usize)).collect();
        let allocate_s = Some(start.elapsed().as_secs_f64());
        for (buffer, planned) in buffers.iter_mut().zip(&recording.buffers) {
            buffer.fill(&planned.data);
        }
        // oneDNN plans for the threads that it may use.
        Libraries::get().set_threads(library, device.info.threads.unwrap_or(1));
        let start = Instant::now();
        let calls = prepare(library, &recording, &mut buffers)?;
        let spent_s = start.elapsed().as_secs_f64();
        let mut one_off = OneOff { allocate_s, ..OneOff::default() };
        if library == LibraryName::OneDnn {
            one_off.constants_s = calls.iter().find_map(Call::constants_s);
            one_off.plan_s = Some(spent_s - one_off.constants_s.unwrap_or(0.0));
        }
        Ok(Self { device, recording, library, buffers, calls, one_off })
    }

    /// Host work before the calls.
    fn pack(&mut self) -> Result<(), BackendError> {
        let Some(pack) = &self.recording.pack else { return Ok(()) };
        let packed: Vec<Bytes> = pack().map_err(BackendError::Run)?;
        let inputs = self.recording.buffers.iter().zip(&mut self.buffers);
        let inputs = inputs.filter(|(planned, _)| planned.role == Role::Input);
        for ((_, buffer), data) in inputs.zip(packed) {
            buffer.fill(&data);
        }
        Ok(())
    }

    /// The output buffers, after the host's own work on them.
    fn unpack(&self) -> Result<Vec<Vec<u8>>, BackendError> {
        let all = self.recording.buffers.iter().zip(&self.buffers);
        let outputs = all.filter(|(planned, _)| planned.role == Role::Output);
        let outputs = outputs.map(|(_, buffer)| buffer.bytes().to_vec()).collect();
        match &self.recording.unpack {
            Some(unpack) => unpack(outputs).map_err(BackendError::Run),
            None => Ok(outputs),
        }
    }

    /// `whole`: from the inputs as they are uploaded to the outputs as they are downloaded, where a
    /// call alone may leave them in another layout.
    fn execute(&mut self, whole: bool) -> Result<(), BackendError> {
        let Self { calls, buffers, library, .. } = self;
        calls
            .iter_mut()
            .try_for_each(|call| call.run(*library, buffers, whole))
            .map_err(BackendError::Run)
    }

    /// Outputs that lie in another layout into their buffers.
    fn finish(&mut self) -> Result<(), BackendError> {
        for call in &mut self.calls {
            if let Operation::Convolution(convolution) = &mut call.operation {
                let y = self.buffers[call.operands[2].0].bytes_mut();
                convolution.finish(y).map_err(|e| BackendError::Run(e.to_string()))?;
            }
        }
        Ok(())
    }

    fn convolves(&self) -> bool {
        self.calls.iter().any(|call| matches!(call.operation, Operation::Convolution(_)))
    }
}

fn unsupported(message: String) -> BackendError {
    BackendError::Unsupported { device: "cpu".into(), message }
}

/// The library that answers every call of `recording`.
fn choose(recording: &Recording) -> Result<LibraryName, String> {
    let (mut dtypes, mut layers) = (Vec::new(), Vec::new());
    for command in &recording.commands {
        match command {
            Command::Library(LibraryCall::Gemm { dtype, .. }) => dtypes.push(*dtype),
            Command::Library(LibraryCall::Conv2d { shape, .. }) => layers.push(shape.dtype),
            _ => return Err("only library calls run here as a recording".into()),
        }
    }
    if layers.len() > 1 {
        // The layouts of one call's outputs would have to be the next one's inputs.
        return Err("a recording with more than one library convolution does not run here".into());
    }
    let libraries = Libraries::get();
    let can = |library: &LibraryName| {
        dtypes.iter().all(|d| libraries.can(*library, *d))
            && (layers.is_empty() || libraries.convolves(*library))
    };
    let library = match recording.library {
        Some(library) => Some(library).filter(can),
        None => libraries.found().find(can),
    };
    library.ok_or_else(|| {
        let (what, verb) = match () {
            () if layers.contains(&GemmType::Bf16) => ("bf16 convolution", "convolves bf16"),
            () if !layers.is_empty() => ("f32 convolution", "convolves f32"),
            () if dtypes.contains(&GemmType::Bf16) => ("bf16 product", "multiplies bf16"),
            () => ("f32 product", "multiplies f32"),
        };
        match recording.library {
            Some(name) => format!("{name} is not here or offers no {what}"),
            None => format!("no library that {verb} was found"),
        }
    })
}

/// Prepares every command; with oneDNN the fastest of what it offers, tried on the operands.
fn prepare(
    library: LibraryName,
    recording: &Recording,
    buffers: &mut [Aligned],
) -> Result<Vec<Call>, BackendError> {
    let mut calls = Vec::new();
    for command in &recording.commands {
        let call = match command {
            Command::Library(LibraryCall::Gemm { m, n, k, batch, dtype, a, b, c }) => {
                let sizes = [*m, *n, *k, *batch].map(|size| size as usize);
                let operands = [*a, *b, *c];
                if library == LibraryName::OneDnn {
                    prepare_product(sizes, *dtype, operands, buffers)
                } else {
                    Ok(Call { operation: Operation::Gemm(sizes, *dtype), operands })
                }
            }
            Command::Library(LibraryCall::Conv2d { shape, x, w, y }) => {
                onednn_context().and_then(|context| {
                    let operands = [*x, *w, *y];
                    let operation = with_result(buffers, operands, |[x, w], y| {
                        Convolution::new(&context, shape, [x, w], y)
                    })?;
                    Ok(Call { operation: Operation::Convolution(operation), operands })
                })
            }
            _ => continue,
        };
        calls.push(call.map_err(|error| match error {
            NoPrimitive::Unsupported(message) => unsupported(message),
            NoPrimitive::Failed(message) => BackendError::Run(message),
        })?);
    }
    Ok(calls)
}

fn onednn_context() -> Result<std::rc::Rc<onednn::Context>, NoPrimitive> {
    let library = Libraries::get().onednn();
    let library = library.ok_or_else(|| NoPrimitive::Unsupported("oneDNN is not here".into()))?;
    library.context().map_err(NoPrimitive::Failed)
}

/// The faster of oneDNN's primitive and its BLAS call, which knows f32 alone.
fn prepare_product(
    sizes: [usize; 4],
    dtype: GemmType,
    operands: [BufferId; 3],
    buffers: &mut [Aligned],
) -> Result<Call, NoPrimitive> {
    let mut trial = |operation, best_s| {
        let mut call = Call { operation, operands };
        let once = || call.run(LibraryName::OneDnn, buffers, false);
        onednn::on_trial(best_s, once).map(|s| (s, call)).map_err(NoPrimitive::Failed)
    };
    let primitive = onednn_context().and_then(|context| Matmul::new(&context, sizes, dtype));
    if dtype == GemmType::Bf16 {
        return Ok(Call { operation: Operation::Matmul(primitive?), operands });
    }
    let (blas_s, blas) = trial(Operation::Gemm(sizes, dtype), f64::INFINITY)?;
    match primitive {
        Ok(primitive) => {
            let (primitive_s, primitive) = trial(Operation::Matmul(primitive), blas_s)?;
            Ok(if primitive_s < blas_s { primitive } else { blas })
        }
        Err(NoPrimitive::Unsupported(_)) => Ok(blas),
        Err(error) => Err(error),
    }
}

/// Calls `f` with the operands' bytes and the result's, which is taken out of `buffers` meanwhile.
fn with_result<T>(
    buffers: &mut [Aligned],
    [left, right, out]: [BufferId; 3],
    f: impl FnOnce([&[u8]; 2], &mut [u8]) -> T,
) -> T {
    let mut result = std::mem::replace(&mut buffers[out.0], Aligned::new(0));
    let value = f([buffers[left.0].bytes(), buffers[right.0].bytes()], result.bytes_mut());
    buffers[out.0] = result;
    value
}

impl Call {
    fn run(
        &mut self,
        library: LibraryName,
        buffers: &mut [Aligned],
        whole: bool,
    ) -> Result<(), String> {
        with_result(buffers, self.operands, |[left, right], out| match &mut self.operation {
            Operation::Gemm(sizes, dtype) => gemm(library, *sizes, *dtype, [left, right], out),
            Operation::Matmul(product) => product.run(left, right, out).map_err(|e| e.to_string()),
            Operation::Convolution(layer) => {
                let ran = if whole { layer.whole(left, out) } else { layer.kernel(left, out) };
                ran.map_err(|e| e.to_string())
            }
        })
    }

    /// What was chosen, in the library's words.
    fn chosen(&self) -> String {
        match &self.operation {
            Operation::Gemm(..) => "sgemm".into(),
            Operation::Matmul(product) => product.name.clone(),
            Operation::Convolution(layer) => layer.name(),
        }
    }

    fn constants_s(&self) -> Option<f64> {
        match &self.operation {
            Operation::Convolution(layer) => Some(layer.weights_s()),
            _ => None,
        }
    }
}

/// `sizes` are m, n, k and the number of products.
fn gemm(
    library: LibraryName,
    [m, n, k, batch]: [usize; 4],
    dtype: GemmType,
    [a, b]: [&[u8]; 2],
    c: &mut [u8],
) -> Result<(), String> {
    (0..batch).try_for_each(|index| {
        fn part(bytes: &[u8], index: usize, length: usize) -> Result<&[u8], String> {
            let range = index * length..(index + 1) * length;
            bytes.get(range).ok_or_else(|| "a buffer is shorter than its matrix".into())
        }
        let operands = match dtype {
            GemmType::F32 | GemmType::Tf32 => Operands::F32(
                bytemuck::try_cast_slice(part(a, index, m * k * 4)?).map_err(|e| e.to_string())?,
                bytemuck::try_cast_slice(part(b, index, k * n * 4)?).map_err(|e| e.to_string())?,
            ),
            GemmType::Bf16 => Operands::Bf16(
                bytemuck::try_cast_slice(part(a, index, m * k * 2)?).map_err(|e| e.to_string())?,
                bytemuck::try_cast_slice(part(b, index, k * n * 2)?).map_err(|e| e.to_string())?,
            ),
        };
        let out = c.get_mut(index * m * n * 4..(index + 1) * m * n * 4);
        let out = out.ok_or("the result buffer is too short")?;
        let c = bytemuck::try_cast_slice_mut(out).map_err(|e| e.to_string())?;
        Libraries::get().gemm(library, Product { m, n, k, operands, c })
    })
}

impl Session for LibrarySession<'_> {
    fn reset(&mut self) -> Result<(), BackendError> {
        for (planned, buffer) in self.recording.buffers.iter().zip(&mut self.buffers) {
            if planned.role == Role::Output {
                // All ones is a NaN as f32 and no plausible integer.
                buffer.bytes_mut().fill(0xff);
            }
        }
        for call in &mut self.calls {
            if let Operation::Convolution(layer) = &mut call.operation {
                layer.poison().map_err(|e| BackendError::Run(e.to_string()))?;
            }
        }
        Ok(())
    }

    fn run(&mut self, mode: Mode, iterations: u32) -> Result<Timing, BackendError> {
        let threads = self.device.info.threads.unwrap_or(1);
        Libraries::get().set_threads(self.library, threads);
        let mut total = Timing { timer: Timer::Wall, depth: 1, ..Timing::default() };
        let whole = matches!(mode, Mode::EndToEnd | Mode::Pipelined);
        for _ in 0..iterations {
            if mode == Mode::KernelCold {
                let CpuDevice { pool, flush, .. } = &mut *self.device;
                pool.install(|| flush.run());
            }
            let (cpu_s, start) = (process_cpu_s(), Instant::now());
            if whole {
                self.pack()?;
            }
            self.execute(whole)?;
            if whole && self.recording.unpack.is_some() {
                self.unpack()?;
            }
            let wall_s = start.elapsed().as_secs_f64();
            total.total_s += wall_s;
            total.wall_s += wall_s;
            total.host_cpu_s += process_cpu_s() - cpu_s;
        }
        Ok(total)
    }

    fn outputs(&mut self) -> Result<Vec<Vec<u8>>, BackendError> {
        self.finish()?;
        self.unpack()
    }

    fn modes(&self) -> &'static [Mode] {
        let host_work = self.recording.pack.is_some() || self.recording.unpack.is_some();
        if host_work || self.convolves() {
            &[Mode::EndToEnd, Mode::KernelWarm, Mode::KernelCold]
        } else {
            &[Mode::KernelWarm, Mode::KernelCold]
        }
    }

    fn one_off(&self) -> &OneOff {
        &self.one_off
    }

    fn launches(&self) -> u32 {
        self.recording.launches()
    }

    fn checked_alone(&self) -> &'static [Mode] {
        // Another primitive may be the fastest in the library's own layout.
        if self.convolves() { &[Mode::KernelWarm] } else { &[] }
    }

    fn chosen(&self) -> Option<String> {
        if self.library != LibraryName::OneDnn {
            return None;
        }
        let chosen: Vec<String> = self.calls.iter().map(Call::chosen).collect();
        Some(chosen.join("; "))
    }
}
