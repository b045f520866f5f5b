//! The CSV and the tools' files: what is read, and every refusal by file and line.

use std::path::{Path, PathBuf};

use super::*;
use crate::catalog::Catalog;

const HEADER: &str = "provider,sku,device,workload,unit,throughput_per_s,source,measured_at";
const TODAY: &str = "2026-11-22";

fn parsed(text: &str) -> Result<Table, ImportError> {
    Table::parse(text.as_bytes(), "m.csv", TODAY)
}

fn with(extra: &str, row: &str) -> String {
    let columns = if extra.is_empty() { HEADER.into() } else { format!("{HEADER},{extra}") };
    format!("{columns}\n{row}\n")
}

/// The one refused line of a table.
#[track_caller]
fn refusal(text: &str) -> String {
    let table = parsed(text).expect("a readable header");
    assert_eq!((table.rows.len(), table.refused.len()), (0, 1), "{table:?}");
    format!("{}: {}", table.refused[0].place, table.refused[0].problem)
}

#[test]
fn a_line_is_read_with_or_without_the_optional_columns() {
    let plain = "azure,Standard_D8s_v5,CPU,w,image,12.5,somebody,2026-08\n";
    let table = parsed(&with("", plain)).expect("readable");
    assert!(table.refused.is_empty(), "{:?}", table.refused);
    let row = &table.rows[0];
    assert_eq!(
        (row.place.as_str(), row.device, row.throughput_per_s),
        ("m.csv:2", Device::Cpu, 12.5)
    );
    assert_eq!((row.p10_per_s, row.units_per_job, row.notes.as_str()), (None, None, ""));

    let full = "azure,Standard_D8s_v5,cpu,w,image,12.5,\"a, b\",2026-08-31,10,0.8,4,12,13,warm";
    let extra = "units_per_job,latency_s,concurrency,p10_per_s,p90_per_s,notes";
    // A byte order mark, Windows line ends and blanks are how spreadsheets write.
    let text =
        format!("\u{feff}{}", with(extra, full).replace('\n', "\r\n").replace(",cpu,", ", cpu ,"));
    let table = parsed(&text).expect("readable");
    let row = table.rows.first().unwrap_or_else(|| panic!("{:?}", table.refused));
    assert_eq!(
        (row.source.as_str(), row.latency_s, row.p90_per_s),
        ("a, b", Some(0.8), Some(13.0))
    );

    // What is written is read again as it was.
    let mut out = Vec::new();
    table.write(&mut out).expect("a vector takes everything");
    assert_eq!(Table::parse(&out, "m.csv", TODAY).expect("readable"), table);
}

#[test]
fn a_throughput_must_be_above_zero() {
    for (value, words) in [
        ("0", "throughput_per_s = 0: must be above 0"),
        ("-3", "throughput_per_s = -3: must be above 0"),
        ("nan", "throughput_per_s = nan: must be above 0"),
        ("inf", "throughput_per_s = inf: no VM does so little or so much"),
        ("1e-300", "throughput_per_s = 1e-300: no VM does so little or so much"),
        ("", "throughput_per_s is missing"),
        ("\"1,200\"", "throughput_per_s = 1,200: must be a number, without unit"),
        ("12 fps", "throughput_per_s = 12 fps: must be a number, without unit"),
    ] {
        let text = with("", &format!("azure,Standard_D8s_v5,cpu,w,image,{value},s,2026-08"));
        let told = refusal(&text);
        assert!(told.starts_with("m.csv:2: ") && told.contains(words), "{told}");
    }
}

#[test]
fn every_other_cell_is_refused_by_column_and_value() {
    let refused = |row: &str, words: &str| {
        let told = refusal(&with("", row));
        assert!(told.starts_with("m.csv:2: ") && told.contains(words), "{told}");
    };
    refused("oracle,VM,cpu,w,image,1,s,2026-08", "provider = oracle: must be azure or aws or gcp");
    refused("azure,,cpu,w,image,1,s,2026-08", "sku is missing");
    refused("azure,VM,tpu,w,image,1,s,2026-08", "device = tpu: must be cpu or gpu");
    refused("azure,VM,cpu,,image,1,s,2026-08", "workload is missing");
    refused("azure,VM,cpu,w,,1,s,2026-08", "unit is missing");
    refused("azure,VM,cpu,w,image,1,,2026-08", "source is missing");
    for date in ["31.08.2026", "2026", "2026-13", "2026-02-30", "August"] {
        let row = format!("azure,VM,cpu,w,image,1,s,{date}");
        refused(&row, &format!("measured_at = {date}: must be a date as 2026-08-31"));
    }
    refused("azure,VM,cpu,w,image,1,s,2026-12", "measured_at = 2026-12: lies after today");
    refused("azure,VM,cpu,w,image,1,s,2026-11-23", "lies after today, 2026-11-22");
    refused("azure,VM,cpu,w,image,1,s", "7 fields where the header has 8");
}

