//! Nodes shared with co-tenants: whole ones in turns, or cut into MIG instances.
//!
//! A co-tenant fills a node only if its own part of it costs no more than the cheapest size of its
//! own: nobody is made to pay for another's saving. Of the companies in which that holds the one
//! that is cheapest for the workload counts, so a further co-tenant never makes it dearer.

use super::candidate::{self, Candidate, RulesOf, Standing, reason};
use super::judge::Outcome;
use super::limits::Limit;
use super::words::{dollars, list, number};
use super::{CoTenant, Kind, Options, SharedBy, Sharing, Side};
use crate::catalog::{Catalog, Slice};
use crate::cost::Level;
use crate::cost::evidence::MeasuredDevice;
use crate::cost::node::{self, Memory};
use crate::cost::share::{Apart, Bill, Tenant, bill};
use crate::workload::ResolvedWorkload;

/// A workload with all that is known of it on every size and every slice of one.
pub(super) struct Party<'a> {
    pub resolved: &'a ResolvedWorkload,
    pub limit_s: Option<f64>,
    /// On whole sizes, in the catalog's order.
    pub whole: Vec<Candidate<'a>>,
    /// On the slices, in their order.
    pub cut: Vec<Candidate<'a>>,
    /// USD a month of the cheapest size of its own.
    pub alone_usd: Option<f64>,
}

impl<'a> Party<'a> {
    /// Judges `resolved` on every size and slice; `whole` is given where it is known already.
    pub fn new(
        resolved: &'a ResolvedWorkload,
        slices: &'a [Slice<'a>],
        catalog: &'a Catalog,
        devices: &[MeasuredDevice],
        options: &Options,
        rules: &'a RulesOf,
    ) -> Self {
        let whole = candidate::candidates(resolved, catalog, devices, options, rules);
        let cut = slices
            .iter()
            .map(|slice| {
                let job = node::job_on(resolved, &slice.part, catalog, devices);
                let workload = &resolved.workload;
                candidate::candidate(workload, &slice.part, catalog, options, rules, job)
            })
            .collect();
        let alone = whole.iter().filter(|c| c.standing == Standing::Eligible);
        Self {
            resolved,
            limit_s: Limit::of(&resolved.workload.demand).map(|limit| limit.seconds),
            alone_usd: alone.filter_map(Candidate::median_usd_per_month).min_by(f64::total_cmp),
            whole,
            cut,
        }
    }

    pub fn name(&self) -> &'a str {
        &self.resolved.workload.name
    }

    /// This workload on one size or slice.
    pub fn on<'p>(&'p self, candidate: &'p Candidate<'a>) -> Guest<'p, 'a> {
        Guest { party: self, candidate }
    }
}

/// A workload on one size or slice.
#[derive(Clone, Copy)]
pub(super) struct Guest<'p, 'a> {
    pub party: &'p Party<'a>,
    pub candidate: &'p Candidate<'a>,
}

impl<'a> Guest<'_, 'a> {
    fn memory(&self) -> [Memory; 2] {
        node::memory(self.party.resolved, self.candidate.side == Side::Gpu)
    }

    /// Its operating system: a node runs one.
    pub fn system(&self) -> &'a str {
        &self.party.resolved.workload.node.os
    }

    /// As a tenant, with its times at these levels.
    pub fn tenant(&self, device: Level, io: Level) -> Option<Tenant<'a>> {
        tenant(self.candidate, self.memory(), self.candidate.jobs_per_day, device, io)
    }

    /// Seconds of a job alone and its limit, where it does not keep that when `crowd` workloads
    /// are at work at once, each with its part of the node.
    pub fn late(&self, crowd: f64) -> Option<(f64, f64)> {
        let limit_s = self.party.limit_s?;
        let job_s = self.candidate.job.as_ref().map_or(f64::INFINITY, |j| j.latency().median);
        (job_s * crowd > limit_s).then_some((job_s, limit_s))
    }
}

fn tenant<'a>(
    candidate: &Candidate<'a>,
    memory: [Memory; 2],
    jobs_per_day: f64,
    device: Level,
    io: Level,
) -> Option<Tenant<'a>> {
    let job = candidate.job.as_ref()?;
    let usage = job.usage(device, io);
    let pace = candidate.pace(device, io)?;
    // Evictions take part of the time; every resource is held that much longer.
    let held_longer = job.jobs_per_h(&usage).0 / pace.jobs_per_h;
    let held_longer = if held_longer.is_finite() { held_longer } else { 1.0 };
    Some(Tenant {
        rules: candidate.rules,
        jobs_per_day,
        pace,
        seconds: usage.seconds.iter().map(|(_, s)| s * held_longer).collect(),
        memory,
        places: [1.0, node::slots(job.gpus, job.gpus_per_job).max(1.0)],
    })
}

