//! The command line as typed. Names, flags and exit codes are a contract with scripts.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

mod align;
mod compare;
mod fleet;
mod gate;
mod gate_history;
mod gate_report;
mod money;
mod place;
mod promote;
mod transcode;

pub use align::*;
pub use compare::CompareArgs;
pub use fleet::*;
pub use gate::*;
pub use gate_history::*;
pub use gate_report::*;
pub use money::*;
pub use place::*;
pub use promote::*;
pub use transcode::*;

/// Says whether a workload should run on GPU nodes: the same verified computation on CPU and
/// GPU, priced on real VM sizes.
#[derive(Debug, Parser)]
#[command(
    name = "breakeven",
    version,
    max_term_width = 100,
    after_help = "exit codes: 0 done, 1 internal or I/O error, 2 usage or configuration, \
                  3 expectation not met or wrong output, 4 nothing comparable, 5 inconclusive, \
                  130 interrupted"
)]
pub struct Cli {
    /// Where and how to write.
    #[command(flatten)]
    pub output: OutputArgs,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Options that every command takes.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// Folder for what is written; made if it does not exist
    #[arg(short = 'o', long = "output", value_name = "DIR", global = true)]
    pub folder: Option<PathBuf>,
    /// Form of the data on standard output
    #[arg(long, value_enum, default_value_t, global = true)]
    pub format: FormatArg,
    /// No progress and no remarks on standard error; errors still show
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// No colours (NO_COLOR in the environment does the same)
    #[arg(long, global = true)]
    pub no_color: bool,
    /// Replaces all devices by mock ones, for tests of the commands
    #[arg(long, value_name = "SPEC", global = true, hide = true)]
    pub mock: Option<String>,
}

/// Forms of output; each has a file in `report`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum FormatArg {
    /// For people, at a terminal.
    #[default]
    Text,
    /// For programs; of `run`, the record's own lines.
    Json,
    /// For programs that read as it comes: a line a verdict, without its ranking.
    Jsonl,
    /// For issues and chats.
    Markdown,
    /// For spreadsheets.
    Csv,
    /// For a browser: one page that needs no network.
    Html,
}

impl FormatArg {
    /// The name in `report::FORMATS`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
            Self::Jsonl => "jsonl",
            Self::Markdown => "markdown",
            Self::Csv => "csv",
            Self::Html => "html",
        }
    }
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Measure this machine and say which workloads belong on a GPU node: the main job
    Advise(AdviseArgs),
    /// Write a workload file from a few questions, with comments
    Init(InitArgs),
    /// Show what this machine has, what is missing, and what to do about it
    Devices,
    /// List what there is to choose from
    List(ListArgs),
    /// Measure a suite and write the record
    Run(RunArgs),
    /// Measure a program of your own: any CPU command, GPU command, or both
    Measure(super::program_args::ProgramArgs),
    /// Verdicts from records, without measuring
    Classify(ClassifyArgs),
    /// Records side by side: speed, cost, crossovers, across devices, VM sizes, commits and time
    Compare(CompareArgs),
    /// Report on records: text, Markdown, JSON, CSV, and with -o a page with pictures
    Report(ReportArgs),
    /// Say whether a change made a program slower, for CI
    Gate(GateArgs),
    /// Make a record part of the accepted baseline of `gate --accepted`
    Promote(PromoteArgs),
    /// Show the prices that verdicts use, or read today's
    Prices(PricesArgs),
    /// Write what puts a verdict into effect: AKS node pool, workload, GPU sharing, Karpenter
    Place(PlaceArgs),
    /// Measure many VM sizes at once, as Kubernetes Jobs
    Fleet(FleetArgs),
    /// Check measurements that others made, and convert them for `classify --imported`
    Import(ImportArgs),
    /// Align pairs of sequences from files of any size, by the kernels that are measured
    Align(AlignArgs),
    /// Transcode Motion-JPEG video of any length, by the kernels that are measured
    Transcode(TranscodeArgs),
}

