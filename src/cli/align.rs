//! `align`: pairs of sequences from files of any size, by the kernels that are measured, as a table.

use std::fs::{self, File};
use std::io::{self, BufWriter, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::Duration;

use breakeven_kernels::alignment::scoring::{Alphabet, Mode, Scoring};
use breakeven_kernels::alignment::stream::{
    PairStream, Records, StreamError, align_pairs, table_header, table_rows, too_long_to_trace,
};
use breakeven_kernels::params::{Params, Value};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::args::{AlignArgs, AlignModeArg, AlphabetArg, FormatArg, OutputArgs, PairingArg};
use super::exit::{DONE, Failure, Outcome};
use super::{interrupt, output};
use crate::suite::FolderFiles;

/// Batches of records, and tables, that wait for the next step.
const WAITING: usize = 4;

/// Reads, aligns and writes, each in threads of its own.
pub fn run(args: &AlignArgs, output: &OutputArgs) -> Outcome {
    if output.format != FormatArg::Text {
        return Err(Failure::usage("align writes a table with tabs; leave --format out"));
    }
    interrupt::end_at_once();
    let (alphabet, mode) = (alphabet(args), mode(args));
    let scoring = scoring(args, alphabet)?;
    let threads = usize::from(args.threads.unwrap_or(0));
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .map_err(|error| Failure::internal(format!("no {threads} threads: {error}")))?;
    let mut stream = stream(args, alphabet)?;
    let table = Table::open(output)?;
    let to = table.writer()?;
    let progress = Progress::new(output);
    let (tables, waiting) = sync_channel::<Vec<u8>>(WAITING);
    let mut pairs_done = 0;
    let outcome = thread::scope(|scope| {
        let writer = scope.spawn(move || write(waiting, to));
        let outcome = loop {
            let pairs = match stream.next_chunk() {
                Ok(Some(pairs)) => pairs,
                Ok(None) => break Ok(DONE),
                Err(error) => break Err(refused(args, &error)),
            };
            if let (true, Some(problem)) = (args.cigar, too_long_to_trace(&pairs)) {
                break Err(Failure::usage(problem));
            }
            let (found, ways) = pool.install(|| align_pairs(&pairs, mode, &scoring, args.cigar));
            let mut rows = Vec::new();
            if pairs_done == 0 {
                rows.extend_from_slice(table_header(args.cigar).as_bytes());
            }
            table_rows(&pairs, &found, ways.as_deref(), &mut rows);
            pairs_done += found.len();
            progress.show(pairs_done);
            if tables.send(rows).is_err() {
                // The writer has ended, and says why.
                break Ok(DONE);
            }
        };
        drop(tables);
        match writer.join() {
            Ok(Ok(())) => outcome,
            Ok(Err(error)) => Err(table.failed(&error)),
            Err(_) => Err(Failure::internal("the thread that writes panicked")),
        }
    });
    progress.finish();
    let code = outcome?;
    table.keep(output, pairs_done)?;
    Ok(code)
}

fn write(tables: Receiver<Vec<u8>>, to: Box<dyn Write + Send>) -> io::Result<()> {
    let mut to = BufWriter::with_capacity(1 << 18, to);
    for table in tables {
        to.write_all(&table)?;
    }
    to.flush()
}

/// Where the table goes: standard output, or a file that has its name once it is whole.
struct Table(Option<PathBuf>);

impl Table {
    fn open(output: &OutputArgs) -> Result<Self, Failure> {
        let Some(folder) = &output.folder else { return Ok(Self(None)) };
        output::make_folder(folder)?;
        let path = folder.join("alignments.tsv");
        if path.exists() {
            return Err(Failure::usage(format!(
                "{} exists and would be lost; choose another folder with -o DIR",
                path.display()
            )));
        }
        Ok(Self(Some(path)))
    }

    /// The name while it is written.
    fn partial(path: &Path) -> PathBuf {
        path.with_extension("tsv.partial")
    }

    fn writer(&self) -> Result<Box<dyn Write + Send>, Failure> {
        let Some(path) = &self.0 else { return Ok(Box::new(io::stdout())) };
        let partial = Self::partial(path);
        let file = File::create(&partial).map_err(|error| Failure::write(&partial, &error))?;
        Ok(Box::new(file))
    }

    fn failed(&self, error: &io::Error) -> Failure {
        match &self.0 {
            Some(path) => Failure::write(&Self::partial(path), error),
            None => Failure::stdout(error),
        }
    }

    /// Gives a whole table its name.
    fn keep(&self, output: &OutputArgs, pairs: usize) -> Result<(), Failure> {
        let Some(path) = &self.0 else { return Ok(()) };
        fs::rename(Self::partial(path), path).map_err(|error| self.failed(&error))?;
        output::remark(output, &format!("{pairs} pairs are in {}", path.display()));
        Ok(())
    }
}

/// A count of pairs on a terminal, unless the table itself goes there.
struct Progress(Option<ProgressBar>);

impl Progress {
    fn new(output: &OutputArgs) -> Self {
        let table_on_terminal = output.folder.is_none() && io::stdout().is_terminal();
        if output.quiet || table_on_terminal || !io::stderr().is_terminal() {
            return Self(None);
        }
        let target = ProgressDrawTarget::stderr_with_hz(8);
        let spinner = ProgressBar::with_draw_target(None, target);
        if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg}") {
            spinner.set_style(style);
        }
        spinner.enable_steady_tick(Duration::from_millis(250));
        Self(Some(spinner))
    }

    fn show(&self, pairs: usize) {
        if let Some(spinner) = &self.0 {
            spinner.set_message(format!("{pairs} pairs"));
        }
    }

    fn finish(&self) {
        if let Some(spinner) = &self.0 {
            spinner.finish_and_clear();
        }
    }
}

