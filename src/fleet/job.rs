//! The Kubernetes objects of a fleet: one Indexed Job a target, and a ConfigMap with the suite where
//! it is a file. Pods take what the restricted Pod Security Standard admits.

use std::collections::BTreeMap;

use k8s_openapi::api::batch::v1::{
    Job, JobSpec, PodFailurePolicy, PodFailurePolicyOnExitCodesRequirement,
    PodFailurePolicyOnPodConditionsPattern, PodFailurePolicyRule,
};
use k8s_openapi::api::core::v1::{
    Affinity, Capabilities, ConfigMap, ConfigMapVolumeSource, Container, EmptyDirVolumeSource,
    EnvFromSource, EnvVar, EnvVarSource, LocalObjectReference, ObjectFieldSelector,
    PodAffinityTerm, PodAntiAffinity, PodSecurityContext, PodSpec, PodTemplateSpec,
    ResourceRequirements, SeccompProfile, SecretEnvSource, SecurityContext, Toleration, Volume,
    VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};

use super::deliver::{LAST_WORDS_FILE, sha256};
use super::watch::REFUSALS;
use super::{Fleet, Target, object_name, plan};
use crate::catalog::PriceKind;
use crate::cost::node::rooms_gib;
use crate::cost::reserved::{SYSTEM_PODS_GIB, node_share_milli};
use crate::record::environment::{NODE_VARIABLE, REGION_VARIABLE};

/// Label of every object of every fleet, and its value.
pub const MANAGED_BY: (&str, &str) = ("app.kubernetes.io/managed-by", "breakeven-fleet");
/// Label that holds the fleet's name.
pub const FLEET: &str = "breakeven/fleet";
/// Label that holds the target's id.
pub const TARGET: &str = "breakeven/target";
/// Annotation that holds the numbers of the runs, in the order of the job's indexes.
pub const RUNS: &str = "breakeven/runs";
/// Annotation that holds a digest of what was asked for: a job with another is another fleet's.
pub const ASKED: &str = "breakeven/asked";
/// The container's name.
pub const CONTAINER: &str = "breakeven";

/// A pod's user: `nonroot` of distroless images.
const USER: i64 = 65_532;
/// Seconds that a finished job stays, with the pods' logs, for a client that comes back.
const KEPT_S: i32 = 7 * 24 * 3600;
/// Keep autoscalers from moving a pod in the midst of its run: Karpenter, and AKS's own.
const STAY: [(&str, &str); 2] = [
    ("karpenter.sh/do-not-disrupt", "true"),
    ("cluster-autoscaler.kubernetes.io/safe-to-evict", "false"),
];
/// The only writable folder: records, and what drivers cache.
const SCRATCH: &str = "/scratch";
const SUITE_FOLDER: &str = "/suite";
/// Longest name of a job: its pods' names add an index and more to it, up to 63.
const LONGEST_JOB: usize = 50;

/// Name of a fleet's ConfigMap.
pub fn config_map_name(fleet: &Fleet) -> String {
    format!("breakeven-{}-suite", fleet.name)
}

/// The suite's file for the pods; `None` where the suite is built in.
pub fn config_map(fleet: &Fleet) -> Option<ConfigMap> {
    let text = fleet.suite_text.clone()?;
    Some(ConfigMap {
        metadata: ObjectMeta {
            name: Some(config_map_name(fleet)),
            labels: Some(labels(fleet, None)),
            ..Default::default()
        },
        data: Some(BTreeMap::from([(suite_file(fleet), text)])),
        ..Default::default()
    })
}

fn suite_file(fleet: &Fleet) -> String {
    format!("{}.toml", object_name(&fleet.suite, 50))
}

/// Name of the job of `target`; long ones end in a digest instead.
pub fn job_name(fleet: &Fleet, target: &Target) -> String {
    let name = format!("breakeven-{}-{}", fleet.name, target.id);
    if name.len() <= LONGEST_JOB {
        return name;
    }
    let digest = sha256(name.as_bytes());
    format!("{}-{}", name[..LONGEST_JOB - 9].trim_end_matches('-'), &digest[..8])
}

