//! Any commands as arms: each run is a process of its own, timed as a whole.

use breakeven_kernels::params::{Params, Value as Param};
use breakeven_kernels::process::{CommandSpec, Produced};
use breakeven_kernels::work::{Case, DeviceInfo, Files, Implementation, Input, Program, Tuning};
use serde_json::json;

use super::bench::{Got, Name, Tools, Trouble, Unit, Value, other, place};
use super::stop;
use crate::backend::process::{self, Process};
use crate::backend::{Backend, BackendError, Mode, Session};
use crate::cli::exit::Failure;
use crate::gate::{Arm, Fault, MetricClass, RowId};
use crate::stats;

/// Seconds of runs of an arm in a round, and how many they are at most.
const RUNS_S: f64 = 0.3;
const MOST_RUNS: f64 = 20.0;
/// Runs of the base to calibrate; the first, which fills caches, does not count.
const CALIBRATION_RUNS: usize = 3;
/// Seconds that a run may always take, and how many times as long as the base's.
const LEAST_LIMIT_S: f64 = 10.0;
const LIMIT_FACTOR: f64 = 10.0;
/// Holds as many characters as make both arms' command lines and variables equally long: their
/// length moves a program's stack, which alone can change its speed.
const PAD: &str = "BREAKEVEN_GATE_PAD";

/// Whether the candidate must print what the base prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Same {
    /// It must.
    Required,
    /// It must, unless the base's own outputs vary.
    IfBaseDoes,
    /// Outputs are not compared.
    Off,
}

/// A command in both arms.
pub struct Asked {
    /// Parameters of the family `command` for base and candidate.
    pub params: [Params; 2],
    /// What the row is called.
    pub key: String,
    /// Whether outputs are compared.
    pub same: Same,
    /// `--time-limit`.
    pub time_limit_s: Option<f64>,
}

/// A command that can be run.
struct Command {
    key: String,
    implementation: &'static Implementation,
    device: String,
    arms: [Arms; 2],
    same: Same,
    time_limit_s: Option<f64>,
    runs: usize,
    /// Digest of what the base prints.
    output: Option<[u8; 32]>,
    /// Whether the candidate ever printed the same.
    agreed: bool,
}

/// One arm of a command.
struct Arms {
    input: Box<dyn Input>,
    spec: CommandSpec,
}

/// All commands, on this machine.
pub struct Commands {
    process: Process,
    commands: Vec<Command>,
    remarks: Vec<String>,
}

/// One run: seconds, and what came out.
type Ran = Result<(f64, Produced), Trouble>;

impl Commands {
    /// Reads every command for both arms and finds its program.
    ///
    /// # Errors
    /// Usage: a parameter that is wrong, a program that cannot be started.
    pub fn new(
        asked: Vec<Asked>,
        files: &dyn Files,
        found: &[DeviceInfo],
        tools: &Tools,
    ) -> Result<Self, Failure> {
        let process = Process::beside(found, tools.stop.flag());
        let mut commands = Vec::new();
        for one in asked {
            read(one, files, process.devices(), &mut commands)?;
        }
        if commands.is_empty() {
            return Err(Failure::incomparable(
                "nothing to compare: no command runs on the devices here",
            ));
        }
        Ok(Self { process, commands, remarks: Vec::new() })
    }

    /// Runs each base a few times to decide how many runs make a round, and the candidate once.
    pub fn prepare(&mut self, tools: &mut Tools) -> Result<Vec<Unit>, Failure> {
        let mut units = Vec::new();
        for index in 0..self.commands.len() {
            let fault = self.calibrate(index, tools)?;
            let command = &self.commands[index];
            let id = RowId {
                case_key: command.key.clone(),
                implementation: command.implementation.name.to_owned(),
                device: command.device.clone(),
                metric: "wall".to_owned(),
            };
            units.push(Unit { rows: vec![(id, MetricClass::Command)], group: index, fault });
        }
        Ok(units)
    }

