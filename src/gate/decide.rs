//! The decisions on paired rounds, in logarithms of the time ratio candidate ÷ base. Words are made
//! in `judge`.

use super::rules::Rules;
use super::{Arm, Measured, MetricClass, Pair, RowData, RowVerdict};
use crate::stats::signed_rank::{Walsh, values_needed};

/// Above this share of unusable rounds a row is not judged.
const MOST_UNUSABLE: f64 = 0.25;

/// Which way a row moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The candidate takes longer.
    Slower,
    /// It takes less time.
    Faster,
}

/// What the control case, which holds no user code, tells of the run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Control {
    /// Not measured, or in too few rounds for its interval.
    Unknown,
    /// Its interval holds "no shift"; nothing is divided out.
    Still {
        /// Estimate of its log ratio.
        estimate: f64,
    },
    /// It moved, by less than the limit: its estimate is divided out and the ends of its interval
    /// widen those of the rows.
    Shifted {
        /// Estimate of its log ratio.
        estimate: f64,
        /// Its interval, each end at half of `alpha_confirm`.
        interval: [f64; 2],
    },
    /// It moved by the limit or more.
    Contaminated {
        /// Estimate of its log ratio.
        estimate: f64,
    },
}

impl Control {
    /// Its estimate, where there is one.
    pub fn estimate(self) -> Option<f64> {
        match self {
            Self::Unknown => None,
            Self::Still { estimate }
            | Self::Shifted { estimate, .. }
            | Self::Contaminated { estimate } => Some(estimate),
        }
    }

    /// What is divided out: estimate and interval; zeros where nothing is.
    fn shift(self) -> (f64, [f64; 2]) {
        match self {
            Self::Shifted { estimate, interval } => (estimate, interval),
            _ => (0.0, [0.0; 2]),
        }
    }
}

/// Why a row has its verdict.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Why {
    /// Something went wrong in an arm, as [`RowData::fault`] tells.
    Fault(Arm),
    /// Too many rounds without a usable time.
    Unusable,
    /// Fewer rounds than any test at the level of SAME needs.
    TooFew {
        /// Rounds that would be needed.
        needed: usize,
    },
    /// Exact values that differ within an arm.
    NotExact,
    /// Exact values, compared as they are.
    Exact,
    /// The control moved.
    Control,
    /// A suspect whose confirming rounds cannot reach the level.
    Unconfirmed {
        /// Rounds that would be needed.
        needed: usize,
    },
    /// Both stages beyond the margin; `cycles` says whether the device's cycles say so too.
    Confirmed {
        /// False where the device's clock is not known or does not matter.
        cycles: bool,
    },
    /// Time beyond the margin, cycles not.
    Clock {
        /// Hodges–Lehmann estimate of the log ratio in cycles.
        cycles: f64,
    },
    /// The 90 % interval lies within the margin.
    Within,
    /// Neither beyond the margin nor within it.
    Unclear,
}

/// What was found out about a row.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// Verdict.
    pub verdict: RowVerdict,
    /// Its ground.
    pub why: Why,
    /// Which way it moved in screening, where it is a suspect.
    pub suspect: Option<Direction>,
    /// Hodges–Lehmann estimate of the log ratio, from the rounds that decided.
    pub estimate: Option<f64>,
    /// Interval of the log ratio, each end at `alpha`.
    pub interval: Option<[f64; 2]>,
    /// Error rate of each end of the interval.
    pub alpha: f64,
    /// Rounds without a usable time.
    pub unusable: usize,
}

impl Decision {
    fn bare(verdict: RowVerdict, why: Why) -> Self {
        Self {
            verdict,
            why,
            suspect: None,
            estimate: None,
            interval: None,
            alpha: 0.0,
            unusable: 0,
        }
    }
}

/// A usable number: a time that is finite and above zero. A clock that stepped back yields others.
fn usable(value: f64) -> bool {
    value.is_finite() && value > 0.0
}

/// Log ratios of the usable rounds.
pub(super) fn log_ratios(pairs: &[Pair]) -> Vec<f64> {
    let mut ratios = Vec::with_capacity(pairs.len());
    for pair in pairs.iter().filter(|p| usable(p.base) && usable(p.cand)) {
        ratios.push((pair.cand / pair.base).ln());
    }
    ratios
}

/// Log ratios in cycles, where every usable round has them.
fn cycle_ratios(pairs: &[Pair]) -> Option<Vec<f64>> {
    let timed = pairs.iter().filter(|p| usable(p.base) && usable(p.cand));
    let ratio = |p: &Pair| {
        let [base, cand] = p.cycles.filter(|c| usable(c[0]) && usable(c[1]))?;
        Some((cand / base).ln())
    };
    timed.map(ratio).collect()
}

