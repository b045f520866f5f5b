//! Whole executions: host memory to host memory, one at a time or several in flight.

use std::time::Instant;

use breakeven_kernels::recording::Role;

use super::gpu::{Gpu, allocated};
use super::session::VulkanSession;
use super::slot::{Slot, in_role, mapped_into, variable};
use crate::backend::copy::{self, PIECE, POISON_BYTE};
use crate::backend::{BackendError, Mode, Timer, Timing};

/// Executions in flight when pipelined.
const DEPTH: usize = 3;

/// One execution that was submitted.
struct Flight {
    index: wgpu::SubmissionIndex,
    /// Host time of packing and filling upload buffers, in seconds.
    pack_s: f64,
}

/// Device-clock parts of one execution, in seconds.
struct Parts {
    upload_s: f64,
    kernel_s: f64,
}

impl VulkanSession<'_> {
    /// Packs, uploads and submits one execution in slot `s`, host memory to device.
    fn take_off(&mut self, s: usize) -> Result<Flight, BackendError> {
        let start = Instant::now();
        let packed = self.packed()?;
        let gpu = self.gpu;
        let slot = &mut self.slots[s];
        let transfer = slot.transfer(gpu, &self.recording);
        for (data, upload) in packed.iter().zip(&transfer.upload) {
            fill(gpu, upload, data)?;
            upload.unmap();
        }
        let pack_s = start.elapsed().as_secs_f64();
        let (upload, download) = (transfer.upload.clone(), transfer.download.clone());
        let counts = transfer.counts.clone();

        let mut encoder = gpu.encoder();
        let slot = &self.slots[s];
        self.stamp(s, &mut encoder, 0);
        for ((i, from), data) in in_role(&self.recording, Role::Input).zip(&upload).zip(&packed) {
            let bytes = (data.len() as u64).next_multiple_of(4);
            encoder.copy_buffer_to_buffer(from, 0, slot.buffer(i), 0, bytes);
        }
        self.stamp(s, &mut encoder, 1);
        slot.encode(&mut encoder);
        self.stamp(s, &mut encoder, 2);
        match &counts {
            Some(counts) => slot.encode_counts(&mut encoder, &self.recording, counts),
            None => {
                for (i, to) in in_role(&self.recording, Role::Output).zip(&download) {
                    let bytes = slot.sizes()[i].next_multiple_of(4);
                    encoder.copy_buffer_to_buffer(slot.buffer(i), 0, to, 0, bytes);
                }
            }
        }
        self.stamp(s, &mut encoder, 3);
        let stamps = self.slots[s].stamps();
        if let Some(stamps) = stamps {
            stamps.resolve(&mut encoder);
        }
        let index = gpu.queue.submit([encoder.finish()]);
        for buffer in &upload {
            buffer.map_async(wgpu::MapMode::Write, .., |_| ());
        }
        match &counts {
            Some(counts) => counts.map_async(wgpu::MapMode::Read, .., |_| ()),
            None => download.iter().for_each(|b| b.map_async(wgpu::MapMode::Read, .., |_| ())),
        }
        if let Some(stamps) = stamps {
            stamps.map();
        }
        Ok(Flight { index, pack_s })
    }

    fn stamp(&self, s: usize, encoder: &mut wgpu::CommandEncoder, at: u32) {
        if let Some(stamps) = self.slots[s].stamps() {
            stamps.write(encoder, at);
        }
    }

    /// Waits for an execution, runs it again as long as its output overflows, and brings the
    /// outputs to host memory.
    fn land(&mut self, s: usize, mut flight: Flight) -> Result<Option<Parts>, BackendError> {
        loop {
            self.gpu.wait(Some(flight.index))?;
            let slot = &self.slots[s];
            let spans = slot.stamps().map(|t| t.spans_s(self.gpu)).transpose()?.flatten();
            let mut used = None;
            if let Some(counts) = slot.counts() {
                let now = self.read_counts(counts)?;
                if self.grow(s, &now)? {
                    flight = self.take_off(s)?;
                    continue;
                }
                self.fetch(s, &now)?;
                used = Some(now);
            }
            self.collect(s, used.as_deref())?;
            let pack_s = flight.pack_s;
            return Ok(spans.map(|t| Parts { upload_s: pack_s + t[0], kernel_s: t[1] }));
        }
    }

    /// Length in bytes of each output, in their order: all of a fixed one, the used part of a
    /// variable one.
    fn lengths(&self, s: usize, used: &[u64]) -> Vec<u64> {
        let used: Vec<_> = variable(&self.recording).zip(used).collect();
        let sizes = self.slots[s].sizes();
        in_role(&self.recording, Role::Output)
            .map(|i| {
                used.iter().find(|(v, _)| *v == i).map_or(sizes[i], |(_, n)| (**n).min(sizes[i]))
            })
            .collect()
    }

    /// Copies what was used of each output into its download buffer and maps it.
    fn fetch(&mut self, s: usize, used: &[u64]) -> Result<(), BackendError> {
        let lengths = self.lengths(s, used);
        let mut encoder = self.gpu.encoder();
        let download = self.slots[s].transfer(self.gpu, &self.recording).download.clone();
        let slot = &self.slots[s];
        let outputs = in_role(&self.recording, Role::Output).zip(&download).zip(&lengths);
        for ((i, to), bytes) in outputs.filter(|(_, bytes)| **bytes > 0) {
            encoder.copy_buffer_to_buffer(slot.buffer(i), 0, to, 0, bytes.next_multiple_of(4));
        }
        let index = self.gpu.queue.submit([encoder.finish()]);
        for buffer in &download {
            buffer.map_async(wgpu::MapMode::Read, .., |_| ());
        }
        self.gpu.wait(Some(index))
    }

    /// Mapped download buffers to the family's outputs in host memory.
    fn collect(&mut self, s: usize, used: Option<&[u64]>) -> Result<(), BackendError> {
        let lengths = self.lengths(s, used.unwrap_or_default());
        let unpack = self.recording.unpack.clone();
        self.forget_outputs();
        let mut raw = std::mem::take(&mut self.spare);
        raw.resize_with(lengths.len(), Vec::new);
        let download = self.slots[s].transfer(self.gpu, &self.recording).download.clone();
        for ((buffer, bytes), out) in download.iter().zip(lengths).zip(&mut raw) {
            mapped_into(self.gpu, buffer, bytes, out)?;
            buffer.unmap();
        }
        self.outputs = Some(match unpack {
            Some(unpack) => unpack(raw).map_err(BackendError::Run)?,
            None => raw,
        });
        Ok(())
    }

    /// Outputs that were brought to the host hold no longer, but their memory serves again: a
    /// caller who repeats calls has memory for the result already. What unpacking made has memory
    /// of its own.
    pub(super) fn forget_outputs(&mut self) {
        if let (Some(old), None) = (self.outputs.take(), &self.recording.unpack) {
            self.spare = old;
        }
    }

    /// Makes and touches what executions in `mode` pass through, with the sizes known so far.
    ///
    /// # Errors
    /// What the driver said.
    pub(super) fn make_room(&mut self, mode: Mode) -> Result<(), BackendError> {
        let start = Instant::now();
        let mut made = match mode {
            Mode::KernelCold | Mode::KernelWarm => return Ok(()),
            Mode::EndToEnd => self.slots[0].open_transfer(self.gpu, &self.recording),
            Mode::Pipelined => self.add_slots()?,
        };
        if self.outputs.is_none() && self.spare.is_empty() && self.recording.unpack.is_none() {
            let lengths = self.lengths(0, &[]);
            self.spare = lengths.into_iter().map(|n| vec![POISON_BYTE; n as usize]).collect();
            made = true;
        }
        if made {
            copy::threads();
            self.gpu.check()?;
            self.add_allocation(start.elapsed().as_secs_f64());
        }
        Ok(())
    }

    /// Outputs of slot 0 after a kernel mode.
    pub(super) fn download(&mut self) -> Result<(), BackendError> {
        self.slots[0].transfer(self.gpu, &self.recording);
        let used = match self.slots[0].counts().cloned() {
            None => Vec::new(),
            Some(counts) => {
                let mut encoder = self.gpu.encoder();
                self.slots[0].encode_counts(&mut encoder, &self.recording, &counts);
                let index = self.gpu.queue.submit([encoder.finish()]);
                counts.map_async(wgpu::MapMode::Read, .., |_| ());
                self.gpu.wait(Some(index))?;
                self.read_counts(&counts)?
            }
        };
        self.fetch(0, &used)?;
        self.collect(0, Some(&used))
    }

    /// `iterations` calls, one after the other.
    pub(super) fn run_end_to_end(&mut self, iterations: u32) -> Result<Timing, BackendError> {
        let start = Instant::now();
        let mut parts = Some(Parts { upload_s: 0.0, kernel_s: 0.0 });
        for _ in 0..iterations {
            let flight = self.take_off(0)?;
            parts = parts.zip(self.land(0, flight)?).map(|(sum, one)| Parts {
                upload_s: sum.upload_s + one.upload_s,
                kernel_s: sum.kernel_s + one.kernel_s,
            });
        }
        let total_s = start.elapsed().as_secs_f64();
        let rest = |p: &Parts| (total_s - p.upload_s - p.kernel_s).max(0.0);
        Ok(Timing {
            total_s,
            upload_s: parts.as_ref().map(|p| p.upload_s),
            kernel_s: parts.as_ref().map(|p| p.kernel_s),
            download_s: parts.as_ref().map(rest),
            timer: Timer::Wall,
            depth: 1,
            ..Timing::default()
        })
    }

    /// `iterations` calls with up to [`DEPTH`] in flight, in slots that [`Self::make_room`] made.
    pub(super) fn run_pipelined(&mut self, iterations: u32) -> Result<Timing, BackendError> {
        let depth = self.slots.len();
        let mut flights: Vec<Option<Flight>> = (0..depth).map(|_| None).collect();
        let start = Instant::now();
        for i in 0..iterations as usize + depth {
            let s = i % depth;
            if let Some(flight) = flights[s].take() {
                self.land(s, flight)?;
            }
            if i < iterations as usize {
                flights[s] = Some(self.take_off(s)?);
            }
        }
        let total_s = start.elapsed().as_secs_f64();
        Ok(Timing { total_s, timer: Timer::Wall, depth: depth as u32, ..Timing::default() })
    }

    /// Slots for executions in flight, with their host-visible memory: [`DEPTH`], or what fits into
    /// half of the memory; whether anything was missing.
    fn add_slots(&mut self) -> Result<bool, BackendError> {
        let each: u64 = self.slots[0].sizes().iter().map(|b| allocated(*b)).sum();
        let room = self.gpu.info.memory_bytes.map_or(DEPTH as u64, |m| m / 2 / each.max(1));
        let depth = (room as usize).clamp(1, DEPTH);
        let mut made = false;
        while self.slots.len() < depth {
            let sizes = self.slots[0].sizes().to_vec();
            let slot =
                Slot::new(self.gpu, &self.recording, sizes, &self.constants, &self.compiled)?;
            self.slots.push(slot);
            made = true;
        }
        for slot in &mut self.slots {
            made |= slot.open_transfer(self.gpu, &self.recording);
        }
        Ok(made)
    }
}

/// Copies `data` to the start of a mapped upload buffer, in one pass: it may be write-combined.
fn fill(gpu: &Gpu, upload: &wgpu::Buffer, data: &[u8]) -> Result<(), BackendError> {
    if data.is_empty() {
        return Ok(());
    }
    let mut view =
        upload.get_mapped_range_mut(..(data.len() as u64).next_multiple_of(4)).map_err(|e| {
            gpu.check().err().unwrap_or_else(|| BackendError::Run(format!("{}: {e}", gpu.info.id)))
        })?;
    let (rooms, mut rest) = view.slice(..data.len()).into_chunks::<PIECE>();
    let (whole, tail) = data.split_at(rooms.len() * PIECE);
    let put = |(from, to)| wgpu::WriteOnly::<[u8]>::from(to).copy_from_slice(from);
    copy::each(whole.chunks(PIECE).zip(rooms), put, |()| ());
    rest.copy_from_slice(tail);
    Ok(())
}
