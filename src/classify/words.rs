//! Sentences made from the data, and the measurements that would settle a verdict.

use super::candidate::{Candidate, Standing, reason};
use super::judge::Outcome;
use super::{Kind, Options, Reason, Side, Suggestion};
use crate::cost::Origin;

/// Minutes of a suite on a new node: start-up (8 GPU, 3 CPU), image, `quick`.
const GPU_MINUTES: f64 = 15.0;
const CPU_MINUTES: f64 = 8.0;
/// A speed known within a smaller factor than this settles nothing by being measured.
const WORTH_MEASURING: f64 = 1.01;

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

/// Dollars: whole from a hundred on, cents below.
pub(super) fn dollars(value: f64) -> String {
    let sign = if value < 0.0 { "−" } else { "" };
    let v = value.abs();
    if v >= 100.0 { format!("{sign}${}", whole(v)) } else { format!("{sign}${v:.2}") }
}

fn whole(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut out = String::new();
    for (index, c) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// A probability cut, not rounded, to two places, so that 0.949 is not shown as the needed 0.95.
fn chance(p: f64) -> String {
    if p > 0.99 { "P > 0.99".into() } else { format!("P = {:.2}", (p * 100.0).floor() / 100.0) }
}

fn month(candidate: Option<&Candidate>) -> Option<f64> {
    candidate?.median_usd_per_month()
}

fn side_name(side: Side) -> &'static str {
    match side {
        Side::Gpu => "GPU",
        Side::Cpu => "CPU",
    }
}

/// The first sentence: verdict, money, probability.
pub(super) fn headline(outcome: &Outcome) -> String {
    let name = |c: Option<&Candidate>| c.map_or("no size", |c| c.sku.name.as_str()).to_owned();
    let (gpu, cpu) = (name(outcome.gpu), name(outcome.cpu));
    let Some((contest, g, c)) = outcome
        .contest
        .zip(month(outcome.gpu).zip(month(outcome.cpu)))
        .map(|(contest, (g, c))| (contest, g, c))
    else {
        return one_sided(outcome, &gpu, &cpu);
    };
    let saves = |winner: &str, from: f64, to: f64, loser: &str| {
        format!(
            "{winner} at {} a month instead of {} on {loser} saves {}",
            dollars(to),
            dollars(from),
            dollars(from - to)
        )
    };
    match outcome.verdict {
        Kind::Gpu => {
            format!("gpu: {} ({})", saves(&gpu, c, g, &cpu), chance(contest.probability_gpu()))
        }
        Kind::SharedGpu => format!(
            "shared-gpu: {}, {}, {} ({}); a whole GPU would not",
            outcome.gpu.map_or_else(String::new, Candidate::device),
            "billed as a share",
            saves(&gpu, c, g, &cpu),
            chance(contest.probability_gpu())
        ),
        Kind::Cpu => {
            format!("cpu: {} ({})", saves(&cpu, g, c, &gpu), chance(contest.probability_cpu()))
        }
        Kind::Either => format!(
            "either: {gpu} at {} and {cpu} at {} a month are within the margin",
            dollars(g),
            dollars(c)
        ),
        Kind::MeasureFirst => {
            let lean = contest.lean();
            let p = match lean {
                Side::Gpu => contest.probability_gpu(),
                Side::Cpu => contest.probability_cpu(),
            };
            let but = outcome
                .smaller_cpu
                .map(|c| format!("; a size smaller than {} could undo it", c.sku.name));
            format!(
                "measure first: leans {}, {}, about {} a month ({gpu} {}, {cpu} {}){}",
                side_name(lean).to_lowercase(),
                chance(p),
                dollars(-(g - c).abs()),
                dollars(g),
                dollars(c),
                but.unwrap_or_default()
            )
        }
    }
}

fn one_sided(outcome: &Outcome, gpu: &str, cpu: &str) -> String {
    match (outcome.verdict, month(outcome.gpu), month(outcome.cpu)) {
        (Kind::Gpu, Some(g), _) => {
            format!("gpu: no CPU size can do it; {gpu} costs {} a month", dollars(g))
        }
        (Kind::Cpu, _, Some(c)) => {
            format!("cpu: no GPU size can do it; {cpu} costs {} a month", dollars(c))
        }
        (_, Some(g), None) => format!(
            "measure first: {gpu} would cost {} a month; no CPU size can be judged",
            dollars(g)
        ),
        (_, None, Some(c)) => format!(
            "measure first: {cpu} would cost {} a month; no GPU size can be judged",
            dollars(c)
        ),
        _ => "measure first: no size of either kind can be judged".into(),
    }
}

