//! The commands as a user meets them: exit codes, streams, messages, files.

mod align;
mod bad_input;
mod ci_files;
mod compare;
mod deployed;
mod gate_findings;
mod gate_history;
mod gate_paired;
mod imported;
mod init;
mod many;
mod measuring;
mod output;
mod own_program;
mod place;
mod promote;
mod sharing;
mod transcode;
mod what_if;

use std::path::{Path, PathBuf};

use assert_cmd::Command;
use assert_cmd::assert::Assert;

/// The program in a folder of the test's own, with nothing of this machine's settings.
fn breakeven(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_breakeven"));
    command.current_dir(folder).env_remove("NO_COLOR");
    // Prices that somebody refreshed on this machine must not change what is tested.
    command.env("XDG_DATA_HOME", folder.join("data"));
    command
}

/// Runs the program and checks the exit code.
fn run(folder: &Path, arguments: &[&str], code: i32) -> Assert {
    breakeven(folder).args(arguments).assert().code(code)
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// Writes a file and returns its name as the command line wants it.
fn file(folder: &Path, name: &str, text: impl AsRef<[u8]>) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).expect("a file in the test's folder");
    path.display().to_string()
}

fn fixture(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    path.display().to_string()
}

fn stdout(assert: &Assert) -> String {
    String::from_utf8(assert.get_output().stdout.clone()).expect("UTF-8 on standard output")
}

fn stderr(assert: &Assert) -> String {
    String::from_utf8(assert.get_output().stderr.clone()).expect("UTF-8 on standard error")
}

/// The one error message: exactly one line of standard error begins with `error: ` (drivers may
/// write lines of their own there, so other lines are let pass).
fn message(assert: &Assert) -> String {
    let text = stderr(assert);
    let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(lines.len(), 1, "one message, not: {text}");
    lines[0].to_owned()
}

/// Asserts that a message holds every one of `parts`.
#[track_caller]
fn names(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "`{part}` is not in: {message}");
    }
}

/// A suite of one small alignment case with `extra` lines.
fn small_suite(folder: &Path, input: &str) -> String {
    let text = format!(
        "[[case]]\nfamily = \"alignment\"\nmode = \"local\"\n\
         scoring = {{ match = 1, mismatch = -4, gap_open = 7, gap_extend = 1 }}\ninput = {input}\n"
    );
    file(folder, "small.toml", text)
}
