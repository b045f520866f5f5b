//! Three small records by hand; every expected number is worked out beside it or by Python.

use breakeven_kernels::work::{Check, DeviceInfo, DeviceKind, OpKind, Work};
use proptest::prelude::*;

use super::*;
use crate::catalog::{Aks, Os, Sku, Status as SkuStatus};
use crate::record::{
    CpuEnv, DeviceEnv, Environment, Footer, Header, HostState, OneOffCosts, Row, Run, Schema,
    Status, Time, Times,
};

/// A time within ×1.02 either way.
fn time(median_s: f64) -> Time {
    Time {
        timer: "wall".into(),
        iterations_per_sample: 1,
        depth: 1,
        warmup_runs: 1,
        samples_s: vec![median_s],
        samples_left: 0,
        median_s,
        ci95_lo_s: median_s / 1.02,
        ci95_hi_s: median_s * 1.02,
        mean_s: median_s,
        stdev_s: 0.0,
        mad_s: 0.0,
        iqr_s: 0.0,
        min_s: median_s,
        p95_s: median_s,
        outliers: 0,
        upload_s: None,
        kernel_s: None,
        download_s: None,
        note: None,
    }
}

/// `matmul m=SIZE` in a series along m: 1e9 FLOP and one product.
fn row(device: &str, implementation: &str, size: u32, end_to_end_s: f64) -> Row {
    Row {
        family: "matmul".into(),
        case_key: format!("matmul m={size}"),
        series: Some(Series { key: "matmul m=*".into(), axis: "m".into(), value: size.into() }),
        implementation: implementation.into(),
        device: device.into(),
        status: Status::Ok,
        reason: None,
        work: Work {
            op_kind: OpKind::F32,
            ops: 1e9,
            bytes_touched: 1e6,
            bytes_in: 1e6,
            bytes_constant: 0.0,
            bytes_out: 1e6,
            useful: 1e9,
            useful_unit: "FLOP".into(),
            items: 1.0,
            item_unit: "product".into(),
        },
        check: Some(Check {
            method: "full".into(),
            compared: 1,
            max_abs_err: 0.0,
            max_rel_err: 0.0,
            bound: 1e-5,
        }),
        times: Times { end_to_end: Some(time(end_to_end_s)), ..Times::default() },
        one_off: OneOffCosts::default(),
        tuning: None,
        launches: 1,
        host_cpu_s: None,
        energy_j: None,
        clock_hz: [None, None],
        temperature_c: [None, None],
        peak_memory_bytes: None,
        process: None,
        quality: None,
        unknown: Vec::new(),
    }
}

fn device(id: &str, kind: DeviceKind, env_key: &str) -> DeviceEnv {
    let info = DeviceInfo {
        id: id.into(),
        backend: id.split(':').next().unwrap_or_default().into(),
        kind,
        name: format!("Test {id}"),
        vendor: None,
        architecture: None,
        driver: None,
        memory_bytes: None,
        threads: (kind == DeviceKind::Cpu).then_some(8),
        cores: None,
        compute_units: None,
        compute_capability: None,
        cache_bytes: None,
        languages: Vec::new(),
        libraries: Vec::new(),
        features: Vec::new(),
        max_workgroup_invocations: None,
        max_shared_bytes: None,
        max_buffer_bytes: None,
    };
    DeviceEnv { info, env_key: format!("{env_key} {id}") }
}

