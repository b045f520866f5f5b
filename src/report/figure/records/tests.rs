use std::path::Path;
use std::time::{Duration, Instant};

use breakeven_kernels::work::OpKind;

use super::of_records;
use crate::record::{Record, read};
use crate::report::figure::Figure;

fn fixture(path: &str) -> Record {
    read(&Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect("a record")
}

fn mock_gpu() -> Record {
    fixture("tests/fixtures/record.jsonl")
}

fn genoa() -> Record {
    fixture("results/2026-11-22-epyc-genoa-2-threads/record.jsonl")
}

fn figures(record: Record) -> Vec<Figure> {
    of_records(&[("record.jsonl".into(), record)])
}

fn named<'f>(figures: &'f [Figure], id: &str) -> &'f Figure {
    let ids: Vec<&str> = figures.iter().map(|f| f.id.as_str()).collect();
    figures.iter().find(|f| f.id == id).unwrap_or_else(|| panic!("no {id} among {ids:?}"))
}

#[test]
fn the_crossover_lies_between_the_last_size_of_the_cpu_and_the_first_of_the_gpu() {
    let figures = figures(mock_gpu());
    let throughput = named(&figures, "throughput-matmul-f32-1-m");
    // 0.2 ms with OpenBLAS against 0.25 ms at 256; 200 ms against 12 ms at 2048.
    assert!(
        throughput.finding.starts_with(
            "The GPU is faster end to end from m = 2,048 on, at all larger measured sizes; the last \
             size where the CPU is faster is m = 256: the crossover lies between them."
        ),
        "{}",
        throughput.finding
    );
    assert!(throughput.svg.contains(">crossover</text>"));
    let speed_up = named(&figures, "speed-up-matmul-f32-1-m");
    // 0.2 / 0.25 = 0.8 and 200 / 12 = 16.67.
    assert!(speed_up.finding.contains("0.80× at m = 256"), "{}", speed_up.finding);
    assert!(speed_up.finding.contains("17× at m = 2,048"), "{}", speed_up.finding);
}

#[test]
fn one_kind_of_device_makes_no_claim_about_the_other() {
    let figures = figures(genoa());
    for figure in &figures {
        let told = figure.finding.to_lowercase();
        assert!(!told.contains("crossover") && !told.contains("gpu"), "{told}");
        assert!(!figure.svg.contains("crossover"), "{}", figure.id);
        assert!(!figure.id.starts_with("speed-up"));
    }
    let roofline = named(&figures, "roofline-cpu");
    // 2 operations × 1,048,576 chains × 4,096 steps in 37.0715485 ms.
    assert!(roofline.finding.contains("f32 232 Gop/s"), "{}", roofline.finding);
    // 402,653,184 bytes in 7.096154 ms.
    assert!(roofline.finding.contains("memory 56.7 GB/s"), "{}", roofline.finding);
    let samples = named(&figures, "samples");
    // ±7.3 %, by the note of that row.
    assert!(
        samples.finding.starts_with("The noisiest is convolution")
            && samples.finding.contains("7.3 %"),
        "{}",
        samples.finding
    );
}

#[test]
fn software_adapters_are_in_no_picture() {
    let mut record = mock_gpu();
    for device in &mut record.header.env.devices {
        if device.info.id == "cuda:0" {
            device.info.kind = breakeven_kernels::work::DeviceKind::SoftwareGpu;
        }
    }
    for figure in figures(record) {
        assert!(!figure.id.starts_with("speed-up") && !figure.finding.contains("crossover"));
        assert!(!figure.id.starts_with("throughput") || !figure.finding.contains("cuda:0"));
    }
}

#[test]
fn the_split_names_the_case_that_moves_most_data() {
    let mut record = mock_gpu();
    let rows = record.rows.iter_mut().filter(|r| r.device == "cuda:0" && r.family == "matmul");
    for time in rows.filter_map(|row| row.times.end_to_end.as_mut()) {
        // Half up, a quarter in the kernel, an eighth down, an eighth rest.
        time.upload_s = Some(time.median_s / 2.0);
        time.kernel_s = Some(time.median_s / 4.0);
        time.download_s = Some(time.median_s / 8.0);
    }
    let figures = figures(record);
    let split = named(&figures, "time-split");
    assert!(
        split.finding.starts_with("Moving data to and from the GPU takes more than half")
            && split.finding.contains("in 2 of 2 cases")
            && split.finding.contains(": 62 %."),
        "{}",
        split.finding
    );
    insta::assert_snapshot!("split", split.svg);
}

#[test]
fn a_point_above_its_roof_is_called_suspicious() {
    let mut record = genoa();
    let row =
        record.rows.iter_mut().find(|r| r.implementation == "cpu/simd" && r.family == "matmul");
    let time = row.and_then(|r| r.times.kernel_warm.as_mut()).expect("a timed product");
    time.median_s /= 1000.0;
    let figures = figures(record);
    let roofline = named(&figures, "roofline-cpu");
    assert!(roofline.finding.contains("Suspicious:"), "{}", roofline.finding);
}

