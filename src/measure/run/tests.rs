//! Runs over mock devices and a family made up for the purpose.

use breakeven_kernels::work::*;

use super::*;
use crate::backend::mock::MockBackend;
use crate::backend::{Backend, Device, Mode, OneOff, Session, Timer, Timing};
use crate::record::Row;

/// Counts its inputs; its output is `bytes` sevens.
struct Toy {
    name: String,
    bytes: usize,
    inputs: Arc<std::sync::atomic::AtomicU32>,
}

static SEVENS: [Implementation; 3] = [
    Implementation { name: "cpu/sevens", language: Language::Native, summary: "" },
    Implementation { name: "cpu/eights", language: Language::Native, summary: "" },
    Implementation { name: "cpu/guess", language: Language::Native, summary: "" },
];

fn work() -> Work {
    Work {
        op_kind: OpKind::Int8,
        ops: 1.0,
        bytes_touched: 1.0,
        bytes_in: 1.0,
        bytes_constant: 0.0,
        bytes_out: 1.0,
        useful: 1.0,
        useful_unit: "byte".into(),
        items: 1.0,
        item_unit: "toy".into(),
    }
}

impl Case for Toy {
    fn key(&self) -> String {
        self.name.clone()
    }
    fn work(&self) -> Work {
        work()
    }
    fn host_bytes(&self) -> u64 {
        1
    }
    fn device_bytes(&self) -> u64 {
        1
    }
    fn supports(&self, _: &Implementation, _: &DeviceInfo) -> Result<(), Unsupported> {
        Ok(())
    }
    fn input(&self, seed: u64) -> Result<Box<dyn Input>, CaseError> {
        self.inputs.fetch_add(1, Ordering::SeqCst);
        if seed == 666 {
            let problem = "line 3 is cut off".into();
            return Err(CaseError::BadInput { family: "toy", name: "x.txt".into(), problem });
        }
        Ok(Box::new(ToyInput(self.bytes)))
    }
}

struct ToyInput(usize);

impl Input for ToyInput {
    fn work(&self) -> Work {
        work()
    }
    fn tunings(&self, implementation: &Implementation, _: &DeviceInfo) -> Vec<Tuning> {
        let tuning = |name: &str, index| Tuning { name: name.into(), index };
        match implementation.name {
            // Variant `twice` writes twice as much, which a mock device takes longer for.
            "cpu/eights" => vec![tuning("twice", 2), tuning("once", 1)],
            // The faster one is wrong.
            "cpu/guess" => vec![tuning("guess", 0), tuning("twice", 2)],
            _ => vec![Tuning::default()],
        }
    }
    fn program(
        &self,
        implementation: &Implementation,
        _: &DeviceInfo,
        tuning: &Tuning,
    ) -> Result<Program, Unsupported> {
        let value = match (implementation.name, tuning.index) {
            ("cpu/guess", 0) => 9,
            ("cpu/eights", _) => 8,
            _ => 7,
        };
        let bytes = self.0 * tuning.index.max(1);
        Ok(Program::Native(Box::new(Fill { value, out: vec![0; bytes] })))
    }
    fn check(&self, outputs: &[Vec<u8>]) -> Result<Check, Mismatch> {
        let good = outputs[0].iter().all(|v| *v == 7 || *v == 8);
        if !good {
            return Err(Mismatch(format!("expected 7, got {}", outputs[0][0])));
        }
        let compared = outputs[0].len() as u64;
        let (max_abs_err, max_rel_err, bound) = (0.0, 0.0, 0.0);
        Ok(Check { method: "bit-equal".into(), compared, max_abs_err, max_rel_err, bound })
    }
    fn keep(&self, outputs: &[Vec<u8>], keep: &mut dyn Keep) -> std::io::Result<()> {
        keep.create("out.bin")?.write_all(&outputs[0])
    }
}

struct Fill {
    value: u8,
    out: Vec<u8>,
}

