//! What the Azure Retail Prices API answers, and what a row of it means.
//!
//! One size has many rows under one `armSkuName`: Linux and Windows, pay as you go, spot, low
//! priority, cloud services, dedicated hosts, reservations. Only product, SKU and meter name tell
//! them apart.

use serde::Deserialize;

use crate::catalog::{Os, PriceKind};

/// Hours of the years that a reservation's price is for.
const HOURS_1Y: f64 = 8_760.0;
const HOURS_3Y: f64 = 26_280.0;

/// One page of the list.
#[derive(Debug, Deserialize)]
pub(super) struct Page {
    /// Rows of this page.
    #[serde(rename = "Items")]
    pub items: Vec<Item>,
    /// Where the list goes on; null on the last page.
    #[serde(rename = "NextPageLink")]
    pub next: Option<String>,
}

/// One row of the list.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Item {
    pub currency_code: String,
    /// Of an hour; of the whole term for a reservation, whatever `unit_of_measure` says.
    pub retail_price: f64,
    #[serde(default)]
    pub tier_minimum_units: f64,
    pub arm_region_name: String,
    pub effective_start_date: String,
    #[serde(default)]
    pub effective_end_date: Option<String>,
    pub meter_name: String,
    pub product_name: String,
    pub sku_name: String,
    pub service_name: String,
    pub unit_of_measure: String,
    /// `Consumption`, `Reservation` or `DevTestConsumption`; the filter calls it `priceType`.
    #[serde(rename = "type")]
    pub price_type: String,
    #[serde(default)]
    pub is_primary_meter_region: bool,
    #[serde(default)]
    pub arm_sku_name: Option<String>,
    #[serde(default)]
    pub reservation_term: Option<String>,
}

/// An hourly price that a row gives.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Meaning {
    /// Operating system that it includes.
    pub os: Os,
    /// How the hour is paid for.
    pub kind: PriceKind,
    /// US dollars per hour of the whole VM.
    pub price_usd_per_h: f64,
}

impl Item {
    /// The size, without the blanks that some rows carry; `None` where the row is of no size.
    pub fn size(&self) -> Option<&str> {
        self.arm_sku_name.as_deref().map(str::trim).filter(|name| !name.is_empty())
    }

    /// What the row says of its size in `region` on `today` (`YYYY-MM-DD`), or why it says
    /// nothing that can be used.
    pub fn meaning(&self, region: &str, today: &str) -> Result<Meaning, &'static str> {
        if self.size().is_none() {
            return Err("of no VM size");
        }
        if self.service_name != "Virtual Machines" || self.arm_region_name != region {
            return Err("of another service or region");
        }
        if self.product_name.contains("CloudServices")
            || self.product_name.contains("Cloud Services")
        {
            return Err("Cloud Services");
        }
        if self.product_name.contains("Dedicated") {
            return Err("dedicated hosts");
        }
        let named = |end: &str| self.sku_name.ends_with(end) || self.meter_name.ends_with(end);
        if named(" Low Priority") {
            return Err("low priority");
        }
        let over = self.effective_end_date.as_deref().is_some_and(|end| day(end) < today);
        if over || day(&self.effective_start_date) > today {
            return Err("not valid today");
        }
        if self.unit_of_measure != "1 Hour" || self.tier_minimum_units > 0.0 {
            return Err("not by the hour");
        }
        let (kind, hours) = match (self.price_type.as_str(), self.reservation_term.as_deref()) {
            ("Consumption", _) if named(" Spot") => (PriceKind::Spot, 1.0),
            ("Consumption", _) => (PriceKind::Ondemand, 1.0),
            ("Reservation", Some("1 Year")) => (PriceKind::Reserved1y, HOURS_1Y),
            ("Reservation", Some("3 Years")) => (PriceKind::Reserved3y, HOURS_3Y),
            ("Reservation", _) => return Err("reservations of another term"),
            _ => return Err("development and test offers"),
        };
        let price_usd_per_h = self.retail_price / hours;
        if price_usd_per_h <= 0.0 {
            return Err("without a price");
        }
        let windows = self.product_name.ends_with(" Windows");
        let os = if windows { Os::Windows } else { Os::Linux };
        Ok(Meaning { os, kind, price_usd_per_h })
    }

    /// Orders rows that say the same of one size: the meter's primary region first, then the
    /// later date, then the higher price, which flatters nobody.
    pub fn weight(&self) -> (bool, &str, f64) {
        (self.is_primary_meter_region, &self.effective_start_date, self.retail_price)
    }
}

/// The day of a time stamp such as `2026-06-01T00:00:00Z`.
fn day(stamp: &str) -> &str {
    stamp.get(..10).unwrap_or(stamp)
}
