//! Which kind of node is cheaper over demand and the price of GPUs: a map, and where it turns.

use serde::{Deserialize, Serialize};

use super::bands::{self, Size};
use super::{Basis, Side, candidate};
use crate::workload::ResolvedWorkload;

/// Columns of demands.
const COLUMNS: usize = 33;
/// Demands reach from one job a day to so many times the demand.
const BEYOND_DEMAND: f64 = 1000.0;
/// Prices reach from 1 ÷ 2³ to 2³ times those of today.
const DOUBLINGS: f64 = 3.0;
/// Rows for each doubling of the price.
const ROWS_PER_DOUBLING: usize = 4;

/// Cost of the cheapest CPU size over that of the cheapest GPU size, by medians and on nodes of the
/// workload's own, over jobs a day and a factor on the price of every GPU size.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HeatMap {
    /// Demands in jobs a day, rising; the one that the workload states is among them.
    pub jobs_per_day: Vec<f64>,
    /// Factors on the price of every GPU size, rising; 1 is among them.
    pub gpu_price_factors: Vec<f64>,
    /// log₂(cheapest CPU ÷ cheapest GPU) at each demand and today's prices.
    pub log2_at_factor_1: Vec<f64>,
    /// The demand that the workload states, in jobs a day.
    pub asked_jobs_per_day: f64,
}

/// A place on the map: jobs a day and factor on the GPUs' prices.
pub type Place = (f64, f64);

impl HeatMap {
    /// log₂(cheapest CPU ÷ cheapest GPU) at a demand and a factor, each by its index; above 0 the GPU
    /// is cheaper.
    ///
    /// A factor on the price of *every* GPU size changes none of their order and multiplies the cost
    /// of the cheapest, so the value at factor f is that at 1 less log₂ f.
    pub fn log2_ratio(&self, demand: usize, factor: usize) -> f64 {
        self.log2_at_factor_1[demand] - self.gpu_price_factors[factor].log2()
    }

    /// Line segments along which both kinds cost the same, from left to right, within the map.
    ///
    /// As the value falls with log₂ of the factor at slope 1, the contour crosses every column once, at
    /// the factor 2^(value at factor 1), and marching squares comes down to joining these points.
    pub fn contour(&self) -> Vec<[Place; 2]> {
        let (Some(low), Some(high)) =
            (self.gpu_price_factors.first(), self.gpu_price_factors.last())
        else {
            return Vec::new();
        };
        let points: Vec<(f64, f64)> = self
            .jobs_per_day
            .iter()
            .zip(&self.log2_at_factor_1)
            .map(|(jobs, value)| (jobs.ln(), *value))
            .collect();
        let place = |(x, y): (f64, f64)| (x.exp(), y.exp2());
        points
            .windows(2)
            .filter_map(|pair| clipped(pair[0], pair[1], low.log2(), high.log2()))
            .map(|[from, to]| [place(from), place(to)])
            .collect()
    }
}

/// The part of a line whose height is between `low` and `high`.
fn clipped(a: (f64, f64), b: (f64, f64), low: f64, high: f64) -> Option<[(f64, f64); 2]> {
    let (slope, inside) = (b.1 - a.1, |y: f64| (low..=high).contains(&y));
    if slope == 0.0 {
        return inside(a.1).then_some([a, b]);
    }
    let at = |height: f64| ((height - a.1) / slope).clamp(0.0, 1.0);
    let (enters, leaves) = if slope > 0.0 { (at(low), at(high)) } else { (at(high), at(low)) };
    let point = |share: f64| (a.0 + share * (b.0 - a.0), a.1 + share * slope);
    (enters < leaves).then(|| [point(enters), point(leaves)])
}

/// The map of `workload`; `None` where a kind has no size that may be chosen and has a cost, or there
/// are no jobs.
pub fn heat_map(workload: &ResolvedWorkload, basis: &Basis) -> Option<HeatMap> {
    let Basis { devices, catalog, options, .. } = *basis;
    let asked = workload.workload.demand.jobs_per_day;
    let rules = candidate::RulesOf::new(&workload.workload, options);
    let candidates = candidate::candidates(workload, catalog, devices, options, &rules);
    let (gpu, cpu) = (bands::side(&candidates, Side::Gpu), bands::side(&candidates, Side::Cpu));
    if gpu.is_empty() || cpu.is_empty() || asked <= 0.0 {
        return None;
    }
    let cost = |sizes: &[Size], jobs| bands::cheapest(sizes, jobs);
    let jobs_per_day = demands(asked);
    let log2_at_factor_1: Vec<f64> =
        jobs_per_day.iter().map(|jobs| (cost(&cpu, *jobs) / cost(&gpu, *jobs)).log2()).collect();
    // A demand beyond all counting has no cost.
    let known = log2_at_factor_1.iter().all(|value| value.is_finite());
    known.then(|| HeatMap {
        jobs_per_day,
        gpu_price_factors: factors(),
        log2_at_factor_1,
        asked_jobs_per_day: asked,
    })
}

/// From one job a day, or the demand where that is less, to a thousand times the demand: in equal
/// ratios up to the demand, and from there on.
fn demands(asked: f64) -> Vec<f64> {
    let from = f64::min(1.0, asked);
    let (below, above) = ((asked / from).ln(), BEYOND_DEMAND.ln());
    let steps = (COLUMNS - 1) as f64;
    let first = (steps * below / (below + above)).round();
    let last = steps - first;
    let up_to = (0..first as usize).map(|i| from * (below * i as f64 / first).exp());
    let beyond = (0..=last as usize).map(|i| asked * (above * i as f64 / last).exp());
    up_to.chain(beyond).collect()
}

