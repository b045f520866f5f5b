//! Records side by side: the same case across devices, VM sizes, commits and days. Pure arithmetic
//! on records and the catalog; knows no disk, clock or printing.
//!
//! A column is one device of one record. Rows join by `case_key`; whatever cannot be compared is
//! left out with its reason. The formulas are in METHODOLOGY.md, "Comparing records".

use serde::{Deserialize, Serialize};

use crate::catalog::{Catalog, Price, PriceKind};
use crate::record::{Record, Series};

mod cells;
mod columns;
mod crossover;
mod interval;
mod nearest;
mod ratios;
mod siblings;
#[cfg(test)]
mod tests;
mod trend;

/// What the records are compared under.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Options {
    /// What everything is compared with: the name of a record, whose column of the same device is
    /// meant (else its CPU), or the label of one column. `None`: the first record.
    pub base: Option<String>,
    /// Whether cells carry the verified implementations that were not the fastest.
    pub all_implementations: bool,
    /// How hours are paid for.
    pub price_kind: PriceKind,
    /// Region whose prices are used; `None` takes each size's cheapest known region.
    pub region: Option<String>,
    /// Share taken off every price, 0 ≤ discount < 1.
    pub discount: f64,
    /// Today as `YYYY-MM-DD`, to flag prices older than 180 days; `None` flags none.
    pub today: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            base: None,
            all_implementations: false,
            price_kind: PriceKind::Ondemand,
            region: None,
            discount: 0.0,
            today: None,
        }
    }
}

/// Why there is no comparison.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CompareError {
    /// Fewer than two different runs.
    #[error("{0}")]
    OneRun(String),
    /// No record and no column has the name.
    #[error("--base {base}: no such record or column; there are {}", there.join(", "))]
    UnknownBase {
        /// What was asked for.
        base: String,
        /// What there is.
        there: Vec<String>,
    },
    /// No case that can be compared is in two of the records; says why.
    #[error("{0}")]
    Nothing(String),
}

/// Records side by side.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The devices of the records, in the order of these.
    pub columns: Vec<Column>,
    /// The cases that at least two records have, in the order of the first record that has each.
    pub cases: Vec<Case>,
    /// Geometric means of each column against its base, where it has one.
    pub means: Vec<Mean>,
    /// Sizes from which a GPU is faster, along every series that both a CPU and a GPU column have.
    pub crossovers: Vec<Crossover>,
    /// One VM size or device over time.
    pub trends: Vec<Trend>,
    /// Nodes that are slower than their siblings beyond the siblings' own noise.
    pub slow_nodes: Vec<SlowNode>,
    /// What was not compared, and why.
    pub refusals: Vec<Refusal>,
    /// Sentences that must not be overlooked.
    pub remarks: Vec<String>,
    /// What it was asked under.
    pub options: Options,
}

impl Column {
    /// Its label, after the node's name where that is known.
    pub fn named(&self) -> String {
        match &self.node {
            Some(node) => format!("{node} ({})", self.label),
            None => self.label.clone(),
        }
    }
}

impl Comparison {
    /// Whether two cells of a case are of the same computation, timed in the same way.
    pub fn same_computation(&self, case: &Case, a: &Cell, b: &Cell) -> bool {
        ratios::comparable(case, a, b, &self.columns).is_ok()
    }

    /// Groups of siblings that are large enough to tell a slow node in.
    pub fn sibling_groups(&self) -> usize {
        siblings::judged_groups(&self.columns)
    }
}

