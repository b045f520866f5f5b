//! The nodes that a placement is about: name, size, how many, taint, and what a pod asks them for.

use super::{Asked, GpuStack, MigStrategy, PoolMode, Refusal, ShareBy};
use crate::catalog::{MigProfile, PriceKind};
use crate::classify::{SharedBy, Side};

/// Longest names of node pools that AKS takes.
const LONGEST: usize = 12;
const LONGEST_WINDOWS: usize = 6;

/// The nodes.
pub(super) struct Pool<'a> {
    pub name: String,
    /// Label that every node of it has.
    pub selector: (&'static str, String),
    pub gpu: bool,
    pub amd: bool,
    pub windows: bool,
    pub spot: bool,
    pub system: bool,
    /// Key and value of the taint that keeps other pods off; effect `NoSchedule`.
    pub taint: Option<(&'static str, &'static str)>,
    pub min: u64,
    pub max: u64,
    pub why_so_many: String,
    pub mig: Option<&'a MigProfile>,
    /// Pods that share one GPU in turns or side by side.
    pub replicas: Option<(ShareBy, u64)>,
    /// Extended resource of a pod and how many of it.
    pub resource: Option<(String, u64)>,
}

impl<'a> Pool<'a> {
    /// The nodes for what is asked.
    ///
    /// # Errors
    /// A name that AKS does not take; a way of sharing that the GPU or the demand does not allow.
    pub fn new(asked: &Asked<'a>) -> Result<Self, Refusal> {
        let choices = asked.choices;
        let gpu = asked.size.side == Side::Gpu;
        let windows = asked.workload.node.os == "windows";
        let amd = asked.gpu().is_some_and(|g| g.vendor.eq_ignore_ascii_case("amd"));
        let name = name(asked, gpu, windows)?;
        let (min, max, why_so_many) = counts(asked);
        if choices.sharing.is_some() && (!gpu || amd) {
            let what = if amd { "AMD GPUs, which cannot be shared so" } else { "no GPU to share" };
            return Err(Refusal(format!(
                "--share: {} has {what}; leave --share out",
                asked.sku.name
            )));
        }
        let by = shared_by(asked, gpu);
        let mig = match by {
            Some(ShareBy::Mig) => Some(profile(asked)?),
            _ => None,
        };
        let replicas = match by {
            Some(by @ (ShareBy::TimeSlicing | ShareBy::Mps)) => Some((by, replicas(asked)?)),
            _ => None,
        };
        let mut pool = Self {
            selector: match choices.provisioner {
                super::Provisioner::NodePool => ("kubernetes.azure.com/agentpool", name.clone()),
                super::Provisioner::AutoProvisioning => ("karpenter.sh/nodepool", name.clone()),
            },
            name,
            gpu,
            amd,
            windows,
            spot: asked.verdict.options.price_kind == PriceKind::Spot,
            system: choices.mode == PoolMode::System,
            taint: None,
            min,
            max,
            why_so_many,
            mig,
            replicas,
            resource: None,
        };
        if gpu {
            // The Operator's own DaemonSets tolerate only the second.
            let operator = choices.gpu_stack == GpuStack::Operator;
            pool.taint =
                Some(if operator { ("nvidia.com/gpu", "present") } else { ("sku", "gpu") });
            pool.resource = Some(pool.resource_name(choices.mig_strategy, asked.needs.gpus.max(1)));
        }
        Ok(pool)
    }

    fn resource_name(&self, strategy: MigStrategy, gpus: u64) -> (String, u64) {
        if self.windows {
            return ("microsoft.com/directx".into(), 1);
        }
        if self.amd {
            return ("amd.com/gpu".into(), gpus);
        }
        match (self.mig, strategy) {
            (Some(profile), MigStrategy::Mixed) => (profile.resource_name(), 1),
            (Some(_), MigStrategy::Single) => ("nvidia.com/gpu".into(), 1),
            (None, _) => ("nvidia.com/gpu".into(), gpus),
        }
    }

    /// Pods of this kind on a node.
    pub fn pods_per_node(&self, asked: &Asked) -> u64 {
        let needs = &asked.needs;
        let host =
            needs.node_memory_mib.zip(needs.memory_mib).map(|(have, need)| have / need.max(1));
        let gpus = asked.sku.gpu_count.unwrap_or(1.0).max(1.0) as u64;
        let pods = match (self.mig, self.replicas) {
            (Some(profile), _) => u64::from(profile.max_instances) * gpus,
            (None, Some((_, replicas))) => replicas * gpus,
            (None, None) => needs.pods_per_node,
        };
        pods.min(host.unwrap_or(pods)).max(1)
    }

    /// Whether the number of nodes changes through the day.
    pub fn scales(&self) -> bool {
        self.min != self.max
    }
}

/// The user's name for the pool, else `gpu` or `cpu` and the first letters of the workload's words.
fn name(asked: &Asked, gpu: bool, windows: bool) -> Result<String, Refusal> {
    let longest = if windows { LONGEST_WINDOWS } else { LONGEST };
    if let Some(name) = &asked.choices.pool {
        let fine = name.starts_with(|c: char| c.is_ascii_lowercase())
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
            && name.len() <= longest;
        if fine {
            return Ok(name.clone());
        }
        let system = if windows { "Windows" } else { "Linux" };
        return Err(Refusal(format!(
            "--pool {name}: AKS takes up to {longest} lower-case letters and digits, a letter \
             first, for a node pool with {system}; for example --pool gpu1"
        )));
    }
    let words = asked.verdict.workload.split(|c: char| !c.is_ascii_alphanumeric());
    let initials = words.filter_map(|word| word.chars().next()).map(|c| c.to_ascii_lowercase());
    let name: String = (if gpu { "gpu" } else { "cpu" }).chars().chain(initials).collect();
    Ok(name.chars().take(longest).collect())
}

