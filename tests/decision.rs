//! The decision from files to verdict, through the real program: records and prices made by hand
//! with round figures, and every expected number worked out beside it.

use std::path::{Path, PathBuf};

use assert_cmd::Command;
use breakeven::record::{
    CpuEnv, DeviceEnv, Environment, Footer, Header, HostState, OneOffCosts, Record, Row, Status,
    Time, Times, Writer,
};
use breakeven::suite::FolderFiles;
use breakeven::{plan, workload};
use breakeven_kernels::work::{DeviceInfo, DeviceKind};
use serde_json::Value;

/// 8 threads on 4 cores, 32 GiB.
const CPU: &str = "Standard_D8s_v5";
/// One T4 of 16 GiB, 4 threads, 28 GiB.
const T4: &str = "Standard_NC4as_T4_v3";

/// One H100 of 94 GiB, 40 threads, 320 GiB.
const H100: &str = "Standard_NC40ads_H100_v5";
/// A region that only our prices know, so that no other size has a price.
const REGION: &str = "testland";

/// A folder of the test's own with records and prices.
struct Desk {
    folder: tempfile::TempDir,
}

/// Seconds of one call: throughput and latency.
#[derive(Clone, Copy)]
struct Call {
    pipelined_s: f64,
    end_to_end_s: f64,
}

impl Desk {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder") }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes the prices: (size, kind, USD an hour).
    fn prices(&self, name: &str, prices: &[(&str, &str, f64)]) {
        let mut text = "provider,name,region,kind,price_usd_per_h,as_of,source\n".to_owned();
        for (size, kind, usd) in prices {
            text += &format!("azure,{size},{REGION},{kind},{usd},2026-11-01,made by hand\n");
        }
        std::fs::write(self.path().join(name), text).expect("prices");
    }

    /// Writes a record of the workload's only case on `size`.
    fn record(&self, size: &str, toml: &str, call: Call) {
        let row = row(toml, size, call);
        let path = self.path().join(format!("{size}.jsonl"));
        let header = Header::new("by-hand", 1, Vec::new(), environment(size));
        let mut writer = Writer::create(&path, &header).expect("a record");
        writer.row(&row).expect("a row");
        writer.finish(&Footer::new(1, None)).expect("a footer");
        let read: Record = breakeven::record::read(&path).expect("a readable record");
        assert_eq!(read.rows.len(), 1);
    }

    /// The standard pair: ten calls a job, 1 s on the CPU size and 0.1 s on the T4, where one job
    /// alone takes 1 s from start to end as well.
    fn pair(&self) {
        self.record(CPU, &images(1.0, ""), Call { pipelined_s: 0.1, end_to_end_s: 0.1 });
        self.record(T4, &images(1.0, ""), Call { pipelined_s: 0.01, end_to_end_s: 0.1 });
        self.prices("prices.csv", &[(CPU, "ondemand", 0.5), (T4, "ondemand", 2.24)]);
    }

    /// Runs `classify` on a workload of this text.
    fn classify(&self, toml: &str, arguments: &[&str]) -> std::process::Output {
        let file = self.path().join("images.toml");
        std::fs::write(&file, toml).expect("a workload");
        self.program()
            .args(["classify", "images.toml", "--records", ".", "--region", REGION])
            .args(["--prices", "prices.csv"])
            .args(arguments)
            .output()
            .expect("the program starts")
    }

    fn program(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_breakeven"));
        // Prices that somebody refreshed on this machine must not change what is tested.
        command.current_dir(self.path()).env("XDG_DATA_HOME", self.path());
        command
    }

    /// The verdict, as JSON.
    fn verdict(&self, toml: &str, arguments: &[&str]) -> Value {
        let arguments = [arguments, &["--format", "json"]].concat();
        let output = self.classify(toml, &arguments);
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{errors}");
        one_verdict(&text)
    }

    /// What a person reads.
    fn text(&self, toml: &str, arguments: &[&str]) -> String {
        String::from_utf8(self.classify(toml, arguments).stdout).expect("UTF-8")
    }
}

fn one_verdict(text: &str) -> Value {
    let value: Value = serde_json::from_str(text).expect("JSON");
    value["verdicts"][0].clone()
}

/// Image inference: ten calls of one convolution a job. `more` goes to the end of the file.
fn images(jobs_per_day: f64, more: &str) -> String {
    format!(
        "name = \"images\"\n[[stage]]\nfamily = \"convolution\"\nbatch = 8\nc_in = 128\n\
         height = 28\nwidth = 28\nc_out = 128\nkernel = 3\npadding = 1\ncalls = 10\n\
         transfer = \"constants-resident\"\n[demand]\njobs_per_day = {jobs_per_day}\n{more}"
    )
}

