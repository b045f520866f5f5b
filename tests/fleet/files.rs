//! A fleet's file, and the objects that are made of it.

use std::process::Command;

use serde_json::{Value, json};

use super::{Bench, python, root};

const SKU: &str = "Standard_D8as_v5";

/// The jobs of a plan.
fn jobs(bench: &Bench) -> Vec<Value> {
    let output = bench.fleet(&["plan", "fleet.toml", "--format", "json"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let plan: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    plan["targets"].as_array().expect("targets").iter().map(|t| t["job"].clone()).collect()
}

#[test]
fn jobs_are_valid_and_ask_for_no_privilege() {
    let keys = "repeats = 3\nnodes = 2\nregion = \"eastus\"\nqueue = \"bench\"\nservice_account = \"sa\"\n\
                secret = \"credentials\"\npull_secret = \"pull\"\nprice_kind = \"spot\"";
    let bench = Bench::new(json!({}), keys, &["Standard_NC4as_T4_v3"]);
    let jobs = jobs(&bench);
    let path = bench.folder.path().join("job.json");
    std::fs::write(&path, jobs[0].to_string()).expect("writable");
    let checked = Command::new(python())
        .arg(root().join("tests/python/check_manifests.py"))
        .arg(&path)
        .output()
        .expect("python starts");
    let said = String::from_utf8_lossy(&checked.stdout);
    assert_eq!(said, "core batch/v1 Job\n", "{}", String::from_utf8_lossy(&checked.stderr));

    let job = &jobs[0];
    assert_eq!(job["metadata"]["labels"]["kueue.x-k8s.io/queue-name"], "bench");
    let spec = &job["spec"];
    assert_eq!((&spec["completionMode"], &spec["completions"]), (&json!("Indexed"), &json!(3)));
    assert_eq!((&spec["parallelism"], &spec["backoffLimitPerIndex"]), (&json!(2), &json!(1)));
    // 2 + 1 rounds of 7 min, 20 to wait and 8 to start.
    assert_eq!(spec["activeDeadlineSeconds"], json!((3 * 7 + 20 + 8) * 60));
    let pod = &spec["template"]["spec"];
    assert_eq!(pod["activeDeadlineSeconds"], json!(7 * 60));
    assert_eq!(pod["automountServiceAccountToken"], json!(false));
    let of_pod = &pod["securityContext"];
    assert_eq!((&of_pod["runAsNonRoot"], &of_pod["runAsUser"]), (&json!(true), &json!(65532)));
    assert_eq!(of_pod["seccompProfile"]["type"], "RuntimeDefault");
    let container = &pod["containers"][0];
    let own = &container["securityContext"];
    assert_eq!(own["allowPrivilegeEscalation"], json!(false));
    assert_eq!(own["readOnlyRootFilesystem"], json!(true));
    assert_eq!(own["capabilities"], json!({"drop": ["ALL"]}));
    // 4 vCPUs less 140 m of AKS and 600 m of the system: 3 whole ones, and one GPU; limits alike.
    let resources = &container["resources"];
    assert_eq!(resources["limits"]["cpu"], "3");
    assert_eq!(resources["limits"]["nvidia.com/gpu"], "1");
    assert_eq!(resources["limits"], resources["requests"], "the Guaranteed class");
    let tolerated: Vec<&str> = pod["tolerations"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|t| t["key"].as_str())
        .collect();
    assert_eq!(tolerated, ["sku", "nvidia.com/gpu", "kubernetes.azure.com/scalesetpriority"]);
    let apart =
        &pod["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"];
    assert_eq!(apart[0]["topologyKey"], "kubernetes.io/hostname");
    // The suite travels; nothing else of this machine does.
    let arguments = container["args"].to_string();
    assert!(
        arguments.contains("/suite/suite.toml") && !arguments.contains("records"),
        "{arguments}"
    );
}

#[test]
fn names_are_what_kubernetes_takes() {
    let keys = "repeats = 1";
    let bench = Bench::new(json!({}), keys, &[]);
    let long = "[[target]]\nsku = \"Standard_NC24ads_A100_v4\"\npool = \"thisisaverylongpool\"\nregion = \"eastus\"\n";
    let text = std::fs::read_to_string(bench.folder.path().join("fleet.toml")).expect("readable");
    let text = text.replace("name = \"t\"", "name = \"a-name-of-thirty-letters-here0\"");
    bench.write("fleet.toml", &format!("{text}{long}"));
    let job = &jobs(&bench)[0];
    let name = job["metadata"]["name"].as_str().expect("a name");
    // Pods add an index of up to three digits and five letters: 63 in all.
    assert!(
        name.len() <= 50 && name.starts_with("breakeven-a-name-of-thirty-letters-here0-"),
        "{name}"
    );
    let selector = &job["spec"]["template"]["spec"]["nodeSelector"];
    assert_eq!(selector["kubernetes.azure.com/agentpool"], "thisisaverylongpool");
    assert_eq!(
        job["metadata"]["labels"]["breakeven/target"],
        "standard-nc24ads-a100-v4-thisisaverylongpool-eastus"
    );
}

#[test]
fn the_example_can_be_planned() {
    let bench = Bench::new(json!({}), "", &[SKU]);
    let example = bench.fleet(&["example"]);
    let refused = bench.fleet(&["example", "-o", "."]);
    let error = String::from_utf8_lossy(&refused.stderr);
    assert!(
        refused.status.code() == Some(2) && error.contains("exists and would be lost"),
        "{error}"
    );
    bench.write("fleet.toml", &String::from_utf8_lossy(&example.stdout));
    assert_eq!(jobs(&bench).len(), 3);
}

#[test]
fn bad_files_are_told_with_field_value_and_next_step() {
    let bench = Bench::new(json!({}), "", &[SKU]);
    for (keys, targets, wanted) in [
        ("repeat = 3", vec![SKU], "unknown key `repeat`, did you mean `repeats`?"),
        ("repeats = 0", vec![SKU], "repeats = 0: must be a whole number from 1"),
        ("repeats = 5000", vec![SKU], "must be a whole number from 1 to 1000"),
        ("", vec![], "target: give at least one [[target]]"),
        (
            "",
            vec!["Standard_D8as_v55"],
            "no VM size `Standard_D8as_v55`, did you mean `Standard_D8as_v5`?",
        ),
        ("", vec![SKU, SKU], "is listed twice"),
        (
            "region = \"nowhere\"",
            vec![SKU],
            "no ondemand price of Standard_D8as_v5 in nowhere is known",
        ),
        ("price_kind = \"free\"", vec![SKU], "price_kind = \"free\": must be ondemand, spot"),
        ("store = \"az:/records\"", vec![SKU], "store = \"az:/records\": give az://CONTAINER/PATH"),
        ("discount = 1.5", vec![SKU], "discount = 1.5: must be a share"),
        ("pending_minutes = -1", vec![SKU], "pending_minutes = -1: must be above 0"),
        (
            "max_price_usd = 0.05",
            vec![SKU],
            "max_price_usd = 0.05: standard-d8as-v5 alone may take up to $",
        ),
    ] {
        bench.write_fleet(keys, &targets);
        told(&bench, wanted);
    }
    bench.write_fleet("", &[SKU]);
    let text = std::fs::read_to_string(bench.folder.path().join("fleet.toml")).expect("readable");
    for (from, to, wanted) in [
        (
            "name = \"t\"",
            "name = \"My Fleet\"",
            "name = \"My Fleet\": must be up to 30 lower-case letters",
        ),
        (
            "suite = \"suite.toml\"",
            "suite = \"quik\"",
            "suite: no suite `quik`, did you mean `quick`?",
        ),
        ("image = \"registry.invalid/breakeven:1\"", "", "image: give the image"),
        ("max_minutes = 2", "", "max_minutes: give the minutes"),
        ("store = \"records\"", "store = 7", "store = 7: must be a text in quotes"),
        ("name = \"t\"", "name = ", "fleet.toml: TOML parse error"),
    ] {
        bench.write("fleet.toml", &text.replace(from, to));
        told(&bench, wanted);
    }
}

fn told(bench: &Bench, wanted: &str) {
    let output = bench.fleet(&["plan", "fleet.toml"]);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{wanted}: {error}");
    assert!(error.contains(wanted) && error.contains("fleet.toml"), "{wanted}: {error}");
}

#[test]
fn a_suite_that_names_files_is_refused_before_a_node_is_paid() {
    let bench = Bench::new(json!({}), "", &[SKU]);
    let case = "[[case]]\nfamily = \"alignment\"\nmode = \"local\"\n\
                input = { queries = \"reads.fastq\", targets = \"windows.fasta\" }\n";
    bench.write("suite.toml", case);
    told(&bench, "reads.fastq: a fleet's pods have no files or programs of this machine");
    for (case, wanted) in [
        (
            "family = \"matmull\"\nm = 16\nn = 16\nk = 16\n",
            "no family `matmull`, did you mean `matmul`?",
        ),
        ("family = \"matmul\"\ndtype = \"f33\"\nm = 16\nn = 16\nk = 16\n", "f33"),
        ("family = \"command\"\ncpu = \"ls\"\nunit = \"file\"\namount = 1\n", "case 1"),
    ] {
        bench.write("suite.toml", &format!("[[case]]\n{case}"));
        told(&bench, wanted);
    }
}

#[test]
fn a_store_of_an_unknown_kind_is_refused() {
    let bench = Bench::new(json!({}), "", &[SKU]);
    let text = std::fs::read_to_string(bench.folder.path().join("fleet.toml")).expect("readable");
    bench.write("fleet.toml", &text.replace("store = \"records\"", "store = \"ftp://host/x\""));
    let output = bench.fleet(&["run", "fleet.toml", "--yes"]);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(
        error.contains("ftp://host/x: ") && error.contains("give az://CONTAINER/PATH"),
        "{error}"
    );
}
