//! Records that are read: from files and folders, or those that the binary carries.

use std::fs;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::exit::Failure;
use crate::record::{self, Record, RecordError};
use crate::store::{Store, StoreError, is_url};

/// The committed records of real runs: (folder name below `results/`, JSON Lines).
static REFERENCE_RECORDS: &[(&str, &str)] =
    include!(concat!(env!("OUT_DIR"), "/reference_records.rs"));

/// The built-in reference records, each with the machine's name.
///
/// # Errors
/// A committed record that this version cannot read (its tests see to it that there is none).
pub fn built_in() -> Result<Vec<(String, Record)>, Failure> {
    REFERENCE_RECORDS
        .iter()
        .map(|(name, text)| {
            let name = format!("reference {name}");
            let record = record::parse(text.as_bytes(), &name)
                .map_err(|error| Failure::internal(error.to_string()))?;
            Ok((name, record))
        })
        .collect()
}

/// Records that [`load_many`] keeps whole: as many as a report draws one by one.
const WHOLE: usize = 48;
/// Objects of a store that are fetched at a time: each takes longer to come than to be read.
const FETCHES: usize = 32;

/// The records in `paths`: files, or folders with all the `.jsonl` files below them that are records;
/// of an object store, named by a URL, likewise.
///
/// # Errors
/// A path that is not there, a folder without records, a file that is not a record.
pub fn load(paths: &[PathBuf]) -> Result<Vec<(String, Record)>, Failure> {
    load_with(paths, usize::MAX)
}

/// The same for what is judged, compared or drawn: of very many records the later ones keep no samples,
/// only how many there were, so that thousands fit into memory.
///
/// # Errors
/// As [`load`].
pub fn load_many(paths: &[PathBuf]) -> Result<Vec<(String, Record)>, Failure> {
    load_with(paths, WHOLE)
}

fn load_with(paths: &[PathBuf], whole: usize) -> Result<Vec<(String, Record)>, Failure> {
    let mut records = Vec::new();
    for path in paths {
        if let Some(url) = path.to_str().filter(|text| is_url(text)) {
            records.extend(of_store(url, whole.saturating_sub(records.len()))?);
            continue;
        }
        let mut files = Vec::new();
        if path.is_dir() {
            find(path, &mut files).map_err(|error| {
                Failure::usage(format!("{}: {error}; give a readable folder", path.display()))
            })?;
            files.sort();
        } else {
            files.push(path.clone());
        }
        let whole = whole.saturating_sub(records.len());
        let read = |(number, file): (usize, &PathBuf)| match record::read(file) {
            Ok(record) => Ok(Some((file.display().to_string(), kept(record, number < whole)))),
            // A folder may hold other lines as well, such as a gate's rounds.
            Err(RecordError::Foreign { .. }) if file != path => Ok(None),
            Err(error @ RecordError::Io { .. }) => Err(Failure::usage(format!(
                "{error}; give a record that `breakeven run` wrote, or a folder of records"
            ))),
            Err(error) => Err(Failure::usage(error.to_string())),
        };
        // Parsing takes the time, so all threads do it; the first file that fails is told.
        let read: Vec<Result<_, Failure>> = files.par_iter().enumerate().map(read).collect();
        let read: Vec<Option<_>> = read.into_iter().collect::<Result<_, _>>()?;
        if read.iter().all(Option::is_none) {
            return Err(Failure::incomparable(format!(
                "{}: no record (.jsonl) in this folder; give a record that `breakeven run` wrote",
                path.display()
            )));
        }
        records.extend(read.into_iter().flatten());
    }
    Ok(records)
}

/// A record as it is kept: whole, or one of very many.
fn kept(mut record: Record, whole: bool) -> Record {
    if !whole {
        record.forget_samples();
    }
    record
}

/// The records below a URL, or the one that it names. Each is parsed as it comes, so that no more than
/// [`FETCHES`] are there as text.
fn of_store(url: &str, whole: usize) -> Result<Vec<(String, Record)>, Failure> {
    let unreachable = |error: StoreError| match error {
        StoreError::Failed { .. } => Failure::internal(error.to_string()),
        _ => Failure::usage(error.to_string()),
    };
    let (place, only) = match url.rsplit_once('/') {
        Some((folder, name)) if name.ends_with(".jsonl") => (folder, Some(name)),
        _ => (url, None),
    };
    let store = Store::open(place).map_err(unreachable)?;
    let keys: Box<dyn Iterator<Item = Result<String, Failure>> + Send> = match only {
        Some(name) => Box::new(std::iter::once(Ok(name.to_owned()))),
        None => {
            let listed = store.stream("").map(|o| o.map(|o| o.key).map_err(unreachable));
            Box::new(listed.filter(|key| key.as_ref().map_or(true, |key| key.ends_with(".jsonl"))))
        }
    };
    let read = |(number, key): (usize, Result<String, Failure>)| {
        let key = key?;
        let name = store.told(&key);
        let bytes = store.get(&key).map_err(unreachable)?;
        let bytes = bytes.ok_or_else(|| Failure::usage(format!("{name}: no such object")))?;
        match record::parse(bytes.as_slice(), &name) {
            Ok(record) => Ok(Some((name, kept(record, number < whole)))),
            Err(RecordError::Foreign { .. }) if only.is_none() => Ok(None),
            Err(error) => Err(Failure::usage(error.to_string())),
        }
    };
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(FETCHES)
        .build()
        .map_err(|error| Failure::internal(format!("no threads to fetch with: {error}")))?;
    let read: Vec<Result<_, Failure>> =
        pool.install(|| keys.enumerate().par_bridge().map(read).collect());
    let read: Vec<Option<_>> = read.into_iter().collect::<Result<_, _>>()?;
    let mut records: Vec<(String, Record)> = read.into_iter().flatten().collect();
    if records.is_empty() {
        return Err(Failure::incomparable(format!(
            "{url}: no record (.jsonl) there; `breakeven fleet run` puts them there"
        )));
    }
    // They come in no order.
    records.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(records)
}

/// All `.jsonl` files below `folder`. Links to folders are not followed, so there is no loop.
fn find(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            find(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "jsonl") {
            files.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Row, Status};

    #[test]
    fn every_committed_record_is_whole_and_right() {
        for (name, record) in built_in().expect("committed records are of this version") {
            assert!(record.footer.is_some_and(|footer| footer.complete), "{name} is incomplete");
            assert_eq!(record.header.run.tool_dirty, Some(false), "{name}: changed sources");
            let wrong = |row: &Row| row.status == Status::WrongOutput;
            assert!(!record.rows.iter().any(wrong), "{name} holds a wrong output");
        }
    }
}
