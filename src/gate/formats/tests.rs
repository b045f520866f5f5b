//! Each form against what its reader documents, and against names that want to be more than names.

use serde_json::Value;

use super::fixture::{report, row};
use super::*;
use crate::gate::{JudgedRow, MetricClass, Overall};

fn written(name: &str, report: &Report) -> String {
    written_as(name, report, Look::default())
}

fn written_as(name: &str, report: &Report, look: Look) -> String {
    let mut out = Vec::new();
    let format = format(name).expect("a form");
    (format.write)(report, look, &mut out).expect("a vector takes everything");
    String::from_utf8(out).expect("UTF-8")
}

fn rows_of_all_verdicts() -> Vec<JudgedRow> {
    vec![
        row("broken", RowVerdict::Broken, 1.0),
        row("regressed", RowVerdict::Regressed, 1.123),
        row("waived", RowVerdict::Waived, 1.08),
        row("clock", RowVerdict::ClockLimited, 1.06),
        row("unsure", RowVerdict::Inconclusive, 1.03),
        row("improved", RowVerdict::Improved, 0.9),
        row("same", RowVerdict::Same, 1.0),
    ]
}

/// Names that try to be commands, markup, formulas, escapes, huge, or to run backwards.
fn hostile() -> Report {
    let names = [
        "x\n::error title=a::pwned\r\n##vso[task.complete result=Succeeded]done".to_owned(),
        "::set-output name=a::b ##vso[task.setvariable variable=PATH]/tmp ##[group]g".to_owned(),
        "<img src=x onerror=alert(1)></details>|`@octocat` [a](javascript:x) #12".to_owned(),
        "\u{1b}[2J\u{1b}]0;t\u{7}\u{0}\u{85}\u{2028}\u{fffe}\u{ffff}]]>&\"'".to_owned(),
        "=HYPERLINK(\"http://x\",\"y\")".to_owned(),
        "\u{202e}gnp.exe\u{2066} שלום".to_owned(),
        "n".repeat(10_000),
        "%0A::error::x %25 ;]".to_owned(),
    ];
    let rows = names.iter().flat_map(|name| {
        let mut bad = row("kernel_warm", RowVerdict::Regressed, 1.2);
        bad.id.case_key.clone_from(name);
        bad.reason.clone_from(name);
        let mut same = row("kernel_warm", RowVerdict::Same, 1.0);
        same.id.implementation.clone_from(name);
        same.id.metric.clone_from(name);
        [bad, same]
    });
    let mut report = report(rows.collect());
    report.headline.clone_from(&names[0]);
    report.remarks = names.to_vec();
    report.subject.clone_from(&names[1]);
    report.machine.clone_from(&names[3]);
    report.base.name.clone_from(&names[0]);
    report
}

#[test]
fn hostile_names_are_inert_in_every_form() {
    let report = hostile();
    for format in FORMATS {
        let text = written(format.name, &report);
        let ours = |line: &str| match format.name {
            "github" => line.strip_prefix("::error title=breakeven gate::").map(str::to_owned),
            "azure" => line.strip_prefix("##vso[task.logissue type=error]").map(str::to_owned),
            _ => Some(line.to_owned()),
        };
        for line in text.lines() {
            let line = ours(line).unwrap_or_else(|| panic!("{}: {line}", format.name));
            // GitHub's runner trims a line before it looks for `::`; it and Azure's agent find
            // their older openings anywhere.
            assert!(!line.trim_start().starts_with("::"), "{}: {line}", format.name);
            assert!(!line.contains("##vso["), "{}: {line}", format.name);
            assert!(!line.contains("##["), "{}: {line}", format.name);
        }
        let plain = |c: char| c == '\n' || !c.is_control();
        assert!(text.chars().all(plain), "{}: a control character", format.name);
        let overrides = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        assert!(!text.contains(overrides), "{}", format.name);
    }
}

