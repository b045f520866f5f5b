//! Bands of demand and who is cheaper in each, by median cost.

use super::candidate::{Candidate, Standing};
use super::{DemandBand, Side};
use crate::cost::Level;
use crate::cost::fleet::{Pace, Rules, servers_per_node};
use crate::cost::money;

/// Demands looked at for each power of ten.
const STEPS_PER_DECADE: i32 = 40;
/// Demands looked at besides, where a size needs one node more.
const STEPS_OF_NODES: usize = 400;
/// More bands than this are merged from the narrowest on.
const MAX_BANDS: usize = 9;
/// Bands that end below so many times their beginning are merged whatever their number: nobody
/// knows a demand that well.
const NARROW: f64 = 1.02;

/// A size that may be chosen.
#[derive(Clone, Copy)]
pub(super) struct Size<'a> {
    usd_per_h: f64,
    pace: Pace,
    rules: &'a Rules,
}

impl Size<'_> {
    /// Whether `other` is never dearer: it costs no more an hour and does no less in any respect
    /// that the number of nodes depends on.
    fn beaten_by(&self, other: &Self) -> bool {
        other.usd_per_h <= self.usd_per_h
            && other.pace.jobs_per_h >= self.pace.jobs_per_h
            && other.pace.latency_s <= self.pace.latency_s
            && other.pace.scatter <= self.pace.scatter
            && servers_per_node(other.pace) >= servers_per_node(self.pace)
    }

    fn usd_per_month(&self, jobs_per_day: f64) -> f64 {
        money::usd_per_month(self.rules.node_hours(jobs_per_day, self.pace), self.usd_per_h)
    }

    /// What it costs at least; quick to work out.
    fn least_usd_per_month(&self, jobs_per_day: f64) -> f64 {
        money::usd_per_month(self.rules.least_node_hours(jobs_per_day, self.pace), self.usd_per_h)
    }
}

/// USD a month of the cheapest of `sizes`, which stand in the order of their cost at full load.
pub(super) fn cheapest(sizes: &[Size], jobs_per_day: f64) -> f64 {
    sizes.iter().fold(f64::INFINITY, |best, size| {
        if size.least_usd_per_month(jobs_per_day) >= best {
            return best;
        }
        best.min(size.usd_per_month(jobs_per_day))
    })
}

/// Bands of whole jobs a day, from none to a thousand times the demand (at least a million).
///
/// Each begins where asking for one job less would make the other side cheaper.
pub(super) fn of(candidates: &[Candidate], jobs_per_day: f64) -> Vec<DemandBand> {
    let (gpu, cpu) = (side(candidates, Side::Gpu), side(candidates, Side::Cpu));
    if gpu.is_empty() || cpu.is_empty() {
        return Vec::new();
    }
    let winner = |demand: f64| {
        if cheapest(&gpu, demand) < cheapest(&cpu, demand) { Side::Gpu } else { Side::Cpu }
    };
    let mut from = 1.0;
    let mut bands =
        vec![DemandBand { from_jobs_per_day: 0.0, to_jobs_per_day: None, cheaper: winner(from) }];
    for demand in demands(&[&gpu[..], &cpu[..]].concat(), jobs_per_day) {
        let now = winner(demand);
        if let Some(open) = bands.last_mut().filter(|open| open.cheaper != now) {
            let (mut low, mut high) = (from, demand);
            while high - low > 1.0 {
                let middle = ((low + high) / 2.0).floor();
                if winner(middle) == now { high = middle } else { low = middle }
            }
            open.to_jobs_per_day = Some(high);
            bands.push(DemandBand { from_jobs_per_day: high, to_jobs_per_day: None, cheaper: now });
        }
        from = demand;
    }
    merge(bands, jobs_per_day)
}

