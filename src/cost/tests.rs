//! Each formula against an answer worked out by hand.

use breakeven_kernels::work::{DeviceKind, OpKind};
use proptest::prelude::*;

use super::fixture::*;
use super::node::{JobOn, allocatable_gib, job_on};
use super::stage::StageOn;
use super::{Estimate, Level, Origin, Resource, evidence, money, peaks};
use crate::catalog::{Catalog, Gpu};
use crate::record::{Record, Status};
use crate::workload::{ResolvedWorkload, Stage, Transfer};

fn close(a: f64, b: f64) {
    assert!((a - b).abs() <= 1e-9 * b.abs().max(1e-12), "{a} is not {b}");
}

fn near(a: f64, b: f64, within: f64) {
    assert!((a / b - 1.0).abs() <= within, "{a} is not {b}");
}

fn job(resolved: &ResolvedWorkload, records: &[Record], name: &str) -> JobOn {
    let catalog = catalog(1.0, 2.0);
    let devices = evidence::devices(records, &catalog);
    let sku = catalog.sku(None, name).expect("size");
    job_on(resolved, sku, &catalog, &devices).expect("job")
}

fn stage(resolved: &ResolvedWorkload, records: &[Record], name: &str) -> StageOn {
    job(resolved, records, name).stages.remove(0)
}

#[test]
fn node_hours_and_dollars() {
    // 30.4 · 72 · 0.5
    close(money::usd_per_month(72.0, 0.5), 1094.4);
    close(money::usd_per_job_full_load(0.5, 50.0), 0.01);
}

#[test]
fn a_series_gives_the_time_of_a_case_that_was_not_measured() {
    let rows = vec![along("cpu", 1.0, 1.0), along("cpu", 4.0, 16.0)];
    let records = [record(Some("C8"), vec![cpu_device()], rows)];
    let mut resolved = workload(1.0, 1.0, Transfer::PerCall);
    let case = resolved.cases[0].as_mut().expect("case");
    case.case_key = "matmul n=2".into();
    case.series = vec![("matmul x".into(), "n".into(), 2.0)];
    let on = stage(&resolved, &records, "C8");
    assert_eq!(on.origin, Origin::Interpolated);
    close(on.device_s.median, 4.0);
    // ×1.1 for another run of each end and ×1.1 for the gap: e^(√2 · 0.0953102) = 1.144295.
    near(on.device_s.lo90, 4.0 / 1.144_295, 1e-6);
    // That would be 4.6 s at most, but n counts items, and 1 + 15 · (2 − 1) / 3 = 6 s on a line.
    near(on.device_s.hi90, 6.0, 1e-9);
    assert!(on.how.contains("interpolated"), "{}", on.how);
    // Beyond the range batches of items go on: (16 − 1) / 3 = 5 s an item would make t0 negative,
    // so 16 / 4 = 4 s an item: 32 s for 8.
    let case = resolved.cases[0].as_mut().expect("case");
    case.series = vec![("matmul x".into(), "n".into(), 8.0)];
    let on = stage(&resolved, &records, "C8");
    assert_eq!(on.origin, Origin::Interpolated);
    close(on.device_s.median, 32.0);
    assert!(on.how.contains("extrapolated as t0 + N/r"), "{}", on.how);
    // Where the axis does not count items, nothing goes on: the roofline must do.
    let mut sizes = records;
    sizes[0].rows.iter_mut().for_each(|r| r.work.items = 1.0);
    assert_eq!(stage(&resolved, &sizes, "C8").origin, Origin::Predicted);
}

#[test]
fn a_measured_size_uses_pipelined_time_for_cost_and_end_to_end_for_latency() {
    let records = measured_pair(0.4, 0.01, 1.0);
    let resolved = workload(10.0, 1.0, Transfer::ConstantsResident);
    let on = stage(&resolved, &records, "G8");
    assert_eq!((on.origin, on.implementation.as_str()), (Origin::Measured, "cuda/tiled"));
    close(on.device_s.median, 0.01);
    close(on.latency_s.median, 0.02);
    close(on.link_in_s.median, 0.0);
    // Per call, the constant half of the input crosses as well: 5e5 B ÷ 10 GB/s.
    let on = stage(&workload(10.0, 1.0, Transfer::PerCall), &records, "G8");
    close(on.link_in_s.median, 5e-5);
    // Resident data: the kernel's own time, half of the pipelined one in this fixture.
    let on = stage(&workload(10.0, 1.0, Transfer::Resident), &records, "G8");
    close(on.device_s.median, 0.005);
}

