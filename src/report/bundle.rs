//! The files of a report: the page, the same in short, all numbers, and each picture.

use std::io::{self, Write};

use super::dossier::{Dossier, Figures};
use super::{Content, Look, csv, json, markdown, page};

/// A file: its path below the report's folder, with `/` between, and what is in it.
pub type File = (String, Vec<u8>);

/// What writes a file, once it is open.
pub type Part<'p> = &'p dyn Fn(&mut dyn Write) -> io::Result<()>;

/// Hands the files of `dossier` to `keep`, each by its path and what writes it: those with all numbers
/// may be larger than the memory should be. Where there are both verdicts and records, report.csv holds
/// the records' rows and verdicts.csv the ranked sizes.
///
/// # Errors
/// Those of `keep`, which has what cannot be put into CSV or JSON from its part.
pub fn bundle<E: Send>(
    dossier: &Dossier,
    mut keep: impl FnMut(&str, Part) -> Result<(), E> + Send,
) -> Result<(), E> {
    let content = Content::Dossier(dossier);
    let both = !dossier.judged.is_empty() && !dossier.records.is_empty();
    let (page, rest) = rayon::join(
        || pictured(dossier),
        || {
            for (name, write) in [
                ("report.md", markdown::write as super::Writer),
                ("report.csv", csv::write),
                ("report.json", json::write),
            ] {
                keep(name, &|out| write(&content, Look::default(), out))?;
            }
            if both {
                keep("verdicts.csv", &|out| csv::of_verdicts(dossier, out))?;
            }
            Ok(())
        },
    );
    rest?;
    page.iter().try_for_each(|(name, bytes)| keep(name, &|out| out.write_all(bytes)))
}

/// The page and its pictures, each as a file of its own too.
pub fn pictured(dossier: &Dossier) -> Vec<File> {
    let figures = Figures::of(dossier);
    let mut files = vec![("report.html".to_owned(), page::page(dossier, &figures).into_bytes())];
    files.extend(
        figures.all().map(|f| (format!("figures/{}.svg", f.id), f.standalone().into_bytes())),
    );
    files
}
