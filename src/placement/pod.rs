//! What a pod is given so that it lands on the right nodes and takes what it needs of them.

use super::pool::Pool;
use super::{Asked, bin_packing};

/// A toleration of a taint with effect `NoSchedule`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Toleration {
    pub key: &'static str,
    /// `None`: any value.
    pub value: Option<&'static str>,
}

/// What a pod is given.
#[derive(Debug, Clone)]
pub(super) struct Pod {
    pub selector: Vec<(&'static str, String)>,
    pub tolerations: Vec<Toleration>,
    pub requests: Vec<(String, String)>,
    pub limits: Vec<(String, String)>,
    pub gpu: bool,
    /// Such pods on a node.
    pub per_node: u64,
    pub scheduler: Option<&'static str>,
    pub queue: Option<String>,
}

impl Pod {
    /// For pods on `pool`.
    pub fn new(asked: &Asked, pool: &Pool) -> Self {
        let mut selector = vec![(pool.selector.0, pool.selector.1.clone())];
        if pool.windows {
            selector.push(("kubernetes.io/os", "windows".into()));
        }
        if asked.size.reasons.iter().any(|r| r.code == "arm64") {
            selector.push(("kubernetes.io/arch", "arm64".into()));
        }
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
        let needs = &asked.needs;
        let per_node = pool.pods_per_node(needs, asked.sku.gpu_count.unwrap_or(0.0)).max(1);
        // Those that share a GPU share its host as well.
        let cpu_milli = needs.cpu_milli.min(needs.node_cpu_milli / per_node).max(50);
        let mut requests = vec![("cpu".to_owned(), format!("{cpu_milli}m"))];
        let mut limits = Vec::new();
        let fair = needs.node_memory_mib.map_or(u64::MAX, |mib| mib / per_node);
        if let Some(mib) = needs.memory_mib.map(|mib| mib.min(fair)) {
            requests.push(("memory".into(), format!("{mib}Mi")));
            limits.push(("memory".into(), format!("{mib}Mi")));
        }
        if let Some((name, count)) = &pool.resource {
            limits.push((name.clone(), count.to_string()));
        }
        Self {
            selector,
            tolerations,
            requests,
            limits,
            gpu: pool.gpu,
            per_node,
            scheduler: asked.choices.bin_packing.then_some(bin_packing::SCHEDULER),
            queue: asked.choices.queue.clone(),
        }
    }
}