#[test]
fn a_page_stays_below_the_limit_of_a_comment_and_shows_no_markup_of_names() {
    // Without escapes.
    let page = written("markdown", &hostile()).replace("\\`", "").replace("\\]", "");
    for foreign in ["<img", "</details>|", "](java", "@octocat`"] {
        // Inside code spans nothing acts; `'` stands for the backtick that would end one.
        let outside: String = page.split('`').step_by(2).collect();
        assert!(!outside.contains(foreign), "{foreign}");
    }
    let mut many = Vec::new();
    for index in 0..2000 {
        let mut one = row("kernel_warm", RowVerdict::Regressed, 1.2);
        one.id.case_key = format!("case {index} {}", "x".repeat(200));
        many.push(one);
        many.push(row(&format!("metric_{index}"), RowVerdict::Same, 1.0));
    }
    let mut report = report(many);
    report.remarks = vec!["|".repeat(5000); 500];
    report.headline = "&".repeat(5000);
    let page = written("markdown", &report);
    assert!(page.len() <= markdown::MOST_BYTES, "{} bytes", page.len());
    assert!(page.contains("more; gate.json and gate.csv have all"));
    assert_eq!(page.matches("<details>").count(), page.matches("</details>").count());
}

#[test]
fn the_verdict_comes_first_and_rows_without_a_move_are_folded() {
    let report = report(rows_of_all_verdicts());
    let text = written("text", &report);
    assert!(text.starts_with("regressed: 2 of 7 rows regressed or broke\n"), "{text}");
    assert!(text.lines().nth(1).is_some_and(|l| l.starts_with("1 BROKEN, 1 REGRESSED, ")));
    assert!(!text.contains("· same"), "{text}");
    assert!(text.contains("+12.3 %  [+11.3, +13.3]  2.00 ms → 2.25 ms"), "{text}");
    assert!(text.contains("would show ≥ 3.1 %"), "{text}");
    let page = written("markdown", &report);
    let (open, folded) = page.split_once("<details>").expect("a folded part");
    assert!(open.contains("`regressed`") && open.contains("`improved`"));
    assert!(folded.contains("`same`") && folded.contains("`unsure`"));
    assert!(open.contains("Noise floor: a slow-down of 3.1 % or more"), "{open}");
    assert!(open.contains("false alarm in this run: at most 1 %"), "{open}");
}

#[test]
fn colours_only_where_they_are_wanted() {
    let report = report(rows_of_all_verdicts());
    assert!(!written("text", &report).contains('\x1b'));
    let look = Look { color: true, ..Look::default() };
    assert!(written_as("text", &report, look).starts_with("\x1b[1;31mregressed: "));
}

#[test]
fn json_gives_back_what_went_in_and_refuses_what_it_does_not_know() {
    for report in [report(rows_of_all_verdicts()), hostile()] {
        let text = written("json", &report);
        assert_eq!(read(&text).expect("readable"), report);
    }
    let value: Value = serde_json::from_str(&written("json", &report(vec![]))).expect("JSON");
    assert_eq!(value["schema"]["name"], "breakeven-gate");
    assert_eq!(value["schema"]["major"], 1);
    let refused = |text: &str| read(text).expect_err("refused").to_string();
    assert!(refused("{").contains("not a gate report"));
    assert!(refused("{}").contains("schema.name is not breakeven-gate"));
    let other = r#"{"schema":{"name":"breakeven-record","major":1,"minor":0}}"#;
    assert!(refused(other).contains("schema.name is not breakeven-gate"));
    let newer = r#"{"schema":{"name":"breakeven-gate","major":2,"minor":0}}"#;
    assert!(refused(newer).contains("gate report v2"));
    let short = r#"{"schema":{"name":"breakeven-gate","major":1,"minor":0}}"#;
    assert!(refused(short).contains("missing field"));
}

