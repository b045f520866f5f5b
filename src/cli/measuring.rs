//! What `run` and `advise` share: from a suite to a record on disk.

use std::cell::Cell;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use breakeven_kernels::work::{Files, Keep};

use super::args::{MeasureArgs, OutputArgs};
use super::exit::{DONE, Failure, INTERRUPTED, Outcome};
use super::interrupt;
use super::machines::{self, Machines};
use super::output;
use super::progress::Progress;
use super::sizes;
use crate::backend::Probe;
use crate::measure::{self, Event, Options};
use crate::plan::{self, Filter, Job, Plan};
use crate::record::environment::{self, SkuSource};
use crate::record::{Environment, Footer, Header, Record, RecordError, Row, Writer};
use crate::suite::Suite;

/// Of the machine's memory, what one case may take: the rest is the system's and our own.
const MEMORY_SHARE: f64 = 0.8;

/// A suite joined with this machine, before anything is measured.
pub struct Prepared {
    machines: Machines,
    /// The devices in use.
    pub probe: Probe,
    /// The machine.
    pub env: Environment,
    /// What will be measured.
    pub plan: Plan,
    suite: String,
    seed: u64,
    max_seconds: Option<f64>,
}

/// Finds the devices and plans the suite on them.
///
/// # Errors
/// A device that is not here, a case that a family refuses, a filter that matches nothing.
pub fn prepare(
    suite: &Suite,
    files: &dyn Files,
    args: &MeasureArgs,
    implementation_globs: &[String],
    output: &OutputArgs,
) -> Result<Prepared, Failure> {
    let mut machines = Machines::new(output.mock.as_deref())?;
    let mut probe = machines.select(&args.device)?;
    machines.serve_commands(suite, &mut probe);
    // A mock machine has no VM size to ask for.
    let metadata = !args.no_metadata && output.mock.is_none();
    let env = environment::stamp(&probe.devices, &SkuSource { flag: args.sku.clone(), metadata });
    for doubt in sizes::doubts(args, &env, &probe)? {
        output::remark(output, &format!("warning: {doubt}"));
    }
    let filter = Filter {
        implementation_globs: implementation_globs.to_vec(),
        allow_software: args.allow_software,
        memory_bytes: env.memory_bytes.map(|bytes| (bytes as f64 * MEMORY_SHARE) as u64),
    };
    let plan = plan::plan(suite, &probe.devices, files, &filter)
        .map_err(|error| Failure::usage(error.to_string()))?;
    machines::check_commands(&plan, &probe)?;
    Ok(Prepared {
        machines,
        probe,
        env,
        plan,
        suite: suite.name.clone(),
        seed: args.seed,
        max_seconds: args.max_seconds,
    })
}

impl Prepared {
    /// Measures `plan` on the devices of this machine, into no record.
    ///
    /// # Errors
    /// The observer's own.
    pub fn measure<E>(
        &self,
        plan: &Plan,
        options: &mut Options<'_>,
        observe: &mut dyn FnMut(Event) -> Result<(), E>,
    ) -> Result<measure::Outcome, E> {
        measure::run(plan, &mut |id| self.machines.open(id), options, observe, interrupt::flag())
    }

    /// Why no job is left: the first few different reasons.
    pub fn why_empty(&self) -> String {
        let mut reasons: Vec<(&str, Vec<String>)> = Vec::new();
        for skip in &self.plan.skips {
            let who = match skip.implementation {
                "none" => skip.device.clone(),
                implementation => format!("{implementation} on {}", skip.device),
            };
            let room = reasons.len() < 3;
            match reasons.iter_mut().find(|(reason, _)| *reason == skip.reason) {
                Some((_, all)) if !all.contains(&who) => all.push(who),
                Some(_) => {}
                None if room => reasons.push((&skip.reason, vec![who])),
                None => {}
            }
        }
        if reasons.is_empty() {
            return format!(
                "suite {} holds no case for these devices; see `breakeven list implementations`",
                self.suite
            );
        }
        let told = reasons.iter().map(|(reason, who)| format!("{}: {reason}", who.join(", ")));
        told.collect::<Vec<_>>().join("; ")
    }
}

/// Where the record goes.
#[derive(Default)]
pub struct Sinks<'a> {
    /// Folder for `record.jsonl`; it must exist.
    pub folder: Option<&'a Path>,
    /// Whether the record's lines go to standard output as well.
    pub stdout: bool,
    /// Folder for inputs and outputs of every case.
    pub keep: Option<&'a Path>,
}

/// What was measured.
pub struct Measured {
    /// The record, as written.
    pub record: Record,
    /// What it is called: the file's path, or standard output.
    pub name: String,
    outcome: measure::Outcome,
    interrupted: bool,
}

