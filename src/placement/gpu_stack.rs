//! What makes a GPU of a node usable by pods: the device plugin, or how the GPU Operator is
//! installed, each with the way in which GPUs are shared.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::{DaemonSet, DaemonSetSpec};
use k8s_openapi::api::core::v1::{
    Capabilities, ConfigMap, ConfigMapVolumeSource, Container, EnvVar, HostPathVolumeSource,
    PodSpec, PodTemplateSpec, SecurityContext, Toleration, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use serde::Serialize;

use super::pool::Pool;
use super::{Asked, File, GpuStack, az, sharing, yaml};

/// The plugin that the AKS documentation installs (use-nvidia-gpu.md, 2026-07-02).
const PLUGIN_IMAGE: &str = "nvcr.io/nvidia/k8s-device-plugin:v0.18.0";
/// AMD's (use-amd-gpus.md).
const AMD_PLUGIN_IMAGE: &str = "docker.io/rocm/k8s-device-plugin";
const NAMESPACE: &str = "kube-system";
const OPERATOR_NAMESPACE: &str = "gpu-operator";
const OPERATOR_CONFIGS: &str = "device-plugin-configs";
const PLUGIN_SOCKETS: &str = "/var/lib/kubelet/device-plugins";

/// The files; none on CPU nodes, on Windows (whose plugin its guide installs) or where AKS does it.
pub(super) fn files(asked: &Asked, pool: &Pool, header: &str) -> Vec<File> {
    if !pool.gpu || pool.windows {
        return Vec::new();
    }
    match asked.choices.gpu_stack {
        GpuStack::Managed => Vec::new(),
        GpuStack::DevicePlugin => vec![device_plugin(asked, pool, header)],
        GpuStack::Operator => operator(asked, pool, header),
    }
}

fn device_plugin(asked: &Asked, pool: &Pool, header: &str) -> File {
    let mut objects = Vec::new();
    if let Some((by, replicas)) = pool.replicas {
        let config = sharing::config(by, replicas);
        objects.push(yaml::object(&config_map(&plugin_name(pool), NAMESPACE, "any", config)));
    }
    objects.push(yaml::object(&daemon_set(asked, pool)));
    File {
        name: "device-plugin.yaml",
        apply: "kubectl apply -f device-plugin.yaml".into(),
        text: yaml::documents(header, &objects),
    }
}

fn config_map(name: &str, namespace: &str, key: &str, config: String) -> ConfigMap {
    ConfigMap {
        metadata: ObjectMeta {
            name: Some(name.into()),
            namespace: Some(namespace.into()),
            ..Default::default()
        },
        data: Some(BTreeMap::from([(key.to_owned(), config)])),
        ..Default::default()
    }
}

fn plugin(pool: &Pool) -> &'static str {
    if pool.amd { "amd-device-plugin" } else { "nvidia-device-plugin" }
}

/// A name of its own for each pool: two may share GPUs in different ways.
fn plugin_name(pool: &Pool) -> String {
    format!("{}-{}", plugin(pool), pool.name)
}

/// The plugin on the nodes of this pool only: pools that share GPUs in different ways can then be
/// in one cluster.
fn daemon_set(asked: &Asked, pool: &Pool) -> DaemonSet {
    let name = plugin_name(pool);
    let labels = BTreeMap::from([("name".to_owned(), name.clone())]);
    DaemonSet {
        metadata: ObjectMeta {
            name: Some(name),
            namespace: Some(NAMESPACE.into()),
            ..Default::default()
        },
        spec: Some(DaemonSetSpec {
            selector: LabelSelector { match_labels: Some(labels.clone()), match_expressions: None },
            template: PodTemplateSpec {
                metadata: Some(ObjectMeta {
                    labels: Some(labels),
                    // The plugin reads its configuration once: another one must make new pods.
                    annotations: pool.replicas.map(|(by, replicas)| {
                        let value = format!("{} {replicas}", sharing::word(by));
                        BTreeMap::from([("gpu-sharing".to_owned(), value)])
                    }),
                    ..Default::default()
                }),
                spec: Some(plugin_pod(asked, pool)),
            },
            ..Default::default()
        }),
        status: None,
    }
}

fn plugin_pod(asked: &Asked, pool: &Pool) -> PodSpec {
    let vendor = if pool.amd { "amd.com/gpu" } else { "nvidia.com/gpu" };
    let mut tolerations = vec![exists("sku"), exists(vendor)];
    if pool.spot {
        tolerations.push(exists("kubernetes.azure.com/scalesetpriority"));
    }
    let (volumes, mounts) = volumes(pool);
    PodSpec {
        containers: vec![Container {
            name: plugin(pool).into(),
            image: Some(if pool.amd { AMD_PLUGIN_IMAGE } else { PLUGIN_IMAGE }.into()),
            env: Some(variables(asked, pool)).filter(|e| !e.is_empty()),
            security_context: Some(privileges(pool)),
            volume_mounts: Some(mounts),
            ..Default::default()
        }],
        node_selector: Some(BTreeMap::from([(
            pool.selector.0.to_owned(),
            pool.selector.1.clone(),
        )])),
        priority_class_name: Some("system-node-critical".into()),
        tolerations: Some(tolerations),
        volumes: Some(volumes),
        ..Default::default()
    }
}

