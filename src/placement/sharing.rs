//! How the device plugin is told to give one GPU to several pods.

use serde::Serialize;

use super::{ShareBy, yaml};

/// Configuration of NVIDIA's device plugin (its README, v0.18).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PluginConfig {
    version: &'static str,
    flags: Flags,
    sharing: Sharing,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Flags {
    mig_strategy: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Sharing {
    #[serde(skip_serializing_if = "Option::is_none")]
    time_slicing: Option<TimeSlicing>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mps: Option<Mps>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TimeSlicing {
    rename_by_default: bool,
    // A pod that asks for two turns gets no more of the GPU than with one: better refused.
    fail_requests_greater_than_one: bool,
    resources: Vec<Replicas>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Mps {
    rename_by_default: bool,
    resources: Vec<Replicas>,
}

#[derive(Serialize)]
struct Replicas {
    name: &'static str,
    replicas: u64,
}

/// The configuration for `replicas` pods a GPU.
pub(super) fn config(by: ShareBy, replicas: u64) -> String {
    let resources = vec![Replicas { name: "nvidia.com/gpu", replicas }];
    let sharing = if by == ShareBy::Mps {
        Sharing { time_slicing: None, mps: Some(Mps { rename_by_default: false, resources }) }
    } else {
        let time_slicing = TimeSlicing {
            rename_by_default: false,
            fail_requests_greater_than_one: true,
            resources,
        };
        Sharing { time_slicing: Some(time_slicing), mps: None }
    };
    yaml::object(&PluginConfig { version: "v1", flags: Flags { mig_strategy: "none" }, sharing })
}

/// As `--share` spells it.
pub(super) fn word(by: ShareBy) -> &'static str {
    match by {
        ShareBy::Mig => "mig",
        ShareBy::TimeSlicing => "time-slicing",
        ShareBy::Mps => "mps",
    }
}

/// What is kept apart between the pods, and what is not.
pub(super) fn caveat(by: ShareBy, replicas: u64) -> String {
    match by {
        ShareBy::Mig => "MIG instances have memory and compute of their own; a pool's profile \
                         cannot be changed later"
            .into(),
        ShareBy::TimeSlicing => format!(
            "time-slicing: {replicas} pods take turns on a GPU; memory is not kept apart, one that \
             takes it all makes the others fail; AKS leaves it to its user"
        ),
        ShareBy::Mps => format!(
            "MPS: each of {replicas} pods has 1/{replicas} of a GPU's memory and compute; a fault \
             of one can end the others; NVIDIA calls it experimental; AKS leaves it to its user"
        ),
    }
}
