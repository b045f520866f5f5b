//! Encoders through ffmpeg: found or not, brought to one quality, timed, recorded, cleaned up.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use breakeven::record::{self, Row, Status};

use super::{breakeven, file, folder, names, stderr, stdout};

/// Half a second of a picture that every encoder makes in a moment.
const SMALL: &str = "out_width = 160\nout_height = 90\n\
                     input = { frames = 15, width = 320, height = 180 }\n";

/// A stand-in that does the GPU's part on the CPU: the words for the one made into those for the
/// other.
const PRETENDED: &str = "words=()\nwhile [ $# -gt 0 ]; do case \"$1\" in\n\
        -hwaccel|-hwaccel_output_format|-rc|-b:v|-tune) shift;;\n\
        p4) words+=(veryfast);; -cq) words+=(-crf);; h264_nvenc) words+=(libx264);;\n\
        scale_cuda=*) word=${1/scale_cuda/scale}; words+=(\"${word/hwdownload,format=nv12,/}\");;\n\
        *) words+=(\"$1\");; esac; shift; done\nexec ffmpeg \"${words[@]}\"";

fn suite(folder: &Path, more: &str) -> String {
    // Few samples: none of these tests asks how long anything takes.
    let head = "budget_s = 3\n[[case]]\nfamily = \"transcode\"\n";
    file(folder, "s.toml", format!("{head}{more}{SMALL}"))
}

/// Runs the suite on a mock machine, its `path` before the system's, and reads the rows.
fn rows(folder: &Path, mock: &str, path: &str, code: i32) -> (String, Vec<Row>) {
    let temporary = folder.join("tmp");
    std::fs::create_dir_all(&temporary).expect("a folder");
    // Of a run before.
    let _ = std::fs::remove_dir_all(folder.join("out"));
    let assert = breakeven(folder)
        .args(["run", "s.toml", "--mock", mock, "--max-seconds", "60", "-o", "out"])
        .env("PATH", path)
        .env("TMPDIR", &temporary)
        .assert()
        .code(code);
    let left: Vec<_> = std::fs::read_dir(&temporary).expect("a folder").collect();
    assert!(left.is_empty(), "{left:?} is left");
    let record = record::read(&folder.join("out/record.jsonl")).expect("a valid record");
    (stdout(&assert) + &stderr(&assert), record.rows)
}

fn path() -> String {
    std::env::var("PATH").expect("a PATH")
}

/// Puts a script called ffmpeg into a folder of its own; returns a PATH that begins with it.
fn stand_in(folder: &Path, text: &str) -> String {
    use std::os::unix::fs::PermissionsExt;
    let bin = folder.join("bin");
    std::fs::create_dir_all(&bin).expect("a folder");
    let script = bin.join("ffmpeg");
    std::fs::write(&script, format!("#!/bin/bash\nPATH=\"{}\"\n{text}\n", path())).expect("a file");
    let allowed = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(&script, allowed).expect("an executable script");
    format!("{}:{}", bin.display(), path())
}

#[test]
fn every_codec_meets_the_quality_and_says_at_how_many_bits() {
    let folder = folder();
    suite(folder.path(), "codec = [\"h264\", \"hevc\", \"av1\"]\n");
    let (text, rows) = rows(folder.path(), "cpu", &path(), 0);
    names(&text, &["ssim 0.9", "PSNR", "(crf ", "bit/s"]);
    let ran: Vec<&Row> = rows.iter().filter(|row| row.status == Status::Ok).collect();
    let names: Vec<&str> = ran.iter().map(|row| row.implementation.as_str()).collect();
    assert_eq!(names, ["process/x264", "process/x265", "process/svt-av1"], "{rows:?}");
    for row in ran {
        let quality = row.quality.as_ref().expect("its quality");
        assert!((quality.timed.ssim - 0.97).abs() <= 0.003, "{quality:?}");
        assert!(quality.timed.psnr_db.is_some_and(|db| db > 30.0), "{quality:?}");
        assert!(quality.points.len() >= 3 && quality.program.is_some(), "{quality:?}");
        // Quality falls as the setting rises.
        assert!(quality.points[0].ssim > quality.points[2].ssim, "{quality:?}");
        // 15 frames at 30 a second are half a second.
        let process = row.process.as_ref().expect("it is a process");
        let bits_per_s = process.output_bytes.expect("an output") as f64 * 8.0 / 0.5;
        assert!((quality.timed.bits_per_s / bits_per_s - 1.0).abs() < 0.01, "{quality:?}");
        let check = row.check.as_ref().expect("it was checked");
        assert_eq!((check.method.as_str(), check.compared), ("ssim", 15));
        assert_eq!((row.device.as_str(), row.work.items), ("process:cpu", 15.0));
    }
    // The line of the record is what the schema says.
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/schema/record-v1.schema.json");
    let schema = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let record = std::fs::read_to_string(folder.path().join("out/record.jsonl")).unwrap();
    for line in record.lines() {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        let errors: Vec<String> = validator.iter_errors(&value).map(|e| e.to_string()).collect();
        assert!(errors.is_empty(), "{line}: {errors:?}");
    }
}

