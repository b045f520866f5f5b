//! `prices`: what the catalog's hours cost, and reading today's list prices.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::time::Duration;

use breakeven_kernels::params::nearest;
use indicatif::ProgressBar;

use super::args::{OutputArgs, PricesArgs, PricesCommand, PricesRefreshArgs, PricesShowArgs};
use super::exit::{DONE, Failure, Outcome};
use super::{classify, interrupt, list, output, pricing};
use crate::catalog::{self, Catalog, Price, PriceKind, PriceLine, Sku, Status};
use crate::prices::{self, Event, FetchError, Patience, Region, Service};
use crate::report::{Content, Document, Listing, Table};

/// Shows prices or reads new ones.
pub fn run(args: &PricesArgs, output: &OutputArgs) -> Outcome {
    match &args.command {
        PricesCommand::Show(args) => show(args, output),
        PricesCommand::Refresh(args) => refresh(args, output),
    }
}

fn show(args: &PricesShowArgs, output: &OutputArgs) -> Outcome {
    let priced = pricing::catalog(&args.prices)?;
    let provider = pricing::provider(args.provider);
    if let Some(region) = &args.region {
        classify::check_region(region, provider, &priced.catalog)?;
    }
    let sizes = chosen(&priced.catalog, &args.skus, provider)?;
    let kind = args.price_kind.map(pricing::kind);
    let mut table = Table::new(&[
        "provider",
        "name",
        "region",
        "os",
        "kind",
        ">price_usd_per_h",
        "as_of",
        "source",
        ">age_days",
    ]);
    let today = pricing::today();
    let mut remarks = Vec::new();
    for sku in sizes {
        let asked = |price: &&Price| {
            kind.is_none_or(|kind| price.kind == kind)
                && args.region.as_ref().is_none_or(|region| price.region == *region)
        };
        let mut prices: Vec<&Price> = sku.prices.iter().filter(asked).collect();
        prices.sort_by_key(|price| (&price.region, price.os, price.kind));
        for price in &prices {
            table.row(cells(sku, price, &today));
        }
        if !args.skus.is_empty() {
            remarks.extend(remark(sku, prices.is_empty()));
        }
    }
    if table.rows.is_empty() {
        let why =
            if remarks.is_empty() { "no price of this kind".into() } else { remarks.join("; ") };
        return Err(Failure::incomparable(format!(
            "{why}; `breakeven prices refresh` reads Azure's list prices of every kind, and \
             --prices takes your own"
        )));
    }
    let data = list::data(&table);
    let mut document = Document::default();
    document.heading(1, "Prices");
    document.table(table);
    document.list(remarks);
    document.list(priced.sources.iter().map(|line| format!("prices: {line}")).collect());
    output::emit(&Content::Listing(&Listing { document, data }), output, "prices")?;
    Ok(DONE)
}

/// The sizes called `names`; without any, all of `provider`.
fn chosen<'a>(
    catalog: &'a Catalog,
    names: &[String],
    provider: Option<&str>,
) -> Result<Vec<&'a Sku>, Failure> {
    let of_provider = || catalog.skus.iter().filter(|s| provider.is_none_or(|p| s.provider == p));
    if names.is_empty() {
        return Ok(of_provider().collect());
    }
    let find = |name: &String| {
        catalog.sku(provider, name).ok_or_else(|| {
            let near = nearest(name, of_provider().map(|sku| sku.name.as_str()))
                .map(|near| format!(", did you mean `{near}`?"))
                .unwrap_or_default();
            Failure::usage(format!(
                "{name}: no such size in the catalog{near}; `breakeven list skus` lists them"
            ))
        })
    };
    names.iter().map(find).collect()
}

fn cells(sku: &Sku, price: &Price, today: &str) -> [String; 9] {
    [
        sku.provider.clone(),
        sku.name.clone(),
        price.region.clone(),
        price.os.name().into(),
        price.kind.name().into(),
        // A millionth of a dollar an hour is a cent a year.
        format!("{}", (price.price_usd_per_h * 1e6).round() / 1e6),
        price.as_of.clone(),
        price.source.clone(),
        price.age_days(today).map(|days| days.to_string()).unwrap_or_default(),
    ]
}

