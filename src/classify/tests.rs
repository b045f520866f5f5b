//! Verdicts on small catalogs with round figures, and the properties that keep them honest.

use proptest::prelude::*;

use super::judge::{Contest, phi};
use super::*;
use crate::catalog::{Aks, Os, Price, PriceKind, Status};
use crate::cost::fixture::*;
use crate::cost::{Origin, Resource};
use crate::workload::{Stage, Transfer};

fn run(cpu_s: f64, gpu_s: f64, factor: f64, cpu_usd: f64, gpu_usd: f64, jobs: f64) -> Verdict {
    classify(
        &workload(100.0, jobs, Transfer::ConstantsResident),
        &measured_pair(cpu_s, gpu_s, factor),
        &catalog(cpu_usd, gpu_usd),
        &Options::default(),
    )
}

fn close(a: f64, b: f64, within: f64) {
    assert!((a / b - 1.0).abs() < within, "{a} is not {b}");
}

#[test]
fn the_normal_distribution_is_right() {
    for (z, p) in [(0.0, 0.5), (1.0, 0.841_344_75), (1.644_853_63, 0.95), (-2.0, 0.022_750_13)] {
        assert!((phi(z) - p).abs() < 1e-7, "phi({z}) = {}", phi(z));
    }
}

#[test]
fn probability_is_the_log_ratio_less_the_margin_over_the_deviation() {
    let contest = Contest {
        log_ratio: 2f64.ln(),
        sigma_down: 0.3,
        sigma_up: 0.6,
        gpu_in_time: 1.0,
        cpu_in_time: 1.0,
        log_margin: -0.9f64.ln(),
        gpu_steps: Default::default(),
        cpu_steps: Default::default(),
    };
    // (0.693147 − 0.105361) / 0.3 = 1.959289, Φ = 0.974961.
    close(contest.probability_gpu(), 0.974_961, 1e-5);
    // 1 − Φ((0.693147 + 0.105361) / 0.3 = 2.661693) = 0.003887.
    close(contest.probability_cpu(), 0.003_887, 1e-3);
    // Price factor: exp(0.693147 − 0.105361 − 1.644854 · 0.3) = exp(0.094330).
    close(contest.price_factor_gpu().expect("in time"), 1.098_922, 1e-5);
}

#[test]
fn a_cost_that_no_number_holds_is_unknown_and_not_infinite() {
    let v = classify(
        &workload(1e308, 1000.0, Transfer::ConstantsResident),
        &measured_pair(36.0, 9.0, 1.02),
        &catalog(1.0, 4.0),
        &Options::default(),
    );
    assert_eq!(v.verdict, Kind::MeasureFirst, "{}", v.headline);
    for row in &v.ranking {
        assert_eq!(row.reasons[0].code, "time-unknown", "{}", row.sku);
        assert_eq!((row.nodes, row.usd_per_month), (None, None));
    }
    let told = format!("{} {}", v.headline, v.sentences.join(" "));
    assert!(!told.contains("inf") && !told.contains("NaN"), "{told}");
}

