//! Money and shares for people. Programs get CSV and JSON instead. Times and rates: `units`.

/// What stands where a number is unknown.
pub const UNKNOWN: &str = "–";

/// A whole number with a comma every three digits.
pub fn thousands(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    if value < 0.0 { format!("-{out}") } else { out }
}

/// Money: `$1,234`, `$310`, `$12.30`, `$0.00123`, `$1.50e-7`.
pub fn usd(value: f64) -> String {
    let sign = if value < 0.0 { "−" } else { "" };
    let text = match value.abs() {
        v if v >= 99.995 => thousands(v),
        v if v >= 0.1 || v == 0.0 => format!("{v:.2}"),
        v if v >= 1e-6 => {
            let decimals = 2 - v.log10().floor() as i32;
            format!("{v:.*}", decimals.max(0) as usize)
        }
        v => format!("{v:.2e}"),
    };
    format!("{sign}${text}")
}

/// A share as a percentage: `12 %`, `0.4 %`.
pub fn percent(share: f64) -> String {
    let value = share * 100.0;
    if value.abs() >= 9.95 || value == 0.0 {
        format!("{value:.0} %")
    } else {
        format!("{value:.1} %")
    }
}

/// A ratio: `12×`, `2.8×`, `1.05×`, `0.42×`.
pub fn ratio(value: f64) -> String {
    match value {
        v if v >= 99.5 => format!("{}×", thousands(v)),
        v if v >= 9.95 => format!("{v:.0}×"),
        v if v >= 1.995 => format!("{v:.1}×"),
        v => format!("{v:.2}×"),
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
    fn money_shows_cents_where_they_matter_and_digits_where_cents_are_not_enough() {
        assert_eq!(usd(1_234_567.5), "$1,234,568");
        assert_eq!(usd(12.3), "$12.30");
        assert_eq!(usd(0.001_234), "$0.00123");
        assert_eq!(usd(-310.0), "−$310");
        assert_eq!(usd(0.0), "$0.00");
        assert_eq!(usd(1.5e-7), "$1.50e-7");
    }

    #[test]
    fn shares_and_ratios_keep_the_digits_that_tell() {
        assert_eq!(percent(0.1), "10 %");
        assert_eq!(percent(0.0042), "0.4 %");
        assert_eq!(ratio(0.42), "0.42×");
        assert_eq!(ratio(1.05), "1.05×");
        assert_eq!(ratio(2.84), "2.8×");
        assert_eq!(ratio(1234.0), "1,234×");
    }
}
