//! `gate`.

use std::path::PathBuf;

use clap::Args;

use super::{GateHistoryArgs, GateReportArgs};

/// `gate`.
#[derive(Debug, Args)]
pub struct GateArgs {
    /// Judge the stored rounds of a gate.json again, without measuring
    #[arg(long, value_name = "FILE")]
    pub judge: Option<PathBuf>,
    /// Against accepted records.
    #[command(flatten)]
    pub history: GateHistoryArgs,
    /// What to do with the findings.
    #[command(flatten)]
    pub findings: GateReportArgs,
}
