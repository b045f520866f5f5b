//! Commands: each runs as its own kind of process, on the one device of that kind.

use breakeven_kernels::work::{DeviceInfo, DeviceKind, Family, Language};

use super::join::Entry;
use super::workloads::able;
use super::{Filter, Plan};

/// Id of the device that a GPU command would run on where there is none.
const NO_GPU: &str = "process:gpu";

/// Whether all implementations of `family` are programs of their own.
pub fn is_command(family: &dyn Family) -> bool {
    family.implementations().iter().all(|i| i.language == Language::Process)
}

/// Whether `device` runs programs and nothing else.
pub(super) fn is_for_commands(device: &DeviceInfo) -> bool {
    device.languages == [Language::Process]
}

/// Joins a program with the devices of its kind; one for a GPU without a GPU is a skip.
pub(super) fn join(entry: &Entry, devices: &[DeviceInfo], filter: &Filter, plan: &mut Plan) {
    for implementation in entry.implementations(filter) {
        let takes = |kind: &DeviceKind| entry.case.supports(implementation, &able(*kind)).is_ok();
        // A program that the case does not give is nothing to tell about.
        let Some(kind) = [DeviceKind::Cpu, DeviceKind::Gpu].into_iter().find(takes) else {
            continue;
        };
        let gpu = kind == DeviceKind::Gpu;
        let mut found = devices.iter().filter(|d| is_for_commands(d) && d.kind == kind).peekable();
        if found.peek().is_none() && gpu {
            let reason = "no GPU was found here; `breakeven devices` says what is missing";
            plan.skips.push(entry.skip(implementation.name, NO_GPU, reason.to_owned()));
        }
        for device in found {
            entry.add(implementation, device, filter, plan);
        }
    }
}
