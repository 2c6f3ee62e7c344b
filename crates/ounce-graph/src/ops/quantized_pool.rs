//! The mean of every channel of bytes.

use ounce_kernels::Team;

use super::{BinaryKind, Expand, Op, Pool2d, Pool2dGradient, PoolKind, Window};
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

    fn channels_last(&self, _inputs: &[TensorType]) -> Option<Op> {
        Some(ChannelsLastMean { rounding: MeanRounding::TiesEven, bounds: [i8::MIN, i8::MAX] }.into())
    }
}

/// How a mean of bytes becomes a byte.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MeanRounding {
    /// To nearest, ties to even.
    TiesEven,
    /// To nearest, ties away from zero, as TensorFlow Lite.
    TiesAway,
}

/// The rounded mean over height and width of `x [N, H, W, C]` in i8, within bounds: `[N, 1, 1, C]` in i8 with the scale and zero point of `x`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ChannelsLastMean {
    /// What becomes of the mean.
    pub rounding: MeanRounding,
    /// The least and the largest result.
    pub bounds: [i8; 2],
}

impl Operator for ChannelsLastMean {
    fn name(&self) -> &'static str {
        "channels_last_mean"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, OpError> {
        expect_inputs(inputs, 1)?;
        expect_dtype(inputs, 0, DType::I8)?;
        expect_rank(inputs, 0, 4)?;
        let x = &inputs[0].shape;
        if x[1] == 0 || x[2] == 0 || x[1].saturating_mul(x[2]) > 1 << 23 {
            return Err(OpError::shape(0, "with something to average, at most 2^23 places", &inputs[0]));
        }
        Ok(vec![TensorType::new(DType::I8, &[x[0], 1, 1, x[3]])])
    }

    fn reference(&self, io: &mut Io<'_, '_>) {
        let (places, channels) = (io.shape(0)[1] * io.shape(0)[2], io.shape(0)[3]);
        let (y, x) = (io.take_i8(0), io.i8(0));
        for (n, y) in y.chunks_exact_mut(channels.max(1)).enumerate() {
            let x = &x[n * places * channels..][..places * channels];
            y.chunks_mut(TOGETHER).enumerate().for_each(|(part, y)| self.means(x, channels, part, y));
        }
    }

    fn execute(&self, team: &mut Team<'_>, _scratch: &mut [f32], io: &mut Io<'_, '_>) {
        let (places, channels) = (io.shape(0)[1] * io.shape(0)[2], io.shape(0)[3]);
        let (y, x) = (io.take_i8(0), io.i8(0));
        for (n, y) in y.chunks_exact_mut(channels.max(1)).enumerate() {
            let x = &x[n * places * channels..][..places * channels];
            team.for_each_chunk_mut(y, TOGETHER, |part, y| self.means(x, channels, part, y));
        }
    }
}

/// Channels whose sums stay in registers and the nearest cache.
const TOGETHER: usize = 256;

impl ChannelsLastMean {
    /// The means of part number `part` of the channels of an image.
    fn means(&self, x: &[i8], channels: usize, part: usize, y: &mut [i8]) {
        let mut sums = [0i32; TOGETHER];
        for row in x.chunks_exact(channels) {
            for (sum, x) in sums.iter_mut().zip(&row[part * TOGETHER..][..y.len()]) {
                *sum += i32::from(*x);
            }
        }
        let places = x.len() / channels;
        for (y, sum) in y.iter_mut().zip(sums) {
            let mean = f64::from(sum) / places as f64;
            let mean = match self.rounding {
                MeanRounding::TiesEven => mean.round_ties_even(),
                MeanRounding::TiesAway => mean.round(),
            };
            *y = (mean as i8).clamp(self.bounds[0], self.bounds[1]);
        }
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
