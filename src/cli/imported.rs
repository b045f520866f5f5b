//! `classify --imported`: verdicts on measurements made by others.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::args::{ClassifyArgs, OutputArgs, ProviderArg};
use super::exit::{DONE, Failure, Outcome};
use super::{classify, output, pricing, what_if};
use crate::catalog::Catalog;
use crate::classify::{Options, Verdict, classify_imported};
use crate::cost::imported::{Imported, workloads};
use crate::cost::leave_one_out::leave_one_out;
use crate::import::{ImportError, Table};
use crate::report::{self, Content, Verdicts};
use crate::units::of_unit;
use crate::workload::{self, Workload};

/// Jobs a day of a workload that nothing else is known of.
const JOBS_PER_DAY: f64 = 10_000.0;
/// Left-out rows that are told one by one.
const TOLD: usize = 5;

/// Judges the workloads of the files, or shows how well their sizes predict each other.
pub fn run(args: &ClassifyArgs, output: &OutputArgs) -> Outcome {
    let priced = pricing::catalog(&args.price.prices)?;
    let mut catalog = priced.catalog;
    let options = classify::options(&args.price, ProviderArg::All, &catalog)?;
    what_if::prices(&args.price.what_if, &mut catalog, &options)?;
    let mut table = read(&args.imported.files)?;
    let mut remarks = checked(&mut table, &catalog, args.imported.skip_invalid)?;
    remarks.extend(others_left_out(&mut table, &options));
    let mut measured = workloads(&table.rows);
    if measured.is_empty() {
        let step = "mend the rows, or choose another --provider";
        return Err(none_left("--imported: ", step, &remarks));
    }
    let given = given(&args.workloads, &mut measured)?;
    remarks.push(counted(&table, &measured));
    if args.imported.leave_one_sku_out {
        return left_out(&measured, &catalog, &options, output, &remarks);
    }
    let verdicts: Vec<Verdict> = measured
        .iter()
        .zip(&given)
        .map(|(imported, given)| {
            let asked = demand(imported, given.as_ref(), args, &mut remarks)?;
            let mut verdict = classify_imported(imported, &asked, &catalog, &options);
            if !args.explain {
                verdict.explain.clear();
            }
            Ok(verdict)
        })
        .collect::<Result<_, Failure>>()?;
    let shown = Verdicts {
        verdicts: &verdicts,
        records: &[],
        measured_now: false,
        remarks: &remarks,
        prices: &priced.sources,
    };
    output::emit(&Content::Verdicts(shown), output, "report")?;
    classify::settled(&verdicts, args.expect)
}

/// A complaint of the reader.
pub fn refused(error: ImportError) -> Failure {
    match error {
        ImportError::Io { .. } | ImportError::Unusable { .. } | ImportError::Refused { .. } => {
            Failure::usage(error.to_string())
        }
    }
}

/// No row can be used: `left_out` says why.
pub fn none_left(option: &str, step: &str, left_out: &[String]) -> Failure {
    let why = left_out.join(" ");
    Failure::incomparable(format!("{option}no measurement is left; {step}. {why}"))
}

/// What was read: rows, workloads and sizes.
fn counted(table: &Table, measured: &[Imported]) -> String {
    let plural =
        |n: usize, one: &str| if n == 1 { format!("1 {one}") } else { format!("{n} {one}s") };
    let all = measured.iter().flat_map(|m| &m.sizes);
    let sizes: BTreeSet<(&str, &str)> = all.map(|s| (&*s.provider, &*s.sku)).collect();
    format!(
        "Imported: {} of {} on {}.",
        plural(table.rows.len(), "measurement"),
        plural(measured.len(), "workload"),
        plural(sizes.len(), "size")
    )
}

fn read(paths: &[PathBuf]) -> Result<Table, Failure> {
    let today = pricing::today();
    let mut all = Table::default();
    for path in paths {
        all.append(Table::read(path, &today).map_err(refused)?);
    }
    Ok(all)
}

/// Holds the rows to the catalog and to each other; with `skip_invalid`, says what is left out.
///
/// # Errors
/// A row that cannot be used, unless such are skipped; rows of a workload that do not fit together.
pub fn checked(
    table: &mut Table,
    catalog: &Catalog,
    skip_invalid: bool,
) -> Result<Vec<String>, Failure> {
    table.check_sizes(catalog);
    if !skip_invalid {
        table.whole().map_err(refused)?;
    }
    table.check_units().map_err(refused)?;
    let number = table.refused.len();
    if number == 0 {
        return Ok(Vec::new());
    }
    let told: Vec<String> =
        table.refused.iter().take(TOLD).map(|r| format!("{}: {}", r.place, r.problem)).collect();
    let more = if number > TOLD { format!("; {} more", number - TOLD) } else { String::new() };
    Ok(vec![format!(
        "Left out by --skip-invalid: {number} of {} measurements ({}{more}).",
        number + table.rows.len(),
        told.join("; ")
    )])
}

/// Takes the rows of providers that were not asked for out, and says so.
fn others_left_out(table: &mut Table, options: &Options) -> Option<String> {
    let provider = options.provider.as_deref()?;
    let before = table.rows.len();
    table.rows.retain(|row| row.provider == provider);
    let left_out = before - table.rows.len();
    (left_out > 0)
        .then(|| format!("Left out by --provider {provider}: {left_out} of {before} measurements."))
}

