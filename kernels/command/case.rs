//! A case of command: its parameters, its key and its check.

use std::sync::{Mutex, PoisonError};

use sha2::{Digest, Sha256};

use super::FAMILY;
use super::text::Places;
use crate::params::{BadParam, ParamReader, Params, Value};
use crate::process::{CommandSpec, Produced, hex, program_name};
use crate::work::{
    Case, CaseError, Check, DeviceInfo, DeviceKind, Files, Implementation, Input, Keep, Mismatch,
    OpKind, Program, Tuning, Unsupported, Work,
};

const KNOWN: &[&str] = &[
    "cpu",
    "gpu",
    "unit",
    "units",
    "check",
    "input",
    "output",
    "folder",
    "env",
    "shell",
    "time_limit_s",
];
const CHECKS: &[&str] = &["sha256", "command", "same_output"];
/// Seconds that a run may take where nothing is said.
const TIME_LIMIT_S: f64 = 3600.0;
/// A week; longer runs are no benchmark.
const LONGEST_S: f64 = 7.0 * 86_400.0;

/// How an output is judged.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Rule {
    /// By the exit status alone: nothing else was asked for.
    ExitStatus,
    /// By its digest.
    Sha256(String),
    /// By a program.
    Checker,
    /// All commands' outputs are equal.
    SameOutput,
}

/// Two commands for the same work.
pub(super) struct CommandCase {
    key: String,
    unit: String,
    units: f64,
    cpu: Option<CommandSpec>,
    gpu: Option<CommandSpec>,
    rule: Rule,
    /// What is missing of the files and the folder, found out again only by a new case.
    missing: Option<(String, std::io::ErrorKind, String)>,
}

impl CommandCase {
    /// Reads the parameters. Files are looked up, not read: a verdict needs none of them.
    pub fn read(params: &Params, files: &dyn Files) -> Result<Self, CaseError> {
        let reader = ParamReader::new(FAMILY, params, KNOWN)?;
        let (cpu, gpu) = (reader.text("cpu")?, reader.text("gpu")?);
        if cpu.is_none() && gpu.is_none() {
            let hint = "give a CPU command, a GPU command (`gpu`), or both, in quotes";
            return Err(missing("cpu", hint).into());
        }
        let unit = read_unit(&reader)?;
        let units = reader.float("units", f64::MIN_POSITIVE..=1e18, Some(1.0))?;
        let shell = reader.flag("shell")?.unwrap_or(false);
        let environment = read_environment(&reader, params)?;
        let named = read_inputs(&reader, params)?;
        let output = reader.text("output")?;
        let (rule, checker) = read_check(&reader)?;
        let mut lookup = Lookup { files, missing: None };
        let folder = lookup.folder(reader.text("folder")?);
        let mut known = vec![("units", units.to_string())];
        for (name, file) in &named {
            known.push((*name, lookup.place(file)));
        }
        if let Some(output) = output {
            known.push(("output", output.to_owned()));
        }
        let places = Places { known };
        let words = |key: &str, command: &str| {
            places.words(command, shell).map_err(|problem| match key {
                "check" => reader.bad(key, format!("command = {command}: {problem}")),
                _ => reader.bad(key, problem),
            })
        };
        let checker = checker.map(|command| words("check", command)).transpose()?;
        let time_limit_s = reader.float("time_limit_s", 1e-3..=LONGEST_S, Some(TIME_LIMIT_S))?;
        let spec = |key: &str, command: Option<&str>| -> Result<Option<CommandSpec>, BadParam> {
            let Some(command) = command else { return Ok(None) };
            Ok(Some(CommandSpec {
                words: words(key, command)?,
                folder: folder.clone(),
                environment: environment.clone(),
                output_file: output.map(str::to_owned),
                checker: checker.clone(),
                time_limit_s,
            }))
        };
        let (cpu_spec, gpu_spec) = (spec("cpu", cpu)?, spec("gpu", gpu)?);
        let name = |spec: &Option<CommandSpec>| spec.as_ref().map_or_else(|| "-".into(), plain);
        let identity = identity(&[cpu, gpu, output], shell, &environment, &named);
        Ok(Self {
            key: format!(
                "{FAMILY} unit={unit} units={units} cpu={} gpu={} commands=sha256:{identity}",
                name(&cpu_spec),
                name(&gpu_spec)
            ),
            unit,
            units,
            cpu: cpu_spec,
            gpu: gpu_spec,
            rule,
            missing: lookup.missing,
        })
    }

    fn spec(&self, implementation: &Implementation) -> Result<&CommandSpec, Unsupported> {
        let (key, spec) = match implementation.name {
            "process/gpu" => ("gpu", &self.gpu),
            _ => ("cpu", &self.cpu),
        };
        spec.as_ref().ok_or_else(|| Unsupported(format!("the case gives no `{key}` command")))
    }

    fn work_done(&self) -> Work {
        Work {
            op_kind: OpKind::Opaque,
            ops: 0.0,
            bytes_touched: 0.0,
            bytes_in: 0.0,
            bytes_constant: 0.0,
            bytes_out: 0.0,
            useful: self.units,
            useful_unit: self.unit.clone(),
            items: self.units,
            item_unit: self.unit.clone(),
        }
    }
}

