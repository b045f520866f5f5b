//! `measure`: a user's own programs, from the shell to a verdict.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use breakeven::record::{self, Record, Row, Status};

use super::{breakeven, file, folder, message, names, run, stderr, stdout};

/// printf 'hello\n' | sha256sum
const HELLO: &str = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03";
/// Nothing of this machine's GPUs, and few runs.
const QUICK: [&str; 4] = ["--mock", "cpu", "--max-seconds", "2"];

fn script(folder: &Path, name: &str, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    let path = folder.join(name);
    std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).expect("a script");
    let allowed = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(&path, allowed).expect("an executable script");
}

fn read(folder: &Path, run: &str) -> Record {
    record::read(&folder.join(run).join("record.jsonl")).expect("a valid record")
}

fn only(record: &Record) -> &Row {
    assert_eq!(record.rows.len(), 1, "{:?}", record.rows);
    &record.rows[0]
}

/// `measure` with the quick flags before the others.
fn measure<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    [&["measure"], &QUICK[..], arguments].concat()
}

#[test]
fn a_command_after_two_dashes_is_timed_checked_and_recorded() {
    let folder = folder();
    script(folder.path(), "prog", "sleep 0.1; echo hello");
    let check = ["--check-sha256", HELLO, "--unit", "read", "--units", "500", "-o", "out"];
    let arguments = measure(&[&check[..], &["--", "./prog", "an argument"]].concat());
    let text = stdout(&run(folder.path(), &arguments, 0));
    names(&text, &["Your own program", "CPU (Mock CPU)", "read/s", "sha256", "empty process"]);
    let record = read(folder.path(), "out");
    let row = only(&record);
    assert_eq!((row.status, row.implementation.as_str()), (Status::Ok, "process/cpu"));
    assert_eq!((row.device.as_str(), row.work.items), ("process:cpu", 500.0));
    assert!(
        row.case_key.starts_with("command unit=read units=500 cpu=prog gpu=- commands=sha256:")
    );
    let time = row.times.end_to_end.as_ref().expect("a whole process is timed");
    // It sleeps for 0.1 s, so no run is shorter.
    assert!(time.samples_s.iter().all(|s| *s >= 0.1) && time.median_s < 5.0, "{time:?}");
    assert!(row.times.kernel_warm.is_none() && row.times.kernel_cold.is_none());
    assert!(row.unknown.iter().any(|u| u.starts_with("kernel_warm: ")), "{:?}", row.unknown);
    assert!(row.host_cpu_s.is_some_and(|s| s < 0.1));
    let process = row.process.as_ref().expect("it is a process");
    assert_eq!((process.output_sha256.as_deref(), process.output_bytes), (Some(HELLO), Some(6)));
    assert!(process.startup_s.is_some_and(|s| s > 0.0 && s < 1.0));
    assert!(folder.path().join("out/report.md").exists());
    let schema = include_str!("../../schema/record-v1.schema.json");
    let schema = serde_json::from_str(schema).expect("the schema is JSON");
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let lines = std::fs::read_to_string(folder.path().join("out/record.jsonl")).expect("it is");
    for line in lines.lines() {
        let value = serde_json::from_str(line).expect("JSON");
        let errors: Vec<String> = validator.iter_errors(&value).map(|e| e.to_string()).collect();
        assert!(errors.is_empty(), "{line}: {errors:?}");
    }
}

#[test]
fn json_holds_the_numbers() {
    let folder = folder();
    let arguments =
        measure(&["--format", "json", "--sku", "Standard_D4s_v5", "-o", "o", "--", "true"]);
    let text = stdout(&run(folder.path(), &arguments, 0));
    let data: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let command = &data["commands"][0];
    let number = |key: &str| command[key].as_f64().unwrap_or_else(|| panic!("{key} in {command}"));
    // USD an hour ÷ 3600 · seconds a run, for one unit a run.
    let expected = number("price_usd_per_h") / 3600.0 * number("median_s");
    assert!((number("usd_per_unit") / expected - 1.0).abs() < 1e-9);
    assert!((number("units_per_s") * number("median_s") - 1.0).abs() < 1e-9);
    assert_eq!(command["check"], "exit-status");
}