#[test]
fn the_fastest_verified_implementation_counts_and_software_adapters_never() {
    let software = device("vulkan:0", DeviceKind::SoftwareGpu, "llvmpipe");
    let mut wrong = row("cpu", "cpu/wrong", "matmul a", 0.001, 1.0);
    wrong.status = Status::WrongOutput;
    let rows = vec![
        row("cpu", "cpu/simd", "matmul a", 0.4, 1.0),
        row("cpu", "cpu/openblas", "matmul a", 0.3, 1.0),
        wrong,
        row("vulkan:0", "vulkan/tiled", "matmul a", 0.0001, 1.0),
    ];
    let records = [record(Some("C8"), vec![cpu_device(), software], rows)];
    let resolved = workload(1.0, 1.0, Transfer::PerCall);
    let on = stage(&resolved, &records, "C8");
    assert_eq!(on.implementation, "cpu/openblas");
    close(on.device_s.median, 0.3);
    assert_eq!(stage(&resolved, &records, "G8").origin, Origin::Prior);
}

#[test]
fn a_gpu_whose_transfers_were_not_timed_is_not_measured() {
    let mut late = row("cuda:0", "cuda/tiled", "matmul a", 0.002, 1.0);
    late.times.end_to_end = None;
    late.times.pipelined = None;
    let records = [record(Some("G8"), vec![gpu_device()], vec![late])];
    let on = stage(&workload(1.0, 1.0, Transfer::PerCall), &records, "G8");
    // 1e6 bytes in and 2e6 out at 10 GB/s are predicted beside the kernel's time.
    assert_eq!(on.origin, Origin::Predicted);
    close(on.link_in_s.plus(&on.link_out_s).median, 3e-4);
}

#[test]
fn one_chip_seen_through_two_interfaces_counts_by_the_faster() {
    let vulkan = device("vulkan:0", DeviceKind::Gpu, "NVIDIA T100");
    let rows = vec![
        row("cuda:0", "cuda/tiled", "matmul a", 4.0, 1.0),
        row("vulkan:0", "vulkan/tiled", "matmul a", 1.0, 1.0),
    ];
    let records = [record(Some("G8"), vec![gpu_device(), vulkan], rows)];
    let on = stage(&workload(1.0, 1.0, Transfer::ConstantsResident), &records, "G8");
    assert_eq!((on.implementation.as_str(), on.device_s.median), ("vulkan/tiled", 1.0));
}

#[test]
fn a_measured_share_of_a_gpu_is_held_against_its_share_of_the_peak() {
    let mut catalog = catalog(1.0, 2.0);
    let mut quarter = gpu_sku("G8q", 0.5);
    quarter.gpu_count = Some(0.25);
    catalog.skus.push(quarter);
    // The roof of 1e9 operations is 1 ms on the whole and 4 ms on a quarter, which takes 8 ms of
    // kernel time: half its roof, so 2 ms for the whole, and 5 µs of launch.
    let records = [record(
        Some("G8q"),
        vec![gpu_device()],
        vec![row("cuda:0", "cuda/tiled", "matmul a", 0.016, 1.0)],
    )];
    let devices = evidence::devices(&records, &catalog);
    let resolved = workload(1.0, 1.0, Transfer::Resident);
    let sku = catalog.sku(None, "G8").expect("size");
    let on = job_on(&resolved, sku, &catalog, &devices).expect("job").stages.remove(0);
    assert_eq!(on.origin, Origin::Predicted);
    close(on.device_s.median, 0.002 + 5e-6);
}

