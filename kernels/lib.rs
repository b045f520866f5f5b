//! What breakeven computes.
//!
//! One room per family: the family, its slow and obvious reference, and its implementations in
//! Rust, CUDA C and WGSL side by side. Nothing in this package knows a device API, a clock, a
//! path or a price.

pub mod alignment;
mod cache;
pub mod command;
pub mod convolution;
pub mod encoder;
pub mod matmul;
pub mod params;
pub mod peak;
pub mod process;
pub mod random;
pub mod recording;
mod tiles;
pub mod transcode;
pub mod work;

use work::Family;

/// Every family, in the order shown. A new one is a folder, a `pub mod` line and a line here.
pub static FAMILIES: &[&dyn Family] = &[
    &matmul::MATMUL,
    &convolution::CONVOLUTION,
    &transcode::Transcode,
    &alignment::AlignmentFamily,
    &peak::PEAK,
    &command::Command,
];

/// The family called `name`.
pub fn family(name: &str) -> Option<&'static dyn Family> {
    FAMILIES.iter().copied().find(|f| f.name() == name)
}
