//! Two arms in turns.

use std::time::{Duration, Instant};

use anyhow::Result;
use breakeven::backend::{Mode, Session};
use breakeven::stats;

/// A turn is at least so long, so that clock and call do not count.
const TURN: Duration = Duration::from_millis(10);
/// Between two turns; longer than libraries' threads wait for more work.
const PAUSE: Duration = Duration::from_millis(3);
/// Fewest and most pairs of turns.
const PAIRS: [usize; 2] = [8, 200];

/// What turns of two arms say.
pub struct Pairs {
    /// Seconds of one execution of ours, by the median of its turns.
    pub ours_s: f64,
    /// The same of the peer.
    pub peer_s: f64,
    /// Time of the peer ÷ time of ours, by the median of the pairs: above 1, ours is faster.
    pub ratio: f64,
    /// 95 % interval of that median by order statistics.
    pub interval: (f64, f64),
    /// Pairs of turns.
    pub pairs: usize,
}

/// Executions of a trial, after a first one that warms up.
const TRIAL_RUNS: usize = 7;

/// Least seconds of a few executions.
///
/// # Errors
/// A program that fails.
pub fn trial(session: &mut dyn Session) -> Result<f64> {
    session.run(Mode::KernelWarm, 1)?;
    let mut least_s = f64::INFINITY;
    for _ in 0..TRIAL_RUNS {
        least_s = least_s.min(session.run(Mode::KernelWarm, 1)?.total_s);
    }
    Ok(least_s)
}

/// Runs ours, warm, and the peer in `mode` in turns for about `budget`: ABBA, BAAB, and so on, so that neither is
/// always first.
///
/// # Errors
/// A program that fails.
pub fn take(
    ours: &mut dyn Session,
    peer: &mut dyn Session,
    mode: Mode,
    budget: Duration,
) -> Result<Pairs> {
    let modes = [Mode::KernelWarm, mode];
    let counts = [executions(ours, modes[0])?, executions(peer, mode)?];
    let (mut times, mut ratios) = ([Vec::new(), Vec::new()], Vec::new());
    let begin = Instant::now();
    while ratios.len() < PAIRS[0] || (begin.elapsed() < budget && ratios.len() < PAIRS[1]) {
        let mut pair = [0.0; 2];
        let ours_first = ratios.len() % 4 == 0 || ratios.len() % 4 == 3;
        for arm in if ours_first { [0, 1] } else { [1, 0] } {
            let session: &mut dyn Session = if arm == 0 { &mut *ours } else { &mut *peer };
            // Threads of the arm before are asleep then.
            std::thread::sleep(PAUSE);
            let timing = session.run(modes[arm], counts[arm])?;
            pair[arm] = timing.total_s / f64::from(counts[arm]);
            times[arm].push(pair[arm]);
        }
        ratios.push(pair[1] / pair[0]);
    }
    let median = |values: &[f64]| stats::median(values).unwrap_or(f64::NAN);
    let (low, high) = stats::median_interval(ratios.len());
    let mut sorted = ratios.clone();
    sorted.sort_unstable_by(f64::total_cmp);
    Ok(Pairs {
        ours_s: median(&times[0]),
        peer_s: median(&times[1]),
        ratio: median(&ratios),
        interval: (sorted[low], sorted[high]),
        pairs: ratios.len(),
    })
}

/// Executions that make a turn, after a first one that warms up.
fn executions(session: &mut dyn Session, mode: Mode) -> Result<u32> {
    session.run(mode, 1)?;
    let one_s = session.run(mode, 1)?.total_s.max(1e-9);
    Ok((TURN.as_secs_f64() / one_s).ceil().clamp(1.0, 1e6) as u32)
}
