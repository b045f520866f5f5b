//! A case of alignment: its parameters, its key and its work.

use std::sync::Arc;

use super::gpu;
use super::input::AlignmentInput;
use super::scoring::{ALPHABETS, Alphabet, MODES, Mode, Scoring};
use super::sequences::{MAX_LENGTH, Pairs, SequenceFile, Synthetic};
use super::{FAMILY, PACKED};
use crate::params::{ParamReader, Params};
use crate::work::{
    Case, CaseError, DeviceInfo, Files, Implementation, Input, Language, OpKind, Unsupported, Work,
};

/// Keys of `input` for random pairs, and for pairs from files.
const SYNTHETIC_KEYS: [&str; 8] =
    ["pairs", "query", "query_max", "target", "target_max", "distinct_queries", "error", "seed"];
const FILE_KEYS: [&str; 3] = ["queries", "targets", "pairing"];
/// Pairs of a case.
const MAX_PAIRS: usize = 1 << 28;
/// Pairs of every query with every target, which each have their names.
const MAX_ALL_PAIRS: usize = 1 << 24;
/// What is asked of a pair: score and ends, or the way between start and end as well.
const OUTPUTS: [&str; 2] = ["ends", "cigar"];
/// Cells of a table whose way is traced in a case: the reference keeps a byte of each.
const MAX_CIGAR_CELLS: f64 = 1e9;
/// How sequences of two files become pairs.
const PAIRINGS: [&str; 2] = ["order", "all"];

/// Where the sequences come from.
enum Source {
    Random(Synthetic),
    Files { pairs: Arc<Pairs>, key: String },
}

/// Mode, scoring and sequences of one case.
pub(super) struct AlignmentCase {
    mode: Mode,
    scoring: Arc<Scoring>,
    source: Source,
    cigar: bool,
}

impl AlignmentCase {
    /// Reads the parameters, and the sequence files where they name some.
    pub fn read(params: &Params, files: &dyn Files) -> Result<Self, CaseError> {
        let reader =
            ParamReader::new(FAMILY, params, &["mode", "alphabet", "scoring", "output", "input"])?;
        let mode = Mode::from_index(reader.choice("mode", &MODES, Some(0))?);
        let alphabet = match reader.choice("alphabet", &ALPHABETS, Some(0))? {
            0 => Alphabet::Dna,
            _ => Alphabet::Protein,
        };
        let scoring = Arc::new(Scoring::read(alphabet, &reader, files)?);
        let (synthetic, from_files) = (&SYNTHETIC_KEYS[..], &FILE_KEYS[..]);
        let known = [synthetic, from_files].concat();
        let none = Params::default();
        let input = match reader.table("input", &known)? {
            Some(input) => input,
            None => ParamReader::new(FAMILY, &none, &known)?,
        };
        let source = match input.has("queries") || input.has("targets") {
            true => read_files(&input, alphabet, files)?,
            false => Source::Random(read_synthetic(&input)?),
        };
        let cigar = reader.choice("output", &OUTPUTS, Some(0))? == 1;
        let case = Self { mode, scoring, source, cigar };
        let totals = case.totals();
        if cigar && totals.rows as f64 * totals.columns as f64 > MAX_CIGAR_CELLS {
            let hint = format!(
                "is for tables of at most {MAX_CIGAR_CELLS:e} cells; the longest query here has {} \
                 residues, the longest target {}",
                totals.rows, totals.columns
            );
            return Err(reader.bad("output", hint).into());
        }
        Ok(case)
    }

    /// Pairs, cells, residues.
    fn totals(&self) -> Totals {
        match &self.source {
            Source::Files { pairs, .. } => Totals::of(pairs),
            Source::Random(s) => {
                let longest = s.target_max.unwrap_or(s.target);
                let query = (s.query + s.query_max.unwrap_or(s.query)) as f64 / 2.0;
                let target = (s.target + longest) as f64 / 2.0;
                let pairs = s.pairs as f64;
                Totals {
                    pairs,
                    cells: pairs * query * target,
                    residues: pairs * (query + target),
                    rows: s.query_max.unwrap_or(s.query),
                    columns: longest,
                }
            }
        }
    }
}

