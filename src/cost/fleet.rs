//! Nodes through a day: how many in each part of it, how long they are paid for, and how long
//! requests wait.

use serde::{Deserialize, Serialize};

use super::queue::Queue;
use crate::catalog::PriceKind;
use crate::workload::{Demand, NodeNeeds, Pattern, Segment};

/// Most parts that a day is cut into: its hours.
const PARTS: usize = 24;

/// What nodes of a kind take to be there and to go, and how full they may be: assumptions that the
/// command line can change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Share of a node's throughput that a demand may use; above 0, at most 1.
    pub target_utilisation: f64,
    /// Nodes kept even without a job; `None` lets the workload and its pattern decide.
    pub min_nodes: Option<u32>,
    /// Minutes from asking for a node until it works; `None`: 8 with a GPU (driver, large image),
    /// else 3.
    pub start_up_min: Option<f64>,
    /// Minutes that a node without work is kept: the default of the cluster autoscaler.
    pub cool_down_min: f64,
    /// Evictions of a spot node per hour. The default is an assumption: the upper end of the
    /// lowest band (0–5 % an hour) that Azure shows for a size.
    pub evictions_per_h: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            target_utilisation: 0.7,
            min_nodes: None,
            start_up_min: None,
            cool_down_min: 10.0,
            evictions_per_h: 0.05,
        }
    }
}

impl Settings {
    /// Hours from asking for a node until it works.
    pub fn start_up_h(&self, gpu: bool) -> f64 {
        self.start_up_min.unwrap_or(if gpu { 8.0 } else { 3.0 }) / 60.0
    }
}

/// What one node does with jobs that find it free.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace {
    /// Jobs per hour at full load.
    pub jobs_per_h: f64,
    /// Start to end of one job in seconds.
    pub latency_s: f64,
    /// Squared coefficient of variation of that time: 0 where all jobs take equally long.
    pub scatter: f64,
}

/// Latency that requests must meet.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Objective {
    /// Waiting and service together, in seconds.
    pub latency_s: f64,
    /// Share of the requests.
    pub percentile: f64,
}

/// Why the largest fleet is paid for all day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AllDay {
    /// A reservation bills every hour.
    Reserved,
    /// A busy spell comes unannounced, and a start takes longer than the latency objective.
    Headroom,
}

/// The rules by which nodes of one kind are kept for a demand.
#[derive(Debug, Clone, PartialEq)]
pub struct Rules {
    day: Vec<Segment>,
    /// Share of a node's throughput that may be used.
    pub target_utilisation: f64,
    /// Nodes kept even without a job.
    pub min_nodes: f64,
    /// Hours until a node works; paid for.
    pub start_up_h: f64,
    /// Hours that a node without work is kept; paid for.
    pub cool_down_h: f64,
    /// Latency that requests must meet.
    pub objective: Option<Objective>,
    /// Whether and why the fleet never shrinks.
    pub all_day: Option<AllDay>,
}

/// A part of the day with its nodes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spell {
    /// Its length.
    pub hours: f64,
    /// Jobs per hour that come in it.
    pub jobs_per_h: f64,
    /// Nodes kept.
    pub nodes: f64,
    /// Seconds waited at the objective's percentile; 0 where there is no objective.
    pub wait_s: f64,
}

/// Nodes through a day.
#[derive(Debug, Clone, PartialEq)]
pub struct Fleet {
    /// The parts of the day in order.
    pub spells: Vec<Spell>,
    /// Nodes of the fullest part.
    pub most: f64,
    /// Nodes of the emptiest part.
    pub fewest: f64,
    /// Node-hours paid for in a day.
    pub node_hours: f64,
    /// Of these, hours of starting and cooling down.
    pub warming_h: f64,
}

impl Rules {
    /// The rules for nodes with or without a GPU, paid for as `kind`.
    ///
    /// One node is kept for steady demand and under a latency objective; batch, bursty and hourly
    /// demand scale to zero in hours without jobs.
    pub fn new(
        demand: &Demand,
        node: &NodeNeeds,
        settings: &Settings,
        kind: PriceKind,
        gpu: bool,
    ) -> Self {
        let objective = demand
            .latency_slo_s
            .map(|latency_s| Objective { latency_s, percentile: demand.percentile });
        let given = settings.min_nodes.or(node.min_nodes);
        let least = if objective.is_some() || demand.pattern == Pattern::Steady { 1 } else { 0 };
        let mut min_nodes = given.unwrap_or(least);
        if objective.is_some() {
            min_nodes = min_nodes.max(1);
        }
        let unannounced = matches!(demand.pattern, Pattern::Bursty { .. }) && objective.is_some();
        let reserved = matches!(kind, PriceKind::Reserved1y | PriceKind::Reserved3y);
        Self {
            day: demand.pattern.segments(),
            target_utilisation: settings.target_utilisation,
            min_nodes: f64::from(min_nodes),
            start_up_h: settings.start_up_h(gpu),
            cool_down_h: settings.cool_down_min / 60.0,
            objective,
            all_day: match (reserved, unannounced) {
                (true, _) => Some(AllDay::Reserved),
                (_, true) => Some(AllDay::Headroom),
                _ => None,
            },
        }
    }

