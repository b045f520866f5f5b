//! `--jobs-per-day`, `--price` and the like: what is printed must hold when it is asked for.

use std::path::Path;

use serde_json::Value;

use super::{file, fixture, folder, message, names, run, stdout};

/// Verdict of `classify` with these arguments on the built-in records.
fn verdict(folder: &Path, arguments: &[&str]) -> Value {
    let all = [&["classify"], arguments, &["--format", "json", "--quiet"]].concat();
    let text = stdout(&run(folder, &all, 0));
    let mut value: Value = serde_json::from_str(&text).expect("JSON");
    value["verdicts"][0].take()
}

#[test]
fn inference_flips_from_cpu_to_gpu_at_the_demand_that_was_printed() {
    let folder = folder();
    let v = verdict(folder.path(), &["image-classification"]);
    let crossing = v["break_even"]["last_crossing_jobs_per_day"].as_f64().expect("a crossing");
    let at = |jobs: f64| {
        let v =
            verdict(folder.path(), &["image-classification", "--jobs-per-day", &jobs.to_string()]);
        assert_eq!(v["jobs_per_day"].as_f64(), Some(jobs));
        v["lean"].as_str().expect("a lean").to_owned()
    };
    assert_eq!((at(crossing - 1.0).as_str(), at(crossing).as_str()), ("cpu", "gpu"));
}

#[test]
fn the_verdict_turns_at_the_printed_price() {
    let folder = folder();
    let v = verdict(folder.path(), &["short-read-alignment"]);
    let sku = v["best_gpu"]["sku"].as_str().expect("a GPU size").to_owned();
    let flip = v["break_even"]["gpu_price_for_cpu_usd_per_h"].as_f64().expect("a price");
    let at = |usd: f64| {
        let price = format!("{sku}={usd}");
        verdict(folder.path(), &["short-read-alignment", "--price", &price])["verdict"].take()
    };
    assert_eq!(at(flip * 1.000_01), "cpu");
    assert_ne!(at(flip * 0.999_99), "cpu");
}

#[test]
fn assumptions_about_nodes_reach_the_money() {
    let folder = folder();
    let workload = file(
        folder.path(),
        "nightly.toml",
        "[[stage]]\nserial_cpu_s = 100\n[demand]\njobs_per_day = 100\npattern = \"batch\"\nwindow_h = 2\n",
    );
    let hours = |more: &[&str]| {
        let v = verdict(folder.path(), &[&[workload.as_str()], more].concat());
        v["best_cpu"]["node_hours_per_day"].as_f64().expect("node-hours")
    };
    // 50 jobs an hour of 100 thread-seconds are 1.39 threads: one node of 2 at 0.7 holds 1.4.
    let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-9, "{a} is not {b}");
    close(hours(&[]), 2.0 + 13.0 / 60.0);
    close(hours(&["--start-up-min", "15", "--cool-down-min", "0"]), 2.25);
    close(hours(&["--min-nodes", "1"]), 24.0);
    let v = verdict(folder.path(), &[&workload, "--target-utilisation", "0.35"]);
    let two = v["ranking"].as_array().expect("rows").iter().find(|r| r["sku"] == "Standard_F2s_v2");
    assert_eq!(two.map(|row| row["nodes"].as_u64()), Some(Some(2)));
}

#[test]
fn spot_without_cpu_prices_is_no_win_for_the_gpu() {
    let folder = folder();
    let v = verdict(folder.path(), &["image-classification", "--price-kind", "spot"]);
    assert!(v["verdict"] != "gpu" && v["verdict"] != "shared-gpu", "{}", v["headline"]);
    let codes: Vec<&str> = v["reasons"]
        .as_array()
        .expect("reasons")
        .iter()
        .filter_map(|r| r["code"].as_str())
        .collect();
    assert!(codes.contains(&"price-unknown") && codes.contains(&"spot-evictions"), "{codes:?}");
}

#[test]
fn what_cannot_be_is_refused() {
    let folder = folder();
    let cases: &[(&[&str], &[&str])] = &[
        (&["--price", "Standard_NC4as_T4_v4=1"], &["no such VM size of azure", "did you mean"]),
        (&["--price", "Standard_NC4as_T4_v3=0"], &["Standard_NC4as_T4_v3=0", "from 1e-6"]),
        (&["--price", "0.4"], &["as in Standard_NC4as_T4_v3=0.40"]),
        (&["--jobs-per-day", "-1"], &["must be 0, or a number from 1e-6 to 1e15"]),
        (&["--target-utilisation", "0"], &["share from 0.01 to 1"]),
        (&["--target-utilisation", "1.1"], &["share from 0.01 to 1"]),
        (&["--min-nodes", "-1"], &["-1"]),
        (&["--target-utilisation", "1e-300"], &["1e-300", "share from 0.01 to 1"]),
        (&["--start-up-min", "nan"], &["from 0 to 1440"]),
        (&["--cool-down-min", "1e300"], &["1e300", "from 0 to 1440"]),
        (&["--evictions-per-h", "1e308"], &["1e308", "from 0 to 60"]),
        (&["--price", "Standard_NC4as_T4_v3=1e300"], &["from 1e-6 to 1e6"]),
    ];
    for (arguments, parts) in cases {
        let all = [&["classify", "serial-job", "--quiet"], *arguments].concat();
        names(&message(&run(folder.path(), &all, 2)), parts);
    }
}

#[test]
fn no_jobs_a_day_have_no_price_a_job_but_one_a_month() {
    let folder = folder();
    let records = fixture("record.jsonl");
    let v = verdict(
        folder.path(),
        &["image-classification", "--records", &records, "--jobs-per-day", "0"],
    );
    assert!(v["best_cpu"]["usd_per_job"].is_null(), "no jobs, no price a job");
    assert!(v["best_cpu"]["usd_per_month"]["median"].as_f64().is_some_and(|usd| usd > 0.0));
}

#[test]
fn few_jobs_cost_little_and_not_nothing() {
    let folder = folder();
    let arguments = ["classify", "bursty-inference", "--jobs-per-day", "50", "--quiet"];
    let text = stdout(&run(folder.path(), &arguments, 0));
    for wrong in ["$0.00 ", "busy 0.0 %"] {
        assert!(!text.contains(wrong), "{wrong}: {text}");
    }
}
