//! Intervals of a proportion, quantiles of Student's t, and corrections for many tests.

use statrs::distribution::{ContinuousCDF, StudentsT};
use statrs::function::beta::inv_beta_reg;

/// Which interval of a proportion is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Both ends, the error shared equally.
    Both,
    /// From a lower bound up to 1.
    Lower,
    /// From 0 up to an upper bound.
    Upper,
}

/// Clopper and Pearson's exact interval of a proportion (Biometrika 26, 1934) at `confidence`, for
/// example 0.95. `None` without trials, with more successes than trials or a confidence that is
/// not between 0 and 1.
pub fn clopper_pearson(
    successes: u64,
    trials: u64,
    confidence: f64,
    side: Side,
) -> Option<[f64; 2]> {
    if trials == 0 || successes > trials || !(confidence > 0.0 && confidence < 1.0) {
        return None;
    }
    let error = 1.0 - confidence;
    let tail = if side == Side::Both { error / 2.0 } else { error };
    let (k, n) = (successes as f64, trials as f64);
    // The bounds are quantiles of beta distributions, closed forms where all or none succeeded.
    let low = match successes {
        _ if side == Side::Upper => 0.0,
        0 => 0.0,
        _ if successes == trials => (tail.ln() / n).exp(),
        _ => inv_beta_reg(k, n - k + 1.0, tail),
    };
    let high = match successes {
        _ if side == Side::Lower => 1.0,
        _ if successes == trials => 1.0,
        0 => -(tail.ln() / n).exp_m1(),
        // The mirrored quantile: a small tail keeps its digits, 1 − tail would not.
        _ => 1.0 - inv_beta_reg(n - k, k + 1.0, tail),
    };
    Some([low, high])
}

/// The `p` quantile of Student's t with `freedom` degrees of freedom; `None` outside 0 < p < 1 or
/// where `freedom` is not positive.
pub fn student_t_quantile(p: f64, freedom: f64) -> Option<f64> {
    let t = StudentsT::new(0.0, 1.0, freedom).ok()?;
    (p > 0.0 && p < 1.0).then(|| t.inverse_cdf(p))
}

/// Bonferroni's adjusted p-values: each times their number, at most 1.
pub fn bonferroni(p_values: &[f64]) -> Vec<f64> {
    p_values.iter().map(|p| (p * p_values.len() as f64).min(1.0)).collect()
}

/// Holm's adjusted p-values (Scand. J. Statist. 6, 1979), in the order given: never above
/// Bonferroni's, and the same bound on the chance of any false rejection.
pub fn holm(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|&a, &b| p_values[a].total_cmp(&p_values[b]));
    let mut adjusted = vec![1.0; p_values.len()];
    let mut largest: f64 = 0.0;
    for (done, &at) in order.iter().enumerate() {
        largest = largest.max(p_values[at] * (p_values.len() - done) as f64).min(1.0);
        adjusted[at] = largest;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f64, expected: f64, digits: i32) {
        assert!((found - expected).abs() < 0.5 * 10f64.powi(-digits), "{found} for {expected}");
    }

    #[test]
    fn intervals_are_those_of_the_tables() {
        // Two-sided 95 %: 4 of 20 is 0.0573 to 0.4366 (Clopper and Pearson's chart; Newcombe 1998
        // gives 81 of 263 as 0.2527 to 0.3676).
        let both = |k, n| clopper_pearson(k, n, 0.95, Side::Both).unwrap();
        close(both(4, 20)[0], 0.0573, 4);
        close(both(4, 20)[1], 0.4366, 4);
        close(both(81, 263)[0], 0.2527, 4);
        close(both(81, 263)[1], 0.3676, 4);
        // One-sided, by hand: 1 − 0.05^(1/30); the "rule of three" says 0.1.
        let [none, high] = clopper_pearson(0, 30, 0.95, Side::Upper).unwrap();
        assert_eq!(none, 0.0);
        close(high, 1.0 - 0.05f64.powf(1.0 / 30.0), 14);
        assert_eq!(clopper_pearson(30, 30, 0.95, Side::Upper), Some([0.0, 1.0]));
    }

    #[test]
    fn nonsense_has_no_interval() {
        assert_eq!(clopper_pearson(0, 0, 0.95, Side::Both), None);
        assert_eq!(clopper_pearson(3, 2, 0.95, Side::Both), None);
        assert_eq!(clopper_pearson(1, 2, 1.0, Side::Both), None);
        assert_eq!(student_t_quantile(0.5, 0.0), None);
        assert_eq!(student_t_quantile(1.0, 5.0), None);
    }

    #[test]
    fn quantiles_of_t_are_those_of_the_tables() {
        for (p, freedom, expected) in
            [(0.975, 10.0, 2.228), (0.999, 19.0, 3.579), (0.95, 1.0, 6.314)]
        {
            close(student_t_quantile(p, freedom).unwrap(), expected, 3);
        }
    }

    #[test]
    fn corrections_by_hand() {
        let p = [0.01, 0.04, 0.03];
        assert_eq!(bonferroni(&p), [0.03, 0.12, 0.09]);
        // Sorted 0.01·3, 0.03·2, 0.04·1 raised to 0.06.
        assert_eq!(holm(&p), [0.03, 0.06, 0.06]);
    }
}