fn missing(key: &str, hint: &str) -> BadParam {
    BadParam::Missing { family: FAMILY.into(), key: key.into(), hint: hint.into() }
}

/// The unit of work: one word, as it stands in the key.
fn read_unit(reader: &ParamReader<'_>) -> Result<String, BadParam> {
    let unit = reader.text("unit")?.unwrap_or("run");
    let plain = |c: char| !c.is_whitespace() && !c.is_control() && !"=*".contains(c);
    if unit.is_empty() || unit.chars().count() > 40 || !unit.chars().all(plain) {
        return Err(reader.bad("unit", "must be one word for one unit of work, such as \"frame\""));
    }
    Ok(unit.to_owned())
}

/// `env = { NAME = value }` as pairs.
fn read_environment(
    reader: &ParamReader<'_>,
    params: &Params,
) -> Result<Vec<(String, String)>, BadParam> {
    let table = match params.get("env") {
        None => return Ok(Vec::new()),
        Some(Value::Table(table)) => table,
        Some(_) => return Err(reader.bad("env", "must be a table such as { OMP_NUM_THREADS = 8 }")),
    };
    let pair = |(name, value): (&str, &Value)| match value {
        Value::Table(_) => Err(reader.bad("env", format!("{name} must be a text or a number"))),
        _ if name.contains(['=', '\0']) || value.to_string().contains('\0') => {
            Err(reader.bad("env", format!("{name:?} is no variable's name and value")))
        }
        value => Ok((name.to_owned(), value.to_string())),
    };
    table.iter().map(pair).collect()
}

/// `input = "file"` or `input = { name = "file" }`, as (what braces call it, file).
fn read_inputs<'p>(
    reader: &ParamReader<'_>,
    params: &'p Params,
) -> Result<Vec<(&'p str, &'p str)>, BadParam> {
    let table = match params.get("input") {
        None => return Ok(Vec::new()),
        Some(Value::Text(file)) => return Ok(vec![("input", file)]),
        Some(Value::Table(table)) => table,
        Some(_) => {
            let hint = "must be a file, or a table of files such as { reads = \"a.fastq\" }";
            return Err(reader.bad("input", hint));
        }
    };
    let pair = |(name, value): (&'p str, &'p Value)| match value {
        Value::Text(_) if ["units", "output", "threads"].contains(&name) => {
            Err(reader.bad("input", format!("`{name}` is taken; rename it")))
        }
        Value::Text(file) => Ok((name, file.as_str())),
        _ => Err(reader.bad("input", format!("{name} must be a file name in quotes"))),
    };
    table.iter().map(pair).collect()
}

/// The rule, and the checker's command where it is one.
fn read_check<'p>(reader: &ParamReader<'p>) -> Result<(Rule, Option<&'p str>), BadParam> {
    let Some(check) = reader.table("check", CHECKS)? else { return Ok((Rule::ExitStatus, None)) };
    let given: Vec<&str> = CHECKS.iter().copied().filter(|key| check.has(key)).collect();
    match given[..] {
        ["sha256"] => {
            let digest = check.text("sha256")?.unwrap_or_default().to_ascii_lowercase();
            if digest.len() != 64 || !digest.chars().all(|c| c.is_ascii_hexdigit()) {
                let hint = "must be the 64 hexadecimal digits that `sha256sum` prints";
                return Err(check.bad("sha256", hint));
            }
            Ok((Rule::Sha256(digest), None))
        }
        ["command"] => Ok((Rule::Checker, check.text("command")?)),
        ["same_output"] => match check.flag("same_output")? {
            Some(true) => Ok((Rule::SameOutput, None)),
            _ => Err(check.bad("same_output", "must be true; leave `check` out for none")),
        },
        _ => Err(reader.bad("check", "give one of sha256, command, same_output = true")),
    }
}

/// Looks up where files are, and remembers the first that is not there.
struct Lookup<'a> {
    files: &'a dyn Files,
    missing: Option<(String, std::io::ErrorKind, String)>,
}

impl Lookup<'_> {
    /// Where `name` is; as written where it is not found.
    fn place(&mut self, name: &str) -> String {
        self.files.locate(name).unwrap_or_else(|error| {
            let lost = (name.to_owned(), error.kind(), error.to_string());
            self.missing.get_or_insert(lost);
            name.to_owned()
        })
    }

    /// The folder to run in: the one named, else that of the suite or workload.
    fn folder(&mut self, name: Option<&str>) -> Option<String> {
        match name {
            Some(name) => Some(self.place(name)),
            None => match self.files.locate(".") {
                Ok(folder) => Some(folder),
                // Built-in suites have no folder: the present one serves.
                Err(error) if error.kind() != std::io::ErrorKind::Other => None,
                Err(_) => Some(self.place(".")),
            },
        }
    }
}

/// Name of the program for the key: a few plain characters.
fn plain(spec: &CommandSpec) -> String {
    let known = |c: char| c.is_ascii_alphanumeric() || "._+-".contains(c);
    let name = program_name(&spec.words).chars().take(32);
    name.map(|c| if known(c) { c } else { '_' }).collect()
}

