//! The workflow files that users copy: their shell runs, in a repository of its own, and ends as a
//! user expects. A step that breaks fails here and not at a user's.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use super::{file, folder};

/// The shell steps of a workflow file, by PyYAML: the file format is theirs, and a parser of our
/// own would be a second opinion on it.
fn steps(workflow: &str) -> (BTreeMap<String, String>, Vec<(String, String)>) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = std::env::var("BREAKEVEN_TEST_PYTHON").unwrap_or_else(|_| {
        let installed = root.join("target/test-python/bin/python");
        if installed.exists() { installed.display().to_string() } else { "python3".into() }
    });
    let output = Command::new(&python)
        .arg(root.join("tests/python/workflow_steps.py"))
        .arg(root.join("docs/ci").join(workflow))
        .output()
        .unwrap_or_else(|error| panic!("{python}: {error}; ./test.sh installs it"));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{workflow}: {told}");
    let value: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let env = value["env"].as_object().expect("variables");
    let env = env.iter().map(|(name, value)| (name.clone(), text(value))).collect();
    let steps = value["steps"].as_array().expect("steps");
    (env, steps.iter().map(|step| (text(&step["name"]), text(&step["shell"]))).collect())
}

fn git(folder: &Path, arguments: &[&str]) {
    let mut command = Command::new("git");
    command.current_dir(folder).args(["-c", "user.name=t", "-c", "user.email=t@example.org"]);
    command.args(["-c", "commit.gpgsign=false", "-c", "init.defaultBranch=main"]);
    let output = command.args(arguments).output().expect("git");
    assert!(output.status.success(), "git {arguments:?}: {output:?}");
}

/// The source of a program that counts to `rounds`; its build copies it and makes it executable.
fn program(rounds: u32) -> String {
    format!("#!/bin/sh\ni=0\nwhile [ $i -lt {rounds} ]; do i=$((i + 1)); done\n")
}

/// A clone with `main` on its origin and a change from `base` to `change` checked out.
fn repository(folder: &Path, base: &str, change: &str) -> PathBuf {
    let origin = folder.join("origin");
    std::fs::create_dir(&origin).expect("a folder");
    git(&origin, &["init", "-q"]);
    file(&origin, "program.sh", base);
    git(&origin, &["add", "."]);
    git(&origin, &["commit", "-qm", "base"]);
    git(folder, &["clone", "-q", "origin", "work"]);
    let work = folder.join("work");
    file(&work, "program.sh", change);
    git(&work, &["commit", "-qam", "change"]);
    work
}

/// Runs the steps one by one as the CI system's shell does, until one fails.
fn played(workflow: &str, work: &Path, ci: &[(&str, &str)]) -> (String, Output) {
    let (mut env, steps) = steps(workflow);
    let binaries = Path::new(env!("CARGO_BIN_EXE_breakeven")).parent().expect("a folder");
    let path = std::env::var("PATH").unwrap_or_default();
    env.insert("PATH".into(), format!("{}:{path}", binaries.display()));
    // What a user sets.
    env.insert("BUILD".into(), "cp program.sh program && chmod +x program".into());
    env.insert("PROGRAM".into(), "program".into());
    env.insert("ARGUMENTS".into(), "--input x".into());
    let mut last = None;
    for (name, shell) in steps {
        let mut command = Command::new("bash");
        command.args(["--noprofile", "--norc", "-ec", &shell]).current_dir(work).envs(&env);
        for name in ["GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "TF_BUILD"] {
            command.env_remove(name);
        }
        let output = command.envs(ci.iter().copied()).output().expect("bash");
        let failed = !output.status.success();
        last = Some((name, output));
        if failed {
            break;
        }
    }
    last.expect("at least one step")
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// Whether the machine was too disturbed for a verdict; the gate must then have said so.
fn disturbed(output: &Output) -> bool {
    output.status.success() && told(output).contains("contaminated findings are let pass")
}

#[test]
fn github_a_change_that_makes_the_program_three_times_slower_fails_its_gate() {
    let folder = folder();
    let work = repository(folder.path(), &program(20_000), &program(60_000));
    let summary = folder.path().join("summary.md");
    let ci = [
        ("GITHUB_ACTIONS", "true"),
        ("GITHUB_BASE_REF", "main"),
        ("GITHUB_STEP_SUMMARY", summary.to_str().expect("UTF-8")),
    ];
    let (step, output) = played("github-actions.yml", &work, &ci);
    assert_eq!(step, "Gate", "{}", told(&output));
    if !disturbed(&output) {
        assert_eq!(output.status.code(), Some(3), "{}", told(&output));
        assert!(told(&output).contains("::error title=breakeven gate::"), "{}", told(&output));
        let page = std::fs::read_to_string(&summary).expect("the job summary");
        assert!(page.starts_with("### ❌ regressed"), "{page}");
    }
    for name in ["gate.json", "gate.md", "gate.csv", "gate.txt", "junit.xml"] {
        assert!(work.join("gate-results").join(name).exists(), "{name}");
    }
}

#[test]
fn azure_a_change_that_changes_no_time_passes_its_gate() {
    let folder = folder();
    let same = program(20_000) + "# A comment.\n";
    let work = repository(folder.path(), &program(20_000), &same);
    let ci = [("TF_BUILD", "True"), ("SYSTEM_PULLREQUEST_TARGETBRANCH", "refs/heads/main")];
    let (step, output) = played("azure-pipelines.yml", &work, &ci);
    assert_eq!((step.as_str(), output.status.code()), ("Gate", Some(0)), "{}", told(&output));
    let page = work.join("gate-results/gate.md").canonicalize().expect("the page");
    let upload = format!("##vso[task.uploadsummary]{}", page.display());
    assert!(told(&output).contains(&upload), "{}", told(&output));
}
