//! Several workloads packed on shared nodes: who should share with whom, and what that saves.
//!
//! Every way to divide up to [`EXHAUSTIVE`] workloads into groups is looked at, each group on its
//! cheapest size in turns or in MIG instances. More are packed by first-fit decreasing: the dearest
//! first, each into the group whose cost it raises least, or on nodes of its own.

use serde::{Deserialize, Serialize};

use super::candidate::{Candidate, RulesOf, Standing};
use super::share::{Guest, Party, caveat, group_bill};
use super::words::{dollars, list};
use super::{CoTenant, Options, SharedBy, Side};
use crate::catalog::{Catalog, Slice};
use crate::cost::evidence;
use crate::cost::node;
use crate::cost::share::{Apart, Bill};
use crate::cost::{Estimate, Level, Origin};
use crate::record::Record;
use crate::workload::ResolvedWorkload;

/// Workloads up to which every division into groups is looked at.
const EXHAUSTIVE: usize = 7;

/// Workloads packed on shared nodes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Packing {
    /// One sentence: who shares, and what it saves.
    pub headline: String,
    /// What else a reader must know.
    pub sentences: Vec<String>,
    /// The groups, the dearest first.
    pub groups: Vec<Group>,
    /// USD a month of all groups.
    pub usd_per_month: Estimate,
    /// USD a month of every workload on the cheapest nodes of its own.
    pub apart_usd_per_month: Estimate,
    /// The difference: the nodes above against whatever will turn out the cheapest apart.
    pub saves_usd_per_month: Estimate,
    /// Least sure origin of the times behind these; `None` without a group.
    #[serde(default)]
    pub origin: Option<Origin>,
    /// Workloads that no size could be judged for.
    pub unplaced: Vec<String>,
    /// Whether every division was looked at.
    pub exhaustive: bool,
}

/// Workloads on one pool of nodes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// VM size.
    pub sku: String,
    /// Which kind of node.
    pub side: Side,
    /// How it is shared; `None` for a workload alone.
    pub by: Option<SharedBy>,
    /// MIG profile and its instances on one node.
    pub profile: Option<(String, u32)>,
    /// Who is on it, and what each pays.
    pub members: Vec<CoTenant>,
    /// Most nodes at once.
    pub nodes: u64,
    /// USD a month of all of them.
    pub usd_per_month: Estimate,
    /// What is kept apart and what is not; `None` for a workload alone.
    pub isolation: Option<String>,
}

/// A place for a group: a whole size, or a way to cut it.
#[derive(Clone, Copy)]
enum Spot {
    Whole(usize),
    Cut(usize),
}

struct Packer<'p, 'a> {
    parties: Vec<&'p Party<'a>>,
    slices: &'a [Slice<'a>],
}

/// Packs `workloads`; their order does not matter.
///
/// Never fails: a workload whose cost is unknown on every size is left out and named.
pub fn pack(
    workloads: &[ResolvedWorkload],
    records: &[Record],
    catalog: &Catalog,
    options: &Options,
) -> Packing {
    let devices = evidence::devices(records, catalog);
    let slices = catalog.slices(options.provider.as_deref());
    let rules: Vec<RulesOf> =
        workloads.iter().map(|w| RulesOf::new(&w.workload, options)).collect();
    let parties: Vec<Party> = workloads
        .iter()
        .zip(&rules)
        .map(|(w, rules)| Party::new(w, &slices, catalog, &devices, options, rules))
        .collect();
    let (mut placed, left): (Vec<&Party>, Vec<&Party>) =
        parties.iter().partition(|p| p.alone_usd.is_some());
    let alone = |p: &Party| p.alone_usd.unwrap_or(0.0);
    placed.sort_by(|a, b| alone(b).total_cmp(&alone(a)).then_with(|| a.name().cmp(b.name())));
    let packer = Packer { parties: placed, slices: &slices };
    let exhaustive = packer.parties.len() <= EXHAUSTIVE;
    let divided = if exhaustive { packer.best_division() } else { packer.first_fit() };
    let unplaced = left.iter().map(|p| p.name().to_owned()).collect();
    packer.told(divided, unplaced, exhaustive, options)
}

