//! Circuits that prepare a state.

use super::build::{op, turn};
use super::multiplexed;
use crate::circuit::{Angle, Circuit, Instruction, Operation};
use crate::gate::Standard as G;
use crate::matrix::C64;

/// A circuit that makes a state from zeros: multiplexed rotations (Möttönen et al. 2004). Amplitudes must be finite and of a length that is a power of two; they are normalised, and
/// a state of zeros gives an empty circuit.
pub fn prepare_state(amplitudes: &[C64]) -> Circuit {
    let qubits = amplitudes.len().max(1).trailing_zeros() as usize;
    let real = amplitudes.iter().all(|amplitude| amplitude.im == 0.0);
    let mut values: Vec<f64> =
        amplitudes.iter().map(|amplitude| if real { amplitude.re } else { amplitude.norm() }).collect();
    let mut phases: Vec<f64> =
        amplitudes.iter().map(|amplitude| if real { 0.0 } else { amplitude.arg() }).collect();
    let mut turns = Vec::new();
    let mut rotations = Vec::new();
    // From the pairs that differ in qubit 0 up: each pair gives an angle and is one value of the next level.
    for target in 0..qubits {
        let others: Vec<usize> = (target + 1..qubits).rev().collect();
        let pairs = |values: &[f64], of: fn(f64, f64) -> f64| -> Vec<f64> {
            values.chunks_exact(2).map(|pair| of(pair[0], pair[1])).collect()
        };
        let angles = |values: Vec<f64>| values.into_iter().map(Angle::from).collect::<Vec<_>>();
        let by_y = angles(pairs(&values, |a, b| 2.0 * b.atan2(a)));
        rotations.push(multiplexed::rotation(G::Ry, &by_y, &others, target));
        let by_z = angles(pairs(&phases, |a, b| b - a));
        turns.extend(multiplexed::rotation(G::Rz, &by_z, &others, target));
        values = pairs(&values, f64::hypot);
        phases = pairs(&phases, |a, b| (a + b) / 2.0);
    }
    let mut operations: Vec<Operation> = rotations.into_iter().rev().flatten().chain(turns).collect();
    if let Some(phase) = phases.first().filter(|phase| **phase != 0.0) {
        operations.push(turn(G::GlobalPhase, &[], *phase));
    }
    operations.retain(|operation| *operation != op(G::Ry, &operation.qubits, &[Angle::from(0.0)]));
    let mut circuit = Circuit::new(qubits);
    circuit.extend_valid(operations.into_iter().map(Instruction::Gate));
    circuit
}
