//! Verdicts under every pattern of demand: money worked out by hand, and properties.

use proptest::prelude::*;

use super::*;
use crate::catalog::PriceKind;
use crate::cost::fixture::*;
use crate::cost::fleet::Settings;
use crate::workload::{Demand, Pattern, Stage, Transfer};

/// 100 calls a job: 36 s on C8 (100 jobs an hour, $1), 0.9 s on G8 (4000 an hour, $4).
fn asked(demand: Demand, catalog: &Catalog, options: &Options) -> Verdict {
    let mut resolved = workload(100.0, 0.0, Transfer::ConstantsResident);
    resolved.workload.demand = demand;
    classify(&resolved, &measured_pair(0.36, 0.009, 1.02), catalog, options)
}

fn month(cost: Option<&SkuCost>) -> f64 {
    cost.and_then(|c| c.usd_per_month).expect("money").median
}

fn close(a: f64, b: f64) {
    assert!((a / b - 1.0).abs() < 1e-9, "{a} is not {b}");
}

fn told<'v>(v: &'v Verdict, code: &str) -> &'v str {
    let found = v.reasons.iter().find(|r| r.code == code);
    &found.unwrap_or_else(|| panic!("{code} in {:?}", v.reasons)).text
}

#[test]
fn a_batch_pays_its_window_where_steady_demand_pays_the_day() {
    // 10,000 jobs in 2 h are 5000 an hour: ⌈5000 / 2800⌉ = 2 GPU nodes for 2 h and 18 minutes,
    // ⌈5000 / 70⌉ = 72 CPU nodes for 2 h and 13 minutes.
    let batch = Pattern::Batch { window_h: 2.0 };
    let demand = Demand { pattern: batch, ..Demand::steady(10_000.0) };
    let v = asked(demand, &catalog(1.0, 4.0), &Options::default());
    close(month(v.best_gpu.as_ref()), 30.4 * 2.0 * 2.3 * 4.0);
    close(month(v.best_cpu.as_ref()), 30.4 * 72.0 * (2.0 + 13.0 / 60.0));
    let gpu = v.best_gpu.as_ref().expect("gpu");
    assert_eq!((gpu.fewest_nodes, gpu.nodes), (Some(0), Some(2)));
    assert!(v.sentences.iter().any(|s| s.contains("G8 runs 0 to 2 nodes")), "{:?}", v.sentences);
    for name in ["start-up", "cool-down", "starting and cooling down", "node-hours a day"] {
        assert!(v.explain.iter().any(|t| t.name == name), "{name}");
    }
    // Reserved for a year, both would bill around the clock.
    let mut reserved = catalog(1.0, 4.0);
    for sku in &mut reserved.skus {
        sku.prices[0].kind = PriceKind::Reserved1y;
    }
    let options = Options { price_kind: PriceKind::Reserved1y, ..Options::default() };
    let demand = Demand { pattern: Pattern::Batch { window_h: 2.0 }, ..Demand::steady(10_000.0) };
    close(month(asked(demand, &reserved, &options).best_gpu.as_ref()), 30.4 * 24.0 * 2.0 * 4.0);
}

#[test]
fn a_job_longer_than_its_deadline_or_window_rules_a_size_out() {
    // 100 calls end to end: 72 s on the CPU, 1.8 s on the GPU.
    let late = Demand { deadline_s: Some(60.0), ..Demand::steady(100.0) };
    let v = asked(late, &catalog(1.0, 4.0), &Options::default());
    assert_eq!(v.verdict, Kind::Gpu, "{}", v.headline);
    let text = told(&v, "misses-deadline");
    assert!(text.contains("one job takes 72.0 s where the deadline is after 60.0 s"), "{text}");
    let window = Pattern::Batch { window_h: 0.01 };
    let v = asked(
        Demand { pattern: window, ..Demand::steady(10.0) },
        &catalog(1.0, 4.0),
        &Options::default(),
    );
    assert!(told(&v, "misses-deadline").contains("the batch window is 36.0 s"));
    assert_eq!(v.verdict, Kind::Gpu, "{}", v.headline);
}

#[test]
fn a_burst_under_an_objective_is_paid_for_all_day_and_says_so() {
    let bursty = Pattern::Bursty { peak_factor: 5.0, peak_h_per_day: 4.0 };
    let demand = Demand { pattern: bursty, latency_slo_s: Some(600.0), ..Demand::steady(4000.0) };
    // 4 h at 500 an hour and 20 h at 100: ⌈500 / 70⌉ = 8 CPU nodes, all day.
    let v = asked(demand, &catalog(1.0, 400.0), &Options::default());
    close(month(v.best_cpu.as_ref()), 30.4 * 24.0 * 8.0);
    let all_day = "C8: a node takes 3.00 min to start, too long for a busy spell under a latency \
                   objective: the 8 nodes of the peak are paid for all day";
    assert!(v.reasons.iter().any(|r| r.text == all_day), "{:?}", v.reasons);
}

