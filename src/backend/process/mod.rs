//! Programs: the user's own and encoders; started, timed as whole processes, stopped.
//!
//! They need no way to a device of their own: the devices are those that the other backends found,
//! under this backend's name. Linux only, as the rest of what is measured.

use std::sync::atomic::AtomicBool;

use breakeven_kernels::process::CommandSpec;
use breakeven_kernels::work::{DeviceInfo, DeviceKind, Language, Program};

use super::{Backend, BackendError, Device, Probe, Session};

mod encoder;
mod launch;
mod once;
mod output;
mod run;
mod session;
#[cfg(test)]
mod tests;
mod wait;

pub use once::{Ended, once};

/// The name of this backend, and what its devices' ids begin with.
pub const NAME: &str = "process";

/// The `process` backend: `process:cpu`, and `process:gpu` where there is a GPU.
pub struct Process {
    devices: Vec<DeviceInfo>,
    interrupted: &'static AtomicBool,
}

impl Process {
    /// Programs on the CPU and the GPU among `found`. A run stops when `interrupted` becomes true.
    ///
    /// A GPU with a driver of its own counts before the same chip seen through Vulkan; a software
    /// adapter is no GPU. Every program sees all GPUs; the facts are those of the first.
    pub fn beside(found: &[DeviceInfo], interrupted: &'static AtomicBool) -> Self {
        let mut devices = Vec::new();
        for cpu in found.iter().filter(|d| d.kind == DeviceKind::Cpu && d.backend != NAME) {
            devices.push(of(cpu, format!("{NAME}:{}", cpu.id)));
        }
        let gpu = |backend: Option<&str>| {
            let real = |d: &&DeviceInfo| d.kind == DeviceKind::Gpu && d.backend != NAME;
            let wanted = |d: &&DeviceInfo| backend.is_none_or(|name| d.backend == name);
            found.iter().find(|d| real(d) && wanted(d))
        };
        if let Some(gpu) = gpu(Some("cuda")).or_else(|| gpu(None)) {
            let same = |d: &&DeviceInfo| d.kind == DeviceKind::Gpu && d.backend == gpu.backend;
            let mut info = of(gpu, format!("{NAME}:gpu"));
            info.features = vec![format!("gpus={}", found.iter().filter(same).count())];
            devices.push(info);
        }
        Self { devices, interrupted }
    }

    /// The devices, without probing again.
    pub fn devices(&self) -> &[DeviceInfo] {
        &self.devices
    }
}

/// `found` as a device of this backend.
fn of(found: &DeviceInfo, id: String) -> DeviceInfo {
    DeviceInfo {
        id,
        backend: NAME.to_owned(),
        languages: vec![Language::Process],
        // What libraries a program uses is its own affair.
        libraries: Vec::new(),
        ..found.clone()
    }
}

/// Whether the program of `command` is there and may be started.
///
/// # Errors
/// What is wrong, with the program's name and the next step.
pub fn startable(command: &CommandSpec) -> Result<(), String> {
    launch::find(&command.words, command.folder.as_deref())?;
    match &command.checker {
        Some(checker) => launch::find(checker, command.folder.as_deref())
            .map(|_| ())
            .map_err(|problem| format!("check: {problem}")),
        None => Ok(()),
    }
}

impl Backend for Process {
    fn name(&self) -> &'static str {
        NAME
    }

    fn probe(&self) -> Probe {
        Probe { devices: self.devices.clone(), notes: Vec::new() }
    }

    fn open(&self, id: &str) -> Result<Box<dyn Device>, BackendError> {
        let found = self.devices.iter().find(|device| device.id == id);
        let info = found.cloned().ok_or_else(|| BackendError::NoDevice {
            id: id.to_owned(),
            reason: "no such device for programs was found".into(),
        })?;
        let cpus = id.strip_prefix("process:cpu:").and_then(|n| n.parse().ok());
        Ok(Box::new(ProcessDevice { info, cpus, interrupted: self.interrupted }))
    }
}

/// The host, or its GPU, as a place for programs.
struct ProcessDevice {
    info: DeviceInfo,
    /// CPUs that programs are held to, where fewer than all were asked for.
    cpus: Option<usize>,
    interrupted: &'static AtomicBool,
}

impl Device for ProcessDevice {
    fn info(&self) -> &DeviceInfo {
        &self.info
    }

    fn load<'d>(&'d mut self, program: Program) -> Result<Box<dyn Session + 'd>, BackendError> {
        match program {
            Program::Command(command) => Ok(Box::new(session::ProcessSession::new(self, command)?)),
            Program::Encoder(spec) => Ok(Box::new(encoder::EncoderSession::new(self, *spec)?)),
            Program::Native(_) | Program::Recording(_) => {
                let message = "this backend starts programs and runs nothing else".to_owned();
                Err(BackendError::Program { device: self.info.id.clone(), message })
            }
        }
    }
}
