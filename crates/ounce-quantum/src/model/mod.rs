//! Hybrid models: circuits and classical layers in a row.
//!
//! Values flow as rows of one number for each output, a row a sample. Each kind of layer is one file with its forward and its backward step; parameters
//! of all layers lie in one slice, in order. Circuits are run by an [`Executor`], so that the same model is trained on a simulator, with
//! injected noise or on a device.

mod circuit_layer;
mod executor;
mod linear;
mod normalization;
mod quantization;

pub use circuit_layer::CircuitLayer;
pub use executor::{DeviceExecutor, Executor, SimulatorExecutor};
pub use linear::{Activation, Linear};
pub use normalization::{Normalization, Statistics};
pub use quantization::Quantization;

use crate::backend::BackendError;
use crate::gradient::shift::Wanted;

/// One layer of a model.
#[derive(Clone, PartialEq, Debug)]
pub enum Layer {
    /// A circuit whose inputs are the values before it, and whose expectation values come out.
    Circuit(CircuitLayer),
    /// Post-measurement normalization of QuantumNAT.
    Normalization(Normalization),
    /// Post-measurement quantization of QuantumNAT.
    Quantization(Quantization),
    /// A matrix and a bias, both trained.
    Linear(Linear),
    /// A function of each value.
    Activation(Activation),
    /// Sums of groups of values, such as of qubits (0, 1) and (2, 3) for two classes.
    Sum(Vec<Vec<usize>>),
}

/// Why layers do not make a model, or a model cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// A layer that does not take as many values as come before it.
    #[error("layer {layer} takes {expected} values, the one before it gives {found}")]
    Width {
        /// Number of the layer.
        layer: usize,
        /// Values that it takes.
        expected: usize,
        /// Values that it would get.
        found: usize,
    },
    /// Another number of parameters or values than the model has.
    #[error("the model takes {expected} {what}, {found} were given")]
    Length {
        /// What was counted.
        what: &'static str,
        /// Needed.
        expected: usize,
        /// Given.
        found: usize,
    },
    /// A normalization that was never calibrated.
    #[error("layer {layer} has no statistics yet; calibrate the model with some samples first")]
    NotCalibrated {
        /// Number of the layer.
        layer: usize,
    },
    /// A circuit could not be run.
    #[error(transparent)]
    Backend(#[from] BackendError),
}

/// Where normalizations take their statistics from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// From the batch itself, as in training.
    Batch,
    /// From what was stored by [`Model::calibrate`], so that a prediction does not depend on the other samples.
    Stored,
}

/// Layers in a row.
#[derive(Clone, PartialEq, Debug)]
pub struct Model {
    inputs: usize,
    layers: Vec<Layer>,
    /// Of each layer that is a normalization, once calibrated.
    statistics: Vec<Option<Statistics>>,
}

/// The values of a forward pass, as the backward pass needs them.
#[derive(Clone, PartialEq, Debug)]
pub struct Trace {
    samples: usize,
    /// What goes into each layer, and at the end what comes out of the last.
    values: Vec<Vec<f64>>,
    /// Statistics that normalizations used.
    statistics: Vec<Option<Statistics>>,
    /// What layers add to the loss: the penalties of quantizations.
    pub penalty: f64,
}

impl Trace {
    /// What came out of the model: a row for each sample.
    pub fn outputs(&self) -> &[f64] {
        self.values.last().map_or(&[], Vec::as_slice)
    }

    /// What went into layer `index`; what came out of the last at the number of layers.
    pub fn values(&self, index: usize) -> &[f64] {
        &self.values[index]
    }
}

impl Layer {
    /// Values it gives for one sample, from as many as `inputs`; an error holds how many it takes.
    fn outputs(&self, inputs: usize) -> Result<usize, usize> {
        let (takes, gives) = match self {
            Self::Circuit(layer) => (layer.circuit.inputs(), layer.observables.len()),
            Self::Linear(linear) => (linear.inputs, linear.outputs),
            Self::Sum(groups) => {
                let needed = groups.iter().flatten().max().map_or(0, |largest| largest + 1);
                (inputs.max(needed), groups.len())
            }
            Self::Normalization(_) | Self::Quantization(_) | Self::Activation(_) => (inputs, inputs),
        };
        if takes == inputs { Ok(gives) } else { Err(takes) }
    }

