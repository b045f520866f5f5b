//! From the command line to two arms, and from their rounds to a report.

use std::fs;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Duration;

use breakeven_kernels::family;
use breakeven_kernels::params::{Params, Value as Param};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::bench::{Bench, Tools};
use super::builds::{Recipe, built};
use super::commands::{self, Commands, Same, filled};
use super::control::Control;
use super::drive::{Drive, Forecast};
use super::executables::{self, Executables};
use super::journal::Journal;
use super::stop::Stop;
use crate::cli::args::{GateArgs, GatePairArgs, OutputArgs};
use crate::cli::exit::{DONE, Failure, INTERRUPTED, Outcome};
use crate::cli::gate_report::Findings;
use crate::cli::interrupt;
use crate::cli::machines::Machines;
use crate::cli::output;
use crate::gate::{self, ArmInfo, Measured, Report, Rules};
use crate::host::Host;
use crate::plan;
use crate::record;
use crate::report::{Content, Document, Listing};
use crate::suite::{self, FolderFiles, Suite};

/// Share of stolen time from which the machine is called disturbed.
const STEAL: f64 = 0.02;

/// Measures base and candidate in paired rounds and reports.
pub fn run(args: &GateArgs, findings: &Findings, output: &OutputArgs, rules: &Rules) -> Outcome {
    let pair = &args.pair;
    let mut rules = rules.clone();
    (rules.screen_rounds, rules.confirm_rounds) = pair.rounds;
    let scratch = tempfile::tempdir()
        .map_err(|error| Failure::internal(format!("no temporary folder: {error}")))?;
    // Before anything is built, so that Ctrl-C leaves no worktree behind.
    interrupt::flag();
    let mut arms = arms(args, scratch.path(), output)?;
    if let Some(folder) = &output.folder {
        output::make_folder(folder)?;
    }
    let folder = output.folder.as_deref().filter(|_| !pair.dry_run);
    let mut tools = Tools {
        stop: Stop::watch(pair.max_wall),
        journal: Journal::begin(folder)?,
        control: Control::new(),
    };
    let mut bench = bench(args, &arms, scratch.path(), &tools, output)?;
    let before = Machine::now();
    let started_at = record::now();
    let mut drive = Drive::prepare(&mut bench, &mut tools, &rules, pair.seed)?;
    if pair.dry_run {
        let forecast = drive.forecast()?;
        if interrupt::flag().load(Ordering::SeqCst) {
            return Ok(INTERRUPTED);
        }
        if forecast.rows == 0 {
            return Err(Failure::incomparable(drive.faults().join("; ")));
        }
        output::print(&Content::Listing(&told(&forecast, &rules)), output)?;
        return Ok(DONE);
    }
    let bar = bar(output, rules.screen_rounds);
    let measured = drive.run(&mut |done, total| {
        bar.set_length(u64::from(total));
        bar.set_position(u64::from(done));
        bar.set_message(if done < rules.screen_rounds {
            "screening"
        } else {
            "confirming suspects"
        });
    })?;
    bar.finish_and_clear();
    arms.learn(&bench);
    let context = Context { arms, started_at, wall_s: tools.stop.elapsed_s(), seed: pair.seed };
    let report = report(measured, &rules, context, &bench, before.remarks());
    let interrupted = tools.stop.interrupted();
    let end = findings.finish(report, false);
    if interrupted { end.map(|_| INTERRUPTED) } else { end }
}

/// What is compared, before it runs.
struct Arms {
    subject: String,
    info: [ArmInfo; 2],
    what: What,
}

/// How the arms are given.
enum What {
    /// Paths of programs, and the suite that they run.
    Programs([PathBuf; 2], Box<Suite>, String),
    /// Commands as they were typed.
    Commands([String; 2]),
}

/// Finds or builds both arms and refuses the same one twice.
fn arms(args: &GateArgs, scratch: &Path, output: &OutputArgs) -> Result<Arms, Failure> {
    let pair = &args.pair;
    if let (Some(base), Some(cand)) = (&pair.base_cmd, &pair.cand_cmd) {
        if base == cand && !pair.aa {
            return Err(same_twice("--base-cmd and --cand-cmd are the same command"));
        }
        let info = [base, cand].map(|name| named(name.clone(), None, None));
        return Ok(Arms {
            subject: pair.name.clone(),
            info,
            what: What::Commands([base.clone(), cand.clone()]),
        });
    }
    let name = args.suite.clone().unwrap_or_else(|| "ci".into());
    let suite = suite::load(&name).map_err(|error| Failure::usage(error.to_string()))?;
    let (paths, info) = match (&pair.base, &pair.cand, &pair.base_ref) {
        (Some(base), Some(cand), _) => {
            let info = |path: &PathBuf| named(path.display().to_string(), digest(path), None);
            ([base.clone(), cand.clone()], [info(base), info(cand)])
        }
        (_, _, Some(base)) => revisions(base, pair, scratch, output)?,
        _ => {
            return Err(Failure::usage(
                "gate: nothing to compare; give --base PATH --cand PATH, --base-ref REV, \
                 --base-cmd CMD --cand-cmd CMD, --record RECORD --accepted DIR, or --judge FILE",
            ));
        }
    };
    if info[0].sha256.is_some() && info[0].sha256 == info[1].sha256 && !pair.aa {
        if pair.base_ref.is_some() {
            return Err(Failure::incomparable(
                "both revisions build the same program, byte for byte: there is nothing to \
                 compare (--aa measures it against itself)",
            ));
        }
        return Err(same_twice("--base and --cand are the same program, byte for byte"));
    }
    Ok(Arms {
        subject: format!("suite {}", suite.name),
        info,
        what: What::Programs(paths, Box::new(suite), name),
    })
}

