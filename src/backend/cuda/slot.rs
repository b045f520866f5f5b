//! The buffers and stream of one execution in flight, and the commands over them.

use std::rc::Rc;

use breakeven_kernels::recording::{BufferId, Command, LibraryCall, Recording, Role};
use bytes::Bytes;

use super::args::{Launch, grown, rounded, slots};
use super::driver::{Buffer, Context, Event, Function, Pinned, Result, Stream};
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

/// Page-locked memory through which a pipelined execution's data pass, one piece per input and
/// output, in their order.
struct Staging {
    upload: Vec<Pinned>,
    download: Vec<Pinned>,
}

/// One execution's own buffers and stream.
pub(super) struct Slot {
    pub(super) stream: Stream,
    /// Start of the call, end of the upload, end of the work.
    pub(super) events: [Event; 3],
    staging: Option<Staging>,
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
            staging: None,
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
            self.staging = None;
            self.bind(recording);
        }
        Ok(any)
    }

    /// Copies `packed` (one per input) into page-locked memory, allocated on first use, and
    /// enqueues its upload. The stream has been waited for since the last time.
    ///
    /// # Errors
    /// No page-locked memory left; contents that do not fit.
    pub(super) fn upload_staged(&mut self, recording: &Recording, packed: &[Bytes]) -> Result<()> {
        let pinned = |role| {
            in_role(recording, role)
                .map(|i| Pinned::new(&self.context, self.buffers[i].bytes))
                .collect::<Result<Vec<_>>>()
        };
        if self.staging.is_none() {
            let upload = pinned(Role::Input)?;
            let fixed = variable(recording).next().is_none();
            let download = if fixed { pinned(Role::Output)? } else { Vec::new() };
            self.staging = Some(Staging { upload, download });
        }
        let upload = self.staging.iter_mut().flat_map(|s| &mut s.upload);
        for ((i, data), pinned) in in_role(recording, Role::Input).zip(packed).zip(upload) {
            let Some(room) = pinned.bytes_mut().get_mut(..data.len()) else {
                let (name, bytes) = (recording.buffers[i].name, data.len());
                return Err(BackendError::Run(format!("pack made {bytes} bytes for `{name}`")));
            };
            room.copy_from_slice(data);
            // SAFETY: the slot keeps the staging memory, and nobody touches it before a wait.
            unsafe { self.stream.upload(&self.buffers[i], room) }?;
        }
        Ok(())
    }

    /// Enqueues the download of all outputs into page-locked memory.
    ///
    /// # Errors
    /// A lost device.
    pub(super) fn download_staged(&mut self, recording: &Recording) -> Result<()> {
        let download = self.staging.iter_mut().flat_map(|s| &mut s.download);
        for (i, pinned) in in_role(recording, Role::Output).zip(download) {
            let bytes = recording.buffers[i].bytes as usize;
            // SAFETY: the slot keeps the staging memory, and nobody touches it before a wait.
            unsafe { self.stream.download(&mut pinned.bytes_mut()[..bytes], &self.buffers[i], 0) }?;
        }
        Ok(())
    }

    /// Copies downloaded outputs out of page-locked memory; the stream has been waited for.
    pub(super) fn copy_staged(&mut self, host: &mut [Vec<u8>]) {
        let download = self.staging.iter_mut().flat_map(|s| &mut s.download);
        for (data, pinned) in host.iter_mut().zip(download) {
            let bytes = data.len();
            data.copy_from_slice(&pinned.bytes_mut()[..bytes]);
        }
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

    /// Enqueues a fill of outputs and scratch with [`POISON`].
    ///
    /// # Errors
    /// A lost device.
    pub(super) fn poison(&self, recording: &Recording) -> Result<()> {
        in_role(recording, Role::Output)
            .chain(in_role(recording, Role::Scratch))
            .try_for_each(|i| self.stream.fill(&self.buffers[i], POISON))
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
