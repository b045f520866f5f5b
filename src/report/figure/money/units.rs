//! Money and time on axes: in units that can be read.

use crate::report::figure::scale::Tick;

/// Jobs that money is counted for, so that small sums can be read: one, a thousand or a million.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PerJobs {
    jobs: f64,
    /// `a job`, `per 1,000 jobs`, `per million jobs`.
    pub words: &'static str,
}

impl PerJobs {
    /// As many jobs as make `usd_per_job` a cent at least.
    pub fn fit_for(usd_per_job: f64) -> Self {
        match usd_per_job {
            v if v >= 0.01 => Self { jobs: 1.0, words: "a job" },
            v if v >= 1e-5 => Self { jobs: 1e3, words: "per 1,000 jobs" },
            _ => Self { jobs: 1e6, words: "per million jobs" },
        }
    }

    /// The money of so many jobs.
    pub fn of(&self, usd_per_job: f64) -> f64 {
        usd_per_job * self.jobs
    }
}

/// Units of time, the longest first, with the multiples of each that are marked.
const TIMES: [(f64, &str, &[f64]); 6] = [
    (86_400.0, "d", &[1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0]),
    (3600.0, "h", &[1.0, 2.0, 5.0, 10.0]),
    (60.0, "min", &[1.0, 2.0, 5.0, 10.0, 30.0]),
    (1.0, "s", &[1.0, 2.0, 5.0, 10.0, 30.0]),
    (1e-3, "ms", &[1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0]),
    (1e-6, "µs", &[1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0]),
];

/// Round times within a range (in seconds) on a log axis, at most `most`: seconds turn into minutes and
/// hours as they do in speech.
pub fn times((from_s, to_s): (f64, f64), most: usize) -> Vec<Tick> {
    let of_unit = |(size, unit, multiples): &(f64, &'static str, &'static [f64])| {
        let (size, unit) = (*size, *unit);
        let tick = move |m: &f64| Tick { value: m * size, label: format!("{m} {unit}") };
        multiples.iter().map(tick).collect::<Vec<_>>()
    };
    let all = TIMES.iter().rev().flat_map(of_unit);
    let inside: Vec<Tick> = all.filter(|t| (from_s..=to_s).contains(&t.value)).collect();
    let every = inside.len().div_ceil(most.max(1)).max(1);
    inside.into_iter().step_by(every).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_sums_are_told_for_more_jobs() {
        let told = [0.02, 0.002, 8.72e-6].map(|usd| PerJobs::fit_for(usd).words);
        assert_eq!(told, ["a job", "per 1,000 jobs", "per million jobs"]);
        assert!((PerJobs::fit_for(8.72e-6).of(8.72e-6) - 8.72).abs() < 1e-9);
    }

    #[test]
    fn times_are_round_in_their_units() {
        let labels = |range, most| -> Vec<String> {
            times(range, most).into_iter().map(|tick| tick.label).collect()
        };
        assert_eq!(labels((0.05, 0.6), 9), ["50 ms", "100 ms", "200 ms", "500 ms"]);
        assert_eq!(labels((8.0, 700.0), 9), ["10 s", "30 s", "1 min", "2 min", "5 min", "10 min"]);
        assert_eq!(labels((8.0, 700.0), 3), ["10 s", "1 min", "5 min"]);
    }
}