fn same_twice(what: &str) -> Failure {
    Failure::usage(format!("{what}; give two, or --aa to see what the machine does"))
}

fn named(name: String, sha256: Option<String>, commit: Option<String>) -> ArmInfo {
    ArmInfo { name, sha256, commit }
}

/// SHA-256 of a file in hexadecimal; `None` where it cannot be read, which is told later.
fn digest(path: &Path) -> Option<String> {
    let bytes = fs::read(path).ok()?;
    Some(Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Builds what `--base-ref` and `--cand-ref` name.
fn revisions(
    base: &str,
    pair: &GatePairArgs,
    scratch: &Path,
    output: &OutputArgs,
) -> Result<([PathBuf; 2], [ArmInfo; 2]), Failure> {
    let recipe = Recipe { build: &pair.build, bin: &pair.bin };
    let build = |revision: Option<&str>, folder: &str| {
        let into = scratch.join(folder);
        fs::create_dir(&into).map_err(|error| Failure::write(&into, &error))?;
        let name = revision.unwrap_or("the working tree").to_owned();
        output::remark(output, &format!("building {name}: {}", recipe.build));
        let (path, commit) = built(revision, &recipe, &into)?;
        let info = named(name, digest(&path), commit);
        Ok::<_, Failure>((path, info))
    };
    let (base_path, base) = build(Some(base), "build-a")?;
    let (cand_path, cand) = build(pair.cand_ref.as_deref(), "build-b")?;
    Ok(([base_path, cand_path], [base, cand]))
}

/// The arms, ready to run.
fn bench(
    args: &GateArgs,
    arms: &Arms,
    scratch: &Path,
    tools: &Tools,
    output: &OutputArgs,
) -> Result<Bench, Failure> {
    let pair = &args.pair;
    let mock = output.mock.as_deref();
    let same = match (pair.same_output, pair.any_output) {
        (true, _) => Same::Required,
        (_, true) => Same::Off,
        _ => Same::IfBaseDoes,
    };
    let asked = |params: [Params; 2], key: String| commands::Asked {
        params,
        key,
        same,
        time_limit_s: pair.time_limit,
    };
    match &arms.what {
        What::Commands(texts) => {
            let params = texts.each_ref().map(|text| command(text, pair.shell));
            let devices =
                if pair.device.is_empty() { vec!["cpu".to_owned()] } else { pair.device.clone() };
            let found = Machines::new(mock)?.select(&devices)?.devices;
            let asked = vec![asked(params, pair.name.clone())];
            let files = FolderFiles::new(None);
            Ok(Bench::Commands(Commands::new(asked, &files, &found, tools)?))
        }
        What::Programs(paths, suite, name) => {
            let is_command =
                |case: &suite::SuiteCase| family(&case.family).is_some_and(plan::is_command);
            if suite.cases.iter().any(is_command) {
                let asked = suite_commands(suite, paths, is_command, asked)?;
                let found = Machines::new(mock)?.select(&pair.device)?.devices;
                let files = FolderFiles::new(suite.folder.clone());
                return Ok(Bench::Commands(Commands::new(asked, &files, &found, tools)?));
            }
            let asked = executables::Asked {
                paths: [&paths[0], &paths[1]],
                flags: ["--base", "--cand"],
                suite: name,
                devices: &pair.device,
                implementations: &pair.implementation,
                time_limit_s: pair.time_limit,
                mock,
            };
            Ok(Bench::Executables(Box::new(Executables::new(&asked, scratch)?)))
        }
    }
}

/// The family command's parameters of one command.
fn command(text: &str, shell: bool) -> Params {
    let mut params = Params::default();
    params.set("cpu", Param::Text(text.to_owned()));
    params.set("unit", Param::Text("run".to_owned()));
    params.set("units", Param::Int(1));
    if shell {
        params.set("shell", Param::Bool(true));
    }
    params
}

/// The commands of a suite, `{arm}` filled in for base and candidate.
fn suite_commands(
    suite: &Suite,
    paths: &[PathBuf; 2],
    is_command: impl Fn(&suite::SuiteCase) -> bool,
    asked: impl Fn([Params; 2], String) -> commands::Asked,
) -> Result<Vec<commands::Asked>, Failure> {
    // A command runs in the suite's folder, where a relative path would mean another file.
    let absolute = |path: &PathBuf| {
        let full = fs::canonicalize(path).map_err(|error| {
            Failure::usage(format!("{}: {error}; give a program", path.display()))
        })?;
        Ok::<_, Failure>(full.display().to_string())
    };
    let paths = [absolute(&paths[0])?, absolute(&paths[1])?];
    let mut all = Vec::new();
    for case in &suite.cases {
        if !is_command(case) {
            return Err(Failure::usage(format!(
                "{}: a suite with commands holds nothing else in a gate; put family `{}` into a \
                 suite of its own",
                case.place, case.family
            )));
        }
        let [(base, found), (cand, _)] = paths.each_ref().map(|path| filled(&case.params, path));
        if !found {
            return Err(Failure::usage(format!(
                "{}: its command is the same for base and candidate; write {{arm}} where the path \
                 of the program stands",
                case.place
            )));
        }
        all.push(asked([base, cand], case.place.clone()));
    }
    Ok(all)
}

impl Arms {
    /// Takes over what the programs said of themselves.
    fn learn(&mut self, bench: &Bench) {
        if let Bench::Executables(executables) = bench {
            for (info, commit) in self.info.iter_mut().zip(executables.commits()) {
                info.commit = info.commit.take().or(commit);
            }
        }
    }
}

/// What the report says beside the judgement.
struct Context {
    arms: Arms,
    started_at: String,
    wall_s: f64,
    seed: u64,
}

fn report(
    measured: Measured,
    rules: &Rules,
    context: Context,
    bench: &Bench,
    machine: Vec<String>,
) -> Report {
    let judgement = gate::judge(&measured, rules);
    let [base, cand] = context.arms.info;
    let mut remarks = judgement.remarks;
    remarks.extend(bench.remarks());
    remarks.extend(machine);
    Report {
        mode: "paired".into(),
        subject: context.arms.subject,
        base,
        cand,
        overall: judgement.overall,
        headline: judgement.headline,
        rows: judgement.rows,
        control_ratio: judgement.control_ratio,
        false_alarm: judgement.false_alarm,
        remarks,
        seed: context.seed,
        wall_s: context.wall_s,
        started_at: context.started_at,
        machine: bench.machine(),
        measured,
    }
}

/// What else went on when the run began.
struct Machine {
    load: Option<f64>,
    threads: Option<u32>,
    ticks: Option<(u64, u64)>,
}

impl Machine {
    fn now() -> Self {
        let host = Host::default();
        Self { load: host.load_average(), threads: host.cpu().threads, ticks: host.cpu_ticks() }
    }

    /// Sentences about a machine that was not quiet, now that the run is over.
    fn remarks(&self) -> Vec<String> {
        let mut told = Vec::new();
        if let (Some(load), Some(threads)) = (self.load, self.threads)
            && load > f64::from(threads) / 2.0
        {
            told.push(format!(
                "the machine was busy when the run began: load average {load:.1} on {threads} \
                 threads; intervals are wider than they need be"
            ));
        }
        if let (Some(before), Some(after)) = (self.ticks, Host::default().cpu_ticks()) {
            let share = after.1.saturating_sub(before.1) as f64
                / after.0.saturating_sub(before.0).max(1) as f64;
            if share > STEAL {
                told.push(format!(
                    "the hypervisor took {:.0} % of the processors' time for others",
                    100.0 * share
                ));
            }
        }
        told
    }
}

/// The forecast for people and programs.
fn told(forecast: &Forecast, rules: &Rules) -> Listing {
    let Forecast { rows, calibration_s, round_s } = *forecast;
    let screen_s = round_s * f64::from(rules.screen_rounds);
    let confirm_s = round_s * f64::from(rules.confirm_rounds);
    let mut document = Document::default();
    document.heading(1, "Forecast of the gate");
    document.text(format!(
        "{rows} rows; a round of both arms takes about {round_s:.1} s. Calibration {calibration_s:.0} s, \
         {} rounds {screen_s:.0} s, and up to {confirm_s:.0} s more for {} fresh rounds of suspects: \
         {:.0} s without a suspect, {:.0} s at most.",
        rules.screen_rounds,
        rules.confirm_rounds,
        calibration_s + screen_s,
        calibration_s + screen_s + confirm_s
    ));
    let data = json!({
        "rows": rows, "calibration_s": calibration_s, "round_s": round_s, "screen_s": screen_s,
        "confirm_at_most_s": confirm_s, "at_most_s": calibration_s + screen_s + confirm_s,
    });
    Listing { document, data }
}

/// A bar over the rounds, on a terminal.
fn bar(output: &OutputArgs, rounds: u32) -> ProgressBar {
    let shown = !output.quiet && io::stderr().is_terminal();
    let target =
        if shown { ProgressDrawTarget::stderr_with_hz(8) } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(Some(u64::from(rounds)), target);
    // The template is a constant; should it ever be wrong, the default style serves as well.
    if let Ok(style) =
        ProgressStyle::with_template("{bar:24} round {pos}/{len} {elapsed} {wide_msg}")
    {
        bar.set_style(style);
    }
    if shown {
        bar.enable_steady_tick(Duration::from_millis(250));
    }
    bar
}
