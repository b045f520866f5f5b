//! Streams and forms: data on standard output, everything else on standard error.

use std::io::Read;
use std::process::Stdio;

use super::{breakeven, fixture, folder, message, names, run, stdout};

#[test]
fn every_command_explains_itself() {
    let folder = folder();
    for command in ["advise", "init", "devices", "list", "run", "classify", "compare", "report"] {
        let text = stdout(&run(folder.path(), &[command, "--help"], 0));
        names(&text, &[command, "--format", "--quiet", "--no-color", "-o, --output"]);
    }
    let text = stdout(&run(folder.path(), &["--help"], 0));
    names(&text, &["exit codes: 0 done", "130 interrupted"]);
    assert!(!text.contains("--mock"), "the mock devices are for tests");
}

#[test]
fn help_and_version_that_cannot_be_written_are_an_error() {
    for argument in ["--help", "--version"] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("/dev/full");
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_breakeven"))
            .arg(argument)
            .stdout(full)
            .output()
            .expect("the program starts");
        assert_eq!(output.status.code(), Some(1), "{argument}");
        names(&String::from_utf8_lossy(&output.stderr), &["cannot write to standard output"]);
    }
}

#[test]
fn listings_are_data_in_every_form() {
    let folder = folder();
    for what in ["families", "implementations", "suites", "workloads", "skus"] {
        let text = stdout(&run(folder.path(), &["list", what, "--format", "json"], 0));
        let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert!(value.as_array().is_some_and(|rows| !rows.is_empty()), "list {what} is empty");
    }
    let text = stdout(&run(folder.path(), &["list", "skus", "--format", "csv"], 0));
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    assert_eq!(reader.headers().expect("a header").get(1), Some("sku"));
    assert!(reader.records().all(|row| row.is_ok_and(|row| row.len() == 20)));
    let text = stdout(&run(folder.path(), &["list", "skus", "--format", "markdown"], 0));
    names(&text, &["| provider | sku |", "| azure | Standard_NC4as_T4_v3 |"]);
}

#[test]
fn an_unknown_price_stays_empty() {
    let folder = folder();
    let text = stdout(&run(folder.path(), &["list", "skus", "--format", "json"], 0));
    let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    for sku in value.as_array().expect("a list") {
        for price in ["ondemand_usd_per_h", "spot_usd_per_h"] {
            let unknown = sku[price].is_null();
            let known = sku[price].as_f64().is_some_and(|p| p > 0.0);
            assert!(unknown || known, "{sku}");
        }
        assert!(sku["vcpus"].is_u64(), "{sku}");
        assert!(sku["ondemand_usd_per_h"].is_null() || sku["source"].is_string(), "{sku}");
        let silent = !sku["gpu"].is_null() && sku["gpus"].is_null() && sku["remark"].is_null();
        assert!(!silent, "a GPU size without a count says why: {sku}");
    }
}

