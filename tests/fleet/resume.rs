//! The client may die at any time: what it began goes on, and the next call takes it up.

use std::process::Stdio;
use std::time::{Duration, Instant};

use breakeven::record;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use super::{Bench, runs};

const SKU: &str = "Standard_D8as_v5";
const JOBS: &str = "POST /apis/batch/v1/namespaces/bench/jobs";

/// A cluster whose runs take a while.
fn slow(keys: &str) -> Bench {
    Bench::new(json!({ "arguments": ["--mock", "cpu,sleep=0.01"] }), keys, &[SKU])
}

/// Waits until the server was asked so.
fn wait_for(bench: &Bench, request: &str) {
    let begin = Instant::now();
    while bench.asked(request) == 0 {
        assert!(begin.elapsed() < Duration::from_secs(60), "{request} never came");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Starts `fleet run`, sends `signal` once the job is there, and returns the exit code.
fn interrupted(bench: &Bench, signal: Signal) -> Option<i32> {
    let mut command = bench.command(&["run", "fleet.toml", "--yes", "--quiet"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("starts");
    wait_for(bench, JOBS);
    std::thread::sleep(Duration::from_millis(200));
    let pid = Pid::from_raw(child.id() as i32).expect("a process");
    kill_process(pid, signal).expect("it runs");
    child.wait().expect("it ends").code()
}

#[test]
fn a_client_that_was_killed_is_taken_up_where_it_was() {
    let bench = slow("repeats = 3");
    assert_eq!(interrupted(&bench, Signal::KILL), None);
    let (code, table) = bench.run();
    assert_eq!((code, bench.records().len()), (0, 3), "{table}");
    assert_eq!(bench.asked(JOBS), 1, "the job of the first call");
    bench.assert_clean();
}

#[test]
fn what_failed_is_tried_again_and_old_pods_are_not_taken_for_new_ones() {
    // The second job has one run, number 1, as its index 0; the first job's pods are still there, and
    // its index 0 was run 0.
    let pods = json!({ "standard-d8as-v5/1": ["mute"] });
    let bench = Bench::new(json!({ "pods": pods }), "repeats = 2\nnodes = 2", &[SKU]);
    let (code, table) = bench.run();
    assert_eq!((code, bench.records().len()), (1, 1), "{table}");
    let (code, table) = bench.run();
    assert_eq!((code, bench.records().len()), (0, 2), "{table}");
    let ids: Vec<String> = bench
        .records()
        .iter()
        .map(|key| record::read(&bench.folder.path().join("records").join(key)).expect("a record"))
        .map(|record| record.header.run.id)
        .collect();
    assert_ne!(ids[0], ids[1]);
    assert!(!bench.folder.path().join("records/t/standard-d8as-v5/1.failed.json").exists());
    bench.assert_clean();
}

#[test]
fn ctrl_c_leaves_the_cluster_at_work_and_delete_ends_it() {
    let bench = slow("repeats = 20");
    assert_eq!(interrupted(&bench, Signal::INT), Some(130));
    let output = bench.fleet(&["status", "fleet.toml", "--format", "json"]);
    let status = serde_json::from_slice(&output.stdout).expect("JSON");
    let states: Vec<String> = runs(&status).into_iter().map(|(state, _)| state).collect();
    assert!(states.iter().any(|s| s == "runs" || s == "waits"), "{states:?}");
    let output = bench.fleet(&["delete", "fleet.toml"]);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success()
            && told.contains(
                "deleted of fleet t: job breakeven-t-standard-d8as-v5, config map breakeven-t-suite"
            ),
        "{told}"
    );
    bench.assert_clean();
}

#[test]
fn a_job_with_other_settings_is_not_taken_for_this_fleets() {
    let bench = slow("repeats = 20");
    interrupted(&bench, Signal::INT);
    // Another store, of another client, knows nothing of it; the cluster does.
    let _ = std::fs::remove_dir_all(bench.folder.path().join("records"));
    bench.write_fleet("repeats = 20\nseed = 2", &[SKU]);
    let output = bench.fleet(&["run", "fleet.toml", "--yes"]);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(
        error.contains("job breakeven-t-standard-d8as-v5 is there with other settings"),
        "{error}"
    );
}

#[test]
fn records_of_other_settings_are_not_mixed_but_what_gave_none_may_be_mended() {
    let bench = Bench::new(json!({ "pods": { "*": ["mute"] } }), "repeats = 1", &[SKU]);
    assert_eq!(bench.run().0, 4);
    // No record lies there yet: another image is no other measurement.
    let text = std::fs::read_to_string(bench.folder.path().join("fleet.toml")).expect("readable");
    bench.write("fleet.toml", &text.replace("breakeven:1", "breakeven:2"));
    assert_eq!(bench.run().0, 4);

    let bench = Bench::new(json!({}), "repeats = 1", &[SKU]);
    assert_eq!(bench.run().0, 0);
    bench.write_fleet("repeats = 2\nseed = 2", &[SKU]);
    let output = bench.fleet(&["run", "fleet.toml", "--yes"]);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains("what lies there was measured with another suite"), "{error}");
}

#[test]
fn delete_brings_home_what_has_ended() {
    let bench = Bench::new(json!({}), "repeats = 2\nnodes = 2", &[SKU]);
    // The job runs to its end while no client looks.
    let mut command = bench.command(&["run", "fleet.toml", "--yes", "--quiet"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("starts");
    wait_for(&bench, JOBS);
    child.kill().expect("it runs");
    let _ = child.wait();
    let begin = Instant::now();
    loop {
        let output = bench.fleet(&["status", "fleet.toml", "--format", "json"]);
        let status = serde_json::from_slice(&output.stdout).expect("JSON");
        if runs(&status).iter().all(|(state, _)| state == "ended") {
            break;
        }
        assert!(begin.elapsed() < Duration::from_secs(60), "{status}");
        std::thread::sleep(Duration::from_millis(200));
    }
    let output = bench.fleet(&["delete", "fleet.toml"]);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    assert_eq!(bench.records().len(), 2, "{told}");
    bench.assert_clean();
}

#[test]
fn without_a_cluster_what_is_home_can_be_had() {
    let mut bench = Bench::new(json!({}), "repeats = 1", &[SKU]);
    assert_eq!(bench.run().0, 0);
    bench.server.kill().expect("it runs");
    let output = bench.fleet(&["collect", "fleet.toml", "-o", "home"]);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && told.contains("by the store alone"), "{told}");
    assert!(bench.folder.path().join("home/t/standard-d8as-v5/0.jsonl").exists());
}

#[test]
fn without_a_cluster_the_kubeconfig_is_named() {
    let bench = Bench::new(json!({}), "context = \"nowhere\"", &[SKU]);
    let output = bench.fleet(&["run", "fleet.toml", "--yes"]);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.starts_with("error: kubeconfig: ") && error.contains("nowhere"), "{error}");
}