fn variables(asked: &Asked, pool: &Pool) -> Vec<EnvVar> {
    let variable = |name: &str, value: &str| EnvVar {
        name: name.into(),
        value: Some(value.into()),
        value_from: None,
    };
    let mut variables = Vec::new();
    if !pool.amd {
        // A node whose GPU is not ready yet must not make the plugin give up.
        variables.push(variable("FAIL_ON_INIT_ERROR", "false"));
    }
    if pool.mig.is_some() {
        variables.push(variable("MIG_STRATEGY", asked.choices.mig_strategy.word()));
        variables.push(variable("NVIDIA_MIG_MONITOR_DEVICES", "all"));
    }
    if pool.replicas.is_some() {
        variables.push(variable("CONFIG_FILE", "/config/any"));
    }
    variables
}

fn volumes(pool: &Pool) -> (Vec<Volume>, Vec<VolumeMount>) {
    let (mut volumes, mut mounts) = (Vec::new(), Vec::new());
    let mut add = |volume: Volume, path: &str, read_only: Option<bool>| {
        let (name, mount_path) = (volume.name.clone(), path.to_owned());
        mounts.push(VolumeMount { name, mount_path, read_only, ..Default::default() });
        volumes.push(volume);
    };
    let host = |name: &str, path: &str| Volume {
        name: name.into(),
        host_path: Some(HostPathVolumeSource { path: path.into(), type_: None }),
        ..Default::default()
    };
    add(host("device-plugin", PLUGIN_SOCKETS), PLUGIN_SOCKETS, None);
    if pool.amd {
        add(host("sys", "/sys"), "/sys", None);
    }
    if pool.replicas.is_some() {
        let config = ConfigMapVolumeSource { name: plugin_name(pool), ..Default::default() };
        let volume =
            Volume { name: "config".into(), config_map: Some(config), ..Default::default() };
        add(volume, "/config", Some(true));
    }
    (volumes, mounts)
}

/// None, but for seeing MIG instances, as NVIDIA's own chart has it.
fn privileges(pool: &Pool) -> SecurityContext {
    if pool.mig.is_some() {
        return SecurityContext {
            capabilities: Some(Capabilities { add: Some(vec!["SYS_ADMIN".into()]), drop: None }),
            ..Default::default()
        };
    }
    SecurityContext {
        allow_privilege_escalation: Some(false),
        capabilities: Some(Capabilities { add: None, drop: Some(vec!["ALL".into()]) }),
        ..Default::default()
    }
}

/// Values of the GPU Operator's chart.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Values {
    #[serde(skip_serializing_if = "Option::is_none")]
    mig: Option<Mig>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device_plugin: Option<DevicePlugin>,
    daemonsets: Daemons,
    #[serde(rename = "node-feature-discovery")]
    node_feature_discovery: Discovery,
}

#[derive(Serialize)]
struct Mig {
    strategy: &'static str,
}

#[derive(Serialize)]
struct DevicePlugin {
    config: Named,
}

#[derive(Serialize)]
struct Named {
    name: &'static str,
}

#[derive(Serialize)]
struct Daemons {
    tolerations: Vec<Toleration>,
}

#[derive(Serialize)]
struct Discovery {
    worker: Daemons,
}

/// How the GPU Operator is installed, with its settings.
fn operator(asked: &Asked, pool: &Pool, header: &str) -> Vec<File> {
    let mut files = Vec::new();
    if let Some((by, replicas)) = pool.replicas {
        let config = sharing::config(by, replicas);
        let map = config_map(OPERATOR_CONFIGS, OPERATOR_NAMESPACE, &pool.name, config);
        // A key for each pool, whose nodes name it by a label; those of other pools stay.
        files.push(File {
            name: "gpu-sharing.yaml",
            apply: format!(
                "kubectl create namespace {OPERATOR_NAMESPACE} --dry-run=client -o yaml | \
                 kubectl apply -f - && kubectl apply --server-side \
                 --field-manager=breakeven-{} -f gpu-sharing.yaml",
                pool.name
            ),
            text: yaml::documents(header, &[yaml::object(&map)]),
        });
    }
    let taints = ["nvidia.com/gpu", "sku", "kubernetes.azure.com/scalesetpriority"];
    let tolerations = || Daemons { tolerations: taints.iter().map(|key| exists(key)).collect() };
    let values = Values {
        mig: pool.mig.map(|_| Mig { strategy: asked.choices.mig_strategy.word() }),
        device_plugin: pool
            .replicas
            .map(|_| DevicePlugin { config: Named { name: OPERATOR_CONFIGS } }),
        daemonsets: tolerations(),
        node_feature_discovery: Discovery { worker: tolerations() },
    };
    let flags = [
        "gpu-operator nvidia/gpu-operator".to_owned(),
        format!("--namespace {OPERATOR_NAMESPACE} --create-namespace"),
        "--reset-then-reuse-values".into(),
        "--values - <<'VALUES'".into(),
    ];
    let mut script = format!("#!/usr/bin/env bash\n{header}set -euo pipefail\n");
    script += "helm repo add nvidia https://helm.ngc.nvidia.com/nvidia --force-update\n";
    script +=
        "# Values of an Operator that is there stay, but for these; --version pins the chart.\n";
    script += &az::command("", "helm upgrade --install", &flags);
    script += &yaml::object(&values);
    script += "VALUES\n";
    if pool.replicas.is_some() {
        script += "# The Operator does not watch the map: a changed one is read on a restart.\n";
        script += &format!(
            "kubectl rollout restart --namespace {OPERATOR_NAMESPACE} \
             daemonset/nvidia-device-plugin-daemonset || true\n"
        );
    }
    let apply = "bash gpu-operator.sh".into();
    files.push(File { name: "gpu-operator.sh", apply, text: script });
    files
}

fn exists(key: &str) -> Toleration {
    Toleration {
        key: Some(key.into()),
        operator: Some("Exists".into()),
        effect: Some("NoSchedule".into()),
        ..Default::default()
    }
}
