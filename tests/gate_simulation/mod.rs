//! Imagined gate runs with known truth: noise models, whole runs through the gate's own code, and
//! the wrong tests beside it. Shared by `tests/gate_rates.rs` and `benches/gate_simulation.rs`.

// Each of the two uses a part.
#![allow(dead_code)]

use breakeven::gate::decide::decide;
use breakeven::gate::random::Random;
use breakeven::gate::{
    Arm, Measured, MetricClass, Pair, RowData, RowId, RowVerdict, Rules, detectable, noise_shape,
    schedule, suspects,
};
use rayon::prelude::*;

pub mod wrong;

/// How rounds vary. `s` is the spread of a scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Noise {
    /// Log ratio of a round: normal, standard deviation s.
    Normal,
    /// The same with 5 s in one round of ten: a neighbour visits.
    Contaminated,
    /// s times Student's t with 3 degrees of freedom.
    HeavyTails,
    /// The machine slows down by s with every process; with normal noise.
    Drift,
    /// Whole processes run 5 s slower in a second clock state, left and entered with chance 0.2;
    /// with normal noise.
    ClockStates,
    /// The second process of a round is 2 s slower; with normal noise.
    Position,
    /// Three samples a process with deviations of s, around a centre of the process that itself
    /// deviates by s ÷ √2; their median counts.
    Processes,
}

/// Every model.
pub const MODELS: [Noise; 7] = [
    Noise::Normal,
    Noise::Contaminated,
    Noise::HeavyTails,
    Noise::Drift,
    Noise::ClockStates,
    Noise::Position,
    Noise::Processes,
];

/// What is true in an imagined run.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    /// Model.
    pub noise: Noise,
    /// Its s, in log ratio.
    pub spread: f64,
    /// True time ratio of every row less 1.
    pub effect: f64,
    /// Rows.
    pub rows: usize,
    /// Standard deviation of a shift of each row that is no effect but the layout of the two
    /// binaries, and whether it is drawn anew for the confirming stage (a rebuild).
    pub layout: Option<(f64, bool)>,
}

/// A machine that rounds run on: what one process leaves for the next.
struct Machine {
    noise: Noise,
    spread: f64,
    processes: f64,
    slow: bool,
}

impl Machine {
    /// Shift of a whole process in its position, for all rows and the control.
    fn process(&mut self, second: bool, random: &mut Random) -> f64 {
        self.processes += 1.0;
        match self.noise {
            Noise::Drift => self.spread * self.processes,
            Noise::Position if second => 2.0 * self.spread,
            Noise::ClockStates => {
                self.slow ^= random.unit() < 0.2;
                if self.slow { 5.0 * self.spread } else { 0.0 }
            }
            _ => 0.0,
        }
    }

    /// Log times of one row in both arms, without the shifts of the processes.
    fn row(&self, random: &mut Random) -> [f64; 2] {
        let s = self.spread;
        match self.noise {
            Noise::Contaminated if random.unit() < 0.1 => [0.0, 5.0 * s * random.normal()],
            Noise::HeavyTails => {
                let squares: f64 = (0..3).map(|_| random.normal().powi(2)).sum();
                [0.0, s * random.normal() / (squares / 3.0).sqrt()]
            }
            Noise::Processes => [(); 2].map(|()| {
                let centre = s * std::f64::consts::FRAC_1_SQRT_2 * random.normal();
                let mut samples = [(); 3].map(|()| centre + s * random.normal());
                samples.sort_by(f64::total_cmp);
                samples[1]
            }),
            _ => [0.0, s * random.normal()],
        }
    }

    /// Runs a stage: rounds in the gate's own order for the rows of `wanted`, and the control.
    fn stage(
        &mut self,
        shifts: &[f64],
        wanted: &[usize],
        rounds: u32,
        random: &mut Random,
    ) -> (Vec<Vec<Pair>>, Vec<Pair>) {
        let mut pairs = vec![Vec::with_capacity(rounds as usize); wanted.len()];
        let mut control = Vec::with_capacity(rounds as usize);
        for (at, round) in schedule(random.bits(), rounds, 0).into_iter().enumerate() {
            let (one, two) = (self.process(false, random), self.process(true, random));
            let (base, cand) = if round.first == Arm::Base { (one, two) } else { (two, one) };
            let mut pair = |shift: f64| {
                let [b, c] = self.row(random);
                let (base, cand) = ((base + b).exp(), (cand + c + shift).exp());
                Pair { round: at as u32 + 1, first: round.first, base, cand, cycles: None }
            };
            for (row, into) in wanted.iter().zip(&mut pairs) {
                into.push(pair(shifts[*row]));
            }
            control.push(pair(0.0));
        }
        (pairs, control)
    }
}

fn empty_row(index: usize) -> RowData {
    let id = RowId {
        case_key: format!("case {index}"),
        implementation: "cpu/simd".to_owned(),
        device: "cpu".to_owned(),
        metric: "kernel_warm".to_owned(),
    };
    RowData { id, class: MetricClass::Cpu, screen: vec![], confirm: vec![], fault: None }
}