/// A complete record of `sku` with a CPU and a GPU, called NAME.jsonl.
fn record(name: &str, sku: &str, rows: Vec<Row>) -> (String, Record) {
    let run = Run {
        id: format!("run {name}"),
        started_at: "2026-11-02T08:00:00Z".into(),
        tool_version: "0.1.0".into(),
        tool_commit: Some("0123456789abcdef".into()),
        tool_dirty: Some(false),
        argv: Vec::new(),
        suite: "quick".into(),
        seed: 1,
    };
    let env = Environment {
        os: None,
        kernel: None,
        arch: "x86_64".into(),
        virtualization: None,
        provider: Some("azure".into()),
        sku: Some(sku.into()),
        sku_source: None,
        region: None,
        node: None,
        cpu: CpuEnv::default(),
        memory_bytes: None,
        state: HostState::default(),
        devices: vec![
            device("cpu", DeviceKind::Cpu, sku),
            device("cuda:0", DeviceKind::Gpu, sku),
            device("vulkan:0", DeviceKind::SoftwareGpu, sku),
        ],
        unknown: Vec::new(),
    };
    let schema = Schema { name: "breakeven-record".into(), major: 1, minor: 0 };
    let footer = Footer {
        finished_at: "2026-11-02T08:10:00Z".into(),
        complete: true,
        reason: None,
        rows: rows.len() as u64,
        state: HostState::default(),
    };
    let header = Header { schema, run, env };
    (format!("{name}.jsonl"), Record { header, rows, footer: Some(footer) })
}

fn sku(name: &str, gpu: Option<f64>, usd: f64) -> Sku {
    Sku {
        provider: "azure".into(),
        name: name.into(),
        family: "Test".into(),
        vcpus: 8,
        threads_per_core: Some(1),
        memory_gib: Some(64.0),
        cpu_model: None,
        cpu_seen_on: None,
        other_cpu_models: Vec::new(),
        gpu_model: gpu.map(|_| "T100".into()),
        gpu_count: gpu,
        gpu_memory_gib_each: None,
        memory_bytes_per_s: None,
        link_in_bytes_per_s: None,
        link_out_bytes_per_s: None,
        status: SkuStatus::Active,
        retires_on: None,
        aks: Aks::Supported,
        windows: None,
        not_judged: None,
        notes: String::new(),
        prices: vec![Price {
            region: "eastus".into(),
            os: Os::Linux,
            kind: PriceKind::Ondemand,
            price_usd_per_h: usd,
            as_of: "2026-06-18".into(),
            source: "test".into(),
        }],
    }
}

/// C8 without a GPU at $0.36 an hour, G8 with one at $1.80.
fn catalog() -> Catalog {
    Catalog { skus: vec![sku("C8", None, 0.36), sku("G8", Some(1.0), 1.80)], ..Catalog::default() }
}

fn cpu_record() -> (String, Record) {
    let rows = [(1, 0.01), (2, 0.1), (4, 1.0)].map(|(m, s)| row("cpu", "cpu/simd", m, s));
    record("c8", "C8", rows.to_vec())
}

fn gpu_record() -> (String, Record) {
    let mut rows: Vec<Row> =
        [(1, 0.02), (2, 0.05), (4, 0.1)].map(|(m, s)| row("cuda:0", "cuda/tiled", m, s)).to_vec();
    // Throughput of the largest with several in flight: twice that of one call.
    rows[2].times.pipelined = Some(time(0.05));
    rows.push(row("cuda:0", "cuda/slow", 4, 0.3));
    record("g8", "G8", rows)
}

fn compared(records: &[(String, Record)]) -> Comparison {
    compare(records, &catalog(), &Options::default()).expect("comparable")
}

fn labels(comparison: &Comparison) -> Vec<&str> {
    comparison.columns.iter().map(|c| c.label.as_str()).collect()
}

fn close(a: f64, b: f64) {
    assert!((a / b - 1.0).abs() < 1e-5, "{a} is not {b}");
}

#[test]
fn cpu_rows_of_one_size_stand_beside_gpu_rows_of_another() {
    let c = compared(&[cpu_record(), gpu_record()]);
    assert_eq!(labels(&c), ["c8 cpu", "g8 cuda:0"]);
    assert_eq!((c.columns[0].base, c.columns[1].base), (None, Some(0)));
    let cell = |m: usize| &c.cases[m].cells[1];
    assert_eq!(c.cases.len(), 3);
    assert_eq!(cell(2).call.implementation, "cuda/tiled");
    // 1 s against 0.1 s. Both medians are known within ×1.02 (95 %), both runs within ×1.1 (90 %):
    // (ln 1.02 · 1.644854/1.959964)² and (ln 1.1)², each twice, make e^0.136823 = 1.146624.
    let speed = cell(2).speed.expect("a ratio");
    close(speed.value, 10.0);
    close(speed.lo90, 10.0 / 1.146_624);
    close(speed.hi90, 11.466_24);
    // 1e9 FLOP in 0.05 s, and $1.80/3600 · 0.05 against $0.36/3600 · 1.
    close(cell(2).useful_per_s, 2e10);
    close(cell(2).usd_per_item.expect("a price"), 2.5e-5);
    close(cell(2).cost.expect("two prices").value, 0.25);
    // 0.5, 2 and 10: their product is 10, its cube root 2.154435. Three cases: the sampling part is
    // divided by √3, the runs' part is not: e^0.135463 = 1.145067.
    let mean = &c.means[0];
    assert_eq!((mean.column, mean.base, mean.speed_cases), (1, 0, 3));
    close(mean.speed.expect("a mean").value, 2.154_435);
    close(mean.speed.expect("a mean").hi90, 2.154_435 * 1.145_067);
}