#[test]
fn a_fast_measured_gpu_under_load_wins_with_all_numbers_shown() {
    // CPU: 100 · 0.36 s = 36 s, 100 jobs an hour at $1. GPU: 100 · 0.009 = 0.9 s, 4000 at $4.
    // 100,000 jobs a day = 4166.7 an hour: ⌈4166.7 / 70⌉ = 60 CPU nodes, ⌈4166.7 / 2800⌉ = 2 GPUs.
    let v = run(0.36, 0.009, 1.02, 1.0, 4.0, 100_000.0);
    assert_eq!(v.verdict, Kind::Gpu, "{}", v.headline);
    let (gpu, cpu) = (v.best_gpu.expect("gpu"), v.best_cpu.expect("cpu"));
    assert_eq!((gpu.nodes, cpu.nodes), (Some(2), Some(60)));
    close(gpu.usd_per_month.expect("cost").median, 30.4 * 24.0 * 2.0 * 4.0, 1e-9);
    close(cpu.usd_per_month.expect("cost").median, 30.4 * 24.0 * 60.0, 1e-9);
    close(cpu.usd_per_job_full_load.expect("cost").median, 0.01, 1e-9);
    close(gpu.usd_per_job.expect("cost").median, 24.0 * 8.0 / 100_000.0, 1e-9);
    assert_eq!(cpu.binding, Some(Resource::Compute));
    // S* = (4/1) · (u_cpu/u_gpu) / 0.9 with u = λ/(n·X): 0.69444 and 0.52083.
    close(v.break_even.needed_speedup.expect("S*"), 4.0 * (0.694_444 / 0.520_833) / 0.9, 1e-4);
    close(v.break_even.speedup.expect("speed-up"), 40.0, 1e-9);
    assert_eq!(v.break_even.gpu_floor_usd_per_month, None);
    // Crossing: four CPU nodes cost what one GPU node costs; a fifth is needed from
    // 4 · 70 · 24 = 6720 jobs a day on.
    close(v.break_even.last_crossing_jobs_per_day.expect("crossing"), 6720.0, 1e-3);
    assert!(v.measure_next.is_empty());
    for name in ["nodes", "price p after discount", "device time of a call", "full-load rate X"] {
        assert!(v.explain.iter().any(|t| t.name == name && !t.unit.is_empty()), "{name}");
    }
    assert!(v.headline.contains("saves $37,939"), "{}", v.headline);
}

#[test]
fn a_little_demand_is_idle_dominated_and_goes_to_the_cheap_node() {
    let v = run(0.36, 0.009, 1.3, 1.0, 4.0, 100.0);
    assert_eq!(v.verdict, Kind::Cpu, "{}", v.headline);
    assert!(v.reasons.iter().any(|r| r.code == "idle-dominated"));
    // One node of each: $4 an hour against $1, however fast the GPU were.
    close(v.break_even.gpu_floor_usd_per_month.expect("floor"), 30.4 * 24.0 * 4.0, 1e-9);
    assert_eq!(v.break_even.needed_speedup, None);
    // One node each, whatever the times are up to four standard deviations: Φ(4) = 0.999968.
    assert!(v.probability_cpu.is_some_and(|p| (p - 0.999_968).abs() < 1e-6), "{}", v.headline);
}

#[test]
fn a_node_that_may_be_needed_just_beyond_the_interval_counts() {
    // CPU: 36 s a job, 100 · 0.7 = 70 jobs an hour on a node, known within ×1.5 and another run:
    // e^√(0.405465² + 0.095310²) = ×1.516669. At 960 jobs a day, 40 an hour, even the slow end of
    // 46 does with one node, so the interval of the cost has no width. But the time may be 70/40
    // = 1.75 times longer with 0.559616 / (0.416517 / 1.644854) = 2.21 deviations, and a second
    // node at $1 would cost more than the GPU at $1.50: P is Φ(2) by the look before.
    let v = run(0.36, 0.001, 1.5, 1.0, 1.5, 960.0);
    let month = v.best_cpu.as_ref().and_then(|c| c.usd_per_month).expect("cost");
    assert_eq!(month.median, month.hi90);
    close(v.probability_cpu.expect("P"), 0.977_250, 1e-5);
    assert_eq!(v.verdict, Kind::Cpu);
    // At 1100 a day, 45.8 an hour, it is ln(70/45.83) / 0.253224 = 1.67: Φ(1.5) is not sure.
    let v = run(0.36, 0.001, 1.5, 1.0, 1.5, 1100.0);
    let month = v.best_cpu.as_ref().and_then(|c| c.usd_per_month).expect("cost");
    assert_eq!(month.median, month.hi90);
    close(v.probability_cpu.expect("P"), 0.933_193, 1e-5);
    assert_eq!(v.verdict, Kind::MeasureFirst);
}

