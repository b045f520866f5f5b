//! `gate`.

use super::args::{GateArgs, OutputArgs};
use super::exit::Outcome;
use super::gate_report::Findings;
use super::{gate_history, gate_stored, paired};
use crate::gate::{Machine, Rules};

/// Compares and holds the findings to the caller's rules.
pub fn run(args: &GateArgs, output: &OutputArgs) -> Outcome {
    let findings = Findings::new(&args.findings, output)?;
    let mut rules = Rules::new(Machine::Shared);
    rules.margins.extend(args.pair.margin.iter().copied());
    if let Some(path) = &args.judge {
        return findings.finish(gate_stored::judged(path, &rules)?, false);
    }
    if let (Some(record), Some(accepted)) = (&args.history.record, &args.history.accepted) {
        let (report, environment) = gate_history::judged(record, accepted, &rules)?;
        return findings.finish(report, environment);
    }
    paired::run(args, &findings, output, &rules)
}
