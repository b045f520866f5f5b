//! What is typed about prices: whose, which, where from, and other figures than the usual ones.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use crate::catalog::PRICES_USD_PER_H;
use crate::workload::may_be_a_day;

/// How VM sizes are priced.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Prices")]
pub struct PriceArgs {
    /// Whose VM sizes to compare [default: azure; of imported measurements: all]
    #[arg(long, value_enum)]
    pub provider: Option<ProviderArg>,
    /// Only VM sizes priced in this region
    #[arg(long, value_name = "R")]
    pub region: Option<String>,
    /// Which price
    #[arg(long, value_enum, default_value_t)]
    pub price_kind: PriceKindArg,
    /// Your discount on every price, as a share: 0.12 is 12 %
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, value_parser = share, allow_negative_numbers = true)]
    pub discount: f64,
    /// Prices of your own over the catalog's, as CSV: provider, name, region, kind,
    /// price_usd_per_h, as_of, source, and os where it is not linux (repeatable, later files win);
    /// like and vcpus besides add a CPU size that the catalog lacks
    #[arg(long, value_name = "FILE")]
    pub prices: Vec<PathBuf>,
    /// How much cheaper one side must be to win, as a share
    #[arg(long, value_name = "SHARE", default_value_t = 0.1, value_parser = share, allow_negative_numbers = true)]
    pub margin: f64,
    /// What would be if.
    #[command(flatten)]
    pub what_if: WhatIfArgs,
}

/// Other figures than the workload's, the catalog's and the usual ones.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "What if")]
pub struct WhatIfArgs {
    /// So many jobs a day, in the workload's pattern
    #[arg(long, value_name = "N", value_parser = jobs, allow_negative_numbers = true)]
    pub jobs_per_day: Option<f64>,
    /// A VM size at this price an hour, before the discount (repeatable)
    #[arg(long, value_name = "SIZE=USD", value_parser = sized_price)]
    pub price: Vec<(String, f64)>,
    /// Nodes filled up to this share of what they can do [default: 0.7]
    #[arg(long, value_name = "SHARE", value_parser = filled, allow_negative_numbers = true)]
    pub target_utilisation: Option<f64>,
    /// Nodes kept without a job [default: 1 for steady demand or a latency objective, else 0]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=1_000_000), allow_negative_numbers = true)]
    pub min_nodes: Option<u32>,
    /// Minutes until a new node works [default: 8 with a GPU, 3 without]
    #[arg(long, value_name = "MIN", value_parser = minutes, allow_negative_numbers = true)]
    pub start_up_min: Option<f64>,
    /// Minutes that a node without work is kept [default: 10]
    #[arg(long, value_name = "MIN", value_parser = minutes, allow_negative_numbers = true)]
    pub cool_down_min: Option<f64>,
    /// Evictions of a spot node per hour [default: 0.05]
    #[arg(long, value_name = "RATE", value_parser = evictions, allow_negative_numbers = true)]
    pub evictions_per_h: Option<f64>,
}

/// Cloud providers of the catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ProviderArg {
    /// Microsoft Azure
    Azure,
    /// Amazon Web Services
    Aws,
    /// Google Cloud
    Gcp,
    /// All of them
    All,
}

/// Kinds of price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum PriceKindArg {
    /// Pay as you go
    #[default]
    Ondemand,
    /// Spare capacity that may be taken back
    Spot,
    /// One year's commitment
    #[value(name = "reserved-1y")]
    Reserved1y,
    /// Three years' commitment
    #[value(name = "reserved-3y")]
    Reserved3y,
}

/// `prices`.
#[derive(Debug, Args)]
pub struct PricesArgs {
    /// What to do with them.
    #[command(subcommand)]
    pub command: PricesCommand,
}

/// What `prices` can do.
#[derive(Debug, Subcommand)]
pub enum PricesCommand {
    /// Show prices with region, kind, date, source and age
    Show(PricesShowArgs),
    /// Read today's Azure list prices: pay as you go, spot and reserved, with Linux and Windows
    #[command(
        long_about = "Read today's Azure list prices of the catalog's sizes from the Azure Retail \
                      Prices API: pay as you go, spot, one and three years reserved, with Linux \
                      and with Windows. They are written as a prices file to \
                      $XDG_DATA_HOME/breakeven/prices.csv (else below ~/.local/share), which \
                      every command then uses over the built-in prices; remove the file to go \
                      back to those. With -o they go to DIR/prices.csv, or to a file whose name \
                      ends in .csv, and are used where --prices names it. The file is replaced \
                      whole or not at all; regions that were not asked for stay in it."
    )]
    Refresh(PricesRefreshArgs),
}

/// `prices show`.
#[derive(Debug, Args)]
pub struct PricesShowArgs {
    /// VM sizes; without any, all
    #[arg(value_name = "SKU")]
    pub skus: Vec<String>,
    /// Whose VM sizes
    #[arg(long, value_enum, default_value = "all")]
    pub provider: ProviderArg,
    /// Only prices of this region
    #[arg(long, value_name = "R")]
    pub region: Option<String>,
    /// Only prices of this kind
    #[arg(long, value_enum)]
    pub price_kind: Option<PriceKindArg>,
    /// Prices of your own over the catalog's, as for `classify` (repeatable)
    #[arg(long, value_name = "FILE")]
    pub prices: Vec<PathBuf>,
}

/// `prices refresh`.
#[derive(Debug, Args)]
pub struct PricesRefreshArgs {
    /// Region to read, as Azure's resource manager names it (repeatable); without any, those of
    /// the built-in Azure prices
    #[arg(long, value_name = "R")]
    pub region: Vec<String>,
    /// Where the service answers
    #[arg(long, value_name = "BASE", default_value = crate::prices::URL)]
    pub url: String,
}

/// A share from 0 up to, not including, 1.
pub(super) fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if (0.0..1.0).contains(&value) => Ok(value),
        _ => Err("must be a share from 0 to less than 1, for example 0.12 for 12 %".into()),
    }
}

/// Minutes of at most a day.
fn minutes(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if (0.0..=1440.0).contains(&value) => Ok(value),
        _ => Err("must be a number of minutes from 0 to 1440".into()),
    }
}

/// Evictions an hour, at most one a minute.
fn evictions(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if (0.0..=60.0).contains(&value) => Ok(value),
        _ => Err("must be a number from 0 to 60".into()),
    }
}

/// Jobs a day as a workload may state them.
fn jobs(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if may_be_a_day(value) => Ok(value),
        _ => Err("must be 0, or a number from 1e-6 to 1e15".into()),
    }
}

/// A share from a hundredth on: beyond that, nodes would be kept to do nothing.
fn filled(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if (0.01..=1.0).contains(&value) => Ok(value),
        _ => Err("must be a share from 0.01 to 1, for example 0.7 for 70 %".into()),
    }
}

/// `SIZE=USD`.
fn sized_price(text: &str) -> Result<(String, f64), String> {
    let parsed = text.rsplit_once('=').and_then(|(size, usd)| {
        let usd = usd.parse::<f64>().ok().filter(|usd| PRICES_USD_PER_H.contains(usd))?;
        (!size.is_empty()).then(|| (size.to_owned(), usd))
    });
    parsed.ok_or_else(|| {
        "must be a VM size and US dollars an hour from 1e-6 to 1e6, as in Standard_NC4as_T4_v3=0.40".into()
    })
}
