//! A user's manifest with what places its pods: node selector, tolerations and resources. All else,
//! comments and order too, stays as it was; that is checked on the result.

use std::str::FromStr;

use yaml_edit::{Document, Mapping, Sequence};
use yaml_serde::Value;

use super::pod::{Pod, Toleration};
use super::{Refusal, yaml};

/// Selectors that say where a pod runs; those that the placement does not set would contradict it.
const PLACES: &[&str] = &[
    "accelerator",
    "agentpool",
    "karpenter.sh/nodepool",
    "kubernetes.azure.com/accelerator",
    "kubernetes.azure.com/agentpool",
    "kubernetes.azure.com/priority",
    "kubernetes.azure.com/scalesetpriority",
    "kubernetes.io/arch",
    "kubernetes.io/os",
    "node.kubernetes.io/instance-type",
    "nvidia.com/gpu.present",
    "nvidia.com/gpu.product",
];
/// Tolerations that only pods on GPU nodes have.
const GPU_TOLERATIONS: &[&str] = &["sku", "nvidia.com/gpu", "amd.com/gpu"];
/// Extended resources of GPUs: these names, or what begins so.
const GPU_RESOURCES: &[&str] = &[
    "nvidia.com/gpu",
    "nvidia.com/mig-",
    "amd.com/gpu",
    "gpu.intel.com/",
    "microsoft.com/directx",
];
const QUEUE: &str = "kueue.x-k8s.io/queue-name";

/// A manifest and what was changed in it.
pub(super) struct Patched {
    pub text: String,
    pub changes: Vec<String>,
}

/// Path from the root to the pod's spec of the kinds that have one.
fn path_of(kind: &str) -> Option<&'static [&'static str]> {
    match kind {
        "Pod" => Some(&["spec"]),
        "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "Job" => {
            Some(&["spec", "template", "spec"])
        }
        "CronJob" => Some(&["spec", "jobTemplate", "spec", "template", "spec"]),
        _ => None,
    }
}

/// Gives every pod of the manifest `text`, called `name`, what `pod` has.
///
/// # Errors
/// Text that is no YAML, or in which no pod or not the `container` is found.
pub(super) fn patch(
    name: &str,
    text: &str,
    pod: &Pod,
    container: Option<&str>,
) -> Result<Patched, Refusal> {
    let (mut whole, mut changes, mut found) = (String::new(), Vec::new(), false);
    for (index, part) in yaml::split_documents(text).into_iter().enumerate() {
        let place = format!("{name}, document {}", index + 1);
        let value: Value = yaml_serde::from_str(part)
            .map_err(|error| Refusal(format!("{place}: {error}; give valid YAML")))?;
        let kind = value.get("kind").and_then(Value::as_str).unwrap_or_default();
        if kind == "List" {
            return Err(Refusal(format!(
                "{place}: a List; give its items as documents with a line of --- between them"
            )));
        }
        let Some(path) = path_of(kind) else {
            whole += part;
            continue;
        };
        found = true;
        let object = value.get("metadata").and_then(|m| m.get("name")).and_then(Value::as_str);
        let said = format!("{kind} {}", object.unwrap_or("without a name"));
        let mut edit = Edit { place, said, pod, changes: &mut changes };
        whole += &edit.document(part, &value, path, container)?;
    }
    if !found {
        return Err(Refusal(format!(
            "{name}: no Pod, Deployment, StatefulSet, DaemonSet, ReplicaSet, Job or CronJob in it; \
             give the manifest of one, or leave --manifest out"
        )));
    }
    Ok(Patched { text: whole, changes })
}

struct Edit<'a> {
    place: String,
    said: String,
    pod: &'a Pod,
    changes: &'a mut Vec<String>,
}

