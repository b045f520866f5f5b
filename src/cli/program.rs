//! `measure`: a program of the user's own, timed, checked and priced.

use std::path::PathBuf;

use breakeven_kernels::params::{Params, Value};

use super::args::OutputArgs;
use super::exit::{Failure, Outcome};
use super::measuring::{self, Sinks};
use super::program_args::ProgramArgs;
use super::{output, program_report, program_workload};
use crate::report::Content;
use crate::suite::{FolderFiles, Suite, SuiteCase};

/// Name of the record's suite, and of the place in messages.
const NAME: &str = "measure";

/// Measures the commands here; writes the record, a report and, if asked for, a workload file.
pub fn run(args: &ProgramArgs, output: &OutputArgs) -> Outcome {
    let params = params(args)?;
    if let Some(path) = &args.workload {
        program_workload::writable(path, &params)?;
    }
    let suite = suite(params.clone());
    let files = FolderFiles::new([PathBuf::new()]);
    let prepared = measuring::prepare(&suite, &files, &args.measure, &[], output)?;
    if prepared.plan.jobs.is_empty() {
        let why = prepared.why_empty();
        return Err(Failure::incomparable(format!("nothing can be measured: {why}")));
    }
    let folder = output::run_folder(output)?;
    let sinks = Sinks { folder: Some(&folder), ..Sinks::default() };
    let measured = measuring::measure(&prepared, &sinks, output)?;
    if measured.interrupted() {
        let message = format!("stopped; the record in {} is valid", folder.display());
        output::remark(output, &message);
        return measured.end();
    }
    if let Some(path) = &args.workload {
        program_workload::write(path, &params, args.jobs_per_day, &measured.record)?;
        output::remark(output, &format!("wrote {}", path.display()));
    }
    let listing = program_report::listing(&measured.record, args, &folder)?;
    let content = Content::Listing(&listing);
    output::save(&content, &folder, "report")?;
    output::print(&content, output)?;
    output::remark(output, &format!("record and report are in {}", folder.display()));
    measured.end()
}

/// The one case of the commands, as a suite.
fn suite(params: Params) -> Suite {
    let case = SuiteCase {
        place: NAME.to_owned(),
        family: "command".to_owned(),
        params,
        axis: None,
        tied: Vec::new(),
    };
    Suite {
        name: NAME.to_owned(),
        summary: "programs of the user's own".to_owned(),
        budget_s: None,
        cases: vec![case],
        folder: None,
    }
}

/// The flags as the family's parameters.
fn params(args: &ProgramArgs) -> Result<Params, Failure> {
    let mut params = Params::default();
    let mut text = |key: &str, value: &str| params.set(key, Value::Text(value.to_owned()));
    let cpu = match args.command.is_empty() {
        true => args.cpu.clone(),
        false => Some(joined(&args.command)?),
    };
    match (&cpu, &args.gpu) {
        (None, None) => {
            return Err(Failure::usage(
                "no command is given; write `breakeven measure -- ./my-program its arguments`, or \
                 --cpu CMD and --gpu CMD",
            ));
        }
        (cpu, gpu) => {
            cpu.iter().for_each(|command| text("cpu", command));
            gpu.iter().for_each(|command| text("gpu", command));
        }
    }
    text("unit", &args.unit);
    args.output_file.iter().for_each(|file| text("output", file));
    params.set("units", number(args.units));
    if args.shell {
        params.set("shell", Value::Bool(true));
    }
    if let Some(limit) = args.time_limit {
        params.set("time_limit_s", number(limit));
    }
    let check = [
        args.check.check_sha256.clone().map(|hex| ("sha256", Value::Text(hex))),
        args.check.check_command.clone().map(|command| ("command", Value::Text(command))),
        args.check.same_output.then_some(("same_output", Value::Bool(true))),
    ];
    set_table(&mut params, "check", check.into_iter().flatten().map(|(k, v)| (k.to_owned(), v)));
    let mut inputs = Vec::new();
    for given in &args.input {
        let (name, file) = given.split_once('=').unwrap_or(("input", given));
        if inputs.iter().any(|(known, _)| known == name) {
            return Err(Failure::usage(format!(
                "--input {given}: `{name}` is given twice; name the others, as in --input \
                 reads={file}"
            )));
        }
        inputs.push((name.to_owned(), Value::Text(file.to_owned())));
    }
    set_table(&mut params, "input", inputs.into_iter());
    let mut variables = Vec::new();
    for given in &args.env {
        let Some((name, value)) = given.split_once('=').filter(|(name, _)| !name.is_empty()) else {
            return Err(Failure::usage(format!("--env {given}: write NAME=VALUE")));
        };
        variables.push((name.to_owned(), Value::Text(value.to_owned())));
    }
    set_table(&mut params, "env", variables.into_iter());
    Ok(params)
}

fn set_table(params: &mut Params, key: &str, pairs: impl Iterator<Item = (String, Value)>) {
    let mut table = Params::default();
    let mut any = false;
    for (name, value) in pairs {
        table.set(&name, value);
        any = true;
    }
    if any {
        params.set(key, Value::Table(table));
    }
}

/// A whole number stays whole, as it would be written in a file.
fn number(value: f64) -> Value {
    match value.fract() == 0.0 && value < 9e15 {
        true => Value::Int(value as i64),
        false => Value::Float(value),
    }
}

/// Words of the shell as one text that splits into the same words again.
fn joined(words: &[String]) -> Result<String, Failure> {
    shlex::try_join(words.iter().map(String::as_str))
        .map_err(|error| Failure::usage(format!("the command after --: {error}")))
}
