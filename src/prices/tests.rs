//! What a row means, and the patience of the walk; the whole way is in `tests/prices/`.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use serde_json::json;

use super::api::{Item, Meaning};
use super::*;
use crate::catalog::{Os, PriceKind};

const TODAY: &str = "2026-11-22";

/// A Linux row at $2 an hour with `changes`.
fn item(changes: serde_json::Value) -> Item {
    let mut row = json!({
        "currencyCode": "USD",
        "retailPrice": 2.0,
        "armRegionName": "eastus",
        "effectiveStartDate": "2026-01-01T00:00:00Z",
        "meterName": "D8s v5",
        "productName": "Virtual Machines Dsv5 Series",
        "skuName": "D8s v5",
        "serviceName": "Virtual Machines",
        "unitOfMeasure": "1 Hour",
        "type": "Consumption",
        "armSkuName": "Standard_D8s_v5",
    });
    for (key, value) in changes.as_object().expect("an object") {
        row[key] = value.clone();
    }
    serde_json::from_value(row).expect("a row")
}

fn meaning(changes: serde_json::Value) -> Result<Meaning, &'static str> {
    item(changes).meaning("eastus", TODAY)
}

fn price(os: Os, kind: PriceKind, price_usd_per_h: f64) -> Result<Meaning, &'static str> {
    Ok(Meaning { os, kind, price_usd_per_h })
}

#[test]
fn a_row_is_told_apart_by_product_sku_meter_and_type() {
    use PriceKind::{Ondemand, Reserved1y, Reserved3y, Spot};
    let windows = "Virtual Machines Dsv5 Series Windows";
    let one = json!({"type": "Reservation", "reservationTerm": "1 Year", "retailPrice": 8760.0});
    let three =
        json!({"type": "Reservation", "reservationTerm": "3 Years", "retailPrice": 13140.0});
    for (changes, expected) in [
        (json!({}), price(Os::Linux, Ondemand, 2.0)),
        (json!({"productName": windows}), price(Os::Windows, Ondemand, 2.0)),
        (json!({"skuName": "D8s v5 Spot"}), price(Os::Linux, Spot, 2.0)),
        (json!({"meterName": "D8s v5 Spot"}), price(Os::Linux, Spot, 2.0)),
        // 8760 / 8760 = 1 and 13140 / 26280 = 0.5 an hour.
        (one, price(Os::Linux, Reserved1y, 1.0)),
        (three, price(Os::Linux, Reserved3y, 0.5)),
        // A size of the service carries blanks.
        (json!({"armSkuName": "Standard_D8s_v5  "}), price(Os::Linux, Ondemand, 2.0)),
    ] {
        assert_eq!(meaning(changes.clone()), expected, "{changes}");
    }
}

#[test]
fn rows_that_say_nothing_of_an_hour_of_the_size_are_left_out() {
    for (changes, reason) in [
        (json!({"armSkuName": ""}), "no VM size"),
        (json!({"armSkuName": null}), "no VM size"),
        (json!({"retailPrice": 0.0}), "without a price"),
        (json!({"retailPrice": -1.0}), "without a price"),
        (json!({"skuName": "D8s v5 Low Priority"}), "low priority"),
        (json!({"meterName": "D8s v5 Low Priority"}), "low priority"),
        (json!({"productName": "Virtual Machines Dsv5 Series CloudServices"}), "Cloud Services"),
        (json!({"productName": "Dsv5 Series Cloud Services"}), "Cloud Services"),
        (json!({"productName": "Dsv5 Series Dedicated Host"}), "dedicated"),
        (json!({"type": "DevTestConsumption"}), "test offers"),
        (json!({"type": "Reservation", "reservationTerm": "5 Years"}), "another term"),
        (json!({"type": "Reservation"}), "another term"),
        (json!({"unitOfMeasure": "1/Month"}), "not by the hour"),
        (json!({"tierMinimumUnits": 100.0}), "not by the hour"),
        (json!({"effectiveStartDate": "2026-12-01T00:00:00Z"}), "not valid today"),
        (json!({"effectiveEndDate": "2026-11-21T23:59:59Z"}), "not valid today"),
        (json!({"armRegionName": "westus"}), "another service or region"),
        (json!({"serviceName": "Azure Machine Learning"}), "another service or region"),
    ] {
        let said = meaning(changes.clone()).expect_err("left out");
        assert!(said.contains(reason), "{changes}: {said}");
    }
}

#[test]
fn a_service_that_does_not_answer_in_time_is_given_up() {
    // Sends only the head: the body never comes.
    let url = server("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{");
    let patience = Patience {
        tries: 3,
        first_wait: Duration::from_millis(20),
        timeout: Duration::from_millis(150),
        ..Patience::default()
    };
    let begun = Instant::now();
    let (error, waits) = refused(&url, patience);
    // Three answers of at most 150 ms, waits of 20 and 40 ms between them.
    assert_eq!(waits, [20, 40].map(Duration::from_millis));
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    let message = error.to_string();
    assert!(message.contains(&url) && message.contains("3 tries"), "{message}");
}

#[test]
fn a_crowded_service_is_waited_for_as_long_as_it_asks_else_longer_than_a_failing_one() {
    let patience = Patience {
        tries: 3,
        first_wait: Duration::from_millis(1),
        crowded_wait: Duration::from_millis(30),
        ..Patience::default()
    };
    let answer = |head: &str| server(&format!("HTTP/1.1 {head}\r\nContent-Length: 0\r\n\r\n"));
    let waits = |head: &str| refused(&answer(head), patience).1;
    assert_eq!(waits("429 -"), [30, 30].map(Duration::from_millis));
    assert_eq!(waits("429 -\r\nRetry-After: 0"), [0, 0].map(Duration::from_millis));
    assert_eq!(waits("503 -"), [1, 2].map(Duration::from_millis));
    // Neither a wait of ten minutes nor a refusal is worth another try.
    assert!(waits("503 -\r\nRetry-After: 600").is_empty());
    assert!(waits("400 -").is_empty());
}

/// A service that gives every request the same bytes and leaves the connection open.
fn server(answer: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let answer = answer.to_owned();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, answer) = (stream.expect("a connection"), answer.clone());
            std::thread::spawn(move || {
                while stream.read(&mut [0; 4096]).is_ok_and(|bytes| bytes > 0) {
                    let _ = stream.write_all(answer.as_bytes());
                }
            });
        }
    });
    url
}

/// Why nothing came, and the waits between the tries.
fn refused(url: &str, patience: Patience) -> (FetchError, Vec<Duration>) {
    let mut waits = Vec::new();
    let error = Service::new(url, patience)
        .region("eastus", &BTreeMap::new(), TODAY, &mut |event| {
            if let Event::Retry { wait, .. } = event {
                waits.push(wait);
            }
        })
        .expect_err("no page");
    (error, waits)
}

#[test]
fn a_file_is_replaced_whole_and_its_folder_made() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a/b/prices.csv");
    replace(&path, "one").expect("written");
    replace(&path, "two").expect("replaced");
    assert_eq!(std::fs::read_to_string(&path).expect("read"), "two");
    assert_eq!(std::fs::read_dir(folder.path().join("a/b")).expect("read").count(), 1);
    // A folder in the place of the file: an error, and nothing left beside it.
    let folder_there = folder.path().join("a/c");
    std::fs::create_dir_all(folder_there.join("full")).expect("made");
    assert!(replace(&folder_there, "three").is_err());
    assert_eq!(std::fs::read_dir(folder.path().join("a")).expect("read").count(), 2);
}
