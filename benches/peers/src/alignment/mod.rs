//! Aligners that score pairs, as sessions beside our own.
//!
//! Most give scores alone; ours gives scores and ends, and is timed so.

mod crates;
mod libraries;
mod python;
#[cfg(test)]
mod tests;

use std::io::{self, Write};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use breakeven::backend::{BackendError, Mode, OneOff, Session, Timing};
use breakeven_kernels::alignment::scoring::{Alphabet, Scoring};
use breakeven_kernels::work::{Input, Keep};

/// Bytes of one of our results: score and two ends.
const RESULT_BYTES: usize = 12;

/// What is scored, and how.
pub struct Problem {
    /// `local`, `global` or `semi-global`.
    mode: String,
    scoring: Scoring,
    /// The letters of the alphabet, in the order of their codes.
    letters: Vec<u8>,
    /// Queries and targets of all pairs, as letters.
    queries: Vec<Vec<u8>>,
    targets: Vec<Vec<u8>>,
    /// Queries that meet every target, if pairs are all of them with all targets, by target.
    searches: Option<usize>,
    threads: usize,
}

impl Problem {
    /// The problem of `case_key` with the pairs of `input`.
    fn read(
        case_key: &str,
        input: &dyn Input,
        outputs: &[Vec<u8>],
        threads: usize,
    ) -> Result<Self> {
        let word = |name: &str| {
            case_key.split(' ').find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
        };
        let number = |name: &str| -> Result<i32> {
            let text = word(name).with_context(|| format!("no {name} in {case_key}"))?;
            text.parse().with_context(|| format!("{name}={text}"))
        };
        let gaps = (number("gap_open")?, number("gap_extend")?);
        let scoring = match word("alphabet") {
            Some("dna") => Scoring::dna(number("match")?, number("mismatch")?, gaps.0, gaps.1),
            _ if word("matrix") == Some("blosum62") => Scoring::blosum62(gaps.0, gaps.1),
            _ => bail!("the peers know no other matrix than blosum62"),
        };
        let count = if scoring.alphabet == Alphabet::Dna { 5 } else { 24 };
        let letters = (0..count).map(|code| scoring.alphabet.decode(code)).collect();
        let mut kept = Kept::default();
        input.keep(outputs, &mut kept)?;
        let (queries, targets) =
            (kept.sequences("queries.fasta")?, kept.sequences("targets.fasta")?);
        let searches = match word("distinct_queries").map(str::parse::<usize>).transpose()? {
            Some(distinct) if queries.len() % distinct == 0 => Some(distinct),
            _ => None,
        };
        let mode = word("mode").context("a mode")?.to_owned();
        Ok(Self { mode, scoring, letters, queries, targets, searches, threads })
    }
}

/// What a case keeps, in memory.
#[derive(Default)]
struct Kept(Vec<(String, Vec<u8>)>);

impl Keep for Kept {
    fn create(&mut self, name: &str) -> io::Result<Box<dyn Write + '_>> {
        self.0.push((name.to_owned(), Vec::new()));
        Ok(Box::new(&mut self.0.last_mut().expect("it was pushed").1))
    }
}

impl Kept {
    fn sequences(&self, name: &str) -> Result<Vec<Vec<u8>>> {
        let (_, bytes) = self.0.iter().find(|(n, _)| n == name).context("sequences were kept")?;
        Ok(bytes
            .split(|&byte| byte == b'\n')
            .filter(|line| line.first() != Some(&b'>'))
            .map(<[u8]>::to_vec)
            .take(bytes.iter().filter(|&&byte| byte == b'>').count())
            .collect())
    }
}

/// Scores all pairs of its problem.
trait Scorer {
    /// Scores of the last run, by pair.
    fn scores(&mut self) -> Result<Vec<i32>>;
    /// Scores everything `times` times; seconds.
    fn run(&mut self, times: u32) -> Result<f64>;
}

/// A peer by name, or why it cannot do this case.
type Opened = (&'static str, Result<Box<dyn Scorer>>);

/// Every peer on this case, and the scores that it must give; peers that cannot do it are told.
///
/// # Errors
/// A case that is not what its family says.
pub fn sessions(
    case_key: &str,
    input: &dyn Input,
    outputs: &[Vec<u8>],
    threads: u32,
) -> Result<Vec<(&'static str, ScoreSession)>> {
    if !case_key.starts_with("alignment ") {
        return Ok(Vec::new());
    }
    let problem = std::sync::Arc::new(Problem::read(case_key, input, outputs, threads as usize)?);
    let opened: Vec<Opened> = vec![
        ("parasail", libraries::parasail(&problem, libraries::STRIPED)),
        ("SSW", libraries::ssw(&problem)),
        ("StringZilla", python::open(&problem, "stringzilla")),
        ("opal", python::open(&problem, "opal")),
        ("block-aligner", crates::block_aligner(&problem, crates::WHOLE)),
        ("block-aligner, adaptive", crates::block_aligner(&problem, crates::ADAPTIVE)),
        ("rust-bio", crates::rust_bio(&problem)),
    ];
    let mut sessions = Vec::new();
    for (name, scorer) in opened {
        match scorer {
            Ok(scorer) => {
                sessions.push((name, ScoreSession { scorer, one_off: OneOff::default() }))
            }
            Err(why) => eprintln!("  not compared: {name}: {why:#}"),
        }
    }
    Ok(sessions)
}

/// Runs a peer and holds its scores to ours.
///
/// # Errors
/// The first pair that differs.
pub fn checked(peer: &mut dyn Session, ours: &[Vec<u8>]) -> Result<()> {
    peer.reset()?;
    peer.run(Mode::KernelWarm, 1)?;
    let ([ours], [scores]) = (ours, &peer.outputs()?[..]) else { bail!("not one output") };
    let expected = ours.chunks_exact(RESULT_BYTES);
    if scores.len() != 4 * expected.len() {
        bail!("{} bytes of scores for {} pairs", scores.len(), expected.len());
    }
    let number = |bytes: &[u8]| i32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    for (pair, (found, ours)) in scores.chunks_exact(4).zip(expected).enumerate() {
        if number(found) != number(ours) {
            bail!("pair {pair} scores {}, ours {}", number(found), number(ours));
        }
    }
    Ok(())
}

/// An aligner on one problem.
pub struct ScoreSession {
    scorer: Box<dyn Scorer>,
    one_off: OneOff,
}

impl Session for ScoreSession {
    fn reset(&mut self) -> Result<(), BackendError> {
        Ok(())
    }

    fn run(&mut self, _mode: Mode, iterations: u32) -> Result<Timing, BackendError> {
        let start = Instant::now();
        let total_s =
            self.scorer.run(iterations).map_err(|why| BackendError::Run(format!("{why:#}")))?;
        let wall_s = start.elapsed().as_secs_f64();
        Ok(Timing { total_s, wall_s, depth: 1, ..Timing::default() })
    }

    /// Scores alone, as i32.
    fn outputs(&mut self) -> Result<Vec<Vec<u8>>, BackendError> {
        let scores = self.scorer.scores().map_err(|why| BackendError::Run(format!("{why:#}")))?;
        Ok(vec![scores.into_iter().flat_map(i32::to_le_bytes).collect()])
    }

    fn modes(&self) -> &'static [Mode] {
        &[Mode::KernelWarm]
    }

    fn one_off(&self) -> &OneOff {
        &self.one_off
    }

    fn launches(&self) -> u32 {
        0
    }
}
