//! This record against accepted records of the same environment, where base and candidate cannot be
//! run side by side.

use breakeven_kernels::work::DeviceKind;

use super::judge::overall;
use super::rules::Rules;
use super::{ArmInfo, JudgedRow, Measured, MetricClass, Overall, Report, RowId, RowVerdict};
use crate::record::environment::differences;
use crate::record::{Record, Row, SCHEMA_MAJOR, SCHEMA_NAME, Status, Time};
use crate::stats::median;
use crate::stats::proportion::student_t_quantile;

/// With fewer accepted records nothing is claimed.
const ENOUGH: usize = 20;
/// Older records are left out.
const MOST: usize = 60;
/// Makes a median absolute deviation the standard deviation of normal numbers: 1 ÷ Φ⁻¹(0.75).
const NORMAL_MAD: f64 = 1.4826;
/// Records that agree to the last digit are still no better than this, as a share.
const SMALLEST_MAD: f64 = 0.002;
/// Quantile of Student's t beyond which a row has moved.
const ALERT: f64 = 0.999;

/// Judges `candidates` (one record, or several of which all must agree) against `accepted`.
///
/// A row alerts where x > med + ln(1 + δ) + t₀.₉₉₉,ₙ₋₁ · 1.4826 · MAD · √(1 + 1/n), x the logarithm
/// of its median, `med` and MAD those of the last 60 accepted records with the same `env_key`;
/// below 20 of them the row is inconclusive whatever it says. Records of another environment are
/// refused with the fields that differ; so are incomplete ones and those of another schema.
pub fn history(candidates: &[Record], accepted: &[Record], rules: &Rules) -> Report {
    let mut remarks = Vec::new();
    let fit = |record: &&Record| unfit(record).is_none();
    let mut usable: Vec<&Record> = accepted.iter().filter(fit).collect();
    usable.sort_by(|a, b| a.header.run.started_at.cmp(&b.header.run.started_at));
    for why in accepted.iter().filter_map(unfit) {
        remarks.push(format!("an accepted record was left out: {why}"));
    }
    let refused: Vec<String> = candidates.iter().filter_map(unfit).collect();
    let mut rows = Vec::new();
    if let (Some(first), true) = (candidates.first(), refused.is_empty()) {
        for row in &first.rows {
            rows.extend(judge_row(row, candidates, &usable, rules));
        }
        rows.extend(vanished(first, &usable, rules));
    }
    remarks.extend(refused.iter().map(|why| format!("the record cannot be judged: {why}")));
    if candidates.len() == 1 && rows.iter().any(|row| row.verdict == RowVerdict::Regressed) {
        remarks.push("one run alone says so; a second on this machine should agree".to_owned());
    }
    let size = |row: &JudgedRow| row.ratio.map_or(0.0, |r| r.ln().abs());
    rows.sort_by(|a, b| a.verdict.cmp(&b.verdict).then(size(b).total_cmp(&size(a))));
    report(candidates, usable.len(), rows, remarks)
}

/// Why a record takes no part.
fn unfit(record: &Record) -> Option<String> {
    let schema = &record.header.schema;
    let id = &record.header.run.id;
    if schema.name != SCHEMA_NAME || schema.major != SCHEMA_MAJOR {
        return Some(format!(
            "{id} is {} v{}, not {SCHEMA_NAME} v{SCHEMA_MAJOR}",
            schema.name, schema.major
        ));
    }
    let complete = record.footer.as_ref().is_some_and(|footer| footer.complete);
    (!complete).then(|| format!("{id} is incomplete"))
}

type Mode = (&'static str, fn(&Row) -> Option<&Time>);

/// The quantities that a row may have.
const MODES: [Mode; 4] = [
    ("kernel_warm", |row| row.times.kernel_warm.as_ref()),
    ("kernel_cold", |row| row.times.kernel_cold.as_ref()),
    ("end_to_end", |row| row.times.end_to_end.as_ref()),
    ("pipelined", |row| row.times.pipelined.as_ref()),
];

/// The same quantity of the same row in another record.
fn find<'a>(record: &'a Record, like: &Row) -> Option<&'a Row> {
    record.rows.iter().find(|row| {
        row.case_key == like.case_key
            && row.implementation == like.implementation
            && row.device == like.device
    })
}

fn env_key<'a>(record: &'a Record, device: &str) -> Option<&'a str> {
    let devices = &record.header.env.devices;
    devices.iter().find(|d| d.info.id == device).map(|d| d.env_key.as_str())
}

/// The newest accepted record of the environment that `device` of `record` has.
fn newest<'a>(record: &Record, device: &str, accepted: &[&'a Record]) -> Option<&'a Record> {
    let key = env_key(record, device)?;
    accepted.iter().rev().find(|other| env_key(other, device) == Some(key)).copied()
}

