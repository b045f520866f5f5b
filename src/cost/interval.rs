//! Intervals of measured times: what the samples say, how much another run would differ, and what
//! other programs on the machine may have added.

use super::Estimate;
use crate::record::{Environment, HostState, Row, Time};

/// Interval factor of a measured time for another run on another machine of the kind: in two runs
/// of one rented machine, 27 minutes apart, nine of ten times differed by less than ×1.15, which
/// is ×1.1 (1.15 to the power of 1/√2) for one of them.
pub const ANOTHER_RUN: f64 = 1.1;
/// Added where the device's clock was not recorded: it may have been held down, or boosted.
pub const CLOCK_UNKNOWN: f64 = 1.1;
/// Clocks before and after a row that differ by more than this widen its interval by the ratio.
const CLOCK_STEADY: f64 = 1.02;

/// What a row was measured under.
#[derive(Debug, Clone, Copy)]
pub struct Circumstances<'a> {
    /// The row.
    pub row: &'a Row,
    /// State of its machine when the run began.
    pub state: &'a HostState,
    /// Hardware threads that the rows of this device run on, or of the machine for a GPU.
    pub threads: Option<u32>,
    /// Whether the row was computed by the CPU.
    pub cpu: bool,
}

impl<'a> Circumstances<'a> {
    /// Those of `row`, which ran on a device of `env`: a CPU with `threads`, else a GPU.
    pub fn of(row: &'a Row, env: &'a Environment, threads: Option<u32>, cpu: bool) -> Self {
        let threads = if cpu { threads.or(env.cpu.threads) } else { env.cpu.threads };
        Self { row, state: &env.state, threads, cpu }
    }

    /// The 90 % interval of `time`, in seconds: from the fastest sample (or the lower end of the
    /// median's own interval) to the upper end, stretched for another run and an unknown clock,
    /// its lower end brought down by what contention may have added. Noise only ever slows, so
    /// contention never moves the upper end. `floor_s` is a part that contention cannot explain.
    pub fn interval(&self, time: &Time, floor_s: f64) -> Estimate {
        let median = time.median_s;
        let fastest = [time.ci95_lo_s, time.min_s].into_iter().filter(|t| *t > 0.0);
        let lo90 = fastest.fold(median, f64::min);
        let calm = (lo90 / self.contention(time)).max(floor_s.min(lo90));
        let own = Estimate { median, lo90: calm, hi90: time.ci95_hi_s.max(median) };
        own.widened(ANOTHER_RUN).widened(self.clock())
    }

    /// How much longer than on an idle machine the time may be, at least 1.
    ///
    /// With a load average of L on T threads, T of our threads share them with L others:
    /// (T + L) / T. But a CPU row whose threads got c CPU-seconds cannot have been faster than
    /// c / T. Time stolen by the hypervisor adds 1 / (1 − stolen).
    fn contention(&self, time: &Time) -> f64 {
        let threads = f64::from(self.threads.unwrap_or(0));
        let by_load = self.state.load_average.filter(|_| threads > 0.0).map(|l| 1.0 + l / threads);
        let got = self.row.host_cpu_s.filter(|c| self.cpu && *c > 0.0 && threads > 0.0);
        let by_share = got.map(|cpu_s| (time.median_s * threads / cpu_s).max(1.0));
        let shared = match (by_load, by_share) {
            (Some(load), Some(share)) => load.min(share),
            (one, other) => one.or(other).unwrap_or(1.0),
        };
        let stolen = self.state.steal_ratio.unwrap_or(0.0).clamp(0.0, 0.9);
        shared.max(1.0) / (1.0 - stolen)
    }

    fn clock(&self) -> f64 {
        match self.row.clock_hz {
            [Some(before), Some(after)] if before > 0.0 && after > 0.0 => {
                let moved = (before / after).ln().abs().exp();
                if moved > CLOCK_STEADY { moved } else { 1.0 }
            }
            _ => CLOCK_UNKNOWN,
        }
    }
}

