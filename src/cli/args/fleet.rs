//! `fleet`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::positive;

/// `fleet`.
#[derive(Debug, Args)]
pub struct FleetArgs {
    /// What to do with it.
    #[command(subcommand)]
    pub command: FleetCommand,
}

/// What `fleet` can do.
#[derive(Debug, Subcommand)]
pub enum FleetCommand {
    /// Show what would be measured, what it takes and what it costs, and stop
    Plan(FleetFileArgs),
    /// Measure: create the jobs, follow them, bring the records home, clean up; goes on where an
    /// earlier call left off
    Run(FleetRunArgs),
    /// Where each run stands, by the cluster and the store
    Status(FleetFileArgs),
    /// Bring home what has ended, and compare the nodes; with -o, copy the records there
    Collect(FleetFileArgs),
    /// Bring home what has ended, then delete the fleet's jobs and config maps; records stay
    Delete(FleetFileArgs),
    /// Write an example of such a file
    Example,
    /// What a pod does: measure one run, hand the record over
    #[command(hide = true)]
    Work(FleetWorkArgs),
}

/// A fleet's file.
#[derive(Debug, Args)]
pub struct FleetFileArgs {
    /// The fleet's TOML file (docs/fleet.md)
    #[arg(value_name = "FLEET")]
    pub file: PathBuf,
    /// Prices of your own over the catalog's, as for `classify` (repeatable)
    #[arg(long, value_name = "FILE")]
    pub prices: Vec<PathBuf>,
}

/// `fleet run`.
#[derive(Debug, Args)]
pub struct FleetRunArgs {
    /// Which fleet.
    #[command(flatten)]
    pub fleet: FleetFileArgs,
    /// Do not ask before money is spent
    #[arg(long, short = 'y')]
    pub yes: bool,
}

/// `fleet work`.
#[derive(Debug, Args)]
pub struct FleetWorkArgs {
    /// A built-in suite or a TOML file
    pub suite: String,
    /// Fleet and target: where records lie in the store
    #[arg(long)]
    pub key: String,
    /// Numbers of the runs; this is the one at the job's completion index
    #[arg(long, value_delimiter = ',', required = true)]
    pub runs: Vec<u32>,
    /// Object store that takes the record
    #[arg(long)]
    pub store: Option<String>,
    /// VM size of the node
    #[arg(long)]
    pub sku: String,
    /// Stop starting new cases after so many seconds
    #[arg(long, value_parser = positive)]
    pub max_seconds: f64,
    /// Seed of all random inputs
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Measure on these devices only
    #[arg(long)]
    pub device: Vec<String>,
}
