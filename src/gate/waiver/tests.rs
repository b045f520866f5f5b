//! Waivers: what is refused, what holds, what fails again.

use super::*;
use crate::gate::formats::fixture::{report, row};

const GOOD: &str = r#"
[[waiver]]
case_key = "matmul dtype=f32 m=256 n=256 k=256"
implementation = "cpu/simd"
device = "cpu"
metric = "kernel_warm"
ceiling = 0.10
expires = 2027-01-31
issue = "https://example.org/issues/12"
reason = "the safer loop is worth it until the next release"
"#;

fn day(text: &str) -> Date {
    text.parse().expect("a day")
}

fn refused(text: &str, parts: &[&str]) {
    let error = parse(text).expect_err("refused").to_string();
    for part in parts {
        assert!(error.contains(part), "`{part}` is not in: {error}");
    }
    assert!(!error.contains('\n'), "{error}");
}

/// `GOOD` with the line of `key` replaced.
fn with(key: &str, line: &str) -> String {
    let lines = GOOD.lines().map(|l| if l.starts_with(&format!("{key} =")) { line } else { l });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_good_file_is_read_as_written() {
    let waivers = parse(GOOD).expect("good");
    assert_eq!(waivers.len(), 1);
    assert_eq!(waivers[0].ceiling, 0.10);
    assert_eq!(waivers[0].expires, day("2027-01-31"));
    assert_eq!(waivers[0].id, row("kernel_warm", RowVerdict::Same, 1.0).id);
    assert_eq!(parse(""), Ok(vec![]));
}

#[test]
fn whatever_is_not_exactly_a_waiver_is_refused_with_place_and_next_step() {
    refused("[[waiver]\n", &["line 1", "not TOML"]);
    refused("[[waivers]]\n", &["unknown key `waivers`", "[[waiver]]"]);
    refused("waiver = 3\n", &["[[waiver]]"]);
    refused(&with("issue", "isue = \"x\""), &["waiver 1", "unknown key `isue`", "issue"]);
    refused(&with("issue", ""), &["waiver 1", "`issue` is missing"]);
    refused(&with("reason", "reason = \"slow\""), &["reason = \"slow\"", "10 characters"]);
    refused(&with("expires", "expires = \"2027-01-31\""), &["expires", "without quotes"]);
    refused(&with("expires", "expires = 2027-01-31T10:00:00Z"), &["expires", "2027-01-31"]);
    refused(&with("expires", "expires = 2027-02-30"), &["line 8"]);
    refused(&with("ceiling", "ceiling = 8"), &["ceiling = 8", "0.08 for 8 %"]);
    refused(&with("ceiling", "ceiling = nan"), &["ceiling = nan", "0.08 for 8 %"]);
    refused(&with("ceiling", "ceiling = -0.1"), &["ceiling = -0.1"]);
    refused(&with("ceiling", ""), &["`ceiling` is missing"]);
    refused(&with("case_key", "case_key = \"matmul *\""), &["case_key", "no patterns"]);
    refused(&with("device", "device = 3"), &["device = 3", "text in quotes"]);
    refused(&format!("{GOOD}{GOOD}"), &["waiver 2", "the same row as waiver 1"]);
}

fn applied(verdict: RowVerdict, ratio: f64, today: &str) -> Report {
    let mut report =
        report(vec![row("kernel_warm", verdict, ratio), row("end_to_end", RowVerdict::Same, 1.0)]);
    apply(&mut report, &parse(GOOD).expect("good"), day(today));
    report
}

#[test]
fn a_regression_below_its_ceiling_and_before_its_day_is_waived_to_that_day() {
    for today in ["2026-11-26", "2027-01-31"] {
        let report = applied(RowVerdict::Regressed, 1.08, today);
        assert_eq!(report.rows[0].verdict, RowVerdict::Waived);
        assert_eq!(report.overall, Overall::Passed);
        assert!(report.remarks.is_empty(), "{:?}", report.remarks);
        for part in ["until 2027-01-31", "issues/12", "the safer loop", "10.0 %"] {
            assert!(report.rows[0].reason.contains(part), "{}", report.rows[0].reason);
        }
        assert_eq!(report.headline, "no row of 2 regressed but those waived (1)");
    }
}

#[test]
fn it_fails_again_past_its_day_and_above_its_ceiling_and_says_so() {
    let past = applied(RowVerdict::Regressed, 1.08, "2027-02-01");
    assert_eq!((past.rows[0].verdict, past.overall), (RowVerdict::Regressed, Overall::Regressed));
    assert!(past.remarks[0].contains("ended on 2027-01-31"), "{:?}", past.remarks);
    assert!(past.rows[0].reason.contains("ended on 2027-01-31"));

    let above = applied(RowVerdict::Regressed, 1.12, "2026-11-26");
    assert_eq!(above.rows[0].verdict, RowVerdict::Regressed);
    assert!(above.remarks[0].contains("12.0 % slower, and its ceiling is 10.0 %"));

    let broken = applied(RowVerdict::Broken, 1.0, "2026-11-26");
    assert_eq!(broken.rows[0].verdict, RowVerdict::Broken);
    assert!(broken.remarks[0].contains("does not cover a row that is broken"));
}

#[test]
fn unused_and_unknown_waivers_are_told() {
    let unused = applied(RowVerdict::Same, 1.0, "2026-11-26");
    assert!(unused.remarks[0].contains("is unused"), "{:?}", unused.remarks);
    assert_eq!(unused.overall, Overall::Passed);

    let mut report = report(vec![row("end_to_end", RowVerdict::Same, 1.0)]);
    apply(&mut report, &parse(GOOD).expect("good"), day("2026-11-26"));
    assert!(report.remarks[0].contains("names no row of this run"), "{:?}", report.remarks);

    // An inconclusive row says neither that it is needed nor that it is not.
    assert!(applied(RowVerdict::Inconclusive, 1.05, "2026-11-26").remarks.is_empty());
}

#[test]
fn other_regressions_stay_and_come_before_the_waived() {
    let mut report = report(vec![
        row("kernel_warm", RowVerdict::Regressed, 1.09),
        row("end_to_end", RowVerdict::Regressed, 1.05),
    ]);
    apply(&mut report, &parse(GOOD).expect("good"), day("2026-11-26"));
    let verdicts: Vec<RowVerdict> = report.rows.iter().map(|row| row.verdict).collect();
    assert_eq!(verdicts, [RowVerdict::Regressed, RowVerdict::Waived]);
    assert_eq!(report.overall, Overall::Regressed);
    assert!(report.headline.starts_with("1 of 2 rows regressed"), "{}", report.headline);
}
