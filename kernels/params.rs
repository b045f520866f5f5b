//! Parameters of a case as written in a suite or workload, and the reader families use on them.

use std::fmt;

/// One value of a case's parameter, after lists were expanded and references resolved.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A whole number.
    Int(i64),
    /// A number with a fraction.
    Float(f64),
    /// `true` or `false`.
    Bool(bool),
    /// A word or a file name.
    Text(String),
    /// A nested table such as `scoring = { … }`.
    Table(Params),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(v) => write!(f, "{v}"),
            Self::Float(v) => write!(f, "{v}"),
            Self::Bool(v) => write!(f, "{v}"),
            Self::Text(v) => write!(f, "{v}"),
            Self::Table(_) => f.write_str("{…}"),
        }
    }
}

/// Ordered key–value pairs; a key occurs once.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Params(Vec<(String, Value)>);

impl Params {
    /// Sets `key`, replacing an earlier value in place.
    pub fn set(&mut self, key: &str, value: Value) {
        match self.0.iter_mut().find(|(k, _)| k == key) {
            Some(slot) => slot.1 = value,
            None => self.0.push((key.to_owned(), value)),
        }
    }

    /// The value of `key`, if it was given.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.iter().find(|(k, _)| k == key).map(|(_, v)| v)
    }

    /// All pairs in the order they were written.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(k, v)| (k.as_str(), v))
    }
}

/// A parameter that a family cannot accept: names the field, the value and the next step.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum BadParam {
    /// A key that the family does not know.
    #[error("{family}: unknown key `{key}`{}; known keys: {known}", nearest.as_ref().map(|n| format!(", did you mean `{n}`?")).unwrap_or_default())]
    UnknownKey {
        /// The family that was asked.
        family: String,
        /// The key as written.
        key: String,
        /// The known key that looks most alike.
        nearest: Option<String>,
        /// All known keys, joined by commas.
        known: String,
    },
    /// A key that must be given.
    #[error("{family}: `{key}` is missing; {hint}")]
    Missing {
        /// The family that was asked.
        family: String,
        /// The missing key.
        key: String,
        /// What to write.
        hint: String,
    },
    /// A value that cannot be used.
    #[error("{family}: {key} = {value}: {hint}")]
    BadValue {
        /// The family that was asked.
        family: String,
        /// The key.
        key: String,
        /// The value as written.
        value: String,
        /// Why not, and what would do.
        hint: String,
    },
}

/// The word of `known` most like `word`, if any is near enough to suggest.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|k| (strsim::damerau_levenshtein(word, k), k))
        .filter(|(d, k)| *d <= (k.len().max(word.len()) / 3).max(1))
        .min_by_key(|(d, _)| *d)
        .map(|(_, k)| k)
}

/// Reads the parameters of one case with messages that name family, key and value.
pub struct ParamReader<'a> {
    family: &'a str,
    params: &'a Params,
}

impl<'a> ParamReader<'a> {
    /// A reader over `params`; refuses any key outside `known`.
    pub fn new(family: &'a str, params: &'a Params, known: &[&str]) -> Result<Self, BadParam> {
        for (key, _) in params.iter() {
            if !known.contains(&key) {
                return Err(BadParam::UnknownKey {
                    family: family.into(),
                    key: key.into(),
                    nearest: nearest(key, known.iter().copied()).map(str::to_owned),
                    known: known.join(", "),
                });
            }
        }
        Ok(Self { family, params })
    }

    /// An error about `key` with the value as written.
    pub fn bad(&self, key: &str, hint: impl Into<String>) -> BadParam {
        BadParam::BadValue {
            family: self.family.into(),
            key: key.into(),
            value: self.params.get(key).map_or_else(|| "nothing".into(), Value::to_string),
            hint: hint.into(),
        }
    }

    /// Whether `key` was given.
    pub fn has(&self, key: &str) -> bool {
        self.params.get(key).is_some()
    }

    /// A whole number in `range`; `default` where the key is absent, an error where there is none.
    pub fn int(
        &self,
        key: &str,
        range: std::ops::RangeInclusive<i64>,
        default: Option<i64>,
    ) -> Result<i64, BadParam> {
        match self.params.get(key) {
            Some(Value::Int(v)) if range.contains(v) => Ok(*v),
            Some(_) => Err(self.bad(
                key,
                format!("must be a whole number from {} to {}", range.start(), range.end()),
            )),
            None => default.ok_or_else(|| BadParam::Missing {
                family: self.family.into(),
                key: key.into(),
                hint: format!("give a whole number from {} to {}", range.start(), range.end()),
            }),
        }
    }

    /// A size of at least 1 and at most 2^31 − 1.
    pub fn size(&self, key: &str, default: Option<i64>) -> Result<usize, BadParam> {
        self.int(key, 1..=i64::from(i32::MAX), default).map(|v| v as usize)
    }

    /// A number in `range` (a whole number is taken as well).
    pub fn float(
        &self,
        key: &str,
        range: std::ops::RangeInclusive<f64>,
        default: Option<f64>,
    ) -> Result<f64, BadParam> {
        let hint = format!("a number from {} to {}", range.start(), range.end());
        let value = match self.params.get(key) {
            Some(Value::Float(v)) => *v,
            Some(Value::Int(v)) => *v as f64,
            Some(_) => return Err(self.bad(key, format!("must be {hint}"))),
            None => {
                return default.ok_or_else(|| BadParam::Missing {
                    family: self.family.into(),
                    key: key.into(),
                    hint: format!("give {hint}"),
                });
            }
        };
        if range.contains(&value) {
            Ok(value)
        } else {
            Err(self.bad(key, format!("must be {hint}")))
        }
    }

    /// One of the words in `choices`; returns its index.
    pub fn choice(
        &self,
        key: &str,
        choices: &[&str],
        default: Option<usize>,
    ) -> Result<usize, BadParam> {
        match self.params.get(key) {
            Some(Value::Text(v)) => choices.iter().position(|c| c == v).ok_or_else(|| {
                let near = nearest(v, choices.iter().copied())
                    .map(|n| format!(", did you mean `{n}`?"))
                    .unwrap_or_default();
                self.bad(key, format!("must be one of {}{near}", choices.join(", ")))
            }),
            Some(_) => Err(self.bad(key, format!("must be one of {}", choices.join(", ")))),
            None => default.ok_or_else(|| BadParam::Missing {
                family: self.family.into(),
                key: key.into(),
                hint: format!("give one of {}", choices.join(", ")),
            }),
        }
    }

    /// A text, if it was given.
    pub fn text(&self, key: &str) -> Result<Option<&'a str>, BadParam> {
        match self.params.get(key) {
            Some(Value::Text(v)) => Ok(Some(v)),
            Some(_) => Err(self.bad(key, "must be a text in quotes")),
            None => Ok(None),
        }
    }

    /// `true` or `false`, if it was given.
    pub fn flag(&self, key: &str) -> Result<Option<bool>, BadParam> {
        match self.params.get(key) {
            Some(Value::Bool(v)) => Ok(Some(*v)),
            Some(_) => Err(self.bad(key, "must be true or false")),
            None => Ok(None),
        }
    }

    /// A nested table read with its own known keys, if it was given.
    pub fn table(&self, key: &str, known: &[&str]) -> Result<Option<ParamReader<'a>>, BadParam> {
        match self.params.get(key) {
            Some(Value::Table(t)) => ParamReader::new(self.family, t, known).map(Some),
            Some(_) => {
                Err(self.bad(key, format!("must be a table with keys {}", known.join(", "))))
            }
            None => Ok(None),
        }
    }
}
