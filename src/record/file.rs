//! Writing and reading record files.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;

use super::{Footer, Header, Line, Record, Row};

/// Why a record could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// A file could not be opened or read.
    #[error("{file}: {source}")]
    Io {
        /// Path.
        file: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A line could not be written; says what is safe.
    #[error("{file}: {source}; {rows} rows before it are kept")]
    Write {
        /// Path.
        file: String,
        /// What the system said.
        source: std::io::Error,
        /// Rows safely written.
        rows: u64,
    },
    /// A line is not what it should be.
    #[error("{file}, line {line}: {problem}")]
    Line {
        /// Path.
        file: String,
        /// Line number from 1.
        line: usize,
        /// What is wrong and what would do.
        problem: String,
    },
    /// Lines of another kind, such as a gate's rounds.
    #[error(
        "{file}, line 1: schema.name is not {}; give a record that `breakeven run` wrote",
        super::SCHEMA_NAME
    )]
    Foreign {
        /// Path.
        file: String,
    },
    /// Written by a later version.
    #[error(
        "{file}: written by a newer breakeven (record v{major}); this one reads v{}; update breakeven",
        super::SCHEMA_MAJOR
    )]
    Newer {
        /// Path.
        file: String,
        /// Its major version.
        major: u64,
    },
}

/// Appends lines to a record; each is flushed, so a crash loses one row at most.
pub struct Writer {
    out: Box<dyn Write>,
    name: String,
    rows: u64,
}

impl Writer {
    /// Creates the file and writes the header.
    ///
    /// # Errors
    /// [`RecordError::Io`] or [`RecordError::Write`].
    pub fn create(path: &Path, header: &Header) -> Result<Self, RecordError> {
        let name = path.display().to_string();
        let file =
            File::create(path).map_err(|source| RecordError::Io { file: name.clone(), source })?;
        Self::new(Box::new(file), &name, header)
    }

    /// Writes the header to `out`; `name` is what messages call it.
    ///
    /// # Errors
    /// [`RecordError::Write`].
    pub fn new(out: Box<dyn Write>, name: &str, header: &Header) -> Result<Self, RecordError> {
        let mut writer = Self { out, name: name.to_owned(), rows: 0 };
        writer.line(&Line::Header(Box::new(header.clone())))?;
        Ok(writer)
    }

    /// Appends a row.
    ///
    /// # Errors
    /// [`RecordError::Write`], with the number of rows that are safe.
    pub fn row(&mut self, row: &Row) -> Result<(), RecordError> {
        self.line(&Line::Row(Box::new(row.clone())))?;
        self.rows += 1;
        Ok(())
    }

    /// Rows written so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Appends the footer.
    ///
    /// # Errors
    /// [`RecordError::Write`].
    pub fn finish(mut self, footer: &Footer) -> Result<(), RecordError> {
        self.line(&Line::Footer(footer.clone()))
    }

    fn line(&mut self, line: &Line) -> Result<(), RecordError> {
        let mut text = serde_json::to_string(line).map_err(|e| self.failed(e.into()))?;
        text.push('\n');
        // One write for the whole line: a reader never sees half a line but after a crash.
        let written = self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush());
        written.map_err(|e| self.failed(e))
    }

    fn failed(&self, source: std::io::Error) -> RecordError {
        RecordError::Write { file: self.name.clone(), source, rows: self.rows }
    }
}

/// How a row's line begins as this program writes it.
const ROW_BEGINS: &str = r#"{"type":"row","#;

/// Reads a record file.
///
/// # Errors
/// [`RecordError`], with file, line and next step.
pub fn read(path: &Path) -> Result<Record, RecordError> {
    let name = path.display().to_string();
    let file = File::open(path).map_err(|source| RecordError::Io { file: name.clone(), source })?;
    parse(BufReader::new(file), &name)
}

/// Reads a record from `reader`; `name` is what messages call it.
///
/// A last line cut short (a crash, a full disk) is dropped, and the footer is then `None`.
///
/// # Errors
/// [`RecordError`], with line and next step.
pub fn parse(reader: impl BufRead, name: &str) -> Result<Record, RecordError> {
    let mut header: Option<Header> = None;
    let mut rows: Vec<Row> = Vec::new();
    let mut footer: Option<Footer> = None;
    let io = |source| RecordError::Io { file: name.to_owned(), source };
    let mut lines = reader.lines().enumerate().peekable();
    while let Some((index, text)) = lines.next() {
        let text = text.map_err(io)?;
        let at =
            |problem: String| RecordError::Line { file: name.into(), line: index + 1, problem };
        // The way of most lines, straight into a row: an enum with its tag inside would first be read into
        // a tree. What does not go that way is looked at closely.
        if index > 0
            && footer.is_none()
            && text.starts_with(ROW_BEGINS)
            && let Ok(row) = serde_json::from_str(&text)
        {
            rows.push(row);
            continue;
        }
        let value: serde_json::Value = match serde_json::from_str(&text) {
            Ok(value) => value,
            Err(_) if index > 0 && lines.peek().is_none() => break,
            Err(e) => return Err(at(format!("not a line of a breakeven record ({e})"))),
        };
        if index == 0 {
            check_schema(&value, name)?;
        }
        match serde_json::from_value(value).map_err(|e| at(e.to_string()))? {
            Line::Header(h) if index == 0 => header = Some(*h),
            Line::Row(row) if footer.is_none() => rows.push(*row),
            Line::Footer(f) if footer.is_none() => footer = Some(f),
            _ => return Err(at("a header, or a line after the footer, is out of place".into())),
        }
    }
    let header = header.ok_or_else(|| RecordError::Line {
        file: name.to_owned(),
        line: 1,
        problem: "no header; give a record that `breakeven run` wrote".to_owned(),
    })?;
    // Pushed one by one: up to half of the room is left over, which counts in thousands of records.
    rows.shrink_to_fit();
    Ok(Record { header, rows, footer })
}

/// Refuses other files and newer majors before the fields are looked at.
fn check_schema(header: &serde_json::Value, name: &str) -> Result<(), RecordError> {
    let schema = &header["schema"];
    let major = schema["major"].as_u64();
    match (schema["name"].as_str(), major) {
        (Some(super::SCHEMA_NAME), Some(major)) if major > u64::from(super::SCHEMA_MAJOR) => {
            Err(RecordError::Newer { file: name.to_owned(), major })
        }
        (Some(super::SCHEMA_NAME), Some(_)) => Ok(()),
        _ => Err(RecordError::Foreign { file: name.to_owned() }),
    }
}
