//! A recording on a CUDA device: loading, running in each mode, timing.

use std::rc::Rc;
use std::time::Instant;

use breakeven_kernels::recording::{Command, LibraryCall, Module as Source, Recording, Role};
use bytes::Bytes;

use super::args;
use super::cublaslt::{Gemm, Shape};
use super::cudnn::Conv;
use super::driver::{Buffer, Context, Event, Module, Result};
use super::slot::{Prepared, Slot, in_role, memory_bytes, variable};
use super::{Shared, process_cpu_s};
use crate::backend::copy::POISON_BYTE;
use crate::backend::{BackendError, Mode, OneOff, Session, Timer, Timing};

/// Cold executions that are timed before the host waits.
const COLD_BATCH: u32 = 32;
/// Cache size to flush where the driver does not say: the largest there is, in bytes.
const UNKNOWN_CACHE_BYTES: u64 = 128 << 20;

/// A recording with its memory and kernels on a device.
pub(super) struct CudaSession {
    /// The first serves all modes, the others the pipelined one. Dropped first: a slot waits for
    /// its work.
    pub(super) slots: Vec<Slot>,
    pub(super) context: Rc<Context>,
    pub(super) recording: Recording,
    pub(super) prepared: Vec<Prepared>,
    pub(super) constants: Vec<Option<Rc<Buffer>>>,
    flush: Option<Buffer>,
    cache_bytes: u64,
    one_off: OneOff,
    /// Inputs are on the device (kernel modes upload them once).
    pub(super) resident: bool,
    /// Outputs of the last run, where it brought them to the host.
    pub(super) outputs: Option<Vec<Vec<u8>>>,
    /// Memory of earlier outputs, for the next.
    pub(super) spare: Vec<Vec<u8>>,
    /// There are as many slots as will ever be.
    pub(super) slots_added: bool,
}

impl CudaSession {
    /// Compiles, plans, allocates and uploads constants, each timed.
    ///
    /// # Errors
    /// A recording that the device cannot hold, compile or interpret.
    pub(super) fn load(shared: &mut Shared, recording: Recording) -> Result<Self> {
        let context = Rc::clone(&shared.context);
        context.bind()?;
        args::check(&recording)
            .map_err(|message| BackendError::Program { device: context.id.clone(), message })?;
        let (available_bytes, _) = context.memory()?;
        let needed_bytes = memory_bytes(&recording);
        if needed_bytes > available_bytes {
            let device = context.id.clone();
            return Err(BackendError::OutOfMemory { device, needed_bytes, available_bytes });
        }
        let mut one_off = OneOff { context_s: shared.context_s.take(), ..OneOff::default() };
        let prepared = prepare(shared, &recording, &mut one_off)?;

        let start = Instant::now();
        let constants: Vec<_> = recording
            .buffers
            .iter()
            .map(|b| (b.role == Role::Constant).then(|| Buffer::new(&context, b.bytes)).transpose())
            .map(|b| b.map(|b| b.map(Rc::new)))
            .collect::<Result<_>>()?;
        let sizes: Vec<_> = recording.buffers.iter().map(|b| b.bytes).collect();
        let slot = Slot::new(&context, &recording, &sizes, &constants, &prepared)?;
        one_off.allocate_s = Some(start.elapsed().as_secs_f64());

        let start = Instant::now();
        for (b, buffer) in recording.buffers.iter().zip(&constants) {
            if let Some(buffer) = buffer {
                // SAFETY: `recording` keeps the data; the slot waits below and in its drop.
                unsafe { slot.stream.upload(buffer, 0, &b.data) }?;
            }
        }
        slot.stream.wait()?;
        let any_constant = constants.iter().any(Option::is_some);
        one_off.constants_s = any_constant.then(|| start.elapsed().as_secs_f64());

        Ok(Self {
            slots: vec![slot],
            context,
            recording,
            prepared,
            constants,
            flush: None,
            cache_bytes: shared.info.cache_bytes.unwrap_or(UNKNOWN_CACHE_BYTES),
            one_off,
            resident: false,
            outputs: None,
            spare: Vec::new(),
            slots_added: false,
        })
    }

