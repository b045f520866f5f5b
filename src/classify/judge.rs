//! Probability and verdict from the best candidate of each side.

use super::bill::cheaper;
use super::candidate::{Candidate, GPU_UNUSED, Standing};
use super::steps::Steps;
use super::{Kind, Options, Side};
use crate::cost::{Level, Z95};

/// Needed probability of a clear verdict.
const SURE: f64 = 0.95;

/// How the two sides compare: log of CPU cost over GPU cost, by median and with its spread.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Contest {
    /// ln(CPU ÷ GPU) of the monthly medians; above 0 the GPU is cheaper.
    pub log_ratio: f64,
    /// Standard deviation towards a dearer GPU or cheaper CPU.
    pub sigma_down: f64,
    /// Standard deviation towards a cheaper GPU or dearer CPU.
    pub sigma_up: f64,
    /// P that a job on the best GPU size keeps the latency objective, deadline or window.
    pub gpu_in_time: f64,
    /// P that the best CPU size does.
    pub cpu_in_time: f64,
    /// ln(1 / (1 − margin)).
    pub log_margin: f64,
    /// Steps of whole nodes of the GPU's cost: dearer, cheaper.
    pub gpu_steps: [Steps; 2],
    /// The same of the CPU's.
    pub cpu_steps: [Steps; 2],
}

impl Contest {
    /// Compares the best of both; `None` where a cost is unknown.
    ///
    /// Each side's own error is one error; network and disk are the same error on both sides, so
    /// they are moved together.
    pub fn new(
        gpu: &Candidate,
        cpu: &Candidate,
        limit_s: Option<f64>,
        margin: f64,
    ) -> Option<Self> {
        let cost = |c: &Candidate, device, io| c.usd_per_month_at(c.jobs_per_day, device, io);
        let (g, c) = (cost(gpu, Level::Mid, Level::Mid)?, cost(cpu, Level::Mid, Level::Mid)?);
        let spread = |a: f64, b: f64| (a / b).ln().abs() / Z95;
        let log_ratio = (c / g).ln();
        let mut io_spread = 0.0_f64;
        for io in [Level::Lo, Level::Hi] {
            let moved = (cost(cpu, Level::Mid, io)? / cost(gpu, Level::Mid, io)?).ln();
            io_spread = io_spread.max((moved - log_ratio).abs() / Z95);
        }
        let sigma = |g_level, c_level| -> Option<f64> {
            let own = spread(cost(gpu, g_level, Level::Mid)?, g);
            let other = spread(cost(cpu, c_level, Level::Mid)?, c);
            Some((own * own + other * other + io_spread * io_spread).sqrt())
        };
        let steps = |c: &Candidate, median| {
            let at = |level| cost(c, level, Level::Mid);
            Some([Steps::new(median, 1, at)?, Steps::new(median, -1, at)?])
        };
        let in_time = |c: &Candidate| {
            let (Some(limit_s), Some(job)) = (limit_s, &c.job) else { return 1.0 };
            let latency = job.latency();
            phi_of((limit_s / latency.median).ln(), spread(latency.hi90, latency.median))
        };
        Some(Self {
            log_ratio,
            sigma_down: sigma(Level::Hi, Level::Lo)?,
            sigma_up: sigma(Level::Lo, Level::Hi)?,
            gpu_in_time: in_time(gpu),
            cpu_in_time: in_time(cpu),
            log_margin: -(1.0 - margin).ln(),
            gpu_steps: steps(gpu, g)?,
            cpu_steps: steps(cpu, c)?,
        })
    }

    /// P(true log ratio ≥ `threshold`) of the two-piece normal.
    fn above(&self, threshold: f64) -> f64 {
        let distance = self.log_ratio - threshold;
        phi_of(distance, if distance >= 0.0 { self.sigma_down } else { self.sigma_up })
    }

    /// P that the GPU is cheaper by the margin (and in time).
    pub fn probability_gpu(&self) -> f64 {
        let p = self.above(self.log_margin).min(self.stays_above(self.log_margin));
        p * self.gpu_in_time
    }

