//! Time of a case on a device where it was not measured: the roofline of the device at the
//! efficiency of the nearest measured one, else a prior.

use super::evidence::{self, MeasuredDevice, Timed, time_of};
use super::peaks::{Bound, Peaks};
use super::stage::{Asked, NoTime};
use super::{Estimate, Origin, Z95, prior};

/// Least interval factor of a prediction within one architecture.
pub(super) const WITHIN_ARCHITECTURE: f64 = 1.3;
/// Least interval factor of a prediction across architectures.
pub(super) const ACROSS_ARCHITECTURES: f64 = 2.0;
/// Added where only another case of the family was measured.
const OTHER_CASE: f64 = 2.0;
/// Added where source and target are under different roofs.
const OTHER_BOUND: f64 = 1.5;
/// Added where the VM size of the measured CPU is unknown: threads may share cores unseen.
const UNKNOWN_SIZE: f64 = 1.2;

/// Device time of a case, without launches and transfers.
pub(super) struct Kernel {
    pub time_s: Estimate,
    pub latency_ratio: f64,
    pub launches: f64,
    /// Squared coefficient of variation of one call; 0 where no call was seen.
    pub scatter: f64,
    pub bound: Option<Bound>,
    pub origin: Origin,
    pub implementation: String,
    pub how: String,
    pub predicted_from: Option<String>,
}

/// Predicted from measured devices of the kind, else by a prior.
///
/// # Errors
/// [`NoTime::Unknown`] where neither is possible.
pub(super) fn modelled(
    asked: Asked,
    target: &Peaks,
    devices: &[MeasuredDevice],
) -> Result<Kernel, NoTime> {
    let mut kernel = match predicted(asked, target, devices) {
        Some(kernel) => kernel,
        None => by_prior(asked, target)?,
    };
    let gain = target.tile_gain(&asked.case.work);
    if gain > 1.0 {
        kernel.time_s.lo90 /= gain;
        kernel.how += "; its AMX units, which nothing measured uses, may be faster";
    }
    Ok(kernel)
}

fn by_prior(asked: Asked, target: &Peaks) -> Result<Kernel, NoTime> {
    let family = &asked.stage.family;
    let Some((time_s, bound, prior)) = prior::kernel_time(family, &asked.case.work, target) else {
        return Err(NoTime::Unknown(format!(
            "{family} was measured on no device like {} and nothing published is known",
            target.label
        )));
    };
    Ok(Kernel {
        time_s,
        latency_ratio: 1.0,
        launches: 1.0,
        scatter: 0.0,
        bound: Some(bound),
        origin: Origin::Prior,
        implementation: "published".into(),
        how: format!("nothing of this kind was measured: {}", prior.source),
        predicted_from: None,
    })
}

/// One implementation on a measured device as a source of efficiency for one target.
struct Source<'a> {
    device: &'a MeasuredDevice<'a>,
    implementation: String,
    /// Roofline time ÷ measured time.
    efficiency: f64,
    /// The measured time's own interval, relative to its median.
    noise: Estimate,
    bound: Bound,
    latency_ratio: f64,
    launches: f64,
    same_architecture: bool,
    exact_case: bool,
    distance: f64,
}

fn predicted(asked: Asked, target: &Peaks, devices: &[MeasuredDevice]) -> Option<Kernel> {
    let roof = target.roof(&asked.case.work)?;
    let sources: Vec<Source> = devices.iter().filter_map(|d| source(asked, target, d)).collect();
    let best = sources.iter().min_by(|a, b| {
        let rank = |s: &Source| (!s.same_architecture, !s.exact_case);
        let by_rank = rank(a).cmp(&rank(b)).then(a.distance.total_cmp(&b.distance));
        by_rank.then(b.efficiency.total_cmp(&a.efficiency))
    })?;
    let floor = if best.same_architecture { WITHIN_ARCHITECTURE } else { ACROSS_ARCHITECTURES };
    let spread = spread(best.efficiency, &like(best, &sources, asked));
    // The interval of the source's own time comes on top: a noisy source predicts no better.
    let mut time_s = best.noise.map(|t| t * roof.time_s / best.efficiency);
    time_s = time_s.widened(floor.max(spread));
    let unknown_size = !target.gpu && best.device.env.sku.is_none();
    for (applies, factor) in [
        (!best.exact_case, OTHER_CASE),
        (best.bound != roof.bound, OTHER_BOUND),
        (unknown_size, UNKNOWN_SIZE),
    ] {
        if applies {
            time_s = time_s.widened(factor);
        }
    }
    let label = best.device.peaks.as_ref().map_or("", |p| &p.label);
    Some(Kernel {
        time_s,
        latency_ratio: best.latency_ratio,
        launches: best.launches,
        scatter: 0.0,
        bound: Some(roof.bound),
        origin: Origin::Predicted,
        implementation: best.implementation.clone(),
        how: format!(
            "roofline at {:.2} of its roof as measured on {label}{}{}",
            best.efficiency,
            if best.same_architecture { "" } else { ", another architecture" },
            if best.exact_case { "" } else { ", another case of the family" },
        ),
        predicted_from: Some(label.to_owned()),
    })
}

