//! Waivers: regressions that somebody answers for, each of one exact row, up to a ceiling, until a
//! date, with an issue and a reason. Pure: the text and the day are the caller's.

use jiff::civil::Date;
use toml::{Table, Value};

use super::{JudgedRow, Overall, Report, RowId, RowVerdict, overall};

/// Keys of a waiver, all required.
const KEYS: [&str; 8] =
    ["case_key", "implementation", "device", "metric", "ceiling", "expires", "issue", "reason"];

/// Characters of a reason at least.
const SHORTEST_REASON: usize = 10;

/// One waiver.
#[derive(Debug, Clone, PartialEq)]
pub struct Waiver {
    /// The row, exactly.
    pub id: RowId,
    /// Largest estimated slow-down that is waived, as a share: 0.08 is 8 %.
    pub ceiling: f64,
    /// Last day (UTC) on which it holds.
    pub expires: Date,
    /// Where the work on it is followed.
    pub issue: String,
    /// Why it is let pass.
    pub reason: String,
}

/// What is wrong in a waiver file: place and next step.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct WaiverError(String);

/// Reads a waiver file: `[[waiver]]` tables. An empty file has none.
///
/// # Errors
/// [`WaiverError`]: anything that is not exactly a waiver, since a slip would let pass what nobody
/// meant, or fail what somebody answers for.
pub fn parse(text: &str) -> Result<Vec<Waiver>, WaiverError> {
    let table: Table = text.parse().map_err(|error: toml::de::Error| {
        let line = error.span().map_or(1, |span| text[..span.start].matches('\n').count() + 1);
        WaiverError(format!("line {line}: not TOML: {}", error.message().replace('\n', " ")))
    })?;
    if let Some(key) = table.keys().find(|key| *key != "waiver") {
        return Err(WaiverError(format!("unknown key `{key}`; write [[waiver]] tables")));
    }
    let tables = match table.get("waiver") {
        None => &Vec::new(),
        Some(Value::Array(tables)) => tables,
        Some(_) => return Err(WaiverError("waiver: write it as [[waiver]]".into())),
    };
    let mut waivers: Vec<Waiver> = Vec::new();
    for (index, value) in tables.iter().enumerate() {
        let complain = |problem: String| WaiverError(format!("waiver {}: {problem}", index + 1));
        let Value::Table(table) = value else {
            return Err(complain("write it as [[waiver]]".into()));
        };
        let waiver = one(table).map_err(complain)?;
        if let Some(before) = waivers.iter().position(|other| other.id == waiver.id) {
            return Err(complain(format!(
                "the same row as waiver {}; keep one of them",
                before + 1
            )));
        }
        waivers.push(waiver);
    }
    Ok(waivers)
}

fn one(table: &Table) -> Result<Waiver, String> {
    if let Some(key) = table.keys().find(|key| !KEYS.contains(&key.as_str())) {
        return Err(format!("unknown key `{key}`; the keys are {}", KEYS.join(", ")));
    }
    let reason = text(table, "reason")?;
    if reason.trim().chars().count() < SHORTEST_REASON {
        return Err(format!(
            "reason = \"{reason}\": say why, in at least {SHORTEST_REASON} characters"
        ));
    }
    Ok(Waiver {
        id: RowId {
            case_key: exact(table, "case_key")?,
            implementation: exact(table, "implementation")?,
            device: exact(table, "device")?,
            metric: exact(table, "metric")?,
        },
        ceiling: ceiling(table)?,
        expires: expires(table)?,
        issue: text(table, "issue")?,
        reason,
    })
}

fn text(table: &Table, key: &str) -> Result<String, String> {
    match table.get(key) {
        Some(Value::String(text)) if !text.trim().is_empty() => Ok(text.clone()),
        Some(value) => Err(format!("{key} = {value}: must be a text in quotes, and not empty")),
        None => Err(format!("`{key}` is missing; a waiver has {}", KEYS.join(", "))),
    }
}

/// A part of a row's name. A pattern would waive rows that nobody looked at.
fn exact(table: &Table, key: &str) -> Result<String, String> {
    let name = text(table, key)?;
    if name.contains(['*', '?']) {
        return Err(format!(
            "{key} = \"{name}\": no patterns; name one row, as gate.json names it"
        ));
    }
    Ok(name)
}

fn ceiling(table: &Table) -> Result<f64, String> {
    let hint = "must be a share above 0 and at most 1, 0.08 for 8 %";
    let value = table.get("ceiling").ok_or_else(|| format!("`ceiling` is missing; it {hint}"))?;
    let share = match value {
        Value::Float(share) => Some(*share),
        Value::Integer(1) => Some(1.0),
        _ => None,
    };
    share
        .filter(|share| *share > 0.0 && *share <= 1.0)
        .ok_or_else(|| format!("ceiling = {value}: {hint}"))
}

