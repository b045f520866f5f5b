//! Every number behind the best size of each side, with its unit and where it comes from.

use breakeven_kernels::work::OpKind;

use super::Term;
use super::candidate::Candidate;
use super::words::{number, percent};
use super::{Sharing, share};
use crate::cost::fleet::{AllDay, Fleet, Spell};
use crate::cost::node::JobOn;
use crate::cost::stage::StageOn;
use crate::cost::{Estimate, Level, Resource, spot};
use crate::workload::ResolvedWorkload;

/// Terms of one size, in the order of the arithmetic.
pub(super) fn terms(candidate: &Candidate, resolved: &ResolvedWorkload) -> Vec<Term> {
    let mut list = List { sku: candidate.sku.name.clone(), part: String::new(), terms: Vec::new() };
    let Some(job) = &candidate.job else { return list.terms };
    for stage in &job.stages {
        if candidate.binding_known {
            list.stage(stage, resolved);
        } else {
            list.whole_node(stage);
        }
    }
    list.node(candidate, job);
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
        self.put(name, Some(value), unit, from);
    }

    fn put(&mut self, name: &str, value: Option<f64>, unit: &str, from: impl Into<String>) {
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

    /// A stage of which only the throughput of the whole node is known.
    fn whole_node(&mut self, stage: &StageOn) {
        self.part = stage.label.clone();
        self.interval("node time of a unit", stage.device_s, "s", &stage.how);
        self.add("units", stage.calls, "units/job", "units_per_job of the file, else 1");
    }

    fn stage(&mut self, stage: &StageOn, resolved: &ResolvedWorkload) {
        self.part = stage.label.clone();
        let number = stage.label.split(' ').next().and_then(|n| n.parse::<usize>().ok());
        let case = number.and_then(|n| resolved.cases.get(n - 1)).and_then(Option::as_ref);
        if let Some(case) = case
            && case.work.op_kind == OpKind::Opaque
        {
            let unit = format!("{}s", case.work.useful_unit);
            self.add("units of work", case.work.useful, &unit, "stated by the stage");
        } else if let Some(case) = case {
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
        if stage.link_in_s.median + stage.link_out_s.median > 0.0 {
            self.interval("link, in", stage.link_in_s, "s", "bytes in that move ÷ link bandwidth");
            self.interval("link, out", stage.link_out_s, "s", "bytes out ÷ link bandwidth");
        }
        if stage.host_cpu_s > 0.0 {
            let from = "recorded, else one thread for the call";
            self.add("host CPU time of a call", stage.host_cpu_s, "thread-s", from);
        }
        self.interval("latency of a call", stage.latency_s, "s", "device, launch and link in turn");
        self.add("calls", stage.calls, "calls/job", "workload");
    }

    fn node(&mut self, candidate: &Candidate, job: &JobOn) {
        self.part = "node".into();
        let usage = job.usage(Level::Mid, Level::Mid);
        for (resource, seconds) in usage.seconds.iter().filter(|(_, s)| *s > 0.0) {
            let what =
                if candidate.binding_known { resource_name(*resource) } else { "whole node" };
            let name = format!("D {what}");
            self.add(&name, *seconds, "node-s/job", "Σ over stages ÷ what the node has of it");
        }
        if candidate.latency_known {
            let along = if job.overlap { "longest stage or resource" } else { "Σ along the job" };
            self.interval("latency R", job.latency(), "s", along);
        }
        if !job.stages.is_empty() {
            let from = match job.energy_j() {
                Some(_) => "Σ calls · energy of a call, measured there by the device's counter",
                None => "no energy counter was read",
            };
            self.put("energy of a job", job.energy_j(), "J", from);
        }
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
        self.evictions(candidate);
        self.add("demand", jobs_per_day, "jobs/d", "workload");
        match share::told(candidate, None).filter(|s| !s.cotenants.is_empty()) {
            Some(sharing) => self.shared(&sharing),
            None => self.fleet(candidate),
        }
        if let Some((_, used)) = candidate.nodes() {
            let from = "demand / (X · node-hours a day)";
            self.add("utilisation", used, "1", from);
        }
        if let Some(month) = candidate.usd_per_month() {
            let from = match candidate.shared {
                Some(_) => "each hour's nodes · p · held ÷ held by all, 30.4 d",
                None => "30.4 d · node-hours a day · p",
            };
            self.interval("cost a month", month, "USD/month", from);
        }
        if let Some(full) = candidate.usd_per_job_full_load() {
            self.interval("cost a job at full load", full, "USD/job", "p / X");
        }
    }

    /// Who holds how much of the shared nodes.
    fn shared(&mut self, sharing: &Sharing) {
        let unit = if sharing.profile.is_some() { "instances" } else { "nodes" };
        if let Some(per_node) = sharing.instances_per_node {
            self.add("instances of a node", f64::from(per_node), unit, "MIG profile × GPUs");
        }
        let from = if sharing.profile.is_some() {
            "by its own demand and rules"
        } else {
            "largest part of any resource, memory included"
        };
        self.add("held at most", sharing.holds, unit, from);
        for other in &sharing.cotenants {
            self.add(&format!("held by {}", other.workload), other.holds, unit, from);
        }
        self.add("nodes of all tenants", sharing.nodes as f64, "nodes", "at most");
        let from = "30.4 d · node-hours a day · p";
        self.add("cost of these nodes", sharing.pool_usd_per_month, "USD/month", from);
    }

    /// What being evicted takes off the rate of a spot node.
    fn evictions(&mut self, candidate: &Candidate) {
        let Some((rate, x)) = candidate.evictions_per_h.zip(candidate.throughput()) else { return };
        let Some(job) = &candidate.job else { return };
        let lost_h = spot::lost_h(job.latency().median, candidate.rules.start_up_h);
        self.add("evictions", rate, "1/h", "assumed, or --evictions-per-h");
        self.add("work lost an eviction", lost_h, "h", "R / 2 + start-up");
        let from = "X / (1 + evictions · work lost)";
        self.interval("rate X under evictions", x, "jobs/h", from);
    }

    /// Nodes through the day.
    fn fleet(&mut self, candidate: &Candidate) {
        let (rules, Some(fleet)) = (candidate.rules, candidate.fleet()) else { return };
        let rho = "at most so full; --target-utilisation";
        self.add("target utilisation ρ", rules.target_utilisation, "1", rho);
        let kept = match rules.all_day {
            Some(AllDay::Reserved) => "pattern; the reservation bills the largest fleet all day",
            Some(AllDay::Headroom) => "latency objective; a burst needs its nodes ready all day",
            None => "1 for steady demand or a latency objective, else 0; [node], --min-nodes",
        };
        self.add("least nodes n_min", rules.min_nodes, "nodes", kept);
        let formula = if rules.objective.is_some() {
            "max(n_min, ⌈λ / (X·ρ)⌉), and more until the objective is met"
        } else {
            "max(n_min, ⌈λ / (X·ρ)⌉)"
        };
        for (hours, spell) in spells(fleet) {
            self.add(&format!("demand λ{hours}"), spell.jobs_per_h, "jobs/h", "pattern");
            self.add(&format!("nodes{hours}"), spell.nodes, "nodes", formula);
            if let Some(objective) = rules.objective {
                let at = percent(objective.percentile);
                let name = format!("waiting at {at}{hours}");
                self.add(&name, spell.wait_s, "s", "M/G/k: ⌊X·R⌋ servers a node");
            }
        }
        if let Some((answered_s, objective)) = candidate.latency_at_percentile() {
            let scatter = candidate.pace(Level::Mid, Level::Mid).map_or(0.0, |pace| pace.scatter);
            let from = "(deviation ÷ mean)² of the samples, 0 where none were taken there";
            self.add("variation of a job's time", scatter, "1", from);
            let name = format!("latency at {}", percent(objective.percentile));
            self.add(&name, answered_s, "s", "R + the longest waiting");
            self.add("latency objective", objective.latency_s, "s", "workload");
        }
        if fleet.fewest != fleet.most {
            self.add("start-up", rules.start_up_h * 60.0, "min", "assumed, or --start-up-min");
            self.add("cool-down", rules.cool_down_h * 60.0, "min", "assumed, or --cool-down-min");
            let from = "each start of a node: start-up + cool-down";
            self.add("starting and cooling down", fleet.warming_h, "node-h/d", from);
        }
        let from = "Σ nodes · hours + starting and cooling down";
        self.add("node-hours a day", fleet.node_hours, "node-h/d", from);
    }
}

/// Spells of equal rate and nodes as one, each with a suffix that names its hours; none where the
/// whole day is one.
fn spells(fleet: &Fleet) -> Vec<(String, Spell)> {
    let mut merged: Vec<(f64, Spell)> = Vec::new();
    let mut clock_h = 0.0;
    for spell in &fleet.spells {
        match merged.last_mut() {
            Some((_, last)) if last.jobs_per_h == spell.jobs_per_h && last.nodes == spell.nodes => {
                last.hours += spell.hours;
            }
            _ => merged.push((clock_h, *spell)),
        }
        clock_h += spell.hours;
    }
    let whole_day = merged.len() == 1;
    let suffix = |from: f64, hours: f64| match whole_day {
        true => String::new(),
        false => format!(", {} h from hour {}", number(hours), number(from)),
    };
    merged.into_iter().map(|(from, spell)| (suffix(from, spell.hours), spell)).collect()
}

/// Plain name of a resource.
pub(super) fn resource_name(resource: Resource) -> &'static str {
    match resource {
        Resource::Compute => "device (arithmetic)",
        Resource::Device => "device",
        Resource::MemoryBandwidth => "device (memory traffic)",
        Resource::Link => "link",
        Resource::Launch => "device (launches)",
        Resource::HostCpu => "work of the host's threads",
        Resource::Serial => "serial work",
        Resource::Io => "network or disk",
        Resource::MemoryCapacity => "memory",
    }
}
