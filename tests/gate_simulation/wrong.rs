//! Comparisons that gates are often built from, to show what they do to identical programs.

use breakeven::gate::random::Random;
use breakeven::stats::proportion::student_t_quantile;
use rayon::prelude::*;

/// A wrong way to compare two arms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    /// Eight processes an arm, order balanced; all their samples in one Welch t test at 5 %.
    PooledSamples,
    /// Eight processes of the base, then eight of the candidate, on a machine that slows down by a
    /// tenth of the processes' deviation with each: Welch's t of their medians at 5 %.
    SequentialOrder,
    /// One process an arm: Welch's t of their samples at 5 % and the 95 % interval of the change
    /// outside ± 1 %. criterion's rule with normal quantiles in place of its bootstrap.
    Criterion,
    /// One process an arm: Welch's t of their samples at 5 %.
    Welch,
}

/// Every wrong way.
pub const WRONG: [Wrong; 4] =
    [Wrong::PooledSamples, Wrong::SequentialOrder, Wrong::Criterion, Wrong::Welch];

/// Samples of a process, as criterion takes.
const SAMPLES: usize = 100;

/// Log times of one process: deviation `within` around a centre that deviates by `between`.
fn process(within: f64, between: f64, random: &mut Random) -> Vec<f64> {
    let centre = between * random.normal();
    (0..SAMPLES).map(|_| centre + within * random.normal()).collect()
}

/// Mean, and squared standard error of the mean.
fn moments(values: &[f64]) -> (f64, f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
    (mean, variance / n, n)
}

/// Difference of the means and half the width of Welch's 95 % interval.
fn welch(base: &[f64], cand: &[f64]) -> (f64, f64) {
    let ((b, vb, nb), (c, vc, nc)) = (moments(base), moments(cand));
    let freedom = (vb + vc).powi(2) / (vb * vb / (nb - 1.0) + vc * vc / (nc - 1.0));
    let t = student_t_quantile(0.975, freedom).expect("positive degrees of freedom");
    (c - b, t * (vb + vc).sqrt())
}

/// Whether identical programs are told apart in one comparison.
fn alarms(wrong: Wrong, within: f64, between: f64, random: &mut Random) -> bool {
    let (difference, half) = match wrong {
        Wrong::PooledSamples => {
            let mut arm =
                || -> Vec<f64> { (0..8).flat_map(|_| process(within, between, random)).collect() };
            welch(&arm(), &arm())
        }
        Wrong::SequentialOrder => {
            let medians: Vec<f64> = (0..16)
                .map(|at| f64::from(at) * 0.1 * between + between * random.normal())
                .collect();
            welch(&medians[..8], &medians[8..])
        }
        Wrong::Criterion | Wrong::Welch => {
            let base = process(within, between, random);
            welch(&base, &process(within, between, random))
        }
    };
    let noise = if wrong == Wrong::Criterion { 0.01 } else { 0.0 };
    difference.abs() - half > noise
}

/// Alarms among `trials` comparisons of identical programs.
pub fn false_alarms(wrong: Wrong, within: f64, between: f64, trials: u64) -> u64 {
    let one = |trial: u64| {
        let mut random = Random::new(Random::new(trial).bits());
        u64::from(alarms(wrong, within, between, &mut random))
    };
    (0..trials).into_par_iter().map(one).sum()
}
