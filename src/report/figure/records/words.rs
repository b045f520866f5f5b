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

/// Of each case or series: the family, the data type, and those parameters that tell it from the others
/// of its family, in at most 48 characters. `*`, the axis of a series, is left out.
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
        let told =
            params.filter(|(param, value)| *value != "*" && (differs(param) || *param == "dtype"));
        shortened(&format!("{family}{}", joined(told)), MOST_NAME)
    };
    keys.iter().map(label).collect()
}

/// ` f32 m=n=64`: names of one value side by side are told together, and a data type says what it is.
fn joined<'k>(params: impl Iterator<Item = (&'k str, &'k str)>) -> String {
    let mut told = String::new();
    let mut open: Option<&str> = None;
    for (param, value) in params {
        if open.is_some_and(|last| last != value) {
            told.push_str(open.take().unwrap_or_default());
        }
        // More is cut off anyway.
        if told.len() > 400 {
            break;
        }
        if param == "dtype" {
            told.push_str(&format!(" {value}"));
            continue;
        }
        told.push_str(if open.is_some() { "" } else { " " });
        told.push_str(&format!("{param}="));
        open = Some(value);
    }
    told + open.unwrap_or_default()
}

/// Family, then name and value of each parameter.
fn split(key: &str) -> (&str, impl Iterator<Item = (&str, &str)>) {
    let (family, params) = key.split_once(' ').unwrap_or((key, ""));
    (family, params.split(' ').filter_map(|p| p.split_once('=')))
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
        let keys = ["matmul dtype=f32 m=* n=2048 k=2048", "matmul dtype=f32 m=* n=64 k=32"];
        assert_eq!(case_labels(&keys), ["matmul f32 n=k=2048", "matmul f32 n=64 k=32"]);
        assert_eq!(case_labels(&["matmul dtype=f32 m=* n=* k=*"]), ["matmul f32"]);
        assert_eq!(rate_unit("cell"), "CUPS");
        assert_eq!(rate_unit("pixel"), "pixel/s");
        assert_eq!(prefix(2.3e11), (1e9, "G"));
        assert_eq!(prefix(12.0), (1.0, ""));
    }
}
