//! `compare`: forms, exit codes, what is refused, and how it looks on a terminal.

use std::path::Path;
use std::process::Command;

use super::{file, fixture, folder, message, names, run, stdout};

/// The fixture, run on another VM size: all of its CPU rows, none of the GPU's.
fn other_size() -> String {
    let text = std::fs::read_to_string(fixture("record.jsonl")).expect("a fixture");
    let kept = text.lines().filter(|line| !line.contains("\"device\": \"cuda:0\""));
    let text: String = kept.map(|line| format!("{line}\n")).collect();
    text.replace("Standard_NC4as_T4_v3", "Standard_D16s_v5")
        .replace("0193c5a0-0000-7000-8000-000000000001", "0193c5a0-0000-7000-8000-000000000002")
        .replace("\"env_key\": \"aa\"", "\"env_key\": \"cc\"")
}

/// `cpu.jsonl` and `gpu.jsonl` in the folder.
fn two(folder: &Path) {
    file(folder, "cpu.jsonl", other_size());
    file(folder, "gpu.jsonl", std::fs::read(fixture("record.jsonl")).expect("a fixture"));
}

#[test]
fn a_cpu_size_stands_beside_a_gpu_size() {
    let folder = folder();
    two(folder.path());
    let text = stdout(&run(folder.path(), &["compare", "cpu.jsonl", "gpu.jsonl"], 0));
    names(&text, &["gpu cuda:0*", "as fast as cpu cpu", "gpu.jsonl is incomplete", "In short"]);
    names(&text, &["wrong output", "Speed against the base"]);
    assert!(!text.contains('\x1b'), "a pipe gets no colours");
    let csv =
        stdout(&run(folder.path(), &["compare", "cpu.jsonl", "gpu.jsonl", "--format", "csv"], 0));
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let rows: Vec<csv::StringRecord> = reader.records().collect::<Result<_, _>>().expect("CSV");
    let gpu = rows.iter().find(|row| &row[2] == "gpu cuda:0").expect("a GPU row");
    // By the fixture: one call takes base ÷ this, both in the file.
    let base = rows.iter().find(|row| row[0] == gpu[0] && &row[2] == "cpu cpu").expect("a base");
    let number = |cell: &str| cell.parse::<f64>().expect("a number");
    assert!((number(&gpu[18]) / (number(&base[15]) / number(&gpu[15])) - 1.0).abs() < 1e-9);
}

#[test]
fn every_form_and_names_of_ones_own() {
    let folder = folder();
    two(folder.path());
    let arguments = ["compare", "new=gpu.jsonl", "old=cpu.jsonl", "--base", "old", "-o", "out"];
    let text =
        stdout(&run(folder.path(), &[&arguments[..], &["--format", "markdown"]].concat(), 0));
    names(&text, &["| new cuda:0\\* |", "old cpu"]);
    for extension in ["md", "json", "csv"] {
        assert!(folder.path().join(format!("out/compare.{extension}")).is_file(), "{extension}");
    }
    let json = std::fs::read_to_string(folder.path().join("out/compare.json")).expect("written");
    let value: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(value["schema"]["name"], "breakeven-comparison");
    assert_eq!(value["comparison"]["columns"][0]["label"], "new cpu");
}

#[test]
fn what_cannot_be_compared_says_why() {
    let folder = folder();
    two(folder.path());
    let text = other_size();
    file(folder.path(), "alien.jsonl", text.replace("\"case_key\": \"", "\"case_key\": \"my"));
    file(folder.path(), "newer.jsonl", text.replacen("\"major\": 1", "\"major\": 9", 1));
    file(folder.path(), "seed.jsonl", text.replacen("\"seed\": 1", "\"seed\": 2", 1));
    std::fs::create_dir(folder.path().join("empty")).expect("a folder");
    let refused = |arguments: &[&str], code: i32| {
        message(&run(folder.path(), &[&["compare"], arguments].concat(), code))
    };
    names(
        &refused(&["cpu.jsonl", "missing.jsonl"], 2),
        &["missing.jsonl", "No such file", "give a record"],
    );
    names(&refused(&["cpu.jsonl", "cpu.jsonl"], 2), &["cpu.jsonl", "given twice", "itself"]);
    names(&refused(&["cpu.jsonl"], 2), &["one record alone", "breakeven report"]);
    names(&refused(&["cpu.jsonl", "newer.jsonl"], 2), &["newer.jsonl", "record v9", "update"]);
    names(&refused(&["cpu.jsonl", "gpu.jsonl", "--base", "x"], 2), &["--base x", "`cpu cpu`"]);
    names(&refused(&["cpu.jsonl", "=gpu.jsonl"], 2), &["NAME=PATH"]);
    names(&refused(&["cpu.jsonl", "gpu.jsonl", "--region", "mars"], 2), &["--region mars"]);
    names(&refused(&["cpu.jsonl", "empty"], 4), &["empty", "no record (.jsonl)"]);
    let alien = refused(&["gpu.jsonl", "alien.jsonl"], 4);
    names(&alien, &["no case in common", "the nearest are `", "`my"]);
    names(&refused(&["gpu.jsonl", "seed.jsonl"], 4), &["seed 2 against 1", "--seed"]);
}

/// What a terminal of so many columns shows.
fn on_a_terminal(
    folder: &Path,
    columns: u16,
    arguments: &str,
    variables: &[(&str, &str)],
) -> String {
    let program = env!("CARGO_BIN_EXE_breakeven");
    let output = Command::new("script")
        .args(["-qec", &format!("stty cols {columns}; '{program}' {arguments}"), "/dev/null"])
        .current_dir(folder)
        .env_remove("NO_COLOR")
        .env("LC_ALL", "C.UTF-8")
        .envs(variables.iter().copied())
        .output()
        .expect("script, of util-linux, is installed");
    String::from_utf8(output.stdout).expect("UTF-8").replace('\r', "")
}

#[test]
fn a_terminal_gets_colours_and_its_width_unless_it_objects() {
    let folder = folder();
    two(folder.path());
    let compare = "compare cpu.jsonl gpu.jsonl";
    for columns in [40, 60, 80] {
        let text = on_a_terminal(folder.path(), columns, compare, &[("NO_COLOR", "1")]);
        assert!(!text.contains('\x1b'), "NO_COLOR:\n{text}");
        assert!(text.contains("In short") && text.contains('●'), "{text}");
        let long = text.lines().find(|line| line.chars().count() > usize::from(columns));
        assert_eq!(long, None, "at {columns} columns");
    }
    let colored = on_a_terminal(folder.path(), 80, compare, &[]);
    assert!(colored.contains("\x1b["), "{colored}");
    let flag = on_a_terminal(folder.path(), 80, &format!("{compare} --no-color"), &[]);
    assert!(!flag.contains('\x1b'), "{flag}");
    let ascii = on_a_terminal(folder.path(), 80, compare, &[("LC_ALL", "C")]);
    assert!(ascii.is_ascii() && ascii.contains("\x1b["), "{ascii}");
    let verdicts = on_a_terminal(folder.path(), 80, "classify", &[]);
    assert!(verdicts.contains("Verdicts in short") && verdicts.contains('█'), "{verdicts}");
}
