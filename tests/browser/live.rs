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
use breakeven::workload::{self, Pattern, ResolvedWorkload, Stage, Workload};
use breakeven::{plan, report};
use serde_json::{Value, json};

use crate::harness::{self, Seen};

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

/// The built-in workloads, and some of them with what no built-in one has.
fn workloads() -> Vec<ResolvedWorkload> {
    let files = FolderFiles::new(None);
    let load = |name: &str| {
        plan::resolve(&workload::load(name).expect("built in"), &files).expect("cases")
    };
    let mut all: Vec<ResolvedWorkload> =
        workload::BUILT_IN.iter().map(|(name, _)| load(name)).collect();
    let mut add = |from: &str, name: &str, change: fn(&mut Workload)| {
        let mut one = load(from);
        one.workload.name = name.into();
        change(&mut one.workload);
        all.push(one);
    };
    add("image-classification", "overlap-hourly", |w| {
        w.job.overlap = true;
        w.stages.push(Stage::Io { io_bytes: 2e6, io_bytes_per_s: None });
        w.demand.pattern = Pattern::Hourly(Box::new(std::array::from_fn(|hour| {
            [0.0, 0.0, 1.0, 4.0, 4.0, 2.0, 9.0, 0.0][hour % 8] / 60.0
        })));
    });
    // The window is shorter than starting and cooling down.
    add("short-read-alignment", "short-window", |w| {
        w.demand.pattern = Pattern::Batch { window_h: 0.25 };
        w.node.min_nodes = Some(2);
        w.job.memory_gib = 12.0;
    });
    add("object-detection", "hourly-objective", |w| {
        w.demand.pattern = Pattern::Hourly(Box::new(std::array::from_fn(|hour| {
            if hour < 12 { 1.0 / 36.0 } else { 2.0 / 36.0 }
        })));
        w.demand.percentile = 0.9;
        w.stages.push(Stage::Serial { serial_cpu_s: 0.02 });
    });
    add("llm-prefill", "deadline", |w| w.demand.deadline_s = Some(1.5));
    add("llm-prefill", "windows", |w| w.node.os = "windows".into());
    all
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
    let data = live::data(&models[..workload::BUILT_IN.len()]);
    println!("{} workloads: {} kB of JSON", workload::BUILT_IN.len(), data.len() / 1000);
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
    // The grid is worth something: it meets verdicts of every kind and both sides' wins.
    for kind in [Kind::Gpu, Kind::SharedGpu, Kind::Cpu, Kind::Either, Kind::MeasureFirst] {
        assert!(verdicts.iter().any(|(_, _, v)| v.verdict == kind), "no verdict {kind:?}");
    }
}

/// One workload asked at another demand, in Rust.
fn judge(desk: &Desk, name: &str, jobs: f64) -> Verdict {
    let devices = evidence::devices(&desk.records, &desk.catalog);
    let named = |w: &&ResolvedWorkload| w.workload.name == name;
    let mut workload = desk.workloads.iter().find(named).expect("built in").clone();
    workload.workload.demand.jobs_per_day = jobs;
    classify::classify_on(&workload, &desk.basis(&devices))
}

/// What the reader sees of the verdict, and the jobs a day that it is for.
const SHOWN: &str = "
    const text = (css) => document.querySelector(css).innerText;
    return [document.getElementById('live-verdict').dataset.verdict, text('#live-verdict'),
        text('#live-best'), Number(document.getElementById('live-jobs').value), location.hash];";

fn shown() -> Value {
    json!({ "script": SHOWN })
}

/// Fails unless the page shows what `classify` says of `name` at the demand in the page.
#[track_caller]
fn assert_shows(desk: &Desk, name: &str, seen: &Value) -> Kind {
    let jobs = seen[3].as_f64().expect("a demand");
    let verdict = judge(desk, name, jobs);
    assert_eq!(seen[0], report::verdict_name(verdict.verdict), "{name} at {jobs}: {seen}");
    for best in [&verdict.best_gpu, &verdict.best_cpu].into_iter().flatten() {
        let table = seen[2].as_str().expect("text");
        let usd = breakeven::units::usd(best.usd_per_month.expect("a cost").median);
        assert!(
            table.contains(&best.sku) && table.contains(&usd),
            "{usd} on {}: {table}",
            best.sku
        );
    }
    verdict.verdict
}

fn models(desk: &Desk) -> Vec<classify::live::Model> {
    let devices = evidence::devices(&desk.records, &desk.catalog);
    let basis = desk.basis(&devices);
    desk.workloads.iter().map(|w| classify::live::model(w, &basis)).collect()
}

