//! The workload itself: the user's manifest with what places it, else a minimal Job.

use std::collections::BTreeMap;

use k8s_openapi::api::batch::v1::{
    Job, JobSpec, PodFailurePolicy, PodFailurePolicyOnPodConditionsPattern, PodFailurePolicyRule,
};
use k8s_openapi::api::core::v1::{
    Capabilities, Container, PodSecurityContext, PodSpec, PodTemplateSpec, ResourceRequirements,
    SeccompProfile, SecurityContext, Toleration,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::pod::Pod;
use super::{Asked, File, Refusal, header, manifest, yaml};
use crate::workload::Pattern;

/// Stands for the image where none was given; no registry has it.
const NO_IMAGE: &str = "registry.invalid/your-image:tag";

/// The file, with what is to be known about it added to `remarks`.
///
/// # Errors
/// A manifest that cannot be patched.
pub(super) fn file(
    asked: &Asked,
    pod: &Pod,
    head: &str,
    remarks: &mut Vec<String>,
) -> Result<File, Refusal> {
    let text = match &asked.choices.manifest {
        Some(given) => {
            let body = header::strip(&given.text);
            let head = if body.contains("\r\n") { head.replace('\n', "\r\n") } else { head.into() };
            let container = asked.choices.container.as_deref();
            let patched = manifest::patch(&given.name, body, pod, container)?;
            remarks.extend(patched.changes);
            format!("{head}{}", patched.text)
        }
        None => {
            if asked.choices.image.is_none() {
                remarks.push(
                    "workload.yaml names no real image: give --image, or your own --manifest"
                        .to_owned(),
                );
            }
            remarks.push(
                "workload.yaml is one job and runs as a user that is not root; what makes a job each \
                 time, a CronJob, a queue or a service, is yours: give it as --manifest"
                    .to_owned(),
            );
            yaml::documents(head, &[yaml::object(&job(asked, pod))])
        }
    };
    Ok(File { name: "workload.yaml", apply: "kubectl apply -f workload.yaml".into(), text })
}

/// A Job of one job of the workload, which the restricted Pod Security Standard admits.
fn job(asked: &Asked, pod: &Pod) -> Job {
    let name = object_name(&asked.verdict.workload);
    let deadline_s = match asked.workload.demand.pattern {
        Pattern::Batch { .. } => asked.workload.demand.deadline_s,
        _ => None,
    };
    let labels = pod
        .queue
        .as_ref()
        .map(|queue| BTreeMap::from([("kueue.x-k8s.io/queue-name".to_owned(), queue.clone())]));
    let annotations = pod
        .moved
        .then(|| BTreeMap::from([("karpenter.sh/do-not-disrupt".to_owned(), "true".to_owned())]));
    Job {
        metadata: ObjectMeta { name: Some(name.clone()), labels, ..Default::default() },
        spec: Some(JobSpec {
            active_deadline_seconds: deadline_s.map(|s| s.ceil() as i64),
            backoff_limit: Some(2),
            // Being moved or evicted is no failure of the job.
            pod_failure_policy: Some(PodFailurePolicy {
                rules: vec![PodFailurePolicyRule {
                    action: "Ignore".into(),
                    on_pod_conditions: Some(vec![PodFailurePolicyOnPodConditionsPattern {
                        type_: "DisruptionTarget".into(),
                        status: Some("True".into()),
                    }]),
                    on_exit_codes: None,
                }],
            }),
            ttl_seconds_after_finished: Some(3600),
            template: PodTemplateSpec {
                metadata: annotations
                    .map(|map| ObjectMeta { annotations: Some(map), ..Default::default() }),
                spec: Some(pod_spec(asked, pod, name)),
            },
            ..Default::default()
        }),
        status: None,
    }
}

fn pod_spec(asked: &Asked, pod: &Pod, name: String) -> PodSpec {
    let windows = asked.workload.node.os == "windows";
    let quantities = |pairs: &[(String, String)]| -> BTreeMap<String, Quantity> {
        pairs.iter().map(|(k, v)| (k.clone(), Quantity(v.clone()))).collect()
    };
    let mut requests = vec![("cpu".to_owned(), format!("{}m", pod.cpu_milli))];
    if let Some(mib) = pod.memory_mib {
        requests.push(("memory".into(), format!("{mib}Mi")));
    }
    let mut limits = Vec::new();
    if let Some((name, count)) = &pod.resource {
        limits.push((name.clone(), count.to_string()));
    }
    let tolerations = pod.tolerations.iter().map(|t| Toleration {
        key: Some(t.key.into()),
        operator: Some(t.operator().into()),
        value: t.value.map(str::to_owned),
        effect: Some("NoSchedule".into()),
        toleration_seconds: None,
    });
    let tolerations: Vec<Toleration> = tolerations.collect();
    let selector = pod.selector.iter().map(|(k, v)| ((*k).to_owned(), v.clone()));
    PodSpec {
        containers: vec![Container {
            name,
            image: Some(asked.choices.image.clone().unwrap_or_else(|| NO_IMAGE.into())),
            resources: Some(ResourceRequirements {
                claims: None,
                limits: Some(quantities(&limits)).filter(|l| !l.is_empty()),
                requests: Some(quantities(&requests)),
            }),
            security_context: (!windows).then(|| SecurityContext {
                allow_privilege_escalation: Some(false),
                capabilities: Some(Capabilities { add: None, drop: Some(vec!["ALL".into()]) }),
                ..Default::default()
            }),
            ..Default::default()
        }],
        node_selector: Some(selector.collect()),
        restart_policy: Some("Never".into()),
        scheduler_name: pod.scheduler.map(str::to_owned),
        security_context: Some(PodSecurityContext {
            run_as_non_root: Some(true),
            seccomp_profile: (!windows).then(|| SeccompProfile {
                type_: "RuntimeDefault".into(),
                localhost_profile: None,
            }),
            ..Default::default()
        }),
        tolerations: Some(tolerations).filter(|t| !t.is_empty()),
        ..Default::default()
    }
}

/// `name` as Kubernetes takes it: lower case, letters, digits and dashes, at most 63.
pub(super) fn object_name(name: &str) -> String {
    let mapped: String = name
        .to_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .take(63)
        .collect();
    let name = mapped.trim_matches('-');
    if name.is_empty() { "workload".into() } else { name.to_owned() }
}
