//! Everything that a report prints about one workload.

use serde::{Deserialize, Serialize};

use crate::catalog::{Price, PriceKind};
use crate::cost::fleet::Settings;
use crate::cost::parts::CostParts;
use crate::cost::{Estimate, Origin, Resource};

/// What to target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A GPU node, cheaper by the margin with P ≥ 0.95, or the CPU cannot do it.
    Gpu,
    /// A GPU node only because it is shared or a fraction of a GPU.
    SharedGpu,
    /// A CPU node, likewise.
    Cpu,
    /// Inside the margin with P ≥ 0.95.
    Either,
    /// Not sure enough; the lean and what to measure are given.
    MeasureFirst,
}

/// One of the two kinds of node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// Node with a GPU.
    Gpu,
    /// Node without.
    Cpu,
}

/// What the verdicts are asked under.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Options {
    /// `azure`, `aws`, `gcp`; `None` for all.
    pub provider: Option<String>,
    /// Region whose prices are used; `None` takes each size's cheapest known region.
    pub region: Option<String>,
    /// How hours are paid for.
    pub price_kind: PriceKind,
    /// Share taken off every price, 0 ≤ discount < 1.
    pub discount: f64,
    /// By how much the cheaper side must win, 0 ≤ margin < 1.
    pub margin: f64,
    /// Today as `YYYY-MM-DD`, to flag prices older than 180 days; `None` flags none.
    pub today: Option<String>,
    /// How nodes are kept, started and lost.
    #[serde(default)]
    pub settings: Settings,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            provider: Some("azure".into()),
            region: None,
            price_kind: PriceKind::Ondemand,
            discount: 0.0,
            margin: 0.10,
            today: None,
            settings: Settings::default(),
        }
    }
}

/// The verdict on one workload.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// Name of the workload.
    pub workload: String,
    /// Its summary.
    pub summary: String,
    /// What to target.
    pub verdict: Kind,
    /// One sentence: the verdict, its money and its probability.
    pub headline: String,
    /// Further sentences: what limits each side, the evidence, what the win rests on.
    pub sentences: Vec<String>,
    /// Which side is cheaper by median; `None` when one side has no cost.
    pub lean: Option<Side>,
    /// P that the GPU is cheaper by the margin; `None` when one side has no cost.
    pub probability_gpu: Option<f64>,
    /// P that the CPU is cheaper by the margin.
    pub probability_cpu: Option<f64>,
    /// Cost of the best CPU minus best GPU per month in USD (above 0: the GPU saves).
    pub gpu_saves_usd_per_month: Option<Estimate>,
    /// What runs today, where the workload says so.
    #[serde(default)]
    pub today: Option<TodayCost>,
    /// How the verdict's size is shared, where it is.
    #[serde(default)]
    pub sharing: Option<Sharing>,
    /// Demand the money is for.
    pub jobs_per_day: f64,
    /// Cheapest GPU size by median cost.
    pub best_gpu: Option<SkuCost>,
    /// Cheapest CPU size by median cost.
    pub best_cpu: Option<SkuCost>,
    /// Every size judged, best first; sizes that cannot be chosen last, with the reason.
    pub ranking: Vec<SkuCost>,
    /// Why, in codes and plain words.
    pub reasons: Vec<Reason>,
    /// Where the answer would turn.
    pub break_even: BreakEven,
    /// Measurements that would settle it, best first.
    pub measure_next: Vec<Suggestion>,
    /// Every number behind the best of each side.
    pub explain: Vec<Term>,
    /// What it was asked under.
    pub options: Options,
}

