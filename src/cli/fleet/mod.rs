//! `fleet`: suites on many VM sizes, as Kubernetes Jobs.

use std::io::{self, Write};

use super::args::{FleetArgs, FleetCommand, FleetFileArgs, OutputArgs};
use super::exit::{DONE, Failure, Outcome};
use super::{output, pricing};
use crate::fleet::{self, Fleet, plan};
use crate::report::{Content, Document, Listing, Table};
use crate::store::is_url;
use crate::units::usd;

#[cfg(feature = "fleet")]
mod drive;
#[cfg(feature = "fleet")]
mod ending;
#[cfg(feature = "fleet")]
mod hearing;
#[cfg(feature = "fleet")]
mod home;
#[cfg(feature = "fleet")]
mod ledger;
#[cfg(feature = "fleet")]
mod progress;
#[cfg(feature = "fleet")]
mod run;
#[cfg(feature = "fleet")]
mod start;
mod work;

/// A fleet's file to begin with.
const EXAMPLE: &str = include_str!("../../../suites/fleet-example.toml");
/// Where records go when the file names no store.
const USUAL_STORE: &str = "breakeven-fleet";

/// Does what is asked with a fleet.
pub fn run(args: &FleetArgs, output: &OutputArgs) -> Outcome {
    match &args.command {
        FleetCommand::Plan(args) => {
            let fleet = load(args, output)?;
            check_cap(&fleet, args)?;
            output::emit(&Content::Listing(&planned(&fleet)), output, "fleet-plan")?;
            Ok(DONE)
        }
        FleetCommand::Example => example(output),
        FleetCommand::Work(args) => work::run(args, output),
        #[cfg(feature = "fleet")]
        FleetCommand::Run(args) => run::run(args, output),
        #[cfg(feature = "fleet")]
        FleetCommand::Status(args) => run::status(args, output),
        #[cfg(feature = "fleet")]
        FleetCommand::Collect(args) => run::collect(args, output),
        #[cfg(feature = "fleet")]
        FleetCommand::Delete(args) => run::delete(args, output),
        #[cfg(not(feature = "fleet"))]
        _ => Err(Failure::usage(
            "this build does not speak with Kubernetes; build with `cargo build --release \
             --features fleet`",
        )),
    }
}

fn example(output: &OutputArgs) -> Outcome {
    if let Some(folder) = &output.folder {
        let path = folder.join("fleet.toml");
        if path.exists() {
            return Err(Failure::usage(format!(
                "{} exists and would be lost; give another folder with -o DIR",
                path.display()
            )));
        }
        let file = ("fleet.toml".to_owned(), EXAMPLE.as_bytes().to_vec());
        output::write_all(folder, &[file])?;
        output::remark(output, &format!("wrote {}", path.display()));
        return Ok(DONE);
    }
    let mut out = io::stdout().lock();
    out.write_all(EXAMPLE.as_bytes())
        .and_then(|()| out.flush())
        .map_err(|error| Failure::stdout(&error))?;
    Ok(DONE)
}

/// The fleet in the file, with what is to be known about its sizes on standard error.
fn load(args: &FleetFileArgs, output: &OutputArgs) -> Result<Fleet, Failure> {
    let catalog = pricing::catalog(&args.prices)?.catalog;
    let fleet =
        fleet::parse(&args.file, &catalog).map_err(|error| Failure::usage(error.to_string()))?;
    for target in &fleet.targets {
        let sku = &target.sku;
        if sku.retired() {
            output::remark(output, &format!("warning: {} is retired", sku.name));
        } else if sku.aks == crate::catalog::Aks::Unsupported {
            output::remark(output, &format!("warning: AKS makes no nodes of {}", sku.name));
        }
    }
    if let Some(budget_s) = fleet.suite_budget_s.filter(|s| *s > fleet.max_minutes * 60.0) {
        let note = format!(
            "warning: suite {} is meant to take {:.0} min, and max_minutes = {} cuts it short",
            fleet.suite,
            budget_s / 60.0,
            fleet.max_minutes
        );
        output::remark(output, &note);
    }
    Ok(fleet)
}

