//! `fleet` against an API server of our own (tests/python/kube_server.py), which speaks Kubernetes'
//! protocol and plays the cluster behind it; containers run the real program on mock devices.

mod faults;
mod files;
mod image;
mod records;
mod resume;
mod store;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// Two small products: a run takes a moment.
const SUITE: &str =
    "[[case]]\nfamily = \"matmul\"\ndtype = \"f32\"\nm = [16, 32]\nn = 16\nk = 16\n";

/// A fleet and its cluster.
struct Bench {
    folder: tempfile::TempDir,
    server: Child,
    port: u16,
}

impl Bench {
    /// The cluster that `script` tells of, and a fleet of the given top-level keys and targets.
    fn new(script: Value, keys: &str, targets: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut script = script;
        script["program"] = json!(program());
        if script["arguments"].is_null() {
            script["arguments"] = json!(["--mock", "cpu"]);
        }
        let path = folder.path().join("script.json");
        std::fs::write(&path, script.to_string()).expect("writable");
        let (server, port) = serve("kube_server.py", &[&path]);
        let bench = Self { folder, server, port };
        bench.write("suite.toml", SUITE);
        bench.write_fleet(keys, targets);
        bench.write("kubeconfig", &bench.kubeconfig());
        bench
    }

    fn write_fleet(&self, keys: &str, targets: &[&str]) {
        let targets: String =
            targets.iter().map(|sku| format!("[[target]]\nsku = \"{sku}\"\n")).collect();
        let usual = "name = \"t\"\nsuite = \"suite.toml\"\nimage = \"registry.invalid/breakeven:1\"\n\
                     store = \"records\"\nmax_minutes = 2\n";
        let usual = match keys.contains("store =") {
            true => usual.replace("store = \"records\"\n", ""),
            false => usual.to_owned(),
        };
        let cap = if keys.contains("max_price_usd") { "" } else { "max_price_usd = 100\n" };
        self.write("fleet.toml", &format!("{usual}{cap}{keys}\n{targets}"));
    }

    fn kubeconfig(&self) -> String {
        json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "bench",
            "clusters": [{"name": "c", "cluster": {"server": format!("http://127.0.0.1:{}", self.port)}}],
            "contexts": [{"name": "bench",
                          "context": {"cluster": "c", "user": "u", "namespace": "bench"}}],
            "users": [{"name": "u", "user": {}}],
        })
        .to_string()
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join(name), text).expect("writable");
    }

    /// `breakeven fleet …` in the folder.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(program());
        command
            .arg("fleet")
            .args(arguments)
            .current_dir(self.folder.path())
            .env("KUBECONFIG", self.folder.path().join("kubeconfig"))
            .env("HOME", self.folder.path())
            .stdin(Stdio::null());
        command
    }

    fn fleet(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("breakeven starts")
    }

    /// `fleet run --yes`, its exit code, and the table as JSON.
    fn run(&self) -> (i32, Value) {
        let output = self.fleet(&["run", "fleet.toml", "--yes", "--format", "json"]);
        let text = String::from_utf8_lossy(&output.stdout);
        let value = serde_json::from_str(&text).unwrap_or_else(|error| {
            panic!("{error}: {text}\n{}", String::from_utf8_lossy(&output.stderr))
        });
        (output.status.code().unwrap_or(-1), value)
    }

    /// What the server holds and was asked.
    fn state(&self) -> Value {
        let url = format!("http://127.0.0.1:{}/_state", self.port);
        let text = ureq::get(&url).call().expect("the server").body_mut().read_to_string();
        serde_json::from_str(&text.expect("text")).expect("JSON")
    }

    /// Nothing is left behind; pods go a moment after their job.
    fn assert_clean(&self) {
        let begin = Instant::now();
        loop {
            let objects = self.state()["objects"].clone();
            let empty = |kind: &str| objects[kind] == json!([]);
            if ["jobs", "pods", "configmaps"].iter().all(|kind| empty(kind)) {
                return;
            }
            assert!(begin.elapsed() < Duration::from_secs(20), "left behind: {objects}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// How often the server was asked so.
    fn asked(&self, request: &str) -> usize {
        let state = self.state();
        let all = state["requests"].as_array().expect("a list");
        all.iter().filter(|r| r.as_str().is_some_and(|r| r.starts_with(request))).count()
    }

    /// The records in the store, by key, sorted.
    fn records(&self) -> Vec<String> {
        let store =
            breakeven::store::Store::open(&self.folder.path().join("records").to_string_lossy());
        let all = store.expect("a folder").list("").expect("readable");
        all.into_iter().map(|o| o.key).filter(|key| key.ends_with(".jsonl")).collect()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// Starts a server of tests/python, which prints its port and ends when its standard input does.
fn serve(name: &str, arguments: &[&Path]) -> (Child, u16) {
    let mut server = Command::new(python())
        .arg(root().join("tests/python").join(name))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python starts");
    let mut line = String::new();
    let out = server.stdout.take().expect("a pipe");
    BufReader::new(out).read_line(&mut line).expect("the server's port");
    (server, line.trim().parse().expect("a port"))
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_breakeven"))
}

fn python() -> String {
    std::env::var("BREAKEVEN_TEST_PYTHON")
        .unwrap_or_else(|_| root().join("target/test-python/bin/python").display().to_string())
}

/// State and words of each run, in the table's order.
fn runs(table: &Value) -> Vec<(String, String)> {
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let all = table["runs"].as_array().expect("runs");
    all.iter().map(|run| (word(&run["state"]), word(&run["what"]))).collect()
}