    fn calibrate(
        &mut self,
        index: usize,
        tools: &mut Tools,
    ) -> Result<Option<(Arm, Fault)>, Failure> {
        let name = Name { stage: "calibrate", round: 0 };
        let base = self.run(index, Arm::Base, CALIBRATION_RUNS);
        self.note(name, index, Arm::Base, &base, tools)?;
        let base: Vec<(f64, Produced)> = match base.into_iter().collect::<Result<_, _>>() {
            Ok(runs) => runs,
            Err(Trouble::Fault(fault)) => return Ok(Some((Arm::Base, fault))),
            Err(Trouble::Cut) => {
                let fault = Fault::Missing("there was no time to run it".into());
                return Ok(Some((Arm::Base, fault)));
            }
        };
        let times: Vec<f64> = base.iter().skip(1).map(|(wall_s, _)| *wall_s).collect();
        let each_s = stats::median(&times).unwrap_or(1.0).max(1e-6);
        let command = &mut self.commands[index];
        command.runs = (RUNS_S / each_s).ceil().clamp(1.0, MOST_RUNS) as usize;
        let limit_s = command.time_limit_s.unwrap_or(LEAST_LIMIT_S.max(LIMIT_FACTOR * each_s));
        command.arms.iter_mut().for_each(|arm| arm.spec.time_limit_s = limit_s);
        command.output = base.first().map(|(_, produced)| produced.sha256);
        if base.iter().any(|(_, produced)| Some(produced.sha256) != command.output) {
            match command.same {
                Same::Required => {
                    let text = "prints something else in every run; leave --same-output out";
                    return Ok(Some((Arm::Base, Fault::NonDeterministic(text.into()))));
                }
                Same::IfBaseDoes => self.remarks.push(format!(
                    "{}: the base prints something else in every run, so outputs are not compared",
                    command.key
                )),
                Same::Off => {}
            }
            command.output = None;
        }
        if command.same == Same::Off {
            command.output = None;
        }
        let cand = self.run(index, Arm::Cand, 1);
        self.note(Name { stage: "trial", round: 0 }, index, Arm::Cand, &cand, tools)?;
        Ok(match cand.into_iter().next() {
            Some(Err(Trouble::Fault(fault))) => Some((Arm::Cand, fault)),
            _ => None,
        })
    }

    /// Runs one arm `times` times. Outputs that differ where the base's own have begun to vary
    /// since (a date, a counter) say nothing: from then on outputs are not compared.
    fn run(&mut self, index: usize, arm: Arm, times: usize) -> Vec<Ran> {
        let runs = self.run_judged(index, arm, times);
        let command = &self.commands[index];
        let differs =
            |fault: &Fault| matches!(fault, Fault::WrongOutput(_) | Fault::NonDeterministic(_));
        let differs = matches!(runs.last(), Some(Err(Trouble::Fault(fault))) if differs(fault));
        if !differs || command.same != Same::IfBaseDoes || !self.base_varies(index) {
            return runs;
        }
        let command = &mut self.commands[index];
        command.output = None;
        self.remarks.push(format!(
            "{}: what the base prints changed while it ran, so outputs are no longer compared",
            command.key
        ));
        self.run_judged(index, arm, times)
    }

    /// Whether the base prints something else than it did at first; false where it was not known.
    fn base_varies(&mut self, index: usize) -> bool {
        let Some(expected) = self.commands[index].output.take() else { return false };
        let now = self.run_judged(index, Arm::Base, 1);
        self.commands[index].output = Some(expected);
        matches!(now.first(), Some(Ok((_, produced))) if produced.sha256 != expected)
    }

    fn run_judged(&mut self, index: usize, arm: Arm, times: usize) -> Vec<Ran> {
        let Self { process, commands, .. } = self;
        let command = &mut commands[index];
        let arms = &command.arms[place(arm)];
        let mut judge = Judge { output: command.output, agreed: command.agreed, arm };
        let runs = with_session(process, &command.device, arms, |session| {
            let mut runs = Vec::new();
            for _ in 0..times {
                runs.push(judge.run(session, arms));
                if runs.last().is_some_and(Result::is_err) {
                    break;
                }
            }
            runs
        });
        command.agreed = judge.agreed;
        let mut runs = runs.unwrap_or_else(|trouble| vec![Err(trouble)]);
        // What was stopped because the time is over has not failed.
        if stop::now()
            && let Some(last) = runs.last_mut().filter(|run| run.is_err())
        {
            *last = Err(Trouble::Cut);
        }
        runs
    }

