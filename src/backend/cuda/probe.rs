//! Finds the driver, its GPUs and NVIDIA's libraries; absence is a note.

use breakeven_kernels::work::{DeviceInfo, DeviceKind, Language, LibraryName};
use cudarc::driver::{result, sys};
use cudarc::{cublaslt, cudnn};

use super::driver::describe;
use super::nvml;
use crate::backend::{Note, Probe};

/// The CUDA version whose PTX we ship, as the driver counts (12.4; driver 550).
const NEEDED_VERSION: i32 = 12_040;

fn note(subject: &str, message: impl Into<String>, next_step: &str) -> Note {
    Note {
        subject: subject.into(),
        message: message.into(),
        next_step: (!next_step.is_empty()).then(|| next_step.into()),
    }
}

/// Every device of the driver, with notes on what is missing.
pub(super) fn probe() -> Probe {
    let mut probe = Probe::default();
    let count = match start_driver() {
        Ok(count) => count,
        Err(missing) => {
            probe.notes.push(missing);
            return probe;
        }
    };
    let version = driver_version();
    if version < NEEDED_VERSION {
        let have = format!("{}.{}", version / 1000, version % 1000 / 10);
        probe.notes.push(note(
            "cuda driver",
            format!("the driver knows CUDA {have}; our kernels need 12.4"),
            "install NVIDIA driver 550 or newer",
        ));
    }
    let libraries = find_libraries(&mut probe.notes);
    for ordinal in 0..count {
        match device(ordinal, version, &libraries) {
            Ok(info) => {
                if info.compute_capability.is_some_and(|c| c < (7, 0)) {
                    probe.notes.push(note(
                        &info.id,
                        format!("{} is older than compute capability 7.0", info.name),
                        "",
                    ));
                }
                probe.devices.push(info);
            }
            Err(e) => probe.notes.push(note(&format!("cuda:{ordinal}"), describe(e), "")),
        }
    }
    probe.notes.extend(nvml::notes(&probe.devices));
    probe
}

/// Initialises the driver and counts its devices.
///
/// # Errors
/// The note that says why there is none.
pub(super) fn start_driver() -> Result<i32, Note> {
    // SAFETY: opens and closes the library by its well-known names, nothing else.
    if !unsafe { sys::is_culib_present() } {
        let next = "on a GPU node, install NVIDIA driver 550 or newer (in a container: start it \
                    with GPU access)";
        return Err(note("cuda driver", "no CUDA driver found (libcuda.so)", next));
    }
    let started = result::init().and_then(|()| result::device::get_count());
    match started {
        Ok(0) => {
            Err(note("cuda driver", "the CUDA driver sees no GPU", "check CUDA_VISIBLE_DEVICES"))
        }
        Ok(count) => Ok(count),
        Err(e) => Err(note(
            "cuda driver",
            format!("the CUDA driver does not start: {}", describe(e)),
            "check nvidia-smi and CUDA_VISIBLE_DEVICES",
        )),
    }
}

/// 12040 for CUDA 12.4; 0 where the driver does not say.
fn driver_version() -> i32 {
    let mut version = 0;
    // SAFETY: writes one int.
    let read = unsafe { sys::cuDriverGetVersion(&mut version) };
    if read.result().is_ok() { version } else { 0 }
}

/// A library that was found, and `name version`.
type Found = Vec<(LibraryName, String)>;

fn find_libraries(notes: &mut Vec<Note>) -> Found {
    let mut found = Vec::new();
    // SAFETY: opens the library by its well-known names, which runs NVIDIA's initialisers only.
    if unsafe { cublaslt::sys::is_culib_present() } {
        // SAFETY: takes nothing and returns a number.
        let v = unsafe { cublaslt::sys::cublasLtGetVersion() };
        let version = dotted(v, 10_000, 100);
        found.push((LibraryName::CublasLt, format!("cublaslt {version}")));
    } else {
        let next = "install libcublas 12 or pip's nvidia-cublas-cu12 and put it on LD_LIBRARY_PATH";
        notes.push(note("cublaslt", "cuBLASLt was not found", next));
    }
    // SAFETY: as above.
    if unsafe { cudnn::sys::is_culib_present() } {
        let v = cudnn::result::get_version();
        // cuDNN 8 counts 8907, cuDNN 9 counts 90100.
        let version = if v < 10_000 { dotted(v, 1000, 100) } else { dotted(v, 10_000, 100) };
        found.push((LibraryName::Cudnn, format!("cudnn {version}")));
    } else {
        let next = "install libcudnn9 or pip's nvidia-cudnn-cu12 and put it on LD_LIBRARY_PATH";
        notes.push(note("cudnn", "cuDNN was not found", next));
    }
    found
}

