//! What runs circuits: simulators, noisy models of devices, real machines by way of files.

mod files;
mod noisy;

pub use files::{CircuitWriter, FileBackend, MAX_COUNTS_BYTES, Waiting};
pub use noisy::{Execution, NoisyBackend, NoisyOptions};

use std::path::PathBuf;

use crate::circuit::Circuit;
use crate::observable::PauliSum;
use crate::sim::reference;

/// A circuit to run for each sample of a batch, and what to measure at its end.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The circuit.
    pub circuit: &'a Circuit,
    /// One value for each of its parameters.
    pub parameters: &'a [f64],
    /// `samples` rows of one value for each of its inputs.
    pub inputs: &'a [f64],
    /// Samples of the batch; 1 for a circuit without inputs.
    pub samples: usize,
    /// What is measured.
    pub observables: &'a [PauliSum],
}

impl<'a> Request<'a> {
    /// A request after its lengths were checked.
    ///
    /// # Errors
    /// If there is not one value for each parameter, one for each input of each sample, or an observable acts on qubits that the circuit lacks.
    pub fn new(
        circuit: &'a Circuit,
        parameters: &'a [f64],
        inputs: &'a [f64],
        samples: usize,
        observables: &'a [PauliSum],
    ) -> Result<Self, BackendError> {
        let lengths = [
            ("parameters", circuit.parameters().len(), parameters.len()),
            ("inputs", circuit.inputs().saturating_mul(samples), inputs.len()),
        ];
        for (what, expected, found) in lengths {
            if expected != found {
                return Err(BackendError::Length { what, expected, found });
            }
        }
        let needed = observables.iter().map(PauliSum::qubits).max().unwrap_or(0);
        if needed > circuit.qubits() {
            return Err(BackendError::Observable { needed, qubits: circuit.qubits() });
        }
        Ok(Self { circuit, parameters, inputs, samples, observables })
    }

    /// The inputs of one sample.
    pub fn sample(&self, index: usize) -> &'a [f64] {
        let width = self.circuit.inputs();
        &self.inputs[index * width..(index + 1) * width]
    }
}

/// Why a circuit could not be run.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// Values that do not fit the circuit.
    #[error("the circuit takes {expected} values as {what}, {found} were given")]
    Length {
        /// Parameters or inputs.
        what: &'static str,
        /// Values needed.
        expected: usize,
        /// Values given.
        found: usize,
    },
    /// An observable on qubits that the circuit lacks.
    #[error("an observable acts on {needed} qubits, the circuit has {qubits}")]
    Observable {
        /// Qubits of the observable.
        needed: usize,
        /// Qubits of the circuit.
        qubits: usize,
    },
    /// A state that does not fit memory, or is more than the simulator takes.
    #[error(
        "{qubits} qubits need {bytes} bytes, {limit} are allowed; take fewer qubits or another simulator"
    )]
    TooLarge {
        /// Qubits of the circuit.
        qubits: usize,
        /// Bytes that its state takes, at most `u128::MAX`.
        bytes: u128,
        /// Bytes allowed.
        limit: u128,
    },
    /// An instruction that this backend cannot run.
    #[error("{backend} cannot run {instruction}; {remedy}")]
    Unsupported {
        /// The backend.
        backend: &'static str,
        /// The instruction.
        instruction: String,
        /// What to do.
        remedy: &'static str,
    },
    /// Circuits were written for a machine, and their counts are not there yet.
    #[error(
        "{missing} circuits wait to be run; run those that {} lists, put the counts where it says, and start this again",
        folder.join("manifest.json").display()
    )]
    Waiting {
        /// The folder.
        folder: PathBuf,
        /// Circuits without counts.
        missing: usize,
    },
    /// Files or a machine failed.
    #[error("{0}")]
    Failed(String),
}

/// Runs circuits and measures observables.
pub trait Backend {
    /// Expectation values, `samples` rows of one for each observable; estimates where the backend counts shots.
    ///
    /// # Errors
    /// If the request does not suit this backend.
    fn expectations(&mut self, request: &Request<'_>) -> Result<Vec<f64>, BackendError>;

    /// Says that step `step` of a training begins: what is drawn at random in it depends on the seed and the step alone, so that a resumed training
    /// draws the same.
    fn begin(&mut self, _step: u64) {}

    /// Does `work`, which asks for the expectation values of several circuits that do not depend on each other. A backend that hands circuits over to somebody
    /// hands over all of them at once.
    ///
    /// # Errors
    /// As `work`, and as [`Backend::expectations`].
    fn gathered<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, BackendError>,
    ) -> Result<T, BackendError>
    where
        Self: Sized,
    {
        work(self)
    }

    /// Circuits run so far: each sample of each request is one, whatever the number of shots.
    fn runs(&self) -> u64;
}

/// The derivatives of a number with respect to what a circuit depends on.
#[derive(Clone, PartialEq, Debug)]
pub struct Gradients {
    /// One for each parameter.
    pub parameters: Vec<f64>,
    /// `samples` rows of one for each input.
    pub inputs: Vec<f64>,
}

/// A backend that also differentiates, other than by running shifted circuits.
pub trait Differentiate: Backend {
    /// Expectation values and a function that turns their cotangents into gradients are computed in one go: `cotangents` gets the expectation values and
    /// returns, in the same shape, the derivatives of the loss with respect to them.
    ///
    /// # Errors
    /// As [`Backend::expectations`].
    fn gradients(
        &mut self,
        request: &Request<'_>,
        cotangents: &mut dyn FnMut(&[f64]) -> Vec<f64>,
    ) -> Result<(Vec<f64>, Gradients), BackendError>;
}

/// [`mod@reference`] as a backend: exact, slow, for tests.
#[derive(Clone, Debug, Default)]
pub struct ReferenceBackend {
    runs: u64,
}

impl Backend for ReferenceBackend {
    fn expectations(&mut self, request: &Request<'_>) -> Result<Vec<f64>, BackendError> {
        self.runs += request.samples as u64;
        let values = (0..request.samples).flat_map(|index| {
            let state = reference::run(request.circuit, request.parameters, request.sample(index));
            let values =
                request.observables.iter().map(|observable| reference::expectation(&state, observable));
            values.collect::<Vec<_>>()
        });
        Ok(values.collect())
    }

    fn runs(&self) -> u64 {
        self.runs
    }
}
