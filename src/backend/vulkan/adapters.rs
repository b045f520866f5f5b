//! Finding Vulkan adapters and describing them.
#![expect(
    unsafe_code,
    reason = "asks the Vulkan loader and the driver for what wgpu does not pass on"
)]

use std::sync::Once;

use breakeven_kernels::work::{DeviceInfo, DeviceKind, Language};
use wgpu::{AdapterInfo, DeviceType, Features};

use crate::backend::{BackendError, Note, Probe};

/// wgpu features that kernels may ask for, by the names they use in `WgslModule::features`.
const FEATURES: &[(Features, &str)] = &[
    (Features::SHADER_F16, "shader-f16"),
    (Features::SHADER_I16, "wgpu-int16"),
    (Features::SHADER_INT64, "shader-int64"),
    (Features::SUBGROUP, "subgroup"),
    (Features::SUBGROUP_BARRIER, "subgroup-barrier"),
    (TIMESTAMPS, "timestamp"),
];

/// What timing on the device's own clock takes.
pub(super) const TIMESTAMPS: Features =
    Features::TIMESTAMP_QUERY.union(Features::TIMESTAMP_QUERY_INSIDE_ENCODERS);

/// Every listed feature that `offered` holds.
pub(super) fn useful(offered: Features) -> Features {
    FEATURES
        .iter()
        .filter(|(f, _)| offered.contains(*f))
        .fold(Features::empty(), |all, (f, _)| all | *f)
}

/// Keeps Mesa's device-select layer from asking for a display where there is none: each time it
/// prints an `error:` line about XDG_RUNTIME_DIR on standard error, which reads like one of ours.
fn without_display() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if std::env::var_os("XDG_RUNTIME_DIR").is_none() {
            // SAFETY: other threads of this program neither read nor write the environment: the
            // commands read it before they probe, and the thread pools never do.
            unsafe { std::env::set_var("NODEVICE_SELECT", "1") };
        }
    });
}

/// All adapters, real GPUs first so that `vulkan:0` is one wherever there is one.
fn adapters() -> Vec<wgpu::Adapter> {
    without_display();
    let mut options = wgpu::InstanceDescriptor::new_without_display_handle();
    options.backends = wgpu::Backends::VULKAN;
    options.flags = wgpu::InstanceFlags::empty();
    let instance = wgpu::Instance::new(options);
    let mut found = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::VULKAN));
    found.sort_by_key(|a| is_software(&a.get_info()));
    found
}

fn is_software(info: &AdapterInfo) -> bool {
    let name = info.name.to_ascii_lowercase();
    info.device_type == DeviceType::Cpu || name.contains("llvmpipe") || name.contains("swiftshader")
}

/// Lists what there is; says what is missing where there is nothing.
pub(super) fn probe() -> Probe {
    let found = adapters();
    let devices: Vec<_> = found.iter().enumerate().map(|(i, a)| describe(i, a)).collect();
    let mut notes = Vec::new();
    if devices.is_empty() {
        notes.push(absent());
    } else if devices.iter().all(|d| d.kind == DeviceKind::SoftwareGpu) {
        notes.push(Note {
            subject: "vulkan".into(),
            message: format!(
                "only a software Vulkan adapter ({}): it serves tests, and no verdict uses it",
                devices[0].name
            ),
            next_step: Some(
                "on a machine with a GPU, install the Vulkan part of its driver; to run kernels \
                 on the software adapter all the same, give --allow-software"
                    .into(),
            ),
        });
    }
    Probe { devices, notes }
}

/// Opens adapter `vulkan:N`.
pub(super) fn find(id: &str) -> Result<(wgpu::Adapter, DeviceInfo), BackendError> {
    let no_device = |reason: String| BackendError::NoDevice { id: id.into(), reason };
    let index: usize = id
        .strip_prefix("vulkan:")
        .and_then(|n| n.parse().ok())
        .ok_or_else(|| no_device("Vulkan devices are called vulkan:0, vulkan:1, …".into()))?;
    let mut found = adapters();
    if found.is_empty() {
        let note = absent();
        let next = note.next_step.unwrap_or_default();
        return Err(no_device(format!("{}; {next}", note.message)));
    }
    if index >= found.len() {
        let last = found.len() - 1;
        return Err(no_device(format!("the last one is vulkan:{last}; see `breakeven devices`")));
    }
    let adapter = found.swap_remove(index);
    let info = describe(index, &adapter);
    Ok((adapter, info))
}

