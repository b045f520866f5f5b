//! What `place` writes: every file word for word, held to the published schemas, and run.
//!
//! A wanted change: `INSTA_UPDATE=always cargo test --test placement`, then read the difference.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use breakeven::catalog::{Catalog, PriceKind};
use breakeven::classify::{SkuCost, Verdict};
use breakeven::cost::Estimate;
use breakeven::placement::{
    Asked, Choices, GpuStack, Manifest, MigStrategy, Needs, Placement, PoolMode, Provisioner,
    Refusal, ShareBy, place,
};
use breakeven::workload::{self, Workload};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn fixture(name: &str) -> String {
    let path = root().join("tests/fixtures").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn manifest(name: &str) -> Option<Manifest> {
    Some(Manifest { name: name.into(), text: fixture(&format!("placement/{name}")) })
}

/// A case: the verdict on image classification, put into effect on one size.
struct Case {
    verdict: Verdict,
    size: SkuCost,
    workload: Workload,
    needs: Needs,
    choices: Choices,
}

impl Case {
    /// On `sku`, of which the fixture need not say anything: then it is told as the fixture's own
    /// of that kind.
    fn on(sku: &str) -> Self {
        let verdicts: Vec<Verdict> =
            serde_json::from_str(&fixture("verdicts.json")).expect("verdicts");
        let verdict = verdicts.into_iter().next().expect("a verdict");
        let catalog = Catalog::embedded().expect("the catalog");
        let known = catalog.sku(None, sku).unwrap_or_else(|| panic!("{sku} in the catalog"));
        let mut size = match known.has_gpu() {
            true => verdict.best_gpu.clone().expect("a GPU size"),
            false => verdict.best_cpu.clone().expect("a CPU size"),
        };
        size.sku = known.name.clone();
        size.provider = known.provider.clone();
        size.fewest_nodes = size.nodes;
        let needs = Needs {
            pods_per_node: 1,
            gpus: u64::from(known.has_gpu()),
            cpu_milli: 1200,
            cpu_from: "measured".into(),
            memory_mib: Some(3000),
            node_cpu_milli: 3500,
            node_memory_mib: Some(24_000),
            gpu_memory_gib: 2.0,
        };
        let workload = workload::load("image-classification").expect("built in");
        Self { verdict, size, workload, needs, choices: Choices::default() }
    }

    fn with(mut self, change: impl FnOnce(&mut Choices)) -> Self {
        change(&mut self.choices);
        self
    }

    fn place(&self) -> Result<Placement, Refusal> {
        let catalog = Catalog::embedded().expect("the catalog");
        let sku = catalog.sku(Some(&self.size.provider), &self.size.sku).expect("in the catalog");
        place(&Asked {
            verdict: &self.verdict,
            size: &self.size,
            sku,
            catalog: &catalog,
            workload: &self.workload,
            needs: self.needs.clone(),
            records: vec!["2026-11-20-t4".into()],
            choices: &self.choices,
        })
    }

    fn placed(&self) -> Placement {
        self.place().unwrap_or_else(|refusal| panic!("refused: {refusal}"))
    }

    fn refused(&self) -> String {
        self.place().expect_err("a refusal").to_string()
    }
}

fn text_of<'p>(placement: &'p Placement, name: &str) -> &'p str {
    let file = placement.files.iter().find(|file| file.name == name);
    &file.unwrap_or_else(|| panic!("no {name}")).text
}

fn shown(placement: &Placement) -> String {
    let mut text = String::new();
    for file in &placement.files {
        text += &format!("==> {} ({})\n{}\n", file.name, file.apply, file.text);
    }
    for remark in &placement.remarks {
        text += &format!("- {remark}\n");
    }
    text
}