#[test]
fn optional_numbers_must_fit_together() {
    let refused = |extra: &str, cells: &str, words: &str| {
        let row = format!("azure,VM,cpu,w,image,10,s,2026-08,{cells}");
        let told = refusal(&with(extra, &row));
        assert!(told.contains(words), "{told}");
    };
    refused("p10_per_s,p90_per_s", "9,", "give both or neither");
    refused("p10_per_s,p90_per_s", "11,12", "must rise in this order");
    refused("concurrency", "0.5", "concurrency must be at least 1");
    refused("units_per_job", "0", "units_per_job = 0: must be above 0");
    refused("latency_s", "fast", "latency_s = fast: must be a number");
}

#[test]
fn a_header_is_refused_by_the_column() {
    let told = |text: &str| parsed(text).expect_err("refused").to_string();
    let missing = told("provider,sku,device,workload,unit,throughput_per_s,source\n");
    assert!(missing.starts_with("m.csv:1: the column `measured_at` is missing"), "{missing}");
    let extra = told(&format!("{HEADER},p01_per_s\n"));
    assert!(extra.contains("m.csv:1: no column `p01_per_s`, did you mean `p10_per_s`?"), "{extra}");
    let twice = told(&format!("{HEADER},source\n"));
    assert!(twice.contains("the column `source` stands there twice"), "{twice}");
    let empty = told(&format!("{HEADER}\n"));
    assert!(empty.contains("m.csv: holds no measurement"), "{empty}");
    let semicolons = told(&HEADER.replace(',', ";"));
    assert!(semicolons.contains("m.csv:1: has no commas"), "{semicolons}");
    let nothing = told("");
    assert!(nothing.contains("m.csv:1: the column `provider` is missing"), "{nothing}");
}

#[test]
fn sizes_are_held_to_the_catalog() {
    let catalog = Catalog::embedded().expect("embedded");
    let check = |row: &str| {
        let mut table = parsed(&with("", row)).expect("readable");
        table.check_sizes(&catalog);
        table
    };
    let refused = |row: &str, words: &str| {
        let table = check(row);
        let told = table.refused.first().map(|r| format!("{}: {}", r.place, r.problem));
        let told = told.unwrap_or_else(|| panic!("{row} was taken"));
        assert!(told.starts_with("m.csv:2: ") && told.contains(words), "{told}");
    };
    let near = "did you mean `Standard_NC4as_T4_v3`?";
    refused("azure,Standard_NC4as_T4_v4,gpu,w,image,1,s,2026-08", near);
    let other = "is a size of azure, not of aws";
    refused("aws,Standard_NC4as_T4_v3,gpu,w,image,1,s,2026-08", other);
    let none = "device = gpu: Standard_D8s_v5 has no GPU";
    refused("azure,Standard_D8s_v5,gpu,w,image,1,s,2026-08", none);
    // The processors of a GPU size may be measured, and letter case does not matter.
    let table = check("azure,standard_nc4as_t4_v3,cpu,w,image,1,s,2026-08");
    assert_eq!(table.rows[0].sku, "Standard_NC4as_T4_v3");
}

#[test]
fn rows_of_a_workload_count_the_same_units() {
    let row =
        |unit: &str, job: &str| format!("azure,Standard_D8s_v5,cpu,w,{unit},1,s,2026-08,{job}\n");
    let told = |text: &str| {
        let table = parsed(text).expect("readable");
        table.check_units().expect_err("refused").to_string()
    };
    let units = told(&with("units_per_job", &[row("image", ""), row("batch", "")].concat()));
    assert!(units.starts_with("m.csv:3: unit = batch, but m.csv:2 counts workload w in image"));
    let jobs = told(&with("units_per_job", &[row("image", "10"), row("image", "")].concat()));
    assert!(jobs.starts_with("m.csv:3: units_per_job = none, but m.csv:2 has 10"), "{jobs}");
}