#[test]
fn a_latency_objective_adds_nodes_until_queueing_keeps_it() {
    // The CPU node does one job in 72 s and 100 an hour: two under way, each 72 s. 70 jobs an
    // hour fill it to 0.7: M/D/2 at 1.4 erlang, C = 0.576; 99 % wait ln(57.6) · 36 / (2 · 0.3)
    // = 243 s: too long for 200 s in all, and two nodes wait ln(C / 0.01) · … less.
    let demand = Demand { latency_slo_s: Some(200.0), ..Demand::steady(70.0 * 24.0) };
    let v = asked(demand, &catalog(1.0, 400.0), &Options::default());
    let cpu = v.best_cpu.as_ref().expect("cpu");
    assert_eq!(cpu.nodes, Some(2));
    let answered = cpu.latency_at_percentile_s.expect("objective");
    assert!((72.0..200.0).contains(&answered), "{answered}");
    let text = told(&v, "latency-headroom");
    assert!(text.contains("1 node more") && text.contains("99 % of requests"), "{text}");
}

#[test]
fn spot_loses_work_and_an_unknown_cpu_price_is_no_win_for_the_gpu() {
    let mut one_sided = catalog(1.0, 4.0);
    one_sided.skus[1].prices[0].kind = PriceKind::Spot;
    let options = Options { price_kind: PriceKind::Spot, ..Options::default() };
    let demand = Demand { latency_slo_s: Some(100.0), ..Demand::steady(100_000.0) };
    let v = asked(demand.clone(), &one_sided, &options);
    assert_eq!(v.verdict, Kind::MeasureFirst, "{}", v.headline);
    assert!(v.reasons.iter().any(|r| r.code == "price-unknown"));
    let text = told(&v, "spot-evictions");
    assert!(text.contains("misses the latency objective until another"), "{text}");
    // 0.05 an hour · (1.8 s / 2 + 8 min): 4000 / (1 + 0.05 · (0.9 / 3600 + 8 / 60)).
    let gpu = v.best_gpu.as_ref().expect("gpu");
    let loss = 0.05 * (0.9 / 3600.0 + 8.0 / 60.0);
    close(gpu.jobs_per_h.expect("rate").median, 4000.0 / (1.0 + loss));
    // Evicted once an hour, a start of 30 minutes halves it again.
    let settings =
        Settings { evictions_per_h: 1.0, start_up_min: Some(30.0), ..Settings::default() };
    let often = asked(demand, &one_sided, &Options { settings, ..options });
    let rate = often.best_gpu.as_ref().and_then(|g| g.jobs_per_h).expect("rate").median;
    close(rate, 4000.0 / (1.5 + 0.9 / 3600.0));
}

#[test]
fn work_that_the_host_holds_up_has_its_price_on_cpu_nodes() {
    // 10 · 0.01 s of GPU and 4 s on one of 8 threads: 36,000 and 7200 jobs an hour. 200,000 a day
    // are 8333 an hour: 2 nodes of 5040 at $4. Moved: ⌈8333 / 5040⌉ = 2 CPU nodes at $1, and one
    // GPU node: 30.4 · 24 · (2 + 4) = $4378 instead of $5837.
    let mut resolved = workload(10.0, 200_000.0, Transfer::ConstantsResident);
    resolved.workload.stages.push(Stage::Serial { serial_cpu_s: 4.0 });
    resolved.cases.push(None);
    let records = measured_pair(0.4, 0.01, 1.0);
    let v = classify(&resolved, &records, &catalog(1.0, 4.0), &Options::default());
    let text = told(&v, "split");
    let ends = |text: &str, end: &str| assert!(text.ends_with(end), "{text}");
    assert!(text.contains("would cost $1,459 a month (2 nodes of C8)"), "{text}");
    ends(
        text,
        "the rest $2,918 (1 node of G8): $4,378 together instead of $5,837, which would save $1,459",
    );
    // A size with as good a GPU and half the vCPUs for $2.50 is dearer for all the work (4 nodes,
    // $10 an hour), but will do for the rest: $1824 and $1459.20 are $3283.20.
    let mut with_small = catalog(1.0, 4.0);
    let mut small = gpu_sku("G4", 2.5);
    small.vcpus = 4;
    with_small.skus.push(small);
    let rows = vec![row("cuda:0", "cuda/tiled", "matmul a", 0.01, 1.0)];
    let records = [records, vec![record(Some("G4"), vec![gpu_device()], rows)]].concat();
    let v = classify(&resolved, &records, &with_small, &Options::default());
    ends(
        told(&v, "split"),
        "the rest $1,824 (1 node of G4): $3,283 together instead of $5,837, which would save $2,554",
    );
    // 10,000 a day take one node whatever it is: 729.6 · (1 + 2.5) instead of 729.6 · 2.5.
    resolved.workload.demand.jobs_per_day = 10_000.0;
    let v = classify(&resolved, &records, &with_small, &Options::default());
    ends(told(&v, "split"), "together instead of $1,824, so splitting would cost $730 more");
}