/// The cases that have golden files; together they write every file that there is.
fn cases() -> Vec<(&'static str, Case)> {
    let spot = |mut case: Case| {
        case.verdict.options.price_kind = PriceKind::Spot;
        case.size.fewest_nodes = Some(0);
        case
    };
    let windows = |mut case: Case| {
        case.workload.node.os = "windows".into();
        case
    };
    // A GPU that has room for others.
    let idle = |mut case: Case| {
        case.size.utilisation = Some(0.1);
        case
    };
    // A managed pool has no autoscaler: its number of nodes must be settled.
    let settled = |mut case: Case| {
        case.size.usd_per_month = case.size.usd_per_month.map(|m| Estimate::exact(m.median));
        case
    };
    let (t4, a100) = ("Standard_NC4as_T4_v3", || Case::on("Standard_NC24ads_A100_v4"));
    vec![
        ("gpu_pool", Case::on(t4).with(|c| c.manifest = manifest("deployment.yaml"))),
        (
            "cpu_pool",
            Case::on("Standard_F16s_v2").with(|c| {
                c.manifest = manifest("cronjob.yaml");
                c.resource_group = Some("my group".into());
                c.cluster = Some("prod".into());
            }),
        ),
        (
            "mig",
            idle(a100().with(|c| {
                c.sharing = Some(ShareBy::Mig);
                c.mig_strategy = MigStrategy::Mixed;
                c.image = Some("example.org/classify:1".into());
            })),
        ),
        ("time_slicing", idle(a100().with(|c| c.sharing = Some(ShareBy::TimeSlicing)))),
        (
            "mps_operator",
            idle(a100().with(|c| {
                c.sharing = Some(ShareBy::Mps);
                c.gpu_stack = GpuStack::Operator;
            })),
        ),
        (
            "karpenter",
            spot(Case::on(t4).with(|c| {
                c.provisioner = Provisioner::AutoProvisioning;
                c.queue = Some("team-a".into());
                c.bin_packing = true;
            })),
        ),
        ("kaito", a100().with(|c| c.kaito = Some("phi-4-mini-instruct".into()))),
        ("windows", windows(Case::on(t4))),
        (
            "managed",
            settled(idle(a100()).with(|c| {
                c.gpu_stack = GpuStack::Managed;
                c.sharing = Some(ShareBy::Mig);
            })),
        ),
    ]
}

#[test]
fn every_file_word_for_word() {
    for (name, case) in cases() {
        insta::assert_snapshot!(name, shown(&case.placed()));
    }
}

fn python() -> Command {
    let installed = root().join("target/test-python/bin/python");
    let python = std::env::var("BREAKEVEN_TEST_PYTHON").unwrap_or_else(|_| {
        if installed.exists() { installed.display().to_string() } else { "python3".into() }
    });
    Command::new(python)
}

