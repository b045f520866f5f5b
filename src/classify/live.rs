//! What a page needs to judge a workload again by the same formulas: everything that a verdict
//! rests on but the figures that a reader may move (jobs a day, target utilisation, kind of price,
//! region, discount, margin).

use super::candidate::{self, Candidate, RulesOf, Standing};
use super::limits::Limit;
use super::{Basis, Options, Side};
use crate::catalog::{Os, Price, PriceKind};
use crate::cost::Estimate;
use crate::cost::Origin;
use crate::cost::fleet::{Objective, Rules};
use crate::cost::node::{self, JobOn};
use crate::workload::{ResolvedWorkload, Segment};

/// Estimates whose ends lie at the same ratios to the median, but for rounding, are one.
const SAME_RATIO: f64 = 1e-13;

/// A workload as it stands before anybody says how much of it there is and what an hour costs.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// Name of the workload.
    pub workload: String,
    /// What is left out here but not in its verdict, as a sentence; empty where nothing is.
    pub left_out: String,
    /// Jobs a day by the workload itself.
    pub jobs_per_day: f64,
    /// What the verdict was asked under.
    pub options: Options,
    /// The parts of the day with one rate each.
    pub day: Vec<Segment>,
    /// Nodes kept even without a job.
    pub min_nodes: f64,
    /// Hours until a node with a GPU works.
    pub gpu_start_up_h: f64,
    /// Hours until a node without works.
    pub cpu_start_up_h: f64,
    /// Hours that a node without work is kept.
    pub cool_down_h: f64,
    /// Latency that requests must meet.
    pub objective: Option<Objective>,
    /// A busy spell comes unannounced: the largest fleet is paid for all day.
    pub headroom: bool,
    /// Seconds within which a job must be done.
    pub limit_s: Option<f64>,
    /// Every size judged.
    pub sizes: Vec<Size>,
}

/// A VM size with the workload on it.
#[derive(Debug, Clone, PartialEq)]
pub struct Size {
    /// `azure`, `aws`, `gcp`.
    pub provider: String,
    /// VM size.
    pub name: String,
    /// Which kind of node.
    pub side: Side,
    /// What computes.
    pub device: String,
    /// Hardware threads.
    pub vcpus: u32,
    /// A share of a GPU.
    pub fractional: bool,
    /// Prices for the workload's operating system: those that were read before those that were
    /// scaled from another size's, the lowest first. The first that fits is the one used.
    pub prices: Vec<Price>,
    /// The job, where the size may be chosen as soon as its price is known.
    pub job: Option<Job>,
    /// It violates a hard constraint whatever the price.
    pub infeasible: bool,
    /// Why it cannot be chosen whatever the price; empty where it can.
    pub why: String,
    /// Least sure origin of its times.
    pub origin: Option<Origin>,
}

/// A job on a node: [`JobOn`] with its stages added up. Seconds.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// On one thread.
    pub serial_s: f64,
    /// Of network or disk.
    pub io_s: Estimate,
    /// Of all the node's threads: serial work and what the host does while the GPU works.
    pub host_s: f64,
    /// Jobs that fit into memory at once; `None` where nothing limits them.
    pub at_once: Option<f64>,
    /// Stages run beside each other: then `latency_s` has one term for each.
    pub overlap: bool,
    /// From start to end of the compute stages.
    pub latency_s: Vec<Estimate>,
    /// Of the node's device.
    pub device_s: Vec<Estimate>,
    /// Of the link to the device.
    pub link_in_s: Vec<Estimate>,
    /// Of the link from it.
    pub link_out_s: Vec<Estimate>,
    /// Standard deviation from one job to the next, the terms independent; only where there is an
    /// objective.
    pub deviation_s: Vec<Estimate>,
}

/// The model of `workload` on what `basis` knows. Sharing with co-tenants is left out, and said so.
pub fn model(workload: &ResolvedWorkload, basis: &Basis) -> Model {
    let Basis { devices, catalog, options, .. } = *basis;
    // One job a day: no size drops out for a demand that a reader may change.
    let mut asked = workload.clone();
    asked.workload.demand.jobs_per_day = 1.0;
    let rules = RulesOf::new(&asked.workload, options);
    let candidates = candidate::candidates(&asked, catalog, devices, options, &rules);
    let demand = &workload.workload.demand;
    let node = &workload.workload.node;
    let rules = |gpu| Rules::new(demand, node, &options.settings, PriceKind::Ondemand, gpu);
    let (gpu, cpu) = (rules(true), rules(false));
    let os = if node.os == "windows" { Os::Windows } else { Os::Linux };
    let cotenants: Vec<&str> = node.cotenants.iter().map(String::as_str).collect();
    let left_out = if cotenants.is_empty() {
        String::new()
    } else {
        let company = super::words::list(&cotenants);
        format!("Sharing nodes with {company} is not recomputed here: every size stands alone.")
    };
    Model {
        workload: workload.workload.name.clone(),
        left_out,
        jobs_per_day: demand.jobs_per_day,
        options: options.clone(),
        day: gpu.day().to_vec(),
        min_nodes: gpu.min_nodes,
        gpu_start_up_h: gpu.start_up_h,
        cpu_start_up_h: cpu.start_up_h,
        cool_down_h: gpu.cool_down_h,
        objective: gpu.objective,
        headroom: gpu.all_day.is_some(),
        limit_s: Limit::of(demand).map(|limit| limit.seconds),
        sizes: candidates.iter().map(|c| size(c, os, gpu.objective.is_some())).collect(),
    }
}

