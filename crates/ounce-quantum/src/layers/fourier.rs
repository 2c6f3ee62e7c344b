//! The quantum Fourier transform as a circuit.

use std::f64::consts::PI;

use crate::circuit::{Circuit, CircuitError};
use crate::gate::{Gate, Standard};

/// Adds the Fourier transform on some qubits, the most significant first: Hadamards and controlled phases, and, with `swaps`, the exchange that makes it
/// the matrix of [`crate::gate::qft`]; without, the result has its qubits in the other order.
///
/// # Errors
/// If the circuit lacks a qubit, or one is named twice.
pub fn qft(circuit: &mut Circuit, qubits: &[usize], swaps: bool) -> Result<(), CircuitError> {
    for (index, &target) in qubits.iter().enumerate() {
        circuit.apply(Standard::H, &[target])?;
        for (distance, &control) in qubits[index + 1..].iter().enumerate() {
            // Beyond 2^-1000 an angle is as good as none, and its power of two would not be finite.
            let angle = PI / 2f64.powi(distance.min(1000) as i32 + 1);
            circuit.push(Gate::from(Standard::P).controlled(1), &[control, target], [angle])?;
        }
    }
    if swaps {
        for index in 0..qubits.len() / 2 {
            circuit.apply(Standard::Swap, &[qubits[index], qubits[qubits.len() - 1 - index]])?;
        }
    }
    Ok(())
}
