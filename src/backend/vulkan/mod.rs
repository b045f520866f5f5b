//! Vulkan GPUs of any vendor, through wgpu.
//!
//! - `adapters` finds them and says what they offer,
//! - `gpu` is an opened device: errors, waiting, timestamps,
//! - `pipelines` compiles WGSL once per device,
//! - `slot` holds the buffers of one execution and encodes its commands,
//! - `session` loads a recording and runs its kernels, timed,
//! - `flight` runs whole executions, host memory to host memory.

use std::time::Instant;

use breakeven_kernels::work::{DeviceInfo, Program};

use super::{Backend, BackendError, Device, Probe, Session};

mod adapters;
mod flight;
mod gpu;
mod pipelines;
mod session;
mod slot;
mod stamps;
#[cfg(test)]
mod tests;

use gpu::Gpu;
use pipelines::Pipelines;
use session::VulkanSession;

/// The backend of every Vulkan adapter; software adapters are labelled as such.
pub struct Vulkan;

impl Backend for Vulkan {
    fn name(&self) -> &'static str {
        "vulkan"
    }

    fn probe(&self) -> Probe {
        adapters::probe()
    }

    fn open(&self, id: &str) -> Result<Box<dyn Device>, BackendError> {
        let start = Instant::now();
        let (adapter, info) = adapters::find(id)?;
        let gpu = Gpu::open(&adapter, &info)?;
        Ok(Box::new(VulkanDevice {
            info,
            gpu,
            pipelines: Pipelines::default(),
            context_s: Some(start.elapsed().as_secs_f64()),
        }))
    }
}

/// An opened adapter with the pipelines compiled on it so far.
struct VulkanDevice {
    info: DeviceInfo,
    gpu: Gpu,
    pipelines: Pipelines,
    /// Time of opening, handed to the first load only.
    context_s: Option<f64>,
}

impl Device for VulkanDevice {
    fn info(&self) -> &DeviceInfo {
        &self.info
    }

    fn load<'d>(&'d mut self, program: Program) -> Result<Box<dyn Session + 'd>, BackendError> {
        let Program::Recording(recording) = program else {
            return Err(self.gpu.program_error("a native program cannot run on a GPU"));
        };
        self.gpu.check()?;
        let context_s = self.context_s.take();
        let Self { info, gpu, pipelines, .. } = self;
        let session = VulkanSession::load(gpu, info, pipelines, recording, context_s)?;
        Ok(Box::new(session))
    }
}
