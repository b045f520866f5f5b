//! One run of a program from its start to its end.

use std::fs::File;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use super::launch::Launch;
use super::output::{Digested, Digesting, Tail, drain};
use super::wait::{self, Usage};
use crate::backend::BackendError;

/// Between two looks at the clock and at Ctrl-C.
const LOOK: Duration = Duration::from_millis(10);
/// What a program gets to clean up after it was asked to end.
const GRACE: Duration = Duration::from_secs(2);

/// What happens to standard output.
pub(super) enum Sink {
    /// Read and forgotten. (Not /dev/null: some programs do less when they see it.)
    Forget,
    /// Its digest is taken.
    Digest,
    /// Its digest is taken, and it is copied into the file.
    Spool(File),
}

/// Limits of one run.
pub(super) struct Limits<'a> {
    /// Seconds.
    pub time_s: f64,
    /// Set by Ctrl-C.
    pub interrupted: &'a AtomicBool,
}

/// A run that came to its end by itself.
pub(super) struct Finished {
    /// From just before the start to the end, in seconds.
    pub wall_s: f64,
    /// What it used.
    pub usage: Usage,
    /// How it ended.
    pub status: ExitStatus,
    /// Digest of standard output; `None` where it was forgotten.
    pub output: Option<Digested>,
    /// The last words of standard error.
    pub last_words: String,
}

/// Why a run was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stopped {
    TimeLimit,
    Interrupt,
}

/// Starts the program and waits for its end. Whatever it left running in its process group is
/// killed then.
///
/// # Errors
/// [`BackendError::TimedOut`] at its time limit; [`BackendError::Run`] where it cannot be started,
/// Ctrl-C stopped it, or its pipes fail.
pub(super) fn run(
    launch: &Launch,
    input: Option<File>,
    sink: Sink,
    limits: &Limits<'_>,
) -> Result<Finished, BackendError> {
    if limits.interrupted.load(Ordering::SeqCst) {
        return Err(failed(Stopped::Interrupt, launch, limits));
    }
    let start = Instant::now();
    let mut child = launch.start(input).map_err(BackendError::Run)?;
    let pid = Pid::from_child(&child);
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let ended = AtomicBool::new(false);
    let system = |error: io::Error| BackendError::Run(format!("{}: {error}", launch.name));
    std::thread::scope(|scope| {
        let out = scope.spawn(|| stdout.map_or(Ok(None), |pipe| read_output(pipe, sink, &ended)));
        let err = scope.spawn(|| {
            let mut tail = Tail::default();
            if let Some(pipe) = stderr {
                // A pipe that cannot be read has no last words.
                let _ = drain(pipe, &ended, |bytes| {
                    tail.take(bytes);
                    Ok(())
                });
            }
            tail.words()
        });
        let (tell, told) = mpsc::channel::<()>();
        let watch = scope.spawn(move || watch(pid, start, limits, &told));
        let waited = wait::ended(pid);
        let wall_s = start.elapsed().as_secs_f64();
        // The child is a zombie still, so the group is its own and nobody else's.
        let _ = kill_process_group(pid, Signal::KILL);
        drop(tell);
        ended.store(true, Ordering::SeqCst);
        let reaped = waited.and_then(|()| wait::reap(pid));
        let gone = || BackendError::Run(format!("{}: a helper thread was lost", launch.name));
        let stopped = watch.join().map_err(|_| gone())?;
        let last_words = err.join().map_err(|_| gone())?;
        let output = out.join().map_err(|_| gone())?.map_err(system)?;
        if let Some(stopped) = stopped {
            return Err(failed(stopped, launch, limits));
        }
        let (status, usage) = reaped.map_err(system)?;
        Ok(Finished { wall_s, usage, status, output, last_words })
    })
}

fn read_output(
    pipe: std::process::ChildStdout,
    sink: Sink,
    ended: &AtomicBool,
) -> io::Result<Option<Digested>> {
    let spool = match sink {
        Sink::Forget => return drain(pipe, ended, |_| Ok(())).map(|()| None),
        Sink::Digest => None,
        Sink::Spool(file) => Some(file),
    };
    let mut digesting = Digesting::new(spool);
    drain(pipe, ended, |bytes| digesting.take(bytes))?;
    Ok(Some(digesting.finish()))
}

/// Stops the group at the time limit or at Ctrl-C: asked first, killed after a grace. Returns when
/// the process has ended (the other end of `told` is dropped then).
fn watch(
    pid: Pid,
    start: Instant,
    limits: &Limits<'_>,
    told: &mpsc::Receiver<()>,
) -> Option<Stopped> {
    let mut stopped: Option<(Stopped, Instant)> = None;
    loop {
        match told.recv_timeout(LOOK) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => return stopped.map(|(why, _)| why),
        }
        match stopped {
            Some((_, since)) if since.elapsed() >= GRACE => {
                let _ = kill_process_group(pid, Signal::KILL);
            }
            Some(_) => {}
            None => {
                let why = if limits.interrupted.load(Ordering::SeqCst) {
                    Stopped::Interrupt
                } else if start.elapsed().as_secs_f64() >= limits.time_s {
                    Stopped::TimeLimit
                } else {
                    continue;
                };
                stopped = Some((why, Instant::now()));
                let _ = kill_process_group(pid, Signal::TERM);
            }
        }
    }
}

fn failed(stopped: Stopped, launch: &Launch, limits: &Limits<'_>) -> BackendError {
    let name = &launch.name;
    match stopped {
        Stopped::Interrupt => BackendError::Run(format!("{name} was stopped by Ctrl-C")),
        Stopped::TimeLimit => BackendError::TimedOut(format!(
            "{name} was stopped after its time limit of {} s; give it more with time_limit_s \
             (--time-limit)",
            limits.time_s
        )),
    }
}

/// How a run ended, where it was not with status 0: in words, with what it said last.
pub(super) fn complaint(name: &str, finished: &Finished) -> Option<String> {
    if finished.status.success() {
        return None;
    }
    let how = match (finished.status.code(), finished.status.signal()) {
        (Some(code), _) => format!("ended with status {code}"),
        (None, Some(signal)) => format!("was killed by signal {signal}"),
        (None, None) => "ended in an unknown way".to_owned(),
    };
    let words = match finished.last_words.is_empty() {
        true => "it wrote nothing to standard error".to_owned(),
        false => format!("its last words: {}", finished.last_words),
    };
    Some(format!("{name} {how}; {words}"))
}