#[test]
fn close_costs_are_either_and_wide_ones_measure_first() {
    // Both do the same with one node each at nearly the same price.
    assert_eq!(run(0.1, 0.1, 1.1, 1.0, 1.02, 100.0).verdict, Kind::Either);
    // Under load and known only within ×3.
    let v = run(0.1, 0.05, 3.0, 1.0, 1.0, 1e6);
    assert_eq!(v.verdict, Kind::MeasureFirst);
    assert_eq!(v.lean, Some(Side::Gpu));
    assert!(v.headline.contains("leans GPU"), "{}", v.headline);
}

#[test]
fn unmeasured_gpus_are_judged_by_priors_and_say_what_to_measure() {
    let records =
        [record(None, vec![cpu_device()], vec![row("cpu", "cpu/simd", "matmul a", 0.025, 1.0)])];
    let v = classify(
        &workload(100.0, 1e6, Transfer::Resident),
        &records,
        &catalog(1.0, 10.0),
        &Options::default(),
    );
    // GPU: 2 ms (prior) against 25 ms: 12 times the jobs for 10 times the price.
    assert_eq!(v.verdict, Kind::MeasureFirst, "{}", v.headline);
    assert_eq!(v.best_gpu.as_ref().and_then(|g| g.origin), Some(Origin::Prior));
    assert_eq!(v.best_cpu.as_ref().and_then(|c| c.origin), Some(Origin::Predicted));
    // The GPU at $10: 15 minutes are $2.50; the CPU at $1: 8 minutes are 13 cents.
    let gpu = v.measure_next.iter().find(|s| s.sku == "G8").expect("suggestion");
    close(gpu.usd.expect("price"), 2.5, 1e-9);
    assert_eq!(gpu.command, "breakeven advise my/test.toml --sku G8");
    assert_eq!(v.measure_next.len(), 2);
}

#[test]
fn of_sizes_that_cost_the_same_the_smaller_is_chosen() {
    // 100 s on one thread: 288 jobs an hour on 8 threads, 576 on 16. 300 an hour at 70 % take two
    // nodes at $1.10 or one at $2.20.
    let mut resolved = workload(1.0, 7200.0, Transfer::Resident);
    resolved.workload.stages = vec![Stage::Serial { serial_cpu_s: 100.0 }];
    resolved.cases = vec![None];
    let mut catalog = catalog(1.1, 4.0);
    let mut large = cpu_sku("C16", 2.2);
    large.vcpus = 16;
    catalog.skus.push(large);
    let v = classify(&resolved, &[], &catalog, &Options::default());
    let best = v.best_cpu.expect("cpu");
    assert_eq!((best.sku.as_str(), best.nodes), ("C8", Some(2)));
    let order: Vec<&str> = v.ranking.iter().map(|r| r.sku.as_str()).take(2).collect();
    assert_eq!(order, ["C8", "C16"]);
}

#[test]
fn energy_is_told_where_a_counter_was_read_and_unknown_elsewhere() {
    // 100 calls of 0.5 J on the GPU; no counter on the CPU.
    let mut records = measured_pair(0.36, 0.009, 1.02);
    records[1].rows[0].energy_j = Some(0.5);
    let resolved = workload(100.0, 1e5, Transfer::ConstantsResident);
    let v = classify(&resolved, &records, &catalog(1.0, 4.0), &Options::default());
    let of = |c: &Option<SkuCost>| c.as_ref().and_then(|c| c.energy_j_per_job);
    assert_eq!((of(&v.best_gpu), of(&v.best_cpu)), (Some(50.0), None));
    let terms = v.explain.iter().filter(|t| t.name == "energy of a job");
    let told: Vec<_> = terms.map(|t| (t.value, t.unit.as_str(), t.from.contains("no "))).collect();
    assert_eq!(told, [(Some(50.0), "J", false), (None, "J", true)]);
}

