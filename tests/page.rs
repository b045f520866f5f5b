//! The report's files without a browser: what is in them, that they are the same each time, how large
//! they become, and that names from records are text in all of them.

#[path = "common/synthetic.rs"]
mod synthetic;

use std::path::PathBuf;

use breakeven::catalog::Catalog;
use breakeven::classify::Verdict;
use breakeven::compare;
use breakeven::record::{self, Record};
use breakeven::report::{self, Dossier, Judged};

/// Marks up, quotes, turns the direction of text, and goes on for 10 kB.
fn hostile() -> String {
    format!("</script><img src=x onerror=alert(1)>\"'&\u{202e}evil{}", "x".repeat(10_000))
}

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn records() -> Vec<(String, Record)> {
    vec![("record.jsonl".to_owned(), record::read(&fixture("record.jsonl")).expect("a record"))]
}

fn judged() -> Vec<Judged> {
    let text = std::fs::read_to_string(fixture("verdicts.json")).expect("a readable fixture");
    let verdicts: Vec<Verdict> = serde_json::from_str(&text).expect("verdicts");
    verdicts.into_iter().map(|verdict| Judged { verdict, spot: None, heat: None }).collect()
}

/// The files of a report on these.
fn files(judged: &[Judged], records: &[(String, Record)]) -> Vec<report::File> {
    let catalog = Catalog::embedded().expect("the catalog");
    let options = compare::Options::default();
    let compared = || compare::compare(records, &catalog, &options).map_err(|e| e.to_string());
    let comparison = (records.len() > 1).then(compared);
    let (prices, command) = (["built in".to_owned()], ["breakeven", "report", "a b.jsonl"]);
    let command = command.map(str::to_owned);
    let dossier = Dossier {
        judged,
        models: &[],
        records,
        comparison: comparison.as_ref(),
        remarks: &[],
        prices: &prices,
        command: &command,
    };
    let mut files = Vec::new();
    let keep = |name: &str, part: report::Part| -> std::io::Result<()> {
        let mut bytes = Vec::new();
        part(&mut bytes)?;
        files.push((name.to_owned(), bytes));
        Ok(())
    };
    report::bundle(&dossier, keep).expect("a report");
    files
}

fn text<'f>(files: &'f [report::File], name: &str) -> &'f str {
    let (_, bytes) = files.iter().find(|(n, _)| n == name).unwrap_or_else(|| panic!("no {name}"));
    std::str::from_utf8(bytes).expect("UTF-8")
}

#[test]
fn the_answer_stands_first_and_the_same_bytes_come_each_time() {
    let files_made = files(&judged(), &records());
    assert_eq!(files_made, files(&judged(), &records()), "the same input, the same bytes");
    let page = text(&files_made, "report.html");
    let order = ["<h1>", "id=verdicts ", "id=workload-1 ", "id=measured ", "id=provenance "];
    let places: Vec<usize> =
        order.iter().map(|part| page.find(part).unwrap_or_else(|| panic!("no {part}"))).collect();
    assert!(places.is_sorted(), "{places:?}");
    assert_eq!(page.matches("<h1>").count(), 1);
    for verdict in judged().iter().map(|j| &j.verdict) {
        // The verdict's own numbers, which the classifier's tests check.
        let bills = [&verdict.best_gpu, &verdict.best_cpu].into_iter().flatten();
        for month in bills.filter_map(|best| best.usd_per_month) {
            let month = breakeven::units::usd(month.median);
            assert!(page.contains(&month), "{month}");
        }
    }
    for fact in ["Tesla T4", "NVIDIA 550.54.15", "openblas 0.3.21", "commit 012345678"] {
        assert!(page.contains(fact), "{fact}");
    }
    assert!(
        page.contains("breakeven run quick\nbreakeven report &#39;a b.jsonl&#39;\n"),
        "commands"
    );
    let markdown = text(&files_made, "report.md");
    assert!(markdown.starts_with("# ") && markdown.contains("<details>"));
    let svgs = files_made.iter().filter(|(name, _)| name.starts_with("figures/"));
    assert!(svgs.clone().count() > 2);
    for (name, svg) in svgs {
        let svg = std::str::from_utf8(svg).expect("UTF-8");
        assert!(svg.contains("<svg") && !svg.contains("var(--"), "{name} stands alone");
    }
}

#[test]
fn the_page_asks_nobody_for_anything() {
    let files = files(&judged(), &records());
    let page = text(&files, "report.html");
    assert!(page.contains("default-src 'none'") && !page.contains("script-src 'unsafe-inline'"));
    for outside in ["src=\"http", "href=\"http", "url(", "@import", "<link", "<iframe"] {
        assert!(!page.contains(outside), "{outside}");
    }
}