impl Edit<'_> {
    fn document(
        &mut self,
        text: &str,
        value: &Value,
        path: &[&str],
        container: Option<&str>,
    ) -> Result<String, Refusal> {
        let parsed = yaml_edit::YamlFile::from_str(text)
            .map_err(|error| self.broken(&format!("{error}")))?;
        let document = parsed.document().ok_or_else(|| self.broken("no document"))?;
        let root = document.as_mapping().ok_or_else(|| self.broken("no mapping"))?;
        let spec_path = path.join(".");
        let spec = path
            .iter()
            .try_fold(root.clone(), |at, key| at.get_mapping(*key))
            .ok_or_else(|| self.broken(&format!("no {spec_path}")))?;
        let index = self.container_index(value, path, container)?;
        self.selector(&spec)?;
        let present = at(value, path).and_then(|spec| spec.get("tolerations"));
        let present = present.and_then(Value::as_sequence).cloned().unwrap_or_default();
        self.tolerations(&spec, &present)?;
        self.resources(&spec, index)?;
        if let Some(scheduler) = self.pod.scheduler {
            self.scalar(&spec, "schedulerName", scheduler);
        }
        if let Some(queue) = self.pod.queue.clone() {
            self.queue(&root, &queue)?;
        }
        let patched = parsed.to_string();
        let after: Value = yaml_serde::from_str(&patched)
            .map_err(|error| self.broken(&format!("after the change: {error}")))?;
        if untouched(value, path, index) != untouched(&after, path, index) {
            return Err(self.broken(
                "it could not be changed without changing something else; simplify its nodeSelector, \
                 tolerations and resources (anchors, flow style), or patch it by hand",
            ));
        }
        Ok(patched)
    }

    fn broken(&self, what: &str) -> Refusal {
        Refusal(format!("{}: {}: {what}", self.place, self.said))
    }

    /// The container that computes: the one asked for, else the one with a GPU, else the one that a
    /// placement gave its requests, else the first.
    fn container_index(
        &mut self,
        value: &Value,
        path: &[&str],
        asked: Option<&str>,
    ) -> Result<usize, Refusal> {
        let containers = at(value, path)
            .and_then(|spec| spec.get("containers"))
            .and_then(Value::as_sequence)
            .filter(|all| !all.is_empty())
            .ok_or_else(|| self.broken("no containers"))?;
        let name = |c: &Value| c.get("name").and_then(Value::as_str).unwrap_or("").to_owned();
        if let Some(asked) = asked {
            return containers.iter().position(|c| name(c) == asked).ok_or_else(|| {
                let names: Vec<String> = containers.iter().map(name).collect();
                self.broken(&format!("no container {asked}; it has {}", names.join(", ")))
            });
        }
        let has_gpu = |c: &Value| {
            let limits = c.get("resources").and_then(|r| r.get("limits"));
            let keys = limits.and_then(Value::as_mapping).into_iter().flat_map(|m| m.keys());
            keys.filter_map(Value::as_str).any(is_gpu)
        };
        let placed = |c: &Value| {
            let requests = c.get("resources").and_then(|r| r.get("requests"));
            let asked = |key: &String| requests.and_then(|r| r.get(key)).and_then(Value::as_str);
            self.pod.requests.iter().all(|(key, value)| asked(key) == Some(value))
        };
        let found = containers.iter().position(has_gpu);
        let index = found.or_else(|| containers.iter().position(placed)).unwrap_or(0);
        if containers.len() > 1 {
            let said = format!(
                "{}: of {} containers, {} is taken as the one that computes; --container says \
                 otherwise",
                self.said,
                containers.len(),
                name(&containers[index])
            );
            self.changes.push(said);
        }
        Ok(index)
    }

    fn selector(&mut self, spec: &Mapping) -> Result<(), Refusal> {
        let wanted = &self.pod.selector;
        let Some(present) = spec.get_mapping("nodeSelector") else {
            let pairs: Vec<(String, String)> =
                wanted.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect();
            return self.insert(spec, "nodeSelector", &block(&pairs));
        };
        for key in PLACES.iter().filter(|key| wanted.iter().all(|(k, _)| k != *key)) {
            if present.remove(*key).is_some() {
                self.changes.push(format!(
                    "{}: nodeSelector {key} is taken out: the node pool decides",
                    self.said
                ));
            }
        }
        for (key, value) in wanted {
            self.scalar(&present, key, value);
        }
        Ok(())
    }

    /// `before` is what the list in `spec` says.
    fn tolerations(&mut self, spec: &Mapping, before: &[Value]) -> Result<(), Refusal> {
        let missing: Vec<&Toleration> = self
            .pod
            .tolerations
            .iter()
            .filter(|wanted| !before.iter().any(|value| tolerates(value, wanted)))
            .collect();
        let Some(present) = spec.get_sequence("tolerations").filter(|_| !before.is_empty()) else {
            if missing.is_empty() {
                return Ok(());
            }
            let items: String = missing.iter().map(|t| item(t)).collect();
            return self.insert(spec, "tolerations", &items);
        };
        for toleration in &missing {
            let text = item(toleration).replacen("- ", "", 1).replace("\n  ", "\n");
            present.push(Document::from_str(&text).map_err(|e| self.broken(&e.to_string()))?);
        }
        if !self.pod.gpu {
            self.without_gpu(spec, &present, before, missing.is_empty());
        }
        Ok(())
    }

    /// Takes out what only pods on GPU nodes tolerate; where nothing else is left, the whole list.
    fn without_gpu(&mut self, spec: &Mapping, list: &Sequence, before: &[Value], all: bool) {
        let gpu = |value: &Value| {
            let key = value.get("key").and_then(Value::as_str);
            key.is_some_and(|key| GPU_TOLERATIONS.contains(&key))
        };
        if !before.iter().any(gpu) {
            return;
        }
        self.changes.push(format!("{}: tolerations of GPU nodes are taken out", self.said));
        if all && before.iter().all(gpu) {
            spec.remove("tolerations");
            return;
        }
        for index in (0..before.len()).rev().filter(|index| gpu(&before[*index])) {
            list.remove(index);
        }
    }

    fn resources(&mut self, spec: &Mapping, index: usize) -> Result<(), Refusal> {
        let containers = spec.get_sequence("containers");
        let container = containers.and_then(|c| c.get(index)).and_then(|n| n.as_mapping().cloned());
        let container = container.ok_or_else(|| self.broken("its containers cannot be changed"))?;
        let (requests, limits) = (self.pod.requests.clone(), self.pod.limits.clone());
        let Some(present) = container.get_mapping("resources").filter(|r| !r.is_empty()) else {
            let mut text = format!("requests:\n{}", indented(&block(&requests)));
            if !limits.is_empty() {
                text += &format!("limits:\n{}", indented(&block(&limits)));
            }
            return self.insert(&container, "resources", &text);
        };
        for (section, wanted) in [("requests", &requests), ("limits", &limits)] {
            self.section(&present, section, wanted)?;
        }
        self.cpu_limit(&present, &requests);
        Ok(())
    }

    /// One of requests and limits.
    fn section(
        &mut self,
        resources: &Mapping,
        section: &str,
        wanted: &[(String, String)],
    ) -> Result<(), Refusal> {
        let Some(present) = resources.get_mapping(section).filter(|m| !m.is_empty()) else {
            return if wanted.is_empty() {
                Ok(())
            } else {
                self.insert(resources, section, &block(wanted))
            };
        };
        let keys: Vec<String> = present.keys().map(|k| plain(&k.to_string())).collect();
        let wants = |key: &str| wanted.iter().any(|(k, _)| k == key);
        let stale: Vec<&String> = keys.iter().filter(|k| is_gpu(k) && !wants(k)).collect();
        for key in &stale {
            self.changes.push(format!("{}: {section} {key} is taken out", self.said));
        }
        if wanted.is_empty() && stale.len() == keys.len() {
            resources.remove(section);
            return Ok(());
        }
        for (key, value) in wanted {
            self.scalar(&present, key, value);
        }
        for key in stale {
            present.remove(key.as_str());
        }
        Ok(())
    }

    /// A CPU limit under the request would be refused by the API server.
    fn cpu_limit(&mut self, resources: &Mapping, requests: &[(String, String)]) {
        let Some(limits) = resources.get_mapping("limits") else { return };
        let Some((_, wanted)) = requests.iter().find(|(k, _)| k == "cpu") else { return };
        let Some(limit) = limits.get("cpu").map(|v| plain(&v.to_string())) else { return };
        if let (Some(limit), Some(request)) = (milli(&limit), milli(wanted))
            && limit < request
        {
            self.scalar(&limits, "cpu", wanted);
        }
    }

    fn queue(&mut self, root: &Mapping, queue: &str) -> Result<(), Refusal> {
        let metadata = root.get_mapping("metadata").ok_or_else(|| self.broken("no metadata"))?;
        match metadata.get_mapping("labels") {
            Some(labels) => self.scalar(&labels, QUEUE, queue),
            None => self.insert(&metadata, "labels", &block(&[(QUEUE.into(), queue.into())]))?,
        }
        Ok(())
    }

    /// Sets `key`, and says so where that changes what the manifest said.
    fn scalar(&mut self, mapping: &Mapping, key: &str, value: &str) {
        let before = mapping.get(key).map(|node| plain(&node.to_string()));
        if before.as_deref() == Some(value) {
            return;
        }
        if let Some(before) = before {
            self.changes.push(format!("{}: {key}: {value} in place of {before}", self.said));
        }
        match value.parse::<i64>() {
            // A GPU count; all other values are text.
            Ok(number) if is_gpu(key) => mapping.set(key, number),
            _ => mapping.set(key, value),
        }
    }

    fn insert(&self, mapping: &Mapping, key: &str, text: &str) -> Result<(), Refusal> {
        let snippet = Document::from_str(text).map_err(|e| self.broken(&e.to_string()))?;
        mapping.set(key, snippet);
        Ok(())
    }
}