#[test]
fn csv_has_a_line_a_row_and_no_formula() {
    let report = hostile();
    let text = written("csv", &report);
    let mut reader = ::csv::Reader::from_reader(text.as_bytes());
    assert!(reader.headers().expect("a header").iter().any(|h| h == "time_ratio_lo"));
    let records: Vec<_> = reader.records().map(|r| r.expect("a record")).collect();
    assert_eq!(records.len(), report.rows.len());
    let formula = |cell: &str| cell.starts_with(['=', '@', '+']);
    assert!(records.iter().all(|record| !record.iter().any(formula)));
}

fn parsed(xml: &str) -> quick_junit::Report {
    quick_junit::Report::deserialize_from_str(xml).expect("JUnit")
}

#[test]
fn junit_has_a_case_a_row_with_the_asked_verdicts_failing() {
    let all = report(rows_of_all_verdicts());
    let back = parsed(&written("junit", &all));
    let suite = &back.test_suites[0];
    assert_eq!((back.tests, back.failures, back.skipped, back.errors), (7, 2, 3, 0));
    assert_eq!(suite.name.as_str(), "suite ci");
    let regressed = &suite.test_cases[1];
    assert_eq!(regressed.name.as_str(), "cpu/simd · cpu · regressed");
    let classname = regressed.classname.as_ref().map(|name| name.as_str());
    assert_eq!(classname, Some("matmul dtype=f32 m=256 n=256 k=256"));
    let quick_junit::TestCaseStatus::NonSuccess { ty, message, .. } = &regressed.status else {
        panic!("{:?}", regressed.status)
    };
    assert_eq!(ty.as_ref().map(|t| t.as_str()), Some("PerformanceRegression"));
    assert!(message.as_ref().is_some_and(|m| m.contains("+12.3 % [+11.3, +13.3]")));
    let properties: Vec<&str> = regressed.properties.iter().map(|p| p.name.as_str()).collect();
    assert!(properties.contains(&"time_ratio_lo") && properties.contains(&"base_s"));

    let unsure = &[RowVerdict::Broken, RowVerdict::Inconclusive];
    let asked = Look { failing: unsure, ..Look::default() };
    let back = parsed(&written_as("junit", &all, asked));
    assert_eq!((back.failures, back.skipped), (2, 3));
}

#[test]
fn junit_of_a_run_that_says_nothing_is_not_green_and_survives_hostile_names() {
    let back = parsed(&written("junit", &report(vec![])));
    assert_eq!((back.tests, back.errors), (1, 1));
    let report = hostile();
    let back = parsed(&written("junit", &report));
    assert_eq!(back.tests, report.rows.len());
}

#[test]
fn annotations_are_ten_at_most_worst_first_and_as_loud_as_asked() {
    let mut rows: Vec<JudgedRow> = Vec::new();
    rows.push(row("broken", RowVerdict::Broken, 1.0));
    rows.extend((0..20).map(|i| row(&format!("m{i}"), RowVerdict::Regressed, 1.1)));
    rows.push(row("same", RowVerdict::Same, 1.0));
    let report = report(rows);
    for name in ["github", "azure"] {
        let text = written(name, &report);
        assert_eq!(text.lines().count(), 10, "{text}");
        assert!(text.lines().next().is_some_and(|l| l.contains("the worst 9 of 21 rows follow")));
        assert!(text.lines().nth(1).is_some_and(|l| l.contains("BROKEN")));
        assert!(!text.contains("same"));
    }
    let soft = Look { failing: &[], ..Look::default() };
    let text = written_as("github", &report, soft);
    assert!(text.lines().all(|line| line.starts_with("::warning ")), "{text}");
}