#[test]
fn a_prediction_scales_the_roof_by_the_measured_efficiency() {
    // Measured: 8 cores · 1 GHz · 10 = 80 Gop/s, so a roof of 12.5 ms; 25 ms means e = 0.5.
    let records = [record(
        Some("other"),
        vec![cpu_device()],
        vec![row("cpu", "cpu/simd", "matmul a", 0.025, 1.0)],
    )];
    let resolved = workload(1.0, 1.0, Transfer::PerCall);
    let mut catalog = catalog(1.0, 2.0);
    catalog.skus[0].vcpus = 16;
    let devices = evidence::devices(&records, &catalog);
    let sixteen = job_on(&resolved, &catalog.skus[0], &catalog, &devices).expect("job");
    let on = &sixteen.stages[0];
    assert_eq!(on.origin, Origin::Predicted);
    // Twice the cores: roof 6.25 ms ÷ 0.5 = 12.5 ms, ×1.3 within the architecture and ×1.1 for
    // another run of the source: √(0.262364² + 0.095310²) = 0.279140; e^0.279140 = 1.321992.
    close(on.device_s.median, 0.0125);
    near(on.device_s.hi90, 0.0125 * 1.321_992, 1e-6);
    // Another architecture: never under ×2.
    catalog.cpus.push(crate::catalog::Cpu {
        model: "Other CPU".into(),
        architecture: "Otherarch".into(),
        ..cpu()
    });
    catalog.skus[0].cpu_model = Some("Other CPU".into());
    let devices = evidence::devices(&records, &catalog);
    let other = job_on(&resolved, &catalog.skus[0], &catalog, &devices).expect("job");
    // √(0.693147² + 0.095310²) = 0.699669; e^0.699669 = 2.013087.
    near(other.stages[0].device_s.hi90, 0.0125 * 2.013_087, 1e-6);
}

#[test]
fn an_unmeasured_gpu_pays_launch_and_link_taxes() {
    let resolved = workload(1.0, 1.0, Transfer::PerCall);
    let on = stage(&resolved, &[], "G8");
    assert_eq!(on.origin, Origin::Prior);
    // Roof: 1e9 ÷ 1e12 = 1 ms; efficiency 0.25 to 1 has its median at 0.5: 2 ms, plus 5 µs.
    close(on.device_s.median, 0.002 + 5e-6);
    close(on.device_s.hi90, 0.004 + 5e-6);
    // 1 MB in and 2 MB out at 10 GB/s.
    close(on.link_in_s.median, 1e-4);
    close(on.link_out_s.median, 2e-4);
    close(on.latency_s.median, 0.002 + 5e-6 + 3e-4);
    let on = stage(&workload(1.0, 1.0, Transfer::ConstantsResident), &[], "G8");
    close(on.link_in_s.median, 5e-5);
    let on = stage(&workload(1.0, 1.0, Transfer::Resident), &[], "G8");
    close(on.link_in_s.plus(&on.link_out_s).median, 0.0);
}

#[test]
fn bf16_on_a_chip_without_it_is_unsupported_not_slow() {
    let mut resolved = workload(1.0, 1.0, Transfer::PerCall);
    resolved.cases[0].as_mut().expect("case").work.op_kind = OpKind::Bf16;
    let catalog = catalog(1.0, 2.0);
    let obstacle = job_on(&resolved, &catalog.skus[1], &catalog, &[]).expect_err("no bf16");
    assert_eq!((obstacle.code, obstacle.infeasible), ("dtype-unsupported", true));
    assert!(job_on(&resolved, &catalog.skus[0], &catalog, &[]).is_ok(), "CPUs widen it to f32");
}

