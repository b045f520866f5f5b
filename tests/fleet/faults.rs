//! Whatever goes wrong in the cluster ends as a record or with its reason, and leaves nothing behind.

use serde_json::json;

use super::{Bench, runs};

const SKU: &str = "Standard_D8as_v5";
const JOBS: &str = "POST /apis/batch/v1/namespaces/bench/jobs";

/// What happens to a pod, and how its run is told to have failed.
const ENDS: &[(&str, &str)] = &[
    ("unschedulable", "no node in 0 min: 0/3 nodes are available: 3 Insufficient nvidia.com/gpu."),
    ("image", "ImagePullBackOff: manifest unknown"),
    ("config", "CreateContainerConfigError: secret \"store\" not found"),
    ("oom", "ran out of the memory that its pod may have on node-standard-d8as-v5-"),
    ("crash", "ended with exit code 139 on node-standard-d8as-v5-"),
    ("deadline", "took longer than a run may on node-standard-d8as-v5-"),
    ("no-log", "its pod is gone, and its log with it"),
    ("cut-log", "the record in the pod's log "),
    ("spoil-log", "the record in the pod's log has checksum "),
    ("mute", "its pod ended without saying where the record is"),
];

#[test]
fn every_end_of_a_pod_has_its_reason() {
    let pods: serde_json::Map<String, serde_json::Value> = ENDS
        .iter()
        .enumerate()
        .map(|(index, (fate, _))| (format!("standard-d8as-v5/{index}"), json!([fate])))
        .collect();
    let count = ENDS.len() + 1;
    let keys = format!("repeats = {count}\nnodes = {count}\npending_minutes = 0.1");
    let bench = Bench::new(json!({ "pods": pods }), &keys, &[SKU]);
    let (code, table) = bench.run();
    let told = runs(&table);
    for ((fate, wanted), (state, what)) in ENDS.iter().zip(&told) {
        assert!(state == "failed" && what.contains(wanted), "{fate}: {state}: {what}");
    }
    assert_eq!(told[ENDS.len()].0, "record", "{told:?}");
    assert_eq!((code, bench.records().len()), (1, 1));
    bench.assert_clean();
    // The reasons outlive the jobs.
    let output = bench.fleet(&["status", "fleet.toml", "--format", "json"]);
    let status = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(runs(&status)[1], told[1]);
}

#[test]
fn what_was_disrupted_is_measured_again() {
    let pods = json!({
        "standard-d8as-v5/0": ["evict", "ok"],
        "standard-d8as-v5/1": ["preempt", "preempt", "ok"],
        "standard-d8as-v5/2": ["drain", "ok"],
        "standard-d8as-v5/3": ["evict-early", "ok"],
    });
    let bench = Bench::new(json!({ "pods": pods }), "repeats = 4\nnodes = 4", &[SKU]);
    let (code, table) = bench.run();
    assert_eq!((code, bench.records().len()), (0, 4), "{table}");
    assert_eq!(bench.asked(JOBS), 1, "by the job itself");
    bench.assert_clean();
}

#[test]
fn jobs_that_make_no_pods_or_vanish_are_told() {
    for (fate, wanted) in [
        (
            "no-pods",
            "its job made no pod in 0 min (FailedCreate: pods is forbidden: exceeded quota: gpus)",
        ),
        ("vanish", "its job was deleted by somebody else"),
    ] {
        let script = json!({ "jobs": { "standard-d8as-v5": fate } });
        let bench = Bench::new(script, "repeats = 2\npending_minutes = 0.05", &[SKU]);
        let (code, table) = bench.run();
        assert_eq!(code, 4, "{table}");
        for (state, what) in runs(&table) {
            assert!(state == "failed" && what.contains(wanted), "{fate}: {what}");
        }
        bench.assert_clean();
    }
}

#[test]
fn a_queue_that_admits_nothing_is_left_in_the_end() {
    let script = json!({ "jobs": { "standard-d8as-v5": "suspend" } });
    let bench = Bench::new(script, "repeats = 2\nqueue = \"full\"\nqueue_minutes = 0.05", &[SKU]);
    let (code, table) = bench.run();
    assert_eq!(code, 4, "{table}");
    for (state, what) in runs(&table) {
        assert!(state == "failed" && what == "its queue did not admit it in 0 min", "{what}");
    }
    bench.assert_clean();
}

#[test]
fn a_server_in_trouble_loses_and_doubles_nothing() {
    let faults = json!([
        // The last answer is lost on its way: the job is there, and the next try finds it.
        { "method": "POST", "path": "/jobs$", "answers": [429, 503, "drop", "lost"] },
        { "method": "PATCH", "path": "/configmaps/", "answers": [500, "drop"] },
        { "method": "GET", "path": "/pods$", "answers": [500, 429] },
        { "method": "GET", "path": "/jobs watch$", "answers": ["drop", 500] },
        { "method": "GET", "path": "/log$", "answers": [500, "drop", 503] },
        { "method": "DELETE", "path": "/jobs/", "answers": [500, "drop"] },
    ]);
    let watch = json!({ "drop_after": 3, "forget_after": 7 });
    let script = json!({ "faults": faults, "watch": watch });
    let bench = Bench::new(script, "repeats = 3\nnodes = 3", &[SKU]);
    let (code, table) = bench.run();
    assert_eq!((code, bench.records().len()), (0, 3), "{table}");
    assert_eq!(bench.asked(JOBS), 5, "four that failed, and one that found it there");
    let watches = &bench.state()["watches"];
    let happened = |what: &str| watches[what].as_u64().is_some_and(|number| number > 0);
    assert!(happened("dropped") && happened("forgotten"), "{watches}");
    bench.assert_clean();
}

#[test]
fn a_log_that_cannot_be_read_yet_is_waited_for() {
    // More than the tries of one call: the kubelet is away for a while.
    let faults = json!([{ "method": "GET", "path": "/log$", "answers": vec![500; 9] }]);
    let bench = Bench::new(json!({ "faults": faults }), "repeats = 1", &[SKU]);
    let (code, table) = bench.run();
    assert_eq!((code, bench.records().len()), (0, 1), "{table}");
    bench.assert_clean();
}

#[test]
fn a_server_that_refuses_is_not_asked_again() {
    let faults = json!([{ "method": "POST", "path": "/jobs$", "answers": [403, 403] }]);
    let bench = Bench::new(json!({ "faults": faults }), "", &[SKU]);
    let (code, table) = bench.run();
    assert_eq!(code, 4, "{table}");
    for (state, what) in runs(&table) {
        assert!(state == "failed", "{what}");
        assert!(what.contains("cannot create job breakeven-t-standard-d8as-v5: "), "{what}");
        assert!(
            what.contains("a fleet creates, watches and deletes Jobs and ConfigMaps"),
            "{what}"
        );
    }
    assert_eq!(bench.asked(JOBS), 1);
    bench.assert_clean();
}

#[test]
fn what_a_container_refuses_is_told_in_its_own_words() {
    // A GPU that the mock machine does not have.
    let bench = Bench::new(json!({}), "repeats = 2", &["Standard_NC4as_T4_v3"]);
    let text = std::fs::read_to_string(bench.folder.path().join("fleet.toml")).expect("readable");
    bench.write("fleet.toml", &format!("{text}device = [\"cuda:0\"]\n"));
    let (code, table) = bench.run();
    assert_eq!(code, 4, "{table}");
    for (state, what) in runs(&table) {
        assert!(state == "failed" && what.contains("cuda:0"), "{what}");
    }
    bench.assert_clean();
}
