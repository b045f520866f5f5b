//! What measuring costs: a native program of about 1 ms, called directly, through the `cpu`
//! device's session, and through the sampler. Fails where dispatch or sampling adds more than 1 %.
//!
//! The program is one chain of dependent integer operations on one thread, so its time depends on
//! the clock alone. Direct and indirect calls alternate in one process, and the median of paired
//! ratios is compared: a machine that slows down slows both. On a busy machine, with fewer free
//! cores than threads, the figures say little.

use std::convert::Infallible;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use breakeven::backend::cpu::CpuBackend;
use breakeven::backend::{Backend, Mode};
use breakeven::measure::{self, Event, Options, Stage};
use breakeven::plan::{Job, Plan};
use breakeven_kernels::work::{
    Case, CaseError, Check, DeviceInfo, Implementation, Input, Keep, Language, Mismatch, Native,
    OpKind, Program, Tuning, Unsupported, Work,
};
use criterion::Criterion;

/// Largest share that dispatch and sampling may add.
const MOST: f64 = 0.01;
/// Calls in a row, as many as the sampler makes of 1 ms between two looks at the clock.
const TOGETHER: usize = 20;
/// Rows of calls of one kind; the fastest counts, as the others were interrupted.
const BLOCKS: usize = 5;

static CHAIN: Implementation = Implementation {
    name: "cpu/chain",
    language: Language::Native,
    summary: "a chain of multiplications and additions",
};

/// `x ← x · 6364136223846793005 + 1442695040888963407`, `steps` times.
#[derive(Clone, Copy)]
struct Chain {
    steps: u64,
    x: u64,
}

impl Chain {
    /// As many steps as take about 1 ms here.
    fn of_one_ms() -> Self {
        let mut chain = Self { steps: 1 << 20, x: 1 };
        let fastest = (0..20).map(|_| timed(|| chain.step())).min().unwrap_or_default();
        let steps = (chain.steps as f64 * 1e-3 / fastest.as_secs_f64().max(1e-9)) as u64;
        Self { steps, x: 1 }
    }

    fn step(&mut self) {
        for _ in 0..black_box(self.steps) {
            self.x = self.x.wrapping_mul(6_364_136_223_846_793_005);
            self.x = self.x.wrapping_add(1_442_695_040_888_963_407);
        }
        self.x = black_box(self.x);
    }
}

impl Native for Chain {
    fn run(&mut self) -> Result<(), String> {
        self.step();
        Ok(())
    }

    fn poison(&mut self) {
        self.x = 0;
    }

    fn outputs(&self) -> Vec<Vec<u8>> {
        vec![self.x.to_le_bytes().to_vec()]
    }
}

impl Case for Chain {
    fn key(&self) -> String {
        format!("chain steps={}", self.steps)
    }

    fn work(&self) -> Work {
        Work {
            op_kind: OpKind::Int32,
            ops: 2.0 * self.steps as f64,
            bytes_touched: 8.0,
            bytes_in: 0.0,
            bytes_constant: 0.0,
            bytes_out: 8.0,
            useful: 2.0 * self.steps as f64,
            useful_unit: "operation".into(),
            items: 1.0,
            item_unit: "chain".into(),
        }
    }

    fn host_bytes(&self) -> u64 {
        16
    }

    fn device_bytes(&self) -> u64 {
        16
    }

    fn supports(&self, _: &Implementation, _: &DeviceInfo) -> Result<(), Unsupported> {
        Ok(())
    }

    fn input(&self, _seed: u64) -> Result<Box<dyn Input>, CaseError> {
        Ok(Box::new(*self))
    }
}

impl Input for Chain {
    fn work(&self) -> Work {
        Case::work(self)
    }

    fn program(
        &self,
        _: &Implementation,
        _: &DeviceInfo,
        _: &Tuning,
    ) -> Result<Program, Unsupported> {
        Ok(Program::Native(Box::new(*self)))
    }

    /// The time is the point here; the value depends on how often it ran.
    fn check(&self, outputs: &[Vec<u8>]) -> Result<Check, Mismatch> {
        Ok(Check {
            method: "none".into(),
            compared: outputs.len() as u64,
            max_abs_err: 0.0,
            max_rel_err: 0.0,
            bound: 0.0,
        })
    }

    fn keep(&self, _: &[Vec<u8>], _: &mut dyn Keep) -> std::io::Result<()> {
        Ok(())
    }
}

fn timed(f: impl FnOnce()) -> Duration {
    let start = Instant::now();
    f();
    start.elapsed()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// One call directly and one through a session of `cpu:1`, side by side in criterion's report.
fn calls(c: &mut Criterion, chain: Chain) {
    let mut group = c.benchmark_group("overhead");
    group.warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(3));
    let mut direct = chain;
    group.bench_function("direct", |b| b.iter(|| direct.step()));
    let mut device = CpuBackend.open("cpu:1").expect("a CPU");
    let mut session = device.load(Program::Native(Box::new(chain))).expect("a native program");
    group.bench_function("session", |b| b.iter(|| session.run(Mode::KernelWarm, 1)));
    group.finish();
}

