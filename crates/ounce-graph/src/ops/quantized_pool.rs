//! The mean of every channel of bytes.

use super::{BinaryKind, Expand};
use crate::autodiff::Gradient;
use crate::error::{GraphError, OpError};
use crate::io::Io;
use crate::operator::{Operator, expect_dtype, expect_inputs, expect_rank};
use crate::types::{DType, TensorType};

/// `round(mean)` over height and width of `x [N, C, H, W]` in i8, ties to even: `[N, C, 1, 1]` in i8 with the scale and zero point of `x`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct QuantizedGlobalAvgPool;

impl Operator for QuantizedGlobalAvgPool {
    fn name(&self) -> &'static str {
        "quantized_global_avg_pool"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, OpError> {
        expect_inputs(inputs, 1)?;
        expect_dtype(inputs, 0, DType::I8)?;
        expect_rank(inputs, 0, 4)?;
        let x = &inputs[0].shape;
        if x[2] == 0 || x[3] == 0 {
            return Err(OpError::shape(0, "with something to average", &inputs[0]));
        }
        Ok(vec![TensorType::new(DType::I8, &[x[0], x[1], 1, 1])])
    }

    fn reference(&self, io: &mut Io<'_, '_>) {
        let len = io.shape(0)[2] * io.shape(0)[3];
        let (y, x) = (io.take_i8(0), io.i8(0));
        for (y, x) in y.iter_mut().zip(x.chunks_exact(len)) {
            // Sums of so many bytes fit into 32 bits.
            let sum: i64 =
                x.chunks(1 << 16).map(|x| i64::from(x.iter().map(|x| i32::from(*x)).sum::<i32>())).sum();
            *y = (sum as f64 / len as f64).round_ties_even() as i8;
        }
    }

    fn gradient(&self, gradient: &mut Gradient<'_>) -> Result<(), GraphError> {
        let g = gradient.upstream_first()?;
        let shape = gradient.shape(0);
        let factor = gradient.graph().scalar(1.0 / (shape[2] * shape[3]) as f32);
        let g = gradient.binary(BinaryKind::Mul, g, factor)?;
        let dx = gradient.apply(Expand { shape }, &[g])?;
        gradient.add(0, dx)
    }
}