fn labels(fleet: &Fleet, target: Option<&Target>) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::from([
        (MANAGED_BY.0.to_owned(), MANAGED_BY.1.to_owned()),
        (FLEET.to_owned(), fleet.name.clone()),
    ]);
    if let Some(target) = target {
        labels.insert(TARGET.to_owned(), target.id.clone());
    }
    labels
}

/// The job that measures `runs` of target `index`; pods hand their records to `store`, where they
/// can reach it.
pub fn job(fleet: &Fleet, index: usize, runs: &[u32], store: Option<&str>) -> Job {
    let target = &fleet.targets[index];
    let bounds = plan::bounds(fleet, index, runs.len() as u32);
    let listed: Vec<String> = runs.iter().map(u32::to_string).collect();
    let spec = JobSpec {
        active_deadline_seconds: Some(bounds.job_deadline_s as i64),
        backoff_limit_per_index: Some(1),
        completion_mode: Some("Indexed".into()),
        completions: Some(runs.len() as i32),
        parallelism: Some(fleet.nodes.min(runs.len() as u32) as i32),
        pod_failure_policy: Some(failure_policy()),
        pod_replacement_policy: Some("Failed".into()),
        ttl_seconds_after_finished: Some(KEPT_S),
        template: PodTemplateSpec {
            metadata: Some(ObjectMeta {
                labels: Some(pod_labels(fleet, target)),
                annotations: Some(BTreeMap::from(STAY.map(|(k, v)| (k.into(), v.into())))),
                ..Default::default()
            }),
            spec: Some(pod_spec(fleet, target, &listed, store, bounds.pod_deadline_s)),
        },
        ..Default::default()
    };
    let mut job_labels = labels(fleet, Some(target));
    if let Some(queue) = &fleet.queue {
        job_labels.insert("kueue.x-k8s.io/queue-name".into(), queue.clone());
    }
    Job {
        metadata: ObjectMeta {
            name: Some(job_name(fleet, target)),
            labels: Some(job_labels),
            annotations: Some(BTreeMap::from([
                (RUNS.to_owned(), listed.join(",")),
                (ASKED.to_owned(), asked(fleet, index)),
            ])),
            ..Default::default()
        },
        spec: Some(spec),
        status: None,
    }
}

/// A digest of what decides the figures that a target gives: what is measured, with which program, on
/// which nodes. How often, how long is waited and where records go do not matter.
pub fn asked(fleet: &Fleet, index: usize) -> String {
    let target = &fleet.targets[index];
    let container = container(fleet, target, &[], None);
    let facts = serde_json::json!({
        "arguments": container.args, "image": container.image, "resources": container.resources,
        "nodes": target.selector, "kind": target.price_kind, "suite": fleet.suite_text,
    });
    sha256(facts.to_string().as_bytes())[..16].to_owned()
}

fn pod_labels(fleet: &Fleet, target: &Target) -> BTreeMap<String, String> {
    let mut labels = labels(fleet, Some(target));
    if fleet.service_account.is_some() {
        labels.insert("azure.workload.identity/use".into(), "true".into());
    }
    labels
}

/// A pod that is moved or evicted is no failure of its run; what breakeven itself refuses would be
/// refused again; anything else is tried once more.
fn failure_policy() -> PodFailurePolicy {
    let disrupted = PodFailurePolicyRule {
        action: "Ignore".into(),
        on_pod_conditions: Some(vec![PodFailurePolicyOnPodConditionsPattern {
            type_: "DisruptionTarget".into(),
            status: Some("True".into()),
        }]),
        on_exit_codes: None,
    };
    let refused = PodFailurePolicyRule {
        action: "FailIndex".into(),
        on_exit_codes: Some(PodFailurePolicyOnExitCodesRequirement {
            container_name: Some(CONTAINER.into()),
            operator: "In".into(),
            values: REFUSALS.to_vec(),
        }),
        on_pod_conditions: None,
    };
    PodFailurePolicy { rules: vec![disrupted, refused] }
}

