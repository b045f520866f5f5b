//! Whether the VM size that `--sku` names can be the one of this machine.

use breakeven_kernels::params::nearest;
use breakeven_kernels::work::DeviceKind;

use super::args::MeasureArgs;
use super::exit::Failure;
use crate::backend::Probe;
use crate::catalog::{Catalog, Sku};
use crate::record::Environment;

/// Reasons to doubt `--sku`, as warnings: a record under the wrong name misleads every verdict
/// that rests on it. A size that the catalog lacks is no mistake by itself.
///
/// # Errors
/// A damaged catalog.
pub fn doubts(
    args: &MeasureArgs,
    env: &Environment,
    probe: &Probe,
) -> Result<Vec<String>, Failure> {
    let Some(name) = &args.sku else { return Ok(Vec::new()) };
    let catalog = Catalog::embedded().map_err(|error| Failure::internal(error.to_string()))?;
    let Some(sku) = catalog.skus.iter().find(|sku| sku.name.eq_ignore_ascii_case(name)) else {
        let near = nearest(name, catalog.skus.iter().map(|sku| sku.name.as_str()))
            .map(|near| format!(", did you mean `{near}`?"))
            .unwrap_or_default();
        return Ok(vec![format!(
            "--sku {name}: no such size in the catalog{near}; no verdict will find its price \
             unless --prices adds it (see `breakeven list skus`)"
        )]);
    };
    let devices = args.device.is_empty().then_some(probe);
    Ok([threads(sku, env), devices.and_then(|probe| gpu(sku, probe))]
        .into_iter()
        .flatten()
        .map(|doubt| format!("--sku {name}: {doubt}; is this the machine?"))
        .collect())
}

fn threads(sku: &Sku, env: &Environment) -> Option<String> {
    let here = env.cpu.threads.filter(|threads| *threads != sku.vcpus)?;
    Some(format!("the size has {} vCPUs, this machine {here} threads", sku.vcpus))
}

/// Only where all devices are in use: `--device cpu` says nothing of GPUs.
fn gpu(sku: &Sku, probe: &Probe) -> Option<String> {
    let here = probe.devices.iter().any(|device| device.kind == DeviceKind::Gpu);
    match (&sku.gpu_model, here) {
        (Some(model), false) => Some(format!("the size has a GPU ({model}), none is found here")),
        (None, true) => Some("the size has no GPU, this machine has one".to_owned()),
        _ => None,
    }
}