    /// One round: both arms of a command next to each other in time, run by run.
    pub fn round(
        &mut self,
        name: Name,
        first: Arm,
        units: &[usize],
        tools: &mut Tools,
        control: &mut [Vec<f64>; 2],
    ) -> Result<Vec<(usize, [Got; 2])>, Failure> {
        let mut got = Vec::new();
        for &unit in units {
            let runs = self.alternate(unit, first, tools, control);
            for arm in [Arm::Base, Arm::Cand] {
                self.note(name, unit, arm, &runs[place(arm)], tools)?;
            }
            got.push((unit, runs.map(middle)));
        }
        Ok(got)
    }

    /// The runs of a round, in turns whose order turns as well: ABBAABBA.
    fn alternate(
        &mut self,
        unit: usize,
        first: Arm,
        tools: &Tools,
        control: &mut [Vec<f64>; 2],
    ) -> [Vec<Ran>; 2] {
        let mut runs = [Vec::new(), Vec::new()];
        for turn in 0..self.commands[unit].runs {
            let leads = if turn % 2 == 0 { first } else { other(first) };
            for arm in [leads, other(leads)] {
                if turn == 0 {
                    tools.control.look(&mut control[place(arm)]);
                }
                let ran = self.run(unit, arm, 1);
                let lost = ran.iter().any(Result::is_err);
                runs[place(arm)].extend(ran);
                if turn == 0 {
                    tools.control.look(&mut control[place(arm)]);
                }
                if lost {
                    return runs;
                }
            }
        }
        runs
    }

    fn note(
        &self,
        name: Name,
        index: usize,
        arm: Arm,
        runs: &[Ran],
        tools: &mut Tools,
    ) -> Result<(), Failure> {
        let fine: Vec<_> = runs.iter().flatten().collect();
        let trouble = runs.iter().find_map(|run| run.as_ref().err());
        tools.journal.note(&json!({
            "stage": name.stage, "round": name.round, "arm": arm,
            "command": self.commands[index].key,
            "wall_s": fine.iter().map(|(wall_s, _)| wall_s).collect::<Vec<_>>(),
            "output_sha256": fine.last().map(|(_, produced)| produced.hex()),
            "problem": trouble.map(|trouble| format!("{trouble:?}")),
        }))
    }

    /// Sentences about what was not compared.
    pub fn remarks(&self) -> &[String] {
        &self.remarks
    }

    /// The devices.
    pub fn machine(&self) -> String {
        let devices = self.process.devices().iter();
        let used = devices.filter(|device| self.commands.iter().any(|c| c.device == device.id));
        let told: Vec<String> = used.map(|d| format!("{}: {}", d.id, d.name)).collect();
        told.join("; ")
    }
}

/// The median of an arm's runs.
fn middle(runs: Vec<Ran>) -> Got {
    let mut times = Vec::new();
    for run in runs {
        times.push(run?.0);
    }
    match stats::median(&times) {
        Some(time_s) => Ok(vec![Value { time_s, cycles: None }]),
        // The other arm failed before this one's turn came, or all had to stop: no word against
        // this one.
        None => Err(Trouble::Cut),
    }
}

/// Holds an arm's outputs to those of the base.
struct Judge {
    output: Option<[u8; 32]>,
    agreed: bool,
    arm: Arm,
}

impl Judge {
    /// One run, whose output is judged before its time counts.
    fn run(&mut self, session: &mut dyn Session, arm: &Arms) -> Ran {
        let mut run = || -> Result<_, BackendError> {
            session.reset()?;
            let timing = session.run(Mode::EndToEnd, 1)?;
            Ok((timing.total_s, session.outputs()?))
        };
        let (wall_s, outputs) = run().map_err(trouble)?;
        let wrong = |text: String| Trouble::Fault(Fault::WrongOutput(text));
        arm.input.check(&outputs).map_err(|mismatch| wrong(mismatch.0))?;
        let produced = Produced::from_outputs(&outputs)
            .ok_or_else(|| wrong("it has no output of a program".into()))?;
        match self.output {
            Some(expected) if expected != produced.sha256 => {
                let text = format!(
                    "its output (sha256 {}, {} bytes) is not the base's (sha256 {})",
                    produced.hex(),
                    produced.bytes,
                    breakeven_kernels::process::hex(&expected)
                );
                Err(Trouble::Fault(match (self.arm, self.agreed) {
                    (Arm::Cand, false) => Fault::WrongOutput(text),
                    _ => Fault::NonDeterministic(format!("{text}, which it was before")),
                }))
            }
            _ => {
                self.agreed |= self.arm == Arm::Cand;
                Ok((wall_s, produced))
            }
        }
    }
}

