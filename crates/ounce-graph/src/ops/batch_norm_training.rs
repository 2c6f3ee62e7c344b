//! Batch norm with the statistics of the batch, as in training.

use ounce_kernels::Team;
use ounce_kernels::ops::{BatchNorm as Norm, batch_norm, batch_norm_gradient};

use super::Clip;
use crate::autodiff::Gradient;
use crate::error::{GraphError, OpError};
use crate::io::Io;
use crate::operator::{Operator, expect_floats, expect_shape};
use crate::types::TensorType;

/// `(x - mean) / sqrt(var + eps) * weight + bias` per channel, with mean and variance of the batch. Inputs: `x [N, C, ..]`, weight and bias `[C]`. Outputs: the
/// result, and mean and variance, `[C]` each; the variance is divided by the number of elements. The gradient is that through the result alone.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct BatchNormTraining {
    /// Added to the variance.
    pub eps: f32,
    /// Applied to the result.
    pub activation: Option<Clip>,
}

/// The gradient of [`BatchNormTraining`], activation included. Inputs: the gradient of the result, then `x`, weight, bias, and the mean and variance that came out.
/// Outputs: the gradients by `x`, weight and bias.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct BatchNormTrainingGradient {
    /// Added to the variance.
    pub eps: f32,
    /// Applied to the result.
    pub activation: Option<Clip>,
}

/// Extents of an image `[N, C, ..]`: images, channels, elements of a channel.
fn extents(shape: &[usize]) -> [usize; 3] {
    [shape[0], shape[1], shape[2..].iter().product()]
}

/// Input `x` is an image with something in every channel, and the inputs of `channels` have one element for each.
fn check(inputs: &[TensorType], x: usize, channels: std::ops::Range<usize>, eps: f32) -> Result<(), OpError> {
    let shape = &inputs[x].shape;
    if shape.len() < 2 {
        return Err(OpError::shape(x, "[N, C, ..]", &inputs[x]));
    }
    let [batch, _, len] = extents(shape);
    if batch * len == 0 {
        return Err(OpError::shape(x, "with something in every channel", &inputs[x]));
    }
    channels.into_iter().try_for_each(|i| expect_shape(inputs, i, &shape[1..2]))?;
    if eps >= 0.0 {
        Ok(())
    } else {
        Err(OpError::attribute("eps", format!("must not be negative, found {eps}")))
    }
}

/// What the kernels take.
fn norm<'a>(
    [batch, _, len]: [usize; 3],
    [weight, bias]: [&'a [f32]; 2],
    eps: f32,
    activation: Option<Clip>,
) -> Norm<'a> {
    Norm { batch, len, weight, bias, eps, bounds: activation.map(|clip| [clip.low, clip.high]) }
}

/// Calls `visit(channel, element)` for all elements of `[N, C, ..]`.
fn for_each([batch, channels, len]: [usize; 3], mut visit: impl FnMut(usize, usize)) {
    (0..batch * channels * len).for_each(|i| visit(i / len % channels, i));
}

impl Operator for BatchNormTraining {
    fn name(&self) -> &'static str {
        "batch_norm_training"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, OpError> {
        expect_floats(inputs, 3)?;
        check(inputs, 0, 1..3, self.eps)?;
        Ok(vec![inputs[0].clone(), inputs[1].clone(), inputs[1].clone()])
    }

    fn reference(&self, io: &mut Io<'_, '_>) {
        let extents = extents(io.shape(0));
        let count = (extents[0] * extents[2]) as f64;
        let (y, mean, var) = (io.take_f32(0), io.take_f32(1), io.take_f32(2));
        if let Some(x) = io.f32_unless_overwritten(0) {
            y.copy_from_slice(x);
        }
        let (weight, bias) = (io.f32(1), io.f32(2));
        let mut sums = vec![0.0f64; extents[1]];
        for_each(extents, |c, i| sums[c] += f64::from(y[i]));
        let means: Vec<f64> = sums.iter().map(|sum| sum / count).collect();
        sums.fill(0.0);
        for_each(extents, |c, i| sums[c] += (f64::from(y[i]) - means[c]).powi(2));
        for c in 0..extents[1] {
            (mean[c], var[c]) = (means[c] as f32, (sums[c] / count) as f32);
        }
        for_each(extents, |c, i| {
            let result = (y[i] - mean[c]) * (weight[c] / (var[c] + self.eps).sqrt()) + bias[c];
            y[i] = self.activation.map_or(result, |clip| clip.apply(result));
        });
    }

