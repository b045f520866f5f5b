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

/// What siblings have in common, in words that sort.
fn kin(column: &Column) -> [String; 6] {
    let size = column.sku.as_ref().map(|sku| sku.to_ascii_lowercase());
    [
        size.unwrap_or_else(|| column.env_key.clone()),
        column.device.clone(),
        column.device_name.clone(),
        format!("{} {:?} {:?}", column.tool_version, column.commit, column.dirty),
        column.seed.to_string(),
        column.provider.clone().unwrap_or_default(),
    ]
}

/// Every group of columns of one size (where that is unknown, one environment), device, program and
/// seed, of at least `least` records.
fn groups(columns: &[Column], least: usize) -> Vec<Vec<usize>> {
    let mut groups: BTreeMap<[String; 6], Vec<usize>> = BTreeMap::new();
    for (index, column) in columns.iter().enumerate() {
        groups.entry(kin(column)).or_default().push(index);
    }
    groups.into_values().filter(|group| group.len() >= least).collect()
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
