//! A GPU node whose vCPUs set the pace: what CPU nodes for that work, and the cheapest GPU nodes for
//! the rest, would cost.

use super::Reason;
use super::Side;
use super::candidate::{Candidate, Standing, reason};
use super::words::{dollars, nodes};
use crate::cost::Resource;

/// The reason `split` with its money, where the vCPUs of `gpu` set the pace and something would
/// be left for its GPU.
///
/// What moves is the serial work and every compute stage that keeps the vCPUs longer than the GPU;
/// such a stage then runs on the CPU size as it would there. What is left may take another GPU size,
/// whose vCPUs no longer matter.
pub(super) fn of(gpu: &Candidate, candidates: &[Candidate]) -> Option<Reason> {
    let job = gpu.job.as_ref()?;
    if !matches!(job.throughput().1, Resource::HostCpu | Resource::Serial) {
        return None;
    }
    let moves: Vec<bool> = (0..job.stages.len()).map(|stage| job.host_bound(stage)).collect();
    if moves.iter().all(|moved| *moved) {
        return None;
    }
    let serial = |side: Side| side == Side::Cpu;
    let cheapest = |side: Side| {
        let whole = |c: &&Candidate| {
            c.side == side && c.standing == Standing::Eligible && c.shared.is_none()
        };
        candidates
            .iter()
            .filter(whole)
            .filter_map(|c| {
                let part = |stage: usize| moves[stage] == serial(side);
                let pool = c.with_job(c.job.as_ref()?.part(part, serial(side)));
                let usd = pool.median_usd_per_month()?;
                Some((pool, usd))
            })
            .min_by(|a, b| super::bill::cheaper((a.1, &a.0), (b.1, &b.0)))
    };
    let (cpu, cpu_usd) = cheapest(Side::Cpu)?;
    let (left, left_usd) = cheapest(Side::Gpu)?;
    let now = gpu.median_usd_per_month()?;
    let together = cpu_usd + left_usd;
    let effect = if dollars(together) == dollars(now) {
        "the same money as now".to_owned()
    } else if together < now {
        format!("which would save {}", dollars(now - together))
    } else {
        format!("so splitting would cost {} more", dollars(together - now))
    };
    let text = format!(
        "the few vCPUs beside the GPU set the pace; CPU nodes for their work would cost {} a month \
         ({} of {}) and GPU nodes for the rest {} ({} of {}): {} together instead of {}, {effect}",
        dollars(cpu_usd),
        nodes(cpu.nodes()?.0),
        cpu.sku.name,
        dollars(left_usd),
        nodes(left.nodes()?.0),
        left.sku.name,
        dollars(together),
        dollars(now)
    );
    Some(reason("split", text))
}
