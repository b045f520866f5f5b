//! Which measurements would settle a verdict: the share of the doubt that each would remove for
//! its dollars, and how likely it settles the matter alone.
//!
//! Closed form. The log cost ratio has variance σ² = σ_gpu² + σ_cpu² + σ_io². A measurement leaves
//! of one side's σ the part that a measured time still has, so it removes σ_side² · (1 − r²). What
//! it will show is normal around today's ratio with the removed variance; it settles the verdict
//! where what it shows is further from the margin than 1.645 of what is left.

use super::candidate::{Candidate, Standing};
use super::judge::{Outcome, phi};
use super::words::number;
use super::{Kind, Options, Side, Suggestion};
use crate::cost::node::JobOn;
use crate::cost::{Level, Origin, Z95};

/// Minutes of a measurement on a node that has started: image, the workload's cases; a GPU's
/// implementations are tuned first.
const GPU_MINUTES: f64 = 7.0;
const CPU_MINUTES: f64 = 5.0;
/// Runs of each stage that a measurement takes at least.
const LEAST_RUNS: f64 = 3.0;
/// Interval factor of a time measured on the very size.
const MEASURED: f64 = 1.15;
/// Interval factor of a time predicted from another size with the same chip.
const SAME_CHIP: f64 = 1.3;
/// A size with the same chip is worth naming beside the best one only where it costs less than
/// this share of it.
const CHEAPER: f64 = 0.6;
/// A measurement that removes less than this share of the doubt is not advised.
const LEAST_REMOVED: f64 = 0.01;

/// The doubt in the log cost ratio and where it comes from, towards the side that could undo the
/// lean.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Doubt {
    log_ratio: f64,
    log_margin: f64,
    gpu: f64,
    cpu: f64,
    io: f64,
}

impl Doubt {
    fn of(outcome: &Outcome) -> Option<Self> {
        let (contest, gpu, cpu) = (outcome.contest?, outcome.gpu?, outcome.cpu?);
        let cost = |c: &Candidate, d, io| c.usd_per_month_at(c.jobs_per_day, d, io);
        let (g_level, c_level) = match contest.lean() {
            Side::Gpu => (Level::Hi, Level::Lo),
            Side::Cpu => (Level::Lo, Level::Hi),
        };
        let own = |c: &Candidate, level| {
            let moved = cost(c, level, Level::Mid)? / cost(c, Level::Mid, Level::Mid)?;
            Some(moved.ln().abs() / Z95)
        };
        let (gpu_sigma, cpu_sigma) = (own(gpu, g_level)?, own(cpu, c_level)?);
        let total = match contest.lean() {
            Side::Gpu => contest.sigma_down,
            Side::Cpu => contest.sigma_up,
        };
        // What is left of the whole is the error of network and disk, common to both.
        let io = (total.powi(2) - gpu_sigma.powi(2) - cpu_sigma.powi(2)).max(0.0).sqrt();
        Some(Self {
            log_ratio: contest.log_ratio,
            log_margin: contest.log_margin,
            gpu: gpu_sigma,
            cpu: cpu_sigma,
            io,
        })
    }

    fn variance(&self) -> f64 {
        self.gpu.powi(2) + self.cpu.powi(2) + self.io.powi(2)
    }

    /// This doubt with one side's part reduced to `left` of it.
    fn after(self, side: Side, left: f64) -> Self {
        match side {
            Side::Gpu => Self { gpu: self.gpu * left, ..self },
            Side::Cpu => Self { cpu: self.cpu * left, ..self },
        }
    }

    /// Share of this doubt that is gone in `after`; 0 where there was none.
    fn removed(&self, after: &Self) -> f64 {
        let before = self.variance();
        if before > 0.0 { 1.0 - after.variance() / before } else { 0.0 }
    }

    /// P that measurements which reduce this doubt to `after` make the verdict clear: `gpu`,
    /// `cpu` or `either`.
    fn settles(&self, after: &Self) -> f64 {
        let shown = (self.variance() - after.variance()).max(0.0).sqrt();
        let clear = Z95 * after.variance().sqrt();
        let above = |threshold: f64| {
            if shown > 0.0 {
                phi((self.log_ratio - threshold) / shown)
            } else {
                f64::from(u8::from(self.log_ratio >= threshold))
            }
        };
        let (win, inside) = (self.log_margin + clear, self.log_margin - clear);
        let either = if inside > 0.0 { above(-inside) - above(inside) } else { 0.0 };
        above(win) + (1.0 - above(-win)) + either
    }
}

/// One measurement under consideration.
struct Choice<'c, 'a> {
    on: &'c Candidate<'a>,
    side: Side,
    /// Part of the side's standard deviation that is left.
    left: f64,
    usd: Option<f64>,
    minutes: f64,
    same_size: bool,
}

