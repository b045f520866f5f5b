//! An opened Vulkan device: its errors, its waiting, its clock.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use breakeven_kernels::work::DeviceInfo;
use wgpu::BufferUsages;

use super::adapters;
use super::stamps::Stamps;
use crate::backend::BackendError;

/// Device, queue, and what went wrong on them so far.
pub(super) struct Gpu {
    pub(super) device: wgpu::Device,
    pub(super) queue: wgpu::Queue,
    pub(super) limits: wgpu::Limits,
    pub(super) info: DeviceInfo,
    /// Seconds a timestamp tick lasts, where the device's timestamps can be trusted.
    pub(super) tick_s: Option<f64>,
    /// Wall time of submitting nothing and waiting for it, in seconds: subtracted from wall-clock
    /// kernel times.
    pub(super) empty_submit_s: f64,
    faults: Arc<Mutex<Faults>>,
}

/// Errors reported by wgpu outside of any call of ours.
#[derive(Default)]
struct Faults {
    first: Option<wgpu::Error>,
    lost: Option<String>,
}

fn locked(faults: &Mutex<Faults>) -> MutexGuard<'_, Faults> {
    faults.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Gpu {
    /// Opens `adapter` with its full limits and every useful feature.
    ///
    /// # Errors
    /// What the driver said.
    pub(super) fn open(adapter: &wgpu::Adapter, info: &DeviceInfo) -> Result<Self, BackendError> {
        let limits = adapter.limits();
        let features = adapters::useful(adapter.features());
        let request = adapter.request_device(&wgpu::DeviceDescriptor {
            label: Some("breakeven"),
            required_features: features,
            required_limits: limits.clone(),
            ..Default::default()
        });
        let (device, queue) = pollster::block_on(request).map_err(|e| BackendError::NoDevice {
            id: info.id.clone(),
            reason: format!("{} did not open: {e}; see `breakeven devices`", info.name),
        })?;
        let faults = Arc::new(Mutex::new(Faults::default()));
        let sink = Arc::clone(&faults);
        device.on_uncaptured_error(Arc::new(move |error| {
            locked(&sink).first.get_or_insert(error);
        }));
        let sink = Arc::clone(&faults);
        device.set_device_lost_callback(move |reason, message| {
            locked(&sink).lost.get_or_insert(format!("{message} ({reason:?})"));
        });
        let tick = f64::from(queue.get_timestamp_period()) * 1e-9;
        let timed = features.contains(adapters::TIMESTAMPS) && tick > 0.0;
        let mut gpu = Self {
            device,
            queue,
            limits,
            info: info.clone(),
            tick_s: timed.then_some(tick),
            empty_submit_s: 0.0,
            faults,
        };
        gpu.calibrate()?;
        Ok(gpu)
    }

    /// Measures the empty submit, and drops timestamps that do not agree with the wall clock.
    fn calibrate(&mut self) -> Result<(), BackendError> {
        const TRIES: usize = 21;
        let mut times = Vec::with_capacity(TRIES);
        for _ in 0..TRIES {
            let encoder = self.encoder();
            let start = Instant::now();
            self.submit_and_wait(encoder)?;
            times.push(start.elapsed().as_secs_f64());
        }
        times.sort_by(f64::total_cmp);
        self.empty_submit_s = times[TRIES / 2];
        if self.tick_s.is_none() {
            return Ok(());
        }
        let scratch = self.buffer("timestamp check", 16 << 20, BufferUsages::COPY_DST);
        let stamps = Stamps::new(self, 2);
        let mut encoder = self.encoder();
        stamps.write(&mut encoder, 0);
        encoder.clear_buffer(&scratch, 0, None);
        stamps.write(&mut encoder, 1);
        stamps.resolve(&mut encoder);
        let start = Instant::now();
        self.queue.submit([encoder.finish()]);
        stamps.map();
        self.wait(None)?;
        let wall_s = start.elapsed().as_secs_f64();
        if stamps.spans_s(self)?.is_none_or(|spans| spans[0] > wall_s) {
            self.tick_s = None;
        }
        Ok(())
    }

    /// A buffer of `bytes`, rounded up to what bindings and copies ask for.
    pub(super) fn buffer(
        &self,
        name: &'static str,
        bytes: u64,
        usage: BufferUsages,
    ) -> wgpu::Buffer {
        self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some(name),
            size: allocated(bytes),
            usage,
            mapped_at_creation: false,
        })
    }

    /// A new command encoder.
    pub(super) fn encoder(&self) -> wgpu::CommandEncoder {
        self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default())
    }

    /// Submits and waits until the device is idle.
    ///
    /// # Errors
    /// As [`Gpu::wait`].
    pub(super) fn submit_and_wait(
        &self,
        encoder: wgpu::CommandEncoder,
    ) -> Result<(), BackendError> {
        let index = self.queue.submit([encoder.finish()]);
        self.wait(Some(index))
    }

    /// Waits for one submission (all of them with `None`), then reports any error since.
    ///
    /// # Errors
    /// A lost device, or an error that wgpu reported meanwhile.
    pub(super) fn wait(&self, index: Option<wgpu::SubmissionIndex>) -> Result<(), BackendError> {
        let request = wgpu::PollType::Wait { submission_index: index, timeout: None };
        // wgpu panics where polling finds the device lost; that must not end the run.
        let polled = catch_unwind(AssertUnwindSafe(|| self.device.poll(request)));
        match polled {
            Ok(Ok(_)) => self.check(),
            Ok(Err(e)) => self.check().and(Err(self.lost(e.to_string()))),
            Err(panic) => {
                let said = panic.downcast_ref::<String>().cloned();
                let message = said.unwrap_or_else(|| "the driver gave up while waiting".into());
                locked(&self.faults).lost.get_or_insert_with(|| message.clone());
                Err(self.lost(message))
            }
        }
    }

    /// The first error since the last call, if any.
    ///
    /// # Errors
    /// A lost device (for good), memory that ran out, or a rejected program.
    pub(super) fn check(&self) -> Result<(), BackendError> {
        self.check_lost()?;
        let Some(error) = locked(&self.faults).first.take() else { return Ok(()) };
        // A lost device shows as invalid objects first; polling brings the news itself.
        let _ = catch_unwind(AssertUnwindSafe(|| self.device.poll(wgpu::PollType::Poll)));
        self.check_lost()?;
        Err(match error {
            wgpu::Error::OutOfMemory { .. } => BackendError::Run(format!(
                "{}: the driver ran out of memory; choose a smaller case",
                self.info.id
            )),
            error => self.program_error(error.to_string()),
        })
    }

    fn check_lost(&self) -> Result<(), BackendError> {
        let lost = locked(&self.faults).lost.clone();
        lost.map_or(Ok(()), |message| Err(self.lost(message)))
    }

    fn lost(&self, message: String) -> BackendError {
        BackendError::DeviceLost { device: self.info.id.clone(), message }
    }

    /// An error of the program that was loaded.
    pub(super) fn program_error(&self, message: impl Into<String>) -> BackendError {
        BackendError::Program { device: self.info.id.clone(), message: message.into() }
    }
}

/// Bytes really allocated for a buffer of `bytes`: a multiple of 4, and at least one `vec4`, so
/// that a small array of vectors can still be bound.
pub(super) fn allocated(bytes: u64) -> u64 {
    bytes.next_multiple_of(4).max(16)
}

/// CPU-seconds this process has spent so far, all threads together.
pub(super) fn process_cpu_s() -> f64 {
    let t = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    t.tv_sec as f64 + t.tv_nsec as f64 * 1e-9
}
