//! What is typed to align files.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// What comes out, which `--help` tells.
const TABLE: &str = "\
The table has a header and a row a pair, with tabs: query, target, score, query_end, target_end; with
--cigar also query_start, target_start, cigar. With -o DIR it is DIR/alignments.tsv.

Ends and starts count from 0 and are inclusive, -1 means none. Of several best alignments the one with
the smallest target end counts, then the one with the smallest query end. In CIGARs = is a pair of
equal residues, X of unequal ones, I a query residue without a partner, D a target residue without one.
A gap of length k costs gap-open + (k - 1) * gap-extend.

DNA: U reads as T, other IUPAC letters as N, which matches nothing. Protein: J, O and U read as X;
letters that a matrix lacks have its lowest score. Sequences have at most 1,048,576 residues.";

/// `align`.
#[derive(Debug, Args)]
#[command(after_long_help = TABLE)]
pub struct AlignArgs {
    /// FASTA or FASTQ, plain or gzip; - is standard input
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
    /// query, target by target
    #[arg(long, value_enum, default_value_t)]
    pub pairing: PairingArg,
    /// Adds where alignments begin, and their CIGARs
    #[arg(long)]
    pub cigar: bool,
    /// Score of equal DNA letters [default: 1]
    #[arg(long = "match", value_name = "N", allow_negative_numbers = true)]
    pub matched: Option<i64>,
    /// Score of unequal DNA letters, 0 or less [default: -4]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub mismatch: Option<i64>,
    /// Protein: blosum62 or a file in NCBI's form [default: blosum62]
    #[arg(long, value_name = "MATRIX")]
    pub matrix: Option<String>,
    /// Cost of a gap's first residue [default: 7, protein 11]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub gap_open: Option<i64>,
    /// Cost of each further one [default: 1]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
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
