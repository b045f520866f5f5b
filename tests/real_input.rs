//! From a user's own files to a verdict: reads, windows and a film that ffmpeg made, on the CPU.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use assert_cmd::cargo::CommandCargoExt;

const PAIRS: usize = 200;

/// Letters of a small linear congruential generator: no two lines alike.
fn letters(seed: usize, length: usize) -> String {
    let mut state = (seed * 40_503 + 1) & 0x7fff_ffff;
    let step = |_| {
        state = (state * 1_103_515_245 + 12_345) & 0x7fff_ffff;
        ['A', 'C', 'G', 'T'][(state >> 16) & 3]
    };
    (0..length).map(step).collect()
}

/// `PAIRS` windows of 300 letters and, out of the middle of each, a read of 150.
fn write_sequences(folder: &Path) {
    let (mut reads, mut windows) = (String::new(), String::new());
    for i in 0..PAIRS {
        let window = letters(i, 300);
        let quality = "I".repeat(150);
        writeln!(windows, ">window{i}\n{window}").expect("a string");
        writeln!(reads, "@read{i}\n{}\n+\n{quality}", &window[75..225]).expect("a string");
    }
    fs::write(folder.join("reads.fastq"), reads).expect("reads.fastq");
    fs::write(folder.join("windows.fasta"), windows).expect("windows.fasta");
}

fn write_film(folder: &Path) {
    let status = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "lavfi", "-i", "testsrc2=s=640x368:r=10:d=1"])
        .args(["-c:v", "mjpeg", "-threads", "4", "-thread_type", "slice"])
        .args(["-pix_fmt", "yuvj420p"])
        .arg(folder.join("film.avi"))
        .status()
        .expect("ffmpeg is installed; ./test.sh installs it");
    assert!(status.success());
}

const WORKLOAD: &str = r#"
name = "clinic"

[[stage]]
family = "alignment"
mode = "semi-global"
scoring = { match = 1, mismatch = -4, gap_open = 7, gap_extend = 1 }
input = { queries = "reads.fastq", targets = "windows.fasta" }
calls = 1000

[[stage]]
family = "transcode"
codec = "mjpeg"
input = { video = "film.avi" }
out_width = 320
out_height = 184
calls = 10

[demand]
jobs_per_day = 100

[job]
memory_gib = 1
"#;

#[test]
fn a_users_own_files_end_in_a_verdict() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    write_sequences(folder.path());
    write_film(folder.path());
    let workload = folder.path().join("clinic.toml");
    fs::write(&workload, WORKLOAD).expect("clinic.toml");
    let out = folder.path().join("out");
    let output = Command::cargo_bin("breakeven")
        .expect("the binary")
        .arg("advise")
        .arg(&workload)
        .args(["--no-metadata", "--device", "cpu", "--max-seconds", "60", "-o"])
        .arg(&out)
        .output()
        .expect("breakeven starts");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    assert!(told.contains("clinic"), "{told}");

    let record = fs::read_to_string(out.join("record.jsonl")).expect("a record");
    let rows: Vec<serde_json::Value> =
        record.lines().map(|l| serde_json::from_str(l).expect("a JSON line")).collect();
    for (family, items, input) in
        [("alignment", PAIRS as f64, "reads.fastq@"), ("transcode", 10.0, "video=")]
    {
        let measured = rows.iter().find(|r| r["family"] == family && r["status"] == "ok");
        let row = measured.unwrap_or_else(|| panic!("no verified row of {family}:\n{record}"));
        assert_eq!(row["work"]["items"], items, "{row}");
        assert!(row["case_key"].as_str().is_some_and(|k| k.contains(input)), "{row}");
        assert_eq!(row["check"]["method"], "bit-equal", "{row}");
        assert!(row["times"]["end_to_end"]["median_s"].as_f64().is_some_and(|s| s > 0.0), "{row}");
    }
}