    /// Parameters it has.
    pub fn parameters(&self) -> usize {
        match self {
            Self::Circuit(layer) => layer.circuit.parameters().len(),
            Self::Linear(linear) => linear.parameters(),
            _ => 0,
        }
    }
}

impl Model {
    /// The model of these layers, for samples of `inputs` values.
    ///
    /// # Errors
    /// If a layer does not take what the one before it gives.
    pub fn new(inputs: usize, layers: Vec<Layer>) -> Result<Self, ModelError> {
        let mut width = inputs;
        for (index, layer) in layers.iter().enumerate() {
            let mismatch = |expected| ModelError::Width { layer: index, expected, found: width };
            width = layer.outputs(width).map_err(mismatch)?;
        }
        let statistics = vec![None; layers.len()];
        Ok(Self { inputs, layers, statistics })
    }

    /// Values of a sample.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Values that come out for a sample.
    pub fn outputs(&self) -> usize {
        // `new` has checked every width.
        self.layers.iter().fold(self.inputs, |width, layer| layer.outputs(width).unwrap_or(width))
    }

    /// The layers.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// Parameters of all layers.
    pub fn parameters(&self) -> usize {
        self.layers.iter().map(Layer::parameters).sum()
    }

    /// Statistics of the normalizations, one for each layer.
    pub fn statistics(&self) -> &[Option<Statistics>] {
        &self.statistics
    }

    /// Gives the normalizations statistics, as [`Model::statistics`] has them.
    ///
    /// # Errors
    /// If there is not one entry for each layer.
    pub fn set_statistics(&mut self, statistics: Vec<Option<Statistics>>) -> Result<(), ModelError> {
        let (expected, found) = (self.layers.len(), statistics.len());
        if expected != found {
            return Err(ModelError::Length { what: "statistics", expected, found });
        }
        self.statistics = statistics;
        Ok(())
    }

    /// Runs the samples and stores the statistics of their values, those of the model on the device that the executor stands for.
    ///
    /// # Errors
    /// As [`Model::forward`].
    pub fn calibrate(
        &mut self,
        executor: &mut dyn Executor,
        parameters: &[f64],
        samples: &[f64],
    ) -> Result<(), ModelError> {
        self.statistics = self.forward(executor, parameters, samples, Mode::Batch)?.statistics;
        Ok(())
    }

    /// Runs samples: rows of [`Model::inputs`] values.
    ///
    /// # Errors
    /// If lengths do not fit, a circuit cannot be run or statistics are missing.
    pub fn forward(
        &self,
        executor: &mut dyn Executor,
        parameters: &[f64],
        samples: &[f64],
        mode: Mode,
    ) -> Result<Trace, ModelError> {
        self.check(parameters, samples)?;
        let count = samples.len().checked_div(self.inputs).unwrap_or(1);
        let layers = self.layers.len();
        let mut trace = Trace {
            samples: count,
            values: Vec::with_capacity(layers + 1),
            statistics: vec![None; layers],
            penalty: 0.0,
        };
        trace.values.push(samples.to_vec());
        let mut rest = parameters;
        for (index, layer) in self.layers.iter().enumerate() {
            let (own, after) = rest.split_at(layer.parameters());
            rest = after;
            let values = &trace.values[index];
            let out = match layer {
                Layer::Circuit(circuit) => {
                    executor.expectations(index, &circuit.request(own, values, count)?)?
                }
                Layer::Linear(linear) => linear.forward(own, values),
                Layer::Activation(activation) => {
                    values.iter().map(|&value| activation.forward(value)).collect()
                }
                Layer::Sum(groups) => sum(groups, values, values.len() / count.max(1)),
                Layer::Quantization(quantization) => {
                    trace.penalty += quantization.penalty(values);
                    values.iter().map(|&value| quantization.forward(value)).collect()
                }
                Layer::Normalization(normalization) => {
                    let statistics = match mode {
                        Mode::Batch => normalization.statistics(values, values.len() / count.max(1)),
                        Mode::Stored => self.statistics[index]
                            .clone()
                            .ok_or(ModelError::NotCalibrated { layer: index })?,
                    };
                    let out = statistics.normalize(values);
                    trace.statistics[index] = Some(statistics);
                    out
                }
            };
            trace.values.push(out);
        }
        Ok(trace)
    }

