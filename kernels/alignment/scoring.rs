//! Modes, alphabets, residue codes and substitution scores.

use std::sync::LazyLock;

use super::matrix;
use super::sequences::NamedFile;
use crate::params::{ParamReader, Params, Value};
use crate::work::{CaseError, Files};

/// Residue codes fit in five bits on every device.
pub(super) const CODES: usize = 32;
/// What is no code.
pub(super) const NO_CODE: u8 = 0xff;
/// DNA letter that matches nothing, not even itself.
pub(super) const N: u8 = 4;
/// N in targets, where it must not equal the N of queries.
pub(super) const TARGET_N: u8 = 5;

/// Which ends of the two sequences are free of cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Best-scoring stretch of both (Smith–Waterman).
    Local,
    /// Both end to end (Needleman–Wunsch).
    Global,
    /// Query end to end; leading and trailing target are free.
    SemiGlobal,
}

/// Names of the modes, in the order of [`Mode`]'s variants.
pub(super) const MODES: [&str; 3] = ["local", "global", "semi-global"];

impl Mode {
    /// The name used in keys.
    pub fn name(self) -> &'static str {
        MODES[self as usize]
    }

    pub(super) fn from_index(index: usize) -> Self {
        [Self::Local, Self::Global, Self::SemiGlobal][index]
    }
}

/// What the letters are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alphabet {
    /// A, C, G, T (U reads as T); every other IUPAC letter reads as N.
    Dna,
    /// The 20 amino acids, B, Z, X and `*`; J, O and U read as X.
    Protein,
}

/// Names of the alphabets, in the order of [`Alphabet`]'s variants.
pub(super) const ALPHABETS: [&str; 2] = ["dna", "protein"];

/// Letters by code.
const DNA: &[u8; 5] = b"ACGTN";
const PROTEIN: &[u8; 24] = b"ARNDCQEGHILKMFPSTWYVBZX*";

impl Alphabet {
    /// The name used in keys.
    pub fn name(self) -> &'static str {
        ALPHABETS[self as usize]
    }

    /// The code of `letter` (either case), or `None` if it belongs to no sequence.
    pub fn encode(self, letter: u8) -> Option<u8> {
        let upper = letter.to_ascii_uppercase();
        match self {
            Self::Dna => match upper {
                b'A' => Some(0),
                b'C' => Some(1),
                b'G' => Some(2),
                b'T' | b'U' => Some(3),
                _ if b"NRYSWKMBDHV".contains(&upper) => Some(N),
                _ => None,
            },
            Self::Protein => {
                let known = if b"JOU".contains(&upper) { b'X' } else { upper };
                PROTEIN.iter().position(|&p| p == known).map(|p| p as u8)
            }
        }
    }

    /// The codes of all bytes, see [`Alphabet::encode`]; [`NO_CODE`] for those that have none.
    pub(super) fn codes(self) -> &'static [u8; 256] {
        static CODES: [LazyLock<[u8; 256]>; 2] =
            [LazyLock::new(|| Alphabet::Dna.all()), LazyLock::new(|| Alphabet::Protein.all())];
        &CODES[self as usize]
    }

    fn all(self) -> [u8; 256] {
        std::array::from_fn(|byte| self.encode(byte as u8).unwrap_or(NO_CODE))
    }

    /// The letter of `code`.
    pub fn decode(self, code: u8) -> u8 {
        match self {
            Self::Dna => DNA[usize::from(code)],
            Self::Protein => PROTEIN[usize::from(code)],
        }
    }

    /// How many codes random sequences are drawn from (the unambiguous letters).
    pub(super) fn letters(self) -> u64 {
        match self {
            Self::Dna => 4,
            Self::Protein => 20,
        }
    }
}

/// Scores of substitutions and costs of gaps.
///
/// A gap of length k costs `gap_open + (k − 1) · gap_extend`.
#[derive(Debug, Clone, PartialEq)]
pub struct Scoring {
    /// What the letters are.
    pub alphabet: Alphabet,
    /// Score of equal DNA letters, or a matrix's best; at least 1.
    pub matched: i32,
    /// Score of unequal DNA letters and of anything with N, or a matrix's lowest; at most 0.
    pub mismatch: i32,
    /// Cost of the first residue of a gap, at least `gap_extend`.
    pub gap_open: i32,
    /// Cost of each further residue of a gap, at least 0.
    pub gap_extend: i32,
    /// Protein only: the matrix's name, and of a file the first digits of its SHA-256.
    matrix: String,
    /// `table[query code · 32 + target code]`; codes outside the alphabet score the lowest.
    table: Vec<i8>,
}

