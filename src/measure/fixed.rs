//! Sampling that was decided beforehand. Where two programs are compared, a rule that stops by what
//! it sees would let them run differently; so both get the same counts.

use serde::{Deserialize, Serialize};

use super::sample::{Sampled, Stop};
use crate::backend::{Mode, Session};

/// How one job is sampled where it is not left to the measuring itself.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sampling {
    /// Name of the variant to use; without one, or where there is none of that name, the fastest
    /// is looked for.
    pub tuning: Option<String>,
    /// Only these modes, in this order; one without counts is calibrated for a moment.
    pub modes: Vec<(Mode, Option<Counts>)>,
    /// SHA-256 of outputs that the reference has confirmed for this program and input: the same
    /// bytes need no second comparison.
    pub verified: Option<String>,
}

/// How often a mode is executed, whatever is seen meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Executions in one sample.
    pub iterations: u32,
    /// Executions before the first sample.
    pub warmup_runs: u32,
    /// Samples.
    pub samples: u32,
}

/// Takes exactly as many samples as `counts` says.
pub(super) fn sample(
    session: &mut dyn Session,
    mode: Mode,
    counts: Counts,
) -> Result<Sampled, Stop> {
    let mut out = Sampled {
        iterations: counts.iterations.max(1),
        warmup_runs: counts.warmup_runs,
        settled: true,
        ..Sampled::default()
    };
    session.prepare(mode)?;
    if counts.warmup_runs > 0 {
        session.run(mode, counts.warmup_runs)?;
    }
    let timings = session.sample(mode, out.iterations, counts.samples as usize)?;
    timings.iter().for_each(|timing| out.push(timing));
    out.executions = u64::from(counts.samples) * u64::from(out.iterations);
    out.host_cpu_s /= out.executions.max(1) as f64;
    Ok(out)
}
