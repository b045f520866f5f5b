//! Whole executions: host memory to host memory, one at a time or several in flight.

use std::time::Instant;

use breakeven_kernels::recording::Role;
use bytes::Bytes;

use super::driver::Result;
use super::session::CudaSession;
use super::slot::{Slot, in_role, memory_bytes, variable};
use crate::backend::copy::{self, PIECE, POISON_BYTE};
use crate::backend::{BackendError, Mode, Timer, Timing};

/// Executions in flight when pipelined.
const DEPTH: usize = 3;
/// Bytes up to which a call lets the driver copy from and to pageable memory: of a single piece
/// nothing overlaps, so that another copy would only be one more.
const SMALL: u64 = PIECE as u64;

/// Parts of a call by the device's clock, in seconds; waiting for pieces to be staged is in them.
struct Parts {
    upload_s: f64,
    kernel_s: f64,
}

impl CudaSession {
    /// `iterations` calls, one after the other, from and to pageable memory; what is large passes
    /// through page-locked memory, which is part of the time.
    ///
    /// # Errors
    /// A lost device, or what packing and unpacking said.
    pub(super) fn run_end_to_end(&mut self, iterations: u32) -> Result<Timing> {
        let start = Instant::now();
        let (mut upload_s, mut kernel_s) = (0.0, 0.0);
        for _ in 0..iterations {
            let begun = Instant::now();
            let packed = self.packed()?;
            let pack_s = begun.elapsed().as_secs_f64();
            let called = self.call(&packed);
            if called.is_err() {
                // Copies may still read memory that is about to go.
                let _ = self.slots[0].stream.wait();
            }
            let parts = called?;
            upload_s += pack_s + parts.upload_s;
            kernel_s += parts.kernel_s;
        }
        let total_s = start.elapsed().as_secs_f64();
        Ok(Timing {
            total_s,
            upload_s: Some(upload_s),
            kernel_s: Some(kernel_s),
            download_s: Some((total_s - upload_s - kernel_s).max(0.0)),
            timer: Timer::Wall,
            depth: 1,
            ..Timing::default()
        })
    }

    /// One call: upload, work (again with more room where an output overflows), download, unpack.
    /// After an error copies from `packed` may be under way.
    fn call(&mut self, packed: &[Bytes]) -> Result<Parts> {
        let slot = &mut self.slots[0];
        slot.events[0].record(&slot.stream)?;
        // SAFETY: `download` below waits for the stream, and so does the caller after an error.
        unsafe { slot.upload(&self.recording, packed, SMALL) }?;
        slot.events[1].record(&slot.stream)?;
        let used = loop {
            slot.enqueue(&self.recording, &self.prepared)?;
            slot.events[2].record(&slot.stream)?;
            if variable(&self.recording).next().is_none() {
                break Vec::new();
            }
            let used = slot.used(&self.recording)?;
            if !slot.grow(&self.recording, &used)? {
                break used;
            }
        };
        self.resident = true;
        self.download(0, &used, SMALL)?;
        let [begun, uploaded, done] = &self.slots[0].events;
        let upload_s = uploaded.seconds_since(begun)?;
        Ok(Parts { upload_s, kernel_s: done.seconds_since(uploaded)? })
    }

    /// Downloads the outputs of slot `s` into pageable memory and unpacks them; see
    /// [`super::staging`] for what goes `past` page-locked memory.
    ///
    /// # Errors
    /// A failure of anything enqueued before, or what unpacking said.
    pub(super) fn download(&mut self, s: usize, used: &[u64], past: u64) -> Result<()> {
        let lengths = lengths(self, used);
        self.slots[s].fetch(&self.recording, &lengths, past)?;
        self.hand_over(s, &lengths, past)
    }

    /// Waits for outputs of slot `s` that were fetched, brings them to pageable memory and unpacks
    /// them.
    fn hand_over(&mut self, s: usize, lengths: &[usize], past: u64) -> Result<()> {
        let mut host = self.host_outputs(lengths);
        self.slots[s].collect(&self.recording, &mut host, past)?;
        self.finish(host)
    }

    /// Host memory for outputs of these lengths; that of an earlier run is reused, as a caller
    /// would who keeps his result buffers.
    fn host_outputs(&mut self, lengths: &[usize]) -> Vec<Vec<u8>> {
        self.forget_outputs();
        let mut host = std::mem::take(&mut self.spare);
        host.resize_with(lengths.len(), Vec::new);
        host.iter_mut().zip(lengths).for_each(|(data, bytes)| copy::sized(data, *bytes));
        host
    }

    /// Outputs that were brought to the host hold no longer, but their memory serves again; what
    /// unpacking made has memory of its own.
    pub(super) fn forget_outputs(&mut self) {
        if let (Some(old), None) = (self.outputs.take(), &self.recording.unpack) {
            self.spare = old;
        }
    }

