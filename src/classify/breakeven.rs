//! Where the answer would turn: demand, size, speed-up and price.

use super::candidate::{Candidate, Standing};
use super::judge::Outcome;
use super::{BreakEven, DemandBand, Options, Side, SizeBreakEven};
use crate::cost::evidence::{MeasuredDevice, Mode, is_series, time_of};
use crate::cost::money;
use crate::workload::ResolvedWorkload;

/// Demands looked at for each power of ten.
const STEPS_PER_DECADE: i32 = 40;
/// More bands than this are merged from the narrowest on.
const MAX_BANDS: usize = 9;

/// All of it.
pub(super) fn break_even(
    resolved: &ResolvedWorkload,
    candidates: &[Candidate],
    outcome: &Outcome,
    devices: &[MeasuredDevice],
    options: &Options,
) -> BreakEven {
    let bands = demand_bands(candidates, resolved.workload.demand.jobs_per_day);
    let mut result = BreakEven {
        last_crossing_jobs_per_day: (bands.len() > 1)
            .then(|| bands.last().map(|b| b.from_jobs_per_day))
            .flatten(),
        demand_bands: bands,
        sizes: size_break_evens(resolved, devices),
        ..BreakEven::default()
    };
    let (Some(gpu), Some(cpu)) = (outcome.gpu, outcome.cpu) else { return result };
    if let (Some(p_gpu), Some(p_cpu), Some((_, u_gpu)), Some((_, u_cpu))) =
        (gpu.usd_per_h, cpu.usd_per_h, gpu.nodes(), cpu.nodes())
        && u_gpu > 0.0
    {
        result.needed_speedup = Some((p_gpu / p_cpu) * (u_cpu / u_gpu) / (1.0 - options.margin));
    }
    if let (Some(g), Some(c)) = (&gpu.job, &cpu.job) {
        result.speedup = Some(g.throughput().0.median / c.throughput().0.median);
    }
    if let (Some(contest), Some(price)) = (outcome.contest, gpu.usd_per_h) {
        result.gpu_price_for_gpu_usd_per_h = contest.price_factor_gpu().map(|f| price * f);
        result.gpu_price_for_cpu_usd_per_h = contest.price_factor_cpu().map(|f| price * f);
    }
    result
}

/// (price, jobs per hour) of every size that may be chosen.
fn side(candidates: &[Candidate], side: Side) -> Vec<(f64, f64)> {
    candidates
        .iter()
        .filter(|c| c.standing == Standing::Eligible && c.side == side)
        .filter_map(|c| Some((c.usd_per_h?, c.job.as_ref()?.throughput().0.median)))
        .collect()
}

fn cheapest(sizes: &[(f64, f64)], jobs_per_day: f64) -> f64 {
    sizes
        .iter()
        .map(|(price, x)| price * money::nodes(jobs_per_day / 24.0, *x))
        .fold(f64::INFINITY, f64::min)
}

/// Bands of demand from 1 job a day to a thousand times the demand (at least a million).
fn demand_bands(candidates: &[Candidate], jobs_per_day: f64) -> Vec<DemandBand> {
    let (gpu, cpu) = (side(candidates, Side::Gpu), side(candidates, Side::Cpu));
    if gpu.is_empty() || cpu.is_empty() {
        return Vec::new();
    }
    let winner = |demand: f64| {
        if cheapest(&gpu, demand) < cheapest(&cpu, demand) { Side::Gpu } else { Side::Cpu }
    };
    let last = (jobs_per_day * 1000.0).max(1e6).log10();
    let steps = (last * f64::from(STEPS_PER_DECADE)).ceil() as i32;
    let at = |step: i32| 10f64.powf(f64::from(step) / f64::from(STEPS_PER_DECADE));
    let mut bands =
        vec![DemandBand { from_jobs_per_day: 0.0, to_jobs_per_day: None, cheaper: winner(1.0) }];
    for step in 1..=steps {
        let now = winner(at(step));
        let Some(open) = bands.last_mut().filter(|b| b.cheaper != now) else { continue };
        let (mut low, mut high) = (at(step - 1), at(step));
        for _ in 0..40 {
            let middle = (low * high).sqrt();
            if winner(middle) == now { high = middle } else { low = middle }
        }
        // Bands begin at whole jobs, so that every form of output tells the same number; one
        // narrower than a job vanishes.
        let high = high.ceil();
        if open.from_jobs_per_day >= high {
            bands.pop();
            if let Some(before) = bands.last_mut() {
                before.to_jobs_per_day = None;
            }
            continue;
        }
        open.to_jobs_per_day = Some(high);
        bands.push(DemandBand { from_jobs_per_day: high, to_jobs_per_day: None, cheaper: now });
    }
    merge(bands, jobs_per_day)
}

