//! Wilcoxon's signed-rank test and what follows from it: the Hodges–Lehmann estimate, its exact
//! bounds and the equivalence test. Exact at every n, no normal approximation.
//!
//! Assumes independent values whose distribution is symmetric about the centre that is asked for;
//! no shape beyond that. Zeros and ties:
//!
//! - *p-values* ([`signed_rank`]) leave out zeros (Wilcoxon 1945; `zero_method="wilcox"` of scipy),
//!   give ties their mean rank and use the exact distribution over the signs, given those ranks.
//! - *Bounds* ([`Walsh::lower`], [`Walsh::upper`]) keep every value and use the distribution without
//!   ties. The closed interval then holds its level for discrete values too, on the safe side
//!   (Noether 1967, "Wilcoxon confidence intervals for location parameters in the discrete case").

/// P(T⁺ = t) for t = 0 … n(n+1)/2, where T⁺ sums the ranks 1 … n whose fair coin fell on plus.
///
/// By dynamic programming over the ranks. Every value is exact up to n = 53; beyond it carries
/// rounding only.
pub fn distribution(n: usize) -> Vec<f64> {
    coin_sums(&(1..=n).collect::<Vec<_>>())
}

/// Chance of every sum of `numbers`, each of which counts or not by a fair coin.
fn coin_sums(numbers: &[usize]) -> Vec<f64> {
    let mut chance = vec![0.0; numbers.iter().sum::<usize>() + 1];
    chance[0] = 1.0;
    let mut reach = 0;
    for &number in numbers {
        reach += number;
        for sum in (number..=reach).rev() {
            chance[sum] = 0.5 * (chance[sum] + chance[sum - number]);
        }
        chance[..number.min(reach + 1)].iter_mut().for_each(|c| *c *= 0.5);
    }
    chance
}

/// The largest k for which P(T⁺ ≤ k) ≤ `alpha`; `None` where even P(T⁺ = 0) = 2⁻ⁿ is above it, so
/// that n values cannot reach the level at all.
pub fn critical(n: usize, alpha: f64) -> Option<usize> {
    let mut tail = 0.0;
    let mut found = None;
    for (t, chance) in distribution(n).into_iter().enumerate() {
        tail += chance;
        if n == 0 || tail > alpha {
            break;
        }
        found = Some(t);
    }
    found
}

/// Fewest values with which a one-sided test can reach `alpha`: the smallest n with 2⁻ⁿ ≤ alpha.
pub fn values_needed(alpha: f64) -> usize {
    (0..1075).find(|&n| 0.5f64.powi(n) <= alpha).map_or(usize::MAX, |n| n.max(1) as usize)
}

/// Result of the test against a centre of zero.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SignedRank {
    /// Values that are not zero.
    pub n: usize,
    /// Sum of the ranks of the positive values.
    pub t_plus: f64,
    /// One-sided p-value for "the centre is above zero".
    pub p_greater: f64,
    /// One-sided p-value for "the centre is below zero".
    pub p_less: f64,
    /// Two-sided p-value: twice the smaller, at most 1.
    pub p_two_sided: f64,
}

/// Tests whether the centre of `values` is zero; `None` where a value is not finite.
///
/// Without any value other than zero every p-value is 1.
pub fn signed_rank(values: &[f64]) -> Option<SignedRank> {
    if values.iter().any(|v| !v.is_finite()) {
        return None;
    }
    let mut sizes: Vec<f64> = values.iter().copied().filter(|v| *v != 0.0).collect();
    sizes.sort_by(|a, b| a.abs().total_cmp(&b.abs()));
    let n = sizes.len();
    let mut doubled = Vec::with_capacity(n);
    let mut doubled_plus = 0;
    while doubled.len() < n {
        let first = doubled.len();
        let tied = sizes[first..].iter().take_while(|v| v.abs() == sizes[first].abs()).count();
        // Ranks first + 1 … first + tied; twice their mean.
        let rank = 2 * first + tied + 1;
        doubled.extend(std::iter::repeat_n(rank, tied));
        doubled_plus += rank * sizes[first..first + tied].iter().filter(|v| **v > 0.0).count();
    }
    // Mean ranks may end in ½, so their doubles are summed.
    let chance = coin_sums(&doubled);
    let p_less = chance[..=doubled_plus].iter().sum::<f64>().min(1.0);
    let p_greater = chance[doubled_plus..].iter().rev().sum::<f64>().min(1.0);
    let p_two_sided = (2.0 * p_less.min(p_greater)).min(1.0);
    Some(SignedRank { n, t_plus: doubled_plus as f64 / 2.0, p_greater, p_less, p_two_sided })
}

