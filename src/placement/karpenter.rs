//! Node auto-provisioning: Karpenter's NodePool and AKSNodeClass, and prices by measured cost.

use std::collections::BTreeMap;

use serde::Serialize;

use super::pool::Pool;
use super::yaml::{self, Metadata, Object};
use super::{Asked, File, GpuStack, az};
use crate::catalog::Sku;
use crate::classify::SkuCost;

/// Sizes that Karpenter may choose from: the asked-for one and the next cheapest of its kind.
const CHOICE: usize = 6;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NodePoolSpec {
    limits: BTreeMap<String, String>,
    disruption: Disruption,
    template: Template,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Disruption {
    consolidation_policy: &'static str,
    consolidate_after: String,
}

#[derive(Serialize)]
struct Template {
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<Labels>,
    spec: TemplateSpec,
}

#[derive(Serialize)]
struct Labels {
    labels: BTreeMap<&'static str, String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TemplateSpec {
    expire_after: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    taints: Vec<Taint>,
    node_class_ref: ClassRef,
    requirements: Vec<Requirement>,
}

#[derive(Serialize)]
struct Taint {
    key: &'static str,
    value: &'static str,
    effect: &'static str,
}

#[derive(Serialize)]
struct ClassRef {
    group: &'static str,
    kind: &'static str,
    name: String,
}

#[derive(Serialize)]
struct Requirement {
    key: &'static str,
    operator: &'static str,
    values: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NodeClassSpec {
    image_family: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    gpu: Option<GpuMode>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<BTreeMap<&'static str, &'static str>>,
}

#[derive(Serialize)]
struct GpuMode {
    mode: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OverlaySpec {
    requirements: Vec<Requirement>,
    price_adjustment: String,
    weight: u32,
}

/// NodePool and AKSNodeClass, and where there is a choice of sizes a NodeOverlay for each other one.
pub(super) fn files(
    asked: &Asked,
    pool: &Pool,
    header: &str,
    remarks: &mut Vec<String>,
) -> Vec<File> {
    let sizes = choice(asked);
    remarks.push(
        "a cluster whose node pools have the cluster autoscaler cannot turn node auto-provisioning \
         on: take the autoscaler off them first, or use another cluster"
            .into(),
    );
    if pool.min > 0 {
        remarks.push(format!(
            "Karpenter keeps no node that has no pod: the cost counts on {} kept all day, so keep as \
             many pods running, or wait for a start when work comes",
            if pool.min == 1 { "one node".into() } else { format!("{} nodes", pool.min) }
        ));
    }
    if !pool.gpu {
        remarks.push(
            "nothing keeps other pods off these nodes: they count against the NodePool's limits"
                .into(),
        );
    }
    let objects =
        [yaml::object(&node_class(asked, pool)), yaml::object(&node_pool(asked, pool, &sizes))];
    let mut files = vec![File {
        name: "karpenter.yaml",
        apply: "kubectl apply -f karpenter.yaml".into(),
        text: yaml::documents(header, &objects),
    }];
    let overlays: Vec<String> =
        sizes.iter().skip(1).filter_map(|size| overlay(sizes[0], size, pool)).collect();
    if !overlays.is_empty() {
        remarks.push(
            "NodeOverlay is a feature of Karpenter that is off by default; check that your AKS has \
             it before applying node-overlays.yaml"
                .into(),
        );
        files.push(File {
            name: "node-overlays.yaml",
            apply: "kubectl apply -f node-overlays.yaml  # where the NodeOverlay feature is on"
                .into(),
            text: yaml::documents(header, &overlays),
        });
    }
    files
}

/// The asked-for size first, then those that cost no more than twice as much a month and on which as
/// many of the same pods run: the same number of whole GPUs of the same maker with no less room beside
/// them, or as many threads; no confidential VM.
fn choice<'a>(asked: &'a Asked) -> Vec<&'a SkuCost> {
    let month = |size: &SkuCost| size.usd_per_month.map_or(f64::INFINITY, |m| m.median);
    let chosen = asked.size;
    // A cut GPU, or one whose device plugin is set for this size, is not exchangeable.
    let single = asked.choices.sharing.is_some() || asked.verdict.sharing.is_some();
    let alike = |size: &&SkuCost| {
        size.side == chosen.side
            && size.eligible
            && size.sku != chosen.sku
            && size.shared_with.is_empty()
            && month(size) <= 2.0 * month(chosen)
            && arm(size) == arm(chosen)
            && asked
                .catalog
                .sku(Some(&size.provider), &size.sku)
                .is_some_and(|sku| alike_in(asked, sku))
    };
    let mut sizes = vec![chosen];
    if !single {
        sizes.extend(asked.verdict.ranking.iter().filter(alike).take(CHOICE - 1));
    }
    sizes
}

/// Whether as many of the same pods run on `sku` as on the asked-for size.
fn alike_in(asked: &Asked, sku: &Sku) -> bool {
    let vendor = |model: &Option<String>| {
        asked.catalog.gpu(model.as_deref()?).map(|gpu| gpu.vendor.as_str())
    };
    let threads = match sku.has_gpu() {
        true => sku.vcpus >= asked.sku.vcpus,
        false => sku.vcpus == asked.sku.vcpus,
    };
    // Series with encrypted memory need images and attestation of their own.
    let confidential = ["Standard_NCC", "Standard_DC", "Standard_EC"];
    sku.gpu_count == asked.sku.gpu_count
        && sku.gpu_count.is_none_or(|gpus| gpus >= 1.0)
        && vendor(&sku.gpu_model) == vendor(&asked.sku.gpu_model)
        && threads
        && sku.memory_gib >= asked.sku.memory_gib
        && !confidential.iter().any(|series| sku.name.starts_with(series))
}

fn arm(size: &SkuCost) -> bool {
    size.reasons.iter().any(|r| r.code == "arm64")
}

fn node_class(asked: &Asked, pool: &Pool) -> Object<NodeClassSpec> {
    let stack = asked.choices.gpu_stack;
    let own_driver = pool.amd || stack == GpuStack::Operator;
    let managed = pool.gpu && stack == GpuStack::Managed;
    Object {
        api_version: "karpenter.azure.com/v1beta1",
        kind: "AKSNodeClass",
        metadata: Metadata::of(&pool.name),
        spec: NodeClassSpec {
            image_family: "Ubuntu",
            // The documentation prints the values in lower case; the CRD takes them capitalised.
            gpu: pool.gpu.then_some(GpuMode { mode: if own_driver { "None" } else { "Driver" } }),
            tags: managed.then(|| BTreeMap::from([("EnableManagedGPUExperience", "true")])),
        },
    }
}

fn node_pool(asked: &Asked, pool: &Pool, sizes: &[&SkuCost]) -> Object<NodePoolSpec> {
    let capacity = if pool.spot { vec!["spot".to_owned()] } else { vec!["on-demand".to_owned()] };
    let mut requirements = vec![
        // By name: sizes without an accelerator in theirs have no sku-gpu-name.
        requirement("karpenter.azure.com/sku-name", sizes.iter().map(|s| s.sku.clone()).collect()),
        requirement("karpenter.sh/capacity-type", capacity),
        requirement("kubernetes.io/os", vec!["linux".into()]),
    ];
    if arm(asked.size) {
        requirements.push(requirement("kubernetes.io/arch", vec!["arm64".into()]));
    }
    let (key, most) = match pool.gpu {
        true => {
            let gpus = asked.sku.gpu_count.unwrap_or(1.0).max(1.0) * pool.max as f64;
            (if pool.amd { "amd.com/gpu" } else { "nvidia.com/gpu" }, gpus.ceil() as u64)
        }
        false => ("cpu", u64::from(asked.sku.vcpus) * pool.max),
    };
    let labels: BTreeMap<_, _> = az::operator_labels(asked, pool).into_iter().collect();
    let cool_down_min = asked.verdict.options.settings.cool_down_min;
    Object {
        api_version: "karpenter.sh/v1",
        kind: "NodePool",
        metadata: Metadata::of(&pool.name),
        spec: NodePoolSpec {
            limits: BTreeMap::from([(key.to_owned(), most.to_string())]),
            disruption: Disruption {
                consolidation_policy: "WhenEmptyOrUnderutilized",
                consolidate_after: format!("{}s", (cool_down_min * 60.0).round()),
            },
            template: Template {
                metadata: (!labels.is_empty()).then_some(Labels { labels }),
                spec: TemplateSpec {
                    expire_after: "Never",
                    taints: pool
                        .taint
                        .iter()
                        .map(|(key, value)| Taint { key, value, effect: "NoSchedule" })
                        .collect(),
                    node_class_ref: ClassRef {
                        group: "karpenter.azure.com",
                        kind: "AKSNodeClass",
                        name: pool.name.clone(),
                    },
                    requirements,
                },
            },
        },
    }
}

fn requirement(key: &'static str, values: Vec<String>) -> Requirement {
    Requirement { key, operator: "In", values }
}

/// Karpenter takes the size with the lowest price; adjusted, that is the one with the lowest cost a
/// job. A size's price is changed by the hours that a job takes there, relative to `best`:
/// (cost a job at full load ÷ price) ÷ (the same of `best`) − 1, whatever the discount.
fn overlay(best: &SkuCost, size: &SkuCost, pool: &Pool) -> Option<String> {
    let hours = |s: &SkuCost| Some(s.usd_per_job_full_load?.median / s.price_usd_per_h?);
    let adjustment = 100.0 * (hours(size)? / hours(best)? - 1.0);
    if !adjustment.is_finite() || adjustment <= -99.95 || adjustment.abs() < 0.05 {
        return None;
    }
    let name = size.sku.trim_start_matches("Standard_").to_lowercase().replace('_', "-");
    Some(yaml::object(&Object {
        api_version: "karpenter.sh/v1alpha1",
        kind: "NodeOverlay",
        metadata: Metadata::of(&format!("{}-{name}", pool.name)),
        spec: OverlaySpec {
            requirements: vec![
                requirement("node.kubernetes.io/instance-type", vec![size.sku.clone()]),
                requirement("karpenter.sh/nodepool", vec![pool.name.clone()]),
            ],
            price_adjustment: format!("{adjustment:+.1}%"),
            weight: 10,
        },
    }))
}
