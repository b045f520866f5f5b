//! NVIDIA GPUs through the driver alone: it compiles the committed PTX for its chip.
//!
//! - `probe` finds driver, devices and libraries,
//! - `driver` wraps the driver's objects, `nvml` reads sensors,
//! - `args` decides what needs no driver: arguments, sizes, PTX choice,
//! - `cublaslt` and `cudnn` plan library calls,
//! - `slot` holds the buffers of one execution and enqueues its commands,
//! - `staging` is the page-locked memory that large inputs and outputs pass through,
//! - `session` loads a recording and runs its kernels, timed,
//! - `flight` runs whole executions, host memory to host memory.

#![expect(unsafe_code, reason = "calls the CUDA driver and NVIDIA's libraries")]

use std::collections::HashMap;
use std::rc::Rc;
use std::time::Instant;

use breakeven_kernels::work::{DeviceInfo, Program};

use super::{Backend, BackendError, Device, DeviceState, Probe, Session};

mod args;
mod cublaslt;
mod cudnn;
mod driver;
mod flight;
mod nvml;
mod probe;
mod session;
mod slot;
mod staging;

use driver::{Context, Module, Result};
use nvml::Sensors;
use session::CudaSession;

/// The `cuda` backend: devices `cuda:0`, `cuda:1`, … in the driver's order.
pub struct Cuda;

impl Backend for Cuda {
    fn name(&self) -> &'static str {
        "cuda"
    }

    fn probe(&self) -> Probe {
        probe::probe()
    }

    fn open(&self, id: &str) -> Result<Box<dyn Device>> {
        let refuse = |reason: String| BackendError::NoDevice { id: id.to_owned(), reason };
        let count = probe::start_driver().map_err(|note| {
            let next = note.next_step.map(|step| format!("; {step}")).unwrap_or_default();
            refuse(format!("{}{next}", note.message))
        })?;
        let ordinal = ordinal(id)
            .filter(|o| (0..count).contains(o))
            .ok_or_else(|| refuse(format!("there are cuda:0 to cuda:{}", count - 1)))?;
        let found = probe::probe().devices.into_iter().find(|d| d.id == id);
        let info = found.ok_or_else(|| refuse("`breakeven devices` says what is wrong".into()))?;
        let start = Instant::now();
        let context = Context::open(id, ordinal)?;
        let context_s = Some(start.elapsed().as_secs_f64());
        let modules = HashMap::new();
        let shared = Shared { info, context, modules, context_s, cublaslt: None, cudnn: None };
        Ok(Box::new(CudaDevice { shared, sensors: Sensors::new(id) }))
    }
}

/// `0` of `cuda:0`.
fn ordinal(id: &str) -> Option<i32> {
    id.strip_prefix("cuda:")?.parse().ok()
}

/// What all loads on a device share.
struct Shared {
    /// Compiled modules, by name.
    modules: HashMap<&'static str, Rc<Module>>,
    cublaslt: Option<Rc<cublaslt::Handle>>,
    cudnn: Option<Rc<cudnn::Handle>>,
    info: DeviceInfo,
    context: Rc<Context>,
    /// Time of opening, handed to the first load only.
    context_s: Option<f64>,
}

impl Shared {
    fn cublaslt(&mut self) -> Result<Rc<cublaslt::Handle>> {
        if let Some(handle) = &self.cublaslt {
            return Ok(Rc::clone(handle));
        }
        Ok(Rc::clone(self.cublaslt.insert(cublaslt::Handle::new(&self.context)?)))
    }

    fn cudnn(&mut self) -> Result<Rc<cudnn::Handle>> {
        if let Some(handle) = &self.cudnn {
            return Ok(Rc::clone(handle));
        }
        Ok(Rc::clone(self.cudnn.insert(cudnn::Handle::new(&self.context)?)))
    }
}

/// An opened GPU.
struct CudaDevice {
    shared: Shared,
    sensors: Sensors,
}

impl Device for CudaDevice {
    fn info(&self) -> &DeviceInfo {
        &self.shared.info
    }

    fn load<'d>(&'d mut self, program: Program) -> Result<Box<dyn Session + 'd>> {
        match program {
            Program::Recording(recording) => {
                Ok(Box::new(CudaSession::load(&mut self.shared, recording)?))
            }
            Program::Native(_) | Program::Command(_) | Program::Encoder(_) => {
                Err(BackendError::Program {
                    device: self.shared.info.id.clone(),
                    message: "a GPU runs neither Rust functions nor programs".into(),
                })
            }
        }
    }

    fn state(&mut self) -> DeviceState {
        self.sensors.state()
    }
}

/// CPU-seconds this process has spent so far, all threads together.
fn process_cpu_s() -> f64 {
    let t = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    t.tv_sec as f64 + t.tv_nsec as f64 * 1e-9
}
