//! Verdicts on what others measured: the same arithmetic, with throughputs from a file in place of
//! times from records.

use breakeven_kernels::params::Params;

use super::candidate::{self, Candidate, RulesOf, Standing, reason};
use super::limits::Limit;
use super::words::{number, seconds};
use super::{Kind, Options, Reason, Side, Verdict};
use crate::catalog::{Catalog, Sku};
use crate::cost::imported::{Imported, SizeRate, job_on};
use crate::cost::leave_one_out::of_series;
use crate::cost::node::Obstacle;
use crate::import::Device;
use crate::workload::{ComputeStage, ResolvedWorkload, Stage, Transfer, Workload};

/// A size that was not measured must be cheaper by this share to be worth a word.
const TIE: f64 = 0.001;

/// Judges `imported` over the sizes that it was measured on, at the demand of `workload`, whose
/// stages are not looked at. A job is `units_per_job` units, else 1. Of each side at most one size
/// that was not measured stands beside them: one of a measured series that would be cheaper.
pub fn classify_imported(
    imported: &Imported,
    workload: &Workload,
    catalog: &Catalog,
    options: &Options,
) -> Verdict {
    let workload = as_measured(imported, workload);
    let rules = RulesOf::new(&workload, options);
    let asked = Asked { imported, workload: &workload, catalog, options, rules: &rules };
    let own = |provider: &str| options.provider.as_ref().is_none_or(|p| p == provider);
    let measured = imported.sizes.iter().filter(|size| own(&size.provider));
    let mut candidates: Vec<Candidate> = measured.filter_map(|size| asked.on(size)).collect();
    for device in [Device::Cpu, Device::Gpu] {
        let cheaper = asked.cheaper_in_series(device, &candidates, &own);
        candidates.extend(cheaper);
    }
    let untried: Vec<Candidate> = [Side::Gpu, Side::Cpu]
        .into_iter()
        .filter_map(|s| asked.untried(s, &candidates, &own))
        .collect();
    let left_open: Vec<String> = untried.iter().filter_map(|c| left_open(c, &candidates)).collect();
    candidates.extend(untried);
    let resolved = ResolvedWorkload { workload: workload.clone(), cases: vec![None] };
    let mut verdict = super::verdict(
        &resolved,
        &candidates,
        &super::Basis { devices: &[], catalog, options, ranked: true },
    );
    for (side, device) in [(Side::Gpu, "gpu"), (Side::Cpu, "cpu")] {
        if !candidates.iter().any(|c| c.side == side) {
            let text = format!("no row with device = {device} for this workload in what was read");
            verdict.reasons.push(reason("not-measured", text));
        }
    }
    verdict.sentences.extend(left_open);
    verdict.sentences.extend(needed(&verdict, imported));
    for next in &mut verdict.measure_next {
        // Only the user can run what was measured; its results come back by `import`.
        let gpu = catalog.sku(None, &next.sku).is_some_and(Sku::has_gpu);
        let device = if gpu { "gpu" } else { "cpu" };
        next.command = format!(
            "breakeven import RESULTS --sku {} --device {device} --workload '{}'",
            next.sku, imported.workload
        );
    }
    verdict
}

/// The demand and needs of `workload` with one stage that runs on either kind of device: what was
/// measured.
fn as_measured(imported: &Imported, workload: &Workload) -> Workload {
    let measured = ComputeStage {
        family: "imported".into(),
        params: Params::default(),
        calls: imported.units_per_job.unwrap_or(1.0),
        transfer: Transfer::PerCall,
        gpus_per_job: 1.0,
    };
    let stages = vec![Stage::Compute(measured)];
    Workload { name: imported.workload.clone(), stages, ..workload.clone() }
}

/// What would settle a verdict that the file leaves open.
fn needed(verdict: &Verdict, imported: &Imported) -> Option<String> {
    let (gpu, cpu) = verdict.best_gpu.as_ref().zip(verdict.best_cpu.as_ref())?;
    if verdict.verdict != Kind::MeasureFirst {
        return None;
    }
    let spread = |sku: &str, side: Side| {
        let wanted = |s: &&SizeRate| s.sku == sku && side_of(s) == side;
        let rate = imported.sizes.iter().find(wanted)?.units_per_s;
        Some(number((rate.hi90 / rate.lo90).sqrt()))
    };
    Some(format!(
        "The speed of {} is known within ×{} and that of {} within ×{}: measurements with \
         p10_per_s and p90_per_s would narrow both.",
        gpu.sku,
        spread(&gpu.sku, Side::Gpu)?,
        cpu.sku,
        spread(&cpu.sku, Side::Cpu)?
    ))
}

