//! The verdict: which kind of node a workload should target, with reasons, probability and money.
//! Closed form; no disk, clock or printing.

mod verdict;

pub use verdict::*;