/// One device of one record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Column {
    /// Unique and short: the record's label, and the device.
    pub label: String,
    /// Name that the record was given by.
    pub record: String,
    /// Index of the record among those given.
    pub record_index: usize,
    /// Device id within the record.
    pub device: String,
    /// Product name of the device.
    pub device_name: String,
    /// Whether it is a GPU.
    pub gpu: bool,
    /// Threads of a CPU.
    pub threads: Option<u32>,
    /// Cloud provider, where known.
    pub provider: Option<String>,
    /// VM size, where known.
    pub sku: Option<String>,
    /// Region, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Name of the node, where a fleet measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// When the run began, RFC 3339 in UTC.
    pub started_at: String,
    /// Version of breakeven that measured.
    pub tool_version: String,
    /// Its commit, where known.
    pub commit: Option<String>,
    /// Whether the sources had local changes.
    pub dirty: Option<bool>,
    /// Seed of the run's inputs.
    pub seed: u64,
    /// Same key, same environment.
    pub env_key: String,
    /// Whether the run came to its end.
    pub complete: bool,
    /// The column that it is compared with; `None` for a base.
    pub base: Option<usize>,
    /// How much another run in this environment would differ.
    pub between_runs: BetweenRuns,
    /// The price used, before the discount; `None` where unknown.
    pub price: Option<Price>,
    /// Whether that price is older than 180 days.
    pub price_stale: bool,
    /// USD an hour that this device pays for, after the discount: the size's price, of several
    /// GPUs each its part; `None` where unknown.
    pub usd_per_h: Option<f64>,
    /// Why there is no price, or what it takes for granted.
    pub price_note: Option<String>,
    /// Cases that no other record has.
    pub alone: usize,
}

/// How much another run would differ: a factor that nine of ten runs stay within.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct BetweenRuns {
    /// The factor, at least 1.
    pub factor90: f64,
    /// Runs of this environment that it was taken from; 0 where it is the usual one.
    pub runs: usize,
}

/// One case across the columns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Case {
    /// Canonical print of the case.
    pub case_key: String,
    /// Its family.
    pub family: String,
    /// The series that it belongs to.
    pub series: Option<Series>,
    /// Unit of useful work, singular.
    pub useful_unit: String,
    /// Unit of items, singular.
    pub item_unit: String,
    /// Columns that have it, in their order.
    pub cells: Vec<Cell>,
}

/// One case in one column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// Index into [`Comparison::columns`].
    pub column: usize,
    /// Fastest verified implementation by one call: what [`Self::speed`] compares.
    pub call: Timing,
    /// Fastest by throughput: what [`Self::useful_per_s`] and the cost follow from.
    pub throughput: Timing,
    /// Useful work a second.
    pub useful_per_s: f64,
    /// USD an item on a node that is never idle; `None` where the price is unknown.
    pub usd_per_item: Option<f64>,
    /// Time of the base ÷ time of this: above 1 is faster; `None` for the base and what cannot be
    /// compared with it.
    pub speed: Option<Ratio>,
    /// Cost of this ÷ cost of the base: below 1 is cheaper.
    pub cost: Option<Ratio>,
    /// Relative tolerance that the output was held to.
    pub tolerance: Option<f64>,
    /// The other verified implementations by one call, fastest first, where they were asked for.
    pub others: Vec<Timing>,
}

/// What a time is the time of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// One call, host memory to host memory.
    EndToEnd,
    /// Several in flight.
    Pipelined,
    /// Device work alone, caches warm.
    KernelWarm,
    /// Device work alone, caches flushed.
    KernelCold,
}

/// A measured time of one implementation, in seconds an execution.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Timing {
    /// `cpu/simd`, `cuda/tiled`, …
    pub implementation: String,
    /// What was timed.
    pub mode: Mode,
    /// Median.
    pub median_s: f64,
    /// Order-statistic 95 % interval of the median, within the run.
    pub ci95_lo_s: f64,
    /// Its upper end.
    pub ci95_hi_s: f64,
}

/// A ratio with its 90 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Ratio {
    /// Of medians.
    pub value: f64,
    /// Lower end.
    pub lo90: f64,
    /// Upper end.
    pub hi90: f64,
}

/// A column against its base over all cases that both have.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mean {
    /// The column.
    pub column: usize,
    /// What it is compared with.
    pub base: usize,
    /// Geometric mean of [`Cell::speed`]; probes of the device (`peak`) do not count.
    pub speed: Option<Ratio>,
    /// Cases in it.
    pub speed_cases: usize,
    /// Geometric mean of [`Cell::cost`].
    pub cost: Option<Ratio>,
    /// Cases in it.
    pub cost_cases: usize,
}