/// The Walsh averages (mean of every pair of values, each value with itself included).
#[derive(Debug, Clone, PartialEq)]
pub struct Walsh {
    n: usize,
    /// In no order but that of the last question.
    averages: Vec<f64>,
}

impl Walsh {
    /// `None` without values or where one is not finite.
    pub fn new(values: &[f64]) -> Option<Self> {
        if values.is_empty() || values.iter().any(|v| !v.is_finite()) {
            return None;
        }
        let n = values.len();
        let mut averages = Vec::with_capacity(n * (n + 1) / 2);
        for (i, a) in values.iter().enumerate() {
            for b in &values[i..] {
                averages.push(0.5 * (a + b));
            }
        }
        Some(Self { n, averages })
    }

    /// Number of values.
    pub fn n(&self) -> usize {
        self.n
    }

    /// The Hodges–Lehmann estimate of the centre: the median of the Walsh averages.
    pub fn estimate(&mut self) -> f64 {
        let count = self.averages.len();
        let (below, upper, _) = self.averages.select_nth_unstable_by(count / 2, f64::total_cmp);
        if count % 2 == 1 {
            return *upper;
        }
        let lower = below.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        0.5 * (lower + *upper)
    }

    /// One-sided lower confidence bound of the centre at error rate `alpha`: the (k + 1)-th
    /// smallest average with k of [`critical`]. `None` where n is too small for `alpha`.
    pub fn lower(&mut self, alpha: f64) -> Option<f64> {
        let k = critical(self.n, alpha)?;
        Some(self.lower_at(k))
    }

    /// One-sided upper confidence bound at error rate `alpha`.
    pub fn upper(&mut self, alpha: f64) -> Option<f64> {
        let k = critical(self.n, alpha)?;
        Some(self.upper_at(k))
    }

    /// [`Walsh::lower`] where `k` of [`critical`] is known already; `k` is capped at the last.
    pub fn lower_at(&mut self, k: usize) -> f64 {
        let k = k.min(self.averages.len() - 1);
        *self.averages.select_nth_unstable_by(k, f64::total_cmp).1
    }

    /// [`Walsh::upper`] likewise.
    pub fn upper_at(&mut self, k: usize) -> f64 {
        let last = self.averages.len() - 1;
        *self.averages.select_nth_unstable_by(last - k.min(last), f64::total_cmp).1
    }
}

