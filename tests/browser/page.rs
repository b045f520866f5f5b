//! The report as a whole in a browser: it loads with and without JavaScript, asks nobody for
//! anything, sorts and filters, shows hostile names as text, fits every width, and breaks no rule
//! of WCAG 2.2 AA that axe-core knows.

#[path = "../common/synthetic.rs"]
mod synthetic;

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::harness::{self, Seen};

fn fixture() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/record.jsonl")
}

/// Writes a report on `record` in `folder` and gives the page's address.
fn report(folder: &Path, record: &Path, more: &[&str]) -> String {
    let made = Command::new(env!("CARGO_BIN_EXE_breakeven"))
        .current_dir(folder)
        .env("XDG_DATA_HOME", folder.join("data"))
        .args(["report", "--quiet", "-o", "out"])
        .arg(record)
        .args(more)
        .output()
        .expect("the program runs");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    format!("file://{}", folder.join("out/report.html").display())
}

const WORKLOADS: [&str; 4] = ["--workload", "image-classification", "--workload", "llm-generation"];

#[test]
fn the_page_reads_with_and_without_javascript_and_asks_nobody_for_anything() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let url = report(folder.path(), &fixture(), &WORKLOADS);
    let facts = json!({ "script":
        "const shown = (e) => e && e.getClientRects().length > 0;\
         return { h1: document.querySelectorAll('h1').length,\
           heading: document.querySelector('h1').textContent,\
           verdicts: document.querySelectorAll('#verdicts tbody tr').length,\
           figures: [...document.querySelectorAll('figure svg')].filter(shown).length,\
           fits: document.documentElement.scrollWidth <= document.documentElement.clientWidth }" });
    let visits: Vec<Value> = [(true, 1280), (false, 1280), (true, 360), (false, 360), (true, 3840)]
        .into_iter()
        .map(|(javascript, width)| {
            json!({ "url": url, "javascript": javascript, "width": width, "steps": [facts] })
        })
        .collect();
    for seen in harness::visit(&visits) {
        seen.assert_quiet();
        let facts = &seen.results[0];
        assert_eq!(facts["h1"], 1);
        assert!(
            facts["heading"].as_str().is_some_and(|h| h.starts_with("Of 2 workloads, ")),
            "{facts}"
        );
        assert_eq!(facts["verdicts"], 2);
        assert!(facts["figures"].as_u64() >= Some(6), "{facts}");
        assert_eq!(facts["fits"], true, "the page scrolls sideways: {facts}");
    }
}

/// Marks the first table of the page whose caption begins so.
fn mark(caption: &str) -> Value {
    json!({ "script":
        "const found = [...document.querySelectorAll('.scroll table')]\
           .find((t) => t.caption.textContent.startsWith(arguments[0]));\
         found.dataset.test = ''; found.tHead.querySelectorAll('button')[4].dataset.sort = '';\
         const tools = found.closest('.scroll').previousElementSibling;\
         tools.querySelector('input').dataset.filter = ''; return found.tBodies[0].rows.length",
        "given": [caption] })
}

const COLUMN: &str = "return [...document.querySelector('[data-test]').tBodies[0].rows]\
    .filter((r) => !r.hidden).map((r) => r.cells[4].textContent)";

fn dollars(cells: &Value) -> Vec<f64> {
    let cell =
        |c: &Value| c.as_str().expect("text").replace(['$', ','], "").parse().expect("money");
    cells.as_array().expect("cells").iter().map(cell).collect()
}

#[test]
fn tables_sort_and_filter_by_click_and_by_keyboard() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let url = report(folder.path(), &fixture(), &WORKLOADS[..2]);
    let column = json!({ "script": COLUMN });
    let sorted = json!({ "script":
        "return document.querySelector('[data-sort]').closest('th').getAttribute('aria-sort')" });
    let status = json!({ "script": "return document.querySelector('[data-test]').closest('.scroll')\
        .previousElementSibling.querySelector('[role=status]').textContent" });
    let seen = harness::visit(&[json!({ "url": url, "steps": [
        mark("VM sizes for"),
        json!({ "click": "[data-sort]" }), sorted, column,
        json!({ "type": "[data-sort]", "keys": "{ENTER}" }), sorted, column,
        json!({ "type": "[data-filter]", "keys": "a10 nv" }), column, status,
        json!({ "script": "return [...document.querySelector('[data-test]').tBodies[0].rows]\
            .filter((r) => !r.hidden).map((r) => r.cells[0].textContent)" }),
    ] })]);
    let [seen]: [Seen; 1] = seen.try_into().expect("one visit");
    seen.assert_quiet();
    let results = &seen.results;
    assert_eq!(results[2], "ascending");
    let up = dollars(&results[3]);
    assert!(up.is_sorted() && up.len() > 8, "{up:?}");
    assert_eq!(results[5], "descending");
    assert!(dollars(&results[6]).iter().rev().is_sorted());
    let names = results[10].as_array().expect("names");
    assert!(!names.is_empty());
    for name in names {
        assert!(name.as_str().is_some_and(|n| n.contains("A10") && n.contains("NV")), "{name}");
    }
    let told = format!("{} of {} rows", names.len(), results[0]);
    assert_eq!(results[9], told, "and it is said to those who cannot see it");
}

