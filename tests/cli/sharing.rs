//! Co-tenants and packing, as typed.

use super::{file, folder, message, names, run, stdout};

/// A workload of small products in f32 that needs 4 GiB of GPU memory a job.
fn workload(name: &str, extra: &str) -> String {
    format!(
        "name = \"{name}\"\n[[stage]]\nfamily = \"matmul\"\ndtype = \"f32\"\nm = 2048\nn = 2048\n\
         k = 2048\ncalls = 100\ntransfer = \"resident\"\n[demand]\njobs_per_day = 20_000\n[job]\n\
         gpu_memory_gib = 4\n{extra}"
    )
}

#[test]
fn cotenants_are_found_beside_the_file_and_named_in_the_verdict() {
    let folder = folder();
    let own = "[node]\ncotenants = [\"b.toml\"]\n";
    let a = file(folder.path(), "a.toml", workload("a", own));
    file(folder.path(), "b.toml", workload("b", ""));
    let text = stdout(&run(folder.path(), &["classify", &a], 0));
    names(&text, &["shared with b", "of which this workload pays", "Isolation: ", " (shared)"]);
}

#[test]
fn an_unknown_cotenant_is_refused_with_what_there_is() {
    let folder = folder();
    let own = "[node]\ncotenants = [\"llm-generatoin\"]\n";
    let a = file(folder.path(), "a.toml", workload("a", own));
    let told = message(&run(folder.path(), &["classify", &a], 2));
    names(&told, &["a.toml: node: cotenants: no workload `llm-generatoin`", "did you mean"]);
    let own = "[node]\ncotenants = [\"a\"]\n";
    let a = file(folder.path(), "a.toml", workload("a", own));
    let told = message(&run(folder.path(), &["classify", &a], 2));
    names(&told, &["\"a\" is the workload itself"]);
    // By the file that it is in, however that is spelt.
    for own in ["a.toml", "./a.toml"] {
        let a = file(
            folder.path(),
            "a.toml",
            workload("x", &format!("[node]\ncotenants = [\"{own}\"]\n")),
        );
        let told = message(&run(folder.path(), &["classify", &a], 2));
        names(&told, &["a.toml: node: cotenants: ", own, "is the workload itself; leave it out"]);
    }
}

#[test]
fn workloads_given_together_are_packed_whatever_their_order() {
    let folder = folder();
    let [a, b, c] =
        ["a", "b", "c"].map(|n| file(folder.path(), &format!("{n}.toml"), workload(n, "")));
    let packed = |order: [&str; 3]| {
        let given = ["classify", order[0], order[1], order[2], "--together"];
        stdout(&run(folder.path(), &given, 0))
    };
    let text = packed([&a, &b, &c]);
    names(&text, &["together: a, b and c share", "a month for all instead of"]);
    assert_eq!(text, packed([&c, &a, &b]));
    let told = message(&run(folder.path(), &["classify", &a, "--together"], 2));
    names(&told, &["--together: one workload has nobody to share with"]);
}
