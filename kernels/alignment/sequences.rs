//! Encoded sequences and where they come from: random pairs, or FASTA and FASTQ files.

use std::io::Read;
use std::ops::Range;
use std::sync::Arc;

use needletail::FastxReader;
use needletail::errors::{ParseError, ParseErrorKind};
use sha2::{Digest, Sha256};

use super::FAMILY;
use super::scoring::{Alphabet, NO_CODE};
use crate::random::Random;
use crate::work::{CaseError, Files};

/// No sequence may be longer (scores must fit i32 on every device).
pub(super) const MAX_LENGTH: usize = 1 << 20;

/// Many encoded sequences end to end.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sequences {
    codes: Arc<Vec<u8>>,
    /// Where each sequence stands in `codes`; several may be the same stretch.
    spans: Vec<Range<usize>>,
    /// Names from the file; empty for generated sequences, which go by their index.
    ids: Vec<String>,
}

impl Sequences {
    /// Adds a sequence of codes.
    pub fn push(&mut self, codes: &[u8]) {
        let start = self.codes.len();
        Arc::make_mut(&mut self.codes).extend_from_slice(codes);
        self.spans.push(start..self.codes.len());
    }

    /// Each sequence `times` over, one after the other; or all of them, `times` over.
    fn repeated(mut self, times: usize, in_turns: bool) -> Self {
        let count = self.len();
        let index = |at: usize| if in_turns { at % count } else { at / times };
        self.spans = (0..count * times).map(|at| self.spans[index(at)].clone()).collect();
        if !self.ids.is_empty() {
            self.ids = (0..count * times).map(|at| self.ids[index(at)].clone()).collect();
        }
        self
    }

    /// The first residues of each sequence, `length` of its index many, without a copy of the codes.
    pub(super) fn cut(&self, length: impl Fn(usize) -> usize) -> Self {
        let cut = |(index, span): (usize, &Range<usize>)| span.start..span.start + length(index);
        let spans = self.spans.iter().enumerate().map(cut).collect();
        Self { codes: Arc::clone(&self.codes), spans, ids: Vec::new() }
    }

    /// The first `count`.
    fn first(mut self, count: usize) -> Self {
        self.spans.truncate(count);
        self
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The codes of sequence `index`.
    pub fn get(&self, index: usize) -> &[u8] {
        &self.codes[self.spans[index].clone()]
    }

    /// Residues of sequence `index`.
    pub(super) fn length(&self, index: usize) -> usize {
        self.spans[index].len()
    }

    /// Residues of all sequences together.
    pub fn residues(&self) -> usize {
        self.spans.iter().map(Range::len).sum()
    }

    /// Residues in memory, those of several sequences once.
    pub(super) fn residues_kept(&self) -> usize {
        self.codes.len()
    }

    /// Adds sequence `index` of `other` with its name.
    pub(super) fn push_from(&mut self, other: &Self, index: usize) {
        self.push(other.get(index));
        self.ids.push(other.id(index));
    }

    /// Residues of the longest sequence.
    pub(super) fn longest(&self) -> usize {
        self.spans.iter().map(Range::len).max().unwrap_or(0)
    }

    /// The name of sequence `index`: from its file, else the index itself.
    pub fn id(&self, index: usize) -> String {
        self.ids.get(index).cloned().unwrap_or_else(|| index.to_string())
    }
}

/// Queries and targets, matched by order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Pairs {
    /// What is aligned.
    pub queries: Sequences,
    /// What it is aligned to; as many as queries.
    pub targets: Sequences,
}

impl Pairs {
    /// Number of pairs.
    pub fn len(&self) -> usize {
        self.queries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Every target with every query, target by target.
    pub(super) fn all(queries: Sequences, targets: Sequences) -> Self {
        let (query_count, target_count) = (queries.len(), targets.len());
        Self {
            queries: queries.repeated(target_count, true),
            targets: targets.repeated(query_count, false),
        }
    }

    /// Cells of all dynamic programming tables: the sum of |query| · |target|.
    pub fn cells(&self) -> f64 {
        (0..self.len())
            .map(|i| self.queries.get(i).len() as f64 * self.targets.get(i).len() as f64)
            .sum()
    }
}

/// How random pairs are made.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Synthetic {
    pub pairs: usize,
    /// Query length; the shortest where `query_max` is given.
    pub query: usize,
    /// Longest query; lengths are uniform from `query` to this.
    pub query_max: Option<usize>,
    /// Target length; the shortest where `target_max` is given.
    pub target: usize,
    /// Longest target; lengths are uniform from `target` to this.
    pub target_max: Option<usize>,
    /// So many queries are searched for in all targets; `None`: each pair has its own.
    pub distinct_queries: Option<usize>,
    /// Chance per residue of a sequencing error.
    pub error: f64,
    pub seed: u64,
}