#[test]
fn the_crossover_is_where_the_gpu_stays_faster() {
    let of = |gpu: [f64; 3]| {
        let mut record = gpu_record();
        record.1.rows.truncate(3);
        for (row, s) in record.1.rows.iter_mut().zip(gpu) {
            row.times = Times { end_to_end: Some(time(s)), ..Times::default() };
        }
        compared(&[cpu_record(), record]).crossovers[0].clone()
    };
    let usual = of([0.02, 0.05, 0.1]);
    assert_eq!((usual.from, usual.surely_from, usual.points), (Some(2.0), Some(2.0), 3));
    assert_eq!((usual.tested_from, usual.tested_to), (1.0, 4.0));
    // Faster at 1 and 4, not at 2: the fast start does not count.
    assert_eq!(of([0.005, 0.2, 0.1]).from, Some(4.0));
    // Faster by a hundredth: within the interval of ×1.15.
    assert_eq!(of([0.02, 0.099, 0.1]).surely_from, Some(4.0));
    // Slower throughout; and faster but for the largest.
    assert_eq!(of([0.02, 0.2, 2.0]).from, None);
    assert_eq!(of([0.001, 0.001, 1.1]).from, None);
}

#[test]
fn what_differs_is_refused_with_the_reason() {
    let refused = |change: fn(&mut Record)| {
        let mut other = gpu_record();
        change(&mut other.1);
        compare(&[cpu_record(), other], &catalog(), &Options::default())
    };
    let seed = refused(|r| r.header.run.seed = 2).expect_err("all of it").to_string();
    assert!(seed.contains("seed 2 against 1 (3 times)"), "{seed}");
    let one = refused(|r| r.rows[1].check.as_mut().expect("a check").bound = 1e-3);
    let one = one.expect("the others");
    assert_eq!(one.refusals[0].case_key.as_deref(), Some("matmul m=2"));
    assert!(one.refusals[0].reason.contains("1e-3 against 1e-5"), "{:?}", one.refusals);
    assert_eq!(one.means[0].speed_cases, 2);
    let work = refused(|r| r.rows[0].work.useful = 2e9).expect("the others");
    assert!(work.refusals[0].reason.starts_with("other work: 2e9 FLOP"), "{:?}", work.refusals);
    let kernel = refused(|r| {
        let times = &mut r.rows[0].times;
        times.kernel_warm = times.end_to_end.take();
    });
    assert!(kernel.expect("the others").refusals[0].reason.contains("device work alone"));
}

#[test]
fn a_wrong_output_is_never_faster() {
    let mut other = gpu_record();
    for row in &mut other.1.rows[..3] {
        row.status = Status::WrongOutput;
        row.reason = Some("differs at 0".into());
    }
    let c = compared(&[cpu_record(), other]);
    let keys: Vec<&str> = c.cases.iter().map(|case| case.case_key.as_str()).collect();
    assert_eq!(keys, ["matmul m=4"], "only the slow one was right");
    close(c.cases[0].cells[1].speed.expect("a ratio").value, 1.0 / 0.3);
    let told = &c.refusals[0];
    assert_eq!(told.what, "cuda/tiled in g8 cuda:0");
    assert_eq!(told.reason, "wrong output: differs at 0");
    assert_eq!(c.columns[0].alone, 2);
}