fn size(c: &Candidate, os: Os, scatter: bool) -> Size {
    let can = c.standing_if_priced == Standing::Eligible;
    let job = c.job.as_ref().filter(|_| can);
    let mut prices: Vec<Price> = c.sku.prices.iter().filter(|p| p.os == os).cloned().collect();
    prices.sort_by(|a, b| {
        let scaled = |p: &Price| p.scaled_from().is_some();
        scaled(a).cmp(&scaled(b)).then(a.price_usd_per_h.total_cmp(&b.price_usd_per_h))
    });
    let why = c.decisive().filter(|_| !can).map(|r| r.text.clone()).unwrap_or_default();
    Size {
        provider: c.sku.provider.clone(),
        name: c.sku.name.clone(),
        side: c.side,
        device: c.device(),
        vcpus: c.sku.vcpus,
        fractional: c.fractional(),
        prices,
        job: job.map(|job| folded(job, scatter)),
        infeasible: c.standing_if_priced == Standing::Infeasible,
        why,
        origin: job.map(|job| job.origin),
    }
}

/// The sums over the stages that [`JobOn::usage`] makes at every level, made once.
fn folded(job: &JobOn, scatter: bool) -> Job {
    let slots = |gpus_per_job| node::slots(job.gpus, gpus_per_job).max(1.0);
    let per_slot = |of: fn(&crate::cost::stage::StageOn) -> Estimate| {
        let one = |s| times(of(s), s.calls / slots(s.gpus_per_job));
        merged(job.stages.iter().map(one), |a, b| a + b)
    };
    let latency = job.stages.iter().map(|s| times(s.latency_s, s.calls));
    let latency_s = if job.overlap { latency.collect() } else { merged(latency, |a, b| a + b) };
    let deviation =
        |s: &crate::cost::stage::StageOn| times(s.latency_s, (s.calls * s.scatter).sqrt());
    let deviating = job.stages.iter().filter(|s| scatter && s.scatter > 0.0).map(deviation);
    let host_s: f64 = job.stages.iter().map(|s| s.calls * s.host_cpu_s).sum();
    let host_s = if job.gpus > 0.0 { host_s } else { 0.0 };
    Job {
        serial_s: job.serial_s,
        io_s: job.io_s,
        host_s: (host_s + job.serial_s) / job.threads,
        at_once: job.at_once,
        overlap: job.overlap,
        latency_s,
        device_s: per_slot(|s| s.device_s),
        link_in_s: per_slot(|s| s.link_in_s),
        link_out_s: per_slot(|s| s.link_out_s),
        deviation_s: merged(deviating, f64::hypot),
    }
}

fn times(e: Estimate, factor: f64) -> Estimate {
    e.map(|v| factor * v)
}

/// The terms with those of the same interval, by ratio, put together; the sum of all at any level
/// stays what it was.
fn merged(terms: impl Iterator<Item = Estimate>, put: impl Fn(f64, f64) -> f64) -> Vec<Estimate> {
    let ratios = |e: &Estimate| [e.lo90 / e.median, e.hi90 / e.median];
    let alike = |a: &Estimate, b: &Estimate| {
        a.median > 0.0
            && b.median > 0.0
            && ratios(a).iter().zip(ratios(b)).all(|(x, y)| (x / y - 1.0).abs() < SAME_RATIO)
    };
    let mut kept: Vec<Estimate> = Vec::new();
    for term in terms.filter(|e| *e != Estimate::exact(0.0)) {
        match kept.iter_mut().find(|k| alike(k, &term)) {
            Some(k) => {
                k.median = put(k.median, term.median);
                k.lo90 = put(k.lo90, term.lo90);
                k.hi90 = put(k.hi90, term.hi90);
            }
            None => kept.push(term),
        }
    }
    kept
}
