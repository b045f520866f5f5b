//! What a node of AKS keeps for itself and for the pods of the system.

/// CPU that AKS keeps for the node itself, in thousandths by vCPUs (AKS documentation on node
/// resource reservations).
const KEPT_MILLI: &[(f64, f64)] = &[
    (1.0, 60.0),
    (2.0, 100.0),
    (4.0, 140.0),
    (8.0, 180.0),
    (16.0, 260.0),
    (32.0, 420.0),
    (64.0, 740.0),
];
/// Room for the pods of the system on a node. DaemonSets of a plain AKS node ask for 310 to 350
/// (network, storage, proxy, cloud), those of monitoring and policies for more, and a pod that asks
/// for what is left and a little more waits for ever.
const SYSTEM_PODS_MILLI: f64 = 600.0;
/// The same of memory.
pub const SYSTEM_PODS_GIB: f64 = 0.5;

/// Thousandths of a vCPU for each of `pods` pods on a node, in steps of 50.
pub fn node_share_milli(vcpus: u32, pods: f64) -> f64 {
    let vcpus = f64::from(vcpus.max(1));
    let free = vcpus * 1000.0 - kept_milli(vcpus) - SYSTEM_PODS_MILLI;
    ((free / pods / 50.0).floor() * 50.0).max(50.0)
}

/// What AKS keeps, between the listed sizes in proportion, beyond them along the last slope.
fn kept_milli(vcpus: f64) -> f64 {
    let last = KEPT_MILLI.len() - 1;
    let upper = KEPT_MILLI.iter().position(|(v, _)| *v >= vcpus).unwrap_or(last).max(1);
    let ((v0, m0), (v1, m1)) = (KEPT_MILLI[upper - 1], KEPT_MILLI[upper]);
    m0 + (m1 - m0) * (vcpus - v0) / (v1 - v0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_keeps_what_aks_lists() {
        assert_eq!(kept_milli(1.0), 60.0);
        assert_eq!(kept_milli(2.0), 100.0);
        assert_eq!(kept_milli(24.0), 340.0); // halfway from 260 to 420
        assert_eq!(kept_milli(96.0), 1060.0); // 740 + 32 · 10
        // 2000 − 100 − 600 = 1300; of 16 vCPUs in two: (16000 − 260 − 600) / 2 = 7570.
        assert_eq!(node_share_milli(2, 1.0), 1300.0);
        assert_eq!(node_share_milli(16, 2.0), 7550.0);
    }
}