impl<'a> Packer<'_, 'a> {
    fn guests(&self, members: &[usize], spot: Spot) -> Option<Vec<Guest<'_, 'a>>> {
        members
            .iter()
            .map(|m| {
                let party = self.parties[*m];
                let candidate = match spot {
                    Spot::Whole(index) => party.whole.get(index)?,
                    Spot::Cut(index) => party.cut.get(index)?,
                };
                Some(party.on(candidate))
            })
            .collect()
    }

    fn apart(&self, spot: Spot, candidate: &Candidate) -> Apart {
        match spot {
            Spot::Whole(_) => Apart::Turns { rooms_gib: node::rooms_gib(candidate.sku) },
            Spot::Cut(index) => {
                Apart::Instances { per_node: f64::from(self.slices[index].per_node) }
            }
        }
    }

    fn bill(&self, members: &[usize], spot: Spot, level: Level) -> Option<Bill> {
        let guests = self.guests(members, spot)?;
        let apart = self.apart(spot, guests.first()?.candidate);
        group_bill(&guests, &apart, level, level)
    }

    /// The cheapest spot for a group, by median; ties go to instances, which keep the tenants apart
    /// for nothing, then to the name.
    fn cheapest(&self, members: &[usize]) -> Option<(f64, Spot)> {
        let first = self.parties.get(*members.first()?)?;
        let whole = (0..first.whole.len()).map(Spot::Whole);
        // One workload alone has nothing to cut a GPU for.
        let cut = (0..first.cut.len()).filter(|_| members.len() > 1).map(Spot::Cut);
        whole
            .chain(cut)
            .filter_map(|spot| {
                let usd = self.bill(members, spot, Level::Mid)?.usd_per_month;
                let name = &self.guests(members, spot)?.first()?.candidate.sku.name;
                Some((usd, matches!(spot, Spot::Whole(_)), name, spot))
            })
            .min_by(|a, b| a.0.total_cmp(&b.0).then_with(|| (a.1, a.2).cmp(&(b.1, b.2))))
            .map(|(usd, _, _, spot)| (usd, spot))
    }

    /// The cheapest of all divisions into groups.
    fn best_division(&self) -> Vec<(Vec<usize>, Spot)> {
        let count = self.parties.len();
        let members = |set: usize| (0..count).filter(|m| set >> m & 1 == 1).collect::<Vec<_>>();
        let groups: Vec<Option<(f64, Spot)>> =
            (0..1usize << count).map(|set| self.cheapest(&members(set))).collect();
        // For every set of workloads: its cost, how many groups, and that of its first workload.
        let mut best: Vec<(f64, usize, usize)> = vec![(0.0, 0, 0)];
        for set in 1..1usize << count {
            let first = set & set.wrapping_neg();
            let mut least = (f64::INFINITY, 0, first);
            let mut group = set;
            while group > 0 {
                if group & first != 0
                    && let Some((usd, _)) = groups[group]
                {
                    let (usd, count) = (usd + best[set ^ group].0, 1 + best[set ^ group].1);
                    // Nobody shares for nothing: at the same cost more groups are better.
                    let cheaper = usd < least.0 * (1.0 - 1e-12);
                    if cheaper || (usd <= least.0 * (1.0 + 1e-12) && count > least.1) {
                        least = (usd, count, group);
                    }
                }
                group = (group - 1) & set;
            }
            best.push(least);
        }
        let (mut left, mut divided) = ((1usize << count) - 1, Vec::new());
        while left > 0 {
            let group = best[left].2;
            divided.extend(groups[group].map(|(_, spot)| (members(group), spot)));
            left ^= group;
        }
        divided
    }

    /// First-fit decreasing: the parties stand in falling order of their cost alone.
    fn first_fit(&self) -> Vec<(Vec<usize>, Spot)> {
        let mut groups: Vec<(Vec<usize>, f64, Spot)> = Vec::new();
        for next in 0..self.parties.len() {
            let Some((own, spot)) = self.cheapest(&[next]) else { continue };
            let joined = groups
                .iter()
                .enumerate()
                .filter_map(|(index, (members, usd, _))| {
                    let with = [&members[..], &[next]].concat();
                    let (together, spot) = self.cheapest(&with)?;
                    (together - usd < own).then_some((together - usd, index, with, together, spot))
                })
                .min_by(|a, b| a.0.total_cmp(&b.0));
            match joined {
                Some((_, index, with, together, spot)) => groups[index] = (with, together, spot),
                None => groups.push((vec![next], own, spot)),
            }
        }
        groups.into_iter().map(|(members, _, spot)| (members, spot)).collect()
    }

    /// USD a month on the cheapest nodes of its own: on those that are the cheapest with times of
    /// these levels, which a measurement would tell.
    fn alone(&self, member: usize, levels: Levels) -> Option<(f64, &Candidate<'a>)> {
        let own = self.parties[member].whole.iter().filter(|c| c.standing == Standing::Eligible);
        own.filter_map(|c| {
            let level = levels.of(c.side);
            Some((c.usd_per_month_at(c.jobs_per_day, level, level)?, c))
        })
        .min_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.1.sku.name.cmp(&b.1.sku.name)))
    }

    /// Least sure origin of the times on the nodes of the groups and on the cheapest ones apart.
    fn origin(&self, divided: &[(Vec<usize>, Spot)]) -> Option<Origin> {
        let shared = divided.iter().filter_map(|(members, spot)| self.guests(members, *spot));
        let shared = shared.flatten().map(|g| g.candidate);
        let apart = (0..self.parties.len()).filter_map(|m| Some(self.alone(m, Levels::MID)?.1));
        shared.chain(apart).filter_map(|c| Some(c.job.as_ref()?.origin)).max()
    }

    fn group(&self, members: &[usize], spot: Spot) -> Option<Group> {
        let bill = self.bill(members, spot, Level::Mid)?;
        let usd = |level| Some(self.bill(members, spot, level)?.usd_per_month);
        let guests = self.guests(members, spot)?;
        let candidate = guests.first()?.candidate;
        let cut = match spot {
            Spot::Cut(index) => Some(&self.slices[index]),
            Spot::Whole(_) => None,
        };
        let shared = (members.len() > 1).then(|| caveat(cut.is_some(), candidate.side));
        let parts = bill.usd_per_month_each.iter().zip(&bill.most_held);
        Some(Group {
            sku: candidate.sku.name.clone(),
            side: candidate.side,
            by: shared.map(|(by, _)| by),
            profile: cut.map(|s| (s.profile.name.clone(), s.per_node)),
            members: guests
                .iter()
                .zip(parts)
                .map(|(g, (usd, holds))| CoTenant {
                    workload: g.party.name().to_owned(),
                    holds: *holds,
                    usd_per_month: *usd,
                    alone_usd_per_month: g.party.alone_usd,
                })
                .collect(),
            nodes: bill.most_nodes as u64,
            usd_per_month: between(usd(Level::Lo)?, bill.usd_per_month, usd(Level::Hi)?),
            isolation: shared.map(|(_, text)| text.to_owned()),
        })
    }

    fn told(
        &self,
        divided: Vec<(Vec<usize>, Spot)>,
        unplaced: Vec<String>,
        exhaustive: bool,
        options: &Options,
    ) -> Packing {
        let mut groups: Vec<Group> =
            divided.iter().filter_map(|(members, spot)| self.group(members, *spot)).collect();
        groups.sort_by(|a, b| {
            let usd = |g: &Group| g.usd_per_month.median;
            usd(b).total_cmp(&usd(a)).then_with(|| a.sku.cmp(&b.sku))
        });
        let packed = |levels: Levels| {
            groups.iter().map(|g| g.usd_per_month.at(levels.of(g.side))).sum::<f64>()
        };
        let apart = |levels: Levels| {
            (0..self.parties.len()).filter_map(|m| Some(self.alone(m, levels)?.0)).sum::<f64>()
        };
        let usd_per_month = spread(&packed);
        let mut apart_usd_per_month = spread(&apart);
        // No cost falls below what it is where all goes well.
        let least = apart(Levels { cpu: Level::Lo, gpu: Level::Lo });
        apart_usd_per_month.lo90 = apart_usd_per_month.lo90.max(least);
        let saves_usd_per_month = spread(&|levels| apart(levels) - packed(levels));
        let mut packing = Packing {
            headline: String::new(),
            sentences: Vec::new(),
            groups,
            usd_per_month,
            apart_usd_per_month,
            saves_usd_per_month,
            origin: self.origin(&divided),
            unplaced,
            exhaustive,
        };
        packing.headline = headline(&packing);
        packing.sentences = sentences(&packing, options);
        packing
    }
}

