//! From decisions to a judgement that people read: words, order and result.

use super::decide::{self, Control, Decision, Direction, Why, log_ratios};
use super::detectable::{detectable, noise_shape};
use super::rules::Rules;
use super::{Arm, JudgedRow, Measured, MetricClass, Overall, Pair, RowData, RowVerdict};
use crate::stats::median;
use crate::stats::signed_rank::values_needed;

/// The judging part of a [`super::Report`], under the same names.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    /// The rows, worst first.
    pub rows: Vec<JudgedRow>,
    /// Result.
    pub overall: Overall,
    /// One sentence, with the numbers.
    pub headline: String,
    /// Ratio of the control over the run, candidate ÷ base; `None` without one.
    pub control_ratio: Option<f64>,
    /// Bound on the chance of any false REGRESSED in this run, and apart from it of any false
    /// IMPROVED.
    pub false_alarm: f64,
    /// Sentences that must not be overlooked.
    pub remarks: Vec<String>,
}

/// Judges what was measured. Rows that [`decide::suspects`] names but that have no confirming
/// rounds are inconclusive.
pub fn judge(measured: &Measured, rules: &Rules) -> Judgement {
    let tests = decide::tests(measured);
    let decisions = decide::decide(measured, rules);
    let timed = measured.rows.iter().filter(|row| row.class != MetricClass::Exact);
    let shape = noise_shape(&timed.map(stages).collect::<Vec<_>>());
    let pairs = measured.rows.iter().zip(&decisions);
    let mut rows: Vec<JudgedRow> =
        pairs.map(|(row, decision)| judged(row, decision, &shape, tests, rules)).collect();
    let size = |row: &JudgedRow| row.ratio.map_or(0.0, |r| r.ln());
    rows.sort_by(|a, b| {
        a.verdict.cmp(&b.verdict).then_with(|| size(b).abs().total_cmp(&size(a).abs()))
    });
    let control = decide::control(measured, rules);
    let overall = overall(&rows);
    Judgement {
        overall,
        headline: headline(&rows, overall, control),
        control_ratio: control.estimate().map(f64::exp),
        false_alarm: rules.alpha_confirm,
        remarks: remarks(measured, &decisions, control, tests, rules),
        rows,
    }
}

/// Whether a row took part in the comparison: otherwise it says nothing for or against.
pub fn is_compared(row: &JudgedRow) -> bool {
    match row.verdict {
        RowVerdict::Contaminated => false,
        RowVerdict::Inconclusive => row.ratio_lo.is_some(),
        _ => true,
    }
}

/// The result that follows from the rows. Wrong outputs and exact metrics do not depend on clocks,
/// so they count in a contaminated run as well.
pub fn overall(rows: &[JudgedRow]) -> Overall {
    let has = |verdict| rows.iter().any(|row| row.verdict == verdict);
    if has(RowVerdict::Broken) || has(RowVerdict::Regressed) {
        Overall::Regressed
    } else if has(RowVerdict::Contaminated)
        || !rows.iter().any(is_compared)
        || rows.iter().any(|row| row.unconfirmed)
    {
        Overall::Uninterpretable
    } else if has(RowVerdict::Inconclusive) {
        Overall::Inconclusive
    } else {
        Overall::Passed
    }
}

/// Log ratios of both stages.
fn stages(row: &RowData) -> [Vec<f64>; 2] {
    [log_ratios(&row.screen), log_ratios(&row.confirm)]
}

fn judged(
    row: &RowData,
    decision: &Decision,
    shape: &[f64],
    tests: usize,
    rules: &Rules,
) -> JudgedRow {
    let margin = rules.margin(row.class);
    let deciding = if row.confirm.is_empty() { &row.screen } else { &row.confirm };
    let middle = |arm: fn(&Pair) -> f64| median(&deciding.iter().map(arm).collect::<Vec<_>>());
    let without_row = row.fault.is_some() || deciding.is_empty();
    let detectable = match row.class {
        _ if without_row || decision.verdict == RowVerdict::Contaminated => None,
        MetricClass::Exact => Some(0.0),
        _ => detectable(&stages(row), shape, rules, tests, margin),
    };
    let mut judged = JudgedRow {
        id: row.id.clone(),
        class: row.class,
        verdict: decision.verdict,
        margin,
        ratio: decision.estimate.map(f64::exp),
        ratio_lo: decision.interval.map(|[low, _]| low.exp()),
        ratio_hi: decision.interval.map(|[_, high]| high.exp()),
        base_s: middle(|p| p.base).filter(|_| !without_row),
        cand_s: middle(|p| p.cand).filter(|_| !without_row),
        rounds: [row.screen.len() as u32, row.confirm.len() as u32],
        detectable,
        unconfirmed: matches!(decision.why, Why::Unconfirmed { .. })
            && decision.suspect == Some(Direction::Slower),
        reason: String::new(),
    };
    judged.reason = reason(row, decision, &judged);
    judged
}

