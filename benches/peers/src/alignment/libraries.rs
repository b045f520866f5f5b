//! parasail and SSW, opened where they are installed; their pairs over rayon's threads.
#![expect(unsafe_code, reason = "C libraries")]

use std::ffi::{CString, c_char, c_int, c_void};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use breakeven_kernels::alignment::scoring::Alphabet;
use libloading::Library;
use rayon::prelude::*;

use super::{Problem, Scorer};

/// A function over pair numbers, run by threads of its own.
pub(super) struct Threaded<F: Fn(usize) -> i32 + Sync> {
    score: F,
    pool: rayon::ThreadPool,
    scores: Vec<i32>,
}

impl<F: Fn(usize) -> i32 + Sync> Threaded<F> {
    /// `score` on as many threads as the problem has.
    pub(super) fn new(problem: &Problem, score: F) -> Result<Self> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(problem.threads).build()?;
        Ok(Self { score, pool, scores: vec![0; problem.queries.len()] })
    }
}

impl<F: Fn(usize) -> i32 + Sync> Scorer for Threaded<F> {
    fn scores(&mut self) -> Result<Vec<i32>> {
        Ok(self.scores.clone())
    }

    fn run(&mut self, times: u32) -> Result<f64> {
        let start = Instant::now();
        for _ in 0..times {
            let (score, scores) = (&self.score, &mut self.scores);
            self.pool.install(|| {
                scores.par_iter_mut().enumerate().for_each(|(pair, to)| *to = score(pair));
            });
        }
        Ok(start.elapsed().as_secs_f64())
    }
}

/// The letter N in parasail's matrix.
const N: c_int = 4;

/// A C pointer that any thread may read.
#[derive(Clone, Copy)]
struct Shared(*const c_void);
// SAFETY: profiles and matrices are only read after they were made; both libraries document that
// alignments may share them.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Shared {
    fn get(self) -> *const c_void {
        self.0
    }
}

fn open(name: &str) -> Result<Library> {
    // SAFETY: the libraries' initialisers only look at the processor.
    unsafe { Library::new(name) }.context("not installed; run benches/peers/install.sh")
}

/// A function of `library`.
///
/// # Safety
/// `F` is the function's type in C.
unsafe fn function<F: Copy>(library: &Library, name: &str) -> Result<F> {
    // SAFETY: the caller's.
    let symbol = unsafe { library.get::<F>(name) };
    Ok(*symbol.with_context(|| format!("it has no {name}"))?)
}

type ProfileCreate = unsafe extern "C" fn(*const c_char, c_int, *const c_void) -> *const c_void;
type WithProfile =
    unsafe extern "C" fn(*const c_void, *const c_char, c_int, c_int, c_int) -> *mut c_void;

/// How parasail lays a query over lanes. `striped` is the faster in most cases, but wrong where a gap's
/// first residue costs no more than the others (2.6 and 1.3.4 for Python: its other kernels differ).
pub const STRIPED: &str = "striped";
/// The other way.
#[cfg(test)]
pub const SCAN: &str = "scan";

