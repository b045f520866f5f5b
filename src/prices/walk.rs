//! What one walk over a region's pages has gathered.

use std::collections::BTreeMap;

use super::FetchError;
use super::api::{Item, Meaning};
use crate::catalog::{Os, PriceKind, PriceLine};

/// The prices of one region.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Region {
    /// One a size, operating system and kind, by name.
    pub prices: Vec<PriceLine>,
    /// Rows that the service gave.
    pub rows: usize,
    /// Rows that were left out, by reason.
    pub left_out: BTreeMap<&'static str, usize>,
}

/// What makes a price one price: size, operating system, kind.
type Key<'a> = (&'a str, Os, PriceKind);

/// A walk in progress.
pub(super) struct Walk<'a> {
    region: &'a str,
    sizes: &'a BTreeMap<String, String>,
    today: &'a str,
    best: BTreeMap<Key<'a>, (Meaning, Item)>,
    rows: usize,
    left_out: BTreeMap<&'static str, usize>,
}

impl<'a> Walk<'a> {
    pub fn new(region: &'a str, sizes: &'a BTreeMap<String, String>, today: &'a str) -> Self {
        let (best, left_out) = (BTreeMap::new(), BTreeMap::new());
        Self { region, sizes, today, best, rows: 0, left_out }
    }

    /// Rows so far.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Takes the rows of the page at `url`.
    pub fn take(&mut self, url: &str, items: Vec<Item>) -> Result<(), FetchError> {
        for item in items {
            self.rows += 1;
            if item.currency_code != "USD" {
                let (url, currency) = (url.to_owned(), item.currency_code);
                return Err(FetchError::Currency { url, currency });
            }
            if let Err(reason) = self.item(item) {
                *self.left_out.entry(reason).or_default() += 1;
            }
        }
        Ok(())
    }

    fn item(&mut self, item: Item) -> Result<(), &'static str> {
        let meaning = item.meaning(self.region, self.today)?;
        let size = item.size().map(str::to_lowercase).unwrap_or_default();
        let name = self.sizes.get(&size).ok_or("of sizes that the catalog lacks")?;
        let key = (name.as_str(), meaning.os, meaning.kind);
        match self.best.get(&key) {
            Some((_, known)) if !heavier(&item, known) => return Err("said twice"),
            Some(_) => *self.left_out.entry("said twice").or_default() += 1,
            None => {}
        }
        self.best.insert(key, (meaning, item));
        Ok(())
    }

    /// What was gathered; `source` names the service.
    pub fn end(self, source: &str) -> Result<Region, FetchError> {
        if self.rows == 0 {
            return Err(FetchError::NoRegion { region: self.region.to_owned() });
        }
        let line = |((name, os, kind), (meaning, _)): (Key, (Meaning, Item))| PriceLine {
            provider: "azure".into(),
            name: name.to_owned(),
            region: self.region.to_owned(),
            os,
            kind,
            price_usd_per_h: meaning.price_usd_per_h,
            as_of: self.today.to_owned(),
            source: source.to_owned(),
            like: None,
            vcpus: None,
            ignored: None,
        };
        let prices = self.best.into_iter().map(line).collect();
        Ok(Region { prices, rows: self.rows, left_out: self.left_out })
    }
}

/// Which of two rows that say the same counts.
fn heavier(item: &Item, known: &Item) -> bool {
    let ((primary, start, usd), (known_primary, known_start, known_usd)) =
        (item.weight(), known.weight());
    (primary, start).cmp(&(known_primary, known_start)).then(usd.total_cmp(&known_usd)).is_gt()
}
