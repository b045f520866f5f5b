//! A workload on one VM size: whether the size may be chosen, and why not.

use crate::catalog::{Aks, Catalog, Gpu, Os, Price, PriceKind, Sku};
use crate::cost::Resource;
use crate::cost::evidence::MeasuredDevice;
use crate::cost::fleet::{Fleet, Rules};
use crate::cost::node::{self, JobOn, Obstacle};
use crate::workload::{ResolvedWorkload, Stage, Workload};

use super::limits::Limit;
use super::share::Shared;
use super::{Options, Reason, Side, SkuCost, offer, remarks};

/// Prices older than this are flagged.
const STALE_DAYS: i64 = 180;

/// How a size stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It may be chosen.
    Eligible,
    /// It violates a hard constraint.
    Infeasible,
    /// Price or time is unknown: no win for anybody.
    Unknown,
}

/// A size with all that is known about the workload on it.
#[derive(Debug, Clone)]
pub(super) struct Candidate<'a> {
    pub sku: &'a Sku,
    pub side: Side,
    pub price: Option<&'a Price>,
    pub usd_per_h: Option<f64>,
    pub price_stale: bool,
    pub job: Option<JobOn>,
    /// Nodes through the day at the demand, by medians.
    pub day: Option<Fleet>,
    pub standing: Standing,
    /// How it would stand if its price were known.
    pub standing_if_priced: Standing,
    pub reasons: Vec<Reason>,
    /// How nodes of this kind are kept for the demand.
    pub rules: &'a Rules,
    pub jobs_per_day: f64,
    /// Evictions of a node per hour, where it is a spot node.
    pub evictions_per_h: Option<f64>,
    /// Whether the job's latency is known; else it is only the least that it can be.
    pub latency_known: bool,
    /// Whether it is known what sets the pace, and not only the pace itself.
    pub binding_known: bool,
    /// With whom and how its nodes are shared; `None`: they are the workload's own.
    pub shared: Option<Shared<'a>>,
    pub arm: bool,
}

/// How nodes of each kind are kept for one demand.
#[derive(Debug, Clone)]
pub(super) struct RulesOf {
    gpu: Rules,
    cpu: Rules,
}

impl RulesOf {
    /// The rules for `workload` under `options`.
    pub fn new(workload: &Workload, options: &Options) -> Self {
        let of = |gpu| {
            let (settings, kind) = (&options.settings, options.price_kind);
            Rules::new(&workload.demand, &workload.node, settings, kind, gpu)
        };
        Self { gpu: of(true), cpu: of(false) }
    }
}

/// Code of a GPU that no stage would use.
pub(super) const GPU_UNUSED: &str = "gpu-unused";

/// A reason from a code and words.
pub(super) fn reason(code: &str, text: impl Into<String>) -> Reason {
    Reason { code: code.into(), text: text.into() }
}

/// Judges every size of the asked-for provider.
pub(super) fn candidates<'a>(
    resolved: &ResolvedWorkload,
    catalog: &'a Catalog,
    devices: &[MeasuredDevice],
    options: &Options,
    rules: &'a RulesOf,
) -> Vec<Candidate<'a>> {
    catalog
        .skus
        .iter()
        .filter(|s| s.not_judged.is_none())
        .filter(|s| options.provider.as_ref().is_none_or(|p| &s.provider == p))
        .map(|sku| {
            let job = node::job_on(resolved, sku, catalog, devices);
            candidate(&resolved.workload, sku, catalog, options, rules, job)
        })
        .collect()
}

