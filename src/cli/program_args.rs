//! `measure` as typed: a program of the user's own.

use std::path::PathBuf;

use clap::Args;

use super::args::{MeasureArgs, positive};

/// `measure`.
#[derive(Debug, Args)]
pub struct ProgramArgs {
    /// The CPU command, in quotes; or write it after --, without quotes
    #[arg(long, value_name = "CMD", conflicts_with = "command")]
    pub cpu: Option<String>,
    /// The GPU command, in quotes; left out where there is no GPU
    #[arg(long, value_name = "CMD")]
    pub gpu: Option<String>,
    /// What one unit of work is called: frame, read, image
    #[arg(long, value_name = "NAME", default_value = "run")]
    pub unit: String,
    /// Units of work that one run does
    #[arg(long, value_name = "N", default_value_t = 1.0, value_parser = positive)]
    pub units: f64,
    /// Which output is right.
    #[command(flatten)]
    pub check: CheckArgs,
    /// A file that {input} in the commands stands for; NAME=FILE for {NAME} (repeatable)
    #[arg(long, value_name = "FILE")]
    pub input: Vec<String>,
    /// The file that holds the output, {output} in the commands; without it, standard output does
    #[arg(long, value_name = "FILE")]
    pub output_file: Option<String>,
    /// An environment variable for the commands (repeatable)
    #[arg(long, value_name = "NAME=VALUE")]
    pub env: Vec<String>,
    /// Run the commands through sh -c: pipes, redirections, variables
    #[arg(long)]
    pub shell: bool,
    /// Seconds after which a run is stopped and counts as failed
    #[arg(long, value_name = "N", value_parser = positive)]
    pub time_limit: Option<f64>,
    /// Write a workload file with these commands as its stage, for advise and classify
    #[arg(long, value_name = "OUT.toml")]
    pub workload: Option<PathBuf>,
    /// Runs a day that the workload file asks for
    #[arg(long, value_name = "N", value_parser = positive, requires = "workload")]
    pub jobs_per_day: Option<f64>,
    /// How to measure.
    #[command(flatten)]
    pub measure: MeasureArgs,
    /// The CPU command as words, after --
    #[arg(last = true, value_name = "CMD")]
    pub command: Vec<String>,
}

/// How `measure` knows a right output; without any, by the exit status alone.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub struct CheckArgs {
    /// SHA-256 of the right output
    #[arg(long, value_name = "HEX")]
    pub check_sha256: Option<String>,
    /// A command that ends with status 0 for a right output, which it gets on standard input
    #[arg(long = "check", value_name = "CMD")]
    pub check_command: Option<String>,
    /// The GPU command must give the CPU command's output, byte for byte
    #[arg(long)]
    pub same_output: bool,
}
