//! `run` and `advise` through mock devices: what is written, kept, interrupted and lost.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use breakeven::record::{self, Record, Status};

use super::{breakeven, file, folder, message, names, run, small_suite, stderr, stdout};

const PAIRS: &str = "{ pairs = [10, 20, 40], query = 30, target = 40 }";

fn read(path: &Path) -> Record {
    record::read(path).expect("a valid record")
}

/// The one record below `breakeven-results`.
fn default_record(folder: &Path) -> PathBuf {
    let runs: Vec<PathBuf> = std::fs::read_dir(folder.join("breakeven-results"))
        .expect("the default folder")
        .map(|entry| entry.expect("readable").path())
        .collect();
    assert_eq!(runs.len(), 1, "one run, one folder");
    runs[0].join("record.jsonl")
}

#[test]
fn json_is_the_record_itself_and_leaves_no_file() {
    let folder = folder();
    let suite = small_suite(folder.path(), PAIRS);
    let arguments = ["run", &suite, "--mock", "cpu;mock:0", "--format", "json"];
    let text = stdout(&run(folder.path(), &arguments, 0));
    let record = record::parse(text.as_bytes(), "stdout").expect("a record");
    assert_eq!(record.rows.iter().filter(|row| row.status == Status::Ok).count(), 6);
    assert!(record.rows.iter().filter(|r| r.status == Status::Ok).all(|r| r.check.is_some()));
    assert!(record.footer.is_some_and(|footer| footer.complete && footer.rows == 6));
    assert!(!folder.path().join("breakeven-results").exists());
}

#[test]
fn a_run_without_a_folder_still_keeps_its_record() {
    let folder = folder();
    let suite = small_suite(folder.path(), PAIRS);
    let arguments = ["run", &suite, "--mock", "cpu;mock:0,name=Some GPU", "--sku", "my-vm"];
    let text = stdout(&run(folder.path(), &arguments, 0));
    names(&text, &["my-vm", "CPU against GPU", "Some GPU", "pairs=40"]);
    let path = default_record(folder.path());
    assert_eq!(read(&path).header.env.sku.as_deref(), Some("my-vm"));
    for name in ["report.md", "report.json", "report.csv"] {
        assert!(path.with_file_name(name).exists(), "{name}");
    }
}

#[test]
fn a_dry_run_shows_the_plan_and_touches_nothing() {
    let folder = folder();
    let suite = small_suite(folder.path(), PAIRS);
    let text = stdout(&run(folder.path(), &["run", &suite, "--mock", "cpu", "--dry-run"], 0));
    names(&text, &["3 measurements", "pairs=10", "cpu/simd"]);
    assert!(!folder.path().join("breakeven-results").exists());
}

#[test]
fn a_gpu_lost_in_mid_run_costs_only_its_own_rows() {
    let folder = folder();
    let suite = small_suite(folder.path(), PAIRS);
    let mock = "cpu;mock:0,lost-after=1";
    let assert = run(folder.path(), &["run", &suite, "--mock", mock, "-o", "out"], 1);
    names(&message(&assert), &["mock:0 was lost", "out/record.jsonl"]);
    let record = read(&folder.path().join("out/record.jsonl"));
    let ok = |device: &str| {
        let of = record.rows.iter().filter(|r| r.device == device && r.status == Status::Ok);
        of.count()
    };
    assert_eq!((ok("cpu"), ok("mock:0")), (3, 1));
    let lost: Vec<_> = record.rows.iter().filter(|row| row.status != Status::Ok).collect();
    assert_eq!(lost.len(), 2);
    assert!(lost.iter().all(|row| row.reason.as_ref().is_some_and(|r| r.contains("lost"))));
    assert!(record.footer.is_some());
}

#[test]
fn a_wrong_output_is_exit_code_3_and_has_no_time() {
    let folder = folder();
    let suite = small_suite(folder.path(), PAIRS);
    let mock = "cpu;mock:0,wrong-at=2";
    let assert = run(folder.path(), &["run", &suite, "--mock", mock, "-o", "out"], 3);
    names(&message(&assert), &["wrong output", "out/record.jsonl"]);
    names(&stdout(&assert), &["Wrong output", "cpu/simd on mock:0"]);
    let record = read(&folder.path().join("out/record.jsonl"));
    let wrong: Vec<_> =
        record.rows.iter().filter(|row| row.status == Status::WrongOutput).collect();
    assert_eq!(wrong.len(), 1);
    assert_eq!(wrong[0].times, record::Times::default());
}

