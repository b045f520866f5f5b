//! What a fleet takes at most, in time and money, and which target may start under its cap.

use super::Fleet;

/// Beyond the time that a run may measure: pulling the image, opening devices, handing over.
const GRACE_MINUTES: f64 = 5.0;

/// What one target takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    /// Seconds after which Kubernetes ends a pod.
    pub pod_deadline_s: f64,
    /// Seconds after which Kubernetes ends the job, waiting for nodes included.
    pub job_deadline_s: f64,
    /// Node-hours as expected: every run as long as it may measure, every node started and cooled
    /// down once.
    pub expected_node_h: f64,
    /// Node-hours that it cannot exceed: nodes for all the time that Kubernetes gives the job, which
    /// has waiting and one more round of runs in place of disrupted ones in it, and every run on a
    /// node of its own that is started and cooled down.
    pub most_node_h: f64,
    /// The first in US dollars.
    pub expected_usd: f64,
    /// The second in US dollars.
    pub most_usd: f64,
}

/// What `runs` runs on target `index` take.
pub fn bounds(fleet: &Fleet, index: usize, runs: u32) -> Bounds {
    let (nodes, runs) = (f64::from(fleet.nodes.min(runs).max(1)), f64::from(runs));
    let rounds = (runs / nodes).ceil();
    let pod_deadline_s = ((fleet.max_minutes + GRACE_MINUTES) * 60.0).ceil();
    let around_h = (fleet.start_up_minutes + fleet.cool_down_minutes) / 60.0;
    let before_s = (fleet.pending_minutes + fleet.start_up_minutes) * 60.0;
    let job_deadline_s = ((rounds + 1.0) * pod_deadline_s + before_s).ceil();
    let expected_node_h = runs * fleet.max_minutes / 60.0 + nodes.min(runs) * around_h;
    let most_node_h = nodes * job_deadline_s / 3600.0 + runs * around_h;
    let price = fleet.targets[index].price_usd_per_h;
    Bounds {
        pod_deadline_s,
        job_deadline_s,
        expected_node_h,
        most_node_h,
        expected_usd: expected_node_h * price,
        most_usd: most_node_h * price,
    }
}

/// A fleet's sums.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sums {
    /// US dollars as expected.
    pub expected_usd: f64,
    /// US dollars that it cannot exceed, before the cap.
    pub most_usd: f64,
    /// Minutes as expected, with all targets beside each other.
    pub expected_minutes: f64,
}

/// The sums over all targets, of which each has so many runs `open`.
pub fn sums(fleet: &Fleet, open: &[u32]) -> Sums {
    let of = |(index, runs): (usize, &u32)| (*runs > 0).then(|| bounds(fleet, index, *runs));
    let all = open.iter().enumerate().filter_map(of);
    let most_runs = open.iter().max().copied().unwrap_or(0);
    let rounds = f64::from(most_runs.div_ceil(fleet.nodes));
    let start = Sums { expected_usd: 0.0, most_usd: 0.0, expected_minutes: 0.0 };
    let sums = all.fold(start, |sum, b| Sums {
        expected_usd: sum.expected_usd + b.expected_usd,
        most_usd: sum.most_usd + b.most_usd,
        ..sum
    });
    Sums { expected_minutes: fleet.start_up_minutes + rounds * fleet.max_minutes, ..sums }
}

/// Whether a target that takes at most `most_usd` may start, where `spent_usd` is gone and the
/// targets that run may still take up to `running_usd`: so the cap holds even if this program dies.
pub fn may_start(fleet: &Fleet, spent_usd: f64, running_usd: f64, most_usd: f64) -> bool {
    spent_usd + running_usd + most_usd <= fleet.max_price_usd + 1e-9
}

/// US dollars of `node_s` seconds in which pods had nodes of target `index`, with `nodes` of them
/// started and cooled down.
pub fn cost_usd(fleet: &Fleet, index: usize, node_s: f64, nodes: usize) -> f64 {
    let around_s = nodes as f64 * (fleet.start_up_minutes + fleet.cool_down_minutes) * 60.0;
    (node_s + around_s) / 3600.0 * fleet.targets[index].price_usd_per_h
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Catalog;

    fn fleet(nodes: u32) -> Fleet {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("f.toml");
        let text = format!(
            "suite = \"quick\"\nimage = \"i\"\nrepeats = 3\nnodes = {nodes}\nmax_minutes = 12\n\
             max_price_usd = 10\nstart_up_minutes = 8\n[[target]]\nsku = \"Standard_D8as_v5\"\n"
        );
        std::fs::write(&path, text).expect("writable");
        let catalog = Catalog::embedded().expect("the catalog");
        let mut fleet = crate::fleet::parse(&path, &catalog).expect("a fleet");
        fleet.targets[0].price_usd_per_h = 1.0;
        fleet
    }

    #[test]
    fn bounds_are_what_deadlines_allow() {
        // 12 min and 5 of grace a pod; three rounds and one more; 18 min around; 20 + 8 before.
        let one = bounds(&fleet(1), 0, 3);
        assert_eq!((one.pod_deadline_s, one.job_deadline_s), (1020.0, 4.0 * 1020.0 + 1680.0));
        assert!((one.expected_usd - 0.9).abs() < 1e-12, "3 · 12 + 18 min");
        assert!((one.most_usd - 150.0 / 60.0).abs() < 1e-12, "4 · 17 + 28 + 3 · 18 min");
        // Two nodes: two rounds and one more on each.
        let two = bounds(&fleet(2), 0, 3);
        assert!((two.expected_usd - 1.2).abs() < 1e-12, "3 · 12 + 2 · 18 min");
        assert!((two.most_usd - 212.0 / 60.0).abs() < 1e-12, "2 · (3 · 17 + 28) + 3 · 18 min");
        // Five nodes for three runs are three.
        assert_eq!(bounds(&fleet(5), 0, 3), bounds(&fleet(3), 0, 3));
        assert_eq!(sums(&fleet(1), &[3]).expected_minutes, 44.0);
        // What is home is not paid again.
        assert_eq!(sums(&fleet(1), &[0]).most_usd, 0.0);
    }

    #[test]
    fn the_cap_holds_with_what_runs_and_what_is_spent() {
        let fleet = fleet(1);
        assert!(may_start(&fleet, 4.0, 4.0, 2.0) && !may_start(&fleet, 4.0, 4.0, 2.01));
        // 42 min of pods on one node, 18 around.
        assert!((cost_usd(&fleet, 0, 42.0 * 60.0, 1) - 1.0).abs() < 1e-12);
    }
}
