//! `classify`: verdicts from records, without measuring.

use std::path::{Path, PathBuf};

use breakeven_kernels::params::nearest;

use super::args::{ClassifyArgs, ExpectArg, OutputArgs, PriceArgs, ProviderArg};
use super::exit::{DONE, Failure, Outcome};
use super::{cotenants, imported, output, pricing, reference, together, what_if};
use crate::catalog::Catalog;
use crate::classify::{self, Options, Verdict};
use crate::plan;
use crate::record::{Record, Status};
use crate::report::{self, Content, Verdicts};
use crate::suite::FolderFiles;
use crate::workload::{self, ResolvedWorkload, Workload};

/// Judges the workloads and holds them to `--expect`.
pub fn run(args: &ClassifyArgs, output: &OutputArgs) -> Outcome {
    if !args.imported.files.is_empty() {
        return imported::run(args, output);
    }
    let workloads = load(&args.workloads)?;
    let records = if args.records.is_empty() {
        reference::built_in()?
    } else {
        let records = reference::load(&args.records)?;
        let measured = |(_, r): &(String, Record)| r.rows.iter().any(|x| x.status == Status::Ok);
        if !records.iter().any(measured) {
            return Err(Failure::incomparable(
                "--records: nothing in them was verified and timed; measure with `breakeven run`",
            ));
        }
        records
    };
    let priced = pricing::catalog(&args.price.prices)?;
    if args.together {
        return together::run(&workloads, &records, &priced.catalog, args, output);
    }
    let verdicts = judge(&workloads, &records, &priced.catalog, &args.price, args.explain)?;
    let shown = Verdicts {
        verdicts: &verdicts,
        records: &records,
        measured_now: false,
        remarks: &[],
        prices: &priced.sources,
    };
    output::emit(&Content::Verdicts(shown), output, "report")?;
    settled(&verdicts, args.expect)
}

/// Holds verdicts to `--expect`; without it, there must be something to compare.
pub fn settled(verdicts: &[Verdict], expect: Option<ExpectArg>) -> Outcome {
    match expect {
        Some(expected) => met(verdicts, expected.name()),
        None => comparable(verdicts).map(|()| DONE),
    }
}

/// Refuses an answer in which no workload has the cost of a single size.
///
/// # Errors
/// Nothing comparable.
pub fn comparable(verdicts: &[Verdict]) -> Result<(), Failure> {
    let costed = |verdict: &Verdict| verdict.best_gpu.is_some() || verdict.best_cpu.is_some();
    if verdicts.is_empty() || verdicts.iter().any(costed) {
        return Ok(());
    }
    if verdicts.iter().any(|verdict| !verdict.measure_next.is_empty()) {
        return Err(Failure::incomparable(
            "nothing can be compared yet: no size that was measured can run the workload; measure \
             on one of those named above, then give its record with --records",
        ));
    }
    Err(Failure::incomparable(
        "nothing can be compared: no size has both a known price and a known time for any of the \
         workloads; choose another --price-kind, --region or --provider, read today's prices with \
         `breakeven prices refresh`, or give --prices FILE",
    ))
}

/// Whether every verdict is the expected one.
fn met(verdicts: &[Verdict], expected: &str) -> Outcome {
    let others: Vec<String> = verdicts
        .iter()
        .map(|verdict| (verdict, report::verdict_name(verdict.verdict)))
        .filter(|(_, name)| name != expected)
        .map(|(verdict, name)| format!("{} is {name}", verdict.workload))
        .collect();
    if others.is_empty() {
        return Ok(DONE);
    }
    Err(Failure::expectation(format!("--expect {expected}: {}", others.join(", "))))
}

/// A workload and the folder that its file names are relative to (`None`: built-in).
pub struct Loaded {
    /// The workload.
    pub workload: Workload,
    /// Folder of its file.
    pub folder: Option<PathBuf>,
}

/// The workloads called `names`; without any, all built-in ones.
///
/// # Errors
/// An unknown name, a file that cannot be read or says something wrong.
pub fn load(names: &[String]) -> Result<Vec<Loaded>, Failure> {
    let built_in = |name: &str| workload::BUILT_IN.iter().any(|(n, _)| *n == name);
    let all = || workload::BUILT_IN.iter().map(|(name, _)| (*name).to_owned()).collect();
    let names: Vec<String> = if names.is_empty() { all() } else { names.to_vec() };
    names
        .iter()
        .map(|name| {
            let workload =
                workload::load(name).map_err(|error| Failure::usage(error.to_string()))?;
            let parent = Path::new(name).parent().map(Path::to_path_buf);
            let folder = if built_in(name) { None } else { parent };
            Ok(Loaded { workload, folder })
        })
        .collect()
}

