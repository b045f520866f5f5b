//! Ten thousand records at once: what a fleet of thousands of runs leaves behind.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use breakeven::record::Record;

#[path = "common/synthetic.rs"]
mod synthetic;

/// VM sizes of the records, CPU and GPU in turn as `synthetic` has it.
const SIZES: &[[&str; 2]] = &[
    ["Standard_D4as_v5", "Standard_NC4as_T4_v3"],
    ["Standard_D8as_v5", "Standard_NC24ads_A100_v4"],
    ["Standard_D16as_v5", "Standard_NC40ads_H100_v5"],
    ["Standard_F8s_v2", "Standard_NC8as_T4_v3"],
    ["Standard_D4s_v5", "Standard_NC16as_T4_v3"],
];

/// Two of each hundred are of one size; runs begin through thirty days, at all hours.
fn spread(number: usize, record: &mut Record) {
    let pair = SIZES[number / 2 % SIZES.len()];
    record.header.env.sku = Some(pair[number % 2].to_owned());
    record.header.env.region = Some(["eastus", "westeurope"][number / 10 % 2].to_owned());
    record.header.env.node = Some(format!("node-{}", number % 500));
    let (day, hour, minute) = (1 + number % 30, number / 30 % 24, number / 720 % 60);
    record.header.run.started_at = format!("2026-10-{day:02}T{hour:02}:{minute:02}:00Z");
}

/// Seconds and peak memory in bytes of `breakeven arguments`, which must end with 0.
fn measured(folder: &Path, arguments: &[&str]) -> (f64, u64) {
    let begin = Instant::now();
    let binary = std::env::var("BREAKEVEN_SCALE_BINARY");
    let binary = binary.unwrap_or_else(|_| env!("CARGO_BIN_EXE_breakeven").to_owned());
    let mut child = Command::new(binary)
        .args(arguments)
        .current_dir(folder)
        .stdout(Stdio::null())
        .spawn()
        .expect("breakeven starts");
    let mut peak = 0;
    loop {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id()));
        let high = status.unwrap_or_default();
        let high = high.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = high.and_then(|text| text.split_whitespace().next()?.parse::<u64>().ok());
        peak = peak.max(kib.unwrap_or(0) * 1024);
        if let Some(status) = child.try_wait().expect("it can be waited for") {
            assert_eq!(status.code(), Some(0), "{arguments:?}");
            return (begin.elapsed().as_secs_f64(), peak);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Writes so many records of `cases` rows with `samples` in each time, and holds both commands to the
/// bars of the release build in seconds, and to `most_mb` megabytes. BREAKEVEN_SCALE_BINARY names a build
/// to hold to them; the tests' own is slower, and other tests run beside it.
fn held([number, cases, samples]: [usize; 3], [classify_s, report_s]: [f64; 2], most_mb: u64) {
    let named = std::env::var_os("BREAKEVEN_SCALE_BINARY").is_some();
    let slack = if cfg!(debug_assertions) && !named { 6.0 } else { 1.0 };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let records = folder.path().join("records");
    std::fs::create_dir(&records).expect("writable");
    for begin in (0..number).step_by(100) {
        let mut some = synthetic::range(begin..begin + 100, cases);
        for (number, (name, record)) in (begin..).zip(&mut some) {
            *name = format!("{number:05}.jsonl");
            spread(number, record);
            for times in record.rows.iter_mut().map(|row| &mut row.times) {
                for time in [&mut times.kernel_warm, &mut times.end_to_end, &mut times.pipelined] {
                    let Some(time) = time else { continue };
                    time.samples_s = time.samples_s.iter().copied().cycle().take(samples).collect();
                }
            }
        }
        synthetic::write(&records, &some);
    }
    for (arguments, most_s) in [
        (&["classify", "image-classification", "--records", "records"][..], classify_s),
        (&["report", "records", "-o", "out"][..], report_s),
    ] {
        let (wall_s, peak) = measured(folder.path(), arguments);
        println!("{number} of {cases}, {}: {wall_s:.1} s, {} MB", arguments[0], peak / 1_000_000);
        assert!(wall_s < most_s * slack, "{arguments:?}: {wall_s:.1} s");
        assert!(peak < most_mb * 1_000_000, "{arguments:?}: {} MB", peak / 1_000_000);
    }
    // The numbers of samples are told, though few are kept.
    let csv = std::fs::read_to_string(folder.path().join("out/report.csv")).expect("written");
    let mut lines = csv.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let header = lines.next().expect("a header");
    let column = header.iter().position(|title| *title == "samples").expect("a column");
    let last = lines.next_back().expect("a row");
    assert_eq!(last[last.len() - (header.len() - column)], samples.to_string(), "{last:?}");
}

#[test]
fn ten_thousand_records_are_judged_and_reported() {
    held([10_000, 6, 3], [5.0, 20.0], 500);
}

/// As large as those of the quick suite: 80 rows with 60 samples a time. With the samples kept, classify
/// takes 345 MB.
#[test]
fn large_records_are_kept_without_their_samples() {
    held([1_000, 80, 60], [5.0, 20.0], 300);
}