/// A row that statistics can judge.
fn is_tested(row: &RowData) -> bool {
    let any = || row.screen.iter().any(|p| usable(p.base) && usable(p.cand));
    row.class != MetricClass::Exact && row.fault.is_none() && any()
}

/// Number of rows over which the confirming level is shared.
pub fn tests(measured: &Measured) -> usize {
    measured.rows.iter().filter(|row| is_tested(row)).count()
}

/// What the control tells; its rounds are those of both stages.
pub fn control(measured: &Measured, rules: &Rules) -> Control {
    let Some(mut walsh) = Walsh::new(&log_ratios(&measured.control)) else {
        return Control::Unknown;
    };
    let alpha = rules.alpha_confirm / 2.0;
    let (Some(low), Some(high)) = (walsh.lower(alpha), walsh.upper(alpha)) else {
        return Control::Unknown;
    };
    let estimate = walsh.estimate();
    if low <= 0.0 && high >= 0.0 {
        return Control::Still { estimate };
    }
    if estimate.abs() >= rules.control_limit.ln_1p() {
        return Control::Contaminated { estimate };
    }
    Control::Shifted { estimate, interval: [low, high] }
}

/// Which way a row moved in screening, where it moved: the one-sided bound at `alpha_screen` leaves
/// zero behind and the estimate half the margin.
fn screened(row: &RowData, shift: f64, rules: &Rules) -> Option<Direction> {
    if !is_tested(row) {
        return None;
    }
    let margin = rules.margin(row.class).ln_1p();
    let mut walsh = Walsh::new(&log_ratios(&row.screen))?;
    let estimate = walsh.estimate() - shift;
    if estimate > margin / 2.0 && walsh.lower(rules.alpha_screen)? > shift {
        Some(Direction::Slower)
    } else if estimate < -margin / 2.0 && walsh.upper(rules.alpha_screen)? < shift {
        Some(Direction::Faster)
    } else {
        None
    }
}

/// Rows, by index, that need fresh rounds before anything is said against or for them. Exact
/// metrics never do; nor does anything in a contaminated run.
pub fn suspects(measured: &Measured, rules: &Rules) -> Vec<usize> {
    let control = control(measured, rules);
    if matches!(control, Control::Contaminated { .. }) {
        return Vec::new();
    }
    let (shift, _) = control.shift();
    let rows = measured.rows.iter().enumerate();
    rows.filter(|(_, row)| screened(row, shift, rules).is_some()).map(|(at, _)| at).collect()
}

/// One decision a row, in the order of the rows.
pub fn decide(measured: &Measured, rules: &Rules) -> Vec<Decision> {
    let control = control(measured, rules);
    let tests = tests(measured);
    measured.rows.iter().map(|row| decide_row(row, control, tests, rules)).collect()
}

