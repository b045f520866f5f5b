//! What a reader must know beside the files: what the placement saves, what idle nodes cost, and
//! what AKS does differently from what one would think.

use super::pool::Pool;
use super::{Asked, GpuStack, Provisioner, ShareBy, sharing};
use crate::catalog::{Aks, PriceKind, Status};
use crate::classify::{Kind, Side};
use crate::units::usd;

/// Hours of a month of 30.4 days.
const HOURS_PER_MONTH: f64 = 24.0 * 30.4;
/// Minutes that AKS's cluster autoscaler keeps an empty node by default (cluster-autoscaler.md).
const AUTOSCALER_COOL_DOWN_MIN: f64 = 10.0;

/// The remarks, most important first.
pub(super) fn remarks(asked: &Asked, pool: &Pool) -> Vec<String> {
    let mut remarks = Vec::new();
    remarks.extend(unsettled(asked));
    remarks.extend(saving(asked));
    remarks.extend(idle(asked, pool));
    remarks.extend(settings(asked, pool));
    remarks.extend(spot(asked, pool));
    remarks.extend(shares(asked, pool));
    remarks.extend(size(asked));
    remarks.push(format!("CPU request: {}", asked.needs.cpu_from));
    if asked.needs.memory_mib.is_none() {
        remarks.push(
            "memory is not asked for: the workload does not say how much a job takes ([job] \
             memory_gib)"
                .into(),
        );
    }
    remarks.extend(stack(asked, pool));
    remarks
}

fn unsettled(asked: &Asked) -> Option<String> {
    let verdict = asked.verdict;
    match verdict.verdict {
        Kind::MeasureFirst => Some(format!(
            "the verdict is measure-first: {} is placed because it was asked for; `breakeven \
             classify` says what to measure",
            asked.sku.name
        )),
        Kind::Either => {
            Some("the verdict is either: both kinds of node cost about the same".into())
        }
        Kind::Cpu if asked.size.side == Side::Gpu => {
            Some("the verdict is cpu, and a GPU size was asked for".into())
        }
        Kind::Gpu | Kind::SharedGpu if asked.size.side == Side::Cpu => {
            Some("the verdict is for a GPU, and a CPU size was asked for".into())
        }
        _ => None,
    }
}

/// What this kind of node saves against the best of the other.
fn saving(asked: &Asked) -> Option<String> {
    let mine = asked.size.usd_per_month?.median;
    let (other, what) = match asked.size.side {
        Side::Cpu => (&asked.verdict.best_gpu, "without a GPU"),
        Side::Gpu => (&asked.verdict.best_cpu, "with a GPU"),
    };
    let Some((name, theirs)) =
        other.as_ref().and_then(|row| Some((&row.sku, row.usd_per_month?.median)))
    else {
        return Some(format!(
            "{what} it costs {} a month; of the other kind no size has a known cost at such prices",
            usd(mine)
        ));
    };
    let difference = match theirs >= mine {
        true => format!("saves {} against the {}", usd(theirs - mine), usd(theirs)),
        false => format!("is {} more than the {}", usd(mine - theirs), usd(theirs)),
    };
    Some(format!("{what} it costs {} a month, which {difference} of {name}", usd(mine)))
}

/// Nodes that wait for work.
fn idle(asked: &Asked, pool: &Pool) -> Option<String> {
    let size = asked.size;
    let (price, hours) = (size.price_usd_per_h?, size.node_hours_per_day?);
    if pool.min == 0 {
        let all_day = size.nodes? as f64 * price * HOURS_PER_MONTH;
        let saved = all_day - hours * 30.4 * price;
        return Some(format!(
            "scales to zero: {} a month less than {} kept all day",
            usd(saved.max(0.0)),
            if size.nodes == Some(1) {
                "one node".into()
            } else {
                format!("{} nodes", size.nodes?)
            }
        ));
    }
    let used = size.utilisation.filter(|used| *used < 0.3)?;
    let idle = hours * 30.4 * price * (1.0 - used);
    // Karpenter's clusters cannot be stopped, those with KAITO not quite.
    if asked.choices.provisioner == Provisioner::AutoProvisioning || asked.choices.kaito.is_some() {
        return None;
    }
    if asked.workload.demand.latency_slo_s.is_some() {
        return Some(format!(
            "its nodes are in use {:.1} % of the time: {} a month are for waiting, which the latency \
             objective asks for",
            100.0 * used,
            usd(idle)
        ));
    }
    let stop = format!(
        "`az aks nodepool stop --resource-group … --cluster-name … --nodepool-name {}` when no work \
         is due (capacity on start is not promised; a stopped cluster or pool costs no nodes)",
        pool.name
    );
    Some(format!(
        "its nodes are in use {:.1} % of the time: {} a month are for waiting; {stop}",
        100.0 * used,
        usd(idle)
    ))
}

