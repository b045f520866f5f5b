//! Recordings of library calls, run on host memory.

use std::time::Instant;

use breakeven_kernels::recording::{BufferId, Command, GemmType, LibraryCall, Recording, Role};
use breakeven_kernels::work::LibraryName;
use bytes::Bytes;

use super::blas::{Libraries, Operands, Product};
use super::{CpuDevice, process_cpu_s};
use crate::backend::{BackendError, Mode, OneOff, Session, Timer, Timing};

/// Buffers in cache-line aligned host memory and the calls over them.
pub(super) struct LibrarySession<'d> {
    device: &'d mut CpuDevice,
    recording: Recording,
    library: LibraryName,
    buffers: Vec<Aligned>,
    one_off: OneOff,
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
        let fail = |message: String| BackendError::Unsupported { device: "cpu".into(), message };
        let mut dtypes = Vec::new();
        for command in &recording.commands {
            match command {
                Command::Library(LibraryCall::Gemm { dtype, .. }) => dtypes.push(*dtype),
                Command::Library(LibraryCall::Conv2d { .. }) => {
                    return Err(fail("library convolutions are not offered on the CPU".into()));
                }
                _ => return Err(fail("only library calls run here as a recording".into())),
            }
        }
        let libraries = Libraries::get();
        let can = |library: &LibraryName| dtypes.iter().all(|d| libraries.can(*library, *d));
        let library = match recording.library {
            Some(library) => Some(library).filter(can),
            None => libraries.found().find(can),
        };
        let library = library.ok_or_else(|| {
            let types = if dtypes.contains(&GemmType::Bf16) { "bf16" } else { "f32" };
            fail(match recording.library {
                Some(name) => format!("{name} is not here or offers no {types} product"),
                None => format!("no library that multiplies {types} was found"),
            })
        })?;
        let start = Instant::now();
        let mut buffers: Vec<Aligned> =
            recording.buffers.iter().map(|b| Aligned::new(b.bytes as usize)).collect();
        let allocate_s = Some(start.elapsed().as_secs_f64());
        for (buffer, planned) in buffers.iter_mut().zip(&recording.buffers) {
            buffer.fill(&planned.data);
        }
        let one_off = OneOff { allocate_s, ..OneOff::default() };
        Ok(Self { device, recording, library, buffers, one_off })
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

    fn execute(&mut self) -> Result<(), BackendError> {
        for command in &self.recording.commands {
            if let Command::Library(LibraryCall::Gemm { m, n, k, batch, dtype, a, b, c }) = command
            {
                let sizes = [*m as usize, *n as usize, *k as usize, *batch as usize];
                gemm(self.library, sizes, *dtype, &mut self.buffers, [*a, *b, *c])
                    .map_err(BackendError::Run)?;
            }
        }
        Ok(())
    }
}

/// `sizes` are m, n, k and the number of products.
fn gemm(
    library: LibraryName,
    [m, n, k, batch]: [usize; 4],
    dtype: GemmType,
    buffers: &mut [Aligned],
    [a, b, c]: [BufferId; 3],
) -> Result<(), String> {
    // The result is taken out while the operands are borrowed.
    let mut result = std::mem::replace(&mut buffers[c.0], Aligned::new(0));
    let outcome = (0..batch).try_for_each(|index| {
        let part = |id: BufferId, length: usize, size: usize| {
            let (start, end) = (index * length * size, (index + 1) * length * size);
            buffers[id.0].bytes().get(start..end).ok_or("a buffer is shorter than its matrix")
        };
        let operands = match dtype {
            GemmType::F32 => Operands::F32(
                bytemuck::try_cast_slice(part(a, m * k, 4)?).map_err(|e| e.to_string())?,
                bytemuck::try_cast_slice(part(b, k * n, 4)?).map_err(|e| e.to_string())?,
            ),
            GemmType::Bf16 => Operands::Bf16(
                bytemuck::try_cast_slice(part(a, m * k, 2)?).map_err(|e| e.to_string())?,
                bytemuck::try_cast_slice(part(b, k * n, 2)?).map_err(|e| e.to_string())?,
            ),
        };
        let range = index * m * n * 4..(index + 1) * m * n * 4;
        let out = result.bytes_mut().get_mut(range).ok_or("the result buffer is too short")?;
        let c = bytemuck::try_cast_slice_mut(out).map_err(|e| e.to_string())?;
        Libraries::get().gemm(library, Product { m, n, k, operands, c })
    });
    buffers[c.0] = result;
    outcome
}

impl Session for LibrarySession<'_> {
    fn reset(&mut self) -> Result<(), BackendError> {
        for (planned, buffer) in self.recording.buffers.iter().zip(&mut self.buffers) {
            if planned.role == Role::Output {
                // All ones is a NaN as f32 and no plausible integer.
                buffer.bytes_mut().fill(0xff);
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
            self.execute()?;
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
        self.unpack()
    }

    fn modes(&self) -> &'static [Mode] {
        if self.recording.pack.is_some() || self.recording.unpack.is_some() {
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
}
