//! Prices over the catalog's: a CSV grammar that users write by hand and `prices refresh` writes.

use std::path::Path;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use super::load::lines;
use super::{Catalog, CatalogError, Os, Price, PriceKind, Sku, days_of};

/// A line of a prices file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriceLine {
    /// `azure`, `aws`, `gcp`.
    pub provider: String,
    /// The VM size.
    pub name: String,
    /// Region that the price holds for.
    pub region: String,
    /// Operating system that it includes; Linux where the column is missing.
    #[serde(default)]
    pub os: Os,
    /// How the hour is paid for.
    pub kind: PriceKind,
    /// US dollars per hour of the whole VM; above 0.
    pub price_usd_per_h: f64,
    /// Date of the price, `YYYY-MM-DD` or `YYYY-MM`.
    pub as_of: String,
    /// Where it was read.
    pub source: String,
    /// With `vcpus`, makes a CPU size that the catalog lacks from one of the same series.
    #[serde(default)]
    pub like: Option<String>,
    /// Hardware threads of a size to add.
    #[serde(default)]
    pub vcpus: Option<u32>,
    /// A column that `prices show` adds; nothing is read from it.
    #[serde(default, rename = "age_days", skip_serializing)]
    pub ignored: Option<IgnoredAny>,
}

/// US dollars an hour that a VM may cost: wider than any list, and nothing that sums overflow at.
pub const PRICES_USD_PER_H: std::ops::RangeInclusive<f64> = 1e-6..=1e6;

/// What was laid over a catalog.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Overlaid {
    /// Prices that were taken.
    pub prices: usize,
    /// Their oldest and newest date, as written.
    pub dates: Option<(String, String)>,
}

/// Reads the text of a prices file; `file` names it in messages.
///
/// # Errors
/// A column that is missing or unknown, a price that is not above 0, a date that is none.
pub fn prices_of_csv(file: &str, text: &str) -> Result<Vec<PriceLine>, CatalogError> {
    let prices = lines::<PriceLine>(file, text)?;
    for (index, line) in prices.iter().enumerate() {
        let usd = line.price_usd_per_h;
        if !PRICES_USD_PER_H.contains(&usd) {
            let problem = format!(
                "price_usd_per_h = {usd:?}: must be above 0, from 1e-6 to 1e6; leave the line out where the price is \
                 unknown"
            );
            return Err(wrong(file, index, &problem));
        }
        if days_of(&line.as_of).is_none() {
            let as_of = &line.as_of;
            let problem =
                format!("as_of = {as_of}: must be a date as 2026-08-31 or a month as 2026-08");
            return Err(wrong(file, index, &problem));
        }
    }
    Ok(prices)
}

/// The text of a prices file.
///
/// # Errors
/// None that is known of: a line is text and numbers alone.
pub fn prices_as_csv(prices: &[PriceLine]) -> Result<String, csv::Error> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for line in prices {
        writer.serialize(line)?;
    }
    let bytes = writer.into_inner().map_err(|error| error.into_error())?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// A complaint about the line after the header and `index` others.
fn wrong(file: &str, index: usize, problem: &str) -> CatalogError {
    CatalogError::Table { file: file.into(), problem: format!("line {}: {problem}", index + 2) }
}

fn read(path: &Path) -> Result<(String, Vec<PriceLine>), CatalogError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| CatalogError::Io { path: path.into(), source })?;
    let file = path.display().to_string();
    let prices = prices_of_csv(&file, &text)?;
    if prices.is_empty() {
        return Err(CatalogError::Table { file, problem: "holds no price".into() });
    }
    Ok((file, prices))
}

impl Overlaid {
    fn count(&mut self, as_of: &str) {
        self.prices += 1;
        let (oldest, newest) = self.dates.get_or_insert_with(|| (as_of.into(), as_of.into()));
        if days_of(as_of) < days_of(oldest) {
            *oldest = as_of.into();
        }
        if days_of(as_of) > days_of(newest) {
            *newest = as_of.into();
        }
    }
}

