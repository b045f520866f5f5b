//! What `gate` does with what it found: exit codes, waivers, `--soft`, CI systems, files. The
//! rounds are stored ones, so that nothing here depends on this machine's quiet.

use std::fs;
use std::path::Path;

use assert_cmd::assert::Assert;

use super::{breakeven, file, fixture, folder, message, names, stderr, stdout};

const WAIVER: &str = r#"
[[waiver]]
case_key = "matmul dtype=f32 m=256 n=256 k=256 batch=1"
implementation = "cpu/simd"
device = "cpu"
metric = "kernel_warm"
ceiling = 0.25
expires = 2999-12-31
issue = "https://example.org/issues/12"
reason = "the safer loop is worth it until the next release"
"#;

/// Judges a stored run, outside of any CI system.
fn judge(folder: &Path, name: &str, arguments: &[&str], code: i32) -> Assert {
    judge_in(folder, name, arguments, &[], code)
}

fn judge_in(
    folder: &Path,
    name: &str,
    arguments: &[&str],
    ci: &[(&str, &str)],
    code: i32,
) -> Assert {
    let mut command = breakeven(folder);
    for name in ["GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "TF_BUILD", "AGENT_TEMPDIRECTORY"] {
        command.env_remove(name);
    }
    let stored = fixture(&format!("gate/{name}.json"));
    command.envs(ci.iter().copied()).args(["gate", "--judge", &stored]).args(arguments);
    command.assert().code(code)
}

#[test]
fn a_known_regression_ends_with_3_and_a_disturbed_run_with_4() {
    let folder = folder();
    let text = stdout(&judge(folder.path(), "regression", &[], 3));
    names(&text, &["regressed: ", "2 REGRESSED", "matmul dtype=f32 m=256", "Noise floor"]);
    let text = stdout(&judge(folder.path(), "uninterpretable", &[], 4));
    names(&text, &["uninterpretable: ", "CONTAMINATED"]);
}

#[test]
fn what_looked_slower_and_had_no_time_to_be_confirmed_is_no_pass() {
    let folder = folder();
    let text = fs::read_to_string(fixture("gate/regression.json")).expect("the fixture");
    let mut stored: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    for row in stored["measured"]["rows"].as_array_mut().expect("rows") {
        row["confirm"] = serde_json::json!([]);
    }
    let cut = file(folder.path(), "cut.json", stored.to_string());
    let mut command = breakeven(folder.path());
    let told = command.args(["gate", "--ci", "none", "--judge", &cut]).assert().code(4);
    names(&stdout(&told), &["2 of 10 rows looked slower", "--max-wall"]);
}

#[test]
fn a_soft_class_ends_with_0_and_says_so_and_no_other_class_does() {
    let folder = folder();
    let text = stdout(&judge(folder.path(), "regression", &["--soft", "regressed"], 0));
    names(&text, &["regressed: ", "REGRESSED", "let pass by --soft", "would end with 3"]);
    judge(folder.path(), "regression", &["--soft", "broken,uninterpretable"], 3);
    judge(folder.path(), "uninterpretable", &["--soft", "contaminated"], 0);
    judge(folder.path(), "uninterpretable", &["--soft", "uninterpretable"], 0);
    judge(folder.path(), "uninterpretable", &["--soft", "environment", "--soft", "regressed"], 4);
    let refused = stderr(&judge(folder.path(), "regression", &["--soft", "slow"], 2));
    names(&refused, &["'slow'", "--soft", "contaminated"]);
}

#[test]
fn a_soft_run_is_no_error_for_junit_and_margins_hold_for_stored_rounds() {
    let folder = folder();
    let junit = |soft: &[&str], into: &str, code| {
        judge(folder.path(), "uninterpretable", &[&["-o", into], soft].concat(), code);
        fs::read_to_string(folder.path().join(into).join("junit.xml")).expect("a test report")
    };
    names(&junit(&[], "hard", 4), &["errors=\"1\""]);
    names(&junit(&["--soft", "contaminated"], "soft", 0), &["errors=\"0\"", "the run as a whole"]);
    // Slower by 8 and 14 %: within a margin of 90 %.
    judge(folder.path(), "regression", &["--margin", "cpu=0.9"], 0);
}

#[test]
fn a_waiver_holds_until_its_day_and_up_to_its_ceiling() {
    let folder = folder();
    let with = |text: String| file(folder.path(), "w.toml", text);
    let good = with(WAIVER.to_owned());
    let text =
        stdout(&judge(folder.path(), "regression", &["--waivers", &good, "--format", "csv"], 3));
    assert!(text.lines().any(|l| l.starts_with("WAIVED,matmul dtype=f32")), "{text}");
    // The other regression stands.
    assert!(text.lines().any(|l| l.starts_with("REGRESSED,convolution")), "{text}");
    let past = with(WAIVER.replace("2999-12-31", "2026-01-31"));
    let text = stdout(&judge(folder.path(), "regression", &["--waivers", &past], 3));
    names(&text, &["2 REGRESSED", "ended on 2026-01-31"]);
    let low = with(WAIVER.replace("0.25", "0.05"));
    let text = stdout(&judge(folder.path(), "regression", &["--waivers", &low], 3));
    names(&text, &["2 REGRESSED", "its ceiling is 5.0 %"]);
    let other = with(WAIVER.replace("m=256", "m=257"));
    let text = stdout(&judge(folder.path(), "regression", &["--waivers", &other], 3));
    names(&text, &["names no row of this run"]);
}