/// Sums over all pairs of a case or an input.
pub(super) struct Totals {
    pub pairs: f64,
    pub cells: f64,
    pub residues: f64,
    /// Length of the longest query.
    pub rows: usize,
    /// Length of the longest target.
    pub columns: usize,
}

impl Totals {
    pub fn of(pairs: &Pairs) -> Self {
        Self {
            pairs: pairs.len() as f64,
            cells: pairs.cells(),
            residues: (pairs.queries.residues() + pairs.targets.residues()) as f64,
            rows: pairs.queries.longest(),
            columns: pairs.targets.longest(),
        }
    }

    /// Nine operations a cell: add the score; two maxima for H; subtract opening once and
    /// extension twice; a maximum each for E and F; one for the best. A byte a residue in, three
    /// i32 a pair out.
    ///
    /// Ways are not counted: their length hangs on the sequences.
    pub fn work(&self) -> Work {
        let bytes_out = 12.0 * self.pairs;
        Work {
            op_kind: OpKind::Int8,
            ops: 9.0 * self.cells,
            bytes_touched: self.residues + bytes_out,
            bytes_in: self.residues,
            bytes_constant: 0.0,
            bytes_out,
            useful: self.cells,
            useful_unit: "cell".into(),
            items: self.pairs,
            item_unit: "pair".into(),
        }
    }
}

fn read_synthetic(input: &ParamReader<'_>) -> Result<Synthetic, CaseError> {
    let longest = MAX_LENGTH as i64;
    let pairs = input.int("pairs", 1..=MAX_PAIRS as i64, None)?;
    let query = input.int("query", 1..=longest, None)?;
    let optional = |key, from: i64, to: i64| -> Result<Option<usize>, CaseError> {
        let given = input.has(key).then(|| input.int(key, from..=to, None)).transpose()?;
        Ok(given.map(|number| number as usize))
    };
    let query_max = optional("query_max", query, longest)?;
    let target = input.int("target", 1..=longest, None)?;
    let target_max = optional("target_max", target, longest)?;
    let distinct_queries = optional("distinct_queries", 1, pairs)?;
    let error = input.float("error", 0.0..=1.0, Some(0.02))?;
    let seed = input.int("seed", 0..=i64::MAX, Some(1))? as u64;
    let (pairs, query, target) = (pairs as usize, query as usize, target as usize);
    Ok(Synthetic { pairs, query, query_max, target, target_max, distinct_queries, error, seed })
}

fn read_files(
    input: &ParamReader<'_>,
    alphabet: Alphabet,
    files: &dyn Files,
) -> Result<Source, CaseError> {
    if let Some(key) = SYNTHETIC_KEYS.iter().find(|key| input.has(key)) {
        let hint = "belongs to random input; give either queries and targets, or pairs, query, \
                    target";
        return Err(input.bad(key, hint).into());
    }
    let name = |key| -> Result<&str, CaseError> {
        let text = input.text(key)?;
        Ok(text.ok_or_else(|| input.bad(key, "name a FASTA or FASTQ file"))?)
    };
    let (query_name, target_name) = (name("queries")?, name("targets")?);
    let all = input.choice("pairing", &PAIRINGS, Some(0))? == 1;
    let queries = SequenceFile::read(query_name, alphabet, files)?;
    let targets = SequenceFile::read(target_name, alphabet, files)?;
    let (query_count, target_count) = (queries.sequences.len(), targets.sequences.len());
    if query_count != target_count && !all {
        return Err(CaseError::BadInput {
            family: FAMILY,
            name: query_name.into(),
            problem: format!(
                "holds {query_count} records, but {target_name} holds {target_count}; pairs are \
                 matched by order, so give one target for each query, or pairing = \"all\" for \
                 every query with every target"
            ),
        });
    }
    let mut key = format!("queries={} targets={}", queries.key, targets.key);
    let pairs = match all {
        false => Pairs { queries: queries.sequences, targets: targets.sequences },
        true => {
            key += " pairing=all";
            if query_count.saturating_mul(target_count) > MAX_ALL_PAIRS {
                let hint = format!(
                    "makes {query_count} × {target_count} pairs, more than {MAX_ALL_PAIRS}; give fewer \
                     queries at a time"
                );
                return Err(input.bad("pairing", hint).into());
            }
            Pairs::all(queries.sequences, targets.sequences)
        }
    };
    Ok(Source::Files { pairs: Arc::new(pairs), key })
}