/// Why a side of which every measured size fails has not lost: `untried` might do it.
fn left_open(untried: &Candidate, measured: &[Candidate]) -> Option<String> {
    let failed = measured.iter().find(|c| c.side == untried.side)?;
    let kind = if untried.side == Side::Gpu { "GPU" } else { "CPU" };
    Some(format!(
        "No {kind} size that was measured can do it ({}: {}), but that rules out no other: measure \
         one that might, such as {}.",
        failed.sku.name,
        failed.decisive()?.text,
        untried.sku.name
    ))
}

fn side_of(size: &SizeRate) -> Side {
    match size.device {
        Device::Gpu => Side::Gpu,
        Device::Cpu => Side::Cpu,
    }
}

/// What is judged, and under which figures.
struct Asked<'a, 'o> {
    imported: &'o Imported,
    workload: &'o Workload,
    catalog: &'a Catalog,
    options: &'o Options,
    rules: &'a RulesOf,
}

impl<'a> Asked<'a, '_> {
    /// A size as it was measured or predicted; `None` where the catalog lacks it.
    fn on(&self, size: &SizeRate) -> Option<Candidate<'a>> {
        let sku = self.catalog.sku(Some(&size.provider), &size.sku)?;
        let units_per_job = self.imported.units_per_job.unwrap_or(1.0);
        let job = job_on(&self.imported.workload, size, units_per_job, sku);
        let (catalog, options) = (self.catalog, self.options);
        let mut c = candidate::candidate(self.workload, sku, catalog, options, self.rules, Ok(job));
        c.side = side_of(size);
        c.latency_known = size.latency_s.is_some();
        c.binding_known = false;
        if c.side == Side::Cpu && sku.has_gpu() {
            c.lower(Standing::Unknown);
            c.reasons.push(reason(
                "cpu-of-gpu-size",
                "measured on the processors of a GPU size: its price pays for a GPU that does \
                 nothing, so it stands for no CPU node; measure a size without one",
            ));
        }
        if let (Some(limit), false) = (Limit::of(&self.workload.demand), c.latency_known) {
            c.lower(Standing::Unknown);
            c.reasons.push(reason(
                "latency-unknown",
                format!(
                    "a job may take {} and the file gives neither latency_s nor concurrency",
                    seconds(limit.seconds)
                ),
            ));
        }
        c.reasons.push(told(self.imported, size));
        Some(c)
    }

    /// Where every measured size of `side` fails: the largest size that was not measured and that
    /// nothing rules out, of a measured series if there is one. What fails on the sizes of a file
    /// says nothing of the others; `None` where there are none, or where none of them could do it.
    fn untried(
        &self,
        side: Side,
        measured: &[Candidate],
        own: &impl Fn(&str) -> bool,
    ) -> Option<Candidate<'a>> {
        let on_side: Vec<&Candidate> = measured.iter().filter(|c| c.side == side).collect();
        if on_side.is_empty() || on_side.iter().any(|c| c.standing != Standing::Infeasible) {
            return None;
        }
        let judged = |sku: &Sku| {
            on_side.iter().any(|c| (&c.sku.provider, &c.sku.name) == (&sku.provider, &sku.name))
        };
        let in_series = |sku: &Sku| {
            on_side.iter().any(|c| (&c.sku.provider, &c.sku.family) == (&sku.provider, &sku.family))
        };
        let unmeasured = |sku: &'a Sku| {
            let text =
                "not measured; that other sizes of its kind cannot do it does not rule it out";
            let job = Err(Obstacle { code: "not-measured", text: text.into(), infeasible: false });
            candidate::candidate(self.workload, sku, self.catalog, self.options, self.rules, job)
        };
        self.catalog
            .skus
            .iter()
            .filter(|sku| own(&sku.provider) && sku.not_judged.is_none())
            .filter(|sku| sku.has_gpu() == (side == Side::Gpu) && !judged(sku))
            .map(unmeasured)
            .filter(|c| c.standing != Standing::Infeasible)
            .max_by_key(|c| (in_series(c.sku), c.sku.vcpus, std::cmp::Reverse(&c.sku.name)))
    }

    /// The size that would cost least of those that were not measured but belong to the series of
    /// one that was, if it would cost less than all that were: a verdict must not rest on it being
    /// left out.
    fn cheaper_in_series(
        &self,
        device: Device,
        measured: &[Candidate],
        own: &impl Fn(&str) -> bool,
    ) -> Option<Candidate<'a>> {
        let usd = |c: &Candidate| {
            (c.standing == Standing::Eligible).then(|| c.median_usd_per_month()).flatten()
        };
        let side = |c: &&Candidate| (c.side == Side::Gpu) == (device == Device::Gpu);
        let least = measured.iter().filter(side).filter_map(usd).min_by(f64::total_cmp)?;
        let sizes = &self.imported.sizes;
        let is = |sku: &Sku, s: &SizeRate| s.sku == sku.name && s.provider == sku.provider;
        self.catalog
            .skus
            .iter()
            .filter(|sku| own(&sku.provider) && sku.not_judged.is_none())
            .filter(|sku| sku.has_gpu() == (device == Device::Gpu))
            .filter(|sku| !sizes.iter().any(|s| s.device == device && is(sku, s)))
            .filter_map(|sku| self.on(&of_series(sku, device, sizes, self.catalog)?))
            .filter_map(|c| Some((usd(&c).filter(|usd| *usd < least * (1.0 - TIE))?, c)))
            .min_by(|a, b| a.0.total_cmp(&b.0).then(a.1.sku.name.cmp(&b.1.sku.name)))
            .map(|(_, c)| c)
    }
}

