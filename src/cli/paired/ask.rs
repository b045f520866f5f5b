//! Asking an executable: the order in a file, one fresh process, its answer.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use breakeven_kernels::process::CommandSpec;

use super::wire::{Done, Hello, JobName, Line, Order};
use crate::backend::BackendError;
use crate::backend::process::once;
use crate::cli::exit::Failure;

/// A copy of an executable in a folder of its own, whose name is as long as the other arm's: the
/// length of a command line moves a program's stack, which alone can change its speed. Nobody
/// rebuilds a copy while it is measured.
pub struct Executable {
    /// What was asked for.
    pub name: String,
    path: PathBuf,
    order: PathBuf,
    /// Arguments after the program.
    arguments: Vec<String>,
}

/// What a process answered.
#[derive(Debug, Default)]
pub struct Answer {
    /// Who it says it is.
    pub hello: Option<Hello>,
    /// Jobs that its suite has here.
    pub jobs: Vec<JobName>,
    /// Jobs that ended.
    pub done: Vec<Done>,
    /// The job in which the process ended.
    pub pending: Option<JobName>,
    /// Whether it came to its end.
    pub complete: bool,
    /// What was wrong with its end.
    pub problem: Option<BackendError>,
    /// Its exit status.
    pub code: Option<i32>,
    /// Wall-clock seconds.
    pub wall_s: f64,
}

impl Executable {
    /// Copies `from` into `folder`, which is made.
    ///
    /// # Errors
    /// A file that is not there, no program, or cannot be copied.
    pub fn copy(
        flag: &str,
        from: &Path,
        folder: &Path,
        suite: &str,
        mock: Option<&str>,
    ) -> Result<Self, Failure> {
        let shown = from.display();
        let usage = |problem: String| Failure::usage(format!("{flag} {shown}: {problem}"));
        let data = fs::metadata(from)
            .map_err(|error| usage(format!("{error}; give a breakeven executable")))?;
        if !data.is_file() {
            return Err(usage("is no file; give a breakeven executable".into()));
        }
        let path = folder.join("breakeven");
        fs::create_dir(folder)
            .and_then(|()| fs::copy(from, &path))
            .map_err(|error| Failure::write(&path, &error))?;
        let order = folder.join("order.json");
        let mut arguments: Vec<String> =
            ["run", suite, "--quiet", "--round"].map(str::to_owned).into();
        arguments.push(order.display().to_string());
        if let Some(mock) = mock {
            arguments.extend(["--mock".to_owned(), mock.to_owned()]);
        }
        let arm = Self { name: from.display().to_string(), path, order, arguments };
        crate::backend::process::startable(&arm.command(1.0))
            .map_err(|problem| usage(problem.replace(&arm.path.display().to_string(), "it")))?;
        Ok(arm)
    }

    fn command(&self, time_limit_s: f64) -> CommandSpec {
        let mut words = vec![self.path.display().to_string()];
        words.extend(self.arguments.iter().cloned());
        CommandSpec {
            words,
            folder: None,
            environment: Vec::new(),
            output_file: None,
            checker: None,
            time_limit_s,
        }
    }

    /// Runs the order in a fresh process.
    ///
    /// # Errors
    /// The order's file or the process's output cannot be written here.
    pub fn ask(
        &self,
        order: &Order,
        time_limit_s: f64,
        stop: &AtomicBool,
    ) -> Result<Answer, Failure> {
        let text = serde_json::to_string(order).unwrap_or_default();
        fs::write(&self.order, text).map_err(|error| Failure::write(&self.order, &error))?;
        let ended = once(&self.command(time_limit_s), stop)
            .map_err(|error| Failure::internal(format!("{}: {error}", self.name)))?;
        let mut answer = Answer {
            problem: ended.problem,
            code: ended.code,
            wall_s: ended.wall_s,
            ..Answer::default()
        };
        // A newer executable may say more, and the last line of a dead one may be torn.
        for line in ended.output.lines().filter_map(|line| serde_json::from_str(line).ok()) {
            match line {
                Line::Hello(hello) => answer.hello = Some(hello),
                Line::Job(job) => answer.jobs.push(job),
                Line::Started(job) => answer.pending = Some(job),
                Line::Done(done) => {
                    answer.pending = None;
                    answer.done.push(*done);
                }
                Line::End => answer.complete = true,
            }
        }
        Ok(answer)
    }
}
