//! How well measured devices can be told from each other: each is left out in turn, its cases are
//! predicted from the rest (or by priors, where the rest cannot tell), and compared with what was
//! measured on it.

use breakeven_kernels::params::Params;

use super::evidence::MeasuredDevice;
use super::predict;
use super::stage::Asked;
use super::{Estimate, Origin};
use crate::workload::{ComputeStage, StageCase, Transfer};

/// With fewer devices of a kind than this, the errors say little of the next one.
pub const MEANS_LITTLE: usize = 5;

/// A case of a device, predicted without that device.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// Device left out: model and threads or share.
    pub device: String,
    /// Whether it is a GPU; then times are those of the kernel alone, of a CPU those of a call.
    pub gpu: bool,
    /// Family of the case.
    pub family: String,
    /// The case.
    pub case_key: String,
    /// Predicted from another device, or a prior.
    pub origin: Origin,
    /// From what, in words.
    pub how: String,
    /// Seconds as predicted.
    pub predicted_s: Estimate,
    /// Seconds as measured (median of the fastest implementation).
    pub measured_s: f64,
}

impl Prediction {
    /// predicted ÷ measured − 1.
    pub fn error(&self) -> f64 {
        self.predicted_s.median / self.measured_s - 1.0
    }

    /// How many times too long or too short, at least 1.
    pub fn factor(&self) -> f64 {
        (self.predicted_s.median / self.measured_s).ln().abs().exp()
    }

    /// Whether the 90 % interval holds the measured time.
    pub fn held(&self) -> bool {
        (self.predicted_s.lo90..=self.predicted_s.hi90).contains(&self.measured_s)
    }
}

/// Errors of several predictions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Errors {
    /// Predictions.
    pub number: usize,
    /// Mean of |predicted ÷ measured − 1|.
    pub mean_absolute: f64,
    /// Median of how many times too long or too short.
    pub typical_factor: f64,
    /// Predictions whose interval held.
    pub held: usize,
}

impl Errors {
    /// The errors of `predictions`; `None` without any.
    pub fn of<'p>(predictions: impl Iterator<Item = &'p Prediction>) -> Option<Self> {
        let all: Vec<&Prediction> = predictions.collect();
        let factors: Vec<f64> = all.iter().map(|p| p.factor()).collect();
        Some(Self {
            number: all.len(),
            mean_absolute: all.iter().map(|p| p.error().abs()).sum::<f64>() / all.len() as f64,
            typical_factor: crate::stats::median(&factors)?,
            held: all.iter().filter(|p| p.held()).count(),
        })
    }
}

/// Choices of the faster of a CPU and a GPU by times that were both predicted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Choices {
    /// Pairs of a CPU and a GPU that measured the same case.
    pub pairs: usize,
    /// Those whose faster one was told rightly.
    pub right: usize,
    /// Those in which the GPU is faster: what always choosing the GPU would get right.
    pub gpu_faster: usize,
}

impl Choices {
    /// Over every pair of `predictions`. GPU times are without transfers.
    pub fn of(predictions: &[Prediction]) -> Self {
        let mut choices = Self::default();
        for gpu in predictions.iter().filter(|p| p.gpu) {
            let same = |p: &&Prediction| !p.gpu && p.case_key == gpu.case_key;
            for cpu in predictions.iter().filter(same) {
                let truth = gpu.measured_s < cpu.measured_s;
                let told = gpu.predicted_s.median < cpu.predicted_s.median;
                choices.pairs += 1;
                choices.right += usize::from(truth == told);
                choices.gpu_faster += usize::from(truth);
            }
        }
        choices
    }
}

/// Leaves each device out in turn and predicts all of its cases, probes left aside. A device whose
/// peaks are unknown, and a case that neither a device nor a prior can tell, is not predicted.
pub fn held_out(devices: &[MeasuredDevice]) -> Vec<Prediction> {
    let mut predictions = Vec::new();
    for (index, device) in devices.iter().enumerate() {
        let Some(peaks) = &device.peaks else { continue };
        let mut others = devices.to_vec();
        others.remove(index);
        for (family, case) in device.cases().into_iter().filter(|(f, _)| *f != "peak") {
            let stage = lone_stage(family);
            let asked = Asked { number: 1, stage: &stage, case: &case };
            let Some(timed) = device.time(family, &case) else { continue };
            let Ok(kernel) = predict::modelled(asked, peaks, &others) else { continue };
            let measured = if peaks.gpu { timed.kernel_s } else { timed.pipelined_s };
            predictions.push(Prediction {
                device: peaks.label.clone(),
                gpu: peaks.gpu,
                family: family.to_owned(),
                case_key: case.case_key.clone(),
                origin: kernel.origin,
                how: kernel.how,
                predicted_s: kernel.time_s,
                measured_s: measured.median,
            });
        }
    }
    predictions
}

