//! A circuit ready to be run with noise: matrices and errors looked up once, idle qubits left out.

use super::channel::GateNoise;
use super::model::NoiseModel;
use super::readout::ReadoutError;
use crate::circuit::{Circuit, Instruction};
use crate::matrix::Matrix;
use crate::measurement::final_measurements;

/// One step of a noisy run; qubits are numbers within [`Program::qubits`].
#[derive(Clone, Debug)]
pub enum Step<'a> {
    /// A gate and its error.
    Gate {
        /// Its matrix on all of its qubits.
        matrix: Matrix,
        /// Its qubits.
        qubits: Vec<usize>,
        /// Its error.
        noise: Option<&'a GateNoise>,
    },
    /// A measurement.
    Measure {
        /// The qubit.
        qubit: usize,
        /// The classical bit.
        bit: usize,
    },
    /// A reset and the error that comes with it.
    Reset {
        /// The qubit.
        qubit: usize,
        /// The error.
        noise: Option<&'a GateNoise>,
    },
}

/// A circuit with values for its angles and the errors of its gates, on those qubits that anything happens to.
#[derive(Clone, Debug)]
pub struct Program<'a> {
    qubits: Vec<usize>,
    steps: Vec<Step<'a>>,
    readout: Vec<ReadoutError>,
    bits: usize,
    measured: Option<Vec<(usize, usize)>>,
}

impl<'a> Program<'a> {
    /// The program of a circuit whose qubits are those of the model's device. `kept` are qubits to keep though no instruction names them.
    ///
    /// # Panics
    /// If there are fewer values than parameters or inputs.
    pub fn new(
        circuit: &Circuit,
        parameters: &[f64],
        inputs: &[f64],
        model: &'a NoiseModel,
        kept: &[usize],
    ) -> Self {
        let qubits = circuit.used_qubits(kept.iter().copied());
        let local = |qubit: usize| qubits.partition_point(|&own| own < qubit);
        let step = |instruction: &Instruction| match instruction {
            Instruction::Gate(operation) if operation.qubits.is_empty() => None,
            Instruction::Gate(operation) => Some(Step::Gate {
                matrix: operation.gate.matrix(&operation.angle_values(parameters, inputs)),
                qubits: operation.qubits.iter().map(|&qubit| local(qubit)).collect(),
                noise: model.gate(&operation.gate, &operation.qubits),
            }),
            &Instruction::Measure { qubit, bit } => Some(Step::Measure { qubit: local(qubit), bit }),
            &Instruction::Reset(qubit) => {
                Some(Step::Reset { qubit: local(qubit), noise: model.named("reset", &[qubit]) })
            }
            Instruction::Barrier(_) => None,
        };
        let steps = circuit.instructions().iter().filter_map(step).collect();
        let readout = qubits.iter().map(|&qubit| model.readout(qubit)).collect();
        let measured = final_measurements(circuit)
            .map(|all| all.into_iter().map(|(qubit, bit)| (local(qubit), bit)).collect());
        Self { steps, readout, bits: circuit.bits(), measured, qubits }
    }

    /// The qubits of the circuit that are simulated, ascending; all others stay 0.
    pub fn qubits(&self) -> &[usize] {
        &self.qubits
    }

    /// The number within [`Program::qubits`] of a qubit of the circuit.
    pub fn local(&self, qubit: usize) -> Option<usize> {
        self.qubits.binary_search(&qubit).ok()
    }

    /// What is done, in order.
    pub fn steps(&self) -> &[Step<'a>] {
        &self.steps
    }

    /// The error of reading out each of [`Program::qubits`].
    pub fn readout(&self) -> &[ReadoutError] {
        &self.readout
    }

    /// Classical bits of the circuit.
    pub fn bits(&self) -> usize {
        self.bits
    }

    /// The qubit and the bit of every measurement, if all come at the end; see [`final_measurements`].
    pub fn final_measurements(&self) -> Option<&[(usize, usize)]> {
        self.measured.as_deref()
    }

    /// What is measured at the end, and the bits of an outcome: what the circuit measures, or all of [`Program::qubits`] in order if it measures nothing; `None` if it
    /// measures before its end.
    pub fn outcomes(&self) -> Option<(Vec<(usize, usize)>, usize)> {
        let qubits = self.qubits.len();
        Some(match self.final_measurements()? {
            [] => ((0..qubits).map(|qubit| (qubit, qubit)).collect(), qubits),
            measured => (measured.to_vec(), self.bits),
        })
    }
}