/// Why no adapter was found: no loader, or a loader without a driver.
fn absent() -> Note {
    // SAFETY: loading the Vulkan loader runs no code of ours; it has no required call order and
    // is loaded by wgpu in the same way.
    let loader = unsafe { libloading::Library::new("libvulkan.so.1") };
    let (message, next_step) = match loader {
        Err(_) => (
            "no Vulkan loader (libvulkan.so.1) found",
            "install it (Debian, Ubuntu: libvulkan1) and the GPU's driver; for software Vulkan \
             in tests: mesa-vulkan-drivers",
        ),
        Ok(_) => (
            "the Vulkan loader found no driver",
            "install the GPU vendor's Vulkan driver (in an NVIDIA container set \
             NVIDIA_DRIVER_CAPABILITIES=all); for software Vulkan in tests: mesa-vulkan-drivers",
        ),
    };
    Note { subject: "vulkan".into(), message: message.into(), next_step: Some(next_step.into()) }
}

fn describe(index: usize, adapter: &wgpu::Adapter) -> DeviceInfo {
    let (info, limits, offered) = (adapter.get_info(), adapter.limits(), adapter.features());
    let driver = [info.driver.as_str(), info.driver_info.as_str()].join(" ");
    let driver = driver.trim();
    let features = FEATURES.iter().filter(|(f, _)| offered.contains(*f));
    DeviceInfo {
        id: format!("vulkan:{index}"),
        backend: "vulkan".into(),
        kind: if is_software(&info) { DeviceKind::SoftwareGpu } else { DeviceKind::Gpu },
        name: info.name.clone(),
        vendor: vendor(info.vendor).map(str::to_owned),
        architecture: None,
        driver: (!driver.is_empty()).then(|| driver.to_owned()),
        memory_bytes: memory_bytes(adapter),
        threads: None,
        cores: None,
        compute_units: None,
        compute_capability: None,
        cache_bytes: None,
        languages: vec![Language::Wgsl],
        libraries: Vec::new(),
        features: features.map(|(_, name)| (*name).to_owned()).collect(),
        max_workgroup_invocations: Some(limits.max_compute_invocations_per_workgroup),
        max_shared_bytes: Some(limits.max_compute_workgroup_storage_size),
        max_buffer_bytes: Some(limits.max_buffer_size.min(limits.max_storage_buffer_binding_size)),
    }
}

/// Vendors by PCI id (and Khronos' id for Mesa's software drivers).
fn vendor(id: u32) -> Option<&'static str> {
    const VENDORS: &[(u32, &str)] = &[
        (0x1002, "AMD"),
        (0x10de, "NVIDIA"),
        (0x8086, "Intel"),
        (0x13b5, "ARM"),
        (0x5143, "Qualcomm"),
        (0x106b, "Apple"),
        (0x10005, "Mesa"),
    ];
    VENDORS.iter().find(|(v, _)| *v == id).map(|(_, name)| *name)
}

/// Size of the device's own memory: the sum of its device-local heaps.
fn memory_bytes(adapter: &wgpu::Adapter) -> Option<u64> {
    const DEVICE_LOCAL: u32 = 1;
    // SAFETY: the raw adapter is only read, and only while `adapter` lives.
    let raw = unsafe { adapter.as_hal::<wgpu::hal::api::Vulkan>() }?;
    let physical = raw.raw_physical_device();
    // SAFETY: `physical` belongs to this very instance, which `raw` keeps alive.
    let properties = unsafe {
        raw.shared_instance().raw_instance().get_physical_device_memory_properties(physical)
    };
    let heaps = &properties.memory_heaps[..properties.memory_heap_count as usize];
    let local = heaps.iter().filter(|h| h.flags.as_raw() & DEVICE_LOCAL != 0);
    Some(local.map(|h| h.size).sum()).filter(|bytes| *bytes > 0)
}