/// A workload on one VM size.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SkuCost {
    /// `azure`, `aws`, `gcp`.
    pub provider: String,
    /// VM size.
    pub sku: String,
    /// Co-tenants on its nodes; empty where these are the workload's own.
    #[serde(default)]
    pub shared_with: Vec<String>,
    /// Which kind of node.
    pub side: Side,
    /// What computes: GPU model with its count or share, or CPU model with its threads.
    pub device: String,
    /// The price used, before the discount; `None` when unknown.
    pub price: Option<Price>,
    /// Whether that price is older than 180 days.
    pub price_stale: bool,
    /// USD per hour after the discount.
    pub price_usd_per_h: Option<f64>,
    /// Least sure origin of the times below; `None` when the time is unknown.
    pub origin: Option<Origin>,
    /// Implementation whose time was used, per compute stage.
    pub implementations: Vec<String>,
    /// Latency of one job in seconds.
    pub latency_s: Option<Estimate>,
    /// Jobs per hour of one node at full load.
    pub jobs_per_h: Option<Estimate>,
    /// Jobs that fit into memory at once; `None` where nothing limits them.
    pub jobs_at_once: Option<u64>,
    /// Nodes at the demand's fullest hour, by median.
    pub nodes: Option<u64>,
    /// Nodes at its emptiest hour.
    pub fewest_nodes: Option<u64>,
    /// Node-hours paid for in a day, start-up and cool-down included.
    pub node_hours_per_day: Option<f64>,
    /// Seconds within which the objective's share of requests is answered, waiting included, in
    /// the fullest hour; `None` without an objective.
    pub latency_at_percentile_s: Option<f64>,
    /// Share of the paid capacity in use at the demand.
    pub utilisation: Option<f64>,
    /// USD per job at the demand; `None` with zero jobs or an unknown.
    pub usd_per_job: Option<Estimate>,
    /// USD per job at full load.
    pub usd_per_job_full_load: Option<Estimate>,
    /// The median of `usd_per_job` by what it is spent on; `None` where that is.
    #[serde(default)]
    pub usd_per_job_parts: Option<CostParts>,
    /// USD per month (30.4 days) at the demand.
    pub usd_per_month: Option<Estimate>,
    /// Joules of a job's compute stages by the devices' counters; `None` where a stage was not
    /// measured on this size with one.
    #[serde(default)]
    pub energy_j_per_job: Option<f64>,
    /// What limits it.
    pub binding: Option<Resource>,
    /// Whether it may be chosen.
    pub eligible: bool,
    /// Reasons about this size, the exclusion first where there is one.
    pub reasons: Vec<Reason>,
}

impl SkuCost {
    /// The size, marked where its nodes are shared: it is in the ranking alone as well.
    pub fn size(&self) -> String {
        let mark = if self.shared_with.is_empty() { "" } else { " (shared)" };
        format!("{}{mark}", self.sku)
    }
}

/// A reason with its code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// `compute-bound`, `idle-dominated`, `price-unknown`, …: see METHODOLOGY.
    pub code: String,
    /// In plain words, with the numbers.
    pub text: String,
}

/// Where the answer would turn.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct BreakEven {
    /// Bands of demand and who is cheaper in each, by median cost.
    pub demand_bands: Vec<DemandBand>,
    /// Last crossing in jobs a day; `None` when one side is cheaper throughout.
    pub last_crossing_jobs_per_day: Option<f64>,
    /// Smallest sizes from which the GPU is faster, along measured series.
    pub sizes: Vec<SizeBreakEven>,
    /// Speed-up over the best CPU size that the GPU needs, on the whole job.
    pub needed_speedup: Option<f64>,
    /// Speed-up it has, by median.
    pub speedup: Option<f64>,
    /// Money a month of the GPU size at any speed, where that alone is too much to win by the
    /// margin: the nodes that are kept whatever they do. Then there is no needed speed-up.
    #[serde(default)]
    pub gpu_floor_usd_per_month: Option<f64>,
    /// Highest hourly price of the best GPU size at which the verdict is `gpu`, other things equal.
    pub gpu_price_for_gpu_usd_per_h: Option<f64>,
    /// Lowest hourly price of the best GPU size at which the verdict is `cpu`.
    pub gpu_price_for_cpu_usd_per_h: Option<f64>,
    /// The best size with another GPU, and the price at which it would be chosen; `None` where no
    /// other GPU can be judged.
    #[serde(default)]
    pub rival_gpu: Option<RivalGpu>,
}

/// The cheapest size, by median cost, with another GPU than the best size has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RivalGpu {
    /// VM size.
    pub sku: String,
    /// GPU model with its count or share.
    pub device: String,
    /// Its price in USD per hour, after the discount.
    pub price_usd_per_h: f64,
    /// Price in USD per hour below which it costs less than the best size, other things equal:
    /// its price · cost of the best ÷ its cost.
    pub chosen_below_usd_per_h: f64,
}

