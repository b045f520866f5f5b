//! What is typed to transcode a file.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// What `--help` tells beside the options.
const NOTES: &str = "\
Input: AVI with Motion-JPEG, or raw Motion-JPEG (JPEG images one after another), baseline and 8 bit.
Output: by the ending of OUTPUT, AVI (.avi, up to 4 GiB) or raw Motion-JPEG (.mjpeg, .mjpg, of any
length); the sampling of colours and the frame rate are the input's. - is raw to standard output.

Sizes: half of the input's where none is given; where one is given, the other keeps the picture's shape.
A dropped picture, and with --damaged skip a damaged one, stays an empty place in AVI; in raw output the
picture before stands there again, so that the others keep their time. Sound and the shape of pixels are
not taken over. Damage that leaves valid codes behind cannot be noticed: no picture has a checksum.";

/// `transcode`.
#[derive(Debug, Args)]
#[command(after_long_help = NOTES)]
pub struct TranscodeArgs {
    /// Motion-JPEG as AVI or raw; - is standard input
    #[arg(value_name = "INPUT")]
    pub input: PathBuf,
    /// File to write (with -o DIR below that folder), which must not exist; - is standard output
    #[arg(value_name = "OUTPUT")]
    pub target: PathBuf,
    /// Samples across
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=16384))]
    pub width: Option<u16>,
    /// Samples down
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=16384))]
    pub height: Option<u16>,
    /// JPEG quality
    #[arg(long, value_name = "N", default_value_t = 85, value_parser = clap::value_parser!(u8).range(1..=100))]
    pub quality: u8,
    /// What becomes of a picture that is damaged or not supported: it ends everything, or is left out
    #[arg(long, value_enum, default_value_t)]
    pub damaged: DamagedArg,
    /// Frames a second that AVI output says, such as 30 or 30000/1001 [default: the input's; 25 of raw
    /// input, which says none]
    #[arg(long, value_name = "RATE")]
    pub rate: Option<String>,
    /// Threads that transcode [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
}

/// What becomes of damaged pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum DamagedArg {
    /// The first one ends everything.
    #[default]
    Fail,
    /// They are told and left out.
    Skip,
}