#[test]
fn a_wrong_output_is_exit_code_3_and_no_number() {
    let folder = folder();
    let wrong = HELLO.replace('5', "6");
    for check in [["--check-sha256", wrong.as_str()], ["--check", "grep -q bye"]] {
        let place = format!("out{}", check[0]);
        let arguments = measure(&[&check[..], &["-o", &place, "--", "echo", "hello"]].concat());
        names(&message(&run(folder.path(), &arguments, 3)), &["wrong output"]);
        let record = read(folder.path(), &place);
        assert_eq!(only(&record).status, Status::WrongOutput);
        assert_eq!(only(&record).times, record::Times::default());
    }
    let both = ["--mock", "cpu;mock:0", "--cpu", "echo a", "--gpu", "echo b", "--same-output"];
    let arguments = [&["measure", "--max-seconds", "2", "-o", "both"], &both[..]].concat();
    run(folder.path(), &arguments, 3);
    let rows = read(folder.path(), "both").rows;
    assert_eq!((rows[0].status, rows[1].status), (Status::Ok, Status::WrongOutput));
    assert!(rows[1].reason.as_ref().is_some_and(|r| r.contains("differs")), "{:?}", rows[1].reason);
}

#[test]
fn what_cannot_be_started_is_a_usage_error_that_names_it() {
    let folder = folder();
    file(folder.path(), "plain", "no program");
    let refused = |arguments: &[&str], parts: &[&str]| {
        let all = measure(&[&["-o", "out"], arguments].concat());
        names(&message(&run(folder.path(), &all, 2)), parts);
        assert!(!folder.path().join("out").exists(), "nothing was measured");
    };
    refused(&["--", "no-such-program"], &["cpu command", "no-such-program", "not found"]);
    refused(&["--", "./gone"], &["./gone", "not found"]);
    refused(&["--", "./plain"], &["./plain", "permission denied", "chmod"]);
    refused(&["--cpu", "cat x | wc"], &["`|` needs a shell", "shell = true"]);
    refused(&["--cpu", "wc {input}", "--input", "gone.txt"], &["gone.txt"]);
    refused(&["--check", "no-such-checker", "--", "true"], &["no-such-checker"]);
    refused(&[], &["no command is given", "--cpu"]);
    refused(&["--env", "X", "--", "true"], &["--env X", "NAME=VALUE"]);
    refused(&["--workload", "no/where.toml", "--", "true"], &["no/where.toml", "make it first"]);
    refused(&["--workload", "plain", "--", "true"], &["plain", "exists"]);
}

#[test]
fn a_failing_command_shows_its_status_and_last_words() {
    let folder = folder();
    script(folder.path(), "prog", "echo first >&2; echo 'disk on fire' >&2; exit 9");
    let assert = run(folder.path(), &measure(&["-o", "out", "--", "./prog"]), 1);
    names(&message(&assert), &["prog ended with status 9", "disk on fire"]);
    let arguments = measure(&["-o", "slow", "--time-limit", "0.2", "--", "sleep", "50"]);
    names(&message(&run(folder.path(), &arguments, 1)), &["sleep was stopped", "0.2 s"]);
}

#[test]
fn a_gpu_command_without_a_gpu_is_a_skip_and_alone_exit_code_4() {
    let folder = folder();
    let arguments = measure(&["-o", "out", "--cpu", "true", "--gpu", "no-such-gpu-program"]);
    let text = stdout(&run(folder.path(), &arguments, 0));
    names(&text, &["GPU: no GPU was found", "on a GPU size"]);
    let rows = read(folder.path(), "out").rows;
    let skipped = rows.iter().find(|row| row.status == Status::Skipped).expect("a skip");
    assert_eq!(skipped.implementation, "process/gpu");
    let alone = message(&run(folder.path(), &measure(&["-o", "x", "--gpu", "true"]), 4));
    names(&alone, &["nothing can be measured", "no GPU was found"]);
}