    /// The fleet for `jobs_per_day` of nodes with this pace.
    ///
    /// n_h = max(n_min, ⌈λ_h / (X·ρ)⌉), and under an objective as many more as keep the latency at
    /// its percentile. Without a single job it is one node that stands idle.
    pub fn fleet(&self, jobs_per_day: f64, pace: Pace) -> Fleet {
        let mut room = [0.0; PARTS];
        let nodes = self.nodes_by_part(jobs_per_day, pace, &mut room);
        let spell = |(part, nodes): (&Segment, &f64)| {
            let jobs_per_h = part.jobs_per_h(jobs_per_day);
            let wait_s = self
                .objective
                .map_or(0.0, |objective| wait_s(jobs_per_h, *nodes, pace, objective.percentile));
            Spell { hours: part.hours, jobs_per_h, nodes: *nodes, wait_s }
        };
        let most = nodes.iter().copied().fold(0.0, f64::max);
        let (working_h, warming_h) = self.hours(nodes);
        Fleet {
            spells: self.day.iter().zip(nodes.iter()).map(spell).collect(),
            most,
            fewest: nodes.iter().copied().fold(most, f64::min),
            node_hours: working_h + warming_h,
            warming_h,
        }
    }

    /// [`Fleet::node_hours`] alone.
    pub fn node_hours(&self, jobs_per_day: f64, pace: Pace) -> f64 {
        let mut room = [0.0; PARTS];
        let (working_h, warming_h) = self.hours(self.nodes_by_part(jobs_per_day, pace, &mut room));
        working_h + warming_h
    }

    /// Node-hours that no fleet of this pace can do with less.
    pub fn least_node_hours(&self, jobs_per_day: f64, pace: Pace) -> f64 {
        let working_h = jobs_per_day / (pace.jobs_per_h * self.target_utilisation);
        working_h.max(24.0 * self.min_nodes) * (1.0 - 1e-9)
    }

    /// Nodes of each part of the day, in `room`.
    fn nodes_by_part<'r>(
        &self,
        jobs_per_day: f64,
        pace: Pace,
        room: &'r mut [f64; PARTS],
    ) -> &'r [f64] {
        let idle = if jobs_per_day > 0.0 { 0.0 } else { 1.0 };
        let least = self.min_nodes.max(idle);
        let nodes = &mut room[..self.day.len()];
        let (mut rate_before, mut most) = (f64::NAN, 0.0);
        for index in 0..nodes.len() {
            let rate = self.day[index].jobs_per_h(jobs_per_day);
            // Neighbouring hours are often alike, and waiting takes some arithmetic.
            nodes[index] = if rate == rate_before {
                nodes[index - 1]
            } else {
                self.nodes(rate, pace).max(least)
            };
            rate_before = rate;
            most = f64::max(most, nodes[index]);
        }
        if self.all_day.is_some() {
            nodes.fill(most);
        }
        nodes
    }

    /// Node-hours of work, and of starting and cooling down.
    fn hours(&self, nodes: &[f64]) -> (f64, f64) {
        let working_h = self.day.iter().zip(nodes).map(|(part, nodes)| part.hours * nodes).sum();
        (working_h, warming_h(&self.day, nodes, self.start_up_h + self.cool_down_h))
    }

    /// The parts of a day with one rate each.
    pub fn day(&self) -> &[Segment] {
        &self.day
    }

    /// Nodes that the load alone would take in the fullest hour.
    pub fn nodes_by_load(&self, jobs_per_day: f64, pace: Pace) -> f64 {
        let busiest = self.day.iter().map(|p| p.jobs_per_h(jobs_per_day)).fold(0.0, f64::max);
        self.by_load(busiest, pace).max(self.min_nodes)
    }

    fn by_load(&self, jobs_per_h: f64, pace: Pace) -> f64 {
        if jobs_per_h <= 0.0 {
            return 0.0;
        }
        let exact = jobs_per_h / (pace.jobs_per_h * self.target_utilisation);
        // A quotient that is whole but for rounding needs no further node.
        (exact * (1.0 - 1e-12)).ceil().max(1.0)
    }

    /// Nodes for a rate, by utilisation and latency alone.
    fn nodes(&self, jobs_per_h: f64, pace: Pace) -> f64 {
        let by_load = self.by_load(jobs_per_h, pace);
        match self.objective {
            Some(objective) if jobs_per_h > 0.0 => {
                // Where service alone takes too long, nodes can at least keep requests from waiting.
                let allowed_s = (objective.latency_s - pace.latency_s).max(0.0);
                let quick =
                    |nodes: f64| wait_s(jobs_per_h, nodes, pace, objective.percentile) <= allowed_s;
                least_from(by_load, quick)
            }
            _ => by_load,
        }
    }
}

