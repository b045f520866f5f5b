//! One job: choose a variant, verify, sample each mode, verify again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use breakeven_kernels::work::{DeviceInfo, DeviceKind, Input, Language, Program, Tuning};

use sha2::{Digest, Sha256};

use super::sample::{self, Limits, Sampled, Stop};
use super::{Event, Options, Sampling, Stage, fixed, row};
use crate::backend::{BackendError, Device, DeviceState, Mode, Session};
use crate::plan::Job;
use crate::record::{Row, Status, Time, Times};

/// Share of a job's time that trying variants may take.
const TRIALS_SHARE: f64 = 0.25;
/// Executions of a variant on trial; the fastest counts.
const TRIAL_RUNS: u32 = 3;
/// Least time for a mode, so that a late job still says something, in seconds.
const LEAST_MODE_S: f64 = 0.02;
/// Seconds to look at a mode whose counts are to be decided.
const CALIBRATION_S: f64 = 0.4;
/// Seconds of warm-up that clocks need to settle.
const WARMUP_CPU_S: f64 = 0.3;
const WARMUP_GPU_S: f64 = 0.5;

/// When a job should end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadline {
    start: Instant,
    share_s: f64,
    hard_s: Option<f64>,
}

impl Deadline {
    /// `share_s` from now, and by the hard limit `hard_s` from now at the latest.
    pub(super) fn new(share_s: f64, hard_s: Option<f64>) -> Self {
        Self { start: Instant::now(), share_s, hard_s }
    }

    fn left_s(&self) -> f64 {
        (self.share_s - self.start.elapsed().as_secs_f64()).max(0.0)
    }

    fn hard_limit_passed(&self) -> bool {
        self.hard_s.is_some_and(|hard| self.start.elapsed().as_secs_f64() >= hard)
    }
}

/// What a job is measured with.
pub(super) struct Context<'a> {
    pub job: &'a Job,
    pub input: &'a dyn Input,
    /// The job's share of the time that is left, as of now.
    pub deadline: &'a dyn Fn() -> Deadline,
    pub interrupted: &'a AtomicBool,
    /// Where it was decided beforehand.
    pub sampling: Option<Sampling>,
}

/// How a job ended.
pub(super) enum End {
    /// With a row.
    Row(Row),
    /// With a row, and the device is gone for the reason given.
    Lost(Row, String),
    /// Ctrl-C; no row.
    Interrupted,
}

/// Why a job stops short of a full row.
enum Break<E> {
    Observer(E),
    Stop(Stop),
    Status(Status, String),
}

impl<E> From<BackendError> for Break<E> {
    fn from(error: BackendError) -> Self {
        Self::Stop(Stop::Backend(error))
    }
}

impl<E> From<Stop> for Break<E> {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

/// Measures one job on an opened device.
///
/// # Errors
/// The observer's own.
pub(super) fn measure<E>(
    context: &Context<'_>,
    device: &mut dyn Device,
    options: &mut Options<'_>,
    observer: &mut dyn FnMut(Event) -> Result<(), E>,
) -> Result<End, E> {
    let mut out = row::empty(context.job, context.input.work());
    let deadline = (context.deadline)();
    let mut steps = Steps { context, deadline, observer, row: &mut out, verified: Vec::new() };
    let result = steps.all(device, options);
    if out.process.is_none() {
        out.peak_memory_bytes = crate::host::Host::default().peak_memory_bytes();
    }
    let (status, reason) = match result {
        Ok(()) => return Ok(End::Row(out)),
        Err(Break::Observer(error)) => return Err(error),
        Err(Break::Stop(Stop::Interrupted)) => return Ok(End::Interrupted),
        // A program that Ctrl-C stopped has not failed.
        Err(Break::Stop(_)) if context.interrupted.load(Ordering::SeqCst) => {
            return Ok(End::Interrupted);
        }
        Err(Break::Stop(Stop::Backend(error @ BackendError::DeviceLost { .. }))) => {
            let reason = error.to_string();
            fail(&mut out, Status::Failed, reason.clone());
            return Ok(End::Lost(out, reason));
        }
        Err(Break::Stop(Stop::Backend(
            error @ (BackendError::OutOfMemory { .. } | BackendError::Unsupported { .. }),
        ))) => (Status::Skipped, error.to_string()),
        Err(Break::Stop(Stop::Backend(error))) => (Status::Failed, error.to_string()),
        Err(Break::Status(status, reason)) => (status, reason),
    };
    fail(&mut out, status, reason);
    Ok(End::Row(out))
}

/// Ends `row` without a result. Times that no second check confirmed are no measurements.
fn fail(row: &mut Row, status: Status, reason: String) {
    row.status = status;
    row.reason = Some(reason);
    row.times = Times::default();
}

/// The steps of one job, filling its row.
struct Steps<'a, E> {
    context: &'a Context<'a>,
    deadline: Deadline,
    observer: &'a mut dyn FnMut(Event) -> Result<(), E>,
    row: &'a mut Row,
    /// Digests of outputs that the reference confirmed.
    verified: Vec<String>,
}

