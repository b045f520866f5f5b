//! TOML → [`Suite`]: lists become several cases, references the value they name.

use breakeven_kernels::params::{Params, Value, nearest};
use toml::Table;

use super::{Suite, SuiteCase, SuiteError};

/// More cases than this in one suite are a slip of the pen, not a wish.
const MAX_CASES: usize = 10_000;

const SUITE_KEYS: [&str; 3] = ["summary", "budget_s", "case"];

/// Parses `text` as a suite called `name`; `file` is what messages call it.
///
/// # Errors
/// [`SuiteError`], with the file, field, value and next step.
pub fn parse(text: &str, name: &str, file: &str) -> Result<Suite, SuiteError> {
    let field = |place: &str, problem: String| SuiteError::Field {
        file: file.to_owned(),
        place: place.to_owned(),
        problem,
    };
    let table: Table = text.parse().map_err(|e: toml::de::Error| {
        let line = e.span().map_or(1, |s| text[..s.start.min(text.len())].lines().count().max(1));
        SuiteError::Syntax {
            file: file.to_owned(),
            message: format!("line {line}: {}", e.message().replace('\n', ", ")),
        }
    })?;
    if let Some(key) = table.keys().find(|k| !SUITE_KEYS.contains(&k.as_str())) {
        return Err(field(key, unknown(key, &SUITE_KEYS)));
    }
    let summary = match table.get("summary") {
        None => String::new(),
        Some(toml::Value::String(text)) => text.clone(),
        Some(other) => return Err(field("summary", format!("{other} must be a text in quotes"))),
    };
    let budget_s = table.get("budget_s").map(|v| budget(v).map_err(|p| field("budget_s", p)));
    let mut cases: Vec<SuiteCase> = Vec::new();
    for (index, entry) in case_tables(&table).map_err(|p| field("case", p))?.iter().enumerate() {
        let place = format!("case {}", index + 1);
        for mut case in expand(entry).map_err(|(key, problem)| match key {
            Some(key) => field(&format!("{place}, {key}"), problem),
            None => field(&place, problem),
        })? {
            if cases.iter().any(|c| c.family == case.family && c.params == case.params) {
                let problem = format!("{} is listed twice; remove one", print(&case));
                return Err(field(&place, problem));
            }
            case.place = format!("{file}, {place}");
            cases.push(case);
        }
        if cases.len() > MAX_CASES {
            return Err(field(&place, format!("more than {MAX_CASES} cases; shorten the lists")));
        }
    }
    Ok(Suite {
        name: name.to_owned(),
        summary,
        budget_s: budget_s.transpose()?,
        cases,
        folder: None,
    })
}

/// A problem with an optional field name.
type Problem = (Option<String>, String);

fn unknown(key: &str, known: &[&str]) -> String {
    let hint = nearest(key, known.iter().copied());
    let hint = hint.map(|n| format!(", did you mean `{n}`?")).unwrap_or_default();
    format!("unknown key `{key}`{hint}; known keys: {}", known.join(", "))
}

fn budget(value: &toml::Value) -> Result<f64, String> {
    let number = value.as_float().or_else(|| value.as_integer().map(|v| v as f64));
    number
        .filter(|v| v.is_finite() && *v > 0.0)
        .ok_or_else(|| format!("{value} must be a number of seconds above 0"))
}

fn case_tables(table: &Table) -> Result<Vec<&Table>, String> {
    let how = "write at least one [[case]] with a family";
    let list = match table.get("case") {
        None => return Err(format!("the suite is empty; {how}")),
        Some(toml::Value::Array(list)) => list,
        Some(_) => return Err(format!("must be written [[case]], in double brackets; {how}")),
    };
    if list.is_empty() {
        return Err(format!("the suite is empty; {how}"));
    }
    let tables: Option<Vec<&Table>> = list.iter().map(toml::Value::as_table).collect();
    tables.ok_or_else(|| format!("holds something that is not a table; {how}"))
}

