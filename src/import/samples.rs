//! From samples of the time of a run to its median and percentiles.

use crate::stats;

/// Samples from which percentiles are taken.
const ENOUGH: usize = 10;
/// What an interval without percentiles is taken to be (see `cost::imported`), for a few samples
/// that spread no further.
const ASSUMED: f64 = 1.3;

/// The time of one run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct RunTime {
    /// Median in seconds.
    pub median_s: f64,
    /// 10th and 90th percentile in seconds, where the samples tell them.
    pub percentiles_s: Option<(f64, f64)>,
    /// How many samples there were.
    pub samples: usize,
}

impl RunTime {
    /// From seconds of single runs (or means over a batch of them). Of fewer than ten samples the
    /// extremes stand for the percentiles where they are further apart than what is assumed
    /// without any; else they tell nothing.
    ///
    /// # Errors
    /// No samples, or one that is not above 0.
    pub fn of(samples_s: &[f64]) -> Result<Self, String> {
        if let Some(wrong) = samples_s.iter().find(|s| !(s.is_finite() && **s > 0.0)) {
            return Err(format!("a time of {wrong} s: must be above 0"));
        }
        let Some(median_s) = stats::median(samples_s) else {
            return Err("holds no time".into());
        };
        let (low, high) = if samples_s.len() >= ENOUGH { (0.1, 0.9) } else { (0.0, 1.0) };
        let ends = stats::quantile(samples_s, low).zip(stats::quantile(samples_s, high));
        let told = |(lo, hi): &(f64, f64)| {
            samples_s.len() >= ENOUGH || median_s / lo > ASSUMED || hi / median_s > ASSUMED
        };
        Ok(Self { median_s, percentiles_s: ends.filter(told), samples: samples_s.len() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_samples_have_percentiles_and_few_only_where_they_spread() {
        let eleven: Vec<f64> = (0..11).map(|i| 1.0 + f64::from(i)).collect();
        let time = RunTime::of(&eleven).expect("samples");
        // 1 … 11: the median is 6, the 10th percentile 2, the 90th 10.
        assert_eq!((time.median_s, time.percentiles_s), (6.0, Some((2.0, 10.0))));
        assert_eq!(RunTime::of(&[1.0, 1.1, 1.2]).expect("samples").percentiles_s, None);
        let spread = RunTime::of(&[1.0, 1.1, 2.0]).expect("samples");
        assert_eq!(spread.percentiles_s, Some((1.0, 2.0)));
        assert!(RunTime::of(&[]).is_err());
        assert!(RunTime::of(&[1.0, 0.0]).is_err());
    }
}
