//! Error gates inserted at random while training (section 3.2).

use crate::backend::{BackendError, Differentiate, Gradients, Request};
use crate::circuit::{Angle, Circuit, Instruction, Operation};
use crate::gate::Standard;
use crate::gradient::shift::Wanted;
use crate::model::Executor;
use crate::observable::{Pauli, PauliSum};
use crate::train::Schedule;
use ounce_random::Pcg32;

/// One error that a gate may have, beside having none.
#[derive(Clone, PartialEq, Debug)]
pub struct PauliError {
    /// How likely it is.
    pub probability: f64,
    /// What then acts after the gate, one Pauli for each of its qubits.
    pub paulis: Vec<Pauli>,
}

/// How a readout of a qubit changes its expectation value of Z: `scale * z + offset`.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Readout {
    /// `1 - P(1|0) - P(0|1)`.
    pub scale: f64,
    /// `P(0|1) - P(1|0)`.
    pub offset: f64,
}

impl Readout {
    /// From the probabilities that 0 is read as 1, and 1 as 0.
    pub fn new(one_for_zero: f64, zero_for_one: f64) -> Self {
        Self { scale: 1.0 - one_for_zero - zero_for_one, offset: zero_for_one - one_for_zero }
    }
}

/// The errors of a device, as Paulis.
pub trait ErrorModel {
    /// The errors of a gate on certain qubits; the rest of the probability is that of none.
    ///
    /// # Errors
    /// If the device has no such gate on these qubits.
    fn errors(&self, operation: &Operation) -> Result<Vec<PauliError>, BackendError>;

    /// The readout of a qubit.
    fn readout(&self, qubit: usize) -> Readout;
}

/// A simulator whose circuits get errors drawn at random, new ones in each step, and whose expectation values pass the readout of the device. Circuits must be
/// in the gates and on the qubits of the device.
#[derive(Clone, Debug)]
pub struct InjectingExecutor<D, N> {
    simulator: D,
    errors: N,
    factor: f64,
    schedule: Schedule,
    steps: usize,
    draws: usize,
    seed: u64,
    step: u64,
}

impl<D: Differentiate, N: ErrorModel> InjectingExecutor<D, N> {
    /// An executor that multiplies the probabilities of errors by `factor` (QuantumNAT's T). The samples of a batch share `draws` draws, as equally as
    /// they can; QuantumNAT has one draw for all.
    pub fn new(simulator: D, errors: N, factor: f64, draws: usize, seed: u64) -> Self {
        let schedule = Schedule::Constant;
        Self { simulator, errors, factor, schedule, steps: 1, draws: draws.max(1), seed, step: 0 }
    }

    /// Lets the factor follow a schedule over so many steps of training.
    pub fn with_schedule(mut self, schedule: Schedule, steps: usize) -> Self {
        (self.schedule, self.steps) = (schedule, steps);
        self
    }

    /// The circuit with errors, as drawn for a group of samples in this step: equal for the forward and the backward pass.
    fn injected(&self, layer: usize, group: usize, circuit: &Circuit) -> Result<Circuit, BackendError> {
        let factor = self.factor * self.schedule.factor(self.step as usize, self.steps);
        let stream = (layer as u64) << 32 | group as u64;
        let mut random =
            Pcg32::with_stream(self.seed.wrapping_add(self.step.wrapping_mul(0x9e37_79b9_7f4a_7c15)), stream);
        let mut out = circuit.clone();
        let mut instructions = Vec::with_capacity(circuit.instructions().len());
        for instruction in circuit.instructions() {
            instructions.push(instruction.clone());
            let Instruction::Gate(operation) = instruction else { continue };
            let mut left = random.next_f64();
            for error in self.errors.errors(operation)? {
                left -= error.probability * factor;
                if left < 0.0 {
                    let paulis = operation.qubits.iter().zip(&error.paulis);
                    instructions.extend(paulis.filter_map(|(&qubit, &pauli)| pauli_gate(pauli, qubit)));
                    break;
                }
            }
        }
        out.set_instructions(instructions);
        Ok(out)
    }

