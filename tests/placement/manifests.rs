//! A user's manifest: what is changed in it, what stays, and what is refused.

use super::*;

#[test]
fn a_placed_manifest_placed_again_is_the_same_byte_for_byte() {
    for name in ["deployment.yaml", "cronjob.yaml"] {
        for sku in ["Standard_NC4as_T4_v3", "Standard_F16s_v2"] {
            let once = Case::on(sku).with(|c| c.manifest = manifest(name)).placed();
            let text = text_of(&once, "workload.yaml").to_owned();
            let again = Manifest { name: name.into(), text: text.clone() };
            let twice = Case::on(sku).with(|c| c.manifest = Some(again)).placed();
            assert_eq!(text_of(&twice, "workload.yaml"), text, "{name} on {sku}");
        }
    }
}

#[test]
fn a_manifest_keeps_its_comments_its_order_and_what_is_not_about_placement() {
    let case = Case::on("Standard_NC4as_T4_v3").with(|c| c.manifest = manifest("deployment.yaml"));
    let placement = case.placed();
    let text = text_of(&placement, "workload.yaml");
    for kept in [
        "# The service of the team.",
        "ports: [{port: 80}]   # flow style",
        "name: embedder   # not renamed",
        "# today's nodes",
        "disk: fast        # stays",
        "args: [\"--batch\", \"8\"]",
        "- name: cache\n        emptyDir: {}",
        "nvidia.com/gpu: 1   # one",
        "- key: team\n        operator: Exists",
    ] {
        assert!(text.contains(kept), "{kept} is lost:\n{text}");
    }
    assert!(!text.contains("accelerator: nvidia"), "{text}");
    assert!(text.contains("kubernetes.azure.com/agentpool: gpuic"), "{text}");
    // The GPU says which of the two containers computes.
    let sidecar = text.find("name: sidecar").expect("the sidecar");
    let cpu = text.find("cpu: 1200m").expect("the request");
    assert!(cpu > text.find("name: main").expect("the other") && cpu > sidecar, "{text}");
    let told = placement.remarks.join("\n");
    assert!(told.contains("requests cpu: 1200m in place of 1"), "{told}");
    assert!(told.contains("nodeSelector accelerator: nvidia is taken out"), "{told}");
    // More memory than the workload says is the manifest's word.
    assert!(text.contains("memory: 4Gi") && told.contains("memory 4Gi is kept"), "{told}");
    assert!(told.contains("replicas 3 and the pool's most nodes hold 2"), "{told}");
}

#[test]
fn a_cpu_verdict_takes_the_gpu_out() {
    for name in ["deployment.yaml", "cronjob.yaml"] {
        let case = Case::on("Standard_F16s_v2").with(|c| c.manifest = manifest(name));
        let placement = case.placed();
        let text = text_of(&placement, "workload.yaml");
        let body: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        let body = body.join("\n");
        assert!(!body.contains("nvidia.com/gpu") && !body.contains("sku"), "{body}");
        assert!(placement.remarks.iter().any(|r| r.contains("nvidia.com/gpu is taken out")));
        let saves = |r: &String| r.starts_with("without a GPU it costs $987 a month");
        assert!(placement.remarks.iter().any(saves), "{:?}", placement.remarks);
    }
}

#[test]
fn a_manifest_that_cannot_be_placed_is_refused() {
    let with = |text: &str, container: Option<&str>| {
        Case::on("Standard_NC4as_T4_v3")
            .with(|c| {
                c.manifest = Some(Manifest { name: "m.yaml".into(), text: text.into() });
                c.container = container.map(str::to_owned);
            })
            .refused()
    };
    let pod = "kind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n  - name: a\n    image: i\n";
    for (said, expected) in [
        (with("a: [", None), "m.yaml, document 1"),
        (with("", None), "no Pod, Deployment"),
        (with("kind: Service\n", None), "no Pod, Deployment"),
        (with("kind: List\nitems: []\n", None), "as documents"),
        (with("kind: Pod\nmetadata: {name: p}\n", None), "Pod p: no spec"),
        (with(pod, Some("b")), "no container b; it has a"),
    ] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
}

/// A pod with `spec` placed on a size with a GPU, or on one without.
fn placed_pod(spec: &str, gpu: bool) -> Result<(String, String), Refusal> {
    let text = format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec:\n{spec}");
    let sku = if gpu { "Standard_NC4as_T4_v3" } else { "Standard_F16s_v2" };
    let case = Case::on(sku).with(|c| c.manifest = Some(Manifest { name: "m.yaml".into(), text }));
    let placement = case.place()?;
    let text = text_of(&placement, "workload.yaml");
    let body: Vec<&str> = text.lines().filter(|l| !l.starts_with("# breakeven")).collect();
    Ok((body.join("\n") + "\n", placement.remarks.join("\n")))
}

