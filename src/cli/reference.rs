//! Records that are read: from files and folders, or those that the binary carries.

use std::fs;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::exit::Failure;
use crate::record::{self, Record, RecordError};

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

/// The records in `paths`: files, or folders with all the `.jsonl` files below them that are records.
///
/// # Errors
/// A path that is not there, a folder without records, a file that is not a record.
pub fn load(paths: &[PathBuf]) -> Result<Vec<(String, Record)>, Failure> {
    let mut records = Vec::new();
    for path in paths {
        let mut files = Vec::new();
        if path.is_dir() {
            find(path, &mut files).map_err(|error| {
                Failure::usage(format!("{}: {error}; give a readable folder", path.display()))
            })?;
            files.sort();
        } else {
            files.push(path.clone());
        }
        let read = |file: &PathBuf| match record::read(file) {
            Ok(record) => Ok(Some((file.display().to_string(), record))),
            // A folder may hold other lines as well, such as a gate's rounds.
            Err(RecordError::Foreign { .. }) if file != path => Ok(None),
            Err(error) => Err(Failure::usage(error.to_string())),
        };
        // Parsing takes the time, so all threads do it; the first file that fails is told.
        let read: Vec<Result<_, Failure>> = files.par_iter().map(read).collect();
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
