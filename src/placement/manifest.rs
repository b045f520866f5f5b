//! A user's manifest with what places its pods: node selector, tolerations and resources. What is to
//! change is worked out on the data, made in the text by `lossless.rs`, and the text then read
//! again: it must say exactly what was worked out, and all else what it said before.

use yaml_serde::{Mapping, Value};

use super::lossless::{self, Change, Step};
use super::pod::Pod;
use super::pod_spec::{
    contradictions, field, gpus, is_gpu, is_place, list, of_gpu, quantity, text_of, tolerates,
    toleration,
};
use super::quantity::{mib, milli};
use super::{Refusal, bin_packing, yaml};

const QUEUE: &str = "kueue.x-k8s.io/queue-name";

/// A manifest and what was changed in it.
pub(super) struct Patched {
    pub text: String,
    pub changes: Vec<String>,
}

/// Path from the root to the pod's spec of the kinds that have one.
fn path_of(object: &Value) -> Option<&'static [&'static str]> {
    let group = field(object, "apiVersion").and_then(|v| v.split_once('/')).map(|(group, _)| group);
    match (group, field(object, "kind")?) {
        (None, "Pod") => Some(&["spec"]),
        (Some("apps") | None, "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet")
        | (Some("batch") | None, "Job") => Some(&["spec", "template", "spec"]),
        (Some("batch") | None, "CronJob") => {
            Some(&["spec", "jobTemplate", "spec", "template", "spec"])
        }
        _ => None,
    }
}

/// The documents of `text`, read.
fn read<'t>(name: &str, text: &'t str) -> Result<Vec<(String, &'t str, Value)>, Refusal> {
    let mut read = Vec::new();
    for (index, part) in yaml::split_documents(text).into_iter().enumerate() {
        let place = format!("{name}, document {}", index + 1);
        let value: Value = yaml_serde::from_str(part).map_err(|error| {
            let template = if text.contains("{{") { "render the template first" } else { "" };
            Refusal(format!("{place}: {error}; give valid YAML{}{template}", sep(template)))
        })?;
        read.push((place, part, value));
    }
    Ok(read)
}

fn sep(text: &str) -> &'static str {
    if text.is_empty() { "" } else { ": " }
}

/// The namespaces of the objects that have pods; `default` where they name none.
///
/// # Errors
/// Text that is no YAML.
pub(super) fn namespaces(name: &str, text: &str) -> Result<Vec<String>, Refusal> {
    let mut found = Vec::new();
    for (_, _, value) in read(name, text)? {
        if path_of(&value).is_some() {
            let namespace = value.get("metadata").and_then(|m| field(m, "namespace"));
            found.push(namespace.unwrap_or("default").to_owned());
        }
    }
    found.sort();
    found.dedup();
    Ok(found)
}

/// Gives every pod of the manifest `text`, called `name`, what `pod` has.
///
/// # Errors
/// Text that is no YAML, in which no pod or not the `container` is found, or that contradicts the
/// placement in a way that only its author can resolve.
pub(super) fn patch(
    name: &str,
    text: &str,
    pod: &Pod,
    container: Option<&str>,
) -> Result<Patched, Refusal> {
    let (mut whole, mut changes, mut found) = (String::new(), Vec::new(), false);
    for (place, part, value) in read(name, text)? {
        let kind = field(&value, "kind").unwrap_or_default();
        if kind.ends_with("List") && value.get("items").is_some() {
            return Err(Refusal(format!(
                "{place}: a {kind}; give its items as documents with a line of --- between them"
            )));
        }
        let Some(path) = path_of(&value) else {
            whole += part;
            continue;
        };
        found = true;
        let object = value.get("metadata").and_then(|m| field(m, "name"));
        let said = format!("{kind} {}", object.unwrap_or("without a name"));
        let refused = |what: String| Refusal(format!("{place}: {said}: {what}"));
        let mut plan = Plan { root: &value, path, pod, changes: Vec::new(), told: Vec::new() };
        plan.all(container).map_err(&refused)?;
        whole += &lossless::apply(part, &value, &plan.changes).map_err(&refused)?;
        changes.extend(plan.told.into_iter().map(|told| format!("{said}: {told}")));
    }
    if !found {
        return Err(Refusal(format!(
            "{name}: no Pod, Deployment, StatefulSet, DaemonSet, ReplicaSet, Job or CronJob in it; \
             give the manifest of one, or leave --manifest out"
        )));
    }
    Ok(Patched { text: whole, changes })
}

