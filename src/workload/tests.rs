//! The grammar as a user meets it.

use breakeven_kernels::params::Value;

use super::*;

const GOOD: &str = r#"
name = "reads"
summary = "short reads"
[[stage]]
family = "alignment"
mode = "local"
input = { pairs = 2000, query = 150 }
calls = 40
transfer = "constants-resident"
[[stage]]
serial_cpu_s = 12
[[stage]]
io_bytes = 5_000_000
[demand]
jobs_per_day = 2000
pattern = "steady"
[job]
memory_gib = 16
"#;

fn message(text: &str) -> String {
    parse(text, "stem", "file.toml").expect_err("must be refused").to_string()
}

#[test]
fn a_whole_workload_is_read() {
    let workload = parse(GOOD, "stem", "file.toml").expect("good workload");
    assert_eq!(workload.name, "reads");
    assert_eq!(workload.demand, Demand::steady(2000.0));
    assert_eq!((workload.today, workload.node.min_nodes), (None, None));
    assert_eq!(workload.job.memory_gib, 16.0);
    let Stage::Compute(stage) = &workload.stages[0] else { panic!("first stage computes") };
    assert_eq!((stage.calls, stage.transfer), (40.0, Transfer::ConstantsResident));
    let Some(Value::Table(input)) = stage.params.get("input") else { panic!("input table") };
    assert_eq!(input.get("pairs"), Some(&Value::Int(2000)));
    assert_eq!(stage.params.get("calls"), None, "calls are not part of the case");
    assert_eq!(workload.stages[1], Stage::Serial { serial_cpu_s: 12.0 });
    assert_eq!(workload.stages[2], Stage::Io { io_bytes: 5e6, io_bytes_per_s: None });
}

#[test]
fn bad_input_names_field_value_and_next_step() {
    let cases = [
        ("calls = 40", "calls = 0", "stage 1: calls = 0: must be above 0"),
        ("calls = 40", "calls = 1e300", "calls = 1e300: must be above 0, from 1e-6 to 1e16"),
        ("jobs_per_day = 2000", "jobs_per_day = 1e-300", "0, or from 1e-6 to 1e15"),
        ("calls = 40", "calls = -3", "must be above 0"),
        ("serial_cpu_s = 12", "serial_cpu_s = -1", "stage 2: serial_cpu_s = -1"),
        (
            "pattern = \"steady\"",
            "pattern = \"burst\"",
            "must be steady, batch (with window_h), bursty",
        ),
        (
            "pattern = \"steady\"",
            "peak_factor = 3",
            "peak_factor = 3: belongs to pattern = \"bursty\", and the pattern is steady",
        ),
        ("jobs_per_day = 2000", "jobs_per_dya = 2000", "did you mean `jobs_per_day`?"),
        ("jobs_per_day = 2000", "jobs_per_day = -1", "must be 0 or more"),
        ("memory_gib = 16", "memory_gb = 16", "did you mean `memory_gib`?"),
        ("family = \"alignment\"", "famly = \"alignment\"", "did you mean `family`?"),
        ("mode = \"local\"", "mode = [\"local\", \"global\"]", "a stage is one case"),
        ("constants-resident", "constant-resident", "must be per-call, constants-resident"),
    ];
    for (from, to, expected) in cases {
        let text = GOOD.replace(from, to);
        assert_ne!(text, GOOD, "{from} must occur");
        let message = message(&text);
        assert!(message.contains("file.toml") && message.contains(expected), "{to}: {message}");
    }
    assert!(message("name = \"x\"\n[demand]\njobs_per_day = 1").contains("[[stage]]"));
    assert!(message("name = ").contains("file.toml"));
}

#[test]
fn every_built_in_workload_parses_and_says_what_it_is() {
    for (name, text) in BUILT_IN {
        let workload = parse(text, name, name).expect("built-in workload");
        assert_eq!(&workload.name, name);
        assert!(!workload.summary.is_empty(), "{name} has a summary");
        assert!(!workload.hangs_on.is_empty(), "{name} says what its verdict hangs on");
        assert!(text.starts_with("# Stands for: "), "{name} says what it stands for");
    }
}

