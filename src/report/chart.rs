//! Charts in characters: blocks and lines, or plain ASCII.

use super::ending::cut;
use super::numbers::ratio;
use crate::compare::Ratio;

/// Least columns of a plot beside its labels; narrower, labels stand above.
const LEAST_PLOT: usize = 24;
/// Most columns of a plot.
const MOST_PLOT: usize = 60;

/// A bar over `share` (0 to 1) of `room` characters, to the eighth of one; of anything above 0 at
/// least the thinnest.
pub fn bar(share: f64, room: usize, ascii: bool) -> String {
    let share = share.clamp(0.0, 1.0);
    if ascii {
        let full = (share * room as f64).round() as usize;
        return "#".repeat(full.max(usize::from(share > 0.0)));
    }
    let eighths = (share * room as f64 * 8.0).round() as usize;
    let eighths = eighths.max(usize::from(share > 0.0));
    let part = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"][eighths % 8];
    format!("{}{part}", "█".repeat(eighths / 8))
}

/// The characters of a plot of intervals.
struct Marks {
    whisker: char,
    point: char,
    one: char,
}

/// One line a ratio on a logarithmic axis, with 1× marked, and the numbers beside it; where the
/// terminal is narrow, label and numbers above it.
pub fn interval_chart(rows: &[(String, Ratio)], width: usize, ascii: bool) -> Vec<String> {
    let marks = if ascii {
        Marks { whisker: '-', point: 'o', one: '|' }
    } else {
        Marks { whisker: '─', point: '●', one: '│' }
    };
    let Some(axis) = Axis::of(rows) else { return Vec::new() };
    let values: Vec<String> = rows.iter().map(|(_, r)| ratio(r.value)).collect();
    let value = values.iter().map(|v| v.chars().count()).max().unwrap_or(0);
    let longest = rows.iter().map(|(label, _)| label.chars().count()).max().unwrap_or(0);
    let label = longest.min(width / 2);
    let beside = width.saturating_sub(label + value + 4);
    let above = beside < LEAST_PLOT;
    let plot = if above { width.saturating_sub(2) } else { beside }.min(MOST_PLOT);
    let indent = " ".repeat(if above { 1 } else { label + value + 3 });
    let mut lines = Vec::new();
    for ((name, r), told) in rows.iter().zip(&values) {
        let drawing = axis.row(r, plot, &marks);
        if above {
            lines.push(format!("{} {told}", cut(name, width.saturating_sub(value + 1))));
            lines.push(format!("{indent}{drawing}").trim_end().to_owned());
        } else {
            let line = format!("{:<label$}  {told:>value$} {drawing}", cut(name, label));
            lines.push(line.trim_end().to_owned());
        }
    }
    lines.push(format!("{indent}{}", axis.labels(plot)).trim_end().to_owned());
    lines
}

/// A logarithmic axis that holds 1 and all intervals.
struct Axis {
    lo: f64,
    hi: f64,
}

impl Axis {
    /// From the smallest to the largest end; `None` without ratios.
    fn of(rows: &[(String, Ratio)]) -> Option<Self> {
        let ends =
            rows.iter().flat_map(|(_, r)| [r.lo90, r.hi90]).filter(|v| *v > 0.0 && v.is_finite());
        let logs: Vec<f64> = ends.map(f64::log10).collect();
        let lo = logs.iter().copied().fold(0.0, f64::min);
        let hi = logs.iter().copied().fold(0.0, f64::max);
        // A little air, so that 1× and the ends do not stand on the edge.
        let air = ((hi - lo) * 0.04).max(0.02);
        (!logs.is_empty()).then_some(Self { lo: lo - air, hi: hi + air })
    }

    fn at(&self, value: f64, plot: usize) -> usize {
        let share = (value.log10() - self.lo) / (self.hi - self.lo);
        (share.clamp(0.0, 1.0) * plot.saturating_sub(1) as f64).round() as usize
    }

    fn row(&self, r: &Ratio, plot: usize, marks: &Marks) -> String {
        let mut line = vec![' '; plot];
        let mut set = |at: usize, c: char| {
            if let Some(place) = line.get_mut(at) {
                *place = c;
            }
        };
        (self.at(r.lo90, plot)..=self.at(r.hi90, plot)).for_each(|at| set(at, marks.whisker));
        set(self.at(1.0, plot), marks.one);
        set(self.at(r.value, plot), marks.point);
        line.into_iter().collect()
    }

    /// 1× under its mark, and round values to both sides where they have room.
    fn labels(&self, plot: usize) -> String {
        let decades = (self.lo.floor() as i32..=self.hi.ceil() as i32).map(|p| 10f64.powi(p));
        let mut ticks: Vec<f64> = decades.collect();
        if ticks.iter().filter(|t| (self.lo..=self.hi).contains(&t.log10())).count() < 3 {
            ticks.extend([0.2, 0.5, 0.7, 0.8, 0.9, 1.1, 1.2, 1.5, 2.0, 5.0]);
        }
        // 1× first, then outwards: what has no room is left out.
        ticks.sort_by(|a, b| b.log10().abs().total_cmp(&a.log10().abs()));
        ticks.sort_by_key(|t| *t != 1.0);
        let mut line = vec![' '; plot];
        for tick in ticks.into_iter().filter(|t| (self.lo..=self.hi).contains(&t.log10())) {
            let text: Vec<char> = format!("{tick}×").chars().collect();
            let start = self.at(tick, plot).saturating_sub((text.len() - 1) / 2);
            let start = start.min(plot.saturating_sub(text.len()));
            let room = start.saturating_sub(1)..(start + text.len() + 1).min(plot);
            if line[room].iter().all(|c| *c == ' ') {
                line[start..start + text.len()].copy_from_slice(&text);
            }
        }
        line.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_long_as_their_share() {
        assert_eq!(bar(0.5, 4, false), "██");
        // 0.3 of 4 characters are 9.6 eighths: one full and two eighths.
        assert_eq!(bar(0.3, 4, false), "█▎");
        assert_eq!(bar(1e-9, 4, false), "▏", "something is not nothing");
        assert_eq!(bar(0.0, 4, false), "");
        assert_eq!(bar(0.5, 4, true), "##");
    }

    #[test]
    fn one_is_marked_and_intervals_span_their_ends() {
        let rows = [
            ("ten".to_owned(), Ratio { value: 10.0, lo90: 10.0, hi90: 10.0 }),
            ("tenth".to_owned(), Ratio { value: 0.1, lo90: 0.1, hi90: 1.0 }),
        ];
        // 45 columns: labels 5, numbers 5, so 31 for the plot. The axis runs from 10^−1.08 to
        // 10^1.08: 0.1 at 0.08/2.16 · 30 = 1.1, 1 at 15, 10 at 28.9.
        let lines = interval_chart(&rows, 45, true);
        let at = |line: usize, c: char| {
            lines[line].find(c).map(|at| at - lines[line].find("  ").unwrap_or(0))
        };
        assert_eq!(lines.len(), 3);
        assert!(lines[0].starts_with("ten      10×"), "{lines:?}");
        assert!(at(0, 'o') > at(0, '|'), "{lines:?}");
        assert_eq!(lines[1].matches('-').count(), 13, "{lines:?}");
        assert!(lines[2].contains("0.1×") && lines[2].contains(" 1× ") && lines[2].contains("10×"));
        assert!(lines.iter().all(|line| line.chars().count() <= 45), "{lines:?}");
    }
}
