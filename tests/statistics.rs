//! The gate's statistics against scipy and numpy, over many random vectors, to 1e-12.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use breakeven::stats::proportion::{Side, bonferroni, clopper_pearson, holm, student_t_quantile};
use breakeven::stats::signed_rank::{Walsh, equivalence, signed_rank};
use serde_json::{Value, json};

/// Numbers that look random and are the same in every run (SplitMix64).
struct Random(u64);

impl Random {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// 0 ≤ x < 1.
    fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.bits() % bound
    }

    /// Between −0.4 and 0.6; on a grid where ties and zeros are wanted.
    fn values(&mut self, n: u64, grid: Option<f64>) -> Vec<f64> {
        let snap = |v: f64| grid.map_or(v, |g| (v / g).round() * g);
        (0..n).map(|_| snap(self.unit() - 0.4)).collect()
    }
}

fn rank_cases(random: &mut Random, into: &mut Vec<Value>) {
    for round in 0..600 {
        // Python tries every sign where there are ties, so those vectors stay short.
        let grid = (round % 3 == 0).then_some(0.1);
        let n = 1 + random.below(if grid.is_some() { 12 } else { 40 });
        let values = random.values(n, grid);
        let found = signed_rank(&values).expect("finite values");
        into.push(json!({"kind": "signed_rank", "values": values, "t_plus": found.t_plus,
            "p_greater": found.p_greater, "p_less": found.p_less,
            "p_two_sided": found.p_two_sided}));
        let alpha = [0.05, 0.025, 0.01, 0.001, 0.0002][random.below(5) as usize];
        let mut walsh = Walsh::new(&values).expect("finite values");
        into.push(json!({"kind": "walsh", "values": values, "alpha": alpha,
            "estimate": walsh.estimate(), "lower": walsh.lower(alpha),
            "upper": walsh.upper(alpha)}));
        if grid.is_none() {
            let (low, high) = (-random.unit() * 0.3, random.unit() * 0.3);
            into.push(json!({"kind": "equivalence", "values": values, "low": low, "high": high,
                "p": equivalence(&values, low, high)}));
        }
    }
}

fn proportion_cases(random: &mut Random, into: &mut Vec<Value>) {
    let mut tried = vec![(0, 20_000), (1, 20_000), (137, 20_000), (20_000, 20_000), (45, 50)];
    for _ in 0..200 {
        let trials = 1 + random.below(3000);
        tried.push((random.below(trials + 1), trials));
    }
    for (successes, trials) in tried {
        for (side, name) in [(Side::Both, "Both"), (Side::Lower, "Lower"), (Side::Upper, "Upper")] {
            let confidence = [0.9, 0.95, 0.99][random.below(3) as usize];
            let [low, high] = clopper_pearson(successes, trials, confidence, side).expect("valid");
            into.push(json!({"kind": "proportion", "successes": successes, "trials": trials,
                "confidence": confidence, "side": name, "low": low, "high": high}));
        }
    }
}

fn other_cases(random: &mut Random, into: &mut Vec<Value>) {
    for freedom in 1..=60 {
        for p in [0.6, 0.95, 0.975, 0.999, 0.025] {
            let t = student_t_quantile(p, f64::from(freedom));
            into.push(json!({"kind": "student", "p": p, "freedom": freedom, "t": t}));
        }
    }
    for _ in 0..50 {
        let count = 1 + random.below(12);
        let p_values: Vec<f64> = (0..count).map(|_| random.unit().powi(3)).collect();
        into.push(json!({"kind": "many", "p_values": p_values,
            "bonferroni": bonferroni(&p_values), "holm": holm(&p_values)}));
    }
}

#[test]
fn scipy_and_numpy_agree_to_twelve_digits() {
    let mut random = Random(1);
    let mut cases = Vec::new();
    rank_cases(&mut random, &mut cases);
    proportion_cases(&mut random, &mut cases);
    other_cases(&mut random, &mut cases);
    let python = std::env::var("BREAKEVEN_TEST_PYTHON")
        .unwrap_or_else(|_| "target/test-python/bin/python".to_owned());
    let mut child = Command::new(&python)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/check_statistics.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("{python}: {e}; ./test.sh installs it"));
    let text: String = cases.iter().map(|case| format!("{case}\n")).collect();
    let written = child.stdin.take().expect("a pipe").write_all(text.as_bytes());
    let output = child.wait_with_output().expect("python ends");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    written.expect("python reads all cases");
    assert_eq!(told.lines().count(), 6, "{told}");
    println!("{told}");
}
