//! The arms of one case: ours, the libraries that breakeven calls, and crates.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use breakeven::backend::cpu::CpuBackend;
use breakeven::backend::{Backend, BackendError, Device, Mode, Session};
use breakeven::plan::Job;
use breakeven_kernels::work::{DeviceInfo, Input, Language, Program, Tuning, Unsupported};
use serde::Serialize;

use crate::alignment;
use crate::crates;
use crate::roofline::Roofline;
use crate::transcode;
use crate::turns;

/// Ours beside one peer.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// Key of the case.
    pub case: String,
    /// Threads.
    pub threads: u32,
    /// The fastest of our implementations, which ran.
    pub ours: String,
    /// The peer.
    pub peer: String,
    /// What it chose among its own ways, in its words, where it tells.
    pub peer_chose: Option<String>,
    /// Useful work per second of ours and of the peer.
    pub ours_per_s: f64,
    /// Of the peer.
    pub peer_per_s: f64,
    /// What is counted.
    pub unit: String,
    /// How many times as fast ours is, by the median of the pairs.
    pub ratio: f64,
    /// 95 % interval of that.
    pub ratio_lo: f64,
    /// Its upper end.
    pub ratio_hi: f64,
    /// Pairs of turns.
    pub pairs: usize,
    /// Our rate ÷ the roofline measured in this process; `None` where there is none for it.
    pub of_roofline: Option<f64>,
}

/// Runs a peer and holds what it gives to what is right.
type Check<'a> = &'a mut dyn FnMut(&mut dyn Session) -> Result<()>;

/// Ours against every peer of one case; `jobs` are ours and the libraries'.
///
/// # Errors
/// Ours failing or wrong; a peer that is wrong is told and left out.
pub fn with_peers(
    jobs: &[Job],
    device: &DeviceInfo,
    budget: Duration,
    roofline: &Roofline,
) -> Result<Vec<Row>> {
    compare(jobs, device, budget, roofline, add_peers)
}

/// Ours against ours on one thread: the ratio is how many threads' worth of work a device's threads do.
///
/// # Errors
/// Ours failing or wrong.
pub fn with_one_thread(
    jobs: &[Job],
    device: &DeviceInfo,
    budget: Duration,
    roofline: &Roofline,
) -> Result<Vec<Row>> {
    compare(jobs, device, budget, roofline, |duel, jobs, _| {
        let mut one = CpuBackend.open("cpu:1")?;
        let info = one.info().clone();
        let input = duel.input;
        // Another implementation may be the fastest there.
        let (ours, tuning) = fastest(jobs.iter().filter(|job| is_ours(job)), &info, input)?;
        let mut alone = session(&mut *one, input, ours, &tuning)?;
        let (name, warm) =
            (format!("{} on one thread", ours.implementation.name), Mode::KernelWarm);
        duel.add(&name, &mut *alone, warm, &mut |alone| checked(alone, input, warm))
    })
}

/// Ours against whatever `add_arms`, which is given the right outputs, adds.
fn compare(
    jobs: &[Job],
    device: &DeviceInfo,
    budget: Duration,
    roofline: &Roofline,
    add_arms: impl FnOnce(&mut Duel<'_>, &[Job], &[Vec<u8>]) -> Result<()>,
) -> Result<Vec<Row>> {
    let input = &*jobs[0].case.input(1)?;
    let (ours, tuning) = fastest(jobs.iter().filter(|job| is_ours(job)), device, input)?;
    let mut own_device = CpuBackend.open(&device.id)?;
    let mut own = session(&mut *own_device, input, ours, &tuning)?;
    let warm = Mode::KernelWarm;
    checked(&mut *own, input, warm).context(ours.implementation.name)?;
    let expected = own.outputs()?;
    let mut duel = Duel { ours, own: &mut *own, device, input, budget, roofline, rows: Vec::new() };
    add_arms(&mut duel, jobs, &expected)?;
    let rows = duel.rows;
    checked(&mut *own, input, warm)
        .with_context(|| format!("{}, after its turns", ours.implementation.name))?;
    Ok(rows)
}

fn add_peers(duel: &mut Duel<'_>, jobs: &[Job], expected: &[Vec<u8>]) -> Result<()> {
    let (device, input, warm) = (duel.device, duel.input, Mode::KernelWarm);
    for job in jobs.iter().filter(|job| !is_ours(job)) {
        let mut device = CpuBackend.open(&device.id)?;
        let tuning = input.tunings(job.implementation, device.info()).swap_remove(0);
        let name = job.implementation.name;
        // Which cases a library has on a CPU only it knows.
        let mut peer = match session(&mut *device, input, job, &tuning) {
            Ok(peer) => peer,
            Err(error) if is_unsupported(&error) => {
                eprintln!("  {name}: {error:#}; left out");
                continue;
            }
            Err(error) => return Err(error.context(name)),
        };
        duel.add(name, &mut *peer, warm, &mut |peer| checked(peer, input, warm))?;
        // Ours begins and ends with the case's layout; so does this, where a library likes its own.
        let whole = Mode::EndToEnd;
        if job.family == "convolution" && peer.modes().contains(&whole) {
            let name = format!("{name} end to end");
            duel.add(&name, &mut *peer, whole, &mut |peer| checked(peer, input, whole))?;
        }
    }
    for peer in crates::PEERS {
        if let Some(mut session) = crates::session(peer, input, jobs[0].family, device)? {
            duel.add(peer.name, &mut session, warm, &mut |peer| checked(peer, input, warm))?;
        }
    }
    let threads = device.threads.unwrap_or(1);
    for (name, mut peer) in alignment::sessions(&jobs[0].case_key, input, expected, threads)? {
        duel.add(name, &mut peer, warm, &mut |peer| alignment::checked(peer, expected))?;
    }
    for (name, mut peer) in transcode::sessions(&jobs[0].case_key, input, expected, threads)? {
        duel.add(name, &mut *peer, warm, &mut |peer| transcode::checked(peer, expected))?;
    }
    Ok(())
}

/// One case of ours, and what came of its turns with peers.
struct Duel<'a> {
    ours: &'a Job,
    own: &'a mut dyn Session,
    device: &'a DeviceInfo,
    input: &'a dyn Input,
    budget: Duration,
    roofline: &'a Roofline,
    rows: Vec<Row>,
}

