//! Record v1: what one run measured, with its environment. The waist of the program: everything
//! later reads only this. JSON Lines: a header, a row per case × implementation × device, a
//! footer. SI units in the key names; an unknown is `null` plus an entry in `unknown`.

use breakeven_kernels::encoder::Quality;
use breakeven_kernels::work::{Check, DeviceInfo, Tuning, Work};
use serde::{Deserialize, Serialize};

pub mod environment;
mod file;
mod metadata;

pub use file::{RecordError, Writer, parse, read};

/// Name of the format in every header.
pub const SCHEMA_NAME: &str = "breakeven-record";
/// Readers accept any minor version of this major one.
pub const SCHEMA_MAJOR: u32 = 1;
/// Raised when a meaningful field is added.
pub const SCHEMA_MINOR: u32 = 3;

/// One line of the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Line {
    /// First line.
    Header(Box<Header>),
    /// One per case × implementation × device, measured, failed or skipped.
    Row(Box<Row>),
    /// Last line; absent after a crash.
    Footer(Footer),
}

/// Format name and version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schema {
    /// Always [`SCHEMA_NAME`].
    pub name: String,
    /// Incompatible changes.
    pub major: u32,
    /// Compatible additions.
    pub minor: u32,
}

/// Who ran what, where.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// Format.
    pub schema: Schema,
    /// The run.
    pub run: Run,
    /// The machine.
    pub env: Environment,
}

impl Header {
    /// The header of a run that starts now. `argv` is the command line without the program.
    pub fn new(suite: &str, seed: u64, argv: Vec<String>, env: Environment) -> Self {
        Self {
            schema: Schema {
                name: SCHEMA_NAME.to_owned(),
                major: SCHEMA_MAJOR,
                minor: SCHEMA_MINOR,
            },
            run: Run {
                id: uuid::Uuid::now_v7().to_string(),
                started_at: now(),
                tool_version: env!("CARGO_PKG_VERSION").to_owned(),
                tool_commit: option_env!("BREAKEVEN_COMMIT").map(str::to_owned),
                tool_dirty: option_env!("BREAKEVEN_DIRTY").map(|v| v == "true"),
                argv,
                suite: suite.to_owned(),
                seed,
            },
            env,
        }
    }
}

/// The time now, RFC 3339 in UTC to the second.
pub fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The run itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// UUID v7.
    pub id: String,
    /// RFC 3339, UTC.
    pub started_at: String,
    /// breakeven's version.
    pub tool_version: String,
    /// Git commit of breakeven, if the build knew it.
    pub tool_commit: Option<String>,
    /// Whether that tree had local changes.
    pub tool_dirty: Option<bool>,
    /// Command line, without the program's path.
    pub argv: Vec<String>,
    /// Suite name or file stem.
    pub suite: String,
    /// Seed of all random inputs.
    pub seed: u64,
}

/// The machine; `env_key`s are per device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Environment {
    /// Operating system and version.
    pub os: Option<String>,
    /// Kernel release.
    pub kernel: Option<String>,
    /// CPU architecture, e.g. `x86_64`.
    pub arch: String,
    /// Hypervisor or container hints.
    pub virtualization: Option<String>,
    /// Cloud provider: `azure`, `aws`, `gcp`.
    pub provider: Option<String>,
    /// VM size; `None` when unknown.
    pub sku: Option<String>,
    /// Where the SKU came from: `flag`, `azure-imds`, `aws-imds`, `gcp-metadata`, `kubernetes`.
    pub sku_source: Option<String>,
    /// Region.
    pub region: Option<String>,
    /// Name of the Kubernetes node, where a fleet measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// CPU facts.
    pub cpu: CpuEnv,
    /// Total memory in bytes.
    pub memory_bytes: Option<u64>,
    /// Changing state when the run began; not part of any `env_key`.
    pub state: HostState,
    /// The devices that rows refer to by id.
    pub devices: Vec<DeviceEnv>,
    /// Names of fields that could not be found out.
    pub unknown: Vec<String>,
}

