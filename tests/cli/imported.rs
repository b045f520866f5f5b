//! Measurements made by others: judged, predicted from each other, converted, refused.

use super::{file, fixture, folder, message, names, run, stderr, stdout};

const HEADER: &str = "provider,sku,device,workload,unit,throughput_per_s,source,measured_at";

/// Eight Azure sizes and one workload of images.
fn measured() -> String {
    fixture("import/measured.csv")
}

#[test]
fn a_file_is_judged_in_every_form() {
    let folder = folder();
    let arguments = ["classify", "--imported", &measured(), "--jobs-per-day", "20000000"];
    let text = stdout(&run(folder.path(), &[&arguments[..], &["--expect", "gpu"]].concat(), 0));
    names(&text, &["detector: gpu", "imported", "Standard_NC4as_T4_v3", "Where it would turn"]);
    assert!(!text.contains("every time is a prior"), "{text}");

    let csv = stdout(&run(folder.path(), &[&arguments[..], &["--format", "csv"]].concat(), 0));
    let mut rows = csv::Reader::from_reader(csv.as_bytes());
    let origin = rows.headers().expect("a header").iter().position(|h| h == "origin");
    let origins: Vec<String> =
        rows.records().map(|r| r.expect("a row")[origin.expect("a column")].to_owned()).collect();
    assert_eq!(origins, vec!["imported"; 8], "{csv}");

    let json = stdout(&run(folder.path(), &[&arguments[..], &["--format", "json"]].concat(), 0));
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    let verdict = &json["verdicts"][0];
    assert_eq!(verdict["best_gpu"]["origin"], "imported");
    assert_eq!(verdict["jobs_per_day"], 20_000_000.0);
    assert_eq!(verdict["best_gpu"]["latency_s"], serde_json::Value::Null);
    let markdown = [&arguments[..], &["--format", "markdown", "--explain"]].concat();
    let markdown = stdout(&run(folder.path(), &markdown, 0));
    names(&markdown, &["| imported |", "node time of a unit", "1 ÷ throughput, imported:"]);
}

#[test]
fn the_demand_is_that_of_a_workload_file_a_flag_or_a_stated_default() {
    let folder = folder();
    let text = stdout(&run(folder.path(), &["classify", "--imported", &measured()], 0));
    names(&text, &["detector: 10,000 jobs a day are assumed", "--jobs-per-day N"]);

    let row = |workload: &str, job: &str| {
        let line = |sku: &str, device: &str, rate: u32| {
            format!("azure,{sku},{device},{workload},image,{rate},us,2026-08,{job}\n")
        };
        let (cpu, gpu) =
            (line("Standard_D8s_v5", "cpu", 90), line("Standard_NC4as_T4_v3", "gpu", 900));
        format!("{HEADER},units_per_job\n{cpu}{gpu}")
    };
    // Its own file beside the CSV, named in it.
    file(
        folder.path(),
        "nightly.toml",
        "[[stage]]\nserial_cpu_s = 1\n[demand]\njobs_per_day = 1234\n",
    );
    let csv = file(folder.path(), "m.csv", row("nightly.toml", "100"));
    let json = |arguments: &[&str]| {
        let text = stdout(&run(folder.path(), &[arguments, &["--format", "json"]].concat(), 0));
        serde_json::from_str::<serde_json::Value>(&text).expect("JSON")["verdicts"][0].clone()
    };
    assert_eq!(json(&["classify", "--imported", &csv])["jobs_per_day"], 1234.0);
    // The name without its ending is that file as well.
    let plain = file(folder.path(), "plain.csv", row("nightly", "100"));
    assert_eq!(json(&["classify", "--imported", &plain])["jobs_per_day"], 1234.0);
    let asked = json(&["classify", "--imported", &csv, "--jobs-per-day", "7"]);
    assert_eq!(asked["jobs_per_day"], 7.0);
    // A built-in name lends its demand, and then the file must say what a job is.
    let csv = file(folder.path(), "b.csv", row("image-classification", ""));
    let refused = message(&run(folder.path(), &["classify", "--imported", &csv], 2));
    names(&refused, &["image-classification", "units_per_job"]);
    // A workload file named on the command line by its name in the file.
    let csv = file(folder.path(), "n.csv", row("nightly", "100"));
    let lent = json(&["classify", "nightly.toml", "--imported", &csv]);
    assert_eq!(lent["jobs_per_day"], 1234.0);
    let other = message(&run(folder.path(), &["classify", "llm-prefill", "--imported", &csv], 2));
    names(&other, &["no measurement of workload llm-prefill", "there is nightly"]);
}

