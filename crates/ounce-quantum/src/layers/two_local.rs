//! Circuits of alternating rotations and entanglement: Qiskit's `TwoLocal` and its kin.

use std::f64::consts::FRAC_PI_4;

use super::{Layer, Pattern};
use crate::circuit::{Circuit, CircuitError};
use crate::gate::{Gate, Standard};
use ounce_random::Pcg32;

/// Alternating layers of rotations on each qubit and of entangling gates on pairs.
#[derive(Clone, PartialEq, Debug)]
pub struct TwoLocal {
    /// Gates on each qubit; all of the first, then all of the second.
    pub rotations: Vec<Gate>,
    /// Gates on pairs.
    pub entangling: Vec<Gate>,
    /// The pairs.
    pub pattern: Pattern,
    /// How often both are repeated.
    pub repetitions: usize,
    /// Whether rotations come last, once more.
    pub final_rotations: bool,
}

impl TwoLocal {
    /// Rotations and CNOTs on the pairs of a pattern, with final rotations.
    pub fn new(rotations: impl IntoIterator<Item = Standard>, pattern: Pattern, repetitions: usize) -> Self {
        let rotations = rotations.into_iter().map(Gate::from).collect();
        let entangling = vec![Gate::from(Standard::X).controlled(1)];
        Self { rotations, entangling, pattern, repetitions, final_rotations: true }
    }

    /// Qiskit's `RealAmplitudes`: RY and CNOT. Its defaults are [`Pattern::ReverseLinear`] and 3 repetitions.
    pub fn real_amplitudes(pattern: Pattern, repetitions: usize) -> Self {
        Self::new([Standard::Ry], pattern, repetitions)
    }

    /// Qiskit's `EfficientSU2`: RY, RZ and CNOT. Its defaults are [`Pattern::ReverseLinear`] and 3 repetitions.
    pub fn efficient_su2(pattern: Pattern, repetitions: usize) -> Self {
        Self::new([Standard::Ry, Standard::Rz], pattern, repetitions)
    }

    /// TorchQuantum's `ExcitationPreserving`: RZ, then RXX and RYY on pairs, each with its own parameter.
    pub fn excitation_preserving(pattern: Pattern, repetitions: usize) -> Self {
        let entangling = vec![Gate::from(Standard::Rxx), Gate::from(Standard::Ryy)];
        Self { entangling, ..Self::new([Standard::Rz], pattern, repetitions) }
    }

    /// Adds the layers to a circuit, on all of its qubits.
    ///
    /// # Errors
    /// As [`Layer::append_to`].
    pub fn append_to(&self, circuit: &mut Circuit) -> Result<(), CircuitError> {
        for repetition in 0..=self.repetitions {
            if repetition < self.repetitions || self.final_rotations {
                self.rotations.iter().try_for_each(|gate| Layer::each(gate.clone()).append_to(circuit))?;
            }
            if repetition < self.repetitions {
                let layer = |gate: &Gate| Layer::new(gate.clone(), self.pattern.clone());
                self.entangling.iter().try_for_each(|gate| layer(gate).append_to(circuit))?;
            }
        }
        Ok(())
    }

    /// A circuit of these layers alone.
    ///
    /// # Errors
    /// As [`Layer::append_to`].
    pub fn circuit(&self, qubits: usize) -> Result<Circuit, CircuitError> {
        let mut circuit = Circuit::new(qubits);
        self.append_to(&mut circuit)?;
        Ok(circuit)
    }

    /// `PauliTwoDesign`: RY(pi/4) on each qubit, then rotations about random axes and CZ on neighbouring pairs, as in McClean et al., "Barren
    /// plateaus in quantum neural network training landscapes" (2018).
    ///
    /// # Errors
    /// As [`Layer::append_to`].
    pub fn pauli_two_design(qubits: usize, repetitions: usize, seed: u64) -> Result<Circuit, CircuitError> {
        let mut random = Pcg32::new(seed);
        let mut circuit = Circuit::new(qubits);
        for qubit in 0..qubits {
            circuit.push(Standard::Ry, &[qubit], [FRAC_PI_4])?;
        }
        for repetition in 0..=repetitions {
            for qubit in 0..qubits {
                let axis = [Standard::Rx, Standard::Ry, Standard::Rz][random.below(3) as usize];
                Layer::new(axis, Pattern::Explicit(vec![vec![qubit]])).append_to(&mut circuit)?;
            }
            if repetition < repetitions {
                Layer::new(Gate::from(Standard::Z).controlled(1), Pattern::Pairwise)
                    .append_to(&mut circuit)?;
            }
        }
        Ok(circuit)
    }
}
