//! `gate` with two programs: shell scripts that do counted work, and our own executable.

use std::path::Path;
use std::time::Instant;

use super::{breakeven, file, folder, message, names, run, stderr, stdout};

/// A script that counts to its first argument and prints `done`.
const COUNT: &str = "#!/bin/sh\ni=0; while [ $i -lt $1 ]; do i=$((i+1)); done; echo ${2:-done}\n";

fn script(folder: &Path, name: &str, text: &str) -> String {
    use std::os::unix::fs::PermissionsExt;
    let path = file(folder, name, text);
    let executable = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(&path, executable).expect("a file of the test's own");
    path
}

/// `gate` on two commands, few rounds, with what stands in `more`.
fn gate(
    folder: &Path,
    base: &str,
    cand: &str,
    more: &[&str],
    code: i32,
) -> assert_cmd::assert::Assert {
    let arguments = ["gate", "--base-cmd", base, "--cand-cmd", cand, "--ci", "none"];
    run(folder, &[&arguments[..], more].concat(), code)
}

#[test]
fn a_slower_command_is_found_and_every_form_of_the_finding_written() {
    let folder = folder();
    let count = script(folder.path(), "count", COUNT);
    let (base, cand) = (format!("{count} 4000"), format!("{count} 12000"));
    let found = gate(folder.path(), &base, &cand, &["-o", "out"], 3);
    names(&stdout(&found), &["regressed", "REGRESSED", "slower"]);
    for name in ["gate.json", "gate.md", "gate.csv", "junit.xml", "bmf.json", "benchmark.json"] {
        let path = folder.path().join("out").join(name);
        assert!(path.metadata().is_ok_and(|data| data.len() > 0), "{name}");
    }
    // 8 rounds of screening and 16 fresh ones are in the report, and all of it in the journal.
    let text = std::fs::read_to_string(folder.path().join("out/gate.json")).expect("gate.json");
    let report: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let row = &report["measured"]["rows"][0];
    assert_eq!(row["screen"].as_array().map(Vec::len), Some(8));
    assert_eq!(row["confirm"].as_array().map(Vec::len), Some(16));
    assert_eq!(report["measured"]["control"].as_array().map(Vec::len), Some(24));
    let journal = std::fs::read_to_string(folder.path().join("out/rounds.jsonl")).expect("rounds");
    assert!(journal.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()));
    // Judged again from the file it ends the same way; a second run does not write over it.
    run(folder.path(), &["gate", "--judge", "out/gate.json", "--ci", "none"], 3);
    let again = gate(folder.path(), &base, &cand, &["-o", "out"], 2);
    names(&message(&again), &["rounds.jsonl", "-o DIR"]);
}

#[test]
fn broken_candidates_never_pass() {
    let folder = folder();
    let count = script(folder.path(), "count", COUNT);
    let base = format!("{count} 2000");
    let fast = ["--rounds", "2,2"];
    let wrong = gate(folder.path(), &base, &format!("{count} 20 other"), &fast, 3);
    names(&stdout(&wrong), &["BROKEN", "is not the base's"]);
    let crash = script(folder.path(), "crash", "#!/bin/sh\necho out of luck >&2; exit 7\n");
    let crashed = gate(folder.path(), &base, &crash, &fast, 3);
    names(&stdout(&crashed), &["BROKEN", "out of luck"]);
    let hang = script(folder.path(), "hang", "#!/bin/sh\nsleep 600\n");
    let start = Instant::now();
    let more = [&fast[..], &["--time-limit", "0.5"]].concat();
    let hung = gate(folder.path(), &base, &hang, &more, 3);
    names(&stdout(&hung), &["BROKEN", "time limit"]);
    assert!(start.elapsed().as_secs() < 30, "a hanging candidate is stopped");
    // What the base cannot do is no fault of the candidate.
    let nothing = gate(folder.path(), &crash, &base, &fast, 4);
    names(&stdout(&nothing), &["INCONCLUSIVE", "out of luck"]);
    // Outputs that vary, held to the base's: that is broken; where they may differ, it is not.
    let vary = script(folder.path(), "vary", "#!/bin/sh\necho $$\n");
    let varies = gate(folder.path(), &base, &vary, &fast, 3);
    names(&stdout(&varies), &["BROKEN"]);
    gate(folder.path(), &format!("{base} x"), &vary, &["--any-output"], 0);
}

