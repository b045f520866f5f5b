//! Sentences made from the data.

use super::candidate::{Candidate, GPU_UNUSED, Standing, reason};
use super::judge::Outcome;
use super::{Reason, Side, limits};
use crate::cost::{Origin, Resource};
pub(super) use crate::units::{thousands as whole, usd as dollars};

/// `a`, `a and b`, `a, b and c`.
pub(super) fn list(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// A number with three significant digits and thousands separated.
pub(super) fn number(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return format!("{value}");
    }
    let digits = value.abs().log10().floor() as i32;
    if digits > 5 {
        return format!("{:.2}e{digits}", value / 10f64.powi(digits));
    }
    let places = usize::try_from(2 - digits).unwrap_or(0).min(9);
    let text = format!("{value:.places$}");
    let (whole, rest) = text.split_once('.').map_or((text.as_str(), ""), |(w, r)| (w, r));
    let mut grouped = String::new();
    for (index, c) in whole.chars().enumerate() {
        let left = whole.len() - index;
        if index > 0 && left % 3 == 0 && !grouped.ends_with('-') {
            grouped.push(',');
        }
        grouped.push(c);
    }
    if rest.is_empty() { grouped } else { format!("{grouped}.{rest}") }
}

/// A time in a readable unit.
pub(super) fn seconds(value: f64) -> String {
    match value {
        v if v < 1e-3 => format!("{} µs", number(v * 1e6)),
        v if v < 1.0 => format!("{} ms", number(v * 1e3)),
        v if v < 120.0 => format!("{} s", number(v)),
        v if v < 7200.0 => format!("{} min", number(v / 60.0)),
        v => format!("{} h", number(v / 3600.0)),
    }
}

/// `1 node`, `1,200 nodes`.
pub(super) fn nodes(count: f64) -> String {
    format!("{} node{}", whole(count), if count == 1.0 { "" } else { "s" })
}

/// A share in per cent without needless digits: `99 %`, `99.9 %`.
pub(super) fn percent(share: f64) -> String {
    format!("{} %", (share * 1e5).round() / 1e3)
}

/// A probability cut, not rounded, to two places, so that 0.949 is not shown as the needed 0.95.
pub(super) fn chance(p: f64) -> String {
    if p > 0.99 { "P > 0.99".into() } else { format!("P = {:.2}", (p * 100.0).floor() / 100.0) }
}

pub(super) fn side_name(side: Side) -> &'static str {
    match side {
        Side::Gpu => "GPU",
        Side::Cpu => "CPU",
    }
}

/// More nodes than a subscription's quota or a cluster commonly allows.
const MANY_NODES: f64 = 1000.0;

/// What limits, where the numbers come from, and what the win rests on.
pub(super) fn sentences(outcome: &Outcome) -> Vec<String> {
    let mut out = Vec::new();
    let sides = [outcome.gpu, outcome.cpu].into_iter().flatten();
    let told: Vec<(String, String)> = sides.filter_map(evidence).collect();
    match &told[..] {
        [(gpu_pace, gpu_times), (cpu_pace, cpu_times)] if gpu_times == cpu_times => {
            out.push(format!("On {gpu_pace}, on {cpu_pace}; times of both are {gpu_times}."));
        }
        _ => out.extend(told.iter().map(|(pace, times)| format!("On {pace}; times are {times}."))),
    }
    out.extend(super::remarks::through_the_day(outcome));
    out.extend(same_latency(outcome));
    if let Some(whole) = outcome.whole_gpu
        && let Some(usd) = whole.median_usd_per_month()
    {
        out.push(format!(
            "The cheapest whole GPU, {}, would cost {} a month.",
            whole.sku.name,
            dollars(usd)
        ));
    }
    let most = |c: &Candidate| c.nodes().filter(|(nodes, _)| *nodes > MANY_NODES);
    if let Some((nodes, _)) = [outcome.gpu, outcome.cpu].into_iter().flatten().find_map(most) {
        out.push(format!(
            "That takes {} nodes, more than one cluster holds: check jobs_per_day.",
            number(nodes)
        ));
    }
    out
}

