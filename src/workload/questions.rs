//! The few questions that a workload file is written from: a table, so that asking, checking and
//! documenting read the same words.

use breakeven_kernels::params::nearest;

/// One question and what would do as an answer.
#[derive(Debug, Clone, Copy)]
pub struct Question {
    /// Its name, as in `--answer KEY=VALUE`.
    pub key: &'static str,
    /// What is asked, with the unit.
    pub text: &'static str,
    /// Taken where nothing is answered.
    pub default: &'static str,
    /// What an answer must be.
    pub wants: Wants,
    /// Whether it is asked at all.
    pub when: When,
}

/// What an answer must be.
#[derive(Debug, Clone, Copy)]
pub enum Wants {
    /// One of these words, each with what it means.
    Word(&'static [(&'static str, &'static str)]),
    /// A number within both bounds.
    Number {
        /// Least value.
        least: f64,
        /// Largest value.
        most: f64,
        /// Whether fractions are refused.
        whole: bool,
    },
    /// A text of one line.
    Line,
    /// One word.
    Token,
}

/// When a question is asked, by the answer to an earlier one.
#[derive(Debug, Clone, Copy)]
pub enum When {
    /// Every time.
    Always,
    /// Where that answer is one of these.
    Is(&'static str, &'static [&'static str]),
    /// Where that answer is another.
    IsNot(&'static str, &'static str),
}

/// Answers to questions, in the order asked; each was accepted by [`Question::check`].
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Answers(Vec<(&'static str, String)>);

impl Answers {
    /// Adds an answer.
    pub fn add(&mut self, key: &'static str, answer: String) {
        self.0.push((key, answer));
    }

    /// The answer to `key`; empty where it was not asked.
    pub fn word(&self, key: &str) -> &str {
        self.0.iter().find(|(k, _)| *k == key).map_or("", |(_, answer)| answer)
    }

    /// The number answered to `key`; `None` where it was not asked.
    pub fn number(&self, key: &str) -> Option<f64> {
        self.word(key).parse().ok()
    }
}

impl Question {
    /// Whether it is asked after `answers`.
    pub fn applies(&self, answers: &Answers) -> bool {
        match self.when {
            When::Always => true,
            When::Is(key, words) => words.contains(&answers.word(key)),
            When::IsNot(key, word) => !["", word].contains(&answers.word(key)),
        }
    }

    /// The answer in the form that [`Answers`] holds.
    ///
    /// # Errors
    /// What would do instead, without the key and the answer.
    pub fn check(&self, answer: &str) -> Result<String, String> {
        let answer = answer.trim();
        match self.wants {
            Wants::Word(words) => {
                let known = || words.iter().map(|(word, _)| *word);
                if known().any(|word| word == answer) {
                    return Ok(answer.to_owned());
                }
                let near = nearest(answer, known())
                    .map(|n| format!(", did you mean `{n}`?"))
                    .unwrap_or_default();
                let list: Vec<&str> = known().collect();
                Err(format!("must be one of {}{near}", list.join(", ")))
            }
            Wants::Number { least, most, whole } => {
                let digits = answer.replace(['_', ','], "");
                let number = digits.parse::<f64>().ok().filter(|n| n.is_finite());
                match number {
                    Some(n) if n >= least && n <= most && !(whole && n.fract() != 0.0) => {
                        Ok(n.to_string())
                    }
                    _ => Err(format!(
                        "must be a {}number from {least} to {most}",
                        if whole { "whole " } else { "" }
                    )),
                }
            }
            Wants::Line => {
                if answer.is_empty() || answer.chars().any(char::is_control) {
                    return Err("must be one line of text".into());
                }
                Ok(answer.to_owned())
            }
            Wants::Token => {
                let bad = |c: char| c.is_control() || c.is_whitespace() || "=*".contains(c);
                if answer.is_empty() || answer.chars().count() > 40 || answer.chars().any(bad) {
                    return Err("must be one word of at most 40 letters".into());
                }
                Ok(answer.to_owned())
            }
        }
    }
}

/// Counts of things: whole numbers from 1 on.
const COUNT: Wants = Wants::Number { least: 1.0, most: 1e9, whole: true };
/// A side of a matrix or picture.
const SIDE: Wants = Wants::Number { least: 1.0, most: 16384.0, whole: true };
/// Amounts of which there may be none.
const AMOUNT: Wants = Wants::Number { least: 0.0, most: 1e9, whole: false };
/// Memory, which may be none that is worth a word.
const GIB: Wants = Wants::Number { least: 0.0, most: 1e6, whole: false };
/// Amounts of which there must be some.
const SOME: Wants = Wants::Number { least: 1e-6, most: 1e9, whole: false };

const KINDS: Wants = Wants::Word(&[
    ("command", "it runs a program of your own, which is timed as it is"),
    ("images", "a network that looks at images: classification, detection, embeddings"),
    ("llm", "a language model that reads prompts and writes answers"),
    ("matrix", "products of matrices of one shape"),
    ("video", "video that is decoded, scaled and encoded"),
    ("reads", "sequences aligned to windows of a reference"),
    ("data", "data that are moved or parsed, with no arithmetic for a GPU"),
]);
const PATTERNS: Wants = Wants::Word(&[
    ("steady", "evenly through the day"),
    ("batch", "within one window a day, such as a night"),
    ("bursty", "one busy spell a day"),
]);
const LIMITS: Wants = Wants::Word(&[
    ("none", "no limit"),
    ("latency", "requests that somebody waits for"),
    ("deadline", "jobs that must be done in time"),
]);
const BATCH_LIMITS: Wants =
    Wants::Word(&[("none", "no limit"), ("deadline", "jobs that must be done in time")]);
const USES: Wants = Wants::Word(&[
    ("inference", "the network is used"),
    ("training", "the network is trained: three times the arithmetic"),
]);
const ENCODERS: Wants = Wants::Word(&[
    ("any", "software will do"),
    ("nvenc", "the GPU's own encoder for H.264, HEVC or AV1 is a must"),
]);
const DTYPES: Wants = Wants::Word(&[
    ("f32", "single precision"),
    ("tf32", "single precision in memory, 10 bits of mantissa suffice"),
    ("bf16", "half precision"),
]);
const MODES: Wants = Wants::Word(&[
    ("local", "best-matching part"),
    ("global", "end to end"),
    ("semi-global", "whole read, anywhere in the window"),
]);
const CHECKS: Wants = Wants::Word(&[
    ("status", "by the program's exit status"),
    ("same", "the GPU command must write what the CPU command writes, byte for byte"),
]);
const ARITHMETIC: &[&str] = &["command", "images", "llm", "matrix", "video", "reads"];

const fn ask(
    key: &'static str,
    text: &'static str,
    default: &'static str,
    wants: Wants,
    when: When,
) -> Question {
    Question { key, text, default, wants, when }
}

const fn of(kind: &'static [&'static str]) -> When {
    When::Is("kind", kind)
}

/// Every question, in the order asked.
pub const QUESTIONS: &[Question] = &[
    ask("kind", "What does a job do?", "images", KINDS, When::Always),
    ask(
        "cpu",
        "The CPU command; {threads} stands for the threads that it may use",
        "./my-program --threads {threads}",
        Wants::Line,
        of(&["command"]),
    ),
    ask(
        "gpu",
        "The GPU command that does the same work, or none",
        "none",
        Wants::Line,
        of(&["command"]),
    ),
    ask("unit", "What one unit of its work is called", "run", Wants::Token, of(&["command"])),
    ask("units", "Units of work that one run does", "1", SOME, of(&["command"])),
    ask("check", "How is a right output known?", "status", CHECKS, When::IsNot("gpu", "none")),
    ask("calls", "Runs of the program a job", "1", COUNT, of(&["command"])),
    ask("use", "Is the network used or trained?", "inference", USES, of(&["images"])),
    ask("images", "Images a job", "8", COUNT, of(&["images"])),
    ask(
        "batch",
        "Images in one call (batch)",
        "8",
        Wants::Number { least: 1.0, most: 256.0, whole: true },
        of(&["images"]),
    ),
    ask(
        "gflop",
        "Billions of operations an image: twice the multiply–adds that the model's authors state \
         (ResNet-50: 8.2)",
        "8.2",
        Wants::Number { least: 1e-6, most: 1e5, whole: false },
        of(&["images"]),
    ),
    ask(
        "weights",
        "Weights of the model, in billions",
        "7",
        Wants::Number { least: 1e-6, most: 1e4, whole: false },
        of(&["llm"]),
    ),
    ask("prompt", "Tokens of a prompt", "512", COUNT, of(&["llm"])),
    ask("tokens", "Tokens of an answer", "256", COUNT, of(&["llm"])),
    ask(
        "users",
        "Requests answered together; they are one job",
        "1",
        Wants::Number { least: 1.0, most: 1024.0, whole: true },
        of(&["llm"]),
    ),
    ask("m", "Rows of the product", "1024", SIDE, of(&["matrix"])),
    ask("n", "Columns of the product", "1024", SIDE, of(&["matrix"])),
    ask("k", "Length of the sums", "1024", SIDE, of(&["matrix"])),
    ask("dtype", "Type of the numbers", "f32", DTYPES, of(&["matrix"])),
    ask("calls", "Products a job", "100", COUNT, of(&["matrix"])),
    ask("frames", "Frames a job", "15000", COUNT, of(&["video"])),
    ask("width", "Width of the input in pixels", "1920", SIDE, of(&["video"])),
    ask("height", "Height of the input in pixels", "1080", SIDE, of(&["video"])),
    ask("out_width", "Width of the output in pixels", "960", SIDE, of(&["video"])),
    ask("out_height", "Height of the output in pixels", "540", SIDE, of(&["video"])),
    ask("encoder", "Which encoder must it be?", "any", ENCODERS, of(&["video"])),
    ask("pairs", "Pairs (read and window) a job", "1000000", COUNT, of(&["reads"])),
    ask(
        "query",
        "Length of a read in bases",
        "150",
        Wants::Number { least: 1.0, most: 100_000.0, whole: true },
        of(&["reads"]),
    ),
    ask(
        "target",
        "Length of a window in bases",
        "300",
        Wants::Number { least: 1.0, most: 100_000.0, whole: true },
        of(&["reads"]),
    ),
    ask("mode", "How are they aligned?", "local", MODES, of(&["reads"])),
    ask("io_gb", "GB a job reads and writes over network or disk", "10", SOME, of(&["data"])),
    ask("serial_cpu_s", "Seconds a job keeps one thread busy", "20", AMOUNT, of(&["data"])),
    ask(
        "io_gb",
        "GB a job reads and writes over network or disk (0: hardly any)",
        "0",
        AMOUNT,
        of(ARITHMETIC),
    ),
    ask(
        "serial_cpu_s",
        "Seconds of a job on one thread that no GPU would help (0: hardly any)",
        "0",
        AMOUNT,
        of(ARITHMETIC),
    ),
    ask(
        "jobs_per_day",
        "Jobs a day",
        "1000",
        Wants::Number { least: 0.0, most: 1e12, whole: false },
        When::Always,
    ),
    ask("pattern", "When do they come?", "steady", PATTERNS, When::Always),
    ask(
        "window_h",
        "Hours of the window",
        "6",
        Wants::Number { least: 0.01, most: 24.0, whole: false },
        When::Is("pattern", &["batch"]),
    ),
    ask(
        "peak_factor",
        "Rate of the busy hours ÷ rate of the others",
        "5",
        Wants::Number { least: 1.0, most: 1e4, whole: false },
        When::Is("pattern", &["bursty"]),
    ),
    ask(
        "peak_h_per_day",
        "Busy hours a day",
        "4",
        Wants::Number { least: 0.01, most: 23.99, whole: false },
        When::Is("pattern", &["bursty"]),
    ),
    ask("limit", "Is there a limit?", "none", LIMITS, When::Is("pattern", &["steady", "bursty"])),
    ask("limit", "Is there a limit?", "none", BATCH_LIMITS, When::Is("pattern", &["batch"])),
    ask(
        "latency_slo_s",
        "Seconds within which a request must be answered",
        "1",
        SOME,
        When::Is("limit", &["latency"]),
    ),
    ask(
        "percentile",
        "Share of the requests that must be",
        "0.99",
        Wants::Number { least: 0.01, most: 0.9999, whole: false },
        When::Is("limit", &["latency"]),
    ),
    ask(
        "deadline_s",
        "Seconds from the start of a job within which it must be done",
        "3600",
        SOME,
        When::Is("limit", &["deadline"]),
    ),
    ask("memory_gib", "Memory of one job in GiB (0: what its data take)", "2", GIB, When::Always),
    ask(
        "gpu_memory_gib",
        "Memory of one job on a GPU in GiB (0: what its data take)",
        "0",
        GIB,
        of(ARITHMETIC),
    ),
    ask(
        "today_sku",
        "VM size it runs on today, for comparison",
        "none",
        Wants::Token,
        When::Always,
    ),
    ask(
        "today_nodes",
        "How many of them",
        "1",
        Wants::Number { least: 1.0, most: 1e6, whole: true },
        When::IsNot("today_sku", "none"),
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_would_do_and_no_question_is_asked_twice() {
        for question in QUESTIONS {
            assert!(question.check(question.default).is_ok(), "{}", question.key);
        }
        let Wants::Word(kinds) = KINDS else { panic!("kinds are words") };
        for (kind, _) in kinds {
            let mut answers = Answers::default();
            for question in QUESTIONS {
                let answer = if question.key == "kind" { kind } else { question.default };
                if question.applies(&answers) {
                    assert_eq!(answers.word(question.key), "", "{kind}: {}", question.key);
                    answers.add(question.key, answer.to_owned());
                }
            }
        }
    }

    #[test]
    fn an_answer_is_read_as_people_write_it() {
        let question = |key: &str| QUESTIONS.iter().find(|q| q.key == key).expect("a question");
        assert_eq!(question("jobs_per_day").check(" 1,250_000 "), Ok("1250000".into()));
        assert_eq!(question("frames").check("1e3"), Ok("1000".into()));
        for (key, answer, wants) in [
            ("frames", "0", "a whole number from 1"),
            ("frames", "1.5", "a whole number from 1"),
            ("weights", "nan", "a number from 0.000001"),
            ("kind", "imges", "did you mean `images`?"),
            ("today_sku", "a b", "one word"),
            ("cpu", "a\tb", "one line of text"),
        ] {
            let problem = question(key).check(answer).expect_err("must be refused");
            assert!(problem.contains(wants), "{key}={answer}: {problem}");
        }
    }
}