impl<E> Steps<'_, E> {
    fn tell(&mut self, event: Event) -> Result<(), Break<E>> {
        (self.observer)(event).map_err(Break::Observer)
    }

    /// Puts what the device says of itself before (`0`: the first that is known stands) or after
    /// (`1`: the last) the measurement.
    fn put_state(&mut self, place: usize, state: DeviceState) {
        let row = &mut *self.row;
        for (kept, now) in
            [(&mut row.clock_hz, state.clock_hz), (&mut row.temperature_c, state.temperature_c)]
        {
            kept[place] = if place == 0 { kept[0].or(now) } else { now.or(kept[1]) };
        }
    }

    fn all(&mut self, device: &mut dyn Device, options: &mut Options<'_>) -> Result<(), Break<E>> {
        let info = device.info().clone();
        let (tuning, trials_s) = self.choose_tuning(device, &info)?;
        self.tell(Event::Stage(Stage::Load))?;
        self.put_state(0, device.state());
        let program = self.program(&info, &tuning)?;
        let mut session = device.load(program)?;
        // A library's own choice stands where ours would.
        let chosen = session.chosen().map(|name| Tuning { name, index: 0 });
        self.row.tuning = Some(tuning).filter(|t| !t.name.is_empty()).or(chosen);
        self.row.one_off = row::one_off(session.one_off(), trials_s);
        self.row.launches = session.launches();
        let modes = session.modes();
        // The whole path where it can be told apart, else the only call there is.
        let whole = modes.iter().find(|m| **m == Mode::EndToEnd).or(modes.first());
        let whole = whole.copied().unwrap_or(Mode::EndToEnd);
        self.tell(Event::Stage(Stage::Verify))?;
        session.prepare(whole)?;
        let start = Instant::now();
        session.reset()?;
        let first = session.run(whole, 1)?;
        let first_s =
            if first.total_s > 0.0 { first.total_s } else { start.elapsed().as_secs_f64() };
        let outputs = session.outputs()?;
        self.keep(options, &outputs)?;
        self.check(&outputs)?;
        drop(outputs);
        self.check_alone(&mut *session)?;
        // The reference may have taken long; that is not to be paid with samples.
        self.deadline = (self.context.deadline)();
        self.sample_modes(&mut *session, &info, first_s)?;
        // Modes have one-off costs too.
        self.row.one_off = row::one_off(session.one_off(), trials_s);
        self.tell(Event::Stage(Stage::Verify))?;
        session.reset()?;
        // Where executions overlap, the output that is checked comes from the last one in flight.
        let (last, depth) = match &self.row.times.pipelined {
            Some(time) if modes.contains(&Mode::Pipelined) => (Mode::Pipelined, time.depth.max(1)),
            _ => (whole, 1),
        };
        session.run(last, depth)?;
        self.check(&session.outputs()?)?;
        self.check_alone(&mut *session)?;
        let timed = &self.row.times;
        let any = [&timed.kernel_cold, &timed.kernel_warm, &timed.end_to_end, &timed.pipelined];
        if any.iter().any(|t| t.is_some()) {
            self.row.status = Status::Ok;
        } else {
            self.row.reason =
                Some("verified, but the time limit passed before it was timed".into());
        }
        let process = session.process();
        drop(session);
        if self.row.clock_hz[1].is_none() {
            self.put_state(1, device.state());
        }
        if let Some(facts) = process {
            row::put_process(self.row, facts);
        }
        self.name_unknowns();
        Ok(())
    }

    fn program(&self, info: &DeviceInfo, tuning: &Tuning) -> Result<Program, Break<E>> {
        let implementation = self.context.job.implementation;
        let program = self.context.input.program(implementation, info, tuning);
        let mut program = program.map_err(|u| Break::Status(Status::Skipped, u.0))?;
        if let (Program::Recording(recording), Language::Library(library)) =
            (&mut program, implementation.language)
        {
            recording.library.get_or_insert(library);
        }
        #[cfg(feature = "inject-slowdown")]
        let program = super::inject::slowed(program, &self.context.job.case_key);
        Ok(program)
    }

    /// The fastest of the variants that the time allows to try, and what trying took.
    fn choose_tuning(
        &mut self,
        device: &mut dyn Device,
        info: &DeviceInfo,
    ) -> Result<(Tuning, Option<f64>), Break<E>> {
        let tunings = self.context.input.tunings(self.context.job.implementation, info);
        let first = tunings.first().cloned().unwrap_or_default();
        let wanted = self.context.sampling.as_ref().and_then(|s| s.tuning.as_deref());
        if let Some(tuning) = tunings.iter().find(|t| Some(t.name.as_str()) == wanted) {
            return Ok((tuning.clone(), None));
        }
        if tunings.len() < 2 {
            return Ok((first, None));
        }
        self.tell(Event::Stage(Stage::Tune))?;
        // The reference, made for the first check, is no part of a trial.
        let mut spent_s = 0.0;
        let limit_s = TRIALS_SHARE * self.deadline.left_s();
        let mut best = (f64::INFINITY, first);
        for tuning in tunings {
            if spent_s > limit_s {
                break;
            }
            // A variant that cannot run here is no failure of the job: others may.
            let Ok(program) = self.program(info, &tuning) else { continue };
            let start = Instant::now();
            let tried = try_out(device, program);
            spent_s += start.elapsed().as_secs_f64();
            match tried {
                Ok((time_s, outputs)) if time_s < best.0 => {
                    match self.context.input.check(&outputs) {
                        Ok(_) => best = (time_s, tuning),
                        Err(mismatch) => self
                            .tell(Event::TrialWrong { tuning: tuning.name, problem: mismatch.0 })?,
                    }
                }
                Ok(_) => {}
                Err(error @ BackendError::DeviceLost { .. }) => return Err(error.into()),
                Err(_) => {}
            }
        }
        self.deadline = (self.context.deadline)();
        Ok((best.1, Some(spent_s)))
    }

    fn keep(&mut self, options: &mut Options<'_>, outputs: &[Vec<u8>]) -> Result<(), Break<E>> {
        let Some(keep_for) = &mut options.keep else { return Ok(()) };
        let kept = keep_for(self.context.job)
            .and_then(|mut keep| self.context.input.keep(outputs, &mut *keep));
        match kept {
            Ok(()) => self.tell(Event::Kept),
            Err(error) => self.tell(Event::KeepFailed(error.to_string())),
        }
    }

    /// Compares with the reference; the first proof is the one recorded.
    fn check(&mut self, outputs: &[Vec<u8>]) -> Result<(), Break<E>> {
        if let Some(sampling) = &self.context.sampling {
            let digest = digest(outputs);
            if sampling.verified.as_ref() == Some(&digest) || self.verified.contains(&digest) {
                return self.tell(Event::Verified(digest));
            }
            self.compare(outputs)?;
            self.verified.push(digest.clone());
            return self.tell(Event::Verified(digest));
        }
        self.compare(outputs)
    }

    /// Verifies the modes that compute in another way than the one verified first.
    fn check_alone(&mut self, session: &mut dyn Session) -> Result<(), Break<E>> {
        for mode in session.checked_alone() {
            session.reset()?;
            session.run(*mode, 1)?;
            self.check(&session.outputs()?)?;
        }
        Ok(())
    }

    fn compare(&mut self, outputs: &[Vec<u8>]) -> Result<(), Break<E>> {
        match self.context.input.check(outputs) {
            Ok(check) => {
                self.row.check.get_or_insert(check);
                Ok(())
            }
            Err(mismatch) => {
                self.row.check = None;
                Err(Break::Status(Status::WrongOutput, mismatch.0))
            }
        }
    }

    /// Samples every mode that the session can tell apart.
    fn sample_modes(
        &mut self,
        session: &mut dyn Session,
        info: &DeviceInfo,
        first_s: f64,
    ) -> Result<(), Break<E>> {
        let modes = session.modes();
        if let Some(sampling) = &self.context.sampling {
            return self.sample_as_decided(session, sampling, first_s);
        }
        for (index, mode) in modes.iter().copied().enumerate() {
            if self.deadline.hard_limit_passed() {
                break;
            }
            let left_s = self.deadline.left_s().max(LEAST_MODE_S);
            // The first mode is always measured; a late job does without those that it cannot hold.
            if index > 0 && left_s < sample::least_executions(mode) * first_s {
                self.row.unknown.push(format!("{}: the time for this job was over", mode.name()));
                continue;
            }
            self.tell(Event::Stage(Stage::Sample(mode)))?;
            let left = (modes.len() - index) as f64;
            let limits = Limits {
                wall_s: (self.deadline.left_s() / left).max(LEAST_MODE_S),
                warmup_s: if info.kind == DeviceKind::Cpu { WARMUP_CPU_S } else { WARMUP_GPU_S },
                first_s,
                interrupted: self.context.interrupted,
            };
            let before = session.state();
            let sampled = sample::sample(session, mode, &limits)?;
            let after = session.state();
            self.put_state(0, before);
            self.put_state(1, after);
            let energy_j = before.energy_j.zip(after.energy_j).map(|(from, to)| to - from);
            self.put(mode, &sampled, energy_j);
        }
        if info.kind == DeviceKind::Cpu {
            self.fill_same_calls(modes);
        }
        Ok(())
    }

    /// Samples the modes of `sampling` that the session can tell apart.
    fn sample_as_decided(
        &mut self,
        session: &mut dyn Session,
        sampling: &Sampling,
        first_s: f64,
    ) -> Result<(), Break<E>> {
        let known = session.modes();
        let modes = sampling.modes.iter().filter(|(mode, _)| known.contains(mode));
        for (mode, counts) in modes {
            self.tell(Event::Stage(Stage::Sample(*mode)))?;
            let before = session.state();
            let interrupted = self.context.interrupted;
            let sampled = match counts {
                Some(counts) => fixed::sample(session, *mode, *counts)?,
                None => {
                    let (wall_s, warmup_s) = (CALIBRATION_S, WARMUP_CPU_S);
                    let limits = Limits { wall_s, warmup_s, first_s, interrupted };
                    sample::sample(session, *mode, &limits)?
                }
            };
            let after = session.state();
            self.put_state(0, before);
            self.put_state(1, after);
            self.put(*mode, &sampled, None);
        }
        Ok(())
    }

    fn put(&mut self, mode: Mode, sampled: &Sampled, energy_j: Option<f64>) {
        let runs = f64::from(sampled.warmup_runs) + sampled.executions as f64;
        let energy_j = energy_j.filter(|j| *j > 0.0).map(|j| j / runs);
        let host_cpu_s = Some(sampled.host_cpu_s);
        match mode {
            Mode::KernelCold => {}
            Mode::KernelWarm => {
                self.row.host_cpu_s = self.row.host_cpu_s.or(host_cpu_s);
                self.row.energy_j = energy_j.or(self.row.energy_j);
            }
            // Costs are computed from the pipelined time, so its host share is the one that counts.
            Mode::EndToEnd | Mode::Pipelined => self.row.host_cpu_s = host_cpu_s,
        }
        let slot = match mode {
            Mode::KernelCold => &mut self.row.times.kernel_cold,
            Mode::KernelWarm => &mut self.row.times.kernel_warm,
            Mode::EndToEnd => &mut self.row.times.end_to_end,
            Mode::Pipelined => &mut self.row.times.pipelined,
        };
        *slot = row::time(sampled);
    }

    /// On a CPU nothing crosses a link: what a session does not tell apart is the same call.
    fn fill_same_calls(&mut self, modes: &[Mode]) {
        let times = &mut self.row.times;
        let same =
            |from: &Option<Time>, mode: Mode| from.as_ref().map(|t| row::same_call(t, mode.name()));
        if !modes.contains(&Mode::EndToEnd) {
            times.end_to_end = same(&times.kernel_warm, Mode::KernelWarm);
        }
        if !modes.contains(&Mode::Pipelined) {
            let measured = modes.contains(&Mode::EndToEnd);
            times.pipelined = if measured {
                same(&times.end_to_end, Mode::EndToEnd)
            } else {
                same(&times.kernel_warm, Mode::KernelWarm)
            };
        }
    }

    fn name_unknowns(&mut self) {
        let row = &mut *self.row;
        let mut note = |missing: bool, name: &str, reason: &str| {
            if missing {
                row.unknown.push(format!("{name}: {reason}"));
            }
        };
        note(row.energy_j.is_none(), "energy_j", "no energy counter is read on this device");
        note(row.clock_hz[1].is_none(), "clock_hz", "the device does not tell");
        let less = "less than breakeven's own, which the system counts in";
        let why = if row.process.is_some() { less } else { "the system does not tell" };
        note(row.peak_memory_bytes.is_none(), "peak_memory_bytes", why);
    }
}

/// SHA-256 of outputs, their lengths included, in hexadecimal.
fn digest(outputs: &[Vec<u8>]) -> String {
    let mut hash = Sha256::new();
    for output in outputs {
        hash.update((output.len() as u64).to_le_bytes());
        hash.update(output);
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Best time of a few executions of a variant, in seconds, and the outputs of the last.
fn try_out(device: &mut dyn Device, program: Program) -> Result<(f64, Vec<Vec<u8>>), BackendError> {
    let mut session = device.load(program)?;
    let modes = session.modes();
    let mode = modes.iter().find(|m| **m == Mode::KernelWarm).or(modes.first());
    let mode = mode.copied().unwrap_or(Mode::KernelWarm);
    session.run(mode, 1)?;
    let mut best_s = f64::INFINITY;
    for _ in 0..TRIAL_RUNS {
        // Right answers of the variant before must not pass for this one's.
        session.reset()?;
        best_s = best_s.min(session.run(mode, 1)?.total_s);
    }
    Ok((best_s, session.outputs()?))
}