/// What a reader must know of a size whose price was asked for.
fn remark(sku: &Sku, unpriced: bool) -> Option<String> {
    let name = &sku.name;
    let mut said = Vec::new();
    if sku.status == Status::Retired {
        let on = sku.retires_on.as_ref().map(|on| format!(" on {on}")).unwrap_or_default();
        said.push(format!("the provider retired it{on}"));
    }
    if unpriced && sku.prices.is_empty() {
        said.push("no price is known".into());
    } else if unpriced {
        let known = |p: &Price| format!("{} {} in {}", p.os.name(), p.kind.name(), p.region);
        let known: BTreeSet<String> = sku.prices.iter().map(known).collect();
        let known: Vec<String> = known.into_iter().collect();
        said.push(format!("no such price is known (known: {})", known.join(", ")));
    }
    (!said.is_empty()).then(|| format!("{name}: {}", said.join("; ")))
}

fn refresh(args: &PricesRefreshArgs, output: &OutputArgs) -> Outcome {
    let catalog = Catalog::embedded().map_err(|error| Failure::internal(error.to_string()))?;
    let regions = regions(&args.region, &catalog)?;
    if !["https://", "http://"].iter().any(|scheme| args.url.starts_with(scheme)) {
        let url = &args.url;
        return Err(Failure::usage(format!("--url {url}: give an address with https://")));
    }
    let path = target(output)?;
    let kept = kept(&path, &regions)?;
    let unchanged = if path.exists() { "is unchanged" } else { "was not written" };
    let sizes = catalog.skus.iter().filter(|sku| sku.provider == "azure");
    let sizes = sizes.map(|sku| (sku.name.to_lowercase(), sku.name.clone())).collect();
    interrupt::end_at_once();
    let read = read(&Service::new(&args.url, Patience::default()), &regions, &sizes, output);
    let read = read.map_err(|error| {
        let message = format!("{error}; {} {unchanged}", path.display());
        match error {
            FetchError::NoRegion { .. } => Failure::usage(message),
            _ => Failure::internal(message),
        }
    })?;
    let mut lines: Vec<PriceLine> = read.iter().flat_map(|r| r.prices.clone()).collect();
    if lines.is_empty() {
        return Err(Failure::incomparable(format!(
            "{}: none of the rows is of a size of the catalog; {} {unchanged}",
            regions.join(", "),
            path.display()
        )));
    }
    lines.extend(kept);
    lines.sort_by(|a, b| {
        let key =
            |l: &PriceLine| (l.provider.clone(), l.name.clone(), l.region.clone(), l.os, l.kind);
        key(a).cmp(&key(b))
    });
    let text =
        catalog::prices_as_csv(&lines).map_err(|error| Failure::internal(error.to_string()))?;
    prices::replace(&path, &text).map_err(|error| Failure::write(&path, &error))?;
    output::print(&Content::Listing(&summary(&regions, &read)), output)?;
    let usual = prices::usual_file().is_some_and(|usual| usual == path);
    let used = if usual {
        "every command uses them from now on"
    } else {
        "use them with --prices and this file"
    };
    output::remark(
        output,
        &format!("wrote {} to {}; {used}", pricing::count(lines.len()), path.display()),
    );
    Ok(DONE)
}

/// The regions asked for, each once; without any, those of the built-in Azure prices.
fn regions(asked: &[String], catalog: &Catalog) -> Result<Vec<String>, Failure> {
    let mut regions: Vec<String> = Vec::new();
    for region in asked {
        // `East US` is what the portal shows; the service heeds case and knows `eastus` only.
        let name = region.replace(' ', "").to_lowercase();
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric()) {
            return Err(Failure::usage(format!(
                "--region {region}: must be the name of an Azure region, for example eastus"
            )));
        }
        if !regions.contains(&name) {
            regions.push(name);
        }
    }
    if regions.is_empty() {
        let azure = catalog.skus.iter().filter(|sku| sku.provider == "azure");
        let named: BTreeSet<&String> =
            azure.flat_map(|sku| &sku.prices).map(|price| &price.region).collect();
        regions = named.into_iter().cloned().collect();
    }
    Ok(regions)
}