fn stream(args: &AlignArgs, alphabet: Alphabet) -> Result<PairStream, Failure> {
    if [&args.queries, &args.targets].iter().all(|path| path.as_os_str() == "-") {
        return Err(Failure::usage("only one of QUERIES and TARGETS can be standard input"));
    }
    let queries = records(&args.queries, alphabet)?;
    let targets = records(&args.targets, alphabet)?;
    match args.pairing {
        PairingArg::Order => {
            Ok(PairStream::by_order(Box::new(ahead(queries)), Box::new(ahead(targets))))
        }
        PairingArg::All => PairStream::all(queries, Box::new(ahead(targets)))
            .map_err(|problem| refused(args, &StreamError::Query(problem))),
    }
}

/// Reads batches ahead in a thread of its own.
fn ahead(records: Records) -> impl Iterator<Item = <Records as Iterator>::Item> + Send {
    let (batches, waiting) = sync_channel(WAITING);
    let mut reader = Some(thread::spawn(move || {
        for batch in records {
            if batches.send(batch).is_err() {
                break;
            }
        }
    }));
    std::iter::from_fn(move || {
        waiting.recv().ok().or_else(|| {
            // At the end, or the reader is gone without having got there.
            let gone = reader.take()?.join().is_err();
            gone.then(|| Err("the thread that reads it panicked".to_owned()))
        })
    })
}

fn records(path: &Path, alphabet: Alphabet) -> Result<Records, Failure> {
    let problem = |problem: String| Failure::usage(format!("{}: {problem}", path.display()));
    let file: Box<dyn Read + Send> = match path.to_str() {
        Some("-") => Box::new(io::stdin()),
        _ if path.is_dir() => return Err(problem("is a folder; give a file".into())),
        _ => {
            Box::new(File::open(path).map_err(|error| problem(format!("cannot be read: {error}")))?)
        }
    };
    Records::open(file, alphabet).map_err(problem)
}

/// What is wrong with the input, by file.
fn refused(args: &AlignArgs, error: &StreamError) -> Failure {
    let (queries, targets) = (args.queries.display(), args.targets.display());
    Failure::usage(match error {
        StreamError::Query(problem) => format!("{queries}: {problem}"),
        StreamError::Target(problem) => format!("{targets}: {problem}"),
        StreamError::Unequal { records, more_queries } => {
            let (ended, other) =
                if *more_queries { (&targets, &queries) } else { (&queries, &targets) };
            let plural = if *records == 1 { "" } else { "s" };
            format!(
                "{ended} ends after {records} record{plural}, {other} goes on; pairs are matched by order, so \
                 give one target for each query, or --pairing all for every target with every query"
            )
        }
    })
}

fn mode(args: &AlignArgs) -> Mode {
    match args.mode {
        AlignModeArg::Local => Mode::Local,
        AlignModeArg::Global => Mode::Global,
        AlignModeArg::SemiGlobal => Mode::SemiGlobal,
    }
}

fn alphabet(args: &AlignArgs) -> Alphabet {
    match args.alphabet {
        AlphabetArg::Dna => Alphabet::Dna,
        AlphabetArg::Protein => Alphabet::Protein,
    }
}

/// The scoring of the options, which must be those of the alphabet; else by the rules of a suite's `scoring = { … }`.
fn scoring(args: &AlignArgs, alphabet: Alphabet) -> Result<Scoring, Failure> {
    if alphabet == Alphabet::Dna && args.matrix.is_some() {
        return Err(Failure::usage("--matrix is for proteins; give --alphabet protein as well"));
    }
    if alphabet == Alphabet::Protein && (args.matched.is_some() || args.mismatch.is_some()) {
        return Err(Failure::usage(
            "--match and --mismatch are for DNA; scores of proteins come from --matrix",
        ));
    }
    let mut given = Params::default();
    let numbers = [
        ("match", args.matched),
        ("mismatch", args.mismatch),
        ("gap_open", args.gap_open),
        ("gap_extend", args.gap_extend),
    ];
    for (key, number) in numbers {
        if let Some(number) = number {
            given.set(key, Value::Int(number));
        }
    }
    if let Some(matrix) = &args.matrix {
        given.set("matrix", Value::Text(matrix.clone()));
    }
    let files = FolderFiles::new(Some(".".into()));
    Scoring::of(alphabet, &given, &files).map_err(|error| Failure::usage(error.to_string()))
}