/// One parameter before expansion.
struct Field {
    /// Name of the nested table it stands in, if any.
    table: Option<String>,
    key: String,
    /// What it may be; several make several cases.
    values: Vec<Value>,
    /// Index of the field it takes its value from.
    refers: Option<usize>,
}

impl Field {
    fn path(&self) -> String {
        match &self.table {
            Some(table) => format!("{table}.{}", self.key),
            None => self.key.clone(),
        }
    }
}

/// All cases of one `[[case]]`, the first list varying slowest.
fn expand(entry: &Table) -> Result<Vec<SuiteCase>, Problem> {
    let text = |key: &str| match entry.get(key) {
        None => Ok(None),
        Some(toml::Value::String(text)) => Ok(Some(text.clone())),
        Some(other) => Err((Some(key.to_owned()), format!("{other} must be one word in quotes"))),
    };
    let family = text("family")?.ok_or_else(|| {
        (None, "`family` is missing; `breakeven list families` shows them".into())
    })?;
    let axis = text("axis")?;
    let mut fields = fields(entry)?;
    find_references(&mut fields)?;
    let axis = axis.map(|a| find_axis(&a, &fields)).transpose()?;
    let tied = axis.map_or_else(Vec::new, |a| {
        let tied = fields.iter().filter(|f| f.refers == Some(a));
        tied.map(Field::path).collect()
    });
    let total = fields
        .iter()
        .try_fold(1usize, |total, f| total.checked_mul(f.values.len()))
        .filter(|total| *total <= MAX_CASES)
        .ok_or_else(|| {
            (None, format!("its lists make more than {MAX_CASES} cases; shorten them"))
        })?;
    Ok((0..total)
        .map(|number| SuiteCase {
            place: String::new(),
            family: family.clone(),
            params: choose(&fields, number, total),
            axis: axis.map(|a| fields[a].path()),
            tied: tied.clone(),
        })
        .collect())
}

/// The parameters of combination `number` of `total`.
fn choose(fields: &[Field], number: usize, total: usize) -> Params {
    let mut span = total;
    let mut chosen: Vec<Value> = Vec::new();
    for field in fields {
        span /= field.values.len();
        chosen.push(field.values[number / span % field.values.len()].clone());
    }
    let mut params = Params::default();
    for (index, field) in fields.iter().enumerate() {
        let value = chosen[field.refers.unwrap_or(index)].clone();
        match &field.table {
            None => params.set(&field.key, value),
            Some(table) => {
                let mut inner = match params.get(table) {
                    Some(Value::Table(inner)) => inner.clone(),
                    _ => Params::default(),
                };
                inner.set(&field.key, value);
                params.set(table, Value::Table(inner));
            }
        }
    }
    params
}

fn fields(entry: &Table) -> Result<Vec<Field>, Problem> {
    let mut fields = Vec::new();
    for (key, value) in entry.iter().filter(|(k, _)| !["family", "axis"].contains(&k.as_str())) {
        let toml::Value::Table(inner) = value else {
            fields.push(field(None, key, value)?);
            continue;
        };
        if inner.is_empty() {
            return Err((Some(key.clone()), "the table is empty; leave it out or fill it".into()));
        }
        for (inner_key, value) in inner {
            fields.push(field(Some(key), inner_key, value)?);
        }
    }
    Ok(fields)
}

fn field(table: Option<&str>, key: &str, value: &toml::Value) -> Result<Field, Problem> {
    let mut field = Field {
        table: table.map(str::to_owned),
        key: key.to_owned(),
        values: vec![],
        refers: None,
    };
    let problem = |problem: String| Err((Some(field.path()), problem));
    field.values = match value {
        toml::Value::Array(list) if list.is_empty() => {
            return problem("the list is empty; give at least one value".into());
        }
        toml::Value::Array(list) => {
            let mut values = Vec::new();
            for item in list {
                match scalar(item) {
                    Some(v) if values.contains(&v) => {
                        return problem(format!("{item} is listed twice; remove one"));
                    }
                    Some(v) => values.push(v),
                    None => return problem(format!("{item} must be a number, word or true/false")),
                }
            }
            values
        }
        _ => match scalar(value) {
            Some(value) => vec![value],
            None => {
                return problem(format!("{value} must be a number, word, true/false or a list"));
            }
        },
    };
    Ok(field)
}