impl Synthetic {
    /// Random targets, each with a query cut out of it. Of the errors 4 in 5 are substitutions
    /// (of which some hit the same letter), 1 in 10 inserts and 1 in 10 deletes a residue. Where
    /// the query is longer than what is left of the target, random residues follow.
    ///
    /// In a search each target meets all queries, one after the other; they are cut out of the first
    /// targets.
    pub fn generate(&self, alphabet: Alphabet, seed: u64) -> Pairs {
        let mut random = Random::new(seed, self.seed);
        let letters = alphabet.letters();
        let mut pairs = Pairs::default();
        let (mut target, mut query) = (Vec::new(), Vec::new());
        let target_count = self.pairs.div_ceil(self.distinct_queries.unwrap_or(1));
        for _ in 0..target_count {
            let length = match self.target_max {
                Some(longest) => within(self.target, longest, &mut random),
                None => self.target,
            };
            target.clear();
            target.extend((0..length).map(|_| random.below(letters) as u8));
            pairs.targets.push(&target);
            if self.distinct_queries.is_none() {
                self.cut(&target, letters, &mut random, &mut query);
                pairs.queries.push(&query);
            }
        }
        let Some(distinct) = self.distinct_queries else { return pairs };
        for number in 0..distinct {
            let target = pairs.targets.get(number % target_count);
            self.cut(target, letters, &mut random, &mut query);
            pairs.queries.push(&query);
        }
        let all = Pairs::all(pairs.queries, pairs.targets);
        Pairs { queries: all.queries.first(self.pairs), targets: all.targets.first(self.pairs) }
    }

    /// Cuts a query out of a target, with errors.
    fn cut(&self, target: &[u8], letters: u64, random: &mut Random, query: &mut Vec<u8>) {
        let length = within(self.query, self.query_max.unwrap_or(self.query), random);
        let slack = target.len().saturating_sub(length);
        let mut from = random.below(slack as u64 + 1) as usize;
        query.clear();
        while query.len() < length {
            let wrong = random.unit() < self.error;
            match (wrong, if wrong { random.below(10) } else { 0 }) {
                (true, 9) => from += 1,
                (true, kind) => {
                    query.push(random.below(letters) as u8);
                    from += usize::from(kind != 8);
                }
                (false, _) => {
                    let next = target.get(from).copied();
                    query.push(next.unwrap_or_else(|| random.below(letters) as u8));
                    from += 1;
                }
            }
        }
    }
}

/// A length from `shortest` to `longest`.
fn within(shortest: usize, longest: usize, random: &mut Random) -> usize {
    shortest + random.below((longest - shortest + 1) as u64) as usize
}

/// A file in memory.
pub(super) struct NamedFile {
    name: String,
    pub bytes: Vec<u8>,
}

impl NamedFile {
    /// Reads the file `name`.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn read(name: &str, files: &dyn Files) -> Result<Self, CaseError> {
        let io = |source| CaseError::Io { family: FAMILY, name: name.into(), source };
        let mut bytes = Vec::new();
        files.open(name).map_err(io)?.read_to_end(&mut bytes).map_err(io)?;
        Ok(Self { name: name.into(), bytes })
    }

    /// The file's own name (without folders) and the first 12 hex digits of its SHA-256.
    pub fn key(&self) -> String {
        let hash: String =
            Sha256::digest(&self.bytes).iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        let base = self.name.rsplit(['/', '\\']).next().unwrap_or(&self.name);
        format!("{base}@{hash}")
    }

    /// The error that says what is wrong in it.
    pub fn bad(&self, problem: String) -> CaseError {
        CaseError::BadInput { family: FAMILY, name: self.name.clone(), problem }
    }
}

