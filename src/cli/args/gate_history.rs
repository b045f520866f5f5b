//! Options of `gate` that hold a record against accepted ones.

use std::path::PathBuf;

use clap::Args;

/// A record and the baseline that it is held against.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Against accepted records, without a base")]
pub struct GateHistoryArgs {
    /// Record to judge, which `breakeven run` wrote
    #[arg(long, value_name = "RECORD", requires = "accepted", conflicts_with = "judge")]
    pub record: Option<PathBuf>,
    /// Folder of accepted records, which `breakeven promote` fills
    #[arg(long, value_name = "DIR", requires = "record")]
    pub accepted: Option<PathBuf>,
}
