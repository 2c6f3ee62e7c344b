//! The error of a scale at the output of a whole layer, for [`Inspect::Block`](super::Inspect::Block).

use super::calibration::Calibration;
use super::plan::Rounder;
use crate::config::Config;
use crate::decoder::{Layer, LinearId};
use ounce_kernels::{Matrix, Team};
use ounce_quant::Rounding as _;

/// Sequences that are run for every candidate.
const SEQUENCES: usize = 8;

/// A layer that is run again with other weights.
pub(super) struct BlockLoss<'a> {
    config: &'a Config,
    index: usize,
    layer: Layer<Matrix>,
    calibration: &'a mut Calibration,
    /// What comes in, some sequences.
    x: Vec<f32>,
    /// What comes out of the layer as it is.
    exact: Vec<f32>,
}

/// Some of what flows into the layer that [`Calibration::run`] is about to run.
pub(super) fn before(calibration: &Calibration, config: &Config) -> Vec<f32> {
    calibration.some(config, SEQUENCES)
}

impl<'a> BlockLoss<'a> {
    /// `x`: see [`before`].
    pub(super) fn new(
        team: &mut Team<'_>,
        config: &'a Config,
        index: usize,
        layer: Layer<Matrix>,
        calibration: &'a mut Calibration,
        x: Vec<f32>,
    ) -> Self {
        let exact = calibration.through(team, config, index, &layer, &x);
        Self { config, index, layer, calibration, x, exact }
    }

    /// Mean squared error of the layer's output with the maps `ids` scaled, rounded and scaled back.
    pub(super) fn error(
        &mut self,
        team: &mut Team<'_>,
        ids: &[LinearId],
        rounder: &Rounder,
        scales: Option<&[f32]>,
    ) -> f64 {
        let mut kept = Vec::new();
        for &id in ids {
            if let Some(linear) = self.layer.linear_mut(id) {
                let rounded = rounded(team, &linear.weight, rounder, scales);
                kept.push((id, std::mem::replace(&mut linear.weight, rounded)));
            }
        }
        let found = self.calibration.through(team, self.config, self.index, &self.layer, &self.x);
        for (id, weight) in kept {
            if let Some(linear) = self.layer.linear_mut(id) {
                linear.weight = weight;
            }
        }
        let squares: f64 = found.iter().zip(&self.exact).map(|(a, b)| f64::from(a - b).powi(2)).sum();
        squares * self.config.hidden as f64 / found.len() as f64
    }
}

fn rounded(team: &mut Team<'_>, weight: &Matrix, rounder: &Rounder, scales: Option<&[f32]>) -> Matrix {
    let (rows, cols) = (weight.rows(), weight.cols());
    let from = weight.as_f32().unwrap_or_default();
    let mut values = vec![0.0f32; from.len()];
    team.for_each_chunk_mut(&mut values, cols, |row, out| {
        let from = &from[row * cols..][..cols];
        rounder.round_scaled_row(from, scales, out);
    });
    ounce_quant::inputs::float_matrix(rows, cols, values)
}