/// Settings that the verdict was asked under and that the files alone do not bring about.
fn settings(asked: &Asked, pool: &Pool) -> Vec<String> {
    let settings = &asked.verdict.options.settings;
    let mut remarks = Vec::new();
    if settings.min_nodes == Some(0) && pool.min > 0 {
        remarks.push(format!(
            "--min-nodes 0 changes nothing: work comes all day, and takes {} of these nodes at its \
             emptiest",
            pool.min
        ));
    }
    let cool_down_min = settings.cool_down_min;
    let by_pool = asked.choices.provisioner == Provisioner::NodePool && pool.scales();
    if by_pool && cool_down_min != AUTOSCALER_COOL_DOWN_MIN {
        remarks.push(format!(
            "nodes without work are kept for {cool_down_min} minutes in the verdict, by the cluster \
             autoscaler for {AUTOSCALER_COOL_DOWN_MIN}: `az aks update --resource-group … --name … \
             --cluster-autoscaler-profile scale-down-unneeded-time={cool_down_min}m` sets it for the \
             whole cluster"
        ));
    }
    remarks
}

/// Whether Spot would pay, or what it may do.
fn spot(asked: &Asked, pool: &Pool) -> Option<String> {
    let options = &asked.verdict.options;
    if pool.spot {
        return Some(format!(
            "Spot: Azure may take nodes at any time ({} an hour are assumed); what cannot be started \
             again belongs elsewhere",
            options.settings.evictions_per_h
        ));
    }
    let spot = asked.sku.price(PriceKind::Spot, options.region.as_deref())?;
    let now = asked.size.price_usd_per_h?;
    let rate = spot.price_usd_per_h * (1.0 - options.discount);
    (rate < 0.9 * now).then(|| {
        format!(
            "as a Spot pool the hour would cost {} in place of {} ({}, {}); --price-kind spot \
             counts evictions in and writes that pool",
            usd(rate),
            usd(now),
            spot.region,
            spot.as_of
        )
    })
}

fn shares(asked: &Asked, pool: &Pool) -> Vec<String> {
    let mut remarks = Vec::new();
    if let Some((by, replicas)) = pool.replicas {
        remarks.push(sharing::caveat(by, replicas));
    }
    if let Some(profile) = pool.mig {
        let gpus = asked.sku.gpu_count.unwrap_or(1.0).max(1.0);
        remarks.push(format!(
            "MIG {}: {} instances a node, each with {:.0} % of a GPU's arithmetic; times and cost \
             above are a whole GPU's, unless the verdict rests on instances; {}",
            profile.name,
            f64::from(profile.max_instances) * gpus,
            100.0 * profile.compute_share(),
            sharing::caveat(ShareBy::Mig, 1)
        ));
    }
    let alone = asked.sharing().is_none_or(|s| s.cotenants.is_empty());
    if alone && (pool.mig.is_some() || pool.replicas.is_some()) {
        remarks.push(
            "sharing saves only what others pay: the whole node is billed, so place its \
             co-tenants on this pool as well"
                .into(),
        );
    }
    remarks
}

fn size(asked: &Asked) -> Vec<String> {
    let sku = asked.sku;
    let mut remarks = Vec::new();
    if sku.status == Status::Preview {
        remarks.push(format!("{} is in preview", sku.name));
    }
    if let Some(day) = &sku.retires_on {
        remarks.push(format!("{} is withdrawn on {day}", sku.name));
    }
    if sku.aks == Aks::OwnDriver {
        remarks.push(format!("{}: AKS installs no driver for it; it must be installed", sku.name));
    }
    if asked.size.reasons.iter().any(|r| r.code == "arm64") {
        let amd64 = asked.verdict.ranking.iter().find(|row| {
            row.eligible
                && row.side == asked.size.side
                && row.shared_with.is_empty()
                && !row.reasons.iter().any(|r| r.code == "arm64")
        });
        let instead = amd64
            .zip(amd64.and_then(|row| row.usd_per_month))
            .map_or_else(String::new, |(row, month)| {
                format!("; for amd64 --sku {} ({} a month)", row.sku, usd(month.median))
            });
        remarks.push(format!("an Arm size: the image must be built for arm64{instead}"));
    }
    remarks
}

fn stack(asked: &Asked, pool: &Pool) -> Vec<String> {
    let mut remarks = Vec::new();
    if !pool.gpu {
        return remarks;
    }
    if pool.windows {
        remarks.push(
            "Windows GPU nodes are a preview: Kubernetes 1.29 or later, and the DirectX device \
             plugin of AKS's guide must be installed"
                .into(),
        );
        return remarks;
    }
    if asked.choices.gpu_stack == GpuStack::Operator {
        remarks.push(
            "the GPU Operator takes hold of every GPU node of the cluster; nodes that another \
             device plugin serves need the label nvidia.com/gpu.deploy.operands=false"
                .into(),
        );
    }
    if asked.choices.gpu_stack == GpuStack::DevicePlugin && !pool.amd {
        remarks.push(
            "leave device-plugin.yaml out where NVIDIA's device plugin or GPU Operator serves these \
             nodes already: two contradict each other"
                .into(),
        );
    }
    remarks
}
