//! Small records, sizes and workloads for tests, with round figures.

use breakeven_kernels::params::Params;
use breakeven_kernels::work::{DeviceInfo, DeviceKind, OpKind, Work};

use crate::catalog::{self, Aks, Catalog, Cpu, Gpu, Os, Price, PriceKind, Sku, WindowsNodes};
use crate::record::{
    CpuEnv, DeviceEnv, Environment, Header, HostState, OneOffCosts, Record, Row, Run, Schema,
    Series, Status, Time, Times,
};
use crate::workload::{
    ComputeStage, Demand, JobNeeds, NodeNeeds, ResolvedWorkload, Stage, StageCase, Transfer,
    Workload,
};

/// 1e9 f32 operations on 1e6 bytes, 1e6 bytes in (half of them constant), 2e6 out.
pub fn work() -> Work {
    Work {
        op_kind: OpKind::F32,
        ops: 1e9,
        bytes_touched: 1e6,
        bytes_in: 1e6,
        bytes_constant: 5e5,
        bytes_out: 2e6,
        useful: 1e9,
        useful_unit: "FLOP".into(),
        items: 1.0,
        item_unit: "product".into(),
    }
}

/// A CPU of 1 GHz with 10 operations a cycle.
pub fn cpu() -> Cpu {
    Cpu {
        model: "Test CPU".into(),
        architecture: "Testarch".into(),
        vendor: "Tester".into(),
        clock_hz: 1e9,
        clock_estimated: false,
        simd: "avx2".into(),
        f32_ops_per_cycle: 10.0,
        socket_bytes_per_s: Some(100e9),
        socket_cores: Some(64),
        source: "test".into(),
    }
}

/// A GPU of 1 Tflop/s, 100 GB/s and a link of 10 GB/s.
pub fn gpu() -> Gpu {
    Gpu {
        model: "T100".into(),
        vendor: "NVIDIA".into(),
        architecture: "Testgpu".into(),
        memory_gib: Some(16.0),
        memory_bytes_per_s: Some(100e9),
        f32_ops_per_s: Some(1e12),
        tf32_ops_per_s: Some(1e12),
        bf16_ops_per_s: None,
        bf16_absent: true,
        int16_ops_per_s: Some(1e12),
        int32_ops_per_s: Some(5e11),
        link_bytes_per_s: Some(10e9),
        nvenc_engines: Some(0),
        nvdec_engines: Some(1),
        instance_of: None,
        source: "test".into(),
    }
}