fn decide_row(row: &RowData, control: Control, tests: usize, rules: &Rules) -> Decision {
    if let Some((arm, _)) = &row.fault {
        return decide_fault(*arm);
    }
    if row.class == MetricClass::Exact {
        return decide_exact(row);
    }
    let pairs = if row.confirm.is_empty() { &row.screen } else { &row.confirm };
    let values = log_ratios(pairs);
    let unusable = pairs.len() - values.len();
    let (shift, widen) = control.shift();
    let mut walsh = Walsh::new(&values);
    let estimate = walsh.as_mut().map(|w| w.estimate() - shift);
    let bare = |verdict, why| Decision { estimate, unusable, ..Decision::bare(verdict, why) };
    if matches!(control, Control::Contaminated { .. }) {
        return bare(RowVerdict::Contaminated, Why::Control);
    }
    if unusable as f64 > MOST_UNUSABLE * pairs.len() as f64 || walsh.is_none() {
        return bare(RowVerdict::Inconclusive, Why::Unusable);
    }
    let suspect = screened(row, shift, rules);
    let bounds = |walsh: &mut Option<Walsh>, alpha: f64| {
        let walsh = walsh.as_mut()?;
        Some([walsh.lower(alpha)? - widen[1], walsh.upper(alpha)? - widen[0]])
    };
    let margin = rules.margin(row.class).ln_1p();
    // Where the control is divided out, its interval has the other half of the error rate.
    let share = if matches!(control, Control::Shifted { .. }) { 0.5 } else { 1.0 };
    let alpha = share * rules.alpha_confirm / tests as f64;
    let strict = if row.confirm.is_empty() { None } else { bounds(&mut walsh, alpha) };
    let beyond = strict.and_then(|[low, high]| match suspect {
        Some(Direction::Slower) if low > margin => Some(RowVerdict::Regressed),
        Some(Direction::Faster) if high < -margin => Some(RowVerdict::Improved),
        _ => None,
    });
    if let Some(verdict) = beyond {
        let (verdict, why) = in_cycles(row, verdict, alpha, margin);
        return Decision { suspect, interval: strict, alpha, ..bare(verdict, why) };
    }
    let Some(wide) = bounds(&mut walsh, rules.alpha_same) else {
        let needed = values_needed(rules.alpha_same);
        return Decision { suspect, ..bare(RowVerdict::Inconclusive, Why::TooFew { needed }) };
    };
    let same = Decision {
        suspect,
        interval: Some(wide),
        alpha: rules.alpha_same,
        ..bare(RowVerdict::Same, Why::Within)
    };
    if wide[0] > -margin && wide[1] < margin {
        return same;
    }
    match (suspect, strict) {
        (Some(_), None) => Decision {
            verdict: RowVerdict::Inconclusive,
            why: Why::Unconfirmed { needed: values_needed(alpha) },
            ..same
        },
        (_, Some(strict)) => Decision {
            verdict: RowVerdict::Inconclusive,
            why: Why::Unclear,
            interval: Some(strict),
            alpha,
            ..same
        },
        (None, None) => Decision { verdict: RowVerdict::Inconclusive, why: Why::Unclear, ..same },
    }
}

/// A change in time counts on a GPU only where the cycles show it too.
fn in_cycles(row: &RowData, verdict: RowVerdict, alpha: f64, margin: f64) -> (RowVerdict, Why) {
    let on_gpu = matches!(row.class, MetricClass::GpuWarm | MetricClass::GpuCold);
    let walsh = cycle_ratios(&row.confirm).and_then(|values| Walsh::new(&values));
    let (true, Some(mut walsh)) = (on_gpu, walsh) else {
        return (verdict, Why::Confirmed { cycles: false });
    };
    let beyond = match verdict {
        RowVerdict::Improved => walsh.upper(alpha).is_some_and(|high| high < -margin),
        _ => walsh.lower(alpha).is_some_and(|low| low > margin),
    };
    if beyond {
        (verdict, Why::Confirmed { cycles: true })
    } else {
        (RowVerdict::ClockLimited, Why::Clock { cycles: walsh.estimate() })
    }
}

/// A candidate with a fault is broken. Without a base, or where both fail, nothing is compared.
fn decide_fault(arm: Arm) -> Decision {
    let verdict = match arm {
        Arm::Cand => RowVerdict::Broken,
        Arm::Base => RowVerdict::Inconclusive,
    };
    Decision::bare(verdict, Why::Fault(arm))
}

/// Any difference counts; no statistics. Values that vary within an arm count where the arms do not
/// overlap at all.
fn decide_exact(row: &RowData) -> Decision {
    let pairs: Vec<&Pair> = row.screen.iter().chain(&row.confirm).collect();
    let fine =
        |p: &&Pair| p.base.is_finite() && p.cand.is_finite() && p.base >= 0.0 && p.cand >= 0.0;
    let unusable = pairs.iter().filter(|p| !fine(p)).count();
    let range = |arm: fn(&Pair) -> f64| {
        let all = pairs.iter().map(|p| arm(p));
        all.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)))
    };
    let (base, cand) = (range(|p| p.base), range(|p| p.cand));
    let (verdict, why) = if pairs.is_empty() || unusable > 0 {
        (RowVerdict::Inconclusive, Why::Unusable)
    } else if cand.0 > base.1 {
        (RowVerdict::Regressed, Why::Exact)
    } else if cand.1 < base.0 {
        (RowVerdict::Improved, Why::Exact)
    } else if base.0 == base.1 && cand == base {
        (RowVerdict::Same, Why::Exact)
    } else {
        (RowVerdict::Inconclusive, Why::NotExact)
    };
    let ratio = (unusable == 0 && base.0 > 0.0 && cand.0 > 0.0).then(|| (cand.0 / base.0).ln());
    let constant = base.0 == base.1 && cand.0 == cand.1;
    let estimate = ratio.filter(|_| constant);
    Decision {
        estimate,
        interval: estimate.map(|e| [e, e]),
        unusable,
        ..Decision::bare(verdict, why)
    }
}