/// CPU facts that affect results.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct CpuEnv {
    /// Model name as the system prints it.
    pub model: Option<String>,
    /// Vendor id.
    pub vendor: Option<String>,
    /// Microarchitecture, where family and model tell it.
    pub microarchitecture: Option<String>,
    /// Microcode revision.
    pub microcode: Option<String>,
    /// Sockets visible.
    pub sockets: Option<u32>,
    /// Physical cores visible.
    pub cores: Option<u32>,
    /// Hardware threads visible.
    pub threads: Option<u32>,
    /// Threads per core.
    pub threads_per_core: Option<u32>,
    /// NUMA nodes.
    pub numa_nodes: Option<u32>,
    /// CPUs this process may run on.
    pub affinity_cpus: Option<u32>,
    /// CFS quota in CPUs, if one is set.
    pub quota_cpus: Option<f64>,
    /// Frequency governor.
    pub governor: Option<String>,
    /// Last-level cache in bytes.
    pub l3_bytes: Option<u64>,
    /// SIMD sets.
    pub isa: Vec<String>,
}

/// State that changes by the minute.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct HostState {
    /// One-minute load average.
    pub load_average: Option<f64>,
    /// Clock of the first CPU in hertz.
    pub clock_hz: Option<f64>,
    /// Share of CPU time stolen by the hypervisor since boot or run start.
    pub steal_ratio: Option<f64>,
    /// cgroup `nr_throttled`.
    pub throttled_periods: Option<u64>,
    /// Transparent huge pages setting.
    pub huge_pages: Option<String>,
}

/// A device and its environment key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeviceEnv {
    /// What the backend said.
    pub info: DeviceInfo,
    /// SHA-256 (hex) over what affects this device's results.
    pub env_key: String,
}

/// What happened to a case × implementation × device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Verified and timed.
    Ok,
    /// Verified; not timed because time ran out.
    Untimed,
    /// The output differed from the reference.
    WrongOutput,
    /// It could not run to the end.
    Failed,
    /// It was never tried; `reason` says why.
    Skipped,
}

/// One case × implementation × device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Family name.
    pub family: String,
    /// Canonical print of the case, without the device: CPU and GPU rows join on it.
    pub case_key: String,
    /// The series this case belongs to, if any.
    pub series: Option<Series>,
    /// `cpu/simd`, `cuda/tiled`, …
    pub implementation: String,
    /// Device id; its facts are in the header.
    pub device: String,
    /// Result.
    pub status: Status,
    /// Why not `ok`.
    pub reason: Option<String>,
    /// Work of this input.
    pub work: Work,
    /// Proof of correctness, before timing.
    pub check: Option<Check>,
    /// The times, by mode.
    pub times: Times,
    /// One-off costs in seconds.
    pub one_off: OneOffCosts,
    /// Chosen variant.
    pub tuning: Option<Tuning>,
    /// Launches and library calls of one execution.
    pub launches: u32,
    /// Host CPU-seconds of one execution while the device works (end to end, or pipelined).
    pub host_cpu_s: Option<f64>,
    /// Energy of one execution in joules.
    pub energy_j: Option<f64>,
    /// Device clock before and after, in hertz.
    pub clock_hz: [Option<f64>; 2],
    /// Temperature of the device before and after, in °C; written where one is known.
    #[serde(default, skip_serializing_if = "neither")]
    pub temperature_c: [Option<f64>; 2],
    /// Host memory high-water mark of the process in bytes after this row; of a command, that of
    /// its largest process.
    pub peak_memory_bytes: Option<u64>,
    /// Of a command only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<ProcessRun>,
    /// Of an encoder only: at which quality it was timed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quality: Option<Quality>,
    /// Names of fields that could not be found out, with reasons.
    pub unknown: Vec<String>,
}

/// Whether both are unknown.
fn neither(pair: &[Option<f64>; 2]) -> bool {
    pair.iter().all(Option::is_none)
}

/// What is known only of a command: a program that was started, not a function that was called.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ProcessRun {
    /// Seconds that an empty process takes to start and end here; they are inside every time.
    pub startup_s: Option<f64>,
    /// SHA-256 of the output that was checked, in hexadecimal.
    pub output_sha256: Option<String>,
    /// Bytes of that output.
    pub output_bytes: Option<u64>,
}

