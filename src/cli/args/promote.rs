//! `promote`.

use std::path::PathBuf;

use clap::Args;

/// `promote`.
#[derive(Debug, Args)]
pub struct PromoteArgs {
    /// A record that `breakeven run` wrote
    pub record: PathBuf,
    /// Folder of the accepted records, which `gate --accepted` reads; made if it does not exist
    #[arg(long, value_name = "DIR")]
    pub accepted: PathBuf,
}