/// `GOOD` with its pattern replaced.
fn demand(lines: &str) -> Result<Demand, WorkloadError> {
    parse(&GOOD.replace("pattern = \"steady\"", lines), "stem", "file.toml").map(|w| w.demand)
}

fn segments(lines: &str) -> Vec<(f64, f64)> {
    let demand = demand(lines).expect("good demand");
    let day = demand.pattern.segments();
    let shares: f64 = day.iter().map(|s| s.share).sum();
    let hours: f64 = day.iter().map(|s| s.hours).sum();
    assert!((shares - 1.0).abs() < 1e-12 && (hours - 24.0).abs() < 1e-12, "{day:?}");
    day.iter().map(|s| (s.hours, s.share * demand.jobs_per_day / s.hours)).collect()
}

#[test]
fn every_pattern_spreads_the_day_s_jobs() {
    // 2000 jobs a day: (hours, jobs an hour).
    assert_eq!(segments("pattern = \"steady\""), [(24.0, 2000.0 / 24.0)]);
    assert_eq!(segments("pattern = \"batch\"\nwindow_h = 4"), [(4.0, 500.0), (20.0, 0.0)]);
    assert_eq!(segments("pattern = \"batch\"\nwindow_h = 24"), [(24.0, 2000.0 / 24.0)]);
    // 4 hours at 5 times the rate of 20 others: 2000 ÷ (4 · 5 + 20) = 50 an hour, 250 at the peak.
    let bursty = segments("pattern = \"bursty\"\npeak_factor = 5\npeak_h_per_day = 4");
    for ((hours, rate), (h, r)) in bursty.iter().zip([(4.0, 250.0), (20.0, 50.0)]) {
        assert!(*hours == h && (rate - r).abs() < 1e-9, "{bursty:?}");
    }
    // Rates that add up to 100, scaled to 2000 a day: 20 times each.
    let rates: Vec<String> = (0..24).map(|h| if h < 10 { "10" } else { "0" }.into()).collect();
    let hourly = segments(&format!("hourly = [{}]", rates.join(", ")));
    assert_eq!(hourly.len(), 24);
    assert!((hourly[9].1 - 200.0).abs() < 1e-9 && hourly[10].1 == 0.0, "{hourly:?}");
}

#[test]
fn hourly_rates_alone_add_up_to_the_day() {
    let text = GOOD.replace("pattern = \"steady\"", "hourly = [2.5, REST]");
    let text = text.replace("REST", &["1"; 23].join(", ")).replace("jobs_per_day = 2000\n", "");
    let demand = parse(&text, "stem", "file.toml").expect("good").demand;
    assert!((demand.jobs_per_day - 25.5).abs() < 1e-12);
    // No jobs at all is an idle node, not an error.
    let text = text.replace("2.5", "0").replace(", 1", ", 0");
    assert_eq!(parse(&text, "stem", "file.toml").expect("idle").demand.jobs_per_day, 0.0);
}

#[test]
fn limits_node_and_today_are_read() {
    let slo = demand("latency_slo_s = 0.2\npercentile = 0.95").expect("serving");
    assert_eq!((slo.latency_slo_s, slo.percentile), (Some(0.2), 0.95));
    assert_eq!(demand("latency_slo_s = 0.2").expect("serving").percentile, 0.99);
    let batch = demand("pattern = \"batch\"\nwindow_h = 2\ndeadline_s = 600").expect("batch");
    assert_eq!(batch.deadline_s, Some(600.0));
    let text = GOOD.to_owned()
        + "overlap = true\n[node]\ncotenants = [\"a\", \"b.toml\"]\nmin_nodes = 2\n\
           [today]\nsku = \"Standard_NC4as_T4_v3\"\nnodes = 3\n";
    let workload = parse(&text, "stem", "file.toml").expect("good");
    assert!(workload.job.overlap);
    assert_eq!(workload.node.cotenants, ["a", "b.toml"]);
    assert_eq!(workload.node.min_nodes, Some(2));
    assert_eq!(workload.today, Some(Today { sku: "Standard_NC4as_T4_v3".into(), nodes: 3 }));
}

