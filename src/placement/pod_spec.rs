//! What a pod's spec in a manifest says about where it runs and what it takes.

use yaml_serde::{Mapping, Value};

use super::lossless::{Step, at};
use super::pod::{Pod, Toleration};

/// Selectors that say where a pod runs; those that the placement does not set would contradict it.
const PLACES: &[&str] = &[
    "accelerator",
    "agentpool",
    "karpenter.sh/",
    "karpenter.azure.com/",
    "kubernetes.azure.com/accelerator",
    "kubernetes.azure.com/agentpool",
    "kubernetes.azure.com/mode",
    "kubernetes.azure.com/os-sku",
    "kubernetes.azure.com/priority",
    "kubernetes.azure.com/scalesetpriority",
    "kubernetes.azure.com/sku-",
    "kubernetes.io/arch",
    "kubernetes.io/os",
    "beta.kubernetes.io/",
    "node.kubernetes.io/instance-type",
    "nvidia.com/",
];
/// Extended resources of GPUs: these names, or what begins so.
const GPU_RESOURCES: &[&str] = &[
    "nvidia.com/gpu",
    "nvidia.com/mig-",
    "amd.com/gpu",
    "gpu.intel.com/",
    "microsoft.com/directx",
];

/// A text among the fields of `value`.
pub(super) fn field<'v>(value: &'v Value, name: &str) -> Option<&'v str> {
    value.get(name).and_then(Value::as_str)
}

/// What only the manifest's author can resolve.
pub(super) fn contradictions(spec: &Value, pod: &Pod) -> Result<(), String> {
    if let Some(node) = field(spec, "nodeName") {
        return Err(format!("nodeName {node} fixes the node whatever else is said: take it out"));
    }
    let terms = ["affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution"];
    let terms = terms.iter().try_fold(spec, |value, key| value.get(*key));
    for term in terms.map(|t| list(t, "nodeSelectorTerms")).unwrap_or_default() {
        for expression in list(term, "matchExpressions") {
            let key = field(expression, "key").unwrap_or_default();
            let values = list(expression, "values").iter().filter_map(Value::as_str);
            let agrees = field(expression, "operator") == Some("In")
                && values.into_iter().any(|value| pod.agrees(key, value));
            if is_place(key) && !agrees {
                return Err(format!(
                    "its nodeAffinity asks for nodes by {key}, which contradicts the node pool: take \
                     that term out"
                ));
            }
        }
    }
    Ok(())
}

pub(super) fn list<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value.get(key).and_then(Value::as_sequence).map_or(&[], Vec::as_slice)
}

pub(super) fn is_place(key: &str) -> bool {
    let fits =
        |place: &&str| key == *place || (place.ends_with(['/', '-']) && key.starts_with(*place));
    PLACES.iter().any(fits)
}

pub(super) fn is_gpu(resource: &str) -> bool {
    GPU_RESOURCES.iter().any(|name| resource.starts_with(name))
}

/// Sections and names of a container's GPU resources.
pub(super) fn gpus(container: &Value) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    for section in ["requests", "limits"] {
        let values = container.get("resources").and_then(|r| r.get(section));
        let keys = values.and_then(Value::as_mapping).into_iter().flat_map(Mapping::keys);
        let gpus = keys.filter_map(Value::as_str).filter(|key| is_gpu(key));
        found.extend(gpus.map(|key| (section, key.to_owned())));
    }
    found
}

/// A quantity as written.
pub(super) fn quantity(container: &Value, section: &str, key: &str) -> Option<String> {
    at(container, &[Step::key("resources"), Step::key(section), Step::key(key)]).map(text_of)
}

pub(super) fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => yaml_serde::to_string(other).unwrap_or_default().trim().to_owned(),
    }
}

pub(super) fn toleration(t: &Toleration) -> Value {
    let mut map = Mapping::new();
    map.insert("key".into(), t.key.into());
    map.insert("operator".into(), if t.value.is_some() { "Equal" } else { "Exists" }.into());
    if let Some(value) = t.value {
        map.insert("value".into(), value.into());
    }
    map.insert("effect".into(), "NoSchedule".into());
    Value::Mapping(map)
}

/// Whether a toleration is one that only pods on GPU nodes have.
pub(super) fn of_gpu(value: &Value) -> bool {
    match field(value, "key") {
        Some("nvidia.com/gpu" | "amd.com/gpu") => true,
        Some("sku") => field(value, "value") == Some("gpu"),
        _ => false,
    }
}

/// Whether a toleration covers `wanted`.
pub(super) fn tolerates(value: &Value, wanted: &Toleration) -> bool {
    let exists = field(value, "operator") == Some("Exists");
    let key = field(value, "key").map_or(exists, |key| key == wanted.key);
    let effect = field(value, "effect").is_none_or(|effect| effect == "NoSchedule");
    let same = wanted.value.is_some() && field(value, "value") == wanted.value;
    key && effect && (exists || same)
}
