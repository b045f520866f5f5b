//! Outputs kept by `run --keep`, checked by programs that are not ours: numpy, parasail, ffmpeg.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use assert_cmd::cargo::CommandCargoExt;

/// Every folder that `run --keep` made for the fixture suite on the CPU and on software Vulkan.
fn kept(folder: &Path) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = Command::cargo_bin("breakeven")
        .expect("the binary")
        .arg("run")
        .arg(root.join("tests/fixtures/kept.toml"))
        .args(["--device", "cpu", "--device", "vulkan:0", "--allow-software", "--no-metadata"])
        .args(["--quiet", "--max-seconds", "240", "-o"])
        .arg(folder.join("record"))
        .arg("--keep")
        .arg(folder.join("kept"))
        .output()
        .expect("breakeven starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut folders: Vec<_> = fs::read_dir(folder.join("kept"))
        .expect("the kept folder")
        .map(|e| e.expect("an entry").path())
        .collect();
    folders.sort();
    folders
}

fn family(folder: &Path) -> String {
    let key = fs::read_to_string(folder.join("case.txt")).expect("case.txt names the case");
    key.split(' ').next().expect("a family").to_owned()
}

/// numpy and parasail agree on every matrix product, convolution and alignment.
fn check_numbers(folders: &[&PathBuf]) {
    let python = std::env::var("BREAKEVEN_TEST_PYTHON")
        .unwrap_or_else(|_| "target/test-python/bin/python".to_owned());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/check_kept.py");
    let output = Command::new(&python)
        .arg(script)
        .args(folders)
        .output()
        .unwrap_or_else(|e| panic!("{python}: {e}; ./test.sh installs it"));
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(told.lines().count(), folders.len(), "{told}");
    println!("{told}");
}

/// ffmpeg decodes the film without a complaint and finds its frames and size.
fn check_film(folder: &Path) {
    let film = folder.join("output.avi");
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-xerror", "-err_detect", "explode", "-i"])
        .arg(&film)
        .args(["-f", "framemd5", "-"])
        .output()
        .expect("ffmpeg is installed; ./test.sh installs it");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(told.contains("#dimensions 0: 160x88"), "{told}");
    assert_eq!(told.lines().filter(|l| !l.starts_with('#')).count(), 3, "{told}");
}

#[test]
fn other_programs_agree_with_what_is_kept() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folders = kept(folder.path());
    let (films, numbers): (Vec<_>, Vec<_>) = folders.iter().partition(|f| family(f) == "transcode");
    // 17 cases on at least the CPU and software Vulkan.
    assert!(numbers.len() >= 2 * 15, "only {} folders of numbers were kept", numbers.len());
    assert!(films.len() >= 2, "only {} films were kept", films.len());
    check_numbers(&numbers);
    films.iter().for_each(|f| check_film(f));
}
