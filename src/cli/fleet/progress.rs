//! What goes on in the clusters: a table that stays in place on a terminal, plain lines elsewhere.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, IsTerminal, Write};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::drive::Settled;
use crate::cli::args::OutputArgs;
use crate::fleet::watch::State;
use crate::fleet::{Fleet, Slot};
use crate::units::usd;

/// Shows where the runs stand.
pub enum Progress {
    /// `--quiet`.
    None,
    /// Standard error is a terminal: a line a target, and one for the money.
    Table(Box<Live>),
    /// Standard error is a file or a pipe: a line a change.
    Lines(HashMap<Slot, String>),
}

/// The lines of the table.
pub struct Live {
    all: MultiProgress,
    lines: Vec<ProgressBar>,
}

impl Progress {
    /// Progress of `fleet`.
    pub fn new(fleet: &Fleet, output: &OutputArgs) -> Self {
        if output.quiet {
            return Self::None;
        }
        if !io::stderr().is_terminal() {
            return Self::Lines(HashMap::new());
        }
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(4));
        let line = |_| {
            let line = all.add(ProgressBar::no_length());
            // The template is a constant; should it ever be wrong, the default style serves as well.
            if let Ok(style) = ProgressStyle::with_template("{wide_msg}") {
                line.set_style(style);
            }
            line
        };
        let lines = (0..=fleet.targets.len()).map(line).collect();
        Self::Table(Box::new(Live { all, lines }))
    }

    /// Shows where all runs stand.
    pub fn show(
        &mut self,
        fleet: &Fleet,
        states: &BTreeMap<Slot, State>,
        settled: &BTreeMap<Slot, Settled>,
        so_far_usd: f64,
    ) {
        let told = |slot: &Slot| match (settled.get(slot), states.get(slot)) {
            (Some(Settled::Record { remark, .. }), _) if remark.is_empty() => {
                Some("record".to_owned())
            }
            (Some(Settled::Record { remark, .. }), _) => Some(format!("record: {remark}")),
            (Some(Settled::Failed(why)), _) => Some(format!("failed: {why}")),
            (None, Some(State::Waiting { why })) => Some(format!("waits: {why}")),
            (None, Some(State::Running { node, .. })) => Some(format!("runs on {node}")),
            (None, Some(State::Ended { .. })) => Some("ended".into()),
            (None, Some(State::Failed { why, .. })) => Some(format!("failing: {why}")),
            (None, None) => None,
        };
        match self {
            Self::None => {}
            Self::Lines(last) => {
                for slot in fleet.slots() {
                    let Some(now) = told(&slot) else { continue };
                    if last.get(&slot) != Some(&now) {
                        line(&format!("{} run {}: {now}", fleet.targets[slot.target].id, slot.run));
                        last.insert(slot, now);
                    }
                }
            }
            Self::Table(live) => {
                for (index, target) in fleet.targets.iter().enumerate() {
                    let words: Vec<String> = fleet
                        .slots_of(index)
                        .map(|slot| told(&slot).unwrap_or_else(|| "not started".into()))
                        .collect();
                    live.lines[index].set_message(format!("{}  {}", target.id, counted(&words)));
                }
                if let Some(last) = live.lines.last() {
                    last.set_message(format!(
                        "{} so far of {}",
                        usd(so_far_usd),
                        usd(fleet.max_price_usd)
                    ));
                }
            }
        }
    }

    /// The cluster did not answer.
    pub fn trouble(&mut self, context: &str, trouble: &str) {
        let text = format!("warning: {context}: {trouble}; asked again");
        match self {
            Self::None => {}
            Self::Lines(_) => line(&text),
            Self::Table(live) => live.all.suspend(|| line(&text)),
        }
    }

    /// Takes the table away.
    pub fn finish(&self) {
        if let Self::Table(live) = self {
            live.lines.iter().for_each(ProgressBar::finish_and_clear);
        }
    }
}

/// `2 × record, runs on node-1`: equal words once, with their number.
fn counted(words: &[String]) -> String {
    let mut groups: Vec<(&str, usize)> = Vec::new();
    for word in words {
        match groups.iter_mut().find(|(w, _)| w == word) {
            Some((_, number)) => *number += 1,
            None => groups.push((word, 1)),
        }
    }
    let told = groups.into_iter().map(|(word, number)| match number {
        1 => word.to_owned(),
        number => format!("{number} × {word}"),
    });
    told.collect::<Vec<_>>().join(", ")
}

/// Standard error may be closed; that must not stop a fleet.
fn line(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}
