//! `gate`.

use std::path::PathBuf;

use clap::Args;

use super::{GateHistoryArgs, GateReportArgs, positive};
use crate::gate::MetricClass;

/// `gate`.
#[derive(Debug, Args)]
pub struct GateArgs {
    /// Built-in suite or TOML file that both run [default: ci]; in commands of a suite, `{arm}` is
    /// the path given by --base and --cand
    pub suite: Option<String>,
    /// Which two programs.
    #[command(flatten)]
    pub pair: GatePairArgs,
    /// Judge the stored rounds of a gate.json again, without measuring
    #[arg(long, value_name = "FILE", conflicts_with_all = ["suite", "base", "base_ref", "base_cmd"])]
    pub judge: Option<PathBuf>,
    /// Against accepted records.
    #[command(flatten)]
    pub history: GateHistoryArgs,
    /// What to do with the findings.
    #[command(flatten)]
    pub findings: GateReportArgs,
}

/// What is compared, and how.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Base against candidate")]
pub struct GatePairArgs {
    /// The program that is there: a breakeven executable, or what `{arm}` stands for
    #[arg(long, value_name = "PATH", requires = "cand")]
    pub base: Option<PathBuf>,
    /// The program that shall replace it
    #[arg(long, value_name = "PATH", requires = "base")]
    pub cand: Option<PathBuf>,
    /// Git revision to build the base from, in a worktree of its own
    #[arg(long, value_name = "REV", conflicts_with_all = ["base", "base_cmd"])]
    pub base_ref: Option<String>,
    /// Git revision to build the candidate from [default: the working tree as it is]
    #[arg(long, value_name = "REV", requires = "base_ref")]
    pub cand_ref: Option<String>,
    /// Command that builds a revision, through `sh -c` in its folder
    #[arg(
        long,
        value_name = "CMD",
        default_value = "cargo build --release --locked",
        requires = "base_ref"
    )]
    pub build: String,
    /// What it builds, below that folder
    #[arg(
        long,
        value_name = "PATH",
        default_value = "target/release/breakeven",
        requires = "base_ref"
    )]
    pub bin: PathBuf,
    /// Any command as the base; wall time of whole processes
    #[arg(long, value_name = "CMD", requires = "cand_cmd", conflicts_with_all = ["suite", "base"])]
    pub base_cmd: Option<String>,
    /// The command that shall replace it
    #[arg(long, value_name = "CMD", requires = "base_cmd")]
    pub cand_cmd: Option<String>,
    /// What the command's row is called
    #[arg(long, value_name = "NAME", requires = "base_cmd", default_value = "command")]
    pub name: String,
    /// Hand the commands to `sh -c`
    #[arg(long, requires = "base_cmd")]
    pub shell: bool,
    /// The candidate must print what the base prints [default: where the base prints the same in
    /// every run]
    #[arg(long, conflicts_with = "any_output")]
    pub same_output: bool,
    /// Outputs of commands may differ
    #[arg(long)]
    pub any_output: bool,
    /// Seconds after which a process is stopped and counts as hanging [default: ten times what the
    /// base took]
    #[arg(long, value_name = "S", value_parser = positive, allow_negative_numbers = true)]
    pub time_limit: Option<f64>,
    /// Rounds of every row, and fresh rounds of a suspect
    #[arg(long, value_name = "N,M", value_parser = rounds, default_value = "8,16")]
    pub rounds: (u32, u32),
    /// Change of a class that does not matter: gpu-warm, gpu-cold, cpu, end-to-end, command
    /// (repeatable), for example --margin cpu=0.03
    #[arg(long, value_name = "CLASS=SHARE", value_parser = margin)]
    pub margin: Vec<(MetricClass, f64)>,
    /// Seconds that all may take; what was measured by then is judged
    #[arg(long, value_name = "S", value_parser = positive, allow_negative_numbers = true)]
    pub max_wall: Option<f64>,
    /// Calibrate, say how long the rounds would take, and stop
    #[arg(long)]
    pub dry_run: bool,
    /// The same program twice is meant: to see what the machine does
    #[arg(long)]
    pub aa: bool,
    /// Seed of orders and shuffles
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Measure on this device only (repeatable)
    #[arg(long, value_name = "DEVICE")]
    pub device: Vec<String>,
    /// Measure only implementations of this name, * and ? allowed (repeatable)
    #[arg(long, value_name = "GLOB")]
    pub implementation: Vec<String>,
}

/// `8,16`.
fn rounds(text: &str) -> Result<(u32, u32), String> {
    let both = text.split_once(',').and_then(|(n, m)| Some((n.parse().ok()?, m.parse().ok()?)));
    match both {
        Some((n, m)) if (2..=1000).contains(&n) && (2..=1000).contains(&m) => Ok((n, m)),
        _ => Err("must be two numbers from 2 to 1000, such as 8,16".into()),
    }
}

/// `cpu=0.03`.
fn margin(text: &str) -> Result<(MetricClass, f64), String> {
    const CLASSES: [(&str, MetricClass); 5] = [
        ("gpu-warm", MetricClass::GpuWarm),
        ("gpu-cold", MetricClass::GpuCold),
        ("cpu", MetricClass::Cpu),
        ("end-to-end", MetricClass::EndToEnd),
        ("command", MetricClass::Command),
    ];
    let wanted = "must be CLASS=SHARE with gpu-warm, gpu-cold, cpu, end-to-end or command and a \
                  share above 0 and below 1, such as cpu=0.03";
    let (name, share) = text.split_once('=').ok_or(wanted)?;
    let class = CLASSES.iter().find(|(known, _)| *known == name).ok_or(wanted)?.1;
    match share.parse::<f64>() {
        Ok(share) if share > 0.0 && share < 1.0 => Ok((class, share)),
        _ => Err(wanted.into()),
    }
}
