//! Shared nodes against answers worked out by hand, and what must hold of every bill.

use proptest::prelude::*;

use super::fleet::{Pace, Rules, Settings};
use super::money;
use super::node::Memory;
use super::share::{Apart, Tenant, bill, through_the_day};
use crate::catalog::PriceKind;
use crate::workload::{Demand, NodeNeeds, Pattern};

/// No memory is asked for, none needs to be known.
const TURNS: Apart = Apart::Turns { rooms_gib: [None; 2] };
const SEVEN: Apart = Apart::Instances { per_node: 7.0 };

fn rules(demand: &Demand) -> Rules {
    Rules::new(demand, &NodeNeeds::default(), &Settings::default(), PriceKind::Ondemand, true)
}

fn steady() -> Rules {
    rules(&Demand::steady(0.0))
}

/// A tenant whose jobs take `seconds` of one resource, one at a time, and no memory.
fn tenant(rules: &Rules, jobs_per_h: f64, seconds: f64) -> Tenant<'_> {
    Tenant {
        rules,
        jobs_per_day: 24.0 * jobs_per_h,
        pace: Pace { jobs_per_h: 3600.0 / seconds, latency_s: seconds, scatter: 0.0 },
        seconds: vec![seconds],
        memory: [Memory::default(); 2],
        places: [1.0; 2],
    }
}

fn close(a: f64, b: f64) {
    assert!((a - b).abs() <= 1e-9 * b.abs().max(1.0), "{a} is not {b}");
}

#[test]
fn an_instance_alone_pays_the_whole_node_and_a_seventh_when_it_is_full() {
    // 36 s a job are 100 jobs an hour at full load, 70 of them used: 10 an hour are one instance.
    // $7 an hour are 30.4 · 24 · 7 = $5107.20 a month.
    let rules = steady();
    let mine = tenant(&rules, 10.0, 36.0);
    let alone = bill(std::slice::from_ref(&mine), &SEVEN, 7.0).expect("bill");
    close(alone.usd_per_month_each[0], 5107.2);
    // Six others of one instance each: a seventh of it, $729.60.
    let full = bill(&vec![mine.clone(); 7], &SEVEN, 7.0).expect("bill");
    close(full.usd_per_month_each[0], 729.6);
    close(full.usd_per_month, 5107.2);
    assert_eq!((full.most_nodes, full.most_held), (1.0, vec![1.0; 7]));
    // An eighth needs a second node: two nodes for eight instances.
    let eight = bill(&vec![mine; 8], &SEVEN, 7.0).expect("bill");
    assert_eq!(eight.most_nodes, 2.0);
    close(eight.usd_per_month_each[0], 2.0 * 5107.2 / 8.0);
}

#[test]
fn instances_are_whole() {
    // 140 jobs an hour at 70 of an instance: two; 141: three; 281: five. Beside one of a
    // co-tenant, on nodes of two.
    let rules = steady();
    let two = Apart::Instances { per_node: 2.0 };
    for (rate, parts, nodes) in [(140.0, 2.0, 2.0), (141.0, 3.0, 2.0), (281.0, 5.0, 3.0)] {
        let tenants = [tenant(&rules, rate, 36.0), tenant(&rules, 1.0, 36.0)];
        let day = through_the_day(&tenants, &two).expect("day");
        assert_eq!((day.len(), day[0].nodes, &day[0].parts), (1, nodes, &vec![parts, 1.0]));
    }
}

#[test]
fn turns_save_only_idle_time() {
    // 10 jobs of 36 s an hour are 360 of 3600 · 0.7 = 2520 s, a seventh of a node. Seven of them
    // are one node, each a seventh; eight are two nodes.
    let rules = steady();
    for (count, nodes) in [(1, 1.0), (7, 1.0), (8, 2.0)] {
        let bill = bill(&vec![tenant(&rules, 10.0, 36.0); count], &TURNS, 1.0).expect("bill");
        assert_eq!(bill.most_nodes, nodes, "{count}");
        close(bill.usd_per_month_each[0], 729.6 * nodes / count as f64);
    }
}

