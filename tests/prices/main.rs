//! `prices show` and `prices refresh` as a user meets them, against a service on this machine.

mod server;

use std::path::{Path, PathBuf};
use std::time::Duration;

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

/// The five prices that [`guises`] hold.
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

#[test]
fn a_service_that_stumbles_is_asked_again() {
    let good = page(&guises(), None);
    let stumbles: [Answer; 4] = [
        Answer::Status(429, "Retry-After: 1\r\n", "slow down".into()),
        Answer::Status(500, "", "oops".into()),
        Answer::Truncated(good.clone(), good.len() / 2),
        Answer::Slow(good.clone(), Duration::from_millis(700)),
    ];
    for stumble in stumbles {
        let folder = folder();
        let slow = matches!(stumble, Answer::Slow(..));
        let good = good.clone();
        let server =
            Server::new(
                move |_, _, before| {
                    if before == 0 { stumble.clone() } else { Answer::Text(good.clone()) }
                },
            );
        let done = refresh(folder.path(), &server, &["--region", "eastus"], 0);
        assert_eq!(prices(&usual(folder.path())), expected());
        // A slow answer is an answer; the others were asked for twice, and that was said.
        assert_eq!(server.asked().len(), if slow { 1 } else { 2 });
        assert_eq!(stderr(&done).contains("try 2 of 5"), !slow, "{}", stderr(&done));
    }
}

/// What a service answers, from its address, the target of a request and the requests before.
type Script = Box<dyn Fn(&str, &str, usize) -> Answer + Send + Sync>;

/// What the service does, the exit code, and what the message names.
type Refusal = (&'static str, Script, i32, Vec<&'static str>);

fn refusals() -> Vec<Refusal> {
    let always = |answer: Answer| -> Script { Box::new(move |_, _, _| answer.clone()) };
    let good = page(&guises(), None);
    let changed = |key: &str, value: Value| {
        let mut row = guises()[0].clone();
        row[key] = value;
        Answer::Text(page(&[row], None))
    };
    vec![
        (
            "500 on and on",
            always(Answer::Status(500, "", "oops".into())),
            1,
            vec!["500", "oops", "5 tries", "try again later"],
        ),
        (
            "truncated on and on",
            always(Answer::Truncated(good.clone(), good.len() - 9)),
            1,
            vec!["5 tries", "network"],
        ),
        (
            "429 for an hour",
            always(Answer::Status(429, "Retry-After: 3600\r\n", String::new())),
            1,
            vec!["429", "3600 s", "after that time"],
        ),
        ("404", always(Answer::Status(404, "", "<h1>no</h1>".into())), 1, vec!["404", "--url"]),
        (
            "a proxy's page",
            always(Answer::Text("<html>Please log in</html>".into())),
            1,
            vec!["not a page", "Please log in", "proxy"],
        ),
        ("JSON cut short", always(Answer::Text(good[..good.len() / 2].into())), 1, vec!["EOF"]),
        (
            "prices as text",
            always(changed("retailPrice", json!("0.5"))),
            1,
            vec!["not a page", "string \"0.5\"", "f64"],
        ),
        ("euros", always(changed("currencyCode", json!("EUR"))), 1, vec!["EUR", "US dollars"]),
        (
            "an unknown region",
            always(Answer::Text(page(&[], None))),
            2,
            vec!["--region eastus", "no prices", "westeurope"],
        ),
        (
            "only sizes that are not in the catalog",
            always(changed("armSkuName", json!("Standard_Z1_v9"))),
            4,
            vec!["eastus", "none of the rows"],
        ),
        (
            "a page that leads to itself",
            Box::new(|base, _, _| {
                let next = format!("{base}/api/retail/prices?$skip=7");
                Answer::Text(page(&guises(), Some(&next)))
            }),
            1,
            vec!["no end", "leads back"],
        ),
        (
            "a failure after a good first page",
            Box::new(|base, _, before| {
                let next = format!("{base}/api/retail/prices?$skip=7");
                if before == 0 {
                    Answer::Text(page(&guises(), Some(&next)))
                } else {
                    Answer::Text("{".into())
                }
            }),
            1,
            vec!["skip=7", "not a page"],
        ),
    ]
}

