//! The order of evidence, several records, ties, spread and taxes, each by hand or by published
//! numbers.

use breakeven_kernels::work::OpKind;

use super::Origin;
use super::evidence::{self, MeasuredDevice};
use super::fixture::*;
use super::node::job_on;
use super::stage::StageOn;
use crate::catalog::{Catalog, Cpu};
use crate::record::{Record, Row};
use crate::workload::{ResolvedWorkload, Transfer};

fn near(a: f64, b: f64, within: f64) {
    assert!((a / b - 1.0).abs() <= within, "{a} is not {b}");
}

fn on(resolved: &ResolvedWorkload, records: &[Record], catalog: &Catalog, name: &str) -> StageOn {
    let devices = evidence::devices(records, catalog);
    let sku = catalog.sku(None, name).expect("size");
    job_on(resolved, sku, catalog, &devices).expect("job").stages.remove(0)
}

fn cpu_run(env_key: &str, started_at: &str, version: &str, rows: Vec<Row>) -> Record {
    let mut record = record(Some("C8"), vec![cpu_device()], rows);
    record.header.env.devices[0].env_key = env_key.into();
    record.header.run.id = format!("{env_key} {started_at} {version}");
    record.header.run.started_at = started_at.into();
    record.header.run.tool_version = version.into();
    record
}

fn simd(t: f64) -> Vec<Row> {
    vec![row("cpu", "cpu/simd", "matmul a", t, 1.0)]
}

#[test]
fn runs_of_one_environment_are_pooled_and_an_older_version_gives_way() {
    let catalog = catalog(1.0, 2.0);
    let resolved = workload(1.0, 1.0, Transfer::PerCall);
    let a = cpu_run("e", "2026-01-01T00:00:00Z", "2", simd(0.1));
    let b = cpu_run("e", "2026-02-01T00:00:00Z", "2", simd(0.4));
    let both = on(&resolved, &[a.clone(), b.clone()], &catalog, "C8");
    // √(0.1 · 0.4) = 0.2, from 0.1 ÷ 1.1 to 0.4 · 1.1.
    near(both.device_s.median, 0.2, 1e-9);
    near(both.device_s.lo90, 0.1 / 1.1, 1e-9);
    near(both.device_s.hi90, 0.44, 1e-9);
    assert!(both.how.contains("2 runs pooled"), "{}", both.how);
    let reversed = on(&resolved, &[b.clone(), a.clone()], &catalog, "C8");
    assert_eq!(reversed.device_s, both.device_s, "the order of records does not matter");
    // The older run was of another version, whose kernels may have been others.
    let old = cpu_run("e", "2026-01-01T00:00:00Z", "1", simd(0.1));
    near(on(&resolved, &[old, b.clone()], &catalog, "C8").device_s.median, 0.4, 1e-9);
    // Another environment of the same size is another machine that may be met there: both count.
    let other = cpu_run("f", "2026-01-01T00:00:00Z", "1", simd(0.1));
    let both = on(&resolved, &[other, b], &catalog, "C8");
    near(both.device_s.median, 0.2, 1e-9);
    assert!(both.how.contains("2 machines pooled"), "{}", both.how);
}

#[test]
fn what_was_measured_counts_before_what_was_interpolated() {
    // One machine measured the case; the other could only go along its series, to another answer.
    let exact = cpu_run("e", "2026-01-01T00:00:00Z", "1", simd(0.3));
    let rows = vec![along("cpu", 1.0, 1.0), along("cpu", 4.0, 16.0)];
    let series = cpu_run("f", "2026-01-01T00:00:00Z", "1", rows);
    let mut resolved = workload(1.0, 1.0, Transfer::PerCall);
    resolved.cases[0].as_mut().expect("case").series = vec![("matmul x".into(), "n".into(), 2.0)];
    let catalog = catalog(1.0, 2.0);
    let first = on(&resolved, &[series.clone(), exact.clone()], &catalog, "C8");
    assert_eq!(first.origin, Origin::Measured);
    near(first.device_s.median, 0.3, 1e-9);
    let only = on(&resolved, &[series], &catalog, "C8");
    assert_eq!(only.origin, Origin::Interpolated);
    // Without either: predicted from a CPU of the catalog's, a prior without a record, and
    // nothing at all for a family that nobody has published about.
    let mut elsewhere = exact;
    elsewhere.header.env.sku = Some("other".into());
    assert_eq!(on(&resolved, &[elsewhere], &catalog, "C8").origin, Origin::Predicted);
    assert_eq!(on(&resolved, &[], &catalog, "C8").origin, Origin::Prior);
    if let crate::workload::Stage::Compute(stage) = &mut resolved.workload.stages[0] {
        stage.family = "unheard-of".into();
    }
    let unknown = job_on(&resolved, &catalog.skus[0], &catalog, &[]).expect_err("no time");
    assert_eq!((unknown.code, unknown.infeasible), ("time-unknown", false));
}

