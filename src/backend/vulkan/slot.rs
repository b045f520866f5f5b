//! The buffers of one execution in flight, and the commands over them.

use breakeven_kernels::recording::{Arg, BufferId, Command, Recording, Role};
use wgpu::BufferUsages as Usage;

use super::gpu::{Gpu, allocated};
use super::pipelines::Compiled;
use super::stamps::Stamps;
use crate::backend::{BackendError, copy};

/// Written over outputs and scratch before a run: a NaN as f32 and bf16, and no likely integer.
const POISON: u32 = 0x7fc0_a5a5;

/// One execution's own buffers, with the commands bound to them.
pub(super) struct Slot {
    /// Size of each buffer in bytes as the kernels see it; grows on overflow.
    sizes: Vec<u64>,
    buffers: Vec<wgpu::Buffer>,
    steps: Vec<Step>,
    transfer: Option<Transfer>,
}

/// A command with its resources.
enum Step {
    Dispatch { pipeline: wgpu::ComputePipeline, group: wgpu::BindGroup, grid: [u32; 3] },
    Clear(wgpu::Buffer),
    Copy { from: wgpu::Buffer, to: wgpu::Buffer, bytes: u64 },
}

/// Host-visible memory through which inputs and outputs pass, one buffer each, in their order.
pub(super) struct Transfer {
    pub(super) upload: Vec<wgpu::Buffer>,
    pub(super) download: Vec<wgpu::Buffer>,
    /// The counts of variable outputs, one u32 each, in the order of [`variable`].
    pub(super) counts: Option<wgpu::Buffer>,
    /// Upload, work and download told apart, where the device has a clock.
    pub(super) stamps: Option<Stamps>,
}

/// Indices of the buffers in `role`.
pub(super) fn in_role(recording: &Recording, role: Role) -> impl Iterator<Item = usize> {
    recording.buffers.iter().enumerate().filter(move |(_, b)| b.role == role).map(|(i, _)| i)
}

/// Indices of the buffers whose used length the device computes.
pub(super) fn variable(recording: &Recording) -> impl Iterator<Item = usize> {
    recording.buffers.iter().enumerate().filter(|(_, b)| b.used.is_some()).map(|(i, _)| i)
}

impl Slot {
    /// Allocates buffers of `sizes` (those of role constant are taken from `constants`, by index)
    /// and binds the commands; `compiled` holds one pipeline per dispatch.
    ///
    /// # Errors
    /// What the driver said.
    pub(super) fn new(
        gpu: &Gpu,
        recording: &Recording,
        sizes: Vec<u64>,
        constants: &[Option<wgpu::Buffer>],
        compiled: &[Compiled],
    ) -> Result<Self, BackendError> {
        let buffers = recording.buffers.iter().zip(&sizes).zip(constants);
        let buffers = buffers
            .map(|((b, size), constant)| {
                constant.clone().unwrap_or_else(|| device_buffer(gpu, b.name, *size))
            })
            .collect();
        let mut slot = Self { sizes, buffers, steps: Vec::new(), transfer: None };
        slot.bind(gpu, recording, compiled);
        gpu.check()?;
        Ok(slot)
    }

    /// Present sizes in bytes, in the order of the recording's buffers.
    pub(super) fn sizes(&self) -> &[u64] {
        &self.sizes
    }

    /// The device buffer of index `i`.
    pub(super) fn buffer(&self, i: usize) -> &wgpu::Buffer {
        &self.buffers[i]
    }

    /// Replaces buffer `i` by one of `bytes`, contents lost, and binds all commands anew.
    ///
    /// # Errors
    /// A size that the device cannot bind, or what the driver said.
    pub(super) fn grow(
        &mut self,
        gpu: &Gpu,
        recording: &Recording,
        compiled: &[Compiled],
        i: usize,
        bytes: u64,
    ) -> Result<(), BackendError> {
        check_size(gpu, recording.buffers[i].name, bytes)?;
        self.sizes[i] = bytes;
        self.buffers[i] = device_buffer(gpu, recording.buffers[i].name, bytes);
        self.bind(gpu, recording, compiled);
        self.transfer = None;
        gpu.check()
    }

    /// Allocates the host-visible side; whether it was missing.
    pub(super) fn open_transfer(&mut self, gpu: &Gpu, recording: &Recording) -> bool {
        let missing = self.transfer.is_none();
        self.transfer(gpu, recording);
        missing
    }

