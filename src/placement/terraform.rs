//! The same node pool as a Terraform fragment (azurerm 4).

use super::pool::Pool;
use super::{Asked, File, GpuStack, az};

/// The fragment; none where the provider has no arguments for what is asked.
pub(super) fn file(asked: &Asked, pool: &Pool, header: &str) -> Option<File> {
    if pool.gpu && asked.choices.gpu_stack == GpuStack::Managed {
        return None;
    }
    let text = format!("{header}{}", resource(asked, pool));
    let apply =
        "# or, in place of nodepool.sh, with nodepool.tf: terraform init && terraform apply";
    Some(File { name: "nodepool.tf", apply: apply.into(), text })
}

fn resource(asked: &Asked, pool: &Pool) -> String {
    let mut arguments: Vec<(&str, String)> = vec![
        ("name", string(&pool.name)),
        ("kubernetes_cluster_id", "var.kubernetes_cluster_id".into()),
        ("vm_size", string(&asked.sku.name)),
        ("mode", string(if pool.system { "System" } else { "User" })),
    ];
    if pool.windows {
        arguments.push(("os_type", string("Windows")));
    }
    if pool.scales() {
        arguments.push(("auto_scaling_enabled", "true".into()));
        arguments.push(("min_count", pool.min.to_string()));
        arguments.push(("max_count", pool.max.to_string()));
    } else {
        arguments.push(("node_count", pool.min.to_string()));
    }
    let mut taints: Vec<String> =
        pool.taint.iter().map(|(k, v)| format!("{k}={v}:NoSchedule")).collect();
    if pool.spot {
        // The provider, unlike az, leaves Spot's label and taint to its user.
        taints.push("kubernetes.azure.com/scalesetpriority=spot:NoSchedule".into());
        arguments.push(("priority", string("Spot")));
        arguments.push(("eviction_policy", string("Delete")));
        arguments.push(("spot_max_price", "-1".into()));
    }
    if !taints.is_empty() {
        let list: Vec<String> = taints.iter().map(|t| string(t)).collect();
        arguments.push(("node_taints", format!("[{}]", list.join(", "))));
    }
    let mut labels: Vec<(&str, String)> = Vec::new();
    if pool.spot {
        labels.push(("kubernetes.azure.com/scalesetpriority", "spot".into()));
    }
    let operator = asked.choices.gpu_stack == GpuStack::Operator;
    if pool.amd || (pool.gpu && operator) {
        arguments.push(("gpu_driver", string("None")));
    }
    if pool.gpu {
        labels.extend(az::operator_labels(asked, pool));
    }
    if let Some(profile) = pool.mig.filter(|_| !operator) {
        let name = profile.aks_instance_profile.as_deref().unwrap_or_default();
        arguments.push(("gpu_instance", string(name)));
    }
    if !labels.is_empty() {
        let pairs: Vec<String> = labels.iter().map(|(k, v)| format!("\"{k}\" = \"{v}\"")).collect();
        arguments.push(("node_labels", format!("{{ {} }}", pairs.join(", "))));
    }
    let width = arguments.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let mut text = String::from(
        "variable \"kubernetes_cluster_id\" {\n  description = \"Resource id of the AKS cluster\"\n  \
         type        = string\n}\n\n",
    );
    text += &format!("resource \"azurerm_kubernetes_cluster_node_pool\" \"{}\" {{\n", pool.name);
    for (name, value) in arguments {
        text += &format!("  {name:<width$} = {value}\n");
    }
    if pool.scales() {
        text += "\n  lifecycle {\n    ignore_changes = [node_count] # the autoscaler's\n  }\n";
    }
    text + "}\n"
}

fn string(text: &str) -> String {
    // Names come from the catalog and from checked options; quotes cannot be in them.
    format!("\"{text}\"")
}
