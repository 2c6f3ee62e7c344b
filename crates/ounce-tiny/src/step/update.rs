//! Updates of weights and biases by their gradients.

use ounce_graph::ops::{Crop, Op, QuantizedSgd, Rounding, SelectChannels};
use ounce_graph::{DType, Graph, Source, Tensor, TensorType, ValueId};
use ounce_import::ConvSite;

use super::{BIAS_RATE, Channels, RATE, STEP, StepError, StepOptions};
use crate::scheme::trained_channels;

/// A graph that gets updates.
pub(super) struct Updates<'a> {
    graph: Graph,
    options: &'a StepOptions,
    rate: ValueId,
    bias_rate: ValueId,
    step: Option<ValueId>,
    /// Updates so far: each draws random numbers of its own.
    count: u64,
}

impl<'a> Updates<'a> {
    pub(super) fn new(mut graph: Graph, options: &'a StepOptions) -> Result<Self, StepError> {
        let rate = graph.input(RATE, TensorType::f32(&[]))?;
        let bias_rate = graph.input(BIAS_RATE, TensorType::f32(&[]))?;
        let stochastic =
            [options.weights, options.biases].iter().any(|r| matches!(r, Rounding::Stochastic { .. }));
        let step = stochastic.then(|| graph.input(STEP, TensorType::new(DType::I32, &[]))).transpose()?;
        Ok(Self { graph, options, rate, bias_rate, step, count: 0 })
    }

    pub(super) fn finish(self) -> Graph {
        self.graph
    }

    /// Updates a share of the weights of a convolution.
    pub(super) fn weight(&mut self, site: &ConvSite, gradient: ValueId, share: f64) -> Result<(), StepError> {
        let shape = self.graph.shape(gradient).to_vec();
        let [outputs, _, ..] = shape[..] else {
            return Err(StepError::Network("a weight has less than two axes".to_owned()));
        };
        let op = self.graph.producer(site.output).map(|(at, _)| &self.graph.nodes()[at].op);
        // A depthwise kernel is trained for some of its channels, which are output channels.
        let axis = usize::from(!matches!(op, Some(Op::QuantizedConv2d(op)) if op.groups > 1));
        let count = trained_channels(shape[axis], share);
        let mut factors = self.factors(site.weight_scales.iter().map(|scale| f64::from(*scale)));
        let (mut gradient, mut channels) = (gradient, None);
        if count < shape[axis] {
            match self.options.channels {
                Channels::First => {
                    let mut sizes = shape.clone();
                    sizes[axis] = count;
                    gradient = self.graph.apply(Crop::leading(&sizes), &[gradient])?;
                }
                Channels::Largest => {
                    let chosen = SelectChannels { axis, channels: self.largest(site.weight, axis, count)? };
                    gradient = self.graph.apply(chosen.clone(), &[gradient])?;
                    if axis == 0 && factors.len() == outputs {
                        factors = chosen.channels.iter().map(|channel| factors[*channel]).collect();
                    }
                    channels = Some(chosen);
                }
            }
        }
        self.update(site.weight, gradient, self.rate, factors, self.options.weights, channels)
    }

    /// Updates the biases of a convolution.
    pub(super) fn bias(&mut self, site: &ConvSite, gradient: ValueId) -> Result<(), StepError> {
        let input = site.input.scale;
        let factors = self.factors(site.weight_scales.iter().map(|scale| f64::from(*scale) * input));
        self.update(site.bias, gradient, self.bias_rate, factors, self.options.biases, None)
    }

    /// What gradients are multiplied with, for parameters of these scales: with scaling `scale^-2`, so that a step is in proportion to its parameter as if both were real numbers. Channels
    /// without weights have scales next to 0; their gradients vanish as well.
    fn factors(&self, scales: impl Iterator<Item = f64>) -> Vec<f32> {
        let factor = |scale: f64| scale.powi(-2).min(f32::MAX.into()) as f32;
        if self.options.scaling { scales.map(factor).collect() } else { vec![1.0] }
    }

    /// The channels along an axis of a weight whose elements have the largest sum of squares, as bytes; of equal ones the first. Ascending.
    fn largest(&self, weight: ValueId, axis: usize, count: usize) -> Result<Vec<usize>, StepError> {
        let value = self.graph.value(weight);
        let data = match &value.source {
            Source::Parameter(data) | Source::Constant(data) => data.as_i8(),
            _ => None,
        };
        let data = data.ok_or_else(|| StepError::Network(format!("{} is no weight in bytes", value.name)))?;
        let (extent, inner) = (value.ty.shape[axis], value.ty.shape[axis + 1..].iter().product::<usize>());
        let mut norms = vec![0u64; extent];
        for (at, weight) in data.iter().enumerate() {
            norms[at / inner.max(1) % extent] += u64::from(weight.unsigned_abs()).pow(2);
        }
        let mut channels: Vec<usize> = (0..extent).collect();
        channels.sort_by_key(|channel| std::cmp::Reverse(norms[*channel]));
        channels.truncate(count);
        channels.sort_unstable();
        Ok(channels)
    }

    fn update(
        &mut self,
        parameter: ValueId,
        gradient: ValueId,
        rate: ValueId,
        factor: Vec<f32>,
        rounding: Rounding,
        channels: Option<SelectChannels>,
    ) -> Result<(), StepError> {
        let mut inputs = vec![parameter, gradient, rate];
        let (mut rounding, mut residual) = (rounding, None);
        match &mut rounding {
            Rounding::Stochastic { seed } => {
                // Not the constant by which steps move the numbers, or tensors would follow each other.
                *seed = seed.wrapping_add(self.count.wrapping_mul(0xd6e8_feb8_6659_fd93));
                inputs.extend(self.step);
            }
            Rounding::ErrorFeedback => {
                let name = format!("{}.residual", self.graph.value(parameter).name);
                let kept = self.graph.parameter(&name, Tensor::zeros(self.graph.ty(gradient)))?;
                inputs.push(kept);
                residual = Some(kept);
            }
            _ => {}
        }
        self.count += 1;
        let new = self.graph.apply_all(QuantizedSgd { factor, rounding, channels }, &inputs)?;
        self.graph.update(parameter, new[0])?;
        if let Some(residual) = residual {
            self.graph.update(residual, new[1])?;
        }
        Ok(())
    }
}