/// The sizes of a side that some demand may make the cheapest.
pub(super) fn side<'a>(candidates: &'a [Candidate<'a>], side: Side) -> Vec<Size<'a>> {
    let own = |c: &&Candidate| c.standing == Standing::Eligible && c.shared.is_none();
    let sizes = candidates.iter().filter(own).filter(|c| c.side == side);
    let mut kept: Vec<Size> = Vec::new();
    for c in sizes {
        let Some((usd_per_h, pace)) = c.usd_per_h.zip(c.pace(Level::Mid, Level::Mid)) else {
            continue;
        };
        let size = Size { usd_per_h, pace, rules: c.rules };
        if !kept.iter().any(|k| size.beaten_by(k)) {
            kept.retain(|k| !k.beaten_by(&size));
            kept.push(size);
        }
    }
    kept.sort_by(|a, b| {
        (a.usd_per_h / a.pace.jobs_per_h).total_cmp(&(b.usd_per_h / b.pace.jobs_per_h))
    });
    kept
}

/// Whole jobs a day at which to look, rising: a geometric grid, and both sides of the steps at
/// which a size needs one of its first nodes more.
fn demands(sizes: &[Size], jobs_per_day: f64) -> Vec<f64> {
    let last = (jobs_per_day * 1000.0).max(1e6);
    let steps = (last.log10() * f64::from(STEPS_PER_DECADE)).ceil() as i32;
    let grid = |step: i32| 10f64.powf(f64::from(step) / f64::from(STEPS_PER_DECADE)).round();
    let mut at: Vec<f64> = (1..=steps).map(grid).collect();
    let parts = sizes.first().map_or(1, |size| size.rules.day().len());
    let nodes = (STEPS_OF_NODES / (sizes.len() * parts)).min(64);
    for size in sizes {
        let node = size.pace.jobs_per_h * size.rules.target_utilisation;
        for part in size.rules.day().iter().filter(|part| part.share > 0.0) {
            for n in 1..=nodes {
                let step = (n as f64 * node * part.hours / part.share).floor();
                at.extend([step, step + 1.0]);
            }
        }
    }
    at.retain(|demand| (2.0..=last).contains(demand));
    at.sort_by(f64::total_cmp);
    at.dedup();
    at
}

/// A step function crosses more often than anybody reads: the narrowest inner bands go first, but
/// never the one that `jobs_per_day` lies in, nor the last crossing.
fn merge(mut bands: Vec<DemandBand>, jobs_per_day: f64) -> Vec<DemandBand> {
    loop {
        let width = |b: &DemandBand| b.to_jobs_per_day.unwrap_or(f64::MAX) / b.from_jobs_per_day;
        let asked = bands.iter().rposition(|b| b.from_jobs_per_day <= jobs_per_day);
        let Some(narrowest) = (1..bands.len().saturating_sub(2))
            .filter(|i| Some(*i) != asked)
            .min_by(|a, b| width(&bands[*a]).total_cmp(&width(&bands[*b])))
        else {
            break;
        };
        if bands.len() <= MAX_BANDS && width(&bands[narrowest]) >= NARROW {
            break;
        }
        let after = bands.remove(narrowest + 1);
        bands.remove(narrowest);
        bands[narrowest - 1].to_jobs_per_day = after.to_jobs_per_day;
    }
    bands
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slivers_are_merged_but_not_the_one_asked_for() {
        let band = |(from, to, cheaper)| DemandBand {
            from_jobs_per_day: from,
            to_jobs_per_day: to,
            cheaper,
        };
        let (cpu, gpu) = (Side::Cpu, Side::Gpu);
        let crossing = || {
            let bands = [
                (0.0, Some(1000.0), cpu),
                (1000.0, Some(1010.0), gpu),
                (1010.0, Some(5000.0), cpu),
                (5000.0, None, gpu),
            ];
            bands.map(band).to_vec()
        };
        let starts = |bands: Vec<DemandBand>| -> Vec<f64> {
            bands.iter().map(|band| band.from_jobs_per_day).collect()
        };
        assert_eq!(starts(merge(crossing(), 300.0)), [0.0, 5000.0]);
        assert_eq!(starts(merge(crossing(), 1005.0)), [0.0, 1000.0, 1010.0, 5000.0]);
    }

    #[test]
    fn merging_spares_the_band_asked_for() {
        // Bands from 0, 1, 2, 4, … 1024; the one of 300 jobs a day is made the narrowest.
        let starts = [0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 299.0, 301.0, 1024.0];
        let bands: Vec<DemandBand> = starts
            .iter()
            .enumerate()
            .map(|(i, from)| DemandBand {
                from_jobs_per_day: *from,
                to_jobs_per_day: starts.get(i + 1).copied(),
                cheaper: if i % 2 == 0 { Side::Cpu } else { Side::Gpu },
            })
            .collect();
        let merged = merge(bands, 300.0);
        assert_eq!(merged.last().map(|b| b.from_jobs_per_day), Some(1024.0), "the last crossing");
        assert!(merged.len() <= MAX_BANDS);
        let asked = merged.iter().find(|b| b.from_jobs_per_day == 299.0).expect("kept");
        assert_eq!((asked.to_jobs_per_day, asked.cheaper), (Some(301.0), Side::Gpu));
        for pair in merged.windows(2) {
            assert_ne!(pair[0].cheaper, pair[1].cheaper);
            assert_eq!(pair[0].to_jobs_per_day, Some(pair[1].from_jobs_per_day));
        }
    }
}
