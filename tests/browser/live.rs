//! The live part: the page's JavaScript against `classify` itself, and its controls.

use std::path::{Path, PathBuf};
use std::time::Instant;

use breakeven::catalog::{Catalog, Os, Price, PriceKind};
use breakeven::classify::{self, Basis, Kind, Options, Side, Verdict};
use breakeven::cost::evidence::{self, MeasuredDevice};
use breakeven::cost::fleet::Settings;
use breakeven::record::{self, Record};
use breakeven::report::live;
use breakeven::suite::FolderFiles;
use breakeven::workload::{self, ResolvedWorkload};
use breakeven::{plan, report};
use serde_json::{Value, json};

use crate::harness;

/// The committed records, as `classify` reads them where none is given.
fn records() -> Vec<Record> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("results");
    let mut files: Vec<PathBuf> = std::fs::read_dir(root)
        .expect("results/")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.is_dir())
        .flat_map(|folder| std::fs::read_dir(folder).expect("a record's folder"))
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|e| e == "jsonl"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "a committed record");
    files.iter().map(|file| record::read(file).expect("a readable record")).collect()
}

/// The built-in catalog with further prices, so that every kind of price, and a region that lacks
/// some sizes, are compared: the factors are made up.
fn catalog() -> Catalog {
    let mut catalog = Catalog::embedded().expect("the built-in catalog");
    for sku in &mut catalog.skus {
        let listed: Vec<Price> = sku
            .prices
            .iter()
            .filter(|p| p.os == Os::Linux && p.kind == PriceKind::Ondemand && p.region == "eastus")
            .cloned()
            .collect();
        for price in listed {
            let mut add = |kind, region: &str, factor: f64| {
                let price_usd_per_h = price.price_usd_per_h * factor;
                sku.prices.push(Price {
                    kind,
                    region: region.into(),
                    price_usd_per_h,
                    ..price.clone()
                });
            };
            add(PriceKind::Spot, "eastus", if sku.gpu_model.is_some() { 0.45 } else { 0.23 });
            add(PriceKind::Reserved1y, "eastus", 0.63);
            add(PriceKind::Reserved3y, "eastus", 0.41);
            if sku.vcpus <= 32 {
                add(PriceKind::Ondemand, "testland", 1.07);
            }
        }
    }
    catalog
}

fn workloads() -> Vec<ResolvedWorkload> {
    let files = FolderFiles::new(None);
    let load = |name: &str| plan::resolve(&workload::load(name).expect("built in"), &files);
    workload::BUILT_IN.iter().map(|(name, _)| load(name).expect("cases")).collect()
}

/// What a reader asks for.
#[derive(Debug, Clone)]
struct Asked {
    jobs: f64,
    options: Options,
}

fn asked(jobs: f64, utilisation: f64, kind: PriceKind, region: Option<&str>, margin: f64) -> Asked {
    let settings = Settings { target_utilisation: utilisation, ..Settings::default() };
    let options = Options {
        region: region.map(str::to_owned),
        price_kind: kind,
        margin,
        settings,
        ..Options::default()
    };
    Asked { jobs, options }
}

/// Every power of ten of demand, each with other figures; then each figure apart at one demand.
fn grid(own: f64) -> Vec<Asked> {
    use PriceKind::{Ondemand, Reserved1y, Reserved3y, Spot};
    let mut all = Vec::new();
    for (row, share) in [1.0, 0.61].into_iter().enumerate() {
        for (i, jobs) in [0.0, 1.0, 10.0, 100.0, 1e3, 1e4, 1e5, 1e6, 1e7].into_iter().enumerate() {
            let kind = [Ondemand, Spot, Ondemand, Reserved1y][(i + row) % 4];
            let region = [None, Some("eastus"), Some("testland")][i % 3];
            let region = region.filter(|_| kind == Ondemand);
            let utilisation = [0.7, 0.5, 1.0, 0.35][(i + 2 * row) % 4];
            all.push(asked(jobs * share, utilisation, kind, region, [0.1, 0.0, 0.35][i % 3]));
        }
    }
    for kind in [Ondemand, Spot, Reserved1y, Reserved3y] {
        all.push(asked(own, 0.7, kind, None, 0.1));
        all.push(asked(own * 12.3, 0.9, kind, Some("eastus"), 0.9));
    }
    for region in ["eastus", "eastus2", "westus2", "testland"] {
        all.push(asked(own * 3.7, 0.85, Ondemand, Some(region), 0.6));
    }
    for margin in [0.0, 0.3, 0.5, 0.8, 0.95] {
        all.push(asked(own, 0.7, Ondemand, None, margin));
    }
    for discount in [0.15, 0.5] {
        let mut discounted = asked(own, 0.7, Ondemand, None, 0.1);
        discounted.options.discount = discount;
        all.push(discounted);
    }
    all
}