impl Native for Fill {
    fn run(&mut self) -> Result<(), String> {
        self.out.fill(self.value);
        Ok(())
    }
    fn poison(&mut self) {
        self.out.fill(0xff);
    }
    fn outputs(&self) -> Vec<Vec<u8>> {
        vec![self.out.clone()]
    }
}

/// Each case on each device with the first implementation.
fn plan(cases: &[&str], devices: &[&str]) -> Plan {
    let mut jobs = Vec::new();
    for name in cases {
        let inputs = Arc::default();
        let case: Arc<dyn Case> = Arc::new(Toy { name: (*name).into(), bytes: 1000, inputs });
        for device in devices {
            jobs.push(crate::plan::Job {
                case: Arc::clone(&case),
                family: "toy",
                case_key: case.key(),
                series: None,
                implementation: &SEVENS[0],
                device: (*device).into(),
            });
        }
    }
    Plan { jobs, skips: Vec::new(), budget_s: Some(5.0) }
}

fn run_mock(plan: &Plan, spec: &str, options: &mut Options<'_>) -> (Vec<Row>, Outcome) {
    let mock = MockBackend::parse(spec).unwrap();
    let mut rows = Vec::new();
    let mut observer = |event| {
        if let Event::RowDone(row) = event {
            rows.push(*row);
        }
        Ok::<(), ()>(())
    };
    let interrupted = AtomicBool::new(false);
    let outcome = run(plan, &mut |id| mock.open(id), options, &mut observer, &interrupted).unwrap();
    (rows, outcome)
}

#[test]
fn every_mode_of_a_gpu_is_sampled_and_a_cpu_says_which_call_is_the_same() {
    let spec = "cpu,latency=0,rate=1e6;mock:0,latency=0,rate=1e6";
    let (rows, outcome) =
        run_mock(&plan(&["toy a"], &["cpu", "mock:0"]), spec, &mut Options::default());
    assert_eq!((outcome.ok, outcome.rows, outcome.complete), (2, 2, true));
    // 1000 bytes at 1e6 per second take 1 ms; each transfer a quarter of that.
    let gpu = &rows[1];
    let near = |time: &Option<crate::record::Time>, expected_s: f64| {
        let time = time.as_ref().unwrap();
        assert!((time.median_s - expected_s).abs() < 1e-9, "{time:?}");
        assert!(time.samples_s.len() >= 30 && time.timer == "mock", "{time:?}");
    };
    near(&gpu.times.kernel_cold, 1.25e-3);
    near(&gpu.times.kernel_warm, 1.0e-3);
    near(&gpu.times.end_to_end, 1.5e-3);
    near(&gpu.times.pipelined, 1.0e-3);
    assert_eq!(gpu.times.pipelined.as_ref().unwrap().depth, 3);
    assert!((gpu.times.end_to_end.as_ref().unwrap().upload_s.unwrap() - 0.25e-3).abs() < 1e-9);
    // A tenth of the pipelined time, which costs are computed from.
    assert!((gpu.host_cpu_s.unwrap() - 1.0e-4).abs() < 1e-9);
    assert_eq!((gpu.one_off.compile_s, gpu.launches), (Some(0.05), 1));
    assert_eq!(gpu.clock_hz, [Some(1.5e9); 2]);
    assert_eq!(gpu.temperature_c, [Some(45.0); 2]);
    let cpu = &rows[0].times;
    let same = cpu.end_to_end.as_ref().unwrap();
    assert_eq!(same.samples_s, cpu.kernel_warm.as_ref().unwrap().samples_s);
    assert_eq!(same.note.as_deref(), Some("same call as kernel_warm"));
    assert!(rows[0].unknown.iter().any(|u| u.starts_with("energy_j: ")));
}

#[test]
fn a_wrong_answer_is_a_row_without_times_and_the_run_goes_on() {
    let (rows, outcome) = run_mock(
        &plan(&["toy a", "toy b", "toy c"], &["mock:0"]),
        "mock:0,wrong-at=2",
        &mut Options::default(),
    );
    let statuses: Vec<Status> = rows.iter().map(|r| r.status).collect();
    assert_eq!(statuses, [Status::Ok, Status::WrongOutput, Status::Ok]);
    assert_eq!((outcome.wrong, outcome.ok), (1, 2));
    assert_eq!(rows[1].times, crate::record::Times::default());
    assert_eq!(rows[1].reason.as_deref(), Some("expected 7, got 248"));
    assert!(rows[1].check.is_none());
}

