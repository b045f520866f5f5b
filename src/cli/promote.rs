//! `promote`: a record becomes part of the accepted baseline. It is copied as it is, never over
//! another, under a name by which people find it: day, environment, run.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::args::{OutputArgs, PromoteArgs};
use super::exit::{DONE, Failure, Outcome};
use super::output;
use crate::record::{self, Record, Status};
use crate::report::{Content, Document, Listing};

/// Digits of an environment key in a name.
const KEY_DIGITS: usize = 8;

/// Copies the record and says where.
pub fn run(args: &PromoteArgs, output: &OutputArgs) -> Outcome {
    let shown = args.record.display().to_string();
    let bytes = fs::read(&args.record)
        .map_err(|error| Failure::usage(format!("{shown}: {error}; give a record")))?;
    let record = record::parse(bytes.as_slice(), &shown)
        .map_err(|error| Failure::usage(error.to_string()))?;
    check(&record, &shown)?;
    let name = name(&record).map_err(|problem| Failure::usage(format!("{shown}: {problem}")))?;
    output::make_folder(&args.accepted)?;
    let path = args.accepted.join(&name);
    let new = place(&bytes, &path, &args.accepted)?;
    let told = told(&record, &shown, &path, new);
    output::print(&Content::Listing(&told), output)?;
    Ok(DONE)
}

/// Refuses what nothing may be measured against.
fn check(record: &Record, shown: &str) -> Result<(), Failure> {
    match &record.footer {
        None => {
            return Err(Failure::incomparable(format!(
                "{shown}: the record has no end, so the run was cut off; measure again"
            )));
        }
        Some(footer) if !footer.complete => {
            let reason = footer.reason.as_deref().unwrap_or("no reason is given");
            return Err(Failure::incomparable(format!(
                "{shown}: the record is incomplete ({reason}); measure again"
            )));
        }
        Some(_) => {}
    }
    if let Some(row) = record.rows.iter().find(|row| row.status == Status::WrongOutput) {
        return Err(Failure::expectation(format!(
            "{shown}: {} by {} on {} computed a wrong output; mend it before it becomes a baseline",
            row.case_key, row.implementation, row.device
        )));
    }
    if !record.rows.iter().any(|row| row.status == Status::Ok) {
        return Err(Failure::incomparable(format!(
            "{shown}: nothing in it was verified and timed; measure with `breakeven run`"
        )));
    }
    Ok(())
}

/// `2026-11-26_1a2b3c4d_0193c5a0-….jsonl`; every part is checked, since it comes from a file and
/// becomes a path.
fn name(record: &Record) -> Result<String, String> {
    let run = &record.header.run;
    let started: jiff::Timestamp = run
        .started_at
        .parse()
        .map_err(|_| format!("run.started_at = \"{}\": not a time", run.started_at))?;
    let id: uuid::Uuid =
        run.id.parse().map_err(|_| format!("run.id = \"{}\": not a UUID", run.id))?;
    let mut keys = Vec::new();
    for device in &record.header.env.devices {
        let key: String = device.env_key.chars().take(KEY_DIGITS).collect();
        if key.len() < KEY_DIGITS || !key.chars().all(|c| c.is_ascii_hexdigit()) {
            return Err(format!(
                "the env_key of {} is no digest: \"{}\"",
                device.info.id, device.env_key
            ));
        }
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    if keys.is_empty() {
        return Err("the record names no device".into());
    }
    // More would make a name that some file systems refuse; the run's id tells such records apart.
    keys.truncate(8);
    Ok(format!("{}_{}_{id}.jsonl", started.strftime("%Y-%m-%d"), keys.join("+")))
}

/// Writes `bytes` as `path` in one step, so that a gate that reads `folder` meanwhile sees all of
/// it or nothing. False where the same record stood there already.
fn place(bytes: &[u8], path: &Path, folder: &Path) -> Result<bool, Failure> {
    let failed = |error: &io::Error| Failure::write(path, error);
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(|error| failed(&error))?;
    file.write_all(bytes).and_then(|()| file.as_file().sync_all()).map_err(|e| failed(&e))?;
    // Temporary files are their owner's alone; a baseline is for all who may read the folder.
    let readable = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    file.as_file().set_permissions(readable).map_err(|error| failed(&error))?;
    match file.persist_noclobber(path) {
        Ok(_) => Ok(true),
        Err(refused) if refused.error.kind() == io::ErrorKind::AlreadyExists => {
            if fs::read(path).is_ok_and(|there| there == bytes) {
                return Ok(false);
            }
            Err(Failure::usage(format!(
                "{} is there with other content, and an accepted record is never overwritten; \
                 remove it first if it is wrong",
                path.display()
            )))
        }
        Err(refused) => Err(failed(&refused.error)),
    }
}

fn told(record: &Record, from: &str, path: &Path, new: bool) -> Listing {
    let ok = record.rows.iter().filter(|row| row.status == Status::Ok).count();
    let mut document = Document::default();
    document.text(if new {
        format!(
            "accepted {from} as {}: {ok} timed rows of suite {}",
            path.display(),
            record.header.run.suite
        )
    } else {
        format!("{from} was accepted before, as {}; nothing was changed", path.display())
    });
    let path: PathBuf = path.to_owned();
    let data = serde_json::json!({
        "accepted": path, "new": new, "rows": ok, "run_id": record.header.run.id,
        "env_keys": record.header.env.devices.iter().map(|d| &d.env_key).collect::<Vec<_>>(),
    });
    Listing { document, data }
}
