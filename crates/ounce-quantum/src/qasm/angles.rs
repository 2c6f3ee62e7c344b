//! Angles as expressions.

use std::f64::consts::PI;
use std::fmt::Write;

use crate::circuit::{Angle, Symbol};

/// The expression of an angle; `name` has the names of symbols.
pub(super) fn expression(angle: &Angle, name: &dyn Fn(Symbol) -> String) -> String {
    let mut text = String::new();
    for &(symbol, factor) in angle.terms() {
        let sign = if factor < 0.0 { "-" } else { "+" };
        let size = factor.abs();
        let scaled = if size == 1.0 { name(symbol) } else { format!("{}*{}", number(size), name(symbol)) };
        join(&mut text, sign, &scaled);
    }
    let offset = angle.offset();
    if text.is_empty() || offset != 0.0 {
        join(&mut text, if offset < 0.0 { "-" } else { "+" }, &number(offset.abs()));
    }
    text
}

fn join(text: &mut String, sign: &str, term: &str) {
    let written = match (text.is_empty(), sign) {
        (true, "+") => write!(text, "{term}"),
        (true, _) => write!(text, "-{term}"),
        _ => write!(text, " {sign} {term}"),
    };
    // Writing into a text does not fail.
    debug_assert!(written.is_ok());
}

/// A number from 0 on, as a multiple of pi where that gives the same bits when it is read, else with as many digits as it takes.
pub(crate) fn number(value: f64) -> String {
    for divisor in [1u32, 2, 3, 4, 6, 8, 12, 16, 32, 64] {
        let multiple = (value * f64::from(divisor) / PI).round();
        if (1.0..=64.0).contains(&multiple) && multiple * PI / f64::from(divisor) == value {
            let factor = if multiple == 1.0 { String::new() } else { format!("{multiple}*") };
            let by = if divisor == 1 { String::new() } else { format!("/{divisor}") };
            return format!("{factor}pi{by}");
        }
    }
    let text = format!("{value:?}");
    // OpenQASM 2 wants a point before an exponent.
    match text.split_once('e') {
        Some((digits, exponent)) if !digits.contains('.') => format!("{digits}.0e{exponent}"),
        _ => text,
    }
}
