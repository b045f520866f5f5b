//! Axes: from values to places, and which values are marked.
//!
//! The ticks are our own: those of plotters carry the noise of floating point into their labels and
//! need care on logarithmic axes.

use crate::units::thousands;

/// An axis. Both ends are finite and apart; those of a logarithmic one are above 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    log: bool,
    lo: f64,
    hi: f64,
}

/// A marked value.
#[derive(Debug, Clone, PartialEq)]
pub struct Tick {
    pub value: f64,
    pub label: String,
}

/// Values beyond these are drawn at the edge.
const LIMITS: (f64, f64) = (1e-290, 1e290);
/// A linear axis is at least so wide, as a share of its values: labels have an end.
const NARROWEST: f64 = 1e-6;
/// More ticks than this are never made.
const MOST_TICKS: usize = 12;

impl Scale {
    /// A logarithmic axis over the values above 0, with some air; 1 to 10 without any.
    pub fn log(values: impl IntoIterator<Item = f64>) -> Self {
        let usable = values.into_iter().filter(|v| v.is_finite() && *v > 0.0);
        let Some((lo, hi)) = span(usable.map(|v| v.clamp(LIMITS.0, LIMITS.1))) else {
            return Self { log: true, lo: 1.0, hi: 10.0 };
        };
        let air = if hi / lo < 1.0 + 1e-9 { 1.5 } else { (hi / lo).powf(0.04).clamp(1.02, 3.0) };
        Self { log: true, lo: lo / air, hi: hi * air }
    }

    /// The same axis, widened to reach over at least a factor of `least`: small differences then look
    /// small.
    pub fn at_least(self, least: f64) -> Self {
        let missing = least * self.lo / self.hi;
        let widen = if self.log && missing > 1.0 { missing.sqrt() } else { 1.0 };
        Self { lo: self.lo / widen, hi: self.hi * widen, ..self }
    }

    /// A linear axis over the values, with some air; 0 to 1 without any.
    pub fn linear(values: impl IntoIterator<Item = f64>) -> Self {
        let usable = values.into_iter().filter(|v| v.is_finite());
        let Some((lo, hi)) = span(usable.map(|v| v.clamp(-LIMITS.1, LIMITS.1))) else {
            return Self { log: false, lo: 0.0, hi: 1.0 };
        };
        let magnitude = lo.abs().max(hi.abs());
        let air = match hi - lo {
            _ if magnitude < LIMITS.0 => 1.0,
            width if width < NARROWEST * magnitude => 0.5 * magnitude,
            width => 0.04 * width,
        };
        Self { log: false, lo: lo - air, hi: hi + air }
    }

    /// A linear axis from `lo` to `hi` exactly; the ends of an empty one are moved apart.
    pub fn exactly(lo: f64, hi: f64) -> Self {
        let magnitude = lo.abs().max(hi.abs());
        let drawable = (LIMITS.0..=LIMITS.1).contains(&magnitude);
        if drawable && hi - lo > NARROWEST * magnitude {
            return Self { log: false, lo, hi };
        }
        Self::linear([lo, hi])
    }

    /// Where the value is: 0 at the low end, 1 at the high end; what is beyond is at the end.
    pub fn share(&self, value: f64) -> f64 {
        let share = match self.log {
            true => (value.max(LIMITS.0) / self.lo).ln() / (self.hi / self.lo).ln(),
            false => (value - self.lo) / (self.hi - self.lo),
        };
        if share.is_nan() { 0.0 } else { share.clamp(0.0, 1.0) }
    }

    /// What an axis shows, with its kind of scale.
    pub fn titled(&self, what: &str) -> String {
        if self.log { format!("{what} (log scale)") } else { what.to_owned() }
    }

    /// Low and high end.
    pub fn ends(&self) -> (f64, f64) {
        (self.lo, self.hi)
    }

    /// At most `most` values worth marking.
    pub fn ticks(&self, most: usize) -> Vec<Tick> {
        let most = most.clamp(2, MOST_TICKS);
        if self.log { self.log_ticks(most) } else { self.linear_ticks(most) }
    }

