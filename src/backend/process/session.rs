//! A program of the user's own, run again and again.

use std::fs::File;
use std::io::{self, Seek};
use std::path::{Path, PathBuf};

use breakeven_kernels::process::{CommandSpec, Produced, THREADS, program_name};

use super::ProcessDevice;
use super::launch::{self, Launch};
use super::output::{Digested, digest};
use super::run::{Finished, Limits, Sink, complaint, run};
use crate::backend::{BackendError, Mode, OneOff, ProcessFacts, Session, Timer, Timing};
use crate::host::Host;

/// Runs of an empty process; the median counts.
const STARTS: usize = 7;
/// The checker finds the path of the output in this variable.
const OUTPUT_VARIABLE: &str = "BREAKEVEN_OUTPUT";

/// A command on a device.
pub(super) struct ProcessSession<'d> {
    device: &'d ProcessDevice,
    command: CommandSpec,
    launch: Launch,
    checker: Option<Launch>,
    one_off: OneOff,
    startup_s: Option<f64>,
    /// Whether the next run's output is looked at.
    look: bool,
    produced: Option<Produced>,
    /// Largest memory seen, where it can be told.
    peak_memory_bytes: Option<u64>,
}

/// Seconds that a process takes which does nothing and is started as `like`; `None` where the
/// system has no `true`.
pub(super) fn empty_process_s(like: &Launch, limits: &Limits<'_>) -> Option<f64> {
    let words = vec!["true".to_owned()];
    let program = launch::find(&words, None).ok()?;
    let empty = Launch { words, program, name: "true".into(), ..like.clone() };
    let one = |_| Some(run(&empty, None, Sink::Forget, limits).ok()?.wall_s);
    let mut times: Vec<f64> = (0..STARTS).map(one).collect::<Option<_>>()?;
    times.sort_by(f64::total_cmp);
    times.get(STARTS / 2).copied()
}