#[test]
fn kept_inputs_and_outputs_lie_in_a_folder_a_measurement() {
    let folder = folder();
    let suite = small_suite(folder.path(), "{ pairs = 10, query = 30, target = 40 }");
    run(folder.path(), &["run", &suite, "--mock", "cpu", "--keep", "kept", "-o", "out"], 0);
    let kept = folder.path().join("kept/001-alignment-cpu-simd-cpu");
    let case = std::fs::read_to_string(kept.join("case.txt")).expect("the case's key");
    assert!(case.starts_with("alignment mode=local"), "{case}");
    let table = std::fs::read_to_string(kept.join("alignments.tsv")).expect("the output");
    assert!(table.starts_with("query\ttarget\tscore\tquery_end\ttarget_end\n"), "{table}");
    assert_eq!(table.lines().count(), 11);
}

#[test]
fn an_implementation_filter_leaves_the_others_out() {
    let folder = folder();
    let suite = small_suite(folder.path(), "{ pairs = 10, query = 30, target = 40 }");
    let arguments = ["run", &suite, "--mock", "cpu", "--implementation", "cuda/nothing*"];
    names(&message(&run(folder.path(), &arguments, 2)), &["cuda/nothing*", "matches no"]);
    let arguments = ["run", &suite, "--mock", "cpu", "--implementation", "*/simd", "--dry-run"];
    names(&stdout(&run(folder.path(), &arguments, 0)), &["1 measurements", "cpu/simd"]);
}

#[test]
fn a_software_adapter_is_measured_only_when_asked_for() {
    let folder = folder();
    let suite = small_suite(folder.path(), "{ pairs = 10, query = 30, target = 40 }");
    let mock = "mock:0,kind=software";
    let refused = message(&run(folder.path(), &["run", &suite, "--mock", mock], 4));
    names(&refused, &["nothing can be measured", "--allow-software"]);
    run(folder.path(), &["run", &suite, "--mock", mock, "--allow-software", "-o", "out"], 0);
}

#[test]
fn only_the_devices_asked_for_are_measured_each_once() {
    let folder = folder();
    let suite = small_suite(folder.path(), "{ pairs = 10, query = 30, target = 40 }");
    let devices = ["--device", "mock:1", "--device", "cpu", "--device", "mock:1"];
    let assert = breakeven(folder.path())
        .args(["run", &suite, "--mock", "cpu;mock:0;mock:1", "--format", "json"])
        .args(devices)
        .assert()
        .code(0);
    let record = record::parse(stdout(&assert).as_bytes(), "stdout").expect("a record");
    let ids: Vec<&str> = record.header.env.devices.iter().map(|d| d.info.id.as_str()).collect();
    assert_eq!(ids, ["mock:1", "cpu"]);
    assert_eq!(record.rows.len(), 2);
}

#[test]
fn a_mock_that_cannot_be_read_is_refused() {
    let folder = folder();
    let message = message(&run(folder.path(), &["devices", "--mock", "mock:0,speed=9"], 2));
    names(&message, &["--mock", "speed"]);
}

#[test]
fn progress_on_a_pipe_is_a_line_a_measurement_and_none_if_quiet() {
    let folder = folder();
    let suite = small_suite(folder.path(), PAIRS);
    let common = ["run", &suite, "--mock", "cpu", "--format", "json"];
    let assert = breakeven(folder.path()).args(common).assert().code(0);
    assert_eq!(stderr(&assert).matches("cpu/simd on cpu: ").count(), 3);
    let assert = breakeven(folder.path()).args(common).arg("-q").assert().code(0);
    assert_eq!(stderr(&assert), "");
}

