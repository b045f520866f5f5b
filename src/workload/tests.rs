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
    assert_eq!(workload.demand, Demand { jobs_per_day: 2000.0, latency_slo_s: None });
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
        ("calls = 40", "calls = -3", "must be above 0"),
        ("serial_cpu_s = 12", "serial_cpu_s = -1", "stage 2: serial_cpu_s = -1"),
        (
            "pattern = \"steady\"",
            "pattern = \"bursty\"",
            "not yet supported; use pattern = \"steady\"",
        ),
        ("pattern = \"steady\"", "peak_factor = 3", "peak_factor = 3: not yet supported"),
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
    }
}
