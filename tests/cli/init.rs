//! `init`: a workload file without a terminal to ask on.

use super::{breakeven, file, folder, message, names, run, stderr, stdout};

#[test]
fn without_a_terminal_the_defaults_hold_and_are_named() {
    let folder = folder();
    let assert = run(folder.path(), &["init", "photos.toml"], 0);
    names(
        &stderr(&assert),
        &["no terminal", "--answer KEY=VALUE", "kind=images", "wrote photos.toml"],
    );
    let text = std::fs::read_to_string(folder.path().join("photos.toml")).expect("written");
    names(&text, &["name = \"photos\"", "[[stage]]", "[demand]", "# jobs of one day"]);
    let verdict = stdout(&run(folder.path(), &["classify", "photos.toml"], 0));
    names(&verdict, &["photos: ", "Inference of a network of 8.2 billion operations an image"]);
}

#[test]
fn every_kind_of_work_can_be_judged_at_once() {
    let folder = folder();
    for kind in ["command", "images", "llm", "matrix", "video", "reads", "data"] {
        let name = format!("{kind}.toml");
        run(folder.path(), &["init", &name, "--quiet", "--answer", &format!("kind={kind}")], 0);
        // A program of one's own has no time before it was measured: nothing comparable.
        let code = if kind == "command" { 4 } else { 0 };
        let text = stdout(&run(folder.path(), &["classify", &name], code));
        names(&text, &[&format!("{kind}: ")]);
    }
}

#[test]
fn answers_reach_the_file_and_standard_output_is_a_file_too() {
    let folder = folder();
    let answers = [
        "kind=llm",
        "weights=8",
        "users=4",
        "jobs_per_day=20_000",
        "pattern=bursty",
        "peak_factor=3",
        "limit=latency",
        "latency_slo_s=20",
        "today_sku=standard_nc24ads_a100_v4",
        "today_nodes=2",
    ];
    let mut command = breakeven(folder.path());
    command.args(["init", "-"]);
    for answer in answers {
        command.args(["--answer", answer]);
    }
    let text = stdout(&command.assert().code(0));
    for line in [
        "jobs_per_day = 20_000",
        "pattern = \"bursty\"",
        "peak_factor = 3",
        "latency_slo_s = 20",
        // 8e9 weights of 2 bytes are 14.901… GiB, rounded up.
        "constant_gib = 14.91",
        // 8e9 ÷ (2048 · 2048) = 1907.3 products pass all weights, for 512 tokens at a time: four
        // prompts of 512 are four times as many, 7,629.4, rounded up.
        "calls = 7_630",
        // 8e9 ÷ (11008 · 4096) = 177.4 a token, 256 tokens.
        "calls = 45_422",
        "sku = \"Standard_NC24ads_A100_v4\"",
        "nodes = 2",
    ] {
        names(&text, &[line]);
    }
    assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 0, "no file");
}

#[test]
fn a_file_that_is_there_is_not_overwritten_without_force() {
    let folder = folder();
    file(folder.path(), "mine.toml", "precious\n");
    let refused = message(&run(folder.path(), &["init", "mine.toml"], 2));
    names(&refused, &["mine.toml exists", "--force"]);
    let kept = std::fs::read_to_string(folder.path().join("mine.toml")).expect("still there");
    assert_eq!(kept, "precious\n");
    run(folder.path(), &["init", "mine.toml", "--force"], 0);
    run(folder.path(), &["classify", "mine.toml"], 0);
    // In a folder of one's own, which is made.
    run(folder.path(), &["init", "-o", "new/deep", "--answer", "kind=data"], 0);
    assert!(folder.path().join("new/deep/workload.toml").exists());
}

#[test]
fn a_built_in_workload_is_copied_with_its_comments() {
    let folder = folder();
    run(folder.path(), &["init", "ours.toml", "--from", "image-classification"], 0);
    let text = std::fs::read_to_string(folder.path().join("ours.toml")).expect("written");
    names(&text, &["# Stands for: image recognition", "name = \"ours\"", "kernel = 7"]);
    names(&stdout(&run(folder.path(), &["classify", "ours.toml"], 0)), &["ours: "]);

    let refused = message(&run(folder.path(), &["init", "x.toml", "--from", "etl-io-bund"], 2));
    names(&refused, &["--from etl-io-bund", "did you mean `etl-io-bound`?"]);
    assert!(!folder.path().join("x.toml").exists());
}

#[test]
fn a_wrong_answer_names_the_question_and_what_would_do() {
    let folder = folder();
    let cases = [
        ("kind=image", "--answer kind=image: must be one of command, images"),
        ("jobs_per_day=many", "--answer jobs_per_day=many: must be a number from 0"),
        ("job_per_day=5", "did you mean `jobs_per_day`?"),
        ("window_h=5", "window_h is not asked after the other answers"),
        ("today_sku=Standard_NC4as_T4_v4", "did you mean `Standard_NC4as_T4_v3`?"),
        ("jobs_per_day", "write KEY=VALUE"),
    ];
    for (answer, expected) in cases {
        let refused = message(&run(folder.path(), &["init", "w.toml", "--answer", answer], 2));
        names(&refused, &[expected]);
    }
    assert!(!folder.path().join("w.toml").exists(), "nothing is written");
    names(&message(&run(folder.path(), &["init", "w.yaml"], 2)), &["w.yaml.toml"]);
}

#[test]
fn an_unknown_question_is_answered_with_each_that_there_is_once() {
    let folder = folder();
    let arguments = ["init", "-", "--answer", "kind=data", "--answer", "colour=red"];
    let told = message(&run(folder.path(), &arguments, 2));
    for key in ["io_gb", "serial_cpu_s"] {
        assert_eq!(told.matches(key).count(), 1, "{told}");
    }
}
