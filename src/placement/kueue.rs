//! Kueue: a flavour of nodes and a queue for what the demand takes of them.

use std::collections::BTreeMap;

use serde::Serialize;
use yaml_serde::Value;

use super::pool::Pool;
use super::yaml::{Metadata, Object};
use super::{Asked, File, Refusal, manifest, pod, pod_spec, yaml};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Flavor {
    node_labels: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tolerations: Vec<Value>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ClusterQueue {
    namespace_selector: BTreeMap<String, String>,
    resource_groups: Vec<Group>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Group {
    covered_resources: Vec<String>,
    flavors: Vec<FlavorQuota>,
}

#[derive(Serialize)]
struct FlavorQuota {
    name: String,
    resources: Vec<Quota>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Quota {
    name: String,
    nominal_quota: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LocalQueue {
    cluster_queue: String,
}

const VERSION: &str = "kueue.x-k8s.io/v1beta2";

/// ResourceFlavor, ClusterQueue and a LocalQueue called `queue` in every namespace of the manifest.
///
/// # Errors
/// A manifest that is no YAML.
pub(super) fn file(
    queue: &str,
    asked: &Asked,
    pool: &Pool,
    header: &str,
    remarks: &mut Vec<String>,
) -> Result<File, Refusal> {
    let flavor = Object {
        api_version: VERSION,
        kind: "ResourceFlavor",
        metadata: Metadata::of(&pool.name),
        spec: Flavor {
            node_labels: BTreeMap::from([(pool.selector.0.to_owned(), pool.selector.1.clone())]),
            tolerations: pod::tolerations(pool).iter().map(pod_spec::toleration).collect(),
        },
    };
    let quotas = quotas(asked, pool);
    let cluster_queue = Object {
        api_version: VERSION,
        kind: "ClusterQueue",
        metadata: Metadata::of(&pool.name),
        spec: ClusterQueue {
            namespace_selector: BTreeMap::new(),
            resource_groups: vec![Group {
                covered_resources: quotas.iter().map(|q| q.name.clone()).collect(),
                flavors: vec![FlavorQuota { name: pool.name.clone(), resources: quotas }],
            }],
        },
    };
    let mut objects = vec![yaml::object(&flavor), yaml::object(&cluster_queue)];
    let namespaces = match &asked.choices.manifest {
        Some(given) => manifest::namespaces(&given.name, &given.text)?,
        None => vec!["default".to_owned()],
    };
    objects.extend(namespaces.into_iter().map(|namespace| {
        yaml::object(&Object {
            api_version: VERSION,
            kind: "LocalQueue",
            metadata: Metadata { name: queue.to_owned(), namespace: Some(namespace) },
            spec: LocalQueue { cluster_queue: pool.name.clone() },
        })
    }));
    remarks.push(
        "kueue.yaml needs Kueue in the cluster, with its API v1beta2; it covers CPU, memory and GPUs: \
         a workload that asks for anything else, such as ephemeral-storage, is not admitted until \
         that is added"
            .into(),
    );
    Ok(File {
        name: "kueue.yaml",
        apply: "kubectl apply -f kueue.yaml".into(),
        text: yaml::documents(header, &objects),
    })
}

/// What pods can have of the pool's most nodes.
fn quotas(asked: &Asked, pool: &Pool) -> Vec<Quota> {
    let needs = &asked.needs;
    let quota = |name: &str, quota: String| Quota { name: name.to_owned(), nominal_quota: quota };
    let mut quotas = vec![quota("cpu", format!("{}m", needs.node_cpu_milli * pool.max))];
    if let Some(mib) = needs.node_memory_mib {
        quotas.push(quota("memory", format!("{}Mi", mib * pool.max)));
    }
    if let Some((name, each)) = &pool.resource {
        quotas.push(quota(name, (each * pool.pods_per_node(asked) * pool.max).to_string()));
    }
    quotas
}
