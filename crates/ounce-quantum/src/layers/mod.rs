//! Layers: what trainable circuits are built of.
//!
//! A [`Layer`] puts one gate on many qubits, a [`Template`] repeats blocks of layers; [`Template::named`] has TorchQuantum's templates and the design
//! spaces of the papers, [`TwoLocal`] Qiskit's circuits of rotations and entanglement.

mod fourier;
mod named;
mod pattern;
mod random;
mod two_local;

pub use fourier::qft;
pub use named::template_names;
pub use pattern::Pattern;
pub use random::RandomLayer;
pub use two_local::TwoLocal;

use crate::circuit::{Angle, Circuit, CircuitError};
use crate::gate::Gate;

/// One gate on many qubits.
#[derive(Clone, PartialEq, Debug)]
pub struct Layer {
    /// The gate.
    pub gate: Gate,
    /// Its qubits.
    pub pattern: Pattern,
    /// Whether each gate gets its qubits in the other order.
    pub reversed: bool,
    /// Whether all gates have the same parameters, instead of their own.
    pub shared: bool,
}

impl Layer {
    /// A layer of a gate on the qubits of a pattern, each with parameters of its own.
    pub fn new(gate: impl Into<Gate>, pattern: Pattern) -> Self {
        Self { gate: gate.into(), pattern, reversed: false, shared: false }
    }

    /// A gate on each qubit: TorchQuantum's `Op1QAllLayer`.
    pub fn each(gate: impl Into<Gate>) -> Self {
        Self::new(gate, Pattern::Each)
    }

    /// A gate on pairs of neighbours and on the last and first qubit: TorchQuantum's `Op2QAllLayer` with `circular`.
    pub fn ring(gate: impl Into<Gate>) -> Self {
        Self::new(gate, Pattern::Ring { jump: 1 })
    }

    /// The layer with the qubits of each gate in the other order.
    pub fn reversed(self) -> Self {
        Self { reversed: true, ..self }
    }

    /// The layer with the same parameters for all gates.
    pub fn shared(self) -> Self {
        Self { shared: true, ..self }
    }

    /// Parameters that it adds to a circuit of `qubits` qubits.
    pub fn parameters(&self, qubits: usize) -> usize {
        let gates = self.pattern.qubits(qubits).len();
        self.gate.angles() * if self.shared { gates.min(1) } else { gates }
    }

    /// Adds the gates and their parameters, `w0`, `w1` and so on by the number of the parameter.
    ///
    /// # Errors
    /// If the gate does not act on as many qubits as the pattern has, or the circuit lacks some.
    pub fn append_to(&self, circuit: &mut Circuit) -> Result<(), CircuitError> {
        let mut angles = Vec::new();
        for mut qubits in self.pattern.qubits(circuit.qubits()) {
            if self.reversed {
                qubits.reverse();
            }
            if angles.is_empty() || !self.shared {
                angles = new_parameters(circuit, self.gate.angles());
            }
            circuit.push(self.gate.clone(), &qubits, angles.clone())?;
        }
        Ok(())
    }
}

/// New parameters of a circuit, as angles.
fn new_parameters(circuit: &mut Circuit, count: usize) -> Vec<Angle> {
    let add = |_| {
        let name = format!("w{}", circuit.parameters().len());
        Angle::from(circuit.add_parameter(name))
    };
    (0..count).map(add).collect()
}

/// Layers before, in and after the blocks of a circuit.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Template {
    /// Once, at the start.
    pub before: Vec<Layer>,
    /// In each block.
    pub block: Vec<Layer>,
    /// Once, at the end.
    pub after: Vec<Layer>,
}

impl Template {
    /// A template that repeats these layers.
    pub fn of(block: Vec<Layer>) -> Self {
        Self { block, ..Self::default() }
    }

    /// One of TorchQuantum's templates by its name there, such as `barren_0`, or a design space as the papers write it, such as `ZZ+RY`;
    /// `None` for a name that is not among [`template_names`].
    pub fn named(name: &str) -> Option<Self> {
        named::template(name)
    }

    /// Parameters of a circuit of so many qubits and blocks.
    pub fn parameters(&self, qubits: usize, blocks: usize) -> usize {
        let count = |layers: &[Layer]| layers.iter().map(|layer| layer.parameters(qubits)).sum::<usize>();
        count(&self.before) + blocks * count(&self.block) + count(&self.after)
    }

    /// Adds `blocks` blocks to a circuit, on all of its qubits.
    ///
    /// # Errors
    /// As [`Layer::append_to`].
    pub fn append_to(&self, circuit: &mut Circuit, blocks: usize) -> Result<(), CircuitError> {
        let blocks = std::iter::repeat_n(&self.block, blocks).flatten();
        self.before.iter().chain(blocks).chain(&self.after).try_for_each(|layer| layer.append_to(circuit))
    }

    /// A circuit of this template alone.
    ///
    /// # Errors
    /// As [`Layer::append_to`].
    pub fn circuit(&self, qubits: usize, blocks: usize) -> Result<Circuit, CircuitError> {
        let mut circuit = Circuit::new(qubits);
        self.append_to(&mut circuit, blocks)?;
        Ok(circuit)
    }
}

#[cfg(test)]
mod tests;
