//! A process about to be started: where its program is, its folder, variables and CPUs.

use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// What to start, and how.
#[derive(Debug, Clone)]
pub(super) struct Launch {
    /// What messages call it.
    pub name: String,
    /// Program and arguments, complete.
    pub words: Vec<String>,
    /// Where the program is.
    pub program: PathBuf,
    /// Folder to run in.
    pub folder: Option<String>,
    /// Variables to add.
    pub environment: Vec<(String, String)>,
    /// CPUs to hold it to: the first so many of those allowed.
    pub cpus: Option<usize>,
}

impl Launch {
    /// Starts it in a process group of its own, so that whatever it starts can be stopped with it.
    /// Standard input is `input`, else empty; the other two are pipes.
    ///
    /// # Errors
    /// Why it cannot be started, with its name and the next step.
    pub fn start(&self, input: Option<File>) -> Result<Child, String> {
        let mut command = Command::new(&self.program);
        // Programs that look at their own name see it as it was written.
        command.arg0(self.words.first().map_or("", String::as_str));
        command.args(self.words.iter().skip(1));
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        command.stdin(input.map_or_else(Stdio::null, Stdio::from));
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let held = self.cpus.map(hold_to).transpose();
        let started = held.and_then(|before| {
            let started = command.spawn();
            if let Some(before) = before {
                // It was allowed a moment ago.
                let _ = sched_setaffinity(None, &before);
            }
            started
        });
        started.map_err(|error| self.cannot_start(&error))
    }

    fn cannot_start(&self, error: &io::Error) -> String {
        let Self { name, program, .. } = self;
        match error.raw_os_error() {
            Some(libc::ENOEXEC) => format!(
                "{}: neither a program nor a script with a #! line; start it through its \
                 interpreter",
                program.display()
            ),
            Some(libc::E2BIG) => format!("{name}: its arguments are too long for this system"),
            _ if self.folder.as_deref().is_some_and(|f| !Path::new(f).is_dir()) => {
                let folder = self.folder.as_deref().unwrap_or_default();
                format!("{name} cannot run in {folder}: there is no such folder")
            }
            _ => format!("{} cannot be started: {error}", program.display()),
        }
    }
}

/// Holds this thread, and what it starts, to the first `count` CPUs that it may use; returns
/// those it was held to before.
fn hold_to(count: usize) -> io::Result<CpuSet> {
    let before = sched_getaffinity(None)?;
    let mut few = CpuSet::new();
    let allowed = (0..CpuSet::MAX_CPU).filter(|cpu| before.is_set(*cpu));
    allowed.take(count).for_each(|cpu| few.set(cpu));
    sched_setaffinity(None, &few)?;
    Ok(before)
}

/// Where the first of `words` is: a path is relative to `folder`, a bare name is looked up in PATH.
///
/// # Errors
/// That it is not there, or may not be started, with the next step.
pub(super) fn find(words: &[String], folder: Option<&str>) -> Result<PathBuf, String> {
    let name = words.first().map_or("", String::as_str);
    if name.contains('/') {
        let folder = folder.unwrap_or(".");
        let path = Path::new(folder).join(name);
        return match executable(&path) {
            Ok(()) => Ok(path),
            Err(problem) if Path::new(name).is_absolute() => Err(format!("{name}: {problem}")),
            Err(problem) => Err(format!("{name}: {problem} (seen from {folder})")),
        };
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut forbidden = None;
    for place in std::env::split_paths(&path) {
        let program = place.join(name);
        match executable(&program) {
            Ok(()) => return Ok(program),
            Err(problem) if program.is_file() => {
                forbidden.get_or_insert(format!("{}: {problem}", program.display()));
            }
            Err(_) => {}
        }
    }
    Err(forbidden.unwrap_or_else(|| {
        let beside = Path::new(folder.unwrap_or(".")).join(name);
        match beside.is_file() {
            true => format!("{name}: not found in PATH, but beside you: write ./{name}"),
            false => format!("{name}: command not found; install it, or write its path"),
        }
    }))
}

/// Whether a file can be started, as far as can be seen without trying.
fn executable(path: &Path) -> Result<(), String> {
    let data = match std::fs::metadata(path) {
        Ok(data) => data,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err("command not found; check its path".into());
        }
        Err(error) => return Err(error.to_string()),
    };
    if !data.is_file() {
        return Err("is no file; name a program".into());
    }
    let allowed = rustix::fs::access(path, rustix::fs::Access::EXEC_OK);
    allowed.map_err(|_| "permission denied; make it executable with chmod +x".into())
}
