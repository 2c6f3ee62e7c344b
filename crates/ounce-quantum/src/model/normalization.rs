//! Post-measurement normalization (QuantumNAT, section 3.1): noise acts on expectation values nearly as a linear map, and normalization removes it.

use serde::{Deserialize, Serialize};

/// Each output is shifted and scaled to mean 0 and variance 1 over the samples, as PyTorch's `BatchNorm1d` without affine parameters.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Normalization {
    /// Added to the variance.
    #[serde(default = "epsilon")]
    pub epsilon: f64,
}

fn epsilon() -> f64 {
    1e-5
}

impl Default for Normalization {
    fn default() -> Self {
        Self { epsilon: epsilon() }
    }
}

/// Mean and deviation of each output.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Statistics {
    mean: Vec<f64>,
    /// The root of variance plus epsilon.
    deviation: Vec<f64>,
}

impl Normalization {
    /// The statistics of rows of `width` values.
    pub fn statistics(&self, values: &[f64], width: usize) -> Statistics {
        let samples = (values.len() / width.max(1)).max(1) as f64;
        let column = |index: usize| values.iter().skip(index).step_by(width.max(1));
        let mean: Vec<f64> = (0..width).map(|index| column(index).sum::<f64>() / samples).collect();
        let variance =
            |index: usize| column(index).map(|value| (value - mean[index]).powi(2)).sum::<f64>() / samples;
        let deviation = (0..width).map(|index| (variance(index) + self.epsilon).sqrt()).collect();
        Statistics { mean, deviation }
    }
}

impl Statistics {
    pub(super) fn normalize(&self, values: &[f64]) -> Vec<f64> {
        let columns = self.mean.iter().zip(&self.deviation).cycle();
        values.iter().zip(columns).map(|(value, (mean, deviation))| (value - mean) / deviation).collect()
    }

    /// The backward step where these are the statistics of `values` themselves.
    pub(super) fn backward(&self, values: &[f64], cotangents: &[f64]) -> Vec<f64> {
        let width = self.mean.len();
        let samples = (values.len() / width.max(1)).max(1) as f64;
        let normalized = self.normalize(values);
        let mut means = vec![(0.0, 0.0); width];
        for (index, (value, cotangent)) in normalized.iter().zip(cotangents).enumerate() {
            let (plain, weighted) = &mut means[index % width];
            *plain += cotangent / samples;
            *weighted += cotangent * value / samples;
        }
        let each = normalized.iter().zip(cotangents).enumerate();
        each.map(|(index, (value, cotangent))| {
            let (plain, weighted) = means[index % width];
            (cotangent - plain - value * weighted) / self.deviation[index % width]
        })
        .collect()
    }
}