/// Efficiencies of `best`'s implementation under the same bound on the other measured devices:
/// of the architecture where `best` is of the target's, else of all.
fn like(best: &Source, sources: &[Source], asked: Asked) -> Vec<f64> {
    if !best.exact_case {
        return Vec::new();
    }
    sources
        .iter()
        .filter(|s| s.exact_case && s.bound == best.bound)
        .filter(|s| s.same_architecture == best.same_architecture || !best.same_architecture)
        .filter(|s| !std::ptr::eq(s.device, best.device))
        .filter_map(|s| {
            let peaks = s.device.peaks.as_ref()?;
            let timed = s.device.times(&asked.stage.family, asked.case).into_iter();
            let timed = timed.into_iter().find(|t| t.implementation == best.implementation)?;
            Some(peaks.roof(&asked.case.work)?.time_s / kernel_s(&timed, peaks.gpu).median)
        })
        .collect()
}

/// 90 % interval factor for one more device, from the efficiency that is used and those of other
/// devices: exp(z95 · s · √(1 + 1/n)), where s² = Σ ln²(e / used) / (n − 1) over n devices, the
/// used one among them. 1 with one device: nothing is known of the spread.
pub fn spread(used: f64, others: &[f64]) -> f64 {
    if others.is_empty() {
        return 1.0;
    }
    let n = others.len() as f64 + 1.0;
    let squares: f64 = others.iter().map(|e| (e / used).ln().powi(2)).sum();
    (Z95 * (squares / (n - 1.0)).sqrt() * (1.0 + 1.0 / n).sqrt()).exp()
}

/// The time that an efficiency is about: of a GPU the kernel's, of a CPU the whole call's.
fn kernel_s(timed: &Timed, gpu: bool) -> Estimate {
    if gpu { timed.kernel_s } else { timed.pipelined_s }
}

/// The efficiency of the fastest implementation on `device` that could run on `target`: for the
/// case itself, else for the measured case of most similar size.
fn source<'a>(asked: Asked, target: &Peaks, device: &'a MeasuredDevice<'a>) -> Option<Source<'a>> {
    let peaks = device.peaks.as_ref()?;
    if peaks.gpu != target.gpu || (target.gpu && peaks.vendor != target.vendor) {
        return None;
    }
    let family = &asked.stage.family;
    let same_architecture = peaks.same_architecture(target);
    let threads = if target.gpu { 0.0 } else { (peaks.threads / target.threads).ln().abs() };
    if let Some(timed) = evidence::fastest(device.times(family, asked.case)) {
        let roof = peaks.roof(&asked.case.work)?;
        let time = kernel_s(&timed, target.gpu);
        return Some(Source {
            device,
            efficiency: roof.time_s / time.median,
            noise: time.map(|t| t / time.median),
            bound: roof.bound,
            latency_ratio: timed.end_to_end_s.median / timed.pipelined_s.median,
            launches: timed.launches,
            implementation: timed.implementation,
            same_architecture,
            exact_case: true,
            distance: threads,
        });
    }
    let work = &asked.case.work;
    let mode = device.efficiency_mode();
    let nearest = device
        .fastest_rows()
        .iter()
        .filter(|r| &r.family == family && r.work.op_kind == work.op_kind)
        .filter_map(|r| {
            let roof = peaks.roof(&r.work)?;
            let time_s = time_of(r, mode)?.median_s;
            Some((*r, roof, (r.work.ops / work.ops).ln().abs(), roof.time_s / time_s))
        })
        // Of the most similar case, the fastest implementation.
        .min_by(|a, b| a.2.total_cmp(&b.2).then(b.3.total_cmp(&a.3)))?;
    Some(Source {
        device,
        implementation: nearest.0.implementation.clone(),
        efficiency: nearest.3,
        noise: Estimate::exact(1.0),
        bound: nearest.1.bound,
        latency_ratio: 1.0,
        launches: f64::from(nearest.0.launches),
        same_architecture,
        exact_case: false,
        distance: threads + nearest.2,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spread_is_that_of_one_more_device() {
        assert_eq!(spread(0.5, &[]), 1.0);
        // Two devices, ln 1.5 = 0.405465 apart: s = 0.405465, · √1.5 · 1.644854 = 0.816820.
        assert!((spread(0.5, &[0.75]) - 2.263_291).abs() < 1e-4, "{}", spread(0.5, &[0.75]));
        // 0.25, 0.5 and 1: s² = 2 · ln²2 / 2, s = 0.693147, · √(4/3) · 1.644854 = 1.316504.
        assert!((spread(0.5, &[0.25, 1.0]) - 3.730_356).abs() < 1e-4);
        // Ten that agree are known well: nothing but the floor is left.
        assert_eq!(spread(0.5, &[0.5; 9]), 1.0);
    }
}