#[test]
fn ctrl_c_kills_the_command_and_leaves_a_valid_record() {
    let folder = folder();
    script(folder.path(), "prog", "echo $$ > pid; sleep 60");
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_breakeven"))
        .current_dir(folder.path())
        .args(["measure", "--mock", "cpu", "-o", "out", "--", "./prog"])
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .expect("the program starts");
    let pid = folder.path().join("pid");
    let start = Instant::now();
    while !std::fs::read_to_string(&pid).is_ok_and(|text| text.ends_with('\n')) {
        assert!(start.elapsed() < Duration::from_secs(60), "the command never ran");
        std::thread::sleep(Duration::from_millis(20));
    }
    let own = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(own, rustix::process::Signal::INT).expect("it is running");
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
    let running = std::fs::read_to_string(&pid).expect("its id");
    assert!(!Path::new("/proc").join(running.trim()).exists(), "the command still runs");
    let record = read(folder.path(), "out");
    assert!(record.rows.is_empty());
    assert!(record.footer.is_some_and(|footer| !footer.complete));
}

/// Measures on a CPU size and on a GPU size, by the same command line, and judges both records.
fn judged(folder: &Path, on_cpu: &str, verdict: &str) -> (String, String) {
    script(folder, "on-cpu", on_cpu);
    script(folder, "on-gpu", "sleep 0.01; echo hello");
    let command = [
        "measure",
        "--cpu",
        "./on-cpu",
        "--gpu",
        "./on-gpu",
        "--check-sha256",
        HELLO,
        "--unit",
        "image",
        "--units",
        "100",
        "--max-seconds",
        "10",
    ];
    let on = |sku: &str, device: &str, more: &[&str]| {
        let mock = ["--mock", "cpu,threads=4;mock:0,name=Tesla T4", "--device", device];
        let place = ["--sku", sku, "-o", sku];
        run(folder, &[&command[..], &mock, &place, more].concat(), 0);
    };
    let jobs = ["--workload", "mine.toml", "--jobs-per-day", "20000000"];
    on("Standard_D4s_v5", "cpu", &jobs);
    let classify = ["classify", "mine.toml", "--explain", "--records", "Standard_D4s_v5"];
    let first = stdout(&run(folder, &classify, 0));
    on("Standard_NC4as_T4_v3", "mock:0", &[]);
    let both =
        [&classify[..], &["--records", "Standard_NC4as_T4_v3", "--expect", verdict]].concat();
    (first, stdout(&run(folder, &both, 0)))
}

#[test]
fn records_of_two_sizes_and_the_written_workload_give_a_verdict() {
    let folder = folder();
    // 0.6 s of one thread: a whole node of 4 threads cannot do it in less than 0.15 s. 20 M runs a
    // day are 231 a second, so at least 50 nodes at 70 % (D4s_v5, $0.19 an hour); in 0.012 s on the
    // GPU they take 4 (NC4as_T4_v3, $0.53): $9.60 against $2.10 an hour, whatever is idle.
    let spin = "i=0; while [ $i -lt 500000 ]; do i=$((i+1)); done; echo hello";
    let (first, both) = judged(folder.path(), spin, "gpu");
    names(&first, &["measure-first", "no GPU size can be judged", "--sku Standard_NC4as_T4_v3"]);
    names(&first, &["measured there", "time-unknown", "only where it ran"]);
    names(
        &both,
        &["gpu: $", "× Standard_NC4as_T4_v3 against", "only where it was measured", "images"],
    );
    assert!(!both.contains("NaN") && !both.contains("$0.00 "), "{both}");
}

#[test]
fn a_cpu_command_that_leaves_threads_idle_loses_nothing_for_sure() {
    let folder = folder();
    // It sleeps: dear as it stands, but many copies might sleep on one node.
    let (_, both) = judged(folder.path(), "sleep 0.2; echo hello", "measure-first");
    names(&both, &["leans GPU", "only where it was measured"]);
}

