//! Matrix-product states: wide, shallow circuits on 50 qubits and more (Schollwoeck, "The density-matrix renormalization group in the age of matrix product states", 2011).

mod state;

pub use state::Mps;

use ounce_random::Pcg32;

use crate::backend::{Backend, BackendError, Request};
use crate::circuit::{Circuit, Instruction};
use crate::counts::{Counts, Outcome};
use crate::measurement::sampled_measurements;

/// How much of a bond is kept.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Truncation {
    /// The largest dimension of a bond.
    pub max_bond: usize,
    /// The weight (sum of squared singular values, of 1) that a cut may discard though the bond is not too large.
    pub discarded_weight: f64,
}

impl Default for Truncation {
    fn default() -> Self {
        Self { max_bond: 256, discarded_weight: 1e-14 }
    }
}

/// The most qubits of a gate: its matrix acts on all of their tensors at once.
pub const MAX_GATE_QUBITS: usize = 6;

/// The state and the classical bits after a circuit.
///
/// # Errors
/// If a gate acts on more than [`MAX_GATE_QUBITS`] qubits.
///
/// # Panics
/// If there are fewer values than parameters or inputs.
pub fn run(
    circuit: &Circuit,
    parameters: &[f64],
    inputs: &[f64],
    truncation: Truncation,
    random: &mut Pcg32,
) -> Result<(Mps, Outcome), BackendError> {
    let mut state = Mps::new(circuit.qubits(), truncation);
    let mut bits = Outcome::new(circuit.bits());
    for (position, instruction) in circuit.instructions().iter().enumerate() {
        match instruction {
            Instruction::Gate(operation) if operation.qubits.len() > MAX_GATE_QUBITS => {
                let (name, number) = (operation.gate.name(), operation.qubits.len());
                return Err(BackendError::Unsupported {
                    backend: "the matrix-product simulator",
                    instruction: format!("{name} on {number} qubits (instruction {position})"),
                    remedy: "decompose it into gates of fewer qubits",
                });
            }
            // A phase of the whole state is left out: no outcome depends on it.
            Instruction::Gate(operation) if operation.qubits.is_empty() => {}
            Instruction::Gate(operation) => {
                let angles = operation.angle_values(parameters, inputs);
                state.apply(&operation.gate.matrix(&angles), &operation.qubits);
            }
            &Instruction::Measure { qubit, bit } => bits.set(bit, state.measure(qubit, random)),
            &Instruction::Reset(qubit) => state.reset(qubit, random),
            Instruction::Barrier(_) => {}
        }
    }
    Ok((state, bits))
}

/// Counts of `shots` runs; without measurements all qubits are measured, bit i being qubit i.
///
/// # Errors
/// As [`run`].
///
/// # Panics
/// As [`run`].
pub fn counts(
    circuit: &Circuit,
    parameters: &[f64],
    inputs: &[f64],
    truncation: Truncation,
    (shots, seed): (u64, u64),
) -> Result<Counts, BackendError> {
    let mut random = Pcg32::new(seed);
    let Some(measured) = sampled_measurements(circuit) else {
        let mut counts = Counts::new(circuit.bits());
        for _ in 0..shots {
            counts.add(run(circuit, parameters, inputs, truncation, &mut random)?.1, 1);
        }
        return Ok(counts);
    };
    let unmeasured = circuit.without_final_measurements();
    let (mut state, _) = run(&unmeasured, parameters, inputs, truncation, &mut random)?;
    let bits = if measured.is_empty() { circuit.qubits() } else { circuit.bits() };
    let mut counts = Counts::new(bits);
    for _ in 0..shots {
        let all = state.sample(&mut random);
        if measured.is_empty() {
            counts.add(all, 1);
            continue;
        }
        let mut outcome = Outcome::new(bits);
        measured.iter().for_each(|&(qubit, bit)| outcome.set(bit, all.get(qubit)));
        counts.add(outcome, 1);
    }
    Ok(counts)
}

/// The matrix-product simulator as a backend. What is measured on the way is drawn once, from the seed.
#[derive(Clone, Debug, Default)]
pub struct MpsBackend {
    truncation: Truncation,
    seed: u64,
    runs: u64,
    discarded: f64,
}

impl MpsBackend {
    /// A backend with these limits; measurements on the way follow from the seed.
    pub fn new(truncation: Truncation, seed: u64) -> Self {
        Self { truncation, seed, ..Self::default() }
    }

    /// The largest weight that was discarded in a run so far.
    pub fn discarded_weight(&self) -> f64 {
        self.discarded
    }
}

impl Backend for MpsBackend {
    fn expectations(&mut self, request: &Request<'_>) -> Result<Vec<f64>, BackendError> {
        let circuit = request.circuit.without_final_measurements();
        let mut values = Vec::with_capacity(request.samples * request.observables.len());
        for sample in 0..request.samples {
            let mut random = Pcg32::with_stream(self.seed, self.runs);
            let inputs = request.sample(sample);
            let (state, _) = run(&circuit, request.parameters, inputs, self.truncation, &mut random)?;
            self.runs += 1;
            self.discarded = self.discarded.max(state.discarded_weight());
            values.extend(request.observables.iter().map(|observable| {
                let terms = observable.terms().iter();
                terms.map(|(coefficient, string)| coefficient * state.expectation(string)).sum::<f64>()
            }));
        }
        Ok(values)
    }

    fn runs(&self) -> u64 {
        self.runs
    }
}