/// What was measured, by whom, and what the interval rests on.
fn told(imported: &Imported, size: &SizeRate) -> Reason {
    let rate = size.units_per_s;
    let from = size.sources.join("; ");
    let rate_told = format!(
        "{} {}/s, 90 % interval {} to {}",
        number(rate.median),
        imported.unit,
        number(rate.lo90),
        number(rate.hi90),
    );
    if size.predicted {
        let text = format!("not measured; {rate_told}, scaled by vCPUs or GPUs from {from}");
        return reason("predicted-in-series", text);
    }
    let rests = match (size.measurements, size.percentiles) {
        (1, true) => "from its percentiles, at least ×1.1",
        (1, false) => "×1.3 assumed for want of percentiles",
        (_, true) => "from the rows' percentiles and spread",
        (_, false) => "from the rows' spread, and assumed where they have no percentiles",
    };
    reason("imported", format!("{rate_told} ({rests}), by {from}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::cost::Origin;
    use crate::cost::fixture;
    use crate::cost::imported::workloads;
    use crate::import::Table;

    /// C8 at $1, C16 at $2, G8 at $4 and G16 with two GPUs at $8 an hour.
    fn catalog() -> Catalog {
        let mut catalog = fixture::catalog(1.0, 4.0);
        let mut gpus = fixture::gpu_sku("G16", 8.0);
        gpus.gpu_count = Some(2.0);
        let mut twice = fixture::cpu_sku("C16", 2.0);
        twice.vcpus = 16;
        catalog.skus.extend([twice, gpus]);
        catalog
    }

    fn judged(lines: &[String], jobs_per_day: f64, slo_s: Option<f64>) -> Verdict {
        judged_in(&catalog(), lines, jobs_per_day, slo_s)
    }

    fn judged_in(
        catalog: &Catalog,
        lines: &[String],
        jobs_per_day: f64,
        slo_s: Option<f64>,
    ) -> Verdict {
        let header = "provider,sku,device,workload,unit,throughput_per_s,source,measured_at,\
                      units_per_job,latency_s,p10_per_s,p90_per_s";
        let text = format!("{header}\n{}\n", lines.join("\n"));
        let table = Table::parse(text.as_bytes(), "m.csv", "2026-11-22").expect("readable");
        table.whole().expect("no line refused");
        let measured = workloads(&table.rows);
        let mut workload = fixture::workload(1.0, jobs_per_day, Transfer::PerCall).workload;
        workload.demand.latency_slo_s = slo_s;
        classify_imported(&measured[0], &workload, catalog, &Options::default())
    }

    /// Jobs of ten images, with percentiles that agree.
    fn line(sku: &str, device: &str, per_s: f64) -> String {
        format!("azure,{sku},{device},w,image,{per_s},somebody,2026-08,10,,{per_s},{per_s}")
    }

    fn four() -> Vec<String> {
        vec![
            line("C8", "cpu", 100.0),
            line("C16", "cpu", 150.0),
            line("G8", "gpu", 2000.0),
            line("G16", "gpu", 3000.0),
        ]
    }

    #[track_caller]
    fn close(a: f64, b: f64) {
        assert!((a / b - 1.0).abs() < 1e-6, "{a} is not {b}");
    }

    #[test]
    fn four_sizes_are_priced_and_judged() {
        // Ten images a job: C8 does 36,000 jobs an hour, C16 54,000, G8 720,000, G16 1,080,000.
        // 24 million a day are a million an hour, at 70 % use:
        // C8 ⌈39.7⌉ = 40 nodes, $40; C16 ⌈26.5⌉ = 27, $54; G8 ⌈1.98⌉ = 2, $8; G16 ⌈1.3⌉ = 2, $16.
        let v = judged(&four(), 24e6, None);
        assert_eq!(v.verdict, Kind::Gpu, "{}", v.headline);
        let order: Vec<&str> = v.ranking.iter().map(|r| r.sku.as_str()).collect();
        assert_eq!(order, ["G8", "G16", "C8", "C16"]);
        let month = |index: usize| v.ranking[index].usd_per_month.expect("cost").median;
        for (index, usd_per_h) in [8.0, 16.0, 40.0, 54.0].into_iter().enumerate() {
            close(month(index), 30.4 * 24.0 * usd_per_h);
        }
        let gpu = v.best_gpu.expect("gpu");
        close(gpu.usd_per_job_full_load.expect("cost").median, 4.0 / 720_000.0);
        // One VM is never known better than within ×1.1.
        close(gpu.jobs_per_h.expect("rate").lo90, 720_000.0 / 1.1);
        assert_eq!((gpu.origin, gpu.binding, gpu.latency_s), (Some(Origin::Imported), None, None));
        assert!(gpu.reasons.iter().any(|r| r.code == "imported" && r.text.contains("somebody")));
        // (4/1) · (0.694/0.694) / 0.9, and 2000/100.
        close(v.break_even.needed_speedup.expect("both"), 4.0 / 0.9);
        close(v.break_even.speedup.expect("both"), 20.0);
        // One G8 at $4 is cheaper than C8 as soon as five of these are needed, from
        // 4 · 0.7 · 36,000 = 100,800 jobs an hour on.
        let crossing = v.break_even.last_crossing_jobs_per_day.expect("two bands");
        assert!((2_419_200.0..=2_419_201.0).contains(&crossing), "{crossing}");
        assert_eq!(judged(&four(), 1000.0, None).verdict, Kind::Cpu);
    }

    #[test]
    fn a_rate_without_percentiles_makes_no_close_call() {
        // $4 at 470 images a second against $1 at 100: 15 % cheaper at full load, but each is known
        // within ×1.3 only.
        let wide = |sku: &str, device: &str, per_s: f64| {
            format!("azure,{sku},{device},w,image,{per_s},somebody,2026-08,10,,,")
        };
        let v = judged(&[wide("C8", "cpu", 100.0), wide("G8", "gpu", 470.0)], 240e6, None);
        assert_eq!(v.verdict, Kind::MeasureFirst, "{}", v.headline);
        assert!(v.sentences.iter().any(|s| s.contains("within ×1.30")), "{:?}", v.sentences);
    }

    #[test]
    fn no_verdict_rests_on_a_smaller_size_that_was_left_out() {
        // 300,000 jobs a day are 12,500 an hour. C16 does 54,000 an hour, $2; G8 at $1.50 would win.
        // But C8 of C16's series, not measured, would do half, 27,000 at $1.
        let mut cheap = catalog();
        cheap.skus.iter_mut().filter(|s| s.name == "G8").for_each(|s| {
            s.prices[0].price_usd_per_h = 1.5;
        });
        let lines = [line("C16", "cpu", 150.0), line("G8", "gpu", 2000.0)];
        let v = judged_in(&cheap, &lines, 300_000.0, None);
        let cpu = v.best_cpu.as_ref().expect("cpu");
        assert_eq!((cpu.sku.as_str(), cpu.origin), ("C8", Some(Origin::Predicted)));
        assert!(cpu.reasons.iter().any(|r| r.code == "predicted-in-series"), "{:?}", cpu.reasons);
        assert_eq!(v.verdict, Kind::Cpu, "{}", v.headline);
        // 17,917 an hour fill one C8 to 95 % of what it may be, so it may take two: not sure, and
        // C8 is to be measured.
        let full = judged_in(&cheap, &lines, 430_000.0, None);
        assert_eq!(full.verdict, Kind::MeasureFirst, "{}", full.headline);
        let command = "breakeven import RESULTS --sku C8 --device cpu --workload 'w'";
        assert!(full.measure_next.iter().any(|n| n.command == command), "{:?}", full.measure_next);
    }

    #[test]
    fn one_kind_alone_is_no_verdict() {
        let v = judged(&four()[2..], 24e6, None);
        assert_eq!(v.verdict, Kind::MeasureFirst);
        assert!(v.reasons.iter().any(|r| r.code == "not-measured" && r.text.contains("cpu")));
        // The processors of a GPU size are priced and shown, but stand for no CPU node.
        let v = judged(&[line("G8", "cpu", 10.0), line("G8", "gpu", 2000.0)], 24e6, None);
        assert_eq!(v.verdict, Kind::MeasureFirst, "{}", v.headline);
        assert_eq!(v.best_cpu, None);
        let shown = v.ranking.iter().find(|r| r.side == Side::Cpu).expect("ranked");
        assert_eq!((shown.eligible, shown.device.as_str()), (false, "Test CPU, 8 threads"));
        assert_eq!(shown.reasons[0].code, "cpu-of-gpu-size");
        assert!(shown.usd_per_month.is_some());
    }

    #[test]
    fn an_objective_needs_a_known_latency() {
        let v = judged(&four(), 24e6, Some(0.5));
        assert_eq!(v.verdict, Kind::MeasureFirst, "{}", v.headline);
        assert!(v.ranking.iter().all(|r| r.reasons[0].code == "latency-unknown"));
        let known = |sku: &str, device: &str, per_s: f64, latency_s: f64| {
            let p = format!("{per_s},{per_s}");
            format!("azure,{sku},{device},w,image,{per_s},somebody,2026-08,10,{latency_s},{p}")
        };
        // 2 s less ×1.3 is still above half a second: C8 cannot do it, and C16 was not measured.
        let lines = [known("C8", "cpu", 100.0, 2.0), known("G8", "gpu", 2000.0, 0.1)];
        let open = judged(&lines, 24e6, Some(0.5));
        assert_eq!(open.verdict, Kind::MeasureFirst, "{}", open.headline);
        let told = |v: &Verdict, a: &str, b: &str| {
            v.sentences.iter().any(|s| s.contains(a) && s.contains(b))
        };
        assert!(
            told(&open, "No CPU size that was measured", "such as C16"),
            "{:?}",
            open.sentences
        );
        // The mirror: one slow GPU size decides nothing for the CPU.
        let mirror = [known("C8", "cpu", 100.0, 0.1), known("G8", "gpu", 2000.0, 2.0)];
        let open = judged(&mirror, 24e6, Some(0.5));
        assert_eq!(open.verdict, Kind::MeasureFirst, "{}", open.headline);
        assert!(
            told(&open, "No GPU size that was measured", "such as G16"),
            "{:?}",
            open.sentences
        );
        // With C16 too slow as well no CPU size is left.
        let all = [&lines[..], &[known("C16", "cpu", 150.0, 2.0)]].concat();
        assert_eq!(judged(&all, 24e6, Some(0.5)).verdict, Kind::Gpu);
    }

    fn lines() -> impl Strategy<Value = Vec<String>> {
        let rates = prop::collection::vec(10.0f64..5000.0, 4..12);
        rates.prop_map(|rates| {
            let sizes = [("C8", "cpu"), ("G8", "gpu"), ("C16", "cpu"), ("G16", "gpu")];
            let each = sizes.iter().cycle().zip(rates);
            each.map(|((sku, device), rate)| line(sku, device, rate)).collect()
        })
    }

    proptest! {
        #[test]
        fn order_and_repetition_of_rows_change_nothing(
            lines in lines(),
            turn in 0usize..12,
            again in 0usize..12,
            jobs in 1e3f64..1e8,
        ) {
            let verdict = judged(&lines, jobs, None);
            let mut other = lines.clone();
            other.rotate_left(turn % lines.len());
            other.reverse();
            prop_assert_eq!(&judged(&other, jobs, None), &verdict);
            other.push(lines[again % lines.len()].clone());
            prop_assert_eq!(&judged(&other, jobs, None), &verdict);
        }
    }
}