#[test]
fn a_run_is_not_compared_with_itself() {
    let mut copy = cpu_record();
    copy.0 = "copy.jsonl".into();
    let alone = compare(&[cpu_record(), copy.clone()], &catalog(), &Options::default());
    let told = alone.expect_err("one run").to_string();
    assert!(told.starts_with("copy.jsonl: the same run as c8.jsonl"), "{told}");
    let c = compared(&[cpu_record(), copy, gpu_record()]);
    assert_eq!(labels(&c), ["c8 cpu", "g8 cuda:0"]);
    assert_eq!(c.refusals[0].what, "copy.jsonl");
}

#[test]
fn software_adapters_are_no_gpus_and_incomplete_records_are_marked() {
    let mut other = gpu_record();
    other.1.rows.push(row("vulkan:0", "vulkan/tiled", 1, 0.001));
    other.1.footer = None;
    let c = compared(&[cpu_record(), other]);
    assert_eq!(labels(&c), ["c8 cpu", "g8 cuda:0"]);
    assert!(c.refusals[0].reason.contains("software adapter"), "{:?}", c.refusals);
    assert!(c.columns[0].complete && !c.columns[1].complete);
    assert!(c.remarks[0].contains("g8.jsonl is incomplete"), "{:?}", c.remarks);
}

#[test]
fn records_without_a_common_case_name_the_nearest() {
    let other = record("other", "G8", vec![row("cuda:0", "cuda/tiled", 8, 0.1)]);
    let told = compare(&[cpu_record(), other], &catalog(), &Options::default());
    let told = told.expect_err("nothing joins").to_string();
    assert!(told.contains("`matmul m=1` in c8.jsonl and `matmul m=8` in other.jsonl"), "{told}");
}

#[test]
fn the_base_may_be_a_record_or_a_column() {
    let both = [cpu_record(), gpu_record()];
    let with = |base: &str| {
        let options = Options { base: Some(base.into()), ..Options::default() };
        compare(&both, &catalog(), &options)
    };
    for base in ["g8", "g8.jsonl", "g8 cuda:0"] {
        let c = with(base).expect("a base");
        assert_eq!((c.columns[0].base, c.columns[1].base), (Some(1), None), "{base}");
        close(c.cases[2].cells[0].speed.expect("a ratio").value, 0.1);
    }
    let told = with("h8").expect_err("no such").to_string();
    assert!(told.contains("`c8 cpu`, `g8 cuda:0`"), "{told}");
}

/// Runs of C8 with all times multiplied by a factor each.
fn repeats(factors: &[f64]) -> Vec<(String, Record)> {
    let numbered = factors.iter().enumerate();
    let one = |(index, factor): (usize, &f64)| {
        let (_, mut run) = cpu_record();
        for row in &mut run.rows {
            row.times.end_to_end = row.times.end_to_end.as_ref().map(|t| time(t.median_s * factor));
        }
        run.header.run.id = format!("run {index}");
        run.header.run.started_at = format!("2026-11-0{}T08:00:00Z", index + 1);
        (format!("node{index}.jsonl"), run)
    };
    numbered.map(one).collect()
}

#[test]
fn repeats_tell_how_much_runs_differ() {
    // Logarithms 0, ln 1.1 and 2·ln 1.1: a standard deviation of ln 1.1. Student's t at 95 % with
    // two degrees of freedom is 2.919986: e^(0.095310 · 2.919986) = 1.320888.
    let c = compared(&repeats(&[1.0, 1.1, 1.21]));
    assert_eq!(c.columns[0].between_runs.runs, 3);
    close(c.columns[0].between_runs.factor90, 1.320_888);
    // Two runs that happen to agree do not prove that runs agree.
    close(compared(&repeats(&[1.0, 1.02])).columns[0].between_runs.factor90, 1.1);
}

