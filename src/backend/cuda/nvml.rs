//! NVML: driver version, clock, temperature, power, energy and throttling of a GPU.

use std::ffi::OsStr;
use std::sync::OnceLock;

use breakeven_kernels::work::DeviceInfo;
use nvml_wrapper::Nvml;
use nvml_wrapper::enum_wrappers::device::{Clock, TemperatureSensor};
use nvml_wrapper::error::NvmlError;

use super::probe::pci_bus_id;
use crate::backend::{DeviceState, Note};

/// The library, started once; containers carry only the name with the version.
fn nvml() -> Result<&'static Nvml, &'static NvmlError> {
    static NVML: OnceLock<Result<Nvml, NvmlError>> = OnceLock::new();
    NVML.get_or_init(|| {
        let versioned = OsStr::new("libnvidia-ml.so.1");
        Nvml::builder().lib_path(versioned).init().or_else(|_| Nvml::init())
    })
    .as_ref()
}

/// `550.54.15`, if NVML says.
pub(super) fn driver_version() -> Option<String> {
    nvml().ok()?.sys_driver_version().ok()
}

/// Notes on NVML's absence, or on what MIG hides.
pub(super) fn notes(devices: &[DeviceInfo]) -> Vec<Note> {
    let absent = |e: &NvmlError| Note {
        subject: "nvml".into(),
        message: format!("NVML does not start ({e}): no clocks, power or throttle reasons"),
        next_step: Some("give the container the NVML library (capability `utility`)".into()),
    };
    match nvml() {
        Err(e) => vec![absent(e)],
        Ok(_) => devices
            .iter()
            .filter(|d| Sensors::new(&d.id).mig)
            .map(|d| Note {
                subject: d.id.clone(),
                message: "MIG is on: power and energy are the whole GPU's and left out".into(),
                next_step: None,
            })
            .collect(),
    }
}

/// Where NVML finds one device.
pub(super) struct Sensors {
    bus_id: Option<String>,
    mig: bool,
}

impl Sensors {
    /// The sensors of the device called `id`; empty where there are none.
    pub(super) fn new(id: &str) -> Self {
        let bus_id = super::ordinal(id).filter(|_| nvml().is_ok()).and_then(pci_bus_id);
        let mut sensors = Self { bus_id, mig: false };
        // 1 is NVML_DEVICE_MIG_ENABLE.
        sensors.mig = sensors.read(|d| d.mig_mode().ok()).is_some_and(|mode| mode.current == 1);
        sensors
    }

    fn read<T>(&self, get: impl FnOnce(&nvml_wrapper::Device<'_>) -> Option<T>) -> Option<T> {
        let device = nvml().ok()?.device_by_pci_bus_id(self.bus_id.as_deref()?).ok()?;
        get(&device)
    }

    /// Present state; what NVML does not give is `None`.
    pub(super) fn state(&self) -> DeviceState {
        let whole = !self.mig;
        self.read(|d| {
            Some(DeviceState {
                clock_hz: d.clock_info(Clock::SM).ok().map(|mhz| f64::from(mhz) * 1e6),
                temperature_c: d.temperature(TemperatureSensor::Gpu).ok().map(f64::from),
                power_w: d.power_usage().ok().filter(|_| whole).map(|mw| f64::from(mw) * 1e-3),
                energy_j: d
                    .total_energy_consumption()
                    .ok()
                    .filter(|_| whole)
                    .map(|mj| mj as f64 * 1e-3),
                throttle_mask: d.current_throttle_reasons().ok().map(|reasons| reasons.bits()),
            })
        })
        .unwrap_or_default()
    }
}
