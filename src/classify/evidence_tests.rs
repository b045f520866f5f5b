//! Properties of verdicts over random machines, records and catalogs: what no evidence may do.

use breakeven_kernels::work::DeviceInfo;
use proptest::prelude::*;

use super::*;
use crate::catalog::Catalog;
use crate::cost::fixture::*;
use crate::record::Record;
use crate::workload::Transfer;

/// A random world: sizes with their prices, and records of some of them.
#[derive(Debug, Clone)]
struct World {
    catalog: Catalog,
    records: Vec<Record>,
    jobs_per_day: f64,
}

/// A record of `sku` on which the case takes `t` within `factor`, under a load average.
fn measured(
    sku: &str,
    device: DeviceInfo,
    implementation: &str,
    t: f64,
    factor: f64,
    load: f64,
) -> Record {
    let rows = vec![row(&device.id.clone(), implementation, "matmul a", t, factor)];
    let mut record = record(Some(sku), vec![device], rows);
    record.header.env.devices[0].env_key = format!("{sku} {implementation}");
    record.header.run.id = format!("{sku} {implementation} {t}");
    record.header.env.cpu.threads = Some(8);
    record.header.env.state.load_average = Some(load);
    record
}

/// Up to three sizes of each kind; of each kind some are measured, some must be predicted.
fn world() -> impl Strategy<Value = World> {
    let size = (0.1..5.0f64, prop::bool::ANY, 1u32..5);
    let time = (0.001..1.0f64, 1.0..2.0f64, 0.0..8.0f64);
    (
        prop::collection::vec((size.clone(), time.clone()), 1..4),
        prop::collection::vec((size, time), 1..4),
        1.0..1e6f64,
    )
        .prop_map(|(cpus, gpus, jobs_per_day)| {
            let mut world = World { catalog: catalog(1.0, 1.0), records: Vec::new(), jobs_per_day };
            world.catalog.skus.clear();
            for (n, ((usd, known, doublings), (t, factor, load))) in cpus.into_iter().enumerate() {
                let name = format!("C{n}");
                let mut sku = cpu_sku(&name, usd);
                // Predictions scale by threads; only the measured sizes have eight.
                sku.vcpus = if known { 8 } else { 1 << doublings };
                world.catalog.skus.push(sku);
                if known {
                    let one = measured(&name, cpu_device(), "cpu/simd", t, factor, load);
                    world.records.push(one);
                }
            }
            for (n, ((usd, known, _), (t, factor, load))) in gpus.into_iter().enumerate() {
                let name = format!("G{n}");
                world.catalog.skus.push(gpu_sku(&name, usd));
                if known {
                    let t = t / 20.0;
                    let one = measured(&name, gpu_device(), "cuda/tiled", t, factor, load);
                    world.records.push(one);
                }
            }
            world
        })
}

impl World {
    fn verdict(&self) -> Verdict {
        let resolved = workload(100.0, self.jobs_per_day, Transfer::PerCall);
        classify(&resolved, &self.records, &self.catalog, &Options::default())
    }

    fn with(&self, change: impl FnOnce(&mut Self)) -> Self {
        let mut other = self.clone();
        change(&mut other);
        other
    }
}

