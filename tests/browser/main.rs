//! Reports as a reader meets them: in a real browser, which needs Debian's packages chromium and
//! chromium-driver and the wheel selenium (./test.sh installs them; without them these tests fail).

mod harness;
mod live;
mod page;

use serde_json::json;

#[test]
fn the_harness_sees_scripts_errors_and_requests() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let url = harness::page(
        folder.path(),
        "page.html",
        "<!doctype html><title>t</title><input id=i><p id=p>off</p>\
         <script>document.getElementById('p').textContent = 'on'</script>",
    );
    let loud = harness::page(
        folder.path(),
        "loud.html",
        "<!doctype html><title>t</title><img alt='' src='http://127.0.0.1:9/x.png'>\
         <script>console.error('loud')</script>",
    );
    let text = json!({ "script": "return document.getElementById('p').textContent" });
    let typed = [
        json!({ "type": "#i", "keys": "ac{ARROW_LEFT}b" }),
        json!({ "script": "return document.getElementById('i').value + arguments[0]", "given": ["d"] }),
    ];
    let seen = harness::visit(&[
        json!({ "url": url, "steps": [text, typed[0], typed[1]] }),
        json!({ "url": url, "javascript": false, "steps": [text] }),
        json!({ "url": loud, "steps": [] }),
    ]);
    assert_eq!(seen[0].results, [json!("on"), json!(null), json!("abcd")]);
    seen[0].assert_quiet();
    assert_eq!(seen[1].results, [json!("off")], "with JavaScript off");
    seen[1].assert_quiet();
    assert!(seen[2].console.iter().any(|line| line.contains("loud")), "{:?}", seen[2].console);
    assert_eq!(seen[2].requests, ["http://127.0.0.1:9/x.png"]);
}
