//! What goes on while measuring: a bar on a terminal, plain lines elsewhere, nothing if quiet.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::args::OutputArgs;
use crate::backend::Mode;
use crate::measure::{Event, Stage};
use crate::record::{Row, Status};
use crate::units;

/// Follows the events of a run on standard error.
pub enum Progress {
    /// `--quiet`.
    None,
    /// Standard error is a terminal.
    Bar(ProgressBar),
    /// Standard error is a file or a pipe: one line a row.
    Lines,
}

impl Progress {
    /// Progress over `jobs` measurements.
    pub fn new(output: &OutputArgs, jobs: usize) -> Self {
        if output.quiet {
            return Self::None;
        }
        if !io::stderr().is_terminal() {
            return Self::Lines;
        }
        let bar =
            ProgressBar::with_draw_target(Some(jobs as u64), ProgressDrawTarget::stderr_with_hz(8));
        let template = "{bar:24} {pos}/{len} {elapsed} {wide_msg}";
        // The template is a constant; should it ever be wrong, the default style serves as well.
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(250));
        Self::Bar(bar)
    }

    /// Shows one event.
    pub fn show(&self, event: &Event) {
        match (self, event) {
            (
                Self::Bar(bar),
                Event::CaseStarted { index, case_key, implementation, device, .. },
            ) => {
                bar.set_position(*index as u64);
                bar.set_prefix(format!("{implementation} on {device}, {case_key}"));
                bar.set_message(bar.prefix());
            }
            (Self::Bar(bar), Event::Stage(stage)) => {
                bar.set_message(format!("{}: {}", stage_name(*stage), bar.prefix()));
            }
            (Self::Bar(bar), Event::RowDone(row)) => {
                if matches!(row.status, Status::WrongOutput | Status::Failed) {
                    bar.suspend(|| line(&row_line(row)));
                }
            }
            (Self::Lines, Event::RowDone(row)) if row.status != Status::Skipped => {
                line(&row_line(row));
            }
            (Self::Bar(_) | Self::Lines, Event::TrialWrong { tuning, problem }) => {
                line(&format!("warning: variant {tuning} is wrong and not chosen: {problem}"));
            }
            (Self::Bar(_) | Self::Lines, Event::KeepFailed(problem)) => {
                line(&format!("warning: not kept: {problem}"));
            }
            _ => {}
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}

/// Standard error may be closed; that must not stop a run.
fn line(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

fn row_line(row: &Row) -> String {
    let what = format!("{} {} on {}", row.case_key, row.implementation, row.device);
    let time = row.times.end_to_end.as_ref().or(row.times.kernel_warm.as_ref());
    match (row.status, time) {
        (Status::Ok, Some(time)) => format!("{what}: {}", units::seconds(time.median_s)),
        (Status::Ok, None) => format!("{what}: verified"),
        (Status::WrongOutput, _) => format!("{what}: WRONG OUTPUT: {}", reason(row)),
        (Status::Failed, _) => format!("{what}: failed: {}", reason(row)),
        (Status::Untimed, _) => format!("{what}: verified, not timed: {}", reason(row)),
        (Status::Skipped, _) => format!("{what}: skipped: {}", reason(row)),
    }
}

fn reason(row: &Row) -> &str {
    row.reason.as_deref().unwrap_or("no reason given")
}

fn stage_name(stage: Stage) -> &'static str {
    match stage {
        Stage::Input => "making the input",
        Stage::Load => "loading",
        Stage::Verify => "verifying",
        Stage::Tune => "tuning",
        Stage::Sample(Mode::KernelCold) => "timing, cold",
        Stage::Sample(Mode::KernelWarm) => "timing, warm",
        Stage::Sample(Mode::EndToEnd) => "timing, end to end",
        Stage::Sample(Mode::Pipelined) => "timing, pipelined",
    }
}