fn as_json(asked: &Asked) -> Value {
    let options = &asked.options;
    json!({
        "jobs": asked.jobs,
        "utilisation": options.settings.target_utilisation,
        "kind": options.price_kind.name(),
        "region": options.region,
        "margin": options.margin,
        "discount": options.discount,
    })
}

/// The page around the section, as bare as can be.
fn page(models: &[classify::live::Model]) -> String {
    format!(
        "<!doctype html><html lang=en><meta charset=utf-8><title>t</title>\
         <meta name=viewport content='width=device-width'>\
         <style>body {{ font: 16px/1.5 sans-serif; max-width: 70rem; margin: auto; padding: 1rem; \
         color: var(--ink); background: var(--paper); color-scheme: light dark; \
         --ink: light-dark(#1a1a1a, #eee); --paper: light-dark(#fff, #16181c); \
         --grid: light-dark(#d0d0d0, #3a3f47); --muted: light-dark(#666, #999) }}\n{}</style>\
         <body>{}<script>{}</script>",
        live::STYLE,
        live::section(models, &["<b>imported</b>".into()]),
        live::SCRIPT
    )
}

/// What the page finds for one question, in the form of [`expected`].
const FIND: &str = "
    const models = breakeven.readModels(JSON.parse(document.getElementById('live-data').textContent));
    const number = (x) => x === null || Number.isFinite(x) ? x : String(x);
    return arguments[0].map(([name, asked]) => {
        const model = models.find((m) => m.name === name);
        const found = breakeven.evaluate(model, asked);
        return {
            verdict: found.kind,
            p: found.contest && [found.contest.pGpu, found.contest.pCpu].map(number),
            leansGpu: found.contest && found.contest.leansGpu,
            best: [found.gpu, found.cpu].map((size) => size && size.name),
            sizes: found.ranking.map((s) => [s.name, s.usd, s.lo90, s.hi90, s.nodes, s.perJob]),
            bands: found.bands,
        };
    });";

/// The same of a verdict.
fn expected(verdict: &Verdict) -> Value {
    let sizes: Vec<Value> = verdict
        .ranking
        .iter()
        .filter(|s| s.eligible)
        .map(|s| {
            let usd = s.usd_per_month.expect("an eligible size has a cost");
            json!([s.sku, usd.median, usd.lo90, usd.hi90, s.nodes, s.usd_per_job.map(|e| e.median)])
        })
        .collect();
    let bands: Vec<Value> = verdict
        .break_even
        .demand_bands
        .iter()
        .map(|b| json!([b.from_jobs_per_day, b.to_jobs_per_day, b.cheaper == Side::Gpu]))
        .collect();
    let best = [&verdict.best_gpu, &verdict.best_cpu].map(|s| s.as_ref().map(|s| s.sku.clone()));
    json!({
        "verdict": report::verdict_name(verdict.verdict),
        "p": verdict.probability_gpu.zip(verdict.probability_cpu).map(|(g, c)| [g, c]),
        "leansGpu": verdict.lean.map(|side| side == Side::Gpu),
        "best": best,
        "sizes": sizes,
        "bands": bands,
    })
}

