//! The node pool as an `az` script. Which flags it may use, and since when, is in az_flags.csv,
//! with sources; the tests hold it to that.

use super::pool::Pool;
use super::{Asked, File, GpuStack, MigStrategy};

/// The script. Run twice it changes nothing: a pool that is there is only set to the same counts.
pub(super) fn file(asked: &Asked, pool: &Pool, header: &str) -> File {
    let mut text = format!("#!/usr/bin/env bash\n{header}set -euo pipefail\n");
    for (variable, given) in
        [("RESOURCE_GROUP", &asked.choices.resource_group), ("CLUSTER", &asked.choices.cluster)]
    {
        text += &match given {
            Some(name) => format!("{variable}={}\n", quoted(name)),
            None => format!(": \"${{{variable}:?set it to that of the cluster}}\"\n"),
        };
    }
    text += &prerequisites(asked, pool);
    let there = [
        "az aks nodepool show".to_owned(),
        "--resource-group \"$RESOURCE_GROUP\"".into(),
        "--cluster-name \"$CLUSTER\"".into(),
        format!("--name {}", pool.name),
        "--query vmSize --output tsv 2>/dev/null".into(),
    ];
    text += &format!("if ! size=$({}); then\n", there.join(" "));
    text += &command("  ", "az aks nodepool add", &added(asked, pool));
    text += &format!(
        "elif [ \"$size\" != {0} ]; then\n  echo \"node pool {1} is there with $size and not {0}: \
         place with another --pool\" >&2\n  exit 1\n",
        asked.sku.name, pool.name
    );
    if pool.scales() {
        text += "else\n";
        text += &command("  ", "az aks nodepool update", &updated(pool));
    }
    text += "fi\n";
    File { name: "nodepool.sh", apply: "bash nodepool.sh".into(), text }
}

/// What must be switched on before, once per subscription.
fn prerequisites(asked: &Asked, pool: &Pool) -> String {
    let managed = pool.gpu && asked.choices.gpu_stack == GpuStack::Managed;
    let feature = match (pool.windows && pool.gpu, managed) {
        (true, _) => "WindowsGPUPreview",
        (_, true) => "ManagedGPUExperiencePreview",
        _ => return String::new(),
    };
    format!(
        "# Preview: needs the extension aks-preview and the feature, which takes minutes to register.\n\
         az extension add --name aks-preview --upgrade --only-show-errors\n\
         az feature register --namespace Microsoft.ContainerService --name {feature} --output none\n"
    )
}

/// Flags of `az aks nodepool add` after resource group, cluster and name.
fn added(asked: &Asked, pool: &Pool) -> Vec<String> {
    let mut flags = vec![
        "--resource-group \"$RESOURCE_GROUP\"".to_owned(),
        "--cluster-name \"$CLUSTER\"".into(),
        format!("--name {}", pool.name),
        format!("--mode {}", if pool.system { "System" } else { "User" }),
        format!("--node-vm-size {}", asked.sku.name),
    ];
    if pool.windows {
        flags.push("--os-type Windows".into());
    }
    flags.push(format!("--node-count {}", pool.min));
    if pool.scales() {
        flags.extend(autoscaler(pool, "--enable-cluster-autoscaler"));
    }
    if let Some((key, value)) = pool.taint {
        flags.push(format!("--node-taints {key}={value}:NoSchedule"));
    }
    if pool.spot {
        flags.extend(
            ["--priority Spot", "--eviction-policy Delete", "--spot-max-price -1"]
                .map(String::from),
        );
    }
    if pool.gpu {
        flags.extend(gpu(asked, pool));
    }
    flags
}

fn gpu(asked: &Asked, pool: &Pool) -> Vec<String> {
    let stack = asked.choices.gpu_stack;
    let mut flags = Vec::new();
    if pool.amd || stack == GpuStack::Operator {
        flags.push("--gpu-driver none".to_owned());
    }
    if stack == GpuStack::Managed {
        flags.push("--enable-managed-gpu=true".to_owned());
    }
    let Some(profile) = pool.mig else { return flags };
    match (&profile.aks_instance_profile, stack) {
        (_, GpuStack::Operator) | (None, _) => {
            flags.push(format!("--labels nvidia.com/mig.config=all-{}", profile.name));
        }
        (Some(name), _) => flags.push(format!("--gpu-instance-profile {name}")),
    }
    if stack == GpuStack::Managed {
        let strategy = match asked.choices.mig_strategy {
            MigStrategy::Single => "Single",
            MigStrategy::Mixed => "Mixed",
        };
        flags.push(format!("--gpu-mig-strategy {strategy}"));
    }
    flags
}

/// Flags of `az aks nodepool update`: what may change after creation.
fn updated(pool: &Pool) -> Vec<String> {
    let mut flags = vec![
        "--resource-group \"$RESOURCE_GROUP\"".to_owned(),
        "--cluster-name \"$CLUSTER\"".into(),
        format!("--name {}", pool.name),
    ];
    flags.extend(autoscaler(pool, "--update-cluster-autoscaler"));
    flags
}

fn autoscaler(pool: &Pool, switch: &str) -> Vec<String> {
    vec![
        switch.to_owned(),
        format!("--min-count {}", pool.min),
        format!("--max-count {}", pool.max),
    ]
}

/// A command with a flag a line.
pub(super) fn command(indent: &str, name: &str, flags: &[String]) -> String {
    let next = format!(" \\\n{indent}  ");
    format!("{indent}{name}{next}{}\n", flags.join(&next))
}

/// `text` for a shell, quoted where it must be.
pub(super) fn quoted(text: &str) -> String {
    shlex::try_quote(text).map_or_else(|_| "''".to_owned(), std::borrow::Cow::into_owned)
}
