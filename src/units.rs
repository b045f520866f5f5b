//! Printing of quantities and money for people: three significant digits and a prefix.

/// A number with three significant digits: `1.23`, `12.3`, `123`, `1230`.
pub fn three_digits(value: f64) -> String {
    let magnitude = value.abs();
    if magnitude >= 99.95 || magnitude == 0.0 {
        format!("{value:.0}")
    } else if magnitude >= 9.995 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    }
}

/// A time in seconds: `850 ns`, `1.23 ms`, `4.50 s`, `12.0 min`, `3.20 h`.
pub fn seconds(value_s: f64) -> String {
    let steps =
        [(3600.0, "h"), (120.0, "min"), (0.9995, "s"), (0.9995e-3, "ms"), (0.9995e-6, "µs")];
    let scale = [3600.0, 60.0, 1.0, 1e-3, 1e-6];
    for ((from, unit), size) in steps.into_iter().zip(scale) {
        if value_s.abs() >= from {
            return format!("{} {unit}", three_digits(value_s / size));
        }
    }
    format!("{} ns", three_digits(value_s * 1e9))
}

/// Bytes in binary steps: `512 B`, `1.50 KiB`, `2.00 GiB`.
pub fn bytes(value: f64) -> String {
    let steps = [(1u64 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    for (size, unit) in steps {
        if value.abs() >= size as f64 {
            return format!("{} {unit}", three_digits(value / size as f64));
        }
    }
    format!("{value:.0} B")
}

/// A quantity with a decimal prefix: `si(2.5e11, "FLOP/s")` is `250 GFLOP/s`.
pub fn si(value: f64, unit: &str) -> String {
    let steps = [(1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")];
    for (size, prefix) in steps {
        if value.abs() >= size * 0.9995 {
            return format!("{} {prefix}{unit}", three_digits(value / size));
        }
    }
    format!("{} {unit}", three_digits(value))
}

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

/// A number of jobs a day: whole ones, below ten with three significant digits (`0.14`).
pub fn jobs(value: f64) -> String {
    if value <= 0.0 || value >= 10.0 || value.fract() == 0.0 {
        return thousands(value);
    }
    let decimals = (2.0 - value.log10().floor()).clamp(0.0, 9.0) as usize;
    let text = format!("{value:.decimals$}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// US dollars: `$1,234`, `$12.30`, below ten cents three significant digits (`$0.00123`); with an
/// exponent only where these would be lost among zeros or the whole digits beyond counting.
pub fn usd(value: f64) -> String {
    let sign = if value < 0.0 { "−" } else { "" };
    let text = match value.abs() {
        v if v >= 1e15 => format!("{v:.2e}"),
        v if v >= 99.995 => thousands(v),
        v if v >= 0.1 || v == 0.0 => format!("{v:.2}"),
        v if v >= 1e-9 => {
            let decimals = 2 - v.log10().floor() as i32;
            format!("{v:.*}", decimals.max(0) as usize)
        }
        v => format!("{v:.2e}"),
    };
    format!("{sign}${text}")
}

/// So many of a unit: `1 frame`, `1,200 frames`, `2.5 MB`.
pub fn of_unit(number: f64, unit: &str) -> String {
    let told = if number.fract() == 0.0 { thousands(number) } else { number.to_string() };
    if number == 1.0 { format!("1 {unit}") } else { format!("{told} {}", plural(unit)) }
}

/// The plural of a unit's name; symbols such as MB and words in s have none of their own.
pub fn plural(unit: &str) -> String {
    let word = unit.ends_with(|c: char| c.is_ascii_lowercase() && c != 's');
    if word && !unit.contains(char::is_uppercase) { format!("{unit}s") } else { unit.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_jobs_a_day_keep_their_digits() {
        let told = [0.0, 0.14, 1.0, 2.5, 0.000_012_34, 9.999, 12.4, 5e6].map(jobs);
        assert_eq!(told, ["0", "0.14", "1", "2.5", "0.0000123", "10", "12", "5,000,000"]);
    }

    #[test]
    fn money_shows_cents_where_they_matter_and_digits_where_cents_are_not_enough() {
        assert_eq!(usd(1_234_567.5), "$1,234,568");
        assert_eq!(usd(12.3), "$12.30");
        assert_eq!(usd(0.001_234), "$0.00123");
        assert_eq!(usd(-310.0), "−$310");
        assert_eq!(usd(0.0), "$0.00");
        assert_eq!(usd(6.31e-7), "$0.000000631");
        assert_eq!(usd(1.5e-10), "$1.50e-10");
        assert_eq!(usd(2.5e31), "$2.50e31");
    }

    #[test]
    fn a_count_agrees_with_its_unit() {
        assert_eq!(of_unit(1.0, "frame"), "1 frame");
        assert_eq!(of_unit(3000.0, "frame"), "3,000 frames");
        assert_eq!(of_unit(2.5, "MB"), "2.5 MB");
        assert_eq!(plural("tokens"), "tokens");
    }

    #[test]
    fn quantities_read_well() {
        assert_eq!(seconds(0.001_234), "1.23 ms");
        assert_eq!(seconds(8.5e-7), "850 ns");
        assert_eq!(seconds(45.0), "45.0 s");
        assert_eq!(seconds(720.0), "12.0 min");
        assert_eq!(seconds(0.0), "0 ns");
        assert_eq!(bytes(1536.0), "1.50 KiB");
        assert_eq!(bytes(12.0), "12 B");
        assert_eq!(si(2.5e11, "FLOP/s"), "250 GFLOP/s");
        assert_eq!(si(12.34, "frame/s"), "12.3 frame/s");
        assert_eq!(si(999.9, "x"), "1.00 kx");
    }
}
