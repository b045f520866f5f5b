//! Emptying the caches of what the last execution left there.

use rayon::prelude::*;

/// Where the cache's size is unknown: twice the last level of most servers' sockets.
const DEFAULT_BYTES: u64 = 128 << 20;
/// Caches beyond this (1 GiB on some parts) are flushed in part only, to bound memory.
const MAX_BYTES: u64 = 512 << 20;

/// A buffer of twice the last-level cache; made at the first flush.
pub(super) struct Flush {
    bytes: usize,
    buffer: Vec<u8>,
    pattern: u8,
}

impl Flush {
    /// For a last-level cache of `cache_bytes`.
    pub(super) fn new(cache_bytes: Option<u64>) -> Self {
        let bytes = cache_bytes.map_or(DEFAULT_BYTES, |cache| (2 * cache).min(MAX_BYTES));
        Self { bytes: bytes as usize, buffer: Vec::new(), pattern: 0 }
    }

    /// Writes the whole buffer, each thread of the pool it runs in a share, so that private caches
    /// are emptied as well.
    pub(super) fn run(&mut self) {
        // Chunks small enough that the C library does not bypass the caches with them.
        const CHUNK: usize = 256 << 10;
        self.buffer.resize(self.bytes, 0);
        self.pattern = self.pattern.wrapping_add(1);
        let pattern = self.pattern;
        self.buffer.par_chunks_mut(CHUNK).for_each(|chunk| chunk.fill(pattern));
    }
}