impl<'d> ProcessSession<'d> {
    /// Finds the programs and times an empty process.
    pub(super) fn new(
        device: &'d ProcessDevice,
        command: CommandSpec,
    ) -> Result<Self, BackendError> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = device.cpus.unwrap_or(threads).to_string();
        let prepare = |words: &[String]| -> Result<Launch, BackendError> {
            let folder = command.folder.clone();
            let program = launch::find(words, folder.as_deref()).map_err(BackendError::Run)?;
            Ok(Launch {
                name: program_name(words).to_owned(),
                words: words.iter().map(|word| word.replace(THREADS, &threads)).collect(),
                program,
                folder,
                environment: command.environment.clone(),
                cpus: device.cpus,
            })
        };
        let launch = prepare(&command.words)?;
        let checker = command.checker.as_deref().map(prepare).transpose()?;
        let mut session = Self {
            device,
            launch,
            checker,
            command,
            one_off: OneOff::default(),
            startup_s: None,
            look: false,
            produced: None,
            peak_memory_bytes: None,
        };
        session.startup_s = empty_process_s(&session.launch, &session.limits());
        Ok(session)
    }

    fn limits(&self) -> Limits<'d> {
        Limits { time_s: self.command.time_limit_s, interrupted: self.device.interrupted }
    }

    fn error(&self, what: &str, error: &io::Error) -> BackendError {
        BackendError::Run(format!("{}: {what}: {error}", self.launch.name))
    }

    /// Path of the declared output file.
    fn output_path(&self) -> Option<PathBuf> {
        let file = self.command.output_file.as_deref()?;
        Some(Path::new(self.command.folder.as_deref().unwrap_or(".")).join(file))
    }

    /// Removes the output of the run before, so that it cannot pass for this one's.
    fn remove_output(&self) -> Result<(), BackendError> {
        let Some(path) = self.output_path() else { return Ok(()) };
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(self.error(&format!("{} cannot be removed", path.display()), &error))
            }
            _ => Ok(()),
        }
    }

    /// One run; its output is looked at where that was asked for.
    fn once(&mut self) -> Result<Finished, BackendError> {
        self.remove_output()?;
        let spooled = self.look && self.checker.is_some() && self.command.output_file.is_none();
        let spool = match spooled {
            true => Some(tempfile::tempfile().map_err(|e| self.error("no temporary file", &e))?),
            false => None,
        };
        let copy = spool.as_ref().map(File::try_clone).transpose();
        let sink = match copy.map_err(|e| self.error("no temporary file", &e))? {
            Some(file) => Sink::Spool(file),
            None if self.look => Sink::Digest,
            None => Sink::Forget,
        };
        // Linux counts the memory of whoever starts a process into that of the process.
        let own_bytes = Host::default().peak_memory_bytes();
        let finished = run(&self.launch, None, sink, &self.limits())?;
        if let Some(complaint) = complaint(&self.launch.name, &finished) {
            return Err(BackendError::Run(complaint));
        }
        let resident = finished.usage.max_resident_bytes;
        if own_bytes.is_some_and(|own| resident > own) {
            self.peak_memory_bytes = self.peak_memory_bytes.max(Some(resident));
        }
        if self.look {
            self.produced = Some(self.look_at(&finished, spool)?);
            self.look = false;
        }
        Ok(finished)
    }

    /// Digest and judgement of what a run left.
    fn look_at(&self, finished: &Finished, spool: Option<File>) -> Result<Produced, BackendError> {
        let (digested, file) = match self.output_path() {
            None => (finished.output, spool),
            Some(path) => {
                let lost = |e: io::Error| self.error(&format!("no output {}", path.display()), &e);
                let mut file = File::open(&path).map_err(lost)?;
                (Some(digest(&mut file).map_err(lost)?), Some(file))
            }
        };
        let (sha256, bytes): Digested = digested
            .ok_or_else(|| BackendError::Run(format!("{}: no output", self.launch.name)))?;
        let checker = match (&self.checker, file) {
            (Some(checker), Some(file)) => Some(self.judge(checker, file)?),
            _ => None,
        };
        Ok(Produced { sha256, bytes, checker })
    }

    /// What the checker says of the output in `file`.
    fn judge(&self, checker: &Launch, mut file: File) -> Result<Result<(), String>, BackendError> {
        file.rewind().map_err(|e| self.error("the output cannot be read again", &e))?;
        let mut launch = checker.clone();
        let path = match self.output_path() {
            Some(path) => path.display().to_string(),
            // A spooled output has no name; the checker's own standard input is that file.
            None => "/dev/stdin".to_owned(),
        };
        launch.environment.push((OUTPUT_VARIABLE.into(), path));
        let finished = run(&launch, Some(file), Sink::Forget, &self.limits())?;
        Ok(match complaint(&launch.name, &finished) {
            None => Ok(()),
            Some(complaint) => Err(format!("the checker says so: {complaint}")),
        })
    }
}

impl Session for ProcessSession<'_> {
    fn reset(&mut self) -> Result<(), BackendError> {
        self.produced = None;
        self.look = true;
        self.remove_output()
    }

    fn run(&mut self, _mode: Mode, iterations: u32) -> Result<Timing, BackendError> {
        let mut timing = Timing { timer: Timer::Wall, depth: 1, ..Timing::default() };
        for _ in 0..iterations {
            let finished = self.once()?;
            timing.total_s += finished.wall_s;
            timing.wall_s += finished.wall_s;
            timing.host_cpu_s += finished.usage.cpu_s;
        }
        Ok(timing)
    }

    fn outputs(&mut self) -> Result<Vec<Vec<u8>>, BackendError> {
        let name = &self.launch.name;
        let none = || BackendError::Run(format!("{name}: no output was looked at"));
        Ok(self.produced.as_ref().ok_or_else(none)?.to_outputs())
    }

    fn modes(&self) -> &'static [Mode] {
        &[Mode::EndToEnd]
    }

    fn one_off(&self) -> &OneOff {
        &self.one_off
    }

    fn launches(&self) -> u32 {
        0
    }

    fn process(&self) -> Option<ProcessFacts> {
        Some(ProcessFacts {
            startup_s: self.startup_s,
            output_sha256: self.produced.as_ref().map(Produced::hex),
            output_bytes: self.produced.as_ref().map(|produced| produced.bytes),
            peak_memory_bytes: self.peak_memory_bytes,
            quality: None,
        })
    }
}
