//! Classical layers.

use serde::{Deserialize, Serialize};

/// `y = W x + b`. Parameters are `W`, `outputs` rows of `inputs`, and then `b`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Linear {
    /// Values that come in.
    pub inputs: usize,
    /// Values that come out.
    pub outputs: usize,
}

impl Linear {
    /// Weights and biases.
    pub fn parameters(&self) -> usize {
        (self.inputs + 1) * self.outputs
    }

    pub(super) fn forward(&self, parameters: &[f64], values: &[f64]) -> Vec<f64> {
        let (weights, biases) = parameters.split_at(self.inputs * self.outputs);
        let rows = values.chunks(self.inputs.max(1));
        rows.flat_map(|row| {
            let outputs = weights.chunks(self.inputs.max(1)).zip(biases);
            outputs.map(move |(weights, bias)| bias + dot(weights, row))
        })
        .collect()
    }

    pub(super) fn backward(
        &self,
        parameters: &[f64],
        values: &[f64],
        cotangents: &[f64],
        gradients: &mut [f64],
    ) -> Vec<f64> {
        let weights = &parameters[..self.inputs * self.outputs];
        let (of_weights, of_biases) = gradients.split_at_mut(weights.len());
        let mut out = vec![0.0; values.len()];
        let rows =
            values.chunks(self.inputs).zip(out.chunks_mut(self.inputs)).zip(cotangents.chunks(self.outputs));
        for ((row, out), cotangents) in rows {
            for (index, cotangent) in cotangents.iter().enumerate() {
                let place = index * self.inputs..(index + 1) * self.inputs;
                of_biases[index] += cotangent;
                of_weights[place.clone()].iter_mut().zip(row).for_each(|(g, value)| *g += cotangent * value);
                out.iter_mut().zip(&weights[place]).for_each(|(out, weight)| *out += cotangent * weight);
            }
        }
        out
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// A function of each value.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Activation {
    /// `max(x, 0)`.
    Relu,
    /// The hyperbolic tangent.
    Tanh,
    /// `1/(1 + exp(-x))`.
    Sigmoid,
}

impl Activation {
    pub(super) fn forward(self, value: f64) -> f64 {
        match self {
            Self::Relu => value.max(0.0),
            Self::Tanh => value.tanh(),
            Self::Sigmoid => 1.0 / (1.0 + (-value).exp()),
        }
    }

    pub(super) fn derivative(self, value: f64) -> f64 {
        let out = self.forward(value);
        match self {
            Self::Relu => f64::from(u8::from(value > 0.0)),
            Self::Tanh => 1.0 - out * out,
            Self::Sigmoid => out * (1.0 - out),
        }
    }
}