/// Levels of the times on the sizes of each kind.
#[derive(Clone, Copy)]
struct Levels {
    cpu: Level,
    gpu: Level,
}

impl Levels {
    const MID: Self = Self { cpu: Level::Mid, gpu: Level::Mid };

    fn of(self, side: Side) -> Level {
        match side {
            Side::Cpu => self.cpu,
            Side::Gpu => self.gpu,
        }
    }
}

/// The interval of a sum over workloads: all times on one kind of node are off together, those on
/// CPUs and on GPUs apart, so their deviations add up by their squares.
fn spread(usd: &dyn Fn(Levels) -> f64) -> Estimate {
    let median = usd(Levels::MID);
    let (mut below, mut above) = (0.0_f64, 0.0_f64);
    let ends = [Level::Lo, Level::Hi];
    let cpu = ends.map(|cpu| usd(Levels { cpu, ..Levels::MID }) - median);
    let gpu = ends.map(|gpu| usd(Levels { gpu, ..Levels::MID }) - median);
    for [a, b] in [cpu, gpu] {
        below = below.hypot(a.min(b).min(0.0));
        above = above.hypot(a.max(b).max(0.0));
    }
    Estimate { median, lo90: median - below, hi90: median + above }
}

/// Three values with the least and the greatest as ends.
fn between(a: f64, median: f64, b: f64) -> Estimate {
    Estimate { median, lo90: a.min(b).min(median), hi90: a.max(b).max(median) }
}