/// Whether `after` is as sure as `before` or less, of the same thing.
fn no_surer(before: &Verdict, after: &Verdict) -> bool {
    after.verdict == Kind::MeasureFirst || after.verdict == before.verdict
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn cheaper_gpus_never_turn_gpu_into_cpu(world in world(), factor in 0.1..1.0f64) {
        let cheaper = world.with(|w| {
            let gpus = w.catalog.skus.iter_mut().filter(|s| s.has_gpu());
            gpus.for_each(|s| s.prices[0].price_usd_per_h *= factor);
        });
        let (before, after) = (world.verdict(), cheaper.verdict());
        if before.verdict == Kind::Gpu {
            prop_assert_eq!(after.verdict, Kind::Gpu);
        }
        prop_assert!(after.verdict != Kind::Cpu || before.verdict == Kind::Cpu);
    }

    #[test]
    fn noise_in_every_measurement_never_makes_a_verdict_surer(
        world in world(), wider in 1.0..3.0f64, load in 0.0..16.0f64,
    ) {
        let noisy = world.with(|w| {
            for record in &mut w.records {
                let state = &mut record.header.env.state;
                state.load_average = state.load_average.map(|l| l + load);
                for row in &mut record.rows {
                    let times = [
                        &mut row.times.kernel_warm,
                        &mut row.times.end_to_end,
                        &mut row.times.pipelined,
                    ];
                    for time in times.into_iter().flatten() {
                        time.ci95_lo_s /= wider;
                        time.ci95_hi_s *= wider;
                    }
                }
            }
        });
        let (before, after) = (world.verdict(), noisy.verdict());
        prop_assert!(no_surer(&before, &after), "{} became {}", before.headline, after.headline);
    }

    #[test]
    fn a_run_or_a_size_given_twice_changes_nothing(world in world(), which in 0usize..6) {
        let twice = world.with(|w| {
            w.records.extend(w.records.clone());
            let sku = w.catalog.skus[which % w.catalog.skus.len()].clone();
            w.catalog.skus.push(sku);
        });
        let (before, after) = (world.verdict(), twice.verdict());
        prop_assert_eq!(
            (before.verdict, before.probability_gpu, before.probability_cpu),
            (after.verdict, after.probability_gpu, after.probability_cpu)
        );
    }

    #[test]
    fn the_order_of_sizes_and_records_changes_nothing(world in world()) {
        let reversed = world.with(|w| {
            w.records.reverse();
            w.catalog.skus.reverse();
        });
        let (before, after) = (world.verdict(), reversed.verdict());
        prop_assert_eq!(before.verdict, after.verdict);
        let month = |v: &Verdict| {
            let of = |r: &Option<SkuCost>| r.as_ref().and_then(|r| r.usd_per_month).map(|m| m.median);
            (of(&v.best_cpu), of(&v.best_gpu))
        };
        prop_assert_eq!(month(&before), month(&after));
    }

    #[test]
    fn units_cancel(world in world(), power in -3i32..4) {
        // Dollars counted in another unit, the same for all, change money and nothing else.
        let scale = f64::powi(2.0, power);
        let other = world.with(|w| {
            w.catalog.skus.iter_mut().for_each(|s| s.prices[0].price_usd_per_h *= scale);
        });
        let (before, after) = (world.verdict(), other.verdict());
        prop_assert_eq!(before.verdict, after.verdict);
        // Time counted in another unit: all work, all peaks and all times a power of two as long,
        // and as many times fewer jobs, change no verdict either. Launches are seconds and stay, so
        // only kernels that were timed with them are looked at.
        let slower = world.with(|w| {
            w.jobs_per_day /= scale;
            for sku in &mut w.catalog.skus {
                sku.link_in_bytes_per_s = Some(10e9 / scale);
                sku.link_out_bytes_per_s = Some(10e9 / scale);
            }
            w.catalog.cpus[0].clock_hz /= scale;
            let gpu = &mut w.catalog.gpus[0];
            gpu.f32_ops_per_s = gpu.f32_ops_per_s.map(|v| v / scale);
            gpu.memory_bytes_per_s = gpu.memory_bytes_per_s.map(|v| v / scale);
            for row in w.records.iter_mut().flat_map(|r| &mut r.rows) {
                let times = [
                    &mut row.times.kernel_warm,
                    &mut row.times.end_to_end,
                    &mut row.times.pipelined,
                ];
                for time in times.into_iter().flatten() {
                    for t in [
                        &mut time.median_s,
                        &mut time.min_s,
                        &mut time.ci95_lo_s,
                        &mut time.ci95_hi_s,
                    ] {
                        *t *= scale;
                    }
                }
            }
        });
        let timed = |w: &World| {
            let known = |s: &crate::catalog::Sku| {
                w.records.iter().any(|r| r.header.env.sku.as_deref() == Some(&s.name))
            };
            w.with(|w| {
                let skus: Vec<_> = w.catalog.skus.iter().filter(|s| known(s)).cloned().collect();
                w.catalog.skus = skus;
                for sku in &mut w.catalog.skus {
                    sku.link_in_bytes_per_s = sku.link_in_bytes_per_s.or(Some(10e9));
                    sku.link_out_bytes_per_s = sku.link_out_bytes_per_s.or(Some(10e9));
                }
            })
        };
        prop_assert_eq!(timed(&world).verdict().verdict, timed(&slower).verdict().verdict);
    }

    #[test]
    fn every_number_is_finite_and_no_cost_is_nothing(world in world()) {
        let v = world.verdict();
        let json = serde_json::to_value(&v).expect("serialisable");
        // serde writes what is not finite as null, so look at the numbers themselves.
        for cost in &v.ranking {
            for e in [cost.usd_per_month, cost.usd_per_job, cost.usd_per_job_full_load] {
                let Some(e) = e else { continue };
                prop_assert!(e.lo90 > 0.0 && e.hi90.is_finite(), "{:?}", e);
                prop_assert!(e.lo90 <= e.median && e.median <= e.hi90, "{:?}", e);
            }
        }
        for p in [v.probability_gpu, v.probability_cpu].into_iter().flatten() {
            prop_assert!((0.0..1.0).contains(&p), "{p}: nothing is certain");
        }
        prop_assert!(json.is_object());
    }
}