#[test]
fn what_contradicts_the_placement_is_taken_out_or_refused() {
    let one = "  containers:\n  - {name: a, image: i}\n";
    let with_gpu = "  - name: b\n    image: i\n    resources: {limits: {nvidia.com/gpu: 1}}\n";
    let init = format!("{one}  initContainers:\n{with_gpu}");
    let (text, told) = placed_pod(&init, false).expect("placed");
    assert!(
        !text.contains("nvidia") && told.contains("limits nvidia.com/gpu is taken out"),
        "{text}"
    );
    let said = placed_pod(&init, true).expect_err("refused").to_string();
    assert!(said.contains("its container b asks for nvidia.com/gpu as well"), "{said}");
    let runtime = format!("{one}  runtimeClassName: nvidia\n");
    let (text, _) = placed_pod(&runtime, false).expect("placed");
    assert!(!text.contains("runtimeClassName"), "{text}");
    assert!(placed_pod(&runtime, true).expect("placed").0.contains("runtimeClassName: nvidia"));
    let affinity = |key: &str, value: &str| {
        format!(
            "{one}  affinity:\n    nodeAffinity:\n      \
             requiredDuringSchedulingIgnoredDuringExecution:\n        nodeSelectorTerms:\n        \
             - matchExpressions:\n          - {{key: {key}, operator: In, values: [{value}]}}\n"
        )
    };
    for (spec, expected) in [
        (affinity("node.kubernetes.io/instance-type", "Standard_NC6s_v3"), "its nodeAffinity asks"),
        (format!("{one}  nodeName: n1\n"), "nodeName n1 fixes the node"),
        // What an alias stands for cannot be changed in one place only.
        (
            format!("{one}  affinity: &a {{b: c}}\n  tolerations: &t []\n  nodeSelector: *a\n"),
            "without changing something else",
        ),
    ] {
        let said = placed_pod(&spec, true).expect_err("refused").to_string();
        assert!(said.contains(expected), "{expected}: {said}");
    }
    // What agrees or is about something else stays.
    placed_pod(&affinity("kubernetes.io/os", "linux"), true).expect("placed");
    placed_pod(&affinity("topology.kubernetes.io/zone", "eastus-1"), true).expect("placed");
    let rest = format!(
        "{one}  nodeSelector: {{kubernetes.io/os: linux}}\n  tolerations:\n  - {{key: sku, value: \
         bigmem, effect: NoSchedule}}\n"
    );
    let (text, told) = placed_pod(&rest, false).expect("placed");
    assert!(text.contains("kubernetes.io/os: linux") && text.contains("bigmem"), "{text}");
    assert!(!told.contains("taken out"), "{told}");
}

#[test]
fn requests_leave_room_for_sidecars_and_never_lower_memory() {
    let spec = "  containers:\n  - name: a\n    image: i\n    resources:\n      requests: {memory: \
                16Gi}\n  - name: proxy\n    image: i\n    resources: {requests: {cpu: 3000m}}\n";
    // 3500 thousandths on the node, of which the proxy has 3000.
    let (text, told) = placed_pod(spec, true).expect("placed");
    assert!(text.contains("cpu: 500m") && text.contains("memory: 16Gi"), "{text}");
    assert!(!text.contains("memory: 3000Mi"), "a limit that nobody asked for: {text}");
    assert!(told.contains("memory 16Gi is kept: the workload says 3000Mi"), "{told}");
}

#[test]
fn a_queue_is_named_where_kueue_looks_and_in_the_namespace_of_the_manifest() {
    let text = fixture("placement/cronjob.yaml")
        .replace("name: nightly", "name: nightly\n  namespace: dna");
    let case = Case::on("Standard_NC4as_T4_v3").with(|c| {
        c.manifest = Some(Manifest { name: "m.yaml".into(), text });
        c.queue = Some("team-a".into());
    });
    let placement = case.placed();
    let text = text_of(&placement, "workload.yaml");
    let (above, template) = text.split_once("jobTemplate:").expect("a template");
    let label = "kueue.x-k8s.io/queue-name: team-a";
    assert!(template.contains(label) && !above.contains(label), "{text}");
    let queue = text_of(&placement, "kueue.yaml");
    assert!(queue.contains("namespace: dna"), "{queue}");
    // Two nodes at most: 2 · 3500 thousandths, 2 · 24000 MiB, 2 GPUs.
    for quota in ["7000m", "48000Mi", "'2'"] {
        assert!(queue.contains(&format!("nominalQuota: {quota}")), "{quota}: {queue}");
    }
}
