//! A KAITO Workspace, which serves a language model.

use std::collections::BTreeMap;

use serde::Serialize;

use super::pool::Pool;
use super::yaml::{self, Metadata};
use super::{Asked, File, Provisioner, Refusal, workload};

/// `kaito.sh/v1beta1`: a Workspace has no `spec`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Workspace {
    api_version: &'static str,
    kind: &'static str,
    metadata: Metadata,
    resource: Resource,
    inference: Inference,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Resource {
    #[serde(skip_serializing_if = "Option::is_none")]
    instance_type: Option<String>,
    label_selector: Selector,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Selector {
    match_labels: BTreeMap<String, String>,
}

#[derive(Serialize)]
struct Inference {
    preset: Preset,
}

#[derive(Serialize)]
struct Preset {
    name: String,
}

/// The Workspace.
///
/// # Errors
/// A preset without a name.
pub(super) fn file(
    asked: &Asked,
    pool: &Pool,
    preset: &str,
    head: &str,
    remarks: &mut Vec<String>,
) -> Result<File, Refusal> {
    if preset.trim().is_empty() {
        return Err(Refusal("--kaito: give a preset, for example phi-4-mini-instruct".into()));
    }
    remarks.push(
        "KAITO is an add-on: `az aks update --resource-group … --name … \
         --enable-ai-toolchain-operator --enable-oidc-issuer`; whether the preset fits the size is \
         for KAITO to say: the verdict and its cost are about the workload; do not stop such a cluster"
            .into(),
    );
    if asked.choices.provisioner == Provisioner::NodePool {
        remarks.push(
            "the Workspace uses the nodes of this pool and names no instanceType: for a KAITO whose \
             node auto-provisioning is off; where it is on, add --provision karpenter, and KAITO \
             makes its own nodes"
                .into(),
        );
    }
    // Nodes that are there already are found by their label, and then no size may be named.
    let own_nodes = asked.choices.provisioner == Provisioner::NodePool;
    let name = workload::object_name(&asked.verdict.workload);
    let labels = match own_nodes {
        true => BTreeMap::from([(pool.selector.0.to_owned(), pool.selector.1.clone())]),
        false => BTreeMap::from([("apps".to_owned(), name.clone())]),
    };
    let workspace = Workspace {
        api_version: "kaito.sh/v1beta1",
        kind: "Workspace",
        metadata: Metadata::of(&name),
        resource: Resource {
            instance_type: (!own_nodes).then(|| asked.sku.name.clone()),
            label_selector: Selector { match_labels: labels },
        },
        inference: Inference { preset: Preset { name: preset.to_owned() } },
    };
    Ok(File {
        name: "workload.yaml",
        apply: "kubectl apply -f workload.yaml".into(),
        text: yaml::documents(head, &[yaml::object(&workspace)]),
    })
}