    /// P that the CPU is cheaper by the margin (and in time).
    pub fn probability_cpu(&self) -> f64 {
        let p = (1.0 - self.above(-self.log_margin)).min(self.stays_below(-self.log_margin));
        p * self.cpu_in_time
    }

    /// P that neither is cheaper by the margin (and both are in time).
    pub fn probability_either(&self) -> f64 {
        let inside = self.above(-self.log_margin) - self.above(self.log_margin);
        let inside = inside.min(self.stays_above(-self.log_margin));
        inside.min(self.stays_below(self.log_margin)) * self.gpu_in_time * self.cpu_in_time
    }

    /// P that neither side's cost alone takes a step that brings the log ratio from above
    /// `threshold` to it; 1 where it is below already.
    fn stays_above(&self, threshold: f64) -> f64 {
        let headroom = self.log_ratio - threshold;
        if headroom < 0.0 {
            return 1.0;
        }
        let [dearer_gpu, _] = self.gpu_steps;
        let [_, cheaper_cpu] = self.cpu_steps;
        dearer_gpu.stays_within(headroom).min(cheaper_cpu.stays_within(headroom))
    }

    /// The reverse: P that no step brings the log ratio from below `threshold` to it.
    fn stays_below(&self, threshold: f64) -> f64 {
        let headroom = threshold - self.log_ratio;
        if headroom < 0.0 {
            return 1.0;
        }
        let [_, cheaper_gpu] = self.gpu_steps;
        let [dearer_cpu, _] = self.cpu_steps;
        cheaper_gpu.stays_within(headroom).min(dearer_cpu.stays_within(headroom))
    }

    /// Who is cheaper by median.
    pub fn lean(&self) -> Side {
        if self.log_ratio > 0.0 { Side::Gpu } else { Side::Cpu }
    }

    /// What these probabilities make of it.
    pub fn verdict(&self) -> Kind {
        if self.probability_gpu() >= SURE {
            Kind::Gpu
        } else if self.probability_cpu() >= SURE {
            Kind::Cpu
        } else if self.probability_either() >= SURE {
            Kind::Either
        } else {
            Kind::MeasureFirst
        }
    }

    /// Factor on the GPU's price up to which the verdict is `gpu`; `None` where it may be too
    /// late at any price.
    pub fn price_factor_gpu(&self) -> Option<f64> {
        let z = z_of(SURE / self.gpu_in_time)?;
        let steps = self.gpu_steps[0].headroom_for(z).max(self.cpu_steps[1].headroom_for(z));
        Some((self.log_ratio - self.log_margin - steps.max(z * self.sigma_down)).exp())
    }

    /// Factor on the GPU's price from which the verdict is `cpu`; `None` where the CPU may be too
    /// late.
    pub fn price_factor_cpu(&self) -> Option<f64> {
        let z = z_of(SURE / self.cpu_in_time)?;
        let steps = self.gpu_steps[1].headroom_for(z).max(self.cpu_steps[0].headroom_for(z));
        Some((self.log_ratio + self.log_margin + steps.max(z * self.sigma_up)).exp())
    }
}

/// The outcome before it is put into words.
#[derive(Debug, Clone)]
pub(super) struct Outcome<'c, 'a> {
    pub verdict: Kind,
    /// There are no jobs to decide about.
    pub idle: bool,
    /// The only thing against the GPU sizes is that no stage would use one.
    pub gpu_unused: bool,
    pub gpu: Option<&'c Candidate<'a>>,
    pub cpu: Option<&'c Candidate<'a>>,
    pub contest: Option<Contest>,
    /// Cheapest whole-GPU size, where a share of a GPU won only by being one.
    pub whole_gpu: Option<&'c Candidate<'a>>,
}