/// Demand from `from_jobs_per_day` up to the next band.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DemandBand {
    /// First demand of the band.
    pub from_jobs_per_day: f64,
    /// End of the band; `None` for the last.
    pub to_jobs_per_day: Option<f64>,
    /// Who is cheaper by median.
    pub cheaper: Side,
}

/// Break-even along a measured series.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SizeBreakEven {
    /// The series.
    pub series: String,
    /// Its axis.
    pub axis: String,
    /// Smallest measured value from which the GPU is faster end to end at all larger ones;
    /// `None`: none in the tested range.
    pub value: Option<f64>,
    /// Tested range.
    pub tested_from: f64,
    /// End of the tested range.
    pub tested_to: f64,
    /// GPU and CPU compared.
    pub devices: [String; 2],
}

/// A measurement that would make the verdict surer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Suggestion {
    /// VM size to measure on.
    pub sku: String,
    /// What to run there.
    pub command: String,
    /// Minutes, start-up included.
    pub minutes: f64,
    /// What they cost; `None` where the price is unknown.
    pub usd: Option<f64>,
    /// What it settles.
    pub why: String,
    /// Share of the variance of the log cost ratio that it would remove; `None` where the costs
    /// are not in doubt.
    #[serde(default)]
    pub removes: Option<f64>,
    /// P that it settles the verdict alone.
    #[serde(default)]
    pub settles: Option<f64>,
}

/// How nodes are shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SharedBy {
    /// MIG instances with memory and compute of their own.
    Mig,
    /// A VM size that is a share of a GPU.
    Fraction,
    /// Turns on whole GPUs.
    TimeSlicing,
    /// Several workloads on the nodes of a CPU size.
    CoLocation,
}

/// How the verdict's size is shared, and what that saves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sharing {
    /// VM size.
    pub sku: String,
    /// How it is shared.
    pub by: SharedBy,
    /// MIG profile.
    pub profile: Option<String>,
    /// Instances of that profile on one node.
    pub instances_per_node: Option<u32>,
    /// What a pod asks for under the `mixed` strategy of the device plugin.
    pub resource_name: Option<String>,
    /// Value of `--gpu-instance-profile` on AKS; `None` where the GPU Operator must cut the GPU.
    pub aks_instance_profile: Option<String>,
    /// What the workload holds at most: instances, or nodes by its largest part of any resource.
    pub holds: f64,
    /// Nodes of all tenants together, at most.
    pub nodes: u64,
    /// The workload's part in USD a month.
    pub usd_per_month: f64,
    /// USD a month of all these nodes.
    pub pool_usd_per_month: f64,
    /// Who else is on them.
    pub cotenants: Vec<CoTenant>,
    /// What the workload saves against the cheapest node of its own, in USD a month.
    pub saves_usd_per_month: Option<f64>,
    /// What is kept apart between the tenants and what is not.
    pub isolation: String,
}

/// A workload on a shared node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CoTenant {
    /// Its name.
    pub workload: String,
    /// What it holds at most, as in [`Sharing::holds`].
    pub holds: f64,
    /// Its part in USD a month.
    pub usd_per_month: f64,
    /// What the cheapest size of its own would cost it.
    pub alone_usd_per_month: Option<f64>,
}

/// What runs today.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TodayCost {
    /// VM size.
    pub sku: String,
    /// How many of it run all day.
    pub nodes: u32,
    /// What they cost in USD a month (30.4 days); `None` where the price is unknown.
    pub usd_per_month: Option<f64>,
    /// How many of it the demand takes by the same arithmetic as all other sizes; `None` where the
    /// size was not judged.
    pub nodes_needed: Option<u64>,
    /// What the best GPU size saves against them in USD a month; negative where it costs more.
    pub gpu_saves_usd_per_month: Option<f64>,
    /// What the best CPU size saves.
    pub cpu_saves_usd_per_month: Option<f64>,
    /// Why the size could not be chosen now, such as its retirement; `None` where it could.
    #[serde(default)]
    pub obstacle: Option<Reason>,
}

/// One number of the arithmetic.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Term {
    /// VM size.
    pub sku: String,
    /// Stage (`1 matmul …`), or `node` or `money`.
    pub part: String,
    /// What it is.
    pub name: String,
    /// Value; `None` where it is unknown, `from` says why.
    pub value: Option<f64>,
    /// Unit, `1` for a ratio.
    pub unit: String,
    /// Formula, origin or source.
    pub from: String,
}
