//! Devices with fixed times, for deterministic tests; behind a hidden flag.
//!
//! They run a family's Rust program once for the right answer and report times by formula: the
//! kernel takes `latency + bytes_out / rate`, a transfer a quarter of that again.

use breakeven_kernels::work::{DeviceInfo, DeviceKind, Language, Native, Program};

use crate::backend::{
    Backend, BackendError, Device, DeviceState, Mode, OneOff, Probe, Session, Timer, Timing,
};

/// The backend made from a `--mock` specification.
#[derive(Debug, Clone)]
pub struct MockBackend {
    devices: Vec<Spec>,
}

/// One device of a specification.
#[derive(Debug, Clone, PartialEq)]
struct Spec {
    id: String,
    name: String,
    kind: DeviceKind,
    /// Seconds before the first byte.
    latency_s: f64,
    /// Output bytes per second.
    rate: f64,
    /// Programs that work before the device is lost.
    lost_after: Option<u32>,
    /// The program, counted from 1, whose answers are wrong.
    wrong_at: Option<u32>,
    /// Real seconds that every run takes.
    sleep_s: f64,
    /// Threads of a CPU.
    threads: u32,
}

const KEYS: &str = "name, kind, latency, rate, lost-after, wrong-at, sleep, threads";

impl MockBackend {
    /// Parses devices separated by `;`, each an id and `key=value` pairs separated by commas:
    /// `cpu,rate=1e8;mock:0,name=Some GPU,lost-after=3`.
    ///
    /// Keys: `name`; `kind` (`cpu`, `gpu`, `software`; by the id where absent); `latency` in
    /// seconds; `rate` in output bytes per second; `lost-after=N` programs; `wrong-at=N`, the
    /// program whose answers are wrong, from 1; `sleep`, real seconds per run; `threads` of a CPU.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(spec: &str) -> Result<Self, String> {
        let devices: Vec<Spec> = spec.split(';').map(Spec::parse).collect::<Result<_, _>>()?;
        for (index, device) in devices.iter().enumerate() {
            if devices[..index].iter().any(|d| d.id == device.id) {
                return Err(format!("device {} is given twice", device.id));
            }
        }
        Ok(Self { devices })
    }
}

impl Spec {
    fn parse(text: &str) -> Result<Self, String> {
        let mut parts = text.trim().split(',').map(str::trim);
        let id = parts.next().filter(|id| !id.is_empty() && !id.contains('='));
        let id = id.ok_or_else(|| format!("`{text}` begins with no device id such as mock:0"))?;
        let cpu = id.split(':').next() == Some("cpu");
        let mut spec = Self {
            id: id.to_owned(),
            name: if cpu { "Mock CPU" } else { "Mock GPU" }.to_owned(),
            kind: if cpu { DeviceKind::Cpu } else { DeviceKind::Gpu },
            latency_s: if cpu { 1e-6 } else { 1e-5 },
            rate: if cpu { 1e8 } else { 1e10 },
            lost_after: None,
            wrong_at: None,
            sleep_s: 0.0,
            threads: 2,
        };
        for part in parts {
            let (key, value) = part
                .split_once('=')
                .ok_or_else(|| format!("`{part}` is no key=value pair; keys: {KEYS}"))?;
            spec.set(key, value)?;
        }
        Ok(spec)
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        let bad = |what: &str| format!("{key}={value}: must be {what}");
        let number = || {
            let number = value.parse::<f64>().ok().filter(|v| v.is_finite() && *v >= 0.0);
            number.ok_or_else(|| bad("a number of at least 0"))
        };
        let count = || value.parse::<u32>().map_err(|_| bad("a whole number"));
        match key {
            "name" => self.name = value.to_owned(),
            "kind" => {
                self.kind = match value {
                    "cpu" => DeviceKind::Cpu,
                    "gpu" => DeviceKind::Gpu,
                    "software" => DeviceKind::SoftwareGpu,
                    _ => return Err(bad("cpu, gpu or software")),
                }
            }
            "latency" => self.latency_s = number()?,
            "rate" => self.rate = Some(number()?).filter(|r| *r > 0.0).ok_or(bad("above 0"))?,
            "lost-after" => self.lost_after = Some(count()?),
            "wrong-at" => self.wrong_at = Some(count()?),
            "threads" => self.threads = count()?.max(1),
            "sleep" => self.sleep_s = number()?.min(60.0),
            _ => return Err(format!("unknown key `{key}`; keys: {KEYS}")),
        }
        Ok(())
    }

    fn info(&self) -> DeviceInfo {
        let cpu = self.kind == DeviceKind::Cpu;
        DeviceInfo {
            id: self.id.clone(),
            backend: self.id.split(':').next().unwrap_or("mock").to_owned(),
            kind: self.kind,
            name: self.name.clone(),
            vendor: None,
            architecture: None,
            driver: None,
            memory_bytes: Some(16 << 30),
            threads: cpu.then_some(self.threads),
            cores: cpu.then_some(self.threads),
            compute_units: (!cpu).then_some(64),
            compute_capability: None,
            cache_bytes: None,
            languages: vec![Language::Native],
            libraries: Vec::new(),
            features: Vec::new(),
            max_workgroup_invocations: None,
            max_shared_bytes: None,
            max_buffer_bytes: None,
        }
    }
}

