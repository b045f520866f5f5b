//! How a run ends: its record in the store, or the reason why there is none.

use std::time::Instant;

use super::drive::{Drive, Settled, cluster_failure};
use super::start::store_failure;
use crate::cli::exit::Failure;
use crate::fleet::cluster::ClusterError;
use crate::fleet::deliver::{self, LastWords, Way};
use crate::fleet::{Slot, Target};
use crate::record::{self, Record, Row, Status};

/// What a record says of itself: how much was measured, and what is to be known of the rest.
fn of_record(record: &Record, target: &Target) -> Settled {
    let count = |of: fn(&Row) -> bool| record.rows.iter().filter(|row| of(row)).count() as u64;
    let wrong = count(|row| row.status == Status::WrongOutput);
    let failed = count(|row| row.status == Status::Failed);
    let late =
        count(|row| row.status == Status::Untimed || row.reason.as_deref() == Some("time limit"));
    let measured = count(|row| row.status == Status::Ok);
    let mut remarks = Vec::new();
    if wrong > 0 {
        remarks.push(format!("{wrong} WRONG OUTPUTS"));
    }
    if failed > 0 {
        let first = record.rows.iter().find(|row| row.status == Status::Failed);
        let why = first.and_then(|row| row.reason.as_deref()).unwrap_or("no reason");
        remarks.push(format!("{failed} failed ({why})"));
    }
    if late > 0 {
        remarks.push(format!("{late} not measured for want of time; raise max_minutes"));
    }
    let asked = target.devices.is_empty() || target.devices.iter().any(|d| !d.starts_with("cpu"));
    let gpu = |row: &Row| row.status == Status::Ok && !row.device.starts_with("cpu");
    if target.sku.has_gpu() && asked && !record.rows.iter().any(gpu) {
        remarks.push("no GPU was measured: has the node its driver?".into());
    }
    Settled::Record { measured, wrong, failed, remark: remarks.join("; ") }
}

impl Drive<'_> {
    /// A run whose record is home.
    pub(super) fn keep_record(&mut self, slot: Slot, key: String, mut record: Record) {
        self.settled.insert(slot, of_record(&record, &self.fleet.targets[slot.target]));
        // They are compared at the end, which takes no single samples.
        record.forget_samples();
        self.records.push((key, record));
    }

    /// What the cluster itself warned of, beside why a run was given up.
    pub(super) fn with_warning(&self, slot: Slot, why: String) -> String {
        let course = &self.courses[slot.target];
        match self.clusters[course.cluster].warning(&course.job_name) {
            Some(warning) => format!("{why} ({warning})"),
            None => why,
        }
    }

    /// The record of a run, from where its pod says that it is, into the store.
    pub(super) fn bring_home(
        &mut self,
        slot: Slot,
        pod: &str,
        words: &LastWords,
    ) -> Result<(), Failure> {
        let wanted = words.sha256.as_deref().unwrap_or_default();
        let key = self.fleet.key(slot);
        let in_store = match words.way {
            Some(Way::Store) => self.store.get(&key).map_err(store_failure)?,
            _ => None,
        };
        let record = match (in_store, words.way) {
            (Some(bytes), _) if deliver::sha256(&bytes) == wanted => Ok(bytes),
            (Some(_), _) => Err(format!("{}: not what its pod put there", self.store.told(&key))),
            (None, Some(Way::Store)) => {
                Err(format!("{}: not there, though its pod put it there", self.store.told(&key)))
            }
            (None, _) => {
                let cluster = &self.clusters[self.courses[slot.target].cluster];
                match cluster.log(pod) {
                    Ok(Some(log)) => deliver::from_log(&log, wanted),
                    Ok(None) => Err("its pod is gone, and its log with it".into()),
                    // The server answers, and its kubelet does not: the log may be had later.
                    Err(error @ ClusterError::Failed { .. }) => {
                        let since = *self.unreadable.entry(slot).or_insert_with(Instant::now);
                        if since.elapsed().as_secs_f64() < self.patience.pending_s {
                            return Ok(());
                        }
                        Err(error.to_string())
                    }
                    Err(error) => return Err(cluster_failure(error)),
                }
            }
        };
        let checked = record.and_then(|bytes| {
            let parsed =
                record::parse(bytes.as_slice(), &key).map_err(|error| error.to_string())?;
            Ok((bytes, parsed))
        });
        match checked {
            Ok((bytes, record)) => {
                if words.way != Some(Way::Store) {
                    self.store.put(&key, &bytes).map_err(store_failure)?;
                }
                self.keep_record(slot, key, record);
                self.store.delete(&self.fleet.failure_key(slot)).map_err(store_failure)
            }
            Err(why) => self.fail(slot, why),
        }
    }

    /// A run without a record; the store keeps why. Where the record came there after all, by a pod
    /// that was not heard of or by another client, it counts.
    pub(super) fn fail(&mut self, slot: Slot, why: String) -> Result<(), Failure> {
        let key = self.fleet.key(slot);
        if let Some(bytes) = self.store.get(&key).map_err(store_failure)?
            && let Ok(record) = record::parse(bytes.as_slice(), &key)
        {
            self.keep_record(slot, key, record);
            return Ok(());
        }
        let note = serde_json::json!({ "why": why, "at": record::now() });
        let text = format!("{note}\n");
        self.store.put(&self.fleet.failure_key(slot), text.as_bytes()).map_err(store_failure)?;
        self.settled.insert(slot, Settled::Failed(why));
        Ok(())
    }
}
