//! Shared nodes and packed workloads on a small catalog with round figures.

use proptest::prelude::*;

use super::*;
use crate::catalog::{MigProfile, Os, Price};
use crate::cost::fixture::*;
use crate::record::Record;
use crate::workload::Transfer;

/// C8 at `cpu_usd`, G8 at `gpu_usd` with a GPU that can be cut into seven instances of an eighth.
fn catalog_with_mig(cpu_usd: f64, gpu_usd: f64) -> Catalog {
    let mut catalog = catalog(cpu_usd, gpu_usd);
    catalog.mig = vec![MigProfile {
        gpu_model: "T100".into(),
        name: "1g.2gb".into(),
        compute_slices: 1,
        gpu_compute_slices: 8,
        sms: None,
        memory_eighths: 1,
        memory_gib: 2.5,
        max_instances: 7,
        nvdec_engines: None,
        aks_instance_profile: Some("MIG1g".into()),
        source: "test".into(),
    }];
    catalog.add_instances();
    catalog
}

/// A job takes 36 s on C8 (100 an hour, 70 of them used) and 0.9 s on the whole GPU of G8.
fn measured() -> Vec<Record> {
    measured_pair(0.36, 0.009, 1.02)
}

/// `jobs_per_h` jobs of 2.2 GiB of GPU memory each.
fn named(name: &str, jobs_per_h: f64) -> ResolvedWorkload {
    let mut resolved = workload(100.0, 24.0 * jobs_per_h, Transfer::Resident);
    resolved.workload.name = name.into();
    resolved.workload.job.gpu_memory_gib = 2.2;
    resolved
}

fn six(jobs_per_h: f64) -> Vec<ResolvedWorkload> {
    (1..7).map(|n| named(&format!("b{n}"), jobs_per_h)).collect()
}

fn beside(mine: &ResolvedWorkload, others: &[ResolvedWorkload], catalog: &Catalog) -> Verdict {
    let records = measured();
    let devices = evidence::devices(&records, catalog);
    let options = Options::default();
    classify_beside(
        mine,
        others,
        &Basis { devices: &devices, catalog, options: &options, ranked: true },
    )
}

fn close(a: f64, b: f64) {
    assert!((a / b - 1.0).abs() < 1e-9, "{a} is not {b}");
}

#[test]
fn seven_tenants_fill_a_gpu_that_none_of_them_would_take_alone() {
    // 60 jobs an hour: one C8 at $729.60 a month; a whole G8 at $4 costs $2918.40. One of seven
    // instances costs 2918.40 / 7 = $416.91; in turns only six fit into 14.88 GiB.
    let v = beside(&named("a", 60.0), &six(60.0), &catalog_with_mig(1.0, 4.0));
    assert_eq!(v.verdict, Kind::SharedGpu, "{}", v.headline);
    assert!(
        v.headline.starts_with(
            "shared-gpu: $417 a month for its part of 1g.2gb ×7 on G8 beside b1, b2, b3, b4, b5 and \
             b6 against $625 for its part of C8 shared with"
        ),
        "{}",
        v.headline
    );
    let sharing = v.sharing.expect("sharing");
    assert_eq!((sharing.by, sharing.profile.as_deref()), (SharedBy::Mig, Some("1g.2gb")));
    assert_eq!(sharing.resource_name.as_deref(), Some("nvidia.com/mig-1g.2gb"));
    assert_eq!(sharing.aks_instance_profile.as_deref(), Some("MIG1g"));
    assert_eq!((sharing.instances_per_node, sharing.holds, sharing.nodes), (Some(7), 1.0, 1));
    close(sharing.usd_per_month, 2918.4 / 7.0);
    close(sharing.pool_usd_per_month, 2918.4);
    // Against the cheapest node of its own, C8: 729.60 − 416.91.
    close(sharing.saves_usd_per_month.expect("saving"), 729.6 - 2918.4 / 7.0);
    assert_eq!(sharing.cotenants.len(), 6);
    let told = v.sentences.iter().find(|s| s.contains("Isolation")).expect("sentence");
    assert!(told.contains("1 of 7 instances") && told.contains("MIG1g"), "{told}");
}