/// The least whole number from `from` on that is good enough, where every larger one is too.
fn least_from(from: f64, good: impl Fn(f64) -> bool) -> f64 {
    if good(from) {
        return from;
    }
    let (mut bad, mut step) = (from, 1.0);
    while !good(bad + step) {
        bad += step;
        step *= 2.0;
        if step > 1e15 {
            return bad + step;
        }
    }
    let mut enough = bad + step;
    while enough - bad > 1.0 {
        let middle = ((bad + enough) / 2.0).floor();
        if good(middle) { enough = middle } else { bad = middle }
    }
    enough
}

/// Servers of one node as its queue sees them: jobs under way at full load, X·R by Little's law,
/// rounded down (fewer and faster servers of the same rate wait a little longer).
pub fn servers_per_node(pace: Pace) -> f64 {
    (pace.jobs_per_h * pace.latency_s / 3600.0 * (1.0 + 1e-9)).floor().max(1.0)
}

/// Seconds waited at `percentile` before `nodes` nodes that share one queue.
pub fn wait_s(jobs_per_h: f64, nodes: f64, pace: Pace, percentile: f64) -> f64 {
    if !pace.jobs_per_h.is_finite() || nodes <= 0.0 {
        return 0.0;
    }
    let each = servers_per_node(pace);
    let queue = Queue {
        servers: nodes * each,
        service_s: 3600.0 * each / pace.jobs_per_h,
        service_scv: pace.scatter,
    };
    queue.wait_s(jobs_per_h / 3600.0, percentile)
}

/// Node-hours of starting and cooling down in a day that repeats: each node that is up for part of
/// it is paid for `once_h` longer after each time it is up, and never for longer than until it is
/// needed again.
pub(super) fn warming_h(day: &[Segment], nodes: &[f64], once_h: f64) -> f64 {
    if day.iter().all(|part| part.hours >= once_h) {
        // No gap is too short: as often as a node starts.
        let before = nodes.iter().cycle().skip(nodes.len() - 1);
        let starts: f64 = nodes.iter().zip(before).map(|(now, then)| (now - then).max(0.0)).sum();
        return starts * once_h;
    }
    let mut room = [0.0; PARTS];
    // Shared nodes see the parts of several days.
    let mut more = if nodes.len() > PARTS { nodes.to_vec() } else { Vec::new() };
    let levels = if more.is_empty() { &mut room[..nodes.len()] } else { &mut more[..] };
    levels.copy_from_slice(nodes);
    levels.sort_unstable_by(f64::total_cmp);
    let (mut total_h, mut below) = (0.0, 0.0);
    // Nodes number `below + 1` to `level` are up in the same parts of the day; the first ones all day.
    for level in levels.iter().copied().filter(|level| *level > 0.0) {
        if level > below {
            total_h += (level - below) * gaps_h(day, nodes, level, once_h);
            below = level;
        }
    }
    total_h
}

/// Σ over the gaps in which fewer than `level` nodes are needed of min(gap, `once_h`), around the
/// clock.
fn gaps_h(day: &[Segment], nodes: &[f64], level: f64, once_h: f64) -> f64 {
    let Some(first_up) = nodes.iter().position(|n| *n >= level) else { return 0.0 };
    let (mut total_h, mut gap_h) = (0.0, 0.0);
    for index in (first_up..nodes.len()).chain(0..first_up) {
        if nodes[index] >= level {
            total_h += f64::min(gap_h, once_h);
            gap_h = 0.0;
        } else {
            gap_h += day[index].hours;
        }
    }
    total_h + f64::min(gap_h, once_h)
}
