//! The sampler over a session that takes long to prepare.

use std::time::Duration;

use super::*;
use crate::backend::OneOff;

/// Executions take a millisecond by their own clock and nothing by ours; preparing takes half a
/// second of ours.
#[derive(Default)]
struct Slots {
    prepared: bool,
    one_off: OneOff,
}

impl Session for Slots {
    fn reset(&mut self) -> Result<(), BackendError> {
        Ok(())
    }
    fn prepare(&mut self, mode: Mode) -> Result<(), BackendError> {
        assert_eq!(mode, Mode::Pipelined);
        std::thread::sleep(Duration::from_millis(500));
        self.prepared = true;
        Ok(())
    }
    fn run(&mut self, _: Mode, iterations: u32) -> Result<Timing, BackendError> {
        assert!(self.prepared, "an execution would pay for the slots");
        let total_s = 1e-3 * f64::from(iterations);
        Ok(Timing { total_s, timer: Timer::Mock, depth: 3, ..Timing::default() })
    }
    fn outputs(&mut self) -> Result<Vec<Vec<u8>>, BackendError> {
        Ok(Vec::new())
    }
    fn modes(&self) -> &'static [Mode] {
        &[Mode::Pipelined]
    }
    fn one_off(&self) -> &OneOff {
        &self.one_off
    }
    fn launches(&self) -> u32 {
        1
    }
}

#[test]
fn neither_slots_nor_a_slow_first_execution_shorten_pipelined_samples() {
    let interrupted = AtomicBool::new(false);
    // By the first execution only one would fit into a third of the time.
    let limits = Limits { wall_s: 1.0, warmup_s: 0.0, first_s: 0.2, interrupted: &interrupted };
    let sampled = sample(&mut Slots::default(), Mode::Pipelined, &limits);
    let Ok(sampled) = sampled else { panic!("nothing fails here") };
    assert_eq!((sampled.iterations, sampled.depth), (MIN_PIPELINED, 3));
    assert!(sampled.warmup_runs > MIN_PIPELINED, "the time was not over yet");
    assert!(sampled.samples_s.iter().all(|s| (s - 1e-3).abs() < 1e-9));
}