impl Scoring {
    /// DNA scores.
    pub fn dna(matched: i32, mismatch: i32, gap_open: i32, gap_extend: i32) -> Self {
        let mut table = vec![mismatch as i8; CODES * CODES];
        for code in 0..usize::from(N) {
            table[code * CODES + code] = matched as i8;
        }
        let (alphabet, matrix) = (Alphabet::Dna, String::new());
        Self { alphabet, matched, mismatch, gap_open, gap_extend, matrix, table }
    }

    /// BLOSUM62 scores.
    pub fn blosum62(gap_open: i32, gap_extend: i32) -> Self {
        let mut table = vec![-4; CODES * CODES];
        for (row, line) in BLOSUM62.iter().enumerate() {
            for (column, &score) in line.iter().enumerate() {
                table[row * CODES + column] = score;
                table[column * CODES + row] = score;
            }
        }
        let (alphabet, matrix) = (Alphabet::Protein, "blosum62".into());
        Self { alphabet, matched: 11, mismatch: -4, gap_open, gap_extend, matrix, table }
    }

    /// Protein scores from the text of a matrix, see `matrix.rs`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn of_matrix(text: &str, gap_open: i32, gap_extend: i32) -> Result<Self, String> {
        let (table, matched, mismatch) = matrix::parse(text, Alphabet::Protein)?;
        Ok(Self { matched, mismatch, table, ..Self::blosum62(gap_open, gap_extend) })
    }

    /// The scoring that `given`, the keys of `scoring = { … }`, says.
    ///
    /// # Errors
    /// As for a suite's case.
    pub fn of(alphabet: Alphabet, given: &Params, files: &dyn Files) -> Result<Self, CaseError> {
        let mut params = Params::default();
        params.set("scoring", Value::Table(given.clone()));
        Self::read(alphabet, &ParamReader::new("alignment", &params, &["scoring"])?, files)
    }

    /// Reads `scoring = { … }`; `None` gives the alphabet's defaults (1/−4/7/1, BLOSUM62 11/1).
    ///
    /// # Errors
    /// An unknown key or a value out of range; a matrix that cannot be read.
    pub(super) fn read(
        alphabet: Alphabet,
        params: &ParamReader<'_>,
        files: &dyn Files,
    ) -> Result<Self, CaseError> {
        let none = Params::default();
        let known: &[&str] = match alphabet {
            Alphabet::Dna => &["match", "mismatch", "gap_open", "gap_extend"],
            Alphabet::Protein => &["matrix", "gap_open", "gap_extend"],
        };
        let reader = match params.table("scoring", known)? {
            Some(reader) => reader,
            None => ParamReader::new("alignment", &none, known)?,
        };
        let default_open = if alphabet == Alphabet::Dna { 7 } else { 11 };
        let gap_open = reader.int("gap_open", 0..=100, Some(default_open))? as i32;
        let gap_extend = reader.int("gap_extend", 0..=100, Some(1))? as i32;
        if gap_open < gap_extend {
            let hint = format!("must be at least gap_extend = {gap_extend}");
            return Err(reader.bad("gap_open", hint).into());
        }
        match alphabet {
            Alphabet::Dna => {
                let matched = reader.int("match", 1..=100, Some(1))? as i32;
                let mismatch = reader.int("mismatch", -100..=0, Some(-4))? as i32;
                Ok(Self::dna(matched, mismatch, gap_open, gap_extend))
            }
            Alphabet::Protein => {
                let blosum62 = Self::blosum62(gap_open, gap_extend);
                match reader.text("matrix")? {
                    None => Ok(blosum62),
                    Some(name) if name.eq_ignore_ascii_case("blosum62") => Ok(blosum62),
                    Some(name) => {
                        let file = NamedFile::read(name, files)?;
                        let bad = |problem| file.bad(problem);
                        let text =
                            str::from_utf8(&file.bytes).map_err(|_| bad("is no text".into()))?;
                        let scoring = Self::of_matrix(text, gap_open, gap_extend).map_err(bad)?;
                        Ok(Self { matrix: file.key(), ..scoring })
                    }
                }
            }
        }
    }

    /// The part of the key that says how is scored.
    pub(super) fn key(&self) -> String {
        let gaps = format!("gap_open={} gap_extend={}", self.gap_open, self.gap_extend);
        match self.alphabet {
            Alphabet::Dna => {
                format!("match={} mismatch={} {gaps}", self.matched, self.mismatch)
            }
            Alphabet::Protein => format!("matrix={} {gaps}", self.matrix),
        }
    }

    /// Score of a query code against a target code.
    pub fn score(&self, query: u8, target: u8) -> i32 {
        i32::from(self.table[usize::from(query) * CODES + usize::from(target)])
    }

    /// Whether two residues are the same; N is no other's, not even N's.
    pub(super) fn equal(&self, query: u8, target: u8) -> bool {
        query == target && !(self.alphabet == Alphabet::Dna && query == N)
    }

    /// Scores of all query codes against a target code.
    pub(super) fn against(&self, target: u8) -> [i32; CODES] {
        std::array::from_fn(|query| self.score(query as u8, target))
    }

    /// All scores, 32 × 32, by query code, then target code.
    pub(super) fn table(&self) -> &[i8] {
        &self.table
    }

    /// Cost of a gap of `length` residues (0 for none).
    pub fn gap(&self, length: usize) -> i32 {
        if length == 0 { 0 } else { self.gap_open + (length as i32 - 1) * self.gap_extend }
    }
}