/// From which size on a GPU is faster than a CPU, end to end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Crossover {
    /// The series.
    pub series: String,
    /// Its axis.
    pub axis: String,
    /// The CPU column.
    pub cpu: usize,
    /// The GPU column.
    pub gpu: usize,
    /// Smallest measured value from which the GPU is faster by median at all larger measured
    /// values; `None`: none in the tested range.
    pub from: Option<f64>,
    /// The same where the 90 % intervals of the ratios must lie above 1.
    pub surely_from: Option<f64>,
    /// Smallest value that both columns measured.
    pub tested_from: f64,
    /// Largest.
    pub tested_to: f64,
    /// How many.
    pub points: usize,
}

/// One VM size or device over time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trend {
    /// VM size, or the device where the size is unknown.
    pub of: String,
    /// Device id.
    pub device: String,
    /// The columns, oldest first.
    pub points: Vec<TrendPoint>,
}

/// A column of a [`Trend`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrendPoint {
    /// The column.
    pub column: usize,
    /// Geometric mean of the oldest's time ÷ this one's: above 1 is faster than then. `None` for
    /// the oldest, and where nothing can be compared with it.
    pub speed: Option<Ratio>,
    /// Cases in it.
    pub cases: usize,
}

/// A node that is slower than its siblings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SlowNode {
    /// The column.
    pub column: usize,
    /// Its siblings: the same size, device and program in other records.
    pub siblings: Vec<usize>,
    /// Its time ÷ the siblings' median, median over the cases.
    pub factor: f64,
    /// Cases in which it is slower beyond the noise.
    pub slower_in: usize,
    /// Cases that it shares with at least two siblings.
    pub cases: usize,
    /// Factor between siblings that is their noise (95 %, one-sided 97.5 %).
    pub noise: f64,
}

/// Something that was not compared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Refusal {
    /// A record, a column, or an implementation in a column.
    pub what: String,
    /// The case; `None` where it holds for all.
    pub case_key: Option<String>,
    /// Why.
    pub reason: String,
}

/// Puts `records` (each with the name it was given by) side by side, at the prices of `catalog`.
///
/// # Errors
/// [`CompareError`]: one run alone, a base that is not there, nothing that can be compared.
pub fn compare(
    records: &[(String, Record)],
    catalog: &Catalog,
    options: &Options,
) -> Result<Comparison, CompareError> {
    let mut refusals = Vec::new();
    let runs = columns::different_runs(records, &mut refusals)?;
    let mut columns = columns::columns(records, &runs, catalog, options, &mut refusals);
    columns::set_bases(&mut columns, options.base.as_deref())?;
    let mut cases = cells::join(records, &mut columns, options, &mut refusals);
    if cases.is_empty() {
        return Err(CompareError::Nothing(nearest::why_nothing_joins(records, &runs, &refusals)));
    }
    interval::set_between_runs(&mut columns, &cases);
    let refused = ratios::set_ratios(&mut cases, &columns);
    let means = ratios::means(&cases, &columns);
    if !across_records(&cases, &columns) {
        return Err(CompareError::Nothing(nearest::why_nothing_compares(&refused)));
    }
    refusals.extend(refused);
    let remarks = columns::remarks(&columns, records, &runs);
    Ok(Comparison {
        crossovers: crossover::crossovers(&cases, &columns),
        trends: trend::trends(&cases, &columns),
        slow_nodes: siblings::slow_nodes(&cases, &columns),
        columns,
        cases,
        means,
        refusals,
        remarks,
        options: options.clone(),
    })
}

/// Whether any cell is compared with one of another record.
fn across_records(cases: &[Case], columns: &[Column]) -> bool {
    let record = |column: usize| columns[column].record_index;
    let other = |cell: &Cell| {
        let base = columns[cell.column].base.map(record);
        cell.speed.is_some() && base != Some(record(cell.column))
    };
    cases.iter().flat_map(|case| &case.cells).any(other)
}

impl Case {
    /// The cell of a column.
    pub fn cell(&self, column: usize) -> Option<&Cell> {
        let at = self.cells.binary_search_by_key(&column, |cell| cell.column).ok()?;
        Some(&self.cells[at])
    }
}