fn pod_spec(
    fleet: &Fleet,
    target: &Target,
    runs: &[String],
    store: Option<&str>,
    deadline_s: f64,
) -> PodSpec {
    PodSpec {
        active_deadline_seconds: Some(deadline_s as i64),
        affinity: Some(alone()),
        automount_service_account_token: Some(false),
        containers: vec![container(fleet, target, runs, store)],
        enable_service_links: Some(false),
        image_pull_secrets: fleet
            .pull_secret
            .clone()
            .map(|name| vec![LocalObjectReference { name }]),
        node_selector: Some(selector(target)),
        restart_policy: Some("Never".into()),
        security_context: Some(PodSecurityContext {
            run_as_non_root: Some(true),
            run_as_user: Some(USER),
            run_as_group: Some(USER),
            fs_group: Some(USER),
            seccomp_profile: Some(SeccompProfile {
                type_: "RuntimeDefault".into(),
                localhost_profile: None,
            }),
            ..Default::default()
        }),
        service_account_name: fleet.service_account.clone(),
        tolerations: Some(tolerations(target)).filter(|all| !all.is_empty()),
        volumes: Some(volumes(fleet)),
        ..Default::default()
    }
}

/// No two pods of fleets on one node.
fn alone() -> Affinity {
    let term = PodAffinityTerm {
        label_selector: Some(LabelSelector {
            match_labels: Some(BTreeMap::from([(MANAGED_BY.0.into(), MANAGED_BY.1.into())])),
            match_expressions: None,
        }),
        topology_key: "kubernetes.io/hostname".into(),
        ..Default::default()
    };
    Affinity {
        pod_anti_affinity: Some(PodAntiAffinity {
            required_during_scheduling_ignored_during_execution: Some(vec![term]),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn container(fleet: &Fleet, target: &Target, runs: &[String], store: Option<&str>) -> Container {
    let mut mounts = vec![VolumeMount {
        name: "scratch".into(),
        mount_path: SCRATCH.into(),
        ..Default::default()
    }];
    if fleet.suite_text.is_some() {
        mounts.push(VolumeMount {
            name: "suite".into(),
            mount_path: SUITE_FOLDER.into(),
            read_only: Some(true),
            ..Default::default()
        });
    }
    let secret = |name: &String| {
        vec![EnvFromSource {
            secret_ref: Some(SecretEnvSource { name: name.clone(), optional: Some(false) }),
            ..Default::default()
        }]
    };
    Container {
        name: CONTAINER.into(),
        image: Some(fleet.image.clone()),
        args: Some(arguments(fleet, target, runs, store)),
        env: Some(environment(target)),
        env_from: fleet.secret.as_ref().map(secret),
        resources: Some(resources(target)),
        security_context: Some(SecurityContext {
            allow_privilege_escalation: Some(false),
            capabilities: Some(Capabilities { add: None, drop: Some(vec!["ALL".into()]) }),
            read_only_root_filesystem: Some(true),
            ..Default::default()
        }),
        termination_message_path: Some(LAST_WORDS_FILE.into()),
        termination_message_policy: Some("FallbackToLogsOnError".into()),
        volume_mounts: Some(mounts),
        ..Default::default()
    }
}

fn arguments(fleet: &Fleet, target: &Target, runs: &[String], store: Option<&str>) -> Vec<String> {
    let suite = match &fleet.suite_text {
        Some(_) => format!("{SUITE_FOLDER}/{}", suite_file(fleet)),
        None => fleet.suite.clone(),
    };
    let mut arguments = vec![
        "fleet".to_owned(),
        "work".into(),
        suite,
        format!("--key={}/{}", fleet.name, target.id),
        format!("--runs={}", runs.join(",")),
        format!("--sku={}", target.sku.name),
        format!("--max-seconds={}", fleet.max_minutes * 60.0),
        format!("--seed={}", fleet.seed),
    ];
    arguments.extend(store.map(|url| format!("--store={url}")));
    arguments.extend(target.devices.iter().map(|device| format!("--device={device}")));
    arguments
}

fn environment(target: &Target) -> Vec<EnvVar> {
    let plain = |name: &str, value: &str| EnvVar {
        name: name.into(),
        value: Some(value.into()),
        value_from: None,
    };
    let mut all = vec![
        EnvVar {
            name: NODE_VARIABLE.into(),
            value: None,
            value_from: Some(EnvVarSource {
                field_ref: Some(ObjectFieldSelector {
                    api_version: Some("v1".into()),
                    field_path: "spec.nodeName".into(),
                }),
                ..Default::default()
            }),
        },
        plain("HOME", SCRATCH),
        plain("TMPDIR", SCRATCH),
        plain("CUDA_CACHE_PATH", &format!("{SCRATCH}/cuda")),
        plain("XDG_CACHE_HOME", &format!("{SCRATCH}/cache")),
    ];
    all.extend(target.region.as_deref().map(|region| plain(REGION_VARIABLE, region)));
    all
}

/// Whole CPUs and memory, asked for and limited alike: the Guaranteed class, whose CPUs the kubelet
/// gives away whole, so that no quota throttles what is measured.
fn resources(target: &Target) -> ResourceRequirements {
    let cpus = (node_share_milli(target.sku.vcpus, 1.0) / 1000.0).floor().max(1.0);
    let mut all = BTreeMap::from([("cpu".to_owned(), Quantity(cpus.to_string()))]);
    if let Some(gib) = rooms_gib(&target.sku)[0] {
        let mib = ((gib - SYSTEM_PODS_GIB) * 1024.0).floor().max(256.0);
        all.insert("memory".into(), Quantity(format!("{mib}Mi")));
    }
    if let Some((name, number)) = target.gpus() {
        all.insert(name.into(), Quantity(number.to_string()));
    }
    ResourceRequirements { claims: None, limits: Some(all.clone()), requests: Some(all) }
}

/// Nodes of the size, and of spot capacity where that is what the cap counts with.
fn selector(target: &Target) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::from([target.selector.clone()]);
    if target.price_kind == PriceKind::Spot && target.sku.provider == "azure" {
        labels.insert("kubernetes.azure.com/scalesetpriority".into(), "spot".into());
    }
    labels
}

fn tolerations(target: &Target) -> Vec<Toleration> {
    let toleration = |key: &str, value: Option<&str>| Toleration {
        key: Some(key.into()),
        operator: Some(if value.is_some() { "Equal" } else { "Exists" }.into()),
        value: value.map(str::to_owned),
        effect: Some("NoSchedule".into()),
        toleration_seconds: None,
    };
    let mut all = Vec::new();
    if let Some((vendor, _)) = target.gpus() {
        // Guides and tools differ in the taint they set: both are tolerated.
        all.push(toleration("sku", Some("gpu")));
        all.push(toleration(vendor, None));
    }
    if target.price_kind == PriceKind::Spot {
        all.push(toleration("kubernetes.azure.com/scalesetpriority", Some("spot")));
    }
    all
}

fn volumes(fleet: &Fleet) -> Vec<Volume> {
    let mut volumes = vec![Volume {
        name: "scratch".into(),
        empty_dir: Some(EmptyDirVolumeSource::default()),
        ..Default::default()
    }];
    if fleet.suite_text.is_some() {
        volumes.push(Volume {
            name: "suite".into(),
            config_map: Some(ConfigMapVolumeSource {
                name: config_map_name(fleet),
                ..Default::default()
            }),
            ..Default::default()
        });
    }
    volumes
}
