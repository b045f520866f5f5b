//! Bad input: one message that names the file, the field, the value and the next step.

use super::{breakeven, file, fixture, folder, message, names, run, small_suite};

#[test]
fn an_unknown_suite_is_answered_with_the_nearest() {
    let folder = folder();
    let message = message(&run(folder.path(), &["run", "quik"], 2));
    names(&message, &["no suite `quik`", "did you mean `quick`?", "or give a .toml file"]);
}

#[test]
fn an_unknown_workload_is_answered_with_what_there_is() {
    let folder = folder();
    let message = message(&run(folder.path(), &["classify", "nightly"], 2));
    names(&message, &["no workload `nightly`", "built-in workloads:", "or give a .toml file"]);
}

#[test]
fn an_unknown_family_is_answered_with_the_nearest() {
    let folder = folder();
    let suite = file(folder.path(), "s.toml", "[[case]]\nfamily = \"alinment\"\n");
    let message = message(&run(folder.path(), &["run", &suite, "--device", "cpu"], 2));
    names(&message, &["case 1", "no family `alinment`", "did you mean `alignment`?"]);
}

#[test]
fn a_flag_value_that_does_not_exist_is_refused_with_the_choices() {
    let folder = folder();
    let cases: &[(&[&str], &[&str])] = &[
        (&["list", "skus", "--format", "yaml"], &["'yaml'", "--format", "text, json"]),
        (&["classify", "--expect", "maybe"], &["'maybe'", "--expect", "measure-first"]),
        (&["classify", "--price-kind", "free"], &["'free'", "--price-kind", "reserved-1y"]),
        (&["classify", "--provider", "oracle"], &["'oracle'", "--provider", "azure"]),
        (&["classify", "--discount", "12"], &["'12'", "--discount", "0.12 for 12 %"]),
        (&["classify", "--margin=-0.1"], &["'-0.1'", "--margin"]),
        (&["classify", "--margin", "-1"], &["'-1'", "--margin", "0.12 for 12 %"]),
        (&["run", "quick", "--max-seconds", "-1"], &["'-1'", "--max-seconds", "above 0"]),
        (&["run", "quick", "--max-seconds", "0"], &["'0'", "--max-seconds", "above 0"]),
        (&["run", "quick", "--frobnicate"], &["--frobnicate"]),
        (&["list", "famlies"], &["'famlies'", "families"]),
    ];
    for (arguments, parts) in cases {
        let assert = run(folder.path(), arguments, 2);
        names(&super::stderr(&assert), parts);
    }
}

#[test]
fn a_region_without_prices_is_refused_with_the_nearest() {
    let folder = folder();
    let message = message(&run(folder.path(), &["classify", "--region", "eastsu"], 2));
    names(&message, &["--region eastsu", "did you mean `eastus", "regions of azure:"]);
}

#[test]
fn an_unknown_size_of_today_is_refused_with_the_nearest() {
    let folder = folder();
    let workload = file(
        folder.path(),
        "w.toml",
        "[[stage]]\nserial_cpu_s = 1\n[demand]\njobs_per_day = 9\n[today]\n\
         sku = \"Standard_D16s_v55\"\nnodes = 2\n",
    );
    let message = message(&run(folder.path(), &["classify", &workload], 2));
    names(
        &message,
        &["w.toml: today: sku", "Standard_D16s_v55", "did you mean `Standard_D16s_v5`"],
    );
}

#[test]
fn a_typo_in_a_key_of_a_suite_names_file_key_and_the_right_one() {
    let folder = folder();
    let suite = file(folder.path(), "s.toml", "budgt_s = 9\n[[case]]\nfamily = \"alignment\"\n");
    let message_1 = message(&run(folder.path(), &["run", &suite], 2));
    names(&message_1, &["s.toml", "budgt_s", "budget_s"]);

    let suite = small_suite(folder.path(), "{ pairs = 100, query = 50, traget = 60 }");
    let message_2 = message(&run(folder.path(), &["run", &suite, "--device", "cpu"], 2));
    names(&message_2, &["`traget`", "did you mean `target`?"]);
}

