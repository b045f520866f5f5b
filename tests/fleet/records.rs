//! Fleets that go well.

use breakeven::record;
use serde_json::json;

use super::{Bench, runs};

const CPU: &str = "Standard_D8as_v5";
const GPU: &str = "Standard_NC4as_T4_v3";

#[test]
fn every_run_comes_home_once_and_nothing_is_left() {
    let bench = Bench::new(json!({}), "repeats = 2", &[CPU, GPU]);
    let (code, table) = bench.run();
    assert_eq!(code, 0, "{table}");
    let keys = [
        "t/standard-d8as-v5/0.jsonl",
        "t/standard-d8as-v5/1.jsonl",
        "t/standard-nc4as-t4-v3/0.jsonl",
        "t/standard-nc4as-t4-v3/1.jsonl",
    ];
    assert_eq!(bench.records(), keys);
    for (state, what) in runs(&table) {
        assert!(state == "record" && what.contains(" rows measured, in records/t/"), "{what}");
    }
    let path = bench.folder.path().join("records").join(keys[2]);
    let record = record::read(&path).expect("a record");
    let env = &record.header.env;
    assert_eq!(env.sku.as_deref(), Some(GPU));
    assert_eq!(env.node.as_deref(), Some("node-standard-nc4as-t4-v3-0"));
    assert!(record.footer.expect("a footer").complete);
    bench.assert_clean();

    // Again: all is there, so nothing is created, and nobody is asked to agree.
    let created = bench.asked("POST");
    let (code, table) = bench.run();
    assert_eq!((code, bench.asked("POST")), (0, created), "{table}");
    let output = bench.fleet(&["run", "fleet.toml"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn collect_copies_records_and_names_the_slow_node() {
    let script = json!({
        "pods": {"standard-d8as-v5/3": ["node-slow"]},
        "arguments": ["--mock", "cpu,rate=1e8"],
        "slow_arguments": ["--mock", "cpu,rate=5e7,latency=2e-6"],
    });
    let bench = Bench::new(script, "repeats = 5\nnodes = 5\nregion = \"eastus\"", &[CPU]);
    let (code, table) = bench.run();
    assert_eq!(code, 0, "{table}");
    let slow = table["slow_nodes"].as_array().expect("a list");
    assert_eq!(slow.len(), 1, "{table}");
    let told = slow[0].as_str().expect("a sentence");
    assert!(told.starts_with("node-standard-d8as-v5-3 "), "{told}");
    assert!(told.contains(" is 2.00 × slower than its 4 siblings in 2 of 2 cases"), "{told}");

    let output = bench.fleet(&["collect", "fleet.toml", "-o", "home"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let copied = bench.folder.path().join("home/t/standard-d8as-v5/4.jsonl");
    let record = record::read(&copied).expect("a record");
    assert_eq!(record.header.env.region.as_deref(), Some("eastus"));
}

#[test]
fn a_target_starts_when_the_cap_has_room_for_it() {
    // A run may take 2 min and 5 of grace; two of them, 3 min before and 4 around are 21 min of node: at
    // $0.344 and $0.526 an hour $0.120 and $0.184, both at once $0.305. What the first really takes is
    // little more than the 4 min around it, $0.023, and then there is room for the second.
    let around = "pending_minutes = 1\nstart_up_minutes = 2\ncool_down_minutes = 2";
    let keys = format!("repeats = 1\nmax_price_usd = 0.22\n{around}");
    let bench = Bench::new(json!({}), &keys, &[CPU, GPU]);
    let (code, table) = bench.run();
    assert_eq!((code, bench.records().len()), (0, 2), "{table}");
    let requests = bench.state()["requests"].to_string();
    let first_deleted =
        requests.find("DELETE /apis/batch/v1/namespaces/bench/jobs/breakeven-t-standard-d8");
    let second_created = requests.rfind("POST /apis/batch");
    assert!(first_deleted < second_created && first_deleted.is_some(), "{requests}");

    // What was spent, $0.023, counts in the next call as well: one more run may take $0.120.
    bench.write_fleet(&format!("repeats = 2\nmax_price_usd = 0.19\n{around}"), &[CPU]);
    let (code, table) = bench.run();
    assert_eq!(code, 0, "there is room for one: {table}");
    bench.write_fleet(&format!("repeats = 3\nmax_price_usd = 0.25\n{around}"), &[CPU]);
    let ledger = bench.folder.path().join("records/t/standard-d8as-v5/ledger.json");
    let text = std::fs::read_to_string(&ledger).expect("a ledger");
    let mut spent: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert!(spent["spent_usd"].as_f64().is_some_and(|usd| (0.045..0.06).contains(&usd)), "{text}");
    spent["spent_usd"] = json!(0.14);
    std::fs::write(&ledger, spent.to_string()).expect("writable");
    let (code, table) = bench.run();
    assert_eq!(code, 1, "{table}");
    let (state, what) = &runs(&table)[2];
    assert!(state == "failed" && what.starts_with("not started: $0.14 are spent"), "{what}");
    bench.assert_clean();
}

#[test]
fn what_a_record_says_of_itself_is_told_in_every_call() {
    let wrong = json!({ "arguments": ["--mock", "cpu,wrong-at=2"] });
    let bench = Bench::new(wrong, "repeats = 1", &[GPU]);
    for command in ["run", "status", "collect"] {
        let yes: &[&str] = if command == "run" { &["--yes"] } else { &[] };
        let output = bench.fleet(&[&[command, "fleet.toml"], yes].concat());
        let told = String::from_utf8_lossy(&output.stdout);
        assert!(told.contains("1 WRONG OUTPUTS; no GPU was measured: has the node"), "{told}");
        let code = if command == "run" { 3 } else { 0 };
        assert_eq!(output.status.code(), Some(code), "{command}: {told}");
    }
    let lost = json!({ "arguments": ["--mock", "cpu,lost-after=1"] });
    let bench = Bench::new(lost, "repeats = 1", &[CPU]);
    let (code, table) = bench.run();
    let (state, what) = &runs(&table)[0];
    assert!(code == 1 && state == "record" && what.contains("failed (cpu was lost"), "{what}");
    let nothing = json!({ "arguments": ["--mock", "cpu,lost-after=0"] });
    let bench = Bench::new(nothing, "repeats = 1", &[CPU]);
    let (code, table) = bench.run();
    let (state, what) = &runs(&table)[0];
    assert!(
        code == 4 && state == "failed" && what.starts_with("nothing was measured: cpu was lost"),
        "{what}"
    );
}

#[test]
fn a_broken_record_in_the_store_is_measured_again() {
    let bench = Bench::new(json!({}), "repeats = 2", &[CPU]);
    bench.run();
    let broken = bench.folder.path().join("records/t/standard-d8as-v5/1.jsonl");
    std::fs::write(&broken, "").expect("writable");
    let output = bench.fleet(&["status", "fleet.toml"]);
    assert_eq!(output.status.code(), Some(1));
    let (code, table) = bench.run();
    assert_eq!(code, 0, "{table}");
    assert!(record::read(&broken).is_ok());
}

#[test]
fn the_plan_is_told_before_money_is_spent() {
    let bench = Bench::new(json!({}), "repeats = 3", &[CPU, GPU]);
    let output = bench.fleet(&["run", "fleet.toml"]);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{error}");
    // 3 runs of 2 min, 18 min around them: 24 min of $0.344 + $0.526 an hour.
    assert!(
        error.contains("2 targets × 3 runs of suite suite × ≤ 2 min ≈ $0.35, at most "),
        "{error}"
    );
    assert!(error.contains("give --yes"), "{error}");
    assert_eq!(bench.asked("POST"), 0);
}