impl Group {
    /// The nodes and how they are shared, in words.
    pub fn place(&self) -> String {
        let nodes = format!("{} × {}", self.nodes, self.sku);
        match (&self.profile, self.by) {
            (Some((profile, per_node)), _) => format!("{nodes}, {profile} ×{per_node} each"),
            (None, Some(SharedBy::TimeSlicing)) => {
                format!("{nodes}, time-sliced into {} replicas", self.members.len())
            }
            _ => nodes,
        }
    }

    fn names(&self) -> String {
        list(&self.members.iter().map(|m| m.workload.as_str()).collect::<Vec<_>>())
    }
}

fn headline(packing: &Packing) -> String {
    let shared: Vec<&Group> = packing.groups.iter().filter(|g| g.members.len() > 1).collect();
    let (to, from) = (packing.usd_per_month.median, packing.apart_usd_per_month.median);
    if packing.groups.is_empty() {
        return "together: the cost of none of the workloads is known".into();
    }
    if shared.is_empty() {
        return format!(
            "together: nothing to gain from sharing; every workload keeps the nodes of its own for \
             {} a month",
            dollars(to)
        );
    }
    let groups: Vec<String> =
        shared.iter().map(|g| format!("{} share {}", g.names(), g.place())).collect();
    let saves = packing.saves_usd_per_month;
    let (verb, then) =
        if unsure(packing) { ("leans to saving about", ": measure first") } else { ("saves", "") };
    format!(
        "together: {}; {} a month for all instead of {} apart {verb} {} (90 %: {} to {}; times {}){then}",
        groups.join("; "),
        dollars(to),
        dollars(from),
        dollars(saves.median),
        dollars(saves.lo90),
        dollars(saves.hi90),
        packing.origin.map_or("unknown", told_origin)
    )
}

/// Whether the interval of the saving reaches 0.
fn unsure(packing: &Packing) -> bool {
    packing.saves_usd_per_month.lo90 <= 0.0
}

/// How sure the least sure of the times is, in words.
fn told_origin(origin: Origin) -> &'static str {
    match origin {
        Origin::Declared => "declared",
        Origin::Measured => "measured",
        Origin::Interpolated => "in part interpolated",
        Origin::Imported => "in part imported",
        Origin::Predicted => "in part predicted",
        Origin::Prior => "in part only priors",
    }
}

fn sentences(packing: &Packing, options: &Options) -> Vec<String> {
    let mut out = Vec::new();
    for group in packing.groups.iter().filter(|g| g.members.len() > 1) {
        let isolation = group.isolation.as_deref().unwrap_or_default();
        out.push(format!("On {}: {isolation}.", group.sku));
    }
    for member in packing.groups.iter().flat_map(|g| &g.members) {
        if let Some(alone) = member.alone_usd_per_month
            && member.usd_per_month > alone * (1.0 + 1e-9)
        {
            out.push(format!(
                "By its part of the nodes {} would pay {} instead of {} alone: the others gain \
                 more than that.",
                member.workload,
                dollars(member.usd_per_month),
                dollars(alone)
            ));
        }
    }
    let (saves, from) = (packing.saves_usd_per_month, packing.apart_usd_per_month.median);
    if saves.median > 0.0 && unsure(packing) {
        out.push(
            "The saving is not sure: at one end of its interval nodes apart cost no more. Measure \
             first; `breakeven classify` of each workload names what."
                .into(),
        );
    } else if saves.median > 0.0 && saves.median < options.margin * from {
        out.push(format!(
            "The saving is less than the {:.0} % asked for by --margin.",
            100.0 * options.margin
        ));
    }
    if !packing.unplaced.is_empty() {
        let names: Vec<&str> = packing.unplaced.iter().map(String::as_str).collect();
        out.push(format!("Left out, for no size of known cost: {}.", list(&names)));
    }
    if !packing.exhaustive {
        out.push(format!(
            "More than {EXHAUSTIVE} workloads are packed by first-fit decreasing; a cheaper division \
             may exist."
        ));
    }
    out
}