fn succeeded(output: std::io::Result<Output>, what: &str) -> String {
    let output = output.unwrap_or_else(|e| panic!("{what}: {e}; ./test.sh installs it"));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{what}: {told}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn write(folder: &Path, placement: &Placement) -> Vec<PathBuf> {
    let write = |file: &breakeven::placement::File| {
        let path = folder.join(file.name);
        std::fs::write(&path, &file.text).expect("written");
        path
    };
    placement.files.iter().map(write).collect()
}

#[test]
fn objects_are_valid_by_the_published_schemas() {
    let mut kinds = std::collections::BTreeSet::new();
    for (name, case) in cases() {
        let folder = tempfile::tempdir().expect("a folder");
        let yaml: Vec<PathBuf> = write(folder.path(), &case.placed())
            .into_iter()
            .filter(|path| path.extension().is_some_and(|e| e == "yaml"))
            .collect();
        let mut command = python();
        command.arg(root().join("tests/python/check_manifests.py")).args(&yaml);
        let told = succeeded(command.output(), name);
        kinds.extend(told.lines().map(str::to_owned));
    }
    let expected = [
        "core apps/v1 DaemonSet",
        "core apps/v1 Deployment",
        "core batch/v1 CronJob",
        "core batch/v1 Job",
        "core v1 ConfigMap",
        "core v1 Service",
        "custom aks.azure.com/v1alpha1 SchedulerConfiguration",
        "custom kaito.sh/v1beta1 Workspace",
        "custom karpenter.azure.com/v1beta1 AKSNodeClass",
        "custom karpenter.sh/v1 NodePool",
        "custom kueue.x-k8s.io/v1beta2 ClusterQueue",
        "custom kueue.x-k8s.io/v1beta2 LocalQueue",
        "custom kueue.x-k8s.io/v1beta2 ResourceFlavor",
    ];
    for kind in expected {
        assert!(kinds.contains(kind), "{kind} is not among {kinds:?}");
    }
}

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
fn scripts_run_twice_and_change_nothing_the_second_time() {
    let folder = tempfile::tempdir().expect("a folder");
    let bin = folder.path().join("bin");
    std::fs::create_dir(&bin).expect("a folder");
    // Knows whether the pool is there, and keeps what it was asked.
    let az = "#!/bin/sh\necho \"$*\" >>\"$LOG\"\ncase \"$*\" in\n\
              *'nodepool show'*) test -f \"$LOG.pool\" && cat \"$LOG.pool\" ;;\n\
              *'nodepool add'*) echo Standard_NC4as_T4_v3 Regular None true >\"$LOG.pool\" ;;\nesac\n";
    let path = bin.join("az");
    std::fs::write(&path, az).expect("written");
    succeeded(Command::new("chmod").arg("+x").arg(&path).output(), "chmod");
    let case = Case::on("Standard_NC4as_T4_v3");
    write(folder.path(), &case.placed());
    let log = folder.path().join("log");
    let go = || {
        let search = format!("{}:{}", bin.display(), std::env::var("PATH").expect("PATH"));
        let mut command = Command::new("bash");
        command.arg(folder.path().join("nodepool.sh")).env("PATH", search).env("LOG", &log);
        command.env("RESOURCE_GROUP", "group").env("CLUSTER", "c");
        succeeded(command.output(), "nodepool.sh");
        let told = std::fs::read_to_string(&log).expect("a log");
        std::fs::remove_file(&log).expect("removed");
        told
    };
    let first = go();
    assert!(
        first.contains("aks nodepool add --resource-group group --cluster-name c --name gpuic")
    );
    let second = go();
    assert!(!second.contains("nodepool add"), "{second}");
    assert!(second.contains("--update-cluster-autoscaler --min-count 1 --max-count"), "{second}");
    // A pool of that name with another size is left alone.
    let other = "Standard_NC4as_T4_v3 Spot None true\n";
    std::fs::write(folder.path().join("log.pool"), other).expect("written");
    let search = format!("{}:{}", bin.display(), std::env::var("PATH").expect("PATH"));
    let mut command = Command::new("bash");
    command.arg(folder.path().join("nodepool.sh")).env("PATH", search).env("LOG", &log);
    let output = command.env("RESOURCE_GROUP", "g").env("CLUSTER", "c").output().expect("bash");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success()
            && told.contains("is there as Standard_NC4as_T4_v3 Spot None and not"),
        "{told}"
    );
    let asked = std::fs::read_to_string(&log).expect("a log");
    assert!(!asked.contains("add") && !asked.contains("update"), "{asked}");
    // Without the cluster's name it says so and does nothing.
    let mut command = Command::new("bash");
    command.arg(folder.path().join("nodepool.sh")).env_remove("CLUSTER").env("RESOURCE_GROUP", "g");
    let output = command.output().expect("bash");
    assert!(
        !output.status.success() && String::from_utf8_lossy(&output.stderr).contains("CLUSTER")
    );
}

#[test]
fn all_scripts_are_bash() {
    for (name, case) in cases() {
        let folder = tempfile::tempdir().expect("a folder");
        for path in write(folder.path(), &case.placed()) {
            if path.extension().is_some_and(|e| e == "sh") {
                succeeded(Command::new("bash").arg("-n").arg(&path).output(), name);
            }
        }
    }
}