/// How a candidate shares its nodes.
#[derive(Debug, Clone)]
pub(super) struct Shared<'a> {
    others: Vec<CoGuest<'a>>,
    memory: [Memory; 2],
    apart: Apart,
    slice: Option<&'a Slice<'a>>,
}

#[derive(Debug, Clone)]
struct CoGuest<'a> {
    name: String,
    candidate: Candidate<'a>,
    memory: [Memory; 2],
    alone_usd: Option<f64>,
}

impl<'a> Shared<'a> {
    /// The bill of all tenants, this one first, with its times and those of the others at these
    /// levels.
    fn bill(
        &self,
        mine: &Candidate<'a>,
        jobs_per_day: f64,
        (device, theirs): (Level, Level),
        io: Level,
    ) -> Option<Bill> {
        let mut tenants = vec![tenant(mine, self.memory, jobs_per_day, device, io)?];
        for other in &self.others {
            let c = &other.candidate;
            tenants.push(tenant(c, other.memory, c.jobs_per_day, theirs, io)?);
        }
        bill(&tenants, &self.apart, mine.usd_per_h?)
    }

    /// The bill by medians.
    fn median_bill(&self, mine: &Candidate<'a>) -> Option<Bill> {
        self.bill(mine, mine.jobs_per_day, (Level::Mid, Level::Mid), Level::Mid)
    }

    /// This tenant's part in USD a month. Co-tenants have errors of their own: at the dear end the
    /// dearest of what they may do counts (fill less, or need a further node), at the cheap end the
    /// cheapest.
    pub fn usd_per_month(
        &self,
        mine: &Candidate<'a>,
        jobs_per_day: f64,
        device: Level,
        io: Level,
    ) -> Option<f64> {
        let (opposite, dear) = match device {
            Level::Mid => (Level::Mid, true),
            Level::Lo => (Level::Hi, false),
            Level::Hi => (Level::Lo, true),
            Level::Quarters(quarters) => (Level::Quarters(-quarters), quarters > 0),
        };
        let part = |own, theirs| {
            let bill = self.bill(mine, jobs_per_day, (own, theirs), io)?;
            bill.usd_per_month_each.first().copied()
        };
        let median = part(Level::Mid, Level::Mid)?;
        if device == Level::Mid {
            return Some(median);
        }
        let ends = [part(device, opposite)?, part(device, Level::Mid)?, part(device, device)?];
        let outer = if dear { f64::max } else { f64::min };
        Some(ends.into_iter().fold(median, outer))
    }

    /// Nodes of all tenants together at once, at most.
    pub fn most_nodes(&self, mine: &Candidate<'a>) -> Option<f64> {
        Some(self.median_bill(mine)?.most_nodes)
    }

    /// What one instance, or a whole node in turns, costs where all are in use: its part of p.
    pub fn part_of_price(&self) -> f64 {
        match self.apart {
            Apart::Turns { .. } => 1.0,
            Apart::Instances { per_node } => 1.0 / per_node,
        }
    }

    /// Whether tenants take turns on whole nodes.
    pub fn in_turns(&self) -> bool {
        matches!(self.apart, Apart::Turns { .. })
    }

    /// Whom it shares with.
    pub fn names(&self) -> Vec<&str> {
        self.others.iter().map(|o| o.name.as_str()).collect()
    }

    /// The same in words.
    fn company(&self) -> String {
        list(&self.names())
    }
}

/// `mine` shared with whom it is cheapest to share with, on every size in turns and on every
/// slice.
pub(super) fn candidates<'a>(
    mine: &Party<'a>,
    others: &[Party<'a>],
    slices: &'a [Slice<'a>],
) -> Vec<Candidate<'a>> {
    let turns = mine.whole.iter().enumerate().filter_map(|(index, c)| {
        let others = others.iter().filter_map(|o| Some(o.on(o.whole.get(index)?)));
        let apart = Apart::Turns { rooms_gib: node::rooms_gib(c.sku) };
        in_company(mine.on(c), &others.collect::<Vec<_>>(), apart, None)
    });
    let cut = mine.cut.iter().zip(slices).enumerate().filter_map(|(index, (c, slice))| {
        let others = others.iter().filter_map(|o| Some(o.on(o.cut.get(index)?)));
        let apart = Apart::Instances { per_node: f64::from(slice.per_node) };
        in_company(mine.on(c), &others.collect::<Vec<_>>(), apart, Some(slice))
    });
    let cut: Vec<Candidate> = cut.collect();
    // Instances that cost no more than turns keep the tenants apart for nothing.
    let as_cheap = |c: &Candidate, turns: &Candidate| {
        let usd = |c: &Candidate| c.median_usd_per_month().unwrap_or(f64::INFINITY);
        c.sku.name == turns.sku.name && usd(c) <= usd(turns) * (1.0 + 1e-9)
    };
    let mut all: Vec<Candidate> = turns.filter(|t| !cut.iter().any(|c| as_cheap(c, t))).collect();
    all.extend(cut);
    all
}