#[test]
fn annotations_escape_as_their_readers_unescape() {
    let mut report = report(vec![row("kernel_warm", RowVerdict::Same, 1.0)]);
    report.headline = "100 % worse".into();
    let github = written("github", &report);
    // The runner turns %25, %0D and %0A back (actions/toolkit, command.ts).
    assert!(github.starts_with("::notice title=breakeven gate::100 %25 worse: 1 SAME"), "{github}");
    // The agent turns %AZP25, %0D and %0A back (Azure Pipelines' logging commands).
    report.overall = Overall::Uninterpretable;
    let azure = written("azure", &report);
    assert!(azure.starts_with("##vso[task.logissue type=warning]100 %AZP25 worse"), "{azure}");
    let path = azure_summary("/tmp/50 % a\nb/gate.md");
    assert_eq!(path, "##vso[task.uploadsummary]/tmp/50 %AZP25 a\u{fffd}b/gate.md");
    // Azure knows no notice.
    report.overall = Overall::Passed;
    assert_eq!(written("azure", &report), "");
}

#[test]
fn bmf_is_what_its_schema_wants() {
    let schema: Value = serde_json::from_str(include_str!("bmf.schema.json")).expect("JSON");
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    for report in [report(rows_of_all_verdicts()), hostile(), report(vec![])] {
        let value: Value = serde_json::from_str(&written("bmf", &report)).expect("JSON");
        assert!(validator.is_valid(&value), "{value}");
        for (benchmark, measures) in value.as_object().expect("an object") {
            assert!(benchmark.chars().count() <= 1024);
            let measures = measures.as_object().expect("an object");
            assert!(measures.keys().all(|measure| measure.chars().count() <= 64));
        }
    }
    let value: Value =
        serde_json::from_str(&written("bmf", &report(rows_of_all_verdicts()))).expect("JSON");
    let measures = &value["matmul dtype=f32 m=256 n=256 k=256 cpu/simd cpu"];
    // 2 ms × 1.123; the interval of 8 rounds' median is that of ranks 1 and 8: × 1.001, × 1.008.
    assert!((measures["regressed_s"]["value"].as_f64().unwrap() - 0.002_246).abs() < 1e-12);
    let bound = |key: &str| measures["regressed_s"][key].as_f64().unwrap();
    assert!((bound("lower_value") - 0.002_246 * 1.001).abs() < 1e-12);
    assert!((bound("upper_value") - 0.002_246 * 1.008).abs() < 1e-12);
    assert_eq!(measures["regressed_ratio"]["value"], 1.123);
}

#[test]
fn github_action_benchmark_gets_its_entries() {
    let mut rows = rows_of_all_verdicts();
    rows[0].cand_s = None;
    rows[6].class = MetricClass::Exact;
    rows[6].cand_s = Some(4096.0);
    let text = written("github-action-benchmark", &report(rows));
    let value: Value = serde_json::from_str(&text).expect("JSON");
    let entries = value.as_array().expect("a list");
    // The broken row has no number and is left out: an unknown is no zero.
    assert_eq!(entries.len(), 6);
    for entry in entries {
        assert!(entry["name"].is_string() && entry["unit"].is_string());
        assert!(entry["value"].is_number());
        assert!(entry["range"].as_str().is_some_and(|range| range.starts_with("± ")));
        assert!(entry["extra"].is_string());
    }
    assert_eq!(entries[5]["unit"], "count");
    assert_eq!(entries[5]["value"], 4096.0);
}

#[test]
fn numbers_that_are_none_are_told_apart_from_zero() {
    let mut one = row("kernel_warm", RowVerdict::Broken, 1.0);
    (one.ratio, one.ratio_lo, one.ratio_hi) = (None, None, None);
    (one.base_s, one.cand_s, one.detectable) = (None, None, None);
    let report = report(vec![one]);
    let text = written("text", &report);
    assert!(text.contains("– → –"), "{text}");
    assert!(text.contains("Noise floor: not known."), "{text}");
    assert!(written("csv", &report).contains(",cpu,,,,0.05,,,,s,"));
    assert_eq!(written("bmf", &report).trim(), "{}");
}