#[test]
fn a_full_disk_under_the_record_stops_the_run() {
    let folder = folder();
    let suite = small_suite(folder.path(), PAIRS);
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("/dev/full");
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_breakeven"))
        .args(["run", &suite, "--mock", "cpu", "--format", "json"])
        .current_dir(folder.path())
        .stdout(full)
        .output()
        .expect("the program starts");
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    names(&text, &["error: standard output", "No space left", "0 rows"]);
}

/// Starts a run whose every execution takes `sleep_s` real seconds.
fn slow_run(folder: &Path, sleep_s: f64) -> std::process::Child {
    let suite = small_suite(folder, PAIRS);
    std::process::Command::new(env!("CARGO_BIN_EXE_breakeven"))
        .args(["run", &suite, "--mock", &format!("cpu,sleep={sleep_s}"), "-o", "out"])
        .current_dir(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts")
}

fn interrupt(child: &std::process::Child) {
    let id = rustix::process::Pid::from_child(child);
    rustix::process::kill_process(id, rustix::process::Signal::INT).expect("it still runs");
}

/// Waits until the record has at least `lines` lines.
fn wait_for_lines(folder: &Path, lines: usize) {
    let path = folder.join("out/record.jsonl");
    let begin = Instant::now();
    while std::fs::read_to_string(&path).map_or(0, |text| text.lines().count()) < lines {
        assert!(begin.elapsed() < Duration::from_secs(60), "no {lines} lines in a minute");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn ctrl_c_leaves_a_valid_record_marked_incomplete() {
    let folder = folder();
    let mut child = slow_run(folder.path(), 0.05);
    wait_for_lines(folder.path(), 2);
    interrupt(&child);
    let status = child.wait().expect("it ends");
    assert_eq!(status.code(), Some(130));
    let record = read(&folder.path().join("out/record.jsonl"));
    assert!(!record.rows.is_empty());
    let footer = record.footer.expect("a footer");
    assert!(!footer.complete);
    assert_eq!(footer.reason.as_deref(), Some("interrupted"));
}

#[test]
fn a_second_ctrl_c_ends_at_once() {
    let folder = folder();
    let mut child = slow_run(folder.path(), 30.0);
    wait_for_lines(folder.path(), 1);
    std::thread::sleep(Duration::from_millis(300));
    let begin = Instant::now();
    interrupt(&child);
    std::thread::sleep(Duration::from_millis(300));
    interrupt(&child);
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
    assert!(begin.elapsed() < Duration::from_secs(10));
}

#[test]
fn advise_goes_from_a_workload_file_to_a_verdict() {
    let folder = folder();
    let workload = file(
        folder.path(),
        "reads.toml",
        "[[stage]]\nfamily = \"alignment\"\nmode = \"local\"\n\
         scoring = { match = 1, mismatch = -4, gap_open = 7, gap_extend = 1 }\n\
         input = { pairs = 200, query = 100, target = 150 }\ncalls = 10\n\
         [demand]\njobs_per_day = 1000\n",
    );
    let arguments = ["advise", &workload, "--mock", "cpu", "-o", "out"];
    let assert = run(folder.path(), &arguments, 0);
    names(&stderr(&assert), &["no GPU here", "the page to read is out/report.html"]);
    names(&stdout(&assert), &["Verdicts", "no GPU here", "reads: ", "out/record.jsonl"]);
    names(&stdout(&assert), &["Measured here", "pairs=200", "cpu/simd"]);
    let kept = ["record.jsonl", "report.md", "report.json", "report.csv", "measurements.md"];
    for name in kept.into_iter().chain(["report.html"]) {
        assert!(folder.path().join("out").join(name).exists(), "{name}");
    }
    let again = ["classify", &workload, "--records", "out", "--format", "json"];
    let text = stdout(&run(folder.path(), &again, 0));
    let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(value["verdicts"][0]["workload"], "reads");
}

#[test]
fn advise_judges_a_workload_that_has_nothing_to_measure() {
    let folder = folder();
    let workload = file(
        folder.path(),
        "waiting.toml",
        "[[stage]]\nserial_cpu_s = 120\n[demand]\njobs_per_day = 100\n",
    );
    let assert = run(folder.path(), &["advise", &workload, "--mock", "cpu", "-o", "out"], 0);
    names(&stdout(&assert), &["waiting: "]);
}