#[test]
fn sharing_saves_nothing_where_nobody_fills_the_node() {
    // One further tenant: half of a GPU node, $1459.20, is dearer than a C8 for each.
    let v = beside(&named("a", 60.0), &six(60.0)[..1], &catalog_with_mig(1.0, 4.0));
    assert_eq!(v.verdict, Kind::Cpu, "{}", v.headline);
    assert!(v.best_gpu.is_some_and(|g| g.usd_per_month.is_some_and(|m| m.median > 1459.0)));
}

#[test]
fn nobody_is_made_to_pay_for_another_s_saving() {
    // The six have next to nothing to do: a cheap size at $0.01 ($7.30 a month) is enough for each,
    // so none of them would pay a seventh of a GPU node.
    let mut catalog = catalog_with_mig(1.0, 4.0);
    let mut small = cpu_sku("C1", 0.01);
    small.vcpus = 1;
    catalog.skus.push(small);
    let others = six(0.01);
    let v = beside(&named("a", 60.0), &others, &catalog);
    assert!(
        v.ranking
            .iter()
            .all(|r| r.reasons.iter().all(|why| why.code != "shared") || r.side == Side::Cpu),
        "{:?}",
        v.ranking
    );
}

#[test]
fn a_single_workload_cannot_be_cheaper_in_a_part_of_a_node() {
    let mine = named("a", 60.0);
    let catalog = catalog_with_mig(1.0, 4.0);
    let alone = classify(&mine, &measured(), &catalog, &Options::default());
    let nobody = beside(&mine, &[], &catalog);
    assert_eq!((alone.verdict, &alone.headline), (nobody.verdict, &nobody.headline));
    assert_eq!(nobody.sharing, None);
}

#[test]
fn turns_need_the_memory_of_all_and_each_in_time() {
    // Two tenants of 60 jobs an hour that need 8 GiB each do not fit into 14.88 GiB; of 7, they do.
    let shared_on_gpu = |gib: f64, slo: Option<f64>| {
        let mut tenants = [named("a", 60.0), named("b", 60.0)];
        for t in &mut tenants {
            t.workload.job.gpu_memory_gib = gib;
            t.workload.demand.latency_slo_s = slo;
        }
        let v = beside(&tenants[0], &tenants[1..], &catalog(9.0, 4.0));
        v.ranking
            .iter()
            .any(|r| r.side == Side::Gpu && r.reasons.iter().any(|x| x.code == "shared"))
    };
    assert!(shared_on_gpu(7.0, None) && !shared_on_gpu(8.0, None));
    // A job takes 0.45 s of kernels; with two at work it may take 0.9 s.
    assert!(shared_on_gpu(7.0, Some(30.0)) && !shared_on_gpu(7.0, Some(0.8)));
}

#[test]
fn a_cotenant_that_does_not_join_is_told_why() {
    // G8 at $4 is the cheapest for both. A job takes 0.45 s of kernels; with two at work 0.9 s.
    let told = |slo_s: f64| {
        let mut mine = named("a", 60.0);
        mine.workload.demand.latency_slo_s = Some(slo_s);
        let v = beside(&mine, &[named("b", 60.0)], &catalog(9.0, 4.0));
        let why: Vec<String> =
            v.reasons.iter().filter(|r| r.code == "not-shared").map(|r| r.text.clone()).collect();
        assert_eq!(v.sharing.is_some(), why.is_empty(), "{}", v.headline);
        why.join("")
    };
    let why = told(0.8);
    assert!(why.starts_with("b on G8: with both at work a job of a would take 2 × "), "{why}");
    assert!(why.contains("where it may take 800 ms"), "{why}");
    // With time enough they share.
    assert_eq!(told(30.0), "");
}

#[test]
fn windows_and_linux_do_not_share_a_node() {
    let mut catalog = catalog(1.0, 40.0);
    for sku in &mut catalog.skus {
        let windows: Vec<_> =
            sku.prices.iter().map(|p| Price { os: Os::Windows, ..p.clone() }).collect();
        sku.prices.extend(windows);
    }
    let mut mine = named("a", 30.0);
    mine.workload.node.os = "windows".into();
    let v = beside(&mine, &[named("b", 30.0)], &catalog);
    assert!(v.sharing.is_none() && v.best_cpu.is_some(), "{}", v.headline);
    let why = v.reasons.iter().find(|r| r.code == "not-shared").expect("a reason");
    assert!(why.text.contains("a node runs windows or linux, not both"), "{}", why.text);
}