/// Cases that differ in one axis.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// The case key without the axis value.
    pub key: String,
    /// Name of the axis.
    pub axis: String,
    /// This case's value on it.
    pub value: f64,
}

/// Times by mode; a mode that was not measured is `None`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Times {
    /// Device work, caches flushed.
    pub kernel_cold: Option<Time>,
    /// Device work, back to back.
    pub kernel_warm: Option<Time>,
    /// One call, host memory to host memory.
    pub end_to_end: Option<Time>,
    /// Throughput time per execution with several in flight.
    pub pipelined: Option<Time>,
}

/// A measured time per execution with its samples.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Time {
    /// What measured it: `wall`, `cuda-event`, `gpu-timestamp`, `mock`.
    pub timer: String,
    /// Executions in one sample.
    pub iterations_per_sample: u32,
    /// Executions in flight.
    pub depth: u32,
    /// Executions before sampling.
    pub warmup_runs: u32,
    /// Seconds per execution, one per sample, in time order; none dropped.
    pub samples_s: Vec<f64>,
    /// Samples that stand in the file and were not kept here: of one among very many records.
    #[serde(skip)]
    pub samples_left: usize,
    /// Median, in seconds per execution.
    pub median_s: f64,
    /// Order-statistic 95 % interval of the median.
    pub ci95_lo_s: f64,
    /// Its upper end.
    pub ci95_hi_s: f64,
    /// Mean.
    pub mean_s: f64,
    /// Standard deviation.
    pub stdev_s: f64,
    /// Median absolute deviation.
    pub mad_s: f64,
    /// Interquartile range.
    pub iqr_s: f64,
    /// Smallest.
    pub min_s: f64,
    /// 95th percentile.
    pub p95_s: f64,
    /// Samples outside 1.5 IQR; labelled, kept.
    pub outliers: u32,
    /// Median share of pack + upload, device work, download + unpack (seconds), where split.
    pub upload_s: Option<f64>,
    /// Device part.
    pub kernel_s: Option<f64>,
    /// Download part.
    pub download_s: Option<f64>,
    /// Anything a reader must know: `same call as kernel_warm`, `interval not reached`, …
    pub note: Option<String>,
}

impl Time {
    /// How many samples were taken.
    pub fn samples(&self) -> usize {
        self.samples_s.len() + self.samples_left
    }
}

/// One-off costs in seconds.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct OneOffCosts {
    /// Context creation.
    pub context_s: Option<f64>,
    /// Module load, JIT, pipeline compilation.
    pub compile_s: Option<f64>,
    /// Library planning.
    pub plan_s: Option<f64>,
    /// Allocation: of the device, and of the host for transfers.
    pub allocate_s: Option<f64>,
    /// Constant upload.
    pub constants_s: Option<f64>,
    /// Trials of tunings.
    pub trials_s: Option<f64>,
}

/// Last line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Footer {
    /// RFC 3339, UTC.
    pub finished_at: String,
    /// False when interrupted; such a record is never a baseline.
    pub complete: bool,
    /// Why not complete.
    pub reason: Option<String>,
    /// Rows written.
    pub rows: u64,
    /// State at the end.
    pub state: HostState,
}

impl Footer {
    /// The footer of a run that ends now after `rows` rows; incomplete where `reason` is given.
    pub fn new(rows: u64, reason: Option<String>) -> Self {
        Self {
            finished_at: now(),
            complete: reason.is_none(),
            reason,
            rows,
            state: environment::state(),
        }
    }
}

/// A record in memory.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Header.
    pub header: Header,
    /// Rows in file order.
    pub rows: Vec<Row>,
    /// Footer, if the run got that far.
    pub footer: Option<Footer>,
}

impl Record {
    /// Forgets all samples but their numbers: they are most of a record, and only pictures and gates
    /// look at them one by one.
    pub fn forget_samples(&mut self) {
        for times in self.rows.iter_mut().map(|row| &mut row.times) {
            let all = [
                &mut times.kernel_cold,
                &mut times.kernel_warm,
                &mut times.end_to_end,
                &mut times.pipelined,
            ];
            for time in all.into_iter().flatten() {
                time.samples_left = time.samples();
                time.samples_s = Vec::new();
            }
        }
    }
}
