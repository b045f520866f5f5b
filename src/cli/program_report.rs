//! What `measure` says: times, throughput, cost of a unit here, and what to do next.

use std::path::Path;

use serde_json::{Value, json};

use super::exit::Failure;
use super::program_args::ProgramArgs;
use crate::catalog::{Catalog, Price, PriceKind};
use crate::record::{Record, Row, Status, Time};
use crate::report::{Document, Listing, Table, Tone, machine};
use crate::units::{bytes, plural, seconds, si, usd};

/// Share of the threads below which a CPU command leaves some idle.
const BUSY: f64 = 0.75;
/// Numbers of units whose cost is told: the first that costs a cent or more.
const LOTS: [f64; 4] = [1.0, 1e3, 1e6, 1e9];

/// The report on a record of commands.
///
/// # Errors
/// A damaged catalog.
pub fn listing(record: &Record, args: &ProgramArgs, folder: &Path) -> Result<Listing, Failure> {
    let catalog = Catalog::embedded().map_err(|error| Failure::internal(error.to_string()))?;
    let price = price(record, &catalog);
    let mut document = Document::default();
    document.heading(1, format!("Your own program on {}", machine(record)));
    let mut table = Table::new(&[
        "command",
        ">one run",
        ">throughput",
        ">CPU-seconds",
        ">memory",
        "checked by",
        ">cost",
    ]);
    let measured = record.rows.iter().filter_map(|row| Some((row, timed(row)?)));
    for (row, time) in measured.clone() {
        table.row([
            format!("{} ({})", side(row), device_name(record, row)),
            format!(
                "{} ({} to {})",
                seconds(time.median_s),
                seconds(time.ci95_lo_s),
                seconds(time.ci95_hi_s)
            ),
            throughput(row, time),
            row.host_cpu_s.map_or_else(unknown, seconds),
            row.peak_memory_bytes.map_or_else(unknown, |b| bytes(b as f64)),
            row.check.as_ref().map_or_else(unknown, |check| check.method.clone()),
            price.map_or_else(unknown, |price| cost(row, time, price)),
        ]);
    }
    document.table(table);
    if let Some(price) = price {
        document.text(format!(
            "Cost on a node that is never idle, at {} an hour ({}, {}, {}).",
            usd(price.price_usd_per_h),
            price.kind.name(),
            price.region,
            price.as_of
        ));
    }
    if let Some(startup_s) = record.rows.iter().find_map(|r| r.process.as_ref()?.startup_s) {
        let took = seconds(startup_s);
        document.text(format!("Starting an empty process takes {took} here; it is in every time."));
    }
    for row in record.rows.iter().filter(|row| timed(row).is_none()) {
        let tone = if row.status == Status::Skipped { Tone::Plain } else { Tone::Warning };
        let reason = row.reason.as_deref().unwrap_or("no reason given");
        document.stressed(tone, format!("Not measured: {}: {reason}.", side(row)));
    }
    let next = next_steps(record, args, folder, price.is_some());
    if !next.is_empty() {
        document.heading(2, "Next");
        document.list(next);
    }
    let rows: Vec<Value> = record.rows.iter().map(|row| data(record, row, price)).collect();
    let data = json!({ "case_key": record.rows.first().map(|r| &r.case_key), "commands": rows });
    Ok(Listing { document, data })
}

fn unknown() -> String {
    "–".to_owned()
}

/// The time of a verified row.
fn timed(row: &Row) -> Option<&Time> {
    row.times.end_to_end.as_ref().filter(|_| row.status == Status::Ok)
}

fn side(row: &Row) -> &'static str {
    if row.implementation.ends_with("/gpu") { "GPU" } else { "CPU" }
}

fn device_name<'r>(record: &'r Record, row: &Row) -> &'r str {
    let devices = &record.header.env.devices;
    devices.iter().find(|d| d.info.id == row.device).map_or("none", |d| d.info.name.as_str())
}

fn throughput(row: &Row, time: &Time) -> String {
    let per_s = |time_s: f64| row.work.items / time_s;
    let unit = format!("{}/s", row.work.item_unit);
    format!(
        "{} ({} to {})",
        si(per_s(time.median_s), &unit),
        si(per_s(time.ci95_hi_s), "").trim_end(),
        si(per_s(time.ci95_lo_s), "").trim_end()
    )
}

/// On-demand price of the record's VM size: in its region, else in the cheapest known one.
fn price<'c>(record: &Record, catalog: &'c Catalog) -> Option<&'c Price> {
    let env = &record.header.env;
    let sku = catalog.sku(env.provider.as_deref(), env.sku.as_deref()?)?;
    let here =
        env.region.as_deref().and_then(|region| sku.price(PriceKind::Ondemand, Some(region)));
    here.or_else(|| sku.price(PriceKind::Ondemand, None))
}

/// USD of one unit at full load.
fn usd_per_unit(row: &Row, time: &Time, price: &Price) -> f64 {
    price.price_usd_per_h / 3600.0 * time.median_s / row.work.items
}

