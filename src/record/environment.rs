//! The environment stamp: what this machine is, and a key per device over what affects results.

use std::collections::BTreeMap;

use breakeven_kernels::work::{DeviceInfo, DeviceKind};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::metadata::{self, Placement};
use super::{CpuEnv, DeviceEnv, Environment, HostState};
use crate::host::Host;

/// Environment variable that holds the node's `node.kubernetes.io/instance-type` label.
///
/// Kubernetes does not put node labels into pods by itself; the job's manifest sets it.
pub const INSTANCE_TYPE_VARIABLE: &str = "NODE_INSTANCE_TYPE";
/// Environment variable that holds the node's name: set for the pods of a fleet, so that a slow node
/// can be named. Nothing else gives a machine's name away.
pub const NODE_VARIABLE: &str = "BREAKEVEN_NODE";
/// Environment variable that holds the region, where the cloud does not tell it to pods.
pub const REGION_VARIABLE: &str = "BREAKEVEN_REGION";

/// Raised when the facts under an `env_key` change, so that old keys never match by accident.
const KEY_VERSION: u32 = 1;

/// Where to learn the VM size.
#[derive(Debug, Clone, Default)]
pub struct SkuSource {
    /// `--sku`, believed without a look.
    pub flag: Option<String>,
    /// Whether cloud instance metadata may be asked (at most about half a second).
    pub metadata: bool,
}

/// Looks at the machine. Never fails: what cannot be found out is named in `unknown`.
pub fn stamp(devices: &[DeviceInfo], sku: &SkuSource) -> Environment {
    let host = Host::default();
    let variable = |name| std::env::var(name).ok().filter(|v: &String| !v.is_empty());
    let label = variable(INSTANCE_TYPE_VARIABLE);
    let asked = sku.metadata.then(metadata::ask).flatten();
    let mut env = Environment {
        os: host.os(),
        kernel: host.kernel(),
        arch: std::env::consts::ARCH.to_owned(),
        virtualization: Some(host.virtualization()),
        provider: None,
        sku: None,
        sku_source: None,
        region: None,
        node: variable(NODE_VARIABLE),
        cpu: cpu(&host),
        memory_bytes: host.memory_bytes(),
        state: state_of(&host),
        devices: Vec::new(),
        unknown: Vec::new(),
    };
    place(&mut env, sku.flag.clone(), asked, label);
    env.region = env.region.or_else(|| variable(REGION_VARIABLE));
    env.devices = devices.iter().map(|d| device(d, &env)).collect();
    env.unknown = unknown(&env);
    env
}

/// The changing state of the machine now.
pub fn state() -> HostState {
    state_of(&Host::default())
}

/// Fills in VM size, provider and region: the flag first, then metadata, then the label.
fn place(
    env: &mut Environment,
    flag: Option<String>,
    asked: Option<Placement>,
    label: Option<String>,
) {
    if let Some(found) = &asked {
        env.provider = Some(found.provider.to_owned());
        env.region = found.region.clone();
    }
    let metadata = asked.map(|found| (found.sku, found.source.to_owned()));
    let sources = [
        flag.map(|sku| (sku, "flag".to_owned())),
        metadata,
        label.map(|sku| (sku, "kubernetes".to_owned())),
    ];
    if let Some((sku, source)) = sources.into_iter().flatten().next() {
        env.sku = Some(sku);
        env.sku_source = Some(source);
    }
}

fn cpu(host: &Host) -> CpuEnv {
    let cpu = host.cpu();
    CpuEnv {
        model: cpu.model,
        vendor: cpu.vendor,
        microarchitecture: cpu.microarchitecture.map(str::to_owned),
        microcode: cpu.microcode,
        sockets: cpu.sockets,
        cores: cpu.cores,
        threads: cpu.threads,
        threads_per_core: cpu.threads.zip(cpu.cores).map(|(t, c)| (t / c.max(1)).max(1)),
        numa_nodes: cpu.numa_nodes,
        affinity_cpus: cpu.affinity_cpus,
        quota_cpus: cpu.quota_cpus,
        governor: cpu.governor,
        l3_bytes: cpu.l3_bytes,
        isa: cpu.isa,
    }
}

fn state_of(host: &Host) -> HostState {
    HostState {
        load_average: host.load_average(),
        clock_hz: host.clock_hz(),
        steal_ratio: host
            .cpu_ticks()
            .filter(|(total, _)| *total > 0)
            .map(|(total, stolen)| stolen as f64 / total as f64),
        throttled_periods: host.throttled_periods(),
        huge_pages: host.huge_pages(),
    }
}

