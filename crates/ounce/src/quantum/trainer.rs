//! A model, where it is trained and where it is evaluated.

use super::simulator;
use crate::failure::{Failure, Result};
use ounce_quantum::device::Device;
use ounce_quantum::model::{DeviceExecutor, Executor, Model, SimulatorExecutor};
use ounce_quantum::task::{DeviceSpec, Prepared, Task};
use ounce_quantum::train::{self, Checkpoint, Evaluation, Objective, Options, Samples};
use std::ops::ControlFlow;

/// Samples by which the normalizations of a model are calibrated on a device.
const CALIBRATION: usize = 256;
/// Added to the seed of a training for what is drawn when the trained model is evaluated.
const EVALUATION: u64 = 0x5eed;

/// A model in training.
pub(crate) struct Trainer {
    options: Options,
    /// The model that is trained, and who runs it.
    model: Model,
    executor: Box<dyn Executor>,
    device: Option<(DeviceSpec, Device, Model)>,
    threads: usize,
}

impl Trainer {
    /// The model of a task where the task wants it trained: on a simulator, on one with injected noise, or on a device.
    pub(crate) fn new(
        task: &Task,
        prepared: &Prepared,
        device: Option<Device>,
        threads: usize,
    ) -> Result<Self> {
        let options = task.options();
        let device = match (task.device.clone(), device) {
            (Some(spec), Some(device)) => {
                let placed = prepared.model.on_device(&device, options.seed)?;
                Some((spec, device, placed))
            }
            _ => None,
        };
        let plain = || -> (Model, Box<dyn Executor>) {
            (prepared.model.clone(), Box::new(SimulatorExecutor(simulator(threads))))
        };
        let (model, executor) = match &device {
            Some((DeviceSpec { train: true, injection: Some(_), .. }, ..)) => {
                return Err(Failure::new(
                    "noise is injected on a simulator, but the task trains on the device",
                )
                .hint("leave out `train` or `injection`"));
            }
            Some((spec, device, placed)) if spec.train => {
                let backend = spec.backend(device, options.seed);
                (placed.clone(), Box::new(DeviceExecutor::new(backend)) as Box<dyn Executor>)
            }
            Some((spec, device, placed)) => {
                let steps = prepared.samples.len().div_ceil(options.batch.max(1)) * options.epochs;
                match spec.injecting(simulator(threads), device, steps, options.seed) {
                    Some(executor) => (placed.clone(), Box::new(executor) as Box<dyn Executor>),
                    None => plain(),
                }
            }
            None => plain(),
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
        let Some((spec, device, placed)) = &self.device else { return Ok(None) };
        let mut executor = DeviceExecutor::new(spec.backend(device, self.options.seed ^ EVALUATION));
        evaluate(placed, &mut executor, prepared, end, samples, self.options.objective).map(Some)
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
    model.calibrate(executor, &end.parameters, prepared.samples.first(CALIBRATION).values())?;
    Ok(train::evaluate(&model, executor, &end.parameters, samples, objective)?)
}
