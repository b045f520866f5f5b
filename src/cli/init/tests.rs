//! The interview as a person at a terminal meets it, and what the files are worth.

use std::path::PathBuf;

use proptest::prelude::*;

use super::*;
use crate::classify::{self, Options};
use crate::plan;
use crate::suite::FolderFiles;

/// The answers and everything that was printed, where `typed` comes from a terminal.
fn at_terminal(typed: &str, given: &[(&str, &str)]) -> (Result<Answers, Failure>, String) {
    let given = given.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let mut shown = Vec::new();
    let answers = interview(given, true, &mut typed.as_bytes(), &mut shown);
    (answers, String::from_utf8(shown).expect("UTF-8"))
}

#[test]
fn a_wrong_answer_is_asked_again_and_enter_takes_the_default() {
    let (answers, shown) = at_terminal(&format!("raeds\nreads\n-5\n2,000{}", "\n".repeat(20)), &[]);
    let answers = answers.expect("answers");
    assert_eq!((answers.word("kind"), answers.number("pairs")), ("reads", Some(2000.0)));
    assert_eq!(answers.number("query"), Some(150.0));
    assert_eq!(answers.word("gflop"), "", "images are not asked about");
    for part in ["raeds: must be one of", "did you mean `reads`?", "-5: must be a whole number"] {
        assert!(shown.contains(part), "{part} is not in: {shown}");
    }
}

#[test]
fn answers_given_beforehand_are_not_asked() {
    let (answers, shown) =
        at_terminal(&"\n".repeat(20), &[("kind", "data"), ("jobs_per_day", "7")]);
    assert_eq!(answers.expect("answers").number("jobs_per_day"), Some(7.0));
    assert!(!shown.contains("Jobs a day") && !shown.contains("What does a job do?"), "{shown}");
}

#[test]
fn answers_that_end_early_write_nothing() {
    let (answers, _) = at_terminal("reads\n", &[]);
    let message = answers.expect_err("no more answers").message.unwrap_or_default();
    assert_eq!(message, "the answers ended at pairs; nothing was written");
}

/// An answer to `question` picked by `pick`, which lies in 0..1.
fn picked(question: &Question, pick: f64, catalog: &Catalog) -> String {
    match question.wants {
        Wants::Word(words) => words[(pick * words.len() as f64) as usize].0.to_owned(),
        Wants::Number { least, most, whole } => {
            // Even in the logarithm, with the least itself now and then.
            let from = if least > 0.0 { least } else { 1e-3 };
            let value = (from.ln() + pick * (most / from).ln()).exp().clamp(from, most);
            let value = if pick < 0.1 { least } else { value };
            if whole { value.floor().to_string() } else { value.to_string() }
        }
        Wants::Line => "render --frames '1 2' {threads}".to_owned(),
        _ if pick < 0.5 => question.default.to_owned(),
        Wants::Token => catalog.skus[(pick * catalog.skus.len() as f64) as usize].name.clone(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_file_parses_and_can_be_judged(
        picks in prop::collection::vec(0.0..1.0f64, QUESTIONS.len()),
        name in "[ -~]{1,12}",
    ) {
        let catalog = Catalog::embedded().expect("catalog");
        let mut answers = Answers::default();
        for (question, pick) in QUESTIONS.iter().zip(picks) {
            if question.applies(&answers) {
                let answer = picked(question, pick, &catalog);
                answers.add(question.key, acceptable(question, &answer).expect("acceptable"));
            }
        }
        let text = template::write(&name, &answers);
        let workload = workload::parse(&text, "stem", "file.toml");
        let workload = workload.unwrap_or_else(|error| panic!("{error}\n{text}"));
        prop_assert_eq!(&workload.name, &name);
        let jobs = answers.number("jobs_per_day").expect("asked");
        prop_assert_eq!(workload.demand.jobs_per_day, jobs);
        let files = FolderFiles::new(Vec::<PathBuf>::new());
        let resolved = plan::resolve(&workload, &files).unwrap_or_else(|e| panic!("{e}\n{text}"));
        let verdict = classify::classify(&resolved, &[], &catalog, &Options::default());
        prop_assert!(!verdict.headline.is_empty());
        let json = serde_json::to_string(&verdict).expect("serialisable");
        let mut words = json.split(|c: char| !c.is_alphanumeric());
        prop_assert!(words.all(|word| word != "NaN" && word != "inf"), "{}", text);
        let long = |line: &&str| line.starts_with('#') && line.chars().count() > 100;
        prop_assert_eq!(text.lines().find(long), None);
        prop_assert_eq!(text.lines().find(|line| line.ends_with("# ")), None, "explained");
    }
}