/// Fewest and most nodes, and why so many.
fn counts(asked: &Asked) -> (u64, u64, String) {
    let size = asked.size;
    if let Some(sharing) = asked.sharing().filter(|_| !size.shared_with.is_empty()) {
        let nodes = sharing.nodes.max(1);
        let why = format!("of all {} workloads that share them", sharing.cotenants.len() + 1);
        return (nodes, nodes, why);
    }
    let most = size.nodes.unwrap_or(1).max(1);
    let fewest = size.fewest_nodes.unwrap_or(most).min(most);
    let spread = size.usd_per_month.filter(|m| m.median > 0.0).map_or(1.0, |m| m.hi90 / m.median);
    let max = (most as f64 * spread - 1e-9).ceil() as u64;
    let median = match (fewest == most, most) {
        (true, 1) => "1 all day".to_owned(),
        (true, _) => format!("{most} all day"),
        (false, _) => format!("{fewest} to {most} through the day"),
    };
    let upper = if max > most { "; the most is the upper end of the 90 % interval" } else { "" };
    (fewest, max.max(most), format!("by median the demand takes {median}{upper}"))
}

fn shared_by(asked: &Asked, gpu: bool) -> Option<ShareBy> {
    let by_verdict = asked.sharing().filter(|_| gpu).and_then(|sharing| match sharing.by {
        SharedBy::Mig => Some(ShareBy::Mig),
        SharedBy::TimeSlicing => Some(ShareBy::TimeSlicing),
        SharedBy::Fraction | SharedBy::CoLocation => None,
    });
    asked.choices.sharing.or(by_verdict)
}

/// The MIG profile of the verdict, else the smallest that holds a pod.
fn profile<'a>(asked: &Asked<'a>) -> Result<&'a MigProfile, Refusal> {
    let device = asked.sku.gpu_model.as_deref().unwrap_or("a CPU size");
    let profiles = asked.profiles();
    if profiles.is_empty() || asked.sku.gpu_count.is_some_and(|n| n < 1.0) {
        return Err(Refusal(format!(
            "--share mig: {} ({device}) cannot be cut into MIG instances; A100, H100 and H200 can, \
             as whole GPUs: choose such a size with --sku, or --share time-slicing",
            asked.sku.name
        )));
    }
    let said = asked.sharing().and_then(|s| s.profile.as_deref());
    if let Some(found) = said.and_then(|name| profiles.iter().find(|p| p.name == name)) {
        return Ok(found);
    }
    let need_gib = asked.needs.gpu_memory_gib;
    let used = asked.size.utilisation.unwrap_or(0.0);
    let holds =
        |p: &&&MigProfile| p.shares() && p.memory_gib >= need_gib && p.compute_share() >= used;
    profiles
        .iter()
        .filter(holds)
        .min_by(|a, b| {
            a.compute_slices.cmp(&b.compute_slices).then(a.memory_gib.total_cmp(&b.memory_gib))
        })
        .copied()
        .ok_or_else(|| {
            Refusal(format!(
                "--share mig: a pod takes {need_gib:.1} GiB of GPU memory and keeps the GPU busy \
                 {:.0} % of the time, and no profile of {device} that several pods could have \
                 has so much; leave --share out",
                100.0 * used
            ))
        })
}

/// Pods that may share one GPU: as many as its measured use leaves room for at 70 %, and as its
/// memory and the host's hold.
fn replicas(asked: &Asked) -> Result<u64, Refusal> {
    if asked.needs.gpus > 1 {
        return Err(Refusal(format!(
            "--share: a job of {} holds {} GPUs; only what fits on one can share it",
            asked.verdict.workload, asked.needs.gpus
        )));
    }
    let tenants = asked.sharing().map_or(0, |s| s.cotenants.len() as u64 + 1);
    let used = asked.size.utilisation.unwrap_or(1.0);
    let by_use = if used > 0.0 { (0.7 / used).floor().min(48.0) } else { 48.0 };
    let memory = asked.sku.gpu_memory_gib_each.zip(Some(asked.needs.gpu_memory_gib));
    let by_memory = match memory {
        Some((have, need)) if need > 0.0 => (have * 0.93 / need).floor(),
        _ => f64::INFINITY,
    };
    let host = asked.needs.node_memory_mib.zip(asked.needs.memory_mib);
    let by_host = host.map_or(f64::INFINITY, |(have, need)| (have / need.max(1)) as f64);
    let fit = by_use.max(tenants as f64).min(by_memory).min(by_host) as u64;
    if fit < 2 {
        return Err(Refusal(format!(
            "--share: {} keeps its GPU busy {:.0} % of the time and takes {:.1} GiB of its memory: \
             a second pod beside it would not fit; leave --share out",
            asked.verdict.workload,
            100.0 * used,
            asked.needs.gpu_memory_gib
        )));
    }
    Ok(fit)
}
