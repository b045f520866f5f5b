//! Drives a fleet: starts targets as the cap allows, follows what the cluster tells, brings records
//! home, deletes what is done. All that must survive this program lies in the cluster and the store.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::mpsc::Receiver;
use std::time::Instant;

use jiff::Timestamp;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;

use super::progress::Progress;
use super::start::store_failure;
use super::{job, pods_store};
use crate::cli::exit::Failure;
use crate::fleet::cluster::{Cluster, ClusterError, News};
use crate::fleet::job::{ASKED, RUNS, job_name};
use crate::fleet::watch::{self, Patience, State};
use crate::fleet::{self, Fleet, Ledger, Slot, plan};
use crate::record::{self, Record};
use crate::store::Store;
use crate::units::usd;

/// Seconds for a container that does not start on the node that it has.
const STUCK_S: f64 = 180.0;

/// How a run ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Settled {
    /// Its record lies in the store.
    Record {
        /// Rows that were measured.
        measured: u64,
        /// Rows with wrong outputs.
        wrong: u64,
        /// Rows that failed.
        failed: u64,
        /// What is to be known of it; empty where all is well.
        remark: String,
    },
    /// There is none, and why.
    Failed(String),
}

/// A target and its job.
pub(super) struct Course {
    pub(super) cluster: usize,
    pub(super) job_name: String,
    /// The job as last seen; `None` before it was made and after it is gone.
    pub(super) job: Option<Job>,
    /// The uid of the present job: pods of an earlier one of this name are others' affair.
    pub(super) uid: Option<String>,
    /// Numbers of the runs, in the order of the job's indexes.
    pub(super) runs: Vec<u32>,
    pub(super) stage: Stage,
    /// Those of the present job by uid; what is gone stays in its last state.
    pub(super) pods: HashMap<String, Pod>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Waits,
    Runs,
    Over,
}

/// A fleet in the course of its runs.
pub struct Drive<'a> {
    pub(super) fleet: &'a Fleet,
    pub(super) store: &'a Store,
    pub(super) clusters: Vec<Cluster>,
    pub(super) courses: Vec<Course>,
    pub(super) news: Option<Receiver<(usize, News)>>,
    /// What the store remembers of each target.
    pub(super) ledgers: Vec<Ledger>,
    /// When a cluster was last heard of.
    pub(super) heard: Vec<Instant>,
    /// How each run ended, of those that did.
    pub settled: BTreeMap<Slot, Settled>,
    /// The records that are home, each with its key.
    pub records: Vec<(String, Record)>,
    /// Since when the log of a run that has ended cannot be read.
    pub(super) unreadable: BTreeMap<Slot, Instant>,
    pub(super) patience: Patience,
}

impl Course {
    /// Takes up `job`, which the cluster has, with the runs that it was made for.
    fn follow(&mut self, job: Job) {
        let noted = job.metadata.annotations.as_ref().and_then(|all| all.get(RUNS));
        let listed = noted.map(|list| list.split(',').filter_map(|n| n.parse().ok()).collect());
        self.runs = listed.unwrap_or_default();
        self.uid = job.metadata.uid.clone();
        self.stage = Stage::Runs;
        self.job = Some(job);
    }
}

impl<'a> Drive<'a> {
    /// Looks at the store and the clusters: what is there is taken up.
    ///
    /// # Errors
    /// A store or cluster that cannot be reached; a job of this name with other settings.
    pub fn new(fleet: &'a Fleet, store: &'a Store) -> Result<Self, Failure> {
        let mut drive = Self::of_store(fleet, store)?;
        let mut contexts: Vec<Option<&str>> = Vec::new();
        for (course, target) in drive.courses.iter_mut().zip(&fleet.targets) {
            let context = target.context.as_deref();
            course.cluster = contexts.iter().position(|c| *c == context).unwrap_or_else(|| {
                contexts.push(context);
                contexts.len() - 1
            });
        }
        let connect =
            |context: &Option<&str>| Cluster::connect(*context, fleet.namespace.as_deref());
        drive.clusters =
            contexts.iter().map(connect).collect::<Result<Vec<_>, _>>().map_err(cluster_failure)?;
        drive.heard = vec![Instant::now(); drive.clusters.len()];
        drive.adopt()?;
        Ok(drive)
    }

