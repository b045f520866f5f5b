//! What came of a fleet: a table of its runs, and its nodes side by side.

use crate::catalog::Catalog;
use crate::cli::exit::Failure;
use crate::compare::{self, SlowNode};
use crate::record::{self, Record};
use crate::store::Store;

use super::start::store_failure;

/// A record with the key that it lies under.
type Named = (String, Record);

/// The records of the fleet called `name`, each with its key, and what is wrong with objects that are
/// none.
///
/// # Errors
/// A store that cannot be read.
pub fn records(store: &Store, name: &str) -> Result<(Vec<Named>, Vec<String>), Failure> {
    let (mut records, mut broken) = (Vec::new(), Vec::new());
    for object in store.list(name).map_err(store_failure)? {
        if !object.key.ends_with(".jsonl") {
            continue;
        }
        let Some(bytes) = store.get(&object.key).map_err(store_failure)? else { continue };
        match record::parse(bytes.as_slice(), &store.told(&object.key)) {
            Ok(record) => records.push((object.key, record)),
            Err(error) => broken.push(error.to_string()),
        }
    }
    Ok((records, broken))
}

/// Sentences on the nodes that are slower than their siblings beyond these's own noise.
pub fn slow_nodes(records: &[Named], catalog: &Catalog, today: &str) -> Vec<String> {
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
