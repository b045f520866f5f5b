//! The buffers and stream of one execution in flight, and the commands over them.

use std::rc::Rc;

use breakeven_kernels::recording::{BufferId, Command, LibraryCall, Recording, Role};
use bytes::Bytes;

use super::args::{Launch, grown, rounded, slots};
use super::driver::{Buffer, Context, Event, Function, Result, Stream};
use super::staging::Staging;
use super::{cublaslt, cudnn};
use crate::backend::BackendError;

/// Written over outputs and scratch before a run: a NaN as f32 and bf16, and no likely integer.
const POISON: u32 = 0x7fc0_a5a5;

/// What a recording's commands need that all executions share: one entry per command.
pub(super) enum Prepared {
    /// A compiled kernel.
    Kernel(Function),
    /// A planned matrix product.
    Gemm(cublaslt::Gemm),
    /// A planned convolution.
    Conv(cudnn::Conv),
    /// Clear and Copy need nothing.
    Nothing,
}

impl Prepared {
    fn workspace_bytes(&self) -> u64 {
        match self {
            Self::Gemm(plan) => plan.workspace_bytes,
            Self::Conv(plan) => plan.workspace_bytes,
            Self::Kernel(_) | Self::Nothing => 0,
        }
    }
}

/// Indices of the buffers in `role`.
pub(super) fn in_role(recording: &Recording, role: Role) -> impl Iterator<Item = usize> {
    recording.buffers.iter().enumerate().filter(move |(_, b)| b.role == role).map(|(i, _)| i)
}

/// Indices of the buffers whose used length the device computes.
pub(super) fn variable(recording: &Recording) -> impl Iterator<Item = usize> {
    recording.buffers.iter().enumerate().filter(|(_, b)| b.used.is_some()).map(|(i, _)| i)
}

/// One execution's own buffers and stream.
pub(super) struct Slot {
    pub(super) stream: Stream,
    /// Start of the call, end of the upload, end of the work.
    pub(super) events: [Event; 3],
    staging: Staging,
    context: Rc<Context>,
    buffers: Vec<Rc<Buffer>>,
    workspace: Option<Buffer>,
    /// One per command; `None` for what is no kernel.
    launches: Vec<Option<Launch>>,
}

impl Slot {
    /// Allocates buffers (those of role constant are taken from `constants`, by index).
    ///
    /// # Errors
    /// Not enough memory.
    pub(super) fn new(
        context: &Rc<Context>,
        recording: &Recording,
        sizes: &[u64],
        constants: &[Option<Rc<Buffer>>],
        prepared: &[Prepared],
    ) -> Result<Self> {
        let buffers = sizes.iter().zip(constants).map(|(bytes, constant)| match constant {
            Some(constant) => Ok(Rc::clone(constant)),
            None => Buffer::new(context, *bytes).map(Rc::new),
        });
        let workspace = prepared.iter().map(Prepared::workspace_bytes).max().filter(|b| *b > 0);
        let mut slot = Self {
            stream: Stream::new(context)?,
            events: [Event::new(context)?, Event::new(context)?, Event::new(context)?],
            staging: Staging::default(),
            context: Rc::clone(context),
            buffers: buffers.collect::<Result<_>>()?,
            workspace: workspace.map(|bytes| Buffer::new(context, bytes)).transpose()?,
            launches: Vec::new(),
        };
        slot.bind(recording);
        Ok(slot)
    }

    /// Present sizes in bytes, in the order of the recording's buffers.
    pub(super) fn sizes(&self) -> Vec<u64> {
        self.buffers.iter().map(|b| b.bytes).collect()
    }

    /// The device buffer of index `i`.
    pub(super) fn buffer(&self, i: usize) -> &Buffer {
        &self.buffers[i]
    }

    /// Replaces the variable outputs whose used count exceeds them, contents lost; whether any.
    ///
    /// # Errors
    /// Not enough memory, or an output beyond what a count can say.
    pub(super) fn grow(&mut self, recording: &Recording, used: &[u64]) -> Result<bool> {
        let mut any = false;
        for (i, used) in variable(recording).zip(used) {
            let bytes = grown(self.buffers[i].bytes, *used);
            if bytes == self.buffers[i].bytes {
                continue;
            }
            if bytes > u64::from(u32::MAX) {
                let name = recording.buffers[i].name;
                return Err(BackendError::Run(format!(
                    "output `{name}` wants {bytes} bytes, beyond 4 GiB; choose a smaller case"
                )));
            }
            self.stream.wait()?;
            self.buffers[i] = Rc::new(Buffer::new(&self.context, bytes)?);
            any = true;
        }
        if any {
            self.staging.forget_outputs();
            self.bind(recording);
        }
        Ok(any)
    }

    /// Page-locked memory for what does not go past it, so that no execution has to wait for it;
    /// whether any was missing.
    ///
    /// # Errors
    /// No page-locked memory left.
    pub(super) fn stage(&mut self, recording: &Recording, past: u64) -> Result<bool> {
        self.staging.make(&self.context, recording, &self.buffers, past)
    }

