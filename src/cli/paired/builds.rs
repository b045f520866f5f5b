//! Programs built from git revisions, each in a worktree of its own that goes away afterwards.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::cli::exit::Failure;

/// A worktree; removed when it is dropped, whatever happened in between.
struct Worktree {
    repository: PathBuf,
    folder: PathBuf,
}

impl Drop for Worktree {
    fn drop(&mut self) {
        let folder = self.folder.display().to_string();
        // What is left of a failed removal lies in a temporary folder, and `prune` forgets it.
        let _ = git(&self.repository, &["worktree", "remove", "--force", &folder]);
        let _ = git(&self.repository, &["worktree", "prune"]);
    }
}

/// How revisions become programs.
pub struct Recipe<'a> {
    /// Through `sh -c`, in the revision's folder.
    pub build: &'a str,
    /// What it makes, below that folder.
    pub bin: &'a Path,
}

/// The program of `revision` (`None`: of the working tree as it is), copied into `into`; and the
/// commit it was built from.
///
/// # Errors
/// No repository, no such revision, a build that fails or does not make the program.
pub fn built(
    revision: Option<&str>,
    recipe: &Recipe<'_>,
    into: &Path,
) -> Result<(PathBuf, Option<String>), Failure> {
    let top = git(Path::new("."), &["rev-parse", "--show-toplevel"]).map_err(|problem| {
        Failure::usage(format!("--base-ref: {problem}; run it in a git repository"))
    })?;
    let top = PathBuf::from(top);
    let asked = revision.unwrap_or("HEAD");
    let commit = git(&top, &["rev-parse", "--verify", "--quiet", &format!("{asked}^{{commit}}")])
        .map_err(|_| {
        Failure::usage(format!("{asked}: no such git revision here; see `git log`"))
    })?;
    let Some(revision) = revision else {
        return Ok((program(&top, "the working tree", recipe, into)?, Some(commit)));
    };
    let folder = into.join("tree");
    let tree = Worktree { repository: top.clone(), folder: folder.clone() };
    let shown = folder.display().to_string();
    git(&top, &["worktree", "add", "--quiet", "--detach", "--force", &shown, &commit])
        .map_err(|problem| Failure::internal(format!("{revision}: no worktree: {problem}")))?;
    let built = program(&folder, revision, recipe, into);
    drop(tree);
    Ok((built?, Some(commit)))
}

/// Builds in `folder` and copies the program out of it.
fn program(folder: &Path, name: &str, recipe: &Recipe, into: &Path) -> Result<PathBuf, Failure> {
    // What a build prints is no data of ours.
    let done = Command::new("sh")
        .args(["-c", recipe.build])
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .map_err(|error| Failure::internal(format!("cannot start sh: {error}")))?;
    if !done.success() {
        return Err(Failure::usage(format!(
            "{name}: `{}` failed ({done}); mend it, or say how to build with --build CMD",
            recipe.build
        )));
    }
    let made = folder.join(recipe.bin);
    let kept = into.join("program");
    std::fs::copy(&made, &kept).map_err(|error| {
        Failure::usage(format!(
            "{name}: after `{}` there is no {} ({error}); name the program with --bin PATH",
            recipe.build,
            recipe.bin.display()
        ))
    })?;
    Ok(kept)
}

/// What git says to `arguments`, one line; the error is what it complains of.
fn git(folder: &Path, arguments: &[&str]) -> Result<String, String> {
    let done = Command::new("git").arg("-C").arg(folder).args(arguments).output();
    let done = done.map_err(|error| format!("cannot start git: {error}"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if done.status.success() { Ok(text(&done.stdout)) } else { Err(text(&done.stderr)) }
}
