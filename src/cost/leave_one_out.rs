//! How well throughputs of VM sizes can be told from those of others: each measured size is left
//! out in turn and predicted from the rest.

use super::imported::{Imported, SizeRate};
use super::peaks::Peaks;
use super::predict::{ACROSS_ARCHITECTURES, WITHIN_ARCHITECTURE};
use super::{Estimate, Z95, money};
use crate::catalog::{Catalog, Sku};
use crate::import::Device;

/// Fewer predictions than this say little of the next one.
pub const MEANS_LITTLE: usize = 10;

/// A size predicted from the others.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// Workload.
    pub workload: String,
    /// What is counted.
    pub unit: String,
    /// Size left out.
    pub sku: String,
    /// What computes.
    pub device: Device,
    /// Units per second of the whole VM, as predicted.
    pub predicted: Estimate,
    /// Units per second as imported.
    pub actual_per_s: f64,
    /// From which and how many others.
    pub from: String,
    usd_per_h: Option<f64>,
    has_gpu: bool,
}

impl Prediction {
    /// predicted ÷ actual − 1.
    pub fn error(&self) -> f64 {
        self.predicted.median / self.actual_per_s - 1.0
    }

    /// Whether the 90 % interval holds the actual value.
    pub fn held(&self) -> bool {
        (self.predicted.lo90..=self.predicted.hi90).contains(&self.actual_per_s)
    }
}

/// Errors of all predictions.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LeaveOneOut {
    /// One a workload, size and device.
    pub predictions: Vec<Prediction>,
    /// What could not be predicted, and why.
    pub impossible: Vec<String>,
    /// How the choice between the kinds of size came out.
    pub choices: Choices,
}

/// Choices of the cheaper of a GPU and a CPU size, both predicted, at full load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Choices {
    /// Pairs of a GPU and a CPU size of one workload, both with a price.
    pub pairs: usize,
    /// Those whose cheaper one was told rightly.
    pub right: usize,
    /// Those in which the GPU size is cheaper: what always choosing a GPU would get right.
    pub gpu_cheaper: usize,
}

impl LeaveOneOut {
    /// Mean of |predicted ÷ actual − 1|; `None` without a prediction.
    pub fn mean_absolute_error(&self) -> Option<f64> {
        let errors = self.predictions.iter().map(|p| p.error().abs());
        (!self.predictions.is_empty()).then(|| errors.sum::<f64>() / self.predictions.len() as f64)
    }

    /// Predictions whose interval held.
    pub fn held(&self) -> usize {
        self.predictions.iter().filter(|p| p.held()).count()
    }
}

/// Leaves each size of `workloads` out in turn and predicts it; `usd_per_h` is a size's price.
pub fn leave_one_out(
    workloads: &[Imported],
    catalog: &Catalog,
    usd_per_h: impl Fn(&Sku) -> Option<f64>,
) -> LeaveOneOut {
    let mut report = LeaveOneOut::default();
    for workload in workloads {
        let sizes: Vec<Size> =
            workload.sizes.iter().filter_map(|rate| Size::new(rate, catalog)).collect();
        let mut predicted: Vec<Prediction> = Vec::new();
        for (index, left_out) in sizes.iter().enumerate() {
            let others = sizes.iter().enumerate().filter(|(i, _)| *i != index).map(|(_, s)| s);
            match predict(left_out, others) {
                Ok((estimate, from)) => predicted.push(Prediction {
                    workload: workload.workload.clone(),
                    unit: workload.unit.clone(),
                    sku: left_out.sku.name.clone(),
                    device: left_out.rate.device,
                    predicted: estimate,
                    actual_per_s: left_out.rate.units_per_s.median,
                    from,
                    usd_per_h: usd_per_h(left_out.sku),
                    has_gpu: left_out.sku.has_gpu(),
                }),
                Err(why) => report.impossible.push(format!(
                    "{}, {} ({}): {why}",
                    workload.workload,
                    left_out.sku.name,
                    left_out.rate.device.name()
                )),
            }
        }
        report.choices.add(&predicted);
        report.predictions.extend(predicted);
    }
    report
}

