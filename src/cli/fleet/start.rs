//! What comes before a fleet runs: its store, the form of its table, and whether money may be spent.

use std::io::{self, BufRead, IsTerminal, Write};

use super::{USUAL_STORE, in_short};
use crate::cli::args::{FormatArg, OutputArgs};
use crate::cli::exit::Failure;
use crate::cli::output;
use crate::fleet::Fleet;
use crate::store::{Store, StoreError};

/// The store of the fleet's records.
pub fn store(fleet: &Fleet) -> Result<Store, Failure> {
    Store::open(fleet.store.as_deref().unwrap_or(USUAL_STORE)).map_err(store_failure)
}

pub fn store_failure(error: StoreError) -> Failure {
    match error {
        StoreError::Failed { .. } => Failure::internal(error.to_string()),
        _ => Failure::usage(error.to_string()),
    }
}

/// Asks before money is spent.
pub fn confirm(fleet: &Fleet, open: &[u32], yes: bool, output: &OutputArgs) -> Result<(), Failure> {
    let question = in_short(fleet, open);
    if yes {
        output::remark(output, &question);
        return Ok(());
    }
    if !io::stdin().is_terminal() {
        return Err(Failure::usage(format!(
            "{question}; nobody is here to agree to that: give --yes"
        )));
    }
    let mut err = io::stderr();
    let _ = write!(err, "{question}. Go on? [y/N] ");
    let _ = err.flush();
    let mut answer = String::new();
    let _ = io::stdin().lock().read_line(&mut answer);
    match ["y", "yes"].contains(&answer.trim().to_ascii_lowercase().as_str()) {
        true => Ok(()),
        false => Err(Failure::usage("not started: the plan was not agreed to")),
    }
}

/// Refuses forms that a table cannot have.
pub fn check_format(output: &OutputArgs) -> Result<(), Failure> {
    match output.format {
        FormatArg::Html | FormatArg::Jsonl => Err(Failure::usage(format!(
            "--format {}: `fleet` writes a table; use text, json, markdown or csv",
            output.format.name()
        ))),
        _ => Ok(()),
    }
}
