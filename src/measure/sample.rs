//! Calibrate → warm up → sample → stop, for one mode of one loaded program.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use crate::backend::{BackendError, Mode, Session, Timer, Timing};
use crate::stats;

/// Half-width of the median's 95 % interval, relative to it, at which sampling may stop.
const SETTLED: f64 = 0.005;
/// Samples wanted before the interval is looked at.
const MIN_SAMPLES: usize = 30;
/// Fewer will do where a sample takes longer than the given seconds.
const MIN_SAMPLES_SLOW: [(f64, usize); 2] = [(2.0, 5), (0.1, 10)];
/// What is taken even where the time has run out: a median and both its neighbours.
const FLOOR_SAMPLES: usize = 3;
/// Seconds between two looks at the clock and at Ctrl-C, where many samples fit between them.
const BETWEEN_LOOKS_S: f64 = 20e-3;
/// Samples kept at most.
const MAX_SAMPLES: usize = 400;
/// Seconds of measured time after which more samples add little.
const ENOUGH_S: f64 = 1.0;
/// Share of a mode's time by which warming up ends.
const WARM_UP_BY: f64 = 0.35;
/// Resolution of device timestamps (events), in seconds.
const DEVICE_TIMER_S: f64 = 1e-6;
/// Executions of one sample at most.
const MAX_ITERATIONS: u32 = 1 << 20;
/// Cold runs are flushed one by one, which costs milliseconds each.
const MAX_COLD_ITERATIONS: u32 = 8;
/// Executions in a pipelined sample at least: with fewer, nothing overlaps.
const MIN_PIPELINED: u32 = 8;

/// What may be spent on one mode.
pub(super) struct Limits<'a> {
    /// Wall-clock seconds.
    pub wall_s: f64,
    /// Seconds to warm up at least, where the wall-clock allows.
    pub warmup_s: f64,
    /// One execution in seconds, as first seen.
    pub first_s: f64,
    /// Set by Ctrl-C.
    pub interrupted: &'a AtomicBool,
}

/// The samples of one mode.
#[derive(Debug, Clone, Default)]
pub(super) struct Sampled {
    /// Seconds per execution, in time order.
    pub samples_s: Vec<f64>,
    /// Executions in one sample.
    pub iterations: u32,
    /// Executions in flight.
    pub depth: u32,
    /// Executions before the first sample.
    pub warmup_runs: u32,
    /// What measured.
    pub timer: Timer,
    /// Parts of an execution in seconds, one per sample where the backend splits it.
    pub upload_s: Vec<f64>,
    /// Device part.
    pub kernel_s: Vec<f64>,
    /// Download part.
    pub download_s: Vec<f64>,
    /// Host CPU-seconds per execution.
    pub host_cpu_s: f64,
    /// Executions in all samples.
    pub executions: u64,
    /// Whether the interval became as narrow as asked for.
    pub settled: bool,
}

/// Why sampling ended without a result.
pub(super) enum Stop {
    /// The device or program failed.
    Backend(BackendError),
    /// Ctrl-C.
    Interrupted,
}

impl From<BackendError> for Stop {
    fn from(error: BackendError) -> Self {
        Self::Backend(error)
    }
}

/// Executions that a mode takes at least.
pub(super) fn least_executions(mode: Mode) -> f64 {
    let iterations = if mode == Mode::Pipelined { 2 } else { 1 };
    (iterations * FLOOR_SAMPLES) as f64
}

/// Samples `mode`.
pub(super) fn sample(
    session: &mut dyn Session,
    mode: Mode,
    limits: &Limits<'_>,
) -> Result<Sampled, Stop> {
    // What the mode needs once is made before the clock starts, or calibration would take it for a
    // part of the executions and make the samples too short.
    session.prepare(mode)?;
    let mut sampler = Sampler { session, mode, limits, start: Instant::now(), runs: 0 };
    let (iterations, seen) = sampler.calibrate()?;
    // Where one sample takes the time of many, none is run only to be thrown away.
    if sampler.spent(WARM_UP_BY) {
        return sampler.collect(iterations, vec![seen]);
    }
    sampler.warm_up(iterations, seen)?;
    sampler.collect(iterations, Vec::new())
}

