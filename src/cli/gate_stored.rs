//! `gate --judge`: the stored rounds of a gate run, judged again.

use std::fs;
use std::path::Path;

use super::exit::Failure;
use crate::gate::{self, Report, Rules, formats};

/// The report in the file at `path`, judged by `rules` as they are now.
///
/// # Errors
/// A file that cannot be read or is no gate report of this version.
pub fn judged(path: &Path, rules: &Rules) -> Result<Report, Failure> {
    let shown = path.display();
    let text = fs::read_to_string(path).map_err(|error| {
        Failure::usage(format!("--judge {shown}: {error}; give the gate.json of a gate run"))
    })?;
    let mut report = formats::read(&text)
        .map_err(|error| Failure::usage(format!("--judge {shown}: {error}")))?;
    if report.mode != "paired" {
        return Err(Failure::usage(format!(
            "--judge {shown}: it holds no rounds, for it judged a record; give --record and \
             --accepted again"
        )));
    }
    let judgement = gate::judge(&report.measured, rules);
    report.overall = judgement.overall;
    report.headline = judgement.headline;
    report.rows = judgement.rows;
    report.control_ratio = judgement.control_ratio;
    report.false_alarm = judgement.false_alarm;
    report.remarks = judgement.remarks;
    Ok(report)
}