/// Rows that the newest accepted record of this environment has and `record` has not: a case that
/// is gone is not one that passed.
fn vanished(record: &Record, accepted: &[&Record], rules: &Rules) -> Vec<JudgedRow> {
    let mut gone = Vec::new();
    for device in &record.header.env.devices {
        let Some(before) = newest(record, &device.info.id, accepted) else { continue };
        let here = |row: &&Row| row.device == device.info.id && row.status == Status::Ok;
        for row in before.rows.iter().filter(here).filter(|row| find(record, row).is_none()) {
            let blank = blank(row, record, "all", rules);
            let reason = format!(
                "not in this record, but in the newest accepted one, {}; where it was taken out \
                 on purpose, promote a record without it",
                before.header.run.id
            );
            gone.push(JudgedRow { verdict: RowVerdict::Broken, reason, ..blank });
        }
    }
    gone
}

/// One judged row for every quantity; of a row that failed, one for the failure.
fn judge_row(
    row: &Row,
    candidates: &[Record],
    accepted: &[&Record],
    rules: &Rules,
) -> Vec<JudgedRow> {
    let told = row.reason.as_deref().unwrap_or("no reason was given");
    let fault = match row.status {
        Status::Ok => None,
        // What was never timed here is no row of this comparison.
        Status::Skipped | Status::Untimed => {
            let had = newest(&candidates[0], &row.device, accepted)
                .is_some_and(|record| find(record, row).is_some_and(|r| r.status == Status::Ok));
            if !had {
                return Vec::new();
            }
            Some((RowVerdict::Broken, "not timed, as the newest accepted record has it"))
        }
        Status::WrongOutput => Some((RowVerdict::Broken, "wrong output")),
        Status::Failed => Some((RowVerdict::Broken, "failed")),
    };
    if let Some((verdict, word)) = fault {
        let blank = blank(row, &candidates[0], "all", rules);
        return vec![JudgedRow { verdict, reason: format!("{word}: {told}"), ..blank }];
    }
    let key = env_key(&candidates[0], &row.device);
    let same_env = |record: &&&Record| key.is_some() && env_key(record, &row.device) == key;
    let peers: Vec<&Record> = accepted.iter().filter(same_env).copied().collect();
    let mut judged = Vec::new();
    for (metric, of) in MODES {
        let Some(time) = of(row) else { continue };
        let mut result = blank(row, &candidates[0], metric, rules);
        let times = |record: &Record| {
            let found = of(find(record, row).filter(|r| r.status == Status::Ok)?)?;
            // Another timer or depth is another quantity.
            let like = found.timer == time.timer && found.depth == time.depth;
            (like && found.median_s > 0.0).then_some(found.median_s)
        };
        let base: Vec<f64> = peers.iter().filter_map(|record| times(record)).collect();
        let past = &base[base.len().saturating_sub(MOST)..];
        let cand: Option<Vec<f64>> = candidates.iter().map(times).collect();
        match cand {
            _ if past.len() < 2 => {
                result.reason = without_peers(row, candidates, accepted, past.len());
            }
            None => "not in every one of the runs that must agree".clone_into(&mut result.reason),
            Some(cand) => compare(&mut result, past, &cand),
        }
        judged.push(result);
    }
    judged
}

/// A row without numbers.
fn blank(row: &Row, record: &Record, metric: &str, rules: &Rules) -> JudgedRow {
    let devices = &record.header.env.devices;
    let kind = devices.iter().find(|d| d.info.id == row.device).map(|d| d.info.kind);
    let class = MetricClass::of(&row.implementation, kind.unwrap_or(DeviceKind::Cpu), metric);
    JudgedRow {
        id: RowId {
            case_key: row.case_key.clone(),
            implementation: row.implementation.clone(),
            device: row.device.clone(),
            metric: metric.to_owned(),
        },
        class,
        verdict: RowVerdict::Inconclusive,
        margin: rules.margin(class),
        ratio: None,
        ratio_lo: None,
        ratio_hi: None,
        base_s: None,
        cand_s: None,
        rounds: [0, 0],
        detectable: None,
        unconfirmed: false,
        reason: String::new(),
    }
}

/// Says which facts differ where records of another environment are all there is.
fn without_peers(row: &Row, candidates: &[Record], accepted: &[&Record], found: usize) -> String {
    let here = &candidates[0];
    let other = accepted.iter().rev().find(|record| {
        find(record, row).is_some() && env_key(record, &row.device) != env_key(here, &row.device)
    });
    let had = format!("{found} accepted records of this environment have this row");
    let device = |record: &Record| {
        let devices = &record.header.env.devices;
        devices.iter().find(|d| d.info.id == row.device).map(|d| d.info.clone())
    };
    let Some((other, (before, now))) = other.and_then(|o| Some((o, (device(o)?, device(here)?))))
    else {
        return had;
    };
    let fields = differences((&before, &other.header.env), (&now, &here.header.env));
    let told: Vec<String> =
        fields.iter().map(|d| format!("{}: {} → {}", d.field, d.one, d.other)).collect();
    format!("{had}; the latest is of another environment ({})", told.join(", "))
}