/// `12.3 % slower`, `0.4 % faster`.
fn change(ratio: f64) -> String {
    let share = (ratio - 1.0) * 100.0;
    let word = if share < 0.0 { "faster" } else { "slower" };
    format!("{:.1} % {word}", share.abs())
}

/// `+12.3 %`, `−0.4 %`.
fn signed(ratio: f64) -> String {
    let share = (ratio - 1.0) * 100.0;
    let sign = if share < 0.0 { '−' } else { '+' };
    format!("{sign}{:.1} %", share.abs())
}

fn reason(row: &RowData, decision: &Decision, judged: &JudgedRow) -> String {
    let margin = format!("{:.1} %", 100.0 * judged.margin);
    let ratio = judged.ratio.unwrap_or(1.0);
    let (low, high) = (judged.ratio_lo.unwrap_or(ratio), judged.ratio_hi.unwrap_or(ratio));
    let confidence = 100.0 * (1.0 - 2.0 * decision.alpha);
    let digits = if confidence > 99.0 { 2 } else { 0 };
    let interval = format!("{confidence:.digits$} % interval {} to {}", signed(low), signed(high));
    let [screened, confirmed] = judged.rounds;
    let main = match decision.why {
        Why::Fault(arm) => fault(row, arm),
        Why::Unusable => format!(
            "{} of {} rounds have no usable number (not finite, or not above zero: a clock that \
             stepped?); not judged",
            decision.unusable,
            if confirmed > 0 { confirmed } else { screened },
        ),
        Why::TooFew { needed } => {
            format!("{screened} rounds cannot reach significance; {needed} or more are needed")
        }
        Why::NotExact => {
            "the values vary from round to round, so they cannot be compared exactly; \
                          choose another class for this metric"
                .to_owned()
        }
        Why::Exact => exact(row),
        Why::Control => "the control case moved; times of this run say nothing".to_owned(),
        Why::Unconfirmed { needed } => {
            let way = if decision.suspect == Some(Direction::Faster) { "faster" } else { "slower" };
            let had = match confirmed {
                0 => "was not confirmed in fresh rounds".to_owned(),
                some => format!("has only {some} confirming rounds"),
            };
            format!(
                "looked {way} in {screened} rounds ({}), but {had}, which cannot reach \
                 significance; {needed} or more are needed",
                change(ratio)
            )
        }
        Why::Confirmed { cycles } => format!(
            "{}, by more than the margin of {margin} in {confirmed} fresh rounds{} ({interval})",
            change(ratio),
            if cycles { ", in time and in cycles" } else { "" },
        ),
        Why::Clock { cycles } => format!(
            "{} in time ({interval}), but {} in cycles, not by more than the margin of {margin}: \
             the clock moved, not the work",
            change(ratio),
            change(cycles.exp()),
        ),
        Why::Within => format!("within ± {margin} ({interval})"),
        Why::Unclear => format!(
            "{}, neither beyond the margin of {margin} nor within it ({interval})",
            change(ratio)
        ),
    };
    let skipped = match (decision.unusable, decision.why) {
        (0, _) | (_, Why::Unusable) => String::new(),
        (count, _) => format!("; {count} rounds without a usable time left out"),
    };
    let seen = match (decision.verdict, judged.detectable) {
        (RowVerdict::Inconclusive, Some(share)) if share > 0.0 => {
            format!("; a slow-down of {:.1} % would have been seen with 90 % power", 100.0 * share)
        }
        _ => String::new(),
    };
    format!("{main}{skipped}{seen}")
}