#[test]
fn names_that_are_code_are_text_in_every_file() {
    let (mut judged, mut records) = (judged(), records());
    judged[0].verdict.workload = hostile();
    judged[0].verdict.sentences.push(hostile());
    let (label, record) = &mut records[0];
    *label = hostile();
    record.header.run.suite = hostile();
    record.header.env.devices[0].info.name = hostile();
    record.header.env.sku = Some(hostile());
    for row in &mut record.rows {
        row.implementation = hostile();
        row.reason = Some(hostile());
        row.case_key = format!("{} {}", row.case_key, hostile());
    }
    let mut two = records.clone();
    two.push(("b".into(), {
        let mut other = two[0].1.clone();
        other.header.run.id += "2";
        other
    }));
    for records in [records, two] {
        let files = files(&judged, &records);
        for (name, bytes) in &files {
            let written = std::str::from_utf8(bytes).expect("UTF-8");
            if name.ends_with(".html") || name.ends_with(".svg") {
                assert!(!written.contains("<img"), "{name}");
                assert!(!written.contains('\u{202e}'), "{name} turns the direction of text");
                // A figure's CSV, which is a link, has the whole name.
                let shown =
                    written.split("href=\"data:").map(|p| p.split_once('"').map_or(p, |p| p.1));
                let long = "x".repeat(3000);
                assert!(!shown.skip(1).any(|p| p.contains(&long)), "{name} shows 10 kB");
            }
            assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || "-./".contains(c)), "{name}");
        }
        assert!(
            text(&files, "report.json").contains(&"x".repeat(10_000)),
            "data keep the whole name"
        );
        assert!(
            text(&files, "report.csv").contains(&"x".repeat(10_000)),
            "data keep the whole name"
        );
    }
}

#[test]
fn device_work_alone_is_marked_and_not_set_against_whole_calls() {
    let mut records = synthetic::records(3, 3);
    for row in &mut records[1].1.rows {
        (row.times.end_to_end, row.times.pipelined) = (None, None);
    }
    let files = files(&[], &records);
    let page = text(&files, "report.html");
    let joined = page.split("case by case</caption>").nth(1).expect("the joined table");
    let joined = joined.split("</table>").next().expect("its end");
    // The last cell of each case, the speed-up of the GPU, is unknown.
    assert_eq!(joined.matches(" (device work)").count(), 3, "{joined}");
    let rows: Vec<&str> = joined.split("<tbody>").nth(1).expect("rows").split("<tr>").collect();
    assert!(rows[1..].iter().all(|row| row.ends_with(">–")), "{joined}");
    assert!(page.contains("no three are nodes of one kind"), "two of a kind are too few");
}

#[test]
fn reasons_that_differ_by_a_number_do_not_fill_the_page() {
    let mut records = synthetic::records(8, 100);
    for (vm, (_, record)) in records.iter_mut().enumerate() {
        for (case, row) in record.rows.iter_mut().enumerate().skip(1) {
            row.status = record::Status::Failed;
            row.reason = Some(format!("element {vm}-{case} is off"));
        }
    }
    let files = files(&[], &records);
    let page = text(&files, "report.html");
    let told = page.split("What was not compared").nth(1).expect("the fold");
    let told = told.split("</details>").next().expect("its end");
    assert_eq!(told.matches("<li>").count(), 101, "100 of 792 reasons, and how many more");
    assert!(told.contains("692 reasons more"), "{}", &told[told.len().saturating_sub(300)..]);
}

#[test]
fn a_gap_of_one_case_in_many_records_is_one_case() {
    let mut records = synthetic::records(6, 3);
    for (_, record) in &mut records {
        record.rows[1].status = record::Status::Skipped;
        record.rows[1].reason = Some("no such library".into());
    }
    let files = files(&[], &records);
    let case = "matmul dtype=f32 m=128 n=256 k=256 batch=1 in 3 records: no such library";
    assert!(text(&files, "report.html").contains(case));
}

#[test]
fn a_hundred_records_stay_one_small_page() {
    let records = synthetic::records(100, 500);
    let files = files(&judged(), &records);
    let page = text(&files, "report.html");
    assert!(page.len() <= 3_000_000, "{} bytes", page.len());
    assert!(text(&files, "report.md").len() <= 60_000);
    assert!(text(&files, "report.csv").lines().count() > 50_000, "all rows are in the CSV");
    assert!(page.contains("vm-099"), "the slow node is named");
    assert!(page.contains("is slower than"), "and told to be slow");
    if let Some(folder) = std::env::var_os("BREAKEVEN_SYNTHETIC") {
        synthetic::write(std::path::Path::new(&folder), &records);
    }
}

#[test]
fn processors_of_one_machine_join_the_gpu_of_another() {
    let records = synthetic::records(2, 10);
    let files = files(&[], &records);
    let page = text(&files, "report.html");
    assert!(page.contains("The fastest CPU and the fastest GPU of all records, case by case"));
    assert!(page.contains("<h1>10 cases in 2 records</h1>"));
}
