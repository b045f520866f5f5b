//! How a command ends: the documented exit codes and the one message of a failure.

use std::io;
use std::path::Path;

/// Done.
pub const DONE: u8 = 0;
/// An internal error or an I/O failure such as a full disk.
pub const INTERNAL: u8 = 1;
/// Wrong usage or configuration, or a device that is not there.
pub const USAGE: u8 = 2;
/// `--expect` was not met, or an implementation computed a wrong answer.
pub const EXPECTATION: u8 = 3;
/// Nothing could be compared: no rows, no device.
pub const INCOMPARABLE: u8 = 4;
/// Not settled, where `--fail-on inconclusive` wants to know.
pub const INCONCLUSIVE: u8 = 5;
/// Stopped by Ctrl-C; what was measured is on disk in a valid record marked incomplete.
pub const INTERRUPTED: u8 = 130;

/// Why a command stopped.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    /// Exit code.
    pub code: u8,
    /// One lower-case message that names the thing, the value and the next step. `None` where
    /// there is nobody left to tell (the reader of our output went away).
    pub message: Option<String>,
}

/// What a command returns: an exit code, or why it stopped.
pub type Outcome = Result<u8, Failure>;

impl Failure {
    /// Wrong usage or configuration.
    pub fn usage(message: impl Into<String>) -> Self {
        Self { code: USAGE, message: Some(message.into()) }
    }

    /// An internal error or an I/O failure.
    pub fn internal(message: impl Into<String>) -> Self {
        Self { code: INTERNAL, message: Some(message.into()) }
    }

    /// Nothing to compare.
    pub fn incomparable(message: impl Into<String>) -> Self {
        Self { code: INCOMPARABLE, message: Some(message.into()) }
    }

    /// An expectation that was not met.
    pub fn expectation(message: impl Into<String>) -> Self {
        Self { code: EXPECTATION, message: Some(message.into()) }
    }

    /// A file or folder that could not be written.
    pub fn write(path: &Path, error: &io::Error) -> Self {
        let next = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                "free some space or choose another folder with -o DIR"
            }
            _ => "choose a folder that you may write to with -o DIR",
        };
        Self::internal(format!("cannot write {}: {error}; {next}", path.display()))
    }

    /// Standard output that could not be written. A reader that went away (`| head`) is no error.
    pub fn stdout(error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self { code: DONE, message: None };
        }
        Self::internal(format!("cannot write to standard output: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_went_away_is_not_an_error() {
        let failure = Failure::stdout(&io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!((failure.code, failure.message), (DONE, None));
    }

    #[test]
    fn a_full_disk_names_the_file_and_the_next_step() {
        let error = io::Error::from(io::ErrorKind::StorageFull);
        let failure = Failure::write(Path::new("out/record.jsonl"), &error);
        assert_eq!(failure.code, INTERNAL);
        let message = failure.message.unwrap_or_default();
        assert!(message.starts_with("cannot write out/record.jsonl: "), "{message}");
        assert!(message.contains("free some space"), "{message}");
    }
}