#[test]
fn a_shared_row_is_told_from_the_size_alone() {
    let v = beside(&named("a", 30.0), &[named("b", 30.0)], &catalog(1.0, 40.0));
    let c8: Vec<&SkuCost> = v.ranking.iter().filter(|r| r.sku == "C8").collect();
    let sizes: Vec<String> = c8.iter().map(|r| r.size()).collect();
    assert_eq!(sizes, ["C8 (shared)", "C8"]);
    assert_eq!((c8[0].shared_with.join(","), c8[1].shared_with.len()), ("b".into(), 0));
}

#[test]
fn seven_packed_together_save_what_the_empty_part_of_their_nodes_costs() {
    let seven = [vec![named("a", 60.0)], six(60.0)].concat();
    let packed = pack(&seven, &measured(), &catalog_with_mig(1.0, 4.0), &Options::default());
    // Seven C8 are 7 · 729.60 = $5107.20; one G8 cut into seven is $2918.40.
    assert_eq!(packed.groups.len(), 1, "{}", packed.headline);
    let group = &packed.groups[0];
    assert_eq!((group.sku.as_str(), group.nodes, group.members.len()), ("G8", 1, 7));
    assert_eq!(group.profile, Some(("1g.2gb".into(), 7)));
    close(packed.usd_per_month.median, 2918.4);
    close(packed.apart_usd_per_month.median, 5107.2);
    close(packed.saves_usd_per_month.median, 2188.8);
    assert!(packed.exhaustive && packed.headline.contains("saves $2,189"), "{}", packed.headline);
}

#[test]
fn a_saving_is_no_surer_than_the_workloads_alone() {
    // A prior on every time: C8 at $1 and at half of it, C4, of which one may do as well.
    let mut catalog = catalog_with_mig(1.0, 40.0);
    let mut half = cpu_sku("C4", 0.5);
    half.vcpus = 4;
    catalog.skus.push(half);
    let mut leaning = Vec::new();
    for rate in [100.0, 200.0, 400.0, 800.0, 1600.0] {
        let list = [named("a", rate), named("b", rate)];
        let packed = pack(&list, &[], &catalog, &Options::default());
        let (apart, saves) = (packed.apart_usd_per_month, packed.saves_usd_per_month);
        assert!(apart.lo90 > 0.0 && apart.lo90 <= apart.median, "{}", packed.headline);
        assert!(apart.median <= apart.hi90 && saves.lo90 <= saves.median, "{}", packed.headline);
        assert_eq!(packed.origin, Some(crate::cost::Origin::Prior));
        if packed.groups.iter().any(|g| g.members.len() > 1) {
            assert!(packed.headline.contains("times in part only priors"), "{}", packed.headline);
            let leans = packed.headline.contains("leans to saving");
            assert_eq!(leans, saves.lo90 <= 0.0, "{}", packed.headline);
            leaning.extend(leans.then_some((rate, apart, packed.headline)));
        }
    }
    // Where a faster CPU than the prior's median makes two C4 do, sharing a C8 would save nothing.
    assert!(leaning.iter().any(|(_, apart, _)| apart.lo90 < apart.median), "{leaning:?}");
}

#[test]
fn two_small_ones_share_a_cpu_node_and_a_large_one_keeps_its_own() {
    // 30 jobs an hour are 0.43 of a C8: two fit one node, $729.60. 700 an hour are 10 C8 by
    // themselves, full: nothing to share. The GPU at $40 is out of the question.
    let list = [named("small", 30.0), named("large", 700.0), named("tiny", 30.0)];
    let packed = pack(&list, &measured(), &catalog_with_mig(1.0, 40.0), &Options::default());
    let shared: Vec<&Group> = packed.groups.iter().filter(|g| g.members.len() > 1).collect();
    assert_eq!(shared.len(), 1, "{}", packed.headline);
    assert_eq!(shared[0].members.len(), 2);
    assert!(packed.headline.contains("small and tiny share 1 × C8"), "{}", packed.headline);
    close(packed.saves_usd_per_month.median, 729.6);
}

