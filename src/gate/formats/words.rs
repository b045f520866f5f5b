//! Numbers and names as the forms print them.

use crate::gate::{JudgedRow, MetricClass, Report, RowId, RowVerdict};
use crate::stats;
use crate::units;

/// What stands where a number is unknown.
pub const UNKNOWN: &str = "–";

/// The verdict as it is printed.
pub fn verdict(verdict: RowVerdict) -> &'static str {
    match verdict {
        RowVerdict::Broken => "BROKEN",
        RowVerdict::Regressed => "REGRESSED",
        RowVerdict::Waived => "WAIVED",
        RowVerdict::ClockLimited => "CLOCK_LIMITED",
        RowVerdict::Contaminated => "CONTAMINATED",
        RowVerdict::Inconclusive => "INCONCLUSIVE",
        RowVerdict::Improved => "IMPROVED",
        RowVerdict::Same => "SAME",
    }
}

/// The class of metric as it is written in data.
pub fn class(class: MetricClass) -> &'static str {
    match class {
        MetricClass::Exact => "exact",
        MetricClass::GpuWarm => "gpu-warm",
        MetricClass::GpuCold => "gpu-cold",
        MetricClass::Cpu => "cpu",
        MetricClass::EndToEnd => "end-to-end",
        MetricClass::Command => "command",
    }
}

/// Whether the row is shown by itself: something happened to it. The others are counted.
pub fn moved(verdict: RowVerdict) -> bool {
    !matches!(verdict, RowVerdict::Same | RowVerdict::Inconclusive | RowVerdict::Contaminated)
}

/// A time ratio as a change: `+12.3 %`, `-4.0 %`.
pub fn change(ratio: Option<f64>) -> String {
    match ratio.filter(|r| r.is_finite()) {
        Some(ratio) => format!("{} %", signed(ratio)),
        None => UNKNOWN.to_owned(),
    }
}

/// A time ratio as percents with a sign, to a tenth; a rounded −0 is +0.
fn signed(ratio: f64) -> String {
    format!("{:+.1}", ((ratio - 1.0) * 1000.0).round() / 10.0 + 0.0)
}

/// The interval of a row's change: `[+10.1, +14.0]`; empty where there is none.
pub fn interval(row: &JudgedRow) -> String {
    match (row.ratio_lo.filter(|r| r.is_finite()), row.ratio_hi.filter(|r| r.is_finite())) {
        (Some(lo), Some(hi)) => format!("[{}, {}]", signed(lo), signed(hi)),
        _ => String::new(),
    }
}

/// A share: `5 %` where that is exact, else to a tenth: `7.1 %`, `7.0 %`.
pub fn percent(share: f64) -> String {
    let value = share * 100.0;
    if (value - value.round()).abs() < 1e-9 {
        format!("{value:.0} %")
    } else {
        format!("{value:.1} %")
    }
}

/// The value of one arm: a time, or a plain number where the metric is exact.
pub fn value(value: Option<f64>, class: MetricClass) -> String {
    match value.filter(|v| v.is_finite()) {
        None => UNKNOWN.to_owned(),
        Some(value) if class == MetricClass::Exact => value.to_string(),
        Some(value) => units::seconds(value),
    }
}

/// Unit of a row's values in data.
pub fn unit(class: MetricClass) -> &'static str {
    if class == MetricClass::Exact { "count" } else { "s" }
}

/// A row's name on one line.
pub fn name(id: &RowId) -> String {
    format!("{} · {} · {} · {}", id.case_key, id.implementation, id.device, id.metric)
}

/// `1 row`, `2 rows`.
pub fn count(number: usize, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {one}s") }
}

/// How many rows have each verdict, the worst first: `1 REGRESSED, 11 SAME`.
pub fn tally(report: &Report) -> String {
    let all = [
        RowVerdict::Broken,
        RowVerdict::Regressed,
        RowVerdict::Waived,
        RowVerdict::ClockLimited,
        RowVerdict::Contaminated,
        RowVerdict::Inconclusive,
        RowVerdict::Improved,
        RowVerdict::Same,
    ];
    let mut parts = Vec::new();
    for one in all {
        let number = report.rows.iter().filter(|row| row.verdict == one).count();
        if number > 0 {
            parts.push(format!("{number} {}", verdict(one)));
        }
    }
    if parts.is_empty() { "no row was compared".to_owned() } else { parts.join(", ") }
}

/// What the run could have seen, and how seldom it cries wolf.
pub fn floor(report: &Report) -> String {
    let seen: Vec<f64> = report.rows.iter().filter_map(|row| row.detectable).collect();
    let least = seen.iter().copied().fold(f64::INFINITY, f64::min);
    let most = seen.iter().copied().fold(0.0, f64::max);
    let mut text = match stats::median(&seen) {
        Some(_) if percent(least) == percent(most) => {
            format!("Noise floor: a slow-down of {} or more would have shown", percent(least))
        }
        Some(middle) => format!(
            "Noise floor: slow-downs from {} (quietest row) to {} (noisiest; median {}) would have \
             shown",
            percent(least),
            percent(most),
            percent(middle)
        ),
        None => "Noise floor: not known".to_owned(),
    };
    if !seen.is_empty() {
        text.push_str(" with 90 % power");
    }
    let unknown = report.rows.len() - seen.len();
    if unknown > 0 && !seen.is_empty() {
        text.push_str(&format!(", not known of {}", count(unknown, "row")));
    }
    text.push('.');
    // Against history no bound is known: it would take records with normal noise.
    if !report.rows.is_empty() && report.mode == "paired" {
        text.push_str(&format!(
            " Chance of any false alarm in this run: at most {}.",
            percent(report.false_alarm)
        ));
    }
    if let Some(control) = report.control_ratio {
        text.push_str(&format!(" The control moved by {}.", change(Some(control))));
    }
    text
}

/// Names of the two sides with what is known of them.
pub fn arms(report: &Report) -> [String; 2] {
    [("Base", &report.base), ("Candidate", &report.cand)].map(|(side, arm)| {
        let mut text = format!("{side}: {}", arm.name);
        if let Some(commit) = &arm.commit {
            text.push_str(&format!(", commit {}", cut(commit, 12)));
        }
        if let Some(digest) = &arm.sha256 {
            text.push_str(&format!(", SHA-256 {}", cut(digest, 12)));
        }
        text
    })
}

/// Where, when and from which seed.
pub fn circumstances(report: &Report) -> String {
    format!(
        "Machine: {}. Began {}, took {}, seed {}.",
        report.machine,
        report.started_at,
        units::seconds(report.wall_s),
        report.seed
    )
}

/// `text` in at most `most` characters.
pub fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most.saturating_sub(1)).collect();
    format!("{kept}…")
}

/// Foreign text on one line in which nothing acts: no control or bidirectional override
/// characters, and none of the openings by which CI systems find commands in a log (`::` at the
/// start of a word, since words may be wrapped to the start of a line; `##[` and `##vso[` anywhere).
pub fn inert(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut before = ' ';
    for c in text.chars() {
        let c = if acts(c) { '\u{fffd}' } else { c };
        let opens = (c == ':' && before == ':' && starts_word(&out)) || (c == '#' && before == '#');
        if opens {
            out.push(' ');
        }
        out.push(c);
        before = c;
    }
    out
}

/// Whether `out` ends in a colon that begins a word.
fn starts_word(out: &str) -> bool {
    let mut back = out.chars().rev().skip(1);
    back.next().is_none_or(char::is_whitespace)
}

/// Control characters, line ends of Unicode, overrides of the writing direction, non-characters.
pub fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        || matches!(c, '\u{061c}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}
