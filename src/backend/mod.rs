//! Devices: what can run a program and time it. A backend knows no family, statistic or record.

use breakeven_kernels::encoder::Quality;
use breakeven_kernels::work::{DeviceInfo, Program};

mod copy;
pub mod cpu;
pub mod cuda;
pub mod mock;
pub mod process;
pub mod vulkan;

/// The backends in the order devices are listed. A new one is a folder and two lines here.
///
/// [`process`] is not among them: it finds no devices, it uses those that these find.
pub static BACKENDS: &[&dyn Backend] = &[&cpu::CpuBackend, &cuda::Cuda, &vulkan::Vulkan];

/// One way to reach devices.
pub trait Backend: Sync {
    /// `cpu`, `cuda`, `vulkan`: the part of implementation names before the slash.
    fn name(&self) -> &'static str;
    /// Looks for devices; never fails and never panics, whatever is missing.
    fn probe(&self) -> Probe;
    /// Opens the device called `id` (`cpu`, `cpu:4`, `cuda:0`).
    ///
    /// # Errors
    /// [`BackendError::NoDevice`] where there is none of that name.
    fn open(&self, id: &str) -> Result<Box<dyn Device>, BackendError>;
}

/// What a backend found.
#[derive(Debug, Clone, Default)]
pub struct Probe {
    /// Devices that can be opened.
    pub devices: Vec<DeviceInfo>,
    /// What is missing, and what to do about it, for `devices`.
    pub notes: Vec<Note>,
}

/// Something absent or limited, in one sentence, with the next step.
#[derive(Debug, Clone, PartialEq)]
pub struct Note {
    /// What it is about: `cuda driver`, `openblas`, `cudnn`, …
    pub subject: String,
    /// What was found or not found.
    pub message: String,
    /// What to do about it, if anything.
    pub next_step: Option<String>,
}

/// One opened device.
pub trait Device {
    /// What it is.
    fn info(&self) -> &DeviceInfo;
    /// Allocates, uploads constants and compiles; everything one-off happens here and is timed.
    ///
    /// # Errors
    /// A program that this device cannot hold or compile.
    fn load<'d>(&'d mut self, program: Program) -> Result<Box<dyn Session + 'd>, BackendError>;
    /// Clock, temperature, power and throttling now; all `None` where unknown.
    fn state(&mut self) -> DeviceState {
        DeviceState::default()
    }
}

/// A program loaded on a device, ready to run.
pub trait Session {
    /// Poisons outputs so that a stale right answer cannot pass.
    ///
    /// # Errors
    /// A lost device.
    fn reset(&mut self) -> Result<(), BackendError>;
    /// Makes what `mode` needs once and keeps (memory for executions in flight), if it is missing.
    /// [`Session::run`] does so by itself, outside of the time it returns; whoever watches the clock
    /// meanwhile calls this before.
    ///
    /// # Errors
    /// Not enough memory; a lost device.
    fn prepare(&mut self, _mode: Mode) -> Result<(), BackendError> {
        Ok(())
    }
    /// Runs the program `iterations` times in `mode` and times it.
    ///
    /// # Errors
    /// A lost device, a program that failed.
    fn run(&mut self, mode: Mode, iterations: u32) -> Result<Timing, BackendError>;
    /// `samples` times [`Session::run`]: in one go where entering the device takes long.
    ///
    /// # Errors
    /// As for one run; the samples before it are lost.
    fn sample(
        &mut self,
        mode: Mode,
        iterations: u32,
        samples: usize,
    ) -> Result<Vec<Timing>, BackendError> {
        (0..samples).map(|_| self.run(mode, iterations)).collect()
    }
    /// Outputs of the last run, in the family's common format.
    ///
    /// # Errors
    /// A lost device.
    fn outputs(&mut self) -> Result<Vec<Vec<u8>>, BackendError>;
    /// The modes this session can tell apart, the one most needed first: time may run out.
    fn modes(&self) -> &'static [Mode];
    /// Costs paid once, at load or when a mode was prepared.
    fn one_off(&self) -> &OneOff;
    /// Kernel launches and library calls of one execution (0 for native programs).
    fn launches(&self) -> u32;
    /// Modes that compute in another way than the one asked for first ([`Mode::EndToEnd`] where there
    /// is one), so that their outputs are to be checked apart.
    fn checked_alone(&self) -> &'static [Mode] {
        &[]
    }
    /// What a library chose among its own ways for this program, in its words; `None` where it does
    /// not tell.
    fn chosen(&self) -> Option<String> {
        None
    }
    /// [`Device::state`] while the program is loaded; all `None` where unknown.
    fn state(&mut self) -> DeviceState {
        DeviceState::default()
    }
    /// What is known of a program that is a process of its own; `None` for all others.
    fn process(&self) -> Option<ProcessFacts> {
        None
    }
}

