//! Summaries of samples: medians and their order-statistic intervals; exact tests of paired
//! rounds; intervals of proportions. Pure arithmetic.

pub mod proportion;
pub mod signed_rank;

/// What is known about a set of samples, in the unit of the samples.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    /// Number of samples.
    pub n: usize,
    /// Median.
    pub median: f64,
    /// Lower end of the 95 % interval of the median (see [`median_interval`]).
    pub ci95_lo: f64,
    /// Upper end.
    pub ci95_hi: f64,
    /// Arithmetic mean.
    pub mean: f64,
    /// Standard deviation with n − 1; 0 for one sample.
    pub stdev: f64,
    /// Median of the absolute distances from the median, not scaled.
    pub mad: f64,
    /// Distance between the quartiles.
    pub iqr: f64,
    /// Smallest.
    pub min: f64,
    /// 95th percentile.
    pub p95: f64,
    /// Samples beyond 1.5 IQR from the quartiles (Tukey); they count in everything above.
    pub outliers: usize,
}

impl Summary {
    /// Half the width of the median's interval relative to the median; infinite at a zero median.
    pub fn relative_half_width(&self) -> f64 {
        let half = (self.ci95_hi - self.ci95_lo) / 2.0;
        if self.median > 0.0 { half / self.median } else { f64::INFINITY }
    }
}

/// How far a sample lies outside the quartiles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outlier {
    /// Within 1.5 IQR.
    None,
    /// Beyond 1.5 IQR.
    Mild,
    /// Beyond 3 IQR.
    Severe,
}

/// Summarises `samples`; `None` where there are none or one is not finite.
pub fn summarize(samples: &[f64]) -> Option<Summary> {
    let sorted = sorted(samples)?;
    let n = sorted.len();
    let median = quantile_sorted(&sorted, 0.5);
    let (lo, hi) = median_interval(n);
    let mean = sorted.iter().sum::<f64>() / n as f64;
    let squares: f64 = sorted.iter().map(|v| (v - mean) * (v - mean)).sum();
    let distances: Vec<f64> = sorted.iter().map(|v| (v - median).abs()).collect();
    Some(Summary {
        n,
        median,
        ci95_lo: sorted[lo],
        ci95_hi: sorted[hi],
        mean,
        stdev: if n > 1 { (squares / (n - 1) as f64).sqrt() } else { 0.0 },
        mad: self::median(&distances)?,
        iqr: quantile_sorted(&sorted, 0.75) - quantile_sorted(&sorted, 0.25),
        min: sorted[0],
        p95: quantile_sorted(&sorted, 0.95),
        outliers: label_outliers(samples).iter().filter(|o| **o != Outlier::None).count(),
    })
}

/// The median; `None` where there are no samples or one is not finite.
pub fn median(samples: &[f64]) -> Option<f64> {
    sorted(samples).map(|s| quantile_sorted(&s, 0.5))
}

/// The `q` quantile (0 ≤ q ≤ 1), interpolated linearly between order statistics.
pub fn quantile(samples: &[f64], q: f64) -> Option<f64> {
    sorted(samples).map(|s| quantile_sorted(&s, q.clamp(0.0, 1.0)))
}

/// Labels each sample by Tukey's fences; in the order given.
pub fn label_outliers(samples: &[f64]) -> Vec<Outlier> {
    let Some(sorted) = sorted(samples) else {
        return vec![Outlier::None; samples.len()];
    };
    let (q1, q3) = (quantile_sorted(&sorted, 0.25), quantile_sorted(&sorted, 0.75));
    let iqr = q3 - q1;
    let beyond = |v: f64, fences: f64| v < q1 - fences * iqr || v > q3 + fences * iqr;
    samples
        .iter()
        .map(|&v| match (beyond(v, 3.0), beyond(v, 1.5)) {
            (true, _) => Outlier::Severe,
            (false, true) => Outlier::Mild,
            (false, false) => Outlier::None,
        })
        .collect()
}

/// Indices (from 0) of the order statistics that enclose the median with at least 95 % confidence
/// whatever the distribution: ranks k and n + 1 − k with the largest k for which
/// P(Binomial(n, ½) < k) ≤ 2.5 %. Below 6 samples no such pair exists and the extremes are given.
///
/// `n` must be at least 1.
pub fn median_interval(n: usize) -> (usize, usize) {
    let mut rank = 0;
    let mut tail = 0.0;
    // Logarithms, because ½^n underflows for the thousands of samples of a short kernel.
    let mut log_term = -(n as f64) * std::f64::consts::LN_2;
    while rank < n / 2 {
        tail += f64::exp(log_term);
        if tail > 0.025 {
            break;
        }
        log_term += ((n - rank) as f64 / (rank + 1) as f64).ln();
        rank += 1;
    }
    let lowest = rank.saturating_sub(1);
    (lowest, n - 1 - lowest)
}