/// Every flag in the scripts is in the table of flags, with one of its values where it lists them.
#[test]
fn az_flags_are_in_the_table() {
    let table = std::fs::read_to_string(root().join("src/placement/az_flags.csv")).expect("table");
    let mut known = std::collections::BTreeMap::new();
    for line in table.lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        assert!(cells.len() == 7 && !cells[5].is_empty() && !cells[6].is_empty(), "{line}");
        known.insert(cells[0], cells[2].split('|').filter(|v| !v.is_empty()).collect::<Vec<_>>());
    }
    let mut seen = std::collections::BTreeSet::new();
    for (_, case) in cases() {
        let placement = case.placed();
        let Some(script) = placement.files.iter().find(|f| f.name == "nodepool.sh") else {
            continue;
        };
        // A flag a line, but for those that name the pool.
        let named = script.text.lines().find(|l| l.starts_with("pool=(")).expect("the pool");
        let named = named.trim_start_matches("pool=(").trim_end_matches(')').split(" --");
        let named = named.map(|flag| format!("--{}", flag.trim_start_matches("--")));
        let lines = script.text.lines().filter(|l| l.trim_start().starts_with("--"));
        for line in lines.map(str::to_owned).chain(named) {
            let words = line.trim().trim_end_matches(" \\");
            let (flag, value) = words.split_once([' ', '=']).unwrap_or((words, ""));
            let values = known.get(flag).unwrap_or_else(|| panic!("{flag} is not in the table"));
            assert!(values.is_empty() || values.contains(&value), "{flag} {value}");
            seen.insert(flag.to_owned());
        }
    }
    for flag in ["--gpu-driver", "--gpu-instance-profile", "--enable-managed-gpu", "--os-type"] {
        assert!(seen.contains(flag), "{flag} is never written: {seen:?}");
    }
}

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
        (affinity("node.kubernetes.io/instance-type", "Standard_NC6s_v3"), "nodeAffinity"),
        (format!("{one}  nodeName: n1\n"), "nodeName n1 fixes the node"),
        (format!("{one}  nodeSelector: &s {{a: b}}\n  affinity: *s\n"), "changed"),
    ] {
        let placed = placed_pod(&spec, true);
        match placed {
            Err(said) => assert!(said.to_string().contains(expected), "{expected}: {said}"),
            Ok((text, _)) => assert!(expected == "changed", "{expected}: {text}"),
        }
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
    let label = "  jobTemplate:\n    spec:";
    let text = text_of(&placement, "workload.yaml");
    assert!(!text.contains(label) || text.contains("metadata:\n      labels:"), "{text}");
    let (_, template) = text.split_once("jobTemplate:").expect("a template");
    assert!(template.contains("kueue.x-k8s.io/queue-name: team-a"), "{text}");
    let queue = text_of(&placement, "kueue.yaml");
    assert!(queue.contains("namespace: dna"), "{queue}");
    // Two nodes at most: 2 · 3500 thousandths, 2 · 24000 MiB, 2 GPUs.
    for quota in ["7000m", "48000Mi", "'2'"] {
        assert!(queue.contains(&format!("nominalQuota: {quota}")), "{quota}: {queue}");
    }
}

#[test]
fn karpenter_chooses_among_sizes_on_which_the_same_pods_run_by_the_cost_of_a_job() {
    let mut case = Case::on("Standard_NC4as_T4_v3").with(|c| {
        c.provisioner = Provisioner::AutoProvisioning;
    });
    let other = |sku: &str, usd_per_job: f64, price: f64| {
        let mut row = case.size.clone();
        row.sku = sku.into();
        row.usd_per_job_full_load = Some(Estimate::exact(usd_per_job));
        row.price_usd_per_h = Some(price);
        row.eligible = true;
        row
    };
    // A job takes 0.01 h on the size, 0.005 h on the next: its price counts half. A share of a GPU
    // and a size with several are not exchangeable.
    let size = other("Standard_NC4as_T4_v3", 0.005, 0.5);
    let rows = vec![
        size.clone(),
        other("Standard_NC8as_T4_v3", 0.004, 0.8),
        other("Standard_NV6ads_A10_v5", 0.001, 0.4),
        other("Standard_NC64as_T4_v3", 0.001, 4.0),
    ];
    (case.size, case.verdict.ranking) = (size, rows);
    let placement = case.placed();
    let pool = text_of(&placement, "karpenter.yaml");
    assert!(pool.contains("- Standard_NC8as_T4_v3"), "{pool}");
    assert!(!pool.contains("NV6ads") && !pool.contains("NC64as"), "{pool}");
    let overlays = text_of(&placement, "node-overlays.yaml");
    assert!(
        overlays.contains("priceAdjustment: '-50.0%'")
            || overlays.contains("priceAdjustment: -50.0%"),
        "{overlays}"
    );
    assert_eq!(overlays.matches("kind: NodeOverlay").count(), 1, "{overlays}");
}