/// Where the two differ by more than 1e-9, relative; empty where they do not.
fn difference(ours: &Value, theirs: &Value, at: &str) -> String {
    match (ours, theirs) {
        (Value::Number(a), Value::Number(b)) => {
            let (a, b) = (a.as_f64().expect("a number"), b.as_f64().expect("a number"));
            let same = (a - b).abs() <= 1e-9 * a.abs().max(b.abs());
            if same { String::new() } else { format!("{at}: Rust {a}, page {b}; ") }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            let pairs = a.iter().zip(b).enumerate();
            pairs.map(|(i, (a, b))| difference(a, b, &format!("{at}[{i}]"))).collect()
        }
        (Value::Object(a), Value::Object(b)) if a.len() == b.len() => {
            a.iter().map(|(key, a)| difference(a, &b[key], &format!("{at}.{key}"))).collect()
        }
        (a, b) if a == b => String::new(),
        (a, b) => format!("{at}: Rust {a}, page {b}; "),
    }
}

struct Desk {
    records: Vec<Record>,
    catalog: Catalog,
    workloads: Vec<ResolvedWorkload>,
    options: Options,
}

impl Desk {
    fn new() -> Self {
        let options = Options::default();
        Self { records: records(), catalog: catalog(), workloads: workloads(), options }
    }

    fn basis<'a>(&'a self, devices: &'a [MeasuredDevice<'a>]) -> Basis<'a> {
        Basis { devices, catalog: &self.catalog, options: &self.options, ranked: true }
    }

    /// The verdicts of every workload on every question, and the models of all.
    fn judged(
        &self,
        questions: impl Fn(&ResolvedWorkload) -> Vec<Asked>,
    ) -> (Vec<classify::live::Model>, Vec<(String, Asked, Verdict)>) {
        let devices = evidence::devices(&self.records, &self.catalog);
        let basis = self.basis(&devices);
        let models = self.workloads.iter().map(|w| classify::live::model(w, &basis)).collect();
        let mut verdicts = Vec::new();
        for one in &self.workloads {
            for asked in questions(one) {
                let mut workload = one.clone();
                workload.workload.demand.jobs_per_day = asked.jobs;
                let asked_on = Basis { options: &asked.options, ..basis };
                let verdict = classify::classify_on(&workload, &asked_on);
                verdicts.push((one.workload.name.clone(), asked, verdict));
            }
        }
        (models, verdicts)
    }
}

#[test]
fn the_page_finds_what_classify_finds() {
    let desk = Desk::new();
    let begin = Instant::now();
    let (models, verdicts) = desk.judged(|w| grid(w.workload.demand.jobs_per_day));
    println!("{} verdicts in Rust: {:.1?}", verdicts.len(), begin.elapsed());
    let data = live::data(&models);
    println!("{} workloads: {} kB of JSON", models.len(), data.len() / 1000);
    for model in &models {
        println!("{} {}", model.workload, live::data(std::slice::from_ref(model)).len());
    }
    assert!(data.len() < 600_000, "{} bytes of JSON", data.len());
    let folder = tempfile::tempdir().expect("a temporary folder");
    let url = harness::page(folder.path(), "live.html", &page(&models));
    let given: Vec<Value> =
        verdicts.iter().map(|(name, asked, _)| json!([name, as_json(asked)])).collect();
    let begin = Instant::now();
    let seen =
        harness::visit(&[json!({ "url": url, "steps": [{ "script": FIND, "given": [given] }] })]);
    println!("the same in the browser, start and end included: {:.1?}", begin.elapsed());
    seen[0].assert_quiet();
    let found = seen[0].results[0].as_array().expect("a list");
    assert_eq!(found.len(), verdicts.len());
    let mut wrong = Vec::new();
    for ((name, asked, verdict), found) in verdicts.iter().zip(found) {
        let differs = difference(&expected(verdict), found, "");
        if !differs.is_empty() {
            wrong.push(format!("{name} {}: {differs:.600}", as_json(asked)));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} differ:\n{}",
        wrong.len(),
        wrong[..wrong.len().min(12)].join("\n")
    );
    let mut count = std::collections::BTreeMap::new();
    for (_, _, v) in &verdicts {
        *count.entry(report::verdict_name(v.verdict)).or_insert(0) += 1;
    }
    println!("{count:?}");
    // The grid is worth something: it meets verdicts of every kind and both sides' wins.
    for kind in [Kind::Gpu, Kind::SharedGpu, Kind::Cpu, Kind::Either, Kind::MeasureFirst] {
        assert!(verdicts.iter().any(|(_, _, v)| v.verdict == kind), "no verdict {kind:?}");
    }
}
