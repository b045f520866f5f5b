//! A scheduler profile that fills nodes before it takes others, so that empty ones can go.

use serde::Serialize;

use super::File;
use super::pool::Pool;
use super::yaml::{self, Metadata, Object};

/// Name of the profile; pods name it as their scheduler.
pub(super) const SCHEDULER: &str = "breakeven-bin-packing";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    raw_config: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct KubeSchedulerConfiguration {
    api_version: &'static str,
    kind: &'static str,
    profiles: Vec<Profile>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Profile {
    scheduler_name: &'static str,
    plugins: Plugins,
    plugin_config: Vec<PluginConfig>,
}

#[derive(Serialize)]
struct Plugins {
    #[serde(rename = "multiPoint")]
    multi_point: MultiPoint,
}

#[derive(Serialize)]
struct MultiPoint {
    disabled: Vec<Plugin>,
}

#[derive(Serialize)]
struct Plugin {
    name: &'static str,
}

#[derive(Serialize)]
struct PluginConfig {
    name: &'static str,
    args: Args,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Args {
    api_version: &'static str,
    kind: &'static str,
    scoring_strategy: Strategy,
}

#[derive(Serialize)]
struct Strategy {
    #[serde(rename = "type")]
    kind: &'static str,
    resources: Vec<Weight>,
}

#[derive(Serialize)]
struct Weight {
    name: String,
    weight: u32,
}

/// AKS's SchedulerConfiguration (preview; Kubernetes 1.33 and later).
pub(super) fn file(pool: &Pool, header: &str, remarks: &mut Vec<String>) -> File {
    remarks.push(
        "scheduler.yaml is a preview of AKS: Kubernetes 1.33 or later, and `az aks update \
         --resource-group … --name … --enable-upstream-kubescheduler-user-configuration` first; a \
         cluster has one such configuration, and this replaces another that is there"
            .into(),
    );
    let mut resources =
        vec![Weight { name: "cpu".into(), weight: 1 }, Weight { name: "memory".into(), weight: 1 }];
    if let Some((name, _)) = &pool.resource {
        // A GPU costs many times what the CPUs beside it do.
        resources.insert(0, Weight { name: name.clone(), weight: 8 });
    }
    let config = KubeSchedulerConfiguration {
        api_version: "kubescheduler.config.k8s.io/v1",
        kind: "KubeSchedulerConfiguration",
        profiles: vec![Profile {
            scheduler_name: SCHEDULER,
            plugins: Plugins {
                // It would spread what is to be packed.
                multi_point: MultiPoint { disabled: vec![Plugin { name: "PodTopologySpread" }] },
            },
            plugin_config: vec![PluginConfig {
                name: "NodeResourcesFit",
                args: Args {
                    api_version: "kubescheduler.config.k8s.io/v1",
                    kind: "NodeResourcesFitArgs",
                    scoring_strategy: Strategy { kind: "MostAllocated", resources },
                },
            }],
        }],
    };
    let object = Object {
        api_version: "aks.azure.com/v1alpha1",
        kind: "SchedulerConfiguration",
        metadata: Metadata::of("upstream"),
        spec: Spec { raw_config: yaml::object(&config) },
    };
    File {
        name: "scheduler.yaml",
        apply: "kubectl apply -f scheduler.yaml".into(),
        text: yaml::documents(header, &[yaml::object(&object)]),
    }
}