#[test]
fn streams_run_together_and_make_a_series() {
    let folder = folder();
    suite(folder.path(), "codec = \"h264\"\nstreams = [1, 2]\naxis = \"streams\"\n");
    let (_, rows) = rows(folder.path(), "cpu", &path(), 0);
    let ran: Vec<&Row> = rows.iter().filter(|row| row.status == Status::Ok).collect();
    let items: Vec<f64> = ran.iter().map(|row| row.work.items).collect();
    assert_eq!(items, [15.0, 30.0], "{rows:?}");
    let axis = |row: &Row| row.series.as_ref().map(|s| (s.axis.clone(), s.value));
    assert_eq!(axis(ran[1]), Some(("streams".to_owned(), 2.0)));
    assert_eq!(ran[1].quality.as_ref().map(|q| q.streams), Some(2));
}

#[test]
fn a_film_of_the_users_with_too_few_frames_is_a_wrong_output() {
    let folder = folder();
    let film = folder.path().join("film.mkv");
    let status = std::process::Command::new("ffmpeg")
        .args(["-v", "error", "-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=0.4", "-c:v", "ffv1"])
        .arg(&film)
        .status()
        .expect("ffmpeg is installed; ./test.sh installs it");
    assert!(status.success());
    let case = "[[case]]\nfamily = \"transcode\"\ncodec = \"h264\"\nout_width = 160\n\
                out_height = 90\ninput = { video = \"film.mkv\", frames = ";
    file(folder.path(), "s.toml", format!("{case}10 }}\n{case}11 }}\n"));
    let (text, rows) = rows(folder.path(), "cpu", &path(), 3);
    let cpu: Vec<&Row> = rows.iter().filter(|row| row.device == "process:cpu").collect();
    assert_eq!(cpu[0].status, Status::Ok, "{rows:?}");
    assert_eq!(cpu[1].status, Status::WrongOutput, "{rows:?}");
    names(&text, &["10 frames came out where 11 belong"]);
    assert!(cpu[0].case_key.contains(" video=film.mkv@"), "{}", cpu[0].case_key);
}

#[test]
fn a_file_that_is_no_video_is_a_fault_of_its_own_and_not_of_an_encoder() {
    let folder = folder();
    file(folder.path(), "film.mp4", "this is no film\n".repeat(100));
    let case = "[[case]]\nfamily = \"transcode\"\ncodec = \"h264\"\nout_width = 160\n\
                out_height = 90\ninput = { video = \"film.mp4\", frames = 10 }\n";
    file(folder.path(), "s.toml", case);
    let (text, rows) = rows(folder.path(), "cpu", &path(), 1);
    let cpu: Vec<&Row> = rows.iter().filter(|row| row.device == "process:cpu").collect();
    assert_eq!(cpu[0].status, Status::Failed, "{rows:?}");
    names(&text, &["film.mp4 cannot be read as video; ffmpeg says:", "Invalid data found"]);
}

#[test]
fn what_is_not_installed_is_a_skip_that_says_so() {
    let folder = folder();
    suite(folder.path(), "codec = [\"h264\", \"av1\"]\n");
    let empty = folder.path().join("nothing").display().to_string();
    let (text, all) = rows(folder.path(), "cpu", &empty, 4);
    assert!(all.iter().all(|row| row.status == Status::Skipped), "{all:?}");
    names(&text, &["ffmpeg is not installed"]);

    let text = "case \" $* \" in *\" libsvtav1 \"*) echo \"Unknown encoder 'libsvtav1'\" >&2; \
                exit 1;; esac\nexec ffmpeg \"$@\"";
    let (text, all) = rows(folder.path(), "cpu", &stand_in(folder.path(), text), 0);
    let status = |name: &str| all.iter().find(|r| r.implementation == name).map(|r| r.status);
    assert_eq!(status("process/x264"), Some(Status::Ok), "{all:?}");
    assert_eq!(status("process/svt-av1"), Some(Status::Skipped), "{all:?}");
    names(&text, &["this ffmpeg has no libsvtav1"]);
}

