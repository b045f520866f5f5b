//! Options of `gate` about what a finding means and where it is written.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::gate::soft::Class;

/// What the gate does with what it found.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Findings")]
pub struct GateReportArgs {
    /// Let findings of this class pass with a remark in place of their exit code (repeatable, or
    /// with commas)
    #[arg(long, value_name = "CLASS", value_enum, value_delimiter = ',')]
    pub soft: Vec<SoftArg>,
    /// End with 5 where a row is inconclusive
    #[arg(long, value_name = "CLASS", value_enum)]
    pub fail_on: Option<FailOnArg>,
    /// Regressions that are let pass, row by row, up to a ceiling and until a day (TOML)
    #[arg(long, value_name = "FILE")]
    pub waivers: Option<PathBuf>,
    /// Whose job summary and annotations to write [default: as the environment tells]
    #[arg(long, value_enum)]
    pub ci: Option<CiArg>,
}

/// Classes that `--soft` takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SoftArg {
    /// Exit code 3: a row is slower
    Regressed,
    /// Exit code 3: a row computes a wrong answer, crashes, hangs or varies
    Broken,
    /// Exit code 4: the machine was disturbed while it measured
    Contaminated,
    /// Exit code 4: the baseline is of another environment
    Environment,
    /// Exit code 4, whatever the reason
    Uninterpretable,
    /// Exit code 5 of --fail-on inconclusive
    Inconclusive,
}

impl SoftArg {
    /// The class in the gate's words.
    pub fn class(self) -> Class {
        match self {
            Self::Regressed => Class::Regressed,
            Self::Broken => Class::Broken,
            Self::Contaminated => Class::Contaminated,
            Self::Environment => Class::Environment,
            Self::Uninterpretable => Class::Uninterpretable,
            Self::Inconclusive => Class::Inconclusive,
        }
    }
}

/// What `--fail-on` takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FailOnArg {
    /// A row is neither slower nor the same for sure
    Inconclusive,
}

/// CI systems that are told what was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CiArg {
    /// None
    None,
    /// GitHub Actions (found by GITHUB_ACTIONS and GITHUB_STEP_SUMMARY)
    Github,
    /// Azure Pipelines (found by TF_BUILD)
    Azure,
}