fn is_gpu(resource: &str) -> bool {
    GPU_RESOURCES.iter().any(|name| resource.starts_with(name))
}

/// A scalar without its quotes and the space around it.
fn plain(text: &str) -> String {
    let text = text.trim();
    match yaml_serde::from_str::<Value>(text) {
        Ok(Value::String(inner)) => inner,
        _ => text.to_owned(),
    }
}

/// Thousandths of a CPU quantity.
fn milli(quantity: &str) -> Option<f64> {
    match quantity.strip_suffix('m') {
        Some(number) => number.parse().ok(),
        None => quantity.parse::<f64>().ok().map(|v| v * 1000.0),
    }
}

/// `key: value` lines; values are text but for counts of GPUs.
fn block(pairs: &[(String, String)]) -> String {
    let scalar = |key: &str, value: &str| match is_gpu(key) {
        true => value.to_owned(),
        false => yaml_serde::to_string(value).map_or_else(|_| value.into(), |t| t.trim().into()),
    };
    pairs.iter().map(|(k, v)| format!("{k}: {}\n", scalar(k, v))).collect()
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}

/// A toleration as an item of a list.
fn item(t: &Toleration) -> String {
    let how = match t.value {
        Some(value) => format!("  operator: Equal\n  value: {value}\n"),
        None => "  operator: Exists\n".to_owned(),
    };
    format!("- key: {}\n{how}  effect: NoSchedule\n", t.key)
}

