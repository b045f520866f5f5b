//! What AKS cannot do.

use super::*;

#[test]
fn what_aks_cannot_do_is_refused_with_the_next_step() {
    let t4 = || Case::on("Standard_NC4as_T4_v3");
    let a100 = || Case::on("Standard_NC24ads_A100_v4");
    let empty_at_night = |mut case: Case| {
        case.size.fewest_nodes = Some(0);
        case
    };
    let windows = |mut case: Case| {
        case.workload.node.os = "windows".into();
        case
    };
    let cases: Vec<(Case, &str)> = vec![
        (t4().with(|c| c.sharing = Some(ShareBy::Mig)), "cannot be cut into MIG"),
        (t4().with(|c| c.mode = PoolMode::System), "--mode user"),
        (
            empty_at_night(Case::on("Standard_F16s_v2")).with(|c| c.mode = PoolMode::System),
            "does not scale to zero",
        ),
        (empty_at_night(t4()).with(|c| c.gpu_stack = GpuStack::Operator), "--min-nodes 1"),
        (empty_at_night(t4()).with(|c| c.gpu_stack = GpuStack::Managed), "no cluster autoscaler"),
        (windows(t4()).with(|c| c.gpu_stack = GpuStack::Operator), "runs on Windows"),
        (windows(t4()).with(|c| c.provisioner = Provisioner::AutoProvisioning), "Linux nodes only"),
        (windows(t4()).with(|c| c.pool = Some("gpupool".into())), "up to 6 lower-case"),
        (t4().with(|c| c.pool = Some("GPU".into())), "lower-case"),
        (t4().with(|c| c.queue = Some("Team A".into())), "--kueue team-a"),
        (t4().with(|c| c.image = Some(" ".into())), "--image example.org"),
        (a100().with(|c| c.sharing = Some(ShareBy::Mps)), "--gpu-stack operator"),
        (
            a100().with(|c| {
                c.sharing = Some(ShareBy::Mig);
                c.provisioner = Provisioner::AutoProvisioning;
            }),
            "no field for MIG",
        ),
        (t4().with(|c| c.kaito = Some("phi-4".into())), "compute capability 8.0"),
        (Case::on("Standard_F16s_v2").with(|c| c.kaito = Some("phi-4".into())), "on GPU nodes"),
        (
            Case::on("Standard_F16s_v2").with(|c| c.sharing = Some(ShareBy::TimeSlicing)),
            "no GPU to share",
        ),
        (Case::on("g5.xlarge"), "writes for AKS"),
    ];
    for (mut case, expected) in cases {
        // Sharing is refused for another reason where the GPU is too busy.
        if case.choices.sharing.is_some() {
            case.size.utilisation = Some(0.1);
        }
        let said = case.refused();
        assert!(said.contains(expected), "{expected}: {said}");
    }
    // A GPU that is busy 40 % of the time at 70 % allowed has no room for a second such pod.
    let busy = a100().with(|c| c.sharing = Some(ShareBy::TimeSlicing)).refused();
    assert!(busy.contains("busy 40 %"), "{busy}");
}
