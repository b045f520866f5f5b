//! What is typed to align files.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// `align`.
#[derive(Debug, Args)]
pub struct AlignArgs {
    /// FASTA or FASTQ, plain or gzip
    #[arg(value_name = "QUERIES")]
    pub queries: PathBuf,
    /// FASTA or FASTQ, plain or gzip; - is standard input
    #[arg(value_name = "TARGETS")]
    pub targets: PathBuf,
    /// Which ends are free: none of both sides (global), the target's (semi-global), all (local)
    #[arg(long, value_enum, default_value_t)]
    pub mode: AlignModeArg,
    /// What the letters are
    #[arg(long, value_enum, default_value_t)]
    pub alphabet: AlphabetArg,
    /// How records become pairs: the first with the first and so on, or every target with every
    /// query
    #[arg(long, value_enum, default_value_t)]
    pub pairing: PairingArg,
    /// Adds where alignments begin, and their CIGARs
    #[arg(long)]
    pub cigar: bool,
    /// Score of equal DNA letters [default: 1]
    #[arg(long = "match", value_name = "N")]
    pub matched: Option<i64>,
    /// Score of unequal DNA letters [default: -4]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub mismatch: Option<i64>,
    /// Protein: blosum62 or a file in NCBI's form [default: blosum62]
    #[arg(long, value_name = "MATRIX")]
    pub matrix: Option<String>,
    /// Cost of a gap's first residue [default: 7, protein 11]
    #[arg(long, value_name = "N")]
    pub gap_open: Option<i64>,
    /// Cost of each further one [default: 1]
    #[arg(long, value_name = "N")]
    pub gap_extend: Option<i64>,
    /// Threads that align [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
}

/// Modes of alignment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum AlignModeArg {
    /// Best-scoring stretch of both.
    #[default]
    Local,
    /// Both end to end.
    Global,
    /// The query end to end, anywhere in the target.
    SemiGlobal,
}

/// Alphabets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum AlphabetArg {
    /// A, C, G, T; other IUPAC letters are N.
    #[default]
    Dna,
    /// Amino acids.
    Protein,
}

/// How records become pairs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum PairingArg {
    /// By order.
    #[default]
    Order,
    /// Every target with every query.
    All,
}
