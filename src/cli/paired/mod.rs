//! `gate` with two programs: rounds of fresh processes, paired.

mod ask;
mod bench;
mod builds;
mod commands;
mod control;
mod drive;
mod executables;
mod journal;
pub mod round;
mod setup;
mod stop;
mod wire;

pub use setup::run;
