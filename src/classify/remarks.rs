//! Reasons about how a size is used at the demand: idle time, headroom, evictions, idle GPUs.

use super::Reason;
use super::candidate::{Candidate, reason};
use super::judge::Outcome;
use super::words::{self, number, percent, seconds};
use crate::cost::fleet::{AllDay, Fleet};
use crate::cost::{Level, spot};

/// A node busy for less than this share of its paid hours is mostly idle.
const IDLE: f64 = 0.35;

/// All that applies, in the order told.
pub(super) fn of(candidate: &Candidate) -> Vec<Reason> {
    [
        idle(candidate),
        headroom(candidate),
        unannounced(candidate),
        evictions(candidate),
        idle_gpus(candidate),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// How the nodes of each side come and go, where they do.
pub(super) fn through_the_day(outcome: &Outcome) -> Vec<String> {
    let told = |c: &Candidate| {
        let comes_and_goes = |fleet: &&Fleet| fleet.fewest != fleet.most && c.shared.is_none();
        let fleet = c.fleet().filter(comes_and_goes)?;
        Some(format!(
            "{} runs {} to {} through the day: {} node-hours, {} of them to start and to cool \
             down.",
            c.sku.name,
            words::whole(fleet.fewest),
            words::nodes(fleet.most),
            number(fleet.node_hours),
            number(fleet.warming_h)
        ))
    };
    [outcome.gpu, outcome.cpu].into_iter().flatten().filter_map(told).collect()
}

fn idle(c: &Candidate) -> Option<Reason> {
    let (nodes, used) = c.nodes().filter(|(_, used)| *used < IDLE && c.shared.is_none())?;
    let busy = match used * 100.0 {
        percent if percent < 0.05 => "less than 0.1".to_owned(),
        percent => format!("{percent:.1}"),
    };
    let text = if nodes <= 1.0 {
        format!("one node is busy {busy} % of the time")
    } else {
        format!("{} are busy {busy} % of the hours paid for", words::nodes(nodes))
    };
    Some(reason("idle-dominated", text))
}

/// Nodes beyond the load, for requests not to wait.
fn headroom(c: &Candidate) -> Option<Reason> {
    let (answered_s, objective) = c.latency_at_percentile()?;
    let pace = c.pace(Level::Mid, Level::Mid)?;
    let more = c.nodes()?.0 - c.rules.nodes_by_load(c.jobs_per_day, pace);
    (more > 0.0).then(|| {
        let text = format!(
            "{} more than the load takes: with them {} of requests are answered within {} \
             (objective {})",
            words::nodes(more),
            percent(objective.percentile),
            seconds(answered_s),
            seconds(objective.latency_s)
        );
        reason("latency-headroom", text)
    })
}

/// A busy spell that no start can absorb; a single node would stand there anyway.
fn unannounced(c: &Candidate) -> Option<Reason> {
    let headroom = c.rules.all_day == Some(AllDay::Headroom);
    let nodes = c.nodes().filter(|(nodes, _)| headroom && *nodes > 1.0)?.0;
    let text = format!(
        "a node takes {} to start, too long for a busy spell under a latency objective: the \
         {} of the peak are paid for all day",
        seconds(3600.0 * c.rules.start_up_h),
        words::nodes(nodes)
    );
    Some(reason("peak-headroom", text))
}

fn evictions(c: &Candidate) -> Option<Reason> {
    let rate = c.evictions_per_h?;
    let job = c.job.as_ref()?;
    let latency_s = job.latency().median;
    let lost_h = spot::lost_h(latency_s, c.rules.start_up_h);
    let mut text = format!(
        "a spot node may be taken back, {} times an hour by assumption (--evictions-per-h); each \
         time costs {} of its work",
        rate,
        seconds(3600.0 * lost_h)
    );
    if c.rules.objective.is_some() {
        text += ", breaks the requests under way and misses the latency objective until another \
                 node has started";
    }
    if rate * latency_s > 3600.0 {
        text += "; a job lasts longer than a node on average, so it must save its progress";
    }
    Some(reason("spot-evictions", text))
}

fn idle_gpus(c: &Candidate) -> Option<Reason> {
    let job = c.job.as_ref()?;
    let (of, held) = (job.gpus, job.gpus_per_job);
    let left = of - held * (of / held).floor();
    (of > 0.0 && left >= 1.0).then(|| {
        let text = format!("{left} of {of} GPUs stays idle: a job takes {held} at once");
        reason("gpus-idle", text)
    })
}
