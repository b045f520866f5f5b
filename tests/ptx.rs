//! The committed PTX is what the pinned NVRTC makes of the sources, and assembles for each chip.

use std::path::Path;
use std::process::Command;

/// Runs tools/ptx.py with the Python that has the pinned wheels (test.sh names it), or with the
/// system's, which then installs them under the target folder.
fn tool(mode: &str) -> String {
    let python = std::env::var("BREAKEVEN_TEST_PYTHON").unwrap_or_else(|_| "python3".into());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tools/ptx.py");
    let output = Command::new(&python).arg(script).arg(mode).output();
    let output = output.unwrap_or_else(|e| panic!("{python}: {e}; run ./test.sh"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "tools/ptx.py {mode}:\n{text}{errors}");
    text
}

#[test]
fn committed_ptx_is_fresh() {
    tool("--check");
}

/// Inline PTX is first understood by ptxas, so that a kernel compiles says little.
#[test]
fn ptx_assembles_for_each_chip() {
    let table = tool("--ptxas");
    for arch in ["70", "75", "80", "90"] {
        let has = |line: &str| line.split_whitespace().nth(1) == Some(arch);
        assert!(table.lines().any(has), "no kernel was assembled for sm_{arch}:\n{table}");
    }
    // Kernel, chip, registers, shared memory; then the stack and the bytes stored to and loaded from it.
    let spills = |line: &&str| line.split_whitespace().skip(4).ne(["0", "0", "0"]);
    let spilling: Vec<&str> = table.lines().skip(1).filter(spills).collect();
    assert!(spilling.is_empty(), "registers are spilled by\n{}", spilling.join("\n"));
}