#[test]
fn sizes_of_zero_and_below_are_refused_by_name() {
    let folder = folder();
    for value in ["0", "-5"] {
        let input = format!("{{ pairs = {value}, query = 50, target = 60 }}");
        let suite = small_suite(folder.path(), &input);
        let message = message(&run(folder.path(), &["run", &suite, "--device", "cpu"], 2));
        names(&message, &["pairs", value]);
    }
}

#[test]
fn a_case_beyond_memory_is_left_out_with_the_bytes() {
    let folder = folder();
    let suite = small_suite(folder.path(), "{ pairs = 200000000, query = 10000, target = 10000 }");
    let arguments = ["run", &suite, "--device", "cpu", "--no-metadata"];
    let message = message(&run(folder.path(), &arguments, 4));
    names(&message, &["nothing can be measured", "memory"]);
    assert_eq!(message.matches("memory").count(), 1, "a reason is told once: {message}");
}

#[test]
fn a_fastq_file_cut_in_mid_record_is_refused_by_file_and_place() {
    let folder = folder();
    file(folder.path(), "reads.fastq", "@r1\nACGTACGT\n+\nIIIIIIII\n@r2\nACGT\n");
    file(folder.path(), "windows.fasta", ">w1\nACGTACGTAC\n>w2\nACGTACGTAC\n");
    let input = "{ queries = \"reads.fastq\", targets = \"windows.fasta\" }";
    let suite = small_suite(folder.path(), input);
    let arguments = ["run", &suite, "--device", "cpu", "--no-metadata"];
    let message = message(&run(folder.path(), &arguments, 2));
    names(&message, &["reads.fastq", "record"]);
}

#[test]
fn a_video_that_is_cut_or_is_no_motion_jpeg_is_refused_by_file_and_place() {
    let folder = folder();
    let video = |input: &str| {
        let text = format!("[[case]]\nfamily = \"transcode\"\ninput = {input}\n");
        file(folder.path(), "video.toml", text)
    };
    let suite = video("{ frames = 4, width = 64, height = 48 }");
    run(folder.path(), &["run", &suite, "--mock", "cpu", "--keep", "kept", "-o", "out"], 0);
    let kept = folder.path().join("kept/001-transcode-cpu-simd-cpu");
    let made = std::fs::read_dir(kept).expect("a folder").map(|e| e.expect("readable").path());
    let movie = made.filter(|path| path.extension().is_some_and(|e| e == "avi")).min();
    let whole = std::fs::read(movie.expect("a playable file")).expect("readable");

    file(folder.path(), "cut.avi", &whole[..whole.len() / 2]);
    let suite = video("{ video = \"cut.avi\" }");
    let cut = message(&run(folder.path(), &["run", &suite, "--mock", "cpu"], 2));
    names(&cut, &["cut.avi", "frame", "truncated"]);

    file(folder.path(), "other.avi", "this is no video at all, only a few words of text");
    let suite = video("{ video = \"other.avi\" }");
    names(&message(&run(folder.path(), &["run", &suite, "--mock", "cpu"], 2)), &["other.avi"]);
}

#[test]
fn an_input_file_that_is_not_there_is_named_with_its_folder() {
    let folder = folder();
    let input = "{ queries = \"absent.fastq\", targets = \"absent.fasta\" }";
    let suite = small_suite(folder.path(), input);
    let message = message(&run(folder.path(), &["run", &suite, "--device", "cpu"], 2));
    names(&message, &["small.toml, case 1", "absent.fast", "looked for "]);

    let workload = file(
        folder.path(),
        "video.toml",
        "[[stage]]\nserial_cpu_s = 1\n[[stage]]\nfamily = \"transcode\"\n\
         input = { video = \"none.avi\" }\n[demand]\njobs_per_day = 10\n",
    );
    let message =
        super::message(&run(folder.path(), &["advise", "video.toml", "--mock", "cpu"], 2));
    names(&message, &["workload video, stage 2", "none.avi"]);
    assert_eq!(message.matches("none.avi").count(), 1, "named once: {message}");
    drop(workload);
}

