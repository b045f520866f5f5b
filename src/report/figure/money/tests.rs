//! What a reader would notice of the pictures of money.

use super::*;
use crate::report::figure::money::svg::escaped;

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
    let start = format!("workload-{}-", slug(&verdict.workload));
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
    assert_ne!(slug("a b"), slug("a-b"));
    assert_ne!(slug("A"), slug("a"));
    assert_eq!(slug("llm-prefill"), "llm-prefill");
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
    assert_eq!(figure.table.rows[0], ["1", "CPU", "4.0×", "0.25"]);
    // A pixel of the contour: at the demand it crosses the row of twice the price.
    assert!(!figure.finding.contains("jobs a day on;"), "{}", figure.finding);
}