    /// Adds to the one-off cost of memory.
    pub(super) fn add_allocation(&mut self, seconds: f64) {
        *self.one_off.allocate_s.get_or_insert_default() += seconds;
    }

    /// Contents of the input buffers, in their order.
    ///
    /// # Errors
    /// What packing said, or contents that do not fit.
    pub(super) fn packed(&self) -> Result<Vec<Bytes>> {
        let inputs = in_role(&self.recording, Role::Input).map(|i| &self.recording.buffers[i]);
        let Some(pack) = &self.recording.pack else {
            return Ok(inputs.map(|b| b.data.clone()).collect());
        };
        let packed = pack().map_err(BackendError::Run)?;
        let inputs = inputs.count();
        if packed.len() == inputs {
            return Ok(packed);
        }
        let made = packed.len();
        Err(BackendError::Run(format!("pack made {made} inputs, the recording has {inputs}")))
    }

    /// Brings the inputs to the first slot once, for the kernel modes.
    fn make_resident(&mut self) -> Result<()> {
        if self.resident {
            return Ok(());
        }
        let packed = self.packed()?;
        let slot = &self.slots[0];
        let uploaded =
            in_role(&self.recording, Role::Input).zip(&packed).try_for_each(|(i, data)| {
                // SAFETY: `packed` lives until the wait below.
                unsafe { slot.stream.upload(slot.buffer(i), 0, data) }
            });
        slot.stream.wait()?;
        uploaded?;
        self.resident = true;
        Ok(())
    }

    /// `iterations` times the commands; device time in seconds. What overflows its output runs
    /// again with more room, and the failed attempt stays in the time.
    fn run_kernels(&mut self, iterations: u32, cold: bool) -> Result<f64> {
        self.make_resident()?;
        let mut total_s = 0.0;
        loop {
            total_s += if cold { self.run_cold(iterations)? } else { self.run_warm(iterations)? };
            if variable(&self.recording).next().is_none() {
                return Ok(total_s);
            }
            let used = self.slots[0].used(&self.recording)?;
            if !self.slots[0].grow(&self.recording, &used)? {
                return Ok(total_s);
            }
        }
    }

    fn run_warm(&self, iterations: u32) -> Result<f64> {
        let slot = &self.slots[0];
        let [start, end, _] = &slot.events;
        start.record(&slot.stream)?;
        for _ in 0..iterations {
            slot.enqueue(&self.recording, &self.prepared)?;
        }
        end.record(&slot.stream)?;
        slot.stream.wait()?;
        end.seconds_since(start)
    }

    /// As [`Self::run_warm`], with a buffer of twice the cache written before each execution.
    fn run_cold(&mut self, iterations: u32) -> Result<f64> {
        let flush = match self.flush.take() {
            Some(flush) => flush,
            None => Buffer::new(&self.context, 2 * self.cache_bytes)?,
        };
        let flush = self.flush.insert(flush);
        let slot = &self.slots[0];
        let pair = |_| Ok((Event::new(&self.context)?, Event::new(&self.context)?));
        let events = (0..iterations.min(COLD_BATCH)).map(pair).collect::<Result<Vec<_>>>()?;
        let (mut total_s, mut left) = (0.0, iterations);
        while left > 0 {
            let batch = &events[..left.min(COLD_BATCH) as usize];
            for (start, end) in batch {
                slot.stream.fill(flush, left)?;
                start.record(&slot.stream)?;
                slot.enqueue(&self.recording, &self.prepared)?;
                end.record(&slot.stream)?;
            }
            slot.stream.wait()?;
            for (start, end) in batch {
                total_s += end.seconds_since(start)?;
            }
            left -= batch.len() as u32;
        }
        Ok(total_s)
    }
}