#[test]
fn a_record_of_a_newer_schema_is_refused_with_the_next_step() {
    let folder = folder();
    let text = std::fs::read_to_string(fixture("record.jsonl")).expect("fixture");
    let newer = text.replacen("\"major\": 1", "\"major\": 2", 1);
    assert_ne!(text, newer);
    let record = file(folder.path(), "newer.jsonl", newer);
    for arguments in [vec!["report", &record], vec!["classify", "--records", &record]] {
        let message = message(&run(folder.path(), &arguments, 2));
        names(&message, &["newer.jsonl", "newer breakeven", "update breakeven"]);
    }
}

#[test]
fn a_file_that_is_no_record_is_refused_by_line() {
    let folder = folder();
    let other = file(folder.path(), "other.jsonl", "{\"a\": 1}\n");
    names(&message(&run(folder.path(), &["report", &other], 2)), &["other.jsonl", "line 1"]);
    let absent = folder.path().join("absent.jsonl").display().to_string();
    names(&message(&run(folder.path(), &["report", &absent], 2)), &["absent.jsonl"]);
}

#[test]
fn a_folder_without_records_has_nothing_to_compare() {
    let folder = folder();
    let message = message(&run(folder.path(), &["classify", "--records", "."], 4));
    names(&message, &["no record (.jsonl)", "breakeven run"]);
}

#[test]
fn a_folder_may_hold_other_lines_beside_its_records() {
    let folder = folder();
    std::fs::copy(fixture("record.jsonl"), folder.path().join("record.jsonl")).expect("a copy");
    let rounds = file(folder.path(), "rounds.jsonl", "{\"stage\":\"screen\",\"round\":1}\n");
    run(folder.path(), &["report", "."], 0);
    // Given by name it is an error all the same.
    names(&message(&run(folder.path(), &["report", &rounds], 2)), &["rounds.jsonl", "schema.name"]);
}

#[test]
fn a_device_that_is_not_here_is_named_before_anything_is_measured() {
    let folder = folder();
    for device in ["cuda:99", "vulkan:99", "cpu:0", "cpu:100000"] {
        let message = message(&run(folder.path(), &["run", "quick", "--device", device], 2));
        names(&message, &[device, "breakeven devices"]);
        assert_eq!(message.matches("breakeven devices").count(), 1, "{message}");
    }
    let message = message(&run(folder.path(), &["run", "quick", "--device", "cdua:0"], 2));
    names(&message, &["cdua:0", "did you mean `cuda`?"]);
    assert!(!folder.path().join("breakeven-results").exists());
}

#[test]
fn a_folder_that_cannot_be_made_fails_before_measuring() {
    let folder = folder();
    file(folder.path(), "occupied", "a file, not a folder");
    let suite = small_suite(folder.path(), "{ pairs = 100, query = 50, target = 60 }");
    let common = ["--no-metadata", "--device", "cpu", "-o", "occupied/out"];
    let begin = std::time::Instant::now();
    let assert = breakeven(folder.path()).args(["run", &suite]).args(common).assert().code(1);
    names(&message(&assert), &["cannot write occupied/out", "-o DIR"]);
    let keep = ["run", &suite, "--mock", "cpu", "--keep", "occupied/kept"];
    let message = message(&run(folder.path(), &keep, 1));
    names(&message, &["--keep", "occupied/kept"]);
    assert!(!message.contains("-o DIR"), "{message}");
    assert!(begin.elapsed().as_secs() < 5, "it measured first");
}