/// The record's f32 products, as if they were of TF32.
#[test]
fn tf32_is_under_the_roof_of_f32_where_nothing_else_multiplies_it() {
    let mut record = genoa();
    let plain = named(&figures(record.clone()), "roofline-cpu").finding.clone();
    let products = record.rows.iter_mut().filter(|r| r.family == "matmul");
    for row in products.filter(|r| r.work.op_kind == OpKind::F32) {
        row.work.op_kind = OpKind::Tf32;
    }
    let told = |record: &Record| named(&figures(record.clone()), "roofline-cpu").finding.clone();
    assert_eq!(told(&record), plain);
    for device in &mut record.header.env.devices {
        device.info.compute_capability = Some((9, 0));
    }
    assert!(told(&record).contains("without a roof for its arithmetic"), "{}", told(&record));
}

#[test]
fn hostile_names_stay_text() {
    let mut record = mock_gpu();
    let hostile = format!("</svg><script>\"'&\u{202E}\u{0}{}", "x".repeat(10_000));
    for device in &mut record.header.env.devices {
        device.info.name = hostile.clone();
    }
    for row in &mut record.rows {
        row.implementation = hostile.clone();
        row.case_key = format!("{} {hostile}={hostile}", row.family);
        if let Some(series) = &mut row.series {
            series.axis = hostile.clone();
            series.key = format!("{hostile} m=*");
        }
    }
    for figure in figures(record) {
        assert!(!figure.svg.contains("<script") && !figure.svg.contains('\u{202E}'));
        assert!(!figure.finding.contains('\u{202E}') && !figure.title.contains('\u{0}'));
        assert!(figure.svg.len() < 30_000, "{}: {}", figure.id, figure.svg.len());
        assert!(figure.finding.len() < 2_000, "{}", figure.finding);
        assert!(figure.id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'), "{}", figure.id);
        let opened = figure.svg.matches("<text ").count();
        assert_eq!(opened, figure.svg.matches("</text>").count());
        assert_eq!(figure.svg.matches("</svg>").count(), 1);
    }
}

#[test]
fn numbers_that_cannot_be_break_no_picture() {
    let mut record = mock_gpu();
    let bad = [0.0, -1.0, f64::NAN, f64::INFINITY, 1e300, 5e-324];
    for (n, row) in record.rows.iter_mut().enumerate() {
        let bad = bad[n % bad.len()];
        row.work.ops = bad;
        if let Some(series) = &mut row.series {
            series.value = bad;
        }
        let times = [&mut row.times.end_to_end, &mut row.times.kernel_warm];
        for time in times.into_iter().flatten() {
            (time.median_s, time.ci95_lo_s, time.samples_s) = (bad, -bad, vec![bad; 3]);
        }
    }
    let begun = Instant::now();
    for figure in figures(record) {
        assert!(!figure.svg.contains("NaN") && !figure.svg.contains("inf"), "{}", figure.svg);
    }
    assert!(begun.elapsed() < Duration::from_secs(2));
}

#[test]
fn many_records_stay_few_pictures_and_say_so() {
    // Rows enough for a full suite: 500 of them.
    let mut record = genoa();
    record.rows = record.rows.iter().cycle().take(500).cloned().collect();
    let many: Vec<(String, Record)> =
        (0..100).map(|n| (format!("{n}.jsonl"), record.clone())).collect();
    let begun = Instant::now();
    let figures = of_records(&many);
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert!(figures.iter().map(|f| f.svg.len()).sum::<usize>() < 1_000_000);
    assert_eq!(figures.len(), 48);
    let ids: std::collections::HashSet<&str> = figures.iter().map(|f| f.id.as_str()).collect();
    assert_eq!(ids.len(), 48);
    let note = "more pictures of these records are left out.";
    assert!(figures[47].finding.contains(note) && figures[47].svg.contains(note));
}

#[test]
fn pictures_are_small_quick_and_the_same_each_time() {
    let begun = Instant::now();
    let first = figures(genoa());
    // A release build takes a few milliseconds; this one is unoptimised, on a busy machine.
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    for figure in &first {
        assert!(figure.svg.len() < 30_000, "{}: {} bytes", figure.id, figure.svg.len());
        assert!(figure.standalone().starts_with("<?xml"));
        assert!(!figure.standalone().contains("=\"var(--"));
    }
    assert_eq!(first, figures(genoa()));
}

#[test]
fn a_small_picture_is_drawn_as_before() {
    let figures = figures(mock_gpu());
    insta::assert_snapshot!("speed_up", named(&figures, "speed-up-matmul-f32-1-m").svg);
}
