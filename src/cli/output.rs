//! Where data go: standard output in the asked form and, with `-o`, files in every other form.

use std::fs::{self, File};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};

use super::args::OutputArgs;
use super::exit::Failure;
use crate::report::{self, Content, File as Written, Format, Look, Part};

/// Writes `content` to standard output in the form that `--format` names.
pub fn print(content: &Content, output: &OutputArgs) -> Result<(), Failure> {
    print_as(content, output.format.name(), output)
}

/// Writes `content` to standard output in the form called `format`.
pub fn print_as(content: &Content, format: &str, output: &OutputArgs) -> Result<(), Failure> {
    let look = look(output);
    let mut out = BufWriter::new(io::stdout().lock());
    (form(format)?.write)(content, look, &mut out)
        .and_then(|()| out.flush())
        .map_err(|error| Failure::stdout(&error))
}

/// Writes `stem`.md, `stem`.json and `stem`.csv into `folder`, which must exist.
pub fn save(content: &Content, folder: &Path, stem: &str) -> Result<(), Failure> {
    let kept = |format: &&Format| !["text", "jsonl", "html"].contains(&format.name);
    for format in report::FORMATS.iter().filter(kept) {
        let name = format!("{stem}.{}", format.extension);
        write_one(folder, &name, &|out| (format.write)(content, Look::default(), out))?;
    }
    Ok(())
}

/// Writes `files` below `folder`, which is made if it is not there.
pub fn write_all(folder: &Path, files: &[Written]) -> Result<(), Failure> {
    make_folder(folder)?;
    files.iter().try_for_each(|(name, bytes)| write_one(folder, name, &|out| out.write_all(bytes)))
}

/// Writes the file `name` below `folder`; folders are made where they are not there.
pub fn write_one(folder: &Path, name: &str, part: Part) -> Result<(), Failure> {
    let path = folder.join(name);
    if let Some(parent) = path.parent() {
        make_folder(parent)?;
    }
    File::create(&path)
        .map(BufWriter::new)
        .and_then(|mut file| {
            part(&mut file)?;
            file.flush()
        })
        .map_err(|error| Failure::write(&path, &error))
}

/// The command line that this is, program first; a word that is not UTF-8 is told as far as it is.
pub fn command() -> Vec<String> {
    let words = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned());
    std::iter::once("breakeven".to_owned()).chain(words).collect()
}

/// Prints `content` and, where `-o` was given, saves it there.
pub fn emit(content: &Content, output: &OutputArgs, stem: &str) -> Result<(), Failure> {
    if let Some(folder) = &output.folder {
        make_folder(folder)?;
        save(content, folder, stem)?;
        remark(output, &format!("wrote {}.{{md,json,csv}}", folder.join(stem).display()));
    }
    print(content, output)
}

/// The folder of a run: `-o`, else a new one named by the time.
pub fn run_folder(output: &OutputArgs) -> Result<PathBuf, Failure> {
    if let Some(folder) = &output.folder {
        make_folder(folder)?;
        return Ok(folder.clone());
    }
    let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H-%M-%SZ").to_string();
    fresh(Path::new("breakeven-results"), &now)
}

/// Makes the folder `name` in `parent`, or `name`-2, `name`-3 … where another run took it.
fn fresh(parent: &Path, name: &str) -> Result<PathBuf, Failure> {
    make_folder(parent)?;
    let mut folder = parent.join(name);
    for number in 2.. {
        match fs::create_dir(&folder) {
            Ok(()) => break,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                folder = parent.join(format!("{name}-{number}"));
            }
            Err(error) => return Err(Failure::write(&folder, &error)),
        }
    }
    Ok(folder)
}

/// Makes `folder` and its parents, where they are not there.
pub fn make_folder(folder: &Path) -> Result<(), Failure> {
    fs::create_dir_all(folder).map_err(|error| Failure::write(folder, &error))
}

/// A remark on standard error, unless `--quiet`.
pub fn remark(output: &OutputArgs, message: &str) {
    if !output.quiet {
        let _ = writeln!(io::stderr(), "{message}");
    }
}

/// Colours only on a terminal, and only where nobody objects.
pub fn look(output: &OutputArgs) -> Look {
    let terminal = io::stdout().is_terminal();
    let objected = output.no_color || std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
    let width = terminal.then(terminal_width).flatten();
    let encoding = ["LC_ALL", "LC_CTYPE", "LANG"].map(|name| std::env::var(name).ok());
    Look { color: terminal && !objected, width, ascii: terminal && !is_utf8(&encoding) }
}

/// Whether the locale is of UTF-8: the first variable that is set and not empty decides.
fn is_utf8(variables: &[Option<String>]) -> bool {
    let set = variables.iter().flatten().find(|value| !value.is_empty());
    set.is_some_and(|value| value.to_ascii_lowercase().replace('-', "").contains("utf8"))
}

/// Columns of the terminal on standard output.
fn terminal_width() -> Option<u16> {
    rustix::termios::tcgetwinsize(io::stdout()).ok().map(|size| size.ws_col).filter(|&w| w >= 40)
}

fn form(name: &str) -> Result<&'static Format, Failure> {
    report::format(name).ok_or_else(|| Failure::internal(format!("no output form {name}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_locale_variable_that_is_set_decides() {
        let of = |values: [&str; 3]| is_utf8(&values.map(|v| Some(v.to_owned())));
        assert!(of(["", "", "de_DE.UTF-8"]) && of(["C.utf8", "", ""]));
        assert!(!of(["C", "", "de_DE.UTF-8"]) && !is_utf8(&[None, None, None]));
    }

    #[test]
    fn runs_of_one_second_have_folders_of_their_own() {
        let parent = tempfile::tempdir().expect("a temporary folder");
        let made = || fresh(&parent.path().join("results"), "now").expect("writable");
        let names = [made(), made(), made()];
        let names = names.map(|folder| folder.file_name().expect("a name").to_owned());
        assert_eq!(names, ["now", "now-2", "now-3"]);
    }
}
