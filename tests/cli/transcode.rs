//! `transcode`: video in, video out.

use std::path::Path;
use std::process::Command;

use super::{breakeven, folder, message, names, run, stderr};

/// A clip of 30 frames at 30000/1001 a second.
fn clip(folder: &Path, name: &str) -> String {
    let path = folder.join(name).display().to_string();
    let source = "testsrc2=s=160x96:r=30000/1001:d=1.001";
    let made = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "lavfi", "-i", source, "-pix_fmt", "yuvj420p"])
        .args(["-c:v", "mjpeg", "-q:v", "3", "-threads", "4", "-thread_type", "slice", &path])
        .status()
        .expect("ffmpeg; ./test.sh installs it");
    assert!(made.success());
    path
}

/// Width, height, rate and number of pictures as ffprobe sees them.
fn probed(path: &Path) -> String {
    let told = Command::new("ffprobe")
        .args(["-v", "error", "-count_frames", "-of", "csv=p=0", "-show_entries"])
        .arg("stream=width,height,r_frame_rate,nb_read_frames")
        .arg(path)
        .output()
        .expect("ffprobe; ./test.sh installs it");
    assert!(told.stderr.is_empty(), "{}", String::from_utf8_lossy(&told.stderr));
    String::from_utf8(told.stdout).expect("UTF-8").trim().to_owned()
}

#[test]
fn avi_and_raw_come_out_as_they_went_in() {
    let folder = folder();
    let clip = clip(folder.path(), "in.avi");
    let told = stderr(&run(folder.path(), &["transcode", &clip, "out.avi"], 0));
    assert!(told.starts_with("30 pictures: 80 x 48 in out.avi, "), "{told}");
    assert_eq!(probed(&folder.path().join("out.avi")), "80,48,30000/1001,30");
    let raw = ["transcode", &clip, "out.mjpeg", "--width", "40", "-o", "made", "--quiet"];
    assert_eq!(stderr(&run(folder.path(), &raw, 0)), "");
    assert_eq!(probed(&folder.path().join("made/out.mjpeg")), "40,24,25/1,30");
    // From a pipe to a pipe, and back into AVI with the rate that raw streams do not say.
    let video = std::fs::read(&clip).expect("the clip");
    let piped = ["transcode", "-", "-", "--width", "40", "--threads", "1"];
    let piped = breakeven(folder.path()).args(piped).write_stdin(video).assert().code(0);
    let raw = std::fs::read(folder.path().join("made/out.mjpeg")).expect("the raw stream");
    assert!(piped.get_output().stdout == raw);
    let arguments =
        ["transcode", "made/out.mjpeg", "back.avi", "--rate", "30000/1001", "--height", "48"];
    run(folder.path(), &arguments, 0);
    assert_eq!(probed(&folder.path().join("back.avi")), "80,48,30000/1001,30");
}

/// Where the chunks of pictures and those of the index start.
fn starts(video: &[u8]) -> Vec<usize> {
    let movi = video.windows(4).position(|w| w == b"movi").expect("a list of pictures");
    (movi..video.len() - 4).filter(|&at| &video[at..at + 4] == b"00dc").collect()
}

#[test]
fn nothing_that_was_there_is_lost() {
    let folder = folder();
    let clip = clip(folder.path(), "in.avi");
    // What an interrupted run may have left, to be salvaged under its own name.
    let left = folder.path().join("out.avi.partial");
    std::fs::write(&left, "mine").expect("a file");
    let told = message(&run(folder.path(), &["transcode", &clip, "out.avi"], 2));
    names(&told, &["out.avi.partial exists", "choose another name"]);
    assert_eq!(std::fs::read(&left).expect("still there"), b"mine");
    // All pictures damaged: no file, and no success.
    let mut video = std::fs::read(&clip).expect("the clip");
    let starts = starts(&video);
    for pair in starts[..31].windows(2) {
        let middle = (pair[0] + pair[1]) / 2;
        video[middle..middle + 40].fill(0xff);
    }
    std::fs::write(folder.path().join("bad.avi"), &video).expect("a file");
    let skip = ["transcode", "bad.avi", "none.mjpeg", "--damaged", "skip"];
    let told = message(&run(folder.path(), &skip, 2));
    names(&told, &["bad.avi: holds no picture that is good"]);
    assert!(!folder.path().join("none.mjpeg").exists());
    // The first good one comes late, after more than a batch.
    let mut late = std::fs::read(&clip).expect("the clip");
    for pair in starts[..26].windows(2) {
        let middle = (pair[0] + pair[1]) / 2;
        late[middle..middle + 40].fill(0xff);
    }
    std::fs::write(folder.path().join("late.avi"), &late).expect("a file");
    let skip = ["transcode", "late.avi", "late_out.avi", "--damaged", "skip", "--threads", "1"];
    run(folder.path(), &skip, 0);
    assert_eq!(probed(&folder.path().join("late_out.avi")), "80,48,30000/1001,5");
    for outside in ["/tmp/out.avi", "../out.avi"] {
        let told = message(&run(folder.path(), &["transcode", &clip, outside, "-o", "made"], 2));
        names(&told, &[outside, "is not below made"]);
    }
    let cut = std::fs::File::options().write(true).open("/dev/full");
    if let Ok(full) = cut {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_breakeven"));
        let command = command.args(["transcode", &clip, "-"]).stdout(full);
        let status = command.stderr(std::process::Stdio::null()).status();
        assert_eq!(status.expect("it ran").code(), Some(1));
    }
}