#[test]
fn what_cannot_be_is_refused_with_the_next_step() {
    let rates = |count: usize, rate: &str| format!("hourly = [{}]", vec![rate; count].join(", "));
    let cases = [
        ("pattern = \"batch\"".to_owned(), "window_h: missing"),
        (
            "pattern = \"batch\"\nwindow_h = 25".into(),
            "window_h = 25: must be above 0, from 0.01 to 24",
        ),
        ("pattern = \"bursty\"\npeak_h_per_day = 2".into(), "peak_factor: missing"),
        ("pattern = \"bursty\"\npeak_factor = 5".into(), "peak_h_per_day: missing"),
        (
            "pattern = \"bursty\"\npeak_factor = 0.5\npeak_h_per_day = 2".into(),
            "peak_factor = 0.5: the busy hours must have at least",
        ),
        (
            "pattern = \"bursty\"\npeak_factor = 5\npeak_h_per_day = 24".into(),
            "peak_h_per_day = 24: leaves no other hours",
        ),
        (rates(23, "1"), "these are 23"),
        (rates(24, "-1"), "each 0 or more"),
        (rates(24, "0"), "all rates are 0"),
        (rates(24, "nan"), "must list 24 rates"),
        (format!("pattern = \"steady\"\n{}", rates(24, "1")), "belongs to pattern = \"hourly\""),
        ("pattern = \"hourly\"".into(), "hourly: missing"),
        ("latency_slo_s = 1\npercentile = 1".into(), "percentile = 1: must be a share above 0"),
        ("latency_slo_s = 1\npercentile = 99".into(), "such as 0.99"),
        ("percentile = 0.9".into(), "latency_slo_s, which is missing"),
        ("latency_slo_s = 1\ndeadline_s = 2".into(), "deadline_s = 2: stands beside latency_slo_s"),
        (
            "pattern = \"batch\"\nwindow_h = 2\nlatency_slo_s = 1".into(),
            "latency_slo_s = 1: is for requests as they come",
        ),
        ("deadline_s = 0".into(), "deadline_s = 0: must be above 0, from 1e-9 to 1e9"),
        (
            "pattern = \"bursty\"\npeak_factor = 1e300\npeak_h_per_day = 2".into(),
            "peak_factor = 1e300: the busy hours must have at least the rate of the others: from 1 to 10000",
        ),
        (rates(24, "1e-300"), "adds up to"),
    ];
    for (lines, expected) in cases {
        let message = demand(&lines).expect_err("must be refused").to_string();
        assert!(message.contains(expected), "{lines}: {message}");
    }
    let more = [
        ("overlap = 1", "overlap = 1: must be true or false"),
        ("[node]\nmin_nodes = 1.5", "min_nodes = 1.5: must be a whole number"),
        ("[node]\ncotenants = \"a\"", "must list names or files of workloads"),
        (
            "[[stage]]\nserial_cpu_s = 1e300",
            "serial_cpu_s = 1e300: must be above 0, from 1e-9 to 1e9",
        ),
        ("[[stage]]\nio_bytes = 1e300", "io_bytes = 1e300: must be above 0, from 1 to 1e18"),
        (
            "[[stage]]\nio_bytes = 1\nio_bytes_per_s = 1e-300",
            "io_bytes_per_s = 1e-300: must be above 0, from 1 to 1e13",
        ),
        ("gpu_memory_gib = 1e7", "gpu_memory_gib = 10000000.0: must be above 0, from 1e-6 to 1e6"),
        ("constant_gib = 1e300", "constant_gib = 1e300: must be from 0 to 1e6"),
        ("[today]\nnodes = 1", "today: sku: name the VM size"),
        ("[today]\nsku = \"x\"", "nodes: missing"),
    ];
    for (lines, expected) in more {
        let message = message(&format!("{GOOD}{lines}\n"));
        assert!(message.contains(expected), "{lines}: {message}");
    }
    let text =
        GOOD.replace("pattern = \"steady\"", "latency_slo_s = 1") + "[node]\nmin_nodes = 0\n";
    assert!(message(&text).contains("a request cannot wait for a node to start"));
}