/// Where the prices go: the usual file; with `-o` that file, or `prices.csv` in that folder.
fn target(output: &OutputArgs) -> Result<PathBuf, Failure> {
    match &output.folder {
        Some(path) if path.extension().is_some_and(|e| e == "csv") => Ok(path.clone()),
        Some(folder) => Ok(folder.join("prices.csv")),
        None => prices::usual_file().ok_or_else(|| {
            Failure::usage("neither XDG_DATA_HOME nor HOME is set; say where to write with -o FILE")
        }),
    }
}

/// What the file at `path` holds of other regions and providers.
fn kept(path: &Path, regions: &[String]) -> Result<Vec<PriceLine>, Failure> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => {
            let path = path.display();
            return Err(Failure::usage(format!("{path}: {error}; choose another file with -o")));
        }
    };
    let lines = catalog::prices_of_csv(&path.display().to_string(), &text).map_err(|error| {
        Failure::usage(format!(
            "{error}; it would be overwritten: choose another with -o, or remove it"
        ))
    })?;
    let old = |line: &PriceLine| line.provider == "azure" && regions.contains(&line.region);
    Ok(lines.into_iter().filter(|line| !old(line)).collect())
}

/// Reads region by region: prices may change meanwhile, but each region is of one moment.
fn read(
    service: &Service,
    regions: &[String],
    sizes: &BTreeMap<String, String>,
    output: &OutputArgs,
) -> Result<Vec<Region>, FetchError> {
    let bar = (!output.quiet && io::stderr().is_terminal()).then(ProgressBar::new_spinner);
    if let Some(bar) = &bar {
        bar.enable_steady_tick(Duration::from_millis(120));
    }
    let say = |line: &str| match &bar {
        Some(bar) => bar.suspend(|| output::remark(output, line)),
        None => output::remark(output, line),
    };
    let mut tell = |event: Event| match event {
        Event::Page { region, pages, rows } => {
            if let Some(bar) = &bar {
                bar.set_message(format!("{region}: page {pages}, {rows} rows"));
            }
        }
        Event::Retry { problem, wait, next_try, tries } => {
            say(&format!("{problem}; try {next_try} of {tries} in {:.1} s", wait.as_secs_f64()))
        }
    };
    let today = pricing::today();
    let mut read = Vec::new();
    for region in regions {
        let found = service.region(region, sizes, &today, &mut tell);
        if found.is_err()
            && let Some(bar) = &bar
        {
            bar.finish_and_clear();
        }
        let found = found?;
        say(&format!("{region}: {} in {} rows", pricing::count(found.prices.len()), found.rows));
        read.push(found);
    }
    if let Some(bar) = &bar {
        bar.finish_and_clear();
    }
    Ok(read)
}

/// How many prices of which kind came from which region, and what was left out.
fn summary(regions: &[String], read: &[Region]) -> Listing {
    let mut table = Table::new(&["region", "os", "kind", ">prices"]);
    let mut left_out: BTreeMap<&str, usize> = BTreeMap::new();
    for (region, found) in regions.iter().zip(read) {
        let mut counts: BTreeMap<(catalog::Os, PriceKind), usize> = BTreeMap::new();
        for line in &found.prices {
            *counts.entry((line.os, line.kind)).or_default() += 1;
        }
        for ((os, kind), count) in counts {
            table.row([region.clone(), os.name().into(), kind.name().into(), count.to_string()]);
        }
        for (reason, count) in &found.left_out {
            *left_out.entry(reason).or_default() += count;
        }
    }
    let data = list::data(&table);
    let mut document = Document::default();
    document.heading(1, "Prices read");
    document.table(table);
    let line = |(reason, count): (&str, usize)| format!("left out: {count} rows, {reason}");
    document.list(left_out.into_iter().map(line).collect());
    Listing { document, data }
}
