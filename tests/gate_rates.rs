//! The gate's error rates and power by simulation, through its own code; and what the usual wrong
//! tests do to identical programs. benches/gate_simulation.rs runs more of the same.

mod gate_simulation;

use breakeven::gate::{Machine, MetricClass, Rules};
use breakeven::stats::proportion::{Side, clopper_pearson};
use gate_simulation::wrong::{WRONG, Wrong, false_alarms};
use gate_simulation::{MODELS, Noise, Scenario, alarms, predicted};

/// The defaults of a dedicated machine, with `margin` for the rows of the simulation.
fn rules(margin: f64) -> Rules {
    let mut rules = Rules::new(Machine::Dedicated);
    rules.margins.insert(MetricClass::Cpu, margin);
    rules
}

/// Clopper and Pearson's 95 % interval.
fn interval(count: u64, trials: u64) -> [f64; 2] {
    clopper_pearson(count, trials, 0.95, Side::Both).expect("trials")
}

#[test]
fn identical_programs_raise_less_than_one_alarm_in_a_hundred_runs() {
    for noise in MODELS {
        let scenario = Scenario { noise, spread: 0.03, effect: 0.0, rows: 5, layout: None };
        let counts = alarms(&scenario, &rules(0.03), 20_000, 1);
        let [_, high] = interval(counts.alarmed, counts.runs);
        println!("{noise:?}: {} runs of {} alarmed", counts.alarmed, counts.runs);
        assert!(high < 0.01, "{noise:?}: {counts:?}");
        // The screening has something to do, or this shows nothing.
        let some = noise == Noise::Position || counts.suspects > 500;
        assert!(some, "{noise:?}: {counts:?}");
    }
}

#[test]
fn a_change_of_just_the_margin_keeps_the_promised_rate() {
    // The least favourable truth that is still no regression, where nearly every row is confirmed.
    let scenario =
        Scenario { noise: Noise::Normal, spread: 0.01, effect: 0.03, rows: 5, layout: None };
    let counts = alarms(&scenario, &rules(0.03), 4000, 2);
    let [low, high] = interval(counts.alarmed, counts.runs);
    assert!(low < 0.01 && high < 0.015, "{counts:?}");
    assert!(counts.suspects * 10 > counts.rows * 9, "{counts:?}");
}

#[test]
fn power_is_that_of_the_table() {
    // Spread, margin and the effect that 90 % of runs see at the level of 50 rows, from an earlier
    // simulation by another program (steps of 0.25 %, ± 0.5 percentage points).
    let table = [
        (Noise::Normal, 0.005, 0.03, 0.040),
        (Noise::Normal, 0.01, 0.02, 0.038),
        (Noise::Normal, 0.01, 0.03, 0.048),
        (Noise::Normal, 0.03, 0.05, 0.110),
        (Noise::Contaminated, 0.01, 0.03, 0.078),
    ];
    for (noise, spread, margin, effect) in table {
        let mut rules = rules(margin);
        rules.alpha_confirm /= 50.0;
        let seen = |effect| {
            let scenario = Scenario { noise, spread, effect, rows: 1, layout: None };
            let counts = alarms(&scenario, &rules, 1000, 3);
            counts.regressed as f64 / counts.runs as f64
        };
        let (more, less) = (seen(effect + 0.0075), seen(effect - 0.0075));
        assert!(more > 0.9 && less < 0.9, "{noise:?} {spread} {margin}: {less} {more}");
    }
}

#[test]
fn what_is_said_to_be_seen_is_seen() {
    for noise in [Noise::Normal, Noise::Contaminated] {
        let (seen, _) = predicted(noise, 0.03, &rules(0.03), 100);
        let [_, high] = interval(seen, 100);
        println!("{noise:?}: {seen} of 100");
        assert!(high > 0.9 && seen > 80, "{noise:?}: {seen}");
    }
}

#[test]
fn the_usual_tests_alarm_at_identical_programs() {
    for wrong in WRONG {
        let alarmed = false_alarms(wrong, 0.01, 0.01, 500);
        let [low, _] = interval(alarmed, 500);
        println!("{wrong:?}: {alarmed} of 500");
        assert!(low > 0.2, "{wrong:?}: {alarmed}");
    }
    // Without what makes them wrong they are right: no difference between processes.
    let alarmed = false_alarms(Wrong::Welch, 0.01, 0.0, 500);
    let [low, high] = interval(alarmed, 500);
    assert!(low < 0.05 && high > 0.04, "{alarmed}");
}