/// p-value of the two one-sided tests (TOST) that the centre lies strictly between `low` and
/// `high`: the larger of the two. `None` where a value is not finite.
///
/// At p ≤ α the 1 − 2α interval of the centre lies within, without ties exactly then.
pub fn equivalence(values: &[f64], low: f64, high: f64) -> Option<f64> {
    let shifted = |by: f64| values.iter().map(|v| v - by).collect::<Vec<_>>();
    let above = signed_rank(&shifted(low))?.p_greater;
    let below = signed_rank(&shifted(high))?.p_less;
    Some(above.max(below))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Hamilton's depression scale, first visit minus second (Hollander and Wolfe, "Nonparametric
    /// statistical methods", table 3.1).
    const HAMILTON: [f64; 9] = [0.952, -0.147, 1.022, 0.430, 0.620, 0.590, 0.490, -0.080, 0.010];

    #[test]
    fn critical_values_are_those_of_the_tables() {
        // One-sided levels; n from 5 to 20 (Wilcoxon and Wilcox 1964; McCornack 1965).
        type Column = (f64, [Option<usize>; 16]);
        let some = |values: [i32; 16]| values.map(|v| usize::try_from(v).ok());
        let tables: [Column; 4] = [
            (0.05, some([0, 2, 3, 5, 8, 10, 13, 17, 21, 25, 30, 35, 41, 47, 53, 60])),
            (0.025, some([-1, 0, 2, 3, 5, 8, 10, 13, 17, 21, 25, 29, 34, 40, 46, 52])),
            (0.01, some([-1, -1, 0, 1, 3, 5, 7, 9, 12, 15, 19, 23, 27, 32, 37, 43])),
            (0.005, some([-1, -1, -1, 0, 1, 3, 5, 7, 9, 12, 15, 19, 23, 27, 32, 37])),
        ];
        for (alpha, column) in tables {
            for (n, expected) in (5..).zip(column) {
                assert_eq!(critical(n, alpha), expected, "n = {n}, α = {alpha}");
            }
        }
    }

    #[test]
    fn too_few_values_for_a_level_are_told() {
        // 2⁻⁴ = 0.0625 > 0.05 ≥ 2⁻⁵. 2⁻¹⁶ = 1.5259e-5 lies between 0.01/656 and 0.01/655.
        assert_eq!((values_needed(0.05), values_needed(0.01)), (5, 7));
        assert_eq!((values_needed(0.01 / 655.0), values_needed(0.01 / 656.0)), (16, 17));
        let mut few = Walsh::new(&[1.0, 2.0, 3.0, 4.0]).unwrap();
        assert_eq!((few.lower(0.05), few.upper(0.05)), (None, None));
        assert_eq!(Walsh::new(&[]), None);
        assert_eq!(Walsh::new(&[f64::NAN]), None);
        assert_eq!(signed_rank(&[f64::INFINITY]), None);
    }

    #[test]
    fn a_published_example() {
        let found = signed_rank(&HAMILTON).unwrap();
        // Hollander and Wolfe: T⁺ = 40 (of 45), P = 0.0195 = 10/512.
        assert_eq!((found.t_plus, found.p_greater), (40.0, 10.0 / 512.0));
        let mut walsh = Walsh::new(&HAMILTON).unwrap();
        // Their estimate 0.46 and 96 % interval (0.010, 0.786).
        assert!((walsh.estimate() - 0.46).abs() < 1e-12);
        assert!((walsh.lower(0.0196).unwrap() - 0.010).abs() < 1e-12);
        assert!((walsh.upper(0.0196).unwrap() - 0.786).abs() < 1e-12);
    }

    #[test]
    fn ties_share_ranks_and_zeros_leave() {
        // |values| 1 1 2 3: ranks 1.5 1.5 3 4. T⁺ = 1.5 + 3 + 4 = 8.5 of 10. Sums of 8.5 or more
        // leave out at most 1.5: nothing, either rank 1.5: 3 of 16 signs.
        let found = signed_rank(&[1.0, -1.0, 0.0, 2.0, 3.0]).unwrap();
        assert_eq!((found.n, found.t_plus, found.p_greater), (4, 8.5, 3.0 / 16.0));
        let nothing = signed_rank(&[0.0, 0.0]).unwrap();
        assert_eq!((nothing.n, nothing.p_greater, nothing.p_two_sided), (0, 1.0, 1.0));
    }

    #[test]
    fn equivalence_needs_both_sides() {
        // All nine values above −0.2 (p = 2⁻⁹) but not all below 1.
        let p = equivalence(&HAMILTON, -0.2, 1.1).unwrap();
        assert_eq!(p, 1.0 / 512.0);
        assert!(equivalence(&HAMILTON, -0.2, 0.2).unwrap() > 0.9);
    }

    proptest! {
        #[test]
        fn swapping_sign_swaps_sides_and_order_does_not_matter(
            values in prop::collection::vec(-1.0f64..1.0, 1..30),
        ) {
            let negated: Vec<f64> = values.iter().rev().map(|v| -v).collect();
            let (a, b) = (signed_rank(&values).unwrap(), signed_rank(&negated).unwrap());
            prop_assert_eq!(a.p_greater, b.p_less);
            prop_assert_eq!(a.p_two_sided, b.p_two_sided);
            let (mut a, mut b) = (Walsh::new(&values).unwrap(), Walsh::new(&negated).unwrap());
            prop_assert_eq!(a.estimate(), -b.estimate());
            prop_assert_eq!(a.lower(0.05), b.upper(0.05).map(|v| -v));
            if let (Some(low), Some(high)) = (a.lower(0.05), a.upper(0.05)) {
                prop_assert!(low <= a.estimate() && a.estimate() <= high);
            }
        }

        #[test]
        fn a_bound_is_where_the_test_stops_rejecting(
            values in prop::collection::vec(-1.0f64..1.0, 7..20),
        ) {
            // Without ties the bound at α is the largest centre that the test rejects up to.
            let bound = Walsh::new(&values).unwrap().lower(0.01).unwrap();
            let p = |centre: f64| {
                let moved: Vec<f64> = values.iter().map(|v| v - centre).collect();
                signed_rank(&moved).unwrap().p_greater
            };
            prop_assert!(p(bound - 1e-9) <= 0.01 && p(bound + 1e-9) > 0.01);
        }
    }
}