#[test]
fn whatever_goes_wrong_the_old_file_stays_and_one_message_says_why() {
    let tests: Vec<_> = refusals()
        .into_iter()
        .map(|(what, script, code, parts)| {
            std::thread::spawn(move || {
                let folder = folder();
                let old = "provider,name,region,kind,price_usd_per_h,as_of,source\n\
                           azure,Standard_D8s_v5,eastus,ondemand,0.3,2026-01-01,portal\n";
                std::fs::create_dir(folder.path().join("breakeven")).expect("a folder");
                std::fs::write(usual(folder.path()), old).expect("a file");
                let server = Server::new(script);
                let failed = refresh(folder.path(), &server, &["--region", "eastus"], code);
                let message = message(&failed);
                println!("{what}: {message}");
                names(&message, &parts);
                names(&message, &["breakeven/prices.csv is unchanged"]);
                assert!(message.len() < 600, "{message}");
                assert_eq!(stdout(&failed), "", "{what}");
                let now = std::fs::read_to_string(usual(folder.path())).expect("the old file");
                assert_eq!(now, old, "{what}");
                let beside = std::fs::read_dir(folder.path().join("breakeven")).expect("it");
                assert_eq!(beside.count(), 1, "{what}: nothing half-written");
            })
        })
        .collect();
    for test in tests {
        test.join().expect("as described");
    }
}

#[test]
fn nobody_listening_is_told_with_the_address() {
    let folder = folder();
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = free.local_addr().expect("an address");
    drop(free);
    let url = format!("http://{address}");
    let arguments = ["prices", "refresh", "--region", "eastus", "--url", &url];
    let message = message(&run(folder.path(), &arguments, 1));
    names(&message, &[&url, "5 tries", "HTTPS_PROXY", "was not written"]);
    assert!(!usual(folder.path()).exists());
}

#[test]
fn mistakes_are_refused_before_anything_is_asked() {
    let (folder, server) = (folder(), service());
    let refused = message(&refresh(folder.path(), &server, &["--region", "east'us"], 2));
    names(&refused, &["--region east'us", "eastus"]);
    let arguments = ["prices", "refresh", "--url", "prices.azure.com"];
    names(&message(&run(folder.path(), &arguments, 2)), &["--url prices.azure.com", "https://"]);
    std::fs::write(folder.path().join("notes.csv"), "to do\nbuy milk\n").expect("a file");
    let refused = refresh(folder.path(), &server, &["-o", "notes.csv"], 2);
    names(&message(&refused), &["notes.csv", "overwritten"]);
    assert!(server.asked().is_empty());
}

#[test]
fn a_place_that_cannot_be_written_is_named() {
    let (folder, server) = (folder(), service());
    std::fs::write(folder.path().join("breakeven"), "in the way").expect("a file");
    let failed = refresh(folder.path(), &server, &["--region", "eastus"], 2);
    names(&message(&failed), &["breakeven/prices.csv"]);
}

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

#[test]
fn ctrl_c_ends_a_refresh_at_once_and_leaves_the_old_file() {
    let folder = folder();
    std::fs::create_dir(folder.path().join("breakeven")).expect("a folder");
    let old = "provider,name,region,kind,price_usd_per_h,as_of,source\n";
    std::fs::write(usual(folder.path()), old).expect("a file");
    let slow = Answer::Slow(page(&guises(), None), Duration::from_secs(30));
    let server = Server::new(move |_, _, _| slow.clone());
    let child = std::process::Command::new(env!("CARGO_BIN_EXE_breakeven"))
        .args(["prices", "refresh", "--region", "eastus", "--url", &server.url])
        .env("XDG_DATA_HOME", folder.path())
        .env("NO_PROXY", "127.0.0.1")
        .stderr(std::process::Stdio::null())
        .spawn();
    let mut child = child.expect("the program starts");
    while server.asked().is_empty() {
        std::thread::sleep(Duration::from_millis(10));
    }
    let id = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(id, rustix::process::Signal::INT).expect("it still runs");
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
    assert_eq!(std::fs::read_to_string(usual(folder.path())).expect("the old file"), old);
    let beside = std::fs::read_dir(folder.path().join("breakeven")).expect("it");
    assert_eq!(beside.count(), 1, "nothing half-written");
}

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