    /// The derivatives of a loss with respect to all parameters, from those with respect to the outputs. `active` marks the parameters that are
    /// wanted (`None`: all); the others get 0.
    ///
    /// # Errors
    /// If a circuit cannot be run.
    ///
    /// # Panics
    /// If the trace is not that of a [`Mode::Batch`] pass of this model, or slices have other lengths.
    pub fn backward(
        &self,
        executor: &mut dyn Executor,
        parameters: &[f64],
        trace: &Trace,
        derivatives: &[f64],
        active: Option<&[bool]>,
    ) -> Result<Vec<f64>, ModelError> {
        let mut gradients = vec![0.0; parameters.len()];
        let mut cotangents = derivatives.to_vec();
        let mut end = parameters.len();
        let first_trained =
            self.layers.iter().position(|layer| layer.parameters() > 0).unwrap_or(self.layers.len());
        for (index, layer) in self.layers.iter().enumerate().skip(first_trained).rev() {
            let range = end - layer.parameters()..end;
            end = range.start;
            let own = &parameters[range.clone()];
            let values = &trace.values[index];
            cotangents = match layer {
                Layer::Circuit(circuit) => {
                    let wanted = Wanted {
                        parameters: active.map(|active| &active[range.clone()]),
                        inputs: index > first_trained,
                    };
                    let request = circuit.request(own, values, trace.samples)?;
                    let found = executor.gradients(index, &request, &cotangents, wanted)?;
                    gradients[range].copy_from_slice(&found.parameters);
                    found.inputs
                }
                Layer::Linear(linear) => linear.backward(own, values, &cotangents, &mut gradients[range]),
                Layer::Activation(activation) => values
                    .iter()
                    .zip(&cotangents)
                    .map(|(&value, c)| c * activation.derivative(value))
                    .collect(),
                Layer::Sum(groups) => sum_backward(groups, &cotangents, values.len(), trace.samples),
                Layer::Quantization(quantization) => quantization.backward(values, &cotangents),
                Layer::Normalization(_) => match &trace.statistics[index] {
                    Some(statistics) => statistics.backward(values, &cotangents),
                    None => cotangents,
                },
            };
        }
        if let Some(active) = active {
            gradients
                .iter_mut()
                .zip(active)
                .filter(|(_, active)| !**active)
                .for_each(|(gradient, _)| *gradient = 0.0);
        }
        Ok(gradients)
    }

    fn check(&self, parameters: &[f64], samples: &[f64]) -> Result<(), ModelError> {
        let (expected, found) = (self.parameters(), parameters.len());
        if expected != found {
            return Err(ModelError::Length { what: "parameters", expected, found });
        }
        let whole =
            if self.inputs == 0 { samples.is_empty() } else { samples.len().is_multiple_of(self.inputs) };
        if !whole {
            return Err(ModelError::Length {
                what: "values a sample",
                expected: self.inputs,
                found: samples.len(),
            });
        }
        Ok(())
    }
}

fn sum(groups: &[Vec<usize>], values: &[f64], width: usize) -> Vec<f64> {
    let rows = values.chunks(width.max(1));
    rows.flat_map(|row| groups.iter().map(|group| group.iter().map(|&index| row[index]).sum())).collect()
}

fn sum_backward(groups: &[Vec<usize>], cotangents: &[f64], len: usize, samples: usize) -> Vec<f64> {
    let width = len / samples.max(1);
    let mut out = vec![0.0; len];
    for (row, cotangents) in out.chunks_mut(width.max(1)).zip(cotangents.chunks(groups.len().max(1))) {
        for (group, cotangent) in groups.iter().zip(cotangents) {
            group.iter().for_each(|&index| row[index] += cotangent);
        }
    }
    out
}

#[cfg(test)]
mod tests;