#[test]
fn a_lost_device_skips_only_its_own_remaining_jobs() {
    let (rows, outcome) = run_mock(
        &plan(&["toy a", "toy b", "toy c"], &["cpu", "mock:0"]),
        "cpu;mock:0,lost-after=1",
        &mut Options::default(),
    );
    let of = |device: &str| -> Vec<Status> {
        rows.iter().filter(|r| r.device == device).map(|r| r.status).collect()
    };
    assert_eq!(of("cpu"), [Status::Ok; 3]);
    assert_eq!(of("mock:0"), [Status::Ok, Status::Failed, Status::Skipped]);
    assert!(rows.last().unwrap().reason.as_ref().unwrap().contains("mock:0 was lost"));
    assert!(outcome.complete);
}

#[test]
fn the_fastest_variant_is_chosen_and_recorded() {
    let mut plan = plan(&["toy a"], &["mock:0"]);
    plan.jobs[0].implementation = &SEVENS[1];
    let (rows, _) = run_mock(&plan, "mock:0", &mut Options::default());
    assert_eq!(rows[0].tuning.as_ref().unwrap().name, "once");
    assert!(rows[0].one_off.trials_s.is_some());
}

#[test]
fn a_faster_variant_that_is_wrong_is_told_and_not_chosen() {
    let mut plan = plan(&["toy a"], &["mock:0"]);
    plan.jobs[0].implementation = &SEVENS[2];
    let mock = MockBackend::parse("mock:0").unwrap();
    let (mut told, mut rows) = (Vec::new(), Vec::new());
    let mut observer = |event| {
        match event {
            Event::TrialWrong { tuning, problem } => told.push(format!("{tuning}: {problem}")),
            Event::RowDone(row) => rows.push(row),
            _ => {}
        }
        Ok::<(), String>(())
    };
    let stopped = AtomicBool::new(false);
    let mut open = |id: &str| mock.open(id);
    run(&plan, &mut open, &mut Options::default(), &mut observer, &stopped).unwrap();
    assert_eq!(told, ["guess: expected 7, got 9"]);
    assert_eq!(rows[0].status, Status::Ok);
    assert_eq!(rows[0].tuning.as_ref().unwrap().name, "twice");
}

#[test]
fn one_input_serves_all_devices_and_a_bad_one_fails_by_name() {
    let inputs = Arc::new(std::sync::atomic::AtomicU32::new(0));
    let case: Arc<dyn Case> =
        Arc::new(Toy { name: "toy a".into(), bytes: 10, inputs: Arc::clone(&inputs) });
    let mut plan = plan(&["x"], &["cpu", "mock:0"]);
    plan.jobs.iter_mut().for_each(|job| job.case = Arc::clone(&case));
    let (_, outcome) = run_mock(&plan, "cpu;mock:0", &mut Options::default());
    assert_eq!((outcome.ok, inputs.load(Ordering::SeqCst)), (2, 1));
    let mut options = Options { seed: 666, ..Options::default() };
    let (rows, outcome) = run_mock(&plan, "cpu;mock:0", &mut options);
    assert_eq!((outcome.failed, inputs.load(Ordering::SeqCst)), (2, 2));
    assert!(rows[0].reason.as_ref().unwrap().contains("x.txt: line 3 is cut off"));
}

