//! `fleet run`, `status`, `collect` and `delete`.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use super::drive::{self, Drive, Settled, cluster_failure};
use super::progress::Progress;
use super::start::{check_format, confirm, store, store_failure};
use super::{check_cap, ending, load};
use crate::cli::args::{FleetFileArgs, FleetRunArgs, OutputArgs};
use crate::cli::exit::{DONE, Failure, INCOMPARABLE, INTERNAL, INTERRUPTED, Outcome};
use crate::cli::{interrupt, output, pricing};
use crate::fleet::cluster::Cluster;
use crate::fleet::watch::State;
use crate::fleet::{Fleet, Slot};
use crate::report::{Content, Document, Listing, Table};
use crate::store::Store;
use crate::units::usd;

/// Measures the fleet, or goes on where an earlier call left off.
pub fn run(args: &FleetRunArgs, output: &OutputArgs) -> Outcome {
    check_format(output)?;
    let fleet = load(&args.fleet, output)?;
    check_cap(&fleet, &args.fleet)?;
    let store = store(&fleet)?;
    let mut drive = Drive::new(&fleet, &store)?;
    let open = drive.to_start();
    if open.iter().any(|runs| *runs > 0) {
        confirm(&fleet, &open, args.yes, output)?;
    }
    if !store.is_remote() {
        let note = "note: records come through the pods' logs, which go with their nodes; if you leave, \
                    come back within cool_down_minutes of a run's end, or name an object store";
        output::remark(output, note);
    }
    let asked = interrupt::flag_saying(
        "leaving: what runs goes on in the cluster; run again to take it up, or `fleet delete` it",
    );
    let mut progress = Progress::new(&fleet, output);
    let ended = drive.run(&|| asked.load(Ordering::SeqCst), &mut progress);
    progress.finish();
    // What is home is told whatever became of the rest.
    finish(&fleet, &store, &drive, &args.fleet, output)?;
    ended?;
    if asked.load(Ordering::SeqCst) {
        return Ok(INTERRUPTED);
    }
    verdict(&fleet, &drive.settled)
}

/// Where each run stands; changes nothing.
pub fn status(args: &FleetFileArgs, output: &OutputArgs) -> Outcome {
    check_format(output)?;
    let fleet = load(args, output)?;
    let store = store(&fleet)?;
    let drive = or_store_alone(&fleet, &store, output)?;
    finish(&fleet, &store, &drive, args, output)?;
    Ok(code(&fleet, &drive.settled))
}

/// What clusters and store say; where no cluster can be asked, the store alone.
fn or_store_alone<'a>(
    fleet: &'a Fleet,
    store: &'a Store,
    output: &OutputArgs,
) -> Result<Drive<'a>, Failure> {
    match Drive::new(fleet, store) {
        Err(failure) if failure.code == INTERNAL => {
            let why = failure.message.unwrap_or_default();
            output::remark(output, &format!("warning: {why}; by the store alone:"));
            Drive::of_store(fleet, store)
        }
        other => other,
    }
}

/// Brings home what has ended, compares the nodes and, with `-o`, copies the records there.
pub fn collect(args: &FleetFileArgs, output: &OutputArgs) -> Outcome {
    check_format(output)?;
    let fleet = load(args, output)?;
    let store = store(&fleet)?;
    let mut drive = or_store_alone(&fleet, &store, output)?;
    drive.collect(&mut Progress::new(&fleet, output))?;
    if let Some(folder) = &output.folder {
        let objects = store.list(&fleet.name).map_err(store_failure)?;
        let mut copied = 0;
        for object in objects.iter().filter(|object| object.key.ends_with(".jsonl")) {
            if let Some(bytes) = store.get(&object.key).map_err(store_failure)? {
                output::write_all(folder, &[(object.key.clone(), bytes)])?;
                copied += 1;
            }
        }
        output::remark(output, &format!("copied {copied} records to {}", folder.display()));
    }
    finish(&fleet, &store, &drive, args, output)?;
    Ok(code(&fleet, &drive.settled))
}

/// Deletes the fleet's objects in the clusters.
pub fn delete(args: &FleetFileArgs, output: &OutputArgs) -> Outcome {
    let fleet = load(args, output)?;
    let mut contexts: Vec<Option<&str>> =
        fleet.targets.iter().map(|target| target.context.as_deref()).collect();
    contexts.sort_unstable();
    contexts.dedup();
    let connect = |context: &Option<&str>| Cluster::connect(*context, fleet.namespace.as_deref());
    let clusters: Result<Vec<_>, _> = contexts.iter().map(connect).collect();
    let clusters = clusters.map_err(cluster_failure)?;
    // What has ended comes home first, and what has run is noted; where jobs are not as this file has
    // them neither can be, and the most that they may have cost stands.
    let store = store(&fleet)?;
    match Drive::new(&fleet, &store) {
        Ok(mut drive) => {
            drive.collect(&mut Progress::new(&fleet, output))?;
            drive.note_costs()?;
        }
        Err(failure) => {
            let why = failure.message.unwrap_or_default();
            output::remark(output, &format!("warning: what has ended is not brought home: {why}"));
        }
    }
    let deleted = drive::delete_all(&clusters, &fleet.name)?;
    let names = if deleted.is_empty() { "nothing".to_owned() } else { deleted.join(", ") };
    output::remark(output, &format!("deleted of fleet {}: {names}", fleet.name));
    Ok(DONE)
}

