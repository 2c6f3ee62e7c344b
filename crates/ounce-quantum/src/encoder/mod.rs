//! Encoders: how the numbers of a sample get into a circuit.
//!
//! [`Encoder`] is TorchQuantum's `GeneralEncoder`, a list of gates whose angles are inputs; [`Encoder::named`] has its 25 lists. [`amplitude`] encodes
//! in amplitudes, which are no angles, so it makes a state or the circuit that prepares it.

pub mod amplitude;
mod description;
mod named;

pub use description::DescriptionError;
pub use named::encoder_names;

use crate::circuit::{Angle, Circuit, CircuitError, Symbol};
use crate::gate::Gate;

/// One gate of an encoder.
#[derive(Clone, PartialEq, Debug)]
pub struct Encoding {
    /// The gate.
    pub gate: Gate,
    /// Its qubits.
    pub qubits: Vec<usize>,
    /// The inputs that are its angles.
    pub inputs: Vec<usize>,
}

/// Gates whose angles are the inputs of a sample.
#[derive(Clone, PartialEq, Debug)]
pub struct Encoder {
    qubits: usize,
    inputs: usize,
    encodings: Vec<Encoding>,
}

impl Encoder {
    /// An encoder of these gates. It has as many qubits and inputs as the gates name.
    pub fn new(encodings: Vec<Encoding>) -> Self {
        let most = |numbers: fn(&Encoding) -> &Vec<usize>| {
            encodings.iter().flat_map(numbers).max().map_or(0, |number| number + 1)
        };
        Self { qubits: most(|own| &own.qubits), inputs: most(|own| &own.inputs), encodings }
    }

    /// One of TorchQuantum's encoders, such as `4x4_ryzxy`; `None` for a name that is not among [`encoder_names`].
    pub fn named(name: &str) -> Option<Self> {
        named::encoder(name)
    }

    /// An encoder of a description such as `ry rz rx ry`: each word is a layer, a gate on each qubit in turn, which takes the next inputs as its angles;
    /// the last layer ends where the inputs do. Several gates with commas between them stand one after the other on a qubit before the next gets
    /// its own. `@2` or `@1-3` after a word has only these qubits.
    ///
    /// # Errors
    /// If a word is not understood, or inputs are left over.
    pub fn described(qubits: usize, inputs: usize, description: &str) -> Result<Self, DescriptionError> {
        description::encoder(qubits, inputs, description)
    }

    /// TorchQuantum's `PhaseEncoder`: the same gate of one angle on each qubit, with input `q` on qubit `q`.
    pub fn phase(gate: impl Into<Gate>, qubits: usize) -> Self {
        let gate = gate.into();
        Self::new(
            (0..qubits).map(|q| Encoding { gate: gate.clone(), qubits: vec![q], inputs: vec![q] }).collect(),
        )
    }

    /// TorchQuantum's `MultiPhaseEncoder`: gates on one qubit each, which take the next inputs as their angles. Without a list of qubits
    /// they go round the first `qubits` qubits.
    pub fn multi_phase(gates: &[Gate], qubits: usize, on: Option<&[usize]>) -> Self {
        let mut next = 0;
        let encodings = gates.iter().enumerate().map(|(index, gate)| {
            let qubit = on.and_then(|on| on.get(index).copied()).unwrap_or(index % qubits.max(1));
            let inputs = (next..next + gate.angles()).collect();
            next += gate.angles();
            Encoding { gate: gate.clone(), qubits: vec![qubit], inputs }
        });
        Self::new(encodings.collect())
    }

    /// Qubits that it acts on.
    pub fn qubits(&self) -> usize {
        self.qubits
    }

    /// Inputs that it takes.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Its gates, in order.
    pub fn encodings(&self) -> &[Encoding] {
        &self.encodings
    }

    /// Adds the inputs and the gates to a circuit, on its first qubits; returns the number of the first input.
    ///
    /// # Errors
    /// If the circuit has too few qubits, or a gate does not fit its qubits and inputs.
    pub fn append_to(&self, circuit: &mut Circuit) -> Result<usize, CircuitError> {
        let first = circuit.add_inputs(self.inputs);
        for encoding in &self.encodings {
            let angles = encoding.inputs.iter().map(|input| Angle::from(Symbol::Input(first + input)));
            circuit.push(encoding.gate.clone(), &encoding.qubits, angles)?;
        }
        Ok(first)
    }

    /// A circuit of this encoder alone.
    ///
    /// # Errors
    /// If a gate does not fit its qubits and inputs.
    pub fn circuit(&self) -> Result<Circuit, CircuitError> {
        let mut circuit = Circuit::new(self.qubits);
        self.append_to(&mut circuit)?;
        Ok(circuit)
    }
}

#[cfg(test)]
mod tests;
