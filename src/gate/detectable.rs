//! The smallest slow-down that a row would have shown, from the noise that it saw.

use super::random::Random;
use super::rules::Rules;
use crate::stats::median;
use crate::stats::signed_rank::{Walsh, critical};

/// Imagined runs. Their share that sees the effect is known to ± 1 percentage point.
const RUNS: usize = 1000;
/// With hundreds of rounds fewer have to do, or imagining takes longer than measuring: the work
/// of a run grows with the square of its rounds.
const LEAST_RUNS: usize = 200;
/// Pairs of rounds looked at in all runs together, at most, as long as enough runs remain.
const MOST_PAIRS: usize = 10_000_000;
/// Share of imagined runs that must see it: more than the promised 0.9, because eight rounds of
/// ten rows do not know all that happens; so chosen that simulation finds 0.9 (METHODOLOGY.md).
const POWER: f64 = 0.93;

/// Makes the median distance of normal numbers from their centre their standard deviation.
const NORMAL_MAD: f64 = 1.4826;
/// Makes the median distance between two normal numbers their standard deviation (Shamos 1976).
const SHAMOS: f64 = 1.0483;
/// Efficiency of that estimate at normal noise: what its degrees of freedom are worth.
const EFFICIENCY: f64 = 0.86;

/// Smallest slow-down, as a share, that both stages together would have confirmed in 90 % of runs
/// with noise as in `stages` (log ratios of the rounds, by stage). `shape` is that of the noise of
/// all rows, from [`noise_shape`]. `None` with fewer than four rounds, or where the rounds of the
/// rules cannot reach their level.
///
/// Runs are imagined by drawing distances from the centre out of `shape`, with random signs, since
/// the test assumes symmetry, times the spread of this row. The shape is shared because eight
/// rounds of one row know nothing of rare visits of a neighbour; eighty of ten rows do. Few rounds
/// know their spread badly, so each imagined run has a spread of its own, drawn as for normal
/// noise: σ²·(f/χ²_f). That makes it a prediction for runs to come and not merely a fit to the
/// rounds that were. In one imagined run the effects that are confirmed are those above a
/// threshold, because a shift of all rounds shifts the estimates and bounds by as much; so the
/// answer is a quantile of the thresholds.
pub fn detectable(
    stages: &[Vec<f64>],
    shape: &[f64],
    rules: &Rules,
    tests: usize,
    margin: f64,
) -> Option<f64> {
    let (spread, freedom) = spread(stages)?;
    let margin = margin.ln_1p();
    let [first, second] = [rules.screen_rounds, rules.confirm_rounds].map(|n| n as usize);
    let screen = critical(first, rules.alpha_screen)?;
    let confirm = critical(second, rules.alpha_confirm / tests.max(1) as f64)?;
    let mut random = Random::new(0);
    let pairs = (first * (first + 1) + second * (second + 1)) / 2;
    let runs = (MOST_PAIRS / pairs.max(1)).clamp(LEAST_RUNS, RUNS);
    let mut thresholds = Vec::with_capacity(runs);
    for _ in 0..runs {
        let chi_squared: f64 = (0..freedom).map(|_| random.normal().powi(2)).sum();
        let spread = spread * (freedom as f64 / chi_squared).sqrt();
        let mut stage = |n: usize| {
            let mut draw = |_| {
                let sign = if random.bits() >> 63 == 0 { spread } else { -spread };
                if shape.is_empty() { sign } else { sign * shape[random.below(shape.len())] }
            };
            Walsh::new(&(0..n).map(&mut draw).collect::<Vec<_>>())
        };
        let (mut screening, mut confirming) = (stage(first)?, stage(second)?);
        let suspected = (-screening.lower_at(screen)).max(margin / 2.0 - screening.estimate());
        thresholds.push(suspected.max(margin - confirming.lower_at(confirm)));
    }
    let rank = (POWER * runs as f64).ceil() as usize;
    let (_, threshold, _) = thresholds.select_nth_unstable_by(rank, f64::total_cmp);
    Some(threshold.exp_m1()).filter(|share| share.is_finite())
}

/// Distances of the rounds of all rows from the centre of their stage, each in units of its row's
/// spread; together of spread 1. Rows are given by their stages' log ratios.
pub fn noise_shape(rows: &[[Vec<f64>; 2]]) -> Vec<f64> {
    let mut shape = Vec::new();
    for stages in rows {
        let Some((spread, _)) = spread(stages).filter(|(spread, _)| *spread > 0.0) else {
            continue;
        };
        for values in stages {
            let centre = Walsh::new(values).map_or(0.0, |mut walsh| walsh.estimate());
            shape.extend(values.iter().map(|v| (v - centre) / spread));
        }
    }
    // The whole has a spread of its own, that of distances from zero with random signs.
    let sizes: Vec<f64> = shape.iter().map(|v: &f64| v.abs()).collect();
    let unit = median(&sizes).map_or(0.0, |size| size * NORMAL_MAD);
    if unit > 0.0 {
        shape.iter_mut().for_each(|v| *v /= unit);
    }
    shape
}

/// A row's spread by the median distance between two rounds of a stage, which a few wild rounds do
/// not move, and what it is worth in degrees of freedom.
fn spread(stages: &[Vec<f64>]) -> Option<(f64, usize)> {
    let mut distances = Vec::new();
    let mut freedom = 0.0;
    for values in stages {
        for (i, a) in values.iter().enumerate() {
            distances.extend(values[..i].iter().map(|b| (a - b).abs()));
        }
        freedom += EFFICIENCY * (values.len() as f64 - 1.0).max(0.0);
    }
    let freedom = freedom.round() as usize;
    (freedom >= 3).then_some(())?;
    Some((SHAMOS * median(&distances)?, freedom))
}
