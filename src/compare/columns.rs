//! The columns: which devices of which records, what they are compared with, what an hour costs.

use std::collections::{HashMap, HashSet};

use breakeven_kernels::work::DeviceKind;

use super::interval::USUAL;
use super::{Column, CompareError, Options, Refusal};
use crate::catalog::{Catalog, Sku};
use crate::record::{DeviceEnv, Record, Status};

/// Age in days beyond which a price is flagged.
const STALE_DAYS: i64 = 180;

/// Indices of the records that are of different runs; the same run again is refused.
///
/// # Errors
/// Fewer than two different runs.
pub fn different_runs(
    records: &[(String, Record)],
    refusals: &mut Vec<Refusal>,
) -> Result<Vec<usize>, CompareError> {
    let mut seen: HashMap<&str, &str> = HashMap::new();
    let mut runs = Vec::new();
    for (index, (name, record)) in records.iter().enumerate() {
        let id = record.header.run.id.as_str();
        match seen.get(id) {
            Some(first) => {
                let reason = if first == name {
                    "given twice".to_owned()
                } else {
                    format!("the same run as {first} (run id {id})")
                };
                refusals.push(Refusal { what: name.clone(), case_key: None, reason });
            }
            None => {
                seen.insert(id, name);
                runs.push(index);
            }
        }
    }
    if runs.len() > 1 {
        return Ok(runs);
    }
    let told = match refusals.first() {
        Some(twice) => {
            format!("{}: {}; a record is not compared with itself", twice.what, twice.reason)
        }
        None => "one record alone".to_owned(),
    };
    Err(CompareError::OneRun(format!(
        "{told}; give records of two runs or more (`breakeven report` shows one)"
    )))
}

/// Short names that tell the records apart: what differs in their paths.
pub fn labels(names: &[&str]) -> Vec<String> {
    let bare = |name: &str| {
        let stem = name.strip_suffix(".jsonl").unwrap_or(name);
        stem.strip_suffix("/record").unwrap_or(stem).to_owned()
    };
    let stems: Vec<String> = names.iter().map(|name| bare(name)).collect();
    let common =
        stems.iter().skip(1).fold(stems.first().map_or("", String::as_str), |common, stem| {
            let same =
                common.char_indices().zip(stem.chars()).take_while(|((_, a), b)| a == b).count();
            let end = common.char_indices().nth(same).map_or(common.len(), |(at, _)| at);
            &common[..end]
        });
    let cut = if stems.len() > 1 { common.rfind('/').map_or(0, |at| at + 1) } else { 0 };
    let short: Vec<String> = stems.iter().map(|stem| stem[cut..].to_owned()).collect();
    let distinct: HashSet<&String> = short.iter().collect();
    if distinct.len() == short.len() && short.iter().all(|label| !label.is_empty()) {
        return short;
    }
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// One column a device with rows, in the order of the records.
pub fn columns(
    records: &[(String, Record)],
    runs: &[usize],
    catalog: &Catalog,
    options: &Options,
    refusals: &mut Vec<Refusal>,
) -> Vec<Column> {
    let names: Vec<&str> = runs.iter().map(|run| records[*run].0.as_str()).collect();
    let mut columns = Vec::new();
    for (&run, label) in runs.iter().zip(labels(&names)) {
        let (name, record) = &records[run];
        let measured: HashSet<&str> = record
            .rows
            .iter()
            .filter(|row| row.status != Status::Skipped)
            .map(|row| row.device.as_str())
            .collect();
        for device in record.header.env.devices.iter().filter(|d| measured.contains(&*d.info.id)) {
            if device.info.kind == DeviceKind::SoftwareGpu {
                refusals.push(Refusal {
                    what: format!("{label} {}", device.info.id),
                    case_key: None,
                    reason: format!("{} is a software adapter, not a GPU", device.info.name),
                });
                continue;
            }
            let mut column = column(&label, name, run, record, device);
            set_price(&mut column, record, catalog, options);
            columns.push(column);
        }
    }
    columns
}

fn column(label: &str, name: &str, run: usize, record: &Record, device: &DeviceEnv) -> Column {
    let (run_facts, env) = (&record.header.run, &record.header.env);
    Column {
        label: format!("{label} {}", device.info.id),
        record: name.to_owned(),
        record_index: run,
        device: device.info.id.clone(),
        device_name: device.info.name.clone(),
        gpu: device.info.kind == DeviceKind::Gpu,
        threads: device.info.threads,
        provider: env.provider.clone(),
        sku: env.sku.clone(),
        region: env.region.clone(),
        node: env.node.clone(),
        started_at: run_facts.started_at.clone(),
        tool_version: run_facts.tool_version.clone(),
        commit: run_facts.tool_commit.clone(),
        dirty: run_facts.tool_dirty,
        seed: run_facts.seed,
        env_key: device.env_key.clone(),
        complete: record.footer.as_ref().is_some_and(|footer| footer.complete),
        base: None,
        between_runs: USUAL,
        price: None,
        price_stale: false,
        usd_per_h: None,
        price_note: None,
        alone: 0,
    }
}

/// What an hour of the device costs, or why that is not known.
fn set_price(column: &mut Column, record: &Record, catalog: &Catalog, options: &Options) {
    let Some(name) = &column.sku else {
        column.price_note = Some("VM size unknown; `run --sku NAME` records it".into());
        return;
    };
    let Some(sku) = catalog.sku(column.provider.as_deref(), name) else {
        column.price_note = Some(format!("{name} is not in the catalog"));
        return;
    };
    let Some(price) = sku.price(options.price_kind, options.region.as_deref()) else {
        let region = options.region.as_ref().map(|r| format!(" in {r}")).unwrap_or_default();
        column.price_note = Some(format!("no {} price{region}", options.price_kind.name()));
        return;
    };
    let age = options.today.as_deref().and_then(|today| price.age_days(today));
    column.price_stale = age.is_some_and(|days| days > STALE_DAYS);
    column.price = Some(price.clone());
    match part(column, record, sku) {
        Ok((part, note)) => {
            column.usd_per_h = Some(price.price_usd_per_h * (1.0 - options.discount) * part);
            column.price_note = note;
        }
        Err(why) => column.price_note = Some(why),
    }
}

/// The part of a node's price that the device stands for; the reason where that cannot be said.
fn part(column: &Column, record: &Record, sku: &Sku) -> Result<(f64, Option<String>), String> {
    if !column.gpu {
        let most = record.header.env.devices.iter().filter_map(|d| d.info.threads).max();
        let whole = most.is_none() || column.threads >= most;
        let idle = sku.gpu_model.as_ref().map(|gpu| format!("pays for an idle {gpu}"));
        return if whole {
            Ok((1.0, idle))
        } else {
            Err("not all threads of the VM, which is paid whole".into())
        };
    }
    if column.device_name.contains("MIG") {
        return Err("a MIG instance, which has no price of its own".into());
    }
    match sku.gpu_count {
        _ if !sku.has_gpu() => Err(format!("{} has no GPU in the catalog", sku.name)),
        None => Err(format!("how much of a GPU {} has is unknown", sku.name)),
        Some(count) if count > 1.0 => {
            Ok((1.0 / count, Some(format!("one of {count} GPUs, all taken as busy"))))
        }
        Some(_) => Ok((1.0, None)),
    }
}

/// Sets what each column is compared with.
///
/// # Errors
/// A base that is neither a record nor a column.
pub fn set_bases(columns: &mut [Column], asked: Option<&str>) -> Result<(), CompareError> {
    let Some(first) = columns.first() else { return Ok(()) };
    let of_record = |c: &Column, name: &str| {
        c.record == name || c.label.strip_suffix(&c.device).map(str::trim_end) == Some(name)
    };
    let one = asked.and_then(|name| columns.iter().position(|c| c.label == name));
    let record = match asked {
        Some(name) if one.is_none() => {
            let found = columns.iter().find(|c| of_record(c, name)).map(|c| c.record_index);
            found.ok_or_else(|| CompareError::UnknownBase {
                base: name.to_owned(),
                there: columns.iter().map(|c| format!("`{}`", c.label)).collect(),
            })?
        }
        _ => first.record_index,
    };
    let bases: Vec<Option<usize>> = match one {
        Some(base) => (0..columns.len()).map(|i| (i != base).then_some(base)).collect(),
        None => columns.iter().enumerate().map(|(i, c)| base_in(record, c, i, columns)).collect(),
    };
    for (column, base) in columns.iter_mut().zip(bases) {
        column.base = base;
    }
    Ok(())
}

/// The column of `record` that `column` is compared with: of the same device, else of its CPU with
/// the most threads, else its first.
fn base_in(record: usize, column: &Column, own: usize, columns: &[Column]) -> Option<usize> {
    let here = || columns.iter().enumerate().filter(|(_, c)| c.record_index == record);
    if column.record_index == record {
        // A GPU of the base record stands beside the CPU of that record.
        return most_threads(here()).filter(|cpu| column.gpu && *cpu != own);
    }
    let same = here().find(|(_, c)| c.device == column.device && c.gpu == column.gpu);
    same.map(|(index, _)| index)
        .or_else(|| most_threads(here()))
        .or_else(|| here().next().map(|(index, _)| index))
}

/// The CPU with the most threads.
pub fn most_threads<'a>(columns: impl Iterator<Item = (usize, &'a Column)>) -> Option<usize> {
    let cpus = columns.filter(|(_, c)| !c.gpu);
    cpus.max_by_key(|(index, c)| (c.threads, usize::MAX - index)).map(|(index, _)| index)
}

