//! Whether the VM size that `--sku` names can be the one of this machine.

use breakeven_kernels::params::nearest;
use breakeven_kernels::work::DeviceKind;

use super::args::MeasureArgs;
use super::exit::Failure;
use crate::backend::Probe;
use crate::catalog::{Catalog, Cpu, Sku};
use crate::cost::peaks::same_architecture;
use crate::record::{CpuEnv, Environment};

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
    let doubts = [
        processor(sku, &env.cpu, &catalog),
        threads(sku, env),
        devices.and_then(|probe| gpu(sku, probe)),
    ];
    let named = |doubt| format!("--sku {name}: {doubt}; check the name");
    Ok(doubts.into_iter().flatten().map(named).collect())
}

/// Where the catalog knows the processors behind the size, and this machine's is none of them.
fn processor(sku: &Sku, here: &CpuEnv, catalog: &Catalog) -> Option<String> {
    let seen = here.model.as_deref()?;
    let known: Vec<&Cpu> = sku
        .cpu_model
        .iter()
        .chain(&sku.other_cpu_models)
        .filter_map(|model| catalog.cpu(model))
        .collect();
    if known.is_empty() || known.iter().any(|cpu| may_be(cpu, seen, here)) {
        return None;
    }
    let models: Vec<&str> = known.iter().map(|cpu| cpu.model.as_str()).collect();
    let models = models.join(" or ");
    let kind = here.microarchitecture.as_deref().map(|name| format!(" ({name})"));
    let kind = kind.unwrap_or_default();
    Some(format!("the catalog knows {models} behind this size, this machine has {seen}{kind}"))
}

/// Whether the processor `seen` may be `cpu`: virtual machines report short names (`AMD EPYC`), so
/// maker and microarchitecture decide where the name does not, and what they leave open may be.
fn may_be(cpu: &Cpu, seen: &str, here: &CpuEnv) -> bool {
    if seen.replace("(R)", "").contains(&cpu.model) {
        return true;
    }
    let maker = match here.vendor.as_deref() {
        Some("GenuineIntel") => "Intel",
        Some("AuthenticAMD") => "AMD",
        // Designs of Arm are sold under many makers' names.
        Some("ARM" | "Ampere" | "NVIDIA") => "Arm",
        _ => return true,
    };
    let listed = if ["Intel", "AMD"].contains(&&*cpu.vendor) { &*cpu.vendor } else { "Arm" };
    listed == maker && here.microarchitecture.as_deref().is_none_or(|m| same_architecture(m, cpu))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn doubt(name: &str, model: &str, vendor: &str, micro: Option<&str>) -> Option<String> {
        let catalog = Catalog::embedded().expect("embedded");
        let here = CpuEnv {
            model: Some(model.to_owned()),
            vendor: Some(vendor.to_owned()),
            microarchitecture: micro.map(str::to_owned),
            ..CpuEnv::default()
        };
        processor(catalog.sku(None, name).expect("listed"), &here, &catalog)
    }

    #[test]
    fn a_processor_that_is_surely_another_is_doubted() {
        let (intel, amd) = ("GenuineIntel", "AuthenticAMD");
        assert_eq!(
            doubt("Standard_D2s_v5", "AMD EPYC", amd, Some("Zen 4")).as_deref(),
            Some(
                "the catalog knows Intel Xeon Platinum 8370C or Intel Xeon Platinum 8473C or Intel \
                 Xeon Platinum 8573C behind this size, this machine has AMD EPYC (Zen 4)"
            )
        );
        let t4 = "Standard_NC4as_T4_v3";
        assert!(doubt(t4, "AMD EPYC", amd, Some("Zen 4")).is_some(), "Zen 2 is listed");
        assert!(doubt(t4, "Neoverse", "ARM", None).is_some());
        // Its full name, its short name, and what cannot be told.
        let full = "Intel(R) Xeon(R) Platinum 8370C CPU @ 2.80GHz";
        assert_eq!(doubt("Standard_D2s_v5", full, intel, None), None);
        assert_eq!(doubt("Standard_D2s_v5", "Intel Xeon", intel, Some("Ice Lake-SP")), None);
        assert_eq!(doubt(t4, "AMD EPYC", amd, Some("Zen 2")), None);
        assert_eq!(doubt(t4, "AMD EPYC", amd, None), None);
        assert_eq!(doubt(t4, "Virtual CPU", "unheard of", None), None);
        // No processor is listed behind this one.
        assert_eq!(doubt("Standard_NC8ads_A10_v4", "AMD EPYC", amd, Some("Zen 4")), None);
    }
}