/// What limits, where the numbers come from, and what the win rests on.
pub(super) fn sentences(outcome: &Outcome) -> Vec<String> {
    let mut out = Vec::new();
    for candidate in [outcome.gpu, outcome.cpu].into_iter().flatten() {
        out.extend(evidence(candidate));
    }
    if let Some(whole) = outcome.whole_gpu
        && let Some(usd) = whole.median_usd_per_month()
    {
        out.push(format!(
            "The cheapest whole GPU, {}, would cost {} a month.",
            whole.sku.name,
            dollars(usd)
        ));
    }
    if let Some(cpu) = outcome.smaller_cpu {
        out.push(format!(
            "The GPU's win rests on the catalog holding no CPU size of the series of {} that fits \
             this demand better; look up the price of a smaller one and give it with --prices \
             (with its vcpus, and like = {}).",
            cpu.sku.name, cpu.sku.name
        ));
    }
    out
}

fn evidence(candidate: &Candidate) -> Option<String> {
    let job = candidate.job.as_ref()?;
    let (_, binding) = job.throughput();
    let origin = match job.origin {
        Origin::Declared => "declared by the workload",
        Origin::Measured => "measured on that size",
        Origin::Predicted => "predicted from a measured device",
        Origin::Prior => "estimated from published results, nothing of that kind was measured",
    };
    let (nodes, used) = candidate.nodes()?;
    Some(format!(
        "On {} ({}) {} sets the pace; its times are {origin}; {nodes:.0} {} busy {:.0} % of the time.",
        candidate.sku.name,
        candidate.device(),
        super::explain::resource_name(binding),
        if nodes == 1.0 { "node is" } else { "nodes are" },
        100.0 * used
    ))
}

/// Why the verdict is what it is, in codes: the winner's binding and the loser's obstacles.
pub(super) fn reasons(outcome: &Outcome, candidates: &[Candidate]) -> Vec<Reason> {
    let mut out: Vec<Reason> = Vec::new();
    if let Some(cpu) = outcome.smaller_cpu {
        let text = format!("a size smaller than {} would fit; its price is unknown", cpu.sku.name);
        out.push(reason("price-unknown", text));
    }
    for (side, best) in [(Side::Gpu, outcome.gpu), (Side::Cpu, outcome.cpu)] {
        if let Some(best) = best {
            for r in best.row().reasons {
                out.push(reason(&r.code, format!("{}: {}", best.sku.name, r.text)));
            }
            continue;
        }
        let mut seen: Vec<&str> = Vec::new();
        for c in candidates.iter().filter(|c| c.side == side && c.standing != Standing::Eligible) {
            for r in &c.reasons {
                if !seen.contains(&r.code.as_str()) {
                    seen.push(&r.code);
                    out.push(reason(
                        &r.code,
                        format!("{} sizes, e.g. {}: {}", side_name(side), c.sku.name, r.text),
                    ));
                }
            }
        }
    }
    out
}

/// Measurements that would settle it: what adds most uncertainty for its price first.
pub(super) fn suggestions(outcome: &Outcome, workload: &str, options: &Options) -> Vec<Suggestion> {
    if outcome.verdict != Kind::MeasureFirst {
        return Vec::new();
    }
    let mut list: Vec<(f64, Suggestion)> = [outcome.gpu, outcome.cpu]
        .into_iter()
        .flatten()
        .filter_map(|c| {
            let job = c.job.as_ref()?;
            if !matches!(job.origin, Origin::Predicted | Origin::Prior) {
                return None;
            }
            let (x, _) = job.throughput();
            let spread = (x.hi90 / x.lo90).sqrt();
            if spread < WORTH_MEASURING {
                return None;
            }
            let minutes = if c.side == Side::Gpu { GPU_MINUTES } else { CPU_MINUTES };
            let usd = c.usd_per_h.map(|p| p * minutes / 60.0);
            let gain = spread.ln().powi(2) / usd.unwrap_or(1.0).max(0.05);
            Some((
                gain,
                Suggestion {
                    sku: c.sku.name.clone(),
                    command: format!("breakeven advise {workload} --sku {}", c.sku.name),
                    minutes,
                    usd,
                    why: format!(
                        "its speed is known only within a factor of {} either way; the margin \
                         asked for is {:.0} %",
                        number(spread),
                        100.0 * options.margin
                    ),
                },
            ))
        })
        .collect();
    list.sort_by(|a, b| b.0.total_cmp(&a.0));
    list.into_iter().map(|(_, s)| s).collect()
}
