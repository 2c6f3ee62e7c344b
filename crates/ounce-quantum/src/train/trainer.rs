//! The loop of training.

use std::ops::ControlFlow;

use super::{Objective, Optimizer, OptimizerKind, OptimizerState, Samples, Schedule};
use crate::model::{Executor, Layer, Mode, Model, ModelError, Statistics};
use crate::qoc::{Pruner, PrunerState, Pruning};
use ounce_random::Pcg32;
use serde::{Deserialize, Serialize};

/// Samples by which normalizations are calibrated, at most.
const CALIBRATION: usize = 512;

/// How a model is trained. Everything that is random follows from the seed.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Options {
    /// What is made small. Task files do not say it: it follows from what they have, data or a Hamiltonian.
    #[serde(skip)]
    pub objective: Objective,
    /// Passes over the samples.
    pub epochs: usize,
    /// Samples of a step.
    pub batch: usize,
    /// The learning rate where the schedule's factor is 1.
    pub rate: f64,
    /// How it changes from step to step.
    pub schedule: Schedule,
    /// The rule of the optimizer.
    pub optimizer: OptimizerKind,
    /// Added to gradients, times the parameter.
    pub weight_decay: f64,
    /// Which parameters are trained in a step.
    pub pruning: Pruning,
    /// Training ends once it has run so many circuits, evaluations left out.
    pub max_runs: Option<u64>,
    /// The seed.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            objective: Objective::default(),
            epochs: 30,
            batch: 32,
            rate: 0.01,
            schedule: Schedule::default(),
            optimizer: OptimizerKind::default(),
            weight_decay: 0.0,
            pruning: Pruning::default(),
            max_runs: None,
            seed: 0,
        }
    }
}

/// What was seen in one pass over the samples.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Epoch {
    /// Its number, from 1.
    pub epoch: usize,
    /// The learning rate of its last step.
    pub rate: f64,
    /// Mean over its steps, penalties included.
    pub loss: f64,
    /// Share of the samples that were classified rightly while training on them.
    pub accuracy: f64,
    /// On the samples for validation, at its end.
    pub validation: Option<Evaluation>,
    /// Circuits run for training, by its end; evaluations left out.
    pub runs: u64,
}

/// How good a model is on some samples.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Evaluation {
    /// Mean loss.
    pub loss: f64,
    /// Share classified rightly; 0 where there are no classes.
    pub accuracy: f64,
}

/// All that training needs to go on as if it had not been interrupted.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Of the model.
    pub parameters: Vec<f64>,
    /// Of its normalizations.
    pub statistics: Vec<Option<Statistics>>,
    /// Of the optimizer.
    pub optimizer: OptimizerState,
    /// Of the pruner.
    pub pruner: PrunerState,
    /// Steps done.
    pub step: usize,
    /// Circuits run for training.
    pub runs: u64,
    /// Epochs done.
    pub history: Vec<Epoch>,
}

/// Why training stopped.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// The model cannot be run.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// No samples, or none of a kind that the model takes.
    #[error("the model takes samples of {expected} values, the data has {samples} of {found}")]
    Samples {
        /// Values the model takes.
        expected: usize,
        /// Values of a sample.
        found: usize,
        /// Samples there are.
        samples: usize,
    },
    /// A class without an output.
    #[error("the data has class {label}, the model has {outputs} outputs; give it one for each class")]
    Label {
        /// The class.
        label: usize,
        /// Outputs of the model.
        outputs: usize,
    },
    /// The checkpoint of another model.
    #[error(
        "the checkpoint is that of a model with {found} parameters, this one has {expected}; start anew or take its own"
    )]
    Checkpoint {
        /// Parameters of the model.
        expected: usize,
        /// Parameters of the checkpoint.
        found: usize,
    },
    /// The loss is no number any more.
    #[error("the loss is not a number after {step} steps; take a smaller learning rate")]
    Diverged {
        /// Steps done.
        step: usize,
    },
}

impl Checkpoint {
    /// Where training begins: angles uniform in -pi..pi, classical weights uniform within `1/sqrt(inputs)` as PyTorch's.
    pub fn new(model: &Model, seed: u64) -> Self {
        let mut random = Pcg32::new(seed);
        let bound = |layer: &Layer| match layer {
            Layer::Linear(linear) => 1.0 / (linear.inputs.max(1) as f64).sqrt(),
            _ => std::f64::consts::PI,
        };
        let bounds = model.layers().iter().flat_map(|layer| vec![bound(layer); layer.parameters()]);
        let parameters: Vec<f64> = bounds.map(|bound| random.uniform(-bound, bound)).collect();
        let count = parameters.len();
        Self {
            statistics: model.statistics().to_vec(),
            optimizer: Optimizer::new(OptimizerKind::default(), 0.0, count).state().clone(),
            pruner: Pruner::new(Pruning::None, count, seed).state().clone(),
            step: 0,
            runs: 0,
            history: Vec::new(),
            parameters,
        }
    }
}

