//! `init`: asks a few questions and writes a workload file with comments.

use std::fs::{self, OpenOptions};
use std::io::{self, BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};

use breakeven_kernels::params::nearest;

use super::args::{InitArgs, OutputArgs};
use super::exit::{DONE, Failure, Outcome};
use super::output;
use crate::catalog::Catalog;
use crate::workload::questions::{Answers, QUESTIONS, Question, Wants};
use crate::workload::{self, template};

/// Where the file goes without a name.
const DEFAULT_FILE: &str = "workload.toml";

/// Asks, writes, and says what to do next.
pub fn run(args: &InitArgs, output: &OutputArgs) -> Outcome {
    let target = Target::new(args, output);
    target.check(args.force)?;
    let text = match &args.from {
        Some(name) => copied(name, &target)?,
        None => {
            let given = given(&args.answer)?;
            let terminal = io::stdin().is_terminal();
            let asked = interview(given, terminal, &mut io::stdin().lock(), &mut io::stderr())?;
            if !terminal {
                output::remark(output, &taken(&asked));
            }
            template::write(&target.name(), &asked)
        }
    };
    target.write(&text, args.force)?;
    if let Target::File(path) = &target {
        let file = path.display();
        output::remark(output, &format!("wrote {file}; read it, then: breakeven classify {file}"));
    }
    Ok(DONE)
}

/// Where the text goes.
enum Target {
    Stdout,
    File(PathBuf),
}

impl Target {
    fn new(args: &InitArgs, output: &OutputArgs) -> Self {
        let file = args.file.clone().unwrap_or_else(|| DEFAULT_FILE.into());
        if file == Path::new("-") {
            return Self::Stdout;
        }
        Self::File(output.folder.as_ref().map_or(file.clone(), |folder| folder.join(&file)))
    }

    /// Refuses before anything is asked, rather than after.
    fn check(&self, force: bool) -> Result<(), Failure> {
        let Self::File(path) = self else { return Ok(()) };
        if path.extension().is_none_or(|extension| extension != "toml") {
            let path = path.display();
            return Err(Failure::usage(format!("{path}: name the file {path}.toml")));
        }
        if path.exists() && !force { Err(exists(path)) } else { Ok(()) }
    }

    /// What the workload is called.
    fn name(&self) -> String {
        match self {
            Self::Stdout => "my-workload".into(),
            Self::File(path) => {
                path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into())
            }
        }
    }

    fn write(&self, text: &str, force: bool) -> Result<(), Failure> {
        let path = match self {
            Self::Stdout => {
                let mut out = io::stdout().lock();
                let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
                return written.map_err(|error| Failure::stdout(&error));
            }
            Self::File(path) => path,
        };
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            output::make_folder(parent)?;
        }
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).create_new(!force);
        let mut file = match options.open(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(exists(path)),
            other => other.map_err(|error| Failure::write(path, &error))?,
        };
        file.write_all(text.as_bytes()).map_err(|error| {
            // Half a workload would only be refused later.
            let _ = fs::remove_file(path);
            Failure::write(path, &error)
        })
    }
}

fn exists(path: &Path) -> Failure {
    let path = path.display();
    Failure::usage(format!("{path} exists; give another name, or --force to write over it"))
}

/// The text of a built-in workload under the name of the new file.
fn copied(from: &str, target: &Target) -> Result<String, Failure> {
    let names = || workload::BUILT_IN.iter().map(|(name, _)| *name);
    let Some((name, text)) = workload::BUILT_IN.iter().find(|(name, _)| *name == from) else {
        let near = nearest(from, names()).map(|n| format!(", did you mean `{n}`?"));
        return Err(Failure::usage(format!(
            "--from {from}: no such built-in workload{}; there are {}",
            near.unwrap_or_default(),
            names().collect::<Vec<_>>().join(", ")
        )));
    };
    if matches!(target, Target::Stdout) {
        return Ok((*text).to_owned());
    }
    let new = toml::Value::from(target.name());
    Ok(text.replacen(&format!("name = \"{name}\""), &format!("name = {new}"), 1))
}

/// `--answer KEY=VALUE` as pairs.
fn given(arguments: &[String]) -> Result<Vec<(String, String)>, Failure> {
    arguments
        .iter()
        .map(|argument| match argument.split_once('=') {
            Some((key, value)) => Ok((key.trim().to_owned(), value.to_owned())),
            None => Err(Failure::usage(format!(
                "--answer {argument}: write KEY=VALUE, for example --answer kind=images"
            ))),
        })
        .collect()
}