fn fault(row: &RowData, arm: Arm) -> String {
    let told = row.fault.as_ref().map_or_else(|| "failed".into(), |(_, fault)| fault.to_string());
    match arm {
        Arm::Cand => format!("the candidate {told}"),
        Arm::Base => format!("the base {told}; nothing to compare with"),
    }
}

fn exact(row: &RowData) -> String {
    let Some(pair) = row.screen.first().or(row.confirm.first()) else { return String::new() };
    if pair.base == pair.cand {
        format!("the same in every round: {}", pair.base)
    } else {
        format!("from {} to {}; any difference counts", pair.base, pair.cand)
    }
}

/// `matmul … kernel_warm` with what sets it apart.
fn name(row: &JudgedRow) -> String {
    let id = &row.id;
    format!("{} · {} · {} · {}", id.case_key, id.implementation, id.device, id.metric)
}

fn rows_of(number: usize) -> String {
    format!("{number} {}", if number == 1 { "row" } else { "rows" })
}

fn headline(rows: &[JudgedRow], overall: Overall, control: Control) -> String {
    let count = |verdict| rows.iter().filter(|row| row.verdict == verdict).count();
    let total = rows.len();
    match overall {
        Overall::Regressed => {
            let worst = &rows[0];
            let broken = count(RowVerdict::Broken);
            let mut parts = Vec::new();
            if broken > 0 {
                parts.push(format!("{broken} broken"));
            }
            if count(RowVerdict::Regressed) > 0 {
                parts.push(format!("{} regressed", count(RowVerdict::Regressed)));
            }
            format!(
                "{} of {}; worst: {}: {}",
                parts.join(" and "),
                rows_of(total),
                name(worst),
                worst.reason
            )
        }
        Overall::Uninterpretable => match control {
            Control::Contaminated { estimate } => format!(
                "the control case, which holds no user code, moved by {}: nothing can be said of \
                 this run; run it again on a quieter machine",
                signed(estimate.exp())
            ),
            _ => match rows.iter().filter(|row| row.unconfirmed).count() {
                0 => format!("none of {} could be compared", rows_of(total)),
                some => format!(
                    "{some} of {} looked slower and had too few fresh rounds to be confirmed or \
                     cleared; give more time (--max-wall) or rounds (--rounds)",
                    rows_of(total)
                ),
            },
        },
        Overall::Passed | Overall::Inconclusive => {
            let words = [
                (RowVerdict::Improved, "improved"),
                (RowVerdict::Same, "the same"),
                (RowVerdict::Inconclusive, "inconclusive"),
                (RowVerdict::ClockLimited, "clock-limited"),
                (RowVerdict::Waived, "waived"),
            ];
            let told = words.iter().filter(|(verdict, _)| count(*verdict) > 0);
            let told: Vec<String> =
                told.map(|(verdict, word)| format!("{} {word}", count(*verdict))).collect();
            format!("no regression in {}: {}", rows_of(total), told.join(", "))
        }
    }
}

fn remarks(
    measured: &Measured,
    decisions: &[Decision],
    control: Control,
    tests: usize,
    rules: &Rules,
) -> Vec<String> {
    let mut remarks: Vec<String> =
        measured.cut_short.iter().map(|why| format!("the rounds were cut short: {why}")).collect();
    match control {
        Control::Unknown if tests > 0 => remarks.push(
            "without enough rounds of a control case, a shift of the machine cannot be told from \
             a change"
                .to_owned(),
        ),
        Control::Shifted { estimate, .. } => remarks.push(format!(
            "the control case moved by {}; this was divided out of every time",
            signed(estimate.exp())
        )),
        _ => {}
    }
    let needed = values_needed(rules.alpha_confirm / tests.max(1) as f64);
    if (rules.confirm_rounds as usize) < needed {
        remarks.push(format!(
            "with {tests} rows, {} confirming rounds cannot reach significance; {needed} can",
            rules.confirm_rounds
        ));
    }
    let unconfirmed = decisions.iter().filter(|d| matches!(d.why, Why::Unconfirmed { .. })).count();
    if unconfirmed > 0 {
        remarks.push(format!("{unconfirmed} suspects could not be confirmed or cleared"));
    }
    let mut seen = std::collections::BTreeSet::new();
    let twice = measured.rows.iter().filter(|row| !seen.insert(&row.id)).count();
    if twice > 0 {
        remarks.push(format!("{twice} rows have the name of another row"));
    }
    remarks
}