/// `advise`.
#[derive(Debug, Args)]
pub struct AdviseArgs {
    /// Workload files or built-in names; without any, all built-in workloads by the quick suite
    #[arg(value_name = "WORKLOAD")]
    pub workloads: Vec<String>,
    /// How to measure.
    #[command(flatten)]
    pub measure: MeasureArgs,
    /// How to price.
    #[command(flatten)]
    pub price: PriceArgs,
}

/// `init`.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// File to write, workload.toml without one; - is standard output
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Copy this built-in workload as a start instead of asking
    #[arg(long, value_name = "WORKLOAD", conflicts_with = "answer")]
    pub from: Option<String>,
    /// Answer a question beforehand (repeatable); without a terminal the rest take their defaults,
    /// and all are named. For example --answer kind=llm --answer weights=8
    #[arg(long, value_name = "KEY=VALUE")]
    pub answer: Vec<String>,
    /// Write over a file that exists
    #[arg(long)]
    pub force: bool,
}

/// `list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// What to list
    #[arg(value_enum)]
    pub what: ListWhat,
}

/// What `list` can list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ListWhat {
    /// Kinds of computation
    Families,
    /// Ways to compute them
    Implementations,
    /// Built-in suites
    Suites,
    /// Built-in workloads
    Workloads,
    /// VM sizes of the catalog
    Skus,
}

/// `run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// A built-in suite (see `list suites`) or a TOML file
    pub suite: String,
    /// How to measure.
    #[command(flatten)]
    pub measure: MeasureArgs,
    /// Measure only implementations of this name, * and ? allowed (repeatable)
    #[arg(long, value_name = "GLOB")]
    pub implementation: Vec<String>,
    /// Write inputs and outputs there, for other programs to check
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,
    /// Show what would be measured and what skipped, and stop
    #[arg(long)]
    pub dry_run: bool,
    /// Measure as the order in the file says, and answer in lines: how `gate` runs an arm
    #[arg(long, value_name = "FILE", hide = true)]
    pub round: Option<PathBuf>,
}

/// What commands that measure share.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Measuring")]
pub struct MeasureArgs {
    /// Measure on this device only: cpu, cpu:N (threads), cuda:N, vulkan:N (repeatable)
    #[arg(long, value_name = "DEVICE")]
    pub device: Vec<String>,
    /// VM size of this machine, where it is not found by itself
    #[arg(long, value_name = "NAME")]
    pub sku: Option<String>,
    /// Do not ask the cloud's metadata service for the VM size
    #[arg(long)]
    pub no_metadata: bool,
    /// Stop starting new cases after so many seconds
    #[arg(long, value_name = "N", value_parser = positive, allow_negative_numbers = true)]
    pub max_seconds: Option<f64>,
    /// Measure software Vulkan adapters too; no verdict ever uses them
    #[arg(long)]
    pub allow_software: bool,
    /// Seed of all random inputs
    #[arg(long, value_name = "N", default_value_t = 1, allow_negative_numbers = true)]
    pub seed: u64,
}

/// `classify`.
#[derive(Debug, Args)]
pub struct ClassifyArgs {
    /// Workload files, folders with such files, or built-in names; without any, all built-in
    /// workloads
    #[arg(value_name = "WORKLOAD")]
    pub workloads: Vec<String>,
    /// A record or a folder of records (repeatable); without any, the reference
    /// records built in, if there are any
    #[arg(long, value_name = "PATH")]
    pub records: Vec<PathBuf>,
    /// What others measured.
    #[command(flatten)]
    pub imported: ImportedArgs,
    /// How to price.
    #[command(flatten)]
    pub price: PriceArgs,
    /// Pack the workloads on shared nodes: who should share with whom, and what it saves
    #[arg(long, conflicts_with_all = ["expect", "explain", "files"])]
    pub together: bool,
    /// Exit with 3 unless every verdict is this one
    #[arg(long, value_name = "VERDICT", value_enum)]
    pub expect: Option<ExpectArg>,
    /// Show every term of the arithmetic with its unit
    #[arg(long)]
    pub explain: bool,
    /// Predict each measured device from the others and show how wrong that is, in place of
    /// verdicts
    #[arg(long, conflicts_with_all = ["workloads", "files", "expect", "explain"])]
    pub leave_one_device_out: bool,
}

