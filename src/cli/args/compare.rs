//! `compare` as typed.

use std::path::PathBuf;

use clap::Args;

use super::money::{PriceKindArg, share};

/// `compare`.
#[derive(Debug, Args)]
pub struct CompareArgs {
    /// Records (.jsonl) or folders of records, of two runs or more; NAME=PATH gives one a name
    #[arg(value_name = "RECORD", required = true)]
    pub records: Vec<String>,
    /// What everything is compared with: a record's name, for its column of the same device (else
    /// its CPU), or one column as named in the output [default: the first record]
    #[arg(long, value_name = "NAME")]
    pub base: Option<String>,
    /// Show the other verified implementations beside the fastest
    #[arg(long)]
    pub all_implementations: bool,
    /// Only prices of this region [default: each size's cheapest known]
    #[arg(long, value_name = "R", help_heading = "Prices")]
    pub region: Option<String>,
    /// Which price
    #[arg(long, value_enum, default_value_t, help_heading = "Prices")]
    pub price_kind: PriceKindArg,
    /// Your discount on every price, as a share: 0.12 is 12 %
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, value_parser = share, allow_negative_numbers = true, help_heading = "Prices")]
    pub discount: f64,
    /// Prices of your own over the catalog's, as for `classify` (repeatable)
    #[arg(long, value_name = "FILE", help_heading = "Prices")]
    pub prices: Vec<PathBuf>,
}
