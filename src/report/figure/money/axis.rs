//! Ticks: round numbers of money, time and demand, few enough to be read.

/// Round numbers from 0 to `end`, about `most` of them.
pub fn linear(end: f64, most: usize) -> Vec<f64> {
    let rough = end / most.max(1) as f64;
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|m| m * power).into_iter().find(|s| *s >= rough);
    let step = step.unwrap_or(10.0 * power);
    (0..=(end / step + 1e-9) as usize).map(|i| i as f64 * step).collect()
}

/// Round numbers within `from` and `to` (both above 0) on a log axis, at most `most`: powers of ten, with
/// 2 and 5 between them where there is room.
pub fn log(from: f64, to: f64, most: usize) -> Vec<f64> {
    let (low, high) = (from.log10().floor() as i32, to.log10().ceil() as i32);
    let inside = |v: &f64| (from * (1.0 - 1e-9)..=to * (1.0 + 1e-9)).contains(v);
    let multiples =
        [&[1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0][..], &[1.0, 2.0, 5.0], &[1.0, 3.0], &[1.0]];
    for set in multiples {
        let all = (low..=high).flat_map(|e| set.iter().map(move |m| m * 10f64.powi(e)));
        let ticks: Vec<f64> = all.filter(inside).collect();
        if ticks.len() <= most {
            return ticks;
        }
    }
    thinned((low..=high).map(|e| 10f64.powi(e)).filter(inside).collect(), most)
}

/// Seconds, minutes, hours and days that people count in.
const TIMES_S: &[f64] = &[
    60.0, 120.0, 300.0, 600.0, 1200.0, 3600.0, 7200.0, 18_000.0, 36_000.0, 86_400.0, 172_800.0,
    432_000.0, 864_000.0,
];

/// The same for seconds, which turn into minutes and hours.
pub fn log_times(from: f64, to: f64, most: usize) -> Vec<f64> {
    if to < 60.0 {
        return log(from, to, most);
    }
    let mut ticks = if from < 30.0 { log(from, 30.0, 99) } else { Vec::new() };
    if ticks.len() > 6 {
        ticks.retain(|t| (t.log10() - t.log10().round()).abs() < 1e-9);
    }
    ticks.extend(TIMES_S.iter().filter(|t| **t >= from && **t <= to));
    if to > 864_000.0 {
        ticks.extend(log(864_000.0, to, most).into_iter().filter(|t| *t > 864_000.0));
    }
    thinned(ticks, most)
}

/// Every so-manieth of them.
fn thinned(ticks: Vec<f64>, most: usize) -> Vec<f64> {
    let every = ticks.len().div_ceil(most.max(1)).max(1);
    ticks.into_iter().step_by(every).collect()
}

/// A round number without needless zeros: `0.05`, `2`, `1,000`, `20k`, `5M`.
pub fn short(value: f64) -> String {
    let steps = [(1e9, "bn"), (1e6, "M"), (1e4, "k")];
    for (from, letter) in steps {
        if value >= from * 0.9999 {
            let unit = if letter == "k" { 1e3 } else { from };
            return format!("{}{letter}", plain(value / unit));
        }
    }
    if value >= 1000.0 { crate::units::thousands(value) } else { plain(value) }
}

/// At most three significant digits, without zeros at the end.
fn plain(value: f64) -> String {
    if value == 0.0 {
        return "0".into();
    }
    let decimals = (2 - value.abs().log10().floor() as i32).clamp(0, 12) as usize;
    let text = format!("{value:.decimals$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

/// A round time: `2 ms`, `30 s`, `5 min`, `2 h`, `10 d`.
pub fn short_time(value_s: f64) -> String {
    let units =
        [(86_400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"), (1e-3, "ms"), (1e-6, "µs")];
    let found = units.into_iter().find(|(size, _)| value_s >= size * 0.9999);
    let (size, unit) = found.unwrap_or((1e-9, "ns"));
    format!("{} {unit}", plain(value_s / size))
}

/// Jobs that money is counted for, so that small sums can be read: `1`, a thousand or a million.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PerJobs {
    jobs: f64,
    /// `a job`, `per 1,000 jobs`, `per million jobs`.
    pub words: &'static str,
}

impl PerJobs {
    /// As many jobs as make `usd_per_job` some cents at least.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_few() {
        assert_eq!(
            linear(0.23, 5).iter().map(|t| short(*t)).collect::<Vec<_>>(),
            ["0", "0.05", "0.1", "0.15", "0.2"]
        );
        assert_eq!(linear(8.72, 5), [0.0, 2.0, 4.0, 6.0, 8.0]);
        assert_eq!(log(1.0, 100.0, 7), [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0]);
        assert_eq!(log(1.0, 1e9, 6).len(), 5);
        assert_eq!(log(3.9, 6.1, 7), [4.0, 5.0, 6.0]);
        assert_eq!(
            log_times(1.0, 7200.0, 9),
            [1.0, 10.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 3600.0, 7200.0]
        );
    }

    #[test]
    fn tick_labels_have_no_needless_digits() {
        let told = [0.05, 2.0, 1000.0, 20_000.0, 5e6, 1e10].map(short);
        assert_eq!(told, ["0.05", "2", "1,000", "20k", "5M", "10bn"]);
        assert_eq!([0.002, 30.0, 300.0, 7200.0].map(short_time), ["2 ms", "30 s", "5 min", "2 h"]);
        assert_eq!(short(PerJobs::fit_for(8.72e-6).of(8.72e-6)), "8.72");
    }
}