/// Whether the device adds and compares pairs of 16-bit numbers in one instruction.
fn has_dpx(device: &DeviceInfo) -> bool {
    device.compute_capability.is_some_and(|capability| capability >= (9, 0))
}

impl Case for AlignmentCase {
    fn key(&self) -> String {
        let input = match &self.source {
            Source::Files { key, .. } => key.clone(),
            Source::Random(s) => {
                let optional = |key: &str, value: Option<usize>| {
                    value.map(|value| format!(" {key}={value}")).unwrap_or_default()
                };
                let query_max = optional("query_max", s.query_max);
                let target_max = optional("target_max", s.target_max);
                let distinct = optional("distinct_queries", s.distinct_queries);
                format!(
                    "pairs={} query={}{query_max} target={}{target_max}{distinct} error={} seed={}",
                    s.pairs, s.query, s.target, s.error, s.seed
                )
            }
        };
        let (mode, alphabet) = (self.mode.name(), self.scoring.alphabet.name());
        let output = if self.cigar { " output=cigar" } else { "" };
        format!("{FAMILY} mode={mode} alphabet={alphabet} {}{output} {input}", self.scoring.key())
    }

    fn work(&self) -> Work {
        self.totals().work()
    }

    fn host_bytes(&self) -> u64 {
        let totals = self.totals();
        // The reference traces a pair on each thread.
        let traced = match self.cigar {
            true => {
                totals.rows as f64 * totals.columns as f64 * rayon::current_num_threads() as f64
            }
            false => 0.0,
        };
        // Codes, twice when packed; spans, order, reference, results in two forms; of files, names.
        let pair = if matches!(self.source, Source::Files { .. }) { 200.0 } else { 100.0 };
        (2.0 * totals.residues + pair * totals.pairs + traced) as u64
    }

    fn device_bytes(&self) -> u64 {
        let totals = self.totals();
        gpu::device_bytes(totals.pairs, totals.residues, totals.columns) as u64
    }

    fn supports(
        &self,
        implementation: &Implementation,
        device: &DeviceInfo,
    ) -> Result<(), Unsupported> {
        let totals = self.totals();
        match implementation.language {
            Language::Native => Ok(()),
            Language::Cuda | Language::Wgsl if self.cigar => {
                Err(Unsupported("ways (output = \"cigar\") are traced on CPUs only".into()))
            }
            Language::Cuda if implementation.name == PACKED && !has_dpx(device) => Err(Unsupported(
                "takes compute capability 9.0 or later, whose instructions work on two 16-bit numbers \
                 at a time"
                    .into(),
            )),
            Language::Cuda | Language::Wgsl => {
                gpu::loops(totals.rows, totals.columns, device)?;
                gpu::supports(totals.pairs, totals.residues, totals.columns, device)
            }
            Language::Library(_) | Language::Process => {
                Err(Unsupported(format!("{} is not part of {FAMILY}", implementation.name)))
            }
        }
    }

    fn input(&self, seed: u64) -> Result<Box<dyn Input>, CaseError> {
        let pairs = match &self.source {
            Source::Files { pairs, .. } => Arc::clone(pairs),
            Source::Random(s) => Arc::new(s.generate(self.scoring.alphabet, seed)),
        };
        Ok(Box::new(AlignmentInput::new(pairs, self.mode, Arc::clone(&self.scoring), self.cigar)))
    }
}