#[test]
fn different_bottlenecks_share_well() {
    // One keeps 0.9 of the threads busy, the other 0.9 of the GPU: one node does both.
    let rules = steady();
    let mut threads = tenant(&rules, 63.0, 36.0);
    let mut gpu = tenant(&rules, 63.0, 36.0);
    threads.seconds = vec![36.0, 0.0];
    gpu.seconds = vec![0.0, 36.0];
    let both = bill(&[threads, gpu], &TURNS, 2.0).expect("bill");
    assert_eq!(both.most_nodes, 1.0);
    close(both.usd_per_month_each[0], both.usd_per_month / 2.0);
}

#[test]
fn memory_of_all_must_fit_at_once() {
    let rules = steady();
    let with = |constant_gib, job_gib| {
        let mut t = tenant(&rules, 10.0, 36.0);
        t.memory[0] = Memory { constant_gib, job_gib };
        t
    };
    let room = |gib| Apart::Turns { rooms_gib: [Some(gib), None] };
    // 10 + 2 and 4 + 2 GiB: 18 in all.
    let tenants = [with(10.0, 2.0), with(4.0, 2.0)];
    assert!(bill(&tenants, &room(17.9), 1.0).is_none());
    let fits = bill(&tenants, &room(18.0), 1.0).expect("fits");
    // Memory is the largest part that each holds: 12 and 6 of 18 GiB.
    close(fits.usd_per_month_each[0], 729.6 * 12.0 / 18.0);
    // 700 jobs an hour that take 3.6 s of the node and last 36 s: 700 · 3.6 / 2520 = 1 node by
    // use; but 700 · 36 / 2520 = 10 at once, and 3 GiB hold one of 2 GiB: 10 nodes.
    let mut many = with(0.0, 2.0);
    many.jobs_per_day = 24.0 * 700.0;
    many.seconds = vec![3.6];
    let day = through_the_day(&[many], &room(3.0)).expect("day");
    assert_eq!(day[0].nodes, 10.0);
}

#[test]
fn who_works_at_night_pays_for_the_night() {
    // One works from midnight to noon, the other all day, both by the hour: one node throughout.
    // The first pays half of twelve hours, the second the rest.
    let half = |hour: usize| if hour < 12 { 1.0 / 12.0 } else { 0.0 };
    let pattern = Pattern::Hourly(Box::new(std::array::from_fn(half)));
    let (half_day, steady) = (rules(&Demand { pattern, ..Demand::steady(0.0) }), steady());
    // 120 jobs a day in 12 hours: 10 an hour.
    let mut by_day = tenant(&half_day, 5.0, 36.0);
    by_day.jobs_per_day = 120.0;
    let always = tenant(&steady, 10.0, 36.0);
    let both = bill(&[by_day.clone(), always], &TURNS, 1.0).expect("bill");
    close(both.usd_per_month_each[0], 30.4 * 6.0);
    close(both.usd_per_month_each[1], 30.4 * 18.0);
    // Alone: 12 hours, 8 minutes to start and 10 to cool down.
    let alone = bill(&[by_day], &TURNS, 1.0).expect("bill");
    close(alone.usd_per_month, 30.4 * 12.3);
}

#[test]
fn windows_without_an_hour_are_taken_to_coincide() {
    // Two windows of 6 and 12 hours, 60 and 120 jobs of 151.2 s: 10 an hour each, 0.6 of a node.
    // Together two nodes for 6 hours, one for 6 more, and 0.3 h for each of the two starts.
    let batch =
        |window_h| rules(&Demand { pattern: Pattern::Batch { window_h }, ..Demand::steady(0.0) });
    let (six, twelve) = (batch(6.0), batch(12.0));
    let mut short = tenant(&six, 1.0, 151.2);
    short.jobs_per_day = 60.0;
    let mut long = tenant(&twelve, 1.0, 151.2);
    long.jobs_per_day = 120.0;
    let both = bill(&[short, long], &TURNS, 1.0).expect("bill");
    close(both.usd_per_month, 30.4 * (12.0 + 6.0 + 0.6));
}

