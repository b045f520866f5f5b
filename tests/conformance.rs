//! One routine that every family × implementation × tuning × device must pass, and the table of
//! what was proved where. `CONFORMANCE_FAMILY=matmul` limits it while working on one family.
//!
//! The cases stand in tests/conformance/FAMILY.toml, in the suites' grammar: small ones at the
//! edges (one element, tile sizes ± 1, odd strides, overflowing lanes), so that a software Vulkan
//! adapter and the CUDA host shim get through them in seconds.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use breakeven::backend::process::Process;
use breakeven::backend::{BACKENDS, Backend, BackendError, Session};
use breakeven::plan::{Filter, Job, plan};
use breakeven::suite::{self, FolderFiles};
use breakeven_kernels::FAMILIES;
use breakeven_kernels::work::{DeviceInfo, Input, Program, Tuning};

#[path = "common/shim_device.rs"]
mod shim_device;

const SEED: u64 = 20_260_101;

/// What became of one case on one device.
#[derive(Debug, Clone, PartialEq)]
enum Outcome {
    /// Every tuning, mode and order gave the reference's answer.
    Ok,
    /// Only a chip or a vendor's library can tell.
    DeviceOnly(String),
    /// The pair cannot run here; says why.
    Skipped(String),
    /// A wrong answer or a failure.
    Wrong(String),
}

/// Runs one job on one device, all tunings; the devices differ in this only.
type Run<'a> = &'a mut dyn FnMut(&Job, &dyn Input, &Tuning) -> Outcome;

/// Outcomes by family, implementation, device.
#[derive(Default)]
struct Table(BTreeMap<(String, String, String), Vec<(String, Outcome)>>);

impl Table {
    fn add(&mut self, family: &str, implementation: &str, device: &str, case: &str, o: Outcome) {
        let key = (family.to_owned(), implementation.to_owned(), device.to_owned());
        self.0.entry(key).or_default().push((case.to_owned(), o));
    }

    /// Prints a line per implementation and device, with each reason once; past libtest's
    /// capture, because the table is the proof that nothing was skipped silently.
    fn print(&self) {
        let mut text = String::new();
        for ((family, implementation, device), outcomes) in &self.0 {
            let mut counts: BTreeMap<String, usize> = BTreeMap::new();
            for (_, outcome) in outcomes {
                let label = match outcome {
                    Outcome::Ok => "ok".to_owned(),
                    Outcome::DeviceOnly(reason) => format!("device-only ({reason})"),
                    Outcome::Skipped(reason) => format!("skipped ({reason})"),
                    Outcome::Wrong(_) => "WRONG".to_owned(),
                };
                *counts.entry(label).or_default() += 1;
            }
            let counts: Vec<String> = counts.iter().map(|(l, n)| format!("{n} {l}")).collect();
            text += &format!(
                "conformance  {family:<12} {implementation:<20} {device:<14} {}\n",
                counts.join(", ")
            );
        }
        // A closed stderr is no reason to fail.
        let _ = std::io::stderr().lock().write_all(text.as_bytes());
    }

