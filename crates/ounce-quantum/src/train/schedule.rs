//! How a number changes over training: learning rates, and factors of noise.

use serde::{Deserialize, Serialize};
use std::f64::consts::PI;

/// A course over training, as a factor of a base value.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Schedule {
    /// Always 1.
    #[default]
    Constant,
    /// From 1 to `end` along half a cosine, after a linear warm-up.
    Cosine {
        /// The factor at the end.
        #[serde(default)]
        end: f64,
        /// The share of all steps over which it rises from 0.
        #[serde(default)]
        warmup: f64,
    },
    /// From `start` to 1 and back to `end`, both along half a cosine, with the top at the share `peak` of all steps: QuantumNAT's schedules of the
    /// noise factor (increase: `peak = 1`; decrease: `peak = 0`).
    Hill {
        /// The factor at the beginning.
        #[serde(default)]
        start: f64,
        /// The factor at the end.
        #[serde(default)]
        end: f64,
        /// Where the top is, from 0 to 1.
        peak: f64,
    },
}

impl Schedule {
    /// The factor at `step` of `steps`.
    pub fn factor(&self, step: usize, steps: usize) -> f64 {
        let at = step as f64 / steps.max(1) as f64;
        // From `from` at 0 to `to` at 1.
        let bend = |from: f64, to: f64, share: f64| {
            to + (from - to) * (1.0 + (PI * share.clamp(0.0, 1.0)).cos()) / 2.0
        };
        match *self {
            Self::Constant => 1.0,
            Self::Cosine { warmup, .. } if at < warmup => {
                (step + 1) as f64 / (warmup * steps as f64).max(1.0)
            }
            Self::Cosine { end, warmup } => bend(1.0, end, (at - warmup) / (1.0 - warmup).max(f64::EPSILON)),
            Self::Hill { start, peak, .. } if at < peak => bend(start, 1.0, at / peak),
            Self::Hill { end, peak, .. } => bend(1.0, end, (at - peak) / (1.0 - peak).max(f64::EPSILON)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_pass_through_their_ends() {
        let cosine = Schedule::Cosine { end: 0.1, warmup: 0.1 };
        assert!((cosine.factor(0, 100) - 0.1).abs() < 1e-12);
        assert!((cosine.factor(10, 100) - 1.0).abs() < 1e-12);
        assert!((cosine.factor(55, 100) - 0.55).abs() < 1e-12);
        assert!((cosine.factor(100, 100) - 0.1).abs() < 1e-12);
        let hill = Schedule::Hill { start: 0.2, end: 0.0, peak: 0.5 };
        let at = [0, 50, 100].map(|step| hill.factor(step, 100));
        assert!((at[0] - 0.2).abs() < 1e-12 && (at[1] - 1.0).abs() < 1e-12 && at[2].abs() < 1e-12);
    }
}
