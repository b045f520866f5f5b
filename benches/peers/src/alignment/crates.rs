//! Aligners that are Rust crates: block-aligner, and rust-bio, which uses no SIMD.

use std::cell::RefCell;
use std::sync::{Arc, Mutex};

use anyhow::{Result, bail};
use bio::alignment::pairwise::{Aligner, MatchFunc};
use block_aligner::scan_block::{Block, PaddedBytes};
use block_aligner::scores::{AAMatrix, BLOSUM62, Gaps, Matrix, NucMatrix};
use breakeven_kernels::alignment::scoring::{Alphabet, Scoring};

use super::libraries::Threaded;
use super::{Problem, Scorer};

/// The block sizes that block-aligner's documentation has for short sequences: it follows the path,
/// and may miss the best one.
pub const ADAPTIVE: [usize; 2] = [32, 256];
/// Cells that rust-bio computes in about six seconds.
const MOST_CELLS: usize = 300_000_000;
/// One block over everything: exact.
pub const WHOLE: [usize; 2] = [0, 0];

/// A block and its two sequences, made once for sequences of up to so many letters.
struct Room {
    longest: [usize; 2],
    block: Block<false, false>,
    query: PaddedBytes,
    target: PaddedBytes,
}

impl Room {
    fn new<M: Matrix>(longest: [usize; 2], most: usize) -> Self {
        let [query, target] = longest;
        Self {
            longest,
            block: Block::new(query, target, most),
            query: PaddedBytes::new::<M>(query, most),
            target: PaddedBytes::new::<M>(target, most),
        }
    }

    fn score<M: Matrix>(
        &mut self,
        [query, target]: [&[u8]; 2],
        matrix: &M,
        gaps: Gaps,
        [least, most]: [usize; 2],
    ) -> i32 {
        self.query.set_bytes::<M>(query, most);
        self.target.set_bytes::<M>(target, most);
        self.block.align(&self.query, &self.target, matrix, gaps, least..=most, 0);
        self.block.res().score
    }
}

thread_local! {
    // Blocks hold raw pointers, so each thread has its own.
    static ROOM: RefCell<Option<Room>> = const { RefCell::new(None) };
}

/// block-aligner with blocks of `sizes`, least and most.
pub fn block_aligner(problem: &Arc<Problem>, sizes: [usize; 2]) -> Result<Box<dyn Scorer>> {
    let scoring = &problem.scoring;
    let gaps =
        Gaps { open: -i8::try_from(scoring.gap_open)?, extend: -i8::try_from(scoring.gap_extend)? };
    let longest = |all: &[Vec<u8>]| all.iter().map(Vec::len).max().unwrap_or(0);
    let (query, target) = (longest(&problem.queries), longest(&problem.targets));
    let whole = (query.max(target) + 1).next_power_of_two().max(ADAPTIVE[0]);
    if sizes == WHOLE && whole > 1 << 14 {
        bail!("its blocks have up to 16,384 letters");
    }
    let sizes = if sizes == WHOLE { [whole; 2] } else { sizes };
    match scoring.alphabet {
        Alphabet::Dna => {
            let (matched, mismatch) =
                (i8::try_from(scoring.matched)?, i8::try_from(scoring.mismatch)?);
            let matrix = NucMatrix::new_simple(matched, mismatch);
            blocks(problem, matrix, gaps, sizes, [query, target])
        }
        Alphabet::Protein => {
            let matrix: AAMatrix = BLOSUM62.clone();
            blocks(problem, matrix, gaps, sizes, [query, target])
        }
    }
}

fn blocks<M: Matrix + Sync + 'static>(
    problem: &Arc<Problem>,
    matrix: M,
    gaps: Gaps,
    sizes: [usize; 2],
    [query, target]: [usize; 2],
) -> Result<Box<dyn Scorer>> {
    if problem.mode != "global" {
        bail!("it has no {} mode of our kind", problem.mode);
    }
    let own = Arc::clone(problem);
    let longest = [query, target];
    let score = move |pair: usize| {
        ROOM.with_borrow_mut(|room| {
            let room = fit::<M>(room, longest, sizes[1]);
            room.score([&own.queries[pair], &own.targets[pair]], &matrix, gaps, sizes)
        })
    };
    Ok(Box::new(Threaded::new(problem, score)?))
}

/// The thread's room, made anew for another problem.
fn fit<M: Matrix>(room: &mut Option<Room>, longest: [usize; 2], most: usize) -> &mut Room {
    if room.as_ref().is_none_or(|room| room.longest != longest) {
        *room = None;
    }
    room.get_or_insert_with(|| Room::new::<M>(longest, most))
}

/// A scoring that rust-bio can ask.
struct Letters(Scoring);

impl MatchFunc for Letters {
    fn score(&self, query: u8, target: u8) -> i32 {
        let code = |letter| self.0.alphabet.encode(letter).unwrap_or(0);
        self.0.score(code(query), code(target))
    }
}

/// rust-bio: the textbook in plain Rust, with traceback.
pub fn rust_bio(problem: &Arc<Problem>) -> Result<Box<dyn Scorer>> {
    let pairs = problem.queries.iter().zip(&problem.targets);
    let cells: usize = pairs.map(|(query, target)| query.len() * target.len()).sum();
    if cells > MOST_CELLS {
        bail!("a run of {cells} cells would take it many seconds");
    }
    let own = Arc::clone(problem);
    // One that is free, or a new one.
    let free: Mutex<Vec<Aligner<Letters>>> = Mutex::default();
    let score = move |pair: usize| {
        let scoring = &own.scoring;
        let taken = free.lock().expect("no thread failed").pop();
        let mut aligner = taken.unwrap_or_else(|| {
            Aligner::new(-scoring.gap_open, -scoring.gap_extend, Letters(scoring.clone()))
        });
        let (query, target) = (&own.queries[pair], &own.targets[pair]);
        let found = match own.mode.as_str() {
            "local" => aligner.local(query, target),
            "global" => aligner.global(query, target),
            _ => aligner.semiglobal(query, target),
        };
        free.lock().expect("no thread failed").push(aligner);
        found.score
    };
    Ok(Box::new(Threaded::new(problem, score)?))
}