#[test]
fn an_unknown_is_never_a_win() {
    let resolved = workload(100.0, 1e5, Transfer::ConstantsResident);
    let records = measured_pair(0.36, 0.009, 1.02);
    let mut catalog = catalog(1.0, 4.0);
    catalog.skus[1].prices.clear();
    let v = classify(&resolved, &records, &catalog, &Options::default());
    assert_eq!(v.verdict, Kind::MeasureFirst);
    assert!(v.reasons.iter().any(|r| r.code == "price-unknown"));
    assert!(v.ranking.iter().all(|r| r.sku != "G8" || r.usd_per_month.is_none()));
    let reserved = Options { price_kind: PriceKind::Reserved1y, ..Options::default() };
    let v = classify(&resolved, &records, &catalog, &reserved);
    assert_eq!(v.verdict, Kind::MeasureFirst);
    assert_eq!((v.best_cpu, v.best_gpu), (None, None));
}

#[test]
fn retired_and_unsupported_sizes_are_ranked_but_not_chosen() {
    let resolved = workload(100.0, 1e5, Transfer::ConstantsResident);
    let records = measured_pair(0.36, 0.009, 1.02);
    for (status, aks, code) in [
        (Status::Retired, Aks::Supported, "sku-retired"),
        (Status::Active, Aks::Unsupported, "sku-not-supported-on-aks"),
    ] {
        let mut catalog = catalog(1.0, 4.0);
        catalog.skus[1].status = status;
        catalog.skus[1].aks = aks;
        let v = classify(&resolved, &records, &catalog, &Options::default());
        // No other GPU size is left: a hard constraint, so the CPU it is.
        assert_eq!(v.verdict, Kind::Cpu, "{}", v.headline);
        let row = v.ranking.iter().find(|r| r.sku == "G8").expect("ranked");
        assert!(!row.eligible && row.usd_per_month.is_some());
        assert_eq!(row.reasons[0].code, code);
    }
}

#[test]
fn a_share_of_a_gpu_that_wins_where_a_whole_one_does_not_is_shared_gpu() {
    // A quarter GPU at $0.5 against a whole one at $4 and a CPU at $1; one node of each will do,
    // and the CPU's is busy: 6667 of 7000 jobs an hour.
    let mut catalog = catalog(1.0, 4.0);
    let mut quarter = gpu_sku("G8q", 0.5);
    quarter.gpu_count = Some(0.25);
    catalog.skus.push(quarter);
    let v = classify(
        &workload(1.0, 160_000.0, Transfer::Resident),
        &measured_pair(0.36, 0.009, 1.02),
        &catalog,
        &Options::default(),
    );
    assert_eq!(v.verdict, Kind::SharedGpu, "{}", v.headline);
    assert!(v.headline.contains("1/4 T100"), "{}", v.headline);
}

#[test]
fn a_price_line_never_contradicts_the_verdict() {
    // 100 jobs a day need one node each, so both are $730 to $365 a month whatever the times are:
    // the GPU at $0.5 wins up to 0.9 · $1.
    let v = run(0.001, 0.000_1, 1.0, 1.0, 0.5, 100.0);
    assert_eq!(v.verdict, Kind::Gpu, "{}", v.headline);
    close(v.break_even.gpu_price_for_gpu_usd_per_h.expect("price"), 0.9, 1e-9);
    // Where the GPU may be too late, no price makes it win.
    let mut resolved = workload(1.0, 10.0, Transfer::ConstantsResident);
    resolved.workload.demand.latency_slo_s = Some(0.02);
    let records = measured_pair(0.005, 0.009, 2.0);
    let v = classify(&resolved, &records, &catalog(1.0, 0.1), &Options::default());
    assert_eq!(v.verdict, Kind::MeasureFirst, "{}", v.headline);
    assert_eq!(v.break_even.gpu_price_for_gpu_usd_per_h, None);
}