struct Sampler<'a> {
    session: &'a mut dyn Session,
    mode: Mode,
    limits: &'a Limits<'a>,
    start: Instant,
    /// Executions so far.
    runs: u32,
}

impl Sampler<'_> {
    fn run(&mut self, iterations: u32, samples: usize) -> Result<Vec<Timing>, Stop> {
        if self.limits.interrupted.load(Ordering::SeqCst) {
            return Err(Stop::Interrupted);
        }
        self.runs = self.runs.saturating_add(iterations.saturating_mul(samples as u32));
        Ok(self.session.sample(self.mode, iterations, samples)?)
    }

    /// Whether `share` of the wall-clock time for this mode has passed.
    fn spent(&self, share: f64) -> bool {
        self.start.elapsed().as_secs_f64() >= share * self.limits.wall_s
    }

    /// Executions per sample, such that the timer's resolution does not matter, and such a sample.
    fn calibrate(&mut self) -> Result<(u32, Timing), Stop> {
        let max = match self.mode {
            Mode::KernelCold => MAX_COLD_ITERATIONS,
            _ => MAX_ITERATIONS,
        };
        let mut iterations = self.overlapping(self.limits.first_s);
        loop {
            let timing = self.run(iterations, 1)?.pop().unwrap_or_default();
            let target = self.sample_s(timing.timer);
            // The first execution may have been slow: then more of them fit than was thought.
            let overlapping = self.overlapping(timing.total_s / f64::from(iterations));
            let long = timing.total_s >= target;
            if long && iterations >= overlapping || iterations >= max || self.spent(0.25) {
                return Ok((iterations, timing));
            }
            if long {
                iterations = overlapping;
                continue;
            }
            // First runs are slow, so a step is bounded; the next look corrects it.
            let growth = (1.2 * target / timing.total_s.max(1e-9)).clamp(1.5, 16.0);
            iterations = ((f64::from(iterations) * growth).ceil() as u32).min(max);
        }
    }

    /// Executions of a sample at least, where one takes `each_s`: of a pipelined one as many as
    /// overlap, unless a third of the time would be gone.
    fn overlapping(&self, each_s: f64) -> u32 {
        if self.mode != Mode::Pipelined {
            return 1;
        }
        let fit = self.limits.wall_s / 3.0 / each_s.max(1e-9);
        (fit as u32).clamp(2, MIN_PIPELINED)
    }

    /// Samples to take before the next look at clock and Ctrl-C, where one took `last`.
    fn chunk(&self, last: &Timing) -> usize {
        let left_s = self.limits.wall_s - self.start.elapsed().as_secs_f64();
        (BETWEEN_LOOKS_S.min(left_s) / last.total_s.max(1e-9)).clamp(1.0, MIN_SAMPLES as f64)
            as usize
    }

    /// Seconds that one sample should take.
    fn sample_s(&self, timer: Timer) -> f64 {
        let precision_s = match timer {
            Timer::Wall | Timer::Mock => wall_precision_s(),
            Timer::CudaEvent | Timer::GpuTimestamp => DEVICE_TIMER_S,
        };
        let batch: f64 = match (self.mode, timer) {
            // Launches back to back: long enough that the first one's latency vanishes.
            (Mode::KernelWarm, Timer::CudaEvent | Timer::GpuTimestamp) => 10e-3,
            _ => 100e-6,
        };
        // Never so long that the time would not hold the least number of samples.
        let most = self.limits.wall_s / 2.0 / MIN_SAMPLES as f64;
        (1000.0 * precision_s).max(batch.min(most)).max(100e-6)
    }

    /// Runs until times settle: 3 runs and some time at least, then the last five within 2 %.
    fn warm_up(&mut self, iterations: u32, mut last: Timing) -> Result<(), Stop> {
        let start = Instant::now();
        let least_s = self.limits.warmup_s.min(0.15 * self.limits.wall_s);
        let mut recent: Vec<f64> = Vec::new();
        while !self.spent(WARM_UP_BY) {
            let timings = self.run(iterations, self.chunk(&last))?;
            recent.extend(timings.iter().map(|timing| timing.total_s));
            last = timings.last().copied().unwrap_or(last);
            let warm = start.elapsed().as_secs_f64() >= least_s || last.timer == Timer::Mock;
            if recent.len() >= 5 && warm && self.runs >= 3 {
                let last = &recent[recent.len() - 5..];
                let (low, high) = last
                    .iter()
                    .fold((f64::INFINITY, 0.0f64), |(low, high), v| (low.min(*v), high.max(*v)));
                if high <= 1.02 * low || recent.len() > MAX_SAMPLES {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Samples after the `seen` ones, until the median is known well or the time is over.
    fn collect(&mut self, iterations: u32, seen: Vec<Timing>) -> Result<Sampled, Stop> {
        let warmup_runs = self.runs - iterations * seen.len() as u32;
        let mut out = Sampled { iterations, warmup_runs, ..Sampled::default() };
        let mut timings = seen;
        let mut last = Timing::default();
        let mut measured_s = 0.0;
        let mut next_look = 0;
        loop {
            if timings.is_empty() {
                let room = MAX_SAMPLES - out.samples_s.len();
                timings = self.run(iterations, self.chunk(&last).min(room))?;
            }
            for timing in timings.drain(..) {
                measured_s += timing.total_s;
                out.push(&timing);
                last = timing;
            }
            let n = out.samples_s.len();
            let least = MIN_SAMPLES_SLOW
                .into_iter()
                .find(|(slow_s, _)| last.total_s > *slow_s)
                .map_or(MIN_SAMPLES, |(_, least)| least);
            if n >= least && n >= next_look {
                // Looked at seldom: sorting at every sample would cost more than short kernels.
                next_look = n + n / 4 + 1;
                out.settled = settled(&out.samples_s);
                if out.settled {
                    break;
                }
            }
            let enough = n >= least && measured_s >= ENOUGH_S;
            let late = n >= FLOOR_SAMPLES && self.spent(1.0);
            if enough || late || n >= MAX_SAMPLES {
                break;
            }
        }
        out.settled = settled(&out.samples_s);
        out.executions = out.samples_s.len() as u64 * u64::from(iterations);
        out.host_cpu_s /= out.executions as f64;
        Ok(out)
    }
}

impl Sampled {
    /// Adds one sample; host seconds are summed until the end.
    pub(super) fn push(&mut self, timing: &Timing) {
        let each = f64::from(self.iterations);
        self.samples_s.push(timing.total_s / each);
        self.host_cpu_s += timing.host_cpu_s;
        self.upload_s.extend(timing.upload_s.map(|v| v / each));
        self.kernel_s.extend(timing.kernel_s.map(|v| v / each));
        self.download_s.extend(timing.download_s.map(|v| v / each));
        (self.timer, self.depth) = (timing.timer, timing.depth.max(1));
    }
}

fn settled(samples_s: &[f64]) -> bool {
    stats::summarize(samples_s).is_some_and(|s| s.n >= 6 && s.relative_half_width() <= SETTLED)
}

/// Smallest step of the monotonic clock seen in a few reads.
fn wall_precision_s() -> f64 {
    let step = |_| {
        let start = Instant::now();
        loop {
            let elapsed = start.elapsed().as_secs_f64();
            if elapsed > 0.0 {
                return elapsed;
            }
        }
    };
    (0..16).map(step).fold(f64::INFINITY, f64::min)
}

#[cfg(test)]
mod tests;