#[test]
fn gpus_too_few_for_another_job_stay_idle() {
    let mut catalog = catalog(1.0, 16.0);
    catalog.skus[1].gpu_count = Some(4.0);
    let rate = |gpus: f64| {
        let mut resolved = workload(100.0, 1e6, Transfer::ConstantsResident);
        if let Stage::Compute(stage) = &mut resolved.workload.stages[0] {
            stage.gpus_per_job = gpus;
        }
        let options = Options::default();
        let v = classify(&resolved, &measured_pair(0.36, 0.009, 1.0), &catalog, &options);
        (v.best_gpu.as_ref().and_then(|g| g.jobs_per_h).expect("rate").median, v)
    };
    // The record is of one T100 on the size: 4000 jobs an hour each; of four GPUs, jobs that hold
    // 1, 2, 3 or 4 leave room for 4, 2, 1 and 1.
    let one = rate(4.0).0;
    close(rate(1.0).0, 4.0 * one);
    close(rate(2.0).0, 2.0 * one);
    let (three, v) = rate(3.0);
    close(three, one);
    assert!(told(&v, "gpus-idle").contains("1 of 4 GPUs stays idle: a job takes 3"));
}

#[test]
fn stages_beside_each_other_take_as_long_as_the_longest() {
    let mut resolved = workload(100.0, 10.0, Transfer::ConstantsResident);
    resolved.workload.stages.push(Stage::Serial { serial_cpu_s: 30.0 });
    resolved.cases.push(None);
    let latency = |overlap: bool| {
        let mut resolved = resolved.clone();
        resolved.workload.job.overlap = overlap;
        let records = measured_pair(0.36, 0.009, 1.0);
        let v = classify(&resolved, &records, &catalog(1.0, 4.0), &Options::default());
        v.best_gpu.and_then(|g| g.latency_s).expect("latency").median
    };
    // 100 · 0.018 s on the GPU beside 30 s on a thread.
    close(latency(false), 31.8);
    close(latency(true), 30.0);
}

#[test]
fn no_jobs_cost_money_a_month_and_null_a_job_in_every_pattern() {
    for pattern in [
        Pattern::Steady,
        Pattern::Batch { window_h: 2.0 },
        Pattern::Bursty { peak_factor: 3.0, peak_h_per_day: 2.0 },
        Pattern::Hourly(Box::new([1.0 / 24.0; 24])),
    ] {
        let demand = Demand { pattern, ..Demand::steady(0.0) };
        let v = asked(demand, &catalog(1.0, 4.0), &Options::default());
        assert_eq!(v.verdict, Kind::MeasureFirst, "{}", v.headline);
        close(month(v.best_cpu.as_ref()), 30.4 * 24.0);
        assert!(v.ranking.iter().all(|r| r.usd_per_job.is_none()));
        let numbers = v.explain.iter().filter_map(|t| t.value);
        assert!(numbers.clone().all(f64::is_finite), "{:?}", v.explain);
    }
}

fn any_demand() -> impl Strategy<Value = Demand> {
    let pattern = prop_oneof![
        Just(Pattern::Steady),
        (0.5..24.0f64).prop_map(|window_h| Pattern::Batch { window_h }),
        (1.0..30.0f64, 0.5..23.0f64).prop_map(|(peak_factor, peak_h_per_day)| {
            Pattern::Bursty { peak_factor, peak_h_per_day }
        }),
        proptest::collection::vec(0u32..100, 23).prop_map(|rates| {
            let sum = f64::from(rates.iter().sum::<u32>() + 1);
            let mut shares = [1.0 / sum; 24];
            for (share, rate) in shares.iter_mut().zip(rates) {
                *share = f64::from(rate) / sum;
            }
            Pattern::Hourly(Box::new(shares))
        }),
    ];
    (pattern, 1.0..1e6f64, proptest::option::of(0.5..500.0f64)).prop_map(|(pattern, jobs, slo)| {
        let slo = slo.filter(|_| !matches!(pattern, Pattern::Batch { .. }));
        Demand { pattern, latency_slo_s: slo, ..Demand::steady(jobs) }
    })
}

/// A second GPU size, half as fast for its price or twice, besides C8 and G8.
fn three(gpu_usd: f64, other_usd: f64) -> Catalog {
    let mut three = catalog(1.0, gpu_usd);
    let mut other = gpu_sku("G8x4", other_usd);
    other.gpu_count = Some(4.0);
    three.skus.push(other);
    three
}