/// What is known of a program that is a process of its own.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ProcessFacts {
    /// Seconds that an empty process takes to start and end; they are inside every time.
    pub startup_s: Option<f64>,
    /// SHA-256 of the output that was looked at last, in hexadecimal.
    pub output_sha256: Option<String>,
    /// Bytes of that output.
    pub output_bytes: Option<u64>,
    /// Resident memory of the largest process, in bytes; `None` where it is less than this
    /// program's own, which Linux counts in.
    pub peak_memory_bytes: Option<u64>,
    /// Of an encoder: at which quality it was timed.
    pub quality: Option<Quality>,
}

/// What a time covers. Times of different modes are never mixed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Mode {
    /// Device work only, last-level cache flushed before each run.
    KernelCold,
    /// Device work only, back to back.
    KernelWarm,
    /// One call, host memory to host memory: pack, upload, work, download, unpack.
    EndToEnd,
    /// Throughput with several executions in flight, transfers overlapped with work.
    Pipelined,
}

impl Mode {
    /// The name it has in records.
    pub fn name(self) -> &'static str {
        match self {
            Self::KernelCold => "kernel_cold",
            Self::KernelWarm => "kernel_warm",
            Self::EndToEnd => "end_to_end",
            Self::Pipelined => "pipelined",
        }
    }
}

/// The time of one `run`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Timing {
    /// Time of all iterations together, in seconds, by `timer`.
    pub total_s: f64,
    /// Wall-clock time of the same, in seconds.
    pub wall_s: f64,
    /// CPU-seconds the host process spent meanwhile.
    pub host_cpu_s: f64,
    /// Parts of an end-to-end run, where the backend can split it: pack + upload, in seconds.
    pub upload_s: Option<f64>,
    /// Device work, in seconds.
    pub kernel_s: Option<f64>,
    /// Download + unpack, in seconds.
    pub download_s: Option<f64>,
    /// What measured `total_s`.
    pub timer: Timer,
    /// Executions in flight (pipelined), else 1.
    pub depth: u32,
}

/// What measured a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Timer {
    /// The host's monotonic clock.
    #[default]
    Wall,
    /// CUDA events.
    CudaEvent,
    /// Vulkan/wgpu timestamp queries.
    GpuTimestamp,
    /// The mock device.
    Mock,
}

/// Costs paid once per load, in seconds; `None` where they do not occur or cannot be told apart.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct OneOff {
    /// Context or device creation, first load only.
    pub context_s: Option<f64>,
    /// Module load and JIT or pipeline compilation.
    pub compile_s: Option<f64>,
    /// Library plans and heuristics.
    pub plan_s: Option<f64>,
    /// Allocation of device memory, and of host memory that transfers pass through.
    pub allocate_s: Option<f64>,
    /// Upload of constant buffers.
    pub constants_s: Option<f64>,
}

/// Momentary state of a device.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct DeviceState {
    /// Core (SM) clock in hertz.
    pub clock_hz: Option<f64>,
    /// Temperature in °C.
    pub temperature_c: Option<f64>,
    /// Power draw in watts.
    pub power_w: Option<f64>,
    /// Energy counter in joules since some fixed point.
    pub energy_j: Option<f64>,
    /// Throttle-reason bit mask as NVML prints it.
    pub throttle_mask: Option<u64>,
}

/// Why a backend could not do something.
#[derive(Debug, Clone, thiserror::Error)]
pub enum BackendError {
    /// The device does not exist here.
    #[error("no device {id}: {reason}")]
    NoDevice {
        /// The name that was asked for.
        id: String,
        /// Why not, and the next step.
        reason: String,
    },
    /// Not enough memory on the device.
    #[error(
        "{device}: {needed_bytes} bytes needed, {available_bytes} available; choose a smaller case"
    )]
    OutOfMemory {
        /// The device.
        device: String,
        /// Bytes the program needs.
        needed_bytes: u64,
        /// Bytes there are.
        available_bytes: u64,
    },
    /// The device or its library has no such operation: nothing failed, nothing was tried.
    #[error("{device}: {message}")]
    Unsupported {
        /// The device.
        device: String,
        /// What it lacks.
        message: String,
    },
    /// The program does not compile.
    #[error("{device}: {message}")]
    Program {
        /// The device.
        device: String,
        /// What the compiler or driver said.
        message: String,
    },
    /// The device stopped answering; nothing more can run on it.
    #[error("{device} was lost: {message}; its remaining cases are skipped")]
    DeviceLost {
        /// The device.
        device: String,
        /// What the driver said.
        message: String,
    },
    /// A program was stopped at its time limit.
    #[error("{0}")]
    TimedOut(String),
    /// The program itself failed.
    #[error("{0}")]
    Run(String),
}