fn device(info: &DeviceInfo, env: &Environment) -> DeviceEnv {
    let facts = affecting(info, env);
    let canonical = json!(facts).to_string();
    let digest = Sha256::digest(canonical.as_bytes());
    let env_key = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    DeviceEnv { info: info.clone(), env_key }
}

/// What affects this device's results, by name.
///
/// A CPU's facts say nothing of GPUs, so that a GPU driver's update does not orphan CPU rows. A
/// GPU's facts name the CPU, because end-to-end times depend on it, but not its microcode.
fn affecting(info: &DeviceInfo, env: &Environment) -> BTreeMap<&'static str, Value> {
    // `6.8.0-1014-azure` → `6.8`: patch releases come weekly and change little.
    let kernel = env.kernel.as_deref().map(|k| k.splitn(3, '.').take(2).collect::<Vec<_>>());
    let gib = |bytes: u64| (bytes as f64 / (1u64 << 30) as f64).round();
    let mut facts = BTreeMap::from([
        ("key_version", json!(KEY_VERSION)),
        ("arch", json!(env.arch)),
        ("kernel", json!(kernel.map(|k| k.join(".")))),
        ("virtualization", json!(env.virtualization)),
        ("sku", json!(env.sku)),
        ("cpu_model", json!(env.cpu.model)),
        ("cpu_microarchitecture", json!(env.cpu.microarchitecture)),
        ("device_name", json!(info.name)),
        ("device_memory_gib", json!(info.memory_bytes.map(gib))),
        ("libraries", json!(info.libraries)),
    ]);
    if info.kind == DeviceKind::Cpu {
        facts.extend([
            ("microcode", json!(env.cpu.microcode)),
            ("threads", json!(info.threads)),
            ("threads_per_core", json!(env.cpu.threads_per_core)),
            ("affinity_cpus", json!(env.cpu.affinity_cpus)),
            ("quota_cpus", json!(env.cpu.quota_cpus)),
            ("governor", json!(env.cpu.governor)),
            ("isa", json!(env.cpu.isa)),
        ]);
    } else {
        facts.extend([
            ("driver", json!(info.driver)),
            ("compute_capability", json!(info.compute_capability)),
            ("compute_units", json!(info.compute_units)),
        ]);
    }
    facts
}

/// A fact that affects a device's results and differs between two environments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Its name: `cpu_model`, `driver`, …
    pub field: &'static str,
    /// What it is in the first, for people.
    pub one: String,
    /// What it is in the second.
    pub other: String,
}

/// The facts under the `env_key` that differ between a device in `one` environment and one in the
/// `other`, by name; a fact that only one of them has is among them.
pub fn differences(
    one: (&DeviceInfo, &Environment),
    other: (&DeviceInfo, &Environment),
) -> Vec<Difference> {
    let (one, other) = (affecting(one.0, one.1), affecting(other.0, other.1));
    let mut fields: Vec<&'static str> = one.keys().chain(other.keys()).copied().collect();
    fields.sort_unstable();
    fields.dedup();
    let told = |value: Option<&Value>| match value {
        None | Some(Value::Null) => "unknown".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
    };
    let difference = |field: &'static str| {
        let (one, other) = (one.get(field), other.get(field));
        (one != other).then(|| Difference { field, one: told(one), other: told(other) })
    };
    fields.into_iter().filter_map(difference).collect()
}