/// `major.minor.patch` of a version number.
fn dotted(version: usize, major: usize, minor: usize) -> String {
    format!("{}.{}.{}", version / major, version % major / minor, version % minor)
}

/// The name NVIDIA gives to chips of a compute capability.
fn architecture(capability: (u32, u32)) -> Option<&'static str> {
    Some(match capability {
        (6, _) => "Pascal",
        (7, 5) => "Turing",
        (7, _) => "Volta",
        (8, 9) => "Ada Lovelace",
        (8, _) => "Ampere",
        (9, _) => "Hopper",
        (10..=12, _) => "Blackwell",
        _ => return None,
    })
}

fn device(
    ordinal: i32,
    version: i32,
    libraries: &Found,
) -> Result<DeviceInfo, result::DriverError> {
    use sys::CUdevice_attribute as A;
    let raw = result::device::get(ordinal)?;
    // SAFETY: `raw` comes from the driver.
    let attribute = |a: A| unsafe { result::device::get_attribute(raw, a) };
    let positive = |a: A| attribute(a).ok().and_then(|v| u32::try_from(v).ok()).filter(|v| *v > 0);
    let capability = (
        attribute(A::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)? as u32,
        attribute(A::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)? as u32,
    );
    // SAFETY: `raw` comes from the driver.
    let memory_bytes = unsafe { result::device::total_mem(raw) }? as u64;
    // Too old a driver cannot read our PTX; libraries bring their own code.
    let cuda = (version >= NEEDED_VERSION && capability >= (7, 0)).then_some(Language::Cuda);
    let languages = libraries.iter().map(|(l, _)| Language::Library(*l));
    let cuda_version = format!("CUDA {}.{}", version / 1000, version % 1000 / 10);
    Ok(DeviceInfo {
        id: format!("cuda:{ordinal}"),
        backend: "cuda".into(),
        kind: DeviceKind::Gpu,
        name: result::device::get_name(raw)?,
        vendor: Some("NVIDIA".into()),
        architecture: architecture(capability).map(str::to_owned),
        driver: Some(match nvml::driver_version() {
            Some(driver) => format!("NVIDIA {driver} ({cuda_version})"),
            None => cuda_version,
        }),
        memory_bytes: Some(memory_bytes),
        threads: None,
        cores: None,
        compute_units: positive(A::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT),
        compute_capability: Some(capability),
        cache_bytes: positive(A::CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE).map(u64::from),
        languages: cuda.into_iter().chain(languages).collect(),
        libraries: libraries.iter().map(|(_, text)| text.clone()).collect(),
        features: Vec::new(),
        max_workgroup_invocations: positive(A::CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK),
        max_shared_bytes: positive(A::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN),
        max_buffer_bytes: Some(memory_bytes),
    })
}

/// PCI address of a device, by which NVML finds it (of the whole GPU where it is a MIG instance).
pub(super) fn pci_bus_id(ordinal: i32) -> Option<String> {
    let raw = result::device::get(ordinal).ok()?;
    let mut text = [0 as std::ffi::c_char; 32];
    // SAFETY: the buffer has the length given; the driver ends the text with a zero byte.
    let read = unsafe { sys::cuDeviceGetPCIBusId(text.as_mut_ptr(), text.len() as i32, raw) };
    read.result().ok()?;
    // SAFETY: see above.
    let text = unsafe { std::ffi::CStr::from_ptr(text.as_ptr()) };
    Some(text.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn library_versions_are_read_as_their_makers_count() {
        assert_eq!(dotted(120_405, 10_000, 100), "12.4.5");
        assert_eq!(dotted(8907, 1000, 100), "8.9.7");
        assert_eq!(dotted(90_100, 10_000, 100), "9.1.0");
    }

    #[test]
    fn architectures_follow_the_compute_capability() {
        assert_eq!(architecture((7, 0)), Some("Volta"));
        assert_eq!(architecture((7, 5)), Some("Turing"));
        assert_eq!(architecture((8, 6)), Some("Ampere"));
        assert_eq!(architecture((8, 9)), Some("Ada Lovelace"));
        assert_eq!(architecture((9, 0)), Some("Hopper"));
        assert_eq!(architecture((42, 0)), None);
    }

    #[test]
    fn a_machine_without_a_driver_gets_a_note_with_a_next_step() {
        let probe = probe();
        if probe.devices.is_empty() {
            let missing = &probe.notes[0];
            assert_eq!(missing.subject, "cuda driver");
            assert!(missing.next_step.is_some(), "{missing:?}");
        }
    }
}
