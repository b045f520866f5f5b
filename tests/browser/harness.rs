//! Pages in headless Chromium, by way of tests/python/browser.py, which says what a visit holds.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;
use serde_json::Value;

/// What a visit to a page brought.
#[derive(Debug, Deserialize)]
pub struct Seen {
    /// One a step; null where a step has no value.
    pub results: Vec<Value>,
    /// Lines of the console, each with its level first.
    pub console: Vec<String>,
    /// Addresses asked of a network.
    pub requests: Vec<String>,
}

impl Seen {
    /// Fails unless the console stayed empty and no network was asked for anything.
    #[track_caller]
    pub fn assert_quiet(&self) {
        assert_eq!(self.console, [""; 0], "the console");
        assert_eq!(self.requests, [""; 0], "requests to a network");
    }
}

/// Makes all visits, each a JSON object as browser.py describes it, in one browser.
#[track_caller]
pub fn visit(visits: &[Value]) -> Vec<Seen> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = std::env::var("BREAKEVEN_TEST_PYTHON")
        .unwrap_or_else(|_| root.join("target/test-python/bin/python").display().to_string());
    let mut browser = Command::new(&python)
        .arg(root.join("tests/python/browser.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("{python}: {e}; ./test.sh installs it"));
    let asked = serde_json::to_vec(visits).expect("JSON");
    // Taken, so that it is closed: the script reads to the end.
    let mut stdin = browser.stdin.take().expect("a pipe");
    let sent = stdin.write_all(&asked);
    drop(stdin);
    let output = browser.wait_with_output().expect("the browser ends");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}\n./test.sh installs chromium and selenium");
    sent.expect("the script reads what it is asked");
    serde_json::from_slice(&output.stdout).expect("what was seen, as JSON")
}

/// Writes `html` to a file of `folder` and gives its address.
pub fn page(folder: &Path, name: &str, html: &str) -> String {
    let path: PathBuf = folder.join(name);
    std::fs::write(&path, html).expect("a page in the test's folder");
    format!("file://{}", path.display())
}
