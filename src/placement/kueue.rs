//! Kueue: a flavour of nodes and a queue for what the demand takes of them.

use std::collections::BTreeMap;

use serde::Serialize;

use super::File;
use super::pod::Pod;
use super::pool::Pool;
use super::yaml;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Object<S> {
    api_version: &'static str,
    kind: &'static str,
    metadata: Metadata,
    spec: S,
}

#[derive(Serialize)]
struct Metadata {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<&'static str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Flavor {
    node_labels: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tolerations: Vec<BTreeMap<&'static str, String>>,
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

/// ResourceFlavor, ClusterQueue and the LocalQueue called `queue`.
pub(super) fn file(queue: &str, pool: &Pool, pod: &Pod, header: &str) -> File {
    let metadata = |name: &str| Metadata { name: name.into(), namespace: None };
    let tolerations = pod.tolerations.iter().map(|t| {
        let mut fields = BTreeMap::from([
            ("key", t.key.to_owned()),
            ("operator", if t.value.is_some() { "Equal" } else { "Exists" }.to_owned()),
            ("effect", "NoSchedule".to_owned()),
        ]);
        if let Some(value) = t.value {
            fields.insert("value", value.to_owned());
        }
        fields
    });
    let flavor = Object {
        api_version: VERSION,
        kind: "ResourceFlavor",
        metadata: metadata(&pool.name),
        spec: Flavor {
            node_labels: BTreeMap::from([(pool.selector.0.to_owned(), pool.selector.1.clone())]),
            tolerations: tolerations.collect(),
        },
    };
    let quotas = quotas(pool, pod);
    let cluster_queue = Object {
        api_version: VERSION,
        kind: "ClusterQueue",
        metadata: metadata(&pool.name),
        spec: ClusterQueue {
            namespace_selector: BTreeMap::new(),
            resource_groups: vec![Group {
                covered_resources: quotas.iter().map(|q| q.name.clone()).collect(),
                flavors: vec![FlavorQuota { name: pool.name.clone(), resources: quotas }],
            }],
        },
    };
    let local = Object {
        api_version: VERSION,
        kind: "LocalQueue",
        metadata: Metadata { name: queue.to_owned(), namespace: Some("default") },
        spec: LocalQueue { cluster_queue: pool.name.clone() },
    };
    File {
        name: "kueue.yaml",
        apply: "kubectl apply -f kueue.yaml  # Kueue with API v1beta2".into(),
        text: yaml::documents(
            header,
            &[yaml::object(&flavor), yaml::object(&cluster_queue), yaml::object(&local)],
        ),
    }
}

/// As much of each resource as the pool's most nodes hold of such pods.
fn quotas(pool: &Pool, pod: &Pod) -> Vec<Quota> {
    let pods = pool.max * pod.per_node;
    let times = |value: &str| -> String {
        let digits = value.trim_end_matches(|c: char| !c.is_ascii_digit());
        let unit = &value[digits.len()..];
        digits.parse::<u64>().map_or_else(|_| value.to_owned(), |n| format!("{}{unit}", n * pods))
    };
    let gpus = pod.limits.iter().filter(|(name, _)| name.contains('/'));
    pod.requests
        .iter()
        .chain(gpus)
        .map(|(name, value)| Quota { name: name.clone(), nominal_quota: times(value) })
        .collect()
}
