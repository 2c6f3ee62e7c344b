//! Hamiltonians as text: a coefficient and a string of Paulis a line.

use crate::observable::{PauliString, PauliSum};

/// Why a text is no Hamiltonian.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct TextError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it, and what to do.
    pub reason: String,
}

/// Reads lines such as `-0.5 XXIZ`, whose rightmost letter is qubit 0; `#` begins a comment. Returns the sum and its number of qubits.
///
/// # Errors
/// If a line is no term, strings differ in length, or there are none.
pub fn parse(text: &str) -> Result<(PauliSum, usize), TextError> {
    let mut terms = Vec::new();
    let mut qubits = None;
    for (index, line) in text.lines().enumerate() {
        let fail = |reason: String| TextError { line: index + 1, reason };
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        let (coefficient, string) = line
            .split_once(char::is_whitespace)
            .ok_or_else(|| fail("expected a coefficient and a string of Paulis, such as -0.5 XXIZ".into()))?;
        let value: f64 = coefficient.parse().map_err(|_| fail(format!("{coefficient:?} is no number")))?;
        if !value.is_finite() {
            return Err(fail(format!("the coefficient {coefficient} is not finite")));
        }
        let string = string.trim();
        let paulis = PauliString::parse(string)
            .ok_or_else(|| fail(format!("{string:?} has another letter than I, X, Y and Z")))?;
        match qubits {
            Some(qubits) if qubits != string.len() => {
                return Err(fail(format!("{} letters, the lines before have {qubits}", string.len())));
            }
            _ => qubits = Some(string.len()),
        }
        terms.push((value, paulis));
    }
    let qubits = qubits.ok_or(TextError { line: 1, reason: "no term in the whole text".into() })?;
    Ok((PauliSum::new(terms), qubits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_are_read_and_errors_have_their_line() {
        let read = parse("# H\n 0.5 XI\n-1e-1 ZZ # tail\n\n0.5 XI\n");
        assert_eq!(read.as_ref().map(|(sum, qubits)| (sum.terms().len(), *qubits)), Ok((2, 2)));
        assert_eq!(read.map(|(sum, _)| sum.terms()[0].0), Ok(1.0));
        for (text, line) in [("1.0 XQ", 1), ("1 X\n2 XX", 2), ("\n\nnan X", 3), ("x X", 1), ("1", 1), ("", 1)]
        {
            assert_eq!(parse(text).map_err(|error| error.line), Err(line), "{text:?}");
        }
    }
}