#[test]
fn a_base_that_fails_later_is_no_fault_of_the_candidate() {
    let folder = folder();
    // It fails in its 5th run, which is the first or the second of a round, by the seed.
    let text = "#!/bin/sh\nn=$(cat n 2>/dev/null || echo 0); echo $((n + 1)) >n; test $n -ne 4\n";
    let flaky = script(folder.path(), "flaky", text);
    for seed in ["1", "2", "3", "4"] {
        let _ = std::fs::remove_file(folder.path().join("n"));
        let more = ["--rounds", "4,2", "--seed", seed];
        let told = gate(folder.path(), &flaky, "true", &more, 4);
        names(&stdout(&told), &["the base failed"]);
    }
}

#[test]
fn outputs_that_begin_to_vary_on_both_sides_are_not_held_against_the_candidate() {
    let folder = folder();
    // As a date does: the same in every run for a while.
    let text = "#!/bin/sh\nn=$(cat n 2>/dev/null || echo 0); echo $((n + 1)) >n; echo $((n / 7))\n";
    let date = script(folder.path(), "date", text);
    let both = ["--rounds", "8,16"];
    let told = gate(folder.path(), &date, &format!("{date} x"), &both, 0);
    names(&stdout(&told), &["no longer compared"]);
}

#[test]
fn slips_of_the_pen_are_told_before_anything_runs() {
    let folder = folder();
    let same = gate(folder.path(), "true", "true", &[], 2);
    names(&message(&same), &["the same command", "--aa"]);
    let none = gate(folder.path(), "no-such-program", "true", &[], 2);
    names(&message(&none), &["no-such-program"]);
    names(&message(&run(folder.path(), &["gate"], 2)), &["--base-ref", "--judge"]);
    let ours = env!("CARGO_BIN_EXE_breakeven");
    let twice = run(folder.path(), &["gate", "ci", "--base", ours, "--cand", ours], 2);
    names(&message(&twice), &["byte for byte", "--aa"]);
    let foreign = ["gate", "ci", "--base", "/bin/true", "--cand", ours];
    names(&message(&run(folder.path(), &foreign, 2)), &["does not speak gate protocol"]);
    let missing = ["gate", "ci", "--base", "no/such", "--cand", ours];
    names(&message(&run(folder.path(), &missing, 2)), &["--base no/such"]);
    let suite = ["gate", "cii", "--base", "/bin/true", "--cand", ours];
    names(&message(&run(folder.path(), &suite, 2)), &["did you mean `ci`"]);
    for bad in [["--rounds", "8"], ["--margin", "cpu=2"], ["--max-wall", "-1"]] {
        let arguments = ["gate", "--base-cmd", "true", "--cand-cmd", "false"];
        let refused = run(folder.path(), &[&arguments[..], &bad].concat(), 2);
        assert!(stderr(&refused).contains(bad[0]), "{}", stderr(&refused));
    }
    let outside = run(folder.path(), &["gate", "ci", "--base-ref", "HEAD"], 2);
    names(&message(&outside), &["git repository"]);
}

#[test]
fn time_is_bounded_and_foretold() {
    let folder = folder();
    let count = script(folder.path(), "count", COUNT);
    let (base, cand) = (format!("{count} 80000"), format!("{count} 80001"));
    let arguments = ["gate", "--base-cmd", &base, "--cand-cmd", &cand, "--ci", "none"];
    let start = Instant::now();
    let short = breakeven(folder.path())
        .args(arguments)
        .args(["--rounds", "60,16", "--max-wall", "5", "-o", "out"])
        .assert();
    assert!(start.elapsed().as_secs_f64() < 8.0, "{:?}", start.elapsed());
    // Whether a few rounds can be judged depends on how fast the machine is.
    assert!(matches!(short.get_output().status.code(), Some(0 | 4)));
    names(&stdout(&short), &["--max-wall"]);
    assert!(folder.path().join("out/gate.json").exists());
    let dry = gate(folder.path(), &base, &cand, &["--dry-run", "--format", "json"], 0);
    let told: serde_json::Value = serde_json::from_str(&stdout(&dry)).expect("JSON");
    assert_eq!(told["rows"], 1);
    assert!(told["at_most_s"].as_f64() > told["screen_s"].as_f64());
}

