//! Several workloads on the nodes of one size: how many nodes they fill, and who pays how much.
//!
//! A MIG instance or a turn on a GPU still bills the whole node. It saves only when somebody else
//! fills the rest, so a tenant pays `p · slice / filled` in every part of the day: the nodes'
//! price by the part that it holds of what all tenants hold.

use super::fleet::{AllDay, Pace, Rules, warming_h};
use super::money;
use super::node::Memory;
use crate::workload::Segment;

/// One workload on one size, at one level of its times.
#[derive(Debug, Clone, PartialEq)]
pub struct Tenant<'a> {
    /// How its nodes, or instances, are kept.
    pub rules: &'a Rules,
    /// Its demand.
    pub jobs_per_day: f64,
    /// What a node, or an instance, does for it that does nothing else.
    pub pace: Pace,
    /// Node-seconds of a job by resource, in the same order for every tenant of a size.
    pub seconds: Vec<f64>,
    /// Of the host and of each GPU.
    pub memory: [Memory; 2],
    /// Places of each kind on a node that its jobs spread over: 1 host, and its GPUs.
    pub places: [f64; 2],
}

/// How the tenants of a node are kept apart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Apart {
    /// They take turns on the whole node and share its memory: plain co-location on a CPU size,
    /// time-slicing on a GPU.
    Turns {
        /// GiB that they can have together of the host and of each GPU; `None` where that is
        /// unknown, or there is no GPU.
        rooms_gib: [Option<f64>; 2],
    },
    /// Each holds whole instances with compute and memory of their own.
    Instances {
        /// Instances on one node.
        per_node: f64,
    },
}

/// What the tenants hold in one part of the day.
#[derive(Debug, Clone, PartialEq)]
pub struct Held {
    /// Length of the part.
    pub hours: f64,
    /// Nodes that run.
    pub nodes: f64,
    /// By tenant: in nodes, the largest part of any resource (turns), or in instances.
    pub parts: Vec<f64>,
}

/// What a shared pool costs in a month, and how that is divided.
#[derive(Debug, Clone, PartialEq)]
pub struct Bill {
    /// USD a month of all nodes.
    pub usd_per_month: f64,
    /// Of these, each tenant's part.
    pub usd_per_month_each: Vec<f64>,
    /// Most that each holds in any part of the day, as in [`Held::parts`].
    pub most_held: Vec<f64>,
    /// Most nodes at once.
    pub most_nodes: f64,
}

/// A part of the day in which nobody's rate changes.
struct Part {
    hours: f64,
    /// By tenant: index of its own part of the day.
    own: Vec<usize>,
}

/// The day cut wherever a tenant's rate changes.
///
/// Where every day is steady or by the hour, the hours are those of the clock. Windows and busy
/// spells have no stated hour: then each tenant's parts are put in falling order of their rate, so
/// that all are busiest together and no saving rests on luck.
fn parts(tenants: &[Tenant]) -> Vec<Part> {
    let by_clock = tenants.iter().all(|t| matches!(t.rules.day().len(), 1 | 24));
    let order = |t: &Tenant| -> Vec<(usize, f64)> {
        let day = t.rules.day();
        let mut own: Vec<usize> = (0..day.len()).collect();
        if !by_clock {
            let rate = |i: usize| day[i].share / day[i].hours;
            own.sort_by(|a, b| rate(*b).total_cmp(&rate(*a)));
        }
        let mut until = 0.0;
        own.into_iter()
            .map(|i| {
                until += day[i].hours;
                (i, until)
            })
            .collect()
    };
    let orders: Vec<Vec<(usize, f64)>> = tenants.iter().map(order).collect();
    let mut cuts: Vec<f64> = orders.iter().flatten().map(|(_, until)| *until).collect();
    cuts.sort_by(f64::total_cmp);
    cuts.dedup_by(|a, b| (*a - *b).abs() < 1e-9);
    let mut from = 0.0;
    let part = |until: f64| {
        let middle = (from + until) / 2.0;
        let own = orders.iter().map(|o| {
            o.iter().find(|(_, end)| middle < *end).or(o.last()).map_or(0, |(index, _)| *index)
        });
        let part = Part { hours: until - from, own: own.collect() };
        from = until;
        part
    };
    cuts.into_iter().map(part).collect()
}