fn factors() -> Vec<f64> {
    let rows = 2 * DOUBLINGS as usize * ROWS_PER_DOUBLING;
    (0..=rows).map(|i| (i as f64 / ROWS_PER_DOUBLING as f64 - DOUBLINGS).exp2()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::catalog::Catalog;
    use crate::classify::{Options, Verdict, classify};
    use crate::cost::evidence;
    use crate::cost::fixture::*;
    use crate::workload::Transfer;

    /// CPU: 36 s a job on C8; GPU: 0.9 s on G8.
    fn both(jobs: f64, catalog: &Catalog) -> (Option<HeatMap>, Verdict) {
        let resolved = workload(100.0, jobs, Transfer::ConstantsResident);
        let records = measured_pair(0.36, 0.009, 1.02);
        let (devices, options) = (evidence::devices(&records, catalog), Options::default());
        let basis = Basis { devices: &devices, catalog, options: &options, ranked: false };
        (heat_map(&resolved, &basis), classify(&resolved, &records, catalog, &options))
    }

    fn close(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-9, "{a} is not {b}");
    }

    #[test]
    fn the_map_at_the_demand_and_todays_price_is_the_verdicts_ratio() {
        // 100,000 jobs a day take 60 × C8 at $1 and 2 × G8 at $4: log₂(60 ÷ 8) = 2.906891. At one job
        // a day it is one node each: log₂(1 ÷ 4) = −2.
        let (map, verdict) = both(100_000.0, &catalog(1.0, 4.0));
        let map = map.expect("both sides");
        let asked = map.jobs_per_day.iter().position(|jobs| *jobs == 100_000.0).expect("asked");
        let one = map.gpu_price_factors.iter().position(|factor| *factor == 1.0).expect("today");
        assert!((map.log2_ratio(asked, one) - 2.906_891).abs() < 1e-6);
        let month = |c: Option<crate::classify::SkuCost>| c.and_then(|c| c.usd_per_month);
        let (gpu, cpu) = (month(verdict.best_gpu), month(verdict.best_cpu));
        let (gpu, cpu) = (gpu.expect("gpu").median, cpu.expect("cpu").median);
        close(map.log2_ratio(asked, one), (cpu / gpu).log2());
        close(map.log2_ratio(0, one), -2.0);
        // A GPU at twice the price is one power of two dearer.
        let double = map.gpu_price_factors.iter().position(|factor| *factor == 2.0).expect("2");
        close(map.log2_ratio(0, double), -3.0);
        close(map.jobs_per_day[0], 1.0);
        close(map.jobs_per_day.last().expect("columns") / 1e8, 1.0);
        assert_eq!((map.jobs_per_day.len(), map.gpu_price_factors.len()), (33, 25));
    }

    #[test]
    fn without_a_cost_on_both_sides_there_is_no_map() {
        let mut unpriced = catalog(1.0, 4.0);
        unpriced.skus[1].prices.clear();
        assert_eq!(both(1000.0, &unpriced).0, None);
        assert_eq!(both(0.0, &catalog(1.0, 4.0)).0, None);
    }

    #[test]
    fn the_contour_joins_the_columns_where_both_cost_the_same_and_ends_at_the_edge() {
        let map = HeatMap {
            jobs_per_day: vec![1.0, 100.0, 10_000.0, 1e6],
            gpu_price_factors: factors(),
            log2_at_factor_1: vec![-1.0, 1.0, 5.0, 6.0],
            asked_jobs_per_day: 100.0,
        };
        // Half the price at one job, twice at a hundred. From 1 to 5 it leaves the map at 3, half the
        // way in logarithms: a thousand jobs and eight times the price. Beyond, nothing.
        let found = map.contour();
        let by_hand = [[(1.0, 0.5), (100.0, 2.0)], [(100.0, 2.0), (1000.0, 8.0)]];
        assert_eq!(found.len(), by_hand.len());
        for (place, hand) in found.iter().flatten().zip(by_hand.iter().flatten()) {
            close(place.0 / hand.0, 1.0);
            close(place.1 / hand.1, 1.0);
        }
    }

    proptest! {
        #[test]
        fn a_cheaper_gpu_never_lowers_the_map(
            jobs in 0.01..1e7f64, usd in 0.1..50.0f64, cheaper in 0.1..1.0f64,
        ) {
            let (dear, _) = both(jobs, &catalog(1.0, usd));
            let (cheap, _) = both(jobs, &catalog(1.0, usd * cheaper));
            let (dear, cheap) = (dear.expect("map"), cheap.expect("map"));
            prop_assert!(dear.jobs_per_day.is_sorted() && dear.jobs_per_day.contains(&jobs));
            for demand in 0..dear.jobs_per_day.len() {
                for factor in 0..dear.gpu_price_factors.len() {
                    let (low, high) = (dear.log2_ratio(demand, factor), cheap.log2_ratio(demand, factor));
                    prop_assert!(high >= low - 1e-9);
                }
            }
            // And the factor itself is a price: half of every price is the row a doubling lower.
            let (half, _) = both(jobs, &catalog(1.0, usd / 2.0));
            let half = half.expect("map");
            for factor in 4..dear.gpu_price_factors.len() {
                let (a, b) = (half.log2_ratio(0, factor), dear.log2_ratio(0, factor - 4));
                prop_assert!((a - b).abs() < 1e-9);
            }
        }
    }
}