#[test]
fn ctrl_c_ends_it_while_its_input_hangs() {
    let folder = folder();
    let clip = clip(folder.path(), "in.avi");
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_breakeven"))
        .args(["transcode", "-", "out.avi"])
        .current_dir(folder.path())
        .stdin(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("the program");
    let mut input = child.stdin.take().expect("a pipe");
    let video = std::fs::read(&clip).expect("the clip");
    // All but the end, which never comes.
    std::io::Write::write_all(&mut input, &video[..video.len() / 2]).expect("it reads");
    std::thread::sleep(std::time::Duration::from_millis(500));
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().expect("kill").success());
    let started = std::time::Instant::now();
    let ended = child.wait().expect("it ends");
    assert!(started.elapsed().as_secs() < 5, "{:?}", started.elapsed());
    assert_eq!(ended.code(), Some(130));
    drop(input);
    assert!(!folder.path().join("out.avi").exists());
    assert!(!folder.path().join("out.avi.partial").exists());
}

#[test]
fn damaged_pictures_end_it_or_are_left_out_by_number() {
    let folder = folder();
    let clip = clip(folder.path(), "in.avi");
    let mut video = std::fs::read(&clip).expect("the clip");
    let starts = starts(&video);
    // The middle of frames 7 and 8, as a damaged disk leaves it.
    for number in [7, 8] {
        let middle = (starts[number] + starts[number + 1]) / 2;
        video[middle..middle + 40].fill(0xff);
    }
    std::fs::write(&clip, video).expect("the clip");
    let failed = message(&run(folder.path(), &["transcode", &clip, "out.avi"], 2));
    names(&failed, &["in.avi: frame 7: ", "--damaged skip leaves such frames out"]);
    assert!(!folder.path().join("out.avi").exists());
    assert!(!folder.path().join("out.avi.partial").exists());
    let skip = ["transcode", &clip, "out.avi", "--damaged", "skip"];
    let told = stderr(&run(folder.path(), &skip, 0));
    let lines: Vec<&str> = told.lines().collect();
    assert!(lines[0].starts_with("frame 7: ") && lines[0].ends_with("; left out"), "{told}");
    assert!(lines[1].starts_with("frame 8: "), "{told}");
    let all = "30 pictures, 2 of them damaged or not supported and left out: 80 x 48";
    assert!(lines[2].starts_with(all), "{told}");
    assert_eq!(probed(&folder.path().join("out.avi")), "80,48,30000/1001,28");
}

#[test]
fn wrong_input_is_told_in_one_line() {
    let folder = folder();
    let clip = clip(folder.path(), "in.avi");
    let told =
        |arguments: &[&str]| message(&run(folder.path(), &[&["transcode"], arguments].concat(), 2));
    names(
        &told(&[&clip, "out.mp4"]),
        &["out.mp4: only AVI and raw Motion-JPEG are written", ".mjpeg"],
    );
    std::fs::write(folder.path().join("there.avi"), "mine").expect("a file");
    names(&told(&[&clip, "there.avi"]), &["there.avi exists and would be lost"]);
    names(&told(&["none.avi", "out.avi"]), &["none.avi: cannot be read"]);
    names(&told(&[".", "out.avi"]), &[".: is a folder"]);
    std::fs::write(folder.path().join("text.avi"), "a text that is no video").expect("a file");
    names(&told(&["text.avi", "out.avi"]), &["text.avi: is neither AVI nor raw Motion-JPEG"]);
    std::fs::write(folder.path().join("empty.avi"), "").expect("a file");
    names(&told(&["empty.avi", "out.avi"]), &["empty.avi: is empty"]);
    names(
        &told(&[&clip, "out.avi", "--rate", "fast"]),
        &["--rate fast: give 1 to 1000 frames a second"],
    );
    names(&told(&[&clip, "-", "--format", "json"]), &["leave --format out"]);
    let quality = stderr(&run(folder.path(), &["transcode", &clip, "-", "--quality", "0"], 2));
    names(&quality, &["0 is not in 1..=100"]);
}