/// What is to change in one object.
struct Plan<'a> {
    root: &'a Value,
    path: &'static [&'static str],
    pod: &'a Pod,
    changes: Vec<Change>,
    told: Vec<String>,
}

impl Plan<'_> {
    fn all(&mut self, container: Option<&str>) -> Result<(), String> {
        let spec = self.spec().ok_or_else(|| format!("no {}", self.path.join(".")))?.clone();
        contradictions(&spec, self.pod)?;
        self.selector(&spec);
        self.tolerations(&spec);
        let index = self.container(&spec, container)?;
        self.without_gpu(&spec, index)?;
        self.resources(&spec, index);
        self.scheduler(&spec);
        self.queue();
        self.room();
        Ok(())
    }

    fn spec(&self) -> Option<&Value> {
        self.path
            .iter()
            .try_fold(self.root, |value, key| value.get(*key))
            .filter(|s| s.is_mapping())
    }

    /// Sets or, with `None`, removes what is at `steps` below the pod's spec.
    fn change(&mut self, steps: Vec<Step>, to: Option<Value>) {
        let mut path: Vec<Step> = self.path.iter().map(|key| Step::key(key)).collect();
        path.extend(steps);
        self.changes.push(Change { path, to });
    }

    fn tell(&mut self, what: impl Into<String>) {
        let what = what.into();
        if !self.told.contains(&what) {
            self.told.push(what);
        }
    }

    fn selector(&mut self, spec: &Value) {
        let wanted = self.pod.selector.clone();
        let Some(present) = spec.get("nodeSelector").and_then(Value::as_mapping) else {
            let all: Mapping =
                wanted.iter().map(|(k, v)| ((*k).into(), Value::from(v.clone()))).collect();
            self.change(vec![Step::key("nodeSelector")], Some(Value::Mapping(all)));
            return;
        };
        for (key, value) in present {
            let (Some(key), value) = (key.as_str(), value.as_str().unwrap_or_default()) else {
                continue;
            };
            let agrees = self.pod.agrees(key, value);
            if is_place(key) && !agrees && wanted.iter().all(|(k, _)| *k != key) {
                self.change(vec![Step::key("nodeSelector"), Step::key(key)], None);
                self.tell(format!("nodeSelector {key}: {value} is taken out: the pool decides"));
            }
        }
        for (key, value) in &wanted {
            if present.get(*key).and_then(Value::as_str) != Some(value) {
                let steps = vec![Step::key("nodeSelector"), Step::key(key)];
                self.change(steps, Some(value.clone().into()));
            }
        }
    }

    fn tolerations(&mut self, spec: &Value) {
        let none = Vec::new();
        let before = spec.get("tolerations").and_then(Value::as_sequence).unwrap_or(&none);
        let missing: Vec<Value> = self
            .pod
            .tolerations
            .iter()
            .filter(|wanted| !before.iter().any(|value| tolerates(value, wanted)))
            .map(toleration)
            .collect();
        let stale: Vec<usize> = match self.pod.gpu {
            true => Vec::new(),
            false => (0..before.len()).filter(|index| of_gpu(&before[*index])).collect(),
        };
        if !stale.is_empty() {
            self.tell("tolerations of GPU nodes are taken out");
        }
        let key = || Step::key("tolerations");
        if before.is_empty() {
            if !missing.is_empty() {
                self.change(vec![key()], Some(Value::Sequence(missing)));
            }
        } else if stale.len() == before.len() && missing.is_empty() {
            self.change(vec![key()], None);
        } else {
            let length = before.len();
            for (index, value) in missing.into_iter().enumerate() {
                self.change(vec![key(), Step::Index(length + index)], Some(value));
            }
            for index in stale.into_iter().rev() {
                self.change(vec![key(), Step::Index(index)], None);
            }
        }
    }

    /// The container that computes: the one asked for, else the one with a GPU, else the one that a
    /// placement gave its request, else the first.
    fn container(&mut self, spec: &Value, asked: Option<&str>) -> Result<usize, String> {
        let containers = list(spec, "containers");
        if containers.is_empty() {
            return Err("no containers".into());
        }
        let name = |c: &Value| field(c, "name").unwrap_or_default().to_owned();
        let names: Vec<String> = containers.iter().map(name).collect();
        if let Some(asked) = asked {
            let found = names.iter().position(|name| name == asked);
            return found
                .ok_or_else(|| format!("no container {asked}; it has {}", names.join(", ")));
        }
        let cpu = |c: &Value| quantity(c, "requests", "cpu").as_deref().and_then(milli);
        let wanted = self.pod.cpu_milli as f64;
        let placed = |c: &&Value| cpu(c).is_some_and(|cpu| cpu > 0.5 * wanted && cpu <= wanted);
        let index = containers
            .iter()
            .position(|c| !gpus(c).is_empty())
            .or_else(|| containers.iter().position(|c| placed(&c)))
            .unwrap_or(0);
        if containers.len() > 1 {
            self.tell(format!(
                "of {} containers, {} is taken as the one that computes; --container says otherwise",
                containers.len(),
                names[index]
            ));
        }
        Ok(index)
    }

    /// Takes GPUs out of all containers of a pod on CPU nodes; elsewhere only one may have them.
    fn without_gpu(&mut self, spec: &Value, chosen: usize) -> Result<(), String> {
        for group in ["initContainers", "containers", "ephemeralContainers"] {
            for (index, container) in list(spec, group).iter().enumerate() {
                let mine = group == "containers" && index == chosen;
                let keep = self.pod.resource.as_ref().filter(|_| mine).map(|(name, _)| name);
                let stale: Vec<_> =
                    gpus(container).into_iter().filter(|(_, key)| Some(key) != keep).collect();
                if self.pod.gpu && !mine && !stale.is_empty() {
                    return Err(format!(
                        "its container {} asks for {} as well, and the node was chosen for one \
                         container with a GPU: take it out",
                        field(container, "name").unwrap_or("?"),
                        stale[0].1
                    ));
                }
                for (section, key) in &stale {
                    let left = container.get("resources").and_then(|r| r.get(*section));
                    let alone = left
                        .and_then(Value::as_mapping)
                        .is_some_and(|m| m.keys().filter_map(Value::as_str).all(is_gpu));
                    // The chosen one gets other values there.
                    let whole = alone && !(mine && self.sets(section));
                    let mut steps =
                        vec![Step::key(group), Step::Index(index), Step::key("resources")];
                    steps.push(Step::key(section));
                    if !whole {
                        steps.push(Step::key(key));
                    }
                    self.tell(format!("{section} {key} is taken out"));
                    if self.changes.iter().all(|c| !c.path.ends_with(&steps)) {
                        self.change(steps, None);
                    }
                }
            }
        }
        let runtime = field(spec, "runtimeClassName").filter(|name| name.starts_with("nvidia"));
        if let Some(name) = runtime.filter(|_| !self.pod.gpu) {
            self.tell(format!("runtimeClassName {name} is taken out"));
            self.change(vec![Step::key("runtimeClassName")], None);
        }
        Ok(())
    }

    /// Whether a container is given something in requests or limits.
    fn sets(&self, section: &str) -> bool {
        section == "requests" || self.pod.resource.is_some()
    }

    /// CPU, memory and GPU of the container that computes. Memory is never lowered: what a job takes
    /// is the workload's word, and the manifest may know better.
    fn resources(&mut self, spec: &Value, index: usize) {
        let containers = list(spec, "containers");
        let others = containers.iter().enumerate().filter(|(i, _)| *i != index);
        let others: f64 = others
            .filter_map(|(_, c)| quantity(c, "requests", "cpu").as_deref().and_then(milli))
            .sum();
        let room = (self.pod.room_milli as f64 - others).max(50.0);
        let cpu = format!("{}m", (self.pod.cpu_milli as f64).min(room).floor());
        let container = &containers[index];
        let has = |section: &str, key: &str| quantity(container, section, key);
        let mut wanted = vec![("requests", "cpu".to_owned(), Value::from(cpu.clone()))];
        if has("limits", "cpu").as_deref().and_then(milli) < milli(&cpu)
            && has("limits", "cpu").is_some()
        {
            wanted.push(("limits", "cpu".to_owned(), cpu.into()));
        }
        let kept = has("requests", "memory").or_else(|| has("limits", "memory"));
        match (self.pod.memory_mib, kept) {
            (Some(need), Some(kept)) if mib(&kept).is_some_and(|kept| kept >= need as f64) => {
                if mib(&kept).is_some_and(|kept| kept > need as f64) {
                    self.tell(format!("memory {kept} is kept: the workload says {need}Mi"));
                }
            }
            (Some(need), _) => {
                let need_text = format!("{need}Mi");
                wanted.push(("requests", "memory".into(), need_text.clone().into()));
                if has("limits", "memory").and_then(|l| mib(&l)).is_some_and(|l| l < need as f64) {
                    wanted.push(("limits", "memory".into(), need_text.into()));
                }
            }
            (None, _) => {}
        }
        if let Some((name, count)) = &self.pod.resource {
            wanted.push(("limits", name.clone(), (*count).into()));
            if has("requests", name).is_some() {
                wanted.push(("requests", name.clone(), (*count).into()));
            }
        }
        self.set_resources(container, index, wanted);
    }

    fn set_resources(
        &mut self,
        container: &Value,
        index: usize,
        wanted: Vec<(&'static str, String, Value)>,
    ) {
        let base = vec![Step::key("containers"), Step::Index(index), Step::key("resources")];
        let present = container.get("resources").and_then(Value::as_mapping);
        let mut fresh = Mapping::new();
        for (section, key, value) in wanted {
            let there = present.and_then(|p| p.get(section)).and_then(Value::as_mapping);
            let before = there.and_then(|m| m.get(key.as_str()));
            if let Some(before) = before {
                if text_of(before) != text_of(&value) {
                    let (now, was) = (text_of(&value), text_of(before));
                    self.tell(format!("{section} {key}: {now} in place of {was}"));
                    let steps = [&base[..], &[Step::key(section), Step::key(&key)]].concat();
                    self.change(steps, Some(value));
                }
            } else if there.is_some_and(|m| !m.is_empty()) {
                let steps = [&base[..], &[Step::key(section), Step::key(&key)]].concat();
                self.change(steps, Some(value));
            } else {
                let entry = fresh.entry(section.into());
                let entry = entry.or_insert_with(|| Value::Mapping(Mapping::new()));
                if let Value::Mapping(map) = entry {
                    map.insert(key.into(), value);
                }
            }
        }
        if present.is_some_and(|p| !p.is_empty()) {
            for (section, values) in fresh {
                let section = Step::key(section.as_str().unwrap_or_default());
                self.change([&base[..], &[section]].concat(), Some(values));
            }
        } else if !fresh.is_empty() {
            self.change(base, Some(Value::Mapping(fresh)));
        }
    }

    fn scheduler(&mut self, spec: &Value) {
        let present = field(spec, "schedulerName");
        match self.pod.scheduler {
            Some(name) if present != Some(name) => {
                self.change(vec![Step::key("schedulerName")], Some(name.into()));
            }
            None if present == Some(bin_packing::SCHEDULER) => {
                self.tell("schedulerName of an earlier --bin-packing is taken out");
                self.change(vec![Step::key("schedulerName")], None);
            }
            _ => {}
        }
    }

    /// Kueue looks at the Job, so a CronJob's label stands in its template.
    fn queue(&mut self) {
        let above: &[&str] = if self.path.len() == 5 { &["spec", "jobTemplate"] } else { &[] };
        let holder = above.iter().try_fold(self.root, |value, key| value.get(*key));
        let metadata = holder.and_then(|h| h.get("metadata"));
        let labels = metadata.and_then(|m| m.get("labels")).and_then(Value::as_mapping);
        let present = labels.and_then(|l| l.get(QUEUE)).and_then(Value::as_str);
        let Some(queue) = &self.pod.queue else {
            if let Some(name) = present {
                self.tell(format!("it is still submitted to Kueue's queue {name}"));
            }
            return;
        };
        if present == Some(queue) {
            return;
        }
        let label = |value: Value| Value::Mapping([(QUEUE.into(), value)].into_iter().collect());
        let mut path: Vec<Step> = above.iter().map(|key| Step::key(key)).collect();
        path.push(Step::key("metadata"));
        let queue: Value = queue.clone().into();
        let to = match (metadata.is_some_and(Value::is_mapping), labels) {
            (true, Some(_)) => {
                path.extend([Step::key("labels"), Step::key(QUEUE)]);
                queue
            }
            (true, None) => {
                path.push(Step::key("labels"));
                label(queue)
            }
            (false, _) => Value::Mapping([("labels".into(), label(queue))].into_iter().collect()),
        };
        self.changes.push(Change { path, to: Some(to) });
    }

    /// Whether the pool holds as many pods as the manifest asks for.
    fn room(&mut self) {
        let jobs = if self.path.len() == 5 { &self.path[..3] } else { &self.path[..1] };
        let asked = ["replicas", "parallelism"].into_iter().find_map(|key| {
            let value = jobs.iter().try_fold(self.root, |value, key| value.get(*key))?.get(key)?;
            Some((key, value.as_u64()?))
        });
        if let Some((what, number)) = asked.filter(|(_, number)| *number > self.pod.at_once) {
            self.tell(format!(
                "{what} {number} and the pool's most nodes hold {} such pods: the others wait; lower \
                 {what}, or raise the demand with --jobs-per-day",
                self.pod.at_once
            ));
        }
    }
}
