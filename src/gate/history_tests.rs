use std::path::Path;

use super::*;
use crate::gate::Machine;
use crate::record::read;

/// The first row of a real record, its warm time set to `median_s`; nothing else has a time.
fn record(day: u32, median_s: f64) -> Record {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("results/2026-11-22-epyc-genoa-2-threads/record.jsonl");
    let mut record = read(&file).unwrap();
    let of_cpu = |row: &Row| row.status == Status::Ok && row.times.kernel_warm.is_some();
    record.rows.retain(of_cpu);
    record.rows.truncate(1);
    let times = &mut record.rows[0].times;
    times.kernel_warm.as_mut().unwrap().median_s = median_s;
    (times.kernel_cold, times.end_to_end, times.pipelined) = (None, None, None);
    record.header.run.started_at = format!("2026-11-{day:02}T00:00:00Z");
    record
}

/// `n` accepted records: 1 s, every other of them 1 % more or less.
fn accepted(n: u32) -> Vec<Record> {
    (0..n).map(|at| record(1 + at, [0.99f64, 1.01][at as usize % 2])).collect()
}

fn judge(candidates: &[f64], accepted: &[Record]) -> Report {
    let candidates: Vec<Record> = candidates.iter().map(|s| record(28, *s)).collect();
    history(&candidates, accepted, &Rules::new(Machine::Shared))
}

#[test]
fn a_row_alerts_beyond_the_margin_and_the_prediction_interval() {
    // 20 records at ln 0.99 and ln 1.01: median −0.00005, MAD 0.0100, so the limit by hand (t of
    // 0.999 and 19 degrees of freedom is 3.579) is ln 1.05 + 3.579 · 1.4826 · 0.0100 · √1.05
    // = 0.0488 + 0.0544 = 0.1032: a factor of 1.1087.
    let past = accepted(20);
    let verdict = |s: f64| judge(&[s], &past).rows[0].verdict;
    assert_eq!(verdict(1.115), RowVerdict::Regressed);
    assert_eq!(verdict(1.10), RowVerdict::Inconclusive);
    assert_eq!(verdict(1.0), RowVerdict::Same);
    assert_eq!(verdict(0.89), RowVerdict::Improved);
    let report = judge(&[1.115], &past);
    assert_eq!(report.overall, Overall::Regressed);
    assert!(report.rows[0].reason.contains("limit of ± 10.9 %"), "{}", report.rows[0].reason);
    assert!(report.remarks[0].contains("a second"), "{:?}", report.remarks);
}

#[test]
fn several_runs_must_agree() {
    let past = accepted(20);
    assert_eq!(judge(&[1.2, 1.0], &past).rows[0].verdict, RowVerdict::Inconclusive);
    let both = judge(&[1.2, 1.3], &past);
    assert_eq!((both.overall, both.remarks.len()), (Overall::Regressed, 0));
}

#[test]
fn few_records_only_advise() {
    let report = judge(&[2.0], &accepted(19));
    assert_eq!(
        (report.rows[0].verdict, report.overall),
        (RowVerdict::Inconclusive, Overall::Inconclusive)
    );
    assert!(
        report.rows[0].reason.contains("advisory only, 20 records"),
        "{}",
        report.rows[0].reason
    );
    assert_eq!(judge(&[1.0], &[]).overall, Overall::Uninterpretable);
}

#[test]
fn records_that_agree_to_the_last_digit_are_not_believed_to() {
    // Limit: ln 1.05 + 3.579 · 1.4826 · 0.002 · √1.05 = 0.0597: a factor of 1.0615.
    let past: Vec<Record> = (1..=20).map(|day| record(day, 1.0)).collect();
    assert_eq!(judge(&[1.061], &past).rows[0].verdict, RowVerdict::Inconclusive);
    assert_eq!(judge(&[1.062], &past).rows[0].verdict, RowVerdict::Regressed);
}

#[test]
fn another_environment_is_refused_with_the_fields_that_differ() {
    let mut past = accepted(20);
    for old in &mut past {
        old.header.env.kernel = Some("5.4.0-1".to_owned());
        for device in &mut old.header.env.devices {
            device.env_key = "0".repeat(64);
        }
    }
    let report = judge(&[1.0], &past);
    assert_eq!(report.overall, Overall::Uninterpretable);
    assert!(report.rows[0].reason.contains("kernel: 5.4 → "), "{}", report.rows[0].reason);
}

#[test]
fn other_schemas_and_broken_off_records_take_no_part() {
    let mut past = accepted(21);
    past[0].header.schema.major = 2;
    past[1].footer = None;
    let report = judge(&[1.0], &past);
    assert_eq!(report.rows[0].rounds, [19, 1]);
    assert!(report.remarks[0].contains("v2, not breakeven-record v1"), "{:?}", report.remarks);
    assert!(report.remarks[1].contains("incomplete"), "{:?}", report.remarks);
    let mut late = record(28, 1.0);
    late.footer = None;
    let report = history(&[late], &accepted(20), &Rules::new(Machine::Shared));
    assert_eq!(report.overall, Overall::Uninterpretable);
    assert!(report.headline.contains("incomplete"), "{}", report.headline);
}

#[test]
fn a_wrong_output_is_broken_whatever_its_time() {
    let mut wrong = record(28, 0.5);
    wrong.rows[0].status = Status::WrongOutput;
    wrong.rows[0].reason = Some("element 3".to_owned());
    let report = history(&[wrong], &accepted(20), &Rules::new(Machine::Shared));
    assert_eq!((report.overall, report.rows[0].verdict), (Overall::Regressed, RowVerdict::Broken));
}
