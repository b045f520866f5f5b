//! The catalog under the user's prices, and which prices those are.

use std::path::{Path, PathBuf};

use super::exit::Failure;
use crate::catalog::{Catalog, Overlaid, PriceKind};
use crate::prices;

use super::args::{PriceKindArg, ProviderArg};

/// The catalog with the prices that a command is to use.
pub struct Priced {
    /// The embedded catalog with every overlay on it.
    pub catalog: Catalog,
    /// Which prices those are, one line each, the later over the earlier.
    pub sources: Vec<String>,
}

/// The embedded catalog, over it what `prices refresh` wrote to its usual place, if it did, and
/// over that the files that `--prices` names.
///
/// # Errors
/// A file that cannot be read or used.
pub fn catalog(own: &[PathBuf]) -> Result<Priced, Failure> {
    let mut catalog = Catalog::embedded().map_err(|error| Failure::internal(error.to_string()))?;
    let mut sources = vec![embedded(&catalog)];
    if let Some(path) = prices::usual_file().filter(|path| path.exists()) {
        let laid = catalog.overlay_refreshed(&path).map_err(|error| {
            Failure::usage(format!(
                "{error}; `breakeven prices refresh` wrote this file: remove it and refresh again"
            ))
        })?;
        sources.push(overlay(&path, "`prices refresh`", &laid));
    }
    for path in own {
        let laid =
            catalog.overlay(path).map_err(|error| Failure::usage(format!("--prices: {error}")))?;
        refuse_future(path, &laid, &today())?;
        sources.push(overlay(path, "--prices", &laid));
    }
    Ok(Priced { catalog, sources })
}

/// A price of a day to come is a slip of the pen, and would count as new for ever.
fn refuse_future(path: &Path, laid: &Overlaid, today: &str) -> Result<(), Failure> {
    match &laid.dates {
        // Both are written with the largest part first, so their order is that of the text.
        Some((_, newest)) if newest.as_str() > today.get(..newest.len()).unwrap_or(today) => {
            Err(Failure::usage(format!(
                "--prices: {}: as_of = {newest}: lies after today, {today}; give the day on which \
                 the price was read",
                path.display()
            )))
        }
        _ => Ok(()),
    }
}

fn embedded(catalog: &Catalog) -> String {
    let read = catalog.skus.iter().flat_map(|sku| &sku.prices);
    let dates = || read.clone().map(|price| price.as_of.as_str());
    match (dates().min(), dates().max()) {
        (Some(oldest), Some(newest)) => format!("built in, of {oldest} to {newest}"),
        _ => "built in: none".into(),
    }
}

fn overlay(path: &Path, by: &str, laid: &Overlaid) -> String {
    let prices = count(laid.prices);
    let dates = match &laid.dates {
        Some((oldest, newest)) if oldest == newest => format!(" of {oldest}"),
        Some((oldest, newest)) => format!(" of {oldest} to {newest}"),
        None => String::new(),
    };
    format!("{prices}{dates} from {} ({by}), over the former", path.display())
}

/// So many prices, in words.
pub fn count(prices: usize) -> String {
    if prices == 1 { "1 price".into() } else { format!("{prices} prices") }
}

/// The kind of price that the command line asks for.
pub fn kind(kind: PriceKindArg) -> PriceKind {
    match kind {
        PriceKindArg::Ondemand => PriceKind::Ondemand,
        PriceKindArg::Spot => PriceKind::Spot,
        PriceKindArg::Reserved1y => PriceKind::Reserved1y,
        PriceKindArg::Reserved3y => PriceKind::Reserved3y,
    }
}

/// The provider that the command line asks for; `None` for all.
pub fn provider(provider: ProviderArg) -> Option<&'static str> {
    match provider {
        ProviderArg::Azure => Some("azure"),
        ProviderArg::Aws => Some("aws"),
        ProviderArg::Gcp => Some("gcp"),
        ProviderArg::All => None,
    }
}

/// Today in UTC as the catalog's dates are written.
pub fn today() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%d").to_string()
}