#[test]
fn the_fastest_by_median_carries_the_doubt_of_its_ties() {
    let catalog = catalog(1.0, 2.0);
    let resolved = workload(1.0, 1.0, Transfer::PerCall);
    let rows = |other: f64, factor: f64| {
        vec![
            row("cpu", "cpu/simd", "matmul a", 1.0, 1.0),
            row("cpu", "cpu/openblas", "matmul a", other, factor),
        ]
    };
    // 1 s within ×1.1 and 1.05 s within ×1.5 · another run: √(0.405465² + 0.095310²) = 0.416517,
    // so from 1.05 / 1.516669 on: the wide one may be the faster.
    let records = [record(Some("C8"), vec![cpu_device()], rows(1.05, 1.5))];
    let tied = on(&resolved, &records, &catalog, "C8");
    assert_eq!(tied.implementation, "cpu/simd");
    near(tied.device_s.lo90, 1.05 / 1.516_669, 1e-6);
    near(tied.device_s.hi90, 1.1, 1e-9);
    assert!(tied.how.contains("tied with cpu/openblas"), "{}", tied.how);
    // A wide winner whose median may be luck: it may have to be the other one, at 1 s.
    let records = [record(Some("C8"), vec![cpu_device()], rows(0.9, 1.0))];
    near(on(&resolved, &records, &catalog, "C8").device_s.hi90, 1.0, 1e-9);
    // No doubt: 0.5 s within ×1.1 and 1 s within ×1.1 do not overlap.
    let records = [record(Some("C8"), vec![cpu_device()], rows(0.5, 1.0))];
    let clear = on(&resolved, &records, &catalog, "C8");
    near(clear.device_s.hi90, 0.55, 1e-9);
    assert_eq!(clear.how, "measured");
}

#[test]
fn a_busy_cpu_record_lowers_what_it_predicts_for_other_sizes() {
    let catalog = catalog(1.0, 2.0);
    let resolved = workload(1.0, 1.0, Transfer::PerCall);
    let mut calm = record(Some("elsewhere"), vec![cpu_device()], simd(0.025));
    calm.header.env.state.load_average = Some(0.0);
    let mut busy = calm.clone();
    busy.header.env.state.load_average = Some(8.0);
    let calm = on(&resolved, &[calm], &catalog, "C8").device_s;
    let busy = on(&resolved, &[busy], &catalog, "C8").device_s;
    assert_eq!((busy.median, busy.hi90), (calm.median, calm.hi90));
    // Eight others on eight threads: half the time at best. √(ln²2 + ln²1.1 + ln²1.3) = 0.747243.
    near(busy.lo90, 0.025 / f64::exp(0.747_243), 1e-5);
}

#[test]
fn several_devices_widen_a_prediction_by_their_spread() {
    let mut catalog = catalog(1.0, 2.0);
    let other = Cpu { model: "Other CPU".into(), architecture: "Otherarch".into(), ..cpu() };
    catalog.cpus.push(other);
    catalog.skus[0].cpu_model = Some("Other CPU".into());
    let at = |key: &str, t: f64| {
        let mut run = cpu_run(key, "2026-01-01T00:00:00Z", "1", simd(t));
        run.header.env.sku = Some(key.into());
        run
    };
    let resolved = workload(1.0, 1.0, Transfer::PerCall);
    // Efficiencies 0.5, 0.25 and 0.125 of 12.5 ms; the best of equals is used, so s² = (ln²2 +
    // ln²4) / 2, s = 1.095962, · √(4/3) · 1.644854 = 2.081576; with another run √(… + 0.095310²).
    let records = [at("a", 0.025), at("b", 0.05), at("c", 0.1)];
    let spread = on(&resolved, &records, &catalog, "C8").device_s;
    near(spread.median, 0.025, 1e-9);
    near(spread.hi90, 0.025 * f64::exp(2.083_757), 1e-5);
    // The same machine three times is one machine: no spread, ×2 across architectures.
    let records = [at("a", 0.025), at("a", 0.025), at("a", 0.025)];
    let one = on(&resolved, &records, &catalog, "C8").device_s;
    near(one.hi90, 0.025 * f64::exp(0.699_669), 1e-5);
}

