//! What a refresh reads and writes.

use serde_json::{Value, json};

use super::server::{Answer, Row, Server, page, row};
use super::*;

#[test]
fn every_page_is_read_and_every_guise_told_apart() {
    let (folder, server) = (folder(), service());
    let done = refresh(folder.path(), &server, &["--region", "East US"], 0);
    assert_eq!(prices(&usual(folder.path())), expected());
    names(&stderr(&done), &["wrote 6 prices", "breakeven/prices.csv", "every command"]);
    names(
        &stdout(&done),
        &["low priority", "Cloud Services", "dedicated hosts", "without a price", "lacks"],
    );
    let asked = server.asked();
    assert_eq!(asked.len(), 2, "{asked:?}");
    names(
        &asked[0],
        &[
            "api-version=2023-01-01-preview",
            "$filter=serviceName%20eq%20%27Virtual%20Machines%27",
            "armRegionName%20eq%20%27eastus%27",
        ],
    );
    let left: Vec<_> = std::fs::read_dir(folder.path().join("breakeven")).expect("it").collect();
    assert_eq!(left.len(), 1, "nothing beside the file: {left:?}");
}

#[test]
fn refreshed_prices_are_used_and_named_at_once() {
    let (folder, server) = (folder(), service());
    refresh(folder.path(), &server, &["--region", "eastus", "--quiet"], 0);
    let shown = run(folder.path(), &["prices", "show", T4, "--format", "csv"], 0);
    names(&stdout(&shown), &["reserved-1y,0.4,", "windows,spot,0.3,", &server.url]);
    let judged = run(folder.path(), &["classify", "image-classification", "--format", "json"], 0);
    let value: Value = serde_json::from_str(&stdout(&judged)).expect("JSON");
    let used: Vec<&str> =
        value["prices"].as_array().expect("lines").iter().filter_map(Value::as_str).collect();
    assert_eq!(used.len(), 2, "{used:?}");
    names(used[1], &["6 prices", "breakeven/prices.csv", "`prices refresh`"]);
    let t4 = value["verdicts"][0]["ranking"].as_array().expect("rows").iter();
    let t4 = t4.clone().find(|row| row["sku"] == T4).expect("the T4 size");
    assert_eq!(t4["price_usd_per_h"], 0.5);
}

#[test]
fn other_regions_and_providers_stay_in_the_file() {
    let (folder, server) = (folder(), service());
    let file = folder.path().join("mine.csv");
    let header = "provider,name,region,kind,price_usd_per_h,as_of,source\n";
    let lines = "azure,Standard_D8s_v5,westeurope,ondemand,0.4,2026-01-01,portal\n\
                 azure,Standard_D8s_v5,eastus,ondemand,0.3,2026-01-01,portal\n\
                 aws,g5.xlarge,us-east-1,spot,0.2,2026-01-01,portal\n";
    std::fs::write(&file, format!("{header}{lines}")).expect("a file");
    refresh(folder.path(), &server, &["--region", "eastus", "-o", "mine.csv"], 0);
    let found = prices(&file);
    assert_eq!(found.len(), 6 + 2, "{found:?}");
    let has = |name: &str, region: &str| found.iter().any(|p| p.0 == name && p.1 == region);
    assert!(has("g5.xlarge", "us-east-1") && has("Standard_D8s_v5", "westeurope"));
    assert!(!has("Standard_D8s_v5", "eastus"), "the service no longer lists it there");
    assert!(!usual(folder.path()).exists(), "-o leaves the usual file alone");
}

#[test]
fn a_row_said_twice_counts_by_region_date_and_price() {
    let folder = folder();
    let server = Server::new(|_, _, _| {
        let at = |date: &str, price: f64, primary: bool| {
            let mut row = of(LINUX, "NC4as T4 v3", "Consumption", "", price);
            row["effectiveStartDate"] = json!(format!("{date}T00:00:00Z"));
            row["isPrimaryMeterRegion"] = json!(primary);
            row
        };
        let rows = [
            at("2026-01-01", 0.5, true),
            at("2026-02-01", 0.6, true),
            at("2026-03-01", 0.7, false),
            // Announced, not yet valid.
            at("2999-01-01", 0.8, true),
        ];
        Answer::Text(page(&rows, None))
    });
    refresh(folder.path(), &server, &["--region", "eastus"], 0);
    let found = prices(&usual(folder.path()));
    assert_eq!(found.iter().map(|p| p.4).collect::<Vec<_>>(), [0.6]);
}

#[test]
fn several_regions_are_walked_one_by_one() {
    let folder = folder();
    let server = Server::new(|_, target, _| {
        let region = if target.contains("westeurope") { "westeurope" } else { "eastus" };
        let usd = if region == "eastus" { 0.5 } else { 0.6 };
        let linux = Row {
            size: T4,
            product: LINUX,
            sku: "NC4as T4 v3",
            kind: "Consumption",
            term: "",
            price: usd,
        };
        Answer::Text(page(&[row(region, &linux)], None))
    });
    let regions = ["--region", "eastus", "--region", "westeurope", "--region", "eastus"];
    refresh(folder.path(), &server, &regions, 0);
    assert_eq!(server.asked().len(), 2);
    let found: Vec<(String, f64)> =
        prices(&usual(folder.path())).into_iter().map(|p| (p.1, p.4)).collect();
    assert_eq!(found, [("eastus".into(), 0.5), ("westeurope".into(), 0.6)]);
}
