//! `cotenants` of a workload: which other workloads they name.

use super::classify::{Loaded, load};
use super::exit::Failure;

/// More would make too many companies to look at.
const MOST: usize = 8;

/// The workloads that `loaded` names as co-tenants: of those `given` on the command line by their
/// names, else built-in ones, else files beside its own.
///
/// # Errors
/// A name that is none of them, itself, or too many.
pub fn of(loaded: &Loaded, given: &[Loaded]) -> Result<Vec<Loaded>, Failure> {
    let workload = &loaded.workload;
    let names = &workload.node.cotenants;
    let wrong =
        |what: String| Failure::usage(format!("{}: node: cotenants: {what}", workload.given_as));
    let itself = |name: &str| {
        wrong(format!("\"{name}\" is the workload itself; leave it out, or name another"))
    };
    if names.len() > MOST {
        let count = names.len();
        return Err(wrong(format!("{count} are named; at most {MOST} can be looked at")));
    }
    names
        .iter()
        .map(|name| {
            if *name == workload.name || *name == workload.given_as {
                return Err(itself(name));
            }
            let same = |l: &&Loaded| l.workload.name == *name || l.workload.given_as == *name;
            if let Some(found) = given.iter().find(same) {
                return Ok(Loaded {
                    workload: found.workload.clone(),
                    folder: found.folder.clone(),
                });
            }
            let beside = loaded.folder.as_ref().map(|folder| folder.join(name));
            let path = match beside {
                Some(path) if path.is_file() => path.display().to_string(),
                _ => name.clone(),
            };
            let found = load(&[path]).map_err(|failure| {
                wrong(failure.message.unwrap_or_else(|| format!("\"{name}\" cannot be read")))
            })?;
            let found = found.into_iter().next();
            let found = found.ok_or_else(|| wrong(format!("\"{name}\" names no workload")))?;
            if same_source(&workload.given_as, &found.workload.given_as) {
                return Err(itself(name));
            }
            Ok(found)
        })
        .collect()
}

/// Whether two workloads were read from the same built-in name or the same file.
fn same_source(a: &str, b: &str) -> bool {
    let file = |name: &str| std::fs::canonicalize(name).ok();
    a == b || file(a).is_some_and(|path| file(b) == Some(path))
}
