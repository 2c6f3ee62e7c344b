//! Encoding in amplitudes: TorchQuantum's `StateEncoder` and `MagnitudeEncoder`.
//!
//! Amplitudes are not linear in angles, so there is no circuit with inputs: each sample has its own initial state, or its own circuit that prepares it.
//! As in TorchQuantum, value `i` of a sample belongs to the state whose bits, qubit 0 first, are those of `i` from the most significant
//! down; values that are missing are 0.

use crate::circuit::Circuit;
use crate::matrix::C64;
use crate::transpile::prepare_state;

/// Why a sample has no state.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum AmplitudeError {
    /// More values than amplitudes.
    #[error("{values} values do not fit the amplitudes of {qubits} qubits; take more qubits")]
    TooMany {
        /// Values of the sample.
        values: usize,
        /// Qubits.
        qubits: usize,
    },
    /// Values that cannot be normalised.
    #[error("a sample of zeros or of values that are not finite has no state; leave it out or scale it")]
    NoNorm,
}

/// The state whose amplitudes are the values of a sample, normalised: `StateEncoder`, also called amplitude encoding.
///
/// # Errors
/// If there are more values than amplitudes, all are 0 or one is not finite.
pub fn state(sample: &[f64], qubits: usize) -> Result<Vec<C64>, AmplitudeError> {
    let values = sample.len();
    if qubits >= usize::BITS as usize || values > 1 << qubits {
        return Err(AmplitudeError::TooMany { values, qubits });
    }
    // Scaling by the largest value keeps the squares from under- and overflow.
    let largest = sample.iter().fold(0.0f64, |largest, value| largest.max(value.abs()));
    let norm = sample.iter().map(|value| (value / largest).powi(2)).sum::<f64>().sqrt();
    if !(norm.is_finite() && largest.is_finite() && norm > 0.0) {
        return Err(AmplitudeError::NoNorm);
    }
    let mut state = vec![C64::default(); 1 << qubits];
    for (index, value) in sample.iter().enumerate() {
        let reversed = (0..qubits).fold(0, |reversed, bit| reversed << 1 | (index >> bit & 1));
        state[reversed] = C64::from(value / largest / norm);
    }
    Ok(state)
}

/// The state that is found in basis state `i` with a probability in proportion to the magnitude of value `i`: amplitudes are the square roots.
/// TorchQuantum has `MagnitudeEncoder` as a name only.
///
/// # Errors
/// As [`state`].
pub fn magnitude_state(sample: &[f64], qubits: usize) -> Result<Vec<C64>, AmplitudeError> {
    state(&sample.iter().map(|value| value.abs().sqrt()).collect::<Vec<_>>(), qubits)
}

/// A circuit that makes the state of [`state`] from zeros: rotations and CNOTs.
///
/// # Errors
/// As [`state`].
pub fn circuit(sample: &[f64], qubits: usize) -> Result<Circuit, AmplitudeError> {
    Ok(prepare_state(&state(sample, qubits)?))
}