/// Measurements that would settle it, the largest share of the doubt removed for a dollar first,
/// and sentences on what they could do together. `workload` is what the program was given, a
/// built-in name or a path. A speed known better than the margin is not worth measuring, nor is one
/// side while the other cannot be judged.
pub(super) fn suggestions(
    outcome: &Outcome,
    candidates: &[Candidate],
    workload: &str,
    options: &Options,
) -> (Vec<Suggestion>, Vec<String>) {
    if outcome.verdict != Kind::MeasureFirst {
        return (Vec::new(), Vec::new());
    }
    let Some(doubt) = Doubt::of(outcome) else { return (Vec::new(), Vec::new()) };
    let mut list: Vec<Choice> = Vec::new();
    for best in [outcome.gpu, outcome.cpu].into_iter().flatten() {
        list.extend(on_side(best, candidates, options));
    }
    let removed = |o: &Choice| doubt.removed(&doubt.after(o.side, o.left));
    if doubt.variance() > 0.0 {
        // With no doubt in a side's cost its speed may still miss a latency objective.
        list.retain(|o| removed(o) >= LEAST_REMOVED);
    }
    let per_usd = |o: &Choice| removed(o) / o.usd.unwrap_or(f64::INFINITY).max(0.01);
    list.sort_by(|a, b| {
        per_usd(b).total_cmp(&per_usd(a)).then_with(|| a.on.sku.name.cmp(&b.on.sku.name))
    });
    let sentences = together(&list, &doubt);
    let told = list.iter().map(|o| suggestion(o, &doubt, workload, options)).collect();
    (told, sentences)
}

/// Minutes of a measurement on a new node: its start, then [`GPU_MINUTES`] or [`CPU_MINUTES`], or
/// [`LEAST_RUNS`] runs of all stages where these, `once_s` seconds each, take longer.
pub(super) fn minutes(gpu: bool, once_s: f64, options: &Options) -> f64 {
    let usual = if gpu { GPU_MINUTES } else { CPU_MINUTES };
    60.0 * options.settings.start_up_h(gpu) + usual.max(LEAST_RUNS * once_s / 60.0)
}

/// Seconds of one call of each compute stage of `job`, by medians: what is timed is calls, not jobs.
pub(super) fn once_s(job: &JobOn) -> f64 {
    job.stages.iter().map(|stage| stage.latency_s.median).sum()
}

/// The best size of a side, and the cheapest one with the same chip where that is much cheaper.
fn on_side<'c, 'a>(
    best: &'c Candidate<'a>,
    candidates: &'c [Candidate<'a>],
    options: &Options,
) -> Vec<Choice<'c, 'a>> {
    let Some(job) = &best.job else { return Vec::new() };
    if !matches!(job.origin, Origin::Predicted | Origin::Prior) {
        return Vec::new();
    }
    let Some(x) = best.throughput() else { return Vec::new() };
    let spread = (x.hi90 / x.lo90).sqrt();
    if spread * (1.0 - options.margin) <= 1.0 {
        return Vec::new();
    }
    let gpu = best.side == Side::Gpu;
    let option = |on: &'c Candidate<'a>, factor: f64| {
        let minutes = minutes(gpu, once_s(on.job.as_ref().unwrap_or(job)), options);
        Choice {
            on,
            side: best.side,
            left: (factor.ln() / spread.ln()).min(1.0),
            usd: on.usd_per_h.map(|p| p * minutes / 60.0),
            minutes,
            same_size: on.sku.name == best.sku.name,
        }
    };
    let same_chip = |c: &&Candidate| {
        let chip = |c: &Candidate| match c.side {
            Side::Gpu => c.sku.gpu_model.clone(),
            Side::Cpu => c.sku.cpu_model.clone(),
        };
        c.standing == Standing::Eligible
            && c.side == best.side
            && !c.fractional()
            && chip(c).is_some()
            && chip(c) == chip(best)
    };
    let mut found = vec![option(best, MEASURED)];
    let cheapest = candidates
        .iter()
        .filter(same_chip)
        .filter_map(|c| Some((c.usd_per_h?, c)))
        .min_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.1.sku.name.cmp(&b.1.sku.name)));
    if let (Some((usd, cheap)), Some(price)) = (cheapest, best.usd_per_h)
        && usd < CHEAPER * price
        && !best.fractional()
    {
        found.push(option(cheap, SAME_CHIP));
    }
    found
}

fn suggestion(o: &Choice, doubt: &Doubt, workload: &str, options: &Options) -> Suggestion {
    let after = doubt.after(o.side, o.left);
    let (removed, settles) = (doubt.removed(&after), doubt.settles(&after));
    let spread = o.on.throughput().map_or(1.0, |x| (x.hi90 / x.lo90).sqrt());
    let mut why = format!(
        "its speed is known only within a factor of {} either way; the margin asked for is {:.0} %",
        number(spread),
        100.0 * options.margin
    );
    if !o.same_size {
        why = format!("the same chip as the best size, on a smaller node; {why}");
    }
    if let Some(stage) = dominant_stage(o.on) {
        why = format!("{why}; most of it is stage {stage}");
    }
    let known = doubt.variance() > 0.0;
    if known {
        why = format!("{why}; removes {:.0} % of the doubt, {}", 100.0 * removed, alone(settles));
    }
    let quoted = workload.contains(char::is_whitespace);
    let workload = if quoted { format!("'{workload}'") } else { workload.to_owned() };
    Suggestion {
        sku: o.on.sku.name.clone(),
        command: format!("breakeven advise {workload} --sku {}", o.on.sku.name),
        minutes: o.minutes,
        usd: o.usd,
        why,
        removes: known.then_some(removed),
        settles: known.then_some(settles),
    }
}