/// A tenant in one part of the day.
struct Now<'t, 'a> {
    tenant: &'t Tenant<'a>,
    jobs_per_h: f64,
    /// Nodes, or instances, that its own rules ask for.
    needed: f64,
    utilisation: f64,
}

impl Now<'_, '_> {
    fn here(&self) -> bool {
        self.jobs_per_h > 0.0 || self.needed > 0.0
    }

    /// Nodes that it keeps busy of one resource.
    fn busy(&self, resource: usize) -> f64 {
        let seconds = self.tenant.seconds.get(resource).copied().unwrap_or(0.0);
        self.jobs_per_h * seconds / (3600.0 * self.utilisation)
    }

    /// Jobs under way at once, at full use.
    fn under_way(&self) -> f64 {
        self.jobs_per_h * self.tenant.pace.latency_s / (3600.0 * self.utilisation)
    }

    /// GiB of one place of a kind on each of `nodes` nodes, one job at least.
    fn gib(&self, kind: usize, nodes: f64) -> f64 {
        let memory = self.tenant.memory[kind];
        let jobs = whole(self.under_way() / (nodes * self.tenant.places[kind].max(1.0)));
        memory.constant_gib + jobs.max(1.0) * memory.job_gib
    }
}

/// A quotient that is whole but for rounding is not rounded up.
fn whole(value: f64) -> f64 {
    (value * (1.0 - 1e-12)).ceil()
}

/// Nodes and parts of `tenants` through a day; `None` where their memory does not fit on one node
/// together.
///
/// Turns: n = max(needed, ⌈max_r Σ λ·D_r / (3600·ρ)⌉), and as many more as their memory asks for,
/// with ⌈λ·R / (3600·ρ·n)⌉ jobs of each at once on a node, at least one. A tenant with a latency
/// objective needs as many nodes as if all others were at work: pace ÷ tenants.
/// Instances: all that are needed ÷ instances of a node, rounded up.
pub fn through_the_day(tenants: &[Tenant], apart: &Apart) -> Option<Vec<Held>> {
    let needed = |t: &Tenant| -> Vec<f64> {
        let fleet = match apart {
            Apart::Instances { .. } => t.rules.fleet(t.jobs_per_day, t.pace),
            Apart::Turns { .. } if t.rules.objective.is_some() => {
                let crowd = tenants.len() as f64;
                let pace = Pace {
                    jobs_per_h: t.pace.jobs_per_h / crowd,
                    latency_s: t.pace.latency_s * crowd,
                    ..t.pace
                };
                t.rules.fleet(t.jobs_per_day, pace)
            }
            // The load of all is added up below; what is left are the nodes kept anyway.
            Apart::Turns { .. } => {
                t.rules.fleet(t.jobs_per_day, Pace { jobs_per_h: f64::INFINITY, ..t.pace })
            }
        };
        fleet.spells.iter().map(|s| s.nodes).collect()
    };
    let needed: Vec<Vec<f64>> = tenants.iter().map(needed).collect();
    let mut day = Vec::new();
    for part in parts(tenants) {
        let now: Vec<Now> = tenants
            .iter()
            .zip(&part.own)
            .zip(&needed)
            .map(|((tenant, own), needed)| {
                let spell = tenant.rules.day().get(*own);
                let rate = spell.map_or(0.0, |s| s.jobs_per_h(tenant.jobs_per_day));
                Now {
                    tenant,
                    jobs_per_h: rate,
                    needed: needed.get(*own).copied().unwrap_or(0.0),
                    utilisation: tenant.rules.target_utilisation,
                }
            })
            .collect();
        let (nodes, parts) = match apart {
            Apart::Turns { rooms_gib } => turns(&now, rooms_gib)?,
            Apart::Instances { per_node } => {
                let parts: Vec<f64> = now.iter().map(|n| n.needed).collect();
                (whole(parts.iter().sum::<f64>() / per_node), parts)
            }
        };
        day.push(Held { hours: part.hours, nodes, parts });
    }
    let always = |t: &Tenant| matches!(t.rules.all_day, Some(AllDay::Reserved | AllDay::Headroom));
    if tenants.iter().any(always) {
        let most = day.iter().map(|h| h.nodes).fold(0.0, f64::max);
        day.iter_mut().for_each(|h| h.nodes = most);
    }
    Some(day)
}

