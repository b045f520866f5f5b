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
/// One block over everything: exact.
pub const WHOLE: [usize; 2] = [0, 0];

/// A block and its two sequences, made once for sequences of up to so many letters.
struct Room<const FREE: bool> {
    longest: [usize; 2],
    block: Block<false, false, false, FREE, FREE>,
    query: PaddedBytes,
    target: PaddedBytes,
}

impl<const FREE: bool> Room<FREE> {
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
    static GLOBAL: RefCell<Option<Room<false>>> = const { RefCell::new(None) };
    static FREE: RefCell<Option<Room<true>>> = const { RefCell::new(None) };
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
    let own = Arc::clone(problem);
    match problem.mode.as_str() {
        "global" => {
            let longest = [query, target];
            let score = move |pair: usize| {
                GLOBAL.with_borrow_mut(|room| {
                    let room = fit::<false, M>(room, longest, sizes[1]);
                    room.score([&own.queries[pair], &own.targets[pair]], &matrix, gaps, sizes)
                })
            };
            Ok(Box::new(Threaded::new(problem, score)?))
        }
        "semi-global" if sizes[0] < sizes[1] => bail!("it has free ends in whole blocks only"),
        "semi-global" => {
            // Its free ends are those of its query: our target.
            let longest = [target, query];
            let score = move |pair: usize| {
                FREE.with_borrow_mut(|room| {
                    let room = fit::<true, M>(room, longest, sizes[1]);
                    room.score([&own.targets[pair], &own.queries[pair]], &matrix, gaps, sizes)
                })
            };
            Ok(Box::new(Threaded::new(problem, score)?))
        }
        mode => bail!("it has no {mode} mode"),
    }
}

/// The thread's room, made anew for another problem.
fn fit<const FREE: bool, M: Matrix>(
    room: &mut Option<Room<FREE>>,
    longest: [usize; 2],
    most: usize,
) -> &mut Room<FREE> {
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
    let own = Arc::clone(problem);
    // One that is free, or a new one.
    let free: Mutex<Vec<Aligner<Letters>>> = Mutex::default();
    let score = move |pair: usize| {
        let scoring = &own.scoring;
        let taken = free.lock().expect("no thread failed").pop();
        let mut aligner = taken.unwrap_or_else(|| {
            // Its opening comes on top of the first letter's extension.
            let open = scoring.gap_extend - scoring.gap_open;
            Aligner::new(open, -scoring.gap_extend, Letters(scoring.clone()))
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
