//! The embedded tables against figures counted by hand.

use std::collections::{BTreeSet, HashSet};
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
    assert_eq!((gpu.f32_ops_per_s, gpu.tf32_ops_per_s), (Some(8.1e12), Some(8.1e12)));
    let unknown = catalog.gpu("RTX PRO 6000 BSE").expect("listed");
    assert!(unknown.f32_ops_per_s.is_some() && unknown.tf32_ops_per_s.is_none());
    let tf32 = |model| catalog.gpu(model).expect("listed").tf32_ops_per_s;
    assert_eq!((tf32("A100-SXM4-80GB"), tf32("H200-SXM-141GB")), (Some(156e12), Some(494.5e12)));
    // 14 of the 108 multiprocessors of 156 Tflop/s.
    let instance = tf32("A100-SXM4-40GB 1g.5gb").expect("an instance has its part");
    assert!((instance / 20.222e12 - 1.0).abs() < 1e-4, "{instance}");
    let a100 = catalog.sku(None, "Standard_NC96ads_A100_v4").expect("A100 size");
    // Measured as the sum over four GPUs: 106.8 / 4.
    assert_eq!(a100.link_in_bytes_per_s, Some(26.7e9));
    assert!(catalog.sku(None, "Standard_NC6s_v3").expect("V100 size").retired());
    assert_eq!(catalog.sku(None, "Standard_NV4as_v4").expect("MI25").aks, Aks::Unsupported);
}

