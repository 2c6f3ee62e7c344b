//! Post-measurement quantization (QuantumNAT, section 3.3): values are rounded to a few levels, so that small errors vanish.

use serde::{Deserialize, Serialize};

/// Values are clipped to `low..=high` and rounded to `levels` evenly spaced ones; gradients pass as if nothing had happened.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quantization {
    /// Levels, 2 at least.
    pub levels: u32,
    /// The lowest.
    #[serde(default = "low")]
    pub low: f64,
    /// The highest.
    #[serde(default = "high")]
    pub high: f64,
    /// The weight of the mean squared distance from the levels in the loss, which draws values to them; absent from the released code.
    #[serde(default = "weight")]
    pub weight: f64,
}

fn low() -> f64 {
    -2.0
}

fn high() -> f64 {
    2.0
}

fn weight() -> f64 {
    0.1
}

impl Quantization {
    /// The level of a value.
    pub fn forward(&self, value: f64) -> f64 {
        let step = (self.high - self.low) / f64::from(self.levels.max(2) - 1);
        ((value.clamp(self.low, self.high) - self.low) / step).round() * step + self.low
    }

    /// What is added to the loss.
    pub fn penalty(&self, values: &[f64]) -> f64 {
        let sum: f64 = values.iter().map(|&value| (value - self.forward(value)).powi(2)).sum();
        self.weight * sum / values.len().max(1) as f64
    }

    pub(super) fn backward(&self, values: &[f64], cotangents: &[f64]) -> Vec<f64> {
        let factor = 2.0 * self.weight / values.len().max(1) as f64;
        values.iter().zip(cotangents).map(|(&value, c)| c + factor * (value - self.forward(value))).collect()
    }
}
