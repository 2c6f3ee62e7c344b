//! The slow, readable twin of every simulator: one matrix at a time, entry by entry, in double precision.

use crate::circuit::{Circuit, Operation};
use crate::matrix::{C64, Matrix};
use crate::observable::{Pauli, PauliString, PauliSum};

/// The state in which all of `qubits` qubits are 0: 2^qubits amplitudes.
pub fn zero_state(qubits: usize) -> Vec<C64> {
    let mut state = vec![C64::default(); 1 << qubits];
    state[0] = C64::from(1.0);
    state
}

/// Multiplies a matrix onto the qubits of a state; `qubits[0]` is the most significant bit of its index.
///
/// # Panics
/// If the dimensions do not fit.
pub fn apply_matrix(state: &mut [C64], matrix: &Matrix, qubits: &[usize]) {
    assert_eq!(matrix.dim(), 1 << qubits.len());
    let mask: usize = qubits.iter().map(|&qubit| 1 << qubit).sum();
    let spread = |index: usize| -> usize {
        qubits.iter().rev().enumerate().map(|(bit, &qubit)| (index >> bit & 1) << qubit).sum()
    };
    for base in (0..state.len()).filter(|index| index & mask == 0) {
        let before: Vec<C64> = (0..matrix.dim()).map(|index| state[base | spread(index)]).collect();
        for row in 0..matrix.dim() {
            state[base | spread(row)] =
                (0..matrix.dim()).map(|column| matrix.at(row, column) * before[column]).sum();
        }
    }
}

/// Applies one gate.
pub fn apply(state: &mut [C64], operation: &Operation, parameters: &[f64], inputs: &[f64]) {
    let matrix = operation.gate.matrix(&operation.angle_values(parameters, inputs));
    apply_matrix(state, &matrix, &operation.qubits);
}

/// The state after all gates of a circuit; measurements and resets are passed over.
pub fn run(circuit: &Circuit, parameters: &[f64], inputs: &[f64]) -> Vec<C64> {
    let mut state = zero_state(circuit.qubits());
    for operation in circuit.operations() {
        apply(&mut state, operation, parameters, inputs);
    }
    state
}

/// The expectation value of a product of Paulis.
pub fn expectation_of(state: &[C64], string: &PauliString) -> f64 {
    let mut image = state.to_vec();
    for &(qubit, pauli) in string.factors().iter().filter(|(_, pauli)| *pauli != Pauli::I) {
        apply_matrix(&mut image, &pauli.matrix(), &[qubit]);
    }
    state.iter().zip(&image).map(|(a, b)| (a.conj() * b).re).sum()
}

/// The expectation value of an observable.
pub fn expectation(state: &[C64], observable: &PauliSum) -> f64 {
    observable.terms().iter().map(|(coefficient, string)| coefficient * expectation_of(state, string)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::{Gate, Standard};

    #[test]
    fn a_bell_pair_is_as_in_the_textbook() -> Result<(), crate::CircuitError> {
        let mut circuit = Circuit::new(3);
        circuit.apply(Standard::H, &[2])?.cx(2, 0)?;
        let state = run(&circuit, &[], &[]);
        for (index, amplitude) in state.iter().enumerate() {
            let expected = if index == 0 || index == 0b101 { std::f64::consts::FRAC_1_SQRT_2 } else { 0.0 };
            assert!((amplitude - C64::from(expected)).norm() < 1e-12, "{index}");
        }
        let value = |text| PauliString::parse(text).map(|string| expectation_of(&state, &string));
        for (text, expected) in [("XIX", 1.0), ("YIY", -1.0), ("ZIZ", 1.0), ("ZII", 0.0), ("IZI", 1.0)] {
            assert!(value(text).is_some_and(|value| (value - expected).abs() < 1e-12), "{text}");
        }
        Ok(())
    }

    #[test]
    fn the_first_qubit_of_a_gate_is_the_most_significant() -> Result<(), crate::CircuitError> {
        let mut circuit = Circuit::new(2);
        circuit.apply(Standard::X, &[1])?;
        circuit.push::<f64>(Gate::from(Standard::X).controlled(1), &[1, 0], [])?;
        assert_eq!(run(&circuit, &[], &[])[3], C64::from(1.0));
        Ok(())
    }
}
