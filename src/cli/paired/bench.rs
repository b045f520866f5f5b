//! What both kinds of arms have in common: units that run, and what comes of a round.

use serde_json::json;

use super::commands::Commands;
use super::control::Control;
use super::executables::Executables;
use super::journal::Journal;
use super::stop::Stop;
use crate::cli::exit::Failure;
use crate::gate::{Arm, Fault, MetricClass, RowId};
use crate::stats;

/// Both arms, base first.
pub const ARMS: [Arm; 2] = [Arm::Base, Arm::Cand];

/// What runs as one: a job of a suite, or a command. It has a row for each metric.
#[derive(Debug, Clone)]
pub struct Unit {
    /// Its rows, with the sort of number.
    pub rows: Vec<(RowId, MetricClass)>,
    /// Units of the same group are of one case and stay together.
    pub group: usize,
    /// What was wrong with it before the rounds.
    pub fault: Option<(Arm, Fault)>,
}

/// One number of an arm in a round.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Value {
    /// What stands for the round's samples, in seconds.
    pub time_s: f64,
    /// The same in cycles of the device, where its clock is known.
    pub cycles: Option<f64>,
}

/// Why an arm gave no numbers for a unit.
#[derive(Debug, Clone, PartialEq)]
pub enum Trouble {
    /// It went wrong.
    Fault(Fault),
    /// Everything had to stop.
    Cut,
}

/// What an arm gave for a unit: a value for each of its rows.
pub type Got = Result<Vec<Value>, Trouble>;

/// What a round gave.
pub struct RoundGot {
    /// Unit, and what base and candidate gave.
    pub units: Vec<(usize, [Got; 2])>,
    /// Median of the control beside base and candidate, in seconds.
    pub control: [f64; 2],
}

/// What a round is called in the journal.
#[derive(Debug, Clone, Copy)]
pub struct Name {
    /// `calibrate`, `trial`, `screen`, `confirm`.
    pub stage: &'static str,
    /// From 1, through screening and confirming.
    pub round: u32,
}

/// What running takes beside the arms.
pub struct Tools {
    /// When to stop.
    pub stop: Stop,
    /// Where everything is kept.
    pub journal: Journal,
    /// The control case.
    pub control: Control,
}

/// The two kinds of arms.
pub enum Bench {
    /// Executables of breakeven, on a suite.
    Executables(Box<Executables>),
    /// Any commands.
    Commands(Commands),
}

impl Bench {
    /// Decides how often everything is executed, by the base alone, and tries the candidate once.
    ///
    /// # Errors
    /// Usage, a base that gives nothing, a full disk.
    pub fn prepare(&mut self, tools: &mut Tools) -> Result<Vec<Unit>, Failure> {
        match self {
            Self::Executables(arms) => arms.prepare(tools),
            Self::Commands(arms) => arms.prepare(tools),
        }
    }

    /// One round of `units`, in that order, `first` before the other.
    ///
    /// # Errors
    /// A full disk.
    pub fn round(
        &mut self,
        name: Name,
        first: Arm,
        units: &[usize],
        tools: &mut Tools,
    ) -> Result<RoundGot, Failure> {
        let mut control = [Vec::new(), Vec::new()];
        let units = match self {
            Self::Executables(arms) => arms.round(name, first, units, tools, &mut control)?,
            Self::Commands(arms) => arms.round(name, first, units, tools, &mut control)?,
        };
        let median = |looks: &[f64]| stats::median(looks).unwrap_or(f64::NAN);
        tools.journal.note(&json!({
            "stage": name.stage, "round": name.round, "first": first,
            "control_s": { "base": control[0], "cand": control[1] },
        }))?;
        Ok(RoundGot { units, control: [median(&control[0]), median(&control[1])] })
    }

    /// Sentences about what was not compared.
    pub fn remarks(&self) -> Vec<String> {
        match self {
            Self::Executables(arms) => arms.remarks().to_vec(),
            Self::Commands(arms) => arms.remarks().to_vec(),
        }
    }

    /// The machine in words.
    pub fn machine(&self) -> String {
        match self {
            Self::Executables(arms) => arms.machine(),
            Self::Commands(arms) => arms.machine(),
        }
    }
}

/// The arm's place in arrays: base first.
pub fn place(arm: Arm) -> usize {
    usize::from(arm == Arm::Cand)
}

/// The other arm.
pub fn other(arm: Arm) -> Arm {
    if arm == Arm::Base { Arm::Cand } else { Arm::Base }
}

/// What messages call the arm.
pub fn word(arm: Arm) -> &'static str {
    if arm == Arm::Base { "base" } else { "candidate" }
}