#[test]
fn the_first_bad_line_is_explained_and_the_others_counted() {
    let bad = "azure,VM,cpu,w,image,0,s,2026-08\n";
    let table = parsed(&with("", &[bad, bad, bad].concat())).expect("readable");
    let told = table.whole().expect_err("refused").to_string();
    assert_eq!(
        told,
        "m.csv:2: throughput_per_s = 0: must be above 0; mend it, or leave such rows out with \
         --skip-invalid (2 more cannot be used: m.csv:3, m.csv:4)"
    );
    let table = parsed(&with("", &bad.repeat(6))).expect("readable");
    let told = table.whole().expect_err("refused").to_string();
    let five = "(5 more cannot be used: m.csv:3, m.csv:4, m.csv:5, m.csv:6, …)";
    assert!(told.ends_with(five), "{told}");
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/import").join(name)
}

fn about() -> About {
    About {
        provider: "azure".into(),
        sku: "Standard_D8s_v5".into(),
        device: Device::Cpu,
        workload: "w".into(),
        unit: None,
        units_per_run: None,
        units_per_job: None,
        measured_at: Some("2026-08-01".into()),
    }
}

fn converted(name: &str, about: &About) -> Converted {
    convert(&[fixture(name)], None, about, TODAY).expect("convertible")
}

#[track_caller]
fn close(a: f64, b: f64) {
    assert!((a / b - 1.0).abs() < 1e-5, "{a} is not {b}");
}

#[test]
fn criterion_counts_by_its_throughput_and_takes_percentiles_of_its_samples() {
    let made = converted("criterion", &about());
    let [plain, sum] = &made.table.rows[..] else { panic!("two benchmarks: {made:?}") };
    // Of the 20 samples times ÷ iterations, by numpy's linear quantiles: median 23202.954166… ns,
    // 10th percentile 5057.372426… ns, 90th 34594.268277… ns; an iteration sums 1000 elements.
    assert_eq!((sum.workload.as_str(), sum.unit.as_str()), ("w/sum/iter/1000", "element"));
    close(sum.throughput_per_s, 1000.0 / 23_202.954_166_666_666e-9);
    close(sum.p10_per_s.expect("percentiles"), 1000.0 / 34_594.268_277_310_926e-9);
    close(sum.p90_per_s.expect("percentiles"), 1000.0 / 5_057.372_426_470_588e-9);
    close(sum.latency_s.expect("one at a time"), 23_202.954_166_666_666e-9);
    assert_eq!(sum.units_per_job, Some(1000.0), "the latency is that of all elements");
    // Without a throughput an iteration is a run.
    assert_eq!((plain.workload.as_str(), plain.unit.as_str()), ("w/plain", "run"));
    close(plain.throughput_per_s, 1.0 / 76.376_688_788_636_87e-9);
    assert!(made.remarks.iter().any(|r| r.contains("One run at a time")), "{:?}", made.remarks);
    // One estimates.json alone is that benchmark alone, under the name asked for.
    let one = converted("criterion/plain/new/estimates.json", &about());
    assert_eq!(one.table.rows[0].workload, "w");
}

#[test]
fn hyperfine_counts_runs_by_the_wall_clock_and_refuses_failed_ones() {
    let frames = About {
        unit: Some("frame".into()),
        units_per_run: Some(300.0),
        units_per_job: Some(900.0),
        ..about()
    };
    let made = converted("hyperfine.json", &frames);
    // Ten runs of 1.1, 1.2, … 2.0 s: median 1.55, 10th percentile 1.19, 90th 1.91.
    let [row] = &made.table.rows[..] else { panic!("one command that works: {made:?}") };
    assert_eq!((row.workload.as_str(), row.unit.as_str()), ("w/encode a.y4m", "frame"));
    close(row.throughput_per_s, 300.0 / 1.55);
    close(row.p10_per_s.expect("percentiles"), 300.0 / 1.91);
    close(row.p90_per_s.expect("percentiles"), 300.0 / 1.19);
    // A job of 900 frames is three runs.
    close(row.latency_s.expect("one at a time"), 3.0 * 1.55);
    assert_eq!(row.units_per_job, Some(900.0));
    // Unless it is said otherwise a job is a run, of as many frames as that does.
    let made = converted("hyperfine.json", &About { units_per_job: None, ..frames });
    let row = &made.table.rows[0];
    assert_eq!(row.units_per_job, Some(300.0));
    close(row.latency_s.expect("one at a time"), 1.55);
    let refused = &made.table.refused[0];
    assert!(refused.problem.contains("failed in 1 of 2 runs"), "{refused:?}");

    let made = converted("hyperfine2.json", &About { measured_at: None, ..about() });
    let row = &made.table.rows[0];
    // 0.4, 0.5 and 0.6 s: within ×1.3, so three runs tell no percentiles; the file tells the day.
    close(row.throughput_per_s, 2.0);
    assert_eq!((row.p10_per_s, row.measured_at.as_str()), (None, "2026-09-30"));
    assert_eq!(row.workload, "w");
}