/// A device as the program would find it on `size`.
fn device(size: &str) -> DeviceInfo {
    let gpu = match size {
        CPU => None,
        T4 => Some(("Tesla T4", 15 << 30)),
        _ => Some(("NVIDIA H100 NVL", 93 << 30)),
    };
    DeviceInfo {
        id: if gpu.is_some() { "cuda:0" } else { "cpu" }.into(),
        backend: if gpu.is_some() { "cuda" } else { "cpu" }.into(),
        kind: if gpu.is_some() { DeviceKind::Gpu } else { DeviceKind::Cpu },
        name: gpu.map_or("Intel Xeon Platinum 8370C", |(name, _)| name).into(),
        vendor: None,
        architecture: None,
        driver: None,
        memory_bytes: gpu.map(|(_, bytes)| bytes),
        threads: gpu.is_none().then_some(8),
        cores: gpu.is_none().then_some(4),
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

fn environment(size: &str) -> Environment {
    let model = match size {
        CPU => "Intel Xeon Platinum 8370C",
        T4 => "AMD EPYC 7V12",
        _ => "AMD EPYC 9V84",
    };
    Environment {
        os: None,
        kernel: None,
        arch: "x86_64".into(),
        virtualization: None,
        provider: Some("azure".into()),
        sku: Some(size.into()),
        sku_source: Some("flag".into()),
        region: None,
        node: None,
        cpu: CpuEnv {
            model: Some(model.into()),
            threads: (size == CPU).then_some(8),
            cores: (size == CPU).then_some(4),
            threads_per_core: (size == CPU).then_some(2),
            ..CpuEnv::default()
        },
        memory_bytes: None,
        state: HostState::default(),
        devices: vec![DeviceEnv { info: device(size), env_key: size.into() }],
        unknown: Vec::new(),
    }
}

/// The workload's first case, verified, timed without any scatter.
fn row(toml: &str, size: &str, call: Call) -> Row {
    let workload = workload::parse(toml, "images", "images.toml").expect("a workload");
    let files = FolderFiles::new(Vec::<PathBuf>::new());
    let resolved = plan::resolve(&workload, &files).expect("its case");
    let case = resolved.cases[0].clone().expect("a compute stage");
    let device = device(size);
    let cpu = device.kind == DeviceKind::Cpu;
    Row {
        family: "convolution".into(),
        case_key: case.case_key,
        series: None,
        implementation: if cpu { "cpu/simd" } else { "cuda/implicit-gemm" }.into(),
        device: device.id,
        status: Status::Ok,
        reason: None,
        work: case.work,
        check: None,
        times: Times {
            kernel_cold: None,
            kernel_warm: Some(time(call.pipelined_s)),
            end_to_end: Some(time(call.end_to_end_s)),
            pipelined: Some(time(call.pipelined_s)),
        },
        one_off: OneOffCosts::default(),
        tuning: None,
        launches: 1,
        host_cpu_s: Some(0.0),
        energy_j: None,
        clock_hz: [None, None],
        temperature_c: [None, None],
        peak_memory_bytes: None,
        process: None,
        quality: None,
        unknown: Vec::new(),
    }
}

fn time(median_s: f64) -> Time {
    Time {
        timer: "wall".into(),
        iterations_per_sample: 1,
        depth: 1,
        warmup_runs: 1,
        samples_s: vec![median_s; 3],
        samples_left: 0,
        median_s,
        ci95_lo_s: median_s,
        ci95_hi_s: median_s,
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

/// One job's needs, small enough to limit nobody.
const SMALL: &str = "[job]\nmemory_gib = 1\ngpu_memory_gib = 0.5\n";

/// A number as the text shows it.
fn grouped(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn row_of<'v>(verdict: &'v Value, size: &str) -> &'v Value {
    let ranking = verdict["ranking"].as_array().expect("a ranking");
    ranking.iter().find(|row| row["sku"] == size).unwrap_or_else(|| panic!("{size} is ranked"))
}

fn codes(row: &Value) -> Vec<&str> {
    let reasons = row["reasons"].as_array().expect("reasons");
    reasons.iter().filter_map(|reason| reason["code"].as_str()).collect()
}

#[test]
fn image_inference_flips_from_cpu_to_gpu_at_the_demand_that_was_printed() {
    let desk = Desk::new();
    desk.pair();
    // The CPU size does 3,600 jobs an hour, 2,520 at 70 %; the T4 36,000 and 25,200. Four CPU
    // nodes, $2.00 an hour, do 10,080 jobs an hour or 241,920 a day; the fifth makes $2.50, and
    // one T4 is $2.24. So the first demand at which the GPU is cheaper is 241,921 jobs a day.
    let verdict = desk.verdict(&images(100_000.0, SMALL), &[]);
    let turn = verdict["break_even"]["last_crossing_jobs_per_day"].as_f64().expect("a crossing");
    assert_eq!(turn, 241_921.0);
    let text = desk.text(&images(100_000.0, SMALL), &[]);
    assert!(text.contains(&grouped(turn)), "the demand is printed: {text}");

    let said = |jobs: f64, what: &str| {
        let other = ["--jobs-per-day", &jobs.to_string()];
        let asked = desk.verdict(&images(100_000.0, SMALL), &other)[what].clone();
        let written = desk.verdict(&images(jobs, SMALL), &[])[what].clone();
        assert_eq!(asked, written, "{jobs}");
        asked
    };
    // By medians it turns there to the job; that nobody is sure of within what another run would
    // differ by (×1.1): a CPU slower by a hair needs the fifth node a job earlier.
    assert_eq!(said(turn - 1.0, "lean"), "cpu");
    assert_eq!(said(turn, "lean"), "gpu");
    assert_eq!(said(turn, "verdict"), "measure-first");
    // A quarter less or more and it is sure: $2.00 is 10.7 % under $2.24, and $2.24 is 10.4 % under
    // $2.50, both beyond the margin; ×1.1 either way changes no number of nodes against it.
    assert_eq!(said(turn / 1.25, "verdict"), "cpu");
    assert_eq!(said(turn * 1.25, "verdict"), "gpu");
    assert_eq!(said(turn / 10.0, "verdict"), "cpu");
    assert_eq!(said(turn * 10.0, "verdict"), "gpu");
}

#[test]
fn a_t4_against_an_h100_turns_on_price_alone_at_the_printed_price() {
    let desk = Desk::new();
    desk.pair();
    desk.record(H100, &images(1.0, ""), Call { pipelined_s: 0.002, end_to_end_s: 0.002 });
    let at = |usd: f64| {
        let prices = [(CPU, "ondemand", 0.5), (T4, "ondemand", 1.0), (H100, "ondemand", usd)];
        desk.prices("prices.csv", &prices);
        desk.verdict(&images(2.4e6, SMALL), &[])
    };
    // 100,000 jobs an hour: a T4 does 25,200 of them at 70 %, so four cost $4.00 an hour; an H100
    // does 126,000, so one costs $8.00. Forty CPU nodes are $20.
    let dear = at(8.0);
    assert_eq!((&dear["verdict"], &dear["best_gpu"]["sku"]), (&"gpu".into(), &T4.into()));
    let rival = &dear["break_even"]["rival_gpu"];
    assert_eq!(rival["sku"], H100);
    let turn = rival["chosen_below_usd_per_h"].as_f64().expect("a price");
    assert!((turn - 4.0).abs() < 1e-9, "{turn}");
    let text = desk.text(&images(2.4e6, SMALL), &[]);
    assert!(text.contains("would be chosen below $4.00 an hour; it costs $8.00"), "{text}");

    assert_eq!(at(turn + 0.01)["best_gpu"]["sku"], T4);
    assert_eq!(at(turn - 0.01)["best_gpu"]["sku"], H100);
}

#[test]
fn memory_for_one_job_only_turns_the_order() {
    let desk = Desk::new();
    desk.pair();
    // A million jobs a day are 41,667 an hour: 17 CPU nodes ($8.50 an hour) against 2 T4 ($4.48).
    let roomy = desk.verdict(&images(1e6, SMALL), &[]);
    assert_eq!(roomy["verdict"], "gpu");
    assert_eq!((&roomy["best_cpu"]["nodes"], &roomy["best_gpu"]["nodes"]), (&17.into(), &2.into()));
    // 20 GiB a job: one fits into 32 GiB and one into 28. A job alone takes 1 s on either, so
    // both do 3,600 an hour, and 17 nodes of $2.24 are $38.08.
    let tight = desk.verdict(&images(1e6, "[job]\nmemory_gib = 20\n"), &[]);
    assert_eq!(tight["verdict"], "cpu");
    assert_eq!(tight["best_gpu"]["jobs_at_once"], 1);
    assert_eq!(tight["best_gpu"]["nodes"], 17);
    assert!(codes(&tight["best_gpu"]).contains(&"memory-limits-concurrency"), "{tight}");
}

#[test]
fn unknown_spot_prices_of_cpu_sizes_are_no_win_for_the_gpu() {
    let desk = Desk::new();
    desk.pair();
    let prices = [(CPU, "ondemand", 0.5), (T4, "ondemand", 2.24), (T4, "spot", 0.01)];
    desk.prices("prices.csv", &prices);
    let toml = images(1e6, SMALL);
    assert_eq!(desk.verdict(&toml, &[])["verdict"], "gpu");
    let spot = desk.verdict(&toml, &["--price-kind", "spot"]);
    assert_eq!(spot["verdict"], "measure-first");
    assert_eq!(spot["best_cpu"], Value::Null);
    assert!(spot["best_gpu"]["usd_per_month"]["median"].as_f64().expect("a cost") > 0.0);
    assert!(codes(row_of(&spot, CPU)).contains(&"price-unknown"));
    let text = desk.text(&toml, &["--price-kind", "spot"]);
    assert!(text.contains("price-unknown") && text.contains("no spot price"), "{text}");
}

#[test]
fn no_jobs_cost_nothing_each_and_still_money_a_month() {
    let desk = Desk::new();
    desk.pair();
    let verdict = desk.verdict(&images(0.0, SMALL), &[]);
    for side in ["best_cpu", "best_gpu"] {
        assert_eq!(verdict[side]["usd_per_job"], Value::Null, "{side}");
        let month = verdict[side]["usd_per_month"]["median"].as_f64().expect("money a month");
        let price = verdict[side]["price_usd_per_h"].as_f64().expect("a price");
        // One node all month: 30.4 days of 24 hours.
        assert!((month - 30.4 * 24.0 * price).abs() < 1e-6, "{side}: {month}");
    }
    assert_ne!(verdict["verdict"], "gpu");
}

#[test]
fn a_limit_that_no_cpu_size_meets_makes_it_gpu() {
    let desk = Desk::new();
    desk.pair();
    // 10,000 s a job on 8 threads: no size has ten thousand times as many. 1 s on the T4.
    desk.record(CPU, &images(1.0, ""), Call { pipelined_s: 1000.0, end_to_end_s: 1000.0 });
    let limits = ["latency_slo_s = 5\n", "deadline_s = 5\n"];
    for limit in limits {
        let verdict = desk.verdict(&images(100.0, &format!("{limit}{SMALL}")), &[]);
        assert_eq!(verdict["verdict"], "gpu", "{limit}: {}", verdict["headline"]);
        let why = codes(row_of(&verdict, CPU));
        assert!(why[0].starts_with("misses-"), "{limit}: {why:?}");
    }
}

#[test]
fn a_workload_that_needs_nvenc_rejects_gpus_without_it() {
    let desk = Desk::new();
    let arguments = ["classify", "video-delivery", "--format", "json"];
    let output = desk.program().args(arguments).output().expect("the program starts");
    let verdict = one_verdict(&String::from_utf8(output.stdout).expect("UTF-8"));
    let mut rejected = 0;
    for row in verdict["ranking"].as_array().expect("a ranking") {
        let device = row["device"].as_str().expect("a device");
        let engineless = ["A100", "H100", "H200"].iter().any(|chip| device.contains(chip));
        if engineless || row["side"] == "cpu" {
            assert_eq!(row["eligible"], false, "{row}");
            assert_eq!(codes(row)[0], "needs-encoder-engine", "{row}");
            rejected += usize::from(engineless);
        }
    }
    // A100: NC of 1, 2 and 4, ND, NDm; H100: NC of 1 and 2, NCC, ND; H200: ND.
    assert!(rejected >= 10, "{rejected}");
    assert_eq!(row_of(&verdict, T4)["eligible"], true);
    assert_eq!(verdict["best_cpu"], Value::Null);
    assert_eq!(verdict["verdict"], "gpu", "{}", verdict["headline"]);
}

#[test]
fn a_retired_size_is_named_as_such_however_cheap() {
    let desk = Desk::new();
    desk.pair();
    let retired = "Standard_NC6s_v3";
    let elsewhere = "Standard_NV4as_v4";
    let prices = [
        (CPU, "ondemand", 0.5),
        (T4, "ondemand", 2.24),
        (retired, "ondemand", 0.01),
        (elsewhere, "ondemand", 0.01),
    ];
    desk.prices("prices.csv", &prices);
    let verdict = desk.verdict(&images(1e6, SMALL), &[]);
    assert_eq!(verdict["best_gpu"]["sku"], T4);
    for (size, code) in [(retired, "sku-retired"), (elsewhere, "sku-not-supported-on-aks")] {
        let row = row_of(&verdict, size);
        assert_eq!(row["eligible"], false, "{row}");
        assert!(codes(row).contains(&code), "{row}");
    }
    assert_eq!(codes(row_of(&verdict, retired))[0], "sku-retired");
    // Whoever runs on it today is told.
    let today = format!("{SMALL}[today]\nsku = \"{retired}\"\nnodes = 2\n");
    let text = desk.text(&images(1e6, &today), &[]);
    assert!(text.contains("Today's 2 × Standard_NC6s_v3 cost $14.59 a month; it could"), "{text}");
    let explained = desk.text(&images(1e6, SMALL), &["--explain"]);
    let line = explained.lines().find(|line| line.contains("sku-retired")).expect("a line");
    assert!(line.contains(retired) && line.contains("retired this size on"), "{line}");
}