/// Measures what was prepared; each row is on disk before the next case begins.
///
/// # Errors
/// A sink that cannot be created (before anything is measured) or written.
pub fn measure(
    prepared: &Prepared,
    sinks: &Sinks,
    output: &OutputArgs,
) -> Result<Measured, Failure> {
    let argv = std::env::args().skip(1).collect();
    let header = Header::new(&prepared.suite, prepared.seed, argv, prepared.env.clone());
    let (mut writers, name) = create(sinks, &header)?;
    let kept = Cell::new(0_usize);
    let mut keep_for = |job: &Job| keep_folder(sinks.keep, job, &kept);
    let mut options = Options {
        seed: prepared.seed,
        max_seconds: prepared.max_seconds,
        keep: sinks.keep.is_some().then_some(&mut keep_for),
        sampling: None,
    };
    let interrupted = interrupt::flag();
    let progress = Progress::new(output, prepared.plan.jobs.len());
    let mut rows: Vec<Row> = Vec::new();
    let mut observe = |event: Event| -> Result<(), Failure> {
        progress.show(&event);
        if let Event::RowDone(row) = event {
            for writer in &mut writers {
                writer.row(&row).map_err(unwritten)?;
            }
            rows.push(*row);
        }
        Ok(())
    };
    let outcome = measure::run(
        &prepared.plan,
        &mut |id| prepared.machines.open(id),
        &mut options,
        &mut observe,
        interrupted,
    );
    progress.finish();
    let outcome = outcome?;
    let reason = (!outcome.complete).then(|| outcome.reason.clone().unwrap_or_default());
    let footer = Footer::new(outcome.rows, reason);
    for writer in writers {
        writer.finish(&footer).map_err(unwritten)?;
    }
    let record = Record { header, rows, footer: Some(footer) };
    let interrupted = interrupted.load(Ordering::SeqCst);
    Ok(Measured { record, name, outcome, interrupted })
}

/// Opens every sink and writes the header, so that what cannot be written fails before measuring.
fn create(sinks: &Sinks, header: &Header) -> Result<(Vec<Writer>, String), Failure> {
    let mut writers = Vec::new();
    let mut name = "standard output".to_owned();
    if let Some(folder) = sinks.folder {
        let path = folder.join("record.jsonl");
        name = path.display().to_string();
        let file = create_new(&path)?;
        writers.push(Writer::new(Box::new(file), &name, header).map_err(unwritten)?);
    }
    if sinks.stdout {
        let out: Box<dyn Write> = Box::new(io::stdout());
        writers.push(Writer::new(out, "standard output", header).map_err(unwritten)?);
    }
    if let Some(folder) = sinks.keep {
        fs::create_dir_all(folder).map_err(|error| {
            Failure::internal(format!(
                "--keep: cannot make the folder {}: {error}; choose another folder with --keep DIR",
                folder.display()
            ))
        })?;
    }
    Ok((writers, name))
}

/// A record is never overwritten: its numbers cannot be had again.
fn create_new(path: &Path) -> Result<File, Failure> {
    OpenOptions::new().write(true).create_new(true).open(path).map_err(|error| {
        if error.kind() == io::ErrorKind::AlreadyExists {
            return Failure::usage(format!(
                "{} exists and would be lost; choose another folder with -o DIR, or move it away",
                path.display()
            ));
        }
        Failure::write(path, &error)
    })
}

/// A record that could not be written: the disk, or a reader of our output that went away.
fn unwritten(error: RecordError) -> Failure {
    if let RecordError::Write { source, .. } = &error
        && source.kind() == io::ErrorKind::BrokenPipe
    {
        return Failure::stdout(source);
    }
    Failure::internal(format!("{error}; free some space or choose another folder with -o DIR"))
}

/// A folder of its own for each job: `007-matmul-cpu-simd-cpu`, with the case's key in `case.txt`.
fn keep_folder(root: Option<&Path>, job: &Job, kept: &Cell<usize>) -> io::Result<Box<dyn Keep>> {
    let root = root.ok_or_else(|| io::Error::other("no folder to keep in"))?;
    kept.set(kept.get() + 1);
    let name =
        format!("{:03}-{}-{}-{}", kept.get(), job.family, job.implementation.name, job.device);
    let folder = root.join(name.replace(['/', ':'], "-"));
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("case.txt"), format!("{}\n", job.case_key))?;
    Ok(Box::new(KeepFolder { folder }))
}

/// Files that a family writes for other programs.
struct KeepFolder {
    folder: PathBuf,
}

impl Keep for KeepFolder {
    fn create(&mut self, name: &str) -> io::Result<Box<dyn Write + '_>> {
        Ok(Box::new(io::BufWriter::new(File::create(self.folder.join(name))?)))
    }
}

impl Measured {
    /// Whether Ctrl-C ended it.
    pub fn interrupted(&self) -> bool {
        self.interrupted
    }

    /// How the run ended, as an exit code or a message with one.
    ///
    /// # Errors
    /// Wrong outputs first, then failures, then nothing measured.
    pub fn end(&self) -> Outcome {
        let Self { outcome, name, .. } = self;
        if outcome.wrong > 0 {
            return Err(Failure::expectation(format!(
                "{} of {} measurements gave a wrong output; see status wrong-output in {name}",
                outcome.wrong, outcome.rows
            )));
        }
        if self.interrupted {
            return Ok(INTERRUPTED);
        }
        if outcome.failed > 0 {
            return Err(Failure::internal(format!(
                "{} of {} measurements failed ({}); the others are kept in {name}",
                outcome.failed,
                outcome.rows,
                self.first_failure()
            )));
        }
        if outcome.ok == 0 {
            let reason = outcome.reason.as_deref().unwrap_or("every case was skipped");
            return Err(Failure::incomparable(format!(
                "nothing was measured: {reason}; see {name}"
            )));
        }
        Ok(DONE)
    }

    fn first_failure(&self) -> &str {
        let failed = |row: &&Row| row.status == crate::record::Status::Failed;
        self.record
            .rows
            .iter()
            .find(failed)
            .and_then(|r| r.reason.as_deref())
            .unwrap_or("no reason")
    }
}
