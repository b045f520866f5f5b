//! Reads one TOML table with complaints that name file, place, field, value and next step.

use breakeven_kernels::params::{Params, Value, nearest};
use toml::{Table, Value as Toml};

use super::WorkloadError;

/// One table of a file: a workload's, or a fleet's.
pub struct Reader<'a> {
    /// Path or built-in name.
    pub file: &'a str,
    /// What messages call the table.
    pub place: &'a str,
    /// The table itself.
    pub table: &'a Table,
}

impl<'a> Reader<'a> {
    /// A complaint about `key` with its value as written.
    pub fn bad(&self, key: &str, hint: &str) -> WorkloadError {
        let value = match self.table.get(key) {
            None => String::new(),
            Some(Toml::Table(_)) => " = {…}".into(),
            // 1e300 as it was written, not in 301 digits.
            Some(Toml::Float(value)) => format!(" = {value:?}"),
            Some(value) => format!(" = {value}"),
        };
        WorkloadError::Field {
            file: self.file.into(),
            place: self.place.into(),
            problem: format!("{key}{value}: {hint}"),
        }
    }

    /// Refuses any key outside `known`.
    pub fn only(&self, known: &[&str]) -> Result<(), WorkloadError> {
        match self.table.keys().find(|k| !known.contains(&k.as_str())) {
            None => Ok(()),
            Some(key) => {
                let near = nearest(key, known.iter().copied())
                    .map(|n| format!(", did you mean `{n}`?"))
                    .unwrap_or_default();
                Err(WorkloadError::Field {
                    file: self.file.into(),
                    place: self.place.into(),
                    problem: format!("unknown key `{key}`{near}; known keys: {}", known.join(", ")),
                })
            }
        }
    }

    /// A text.
    pub fn text(&self, key: &str) -> Result<Option<&'a str>, WorkloadError> {
        match self.table.get(key) {
            None => Ok(None),
            Some(Toml::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.bad(key, "must be a text in quotes")),
        }
    }

    /// `true` or `false`; false where it is not given.
    pub fn flag(&self, key: &str) -> Result<bool, WorkloadError> {
        match self.table.get(key) {
            None => Ok(false),
            Some(Toml::Boolean(flag)) => Ok(*flag),
            Some(_) => Err(self.bad(key, "must be true or false")),
        }
    }

    /// A finite number.
    pub fn number(&self, key: &str) -> Result<Option<f64>, WorkloadError> {
        match self.table.get(key) {
            None => Ok(None),
            Some(value) => match finite(value) {
                None => Err(self.bad(key, "must be a number")),
                number => Ok(number),
            },
        }
    }

    /// A number above 0, from `least` to `most`: within bounds that nobody meets, so that no sum
    /// or quotient of such numbers leaves those that a computer has.
    pub fn positive(
        &self,
        key: &str,
        [least, most]: [f64; 2],
    ) -> Result<Option<f64>, WorkloadError> {
        let number = self.number(key)?;
        if number.is_none_or(|value| (least..=most).contains(&value)) {
            return Ok(number);
        }
        let [least, most] = [least, most].map(bound);
        Err(self.bad(key, &format!("must be above 0, from {least} to {most}")))
    }

    /// A whole number from `least` up to a million.
    pub fn whole(&self, key: &str, least: u32) -> Result<Option<u32>, WorkloadError> {
        let Some(value) = self.number(key)? else { return Ok(None) };
        if value.fract() != 0.0 || value < f64::from(least) || value > 1e6 {
            return Err(self.bad(key, &format!("must be a whole number from {least} to 1000000")));
        }
        Ok(Some(value as u32))
    }

    /// A list of texts, empty where it is not given; `hint` says what may stand in it.
    pub fn texts(
        &self,
        key: &str,
        allowed: impl Fn(&str) -> bool,
        hint: &str,
    ) -> Result<Vec<String>, WorkloadError> {
        let list = match self.table.get(key) {
            None => return Ok(Vec::new()),
            Some(Toml::Array(list)) => list,
            Some(_) => return Err(self.bad(key, hint)),
        };
        list.iter()
            .map(|item| match item.as_str() {
                Some(word) if allowed(word) => Ok(word.to_owned()),
                _ => Err(self.bad(key, hint)),
            })
            .collect()
    }

    /// The table under `key`.
    pub fn table(&self, key: &'a str) -> Result<Option<Reader<'a>>, WorkloadError> {
        match self.table.get(key) {
            None => Ok(None),
            Some(Toml::Table(table)) => Ok(Some(Reader { file: self.file, place: key, table })),
            Some(_) => Err(self.bad(key, &format!("must be a table: write [{key}]"))),
        }
    }

    /// A parameter of a case.
    pub fn value(&self, key: &str, value: &Toml) -> Result<Value, WorkloadError> {
        Ok(match value {
            Toml::Integer(v) => Value::Int(*v),
            Toml::Float(v) => Value::Float(*v),
            Toml::Boolean(v) => Value::Bool(*v),
            Toml::String(v) => Value::Text(v.clone()),
            Toml::Table(inner) => {
                let mut params = Params::default();
                for (k, v) in inner {
                    params.set(k, self.value(key, v)?);
                }
                Value::Table(params)
            }
            Toml::Array(_) => {
                return Err(self.bad(
                    key,
                    "a stage is one case; give one value, or write one [[stage]] for each",
                ));
            }
            Toml::Datetime(_) => return Err(self.bad(key, "a date is not a case parameter")),
        })
    }
}

/// A bound as it is told: `24`, `1e9`.
fn bound(value: f64) -> String {
    if (1e-3..1e6).contains(&value) { value.to_string() } else { format!("{value:e}") }
}

/// A finite number as written, whole or not.
pub fn finite(value: &Toml) -> Option<f64> {
    match value {
        Toml::Integer(v) => Some(*v as f64),
        Toml::Float(v) if v.is_finite() => Some(*v),
        _ => None,
    }
}
