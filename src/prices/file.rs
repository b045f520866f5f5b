//! Where refreshed prices are kept, and how they get there whole or not at all.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The file that `prices refresh` writes and every command reads: `breakeven/prices.csv` in the
/// user's data folder (`XDG_DATA_HOME`, else `~/.local/share`); `None` where neither is set.
pub fn usual_file() -> Option<PathBuf> {
    let absolute = |name: &str| {
        let path = PathBuf::from(std::env::var_os(name)?);
        // The XDG rules ask to ignore relative paths.
        path.is_absolute().then_some(path)
    };
    let data = absolute("XDG_DATA_HOME").or_else(|| Some(absolute("HOME")?.join(".local/share")));
    Some(data?.join("breakeven").join("prices.csv"))
}

/// Replaces the file at `path` by `text`, making its folder where that is missing. A reader meets
/// the old file or the new one, never a part: the text goes to a file beside it, which is renamed
/// when it is safely on disk.
///
/// # Errors
/// Those of the file system; the old file is then as it was.
pub fn replace(path: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder)?;
    }
    // A link keeps pointing where it did.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let part = part_of(&path);
    let written = write(&part, text).and_then(|()| fs::rename(&part, &path));
    if written.is_err() {
        // What is left of the attempt is of no use; the first error is the one to tell.
        let _ = fs::remove_file(&part);
    }
    written
}

/// `prices.csv` → `prices.csv.1234.part`, of this process alone.
fn part_of(path: &Path) -> PathBuf {
    let mut name = path.file_name().map_or_else(OsString::new, OsString::from);
    name.push(format!(".{}.part", std::process::id()));
    path.with_file_name(name)
}

fn write(part: &Path, text: &str) -> io::Result<()> {
    let mut file = File::create(part)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