impl Choices {
    fn add(&mut self, predicted: &[Prediction]) {
        let of = |device: Device| predicted.iter().filter(move |p| p.device == device);
        for gpu in of(Device::Gpu) {
            // The processors of a GPU size stand for no CPU node.
            for cpu in of(Device::Cpu).filter(|p| !p.has_gpu) {
                let (Some(gpu_usd), Some(cpu_usd)) = (gpu.usd_per_h, cpu.usd_per_h) else {
                    continue;
                };
                let cheaper = |gpu_per_s: f64, cpu_per_s: f64| {
                    money::usd_per_job_full_load(gpu_usd, gpu_per_s)
                        < money::usd_per_job_full_load(cpu_usd, cpu_per_s)
                };
                let actual = cheaper(gpu.actual_per_s, cpu.actual_per_s);
                let told = cheaper(gpu.predicted.median, cpu.predicted.median);
                self.pairs += 1;
                self.right += usize::from(actual == told);
                self.gpu_cheaper += usize::from(actual);
            }
        }
    }
}

/// A measured size with what it could do at most.
struct Size<'a> {
    rate: &'a SizeRate,
    sku: &'a Sku,
    peaks: Option<Peaks>,
}

impl<'a> Size<'a> {
    fn new(rate: &'a SizeRate, catalog: &'a Catalog) -> Option<Self> {
        let sku = catalog.sku(Some(&rate.provider), &rate.sku)?;
        let peaks = match rate.device {
            Device::Cpu => Peaks::of_sku_cpu(sku, catalog),
            Device::Gpu => sku
                .gpu_model
                .as_deref()
                .and_then(|model| catalog.gpu(model))
                .zip(sku.gpu_count)
                .map(|(gpu, count)| Peaks::of_gpu(gpu, count)),
        };
        Some(Self { rate, sku, peaks })
    }

    /// Geometric mean of the peak of arithmetic and that of memory traffic: which of them binds
    /// the workload is not known.
    fn peak(&self) -> Option<f64> {
        let peaks = self.peaks.as_ref()?;
        Some((peaks.f32_ops_per_s? * peaks.bytes_per_s?).sqrt())
    }

    /// vCPUs, or GPUs.
    fn count(&self) -> Option<f64> {
        match self.rate.device {
            Device::Cpu => Some(f64::from(self.sku.vcpus)),
            Device::Gpu => self.sku.gpu_count,
        }
    }

    fn same_series(&self, other: &Self) -> bool {
        self.sku.provider == other.sku.provider && self.sku.family == other.sku.family
    }

    fn same_architecture(&self, other: &Self) -> bool {
        let both = self.peaks.as_ref().zip(other.peaks.as_ref());
        both.is_some_and(|(a, b)| a.same_architecture(b))
    }
}

/// How fast `sku`, which was not measured, does what the sizes of its series in `measured` do;
/// `None` where none of its series was measured. Shares of a GPU are not scaled: makers publish no
/// fixed rate for one.
pub fn of_series(
    sku: &Sku,
    device: Device,
    measured: &[SizeRate],
    catalog: &Catalog,
) -> Option<SizeRate> {
    let target = SizeRate {
        provider: sku.provider.clone(),
        sku: sku.name.clone(),
        device,
        units_per_s: Estimate::exact(1.0),
        latency_s: None,
        measurements: 0,
        percentiles: false,
        sources: Vec::new(),
        predicted: true,
    };
    let target_size = Size::new(&target, catalog)?;
    let whole = |s: &Size| device == Device::Cpu || s.count().is_some_and(|n| n >= 1.0);
    let near = |s: &&Size| {
        let node = s.sku.has_gpu() == (device == Device::Gpu);
        s.rate.device == device && node && whole(s)
    };
    let sizes: Vec<Size> = measured.iter().filter_map(|rate| Size::new(rate, catalog)).collect();
    let near: Vec<&Size> = sizes.iter().filter(near).collect();
    let (units_per_s, used) = along_series(&target_size, &near).filter(|_| whole(&target_size))?;
    // The least sure of the sizes that it is scaled from may be the one that it hangs on.
    let spread = |s: &&Size| (s.rate.units_per_s.hi90 / s.rate.units_per_s.lo90).sqrt();
    let known = used.iter().map(spread).fold(1.0, f64::max);
    let names: Vec<&str> = used.iter().map(|s| s.sku.name.as_str()).collect();
    let from = names.join(", ");
    Some(SizeRate { units_per_s: units_per_s.widened(known), sources: vec![from], ..target })
}

