//! The arms of one case: ours, the libraries that breakeven calls, and crates.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use breakeven::backend::cpu::CpuBackend;
use breakeven::backend::{Backend, Device, Session};
use breakeven::plan::Job;
use breakeven_kernels::work::{DeviceInfo, Input, Program};
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
    /// The peer.
    pub peer: String,
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
pub fn compare(
    jobs: &[Job],
    device: &DeviceInfo,
    budget: Duration,
    roofline: &Roofline,
) -> Result<Vec<Row>> {
    let input = jobs[0].case.input(1)?;
    let is_ours = |job: &&Job| job.implementation.name == "cpu/simd";
    let ours = jobs.iter().find(is_ours).context("no implementation of our own runs here")?;
    let mut own_device = CpuBackend.open(&device.id)?;
    let mut own = session(&mut *own_device, &*input, ours)?;
    checked(&mut *own, &*input).context("cpu/simd")?;
    let expected = own.outputs()?;
    let mut rows = Vec::new();
    let mut add = |name: &str, peer: &mut dyn Session, own: &mut dyn Session, check: Check<'_>| {
        if let Err(error) = check(peer) {
            eprintln!("  {name}: {error:#}; left out");
            return Ok(());
        }
        let pairs = turns::take(own, peer, budget)?;
        check(peer).with_context(|| format!("{name}, after its turns"))?;
        let work = input.work();
        let ours_per_s = work.useful / pairs.ours_s;
        rows.push(Row {
            case: jobs[0].case_key.clone(),
            threads: device.threads.unwrap_or(1),
            peer: name.to_owned(),
            ours_per_s,
            peer_per_s: work.useful / pairs.peer_s,
            unit: work.useful_unit.clone(),
            ratio: pairs.ratio,
            ratio_lo: pairs.interval.0,
            ratio_hi: pairs.interval.1,
            pairs: pairs.pairs,
            of_roofline: roofline.ops_per_s(&work).map(|most| work.ops / pairs.ours_s / most),
        });
        anyhow::Ok(())
    };
    let whole: Check<'_> = &mut |peer| checked(peer, &*input);
    for job in jobs.iter().filter(|job| !is_ours(job)) {
        let mut device = CpuBackend.open(&device.id)?;
        let mut peer = session(&mut *device, &*input, job)?;
        add(job.implementation.name, &mut *peer, &mut *own, whole)?;
    }
    for peer in crates::PEERS {
        if let Some(mut session) = crates::session(peer, &*input, jobs[0].family, device)? {
            add(peer.name, &mut session, &mut *own, whole)?;
        }
    }
    let threads = device.threads.unwrap_or(1);
    for (name, mut peer) in alignment::sessions(&jobs[0].case_key, &*input, &expected, threads)? {
        add(name, &mut peer, &mut *own, &mut |peer| alignment::checked(peer, &expected))?;
    }
    for (name, mut peer) in transcode::sessions(&jobs[0].case_key, &*input, &expected, threads)? {
        add(name, &mut *peer, &mut *own, &mut |peer| transcode::checked(peer, &expected))?;
    }
    checked(&mut *own, &*input).context("cpu/simd, after its turns")?;
    Ok(rows)
}

/// The program of `job` on `device`, the first of its tunings.
fn session<'d>(
    device: &'d mut dyn Device,
    input: &dyn Input,
    job: &Job,
) -> Result<Box<dyn Session + 'd>> {
    let info = device.info().clone();
    let tuning = input.tunings(job.implementation, &info).swap_remove(0);
    let program = input.program(job.implementation, &info, &tuning)?;
    if matches!(program, Program::Command(_)) {
        bail!("{} is a program of its own", job.implementation.name);
    }
    Ok(device.load(program)?)
}

/// Runs on poisoned outputs and holds them to the reference.
fn checked(session: &mut dyn Session, input: &dyn Input) -> Result<()> {
    session.reset()?;
    session.run(breakeven::backend::Mode::KernelWarm, 1)?;
    input.check(&session.outputs()?)?;
    Ok(())
}