#[test]
fn a_scaled_price_is_named_beside_the_size_it_came_from() {
    let mut catalog = catalog(1.0, 4.0);
    catalog.skus[0].prices[0].source = "scaled from C64 by vCPUs".into();
    let resolved = workload(1.0, 10.0, Transfer::Resident);
    let v = classify(&resolved, &measured_pair(0.1, 0.1, 1.0), &catalog, &Options::default());
    let scaled = v.reasons.iter().find(|r| r.code == "price-scaled").expect("reason");
    assert!(scaled.text.contains("$1.00 an hour, scaled from C64"), "{}", scaled.text);
}

#[test]
fn an_input_that_no_gpu_kernel_takes_is_not_judged_on_gpus() {
    let mut resolved = workload(1.0, 10.0, Transfer::Resident);
    resolved.cases[0].as_mut().expect("case").gpu_refusal = Some("no restart markers".into());
    let v = classify(
        &resolved,
        &measured_pair(0.36, 0.009, 1.02),
        &catalog(1.0, 4.0),
        &Options::default(),
    );
    assert_eq!((v.verdict, v.best_gpu), (Kind::MeasureFirst, None), "{}", v.headline);
    assert!(v.reasons.iter().any(|r| r.text.contains("no restart markers")), "{:?}", v.reasons);
}

#[test]
fn measuring_is_advised_by_the_path_given_and_only_where_it_can_settle_something() {
    let v = run(0.1, 0.05, 3.0, 1.0, 1.0, 1e6);
    assert_eq!(v.verdict, Kind::MeasureFirst);
    assert!(v.measure_next.is_empty(), "both sizes are measured: {:?}", v.measure_next);
    let records =
        [record(None, vec![cpu_device()], vec![row("cpu", "cpu/simd", "matmul a", 0.025, 1.0)])];
    let resolved = workload(100.0, 1e6, Transfer::Resident);
    let v = classify(&resolved, &records, &catalog(1.0, 10.0), &Options::default());
    assert!(v.measure_next[0].command.starts_with("breakeven advise my/test.toml --sku "));
    let cpu = v.sentences.iter().find(|s| s.contains("C8")).expect("sentence");
    assert!(cpu.contains("predicted from Test CPU"), "{cpu}");
}

#[test]
fn an_encoder_that_a_chip_lacks_rules_it_out() {
    let mut resolved = workload(1.0, 10.0, Transfer::Resident);
    resolved.workload.node.needs = vec!["nvenc".into()];
    let records = measured_pair(0.36, 0.009, 1.02);
    let mut catalog = catalog(1.0, 4.0);
    let v = classify(&resolved, &records, &catalog, &Options::default());
    assert_eq!(v.verdict, Kind::MeasureFirst, "neither kind has one: {}", v.headline);
    assert!(v.reasons.iter().any(|r| r.code == "needs-encoder-engine"));
    catalog.gpus[0].nvenc_engines = Some(1);
    assert_eq!(classify(&resolved, &records, &catalog, &Options::default()).verdict, Kind::Gpu);
    catalog.gpus[0].nvenc_engines = None;
    let v = classify(&resolved, &records, &catalog, &Options::default());
    assert_eq!(v.verdict, Kind::MeasureFirst, "an unknown engine is no win");
}

#[test]
fn a_latency_objective_is_a_hard_constraint() {
    let mut resolved = workload(1.0, 10.0, Transfer::ConstantsResident);
    // End to end: 0.72 s on the CPU, 0.018 s on the GPU.
    resolved.workload.demand.latency_slo_s = Some(0.1);
    let records = measured_pair(0.36, 0.009, 1.02);
    let v = classify(&resolved, &records, &catalog(1.0, 4.0), &Options::default());
    assert_eq!(v.verdict, Kind::Gpu, "{}", v.headline);
    assert!(v.reasons.iter().any(|r| r.code == "misses-latency"));
    // Perhaps too slow is an unknown, not a violation.
    let records = measured_pair(0.06, 0.009, 2.0);
    let v = classify(&resolved, &records, &catalog(1.0, 4.0), &Options::default());
    assert_eq!(v.verdict, Kind::MeasureFirst, "{}", v.headline);
}