/// Throughput of `target` from the nearest of `others`: those of its series (see [`along_series`]),
/// else those of its architecture by peaks, else all of the kind by peaks.
fn predict<'a>(
    target: &Size,
    others: impl Iterator<Item = &'a Size<'a>>,
) -> Result<(Estimate, String), String> {
    let others: Vec<&Size> = others.filter(|o| o.rate.device == target.rate.device).collect();
    if others.is_empty() {
        let kind = target.rate.device.name();
        return Err(format!("no other size was measured on its {kind}; add at least one"));
    }
    let sizes = |number: usize, words: &str| match number {
        1 => format!("1 size {words}"),
        n => format!("{n} sizes {words}"),
    };
    if let Some((estimate, used)) = along_series(target, &others) {
        let unit = if target.rate.device == Device::Cpu { "vCPUs" } else { "GPUs" };
        return Ok((estimate, sizes(used.len(), &format!("of its series, by {unit}"))));
    }
    if let Some(logs) = scaled(target, &others, |o| target.same_architecture(o), |s| s.peak()) {
        let from = sizes(logs.len(), "of its architecture, by peaks");
        return Ok((around(&logs, WITHIN_ARCHITECTURE), from));
    }
    let Some(logs) = scaled(target, &others, |_| true, |s| s.peak()) else {
        return Err("the catalog has no peaks for it, or for none of the others".into());
    };
    let from = sizes(logs.len(), "of other architectures, by peaks");
    Ok((around(&logs, ACROSS_ARCHITECTURES), from))
}

/// Throughput of `target` from those of `others` that are of its series, with these: along the
/// power law T = a·n^b, 0 ≤ b ≤ 1, that fits them best in logarithms, n the vCPUs or GPUs. Where
/// they all have one n, b = 1 is assumed.
///
/// The interval is that of a further point about the line, at least ×1.3 for each doubling of n
/// between the target and the nearest of them (and for less); ×2 where GPUs are assumed to scale.
fn along_series<'s, 'a>(
    target: &Size,
    others: &[&'s Size<'a>],
) -> Option<(Estimate, Vec<&'s Size<'a>>)> {
    let at = target.count()?.ln();
    let used: Vec<&Size> = others.iter().copied().filter(|o| target.same_series(o)).collect();
    let point = |o: &&Size| Some((o.count()?.ln(), o.rate.units_per_s.median.ln()));
    let points: Vec<(f64, f64)> = used.iter().filter_map(point).collect();
    let n = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / n;
    let (x, y) = (mean(|p| p.0), mean(|p| p.1));
    let width: f64 = points.iter().map(|p| (p.0 - x).powi(2)).sum();
    let fitted = width > 1e-9;
    let slope = points.iter().map(|p| (p.0 - x) * (p.1 - y)).sum::<f64>() / width;
    let slope = if fitted { slope.clamp(0.0, 1.0) } else { 1.0 };
    let told: Vec<f64> = points.iter().map(|p| p.1 + slope * (at - p.0)).collect();
    let nearest = points.iter().map(|p| (p.0 - at).abs()).min_by(f64::total_cmp)?;
    let assumed = !fitted && target.rate.device == Device::Gpu && nearest > 0.0;
    let least = if assumed { ACROSS_ARCHITECTURES } else { WITHIN_ARCHITECTURE };
    let doublings = (nearest / std::f64::consts::LN_2).max(1.0);
    Some((around(&told, least.powf(doublings)), used))
}

/// ln of the throughput that each of `others` that is `wanted` would have at the target's `size`;
/// `None` where no size is known of it or of any of them.
fn scaled(
    target: &Size,
    others: &[&Size],
    wanted: impl Fn(&Size) -> bool,
    size: impl Fn(&Size) -> Option<f64>,
) -> Option<Vec<f64>> {
    let own = size(target)?;
    let each = |o: &&Size| Some((own / size(o)? * o.rate.units_per_s.median).ln());
    let logs: Vec<f64> = others.iter().filter(|o| wanted(o)).filter_map(each).collect();
    (!logs.is_empty()).then_some(logs)
}