/// The bill of a group at these levels, its members in the order given; `None` where a member
/// cannot be there, or not all of them at once.
pub(super) fn group_bill(
    guests: &[Guest],
    apart: &Apart,
    device: Level,
    io: Level,
) -> Option<Bill> {
    let crowd = guests.len() as f64;
    let crowded = matches!(apart, Apart::Turns { .. });
    let able = |g: &Guest| {
        g.candidate.standing == Standing::Eligible && !(crowded && g.late(crowd).is_some())
    };
    let one_system = guests.windows(2).all(|pair| pair[0].system() == pair[1].system());
    if !one_system || !guests.iter().all(able) {
        return None;
    }
    let tenants: Option<Vec<Tenant>> = guests.iter().map(|g| g.tenant(device, io)).collect();
    bill(&tenants?, apart, guests.first()?.candidate.usd_per_h?)
}

fn in_company<'a>(
    mine: Guest<'_, 'a>,
    others: &[Guest<'_, 'a>],
    apart: Apart,
    slice: Option<&'a Slice<'a>>,
) -> Option<Candidate<'a>> {
    if mine.candidate.standing != Standing::Eligible {
        return None;
    }
    let able: Vec<Guest> = others
        .iter()
        .filter(|g| g.candidate.standing == Standing::Eligible && g.party.alone_usd.is_some())
        .copied()
        .collect();
    let mut best: Option<(f64, Vec<Guest>)> = None;
    for company in 1..(1usize << able.len()) {
        let chosen = able.iter().enumerate().filter(|(i, _)| company >> i & 1 == 1);
        let with: Vec<Guest> = chosen.map(|(_, g)| *g).collect();
        let group = [vec![mine], with.clone()].concat();
        let Some(bill) = group_bill(&group, &apart, Level::Mid, Level::Mid) else { continue };
        let fair = with
            .iter()
            .zip(&bill.usd_per_month_each[1..])
            .all(|(g, usd)| g.party.alone_usd.is_some_and(|alone| *usd <= alone * (1.0 + 1e-9)));
        let usd = bill.usd_per_month_each[0];
        if fair && best.as_ref().is_none_or(|(least, _)| usd < *least) {
            best = Some((usd, with));
        }
    }
    let (usd, with) = best?;
    // Turns that save nothing are the size itself.
    if slice.is_none() && mine.candidate.median_usd_per_month().is_some_and(|own| usd >= own) {
        return None;
    }
    let others = with.iter().map(|g| CoGuest {
        name: g.party.name().to_owned(),
        candidate: g.candidate.clone(),
        memory: g.memory(),
        alone_usd: g.party.alone_usd,
    });
    let others: Vec<CoGuest> = others.collect();
    let shared = Shared { others, memory: mine.memory(), apart, slice };
    let mut candidate = mine.candidate.clone();
    candidate.reasons.push(reason("shared", format!("with {}", shared.company())));
    candidate.shared = Some(shared);
    Some(candidate)
}

impl Candidate<'_> {
    /// Nodes of the fullest hour by medians, those of all tenants where they are shared.
    pub fn most_nodes(&self) -> Option<f64> {
        match &self.shared {
            Some(shared) => shared.most_nodes(self),
            None => Some(self.nodes()?.0),
        }
    }

    /// The size, and how it is shared, for a sentence.
    pub fn title(&self) -> String {
        let name = &self.sku.name;
        match &self.shared {
            Some(shared) => match shared.slice {
                Some(slice) => {
                    let (profile, most) = (&slice.profile.name, slice.profile.max_instances);
                    format!("{profile} ×{most} on {name} beside {}", shared.company())
                }
                None if self.side == Side::Gpu => {
                    format!("{name} time-sliced with {}", shared.company())
                }
                None => format!("{name} shared with {}", shared.company()),
            },
            None if self.fractional() => format!("{} on {name}", self.device()),
            None => name.clone(),
        }
    }
}

/// How the size that the verdict is about is shared, and what that saves against the cheapest
/// size of its own; `None` where it is not.
pub(super) fn of_verdict(outcome: &Outcome, candidates: &[Candidate]) -> Option<Sharing> {
    let lean = outcome.contest.map(|contest| contest.lean());
    let chosen = match (outcome.verdict, lean) {
        (Kind::Gpu | Kind::SharedGpu, _) | (_, Some(Side::Gpu)) => outcome.gpu,
        _ => outcome.cpu,
    }?;
    let own = candidates
        .iter()
        .filter(|c| c.standing == Standing::Eligible && !c.fractional())
        .filter_map(Candidate::median_usd_per_month)
        .min_by(f64::total_cmp);
    told(chosen, own)
}

