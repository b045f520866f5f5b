//! `compare`: records side by side.

use std::path::{Path, PathBuf};

use super::args::{CompareArgs, OutputArgs};
use super::exit::{DONE, Failure, Outcome};
use super::{classify, output, pricing, reference};
use crate::compare::{self, CompareError, Options};
use crate::record::Record;
use crate::report::Content;

/// Reads the records, compares them and writes what was found.
pub fn run(args: &CompareArgs, output: &OutputArgs) -> Outcome {
    let mut records = Vec::new();
    for given in &args.records {
        records.extend(read(given)?);
    }
    let catalog = pricing::catalog(&args.prices)?.catalog;
    if let Some(region) = &args.region {
        classify::check_region(region, None, &catalog)?;
    }
    let options = Options {
        base: args.base.clone(),
        all_implementations: args.all_implementations,
        price_kind: pricing::kind(args.price_kind),
        region: args.region.clone(),
        discount: args.discount,
        today: Some(pricing::today()),
    };
    let found = compare::compare(&records, &catalog, &options).map_err(|error| match error {
        CompareError::OneRun(_) | CompareError::UnknownBase { .. } => {
            Failure::usage(error.to_string())
        }
        CompareError::Nothing(_) => Failure::incomparable(error.to_string()),
    })?;
    output::emit(&Content::Comparison(&found), output, "compare")?;
    Ok(DONE)
}

/// The records at PATH or NAME=PATH; of a named folder, each is called NAME/FILE.
fn read(given: &str) -> Result<Vec<(String, Record)>, Failure> {
    let named = given.split_once('=').filter(|_| !Path::new(given).exists());
    let Some((name, path)) = named else { return reference::load_many(&[PathBuf::from(given)]) };
    if name.is_empty() || path.is_empty() {
        return Err(Failure::usage(format!("{given}: give NAME=PATH, as in old=before.jsonl")));
    }
    let mut records = reference::load_many(&[PathBuf::from(path)])?;
    let below = |full: &str| {
        Path::new(full)
            .strip_prefix(path)
            .ok()
            .map(|p| p.display().to_string())
            .filter(|p| !p.is_empty())
    };
    for (called, _) in &mut records {
        *called = below(called).map_or_else(|| name.to_owned(), |file| format!("{name}/{file}"));
    }
    Ok(records)
}
