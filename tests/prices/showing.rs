//! `prices show`.

use serde_json::{Value, json};

use super::*;

#[test]
fn show_answers_unknown_sizes_with_the_nearest() {
    let folder = folder();
    let refused = run(folder.path(), &["prices", "show", "Standard_NC4as_T4_v4"], 2);
    names(&message(&refused), &["Standard_NC4as_T4_v4", "did you mean `Standard_NC4as_T4_v3`?"]);
    let refused = run(folder.path(), &["prices", "show", "--region", "eastsu"], 2);
    names(&message(&refused), &["--region eastsu", "`eastus`"]);
    let none = run(folder.path(), &["prices", "show", T4, "--price-kind", "reserved-1y"], 4);
    names(&message(&none), &[T4, "no such price", "prices refresh"]);
}

#[test]
fn show_names_size_region_kind_price_date_source_and_age() {
    let folder = folder();
    let arguments = ["prices", "show", "standard_nc6s_v3", "--format", "json"];
    let shown = run(folder.path(), &arguments, 0);
    let value: Value = serde_json::from_str(&stdout(&shown)).expect("JSON");
    let line = &value[0];
    // As the list of 2026-06-18 has it.
    assert_eq!(line["name"], "Standard_NC6s_v3");
    assert_eq!((&line["region"], &line["os"]), (&json!("eastus"), &json!("linux")));
    assert_eq!((&line["kind"], &line["price_usd_per_h"]), (&json!("ondemand"), &json!(3.06)));
    assert_eq!(line["as_of"], "2026-06-18");
    assert!(line["source"].as_str().is_some_and(|s| !s.is_empty()));
    assert!(line["age_days"].as_i64().is_some_and(|days| days >= 157), "{line}");
    let shown = run(folder.path(), &["prices", "show", "Standard_NC6s_v3"], 0);
    names(&stdout(&shown), &["3.06", "retired it on 2025-09-30", "built in"]);
}

#[test]
fn what_show_prints_is_a_prices_file() {
    let folder = folder();
    let shown = run(folder.path(), &["prices", "show", "--format", "csv"], 0);
    std::fs::write(folder.path().join("all.csv"), stdout(&shown)).expect("a file");
    let arguments = ["classify", "image-classification", "--prices", "all.csv", "--format", "json"];
    let again = run(folder.path(), &arguments, 0);
    names(&stdout(&again), &["all.csv (--prices)"]);
}