impl Duel<'_> {
    /// Turns of ours, warm, and `peer` in `mode`.
    fn add(
        &mut self,
        name: &str,
        peer: &mut dyn Session,
        mode: Mode,
        check: Check<'_>,
    ) -> Result<()> {
        if let Err(error) = check(peer) {
            eprintln!("  {name}: {error:#}; left out");
            return Ok(());
        }
        let peer_chose = peer.chosen();
        if let Some(chosen) = &peer_chose {
            eprintln!("  {name} chose {chosen}");
        }
        let pairs = turns::take(self.own, peer, mode, self.budget)?;
        check(peer).with_context(|| format!("{name}, after its turns"))?;
        let work = self.input.work();
        let most = self.roofline.ops_per_s(&work);
        self.rows.push(Row {
            case: self.ours.case_key.clone(),
            threads: self.device.threads.unwrap_or(1),
            ours: self.ours.implementation.name.to_owned(),
            peer: name.to_owned(),
            peer_chose,
            ours_per_s: work.useful / pairs.ours_s,
            peer_per_s: work.useful / pairs.peer_s,
            unit: work.useful_unit.clone(),
            ratio: pairs.ratio,
            ratio_lo: pairs.interval.0,
            ratio_hi: pairs.interval.1,
            pairs: pairs.pairs,
            of_roofline: most.map(|most| work.ops / pairs.ours_s / most),
        });
        Ok(())
    }
}

/// Whether a library said that it has no such case on this CPU.
fn is_unsupported(error: &anyhow::Error) -> bool {
    error.is::<Unsupported>()
        || matches!(error.downcast_ref(), Some(BackendError::Unsupported { .. }))
}

/// Whether `job` is computed by Rust code of this project.
fn is_ours(job: &Job) -> bool {
    job.implementation.language == Language::Native
}

/// The one of `jobs` that computes its case fastest in a short trial, and its variant.
///
/// # Errors
/// None there, or one that fails.
fn fastest<'j>(
    jobs: impl Iterator<Item = &'j Job>,
    device: &DeviceInfo,
    input: &dyn Input,
) -> Result<(&'j Job, Tuning)> {
    let mut best: Option<(f64, &Job, Tuning)> = None;
    for job in jobs {
        let mut device = CpuBackend.open(&device.id)?;
        let tunings = input.tunings(job.implementation, device.info());
        for tuning in tunings {
            let mut session = session(&mut *device, input, job, &tuning)?;
            let time_s = turns::trial(&mut *session).context(job.implementation.name)?;
            if best.as_ref().is_none_or(|(least_s, ..)| time_s < *least_s) {
                best = Some((time_s, job, tuning));
            }
        }
    }
    let (_, job, tuning) = best.context("no implementation of our own runs here")?;
    Ok((job, tuning))
}

/// The program of `job` on `device`.
fn session<'d>(
    device: &'d mut dyn Device,
    input: &dyn Input,
    job: &Job,
    tuning: &Tuning,
) -> Result<Box<dyn Session + 'd>> {
    let info = device.info().clone();
    let program = input.program(job.implementation, &info, tuning)?;
    if matches!(program, Program::Command(_)) {
        bail!("{} is a program of its own", job.implementation.name);
    }
    Ok(device.load(program)?)
}

/// Runs on poisoned outputs and holds them to the reference.
fn checked(session: &mut dyn Session, input: &dyn Input, mode: Mode) -> Result<()> {
    session.reset()?;
    session.run(mode, 1)?;
    input.check(&session.outputs()?)?;
    Ok(())
}
