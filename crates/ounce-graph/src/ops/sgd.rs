//! Updates of parameters in floats: SGD with momentum, and Adam.

use super::unary::zip_inputs;
use crate::error::OpError;
use crate::io::Io;
use crate::operator::{Operator, expect_floats, expect_shape};
use crate::types::TensorType;

/// `w - rate (g + decay w)`. Inputs: `w`, `g` of equal shape, and the learning rate, a single float. With momentum, `g` is what
/// [`Momentum`] gives, and the decay is part of that.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Sgd {
    /// Weight decay.
    pub decay: f32,
}

impl Operator for Sgd {
    fn name(&self) -> &'static str {
        "sgd"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, OpError> {
        expect_floats(inputs, 3)?;
        expect_shape(inputs, 1, &inputs[0].shape)?;
        expect_shape(inputs, 2, &[])?;
        Ok(vec![inputs[0].clone()])
    }

    fn reference(&self, io: &mut Io<'_, '_>) {
        let rate = io.f32(2)[0];
        zip_inputs(io, |w, g| w - rate * (g + self.decay * w));
    }

    fn overwrites(&self, _inputs: &[TensorType]) -> Vec<usize> {
        vec![0]
    }
}

/// `momentum v + (1 - dampening) (g + decay w)`, PyTorch's buffer. Inputs: the buffer `v`, the gradient `g` and the parameter `w`, of equal shape.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Momentum {
    /// What is kept of the buffer.
    pub momentum: f32,
    /// What is lost of the gradient.
    pub dampening: f32,
    /// Weight decay.
    pub decay: f32,
}

impl Operator for Momentum {
    fn name(&self) -> &'static str {
        "momentum"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, OpError> {
        expect_floats(inputs, 3)?;
        expect_shape(inputs, 1, &inputs[0].shape)?;
        expect_shape(inputs, 2, &inputs[0].shape)?;
        Ok(vec![inputs[0].clone()])
    }

    fn reference(&self, io: &mut Io<'_, '_>) {
        let v = io.take_f32(0);
        if let Some(old) = io.f32_unless_overwritten(0) {
            v.copy_from_slice(old);
        }
        for (v, (g, w)) in v.iter_mut().zip(io.f32(1).iter().zip(io.f32(2))) {
            *v = self.momentum * *v + (1.0 - self.dampening) * (g + self.decay * w);
        }
    }

    fn overwrites(&self, _inputs: &[TensorType]) -> Vec<usize> {
        vec![0]
    }
}

/// `decay_rate m + (1 - decay_rate) g`, or of `g g`: the moving averages of Adam. Inputs: `m` and `g` of equal shape.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct MovingAverage {
    /// What is kept of the average.
    pub rate: f32,
    /// Average the squares.
    pub squared: bool,
}

impl Operator for MovingAverage {
    fn name(&self) -> &'static str {
        "moving_average"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, OpError> {
        expect_floats(inputs, 2)?;
        expect_shape(inputs, 1, &inputs[0].shape)?;
        Ok(vec![inputs[0].clone()])
    }

    fn reference(&self, io: &mut Io<'_, '_>) {
        let weight = 1.0 - self.rate;
        zip_inputs(io, |m, g| self.rate * m + weight * if self.squared { g * g } else { g });
    }

    fn overwrites(&self, _inputs: &[TensorType]) -> Vec<usize> {
        vec![0]
    }
}

/// Adam's step (Kingma and Ba 2015) with decoupled weight decay (AdamW): `w (1 - rate decay) - rate m' / (sqrt(v') + eps)` with
/// `m' = m / (1 - beta1^t)` and `v' = v / (1 - beta2^t)`. Inputs: `w`, the averages `m` and `v` as just updated, the learning rate, and the number
/// of the step `t`, from 1, both single floats.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Adam {
    /// Decay of the average of gradients.
    pub beta1: f32,
    /// Decay of the average of squares.
    pub beta2: f32,
    /// Added to the root.
    pub eps: f32,
    /// Decoupled weight decay.
    pub decay: f32,
}

impl Operator for Adam {
    fn name(&self) -> &'static str {
        "adam"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, OpError> {
        expect_floats(inputs, 5)?;
        (1..3).try_for_each(|i| expect_shape(inputs, i, &inputs[0].shape))?;
        (3..5).try_for_each(|i| expect_shape(inputs, i, &[]))?;
        Ok(vec![inputs[0].clone()])
    }

    fn reference(&self, io: &mut Io<'_, '_>) {
        let (rate, step) = (io.f32(3)[0], io.f32(4)[0]);
        let corrected = |beta: f32| (1.0 - f64::from(beta).powf(f64::from(step))) as f32;
        let (first, second) = (corrected(self.beta1), corrected(self.beta2).sqrt());
        let w = io.take_f32(0);
        if let Some(old) = io.f32_unless_overwritten(0) {
            w.copy_from_slice(old);
        }
        for (w, (m, v)) in w.iter_mut().zip(io.f32(1).iter().zip(io.f32(2))) {
            *w -= rate * self.decay * *w;
            *w -= rate / first * m / (v.sqrt() / second + self.eps);
        }
    }

    fn overwrites(&self, _inputs: &[TensorType]) -> Vec<usize> {
        vec![0]
    }
}
