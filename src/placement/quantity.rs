//! Kubernetes quantities, as far as CPU and memory have them.

/// Thousandths of a CPU.
pub(super) fn milli(quantity: &str) -> Option<f64> {
    match quantity.strip_suffix('m') {
        Some(number) => number.parse().ok(),
        None => quantity.parse::<f64>().ok().map(|v| v * 1000.0),
    }
}

/// MiB of memory.
pub(super) fn mib(quantity: &str) -> Option<f64> {
    const UNITS: &[(&str, f64)] = &[
        ("Ki", 1024.0),
        ("Mi", 1024.0 * 1024.0),
        ("Gi", 1024.0 * 1024.0 * 1024.0),
        ("Ti", 1024.0 * 1024.0 * 1024.0 * 1024.0),
        ("k", 1e3),
        ("M", 1e6),
        ("G", 1e9),
        ("T", 1e12),
    ];
    let (number, bytes) = UNITS
        .iter()
        .find_map(|(unit, bytes)| Some((quantity.strip_suffix(unit)?, *bytes)))
        .unwrap_or((quantity, 1.0));
    Some(number.parse::<f64>().ok()? * bytes / (1024.0 * 1024.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_as_kubernetes_reads_them() {
        assert_eq!(milli("250m"), Some(250.0));
        assert_eq!(milli("1.5"), Some(1500.0));
        assert_eq!(milli("two"), None);
        assert_eq!(mib("2Gi"), Some(2048.0));
        assert_eq!(mib("512Ki"), Some(0.5));
        assert_eq!(mib("1048576"), Some(1.0));
        // 2 · 10⁹ ÷ 1048576
        assert_eq!(mib("2G").map(f64::round), Some(1907.0));
        assert_eq!(mib("4Xi"), None);
    }
}