/// Chooses each side's size by median cost, then judges.
pub(super) fn judge<'c, 'a>(
    candidates: &'c [Candidate<'a>],
    limit_s: Option<f64>,
    options: &Options,
) -> Outcome<'c, 'a> {
    let margin = options.margin;
    let cpu = best(candidates, |c| c.side == Side::Cpu);
    let gpu = best(candidates, |c| c.side == Side::Gpu);
    // Without a job there is nothing to win: each size would only be paid for standing idle.
    let idle = candidates.iter().all(|c| c.jobs_per_day <= 0.0);
    let contest = |gpu: Option<&Candidate>| {
        if idle { None } else { Contest::new(gpu?, cpu?, limit_s, margin) }
    };
    let with = |gpu: Option<&Candidate>| match contest(gpu) {
        Some(contest) => contest.verdict(),
        None if idle => Kind::MeasureFirst,
        None => one_sided(candidates, gpu.is_some(), cpu.is_some()),
    };
    let mut outcome = Outcome {
        verdict: with(gpu),
        idle,
        gpu_unused: candidates.iter().any(|c| c.has(GPU_UNUSED)),
        gpu,
        cpu,
        contest: contest(gpu),
        whole_gpu: None,
    };
    if outcome.verdict == Kind::Gpu && gpu.is_some_and(Candidate::fractional) {
        let whole = best(candidates, |c| c.side == Side::Gpu && !c.fractional());
        let wins_whole = whole.is_some() && with(whole) == Kind::Gpu;
        if !wins_whole {
            outcome.verdict = Kind::SharedGpu;
            outcome.whole_gpu = whole;
        }
    }
    outcome
}

/// A side without a candidate loses only where every size of it violates a hard constraint.
fn one_sided(candidates: &[Candidate], gpu: bool, cpu: bool) -> Kind {
    let hopeless = |side| {
        let mut sizes = candidates.iter().filter(|c| c.side == side).peekable();
        sizes.peek().is_some() && sizes.all(|c| c.standing == Standing::Infeasible)
    };
    if gpu && !cpu && hopeless(Side::Cpu) {
        Kind::Gpu
    } else if cpu && !gpu && hopeless(Side::Gpu) {
        Kind::Cpu
    } else {
        Kind::MeasureFirst
    }
}

/// The eligible candidate of least median cost at the demand, ties as [`cheaper`] breaks them.
pub(super) fn best<'c, 'a>(
    candidates: &'c [Candidate<'a>],
    wanted: impl Fn(&Candidate) -> bool,
) -> Option<&'c Candidate<'a>> {
    candidates
        .iter()
        .filter(|c| c.standing == Standing::Eligible && wanted(c))
        .filter_map(|c| Some((c.median_usd_per_month()?, c)))
        .min_by(|a, b| cheaper(*a, *b))
        .map(|(_, c)| c)
}

/// Φ(distance / sigma), with the step at sigma 0 (a distance of 0 counts as above).
fn phi_of(distance: f64, sigma: f64) -> f64 {
    if sigma > 0.0 {
        phi(distance / sigma)
    } else if distance >= 0.0 {
        1.0
    } else {
        0.0
    }
}

/// The z of which Φ is `probability` (at least 0.5), by halving; `None` from 1 on.
fn z_of(probability: f64) -> Option<f64> {
    if probability <= SURE {
        return Some(Z95);
    }
    let (mut low, mut high) = (Z95, 8.0);
    for _ in 0..50 {
        let middle = (low + high) / 2.0;
        if phi(middle) < probability { low = middle } else { high = middle }
    }
    (probability < 1.0).then_some(high)
}

/// Standard normal distribution function, absolute error below 8e-8 (Abramowitz and Stegun
/// 26.2.17).
pub(super) fn phi(z: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.231_641_9 * z.abs());
    let poly = t
        * (0.319_381_530
            + t * (-0.356_563_782
                + t * (1.781_477_937 + t * (-1.821_255_978 + t * 1.330_274_429))));
    let tail = poly * (-z * z / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
    if z >= 0.0 { 1.0 - tail } else { tail }
}