/// One gate run: screening, fresh rounds for the suspects. Decides nothing yet.
pub fn measure(scenario: &Scenario, rules: &Rules, seed: u64) -> Measured {
    let mut random = Random::new(seed);
    let mut machine =
        Machine { noise: scenario.noise, spread: scenario.spread, processes: 0.0, slow: false };
    let all: Vec<usize> = (0..scenario.rows).collect();
    let layout = |random: &mut Random| match scenario.layout {
        Some((spread, _)) => spread * random.normal(),
        None => 0.0,
    };
    let shifts = |random: &mut Random| -> Vec<f64> {
        all.iter().map(|_| scenario.effect.ln_1p() + layout(random)).collect()
    };
    let mut truth = shifts(&mut random);
    let (pairs, control) = machine.stage(&truth, &all, rules.screen_rounds, &mut random);
    let mut measured = Measured { rows: vec![], control, cut_short: None };
    for (index, screen) in pairs.into_iter().enumerate() {
        measured.rows.push(RowData { screen, ..empty_row(index) });
    }
    let suspects = suspects(&measured, rules);
    if suspects.is_empty() {
        return measured;
    }
    if scenario.layout.is_some_and(|(_, redrawn)| redrawn) {
        truth = shifts(&mut random);
    }
    let (pairs, control) = machine.stage(&truth, &suspects, rules.confirm_rounds, &mut random);
    for (row, confirm) in suspects.into_iter().zip(pairs) {
        measured.rows[row].confirm = confirm;
    }
    measured.control.extend(control);
    measured
}

/// What came of many runs.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counts {
    /// Runs.
    pub runs: u64,
    /// Runs with any row REGRESSED or IMPROVED.
    pub alarmed: u64,
    /// Rows in all.
    pub rows: u64,
    /// Rows that were suspects.
    pub suspects: u64,
    /// Rows by verdict.
    pub regressed: u64,
    /// Rows by verdict.
    pub improved: u64,
    /// Rows by verdict.
    pub same: u64,
    /// Runs that the control called contaminated.
    pub contaminated: u64,
}

impl Counts {
    fn plus(self, other: Self) -> Self {
        Self {
            runs: self.runs + other.runs,
            alarmed: self.alarmed + other.alarmed,
            rows: self.rows + other.rows,
            suspects: self.suspects + other.suspects,
            regressed: self.regressed + other.regressed,
            improved: self.improved + other.improved,
            same: self.same + other.same,
            contaminated: self.contaminated + other.contaminated,
        }
    }
}

/// Runs `runs` gate runs and counts.
pub fn simulate(scenario: &Scenario, rules: &Rules, runs: u64, seed: u64) -> Counts {
    count_runs(scenario, rules, runs, seed, true)
}

/// Only the alarms: runs without a suspect, which cannot raise one, are not judged, so that this is
/// fast enough for a test.
pub fn alarms(scenario: &Scenario, rules: &Rules, runs: u64, seed: u64) -> Counts {
    count_runs(scenario, rules, runs, seed, false)
}

fn count_runs(scenario: &Scenario, rules: &Rules, runs: u64, seed: u64, all: bool) -> Counts {
    let one = |run: u64| {
        // Runs get seeds that are far apart, not neighbours.
        let seed = Random::new(seed.wrapping_mul(1 << 32) ^ run).bits();
        let measured = measure(scenario, rules, seed);
        let suspects = measured.rows.iter().filter(|row| !row.confirm.is_empty()).count();
        let judged = all || suspects > 0;
        let decisions = if judged { decide(&measured, rules) } else { vec![] };
        let count = |verdict| decisions.iter().filter(|d| d.verdict == verdict).count() as u64;
        let (regressed, improved) = (count(RowVerdict::Regressed), count(RowVerdict::Improved));
        Counts {
            runs: 1,
            alarmed: u64::from(regressed + improved > 0),
            rows: measured.rows.len() as u64,
            suspects: suspects as u64,
            regressed,
            improved,
            same: count(RowVerdict::Same),
            contaminated: u64::from(count(RowVerdict::Contaminated) > 0),
        }
    };
    (0..runs).into_par_iter().map(one).reduce(Counts::default, Counts::plus)
}

/// Does a slow-down of the size that one run predicts show in the next? The prediction is that of
/// the first row in a run without an effect; then a fresh run has that effect. Gives the number of
/// runs that saw it, and the sizes.
pub fn predicted(noise: Noise, spread: f64, rules: &Rules, runs: u64) -> (u64, Vec<f64>) {
    let one = |run: u64| {
        let quiet = Scenario { noise, spread, effect: 0.0, rows: 10, layout: None };
        let first = measure(&quiet, rules, Random::new(run).bits());
        let ratios = |pairs: &[Pair]| pairs.iter().map(|p| (p.cand / p.base).ln()).collect();
        let stages = |row: &RowData| [ratios(&row.screen), ratios(&row.confirm)];
        let rows: Vec<[Vec<f64>; 2]> = first.rows.iter().map(stages).collect();
        let margin = rules.margin(MetricClass::Cpu);
        let effect = detectable(&rows[0], &noise_shape(&rows), rules, 10, margin);
        let slowed = Scenario { effect: effect.expect("a prediction"), ..quiet };
        let second = measure(&slowed, rules, Random::new(!run).bits());
        let seen = decide(&second, rules)[0].verdict == RowVerdict::Regressed;
        (u64::from(seen), slowed.effect)
    };
    let found: Vec<(u64, f64)> = (0..runs).into_par_iter().map(one).collect();
    (found.iter().map(|f| f.0).sum(), found.into_iter().map(|f| f.1).collect())
}