/// A GPU that hardly shortens the job wins or loses by something else.
fn same_latency(outcome: &Outcome) -> Option<String> {
    let known = |c: Option<&Candidate>| c.is_some_and(|c| c.latency_known);
    if !known(outcome.gpu) || !known(outcome.cpu) {
        return None;
    }
    let (gpu, cpu) = (outcome.gpu?.job.as_ref()?, outcome.cpu?.job.as_ref()?);
    let (on_gpu, on_cpu) = (gpu.latency().median, cpu.latency().median);
    if on_gpu < 0.8 * on_cpu || on_gpu > 1.25 * on_cpu {
        return None;
    }
    let resources = [gpu.throughput().1, cpu.throughput().1];
    let by = if resources.contains(&Resource::MemoryCapacity) {
        "the jobs that fit into memory at once"
    } else {
        "the nodes and their prices"
    };
    Some(format!(
        "A job takes {} on the GPU size and {} on the CPU size: the GPU hardly shortens it, and {by} \
         decide.",
        seconds(on_gpu),
        seconds(on_cpu)
    ))
}

/// What sets the pace on a size, and where its times come from.
fn evidence(candidate: &Candidate) -> Option<(String, String)> {
    let job = candidate.job.as_ref()?;
    let mut devices: Vec<&str> = Vec::new();
    for device in job.stages.iter().filter_map(|s| s.predicted_from.as_deref()) {
        if !devices.contains(&device) {
            devices.push(device);
        }
    }
    let origin = match job.origin {
        Origin::Declared => "declared by the workload".to_owned(),
        Origin::Measured => "measured there".to_owned(),
        Origin::Imported => "imported".to_owned(),
        Origin::Interpolated => "interpolated between sizes measured there".to_owned(),
        Origin::Predicted => format!("predicted from {}", devices.join(" and ")),
        Origin::Prior => "estimated from published results".to_owned(),
    };
    let pace = match candidate.binding().map(super::explain::resource_name) {
        Some(pace) => format!("{} the {pace} sets the pace", candidate.sku.name),
        None => {
            let jobs = number(candidate.throughput()?.median);
            format!("{} a node does {jobs} jobs an hour", candidate.sku.name)
        }
    };
    Some((pace, origin))
}

/// Why the verdict is what it is, in codes: the winner's binding and the loser's obstacles.
pub(super) fn reasons(outcome: &Outcome, candidates: &[Candidate]) -> Vec<Reason> {
    let mut out: Vec<Reason> = Vec::new();
    for (side, best) in [(Side::Gpu, outcome.gpu), (Side::Cpu, outcome.cpu)] {
        if let Some(best) = best {
            let split = super::split::of(best, candidates).filter(|_| side == Side::Gpu);
            let row = best.row().reasons.into_iter();
            let kept = row.filter(|r| split.is_none() || r.code != "split");
            for r in kept.chain(split.clone()) {
                out.push(reason(&r.code, format!("{}: {}", best.sku.name, r.text)));
            }
        } else if side == Side::Gpu && outcome.gpu_unused {
            out.push(reason(GPU_UNUSED, "no stage of the workload runs on a GPU"));
        } else {
            out.extend(obstacles(side, candidates));
        }
    }
    out
}

/// What keeps every size of a side out, one line a code, the most frequent first; of the sizes that
/// are too slow the fastest is named.
fn obstacles(side: Side, candidates: &[Candidate]) -> Vec<Reason> {
    let mut seen: Vec<(&Reason, &Candidate, usize)> = Vec::new();
    let latency_s = |c: &Candidate| c.job.as_ref().map_or(f64::INFINITY, |j| j.latency().median);
    for c in candidates.iter().filter(|c| c.side == side && c.standing != Standing::Eligible) {
        let Some(r) = c.decisive() else { continue };
        match seen.iter_mut().find(|(known, _, _)| known.code == r.code) {
            Some((reason, example, count)) => {
                *count += 1;
                if limits::is_miss(&r.code) && latency_s(c) < latency_s(example) {
                    (*reason, *example) = (r, c);
                }
            }
            None => seen.push((r, c, 1)),
        }
    }
    seen.sort_by_key(|(_, _, count)| std::cmp::Reverse(*count));
    let line = |(r, example, count): (&Reason, &Candidate, usize)| {
        let side = side_name(side);
        let which = if limits::is_miss(&r.code) { "at best" } else { "e.g." };
        let text = format!("{count} {side} sizes, {which} {}: {}", example.sku.name, r.text);
        reason(&r.code, text)
    };
    seen.into_iter().map(line).collect()
}