/// Goes through the questions: what was `given` counts, the rest is asked on a terminal, else the
/// default is taken.
fn interview(
    mut given: Vec<(String, String)>,
    terminal: bool,
    input: &mut impl BufRead,
    prompt: &mut impl Write,
) -> Result<Answers, Failure> {
    let mut answers = Answers::default();
    if terminal {
        let _ = writeln!(prompt, "Enter takes the answer in brackets.");
    }
    for question in QUESTIONS {
        if !question.applies(&answers) {
            continue;
        }
        let key = question.key;
        let answer = if let Some(at) = given.iter().position(|(k, _)| k == key) {
            let (_, value) = given.remove(at);
            acceptable(question, &value)
                .map_err(|problem| Failure::usage(format!("--answer {key}={value}: {problem}")))?
        } else if terminal {
            ask(question, input, prompt)?
        } else {
            question.default.to_owned()
        };
        answers.add(key, answer);
    }
    match given.first() {
        None => Ok(answers),
        Some((key, value)) => Err(unasked(key, value, &answers)),
    }
}

/// Asks until the answer would do.
fn ask(
    question: &Question,
    input: &mut impl BufRead,
    prompt: &mut impl Write,
) -> Result<String, Failure> {
    // Standard error may be gone; the answers still count.
    if let Wants::Word(words) = question.wants {
        let width = words.iter().map(|(word, _)| word.len()).max().unwrap_or(0);
        let _ = writeln!(prompt, "\n{}", question.text);
        for (word, means) in words {
            let _ = writeln!(prompt, "  {word:width$}  {means}");
        }
    }
    loop {
        let text = match question.wants {
            Wants::Word(_) => question.key,
            _ => question.text,
        };
        let _ = write!(prompt, "{text} [{}]: ", question.default);
        let _ = prompt.flush();
        let mut line = String::new();
        let read = input.read_line(&mut line).map_err(|error| {
            Failure::usage(format!("the answer to {} cannot be read: {error}", question.key))
        })?;
        if read == 0 {
            return Err(Failure::usage(format!(
                "the answers ended at {}; nothing was written",
                question.key
            )));
        }
        let answer = if line.trim().is_empty() { question.default } else { &line };
        match acceptable(question, answer) {
            Ok(answer) => return Ok(answer),
            Err(problem) => {
                let _ = writeln!(prompt, "{}: {problem}", line.trim());
            }
        }
    }
}

/// The answer as the question wants it, and a VM size as the catalog knows it.
fn acceptable(question: &Question, answer: &str) -> Result<String, String> {
    let answer = question.check(answer)?;
    if question.key != "today_sku" || answer == question.default {
        return Ok(answer);
    }
    let catalog = Catalog::embedded().map_err(|error| error.to_string())?;
    if let Some(sku) = catalog.sku(None, &answer) {
        return Ok(sku.name.clone());
    }
    let near = nearest(&answer, catalog.skus.iter().map(|sku| sku.name.as_str()));
    let near = near.map(|n| format!(", did you mean `{n}`?")).unwrap_or_default();
    Err(format!("no such VM size in the catalog{near}; see `breakeven list skus`, or say none"))
}

/// An answer to a question that these answers do not lead to, or that there is not.
fn unasked(key: &str, value: &str, answers: &Answers) -> Failure {
    let known = || QUESTIONS.iter().map(|question| question.key);
    if known().any(|k| k == key) {
        let twice = !answers.word(key).is_empty();
        let why = if twice { "is answered twice" } else { "is not asked after the other answers" };
        return Failure::usage(format!("--answer {key}={value}: {key} {why}; leave it out"));
    }
    let near = nearest(key, known()).map(|n| format!(", did you mean `{n}`?")).unwrap_or_default();
    let mut list: Vec<&str> = Vec::new();
    for key in known().filter(|key| !answers.word(key).is_empty()) {
        // A question may stand in the table once for each kind of job.
        if !list.contains(&key) {
            list.push(key);
        }
    }
    Failure::usage(format!(
        "--answer {key}={value}: no such question{near}; asked are {}",
        list.join(", ")
    ))
}

/// What was taken without asking.
fn taken(answers: &Answers) -> String {
    let mut told: Vec<String> = Vec::new();
    for question in QUESTIONS {
        let one = format!("{}={}", question.key, answers.word(question.key));
        if !answers.word(question.key).is_empty() && !told.contains(&one) {
            told.push(one);
        }
    }
    format!(
        "no terminal to ask on, so these answers hold (--answer KEY=VALUE gives others): {}",
        told.join(" ")
    )
}

#[cfg(test)]
mod tests;
