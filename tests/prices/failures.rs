//! What goes wrong on the way: the old file stays, and one message says why.

use std::time::Duration;

use serde_json::{Value, json};

use super::server::{Answer, Server, page};
use super::*;

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