#[test]
fn busy_commands_get_a_sure_verdict_and_no_prediction_elsewhere() {
    let folder = folder();
    let record = |sku: &str, mock: &str| {
        let arguments = [
            "measure",
            "--cpu",
            "./spin",
            "--gpu",
            "true",
            "--max-seconds",
            "6",
            "--mock",
            mock,
            "--sku",
            sku,
            "-o",
            sku,
            "--device",
            "cpu",
        ];
        run(folder.path(), &arguments, 0);
    };
    // All of a small machine's time: CPU-seconds ÷ threads is the wall-clock time.
    script(folder.path(), "spin", "i=0; while [ $i -lt 60000 ]; do i=$((i+1)); done");
    record("Standard_D2s_v5", "cpu,threads=1");
    let text = "[[stage]]\nfamily = \"command\"\ncpu = \"./spin\"\ngpu = \"true\"\n\
                [demand]\njobs_per_day = 1000\n";
    let workload = file(folder.path(), "spin.toml", text);
    let arguments = ["classify", &workload, "--records", "Standard_D2s_v5", "--format", "json"];
    // One thread of two: the time is not that of the size.
    let assert = run(folder.path(), &arguments, 4);
    names(&stdout(&assert), &["1 of 2 threads"]);
    names(&stderr(&assert), &["nothing can be compared yet"]);
    let nameless = ["measure", "--cpu", "./spin", "--gpu", "true", "--max-seconds", "4", "-o", "x"];
    run(folder.path(), &[&nameless[..], &["--mock", "cpu", "--device", "cpu"]].concat(), 0);
    let assert = run(folder.path(), &["classify", &workload, "--records", "x"], 4);
    names(&stdout(&assert), &["VM size is not known: say it with --sku"]);
    // Without a GPU command there is nothing to measure on a GPU size.
    let text = text.replace("gpu = \"true\"\n", "");
    let workload = file(folder.path(), "cpu-only.toml", text);
    let assert = run(folder.path(), &["classify", &workload], 4);
    names(&stdout(&assert), &["the stage gives no `gpu` command"]);
    assert!(!stdout(&assert).contains("--sku Standard_N"), "no GPU size is advised");
}

#[test]
fn a_suite_of_commands_has_a_series_and_needs_no_kernel_devices() {
    let folder = folder();
    let text = "[[case]]\nfamily = \"command\"\ncpu = \"seq {units}\"\nunit = \"line\"\n\
                units = [10, 1000]\naxis = \"units\"\ncheck = { command = \"tail -n 1\" }\n";
    let suite = file(folder.path(), "mine.toml", text);
    let arguments = ["run", &suite, "--mock", "cpu;mock:0", "-o", "out", "--max-seconds", "4"];
    names(&stdout(&run(folder.path(), &arguments, 0)), &["units=10 ", "units=1000 ", "checker"]);
    let record = read(folder.path(), "out");
    assert_eq!(record.rows.len(), 2, "{:?}", record.rows);
    let series = record.rows[1].series.as_ref().expect("it is a series");
    assert_eq!((series.axis.as_str(), series.value), ("units", 1000.0));
    assert_eq!(Some(series.key.as_str()), record.rows[0].series.as_ref().map(|s| s.key.as_str()));
    let devices: Vec<&str> = record.header.env.devices.iter().map(|d| d.info.id.as_str()).collect();
    assert_eq!(devices, ["process:cpu", "process:gpu"]);
    let listed = breakeven(folder.path()).args(["list", "families"]).assert().code(0);
    names(&stdout(&listed), &["command", "programs of your own"]);
}

#[test]
fn a_large_output_is_read_in_little_memory() {
    let folder = folder();
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_breakeven"))
        .current_dir(folder.path())
        .args(["measure", "--mock", "cpu", "-o", "out", "--"])
        .args(["head", "-c", "300000000", "/dev/zero"])
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .expect("the program starts");
    let status = format!("/proc/{}/status", child.id());
    let mut peak_kib = 0_u64;
    let end = loop {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let peak = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let peak = peak.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
        peak_kib = peak_kib.max(peak.unwrap_or(0));
        if let Some(end) = child.try_wait().expect("it can be waited for") {
            break end;
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    assert!(end.success());
    let record = read(folder.path(), "out");
    let process = only(&record).process.as_ref().expect("it is a process");
    assert_eq!(process.output_bytes, Some(300_000_000));
    assert!((1..150_000).contains(&peak_kib), "{peak_kib} KiB");
}