/// BLOSUM62, lower triangle, letters in the order of `PROTEIN`.
#[rustfmt::skip]
const BLOSUM62: [&[i8]; 24] = [
    &[4],
    &[-1, 5],
    &[-2, 0, 6],
    &[-2, -2, 1, 6],
    &[0, -3, -3, -3, 9],
    &[-1, 1, 0, 0, -3, 5],
    &[-1, 0, 0, 2, -4, 2, 5],
    &[0, -2, 0, -1, -3, -2, -2, 6],
    &[-2, 0, 1, -1, -3, 0, 0, -2, 8],
    &[-1, -3, -3, -3, -1, -3, -3, -4, -3, 4],
    &[-1, -2, -3, -4, -1, -2, -3, -4, -3, 2, 4],
    &[-1, 2, 0, -1, -3, 1, 1, -2, -1, -3, -2, 5],
    &[-1, -1, -2, -3, -1, 0, -2, -3, -2, 1, 2, -1, 5],
    &[-2, -3, -3, -3, -2, -3, -3, -3, -1, 0, 0, -3, 0, 6],
    &[-1, -2, -2, -1, -3, -1, -1, -2, -2, -3, -3, -1, -2, -4, 7],
    &[1, -1, 1, 0, -1, 0, 0, 0, -1, -2, -2, 0, -1, -2, -1, 4],
    &[0, -1, 0, -1, -1, -1, -1, -2, -2, -1, -1, -1, -1, -2, -1, 1, 5],
    &[-3, -3, -4, -4, -2, -2, -3, -2, -2, -3, -2, -3, -1, 1, -4, -3, -2, 11],
    &[-2, -2, -2, -3, -2, -1, -2, -3, 2, -1, -1, -2, -1, 3, -3, -2, -2, 2, 7],
    &[0, -3, -3, -3, -1, -2, -2, -3, -3, 3, 1, -2, 1, -1, -2, -2, 0, -3, -1, 4],
    &[-2, -1, 3, 4, -3, 0, 1, -1, 0, -3, -4, 0, -3, -3, -2, 0, -1, -4, -3, -3, 4],
    &[-1, 0, 0, 1, -3, 3, 4, -2, 0, -3, -3, 1, -1, -3, -1, 0, -1, -3, -2, -2, 1, 4],
    &[0, -1, -1, -1, -2, -1, -1, -1, -1, -1, -1, -1, -1, -1, -2, 0, 0, -2, -1, -1, -1, -1, -1],
    &[-4, -4, -4, -4, -4, -4, -4, -4, -4, -4, -4, -4, -4, -4, -4, -4, -4, -4, -4, -4, -4, -4, -4, 1],
];