/// Keeps of `measured` what `names` ask for (all, where they ask for nothing), in their order, and
/// gives for each the workload file or built-in workload that was named.
fn given(names: &[String], measured: &mut Vec<Imported>) -> Result<Vec<Option<Workload>>, Failure> {
    if names.is_empty() {
        return Ok(vec![None; measured.len()]);
    }
    let (mut kept, mut workloads) = (Vec::new(), Vec::new());
    for name in names {
        let plain = measured.iter().any(|m| &m.workload == name) && !lends_demand(name);
        let given = match plain {
            true => None,
            false => Some(load(name)?),
        };
        let called = |m: &&Imported| {
            &m.workload == name || given.as_ref().is_some_and(|w| w.name == m.workload)
        };
        let Some(found) = measured.iter().find(called) else {
            let known: Vec<&str> = measured.iter().map(|m| m.workload.as_str()).collect();
            return Err(Failure::usage(format!(
                "no measurement of workload {} was imported; there is {}",
                given.as_ref().map_or(name.as_str(), |w| &w.name),
                known.join(", ")
            )));
        };
        kept.push(found.clone());
        workloads.push(given);
    }
    *measured = kept;
    Ok(workloads)
}

/// Whether a name is that of a built-in workload or of a workload file.
fn lends_demand(name: &str) -> bool {
    let file = Path::new(name).extension().is_some_and(|extension| extension == "toml");
    file || workload::BUILT_IN.iter().any(|(built_in, _)| *built_in == name)
}

fn load(name: &str) -> Result<Workload, Failure> {
    workload::load(name).map_err(|error| Failure::usage(error.to_string()))
}

/// The workload whose demand `imported` is judged at.
fn demand(
    imported: &Imported,
    given: Option<&Workload>,
    args: &ClassifyArgs,
    remarks: &mut Vec<String>,
) -> Result<Workload, Failure> {
    let name = &imported.workload;
    let named = match given {
        Some(workload) => Some(workload.clone()),
        None => match beside(name, &args.imported.files) {
            Some(path) => Some(load(&path)?),
            None if lends_demand(name) => Some(load(name)?),
            None => None,
        },
    };
    let job = imported.units_per_job.unwrap_or(1.0);
    let counted = format!("a job is {}", of_unit(job, &imported.unit));
    let asked = args.price.what_if.jobs_per_day;
    let Some(mut workload) = named else {
        let jobs_per_day = asked.unwrap_or(JOBS_PER_DAY);
        if asked.is_none() {
            remarks.push(format!(
                "{name}: {} a day are assumed, and {counted}; --jobs-per-day N or \
                 a workload file of that name says otherwise.",
                of_unit(jobs_per_day, "job")
            ));
        }
        let mut workload = nameless(name, jobs_per_day)?;
        workload.summary = format!("Measured by others; {counted}.");
        return Ok(workload);
    };
    if imported.units_per_job.is_none() {
        return Err(Failure::usage(format!(
            "workload {name}: its demand counts jobs, and the measurements count by {}: fill in \
             the column units_per_job",
            imported.unit
        )));
    }
    workload.demand.jobs_per_day = asked.unwrap_or(workload.demand.jobs_per_day);
    workload.summary =
        format!("{} Measured by others; {counted}.", workload.summary).trim().to_owned();
    Ok(workload)
}

/// A workload of which only the demand is known, with the defaults of a workload file for the rest.
fn nameless(name: &str, jobs_per_day: f64) -> Result<Workload, Failure> {
    let text = format!("[[stage]]\nserial_cpu_s = 1\n[demand]\njobs_per_day = {jobs_per_day:?}\n");
    workload::parse(&text, name, name).map_err(|error| Failure::usage(error.to_string()))
}

/// The workload file `name` or `name`.toml beside the first of `files` that has it there.
fn beside(name: &str, files: &[PathBuf]) -> Option<String> {
    let file_name = match Path::new(name).extension() {
        Some(extension) if extension == "toml" => name.to_owned(),
        _ => format!("{name}.toml"),
    };
    files
        .iter()
        .filter_map(|file| Some(file.parent()?.join(&file_name)))
        .find(|path| path.is_file())
        .map(|path| path.display().to_string())
}

/// Shows the errors of predicting each size from the others.
fn left_out(
    measured: &[Imported],
    catalog: &Catalog,
    options: &Options,
    output: &OutputArgs,
    remarks: &[String],
) -> Outcome {
    let usd_per_h = |sku: &crate::catalog::Sku| {
        let price = sku.price(options.price_kind, options.region.as_deref())?;
        Some(price.price_usd_per_h * (1.0 - options.discount))
    };
    let errors = leave_one_out(measured, catalog, usd_per_h);
    for remark in remarks {
        output::remark(output, remark);
    }
    let listing = report::leave_one_out(&errors);
    output::emit(&Content::Listing(&listing), output, "leave-one-sku-out")?;
    if errors.predictions.is_empty() {
        return Err(Failure::incomparable(
            "--leave-one-sku-out: no size can be predicted; each workload needs two sizes of one \
             kind of device",
        ));
    }
    Ok(DONE)
}