    /// Enqueues the upload of `packed`, one per input; nothing is under way on this slot.
    ///
    /// # Errors
    /// No page-locked memory left; contents that do not fit; a lost device.
    ///
    /// # Safety
    /// `packed` stays valid and unchanged until the stream has been waited for, unless `past` is 0.
    pub(super) unsafe fn upload(
        &mut self,
        recording: &Recording,
        packed: &[Bytes],
        past: u64,
    ) -> Result<()> {
        self.stage(recording, past)?;
        // SAFETY: passed on.
        unsafe { self.staging.upload(&self.stream, recording, &self.buffers, packed, past) }
    }

    /// Enqueues the download of outputs of these `lengths`.
    ///
    /// # Errors
    /// No page-locked memory left; a lost device.
    pub(super) fn fetch(
        &mut self,
        recording: &Recording,
        lengths: &[usize],
        past: u64,
    ) -> Result<()> {
        self.stage(recording, past)?;
        self.staging.fetch(&self.stream, recording, &self.buffers, lengths, past)
    }

    /// Waits for what was fetched and copies it to `host`.
    ///
    /// # Errors
    /// A failure of anything enqueued before.
    pub(super) fn collect(
        &self,
        recording: &Recording,
        host: &mut [Vec<u8>],
        past: u64,
    ) -> Result<()> {
        self.staging.collect(&self.stream, recording, &self.buffers, host, past)
    }

    /// Computes argument slots from present addresses and sizes.
    fn bind(&mut self, recording: &Recording) {
        let places: Vec<_> = self.buffers.iter().map(|b| (b.address, b.bytes)).collect();
        let launch = |command: &Command| match command {
            Command::Dispatch { kernel, grid, args } => Some(Launch {
                grid: *grid,
                block: kernel.block,
                shared_bytes: kernel.shared_bytes,
                slots: slots(args, &places),
            }),
            _ => None,
        };
        self.launches = recording.commands.iter().map(launch).collect();
    }

    /// Enqueues all commands once.
    ///
    /// # Errors
    /// What the driver or a library said.
    pub(super) fn enqueue(&self, recording: &Recording, prepared: &[Prepared]) -> Result<()> {
        let of = |id: &BufferId| self.buffers[id.0].as_ref();
        let steps = recording.commands.iter().zip(prepared).zip(&self.launches);
        for ((command, prepared), launch) in steps {
            match (command, prepared, launch) {
                (_, Prepared::Kernel(function), Some(launch)) => {
                    self.stream.launch(function, launch)?;
                }
                (Command::Clear(id), ..) => self.stream.fill(of(id), 0)?,
                (Command::Copy { from, to, bytes }, ..) => {
                    self.stream.copy(of(to), of(from), *bytes)?;
                }
                (Command::Library(LibraryCall::Gemm { a, b, c, .. }), Prepared::Gemm(plan), _) => {
                    plan.enqueue(&self.stream, [of(a), of(b), of(c)], self.workspace.as_ref())?;
                }
                (
                    Command::Library(LibraryCall::Conv2d { x, w, y, .. }),
                    Prepared::Conv(plan),
                    _,
                ) => {
                    plan.enqueue(&self.stream, [of(x), of(w), of(y)], self.workspace.as_ref())?;
                }
                _ => return Err(BackendError::Run("a command was not prepared".into())),
            }
        }
        Ok(())
    }

    /// Fills outputs and scratch with [`POISON`], and the memory in which outputs arrive.
    ///
    /// # Errors
    /// A lost device.
    pub(super) fn poison(&mut self, recording: &Recording) -> Result<()> {
        let filled = in_role(recording, Role::Output)
            .chain(in_role(recording, Role::Scratch))
            .try_for_each(|i| self.stream.fill(&self.buffers[i], POISON));
        self.stream.wait()?;
        self.staging.poison();
        filled
    }

    /// Waits for the stream and reads the count of each variable output, in bytes.
    ///
    /// # Errors
    /// A failure of anything enqueued before.
    pub(super) fn used(&self, recording: &Recording) -> Result<Vec<u64>> {
        let counters: Vec<_> = recording.buffers.iter().filter_map(|b| b.used).collect();
        let mut words = vec![[0u8; 4]; counters.len()];
        for (word, used) in words.iter_mut().zip(&counters) {
            let offset = u64::from(used.index) * 4;
            // SAFETY: `words` is not touched before the wait below; on an early return the
            // stream is waited for as well.
            let copied = unsafe { self.stream.download(word, of_used(self, used), offset) };
            if copied.is_err() {
                self.stream.wait()?;
            }
            copied?;
        }
        self.stream.wait()?;
        Ok(words.into_iter().map(|w| u64::from(u32::from_le_bytes(w))).collect())
    }
}

fn of_used<'s>(slot: &'s Slot, used: &breakeven_kernels::recording::Used) -> &'s Buffer {
    &slot.buffers[used.buffer.0]
}

impl Drop for Slot {
    fn drop(&mut self) {
        // Nothing under way may outlive its memory; an error means that nothing is under way.
        let _ = self.stream.wait();
    }
}

/// Total device memory of a recording in bytes, without workspaces.
pub(super) fn memory_bytes(recording: &Recording) -> u64 {
    recording.buffers.iter().map(|b| rounded(b.bytes)).sum()
}
