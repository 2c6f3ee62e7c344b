//! Gate insertion: errors as gates of the circuit, for training that is aware of noise (QuantumNAT).

use ounce_random::Pcg32;

use super::model::NoiseModel;
use crate::circuit::{Circuit, Instruction, Operation};
use crate::gate::Standard;
use crate::observable::Pauli;

impl NoiseModel {
    /// The circuit with Paulis inserted after its gates, drawn from the twirled error of each gate with its probabilities multiplied by `factor`.
    /// Every gate has its own draw; gates without an error, or on qubits for which the table has none, are left alone.
    pub fn insert(&self, circuit: &Circuit, factor: f64, random: &mut Pcg32) -> Circuit {
        let mut instructions = Vec::with_capacity(circuit.instructions().len());
        for instruction in circuit.instructions() {
            instructions.push(instruction.clone());
            let Instruction::Gate(operation) = instruction else { continue };
            let Some(noise) = self.gate(&operation.gate, &operation.qubits) else { continue };
            let channel = noise.twirled(factor);
            let number = random.weighted(channel.probabilities()).unwrap_or(0);
            for (&qubit, pauli) in operation.qubits.iter().zip(channel.product(number)) {
                instructions.extend(gate_of(pauli).map(|gate| {
                    Instruction::Gate(Operation {
                        gate: gate.into(),
                        qubits: vec![qubit],
                        angles: Vec::new(),
                    })
                }));
            }
        }
        circuit.with_instructions(instructions)
    }
}

fn gate_of(pauli: Pauli) -> Option<Standard> {
    match pauli {
        Pauli::I => None,
        Pauli::X => Some(Standard::X),
        Pauli::Y => Some(Standard::Y),
        Pauli::Z => Some(Standard::Z),
    }
}
