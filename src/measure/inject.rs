//! Slows chosen native programs down by known amounts of real extra work, to prove the gate: only
//! in builds with the feature `inject-slowdown`, which no release has.
//!
//! `BREAKEVEN_INJECT=FILE` names a file of lines `steps<TAB>case key`: after each execution of that
//! case, so many dependent multiply–add steps follow, inside the timed call. With
//! `BREAKEVEN_INJECT_CALIBRATE=FILE` lines of the same form are appended to that file instead, with
//! the steps that take one hundredth of the case's own time on this machine.

use std::fs::OpenOptions;
use std::hint::black_box;
use std::io::Write;
use std::time::Instant;

use breakeven_kernels::work::{Native, Program};

/// Executions from which the steps of one hundredth are found.
const CALIBRATION_RUNS: usize = 31;
/// Steps of one look at their speed.
const PROBE_STEPS: u64 = 200_000;

/// `program` with what the environment says is added to `case_key`.
pub fn slowed(program: Program, case_key: &str) -> Program {
    let Program::Native(inner) = program else { return program };
    if let Ok(file) = std::env::var("BREAKEVEN_INJECT_CALIBRATE") {
        let case_key = case_key.to_owned();
        return Program::Native(Box::new(Calibrating { inner, case_key, file, pairs: Vec::new() }));
    }
    let steps = std::env::var("BREAKEVEN_INJECT").ok().and_then(|file| steps_of(&file, case_key));
    Program::Native(Box::new(Slowed { inner, steps: steps.unwrap_or(0) }))
}

fn steps_of(file: &str, case_key: &str) -> Option<u64> {
    let text = std::fs::read_to_string(file).ok()?;
    let lines = text.lines().filter_map(|line| line.split_once('\t'));
    lines.filter(|(_, key)| *key == case_key).find_map(|(steps, _)| steps.parse().ok())
}

/// A chain that no compiler shortens and no second port of the CPU overlaps.
fn work(steps: u64) {
    let mut x = black_box(1.0_f64);
    for _ in 0..steps {
        x = x * 0.999_999 + 1e-6;
    }
    black_box(x);
}

struct Slowed {
    inner: Box<dyn Native>,
    steps: u64,
}

impl Native for Slowed {
    fn run(&mut self) -> Result<(), String> {
        self.inner.run()?;
        work(self.steps);
        Ok(())
    }

    fn poison(&mut self) {
        self.inner.poison();
    }

    fn outputs(&self) -> Vec<Vec<u8>> {
        self.inner.outputs()
    }
}

/// Times the program and the steps in turns, so that both meet the same machine.
struct Calibrating {
    inner: Box<dyn Native>,
    case_key: String,
    file: String,
    /// Steps of a hundredth by each pair of looks.
    pairs: Vec<u64>,
}

impl Native for Calibrating {
    fn run(&mut self) -> Result<(), String> {
        if self.pairs.len() >= CALIBRATION_RUNS {
            return self.inner.run();
        }
        let start = Instant::now();
        self.inner.run()?;
        let own_s = start.elapsed().as_secs_f64();
        let start = Instant::now();
        work(PROBE_STEPS);
        let probe_s = start.elapsed().as_secs_f64();
        self.pairs.push((own_s / 100.0 / probe_s * PROBE_STEPS as f64) as u64);
        if self.pairs.len() == CALIBRATION_RUNS {
            self.pairs.sort_unstable();
            let steps = self.pairs[CALIBRATION_RUNS / 2];
            let mut file = OpenOptions::new().create(true).append(true).open(&self.file);
            let line = format!("{steps}\t{}\n", self.case_key);
            file.as_mut()
                .map_err(|e| e.to_string())?
                .write_all(line.as_bytes())
                .map_err(|e| e.to_string())?;
        }
        Ok(())
    }

    fn poison(&mut self) {
        self.inner.poison();
    }

    fn outputs(&self) -> Vec<Vec<u8>> {
        self.inner.outputs()
    }
}
