//! Every number behind the best size of each side, with its unit and where it comes from.

use super::Term;
use super::candidate::Candidate;
use crate::cost::node::JobOn;
use crate::cost::stage::StageOn;
use crate::cost::{Estimate, Level, Resource, money};
use crate::workload::ResolvedWorkload;

/// Terms of one size, in the order of the arithmetic.
pub(super) fn terms(candidate: &Candidate, resolved: &ResolvedWorkload) -> Vec<Term> {
    let mut list = List { sku: candidate.sku.name.clone(), part: String::new(), terms: Vec::new() };
    let Some(job) = &candidate.job else { return list.terms };
    for stage in &job.stages {
        list.stage(stage, resolved);
    }
    list.node(job);
    list.money(candidate, resolved.workload.demand.jobs_per_day);
    list.terms
}

struct List {
    sku: String,
    part: String,
    terms: Vec<Term>,
}

impl List {
    fn add(&mut self, name: &str, value: f64, unit: &str, from: impl Into<String>) {
        self.terms.push(Term {
            sku: self.sku.clone(),
            part: self.part.clone(),
            name: name.into(),
            value,
            unit: unit.into(),
            from: from.into(),
        });
    }

    fn interval(&mut self, name: &str, value: Estimate, unit: &str, from: &str) {
        self.add(name, value.median, unit, from);
        if value.lo90 != value.hi90 {
            self.add(&format!("{name}, 5th percentile"), value.lo90, unit, "90 % interval");
            self.add(&format!("{name}, 95th percentile"), value.hi90, unit, "90 % interval");
        }
    }

    fn stage(&mut self, stage: &StageOn, resolved: &ResolvedWorkload) {
        self.part = stage.label.clone();
        let number = stage.label.split(' ').next().and_then(|n| n.parse::<usize>().ok());
        let case = number.and_then(|n| resolved.cases.get(n - 1)).and_then(Option::as_ref);
        if let Some(case) = case {
            let work = &case.work;
            let kind = format!("{:?} operations", work.op_kind).to_lowercase();
            self.add("operations F", work.ops, &kind, "the case's work");
            self.add("memory traffic Q", work.bytes_touched, "B", "the case's work, operands once");
            self.add("bytes in", work.bytes_in, "B", "the case's work");
            self.add("of these constant", work.bytes_constant, "B", "the case's work");
            self.add("bytes out", work.bytes_out, "B", "the case's work");
        }
        self.interval("device time of a call", stage.device_s, "s", &stage.how);
        if stage.launch_s > 0.0 {
            self.add("of these launches", stage.launch_s, "s", "launches × 5 µs");
        }
        if stage.link_in_s + stage.link_out_s > 0.0 {
            self.add("link, in", stage.link_in_s, "s", "bytes in that move ÷ link bandwidth");
            self.add("link, out", stage.link_out_s, "s", "bytes out ÷ link bandwidth");
        }
        if stage.host_cpu_s > 0.0 {
            let from = "recorded, else one thread for the call";
            self.add("host CPU time of a call", stage.host_cpu_s, "thread-s", from);
        }
        self.interval("latency of a call", stage.latency_s, "s", "device, launch and link in turn");
        self.add("calls", stage.calls, "calls/job", "workload");
    }

    fn node(&mut self, job: &JobOn) {
        self.part = "node".into();
        let usage = job.usage(Level::Mid, Level::Mid);
        for (resource, seconds) in usage.seconds.iter().filter(|(_, s)| *s > 0.0) {
            let name = format!("D {}", resource_name(*resource));
            self.add(&name, *seconds, "node-s/job", "Σ over stages ÷ what the node has of it");
        }
        self.interval("latency R", job.latency(), "s", "Σ along the job");
        if let Some(k) = job.at_once {
            self.add("jobs at once k", k, "jobs", "allocatable memory ÷ memory of a job");
        }
        let (x, _) = job.throughput();
        self.interval("full-load rate X", x, "jobs/h", "3600 · min(1/max D, k/R)");
    }

    fn money(&mut self, candidate: &Candidate, jobs_per_day: f64) {
        self.part = "money".into();
        if let (Some(price), Some(usd)) = (candidate.price, candidate.usd_per_h) {
            let from = format!("{}, {}, {}", price.region, price.as_of, price.source);
            self.add("list price", price.price_usd_per_h, "USD/h", from);
            self.add("price p after discount", usd, "USD/h", "list price · (1 − discount)");
        }
        self.add("demand", jobs_per_day, "jobs/d", "workload");
        self.add("demand λ", jobs_per_day / 24.0, "jobs/h", "demand ÷ 24");
        self.add("target utilisation ρ", money::TARGET_UTILISATION, "1", "fixed");
        if let Some((nodes, used)) = candidate.nodes() {
            self.add("nodes", nodes, "nodes", "max(1, ⌈λ / (X·ρ)⌉)");
            self.add("utilisation", used, "1", "λ / (X · nodes)");
        }
        if let Some(month) = candidate.usd_per_month() {
            let from = "30.4 d · 24 h · nodes · p";
            self.interval("cost a month", month, "USD/month", from);
        }
        if let Some(full) = candidate.usd_per_job_full_load() {
            self.interval("cost a job at full load", full, "USD/job", "p / X");
        }
    }
}

/// Plain name of a resource.
pub(super) fn resource_name(resource: Resource) -> &'static str {
    match resource {
        Resource::Compute => "device (arithmetic)",
        Resource::MemoryBandwidth => "device (memory traffic)",
        Resource::Link => "link",
        Resource::Launch => "device (launches)",
        Resource::HostCpu => "host threads",
        Resource::Serial => "threads (serial work)",
        Resource::Io => "network or disk",
        Resource::MemoryCapacity => "memory",
    }
}
