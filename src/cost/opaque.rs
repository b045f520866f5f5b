//! Programs of their own: the user's, and encoders. Nothing is known of what they do inside, so there is no roof and no
//! prediction: a time counts on the VM size where it was taken, and nowhere else.

use breakeven_kernels::work::{DeviceKind, OpKind};

use super::Estimate;
use super::evidence::MeasuredDevice;
use super::stage::{Asked, NoTime};
use crate::catalog::Sku;

/// Whether the stage is such a program.
pub fn is_opaque(asked: &Asked) -> bool {
    asked.case.work.op_kind == OpKind::Opaque
}

/// The family of the user's own programs.
const OWN: &str = "command";

fn is_own(family: &str) -> bool {
    family == OWN
}

/// What such a stage of `family` is called.
pub fn what(family: &str) -> &'static str {
    if is_own(family) { "a program of your own" } else { "an encoder" }
}

/// Why the stage has no time on `sku`, given that it was not measured there as it should be.
pub fn no_time(asked: &Asked, sku: &Sku, devices: &[MeasuredDevice]) -> NoTime {
    let (key, kind) =
        if sku.has_gpu() { ("gpu", DeviceKind::Gpu) } else { ("cpu", DeviceKind::Cpu) };
    let own = is_own(&asked.stage.family);
    if own && asked.stage.params.get(key).is_none() {
        return NoTime::Unknown(format!("the stage gives no `{key}` command"));
    }
    let here = |d: &&MeasuredDevice| {
        d.info.kind == kind
            && d.env.sku.as_deref().is_some_and(|name| name.eq_ignore_ascii_case(&sku.name))
            && d.time(&asked.stage.family, asked.case).is_some()
    };
    let nameless = |d: &MeasuredDevice| {
        d.info.kind == kind
            && d.env.sku.is_none()
            && d.time(&asked.stage.family, asked.case).is_some()
    };
    let text = match (devices.iter().find(here), kind) {
        (Some(device), DeviceKind::Cpu) => format!(
            "it was measured there on {} of {} threads; measure it on all of them",
            device.info.threads.map_or_else(|| "some".into(), |n| n.to_string()),
            sku.vcpus
        ),
        (Some(device), _) => format!(
            "it was measured there on {}, which is not the size's {}",
            device.info.name,
            sku.gpu_model.as_deref().unwrap_or("GPU")
        ),
        (None, _) if devices.iter().any(nameless) => {
            "it was measured on a machine whose VM size is not known: say it with --sku".into()
        }
        (None, _) => {
            format!("{} is judged only where it ran; measure it there", what(&asked.stage.family))
        }
    };
    NoTime::Unknown(text)
}

/// The node-seconds of a CPU command that took `wall_s` and `cpu_s` CPU-seconds on a node with
/// `threads`: the whole wall-clock time, as measured, but perhaps as little as cpu_s ÷ threads.
/// What a program leaves idle, a second copy of it might use; nobody measured whether it does.
pub fn node_s(wall_s: Estimate, cpu_s: Option<f64>, threads: f64) -> Estimate {
    let packed_s = cpu_s.filter(|s| *s > 0.0).map_or(wall_s.lo90, |s| s / threads);
    Estimate { lo90: wall_s.lo90.min(packed_s), ..wall_s }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_threads_widen_the_interval_downwards_only() {
        let wall_s = Estimate { median: 10.0, lo90: 9.8, hi90: 10.3 };
        // One busy thread of four: 10 CPU-seconds ÷ 4 threads = 2.5 s at best.
        let alone = node_s(wall_s, Some(10.0), 4.0);
        assert_eq!((alone.lo90, alone.median, alone.hi90), (2.5, 10.0, 10.3));
        // All four busy: 39.6 ÷ 4 = 9.9 s, above the interval's own end.
        assert_eq!(node_s(wall_s, Some(39.6), 4.0), wall_s);
        assert_eq!(node_s(wall_s, None, 4.0), wall_s);
    }
}