    /// The host-visible side, allocated on first use with its upload buffers mapped. wgpu puts what
    /// the host reads into cached memory.
    pub(super) fn transfer(&mut self, gpu: &Gpu, recording: &Recording) -> &Transfer {
        let sizes = &self.sizes;
        self.transfer.get_or_insert_with(|| {
            let upload = in_role(recording, Role::Input).map(|i| {
                gpu.device.create_buffer(&wgpu::BufferDescriptor {
                    label: Some("upload"),
                    size: allocated(sizes[i]),
                    usage: Usage::MAP_WRITE | Usage::COPY_SRC,
                    mapped_at_creation: true,
                })
            });
            let read = Usage::MAP_READ | Usage::COPY_DST;
            let download = in_role(recording, Role::Output);
            let counts = variable(recording).count() as u64;
            Transfer {
                upload: upload.collect(),
                download: download.map(|i| gpu.buffer("download", sizes[i], read)).collect(),
                counts: (counts > 0).then(|| gpu.buffer("counts", counts * 4, read)),
                stamps: gpu.tick_s.map(|_| Stamps::new(gpu, 4)),
            }
        })
    }

    /// The timestamps of the host-visible side, once it exists.
    pub(super) fn stamps(&self) -> Option<&Stamps> {
        self.transfer.as_ref()?.stamps.as_ref()
    }

    /// The host's copy of the counts, once it exists.
    pub(super) fn counts(&self) -> Option<&wgpu::Buffer> {
        self.transfer.as_ref()?.counts.as_ref()
    }

    fn bind(&mut self, gpu: &Gpu, recording: &Recording, compiled: &[Compiled]) {
        let mut compiled = compiled.iter();
        let of = |id: &BufferId| self.buffers[id.0].clone();
        let step = |command: &Command| match command {
            Command::Dispatch { grid, args, .. } => compiled.next().map(|c| Step::Dispatch {
                pipeline: c.pipeline.clone(),
                group: self.group(gpu, c, args),
                grid: *grid,
            }),
            Command::Clear(id) => Some(Step::Clear(of(id))),
            Command::Copy { from, to, bytes } => {
                Some(Step::Copy { from: of(from), to: of(to), bytes: *bytes })
            }
            // Refused at load.
            Command::Library(_) => None,
        };
        self.steps = recording.commands.iter().filter_map(step).collect();
    }