fn scalar(value: &toml::Value) -> Option<Value> {
    match value {
        toml::Value::Integer(v) => Some(Value::Int(*v)),
        toml::Value::Float(v) => Some(Value::Float(*v)),
        toml::Value::Boolean(v) => Some(Value::Bool(*v)),
        toml::Value::String(v) => Some(Value::Text(v.clone())),
        _ => None,
    }
}

/// Marks fields whose text is the name of another field beside them (`n = "m"`).
fn find_references(fields: &mut [Field]) -> Result<(), Problem> {
    let target = |from: &Field, fields: &[Field]| match &from.values[..] {
        [Value::Text(word)] => fields.iter().position(|f| f.table == from.table && f.key == *word),
        _ => None,
    };
    for index in 0..fields.len() {
        let mut at = index;
        // A chain (k = "n", n = "m") ends at a value after at most as many steps as fields.
        for _ in 0..fields.len() {
            match target(&fields[at], fields) {
                Some(next) => at = next,
                None => break,
            }
        }
        if target(&fields[at], fields).is_some() {
            let problem = "refers to itself; give a value to one of the keys".to_owned();
            return Err((Some(fields[index].path()), problem));
        }
        fields[index].refers = (at != index).then_some(at);
    }
    Ok(())
}

/// The field that `axis` names: `key`, `table.key`, or a key that stands in one table only.
fn find_axis(axis: &str, fields: &[Field]) -> Result<usize, Problem> {
    let problem = |problem: String| (Some("axis".to_owned()), problem);
    let by_path = fields.iter().position(|f| f.path() == axis);
    let mut by_key = fields.iter().enumerate().filter(|(_, f)| f.key == axis).map(|(i, _)| i);
    let found = by_path.or_else(|| by_key.next().filter(|_| by_key.next().is_none()));
    let index = found.ok_or_else(|| {
        let known: Vec<String> = fields.iter().map(Field::path).collect();
        problem(format!("`{axis}` is not a key of the case; its keys: {}", known.join(", ")))
    })?;
    let field = &fields[index];
    if let Some(target) = field.refers {
        let target = fields[target].path();
        return Err(problem(format!("`{axis}` only follows `{target}`; name that one")));
    }
    let number = |v: &Value| matches!(v, Value::Int(_) | Value::Float(_));
    if !field.values.iter().all(number) {
        return Err(problem(format!("`{axis}` is not a number; an axis is a size or a count")));
    }
    Ok(index)
}