    fn execute(&self, team: &mut Team<'_>, _scratch: &mut [f32], io: &mut Io<'_, '_>) {
        let (y, mean, var) = (io.take_f32(0), io.take_f32(1), io.take_f32(2));
        let norm = norm(extents(io.shape(0)), [io.f32(1), io.f32(2)], self.eps, self.activation);
        batch_norm(team, &norm, io.f32_unless_overwritten(0), y, [mean, var]);
    }

    fn gradient(&self, gradient: &mut Gradient<'_>) -> Result<(), GraphError> {
        if gradient.upstream(1).is_some() || gradient.upstream(2).is_some() {
            return Err(gradient.refuse("the loss depends on the mean or the variance themselves"));
        }
        let g = gradient.upstream_first()?;
        let inputs =
            [0, 1, 2].map(|i| gradient.input(i)).into_iter().chain([1, 2].map(|o| gradient.output(o)));
        let inputs: Vec<_> = std::iter::once(g).chain(inputs).collect();
        let op = BatchNormTrainingGradient { eps: self.eps, activation: self.activation };
        let found = gradient.apply_all(op, &inputs)?;
        for (i, found) in found.into_iter().enumerate() {
            if gradient.needs(i) {
                gradient.add(i, found)?;
            }
        }
        Ok(())
    }

    fn overwrites(&self, _inputs: &[TensorType]) -> Vec<usize> {
        vec![0]
    }
}

impl Operator for BatchNormTrainingGradient {
    fn name(&self) -> &'static str {
        "batch_norm_training_gradient"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, OpError> {
        expect_floats(inputs, 6)?;
        check(inputs, 1, 2..6, self.eps)?;
        expect_shape(inputs, 0, &inputs[1].shape)?;
        Ok(vec![inputs[1].clone(), inputs[2].clone(), inputs[2].clone()])
    }

    fn reference(&self, io: &mut Io<'_, '_>) {
        let extents = extents(io.shape(1));
        let count = (extents[0] * extents[2]) as f64;
        let (dx, dweight, dbias) = (io.take_f32(0), io.take_f32(1), io.take_f32(2));
        let [g, x] =
            [0, 1].map(|i| io.f32_unless_overwritten(i).map_or_else(|| dx.to_vec(), <[f32]>::to_vec));
        let [weight, bias, mean, var] = [2, 3, 4, 5].map(|i| io.f32(i));
        let inverse: Vec<f32> = var.iter().map(|var| 1.0 / (var + self.eps).sqrt()).collect();
        let normal = |c: usize, i: usize| (x[i] - mean[c]) * inverse[c];
        let passed = |c: usize, i: usize| {
            let y = (x[i] - mean[c]) * (weight[c] * inverse[c]) + bias[c];
            if self.activation.is_none_or(|clip| y > clip.low && y < clip.high) { g[i] } else { 0.0 }
        };
        let mut sums = vec![[0.0f64; 2]; extents[1]];
        for_each(extents, |c, i| {
            sums[c][0] += f64::from(passed(c, i));
            sums[c][1] += f64::from(passed(c, i)) * f64::from(normal(c, i));
        });
        for c in 0..extents[1] {
            (dbias[c], dweight[c]) = (sums[c][0] as f32, sums[c][1] as f32);
        }
        for_each(extents, |c, i| {
            let [mean, slope] = sums[c].map(|sum| (sum / count) as f32);
            dx[i] = weight[c] * inverse[c] * (passed(c, i) - mean - normal(c, i) * slope);
        });
    }

    fn execute(&self, team: &mut Team<'_>, _scratch: &mut [f32], io: &mut Io<'_, '_>) {
        let (dx, dweight, dbias) = (io.take_f32(0), io.take_f32(1), io.take_f32(2));
        let norm = norm(extents(io.shape(1)), [io.f32(2), io.f32(3)], self.eps, self.activation);
        let from = [io.f32_unless_overwritten(0), io.f32_unless_overwritten(1)];
        batch_norm_gradient(team, &norm, [io.f32(4), io.f32(5)], from, dx, [dweight, dbias]);
    }

    fn overwrites(&self, _inputs: &[TensorType]) -> Vec<usize> {
        vec![0, 1]
    }
}
