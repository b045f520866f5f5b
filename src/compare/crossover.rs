//! From which size on a GPU is faster, along the series that both kinds of column have.

use std::collections::HashMap;

use super::columns::most_threads;
use super::ratios::{comparable, speed};
use super::{Case, Column, Crossover, Mode, Ratio};

/// Every series along every pair of CPU and GPU columns that has a case in common.
pub fn crossovers(cases: &[Case], columns: &[Column]) -> Vec<Crossover> {
    let pairs = pairs(columns);
    let mut order: Vec<(&str, &str)> = Vec::new();
    let mut series: HashMap<(&str, &str), Vec<(f64, &Case)>> = HashMap::new();
    for case in cases {
        let Some(of) = &case.series else { continue };
        let key = (of.key.as_str(), of.axis.as_str());
        series.entry(key).or_insert_with(|| {
            order.push(key);
            Vec::new()
        });
        series.entry(key).or_default().push((of.value, case));
    }
    let mut found = Vec::new();
    for key in order {
        let Some(points) = series.get_mut(&key) else { continue };
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        for &(cpu, gpu) in &pairs {
            let ratio = |case: &Case| gpu_over_cpu(case, cpu, gpu, columns);
            let ratios: Vec<(f64, Ratio)> =
                points.iter().filter_map(|(value, case)| Some((*value, ratio(case)?))).collect();
            let (Some(first), Some(last)) = (ratios.first(), ratios.last()) else { continue };
            found.push(Crossover {
                series: key.0.to_owned(),
                axis: key.1.to_owned(),
                cpu,
                gpu,
                from: from(&ratios, |ratio| ratio.value > 1.0),
                surely_from: from(&ratios, |ratio| ratio.lo90 > 1.0),
                tested_from: first.0,
                tested_to: last.0,
                points: ratios.len(),
            });
        }
    }
    found
}

/// Time of the CPU ÷ time of the GPU, end to end.
fn gpu_over_cpu(case: &Case, cpu: usize, gpu: usize, columns: &[Column]) -> Option<Ratio> {
    let (cpu, gpu) = (case.cell(cpu)?, case.cell(gpu)?);
    let whole = cpu.call.mode == Mode::EndToEnd && comparable(case, cpu, gpu, columns).is_ok();
    speed(cpu, gpu, columns).filter(|_| whole)
}

/// The smallest value from which `faster` holds at all larger ones.
fn from(ratios: &[(f64, Ratio)], faster: impl Fn(&Ratio) -> bool) -> Option<f64> {
    let last = ratios.iter().rev().take_while(|(_, ratio)| faster(ratio)).last();
    last.map(|(value, _)| *value)
}

/// Each GPU column with the CPU of its own record and that of the base; where neither record has
/// one, with the first CPU there is. A CPU is its column with the most threads.
fn pairs(columns: &[Column]) -> Vec<(usize, usize)> {
    let cpu_of = |record: usize| {
        most_threads(columns.iter().enumerate().filter(|(_, c)| c.record_index == record))
    };
    let base = columns.iter().find(|c| c.base.is_none()).map(|c| c.record_index);
    let base = base.and_then(cpu_of);
    let first = columns.iter().find(|c| !c.gpu).and_then(|c| cpu_of(c.record_index));
    let mut pairs = Vec::new();
    for (gpu, column) in columns.iter().enumerate().filter(|(_, c)| c.gpu) {
        let own = cpu_of(column.record_index);
        let both = [own, base.filter(|cpu| own != Some(*cpu))];
        let before = pairs.len();
        pairs.extend(both.into_iter().flatten().map(|cpu| (cpu, gpu)));
        if pairs.len() == before {
            pairs.extend(first.map(|cpu| (cpu, gpu)));
        }
    }
    pairs
}