/// One verdict a workload, by the prices of `catalog`.
///
/// # Errors
/// A stage that its family refuses, a region without prices.
pub fn judge(
    workloads: &[Loaded],
    records: &[(String, Record)],
    catalog: &Catalog,
    price: &PriceArgs,
    explain: bool,
) -> Result<Vec<Verdict>, Failure> {
    let mut catalog = catalog.clone();
    let options = options(price, ProviderArg::Azure, &catalog)?;
    what_if::prices(&price.what_if, &mut catalog, &options)?;
    let records: Vec<Record> = records.iter().map(|(_, record)| record.clone()).collect();
    workloads
        .iter()
        .map(|loaded| {
            let workload = what_if::workload(&loaded.workload, &price.what_if);
            check_today(&workload, &catalog)?;
            let resolved = resolve(&workload, loaded)?;
            let cotenants = cotenants::of(loaded, workloads)?
                .iter()
                .map(|cotenant| resolve(&cotenant.workload, cotenant))
                .collect::<Result<Vec<_>, _>>()?;
            let mut verdict = if cotenants.is_empty() {
                classify::classify(&resolved, &records, &catalog, &options)
            } else {
                classify::classify_beside(&resolved, &cotenants, &records, &catalog, &options)
            };
            if !explain {
                verdict.explain.clear();
            }
            Ok(verdict)
        })
        .collect()
}

/// The cases behind a workload's stages, with files beside the one that it was `loaded` from.
///
/// # Errors
/// A stage that its family refuses.
pub fn resolve(workload: &Workload, loaded: &Loaded) -> Result<ResolvedWorkload, Failure> {
    let files = FolderFiles::new(loaded.folder.clone());
    plan::resolve(workload, &files).map_err(|error| Failure::usage(error.to_string()))
}

/// The command line's prices as the classifier wants them; `provider` where none is asked for.
///
/// # Errors
/// A region without a price.
pub fn options(
    price: &PriceArgs,
    provider: ProviderArg,
    catalog: &Catalog,
) -> Result<Options, Failure> {
    let provider = pricing::provider(price.provider.unwrap_or(provider));
    if let Some(region) = &price.region {
        check_region(region, provider, catalog)?;
    }
    Ok(Options {
        provider: provider.map(str::to_owned),
        region: price.region.clone(),
        price_kind: pricing::kind(price.price_kind),
        discount: price.discount,
        margin: price.margin,
        settings: what_if::settings(&price.what_if),
        today: Some(pricing::today()),
    })
}

/// A size that runs today and that nobody knows is a slip of the pen.
fn check_today(workload: &Workload, catalog: &Catalog) -> Result<(), Failure> {
    let Some(today) = &workload.today else { return Ok(()) };
    if catalog.sku(None, &today.sku).is_some() {
        return Ok(());
    }
    let names = catalog.skus.iter().map(|sku| sku.name.as_str());
    let hint =
        nearest(&today.sku, names).map(|n| format!(", did you mean `{n}`?")).unwrap_or_default();
    Err(Failure::usage(format!(
        "{}: today: sku = \"{}\": no such VM size in the catalog{hint}; see `breakeven list skus`, or \
         leave [today] out",
        workload.given_as, today.sku
    )))
}

/// A region without a single price is a mistake, not an answer.
pub fn check_region(
    region: &str,
    provider: Option<&str>,
    catalog: &Catalog,
) -> Result<(), Failure> {
    let skus = catalog.skus.iter().filter(|sku| provider.is_none_or(|p| sku.provider == p));
    let mut regions: Vec<&str> =
        skus.flat_map(|sku| &sku.prices).map(|price| price.region.as_str()).collect();
    regions.sort_unstable();
    regions.dedup();
    if regions.contains(&region) {
        return Ok(());
    }
    let hint = nearest(region, regions.iter().copied())
        .map(|n| format!(", did you mean `{n}`?"))
        .unwrap_or_default();
    Err(Failure::usage(format!(
        "--region {region}: the catalog has no price there{hint}; regions of {}: {}",
        provider.unwrap_or("all providers"),
        regions.join(", ")
    )))
}
