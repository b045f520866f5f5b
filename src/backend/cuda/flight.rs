//! Whole executions: host memory to host memory, one at a time or several in flight.

use std::time::Instant;

use breakeven_kernels::recording::Role;

use super::driver::Result;
use super::session::CudaSession;
use super::slot::{Slot, in_role, memory_bytes, variable};
use crate::backend::{BackendError, Timer, Timing};

/// Executions in flight when pipelined.
const DEPTH: usize = 3;

/// Parts of a call, in seconds.
struct Parts {
    upload_s: f64,
    kernel_s: f64,
}

impl CudaSession {
    /// `iterations` calls, one after the other, from and to pageable memory.
    ///
    /// # Errors
    /// A lost device, or what packing and unpacking said.
    pub(super) fn run_end_to_end(&mut self, iterations: u32) -> Result<Timing> {
        let start = Instant::now();
        let (mut upload_s, mut kernel_s) = (0.0, 0.0);
        for _ in 0..iterations {
            let called = self.call();
            if called.is_err() {
                // Copies may still read memory that is about to go.
                let _ = self.slots[0].stream.wait();
            }
            let parts = called?;
            upload_s += parts.upload_s;
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

    /// One call: pack, upload, work (again with more room where an output overflows), download,
    /// unpack.
    fn call(&mut self) -> Result<Parts> {
        let start = Instant::now();
        let packed = self.packed()?;
        let pack_s = start.elapsed().as_secs_f64();
        let slot = &mut self.slots[0];
        slot.events[0].record(&slot.stream)?;
        for (i, data) in in_role(&self.recording, Role::Input).zip(&packed) {
            // SAFETY: `packed` lives until the stream was waited for: `used` does, and so does
            // the caller after an error.
            unsafe { slot.stream.upload(slot.buffer(i), data) }?;
        }
        slot.events[1].record(&slot.stream)?;
        let used = loop {
            slot.enqueue(&self.recording, &self.prepared)?;
            slot.events[2].record(&slot.stream)?;
            let used = slot.used(&self.recording)?;
            if !slot.grow(&self.recording, &used)? {
                break used;
            }
        };
        let [begun, uploaded, done] = &slot.events;
        let upload_s = pack_s + uploaded.seconds_since(begun)?;
        let kernel_s = done.seconds_since(uploaded)?;
        self.resident = true;
        self.download(0, &used)?;
        Ok(Parts { upload_s, kernel_s })
    }

    /// Downloads the outputs of slot `s` into pageable memory and unpacks them.
    ///
    /// # Errors
    /// A lost device, or what unpacking said.
    pub(super) fn download(&mut self, s: usize, used: &[u64]) -> Result<()> {
        let mut host = self.host_outputs(used);
        let slot = &self.slots[s];
        let outputs = in_role(&self.recording, Role::Output);
        let copied = outputs.zip(&mut host).try_for_each(|(i, data)| {
            // SAFETY: `host` is not touched before the wait below.
            unsafe { slot.stream.download(data, slot.buffer(i), 0) }
        });
        slot.stream.wait()?;
        copied?;
        self.finish(host)
    }

    /// Host memory for the outputs with the lengths they have; that of the last run is reused,
    /// as a caller would who keeps his result buffers.
    fn host_outputs(&mut self, used: &[u64]) -> Vec<Vec<u8>> {
        let mut host = match self.recording.unpack {
            Some(_) => Vec::new(),
            None => self.outputs.take().unwrap_or_default(),
        };
        let lengths = lengths(self, used);
        host.resize_with(lengths.len(), Vec::new);
        for (data, bytes) in host.iter_mut().zip(lengths) {
            data.resize(bytes, 0);
        }
        host
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
    /// no copy overlaps with work. Filling and emptying that memory is part of the time.
    ///
    /// # Errors
    /// A lost device, or what packing and unpacking said.
    pub(super) fn run_pipelined(&mut self, iterations: u32) -> Result<Timing> {
        self.add_slots()?;
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
        let slot = &mut self.slots[s];
        slot.upload_staged(&self.recording, &packed)?;
        slot.enqueue(&self.recording, &self.prepared)?;
        // The length of a variable output is known only when the work is done.
        if variable(&self.recording).next().is_none() {
            slot.download_staged(&self.recording)?;
        }
        Ok(())
    }

    /// Waits for the execution on slot `s` and hands its outputs over.
    fn land(&mut self, s: usize) -> Result<()> {
        if variable(&self.recording).next().is_none() {
            let mut host = self.host_outputs(&[]);
            let slot = &mut self.slots[s];
            slot.stream.wait()?;
            slot.copy_staged(&mut host);
            return self.finish(host);
        }
        let slot = &mut self.slots[s];
        let mut used = slot.used(&self.recording)?;
        while slot.grow(&self.recording, &used)? {
            slot.enqueue(&self.recording, &self.prepared)?;
            used = slot.used(&self.recording)?;
        }
        self.download(s, &used)
    }

    /// Slots for executions in flight: [`DEPTH`], or what fits into half of the free memory.
    fn add_slots(&mut self) -> Result<()> {
        let (free, _) = self.context.memory()?;
        let each = memory_bytes(&self.recording).max(1);
        let depth = (1 + free / 2 / each).min(DEPTH as u64).max(self.slots.len() as u64);
        while (self.slots.len() as u64) < depth {
            let sizes = self.slots[0].sizes();
            let slot =
                Slot::new(&self.context, &self.recording, &sizes, &self.constants, &self.prepared)?;
            self.slots.push(slot);
        }
        Ok(())
    }
}

/// Length of each output in bytes: the used count of a variable one.
fn lengths(session: &CudaSession, used: &[u64]) -> Vec<usize> {
    let counts: Vec<_> = variable(&session.recording).zip(used).collect();
    in_role(&session.recording, Role::Output)
        .map(|i| {
            let count = counts.iter().find(|(v, _)| *v == i).map(|(_, used)| **used);
            count.unwrap_or(session.recording.buffers[i].bytes) as usize
        })
        .collect()
}
