//! A recording on a Vulkan device: loading, running in each mode, timing.

use std::time::Instant;

use breakeven_kernels::recording::{Command, Recording, Role};
use breakeven_kernels::work::{DeviceInfo, DeviceKind};
use bytes::Bytes;
use wgpu::BufferUsages as Usage;

use super::gpu::{Gpu, allocated, process_cpu_s};
use super::pipelines::{Compiled, Pipelines};
use super::slot::{Slot, check_size, device_buffer, in_role, mapped, variable};
use super::stamps::Stamps;
use crate::backend::copy::POISON_BYTE;
use crate::backend::{BackendError, Mode, OneOff, Session, Timer, Timing};

/// Commands of one command buffer at most; longer runs are split, each part timed by itself.
const BATCH: u32 = 512;
/// Written to flush the last-level cache: twice the largest L2 there is, in bytes.
const FLUSH_BYTES: u64 = 256 << 20;
/// The same for a software adapter, whose cache is the host's.
const SOFTWARE_FLUSH_BYTES: u64 = 64 << 20;

/// A recording with its memory and pipelines on a device.
pub(super) struct VulkanSession<'d> {
    pub(super) gpu: &'d Gpu,
    pub(super) recording: Recording,
    pub(super) compiled: Vec<Compiled>,
    pub(super) constants: Vec<Option<wgpu::Buffer>>,
    /// The first serves all modes, the others the pipelined one.
    pub(super) slots: Vec<Slot>,
    flush: Option<wgpu::Buffer>,
    stamps: Option<Stamps>,
    one_off: OneOff,
    /// Inputs are on the device (kernel modes upload them once).
    resident: bool,
    /// Outputs of the last run, where it brought them to the host.
    pub(super) outputs: Option<Vec<Vec<u8>>>,
    /// Memory of earlier outputs, for the next.
    pub(super) spare: Vec<Vec<u8>>,
}

impl<'d> VulkanSession<'d> {
    /// Compiles, allocates and uploads constants, each timed.
    ///
    /// # Errors
    /// A recording that the device cannot hold, compile or interpret.
    pub(super) fn load(
        gpu: &'d Gpu,
        info: &DeviceInfo,
        pipelines: &mut Pipelines,
        recording: Recording,
        context_s: Option<f64>,
    ) -> Result<Self, BackendError> {
        refuse_library(gpu, &recording)?;
        check_memory(gpu, info, &recording)?;
        let mut one_off = OneOff { context_s, ..OneOff::default() };

        let start = Instant::now();
        let (compiled, fresh) = compile(gpu, pipelines, &recording)?;
        one_off.compile_s = fresh.then(|| start.elapsed().as_secs_f64());

        let start = Instant::now();
        let constants = recording
            .buffers
            .iter()
            .map(|b| (b.role == Role::Constant).then(|| device_buffer(gpu, b.name, b.bytes)));
        let constants: Vec<_> = constants.collect();
        let sizes = recording.buffers.iter().map(|b| b.bytes).collect();
        let slot = Slot::new(gpu, &recording, sizes, &constants, &compiled)?;
        gpu.submit_and_wait(gpu.encoder())?;
        one_off.allocate_s = Some(start.elapsed().as_secs_f64());

        let start = Instant::now();
        for (b, buffer) in recording.buffers.iter().zip(&constants) {
            if let Some(buffer) = buffer {
                write(gpu, buffer, &b.data);
            }
        }
        gpu.submit_and_wait(gpu.encoder())?;
        let any_constant = constants.iter().any(Option::is_some);
        one_off.constants_s = any_constant.then(|| start.elapsed().as_secs_f64());

        Ok(Self {
            gpu,
            recording,
            compiled,
            constants,
            slots: vec![slot],
            flush: None,
            stamps: gpu.tick_s.map(|_| Stamps::new(gpu, 2)),
            one_off,
            resident: false,
            outputs: None,
            spare: Vec::new(),
        })
    }

    /// Adds to the one-off cost of memory.
    pub(super) fn add_allocation(&mut self, seconds: f64) {
        *self.one_off.allocate_s.get_or_insert_default() += seconds;
    }

    /// Brings the inputs to the device once, for the kernel modes.
    fn make_resident(&mut self) -> Result<(), BackendError> {
        if !self.resident {
            for (i, data) in in_role(&self.recording, Role::Input).zip(self.packed()?) {
                write(self.gpu, self.slots[0].buffer(i), &data);
            }
            self.gpu.submit_and_wait(self.gpu.encoder())?;
            self.resident = true;
        }
        Ok(())
    }