/// A step function crosses more often than anybody reads: the narrowest inner bands go first, but
/// never the one that `jobs_per_day` lies in.
fn merge(mut bands: Vec<DemandBand>, jobs_per_day: f64) -> Vec<DemandBand> {
    while bands.len() > MAX_BANDS {
        let width = |b: &DemandBand| b.to_jobs_per_day.unwrap_or(f64::MAX) / b.from_jobs_per_day;
        let asked = bands.iter().rposition(|b| b.from_jobs_per_day <= jobs_per_day);
        let Some(narrowest) = (1..bands.len() - 1)
            .filter(|i| Some(*i) != asked)
            .min_by(|a, b| width(&bands[*a]).total_cmp(&width(&bands[*b])))
        else {
            break;
        };
        let after = bands.remove(narrowest + 1);
        bands.remove(narrowest);
        bands[narrowest - 1].to_jobs_per_day = after.to_jobs_per_day;
    }
    bands
}

/// Break-even size along every series of a stage that was measured on a CPU and on a GPU.
fn size_break_evens(resolved: &ResolvedWorkload, devices: &[MeasuredDevice]) -> Vec<SizeBreakEven> {
    let is_gpu = |d: &&MeasuredDevice| d.info.kind == breakeven_kernels::work::DeviceKind::Gpu;
    let mut found: Vec<SizeBreakEven> = Vec::new();
    for (key, axis, _) in resolved.cases.iter().flatten().flat_map(|c| &c.series) {
        for gpu in devices.iter().filter(is_gpu) {
            for cpu in devices.iter().filter(|d| !is_gpu(d)) {
                let one = compare(key, axis, gpu, cpu);
                found.extend(one.filter(|one| !found.contains(one)));
            }
        }
    }
    found
}

fn compare(
    key: &str,
    axis: &str,
    gpu: &MeasuredDevice,
    cpu: &MeasuredDevice,
) -> Option<SizeBreakEven> {
    let (on_gpu, on_cpu) = (fastest_along(gpu, key, axis), fastest_along(cpu, key, axis));
    let mut both: Vec<(f64, bool)> = on_gpu
        .iter()
        .filter_map(|(value, g)| {
            let (_, c) = on_cpu.iter().find(|(v, _)| v == value)?;
            Some((*value, g < c))
        })
        .collect();
    both.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (first, last) = (both.first()?.0, both.last()?.0);
    if both.len() < 2 {
        return None;
    }
    let wins = both.iter().rev().take_while(|(_, gpu_wins)| *gpu_wins).last();
    Some(SizeBreakEven {
        series: key.into(),
        axis: axis.into(),
        value: wins.map(|(value, _)| *value),
        tested_from: first,
        tested_to: last,
        devices: [gpu.info.name.clone(), cpu.info.name.clone()],
    })
}

/// Fastest end-to-end time at each value of a series.
fn fastest_along(device: &MeasuredDevice, key: &str, axis: &str) -> Vec<(f64, f64)> {
    let mut points: Vec<(f64, f64)> = Vec::new();
    for row in &device.rows {
        let Some(series) = row.series.as_ref().filter(|s| is_series(s, key, axis)) else {
            continue;
        };
        let Some(time) = time_of(row, Mode::EndToEnd) else { continue };
        match points.iter_mut().find(|(v, _)| *v == series.value) {
            Some(point) => point.1 = point.1.min(time.median_s),
            None => points.push((series.value, time.median_s)),
        }
    }
    points
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert!(merged.len() <= MAX_BANDS);
        let asked = merged.iter().find(|b| b.from_jobs_per_day == 299.0).expect("kept");
        assert_eq!((asked.to_jobs_per_day, asked.cheaper), (Some(301.0), Side::Gpu));
        for pair in merged.windows(2) {
            assert_ne!(pair[0].cheaper, pair[1].cheaper);
            assert_eq!(pair[0].to_jobs_per_day, Some(pair[1].from_jobs_per_day));
        }
    }
}
