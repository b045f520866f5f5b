//! The files of a report: the page, the same in short, all numbers, and each picture.

use std::io;

use super::dossier::{Dossier, Figures};
use super::{Content, Look, csv, json, markdown, page};

/// A file: its path below the report's folder, with `/` between, and what is in it.
pub type File = (String, Vec<u8>);

/// The files of `dossier`. Where there are both verdicts and records, report.csv holds the records'
/// rows and verdicts.csv the ranked sizes.
///
/// # Errors
/// What cannot be put into CSV or JSON; the disk is not asked.
pub fn bundle(dossier: &Dossier) -> io::Result<Vec<File>> {
    let content = Content::Dossier(dossier);
    let (page, rest) = rayon::join(
        || pictured(dossier),
        || -> io::Result<Vec<File>> {
            let mut files = Vec::new();
            for (name, write) in [
                ("report.md", markdown::write as super::Writer),
                ("report.csv", csv::write),
                ("report.json", json::write),
            ] {
                files.push((name.to_owned(), written(&content, write)?));
            }
            if !dossier.judged.is_empty() && !dossier.records.is_empty() {
                files.push(("verdicts.csv".to_owned(), csv::of_verdicts(dossier)?));
            }
            Ok(files)
        },
    );
    let mut files = page;
    files.extend(rest?);
    Ok(files)
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

fn written(content: &Content, write: super::Writer) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    write(content, Look::default(), &mut out)?;
    Ok(out)
}