#[test]
fn time_limits_and_interrupts_leave_an_incomplete_outcome() {
    let slow = "mock:0,sleep=0.02";
    let mut options = Options { max_seconds: Some(0.05), ..Options::default() };
    let (rows, outcome) = run_mock(&plan(&["a", "b", "c"], &["mock:0"]), slow, &mut options);
    assert_eq!((outcome.complete, outcome.reason.as_deref()), (false, Some("time limit")));
    assert_eq!(rows.len(), 3);
    assert_eq!(rows[2].status, Status::Skipped);
    assert_eq!(rows[2].reason.as_deref(), Some("time limit"));

    let mock = MockBackend::parse("mock:0").unwrap();
    let interrupted = AtomicBool::new(false);
    let mut rows = 0;
    let mut observer = |event| {
        match event {
            // As Ctrl-C would, in the middle of the second job.
            Event::CaseStarted { index: 1, .. } => interrupted.store(true, Ordering::SeqCst),
            Event::RowDone(_) => rows += 1,
            _ => {}
        }
        Ok::<(), ()>(())
    };
    let plan = plan(&["a", "b", "c"], &["mock:0"]);
    let mut open = |id: &str| mock.open(id);
    let outcome =
        run(&plan, &mut open, &mut Options::default(), &mut observer, &interrupted).unwrap();
    assert_eq!((outcome.complete, outcome.reason.as_deref()), (false, Some("interrupted")));
    assert_eq!((rows, outcome.rows), (1, 1));
}

#[test]
fn inputs_and_outputs_are_kept_and_a_full_disk_is_told() {
    struct Memory(Arc<std::sync::Mutex<Vec<u8>>>);
    struct Sink<'a>(&'a Memory);
    impl std::io::Write for Sink<'_> {
        fn write(&mut self, data: &[u8]) -> std::io::Result<usize> {
            self.0.0.lock().unwrap().extend_from_slice(data);
            Ok(data.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    impl Keep for Memory {
        fn create(&mut self, name: &str) -> std::io::Result<Box<dyn std::io::Write + '_>> {
            assert_eq!(name, "out.bin");
            Ok(Box::new(Sink(self)))
        }
    }
    let kept = Arc::default();
    let mut keep_for = |_: &crate::plan::Job| -> std::io::Result<Box<dyn Keep>> {
        Ok(Box::new(Memory(Arc::clone(&kept))))
    };
    let mut options = Options { keep: Some(&mut keep_for), ..Options::default() };
    run_mock(&plan(&["a"], &["mock:0"]), "mock:0", &mut options);
    assert_eq!(*kept.lock().unwrap(), vec![7; 1000]);

    let mut full = |_: &crate::plan::Job| Err(std::io::ErrorKind::StorageFull.into());
    let mut options = Options { keep: Some(&mut full), ..Options::default() };
    let mock = MockBackend::parse("mock:0").unwrap();
    let mut observer = |event| match event {
        Event::KeepFailed(message) => Err(message),
        _ => Ok(()),
    };
    let plan = plan(&["a"], &["mock:0"]);
    let stopped = AtomicBool::new(false);
    let mut open = |id: &str| mock.open(id);
    let error = run(&plan, &mut open, &mut options, &mut observer, &stopped).unwrap_err();
    assert!(error.contains("storage") || error.contains("space"), "{error}");
}

/// A device with three slots of which only the first works: executions take them in turn.
struct Slots(DeviceInfo);

impl Device for Slots {
    fn info(&self) -> &DeviceInfo {
        &self.0
    }
    fn load<'d>(
        &'d mut self,
        _: Program,
    ) -> Result<Box<dyn crate::backend::Session + 'd>, BackendError> {
        Ok(Box::new(SlotSession { last: 0, one_off: crate::backend::OneOff::default() }))
    }
}

struct SlotSession {
    last: u32,
    one_off: crate::backend::OneOff,
}

impl crate::backend::Session for SlotSession {
    fn reset(&mut self) -> Result<(), BackendError> {
        Ok(())
    }
    fn run(&mut self, mode: Mode, iterations: u32) -> Result<Timing, BackendError> {
        let depth = if mode == Mode::Pipelined { 3 } else { 1 };
        self.last = (iterations - 1) % depth;
        let total_s = 1e-3 * f64::from(iterations);
        Ok(Timing { total_s, timer: Timer::Mock, depth, ..Timing::default() })
    }
    fn outputs(&mut self) -> Result<Vec<Vec<u8>>, BackendError> {
        Ok(vec![vec![if self.last == 0 { 7 } else { 1 }]])
    }
    fn modes(&self) -> &'static [Mode] {
        &[Mode::EndToEnd, Mode::Pipelined]
    }
    fn one_off(&self) -> &crate::backend::OneOff {
        &self.one_off
    }
    fn launches(&self) -> u32 {
        1
    }
}

