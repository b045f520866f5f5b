//! Verdicts under refreshed prices, and sizes that are named as what they are.

use std::path::Path;

use serde_json::{Value, json};

use super::server::{Answer, Row, Server, page, row};
use super::*;

/// The verdict on an alignment workload, with the arguments `more`.
fn judged(folder: &Path, more: &[&str]) -> Value {
    let mut arguments = vec!["classify", "short-read-alignment", "--format", "json"];
    arguments.extend(more);
    let value: Value = serde_json::from_str(&stdout(&run(folder, &arguments, 0))).expect("JSON");
    value["verdicts"][0].clone()
}

#[test]
fn a_spot_price_of_one_side_alone_is_no_win_and_of_both_is_a_contest() {
    let folder = folder();
    let verdict = judged(folder.path(), &["--price-kind", "spot"]);
    // GPU sizes have built-in spot prices, CPU sizes have none.
    assert_eq!(verdict["verdict"], "measure-first");
    assert!(verdict["best_gpu"].is_object() && verdict["best_cpu"].is_null());
    let reasons = verdict["reasons"].as_array().expect("reasons");
    assert!(reasons.iter().any(|reason| reason["code"] == "price-unknown"
        && reason["text"].as_str().is_some_and(|text| text.contains("CPU sizes"))));
    let server = Server::new(|_, _, _| {
        let spot = |size, usd| {
            let product = "Virtual Machines Series";
            let sku = "some Spot";
            row("eastus", &Row { size, product, sku, kind: "Consumption", term: "", price: usd })
        };
        Answer::Text(page(&[spot("Standard_D8s_v5", 0.07), spot(T4, 0.15)], None))
    });
    refresh(folder.path(), &server, &["--region", "eastus"], 0);
    let verdict = judged(folder.path(), &["--price-kind", "spot"]);
    assert_eq!(verdict["best_cpu"]["sku"], "Standard_D8s_v5");
    assert_eq!(verdict["best_cpu"]["price_usd_per_h"], 0.07);
    assert!(verdict["probability_gpu"].is_f64(), "{}", verdict["headline"]);
}

#[test]
fn windows_nodes_are_priced_with_windows() {
    let (folder, server) = (folder(), service());
    let stage = "[[stage]]\nserial_cpu_s = 60\n[[stage]]\nfamily = \"matmul\"\ndtype = \"f32\"\n\
                 m = 1024\nn = 1024\nk = 1024\ncalls = 1000\n";
    let text = format!("{stage}[demand]\njobs_per_day = 100\n[node]\nos = \"windows\"\n");
    std::fs::write(folder.path().join("windows.toml"), text).expect("a file");
    let arguments = ["classify", "windows.toml", "--format", "json"];
    let unpriced = message(&run(folder.path(), &arguments, 4));
    names(&unpriced, &["nothing can be compared", "prices refresh"]);
    refresh(folder.path(), &server, &["--region", "eastus"], 0);
    let value: Value =
        serde_json::from_str(&stdout(&run(folder.path(), &arguments, 0))).expect("JSON");
    let best = &value["verdicts"][0]["best_gpu"];
    assert_eq!((&best["sku"], &best["price_usd_per_h"]), (&json!(T4), &json!(0.7)));
    assert_eq!(best["price"]["os"], "windows");
    let codes = |row: &Value| row["reasons"][0]["code"].as_str().unwrap_or_default().to_owned();
    let rows = value["verdicts"][0]["ranking"].as_array().expect("rows");
    let arm = rows.iter().find(|row| row["sku"] == "Standard_D64ps_v6").expect("an Arm size");
    assert_eq!(codes(arm), "no-windows-nodes");
}

#[test]
fn withdrawn_and_unsupported_sizes_are_named_as_such() {
    let folder = folder();
    let arguments = ["classify", "image-classification", "--explain"];
    let text = stdout(&run(folder.path(), &arguments, 0)).replace("\n    ", " ");
    let line = |code: &str| text.lines().find(|line| line.contains(code)).expect("a line");
    names(
        line(", sku-retired"),
        &["left out: 5 VM sizes", "Standard_NC6s_v3", "retired this size"],
    );
    names(line("sku-not-supported-on-aks"), &["Standard_NV4as_v4", "does not support this size"]);
}