#[test]
fn numbers_sort_by_what_they_are_worth() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let rows = ["1.20 TCUPS", "–", "34.5 GCUPS", "900 MCUPS", "same", "1.678×10⁷", "256", "1,024"];
    let cells: String = rows.iter().map(|cell| format!("<tr><td class=n>{cell}")).collect();
    let script = include_str!("../../src/report/page/table.js");
    let page = format!(
        "<!doctype html><meta charset=utf-8><div class=scroll><table><caption>t</caption>\
         <thead><tr><th class=n>value<tbody>{cells}</table></div><script>{script}</script>"
    );
    let path = folder.path().join("t.html");
    std::fs::write(&path, page).expect("a writable folder");
    let read = json!({ "script":
        "return [...document.querySelectorAll('td')].map((cell) => cell.textContent)" });
    let steps = json!([{ "click": "th button" }, read]);
    let url = format!("file://{}", path.display());
    let seen = harness::visit(&[json!({ "url": url, "steps": steps })]);
    let sorted =
        json!(["256", "1,024", "1.678×10⁷", "900 MCUPS", "34.5 GCUPS", "1.20 TCUPS", "–", "same"]);
    assert_eq!(seen[0].results[1], sorted, "words and the unknown stay last");
}

/// Texts of figures that lie on one another or leave their figure, at the width of the visit.
const COLLISIONS: &str = "const told = []; const figures = document.querySelectorAll('figure svg');\
    for (const svg of figures) {\
      const sheet = svg.getBoundingClientRect(); if (!sheet.width) continue;\
      const unit = sheet.width / svg.viewBox.baseVal.width;\
      const texts = [...svg.querySelectorAll('text')]\
        .map((text) => [text.textContent, text.getBoundingClientRect()]);\
      texts.forEach(([a, one], i) => {\
        if (one.left < sheet.left - 1 || one.right > sheet.right + 1 ||\
            one.top < sheet.top - 1 || one.bottom > sheet.bottom + 1) told.push([svg.id, a]);\
        for (const [b, other] of texts.slice(0, i)) {\
          const wide = Math.min(one.right, other.right) - Math.max(one.left, other.left);\
          const high = Math.min(one.bottom, other.bottom) - Math.max(one.top, other.top);\
          if (wide > unit && high > 3 * unit) told.push([svg.id, a, b]);\
        }\
      });\
    } return [figures.length, told];";

#[test]
fn labels_of_figures_neither_meet_nor_leave_the_figure() {
    let folders = [(), ()].map(|()| tempfile::tempdir().expect("a temporary folder"));
    let kept = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("results");
    // Every built-in workload on the kept records, and crossovers, splits and siblings.
    synthetic::write(folders[1].path(), &synthetic::records(6, 20));
    let urls =
        [report(folders[0].path(), &kept, &[]), report(folders[1].path(), folders[1].path(), &[])];
    let visits: Vec<Value> = urls
        .iter()
        .flat_map(|url| [360, 1280, 3840].map(|width| (url, width)))
        .map(|(url, width)| {
            json!({ "url": url, "width": width, "steps": [{ "script": COLLISIONS }] })
        })
        .collect();
    for (seen, asked) in harness::visit(&visits).iter().zip(&visits) {
        assert!(seen.results[0][0].as_u64() >= Some(15), "{}", seen.results[0]);
        assert_eq!(seen.results[0][1], json!([]), "at {}", asked["width"]);
    }
}