#[test]
fn every_model_of_a_size_has_its_peaks_or_none_is_named() {
    let catalog = embedded();
    for sku in &catalog.skus {
        if let Some(gpu) = &sku.gpu_model {
            assert!(catalog.gpu(gpu).is_some(), "{}: GPU {gpu}", sku.name);
        }
        for cpu in sku.cpu_model.iter().chain(&sku.other_cpu_models) {
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
        catalog.overlay(file.path()).map(|_| catalog).map_err(|error| error.to_string())
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
        os: Os::Linux,
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

#[test]
fn no_figure_is_impossible() {
    let catalog = embedded();
    let today = "2026-11-22";
    for sku in &catalog.skus {
        let name = &sku.name;
        assert!(sku.vcpus > 0 && sku.memory_gib.is_none_or(|gib| gib > 0.0), "{name}");
        assert!(["azure", "aws", "gcp"].contains(&sku.provider.as_str()), "{name}");
        assert_eq!(sku.provider == "azure", sku.aks != Aks::NotApplicable, "{name}");
        assert!(sku.retires_on.as_ref().is_none_or(|date| days_of(date).is_some()), "{name}");
        assert!(!sku.retired() || sku.retires_on.is_some(), "{name}: retired when?");
        let mut kinds = BTreeSet::new();
        for price in &sku.prices {
            assert!(price.price_usd_per_h > 0.0 && price.price_usd_per_h < 200.0, "{name}");
            assert!(price.age_days(today).is_some_and(|days| days >= 0), "{name}: {}", price.as_of);
            assert!(!price.source.is_empty() && !price.region.is_empty(), "{name}");
            assert!(kinds.insert((&price.region, price.os, price.kind)), "{name}: twice");
        }
        // Nobody would take back for more than it costs to keep.
        for spot in sku.prices.iter().filter(|p| p.kind == PriceKind::Spot) {
            let keep = sku.price(PriceKind::Ondemand, Some(&spot.region)).expect("a list price");
            assert!(spot.price_usd_per_h < keep.price_usd_per_h, "{name}");
        }
    }
}

#[test]
fn rows_typed_by_hand_are_in_the_catalog() {
    let catalog = embedded();
    let row = |name: &str| {
        let sku = catalog.sku(None, name).expect("in the catalog");
        let usd = sku.price(PriceKind::Ondemand, None).map(|price| price.price_usd_per_h);
        (sku.vcpus, sku.memory_gib, sku.gpu_model.as_deref(), sku.gpu_count, usd)
    };
    let a10 = Some("A10");
    assert_eq!(row("Standard_NV6ads_A10_v5"), (6, Some(55.0), a10, Some(0.1667), Some(0.454)));
    let h100 = Some("H100-NVL-94GB");
    assert_eq!(row("Standard_NC40ads_H100_v5"), (40, Some(320.0), h100, Some(1.0), Some(6.98)));
    let mi300x = Some("MI300X");
    assert_eq!(
        row("Standard_ND96isr_MI300X_v5"),
        (96, Some(1850.0), mi300x, Some(8.0), Some(48.0))
    );
    assert_eq!(row("Standard_HX176rs"), (176, Some(1408.0), None, None, Some(8.64)));
    assert_eq!(row("Standard_D64ps_v6"), (64, Some(256.0), None, None, Some(2.246)));
    assert_eq!(row("g6.xlarge"), (4, Some(16.0), Some("L4"), Some(1.0), Some(0.8048)));
    assert_eq!(
        row("a2-highgpu-1g"),
        (12, Some(85.0), Some("A100-SXM4-40GB"), Some(1.0), Some(3.673385))
    );
    // Sold, but without a price in any list: never a zero.
    assert_eq!(row("Standard_ND128isr_GB300_v6").4, None);
    assert_eq!(row("Standard_NG32adms_V620_v1").4, None);
}

#[test]
fn status_windows_and_engines_are_facts_of_their_own() {
    let catalog = embedded();
    let sku = |name: &str| catalog.sku(None, name).expect("in the catalog");
    let v100 = sku("Standard_NC6s_v3");
    assert_eq!((v100.status, v100.retires_on.as_deref()), (Status::Retired, Some("2025-09-30")));
    assert_eq!(v100.aks, Aks::Supported, "retired, not unsupported");
    let fsv2 = sku("Standard_F16s_v2");
    assert_eq!((fsv2.status, fsv2.retires_on.as_deref()), (Status::Active, Some("2028-11-15")));
    assert_eq!(
        fsv2.other_cpu_models,
        ["Intel Xeon Platinum 8370C", "Intel Xeon Platinum 8168", "Intel Xeon Platinum 8573C"]
    );
    // Measured that day; the D4s of the series is only scaled.
    assert_eq!(sku("Standard_D8s_v5").cpu_seen_on.as_deref(), Some("2024-09-03"));
    assert_eq!(sku("Standard_D4s_v5").cpu_seen_on, None);
    assert_eq!(sku("Standard_D8s_v5").windows, Some(WindowsNodes::Yes));
    assert_eq!(sku("Standard_D64ps_v6").windows, Some(WindowsNodes::No));
    assert_eq!(sku("Standard_NC4as_T4_v3").windows, Some(WindowsNodes::Preview));
    assert_eq!(sku("g5.xlarge").windows, None);
    let nvenc = |name: &str| catalog.gpu(sku(name).gpu_model.as_deref()?)?.nvenc_engines;
    assert_eq!(nvenc("Standard_NC24ads_A100_v4"), Some(0));
    assert_eq!(nvenc("Standard_NC40ads_H100_v5"), Some(0));
    assert_eq!(nvenc("Standard_NC4as_T4_v3"), Some(1));
    assert_eq!(nvenc("Standard_ND96isr_MI300X_v5"), None);
}

/// `text` as a prices file.
fn prices_file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().expect("file");
    file.write_all(text.as_bytes()).expect("write");
    file
}

#[test]
fn windows_is_a_price_of_its_own() {
    let mut catalog = embedded();
    let file = prices_file(
        "provider,name,region,os,kind,price_usd_per_h,as_of,source\n\
         azure,Standard_D8s_v5,eastus,windows,ondemand,0.752,2026-11-01,portal\n",
    );
    let laid = catalog.overlay(file.path()).expect("overlay");
    assert_eq!(laid.prices, 1);
    assert_eq!(laid.dates, Some(("2026-11-01".into(), "2026-11-01".into())));
    let d8 = catalog.sku(None, "Standard_D8s_v5").expect("D8s");
    let usd = |os| d8.price_with(os, PriceKind::Ondemand, None).map(|p| p.price_usd_per_h);
    assert_eq!((usd(Os::Linux), usd(Os::Windows)), (Some(0.384), Some(0.752)));
}

#[test]
fn of_refreshed_and_built_in_prices_the_newer_holds() {
    let mut catalog = embedded();
    // Built in for the T4 size: 0.526 of 2026-08; for the D8s: 0.384 of 2026-06-18.
    let file = prices_file(
        "provider,name,region,os,kind,price_usd_per_h,as_of,source\n\
         azure,Standard_NC4as_T4_v3,eastus,linux,ondemand,0.1,2026-07-31,api\n\
         azure,Standard_D8s_v5,eastus,linux,ondemand,0.3,2026-06-19,api\n\
         azure,Standard_D4s_v5,eastus,linux,ondemand,0.25,2026-01-01,api\n\
         azure,Standard_Z1_v9,eastus,linux,ondemand,0.3,2026-06-19,api\n",
    );
    let laid = catalog.overlay_refreshed(file.path()).expect("overlay");
    assert_eq!(laid.prices, 2, "the T4 price is older, the Z1 unknown");
    let price = |name: &str| {
        let sku = catalog.sku(None, name).expect("a size");
        sku.price(PriceKind::Ondemand, None).map(|p| p.price_usd_per_h)
    };
    assert_eq!(price("Standard_NC4as_T4_v3"), Some(0.526));
    assert_eq!(price("Standard_D8s_v5"), Some(0.3));
    // A price that was only scaled gives way to any that was read.
    assert_eq!(price("Standard_D4s_v5"), Some(0.25));
}

#[test]
fn a_price_that_was_read_goes_before_a_cheaper_one_that_was_scaled() {
    let mut catalog = embedded();
    let file = prices_file(
        "provider,name,region,kind,price_usd_per_h,as_of,source\n\
         azure,Standard_F8als_v7,westeurope,ondemand,0.6,2026-11-01,portal\n",
    );
    catalog.overlay(file.path()).expect("overlay");
    // Scaled for eastus: 3.872 / 8 = 0.484.
    let f8 = catalog.sku(None, "Standard_F8als_v7").expect("scaled");
    let usd = |region| f8.price(PriceKind::Ondemand, region).map(|p| p.price_usd_per_h);
    assert_eq!((usd(None), usd(Some("eastus"))), (Some(0.6), Some(0.484)));
}

#[test]
fn what_is_written_is_what_was_read() {
    let text = "provider,name,region,os,kind,price_usd_per_h,as_of,source,like,vcpus\n\
                azure,Standard_D8s_v5,eastus,windows,reserved-3y,0.3,2026-11-01,\"a, b\",,\n\
                azure,Standard_F4als_v9,eastus,linux,spot,0.1,2026-11,portal,Standard_F64als_v7,4\n";
    let lines = prices_of_csv("own.csv", text).expect("lines");
    assert_eq!(prices_as_csv(&lines).expect("text"), text);
    // What `prices show` prints has a column more.
    let shown = "provider,name,region,os,kind,price_usd_per_h,as_of,source,age_days\n\
                 azure,Standard_D8s_v5,eastus,linux,spot,0.3,2026-11-01,portal,21\n";
    assert_eq!(prices_of_csv("shown.csv", shown).expect("lines").len(), 1);
}
