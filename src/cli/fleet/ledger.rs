//! What a fleet has cost and may yet cost, kept in the store so that the next call knows it.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::drive::{Course, Drive, Stage};
use super::start::store_failure;
use crate::cli::exit::Failure;
use crate::fleet::{Slot, plan, watch};
use crate::units::usd as told;

impl Drive<'_> {
    pub(super) fn note(&self, index: usize) -> Result<(), Failure> {
        let text = serde_json::to_string(&self.ledgers[index]).unwrap_or_default() + "\n";
        let key = self.fleet.ledger_key(index);
        self.store.put(&key, text.as_bytes()).map_err(store_failure)
    }

    /// Notes what every job that is there has cost so far, as if it ended now.
    ///
    /// # Errors
    /// A store that cannot be written.
    pub fn note_costs(&mut self) -> Result<(), Failure> {
        for index in 0..self.courses.len() {
            if self.courses[index].stage == Stage::Runs {
                self.close(index)?;
            }
        }
        Ok(())
    }

    /// Moves a job's cost into the ledger: after it nobody could tell it any more.
    pub(super) fn close(&mut self, index: usize) -> Result<(), Failure> {
        self.ledgers[index].spent_usd += self.usd_of(index);
        self.ledgers[index].reserved_usd = 0.0;
        self.courses[index].pods.clear();
        self.note(index)
    }

    /// US dollars of jobs that are over, in this call and in earlier ones.
    pub(super) fn spent_usd(&self) -> f64 {
        self.ledgers.iter().map(|ledger| ledger.spent_usd).sum()
    }

    /// US dollars of the present job of target `index` so far.
    pub(super) fn usd_of(&self, index: usize) -> f64 {
        let (now, pods) = (Timestamp::now(), &self.courses[index].pods);
        let node_s: f64 = pods.values().map(|pod| watch::node_seconds(pod, now)).sum();
        let nodes: BTreeSet<_> =
            pods.values().filter_map(|pod| pod.spec.as_ref()?.node_name.clone()).collect();
        plan::cost_usd(self.fleet, index, node_s, nodes.len())
    }

    /// US dollars so far, of what is over and what runs.
    pub fn so_far_usd(&self) -> f64 {
        let now: f64 = (0..self.courses.len()).map(|index| self.usd_of(index)).sum();
        now + self.spent_usd()
    }

    /// US dollars that the targets that run may still come to.
    pub(super) fn running_usd(&self) -> f64 {
        let runs = |(index, course): (usize, &Course)| {
            (course.stage == Stage::Runs).then(|| self.most_usd(index, course))
        };
        self.courses.iter().enumerate().filter_map(runs).sum()
    }

    fn most_usd(&self, index: usize, course: &Course) -> f64 {
        plan::bounds(self.fleet, index, course.runs.len() as u32).most_usd
    }

    /// Fails the runs of a job that has come to more than it was started with: a queue that preempts
    /// lets its time begin anew, and every new node is started and cooled down.
    pub(super) fn end_what_costs_too_much(
        &mut self,
        index: usize,
        cleaning: bool,
    ) -> Result<(), Failure> {
        let (usd, most) = (self.usd_of(index), self.most_usd(index, &self.courses[index]));
        if !cleaning || self.courses[index].stage != Stage::Runs || usd <= most {
            return Ok(());
        }
        let why =
            format!("ended: its nodes came to {}, above the {} at most", told(usd), told(most));
        for run in self.courses[index].runs.clone() {
            let slot = Slot { target: index, run };
            if !self.settled.contains_key(&slot) {
                self.fail(slot, why.clone())?;
            }
        }
        Ok(())
    }
}
