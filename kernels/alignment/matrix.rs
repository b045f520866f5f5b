//! Substitution matrices from files, in the form that NCBI and EMBOSS use: lines of comment begin with
//! `#`, then a line of letters, then a line a letter with its scores. Rows are the query's letters.

use super::scoring::{Alphabet, CODES};

/// Scores by query code and target code, those of letters that the file lacks being its lowest; and
/// the highest and the lowest of all.
pub(super) type Table = (Vec<i8>, i32, i32);

/// Reads a matrix.
///
/// # Errors
/// What is wrong, with its line.
pub(super) fn parse(text: &str, alphabet: Alphabet) -> Result<Table, String> {
    let mut lines = text
        .lines()
        .enumerate()
        .map(|(at, line)| (at + 1, line.split('#').next().unwrap_or_default()))
        .filter(|(_, line)| !line.trim().is_empty());
    let (at, header) = lines.next().ok_or("holds no matrix; give one in NCBI's form")?;
    let columns: Vec<Option<u8>> = header
        .split_whitespace()
        .map(|word| letter(word, alphabet).map_err(|why| format!("line {at}: {why}")))
        .collect::<Result<_, _>>()?;
    let mut scores = vec![None; CODES * CODES];
    let mut rows = Vec::new();
    if let Some(code) = twice(&columns) {
        return Err(format!("line {at}: {} stands there twice", char::from(alphabet.decode(code))));
    }
    for (at, line) in lines {
        let mut words = line.split_whitespace();
        let first = words.next().unwrap_or_default();
        let row = letter(first, alphabet).map_err(|why| format!("line {at}: {why}"))?;
        rows.push(row);
        if !columns.contains(&row) || twice(&rows).is_some() {
            return Err(format!("line {at}: {first} is no column, or has a row already"));
        }
        let numbers: Vec<&str> = words.collect();
        if numbers.len() != columns.len() {
            let (found, expected) = (numbers.len(), columns.len());
            return Err(format!("line {at}: {found} scores for {expected} letters"));
        }
        for (word, column) in numbers.into_iter().zip(&columns) {
            let score: i8 =
                word.parse().ok().filter(|score| (-100..=100).contains(score)).ok_or_else(
                    || format!("line {at}: {word} is no whole number from -100 to 100"),
                )?;
            if let (Some(row), Some(column)) = (row, column) {
                scores[usize::from(row) * CODES + usize::from(*column)] = Some(score);
            }
        }
    }
    if rows.len() != columns.len() {
        return Err(format!("holds {} rows for {} columns", rows.len(), columns.len()));
    }
    let known = || scores.iter().flatten().map(|&score| i32::from(score));
    let (best, worst) = (known().max().unwrap_or(0), known().min().unwrap_or(0).min(0));
    if best < 1 {
        return Err("no score in it is above 0, so nothing would align".into());
    }
    let table = scores.into_iter().map(|score| score.unwrap_or(worst as i8)).collect();
    Ok((table, best, worst))
}

/// The code of a row or column; `None` for letters that are read as another (J, O and U as X).
fn letter(word: &str, alphabet: Alphabet) -> Result<Option<u8>, String> {
    let code = match word.as_bytes() {
        [letter] => alphabet.encode(*letter).map(|code| (code, *letter)),
        _ => None,
    };
    let (code, letter) =
        code.ok_or_else(|| format!("`{word}` is no {} letter", alphabet.name()))?;
    Ok((alphabet.decode(code) == letter.to_ascii_uppercase()).then_some(code))
}

/// A code that stands twice in a list.
fn twice(codes: &[Option<u8>]) -> Option<u8> {
    let mut known = codes.iter().flatten().enumerate();
    known.find(|(at, code)| codes.iter().flatten().take(*at).any(|c| c == *code)).map(|(_, &c)| c)
}
