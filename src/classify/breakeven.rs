//! Where the answer would turn: demand, size, speed-up and price.

use super::bands;
use super::candidate::Candidate;
use super::judge::{self, Contest, Outcome};
use super::limits::Limit;
use super::{BreakEven, Kind, Options, RivalGpu, Side, SizeBreakEven};
use crate::cost::evidence::{MeasuredDevice, Mode, is_series, time_of};
use crate::cost::fleet::Pace;
use crate::cost::money;
use crate::workload::ResolvedWorkload;

/// All of it.
pub(super) fn break_even(
    resolved: &ResolvedWorkload,
    candidates: &[Candidate],
    outcome: &Outcome,
    devices: &[MeasuredDevice],
    options: &Options,
) -> BreakEven {
    let bands = bands::of(candidates, resolved.workload.demand.jobs_per_day);
    let mut result = BreakEven {
        last_crossing_jobs_per_day: (bands.len() > 1)
            .then(|| bands.last().map(|b| b.from_jobs_per_day))
            .flatten(),
        demand_bands: bands,
        sizes: size_break_evens(resolved, devices),
        rival_gpu: outcome.gpu.and_then(|gpu| rival_gpu(candidates, gpu)),
        ..BreakEven::default()
    };
    let (Some(gpu), Some(cpu)) = (outcome.gpu, outcome.cpu) else { return result };
    if let (Some(p_gpu), Some(p_cpu), Some((_, u_gpu)), Some((_, u_cpu))) =
        (gpu.usd_per_h, cpu.usd_per_h, gpu.nodes(), cpu.nodes())
        && u_gpu > 0.0
        && gpu.shared.is_none()
        && cpu.shared.is_none()
    {
        result.gpu_floor_usd_per_month = floor(gpu, cpu, options);
        result.needed_speedup = result
            .gpu_floor_usd_per_month
            .is_none()
            .then(|| (p_gpu / p_cpu) * (u_cpu / u_gpu) / (1.0 - options.margin));
    }
    if let (Some(g), Some(c)) = (gpu.throughput(), cpu.throughput()) {
        result.speedup = Some(g.median / c.median);
    }
    if let (Some(contest), Some(price)) = (outcome.contest, gpu.usd_per_h) {
        let limit_s = Limit::of(&resolved.workload.demand).map(|limit| limit.seconds);
        let next = next_gpu(candidates, gpu, cpu, limit_s, options);
        let [for_gpu, for_cpu] = turning_factors(&contest, next);
        result.gpu_price_for_gpu_usd_per_h = for_gpu.map(|f| price * f);
        result.gpu_price_for_cpu_usd_per_h = for_cpu.map(|f| price * f);
    }
    result
}

/// Money a month of the GPU size if it did its jobs in no time, where that is too much to win.
fn floor(gpu: &Candidate, cpu: &Candidate, options: &Options) -> Option<f64> {
    let at_once = Pace { jobs_per_h: f64::INFINITY, latency_s: 0.0, scatter: 0.0 };
    let node_hours = gpu.rules.node_hours(gpu.jobs_per_day, at_once);
    let floor = money::usd_per_month(node_hours, gpu.usd_per_h?);
    (floor > (1.0 - options.margin) * cpu.median_usd_per_month()?).then_some(floor)
}

/// The GPU size that would be chosen if the best one cost more: by which factor more, and the
/// verdict with it.
fn next_gpu(
    candidates: &[Candidate],
    gpu: &Candidate,
    cpu: &Candidate,
    limit_s: Option<f64>,
    options: &Options,
) -> Option<(f64, Kind)> {
    let others = |c: &Candidate| c.side == Side::Gpu && c.sku.name != gpu.sku.name;
    let next = judge::best(candidates, others)?;
    let factor = next.median_usd_per_month()? / gpu.median_usd_per_month()?;
    Some((factor, Contest::new(next, cpu, limit_s, options.margin)?.verdict()))
}

/// The best size with another GPU than `gpu`, and its price at which the two cost the same: cost is
/// in proportion to price.
fn rival_gpu(candidates: &[Candidate], gpu: &Candidate) -> Option<RivalGpu> {
    let another = |c: &Candidate| c.side == Side::Gpu && c.sku.gpu_model != gpu.sku.gpu_model;
    let rival = judge::best(candidates, another)?;
    let price_usd_per_h = rival.usd_per_h?;
    let factor = gpu.median_usd_per_month()? / rival.median_usd_per_month()?;
    Some(RivalGpu {
        sku: rival.sku.name.clone(),
        device: rival.device(),
        price_usd_per_h,
        chosen_below_usd_per_h: price_usd_per_h * factor,
    })
}

/// Factors on the best GPU size's price up to which the verdict is `gpu` and from which it is
/// `cpu`; `None` where no price of this size alone does it. Above the price at which the next GPU
/// size takes its place, the verdict is that size's.
fn turning_factors(contest: &Contest, next: Option<(f64, Kind)>) -> [Option<f64>; 2] {
    let (for_gpu, for_cpu) = (contest.price_factor_gpu(), contest.price_factor_cpu());
    let Some((replaced, then)) = next else { return [for_gpu, for_cpu] };
    let gpu_holds = |factor: &f64| *factor <= replaced || then != Kind::Gpu;
    [
        for_gpu.filter(gpu_holds).map(|factor| factor.min(replaced)),
        for_cpu.filter(|_| then == Kind::Cpu).map(|factor| factor.min(replaced)),
    ]
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