#[test]
fn tile_units_that_nothing_measured_uses_leave_the_lower_end_open() {
    let mut catalog = catalog(1.0, 2.0);
    catalog.cpus.push(Cpu { model: "Tiles".into(), simd: "amx".into(), ..cpu() });
    catalog.skus[0].cpu_model = Some("Tiles".into());
    let mut resolved = workload(1.0, 1.0, Transfer::PerCall);
    let bf16 = |work: &mut breakeven_kernels::work::Work| work.op_kind = OpKind::Bf16;
    bf16(&mut resolved.cases[0].as_mut().expect("case").work);
    let mut rows = simd(0.025);
    bf16(&mut rows[0].work);
    let records = [record(Some("elsewhere"), vec![cpu_device()], rows)];
    let stage = on(&resolved, &records, &catalog, "C8");
    // Vector units: 8 · 1 GHz · 20 = 160 Gop/s, a roof of 6.25 ms at e = 12.5 / 25 = 0.5. Tiles:
    // 8 · 1 GHz · 1024 = 8192 Gop/s, 51.2 times as much; 1e9 operations are then 122 µs.
    near(stage.device_s.median, 0.0125, 1e-9);
    near(stage.device_s.hi90, 0.0125 * 1.321_992, 1e-6);
    near(stage.device_s.lo90, 0.0125 / 1.321_992 / 51.2, 1e-6);
    assert!(stage.how.contains("AMX"), "{}", stage.how);
}

#[test]
fn a_share_of_a_gpu_gets_between_its_share_of_the_link_and_all_of_it() {
    let mut catalog = catalog(1.0, 2.0);
    catalog.skus[1].gpu_count = Some(0.25);
    let resolved = workload(1.0, 1.0, Transfer::PerCall);
    let link = on(&resolved, &[], &catalog, "G8").link_in_s;
    // 1 MB at 10 GB/s is 0.1 ms, at a quarter of it 0.4 ms: 0.2 ms in the middle, ×2 either way
    // and ×1.25 faster or ×2 slower, since nobody measured it.
    near(link.median, 2e-4, 1e-9);
    near(link.lo90, 2e-4 / f64::exp(2f64.ln().hypot(1.25f64.ln())), 1e-9);
    near(link.hi90, 2e-4 * f64::exp(2f64.ln().hypot(2f64.ln())), 1e-9);
    catalog.skus[1].link_in_bytes_per_s = Some(5e9);
    // Measured on the size itself: 0.2 ms within another run.
    let link = on(&resolved, &[], &catalog, "G8").link_in_s;
    assert!((link.median - 2e-4).abs() < 1e-12 && (link.hi90 / 2.2e-4 - 1.0).abs() < 1e-9);
}

/// A GPU whose kernel takes `kernel_s` on `bytes_in` and `bytes_out`, behind a link of
/// `bytes_per_s` either way: seconds of one call.
fn with_transfers(kernel_s: f64, bytes_in: f64, bytes_out: f64, bytes_per_s: f64) -> f64 {
    let mut catalog = catalog(1.0, 2.0);
    catalog.skus[1].link_in_bytes_per_s = Some(bytes_per_s);
    catalog.skus[1].link_out_bytes_per_s = Some(bytes_per_s);
    let mut resolved = workload(1.0, 1.0, Transfer::PerCall);
    let mut rows = vec![row("cuda:0", "cuda/tiled", "matmul a", 2.0 * kernel_s, 1.0)];
    for work in [&mut resolved.cases[0].as_mut().expect("case").work, &mut rows[0].work] {
        (work.bytes_in, work.bytes_out) = (bytes_in, bytes_out);
    }
    // Only the kernel was timed, so launch and link must come from the model.
    (rows[0].times.pipelined, rows[0].times.end_to_end) = (None, None);
    let records = [record(Some("G8"), vec![gpu_device()], rows)];
    let stage = on(&resolved, &records, &catalog, "G8");
    assert_eq!(stage.origin, Origin::Predicted);
    stage.latency_s.median
}