/// Names of the fields that are null because they could not be found out.
fn unknown(env: &Environment) -> Vec<String> {
    // No quota is a fact; the source of an unknown size is nothing apart.
    const NULL_IS_A_FACT: [&str; 2] = ["cpu.quota_cpus", "sku_source"];
    let Ok(Value::Object(all)) = serde_json::to_value(env) else { return Vec::new() };
    let mut names = Vec::new();
    for (key, value) in &all {
        match value {
            Value::Null => names.push(key.clone()),
            Value::Object(inner) => {
                let nulls = inner.iter().filter(|(_, v)| v.is_null());
                names.extend(nulls.map(|(inner_key, _)| format!("{key}.{inner_key}")));
            }
            _ => {}
        }
    }
    names.retain(|name| !NULL_IS_A_FACT.contains(&name.as_str()));
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(id: &str, kind: DeviceKind, driver: &str) -> DeviceInfo {
        DeviceInfo {
            id: id.into(),
            backend: id.into(),
            kind,
            name: format!("{id} device"),
            vendor: None,
            architecture: None,
            driver: Some(driver.into()),
            memory_bytes: Some(80 << 30),
            threads: None,
            cores: None,
            compute_units: None,
            compute_capability: None,
            cache_bytes: None,
            languages: vec![],
            libraries: vec![],
            features: vec![],
            max_workgroup_invocations: None,
            max_shared_bytes: None,
            max_buffer_bytes: None,
        }
    }

    fn keys(driver: &str, flag: Option<&str>) -> Vec<String> {
        let devices =
            [info("cpu", DeviceKind::Cpu, driver), info("cuda:0", DeviceKind::Gpu, driver)];
        let sku = SkuSource { flag: flag.map(str::to_owned), metadata: false };
        stamp(&devices, &sku).devices.into_iter().map(|d| d.env_key).collect()
    }

    #[test]
    fn a_driver_update_changes_the_key_of_the_gpu_alone() {
        let (old, new) = (keys("550.54", None), keys("560.28", None));
        assert_eq!(old[0], new[0]);
        assert_ne!(old[1], new[1]);
        assert_eq!(old, keys("550.54", None));
        assert!(old[0].len() == 64 && old[0].chars().all(|c| c.is_ascii_hexdigit()));
        // Another VM size is another environment for both.
        let moved = keys("550.54", Some("Standard_D4s_v5"));
        assert!(moved[0] != old[0] && moved[1] != old[1]);
    }

    #[test]
    fn differences_name_the_facts_that_make_the_keys_differ() {
        let stamped = |driver: &str, sku: &str| {
            let devices = [info("cuda:0", DeviceKind::Gpu, driver)];
            stamp(&devices, &SkuSource { flag: Some(sku.into()), metadata: false })
        };
        let (old, new) = (stamped("550.54", "small"), stamped("560.28", "large"));
        let found = differences((&old.devices[0].info, &old), (&new.devices[0].info, &new));
        let told: Vec<_> =
            found.iter().map(|d| (d.field, d.one.as_str(), d.other.as_str())).collect();
        assert_eq!(told, [("driver", "550.54", "560.28"), ("sku", "small", "large")]);
        assert!(differences((&old.devices[0].info, &old), (&old.devices[0].info, &old)).is_empty());
    }

    #[test]
    fn the_flag_wins_over_metadata_and_metadata_over_the_label() {
        let sku = SkuSource { flag: Some("x".into()), metadata: false };
        let bare = stamp(&[], &sku);
        assert_eq!((bare.sku.as_deref(), bare.sku_source.as_deref()), (Some("x"), Some("flag")));
        let asked = || Placement {
            provider: "azure",
            source: "azure-imds",
            sku: "Standard_D4s_v5".into(),
            region: Some("westeurope".into()),
        };
        let placed = |flag: Option<&str>, asked, label: Option<&str>| {
            let mut env = stamp(&[], &SkuSource::default());
            (env.sku, env.sku_source) = (None, None);
            place(&mut env, flag.map(str::to_owned), asked, label.map(str::to_owned));
            (env.sku.unwrap_or_default(), env.sku_source.unwrap_or_default(), env.provider)
        };
        let azure = Some("azure".to_owned());
        let expect = |sku: &str, source: &str, provider| (sku.into(), source.into(), provider);
        assert_eq!(placed(Some("x"), Some(asked()), None), expect("x", "flag", azure.clone()));
        assert_eq!(
            placed(None, Some(asked()), Some("y")),
            expect("Standard_D4s_v5", "azure-imds", azure)
        );
        assert_eq!(placed(None, None, Some("y")), expect("y", "kubernetes", None));
    }

    #[test]
    fn every_null_is_named_and_no_host_name_is_kept() {
        let env = stamp(&[], &SkuSource::default());
        if env.cpu.governor.is_none() {
            assert!(env.unknown.contains(&"cpu.governor".to_owned()), "{:?}", env.unknown);
        }
        assert!(env.unknown.contains(&"region".to_owned()));
        assert!(!env.unknown.contains(&"cpu.quota_cpus".to_owned()));
        let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let text = serde_json::to_string(&env).unwrap();
        // Short names (`b`, `vm`) occur in any text.
        assert!(name.trim().len() < 5 || !text.contains(name.trim()));
    }
}