/// What calls through a session cost, as ratios to direct ones: as the session reports them, and by
/// the caller's wall clock. Taken as the sampler takes them, [`TOGETHER`] at a time.
fn dispatch_ratios(chain: Chain) -> (f64, f64) {
    let mut direct = chain;
    let mut device = CpuBackend.open("cpu:1").expect("a CPU");
    let mut session = device.load(Program::Native(Box::new(chain))).expect("a native program");
    let mut directly = || {
        let mut block = || timed(|| (0..TOGETHER).for_each(|_| direct.step())).as_secs_f64();
        best((0..BLOCKS).map(|_| block())) / TOGETHER as f64
    };
    let (mut reported, mut waited) = (Vec::new(), Vec::new());
    for _ in 0..15 {
        let before = directly();
        let (mut inside, mut wall) = (f64::INFINITY, f64::INFINITY);
        for _ in 0..BLOCKS {
            let start = Instant::now();
            let timings = session.sample(Mode::KernelWarm, 1, TOGETHER);
            wall = wall.min(start.elapsed().as_secs_f64() / TOGETHER as f64);
            let timings = timings.expect("a chain that runs");
            inside = inside.min(timings.iter().map(|t| t.total_s).sum::<f64>() / TOGETHER as f64);
        }
        let direct = (before + directly()) / 2.0;
        reported.push(inside / direct);
        waited.push(wall / direct);
    }
    (median(reported), median(waited))
}

/// What the sampler says a call takes, and what it spends on one, as ratios to a direct call.
fn sampling_ratios(chain: Chain) -> (f64, f64) {
    let (mut reported, mut spent) = (Vec::new(), Vec::new());
    for _ in 0..7 {
        let before = directly_s(chain);
        let (stage_s, median_s) = sampled(chain);
        let after = directly_s(chain);
        reported.push(2.0 * median_s / (before.0 + after.0));
        spent.push(2.0 * stage_s / (before.1 + after.1));
    }
    (median(reported), median(spent))
}

fn best(times: impl Iterator<Item = f64>) -> f64 {
    times.fold(f64::INFINITY, f64::min)
}

/// Median and mean of 300 direct calls, in seconds: interruptions are in the mean only, as they are
/// in the time of a whole stage.
fn directly_s(mut chain: Chain) -> (f64, f64) {
    let times: Vec<f64> = (0..300).map(|_| timed(|| chain.step()).as_secs_f64()).collect();
    let mean_s = times.iter().sum::<f64>() / times.len() as f64;
    (median(times), mean_s)
}

/// Seconds that the stage of warm runs takes for each execution in it, and the median that it
/// reports.
fn sampled(chain: Chain) -> (f64, f64) {
    let case: Arc<dyn Case> = Arc::new(chain);
    let job = Job {
        case_key: case.key(),
        case,
        family: "chain",
        series: None,
        implementation: &CHAIN,
        device: "cpu:1".into(),
    };
    let plan = Plan { jobs: vec![job], skips: Vec::new(), budget_s: Some(2.0) };
    let (mut begun, mut stage_s, mut executions, mut median_s) = (None, 0.0, 0.0, f64::NAN);
    let mut observe = |event: Event| {
        if let Some(start) = begun.take() {
            stage_s = Instant::elapsed(&start).as_secs_f64();
        }
        match event {
            Event::Stage(Stage::Sample(Mode::KernelWarm)) => begun = Some(Instant::now()),
            Event::RowDone(row) => {
                if let Some(time) = &row.times.kernel_warm {
                    let samples = time.samples_s.len() as u32 * time.iterations_per_sample;
                    executions = f64::from(time.warmup_runs + samples);
                    median_s = time.median_s;
                }
            }
            _ => {}
        }
        Ok::<_, Infallible>(())
    };
    let Ok(_) = measure::run(
        &plan,
        &mut |id| CpuBackend.open(id),
        &mut Options::default(),
        &mut observe,
        &AtomicBool::new(false),
    );
    (stage_s / executions, median_s)
}

fn main() {
    let chain = Chain::of_one_ms();
    let mut criterion = Criterion::default().configure_from_args();
    calls(&mut criterion, chain);
    criterion.final_summary();
    // `cargo test` runs benches once, only to see that they run.
    if !std::env::args().any(|a| a == "--bench") {
        return;
    }
    let percent = |ratio: f64| 100.0 * (ratio - 1.0);
    let (dispatch, waited) = dispatch_ratios(chain);
    let (sampling, spent) = sampling_ratios(chain);
    println!("a 1 ms kernel, against calling it directly:");
    println!(
        "  a session reports {:+.3} %, its caller waits {:+.3} %",
        percent(dispatch),
        percent(waited)
    );
    println!(
        "  the sampler reports {:+.3} %, and spends {:+.3} %",
        percent(sampling),
        percent(spent)
    );
    let most = [dispatch, waited, sampling, spent].into_iter().fold(0.0, f64::max);
    if most > 1.0 + MOST || !(dispatch + waited + sampling + spent).is_finite() {
        eprintln!("neither may exceed a direct call by more than {} %", 100.0 * MOST);
        std::process::exit(1);
    }
}