    /// Runs `run` on each group of samples, with the group's circuit.
    fn for_groups(
        &mut self,
        layer: usize,
        request: &Request<'_>,
        mut run: impl FnMut(&mut D, &Request<'_>, std::ops::Range<usize>) -> Result<(), BackendError>,
    ) -> Result<(), BackendError> {
        let groups = self.draws.min(request.samples.max(1));
        let width = request.circuit.inputs();
        for group in 0..groups {
            let range = request.samples * group / groups..request.samples * (group + 1) / groups;
            let circuit = self.injected(layer, group, request.circuit)?;
            let inputs = &request.inputs[range.start * width..range.end * width];
            let part = Request { circuit: &circuit, inputs, samples: range.len(), ..*request };
            run(&mut self.simulator, &part, range)?;
        }
        Ok(())
    }

    /// The readout of each observable, which must be Z of one qubit, with any coefficient: readouts of several qubits mix with other
    /// observables, which are not measured.
    fn readouts(&self, observables: &[PauliSum]) -> Result<Vec<Readout>, BackendError> {
        let of = |observable: &PauliSum| match observable.terms() {
            [(coefficient, string)] if matches!(string.factors(), [(_, Pauli::Z)]) => {
                let readout = self.errors.readout(string.factors()[0].0);
                Ok(Readout { offset: readout.offset * coefficient, ..readout })
            }
            _ => Err(BackendError::Unsupported {
                backend: "noise injection",
                instruction: "an observable other than Z of one qubit".into(),
                remedy: "measure Z of single qubits, or train without noise",
            }),
        };
        observables.iter().map(of).collect()
    }
}

fn pauli_gate(pauli: Pauli, qubit: usize) -> Option<Instruction> {
    let gate = match pauli {
        Pauli::I => return None,
        Pauli::X => Standard::X,
        Pauli::Y => Standard::Y,
        Pauli::Z => Standard::Z,
    };
    Some(Instruction::Gate(Operation { gate: gate.into(), qubits: vec![qubit], angles: Vec::<Angle>::new() }))
}

impl<D: Differentiate, N: ErrorModel> Executor for InjectingExecutor<D, N> {
    fn expectations(&mut self, layer: usize, request: &Request<'_>) -> Result<Vec<f64>, BackendError> {
        let readouts = self.readouts(request.observables)?;
        let mut values = Vec::with_capacity(request.samples * readouts.len());
        self.for_groups(layer, request, |simulator, part, _| {
            values.extend(simulator.expectations(part)?);
            Ok(())
        })?;
        let each = values.iter_mut().zip(readouts.iter().cycle());
        each.for_each(|(value, readout)| *value = readout.scale * *value + readout.offset);
        Ok(values)
    }

    fn gradients(
        &mut self,
        layer: usize,
        request: &Request<'_>,
        cotangents: &[f64],
        _wanted: Wanted<'_>,
    ) -> Result<Gradients, BackendError> {
        let readouts = self.readouts(request.observables)?;
        let scaled: Vec<f64> = cotangents
            .iter()
            .zip(readouts.iter().cycle())
            .map(|(value, readout)| value * readout.scale)
            .collect();
        let mut gradients = Gradients { parameters: vec![0.0; request.parameters.len()], inputs: Vec::new() };
        self.for_groups(layer, request, |simulator, part, range| {
            let own = scaled[range.start * readouts.len()..range.end * readouts.len()].to_vec();
            let (_, found) = simulator.gradients(part, &mut |_| own.clone())?;
            gradients.parameters.iter_mut().zip(&found.parameters).for_each(|(sum, own)| *sum += own);
            gradients.inputs.extend(found.inputs);
            Ok(())
        })?;
        Ok(gradients)
    }

    fn runs(&self) -> u64 {
        self.simulator.runs()
    }

    fn begin(&mut self, step: u64) {
        self.step = step;
    }
}

#[cfg(test)]
mod tests;