    /// By the store alone, where no cluster can be asked.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn of_store(fleet: &'a Fleet, store: &'a Store) -> Result<Self, Failure> {
        let course = |target| Course {
            cluster: 0,
            job_name: job_name(fleet, target),
            job: None,
            uid: None,
            runs: Vec::new(),
            stage: Stage::Waits,
            pods: HashMap::new(),
        };
        let courses: Vec<Course> = fleet.targets.iter().map(course).collect();
        let patience = Patience {
            pending_s: fleet.pending_minutes * 60.0,
            queue_s: fleet.queue_minutes * 60.0,
            stuck_s: STUCK_S.min(fleet.pending_minutes * 60.0),
        };
        let mut drive = Self {
            ledgers: vec![Ledger::default(); courses.len()],
            heard: Vec::new(),
            settled: BTreeMap::new(),
            records: Vec::new(),
            unreadable: BTreeMap::new(),
            news: None,
            clusters: Vec::new(),
            fleet,
            store,
            courses,
            patience,
        };
        drive.look_into_store()?;
        Ok(drive)
    }

    /// Whole records that lie in the store are not measured again.
    fn look_into_store(&mut self) -> Result<(), Failure> {
        let objects = self.store.list(&self.fleet.name).map_err(store_failure)?;
        let keys: BTreeSet<&str> = objects.iter().map(|object| object.key.as_str()).collect();
        for slot in self.fleet.slots() {
            let key = self.fleet.key(slot);
            if keys.contains(key.as_str())
                && let Some(bytes) = self.store.get(&key).map_err(store_failure)?
                && let Ok(record) = record::parse(bytes.as_slice(), &key)
            {
                self.keep_record(slot, key, record);
            }
        }
        for index in 0..self.courses.len() {
            let key = self.fleet.ledger_key(index);
            let asked = fleet::job::asked(self.fleet, index);
            if keys.contains(key.as_str())
                && let Some(bytes) = self.store.get(&key).map_err(store_failure)?
            {
                let told = self.store.told(&key);
                let ledger: Ledger = serde_json::from_slice(&bytes).map_err(|error| {
                    Failure::usage(format!("{told}: {error}; move it away, or restore it"))
                })?;
                let measured = self.settled.keys().any(|slot| slot.target == index);
                if ledger.asked != asked && measured {
                    return Err(Failure::usage(format!(
                        "{told}: what lies there was measured with another suite, image, seed, device \
                         or node; give the fleet another name, or move it away"
                    )));
                }
                self.ledgers[index] = ledger;
            }
            self.ledgers[index].asked = asked;
        }
        Ok(())
    }

    /// Takes up jobs and pods that are there.
    fn adopt(&mut self) -> Result<(), Failure> {
        for number in 0..self.clusters.len() {
            let jobs = self.clusters[number].jobs(&self.fleet.name).map_err(cluster_failure)?;
            for found in jobs {
                self.adopt_job(number, found)?;
            }
            let pods = self.clusters[number].pods(&self.fleet.name).map_err(cluster_failure)?;
            self.hear(number, News::Pods(pods));
        }
        // A job that was begun and is gone may have cost all that it could.
        for (ledger, course) in self.ledgers.iter_mut().zip(&self.courses) {
            if course.stage != Stage::Runs {
                ledger.spent_usd += std::mem::take(&mut ledger.reserved_usd);
            }
        }
        Ok(())
    }

    fn adopt_job(&mut self, number: usize, found: Job) -> Result<(), Failure> {
        let name = found.metadata.name.clone().unwrap_or_default();
        let taken = || {
            cluster_failure(ClusterError::Taken {
                context: self.clusters[number].context.clone(),
                job: name.clone(),
            })
        };
        let noted = |key: &str| found.metadata.annotations.as_ref().and_then(|all| all.get(key));
        let wanted = |index: usize| {
            let asked = job(self.fleet, index);
            asked.metadata.annotations.and_then(|mut all| all.remove(ASKED))
        };
        let index = self.courses.iter().position(|c| c.job_name == name).ok_or_else(taken)?;
        let going = found.metadata.deletion_timestamp.is_some();
        if going || self.courses[index].cluster != number {
            // Being deleted; or, of two contexts of one cluster, the other one's.
            return Ok(());
        }
        if noted(ASKED).cloned() != wanted(index) {
            return Err(taken());
        }
        self.courses[index].follow(found);
        Ok(())
    }

    /// How many runs of each target are left that no job has: more money would be spent on them.
    pub fn to_start(&self) -> Vec<u32> {
        let open = |slot: &Slot| {
            let course = &self.courses[slot.target];
            let has = course.stage == Stage::Runs && course.runs.contains(&slot.run);
            !has && !self.settled.contains_key(slot)
        };
        let of = |target| self.fleet.slots_of(target).filter(open).count() as u32;
        (0..self.courses.len()).map(of).collect()
    }

    /// Runs the fleet to its end, or until `stop` says so: then what runs is left to the cluster.
    ///
    /// # Errors
    /// A cluster or store that cannot be reached for long; what runs goes on without us.
    pub fn run(&mut self, stop: &dyn Fn() -> bool, progress: &mut Progress) -> Result<(), Failure> {
        for cluster in &self.clusters {
            if let Some(map) = fleet::job::config_map(self.fleet) {
                cluster.put_config_map(&map).map_err(cluster_failure)?;
            }
        }
        self.listen();
        while self.courses.iter().any(|course| course.stage != Stage::Over) {
            if stop() {
                return Ok(());
            }
            self.start()?;
            self.settle(true, progress)?;
            self.next_news(progress)?;
        }
        self.clean_up()
    }

    /// Brings home what has ended, once; starts nothing.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn collect(&mut self, progress: &mut Progress) -> Result<(), Failure> {
        self.settle(false, progress)
    }

    /// Starts the targets that the cap has room for, in their order.
    fn start(&mut self) -> Result<(), Failure> {
        for index in 0..self.courses.len() {
            if self.courses[index].stage != Stage::Waits {
                continue;
            }
            let open: Vec<u32> = self
                .fleet
                .slots_of(index)
                .filter(|slot| !self.settled.contains_key(slot))
                .map(|slot| slot.run)
                .collect();
            if open.is_empty() {
                self.courses[index].stage = Stage::Over;
                continue;
            }
            let most = plan::bounds(self.fleet, index, open.len() as u32).most_usd;
            let (spent, running) = (self.spent_usd(), self.running_usd());
            if plan::may_start(self.fleet, spent, running, most) {
                if let Err(why) = self.create(index, &open, most)? {
                    for run in open {
                        self.fail(Slot { target: index, run }, why.clone())?;
                    }
                    self.courses[index].stage = Stage::Over;
                }
            } else if running == 0.0 {
                let why = format!(
                    "not started: {} are spent, it may take {}, and the cap is {}",
                    usd(spent),
                    usd(most),
                    usd(self.fleet.max_price_usd)
                );
                for run in open {
                    self.fail(Slot { target: index, run }, why.clone())?;
                }
                self.courses[index].stage = Stage::Over;
            }
        }
        Ok(())
    }

    /// Creates the job of target `index` with `runs`; the inner error is why the cluster refused it.
    fn create(
        &mut self,
        index: usize,
        runs: &[u32],
        most_usd: f64,
    ) -> Result<Result<(), String>, Failure> {
        for run in runs {
            let key = self.fleet.failure_key(Slot { target: index, run: *run });
            self.store.delete(&key).map_err(store_failure)?;
        }
        // Noted before it is spent.
        self.ledgers[index].reserved_usd = most_usd;
        self.note(index)?;
        let job = fleet::job::job(self.fleet, index, runs, pods_store(self.fleet));
        let course = &mut self.courses[index];
        match self.clusters[course.cluster].create_job(&job) {
            Ok(there) => {
                course.follow(there);
                Ok(Ok(()))
            }
            Err(error @ (ClusterError::Refused { .. } | ClusterError::Failed { .. })) => {
                self.ledgers[index].reserved_usd = 0.0;
                self.note(index)?;
                Ok(Err(error.to_string()))
            }
            Err(error) => Err(cluster_failure(error)),
        }
    }

    /// Where every run stands that has a job.
    pub fn states(&self) -> BTreeMap<Slot, State> {
        let now = Timestamp::now();
        let mut all = BTreeMap::new();
        for (index, course) in self.courses.iter().enumerate() {
            if course.stage != Stage::Runs {
                continue;
            }
            let pods: Vec<&Pod> = course.pods.values().collect();
            let states =
                watch::states(course.job.as_ref(), &pods, course.runs.len(), now, &self.patience);
            for (run, state) in course.runs.iter().zip(states) {
                all.insert(Slot { target: index, run: *run }, state);
            }
        }
        all
    }

    /// Brings home what has ended; deletes the jobs of which nothing is left, where `cleaning`.
    fn settle(&mut self, cleaning: bool, progress: &mut Progress) -> Result<(), Failure> {
        let mut states = self.states();
        let failed = |(slot, state): (&Slot, &State)| {
            matches!(state, State::Failed { .. }) && !self.settled.contains_key(slot)
        };
        if states.iter().any(failed) {
            // Jobs and pods are told by two watches, and one may be behind: asked again, all at once.
            self.ask_all()?;
            states = self.states();
        }
        progress.show(self.fleet, &states, &self.settled, self.so_far_usd());
        for (slot, state) in states {
            if self.settled.contains_key(&slot) {
                continue;
            }
            match state {
                State::Ended { pod, words, .. } => self.bring_home(slot, &pod, &words)?,
                State::Failed { why, given_up } if cleaning || !given_up => {
                    let why = if given_up { self.with_warning(slot, why) } else { why };
                    self.fail(slot, why)?;
                }
                _ => {}
            }
        }
        for index in 0..self.courses.len() {
            self.end_what_costs_too_much(index, cleaning)?;
            let course = &self.courses[index];
            let open = course
                .runs
                .iter()
                .any(|run| !self.settled.contains_key(&Slot { target: index, run: *run }));
            if !cleaning || course.stage != Stage::Runs || open {
                continue;
            }
            self.clusters[course.cluster].delete_job(&course.job_name).map_err(cluster_failure)?;
            self.close(index)?;
            (self.courses[index].job, self.courses[index].uid) = (None, None);
            // Runs that an earlier job did not have may be left.
            let left = self.fleet.slots_of(index).any(|slot| !self.settled.contains_key(&slot));
            self.courses[index].stage = if left { Stage::Waits } else { Stage::Over };
        }
        Ok(())
    }

    /// Deletes every object of the fleet.
    ///
    /// # Errors
    /// A cluster that cannot be reached.
    pub fn clean_up(&self) -> Result<(), Failure> {
        delete_all(&self.clusters, &self.fleet.name).map(|_| ())
    }
}

/// Deletes the jobs and config maps of the fleet called `name`; returns their names.
///
/// # Errors
/// A cluster that cannot be reached.
pub fn delete_all(clusters: &[Cluster], name: &str) -> Result<Vec<String>, Failure> {
    let mut deleted = Vec::new();
    for cluster in clusters {
        for job in cluster.jobs(name).map_err(cluster_failure)? {
            let name = job.metadata.name.unwrap_or_default();
            cluster.delete_job(&name).map_err(cluster_failure)?;
            deleted.push(format!("job {name}"));
        }
        for map in cluster.config_maps(name).map_err(cluster_failure)? {
            let name = map.metadata.name.unwrap_or_default();
            cluster.delete_config_map(&name).map_err(cluster_failure)?;
            deleted.push(format!("config map {name}"));
        }
    }
    Ok(deleted)
}

/// The exit code of what went wrong with a cluster.
pub fn cluster_failure(error: ClusterError) -> Failure {
    match error {
        ClusterError::Config(_) | ClusterError::Taken { .. } => Failure::usage(error.to_string()),
        _ => Failure::internal(error.to_string()),
    }
}