fn sorted(samples: &[f64]) -> Option<Vec<f64>> {
    if samples.is_empty() || samples.iter().any(|v| !v.is_finite()) {
        return None;
    }
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    Some(sorted)
}

fn quantile_sorted(sorted: &[f64], q: f64) -> f64 {
    let position = q * (sorted.len() - 1) as f64;
    let below = position.floor() as usize;
    let above = position.ceil() as usize;
    sorted[below] + (sorted[above] - sorted[below]) * (position - below as f64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_hand_computed_summary() {
        // 1 2 3 4 5 6 7 8 9 100: quartiles 3.25 and 7.75 by numpy.quantile.
        let s = summarize(&[9.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 1.0, 100.0]).unwrap();
        assert_eq!((s.n, s.median, s.min, s.mean), (10, 5.5, 1.0, 14.5));
        assert_eq!(s.iqr, 4.5);
        // |x − 5.5|: 0.5 0.5 1.5 1.5 2.5 2.5 3.5 3.5 4.5 94.5, whose median is 2.5.
        assert_eq!(s.mad, 2.5);
        // 9 + 0.55 · 91.
        assert!((s.p95 - 59.05).abs() < 1e-12);
        assert!((s.stdev - 30.1524).abs() < 1e-3);
        assert_eq!(s.outliers, 1);
        // n = 10: P(X < 2) = 11/1024 ≤ 2.5 % < P(X < 3) = 56/1024: ranks 2 and 9.
        assert_eq!((s.ci95_lo, s.ci95_hi), (2.0, 9.0));
    }

    #[test]
    fn interval_ranks_follow_the_binomial_table() {
        // Ranks from 1 as in tables of the sign test's interval at 95 %.
        for (n, low) in [(6, 1), (8, 1), (9, 2), (12, 3), (15, 4), (20, 6), (30, 10), (100, 40)] {
            assert_eq!(median_interval(n), (low - 1, n - low), "n = {n}");
        }
        for n in 1..6 {
            assert_eq!(median_interval(n), (0, n - 1));
        }
        let (lo, hi) = median_interval(100_000);
        // n/2 ∓ 1.96·√n/2 = 50000 ∓ 310.
        assert!((49_685..49_695).contains(&lo) && (50_305..50_315).contains(&hi), "{lo} {hi}");
    }

    #[test]
    fn outliers_are_labelled_by_the_fences() {
        // Quartiles 2 and 4, IQR 2: mild beyond 7, severe beyond 10.
        let labels = label_outliers(&[1.0, 2.0, 3.0, 4.0, 8.0]);
        assert_eq!(labels[4], Outlier::Mild);
        assert_eq!(label_outliers(&[1.0, 2.0, 3.0, 4.0, 11.0])[4], Outlier::Severe);
        assert_eq!(labels[0], Outlier::None);
    }

    #[test]
    fn nothing_and_nonsense_have_no_summary() {
        assert_eq!(summarize(&[]), None);
        assert_eq!(summarize(&[1.0, f64::NAN]), None);
        let one = summarize(&[2.0]).unwrap();
        assert_eq!((one.median, one.stdev, one.ci95_lo, one.ci95_hi), (2.0, 0.0, 2.0, 2.0));
    }

    proptest! {
        #[test]
        fn order_and_scale_do_not_matter(
            samples in prop::collection::vec(1e-9f64..1e3, 1..80),
            power in -8i32..8,
        ) {
            let s = summarize(&samples).unwrap();
            let mut reversed = samples.clone();
            reversed.reverse();
            let r = summarize(&reversed).unwrap();
            prop_assert_eq!((s.median, s.ci95_lo, s.mad, s.p95, s.outliers),
                (r.median, r.ci95_lo, r.mad, r.p95, r.outliers));
            // A power of two scales floating-point numbers exactly.
            let factor = f64::powi(2.0, power);
            let scaled: Vec<f64> = samples.iter().map(|v| v * factor).collect();
            let t = summarize(&scaled).unwrap();
            prop_assert_eq!(t.median, s.median * factor);
            prop_assert_eq!(t.iqr, s.iqr * factor);
            prop_assert_eq!(t.outliers, s.outliers);
            prop_assert!(s.min <= s.ci95_lo && s.ci95_lo <= s.median && s.median <= s.ci95_hi);
            prop_assert!(s.median <= s.p95 || samples.len() == 1);
        }
    }
}
