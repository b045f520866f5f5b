//! Pairs of files that are larger than memory: records in batches, pairs in chunks.

use std::io::Read;

use needletail::FastxReader;

use super::cpu::{TRACED_CELLS, align_with, instruction_sets, trace_with};
use super::path::lines;
use super::reference::Alignment;
use super::scoring::{Alphabet, Mode, Scoring};
use super::sequences::{Pairs, Sequences, in_words, read_record};

/// A batch of records has no more than so many, and stops after so many residues.
const BATCH_RECORDS: usize = 4096;
const BATCH_RESIDUES: usize = 1 << 20;
/// The same of a chunk of pairs; an only pair may be longer.
const CHUNK_PAIRS: usize = 1 << 15;
const CHUNK_RESIDUES: usize = 1 << 23;

/// The records of one FASTA or FASTQ file, plain or gzip, as batches in their order.
pub struct Records {
    reader: Option<Box<dyn FastxReader>>,
    alphabet: Alphabet,
    /// What is wrong after the records that were given.
    problem: Option<String>,
}

impl Records {
    /// Begins to read.
    ///
    /// # Errors
    /// A file that is neither FASTA nor FASTQ.
    pub fn open(file: Box<dyn Read + Send>, alphabet: Alphabet) -> Result<Self, String> {
        let reader = needletail::parse_fastx_reader(file).map_err(|error| in_words(&error))?;
        Ok(Self { reader: Some(reader), alphabet, problem: None })
    }
}

impl Iterator for Records {
    type Item = Result<Sequences, String>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(problem) = self.problem.take() {
            return Some(Err(problem));
        }
        let reader = self.reader.as_mut()?;
        let mut batch = Sequences::default();
        while batch.len() < BATCH_RECORDS && batch.residues_kept() < BATCH_RESIDUES {
            match read_record(&mut **reader, self.alphabet, &mut batch) {
                Ok(true) => {}
                Ok(false) => {
                    self.reader = None;
                    break;
                }
                Err(problem) => {
                    self.reader = None;
                    self.problem = Some(problem);
                    break;
                }
            }
        }
        match batch.is_empty() {
            true => self.problem.take().map(Err),
            false => Some(Ok(batch)),
        }
    }
}

/// Cells of a table whose way is traced: the rows that are kept between strips and the bits of the
/// strips at hand take half a gigabyte at most, for each thread.
const MAX_CIGAR_CELLS: f64 = 2e10;

/// Batches of one side, and how far they are used.
struct Side {
    batches: Box<dyn Iterator<Item = Result<Sequences, String>> + Send>,
    batch: Sequences,
    used: usize,
    /// Records used before this batch.
    before: usize,
}

impl Side {
    fn new(batches: Box<dyn Iterator<Item = Result<Sequences, String>> + Send>) -> Self {
        Self { batches, batch: Sequences::default(), used: 0, before: 0 }
    }

    /// Whether there is another record.
    fn ready(&mut self) -> Result<bool, String> {
        while self.used == self.batch.len() {
            let Some(batch) = self.batches.next() else { return Ok(false) };
            self.before += self.used;
            (self.batch, self.used) = (batch?, 0);
        }
        Ok(true)
    }

    /// Adds the next record.
    fn take(&mut self, to: &mut Sequences) {
        to.push_from(&self.batch, self.used);
        self.used += 1;
    }

    fn records(&self) -> usize {
        self.before + self.used
    }
}

/// Chunks of pairs from two files.
pub struct PairStream {
    queries: Side,
    targets: Side,
    /// All queries, where every target meets every query.
    all: Option<Sequences>,
    /// Why there is nothing after the pairs that were given.
    failed: Option<StreamError>,
}

impl PairStream {
    /// Pairs by the records' order; `queries` and `targets` are batches of records.
    pub fn by_order(
        queries: Box<dyn Iterator<Item = Result<Sequences, String>> + Send>,
        targets: Box<dyn Iterator<Item = Result<Sequences, String>> + Send>,
    ) -> Self {
        Self { queries: Side::new(queries), targets: Side::new(targets), all: None, failed: None }
    }

    /// Every target with every query, target by target; the queries are kept in memory.
    ///
    /// # Errors
    /// What is wrong with the queries.
    pub fn all(
        queries: impl Iterator<Item = Result<Sequences, String>>,
        targets: Box<dyn Iterator<Item = Result<Sequences, String>> + Send>,
    ) -> Result<Self, String> {
        let mut all = Sequences::default();
        for batch in queries {
            let batch = batch?;
            (0..batch.len()).for_each(|index| all.push_from(&batch, index));
        }
        let none = Side::new(Box::new(std::iter::empty()));
        Ok(Self { queries: none, targets: Side::new(targets), all: Some(all), failed: None })
    }

