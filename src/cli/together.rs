//! `classify --together`: several workloads packed on shared nodes.

use super::args::{ClassifyArgs, OutputArgs, ProviderArg};
use super::classify::{self, Loaded};
use super::exit::{DONE, Failure, Outcome};
use super::{output, what_if};
use crate::catalog::Catalog;
use crate::classify::pack;
use crate::record::Record;
use crate::report::{Content, Listing, packing};

/// Packs `workloads` and tells who should share with whom.
pub fn run(
    workloads: &[Loaded],
    records: &[(String, Record)],
    catalog: &Catalog,
    args: &ClassifyArgs,
    output: &OutputArgs,
) -> Outcome {
    if workloads.len() < 2 {
        return Err(Failure::usage(
            "--together: one workload has nobody to share with; give several",
        ));
    }
    let mut catalog = catalog.clone();
    let options = classify::options(&args.price, ProviderArg::Azure, &catalog)?;
    what_if::prices(&args.price.what_if, &mut catalog, &options)?;
    let records: Vec<Record> = records.iter().map(|(_, record)| record.clone()).collect();
    let resolved = workloads
        .iter()
        .map(|loaded| {
            classify::resolve(&what_if::workload(&loaded.workload, &args.price.what_if), loaded)
        })
        .collect::<Result<Vec<_>, _>>()?;
    let packed = pack(&resolved, &records, &catalog, &options);
    let data = serde_json::json!({
        "schema": { "name": "breakeven-packing", "major": 1, "minor": 0 },
        "packing": packed,
        "options": options,
    });
    let listing = Listing { document: packing(&packed), data };
    output::emit(&Content::Listing(&listing), output, "packing")?;
    if packed.groups.is_empty() {
        return Err(Failure::incomparable(
            "--together: no size has both a known price and a known time for any of the workloads",
        ));
    }
    Ok(DONE)
}
