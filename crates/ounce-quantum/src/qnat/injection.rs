//! Error gates inserted at random while training (section 3.2).

use crate::backend::{BackendError, Differentiate, Gradients, Request};
use crate::circuit::Circuit;
use crate::gradient::shift::Wanted;
use crate::model::Executor;
use crate::noise::{NoiseModel, as_read};
use crate::observable::PauliSum;
use crate::train::Schedule;
use ounce_random::Pcg32;

/// A simulator whose circuits get errors drawn at random, new ones in each step, and whose expectation values pass the readout of the device. Circuits must be
/// in the gates and on the qubits of the device: other gates have no errors.
#[derive(Clone, Debug)]
pub struct InjectingExecutor<D> {
    simulator: D,
    noise: NoiseModel,
    factor: f64,
    schedule: Schedule,
    steps: usize,
    draws: usize,
    seed: u64,
    step: u64,
}

impl<D: Differentiate> InjectingExecutor<D> {
    /// An executor that multiplies the probabilities of errors by `factor` (QuantumNAT's T). The samples of a batch share `draws` draws, as equally as
    /// they can; QuantumNAT has one draw for all.
    pub fn new(simulator: D, noise: NoiseModel, factor: f64, draws: usize, seed: u64) -> Self {
        let schedule = Schedule::Constant;
        Self { simulator, noise, factor, schedule, steps: 1, draws: draws.max(1), seed, step: 0 }
    }

    /// Lets the factor follow a schedule over so many steps of training.
    pub fn with_schedule(mut self, schedule: Schedule, steps: usize) -> Self {
        (self.schedule, self.steps) = (schedule, steps);
        self
    }

    /// The circuit with errors, as drawn for a group of samples in this step: equal for the forward and the backward pass.
    fn injected(&self, layer: usize, group: usize, circuit: &Circuit) -> Circuit {
        let factor = self.factor * self.schedule.factor(self.step as usize, self.steps);
        let stream = (layer as u64) << 32 | group as u64;
        let mut random =
            Pcg32::with_stream(self.seed.wrapping_add(self.step.wrapping_mul(0x9e37_79b9_7f4a_7c15)), stream);
        self.noise.insert(circuit, factor, &mut random)
    }

    /// Runs `run` on each group of samples, with the group's circuit.
    fn for_groups(
        &mut self,
        layer: usize,
        request: &Request<'_>,
        mut run: impl FnMut(&mut D, &Request<'_>, std::ops::Range<usize>) -> Result<(), BackendError>,
    ) -> Result<(), BackendError> {
        // Qubits of the device that the circuit leaves alone are not simulated.
        let observables = self.read(request.observables)?;
        let qubits = request.circuit.used_qubits(observables.iter().flat_map(PauliSum::on_qubits));
        let local = |qubit: usize| qubits.partition_point(|&own| own < qubit);
        let observables: Vec<PauliSum> =
            observables.iter().map(|observable| observable.moved(local)).collect();
        let groups = self.draws.min(request.samples.max(1));
        let width = request.circuit.inputs();
        for group in 0..groups {
            let range = request.samples * group / groups..request.samples * (group + 1) / groups;
            let circuit = self.injected(layer, group, request.circuit).on_qubits(&qubits);
            let inputs = &request.inputs[range.start * width..range.end * width];
            let part = Request {
                circuit: &circuit,
                inputs,
                samples: range.len(),
                observables: &observables,
                ..*request
            };
            run(&mut self.simulator, &part, range)?;
        }
        Ok(())
    }

    /// What is really measured when the observables are read with the errors of the device.
    fn read(&self, observables: &[PauliSum]) -> Result<Vec<PauliSum>, BackendError> {
        let read = |observable| {
            as_read(observable, |qubit| self.noise.readout(qubit)).ok_or(BackendError::Unsupported {
                backend: "noise injection",
                instruction: "a product of Paulis on so many qubits".into(),
                remedy: "measure fewer qubits at once, or train without noise",
            })
        };
        observables.iter().map(read).collect()
    }
}

impl<D: Differentiate> Executor for InjectingExecutor<D> {
    fn expectations(&mut self, layer: usize, request: &Request<'_>) -> Result<Vec<f64>, BackendError> {
        let mut values = Vec::with_capacity(request.samples * request.observables.len());
        self.for_groups(layer, request, |simulator, part, _| {
            values.extend(simulator.expectations(part)?);
            Ok(())
        })?;
        Ok(values)
    }

    fn gradients(
        &mut self,
        layer: usize,
        request: &Request<'_>,
        cotangents: &[f64],
        _wanted: Wanted<'_>,
    ) -> Result<Gradients, BackendError> {
        let width = request.observables.len();
        let mut gradients = Gradients { parameters: vec![0.0; request.parameters.len()], inputs: Vec::new() };
        self.for_groups(layer, request, |simulator, part, range| {
            let own = &cotangents[range.start * width..range.end * width];
            let (_, found) = simulator.gradients(part, &mut |_| own.to_vec())?;
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