/// What one measurement can do by itself.
fn alone(settles: f64) -> String {
    let p = percent(settles);
    match settles {
        s if s >= 0.9 => format!("and would settle the verdict alone ({p})"),
        s if s >= 0.5 => format!("and may settle the verdict alone ({p})"),
        _ => format!("but alone would probably not settle the verdict ({p})"),
    }
}

/// A probability in whole per cent; never 0 or 100, which would be certainty.
fn percent(p: f64) -> String {
    match 100.0 * p {
        p if p < 1.0 => "under 1 %".into(),
        p if p > 99.0 => "over 99 %".into(),
        p => format!("{p:.0} %"),
    }
}

/// What all measurements together could settle, and what none of them reaches.
fn together(list: &[Choice], doubt: &Doubt) -> Vec<String> {
    let mut out = Vec::new();
    let least = |side: Side| {
        let left = list.iter().filter(|o| o.side == side).map(|o| o.left);
        left.fold(1.0, f64::min)
    };
    let sides = [Side::Gpu, Side::Cpu].into_iter().filter(|s| least(*s) < 1.0).count();
    let after = doubt.after(Side::Gpu, least(Side::Gpu)).after(Side::Cpu, least(Side::Cpu));
    let settles = doubt.settles(&after);
    if sides == 2 {
        out.push(format!(
            "Measuring the best size of both kinds would settle it with a chance of {}.",
            percent(settles)
        ));
    }
    if doubt.variance() > 0.0 && doubt.io.powi(2) >= 0.5 * doubt.variance() {
        out.push(format!(
            "The rate of network or disk makes {:.0} % of the doubt: measure it and give \
             io_bytes_per_s.",
            100.0 * doubt.io.powi(2) / doubt.variance()
        ));
    } else if !list.is_empty() && settles < 0.5 {
        out.push(
            "Even so it may stay undecided: the two cost about as much as the margin apart; either \
             choice then costs little."
                .into(),
        );
    }
    out
}

/// The stage that most of the error of a size's time comes from: time × log width; `None` where
/// there is one stage, or no stage with half of it.
fn dominant_stage(candidate: &Candidate) -> Option<String> {
    let stages = &candidate.job.as_ref()?.stages;
    let part = |s: &crate::cost::stage::StageOn| {
        let width =
            if s.device_s.lo90 > 0.0 { (s.device_s.hi90 / s.device_s.lo90).ln() } else { 0.0 };
        s.calls * s.device_s.median * width
    };
    let total: f64 = stages.iter().map(part).sum();
    let most = stages.iter().max_by(|a, b| part(a).total_cmp(&part(b)))?;
    (stages.len() > 1 && part(most) > 0.5 * total).then(|| most.label.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn doubt(log_ratio: f64, gpu: f64, cpu: f64) -> Doubt {
        Doubt { log_ratio, log_margin: -(0.9f64).ln(), gpu, cpu, io: 0.0 }
    }

    #[test]
    fn a_measurement_removes_its_side_s_variance_and_settles_by_what_is_left() {
        // σ_gpu 0.4, σ_cpu 0.3: variance 0.16 + 0.09 = 0.25. The GPU's reduced to a quarter:
        // 0.01 + 0.09 = 0.10 is left, so 60 % is removed.
        let now = doubt(0.2, 0.4, 0.3);
        let after = now.after(Side::Gpu, 0.25);
        assert!((now.removed(&after) - 0.6).abs() < 1e-12);
        // Shown: N(0.2, 0.15), σ 0.387298. Clear beyond 0.105361 + 1.644854 · 0.316228 = 0.625509:
        // P(above) = Φ((0.2 − 0.625509) / 0.387298) = Φ(−1.098660) = 0.135958;
        // P(below) = Φ((−0.625509 − 0.2) / 0.387298) = Φ(−2.131457) = 0.016526.
        assert!((now.settles(&after) - 0.152_484).abs() < 1e-4, "{}", now.settles(&after));
    }

    #[test]
    fn without_any_doubt_left_it_is_settled() {
        let now = doubt(0.05, 0.4, 0.0);
        let after = now.after(Side::Gpu, 0.0);
        // Nothing is left, so whatever it shows is clear: gpu, cpu or either.
        assert!((now.settles(&after) - 1.0).abs() < 1e-6);
        assert!(now.settles(&now) < 1e-9, "nothing measured settles nothing");
    }

    #[test]
    fn chances_are_never_certainty() {
        assert_eq!(percent(0.999), "over 99 %");
        assert_eq!(percent(0.0001), "under 1 %");
        assert_eq!(percent(0.42), "42 %");
    }
}
