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

#[test]
fn damaged_pictures_end_it_or_are_left_out_by_number() {
    let folder = folder();
    let clip = clip(folder.path(), "in.avi");
    let mut video = std::fs::read(&clip).expect("the clip");
    let movi = video.windows(4).position(|w| w == b"movi").expect("a list of pictures");
    let starts: Vec<usize> =
        (movi..video.len() - 4).filter(|&at| &video[at..at + 4] == b"00dc").collect();
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
    assert!(lines[2].starts_with("30 pictures, 2 of them damaged and left out: 80 x 48"), "{told}");
    assert_eq!(probed(&folder.path().join("out.avi")), "80,48,30000/1001,28");
}

#[test]
fn wrong_input_is_told_in_one_line() {
    let folder = folder();
    let clip = clip(folder.path(), "in.avi");
    let told =
        |arguments: &[&str]| message(&run(folder.path(), &[&["transcode"], arguments].concat(), 2));
    names(&told(&[&clip, "out.mp4"]), &["out.mp4: its ending says no kind of file", ".mjpeg"]);
    std::fs::write(folder.path().join("there.avi"), "mine").expect("a file");
    names(&told(&[&clip, "there.avi"]), &["there.avi exists and would be lost"]);
    names(&told(&["none.avi", "out.avi"]), &["none.avi: cannot be read"]);
    names(&told(&[".", "out.avi"]), &[".: is a folder"]);
    std::fs::write(folder.path().join("text.avi"), "a text that is no video").expect("a file");
    names(&told(&["text.avi", "out.avi"]), &["text.avi: is neither AVI nor raw Motion-JPEG"]);
    std::fs::write(folder.path().join("empty.avi"), "").expect("a file");
    names(&told(&["empty.avi", "out.avi"]), &["empty.avi: is empty"]);
    names(&told(&[&clip, "out.avi", "--rate", "fast"]), &["--rate fast: give a number"]);
    names(&told(&[&clip, "-", "--format", "json"]), &["leave --format out"]);
    let quality = stderr(&run(folder.path(), &["transcode", &clip, "-", "--quality", "0"], 2));
    names(&quality, &["0 is not in 1..=100"]);
}