#[test]
fn an_objective_is_kept_even_when_all_others_work() {
    // Alone one node answers in time; with three others each gets a quarter of a node, and an
    // objective of 2.5 times the service time is then out of reach for one node.
    let demand = Demand { latency_slo_s: Some(90.0), ..Demand::steady(0.0) };
    let (served, steady) = (rules(&demand), steady());
    let mine = tenant(&served, 5.0, 18.0);
    let others = vec![tenant(&steady, 5.0, 18.0); 3];
    let alone = bill(std::slice::from_ref(&mine), &TURNS, 1.0).expect("bill");
    assert_eq!(alone.most_nodes, 1.0);
    let shared = bill(&[vec![mine], others].concat(), &TURNS, 1.0).expect("bill");
    assert!(shared.most_nodes > 1.0, "{shared:?}");
}

/// (jobs an hour, seconds, constant GiB, GiB a job) of a few tenants.
fn several() -> impl Strategy<Value = Vec<(f64, f64, f64, f64)>> {
    proptest::collection::vec((0.1..500.0f64, 0.1..60.0f64, 0.0..4.0f64, 0.0..4.0f64), 1..6)
}

fn tenants<'a>(rules: &'a Rules, list: &[(f64, f64, f64, f64)]) -> Vec<Tenant<'a>> {
    list.iter()
        .map(|(rate, seconds, constant_gib, job_gib)| {
            let mut t = tenant(rules, *rate, *seconds);
            t.memory[0] = Memory { constant_gib: *constant_gib, job_gib: *job_gib };
            t
        })
        .collect()
}

fn apart(per_node: u32, turns: bool) -> Apart {
    if turns {
        Apart::Turns { rooms_gib: [Some(64.0), None] }
    } else {
        Apart::Instances { per_node: f64::from(per_node) }
    }
}

proptest! {
    #[test]
    fn parts_add_up_to_the_bill(list in several(), per_node in 1u32..8, turns in any::<bool>()) {
        let rules = steady();
        let bill = bill(&tenants(&rules, &list), &apart(per_node, turns), 1.7).expect("64 GiB hold 5 · 8");
        let sum: f64 = bill.usd_per_month_each.iter().sum();
        prop_assert!((sum / bill.usd_per_month - 1.0).abs() < 1e-9);
    }

    #[test]
    fn an_instance_is_never_cheaper_than_its_part_of_a_full_node(
        list in several(), per_node in 1u32..8,
    ) {
        let rules = steady();
        let bill = bill(&tenants(&rules, &list), &apart(per_node, false), 1.0).expect("bill");
        for (usd, instances) in bill.usd_per_month_each.iter().zip(&bill.most_held) {
            let least = 729.6 / f64::from(per_node) * instances;
            prop_assert!(*usd >= least * (1.0 - 1e-9), "{usd} below {least}");
        }
    }

    #[test]
    fn the_order_of_tenants_does_not_matter(
        list in several(), per_node in 1u32..8, turns in any::<bool>(),
    ) {
        let rules = steady();
        let forth = tenants(&rules, &list);
        let mut back = forth.clone();
        back.reverse();
        let there = bill(&forth, &apart(per_node, turns), 1.0).expect("bill");
        let again = bill(&back, &apart(per_node, turns), 1.0).expect("bill");
        prop_assert!((there.usd_per_month / again.usd_per_month - 1.0).abs() < 1e-9);
        for (a, b) in there.usd_per_month_each.iter().zip(again.usd_per_month_each.iter().rev()) {
            prop_assert!((a / b - 1.0).abs() < 1e-9);
        }
    }

    #[test]
    fn alone_it_costs_what_its_own_fleet_does(
        rate in 0.01..5000.0f64, seconds in 0.1..600.0f64, slo in proptest::option::of(1.0..900.0f64),
        turns in any::<bool>(),
    ) {
        let rules = rules(&Demand { latency_slo_s: slo, ..Demand::steady(0.0) });
        let mine = tenant(&rules, rate, seconds);
        let hours = rules.node_hours(mine.jobs_per_day, mine.pace);
        let apart = if turns { TURNS } else { Apart::Instances { per_node: 1.0 } };
        let bill = bill(std::slice::from_ref(&mine), &apart, 3.0).expect("bill");
        prop_assert!((bill.usd_per_month / money::usd_per_month(hours, 3.0) - 1.0).abs() < 1e-9);
    }
}
