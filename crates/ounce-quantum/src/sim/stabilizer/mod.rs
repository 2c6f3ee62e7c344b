//! Clifford circuits on thousands of qubits.

mod clifford;
mod tableau;

pub use tableau::Tableau;

use ounce_random::Pcg32;

use crate::backend::{Backend, BackendError, Request};
use crate::circuit::{Circuit, Instruction, Operation};
use crate::counts::{Counts, Outcome};
use crate::gate::Kind;
use crate::measurement::sampled_measurements;
use crate::observable::PauliString;
use clifford::{Clifford, quarter_turns};

/// The state and the classical bits after a Clifford circuit.
///
/// # Errors
/// If a gate is none: its name and its place among the instructions are named.
///
/// # Panics
/// If there are fewer values than parameters or inputs.
pub fn run(
    circuit: &Circuit,
    parameters: &[f64],
    inputs: &[f64],
    random: &mut Pcg32,
) -> Result<(Tableau, Outcome), BackendError> {
    let mut state = Tableau::new(circuit.qubits());
    let mut bits = Outcome::new(circuit.bits());
    for (position, instruction) in circuit.instructions().iter().enumerate() {
        match instruction {
            Instruction::Gate(operation) => {
                let angles = operation.angle_values(parameters, inputs);
                apply(&mut state, operation, &angles).ok_or_else(|| refusal(operation, &angles, position))?;
            }
            &Instruction::Measure { qubit, bit } => bits.set(bit, state.measure(qubit, random)),
            &Instruction::Reset(qubit) => state.reset(qubit, random),
            Instruction::Barrier(_) => {}
        }
    }
    Ok((state, bits))
}

fn apply(state: &mut Tableau, operation: &Operation, angles: &[f64]) -> Option<()> {
    let gate = &operation.gate;
    if operation.qubits.is_empty() {
        return Some(());
    }
    if let (Kind::PauliRotation(paulis), 0) = (gate.kind(), gate.controls()) {
        let turns = quarter_turns(angles[0])?;
        let string = PauliString::new(operation.qubits.iter().copied().zip(paulis.iter().copied()))?;
        state.rotate(&string, turns);
        return Some(());
    }
    // A wider matrix is not made only to find out that it is none.
    let fits = operation.qubits.len() <= clifford::MAX_QUBITS;
    let clifford = fits.then(|| Clifford::of(&gate.matrix(angles))).flatten()?;
    state.apply(&clifford, &operation.qubits);
    Some(())
}

fn refusal(operation: &Operation, angles: &[f64], position: usize) -> BackendError {
    let (name, qubits) = (operation.gate.name(), &operation.qubits);
    let angles = if angles.is_empty() { String::new() } else { format!(" with angles {angles:?}") };
    BackendError::Unsupported {
        backend: "the stabilizer simulator",
        instruction: format!(
            "{name} on qubits {qubits:?}{angles} (instruction {position}), which is no Clifford gate"
        ),
        remedy: "use Clifford gates (rotations by multiples of pi/2 are) or another simulator",
    }
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
    shots: u64,
    seed: u64,
) -> Result<Counts, BackendError> {
    let mut random = Pcg32::new(seed);
    let Some(measured) = sampled_measurements(circuit) else {
        let mut counts = Counts::new(circuit.bits());
        for _ in 0..shots {
            counts.add(run(circuit, parameters, inputs, &mut random)?.1, 1);
        }
        return Ok(counts);
    };
    let unmeasured = circuit.without_final_measurements();
    let (state, _) = run(&unmeasured, parameters, inputs, &mut random)?;
    let (measured, bits) = match measured[..] {
        [] => ((0..circuit.qubits()).map(|qubit| (qubit, qubit)).collect(), circuit.qubits()),
        _ => (measured, circuit.bits()),
    };
    let qubits: Vec<usize> = measured.iter().map(|&(qubit, _)| qubit).collect();
    let in_place =
        bits == measured.len() && measured.iter().enumerate().all(|(index, &(_, bit))| index == bit);
    let mut counts = Counts::new(bits);
    state.sample(&qubits, shots, &mut random, |outcome| {
        if in_place {
            return counts.add(outcome, 1);
        }
        let mut placed = Outcome::new(bits);
        for (index, &(_, bit)) in measured.iter().enumerate() {
            placed.set(bit, outcome.get(index));
        }
        counts.add(placed, 1);
    });
    Ok(counts)
}

/// The stabilizer simulator as a backend: exact expectation values of Clifford circuits. What is measured on the way is drawn once, from the seed.
#[derive(Clone, Debug, Default)]
pub struct StabilizerBackend {
    seed: u64,
    runs: u64,
}

impl StabilizerBackend {
    /// A backend whose measurements on the way follow from a seed.
    pub fn new(seed: u64) -> Self {
        Self { seed, runs: 0 }
    }
}

impl Backend for StabilizerBackend {
    fn expectations(&mut self, request: &Request<'_>) -> Result<Vec<f64>, BackendError> {
        let circuit = request.circuit.without_final_measurements();
        let mut values = Vec::with_capacity(request.samples * request.observables.len());
        for sample in 0..request.samples {
            let mut random = Pcg32::with_stream(self.seed, self.runs);
            let (state, _) = run(&circuit, request.parameters, request.sample(sample), &mut random)?;
            self.runs += 1;
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
