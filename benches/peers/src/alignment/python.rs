//! Aligners that are at hand as Python wheels: a process of their own that times its runs itself.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail};

use super::{Problem, Scorer};

/// Where `install.sh` puts the wheels.
const PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/peers-python/bin/python");
const SCRIPT: &str = include_str!("peer.py");

/// A Python process that holds the problem.
struct Process {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

/// The peer called `name` on `problem`.
///
/// # Errors
/// A case that it cannot do, or a peer that is not installed.
pub fn open(problem: &Problem, name: &str) -> Result<Box<dyn Scorer>> {
    let Some(queries) = problem.searches else {
        bail!("it scores each query with each target, not pairs");
    };
    if !Path::new(PYTHON).exists() {
        bail!("not installed; run benches/peers/install.sh");
    }
    let text = |sequences: &[&Vec<u8>]| -> Vec<String> {
        sequences.iter().map(|letters| String::from_utf8_lossy(letters).into_owned()).collect()
    };
    let matrix: Vec<Vec<i32>> = (0..problem.letters.len() as u8)
        .map(|q| (0..problem.letters.len() as u8).map(|t| problem.scoring.score(q, t)).collect())
        .collect();
    let request = serde_json::json!({
        "peer": name,
        "mode": problem.mode,
        "letters": String::from_utf8_lossy(&problem.letters),
        "matrix": matrix,
        "open": problem.scoring.gap_open,
        "extend": problem.scoring.gap_extend,
        "threads": problem.threads,
        "queries": text(&problem.queries[..queries].iter().collect::<Vec<_>>()),
        "targets": text(&problem.targets.iter().step_by(queries).collect::<Vec<_>>()),
    });
    let mut child = Command::new(PYTHON)
        .args(["-c", SCRIPT])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("Python did not start")?;
    let to = child.stdin.take().context("a pipe")?;
    let from = BufReader::new(child.stdout.take().context("a pipe")?);
    let mut process = Process { child, to, from };
    let answer = process.ask(&request.to_string())?;
    match answer.as_str() {
        "ready" => Ok(Box::new(process)),
        why => bail!("{why}"),
    }
}

impl Process {
    fn ask(&mut self, line: &str) -> Result<String> {
        writeln!(self.to, "{line}").and_then(|()| self.to.flush()).context("the peer is gone")?;
        let mut answer = String::new();
        self.from.read_line(&mut answer)?;
        if answer.is_empty() {
            bail!("the peer ended without an answer");
        }
        Ok(answer.trim_end().to_owned())
    }
}

impl Scorer for Process {
    fn scores(&mut self) -> Result<Vec<i32>> {
        Ok(serde_json::from_str(&self.ask("scores")?)?)
    }

    fn run(&mut self, times: u32) -> Result<f64> {
        let answer = self.ask(&times.to_string())?;
        answer.parse().with_context(|| answer)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