/// Fills in numbers, verdict and reason.
fn compare(row: &mut JudgedRow, past: &[f64], cand: &[f64]) {
    let logs: Vec<f64> = past.iter().map(|v| v.ln()).collect();
    let Some(centre) = median(&logs) else { return };
    let distances: Vec<f64> = logs.iter().map(|v| (v - centre).abs()).collect();
    let mad = median(&distances).unwrap_or(0.0).max(SMALLEST_MAD);
    let n = past.len() as f64;
    let spread = NORMAL_MAD * mad * (1.0 + 1.0 / n).sqrt();
    let t = |p| student_t_quantile(p, n - 1.0).unwrap_or(f64::INFINITY);
    let margin = row.margin.ln_1p();
    let limit = margin + t(ALERT) * spread;
    let moves: Vec<f64> = cand.iter().map(|v| v.ln() - centre).collect();
    // Of several runs the one that moved least speaks, so that all must agree.
    let slowest = moves.iter().copied().fold(f64::INFINITY, f64::min);
    let fastest = moves.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let Some(middle) = median(&moves) else { return };
    let reach = t(0.95) * spread;
    row.ratio = Some(middle.exp());
    row.ratio_lo = Some((middle - reach).exp());
    row.ratio_hi = Some((middle + reach).exp());
    row.base_s = median(past);
    row.cand_s = median(cand);
    row.rounds = [past.len() as u32, cand.len() as u32];
    row.detectable = Some((limit + t(0.9) * spread).exp_m1());
    let within = fastest + reach < margin && slowest - reach > -margin;
    let (verdict, said) = match () {
        () if slowest > limit => (RowVerdict::Regressed, "beyond"),
        () if fastest < -limit => (RowVerdict::Improved, "beyond"),
        () if within => (RowVerdict::Same, "well within"),
        () => (RowVerdict::Inconclusive, "within"),
    };
    let enough = past.len() >= ENOUGH;
    row.verdict = if enough { verdict } else { RowVerdict::Inconclusive };
    let share = 100.0 * middle.exp_m1();
    let sign = if share < 0.0 { '−' } else { '+' };
    row.reason = format!(
        "{sign}{:.1} % against the median of {} accepted records; {said} the limit of ± {:.1} %",
        share.abs(),
        past.len(),
        100.0 * limit.exp_m1()
    );
    if !enough {
        row.reason.push_str(&format!("; advisory only, {ENOUGH} records are needed for a claim"));
    }
}

fn report(
    candidates: &[Record],
    accepted: usize,
    rows: Vec<JudgedRow>,
    remarks: Vec<String>,
) -> Report {
    let overall = overall(&rows);
    let count = |verdict| rows.iter().filter(|row| row.verdict == verdict).count();
    let counted = [
        (RowVerdict::Broken, "broken"),
        (RowVerdict::Regressed, "regressed"),
        (RowVerdict::Improved, "improved"),
        (RowVerdict::Same, "the same"),
        (RowVerdict::Inconclusive, "inconclusive"),
    ];
    let told: Vec<String> = counted
        .into_iter()
        .filter(|(verdict, _)| count(*verdict) > 0)
        .map(|(verdict, word)| format!("{} {word}", count(verdict)))
        .collect();
    let headline = match (overall, remarks.first(), rows.first()) {
        (Overall::Uninterpretable, Some(why), None) => format!("nothing was compared: {why}"),
        (Overall::Uninterpretable, _, Some(row)) => {
            format!("none of {} rows could be compared: {}", rows.len(), row.reason)
        }
        (Overall::Uninterpretable, None, None) => "nothing was compared: no rows".to_owned(),
        _ => format!(
            "{} of {} rows against {accepted} accepted records",
            told.join(", "),
            rows.len()
        ),
    };
    let header = candidates.first().map(|record| &record.header);
    let cpu = header.and_then(|h| h.env.sku.clone().or_else(|| h.env.cpu.model.clone()));
    let keys = header.iter().flat_map(|h| &h.env.devices);
    let keys: Vec<String> =
        keys.map(|d| format!("{} {}", d.info.id, d.env_key.get(..12).unwrap_or(""))).collect();
    Report {
        mode: "history".to_owned(),
        subject: header.map(|h| h.run.suite.clone()).unwrap_or_default(),
        base: ArmInfo { name: format!("{accepted} accepted records"), sha256: None, commit: None },
        cand: ArmInfo {
            name: header.map(|h| h.run.id.clone()).unwrap_or_default(),
            sha256: None,
            commit: header.and_then(|h| h.run.tool_commit.clone()),
        },
        overall,
        headline,
        control_ratio: None,
        // A row each at 1 − 0.999, were records normal; the margin comes on top.
        false_alarm: (rows.len() as f64 * (1.0 - ALERT)).min(1.0),
        rows,
        remarks,
        seed: header.map_or(0, |h| h.run.seed),
        wall_s: 0.0,
        started_at: header.map(|h| h.run.started_at.clone()).unwrap_or_default(),
        machine: format!(
            "{} ({})",
            cpu.unwrap_or_else(|| "unknown machine".to_owned()),
            keys.join(", ")
        ),
        measured: Measured::default(),
    }
}

#[cfg(test)]
#[path = "history_tests.rs"]
mod tests;
