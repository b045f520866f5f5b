//! The node pool as an `az` script. Which flags it may use, and since when, is in az_flags.csv,
//! with sources; the tests hold it to that.

use super::pool::Pool;
use super::{Asked, File, GpuStack};

/// The script. A pool that is there is changed in what may change, its counts; one that differs in
/// what is fixed at creation is left alone.
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
    text += &format!(
        "pool=(--resource-group \"$RESOURCE_GROUP\" --cluster-name \"$CLUSTER\" --name {})\n",
        pool.name
    );
    text += &prerequisites(asked, pool);
    text += &format!("wanted='{}'\n", fixed(asked, pool));
    text += &format!(
        "if ! is=$(az aks nodepool show \"${{pool[@]}}\" --query \"{IS}\" --output tsv \
         2>/dev/null); then\n"
    );
    text += &command("  ", "az aks nodepool add \"${pool[@]}\"", &added(asked, pool));
    text += &format!(
        "elif [ \"${{is% *}}\" != \"$wanted\" ]; then\n  echo \"node pool {} is there as ${{is% *}} \
         and not $wanted, which is fixed at creation: place with another --pool\" >&2\n  exit 1\n",
        pool.name
    );
    text += &updated(pool);
    text += "fi\n";
    File { name: "nodepool.sh", apply: "bash nodepool.sh".into(), text }
}

/// What is fixed when a pool is made, and last whether it has the autoscaler.
const IS: &str = "join(' ', [vmSize, scaleSetPriority || 'Regular', gpuInstanceProfile || 'None', \
                  to_string(enableAutoScaling || `false`)])";

/// The first three of these as this pool must have them.
fn fixed(asked: &Asked, pool: &Pool) -> String {
    let by_az = asked.choices.gpu_stack != GpuStack::Operator;
    let profile = pool.mig.filter(|_| by_az).and_then(|p| p.aks_instance_profile.as_deref());
    let priority = if pool.spot { "Spot" } else { "Regular" };
    format!("{} {priority} {}", asked.sku.name, profile.unwrap_or("None"))
}

/// What must be switched on before, once per subscription.
fn prerequisites(asked: &Asked, pool: &Pool) -> String {
    let managed = pool.gpu && asked.choices.gpu_stack == GpuStack::Managed;
    let feature = match (pool.windows && pool.gpu, managed) {
        (true, _) => "WindowsGPUPreview",
        (_, true) => "ManagedGPUExperiencePreview",
        _ => return String::new(),
    };
    let of_it = format!("--namespace Microsoft.ContainerService --name {feature}");
    format!(
        "# A preview feature: it is registered once per subscription, which takes minutes.\n\
         az extension add --name aks-preview --upgrade --only-show-errors\n\
         az feature register {of_it} --output none\n\
         until [ \"$(az feature show {of_it} --query properties.state --output tsv)\" = Registered ]; do\n  \
         sleep 30\ndone\n\
         az provider register --namespace Microsoft.ContainerService --wait\n"
    )
}

/// Flags of `az aks nodepool add` after resource group, cluster and name.
fn added(asked: &Asked, pool: &Pool) -> Vec<String> {
    let mut flags = vec![
        format!("--mode {}", if pool.system { "System" } else { "User" }),
        format!("--node-vm-size {}", asked.sku.name),
    ];
    if pool.windows {
        flags.push("--os-type Windows".into());
    }
    flags.push(format!("--node-count {}", pool.min));
    if pool.scales() {
        flags.push("--enable-cluster-autoscaler".into());
        flags.extend(counts(pool));
    }
    if let Some((key, value)) = pool.taint {
        flags.push(format!("--node-taints {key}={value}:NoSchedule"));
    }
    if pool.spot {
        let spot = ["--priority Spot", "--eviction-policy Delete", "--spot-max-price -1"];
        flags.extend(spot.map(String::from));
    }
    if pool.gpu {
        flags.extend(gpu(asked, pool));
    }
    flags
}

fn gpu(asked: &Asked, pool: &Pool) -> Vec<String> {
    let stack = asked.choices.gpu_stack;
    let operator = stack == GpuStack::Operator;
    let mut flags = Vec::new();
    if pool.amd || operator {
        flags.push("--gpu-driver none".to_owned());
    }
    if stack == GpuStack::Managed {
        flags.push("--enable-managed-gpu=true".to_owned());
    }
    let labels = operator_labels(asked, pool);
    if !labels.is_empty() {
        let pairs: Vec<String> = labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
        flags.push(format!("--labels {}", pairs.join(" ")));
    }
    let Some(profile) = pool.mig.filter(|_| !operator) else { return flags };
    if let Some(name) = &profile.aks_instance_profile {
        flags.push(format!("--gpu-instance-profile {name}"));
    }
    if stack == GpuStack::Managed {
        // az has the same words with a capital letter.
        let word = asked.choices.mig_strategy.word();
        let strategy = format!("{}{}", word[..1].to_uppercase(), &word[1..]);
        flags.push(format!("--gpu-mig-strategy {strategy}"));
    }
    flags
}

/// Labels by which the GPU Operator knows how the GPUs of these nodes are cut or shared; none with
/// another stack.
pub(super) fn operator_labels(asked: &Asked, pool: &Pool) -> Vec<(&'static str, String)> {
    let mut labels = Vec::new();
    if asked.choices.gpu_stack == GpuStack::Operator {
        if let Some(profile) = pool.mig {
            labels.push(("nvidia.com/mig.config", format!("all-{}", profile.name)));
        }
        if pool.replicas.is_some() {
            labels.push(("nvidia.com/device-plugin.config", pool.name.clone()));
        }
    }
    labels
}

/// What is done where the pool is there: `is` ends with whether it has the autoscaler.
fn updated(pool: &Pool) -> String {
    let update = "az aks nodepool update \"${pool[@]}\"";
    if pool.scales() {
        let with = |switch: &str| {
            let flags = [vec![switch.to_owned()], counts(pool)].concat();
            command("  ", update, &flags)
        };
        return format!(
            "elif [ \"${{is##* }}\" = true ]; then\n{}else\n{}",
            with("--update-cluster-autoscaler"),
            with("--enable-cluster-autoscaler")
        );
    }
    format!(
        "else\n  if [ \"${{is##* }}\" = true ]; then\n  {}  fi\n{}",
        command("  ", update, &["--disable-cluster-autoscaler".to_owned()]),
        command(
            "  ",
            "az aks nodepool scale \"${pool[@]}\"",
            &[format!("--node-count {}", pool.min)]
        )
    )
}

fn counts(pool: &Pool) -> Vec<String> {
    vec![format!("--min-count {}", pool.min), format!("--max-count {}", pool.max)]
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
