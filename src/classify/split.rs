//! A GPU node whose vCPUs set the pace: what CPU nodes for that work would cost.

use super::Reason;
use super::Side;
use super::candidate::{Candidate, Standing, reason};
use super::words::{dollars, nodes};
use crate::cost::Resource;
use crate::cost::node::JobOn;

/// The reason `split` with its money, where the vCPUs of `gpu` set the pace and something would
/// be left for its GPU.
///
/// What moves is the serial work and every compute stage that keeps the vCPUs longer than the GPU;
/// such a stage then runs on the CPU size as it would there.
pub(super) fn of(gpu: &Candidate, candidates: &[Candidate]) -> Option<Reason> {
    let job = gpu.job.as_ref()?;
    if !matches!(job.throughput().1, Resource::HostCpu | Resource::Serial) {
        return None;
    }
    let moves: Vec<bool> = (0..job.stages.len()).map(|stage| job.host_bound(stage)).collect();
    if moves.iter().all(|moved| *moved) {
        return None;
    }
    let moved = |job: &JobOn| job.part(|stage| moves[stage], true);
    let left = gpu.with_job(job.part(|stage| !moves[stage], false)).median_usd_per_month()?;
    let (pool, usd) = candidates
        .iter()
        .filter(|c| c.side == Side::Cpu && c.standing == Standing::Eligible)
        .filter_map(|c| {
            let pool = c.with_job(moved(c.job.as_ref()?));
            let usd = pool.median_usd_per_month()?;
            Some((pool, usd))
        })
        .min_by(|a, b| a.1.total_cmp(&b.1).then(a.0.sku.name.cmp(&b.0.sku.name)))?;
    let now = gpu.median_usd_per_month()?;
    let text = format!(
        "the few vCPUs beside the GPU set the pace; CPU nodes for their work would cost {} a month \
         ({} of {}) and leave {} for GPU nodes: {} together instead of {}",
        dollars(usd),
        nodes(pool.nodes()?.0),
        pool.sku.name,
        dollars(left),
        dollars(usd + left),
        dollars(now)
    );
    Some(reason("split", text))
}
