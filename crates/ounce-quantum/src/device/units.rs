//! Units of calibration files.

/// What a time in `unit` is multiplied by to be in seconds; `None` for what is no unit of time.
pub(super) fn seconds(unit: &str) -> Option<f64> {
    Some(match unit {
        "s" => 1.0,
        "ms" => 1e-3,
        // Micro sign and Greek mu.
        "us" | "\u{b5}s" | "\u{3bc}s" => 1e-6,
        "ns" => 1e-9,
        "ps" => 1e-12,
        _ => return None,
    })
}

/// What a frequency in `unit` is multiplied by to be in hertz; `None` for what is no unit of frequency.
pub(super) fn hertz(unit: &str) -> Option<f64> {
    Some(match unit {
        "Hz" => 1.0,
        "kHz" | "KHz" => 1e3,
        "MHz" => 1e6,
        "GHz" => 1e9,
        "THz" => 1e12,
        _ => return None,
    })
}