#[test]
fn tf32_has_a_peak_of_its_own_or_that_of_f32() {
    let mut resolved = workload(1.0, 1.0, Transfer::PerCall);
    resolved.cases[0].as_mut().expect("case").work.op_kind = OpKind::Tf32;
    let mut gpu = gpu();
    let ops_per_s = |gpu: &Gpu, share| peaks::Peaks::of_gpu(gpu, share).ops_per_s(OpKind::Tf32);
    assert_eq!(ops_per_s(&gpu, 0.5), Some(0.5e12));
    gpu.tf32_ops_per_s = Some(8e12);
    assert_eq!((ops_per_s(&gpu, 1.0), ops_per_s(&gpu, 0.5)), (Some(8e12), Some(4e12)));
    // Eight threads of 1 GHz with 10 operations a cycle.
    let catalog = catalog(1.0, 2.0);
    let cpu = peaks::Peaks::of_sku_cpu(&catalog.skus[0], &catalog).expect("a known CPU");
    assert_eq!(cpu.ops_per_s(OpKind::Tf32), Some(8e10));
    assert!(job_on(&resolved, &catalog.skus[1], &catalog, &[]).is_ok(), "f32 serves the T100");
}

#[test]
fn the_busiest_resource_sets_the_rate_unless_memory_does() {
    let records = measured_pair(0.4, 0.01, 1.0);
    let mut resolved = workload(10.0, 1.0, Transfer::ConstantsResident);
    resolved.workload.stages.push(Stage::Serial { serial_cpu_s: 4.0 });
    resolved.cases.push(None);
    // CPU: 10 · 0.4 + 4 / 8 = 4.5 s of all threads: 800 an hour.
    let (x, binding) = job(&resolved, &records, "C8").throughput();
    close(x.median, 800.0);
    assert_eq!(binding, Resource::Compute);
    // GPU: 0.1 s of GPU against 4 / 8 s of host threads: 7200 an hour, serial-bound.
    let gpu = job(&resolved, &records, "G8");
    let (x, binding) = gpu.throughput();
    close(x.median, 7200.0);
    assert_eq!(binding, Resource::Serial);
    // Latency: 10 · 0.02 + 4.
    close(gpu.latency().median, 4.2);
    // One job of 40 GiB at a time in 64: k/R = 1 / 4.2 s binds.
    resolved.workload.job.memory_gib = 40.0;
    let gpu = job(&resolved, &records, "G8");
    let (x, binding) = gpu.throughput();
    close(x.median, 3600.0 / 4.2);
    assert_eq!((binding, gpu.at_once), (Resource::MemoryCapacity, Some(1.0)));
    // 80 GiB do not fit.
    resolved.workload.job.memory_gib = 80.0;
    let catalog = catalog(1.0, 2.0);
    let obstacle = job_on(&resolved, &catalog.skus[0], &catalog, &[]).expect_err("too big");
    assert_eq!((obstacle.code, obstacle.infeasible), ("does-not-fit-memory", true));
}

#[test]
fn jobs_differ_less_the_more_calls_they_make() {
    let mut uneven = row("cpu", "cpu/simd", "matmul a", 0.4, 1.0);
    // Samples of 4 calls that deviate by 5 %: one call deviates by 10 %, (0.1)² = 0.01.
    let time = uneven.times.end_to_end.as_mut().expect("time");
    (time.stdev_s, time.iterations_per_sample) = (0.05 * time.mean_s, 4);
    let records = [record(Some("C8"), vec![cpu_device()], vec![uneven])];
    let scatter = |calls: f64| {
        let job = job(&workload(calls, 1.0, Transfer::PerCall), &records, "C8");
        job.scatter(Level::Mid, job.latency().median)
    };
    close(scatter(1.0), 0.01);
    close(scatter(25.0), 0.01 / 25.0);
}

#[test]
fn aks_keeps_memory_for_itself() {
    // A quarter of 8 GiB is less than 2250 MiB; 100 MiB are the eviction threshold.
    close(allocatable_gib(8.0), 8.0 - 2.0 - 100.0 / 1024.0);
    close(allocatable_gib(64.0), 64.0 - 2250.0 / 1024.0 - 100.0 / 1024.0);
}

