//! `fleet work`: what a pod does. Measures one run, hands its record over, and says so in its last
//! words, which the cluster keeps.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use crate::cli::args::{FleetWorkArgs, MeasureArgs, OutputArgs};
use crate::cli::exit::{DONE, Failure, INTERRUPTED, Outcome};
use crate::cli::measuring::{self, Measured, Sinks};
use crate::cli::output;
use crate::fleet::deliver::{self, LAST_WORDS_FILE, LastWords, Way};
use crate::record::{Row, Status};
use crate::store::Store;
use crate::suite::{self, FolderFiles};

/// Where a job's pods find their number.
const INDEX_VARIABLE: &str = "JOB_COMPLETION_INDEX";
/// Another file for the last words, for tests without a kubelet.
const WORDS_VARIABLE: &str = "BREAKEVEN_LAST_WORDS";
/// How long the store may take, its own repetitions included; then the log takes the record, before
/// the pod's time is over.
const STORE_PATIENCE: Duration = Duration::from_secs(60);

/// Measures, hands over, says how it went. A record that was handed over is success, whatever it
/// says; its rows tell their own failures.
pub fn run(args: &FleetWorkArgs, output: &OutputArgs) -> Outcome {
    let mut words =
        LastWords { breakeven: env!("CARGO_PKG_VERSION").into(), ..LastWords::default() };
    let outcome = work(args, output, &mut words);
    if let Err(failure) = &outcome {
        words.error.clone_from(&failure.message);
    }
    say(&words, output);
    outcome
}

fn work(args: &FleetWorkArgs, output: &OutputArgs, words: &mut LastWords) -> Outcome {
    let number = number(args)?;
    let scratch = tempfile::tempdir()
        .map_err(|error| Failure::internal(format!("no temporary folder: {error}")))?;
    let measured = measure(args, output, scratch.path())?;
    if measured.interrupted() {
        words.error = Some("its pod was asked to end before the suite was done".into());
        return Ok(INTERRUPTED);
    }
    // Nothing measured is no record worth the name; wrong outputs and failures are findings.
    let end = measured.end();
    if let Err(failure) = &end
        && measured.record.rows.iter().all(|row| row.times == Default::default())
    {
        let failed = |row: &&Row| row.status == Status::Failed;
        let first = measured.record.rows.iter().find(failed).and_then(|row| row.reason.clone());
        // The message names a file that goes with the pod.
        let why = first.or(failure.message.clone()).unwrap_or_default();
        let message = Some(format!("nothing was measured: {why}"));
        return Err(Failure { code: failure.code, message });
    }
    let path = scratch.path().join("record.jsonl");
    let record = fs::read(&path)
        .map_err(|error| Failure::internal(format!("cannot read {}: {error}", path.display())))?;
    words.rows = measured.record.rows.len() as u64;
    words.sha256 = Some(deliver::sha256(&record));
    words.way = Some(hand_over(args, number, &record, output)?);
    Ok(DONE)
}

fn number(args: &FleetWorkArgs) -> Result<u32, Failure> {
    let index = std::env::var(INDEX_VARIABLE).unwrap_or_default();
    let found = index.parse::<usize>().ok().and_then(|index| args.runs.get(index));
    found.copied().ok_or_else(|| {
        Failure::usage(format!(
            "{INDEX_VARIABLE} = \"{index}\": not an index into the {} runs; `fleet work` is what the \
             pods of an Indexed Job do",
            args.runs.len()
        ))
    })
}

fn measure(args: &FleetWorkArgs, output: &OutputArgs, folder: &Path) -> Result<Measured, Failure> {
    let suite = suite::load(&args.suite).map_err(|error| Failure::usage(error.to_string()))?;
    let files = FolderFiles::new(suite.folder.clone());
    let how = MeasureArgs {
        device: args.device.clone(),
        sku: Some(args.sku.clone()),
        no_metadata: false,
        max_seconds: Some(args.max_seconds),
        allow_software: false,
        seed: args.seed,
    };
    let prepared = measuring::prepare(&suite, &files, &how, &[], output)?;
    if prepared.plan.jobs.is_empty() {
        let why = prepared.why_empty();
        return Err(Failure::incomparable(format!("nothing can be measured: {why}")));
    }
    measuring::measure(&prepared, &Sinks { folder: Some(folder), ..Sinks::default() }, output)
}

/// To the store, else into the log.
fn hand_over(
    args: &FleetWorkArgs,
    number: u32,
    record: &[u8],
    output: &OutputArgs,
) -> Result<Way, Failure> {
    if let Some(place) = &args.store {
        match put(place.clone(), format!("{}/{number}.jsonl", args.key), record.to_vec()) {
            Ok(()) => return Ok(Way::Store),
            Err(problem) => {
                output::remark(output, &format!("warning: {problem}; the log takes the record"));
            }
        }
    }
    let mut out = io::stdout().lock();
    out.write_all(deliver::to_log(record).as_bytes())
        .and_then(|()| out.flush())
        .map_err(|error| Failure::stdout(&error))?;
    Ok(Way::Log)
}

fn put(place: String, key: String, record: Vec<u8>) -> Result<(), String> {
    let (done, result) = channel();
    let told = place.clone();
    // A store that hangs is left hanging: the process ends soon.
    thread::spawn(move || {
        let put = || Store::open(&place)?.put(&key, &record);
        let _ = done.send(put().map_err(|error| error.to_string()));
    });
    result
        .recv_timeout(STORE_PATIENCE)
        .unwrap_or_else(|_| Err(format!("{told}: no answer in {} s", STORE_PATIENCE.as_secs())))
}

/// The last words, to where the kubelet reads them.
fn say(words: &LastWords, output: &OutputArgs) {
    let file = std::env::var(WORDS_VARIABLE).unwrap_or_else(|_| LAST_WORDS_FILE.into());
    if let Err(error) = fs::write(&file, words.told()) {
        output::remark(output, &format!("warning: cannot write {file}: {error}"));
    }
}
