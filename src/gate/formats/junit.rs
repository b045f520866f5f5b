//! JUnit XML, which CI systems show as test results: one test case a row.

use std::io::{self, Write};
use std::time::Duration;

use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};

use super::{Look, words};
use crate::gate::{JudgedRow, MetricClass, Overall, Report, RowVerdict};

/// Characters of a name; some readers cut or refuse longer ones.
const LONGEST: usize = 1000;

/// Writes the test report. A run that cannot be interpreted has an error besides its rows, so
/// that a report without rows is not a green one.
pub fn write(report: &Report, look: Look, out: &mut dyn Write) -> io::Result<()> {
    let mut suite = TestSuite::new(text(&report.subject));
    suite.timestamp = report.started_at.parse().ok();
    suite.time = duration(report.wall_s);
    let [base, cand] = words::arms(report);
    suite.add_property(("base", text(&base).as_str()));
    suite.add_property(("candidate", text(&cand).as_str()));
    suite.add_property(("machine", text(&report.machine).as_str()));
    suite.add_property(("seed", report.seed.to_string().as_str()));
    suite.add_property(("false_alarm_at_most", report.false_alarm.to_string().as_str()));
    if report.overall == Overall::Uninterpretable {
        suite.add_test_case(uninterpretable(report, look));
    }
    suite.add_test_cases(report.rows.iter().map(|row| case(row, look)));
    if !report.remarks.is_empty() {
        suite.set_system_out(report.remarks.iter().map(|r| text(r) + "\n").collect::<String>());
    }
    let mut junit = quick_junit::Report::new("breakeven gate");
    junit.timestamp = suite.timestamp;
    junit.time = suite.time;
    junit.add_test_suite(suite);
    let xml = junit.to_string().map_err(io::Error::other)?;
    writeln!(out, "{}", xml.trim_end())
}

fn uninterpretable(report: &Report, look: Look) -> TestCase {
    let mut status = if look.uninterpretable_fails {
        TestCaseStatus::non_success(NonSuccessKind::Error)
    } else {
        TestCaseStatus::skipped()
    };
    status.set_type("Uninterpretable").set_message(text(&report.headline));
    let mut case = TestCase::new("the run as a whole", status);
    case.set_classname("breakeven gate");
    case
}

fn case(row: &JudgedRow, look: Look) -> TestCase {
    let id = &row.id;
    let name = format!("{} · {} · {}", id.implementation, id.device, id.metric);
    let mut case = TestCase::new(text(&name), status(row, look));
    case.set_classname(text(&id.case_key));
    case.time = row.cand_s.filter(|_| row.class != MetricClass::Exact).and_then(duration);
    case.add_property(("verdict", words::verdict(row.verdict)));
    let numbers = [
        ("time_ratio", row.ratio),
        ("time_ratio_lo", row.ratio_lo),
        ("time_ratio_hi", row.ratio_hi),
        ("margin_ratio", Some(row.margin)),
        ("detectable_ratio", row.detectable),
        (if row.class == MetricClass::Exact { "base" } else { "base_s" }, row.base_s),
        (if row.class == MetricClass::Exact { "candidate" } else { "candidate_s" }, row.cand_s),
        ("rounds", Some(f64::from(row.rounds[0] + row.rounds[1]))),
    ];
    for (key, number) in numbers {
        if let Some(number) = number {
            case.add_property((key, number.to_string().as_str()));
        }
    }
    case
}

/// Failed where the caller lets the verdict fail the run, passed where the row is well, else
/// skipped with the reason.
fn status(row: &JudgedRow, look: Look) -> TestCaseStatus {
    let word = words::verdict(row.verdict);
    let message = format!("{word}: {} {}", words::change(row.ratio), words::interval(row));
    let message = text(&format!("{}; {}", message.trim_end(), row.reason));
    let mut status = if look.failing.contains(&row.verdict) {
        let kind = match row.verdict {
            RowVerdict::Regressed => "PerformanceRegression",
            RowVerdict::Broken => "Broken",
            _ => word,
        };
        let mut failure = TestCaseStatus::non_success(NonSuccessKind::Failure);
        failure.set_type(kind);
        failure
    } else if matches!(row.verdict, RowVerdict::Same | RowVerdict::Improved) {
        return TestCaseStatus::success();
    } else {
        TestCaseStatus::skipped()
    };
    status.set_message(message);
    status
}

/// A time for an attribute; `None` where it is none.
fn duration(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds).ok()
}

fn text(text: &str) -> String {
    words::inert(&words::cut(text, LONGEST))
}