fn cost(row: &Row, time: &Time, price: &Price) -> String {
    let each = usd_per_unit(row, time, price);
    let lot = LOTS.into_iter().find(|lot| each * lot >= 0.01).unwrap_or(LOTS[3]);
    let count = match lot {
        1.0 => String::new(),
        1e3 => "1,000 ".into(),
        1e6 => "million ".into(),
        _ => "billion ".to_owned(),
    };
    let unit = &row.work.item_unit;
    let unit = if lot > 1.0 { plural(unit) } else { unit.clone() };
    format!("{} a {count}{unit}", usd(each * lot))
}

/// Share of the machine's threads that a CPU command kept busy.
fn busy(record: &Record, row: &Row) -> Option<f64> {
    let devices = &record.header.env.devices;
    let threads = devices.iter().find(|d| d.info.id == row.device)?.info.threads?;
    Some(row.host_cpu_s? / timed(row)?.median_s / f64::from(threads))
}

fn next_steps(record: &Record, args: &ProgramArgs, folder: &Path, priced: bool) -> Vec<String> {
    let mut next = Vec::new();
    let cpu = |row: &&Row| timed(row).is_some() && side(row) == "CPU";
    if let Some(row) = record.rows.iter().find(cpu)
        && let Some(busy) = busy(record, row).filter(|busy| *busy < BUSY)
    {
        next.push(format!(
            "The CPU command kept {:.0} % of the threads busy. {{threads}} in it is their number; \
             a verdict counts what is idle as perhaps useful to a second copy.",
            busy * 100.0
        ));
    }
    let unchecked = |row: &&Row| row.check.as_ref().is_some_and(|c| c.method == "exit-status");
    if let Some(row) = record.rows.iter().find(unchecked)
        && let Some(digest) = row.process.as_ref().and_then(|p| p.output_sha256.as_deref())
    {
        next.push(format!(
            "Nothing but the exit status was checked, so a wrong output would pass. If this one \
             was right: --check-sha256 {digest}; or --check CMD."
        ));
    }
    if record.header.env.sku.is_none() {
        let name = "The VM size of this machine is not known: --sku NAME says it";
        next.push(format!("{name}, and without it no verdict can use these times."));
    } else if !priced {
        next.push("No price of this VM size is known; --prices of classify takes yours.".into());
    }
    next.extend(several_gpus(record));
    let gpu = |row: &&Row| side(row) == "GPU" && row.status == Status::Skipped;
    match (&args.gpu, record.rows.iter().any(|row| gpu(&row))) {
        (None, _) => next.push("For a GPU, add its command: --gpu CMD.".into()),
        (Some(_), true) => next.push(
            "Run the same command line on a GPU size: the GPU command is measured there.".into(),
        ),
        (Some(_), false) => {}
    }
    let records = folder.display();
    next.push(match &args.workload {
        Some(path) => format!(
            "With records of both kinds of node: breakeven classify {} --records {records} \
             --records OTHER",
            path.display()
        ),
        None => "--workload OUT.toml writes a workload file, which classify judges.".to_owned(),
    });
    next
}

/// A word on machines with more than one GPU: a command sees all of them.
fn several_gpus(record: &Record) -> Option<String> {
    let features = record.header.env.devices.iter().flat_map(|d| &d.info.features);
    let count = features.filter_map(|f| f.strip_prefix("gpus=")?.parse::<u32>().ok()).max()?;
    (count > 1).then(|| {
        format!(
            "The GPU command saw {count} GPUs: say in the workload how many a run uses \
             (gpus_per_job), or hide the others (--env CUDA_VISIBLE_DEVICES=0)."
        )
    })
}

/// A row for programs.
fn data(record: &Record, row: &Row, price: Option<&Price>) -> Value {
    let time = timed(row);
    let per_s = |of: fn(&Time) -> f64| time.map(|t| row.work.items / of(t));
    let process = row.process.as_ref();
    json!({
        "implementation": row.implementation,
        "device": row.device,
        "device_name": device_name(record, row),
        "status": row.status,
        "reason": row.reason,
        "unit": row.work.item_unit,
        "units": row.work.items,
        "median_s": time.map(|t| t.median_s),
        "ci95_lo_s": time.map(|t| t.ci95_lo_s),
        "ci95_hi_s": time.map(|t| t.ci95_hi_s),
        "runs": time.map(|t| t.samples_s.len()),
        "units_per_s": per_s(|t| t.median_s),
        "units_per_s_lo": per_s(|t| t.ci95_hi_s),
        "units_per_s_hi": per_s(|t| t.ci95_lo_s),
        "cpu_s": row.host_cpu_s.filter(|_| time.is_some()),
        "startup_s": process.and_then(|p| p.startup_s),
        "peak_memory_bytes": row.peak_memory_bytes.filter(|_| process.is_some()),
        "check": row.check.as_ref().map(|c| &c.method),
        "output_sha256": process.and_then(|p| p.output_sha256.as_deref()),
        "output_bytes": process.and_then(|p| p.output_bytes),
        "price_usd_per_h": price.map(|p| p.price_usd_per_h),
        "usd_per_unit": time.zip(price).map(|(t, p)| usd_per_unit(row, t, p)),
    })
}