/// Geometric mean of predictions given as logarithms, with the interval of a further one from
/// their spread, s·√(1 + 1/n), never narrower than `least` either way.
fn around(logs: &[f64], least: f64) -> Estimate {
    let n = logs.len() as f64;
    let mean = logs.iter().sum::<f64>() / n;
    let squares: f64 = logs.iter().map(|l| (l - mean).powi(2)).sum();
    let deviation = if logs.len() > 1 { (squares / (n - 1.0)).sqrt() } else { 0.0 };
    let factor = (Z95 * deviation * (1.0 + 1.0 / n).sqrt()).exp();
    Estimate::within(mean.exp(), factor.max(least))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::fixture::{catalog, cpu_sku, gpu_sku};

    fn size(sku: &str, device: Device, per_s: f64) -> SizeRate {
        SizeRate {
            provider: "azure".into(),
            sku: sku.into(),
            device,
            units_per_s: Estimate::within(per_s, 1.3),
            latency_s: None,
            measurements: 1,
            percentiles: false,
            sources: vec!["somebody (2026-08)".into()],
            predicted: false,
        }
    }

    fn imported(sizes: Vec<SizeRate>) -> Imported {
        Imported { workload: "w".into(), unit: "image".into(), units_per_job: None, sizes }
    }

    /// C8 and C16 of one series; C9 of another on the same chip; G8 and G16 with one and two GPUs.
    fn sizes() -> Catalog {
        let mut catalog = catalog(1.0, 4.0);
        let mut twice = cpu_sku("C16", 2.0);
        twice.vcpus = 16;
        let mut other = cpu_sku("C9", 1.0);
        other.family = "Other".into();
        let mut gpus = gpu_sku("G16", 8.0);
        gpus.gpu_count = Some(2.0);
        catalog.skus.extend([twice, other, gpus]);
        catalog
    }

    #[test]
    fn a_series_scales_by_vcpus_and_gpus() {
        let measured = [
            size("C8", Device::Cpu, 100.0),
            size("C16", Device::Cpu, 180.0),
            size("G8", Device::Gpu, 1000.0),
            size("G16", Device::Gpu, 2200.0),
        ];
        let report = leave_one_out(&[imported(measured.to_vec())], &sizes(), |s| {
            s.prices.first().map(|p| p.price_usd_per_h)
        });
        let of = |sku: &str| report.predictions.iter().find(|p| p.sku == sku).expect("predicted");
        // C8 from C16: 180 · 8 / 16 = 90, −10 %; C16 from C8: 200, +11.1 %.
        assert!((of("C8").error() + 0.1).abs() < 1e-9);
        assert!((of("C16").error() - 20.0 / 180.0).abs() < 1e-9);
        // G8 from G16: 1100, +10 %; G16 from G8: 2000, −9.09 %.
        assert!((of("G8").error() - 0.1).abs() < 1e-9);
        assert!((of("G16").error() + 200.0 / 2200.0).abs() < 1e-9);
        // All within ×1.3; the mean of 10, 11.11, 10 and 9.09 %.
        assert_eq!(report.held(), 4);
        let mean = report.mean_absolute_error().expect("errors");
        assert!((mean - 0.100_505).abs() < 1e-5, "{mean}");
        // GPUs do 1000/4 = 250 and 2200/8 = 275 an hour's dollar, CPUs 100 and 90: 4 of 4 pairs.
        assert_eq!(report.choices, Choices { pairs: 4, right: 4, gpu_cheaper: 4 });
    }

    #[test]
    fn another_series_counts_by_peaks_and_a_lone_size_cannot_be_predicted() {
        let measured = vec![
            size("C8", Device::Cpu, 100.0),
            size("C9", Device::Cpu, 300.0),
            size("G8", Device::Gpu, 9.0),
        ];
        let report = leave_one_out(&[imported(measured)], &sizes(), |_| None);
        // The same chip and cores: C8 is predicted as C9 is, 300, outside ×1.3.
        let c8 = &report.predictions[0];
        assert_eq!((c8.sku.as_str(), c8.held()), ("C8", false));
        assert!((c8.error() - 2.0).abs() < 1e-9, "{}", c8.error());
        assert_eq!(c8.from, "1 size of its architecture, by peaks");
        assert_eq!(report.predictions.len(), 2);
        assert!(
            report.impossible[0].contains("G8 (gpu): no other size"),
            "{:?}",
            report.impossible
        );
        assert_eq!(report.choices.pairs, 0);
    }

    #[test]
    fn a_series_follows_the_power_law_of_its_sizes() {
        let mut catalog = sizes();
        for (name, vcpus) in [("C4", 4), ("C32", 32)] {
            let mut sku = cpu_sku(name, 1.0);
            sku.vcpus = vcpus;
            catalog.skus.push(sku);
        }
        let told = |name: &str, measured: &[SizeRate]| {
            let sku = catalog.sku(None, name).expect("size");
            of_series(sku, Device::Cpu, measured, &catalog).expect("of its series").units_per_s
        };
        // 4 vCPUs do 100 and 16 do 200: b = ½, so 8 do 100 · √2.
        let half = [size("C4", Device::Cpu, 100.0), size("C16", Device::Cpu, 200.0)];
        assert!((told("C8", &half).median - 141.421_356).abs() < 1e-5);
        // 100 and 300 would be b = 1.58; cut to 1 it goes through √(4·8) = 5.657 and √(100·300) =
        // 173.2: 32 do 173.2 · 32 / 5.657 = 979.8, two doublings away: ×1.3² = 1.69 and ×1.3 known.
        let steep = [size("C4", Device::Cpu, 100.0), size("C8", Device::Cpu, 300.0)];
        let far = told("C32", &steep);
        assert!((far.median - 979.795_9).abs() < 1e-3, "{}", far.median);
        assert!(far.hi90 / far.median > 1.69, "{far:?}");
        // More vCPUs that do less are b = 0: the mean, √(200 · 100).
        let falling = [size("C4", Device::Cpu, 200.0), size("C16", Device::Cpu, 100.0)];
        assert!((told("C32", &falling).median - 141.421_356).abs() < 1e-5);
    }

    #[test]
    fn an_unmeasured_size_is_scaled_from_its_series_and_less_sure_than_it() {
        let catalog = sizes();
        let c16 = catalog.sku(None, "C16").expect("size");
        let measured = [size("C8", Device::Cpu, 100.0), size("C9", Device::Cpu, 300.0)];
        let told = of_series(c16, Device::Cpu, &measured, &catalog).expect("of its series");
        // 16 of 8 vCPUs: 200, from C8 alone; ×1.3 and C8's own ×1.3: e^(√2 · ln 1.3) = 1.44922.
        assert!((told.units_per_s.median - 200.0).abs() < 1e-9);
        assert!((told.units_per_s.hi90 - 289.84).abs() < 0.01, "{}", told.units_per_s.hi90);
        assert_eq!((told.sources[0].as_str(), told.predicted), ("C8", true));
        // C16 known within ×1.01 makes nothing surer where C8 is known within ×10 only.
        let c4 = Sku { name: "C4".into(), vcpus: 4, ..c16.clone() };
        let mut three = catalog.clone();
        three.skus.push(c4.clone());
        let known = |sku, per_s, within| SizeRate {
            units_per_s: Estimate::within(per_s, within),
            ..size(sku, Device::Cpu, 1.0)
        };
        let mixed = [known("C8", 20.0, 10.0), known("C16", 40.0, 1.01)];
        let unsure = of_series(&c4, Device::Cpu, &mixed, &three).expect("of its series");
        assert!(unsure.units_per_s.hi90 / unsure.units_per_s.median > 10.0, "{unsure:?}");
        let c9 = catalog.sku(None, "C9").expect("size");
        assert_eq!(of_series(c9, Device::Cpu, &measured[..1], &catalog), None);
        let mut half = catalog.clone();
        half.skus.iter_mut().find(|s| s.name == "G16").expect("size").gpu_count = Some(0.5);
        let g16 = half.sku(None, "G16").expect("size");
        assert_eq!(of_series(g16, Device::Gpu, &[size("G8", Device::Gpu, 9.0)], &half), None);
    }

    #[test]
    fn the_interval_follows_the_spread() {
        // ln 1 and ln 4: mean ln 2, s = 0.980258; 1.644854 · 0.980258 · √1.5 = 1.974759; e^… = 7.2049.
        let e = around(&[0.0, 4f64.ln()], 1.3);
        assert!((e.median - 2.0).abs() < 1e-9);
        assert!((e.hi90 / 2.0 - 7.204_9).abs() < 1e-3, "{}", e.hi90 / 2.0);
        assert_eq!(around(&[1.0], 1.3).hi90, 1f64.exp() * 1.3);
    }
}
