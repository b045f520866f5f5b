//! What reports look like: fixed records and verdicts in every form, word for word.
//!
//! A wanted change: `INSTA_UPDATE=always cargo test --test golden`, then read the difference.

use std::path::PathBuf;

use breakeven::classify::Verdict;
use breakeven::compare::Comparison;
use breakeven::record::{self, Record};
use breakeven::report::{self, Content, Look, Verdicts};

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn records() -> Vec<(String, Record)> {
    let record = record::read(&fixture("record.jsonl")).expect("a readable fixture");
    vec![("record.jsonl".to_owned(), record)]
}

fn verdicts() -> Vec<Verdict> {
    let text = std::fs::read_to_string(fixture("verdicts.json")).expect("a readable fixture");
    serde_json::from_str(&text).expect("verdicts as `classify --format json` prints them")
}

fn written(content: &Content, format: &str, look: Look) -> String {
    let format = report::format(format).expect("a form of output");
    let mut out = Vec::new();
    (format.write)(content, look, &mut out).expect("a vector takes everything");
    String::from_utf8(out).expect("UTF-8")
}

const TERMINAL: Look = Look { color: false, width: Some(120), ascii: false };

#[test]
fn a_record_in_every_form() {
    let records = records();
    let content = Content::Records(&records);
    insta::assert_snapshot!("record_text", written(&content, "text", TERMINAL));
    insta::assert_snapshot!("record_markdown", written(&content, "markdown", TERMINAL));
    insta::assert_snapshot!("record_csv", written(&content, "csv", TERMINAL));
}

#[test]
fn verdicts_in_every_form() {
    let (verdicts, records) = (verdicts(), records());
    let remarks = ["Devices: GPUs: Tesla T4 (cuda:0).".to_owned()];
    let prices = ["built in, of 2026-06-18 to 2026-08-03".to_owned()];
    let shown = Verdicts {
        verdicts: &verdicts,
        records: &records,
        measured_now: true,
        remarks: &remarks,
        prices: &prices,
    };
    let content = Content::Verdicts(shown);
    insta::assert_snapshot!("verdicts_text", written(&content, "text", TERMINAL));
    insta::assert_snapshot!("verdicts_markdown", written(&content, "markdown", TERMINAL));
    insta::assert_snapshot!("verdicts_csv", written(&content, "csv", TERMINAL));
}

/// Two records as `compare --format json` put them side by side.
fn comparison() -> Comparison {
    let text = std::fs::read_to_string(fixture("comparison.json")).expect("a readable fixture");
    let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    serde_json::from_value(value["comparison"].clone()).expect("a comparison")
}

#[test]
fn a_comparison_in_every_form() {
    let comparison = comparison();
    let content = Content::Comparison(&comparison);
    insta::assert_snapshot!("comparison_text", written(&content, "text", TERMINAL));
    insta::assert_snapshot!("comparison_markdown", written(&content, "markdown", TERMINAL));
    insta::assert_snapshot!("comparison_csv", written(&content, "csv", TERMINAL));
    let text = written(&content, "json", Look::default());
    let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let again: Comparison = serde_json::from_value(value["comparison"].clone()).expect("the same");
    assert_eq!(again, comparison);
}

/// What stands last on a terminal, from its heading on.
fn ending(content: &Content, look: Look) -> String {
    let text = written(content, "text", look);
    let at = text.rfind("erdicts in short").or(text.rfind("In short")).expect("an ending");
    text[text[..at].rfind('\n').map_or(0, |i| i + 1)..].to_owned()
}

#[test]
fn terminals_of_every_width_end_in_a_table_and_a_chart() {
    let (verdicts, comparison) = (verdicts(), comparison());
    let shown = Verdicts {
        verdicts: &verdicts,
        records: &[],
        measured_now: false,
        remarks: &[],
        prices: &[],
    };
    for (name, content) in
        [("verdicts", Content::Verdicts(shown)), ("comparison", Content::Comparison(&comparison))]
    {
        let look = |width| Look { width: Some(width), ..Look::default() };
        for width in [40, 80, 120] {
            let text = ending(&content, look(width));
            let fits = |line: &str| line.chars().count() <= usize::from(width);
            assert!(text.lines().all(fits), "{name} at {width}:\n{text}");
            insta::assert_snapshot!(format!("ending_{name}_{width}"), text);
            let colored = ending(&content, Look { color: true, ..look(width) });
            // Shown with a visible letter in place of the escape.
            let visible = colored.replace('\x1b', "␛");
            insta::assert_snapshot!(format!("ending_{name}_{width}_colour"), visible);
            let bare = |text: &str| {
                let mut parts = text.split('\x1b');
                let first = parts.next().unwrap_or_default().to_owned();
                parts.fold(first, |all, p| all + p.split_once('m').map_or("", |(_, rest)| rest))
            };
            assert_eq!(bare(&colored), text, "colours carry no meaning alone");
        }
        let ascii = written(&content, "text", Look { ascii: true, ..look(80) });
        assert!(ascii.is_ascii(), "{name}");
        insta::assert_snapshot!(
            format!("ending_{name}_80_ascii"),
            ending(&content, Look { ascii: true, ..look(80) })
        );
    }
}

#[test]
fn json_gives_back_what_went_in() {
    let (verdicts, records) = (verdicts(), records());
    let shown = Verdicts {
        verdicts: &verdicts,
        records: &records,
        measured_now: false,
        remarks: &[],
        prices: &[],
    };
    let text = written(&Content::Verdicts(shown), "json", Look::default());
    let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(value["schema"]["name"], "breakeven-verdicts");
    assert_eq!(value["records"][0]["sku"], "Standard_NC4as_T4_v3");
    let again: Vec<Verdict> =
        serde_json::from_value(value["verdicts"].clone()).expect("the same verdicts");
    assert_eq!(again, verdicts);

    let text = written(&Content::Records(&records), "json", Look::default());
    let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(value["records"][0]["rows"].as_array().map(Vec::len), Some(10));
    assert_eq!(value["records"][0]["footer"]["reason"], "interrupted");
}

#[test]
fn colours_only_where_they_are_wanted() {
    let records = records();
    let content = Content::Records(&records);
    let colored = written(&content, "text", Look { color: true, ..Look::default() });
    assert!(colored.contains("\x1b["));
    assert!(!written(&content, "text", Look::default()).contains('\x1b'));
}

#[test]
fn a_gate_in_every_form() {
    use breakeven::gate::formats;
    let text = std::fs::read_to_string(fixture("gate/regression.json")).expect("a fixture");
    let report = formats::read(&text).expect("a gate report");
    for format in formats::FORMATS.iter().filter(|format| format.name != "json") {
        let mut out = Vec::new();
        let look = formats::Look { width: Some(120), ..formats::Look::default() };
        (format.write)(&report, look, &mut out).expect("a vector takes everything");
        let text = String::from_utf8(out).expect("UTF-8");
        insta::assert_snapshot!(format!("gate_{}", format.name), text);
    }
}
