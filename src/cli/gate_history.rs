//! `gate --record … --accepted …`: a record against the accepted ones of its environment.

use std::collections::BTreeSet;
use std::path::Path;

use super::exit::Failure;
use super::reference;
use crate::gate::{self, Report, Rules};
use crate::record::environment::differences;
use crate::record::{DeviceEnv, Record, Status};

/// Differing fields told of a device.
const FIELDS: usize = 12;

/// The record at `path` judged against those in `accepted`; true where they are all of other
/// environments, and nothing was compared.
///
/// # Errors
/// A file that is no record of this version; a record that is incomplete; a folder without records.
pub fn judged(path: &Path, accepted: &Path, rules: &Rules) -> Result<(Report, bool), Failure> {
    let (name, record) = one(path)?;
    let baseline = baseline(accepted)?;
    let mut report = gate::history(std::slice::from_ref(&record), &baseline, rules);
    let shown = accepted.display();
    report.base.name = format!("{} in {shown}", report.base.name);
    report.cand.name = name;
    let devices = measured_devices(&record);
    let strange = |device: &&DeviceEnv| !baseline.iter().any(|b| has_key(b, &device.env_key));
    let strangers: Vec<&DeviceEnv> = devices.iter().copied().filter(strange).collect();
    let all = !devices.is_empty() && strangers.len() == devices.len();
    if all {
        report.headline = format!(
            "no accepted record in {shown} is of this environment; promote a record of it, or \
             measure where they were measured"
        );
    }
    for device in strangers {
        report.remarks.extend(stranger(device, &record, &baseline));
    }
    Ok((report, all))
}

/// The record to judge.
fn one(path: &Path) -> Result<(String, Record), Failure> {
    let mut records = reference::load(&[path.to_path_buf()])?;
    let shown = path.display();
    if records.len() > 1 {
        return Err(Failure::usage(format!(
            "--record {shown}: {} records in this folder; give one file",
            records.len()
        )));
    }
    let Some((name, record)) = records.pop() else {
        return Err(Failure::usage(format!("--record {shown}: no record")));
    };
    let complete = record.footer.as_ref().is_some_and(|footer| footer.complete);
    if !complete {
        return Err(Failure::incomparable(format!(
            "--record {name}: the record is incomplete, so it is not judged; measure again"
        )));
    }
    Ok((name, record))
}

/// The accepted records, the oldest first.
fn baseline(folder: &Path) -> Result<Vec<Record>, Failure> {
    let shown = folder.display();
    if !folder.is_dir() {
        return Err(Failure::incomparable(format!(
            "--accepted {shown}: no such folder; `breakeven promote RECORD --accepted {shown}` makes it"
        )));
    }
    let mut records = Vec::new();
    for (name, record) in reference::load(&[folder.to_path_buf()])? {
        if !record.footer.as_ref().is_some_and(|footer| footer.complete) {
            return Err(Failure::usage(format!(
                "--accepted: {name} is incomplete and cannot be a baseline; remove it"
            )));
        }
        records.push(record);
    }
    records.sort_by(|a, b| a.header.run.started_at.cmp(&b.header.run.started_at));
    Ok(records)
}

/// The devices on which something was timed.
fn measured_devices(record: &Record) -> Vec<&DeviceEnv> {
    let timed: BTreeSet<&str> = record
        .rows
        .iter()
        .filter(|row| row.status != Status::Skipped)
        .map(|row| row.device.as_str())
        .collect();
    let devices = record.header.env.devices.iter();
    devices.filter(|device| timed.contains(device.info.id.as_str())).collect()
}

fn has_key(record: &Record, key: &str) -> bool {
    record.header.env.devices.iter().any(|device| device.env_key == key)
}

/// What sets `device` apart from the latest accepted record that has one of its name.
fn stranger(device: &DeviceEnv, record: &Record, baseline: &[Record]) -> Vec<String> {
    let id = device.info.id.as_str();
    let found = baseline.iter().rev().find_map(|other| {
        let twin = other.header.env.devices.iter().find(|d| d.info.id == id)?;
        Some((other, twin))
    });
    let Some((other, twin)) = found else {
        return vec![format!("{id}: no accepted record has such a device")];
    };
    let found = differences((&twin.info, &other.header.env), (&device.info, &record.header.env));
    let of = &other.header.run.started_at;
    if found.is_empty() {
        return vec![format!(
            "{id}: the accepted record of {of} has a key of another version of breakeven; promote \
             a new one"
        )];
    }
    let mut told: Vec<String> = found
        .iter()
        .take(FIELDS)
        .map(|d| {
            let (field, here, there) = (d.field, &d.other, &d.one);
            format!("{id}: {field} is {here}, in the accepted record of {of} {there}")
        })
        .collect();
    if found.len() > FIELDS {
        told.push(format!("{id}: {} more fields differ", found.len() - FIELDS));
    }
    told
}
