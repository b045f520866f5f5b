//! Nodes of one size that are slower than the others of it.

use std::collections::BTreeMap;

use super::interval::{sampling, student};
use super::ratios::comparable;
use super::{Case, Cell, Column, SlowNode};

/// Siblings that it takes to tell which one is slow.
const ENOUGH: usize = 3;
/// Slower by less than this is not worth a word.
const WORTH_TELLING: f64 = 1.05;
/// Share of the cases in which a node must be slower.
const SHARE_OF_CASES: f64 = 0.5;
/// A 90 % width as a 95 % one.
const TO_95: f64 = 1.959_963_984_540_054 / 1.644_853_626_951_472_7;

/// Runs that begin further apart than this in the day, in minutes, are of different times of it:
/// neighbours on the host come and go with office hours.
const APART_MIN: i64 = 180;
const DAY_MIN: i64 = 24 * 60;

/// What siblings have in common, in words that sort.
fn kin(column: &Column) -> [String; 7] {
    let size = column.sku.as_ref().map(|sku| sku.to_ascii_lowercase());
    [
        size.unwrap_or_else(|| column.env_key.clone()),
        column.device.clone(),
        column.device_name.clone(),
        format!("{} {:?} {:?}", column.tool_version, column.commit, column.dirty),
        column.seed.to_string(),
        column.provider.clone().unwrap_or_default(),
        column.region.clone().unwrap_or_default(),
    ]
}

/// Every group of columns of one size (where that is unknown, one environment), device, program, seed,
/// region and time of day, of at least `least` records.
fn groups(columns: &[Column], least: usize) -> Vec<Vec<usize>> {
    let mut groups: BTreeMap<[String; 7], Vec<usize>> = BTreeMap::new();
    for (index, column) in columns.iter().enumerate() {
        groups.entry(kin(column)).or_default().push(index);
    }
    let by_time = groups.into_values().flat_map(|group| by_time_of_day(group, columns));
    by_time.filter(|group| group.len() >= least).collect()
}

/// A group cut where the day has a gap of [`APART_MIN`] without a run of it; around midnight too.
fn by_time_of_day(group: Vec<usize>, columns: &[Column]) -> Vec<Vec<usize>> {
    let mut timed: Vec<(i64, usize)> =
        group.iter().map(|index| (minute_of_day(&columns[*index].started_at), *index)).collect();
    timed.sort_unstable();
    let gap = |at: usize| {
        let (next, before) = (timed[at].0, timed[(at + timed.len() - 1) % timed.len()].0);
        (next - before).rem_euclid(DAY_MIN)
    };
    let cuts: Vec<usize> = (0..timed.len()).filter(|at| gap(*at) >= APART_MIN).collect();
    let Some(first) = cuts.first().copied() else { return vec![group] };
    let mut parts: Vec<Vec<usize>> = Vec::new();
    for step in 0..timed.len() {
        let at = (first + step) % timed.len();
        if step == 0 || cuts.contains(&at) {
            parts.push(Vec::new());
        }
        if let Some(part) = parts.last_mut() {
            part.push(timed[at].1);
        }
    }
    parts.iter_mut().for_each(|part| part.sort_unstable());
    parts
}

/// Minutes since midnight (UTC) of a time such as `2026-11-21T08:30:00Z`; 0 where it cannot be read.
fn minute_of_day(time: &str) -> i64 {
    let number = |range: std::ops::Range<usize>| time.get(range)?.parse::<i64>().ok();
    number(11..13).zip(number(14..16)).map_or(0, |(hour, minute)| hour * 60 + minute)
}

/// Groups of siblings in which a slow node would be told.
pub fn judged_groups(columns: &[Column]) -> usize {
    groups(columns, ENOUGH).len()
}

/// The nodes that are slower than their siblings beyond these's own noise, slowest first.
pub fn slow_nodes(cases: &[Case], columns: &[Column]) -> Vec<SlowNode> {
    let mut slow = Vec::new();
    for group in groups(columns, ENOUGH) {
        let shared: Vec<Vec<&Cell>> = cases
            .iter()
            .map(|case| kindred(case, &group, columns))
            .filter(|cells| cells.len() >= ENOUGH)
            .collect();
        slow.extend(group.iter().filter_map(|node| judged(*node, &group, &shared)));
    }
    slow.sort_by(|a: &SlowNode, b| b.factor.total_cmp(&a.factor).then(a.column.cmp(&b.column)));
    slow
}

/// The cells of the group in one case that are of the same computation as the first.
fn kindred<'c>(case: &'c Case, group: &[usize], columns: &[Column]) -> Vec<&'c Cell> {
    let cells: Vec<&Cell> = group.iter().filter_map(|column| case.cell(*column)).collect();
    let Some(first) = cells.first().copied() else { return cells };
    cells.into_iter().filter(|cell| comparable(case, first, cell, columns).is_ok()).collect()
}

/// The middle of the siblings' logarithmic times.
fn middle(logs: &mut [f64]) -> f64 {
    logs.sort_by(f64::total_cmp);
    let half = logs.len() / 2;
    if logs.len().is_multiple_of(2) { (logs[half - 1] + logs[half]) / 2.0 } else { logs[half] }
}

/// `node` among its siblings; `None` where it is not slower.
///
/// The noise is the spread of the siblings without it: the standard deviation of the logarithms of
/// their times around each case's mean, pooled over the cases, times Student's t (one-sided 97.5 %,
/// as many degrees of freedom as siblings less one), for one more against the middle of k. A case
/// counts as slower beyond that and the node's own sampling interval, in quadrature.
fn judged(node: usize, group: &[usize], shared: &[Vec<&Cell>]) -> Option<SlowNode> {
    let (mut excess, mut squares, mut freedom, mut most) = (Vec::new(), 0.0, 0, 0);
    for cells in shared {
        let Some(own) = cells.iter().find(|cell| cell.column == node) else { continue };
        let others = cells.iter().filter(|cell| cell.column != node);
        let mut logs: Vec<f64> = others.map(|cell| cell.call.median_s.ln()).collect();
        let mean = logs.iter().sum::<f64>() / logs.len() as f64;
        squares += logs.iter().map(|log| (log - mean).powi(2)).sum::<f64>();
        freedom += logs.len() - 1;
        most = most.max(logs.len());
        let by = own.call.median_s.ln() - middle(&mut logs);
        excess.push((by, sampling(&own.call).down * TO_95));
    }
    if freedom == 0 {
        return None;
    }
    let one_more = (1.0 + 1.0 / most as f64).sqrt();
    let noise = (squares / freedom as f64).sqrt() * student(0.975, most - 1) * one_more;
    let beyond = |(by, own): &&(f64, f64)| *by > noise.hypot(*own);
    let slower_in = excess.iter().filter(beyond).count();
    let mut all: Vec<f64> = excess.iter().map(|(by, _)| *by).collect();
    let factor = middle(&mut all).exp();
    let told = factor >= WORTH_TELLING && slower_in as f64 >= SHARE_OF_CASES * excess.len() as f64;
    told.then(|| SlowNode {
        column: node,
        siblings: group.iter().copied().filter(|column| *column != node).collect(),
        factor,
        slower_in,
        cases: excess.len(),
        noise: noise.exp(),
    })
}