#[test]
fn names_that_are_code_stay_text() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let hostile =
        format!("<img src=x onerror=console.error(1)>\u{202e}\"'</script>{}", "y".repeat(10_000));
    let text = std::fs::read_to_string(fixture()).expect("a fixture");
    let lines = text.lines().map(|line| {
        let mut value: Value = serde_json::from_str(line).expect("JSON");
        if value["type"] == "header" {
            value["run"]["suite"] = json!(hostile);
            value["env"]["cpu"]["model"] = json!(hostile);
            value["env"]["devices"][0]["info"]["name"] = json!(hostile);
        } else if value["type"] == "row" {
            value["implementation"] = json!(hostile);
            value["reason"] = json!(hostile);
        }
        format!("{value}\n")
    });
    let record = folder.path().join("hostile.jsonl");
    std::fs::write(&record, lines.collect::<String>()).expect("a file");
    let url = report(folder.path(), &record, &WORKLOADS);
    let facts = json!({ "script": "return [document.images.length,\
        document.body.innerText.includes('<img src=x'),\
        document.documentElement.scrollWidth <= document.documentElement.clientWidth]" });
    let visit = |width| json!({ "url": url, "width": width, "steps": [facts] });
    for seen in harness::visit(&[visit(1280), visit(360)]) {
        seen.assert_quiet();
        assert_eq!(seen.results[0], json!([0, true, true]));
    }
}

#[test]
fn axe_finds_nothing_to_mend_light_or_dark() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let one = report(folder.path(), &fixture(), &WORKLOADS);
    let many = tempfile::tempdir().expect("a temporary folder");
    synthetic::write(many.path(), &synthetic::records(6, 20));
    let several = report(many.path(), many.path(), &[]);
    let visit = |url: &str, dark, width| {
        json!({ "url": url, "dark": dark, "width": width, "steps": [
            { "script": "document.querySelectorAll('details').forEach((d) => { d.open = true })" },
            { "axe": "document" },
        ] })
    };
    let visits = [
        visit(&one, false, 1280),
        visit(&one, true, 1280),
        visit(&one, false, 360),
        visit(&several, false, 1280),
        visit(&several, true, 1280),
    ];
    for (seen, asked) in harness::visit(&visits).iter().zip(&visits) {
        assert_eq!(seen.results[1], json!([]), "{asked}");
    }
}

#[test]
fn dark_and_print_are_pages_too() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let url = report(folder.path(), &fixture(), &WORKLOADS);
    let look = json!({ "script":
        "const nav = document.querySelector('nav.contents');\
         return [getComputedStyle(document.body).backgroundColor, getComputedStyle(nav).display,\
           [...document.querySelectorAll('.scroll, .live-scroll')]\
             .filter((s) => s.scrollWidth > s.clientWidth + 1).map((s) => s.textContent.slice(0, 40))]" });
    // Paper of A4 is 718 wide between its margins.
    let visit = |dark, print| json!({ "url": url, "dark": dark, "print": print, "width": 718, "steps": [look] });
    let seen = harness::visit(&[visit(false, false), visit(true, false), visit(true, true)]);
    let grounds: Vec<&Value> = seen.iter().map(|s| &s.results[0][0]).collect();
    assert_ne!(grounds[0], grounds[1], "dark is dark");
    assert_eq!(grounds[2], "rgb(255, 255, 255)", "paper is white, whatever the screen");
    assert_eq!(seen[2].results[0][1], "none", "a printed page links to nothing within itself");
    assert_eq!(seen[2].results[0][2], json!([]), "paper does not scroll: all columns are on it");
}

#[test]
fn heads_of_tables_are_plain_while_they_are_printed() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let url = report(folder.path(), &fixture(), &WORKLOADS[..2]);
    let after = |event: &str| {
        json!({ "script": format!("dispatchEvent(new Event('{event}'));\
            return [document.querySelectorAll('thead th > button').length,\
              [...document.querySelectorAll('thead th')].map((th) => th.textContent).join()]") })
    };
    let steps = [after("load"), after("beforeprint"), after("afterprint")];
    let seen = harness::visit(&[json!({ "url": url, "steps": steps })]);
    let [before, printed, again] = [0, 1, 2].map(|i| &seen[0].results[i]);
    assert_ne!(before[0], 0);
    assert_eq!((&printed[0], &printed[1]), (&json!(0), &before[1]), "only the buttons go");
    assert_eq!(again, before);
}

#[test]
fn a_hundred_records_sort_without_a_stutter() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    synthetic::write(folder.path(), &synthetic::records(100, 60));
    let url = report(folder.path(), folder.path(), &[]);
    let steps = json!([
        { "script": "const t = [...document.querySelectorAll('.scroll table')].reduce((a, b) =>\
            a.rows.length > b.rows.length ? a : b); const began = performance.now();\
            t.tHead.querySelectorAll('button')[3].click(); t.getBoundingClientRect();\
            return [t.rows.length, performance.now() - began]" },
    ]);
    let seen = harness::visit(&[json!({ "url": url, "steps": steps })]);
    seen[0].assert_quiet();
    let [rows, took_ms] = [0, 1].map(|i| seen[0].results[0][i].as_f64().expect("a number"));
    assert!(rows >= 60.0 && took_ms < 500.0, "{rows} rows took {took_ms} ms");
}