fn trouble(error: BackendError) -> Trouble {
    match error {
        BackendError::TimedOut(text) => Trouble::Fault(Fault::TimedOut(text)),
        error => Trouble::Fault(Fault::Failed(error.to_string())),
    }
}

/// Loads an arm's command on `device` and hands over its session.
fn with_session<T>(
    process: &Process,
    device: &str,
    arm: &Arms,
    act: impl FnOnce(&mut dyn Session) -> T,
) -> Result<T, Trouble> {
    let mut device = process.open(device).map_err(trouble)?;
    let mut session = device.load(Program::Command(arm.spec.clone())).map_err(trouble)?;
    Ok(act(&mut *session))
}

/// Adds the CPU and the GPU command of `asked`, as far as there is such a device.
fn read(
    asked: Asked,
    files: &dyn Files,
    devices: &[DeviceInfo],
    into: &mut Vec<Command>,
) -> Result<(), Failure> {
    let usage = |arm: Arm, problem: String| {
        Failure::usage(format!("the {}'s command: {problem}", super::bench::word(arm)))
    };
    let family = breakeven_kernels::family("command")
        .ok_or_else(|| Failure::internal("no family `command` is built in"))?;
    let case = |arm: Arm| -> Result<Box<dyn Case>, Failure> {
        let case = family.case(&asked.params[place(arm)], files);
        case.map_err(|error| usage(arm, error.to_string()))
    };
    let cases = [case(Arm::Base)?, case(Arm::Cand)?];
    for implementation in family.implementations() {
        for device in devices {
            if cases.iter().any(|case| case.supports(implementation, device).is_err()) {
                continue;
            }
            let arm = |arm: Arm| -> Result<Arms, Failure> {
                let input = cases[place(arm)].input(1).map_err(|e| usage(arm, e.to_string()))?;
                let program = input.program(implementation, device, &Tuning::default());
                let Ok(Program::Command(mut spec)) = program else {
                    return Err(usage(arm, "it is no command".into()));
                };
                process::startable(&spec).map_err(|problem| usage(arm, problem))?;
                if let Some(limit_s) = asked.time_limit_s {
                    spec.time_limit_s = limit_s;
                }
                Ok(Arms { input, spec })
            };
            let mut arms = [arm(Arm::Base)?, arm(Arm::Cand)?];
            pad(&mut arms);
            into.push(Command {
                key: asked.key.clone(),
                implementation,
                device: device.id.clone(),
                arms,
                same: asked.same,
                time_limit_s: asked.time_limit_s,
                runs: 1,
                output: None,
                agreed: false,
            });
        }
    }
    Ok(())
}

/// Makes both command lines and environments equally long.
fn pad(arms: &mut [Arms; 2]) {
    let length = |arm: &Arms| {
        let words: usize = arm.spec.words.iter().map(|word| word.len() + 1).sum();
        // The system keeps the program's path a second time.
        words + arm.spec.words.first().map_or(0, String::len)
    };
    let lengths = [length(&arms[0]), length(&arms[1])];
    let longest = lengths[0].max(lengths[1]);
    for (arm, length) in arms.iter_mut().zip(lengths) {
        arm.spec.environment.push((PAD.to_owned(), "x".repeat(1 + longest - length)));
    }
}

/// `params` with `{arm}` (and `{program}`, which means the same) replaced by `path`; whether there
/// was any.
pub fn filled(params: &Params, path: &str) -> (Params, bool) {
    let (mut out, mut found) = (Params::default(), false);
    for (key, value) in params.iter() {
        let value = match value {
            Param::Text(text) if ["cpu", "gpu"].contains(&key) => {
                let new = text.replace("{arm}", path).replace("{program}", path);
                found |= new != *text;
                Param::Text(new)
            }
            value => value.clone(),
        };
        out.set(key, value);
    }
    (out, found)
}
