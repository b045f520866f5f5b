//! Suites: TOML files that list cases to measure.

use std::path::PathBuf;

use breakeven_kernels::params::Params;

mod files;
mod parse;

pub use files::FolderFiles;
pub use parse::parse;

/// The built-in suites: (name, TOML text), in the order shown.
pub const BUILT_IN: &[(&str, &str)] = &[
    ("quick", include_str!("../../suites/quick.toml")),
    ("standard", include_str!("../../suites/standard.toml")),
    ("full", include_str!("../../suites/full.toml")),
    ("ci", include_str!("../../suites/ci.toml")),
];

/// A list of cases with the time meant for it.
#[derive(Debug, Clone, PartialEq)]
pub struct Suite {
    /// Built-in name, or the file's stem.
    pub name: String,
    /// One line for people.
    pub summary: String,
    /// Seconds that measuring should take in all; sampling is cut to it.
    pub budget_s: Option<f64>,
    /// The cases, lists and references already expanded.
    pub cases: Vec<SuiteCase>,
    /// Folder that file names in the cases are relative to; `None` for built-in suites.
    pub folder: Option<PathBuf>,
}

/// One case as written, expanded.
#[derive(Debug, Clone, PartialEq)]
pub struct SuiteCase {
    /// Where it was written, for messages: `my/s.toml, case 3` or `workload x, stage 1`.
    pub place: String,
    /// Family name, not yet looked up.
    pub family: String,
    /// Its parameters.
    pub params: Params,
    /// The declared axis of its series: a key, or `table.key` for a nested one.
    pub axis: Option<String>,
    /// Keys that were written as a reference to the axis and move with it (`n = "m"`).
    pub tied: Vec<String>,
}

/// Why a suite could not be read: names the file, the field, the value and the next step.
#[derive(Debug, thiserror::Error)]
pub enum SuiteError {
    /// Neither a built-in name nor a file.
    #[error("no suite `{name}`{}; built-in suites: {known}; or give a .toml file", nearest.as_ref().map(|n| format!(", did you mean `{n}`?")).unwrap_or_default())]
    Unknown {
        /// As asked for.
        name: String,
        /// The most similar built-in name.
        nearest: Option<String>,
        /// All built-in names.
        known: String,
    },
    /// The file could not be read.
    #[error(
        "{file}: {source}; give a built-in suite (`breakeven list suites`) or a readable .toml file"
    )]
    Io {
        /// Path as given.
        file: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The text is not TOML.
    #[error("{file}: {message}")]
    Syntax {
        /// Path or built-in name.
        file: String,
        /// What the parser said, with the line.
        message: String,
    },
    /// A field is unknown, missing or has a value that cannot be used.
    #[error("{file}: {place}: {problem}")]
    Field {
        /// Path or built-in name.
        file: String,
        /// Where: `case 3, n` or `budget_s`.
        place: String,
        /// The value, what is wrong with it and what would do.
        problem: String,
    },
}

/// Reads a built-in suite or a TOML file.
///
/// # Errors
/// [`SuiteError`], with the file, field, value and next step.
pub fn load(name_or_path: &str) -> Result<Suite, SuiteError> {
    if let Some((name, text)) = BUILT_IN.iter().find(|(name, _)| *name == name_or_path) {
        return parse(text, name, name);
    }
    let path = PathBuf::from(name_or_path);
    if path.extension().is_none() && !path.exists() {
        let names = || BUILT_IN.iter().map(|(name, _)| *name);
        return Err(SuiteError::Unknown {
            name: name_or_path.to_owned(),
            nearest: breakeven_kernels::params::nearest(name_or_path, names()).map(str::to_owned),
            known: names().collect::<Vec<_>>().join(", "),
        });
    }
    let text = std::fs::read_to_string(&path)
        .map_err(|source| SuiteError::Io { file: name_or_path.to_owned(), source })?;
    let stem = path.file_stem().map_or_else(|| name_or_path.into(), |s| s.to_string_lossy());
    let mut suite = parse(&text, &stem, name_or_path)?;
    suite.folder = Some(path.parent().map(PathBuf::from).unwrap_or_default());
    Ok(suite)
}
