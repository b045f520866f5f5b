//! `promote`: what is accepted, under which name, and what never is.

use std::fs;
use std::path::Path;

use super::{file, fixture, folder, message, names, run, small_suite, stdout};

/// A complete record of two mock devices; returns its path.
fn record(folder: &Path) -> String {
    let suite = small_suite(folder, "{ pairs = 10, query = 30, target = 40 }");
    let out = folder.join("run").display().to_string();
    run(folder, &["run", &suite, "--mock", "cpu;mock:0", "-o", &out, "--no-metadata"], 0);
    folder.join("run/record.jsonl").display().to_string()
}

fn accepted(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder.join("accepted")) else { return vec![] };
    let name = |entry: std::io::Result<fs::DirEntry>| {
        entry.expect("readable").file_name().to_string_lossy().into_owned()
    };
    entries.map(name).collect()
}

#[test]
fn a_record_is_copied_whole_under_day_environment_and_run_and_only_once() {
    let folder = folder();
    let record = record(folder.path());
    let arguments = ["promote", &record, "--accepted", "accepted"];
    let told = stdout(&run(folder.path(), &arguments, 0));
    names(&told, &["accepted ", "2 timed rows", "suite small"]);
    let files = accepted(folder.path());
    assert_eq!(files.len(), 1, "nothing temporary stays: {files:?}");
    let text = fs::read_to_string(&record).expect("the record");
    let header: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    let key = |index: usize| {
        let key = header["env"]["devices"][index]["env_key"].as_str().expect("a key");
        key[..8].to_owned()
    };
    let day = &header["run"]["started_at"].as_str().unwrap()[..10];
    let id = header["run"]["id"].as_str().unwrap();
    assert_eq!(files[0], format!("{day}_{}+{}_{id}.jsonl", key(0), key(1)));
    let copy = fs::read(folder.path().join("accepted").join(&files[0])).expect("the copy");
    assert_eq!(copy, text.as_bytes());

    let again = stdout(&run(folder.path(), &arguments, 0));
    names(&again, &["was accepted before", "nothing was changed"]);

    let path = folder.path().join("accepted").join(&files[0]);
    fs::write(&path, "something else\n").expect("writable");
    let refused = message(&run(folder.path(), &arguments, 2));
    names(&refused, &["never overwritten", &files[0]]);
    assert_eq!(fs::read_to_string(&path).expect("kept"), "something else\n");
}

#[test]
fn what_nothing_may_be_measured_against_is_refused() {
    let folder = folder();
    let good = fs::read_to_string(record(folder.path())).expect("the record");
    let lines: Vec<&str> = good.lines().collect();
    let cut = file(folder.path(), "cut.jsonl", lines[..lines.len() - 1].join("\n") + "\n");
    let wrong = file(
        folder.path(),
        "wrong.jsonl",
        good.replacen("\"status\":\"ok\"", "\"status\":\"wrong-output\"", 1),
    );
    let empty = file(folder.path(), "empty.jsonl", [lines[0], lines[lines.len() - 1]].join("\n"));
    let newer = file(folder.path(), "newer.jsonl", good.replacen("\"major\":1", "\"major\":2", 1));
    let id = good.split("\"id\":\"").nth(1).and_then(|r| r.split('"').next()).expect("an id");
    let outside = file(folder.path(), "outside.jsonl", good.replacen(id, "../../evil", 1));
    let interrupted = fixture("record.jsonl");
    let cases: &[(&str, i32, &[&str])] = &[
        (&cut, 4, &["cut.jsonl", "has no end", "measure again"]),
        (&interrupted, 4, &["record.jsonl", "incomplete (interrupted)", "measure again"]),
        (&wrong, 3, &["wrong.jsonl", "alignment", "wrong output"]),
        (&empty, 4, &["empty.jsonl", "nothing in it was verified"]),
        (&newer, 2, &["newer.jsonl", "newer breakeven (record v2)", "update"]),
        (&outside, 2, &["outside.jsonl", "run.id", "../../evil", "not a UUID"]),
        ("none.jsonl", 2, &["none.jsonl", "give a record"]),
    ];
    for (record, code, parts) in cases {
        let arguments = ["promote", record, "--accepted", "accepted"];
        names(&message(&run(folder.path(), &arguments, *code)), parts);
    }
    assert!(accepted(folder.path()).is_empty());
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let folder = folder();
    let record = record(folder.path());
    let blocked = file(folder.path(), "accepted", "a file");
    let told = message(&run(folder.path(), &["promote", &record, "--accepted", &blocked], 1));
    names(&told, &["cannot write", "accepted"]);
}
