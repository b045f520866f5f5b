//! The built-in workloads from text to verdict, with nothing measured.

use std::path::PathBuf;

use breakeven::backend::Backend;
use breakeven::backend::mock::MockBackend;
use breakeven::catalog::{Catalog, PriceKind};
use breakeven::classify::{Kind, Options, classify};
use breakeven::suite::{self, FolderFiles};
use breakeven::workload::StageCase;
use breakeven::{plan, workload};
use breakeven_kernels::work::OpKind;

fn resolved() -> Vec<workload::ResolvedWorkload> {
    let files = FolderFiles::new(Vec::<PathBuf>::new());
    workload::BUILT_IN
        .iter()
        .map(|(name, _)| {
            let workload = workload::load(name).expect("built-in workload");
            plan::resolve(&workload, &files).unwrap_or_else(|e| panic!("{name}: {e}"))
        })
        .collect()
}

#[test]
fn their_cases_exist_and_are_small_enough_to_measure_anywhere() {
    for one in resolved() {
        for case in one.cases.iter().flatten() {
            let mib = case.host_bytes >> 20;
            assert!(mib < 512, "{}: {} takes {mib} MiB", one.workload.name, case.case_key);
            assert!(case.work.ops < 2e10, "{}: {} is slow", one.workload.name, case.case_key);
        }
    }
}

/// A plan of a built-in suite on the mock CPU.
fn planned(name: &str) -> plan::Plan {
    let device = MockBackend::parse("cpu").expect("a mock device");
    let suite = suite::load(name).expect("built-in suite");
    let files = FolderFiles::new(Vec::<PathBuf>::new());
    plan::plan(&suite, &device.probe().devices, &files, &plan::Filter::default())
        .unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn the_suites_measure_every_one_of_their_cases() {
    for name in ["quick", "standard", "full"] {
        let plan = planned(name);
        let mut keys: Vec<&str> = plan.jobs.iter().map(|j| j.case_key.as_str()).collect();
        keys.extend(plan.skips.iter().map(|s| s.case_key.as_str()));
        for one in resolved() {
            // Encoders take minutes, so they are measured where a workload of theirs is named.
            let ours = |case: &&StageCase| case.work.op_kind != OpKind::Opaque;
            for case in one.cases.iter().flatten().filter(ours) {
                let key = &case.case_key;
                assert!(keys.contains(&key.as_str()), "{name}, {}: {key}", one.workload.name);
            }
        }
    }
}

#[test]
fn built_in_suites_make_plans_and_their_series_have_members() {
    for (name, _) in suite::BUILT_IN {
        let plan = planned(name);
        let native = plan.jobs.iter().filter(|j| j.implementation.name == "cpu/simd");
        let series = native.clone().filter_map(|j| j.series.as_ref());
        for one in series.clone() {
            let members = series.clone().filter(|other| other.key == one.key).count();
            assert!(members > 1, "{name}: {} has one member", one.key);
        }
        assert!(native.count() >= 5, "{name}");
    }
}

/// Whether it is encoded by programs, which are judged only where they were measured.
fn encodes(one: &workload::ResolvedWorkload) -> bool {
    one.cases.iter().flatten().any(|case| case.work.op_kind == OpKind::Opaque)
}

#[test]
fn without_measurements_the_verdicts_lean_and_the_controls_stay_on_cpus() {
    let catalog = Catalog::embedded().expect("catalog");
    for provider in [None, Some("azure"), Some("aws"), Some("gcp")] {
        let provider = provider.map(str::to_owned);
        let options = Options { provider, today: Some("2026-11-22".into()), ..Options::default() };
        for one in resolved() {
            let v = classify(&one, &[], &catalog, &options);
            let name = &v.workload;
            let control = one.cases.iter().all(Option::is_none);
            assert!(!control || v.verdict == Kind::Cpu, "{name}: {}", v.headline);
            // An engine that CPUs lack shuts every one of them out; encoders are not predicted.
            let engine = !one.workload.node.needs.is_empty();
            let encoder = encodes(&one);
            assert_eq!(v.best_cpu.is_none(), engine || encoder, "{name}: {}", v.headline);
            assert!(control || engine || encoder || v.lean.is_some(), "{name}: {}", v.headline);
            let unmeasured = v.verdict == Kind::MeasureFirst && v.best_gpu.is_none();
            assert!(!encoder || unmeasured, "{name}: {}", v.headline);
            assert!(
                v.verdict != Kind::MeasureFirst || !v.measure_next.is_empty(),
                "{name} says what to measure"
            );
            assert!(
                v.explain.iter().all(|t| t.value.is_none_or(f64::is_finite) && !t.unit.is_empty()),
                "{name}"
            );
            assert!(v.reasons.iter().all(|r| !r.text.is_empty()), "{name}");
            let json = serde_json::to_string(&v).expect("serialisable");
            let mut words = json.split(|c: char| !c.is_alphanumeric());
            assert!(words.all(|word| word != "NaN" && word != "inf"), "{name}");
        }
    }
}

#[test]
fn reserved_prices_are_unknown_and_therefore_nobodys_win() {
    let catalog = Catalog::embedded().expect("catalog");
    let options = Options { price_kind: PriceKind::Reserved1y, ..Options::default() };
    for one in resolved() {
        let v = classify(&one, &[], &catalog, &options);
        assert_eq!(v.verdict, Kind::MeasureFirst, "{}: {}", v.workload, v.headline);
        let priced = encodes(&one) || v.reasons.iter().any(|r| r.code == "price-unknown");
        assert!(priced, "{}", v.workload);
    }
}

#[test]
fn spot_prices_of_cpu_sizes_are_unknown_on_azure() {
    let catalog = Catalog::embedded().expect("catalog");
    let options = Options { price_kind: PriceKind::Spot, ..Options::default() };
    for one in resolved() {
        let v = classify(&one, &[], &catalog, &options);
        assert!(v.best_cpu.is_none(), "{}", v.workload);
        // Only a hard constraint decides without a price: an engine that CPUs lack.
        let engine = !one.workload.node.needs.is_empty();
        assert_eq!(v.verdict == Kind::Gpu, engine, "{}: {}", v.workload, v.headline);
    }
}
