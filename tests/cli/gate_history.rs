//! `gate --record … --accepted …`: what is compared with what, and what is refused with which code.

use std::fs;
use std::path::Path;

use assert_cmd::assert::Assert;

use super::{breakeven, file, fixture, folder, message, names, run, small_suite, stdout};

/// Measures the mock CPU as VM size `sku` and returns the record's path.
fn record(folder: &Path, name: &str, sku: &str) -> String {
    let suite = small_suite(folder, "{ pairs = 10, query = 30, target = 40 }");
    let out = folder.join(name).display().to_string();
    let arguments = ["run", &suite, "--mock", "cpu", "-o", &out, "--no-metadata", "--sku", sku];
    run(folder, &arguments, 0);
    folder.join(name).join("record.jsonl").display().to_string()
}

fn gate(folder: &Path, record: &str, more: &[&str], code: i32) -> Assert {
    let mut command = breakeven(folder);
    command.args(["gate", "--ci", "none", "--record", record, "--accepted", "accepted"]);
    command.args(more).assert().code(code)
}

fn promote(folder: &Path, record: &str) {
    run(folder, &["promote", record, "--accepted", "accepted"], 0);
}

#[test]
fn another_environment_ends_with_4_and_the_fields_that_differ() {
    let folder = folder();
    promote(folder.path(), &record(folder.path(), "old", "Standard_D4s_v5"));
    let new = record(folder.path(), "new", "Standard_D8s_v5");
    let text = stdout(&gate(folder.path(), &new, &["-o", "out"], 4));
    names(&text, &["uninterpretable: no accepted record in accepted is of this environment"]);
    names(&text, &["cpu: sku is Standard_D8s_v5, in the accepted record of "]);
    names(&text, &["Z Standard_D4s_v5"]);
    let junit = fs::read_to_string(folder.path().join("out/junit.xml")).expect("JUnit");
    assert!(junit.contains("errors=\"1\""), "no green report: {junit}");
    let text = stdout(&gate(folder.path(), &new, &["--soft", "environment"], 0));
    names(&text, &["environment findings are let pass by --soft"]);
    gate(folder.path(), &new, &["--soft", "contaminated"], 4);
    // It holds no rounds to judge again.
    let stored = folder.path().join("out/gate.json").display().to_string();
    let refused = run(folder.path(), &["gate", "--judge", &stored], 2);
    names(&message(&refused), &["holds no rounds", "--record"]);
}

/// Twenty accepted records that differ in their run's id and day only.
fn accept_twenty(folder: &Path, record: &str) {
    let text = fs::read_to_string(record).expect("the record");
    let between = |from: &str| {
        text.split(from).nth(1).and_then(|rest| rest.split('"').next()).expect("in the header")
    };
    let (id, began) = (between("\"id\":\""), between("\"started_at\":\""));
    for day in 1..=20 {
        let other_id = format!("0193c5a0-0000-7000-8000-0000000000{day:02}");
        let other_day = format!("2026-10-{day:02}T08:00:00Z");
        let other = text.replacen(id, &other_id, 1).replacen(began, &other_day, 1);
        promote(folder, &file(folder, "copy.jsonl", other));
    }
}

#[test]
fn records_of_one_environment_are_compared_and_a_slower_one_ends_with_3() {
    let folder = folder();
    let new = record(folder.path(), "new", "Standard_D4s_v5");
    accept_twenty(folder.path(), &new);
    let text = stdout(&gate(folder.path(), &new, &["--format", "json"], 0));
    let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(value["mode"], "history");
    let rows = value["rows"].as_array().expect("rows");
    assert!(!rows.is_empty() && rows.iter().all(|row| row["verdict"] == "SAME"), "{text}");
    assert!(value["base"]["name"].as_str().is_some_and(|n| n.contains("20 accepted")), "{text}");

    // The same record with every median half as large again.
    let mut lines = Vec::new();
    for line in fs::read_to_string(&new).expect("the record").lines() {
        let mut line: serde_json::Value = serde_json::from_str(line).expect("JSON");
        for time in line["times"].as_object_mut().into_iter().flat_map(|times| times.values_mut()) {
            if let Some(median) = time["median_s"].as_f64() {
                time["median_s"] = (1.5 * median).into();
            }
        }
        lines.push(line.to_string());
    }
    let slower = file(folder.path(), "slower.jsonl", lines.join("\n"));
    let text = stdout(&gate(folder.path(), &slower, &[], 3));
    names(&text, &["REGRESSED", "+50.0 %", "20 accepted records"]);
    assert!(!text.contains("Chance of any false alarm"), "no bound is known here: {text}");

    // The same record without its first row: what is gone has not passed.
    let text = fs::read_to_string(&new).expect("the record");
    let first = text.lines().position(|line| line.contains("\"status\":\"ok\"")).expect("a row");
    let rest: Vec<&str> =
        text.lines().enumerate().filter(|(at, _)| *at != first).map(|(_, line)| line).collect();
    let rows = text.lines().count() - 2;
    let rest =
        rest.join("\n").replace(&format!("\"rows\":{rows}"), &format!("\"rows\":{}", rows - 1));
    let shorter = file(folder.path(), "shorter.jsonl", rest);
    let text = stdout(&gate(folder.path(), &shorter, &[], 3));
    names(&text, &["BROKEN", "not in this record", "promote"]);
}

#[test]
fn one_accepted_record_alone_makes_no_claim() {
    let folder = folder();
    let new = record(folder.path(), "new", "Standard_D4s_v5");
    promote(folder.path(), &new);
    gate(folder.path(), &new, &[], 4);
}

#[test]
fn what_cannot_be_a_baseline_or_be_judged_is_refused_by_name() {
    let folder = folder();
    let new = record(folder.path(), "new", "Standard_D4s_v5");
    names(&message(&gate(folder.path(), &new, &[], 4)), &["accepted", "no such folder", "promote"]);
    fs::create_dir(folder.path().join("accepted")).expect("a folder");
    names(&message(&gate(folder.path(), &new, &[], 4)), &["accepted", "no record (.jsonl)"]);
    promote(folder.path(), &new);
    let incomplete = fixture("record.jsonl");
    names(&message(&gate(folder.path(), &incomplete, &[], 4)), &["record.jsonl", "incomplete"]);
    names(&message(&gate(folder.path(), "none.jsonl", &[], 2)), &["none.jsonl"]);
    let text = fs::read_to_string(&new).expect("the record");
    let newer = text.replacen("\"major\":1", "\"major\":2", 1);
    file(&folder.path().join("accepted"), "newer.jsonl", newer);
    let told = message(&gate(folder.path(), &new, &[], 2));
    names(&told, &["newer.jsonl", "newer breakeven (record v2)", "update"]);
    let alone = run(folder.path(), &["gate", "--record", &new], 2);
    names(&super::stderr(&alone), &["--accepted"]);
}
