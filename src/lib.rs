//! breakeven: from one measured computation to a verdict on GPU nodes.
//!
//! Modules in reading order; data flows one way:
//! suite → plan → measure (on a backend) → record → cost → classify → report | gate |
//! placement.

pub mod host;
pub mod stats;
pub mod units;

pub mod backend;
pub mod measure;
pub mod plan;
pub mod suite;
pub mod workload;

pub mod import;
pub mod record;

pub mod catalog;
pub mod classify;
pub mod compare;
pub mod cost;
pub mod prices;
pub mod report;

pub mod gate;
pub mod placement;

pub mod fleet;
pub mod store;

pub mod cli;
