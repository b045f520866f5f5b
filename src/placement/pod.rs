//! What a pod is given so that it lands on the right nodes and takes what it needs of them.

use super::pool::Pool;
use super::{Asked, Provisioner, bin_packing};
use crate::classify::SharedBy;

/// A toleration of a taint with effect `NoSchedule`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Toleration {
    pub key: &'static str,
    /// `None`: any value.
    pub value: Option<&'static str>,
}

impl Toleration {
    /// `Equal` or `Exists`.
    pub fn operator(&self) -> &'static str {
        if self.value.is_some() { "Equal" } else { "Exists" }
    }
}

/// What pods on `pool` tolerate.
pub(super) fn tolerations(pool: &Pool) -> Vec<Toleration> {
    let mut tolerations = Vec::new();
    if pool.gpu {
        // Guides and tools differ in the taint they set: both are tolerated.
        tolerations.push(Toleration { key: "sku", value: Some("gpu") });
        let vendor = if pool.amd { "amd.com/gpu" } else { "nvidia.com/gpu" };
        tolerations.push(Toleration { key: vendor, value: None });
    }
    if pool.spot {
        let key = "kubernetes.azure.com/scalesetpriority";
        tolerations.push(Toleration { key, value: Some("spot") });
    }
    tolerations
}

/// What a pod is given.
#[derive(Debug, Clone)]
pub(super) struct Pod {
    pub selector: Vec<(&'static str, String)>,
    pub tolerations: Vec<Toleration>,
    /// Thousandths of a vCPU that its container asks for.
    pub cpu_milli: u64,
    /// What all containers of a pod together can have.
    pub room_milli: u64,
    /// MiB that its container asks for; `None` where nothing is known.
    pub memory_mib: Option<u64>,
    /// Extended resource and how many of it.
    pub resource: Option<(String, u64)>,
    pub gpu: bool,
    /// Such pods that the pool's most nodes hold.
    pub at_once: u64,
    /// Whether whoever makes the nodes also moves pods to save some.
    pub moved: bool,
    pub scheduler: Option<&'static str>,
    pub queue: Option<String>,
    os: &'static str,
    arch: &'static str,
}

impl Pod {
    /// For pods on `pool`.
    pub fn new(asked: &Asked, pool: &Pool) -> Self {
        let arm = asked.size.reasons.iter().any(|r| r.code == "arm64");
        let mut selector = vec![(pool.selector.0, pool.selector.1.clone())];
        if pool.windows {
            selector.push(("kubernetes.io/os", "windows".into()));
        }
        if arm {
            selector.push(("kubernetes.io/arch", "arm64".into()));
        }
        let needs = &asked.needs;
        // Those that share a GPU share its host as well.
        let per_node = pool.pods_per_node(asked).max(1);
        let room_milli = needs.node_cpu_milli / per_node;
        // Co-tenants of a CPU node each ask for the part of it that they hold.
        let part = asked.sharing().filter(|s| s.by == SharedBy::CoLocation);
        let part = part.map_or(1.0, |s| (s.holds / s.nodes.max(1) as f64).min(1.0));
        let room_milli = (room_milli as f64 * part) as u64;
        Self {
            selector,
            tolerations: tolerations(pool),
            cpu_milli: needs.cpu_milli.min(room_milli).max(50),
            room_milli,
            memory_mib: needs.memory_mib,
            resource: pool.resource.clone(),
            gpu: pool.gpu,
            at_once: per_node * pool.max,
            moved: asked.choices.provisioner == Provisioner::AutoProvisioning,
            scheduler: asked.choices.bin_packing.then_some(bin_packing::SCHEDULER),
            queue: asked.choices.queue.clone(),
            os: if pool.windows { "windows" } else { "linux" },
            arch: if arm { "arm64" } else { "amd64" },
        }
    }

    /// Whether nodes of the pool have the label `key` with this value.
    pub fn agrees(&self, key: &str, value: &str) -> bool {
        match key {
            "kubernetes.io/os" | "beta.kubernetes.io/os" => value == self.os,
            "kubernetes.io/arch" | "beta.kubernetes.io/arch" => value == self.arch,
            _ => self.selector.iter().any(|(k, v)| *k == key && v == value),
        }
    }
}
