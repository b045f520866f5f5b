//! Large copies in host memory, in pieces, by several threads.
//!
//! One thread copies some 5 to 10 GB/s, a fifth of what a link to a GPU carries: with a single one,
//! filling and emptying page-locked memory would take longer than the transfers themselves. Small
//! pieces also let a transfer begin while the next piece is still being copied.

use std::sync::OnceLock;
use std::sync::mpsc;
use std::thread::available_parallelism;

use rayon::{ThreadPool, ThreadPoolBuilder};

/// Bytes of a piece: some 20 µs on a link, 0.1 ms for a thread, so that handing it out costs little.
/// What is no longer than this is copied by the calling thread alone.
pub(super) const PIECE: usize = 1 << 20;
/// Threads at most: where each has a share of the memory's bandwidth, more of them add nothing.
const MOST_THREADS: usize = 8;

/// Written over memory for results, so that a stale one cannot pass for the next.
pub(super) const POISON_BYTE: u8 = 0xa5;

/// The threads that copy, started on first use; `None` where there would be one only.
///
/// They are not rayon's global ones: those are as many as there are CPUs.
pub(super) fn threads() -> Option<&'static ThreadPool> {
    static POOL: OnceLock<Option<ThreadPool>> = OnceLock::new();
    let start = || {
        let threads = available_parallelism().map_or(1, usize::from).min(MOST_THREADS);
        let named = ThreadPoolBuilder::new().num_threads(threads).thread_name(|_| "copy".into());
        // Without them the calling thread copies.
        if threads > 1 { named.build().ok() } else { None }
    };
    POOL.get_or_init(start).as_ref()
}

/// Does `work` with each of `pieces`, several at a time and in any order. The pieces are taken, and
/// what comes of them is handed to `done`, by the calling thread: so the former may wait for a
/// transfer to arrive, and the latter start one.
pub(super) fn each<P: Send, R: Send>(
    pieces: impl Iterator<Item = P>,
    work: impl Fn(P) -> R + Sync,
    mut done: impl FnMut(R),
) {
    let alone = pieces.size_hint().1.is_some_and(|most| most < 2);
    let Some(threads) = threads_unless(alone) else {
        return pieces.for_each(|piece| done(work(piece)));
    };
    let work = &work;
    threads.in_place_scope(|scope| {
        let (finished, results) = mpsc::channel();
        for piece in pieces {
            let finished = finished.clone();
            scope.spawn(move |_| {
                // The receiver lives until the scope ends.
                let _ = finished.send(work(piece));
            });
            results.try_iter().for_each(&mut done);
        }
        drop(finished);
        results.iter().for_each(&mut done);
    });
}

fn threads_unless(alone: bool) -> Option<&'static ThreadPool> {
    if alone { None } else { threads() }
}

/// Copies `from` to the start of `to`.
pub(super) fn copy(from: &[u8], to: &mut [u8]) {
    let pieces: Vec<_> = from.chunks(PIECE).zip(to[..from.len()].chunks_mut(PIECE)).collect();
    each(pieces.into_iter(), |(from, to)| to.copy_from_slice(from), |()| ());
}

/// Makes `data` as long as said, for contents that are about to be written: what it holds already
/// stays, and new memory is the system's zeros, touched first by whoever writes it.
pub(super) fn sized(data: &mut Vec<u8>, bytes: usize) {
    if data.capacity() < bytes {
        *data = vec![0; bytes];
    } else {
        data.resize(bytes, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_arrive_whatever_their_length() {
        for bytes in [0, 1, PIECE - 1, PIECE, PIECE + 1, 5 * PIECE + 7] {
            let from: Vec<u8> = (0..bytes).map(|i| (i % 251) as u8).collect();
            let mut to = vec![0xee; bytes + 3];
            copy(&from, &mut to);
            assert!(to[..bytes] == from && to[bytes..] == [0xee; 3], "{bytes}");
        }
    }

    #[test]
    fn every_piece_is_handed_back_to_the_calling_thread() {
        let caller = std::thread::current().id();
        for count in [0, 1, 100] {
            let mut seen = Vec::new();
            each(
                0..count,
                |piece| piece * 2,
                |twice| {
                    assert_eq!(std::thread::current().id(), caller);
                    seen.push(twice);
                },
            );
            seen.sort();
            assert_eq!(seen, (0..count).map(|piece| piece * 2).collect::<Vec<_>>());
        }
    }

    #[test]
    fn memory_that_is_there_is_kept() {
        let mut data = vec![7u8; 100];
        let start = data.as_ptr();
        sized(&mut data, 60);
        sized(&mut data, 100);
        assert_eq!((data.as_ptr(), data.len(), data[59]), (start, 100, 7));
        sized(&mut data, 1000);
        assert_eq!(data.len(), 1000);
    }
}
