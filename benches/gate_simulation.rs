//! Error rates and power of the gate by simulation, as CSV on stdout:
//! `cargo bench --bench gate_simulation > results/….csv`. Minutes on two cores; the tests run a
//! smaller part of it (tests/gate_rates.rs).

#[path = "../tests/gate_simulation/mod.rs"]
mod gate_simulation;

use breakeven::gate::{Machine, MetricClass, Rules};
use breakeven::stats::proportion::{Side, clopper_pearson};
use gate_simulation::wrong::{WRONG, false_alarms};
use gate_simulation::{MODELS, Noise, Scenario, predicted, simulate};

fn main() {
    // `cargo test --benches` only wants to know that it starts.
    let runs = if std::env::args().any(|arg| arg == "--bench") { 20_000 } else { 20 };
    println!("table,noise,spread,margin,effect,confirm_rounds,trials,count,share,lo95,hi95");
    type Part = (&'static str, fn(u64), u64);
    let parts: [Part; 5] = [
        ("families", families, runs),
        ("layouts", layouts, runs),
        ("wrong", wrong_tests, runs),
        ("power", power_table, runs / 10),
        ("predictions", predictions, runs / 4),
    ];
    // Names of parts on the command line choose; none means all.
    let chosen: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    for (name, part, runs) in parts {
        if chosen.is_empty() || chosen.iter().any(|c| c == name) {
            part(runs);
        }
    }
}

fn rules(margin: f64) -> Rules {
    let mut rules = Rules::new(Machine::Dedicated);
    rules.margins.insert(MetricClass::Cpu, margin);
    rules
}

/// One line; the interval is Clopper and Pearson's at 95 %.
fn line(table: &str, noise: &str, numbers: [f64; 4], trials: u64, count: u64) {
    let [spread, margin, effect, rounds] = numbers;
    let [low, high] = clopper_pearson(count, trials, 0.95, Side::Both).expect("trials");
    let share = count as f64 / trials as f64;
    println!(
        "{table},{noise},{spread},{margin},{effect:.4},{rounds},{trials},{count},{share:.6},{low:.6},{high:.6}"
    );
}

fn families(runs: u64) {
    for noise in MODELS {
        for spread in [0.01, 0.03, 0.05] {
            for effect in [0.0, 0.03] {
                let rules = rules(0.03);
                let scenario = Scenario { noise, spread, effect, rows: 10, layout: None };
                let counts = simulate(&scenario, &rules, runs, 1);
                let numbers = [spread, 0.03, effect, 16.0];
                let name = format!("{noise:?}");
                line("family", &name, numbers, counts.runs, counts.alarmed);
                line("suspect_rows", &name, numbers, counts.rows, counts.suspects);
                line("same_rows", &name, numbers, counts.rows, counts.same);
                line("contaminated_runs", &name, numbers, counts.runs, counts.contaminated);
            }
        }
    }
}

fn layouts(runs: u64) {
    for (redrawn, name) in [(false, "layout_constant"), (true, "layout_redrawn")] {
        for spread in [0.01, 0.02, 0.03] {
            let scenario = Scenario {
                noise: Noise::Normal,
                spread: 0.01,
                effect: 0.0,
                rows: 10,
                layout: Some((spread, redrawn)),
            };
            let counts = simulate(&scenario, &rules(0.03), runs, 2);
            let numbers = [spread, 0.03, 0.0, 16.0];
            line(name, "Normal", numbers, counts.rows, counts.regressed + counts.improved);
        }
    }
}

fn wrong_tests(runs: u64) {
    for wrong in WRONG {
        for between in [0.005, 0.01, 0.02] {
            let alarms = false_alarms(wrong, 0.01, between, runs);
            let numbers = [between, 0.0, 0.0, 0.0];
            line("wrong", &format!("{wrong:?}"), numbers, runs, alarms);
        }
    }
}

/// The effect, in steps of 0.25 percentage points, from which nine runs of ten see it, at the level
/// of 50 rows; and the share that does.
fn power_table(runs: u64) {
    let cells = [(0.02, 16), (0.03, 16), (0.05, 16), (0.03, 32)];
    for noise in [Noise::Normal, Noise::Contaminated, Noise::HeavyTails] {
        for (margin, rounds) in cells {
            for spread in [0.003, 0.005, 0.01, 0.02, 0.03, 0.05] {
                let mut rules = rules(margin);
                rules.confirm_rounds = rounds;
                // One row at the level of one among fifty.
                rules.alpha_confirm /= 50.0;
                let mut effect = margin;
                let counts = loop {
                    effect += 0.0025;
                    let scenario = Scenario { noise, spread, effect, rows: 1, layout: None };
                    let counts = simulate(&scenario, &rules, runs, 3);
                    if counts.regressed * 10 >= counts.runs * 9 || effect > 1.0 {
                        break counts;
                    }
                };
                let numbers = [spread, margin, effect, f64::from(rounds)];
                line("power", &format!("{noise:?}"), numbers, counts.runs, counts.regressed);
            }
        }
    }
}

/// Does a slow-down of the size that one run predicts show in the next?
fn predictions(runs: u64) {
    for noise in MODELS {
        for spread in [0.01, 0.03, 0.05] {
            let rules = rules(0.03);
            let (seen, mut sizes) = predicted(noise, spread, &rules, runs);
            sizes.sort_by(f64::total_cmp);
            let median = sizes[sizes.len() / 2];
            let numbers = [spread, 0.03, median, 16.0];
            line("predicted", &format!("{noise:?}"), numbers, runs, seen);
        }
    }
}
