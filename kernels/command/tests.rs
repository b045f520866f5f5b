//! Commands as written: what is started, what is refused, what the key tells apart.

use std::io::{self, Read};

use super::Command;
use crate::params::{Params, Value};
use crate::process::{CommandSpec, Produced};
use crate::work::{Case, DeviceInfo, DeviceKind, Family, Files, Input, Program, Tuning};

/// A folder with one file.
struct Shelf;

impl Files for Shelf {
    fn open(&self, name: &str) -> io::Result<Box<dyn Read + Send>> {
        Err(io::Error::other(format!("{name} is not to be read")))
    }

    fn locate(&self, name: &str) -> io::Result<String> {
        match name {
            "." => Ok("/shelf".into()),
            "my reads.fq" => Ok("/shelf/my reads.fq".into()),
            _ => Err(io::Error::new(io::ErrorKind::NotFound, "no such file")),
        }
    }
}

fn params(pairs: &[(&str, Value)]) -> Params {
    let mut params = Params::default();
    pairs.iter().for_each(|(key, value)| params.set(key, value.clone()));
    params
}

fn text(value: &str) -> Value {
    Value::Text(value.into())
}

fn case(pairs: &[(&str, Value)]) -> Box<dyn Case> {
    Command.case(&params(pairs), &Shelf).unwrap_or_else(|e| panic!("{e}"))
}

fn refusal(pairs: &[(&str, Value)]) -> String {
    match Command.case(&params(pairs), &Shelf) {
        Ok(case) => panic!("{} was accepted", case.key()),
        Err(error) => error.to_string(),
    }
}

fn device(kind: DeviceKind) -> DeviceInfo {
    DeviceInfo {
        id: "process:cpu".into(),
        backend: "process".into(),
        kind,
        name: String::new(),
        vendor: None,
        architecture: None,
        driver: None,
        memory_bytes: None,
        threads: None,
        cores: None,
        compute_units: None,
        compute_capability: None,
        cache_bytes: None,
        languages: vec![],
        libraries: vec![],
        features: vec![],
        max_workgroup_invocations: None,
        max_shared_bytes: None,
        max_buffer_bytes: None,
    }
}

fn spec(input: &dyn Input) -> CommandSpec {
    let cpu = &Command.implementations()[0];
    match input.program(cpu, &device(DeviceKind::Cpu), &Tuning::default()) {
        Ok(Program::Command(spec)) => spec,
        _ => panic!("it is a command"),
    }
}

fn words(pairs: &[(&str, Value)]) -> Vec<String> {
    spec(&*case(pairs).input(1).unwrap_or_else(|e| panic!("{e}"))).words
}

#[test]
fn words_are_split_by_quotes_and_braces_filled() {
    let input = ("input", text("my reads.fq"));
    let written = r#"./prog -n {units} --threads {threads} "{input}" 'a b' {other} ${input}"#;
    let found = words(&[("cpu", text(written)), ("units", Value::Int(1_000_000)), input.clone()]);
    assert_eq!(
        found,
        [
            "./prog",
            "-n",
            "1000000",
            "--threads",
            "{threads}",
            "/shelf/my reads.fq",
            "a b",
            "{other}",
            "${input}"
        ]
    );
    // Through a shell the name of the file is one word still.
    let shell = [("cpu", text("wc -l < {input} | cat")), ("shell", Value::Bool(true)), input];
    assert_eq!(words(&shell), ["sh", "-c", "wc -l < '/shelf/my reads.fq' | cat"]);
    assert_eq!(words(&[("cpu", text("awk {print}"))]), ["awk", "{print}"]);
    let named = params(&[("reads", text("my reads.fq"))]);
    let found = words(&[("cpu", text("p {reads}")), ("input", Value::Table(named))]);
    assert_eq!(found[1], "/shelf/my reads.fq");
}