    /// Makes and touches what executions in `mode` pass through, with the sizes known so far.
    ///
    /// # Errors
    /// Not enough memory; a lost device.
    pub(super) fn make_room(&mut self, mode: Mode) -> Result<()> {
        let start = Instant::now();
        let mut made = match mode {
            Mode::KernelCold | Mode::KernelWarm => return Ok(()),
            Mode::EndToEnd => self.slots[0].stage(&self.recording, SMALL)?,
            Mode::Pipelined => self.add_slots()?,
        };
        if self.outputs.is_none() && self.spare.is_empty() && self.recording.unpack.is_none() {
            let lengths = lengths(self, &[]);
            self.spare = lengths.into_iter().map(|bytes| vec![POISON_BYTE; bytes]).collect();
            made = true;
        }
        if made {
            self.add_allocation(start.elapsed().as_secs_f64());
        }
        Ok(())
    }

    /// Unpacks raw outputs and keeps them.
    fn finish(&mut self, host: Vec<Vec<u8>>) -> Result<()> {
        self.outputs = Some(match &self.recording.unpack {
            Some(unpack) => unpack(host).map_err(BackendError::Run)?,
            None => host,
        });
        Ok(())
    }

    /// `iterations` calls with up to [`DEPTH`] in flight, through page-locked memory: without it
    /// no copy overlaps with work. Filling and emptying that memory is part of the time, making it
    /// is not ([`Self::make_room`]).
    ///
    /// # Errors
    /// A lost device, or what packing and unpacking said.
    pub(super) fn run_pipelined(&mut self, iterations: u32) -> Result<Timing> {
        let depth = self.slots.len();
        let start = Instant::now();
        let flown = self.fly(iterations as usize, depth);
        if flown.is_err() {
            // Leave nothing under way.
            self.slots.iter().for_each(|slot| drop(slot.stream.wait()));
        }
        flown?;
        let total_s = start.elapsed().as_secs_f64();
        Ok(Timing { total_s, timer: Timer::Wall, depth: depth as u32, ..Timing::default() })
    }

    fn fly(&mut self, iterations: usize, depth: usize) -> Result<()> {
        for i in 0..iterations + depth {
            // Execution i takes the slot that execution i − depth leaves.
            if i >= depth && i - depth < iterations {
                self.land(i % depth)?;
            }
            if i < iterations {
                self.take_off(i % depth)?;
            }
        }
        Ok(())
    }

    /// Enqueues one execution on slot `s` without waiting.
    fn take_off(&mut self, s: usize) -> Result<()> {
        let packed = self.packed()?;
        let lengths = lengths(self, &[]);
        let slot = &mut self.slots[s];
        // SAFETY: nothing goes past page-locked memory.
        unsafe { slot.upload(&self.recording, &packed, 0) }?;
        slot.enqueue(&self.recording, &self.prepared)?;
        // The length of a variable output is known only when the work is done.
        if variable(&self.recording).next().is_none() {
            slot.fetch(&self.recording, &lengths, 0)?;
        }
        Ok(())
    }

    /// Waits for the execution on slot `s` and hands its outputs over.
    fn land(&mut self, s: usize) -> Result<()> {
        if variable(&self.recording).next().is_none() {
            let lengths = lengths(self, &[]);
            return self.hand_over(s, &lengths, 0);
        }
        let slot = &mut self.slots[s];
        let mut used = slot.used(&self.recording)?;
        while slot.grow(&self.recording, &used)? {
            slot.enqueue(&self.recording, &self.prepared)?;
            used = slot.used(&self.recording)?;
        }
        self.download(s, &used, 0)
    }

    /// Slots for executions in flight, with their page-locked memory: [`DEPTH`], or what fits into
    /// half of the free memory; whether anything was missing.
    fn add_slots(&mut self) -> Result<bool> {
        let mut made = self.slots[0].stage(&self.recording, 0)?;
        if self.slots_added {
            return Ok(made);
        }
        let (free, _) = self.context.memory()?;
        let each = memory_bytes(&self.recording).max(1);
        let depth = (1 + free / 2 / each).min(DEPTH as u64);
        while (self.slots.len() as u64) < depth {
            let sizes = self.slots[0].sizes();
            let slot =
                Slot::new(&self.context, &self.recording, &sizes, &self.constants, &self.prepared);
            let staged = slot.and_then(|mut slot| {
                slot.stage(&self.recording, 0)?;
                Ok(slot)
            });
            match staged {
                Ok(slot) => self.slots.push(slot),
                Err(error @ BackendError::DeviceLost { .. }) => return Err(error),
                // No memory for another: then fewer are in flight.
                Err(_) => break,
            }
            made = true;
        }
        self.slots_added = true;
        Ok(made)
    }
}

/// Length of each output in bytes: the used count of a variable one, where `used` says it.
fn lengths(session: &CudaSession, used: &[u64]) -> Vec<usize> {
    let counts: Vec<_> = variable(&session.recording).zip(used).collect();
    in_role(&session.recording, Role::Output)
        .map(|i| {
            let count = counts.iter().find(|(v, _)| *v == i).map(|(_, used)| **used);
            count.unwrap_or(session.recording.buffers[i].bytes) as usize
        })
        .collect()
}