    /// Contents of the input buffers, in their order.
    pub(super) fn packed(&self) -> Result<Vec<Bytes>, BackendError> {
        let inputs = in_role(&self.recording, Role::Input).map(|i| &self.recording.buffers[i]);
        let Some(pack) = &self.recording.pack else {
            return Ok(inputs.map(|b| b.data.clone()).collect());
        };
        let packed = pack().map_err(BackendError::Run)?;
        let inputs: Vec<_> = inputs.collect();
        if packed.len() != inputs.len() {
            let message =
                format!("pack made {} inputs, the recording has {}", packed.len(), inputs.len());
            return Err(BackendError::Run(message));
        }
        match inputs.iter().zip(&packed).find(|(b, data)| data.len() as u64 > b.bytes) {
            Some((b, data)) => Err(BackendError::Run(format!(
                "pack made {} bytes for buffer {} of {} bytes",
                data.len(),
                b.name,
                b.bytes
            ))),
            None => Ok(packed),
        }
    }

    /// `iterations` times the commands, timed by the device's clock where it can be trusted.
    fn run_kernels(&mut self, iterations: u32, cold: bool) -> Result<(f64, Timer), BackendError> {
        self.make_resident()?;
        let per_batch = if cold { 1 } else { (BATCH / self.launches().max(1)).max(1) };
        let (mut total_s, mut timer) = (0.0, Timer::GpuTimestamp);
        loop {
            let mut left = iterations;
            while left > 0 {
                let n = left.min(per_batch);
                if cold {
                    self.flush_cache()?;
                }
                let (span_s, by) = self.run_batch(n)?;
                total_s += span_s;
                if by == Timer::Wall {
                    timer = Timer::Wall;
                }
                left -= n;
            }
            // What overflowed runs again with more room; the failed attempt stays in the time.
            if !self.grow_to_fit(0)? {
                return Ok((total_s, timer));
            }
            self.resident = false;
            self.make_resident()?;
        }
    }

    /// One submission of `n` executions; its time in seconds and who measured it.
    fn run_batch(&self, n: u32) -> Result<(f64, Timer), BackendError> {
        let mut encoder = self.gpu.encoder();
        if let Some(stamps) = &self.stamps {
            stamps.write(&mut encoder, 0);
        }
        for _ in 0..n {
            self.slots[0].encode(&mut encoder);
        }
        if let Some(stamps) = &self.stamps {
            stamps.write(&mut encoder, 1);
            stamps.resolve(&mut encoder);
        }
        let commands = encoder.finish();
        self.gpu.check()?;
        let start = Instant::now();
        let index = self.gpu.queue.submit([commands]);
        if let Some(stamps) = &self.stamps {
            stamps.map();
        }
        self.gpu.wait(Some(index))?;
        let wall_s = start.elapsed().as_secs_f64();
        let spans = self.stamps.as_ref().map(|s| s.spans_s(self.gpu)).transpose()?.flatten();
        Ok(match spans {
            Some(spans) if spans[0] <= wall_s => (spans[0], Timer::GpuTimestamp),
            _ => ((wall_s - self.gpu.empty_submit_s).max(0.0), Timer::Wall),
        })
    }

    /// Writes a buffer larger than the last-level cache.
    fn flush_cache(&mut self) -> Result<(), BackendError> {
        let gpu = self.gpu;
        let software = gpu.info.kind == DeviceKind::SoftwareGpu;
        let bytes = if software { SOFTWARE_FLUSH_BYTES } else { FLUSH_BYTES };
        let bytes = bytes.min(gpu.limits.max_buffer_size);
        let flush =
            self.flush.get_or_insert_with(|| gpu.buffer("cache flush", bytes, Usage::COPY_DST));
        let mut encoder = gpu.encoder();
        encoder.clear_buffer(flush, 0, None);
        gpu.submit_and_wait(encoder)
    }

    /// Grows every variable output of slot `s` whose count exceeds it; whether any did.
    fn grow_to_fit(&mut self, s: usize) -> Result<bool, BackendError> {
        if variable(&self.recording).next().is_none() {
            return Ok(false);
        }
        let slot = &mut self.slots[s];
        let mut encoder = self.gpu.encoder();
        let Some(counts) = &slot.transfer(self.gpu, &self.recording).counts else {
            return Ok(false);
        };
        let counts = counts.clone();
        slot.encode_counts(&mut encoder, &self.recording, &counts);
        let index = self.gpu.queue.submit([encoder.finish()]);
        counts.map_async(wgpu::MapMode::Read, .., |_| ());
        self.gpu.wait(Some(index))?;
        let used = self.read_counts(&counts)?;
        self.grow(s, &used)
    }

    /// Used bytes of each variable output, from its mapped counts.
    pub(super) fn read_counts(&self, counts: &wgpu::Buffer) -> Result<Vec<u64>, BackendError> {
        let n = variable(&self.recording).count() as u64;
        let bytes = mapped(self.gpu, counts, n * 4)?;
        counts.unmap();
        Ok(bytemuck::pod_collect_to_vec::<u8, u32>(&bytes).into_iter().map(u64::from).collect())
    }