#[test]
fn moving_a_control_changes_the_verdict_as_classify_does() {
    let desk = Desk::new();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let url = harness::page(folder.path(), "live.html", &page(&models(&desk)));
    let name = "short-read-alignment";
    let keys = |css: &str, keys: &str| json!({ "type": css, "keys": keys });
    let typed = |jobs: &str| keys("#live-jobs", &format!("{{CONTROL}}a{{NULL}}{jobs}"));
    let up = "{ARROW_RIGHT}".repeat(60);
    let mut steps = vec![shown(), keys("#live-jobs-slider", &up), shown()];
    for jobs in ["0", "1", "200", "5000", "123456", "9000000"] {
        steps.extend([typed(jobs), shown()]);
    }
    steps.extend([
        typed("-3"),
        shown(),
        json!({ "script": "return document.getElementById('live-error').innerText" }),
    ]);
    steps.extend([json!({ "click": "#live-reset" }), shown()]);
    let seen = &harness::visit(&[json!({ "url": format!("{url}#w={name}"), "steps": steps })])[0];
    seen.assert_quiet();
    let views: Vec<&Value> = seen.results.iter().filter(|v| v.is_array()).collect();
    let valid = views.iter().filter(|v| v[3].as_f64() >= Some(0.0));
    let kinds: Vec<Kind> = valid.map(|v| assert_shows(&desk, name, v)).collect();
    // Sixty steps of a fortieth of a decade: 10^1.5 times the demand.
    let ratio = views[1][3].as_f64().expect("jobs") / views[0][3].as_f64().expect("jobs");
    assert!((ratio / 10f64.powf(1.5) - 1.0).abs() < 0.05, "{ratio}");
    assert!(kinds.iter().any(|k| k != &kinds[0]), "the demands meet one verdict only: {kinds:?}");
    let [.., before, wrong, reset] = &views[..] else { panic!("too few views") };
    assert_eq!(wrong[1], before[1], "what cannot be asked changes nothing");
    let told = "Give jobs a day: 0, or from 0.000001 to 1e15.";
    assert!(seen.results.iter().any(|v| v == told), "{:?}", seen.results);
    assert_eq!((&reset[1], &reset[3]), (&views[0][1], &views[0][3]));
    assert_eq!(reset[4], json!(format!("#w={name}")));
}

#[test]
fn a_link_keeps_what_was_chosen_and_rubbish_in_it_does_nothing() {
    let desk = Desk::new();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let url = harness::page(folder.path(), "live.html", &page(&models(&desk)));
    let set = |id: &str, value: &str, event: &str| {
        json!({ "script": "const e = document.getElementById(arguments[0]); e.value = arguments[1]; \
                           e.dispatchEvent(new Event(arguments[2]))", "given": [id, value, event] })
    };
    let chosen = [
        set("live-w", "llm-prefill", "change"),
        set("live-jobs", "77000", "input"),
        set("live-use", "55", "input"),
        set("live-margin-slider", "23", "input"),
        set("live-discount", "12.5", "input"),
        set("live-kind", "spot", "change"),
        set("live-region", "eastus", "change"),
        json!({ "click": "[data-sort=name]" }),
        shown(),
    ];
    let first = &harness::visit(&[json!({ "url": url, "steps": chosen })])[0];
    first.assert_quiet();
    let then = first.results.last().expect("a view");
    let hash = "#w=llm-prefill&jobs=77000&use=0.55&margin=0.23&discount=0.125&kind=spot&region=eastus\
                &sizes=name";
    assert_eq!(then[4], hash);
    let rubbish =
        "#w=%3Cscript%3E&jobs=-5&use=7&margin=NaN&discount=1e999&kind=free&region=moon&sizes=%&&==";
    let names = json!({ "script": "return [...document.querySelectorAll('#live-ranking tbody th')].map((e) => e.innerText)" });
    let place =
        [shown(), json!({ "script": "location.hash = 'live-title'" }), json!({ "script": SHOWN })];
    let visits = [
        json!({ "url": format!("{url}{hash}"), "steps": [shown(), names] }),
        json!({ "url": url, "steps": [shown()] }),
        json!({ "url": format!("{url}{rubbish}"), "steps": [shown()] }),
        json!({ "url": format!("{url}{hash}"), "steps": place }),
    ];
    let seen = harness::visit(&visits);
    seen.iter().for_each(Seen::assert_quiet);
    let first_four = |seen: &Seen| seen.results[0].as_array().expect("a view")[..4].to_vec();
    assert_eq!(&seen[0].results[0], then, "the link brings it back");
    let names: Vec<&str> =
        seen[0].results[1].as_array().expect("names").iter().filter_map(Value::as_str).collect();
    assert!(names.len() > 5 && names.is_sorted(), "{names:?}");
    assert_eq!(first_four(&seen[1]), first_four(&seen[2]), "rubbish is ignored");
    assert_eq!(seen[3].results[2][1], then[1], "a link to a place of the page changes nothing");
}

#[test]
fn it_fits_narrow_windows_and_says_what_it_would_do_without_javascript() {
    let desk = Desk::new();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let url = harness::page(folder.path(), "live.html", &page(&models(&desk)[..3]));
    let shots = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let wide = json!({ "script": "return document.documentElement.scrollWidth" });
    let visits: Vec<Value> = [(360, false), (360, true), (1200, false), (1200, true)]
        .iter()
        .map(|(width, dark)| {
            let name = format!("live-{width}-{}.png", if *dark { "dark" } else { "light" });
            let steps = [wide.clone(), json!({ "screenshot": shots.join(name) })];
            json!({ "url": url, "width": width, "dark": dark, "steps": steps })
        })
        .chain([json!({
            "url": url,
            "javascript": false,
            "steps": [{ "script": "return document.getElementById('live').innerText" }],
        })])
        .collect();
    let seen = harness::visit(&visits);
    seen.iter().for_each(Seen::assert_quiet);
    for (seen, visit) in seen.iter().zip(&visits).take(4) {
        assert_eq!(seen.results[0], visit["width"], "no sideways scrolling of the page");
    }
    let text = seen[4].results[0].as_str().expect("text");
    assert!(text.contains("With JavaScript on, this part recomputes"), "{text}");
    assert!(text.contains("<b>imported</b> rests on imported measurements"), "{text}");
    assert!(!text.contains("Jobs a day"), "{text}");
}
