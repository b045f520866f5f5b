//! What a reader would notice of the pictures of money.

use super::*;
use crate::cost::Estimate;
use crate::cost::parts::CostParts;
use crate::report::figure::text::escaped;

fn verdicts() -> Vec<Verdict> {
    let path =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/verdicts.json");
    let text = std::fs::read_to_string(path).expect("a readable fixture");
    serde_json::from_str(&text).expect("verdicts")
}

fn heat() -> HeatMap {
    HeatMap {
        jobs_per_day: vec![1.0, 1000.0, 1e6],
        gpu_price_factors: vec![0.125, 1.0, 8.0],
        log2_at_factor_1: vec![-2.0, 1.0, 3.0],
        asked_jobs_per_day: 1000.0,
    }
}

#[test]
fn a_verdict_with_costs_has_its_pictures_and_one_without_has_none() {
    let mut verdict = verdicts().remove(0);
    let figures = of_verdict(&verdict, None, Some(&heat()));
    let start = format!("workload-{}-", id_of(&verdict.workload));
    assert_eq!(figures.len(), 3);
    for figure in &figures {
        assert!(figure.id.starts_with(&start), "{}", figure.id);
        assert!(figure.svg.contains(&format!("<desc id=\"{}-desc\">", figure.id)));
        assert!(figure.svg.contains(&escaped(&figure.finding)), "{}", figure.finding);
        assert!(!figure.table.rows.is_empty() && !figure.svg.contains("NaN"), "{}", figure.id);
    }
    verdict.ranking.clear();
    (verdict.best_gpu, verdict.best_cpu) = (None, None);
    assert_eq!(of_verdict(&verdict, None, None), []);
}

#[test]
fn hostile_names_are_text_and_do_not_share_an_id() {
    let mut verdict = verdicts().remove(0);
    let plain = of_verdict(&verdict, None, Some(&heat()));
    verdict.workload = "<script>alert(1)</script>\u{202e}\"'".repeat(200);
    let sizes =
        verdict.ranking.iter_mut().chain(&mut verdict.best_gpu).chain(&mut verdict.best_cpu);
    for cost in sizes {
        cost.sku = format!("\"><script>{}", "x".repeat(10_000));
    }
    let hostile = of_verdict(&verdict, None, Some(&heat()));
    assert_eq!(plain.len(), hostile.len());
    for figure in &hostile {
        let fit = |c: char| c.is_ascii_alphanumeric() || c == '-';
        assert!(figure.id.len() < 100 && figure.id.chars().all(fit), "{}", figure.id);
        assert!(!figure.svg.contains("<script"), "{}", figure.id);
    }
    assert_ne!(id_of("a b"), id_of("a-b"));
    assert_ne!(id_of("A"), id_of("a"));
    assert_eq!(id_of("llm-prefill"), "llm-prefill");
}

#[test]
fn the_map_says_who_is_cheaper_by_how_much_and_where_it_turns() {
    // log₂(CPU ÷ GPU) is 1 at the demand: half, and the same at twice the price.
    let mut verdict = verdicts().remove(0);
    verdict.break_even.last_crossing_jobs_per_day = None;
    let figure = map::figure("m".into(), &verdict, &heat());
    let start = "At 1,000 jobs a day on nodes of its own the cheapest CPU size costs 2.0× what the \
                 cheapest GPU size does, and both would cost the same if every GPU size had 2.0× its \
                 price; by medians, ";
    assert!(figure.finding.starts_with(start), "{}", figure.finding);
    for words in ["GPU cheaper", "CPU cheaper", "today: 1,000 jobs a day"] {
        assert!(figure.svg.contains(words), "{words}");
    }
    assert_eq!(figure.table.rows[0], ["1", "CPU", "4.0×", "0.25×"]);
    // A pixel of the contour: at the demand it crosses the row of twice the price.
    assert!(!figure.finding.contains("jobs a day on;"), "{}", figure.finding);
}

/// Rows of a ranking: name, kind, USD a job, seconds a job; a tenth of the cost is idle.
fn ranked(rows: &[(&str, Side, f64, f64)]) -> Verdict {
    let mut verdict = verdicts().remove(0);
    let like = verdict.best_gpu.clone().expect("a fixture with a GPU");
    let row = |(sku, side, usd, seconds): &(&str, Side, f64, f64)| SkuCost {
        sku: (*sku).into(),
        side: *side,
        usd_per_job: Some(Estimate { median: *usd, lo90: usd / 2.0, hi90: usd * 2.0 }),
        usd_per_job_parts: Some(CostParts {
            compute: 0.9 * usd,
            idle: 0.1 * usd,
            ..CostParts::default()
        }),
        latency_s: Some(Estimate::exact(*seconds)),
        ..like.clone()
    };
    verdict.ranking = rows.iter().map(row).collect();
    verdict.jobs_per_day = 1000.0;
    verdict
}

#[test]
fn only_sizes_that_none_beats_in_both_are_on_the_front() {
    // B is dearer than A and as fast, D dearer and slower than C: A, C and E are left.
    let verdict = ranked(&[
        ("A", Side::Cpu, 1.0, 100.0),
        ("B", Side::Cpu, 1.5, 100.0),
        ("C", Side::Gpu, 2.0, 10.0),
        ("D", Side::Gpu, 3.0, 20.0),
        ("E", Side::Gpu, 9.0, 5.0),
    ]);
    let figure = front::figure("f".into(), &verdict).expect("a front");
    let names: Vec<&str> = figure.table.rows.iter().map(|row| row[0].as_str()).collect();
    assert_eq!(names, ["A", "C", "E"]);
    assert!(figure.finding.starts_with("3 sizes are beaten by no other"), "{}", figure.finding);
    // One time for all: nothing to choose between.
    let same = ranked(&[("A", Side::Cpu, 1.0, 7.0), ("B", Side::Cpu, 2.0, 7.0)]);
    assert_eq!(front::figure("f".into(), &same), None);
}

#[test]
fn bars_tell_parts_interval_and_the_spot_price_of_the_same_size() {
    let verdict = ranked(&[("A", Side::Gpu, 0.02, 1.0), ("B", Side::Cpu, 0.1, 1.0)]);
    let spot = ranked(&[("B", Side::Cpu, 0.04, 1.0), ("C", Side::Cpu, 0.01, 1.0)]);
    let figure = cost::figure("c".into(), &verdict, Some(&spot)).expect("costs");
    let titles: Vec<&str> = figure.table.columns.iter().map(|column| column.title).collect();
    let wanted =
        ["VM size", "kind", "time is", "USD/job", "from (90 %)", "to (90 %)", "compute", "idle"];
    assert_eq!(titles[..8], wanted);
    let row = &figure.table.rows[1];
    assert_eq!(row[3..9], ["$0.10", "$0.0500", "$0.20", "$0.0900", "$0.0100", "$0.0400"]);
    assert_eq!(figure.table.rows[0][8], "–");
    assert!(figure.svg.contains("at the spot price (bars: on-demand)"));
    let start =
        "At 1,000 jobs a day the cheapest GPU size, A, costs $0.0200 a job, 10 % of it idle";
    assert!(figure.finding.starts_with(start), "{}", figure.finding);
}