fn sku(name: &str, usd: f64) -> Sku {
    Sku {
        provider: "azure".into(),
        name: name.into(),
        family: "Test".into(),
        vcpus: 8,
        threads_per_core: Some(1),
        memory_gib: Some(64.0),
        cpu_model: Some("Test CPU".into()),
        cpu_seen_on: None,
        other_cpu_models: Vec::new(),
        gpu_model: None,
        gpu_count: None,
        gpu_memory_gib_each: None,
        memory_bytes_per_s: None,
        link_in_bytes_per_s: None,
        link_out_bytes_per_s: None,
        status: catalog::Status::Active,
        retires_on: None,
        aks: Aks::Supported,
        windows: Some(WindowsNodes::Yes),
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

/// A CPU size of 8 cores.
pub fn cpu_sku(name: &str, usd: f64) -> Sku {
    sku(name, usd)
}

/// A GPU size of 8 cores and one GPU.
pub fn gpu_sku(name: &str, usd: f64) -> Sku {
    Sku {
        gpu_model: Some("T100".into()),
        gpu_count: Some(1.0),
        gpu_memory_gib_each: Some(16.0),
        ..sku(name, usd)
    }
}

/// One CPU size and one GPU size at these prices.
pub fn catalog(cpu_usd: f64, gpu_usd: f64) -> Catalog {
    Catalog {
        skus: vec![cpu_sku("C8", cpu_usd), gpu_sku("G8", gpu_usd)],
        gpus: vec![gpu()],
        cpus: vec![cpu()],
        mig: Vec::new(),
    }
}

/// A workload of one stage: `calls` of the case `matmul a`.
pub fn workload(calls: f64, jobs_per_day: f64, transfer: Transfer) -> ResolvedWorkload {
    ResolvedWorkload {
        workload: Workload {
            name: "test".into(),
            given_as: "my/test.toml".into(),
            summary: "a test".into(),
            hangs_on: String::new(),
            stages: vec![Stage::Compute(ComputeStage {
                family: "matmul".into(),
                params: Params::default(),
                calls,
                transfer,
                gpus_per_job: 1.0,
            })],
            demand: Demand::steady(jobs_per_day),
            job: JobNeeds::default(),
            node: NodeNeeds { os: "linux".into(), ..NodeNeeds::default() },
            today: None,
        },
        cases: vec![Some(StageCase {
            case_key: "matmul a".into(),
            series: Vec::new(),
            work: work(),
            device_bytes: 0,
            host_bytes: 0,
            gpu_refusal: None,
        })],
    }
}

/// A time of `median_s` with an interval of `factor` either way.
pub fn time(median_s: f64, factor: f64) -> Time {
    Time {
        timer: "wall".into(),
        iterations_per_sample: 1,
        depth: 1,
        warmup_runs: 1,
        samples_s: vec![median_s],
        samples_left: 0,
        median_s,
        ci95_lo_s: median_s / factor,
        ci95_hi_s: median_s * factor,
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

/// A verified row: pipelined `t`, end to end `2 t`, kernel `t / 2`, all within `factor`.
pub fn row(device: &str, implementation: &str, case_key: &str, t: f64, factor: f64) -> Row {
    Row {
        family: "matmul".into(),
        case_key: case_key.into(),
        series: None,
        implementation: implementation.into(),
        device: device.into(),
        status: Status::Ok,
        reason: None,
        work: work(),
        check: None,
        times: Times {
            kernel_cold: None,
            kernel_warm: Some(time(t / 2.0, factor)),
            end_to_end: Some(time(2.0 * t, factor)),
            pipelined: Some(time(t, factor)),
        },
        one_off: OneOffCosts::default(),
        tuning: None,
        launches: 1,
        host_cpu_s: Some(0.0),
        energy_j: None,
        clock_hz: [Some(1e9), Some(1e9)],
        temperature_c: [None, None],
        peak_memory_bytes: None,
        process: None,
        quality: None,
        unknown: Vec::new(),
    }
}

/// `row` as a member of the series `matmul x` along `n`.
pub fn along(device: &str, n: f64, t: f64) -> Row {
    let series = Series { key: "matmul x".into(), axis: "n".into(), value: n };
    let mut row = row(device, "cpu/simd", &format!("matmul n={n}"), t, 1.0);
    row.series = Some(series);
    row.work.items = n;
    row
}

/// A CPU device of 8 threads on 8 cores.
pub fn cpu_device() -> DeviceInfo {
    device("cpu", DeviceKind::Cpu, "Test CPU")
}

/// The GPU of the catalog.
pub fn gpu_device() -> DeviceInfo {
    device("cuda:0", DeviceKind::Gpu, "NVIDIA T100")
}

/// A device of any kind.
pub fn device(id: &str, kind: DeviceKind, name: &str) -> DeviceInfo {
    let cpu = kind == DeviceKind::Cpu;
    DeviceInfo {
        id: id.into(),
        backend: id.split(':').next().unwrap_or(id).into(),
        kind,
        name: name.into(),
        vendor: None,
        architecture: None,
        driver: None,
        memory_bytes: None,
        threads: cpu.then_some(8),
        cores: cpu.then_some(8),
        compute_units: None,
        compute_capability: None,
        cache_bytes: None,
        languages: Vec::new(),
        libraries: Vec::new(),
        features: Vec::new(),
        max_workgroup_invocations: None,
        max_shared_bytes: None,
        max_buffer_bytes: None,
    }
}

/// A record of `rows` on `sku` with these devices.
pub fn record(sku: Option<&str>, devices: Vec<DeviceInfo>, rows: Vec<Row>) -> Record {
    Record {
        header: Header {
            schema: Schema { name: "breakeven-record".into(), major: 1, minor: 0 },
            run: Run {
                id: "0".into(),
                started_at: "2026-11-22T00:00:00Z".into(),
                tool_version: "0".into(),
                tool_commit: None,
                tool_dirty: None,
                argv: Vec::new(),
                suite: "test".into(),
                seed: 0,
            },
            env: Environment {
                os: None,
                kernel: None,
                arch: "x86_64".into(),
                virtualization: None,
                provider: sku.map(|_| "azure".into()),
                sku: sku.map(str::to_owned),
                sku_source: None,
                region: None,
                node: None,
                cpu: CpuEnv { model: Some("Test CPU".into()), ..CpuEnv::default() },
                memory_bytes: None,
                state: HostState::default(),
                devices: devices
                    .into_iter()
                    .map(|info| DeviceEnv { info, env_key: String::new() })
                    .collect(),
                unknown: Vec::new(),
            },
        },
        rows,
        footer: None,
    }
}

/// Two records: the case takes `cpu_s` on C8 and `gpu_s` on G8, each within `factor`.
pub fn measured_pair(cpu_s: f64, gpu_s: f64, factor: f64) -> Vec<Record> {
    vec![
        record(
            Some("C8"),
            vec![cpu_device()],
            vec![row("cpu", "cpu/simd", "matmul a", cpu_s, factor)],
        ),
        record(
            Some("G8"),
            vec![gpu_device()],
            vec![row("cuda:0", "cuda/tiled", "matmul a", gpu_s, factor)],
        ),
    ]
}