fn verdict(demand: &Demand, speedup: f64, factor: f64, catalog: &Catalog) -> Verdict {
    let mut resolved = workload(100.0, 0.0, Transfer::ConstantsResident);
    resolved.workload.demand = demand.clone();
    let records = measured_pair(0.36, 0.36 / speedup, factor);
    classify(&resolved, &records, catalog, &Options::default())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_printed_demand_is_where_the_cheaper_side_changes(
        demand in any_demand(), speedup in 0.5..100.0f64, usd in 0.2..20.0f64, other in 0.5..60.0f64,
    ) {
        let catalog = three(usd, other);
        let v = verdict(&demand, speedup, 1.1, &catalog);
        let lean = |jobs_per_day: f64| {
            verdict(&Demand { jobs_per_day, ..demand.clone() }, speedup, 1.1, &catalog).lean
        };
        for band in v.break_even.demand_bands.iter().skip(1).rev().take(3) {
            let from = band.from_jobs_per_day;
            prop_assert_eq!(lean(from), Some(band.cheaper));
            prop_assert!(lean(from - 1.0) != Some(band.cheaper), "below {}", from);
        }
    }

    #[test]
    fn the_printed_price_is_where_the_verdict_turns(
        demand in any_demand(), speedup in 0.5..100.0f64, usd in 0.2..20.0f64, other in 0.5..60.0f64,
    ) {
        let v = verdict(&demand, speedup, 1.1, &three(usd, other));
        let Some(best) = v.best_gpu.map(|g| g.sku) else { return Ok(()) };
        let at = |price: f64| {
            let mut catalog = three(usd, other);
            for sku in catalog.skus.iter_mut().filter(|s| s.name == best) {
                sku.prices[0].price_usd_per_h = price;
            }
            verdict(&demand, speedup, 1.1, &catalog).verdict
        };
        if let Some(price) = v.break_even.gpu_price_for_gpu_usd_per_h {
            prop_assert_eq!(at(price * 0.999_999), Kind::Gpu);
            prop_assert!(at(price * 1.000_001) != Kind::Gpu);
        }
        if let Some(price) = v.break_even.gpu_price_for_cpu_usd_per_h {
            prop_assert_eq!(at(price * 1.000_001), Kind::Cpu);
            prop_assert!(at(price * 0.999_999) != Kind::Cpu);
        }
    }

    #[test]
    fn more_jobs_never_lower_the_bill_and_a_job_never_costs_nan(
        demand in any_demand(), speedup in 0.5..100.0f64, more in 1.0..50.0f64,
    ) {
        let catalog = catalog(1.0, 4.0);
        let few = verdict(&demand, speedup, 1.3, &catalog);
        let jobs_per_day = demand.jobs_per_day * more;
        let many = verdict(&Demand { jobs_per_day, ..demand }, speedup, 1.3, &catalog);
        for (a, b) in few.ranking.iter().zip(&few.ranking) {
            let other = many.ranking.iter().find(|r| r.sku == a.sku).expect("same sizes");
            let usd = |r: &SkuCost| r.usd_per_month.map(|m| m.median);
            if let (Some(less), Some(most)) = (usd(a), usd(other)) {
                prop_assert!(less > 0.0 && most >= less * (1.0 - 1e-12), "{}", a.sku);
            }
            prop_assert!(b.utilisation.is_none_or(|u| u > 0.0 && u <= 1.0), "{:?}", b.utilisation);
        }
    }

    #[test]
    fn a_cheaper_gpu_never_turns_gpu_into_cpu_in_any_pattern(
        demand in any_demand(), speedup in 0.5..100.0f64, usd in 0.2..20.0f64, cheaper in 0.01..1.0f64,
    ) {
        let before = verdict(&demand, speedup, 1.3, &catalog(1.0, usd));
        let after = verdict(&demand, speedup, 1.3, &catalog(1.0, usd * cheaper));
        if before.verdict == Kind::Gpu {
            prop_assert_eq!(after.verdict, Kind::Gpu);
        }
        if after.verdict == Kind::Cpu {
            prop_assert_eq!(before.verdict, Kind::Cpu);
        }
    }

    #[test]
    fn a_wider_interval_never_makes_a_verdict_surer_in_any_pattern(
        demand in any_demand(), speedup in 0.5..100.0f64, factor in 1.0..3.0f64, wider in 1.0..3.0f64,
    ) {
        let narrow = verdict(&demand, speedup, factor, &catalog(1.0, 4.0));
        let wide = verdict(&demand, speedup, factor * wider, &catalog(1.0, 4.0));
        if wide.verdict != Kind::MeasureFirst {
            prop_assert_eq!(narrow.verdict, wide.verdict);
        }
    }
}