    /// Doubles every variable output of slot `s` until its count fits; whether any grew.
    pub(super) fn grow(&mut self, s: usize, used: &[u64]) -> Result<bool, BackendError> {
        let mut grown = false;
        let over: Vec<_> = variable(&self.recording).zip(used).collect();
        for (i, used) in over {
            let mut bytes = self.slots[s].sizes()[i].max(1);
            while bytes < *used {
                bytes *= 2;
            }
            if bytes > self.slots[s].sizes()[i].max(1) {
                self.slots[s].grow(self.gpu, &self.recording, &self.compiled, i, bytes)?;
                grown = true;
            }
        }
        Ok(grown)
    }
}

impl Session for VulkanSession<'_> {
    fn reset(&mut self) -> Result<(), BackendError> {
        self.forget_outputs();
        self.spare.iter_mut().for_each(|data| data.fill(POISON_BYTE));
        let mut encoder = self.gpu.encoder();
        for slot in &self.slots {
            slot.encode_poison(self.gpu, &mut encoder, &self.recording);
        }
        self.gpu.submit_and_wait(encoder)
    }

    fn prepare(&mut self, mode: Mode) -> Result<(), BackendError> {
        self.gpu.check()?;
        self.make_room(mode)
    }

    fn run(&mut self, mode: Mode, iterations: u32) -> Result<Timing, BackendError> {
        self.prepare(mode)?;
        let (cpu, start) = (process_cpu_s(), Instant::now());
        let timing = match mode {
            Mode::KernelCold | Mode::KernelWarm => {
                self.forget_outputs();
                let (total_s, timer) = self.run_kernels(iterations, mode == Mode::KernelCold)?;
                Timing { total_s, timer, depth: 1, ..Timing::default() }
            }
            Mode::EndToEnd => self.run_end_to_end(iterations)?,
            Mode::Pipelined => self.run_pipelined(iterations)?,
        };
        Ok(Timing {
            wall_s: start.elapsed().as_secs_f64(),
            host_cpu_s: process_cpu_s() - cpu,
            ..timing
        })
    }

    fn outputs(&mut self) -> Result<Vec<Vec<u8>>, BackendError> {
        if self.outputs.is_none() {
            self.download()?;
        }
        Ok(self.outputs.clone().unwrap_or_default())
    }

    fn modes(&self) -> &'static [Mode] {
        &[Mode::EndToEnd, Mode::KernelWarm, Mode::Pipelined, Mode::KernelCold]
    }

    fn one_off(&self) -> &OneOff {
        &self.one_off
    }

    fn launches(&self) -> u32 {
        self.recording.launches()
    }
}

fn refuse_library(gpu: &Gpu, recording: &Recording) -> Result<(), BackendError> {
    if recording.commands.iter().any(|c| matches!(c, Command::Library(_))) {
        return Err(gpu.program_error("this backend knows no vendor library calls"));
    }
    Ok(())
}

/// Compiles every dispatch; whether anything was not compiled before.
fn compile(
    gpu: &Gpu,
    pipelines: &mut Pipelines,
    recording: &Recording,
) -> Result<(Vec<Compiled>, bool), BackendError> {
    let mut any_fresh = false;
    let mut compiled = Vec::new();
    for command in &recording.commands {
        if let Command::Dispatch { kernel, args, .. } = command {
            let (one, fresh) = pipelines.get(gpu, kernel, args)?;
            any_fresh |= fresh;
            compiled.push(one);
        }
    }
    Ok((compiled, any_fresh))
}

/// Checks sizes against the device's limits before anything is allocated.
fn check_memory(gpu: &Gpu, info: &DeviceInfo, recording: &Recording) -> Result<(), BackendError> {
    for b in &recording.buffers {
        check_size(gpu, b.name, b.bytes)?;
    }
    let needed_bytes = recording.buffers.iter().map(|b| allocated(b.bytes)).sum();
    match info.memory_bytes {
        Some(available_bytes) if needed_bytes > available_bytes => Err(BackendError::OutOfMemory {
            device: info.id.clone(),
            needed_bytes,
            available_bytes,
        }),
        _ => Ok(()),
    }
}

/// Writes `data` to the start of `buffer` with the next submission.
fn write(gpu: &Gpu, buffer: &wgpu::Buffer, data: &[u8]) {
    let whole = data.len() / 4 * 4;
    gpu.queue.write_buffer(buffer, 0, &data[..whole]);
    if whole < data.len() {
        let mut tail = [0; 4];
        tail[..data.len() - whole].copy_from_slice(&data[whole..]);
        gpu.queue.write_buffer(buffer, whole as u64, &tail);
    }
}