/// SHOC's published rates on the device alone and with PCIe (vetter/shoc, data/results.csv). The
/// link is worked out from the reduction, which sends its input and returns next to nothing; the
/// other programs must then follow.
#[test]
fn shoc_with_and_without_pcie() {
    // (reduction GB/s, SGEMM GFLOP/s), each alone and with PCIe.
    let gpus = [
        ("Tesla C1060", (85.6, 5.60), (371.0, 339.0)),
        ("GeForce GTX 680", (150.0, 6.02), (1472.0, 1094.0)),
    ];
    for (name, (alone, pcie), (flops_alone, flops_pcie)) in gpus {
        // 1/5.60 − 1/85.6 s a GB is 5.99 GB/s, 1/6.02 − 1/150 is 6.27 GB/s: PCIe 2 × 16.
        let link = 1e9 / (1.0 / pcie - 1.0 / alone);
        assert!((5.9e9..6.4e9).contains(&link), "{name}: {link}");
        let bytes = 64e6;
        let t = with_transfers(bytes / (alone * 1e9), bytes, 4.0, link);
        near(bytes / t / 1e9, pcie, 0.01);
        // The largest size is N = 4096: A and B in, C out, 2 N³ operations.
        let n = 4096f64;
        let ops = 2.0 * n.powi(3);
        let t = with_transfers(ops / (flops_alone * 1e9), 8.0 * n * n, 4.0 * n * n, link);
        near(ops / t / 1e9, flops_pcie, 0.01);
    }
    // Scan and sort on the C1060 send all data in and out: GB/s of their input.
    let link = 1e9 / (1.0 / 5.60 - 1.0 / 85.6);
    for (alone, pcie) in [(13.0, 2.38), (0.951, 0.720)] {
        let bytes = 64e6;
        let t = with_transfers(bytes / (alone * 1e9), bytes, bytes, link);
        near(bytes / t / 1e9, pcie, 0.03);
    }
}

/// One shot of a square product in f32 with a fast GPU: 2 n³ / P_cpu = 12 n² / BW, so the GPU is
/// ahead from n* = 6 · P_cpu / BW_link on.
#[test]
fn the_break_even_size_of_a_product_is_six_times_peak_over_link() {
    let p_cpu = 2e12;
    for (link, rounded) in [(26.7e9, 450.0), (57.6e9, 210.0), (6.27e9, 1900.0)] {
        let rule = 6.0 * p_cpu / link;
        near(rule, rounded, 0.02);
        let gpu_first = |n: f64| {
            // A kernel at 1000 TFLOP/s: next to nothing beside the transfers.
            let ops = 2.0 * n.powi(3);
            let gpu_s = with_transfers(ops / 1e15, 8.0 * n * n, 4.0 * n * n, link);
            // The launch (5 µs) is no part of the rule.
            gpu_s - super::stage::LAUNCH_S < ops / p_cpu
        };
        assert!(!gpu_first(0.98 * rule) && gpu_first(1.02 * rule), "n* of {link} is not {rule}");
    }
}

#[test]
fn a_device_that_was_given_twice_is_one() {
    let catalog = catalog(1.0, 2.0);
    let a = cpu_run("e", "2026-01-01T00:00:00Z", "1", simd(0.1));
    let records = [a.clone(), a];
    let devices: Vec<MeasuredDevice> = evidence::devices(&records, &catalog);
    assert_eq!(devices.len(), 1);
    let case = workload(1.0, 1.0, Transfer::PerCall).cases.remove(0).expect("case");
    let time = devices[0].time("matmul", &case).expect("time");
    near(time.pipelined_s.median, 0.1, 1e-12);
    near(time.pipelined_s.hi90, 0.11, 1e-12);
    assert_eq!(time.how, "measured");
}