#[test]
fn controls_must_not_land_on_a_gpu() {
    let embedded = Catalog::embedded().expect("catalog");
    for name in ["etl-io-bound", "serial-job"] {
        let control = crate::workload::load(name).expect("built-in control");
        let cases = vec![None; control.stages.len()];
        let resolved = crate::workload::ResolvedWorkload { workload: control, cases };
        for provider in ["azure", "aws", "gcp"] {
            let options = Options { provider: Some(provider.into()), ..Options::default() };
            let v = classify(&resolved, &[], &embedded, &options);
            assert_eq!(v.verdict, Kind::Cpu, "{provider}: {}", v.headline);
            assert!(v.headline.contains("no stage would use a GPU"), "{}", v.headline);
            assert_eq!(v.reasons.iter().filter(|r| r.code == "gpu-unused").count(), 1);
        }
    }
}

#[test]
fn stale_prices_are_flagged_with_their_age() {
    let options = Options { today: Some("2026-12-31".into()), ..Options::default() };
    let resolved = workload(1.0, 10.0, Transfer::Resident);
    let v = classify(&resolved, &measured_pair(0.1, 0.1, 1.0), &catalog(1.0, 4.0), &options);
    // 2026-06-18 to 2026-12-31: 12 + 31 + 31 + 30 + 31 + 30 + 31 = 196 days.
    let stale = v.reasons.iter().find(|r| r.code == "price-stale").expect("flag");
    assert!(stale.text.contains("2026-06-18") && stale.text.contains("196 days"), "{}", stale.text);
}

#[test]
fn zero_jobs_cost_money_a_month_and_null_a_job() {
    let v = run(0.1, 0.01, 1.0, 1.0, 4.0, 0.0);
    let cpu = v.best_cpu.clone().expect("cpu");
    assert_eq!(cpu.usd_per_job, None);
    close(cpu.usd_per_month.expect("month").median, 30.4 * 24.0, 1e-9);
    assert_eq!((v.verdict, v.probability_cpu), (Kind::MeasureFirst, None), "{}", v.headline);
}

#[test]
fn numbers_read_well() {
    assert_eq!(words::number(1234.5), "1,234");
    assert_eq!(words::number(0.012_345), "0.0123");
    assert_eq!(words::number(12.345), "12.3");
    assert_eq!(words::dollars(-310.4), "−$310");
    assert_eq!(words::dollars(1_234_567.0), "$1,234,567");
    assert_eq!(words::seconds(0.0123), "12.3 ms");
}

/// How sure a verdict is, for properties.
fn sure(kind: Kind) -> bool {
    kind != Kind::MeasureFirst
}

