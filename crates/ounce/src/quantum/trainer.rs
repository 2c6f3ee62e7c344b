//! A model, where it is trained and where it is evaluated.

use super::patience::Patient;
use super::simulator;
use crate::chat::Interrupt;
use crate::failure::{Failure, Result};
use ounce_quantum::backend::BackendError;
use ounce_quantum::device::Device;
use ounce_quantum::model::{Executor, Layer, Model, SimulatorExecutor};
use ounce_quantum::task::{DeviceSpec, Prepared, Task};
use ounce_quantum::train::{self, Checkpoint, Evaluation, Objective, Options, Samples};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// Samples by which the normalizations of a model are calibrated on a device.
const CALIBRATION: usize = 256;
/// Added to the seed of a training for what is drawn when the trained model is evaluated.
const EVALUATION: u64 = 0x5eed;

/// Where a training takes place.
pub(crate) struct Place<'a> {
    /// The device of the task.
    pub(crate) device: Option<Device>,
    /// The folder that paths of the task are relative to.
    pub(crate) folder: &'a Path,
    /// Whether to wait for counts of circuits that are handed over as files, until this is pressed.
    pub(crate) wait: Option<Interrupt>,
    /// Threads of simulators.
    pub(crate) threads: usize,
}

/// A model in training.
pub(crate) struct Trainer {
    options: Options,
    /// The model that is trained, and who runs it.
    model: Model,
    executor: Box<dyn Executor>,
    device: Option<OnDevice>,
    threads: usize,
}

/// A model in the gates of a device.
struct OnDevice {
    spec: DeviceSpec,
    device: Device,
    model: Model,
    folder: PathBuf,
    wait: Option<Interrupt>,
}

impl OnDevice {
    fn executor(&self, seed: u64) -> Result<Box<dyn Executor>> {
        let executor = self.spec.executor(&self.device, &self.model, &self.folder, seed).map_err(|error| {
            let failure = Failure::from_error(&error);
            match error {
                BackendError::TooLarge { .. } => failure.hint(
                    "set `execution = \"trajectories\"` in [device], or `\"readout\"` for the errors of readout alone",
                ),
                _ => failure,
            }
        })?;
        Ok(match &self.wait {
            Some(interrupt) => Box::new(Patient::new(executor, interrupt.clone())),
            None => executor,
        })
    }
}

impl Trainer {
    /// The model of a task where the task wants it trained: on a simulator, on one with injected noise, or on a device. That the device can run the model is
    /// checked now, though it may be needed only at the end.
    pub(crate) fn new(task: &Task, prepared: &Prepared, place: Place<'_>) -> Result<Self> {
        let options = task.options();
        let Place { device, folder, wait, threads } = place;
        let device = match (task.device.clone(), device) {
            (Some(spec), Some(device)) => {
                let model = prepared.model.on_device(&device, options.seed)?;
                Some(OnDevice { spec, device, model, folder: folder.to_owned(), wait })
            }
            _ => None,
        };
        let on_device = device.as_ref().map(|device| device.executor(options.seed)).transpose()?;
        let plain = || -> (Model, Box<dyn Executor>) {
            (prepared.model.clone(), Box::new(SimulatorExecutor(simulator(threads))))
        };
        let (model, executor) = match (&device, on_device) {
            (Some(OnDevice { spec: DeviceSpec { train: true, injection: Some(_), .. }, .. }), _) => {
                return Err(Failure::new(
                    "noise is injected on a simulator, but the task trains on the device",
                )
                .hint("leave out `train` or `injection`"));
            }
            (Some(OnDevice { spec: DeviceSpec { train: true, .. }, model, .. }), Some(executor)) => {
                (model.clone(), executor)
            }
            (Some(OnDevice { spec, device, model, .. }), _) => {
                let steps = prepared.samples.len().div_ceil(options.batch.max(1)) * options.epochs;
                match spec.injecting(simulator(threads), device, steps, options.seed) {
                    Some(executor) => (model.clone(), Box::new(executor) as Box<dyn Executor>),
                    None => plain(),
                }
            }
            (None, _) => plain(),
        };
        Ok(Self { options, model, executor, device, threads })
    }

    /// Trains it.
    pub(crate) fn train(
        &mut self,
        prepared: &Prepared,
        start: Checkpoint,
        ended: &mut dyn FnMut(&Checkpoint) -> ControlFlow<()>,
    ) -> Result<Checkpoint> {
        let (samples, validation) = (&prepared.samples, prepared.validation.as_ref());
        let executor = self.executor.as_mut();
        Ok(train::train(&mut self.model, executor, samples, validation, &self.options, start, ended)?)
    }

    /// How good the trained model is without noise.
    pub(crate) fn without_noise(
        &self,
        prepared: &Prepared,
        end: &Checkpoint,
        samples: &Samples,
    ) -> Result<Evaluation> {
        let mut executor = SimulatorExecutor(simulator(self.threads));
        evaluate(&prepared.model, &mut executor, prepared, end, samples, self.options.objective)
    }

    /// How good it is on the device, with normalizations calibrated there; `None` without a device.
    pub(crate) fn on_device(
        &self,
        prepared: &Prepared,
        end: &Checkpoint,
        samples: &Samples,
    ) -> Result<Option<Evaluation>> {
        let Some(device) = &self.device else { return Ok(None) };
        let mut executor = device.executor(self.options.seed ^ EVALUATION)?;
        evaluate(&device.model, executor.as_mut(), prepared, end, samples, self.options.objective).map(Some)
    }
}

fn evaluate(
    model: &Model,
    executor: &mut dyn Executor,
    prepared: &Prepared,
    end: &Checkpoint,
    samples: &Samples,
    objective: Objective,
) -> Result<Evaluation> {
    let mut model = model.clone();
    if model.layers().iter().any(|layer| matches!(layer, Layer::Normalization(_))) {
        model.calibrate(executor, &end.parameters, prepared.samples.first(CALIBRATION).values())?;
    }
    Ok(train::evaluate(&model, executor, &end.parameters, samples, objective)?)
}