    /// The next chunk; `None` at the end. Pairs before an error are given first.
    ///
    /// # Errors
    /// What is wrong with a record, or files of different lengths.
    pub fn next_chunk(&mut self) -> Result<Option<Pairs>, StreamError> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let mut pairs = Pairs::default();
        let filled = match self.all.take() {
            Some(all) => {
                let filled = self.fill_with_all(&all, &mut pairs);
                self.all = Some(all);
                filled
            }
            None => self.fill_by_order(&mut pairs),
        };
        match filled {
            Err(error) if pairs.is_empty() => return Err(error),
            filled => self.failed = filled.err(),
        }
        Ok((!pairs.is_empty()).then_some(pairs))
    }

    fn fill_by_order(&mut self, pairs: &mut Pairs) -> Result<(), StreamError> {
        while pairs.len() < CHUNK_PAIRS
            && pairs.queries.residues_kept() + pairs.targets.residues_kept() < CHUNK_RESIDUES
        {
            let query = self.queries.ready().map_err(StreamError::Query)?;
            let target = self.targets.ready().map_err(StreamError::Target)?;
            match (query, target) {
                (true, true) => {
                    self.queries.take(&mut pairs.queries);
                    self.targets.take(&mut pairs.targets);
                }
                (false, false) => break,
                (more_queries, _) => {
                    let records = self.queries.records();
                    return Err(StreamError::Unequal { records, more_queries });
                }
            }
        }
        Ok(())
    }

    fn fill_with_all(&mut self, all: &Sequences, pairs: &mut Pairs) -> Result<(), StreamError> {
        let mut targets = Sequences::default();
        let mut failed = Ok(());
        while targets.residues_kept() < CHUNK_RESIDUES && targets.len() * all.len() < CHUNK_PAIRS {
            match self.targets.ready() {
                Ok(true) => self.targets.take(&mut targets),
                Ok(false) => break,
                Err(problem) => {
                    failed = Err(StreamError::Target(problem));
                    break;
                }
            }
        }
        *pairs = Pairs::all(all.clone(), targets);
        failed
    }
}

/// Why no further pairs can be had.
#[derive(Debug, Clone, PartialEq)]
pub enum StreamError {
    /// A query's record is wrong.
    Query(String),
    /// A target's record is wrong.
    Target(String),
    /// One file has more records.
    Unequal {
        /// How many both have.
        records: usize,
        /// Whether it is the queries that go on.
        more_queries: bool,
    },
}

/// Why the way of a pair among these cannot be traced: its table is too large.
pub fn too_long_to_trace(pairs: &Pairs) -> Option<String> {
    (0..pairs.len()).find_map(|pair| {
        let (query, target) = (pairs.queries.get(pair).len(), pairs.targets.get(pair).len());
        let fits = query as f64 * target as f64 <= MAX_CIGAR_CELLS;
        (!fits).then(|| {
            format!(
                "{} ({query} residues) against {} ({target}): CIGARs are for tables of at most \
                 {MAX_CIGAR_CELLS:e} cells; align it without, or cut it into windows",
                pairs.queries.id(pair),
                pairs.targets.id(pair)
            )
        })
    })
}

/// Aligns on all threads of the present pool with the best instruction set; with `cigar` the ways as
/// well, a line a pair.
pub fn align_pairs(
    pairs: &Pairs,
    mode: Mode,
    scoring: &Scoring,
    cigar: bool,
) -> (Vec<Alignment>, Option<Vec<u8>>) {
    let widths = instruction_sets()[0];
    let found = align_with(widths, pairs, mode, scoring);
    let ways = cigar.then(|| {
        let traced = trace_with(widths, pairs, &found, mode, scoring, TRACED_CELLS);
        let mut ways = Vec::new();
        lines(&traced, &mut ways);
        ways
    });
    (found, ways)
}

/// The columns of a table of alignments.
pub fn table_header(cigar: bool) -> &'static str {
    match cigar {
        true => "query\ttarget\tscore\tquery_end\ttarget_end\tquery_start\ttarget_start\tcigar\n",
        false => "query\ttarget\tscore\tquery_end\ttarget_end\n",
    }
}

/// Adds a row a pair, as [`table_header`] says.
pub fn table_rows(pairs: &Pairs, found: &[Alignment], ways: Option<&[u8]>, to: &mut Vec<u8>) {
    let mut ways = ways.map(|ways| ways.split(|&byte| byte == b'\n'));
    for (pair, a) in found.iter().enumerate() {
        to.extend_from_slice(pairs.queries.id(pair).as_bytes());
        to.push(b'\t');
        to.extend_from_slice(pairs.targets.id(pair).as_bytes());
        for number in [a.score, a.query_end, a.target_end] {
            to.push(b'\t');
            // Writing to a Vec cannot fail.
            let _ = std::io::Write::write_fmt(to, format_args!("{number}"));
        }
        if let Some(way) = ways.as_mut().and_then(Iterator::next) {
            to.push(b'\t');
            to.extend_from_slice(way);
        }
        to.push(b'\n');
    }
}
