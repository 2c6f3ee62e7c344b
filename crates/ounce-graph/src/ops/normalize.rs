//! Normalisation: over trailing axes (the core of layer and group norm) and with given statistics (batch norm).

use ounce_kernels::Team;

use super::{BinaryKind, Reduce, ReduceKind, Reshape, Unary, UnaryKind};
use crate::autodiff::Gradient;
use crate::error::{GraphError, OpError};
use crate::host;
use crate::io::Io;
use crate::operator::{Operator, expect_floats, expect_rank, expect_shape};
use crate::types::TensorType;

/// `(x - mean) / sqrt(var + eps)` over the last `axes` axes together, in f32. Layer norm multiplies and adds afterwards; group norm reshapes before.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Normalize {
    /// How many trailing axes are normalised together.
    pub axes: usize,
    /// Added to the variance.
    pub eps: f32,
}

/// Mean and `1 / sqrt(var + eps)` of a row.
fn moments(x: &[f32], eps: f32) -> (f32, f32) {
    let n = x.len() as f64;
    let mean = x.iter().map(|x| f64::from(*x)).sum::<f64>() / n;
    let var = x.iter().map(|x| (f64::from(*x) - mean).powi(2)).sum::<f64>() / n;
    (mean as f32, (1.0 / (var + f64::from(eps)).sqrt()) as f32)
}

fn row_len(shape: &[usize], axes: usize) -> usize {
    shape[shape.len() - axes..].iter().product()
}

fn check_axes(axes: usize, eps: f32, input: &TensorType) -> Result<(), OpError> {
    if axes == 0 || axes > input.shape.len() || row_len(&input.shape, axes) == 0 {
        return Err(OpError::attribute("axes", format!("between 1 and the rank of {input}, and not empty")));
    }
    if eps >= 0.0 {
        Ok(())
    } else {
        Err(OpError::attribute("eps", format!("must not be negative, found {eps}")))
    }
}

impl Normalize {
    fn row(&self, x: &[f32], y: &mut [f32]) {
        let (mean, scale) = moments(x, self.eps);
        y.iter_mut().zip(x).for_each(|(y, x)| *y = (x - mean) * scale);
    }
}

impl Operator for Normalize {
    fn name(&self) -> &'static str {
        "normalize"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, OpError> {
        expect_floats(inputs, 1)?;
        check_axes(self.axes, self.eps, &inputs[0])?;
        Ok(inputs.to_vec())
    }

    fn reference(&self, io: &mut Io<'_, '_>) {
        let len = row_len(io.shape(0), self.axes);
        let (y, x) = (io.take_f32(0), io.f32(0));
        y.chunks_exact_mut(len).zip(x.chunks_exact(len)).for_each(|(y, x)| self.row(x, y));
    }

    fn execute(&self, team: &mut Team<'_>, _scratch: &mut [f32], io: &mut Io<'_, '_>) {
        let len = row_len(io.shape(0), self.axes);
        let (y, x) = (io.take_f32(0), io.f32(0));
        host::rows(team, y, len, |row, y| self.row(&x[row * len..][..len], y));
    }

    fn gradient(&self, gradient: &mut Gradient<'_>) -> Result<(), GraphError> {
        let g = gradient.upstream_first()?;
        let x = gradient.input(0);
        let dx = gradient.apply(NormalizeGradient { axes: self.axes, eps: self.eps }, &[g, x])?;
        gradient.add(0, dx)
    }
}

/// The gradient of [`Normalize`]. Inputs: the gradient of the result, and `x`.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct NormalizeGradient {
    /// How many trailing axes are normalised together.
    pub axes: usize,
    /// Added to the variance.
    pub eps: f32,
}

impl NormalizeGradient {
    /// `dx = (g - mean(g) - y mean(g y)) / sqrt(var + eps)` with the normalised `y`.
    fn row(&self, g: &[f32], x: &[f32], dx: &mut [f32]) {
        let (mean, scale) = moments(x, self.eps);
        let (mut sum, mut weighted) = (0.0f64, 0.0f64);
        for (g, x) in g.iter().zip(x) {
            sum += f64::from(*g);
            weighted += f64::from(*g) * f64::from((x - mean) * scale);
        }
        let n = x.len() as f64;
        let (sum, weighted) = ((sum / n) as f32, (weighted / n) as f32);
        for ((dx, g), x) in dx.iter_mut().zip(g).zip(x) {
            *dx = (g - sum - (x - mean) * scale * weighted) * scale;
        }
    }
}