#[test]
fn devices_say_what_is_here_and_what_is_missing() {
    let folder = folder();
    let text = stdout(&run(folder.path(), &["devices", "--format", "json"], 0));
    let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let devices = value["devices"].as_array().expect("a list");
    assert!(devices.iter().any(|device| device["id"] == "cpu"), "{text}");
    assert!(
        value["notes"].as_array().expect("a list").iter().all(|note| note["message"].is_string())
    );
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let folder = folder();
    for format in ["text", "json", "markdown", "csv"] {
        let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_breakeven"))
            .args(["list", "skus", "--format", format])
            .current_dir(folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        drop(child.stdout.take());
        let status = child.wait().expect("it ends");
        let mut text = String::new();
        child.stderr.take().expect("piped").read_to_string(&mut text).expect("UTF-8");
        assert_eq!((status.code(), text.as_str()), (Some(0), ""), "--format {format}");
    }
}

#[test]
fn a_report_is_printed_and_saved_in_every_form() {
    let folder = folder();
    let record = fixture("record.jsonl");
    let assert = run(folder.path(), &["report", &record, "-o", "out"], 0);
    names(&stdout(&assert), &["Suite quick on Standard_NC4as_T4_v3", "CPU against GPU"]);
    for name in ["report.md", "report.json", "report.csv"] {
        let text = std::fs::read_to_string(folder.path().join("out").join(name)).expect(name);
        names(&text, &["cuda/tiled"]);
    }
}

#[test]
fn a_report_with_workloads_is_a_page_with_its_pictures_and_its_numbers() {
    let folder = folder();
    let record = fixture("record.jsonl");
    let arguments = ["report", &record, "--workload", "image-classification", "-o", "out"];
    let assert = run(folder.path(), &arguments, 0);
    names(&stdout(&assert), &["image-classification", "How to do it again", &record]);
    let out = folder.path().join("out");
    for name in ["report.html", "report.md", "report.csv", "report.json", "verdicts.csv"] {
        let text = std::fs::read_to_string(out.join(name)).expect(name);
        names(&text, &["Tesla T4", "T4"][usize::from(name == "verdicts.csv")..]);
    }
    let pictures = std::fs::read_dir(out.join("figures")).expect("a folder of pictures");
    assert!(pictures.count() >= 4);
    let page = std::fs::read(out.join("report.html")).expect("the page");
    run(folder.path(), &arguments, 0);
    assert_eq!(std::fs::read(out.join("report.html")).expect("the page"), page, "the same bytes");
}

#[test]
fn a_page_may_go_to_standard_output() {
    let folder = folder();
    let record = fixture("record.jsonl");
    let text = stdout(&run(folder.path(), &["report", &record, "--format", "html"], 0));
    names(&text, &["<!doctype html>", "Content-Security-Policy", "Tesla T4"]);
    let text = stdout(&run(folder.path(), &["list", "families", "--format", "html"], 0));
    names(&text, &["<!doctype html>", "matmul"]);
}

#[test]
fn every_listing_can_be_saved() {
    let folder = folder();
    run(folder.path(), &["list", "skus", "-o", "out"], 0);
    run(folder.path(), &["devices", "-o", "out"], 0);
    for name in ["skus.csv", "skus.json", "skus.md", "devices.json"] {
        assert!(folder.path().join("out").join(name).exists(), "{name}");
    }
}

#[test]
fn quiet_leaves_standard_error_empty() {
    let folder = folder();
    let record = fixture("record.jsonl");
    let assert =
        breakeven(folder.path()).args(["report", &record, "-o", "out", "--quiet"]).assert().code(0);
    assert_eq!(super::stderr(&assert), "");
}

#[test]
fn an_expectation_that_is_not_met_is_exit_code_3_with_the_verdict_still_printed() {
    let folder = folder();
    let workload = super::file(
        folder.path(),
        "waiting.toml",
        "summary = \"one thread, nothing to compute\"\n[[stage]]\nserial_cpu_s = 120\n\
         [demand]\njobs_per_day = 100\n",
    );
    let record = fixture("record.jsonl");
    let arguments = ["classify", &workload, "--records", &record, "--expect", "gpu"];
    let assert = run(folder.path(), &arguments, 3);
    names(&message(&assert), &["--expect gpu", "waiting is "]);
    names(&stdout(&assert), &["waiting"]);
}

#[test]
fn prices_of_ones_own_lie_over_the_catalog() {
    let folder = folder();
    let header = "provider,name,region,kind,price_usd_per_h,as_of,source\n";
    let line = "azure,Standard_NC4as_T4_v3,eastus,ondemand,0.123,2026-11,our contract\n";
    let prices = super::file(folder.path(), "prices.csv", format!("{header}{line}"));
    let arguments = ["classify", "short-read-alignment", "--format", "json", "--prices", &prices];
    let text = stdout(&run(folder.path(), &arguments, 0));
    let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let ranking = value["verdicts"][0]["ranking"].as_array().expect("a ranking");
    let size = ranking.iter().find(|cost| cost["sku"] == "Standard_NC4as_T4_v3").expect("a T4");
    assert_eq!(size["price"]["source"], "our contract");
    assert_eq!(size["price_usd_per_h"], 0.123);

    let free =
        super::file(folder.path(), "free.csv", format!("{header}{}", line.replace("0.123", "0")));
    let arguments = ["classify", "short-read-alignment", "--prices", &free];
    names(&message(&run(folder.path(), &arguments, 2)), &["--prices", "free.csv", "above 0"]);

    let late = line.replace("2026-11", "2999-11-01");
    let late = super::file(folder.path(), "late.csv", format!("{header}{late}"));
    let arguments = ["classify", "short-read-alignment", "--prices", &late];
    let told = message(&run(folder.path(), &arguments, 2));
    names(&told, &["--prices", "late.csv", "as_of = 2999-11-01: lies after today"]);
}

/// Widens every 95 % interval in `value`: from a fifth of the median to five times it.
fn make_noisy(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Object(object) => {
            if let Some(median_s) = object.get("median_s").and_then(serde_json::Value::as_f64) {
                object.insert("ci95_lo_s".into(), (median_s / 5.0).into());
                object.insert("ci95_hi_s".into(), (median_s * 5.0).into());
            }
            object.values_mut().for_each(make_noisy);
        }
        serde_json::Value::Array(list) => list.iter_mut().for_each(make_noisy),
        _ => {}
    }
}

#[test]
fn a_fastest_implementation_that_may_be_chance_is_called_tied() {
    let folder = folder();
    let quiet = std::fs::read_to_string(fixture("record.jsonl")).expect("a fixture");
    let noisy = quiet.lines().map(|line| {
        let mut value = serde_json::from_str(line).expect("JSON");
        make_noisy(&mut value);
        format!("{value}\n")
    });
    let noisy = super::file(folder.path(), "noisy.jsonl", noisy.collect::<String>());
    let text = stdout(&run(folder.path(), &["report", &noisy, "--format", "markdown"], 0));
    names(&text, &["Noisy: ", "cpu/openblas (tied with cpu/simd)", "idle machine"]);

    let text = stdout(&run(folder.path(), &["report", &fixture("record.jsonl")], 0));
    assert!(!text.contains("tied") && !text.contains("Noisy"), "the fixture is quiet: {text}");
}
