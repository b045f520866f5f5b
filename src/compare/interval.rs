//! Intervals of ratios: what the samples of both sides say, and how much another run would differ.

use std::collections::HashMap;

use statrs::distribution::{ContinuousCDF, StudentsT};

use super::{BetweenRuns, Case, Column, Ratio, Timing};

/// Standard normal quantile at 95 %: half of a 90 % interval.
const Z90: f64 = 1.644_853_626_951_472_7;
/// At 97.5 %: half of a 95 % interval.
const Z95: f64 = 1.959_963_984_540_054;

/// The usual factor between runs: in two runs of one rented machine, 27 minutes apart, nine of ten
/// times differed by less than ×1.15, which is ×1.1 (1.15 to the power of 1/√2) for one of them.
pub const ANOTHER_RUN: f64 = 1.1;

/// Runs of one environment from which their own spread replaces the usual one.
const ENOUGH_RUNS: usize = 3;

/// Half-widths of a logarithm's 90 % interval.
#[derive(Debug, Clone, Copy, Default)]
pub struct Widths {
    /// Below the median.
    pub down: f64,
    /// Above it.
    pub up: f64,
}

/// What the samples within the run leave open of a median.
pub fn sampling(time: &Timing) -> Widths {
    let width = |ratio: f64| if ratio > 1.0 { ratio.ln() * Z90 / Z95 } else { 0.0 };
    Widths {
        down: width(time.median_s / time.ci95_lo_s),
        up: width(time.ci95_hi_s / time.median_s),
    }
}

/// `value`, a quotient of times, with the sampling widths of dividend and divisor and the runs that
/// these are of. Independent errors of logarithms add in quadrature, each end by the ends that move
/// it (the method of variance estimates recovery of Zou and Donner, 2008).
pub fn ratio(value: f64, over: Widths, under: Widths, runs: [BetweenRuns; 2]) -> Ratio {
    let between: f64 = runs.iter().map(|run| run.factor90.ln().powi(2)).sum();
    let up = (over.up.powi(2) + under.down.powi(2) + between).sqrt();
    let down = (over.down.powi(2) + under.up.powi(2) + between).sqrt();
    Ratio { value, lo90: value * f64::exp(-down), hi90: value * up.exp() }
}

/// Sets how much runs differ: by the repeats of a column's environment and program, where there are
/// some.
pub fn set_between_runs(columns: &mut [Column], cases: &[Case]) {
    let mut groups: HashMap<_, Vec<usize>> = HashMap::new();
    for (index, column) in columns.iter().enumerate() {
        let build = (&column.tool_version, &column.commit, column.dirty);
        // Two GPUs of one machine are not two runs.
        groups.entry((&column.env_key, &column.device, build)).or_default().push(index);
    }
    let repeated: Vec<Vec<usize>> = groups.into_values().filter(|g| g.len() > 1).collect();
    for group in repeated {
        let Some(between) = spread(&group, cases) else { continue };
        for index in group {
            columns[index].between_runs = between;
        }
    }
}

/// The spread of the runs in `group`: the standard deviation of the logarithms around each case's
/// mean, pooled over the cases. A run moves all of its cases together, so the degrees of freedom
/// are those of the runs. Of two runs, never less than the usual.
fn spread(group: &[usize], cases: &[Case]) -> Option<BetweenRuns> {
    let (mut squares, mut freedom, mut runs) = (0.0, 0usize, 0);
    for case in cases {
        let cells = group.iter().filter_map(|column| case.cell(*column));
        let logs: Vec<f64> = cells.map(|cell| cell.call.median_s.ln()).collect();
        let mean = logs.iter().sum::<f64>() / logs.len().max(1) as f64;
        squares += logs.iter().map(|log| (log - mean).powi(2)).sum::<f64>();
        freedom += logs.len().saturating_sub(1);
        runs = runs.max(logs.len());
    }
    if freedom == 0 {
        return None;
    }
    let deviation = (squares / freedom as f64).sqrt();
    let factor90 = if runs >= ENOUGH_RUNS {
        (deviation * student(0.95, runs - 1)).exp()
    } else {
        (deviation * Z90).exp().max(ANOTHER_RUN)
    };
    Some(BetweenRuns { factor90, runs })
}

/// Quantile of Student's t with `freedom` degrees of freedom, at least 1.
pub fn student(share: f64, freedom: usize) -> f64 {
    StudentsT::new(0.0, 1.0, freedom.max(1) as f64).map_or(Z95, |t| t.inverse_cdf(share))
}

/// The usual spread, where no environment is repeated.
pub const USUAL: BetweenRuns = BetweenRuns { factor90: ANOTHER_RUN, runs: 0 };
