//! `report`: records and what follows from them as text, Markdown, JSON, CSV and, with `-o`, as a
//! page with pictures.

use super::args::{FormatArg, OutputArgs, ReportArgs};
use super::dossier::{Parts, Sources};
use super::exit::{DONE, Failure, Outcome};
use super::{classify, output, pricing, reference};
use crate::report::{Content, bundle};

/// Records up to which the text beside a written report shows every row; of more, the short form.
const ONE_BY_ONE: usize = 3;

/// Reads the records, judges the workloads and writes the report.
pub fn run(args: &ReportArgs, output: &OutputArgs) -> Outcome {
    let asked = !args.workload.is_empty();
    let alone = output.folder.is_none() && !asked && output.format != FormatArg::Html;
    let records = match alone {
        true => reference::load(&args.records)?,
        false => reference::load_many(&args.records)?,
    };
    if records.iter().all(|(_, record)| record.rows.is_empty()) {
        return Err(Failure::incomparable(
            "the records hold no rows; measure with `breakeven run`",
        ));
    }
    if alone {
        output::print(&Content::Records(&records), output)?;
        return Ok(DONE);
    }
    let workloads = classify::load(&args.workload)?;
    let priced = pricing::catalog(&args.price.prices)?;
    let sources = Sources { records: &records, priced: &priced, price: &args.price };
    let parts = Parts::new(&workloads, &sources, !asked)?;
    let dossier = parts.dossier(&sources, &[]);
    if let Some(folder) = &output.folder {
        bundle(&dossier, |name, part| output::write_one(folder, name, part))?;
        let told = folder.join("report");
        output::remark(
            output,
            &format!("wrote {}.{{html,md,json,csv}} and figures", told.display()),
        );
    }
    let in_short = asked || records.len() > ONE_BY_ONE || output.format == FormatArg::Html;
    let content = if in_short { Content::Dossier(&dossier) } else { Content::Records(&records) };
    output::print(&content, output)?;
    Ok(DONE)
}