#[test]
fn two_gpus_of_one_run_are_not_two_runs() {
    let (name, mut run) = gpu_record();
    let mut second = run.header.env.devices[0].clone();
    second.info.id = "cuda:1".into();
    run.header.env.devices.push(second);
    for mut row in run.rows.clone() {
        row.device = "cuda:1".into();
        row.times.end_to_end = row.times.end_to_end.map(|t| time(t.median_s * 1.5));
        run.rows.push(row);
    }
    let c = compared(&[cpu_record(), (name, run)]);
    assert!(c.columns.iter().all(|column| column.between_runs.runs == 0), "{:?}", c.columns);
}

#[test]
fn a_slow_node_among_siblings_is_named() {
    // Siblings at 1, 1.01 and 1.02: their standard deviation is 0.009901; times t at 97.5 % with
    // two degrees of freedom, 4.302653, and √(4/3), it is a factor of 1.050424. The slow one takes
    // 1.3/1.01 = 1.287129 of the middle one's time, in all three cases.
    let c = compared(&repeats(&[1.0, 1.3, 1.01, 1.02]));
    assert_eq!(c.slow_nodes.len(), 1);
    let slow = &c.slow_nodes[0];
    assert_eq!((slow.column, slow.siblings.as_slice()), (1, [0, 2, 3].as_slice()));
    assert_eq!((slow.slower_in, slow.cases), (3, 3));
    close(slow.factor, 1.287_129);
    close(slow.noise, 1.050_424);
    // Within the noise of siblings that themselves differ; and of two nobody can say.
    assert!(compared(&repeats(&[1.0, 1.3, 1.2, 1.1])).slow_nodes.is_empty());
    assert!(compared(&repeats(&[1.0, 1.3])).slow_nodes.is_empty());
}

#[test]
fn siblings_are_of_one_region_and_one_time_of_day() {
    let at = |times: [&str; 4]| {
        let mut runs = repeats(&[1.0, 1.3, 1.01, 1.02]);
        for ((_, run), time) in runs.iter_mut().zip(times) {
            run.header.run.started_at = format!("2026-11-02T{time}:00Z");
        }
        runs
    };
    let slow = |runs: &[(String, Record)]| {
        compared(runs).slow_nodes.iter().map(|slow| slow.siblings.clone()).collect::<Vec<_>>()
    };
    // Less than three hours between neighbours, through midnight; the days do not matter.
    assert_eq!(slow(&at(["22:30", "23:50", "01:00", "03:59"])), [[0, 2, 3]]);
    // Two in the morning and two at night: too few of each.
    assert!(slow(&at(["02:00", "02:10", "20:00", "20:10"])).is_empty());
    // The slow one alone at its hour is slow for its hour.
    assert!(slow(&at(["02:00", "20:00", "02:20", "02:30"])).is_empty());
    let mut elsewhere = at(["08:00"; 4]);
    elsewhere[0].1.header.env.region = Some("eastus".into());
    elsewhere[1].1.header.env.region = Some("westeurope".into());
    assert!(slow(&elsewhere).is_empty());
}

#[test]
fn one_size_over_time_is_told_against_its_oldest_run() {
    let mut runs = repeats(&[1.0, 0.5]);
    runs.reverse();
    let c = compared(&runs);
    let trend = &c.trends[0];
    assert_eq!((trend.of.as_str(), trend.device.as_str()), ("C8", "cpu"));
    let order: Vec<usize> = trend.points.iter().map(|p| p.column).collect();
    assert_eq!(order, [1, 0], "oldest first");
    close(trend.points[1].speed.expect("a ratio").value, 2.0);
}

#[test]
fn two_builds_in_one_environment_are_no_gate() {
    let mut runs = repeats(&[1.0, 0.9]);
    runs[1].1.header.run.tool_commit = Some("fedcba9876543210".into());
    let c = compared(&runs);
    let told = c.remarks.iter().find(|r| r.contains("breakeven gate")).expect("a remark");
    assert!(told.contains("--base-ref 012345678"), "{told}");
    assert!(compared(&repeats(&[1.0, 0.9])).remarks.is_empty(), "one build repeated");
}

