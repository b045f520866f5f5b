//! A price service on this machine: answers are scripted, rows are made from a table.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

/// One answer of the service.
#[derive(Clone)]
pub enum Answer {
    /// Status 200 and this text.
    Text(String),
    /// This status, with a header line (or none) and text.
    Status(u16, &'static str, String),
    /// The first so many bytes of a page whose length was announced as whole.
    Truncated(String, usize),
    /// Half of the page, a pause, the other half.
    Slow(String, Duration),
}

/// Chooses the answer from the target of a request and the number of requests before it.
type Script = dyn Fn(&str, usize) -> Answer + Send + Sync;

/// A running service; its thread ends with the test.
pub struct Server {
    /// What `--url` is given.
    pub url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Serves what `script` says; it gets the server's own address to make links from.
    pub fn new(script: impl Fn(&str, &str, usize) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let (log, own) = (Arc::clone(&asked), base.clone());
        let script: Arc<Script> = Arc::new(move |target, before| script(&own, target, before));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { return };
                let (log, script) = (Arc::clone(&log), Arc::clone(&script));
                thread::spawn(move || serve(stream, &log, &*script));
            }
        });
        Self { url: format!("{base}/api/retail/prices"), asked }
    }

    /// The targets asked for so far, in order.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("no thread failed").clone()
    }
}

fn serve(mut stream: TcpStream, log: &Mutex<Vec<String>>, script: &Script) {
    let Ok(copy) = stream.try_clone() else { return };
    let mut lines = BufReader::new(copy).lines().map_while(Result::ok);
    let Some(request) = lines.next() else { return };
    for line in lines.by_ref() {
        if line.is_empty() {
            break;
        }
    }
    let target = request.split(' ').nth(1).unwrap_or_default().to_owned();
    let before = {
        let mut asked = log.lock().expect("no thread failed");
        asked.push(target.clone());
        asked.len() - 1
    };
    // The client may be gone; that is its affair.
    let _ = answer(&mut stream, script(&target, before));
}

fn answer(stream: &mut TcpStream, answer: Answer) -> std::io::Result<()> {
    let mut head = |status: u16, header: &str, length: usize| {
        write!(
            stream,
            "HTTP/1.1 {status} -\r\n{header}Content-Length: {length}\r\nConnection: close\r\n\r\n"
        )
    };
    match answer {
        Answer::Text(text) => {
            head(200, "", text.len())?;
            stream.write_all(text.as_bytes())
        }
        Answer::Status(status, header, text) => {
            head(status, header, text.len())?;
            stream.write_all(text.as_bytes())
        }
        Answer::Truncated(text, bytes) => {
            head(200, "", text.len())?;
            stream.write_all(&text.as_bytes()[..bytes])
        }
        Answer::Slow(text, pause) => {
            head(200, "", text.len())?;
            let (first, second) = text.as_bytes().split_at(text.len() / 2);
            stream.write_all(first)?;
            stream.flush()?;
            thread::sleep(pause);
            stream.write_all(second)
        }
    }
}

/// A row of the list: what differs from row to row, the rest is filled in by [`row`].
pub struct Row<'a> {
    /// `armSkuName`.
    pub size: &'a str,
    /// `productName`.
    pub product: &'a str,
    /// `skuName` and `meterName`.
    pub sku: &'a str,
    /// `type`.
    pub kind: &'a str,
    /// `reservationTerm`, empty for none.
    pub term: &'a str,
    /// `retailPrice`.
    pub price: f64,
}

/// A row as the service writes it, of `region`.
pub fn row(region: &str, row: &Row) -> Value {
    let mut value = json!({
        "currencyCode": "USD",
        "tierMinimumUnits": 0.0,
        "retailPrice": row.price,
        "unitPrice": row.price,
        "armRegionName": region,
        "location": "Test",
        "effectiveStartDate": "2026-01-01T00:00:00Z",
        "meterId": "m",
        "meterName": row.sku,
        "productId": "p",
        "skuId": "p/s",
        "productName": row.product,
        "skuName": row.sku,
        "serviceName": "Virtual Machines",
        "serviceId": "s",
        "serviceFamily": "Compute",
        "unitOfMeasure": "1 Hour",
        "type": row.kind,
        "isPrimaryMeterRegion": true,
        "armSkuName": row.size,
    });
    if !row.term.is_empty() {
        value["reservationTerm"] = json!(row.term);
    }
    value
}

/// A page of `rows` that goes on at `next`.
pub fn page(rows: &[Value], next: Option<&str>) -> String {
    json!({
        "BillingCurrency": "USD",
        "CustomerEntityId": "Default",
        "CustomerEntityType": "Retail",
        "Items": rows,
        "NextPageLink": next,
        "Count": rows.len(),
    })
    .to_string()
}
