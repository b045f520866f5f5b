//! Keeps the walls: fails when a module names one that it may not.
//!
//! Textual on purpose: it reads every `crate::x` and `breakeven_kernels::x` in the sources, so it
//! needs no compiler and its message names file and line. `super::super::` would escape it and is
//! refused as well.

use std::fs;
use std::path::{Path, PathBuf};

/// module of src/ → modules of src/ it may name (itself always).
const MAY_NAME: &[(&str, &[&str])] = &[
    ("units", &[]),
    ("host", &[]),
    ("stats", &["units"]),
    ("suite", &["units"]),
    ("workload", &["units"]),
    // Series are part of the record's format, so plan names that type.
    ("plan", &["suite", "workload", "units", "record"]),
    ("backend", &["host", "units"]),
    ("measure", &["plan", "backend", "record", "host", "stats", "units"]),
    ("record", &["host", "stats", "units"]),
    ("catalog", &["units"]),
    // Measurements that others made: checked against the sizes, known by no price.
    ("import", &["catalog", "stats", "units"]),
    ("prices", &["catalog"]),
    ("cost", &["record", "import", "catalog", "workload", "stats", "units"]),
    ("classify", &["cost", "record", "import", "catalog", "workload", "stats", "units"]),
    // Records side by side: prices join here, kinds of devices are read from the records.
    ("compare", &["record", "catalog", "stats", "units"]),
    ("report", &["classify", "compare", "cost", "record", "workload", "stats", "units"]),
    // A sink beside the report: paired rounds and records in, a judgement out.
    ("gate", &["record", "stats", "units"]),
    // A sink: a verdict in, files to apply out. What a pod takes comes from the cost of a job.
    ("placement", &["classify", "cost", "catalog", "workload", "units"]),
    // Objects by key; knows not what they are.
    ("store", &[]),
    // Suites on many sizes: what they cost, the jobs, what the cluster says. Files are read as
    // workloads' are; the room on a node is the cost model's.
    ("fleet", &["suite", "workload", "catalog", "cost", "record", "units"]),
    (
        "cli",
        &[
            "units",
            "host",
            "stats",
            "suite",
            "workload",
            "plan",
            "backend",
            "measure",
            "record",
            "catalog",
            "import",
            "cost",
            "classify",
            "compare",
            "report",
            "gate",
            "prices",
            "placement",
            "fleet",
            "store",
        ],
    ),
];

/// module of src/ → modules of the kernels package it may name.
const MAY_NAME_KERNELS: &[(&str, &[&str])] = &[
    ("suite", &["params", "work"]),
    ("workload", &["params", "work"]),
    ("plan", &["params", "work", "FAMILIES", "family"]),
    ("backend", &["work", "recording", "process", "encoder"]),
    ("measure", &["work", "recording"]),
    ("record", &["work", "encoder"]),
    ("import", &["params"]),
    // The nearest name to a misspelt one, and which cases name files.
    ("fleet", &["params", "work", "FAMILIES", "family"]),
    // A stage keeps its case's parameters as written.
    ("cost", &["params", "work"]),
    // An imported workload is one stage without parameters.
    ("classify", &["params", "work"]),
    ("compare", &["work"]),
    ("report", &["work", "encoder"]),
    ("gate", &["work"]),
    // A gate starts commands that no family makes: the arms themselves. `align` and
    // `transcode` are the commands over a single family's files.
    ("cli", &["work", "params", "process", "FAMILIES", "family", "alignment", "transcode"]),
];

/// What kernels/ must not know: clocks, files, paths, devices, prices, printing.
const KERNELS_MUST_NOT_NAME: &[&str] = &[
    "std::time",
    "std::fs",
    "std::path",
    "std::env",
    "std::net",
    "cudarc",
    "wgpu::",
    "libloading",
    "price_usd",
    "println!",
    "eprintln!",
];