#[test]
fn several_gpus_work_side_by_side_and_shares_are_slower() {
    let mut catalog = catalog(1.0, 2.0);
    let resolved = workload(1.0, 1.0, Transfer::Resident);
    let one = job_on(&resolved, &catalog.skus[1], &catalog, &[]).expect("job");
    catalog.skus[1].gpu_count = Some(4.0);
    let four = job_on(&resolved, &catalog.skus[1], &catalog, &[]).expect("job");
    close(four.throughput().0.median, 4.0 * one.throughput().0.median);
    close(four.latency().median, one.latency().median);
    catalog.skus[1].gpu_count = Some(0.5);
    let half = job_on(&resolved, &catalog.skus[1], &catalog, &[]).expect("job");
    // Kernel twice as long, launch not: 4 ms + 5 µs.
    close(half.latency().median, 0.004 + 5e-6);
    catalog.skus[1].gpu_count = None;
    let unknown = job_on(&resolved, &catalog.skus[1], &catalog, &[]).expect_err("no share");
    assert!(!unknown.infeasible);
}

#[test]
fn observed_names_find_the_catalog_model() {
    let catalog = Catalog::embedded().expect("catalog");
    let gpu = |name: &str, gib: u64| {
        peaks::gpu_by_name(name, Some(gib << 30), &catalog).map(|g| g.model.clone())
    };
    for (name, gib, model) in [
        ("Tesla T4", 15, "T4"),
        ("NVIDIA A10G", 22, "A10G"),
        ("NVIDIA A100 80GB PCIe", 80, "A100-PCIE-80GB"),
        ("NVIDIA A100-SXM4-40GB", 40, "A100-SXM4-40GB"),
        ("NVIDIA H100 80GB HBM3", 80, "H100-SXM5-80GB"),
        ("NVIDIA H100 NVL", 94, "H100-NVL-94GB"),
        ("NVIDIA H200", 140, "H200-SXM-141GB"),
        ("NVIDIA L4", 22, "L4"),
        ("NVIDIA A100 80GB PCIe MIG 1g.10gb", 9, "A100-PCIE-80GB 1g.10gb"),
        ("NVIDIA H100 80GB HBM3 MIG 3g.40gb", 39, "H100-SXM5-80GB 3g.40gb"),
    ] {
        assert_eq!(gpu(name, gib).as_deref(), Some(model), "{name}");
    }
    assert_eq!(gpu("NVIDIA GeForce RTX 3080", 10), None);
    assert_eq!(gpu("NVIDIA A100 80GB PCIe MIG 9g.99gb", 99), None, "no such way to cut it");
    let mut env = record(None, vec![], vec![]).header.env;
    env.cpu.model = Some("AMD EPYC 9V74 80-Core Processor".into());
    let cpu = |env: &crate::record::Environment| {
        peaks::Peaks::of_measured_cpu(&cpu_device(), env, &catalog).architecture
    };
    assert_eq!(cpu(&env), "zen4");
    env.cpu.model = Some("AMD EPYC".into());
    env.cpu.microarchitecture = Some("zen4".into());
    assert_eq!(cpu(&env), "zen4");
    env.cpu.microarchitecture = None;
    assert_eq!(cpu(&env), "", "an unknown CPU is of no architecture");
}

proptest! {
    #[test]
    fn seconds_and_rates_cancel(scale in 0.001..1000.0f64) {
        // A node twice as fast at twice the price costs the same a job at full load.
        let one = money::usd_per_job_full_load(3.0, 50.0);
        let other = money::usd_per_job_full_load(3.0 * scale, 50.0 * scale);
        prop_assert!((one / other - 1.0).abs() < 1e-12);
    }

    #[test]
    fn slower_levels_never_do_more_jobs(t in 1e-4..10.0f64, factor in 1.0..5.0f64) {
        let job = job(&workload(3.0, 1.0, Transfer::PerCall), &measured_pair(t, t, factor), "C8");
        let rate = |l| job.jobs_per_h(&job.usage(l, Level::Mid)).0;
        prop_assert!(rate(Level::Hi) <= rate(Level::Mid) && rate(Level::Mid) <= rate(Level::Lo));
    }

    #[test]
    fn widening_widens(median in 1e-6..1e6f64, a in 1.0..9.0f64, b in 1.0..9.0f64) {
        let e = Estimate::within(median, a);
        let w = e.widened(b);
        prop_assert!(w.lo90 <= e.lo90 * (1.0 + 1e-12) && w.hi90 >= e.hi90 * (1.0 - 1e-12));
    }
}