impl Session for CudaSession {
    fn reset(&mut self) -> Result<()> {
        self.context.bind()?;
        self.forget_outputs();
        self.spare.iter_mut().for_each(|data| data.fill(POISON_BYTE));
        self.slots.iter_mut().try_for_each(|slot| slot.poison(&self.recording))
    }

    fn prepare(&mut self, mode: Mode) -> Result<()> {
        self.context.bind()?;
        self.make_room(mode)
    }

    fn run(&mut self, mode: Mode, iterations: u32) -> Result<Timing> {
        self.prepare(mode)?;
        let (cpu, start) = (process_cpu_s(), Instant::now());
        let timing = match mode {
            Mode::KernelCold | Mode::KernelWarm => {
                self.forget_outputs();
                let total_s = self.run_kernels(iterations, mode == Mode::KernelCold)?;
                Timing { total_s, timer: Timer::CudaEvent, depth: 1, ..Timing::default() }
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

    fn outputs(&mut self) -> Result<Vec<Vec<u8>>> {
        self.context.bind()?;
        if self.outputs.is_none() {
            let used = self.slots[0].used(&self.recording)?;
            // Once in a while: not worth page-locked memory.
            self.download(0, &used, u64::MAX)?;
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

/// Compiles every kernel and plans every library call, one entry per command.
fn prepare(
    shared: &mut Shared,
    recording: &Recording,
    one_off: &mut OneOff,
) -> Result<Vec<Prepared>> {
    let mut prepared = Vec::new();
    for command in &recording.commands {
        let start = Instant::now();
        let fresh = shared.modules.len();
        let one = prepare_one(shared, command)?;
        let spent_s = start.elapsed().as_secs_f64();
        match &one {
            Prepared::Kernel(_) if shared.modules.len() > fresh => {
                *one_off.compile_s.get_or_insert_default() += spent_s;
            }
            Prepared::Gemm(_) | Prepared::Conv(_) => {
                *one_off.plan_s.get_or_insert_default() += spent_s;
            }
            Prepared::Kernel(_) | Prepared::Nothing => {}
        }
        prepared.push(one);
    }
    Ok(prepared)
}

fn prepare_one(shared: &mut Shared, command: &Command) -> Result<Prepared> {
    let problem =
        |message: String| BackendError::Program { device: shared.context.id.clone(), message };
    match command {
        Command::Dispatch { kernel, .. } => {
            let Source::Cuda(source) = &kernel.module else {
                return Err(problem(format!("{} is not a CUDA kernel", kernel.entry)));
            };
            let module = match shared.modules.get(source.name) {
                Some(module) => Rc::clone(module),
                None => {
                    let capability = shared.info.compute_capability.unwrap_or_default();
                    let ptx = args::choose_ptx(source.ptx, capability).ok_or_else(|| {
                        let ((major, minor), name) = (capability, source.name);
                        BackendError::Unsupported {
                            device: shared.context.id.clone(),
                            message: format!(
                                "{name} has no PTX for compute capability {major}.{minor}"
                            ),
                        }
                    })?;
                    let module = Module::new(&shared.context, source.name, ptx)?;
                    shared.modules.insert(source.name, Rc::clone(&module));
                    module
                }
            };
            module.function(kernel.entry, kernel.shared_bytes).map(Prepared::Kernel)
        }
        Command::Library(LibraryCall::Gemm { m, n, k, batch, dtype, .. }) => {
            let (m, n, k, batch, dtype) = (*m, *n, *k, *batch, *dtype);
            let capability = shared.info.compute_capability.unwrap_or_default();
            let handle = shared.cublaslt()?;
            Gemm::plan(&handle, Shape { m, n, k, batch, dtype }, capability).map(Prepared::Gemm)
        }
        Command::Library(LibraryCall::Conv2d { shape, .. }) => {
            let handle = shared.cudnn()?;
            Conv::plan(&handle, shape).map(Prepared::Conv)
        }
        Command::Clear(_) | Command::Copy { .. } => Ok(Prepared::Nothing),
    }
}
