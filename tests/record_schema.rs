//! Records are what the published JSON Schema says, and the schema knows every field of them.

use std::io::Cursor;
use std::sync::atomic::AtomicBool;

use breakeven::backend::Backend;
use breakeven::backend::mock::MockBackend;
use breakeven::measure::{self, Event, Options};
use breakeven::plan::{self, Filter};
use breakeven::record::environment::{SkuSource, stamp};
use breakeven::record::{self, Footer, Header, RecordError, Row, Status, Writer};
use breakeven::suite::{self, FolderFiles};
use serde_json::Value;

const SUITE: &str = r#"
    [[case]]
    family = "matmul"
    m = [8, 16, 24, 32]
    n = "m"
    k = "m"
    axis = "m"
"#;
/// A CPU that works; a GPU with a wrong answer, then lost; a GPU that is software.
const MOCK: &str = "cpu;mock:0,wrong-at=2,lost-after=2;soft:0,kind=software";

fn schema() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/schema/record-v1.schema.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The lines of a record with rows of every common status.
fn lines() -> (Vec<String>, Vec<Row>) {
    let mock = MockBackend::parse(MOCK).unwrap();
    let devices = mock.probe().devices;
    let suite = suite::parse(SUITE, "schema", "schema").unwrap();
    let plan = plan::plan(&suite, &devices, &FolderFiles::default(), &Filter::default()).unwrap();
    let env = stamp(&devices, &SkuSource { flag: Some("Standard_D4s_v5".into()), metadata: false });
    let header = Header::new("schema", 1, vec!["run".into()], env);
    let mut rows = Vec::new();
    let mut observe = |event| {
        if let Event::RowDone(row) = event {
            rows.push(*row);
        }
        Ok::<(), ()>(())
    };
    let mut open = |id: &str| mock.open(id);
    let mut options = Options::default();
    let never = AtomicBool::new(false);
    let outcome = measure::run(&plan, &mut open, &mut options, &mut observe, &never).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("record.jsonl");
    let mut writer = Writer::create(&path, &header).unwrap();
    rows.iter().for_each(|row| writer.row(row).unwrap());
    writer.finish(&Footer::new(outcome.rows, None)).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    (text.lines().map(str::to_owned).collect(), rows)
}

/// Fields that came with a later minor version: records of an earlier one are valid without.
const ADDED: [&str; 1] = ["temperature_c"];

#[test]
fn every_line_is_valid_and_every_field_is_described() {
    let (lines, rows) = lines();
    for status in [Status::Ok, Status::WrongOutput, Status::Failed, Status::Skipped] {
        assert!(rows.iter().any(|r| r.status == status), "no row is {status:?}");
    }
    let schema = schema();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for line in &lines {
        let value: Value = serde_json::from_str(line).unwrap();
        let errors: Vec<String> = validator.iter_errors(&value).map(|e| e.to_string()).collect();
        assert!(errors.is_empty(), "{line}: {errors:?}");
        let kind = value["type"].as_str().unwrap().to_owned();
        described(&schema, &schema["$defs"][&kind], &value, &kind);
        // Without any one field it is no longer a record.
        for key in value.as_object().unwrap().keys() {
            let mut cut = value.clone();
            cut.as_object_mut().unwrap().remove(key);
            let old = ADDED.contains(&key.as_str());
            assert_eq!(validator.is_valid(&cut), old, "valid without {key}: {line}");
        }
        // Readers and the schema accept fields of a later minor version.
        let mut later = value.clone();
        later["field_of_tomorrow"] = Value::Bool(true);
        assert!(validator.is_valid(&later));
    }
}

/// Every key of `value` stands in the schema's properties.
fn described(root: &Value, schema: &Value, value: &Value, path: &str) {
    let schema = match schema["$ref"].as_str() {
        Some(name) => &root["$defs"][name.trim_start_matches("#/$defs/")],
        None => schema,
    };
    if let (Some(first), false) = (schema["anyOf"].get(0), value.is_null()) {
        return described(root, first, value, path);
    }
    match value {
        Value::Object(fields) => {
            for (key, inner) in fields {
                let place = format!("{path}.{key}");
                let known = &schema["properties"][key];
                assert!(!known.is_null(), "{place} is not in the schema");
                described(root, known, inner, &place);
            }
        }
        Value::Array(items) if schema["items"].is_object() => {
            items.iter().for_each(|item| described(root, &schema["items"], item, path));
        }
        _ => {}
    }
}

#[test]
fn records_survive_crashes_and_refuse_what_they_cannot_read() {
    let (lines, rows) = lines();
    let read = |text: &str| record::parse(Cursor::new(text.to_owned()), "my.jsonl");
    let whole = read(&lines.join("\n")).unwrap();
    assert_eq!(whole.rows, rows);
    assert!(whole.footer.as_ref().unwrap().complete);

    // Cut in the middle of the last row, as a crash or a full disk leaves it.
    let crashed = lines[..lines.len() - 1].join("\n");
    let crashed = read(&crashed[..crashed.len() - 40]).unwrap();
    assert_eq!((crashed.rows.len(), crashed.footer), (rows.len() - 1, None));

    let later = lines.join("\n").replacen("\"minor\":3", "\"minor\":7,\"mood\":\"good\"", 1);
    assert_eq!(read(&later).unwrap().rows.len(), rows.len());
    let newer = lines.join("\n").replacen("\"major\":1", "\"major\":2", 1);
    let message = read(&newer).unwrap_err().to_string();
    assert!(message.contains("my.jsonl: written by a newer breakeven (record v2)"), "{message}");

    for (text, word) in [
        ("", "no header"),
        ("{\"type\":\"header\"}\n", "schema.name"),
        ("not json\n", "line 1"),
        (&format!("{}\n{}\n{}\n", lines[0], "garbage", lines[1]), "line 2"),
        (&format!("{}\n{}\n", lines[0], lines[0]), "line 2"),
    ] {
        let message = read(text).unwrap_err().to_string();
        assert!(message.contains(word) && message.contains("my.jsonl"), "{text:?}: {message}");
    }
}

#[test]
fn a_full_disk_says_how_much_is_safe() {
    /// Takes two writes, then no more.
    struct Full(u32);
    impl std::io::Write for Full {
        fn write(&mut self, data: &[u8]) -> std::io::Result<usize> {
            self.0 += 1;
            if self.0 > 2 { Err(std::io::ErrorKind::StorageFull.into()) } else { Ok(data.len()) }
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let (_, rows) = lines();
    let header = Header::new("schema", 1, vec![], stamp(&[], &SkuSource::default()));
    let mut writer = Writer::new(Box::new(Full(0)), "out/record.jsonl", &header).unwrap();
    writer.row(&rows[0]).unwrap();
    let error = writer.row(&rows[1]).unwrap_err();
    assert!(matches!(error, RecordError::Write { rows: 1, .. }));
    let message = error.to_string();
    assert!(message.contains("out/record.jsonl") && message.contains("1 rows before it are kept"));
}
