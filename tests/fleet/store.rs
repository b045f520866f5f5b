//! Records in an object store: Azurite, which speaks Azure Blob Storage's own protocol.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use breakeven::record;
use serde_json::{Value, json};

use super::{Bench, program, root, runs, serve};

const SKU: &str = "Standard_D8as_v5";
const LOG: &str = "GET /api/v1/namespaces/bench/pods/";

/// A running Azurite with the container `records`.
struct Azurite {
    server: Child,
    variables: [(&'static str, String); 2],
}

impl Azurite {
    fn new() -> Self {
        let program = root().join("target/test-node/node_modules/azurite/dist/src/blob/main.js");
        assert!(program.exists(), "{}: missing; ./test.sh installs it", program.display());
        let (server, port) = serve("azurite.py", &[&program, Path::new("records")]);
        let url = format!("http://127.0.0.1:{port}");
        let variables =
            [("AZURE_STORAGE_USE_EMULATOR", "true".into()), ("AZURITE_BLOB_STORAGE_URL", url)];
        Self { server, variables }
    }

    /// A fleet whose store this is; pods get `environment`.
    fn bench(&self, keys: &str, environment: Value) -> Bench {
        let bench = Bench::new(json!({ "environment": environment }), keys, &[SKU]);
        let path = bench.folder.path().join("fleet.toml");
        let text = std::fs::read_to_string(&path).expect("readable");
        bench.write(
            "fleet.toml",
            &text.replace("store = \"records\"", "store = \"az://records/of\""),
        );
        bench
    }

    fn environment(&self) -> Value {
        let pairs = self.variables.iter().map(|(name, value)| ((*name).to_owned(), json!(value)));
        Value::Object(pairs.collect())
    }

    /// Runs breakeven with this store's variables.
    fn breakeven(&self, bench: &Bench, arguments: &[&str]) -> (i32, String, String) {
        let usual = bench.command(&[]);
        let output = Command::new(program())
            .args(arguments)
            .current_dir(bench.folder.path())
            .envs(usual.get_envs().filter_map(|(k, v)| Some((k, v?))))
            .envs(self.variables.iter().map(|(name, value)| (*name, value)))
            .stdin(Stdio::null())
            .output()
            .expect("breakeven starts");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
    }
}

impl Drop for Azurite {
    fn drop(&mut self) {
        // Its standard input ends, and it ends Azurite.
        drop(self.server.stdin.take());
        let _ = self.server.wait();
    }
}

const RUN: [&str; 6] = ["fleet", "run", "fleet.toml", "--yes", "--format", "json"];

#[test]
fn pods_put_records_there_and_every_command_reads_them() {
    let azurite = Azurite::new();
    let bench = azurite.bench("repeats = 3\nnodes = 3", azurite.environment());
    let (code, out, error) = azurite.breakeven(&bench, &RUN);
    assert_eq!(code, 0, "{out}{error}");
    let table: Value = serde_json::from_str(&out).expect("JSON");
    for (number, (state, what)) in runs(&table).into_iter().enumerate() {
        let place = format!(" rows measured, in az://records/of/t/standard-d8as-v5/{number}.jsonl");
        assert!(state == "record" && what.ends_with(&place), "{what}");
    }
    let logs = bench.state()["requests"].to_string().matches(LOG).count();
    assert_eq!(logs, 0, "no log was needed");
    bench.assert_clean();

    let (code, out, error) =
        azurite.breakeven(&bench, &["report", "az://records/of", "--format", "json"]);
    assert_eq!(code, 0, "{error}");
    assert_eq!(out.matches("\"node\": \"node-standard-d8as-v5-").count(), 3, "{out}");
    let one = "az://records/of/t/standard-d8as-v5/1.jsonl";
    let (code, out, error) = azurite.breakeven(&bench, &["report", one, "--format", "json"]);
    assert_eq!((code, out.matches("\"started_at\"").count()), (0, 1), "{error}");
    let (code, _, error) = azurite
        .breakeven(&bench, &["classify", "image-classification", "--records", "az://records/of"]);
    assert_eq!(code, 0, "{error}");
    let (code, _, error) = azurite.breakeven(&bench, &["report", "az://records/nothing"]);
    assert!(code == 4 && error.contains("az://records/nothing: no record"), "{code} {error}");
    let (code, _, error) = azurite.breakeven(&bench, &["report", "az://absent/x"]);
    assert!(code == 1 && error.contains("az://absent/x"), "{code} {error}");
}

#[test]
fn pods_that_cannot_reach_it_speak_through_their_logs() {
    let azurite = Azurite::new();
    let nobody = json!({ "AZURE_STORAGE_USE_EMULATOR": "true", "AZURITE_BLOB_STORAGE_URL": "http://127.0.0.1:9" });
    let bench = azurite.bench("repeats = 1", nobody);
    let (code, out, error) = azurite.breakeven(&bench, &RUN);
    assert_eq!(code, 0, "{out}{error}");
    let (code, _, error) =
        azurite.breakeven(&bench, &["fleet", "collect", "fleet.toml", "-o", "home"]);
    assert_eq!(code, 0, "{error}");
    let copied = bench.folder.path().join("home/t/standard-d8as-v5/0.jsonl");
    assert_eq!(record::read(&copied).expect("a record").header.env.sku.as_deref(), Some(SKU));
}