proptest! {
    #[test]
    fn a_cheaper_gpu_never_turns_gpu_into_cpu(
        cpu_s in 0.001..1.0f64, speedup in 0.1..100.0f64, usd in 0.2..20.0f64,
        factor in 1.0..4.0f64, cheaper in 0.01..1.0f64, jobs in 1.0..1e6f64,
    ) {
        let before = run(cpu_s, cpu_s / speedup, factor, 1.0, usd, jobs);
        let after = run(cpu_s, cpu_s / speedup, factor, 1.0, usd * cheaper, jobs);
        if before.verdict == Kind::Gpu {
            prop_assert_eq!(after.verdict, Kind::Gpu);
        }
        if after.verdict == Kind::Cpu {
            prop_assert_eq!(before.verdict, Kind::Cpu);
        }
    }

    #[test]
    fn more_jobs_never_lower_the_total_cost(
        cpu_s in 0.001..1.0f64, jobs in 1.0..1e6f64, more in 1.0..100.0f64,
    ) {
        let cost = |jobs| {
            let v = run(cpu_s, cpu_s / 9.0, 1.2, 1.0, 4.0, jobs);
            let month = |r: Option<SkuCost>| r.and_then(|r| r.usd_per_month).map(|m| m.median);
            (month(v.best_gpu).expect("gpu"), month(v.best_cpu).expect("cpu"))
        };
        let (before, after) = (cost(jobs), cost(jobs * more));
        prop_assert!(after.0 >= before.0 && after.1 >= before.1);
    }

    #[test]
    fn a_wider_interval_never_makes_a_verdict_surer(
        cpu_s in 0.001..1.0f64, speedup in 0.1..100.0f64, usd in 0.2..20.0f64,
        factor in 1.0..3.0f64, wider in 1.0..3.0f64, jobs in 1.0..1e6f64,
    ) {
        let narrow = run(cpu_s, cpu_s / speedup, factor, 1.0, usd, jobs);
        let wide = run(cpu_s, cpu_s / speedup, factor * wider, 1.0, usd, jobs);
        if sure(wide.verdict) {
            prop_assert_eq!(narrow.verdict, wide.verdict);
        }
    }

    #[test]
    fn duplicating_a_size_never_changes_a_verdict(
        cpu_s in 0.001..1.0f64, speedup in 0.1..100.0f64, usd in 0.2..20.0f64,
        copies in 1usize..10, which in 0usize..2, jobs in 1.0..1e6f64,
    ) {
        let resolved = workload(100.0, jobs, Transfer::ConstantsResident);
        let records = measured_pair(cpu_s, cpu_s / speedup, 1.5);
        let single = catalog(1.0, usd);
        let mut many = single.clone();
        for _ in 0..copies {
            many.skus.push(single.skus[which].clone());
        }
        let options = Options::default();
        let (a, b) = (
            classify(&resolved, &records, &single, &options),
            classify(&resolved, &records, &many, &options),
        );
        prop_assert_eq!((a.verdict, a.probability_gpu), (b.verdict, b.probability_gpu));
    }

    #[test]
    fn a_discount_on_everything_changes_money_but_no_verdict(
        cpu_s in 0.001..1.0f64, speedup in 0.1..100.0f64, discount in 0.0..0.9f64,
    ) {
        let resolved = workload(100.0, 1e4, Transfer::ConstantsResident);
        let records = measured_pair(cpu_s, cpu_s / speedup, 1.5);
        let full = classify(&resolved, &records, &catalog(1.0, 4.0), &Options::default());
        let options = Options { discount, ..Options::default() };
        let less = classify(&resolved, &records, &catalog(1.0, 4.0), &options);
        prop_assert_eq!(full.verdict, less.verdict);
        let month = |v: &Verdict| {
            v.best_gpu.as_ref().and_then(|g| g.usd_per_month).map_or(0.0, |m| m.median)
        };
        prop_assert!((month(&less) / month(&full) - (1.0 - discount)).abs() < 1e-9);
    }
}

#[test]
fn regions_choose_the_price() {
    let mut catalog = catalog(1.0, 4.0);
    catalog.skus[0].prices.push(Price {
        region: "westus".into(),
        os: Os::Linux,
        kind: PriceKind::Ondemand,
        price_usd_per_h: 1.5,
        as_of: "2026-06-18".into(),
        source: "test".into(),
    });
    let options = Options { region: Some("westus".into()), ..Options::default() };
    let resolved = workload(1.0, 10.0, Transfer::Resident);
    let v = classify(&resolved, &measured_pair(0.1, 0.1, 1.0), &catalog, &options);
    assert_eq!(v.best_cpu.and_then(|c| c.price_usd_per_h), Some(1.5));
    assert_eq!(v.verdict, Kind::MeasureFirst, "the GPU has no price there");
}