#[test]
fn prices_are_those_of_what_computes() {
    let priced = |change: fn(&mut Catalog, &mut Record)| {
        let (mut catalog, mut gpu) = (catalog(), gpu_record());
        gpu.1.rows.push(row("cpu", "cpu/simd", 1, 0.01));
        change(&mut catalog, &mut gpu.1);
        let c = compare(&[cpu_record(), gpu], &catalog, &Options::default()).expect("comparable");
        let at = |c: &Column| (c.usd_per_h, c.price_note.clone().unwrap_or_default());
        (at(&c.columns[1]), at(&c.columns[2]))
    };
    let (cpu, gpu) = priced(|_, _| ());
    assert_eq!((cpu.0, gpu.0), (Some(1.80), Some(1.80)));
    assert!(cpu.1.contains("idle T100"), "{}", cpu.1);
    let four = priced(|catalog, _| catalog.skus[1].gpu_count = Some(4.0)).1;
    assert_eq!(four.0, Some(0.45));
    assert!(four.1.contains("one of 4 GPUs"), "{}", four.1);
    let none = priced(|catalog, _| catalog.skus[1].prices.clear()).1;
    assert_eq!(none, (None, "no ondemand price".into()));
    let unknown = priced(|_, record| record.header.env.sku = None).1;
    assert!(unknown.0.is_none() && unknown.1.contains("VM size unknown"), "{}", unknown.1);
    let mig = priced(|_, r| r.header.env.devices[1].info.name = "T100 MIG 1g.10gb".into()).1;
    assert!(mig.0.is_none() && mig.1.contains("MIG"), "{}", mig.1);
}

#[test]
fn labels_are_what_differs() {
    let of = |names: &[&str]| columns::labels(names);
    assert_eq!(of(&["r/x-1/record.jsonl", "r/x-2/record.jsonl"]), ["x-1", "x-2"]);
    assert_eq!(of(&["a.jsonl", "b/a.jsonl"]), ["a", "b/a"]);
    assert_eq!(of(&["a", "a.jsonl"]), ["a", "a.jsonl"], "too short to tell apart");
}

proptest! {
    #[test]
    fn swapping_the_base_inverts_and_order_does_not_matter(
        cpu in prop::array::uniform3(1e-6..10.0f64),
        gpu in prop::array::uniform3(1e-6..10.0f64),
    ) {
        let with = |mut record: (String, Record), times: [f64; 3]| {
            for (row, s) in record.1.rows.iter_mut().zip(times) {
                row.times.end_to_end = Some(time(s));
            }
            record
        };
        let (a, b) = (with(cpu_record(), cpu), with(gpu_record(), gpu));
        let of = |records: &[(String, Record)], base: &str| {
            let options = Options { base: Some(base.into()), ..Options::default() };
            compare(records, &catalog(), &options).expect("comparable")
        };
        let ratios = |c: &Comparison, of: usize| -> Vec<(String, [Option<Ratio>; 2])> {
            let cell = |case: &Case| {
                let cell = case.cell(of).expect("both have it");
                (case.case_key.clone(), [cell.speed, cell.cost])
            };
            let mut all: Vec<_> = c.cases.iter().map(cell).collect();
            all.sort_by(|a, b| a.0.cmp(&b.0));
            all
        };
        let forward = of(&[a.clone(), b.clone()], "c8");
        let swapped = of(&[a.clone(), b.clone()], "g8");
        for ((_, x), (_, y)) in ratios(&forward, 1).iter().zip(ratios(&swapped, 0)) {
            for (x, y) in x.iter().zip(y) {
                let (x, y) = (x.expect("a ratio"), y.expect("a ratio"));
                prop_assert!((x.value * y.value - 1.0).abs() < 1e-12);
                prop_assert!((x.lo90 * y.hi90 - 1.0).abs() < 1e-12);
                prop_assert!((x.hi90 * y.lo90 - 1.0).abs() < 1e-12);
                prop_assert!(x.lo90 < x.value && x.value < x.hi90);
            }
        }
        let turned = of(&[b, a], "c8");
        prop_assert_eq!(ratios(&forward, 1), ratios(&turned, 0));
        prop_assert_eq!(forward.means[0].speed.map(|s| s.value as f32),
            turned.means[0].speed.map(|s| s.value as f32));
        prop_assert_eq!(forward.crossovers[0].from, turned.crossovers[0].from);
    }
}