impl Backend for MockBackend {
    fn name(&self) -> &'static str {
        "mock"
    }

    fn probe(&self) -> Probe {
        Probe { devices: self.devices.iter().map(Spec::info).collect(), notes: Vec::new() }
    }

    fn open(&self, id: &str) -> Result<Box<dyn Device>, BackendError> {
        let spec = self.devices.iter().find(|d| d.id == id).ok_or_else(|| {
            let known: Vec<&str> = self.devices.iter().map(|d| d.id.as_str()).collect();
            let reason = format!("--mock names {} only", known.join(", "));
            BackendError::NoDevice { id: id.to_owned(), reason }
        })?;
        Ok(Box::new(MockDevice { info: spec.info(), spec: spec.clone(), loaded: 0 }))
    }
}

struct MockDevice {
    info: DeviceInfo,
    spec: Spec,
    /// Programs loaded so far.
    loaded: u32,
}

impl Device for MockDevice {
    fn info(&self) -> &DeviceInfo {
        &self.info
    }

    fn load<'d>(&'d mut self, program: Program) -> Result<Box<dyn Session + 'd>, BackendError> {
        let Program::Native(program) = program else {
            let message = "the mock runs Rust programs only".to_owned();
            return Err(BackendError::Program { device: self.info.id.clone(), message });
        };
        self.loaded += 1;
        let gpu = self.info.kind != DeviceKind::Cpu;
        let one_off = OneOff {
            context_s: (gpu && self.loaded == 1).then_some(0.25),
            compile_s: gpu.then_some(0.05),
            allocate_s: Some(0.001),
            ..OneOff::default()
        };
        Ok(Box::new(MockSession { device: self, program, one_off }))
    }

    fn state(&mut self) -> DeviceState {
        let gpu = self.info.kind != DeviceKind::Cpu;
        DeviceState {
            clock_hz: Some(1.5e9),
            temperature_c: gpu.then_some(45.0),
            ..DeviceState::default()
        }
    }
}

struct MockSession<'d> {
    device: &'d MockDevice,
    program: Box<dyn Native>,
    one_off: OneOff,
}

impl Session for MockSession<'_> {
    fn reset(&mut self) -> Result<(), BackendError> {
        self.program.poison();
        Ok(())
    }

    fn run(&mut self, mode: Mode, iterations: u32) -> Result<Timing, BackendError> {
        let MockDevice { spec, loaded, .. } = self.device;
        if spec.lost_after.is_some_and(|after| *loaded > after) {
            let message = "the --mock specification says so".to_owned();
            return Err(BackendError::DeviceLost { device: spec.id.clone(), message });
        }
        if spec.sleep_s > 0.0 {
            std::thread::sleep(std::time::Duration::from_secs_f64(spec.sleep_s));
        }
        self.program.run().map_err(BackendError::Run)?;
        let bytes: usize = self.program.outputs().iter().map(Vec::len).sum();
        let kernel_s = spec.latency_s + bytes as f64 / spec.rate;
        let transfer_s = if spec.kind == DeviceKind::Cpu { 0.0 } else { kernel_s / 4.0 };
        let (each_s, depth) = match mode {
            Mode::KernelCold => (1.25 * kernel_s, 1),
            Mode::KernelWarm => (kernel_s, 1),
            Mode::EndToEnd => (kernel_s + 2.0 * transfer_s, 1),
            Mode::Pipelined => (kernel_s, 3),
        };
        let split = (mode == Mode::EndToEnd).then_some(f64::from(iterations));
        let total_s = each_s * f64::from(iterations);
        Ok(Timing {
            total_s,
            wall_s: total_s,
            host_cpu_s: total_s / 10.0,
            upload_s: split.map(|n| n * transfer_s),
            kernel_s: split.map(|n| n * kernel_s),
            download_s: split.map(|n| n * transfer_s),
            timer: Timer::Mock,
            depth,
        })
    }

    fn outputs(&mut self) -> Result<Vec<Vec<u8>>, BackendError> {
        let mut outputs = self.program.outputs();
        if self.device.spec.wrong_at == Some(self.device.loaded) {
            // Every byte, so that no tolerance lets it pass.
            outputs.iter_mut().flatten().for_each(|byte| *byte = !*byte);
        }
        Ok(outputs)
    }

    fn modes(&self) -> &'static [Mode] {
        if self.device.info.kind == DeviceKind::Cpu {
            &[Mode::KernelWarm, Mode::KernelCold]
        } else {
            &[Mode::EndToEnd, Mode::KernelWarm, Mode::Pipelined, Mode::KernelCold]
        }
    }

    fn one_off(&self) -> &OneOff {
        &self.one_off
    }

    fn launches(&self) -> u32 {
        u32::from(self.device.info.kind != DeviceKind::Cpu)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn specifications_are_read_and_mistakes_named() {
        let mock = MockBackend::parse("cpu, rate=2e8; mock:0,name=Big GPU,lost-after=2").unwrap();
        let devices = mock.probe().devices;
        assert_eq!((devices[0].kind, devices[0].id.as_str()), (DeviceKind::Cpu, "cpu"));
        assert_eq!((devices[1].kind, devices[1].name.as_str()), (DeviceKind::Gpu, "Big GPU"));
        assert_eq!(mock.devices[1].lost_after, Some(2));
        for (spec, word) in [
            ("", "device id"),
            ("mock:0,what", "key=value"),
            ("mock:0,speed=3", "unknown key `speed`"),
            ("mock:0,rate=0", "above 0"),
            ("mock:0,lost-after=x", "whole number"),
            ("mock:0;mock:0", "twice"),
            ("mock:0,kind=tpu", "cpu, gpu or software"),
        ] {
            let message = MockBackend::parse(spec).unwrap_err();
            assert!(message.contains(word), "{spec:?}: {message}");
        }
        assert!(mock.open("mock:7").err().unwrap().to_string().contains("cpu, mock:0"));
    }
}
