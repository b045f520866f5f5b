//! What a process writes: read as it comes, so that memory stays bounded whatever its size.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use sha2::{Digest, Sha256};

/// Bytes read at once.
const CHUNK: usize = 64 << 10;
/// Between two looks at whether the process has ended while its pipe is silent.
const LOOK: Duration = Duration::from_millis(20);
/// Bytes still read after the process has ended: what a pipe can hold. More comes only from a
/// process that left the group, and has no end.
const LEFT_OVER: u64 = 2 << 20;
/// Bytes of standard error that are kept: the last ones.
const TAIL: usize = 4 << 10;
/// Lines of standard error shown in a message.
const TAIL_LINES: usize = 5;
/// Characters of it shown.
const TAIL_CHARS: usize = 600;

/// Digest and length of an output.
pub(super) type Digested = ([u8; 32], u64);

/// Reads `pipe` until its end, or until `ended` is set and it is silent.
pub(super) fn drain(
    mut pipe: impl Read + AsFd,
    ended: &AtomicBool,
    mut take: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK];
    let look = Timespec { tv_sec: 0, tv_nsec: LOOK.subsec_nanos().into() };
    let mut after_end = 0;
    loop {
        // Asked before the poll: silence counts only after the end.
        let over = ended.load(Ordering::SeqCst);
        let ready = {
            let mut fds = [PollFd::new(&pipe, PollFlags::IN)];
            rustix::io::retry_on_intr(|| poll(&mut fds, Some(&look)))?
        };
        if ready == 0 {
            if over {
                return Ok(());
            }
            continue;
        }
        let length = match pipe.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        take(&buffer[..length])?;
        if over {
            after_end += length as u64;
            if after_end > LEFT_OVER {
                return Ok(());
            }
        }
    }
}

/// A digest that grows, and a file that takes the same bytes.
pub(super) struct Digesting {
    hash: Sha256,
    bytes: u64,
    /// Where the bytes go as well.
    spool: Option<File>,
}

impl Digesting {
    /// Nothing yet.
    pub fn new(spool: Option<File>) -> Self {
        Self { hash: Sha256::new(), bytes: 0, spool }
    }

    /// Adds bytes.
    pub fn take(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
        match &mut self.spool {
            Some(file) => file.write_all(bytes),
            None => Ok(()),
        }
    }

    /// The digest of all bytes.
    pub fn finish(self) -> Digested {
        (self.hash.finalize().into(), self.bytes)
    }
}

/// Digest and length of a file.
pub(super) fn digest(file: &mut File) -> io::Result<Digested> {
    let mut digesting = Digesting::new(None);
    let mut buffer = vec![0; CHUNK];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(digesting.finish()),
            Ok(length) => digesting.take(&buffer[..length])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// The last bytes of a stream.
#[derive(Debug, Default)]
pub(super) struct Tail {
    bytes: Vec<u8>,
}

impl Tail {
    /// Adds bytes, and forgets all but the last.
    pub fn take(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(&bytes[bytes.len().saturating_sub(TAIL)..]);
        let excess = self.bytes.len().saturating_sub(TAIL);
        self.bytes.drain(..excess);
    }

    /// The last lines on one line, fit for a message: no control characters, no broken text.
    pub fn words(&self) -> String {
        let text = String::from_utf8_lossy(&self.bytes);
        let lines: Vec<&str> = text.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
        let last = lines[lines.len().saturating_sub(TAIL_LINES)..].join(" / ");
        let plain = last.chars().map(|c| if c.is_control() { ' ' } else { c });
        let skip = last.chars().count().saturating_sub(TAIL_CHARS);
        plain.skip(skip).collect()
    }
}