    /// Powers of ten where there are three of them, else 1-2-5, else as on a linear axis.
    fn log_ticks(&self, most: usize) -> Vec<Tick> {
        let (first, last) = (self.lo.log10().floor() as i32, self.hi.log10().ceil() as i32);
        let inside = |tick: &Tick| tick.value >= self.lo && tick.value <= self.hi;
        let powers = |each: &[u32], step: usize| -> Vec<Tick> {
            let exponents = (first..=last).filter(|e| e.rem_euclid(step as i32) == 0);
            exponents
                .flat_map(|e| each.iter().map(move |m| tick(i64::from(*m), e)))
                .filter(inside)
                .collect()
        };
        let tens = powers(&[1], 1);
        if tens.len() >= 3 {
            return match tens.len().div_ceil(most) {
                1 => tens,
                step => powers(&[1], step),
            };
        }
        let fine = powers(&[1, 2, 5], 1);
        if fine.len() > most {
            return tens;
        }
        if fine.len() >= 3 {
            return fine;
        }
        let linear = self.linear_ticks(most.min(5));
        if linear.len() > fine.len() { linear } else { fine }
    }

    fn linear_ticks(&self, most: usize) -> Vec<Tick> {
        let least = (self.hi - self.lo) / most as f64;
        let exponent = least.log10().floor() as i32;
        let steps = [(1, exponent), (2, exponent), (5, exponent), (1, exponent + 1)];
        let step_of = |(digit, exponent): (i64, i32)| tick(digit, exponent).value;
        let (digit, exponent) =
            steps.into_iter().find(|s| step_of(*s) >= least).unwrap_or((1, exponent + 1));
        let step = step_of((digit, exponent));
        // 0.3 / 0.1 is a little less than 3.
        let (first, last) =
            ((self.lo / step - 1e-9).ceil() as i64, (self.hi / step + 1e-9).floor() as i64);
        (first..=last)
            .take(MOST_TICKS + 1)
            .map(|n| tick(n.saturating_mul(digit), exponent))
            .collect()
    }
}

/// The least and the greatest.
fn span(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.fold(None, |span, v| match span {
        None => Some((v, v)),
        Some((lo, hi)) => Some((f64::min(lo, v), f64::max(hi, v))),
    })
}

/// `digits · 10^exponent`: the value nearest to it, and its label, both without noise.
fn tick(digits: i64, exponent: i32) -> Tick {
    let value: f64 = format!("{digits}e{exponent}").parse().unwrap_or(0.0);
    Tick { value, label: decimal(digits, exponent) }
}

/// `1,000`, `0.05`, `2×10⁹`.
fn decimal(digits: i64, exponent: i32) -> String {
    if digits == 0 {
        return "0".into();
    }
    // 2000·10³ is 2·10⁶.
    let (mut digits, mut exponent) = (digits, exponent);
    while digits % 10 == 0 {
        digits /= 10;
        exponent += 1;
    }
    let sign = if digits < 0 { "−" } else { "" };
    let mantissa = digits.unsigned_abs().to_string();
    let magnitude = exponent + mantissa.len() as i32 - 1;
    let text = match magnitude {
        0..6 if exponent >= 0 => thousands(digits.unsigned_abs() as f64 * 10f64.powi(exponent)),
        -4..6 => {
            let decimals = exponent.unsigned_abs() as usize;
            let padded = format!("{mantissa:0>width$}", width = decimals + 1);
            let (whole, part) = padded.split_at(padded.len() - decimals);
            format!("{whole}.{part}")
        }
        _ => {
            let power = format!("10{}", superscript(magnitude));
            let (lead, rest) = mantissa.split_at(1);
            match (lead, rest) {
                ("1", "") => power,
                (lead, "") => format!("{lead}×{power}"),
                (lead, rest) => format!("{lead}.{rest}×{power}"),
            }
        }
    };
    format!("{sign}{text}")
}

fn superscript(number: i32) -> String {
    let digit = |c: char| match c {
        '-' => '⁻',
        '1' => '¹',
        '2' => '²',
        '3' => '³',
        c => char::from_u32('⁰' as u32 + c as u32 - '0' as u32).unwrap_or(c),
    };
    number.to_string().chars().map(digit).collect()
}