fn expires(table: &Table) -> Result<Date, String> {
    let hint = "must be a day without quotes, such as 2027-01-31";
    let value = table.get("expires").ok_or_else(|| format!("`expires` is missing; it {hint}"))?;
    let Value::Datetime(moment) = value else { return Err(format!("expires = {value}: {hint}")) };
    if moment.time.is_some() {
        return Err(format!("expires = {value}: {hint}"));
    }
    moment.to_string().parse().map_err(|_| format!("expires = {value}: {hint}"))
}

/// Applies `waivers` on the day `today` (UTC): regressions within a valid one become
/// [`RowVerdict::Waived`]; the result, the order of rows and the headline follow. Waivers that are
/// past, exceeded, unused or of no row of this run are told in the remarks.
pub fn apply(report: &mut Report, waivers: &[Waiver], today: Date) {
    let mut waived = 0;
    for waiver in waivers {
        let name = format!("the waiver of {} ({})", short(&waiver.id), waiver.issue);
        let Some(row) = report.rows.iter_mut().find(|row| row.id == waiver.id) else {
            report.remarks.push(format!(
                "{name} names no row of this run; copy the names from gate.json, or remove it"
            ));
            continue;
        };
        match judged(row, waiver, today) {
            Use::Holds => waived += 1,
            Use::Failed(why) => report.remarks.push(format!("{name} {why}")),
            Use::Unused(why) => report.remarks.push(format!("{name} is unused: {why}")),
            Use::Unsettled => {}
        }
    }
    if waived > 0 {
        conclude(report, waived);
    }
}

/// What a waiver did.
enum Use {
    Holds,
    Failed(String),
    Unused(String),
    /// The row's verdict says nothing of the regression.
    Unsettled,
}

fn judged(row: &mut JudgedRow, waiver: &Waiver, today: Date) -> Use {
    let past = today > waiver.expires;
    match row.verdict {
        RowVerdict::Regressed => {}
        RowVerdict::Broken => return Use::Failed("does not cover a row that is broken".into()),
        RowVerdict::Same | RowVerdict::Improved => {
            let past = if past { " and past its day" } else { "" };
            return Use::Unused(format!("the row does not regress{past}; remove it"));
        }
        _ if past => return Use::Unused(format!("it ended on {}", waiver.expires)),
        _ => return Use::Unsettled,
    }
    // A regression without an estimate cannot be within any ceiling.
    let slower = row.ratio.map_or(f64::INFINITY, |ratio| ratio - 1.0);
    let why = if past {
        format!("ended on {}: mend the row, or renew the waiver", waiver.expires)
    } else if slower > waiver.ceiling {
        format!(
            "is exceeded: {:.1} % slower, and its ceiling is {:.1} %",
            slower * 100.0,
            waiver.ceiling * 100.0
        )
    } else {
        row.verdict = RowVerdict::Waived;
        row.reason = format!(
            "{}; waived up to {:.1} % until {}, {}: {}",
            row.reason,
            waiver.ceiling * 100.0,
            waiver.expires,
            waiver.issue,
            waiver.reason
        );
        return Use::Holds;
    };
    row.reason = format!("{}; its waiver ({}) {why}", row.reason, waiver.issue);
    Use::Failed(why)
}

/// Result, order and headline after `waived` rows changed their verdict.
fn conclude(report: &mut Report, waived: usize) {
    // The order of verdicts is that of severity; rows of one verdict keep their order.
    report.rows.sort_by_key(|row| row.verdict);
    report.overall = overall(&report.rows);
    let has = |verdict| report.rows.iter().filter(|row| row.verdict == verdict).count();
    let bad = has(RowVerdict::Broken) + has(RowVerdict::Regressed);
    let rows = report.rows.len();
    report.headline = match report.overall {
        Overall::Regressed => {
            format!("{bad} of {rows} rows regressed or broke beyond any waiver; {waived} waived")
        }
        Overall::Uninterpretable => {
            format!("{waived} of {rows} rows waived, and nothing can be said of the others")
        }
        Overall::Passed | Overall::Inconclusive => {
            format!("no row of {rows} regressed but those waived ({waived})")
        }
    };
}

fn short(id: &RowId) -> String {
    [&id.case_key, &id.implementation, &id.device, &id.metric].map(String::as_str).join(" · ")
}

#[cfg(test)]
mod tests;