#[test]
fn a_forecast_of_nothing_says_why() {
    let folder = folder();
    let told = message(&gate(folder.path(), "true", "false", &["--dry-run"], 4));
    names(&told, &["candidate failed", "status 1"]);
}

#[test]
fn a_ci_system_that_ends_the_gate_ends_what_it_measures() {
    let folder = folder();
    let slow = script(folder.path(), "slow", "#!/bin/sh\necho $$ >pid; sleep 60\n");
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_breakeven"))
        .current_dir(folder.path())
        .args(["gate", "--base-cmd", &slow, "--cand-cmd", "true", "--ci", "none"])
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("the program starts");
    let (pid, start) = (folder.path().join("pid"), Instant::now());
    while !std::fs::read_to_string(&pid).is_ok_and(|text| text.ends_with('\n')) {
        assert!(start.elapsed().as_secs() < 60, "the command never ran");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let own = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(own, rustix::process::Signal::TERM).expect("it is running");
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
    let running = std::fs::read_to_string(&pid).expect("its id");
    assert!(!Path::new("/proc").join(running.trim()).exists(), "the command still runs");
}

#[test]
fn our_own_executables_and_suites_of_commands_are_gated() {
    let folder = folder();
    let ours = env!("CARGO_BIN_EXE_breakeven");
    let suite = super::small_suite(folder.path(), "{ pairs = 20, query = 40, target = 60 }");
    // A mock computes the right answer and takes a fixed time, so both arms are the same.
    let arguments =
        ["gate", &suite, "--base", ours, "--cand", ours, "--aa", "--mock", "cpu,rate=1e8"];
    let more = ["--ci", "none", "--format", "json"];
    let same = breakeven(folder.path()).args(arguments).args(more).assert().code(0);
    let report: serde_json::Value = serde_json::from_str(&stdout(&same)).expect("JSON");
    assert_eq!(report["rows"][0]["verdict"], "SAME", "{report}");
    assert_eq!(report["rows"][0]["ratio"], 1.0);
    // A candidate whose answers are wrong is caught, however fast it is.
    let wrong = script(
        folder.path(),
        "wrong",
        &format!("#!/bin/sh\nexec {ours} \"$@\" --mock cpu,rate=1e12,wrong-at=1\n"),
    );
    let right = script(
        folder.path(),
        "right",
        &format!("#!/bin/sh\nexec {ours} \"$@\" --mock cpu,rate=1e8\n"),
    );
    let arguments = ["gate", &suite, "--base", &right, "--cand", &wrong, "--ci", "none"];
    names(&stdout(&run(folder.path(), &arguments, 3)), &["BROKEN"]);
    // Commands of a suite name the arm.
    let commands = "[[case]]\nfamily = \"command\"\ncpu = \"{arm} 2000\"\nunit = \"run\"\nunits = 1\n\
                    [[case]]\nfamily = \"command\"\ncpu = \"{arm} 4000\"\nunit = \"run\"\nunits = 1\n";
    let suite = file(folder.path(), "mine.toml", commands);
    let one = script(folder.path(), "one", COUNT);
    let two = script(folder.path(), "two", &COUNT.replace("echo", "echo wrong"));
    let arguments =
        ["gate", &suite, "--base", &one, "--cand", &two, "--rounds", "2,2", "--ci", "none"];
    names(&stdout(&run(folder.path(), &arguments, 3)), &["2 BROKEN", "mine.toml, case 2"]);
}
