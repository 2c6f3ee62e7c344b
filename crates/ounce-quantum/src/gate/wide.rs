//! Gates of any width, which one name covers for all numbers of qubits.

use std::f64::consts::PI;

use super::{Gate, MAX_UNITARY_QUBITS, Standard, by_name};
use crate::matrix::{C64, Matrix};
use crate::observable::Pauli;

/// `exp(-i angle/2 Z..Z)` on `qubits` qubits: TorchQuantum's and PennyLane's `multirz`.
pub fn multirz(qubits: usize) -> Gate {
    Gate::pauli_rotation(vec![Pauli::Z; qubits])
}

/// X on the last of `qubits` qubits where all others are 1; `None` without qubits.
pub fn multicnot(qubits: usize) -> Option<Gate> {
    Some(Gate::from(Standard::X).controlled(qubits.checked_sub(1)?))
}

/// X on the last of `qubits` qubits where all others are 0, as a matrix; `None` for none or more than [`MAX_UNITARY_QUBITS`] qubits.
pub fn multixcnot(qubits: usize) -> Option<Gate> {
    let dim = dimension(qubits)?;
    let image = |index: usize| if index < 2 { 1 - index } else { index };
    Gate::unitary(Matrix::from_fn(dim, |row, column| C64::from(f64::from(u8::from(row == image(column))))))
}

/// The quantum Fourier transform as a matrix, with entries `exp(2 pi i row column / 2^qubits) / sqrt(2^qubits)`; `None` for none or more than
/// [`MAX_UNITARY_QUBITS`] qubits. [`crate::layers::qft`] is its circuit.
pub fn qft(qubits: usize) -> Option<Gate> {
    let dim = dimension(qubits)?;
    let size = dim as f64;
    Gate::unitary(Matrix::from_fn(dim, |row, column| {
        C64::cis(2.0 * PI * (row * column % dim) as f64 / size) / size.sqrt()
    }))
}

/// The gate of a name on so many qubits: those of [`by_name`], and `multirz`, `multicnot`, `multixcnot`, `qft`. `None` if there is none.
pub fn by_name_on(name: &str, qubits: usize) -> Option<Gate> {
    match name.to_ascii_lowercase().as_str() {
        "multirz" => (qubits > 0).then(|| multirz(qubits)),
        "multicnot" => multicnot(qubits),
        "multixcnot" => multixcnot(qubits),
        "qft" => qft(qubits),
        _ => by_name(name).filter(|gate| gate.qubits() == qubits),
    }
}

fn dimension(qubits: usize) -> Option<usize> {
    (1..=MAX_UNITARY_QUBITS).contains(&qubits).then(|| 1 << qubits)
}