    /// Panics with every wrong case.
    fn assert_right(&self) {
        let wrong: Vec<String> = self
            .0
            .iter()
            .flat_map(|((_, implementation, device), outcomes)| {
                outcomes.iter().filter_map(move |(case, outcome)| match outcome {
                    Outcome::Wrong(why) => {
                        Some(format!("{implementation} on {device}: {case}: {why}"))
                    }
                    _ => None,
                })
            })
            .collect();
        assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance")
}

/// Runs the cases of every family whose name `of` takes on one device and enters them into the table.
fn conform(device: &DeviceInfo, of: fn(&str) -> bool, table: &mut Table, run: Run<'_>) {
    let wanted = std::env::var("CONFORMANCE_FAMILY").ok();
    let files = FolderFiles::new([folder()]);
    let filter = Filter { allow_software: true, ..Filter::default() };
    let wanted = |name: &str| wanted.as_deref().is_none_or(|wanted| wanted == name) && of(name);
    for family in FAMILIES.iter().filter(|family| wanted(family.name())) {
        let path = folder().join(format!("{}.toml", family.name()));
        let suite = suite::load(&path.to_string_lossy()).unwrap_or_else(|e| panic!("{e}"));
        let plan = plan(&suite, std::slice::from_ref(device), &files, &filter)
            .unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        for skip in plan.skips {
            let outcome = Outcome::Skipped(skip.reason);
            table.add(skip.family, skip.implementation, &device.id, &skip.case_key, outcome);
        }
        for job in &plan.jobs {
            let outcome = match job.case.input(SEED) {
                Ok(input) => all_tunings(job, input.as_ref(), device, run),
                Err(e) => Outcome::Wrong(e.to_string()),
            };
            table.add(job.family, job.implementation.name, &device.id, &job.case_key, outcome);
        }
    }
}

/// The first outcome that is not `Ok`, if any.
fn all_tunings(job: &Job, input: &dyn Input, device: &DeviceInfo, run: Run<'_>) -> Outcome {
    for tuning in input.tunings(job.implementation, device) {
        match run(job, input, &tuning) {
            Outcome::Ok => {}
            Outcome::Wrong(why) => {
                return Outcome::Wrong(format!("tuning `{}`: {why}", tuning.name));
            }
            other => return other,
        }
    }
    Outcome::Ok
}

/// Loads the program of a job on a backend's device and verifies it in every mode.
fn on_device(backend: &dyn Backend, device: &DeviceInfo, table: &mut Table) {
    let mut open = match backend.open(&device.id) {
        Ok(open) => open,
        Err(e) => {
            return table.add("all", "none", &device.id, "open", Outcome::Wrong(e.to_string()));
        }
    };
    conform(device, |_| true, table, &mut |job, input, tuning| {
        let program = match input.program(job.implementation, device, tuning) {
            Ok(program) => program,
            Err(why) => return Outcome::Skipped(why.0),
        };
        match open.load(program) {
            Ok(mut session) => every_mode(session.as_mut(), input),
            Err(e @ (BackendError::Unsupported { .. } | BackendError::OutOfMemory { .. })) => {
                Outcome::Skipped(e.to_string())
            }
            Err(e) => Outcome::Wrong(e.to_string()),
        }
    });
}

/// Runs a loaded program in each of its modes, on poisoned outputs, and checks every answer.
fn every_mode(session: &mut dyn Session, input: &dyn Input) -> Outcome {
    for mode in session.modes() {
        let ran = session.reset().and_then(|()| session.run(*mode, 2));
        let checked = match ran.and_then(|_| session.outputs()) {
            Ok(outputs) => input.check(&outputs).map_err(|e| e.to_string()),
            Err(e) => Err(e.to_string()),
        };
        if let Err(why) = checked {
            return Outcome::Wrong(format!("{mode:?}: {why}"));
        }
    }
    Outcome::Ok
}

/// Every device of a backend, or a line that says why there is none.
fn on_backend(name: &str) {
    let mut table = Table::default();
    let backend = BACKENDS.iter().find(|b| b.name() == name).expect("a backend of that name");
    let probe = backend.probe();
    if probe.devices.is_empty() {
        let notes: Vec<&str> = probe.notes.iter().map(|n| n.message.as_str()).collect();
        table.add("all", "all", name, "probe", Outcome::Skipped(notes.join("; ")));
    }
    // Further CPU devices differ in threads only.
    let kept = if name == "cpu" { 1 } else { usize::MAX };
    for device in probe.devices.iter().take(kept) {
        on_device(*backend, device, &mut table);
    }
    table.print();
    table.assert_right();
}

#[test]
fn cpu() {
    on_backend("cpu");
}

/// Commands, on the CPU as a place for programs.
#[test]
fn process() {
    static NEVER: AtomicBool = AtomicBool::new(false);
    let cpu = BACKENDS.iter().find(|b| b.name() == "cpu").expect("the CPU's backend");
    let process = Process::beside(&cpu.probe().devices, &NEVER);
    let mut table = Table::default();
    on_device(&process, &process.devices()[0], &mut table);
    table.print();
    table.assert_right();
}

#[test]
fn vulkan() {
    on_backend("vulkan");
}

/// Runs where there is a driver and a GPU; elsewhere the table says why not.
#[test]
fn cuda() {
    on_backend("cuda");
}

/// Of the time that all families take on the shim this one needs half: the halves go side by side.
const HALF: &str = "convolution";

#[test]
fn cuda_shim_convolution() {
    on_shim(|family| family == HALF);
}

#[test]
fn cuda_shim_all_others() {
    on_shim(|family| family != HALF);
}

/// Every .cu kernel on the CPU: three thread orders as the newest chip, one as the oldest.
fn on_shim(of: fn(&str) -> bool) {
    let mut table = Table::default();
    for (device, orders) in shim_device::devices() {
        conform(&device, of, &mut table, &mut |job, input, tuning| {
            let recording = match input.program(job.implementation, &device, tuning) {
                Ok(Program::Recording(recording)) => recording,
                Ok(_) => return Outcome::Wrong("is not a recording".into()),
                Err(why) => return Outcome::Skipped(why.0),
            };
            for order in orders {
                match shim_device::run_recording(&recording, *order) {
                    Ok(outputs) => {
                        if let Err(e) = input.check(&outputs) {
                            return Outcome::Wrong(format!("{order:?}: {e}"));
                        }
                    }
                    Err(shim_device::ShimError::DeviceOnly(why)) => {
                        return Outcome::DeviceOnly(why);
                    }
                    Err(shim_device::ShimError::Failed(why)) => {
                        return Outcome::Wrong(format!("{order:?}: {why}"));
                    }
                }
            }
            Outcome::Ok
        });
    }
    table.print();
    table.assert_right();
}
