//! Stamps the git revision into the binary and lists the committed records it embeds.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    stamp_revision(&root);
    list_results(&root)
}

/// Sets `BREAKEVEN_COMMIT` and `BREAKEVEN_DIRTY` where git knows them; neither outside a checkout.
fn stamp_revision(root: &Path) {
    for path in ["build.rs", "Cargo.toml", "Cargo.lock", "src", "kernels", "suites"] {
        println!("cargo::rerun-if-changed={path}");
    }
    let Some(commit) = git(root, &["rev-parse", "HEAD"]) else { return };
    println!("cargo::rustc-env=BREAKEVEN_COMMIT={commit}");
    // A commit moves the log of HEAD, whatever branch or worktree it is made in.
    for name in ["HEAD", "logs/HEAD"] {
        if let Some(path) = git(root, &["rev-parse", "--git-path", name])
            && root.join(&path).exists()
        {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    if let Some(changes) = git(root, &["status", "--porcelain", "--untracked-files=no"]) {
        println!("cargo::rustc-env=BREAKEVEN_DIRTY={}", !changes.is_empty());
    }
}

/// The trimmed output of a git command, if it worked.
fn git(root: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).current_dir(root).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Writes the list of `results/<name>/record.jsonl` that `cli::reference` embeds, sorted by name.
fn list_results(root: &Path) -> io::Result<()> {
    println!("cargo::rerun-if-changed=results");
    let mut names: Vec<String> = match fs::read_dir(root.join("results")) {
        Ok(entries) => entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| root.join("results").join(name).join("record.jsonl").is_file())
            .collect(),
        Err(_) => Vec::new(),
    };
    names.sort();
    let mut list = String::from("&[\n");
    for name in names {
        let path = root.join("results").join(&name).join("record.jsonl");
        list += &format!("    ({name:?}, include_str!({:?})),\n", path.display().to_string());
    }
    list += "]\n";
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    fs::write(out.join("reference_records.rs"), list)
}
