//! One size over time: each run against the oldest.

use std::collections::BTreeMap;

use super::ratios::{Sum, comparable};
use super::{Case, Column, Trend, TrendPoint};

/// Every size (where that is unknown, environment) and device with runs of different times.
pub fn trends(cases: &[Case], columns: &[Column]) -> Vec<Trend> {
    let mut groups: BTreeMap<[&str; 3], Vec<usize>> = BTreeMap::new();
    for (index, column) in columns.iter().enumerate() {
        let of = column.sku.as_deref().unwrap_or(&column.env_key);
        groups.entry([of, &column.device, &column.device_name]).or_default().push(index);
    }
    let mut trends = Vec::new();
    for mut group in groups.into_values() {
        group.sort_by_key(|index| (&columns[*index].started_at, &columns[*index].label));
        let facts = |at: usize| group.get(at).map(|index| &columns[*index]);
        let (Some(oldest), Some(newest)) = (facts(0), facts(group.len() - 1)) else { continue };
        if oldest.started_at == newest.started_at {
            continue;
        }
        let of = oldest.sku.as_ref().unwrap_or(&oldest.device_name).clone();
        let device = oldest.device.clone();
        let points = group.iter().map(|column| point(cases, columns, group[0], *column));
        trends.push(Trend { of, device, points: points.collect() });
    }
    trends
}

fn point(cases: &[Case], columns: &[Column], oldest: usize, column: usize) -> TrendPoint {
    let mut sum = Sum::default();
    for case in cases.iter().filter(|case| case.counts()) {
        let (Some(then), Some(now)) = (case.cell(oldest), case.cell(column)) else { continue };
        if oldest != column && comparable(case, then, now, columns).is_ok() {
            sum.add(then.call.median_s / now.call.median_s, &then.call, &now.call);
        }
    }
    TrendPoint { column, speed: sum.mean([oldest, column], columns), cases: sum.cases }
}