/// One call of a case whose data are in place.
fn lone_stage(family: &str) -> ComputeStage {
    ComputeStage {
        family: family.to_owned(),
        params: Params::default(),
        calls: 1.0,
        transfer: Transfer::Resident,
        gpus_per_job: 1.0,
    }
}

impl MeasuredDevice<'_> {
    /// The measured cases, each once, with their families.
    fn cases(&self) -> Vec<(&str, StageCase)> {
        let mut cases: Vec<(&str, StageCase)> = Vec::new();
        for row in &self.rows {
            if cases.iter().any(|(_, c)| c.case_key == row.case_key) {
                continue;
            }
            let series = row.series.iter().map(|s| {
                let axis = s.axis.rsplit('.').next().unwrap_or(&s.axis);
                (s.key.clone(), axis.to_owned(), s.value)
            });
            let case = StageCase {
                case_key: row.case_key.clone(),
                series: series.collect(),
                work: row.work.clone(),
                device_bytes: 0,
                host_bytes: 0,
                gpu_refusal: None,
            };
            cases.push((&row.family, case));
        }
        cases
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::evidence::devices;
    use crate::cost::fixture::*;
    use crate::record::Record;

    fn near(a: f64, b: f64) {
        assert!((a / b - 1.0).abs() < 1e-9, "{a} is not {b}");
    }

    fn machine(sku: &str, t: f64) -> Record {
        let rows = vec![row("cpu", "cpu/simd", "matmul a", t, 1.0)];
        let mut record = record(Some(sku), vec![cpu_device()], rows);
        record.header.env.devices[0].env_key = sku.into();
        record
    }

    #[test]
    fn two_equal_machines_predict_each_other() {
        // Both have a roof of 12.5 ms; one reaches half of it, the other 0.4 of it.
        let records = [machine("a", 0.025), machine("b", 0.03125)];
        let catalog = catalog(1.0, 2.0);
        let all = held_out(&devices(&records, &catalog));
        assert_eq!(all.len(), 2);
        assert!(all.iter().all(|p| p.origin == Origin::Predicted && p.held()), "{all:?}");
        // 31.25 ms told for 25 ms: a quarter too long; 25 for 31.25: a fifth too short.
        near(all[0].error(), 0.25);
        near(all[1].error(), -0.2);
        let errors = Errors::of(all.iter()).expect("errors");
        near(errors.mean_absolute, 0.225);
        near(errors.typical_factor, 1.25);
        assert_eq!((errors.number, errors.held), (2, 2));
    }

    #[test]
    fn a_device_alone_is_held_against_the_priors() {
        let records = [machine("a", 0.025)];
        let catalog = catalog(1.0, 2.0);
        let all = held_out(&devices(&records, &catalog));
        // 12.5 ms at an efficiency of 0.25 to 1: 25 ms in the middle, as measured.
        assert_eq!(all[0].origin, Origin::Prior);
        near(all[0].predicted_s.median, 0.025);
        assert_eq!(Errors::of(std::iter::empty()), None);
    }

    #[test]
    fn choices_count_pairs_of_one_case() {
        let gpu_rows = vec![row("cuda:0", "cuda/tiled", "matmul a", 0.004, 1.0)];
        let gpu = record(Some("G8"), vec![gpu_device()], gpu_rows);
        let records = [machine("a", 0.025), machine("b", 0.001), gpu];
        let catalog = catalog(1.0, 2.0);
        // The GPU's kernel takes 2 ms and is predicted at 2 ms by its prior; a (25 ms) is predicted
        // at 1 ms by b, and b (1 ms) at 25 ms by a: both choices are wrong.
        let choices = Choices::of(&held_out(&devices(&records, &catalog)));
        assert_eq!(choices, Choices { pairs: 2, right: 0, gpu_faster: 1 });
    }
}
