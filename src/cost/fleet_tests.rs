//! Nodes and node-hours of every pattern against answers worked out by hand.

use proptest::prelude::*;

use super::fleet::{AllDay, Pace, Rules, Settings, servers_per_node};
use crate::catalog::PriceKind;
use crate::workload::{Demand, NodeNeeds, Pattern};

fn close(a: f64, b: f64) {
    assert!((a - b).abs() <= 1e-9 * b.abs().max(1e-12), "{a} is not {b}");
}

fn rules(demand: &Demand, kind: PriceKind, gpu: bool) -> Rules {
    Rules::new(demand, &NodeNeeds::default(), &Settings::default(), kind, gpu)
}

fn of(pattern: Pattern) -> Demand {
    Demand { pattern, ..Demand::steady(0.0) }
}

/// A node of `jobs_per_h` that works on one job at a time.
fn one_at_a_time(jobs_per_h: f64) -> Pace {
    Pace { jobs_per_h, latency_s: 3600.0 / jobs_per_h, scatter: 0.0 }
}

#[test]
fn steady_demand_keeps_whole_nodes_all_day() {
    let rules = rules(&of(Pattern::Steady), PriceKind::Ondemand, true);
    // 2000 a day are 83.3 an hour; 50 · 0.7 = 35 a node: 2.38, so 3 nodes, 72 node-hours.
    let fleet = rules.fleet(2000.0, one_at_a_time(50.0));
    assert_eq!((fleet.most, fleet.fewest, fleet.warming_h), (3.0, 3.0, 0.0));
    close(fleet.node_hours, 72.0);
    // Exactly two nodes' worth needs two; nothing at all keeps one.
    close(rules.fleet(24.0 * 2.0 * 10.0 * 0.7, one_at_a_time(10.0)).most, 2.0);
    close(rules.fleet(0.0, one_at_a_time(10.0)).node_hours, 24.0);
}

#[test]
fn a_batch_pays_its_window_and_one_start_and_goes_to_zero() {
    let demand = of(Pattern::Batch { window_h: 4.0 });
    // 700 jobs in 4 h are 175 an hour: ⌈175 / 70⌉ = 3 nodes. 12 node-hours of work, and 3 starts
    // of 8 + 10 minutes with a GPU, 3 + 10 without.
    let fleet = rules(&demand, PriceKind::Ondemand, true).fleet(700.0, one_at_a_time(100.0));
    assert_eq!((fleet.most, fleet.fewest), (3.0, 0.0));
    close(fleet.node_hours, 12.0 + 3.0 * 18.0 / 60.0);
    let fleet = rules(&demand, PriceKind::Ondemand, false).fleet(700.0, one_at_a_time(100.0));
    close(fleet.node_hours, 12.0 + 3.0 * 13.0 / 60.0);
    // A reservation bills the three nodes around the clock.
    let reserved = rules(&demand, PriceKind::Reserved1y, true);
    assert_eq!(reserved.all_day, Some(AllDay::Reserved));
    close(reserved.fleet(700.0, one_at_a_time(100.0)).node_hours, 72.0);
    // One node kept: the window adds two starts, the other 20 hours one node each.
    let node = NodeNeeds { min_nodes: Some(1), ..NodeNeeds::default() };
    let kept = Rules::new(&demand, &node, &Settings::default(), PriceKind::Ondemand, true);
    close(kept.fleet(700.0, one_at_a_time(100.0)).node_hours, 12.0 + 20.0 + 2.0 * 18.0 / 60.0);
    // A gap shorter than a start and a cool-down is bridged: never more than 24 hours a node.
    let long = rules(&of(Pattern::Batch { window_h: 23.9 }), PriceKind::Ondemand, true);
    close(long.fleet(100.0, one_at_a_time(100.0)).node_hours, 24.0);
}

#[test]
fn hours_scale_one_by_one_and_starts_count_once_around_midnight() {
    // 100 jobs at 22–24 h and 0–2 h each hour, 10 an hour else: 400 + 200 = 600 a day.
    let mut shares = [10.0 / 600.0; 24];
    for hour in [22, 23, 0, 1] {
        shares[hour] = 100.0 / 600.0;
    }
    let rules = rules(&of(Pattern::Hourly(Box::new(shares))), PriceKind::Ondemand, false);
    // 35 a node and hour: 3 nodes for 4 hours, 1 for 20; two nodes start once (13 minutes each).
    let fleet = rules.fleet(600.0, one_at_a_time(50.0));
    assert_eq!((fleet.most, fleet.fewest), (3.0, 1.0));
    close(fleet.node_hours, 12.0 + 20.0 + 2.0 * 13.0 / 60.0);
}

#[test]
fn a_burst_under_a_latency_objective_keeps_its_nodes_all_day() {
    let bursty = Pattern::Bursty { peak_factor: 5.0, peak_h_per_day: 4.0 };
    // 2000 a day: 250 an hour for 4 h, 50 for 20 h; 70 a node: 4 and 1 nodes.
    let rules_of = |slo| {
        let demand = Demand { latency_slo_s: slo, ..of(bursty.clone()) };
        rules(&demand, PriceKind::Ondemand, true)
    };
    let free = rules_of(None).fleet(2000.0, one_at_a_time(100.0));
    close(free.node_hours, 16.0 + 20.0 + 3.0 * 18.0 / 60.0);
    // An hour to answer: waiting decides nothing, but the four nodes stay up.
    let bound = rules_of(Some(3600.0));
    assert_eq!((bound.all_day, bound.min_nodes), (Some(AllDay::Headroom), 1.0));
    close(bound.fleet(2000.0, one_at_a_time(100.0)).node_hours, 96.0);
}

