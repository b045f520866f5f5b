//! Executables of breakeven as arms: in each round one fresh process an arm, with all jobs in it.

use std::path::Path;

use serde_json::json;

use super::ask::{Answer, Executable};
use super::bench::{Got, Name, Tools, Trouble, Unit, Value, other, place, word};
use super::wire::{Done, HelloDevice, JobName, Order, PROTOCOL, WantedJob, WantedMode};
use crate::backend::BackendError;
use crate::cli::exit::Failure;
use crate::gate::{Arm, Fault, MetricClass, RowId};
use crate::measure::Counts;
use crate::record::Status;

/// Seconds that one sample should take: long against the clock's resolution and an interrupt.
const SAMPLE_S: f64 = 2e-3;
/// Seconds of samples of a mode in a round: long enough to meet the machine undisturbed for the
/// time of one sample.
const SAMPLES_S: f64 = 0.25;
/// Samples at least, and at most.
const SAMPLES: (f64, f64) = (3.0, 125.0);
/// Seconds of warm-up in a round: a fresh process's pages and caches, and a GPU's clock.
const WARM_UP_S: (f64, f64) = (0.03, 0.3);
/// Seconds that the base may take to be calibrated, where nothing else is said.
const CALIBRATION_LIMIT_S: f64 = 3600.0;
/// Seconds that a process may always take.
const LEAST_LIMIT_S: f64 = 60.0;
/// How many times as long as the base's calibration, with all its references, a process may take.
const LIMIT_FACTOR: f64 = 10.0;
/// Seed of the inputs; the same in both arms and all rounds.
const INPUT_SEED: u64 = 1;

/// What both arms run, and what is known of it.
struct Job {
    name: JobName,
    gpu: bool,
    tuning: Option<String>,
    modes: Vec<WantedMode>,
    /// Digest of the outputs that each arm's reference confirmed, and how.
    verified: [Option<String>; 2],
    method: [Option<String>; 2],
}

/// A job's place, and what it gave or why it did not.
type Ended = (usize, Result<Done, Trouble>);

/// Two executables and a suite.
pub struct Executables {
    arms: [Executable; 2],
    devices: Vec<String>,
    implementations: Vec<String>,
    time_limit_s: Option<f64>,
    limit_s: f64,
    jobs: Vec<Job>,
    remarks: Vec<String>,
    known: Vec<HelloDevice>,
    commits: [Option<String>; 2],
}

