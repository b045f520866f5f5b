//! `run`: measure a suite and write the record.

use super::args::{FormatArg, OutputArgs, RunArgs};
use super::exit::{DONE, Failure, Outcome};
use super::measuring::{self, Prepared, Sinks};
use super::output;
use super::paired::round;
use crate::plan::Plan;
use crate::report::{Content, Document, Listing, Table};
use crate::suite::{self, FolderFiles};

/// Measures; with `--dry-run` only says what would be measured.
pub fn run(args: &RunArgs, output: &OutputArgs) -> Outcome {
    if let Some(order) = &args.round {
        return round::run(order, args, output);
    }
    let suite = suite::load(&args.suite).map_err(|error| Failure::usage(error.to_string()))?;
    let files = FolderFiles::new(suite.folder.clone());
    let prepared = measuring::prepare(&suite, &files, &args.measure, &args.implementation, output)?;
    if args.dry_run {
        output::print(&Content::Listing(&planned(&suite.name, &prepared.plan)), output)?;
        return Ok(DONE);
    }
    if prepared.plan.jobs.is_empty() {
        let why = prepared.why_empty();
        return Err(Failure::incomparable(format!("nothing can be measured: {why}")));
    }
    measure(args, output, &prepared)
}

fn measure(args: &RunArgs, output: &OutputArgs, prepared: &Prepared) -> Outcome {
    let lines = matches!(output.format, FormatArg::Json | FormatArg::Jsonl);
    // With the lines on standard output the caller has the record; else it must not be lost.
    let folder = match (&output.folder, lines) {
        (None, true) => None,
        _ => Some(output::run_folder(output)?),
    };
    let sinks = Sinks { folder: folder.as_deref(), stdout: lines, keep: args.keep.as_deref() };
    let measured = measuring::measure(prepared, &sinks, output)?;
    let named = [(measured.name.clone(), measured.record.clone())];
    let content = Content::Records(&named);
    if let Some(folder) = &folder {
        output::save(&content, folder, "report")?;
        output::remark(output, &format!("record and report are in {}", folder.display()));
    }
    if !lines {
        output::print(&content, output)?;
    }
    measured.end()
}

/// The plan as a listing.
fn planned(suite: &str, plan: &Plan) -> Listing {
    let mut document = Document::default();
    document.heading(1, format!("Plan of suite {suite}: {} measurements", plan.jobs.len()));
    let mut table = Table::new(&["case", "device", "implementation", "reason"]);
    for job in &plan.jobs {
        let name = job.implementation.name.to_owned();
        table.row([job.case_key.clone(), job.device.clone(), name, String::new()]);
    }
    for skip in &plan.skips {
        let reason = format!("skipped: {}", skip.reason);
        let name = skip.implementation.to_owned();
        table.row([skip.case_key.clone(), skip.device.clone(), name, reason]);
    }
    document.table(table);
    let job = |job: &crate::plan::Job| {
        serde_json::json!({
            "case_key": job.case_key, "device": job.device,
            "implementation": job.implementation.name,
        })
    };
    let skip = |skip: &crate::plan::Skip| {
        serde_json::json!({
            "case_key": skip.case_key, "device": skip.device,
            "implementation": skip.implementation, "reason": skip.reason,
        })
    };
    let data = serde_json::json!({
        "suite": suite,
        "jobs": plan.jobs.iter().map(job).collect::<Vec<_>>(),
        "skips": plan.skips.iter().map(skip).collect::<Vec<_>>(),
    });
    Listing { document, data }
}