#[test]
fn nodes_are_added_until_the_percentile_is_met() {
    // One server a node, 36 s a job, 70 jobs an hour: ρ = 0.7 on one node. M/D/1 at 99 %:
    // ln(0.7 / 0.01) · 36 / (2 · 0.3) = 254.9 s of waiting.
    let pace = one_at_a_time(100.0);
    let nodes = |slo: f64| {
        let demand = Demand { latency_slo_s: Some(slo), ..of(Pattern::Steady) };
        rules(&demand, PriceKind::Ondemand, true).fleet(70.0 * 24.0, pace)
    };
    let one = nodes(291.0);
    close(one.most, 1.0);
    assert!((one.spells[0].wait_s - 254.9).abs() < 0.1, "{}", one.spells[0].wait_s);
    // Two nodes, 0.7 erlang: B = 0.245 / 1.945 = 0.12596, C = B / (1 − 0.35 · (1 − B)) = 0.18148;
    // ln(18.148) · 36 / (2 · (2 − 0.7)) = 40.13 s, 76.13 in all.
    let two = nodes(290.0);
    close(two.most, 2.0);
    assert!((two.spells[0].wait_s - 40.13).abs() < 0.01, "{}", two.spells[0].wait_s);
    close(nodes(76.2).most, 2.0);
    close(nodes(76.0).most, 3.0);
    // Jobs that differ as exponential ones do wait twice as long: 509.8 s on one node.
    let demand = Demand { latency_slo_s: Some(600.0), ..of(Pattern::Steady) };
    let varied =
        rules(&demand, PriceKind::Ondemand, true).fleet(70.0 * 24.0, Pace { scatter: 1.0, ..pace });
    close(varied.spells[0].wait_s, 2.0 * one.spells[0].wait_s);
    // Nothing left to wait: as many nodes as let at most one in a hundred wait.
    let none = nodes(36.0);
    close(none.spells[0].wait_s, 0.0);
    assert!(none.most >= 4.0);
}

#[test]
fn jobs_beside_each_other_on_a_node_are_servers() {
    // 7200 an hour at 4.2 s each are 8.4 under way: 8 servers.
    close(servers_per_node(Pace { jobs_per_h: 7200.0, latency_s: 4.2, scatter: 0.0 }), 8.0);
    close(servers_per_node(one_at_a_time(50.0)), 1.0);
    close(servers_per_node(Pace { jobs_per_h: 1.0, latency_s: 1.0, scatter: 0.0 }), 1.0);
}

#[test]
fn no_jobs_at_all_are_one_idle_node() {
    let batch = rules(&of(Pattern::Batch { window_h: 2.0 }), PriceKind::Ondemand, true);
    close(batch.fleet(0.0, one_at_a_time(10.0)).node_hours, 24.0);
    close(batch.node_hours(0.0, one_at_a_time(10.0)), 24.0);
}

fn any_pattern() -> impl Strategy<Value = Pattern> {
    prop_oneof![
        Just(Pattern::Steady),
        (0.1..24.0f64).prop_map(|window_h| Pattern::Batch { window_h }),
        (1.0..50.0f64, 0.1..23.9f64).prop_map(|(peak_factor, peak_h_per_day)| {
            Pattern::Bursty { peak_factor, peak_h_per_day }
        }),
        proptest::collection::vec(0.0..1.0f64, 24).prop_map(|rates| {
            let sum: f64 = rates.iter().sum();
            let mut shares = [0.0; 24];
            for (share, rate) in shares.iter_mut().zip(rates) {
                *share = rate / sum;
            }
            Pattern::Hourly(Box::new(shares))
        }),
    ]
}

proptest! {
    #[test]
    fn more_jobs_a_day_never_take_fewer_node_hours(
        pattern in any_pattern(), jobs in 0.001..1e5f64, more in 1.0..20.0f64,
        x in 0.1..1e4f64, at_once in 1.0..9.0f64, slo in proptest::option::of(1.0..1e4f64),
        warm_min in 0.0..120.0f64,
    ) {
        let slo = slo.filter(|_| !matches!(pattern, Pattern::Batch { .. }));
        let demand = Demand { latency_slo_s: slo, ..of(pattern) };
        let settings = Settings { cool_down_min: warm_min, ..Settings::default() };
        let rules =
            Rules::new(&demand, &NodeNeeds::default(), &settings, PriceKind::Ondemand, true);
        let pace = Pace { jobs_per_h: x, latency_s: 3600.0 * at_once / x, scatter: 0.3 };
        let (few, many) = (rules.fleet(jobs, pace), rules.fleet(jobs * more, pace));
        prop_assert!(many.node_hours >= few.node_hours * (1.0 - 1e-12));
        prop_assert_eq!(rules.node_hours(jobs, pace), few.node_hours);
        prop_assert!(few.node_hours <= 24.0 * few.most * (1.0 + 1e-12) && few.node_hours > 0.0);
    }

    #[test]
    fn hours_and_rates_cancel(
        pattern in any_pattern(), jobs in 0.1..1e5f64, scale in 0.01..100.0f64, x in 0.1..1e4f64,
    ) {
        // Nodes that do `scale` times as much for `scale` times the jobs: the same fleet, save
        // where rounding decides about one node.
        let rules = rules(&of(pattern), PriceKind::Ondemand, false);
        let one = rules.fleet(jobs, one_at_a_time(x));
        let other = rules.fleet(jobs * scale, one_at_a_time(x * scale));
        prop_assert!((one.node_hours - other.node_hours).abs() <= 1e-9 * one.node_hours);
    }
}
