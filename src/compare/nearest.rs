//! Why records do not join, and what comes nearest to it.

use std::collections::{BTreeMap, HashSet};

use super::Refusal;
use crate::record::{Record, Status};

/// Keys of a record that are looked at for the nearest pair.
const LOOKED_AT: usize = 200;

/// Why no case is in two of the records.
pub fn why_nothing_joins(
    records: &[(String, Record)],
    runs: &[usize],
    refusals: &[Refusal],
) -> String {
    let keys: Vec<(&str, Vec<&str>)> =
        runs.iter().map(|run| (records[*run].0.as_str(), timed(&records[*run].1))).collect();
    if let Some((name, _)) = keys.iter().find(|(_, keys)| keys.is_empty()) {
        let why = refusals.first().map(|r| format!(" ({}: {})", r.what, r.reason));
        return format!(
            "nothing can be compared: {name} holds no case that was verified and timed{}; measure \
             with `breakeven run`",
            why.unwrap_or_default()
        );
    }
    let told = nearest_pair(&keys).map_or_else(String::new, |[(a, x), (b, y)]| {
        format!("; the nearest are `{x}` in {a} and `{y}` in {b}")
    });
    format!(
        "nothing can be compared: the records have no case in common that both verified and \
         timed{told}; run the same suite on both"
    )
}

/// Why no cell can be compared with its base, though cases join.
pub fn why_nothing_compares(refused: &[Refusal]) -> String {
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for refusal in refused {
        *reasons.entry(&refusal.reason).or_default() += 1;
    }
    let told: Vec<String> =
        reasons.iter().map(|(reason, n)| format!("{reason} ({n} times)")).collect();
    if told.is_empty() {
        return "nothing can be compared: no case of the base is in another record; choose another \
                --base"
            .into();
    }
    format!(
        "nothing can be compared: {}; run the same suite with the same --seed on both",
        told.join("; ")
    )
}

/// Keys of the cases that were verified and timed, each once.
fn timed(record: &Record) -> Vec<&str> {
    let mut seen = HashSet::new();
    let ok = record.rows.iter().filter(|row| row.status == Status::Ok);
    ok.map(|row| row.case_key.as_str()).filter(|key| seen.insert(*key)).collect()
}

/// A case key with the record that has it.
type Named<'r> = (&'r str, &'r str);

/// The two keys of different records that are most alike.
fn nearest_pair<'r>(keys: &[(&'r str, Vec<&'r str>)]) -> Option<[Named<'r>; 2]> {
    let ((first, own), others) = keys.split_first()?;
    let mut best: Option<(f64, [Named; 2])> = None;
    for (other, theirs) in others {
        for x in own.iter().take(LOOKED_AT) {
            for y in theirs.iter().take(LOOKED_AT) {
                let alike = strsim::normalized_levenshtein(x, y);
                if best.is_none_or(|(most, _)| alike > most) {
                    best = Some((alike, [(first, x), (other, y)]));
                }
            }
        }
        // One other record tells enough: all differ.
        if best.is_some() {
            break;
        }
    }
    best.map(|(_, pair)| pair)
}
