//! What stands against a run, in the words of `--soft`, and which of it decides the exit code.

use std::fmt;

use super::judge::is_compared;
use super::{JudgedRow, Report, RowVerdict};

/// A reason for which a gate run may end with another code than 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// A row computes a wrong answer, crashes, hangs or varies.
    Broken,
    /// A row is slower.
    Regressed,
    /// The control moved: the machine was disturbed.
    Contaminated,
    /// The baseline is of another environment.
    Environment,
    /// Nothing could be compared, for whatever reason: contains the two above.
    Uninterpretable,
    /// A row is inconclusive, and the caller wanted to know.
    Inconclusive,
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Self::Broken => "broken",
            Self::Regressed => "regressed",
            Self::Contaminated => "contaminated",
            Self::Environment => "environment",
            Self::Uninterpretable => "uninterpretable",
            Self::Inconclusive => "inconclusive",
        })
    }
}

/// What stands against `report`, worst first; `environment` says that its baseline is of another
/// environment.
pub fn classes(report: &Report, environment: bool) -> Vec<Class> {
    let has = |verdict| report.rows.iter().any(|row| row.verdict == verdict);
    // Without what is broken or slower, so that letting that pass does not hide the rest.
    let rest: Vec<&JudgedRow> = report
        .rows
        .iter()
        .filter(|row| !matches!(row.verdict, RowVerdict::Broken | RowVerdict::Regressed))
        .collect();
    let nothing = !rest.is_empty() && !rest.iter().any(|row| is_compared(row));
    let empty = report.rows.is_empty() || nothing || rest.iter().any(|row| row.unconfirmed);
    let found = [
        (has(RowVerdict::Broken), Class::Broken),
        (has(RowVerdict::Regressed), Class::Regressed),
        (has(RowVerdict::Contaminated), Class::Contaminated),
        (empty && environment, Class::Environment),
        (empty && !environment && !has(RowVerdict::Contaminated), Class::Uninterpretable),
        (has(RowVerdict::Inconclusive), Class::Inconclusive),
    ];
    found.into_iter().filter(|(there, _)| *there).map(|(_, class)| class).collect()
}

/// The classes of `against` that `soft` does not let pass.
pub fn blocking(against: &[Class], soft: &[Class]) -> Vec<Class> {
    let all_of_four = soft.contains(&Class::Uninterpretable);
    let four = |class| matches!(class, Class::Contaminated | Class::Environment);
    let passes = |class: &Class| soft.contains(class) || (all_of_four && four(*class));
    against.iter().copied().filter(|class| !passes(class)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::formats::fixture::{report, row};

    fn against(verdicts: &[RowVerdict]) -> Vec<Class> {
        classes(&report(verdicts.iter().map(|v| row("kernel_warm", *v, 1.0)).collect()), false)
    }

    #[test]
    fn the_classes_are_those_of_the_rows() {
        use RowVerdict::{Broken, Contaminated, Improved, Inconclusive, Regressed, Same};
        assert_eq!(against(&[Same, Improved]), []);
        assert_eq!(against(&[Same, Inconclusive]), [Class::Inconclusive]);
        assert_eq!(against(&[Regressed, Broken]), [Class::Broken, Class::Regressed]);
        assert_eq!(against(&[Contaminated]), [Class::Contaminated]);
        assert_eq!(against(&[Broken, Contaminated]), [Class::Broken, Class::Contaminated]);
        assert_eq!(against(&[Regressed, Inconclusive]), [Class::Regressed, Class::Inconclusive]);
        assert_eq!(against(&[]), [Class::Uninterpretable]);
        assert_eq!(classes(&report(vec![]), true), [Class::Environment]);
    }

    #[test]
    fn a_soft_class_lets_itself_pass_and_nothing_else() {
        let both = [Class::Broken, Class::Regressed];
        assert_eq!(blocking(&both, &[Class::Regressed]), [Class::Broken]);
        assert_eq!(blocking(&both, &both), []);
        assert_eq!(blocking(&[Class::Contaminated], &[Class::Uninterpretable]), []);
        assert_eq!(blocking(&[Class::Environment], &[Class::Uninterpretable]), []);
        // Not the other way round: who lets a disturbed machine pass wants to see an empty run.
        let empty = [Class::Uninterpretable];
        assert_eq!(blocking(&empty, &[Class::Contaminated, Class::Environment]), empty);
    }
}
