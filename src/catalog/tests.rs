//! The embedded tables against figures counted by hand.

use std::collections::HashSet;
use std::io::Write;

use super::*;

fn embedded() -> Catalog {
    Catalog::embedded().expect("embedded tables")
}

#[test]
fn every_priced_size_is_there_once() {
    let catalog = embedded();
    // Counted in the price lists by hand: 96 Azure sizes of which 94 have a price, 13 AWS, 10 GCP.
    let priced = |p: &str| {
        catalog
            .skus
            .iter()
            .filter(|s| s.provider == p)
            .filter_map(|s| s.price(PriceKind::Ondemand, None))
            .filter(|price| price.scaled_from().is_none())
            .count()
    };
    assert_eq!((priced("azure"), priced("aws"), priced("gcp")), (94, 13, 10));
    let spot = catalog.skus.iter().filter(|s| s.price(PriceKind::Spot, None).is_some()).count();
    assert_eq!(spot, 36);
    let names: HashSet<_> = catalog.skus.iter().map(|s| (&s.provider, &s.name)).collect();
    assert_eq!(names.len(), catalog.skus.len());
}

#[test]
fn known_figures_are_read_in_si_units() {
    let catalog = embedded();
    let t4 = catalog.sku(Some("azure"), "standard_nc4as_t4_v3").expect("T4 size");
    assert_eq!(
        t4.price(PriceKind::Ondemand, Some("eastus")).map(|p| p.price_usd_per_h),
        Some(0.526)
    );
    assert_eq!(t4.price(PriceKind::Reserved1y, None), None);
    let gpu = catalog.gpu("T4").expect("T4");
    assert_eq!(gpu.memory_bytes_per_s, Some(300e9));
    assert!(gpu.bf16_absent && gpu.bf16_ops_per_s.is_none());
    let a100 = catalog.sku(None, "Standard_NC96ads_A100_v4").expect("A100 size");
    // Measured as the sum over four GPUs: 106.8 / 4.
    assert_eq!(a100.link_in_bytes_per_s, Some(26.7e9));
    assert!(catalog.sku(None, "Standard_NC6s_v3").expect("V100 size").retired);
    assert_eq!(catalog.sku(None, "Standard_NV4as_v4").expect("MI25").aks, Aks::Unsupported);
}

#[test]
fn every_model_of_a_size_has_its_peaks_or_none_is_named() {
    let catalog = embedded();
    for sku in &catalog.skus {
        if let Some(gpu) = &sku.gpu_model {
            assert!(catalog.gpu(gpu).is_some(), "{}: GPU {gpu}", sku.name);
        }
        if let Some(cpu) = &sku.cpu_model {
            assert!(catalog.cpu(cpu).is_some(), "{}: CPU {cpu}", sku.name);
        }
    }
}

#[test]
fn an_overlay_replaces_prices_and_refuses_zero() {
    let mut catalog = embedded();
    let mut file = tempfile::NamedTempFile::new().expect("file");
    let head = "provider,name,region,kind,price_usd_per_h,as_of,source\n";
    writeln!(file, "{head}azure,Standard_D8s_v5,eastus,ondemand,0.3,2026-11-01,contract")
        .expect("write");
    catalog.overlay(file.path()).expect("overlay");
    let d8 = catalog.sku(None, "Standard_D8s_v5").expect("D8s");
    assert_eq!(d8.price(PriceKind::Ondemand, None).map(|p| p.price_usd_per_h), Some(0.3));

    let mut own = tempfile::NamedTempFile::new().expect("file");
    writeln!(own, "{head}azure,Standard_F8als_v7,eastus,ondemand,0.4,2026-11-01,contract")
        .expect("write");
    catalog.overlay(own.path()).expect("a size that is not listed, of a listed series");
    let f8 = catalog.sku(None, "Standard_F8als_v7").expect("F8als");
    let price = f8.price(PriceKind::Ondemand, None).expect("price");
    assert_eq!((price.price_usd_per_h, price.scaled_from()), (0.4, None));

    let mut bad = tempfile::NamedTempFile::new().expect("file");
    writeln!(bad, "{head}azure,Standard_D8s_v5,eastus,ondemand,0,2026-11-01,contract")
        .expect("write");
    let message = catalog.overlay(bad.path()).expect_err("zero price").to_string();
    assert!(message.contains("line 2") && message.contains("above 0"), "{message}");
}

#[test]
fn a_size_that_the_catalog_lacks_is_added_like_one_of_its_series() {
    let overlay = |line: &str| {
        let mut catalog = embedded();
        let mut file = tempfile::NamedTempFile::new().expect("file");
        let head = "provider,name,region,kind,price_usd_per_h,as_of,source,like,vcpus\n";
        writeln!(
            file,
            "{head}azure,Standard_F4als_v9,eastus,ondemand,0.15,2026-11-01,portal,{line}"
        )
        .expect("write");
        catalog.overlay(file.path()).map(|()| catalog).map_err(|error| error.to_string())
    };
    let catalog = overlay("Standard_F64als_v7,4").expect("overlay");
    let small = catalog.sku(None, "Standard_F4als_v9").expect("the new size");
    // 128 GiB on 64 vCPUs are 8 GiB on 4.
    assert_eq!((small.vcpus, small.memory_gib), (4, Some(8.0)));
    assert_eq!(small.cpu_model.as_deref(), Some("AMD EPYC 9V45"));
    assert_eq!(small.price(PriceKind::Ondemand, None).map(|p| p.price_usd_per_h), Some(0.15));
    for (line, word) in [(",", "like"), ("Standard_F64als_v7,", "vcpus"), ("nothing,4", "nothing")]
    {
        let message = overlay(line).expect_err("an unknown size");
        assert!(message.contains("line 2") && message.contains(word), "{message}");
    }
    let message = overlay("Standard_NC4as_T4_v3,4").expect_err("a GPU size");
    assert!(message.contains("no CPU size"), "{message}");
}

#[test]
fn age_counts_days_from_the_first_of_a_bare_month() {
    let price = |as_of: &str| Price {
        region: "eastus".into(),
        kind: PriceKind::Ondemand,
        price_usd_per_h: 1.0,
        as_of: as_of.into(),
        source: "test".into(),
    };
    // 2026-06-18 → 2026-11-22: 12 + 31 + 31 + 30 + 31 + 22 = 157 days.
    assert_eq!(price("2026-06-18").age_days("2026-11-22"), Some(157));
    // 2026-08-01 → 2026-11-22: 30 + 30 + 31 + 22 = 113 days.
    assert_eq!(price("2026-08").age_days("2026-11-22"), Some(113));
    assert_eq!(price("last week").age_days("2026-11-22"), None);
}
