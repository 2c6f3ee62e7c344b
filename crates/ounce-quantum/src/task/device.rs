//! A model on a device.

use std::path::Path;

use super::spec::{DeviceSpec, Execution, Runner};
use crate::backend::{self, BackendError, FileBackend, NoisyBackend, NoisyOptions};
use crate::circuit::Circuit;
use crate::device::Device;
use crate::measurement::BasisChange;
use crate::model::{CircuitLayer, DeviceExecutor, Executor, Layer, Model, ModelError};
use crate::noise::{NoiseModel, NoiseOptions};
use crate::qasm;
use crate::qnat::InjectingExecutor;
use crate::sim::SimulatorBackend;
use crate::transpile::{Target, TargetError, TranspileError, TranspileOptions, transpile};

/// Why a model cannot be run on a device.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// The device cannot run every circuit.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// A circuit does not fit it.
    #[error(transparent)]
    Transpile(#[from] TranspileError),
    /// The layers do not fit any more.
    #[error(transparent)]
    Model(#[from] ModelError),
}

/// Trajectories of each circuit, where noise is computed by them.
const TRAJECTORIES: u32 = 256;

impl Model {
    /// The model with its circuits in the gates and on the qubits of a device, and its observables where the qubits are at the end. Its parameters are the same, and so are its
    /// values, but for noise.
    ///
    /// # Errors
    /// If a circuit does not fit the device.
    pub fn on_device(&self, device: &Device, seed: u64) -> Result<Self, PlaceError> {
        let target = Target::of(device)?;
        let options = TranspileOptions { seed, ..TranspileOptions::default() };
        let place = |layer: &Layer| match layer {
            Layer::Circuit(layer) => {
                let placed = transpile(&layer.circuit, &target, &options)?;
                let moved =
                    layer.observables.iter().map(|observable| observable.moved(|qubit| placed.last[qubit]));
                Ok(Layer::Circuit(CircuitLayer { circuit: placed.circuit, observables: moved.collect() }))
            }
            other => Ok(other.clone()),
        };
        let layers = self.layers().iter().map(place).collect::<Result<_, PlaceError>>()?;
        let mut model = Self::new(self.inputs(), layers)?;
        model.set_statistics(self.statistics().to_vec())?;
        Ok(model)
    }
}

impl DeviceSpec {
    /// The device with its noise, as the task wants it simulated.
    fn backend(&self, device: &Device, seed: u64) -> NoisyBackend {
        let execution = match self.execution {
            Execution::Exact => backend::Execution::Exact,
            Execution::Trajectories => backend::Execution::Trajectories(TRAJECTORIES),
            Execution::Readout => backend::Execution::ReadoutOnly,
        };
        let options = NoisyOptions { execution, shots: self.shots, seed, ..NoisyOptions::default() };
        NoisyBackend::new(device.clone(), options)
    }

    /// What runs the circuits of a model that is on the device. The folder of circuits and counts, if the task exchanges such, is relative to `folder`.
    ///
    /// # Errors
    /// If the folder cannot be made, or a circuit of the model is too large to be simulated.
    pub fn executor(
        &self,
        device: &Device,
        model: &Model,
        folder: &Path,
        seed: u64,
    ) -> Result<Box<dyn Executor>, BackendError> {
        if let (Runner::Files, Some(path), Some(shots)) = (self.backend, &self.path, self.shots) {
            let way = BasisChange::among(|gate| device.basis_name(gate).is_some());
            let writer = |circuit: &Circuit| qasm::write2(circuit).map_err(|error| error.to_string());
            let way = way.unwrap_or(BasisChange::Hadamard);
            let backend = FileBackend::new(&folder.join(path), Box::new(writer), way, shots)?;
            return Ok(Box::new(DeviceExecutor::new(backend)));
        }
        let backend = self.backend(device, seed);
        for layer in model.layers() {
            if let Layer::Circuit(CircuitLayer { circuit, observables }) = layer {
                backend.check_size(circuit, observables)?;
            }
        }
        Ok(Box::new(DeviceExecutor::new(backend)))
    }

    /// A simulator that injects the noise of the device, over `steps` steps of training; `None` if the task does not ask for it.
    pub fn injecting(
        &self,
        simulator: SimulatorBackend<f32>,
        device: &Device,
        steps: usize,
        seed: u64,
    ) -> Option<InjectingExecutor<SimulatorBackend<f32>>> {
        let injection = self.injection?;
        let noise = NoiseModel::new(device, NoiseOptions::default());
        let executor = InjectingExecutor::new(simulator, noise, injection.factor, injection.draws, seed);
        Some(executor.with_schedule(injection.schedule, steps))
    }
}