/// A size with its price, its standing and what is known of the `job` on it.
pub(super) fn candidate<'a>(
    workload: &Workload,
    sku: &'a Sku,
    catalog: &Catalog,
    options: &Options,
    rules: &'a RulesOf,
    job: Result<JobOn, Obstacle>,
) -> Candidate<'a> {
    let os = if workload.node.os == "windows" { Os::Windows } else { Os::Linux };
    let price = sku.price_with(os, options.price_kind, options.region.as_deref());
    let stale_days = price
        .zip(options.today.as_deref())
        .and_then(|(p, today)| p.age_days(today))
        .filter(|days| *days > STALE_DAYS);
    let mut c = Candidate {
        sku,
        side: if sku.has_gpu() { Side::Gpu } else { Side::Cpu },
        price,
        usd_per_h: price.map(|p| p.price_usd_per_h * (1.0 - options.discount)),
        price_stale: stale_days.is_some(),
        job: None,
        day: None,
        standing: Standing::Eligible,
        standing_if_priced: Standing::Eligible,
        reasons: Vec::new(),
        rules: if sku.has_gpu() { &rules.gpu } else { &rules.cpu },
        jobs_per_day: workload.demand.jobs_per_day,
        evictions_per_h: (options.price_kind == PriceKind::Spot)
            .then_some(options.settings.evictions_per_h),
        shared: None,
        latency_known: true,
        binding_known: true,
        arm: is_arm(sku, catalog),
    };
    c.check_size(workload, catalog, os);
    match job {
        Ok(job) => {
            c.check_limit(&job, Limit::of(&workload.demand));
            c.set_job(job);
            if c.drop_uncountable() {
                c.lower(Standing::Unknown);
                let text = "dividing the work by this size's pace gives no number of nodes: check the \
                            workload's numbers";
                c.reasons.push(reason("time-unknown", text));
            }
        }
        Err(Obstacle { code, text, infeasible }) => {
            c.lower(if infeasible { Standing::Infeasible } else { Standing::Unknown });
            c.reasons.push(reason(code, text));
        }
    }
    c.standing_if_priced = c.standing;
    if price.is_none() {
        c.lower(Standing::Unknown);
        c.reasons.push(price_unknown(sku, options, os));
    }
    c.remark(stale_days);
    c
}

fn price_unknown(sku: &Sku, options: &Options, os: Os) -> Reason {
    let region = options.region.as_deref().map(|r| format!(" in {r}")).unwrap_or_default();
    let same_os = sku.prices.iter().filter(|p| p.os == os);
    let mut known: Vec<String> =
        same_os.map(|p| format!("{} in {}", p.kind.name(), p.region)).collect();
    known.dedup();
    if known.len() > 4 {
        known.truncate(3);
        known.push("…".into());
    }
    let kind = options.price_kind.name();
    let text = if os == Os::Windows && known.is_empty() {
        "no price with Windows is known; `breakeven prices refresh` reads Azure's, or give one \
         with --prices"
            .to_owned()
    } else if known.is_empty() {
        "no price of this size is known; give one with --prices".to_owned()
    } else {
        format!(
            "no {kind} price{region} is known (known: {}); `breakeven prices refresh` reads \
             Azure's, or give one with --prices",
            known.join(", ")
        )
    };
    reason("price-unknown", text)
}

/// Whether the host's processor is an Arm one.
fn is_arm(sku: &Sku, catalog: &Catalog) -> bool {
    let cpu = sku.cpu_model.as_deref().and_then(|model| catalog.cpu(model));
    cpu.is_some_and(|cpu| matches!(cpu.simd.as_str(), "neon" | "sve"))
}

