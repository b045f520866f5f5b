//! Every file word for word, held to the published schemas, and run.
//!
//! A wanted change: `INSTA_UPDATE=always cargo test --test placement`, then read the difference.

use super::*;

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
    assert!(overlays.contains("priceAdjustment: -50.0%"), "{overlays}");
    assert_eq!(overlays.matches("kind: NodeOverlay").count(), 1, "{overlays}");
}

#[test]
fn co_tenants_of_a_cpu_node_ask_for_their_parts_of_it() {
    let mut case = Case::on("Standard_F16s_v2");
    case.needs.cpu_milli = case.needs.node_cpu_milli;
    let sharing = Sharing {
        sku: "Standard_F16s_v2".into(),
        by: SharedBy::CoLocation,
        profile: None,
        instances_per_node: None,
        resource_name: None,
        aks_instance_profile: None,
        holds: 1.0,
        nodes: 4,
        usd_per_month: 100.0,
        pool_usd_per_month: 400.0,
        cotenants: Vec::new(),
        saves_usd_per_month: None,
        isolation: String::new(),
    };
    case.verdict.sharing = Some(sharing);
    case.size.shared_with = vec!["others".into()];
    let placement = case.placed();
    // It holds one node of four, so a quarter of each: 3500 ÷ 4.
    let text = text_of(&placement, "workload.yaml");
    assert!(text.contains("cpu: 875m"), "{text}");
    assert!(text_of(&placement, "nodepool.sh").contains("--node-count 4"), "nodes of all together");
    // On another size than the one that is shared, nodes are the workload's own.
    case.size.sku = "Standard_F8s_v2".into();
    assert!(text_of(&case.placed(), "workload.yaml").contains("cpu: 3500m"));
}

#[test]
fn settings_that_files_alone_do_not_bring_about_are_told() {
    let mut case = Case::on("Standard_NC4as_T4_v3");
    let told = |case: &Case| case.placed().remarks.join("\n");
    assert!(!told(&case).contains("--min-nodes 0") && !told(&case).contains("unneeded-time"));
    case.verdict.options.settings.min_nodes = Some(0);
    case.verdict.options.settings.cool_down_min = 3.0;
    let said = told(&case);
    assert!(said.contains("--min-nodes 0 changes nothing"), "{said}");
    assert!(said.contains("scale-down-unneeded-time=3m"), "{said}");
}
