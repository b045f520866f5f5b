//! Everything that was measured, on disk as it comes: one JSON line an event in `rounds.jsonl`.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::cli::exit::Failure;

/// Name of the file.
const NAME: &str = "rounds.jsonl";

/// The file, where a folder was given.
pub struct Journal {
    file: Option<(PathBuf, File)>,
}

impl Journal {
    /// Begins the file in `folder`, which must exist.
    ///
    /// # Errors
    /// A file that is there already, whose numbers could not be had again, or cannot be made.
    pub fn begin(folder: Option<&Path>) -> Result<Self, Failure> {
        let Some(folder) = folder else { return Ok(Self { file: None }) };
        let path = folder.join(NAME);
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(file) => Ok(Self { file: Some((path, file)) }),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(Failure::usage(format!(
                    "{} exists and would be lost; choose another folder with -o DIR, or move it \
                     away",
                    path.display()
                )))
            }
            Err(error) => Err(Failure::write(&path, &error)),
        }
    }

    /// Appends a line.
    ///
    /// # Errors
    /// A full disk, mostly.
    pub fn note(&mut self, value: &Value) -> Result<(), Failure> {
        let Some((path, file)) = &mut self.file else { return Ok(()) };
        // One write a line: after a crash there is at most half of the last one.
        file.write_all(format!("{value}\n").as_bytes())
            .map_err(|error| Failure::write(path, &error))
    }
}
