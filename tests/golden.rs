//! What reports look like: fixed records and verdicts in every form, word for word.
//!
//! A wanted change: `INSTA_UPDATE=always cargo test --test golden`, then read the difference.

use std::path::PathBuf;

use breakeven::classify::Verdict;
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

const TERMINAL: Look = Look { color: false, width: Some(120) };

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
    let colored = written(&content, "text", Look { color: true, width: None });
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
