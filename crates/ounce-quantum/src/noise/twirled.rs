//! The errors of a device as Paulis, for training that is aware of noise (QuantumNAT).

use std::collections::HashMap;

use super::model::NoiseModel;
use crate::backend::BackendError;
use crate::circuit::Operation;
use crate::device::Device;
use crate::gate::{Gate, by_name};
use crate::qnat::{ErrorModel, PauliError, Readout};

/// The errors of a gate, by its qubits.
type ByQubits = HashMap<Vec<usize>, Vec<PauliError>>;

/// A device's noise averaged over Paulis (twirled), looked up by gate and qubits.
#[derive(Clone, Debug)]
pub struct TwirledErrors {
    device: Device,
    /// The gates of the device's basis, each with its errors by qubits.
    gates: Vec<(Gate, ByQubits)>,
    readout: Vec<Readout>,
}

impl TwirledErrors {
    /// The errors of a device by its noise model.
    pub fn new(device: Device, model: &NoiseModel) -> Self {
        let mut gates: Vec<(Gate, ByQubits)> =
            device.basis().iter().filter_map(|name| Some((by_name(name)?, ByQubits::new()))).collect();
        for (name, qubits, noise) in model.errors() {
            let gate = by_name(name);
            let Some((_, by_qubits)) = gates.iter_mut().find(|(own, _)| gate.as_ref() == Some(own)) else {
                continue;
            };
            let channel = noise.twirled(1.0);
            let error = |(number, &probability): (usize, &f64)| {
                (number > 0 && probability > 0.0)
                    .then(|| PauliError { probability, paulis: channel.product(number).collect() })
            };
            let errors = channel.probabilities().iter().enumerate().filter_map(error).collect();
            by_qubits.insert(qubits.to_vec(), errors);
        }
        let readout = (0..model.qubits()).map(|qubit| {
            let error = model.readout(qubit);
            Readout::new(error.one_given_zero, error.zero_given_one)
        });
        Self { readout: readout.collect(), gates, device }
    }
}

impl ErrorModel for TwirledErrors {
    fn errors(&self, operation: &Operation) -> Result<Vec<PauliError>, BackendError> {
        let known = self.gates.iter().find(|(gate, _)| *gate == operation.gate);
        if let Some(errors) = known.and_then(|(_, by_qubits)| by_qubits.get(&operation.qubits)) {
            return Ok(errors.clone());
        }
        // A gate without an error, or none that the device has.
        match self.device.objection(operation) {
            None => Ok(Vec::new()),
            Some(objection) => Err(BackendError::Unsupported {
                backend: "the model of the device's noise",
                instruction: format!(
                    "{} on qubits {:?}: {objection}",
                    operation.gate.name(),
                    operation.qubits
                ),
                remedy: "transpile the circuit for the device first",
            }),
        }
    }

    fn readout(&self, qubit: usize) -> Readout {
        self.readout.get(qubit).copied().unwrap_or(Readout { scale: 1.0, offset: 0.0 })
    }
}