impl Catalog {
    /// Lays the prices of the CSV file at `path` over the catalog's: same provider, name, region,
    /// operating system and kind replaces, others are added. A size that the catalog lacks is
    /// added where the line gives its `vcpus` and, under `like`, a CPU size of the same series.
    ///
    /// # Errors
    /// A file that cannot be read or holds no price, a price that is not above 0, a size that is
    /// not known so.
    pub fn overlay(&mut self, path: &Path) -> Result<Overlaid, CatalogError> {
        let (file, prices) = read(path)?;
        self.add_prices(&file, prices)
    }

    /// Lays prices over the catalog's that an earlier `prices refresh` wrote to `path`. Between
    /// two dates of one price the newer stays: the catalog's, where the program is newer than the
    /// file. Sizes that the catalog lacks are passed over: they are another version's.
    ///
    /// # Errors
    /// As [`Self::overlay`], save for unknown sizes.
    pub fn overlay_refreshed(&mut self, path: &Path) -> Result<Overlaid, CatalogError> {
        let (_, prices) = read(path)?;
        let mut taken = Overlaid::default();
        for line in prices {
            let Some(index) = self.index(&line.provider, &line.name) else { continue };
            let older = |p: &Price| {
                p.same_as(&line)
                    && p.scaled_from().is_none()
                    && days_of(&p.as_of) > days_of(&line.as_of)
            };
            if self.skus[index].prices.iter().any(older) {
                continue;
            }
            taken.count(&line.as_of);
            self.skus[index].set_price(line);
        }
        Ok(taken)
    }

    /// Lays `prices` over the catalog's; `file` names their place in messages.
    pub(super) fn add_prices(
        &mut self,
        file: &str,
        prices: Vec<PriceLine>,
    ) -> Result<Overlaid, CatalogError> {
        let mut taken = Overlaid::default();
        for (number, line) in prices.into_iter().enumerate() {
            let index = self.find_or_add(&line).map_err(|problem| wrong(file, number, &problem))?;
            taken.count(&line.as_of);
            self.skus[index].set_price(line);
        }
        Ok(taken)
    }

    /// Where the size called `name` stands (letter case ignored).
    fn index(&self, provider: &str, name: &str) -> Option<usize> {
        let same = |s: &Sku| s.provider == provider && s.name.eq_ignore_ascii_case(name);
        self.skus.iter().position(same)
    }

    /// Where the size of `line` stands, which may be added for it.
    fn find_or_add(&mut self, line: &PriceLine) -> Result<usize, String> {
        if let Some(index) = self.index(&line.provider, &line.name) {
            return Ok(index);
        }
        let (Some(like), Some(vcpus @ 1..)) = (&line.like, line.vcpus) else {
            return Err(format!(
                "no size {} of {} in the catalog (see `breakeven list skus`); to add one, give \
                 its vcpus and, in a column `like`, a CPU size of the same series",
                line.name, line.provider
            ));
        };
        let sister = self.index(&line.provider, like).map(|index| &self.skus[index]);
        let Some(sister) = sister.filter(|s| !s.has_gpu()) else {
            return Err(format!("like = {like}: no CPU size of {} in the catalog", line.provider));
        };
        let share = f64::from(vcpus) / f64::from(sister.vcpus.max(1));
        let sku = Sku {
            name: line.name.clone(),
            vcpus,
            memory_gib: sister.memory_gib.map(|gib| gib * share),
            memory_bytes_per_s: None,
            cpu_seen_on: None,
            notes: format!("given with its price; memory in proportion to {}", sister.name),
            prices: Vec::new(),
            ..sister.clone()
        };
        self.skus.push(sku);
        Ok(self.skus.len() - 1)
    }
}

impl Sku {
    fn set_price(&mut self, line: PriceLine) {
        self.prices.retain(|p| !p.same_as(&line));
        self.prices.push(Price {
            region: line.region,
            os: line.os,
            kind: line.kind,
            price_usd_per_h: line.price_usd_per_h,
            as_of: line.as_of,
            source: line.source,
        });
    }
}

impl Price {
    /// Whether `line` gives the same price, perhaps of another date.
    fn same_as(&self, line: &PriceLine) -> bool {
        self.region == line.region && self.os == line.os && self.kind == line.kind
    }
}