#[test]
fn a_full_disk_is_an_error_of_its_own() {
    let folder = folder();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("/dev/full");
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_breakeven"))
        .args(["list", "skus", "--format", "json"])
        .current_dir(folder.path())
        .stdout(full)
        .output()
        .expect("the program starts");
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    names(&text, &["error: cannot write to standard output", "No space left"]);
}

#[test]
fn a_record_is_never_overwritten() {
    let folder = folder();
    let suite = small_suite(folder.path(), "{ pairs = 100, query = 50, target = 60 }");
    file(folder.path(), "record.jsonl", "precious\n");
    let arguments = ["run", &suite, "--device", "cpu", "--no-metadata", "-o", "."];
    let message = message(&run(folder.path(), &arguments, 2));
    names(&message, &["record.jsonl exists", "-o DIR"]);
    let kept = std::fs::read_to_string(folder.path().join("record.jsonl")).expect("still there");
    assert_eq!(kept, "precious\n");
}

#[test]
fn a_prices_file_is_refused_by_line_and_column() {
    let folder = folder();
    let header = "provider,name,region,kind,price_usd_per_h,as_of,source\n";
    let line = "azure,Standard_NC4as_T4_v3,eastus,ondemand,cheap,2026-11,our contract\n";
    let prices = file(folder.path(), "prices.csv", format!("{header}{line}"));
    let refused = message(&run(folder.path(), &["classify", "--prices", &prices], 2));
    names(&refused, &["prices.csv", "line 2, price_usd_per_h", "float"]);
    for empty in [file(folder.path(), "empty.csv", header), "/dev/null".to_owned()] {
        let refused = message(&run(folder.path(), &["classify", "--prices", &empty], 2));
        names(&refused, &[&empty, "holds no price"]);
    }
}

#[test]
fn a_size_that_cannot_be_this_machine_is_doubted() {
    let folder = folder();
    let suite = small_suite(folder.path(), "{ pairs = 10, query = 50, target = 60 }");
    let doubts = |sku: &str, mock: &str| {
        let arguments = ["run", &suite, "--mock", mock, "--sku", sku, "--format", "json"];
        super::stderr(&run(folder.path(), &arguments, 0))
    };
    let unknown = doubts("Standard_NC4as_T4_v4", "cpu");
    names(
        &unknown,
        &["warning: --sku Standard_NC4as_T4_v4", "did you mean `Standard_NC4as_T4_v3`"],
    );
    names(&doubts("Standard_NC4as_T4_v3", "cpu"), &["has a GPU (T4), none is found here"]);
    let other = doubts("Standard_D2s_v5", "cpu;mock:0");
    names(&other, &["warning: --sku Standard_D2s_v5", "this machine has one"]);
}

#[test]
fn nothing_to_compare_is_exit_code_4() {
    let folder = folder();
    let arguments = ["classify", "llm-prefill", "--provider", "aws", "--price-kind", "reserved-1y"];
    let assert = run(folder.path(), &arguments, 4);
    names(&message(&assert), &["nothing can be compared", "--price-kind"]);
    assert!(!super::stdout(&assert).contains("reserved1y"), "kinds are spelt as in the options");

    // All is known, and each size merely takes longer than it may: prices are not to blame.
    let workload = file(
        folder.path(),
        "slow.toml",
        "[[stage]]\nserial_cpu_s = 20000\n[demand]\njobs_per_day = 1\npattern = \"batch\"\n\
         window_h = 4\n",
    );
    for format in ["text", "jsonl"] {
        let assert = run(folder.path(), &["classify", &workload, "--format", format], 4);
        let slow = message(&assert);
        // 20,000 s are 5.56 h.
        names(&slow, &["no size is fast enough for slow", "Standard_", "5.56 h", "window is 4"]);
        assert!(!slow.contains("--price-kind"), "{slow}");
    }

    let arguments = ["advise", "llm-prefill", "--mock", "gpu:0,kind=software", "--device", "gpu:0"];
    let message = message(&run(folder.path(), &arguments, 4));
    names(&message, &["nothing can be measured", "software"]);
}