#[test]
fn google_benchmark_rates_are_turned_from_cpu_time_to_the_wall_clock() {
    let made = converted("google_benchmark.json", &About { measured_at: None, ..about() });
    let row = |name: &str| {
        let found = made.table.rows.iter().find(|r| r.workload == format!("w/{name}"));
        found.unwrap_or_else(|| panic!("{name}: {:?}", made.table.refused))
    };
    // 2 ms of wall clock and 0.5 ms of CPU an iteration, 2e6 items a CPU-second: 1000 items an
    // iteration, 500,000 a second.
    let offload = row("BM_offload/64");
    assert_eq!((offload.unit.as_str(), offload.measured_at.as_str()), ("item", "2026-09-01"));
    close(offload.throughput_per_s, 5e5);
    assert_eq!(offload.units_per_job, Some(1000.0));
    assert_eq!(offload.p10_per_s, None);
    // Three repetitions of 10, 20 and 12 µs, one far off: the extremes stand for percentiles. By
    // real time 1e8 bytes a second at 10 µs are 1000 bytes an iteration.
    let copy = row("BM_copy/real_time");
    assert_eq!(copy.unit, "byte");
    close(copy.throughput_per_s, 1000.0 / 12e-6);
    close(copy.p10_per_s.expect("spread"), 1000.0 / 20e-6);
    close(copy.p90_per_s.expect("spread"), 1000.0 / 10e-6);
    // Only aggregates: median 100 ns, deviation 20 ns: σ = √ln 1.04 = 0.198042,
    // exp(1.281552 · 0.198042) = 1.288916.
    let kept = row("BM_kept");
    close(kept.throughput_per_s, 1e7);
    let p10 = kept.p10_per_s.expect("deviation");
    assert!((1e7 / p10 - 1.288_916).abs() < 1e-5, "{p10}");
    // Four threads: an iteration of each takes four times the time between iterations.
    close(row("BM_shared/threads:4").latency_s.expect("derived"), 4.0 * 1e-6);
    let told: Vec<&str> = made.table.refused.iter().map(|r| r.problem.as_str()).collect();
    assert_eq!(told, ["failed: no device", "was skipped: too small"]);
}

#[test]
fn a_file_of_no_known_tool_is_refused_with_those_that_are() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("x.json");
    let refused = |text: &str| {
        std::fs::write(&path, text).expect("writable");
        convert(std::slice::from_ref(&path), None, &about(), TODAY)
            .expect_err("refused")
            .to_string()
    };
    let unknown = refused("{\"a\": 1}");
    assert!(unknown.contains("x.json: is of none of the tools") && unknown.contains("hyperfine"));
    assert!(refused("{\"results\": [{\"command\":").contains("is not JSON, or is cut"));
    let wrong = refused("{\"results\": [{\"command\": \"x\", \"times\": \"fast\"}]}");
    assert!(wrong.contains("is not what hyperfine writes"), "{wrong}");
    let none = convert(&[folder.path().join("sub")], None, &about(), TODAY);
    assert!(none.expect_err("absent").to_string().contains("sub: "));
    std::fs::create_dir(folder.path().join("empty")).expect("a folder");
    let empty = convert(&[folder.path().join("empty")], None, &about(), TODAY);
    let empty = empty.expect_err("no benchmark").to_string();
    assert!(empty.contains("holds no benchmark; it is made by `cargo bench`"), "{empty}");
}
