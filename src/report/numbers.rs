//! Shares and counts for people. Programs get CSV and JSON instead. Money, times and rates: `units`.

use crate::units::thousands;

/// What stands where a number is unknown.
pub const UNKNOWN: &str = "–";

/// A share as a percentage: `12 %`, `0.4 %`.
pub fn percent(share: f64) -> String {
    let value = share * 100.0;
    if value.abs() >= 9.95 || value == 0.0 {
        format!("{value:.0} %")
    } else {
        format!("{value:.1} %")
    }
}

/// A ratio: `12×`, `2.8×`, `1.05×`, `0.42×`, `0.027×`.
pub fn ratio(value: f64) -> String {
    match value {
        v if v >= 99.5 => format!("{}×", thousands(v)),
        v if v >= 9.95 => format!("{v:.0}×"),
        v if v >= 1.995 => format!("{v:.1}×"),
        v if v >= 0.0995 || v <= 0.0 => format!("{v:.2}×"),
        v => {
            let decimals = (1.0 - v.log10().floor()).min(9.0) as usize;
            format!("{v:.decimals$}×")
        }
    }
}

/// `1 case`, `2 cases`.
pub fn count(number: usize, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {one}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_and_ratios_keep_the_digits_that_tell() {
        assert_eq!(percent(0.1), "10 %");
        assert_eq!(percent(0.0042), "0.4 %");
        assert_eq!(ratio(0.42), "0.42×");
        assert_eq!(ratio(0.0271), "0.027×");
        assert_eq!(ratio(1.05), "1.05×");
        assert_eq!(ratio(2.84), "2.8×");
        assert_eq!(ratio(1234.0), "1,234×");
    }
}