/// Refuses a fleet of which one target alone may cost more than all may.
fn check_cap(fleet: &Fleet, args: &FleetFileArgs) -> Result<(), Failure> {
    let dearest = (0..fleet.targets.len())
        .map(|index| (plan::bounds(fleet, index, fleet.repeats).most_usd, index))
        .max_by(|a, b| a.0.total_cmp(&b.0));
    if let Some((most, index)) = dearest.filter(|(most, _)| *most > fleet.max_price_usd) {
        return Err(Failure::usage(format!(
            "{}: max_price_usd = {}: {} alone may take up to {}, with waiting and another round of \
             runs; raise the cap, or lower repeats, max_minutes or pending_minutes",
            args.file.display(),
            fleet.max_price_usd,
            fleet.targets[index].id,
            usd(most)
        )));
    }
    Ok(())
}

/// The plan as a table with its sums.
fn planned(fleet: &Fleet) -> Listing {
    let mut document = Document::default();
    document.heading(1, format!("Plan of fleet {}", fleet.name));
    document.text(in_short(fleet, &vec![fleet.repeats; fleet.targets.len()]));
    let mut table = Table::new(&[
        "target",
        "nodes by",
        ">runs",
        ">USD/h",
        ">expected",
        ">at most",
        ">ends within",
    ]);
    let mut targets = Vec::new();
    for (index, target) in fleet.targets.iter().enumerate() {
        let bounds = plan::bounds(fleet, index, fleet.repeats);
        table.row([
            target.id.clone(),
            format!("{}={}", target.selector.0, target.selector.1),
            fleet.repeats.to_string(),
            usd(target.price_usd_per_h),
            usd(bounds.expected_usd),
            usd(bounds.most_usd),
            format!("{:.0} min", bounds.job_deadline_s / 60.0),
        ]);
        targets.push(serde_json::json!({
            "target": target.id, "sku": target.sku.name, "runs": fleet.repeats,
            "price_usd_per_h": target.price_usd_per_h, "expected_usd": bounds.expected_usd,
            "most_usd": bounds.most_usd, "job_deadline_s": bounds.job_deadline_s,
            "job": serde_json::to_value(job(fleet, index)).unwrap_or_default(),
        }));
    }
    document.table(table);
    let where_to = fleet.store.as_deref().unwrap_or(USUAL_STORE);
    document.text(format!(
        "Records go to {where_to}. Started and cooled-down nodes are counted; \"at most\" has \
         nodes for all the time that Kubernetes gives the job, with waiting and one more round of runs \
         in place of disrupted ones, and each run on a node of its own. A target starts when its most fits under the cap of {} beside what runs and what is spent.",
        usd(fleet.max_price_usd)
    ));
    let sums = plan::sums(fleet, &vec![fleet.repeats; fleet.targets.len()]);
    let data = serde_json::json!({
        "fleet": fleet.name, "suite": fleet.suite, "targets": targets,
        "expected_usd": sums.expected_usd, "most_usd": sums.most_usd,
        "max_price_usd": fleet.max_price_usd,
    });
    Listing { document, data }
}

/// The job of target `index` with all its runs.
fn job(fleet: &Fleet, index: usize) -> k8s_openapi::api::batch::v1::Job {
    let runs: Vec<u32> = (0..fleet.repeats).collect();
    fleet::job::job(fleet, index, &runs, pods_store(fleet))
}

/// The store as pods reach it; `None` where it is a folder here.
fn pods_store(fleet: &Fleet) -> Option<&str> {
    fleet.store.as_deref().filter(|place| is_url(place) && !place.starts_with("file://"))
}

/// Targets, runs, cost and time in a line, of so many runs of each target as are `open`.
fn in_short(fleet: &Fleet, open: &[u32]) -> String {
    let sums = plan::sums(fleet, open);
    let count = |number: usize, word: &str| match number {
        1 => format!("1 {word}"),
        number => format!("{number} {word}s"),
    };
    let runs: u32 = open.iter().sum();
    let targets = open.iter().filter(|runs| **runs > 0).count();
    let what = match runs == fleet.repeats * targets as u32 {
        true => {
            format!("{} × {}", count(targets, "target"), count(fleet.repeats as usize, "run"))
        }
        false => format!("{} left on {}", count(runs as usize, "run"), count(targets, "target")),
    };
    let room = match sums.most_usd > fleet.max_price_usd {
        true => "; not all may start under it",
        false => "",
    };
    format!(
        "{what} of suite {} × ≤ {} min ≈ {}, at most {} of a cap of {}{room}; about {:.0} min",
        fleet.suite,
        fleet.max_minutes,
        usd(sums.expected_usd),
        usd(sums.most_usd),
        usd(fleet.max_price_usd),
        sums.expected_minutes
    )
}