/// Trains a model from a checkpoint on, and leaves its normalizations calibrated. `ended` is told of each epoch and may end the training.
///
/// # Errors
/// If samples or checkpoint do not fit the model, or a circuit cannot be run.
pub fn train(
    model: &mut Model,
    executor: &mut dyn Executor,
    samples: &Samples,
    validation: Option<&Samples>,
    options: &Options,
    mut checkpoint: Checkpoint,
    ended: &mut dyn FnMut(&Checkpoint) -> ControlFlow<()>,
) -> Result<Checkpoint, TrainError> {
    for samples in [Some(samples), validation].into_iter().flatten() {
        check(model, samples, options.objective)?;
    }
    let count = model.parameters();
    let mismatch = TrainError::Checkpoint { expected: count, found: checkpoint.parameters.len() };
    let optimizer =
        Optimizer::resume(options.optimizer, options.weight_decay, count, checkpoint.optimizer.clone());
    let pruner = Pruner::resume(options.pruning, count, options.seed, checkpoint.pruner.clone());
    let (Some(mut optimizer), Some(mut pruner)) = (optimizer, pruner) else { return Err(mismatch) };
    if checkpoint.parameters.len() != count {
        return Err(mismatch);
    }
    let batch = options.batch.clamp(1, samples.len());
    let steps = batches(samples.len(), batch).count();
    let runs_before = checkpoint.runs;
    let mut evaluations = 0;
    let start = executor.runs();
    for epoch in checkpoint.history.len()..options.epochs {
        let mut order: Vec<usize> = (0..samples.len()).collect();
        Pcg32::with_stream(options.seed, epoch as u64 + 1).shuffle(&mut order);
        let mut record =
            Epoch { epoch: epoch + 1, rate: 0.0, loss: 0.0, accuracy: 0.0, validation: None, runs: 0 };
        let (mut full, mut seen) = (false, 0);
        for range in batches(samples.len(), batch) {
            let numbers = &order[range];
            if options
                .max_runs
                .is_some_and(|most| executor.runs() - start - evaluations + runs_before >= most)
            {
                full = true;
                break;
            }
            let picked = samples.pick(numbers);
            executor.begin(checkpoint.step as u64);
            let trace = model.forward(executor, &checkpoint.parameters, picked.values(), Mode::Batch)?;
            let loss = options.objective.loss(trace.outputs(), model.outputs(), picked.labels());
            let active = pruner.active();
            let gradients = model.backward(
                executor,
                &checkpoint.parameters,
                &trace,
                &loss.derivatives,
                active.as_deref(),
            )?;
            record.rate = options.rate * options.schedule.factor(checkpoint.step, steps * options.epochs);
            optimizer.step(&mut checkpoint.parameters, &gradients, record.rate, active.as_deref());
            pruner.advance(&gradients);
            checkpoint.step += 1;
            // Means over the samples seen so far.
            seen += picked.len();
            let share = picked.len() as f64 / seen as f64;
            record.loss += (loss.value + trace.penalty - record.loss) * share;
            record.accuracy += (loss.correct as f64 / picked.len() as f64 - record.accuracy) * share;
            if !checkpoint.parameters.iter().all(|parameter| parameter.is_finite())
                || !record.loss.is_finite()
            {
                return Err(TrainError::Diverged { step: checkpoint.step });
            }
        }
        if seen == 0 {
            break;
        }
        checkpoint.runs = executor.runs() - start - evaluations + runs_before;
        record.runs = checkpoint.runs;
        let before = executor.runs();
        calibrate(model, executor, &checkpoint.parameters, samples)?;
        checkpoint.statistics = model.statistics().to_vec();
        record.validation = match validation {
            Some(validation) => {
                Some(evaluate(model, executor, &checkpoint.parameters, validation, options.objective)?)
            }
            None => None,
        };
        evaluations += executor.runs() - before;
        checkpoint.optimizer = optimizer.state().clone();
        checkpoint.pruner = pruner.state().clone();
        checkpoint.history.push(record);
        if ended(&checkpoint).is_break() || full {
            break;
        }
    }
    Ok(checkpoint)
}

/// The samples of each step. A single sample that is left over joins the step before, since it has no deviation to be normalized by.
fn batches(samples: usize, batch: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
    let steps = (samples / batch + usize::from(samples % batch > 1)).max(1);
    (0..steps).map(move |step| step * batch..if step + 1 == steps { samples } else { (step + 1) * batch })
}

/// Gives the normalizations of a model the statistics of some samples; nothing is run if it has none.
fn calibrate(
    model: &mut Model,
    executor: &mut dyn Executor,
    parameters: &[f64],
    samples: &Samples,
) -> Result<(), ModelError> {
    if model.layers().iter().any(|layer| matches!(layer, Layer::Normalization(_))) {
        model.calibrate(executor, parameters, samples.first(CALIBRATION).values())?;
    }
    Ok(())
}

/// How good a model is, with the statistics stored in it.
///
/// # Errors
/// If samples do not fit the model, or a circuit cannot be run.
pub fn evaluate(
    model: &Model,
    executor: &mut dyn Executor,
    parameters: &[f64],
    samples: &Samples,
    objective: Objective,
) -> Result<Evaluation, TrainError> {
    check(model, samples, objective)?;
    let trace = model.forward(executor, parameters, samples.values(), Mode::Stored)?;
    let loss = objective.loss(trace.outputs(), model.outputs(), samples.labels());
    Ok(Evaluation { loss: loss.value, accuracy: loss.correct as f64 / samples.len() as f64 })
}

fn check(model: &Model, samples: &Samples, objective: Objective) -> Result<(), TrainError> {
    let (expected, found) = (model.inputs(), samples.width());
    if samples.is_empty() || expected != found {
        return Err(TrainError::Samples { expected, found, samples: samples.len() });
    }
    let outputs = model.outputs();
    match samples.labels().iter().find(|label| **label >= outputs) {
        Some(&label) if objective == Objective::CrossEntropy => Err(TrainError::Label { label, outputs }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
