//! One arm for other tools' rules: the cases of a suite on the CPU, as criterion measures them, as a
//! process for hyperfine, or as plain samples for a t-test. `tools/gate_lab.py` starts it; see
//! results/README.md.
//!
//!     GATE_LAB_SUITE=suite.toml gate_arm --bench CRITERION ARGUMENTS
//!     GATE_LAB_SUITE=suite.toml gate_arm --once CASE EXECUTIONS
//!     GATE_LAB_SUITE=suite.toml gate_arm --samples N SECONDS

use std::path::Path;
use std::time::{Duration, Instant};

use breakeven::backend::cpu::CpuBackend;
use breakeven::backend::{Backend, Device, Mode, Session};
use breakeven::plan::{self, Filter, Job, Plan};
use breakeven::suite::{self, FolderFiles};
use breakeven_kernels::work::{Program, Tuning};
use criterion::Criterion;

const IMPLEMENTATION: &str = "cpu/simd";

fn planned(suite: &str) -> Plan {
    let suite = suite::load(suite).expect("a suite");
    let devices = CpuBackend.probe().devices;
    let filter = Filter { implementation_globs: vec![IMPLEMENTATION.into()], ..Filter::default() };
    let files = FolderFiles::new(suite.folder.clone());
    let cpu: Vec<_> = devices.into_iter().filter(|device| device.id == "cpu").collect();
    plan::plan(&suite, &cpu, &files, &filter).expect("cases that fit this machine")
}

/// The job's program by its first tuning, slowed down where this build and the environment say so. A trial might
/// choose otherwise on each side, and the gate would compare two ways.
fn program(job: &Job, device: &dyn Device) -> Program {
    let input = job.case.input(1).expect("an input");
    let tuning = input.tunings(job.implementation, device.info()).swap_remove(0);
    let tuning: &Tuning = &tuning;
    let program = input.program(job.implementation, device.info(), tuning).expect("a program");
    #[cfg(feature = "inject-slowdown")]
    let program = breakeven::measure::inject::slowed(program, &job.case_key);
    program
}

fn with_session<T>(job: &Job, then: impl FnOnce(&mut dyn Session) -> T) -> T {
    let mut device = CpuBackend.open("cpu").expect("a CPU");
    let program = program(job, &*device);
    let mut session = device.load(program).expect("a native program");
    session.run(Mode::KernelWarm, 1).expect("a program that runs");
    then(&mut *session)
}

/// As criterion measures: its own warm-up, its own number of iterations.
fn by_criterion(plan: &Plan) {
    let mut criterion = Criterion::default().configure_from_args();
    for (index, job) in plan.jobs.iter().enumerate() {
        with_session(job, |session| {
            criterion.bench_function(&format!("case{index}"), |bencher| {
                bencher.iter_custom(|iterations| {
                    let iterations = u32::try_from(iterations).unwrap_or(u32::MAX);
                    let timing = session.run(Mode::KernelWarm, iterations);
                    Duration::from_secs_f64(timing.expect("a program that runs").total_s)
                });
            });
        });
    }
    criterion.final_summary();
}

/// So many samples of each case in this one process, a line a case: `case<TAB>seconds …`.
fn samples(plan: &Plan, number: usize, seconds: f64) {
    for (index, job) in plan.jobs.iter().enumerate() {
        with_session(job, |session| {
            let start = Instant::now();
            session.run(Mode::KernelWarm, 1).expect("a program that runs");
            let one_s = start.elapsed().as_secs_f64().max(1e-7);
            let iterations = (seconds / number as f64 / one_s).ceil().max(1.0) as u32;
            let times: Vec<String> = (0..number)
                .map(|_| session.run(Mode::KernelWarm, iterations).expect("a program that runs"))
                .map(|timing| format!("{:e}", timing.total_s / f64::from(iterations)))
                .collect();
            println!("{index}\t{}", times.join(" "));
        });
    }
}

fn main() {
    // `cargo test` starts every bench once; there is nothing to see then.
    let Ok(suite) = std::env::var("GATE_LAB_SUITE") else { return };
    assert!(Path::new(&suite).exists(), "{suite}: no such suite");
    let plan = planned(&suite);
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize| -> f64 { arguments[at].parse().expect("a number") };
    match arguments.first().map(String::as_str) {
        Some("--once") => {
            with_session(&plan.jobs[number(1) as usize], |session| {
                session.run(Mode::KernelWarm, number(2) as u32).expect("a program that runs");
            });
        }
        Some("--samples") => samples(&plan, number(1) as usize, number(2)),
        _ => by_criterion(&plan),
    }
}
