//! The smallest slow-down that a row would have shown, from the noise that it saw.

use super::random::Random;
use super::rules::Rules;
use crate::stats::signed_rank::{Walsh, critical};

/// Imagined runs. Their share that sees the effect is known to ± 1 percentage point.
const RUNS: usize = 1000;
/// Share of runs that must see it.
const POWER: f64 = 0.9;

/// Smallest slow-down, as a share, that both stages together would have confirmed in 90 % of runs
/// with noise as in `stages` (log ratios of the rounds, by stage). `None` with fewer than four
/// rounds, or where the rounds of the rules cannot reach their level.
///
/// Runs are imagined by drawing the rounds' distances from their stage's centre anew, with random
/// signs, since the test assumes symmetry. Few rounds know their spread badly, so each imagined run
/// has a spread of its own, drawn as for normal noise: σ²·(f/χ²_f). That makes it a prediction for
/// runs to come and not merely a fit to the rounds that were. In one imagined run the effects that
/// are confirmed are those above a threshold, because a shift of all rounds shifts the estimates
/// and bounds by as much; so the answer is the 90 % quantile of the thresholds.
pub fn detectable(stages: &[Vec<f64>], rules: &Rules, tests: usize, margin: f64) -> Option<f64> {
    let (noise, freedom) = residuals(stages)?;
    let margin = margin.ln_1p();
    let [first, second] = [rules.screen_rounds, rules.confirm_rounds].map(|n| n as usize);
    let screen = critical(first, rules.alpha_screen)?;
    let confirm = critical(second, rules.alpha_confirm / tests.max(1) as f64)?;
    let mut random = Random::new(0);
    let mut thresholds = Vec::with_capacity(RUNS);
    for _ in 0..RUNS {
        let chi_squared: f64 = (0..freedom).map(|_| random.normal().powi(2)).sum();
        let spread = (freedom as f64 / chi_squared).sqrt();
        let mut stage = |n: usize| {
            let mut draw = |_| {
                let sign = if random.bits() >> 63 == 0 { spread } else { -spread };
                sign * noise[random.below(noise.len())]
            };
            Walsh::new(&(0..n).map(&mut draw).collect::<Vec<_>>())
        };
        let (mut screening, mut confirming) = (stage(first)?, stage(second)?);
        let suspected = (-screening.lower_at(screen)).max(margin / 2.0 - screening.estimate());
        thresholds.push(suspected.max(margin - confirming.lower_at(confirm)));
    }
    let rank = (POWER * RUNS as f64).ceil() as usize;
    let (_, threshold, _) = thresholds.select_nth_unstable_by(rank, f64::total_cmp);
    Some(threshold.exp_m1()).filter(|share| share.is_finite())
}

/// Distances of all rounds from the centre of their stage, scaled up for the centres that they
/// themselves gave; and the degrees of freedom that are left.
fn residuals(stages: &[Vec<f64>]) -> Option<(Vec<f64>, usize)> {
    let mut all = Vec::new();
    let mut centres = 0;
    for values in stages.iter().filter(|values| !values.is_empty()) {
        let centre = Walsh::new(values)?.estimate();
        all.extend(values.iter().map(|v| v - centre));
        centres += 1;
    }
    let freedom = all.len().checked_sub(centres).filter(|f| *f >= 3)?;
    let scale = (all.len() as f64 / freedom as f64).sqrt();
    all.iter_mut().for_each(|v| *v *= scale);
    Some((all, freedom))
}