impl Operator for NormalizeGradient {
    fn name(&self) -> &'static str {
        "normalize_gradient"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, OpError> {
        expect_floats(inputs, 2)?;
        check_axes(self.axes, self.eps, &inputs[0])?;
        expect_shape(inputs, 1, &inputs[0].shape)?;
        Ok(vec![inputs[0].clone()])
    }

    fn reference(&self, io: &mut Io<'_, '_>) {
        let len = row_len(io.shape(0), self.axes);
        let (dx, g, x) = (io.take_f32(0), io.f32(0), io.f32(1));
        for (row, dx) in dx.chunks_exact_mut(len).enumerate() {
            self.row(&g[row * len..][..len], &x[row * len..][..len], dx);
        }
    }

    fn execute(&self, team: &mut Team<'_>, _scratch: &mut [f32], io: &mut Io<'_, '_>) {
        let len = row_len(io.shape(0), self.axes);
        let (dx, g, x) = (io.take_f32(0), io.f32(0), io.f32(1));
        host::rows(team, dx, len, |row, dx| self.row(&g[row * len..][..len], &x[row * len..][..len], dx));
    }
}

/// `(x - mean) / sqrt(var + eps) * weight + bias` per channel, with given statistics: batch norm at inference. Inputs: `x [N, C, ..]`, then weight, bias,
/// mean and variance, `[C]` each. Mean and variance get no gradient.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct BatchNorm {
    /// Added to the variance.
    pub eps: f32,
}

impl Operator for BatchNorm {
    fn name(&self) -> &'static str {
        "batch_norm"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, OpError> {
        expect_floats(inputs, 5)?;
        if inputs[0].shape.len() < 2 {
            return Err(OpError::shape(0, "[N, C, ..]", &inputs[0]));
        }
        (1..5).try_for_each(|i| {
            expect_rank(inputs, i, 1).and_then(|()| expect_shape(inputs, i, &inputs[0].shape[1..2]))
        })?;
        Ok(vec![inputs[0].clone()])
    }

    fn reference(&self, io: &mut Io<'_, '_>) {
        let channels = io.shape(0)[1];
        let inner: usize = io.shape(0)[2..].iter().product();
        let y = io.take_f32(0);
        if let Some(x) = io.f32_unless_overwritten(0) {
            y.copy_from_slice(x);
        }
        let [weight, bias, mean, var] = [1, 2, 3, 4].map(|i| io.f32(i));
        for (plane, y) in y.chunks_exact_mut(inner.max(1)).enumerate() {
            let c = plane % channels;
            let scale = weight[c] / (var[c] + self.eps).sqrt();
            let shift = bias[c] - mean[c] * scale;
            y.iter_mut().for_each(|y| *y = *y * scale + shift);
        }
    }

    fn gradient(&self, gradient: &mut Gradient<'_>) -> Result<(), GraphError> {
        let g = gradient.upstream_first()?;
        let shape = gradient.shape(0);
        if gradient.needs(3) || gradient.needs(4) {
            return Err(gradient.refuse(
                "mean and variance are given; normalise with batch statistics to differentiate through them",
            ));
        }
        let mut channel = vec![1; shape.len()];
        channel[1] = shape[1];
        let others: Vec<usize> = (0..shape.len()).filter(|axis| *axis != 1).collect();
        let sum = Reduce { kind: ReduceKind::Sum, axes: others, keep_dims: false };
        let (x, weight, mean, var) =
            (gradient.input(0), gradient.input(1), gradient.input(3), gradient.input(4));
        let eps = gradient.graph().scalar(self.eps);
        let shifted = gradient.binary(BinaryKind::Add, var, eps)?;
        let scale = gradient.apply(Unary { kind: UnaryKind::Rsqrt }, &[shifted])?;
        if gradient.needs(0) {
            let factor = gradient.binary(BinaryKind::Mul, weight, scale)?;
            let factor = gradient.apply(Reshape { shape: channel.clone() }, &[factor])?;
            let dx = gradient.binary(BinaryKind::Mul, g, factor)?;
            gradient.add(0, dx)?;
        }
        if gradient.needs(1) {
            let mean = gradient.apply(Reshape { shape: channel }, &[mean])?;
            let centred = gradient.binary(BinaryKind::Sub, x, mean)?;
            let product = gradient.binary(BinaryKind::Mul, g, centred)?;
            let total = gradient.apply(sum.clone(), &[product])?;
            let dw = gradient.binary(BinaryKind::Mul, total, scale)?;
            gradient.add(1, dw)?;
        }
        if gradient.needs(2) {
            let db = gradient.apply(sum, &[g])?;
            gradient.add(2, db)?;
        }
        Ok(())
    }

    fn overwrites(&self, _inputs: &[TensorType]) -> Vec<usize> {
        vec![0]
    }
}
