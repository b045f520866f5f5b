//! Series keys: a case key with the values of its axis left out.

use breakeven_kernels::params::{Params, Value};

/// The part of an axis path that case keys use: `pairs` of `input.pairs`.
pub(super) fn last(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}

/// The number at `path` (`key` or `table.key`), if there is one.
pub(super) fn number(params: &Params, path: &str) -> Option<f64> {
    let value = match path.split_once('.') {
        None => params.get(path)?,
        Some((table, key)) => match params.get(table)? {
            Value::Table(inner) => inner.get(key)?,
            _ => return None,
        },
    };
    match value {
        Value::Int(v) => Some(*v as f64),
        Value::Float(v) => Some(*v),
        _ => None,
    }
}

/// `case_key` with `*` for the values of `axis` and of the keys tied to it.
///
/// A key that the case key leaves out (a default) is appended, so that all members agree.
pub(super) fn key<S: AsRef<str>>(case_key: &str, axis: &str, tied: &[S]) -> String {
    let names: Vec<&str> =
        std::iter::once(axis).chain(tied.iter().map(AsRef::as_ref)).map(last).collect();
    let mut words: Vec<String> = Vec::new();
    let mut replaced = Vec::new();
    for word in case_key.split(' ') {
        match word.split_once('=') {
            Some((name, _)) if names.contains(&name) => {
                replaced.push(name);
                words.push(format!("{name}=*"));
            }
            _ => words.push(word.to_owned()),
        }
    }
    for name in names.iter().filter(|n| !replaced.contains(n)) {
        words.push(format!("{name}=*"));
    }
    words.join(" ")
}

/// Every series that a case could belong to: (key, axis, value), for each numeric word of the
/// case key as the axis, alone and with the words of equal value tied to it (n = m of a square).
pub(super) fn candidates(case_key: &str) -> Vec<(String, String, f64)> {
    // Ones are many (stride, dilation, groups) and 2^n ways to tie them help nobody.
    const MAX_TIED: usize = 4;
    let numbers: Vec<(&str, f64)> = case_key
        .split(' ')
        .filter_map(|word| word.split_once('='))
        .filter_map(|(name, value)| Some((name, value.parse().ok()?)))
        .filter(|(_, value): &(&str, f64)| value.is_finite())
        .collect();
    let mut found = Vec::new();
    for (axis, value) in &numbers {
        let equal = numbers.iter().filter(|(name, v)| v == value && name != axis);
        let equal: Vec<&str> = equal.map(|(name, _)| *name).take(MAX_TIED).collect();
        for subset in 0..1usize << equal.len() {
            let tied = equal.iter().enumerate().filter(|(i, _)| subset >> i & 1 == 1);
            let tied: Vec<&str> = tied.map(|(_, name)| *name).collect();
            found.push((key(case_key, axis, &tied), (*axis).to_owned(), *value));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tied_keys_move_with_the_axis() {
        let case = "matmul dtype=f32 m=256 n=256 k=256";
        assert_eq!(key(case, "m", &["n", "k"]), "matmul dtype=f32 m=* n=* k=*");
        assert_eq!(key::<&str>(case, "m", &[]), "matmul dtype=f32 m=* n=256 k=256");
        let one = "matmul dtype=f32 m=8 n=8 k=8";
        let four = "matmul dtype=f32 m=8 n=8 k=8 batch=4";
        assert_eq!(key::<&str>(one, "batch", &[]), key::<&str>(four, "batch", &[]));
        assert_eq!(
            key::<&str>("alignment pairs=10 query=150", "input.pairs", &[]),
            "alignment pairs=* query=150"
        );
    }

    #[test]
    fn a_square_may_belong_to_the_series_of_squares_or_of_one_side() {
        let found = candidates("matmul dtype=f32 m=512 n=512 k=64");
        let expect = |key: &str, axis: &str, value: f64| {
            assert!(found.contains(&(key.into(), axis.into(), value)), "{key} not in {found:?}");
        };
        expect("matmul dtype=f32 m=* n=* k=64", "m", 512.0);
        expect("matmul dtype=f32 m=* n=512 k=64", "m", 512.0);
        expect("matmul dtype=f32 m=512 n=512 k=*", "k", 64.0);
        assert_eq!(found.len(), 5);
    }
}
