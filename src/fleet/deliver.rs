//! How a record leaves a pod: to the object store, else through the pod's log; and the few words
//! with which a pod ends, which the cluster keeps with its status.
//!
//! In the log a record is packed (deflate, then base64) into numbered lines between other lines, so
//! that what is missing is seen; its SHA-256 is in the pod's last words, which come another way.

use std::io::{Read, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Where Kubernetes reads a container's last words.
pub const LAST_WORDS_FILE: &str = "/dev/termination-log";
/// Most of them that Kubernetes keeps, in bytes.
const LAST_WORDS_BYTES: usize = 4096;
/// Begins each line of a record in a log.
const MARK: &str = "breakeven-record";
/// Bytes of base64 on a line: container runtimes cut lines at 16 KiB.
const LINE_BYTES: usize = 4096;
/// A record of more bytes than this is none: what a log says must not fill the memory.
const MOST_BYTES: u64 = 1 << 30;

/// The way that a record took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// It lies in the object store.
    Store,
    /// It stands in the pod's log.
    Log,
}

/// What a pod says when it ends.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LastWords {
    /// Version of breakeven.
    pub breakeven: String,
    /// The way that the record took; `None` where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub way: Option<Way>,
    /// SHA-256 of the record, in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Rows of the record.
    #[serde(default)]
    pub rows: u64,
    /// Why there is no record, or what is wrong with the one that there is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl LastWords {
    /// As JSON that Kubernetes keeps whole: a long error is cut.
    pub fn told(&self) -> String {
        let mut words = self.clone();
        if let Some(error) = &mut words.error {
            // JSON may write a character in six bytes.
            let most = (LAST_WORDS_BYTES - 512) / 6;
            if let Some((at, _)) = error.char_indices().nth(most) {
                error.truncate(at);
                error.push('…');
            }
        }
        serde_json::to_string(&words).unwrap_or_default()
    }

    /// Read from what a container left; `None` where they are not such words.
    pub fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text.trim()).ok()
    }
}

/// SHA-256 in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `record` as lines for a log.
pub fn to_log(record: &[u8]) -> String {
    let mut packer = DeflateEncoder::new(Vec::new(), Compression::default());
    // Writing to memory does not fail.
    let packed = packer.write_all(record).and_then(|()| packer.finish()).unwrap_or_default();
    let text = STANDARD.encode(packed);
    let lines: Vec<&[u8]> = text.as_bytes().chunks(LINE_BYTES).collect();
    let mut log = String::with_capacity(text.len() + 64 * lines.len());
    for (index, line) in lines.iter().enumerate() {
        // Base64 is ASCII.
        let line = std::str::from_utf8(line).unwrap_or_default();
        log += &format!("{MARK} {} {} {line}\n", index + 1, lines.len());
    }
    log
}

/// The record in `log`, whatever else stands there. Of several the last counts: a container that
/// was started anew wrote again.
///
/// # Errors
/// What is missing or broken, in words.
pub fn from_log(log: &str, sha256_wanted: &str) -> Result<Vec<u8>, String> {
    let mut parts: Vec<&str> = Vec::new();
    let mut of = 0;
    for line in log.lines() {
        let Some(rest) = line.strip_prefix(MARK) else { continue };
        let mut words = rest.split_whitespace();
        let numbers = [words.next(), words.next()].map(|w| w.and_then(|w| w.parse().ok()));
        let ([Some(index), Some(total)], Some(text)) = (numbers, words.next()) else {
            return Err("a line of the record in the pod's log is cut".into());
        };
        if index == 1 {
            parts.clear();
            of = total;
        }
        if total != of || index != parts.len() + 1 {
            return Err(format!(
                "line {index} of {total} of the record in the pod's log is out of place"
            ));
        }
        parts.push(text);
    }
    if of == 0 {
        return Err("the pod's log holds no record".into());
    }
    if parts.len() < of {
        return Err(format!("the pod's log holds {} of the record's {of} lines", parts.len()));
    }
    let packed = STANDARD
        .decode(parts.concat())
        .map_err(|error| format!("the record in the pod's log is no base64 ({error})"))?;
    let mut record = Vec::new();
    DeflateDecoder::new(packed.as_slice())
        .take(MOST_BYTES)
        .read_to_end(&mut record)
        .map_err(|error| format!("the record in the pod's log cannot be unpacked ({error})"))?;
    let found = sha256(&record);
    if found != sha256_wanted {
        return Err(format!(
            "the record in the pod's log has checksum {found}, and the pod said {sha256_wanted}"
        ));
    }
    Ok(record)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_record_survives_a_log_with_other_lines(
            record in proptest::collection::vec(any::<u8>(), 0..20_000),
            noise in "[ -~]{0,40}",
        ) {
            let lines = to_log(&record);
            let log: String = lines.lines().map(|l| format!("x{noise}\n{l}\n")).collect();
            prop_assert_eq!(from_log(&log, &sha256(&record)), Ok(record.clone()));
            // Written twice, by a container that was started anew.
            prop_assert_eq!(from_log(&(log.clone() + &log), &sha256(&record)), Ok(record));
        }
    }

    #[test]
    fn what_a_log_lost_is_told() {
        let record: Vec<u8> =
            (0..30_000u32).flat_map(|n| (n.wrapping_mul(2_654_435_761)).to_le_bytes()).collect();
        let (log, sum) = (to_log(&record), sha256(&record));
        let lines: Vec<&str> = log.lines().collect();
        assert!(lines.len() > 3 && lines.iter().all(|line| line.len() < 16 << 10));
        let of = |lines: &[&str]| from_log(&lines.join("\n"), &sum).expect_err("a broken log");
        assert_eq!(of(&[]), "the pod's log holds no record");
        assert!(of(&lines[..2]).starts_with("the pod's log holds 2 of the record's "));
        assert!(of(&lines[1..]).contains("out of place"), "{}", of(&lines[1..]));
        assert!(from_log(&log, "00").expect_err("another sum").contains("has checksum"));
    }

    #[test]
    fn last_words_fit_and_come_back() {
        let words = LastWords { error: Some("\u{1}\"".repeat(9000)), ..LastWords::default() };
        let told = words.told();
        assert!(told.len() <= LAST_WORDS_BYTES, "{}", told.len());
        assert!(LastWords::read(&told).is_some_and(|w| w.error.is_some_and(|e| e.ends_with('…'))));
        assert_eq!(LastWords::read("panicked at"), None);
    }
}
