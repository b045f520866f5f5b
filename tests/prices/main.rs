//! `prices show` and `prices refresh` as a user meets them, against a service on this machine.

mod failures;
mod refreshing;
mod server;
mod showing;
mod verdicts;

use std::path::{Path, PathBuf};

use assert_cmd::Command;
use assert_cmd::assert::Assert;
use serde_json::{Value, json};
use server::{Answer, Row, Server, page, row};

/// The program with a data folder of the test's own.
fn breakeven(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_breakeven"));
    command.current_dir(folder).env("XDG_DATA_HOME", folder).env_remove("NO_COLOR");
    for proxy in ["ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY"] {
        command.env_remove(proxy).env_remove(proxy.to_lowercase());
    }
    command
}

fn run(folder: &Path, arguments: &[&str], code: i32) -> Assert {
    breakeven(folder).args(arguments).assert().code(code)
}

fn refresh(folder: &Path, server: &Server, more: &[&str], code: i32) -> Assert {
    let mut arguments = vec!["prices", "refresh", "--url", &server.url];
    arguments.extend(more);
    run(folder, &arguments, code)
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

fn stdout(assert: &Assert) -> String {
    text(&assert.get_output().stdout)
}

fn stderr(assert: &Assert) -> String {
    text(&assert.get_output().stderr)
}

/// The one error message.
fn message(assert: &Assert) -> String {
    let text = stderr(assert);
    let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(lines.len(), 1, "one message, not: {text}");
    lines[0].to_owned()
}

#[track_caller]
fn names(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "`{part}` is not in: {message}");
    }
}

fn usual(folder: &Path) -> PathBuf {
    folder.join("breakeven/prices.csv")
}

/// The prices in a file as (name, region, os, kind, price).
fn prices(path: &Path) -> Vec<(String, String, String, String, f64)> {
    let mut csv = csv::Reader::from_path(path).expect("a CSV file");
    let header = csv.headers().expect("a header").clone();
    let at = |name: &str| header.iter().position(|h| h == name).expect("a column");
    let columns = ["name", "region", "os", "kind", "price_usd_per_h"].map(at);
    csv.records()
        .map(|record| {
            let record = record.expect("a line");
            let cell = |i: usize| record[columns[i]].to_owned();
            (cell(0), cell(1), cell(2), cell(3), cell(4).parse().expect("a number"))
        })
        .collect()
}

const T4: &str = "Standard_NC4as_T4_v3";
const LINUX: &str = "Virtual Machines NCasT4 v3 Series";
const WINDOWS: &str = "Virtual Machines NCasT4 v3 Series Windows";

fn of(product: &str, sku: &str, kind: &str, term: &str, price: f64) -> Value {
    row("eastus", &Row { size: T4, product, sku, kind, term, price })
}

/// One size in all the guises that the service has for it; prices are invented.
fn guises() -> Vec<Value> {
    let hour = "Consumption";
    vec![
        of(LINUX, "NC4as T4 v3", hour, "", 0.5),
        of(WINDOWS, "NC4as T4 v3", hour, "", 0.7),
        of(LINUX, "NC4as T4 v3 Spot", hour, "", 0.1),
        of(WINDOWS, "NC4as T4 v3 Spot", hour, "", 0.3),
        of(LINUX, "NC4as T4 v3 Low Priority", hour, "", 0.11),
        of("Virtual Machines NCasT4 v3 Series CloudServices", "NC4as T4 v3", hour, "", 0.01),
        of("NCasT4 v3 Series Cloud Services", "NC4as T4 v3", hour, "", 0.02),
        of("Virtual Machines NCasT4 v3 Series Dedicated Host", "NC4as T4 v3", hour, "", 0.03),
        of(LINUX, "NC4as T4 v3", "DevTestConsumption", "", 0.04),
        // 3504 / 8760 = 0.4 and 6570 / 26280 = 0.25 an hour.
        of(LINUX, "NC4as T4 v3", "Reservation", "1 Year", 3504.0),
        of(LINUX, "NC4as T4 v3", "Reservation", "3 Years", 6570.0),
        of(LINUX, "NC4as T4 v3", "Reservation", "5 Years", 1.0),
        of(LINUX, "NC4as T4 v3", hour, "", 0.0),
    ]
}

/// The guises on two pages, the second with a row of no size and of a size not in the catalog.
fn service() -> Server {
    Server::new(|base, target, _| {
        let rows = guises();
        if target.contains("skip=7") {
            let mut rows = rows[7..].to_vec();
            let mut nameless = of(LINUX, "x", "Consumption", "", 0.9);
            nameless["armSkuName"] = json!("");
            let unknown = Row {
                size: "Standard_Z1_v9",
                product: "Virtual Machines Z Series",
                sku: "Z1 v9",
                kind: "Consumption",
                term: "",
                price: 0.9,
            };
            rows.extend([nameless, row("eastus", &unknown)]);
            Answer::Text(page(&rows, None))
        } else {
            let next = format!("{base}/api/retail/prices?$skip=7");
            Answer::Text(page(&rows[..7], Some(&next)))
        }
    })
}

/// The six prices that [`guises`] hold.
fn expected() -> Vec<(String, String, String, String, f64)> {
    [
        ("linux", "ondemand", 0.5),
        ("linux", "spot", 0.1),
        ("linux", "reserved-1y", 0.4),
        ("linux", "reserved-3y", 0.25),
        ("windows", "ondemand", 0.7),
        ("windows", "spot", 0.3),
    ]
    .map(|(os, kind, usd)| (T4.into(), "eastus".into(), os.into(), kind.into(), usd))
    .to_vec()
}
