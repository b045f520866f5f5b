//! What came of a fleet: its nodes side by side.

use crate::catalog::Catalog;
use crate::compare::{self, SlowNode};
use crate::record::Record;

/// Sentences on the nodes that are slower than their siblings beyond these's own noise.
pub fn slow_nodes(records: &[(String, Record)], catalog: &Catalog, today: &str) -> Vec<String> {
    let options = compare::Options { today: Some(today.to_owned()), ..compare::Options::default() };
    let Ok(comparison) = compare::compare(records, catalog, &options) else { return Vec::new() };
    let told = |slow: &SlowNode| {
        let column = &comparison.columns[slow.column];
        format!(
            "{} is {:.2} × slower than its {} siblings in {} of {} cases, beyond their noise \
             of {:.1} %: {}",
            column.named(),
            slow.factor,
            slow.siblings.len(),
            slow.slower_in,
            slow.cases,
            100.0 * (slow.noise - 1.0),
            column.record
        )
    };
    comparison.slow_nodes.iter().map(told).collect()
}