#[test]
fn an_overlapped_execution_is_verified_too() {
    let mock = MockBackend::parse("mock:0").unwrap();
    let info = mock.probe().devices.remove(0);
    let mut rows = Vec::new();
    let mut observer = |event| {
        if let Event::RowDone(row) = event {
            rows.push(*row);
        }
        Ok::<(), ()>(())
    };
    let mut open = |_: &str| Ok(Box::new(Slots(info.clone())) as Box<dyn Device>);
    let stopped = AtomicBool::new(false);
    let plan = plan(&["a"], &["mock:0"]);
    run(&plan, &mut open, &mut Options::default(), &mut observer, &stopped).unwrap();
    assert_eq!(rows[0].status, Status::WrongOutput, "{:?}", rows[0].reason);
    assert_eq!(rows[0].times, crate::record::Times::default());
}

/// A library that computes another way in its kernel mode, where it gives `kernel`.
struct TwoWays {
    info: DeviceInfo,
    kernel: u8,
}

struct TwoWaysSession {
    kernel: u8,
    last: u8,
}

impl Device for TwoWays {
    fn info(&self) -> &DeviceInfo {
        &self.info
    }
    fn load<'d>(&'d mut self, _: Program) -> Result<Box<dyn Session + 'd>, BackendError> {
        Ok(Box::new(TwoWaysSession { kernel: self.kernel, last: 0 }))
    }
}

impl Session for TwoWaysSession {
    fn reset(&mut self) -> Result<(), BackendError> {
        self.last = 0xff;
        Ok(())
    }
    fn run(&mut self, mode: Mode, iterations: u32) -> Result<Timing, BackendError> {
        self.last = if mode == Mode::EndToEnd { 7 } else { self.kernel };
        let total_s = 1e-3 * f64::from(iterations);
        Ok(Timing { total_s, wall_s: total_s, depth: 1, ..Timing::default() })
    }
    fn outputs(&mut self) -> Result<Vec<Vec<u8>>, BackendError> {
        Ok(vec![vec![self.last]])
    }
    fn modes(&self) -> &'static [Mode] {
        &[Mode::EndToEnd, Mode::KernelWarm]
    }
    fn one_off(&self) -> &OneOff {
        const {
            &OneOff {
                context_s: None,
                compile_s: None,
                plan_s: None,
                allocate_s: None,
                constants_s: None,
            }
        }
    }
    fn launches(&self) -> u32 {
        1
    }
    fn checked_alone(&self) -> &'static [Mode] {
        &[Mode::KernelWarm]
    }
    fn chosen(&self) -> Option<String> {
        Some("its own way".into())
    }
}

#[test]
fn a_library_that_is_wrong_in_its_kernel_mode_alone_fails_and_its_choice_is_recorded() {
    for (kernel, expected) in [(7, Status::Ok), (9, Status::WrongOutput)] {
        let info = MockBackend::parse("mock:0").unwrap().open("mock:0").unwrap().info().clone();
        let mut open = |_: &str| -> Result<Box<dyn Device>, BackendError> {
            Ok(Box::new(TwoWays { info: info.clone(), kernel }))
        };
        let mut rows = Vec::new();
        let mut observer = |event| {
            if let Event::RowDone(row) = event {
                rows.push(row);
            }
            Ok::<(), ()>(())
        };
        let (plan, never) = (plan(&["toy a"], &["mock:0"]), AtomicBool::new(false));
        run(&plan, &mut open, &mut Options::default(), &mut observer, &never).unwrap();
        assert_eq!(rows[0].status, expected);
        assert_eq!(rows[0].tuning.as_ref().unwrap().name, "its own way");
    }
}
