//! Records that nobody measured: many machines with many cases, for reports that must stay quick and
//! small. Made of the fixture's rows; the times follow formulas, so that the same call gives the same.

#![allow(dead_code, reason = "each test takes what it needs")]

use std::path::PathBuf;

use breakeven::record::{self, Record, Row, Series, Status, Time};

/// So many records of `cases` cases each: VMs without a GPU and VMs with one in turn, two of each
/// size a day. The last is a slow node: everything takes it 1.5 times as long as its siblings.
pub fn records(number: usize, cases: usize) -> Vec<(String, Record)> {
    let base = base();
    (0..number)
        .map(|n| (format!("vm-{n:03}.jsonl"), one(&base, n, cases, n + 1 == number)))
        .collect()
}

/// Those with the numbers of `range`, none of them slow.
pub fn range(range: std::ops::Range<usize>, cases: usize) -> Vec<(String, Record)> {
    let base = base();
    range.map(|n| (format!("vm-{n:03}.jsonl"), one(&base, n, cases, false))).collect()
}

fn base() -> Record {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/record.jsonl");
    record::read(&path).expect("a readable fixture")
}

/// The same as files of `folder`.
pub fn write(folder: &std::path::Path, records: &[(String, Record)]) {
    for (name, record) in records {
        let mut lines =
            vec![serde_json::to_string(&record::Line::Header(Box::new(record.header.clone())))];
        lines.extend(
            record
                .rows
                .iter()
                .map(|r| serde_json::to_string(&record::Line::Row(Box::new(r.clone())))),
        );
        let footer = record.footer.clone().expect("a footer");
        lines.push(serde_json::to_string(&record::Line::Footer(footer)));
        let text: Vec<String> = lines.into_iter().map(|line| line.expect("JSON")).collect();
        std::fs::write(folder.join(name), text.join("\n") + "\n").expect("a writable folder");
    }
}

fn one(base: &Record, number: usize, cases: usize, slow: bool) -> Record {
    let mut record = base.clone();
    let gpu = number % 2 == 1;
    record.header.run.id = format!("0193c5a0-0000-7000-8000-{number:012}");
    record.header.run.started_at = format!("2026-10-{:02}T08:00:00Z", 1 + number / 4);
    record.header.env.sku =
        Some(if gpu { "Standard_NC4as_T4_v3" } else { "Standard_D4as_v5" }.to_owned());
    let wanted = if gpu { "cuda:0" } else { "cpu" };
    record.header.env.devices.retain(|d| d.info.id == wanted);
    let timed = |row: &&Row| row.device == wanted && row.status == Status::Ok;
    let row = base.rows.iter().find(timed).expect("a timed row of each device");
    // Runs differ by up to 1 %, without a clock or chance in it.
    let noise = 1.0 + 0.01 * ((number * 7 % 11) as f64 / 11.0);
    let slowness = noise * if slow { 1.5 } else { 1.0 };
    record.rows = (0..cases).map(|case| of_case(row, case, slowness)).collect();
    record.footer = base.footer.clone().map(|mut footer| {
        footer.complete = true;
        footer.reason = None;
        footer.rows = cases as u64;
        footer
    });
    record
}

/// Case `case`: a product whose first side grows by 64, in series of ten.
fn of_case(row: &Row, case: usize, slowness: f64) -> Row {
    let mut row = row.clone();
    let (m, n) = (64 * (1 + case % 10), 256 * (1 + case / 10));
    row.case_key = format!("matmul dtype=f32 m={m} n={n} k=256 batch=1");
    row.series = Some(Series {
        key: format!("matmul dtype=f32 m=* n={n} k=256 batch=1"),
        axis: "m".to_owned(),
        value: m as f64,
    });
    row.work.useful = (m * n * 512) as f64;
    let factor = slowness * (m * n) as f64 / (256.0 * 256.0);
    let times = &mut row.times;
    for time in [
        &mut times.kernel_cold,
        &mut times.kernel_warm,
        &mut times.end_to_end,
        &mut times.pipelined,
    ] {
        time.iter_mut().for_each(|time| scale(time, factor));
    }
    row
}

fn scale(time: &mut Time, factor: f64) {
    time.samples_s =
        (0..30).map(|i| time.median_s * factor * (1.0 + 0.001 * f64::from(i % 5 - 2))).collect();
    for value in [
        &mut time.median_s,
        &mut time.ci95_lo_s,
        &mut time.ci95_hi_s,
        &mut time.mean_s,
        &mut time.min_s,
        &mut time.p95_s,
    ] {
        *value *= factor;
    }
}
