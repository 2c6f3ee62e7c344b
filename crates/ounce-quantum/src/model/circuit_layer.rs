//! A circuit as a layer.

use crate::backend::{BackendError, Request};
use crate::circuit::Circuit;
use crate::observable::PauliSum;

/// A circuit and what is measured at its end. Its inputs are the values that come in.
#[derive(Clone, PartialEq, Debug)]
pub struct CircuitLayer {
    /// The circuit, encoder included.
    pub circuit: Circuit,
    /// What is measured: one value each.
    pub observables: Vec<PauliSum>,
}

impl CircuitLayer {
    /// A circuit that is measured in Z on each of its qubits.
    pub fn measured_in_z(circuit: Circuit) -> Self {
        let observables = PauliSum::z_on_each(circuit.qubits());
        Self { circuit, observables }
    }

    pub(super) fn request<'a>(
        &'a self,
        parameters: &'a [f64],
        inputs: &'a [f64],
        samples: usize,
    ) -> Result<Request<'a>, BackendError> {
        Request::new(&self.circuit, parameters, inputs, samples, &self.observables)
    }
}
