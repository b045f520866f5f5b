//! Sizes of a CPU series between those listed. Price lists that can be had without an account hold
//! only some sizes of a series, and a verdict must not rest on the smaller ones being left out.
//!
//! Within a series the price per vCPU is the same (a test holds the listed sizes to it), and so
//! is the memory per vCPU, so a size that is not listed is scaled from its next larger sister.

use super::{Catalog, Price, PriceKind, Sku};

/// How [`Price::source`] begins where the price was scaled.
const SCALED: &str = "scaled from ";

/// The sizes that a provider offers of its ordinary CPU series.
struct Ladder {
    provider: &'static str,
    /// How the names of these series begin (HPC series cost the same with fewer vCPUs).
    families: &'static [&'static str],
    vcpus: &'static [u32],
    /// The name of the size with that many vCPUs, from the name of another of the series.
    name: fn(listed: &Sku, vcpus: u32) -> Option<String>,
}

const LADDERS: &[Ladder] = &[
    Ladder {
        provider: "azure",
        families: &["D", "E", "F"],
        vcpus: &[2, 4, 8, 16, 32, 48, 64],
        name: number_replaced,
    },
    Ladder {
        provider: "aws",
        families: &["c7", "c8"],
        vcpus: &[2, 4, 8, 16, 32, 48],
        name: aws_name,
    },
    Ladder {
        provider: "gcp",
        families: &["n2d", "c4a"],
        vcpus: &[2, 4, 8, 16, 32, 48],
        name: number_at_end_replaced,
    },
    Ladder {
        provider: "gcp",
        families: &["c3"],
        vcpus: &[4, 8, 22, 44, 88],
        name: number_at_end_replaced,
    },
    Ladder {
        provider: "gcp",
        families: &["c4"],
        vcpus: &[2, 4, 8, 16, 32, 48],
        name: number_at_end_replaced,
    },
];

impl Price {
    /// The listed size that this price was scaled from; `None` for a price that was read.
    pub fn scaled_from(&self) -> Option<&str> {
        self.source.strip_prefix(SCALED)?.split(' ').next()
    }
}

impl Catalog {
    /// Adds the sizes of ordinary CPU series that are smaller than a listed one of theirs.
    pub(super) fn add_sizes_between(&mut self) {
        let mut added: Vec<Sku> = Vec::new();
        for ladder in LADDERS {
            for listed in self.skus.iter().filter(|s| ladder.holds(s)) {
                for vcpus in ladder.vcpus.iter().copied().filter(|v| *v < listed.vcpus) {
                    let sisters = || self.skus.iter().filter(|s| s.family == listed.family);
                    // Only the next larger size is scaled; no listed one is replaced.
                    if sisters().any(|s| (vcpus..listed.vcpus).contains(&s.vcpus)) {
                        continue;
                    }
                    added.extend(ladder.scaled(listed, vcpus));
                }
            }
        }
        self.skus.extend(added);
    }
}

impl Ladder {
    fn holds(&self, sku: &Sku) -> bool {
        let family = sku.family.as_str();
        let exact = self.provider == "gcp";
        sku.provider == self.provider
            && !sku.has_gpu()
            && !sku.retired()
            && sku.not_judged.is_none()
            && self
                .families
                .iter()
                .any(|f| if exact { family == *f } else { family.starts_with(f) })
    }

    /// `listed` with `vcpus`; without a name or a price to scale there is none.
    fn scaled(&self, listed: &Sku, vcpus: u32) -> Option<Sku> {
        let share = f64::from(vcpus) / f64::from(listed.vcpus);
        // Spot prices follow each size's own spare capacity.
        let steady = |p: &&Price| p.kind != PriceKind::Spot;
        let prices: Vec<Price> = listed
            .prices
            .iter()
            .filter(steady)
            .map(|p| Price {
                price_usd_per_h: p.price_usd_per_h * share,
                source: format!("{SCALED}{} by vCPUs", listed.name),
                ..p.clone()
            })
            .collect();
        if prices.is_empty() {
            return None;
        }
        Some(Sku {
            name: (self.name)(listed, vcpus)?,
            vcpus,
            memory_gib: listed.memory_gib.map(|m| m * share),
            memory_bytes_per_s: None,
            cpu_seen_on: None,
            notes: format!("not in the price lists used: {SCALED}{} by vCPUs", listed.name),
            prices,
            ..listed.clone()
        })
    }
}

/// `Standard_F64als_v7` → `Standard_F8als_v7`.
fn number_replaced(listed: &Sku, vcpus: u32) -> Option<String> {
    let number = listed.vcpus.to_string();
    let at = listed.name.find(&number)?;
    Some(format!("{}{vcpus}{}", &listed.name[..at], &listed.name[at + number.len()..]))
}

/// `c4-standard-96` → `c4-standard-8`.
fn number_at_end_replaced(listed: &Sku, vcpus: u32) -> Option<String> {
    let start = listed.name.strip_suffix(&listed.vcpus.to_string())?;
    Some(format!("{start}{vcpus}"))
}

/// `c7i.16xlarge` → `c7i.2xlarge`: a large has 2 vCPUs, an xlarge 4, an n-xlarge 4 n.
fn aws_name(listed: &Sku, vcpus: u32) -> Option<String> {
    let (series, _) = listed.name.split_once('.')?;
    Some(match vcpus {
        2 => format!("{series}.large"),
        4 => format!("{series}.xlarge"),
        n => format!("{series}.{}xlarge", n / 4),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn embedded() -> Catalog {
        Catalog::embedded().expect("embedded tables")
    }

    #[test]
    fn listed_sizes_of_a_series_cost_the_same_a_vcpu() {
        let catalog = embedded();
        let read = |s: &Sku| {
            let price = s.prices.iter().find(|p| p.kind == PriceKind::Ondemand)?;
            price.scaled_from().is_none().then_some(price.price_usd_per_h / f64::from(s.vcpus))
        };
        let mut compared = 0;
        for sku in catalog.skus.iter().filter(|s| LADDERS.iter().any(|l| l.holds(s))) {
            for other in catalog.skus.iter().filter(|o| o.family == sku.family) {
                if let (Some(a), Some(b)) = (read(sku), read(other)) {
                    assert!((a / b - 1.0).abs() < 0.01, "{} and {}", sku.name, other.name);
                    compared += usize::from(sku.name != other.name);
                }
            }
        }
        assert!(compared > 40, "{compared}");
    }

    #[test]
    fn a_smaller_size_has_its_share_of_price_and_memory_and_says_so() {
        let catalog = embedded();
        // Standard_F64als_v7: 64 vCPUs, 128 GiB, $3.872 an hour; an eighth of each.
        let size = catalog.sku(Some("azure"), "Standard_F8als_v7").expect("scaled");
        let price = size.price(PriceKind::Ondemand, None).expect("price");
        assert_eq!((size.vcpus, size.memory_gib), (8, Some(16.0)));
        assert!((price.price_usd_per_h - 0.484).abs() < 1e-12);
        assert_eq!(price.scaled_from(), Some("Standard_F64als_v7"));
        for name in ["c7i.large", "c4-standard-8", "Standard_D4s_v5", "Standard_FX8ms_v2"] {
            assert!(catalog.sku(None, name).is_some(), "{name}");
        }
        let d16 = catalog.sku(None, "Standard_D16s_v5").expect("listed");
        assert_eq!(d16.prices[0].scaled_from(), None);
    }
}