fn turns(now: &[Now], rooms_gib: &[Option<f64>; 2]) -> Option<(f64, Vec<f64>)> {
    let resources = now.iter().map(|n| n.tenant.seconds.len()).max().unwrap_or(0);
    let by_use = (0..resources).map(|r| now.iter().map(|n| n.busy(r)).sum::<f64>());
    let needed = now.iter().map(|n| n.needed).fold(0.0, f64::max);
    let nodes = whole(by_use.fold(0.0, f64::max)).max(needed);
    let here = || now.iter().filter(|n| n.here());
    if here().next().is_none() {
        return Some((nodes, vec![0.0; now.len()]));
    }
    let fits = |nodes: f64| {
        rooms_gib.iter().enumerate().all(|(kind, have)| {
            let taken: f64 = here().map(|n| n.gib(kind, nodes)).sum();
            taken <= have.unwrap_or(0.0) * (1.0 + 1e-12)
        })
    };
    let nodes = least_that_fit(nodes.max(1.0), here().map(Now::under_way), fits)?;
    let part = |n: &Now| {
        if !n.here() {
            return 0.0;
        }
        let used = (0..resources).map(|r| n.busy(r)).fold(0.0, f64::max);
        rooms_gib.iter().enumerate().fold(used, |most, (kind, have)| match have {
            Some(have) if *have > 0.0 => most.max(nodes * n.gib(kind, nodes) / have),
            _ => most,
        })
    };
    Some((nodes, now.iter().map(part).collect()))
}

/// The least nodes, from `nodes` on, whose memory holds everybody; with as many nodes as jobs under
/// way nobody has more than one on any, and no further node would help.
fn least_that_fit(
    nodes: f64,
    under_way: impl Iterator<Item = f64>,
    fits: impl Fn(f64) -> bool,
) -> Option<f64> {
    if fits(nodes) {
        return Some(nodes);
    }
    let (mut low, mut high) = (nodes, under_way.map(whole).fold(nodes, f64::max));
    if !fits(high) {
        return None;
    }
    while high - low > 1.0 {
        let middle = ((low + high) / 2.0).floor();
        if fits(middle) { high = middle } else { low = middle }
    }
    Some(high)
}

/// The bill of `tenants` on nodes of `usd_per_h` each; `None` where they do not fit together.
///
/// In each part of the day a tenant pays nodes · p · its part ÷ all parts. What belongs to no part
/// (starting and cooling down, nodes without a tenant at work) is divided by the day's sums.
pub fn bill(tenants: &[Tenant], apart: &Apart, usd_per_h: f64) -> Option<Bill> {
    let day = through_the_day(tenants, apart)?;
    let count = tenants.len().max(1) as f64;
    let mut each = vec![0.0; tenants.len()];
    let mut sums = vec![0.0; tenants.len()];
    let mut most_held = vec![0.0_f64; tenants.len()];
    let (mut total_h, mut common_h) = (0.0, 0.0);
    for held in &day {
        let all: f64 = held.parts.iter().sum();
        let node_h = held.hours * held.nodes;
        total_h += node_h;
        if all <= 0.0 {
            common_h += node_h;
            continue;
        }
        for (index, part) in held.parts.iter().enumerate() {
            each[index] += node_h * part / all;
            sums[index] += held.hours * part;
            most_held[index] = most_held[index].max(*part);
        }
    }
    let spells: Vec<Segment> = day.iter().map(|h| Segment { hours: h.hours, share: 0.0 }).collect();
    let nodes: Vec<f64> = day.iter().map(|h| h.nodes).collect();
    let once_h = tenants.iter().map(|t| t.rules.start_up_h + t.rules.cool_down_h);
    let warming = warming_h(&spells, &nodes, once_h.fold(0.0, f64::max));
    (total_h, common_h) = (total_h + warming, common_h + warming);
    let all: f64 = sums.iter().sum();
    for (one, sum) in each.iter_mut().zip(&sums) {
        *one += common_h * if all > 0.0 { sum / all } else { 1.0 / count };
    }
    Some(Bill {
        usd_per_month: money::usd_per_month(total_h, usd_per_h),
        usd_per_month_each: each.iter().map(|h| money::usd_per_month(*h, usd_per_h)).collect(),
        most_held,
        most_nodes: day.iter().map(|h| h.nodes).fold(0.0, f64::max),
    })
}