#[test]
fn a_malformed_waiver_file_is_refused_before_anything_is_measured() {
    let folder = folder();
    let cases: &[(&str, &str, &[&str])] = &[
        ("ceiling = 0.25", "ceiling = 25", &["w.toml", "waiver 1", "ceiling = 25", "0.08 for 8 %"]),
        ("2999-12-31", "\"soon\"", &["w.toml", "expires = \"soon\"", "2027-01-31"]),
        ("m=256", "m=*", &["w.toml", "case_key", "no patterns"]),
        ("issue", "isue", &["w.toml", "unknown key `isue`"]),
        ("the safer loop is worth it until the next release", "slow", &["reason", "10 characters"]),
        ("[[waiver]]", "[[waiver", &["w.toml", "line 2", "not TOML"]),
    ];
    for (from, to, parts) in cases {
        let path = file(folder.path(), "w.toml", WAIVER.replacen(from, to, 1));
        names(&message(&judge(folder.path(), "regression", &["--waivers", &path], 2)), parts);
    }
    let absent = message(&judge(folder.path(), "regression", &["--waivers", "none.toml"], 2));
    names(&absent, &["--waivers none.toml"]);
}

#[test]
fn every_file_is_written_and_the_json_is_judged_again_to_the_same_end() {
    let folder = folder();
    judge(folder.path(), "regression", &["-o", "out"], 3);
    let out = folder.path().join("out");
    for name in
        ["gate.txt", "gate.json", "gate.md", "gate.csv", "junit.xml", "bmf.json", "benchmark.json"]
    {
        assert!(fs::metadata(out.join(name)).is_ok_and(|m| m.len() > 0), "{name}");
    }
    let again = out.join("gate.json").display().to_string();
    breakeven(folder.path()).args(["gate", "--judge", &again, "--ci", "none"]).assert().code(3);
    let csv = fs::read_to_string(out.join("gate.csv")).expect("the CSV");
    assert_eq!(csv.lines().count(), 11, "a header and ten rows: {csv}");
}

#[test]
fn github_gets_its_summary_and_annotations_by_itself() {
    let folder = folder();
    let summary = file(folder.path(), "summary.md", "before\n");
    let ci = [("GITHUB_ACTIONS", "true"), ("GITHUB_STEP_SUMMARY", summary.as_str())];
    let text = stdout(&judge_in(folder.path(), "regression", &[], &ci, 3));
    assert!(text.contains("\n::error title=breakeven gate::"), "{text}");
    let page = fs::read_to_string(&summary).expect("the summary");
    assert!(page.starts_with("before\n### ❌ regressed: "), "{page}");

    // A form for programs stays alone on its stream.
    let assert = judge_in(folder.path(), "regression", &["--format", "json"], &ci, 3);
    serde_json::from_str::<serde_json::Value>(&stdout(&assert)).expect("JSON alone");
    assert!(stderr(&assert).contains("::error title=breakeven gate::"));

    // A soft finding is a warning, for it blocks nothing.
    let text = stdout(&judge_in(folder.path(), "regression", &["--soft", "regressed"], &ci, 0));
    assert!(!text.contains("::error") && text.contains("::warning "), "{text}");

    let text = stdout(&judge_in(folder.path(), "regression", &["--ci", "none"], &ci, 3));
    assert!(!text.contains("::error"), "{text}");

    // A summary that cannot be written hides no verdict.
    let ci = [("GITHUB_STEP_SUMMARY", "/nowhere/summary.md")];
    let assert = judge_in(folder.path(), "regression", &[], &ci, 3);
    assert!(stderr(&assert).contains("no job summary: /nowhere/summary.md"));
}

#[test]
fn azure_gets_its_issues_and_a_page_where_its_agent_finds_it() {
    let folder = folder();
    let ci = [("TF_BUILD", "True")];
    let text = stdout(&judge_in(folder.path(), "regression", &["-o", "out"], &ci, 3));
    let page = folder.path().join("out/gate.md").canonicalize().expect("the page");
    names(&text, &["\n##vso[task.logissue type=error]"]);
    names(&text, &[&format!("\n##vso[task.uploadsummary]{}\n", page.display())]);

    let temporary = folder.path().join("agent").display().to_string();
    let ci = [("TF_BUILD", "True"), ("AGENT_TEMPDIRECTORY", temporary.as_str())];
    judge_in(folder.path(), "uninterpretable", &[], &ci, 4);
    assert!(folder.path().join("agent/gate.md").exists());

    let assert = judge_in(folder.path(), "regression", &[], &[("TF_BUILD", "True")], 3);
    names(&stderr(&assert), &["no job summary", "give -o DIR"]);
}

#[test]
fn files_that_are_no_gate_report_are_refused_by_name() {
    let folder = folder();
    let newer = r#"{"schema":{"name":"breakeven-gate","major":9,"minor":0}}"#;
    let newer = file(folder.path(), "newer.json", newer);
    let record = fixture("record.jsonl");
    let cases: &[(&str, &[&str])] = &[
        (&newer, &["newer.json", "gate report v9", "use the version that wrote it"]),
        (&record, &["record.jsonl", "not a gate report"]),
        ("none.json", &["none.json"]),
    ];
    for (path, parts) in cases {
        let assert = breakeven(folder.path()).args(["gate", "--judge", path]).assert().code(2);
        names(&message(&assert), parts);
    }
}

#[test]
fn a_full_disk_hides_no_verdict() {
    let folder = folder();
    let out = folder.path().join("out");
    fs::create_dir(&out).expect("a folder");
    std::os::unix::fs::symlink("/dev/full", out.join("gate.json")).expect("a link");
    let assert = judge(folder.path(), "regression", &["-o", "out"], 1);
    names(&stdout(&assert), &["regressed: "]);
    names(&message(&assert), &["cannot write", "gate.json", "free some space"]);
}