#[test]
fn a_gpu_is_used_where_a_real_encode_proves_it_and_else_skipped() {
    let folder = folder();
    suite(folder.path(), "codec = \"h264\"\n");
    let engineless = "case \" $* \" in *\" h264_nvenc \"*) echo 'No capable devices found' >&2; \
                      exit 1;; *cuda*) echo 'Cannot load libcuda.so.1' >&2; exit 1;; esac\n\
                      exec ffmpeg \"$@\"";
    let bin = stand_in(folder.path(), engineless);
    let (text, all) = rows(folder.path(), "cpu;mock:0,name=NVIDIA H100", &bin, 0);
    let of = |all: &[Row], name: &str| {
        let row = all.iter().find(|r| r.implementation == name).expect("a row");
        (row.device.clone(), row.status)
    };
    assert_eq!(of(&all, "process/nvenc"), ("process:gpu".into(), Status::Skipped));
    assert_eq!(of(&all, "process/nvdec-x264"), ("process:gpu".into(), Status::Skipped));
    assert_eq!(of(&all, "process/x264"), ("process:cpu".into(), Status::Ok));
    names(&text, &["h264_nvenc cannot be opened here: this GPU has no encoder engine"]);
    names(&text, &["libx264 cannot be opened here: no NVIDIA driver is here"]);

    // The words for the GPU, done by the CPU: what is decoded, scaled and encoded comes out right.
    let bin = stand_in(folder.path(), PRETENDED);
    let (_, all) = rows(folder.path(), "cpu;mock:0,name=Tesla T4", &bin, 0);
    assert_eq!(of(&all, "process/nvenc"), ("process:gpu".into(), Status::Ok));
    assert_eq!(of(&all, "process/nvdec-x264"), ("process:gpu".into(), Status::Ok));
    let nvenc = all.iter().find(|r| r.implementation == "process/nvenc").expect("a row");
    assert_eq!(nvenc.quality.as_ref().map(|q| q.setting_name.as_str()), Some("cq"));
}

#[test]
fn a_verdict_rests_on_the_sizes_where_the_encoders_ran() {
    let folder = folder();
    let text = format!(
        "[[stage]]\nfamily = \"transcode\"\ncodec = \"h264\"\n{SMALL}[demand]\njobs_per_day = 1000\n"
    );
    file(folder.path(), "mine.toml", text);
    let bin = stand_in(folder.path(), PRETENDED);
    let on = |sku: &str, device: &str| {
        let mock = "cpu,threads=4;mock:0,name=Tesla T4";
        let words = ["advise", "mine.toml", "--mock", mock, "--device", device, "--sku", sku];
        let mut command = breakeven(folder.path());
        command.args(words).args(["--max-seconds", "20", "-o", sku]).env("PATH", &bin);
        command.assert()
    };
    // The CPU alone has a price, and the next step is named.
    let first = on("Standard_D4s_v5", "cpu").code(0);
    names(&stdout(&first), &["measure-first", "an encoder is judged only where it ran"]);
    names(&stdout(&first), &["breakeven advise mine.toml --sku Standard_NC4as_T4_v3"]);
    on("Standard_NC4as_T4_v3", "mock:0");
    let mut command = breakeven(folder.path());
    command.args(["classify", "mine.toml", "--records", "Standard_D4s_v5"]);
    let both = command.args(["--records", "Standard_NC4as_T4_v3"]).assert().code(0);
    let judged = "An encoder is judged only where it was measured (Standard_";
    names(&stdout(&both), &[judged, "Standard_D4s_v5", "Standard_NC4as_T4_v3"]);
}

#[test]
fn a_quality_out_of_reach_is_a_skip_with_what_was_reached() {
    let folder = folder();
    // Its lowest quality is far above.
    suite(folder.path(), "codec = \"h264\"\nssim = 0.51\n");
    let (text, all) = rows(folder.path(), "cpu", &path(), 4);
    assert!(all.iter().all(|row| row.status == Status::Skipped), "{all:?}");
    names(&text, &["SSIM 0.51 is out of reach", "crf 51", "higher `ssim`"]);
}

#[test]
fn ctrl_c_stops_all_streams_and_leaves_no_files() {
    let folder = folder();
    suite(folder.path(), "codec = \"h264\"\nstreams = 3\n");
    // All but the streams themselves is done as ever.
    let slow = format!(
        "case \" $* \" in *\" -y out-2.mp4 \"*) echo $$ > {0}/new; mv {0}/new {0}/pid; sleep 60;; \
         *\" -y out-1.mp4 \"*) sleep 60;; esac\nexec ffmpeg \"$@\"",
        folder.path().display()
    );
    let bin = stand_in(folder.path(), &slow);
    let temporary = folder.path().join("tmp");
    std::fs::create_dir_all(&temporary).expect("a folder");
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_breakeven"))
        .current_dir(folder.path())
        .args(["run", "s.toml", "--mock", "cpu", "-o", "out"])
        .env("PATH", bin)
        .env("TMPDIR", &temporary)
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .expect("the program starts");
    let pid = folder.path().join("pid");
    let start = Instant::now();
    while !pid.is_file() {
        assert!(start.elapsed() < Duration::from_secs(120), "the streams never ran");
        std::thread::sleep(Duration::from_millis(20));
    }
    let own = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(own, rustix::process::Signal::INT).expect("it is running");
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
    let running = std::fs::read_to_string(&pid).expect("its id");
    assert!(!Path::new("/proc").join(running.trim()).exists(), "a stream still runs");
    let left: Vec<_> = std::fs::read_dir(&temporary).expect("a folder").collect();
    assert!(left.is_empty(), "{left:?} is left");
}