/// A case as `family key=value …`, for messages.
fn print(case: &SuiteCase) -> String {
    fn walk(params: &Params, out: &mut String) {
        for (key, value) in params.iter() {
            match value {
                Value::Table(inner) => walk(inner, out),
                value => out.push_str(&format!(" {key}={value}")),
            }
        }
    }
    let mut out = case.family.clone();
    walk(&case.params, &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cases(text: &str) -> Vec<String> {
        let suite = parse(text, "s", "s.toml").unwrap();
        suite.cases.iter().map(print).collect()
    }

    fn problem(text: &str) -> String {
        parse(text, "s", "my/s.toml").unwrap_err().to_string()
    }

    #[test]
    fn lists_multiply_and_references_follow() {
        let text = r#"
            summary = "squares"
            budget_s = 10
            [[case]]
            family = "matmul"
            dtype = ["f32", "bf16"]
            m = [256, 512]
            n = "m"
            k = "n"
            axis = "m"
        "#;
        assert_eq!(
            cases(text),
            [
                "matmul dtype=f32 m=256 n=256 k=256",
                "matmul dtype=f32 m=512 n=512 k=512",
                "matmul dtype=bf16 m=256 n=256 k=256",
                "matmul dtype=bf16 m=512 n=512 k=512",
            ]
        );
        let suite = parse(text, "s", "s.toml").unwrap();
        assert_eq!(suite.budget_s, Some(10.0));
        assert_eq!(suite.cases[0].axis.as_deref(), Some("m"));
        assert_eq!(suite.cases[0].tied, ["n", "k"]);
    }

    #[test]
    fn lists_in_nested_tables_multiply_too() {
        let text = r#"
            [[case]]
            family = "alignment"
            mode = "local"
            scoring = { match = 1, mismatch = -4 }
            input = { pairs = [10, 100], query = 150, target = "query" }
            axis = "pairs"
        "#;
        assert_eq!(
            cases(text),
            [
                "alignment mode=local match=1 mismatch=-4 pairs=10 query=150 target=150",
                "alignment mode=local match=1 mismatch=-4 pairs=100 query=150 target=150",
            ]
        );
        let suite = parse(text, "s", "s.toml").unwrap();
        assert_eq!(suite.cases[0].axis.as_deref(), Some("input.pairs"));
    }

    #[test]
    fn every_mistake_is_named() {
        let expect = |text: &str, words: &[&str]| {
            let message = problem(text);
            for word in words {
                assert!(message.contains(word), "{message:?} lacks {word:?}");
            }
        };
        expect("budjet_s = 3", &["my/s.toml", "budjet_s", "did you mean `budget_s`?"]);
        expect("summary = 'x'", &["my/s.toml", "empty", "[[case]]"]);
        expect("case = []", &["empty"]);
        expect("[case]\nfamily = 'matmul'", &["double brackets"]);
        expect("budget_s = -1\n[[case]]\nfamily = 'matmul'", &["budget_s", "-1", "above 0"]);
        expect("[[case]]\nm = 3", &["case 1", "`family` is missing"]);
        expect("[[case]]\nfamily = 'a'\nm = []", &["case 1, m", "empty"]);
        expect("[[case]]\nfamily = 'a'\nm = [1, 1]", &["case 1, m", "twice"]);
        expect("[[case]]\nfamily = 'a'\nm = [[1]]", &["case 1, m", "[1]"]);
        expect("[[case]]\nfamily = 'a'\nx = { y = { z = 1 } }", &["case 1, x.y"]);
        expect("[[case]]\nfamily = 'a'\nx = {}", &["case 1, x", "empty"]);
        expect("[[case]]\nfamily = 'a'\nm = 'n'\nn = 'm'", &["case 1, m", "itself"]);
        expect("[[case]]\nfamily = 'a'\nm = 1\naxis = 'q'", &["axis", "`q`", "keys: m"]);
        expect("[[case]]\nfamily = 'a'\nm = 'x'\naxis = 'm'", &["axis", "not a number"]);
        expect("[[case]]\nfamily='a'\nm=1\nn='m'\naxis='n'", &["axis", "name that one"]);
        expect("[[case]]\nfamily='a'\nm=1\n[[case]]\nfamily='a'\nm=1", &["case 2", "a m=1"]);
        expect("[[case]]\nfamily = 'a'\nm = ", &["my/s.toml", "line 3"]);
        let long: Vec<String> = (0..200).map(|v| v.to_string()).collect();
        let long = long.join(",");
        expect(
            &format!("[[case]]\nfamily='a'\nm=[{long}]\nn=[{long}]"),
            &["case 1", "10000", "shorten"],
        );
    }

    #[test]
    fn built_in_suites_parse() {
        for (name, _) in crate::suite::BUILT_IN {
            let suite = crate::suite::load(name).unwrap();
            assert!(suite.budget_s.is_some() && !suite.summary.is_empty(), "{name}");
        }
    }

    #[test]
    fn unknown_names_are_answered_with_the_nearest() {
        let message = crate::suite::load("qick").unwrap_err().to_string();
        assert!(message.contains("did you mean `quick`?") && message.contains("ci"), "{message}");
        let message = crate::suite::load("no/such.toml").unwrap_err().to_string();
        assert!(message.contains("no/such.toml"), "{message}");
    }
}
