//! The host processor: Rust code in a rayon pool, and libraries found at run time.

use breakeven_kernels::work::{DeviceInfo, DeviceKind, Language, Program};
use rayon::ThreadPool;

use super::{Backend, BackendError, Device, Probe, Session};
use crate::host::Host;

mod blas;
mod flush;
mod library;
mod native;
mod onednn;

use blas::Libraries;
use flush::Flush;

/// The `cpu` backend: devices `cpu` (all threads) and `cpu:N` (N threads).
pub struct CpuBackend;

impl Backend for CpuBackend {
    fn name(&self) -> &'static str {
        "cpu"
    }

    fn probe(&self) -> Probe {
        let libraries = Libraries::get();
        Probe { devices: vec![info("cpu", available_threads())], notes: libraries.notes.clone() }
    }

    fn open(&self, id: &str) -> Result<Box<dyn Device>, BackendError> {
        let available = available_threads();
        let refuse = |reason: String| BackendError::NoDevice { id: id.to_owned(), reason };
        let threads = match id.split_once(':') {
            None if id == "cpu" => available,
            Some(("cpu", count)) => match count.parse::<usize>() {
                Ok(threads) if (1..=available).contains(&threads) => threads,
                _ => {
                    return Err(refuse(format!(
                        "this process may use {available} CPUs; choose cpu:1 to cpu:{available}"
                    )));
                }
            },
            _ => return Err(refuse("the CPU is called `cpu`, or `cpu:N` for N threads".into())),
        };
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|index| format!("cpu-{index}"))
            .build()
            .map_err(|e| refuse(format!("threads could not be started ({e})")))?;
        let info = info(id, threads);
        let flush = Flush::new(info.cache_bytes);
        Ok(Box::new(CpuDevice { info, pool, flush }))
    }
}

/// Threads that this process may use at once: affinity and cgroup quota respected.
fn available_threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn info(id: &str, threads: usize) -> DeviceInfo {
    let host = Host::default();
    let cpu = host.cpu();
    let libraries = Libraries::get();
    let mut languages = vec![Language::Native];
    languages.extend(libraries.found().map(Language::Library));
    DeviceInfo {
        id: id.to_owned(),
        backend: "cpu".to_owned(),
        kind: DeviceKind::Cpu,
        name: cpu.model.unwrap_or_else(|| format!("{} CPU", std::env::consts::ARCH)),
        vendor: cpu.vendor,
        architecture: cpu.microarchitecture.map(str::to_owned),
        driver: None,
        memory_bytes: host.memory_bytes(),
        threads: Some(threads as u32),
        cores: host.affinity_cores().map(|cores| cores.min(threads as u32)),
        compute_units: None,
        compute_capability: None,
        cache_bytes: cpu.l3_bytes,
        languages,
        libraries: libraries.versions(),
        features: cpu.isa,
        max_workgroup_invocations: None,
        max_shared_bytes: None,
        max_buffer_bytes: None,
    }
}

/// One opened CPU: a pool of its threads and a buffer to flush its caches with.
struct CpuDevice {
    info: DeviceInfo,
    pool: ThreadPool,
    flush: Flush,
}

impl Device for CpuDevice {
    fn info(&self) -> &DeviceInfo {
        &self.info
    }

    fn load<'d>(&'d mut self, program: Program) -> Result<Box<dyn Session + 'd>, BackendError> {
        match program {
            Program::Native(program) => Ok(Box::new(native::NativeSession::new(self, program))),
            Program::Recording(recording) => {
                Ok(Box::new(library::LibrarySession::new(self, recording)?))
            }
            Program::Encoder(_) => Err(BackendError::Program {
                device: self.info.id.clone(),
                message: "an encoder runs on a device of its own, process:cpu".into(),
            }),
            Program::Command(command) => Err(BackendError::Program {
                device: self.info.id.clone(),
                message: format!("{} is a program for the process backend", command.name()),
            }),
        }
    }

    fn state(&mut self) -> super::DeviceState {
        super::DeviceState { clock_hz: Host::default().clock_hz(), ..Default::default() }
    }
}

/// CPU-seconds this process has used, all threads.
fn process_cpu_s() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

#[cfg(test)]
mod tests;
