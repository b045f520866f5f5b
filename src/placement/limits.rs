//! What AKS cannot do. From its documentation on GPU, managed GPU, Spot, Windows and AMD node
//! pools, the GPU Operator and scaling, as of 2026-07 (see docs/aks.md).

use super::pool::Pool;
use super::{Asked, GpuStack, MigStrategy, Provisioner, Refusal, ShareBy};

/// Refuses what would fail when it is applied.
///
/// # Errors
/// The reason and the next step.
pub(super) fn check(asked: &Asked, pool: &Pool) -> Result<(), Refusal> {
    size(asked)?;
    names(asked)?;
    system(pool)?;
    stack(asked, pool)?;
    sharing(asked, pool)?;
    windows(asked, pool)?;
    kaito(asked, pool)
}

fn refuse<T>(text: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal(text.into()))
}

fn size(asked: &Asked) -> Result<(), Refusal> {
    let sku = asked.sku;
    if sku.provider != "azure" {
        return refuse(format!(
            "{}: a size of {}; `place` writes for AKS: leave --provider out",
            sku.name, sku.provider
        ));
    }
    match asked.size.reasons.first().filter(|_| !asked.size.eligible) {
        Some(why) => refuse(format!("{}: {}; choose another with --sku", sku.name, why.text)),
        None => Ok(()),
    }
}

/// Names that Kubernetes would not take.
fn names(asked: &Asked) -> Result<(), Refusal> {
    let letters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let fine = |name: &str| {
        name.len() <= 63
            && name.starts_with(letters)
            && name.ends_with(letters)
            && name.chars().all(|c| letters(c) || c == '-')
    };
    if let Some(queue) = asked.choices.queue.as_deref().filter(|queue| !fine(queue)) {
        return refuse(format!(
            "--kueue \"{queue}\": a queue's name has lower-case letters, digits and dashes, at most \
             63, as in --kueue team-a"
        ));
    }
    let image = asked.choices.image.as_deref();
    if let Some(image) = image.filter(|i| i.trim().is_empty() || i.contains(char::is_whitespace)) {
        return refuse(format!(
            "--image \"{image}\": give registry, name and tag, as in --image example.org/align:1"
        ));
    }
    Ok(())
}

fn system(pool: &Pool) -> Result<(), Refusal> {
    if !pool.system {
        return Ok(());
    }
    if pool.windows {
        return refuse("--mode system: AKS has system pools with Linux only; use --mode user");
    }
    if pool.spot {
        return refuse("--mode system: a system pool cannot be a Spot pool; use --mode user");
    }
    if pool.gpu {
        return refuse(
            "--mode system: the taint that keeps other pods off a GPU would keep the cluster's \
             own off as well; use --mode user",
        );
    }
    if pool.min == 0 {
        return refuse(
            "--mode system: a system pool does not scale to zero, and this demand leaves it empty \
             for part of the day; use --mode user, or --min-nodes 1 to pay for one all day",
        );
    }
    Ok(())
}

fn stack(asked: &Asked, pool: &Pool) -> Result<(), Refusal> {
    let stack = asked.choices.gpu_stack;
    if !pool.gpu || stack == GpuStack::DevicePlugin {
        return Ok(());
    }
    let name = &asked.sku.name;
    if pool.amd {
        return refuse(format!(
            "--gpu-stack: {name} has AMD GPUs, which neither NVIDIA's GPU Operator nor AKS's \
             managed stack serves; leave --gpu-stack out"
        ));
    }
    let auto = asked.choices.provisioner == Provisioner::AutoProvisioning;
    // Sizes whose driver is GRID, by Karpenter's Azure provider; the Operator installs CUDA's.
    let grid = ["_A10_v4", "_A10_v5", "RTXPRO6000"].iter().any(|part| name.contains(part));
    match stack {
        GpuStack::Operator if grid => refuse(format!(
            "--gpu-stack operator: {name} needs NVIDIA's GRID driver, which the Operator does not \
             install by itself; leave --gpu-stack out"
        )),
        GpuStack::Operator if !auto && pool.min == 0 => refuse(
            "--gpu-stack operator: AKS asks for a least count of 1 with the GPU Operator under \
             the autoscaler; give --min-nodes 1 to pay for one node all day, or leave --gpu-stack \
             out",
        ),
        GpuStack::Managed if !auto && pool.scales() => refuse(format!(
            "--gpu-stack managed: AKS's managed GPU stack has no cluster autoscaler, and this \
             demand takes {} to {} nodes; leave --gpu-stack out",
            pool.min, pool.max
        )),
        GpuStack::Managed if pool.replicas.is_some() => refuse(
            "--gpu-stack managed: AKS's managed device plugin cannot be set to share GPUs in turns \
             or by MPS; leave --gpu-stack out, or use --gpu-stack operator",
        ),
        _ => Ok(()),
    }
}