/// What was asked for.
pub struct Asked<'a> {
    /// Paths of base and candidate.
    pub paths: [&'a Path; 2],
    /// Flags by which they were given, for messages.
    pub flags: [&'a str; 2],
    /// The suite.
    pub suite: &'a str,
    /// `--device`.
    pub devices: &'a [String],
    /// `--implementation`.
    pub implementations: &'a [String],
    /// `--time-limit`.
    pub time_limit_s: Option<f64>,
    /// `--mock`.
    pub mock: Option<&'a str>,
}

impl Executables {
    /// Copies both into `folder`.
    ///
    /// # Errors
    /// A file that is not there or no program.
    pub fn new(asked: &Asked<'_>, folder: &Path) -> Result<Self, Failure> {
        let copy = |at: usize, name: &str| {
            let folder = folder.join(name);
            Executable::copy(asked.flags[at], asked.paths[at], &folder, asked.suite, asked.mock)
        };
        Ok(Self {
            arms: [copy(0, "a")?, copy(1, "b")?],
            devices: asked.devices.to_vec(),
            implementations: asked.implementations.to_vec(),
            time_limit_s: asked.time_limit_s,
            limit_s: asked.time_limit_s.unwrap_or(CALIBRATION_LIMIT_S),
            jobs: Vec::new(),
            remarks: Vec::new(),
            known: Vec::new(),
            commits: [None, None],
        })
    }

    /// Lists, calibrates with the base, tries the candidate.
    pub fn prepare(&mut self, tools: &mut Tools) -> Result<Vec<Unit>, Failure> {
        let lists = [self.list(Arm::Base, tools)?, self.list(Arm::Cand, tools)?];
        let [Ok(base), cand] = lists else {
            let [base, _] = lists;
            let problem = base.err().unwrap_or_default();
            return Err(Failure::incomparable(format!("{}: {problem}", self.arms[0].name)));
        };
        if let Ok(cand) = &cand {
            self.compare_lists(&base, cand)?;
        }
        // From here on the devices with jobs only: looking for GPUs takes time in every process.
        self.devices.clear();
        for job in &base.jobs {
            if !self.devices.contains(&job.device) {
                self.devices.push(job.device.clone());
            }
        }
        let commit = |answer: &Answer| answer.hello.as_ref().and_then(|h| h.commit.clone());
        self.commits = [commit(&base), cand.as_ref().ok().and_then(commit)];
        self.known = base.hello.map(|hello| hello.devices).unwrap_or_default();
        for name in base.jobs {
            let gpu = self.known.iter().any(|device| device.id == name.device && device.gpu);
            self.jobs.push(Job {
                name,
                gpu,
                tuning: None,
                modes: modes(gpu),
                verified: [None, None],
                method: [None, None],
            });
        }
        let mut units = self.calibrate(tools)?;
        self.try_candidate(cand.map(|_| ()), &mut units, tools)?;
        Ok(units)
    }

    /// What the arm's suite has here; the inner error is a crash or a hang, in words.
    fn list(&self, arm: Arm, tools: &Tools) -> Result<Result<Answer, String>, Failure> {
        let executable = &self.arms[place(arm)];
        let answer = executable.ask(&self.order(None), self.limit_s, tools.stop.flag())?;
        let problem = answer.problem.as_ref().map(ToString::to_string);
        if tools.stop.now() {
            return Err(Failure::incomparable(format!(
                "{} before anything was measured",
                tools.stop.reason()
            )));
        }
        match (&answer.hello, problem, answer.code) {
            (Some(_), None, _) => Ok(Ok(answer)),
            (Some(_), Some(problem), Some(2)) | (None, Some(problem), Some(2))
                if !problem.contains("--round") =>
            {
                Err(Failure::usage(format!("{} {}: {problem}", word(arm), executable.name)))
            }
            (None, None | Some(_), Some(0 | 2)) => Err(Failure::usage(format!(
                "{} {} does not speak gate protocol {PROTOCOL}; give a breakeven executable that \
                 has `gate`, or gate any program with --base-cmd and --cand-cmd",
                word(arm),
                executable.name
            ))),
            (_, problem, _) => Ok(Err(problem.unwrap_or_else(|| "gave no answer".into()))),
        }
    }

    fn compare_lists(&mut self, base: &Answer, cand: &Answer) -> Result<(), Failure> {
        if !base.jobs.iter().any(|job| cand.jobs.contains(job)) {
            return Err(Failure::incomparable(format!(
                "nothing to compare: of {} rows of the base and {} of the candidate, none is in \
                 both",
                base.jobs.len(),
                cand.jobs.len()
            )));
        }
        let new = cand.jobs.iter().filter(|job| !base.jobs.contains(job)).count();
        if new > 0 {
            let rows = if new == 1 { "row is" } else { "rows are" };
            self.remarks.push(format!("{new} {rows} in the candidate only and not compared"));
        }
        let keys = |answer: &Answer| {
            let devices = answer.hello.as_ref().map(|hello| hello.devices.clone());
            let keys = devices.unwrap_or_default().into_iter().map(|d| (d.id, d.env_key));
            keys.collect::<Vec<_>>()
        };
        if keys(base) != keys(cand) {
            self.remarks.push(
                "the two executables describe this machine differently; its devices are told by \
                 the base"
                    .to_owned(),
            );
        }
        Ok(())
    }

    fn order(&self, jobs: Option<Vec<WantedJob>>) -> Order {
        Order {
            protocol: PROTOCOL,
            seed: INPUT_SEED,
            devices: self.devices.clone(),
            implementations: self.implementations.clone(),
            jobs,
        }
    }

    /// Decides all counts by what the base takes.
    fn calibrate(&mut self, tools: &mut Tools) -> Result<Vec<Unit>, Failure> {
        let all: Vec<usize> = (0..self.jobs.len()).collect();
        let name = Name { stage: "calibrate", round: 0 };
        let start = tools.stop.elapsed_s();
        let mut done = self.measure(name, Arm::Base, &all, tools)?;
        done.sort_by_key(|(index, _)| *index);
        let took_s = tools.stop.elapsed_s() - start;
        self.limit_s = self.time_limit_s.unwrap_or(LEAST_LIMIT_S.max(LIMIT_FACTOR * took_s));
        let mut units = Vec::new();
        let mut groups: Vec<String> = Vec::new();
        for (index, done) in done {
            let job = &mut self.jobs[index];
            let fault = match done {
                Ok(done) => {
                    job.tuning.clone_from(&done.tuning);
                    job.modes = counted(&done, job.gpu);
                    let none = || Fault::Failed("it was run, but no time came of it".into());
                    job.modes.is_empty().then(none)
                }
                Err(Trouble::Fault(fault)) => Some(fault),
                Err(Trouble::Cut) => Some(Fault::Missing("there was no time to run it".into())),
            };
            if job.modes.is_empty() {
                job.modes = modes(job.gpu);
            }
            let group = groups.iter().position(|key| *key == job.name.case_key);
            let group = group.unwrap_or_else(|| {
                groups.push(job.name.case_key.clone());
                groups.len() - 1
            });
            units.push(Unit {
                rows: rows(job),
                group,
                fault: fault.map(|fault| (Arm::Base, fault)),
            });
        }
        Ok(units)
    }

    /// One run of the candidate with its references, whose times are not used: it shows what is
    /// broken before rounds are spent on it.
    fn try_candidate(
        &mut self,
        starts: Result<(), String>,
        units: &mut [Unit],
        tools: &mut Tools,
    ) -> Result<(), Failure> {
        let fine: Vec<usize> = (0..units.len()).filter(|u| units[*u].fault.is_none()).collect();
        if let Err(problem) = starts {
            for unit in fine {
                units[unit].fault = Some((Arm::Cand, Fault::Failed(problem.clone())));
            }
            return Ok(());
        }
        let name = Name { stage: "trial", round: 0 };
        for (index, done) in self.measure(name, Arm::Cand, &fine, tools)? {
            let fault = match done {
                Ok(_) => self.differs(index),
                Err(Trouble::Fault(fault)) => Some(fault),
                Err(Trouble::Cut) => None,
            };
            units[index].fault = fault.map(|fault| (Arm::Cand, fault));
        }
        Ok(())
    }

    /// Where both outputs are equal to a reference bit by bit, they are equal to each other, or
    /// one of the references is not what it was.
    fn differs(&self, index: usize) -> Option<Fault> {
        let job = &self.jobs[index];
        let exact = |method: &Option<String>| method.as_deref() == Some("bit-equal");
        let [Some(base), Some(cand)] = &job.verified else { return None };
        let both = job.method.iter().all(exact);
        (both && base != cand).then(|| {
            Fault::WrongOutput(
                "its output differs from the base's, though each equals its own reference bit by \
                 bit: the input or the meaning of the case has changed"
                    .to_owned(),
            )
        })
    }

    /// Measures `indices` in that order in a fresh process; where it crashes or hangs, the rest in
    /// another.
    fn measure(
        &mut self,
        name: Name,
        arm: Arm,
        indices: &[usize],
        tools: &mut Tools,
    ) -> Result<Vec<Ended>, Failure> {
        let mut left = indices.to_vec();
        let mut got = Vec::new();
        while !left.is_empty() {
            let wanted = left.iter().map(|index| self.jobs[*index].wanted(arm)).collect();
            let order = self.order(Some(wanted));
            let flag = tools.stop.flag();
            let answer = self.arms[place(arm)].ask(&order, self.limit_s, flag)?;
            tools.journal.note(&json!({
                "stage": name.stage, "round": name.round, "arm": arm, "wall_s": answer.wall_s,
                "problem": answer.problem.as_ref().map(ToString::to_string), "jobs": answer.done,
            }))?;
            let before = left.len();
            for done in answer.done {
                let Some(at) = left.iter().position(|i| self.jobs[*i].name == done.job) else {
                    continue;
                };
                let index = left.remove(at);
                let result = self.jobs[index].judge(arm, done);
                got.push((index, result));
            }
            if left.is_empty() {
                break;
            }
            if tools.stop.now() {
                got.extend(left.drain(..).map(|index| (index, Err(Trouble::Cut))));
                break;
            }
            // What it ended in; without that, it ended in every one of them.
            let fault = fault(answer.problem, answer.complete);
            let guilty = answer
                .pending
                .and_then(|job| left.iter().position(|index| self.jobs[*index].name == job));
            match guilty {
                Some(at) => got.push((left.remove(at), Err(Trouble::Fault(fault)))),
                None if left.len() < before => {}
                None => {
                    let all = left.drain(..);
                    got.extend(all.map(|index| (index, Err(Trouble::Fault(fault.clone())))));
                }
            }
        }
        Ok(got)
    }

    /// One round.
    pub fn round(
        &mut self,
        name: Name,
        first: Arm,
        units: &[usize],
        tools: &mut Tools,
        control: &mut [Vec<f64>; 2],
    ) -> Result<Vec<(usize, [Got; 2])>, Failure> {
        let mut both = [Vec::new(), Vec::new()];
        for arm in [first, other(first)] {
            tools.control.look(&mut control[place(arm)]);
            both[place(arm)] = self.measure(name, arm, units, tools)?;
            tools.control.look(&mut control[place(arm)]);
        }
        let mut take = |arm: usize, unit: usize| -> Got {
            let at = both[arm].iter().position(|(index, _)| *index == unit);
            let (_, done) = at.map(|at| both[arm].swap_remove(at)).ok_or(Trouble::Cut)?;
            self.jobs[unit].values(&done?)
        };
        Ok(units.iter().map(|unit| (*unit, [take(0, *unit), take(1, *unit)])).collect())
    }

    /// Sentences about what was not compared.
    pub fn remarks(&self) -> &[String] {
        &self.remarks
    }

    /// The devices with their environment keys.
    pub fn machine(&self) -> String {
        let used = self.known.iter().filter(|device| self.devices.contains(&device.id));
        let told = used.map(|d| format!("{}: {} (env {:.12})", d.id, d.name, d.env_key));
        told.collect::<Vec<_>>().join("; ")
    }

    /// Commits that the arms say they were built from.
    pub fn commits(&self) -> [Option<String>; 2] {
        self.commits.clone()
    }
}

impl Job {
    fn wanted(&self, arm: Arm) -> WantedJob {
        WantedJob {
            job: self.name.clone(),
            tuning: self.tuning.clone(),
            verified: self.verified[place(arm)].clone(),
            modes: self.modes.clone(),
        }
    }

    /// Remembers what was verified; a row without a right answer is a fault.
    fn judge(&mut self, arm: Arm, done: Done) -> Result<Done, Trouble> {
        let reason = || done.reason.clone().unwrap_or_else(|| "no reason given".into());
        let fault = match done.status {
            Status::Ok => {
                self.verified[place(arm)].clone_from(&done.sha256);
                if done.method.is_some() {
                    self.method[place(arm)].clone_from(&done.method);
                }
                return Ok(done);
            }
            Status::WrongOutput => Fault::WrongOutput(reason()),
            Status::Skipped => Fault::Missing(reason()),
            Status::Failed | Status::Untimed => Fault::Failed(reason()),
        };
        Err(Trouble::Fault(fault))
    }

    /// A value for each row.
    fn values(&self, done: &Done) -> Got {
        let clock = match done.clock_hz {
            [Some(before), Some(after)] if self.gpu => Some((before + after) / 2.0),
            _ => None,
        };
        let value = |mode: &WantedMode| {
            let time = done.times.iter().find(|time| time.mode == mode.mode)?;
            let cycles = clock.filter(|_| mode.mode == "kernel_warm");
            // Neighbours on a shared machine can only add to the time of a computation that is the
            // same in every run, and the least of many samples has the least of that: its spread
            // from process to process was 1 to 4 %, the median's 3 to 17 % (Chen and Revels 2016).
            let least_s = || time.samples_s.iter().copied().reduce(f64::min);
            let time_s = if self.gpu { time.median_s } else { least_s().unwrap_or(time.median_s) };
            Some(Value { time_s, cycles: cycles.map(|hz| hz * time_s) })
        };
        let missing = || Trouble::Fault(Fault::Failed("a time is missing in its answer".into()));
        self.modes.iter().map(value).collect::<Option<_>>().ok_or_else(missing)
    }
}

/// The modes that are rows: device work; on a GPU the whole path as well. (On a CPU nothing crosses
/// a link, so both are the same call.)
fn modes(gpu: bool) -> Vec<WantedMode> {
    let names: &[&str] = if gpu { &["kernel_warm", "end_to_end"] } else { &["kernel_warm"] };
    names.iter().map(|mode| WantedMode { mode: (*mode).to_owned(), counts: None }).collect()
}

/// The modes that the base has, with how often each is executed from now on.
fn counted(done: &Done, gpu: bool) -> Vec<WantedMode> {
    let mode = |mode: WantedMode| {
        let time = done.times.iter().find(|time| time.mode == mode.mode)?;
        let each_s = time.median_s.max(1e-9);
        let iterations = (SAMPLE_S / each_s).ceil().clamp(1.0, f64::from(1 << 20));
        let samples = (SAMPLES_S / (iterations * each_s)).ceil().clamp(SAMPLES.0, SAMPLES.1);
        let warm_up_s = if gpu { WARM_UP_S.1 } else { WARM_UP_S.0 };
        let counts = Counts {
            iterations: iterations as u32,
            // Verifying has run it once before, which is enough of what takes long.
            warmup_runs: (warm_up_s / each_s).min(1e6) as u32,
            samples: samples as u32,
        };
        Some(WantedMode { counts: Some(counts), ..mode })
    };
    modes(gpu).into_iter().filter_map(mode).collect()
}

fn rows(job: &Job) -> Vec<(RowId, MetricClass)> {
    let row = |mode: &WantedMode| {
        let class = match (job.gpu, mode.mode.as_str()) {
            (false, _) => MetricClass::Cpu,
            (true, "end_to_end") => MetricClass::EndToEnd,
            (true, _) => MetricClass::GpuWarm,
        };
        let JobName { case_key, implementation, device } = job.name.clone();
        (RowId { case_key, implementation, device, metric: mode.mode.clone() }, class)
    };
    job.modes.iter().map(row).collect()
}

fn fault(problem: Option<BackendError>, complete: bool) -> Fault {
    match problem {
        Some(error @ BackendError::TimedOut(_)) => Fault::TimedOut(error.to_string()),
        Some(error) => Fault::Failed(error.to_string()),
        None if complete => Fault::Missing("it gave no answer about this row".into()),
        None => Fault::Failed("it ended before its answer was complete".into()),
    }
}
