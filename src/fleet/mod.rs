//! Suites on many VM sizes at once, as Kubernetes Jobs: what a fleet is, what it may cost, the
//! objects that are created, what a pod says when it ends, and what follows from what the cluster
//! tells. Pure but for [`cluster`], which alone speaks with Kubernetes.
//!
//! A fleet is a list of targets (VM sizes, each on nodes that a label selects) and a number of runs
//! on each. One run on one target is a slot; every slot ends as a record or with a reason.

use serde::{Deserialize, Serialize};

use crate::catalog::{PriceKind, Sku};

#[cfg(feature = "fleet")]
pub mod cluster;
pub mod deliver;
pub mod job;
mod parse;
pub mod plan;
pub mod watch;

pub use parse::parse;

/// A fleet as asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Fleet {
    /// Name: what Kubernetes takes for an object, at most 30 characters.
    pub name: String,
    /// Built-in suite, or a file's stem.
    pub suite: String,
    /// Seconds that the suite is meant to take, where it says so.
    pub suite_budget_s: Option<f64>,
    /// The file's text, where it is one: it travels to the pods.
    pub suite_text: Option<String>,
    /// Image with the `breakeven` command as its entry point.
    pub image: String,
    /// Runs on each target.
    pub repeats: u32,
    /// Nodes of each target at a time.
    pub nodes: u32,
    /// Minutes that a run may measure.
    pub max_minutes: f64,
    /// What the fleet may cost in all, in US dollars.
    pub max_price_usd: f64,
    /// Minutes to wait for a node before a slot is given up.
    pub pending_minutes: f64,
    /// Minutes that a queue may hold a job back before it is given up.
    pub queue_minutes: f64,
    /// Minutes until a new node works.
    pub start_up_minutes: f64,
    /// Minutes that a node without work is kept.
    pub cool_down_minutes: f64,
    /// Where records go: an object store's URL or a folder; `None` for the usual folder.
    pub store: Option<String>,
    /// Namespace; `None` for the one of the kubeconfig's context.
    pub namespace: Option<String>,
    /// Kueue queue that admits the jobs.
    pub queue: Option<String>,
    /// Service account of the pods, for a workload identity.
    pub service_account: Option<String>,
    /// Secret whose keys become environment variables: credentials of the store.
    pub secret: Option<String>,
    /// Secret that pulls the image.
    pub pull_secret: Option<String>,
    /// Discount on every price, as a share.
    pub discount: f64,
    /// Seed of all random inputs.
    pub seed: u64,
    /// What is measured.
    pub targets: Vec<Target>,
}

/// One VM size on the nodes that a label selects.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// Unique within the fleet, in letters that Kubernetes takes.
    pub id: String,
    /// The VM size.
    pub sku: Sku,
    /// Label and value that its nodes have.
    pub selector: (String, String),
    /// Context of the kubeconfig; `None` for the current one.
    pub context: Option<String>,
    /// Region of the price, and of records where the cloud does not tell it.
    pub region: Option<String>,
    /// How the nodes are paid for.
    pub price_kind: PriceKind,
    /// US dollars an hour of a node, after the discount.
    pub price_usd_per_h: f64,
    /// Devices to measure; empty for all.
    pub devices: Vec<String>,
}

impl Target {
    /// Extended resource that a pod asks for and how many: all GPUs of the node.
    pub fn gpus(&self) -> Option<(&'static str, u64)> {
        let model = self.sku.gpu_model.as_deref()?;
        let amd = model.to_ascii_uppercase().contains("MI300") || model.contains("MI2");
        let name = if amd { "amd.com/gpu" } else { "nvidia.com/gpu" };
        // A share of a GPU is one device to Kubernetes.
        Some((name, self.sku.gpu_count.unwrap_or(1.0).max(1.0) as u64))
    }
}

/// One run on one target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot {
    /// Index of the target.
    pub target: usize,
    /// Number of the run, from 0.
    pub run: u32,
}

impl Fleet {
    /// All slots, target after target.
    pub fn slots(&self) -> impl Iterator<Item = Slot> + '_ {
        (0..self.targets.len()).flat_map(|target| self.slots_of(target))
    }

    /// The slots of one target.
    pub fn slots_of(&self, target: usize) -> impl Iterator<Item = Slot> + use<> {
        (0..self.repeats).map(move |run| Slot { target, run })
    }

    /// Where the record of a slot lies in the store: the same name however often it is measured, so
    /// that none is counted twice.
    pub fn key(&self, slot: Slot) -> String {
        format!("{}/{}/{}.jsonl", self.name, self.targets[slot.target].id, slot.run)
    }

    /// Where the reason of a slot without a record lies.
    pub fn failure_key(&self, slot: Slot) -> String {
        format!("{}/{}/{}.failed.json", self.name, self.targets[slot.target].id, slot.run)
    }

    /// Where it lies what was asked of a target and what it has cost.
    pub fn ledger_key(&self, target: usize) -> String {
        format!("{}/{}/ledger.json", self.name, self.targets[target].id)
    }
}

/// What a store remembers of a target beside its records.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Ledger {
    /// Digest of what was asked for ([`job::asked`]): records of other settings are not mixed in.
    pub asked: String,
    /// US dollars of jobs that are over.
    pub spent_usd: f64,
    /// Most that a job may cost that was begun and of which the end was not seen.
    pub reserved_usd: f64,
}

/// Why a fleet's file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    /// The file could not be read.
    #[error("{file}: {source}; give a readable .toml file, as docs/fleet.md shows")]
    Io {
        /// Path as given.
        file: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A field is unknown, missing or has a value that cannot be used.
    #[error(transparent)]
    Field(#[from] crate::workload::WorkloadError),
    /// The suite cannot be used.
    #[error("{file}: suite: {source}")]
    Suite {
        /// The fleet's file.
        file: String,
        /// What is wrong with it.
        source: crate::suite::SuiteError,
    },
}

/// `text` as Kubernetes takes it for a name: lower case, letters, digits and dashes.
pub(crate) fn object_name(text: &str, longest: usize) -> String {
    let mapped = text.to_lowercase();
    let mapped = mapped.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' });
    let mapped: String = mapped.take(longest).collect();
    mapped.trim_matches('-').to_owned()
}