/// Prints what came of it.
fn finish(
    fleet: &Fleet,
    store: &Store,
    drive: &Drive,
    args: &FleetFileArgs,
    output: &OutputArgs,
) -> Result<(), Failure> {
    let catalog = pricing::catalog(&args.prices)?.catalog;
    let slow = ending::slow_nodes(&drive.records, &catalog, &pricing::today());
    let listing = listing(fleet, store, drive, &slow)?;
    output::emit(&Content::Listing(&listing), output, "fleet")
}

/// The exit code: every run has its record, some have, none has.
fn verdict(fleet: &Fleet, settled: &BTreeMap<Slot, Settled>) -> Outcome {
    let failed = settled.values().filter(|s| matches!(s, Settled::Failed(_))).count();
    let all = fleet.slots().count();
    let of = |what: fn(&Settled) -> bool| settled.values().filter(|s| what(s)).count();
    let wrong = of(|s| matches!(s, Settled::Record { wrong: 1.., .. }));
    if wrong > 0 {
        return Err(Failure::expectation(format!(
            "{wrong} of {all} records hold wrong outputs; see status wrong-output in them"
        )));
    }
    let broken = of(|s| matches!(s, Settled::Record { failed: 1.., .. }));
    match failed {
        0 if broken > 0 => Err(Failure::internal(format!(
            "{broken} of {all} records hold measurements that failed; the table says why"
        ))),
        0 => Ok(DONE),
        failed if failed == all => Err(Failure::incomparable(format!(
            "none of {all} runs gave a record; the table says why"
        ))),
        failed => Err(Failure::internal(format!(
            "{failed} of {all} runs gave no record; the table says why, and `fleet run` tries them \
             again, under a higher max_price_usd where the cap is the reason"
        ))),
    }
}

/// The same without a message, for those who only look: runs that are not home yet count as missing.
fn code(fleet: &Fleet, settled: &BTreeMap<Slot, Settled>) -> u8 {
    let home = settled.values().filter(|s| matches!(s, Settled::Record { .. })).count();
    match home {
        0 => INCOMPARABLE,
        home if home == fleet.slots().count() => DONE,
        _ => INTERNAL,
    }
}

/// A run a line.
fn listing(
    fleet: &Fleet,
    store: &Store,
    drive: &Drive,
    slow: &[String],
) -> Result<Listing, Failure> {
    let states = drive.states();
    let failures = earlier_failures(fleet, store)?;
    let mut table = Table::new(&["target", ">run", "state", "what"]);
    let mut runs = Vec::new();
    let mut records = 0;
    for slot in fleet.slots() {
        let (state, what) = match (drive.settled.get(&slot), states.get(&slot)) {
            (Some(Settled::Record { measured, remark, .. }), _) => {
                records += 1;
                let place = store.told(&fleet.key(slot));
                let remark = if remark.is_empty() { String::new() } else { format!("; {remark}") };
                ("record", format!("{measured} rows measured, in {place}{remark}"))
            }
            (Some(Settled::Failed(why)), _) => ("failed", why.clone()),
            (None, Some(state)) => of_state(state),
            (None, None) => match failures.get(&slot) {
                Some(why) => ("failed", why.clone()),
                None => ("not started", String::new()),
            },
        };
        let target = &fleet.targets[slot.target].id;
        table.row([target.clone(), slot.run.to_string(), state.to_owned(), what.clone()]);
        runs.push(serde_json::json!({
            "target": target, "run": slot.run, "state": state, "what": what,
        }));
    }
    let so_far = drive.so_far_usd();
    let mut document = Document::default();
    document.heading(1, format!("Fleet {}: {records} of {} records", fleet.name, runs.len()));
    document.table(table);
    document.text(format!(
        "About {} spent, with the nodes' starting and cooling down, of a cap of {}.",
        usd(so_far),
        usd(fleet.max_price_usd)
    ));
    if !slow.is_empty() {
        document.heading(2, "Slower than their siblings");
        document.list(slow.to_vec());
    }
    let data = serde_json::json!({
        "fleet": fleet.name, "runs": runs, "spent_usd": so_far,
        "max_price_usd": fleet.max_price_usd, "slow_nodes": slow,
    });
    Ok(Listing { document, data })
}

fn of_state(state: &State) -> (&'static str, String) {
    match state {
        State::Waiting { why } => ("waits", why.clone()),
        State::Running { node, for_s } => {
            ("runs", format!("on {node} for {:.0} min", for_s / 60.0))
        }
        State::Ended { node, .. } => {
            ("ended", format!("on {node}; `fleet collect` brings it home"))
        }
        State::Failed { why, .. } => ("failing", why.clone()),
    }
}

/// Why runs failed in earlier calls.
fn earlier_failures(fleet: &Fleet, store: &Store) -> Result<BTreeMap<Slot, String>, Failure> {
    let objects = store.list(&fleet.name).map_err(store_failure)?;
    let mut all = BTreeMap::new();
    for slot in fleet.slots() {
        let key = fleet.failure_key(slot);
        if !objects.iter().any(|object| object.key == key) {
            continue;
        }
        let bytes = store.get(&key).map_err(store_failure)?.unwrap_or_default();
        let note: serde_json::Value = serde_json::from_slice(&bytes).unwrap_or_default();
        all.insert(slot, note["why"].as_str().unwrap_or("no reason kept").to_owned());
    }
    Ok(all)
}