/// Measurements made by others, for `classify`.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Measurements made by others")]
pub struct ImportedArgs {
    /// Judge what others measured, one row a measurement (CSV; `breakeven import` checks and
    /// makes such files; repeatable); sizes of all providers unless --provider says otherwise
    #[arg(long = "imported", value_name = "FILE", conflicts_with = "records")]
    pub files: Vec<PathBuf>,
    /// Leave out rows that cannot be used, and count them
    #[arg(long, requires = "files")]
    pub skip_invalid: bool,
    /// Predict each VM size from the others and show how wrong that is, in place of verdicts
    #[arg(long, requires = "files", conflicts_with = "expect")]
    pub leave_one_sku_out: bool,
}

/// `import`. The options about the measurement are for files of other tools; the CSV says it all.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// Files of criterion (or its folder), hyperfine or google-benchmark, or CSVs of measurements;
    /// -o OUT.csv keeps the result
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// Which tool wrote the files, where it is not found by their content
    #[arg(long, value_enum)]
    pub from: Option<FromArg>,
    /// VM size that was measured
    #[arg(long, value_name = "NAME")]
    pub sku: Option<String>,
    /// What did the computing
    #[arg(long, value_enum)]
    pub device: Option<DeviceArg>,
    /// Name of the workload; of several benchmarks each gets its own after a slash
    #[arg(long, value_name = "NAME")]
    pub workload: Option<String>,
    /// What is counted: image, frame, read [default: what the tool counts, else run]
    #[arg(long, value_name = "UNIT")]
    pub unit: Option<String>,
    /// How many units a run does [default: what the tool says, else 1]
    #[arg(long, value_name = "N", value_parser = positive, requires = "unit", allow_negative_numbers = true)]
    pub units_per_run: Option<f64>,
    /// How many units make a job [default: as many as a run does]
    #[arg(long, value_name = "N", value_parser = positive, allow_negative_numbers = true)]
    pub units_per_job: Option<f64>,
    /// Day of the measurement [default: as the file says, else that of its last change]
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub measured_at: Option<String>,
    /// Leave out what cannot be used, and count it
    #[arg(long)]
    pub skip_invalid: bool,
    /// Prices of your own, which may add VM sizes (see `classify --prices`)
    #[arg(long, value_name = "FILE")]
    pub prices: Vec<PathBuf>,
}

/// Tools whose files `import` reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FromArg {
    /// `cargo bench` with criterion
    Criterion,
    /// `hyperfine --export-json`
    Hyperfine,
    /// `--benchmark_out_format=json`
    GoogleBenchmark,
    /// The CSV of measurements
    Csv,
}

/// What did the computing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DeviceArg {
    /// The VM's processors
    Cpu,
    /// Its GPUs
    Gpu,
}

/// Verdicts that `--expect` takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ExpectArg {
    /// A GPU node, used alone
    Gpu,
    /// A GPU node only because it is shared with other workloads, or a fraction of a GPU
    SharedGpu,
    /// A CPU node
    Cpu,
    /// Both cost the same within the margin
    Either,
    /// Not settled by what was measured
    MeasureFirst,
}

impl ExpectArg {
    /// The verdict's name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gpu => "gpu",
            Self::SharedGpu => "shared-gpu",
            Self::Cpu => "cpu",
            Self::Either => "either",
            Self::MeasureFirst => "measure-first",
        }
    }
}

/// `report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// Records (.jsonl) or folders of records
    #[arg(value_name = "RECORD", required = true)]
    pub records: Vec<PathBuf>,
    /// Judge this workload by them: a file, a folder or a built-in name (repeatable); without any,
    /// -o judges the built-in workloads that the records say something about
    #[arg(long, value_name = "WORKLOAD")]
    pub workload: Vec<String>,
    /// How to price.
    #[command(flatten)]
    pub price: PriceArgs,
}

/// A finite number above zero.
pub(super) fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() && value > 0.0 => Ok(value),
        _ => Err("must be a number above 0".into()),
    }
}
