//! The image, as far as it can be checked without building it.

use std::process::Command;

use super::{program, root};

#[test]
fn the_binary_needs_no_more_than_a_distroless_image_has() {
    let output = Command::new("ldd").arg(program()).output().expect("ldd starts");
    let text = String::from_utf8_lossy(&output.stdout);
    let has = [
        "linux-vdso",
        "libgcc_s.so.1",
        "libm.so.6",
        "libc.so.6",
        "libdl.so.2",
        "libpthread.so.0",
        "librt.so.1",
        "ld-linux",
    ];
    for line in text.lines().map(str::trim) {
        let name =
            line.rsplit_once('/').filter(|_| !line.contains("=>")).map_or(line, |(_, name)| name);
        assert!(has.iter().any(|known| name.starts_with(known)), "{line}");
    }
}

#[test]
fn the_binary_runs_on_the_oldest_base() {
    let bytes = std::fs::read(program()).expect("the binary");
    let mut newest = (0, 0);
    for at in bytes.windows(8).enumerate().filter(|(_, w)| *w == b"GLIBC_2.").map(|(at, _)| at + 8)
    {
        let digits = bytes[at..].iter().take_while(|b| b.is_ascii_digit()).count();
        let minor = std::str::from_utf8(&bytes[at..at + digits]).expect("digits").parse::<u32>();
        newest = newest.max((2, minor.unwrap_or(0)));
    }
    // Ubuntu 22.04 has 2.35, distroless on Debian 12 has 2.36.
    assert!(newest > (2, 0) && newest <= (2, 35), "{newest:?}");
}

#[test]
fn what_the_dockerfile_names_is_there() {
    let text = std::fs::read_to_string(root().join("Dockerfile")).expect("a Dockerfile");
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).expect("a manifest");
    assert!(text.contains("--features fleet --bin breakeven") && manifest.contains("\nfleet = ["));
    let last = text.rfind("\nFROM ").expect("a stage");
    assert!(
        text[last..].contains("distroless") && !text[last..].contains(" AS "),
        "built by default"
    );
    // The pods' user, and no shell in between: arguments alone come from the job.
    assert_eq!(text.matches("USER 65532:65532").count(), 2);
    assert_eq!(text.matches("ENTRYPOINT [\"/breakeven\"]").count(), 2);
    let ignored = std::fs::read_to_string(root().join(".dockerignore")).expect("a list");
    assert!(ignored.lines().any(|line| line == "target"));
}
