//! A dense layer from bytes to floats.

use super::conv2d::{bias_sum, input_gradients};
use super::{BinaryKind, Window};
use crate::autodiff::Gradient;
use crate::error::{GraphError, OpError};
use crate::io::Io;
use crate::operator::{Cost, Operator, expect_dtype, expect_inputs, expect_rank, expect_shape};
use crate::tensor::Tensor;
use crate::types::{DType, TensorType};

/// `y[o] = scale[o] (sum over c of (x[c] - x_zero) w[o, c] + bias[o])`: the logits of a classifier whose weights are bytes. Inputs: `x [N, C, 1, 1]` and
/// `w [O, C, 1, 1]` in i8, `bias [O]` in i32. The result is `[N, O, 1, 1]` in f32.
///
/// Nothing is rounded or clamped behind the sum, so gradients pass whatever the logits are; with logits in bytes ([`QuantizedConv2d`](super::QuantizedConv2d)) they vanish
/// at 127.
#[derive(Clone, PartialEq, Debug)]
pub struct QuantizedDense {
    /// The byte that stands for 0 in `x`.
    pub x_zero: i32,
    /// `x scale * w scale`, one for every output channel.
    pub scale: Vec<f32>,
}

impl Operator for QuantizedDense {
    fn name(&self) -> &'static str {
        "quantized_dense"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, OpError> {
        expect_inputs(inputs, 3)?;
        expect_dtype(inputs, 0, DType::I8)?;
        expect_dtype(inputs, 1, DType::I8)?;
        expect_dtype(inputs, 2, DType::I32)?;
        expect_rank(inputs, 0, 4)?;
        expect_rank(inputs, 1, 4)?;
        let (batch, channels, outputs) = (inputs[0].shape[0], inputs[0].shape[1], inputs[1].shape[0]);
        expect_shape(inputs, 0, &[batch, channels, 1, 1])?;
        expect_shape(inputs, 1, &[outputs, channels, 1, 1])?;
        expect_shape(inputs, 2, &[outputs])?;
        if self.scale.len() != outputs {
            let problem = format!("{} for {outputs} output channels: give one for each", self.scale.len());
            return Err(OpError::attribute("scale", problem));
        }
        if !self.scale.iter().all(|scale| scale.is_finite()) {
            return Err(OpError::attribute("scale", "must be finite"));
        }
        if !(-128..=127).contains(&self.x_zero) {
            return Err(OpError::attribute("x_zero", "zero points must be in -128..=127"));
        }
        if channels > 1 << 15 {
            return Err(OpError::attribute(
                "x_zero",
                "sums of more than 32768 products may overflow 32 bits",
            ));
        }
        Ok(vec![TensorType::f32(&[batch, outputs, 1, 1])])
    }

    fn reference(&self, io: &mut Io<'_, '_>) {
        let channels = io.shape(0)[1];
        let (y, x, w, bias) = (io.take_f32(0), io.i8(0), io.i8(1), io.i32(2));
        let outputs = self.scale.len().max(1);
        for (n, y) in y.chunks_exact_mut(outputs).enumerate() {
            let x = &x[n * channels..][..channels];
            for (o, y) in y.iter_mut().enumerate() {
                let products = x.iter().zip(&w[o * channels..][..channels]);
                let sum: i32 = products.map(|(x, w)| (i32::from(*x) - self.x_zero) * i32::from(*w)).sum();
                *y = sum.wrapping_add(bias[o]) as f32 * self.scale[o];
            }
        }
    }

    fn gradient(&self, gradient: &mut Gradient<'_>) -> Result<(), GraphError> {
        let upstream = gradient.upstream_first()?;
        let scale = Tensor::f32(&[1, self.scale.len(), 1, 1], self.scale.clone())?;
        let scale = gradient.graph().constant(scale);
        let scaled = gradient.binary(BinaryKind::Mul, upstream, scale)?;
        input_gradients(gradient, scaled, Window::default(), 1, self.x_zero)?;
        if gradient.needs(2) {
            let bias = gradient.apply(bias_sum(), &[scaled])?;
            gradient.add(2, bias)?;
        }
        Ok(())
    }

    fn cost(&self, inputs: &[TensorType], outputs: &[TensorType]) -> Cost {
        Cost::of(inputs[0].elements() * self.scale.len(), inputs, outputs)
    }
}
