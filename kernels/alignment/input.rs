//! Concrete pairs: programs that align them, the check and what is kept.

use std::io::{self, Write};
use std::sync::{Arc, OnceLock};

use super::FAMILY;
use super::case::Totals;
use super::cpu::SimdProgram;
use super::gpu;
use super::path::lines;
use super::reference::{Alignment, align_all, trace_all};
use super::scoring::{Mode, Scoring};
use super::sequences::{Pairs, Sequences};
use super::stream::{table_header, table_rows};
use crate::work::{
    Check, DeviceInfo, Implementation, Input, Keep, Language, Mismatch, Program, Tuning,
    Unsupported, Work,
};

/// Bytes of one result: score, query end, target end as little-endian i32.
pub(super) const RESULT_BYTES: usize = 12;

/// Pairs with mode and scoring, and the reference once it was asked for.
pub(super) struct AlignmentInput {
    pairs: Arc<Pairs>,
    mode: Mode,
    scoring: Arc<Scoring>,
    cigar: bool,
    reference: OnceLock<Vec<Alignment>>,
    /// The reference's ways, as lines.
    ways: OnceLock<Vec<u8>>,
}

impl AlignmentInput {
    /// `cigar`: whether ways are asked for.
    pub fn new(pairs: Arc<Pairs>, mode: Mode, scoring: Arc<Scoring>, cigar: bool) -> Self {
        let (reference, ways) = (OnceLock::new(), OnceLock::new());
        Self { pairs, mode, scoring, cigar, reference, ways }
    }

    fn reference_ways(&self) -> &[u8] {
        self.ways.get_or_init(|| {
            let traced = trace_all(&self.pairs, self.reference(), self.mode, &self.scoring);
            let mut bytes = Vec::new();
            lines(&traced, &mut bytes);
            bytes
        })
    }

    /// Where the ways of `outputs` first differ from the reference's.
    fn check_ways(&self, outputs: &[Vec<u8>]) -> Result<u64, Mismatch> {
        let [_, found] = outputs else {
            return Err(Mismatch(format!("expected 2 outputs, found {}", outputs.len())));
        };
        let expected = self.reference_ways();
        if found == expected {
            return Ok(self.pairs.len() as u64);
        }
        let split = |bytes: &[u8]| -> Vec<String> {
            bytes.split(|&byte| byte == b'\n').map(|l| String::from_utf8_lossy(l).into()).collect()
        };
        let (found, expected) = (split(found), split(expected));
        let pair = found.iter().zip(&expected).take_while(|(a, b)| a == b).count();
        let line = |lines: &[String]| lines.get(pair).cloned().unwrap_or_default();
        Err(Mismatch(format!(
            "pair {pair} ({} against {}): expected the way {:?}, found {:?}",
            self.pairs.queries.id(pair.min(self.pairs.len() - 1)),
            self.pairs.targets.id(pair.min(self.pairs.len() - 1)),
            line(&expected),
            line(&found)
        )))
    }

    fn reference(&self) -> &[Alignment] {
        self.reference.get_or_init(|| align_all(&self.pairs, self.mode, &self.scoring))
    }
}

/// The results in `outputs`, in the order of the pairs.
fn results(outputs: &[Vec<u8>], pairs: usize) -> Result<Vec<Alignment>, String> {
    let Some(bytes) = outputs.first() else { return Err("expected an output, found none".into()) };
    if bytes.len() != pairs * RESULT_BYTES {
        let expected = pairs * RESULT_BYTES;
        return Err(format!("expected {expected} bytes for {pairs} pairs, found {}", bytes.len()));
    }
    let word = |at: &[u8]| i32::from_le_bytes([at[0], at[1], at[2], at[3]]);
    Ok(bytes
        .chunks_exact(RESULT_BYTES)
        .map(|at| Alignment {
            score: word(at),
            query_end: word(&at[4..]),
            target_end: word(&at[8..]),
        })
        .collect())
}

impl Input for AlignmentInput {
    fn work(&self) -> Work {
        Totals::of(&self.pairs).work()
    }

    fn tunings(&self, implementation: &Implementation, device: &DeviceInfo) -> Vec<Tuning> {
        match implementation.language {
            Language::Cuda | Language::Wgsl => gpu::tunings(implementation, device),
            _ => vec![Tuning::default()],
        }
    }

    fn program(
        &self,
        implementation: &Implementation,
        device: &DeviceInfo,
        tuning: &Tuning,
    ) -> Result<Program, Unsupported> {
        let (pairs, scoring) = (&self.pairs, &self.scoring);
        match implementation.language {
            Language::Native => {
                let (pairs, scoring) = (Arc::clone(pairs), Arc::clone(scoring));
                Ok(Program::Native(Box::new(SimdProgram::new(
                    pairs, self.mode, scoring, self.cigar,
                ))))
            }
            Language::Cuda | Language::Wgsl => {
                let kind = gpu::Kind::tuned(implementation, tuning);
                gpu::record(pairs, self.mode, scoring, kind, device).map(Program::Recording)
            }
            Language::Library(_) | Language::Process => {
                Err(Unsupported(format!("{} is not part of {FAMILY}", implementation.name)))
            }
        }
    }

    fn check(&self, outputs: &[Vec<u8>]) -> Result<Check, Mismatch> {
        let found = results(outputs, self.pairs.len()).map_err(Mismatch)?;
        let expected = self.reference();
        for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
            if found != expected {
                let print = |a: &Alignment| {
                    format!("score {} at ({}, {})", a.score, a.query_end, a.target_end)
                };
                return Err(Mismatch(format!(
                    "pair {i} ({} against {}, {} × {} residues): expected {}, found {}",
                    self.pairs.queries.id(i),
                    self.pairs.targets.id(i),
                    self.pairs.queries.get(i).len(),
                    self.pairs.targets.get(i).len(),
                    print(expected),
                    print(found)
                )));
            }
        }
        let ways = if self.cigar { self.check_ways(outputs)? } else { 0 };
        Ok(Check {
            method: "bit-equal".into(),
            compared: 3 * found.len() as u64 + ways,
            max_abs_err: 0.0,
            max_rel_err: 0.0,
            bound: 0.0,
        })
    }

    fn keep(&self, outputs: &[Vec<u8>], keep: &mut dyn Keep) -> io::Result<()> {
        let found = results(outputs, self.pairs.len()).map_err(io::Error::other)?;
        let mut table = table_header(self.cigar).as_bytes().to_vec();
        table_rows(&self.pairs, &found, outputs.get(1).map(|ways| &ways[..]), &mut table);
        keep.create("alignments.tsv")?.write_all(&table)?;
        self.keep_sequences("queries.fasta", &self.pairs.queries, keep)?;
        self.keep_sequences("targets.fasta", &self.pairs.targets, keep)
    }
}

impl AlignmentInput {
    fn keep_sequences(
        &self,
        name: &str,
        sequences: &Sequences,
        keep: &mut dyn Keep,
    ) -> io::Result<()> {
        let mut file = io::BufWriter::new(keep.create(name)?);
        let alphabet = self.scoring.alphabet;
        for i in 0..sequences.len() {
            let letters: Vec<u8> =
                sequences.get(i).iter().map(|&code| alphabet.decode(code)).collect();
            writeln!(file, ">{}", sequences.id(i))?;
            file.write_all(&letters)?;
            file.write_all(b"\n")?;
        }
        file.flush()
    }
}
