//! The mean of every channel of bytes.

use super::{BinaryKind, Expand, Pool2d, Pool2dGradient, PoolKind, Window};
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

/// Pools `x [N, C, H, W]` in i8; the result has the scale and zero point of `x`. Means are over what lies inside the image, ties to even.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct QuantizedPool2d {
    /// What is made of the bytes under the window: [`PoolKind::Max`] or [`PoolKind::AverageInside`].
    pub kind: PoolKind,
    /// Height and width of the window.
    pub kernel: [usize; 2],
    /// How the window slides.
    pub window: Window,
}

impl QuantizedPool2d {
    /// The byte for what the window covers.
    fn pooled(&self, bytes: impl Iterator<Item = i8>) -> i8 {
        if self.kind == PoolKind::Max {
            return bytes.max().unwrap_or(i8::MIN);
        }
        let (sum, count) = bytes.fold((0i64, 0i64), |(sum, count), x| (sum + i64::from(x), count + 1));
        (sum as f64 / count.max(1) as f64).round_ties_even() as i8
    }
}

impl Operator for QuantizedPool2d {
    fn name(&self) -> &'static str {
        match self.kind {
            PoolKind::Max => "quantized_max_pool2d",
            PoolKind::Average | PoolKind::AverageInside => "quantized_avg_pool2d",
        }
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, OpError> {
        expect_inputs(inputs, 1)?;
        expect_dtype(inputs, 0, DType::I8)?;
        expect_rank(inputs, 0, 4)?;
        if self.kind == PoolKind::Average {
            let problem = "bytes have no mean that counts padding: pad first, or count what lies inside";
            return Err(OpError::attribute("kind", problem));
        }
        let x = &inputs[0].shape;
        let [height, width] = self.window.output([x[2], x[3]], self.kernel)?;
        self.window.check_inside(self.kernel)?;
        Ok(vec![TensorType::new(DType::I8, &[x[0], x[1], height, width])])
    }

    fn reference(&self, io: &mut Io<'_, '_>) {
        let image = [io.shape(0)[2], io.shape(0)[3]];
        let places = [io.output_shape(0)[2], io.output_shape(0)[3]];
        let (len, area) = (image[0] * image[1], places[0] * places[1]);
        let (y, x) = (io.take_i8(0), io.i8(0));
        for (i, y) in y.iter_mut().enumerate() {
            let plane = &x[i / area * len..][..len];
            let at = [i % area / places[1], i % area % places[1]];
            let rows = (0..self.kernel[0]).filter_map(|tap| self.window.place(0, at[0], tap, image[0]));
            *y = self.pooled(rows.flat_map(|row| {
                let columns =
                    (0..self.kernel[1]).filter_map(move |tap| self.window.place(1, at[1], tap, image[1]));
                columns.map(move |column| plane[row * image[1] + column])
            }));
        }
    }

    /// That of the same pooling of numbers: of a mean as if it were not rounded.
    fn gradient(&self, gradient: &mut Gradient<'_>) -> Result<(), GraphError> {
        let g = gradient.upstream_first()?;
        let shape = gradient.shape(0);
        let pool = Pool2d { kind: self.kind, kernel: self.kernel, window: self.window };
        let op = Pool2dGradient { pool, image: [shape[2], shape[3]] };
        let x = gradient.input(0);
        let inputs = if self.kind == PoolKind::Max { vec![g, x] } else { vec![g] };
        let dx = gradient.apply(op, &inputs)?;
        gradient.add(0, dx)
    }
}
