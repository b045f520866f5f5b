//! Timestamps written between commands by the device itself.

use super::gpu::Gpu;
use crate::backend::BackendError;

/// A row of timestamps of one submission and the way they come back.
pub(super) struct Stamps {
    set: wgpu::QuerySet,
    resolved: wgpu::Buffer,
    read: wgpu::Buffer,
    count: u32,
}

impl Stamps {
    /// Room for `count` timestamps.
    pub(super) fn new(gpu: &Gpu, count: u32) -> Self {
        use wgpu::BufferUsages as U;
        let bytes = u64::from(count) * 8;
        let set = gpu.device.create_query_set(&wgpu::QuerySetDescriptor {
            label: None,
            ty: wgpu::QueryType::Timestamp,
            count,
        });
        let resolved = gpu.buffer("timestamps", bytes, U::QUERY_RESOLVE | U::COPY_SRC);
        let read = gpu.buffer("timestamps read", bytes, U::COPY_DST | U::MAP_READ);
        Self { set, resolved, read, count }
    }

    /// Writes timestamp `index` when everything encoded before it is done.
    pub(super) fn write(&self, encoder: &mut wgpu::CommandEncoder, index: u32) {
        encoder.write_timestamp(&self.set, index);
    }

    /// Encodes the way back to the host; last of all.
    pub(super) fn resolve(&self, encoder: &mut wgpu::CommandEncoder) {
        encoder.resolve_query_set(&self.set, 0..self.count, &self.resolved, 0);
        encoder.copy_buffer_to_buffer(&self.resolved, 0, &self.read, 0, u64::from(self.count) * 8);
    }

    /// Asks for the values; call after the submission and before waiting for it.
    pub(super) fn map(&self) {
        self.read.map_async(wgpu::MapMode::Read, .., |_| ());
    }

    /// Seconds between neighbouring timestamps, after the wait; `None` where the device's clock
    /// is not to be trusted: a zero, or time that runs backwards.
    ///
    /// # Errors
    /// A lost device.
    pub(super) fn spans_s(&self, gpu: &Gpu) -> Result<Option<Vec<f64>>, BackendError> {
        let bytes = super::slot::mapped(gpu, &self.read, u64::from(self.count) * 8)?;
        self.read.unmap();
        let ticks: Vec<u64> = bytemuck::pod_collect_to_vec(&bytes);
        let Some(tick_s) = gpu.tick_s else { return Ok(None) };
        let sound = ticks.iter().all(|t| *t != 0) && ticks.windows(2).all(|w| w[0] <= w[1]);
        // A whole span of nothing means a clock that does not run.
        let sound = sound && ticks.first() < ticks.last();
        Ok(sound.then(|| ticks.windows(2).map(|w| (w[1] - w[0]) as f64 * tick_s).collect()))
    }
}
