//! `classify` over folders, line by line, and how well devices predict each other.

use super::{file, fixture, folder, message, names, run, stdout};

fn job(jobs_per_day: u32) -> String {
    format!("[[stage]]\nserial_cpu_s = 60\n[demand]\njobs_per_day = {jobs_per_day}\n")
}

#[test]
fn a_folder_stands_for_the_workload_files_in_it_by_name() {
    let folder = folder();
    let many = folder.path().join("many");
    std::fs::create_dir(&many).expect("a folder");
    for (name, jobs) in [("b.toml", 20), ("a.toml", 10), ("c.toml", 30)] {
        file(&many, name, job(jobs));
    }
    file(&many, "notes.txt", "no workload");
    let lines = stdout(&run(folder.path(), &["classify", "many", "--format", "jsonl"], 0));
    let verdicts: Vec<serde_json::Value> =
        lines.lines().map(|line| serde_json::from_str(line).expect("a JSON value")).collect();
    let told: Vec<_> = verdicts.iter().map(|v| (&v["workload"], &v["jobs_per_day"])).collect();
    assert_eq!(
        told,
        [(&"a".into(), &10.0.into()), (&"b".into(), &20.0.into()), (&"c".into(), &30.0.into())]
    );
    assert!(verdicts.iter().all(|v| v["ranking"].is_null() && v["best_cpu"].is_object()));
    // The same verdicts as one by one, in the form that holds everything.
    let all = stdout(&run(folder.path(), &["classify", "many", "--format", "json"], 0));
    let all: serde_json::Value = serde_json::from_str(&all).expect("JSON");
    for (line, whole) in verdicts.iter().zip(all["verdicts"].as_array().expect("verdicts")) {
        assert_eq!(line["headline"], whole["headline"]);
        assert_eq!(line["best_cpu"], whole["best_cpu"]);
    }
}

#[test]
fn lines_are_kept_and_held_to_what_is_expected() {
    let folder = folder();
    file(folder.path(), "a.toml", job(10));
    let arguments = ["classify", "a.toml", "etl-io-bound", "--format", "jsonl", "-o", "out"];
    let shown = stdout(&run(folder.path(), &arguments, 0));
    let kept = std::fs::read_to_string(folder.path().join("out/report.jsonl")).expect("written");
    assert_eq!(shown, kept);
    assert_eq!(kept.lines().count(), 2);
    let assert =
        run(folder.path(), &["classify", "a.toml", "--format", "jsonl", "--expect", "gpu"], 3);
    names(&message(&assert), &["--expect gpu", "a is cpu"]);
}

#[test]
fn an_empty_folder_and_a_wrong_file_say_what_to_do() {
    let folder = folder();
    std::fs::create_dir(folder.path().join("none")).expect("a folder");
    let assert = run(folder.path(), &["classify", "none"], 2);
    names(&message(&assert), &["none: no .toml file", "breakeven init"]);
    file(folder.path(), "bad.toml", "[[stage]]\nserial_cpu_s = -1\n");
    let assert = run(folder.path(), &["classify", "bad.toml", "--format", "jsonl"], 2);
    names(&message(&assert), &["bad.toml", "serial_cpu_s"]);
}

#[test]
fn devices_are_predicted_from_each_other_and_too_few_say_so() {
    let folder = folder();
    let record = fixture("record.jsonl");
    let arguments = ["classify", "--leave-one-device-out", "--records", &record];
    let text = stdout(&run(folder.path(), &arguments, 0));
    names(&text, &["typical factor", "too few devices", "published: 17 to 27 %", "prior"]);
    let json = stdout(&run(folder.path(), &[&arguments[..], &["--format", "json"]].concat(), 0));
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    let cases = json["cases"].as_array().expect("cases");
    assert!(!cases.is_empty());
    for case in cases {
        let (told, real) = (&case["predicted_s"]["median"], &case["measured_s"]);
        let error = told.as_f64().expect("seconds") / real.as_f64().expect("seconds") - 1.0;
        assert!((case["error"].as_f64().expect("error") - error).abs() < 1e-9);
    }
    let assert = run(folder.path(), &["classify", "--leave-one-device-out", "--expect", "gpu"], 2);
    names(&message(&assert), &["--expect"]);
}
