//! One run of a program whose output is wanted, not its time.

use std::fs::File;
use std::io::{Read, Seek};
use std::sync::atomic::AtomicBool;

use breakeven_kernels::process::{CommandSpec, program_name};

use super::launch::{self, Launch};
use super::run::{Limits, Sink, complaint, run};
use crate::backend::BackendError;

/// How such a run ended, and what it wrote.
#[derive(Debug)]
pub struct Ended {
    /// All of standard output, also of a run that was stopped; bytes that are no UTF-8 replaced.
    pub output: String,
    /// Its exit status; `None` where a signal ended it or it was stopped.
    pub code: Option<i32>,
    /// What is wrong with the way it ended, with its last words; `None` for status 0.
    pub problem: Option<BackendError>,
    /// Wall-clock seconds.
    pub wall_s: f64,
}

/// Runs `command` once, with all that it starts in a process group of its own, and waits for it.
/// Its checker and its output file are not looked at.
///
/// # Errors
/// [`BackendError::Run`] where it cannot be started or its output not be kept.
pub fn once(command: &CommandSpec, interrupted: &AtomicBool) -> Result<Ended, BackendError> {
    let folder = command.folder.clone();
    let name = program_name(&command.words).to_owned();
    let lost = |error: std::io::Error| BackendError::Run(format!("{name}: its output: {error}"));
    let launch = Launch {
        program: launch::find(&command.words, folder.as_deref()).map_err(BackendError::Run)?,
        name: name.clone(),
        words: command.words.clone(),
        folder,
        environment: command.environment.clone(),
        cpus: None,
    };
    let mut kept = tempfile::tempfile().map_err(lost)?;
    let spool = kept.try_clone().map_err(lost)?;
    let limits = Limits { time_s: command.time_limit_s, interrupted };
    let start = std::time::Instant::now();
    let finished = run(&launch, None, Sink::Spool(spool), &limits);
    let wall_s = start.elapsed().as_secs_f64();
    let output = read(&mut kept).map_err(lost)?;
    match finished {
        Ok(finished) => {
            let problem = complaint(&name, &finished).map(BackendError::Run);
            Ok(Ended { output, code: finished.status.code(), problem, wall_s })
        }
        // What it said before it was stopped tells how far it came.
        Err(problem) => Ok(Ended { output, code: None, problem: Some(problem), wall_s }),
    }
}

/// What a short program prints, whatever its status.
///
/// # Errors
/// As [`once`].
pub(super) fn ask(launch: &Launch, limits: &Limits<'_>) -> Result<String, BackendError> {
    let lost = |e: std::io::Error| BackendError::Run(format!("{}: its output: {e}", launch.name));
    let mut kept = tempfile::tempfile().map_err(lost)?;
    run(launch, None, Sink::Spool(kept.try_clone().map_err(lost)?), limits)?;
    read(&mut kept).map_err(lost)
}

fn read(file: &mut File) -> std::io::Result<String> {
    file.rewind()?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
