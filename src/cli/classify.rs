//! `classify`: verdicts from records, without measuring.

use std::path::{Path, PathBuf};

use breakeven_kernels::params::nearest;

use super::args::{ClassifyArgs, ExpectArg, FormatArg, OutputArgs, PriceArgs, ProviderArg};
use super::exit::{DONE, Failure, Outcome};
use super::{cotenants, imported, many, output, pricing, reference, together, what_if};
use crate::catalog::Catalog;
use crate::classify::{self, Basis, Options, Verdict};
use crate::cost::evidence;
use crate::cost::held_out::held_out;
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
    if args.leave_one_device_out {
        return leave_one_device_out(args, output);
    }
    if output.format == FormatArg::Jsonl {
        return many::run(args, output);
    }
    let workloads = load(&args.workloads)?;
    let records = records(args)?;
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

/// The records asked for, else the reference records.
///
/// # Errors
/// A path that is no record; records in which nothing was timed.
pub fn records(args: &ClassifyArgs) -> Result<Vec<(String, Record)>, Failure> {
    if args.records.is_empty() {
        return reference::built_in();
    }
    let records = reference::load_many(&args.records)?;
    let measured = |(_, r): &(String, Record)| r.rows.iter().any(|x| x.status == Status::Ok);
    if !records.iter().any(measured) {
        return Err(Failure::incomparable(
            "--records: nothing in them was verified and timed; measure with `breakeven run`",
        ));
    }
    Ok(records)
}

/// Shows how well the measured devices predict each other.
fn leave_one_device_out(args: &ClassifyArgs, output: &OutputArgs) -> Outcome {
    let records = records(args)?;
    let priced = pricing::catalog(&args.price.prices)?;
    let devices = evidence::devices(records.iter().map(|(_, r)| r), &priced.catalog);
    let predictions = held_out(&devices);
    if predictions.is_empty() {
        return Err(Failure::incomparable(
            "--leave-one-device-out: no measured device is one whose peaks the catalog knows",
        ));
    }
    let listing = report::held_out(&predictions);
    output::emit(&Content::Listing(&listing), output, "leave-one-device-out")?;
    Ok(DONE)
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
    let too_slow: Vec<String> = verdicts.iter().filter_map(classify::all_too_slow).collect();
    Err(nothing_comparable(&too_slow))
}

/// What is said where no size has a cost; `too_slow` tells of workloads that are too slow on all.
pub fn nothing_comparable(too_slow: &[String]) -> Failure {
    if !too_slow.is_empty() {
        return Failure::incomparable(format!(
            "nothing can be chosen: no size is fast enough for {}; allow more time, or make the \
             job smaller",
            too_slow.join("; for ")
        ));
    }
    Failure::incomparable(
        "nothing can be compared: no size has both a known price and a known time for any of the \
         workloads; choose another --price-kind, --region or --provider, read today's prices with \
         `breakeven prices refresh`, or give --prices FILE",
    )
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

/// The workloads called `names`, folders opened; without any, all built-in ones.
///
/// # Errors
/// An unknown name, a file that cannot be read or says something wrong.
pub fn load(names: &[String]) -> Result<Vec<Loaded>, Failure> {
    expand(names)?.iter().map(|name| load_one(name)).collect()
}

/// The workload called `name`.
///
/// # Errors
/// As [`load`].
pub fn load_one(name: &str) -> Result<Loaded, Failure> {
    let workload = workload::load(name).map_err(|error| Failure::usage(error.to_string()))?;
    let built_in = workload::BUILT_IN.iter().any(|(n, _)| *n == name);
    let parent = Path::new(name).parent().map(Path::to_path_buf);
    Ok(Loaded { workload, folder: if built_in { None } else { parent } })
}

/// `names` with each folder replaced by the .toml files in it, by name; without any, the built-in
/// workloads. A built-in name is not a folder, though one may be called so.
///
/// # Errors
/// A folder that cannot be read or has no such file.
pub fn expand(names: &[String]) -> Result<Vec<String>, Failure> {
    let built_in = workload::BUILT_IN.iter().map(|(name, _)| *name);
    if names.is_empty() {
        return Ok(built_in.map(str::to_owned).collect());
    }
    let mut all = Vec::new();
    for name in names {
        if built_in.clone().any(|n| n == name) || !Path::new(name).is_dir() {
            all.push(name.clone());
            continue;
        }
        let entries = std::fs::read_dir(name).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let entries = entries
            .map_err(|error| Failure::usage(format!("{name}: {error}; give a readable folder")))?;
        let toml = |path: &PathBuf| path.extension().is_some_and(|e| e == "toml");
        let mut files: Vec<PathBuf> = entries.iter().map(|e| e.path()).filter(toml).collect();
        if files.is_empty() {
            return Err(Failure::usage(format!(
                "{name}: no .toml file in this folder; `breakeven init` writes a workload file"
            )));
        }
        files.sort();
        all.extend(files.iter().map(|f| f.display().to_string()));
    }
    Ok(all)
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
    let devices = evidence::devices(records.iter().map(|(_, record)| record), &catalog);
    let basis = Basis { devices: &devices, catalog: &catalog, options: &options, ranked: true };
    let court = Court { basis, price, explain };
    workloads.iter().map(|loaded| court.verdict(loaded, || Ok(workloads))).collect()
}

/// All that verdicts rest on but the workload, made once for all of them.
pub struct Court<'a> {
    /// Measurements, sizes and prices.
    pub basis: Basis<'a>,
    /// The command line's own figures.
    pub price: &'a PriceArgs,
    /// Whether the terms of the arithmetic are kept.
    pub explain: bool,
}

impl Court<'_> {
    /// The verdict on one workload; `given` are the workloads among which its co-tenants are
    /// looked for, asked for only where it has some.
    ///
    /// # Errors
    /// A stage that its family refuses, an unknown size that runs today, an unknown co-tenant.
    pub fn verdict<'w>(
        &self,
        loaded: &Loaded,
        given: impl FnOnce() -> Result<&'w [Loaded], Failure>,
    ) -> Result<Verdict, Failure> {
        let workload = what_if::workload(&loaded.workload, &self.price.what_if);
        check_today(&workload, self.basis.catalog)?;
        let resolved = resolve(&workload, loaded)?;
        let mut verdict = if workload.node.cotenants.is_empty() {
            classify::classify_on(&resolved, &self.basis)
        } else {
            let cotenants = cotenants::of(loaded, given()?)?
                .iter()
                .map(|cotenant| resolve(&cotenant.workload, cotenant))
                .collect::<Result<Vec<_>, _>>()?;
            classify::classify_beside(&resolved, &cotenants, &self.basis)
        };
        if !self.explain {
            verdict.explain.clear();
        }
        Ok(verdict)
    }
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
        "--region {region}: the catalog has no price there{hint}; regions of {}: {}; or read its \
         Azure list prices with `breakeven prices refresh --region {region}`",
        provider.unwrap_or("all providers"),
        regions.join(", ")
    )))
}