/// A sequence file in memory.
#[derive(Debug)]
pub(super) struct SequenceFile {
    /// See [`NamedFile::key`].
    pub key: String,
    pub sequences: Sequences,
}

impl SequenceFile {
    /// Reads the FASTA or FASTQ file `name`, plain or gzip.
    ///
    /// # Errors
    /// A file that cannot be read, a record that is cut or malformed, a letter outside the
    /// alphabet, a sequence that is too long: each with the line.
    pub fn read(name: &str, alphabet: Alphabet, files: &dyn Files) -> Result<Self, CaseError> {
        let file = NamedFile::read(name, files)?;
        let sequences = parse(&file.bytes, alphabet).map_err(|problem| file.bad(problem))?;
        Ok(Self { key: file.key(), sequences })
    }
}

fn parse(bytes: &[u8], alphabet: Alphabet) -> Result<Sequences, String> {
    let mut sequences = Sequences::default();
    let mut reader = needletail::parse_fastx_reader(bytes).map_err(|e| in_words(&e))?;
    while read_record(&mut *reader, alphabet, &mut sequences)? {}
    Ok(sequences)
}

/// Adds the next record; whether there was one.
///
/// # Errors
/// What is wrong with it, and where.
pub(super) fn read_record(
    reader: &mut dyn FastxReader,
    alphabet: Alphabet,
    to: &mut Sequences,
) -> Result<bool, String> {
    let Some(record) = reader.next() else { return Ok(false) };
    let record = record.map_err(|e| in_words(&e))?;
    let first_line = record.start_line_number();
    let header = String::from_utf8_lossy(record.id());
    let id = header.split_ascii_whitespace().next().unwrap_or_default();
    let codes = alphabet.codes();
    let kept = Arc::make_mut(&mut to.codes);
    let start = kept.len();
    let code = |&letter: &u8| codes[usize::from(letter)];
    kept.extend(record.raw_seq().iter().map(code));
    if kept[start..].contains(&NO_CODE) {
        // Ends of lines, or letters that do not belong here.
        kept.truncate(start);
        let mut line = first_line + 1;
        for letter in record.raw_seq() {
            match (letter, code(letter)) {
                (b'\n', _) => line += 1,
                (b'\r', _) => {}
                (_, NO_CODE) => {
                    let protein =
                        alphabet == Alphabet::Dna && Alphabet::Protein.encode(*letter).is_some();
                    let hint = if protein { ", or is the alphabet protein?" } else { "" };
                    return Err(format!(
                        "line {line}: record `{id}` holds '{}', which is no {} letter; correct or \
                         remove the record{hint}",
                        letter.escape_ascii(),
                        alphabet.name()
                    ));
                }
                (_, code) => kept.push(code),
            }
        }
    }
    let length = kept.len() - start;
    if length > MAX_LENGTH {
        return Err(format!(
            "line {first_line}: record `{id}` has {length} residues, more than {MAX_LENGTH}; cut it \
             into windows"
        ));
    }
    to.spans.push(start..start + length);
    to.ids.push(id.to_owned());
    Ok(true)
}

/// What the parser found wrong, where, and what would do.
pub(super) fn in_words(error: &ParseError) -> String {
    let record = match &error.position.id {
        Some(id) => format!("record `{id}`: "),
        None => String::new(),
    };
    let problem = match error.kind {
        ParseErrorKind::Io => return format!("cannot be unpacked or read: {}", error.msg),
        ParseErrorKind::EmptyFile => return "holds no record; give FASTA or FASTQ".into(),
        ParseErrorKind::UnknownFormat => {
            return "does not start with '>' or '@'; give FASTA or FASTQ, plain or gzip".into();
        }
        ParseErrorKind::UnexpectedEnd => "ends in mid-record; copy the file again".into(),
        ParseErrorKind::InvalidStart => "does not start with '@' or '>'".into(),
        ParseErrorKind::InvalidSeparator => "its third line does not start with '+'".into(),
        ParseErrorKind::UnequalLengths => {
            let text = error.msg.to_lowercase();
            format!("{text}; the record is damaged or cut")
        }
    };
    format!("line {}: {record}{problem}", error.position.line.max(1))
}
