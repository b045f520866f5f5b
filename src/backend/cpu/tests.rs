//! The CPU as a user meets it: threads, modes, libraries where installed.

use breakeven_kernels::recording::{Command, Recording, Role};
use breakeven_kernels::recording::{GemmType, LibraryCall, shared};
use breakeven_kernels::work::{LibraryName, Native};

use super::*;
use crate::backend::Mode;

/// Counts its runs and notes the pool's size.
struct Counter {
    runs: u64,
    threads: usize,
}

impl Native for Counter {
    fn run(&mut self) -> Result<(), String> {
        self.runs += 1;
        self.threads = rayon::current_num_threads();
        if self.runs > 100 { Err("too often".into()) } else { Ok(()) }
    }
    fn poison(&mut self) {
        self.runs = 0;
    }
    fn outputs(&self) -> Vec<Vec<u8>> {
        vec![vec![self.runs as u8, self.threads as u8]]
    }
}

#[test]
fn programs_run_as_often_as_asked_in_a_pool_of_the_stated_size() {
    let mut device = CpuBackend.open("cpu:1").unwrap();
    assert_eq!(device.info().threads, Some(1));
    let program = Program::Native(Box::new(Counter { runs: 0, threads: 0 }));
    let mut session = device.load(program).unwrap();
    for mode in [Mode::KernelWarm, Mode::KernelCold] {
        session.reset().unwrap();
        let timing = session.run(mode, 3).unwrap();
        assert_eq!(session.outputs().unwrap(), [[3, 1]]);
        assert!(timing.total_s >= 0.0 && timing.total_s < 0.1 && timing.depth == 1);
    }
    assert!(matches!(session.run(Mode::KernelWarm, 200), Err(BackendError::Run(_))));
}

#[test]
fn impossible_devices_are_refused_with_the_next_step() {
    for id in ["cpu:0", "cpu:9999", "cpu:x", "gpu"] {
        let message = CpuBackend.open(id).err().unwrap().to_string();
        assert!(message.contains(id) && message.contains("cpu"), "{message}");
    }
}

#[test]
fn every_library_is_found_and_right_or_named_as_missing() {
    let probe = CpuBackend.probe();
    let names = ["openblas", "mkl", "onednn"];
    let kinds = [LibraryName::OpenBlas, LibraryName::Mkl, LibraryName::OneDnn];
    for (name, kind) in names.into_iter().zip(kinds) {
        let found = probe.devices[0].languages.contains(&Language::Library(kind));
        let noted = probe.notes.iter().any(|n| n.subject == name && n.next_step.is_some());
        assert!(found != noted, "{name}: found {found}, noted {noted}");
        if found {
            multiplies_rightly(kind);
        }
    }
}

/// Two products, [1 2; 3 4]·[5 6 7; 8 9 10] and the same with the left side doubled.
fn multiplies_rightly(library: LibraryName) {
    let mut recording = Recording { library: Some(library), ..Recording::default() };
    let a = vec![1f32, 2.0, 3.0, 4.0, 2.0, 4.0, 6.0, 8.0];
    let b = vec![5f32, 6.0, 7.0, 8.0, 9.0, 10.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0];
    let a = recording.upload("a", Role::Input, shared(a));
    let b = recording.upload("b", Role::Constant, shared(b));
    let c = recording.buffer("c", Role::Output, 48);
    let dtype = GemmType::F32;
    let call = LibraryCall::Gemm { m: 2, n: 3, k: 2, batch: 2, dtype, a, b, c };
    recording.commands.push(Command::Library(call));
    let mut device = CpuBackend.open("cpu").unwrap();
    let mut session = device.load(Program::Recording(recording)).unwrap();
    session.reset().unwrap();
    session.run(Mode::KernelWarm, 2).unwrap();
    let c: Vec<f32> = bytemuck::pod_collect_to_vec(&session.outputs().unwrap()[0]);
    let once = [21.0, 24.0, 27.0, 47.0, 54.0, 61.0];
    let twice = once.map(|v| v * 2.0);
    assert_eq!(c, [once, twice].concat(), "{library:?}");
}
