//! Names and units as the pictures of records print them.

use std::collections::{HashMap, HashSet};

use crate::report::figure::text::shortened;

/// Longest name of a case in a sentence or a label.
const MOST_NAME: usize = 48;

/// Unit of useful work a second: `FLOP/s`, `pixel/s`, of cells the field's `CUPS`.
pub fn rate_unit(useful_unit: &str) -> String {
    match useful_unit {
        "cell" => "CUPS".into(),
        other => format!("{}/s", shortened(other, 20)),
    }
}

/// A prefix for an axis that reaches up to `most`: (what to divide by, the prefix).
pub fn prefix(most: f64) -> (f64, &'static str) {
    let steps = [(1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")];
    steps.into_iter().find(|(size, _)| most >= *size).unwrap_or((1.0, ""))
}

/// A name from a record, fit for a sentence.
pub fn name(text: &str) -> String {
    shortened(text, MOST_NAME)
}

/// The family and those parameters of each case that tell it from the others of its family.
pub fn case_labels(keys: &[&str]) -> Vec<String> {
    let mut values: HashMap<(&str, &str), HashSet<&str>> = HashMap::new();
    for key in keys {
        let (family, params) = split(key);
        for (param, value) in params {
            values.entry((family, param)).or_default().insert(value);
        }
    }
    let label = |key: &&str| {
        let (family, params) = split(key);
        let differs = |param: &str| values.get(&(family, param)).is_some_and(|v| v.len() > 1);
        let mut told = family.to_owned();
        for (param, value) in params.filter(|(param, _)| differs(param)) {
            told.push(' ');
            // f32 and bf16 say what they are.
            match param {
                "dtype" => told.push_str(value),
                param => told.push_str(&format!("{param}={value}")),
            }
            // More is cut off anyway.
            if told.len() > 400 {
                break;
            }
        }
        shortened(&told, MOST_NAME)
    };
    keys.iter().map(label).collect()
}

/// Family, then name and value of each parameter.
fn split(key: &str) -> (&str, impl Iterator<Item = (&str, &str)>) {
    let (family, params) = key.split_once(' ').unwrap_or((key, ""));
    (family, params.split(' ').filter_map(|p| p.split_once('=')))
}

/// What of a series is fixed: `matmul f32 n=2048 k=2048` of `matmul dtype=f32 m=* n=2048 k=2048`,
/// in at most `most` characters.
pub fn series_name(key: &str, most: usize) -> String {
    let (family, params) = split(key);
    let mut told = family.to_owned();
    for (param, value) in params.filter(|(_, value)| *value != "*") {
        told.push(' ');
        match param {
            "dtype" => told.push_str(value),
            param => told.push_str(&format!("{param}={value}")),
        }
    }
    shortened(&told, most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_are_told_apart_by_what_differs_among_them() {
        let keys = [
            "matmul dtype=f32 m=64 n=2048 k=2048",
            "matmul dtype=bf16 m=512 n=2048 k=2048",
            "alignment mode=local pairs=1000",
        ];
        assert_eq!(case_labels(&keys), ["matmul f32 m=64", "matmul bf16 m=512", "alignment"]);
        assert_eq!(case_labels(&["x y=<b>"]), ["x"]);
        let long = format!("x a={}", "z".repeat(10_000));
        let cut = &case_labels(&[&long, "x a=1"])[0];
        assert!(cut.chars().count() == 48 && cut.ends_with('…'), "{cut}");
    }

    #[test]
    fn a_series_is_named_by_what_is_fixed() {
        let key = "matmul dtype=f32 m=* n=2048 k=*";
        assert_eq!(series_name(key, 60), "matmul f32 n=2048");
        assert_eq!(rate_unit("cell"), "CUPS");
        assert_eq!(rate_unit("pixel"), "pixel/s");
        assert_eq!(prefix(2.3e11), (1e9, "G"));
        assert_eq!(prefix(12.0), (1.0, ""));
    }
}