/// What the verdict's size is shared with and what that saves; `None` where it is neither shared
/// nor a share of a GPU. `unshared_usd` is the cheapest way not to share, in USD a month.
pub(super) fn told(candidate: &Candidate, unshared_usd: Option<f64>) -> Option<Sharing> {
    let usd_per_month = candidate.median_usd_per_month()?;
    let mut sharing = Sharing {
        sku: candidate.sku.name.clone(),
        by: SharedBy::Fraction,
        profile: None,
        instances_per_node: None,
        resource_name: None,
        aks_instance_profile: None,
        holds: 1.0,
        nodes: candidate.nodes().map_or(0, |(n, _)| n as u64),
        usd_per_month,
        pool_usd_per_month: usd_per_month,
        cotenants: Vec::new(),
        saves_usd_per_month: unshared_usd.map(|usd| usd - usd_per_month),
        isolation: "the provider keeps the shares of a GPU apart; how fast a share is when its \
                    neighbours work is not published"
            .into(),
    };
    let Some(shared) = &candidate.shared else {
        return candidate.fractional().then_some(sharing);
    };
    let bill = shared.median_bill(candidate)?;
    sharing.holds = bill.most_held[0];
    sharing.nodes = bill.most_nodes as u64;
    sharing.pool_usd_per_month = bill.usd_per_month;
    let parts = bill.usd_per_month_each[1..].iter().zip(&bill.most_held[1..]);
    sharing.cotenants = shared
        .others
        .iter()
        .zip(parts)
        .map(|(other, (usd, holds))| CoTenant {
            workload: other.name.clone(),
            holds: *holds,
            usd_per_month: *usd,
            alone_usd_per_month: other.alone_usd,
        })
        .collect();
    let (by, isolation) = caveat(shared.slice.is_some(), candidate.side);
    (sharing.by, sharing.isolation) = (by, isolation.into());
    if let Some(slice) = shared.slice {
        sharing.profile = Some(slice.profile.name.clone());
        sharing.instances_per_node = Some(slice.per_node);
        sharing.resource_name = Some(slice.profile.resource_name());
        sharing.aks_instance_profile = slice.profile.aks_instance_profile.clone();
    }
    Some(sharing)
}

/// The kind of sharing and what it does not keep apart.
pub(super) fn caveat(cut: bool, side: Side) -> (SharedBy, &'static str) {
    match (cut, side) {
        (true, _) => (
            SharedBy::Mig,
            "memory, bandwidth and faults of the instances are kept apart; the host and the link \
             to it are not",
        ),
        (false, Side::Gpu) => (
            SharedBy::TimeSlicing,
            "nothing is kept apart: all share the GPU's memory, and a fault or a full memory of \
             one stops the others",
        ),
        (false, Side::Cpu) => (
            SharedBy::CoLocation,
            "set CPU and memory limits: the caches and the memory bandwidth are shared",
        ),
    }
}

/// The sentence about it.
pub(super) fn sentence(sharing: &Sharing) -> Option<String> {
    if sharing.by == SharedBy::Fraction {
        return None;
    }
    let others: Vec<String> = sharing
        .cotenants
        .iter()
        .map(|c| {
            format!("{} {} ({})", c.workload, dollars(c.usd_per_month), parts(sharing, c.holds))
        })
        .collect();
    let how = match (&sharing.profile, &sharing.aks_instance_profile) {
        (Some(profile), Some(aks)) => {
            format!(" cut into {profile} (--gpu-instance-profile {aks} on AKS)")
        }
        (Some(profile), None) => format!(" cut into {profile} (by the GPU Operator)"),
        (None, _) if sharing.by == SharedBy::TimeSlicing => {
            format!(" time-sliced into {} replicas", sharing.cotenants.len() + 1)
        }
        _ => String::new(),
    };
    let saves = sharing.saves_usd_per_month.map_or(String::new(), |usd| {
        let verb = if usd >= 0.0 { "saves" } else { "costs" };
        let more = if usd >= 0.0 { "against" } else { "more than" };
        format!(" It {verb} {} a month {more} the cheapest node of its own.", dollars(usd.abs()))
    });
    Some(format!(
        "{} × {}{how} cost {} a month, of which this workload pays {} ({}) and {}.{saves} \
         Isolation: {}.",
        sharing.nodes,
        sharing.sku,
        dollars(sharing.pool_usd_per_month),
        dollars(sharing.usd_per_month),
        parts(sharing, sharing.holds),
        others.join(", "),
        sharing.isolation
    ))
}

/// What a tenant holds, in words.
fn parts(sharing: &Sharing, holds: f64) -> String {
    match sharing.instances_per_node {
        Some(of) => format!("{holds:.0} of {} instances", u64::from(of) * sharing.nodes),
        None => format!("up to {} of a node", number(holds)),
    }
}