/// Several runs of the same thing as one: the geometric mean of the medians, within an interval
/// that holds every run's own. Never narrower than one of them. `None` without any.
pub fn pooled(runs: impl IntoIterator<Item = Estimate>) -> Option<Estimate> {
    let (mut logs, mut count) = (0.0, 0.0);
    let mut hull: Option<(f64, f64)> = None;
    for run in runs {
        logs += run.median.ln();
        count += 1.0;
        let (lo, hi) = hull.unwrap_or((run.lo90, run.hi90));
        hull = Some((lo.min(run.lo90), hi.max(run.hi90)));
    }
    let (lo90, hi90) = hull?;
    // Rounding must not put the middle outside of what it is the middle of.
    Some(Estimate { median: f64::exp(logs / count).clamp(lo90, hi90), lo90, hi90 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::fixture::{row, time};

    fn close(a: f64, b: f64) {
        assert!((a / b - 1.0).abs() < 1e-9, "{a} is not {b}");
    }

    fn cpu_row(host_cpu_s: Option<f64>) -> Row {
        Row { host_cpu_s, ..row("cpu", "cpu/simd", "matmul a", 1.0, 1.0) }
    }

    fn interval(row: &Row, state: &HostState, floor_s: f64) -> Estimate {
        let cpu = row.device == "cpu";
        Circumstances { row, state, threads: Some(8), cpu }.interval(&time(1.0, 1.0), floor_s)
    }

    fn load(load_average: f64) -> HostState {
        HostState { load_average: Some(load_average), ..HostState::default() }
    }

    #[test]
    fn a_calm_run_is_known_within_another_run() {
        let e = interval(&cpu_row(None), &load(0.0), 0.0);
        close(e.hi90, 1.1);
        close(e.lo90, 1.0 / 1.1);
        // Samples down to 0.8 s: ln 1.25 = 0.223144 and ln 1.1 = 0.095310 in quadrature are
        // 0.242646, and 1 / e^0.242646 = 0.784549.
        let mut spread = time(1.0, 1.0);
        spread.min_s = 0.8;
        let row = cpu_row(None);
        let state = load(0.0);
        let e = Circumstances { row: &row, state: &state, threads: Some(8), cpu: true }
            .interval(&spread, 0.0);
        assert!((e.lo90 - 0.784_549).abs() < 1e-6, "{}", e.lo90);
        close(e.hi90, 1.1);
    }

    #[test]
    fn a_busy_machine_lowers_the_lower_end_only() {
        // Four others on eight threads: 12/8 = 1.5 times too slow at most. ln 1.5 = 0.405465 and
        // ln 1.1 in quadrature are 0.416517, and 1 / e^0.416517 = 0.659339.
        let e = interval(&cpu_row(None), &load(4.0), 0.0);
        assert!((e.lo90 - 0.659_339).abs() < 1e-6, "{}", e.lo90);
        close(e.hi90, 1.1);
        // The threads got 8 CPU-seconds in 1 s: all of the machine, so nobody took anything.
        close(interval(&cpu_row(Some(8.0)), &load(4.0), 0.0).lo90, 1.0 / 1.1);
        // They got 6.4 of 8: at best 0.8 s.
        let e = interval(&cpu_row(Some(6.4)), &load(4.0), 0.0);
        assert!((e.lo90 - 0.784_549).abs() < 1e-6, "{}", e.lo90);
        // A fifth stolen by the hypervisor is the same factor of 1.25.
        let stolen = HostState { steal_ratio: Some(0.2), ..load(0.0) };
        let e = interval(&cpu_row(None), &stolen, 0.0);
        assert!((e.lo90 - 0.784_549).abs() < 1e-6, "{}", e.lo90);
        // A GPU's kernel time of 1 s has nothing to do with the host's load.
        let gpu = row("cuda:0", "cuda/tiled", "matmul a", 1.0, 1.0);
        close(interval(&gpu, &load(4.0), 1.0).lo90, 1.0 / 1.1);
    }

    #[test]
    fn clocks_that_moved_or_are_unknown_widen() {
        let mut row = cpu_row(None);
        row.clock_hz = [Some(2e9), Some(3e9)];
        // As above for 1.5: e^0.416517 = 1.516669.
        let e = interval(&row, &load(0.0), 0.0);
        assert!((e.hi90 - 1.516_669).abs() < 1e-6, "{}", e.hi90);
        row.clock_hz = [Some(2e9), None];
        // √2 · 0.095310 = 0.134789; e^0.134789 = 1.144295.
        let e = interval(&row, &load(0.0), 0.0);
        assert!((e.hi90 - 1.144_295).abs() < 1e-6, "{}", e.hi90);
    }

    #[test]
    fn runs_pool_to_their_middle_within_all_of_their_intervals() {
        let runs = [Estimate::within(1.0, 1.1), Estimate::within(4.0, 1.1)];
        let both = pooled(runs).expect("runs");
        close(both.median, 2.0);
        close(both.lo90, 1.0 / 1.1);
        close(both.hi90, 4.4);
        assert_eq!(pooled([]), None);
    }
}