/// Only these may hold `unsafe` in src/.
const UNSAFE_ROOMS: &[&str] =
    &["src/backend/cuda", "src/backend/cpu", "src/backend/vulkan", "src/backend/process"];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("readable source folder") {
        let path = entry.expect("readable entry").path();
        if path.is_dir() {
            if path.file_name().is_some_and(|n| n != "target") {
                rust_files(&path, into);
            }
        } else if path.extension().is_some_and(|e| e == "rs") {
            into.push(path);
        }
    }
}

/// (path below the root, text) of every Rust file below `folder`.
fn sources(folder: &str) -> Vec<(String, String)> {
    let mut files = Vec::new();
    rust_files(&root().join(folder), &mut files);
    files.sort();
    let read = |path: PathBuf| {
        let name = path.strip_prefix(root()).expect("below root").display().to_string();
        (name, fs::read_to_string(&path).expect("readable source"))
    };
    files.into_iter().map(read).collect()
}

/// Lines of a file's code before its unit tests, comments left out, numbered from 1.
fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let code = text.split("#[cfg(test)]").next().unwrap_or(text);
    let numbered = code.lines().enumerate().map(|(i, l)| (i + 1, l.trim_start()));
    numbered.filter(|(_, l)| !l.starts_with("//"))
}

/// The first-level names of `{a::b, c}`.
fn group_names(group: &str) -> Vec<String> {
    let (mut names, mut word, mut depth, mut fresh) = (Vec::new(), String::new(), 0, true);
    for c in group.chars() {
        let in_word = c.is_alphanumeric() || c == '_';
        if depth == 0 && fresh && in_word {
            word.push(c);
            continue;
        }
        if !word.is_empty() {
            names.push(std::mem::take(&mut word));
            fresh = false;
        }
        match c {
            '}' if depth == 0 => break,
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => fresh = true,
            _ => {}
        }
    }
    names
}

/// The identifiers that follow `prefix` (`crate::`), grouped imports included, with line numbers.
fn named(text: &str, prefix: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices(prefix) {
        let before = text[..at].chars().next_back();
        let line_start = text[..at].rfind('\n').map_or(0, |i| i + 1);
        let comment = text[line_start..at].trim_start().starts_with("//");
        if comment || before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let line = text[..at].matches('\n').count() + 1;
        let rest = &text[at + prefix.len()..];
        match rest.strip_prefix('{') {
            Some(group) => found.extend(group_names(group).into_iter().map(|n| (line, n))),
            None => {
                let ident = |c: &char| c.is_alphanumeric() || *c == '_';
                found.push((line, rest.chars().take_while(ident).collect()));
            }
        }
    }
    found
}

fn module_of(file: &str) -> &str {
    let inner = file.strip_prefix("src/").expect("a file of src/");
    inner.split('/').next().expect("a name").trim_end_matches(".rs")
}