/// What a reader must know of the columns before the numbers.
pub fn remarks(columns: &[Column], records: &[(String, Record)], runs: &[usize]) -> Vec<String> {
    let mut remarks = Vec::new();
    for &run in runs {
        let (name, record) = &records[run];
        let reason = match &record.footer {
            Some(footer) if footer.complete => continue,
            Some(footer) => footer.reason.as_deref().unwrap_or("no reason given"),
            None => "it crashed or was killed",
        };
        remarks
            .push(format!("{name} is incomplete ({reason}); its rows are compared, marked with *"));
    }
    let program = |c: &Column| (c.tool_version.clone(), c.commit.clone(), c.dirty);
    let two_builds = |(at, column): (usize, &Column)| {
        let same = |base: &&Column| {
            let other_run = base.record_index != column.record_index;
            base.env_key == column.env_key && other_run && program(base) != program(column)
        };
        Some((columns[..at].iter().find(same)?.clone(), column.clone()))
    };
    let sequential = columns.iter().enumerate().find_map(two_builds);
    if let Some((base, column)) = sequential {
        remarks.push(format!(
            "{} and {} are two builds measured one after the other in one environment: that is no \
             gate, because identical builds differ as much from run to run; `breakeven gate \
             --base-ref {}` compares them in turns and knows its error rate",
            base.label,
            column.label,
            base.commit.as_deref().map_or("REV", |c| c.get(..9).unwrap_or(c))
        ));
    }
    let stale = columns.iter().filter(|c| c.price_stale).count();
    if stale > 0 {
        let verb = if stale == 1 { "price is" } else { "prices are" };
        remarks.push(format!(
            "{stale} {verb} older than {STALE_DAYS} days; `breakeven prices refresh` reads today's"
        ));
    }
    remarks
}