/// parasail's `kernel`, 8 bits and 16 where those overflow. A query's profile is made once where the
/// query meets many targets, and else in the timing.
pub fn parasail(problem: &Arc<Problem>, kernel: &str) -> Result<Box<dyn Scorer>> {
    let library = open("libparasail.so.8")?;
    let kind = match problem.mode.as_str() {
        "local" => "sw",
        "global" => "nw",
        _ => "sg_dx",
    };
    let scoring = &problem.scoring;
    let alphabet = CString::new("ACGTN")?;
    let blosum = CString::new("blosum62")?;
    // SAFETY: the signatures are those of parasail.h 2.6.
    let (matrix, create, align, score_of, free_result, free_profile) = unsafe {
        let matrix = match scoring.alphabet {
            Alphabet::Dna => {
                type Create = unsafe extern "C" fn(*const c_char, c_int, c_int) -> *const c_void;
                type Set = unsafe extern "C" fn(*const c_void, c_int, c_int, c_int);
                let create: Create = function(&library, "parasail_matrix_create")?;
                let set: Set = function(&library, "parasail_matrix_set_value")?;
                let matrix = create(alphabet.as_ptr(), scoring.matched, scoring.mismatch);
                // N matches nothing, not even N.
                set(matrix, N, N, scoring.mismatch);
                matrix
            }
            Alphabet::Protein => {
                type Lookup = unsafe extern "C" fn(*const c_char) -> *const c_void;
                let lookup: Lookup = function(&library, "parasail_matrix_lookup")?;
                lookup(blosum.as_ptr())
            }
        };
        let create: ProfileCreate = function(&library, "parasail_profile_create_sat")?;
        let align: WithProfile =
            function(&library, &format!("parasail_{kind}_{kernel}_profile_sat"))?;
        type ScoreOf = unsafe extern "C" fn(*const c_void) -> c_int;
        let score_of: ScoreOf = function(&library, "parasail_result_get_score")?;
        type Free = unsafe extern "C" fn(*mut c_void);
        let free_result: Free = function(&library, "parasail_result_free")?;
        let free_profile: Free = function(&library, "parasail_profile_free")?;
        (Shared(matrix), create, align, score_of, free_result, free_profile)
    };
    let profile = move |query: &[u8]| {
        // SAFETY: the query is as long as said and outlives the profile.
        Shared(unsafe { create(query.as_ptr().cast(), query.len() as c_int, matrix.get()) })
    };
    let made: Option<Vec<Shared>> = problem
        .searches
        .map(|queries| problem.queries[..queries].iter().map(|query| profile(query)).collect());
    let problem = Arc::clone(problem);
    let (gap_open, gap_extend) = (problem.scoring.gap_open, problem.scoring.gap_extend);
    let score = {
        let problem = Arc::clone(&problem);
        move |pair: usize| {
            // Whatever was opened stays open.
            let _ = &library;
            let target = &problem.targets[pair];
            let ready = made.as_ref().map(|made| made[pair % made.len()]);
            let profile = ready.unwrap_or_else(|| profile(&problem.queries[pair]));
            // SAFETY: profile and target are alive; result and profile are freed once.
            unsafe {
                let letters = target.as_ptr().cast();
                let result =
                    align(profile.get(), letters, target.len() as c_int, gap_open, gap_extend);
                let score = score_of(result);
                free_result(result);
                if ready.is_none() {
                    free_profile(profile.get().cast_mut());
                }
                score
            }
        }
    };
    Ok(Box::new(Threaded::new(&problem, score)?))
}

type SswInit = unsafe extern "C" fn(*const i8, i32, *const i8, i32, i8) -> *mut c_void;
type SswAlign =
    unsafe extern "C" fn(*const c_void, *const i8, i32, u8, u8, u8, u16, i32, i32) -> *mut u16;
type SswFree<T> = unsafe extern "C" fn(*mut T);

/// SSW: local alignment, 8 bits and 16 where those overflow.
pub fn ssw(problem: &Arc<Problem>) -> Result<Box<dyn Scorer>> {
    if problem.mode != "local" {
        bail!("it has no {} mode", problem.mode);
    }
    let library = open("libssw.so.0")?;
    // SAFETY: the signatures are those of ssw.h 1.1.
    let (init, align, free_profile, free_result) = unsafe {
        let init: SswInit = function(&library, "ssw_init")?;
        let align: SswAlign = function(&library, "ssw_align")?;
        let free_profile: SswFree<c_void> = function(&library, "init_destroy")?;
        let free_result: SswFree<u16> = function(&library, "align_destroy")?;
        (init, align, free_profile, free_result)
    };
    let scoring = &problem.scoring;
    let size = problem.letters.len() as u8;
    let matrix: Vec<i8> =
        (0..size).flat_map(|q| (0..size).map(move |t| scoring.score(q, t) as i8)).collect();
    let codes = |sequences: &[Vec<u8>]| -> Vec<Vec<i8>> {
        let code = |&letter: &u8| scoring.alphabet.encode(letter).map_or(0, |code| code as i8);
        sequences.iter().map(|letters| letters.iter().map(code).collect()).collect()
    };
    let (queries, targets) = (codes(&problem.queries), codes(&problem.targets));
    let gaps = (u8::try_from(scoring.gap_open)?, u8::try_from(scoring.gap_extend)?);
    let score = move |pair: usize| {
        let _ = &library;
        let (query, target) = (&queries[pair], &targets[pair]);
        // As SSW's own program does; at least 15, under which it complains.
        let mask = (query.len() as i32 / 2).max(15);
        // SAFETY: codes and matrix are alive and as long as said; score1 is the result's first field;
        // profile and result are freed once.
        unsafe {
            let profile = init(query.as_ptr(), query.len() as i32, matrix.as_ptr(), size.into(), 2);
            let result =
                align(profile, target.as_ptr(), target.len() as i32, gaps.0, gaps.1, 0, 0, 0, mask);
            let score = i32::from(*result);
            free_result(result);
            free_profile(profile);
            score
        }
    };
    Ok(Box::new(Threaded::new(problem, score)?))
}