impl Candidate<'_> {
    /// Whether a reason has this code.
    pub fn has(&self, code: &str) -> bool {
        self.reasons.iter().any(|r| r.code == code)
    }

    /// The reason that keeps the size out; remarks about price and host do not.
    pub fn decisive(&self) -> Option<&Reason> {
        let remarks = ["price-scaled", "price-stale", "arm64", "own-driver", "imported"];
        let remark = |code: &str| remarks.contains(&code) || offer::REMARKS.contains(&code);
        self.reasons.iter().find(|r| !remark(&r.code))
    }

    /// An infeasible size stays so whatever else is unknown about it.
    pub fn lower(&mut self, to: Standing) {
        if self.standing != Standing::Infeasible {
            self.standing = to;
        }
    }

    fn check_size(&mut self, workload: &Workload, catalog: &Catalog, os: Os) {
        let sku = self.sku;
        match sku.aks {
            Aks::Unsupported => {
                self.lower(Standing::Infeasible);
                let text = "AKS (Azure Kubernetes Service) does not support this size";
                self.reasons.push(reason("sku-not-supported-on-aks", text));
            }
            Aks::OwnDriver => self.reasons.push(reason(
                "own-driver",
                "AKS (Azure Kubernetes Service) does not install this GPU's driver; install it yourself",
            )),
            Aks::Unclear => {
                self.lower(Standing::Unknown);
                let text = "sources disagree on support by AKS (Azure Kubernetes Service); try one node first";
                self.reasons.push(reason("aks-support-unclear", text));
            }
            Aks::Supported | Aks::NotApplicable => {}
        }
        for (standing, why) in offer::said(sku, os) {
            if let Some(standing) = standing {
                self.lower(standing);
            }
            self.reasons.push(why);
        }
        let computes = workload.stages.iter().any(|s| matches!(s, Stage::Compute(_)));
        if sku.has_gpu() && !computes && workload.node.needs.is_empty() {
            self.lower(Standing::Infeasible);
            let text = "no stage of the workload runs on a GPU; it would only be paid for";
            self.reasons.push(reason(GPU_UNUSED, text));
        }
        let gpu = sku.gpu_model.as_deref().and_then(|m| catalog.gpu(m));
        for engine in &workload.node.needs {
            match engines(engine, sku, gpu) {
                Some(0) => {
                    self.lower(Standing::Infeasible);
                    let text = format!("the workload needs {engine} and this size has none");
                    self.reasons.push(reason("needs-encoder-engine", text));
                }
                None => {
                    self.lower(Standing::Unknown);
                    let text = format!("whether this size has {engine} is not known");
                    self.reasons.push(reason("needs-encoder-engine", text));
                }
                Some(_) => {}
            }
        }
    }

    /// What is worth knowing of a size's price and processor, and keeps it out of nothing.
    fn remark(&mut self, stale_days: Option<i64>) {
        if let Some((price, usd)) = self.price.zip(self.usd_per_h)
            && let Some(listed) = price.scaled_from()
        {
            self.reasons.push(reason(
                "price-scaled",
                format!(
                    "about {} an hour, scaled from {listed} by vCPUs; `prices refresh` or --prices \
                     gives the list price",
                    super::words::dollars(usd)
                ),
            ));
        }
        if self.arm {
            let text = "an Arm processor: container images built only for amd64 do not run on it";
            self.reasons.push(reason("arm64", text));
        }
        if let (Some(days), Some(price)) = (stale_days, self.price) {
            self.reasons.push(reason(
                "price-stale",
                format!(
                    "the price is of {}, {days} days old; `breakeven prices refresh` reads today's",
                    price.as_of
                ),
            ));
        }
    }

    fn check_limit(&mut self, job: &JobOn, limit: Option<Limit>) {
        let Some((why, sure)) = limit.and_then(|l| l.missed(job.latency())) else { return };
        self.lower(if sure { Standing::Infeasible } else { Standing::Unknown });
        self.reasons.push(why);
    }

    /// What sets the pace; `None` where only the pace itself is known.
    pub fn binding(&self) -> Option<Resource> {
        let job = self.job.as_ref().filter(|_| self.binding_known)?;
        Some(job.throughput().1)
    }

    /// Whether it is a share of a GPU, or a node shared with others.
    pub fn fractional(&self) -> bool {
        self.shared.is_some() || self.sku.gpu_count.is_some_and(|n| n < 1.0)
    }

    /// The row of the ranking.
    pub fn row(&self) -> SkuCost {
        let job = self.job.as_ref();
        let throughput = self.throughput();
        let binding = self.binding();
        let month = self.usd_per_month();
        let fleet = self.fleet().filter(|_| self.shared.is_none());
        let nodes = self.nodes();
        let mut reasons = self.reasons.clone();
        if self.standing != Standing::Eligible
            && let Some(decisive) = self.decisive()
        {
            reasons.sort_by_key(|r| r.code != decisive.code);
        }
        if let (Some(x), Some(binding)) = (throughput, binding) {
            reasons.extend(self.binding_reason(binding, x.median));
        }
        reasons.extend(remarks::of(self));
        SkuCost {
            provider: self.sku.provider.clone(),
            sku: self.sku.name.clone(),
            shared_with: self.shared.iter().flat_map(Shared::names).map(str::to_owned).collect(),
            side: self.side,
            device: match &self.shared {
                Some(shared) if shared.in_turns() => format!("{}, in turns", self.device()),
                _ => self.device(),
            },
            price: self.price.cloned(),
            price_stale: self.price_stale,
            price_usd_per_h: self.usd_per_h,
            origin: job.map(|j| j.origin),
            implementations: job
                .map(|j| j.stages.iter().map(|s| s.implementation.clone()).collect())
                .unwrap_or_default(),
            latency_s: job.filter(|_| self.latency_known).map(JobOn::latency),
            jobs_per_h: throughput,
            jobs_at_once: job.and_then(|j| j.at_once).map(|k| k as u64),
            nodes: self.most_nodes().map(|n| n as u64),
            fewest_nodes: fleet.map(|f| f.fewest as u64),
            node_hours_per_day: fleet.map(|f| f.node_hours),
            latency_at_percentile_s: self.latency_at_percentile().map(|(s, _)| s),
            utilisation: nodes.map(|(_, used)| used),
            usd_per_job: self.usd_per_job(),
            usd_per_job_full_load: self.usd_per_job_full_load(),
            usd_per_job_parts: self.usd_per_job_parts(),
            usd_per_month: month,
            energy_j_per_job: job.and_then(JobOn::energy_j),
            binding,
            eligible: self.standing == Standing::Eligible,
            reasons,
        }
    }

    /// What computes on this size.
    pub fn device(&self) -> String {
        let sku = self.sku;
        let gpu = sku.gpu_model.as_ref().filter(|_| self.side == Side::Gpu);
        match (gpu, sku.gpu_count) {
            (Some(gpu), Some(1.0)) => gpu.clone(),
            (Some(gpu), Some(n)) if n < 1.0 => format!("1/{:.0} {gpu}", 1.0 / n),
            (Some(gpu), Some(n)) => format!("{n} × {gpu}"),
            (Some(gpu), None) => format!("{gpu} (share unknown)"),
            (None, _) => {
                let cpu = sku.cpu_model.as_deref().unwrap_or("unknown CPU");
                let arm = if self.arm { " (Arm)" } else { "" };
                format!("{cpu}{arm}, {} threads", sku.vcpus)
            }
        }
    }

    fn binding_reason(&self, binding: Resource, x: f64) -> Option<Reason> {
        let rate = super::words::number(x);
        let (code, text) = match binding {
            Resource::Compute => ("compute-bound", "arithmetic of the device sets the pace"),
            Resource::Device => ("device-bound", "the program on the device sets the pace"),
            Resource::MemoryBandwidth => {
                ("memory-bound", "memory traffic of the device sets the pace")
            }
            Resource::Link => ("transfer-bound", "the link between host and GPU sets the pace"),
            Resource::Launch => ("launch-bound", "kernel launches set the pace"),
            Resource::HostCpu => {
                ("split", "the few vCPUs beside the GPU set the pace; more of them would do more")
            }
            Resource::Serial => ("serial-bound", "work on one thread sets the pace"),
            Resource::Io => ("io-bound", "network or disk sets the pace"),
            Resource::MemoryCapacity => {
                ("memory-limits-concurrency", "memory limits the jobs at once")
            }
        };
        Some(reason(code, format!("{text} ({rate} jobs an hour at full load)")))
    }
}

/// Engines of a size: 0 for a CPU size, `None` where the data sheet does not tell.
fn engines(engine: &str, sku: &Sku, gpu: Option<&Gpu>) -> Option<u32> {
    if !sku.has_gpu() {
        return Some(0);
    }
    match engine {
        "nvenc" => gpu?.nvenc_engines,
        "nvdec" => gpu?.nvdec_engines,
        // Chips without an encoder (A100, H100, H200, B200) have no graphics pipeline either.
        _ => gpu?.nvenc_engines.map(|n| n.min(1)),
    }
}