fn sharing(asked: &Asked, pool: &Pool) -> Result<(), Refusal> {
    let choices = asked.choices;
    if let Some((ShareBy::Mps, _)) = pool.replicas
        && choices.gpu_stack != GpuStack::Operator
    {
        return refuse(
            "--share mps: the MPS daemon is set up by the GPU Operator; add --gpu-stack operator, \
             or use --share time-slicing",
        );
    }
    let Some(profile) = pool.mig else { return Ok(()) };
    if choices.provisioner == Provisioner::AutoProvisioning
        && choices.gpu_stack != GpuStack::Operator
    {
        return refuse(
            "--share mig: AKSNodeClass has no field for MIG; use --provision pool, or add \
             --gpu-stack operator",
        );
    }
    let from_none = choices.provisioner == Provisioner::AutoProvisioning || pool.min == 0;
    if choices.mig_strategy == MigStrategy::Mixed && from_none {
        return refuse(format!(
            "--mig-strategy mixed: nobody makes the first node for a pod that asks for {}, as no node \
             is there to say that it has them; use --mig-strategy single, or --min-nodes 1 with \
             --provision pool",
            profile.resource_name()
        ));
    }
    if profile.aks_instance_profile.is_none() && choices.gpu_stack != GpuStack::Operator {
        return refuse(format!(
            "--share mig: az has no --gpu-instance-profile for {}; add --gpu-stack operator, whose \
             MIG manager cuts it",
            profile.name
        ));
    }
    Ok(())
}

fn windows(asked: &Asked, pool: &Pool) -> Result<(), Refusal> {
    if !pool.windows {
        return Ok(());
    }
    let choices = asked.choices;
    if choices.provisioner == Provisioner::AutoProvisioning {
        return refuse(
            "os = \"windows\": node auto-provisioning makes Linux nodes only; use --provision pool",
        );
    }
    if !pool.gpu {
        return Ok(());
    }
    if choices.gpu_stack != GpuStack::DevicePlugin {
        return refuse(
            "os = \"windows\": neither the GPU Operator nor AKS's managed GPU stack runs on \
             Windows; leave --gpu-stack out",
        );
    }
    if choices.sharing.is_some() || pool.mig.is_some() {
        return refuse(
            "os = \"windows\": GPUs of Windows nodes cannot be shared; leave --share out",
        );
    }
    Ok(())
}

fn kaito(asked: &Asked, pool: &Pool) -> Result<(), Refusal> {
    if asked.choices.kaito.is_none() {
        return Ok(());
    }
    let choices = asked.choices;
    if choices.manifest.is_some() || choices.queue.is_some() || choices.bin_packing {
        return refuse(
            "--kaito: KAITO makes the workload itself; leave --manifest, --kueue and --bin-packing out",
        );
    }
    if pool.mig.is_some() || pool.replicas.is_some() {
        return refuse("--kaito: a model that KAITO serves has its GPUs alone; leave --share out");
    }
    if !pool.gpu {
        return refuse(format!(
            "--kaito: KAITO serves models on GPU nodes, and {} has none; choose a GPU size with \
             --sku",
            asked.sku.name
        ));
    }
    if pool.windows || pool.amd {
        return refuse("--kaito: KAITO serves on Linux nodes with NVIDIA GPUs only");
    }
    let old = ["Volta", "Turing", "Pascal", "Maxwell"];
    if let Some(gpu) = asked.gpu().filter(|g| old.contains(&g.architecture.as_str())) {
        return refuse(format!(
            "--kaito: KAITO needs compute capability 8.0 and {} ({}) is older; choose another size \
             with --sku",
            gpu.model, gpu.architecture
        ));
    }
    if asked.sku.gpu_count.is_some_and(|n| n < 1.0) {
        return refuse(format!(
            "--kaito: {} has a share of a GPU and KAITO knows whole ones only; choose another size \
             with --sku",
            asked.sku.name
        ));
    }
    Ok(())
}
