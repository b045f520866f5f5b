//! Why a co-tenant that was named does not share the nodes of the verdict.

use super::candidate::{Candidate, Standing, reason};
use super::share::{Guest, Party, group_bill};
use super::words::{dollars, nodes, seconds};
use super::{Kind, Reason, Side, SkuCost, Verdict};
use crate::cost::Level;
use crate::cost::node;
use crate::cost::share::Apart;

/// One reason `not-shared` for each co-tenant that is not on the nodes of the verdict's size.
pub(super) fn reasons(mine: &Party, others: &[Party], verdict: &Verdict) -> Vec<Reason> {
    let joined = |name: &str| {
        let with = verdict.sharing.as_ref().map(|s| &s.cotenants[..]).unwrap_or_default();
        with.iter().any(|c| c.workload == name)
    };
    let left = others.iter().filter(|o| !joined(o.name()));
    left.map(|other| reason("not-shared", why(mine, other, verdict))).collect()
}

/// The size that the verdict is about, or leans to.
fn chosen(verdict: &Verdict) -> Option<&SkuCost> {
    let gpu = match verdict.verdict {
        Kind::Gpu | Kind::SharedGpu => true,
        _ => verdict.lean == Some(Side::Gpu),
    };
    let (first, second) = (&verdict.best_gpu, &verdict.best_cpu);
    let (first, second) = if gpu { (first, second) } else { (second, first) };
    first.as_ref().or(second.as_ref())
}

fn why(mine: &Party, other: &Party, verdict: &Verdict) -> String {
    let name = other.name();
    let Some(row) = chosen(verdict) else {
        return format!("{name}: no size is known to do this workload, alone or shared");
    };
    let place = |c: &Candidate| c.sku.name == row.sku && c.standing == Standing::Eligible;
    let on = mine.whole.iter().position(place).and_then(|index| {
        Some((mine.on(mine.whole.get(index)?), other.on(other.whole.get(index)?)))
    });
    match on {
        Some((me, it)) => format!("{name} on {}: {}", row.sku, in_turns(me, it, row)),
        None => format!("{name}: it makes {} no cheaper", row.sku),
    }
}

/// Why the two do not take turns on the nodes of one size.
fn in_turns(me: Guest, it: Guest, row: &SkuCost) -> String {
    let name = it.party.name();
    if it.candidate.standing != Standing::Eligible {
        let why = it.candidate.decisive().map_or("its cost there is unknown", |r| &r.text);
        return format!("it cannot run there: {why}");
    }
    let Some(alone_usd) = it.party.alone_usd else {
        return "what nodes of its own would cost it is unknown".into();
    };
    if me.system() != it.system() {
        return format!("a node runs {} or {}, not both", me.system(), it.system());
    }
    let pair = [me, it];
    for guest in pair {
        if let Some((job_s, limit_s)) = guest.late(2.0) {
            return format!(
                "with both at work a job of {} would take 2 × {} = {}, where it may take {}",
                guest.party.name(),
                seconds(job_s),
                seconds(2.0 * job_s),
                seconds(limit_s)
            );
        }
    }
    let turns = Apart::Turns { rooms_gib: node::rooms_gib(me.candidate.sku) };
    let Some(bill) = group_bill(&pair, &turns, Level::Mid, Level::Mid) else {
        return "a node's memory does not hold both at once".into();
    };
    let (my_usd, its_usd) = (bill.usd_per_month_each[0], bill.usd_per_month_each[1]);
    let count = nodes(bill.most_nodes);
    if its_usd > alone_usd * (1.0 + 1e-9) {
        return format!(
            "{name} would pay {} a month as its part of {count}, more than {} for the cheapest \
             nodes of its own",
            dollars(its_usd),
            dollars(alone_usd)
        );
    }
    let limits = pair.iter().any(|g| g.party.limit_s.is_some());
    let held = if limits { ", each in time with both at work" } else { "" };
    let own_usd = row.usd_per_month.map_or(f64::INFINITY, |usd| usd.median);
    let verb = if my_usd < own_usd { "is one of several ways to share" } else { "saves nothing" };
    format!(
        "sharing {verb}: this workload would pay {} a month as its part of {count}{held}, against \
         {}",
        dollars(my_usd),
        dollars(own_usd)
    )
}
