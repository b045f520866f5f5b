//! The devices a command works with: those asked for, else all that are found.

use breakeven_kernels::family;
use breakeven_kernels::params::nearest;
use breakeven_kernels::work::{DeviceInfo, DeviceKind, Language, Program, Tuning};

use super::exit::Failure;
use super::interrupt;
use crate::backend::mock::MockBackend;
use crate::backend::process::{self, Process};
use crate::backend::{BACKENDS, Backend, BackendError, Device, Note, Probe};
use crate::plan::Plan;
use crate::suite::{Suite, SuiteCase};

/// The backends in use.
pub struct Machines {
    mock: Option<MockBackend>,
    /// Present where a suite has commands.
    process: Option<Process>,
}

impl Machines {
    /// All backends, or the mock one alone where `--mock` was given.
    ///
    /// # Errors
    /// A mock specification that cannot be read.
    pub fn new(mock: Option<&str>) -> Result<Self, Failure> {
        let mock = mock
            .map(MockBackend::parse)
            .transpose()
            .map_err(|problem| Failure::usage(format!("--mock: {problem}")))?;
        Ok(Self { mock, process: None })
    }

    fn backends(&self) -> Vec<&dyn Backend> {
        match &self.mock {
            Some(mock) => vec![mock],
            None => BACKENDS.to_vec(),
        }
    }

    /// What every backend finds, in the order of the backends.
    pub fn probe(&self) -> Probe {
        let mut all = Probe::default();
        for backend in self.backends() {
            let Probe { devices, notes } = backend.probe();
            all.devices.extend(devices);
            all.notes.extend(notes);
        }
        all
    }

    /// The devices called `wanted`, in that order and each once; without any, all there are.
    ///
    /// # Errors
    /// A device that is not here, with what to do about it.
    pub fn select(&self, wanted: &[String]) -> Result<Probe, Failure> {
        if wanted.is_empty() {
            return Ok(self.probe());
        }
        let mut chosen: Vec<DeviceInfo> = Vec::new();
        let mut notes: Vec<Note> = Vec::new();
        for id in wanted {
            if chosen.iter().any(|device| device.id == *id) {
                continue;
            }
            let found = self.backend_of(id)?.probe();
            match found.devices.into_iter().find(|device| device.id == *id) {
                Some(info) => chosen.push(info),
                // Not among the usual ones, but it may exist: `cpu:4`.
                None => chosen.push(self.open(id).map_err(absent)?.info().clone()),
            }
            for note in found.notes {
                if !notes.contains(&note) {
                    notes.push(note);
                }
            }
        }
        Ok(Probe { devices: chosen, notes })
    }

    /// Adds the devices on which the suite's programs run to those of `probe`; where it has nothing
    /// but programs, they are the only ones.
    pub fn serve_commands(&mut self, suite: &Suite, probe: &mut Probe) {
        let is_program =
            |case: &SuiteCase| family(&case.family).is_some_and(|f| f.runs_programs(&case.params));
        if !suite.cases.iter().any(is_program) {
            return;
        }
        let process = Process::beside(&probe.devices, interrupt::flag());
        if suite.cases.iter().all(is_program) {
            probe.devices.clear();
        }
        probe.devices.extend_from_slice(process.devices());
        self.process = Some(process);
    }

    /// Opens the device called `id`.
    ///
    /// # Errors
    /// [`BackendError::NoDevice`] where there is none.
    pub fn open(&self, id: &str) -> Result<Box<dyn Device>, BackendError> {
        match self.backend_of(id) {
            Ok(backend) => backend.open(id),
            Err(failure) => Err(BackendError::NoDevice {
                id: id.to_owned(),
                reason: failure.message.unwrap_or_default(),
            }),
        }
    }

    /// The backend whose name stands before the colon.
    fn backend_of(&self, id: &str) -> Result<&dyn Backend, Failure> {
        let name = id.split(':').next().unwrap_or(id);
        if let Some(process) = self.process.as_ref().filter(|p| p.name() == name) {
            return Ok(process);
        }
        if let Some(mock) = &self.mock {
            return Ok(mock);
        }
        BACKENDS.iter().copied().find(|backend| backend.name() == name).ok_or_else(|| {
            let names: Vec<&str> = BACKENDS.iter().map(|backend| backend.name()).collect();
            let hint = nearest(name, names.iter().copied())
                .map(|n| format!(", did you mean `{n}`?"))
                .unwrap_or_default();
            Failure::usage(format!(
                "--device {id}: no such kind of device{hint}; write cpu, cpu:N (threads), or one \
                 of {} with a number, as `breakeven devices` shows them",
                names.join(", ")
            ))
        })
    }
}

/// A device that is not here is the user's problem to solve: exit code 2.
fn absent(error: BackendError) -> Failure {
    let message = error.to_string();
    // Most backends name this next step themselves.
    let next =
        if message.contains("`breakeven devices`") { "" } else { "; see `breakeven devices`" };
    Failure::usage(format!("--device: {message}{next}"))
}

/// Refuses commands that cannot be started and input files that are not there, before anything is
/// measured.
///
/// # Errors
/// Which command, what is wrong and what would do.
pub fn check_commands(plan: &Plan, probe: &Probe) -> Result<(), Failure> {
    let commands = plan.jobs.iter().filter(|j| j.implementation.language == Language::Process);
    for job in commands {
        let usage = |problem: String| Failure::usage(problem);
        let input = job.case.input(0).map_err(|error| usage(error.to_string()))?;
        let Some(device) = probe.devices.iter().find(|d| d.id == job.device) else { continue };
        let program = input.program(job.implementation, device, &Tuning::default());
        if let Ok(Program::Command(command)) = program {
            let side = job.implementation.name.trim_start_matches("process/");
            process::startable(&command)
                .map_err(|problem| usage(format!("the {side} command: {problem}")))?;
        }
    }
    Ok(())
}

/// One line for people about the GPUs in `probe`.
pub fn gpu_line(probe: &Probe) -> String {
    // A GPU that commands see is one that is listed already, unless there is nothing else.
    let for_commands = |device: &DeviceInfo| device.backend == process::NAME;
    let only = probe.devices.iter().all(for_commands);
    let gpus: Vec<String> = probe
        .devices
        .iter()
        .filter(|device| device.kind == DeviceKind::Gpu && (only || !for_commands(device)))
        .map(|device| format!("{} ({})", device.name, device.id))
        .collect();
    let cpu = probe.devices.iter().any(|device| device.kind == DeviceKind::Cpu);
    match (gpus.is_empty(), cpu) {
        (false, _) => format!("GPUs: {}", gpus.join(", ")),
        (true, true) => "no GPU here: the CPU is measured, GPU sizes are predicted".to_owned(),
        (true, false) => "neither a GPU nor the CPU among the devices in use".to_owned(),
    }
}