/// Twelve digits that stand for everything about the commands that may change the time: their
/// text, shell, variables and the names of the files. Not the folder: it differs by machine.
fn identity(
    texts: &[Option<&str>],
    shell: bool,
    environment: &[(String, String)],
    inputs: &[(&str, &str)],
) -> String {
    let mut hash = Sha256::new();
    // Lengths before the texts: no two lists have the same bytes.
    let mut add = |text: &str| {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text.as_bytes());
    };
    for text in texts {
        add(if text.is_some() { "given" } else { "none" });
        add(text.unwrap_or_default());
    }
    add(if shell { "shell" } else { "words" });
    for (name, value) in environment {
        add(name);
        add(value);
    }
    add("input");
    for (name, file) in inputs {
        add(name);
        add(file);
    }
    hex(&hash.finalize()[..6])
}

impl Case for CommandCase {
    fn key(&self) -> String {
        self.key.clone()
    }

    fn work(&self) -> Work {
        self.work_done()
    }

    fn host_bytes(&self) -> u64 {
        0
    }

    fn device_bytes(&self) -> u64 {
        0
    }

    fn supports(
        &self,
        implementation: &Implementation,
        device: &DeviceInfo,
    ) -> Result<(), Unsupported> {
        self.spec(implementation)?;
        let gpu = implementation.name == "process/gpu";
        match (gpu, device.kind) {
            (true, DeviceKind::Gpu) | (false, DeviceKind::Cpu) => Ok(()),
            (true, _) => Err(Unsupported(format!("{} is no GPU", device.id))),
            (false, _) => Err(Unsupported(format!("{} is no CPU", device.id))),
        }
    }

    fn input(&self, _seed: u64) -> Result<Box<dyn Input>, CaseError> {
        if let Some((name, kind, problem)) = &self.missing {
            let source = std::io::Error::new(*kind, problem.clone());
            return Err(CaseError::Io { family: FAMILY, name: name.clone(), source });
        }
        Ok(Box::new(CommandInput {
            work: self.work_done(),
            cpu: self.cpu.clone(),
            gpu: self.gpu.clone(),
            rule: self.rule.clone(),
            first: Mutex::default(),
        }))
    }
}

/// A case whose files are there.
struct CommandInput {
    work: Work,
    cpu: Option<CommandSpec>,
    gpu: Option<CommandSpec>,
    rule: Rule,
    /// The first output that was judged, which the others are held to.
    first: Mutex<Option<Produced>>,
}

impl Input for CommandInput {
    fn work(&self) -> Work {
        self.work.clone()
    }

    fn program(
        &self,
        implementation: &Implementation,
        _device: &DeviceInfo,
        _tuning: &Tuning,
    ) -> Result<Program, Unsupported> {
        let gpu = implementation.name == "process/gpu";
        let spec = if gpu { &self.gpu } else { &self.cpu };
        let none = || Unsupported(format!("the case gives no command for {}", implementation.name));
        Ok(Program::Command(spec.clone().ok_or_else(none)?))
    }

    fn check(&self, outputs: &[Vec<u8>]) -> Result<Check, Mismatch> {
        let Some(produced) = Produced::from_outputs(outputs) else {
            return Err(Mismatch("the outputs are not those of a program".into()));
        };
        let method = match &self.rule {
            Rule::ExitStatus => "exit-status",
            Rule::Sha256(expected) if *expected == produced.hex() => "sha256",
            Rule::Sha256(expected) => {
                return Err(Mismatch(format!(
                    "sha256 {expected} was expected, the {} bytes of output have {}",
                    produced.bytes,
                    produced.hex()
                )));
            }
            Rule::Checker => match &produced.checker {
                Some(Ok(())) => "checker",
                Some(Err(problem)) => return Err(Mismatch(problem.clone())),
                None => return Err(Mismatch("the checker did not run".into())),
            },
            Rule::SameOutput => {
                let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
                match &*first {
                    None => {
                        *first = Some(produced.clone());
                        "first-output"
                    }
                    Some(first) if first.sha256 == produced.sha256 => "same-output",
                    Some(first) => {
                        return Err(Mismatch(format!(
                            "the output differs from the first one: sha256 {} ({} bytes), then {} \
                             ({} bytes)",
                            first.hex(),
                            first.bytes,
                            produced.hex(),
                            produced.bytes
                        )));
                    }
                }
            }
        };
        Ok(Check {
            method: method.into(),
            compared: if self.rule == Rule::ExitStatus { 0 } else { produced.bytes },
            max_abs_err: 0.0,
            max_rel_err: 0.0,
            bound: 0.0,
        })
    }

    fn keep(&self, outputs: &[Vec<u8>], keep: &mut dyn Keep) -> std::io::Result<()> {
        let Some(produced) = Produced::from_outputs(outputs) else { return Ok(()) };
        let mut file = keep.create("output.sha256")?;
        writeln!(file, "{}  output ({} bytes)", produced.hex(), produced.bytes)
    }
}