#[test]
fn more_workloads_than_can_be_divided_are_packed_first_fit() {
    let many: Vec<ResolvedWorkload> = (0..9).map(|n| named(&format!("w{n}"), 30.0)).collect();
    let packed = pack(&many, &measured(), &catalog_with_mig(1.0, 40.0), &Options::default());
    assert!(!packed.exhaustive);
    // Two on a C8: five nodes instead of nine.
    close(packed.usd_per_month.median, 5.0 * 729.6);
    assert!(packed.sentences.iter().any(|s| s.contains("first-fit")), "{:?}", packed.sentences);
}

#[test]
fn a_workload_of_unknown_cost_is_left_out_and_named() {
    let mut unknown = named("odd", 10.0);
    unknown.cases = vec![None];
    let packed =
        pack(&[named("a", 60.0), unknown], &measured(), &catalog(1.0, 4.0), &Options::default());
    assert_eq!(packed.unplaced, ["odd"]);
    assert!(packed.usd_per_month.median > 0.0);
    assert!(packed.sentences.iter().any(|s| s.contains("odd")), "{:?}", packed.sentences);
}

fn month(row: &Option<SkuCost>) -> f64 {
    row.as_ref().and_then(|r| r.usd_per_month).map_or(f64::INFINITY, |m| m.median)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_further_cotenant_never_raises_my_part(
        mine in 0.1..900.0f64, rates in proptest::collection::vec(0.1..900.0f64, 1..4),
        gpu_usd in 0.5..8.0f64,
    ) {
        let catalog = catalog_with_mig(1.0, gpu_usd);
        let others: Vec<ResolvedWorkload> =
            rates.iter().enumerate().map(|(n, r)| named(&format!("b{n}"), *r)).collect();
        let mut before = (f64::INFINITY, f64::INFINITY);
        for count in 0..=others.len() {
            let v = beside(&named("a", mine), &others[..count], &catalog);
            for row in &v.ranking {
                if let Some(m) = row.usd_per_month {
                    prop_assert!(m.lo90 <= m.median && m.median <= m.hi90, "{row:?}");
                }
            }
            let now = (month(&v.best_gpu), month(&v.best_cpu));
            prop_assert!(now.0 <= before.0 * (1.0 + 1e-9) && now.1 <= before.1 * (1.0 + 1e-9));
            before = now;
        }
    }

    #[test]
    fn duplicating_a_size_changes_no_shared_verdict_and_no_packing(
        rates in proptest::collection::vec(0.1..900.0f64, 2..4), which in 0usize..2,
        gpu_usd in 0.5..8.0f64,
    ) {
        let single = catalog_with_mig(1.0, gpu_usd);
        let mut double = single.clone();
        double.skus.push(single.skus[which].clone());
        let list: Vec<ResolvedWorkload> =
            rates.iter().enumerate().map(|(n, r)| named(&format!("w{n}"), *r)).collect();
        let (a, b) = (beside(&list[0], &list[1..], &single), beside(&list[0], &list[1..], &double));
        prop_assert_eq!((a.verdict, a.headline), (b.verdict, b.headline));
        let options = Options::default();
        let (a, b) = (pack(&list, &measured(), &single, &options), pack(&list, &measured(), &double, &options));
        prop_assert_eq!(a, b);
    }

    #[test]
    fn packing_never_costs_more_and_no_order_changes_it(
        rates in proptest::collection::vec(0.1..900.0f64, 2..5), gpu_usd in 0.5..8.0f64,
    ) {
        let catalog = catalog_with_mig(1.0, gpu_usd);
        let list: Vec<ResolvedWorkload> =
            rates.iter().enumerate().map(|(n, r)| named(&format!("w{n}"), *r)).collect();
        let options = Options::default();
        let forth = pack(&list, &measured(), &catalog, &options);
        prop_assert!(forth.saves_usd_per_month.median >= -1e-6);
        let back: Vec<ResolvedWorkload> = list.into_iter().rev().collect();
        prop_assert_eq!(pack(&back, &measured(), &catalog, &options), forth);
    }
}
