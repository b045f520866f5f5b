//! Printing of quantities for people: three significant digits and a prefix.

/// A number with three significant digits: `1.23`, `12.3`, `123`, `1230`.
fn three_digits(value: f64) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

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
