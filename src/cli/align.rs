//! `align`: pairs of sequences from files of any size, by the kernels that are measured, as a table.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use breakeven_kernels::alignment::scoring::{Alphabet, Mode, Scoring};
use breakeven_kernels::alignment::stream::{
    PairStream, Records, StreamError, align_pairs, table_header, table_rows,
};
use breakeven_kernels::params::{Params, Value};

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
    let queries = records(&args.queries, alphabet)?;
    let targets = records(&args.targets, alphabet)?;
    let mut stream = match args.pairing {
        PairingArg::Order => {
            PairStream::by_order(Box::new(ahead(queries)), Box::new(ahead(targets)))
        }
        PairingArg::All => PairStream::all(queries, Box::new(ahead(targets)))
            .map_err(|problem| refused(args, &StreamError::Query(problem)))?,
    };
    if let Some(folder) = &output.folder {
        output::make_folder(folder)?;
    }
    let path = output.folder.as_ref().map(|folder| folder.join("alignments.tsv"));
    let mut to: Box<dyn Write + Send> = match &path {
        Some(path) => Box::new(File::create(path).map_err(|error| Failure::write(path, &error))?),
        None => Box::new(io::stdout()),
    };
    let failed = |error: &io::Error| match &path {
        Some(path) => Failure::write(path, error),
        None => Failure::stdout(error),
    };
    to.write_all(table_header(args.cigar).as_bytes()).map_err(|error| failed(&error))?;
    let (tables, waiting) = sync_channel::<Vec<u8>>(WAITING);
    thread::scope(|scope| {
        let writer = scope.spawn(move || write(waiting, to));
        let outcome = loop {
            let pairs = match stream.next_chunk() {
                Ok(Some(pairs)) => pairs,
                Ok(None) => break Ok(DONE),
                Err(error) => break Err(refused(args, &error)),
            };
            let (found, ways) = pool.install(|| align_pairs(&pairs, mode, &scoring, args.cigar));
            let mut table = Vec::new();
            table_rows(&pairs, &found, ways.as_deref(), &mut table);
            if tables.send(table).is_err() {
                // The writer has ended, and says why.
                break Ok(DONE);
            }
        };
        drop(tables);
        match writer.join() {
            Ok(Ok(())) => outcome,
            Ok(Err(error)) => Err(failed(&error)),
            Err(_) => Err(Failure::internal("the thread that writes panicked")),
        }
    })
}

fn write(tables: Receiver<Vec<u8>>, to: Box<dyn Write + Send>) -> io::Result<()> {
    let mut to = BufWriter::with_capacity(1 << 18, to);
    for table in tables {
        to.write_all(&table)?;
    }
    to.flush()
}

/// Reads batches ahead in a thread of its own.
fn ahead(records: Records) -> impl Iterator<Item = <Records as Iterator>::Item> + Send {
    let (batches, waiting) = sync_channel(WAITING);
    thread::spawn(move || {
        for batch in records {
            if batches.send(batch).is_err() {
                break;
            }
        }
    });
    waiting.into_iter()
}

fn records(path: &Path, alphabet: Alphabet) -> Result<Records, Failure> {
    let problem = |problem: String| Failure::usage(format!("{}: {problem}", path.display()));
    let file: Box<dyn Read + Send> = match path.to_str() {
        Some("-") => Box::new(io::stdin()),
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
            format!(
                "{ended} ends after {records} records, {other} goes on; pairs are matched by order, so \
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

/// The scoring, by the rules of a suite's `scoring = { … }`.
fn scoring(args: &AlignArgs, alphabet: Alphabet) -> Result<Scoring, Failure> {
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
