//! Reports for the tests of this room.

use crate::gate::{
    Arm, ArmInfo, JudgedRow, Measured, MetricClass, Overall, Pair, Report, RowData, RowId,
    RowVerdict,
};

/// A row of one matmul case, told apart by its metric.
pub fn row(metric: &str, verdict: RowVerdict, ratio: f64) -> JudgedRow {
    JudgedRow {
        id: RowId {
            case_key: "matmul dtype=f32 m=256 n=256 k=256".into(),
            implementation: "cpu/simd".into(),
            device: "cpu".into(),
            metric: metric.into(),
        },
        class: MetricClass::Cpu,
        verdict,
        margin: 0.05,
        ratio: Some(ratio),
        ratio_lo: Some(ratio - 0.01),
        ratio_hi: Some(ratio + 0.01),
        base_s: Some(0.002),
        cand_s: Some(0.002 * ratio),
        rounds: [8, 16],
        detectable: Some(0.031),
        unconfirmed: false,
        reason: "estimated from 16 fresh rounds".into(),
    }
}

/// A report of `rows`, with eight rounds each; result and headline follow them.
pub fn report(rows: Vec<JudgedRow>) -> Report {
    let has = |verdict| rows.iter().filter(|row| row.verdict == verdict).count();
    let bad = has(RowVerdict::Broken) + has(RowVerdict::Regressed);
    let overall = match () {
        () if rows.is_empty() || has(RowVerdict::Contaminated) > 0 => Overall::Uninterpretable,
        () if bad > 0 => Overall::Regressed,
        () if has(RowVerdict::Inconclusive) > 0 => Overall::Inconclusive,
        () => Overall::Passed,
    };
    let arm = |name: &str| ArmInfo {
        name: name.into(),
        sha256: Some("0123456789abcdef".repeat(4)),
        commit: Some("e42ca3e5".into()),
    };
    let measured = Measured {
        rows: rows.iter().map(data).collect(),
        control: (1..=8).map(|round| pair(round, 0.001, 1.0)).collect(),
        cut_short: None,
    };
    Report {
        mode: "paired".into(),
        subject: "suite ci".into(),
        base: arm("main"),
        cand: arm("HEAD"),
        overall,
        headline: format!("{bad} of {} rows regressed or broke", rows.len()),
        rows,
        control_ratio: Some(1.002),
        false_alarm: 0.01,
        remarks: vec![],
        seed: 7,
        wall_s: 312.4,
        started_at: "2026-11-26T16:00:00Z".into(),
        machine: "AMD EPYC 9V74, 2 threads".into(),
        measured,
    }
}

fn data(row: &JudgedRow) -> RowData {
    let ratio = row.ratio.unwrap_or(1.0);
    let base = row.base_s.unwrap_or(0.002);
    RowData {
        id: row.id.clone(),
        class: row.class,
        screen: (1..=8).map(|round| pair(round, base, ratio)).collect(),
        confirm: vec![],
        fault: None,
    }
}

/// A round whose times differ from round to round by a thousandth.
fn pair(round: u32, base: f64, ratio: f64) -> Pair {
    let base = base * (1.0 + f64::from(round) / 1000.0);
    let first = if round.is_multiple_of(2) { Arm::Base } else { Arm::Cand };
    Pair { round, first, base, cand: base * ratio, cycles: None }
}