fn allowed<'a>(table: &[(&str, &'a [&'a str])], module: &str) -> &'a [&'a str] {
    table.iter().find(|(m, _)| *m == module).map_or(&[], |(_, names)| names)
}

#[test]
fn modules_name_only_what_they_may() {
    let mut wrong = Vec::new();
    for (file, text) in sources("src") {
        let module = module_of(&file);
        if ["lib", "main"].contains(&module) {
            continue;
        }
        let known = MAY_NAME.iter().any(|(m, _)| *m == module);
        assert!(known, "{file}: say in MAY_NAME what `{module}` may name");
        for (line, name) in named(&text, "crate::") {
            if name != module && !allowed(MAY_NAME, module).contains(&name.as_str()) {
                wrong.push(format!("{file}:{line}: `{module}` may not name `{name}`"));
            }
        }
        for (line, name) in named(&text, "breakeven_kernels::") {
            if !allowed(MAY_NAME_KERNELS, module).contains(&name.as_str()) {
                wrong.push(format!("{file}:{line}: `{module}` may not name kernels' `{name}`"));
            }
        }
        if text.contains("super::super::") {
            wrong.push(format!("{file}: `super::super::` hides what is named; write `crate::`"));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn backends_do_not_know_each_other() {
    let rooms = ["cpu", "cuda", "vulkan", "process", "mock"];
    for (file, text) in sources("src/backend") {
        let own = rooms.iter().find(|r| file.starts_with(&format!("src/backend/{r}")));
        let Some(own) = own else { continue };
        for other in rooms.iter().filter(|r| *r != own) {
            let path = format!("backend::{other}");
            assert!(!text.contains(&path), "{file}: backend `{own}` may not name `{other}`");
        }
    }
}

#[test]
fn kernels_know_no_clock_file_device_or_price() {
    let mut wrong = Vec::new();
    for (file, text) in sources("kernels").iter().filter(|(f, _)| !f.contains("tests")) {
        for (number, line) in code_lines(text) {
            for word in KERNELS_MUST_NOT_NAME.iter().filter(|w| line.contains(**w)) {
                wrong.push(format!("{file}:{number}: kernels may not name `{word}`"));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn the_network_is_reached_from_four_rooms_only() {
    let mut wrong = Vec::new();
    let rooms =
        ["src/prices/", "src/record/metadata.rs", "src/store/cloud.rs", "src/fleet/cluster.rs"];
    let outside = |f: &str| !rooms.iter().any(|room| f.starts_with(room));
    let reaching = ["ureq", "std::net", "kube::", "object_store", "reqwest", "tokio"];
    for (file, text) in sources("src").iter().filter(|(f, _)| outside(f)) {
        for (number, line) in code_lines(text) {
            if reaching.iter().any(|name| line.contains(name)) {
                wrong.push(format!("{file}:{number}: only {} may", rooms.join(", ")));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn only_the_cli_prints_or_exits() {
    let mut wrong = Vec::new();
    let outside = |f: &str| !f.starts_with("src/cli") && f != "src/main.rs";
    for (file, text) in sources("src").iter().filter(|(f, _)| outside(f)) {
        for (number, line) in code_lines(text) {
            if ["println!", "print!(", "process::exit"].iter().any(|p| line.contains(p)) {
                wrong.push(format!("{file}:{number}: only cli prints or exits"));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn unsafe_stays_in_its_rooms() {
    let mut wrong = Vec::new();
    let outside = |f: &str| !UNSAFE_ROOMS.iter().any(|room| f.starts_with(room));
    for (file, text) in sources("src").iter().filter(|(f, _)| outside(f)) {
        for (number, line) in code_lines(text) {
            if ["unsafe {", "unsafe fn", "unsafe impl"].iter().any(|u| line.contains(u)) {
                let rooms = UNSAFE_ROOMS.join(", ");
                wrong.push(format!("{file}:{number}: unsafe code outside {rooms}"));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn files_stay_readable() {
    let mut long = Vec::new();
    for (file, text) in sources("src").into_iter().chain(sources("kernels")) {
        let lines = text.lines().count();
        if lines > 600 {
            long.push(format!("{file}: {lines} lines"));
        }
    }
    assert!(long.is_empty(), "files over 600 lines (aim at 500):\n{}", long.join("\n"));
}

#[test]
fn the_reader_of_names_sees_groups_and_skips_comments() {
    let text =
        "// crate::hidden\nuse crate::{stats::{median, mad}, units};\nlet x = crate::plan::y();";
    let expected = [(2, "stats".into()), (2, "units".into()), (3, "plan".into())];
    assert_eq!(named(text, "crate::"), expected);
}

/// What the features bring stands in Cargo.toml a second time, for checks without them.
#[test]
fn dependencies_said_twice_are_the_same() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let text = fs::read_to_string(&path).expect("Cargo.toml");
    let manifest: toml::Table = text.parse().expect("a manifest");
    let form = |of: &str, name: &str| {
        let mut form = match manifest[of].get(name)? {
            toml::Value::Table(table) => table.clone(),
            version => toml::Table::from_iter([("version".to_owned(), version.clone())]),
        };
        form.remove("optional");
        Some(form)
    };
    let names = manifest["dev-dependencies"].as_table().expect("a table").keys();
    let twice: Vec<&String> =
        names.filter(|name| form("dependencies", name.as_str()).is_some()).collect();
    assert!(twice.len() >= 7, "{twice:?}");
    for name in twice {
        assert_eq!(form("dependencies", name), form("dev-dependencies", name), "{name}");
    }
}