/// A size as people write it: `256`, `20,000`, `0.5`, `2.5×10⁹`.
pub fn number(value: f64) -> String {
    if value == 0.0 {
        return "0".into();
    }
    if !value.is_finite() {
        return "–".into();
    }
    if value.fract() == 0.0 && value.abs() < 1e7 {
        return thousands(value);
    }
    let text = format!("{value:.3e}");
    let Some((mantissa, exponent)) = text.split_once('e') else { return text };
    let digits: i64 = mantissa.replace('.', "").parse().unwrap_or(0);
    let exponent: i32 = exponent.parse().unwrap_or(0);
    decimal(digits, exponent - 3)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use proptest::prelude::*;

    use super::*;

    fn labels(scale: Scale, most: usize) -> Vec<String> {
        scale.ticks(most).into_iter().map(|t| t.label).collect()
    }

    #[test]
    fn wide_log_axes_have_powers_of_ten_and_narrow_ones_have_1_2_5() {
        assert_eq!(labels(Scale::log([1.0, 1000.0]), 6), ["1", "10", "100", "1,000"]);
        assert_eq!(labels(Scale::log([3.0, 60.0]), 6), ["5", "10", "20", "50"]);
        assert_eq!(labels(Scale::log([0.002, 0.03]), 6), ["0.002", "0.005", "0.01", "0.02"]);
        // Twelve decades into at most five ticks: every third.
        assert_eq!(labels(Scale::log([1.0, 1e12]), 5), ["1", "1,000", "10⁶", "10⁹", "10¹²"]);
        // A factor of 1.2 has no room for 1-2-5.
        assert_eq!(labels(Scale::log([100.0, 120.0]), 6), ["100", "105", "110", "115", "120"]);
    }

    #[test]
    fn linear_axes_have_round_steps_without_noise() {
        assert_eq!(labels(Scale::exactly(0.0, 1.0), 6), ["0", "0.2", "0.4", "0.6", "0.8", "1"]);
        assert_eq!(labels(Scale::exactly(0.0, 0.3), 4), ["0", "0.1", "0.2", "0.3"]);
        assert_eq!(labels(Scale::exactly(-20.0, 20.0), 5), ["−20", "−10", "0", "10", "20"]);
        assert_eq!(labels(Scale::exactly(0.0, 5e9), 3), ["0", "2×10⁹", "4×10⁹"]);
    }

    #[test]
    fn one_value_gets_room_on_both_sides() {
        assert_eq!(Scale::log([8.0, 8.0]).ends(), (8.0 / 1.5, 12.0));
        assert_eq!(Scale::linear([8.0]).ends(), (4.0, 12.0));
        assert_eq!(Scale::linear([0.0]).ends(), (-1.0, 1.0));
        assert_eq!(Scale::log([8.0]).share(8.0), 0.5);
        // 1.5² is 2.25 already; 9 has a third on either side of 8.
        assert_eq!(Scale::log([8.0]).at_least(2.0).ends(), (8.0 / 1.5, 12.0));
        let (lo, hi) = Scale::log([8.0]).at_least(9.0).ends();
        assert!((lo - 8.0 / 3.0).abs() < 1e-9 && (hi - 24.0).abs() < 1e-9);
    }

    #[test]
    fn sizes_read_well() {
        assert_eq!(number(256.0), "256");
        assert_eq!(number(20_000.0), "20,000");
        assert_eq!(number(0.5), "0.5");
        assert_eq!(number(2.5e9), "2.5×10⁹");
        assert_eq!(number(f64::NAN), "–");
    }

    proptest! {
        #[test]
        fn no_range_hangs_or_breaks_an_axis(a in any::<f64>(), b in any::<f64>(), most in 0usize..99) {
            let begun = Instant::now();
            for scale in [Scale::log([a, b]), Scale::linear([a, b]), Scale::exactly(a, b)] {
                let (lo, hi) = scale.ends();
                prop_assert!(lo.is_finite() && hi.is_finite() && lo < hi, "{lo} {hi}");
                let ticks = scale.ticks(most);
                prop_assert!(ticks.len() <= MOST_TICKS + 1);
                for tick in &ticks {
                    prop_assert!(tick.label.chars().count() <= 18, "{}", tick.label);
                }
                for pair in ticks.windows(2) {
                    prop_assert!(pair[0].value < pair[1].value && pair[0].label != pair[1].label);
                }
                for value in [a, b, lo, hi] {
                    prop_assert!((0.0..=1.0).contains(&scale.share(value)));
                }
            }
            // Hundreds of times what it takes; a loop that never ends is what is meant.
            prop_assert!(begun.elapsed() < Duration::from_millis(500));
        }
    }
}
