//! `advise`: find devices, measure, price, classify, write record and report.

use std::path::Path;

use super::args::{AdviseArgs, OutputArgs};
use super::classify::{self, Loaded};
use super::dossier::{Parts, Sources};
use super::exit::{DONE, Failure, INTERRUPTED, Outcome};
use super::measuring::{self, Measured, Prepared, Sinks};
use super::{machines, output, pricing, reference};
use crate::plan;
use crate::record::Record;
use crate::report::{Content, Verdicts, pictured};
use crate::suite::{self, FolderFiles, Suite};
use crate::workload::Workload;

/// The main job, from devices to verdicts.
pub fn run(args: &AdviseArgs, output: &OutputArgs) -> Outcome {
    let workloads = classify::load(&args.workloads)?;
    // A prices file that cannot be used must be told now, not after a minute of measuring.
    let priced = pricing::catalog(&args.price.prices)?;
    let suite = needed(args, &workloads)?;
    let files = FolderFiles::new(workloads.iter().filter_map(|w| w.folder.clone()));
    let prepared = measuring::prepare(&suite, &files, &args.measure, &[], output)?;
    let gpus = machines::gpu_line(&prepared.probe);
    output::remark(output, &gpus);
    // Made before measuring: what cannot be written must fail now, not in a minute.
    let folder = output::run_folder(output)?;
    let measured = measure(&prepared, &folder, output)?;
    if measured.as_ref().is_some_and(Measured::interrupted) {
        output::remark(output, &format!("stopped; the record in {} is valid", folder.display()));
        return Ok(INTERRUPTED);
    }
    let end = measured.as_ref().map_or(Ok(DONE), Measured::end);
    let mut records: Vec<(String, Record)> =
        measured.into_iter().map(|m| (m.name, m.record)).collect();
    let measured_now = !records.is_empty();
    if let [own] = &records[..] {
        output::save(&Content::Records(std::slice::from_ref(own)), &folder, "measurements")?;
    }
    records.extend(reference::built_in()?);
    let sources = Sources { records: &records, priced: &priced, price: &args.price };
    let parts = Parts::new(&workloads, &sources, false)?;
    let verdicts = parts.verdicts();
    let remarks = [format!("Devices: {gpus}.")];
    let shown = Verdicts {
        verdicts: &verdicts,
        records: &records,
        measured_now,
        remarks: &remarks,
        prices: &priced.sources,
    };
    let content = Content::Verdicts(shown);
    output::save(&content, &folder, "report")?;
    output::write_all(&folder, &pictured(&parts.dossier(&sources, &remarks)))?;
    output::print(&content, output)?;
    let page = folder.join("report.html");
    output::remark(
        output,
        &format!(
            "record and reports are in {}; the page to read is {}",
            folder.display(),
            page.display()
        ),
    );
    let end = end?;
    classify::comparable(&verdicts).map(|()| end)
}

/// The quick suite serves the built-in workloads; named ones bring their own cases.
fn needed(args: &AdviseArgs, workloads: &[Loaded]) -> Result<Suite, Failure> {
    if args.workloads.is_empty() {
        return suite::load("quick").map_err(|error| Failure::internal(error.to_string()));
    }
    let workloads: Vec<Workload> = workloads.iter().map(|w| w.workload.clone()).collect();
    Ok(plan::suite_of(&workloads))
}

/// Measures what there is; a workload of waiting and reading alone needs no measurement.
fn measure(
    prepared: &Prepared,
    folder: &Path,
    output: &OutputArgs,
) -> Result<Option<Measured>, Failure> {
    if prepared.plan.jobs.is_empty() && !prepared.plan.skips.is_empty() {
        return Err(Failure::incomparable(format!(
            "nothing can be measured: {}; `breakeven classify` judges without measuring",
            prepared.why_empty()
        )));
    }
    if prepared.plan.jobs.is_empty() {
        output::remark(output, &format!("nothing to measure: {}", prepared.why_empty()));
        return Ok(None);
    }
    let sinks = Sinks { folder: Some(folder), ..Sinks::default() };
    measuring::measure(prepared, &sinks, output).map(Some)
}