    /// Buffers in their order, then one uniform with all scalars in theirs.
    fn group(&self, gpu: &Gpu, compiled: &Compiled, args: &[Arg]) -> wgpu::BindGroup {
        let mut scalars: Vec<u8> = Vec::new();
        let mut bound = Vec::new();
        for arg in args {
            match arg {
                Arg::Read(id) | Arg::Write(id) => bound.push(self.buffers[id.0].clone()),
                Arg::U32(v) => scalars.extend(v.to_le_bytes()),
                Arg::I32(v) => scalars.extend(v.to_le_bytes()),
                Arg::F32(v) => scalars.extend(v.to_le_bytes()),
                // Bindings are at most 2^32 − 1 bytes, so the capacity fits.
                Arg::Capacity(id) => scalars.extend((self.sizes[id.0] as u32).to_le_bytes()),
            }
        }
        if !scalars.is_empty() {
            scalars.resize(scalars.len().next_multiple_of(16), 0);
            let size = scalars.len() as u64;
            let uniform = gpu.buffer("scalars", size, Usage::UNIFORM | Usage::COPY_DST);
            gpu.queue.write_buffer(&uniform, 0, &scalars);
            bound.push(uniform);
        }
        let entries: Vec<_> = bound
            .iter()
            .zip(0..)
            .map(|(b, binding)| wgpu::BindGroupEntry { binding, resource: b.as_entire_binding() })
            .collect();
        gpu.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout: &compiled.layout,
            entries: &entries,
        })
    }

    /// Encodes all commands once; neighbouring dispatches share a pass, in which wgpu still puts
    /// a barrier between a write and what depends on it.
    pub(super) fn encode(&self, encoder: &mut wgpu::CommandEncoder) {
        let mut steps = self.steps.iter().peekable();
        while let Some(step) = steps.peek() {
            match step {
                Step::Clear(buffer) => {
                    encoder.clear_buffer(buffer, 0, None);
                    steps.next();
                }
                Step::Copy { from, to, bytes } => {
                    encoder.copy_buffer_to_buffer(from, 0, to, 0, *bytes);
                    steps.next();
                }
                Step::Dispatch { .. } => {
                    let mut pass = encoder.begin_compute_pass(&Default::default());
                    while let Some(Step::Dispatch { pipeline, group, grid: [x, y, z] }) =
                        steps.next_if(|s| matches!(s, Step::Dispatch { .. }))
                    {
                        pass.set_pipeline(pipeline);
                        pass.set_bind_group(0, group, &[]);
                        pass.dispatch_workgroups(*x, *y, *z);
                    }
                }
            }
        }
    }

    /// Encodes the copies that bring the count of each variable output to the host.
    pub(super) fn encode_counts(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        recording: &Recording,
        counts: &wgpu::Buffer,
    ) {
        let used = recording.buffers.iter().filter_map(|b| b.used);
        for (used, at) in used.zip(0u64..) {
            let from = &self.buffers[used.buffer.0];
            encoder.copy_buffer_to_buffer(from, u64::from(used.index) * 4, counts, at * 4, 4);
        }
    }

    /// Encodes a fill of outputs and scratch with [`POISON`].
    pub(super) fn encode_poison(
        &self,
        gpu: &Gpu,
        encoder: &mut wgpu::CommandEncoder,
        recording: &Recording,
    ) {
        let chosen = in_role(recording, Role::Output).chain(in_role(recording, Role::Scratch));
        let chosen: Vec<_> = chosen.map(|i| &self.buffers[i]).collect();
        let largest = chosen.iter().map(|b| b.size()).max().unwrap_or(0);
        if largest == 0 {
            return;
        }
        let chunk = largest.min(1 << 20);
        let pattern = gpu.buffer("poison", chunk, Usage::COPY_SRC | Usage::COPY_DST);
        let words = vec![POISON; (chunk / 4) as usize];
        gpu.queue.write_buffer(&pattern, 0, bytemuck::cast_slice(&words));
        for buffer in chosen {
            for at in (0..buffer.size()).step_by(chunk as usize) {
                let bytes = chunk.min(buffer.size() - at);
                encoder.copy_buffer_to_buffer(&pattern, 0, buffer, at, bytes);
            }
        }
    }
}

/// A buffer that kernels and copies may use.
pub(super) fn device_buffer(gpu: &Gpu, name: &'static str, bytes: u64) -> wgpu::Buffer {
    gpu.buffer(name, bytes, Usage::STORAGE | Usage::COPY_SRC | Usage::COPY_DST)
}

/// Refuses a buffer that no binding of this device can hold.
///
/// # Errors
/// [`BackendError::Program`] with buffer, size and limit.
pub(super) fn check_size(gpu: &Gpu, name: &str, bytes: u64) -> Result<(), BackendError> {
    let most = gpu.limits.max_storage_buffer_binding_size.min(gpu.limits.max_buffer_size);
    if allocated(bytes) <= most {
        return Ok(());
    }
    Err(gpu.program_error(format!(
        "buffer {name} takes {bytes} bytes, but one binding holds at most {most}; choose a \
         smaller case"
    )))
}

/// The first `bytes` of a mapped buffer, copied; the caller unmaps.
///
/// # Errors
/// A lost device.
pub(super) fn mapped(
    gpu: &Gpu,
    buffer: &wgpu::Buffer,
    bytes: u64,
) -> Result<Vec<u8>, BackendError> {
    let mut out = Vec::new();
    mapped_into(gpu, buffer, bytes, &mut out)?;
    Ok(out)
}

/// As [`mapped`], into memory that already exists.
///
/// # Errors
/// A lost device.
pub(super) fn mapped_into(
    gpu: &Gpu,
    buffer: &wgpu::Buffer,
    bytes: u64,
    out: &mut Vec<u8>,
) -> Result<(), BackendError> {
    if bytes == 0 {
        out.clear();
        return Ok(());
    }
    // Mapped ranges start and end at multiples of 4.
    let view = buffer.get_mapped_range(..bytes.next_multiple_of(4)).map_err(|e| {
        gpu.check().err().unwrap_or_else(|| BackendError::Run(format!("{}: {e}", gpu.info.id)))
    })?;
    copy::sized(out, bytes as usize);
    copy::copy(&view[..bytes as usize], out);
    Ok(())
}