/// Whether a toleration covers `wanted`.
fn tolerates(value: &Value, wanted: &Toleration) -> bool {
    let field = |name: &str| value.get(name).and_then(Value::as_str);
    let exists = field("operator") == Some("Exists");
    let key = field("key").map_or(exists, |key| key == wanted.key);
    let effect = field("effect").is_none_or(|effect| effect == "NoSchedule");
    key && effect && (exists || (wanted.value.is_some() && field("value") == wanted.value))
}

fn at<'v>(value: &'v Value, path: &[&str]) -> Option<&'v Value> {
    path.iter().try_fold(value, |value, key| value.get(*key))
}

/// `value` without all that a placement may change.
fn untouched(value: &Value, path: &[&str], container: usize) -> Value {
    let mut rest = value.clone();
    if let Some(labels) = rest.get_mut("metadata").and_then(|m| m.get_mut("labels"))
        && let Some(map) = labels.as_mapping_mut()
    {
        map.remove(QUEUE);
    }
    if let Some(metadata) = rest.get_mut("metadata").and_then(Value::as_mapping_mut)
        && metadata.get("labels").is_some_and(|l| l.as_mapping().is_some_and(|m| m.is_empty()))
    {
        metadata.remove("labels");
    }
    let Some(spec) = path.iter().try_fold(&mut rest, |v, key| v.get_mut(*key)) else { return rest };
    if let Some(one) = spec.get_mut("containers").and_then(|c| c.get_mut(container))
        && let Some(map) = one.as_mapping_mut()
    {
        let other = map.remove("resources").and_then(|r| r.get("claims").cloned());
        if let Some(claims) = other {
            map.insert("claims".into(), claims);
        }
    }
    if let Some(map) = spec.as_mapping_mut() {
        for key in ["nodeSelector", "tolerations", "schedulerName"] {
            map.remove(key);
        }
    }
    rest
}