#[test]
fn the_key_names_programs_unit_and_a_digest_of_the_rest() {
    let base =
        [("cpu", text("./my-prog -v")), ("gpu", text("/opt/x/gpu_prog")), ("unit", text("read"))];
    let key = case(&base).key();
    let start = "command unit=read units=1 cpu=my-prog gpu=gpu_prog commands=sha256:";
    assert!(key.starts_with(start) && key.len() == start.len() + 12, "{key}");
    assert_eq!(key, case(&base).key());
    let with = |more: (&str, Value)| case(&[&base[..], &[more]].concat()).key();
    // What may change the time makes another case; the check and the folder do not.
    let env = Value::Table(params(&[("OMP_NUM_THREADS", Value::Int(2))]));
    for other in [("env", env), ("shell", Value::Bool(true)), ("input", text("my reads.fq"))] {
        assert_ne!(with(other.clone()), key, "{other:?}");
    }
    let check = Value::Table(params(&[("same_output", Value::Bool(true))]));
    for same in [("check", check), ("folder", text("elsewhere")), ("time_limit_s", Value::Int(5))] {
        assert_eq!(with(same.clone()), key, "{same:?}");
    }
    // A series along units keeps the digest.
    let more = with(("units", Value::Int(50)));
    assert_eq!(more, key.replace("units=1 ", "units=50 "));
    assert_eq!(case(&[("gpu", text("g"))]).key().split(' ').nth(3), Some("cpu=-"));
}

#[test]
fn mistakes_are_named_with_a_next_step() {
    let cpu = ("cpu", text("prog"));
    let with = |more: (&'static str, Value)| refusal(&[cpu.clone(), more]);
    let check = |key: &str, value: Value| Value::Table(params(&[(key, value)]));
    for (message, parts) in [
        (refusal(&[]), ["`cpu` is missing", "gpu"]),
        (refusal(&[("cpu", text("a | b"))]), ["`|` needs a shell", "shell = true"]),
        (refusal(&[("cpu", text("a 'b"))]), ["quote", "not closed"]),
        (refusal(&[("cpu", text("  "))]), ["empty", "program"]),
        (refusal(&[("cpu", text("X=1 prog"))]), ["X=1", "env = {"]),
        (refusal(&[("cpu", text("prog {thread}"))]), ["{thread}", "did you mean {threads}?"]),
        (with(("unit", text("two words"))), ["two words", "one word"]),
        (with(("units", Value::Int(0))), ["units = 0", "number from"]),
        (with(("cpus", text("x"))), ["unknown key `cpus`", "did you mean `cpu`?"]),
        (with(("check", check("sha256", text("abc")))), ["sha256 = abc", "64 hexadecimal"]),
        (with(("check", check("same_output", Value::Bool(false)))), ["same_output", "leave"]),
        (with(("check", check("command", text("grep |")))), ["check", "needs a shell"]),
        (with(("shell", text("yes"))), ["shell = yes", "true or false"]),
        (with(("time_limit_s", Value::Int(-1))), ["time_limit_s = -1", "from"]),
        (with(("env", text("A=1"))), ["env", "table"]),
    ] {
        parts.iter().for_each(|part| assert!(message.contains(part), "`{part}` not in: {message}"));
    }
}

#[test]
fn a_missing_input_file_is_no_matter_until_it_is_run() {
    let case = case(&[("cpu", text("wc {input}")), ("input", text("gone.fq"))]);
    let message = case.input(1).err().map(|e| e.to_string()).unwrap_or_default();
    assert!(message.contains("gone.fq") && message.contains("no such file"), "{message}");
}

#[test]
fn outputs_are_held_to_the_rule() {
    let produced = |byte: u8, checker| Produced { sha256: [byte; 32], bytes: 7, checker };
    let input = |key: &str, value: Value| {
        let check = Value::Table(params(&[(key, value)]));
        case(&[("cpu", text("p")), ("check", check)]).input(1).unwrap_or_else(|e| panic!("{e}"))
    };
    let method = |input: &dyn Input, produced: Produced| {
        input.check(&produced.to_outputs()).map(|check| check.method).map_err(|wrong| wrong.0)
    };
    let digest = input("sha256", text(&"AB".repeat(32)));
    assert_eq!(method(&*digest, produced(0xab, None)), Ok("sha256".into()));
    let wrong = method(&*digest, produced(0xac, None)).unwrap_err();
    assert!(wrong.contains(&"ac".repeat(32)) && wrong.contains("7 bytes"), "{wrong}");
    let checker = input("command", text("./check"));
    assert_eq!(method(&*checker, produced(1, Some(Ok(())))), Ok("checker".into()));
    assert_eq!(method(&*checker, produced(1, Some(Err("no".into())))), Err("no".into()));
    assert!(method(&*checker, produced(1, None)).is_err());
    // The first output is what all later ones are held to.
    let same = input("same_output", Value::Bool(true));
    assert_eq!(method(&*same, produced(1, None)), Ok("first-output".into()));
    assert_eq!(method(&*same, produced(1, None)), Ok("same-output".into()));
    assert!(method(&*same, produced(2, None)).unwrap_err().contains("differs"));
    assert!(same.check(&[vec![]]).is_err());
}