#[test]
fn rows_that_cannot_be_used_are_refused_by_line_or_counted() {
    let folder = folder();
    let good = "azure,Standard_D8s_v5,cpu,w,image,90,us,2026-08\n";
    let zero = "azure,Standard_NC4as_T4_v3,gpu,w,image,0,us,2026-08\n";
    let unknown = "azure,Standard_NC4as_T4_v4,gpu,w,image,9,us,2026-08\n";
    let csv = file(folder.path(), "m.csv", format!("{HEADER}\n{good}{zero}{unknown}"));
    for command in [&["classify", "--imported"][..], &["import"][..]] {
        let refused = message(&run(folder.path(), &[command, &[&csv]].concat(), 2));
        names(
            &refused,
            &[
                "m.csv:3: throughput_per_s = 0",
                "--skip-invalid",
                "1 more cannot be used: ",
                "m.csv:4",
            ],
        );
    }
    let skipped = run(folder.path(), &["classify", "--imported", &csv, "--skip-invalid"], 0);
    names(
        &stdout(&skipped),
        &["Left out by --skip-invalid: 2 of 3 measurements", "m.csv:4: sku = Standard_NC4as_T4_v4"],
    );
    let aws = ["classify", "--imported", &csv, "--skip-invalid", "--provider", "aws"];
    names(&message(&run(folder.path(), &aws, 4)), &["no measurement is left", "--provider"]);
    let bad = file(folder.path(), "bad.csv", format!("{HEADER}\n{zero}{unknown}"));
    for command in [&["classify", "--imported"][..], &["import"][..]] {
        let all = message(&run(folder.path(), &[command, &[&bad, "--skip-invalid"]].concat(), 4));
        names(&all, &["no measurement is left", "2 of 2 measurements", "bad.csv:2", "bad.csv:3"]);
    }
    let both = ["classify", "--imported", &csv, "--records", "."];
    names(&stderr(&run(folder.path(), &both, 2)), &["--imported", "--records"]);
    let alone = stderr(&run(folder.path(), &["classify", "--leave-one-sku-out"], 2));
    names(&alone, &["--imported"]);
}

#[test]
fn sizes_are_predicted_from_each_other_with_their_errors() {
    let folder = folder();
    let arguments = ["classify", "--imported", &measured(), "--leave-one-sku-out"];
    let text = stdout(&run(folder.path(), &arguments, 0));
    names(
        &text,
        &[
            "mean absolute error:",
            "over 8 predictions",
            "the 90 % interval held in",
            "told rightly in",
            "of 16 pairs",
            "Too few to mean much",
        ],
    );
    // D8s_v5 from D16s_v5 of its series: 205 · 8 / 16 = 102.5 against 110 measured, −6.8 %.
    let line = text.lines().find(|l| l.contains("Standard_D8s_v5")).expect("a row");
    names(line, &["102.5", "110.0", "-0.068", "yes", "1 size of its series, by vCPUs"]);

    let one = format!("{HEADER}\nazure,Standard_D8s_v5,cpu,w,image,90,us,2026-08\n");
    let csv = file(folder.path(), "one.csv", one);
    let few =
        message(&run(folder.path(), &["classify", "--imported", &csv, "--leave-one-sku-out"], 4));
    names(&few, &["no size can be predicted", "two sizes"]);
}

#[test]
fn files_of_other_tools_become_rows_that_can_be_judged() {
    let folder = folder();
    let source = fixture("import/hyperfine2.json");
    let about = ["--sku", "standard_d8s_v5", "--device", "cpu", "--workload", "detector"];
    let convert = [&["import", &source, "-o", "cpu.csv"], &about[..]].concat();
    let told = run(folder.path(), &convert, 0);
    names(&stderr(&told), &["Wrote 1 row to cpu.csv", "One run at a time"]);
    let kept = std::fs::read_to_string(folder.path().join("cpu.csv")).expect("written");
    names(
        &kept,
        &["azure,Standard_D8s_v5,cpu,detector,run,2,hyperfine hyperfine2.json,2026-09-30"],
    );
    // What is printed as CSV is what is kept.
    let printed = [&["import", &source, "--format", "csv"], &about[..]].concat();
    assert_eq!(stdout(&run(folder.path(), &printed, 0)), kept);
    let again = message(&run(folder.path(), &convert, 2));
    names(&again, &["cpu.csv: exists, and is not overwritten"]);

    let gpu = ["--sku", "Standard_NC4as_T4_v3", "--device", "gpu", "--workload", "detector"];
    run(folder.path(), &[&["import", &source, "-o", "gpu.csv"], &gpu[..]].concat(), 0);
    run(folder.path(), &["import", "cpu.csv", "gpu.csv", "-o", "all.csv"], 0);
    let judged = ["classify", "--imported", "all.csv", "--expect", "cpu"];
    names(&stdout(&run(folder.path(), &judged, 0)), &["detector: cpu"]);

    let missing = message(&run(folder.path(), &["import", &source, "--device", "cpu"], 2));
    names(&missing, &["--sku NAME"]);
    let wrong =
        ["import", &source, "--sku", "Standard_D8s_v55", "--device", "cpu", "--workload", "w"];
    names(&message(&run(folder.path(), &wrong, 2)), &["did you mean `Standard_D8s_v5`?"]);
    let other = [&["import", &source, "--from", "criterion"], &about[..]].concat();
    names(&message(&run(folder.path(), &other, 2)), &["benchmark.json"]);
    let source = fixture("import/hyperfine.json");
    let failed = [&["import", &source], &about[..]].concat();
    let failed = message(&run(folder.path(), &failed, 2));
    names(&failed, &["hyperfine.json, encode missing.y4m", "failed in 1 of 2 runs"]);
}
